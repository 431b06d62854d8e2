//! What two processes say to one another before they trust each other's bytes.
//!
//! Who connects begins with the opening: `psdfmesh`, a version and 32 random bytes. Only to that is there an answer, the
//! same of the other side. Then frames: a length, a [`Message`] in postcard, and its proof, by a key that both make of the
//! secret and of what was random in the two openings. So a proof is worth nothing on another connection, and the secret
//! never crosses. Where there is no secret the key is made of none, and the proof is a checksum.
//!
//! | opening | bytes | | frame | bytes |
//! |---|---|---|---|---|
//! | `psdfmesh` | 8 | | length of the message, little-endian | 2 |
//! | version, little-endian | 2 | | message | |
//! | random | 32 | | HMAC-SHA-256 | 32 |

use crate::config::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

const MAGIC: [u8; 8] = *b"psdfmesh";
/// Processes of different versions do not run a job together.
const VERSION: u16 = 1;
const NONCE: usize = 32;
pub(crate) const OPENING: usize = MAGIC.len() + 2 + NONCE;
pub(crate) const PROOF: usize = 32;
/// The longest message is a hello, with a job's name of 255 bytes. Who announces more gets no memory for it.
pub(crate) const LONGEST: usize = 512;

/// Whose run this is and where it goes on: what process 0 has claimed in the storage of checkpoints, and tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// A number that no other run has.
    pub attempt: u64,
    /// The epoch from which the run goes on; `None` if it begins.
    pub restore: Option<u64>,
}

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) job: String,
    /// What the flow and the program are made of, in one number.
    pub(crate) plan: u64,
    pub(crate) processes: u32,
    pub(crate) workers: u32,
    pub(crate) index: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) from: Identity,
    /// Whom it means to speak to.
    pub(crate) to: u32,
    /// `None` while it has yet to hear it, from process 0.
    pub(crate) claim: Option<Claim>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// First of all, from the one who connects.
    Hello(Hello),
    /// Its answer.
    Accepted,
    /// Or this.
    Refused(Refusal),
    /// From process 0, when all have come.
    Welcome(Claim),
    /// To process 0: connected with all others.
    Ready,
    /// From process 0, when all are ready. What comes behind it is no message.
    Go,
}

/// Why a process is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Secret,
    Job { job: String },
    Plan,
    Shape { processes: u32, workers: u32 },
    NotMe { index: u32 },
    Order,
    Doubled { index: u32 },
    Attempt,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Secret => f.write_str("it does not have the same secret"),
            Refusal::Job { job } => write!(f, "the job there is `{job}`"),
            Refusal::Plan => f.write_str("it runs another version of the flow or of the program"),
            Refusal::Shape { processes, workers } => {
                write!(f, "the job there has {processes} processes with {workers} workers each")
            }
            Refusal::NotMe { index } => write!(f, "at that address is process {index}; the addresses differ"),
            Refusal::Order => f.write_str("processes connect to those before them only"),
            Refusal::Doubled { index } => write!(f, "there is a process {index} already"),
            Refusal::Attempt => f.write_str("it belongs to another run of the job, which is over"),
        }
    }
}

/// Whether the one who says hello may come in. `claim` is ours, and nobody's while we are process 0: those who come to it
/// have none.
pub(crate) fn judge(me: &Identity, claim: Option<Claim>, hello: &Hello) -> Result<(), Refusal> {
    let from = &hello.from;
    if from.job != me.job {
        return Err(Refusal::Job { job: me.job.clone() });
    }
    if hello.to != me.index {
        return Err(Refusal::NotMe { index: me.index });
    }
    if (from.processes, from.workers) != (me.processes, me.workers) {
        return Err(Refusal::Shape { processes: me.processes, workers: me.workers });
    }
    if from.plan != me.plan {
        return Err(Refusal::Plan);
    }
    if from.index <= me.index || from.index >= me.processes {
        return Err(Refusal::Order);
    }
    if hello.claim != claim {
        return Err(Refusal::Attempt);
    }
    Ok(())
}

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Dialled,
    Answered,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Dialled => Side::Answered,
            Side::Answered => Side::Dialled,
        }
    }

    fn label(self) -> u8 {
        match self {
            Side::Dialled => b'd',
            Side::Answered => b'a',
        }
    }
}

/// What one side opens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening([u8; NONCE]);

impl Opening {
    pub(crate) fn random() -> std::io::Result<Self> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
        Ok(Opening(nonce))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&MAGIC[..], &VERSION.to_le_bytes(), &self.0].concat()
    }

    /// Reads one of which maybe not all has come. `None`: so far it is one.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Misspoken> {
        let begun = bytes.len().min(MAGIC.len());
        if bytes[..begun] != MAGIC[..begun] {
            return Err(Misspoken::Stranger);
        }
        let Some((version, nonce)) = bytes.get(MAGIC.len()..).and_then(<[u8]>::split_first_chunk::<2>) else {
            return Ok(None);
        };
        match u16::from_le_bytes(*version) {
            VERSION => Ok(nonce.first_chunk().map(|nonce| Opening(*nonce))),
            version => Err(Misspoken::Version(version)),
        }
    }
}

/// What came is not what a process of the job says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misspoken {
    /// No process of psdf.
    Stranger,
    /// One of another version of this protocol.
    Version(u16),
    /// One that has not proved to have the secret.
    Unproved,
    /// Something that is no message, or none that belongs here.
    Senseless,
}

impl fmt::Display for Misspoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misspoken::Stranger => f.write_str("it is no process of psdf"),
            Misspoken::Version(version) => {
                write!(f, "it speaks version {version} of the handshake, and this process version {VERSION}")
            }
            Misspoken::Unproved => Refusal::Secret.fmt(f),
            Misspoken::Senseless => f.write_str("what it says makes no sense"),
        }
    }
}

/// A connection behind its openings: makes frames, and reads them in the order in which they were made.
pub(crate) struct Session {
    side: Side,
    key: Hmac<Sha256>,
    sent: u64,
    received: u64,
}

impl Session {
    pub(crate) fn new(side: Side, secret: &Secret, own: Opening, theirs: Opening) -> Self {
        let (dialled, answered) = match side {
            Side::Dialled => (own, theirs),
            Side::Answered => (theirs, own),
        };
        let key = keyed(secret.bytes())
            .chain_update(b"psdf mesh")
            .chain_update(dialled.0)
            .chain_update(answered.0)
            .finalize()
            .into_bytes();
        Session { side, key: keyed(&key), sent: 0, received: 0 }
    }

    fn proof(&self, by: Side, number: u64, message: &[u8]) -> Hmac<Sha256> {
        let key = self.key.clone();
        key.chain_update([by.label()]).chain_update(number.to_le_bytes()).chain_update(message)
    }

    pub(crate) fn frame(&mut self, message: &Message) -> Vec<u8> {
        let message = postcard::to_stdvec(message).expect("a message can be written");
        let length =
            u16::try_from(message.len()).expect("a message is short: `Config` bounds the job's name");
        let proof = self.proof(self.side, self.sent, &message).finalize().into_bytes();
        self.sent += 1;
        [&length.to_le_bytes()[..], &message, &proof].concat()
    }

    /// Reads the next frame of the other side, all of it but its length.
    pub(crate) fn read(&mut self, frame: &[u8]) -> Result<Message, Misspoken> {
        let (message, proof) = frame.split_last_chunk::<PROOF>().ok_or(Misspoken::Senseless)?;
        let expected = self.proof(self.side.other(), self.received, message);
        expected.verify_slice(proof).map_err(|_| Misspoken::Unproved)?;
        self.received += 1;
        match postcard::take_from_bytes(message) {
            Ok((message, [])) => Ok(message),
            _ => Err(Misspoken::Senseless),
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("a key of any length will do")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Identity {
        Identity { job: "traffic".into(), plan: 7, processes: 3, workers: 2, index: 1 }
    }

    const CLAIM: Claim = Claim { attempt: 5, restore: Some(9) };

    fn hello() -> Hello {
        Hello { from: Identity { index: 2, ..me() }, to: 1, claim: Some(CLAIM) }
    }

    fn sessions(dialling: &str, answering: &str) -> (Session, Session) {
        let (one, other) = (Opening::random().unwrap(), Opening::random().unwrap());
        (
            Session::new(Side::Dialled, &dialling.into(), one, other),
            Session::new(Side::Answered, &answering.into(), other, one),
        )
    }

    #[test]
    fn only_a_process_of_the_same_run_is_let_in() {
        assert_eq!(judge(&me(), Some(CLAIM), &hello()), Ok(()));
        let refused = |change: &dyn Fn(&mut Hello)| {
            let mut hello = hello();
            change(&mut hello);
            judge(&me(), Some(CLAIM), &hello).unwrap_err()
        };
        assert_eq!(refused(&|hello| hello.from.job = "shop".into()), Refusal::Job { job: "traffic".into() });
        assert_eq!(refused(&|hello| hello.from.plan = 8), Refusal::Plan);
        assert_eq!(refused(&|hello| hello.from.workers = 1), Refusal::Shape { processes: 3, workers: 2 });
        assert_eq!(refused(&|hello| hello.from.processes = 4), Refusal::Shape { processes: 3, workers: 2 });
        assert_eq!(refused(&|hello| hello.to = 0), Refusal::NotMe { index: 1 });
        assert_eq!(refused(&|hello| hello.from.index = 1), Refusal::Order);
        assert_eq!(refused(&|hello| hello.from.index = 3), Refusal::Order);
        assert_eq!(refused(&|hello| hello.claim = None), Refusal::Attempt);
        assert_eq!(refused(&|hello| hello.claim = Some(Claim { attempt: 4, ..CLAIM })), Refusal::Attempt);
        assert_eq!(refused(&|hello| hello.claim = Some(Claim { restore: None, ..CLAIM })), Refusal::Attempt);
    }

    #[test]
    fn both_sides_read_what_the_other_has_written() {
        for secret in ["", "hunter2"] {
            let (mut dialled, mut answered) = sessions(secret, secret);
            for message in [Message::Hello(hello()), Message::Ready] {
                let frame = dialled.frame(&message);
                assert_eq!(answered.read(&frame[2..]), Ok(message));
            }
            for message in [Message::Accepted, Message::Welcome(CLAIM), Message::Go] {
                let frame = answered.frame(&message);
                assert_eq!(dialled.read(&frame[2..]), Ok(message));
            }
        }
    }

    #[test]
    fn the_longest_hello_fits_into_a_frame() {
        let from = Identity {
            job: "j".repeat(255),
            plan: u64::MAX,
            processes: u32::MAX,
            workers: u32::MAX,
            index: u32::MAX,
        };
        let claim = Some(Claim { attempt: u64::MAX, restore: Some(u64::MAX) });
        let (mut dialled, _) = sessions("", "");
        let frame = dialled.frame(&Message::Hello(Hello { from, to: u32::MAX, claim }));
        assert!(frame.len() - 2 - PROOF <= LONGEST);
    }

    #[test]
    fn who_does_not_have_the_secret_proves_nothing() {
        for (one, other) in [("", "hunter2"), ("hunter2", ""), ("hunter2", "hunter3")] {
            let (mut dialled, mut answered) = sessions(one, other);
            assert_eq!(answered.read(&dialled.frame(&Message::Ready)[2..]), Err(Misspoken::Unproved));
        }
    }

    #[test]
    fn a_proof_is_worth_nothing_again_elsewhere_or_by_the_other_side() {
        let (mut dialled, mut answered) = sessions("hunter2", "hunter2");
        let frame = dialled.frame(&Message::Ready);
        assert_eq!(dialled.read(&frame[2..]), Err(Misspoken::Unproved), "our own, thrown back");
        assert_eq!(answered.read(&frame[2..]), Ok(Message::Ready));
        assert_eq!(answered.read(&frame[2..]), Err(Misspoken::Unproved), "once more");
        let (_, mut elsewhere) = sessions("hunter2", "hunter2");
        assert_eq!(elsewhere.read(&frame[2..]), Err(Misspoken::Unproved), "on another connection");
    }

    #[test]
    fn a_stranger_is_known_by_the_first_wrong_byte() {
        let opening = Opening::random().unwrap();
        let bytes = opening.bytes();
        assert_eq!(bytes.len(), OPENING);
        for end in 0..bytes.len() {
            assert_eq!(Opening::read(&bytes[..end]), Ok(None));
        }
        assert_eq!(Opening::read(&bytes), Ok(Some(opening)));
        assert_eq!(Opening::read(b"GET / HTTP/1.1\r\n"), Err(Misspoken::Stranger));
        assert_eq!(Opening::read(b"pX"), Err(Misspoken::Stranger));
        assert_eq!(Opening::read(b"psdfmesh\x02\x00"), Err(Misspoken::Version(2)));
    }

    #[test]
    fn no_flipped_bit_is_taken_for_a_message() {
        let (mut dialled, mut answered) = sessions("", "");
        let frame = dialled.frame(&Message::Hello(hello()));
        for bit in 0..(frame.len() - 2) * 8 {
            let mut frame = frame[2..].to_vec();
            frame[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(answered.read(&frame), Err(Misspoken::Unproved));
        }
        assert_eq!(answered.read(&[0; 5]), Err(Misspoken::Senseless));
    }
}
