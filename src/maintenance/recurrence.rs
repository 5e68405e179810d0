//! The recurrence of a window: the part of RFC 5545 that the API takes, as a rule for days of Malaysia.
//!
//! Not the crate `rrule`: it brings a database of time zones for a country that has one, and takes what admission could not
//! judge. What is taken here the API server judges to the last letter.

use std::str::FromStr;

use k8s_openapi::jiff::{
    Timestamp,
    civil::{Date, DateTime, Weekday},
    fmt::strtime,
    tz::TimeZone,
};

/// On which days a window comes, from its first day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    every: Every,
    /// So many weeks or months.
    interval: i32,
    days: Vec<Day>,
    /// It begins at this time for the last time, or before.
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    Week,
    Month,
}

/// `SU`, or of a month `1SU` and `-1SU`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    nth: Option<Nth>,
    weekday: Weekday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nth {
    /// 1 to 4.
    First(i8),
    Last,
}

/// Not of the form that the API takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

const INTERVALS: std::ops::RangeInclusive<i32> = 1..=12;

impl FromStr for Recurrence {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.split(';').peekable();
        let mut part = |name: &str| {
            let value = parts.peek()?.strip_prefix(name)?.strip_prefix('=')?;
            parts.next();
            Some(value)
        };
        let every = match part("FREQ") {
            Some("WEEKLY") => Every::Week,
            Some("MONTHLY") => Every::Month,
            _ => return Err(Malformed),
        };
        let interval = part("INTERVAL").map_or(Ok(1), |number| number.parse().map_err(|_| Malformed))?;
        let days: Vec<Day> = part("BYDAY")
            .ok_or(Malformed)?
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let until = part("UNTIL").map(instant).transpose()?;
        let nth_of_a_week = every == Every::Week && days.iter().any(|day| day.nth.is_some());
        if parts.next().is_some() || !INTERVALS.contains(&interval) || nth_of_a_week {
            return Err(Malformed);
        }
        Ok(Self {
            every,
            interval,
            days,
            until,
        })
    }
}

impl FromStr for Day {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (nth, weekday) = text
            .split_at_checked(text.len().saturating_sub(2))
            .ok_or(Malformed)?;
        let nth = match nth {
            "" => None,
            "-1" => Some(Nth::Last),
            "1" => Some(Nth::First(1)),
            "2" => Some(Nth::First(2)),
            "3" => Some(Nth::First(3)),
            "4" => Some(Nth::First(4)),
            _ => return Err(Malformed),
        };
        let weekday = match weekday {
            "MO" => Weekday::Monday,
            "TU" => Weekday::Tuesday,
            "WE" => Weekday::Wednesday,
            "TH" => Weekday::Thursday,
            "FR" => Weekday::Friday,
            "SA" => Weekday::Saturday,
            "SU" => Weekday::Sunday,
            _ => return Err(Malformed),
        };
        Ok(Self { nth, weekday })
    }
}

impl Recurrence {
    /// Whether the window comes on `date`, if its first day was `first`.
    pub fn comes_on(&self, first: Date, date: Date) -> bool {
        let periods = match self.every {
            // RFC 5545 begins a week on Monday.
            Every::Week => (monday(date) - monday(first)) / 7,
            Every::Month => months(date) - months(first),
        };
        periods >= 0
            && periods % self.interval == 0
            && date >= first
            && self.days.iter().any(|day| day.is(date))
    }

    /// Whether it may still begin then.
    pub fn reaches(&self, begin: Timestamp) -> bool {
        self.until.is_none_or(|until| begin <= until)
    }
}

impl Day {
    fn is(self, date: Date) -> bool {
        let nth = match self.nth {
            None => true,
            Some(Nth::First(nth)) => (date.day() - 1) / 7 + 1 == nth,
            Some(Nth::Last) => date.day() + 7 > date.days_in_month(),
        };
        nth && date.weekday() == self.weekday
    }
}

/// The Monday of a date's week, in days since 1970 began.
fn monday(date: Date) -> i32 {
    let midnight = date
        .to_zoned(TimeZone::UTC)
        .map_or(0, |zoned| zoned.timestamp().as_second());
    let days = i32::try_from(midnight.div_euclid(86_400)).unwrap_or(0);
    days - i32::from(date.weekday().to_monday_zero_offset())
}

fn months(date: Date) -> i32 {
    i32::from(date.year()) * 12 + i32::from(date.month())
}

/// `20271231T160000Z`.
fn instant(text: &str) -> Result<Timestamp, Malformed> {
    let digits = text.len() == 16;
    let parsed = strtime::parse("%Y%m%dT%H%M%SZ", text)
        .ok()
        .filter(|_| digits)
        .and_then(|time| time.to_datetime().ok());
    parsed
        .and_then(|time: DateTime| time.to_zoned(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::jiff::ToSpan;
    use rstest::rstest;

    fn days(first: &str, text: &str, count: usize) -> Vec<String> {
        let first: Date = first.parse().unwrap();
        let recurrence: Recurrence = text.parse().unwrap();
        first
            .series(1.day())
            .filter(|date| recurrence.comes_on(first, *date))
            .take(count)
            .map(|date| date.to_string())
            .collect()
    }

    #[rstest]
    #[case::weekly("FREQ=WEEKLY;BYDAY=SU", ["2026-12-06", "2026-12-13", "2026-12-20", "2026-12-27"])]
    #[case::every_other_week("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", ["2026-12-06", "2026-12-20", "2027-01-03", "2027-01-17"])]
    // The week of the first day begins on Monday the 30th of November, so the Tuesday after it is in the next.
    #[case::a_week_begins_on_monday("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,TU", ["2026-12-06", "2026-12-15", "2026-12-20", "2026-12-29"])]
    #[case::two_days("FREQ=WEEKLY;BYDAY=SU,WE", ["2026-12-06", "2026-12-09", "2026-12-13", "2026-12-16"])]
    #[case::first_of_a_month("FREQ=MONTHLY;BYDAY=1SU", ["2026-12-06", "2027-01-03", "2027-02-07", "2027-03-07"])]
    #[case::last_of_a_month("FREQ=MONTHLY;BYDAY=1SU,-1SU", ["2026-12-06", "2026-12-27", "2027-01-03", "2027-01-31"])]
    #[case::every_quarter("FREQ=MONTHLY;INTERVAL=3;BYDAY=1SU", ["2026-12-06", "2027-03-07", "2027-06-06", "2027-09-05"])]
    #[case::each_of_a_month("FREQ=MONTHLY;INTERVAL=12;BYDAY=SU", ["2026-12-06", "2026-12-13", "2026-12-20", "2026-12-27"])]
    fn days_come_as_rfc_5545_says(#[case] text: &str, #[case] expected: [&str; 4]) {
        assert_eq!(days("2026-12-06", text, 4), expected);
    }

    #[test]
    fn the_last_day_of_february_is_found_in_leap_years_too() {
        assert_eq!(
            days("2028-02-29", "FREQ=MONTHLY;INTERVAL=12;BYDAY=-1TU", 2),
            ["2028-02-29", "2029-02-27"]
        );
    }

    #[test]
    fn until_is_the_last_moment_at_which_one_may_begin() {
        let recurrence: Recurrence = "FREQ=WEEKLY;BYDAY=SU;UNTIL=20261212T170000Z".parse().unwrap();
        assert!(recurrence.reaches("2026-12-12T17:00:00Z".parse().unwrap()));
        assert!(!recurrence.reaches("2026-12-12T17:00:01Z".parse().unwrap()));
    }

    #[rstest]
    #[case("")]
    #[case("FREQ=DAILY;BYDAY=SU")]
    #[case("FREQ=WEEKLY")]
    #[case("FREQ=WEEKLY;BYDAY=")]
    #[case("FREQ=WEEKLY;BYDAY=1SU")]
    #[case("FREQ=WEEKLY;BYDAY=SU;COUNT=3")]
    #[case("FREQ=WEEKLY;INTERVAL=0;BYDAY=SU")]
    #[case("FREQ=WEEKLY;INTERVAL=13;BYDAY=SU")]
    #[case("FREQ=MONTHLY;BYDAY=5SU")]
    #[case("FREQ=MONTHLY;BYMONTHDAY=1")]
    #[case("FREQ=MONTHLY;BYDAY=1SÜ")]
    #[case("BYDAY=SU;FREQ=WEEKLY")]
    #[case("FREQ=WEEKLY;BYDAY=SU;UNTIL=20271231")]
    #[case("FREQ=WEEKLY;BYDAY=SU;UNTIL=20270231T000000Z")]
    fn what_the_api_does_not_take_is_refused_here_too(#[case] text: &str) {
        assert_eq!(text.parse::<Recurrence>(), Err(Malformed));
    }
}
