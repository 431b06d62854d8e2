//! Bringing the processes of a job together: every two of them connected, and all of one run.
//!
//! A process connects to those before it. All come to process 0 first; when it has them all it claims the run, and tells
//! each what it has claimed. With that they connect to one another, report to process 0, and go when it says so, all
//! together. Before that, to come late, to come again and to be nobody are all harmless; from the claim on the loss of one
//! ends it for all, who then begin again as another run.

use crate::config::{Config, ConfigError};
use crate::dial::{Dial, Dialled, PATIENCE, POLL, prepare};
pub use crate::handshake::Claim;
use crate::handshake::{self, Hello, Identity, Message, Misspoken, Refusal};
use crate::line::{Heard, Line, LineError};
use crate::stop::Stop;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Those who have connected and not said who they are. Of more the oldest goes: a process dials again, a scan does not.
const STRANGERS: usize = 256;
/// While something happens, it is looked as often.
const BUSY: Duration = Duration::from_millis(1);

/// All processes of a job, connected.
#[derive(Debug)]
pub struct Mesh {
    /// What process 0 has claimed.
    pub claim: Claim,
    /// A blocking socket for each process, without time limits; `None` in place of this one.
    pub sockets: Vec<Option<TcpStream>>,
}

/// The processes have not come together. But for [`MeshError::Config`], and what the claim says, it is worth trying again.
#[derive(Debug)]
#[non_exhaustive]
pub enum MeshError {
    /// The configuration is none.
    Config(ConfigError),
    /// This process cannot listen on its address.
    Listen {
        /// The address.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// Some did not come in time.
    Late {
        /// How long it was waited.
        waited: Duration,
        /// Who, and what the last try to reach it met, where it was tried.
        missing: Vec<(usize, Option<String>)>,
        /// Whether all are connected with this one, and some not with each other.
        elsewhere: bool,
    },
    /// One was there and is not any more.
    Lost {
        /// Which.
        index: usize,
    },
    /// The run could not be claimed.
    Claim(Box<dyn Error + Send + Sync>),
    /// This process was asked to end.
    Stopped,
    /// The system gives no socket or thread.
    System(io::Error),
}

impl fmt::Display for MeshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MeshError::Config(error) => error.fmt(f),
            MeshError::Listen { address, error } => {
                write!(f, "this process cannot listen on `{address}`: {error}")
            }
            MeshError::Late { waited, elsewhere: true, .. } => {
                write!(f, "some processes have not reached each other within {} s", waited.as_secs())
            }
            MeshError::Late { waited, missing, .. } => {
                write!(f, "not all processes have come within {} s", waited.as_secs())?;
                for (index, problem) in missing {
                    write!(f, "; process {index}")?;
                    match problem {
                        Some(problem) => write!(f, ": {problem}")?,
                        None => f.write_str(" has not connected to this one")?,
                    }
                }
                Ok(())
            }
            MeshError::Lost { index } => {
                write!(f, "process {index} ended while the processes came together")
            }
            MeshError::Claim(error) => write!(f, "the run cannot begin: {error}"),
            MeshError::Stopped => {
                f.write_str("this process was asked to end before all processes had come together")
            }
            MeshError::System(error) => write!(f, "the processes cannot be connected: {error}"),
        }
    }
}

impl Error for MeshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            MeshError::Config(error) => Some(error),
            MeshError::Listen { error, .. } | MeshError::System(error) => Some(error),
            MeshError::Claim(error) => Some(error.as_ref()),
            MeshError::Late { .. } | MeshError::Lost { .. } | MeshError::Stopped => None,
        }
    }
}

/// Connects this process with the others of its job, and blocks until all are there.
///
/// `plan` is a number that is the same for the same program and flow, and for no others. `listener` is bound already, or
/// `None` to bind the address that the configuration names. `claim` is called in process 0 alone, once, when all others
/// have come.
///
/// Who comes to the listener and is not of this job and run is refused, and logged as a warning.
///
/// # Errors
/// See [`MeshError`]; within the deadline of the configuration, and soon after a process was lost or `stop` was asked.
pub fn assemble<E: Into<Box<dyn Error + Send + Sync>>>(
    config: &Config,
    listener: Option<TcpListener>,
    plan: u64,
    stop: &Stop,
    claim: impl FnOnce() -> Result<Claim, E>,
) -> Result<Mesh, MeshError> {
    config.check().map_err(MeshError::Config)?;
    let claim = || claim().map_err(|error| MeshError::Claim(error.into()));
    if config.process_count() == 1 {
        return Ok(Mesh { claim: claim()?, sockets: vec![None] });
    }
    let listener = match listener {
        Some(listener) => listener,
        None => listen(config)?,
    };
    let mut assembly = Assembly::new(config, listener, plan, stop)?;
    let claim = if config.own_index() == 0 { assembly.call_together(claim)? } else { assembly.join()? };
    Ok(Mesh { claim, sockets: assembly.into_sockets().map_err(MeshError::System)? })
}

fn listen(config: &Config) -> Result<TcpListener, MeshError> {
    let address = config.own_listen().unwrap_or_default();
    TcpListener::bind(address).map_err(|error| MeshError::Listen { address: address.to_owned(), error })
}

struct Assembly<'a> {
    config: &'a Config,
    me: Identity,
    listener: TcpListener,
    stop: &'a Stop,
    begun: Instant,
    /// What those who come to us must have heard; `None` while we have not.
    claim: Option<Claim>,
    strangers: Vec<Stranger>,
    lines: Vec<Option<Line>>,
    tell: Sender<(usize, Dialled)>,
    told: Receiver<(usize, Dialled)>,
    problems: BTreeMap<usize, String>,
    /// Those who dial stop when this is gone.
    wanted: Arc<()>,
}

/// Somebody who has connected.
struct Stranger {
    line: Line,
    from: SocketAddr,
    since: Instant,
    /// Who it says it is, if we cannot judge it yet.
    hello: Option<Hello>,
}

impl<'a> Assembly<'a> {
    fn new(config: &'a Config, listener: TcpListener, plan: u64, stop: &'a Stop) -> Result<Self, MeshError> {
        listener.set_nonblocking(true).map_err(MeshError::System)?;
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let (tell, told) = channel();
        let me = Identity {
            job: config.job().to_owned(),
            plan,
            processes: small(config.process_count()),
            workers: small(config.worker_count()),
            index: small(config.own_index()),
        };
        Ok(Assembly {
            config,
            me,
            listener,
            stop,
            begun: Instant::now(),
            claim: None,
            strangers: Vec::new(),
            lines: (0..config.process_count()).map(|_| None).collect(),
            tell,
            told,
            problems: BTreeMap::new(),
            wanted: Arc::new(()),
        })
    }

    /// Process 0.
    fn call_together(
        &mut self,
        claim: impl FnOnce() -> Result<Claim, MeshError>,
    ) -> Result<Claim, MeshError> {
        self.wait_until(|assembly| {
            assembly.let_the_closed_go();
            Ok(assembly.is_complete())
        })?;
        let claim = claim()?;
        for index in 1..self.lines.len() {
            self.say(index, &Message::Welcome(claim))?;
        }
        let mut ready = vec![false; self.lines.len()];
        ready[0] = true;
        self.wait_until(|assembly| {
            for (index, ready) in ready.iter_mut().enumerate() {
                *ready = *ready || assembly.has_said(index, &Message::Ready)?;
            }
            assembly.lose_the_closed()?;
            Ok(ready.iter().all(|ready| *ready))
        })?;
        for index in 1..self.lines.len() {
            self.say(index, &Message::Go)?;
        }
        Ok(claim)
    }

    /// Every other.
    fn join(&mut self) -> Result<Claim, MeshError> {
        self.dial(0, None)?;
        self.wait_until(|assembly| Ok(assembly.claim.is_some()))?;
        for index in 1..self.config.own_index() {
            self.dial(index, self.claim)?;
        }
        self.wait_until(|assembly| {
            assembly.lose_the_closed()?;
            Ok(assembly.is_complete())
        })?;
        self.say(0, &Message::Ready)?;
        self.wait_until(|assembly| assembly.has_said(0, &Message::Go))?;
        self.claim.ok_or(MeshError::Lost { index: 0 })
    }

    fn wait_until(
        &mut self,
        mut done: impl FnMut(&mut Self) -> Result<bool, MeshError>,
    ) -> Result<(), MeshError> {
        let mut busy = Instant::now();
        loop {
            if self.stop.requested() {
                return Err(MeshError::Stopped);
            }
            if self.receive()? {
                busy = Instant::now();
            }
            if done(self)? {
                return Ok(());
            }
            if self.begun.elapsed() > self.config.assembly_deadline() {
                return Err(self.late());
            }
            std::thread::sleep(if busy.elapsed() < POLL { BUSY } else { POLL });
        }
    }

    fn late(&self) -> MeshError {
        let missing = |index: &usize| *index != self.config.own_index() && self.lines[*index].is_none();
        let missing: Vec<_> = (0..self.lines.len())
            .filter(missing)
            .map(|index| (index, self.problems.get(&index).cloned()))
            .collect();
        MeshError::Late { waited: self.config.assembly_deadline(), elsewhere: missing.is_empty(), missing }
    }

    /// Takes what has come: those who connect, what they say, and those whom we have reached. Whether anything has.
    fn receive(&mut self) -> Result<bool, MeshError> {
        let accepted = self.accept();
        let heard = self.hear_strangers();
        let reached = self.take_dialled()?;
        Ok(accepted || heard || reached)
    }

    fn accept(&mut self) -> bool {
        let mut any = false;
        loop {
            match self.listener.accept() {
                Ok((stream, from)) => {
                    any = true;
                    let ready = stream
                        .set_nonblocking(true)
                        .and_then(|()| prepare(&stream, self.config.silence_limit()));
                    let line = ready
                        .map_err(LineError::Io)
                        .and_then(|()| Line::answered(stream, self.config.own_secret()));
                    match line {
                        Ok(line) => {
                            self.strangers.push(Stranger { line, from, since: Instant::now(), hello: None });
                        }
                        Err(error) => self.log_refused(from, &error),
                    }
                    if self.strangers.len() > STRANGERS {
                        let oldest = self.strangers.remove(0);
                        self.log_refused(oldest.from, &"too many connect at once");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return any,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // One that went away before it was accepted, or no descriptor is free now.
                    tracing::warn!(job = self.me.job, "a connection could not be accepted: {error}");
                    return any;
                }
            }
        }
    }

    fn hear_strangers(&mut self) -> bool {
        let before = self.strangers.len();
        for mut stranger in std::mem::take(&mut self.strangers) {
            match stranger.hear() {
                Ok(()) => {}
                Err(error) => {
                    self.log_refused(stranger.from, &error);
                    continue;
                }
            }
            let judged = self.me.index == 0 || self.claim.is_some();
            match stranger.hello.take() {
                Some(hello) if judged => self.let_in(stranger, &hello),
                hello => self.strangers.push(Stranger { hello, ..stranger }),
            }
        }
        self.strangers.len() != before
    }

    fn let_in(&mut self, mut stranger: Stranger, hello: &Hello) {
        if !stranger.line.is_open() {
            return;
        }
        let index = hello.from.index as usize;
        let judged = handshake::judge(&self.me, self.claim, hello).and_then(|()| {
            let taken = self.lines[index].as_ref().is_some_and(Line::is_open);
            if taken { Err(Refusal::Doubled { index: hello.from.index }) } else { Ok(()) }
        });
        match judged {
            Ok(()) => match stranger.line.say(&Message::Accepted) {
                Ok(()) => self.lines[index] = Some(stranger.line),
                Err(error) => self.log_refused(stranger.from, &error),
            },
            Err(refusal) => {
                let problem = format!("it was refused: {refusal}");
                // It comes again and again.
                if index >= self.lines.len() || self.problems.get(&index) != Some(&problem) {
                    self.log_refused(stranger.from, &format_args!("as process {index}, {problem}"));
                }
                if index < self.lines.len() {
                    self.problems.insert(index, problem);
                }
                let _ = stranger.line.say(&Message::Refused(refusal));
            }
        }
    }

    fn log_refused(&self, from: SocketAddr, why: &dyn fmt::Display) {
        tracing::warn!(job = self.me.job, "refused a connection from {from}: {why}");
    }

    fn dial(&self, index: usize, claim: Option<Claim>) -> Result<(), MeshError> {
        let dial = Dial {
            index,
            address: self.config.address_of(index).unwrap_or_default().to_owned(),
            hello: Hello { from: self.me.clone(), to: u32::try_from(index).unwrap_or(u32::MAX), claim },
            secret: self.config.own_secret().clone(),
            silence: self.config.silence_limit(),
            until: self.begun + self.config.assembly_deadline(),
            wanted: Arc::downgrade(&self.wanted),
        };
        dial.start(self.tell.clone()).map_err(MeshError::System)
    }

    fn take_dialled(&mut self) -> Result<bool, MeshError> {
        let mut any = false;
        while let Ok((index, told)) = self.told.try_recv() {
            match told {
                Dialled::Line(line, claim) => {
                    line.stream().set_nonblocking(true).map_err(MeshError::System)?;
                    self.claim = claim.or(self.claim);
                    self.lines[index] = Some(line);
                    any = true;
                }
                Dialled::Problem(problem) => {
                    if self.problems.get(&index) != Some(&problem) {
                        tracing::info!(job = self.me.job, "process {index} is not reached yet: {problem}");
                        self.problems.insert(index, problem);
                    }
                }
            }
        }
        Ok(any)
    }

    fn is_complete(&self) -> bool {
        self.lines.iter().enumerate().all(|(index, line)| index == self.config.own_index() || line.is_some())
    }

    /// While nothing is claimed, one that died may come again.
    fn let_the_closed_go(&mut self) {
        for line in &mut self.lines {
            line.take_if(|line| !line.is_open());
        }
    }

    fn lose_the_closed(&self) -> Result<(), MeshError> {
        match self.lines.iter().position(|line| line.as_ref().is_some_and(|line| !line.is_open())) {
            Some(index) => Err(MeshError::Lost { index }),
            None => Ok(()),
        }
    }

    fn say(&mut self, index: usize, message: &Message) -> Result<(), MeshError> {
        let said = self.lines[index].as_mut().map(|line| line.say(message));
        self.unless_lost(index, said).map(drop)
    }

    fn has_said(&mut self, index: usize, message: &Message) -> Result<bool, MeshError> {
        let heard = self.lines[index].as_mut().map(Line::hear);
        match self.unless_lost(index, heard)? {
            Some(Some(Heard::Message(heard))) if heard == *message => Ok(true),
            Some(Some(_)) => {
                self.unless_lost(index, Some(Err::<(), _>(Misspoken::Senseless.into()))).map(|_| false)
            }
            Some(None) | None => Ok(false),
        }
    }

    /// What became of something with the line of a process; `None` where there is no such line, which is our own.
    fn unless_lost<T>(
        &self,
        index: usize,
        done: Option<Result<T, LineError>>,
    ) -> Result<Option<T>, MeshError> {
        done.transpose().map_err(|error| {
            tracing::warn!(job = self.me.job, "process {index} is lost: {error}");
            MeshError::Lost { index }
        })
    }

    /// The sockets as timely wants them: it takes a time limit for an error.
    fn into_sockets(self) -> io::Result<Vec<Option<TcpStream>>> {
        let plain = |line: Line| {
            let stream = line.into_stream();
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(None)?;
            stream.set_write_timeout(None)?;
            Ok(stream)
        };
        self.lines.into_iter().map(|line| line.map(plain).transpose()).collect()
    }
}

impl Stranger {
    fn hear(&mut self) -> Result<(), LineError> {
        if self.hello.is_some() {
            return Ok(());
        }
        loop {
            match self.line.hear() {
                Ok(Some(Heard::Opening)) => {}
                Ok(Some(Heard::Message(Message::Hello(hello)))) => {
                    self.hello = Some(hello);
                    return Ok(());
                }
                Ok(Some(Heard::Message(_))) => return Err(Misspoken::Senseless.into()),
                Ok(None) if self.since.elapsed() > PATIENCE => {
                    return Err(LineError::Io(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "it has not said who it is",
                    )));
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    if matches!(error, LineError::Misspoken(Misspoken::Unproved)) {
                        let _ = self.line.say(&Message::Refused(Refusal::Secret));
                    }
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "mesh_tests.rs"]
mod tests;
