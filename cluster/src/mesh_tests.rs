//! Processes as threads with sockets of their own, and strangers among them.

use super::*;
use crate::config::Secret;
use std::io::{Read, Write};
use std::thread::JoinHandle;

const PLAN: u64 = 7;
const CLAIM: Claim = Claim { attempt: 5, restore: Some(9) };
/// Nothing here takes as long, unless it hangs.
const LONG: Duration = Duration::from_secs(60);

struct Job {
    listeners: Vec<Option<TcpListener>>,
    addresses: Vec<SocketAddr>,
    secret: &'static str,
}

type Process = JoinHandle<Result<Mesh, MeshError>>;

impl Job {
    fn of(processes: usize) -> Job {
        let listeners: Vec<_> =
            (0..processes).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        Job { listeners: listeners.into_iter().map(Some).collect(), addresses, secret: "" }
    }

    fn config(&self, index: usize) -> Config {
        Config::new("traffic")
            .processes(self.addresses.len())
            .workers(2)
            .index(index)
            .addresses(self.addresses.iter().map(ToString::to_string))
            .secret(self.secret)
            .assembly(LONG)
    }

    fn start(&mut self, index: usize) -> Process {
        let config = self.config(index);
        self.start_with(config, PLAN, Stop::new())
    }

    fn start_with(&mut self, config: Config, plan: u64, stop: Stop) -> Process {
        let listener = self.listeners[config.own_index()].take();
        std::thread::spawn(move || {
            assemble(&config, listener, plan, &stop, || match config.own_index() {
                0 => Ok(CLAIM),
                _ => Err("only process 0 claims"),
            })
        })
    }

    fn identity(&self, index: u32) -> Identity {
        Identity {
            job: "traffic".into(),
            plan: PLAN,
            processes: u32::try_from(self.addresses.len()).unwrap(),
            workers: 2,
            index,
        }
    }

    fn dial(&self, to: u32) -> TcpStream {
        TcpStream::connect(self.addresses[to as usize]).unwrap()
    }

    /// Says hello by hand; the line and the answer.
    fn greet(&self, to: u32, hello: Hello) -> (Line, Message) {
        let mut line = Line::dialled(self.dial(to), &Secret::from(self.secret)).unwrap();
        assert_eq!(line.hear().unwrap(), Some(Heard::Opening));
        line.say(&Message::Hello(hello)).unwrap();
        let answer = hear(&mut line);
        (line, answer)
    }

    fn hello(&self, from: u32, to: u32, claim: Option<Claim>) -> Hello {
        Hello { from: self.identity(from), to, claim }
    }
}

fn hear(line: &mut Line) -> Message {
    match line.hear().unwrap() {
        Some(Heard::Message(message)) => message,
        other => unreachable!("{other:?}"),
    }
}

/// Each process sends its index to each other, and hears theirs.
fn check_connected(meshes: Vec<Mesh>) {
    for (index, mesh) in meshes.iter().enumerate() {
        for (to, socket) in mesh.sockets.iter().enumerate() {
            assert_eq!(socket.is_none(), to == index);
            if let Some(mut socket) = socket.as_ref() {
                assert_eq!((socket.read_timeout().unwrap(), socket.write_timeout().unwrap()), (None, None));
                socket.write_all(&[u8::try_from(index).unwrap()]).unwrap();
            }
        }
    }
    for mesh in meshes {
        assert_eq!(mesh.claim, CLAIM);
        for (from, socket) in mesh.sockets.into_iter().enumerate() {
            let Some(mut socket) = socket else { continue };
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            assert_eq!(usize::from(byte[0]), from);
        }
    }
}

fn all(processes: Vec<Process>) -> Vec<Mesh> {
    processes.into_iter().map(|process| process.join().unwrap().unwrap()).collect()
}

#[test]
fn one_process_is_all_of_its_mesh() {
    let mesh = all(vec![Job::of(1).start(0)]);
    check_connected(mesh);
}

#[test]
fn every_two_processes_are_connected_and_all_know_the_claim() {
    for processes in [2, 3, 6] {
        for secret in ["", "hunter2"] {
            let mut job = Job { secret, ..Job::of(processes) };
            check_connected(all((0..processes).map(|index| job.start(index)).collect()));
        }
    }
}

#[test]
fn processes_come_up_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut job = Job::of(3);
        let mut processes: Vec<Option<Process>> = vec![None, None, None];
        for index in order {
            // Those who come first find that the address of process 0 answers with nothing, again and again.
            let earlier = processes.iter().flatten().count();
            if let Some(listener) = job.listeners[0].as_ref().filter(|_| index != 0 || earlier > 0) {
                (0..3 * earlier).for_each(|_| drop(listener.accept().unwrap()));
            }
            processes[index] = Some(job.start(index));
        }
        check_connected(all(processes.into_iter().flatten().collect()));
    }
}

#[test]
fn strangers_neither_hinder_nor_break_the_assembly() {
    let mut job = Job::of(3);
    let mut strangers = Vec::new();
    for to in 0..3 {
        strangers.push(job.dial(to));
        drop(job.dial(to));
        for said in [
            &b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"[..],
            b"psdf",
            b"psdfmesh\x09\x00",
            b"\x00\x00\x00\x00\x00\x00\x00\x02",
            &[0xff; 10_000],
            &[&b"psdfmesh\x01\x00"[..], &[7; 32], &[0xff; 100]].concat(),
        ] {
            let mut stranger = job.dial(to);
            stranger.write_all(said).unwrap();
            strangers.push(stranger);
        }
    }
    check_connected(all((0..3).map(|index| job.start(index)).collect()));
    // Those who spoke nonsense were hung up on; nobody was told more than our opening.
    for mut stranger in strangers {
        let mut told = Vec::new();
        let _ = stranger.read_to_end(&mut told);
        assert!(told.len() <= crate::handshake::OPENING + 2 + 64, "{} bytes", told.len());
    }
}

#[test]
fn a_flood_of_silent_strangers_does_not_keep_a_process_out() {
    let mut job = Job::of(2);
    let first = job.start(0);
    let strangers: Vec<_> = (0..2 * STRANGERS).map(|_| job.dial(0)).collect();
    let second = job.start(1);
    check_connected(all(vec![first, second]));
    drop(strangers);
}

#[test]
fn who_is_of_another_job_plan_shape_or_place_is_refused_and_told_why() {
    let mut job = Job::of(2);
    let first = job.start(0);
    let refused = |change: &dyn Fn(&mut Hello)| {
        let mut hello = job.hello(1, 0, None);
        change(&mut hello);
        match job.greet(0, hello).1 {
            Message::Refused(refusal) => refusal.to_string(),
            other => unreachable!("{other:?}"),
        }
    };
    for (why, told) in [
        (refused(&|hello| hello.from.plan = 8), "another version of the flow"),
        (refused(&|hello| hello.from.job = "shop".into()), "the job there is `traffic`"),
        (refused(&|hello| hello.from.workers = 9), "2 processes with 2 workers each"),
        (refused(&|hello| hello.to = 1), "at that address is process 0"),
        (refused(&|hello| hello.from.index = 0), "to those before them only"),
        (refused(&|hello| hello.from.index = 7), "to those before them only"),
        (refused(&|hello| hello.claim = Some(CLAIM)), "belongs to another run"),
    ] {
        assert!(why.contains(told), "{why}");
    }
    let second = job.start(1);
    check_connected(all(vec![first, second]));
}

#[test]
fn who_does_not_have_the_secret_is_refused_and_never_sees_it() {
    let mut job = Job { secret: "hunter2", ..Job::of(2) };
    let first = job.start(0);
    for guess in ["", "hunter3"] {
        let mut line = Line::dialled(job.dial(0), &Secret::from(guess)).unwrap();
        assert_eq!(line.hear().unwrap(), Some(Heard::Opening));
        line.say(&Message::Hello(job.hello(1, 0, None))).unwrap();
        let error = line.hear().unwrap_err().to_string();
        assert_eq!(error, "it does not have the same secret");
    }
    let second = job.start(1);
    check_connected(all(vec![first, second]));
}

#[test]
fn a_second_process_of_an_index_is_refused_while_the_first_is_there() {
    let mut job = Job::of(3);
    let first = job.start(0);
    let (line, answer) = job.greet(0, job.hello(1, 0, None));
    assert_eq!(answer, Message::Accepted);
    let (_, answer) = job.greet(0, job.hello(1, 0, None));
    assert_eq!(answer, Message::Refused(Refusal::Doubled { index: 1 }));
    drop(line);
    // The one who died before the claim has cost nothing.
    let rest = [job.start(2), job.start(1)];
    let [second, third] = rest;
    check_connected(all(vec![first, third, second]));
}

#[test]
fn a_process_of_an_old_attempt_is_refused() {
    let mut job = Job::of(3);
    let processes = [job.start(0), job.start(1)];
    let (mut line, answer) = job.greet(0, job.hello(2, 0, None));
    assert_eq!(answer, Message::Accepted);
    assert_eq!(hear(&mut line), Message::Welcome(CLAIM));
    for old in [Claim { attempt: 4, ..CLAIM }, Claim { restore: Some(8), ..CLAIM }] {
        let (_, answer) = job.greet(1, job.hello(2, 1, Some(old)));
        assert_eq!(answer, Message::Refused(Refusal::Attempt));
    }
    let (_, answer) = job.greet(1, job.hello(2, 1, None));
    assert_eq!(answer, Message::Refused(Refusal::Attempt));
    let (_kept, answer) = job.greet(1, job.hello(2, 1, Some(CLAIM)));
    assert_eq!(answer, Message::Accepted);
    line.say(&Message::Ready).unwrap();
    assert_eq!(hear(&mut line), Message::Go);
    assert!(processes.into_iter().all(|process| process.join().unwrap().is_ok()));
}

#[test]
fn the_loss_of_one_after_the_claim_ends_it_for_all_at_once() {
    for says_ready in [false, true] {
        let mut job = Job::of(3);
        let processes = [job.start(0), job.start(1)];
        let (mut line, _) = job.greet(0, job.hello(2, 0, None));
        assert_eq!(hear(&mut line), Message::Welcome(CLAIM));
        if says_ready {
            // It lies: it is not connected with process 1, so nobody goes.
            line.say(&Message::Ready).unwrap();
        }
        drop(line);
        let [first, second] = processes.map(|process| process.join().unwrap().unwrap_err());
        assert!(matches!(first, MeshError::Lost { index: 2 }), "{first}");
        assert!(matches!(second, MeshError::Lost { index: 0 }), "{second}");
    }
}

#[test]
fn one_who_says_what_does_not_belong_there_ends_it() {
    let mut job = Job::of(2);
    let first = job.start(0);
    let (mut line, _) = job.greet(0, job.hello(1, 0, None));
    assert_eq!(hear(&mut line), Message::Welcome(CLAIM));
    line.say(&Message::Go).unwrap();
    assert!(matches!(first.join().unwrap(), Err(MeshError::Lost { index: 1 })));
}

#[test]
fn if_the_run_cannot_be_claimed_nobody_goes() {
    let mut job = Job::of(2);
    let (config, listener) = (job.config(0), job.listeners[0].take());
    let first = std::thread::spawn(move || {
        assemble(&config, listener, PLAN, &Stop::new(), || Err::<Claim, _>("no epoch is whole"))
    });
    let config = job.config(1).assembly(Duration::from_secs(1));
    let second = job.start_with(config, PLAN, Stop::new());
    let error = first.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the run cannot begin: no epoch is whole");
    assert!(matches!(second.join().unwrap(), Err(MeshError::Late { .. })));
}

#[test]
fn who_does_not_come_in_time_is_named() {
    let mut job = Job::of(3);
    let config = |job: &Job, index| job.config(index).assembly(Duration::from_secs(3));
    let (first, second) = (config(&job, 0), config(&job, 1));
    let first = job.start_with(first, PLAN, Stop::new());
    let second = job.start_with(second, 8, Stop::new());
    let [first, second] = [first, second].map(|process| process.join().unwrap().unwrap_err().to_string());
    assert!(first.contains("process 1: it was refused: it runs another version"), "{first}");
    assert!(first.contains("process 2 has not connected to this one"), "{first}");
    assert!(second.contains("process 0: it refuses this process: it runs another version"), "{second}");
}

#[test]
fn an_assembly_that_is_asked_to_stop_stops() {
    let mut job = Job::of(3);
    for index in 0..2 {
        let (config, stop) = (job.config(index), Stop::new());
        let process = job.start_with(config, PLAN, stop.clone());
        stop.request();
        assert!(matches!(process.join().unwrap(), Err(MeshError::Stopped)));
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let job = Job::of(2);
    let error = assemble(&job.config(0), None, PLAN, &Stop::new(), || Ok::<_, MeshError>(CLAIM)).unwrap_err();
    assert!(error.to_string().contains(&job.addresses[0].to_string()), "{error}");
}
