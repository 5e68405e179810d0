//! GeneralizedTime, in which the directory writes points in time.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const FORMAT: &str = "%Y%m%d%H%M%S";

/// `20261124152622Z`: whole seconds, UTC.
pub fn format(time: Timestamp) -> String {
    format!("{}Z", time.strftime(FORMAT))
}

/// Reads UTC times with or without a fraction; the fraction is left out. `None` when it is no such time.
pub fn parse(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let whole = digits.split_once('.').map_or(digits, |(whole, _)| whole);
    let time = DateTime::strptime(FORMAT, whole).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        let time: Timestamp = "2026-11-24T15:26:22Z".parse().unwrap();
        assert_eq!(format(time), "20261124152622Z");
        assert_eq!(parse("20261124152622Z"), Some(time));
        assert_eq!(parse("20261124152622.123456Z"), Some(time));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "20261124152622", "2026Z", "20261324152622Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
