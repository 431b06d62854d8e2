//! What a terminal can draw: bars, columns, and text that keeps to its place.

use std::fmt;

use crate::size::Size;
use crate::text::Text;

/// An eighth to eight eighths of a character, from the left.
const ACROSS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// An eighth to eight eighths of a character, from below.
const UP: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar of up to `width` characters for `value` out of `most`. What is not zero is seen.
pub(crate) fn bar(value: f64, most: f64, width: usize) -> String {
    let eighths = eighths(value, most, width);
    let mut bar = String::from(ACROSS[7]).repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|part| ACROSS[part]));
    bar
}

/// A single character as high as `value` out of `most`.
pub(crate) fn level(value: f64, most: f64) -> char {
    eighths(value, most, 1).checked_sub(1).map_or('·', |part| UP[part])
}

/// Upright columns, one for each value, as lines from the top down.
pub(crate) fn columns(values: &[f64], height: usize, width: usize) -> Vec<String> {
    let most = values.iter().copied().fold(0.0, f64::max);
    let part = |value: f64, row: usize| {
        let above = eighths(value, most, height).saturating_sub(row * 8).min(8);
        let character = above.checked_sub(1).map_or(' ', |part| UP[part]);
        format!("{} ", String::from(character).repeat(width - 1))
    };
    let row = |row| values.iter().map(|value| part(*value, row)).collect();
    (0..height).rev().map(row).collect()
}

fn eighths(value: f64, most: f64, characters: usize) -> usize {
    if value <= 0.0 || most <= 0.0 {
        return 0;
    }
    let all = (characters * 8) as f64;
    ((value / most * all).round() as usize).clamp(1, characters * 8)
}

/// 1234567 as `1,234,567`.
pub(crate) fn thousands(number: impl fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit that leaves at least one of it.
pub(crate) fn size(bytes: &Size) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut amount = bytes.to_f64();
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{amount:.1} {}", units[unit]) }
}

pub(crate) fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// A field of exactly `width` characters; what is too long loses its end.
pub(crate) fn fit(text: &Text, width: usize) -> String {
    let characters = harmless(text);
    if characters.len() <= width {
        return format!("{:width$}", String::from_iter(characters));
    }
    characters[..width - 1].iter().chain(&['…']).collect()
}

/// At most `width` characters; what is too long loses its middle.
pub(crate) fn fit_middle(text: &Text, width: usize) -> String {
    let characters = harmless(text);
    if characters.len() <= width {
        return characters.into_iter().collect();
    }
    let end = characters.len() - (width - 1) / 2;
    characters[..width / 2].iter().chain(&['…']).chain(&characters[end..]).collect()
}

/// The characters of a text; what would move the cursor or turn the writing round is shown as `·`.
fn harmless(text: &Text) -> Vec<char> {
    text.to_string().chars().map(|c| if disturbs(c) { '·' } else { c }).collect()
}

/// A visitor chose these bytes: they may hold escape sequences, and marks that hide or turn what follows.
fn disturbs(character: char) -> bool {
    let hidden =
        matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || hidden || matches!(character, '\u{2028}'..='\u{202e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(10.0, 10.0, 3), "███");
        assert_eq!(bar(5.0, 10.0, 3), "█▌");
        assert_eq!(bar(0.001, 10.0, 3), "▏");
        assert_eq!(bar(0.0, 10.0, 3), "");
        assert_eq!(
            (level(0.0, 8.0), level(1.0, 8.0), level(8.0, 8.0), level(0.0, 0.0)),
            ('·', '▁', '█', '·')
        );
        assert_eq!(columns(&[16.0, 4.0, 0.0], 2, 2), ["█     ", "█ ▄   "]);
    }

    #[test]
    fn numbers_are_grouped() {
        let shown = [0, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            (size(&Size::from(1023)), size(&Size::from(1536)), size(&Size::from(1 << 80))),
            ("1023 B".into(), "1.5 KiB".into(), "1073741824.0 PiB".into())
        );
    }

    #[test]
    fn visitors_cannot_write_to_the_terminal() {
        let text = Text::from("a\x1b[2J\u{202e}é\u{9b}".as_bytes());
        assert_eq!(fit(&text, 12), "a·[2J·é·    ");
        assert_eq!(fit(&text, 4), "a·[…");
        assert_eq!((fit_middle(&text, 6), fit_middle(&text, 12)), ("a·[…é·".into(), "a·[2J·é·".into()));
        assert_eq!(fit(&Text::from(&b"\xff\xfe"[..]), 3), "\u{fffd}\u{fffd} ");
    }
}
