//! The log as numbered lines: several files, plain or gzip, and standard input are read as one stream.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

use crate::gzip::Gunzip;

/// A gzip member opens with two magic bytes and its only method, deflate.
const GZIP_OPENING: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Long enough that a system call is rare among lines of some 200 bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// A line of the log without its LF. Numbers start at 1 and run on from one file to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Where lines come from.
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
    /// A log made up as it is read.
    Made(Box<dyn Read + Send>),
}

/// The lines of all inputs, in order. Whether one is gzip is seen from its first bytes, so that it may be a pipe.
///
/// What follows an input's last LF is a line if it is not empty; the next input starts a new one.
pub(crate) struct Lines {
    inputs: vec::IntoIter<Input>,
    current: Option<Open>,
    number: u64,
    bytes_read: Arc<AtomicU64>,
}

/// An input could not be opened, or not be read to its end.
#[derive(Debug)]
pub(crate) struct ReadError {
    input: String,
    /// The last line read, of all inputs.
    after_line: u64,
    cause: io::Error,
}

struct Open {
    name: String,
    reader: Box<dyn BufRead + Send>,
}

/// Adds what is read to a counter that the progress bar looks at.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl Lines {
    /// The lines of these inputs; `bytes_read` counts the bytes taken from them, before they are unzipped.
    pub(crate) fn new(inputs: Vec<Input>, bytes_read: Arc<AtomicU64>) -> Lines {
        Lines { inputs: inputs.into_iter(), current: None, number: 0, bytes_read }
    }

    /// The input being read, opening the next one if there is none; `None` after the last.
    fn current(&mut self) -> Option<Result<&mut Open, ReadError>> {
        if self.current.is_none() {
            let input = self.inputs.next()?;
            let name = input.to_string();
            match open(input, Arc::clone(&self.bytes_read)) {
                Ok(reader) => self.current = Some(Open { name, reader }),
                Err(cause) => return Some(Err(self.fail(name, cause))),
            }
        }
        self.current.as_mut().map(Ok)
    }

    /// Nothing is read after an error: what followed would be numbered wrongly.
    fn fail(&mut self, input: String, cause: io::Error) -> ReadError {
        self.current = None;
        self.inputs = Vec::new().into_iter();
        ReadError { input, after_line: self.number, cause }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let open = match self.current()? {
                Ok(open) => open,
                Err(error) => return Some(Err(error)),
            };
            let mut bytes = Vec::new();
            match open.reader.read_until(b'\n', &mut bytes) {
                Ok(0) => self.current = None,
                Ok(_) => {
                    bytes.pop_if(|last| *last == b'\n');
                    self.number += 1;
                    return Some(Ok(Line { number: self.number, bytes }));
                }
                Err(cause) => {
                    let name = open.name.clone();
                    return Some(Err(self.fail(name, cause)));
                }
            }
        }
    }
}

fn open(input: Input, bytes_read: Arc<AtomicU64>) -> io::Result<Box<dyn BufRead + Send>> {
    match input {
        Input::File(path) => plain_or_unzipped(Counted { inner: File::open(path)?, bytes_read }),
        Input::Stdin => plain_or_unzipped(Counted { inner: io::stdin(), bytes_read }),
        Input::Made(log) => plain_or_unzipped(Counted { inner: log, bytes_read }),
    }
}

fn plain_or_unzipped(mut raw: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut opening = Vec::new();
    raw.by_ref().take(GZIP_OPENING.len() as u64).read_to_end(&mut opening)?;
    let zipped = opening == GZIP_OPENING;
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(opening).chain(raw));
    if zipped {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, Gunzip::new(whole))));
    }
    Ok(Box::new(whole))
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::File(path) => path.display().fmt(f),
            Input::Stdin => f.write_str("standard input"),
            Input::Made(_) => f.write_str("the made-up log"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {} (after line {} of the log)", self.input, self.after_line)
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn lines(inputs: &[&[u8]]) -> Vec<Result<Line, ReadError>> {
        let made = inputs.iter().map(|bytes| Input::Made(Box::new(Cursor::new(bytes.to_vec()))));
        Lines::new(made.collect(), Arc::default()).collect()
    }

    fn numbered(inputs: &[&[u8]]) -> Vec<(u64, Vec<u8>)> {
        let whole: Result<Vec<Line>, ReadError> = lines(inputs).into_iter().collect();
        whole.expect("nothing to fail").into_iter().map(|line| (line.number, line.bytes)).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory does not fail");
        encoder.finish().expect("memory does not fail")
    }

    #[test]
    fn numbers_run_on_and_a_missing_lf_ends_the_line_all_the_same() {
        let all = numbered(&[b"a\n\nb", b"", b"c\r\n\n"]);
        let expected: [(u64, &[u8]); 5] = [(1, b"a"), (2, b""), (3, b"b"), (4, b"c\r"), (5, b"")];
        assert_eq!(all, expected.map(|(number, bytes)| (number, bytes.to_vec())));
    }

    #[test]
    fn gzip_of_several_members_reads_like_the_plain_file() {
        let zipped = [gzip(b"one\ntw"), gzip(b"o\nthree")].concat();
        assert_eq!(numbered(&[&zipped]), numbered(&[b"one\ntwo\nthree"]));
    }

    #[test]
    fn long_lines_stay_whole() {
        let long = vec![0xff; 1_000_000];
        assert_eq!(numbered(&[&long]), [(1, long)]);
    }

    #[test]
    fn torn_gzip_gives_its_lines_and_then_one_error() {
        let zipped = gzip(b"one\ntwo\n");
        let read = lines(&[&zipped[..zipped.len() - 4], b"not reached\n"]);
        let [Ok(_), Ok(_), Err(error)] = &read[..] else { panic!("{read:?}") };
        assert_eq!(error.to_string(), "cannot read the made-up log (after line 2 of the log)");
    }

    #[test]
    fn missing_file_is_named() {
        let mut lines = Lines::new(vec![Input::File("/no/such/log".into())], Arc::default());
        let error = lines.next().expect("one item").expect_err("no such file");
        assert_eq!(error.to_string(), "cannot read /no/such/log (after line 0 of the log)");
        assert!(lines.next().is_none());
    }
}
