//! Connecting to a process that may not be there yet.

use crate::config::Secret;
use crate::handshake::{Claim, Hello, Message, Misspoken, Refusal};
use crate::line::{Heard, Line, LineError};
use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Weak;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// As often it is looked whether something has come, or somebody has.
pub(crate) const POLL: Duration = Duration::from_millis(20);
/// So long one may take to say who it is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(1);
/// Processes that are started together are there within this time. After it we ask less often.
const SOON: Duration = Duration::from_secs(2);
const SELDOM: Duration = Duration::from_millis(200);

/// What one who dials tells.
pub(crate) enum Dialled {
    /// It is connected and accepted. If it has asked for one, with the claim.
    Line(Line, Option<Claim>),
    /// It goes on trying.
    Problem(String),
}

/// A process that is to be connected with.
pub(crate) struct Dial {
    pub(crate) index: usize,
    pub(crate) address: String,
    pub(crate) hello: Hello,
    pub(crate) secret: Secret,
    pub(crate) silence: Duration,
    pub(crate) until: Instant,
    /// Gone when nobody wants the connection any more.
    pub(crate) wanted: Weak<()>,
}

enum DialError {
    Connect(io::Error),
    Line(LineError),
    Refused(Refusal),
    Silent,
    /// It is too late, or nobody wants it any more.
    Over,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Connect(error) => error.fmt(f),
            DialError::Line(error) => error.fmt(f),
            DialError::Refused(refusal) => write!(f, "it refuses this process: {refusal}"),
            DialError::Silent => f.write_str("it does not answer"),
            DialError::Over => f.write_str("it is not wanted any more"),
        }
    }
}

impl From<LineError> for DialError {
    fn from(error: LineError) -> Self {
        DialError::Line(error)
    }
}

impl Dial {
    /// Tries until it succeeds or is not wanted any more, on a thread of its own: to look up a name takes as long as it
    /// takes.
    pub(crate) fn start(self, tell: Sender<(usize, Dialled)>) -> io::Result<()> {
        let name = format!("psdf:dial-{}", self.index);
        std::thread::Builder::new().name(name).spawn(move || self.run(&tell)).map(drop)
    }

    fn run(self, tell: &Sender<(usize, Dialled)>) {
        let begun = Instant::now();
        while !self.is_over() {
            let told = match self.once(tell) {
                Ok((line, claim)) => Dialled::Line(line, claim),
                Err(DialError::Over) => return,
                Err(error) => Dialled::Problem(error.to_string()),
            };
            let done = matches!(told, Dialled::Line(..));
            if tell.send((self.index, told)).is_err() || done {
                return;
            }
            std::thread::sleep(if begun.elapsed() < SOON { POLL } else { SELDOM });
        }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until || self.wanted.strong_count() == 0
    }

    fn once(&self, tell: &Sender<(usize, Dialled)>) -> Result<(Line, Option<Claim>), DialError> {
        let stream = self.connect().map_err(DialError::Connect)?;
        let mut line = Line::dialled(stream, &self.secret)?;
        let soon = Instant::now() + PATIENCE;
        if self.hear(&mut line, Some(soon))? != Heard::Opening {
            return Err(LineError::Misspoken(Misspoken::Senseless).into());
        }
        line.say(&Message::Hello(self.hello.clone()))?;
        match self.hear(&mut line, Some(soon))? {
            Heard::Message(Message::Accepted) => {}
            Heard::Message(Message::Refused(refusal)) => return Err(DialError::Refused(refusal)),
            _ => return Err(LineError::Misspoken(Misspoken::Senseless).into()),
        }
        if self.hello.claim.is_some() {
            return Ok((line, None));
        }
        let waits = Dialled::Problem("it waits until all others have come to it".into());
        tell.send((self.index, waits)).map_err(|_| DialError::Over)?;
        match self.hear(&mut line, None)? {
            Heard::Message(Message::Welcome(claim)) => Ok((line, Some(claim))),
            _ => Err(LineError::Misspoken(Misspoken::Senseless).into()),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failed = None;
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(POLL))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    prepare(&stream, self.silence)?;
                    return Ok(stream);
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its name has no address")))
    }

    fn hear(&self, line: &mut Line, until: Option<Instant>) -> Result<Heard, DialError> {
        loop {
            if let Some(heard) = line.hear()? {
                return Ok(heard);
            }
            if self.is_over() {
                return Err(DialError::Over);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(DialError::Silent);
            }
        }
    }
}

/// What every connection between processes has: a machine that is gone is noticed, and nothing waits to be sent.
///
/// Timely itself has no heartbeat and waits for ever.
pub(crate) fn prepare(stream: &TcpStream, silence: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let second = Duration::from_secs(1);
    let keepalive = socket2::TcpKeepalive::new().with_time((silence / 2).max(second));
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "freebsd"))]
    let keepalive = keepalive.with_interval((silence / 6).max(second)).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    // Keep-alive speaks only while nothing is under way; this is for what is sent and not acknowledged.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(silence))?;
    Ok(())
}
