//! One request of a site's visitors, read from a line in Common or Combined Log Format.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::{DAY_SECONDS, Date, MONTHS};
use crate::line::Line;
use crate::text::Text;

/// What a page is made of: requests for these are not views of a page.
const STATIC_EXTENSIONS: [&str; 13] = [
    "css", "js", "png", "gif", "jpg", "jpeg", "ico", "svg", "woff", "woff2", "ttf", "map", "txt",
];

/// Nothing is sent in 2^96 bytes; the bound leaves room in a `u128` to add up the sizes of four thousand million lines.
const MOST_BYTES: u128 = 1 << 96;

/// How much of what was refused is kept to be shown: its beginning, and as much of its end.
const EXCERPT_BYTES: usize = 80;

/// A well-formed line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Where it stands in the log.
    pub(crate) line: u64,
    pub(crate) at: Timestamp,
    pub(crate) visitor: Visitor,
    pub(crate) method: Method,
    /// The target without scheme, authority, query and fragment.
    pub(crate) path: Text,
    pub(crate) status: u16,
    pub(crate) bytes: u128,
}

/// The results tell GET from all the others, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    Get,
    Other,
}

/// Who asked, as far as a log can tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Visitor {
    pub(crate) host: Text,
    /// As it stands between its quotes; empty in a Common line.
    pub(crate) agent: Text,
}

/// A line that is not a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reject {
    pub(crate) line: u64,
    pub(crate) reason: Reason,
    /// The beginning and end of the line, or of the request if it is that which is wrong.
    pub(crate) excerpt: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Reason {
    /// Nothing but white space.
    Blank,
    /// Not the shape of a log line.
    Malformed,
    /// The shape is right, but what was asked for is not HTTP.
    BadRequest,
}

impl Request {
    pub(crate) fn parse(line: Line) -> Result<Request, Reject> {
        let text = trim_end(&line.bytes);
        read(line.number, text).map_err(|(reason, culprit)| Reject {
            line: line.number,
            reason,
            excerpt: excerpt(culprit),
        })
    }

    /// A page was got, or was found unchanged. Bots view pages too.
    pub(crate) fn is_page_view(&self) -> bool {
        self.method == Method::Get
            && matches!(self.status, 200..=299 | 304)
            && !is_static(self.path.as_bytes())
    }
}

impl Reject {
    /// Blank lines are counted, but nobody is blamed for them.
    pub(crate) fn is_fault(&self) -> bool {
        self.reason != Reason::Blank
    }
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reason::Blank => "blank",
            Reason::Malformed => "malformed",
            Reason::BadRequest => "bad_request",
        }
    }
}

/// The fields of a line, before the quoted request is looked into.
struct Fields<'a> {
    host: &'a [u8],
    at: Timestamp,
    request: &'a [u8],
    status: u16,
    bytes: u128,
    agent: &'a [u8],
}

/// An error comes with the part of the line that is to blame.
fn read(number: u64, text: &[u8]) -> Result<Request, (Reason, &[u8])> {
    if text.is_empty() {
        return Err((Reason::Blank, text));
    }
    let fields = Fields::read(text).ok_or((Reason::Malformed, text))?;
    let (method, target) = split_request(fields.request).ok_or((Reason::BadRequest, fields.request))?;
    Ok(Request {
        line: number,
        at: fields.at,
        visitor: Visitor {
            host: fields.host.into(),
            agent: fields.agent.into(),
        },
        method: if method == b"GET" {
            Method::Get
        } else {
            Method::Other
        },
        path: path_of(target),
        status: fields.status,
        bytes: fields.bytes,
    })
}

fn excerpt(culprit: &[u8]) -> Text {
    let hidden = EXCERPT_BYTES..culprit.len().saturating_sub(EXCERPT_BYTES);
    if hidden.is_empty() {
        return culprit.into();
    }
    [&culprit[..hidden.start], &culprit[hidden.end..]].join(&b" ... "[..])[..].into()
}

fn trim_end(line: &[u8]) -> &[u8] {
    let end = line
        .iter()
        .rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    &line[..end.map_or(0, |last| last + 1)]
}

impl<'a> Fields<'a> {
    /// `host ident user [time] "request" status size`, and perhaps ` "referer" "agent"`.
    fn read(text: &'a [u8]) -> Option<Fields<'a>> {
        let mut rest = Rest(text);
        let host = rest.word()?;
        rest.skip(b" ")?.word()?;
        rest.skip(b" ")?.word()?;
        let time = rest.skip(b" [")?.take(26)?;
        let request = rest.skip(b"] ")?.quoted()?;
        let status = rest.skip(b" ")?.take(3)?;
        let size = rest.skip(b" ")?.word()?;
        let agent = if rest.0.is_empty() {
            b""
        } else {
            rest.referer_and_agent()?
        };
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
        let length = self
            .0
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(self.0.len());
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
    let separators = [
        (2, b'/'),
        (6, b'/'),
        (11, b':'),
        (14, b':'),
        (17, b':'),
        (20, b' '),
    ];
    if separators.iter().any(|(at, byte)| text[*at] != *byte) {
        return None;
    }
    let month = MONTHS.iter().position(|name| name.as_bytes() == &text[3..6])?;
    let date = Date::new(number(&text[7..11])?, month as i64 + 1, number(&text[..2])?)?;
    let (hour, minute, second) = (
        number(&text[12..14])?,
        number(&text[15..17])?,
        number(&text[18..20])?,
    );
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
    u16::try_from(status)
        .ok()
        .filter(|status| (100..=599).contains(status))
}

fn size_of(text: &[u8]) -> Option<u128> {
    if text == b"-" {
        return Some(0);
    }
    text.iter().try_fold(0, |size: u128, byte| {
        byte.is_ascii_digit()
            .then(|| (size * 10 + u128::from(byte - b'0')).min(MOST_BYTES))
    })
}

/// The number that a few digits spell.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// The method and target of `METHOD target HTTP/d.d` or, from HTTP/0.9, `METHOD target`.
fn split_request(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = request.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next());
    let good = parts.next().is_none()
        && !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && !target.is_empty()
        && !target
            .iter()
            .any(|byte| matches!(byte, b'\t' | b'\x0b' | b'\x0c' | b'\r'))
        && version.is_none_or(is_http_version);
    good.then_some((method, target))
}

fn is_http_version(text: &[u8]) -> bool {
    matches!(text, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn path_of(target: &[u8]) -> Text {
    let local = match without_scheme(target) {
        Some(absolute) => {
            let authority = absolute
                .iter()
                .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
            &absolute[authority.unwrap_or(absolute.len())..]
        }
        None => return Text::from(before_query(target)),
    };
    match before_query(local) {
        b"" => Text::from(&b"/"[..]),
        path => Text::from(path),
    }
}

fn without_scheme(target: &[u8]) -> Option<&[u8]> {
    ["http://", "https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    })
}

fn before_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#'));
    &target[..end.unwrap_or(target.len())]
}

fn is_static(path: &[u8]) -> bool {
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let Some(dot) = file.iter().rposition(|byte| *byte == b'.') else {
        return false;
    };
    let extension = &file[dot + 1..];
    STATIC_EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, Reason> {
        let line = Line {
            number: 7,
            bytes: text.as_bytes().to_vec(),
        };
        Request::parse(line).map_err(|reject| reject.reason)
    }

    fn with_request(request: &str) -> Result<Request, Reason> {
        parse(&format!("h - - [17/May/2015:10:05:03 +0000] \"{request}\" 200 5"))
    }

    fn with_time(time: &str) -> Option<i64> {
        parse(&format!("h - - [{time}] \"GET / HTTP/1.1\" 200 5"))
            .ok()
            .map(|request| request.at.as_secs())
    }

    fn path(target: &str) -> String {
        with_request(&format!("GET {target} HTTP/1.1"))
            .expect("a good target")
            .path
            .to_string()
    }

    #[test]
    fn combined_line_gives_its_fields_as_they_stand() {
        let request = parse(
            r#"2001:db8::1 - bob [10/Oct/2000:13:55:36 -0700] "POST /a%20b?c HTTP/1.0" 304 - "http://x/\"" "\"M\" é""#,
        )
        .expect("well-formed");
        assert_eq!(request.line, 7);
        assert_eq!(request.at.as_secs(), 971_211_336);
        assert_eq!(request.visitor.host.as_bytes(), b"2001:db8::1");
        assert_eq!(request.visitor.agent.as_bytes(), r#"\"M\" é"#.as_bytes());
        assert_eq!(
            (request.path.as_bytes(), request.status, request.bytes),
            (&b"/a%20b"[..], 304, 0)
        );
        assert_eq!(request.method, Method::Other);
    }

    #[test]
    fn trailing_white_space_is_no_part_of_a_line() {
        let common = r#"h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5"#;
        let request = parse(&format!("{common} \t\r")).expect("well-formed");
        assert_eq!(request.visitor.agent.as_bytes(), b"");
        assert_eq!(parse(" \r\t "), Err(Reason::Blank));
        assert_eq!(parse(&format!(" {common}")), Err(Reason::Malformed));
        assert_eq!(parse(&format!("{common} \"-\" \"-\" x")), Err(Reason::Malformed));
        assert_eq!(parse(&format!("{common} \"-\"")), Err(Reason::Malformed));
        assert_eq!(parse(&format!("{common}  \"-\" \"-\"")), Err(Reason::Malformed));
    }

    #[test]
    fn every_cut_of_a_line_is_malformed_or_a_common_line() {
        let line = r#"h - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512 "-" "a\"b""#;
        for end in 1..line.len() {
            let common = matches!(line[..end].trim_end(), cut if cut.ends_with(" 5") || cut.ends_with(" 51") || cut.ends_with(" 512"));
            assert_eq!(parse(&line[..end]).is_ok(), common, "{}", &line[..end]);
        }
    }

    #[test]
    fn only_times_that_a_clock_shows_are_read() {
        assert_eq!(
            with_time("17/May/2015:10:05:03 +0130"),
            Some(1_431_857_103 - 5400)
        );
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
        let with = |tail: &str| parse(&format!("h - - [17/May/2015:10:05:03 +0000] \"GET /\" {tail}"));
        assert_eq!(with("599 0012").map(|request| request.bytes), Ok(12));
        assert_eq!(
            with("200 18446744073709551616").map(|request| request.bytes),
            Ok(1 << 64)
        );
        assert_eq!(
            with(&format!("200 {}", "9".repeat(99))).map(|request| request.bytes),
            Ok(MOST_BYTES)
        );
        for wrong in [
            "099 5", "600 5", "20 5", "2000 5", "200 +5", "200 --", "200 5x", "200 ", "200",
        ] {
            assert_eq!(with(wrong), Err(Reason::Malformed), "{wrong}");
        }
    }

    #[test]
    fn request_that_is_not_http_is_a_bad_request() {
        for wrong in [
            "",
            "-",
            "GET",
            "GET  /",
            "GET / ",
            "get / HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET / HTTP/11",
            "GET /\tx",
            r"\x16\x03",
        ] {
            assert_eq!(with_request(wrong), Err(Reason::BadRequest), "{wrong}");
        }
        assert!(
            with_request("GET HTTP/1.1").is_ok(),
            "a target may look like a version"
        );
        assert!(with_request("PROPFIND *").is_ok());
    }

    #[test]
    fn path_is_what_names_the_page() {
        let paths = [
            ("/a//b/?x#y", "/a//b/"),
            ("/a#y?x", "/a"),
            ("http://site/a?b", "/a"),
            ("HTTPS://site?b", "/"),
            ("http://site", "/"),
            ("http://#", "/"),
            ("ftp://site/a", "ftp://site/a"),
            ("http:/a", "http:/a"),
            ("*", "*"),
            ("?x", ""),
        ];
        for (target, expected) in paths {
            assert_eq!(path(target), expected, "{target}");
        }
    }

    #[test]
    fn views_are_pages_that_were_got() {
        let view = |request: &str, status: u16| {
            let line = format!("h - - [17/May/2015:10:05:03 +0000] \"{request}\" {status} 5");
            parse(&line).expect("well-formed").is_page_view()
        };
        assert!(view("GET /", 200) && view("GET /", 206) && view("GET /", 304) && view("GET /a.html", 299));
        assert!(!view("GET /", 301) && !view("GET /", 404) && !view("HEAD /", 200) && !view("GETS /", 200));
        assert!(!view("GET /a.CSS?x=/b", 200) && !view("GET robots.txt", 200) && !view("GET /.png", 200));
        assert!(
            view("GET /a.css/", 200)
                && view("GET /css", 200)
                && view("GET /a.css.gz", 200)
                && view("GET /a.", 200)
        );
    }
}
