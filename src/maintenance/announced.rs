//! Since when both clusters have a window: pure, and `now` is given.
//!
//! Each site says in the roles' etcd which windows it has and since when. A window is announced once both have the same, at the later
//! of the two times, which is one time for both. So it is never dated back, and a window that changes is announced anew.

use std::collections::BTreeMap;

use govuc_api::{Maintenance, MaintenanceWindow, WindowStatus};
use govuc_roles::record::WindowRecord;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::Opening;
use crate::part::pod;

/// The windows of a site, by name.
pub type Records = BTreeMap<String, WindowRecord>;

/// What both sites said of their windows.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub own: &'a Records,
    /// Empty as long as the other site has said nothing.
    pub peer: &'a Records,
}

/// Of when a window is. Times in another zone that are the same moments are the same window.
pub fn digest(window: &MaintenanceWindow) -> String {
    let recurrence = window.recurrence.clone().unwrap_or_default();
    pod::digest([window.start.0.to_string(), window.end.0.to_string(), recurrence])
}

/// What this site is to say: of a window that it has said so already the same, of another one that it has it since now.
/// `said` is none if etcd has nothing of this site, as one that was begun anew; what was announced before stays so then.
pub fn records(
    spec: Option<&Maintenance>,
    said: Option<&Records>,
    status: &[WindowStatus],
    now: Timestamp,
) -> Records {
    let windows = spec.iter().flat_map(|spec| &spec.windows);
    let record = |window: &MaintenanceWindow| {
        let digest = digest(window);
        let known = match said {
            Some(said) => said
                .get(&window.name)
                .filter(|said| said.digest == digest)
                .map(|said| said.since),
            None => announced(status, &window.name, &digest).map(|at| seconds(at.0)),
        };
        let since = known.unwrap_or_else(|| seconds(now));
        (window.name.clone(), WindowRecord { digest, since })
    };
    windows.map(record).collect()
}

/// What the status says of every window. While nothing is heard of etcd, what was announced stays so.
pub fn statuses(
    spec: Option<&Maintenance>,
    openings: &[Opening],
    said: Option<Said<'_>>,
    status: &[WindowStatus],
) -> Vec<WindowStatus> {
    let windows = spec.iter().flat_map(|spec| &spec.windows);
    let of = |window: &MaintenanceWindow| {
        let digest = digest(window);
        let announced_at = match said {
            Some(said) => both_since(said, &window.name, &digest),
            None => announced(status, &window.name, &digest).cloned(),
        };
        let next = openings.iter().find(|opening| opening.window == window.name);
        WindowStatus {
            name: window.name.clone(),
            digest,
            announced_at,
            next: next.map(|opening| Time(opening.from)),
        }
    };
    windows.map(of).collect()
}

fn both_since(said: Said<'_>, name: &str, digest: &str) -> Option<Time> {
    let since = |records: &Records| {
        let record = records.get(name).filter(|record| record.digest == digest)?;
        Some(record.since)
    };
    let later = since(said.own)?.max(since(said.peer)?);
    Timestamp::from_second(i64::try_from(later).ok()?).ok().map(Time)
}

/// When a window was announced, if it is still the same.
pub fn announced<'a>(status: &'a [WindowStatus], name: &str, digest: &str) -> Option<&'a Time> {
    let same = |window: &&WindowStatus| window.name == name && window.digest == digest;
    status.iter().find(same)?.announced_at.as_ref()
}

/// Upwards: a moment is not before what it is said to be.
fn seconds(time: Timestamp) -> u64 {
    let up = i64::from(time.subsec_nanosecond() > 0);
    u64::try_from(time.as_second() + up).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const END: &str = "2026-12-06T04:00:00+08:00";

    fn spec(end: &str) -> Maintenance {
        let window = json!({"name": "ahad-malam", "start": "2026-12-06T01:00:00+08:00", "end": end});
        serde_json::from_value(json!({"windows": [window]})).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + seconds).unwrap()
    }

    fn since(records: &Records) -> i64 {
        i64::try_from(records["ahad-malam"].since).unwrap() - 1_780_000_000
    }

    /// What a site says that has the window to `end` since then.
    fn says(end: &str, seconds: i64) -> Records {
        records(Some(&spec(end)), Some(&Records::new()), &[], at(seconds))
    }

    fn status(end: &str, announced: Option<i64>) -> Vec<WindowStatus> {
        vec![WindowStatus {
            name: "ahad-malam".into(),
            digest: digest(&spec(end).windows[0]),
            announced_at: announced.map(|seconds| Time(at(seconds))),
            next: None,
        }]
    }

    fn told(own: &Records, peer: &Records) -> Option<Timestamp> {
        let said = Said { own, peer };
        let mut told = statuses(Some(&spec(END)), &[], Some(said), &status(END, Some(1)));
        told.remove(0).announced_at.map(|at| at.0)
    }

    #[test]
    fn the_same_moments_are_the_same_window_however_they_are_written() {
        let digest = |end| digest(&spec(end).windows[0]);
        assert_eq!(digest(END), digest("2026-12-05T20:00:00Z"));
        assert_ne!(digest(END), digest("2026-12-05T20:00:01Z"));
    }

    #[test]
    fn a_site_has_a_window_since_it_first_had_it_as_it_is() {
        let first = says(END, 10);
        let again = |end, said| since(&records(Some(&spec(end)), said, &[], at(20)));
        assert_eq!(again(END, Some(&first)), 10);
        assert_eq!(again("2026-12-06T05:00:00+08:00", Some(&first)), 20);
        assert_eq!(again(END, None), 20);
        assert!(records(None, Some(&first), &[], at(20)).is_empty());
    }

    #[rstest]
    #[case::the_same(status(END, Some(12)), 12)]
    #[case::another_window(status("2026-12-06T05:00:00+08:00", Some(12)), 20)]
    #[case::not_announced(status(END, None), 20)]
    fn in_an_etcd_that_was_begun_anew_what_was_announced_stays(
        #[case] status: Vec<WindowStatus>,
        #[case] expected: i64,
    ) {
        let own = records(Some(&spec(END)), None, &status, at(20));
        assert_eq!(since(&own), expected);
        // One that etcd has nothing of beside others is new, whatever was announced once.
        let beside = records(Some(&spec(END)), Some(&Records::new()), &status, at(20));
        assert_eq!(since(&beside), 20);
    }

    #[rstest]
    #[case::the_peer_came_later(10, says(END, 30), Some(30))]
    #[case::the_own_site_came_later(30, says(END, 10), Some(30))]
    #[case::the_peer_has_said_nothing(10, Records::new(), None)]
    #[case::the_peer_has_another(10, says("2026-12-06T05:00:00+08:00", 30), None)]
    fn a_window_is_announced_once_both_have_it_and_at_the_later_time(
        #[case] own: i64,
        #[case] peer: Records,
        #[case] expected: Option<i64>,
    ) {
        let own = says(END, own);
        assert_eq!(told(&own, &peer), expected.map(at));
        if !peer.is_empty() && expected.is_some() {
            assert_eq!(told(&own, &peer), told(&peer, &own), "one time for both");
        }
    }

    #[test]
    fn while_nothing_is_heard_a_window_stays_announced_and_a_changed_one_is_not() {
        let silent = |end: &str| {
            let mut told = statuses(Some(&spec(end)), &[], None, &status(END, Some(12)));
            told.remove(0).announced_at.map(|at| at.0)
        };
        assert_eq!(silent(END), Some(at(12)));
        assert_eq!(silent("2026-12-06T05:00:00+08:00"), None);
    }

    #[test]
    fn a_time_is_never_put_before_what_it_was() {
        let half = at(10) + std::time::Duration::from_millis(500);
        let own = records(Some(&spec(END)), Some(&Records::new()), &[], half);
        assert_eq!(since(&own), 11);
    }

    #[test]
    fn the_next_time_is_the_windows_own() {
        let opening = |window: &str, seconds| Opening {
            window: window.into(),
            from: at(seconds),
            until: at(seconds + 1),
        };
        let openings = [opening("sekali", 1), opening("ahad-malam", 2)];
        let told = statuses(Some(&spec(END)), &openings, None, &[]);
        assert_eq!(told[0].next, Some(Time(at(2))));
        assert_eq!(statuses(None, &openings, None, &[]), []);
    }
}
