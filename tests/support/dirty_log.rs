//! Logs that no server would write, made at random: every rule of the definitions is met, kept and broken in them.

const TARGETS: [&[u8]; 30] = [
    b"/",
    b"/",
    b"/",
    b"/burst",
    b"/a,b",
    b"/page?x=1",
    b"/page#y?z",
    b"//page/",
    b"*",
    b"?only",
    b"/a.css",
    b"/a.CsS?v=2",
    b"/css",
    b"/a.b/c",
    b"/a.css/",
    b"/w.woff2",
    b"/.txt",
    b"/txt.",
    b"http://site.example/page",
    b"HTTPS://site.example?q/r",
    b"hTTp://site.example",
    b"http://#/page",
    b"https:/page",
    b"/a b",
    b"/a\tb",
    b"/a\x0bb",
    b"/\xff\xfe",
    b"/cr\rin",
    b"/say\\\"hi\\\"",
    b"",
];

const TIMES_OF_NO_CLOCK: [&[u8]; 9] = [
    b"28/Feb/2016:10:05:60 +0000",
    b"28/Feb/2016:24:00:00 +0000",
    b"28/Feb/2016:10:60:00 +0000",
    b"30/Feb/2016:10:00:00 +0000",
    b"00/Mar/2016:10:00:00 +0000",
    b"28/feb/2016:10:00:00 +0000",
    b"28/Feb/2016:10:00:00 +2400",
    b"28/Feb/2016:10:00:00 -0060",
    b"28/Feb/0000:10:00:00 +0000",
];

/// A log's bytes; the same seed gives the same log. Times go up to some hours back.
pub(crate) fn dirty_log(seed: u64, lines: usize) -> Vec<u8> {
    let mut dice = Dice(seed);
    // Around a leap day, and once across the epoch.
    let mut now = if dice.one_in(4) { -90_000 } else { 1_456_617_600 };
    let mut log = Vec::new();
    for _ in 0..lines {
        now += dice.time_step();
        if dice.one_in(400) {
            burst(&mut dice, now, &mut log);
        }
        let mut line = request_line(&mut dice, now);
        if dice.one_in(12) {
            damage(&mut dice, &mut line);
        }
        log.extend(line);
        log.extend(field(&mut dice, &[b"\n", b"\n", b"\n", b"\n", b"\r\n", b" \n", b" \t \r\n", b"\n\n"]));
    }
    log.truncate(log.len() - dice.below(3));
    log
}

/// Cuts a log into files, anywhere.
pub(crate) fn cut(seed: u64, log: &[u8], files: usize) -> Vec<&[u8]> {
    let mut dice = Dice(seed);
    let mut rest = log;
    let mut parts = Vec::new();
    for _ in 1..files {
        let (part, after) = rest.split_at(dice.below(rest.len() + 1));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

/// Many views of one page within the hour: it may become a spike, or just miss being one.
fn burst(dice: &mut Dice, now: i64, log: &mut Vec<u8>) {
    let page = dice.pick(&["/", "/burst", "/a,b"]).to_string();
    for _ in 0..10 + dice.below(60) {
        let at = clock(now + dice.below(600) as i64, 0);
        let host = dice.below(5);
        log.extend(
            format!("10.0.0.{host} - - [{at}] \"GET {page} HTTP/1.1\" 200 1 \"-\" \"burst\"\n").bytes(),
        );
    }
}

fn request_line(dice: &mut Dice, now: i64) -> Vec<u8> {
    let back = if dice.one_in(3) { dice.below(15_000) as i64 } else { 0 };
    // Multiples of half an hour make gaps of exactly half an hour.
    let at = if dice.one_in(2) { (now - back).div_euclid(1800) * 1800 } else { now - back };
    let zone = [0, 0, 0, 5400, -28_800, 86_340, -86_340][dice.below(7)];
    let mut line =
        field(dice, &[b"10.1.1.1", b"2001:db8::1", b"crawler.example", b"h\xff,st", b"\"quoted", b"[::1]"]);
    line.extend(field(dice, &[b" - - [", b" - - [", b" id us\"er [", b" - \xe9 ["]));
    if dice.one_in(60) {
        line.extend(field(dice, &TIMES_OF_NO_CLOCK));
    } else {
        line.extend(clock(at, zone).bytes());
    }
    line.extend_from_slice(b"] \"");
    line.extend(request(dice));
    line.extend_from_slice(b"\" ");
    line.extend(field(
        dice,
        &[b"200", b"200", b"200", b"206", b"304", b"301", b"404", b"500", b"100", b"599"],
    ));
    line.push(b' ');
    line.extend(field(dice, &[b"-", b"0", b"12", b"007", b"4294967296", b"18446744073709551616"]));
    if dice.one_in(5) {
        return line;
    }
    line.extend(field(dice, &[b" \"-\" \"", b" \"http://x/ y\" \"", b" \"\\\"\" \""]));
    if dice.one_in(300) {
        line.extend([b'a', 0xfe].repeat(60_000));
    }
    line.extend(field(
        dice,
        &[b"", b"-", b"Bot/1.0", b"a, \\\"b\\\" \\\\", b"caf\xe9 \x1b[2J", b"cr\rin", b"\x00"],
    ));
    line.push(b'"');
    line
}

fn request(dice: &mut Dice) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    if dice.one_in(6) {
        request = field(dice, &[b"POST ", b"HEAD ", b"GETS ", b"get ", b"GET  ", b"", b"G3T "]);
    }
    request.extend(field(dice, &TARGETS));
    if dice.one_in(4) {
        request
            .extend(field(dice, &[b" HTTP/1.0", b" HTTP/2.0", b"", b"", b" HTTP/1.10", b" http/1.1", b" "]));
    } else {
        request.extend_from_slice(b" HTTP/1.1");
    }
    request
}

fn damage(dice: &mut Dice, line: &mut Vec<u8>) {
    let at = dice.below(line.len());
    match dice.below(7) {
        0 => line.truncate(at),
        1 => line[at] = dice.below(256) as u8,
        2 => line.insert(at, *dice.pick(b" \"\\\r\n[-0")),
        3 => drop(line.remove(at)),
        4 => line.clear(),
        5 => line.extend_from_slice(b" \"more\""),
        _ => line.extend(line.clone()),
    }
}

fn clock(at: i64, zone: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = at + zone;
    let (mut day, mut year) = (local.div_euclid(86_400), 1970);
    let leap = |year: i64| i64::from(year % 400 == 0 || (year % 4 == 0 && year % 100 != 0));
    while day < 0 {
        year -= 1;
        day += 365 + leap(year);
    }
    while day >= 365 + leap(year) {
        day -= 365 + leap(year);
        year += 1;
    }
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    let second = local.rem_euclid(86_400);
    let sign = if zone < 0 { '-' } else { '+' };
    let zone_minutes = zone.abs() / 60;
    format!(
        "{:02}/{}/{year:04}:{:02}:{:02}:{:02} {sign}{:02}{:02}",
        day + 1,
        MONTHS[month],
        second / 3600,
        second / 60 % 60,
        second % 60,
        zone_minutes / 60,
        zone_minutes % 60
    )
}

fn field(dice: &mut Dice, choices: &[&[u8]]) -> Vec<u8> {
    dice.pick(choices).to_vec()
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Mostly a few minutes; sometimes hours without anybody.
    fn time_step(&mut self) -> i64 {
        let seconds = if self.one_in(200) { 40_000 } else { 250 };
        self.below(seconds) as i64
    }
}
