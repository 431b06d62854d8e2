//! Numbers and strings as segments write them: LEB128, zigzag where they have a sign, lengths before strings.

/// Writes a number, seven bits to a byte.
#[inline]
pub(super) fn put_u64(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Writes a number that may be negative.
#[inline]
pub(super) fn put_i64(to: &mut Vec<u8>, number: i64) {
    put_u64(to, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Writes a string with its length.
pub(super) fn put_str(to: &mut Vec<u8>, string: &str) {
    put_u64(to, string.len() as u64);
    to.extend_from_slice(string.as_bytes());
}

/// Reads what these write; `None` if the bytes end before, or do not make what was asked for.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Bytes { all, at: 0 }
    }

    /// How many have been read.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.all.len()
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.all.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(taken)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Option<u8> {
        let byte = *self.all.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    #[inline]
    pub(super) fn i64(&mut self) -> Option<i64> {
        let zigzag = self.u64()?;
        Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A length of something that is still to come.
    #[inline]
    pub(super) fn len(&mut self) -> Option<usize> {
        let len = usize::try_from(self.u64()?).ok()?;
        (len <= self.all.len() - self.at).then_some(len)
    }

    pub(super) fn str(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        std::str::from_utf8(self.take(len)?).ok()
    }

    pub(super) fn u16_le(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn u32_le(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(super) fn u64_le(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, -1, 63, 64, -65, 1 << 40, i64::MAX, i64::MIN];
        let mut bytes = Vec::new();
        for &number in &numbers {
            put_i64(&mut bytes, number);
            put_u64(&mut bytes, number.cast_unsigned());
        }
        let mut from = Bytes::new(&bytes);
        for &number in &numbers {
            assert_eq!(from.i64(), Some(number));
            assert_eq!(from.u64(), Some(number.cast_unsigned()));
        }
        assert!(from.is_at_end());
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert_eq!(Bytes::new(&[0x80]).u64(), None);
        assert_eq!(Bytes::new(&[0xff; 11]).u64(), None);
        assert_eq!(Bytes::new(&[5, 1, 2]).len(), None);
    }
}
