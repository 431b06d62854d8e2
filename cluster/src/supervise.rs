//! Running all processes of a job on this machine, and starting them again when one dies.

use crate::config::Config;
use crate::control::{Control, Said};
use crate::dial::POLL;
use crate::exit::{self, Failure};
use crate::restarts::{Decision, Restarts};
use crate::seat::{Seat, say};
use crate::stop::Stop;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Tells a process which one it is.
const VARIABLE: &str = "PSDF_SUPERVISED";
/// The others see the loss of one by themselves, and may know more about it. Then they are killed.
const GRACE: Duration = Duration::from_millis(300);

/// Runs a job on this machine: as many processes as the configuration says, each this very program again, with the same
/// arguments. In those, `work` is called; in the first, which is the supervisor, it is not.
///
/// So call it early in `main`, in a program that does nothing else. The ports are chosen by the system, on `127.0.0.1`. The
/// stdin of the processes is not the user's.
///
/// When a process dies, all are ended and started again, as `restarts` says; `work` goes on from the last checkpoint. On
/// SIGTERM or ctrl-c all are asked for a clean end ([`Seat::stop`](crate::seat::Seat)), and killed when that takes longer
/// than [`Config::stopping`]. If the supervisor itself dies, in whatever way, its processes end at once.
///
/// The code that it ends with: [`exit::DONE`] when all processes have come to their end; [`exit::AGAIN`] when they were
/// asked to and not all did; that of a process which has given up; [`exit::GAVE_UP`] when they die too often. It says why on
/// stderr.
pub fn supervise(
    config: Config,
    restarts: Restarts,
    work: impl FnOnce(Seat) -> Result<(), Failure>,
) -> ExitCode {
    match std::env::var(VARIABLE) {
        Ok(index) => match find_seat(config, &index) {
            Ok(Some(seat)) => seat.take(work),
            Ok(None) => exit::DONE.into(),
            Err(error) => {
                say(&format!("this process was started as one of a job, and has no supervisor: {error}"));
                exit::AGAIN.into()
            }
        },
        Err(_) => match config.check_shape() {
            Ok(()) => run(&config, restarts),
            Err(error) => {
                say(&error.to_string());
                exit::GAVE_UP.into()
            }
        },
    }
}

/// Where this process, which a supervisor has started, is among the others; `None` if it was asked to end meanwhile.
fn find_seat(config: Config, index: &str) -> io::Result<Option<Seat>> {
    let index: usize = index.parse().map_err(|_| io::Error::other(format!("`{VARIABLE}` is `{index}`")))?;
    let stop = Stop::on_signals()?;
    let mut control = Control::of_stdin()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let Some(addresses) = control.exchange(&listener, &stop)? else { return Ok(None) };
    control.watch(stop.clone())?;
    Ok(Some(Seat::new(config.index(index).addresses(addresses), stop, Some(listener))))
}

fn run(config: &Config, restarts: Restarts) -> ExitCode {
    let supervised = Stop::on_signals().and_then(|stop| {
        let program = std::env::current_exe()?;
        Supervisor { config, program, stop, restarts }.run()
    });
    supervised.unwrap_or_else(|error| {
        say(&format!("the processes of `{}` cannot be run: {error}", config.job()));
        exit::GAVE_UP.into()
    })
}

struct Supervisor<'a> {
    config: &'a Config,
    program: PathBuf,
    stop: Stop,
    restarts: Restarts,
}

impl Supervisor<'_> {
    fn run(mut self) -> io::Result<ExitCode> {
        let start = Instant::now();
        loop {
            let began = start.elapsed();
            let mut run = Run::start(self.config, &self.program)?;
            self.watch(&mut run)?;
            let outcome = run.outcome();
            match &outcome {
                Outcome::Done => return Ok(exit::DONE.into()),
                Outcome::GaveUp { code, .. } => {
                    say(&format!("{outcome}; what it said last is the reason"));
                    return Ok((*code).into());
                }
                Outcome::Died { .. } | Outcome::Again { .. } if self.stop.requested() => {
                    say(&format!("{outcome}, when all were asked to end"));
                    return Ok(exit::AGAIN.into());
                }
                Outcome::Died { .. } | Outcome::Again { .. } => {}
            }
            match self.restarts.died(began, start.elapsed()) {
                Decision::After(wait) => {
                    say(&format!("{outcome}; all start again in {} ms", wait.as_millis()));
                    self.wait(wait);
                    if self.stop.requested() {
                        return Ok(exit::AGAIN.into());
                    }
                }
                Decision::GiveUp { deaths, within } => {
                    say(&format!(
                        "{outcome}; that is death {deaths} within {} s, and all is given up",
                        within.as_secs()
                    ));
                    return Ok(exit::GAVE_UP.into());
                }
            }
        }
    }

    /// Until all processes have ended, by themselves or by us.
    fn watch(&self, run: &mut Run) -> io::Result<()> {
        let mut asked: Option<Instant> = None;
        let mut died: Option<Instant> = None;
        while !run.look()? {
            if run.converse()? {
                self.stop.request();
            }
            if self.stop.requested() && asked.is_none() {
                asked = Some(Instant::now());
                run.ask_to_stop();
            }
            if run.first_death.is_some() && died.is_none() {
                died = Some(Instant::now());
            }
            let past = |since: Option<Instant>, limit| since.is_some_and(|since| since.elapsed() > limit);
            if past(died, GRACE) || past(asked, self.config.stopping_limit()) {
                run.kill()?;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn wait(&self, wait: Duration) {
        let begun = Instant::now();
        while begun.elapsed() < wait && !self.stop.requested() {
            std::thread::sleep(POLL.min(wait.saturating_sub(begun.elapsed())));
        }
    }
}

/// All processes of a job, from one start to the next.
struct Run {
    processes: Vec<Process>,
    /// Which process it was whose end was not good, and the cause of that of others.
    first_death: Option<usize>,
    introduced: bool,
}

struct Process {
    child: Child,
    control: Control,
    address: Option<String>,
    ended: Option<ExitStatus>,
}

/// What became of a run.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Died {
        index: usize,
        how: String,
    },
    /// They have ended with the code that asks for it.
    Again {
        indexes: Vec<usize>,
    },
    GaveUp {
        index: usize,
        code: u8,
    },
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Done => f.write_str("all processes are done"),
            Outcome::Died { index, how } => write!(f, "process {index} died ({how})"),
            Outcome::Again { indexes } => {
                let indexes: Vec<_> = indexes.iter().map(ToString::to_string).collect();
                write!(f, "the run broke off (seen by process {})", indexes.join(", "))
            }
            Outcome::GaveUp { index, code } => write!(f, "process {index} gave up with code {code}"),
        }
    }
}

impl Run {
    fn start(config: &Config, program: &PathBuf) -> io::Result<Self> {
        let mut run = Run { processes: Vec::new(), first_death: None, introduced: false };
        for index in 0..config.process_count() {
            let (control, theirs) = Control::pair()?;
            let child = Command::new(program)
                .args(std::env::args_os().skip(1))
                .env(VARIABLE, index.to_string())
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                // A ctrl-c is for the supervisor, which asks them.
                .process_group(0)
                .spawn()?;
            run.processes.push(Process { child, control, address: None, ended: None });
        }
        Ok(run)
    }

    /// Sees who has ended; whether all have.
    fn look(&mut self) -> io::Result<bool> {
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            if process.ended.is_some() {
                continue;
            }
            process.ended = process.child.try_wait()?;
            if let Some(status) = process.ended
                && !status.success()
                && (self.first_death.is_none() || status.code().is_none())
            {
                // Those with a code have mostly seen the death of another. One that was killed has seen nothing.
                self.first_death = Some(index);
            }
        }
        Ok(self.processes.iter().all(|process| process.ended.is_some()))
    }

    /// Hears the processes, and tells all where each listens; whether one has been asked to stop.
    fn converse(&mut self) -> io::Result<bool> {
        let mut stop = false;
        for process in self.processes.iter_mut().filter(|process| process.ended.is_none()) {
            match process.control.hear()? {
                Some(Said::Listens(address)) => process.address = Some(address),
                Some(Said::Stop) => stop = true,
                Some(Said::Addresses(_) | Said::Gone) | None => {}
            }
        }
        let addresses: Option<Vec<String>> =
            self.processes.iter().map(|process| process.address.clone()).collect();
        if let Some(addresses) = addresses.filter(|_| !self.introduced) {
            self.introduced = true;
            self.say(&Said::Addresses(addresses));
        }
        Ok(stop)
    }

    fn ask_to_stop(&mut self) {
        self.say(&Said::Stop);
    }

    /// To one that has ended nothing can be said, and that it has is seen elsewhere.
    fn say(&mut self, said: &Said) {
        for process in &mut self.processes {
            let _ = process.control.say(said);
        }
    }

    /// Ends those that have not ended yet, and waits for them, so that none is left as a zombie.
    fn kill(&mut self) -> io::Result<()> {
        for process in self.processes.iter_mut().filter(|process| process.ended.is_none()) {
            process.child.kill()?;
        }
        for (index, process) in self.processes.iter_mut().enumerate() {
            if process.ended.is_none() {
                process.ended = Some(process.child.wait()?);
                self.first_death.get_or_insert(index);
            }
        }
        Ok(())
    }

    fn with_code(&self, code: u8) -> Vec<usize> {
        let has = |process: &Process| process.ended.and_then(|status| status.code()) == Some(i32::from(code));
        let indexed = self.processes.iter().enumerate();
        indexed.filter(|(_, process)| has(process)).map(|(index, _)| index).collect()
    }

    fn outcome(&self) -> Outcome {
        let code = |process: &Process| process.ended.and_then(|status| status.code());
        let gave_up = |process: &Process| {
            code(process).filter(|code| ![i32::from(exit::DONE), i32::from(exit::AGAIN)].contains(code))
        };
        let given_up =
            self.processes.iter().enumerate().find_map(|(index, process)| Some((index, gave_up(process)?)));
        match (given_up, self.first_death) {
            (Some((index, code)), _) => {
                Outcome::GaveUp { index, code: u8::try_from(code).unwrap_or(exit::GAVE_UP) }
            }
            (None, Some(index)) => match self.processes[index].ended {
                Some(status) if status.code().is_none() => Outcome::Died { index, how: status.to_string() },
                _ => Outcome::Again { indexes: self.with_code(exit::AGAIN) },
            },
            (None, None) => Outcome::Done,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.kill();
    }
}
