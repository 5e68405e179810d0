//! One window of Platform, and the times that it comes: pure.

use govuc_api::MaintenanceWindow;
use k8s_openapi::jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::Date,
    tz::{Offset, TimeZone},
};

use super::recurrence::Recurrence;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    name: String,
    start: Timestamp,
    length: SignedDuration,
    recurrence: Option<Recurrence>,
}

/// One time that a window comes, or the half of it that is one site's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub window: String,
    pub from: Timestamp,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "spec.maintenance.windows: window {window} is from {from} to {until}; a window lasts from 30 minutes to 24 hours: move its end"
    )]
    Length {
        window: String,
        from: String,
        until: String,
    },
    #[error(
        "spec.maintenance.windows: the recurrence of window {window} is {given:?}, which is none that windows can have: write \
         for example FREQ=WEEKLY;BYDAY=SU or FREQ=MONTHLY;BYDAY=1SU"
    )]
    Recurrence { window: String, given: String },
    #[error(
        "spec.maintenance.windows: window {window} starts at {start}, which is not a time at which it comes by {given}: start is \
         the first of them, and not after UNTIL. Move start and end, or correct the recurrence"
    )]
    Start {
        window: String,
        start: String,
        given: String,
    },
}

const SHORTEST: SignedDuration = SignedDuration::from_mins(30);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// The longest time between two that a recurrence can have is twelve months and some days.
const HORIZON_DAYS: i32 = 400;
/// Malaysia has one time, and no summer time.
const MALAYSIA: Offset = Offset::constant(8);

impl Window {
    pub fn of(spec: &MaintenanceWindow) -> Result<Self, Error> {
        let (start, end) = (spec.start.0, spec.end.0);
        let length = end.duration_since(start);
        if length < SHORTEST || length > LONGEST {
            return Err(Error::Length {
                window: spec.name.clone(),
                from: told(start),
                until: told(end),
            });
        }
        let recurrence = spec.recurrence.as_deref().map(|given| {
            given.parse::<Recurrence>().map_err(|_| Error::Recurrence {
                window: spec.name.clone(),
                given: given.to_owned(),
            })
        });
        let window = Self {
            name: spec.name.clone(),
            start,
            length,
            recurrence: recurrence.transpose()?,
        };
        if !window.comes_at_its_start() {
            return Err(Error::Start {
                window: window.name,
                start: told(start),
                given: spec.recurrence.clone().unwrap_or_default(),
            });
        }
        Ok(window)
    }

    fn comes_at_its_start(&self) -> bool {
        let first = local(self.start);
        self.recurrence
            .as_ref()
            .is_none_or(|recurrence| recurrence.comes_on(first, first) && recurrence.reaches(self.start))
    }

    /// Its times that have not ended, in order, as far as the horizon.
    pub fn openings(&self, now: Timestamp) -> impl Iterator<Item = Opening> + '_ {
        let first = local(self.start);
        // One that began yesterday may go on today.
        let from = self.start.max(now - SignedDuration::from_hours(24));
        let days = match self.recurrence {
            Some(_) => HORIZON_DAYS,
            None => 1,
        };
        let scan = match self.recurrence {
            Some(_) => local(from),
            None => first,
        };
        let time = MALAYSIA.to_datetime(self.start).time();
        (0..days)
            .map_while(move |day| scan.checked_add(day.days()).ok())
            .filter(move |date| {
                let recurrence = self.recurrence.as_ref();
                recurrence.is_none_or(|recurrence| recurrence.comes_on(first, *date))
            })
            .filter_map(move |date| MALAYSIA.to_timestamp(date.to_datetime(time)).ok())
            .take_while(|begin| {
                let recurrence = self.recurrence.as_ref();
                recurrence.is_none_or(|recurrence| recurrence.reaches(*begin))
            })
            .filter_map(move |begin| {
                let until = begin.checked_add(self.length).ok()?;
                (until > now).then(|| Opening {
                    window: self.name.clone(),
                    from: begin,
                    until,
                })
            })
    }
}

/// The day in Malaysia.
fn local(time: Timestamp) -> Date {
    MALAYSIA.to_datetime(time).date()
}

/// A time as Malaysians read it.
pub fn told(time: Timestamp) -> String {
    let zoned = time.to_zoned(TimeZone::fixed(MALAYSIA));
    zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const START: &str = "2026-12-06T01:00:00+08:00";

    fn refusal(end: &str, recurrence: Option<&str>) -> String {
        let spec = json!({"name": "pendek", "start": START, "end": end, "recurrence": recurrence});
        let refused = Window::of(&serde_json::from_value(spec).unwrap());
        refused.unwrap_err().to_string()
    }

    #[rstest]
    #[case::of_nought("2026-12-06T01:00:00+08:00")]
    #[case::backwards("2026-12-05T01:00:00+08:00")]
    #[case::too_short("2026-12-06T01:29:59+08:00")]
    #[case::of_400_days("2028-01-10T01:00:00+08:00")]
    fn a_window_lasts_from_half_an_hour_to_a_day(#[case] end: &str) {
        let message = refusal(end, None);
        assert!(
            message.contains("window pendek") && message.contains("move its end"),
            "{message}"
        );
    }

    #[rstest]
    #[case::another_day("FREQ=WEEKLY;BYDAY=MO")]
    #[case::another_sunday("FREQ=MONTHLY;BYDAY=2SU")]
    #[case::over_already("FREQ=WEEKLY;BYDAY=SU;UNTIL=20261201T000000Z")]
    fn a_window_comes_at_its_start(#[case] recurrence: &str) {
        let message = refusal("2026-12-06T04:00:00+08:00", Some(recurrence));
        assert!(
            message.contains("2026-12-06T01:00:00+08:00") && message.contains(recurrence),
            "{message}"
        );
    }
}
