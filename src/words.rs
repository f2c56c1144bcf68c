//! Text for people: numbers with grouped digits, bytes, durations, shares; lines that fit a
//! terminal; characters that nobody can see. Pure; used by everything that prints.

use std::borrow::Cow;
use std::time::Duration;

use crate::platform::Timestamp;

/// A count with its digits in groups of three: `78,579`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun, which takes an `s` unless the count is one: `1 file`, `2,000 files`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A count with a noun whose plural takes more than an `s`: `1 copy`, `2 copies`.
pub fn counted_as(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A number of bytes in binary units with three digits: `912 B`, `1.41 GiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    // 999.5 would print as four digits.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A duration: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 03 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 59.95 {
        return format!("{} s", three_digits(seconds));
    }
    let whole = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole / 60 % 60)
    }
}

/// The rate per second over `time`; `None` if the time is too short to tell.
pub fn rate(number: u64, time: Duration) -> Option<u64> {
    if time < Duration::from_millis(1) {
        return None;
    }
    let rate = u128::from(number) * 1_000_000_000 / time.as_nanos();
    Some(u64::try_from(rate).unwrap_or(u64::MAX))
}

/// A share between 0 and 1 as per cent, with the digits that were typed: `95%`, `99.9%`.
pub fn percent(share: f64) -> String {
    format!("{}%", trimmed(&format!("{:.8}", share * 100.0)))
}

/// `part` of `whole` as per cent, rounded up, so that it never claims less than there is. It has
/// two decimals, or more if two would leave fewer than two significant digits.
pub fn percent_at_most(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let mut decimals = 2;
    let mut scale = 100_u128;
    while part * 100 * scale / whole < 10 && decimals < 12 {
        decimals += 1;
        scale *= 10;
    }
    let units = (part * 100 * scale).div_ceil(whole);
    let text = format!("{}.{:0decimals$}", units / scale, units % scale);
    format!("{}%", trimmed(&text))
}

/// A point in time that prints as RFC 3339, in UTC; `None` for a time that has no such form (before
/// the year −9999 or after 9999).
pub fn moment(time: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::new(time.seconds, i32::try_from(time.nanos).ok()?).ok()
}

/// A point in time as RFC 3339 text; `None` as in [`moment`].
pub fn rfc3339(time: Timestamp) -> Option<String> {
    moment(time).map(|time| time.to_string())
}

/// `part` of `whole` as per cent, rounded: `about 11%`, `less than 1%`.
pub fn percent_about(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole.max(1)));
    match (part * 100 + whole / 2) / whole {
        0 => "less than 1%".to_owned(),
        100 if part < whole => "nearly all".to_owned(),
        share => format!("about {share}%"),
    }
}

/// Breaks a line between words so that none is longer than `width` characters. What follows the
/// first break is indented by `indent`. A word that is longer by itself stays whole, and spaces
/// between words of one line stay as they are.
pub fn wrap(line: &str, width: usize, indent: usize) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let text = line.trim_start_matches(' ');
    let mut column = line.len() - text.len();
    out.push_str(&line[..column]);
    for piece in text.split_inclusive(' ') {
        let word = piece.trim_end_matches(' ');
        let length = word.chars().count();
        let is_first = out.trim_end_matches(' ').rsplit('\n').next().is_none_or(str::is_empty);
        if !is_first && length > 0 && column + length > width {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        }
        out.push_str(piece);
        column += piece.chars().count();
    }
    out
}

/// Wraps every line of a page. What follows a break stands below the text of its line: behind its
/// own indent, and behind a name that is set off by two spaces or more.
pub fn wrap_page(page: &str, width: usize) -> String {
    let wrapped = page.lines().map(|line| wrap(line, width, hanging_indent(line)) + "\n");
    wrapped.collect()
}

fn hanging_indent(line: &str) -> usize {
    let text = line.trim_start_matches(' ');
    let own = line.len() - text.len();
    let name = text.find("  ").filter(|&end| own == 0 && end < 16);
    name.map_or(own, |end| end + text[end..].len() - text[end..].trim_start_matches(' ').len())
}

fn three_digits(value: f64) -> String {
    let decimals = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The number without trailing zeros after the point.
fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// A text that may quote names from elsewhere, with a `?` for each control character and each
/// invisible one.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_hidden = |each: char| each.is_control() || is_invisible(each);
    if text.chars().any(is_hidden) {
        Cow::Owned(text.chars().map(|each| if is_hidden(each) { '?' } else { each }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// The most characters of a path in a message.
const PATH_MAX: usize = 1_000;

/// A path as a message shows it: of one that is absurdly long, the middle is left out.
pub fn cut(path: &str) -> Cow<'_, str> {
    let length = path.chars().count();
    if length <= PATH_MAX {
        return Cow::Borrowed(path);
    }
    let half = PATH_MAX / 2;
    let begin: String = path.chars().take(half).collect();
    let end: String = path.chars().skip(length - half).collect();
    format!("{begin} [{} more] {end}", counted((length - 2 * half) as u64, "character")).into()
}

/// Whether a character is invisible, but may change what is shown: it can make a name look like
/// another one, or reverse the text around it (Unicode TR 36).
///
/// These are Unicode's `Bidi_Control` and `Default_Ignorable_Code_Point`
/// (DerivedCoreProperties.txt, version 17; later versions remove none), the separators of lines and
/// paragraphs, and the marks of annotations.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2_000, "file"), "2,000 files");
        assert_eq!(counted_as(1, "copy", "copies"), "1 copy");
        assert_eq!(counted_as(0, "copy", "copies"), "0 copies");
    }

    #[test]
    fn bytes_have_three_digits_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.00 KiB"),
            (1_023 * 1_024, "1.00 MiB"),
            (1_048_576 * 3 / 2, "1.50 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
    }

    #[test]
    fn durations_lose_what_nobody_reads() {
        let cases = [(0, "0.00 s"), (420, "0.42 s"), (12_340, "12.3 s"), (59_960, "1 min 00 s")];
        for (millis, text) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(Duration::from_secs(245)), "4 min 05 s");
        assert_eq!(duration(Duration::from_secs(7_399)), "2 h 03 min");
    }

    #[test]
    fn a_rate_over_no_time_is_unknown() {
        assert_eq!(rate(500, Duration::from_secs(2)), Some(250));
        assert_eq!(rate(500, Duration::ZERO), None);
        assert_eq!(rate(u64::MAX, Duration::from_millis(1)), Some(u64::MAX));
    }

    #[test]
    fn a_share_reads_as_it_was_typed() {
        for (share, text) in [(0.95, "95%"), (0.999, "99.9%"), (0.07, "7%"), (1.0, "100%"), (0.0001, "0.01%")]
        {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn lines_are_broken_between_words_alone() {
        assert_eq!(wrap("one two three", 20, 2), "one two three");
        assert_eq!(wrap("one two three", 8, 2), "one two\n  three");
        assert_eq!(wrap("  one two", 6, 4), "  one\n    two");
        assert_eq!(wrap("an-unbreakable-word and more", 8, 2), "an-unbreakable-word\n  and\n  more");
        assert_eq!(wrap("", 8, 2), "");
        assert_eq!(wrap("name   one two", 11, 7), "name   one\n       two");
        assert_eq!(wrap("\u{e4}\u{e4}\u{e4} \u{e4}\u{e4}", 6, 0), "\u{e4}\u{e4}\u{e4} \u{e4}\u{e4}");
    }

    #[test]
    fn a_page_is_wrapped_below_its_own_text() {
        let page = "name   one two three\n       four five six\nshort\n";
        let wrapped = "name   one two\n       three\n       four five\n       six\nshort\n";
        assert_eq!(wrap_page(page, 16), wrapped);
    }

    #[test]
    fn quoted_words_keep_their_letters_and_lose_their_controls() {
        assert_eq!(printable("r\u{e9}seau \x1b[2Jgone\n"), "r\u{e9}seau ?[2Jgone?");
        assert_eq!(printable("left\u{61c}right \u{202e}and\u{ad}hidden"), "left?right ?and?hidden");
    }

    #[test]
    fn times_before_and_after_the_calendar_have_no_text() {
        let time = |seconds| rfc3339(Timestamp { seconds, nanos: 0 });
        assert_eq!(time(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(time(-1).as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(time(i64::MAX), None);
    }

    #[test]
    fn only_the_middle_of_an_absurdly_long_path_is_left_out() {
        assert_eq!(cut("a/b"), "a/b");
        let long = format!("{}{}", "ä".repeat(999), "b");
        assert_eq!(cut(&long), long);
        let shown = cut(&"ü".repeat(5_000)).into_owned();
        assert_eq!(shown, format!("{0} [4,000 characters more] {0}", "ü".repeat(500)));
    }

    #[test]
    fn an_upper_bound_is_never_rounded_down() {
        let cases = [
            (58, 10_000, "0.58%"),
            (595, 100_000, "0.6%"),
            (1, 3, "33.34%"),
            (59_877, 10_000_000, "0.6%"),
            (3, 10_000_000, "0.00003%"),
            (10, 10, "100%"),
            (0, 10, "0%"),
        ];
        for (part, whole, text) in cases {
            assert_eq!(percent_at_most(part, whole), text, "{part} of {whole}");
        }
    }
}
