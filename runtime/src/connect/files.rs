//! A sink into a file.

use super::Sink;
use crate::error::SinkError;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A file with a line for each record, as its `Display` writes it.
///
/// The file is made anew when the sink is; it is whole when the flow has finished. For a durable flow, which goes on where
/// it was, take [`TransactionalFileSink`](super::TransactionalFileSink).
#[derive(Debug)]
pub struct FileSink<T> {
    path: PathBuf,
    file: BufWriter<File>,
    records: PhantomData<fn(T)>,
}

impl<T> FileSink<T> {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// If it cannot be made; the error names it.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let path = path.as_ref().to_path_buf();
        let file = File::create(&path).map_err(|error| in_file(&path, &error))?;
        Ok(FileSink { path, file: BufWriter::new(file), records: PhantomData })
    }
}

impl<T: Display + Send + 'static> Sink for FileSink<T> {
    type Item = T;

    async fn write(&mut self, records: Vec<T>) -> Result<(), SinkError> {
        for record in records {
            writeln!(self.file, "{record}").map_err(|error| in_file(&self.path, &error))?;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), SinkError> {
        self.file.flush().map_err(|error| in_file(&self.path, &error))
    }
}

fn in_file(path: &Path, error: &std::io::Error) -> SinkError {
    SinkError::new(format!("{}: {error}", path.display()))
}
