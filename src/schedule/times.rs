//! When a job runs: days of the week and a time of day.
//!
//! In: what a person writes, such as `02:30`, `Mon..Fri 02:30` or `Sat,Sun 14:00`. Out: the same for
//! each scheduler, and in words. Pure. Times are local. What happens to a time that does not exist
//! or exists twice when clocks are changed is up to the scheduler.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::{ToSpan, Zoned};

/// The days, from Monday, as schedulers abbreviate them.
pub const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The days, from Monday.
pub const DAY_NAMES: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Days of the week and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// Whether it runs on a day, from Monday.
    days: [bool; 7],
    hour: i8,
    minute: i8,
}

/// Why a text is no time at which a job can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write a time, with days before it if not every day: 02:30, Mon..Fri 02:30, Sat,Sun 14:00")]
pub struct NotWhen(String);

impl When {
    /// Whether it runs every day.
    pub fn is_daily(self) -> bool {
        self.days == [true; 7]
    }

    /// The days on which it runs, counted from Monday.
    pub fn days(self) -> impl Iterator<Item = usize> {
        (0..7).filter(move |&day| self.days[day])
    }

    /// The time of day as `02:30`.
    pub fn time(self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// An expression of systemd.time(7).
    pub fn calendar(self) -> String {
        let days = if self.is_daily() { String::new() } else { format!("{} ", self.day_list("..", &DAYS)) };
        format!("{days}*-*-* {}:00", self.time())
    }

    /// The five fields of crontab(5). Sunday is 0.
    pub fn cron(self) -> String {
        let numbers: Vec<_> = self.days().map(|day| ((day + 1) % 7).to_string()).collect();
        let days = if self.is_daily() { "*".to_owned() } else { numbers.join(",") };
        format!("{} {} * * {days}", self.minute, self.hour)
    }

    /// The same in words: `every day at 02:30`, `Monday to Friday at 02:30`.
    pub fn words(self) -> String {
        if self.is_daily() {
            return format!("every day at {}", self.time());
        }
        let days = self.day_list(" to ", &DAY_NAMES);
        let days = match days.rsplit_once(',') {
            Some((before, last)) => format!("{} and {last}", before.replace(',', ", ")),
            None => days,
        };
        format!("{days} at {}", self.time())
    }

    /// Three or more days in a row as a range, others one by one, separated by commas.
    fn day_list(self, to: &str, names: &[&str; 7]) -> String {
        let mut parts = Vec::new();
        let mut day = 0;
        while day < 7 {
            let run = (day..7).take_while(|&day| self.days[day]).count();
            match run {
                0 => day += 1,
                1 | 2 => {
                    parts.push(names[day].to_owned());
                    day += 1;
                }
                _ => {
                    parts.push(format!("{}{to}{}", names[day], names[day + run - 1]));
                    day += run;
                }
            }
        }
        parts.join(",")
    }

    /// The last time at or before `now` at which it was due.
    pub fn last_due(self, now: &Zoned) -> Option<Zoned> {
        (0..=8).find_map(|back| self.on(now, -back).filter(|due| due <= now))
    }

    /// The next time after `now` at which it is due.
    pub fn next_due(self, now: &Zoned) -> Option<Zoned> {
        (0..=8).find_map(|ahead| self.on(now, ahead).filter(|due| due > now))
    }

    /// When it is due so many days after today, if it is at all.
    fn on(self, now: &Zoned, days: i64) -> Option<Zoned> {
        let date = now.date().checked_add(days.days()).ok()?;
        let runs = self.days[usize::try_from(date.weekday().to_monday_zero_offset()).ok()?];
        let time = Time::new(self.hour, self.minute, 0, 0).ok()?;
        date.to_datetime(time).to_zoned(now.time_zone().clone()).ok().filter(|_| runs)
    }

    /// The days and the time that another program stored.
    pub fn of(days: impl IntoIterator<Item = Weekday>, time: Time) -> Self {
        let mut when = Self { days: [false; 7], hour: time.hour(), minute: time.minute() };
        for day in days {
            when.days[usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)] = true;
        }
        when
    }
}

/// What a person could have written. It is read back as the same.
impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_daily() {
            write!(out, "{} ", self.day_list("..", &DAYS))?;
        }
        out.write_str(&self.time())
    }
}

impl FromStr for When {
    type Err = NotWhen;

    fn from_str(text: &str) -> Result<Self, NotWhen> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (days, time) = match words[..] {
            [time] => ([true; 7], time),
            [days, time] => (parse_days(days)?, time),
            _ => return Err(NotWhen(format!("\"{text}\" is not a time"))),
        };
        let (hour, minute) = parse_time(time)?;
        Ok(Self { days, hour, minute })
    }
}

fn parse_time(text: &str) -> Result<(i8, i8), NotWhen> {
    let wrong = || NotWhen(format!("\"{text}\" is not a time of day from 00:00 to 23:59"));
    let number = |digits: &str, most: i8| {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number| is_number && *number <= most)
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let minute = Some(minute).filter(|minute| minute.len() == 2).and_then(|minute| number(minute, 59));
    Ok((number(hour, 23).ok_or_else(wrong)?, minute.ok_or_else(wrong)?))
}

fn parse_days(text: &str) -> Result<[bool; 7], NotWhen> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (mut day, last) = (parse_day(first)?, parse_day(last)?);
        days[day] = true;
        // A range may go over the end of the week: Sat..Mon.
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
    }
    Ok(days)
}

fn parse_day(text: &str) -> Result<usize, NotWhen> {
    let is_meant =
        |day: usize| text.eq_ignore_ascii_case(DAYS[day]) || text.eq_ignore_ascii_case(DAY_NAMES[day]);
    (0..7).find(|&day| is_meant(day)).ok_or_else(|| NotWhen(format!("\"{text}\" is not a day of the week")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn when(text: &str) -> When {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_time_is_the_same_for_every_scheduler_and_in_words() {
        for (written, calendar, cron, words, again) in [
            ("02:30", "*-*-* 02:30:00", "30 2 * * *", "every day at 02:30", "02:30"),
            ("2:05", "*-*-* 02:05:00", "5 2 * * *", "every day at 02:05", "02:05"),
            ("Mon 23:59", "Mon *-*-* 23:59:00", "59 23 * * 1", "Monday at 23:59", "Mon 23:59"),
            (
                "mon..FRI 02:30",
                "Mon..Fri *-*-* 02:30:00",
                "30 2 * * 1,2,3,4,5",
                "Monday to Friday at 02:30",
                "Mon..Fri 02:30",
            ),
            (
                "Sat..Sun 0:00",
                "Sat,Sun *-*-* 00:00:00",
                "0 0 * * 6,0",
                "Saturday and Sunday at 00:00",
                "Sat,Sun 00:00",
            ),
            (
                "Sunday,tue,Thu 14:00",
                "Tue,Thu,Sun *-*-* 14:00:00",
                "0 14 * * 2,4,0",
                "Tuesday, Thursday and Sunday at 14:00",
                "Tue,Thu,Sun 14:00",
            ),
            (
                "Sun..Mon 01:00",
                "Mon,Sun *-*-* 01:00:00",
                "0 1 * * 1,0",
                "Monday and Sunday at 01:00",
                "Mon,Sun 01:00",
            ),
            ("Mon..Sun 01:00", "*-*-* 01:00:00", "0 1 * * *", "every day at 01:00", "01:00"),
        ] {
            let when = when(written);
            let found = (when.calendar(), when.cron(), when.words(), when.to_string());
            let expected = (calendar.into(), cron.into(), words.into(), again.to_owned());
            assert_eq!(found, expected, "{written}");
        }
    }

    #[test]
    fn every_combination_of_days_is_read_back_as_the_same() {
        for bits in 1..128_u8 {
            let days: [bool; 7] = std::array::from_fn(|day| bits >> day & 1 == 1);
            let one = When { days, hour: 2, minute: 30 };
            assert_eq!(when(&one.to_string()), one);
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_a_reason() {
        for (written, reason) in [
            ("", "\"\" is not a time"),
            ("24:00", "\"24:00\" is not a time of day from 00:00 to 23:59"),
            ("02:60", "\"02:60\" is not a time of day"),
            ("2:3", "\"2:3\" is not a time of day"),
            ("02:30:00", "\"02:30:00\" is not a time of day"),
            ("+2:30", "\"+2:30\" is not a time of day"),
            ("hourly", "\"hourly\" is not a time of day"),
            ("Mon", "\"Mon\" is not a time of day"),
            ("Mo 02:30", "\"Mo\" is not a day of the week"),
            ("Mon,, 02:30", "\"\" is not a day of the week"),
            ("Mon.. 02:30", "\"\" is not a day of the week"),
            ("Mon Tue 02:30", "\"Mon Tue 02:30\" is not a time"),
        ] {
            let error = written.parse::<When>().unwrap_err().to_string();
            assert!(error.starts_with(reason), "{written}: {error}");
            assert!(error.ends_with("Sat,Sun 14:00"), "{error}");
        }
    }

    #[test]
    fn the_last_and_the_next_time_it_is_due_are_around_now() {
        // A Saturday.
        let now: Zoned = "2026-11-28T02:30:00+01:00[Europe/Berlin]".parse().unwrap();
        for (written, last, next) in [
            ("02:30", "2026-11-28T02:30:00", "2026-11-29T02:30:00"),
            ("02:31", "2026-11-27T02:31:00", "2026-11-28T02:31:00"),
            ("Sat 02:31", "2026-11-21T02:31:00", "2026-11-28T02:31:00"),
            ("Sat 02:29", "2026-11-28T02:29:00", "2026-12-05T02:29:00"),
            ("Mon..Fri 02:30", "2026-11-27T02:30:00", "2026-11-30T02:30:00"),
        ] {
            let when = when(written);
            let found =
                [when.last_due(&now), when.next_due(&now)].map(|due| due.unwrap().datetime().to_string());
            assert_eq!(found, [last, next], "{written}");
        }
    }
}
