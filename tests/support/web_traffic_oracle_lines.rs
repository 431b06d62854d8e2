//! The oracle's reading of a line and of the calendar: see `web_traffic_oracle.rs`.

type Bytes = Vec<u8>;

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// A well-formed line.
pub(super) struct Event {
    pub(super) line: usize,
    pub(super) at: i64,
    pub(super) visitor: (Bytes, Bytes),
    pub(super) path: Bytes,
    pub(super) status: u32,
    pub(super) bytes: u128,
    pub(super) view: bool,
}

/// What a line says, or why it is refused.
pub(super) fn parse(line: usize, text: &[u8]) -> Result<Event, &'static str> {
    let end = text.iter().rposition(|byte| !b" \t\r".contains(byte)).ok_or("blank")?;
    let fields = fields(&text[..=end]).ok_or("malformed")?;
    let (get, path) = request(fields.request).ok_or("bad_request")?;
    let view = get && (fields.status / 100 == 2 || fields.status == 304) && !is_static(&path);
    Ok(Event {
        line,
        at: fields.at,
        visitor: (fields.host.to_vec(), fields.agent.to_vec()),
        path,
        status: fields.status,
        bytes: fields.bytes,
        view,
    })
}

struct Fields<'a> {
    host: &'a [u8],
    at: i64,
    request: &'a [u8],
    status: u32,
    bytes: u128,
    agent: &'a [u8],
}

fn fields(text: &[u8]) -> Option<Fields<'_>> {
    let mut words = text.splitn(6, |byte| *byte == b' ');
    let (host, ident, user) = (words.next()?, words.next()?, words.next()?);
    if host.is_empty() || ident.is_empty() || user.is_empty() {
        return None;
    }
    let at = moment(words.next()?.strip_prefix(b"[")?, words.next()?.strip_suffix(b"]")?)?;
    let (request, rest) = unquote(words.next()?)?;
    let rest = rest.strip_prefix(b" ")?;

    let status = rest.get(..3)?;
    let size_end = rest.iter().skip(4).position(|byte| *byte == b' ').map_or(rest.len(), |length| length + 4);
    if rest.get(3) != Some(&b' ') || rest.len() < 5 {
        return None;
    }
    let bytes = if &rest[4..size_end] == b"-" { 0 } else { digits(&rest[4..size_end])? };
    let status = u32::try_from(digits(status)?).ok().filter(|status| (100..600).contains(status))?;

    let mut agent = &b""[..];
    if size_end < rest.len() {
        let (_, rest) = unquote(&rest[size_end + 1..])?;
        let (quoted, nothing) = unquote(rest.strip_prefix(b" ")?)?;
        if !nothing.is_empty() {
            return None;
        }
        agent = quoted;
    }
    Some(Fields { host, at, request, status, bytes, agent })
}

/// What stands in the quotes that a text begins with, and what follows them.
fn unquote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    for (index, byte) in inside.iter().enumerate() {
        if *byte == b'"' && !escaped {
            return Some((&inside[..index], &inside[index + 1..]));
        }
        escaped = *byte == b'\\' && !escaped;
    }
    None
}

fn digits(text: &[u8]) -> Option<u128> {
    let all = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if all { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// Seconds since 1970 of `DD/Mon/YYYY:HH:MM:SS` and `+hhmm`.
fn moment(clock: &[u8], zone: &[u8]) -> Option<i64> {
    let shape: Bytes = clock.iter().map(|byte| if byte.is_ascii_digit() { b'9' } else { *byte }).collect();
    let month = MONTHS.iter().position(|name| clock.get(3..6) == Some(name.as_bytes()))?;
    if shape != format!("99/{}/9999:99:99:99", MONTHS[month]).as_bytes() || zone.len() != 5 {
        return None;
    }
    let number = |text: &[u8]| digits(text).map(|number| number as i64);
    let (day, year) = (number(&clock[..2])?, number(&clock[7..11])?);
    let (hour, minute, second) = (number(&clock[12..14])?, number(&clock[15..17])?, number(&clock[18..])?);
    let sign = if zone[0] == b'+' { 1 } else { -1 };
    let (zone_hours, zone_minutes) = (number(&zone[1..3])?, number(&zone[3..])?);
    let good = year > 0
        && (1..=month_lengths(year)[month]).contains(&day)
        && (hour < 24 && minute < 60 && second < 60)
        && (b"+-".contains(&zone[0]) && zone_hours < 24 && zone_minutes < 60);
    let days =
        days_before(year) + month_lengths(year)[..month].iter().sum::<i64>() + day - 1 - days_before(1970);
    let offset = sign * (zone_hours * HOUR + zone_minutes * 60);
    good.then_some(days * DAY + hour * HOUR + minute * 60 + second - offset)
}

/// Whether the method is GET, and the path.
fn request(text: &[u8]) -> Option<(bool, Bytes)> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    let (method, target) = match parts[..] {
        [method, target] => (method, target),
        [method, target, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']] => (method, target),
        _ => return None,
    };
    let good = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    let target_good = !target.is_empty() && !target.iter().any(|byte| b"\t\x0b\x0c\r".contains(byte));
    (good && target_good).then(|| (method == b"GET", path(target)))
}

fn path(target: &[u8]) -> Bytes {
    let mut path = target.to_vec();
    for scheme in [&b"http://"[..], b"https://"] {
        if target.to_ascii_lowercase().starts_with(scheme) {
            path.drain(..scheme.len());
            let authority = path.iter().take_while(|byte| !b"/?#".contains(byte)).count();
            path.drain(..authority);
            if path.first() != Some(&b'/') {
                path.insert(0, b'/');
            }
            break;
        }
    }
    let end = path.iter().take_while(|byte| !b"?#".contains(byte)).count();
    path.truncate(end);
    path
}

fn is_static(path: &[u8]) -> bool {
    let mut file = path.split(|byte| *byte == b'/').next_back().unwrap_or(path).to_ascii_lowercase();
    let Some(dot) = file.iter().rposition(|byte| *byte == b'.') else {
        return false;
    };
    let known = "css js png gif jpg jpeg ico svg woff woff2 ttf map txt";
    let extension = file.split_off(dot + 1);
    known.split(' ').any(|name| name.as_bytes() == extension)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn is_leap(year: i64) -> bool {
    year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
}

fn month_lengths(year: i64) -> [i64; 12] {
    [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// Days from 1 January of the year 1 to 1 January of this year.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past / 4 - past / 100 + past / 400
}

pub(super) fn date(at: i64) -> Bytes {
    let mut days = at.div_euclid(DAY) + days_before(1970);
    let mut year = days / 366 + 1;
    while days_before(year + 1) <= days {
        year += 1;
    }
    days -= days_before(year);
    let mut month = 0;
    while days >= month_lengths(year)[month] {
        days -= month_lengths(year)[month];
        month += 1;
    }
    format!("{year:04}-{:02}-{:02}", month + 1, days + 1).into_bytes()
}

pub(super) fn time(at: i64) -> Bytes {
    let second = at.rem_euclid(DAY);
    let clock = format!("T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    [date(at), clock.into_bytes()].concat()
}
