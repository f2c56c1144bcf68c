//! The values that flags and configuration hold: from text to what a plan is made of.
//!
//! In: the text of one value, however it was given. Out: the value, or one sentence that says what
//! was expected. Pure: nothing here looks at the clock, the disk or the environment; an age such as
//! `7d` stays an age until it is resolved.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use jiff::{SpanRelativeTo, Zoned, civil};

use crate::backup::{NameProblem, escape, relative};
use crate::plan::{Algorithm, CachePolicy, Keep, Map, SampleSize};
use crate::platform::{self, Timestamp};
use crate::secret::Secret;
use crate::verify::strategy::{self, STRATEGIES};

/// Where a backup is: a path, or an address such as `scheme:place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(pub PathBuf);

impl From<OsString> for Address {
    fn from(text: OsString) -> Self {
        Self(text.into())
    }
}

/// Where the password of a backup is: `file:PATH`, `env:NAME` or `command:PROGRAM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// At this place.
    At(Secret),
    /// What was written is none of these. It may be the password itself, so it is not kept.
    Unusable,
}

impl Password {
    /// The message about one that is unusable.
    pub const PROBLEM: &'static str = "password says where the password is, and not what it is";
    /// The hint about one that is unusable.
    pub const HINT: &'static str = "write file:PATH, env:NAME or command:PROGRAM";
}

impl From<OsString> for Password {
    fn from(text: OsString) -> Self {
        let secret =
            text.to_str().and_then(|text| text.split_once(':')).and_then(|(kind, place)| match kind {
                _ if place.is_empty() => None,
                "file" => Some(Secret::File(place.into())),
                "env" => Some(Secret::Env(place.to_owned())),
                "command" => Some(Secret::Command(vec![place.into()])),
                _ => None,
            });
        secret.map_or(Self::Unusable, Self::At)
    }
}

/// A folder of originals, or `none` if there are no originals. A folder of that name is `./none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(pub PathBuf);

impl Source {
    /// Whether this says that there are no originals.
    pub fn is_none(&self) -> bool {
        self.0.as_os_str() == "none"
    }

    /// The folders among these.
    pub fn folders(sources: Vec<Self>) -> Vec<PathBuf> {
        sources.into_iter().filter(|source| !source.is_none()).map(|source| source.0).collect()
    }
}

impl From<OsString> for Source {
    fn from(text: OsString) -> Self {
        Self(text.into())
    }
}

/// How many files to verify: `500`, `5%` or `all`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample(pub SampleSize);

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("all") {
            return Ok(Self(SampleSize::All));
        }
        let size = if let Some(number) = text.strip_suffix('%') {
            // The whole is asked for by either name.
            let share = parse_share(number)?;
            if share >= 1.0 { SampleSize::All } else { SampleSize::Share(share) }
        } else {
            SampleSize::Count(
                text.parse().map_err(|_| expected("a number, a percentage such as 5%, or all"))?,
            )
        };
        match size {
            SampleSize::Count(0) => Err(NOTHING.into()),
            SampleSize::Share(share) if share <= 0.0 => Err(NOTHING.into()),
            size => Ok(Self(size)),
        }
    }
}

const NOTHING: &str = "a sample of nothing proves nothing; it must be at least one file";

/// A share that is more than nothing and less than everything, written with a percent sign: `95%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = parse_percent(text, "95%")?;
        if share > 0.0 && share < 1.0 {
            Ok(Self(share))
        } else {
            Err(expected("more than 0% and less than 100%"))
        }
    }
}

/// A share from `0%` to `100%`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_percent(text, "20%").map(Self)
    }
}

/// The share between 0 and 1 that is written with a percent sign, as `example` is.
fn parse_percent(text: &str, example: &str) -> Result<f64, String> {
    let sign = format!("a percent sign, as in {example}");
    parse_share(text.trim().strip_suffix('%').ok_or_else(|| expected(&sign))?)
}

/// The share between 0 and 1 that a number of percent (without its sign) stands for.
fn parse_share(number: &str) -> Result<f64, String> {
    let number = number.trim_end();
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 =
        plain.then(|| number.parse().ok()).flatten().ok_or_else(|| expected("a number before the %"))?;
    if percent <= 100.0 { Ok(percent / 100.0) } else { Err(expected("at most 100%")) }
}

/// A number of bytes: `1048576`, `50GiB` (binary), `50GB` (decimal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_size::parse_size(text)
            .map(Self)
            .map_err(|_| expected("bytes, or a size such as 50GiB or 200MB"))
    }
}

/// A stretch of time: `2h`, `90m`, `1h30m`, `1d`; a day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Duration);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || expected("a duration such as 2h, 90m or 1h30m");
        let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
        let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        let time = Duration::try_from(time).map_err(|_| wrong())?;
        if time.is_zero() { Err("must be greater than zero".to_owned()) } else { Ok(Self(time)) }
    }
}

/// A moment: with its offset (`2026-05-01T12:00:00Z`), in local time (`2026-05-01`,
/// `2026-05-01T12:00`), or as an age (`7d`, `2w`, `3mo`, `1y`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The same moment everywhere.
    Moment(jiff::Timestamp),
    /// By the clock on the wall; a date is its midnight.
    Local(civil::DateTime),
    /// This long ago.
    Age(jiff::SpanFieldwise),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(moment) = text.parse() {
            return Ok(Self::Moment(moment));
        }
        if let Ok(local) = text.parse() {
            return Ok(Self::Local(local));
        }
        let age: Result<jiff::Span, _> = text.parse();
        age.map(|age| Self::Age(age.abs().fieldwise())).map_err(|_| {
            expected("a date such as 2026-05-01, a time such as 2026-05-01T12:00, or an age such as 7d")
        })
    }
}

impl When {
    /// The moment that is meant, seen from `now` and its time zone.
    pub fn resolve(self, now: &Zoned) -> Result<Timestamp, String> {
        let moment = match self {
            Self::Moment(moment) => Ok(moment),
            Self::Local(local) => local.to_zoned(now.time_zone().clone()).map(|zoned| zoned.timestamp()),
            Self::Age(age) => now.checked_sub(age.0).map(|zoned| zoned.timestamp()),
        };
        let moment = moment.map_err(|_| "that time is out of range".to_owned())?;
        Ok(Timestamp::from_nanos(moment.as_nanosecond()))
    }
}

/// Where bkverify remembers runs and files: a folder, or `none`. A folder of that name is `./none`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFolder {
    /// Nothing is remembered.
    None,
    /// In this folder.
    Folder(PathBuf),
}

impl From<OsString> for StateFolder {
    fn from(text: OsString) -> Self {
        if text == "none" { Self::None } else { Self::Folder(text.into()) }
    }
}

/// How many threads: 1 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(pub usize);

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().parse().ok().filter(|number| (1..=1024).contains(number));
        number.map(Self).ok_or_else(|| expected("a number from 1 to 1024"))
    }
}

/// Reads `FROM=TO`, split at the first `=`. FROM is cleaned as entries' paths are; an empty one (or
/// `.`) stands for all entries.
pub fn parse_map(text: &OsStr) -> Result<Map, String> {
    let (from, to) = split_at_equals(text).ok_or_else(|| {
        expected("FROM=TO, such as home=/home: how paths in the backup begin, and a folder")
    })?;
    if to.as_os_str().is_empty() {
        return Err(expected("a folder after the = (FROM=TO)"));
    }
    let from = match relative(&from) {
        Err(NameProblem::Empty) => Vec::new(),
        cleaned => cleaned
            .map_err(|problem| format!("\"{}\" is not a path in a backup: {problem}", escape(&from)))?,
    };
    Ok(Map { from, to })
}

/// [`parse_map`] as clap wants it.
pub fn map_parser() -> impl TypedValueParser<Value = Map> {
    OsStringValueParser::new().try_map(|text| parse_map(&text))
}

fn split_at_equals(text: &OsStr) -> Option<(Vec<u8>, PathBuf)> {
    let bytes = |path: &Path| platform::path_to_bytes(path).into_owned();
    if let Some((from, to)) = text.to_str().and_then(|text| text.split_once('=')) {
        return Some((bytes(Path::new(from)), PathBuf::from(to)));
    }
    let whole = bytes(Path::new(text));
    let at = whole.iter().position(|&byte| byte == b'=')?;
    Some((whole[..at].to_vec(), platform::path_from_bytes(&whole[at + 1..]).into_owned()))
}

fn expected(what: impl fmt::Display) -> String {
    format!("expected {what}")
}

/// The name of a registered strategy that chooses files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrategyName(pub &'static str);

impl ValueEnum for StrategyName {
    fn value_variants<'a>() -> &'a [Self] {
        static NAMES: LazyLock<Vec<StrategyName>> = LazyLock::new(|| {
            let chosen = STRATEGIES.iter().filter(|strategy| strategy.summary().is_some());
            chosen.map(|strategy| StrategyName(strategy.name())).collect()
        });
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let summary = strategy::named(self.0)?.summary()?;
        let mut help = summary.to_owned();
        if let Some(first) = help.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Some(PossibleValue::new(self.0).help(help))
    }
}

impl ValueEnum for Algorithm {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Blake3 => "BLAKE3, the fastest",
            Self::Sha256 => "SHA-256, where auditors ask for it",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for CachePolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Drop, Self::Use]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Drop => {
                PossibleValue::new("drop").help("Drop cached pages first, so that the disks are read")
            }
            Self::Use => {
                PossibleValue::new("use").help("Read from memory what is cached: faster, but proves less")
            }
        })
    }
}

impl ValueEnum for Keep {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Failures, Self::All, Self::None]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Failures => PossibleValue::new("failures").help("Files that are bad"),
            Self::All => PossibleValue::new("all").help("All files of the sample"),
            Self::None => PossibleValue::new("none").help("Nothing"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal<T: FromStr<Err = String>>(text: &str) -> String {
        text.parse::<T>().err().unwrap_or_else(|| panic!("{text:?} was taken"))
    }

    fn now() -> Zoned {
        "2026-05-10T12:00:00+02:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn a_sample_is_a_number_a_share_or_all() {
        for (text, size) in [
            ("500", SampleSize::Count(500)),
            ("5%", SampleSize::Share(0.05)),
            ("0.1 %", SampleSize::Share(0.001)),
            ("100%", SampleSize::All),
            ("ALL", SampleSize::All),
        ] {
            assert_eq!(text.parse(), Ok(Sample(size)), "{text}");
        }
    }

    #[test]
    fn a_sample_of_nothing_is_refused() {
        for text in ["0", "0%", "0.0%", "000"] {
            assert!(refusal::<Sample>(text).starts_with("a sample of nothing proves nothing"), "{text}");
        }
        for text in ["", "%", "-5", "5.5", "101%", "1e3%", "nan%", "inf%", "many"] {
            assert!(refusal::<Sample>(text).starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn a_percentage_needs_its_sign_and_a_sensible_range() {
        assert_eq!("95%".parse(), Ok(Percent(0.95)));
        for text in ["95", "0.95", "0%", "100%", "%", "-1%", "inf%"] {
            assert!(refusal::<Percent>(text).starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_positive_duration_of_fixed_length() {
        assert_eq!("1h30m".parse(), Ok(Limit(Duration::from_secs(5400))));
        assert_eq!("1d".parse(), Ok(Limit(Duration::from_secs(86_400))));
        assert_eq!(refusal::<Limit>("0s"), "must be greater than zero");
        for text in ["2 months", "-2h", "2", "soon"] {
            assert!(refusal::<Limit>(text).starts_with("expected"), "{text}");
        }
    }

    #[test]
    fn moments_dates_and_ages_resolve_in_the_local_time_zone() {
        for (text, same) in [
            ("2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z"),
            ("2026-05-01T12:00", "2026-05-01T10:00:00Z"),
            ("2026-05-01", "2026-04-30T22:00:00Z"),
            ("7d", "2026-05-03T10:00:00Z"),
            ("7 days ago", "2026-05-03T10:00:00Z"),
            ("1y", "2025-05-10T10:00:00Z"),
        ] {
            let moment: jiff::Timestamp = same.parse().unwrap();
            let resolved = text.parse::<When>().unwrap().resolve(&now()).unwrap();
            assert_eq!(resolved.as_nanos(), moment.as_nanosecond(), "{text}");
        }
        assert!(refusal::<When>("yesterday").contains("such as 7d"));
        assert!("19000y".parse::<When>().unwrap().resolve(&now()).is_err());
    }

    #[test]
    fn a_map_is_split_at_the_first_equals_and_cleaned_like_a_path() {
        let map = |text: &str| parse_map(text.as_ref());
        let good = |from: &str, to: &str| Ok(Map { from: from.into(), to: to.into() });
        assert_eq!(map("home/x=/home/x"), good("home/x", "/home/x"));
        assert_eq!(map("./home/=/srv/a=b"), good("home", "/srv/a=b"));
        assert_eq!(map("=/home"), good("", "/home"));
        assert_eq!(map(".=/home"), good("", "/home"));
        assert!(map("home").unwrap_err().contains("FROM=TO"));
        assert!(map("home=").unwrap_err().contains("a folder after the ="));
        assert!(map("../x=/home").unwrap_err().contains("is not a path in a backup"));
    }

    #[test]
    fn thread_counts_are_bounded() {
        assert_eq!("8".parse(), Ok(Threads(8)));
        for text in ["0", "1025", "-1", "x"] {
            assert_eq!(refusal::<Threads>(text), "expected a number from 1 to 1024");
        }
    }

    proptest! {
        #[test]
        fn every_size_in_bytes_is_itself(bytes in any::<u64>()) {
            prop_assert_eq!(bytes.to_string().parse(), Ok(Size(bytes)));
        }

        #[test]
        fn units_multiply(number in 0..1_000_000_u64) {
            prop_assert_eq!(format!("{number}KiB").parse(), Ok(Size(number << 10)));
            prop_assert_eq!(format!("{number} GiB").parse(), Ok(Size(number << 30)));
            prop_assert_eq!(format!("{number}MB").parse(), Ok(Size(number * 1_000_000)));
        }

        #[test]
        fn hundredths_of_a_percent_are_read_exactly(hundredths in 1..10_000_u32) {
            let text = format!("{}.{:02}%", hundredths / 100, hundredths % 100);
            let share = f64::from(hundredths) / 10_000.0;
            let Percent(read) = text.parse().unwrap();
            prop_assert!((read - share).abs() < 1e-12);
            prop_assert_eq!(text.parse(), Ok(Sample(SampleSize::Share(read))));
        }

        #[test]
        fn no_text_makes_a_parser_panic_or_take_nothing(text in "\\PC{0,12}") {
            let _ = text.parse::<Size>();
            let _ = text.parse::<When>();
            if let Ok(Percent(share)) = text.parse() {
                prop_assert!(share > 0.0 && share < 1.0);
            }
            if let Ok(Sample(size)) = text.parse() {
                prop_assert!(size != SampleSize::Count(0) && size != SampleSize::Share(0.0));
            }
            if let Ok(Limit(time)) = text.parse() {
                prop_assert!(!time.is_zero());
            }
        }
    }
}
