//! How far the merge of a copy is that was passed over by a failover: pure.

use govuc_api::{MergeStatus, PassedOver, conditions::reasons};
use govuc_wire::status::Merge;

use super::status::{Copies, Copy};
use crate::conditions::Word;

/// As the primary's guard says. One whose gate is shut may be outdated.
pub fn status(copies: &Copies) -> Option<MergeStatus> {
    let of = |copy: &Copy| {
        let status = copy.said.as_ref().ok().filter(|status| status.gate_open)?;
        Some((status.era, status.term, status.merge.clone()?))
    };
    let told = [of(&copies.own), of(&copies.peer)].into_iter().flatten();
    let (_, _, merge) = told.max_by_key(|(era, term, _)| (*era, *term))?;
    let passed_over = passed_over(copies);
    // It was merged since, or it is another store's past.
    let is_open = copies.recorded.is_none() || passed_over.is_some_and(|it| it.volume == merge.volume);
    is_open.then(|| said(merge))
}

/// Nothing once it is merged, or where there is nothing to merge.
pub fn word(copies: &Copies) -> Option<Word> {
    let merge = status(copies);
    let PassedOver { site, volume, .. } = match (passed_over(copies), &merge) {
        (Some(passed_over), _) => passed_over.clone(),
        (None, Some(merge)) => PassedOver {
            site: merge.site.clone(),
            volume: merge.volume.clone(),
            term: 0,
        },
        (None, None) => return None,
    };
    let copy = format!("volume {volume} of {site} was passed over by a failover");
    let Some(MergeStatus {
        owners: Some(owners),
        owners_done,
        folders,
        messages,
        known,
        message,
        ..
    }) = merge
    else {
        let why = merge.map(|merge| merge.message).filter(|why| !why.is_empty());
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        return Some(Word::yes(
            reasons::AWAITING_COPY,
            format!("{copy} and may have mail that the primary lacks; it has not been read yet{why}"),
        ));
    };
    let why = if message.is_empty() {
        String::new()
    } else {
        format!("; the last attempt failed: {message}")
    };
    Some(Word::yes(
        reasons::MERGING,
        format!(
            "{copy} and is merged: {owners_done} of {owners} accounts are done, {messages} messages and {folders} folders were \
             brought, {known} messages were here{why}"
        ),
    ))
}

fn passed_over(copies: &Copies) -> Option<&PassedOver> {
    copies.recorded.as_ref()?.passed_over.as_ref()
}

fn said(merge: Merge) -> MergeStatus {
    // None of them outgrows it.
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    MergeStatus {
        site: merge.site,
        volume: merge.volume,
        owners: merge.owners.map(number),
        owners_done: number(merge.owners_done),
        folders: number(merge.folders),
        messages: number(merge.messages),
        known: number(merge.known),
        expunged: number(merge.expunged),
        message: merge.last_error.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail_store::status::tests::well;
    use govuc_api::RecordedCopies;

    fn recorded(passed_over: Option<&str>) -> RecordedCopies {
        RecordedCopies {
            era: 2,
            term: 2,
            primary: Some("pdsa1".into()),
            leased: true,
            volume: None,
            paired: false,
            peer_volume: None,
            behind_since: None,
            passed_over: passed_over.map(|volume| PassedOver {
                site: "pdsa2".into(),
                volume: volume.into(),
                term: 1,
            }),
            merged: None,
        }
    }

    fn copies(passed_over: Option<&str>, owners: Option<u64>, error: Option<&str>) -> Copies {
        let mut copies = well();
        copies.recorded = Some(recorded(passed_over));
        copies.own.said.as_mut().unwrap().merge = Some(Merge {
            site: "pdsa2".into(),
            volume: "old".into(),
            owners,
            owners_done: 3,
            folders: 2,
            messages: 5,
            known: 70,
            expunged: 1,
            last_error: error.map(str::to_owned),
        });
        copies
    }

    #[track_caller]
    fn says(copies: &Copies, reason: &str, message: &str) {
        assert_eq!(
            word(copies),
            Some(Word::yes(
                if reason == "Merging" {
                    reasons::MERGING
                } else {
                    reasons::AWAITING_COPY
                },
                message
            ))
        );
    }

    #[test]
    fn a_copy_that_was_passed_over_is_waited_for_and_then_merged() {
        says(
            &copies(Some("old"), None, Some("it can't be reached")),
            "AwaitingCopy",
            "volume old of pdsa2 was passed over by a failover and may have mail that the primary lacks; it has not been read yet: \
             it can't be reached",
        );
        says(
            &copies(Some("old"), Some(9), None),
            "Merging",
            "volume old of pdsa2 was passed over by a failover and is merged: 3 of 9 accounts are done, 5 messages and 2 folders \
             were brought, 70 messages were here",
        );
        let mut silent = copies(Some("old"), Some(9), None);
        silent.own.said = Err("gone".into());
        assert_eq!(status(&silent), None);
        assert!(word(&silent).is_some());
    }

    #[test]
    fn what_is_merged_is_diverged_no_more() {
        for passed_over in [None, Some("another")] {
            assert_eq!(status(&copies(passed_over, Some(9), None)), None);
        }
        assert_eq!(word(&copies(None, Some(9), None)), None);
        assert_eq!(word(&well()), None);
    }
}
