//! What etcd has of a store's copies, and what a copy lacks by that: pure.

use govuc_api::{Extent, Lack, MergedCopy, PassedOver, RecordedCopies};
use govuc_etcd::roles::StoreRecords;
use govuc_roles::record::{Merged, Unmerged};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};

/// `previous` is what the object's status says. `None` for a store that nobody has held.
pub fn of(
    records: &StoreRecords,
    previous: Option<&RecordedCopies>,
    now: Timestamp,
) -> Option<RecordedCopies> {
    let state = &records.state.as_ref()?.record;
    let holder = state.holder.as_ref();
    let given = state.hand_over.as_ref().map(|given| &given.from_volume);
    let volume = holder.map(|holder| &holder.volume).or(given);
    let recorded = RecordedCopies {
        era: number(state.era.0),
        term: number(state.term.0),
        primary: holder.map(|holder| holder.site.to_string()),
        leased: records.lease.is_some(),
        volume: volume.map(|volume| volume.0.clone()),
        paired: state.paired,
        peer_volume: state.peer.as_ref().map(|peer| peer.volume.0.clone()),
        behind_since: None,
        passed_over: state.unmerged.as_ref().map(passed_over),
        merged: state.merged.as_ref().map(merged),
    };
    if recorded.paired {
        return Some(recorded);
    }
    let known = previous.filter(|previous| {
        !previous.paired
            && (previous.era, previous.term, &previous.volume)
                == (recorded.era, recorded.term, &recorded.volume)
    });
    // A primary that lives has measured it just now; one that is gone did so nobody knows when.
    let measured = state.behind.as_ref().filter(|_| recorded.leased);
    let since = measured.and_then(|behind| {
        let span = SignedDuration::from_secs(i64::try_from(behind.seconds).ok()?);
        now.checked_sub(span).ok().map(Time)
    });
    Some(RecordedCopies {
        behind_since: known.and_then(|known| known.behind_since.clone()).or(since),
        ..recorded
    })
}

pub fn passed_over(unmerged: &Unmerged) -> PassedOver {
    PassedOver {
        site: unmerged.site.to_string(),
        volume: unmerged.volume.0.clone(),
        term: number(unmerged.term.0),
    }
}

fn merged(merged: &Merged) -> MergedCopy {
    MergedCopy {
        site: merged.site.to_string(),
        volume: merged.volume.0.clone(),
        folders: number(merged.counts.folders),
        messages: number(merged.counts.messages),
        known: number(merged.counts.known),
        expunged: number(merged.counts.expunged),
    }
}

/// What the copy on `volume` lacks of all that was stored, as far as etcd tells.
pub fn lack(recorded: Option<&RecordedCopies>, volume: Option<&str>) -> Lack {
    let lack = |extent, message: String| Lack {
        extent,
        message,
        since: None,
    };
    let Some(recorded) = recorded else {
        return lack(
            Extent::Unknown,
            "not known: the roles' etcd has not said what the copies have".into(),
        );
    };
    let is = |other: &Option<String>| volume.is_some() && volume == other.as_deref();
    let primary = recorded.primary.as_deref().unwrap_or("the primary");
    if let Some(passed) = &recorded.passed_over
        && volume == Some(passed.volume.as_str())
    {
        let message = format!(
            "all that was stored after term {}, when it was passed over by a failover",
            passed.term
        );
        return lack(Extent::Unknown, message);
    }
    if is(&recorded.volume) {
        return lack(Extent::Nothing, "nothing: it had the store last".into());
    }
    match &recorded.peer_volume {
        peer if is(peer) && recorded.paired => lack(
            Extent::Nothing,
            "nothing: it is recorded to have all that was stored".into(),
        ),
        peer if is(peer) => {
            let since = match &recorded.behind_since {
                Some(Time(since)) => format!("since {since}"),
                None => "since it fell behind, which was not seen".to_owned(),
            };
            Lack {
                since: recorded.behind_since.clone(),
                ..lack(
                    Extent::Changes,
                    format!("what {primary} has stored {since}; how many changes is not known"),
                )
            }
        }
        Some(_) => lack(
            Extent::Unknown,
            "not known, up to everything: the copy that was in step is on another volume".into(),
        ),
        None => lack(
            Extent::Unknown,
            format!(
                "not known, up to everything: it has not been in step since {primary} took the store in term {}",
                recorded.term
            ),
        ),
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_etcd::{
        Revision,
        roles::{Leased, Versioned},
    };
    use rstest::rstest;
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-24T00:10:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Held by pdsa1, on volume a.
    fn records(changes: Value, lives: bool) -> StoreRecords {
        let mut state = json!({
            "era": 1, "term": 4, "holder": {"site": "pdsa1", "volume": "a", "session": "s"},
            "paired": false, "peer": {"volume": "b", "incarnation": 2},
        });
        for (key, value) in changes.as_object().unwrap() {
            state[key] = value.clone();
        }
        let lease = json!({"site": "pdsa1", "session": "s", "era": 1, "term": 4});
        StoreRecords {
            state: Some(Versioned {
                record: serde_json::from_value(state).unwrap(),
                revision: Revision(5),
            }),
            lease: lives.then(|| Leased {
                record: serde_json::from_value(lease).unwrap(),
                lease: None,
            }),
            ..Default::default()
        }
    }

    fn since(recorded: &RecordedCopies) -> Option<String> {
        recorded
            .behind_since
            .as_ref()
            .map(|Time(since)| since.to_string())
    }

    #[rstest]
    #[case::in_step(json!({"paired": true}), true, None)]
    #[case::of_a_primary_that_lives(json!({"behind": {"seconds": 120}}), true, Some("2026-11-24T00:08:00Z"))]
    #[case::of_one_that_may_be_gone_for_long(json!({"behind": {"seconds": 120}}), false, None)]
    #[case::never_in_step(json!({"peer": null}), true, None)]
    fn since_when_a_copy_is_behind_is_said_when_it_can_be_known(
        #[case] changes: Value,
        #[case] lives: bool,
        #[case] says: Option<&str>,
    ) {
        let recorded = of(&records(changes, lives), None, at(NOW)).unwrap();
        assert_eq!(since(&recorded).as_deref(), says);
    }

    /// A status that told the seconds would be written every few of them.
    #[test]
    fn what_was_seen_once_stays_for_the_term() {
        let first = of(&records(json!({"behind": {"seconds": 0}}), true), None, at(NOW)).unwrap();
        let later = at("2026-11-24T00:20:00Z");
        let again = of(
            &records(json!({"behind": {"seconds": 595}}), true),
            Some(&first),
            later,
        );
        assert_eq!(again.as_ref(), Some(&first));
        let gone = of(
            &records(json!({"behind": {"seconds": 595}}), false),
            Some(&first),
            later,
        )
        .unwrap();
        assert!(first.leased && !gone.leased);
        assert_eq!(since(&gone), since(&first));
        let next = of(
            &records(json!({"term": 5, "behind": {"seconds": 5}}), true),
            Some(&first),
            later,
        );
        assert_eq!(since(&next.unwrap()).as_deref(), Some("2026-11-24T00:19:55Z"));
    }

    #[rstest]
    #[case::in_step(json!({"paired": true}), "b", Extent::Nothing, "all that was stored")]
    #[case::the_last_primary(json!({}), "a", Extent::Nothing, "had the store last")]
    #[case::behind(json!({"behind": {"seconds": 60}}), "b", Extent::Changes, "what pdsa1 has stored since 2026-11-24T00:09:00Z")]
    #[case::an_emptied_volume(json!({"paired": true}), "c", Extent::Unknown, "another volume")]
    #[case::never_in_step(json!({"peer": null}), "b", Extent::Unknown, "since pdsa1 took the store in term 4")]
    #[case::passed_over_before(
        json!({"peer": null, "unmerged": {"site": "pdsa2", "volume": "b", "term": 3}}), "b",
        Extent::Unknown, "after term 3")]
    #[case::handed_over_and_not_taken(
        json!({"holder": null, "paired": true, "handOver":
            {"to": "pdsa2", "toVolume": "b", "from": "pdsa1", "fromVolume": "a", "digest": "d"}}), "a",
        Extent::Nothing, "had the store last")]
    fn what_a_copy_lacks_is_said_from_what_etcd_has(
        #[case] changes: Value,
        #[case] volume: &str,
        #[case] extent: Extent,
        #[case] says: &str,
    ) {
        let recorded = of(&records(changes, true), None, at(NOW));
        let lack = lack(recorded.as_ref(), Some(volume));
        assert_eq!(lack.extent, extent, "{}", lack.message);
        assert!(lack.message.contains(says), "{}", lack.message);
    }

    #[test]
    fn nothing_is_promised_of_what_nobody_has_said() {
        assert_eq!(lack(None, Some("b")).extent, Extent::Unknown);
        let recorded = of(&records(json!({"peer": null}), true), None, at(NOW));
        assert_eq!(lack(recorded.as_ref(), None).extent, Extent::Unknown);
    }
}
