//! Reads gzip: members one after the other, and the zeros that archives on tape end with.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// What the members of a gzip file hold, as one stream.
pub(crate) struct Gunzip<R> {
    /// `None` only while one is exchanged for the next.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(file: R) -> Self {
        Gunzip { member: Some(GzDecoder::new(file)) }
    }

    /// Passes over zeros to the next member; whether there is one.
    fn next_member(&mut self) -> io::Result<bool> {
        let Some(member) = &mut self.member else { return Ok(false) };
        let file = member.get_mut();
        loop {
            let buffer = file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                break;
            }
            file.consume(zeros);
        }
        self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        Ok(true)
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() || !self.next_member()? {
                return Ok(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory does not fail");
        encoder.finish().expect("memory does not fail")
    }

    /// Read through a buffer of so many bytes.
    fn read(file: &[u8], capacity: usize) -> io::Result<String> {
        let mut text = String::new();
        Gunzip::new(io::BufReader::with_capacity(capacity, file)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn members_are_one_stream_and_zeros_after_the_last_are_nothing() {
        let members = [gzip("one "), gzip(""), gzip("two")].concat();
        for zeros in [0, 1, 3, 511, 10_000] {
            let file = [members.clone(), vec![0; zeros]].concat();
            for capacity in [1, 7, 8192] {
                assert_eq!(read(&file, capacity).expect("it is whole"), "one two", "{zeros} zeros");
            }
        }
    }

    #[test]
    fn what_is_neither_a_member_nor_zeros_is_an_error() {
        for wrong in [&b"plain text"[..], b"\0\0x", &gzip("three")[..5]] {
            assert!(read(&[gzip("one"), wrong.to_vec()].concat(), 8192).is_err(), "{wrong:?}");
        }
        assert!(read(&gzip("torn")[..12], 8192).is_err());
    }
}
