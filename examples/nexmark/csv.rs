//! Results as a CSV file: RFC 4180, with LF, quoted where needed.

use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// How the results of a query are written; the queries' own are in `tables.rs`.
pub(crate) trait Table {
    type Row: Send + 'static;

    const HEADER: &'static str;

    /// Whether the query's results change: then one that comes later replaces one of the same place.
    const CHANGES: bool = false;

    /// Where a row stands in the file.
    fn place(row: &Self::Row) -> impl Ord;

    /// Writes a row, nearly always of one line.
    fn write(row: &Self::Row, lines: &mut Lines) -> io::Result<()>;
}

/// The lines of a file.
pub(crate) struct Lines {
    out: BufWriter<File>,
    line: String,
    cell: String,
}

/// A file that could not be written.
#[derive(Debug)]
pub(crate) struct WriteError {
    path: PathBuf,
    cause: io::Error,
}

/// Sorts rows, which are in the order in which they came, and writes them.
pub(crate) fn write<T: Table>(mut rows: Vec<T::Row>, path: &Path) -> Result<(), WriteError> {
    rows.sort_by(|a, b| T::place(a).cmp(&T::place(b)));
    write_sorted::<T>(&rows, path).map_err(|cause| WriteError::new(path, cause))
}

fn write_sorted<T: Table>(rows: &[T::Row], path: &Path) -> io::Result<()> {
    let mut lines = Lines::create(path, T::HEADER)?;
    for (index, row) in rows.iter().enumerate() {
        let is_replaced =
            T::CHANGES && rows.get(index + 1).is_some_and(|next| T::place(next) == T::place(row));
        if !is_replaced {
            T::write(row, &mut lines)?;
        }
    }
    lines.close()
}

impl Lines {
    fn create(path: &Path, header: &str) -> io::Result<Lines> {
        Lines::begin(File::create(path)?, header)
    }

    /// Goes on with a file that may be there already.
    pub(crate) fn append(path: &Path, header: &str) -> io::Result<Lines> {
        let file = File::options().append(true).create(true).open(path)?;
        let header = if file.metadata()?.len() == 0 { header } else { "" };
        Lines::begin(file, header)
    }

    fn begin(file: File, header: &str) -> io::Result<Lines> {
        let mut out = BufWriter::new(file);
        if !header.is_empty() {
            writeln!(out, "{header}")?;
        }
        Ok(Lines { out, line: String::new(), cell: String::new() })
    }

    /// Writes a line of these cells.
    pub(crate) fn line(&mut self, cells: &[&dyn Display]) -> io::Result<()> {
        self.line.clear();
        for (index, cell) in cells.iter().enumerate() {
            self.cell.clear();
            write!(self.cell, "{cell}").map_err(io::Error::other)?;
            if self.cell.contains([',', '"', '\n', '\r']) {
                self.cell = format!("\"{}\"", self.cell.replace('"', "\"\""));
            }
            if index > 0 {
                self.line.push(',');
            }
            self.line.push_str(&self.cell);
        }
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())
    }

    pub(crate) fn close(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl WriteError {
    pub(crate) fn new(path: &Path, cause: io::Error) -> WriteError {
        WriteError { path: path.to_path_buf(), cause }
    }
}

impl Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}", self.path.display())
    }
}

impl Error for WriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
