//! Numbers of bytes, exact whatever a log says.

use std::fmt;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// The digits below are kept in one number: so many that two such numbers add up to one that fits.
const LOW_DIGITS: usize = 36;
const LOW: u128 = 10u128.pow(LOW_DIGITS as u32);

/// Those above in numbers of so many.
const HIGH_DIGITS: usize = 18;
const HIGH: u64 = 10u64.pow(HIGH_DIGITS as u32);

/// A number of bytes. A log may spell any, and the sum must still be right; those that are true need no memory beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    low: u128,
    /// The lowest first; the highest is not 0.
    high: Vec<u64>,
}

impl Size {
    /// The number that digits spell.
    pub(crate) fn of_digits(digits: &[u8]) -> Option<Size> {
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number =
            |digits: &[u8]| digits.iter().fold(0u128, |number, digit| number * 10 + u128::from(digit - b'0'));
        let (above, low) = digits.split_at(digits.len().saturating_sub(LOW_DIGITS));
        let high = above.rchunks(HIGH_DIGITS).map(|digits| number(digits) as u64).collect();
        let mut size = Size { low: number(low), high };
        while size.high.pop_if(|highest| *highest == 0).is_some() {}
        Some(size)
    }

    pub(crate) fn to_f64(&self) -> f64 {
        let high = self.high.iter().rev().fold(0.0, |number, part| number * HIGH as f64 + *part as f64);
        high * LOW as f64 + self.low as f64
    }
}

impl From<u128> for Size {
    fn from(bytes: u128) -> Size {
        let high = (bytes / LOW) as u64;
        Size { low: bytes % LOW, high: if high == 0 { Vec::new() } else { vec![high] } }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        self.low += other.low;
        let mut carry = u64::from(self.low >= LOW);
        self.low %= LOW;
        if self.high.len() < other.high.len() {
            self.high.resize(other.high.len(), 0);
        }
        let others = other.high.into_iter().chain(std::iter::repeat(0));
        for (part, other) in self.high.iter_mut().zip(others) {
            *part += other + carry;
            carry = *part / HIGH;
            *part %= HIGH;
        }
        if carry > 0 {
            self.high.push(carry);
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((highest, others)) = self.high.split_last() else { return self.low.fmt(f) };
        write!(f, "{highest}")?;
        others.iter().rev().try_for_each(|part| write!(f, "{part:0HIGH_DIGITS$}"))?;
        write!(f, "{:0LOW_DIGITS$}", self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(digits: &str) -> Size {
        Size::of_digits(digits.as_bytes()).expect("digits")
    }

    fn sum(a: &str, b: &str) -> String {
        let mut sum = size(a);
        sum += size(b);
        sum.to_string()
    }

    #[test]
    fn any_number_of_digits_is_read_and_shown_as_it_is() {
        for digits in [1, 35, 36, 37, 53, 54, 55, 99, 1000] {
            for text in ["9".repeat(digits), format!("1{}", "0".repeat(digits - 1))] {
                assert_eq!(size(&text).to_string(), text);
                assert_eq!(size(&format!("000{text}")), size(&text));
            }
        }
        assert_eq!((size("").to_string(), size("0").to_string()), ("0".into(), "0".into()));
        assert!(["-", "+5", "5x", " 5"].iter().all(|wrong| Size::of_digits(wrong.as_bytes()).is_none()));
    }

    #[test]
    fn sums_carry() {
        for digits in [1, 18, 36, 54, 72, 100] {
            let nines = "9".repeat(digits);
            let round = format!("1{}", "0".repeat(digits));
            assert_eq!(sum(&nines, "1"), round);
            assert_eq!(sum("1", &nines), round);
            assert_eq!(sum(&nines, &nines), format!("1{}8", "9".repeat(digits - 1)));
        }
    }

    #[test]
    fn what_fits_is_like_a_number() {
        for (a, b) in [(0, 0), (7, LOW - 7), (LOW - 1, LOW - 1), (u128::MAX / 2, u128::MAX / 2), (LOW * 9, 5)]
        {
            let mut both = Size::from(a);
            both += Size::from(b);
            assert_eq!((both.to_string(), &both), ((a + b).to_string(), &Size::from(a + b)));
            assert!((both.to_f64() - (a + b) as f64).abs() <= (a + b) as f64 * 1e-9);
        }
    }
}
