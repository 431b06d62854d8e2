//! One request of a site's visitors, read from a line in Common or Combined Log Format.

use psdf::Timestamp;
use serde::{Deserialize, Serialize};

use crate::line::Line;
use crate::log_format::Fields;
use crate::path;
use crate::size::Size;
use crate::text::Text;

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
    pub(crate) bytes: Size,
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
        self.method == Method::Get && matches!(self.status, 200..=299 | 304) && !path::is_static(&self.path)
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
        visitor: Visitor { host: fields.host.into(), agent: fields.agent.into() },
        method: if method == b"GET" { Method::Get } else { Method::Other },
        path: path::of_target(target),
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
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    &line[..end.map_or(0, |last| last + 1)]
}

/// The method and target of `METHOD target HTTP/d.d` or, from HTTP/0.9, `METHOD target`.
fn split_request(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = request.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next());
    let good = parts.next().is_none()
        && !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && !target.is_empty()
        && !target.iter().any(|byte| matches!(byte, b'\t' | b'\x0b' | b'\x0c' | b'\r'))
        && version.is_none_or(is_http_version);
    good.then_some((method, target))
}

fn is_http_version(text: &[u8]) -> bool {
    matches!(text, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, Reject> {
        Request::parse(Line { number: 7, bytes: text.as_bytes().to_vec() })
    }

    fn answered(request: &str, status: u16) -> Result<Request, Reason> {
        let line =
            format!("h - - [17/May/2015:10:05:03 +0000] \"{request}\" {status} 5 \"-\" \"agent\" \t\r");
        parse(&line).map_err(|reject| reject.reason)
    }

    #[test]
    fn request_knows_its_line_and_its_visitor() {
        let request = answered("POST /a?b HTTP/1.0", 301).expect("well-formed");
        assert_eq!((request.line, request.at.as_secs(), request.status), (7, 1_431_857_103, 301));
        assert_eq!(
            (request.visitor.host, request.visitor.agent),
            (Text::from(&b"h"[..]), Text::from(&b"agent"[..]))
        );
        assert_eq!((request.method, request.path), (Method::Other, Text::from(&b"/a"[..])));
    }

    #[test]
    fn reject_shows_what_is_to_blame() {
        let bad = |text: &str| parse(text).map_err(|reject| (reject.reason, reject.excerpt.to_string()));
        assert_eq!(bad(" \r\t "), Err((Reason::Blank, String::new())));
        assert_eq!(bad("what? "), Err((Reason::Malformed, "what?".into())));
        assert_eq!(
            bad("h - - [17/May/2015:10:05:03 +0000] \"a b\" 200 5"),
            Err((Reason::BadRequest, "a b".into()))
        );
        let long = format!("{}{}", "a".repeat(500), "b".repeat(500));
        assert_eq!(bad(&long), Err((Reason::Malformed, format!("{} ... {}", &long[..80], &long[920..]))));
    }

    #[test]
    fn request_that_is_not_http_is_a_bad_request() {
        for wrong in
            ["", "-", "GET", "GET  /", "GET / ", "get /", "GET /a b HTTP/1.1", "GET / HTTP/11", "GET /\tx"]
        {
            assert_eq!(answered(wrong, 200), Err(Reason::BadRequest), "{wrong}");
        }
        assert!(answered("GET HTTP/1.1", 200).is_ok(), "a target may look like a version");
        assert!(answered("PROPFIND *", 200).is_ok());
    }

    #[test]
    fn views_are_pages_that_were_got() {
        let view = |request: &str, status| answered(request, status).expect("well-formed").is_page_view();
        assert!([200, 206, 299, 304].into_iter().all(|status| view("GET / HTTP/1.1", status)));
        assert!(![199, 300, 303, 305, 404].into_iter().any(|status| view("GET / HTTP/1.1", status)));
        assert!(!view("HEAD /", 200) && !view("GETS /", 200) && !view("GET /a.css?x=/b", 200));
    }
}
