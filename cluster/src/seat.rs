//! The place of one process in its job.

use crate::config::Config;
use crate::exit::{self, Failure};
use crate::job::Job;
use crate::mesh::{self, Claim, Mesh, MeshError};
use crate::panics;
use crate::stop::Stop;
use psdf_runtime::flow::Flow;
use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::process::ExitCode;

/// The place of this process in its job: who it is, where it listens, and who may ask it to end.
#[derive(Debug)]
pub struct Seat {
    /// How the job is spread, and which process this is.
    pub config: Config,
    /// Whether this process has been asked to end.
    pub stop: Stop,
    listener: Option<TcpListener>,
}

impl Seat {
    /// A place that nothing has prepared, for tests. `listener` is bound to the address that the configuration has for this
    /// process, or else that is bound later.
    #[must_use]
    pub fn new(config: Config, stop: Stop, listener: Option<TcpListener>) -> Self {
        Seat { config, stop, listener }
    }

    /// Connects this process with the others: see [`mesh::assemble`].
    ///
    /// # Errors
    /// As there.
    pub fn assemble<E: Into<Box<dyn Error + Send + Sync>>>(
        &mut self,
        plan: u64,
        claim: impl FnOnce() -> Result<Claim, E>,
    ) -> Result<Mesh, MeshError> {
        mesh::assemble(&self.config, self.listener.take(), plan, &self.stop, claim)
    }

    /// Runs this process's part of a flow to its end: see [`Job::run`].
    ///
    /// # Errors
    /// As there.
    pub fn run<F: Flow + Send + Sync>(self, job: Job<F>) -> Result<(), Failure> {
        job.run(self).map_err(Failure::from)
    }

    /// Works, and tells on stderr why it failed if it did.
    pub(crate) fn take(self, work: impl FnOnce(Seat) -> Result<(), Failure>) -> ExitCode {
        let index = self.config.own_index();
        panics::end_the_process(index);
        match work(self) {
            Ok(()) => exit::DONE.into(),
            Err(failure) => {
                if !matches!(failure, Failure::Stopped) {
                    say(&format!("process {index} ends: {failure}"));
                }
                failure.code().into()
            }
        }
    }
}

/// Runs one process of a job that something else starts and starts again: systemd, Kubernetes, a person.
///
/// It ends with a code that says what to do: see [`exit`]. SIGTERM and ctrl-c ask it for a clean end. A panic ends the
/// process, since a cluster cannot go on without one of its workers; so call this in a process that does nothing else.
pub fn alone(config: Config, work: impl FnOnce(Seat) -> Result<(), Failure>) -> ExitCode {
    if let Err(error) = config.check() {
        say(&error.to_string());
        return exit::GAVE_UP.into();
    }
    match Stop::on_signals() {
        Ok(stop) => Seat::new(config, stop, None).take(work),
        Err(error) => {
            say(&format!("signals cannot be handled: {error}"));
            exit::GAVE_UP.into()
        }
    }
}

/// For the person who has started it, who may have set up no log.
pub(crate) fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("psdf: {line}\n").as_bytes());
}
