//! A connection between two processes until they go: messages over a socket, read no byte further than the last of them.

use crate::config::Secret;
use crate::handshake::{LONGEST, Message, Misspoken, OPENING, Opening, PROOF, Session, Side};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// One side of a connection.
pub(crate) struct Line {
    stream: TcpStream,
    side: Side,
    secret: Secret,
    own: Opening,
    session: Option<Session>,
    /// What has come of the opening or frame that is being read. Never more: what follows the last belongs to timely.
    begun: Vec<u8>,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The other side's opening; from now on messages can be sent.
    Opening,
    Message(Message),
}

/// A connection is of no use any more.
#[derive(Debug)]
pub(crate) enum LineError {
    Misspoken(Misspoken),
    Closed,
    Io(io::Error),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Misspoken(misspoken) => misspoken.fmt(f),
            LineError::Closed => f.write_str("it closed the connection"),
            LineError::Io(error) => error.fmt(f),
        }
    }
}

impl From<Misspoken> for LineError {
    fn from(misspoken: Misspoken) -> Self {
        LineError::Misspoken(misspoken)
    }
}

impl Line {
    /// The side of the one who has connected. It speaks first.
    pub(crate) fn dialled(stream: TcpStream, secret: &Secret) -> Result<Self, LineError> {
        let mut line = Self::new(stream, Side::Dialled, secret)?;
        line.write(&line.own.bytes())?;
        Ok(line)
    }

    /// The side of the one to whom somebody has connected.
    pub(crate) fn answered(stream: TcpStream, secret: &Secret) -> Result<Self, LineError> {
        Self::new(stream, Side::Answered, secret)
    }

    fn new(stream: TcpStream, side: Side, secret: &Secret) -> Result<Self, LineError> {
        let own = Opening::random().map_err(LineError::Io)?;
        Ok(Line { stream, side, secret: secret.clone(), own, session: None, begun: Vec::new() })
    }

    /// What has come, if all of it has. It blocks as its socket does.
    pub(crate) fn hear(&mut self) -> Result<Option<Heard>, LineError> {
        if self.session.is_none() {
            return self.hear_opening();
        }
        if !self.fill(2)? {
            return Ok(None);
        }
        let length = usize::from(u16::from_le_bytes([self.begun[0], self.begun[1]]));
        if length > LONGEST {
            return Err(Misspoken::Senseless.into());
        }
        if !self.fill(2 + length + PROOF)? {
            return Ok(None);
        }
        let frame = std::mem::take(&mut self.begun);
        let session = self.session.as_mut().expect("it was there at the top");
        Ok(Some(Heard::Message(session.read(&frame[2..])?)))
    }

    fn hear_opening(&mut self) -> Result<Option<Heard>, LineError> {
        let filled = self.fill(OPENING);
        let opening = match Opening::read(&self.begun) {
            Ok(opening) => opening,
            Err(misspoken) => {
                if matches!(misspoken, Misspoken::Version(_)) && self.side == Side::Answered {
                    // It learns our version by it.
                    let _ = self.write(&self.own.bytes());
                }
                return Err(misspoken.into());
            }
        };
        filled?;
        let Some(theirs) = opening else { return Ok(None) };
        self.begun.clear();
        if self.side == Side::Answered {
            self.write(&self.own.bytes())?;
        }
        self.session = Some(Session::new(self.side, &self.secret, self.own, theirs));
        Ok(Some(Heard::Opening))
    }

    /// Reads until so many bytes have come; `false` if they have not yet.
    fn fill(&mut self, wanted: usize) -> Result<bool, LineError> {
        while self.begun.len() < wanted {
            let mut room = [0; OPENING + LONGEST + PROOF];
            let missing = wanted - self.begun.len();
            match self.stream.read(&mut room[..missing]) {
                Ok(0) => return Err(LineError::Closed),
                Ok(read) => self.begun.extend_from_slice(&room[..read]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(false),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(LineError::Io(error)),
                },
            }
        }
        Ok(true)
    }

    /// Says something. The openings have crossed.
    pub(crate) fn say(&mut self, message: &Message) -> Result<(), LineError> {
        let session = self.session.as_mut().ok_or(Misspoken::Senseless)?;
        let frame = session.frame(message);
        self.write(&frame)
    }

    /// All that is ever said fits into what a socket takes at once, so one that would block is not read at its other end.
    fn write(&mut self, bytes: &[u8]) -> Result<(), LineError> {
        self.stream.write_all(bytes).map_err(LineError::Io)
    }

    /// Whether the other side has neither closed nor broken it. Its socket does not block.
    pub(crate) fn is_open(&self) -> bool {
        match self.stream.peek(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }
}
