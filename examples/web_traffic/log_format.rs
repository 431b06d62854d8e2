//! Common and Combined Log Format: from a line to its fields, byte for byte.

use psdf::Timestamp;

use crate::calendar::{DAY_SECONDS, Date, MONTHS};
use crate::size::Size;

/// The fields of a line as they stand, without their quotes.
pub(crate) struct Fields<'a> {
    pub(crate) host: &'a [u8],
    pub(crate) at: Timestamp,
    pub(crate) request: &'a [u8],
    pub(crate) status: u16,
    /// What was sent, at most [`MOST_BYTES`].
    pub(crate) bytes: Size,
    /// Empty in a Common line.
    pub(crate) agent: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `host ident user [time] "request" status size`, and perhaps ` "referer" "agent"`.
    pub(crate) fn read(text: &'a [u8]) -> Option<Fields<'a>> {
        let mut rest = Rest(text);
        let host = rest.word()?;
        rest.skip(b" ")?.word()?;
        rest.skip(b" ")?.word()?;
        let time = rest.skip(b" [")?.take(26)?;
        let request = rest.skip(b"] ")?.quoted()?;
        let status = rest.skip(b" ")?.take(3)?;
        let size = rest.skip(b" ")?.word()?;
        let agent = if rest.0.is_empty() { b"" } else { rest.referer_and_agent()? };
        Some(Fields {
            host,
            at: time_of(time)?,
            request,
            status: status_of(status)?,
            bytes: size_of(size)?,
            agent,
        })
    }
}

/// What is still to be read of a line.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &[u8]) -> Option<&mut Rest<'a>> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(self)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// One or more bytes up to a space or the end.
    fn word(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|byte| *byte == b' ').unwrap_or(self.0.len());
        if length == 0 { None } else { self.take(length) }
    }

    /// What stands between two quotes; a `\` takes the next byte with it.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let inside = self.skip(b"\"")?.0;
        let mut length = 0;
        loop {
            match inside.get(length)? {
                b'"' => break,
                b'\\' => length += 2,
                _ => length += 1,
            }
        }
        self.0 = &inside[length + 1..];
        Some(&inside[..length])
    }

    fn referer_and_agent(&mut self) -> Option<&'a [u8]> {
        self.skip(b" ")?.quoted()?;
        let agent = self.skip(b" ")?.quoted()?;
        self.0.is_empty().then_some(agent)
    }
}

/// `DD/Mon/YYYY:HH:MM:SS +hhmm`.
fn time_of(text: &[u8]) -> Option<Timestamp> {
    let separators = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.as_bytes() == &text[3..6])?;
    let date = Date::new(number(&text[7..11])?, month as i64 + 1, number(&text[..2])?)?;
    let (hour, minute, second) = (number(&text[12..14])?, number(&text[15..17])?, number(&text[18..20])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local = date.to_day().0 * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_secs(local - offset_of(&text[21..])?))
}

/// How far a zone `+hhmm` is ahead of UTC, in seconds.
fn offset_of(zone: &[u8]) -> Option<i64> {
    let sign = match zone[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(&zone[1..3])?, number(&zone[3..])?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn status_of(text: &[u8]) -> Option<u16> {
    let status = number(text)?;
    u16::try_from(status).ok().filter(|status| (100..=599).contains(status))
}

fn size_of(text: &[u8]) -> Option<Size> {
    if text == b"-" { Some(Size::default()) } else { Size::of_digits(text) }
}

/// The number that a few digits spell.
fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_time(time: &str) -> Option<i64> {
        let line = format!("h - - [{time}] \"GET /\" 200 5");
        Fields::read(line.as_bytes()).map(|fields| fields.at.as_secs())
    }

    fn bytes_of(status_and_size: &str) -> Option<String> {
        let line = format!("h - - [17/May/2015:10:05:03 +0000] \"\" {status_and_size}");
        Fields::read(line.as_bytes()).map(|fields| fields.bytes.to_string())
    }

    #[test]
    fn combined_line_gives_its_fields_as_they_stand() {
        let line = br#"2001:db8::1 - bob [10/Oct/2000:13:55:36 -0700] "GET /a%20\"b" 304 - "http://x/\"" "\"M\" \\""#;
        let fields = Fields::read(line).expect("well-formed");
        assert_eq!((fields.host, fields.at.as_secs()), (&b"2001:db8::1"[..], 971_211_336));
        assert_eq!((fields.request, fields.agent), (&br#"GET /a%20\"b"#[..], &br#"\"M\" \\"#[..]));
        assert_eq!((fields.status, fields.bytes), (304, Size::default()));
    }

    #[test]
    fn nothing_may_stand_between_or_behind_the_fields() {
        let common = r#"h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
        let good = |line: &str| Fields::read(line.as_bytes()).is_some();
        assert!(good(common) && good(&format!("{common} \"\" \"\"")));
        for tail in [" ", " \"-\"", " \"-\" \"-\" ", " \"-\" \"-\" x", "  \"-\" \"-\"", " - -"] {
            assert!(!good(&format!("{common}{tail}")), "{tail}");
        }
        for wrong in ["h  - -", " h - -", "h -  -", "h - - -"] {
            assert!(!good(&common.replace("h - -", wrong)), "{wrong}");
        }
    }

    #[test]
    fn cut_line_is_no_line_unless_it_is_a_common_one() {
        let line = r#"h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512 "-" "a\"b""#;
        let cuts = (1..line.len()).map(|end| &line[..end]);
        let good: Vec<&str> = cuts.filter(|cut| Fields::read(cut.as_bytes()).is_some()).collect();
        let sizes: Vec<&str> = good.iter().map(|cut| &cut[cut.len() - 3..]).collect();
        assert_eq!(sizes, ["0 5", " 51", "512"]);
    }

    #[test]
    fn only_times_that_a_clock_shows_are_read() {
        assert_eq!(with_time("17/May/2015:10:05:03 +0130"), Some(1_431_857_103 - 5400));
        assert_eq!(with_time("01/Jan/1970:00:00:00 +2359"), Some(-86_340));
        for wrong in [
            "17/may/2015:10:05:03 +0000",
            "31/Apr/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:60:03 +0000",
            "17/May/2015:10:05:60 +0000",
            "17/May/2015:10:05:03 +2400",
            "17/May/2015:10:05:03 +0060",
            "17/May/2015:10:05:03 00000",
            "17/May/0000:10:05:03 +0000",
            "+7/May/2015:10:05:03 +0000",
            "17/May/2015 10:05:03 +0000",
        ] {
            assert_eq!(with_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn status_and_size_are_plain_digits() {
        assert_eq!(bytes_of("599 0012").as_deref(), Some("12"));
        let nines = "9".repeat(99);
        assert_eq!(bytes_of(&format!("200 {nines}")), Some(nines));
        for wrong in ["099 5", "600 5", "20 5", "2000 5", "200 +5", "200 --", "200 5x", "200 ", "200"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
