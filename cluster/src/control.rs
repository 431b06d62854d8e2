//! What a supervisor and a process that it has started say to one another.
//!
//! They are joined by a pair of sockets, of which one end is the process's stdin. It carries lines: `listens ADDRESS` from
//! the process, then `addresses ADDRESS ..` of all from the supervisor; `stop` from either. When it closes, the supervisor
//! is no more, and the process ends at once: so none is left behind, however its supervisor died.

use crate::exit;
use crate::stop::Stop;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const LISTENS: &str = "listens ";
const ADDRESSES: &str = "addresses ";
const STOP: &str = "stop";
/// As often a process looks whether it was asked to stop by a signal of its own.
const LOOK: Duration = Duration::from_millis(100);
/// Addresses of a thousand processes have room.
const LONGEST: usize = 1 << 17;

/// Lines over a socket.
pub(crate) struct Control {
    socket: UnixStream,
    begun: Vec<u8>,
}

/// What the other side says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Listens(String),
    Addresses(Vec<String>),
    Stop,
    /// It is gone.
    Gone,
}

impl Control {
    /// Both ends: the supervisor's, which does not block, and that of the process.
    pub(crate) fn pair() -> io::Result<(Control, UnixStream)> {
        let (own, theirs) = UnixStream::pair()?;
        own.set_nonblocking(true)?;
        Ok((Control { socket: own, begun: Vec::new() }, theirs))
    }

    /// The end of this process, which its supervisor has made its stdin.
    pub(crate) fn of_stdin() -> io::Result<Control> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // What is no socket answers with an error here.
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Control { socket, begun: Vec::new() })
    }

    /// The next line; `None` if none has come, or none that is known.
    pub(crate) fn hear(&mut self) -> io::Result<Option<Said>> {
        loop {
            if let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.begun.drain(..=end).collect();
                return Ok(said(String::from_utf8_lossy(&line).trim_end()));
            }
            if self.begun.len() > LONGEST {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line has no end"));
            }
            let mut room = [0; 4096];
            match self.socket.read(&mut room) {
                Ok(0) => return Ok(Some(Said::Gone)),
                Ok(read) => self.begun.extend_from_slice(&room[..read]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted => {}
                    ErrorKind::ConnectionReset => return Ok(Some(Said::Gone)),
                    _ => return Err(error),
                },
            }
        }
    }

    pub(crate) fn say(&mut self, said: &Said) -> io::Result<()> {
        let line = match said {
            Said::Listens(address) => format!("{LISTENS}{address}\n"),
            Said::Addresses(addresses) => format!("{ADDRESSES}{}\n", addresses.join(" ")),
            Said::Stop => format!("{STOP}\n"),
            Said::Gone => return Ok(()),
        };
        self.socket.write_all(line.as_bytes())
    }

    /// Tells the supervisor where this process listens, and hears where all do.
    ///
    /// # Errors
    /// If the supervisor is gone, or says something else.
    pub(crate) fn exchange(
        &mut self,
        listener: &TcpListener,
        stop: &Stop,
    ) -> io::Result<Option<Vec<String>>> {
        self.say(&Said::Listens(listener.local_addr()?.to_string()))?;
        loop {
            match self.hear()? {
                Some(Said::Addresses(addresses)) => return Ok(Some(addresses)),
                Some(Said::Stop) => return Ok(None),
                Some(Said::Listens(_)) => {
                    return Err(io::Error::new(ErrorKind::InvalidData, "it does not speak as a supervisor"));
                }
                Some(Said::Gone) => {
                    return Err(io::Error::new(ErrorKind::BrokenPipe, "the supervisor is gone"));
                }
                None if stop.requested() => return Ok(None),
                None => {}
            }
        }
    }

    /// Goes on listening, on a thread of its own, for as long as the process lives.
    pub(crate) fn watch(mut self, stop: Stop) -> io::Result<()> {
        let watch = move || {
            let mut told = false;
            loop {
                if stop.requested() && !told {
                    told = true;
                    let _ = self.say(&Said::Stop);
                }
                match self.hear() {
                    Ok(Some(Said::Stop)) => {
                        told = true;
                        stop.request();
                    }
                    Ok(Some(Said::Listens(_) | Said::Addresses(_)) | None) => {}
                    Ok(Some(Said::Gone)) | Err(_) => std::process::exit(i32::from(exit::AGAIN)),
                }
            }
        };
        std::thread::Builder::new().name("psdf:control".into()).spawn(watch).map(drop)
    }
}

fn said(line: &str) -> Option<Said> {
    if let Some(address) = line.strip_prefix(LISTENS) {
        return Some(Said::Listens(address.to_owned()));
    }
    if let Some(addresses) = line.strip_prefix(ADDRESSES) {
        return Some(Said::Addresses(addresses.split(' ').map(str::to_owned).collect()));
    }
    (line == STOP).then_some(Said::Stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_heard_whole_and_in_order() {
        let (mut one, other) = Control::pair().unwrap();
        let mut other = Control { socket: other, begun: Vec::new() };
        let addresses = Said::Addresses((0..1000).map(|port| format!("127.0.0.1:{port}")).collect());
        assert_eq!(one.hear().unwrap(), None);
        for said in [Said::Listens("127.0.0.1:1".into()), Said::Stop] {
            other.say(&said).unwrap();
            assert_eq!(one.hear().unwrap(), Some(said));
        }
        one.say(&addresses).unwrap();
        one.say(&Said::Stop).unwrap();
        drop(one);
        for said in [addresses, Said::Stop, Said::Gone] {
            assert_eq!(other.hear().unwrap(), Some(said));
        }
    }
}
