//! Sources of lines: files, one after another as one stream, and standard input.

use super::blocking::blocking_once;
use super::{Source, blocking};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// A source of lines, as bytes without their line feeds. See [`files`] and [`stdin`].
pub struct LineSource {
    inputs: std::vec::IntoIter<PathBuf>,
    current: Option<(PathBuf, Box<dyn BufRead + Send>)>,
}

/// The lines of several files, in the order of the files, as one stream.
///
/// A line is what stands before a line feed, and at the end of a file what follows the last one if it is not empty.
/// Bytes need not be UTF-8. A file that cannot be read ends the flow with an error that names it. A durable flow that
/// starts again passes over the lines that are part of its checkpoint: the files must still begin with them.
pub fn files<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> impl Source<Item = Vec<u8>> {
    let inputs: Vec<_> = paths.into_iter().map(|path| path.as_ref().to_path_buf()).collect();
    blocking(LineSource { inputs: inputs.into_iter(), current: None })
}

/// The lines of standard input: see [`files`]. They do not come again, so a durable flow cannot read them.
pub fn stdin() -> impl Source<Item = Vec<u8>> {
    let stdin: Box<dyn Read + Send> = Box::new(io::stdin());
    let current = Some((PathBuf::from("standard input"), Box::new(BufReader::new(stdin)) as _));
    blocking_once(LineSource { inputs: Vec::new().into_iter(), current })
}

impl LineSource {
    /// The next line of the file at hand; `None` at its end.
    fn next_line(&mut self) -> Option<io::Result<Vec<u8>>> {
        let (path, reader) = self.current.as_mut()?;
        let mut line = Vec::new();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                Some(Ok(line))
            }
            Err(error) => Some(Err(in_file(path, &error))),
        }
    }
}

impl Iterator for LineSource {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        loop {
            if let Some(line) = self.next_line() {
                return Some(line);
            }
            let path = self.inputs.next()?;
            match File::open(&path) {
                Ok(file) => self.current = Some((path, Box::new(BufReader::with_capacity(1 << 16, file)))),
                Err(error) => return Some(Err(in_file(&path, &error))),
            }
        }
    }
}

fn in_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
