//! When a site's turn is: pure, and `now` is given.

use govuc_api::Maintenance;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::window::{self, Opening, Window, told};

/// Every window of Platform, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    windows: Vec<Window>,
}

/// Where in the order of the sites a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has the first half of each window.
    First,
    Second,
}

impl Place {
    /// Counted from 1.
    pub fn number(self) -> &'static str {
        match self {
            Place::First => "1",
            Place::Second => "2",
        }
    }
}

/// What `now` is for a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its own: restarts may begin.
    Now(Opening),
    Next(Opening),
    /// No window comes any more.
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Window(#[from] window::Error),
    #[error(
        "spec.maintenance.windows: windows {first} and {second} overlap from {at} on: move one, or join them into one"
    )]
    Overlap {
        first: String,
        second: String,
        at: String,
    },
}

/// Nothing is begun in the last moments of a turn: what was begun is to be ready again when the other site's turn comes, and
/// the two sites' clocks need not agree to the second.
const LAST_MOMENTS: SignedDuration = SignedDuration::from_mins(5);
impl Schedule {
    /// What Platform says, and the first thing that is wrong with it. Overlaps are looked for a year and a month ahead.
    pub fn of(spec: &Maintenance, now: Timestamp) -> Result<Self, Error> {
        let windows = spec
            .windows
            .iter()
            .map(Window::of)
            .collect::<Result<_, window::Error>>()?;
        let schedule = Self { windows };
        schedule.overlap(now).map_or(Ok(schedule), Err)
    }

    /// The coming times of every window, the one that is now among them, by their begin. Of each window at most `count`.
    pub fn openings(&self, now: Timestamp, count: usize) -> Vec<Opening> {
        let each = self.windows.iter();
        let mut openings: Vec<Opening> = each.flat_map(|window| window.openings(now).take(count)).collect();
        openings.sort_by_key(|opening| opening.from);
        openings
    }

    /// Whether restarts may begin at a site, or when that is next.
    pub fn turn(&self, place: Place, now: Timestamp) -> Turn {
        // Of a window that is open now this site's half may be over.
        let turn = self
            .openings(now, 2)
            .into_iter()
            .map(|opening| opening.half(place))
            .filter(|half| now < half.until - LAST_MOMENTS)
            .min_by_key(|half| half.from);
        match turn {
            Some(half) if half.from <= now => Turn::Now(half),
            Some(half) => Turn::Next(half),
            None => Turn::Never,
        }
    }

    fn overlap(&self, now: Timestamp) -> Option<Error> {
        let openings = self.openings(now, usize::MAX);
        // By their begin: whatever overlaps at all overlaps with its neighbour.
        openings.windows(2).find_map(|pair| {
            let [first, second] = pair else { return None };
            (second.from < first.until).then(|| Error::Overlap {
                first: first.window.clone(),
                second: second.window.clone(),
                at: told(second.from),
            })
        })
    }
}

impl Opening {
    /// By the clock and not by agreement, so that the sites never take the same turn, not even while neither sees the other.
    fn half(self, place: Place) -> Self {
        let middle = self.from + self.until.duration_since(self.from) / 2;
        match place {
            Place::First => Self {
                until: middle,
                ..self
            },
            Place::Second => Self { from: middle, ..self },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The first time of the weekly window is 3 hours from Sunday the 6th of December, 01:00 in Malaysia.
    const WEEKLY: (&str, &str, &str, Option<&str>) = (
        "ahad-malam",
        "2026-12-06T01:00:00+08:00",
        "2026-12-06T04:00:00+08:00",
        Some("FREQ=WEEKLY;BYDAY=SU"),
    );
    const ONCE: (&str, &str, &str, Option<&str>) = (
        "tukar-suis",
        "2026-12-08T22:00:00+08:00",
        "2026-12-09T02:00:00+08:00",
        None,
    );

    fn spec(windows: &[(&str, &str, &str, Option<&str>)]) -> Maintenance {
        let windows: Vec<_> = windows
            .iter()
            .map(|(name, start, end, recurrence)| {
                json!({"name": name, "start": start, "end": end, "recurrence": recurrence})
            })
            .collect();
        serde_json::from_value(json!({ "windows": windows })).unwrap()
    }

    fn schedule(windows: &[(&str, &str, &str, Option<&str>)]) -> Schedule {
        Schedule::of(&spec(windows), at("2026-11-24T00:00:00Z")).unwrap()
    }

    fn said(turn: Turn) -> String {
        let opening = |word: &str, opening: Opening| {
            format!(
                "{word} {} {} {}",
                opening.window,
                told(opening.from),
                told(opening.until)
            )
        };
        match turn {
            Turn::Now(turn) => opening("now", turn),
            Turn::Next(turn) => opening("next", turn),
            Turn::Never => "never".to_owned(),
        }
    }

    const FIRSTS: &str = "ahad-malam 2026-12-06T01:00:00+08:00 2026-12-06T02:30:00+08:00";
    const OTHER: &str = "ahad-malam 2026-12-06T02:30:00+08:00 2026-12-06T04:00:00+08:00";
    const OTHER_WEEK_LATER: &str = "ahad-malam 2026-12-13T02:30:00+08:00 2026-12-13T04:00:00+08:00";
    const FIRSTS_WEEK_LATER: &str = "ahad-malam 2026-12-13T01:00:00+08:00 2026-12-13T02:30:00+08:00";

    #[rstest]
    #[case::before("2026-12-05T16:59:59Z", Place::First, "next", FIRSTS)]
    #[case::at_its_begin("2026-12-05T17:00:00Z", Place::First, "now", FIRSTS)]
    #[case::nearly_over("2026-12-05T18:24:59Z", Place::First, "now", FIRSTS)]
    #[case::in_its_last_moments("2026-12-05T18:25:00Z", Place::First, "next", FIRSTS_WEEK_LATER)]
    #[case::while_it_is_the_firsts("2026-12-05T18:29:59Z", Place::Second, "next", OTHER)]
    #[case::at_half_time("2026-12-05T18:30:00Z", Place::Second, "now", OTHER)]
    #[case::nearly_over_for_the_other("2026-12-05T19:54:59Z", Place::Second, "now", OTHER)]
    #[case::over_for_the_other("2026-12-05T19:55:00Z", Place::Second, "next", OTHER_WEEK_LATER)]
    fn a_site_has_one_half_of_a_window(
        #[case] now: &str,
        #[case] place: Place,
        #[case] word: &str,
        #[case] turn: &str,
    ) {
        assert_eq!(
            said(schedule(&[WEEKLY]).turn(place, at(now))),
            format!("{word} {turn}")
        );
    }

    #[test]
    fn it_is_never_the_turn_of_both() {
        let schedule = schedule(&[WEEKLY, ONCE]);
        let mut turns = [0, 0];
        for minute in 0..60 * 24 * 14 {
            let now = at("2026-12-01T00:00:00Z") + SignedDuration::from_mins(minute);
            let open =
                [Place::First, Place::Second].map(|place| matches!(schedule.turn(place, now), Turn::Now(_)));
            assert_ne!(open, [true, true], "{now}");
            turns[0] += i32::from(open[0]);
            turns[1] += i32::from(open[1]);
        }
        // Two of 90 minutes and one of 120, each less its last 5 minutes.
        assert_eq!(turns, [285, 285]);
    }

    #[test]
    fn what_is_said_to_be_next_is_now_when_it_comes() {
        let schedule = schedule(&[WEEKLY, ONCE]);
        for hour in 0..24 * 60 {
            let now = at("2026-11-24T00:30:00Z") + SignedDuration::from_hours(hour);
            for place in [Place::First, Place::Second] {
                if let Turn::Next(next) = schedule.turn(place, now) {
                    assert!(next.from > now);
                    assert_eq!(schedule.turn(place, next.from), Turn::Now(next));
                }
            }
        }
    }

    #[test]
    fn the_window_that_is_nearest_is_next() {
        let schedule = schedule(&[WEEKLY, ONCE]);
        let turn = said(schedule.turn(Place::First, at("2026-12-06T10:00:00Z")));
        assert_eq!(
            turn,
            "next tukar-suis 2026-12-08T22:00:00+08:00 2026-12-09T00:00:00+08:00"
        );
    }

    #[test]
    fn a_window_that_goes_past_midnight_is_open_on_the_day_after() {
        let turn = said(schedule(&[ONCE]).turn(Place::Second, at("2026-12-08T17:00:00Z")));
        assert_eq!(
            turn,
            "now tukar-suis 2026-12-09T00:00:00+08:00 2026-12-09T02:00:00+08:00"
        );
    }

    #[test]
    fn after_the_last_window_there_is_none() {
        let ended = (
            "a",
            WEEKLY.1,
            WEEKLY.2,
            Some("FREQ=WEEKLY;BYDAY=SU;UNTIL=20261212T170000Z"),
        );
        assert_eq!(
            schedule(&[ONCE]).turn(Place::First, at("2026-12-08T18:00:00Z")),
            Turn::Never
        );
        let schedule = schedule(&[ended]);
        assert!(matches!(
            schedule.turn(Place::First, at("2026-12-12T17:00:00Z")),
            Turn::Now(_)
        ));
        assert_eq!(
            schedule.turn(Place::First, at("2026-12-12T20:00:00Z")),
            Turn::Never
        );
    }

    #[test]
    fn the_rarest_window_is_seen_from_its_last_time() {
        let yearly = (
            "a",
            "2026-12-06T01:00:00+08:00",
            "2026-12-06T04:00:00+08:00",
            Some("FREQ=MONTHLY;INTERVAL=12;BYDAY=1SU"),
        );
        let turn = said(schedule(&[yearly]).turn(Place::First, at("2026-12-06T00:00:00Z")));
        assert_eq!(turn, "next a 2027-12-05T01:00:00+08:00 2027-12-05T02:30:00+08:00");
    }

    #[test]
    fn a_start_in_another_zone_is_the_same_moment_and_the_day_of_malaysia() {
        let elsewhere = ("a", "2026-12-05T17:00:00Z", "2026-12-05T20:00:00Z", WEEKLY.3);
        let (here, there) = (schedule(&[WEEKLY]), schedule(&[elsewhere]));
        let now = at("2026-12-07T00:00:00Z");
        let from = |schedule: &Schedule| {
            schedule
                .openings(now, 3)
                .iter()
                .map(|opening| opening.from)
                .collect::<Vec<_>>()
        };
        assert_eq!(from(&here), from(&there));
    }

    #[rstest]
    #[case::touching("2026-12-20T04:00:00+08:00", "2026-12-20T05:00:00+08:00", None)]
    #[case::touching_before("2026-12-20T00:00:00+08:00", "2026-12-20T01:00:00+08:00", None)]
    #[case::overlapping_the_end(
        "2026-12-20T03:59:59+08:00",
        "2026-12-20T05:00:00+08:00",
        Some("2026-12-20T03:59:59+08:00")
    )]
    #[case::overlapping_the_begin(
        "2026-12-20T00:00:00+08:00",
        "2026-12-20T01:00:01+08:00",
        Some("2026-12-20T01:00:00+08:00")
    )]
    #[case::within(
        "2026-12-20T02:00:00+08:00",
        "2026-12-20T03:00:00+08:00",
        Some("2026-12-20T02:00:00+08:00")
    )]
    fn a_window_that_recurs_overlaps_with_none(
        #[case] start: &str,
        #[case] end: &str,
        #[case] overlap: Option<&str>,
    ) {
        let windows = spec(&[WEEKLY, ("sekali", start, end, None)]);
        let found = Schedule::of(&windows, at("2026-11-24T00:00:00Z"));
        let told = found.err().map(|error| error.to_string());
        assert_eq!(told.is_some(), overlap.is_some(), "{told:?}");
        if let (Some(told), Some(at)) = (told, overlap) {
            assert!(
                told.contains("ahad-malam") && told.contains("sekali") && told.contains(at),
                "{told}"
            );
        }
    }
}
