//! A supervisor and its processes: who dies, who is started again, and that nobody is left.
//!
//! This program is all of them: without a play in its environment it is the one that watches, with one it supervises that
//! play, and its supervisor starts it once more for each process. Processes tell what they do on stdout, which all share; so
//! when it closes, none is left.

use psdf_cluster::config::Config;
use psdf_cluster::exit::{AGAIN, DONE, Failure, GAVE_UP};
use psdf_cluster::mesh::{Claim, Mesh};
use psdf_cluster::panics::contained;
use psdf_cluster::restarts::Restarts;
use psdf_cluster::seat::Seat;
use psdf_cluster::supervise::supervise;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

const PLAY: &str = "PSDF_TEST_PLAY";
const SCRATCH: &str = "PSDF_TEST_SCRATCH";
/// Nothing here takes as long, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match std::env::var(PLAY) {
        Ok(play) => {
            let restarts = Restarts::new().limit(3, LONG).backoff(Duration::from_millis(10), LONG);
            let config = Config::new("played").processes(3).assembly(LONG).stopping(LONG);
            supervise(config, restarts, |seat| act(&play, seat))
        }
        Err(_) => {
            let wanted = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
            for (name, test) in TESTS {
                if wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
                    println!("test {name} ...");
                    test();
                }
            }
            ExitCode::SUCCESS
        }
    }
}

type Test = fn();

const TESTS: &[(&str, Test)] = &[
    ("processes_that_come_to_their_end_are_not_started_again", processes_that_come_to_their_end),
    ("the_death_of_one_starts_all_again_and_leaves_no_zombie", the_death_of_one_starts_all_again),
    ("a_process_that_is_stopped_for_ever_is_killed_with_the_others", a_stopped_process_is_killed),
    ("a_panic_on_a_thread_of_timely_ends_the_process_with_one_line", a_panic_ends_the_process),
    ("a_contained_panic_ends_nothing", a_contained_panic_ends_nothing),
    ("who_dies_too_often_is_given_up_with_the_reason", who_dies_too_often_is_given_up),
    ("a_process_that_gives_up_ends_all_with_its_code", a_process_gives_up),
    ("a_supervisor_that_is_asked_to_end_asks_its_processes", a_supervisor_is_asked_to_end),
    ("a_process_that_is_asked_to_end_has_all_asked", a_process_is_asked_to_end),
    ("a_supervisor_that_is_killed_leaves_no_process", a_supervisor_is_killed),
];

// ---- the processes

fn act(play: &str, mut seat: Seat) -> Result<(), Failure> {
    let index = seat.config.own_index();
    let mesh = seat.assemble(7, next_attempt)?;
    let attempt = mesh.claim.attempt;
    tell(&format!("{index} {attempt} {}", std::process::id()));
    match (play, index, attempt) {
        ("ends", ..) | ("killed", _, 2..) => Ok(()),
        ("stopped", 0, 1) => {
            // The others do not see that process 1 is stopped: it is for a watchdog to see. Here a line of stdin would do,
            // were it ours; so the test makes a file.
            while !scratch().join("stopped").exists() {
                std::thread::yield_now();
            }
            Err(Failure::Again("the frontier does not move".into()))
        }
        ("stopped", _, 2..) => Ok(()),
        ("panics", 1, _) => {
            let other = std::thread::Builder::new().name("other".into()).spawn(|| panic!("alone"))?;
            let _ = other.join();
            tell("goes on");
            let broken =
                std::thread::Builder::new().name("timely:work-4".into()).spawn(|| panic!("broken"))?;
            let _ = broken.join();
            tell("does not");
            Ok(())
        }
        ("contains", ..) => {
            let error = contained(|| panic!("caught")).expect_err("it panics");
            tell(&format!("{index} {}", error.message));
            Ok(())
        }
        ("gives up", 2, _) => Err(Failure::GiveUp("the disk is on fire".into())),
        _ => wait_for_the_end(&seat, mesh),
    }
}

/// As a worker of timely: a job ends when all have closed their inputs, and the loss of one before is a panic.
fn wait_for_the_end(seat: &Seat, mesh: Mesh) -> Result<(), Failure> {
    let index = seat.config.own_index();
    let mut others: Vec<_> = mesh.sockets.into_iter().flatten().collect();
    let mut waiting = Vec::new();
    for other in &others {
        let mut other = other.try_clone()?;
        let receive = move || other.read_exact(&mut [0]).expect("timely communication error");
        waiting.push(std::thread::Builder::new().name("timely:recv".into()).spawn(receive)?);
    }
    while !seat.stop.requested() {
        std::thread::yield_now();
    }
    for other in &mut others {
        other.write_all(b".")?;
    }
    for waiting in waiting {
        let _ = waiting.join();
    }
    tell(&format!("{index} stops"));
    Ok(())
}

/// In place of a manifest: the number of the attempt is one more each time.
fn next_attempt() -> io::Result<Claim> {
    let path = scratch().join("attempts");
    let attempts = std::fs::read(&path).map_or(0, |attempts| attempts.len() as u64);
    std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(b"+")?;
    Ok(Claim { attempt: attempts + 1, restore: None })
}

fn scratch() -> PathBuf {
    std::env::var_os(SCRATCH).expect("it is set for every process").into()
}

fn tell(line: &str) {
    // Together, so that lines of several processes do not mix.
    let line = format!("{line}\n");
    let _ = io::stdout().lock().write_all(line.as_bytes());
}

// ---- the one who watches

/// A play: its supervisor, and what is told. It is killed at the end, with all processes it has.
struct Play {
    supervisor: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
    scratch: PathBuf,
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    lines
}

impl Play {
    fn begin(play: &str) -> Play {
        let name = format!("psdf-{}-{}", play.replace(' ', "-"), std::process::id());
        let scratch = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&scratch).expect("a directory can be made");
        let mut supervisor = Command::new(std::env::current_exe().expect("it has a name"))
            .env(PLAY, play)
            .env(SCRATCH, &scratch)
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let lines = lines_of(supervisor.stdout.take().expect("it is piped"));
        let errors = lines_of(supervisor.stderr.take().expect("it is piped"));
        Play { supervisor, lines, errors, scratch }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LONG).expect("a process tells something")
    }

    /// The numbers that the system has given to the processes of an attempt, by index.
    fn processes(&self, attempt: u64) -> [u32; 3] {
        let mut processes = [0; 3];
        while processes.contains(&0) {
            let line = self.line();
            let mut words = line.split(' ').map(|word| word.parse::<u64>().expect("a number"));
            let mut next = || words.next().expect("three of them");
            let (index, of, id) = (next(), next(), next());
            assert_eq!(of, attempt);
            processes[usize::try_from(index).expect("small")] = u32::try_from(id).expect("small");
        }
        processes
    }

    /// Waits until no process is left that could tell anything; the lines and errors there were, and the code.
    fn end(mut self) -> Ended {
        let [lines, errors] = [&self.lines, &self.errors].map(|told| {
            let mut lines = Vec::new();
            loop {
                match told.recv_timeout(LONG) {
                    Ok(line) => lines.push(line),
                    Err(RecvTimeoutError::Disconnected) => return lines,
                    Err(RecvTimeoutError::Timeout) => unreachable!("a process is left after {lines:?}"),
                }
            }
        });
        let code = self.supervisor.wait().expect("it is ours").code();
        Ended { lines, errors, code }
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

struct Ended {
    lines: Vec<String>,
    errors: Vec<String>,
    code: Option<i32>,
}

impl Ended {
    fn check(&self, code: u8) {
        assert_eq!(self.code, Some(i32::from(code)), "{:?} {:?}", self.lines, self.errors);
    }

    fn has_said(&self, what: &str) {
        assert!(self.errors.iter().any(|error| error.contains(what)), "{what:?} is not in {:?}", self.errors);
    }
}

fn signal(name: &str, process: u32) {
    let kill = format!("kill -{name} {process}");
    let status = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
    assert!(status.success(), "{kill}");
}

fn processes_that_come_to_their_end() {
    let play = Play::begin("ends");
    play.processes(1);
    let ended = play.end();
    ended.check(DONE);
    assert!(ended.lines.is_empty() && ended.errors.is_empty(), "{:?} {:?}", ended.lines, ended.errors);
}

fn the_death_of_one_starts_all_again() {
    for victim in 0..3 {
        let play = Play::begin("killed");
        let first = play.processes(1);
        signal("KILL", first[victim]);
        let second = play.processes(2);
        assert!(second.iter().all(|process| !first.contains(process)));
        if Path::new("/proc/self").exists() {
            let left = |process: &&u32| Path::new(&format!("/proc/{process}")).exists();
            assert_eq!(first.iter().find(left), None, "it is a zombie, or runs");
        }
        let ended = play.end();
        ended.check(DONE);
        ended.has_said(&format!("process {victim} died (signal: 9"));
        ended.has_said("all start again in 10 ms");
    }
}

fn a_stopped_process_is_killed() {
    let play = Play::begin("stopped");
    let first = play.processes(1);
    signal("STOP", first[1]);
    std::fs::write(play.scratch.join("stopped"), "").expect("it can be written");
    play.processes(2);
    let ended = play.end();
    ended.check(DONE);
    ended.has_said("process 0 ends: the frontier does not move");
}

fn a_panic_ends_the_process() {
    let play = Play::begin("panics");
    let ended = play.end();
    ended.check(GAVE_UP);
    ended.has_said("process 1 ends: thread `timely:work-4` panicked at");
    ended.has_said("process 0 ends: it has lost another process");
    ended.has_said("the run broke off (seen by process ");
    let has_told = |what: &str| ended.lines.iter().any(|line| line == what);
    assert!(has_told("goes on") && !has_told("does not"), "{:?}", ended.lines);
}

fn a_contained_panic_ends_nothing() {
    let ended = Play::begin("contains").end();
    ended.check(DONE);
    assert_eq!(ended.lines.iter().filter(|line| line.ends_with("caught")).count(), 3);
    assert!(ended.errors.is_empty(), "{:?}", ended.errors);
}

fn who_dies_too_often_is_given_up() {
    let play = Play::begin("waits");
    for attempt in 1..=4 {
        signal("KILL", play.processes(attempt)[0]);
    }
    let ended = play.end();
    ended.check(GAVE_UP);
    ended.has_said("process 0 died (signal: 9");
    ended.has_said("that is death 4 within 60 s, and all is given up");
}

fn a_process_gives_up() {
    let play = Play::begin("gives up");
    play.processes(1);
    let ended = play.end();
    ended.check(GAVE_UP);
    ended.has_said("process 2 ends: the disk is on fire");
    ended.has_said("process 2 gave up with code 1");
}

fn a_supervisor_is_asked_to_end() {
    for name in ["TERM", "INT"] {
        let play = Play::begin("waits");
        play.processes(1);
        signal(name, play.supervisor.id());
        let ended = play.end();
        ended.check(DONE);
        assert_eq!(ended.lines.iter().filter(|line| line.ends_with("stops")).count(), 3);
        assert!(ended.errors.is_empty(), "{:?}", ended.errors);
    }
}

fn a_process_is_asked_to_end() {
    let play = Play::begin("waits");
    signal("TERM", play.processes(1)[1]);
    let ended = play.end();
    assert_eq!(ended.lines.iter().filter(|line| line.ends_with("stops")).count(), 3, "{:?}", ended.errors);
    ended.check(DONE);
}

fn a_supervisor_is_killed() {
    let mut play = Play::begin("waits");
    play.processes(1);
    play.supervisor.kill().expect("it is ours");
    let ended = play.end();
    assert_eq!(ended.code, None);
    assert!(AGAIN != DONE && ended.lines.is_empty());
}
