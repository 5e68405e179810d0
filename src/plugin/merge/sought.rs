//! Which reports are meant: pure.

use govuc_api::{MailStore, MailStoreStatus, PassedOver, RecordedCopies};

/// What the clusters say of a store's merges.
#[derive(Debug, Default, PartialEq)]
pub struct Known {
    /// The volume that was merged last, and its site.
    pub merged: Option<(String, String)>,
    /// A copy that is to be merged still.
    pub passed_over: Option<PassedOver>,
}

impl Known {
    /// By the cluster that has seen the latest term.
    pub fn of<'a>(stores: impl Iterator<Item = &'a MailStore>) -> Self {
        let recorded = |status: &'a MailStoreStatus| status.recorded.as_ref();
        let recorded = stores.filter_map(|store| recorded(store.status.as_ref()?));
        let Some(RecordedCopies {
            merged, passed_over, ..
        }) = recorded.max_by_key(|recorded| (recorded.era, recorded.term, recorded.passed_over.is_none()))
        else {
            return Self::default();
        };
        Self {
            merged: merged
                .as_ref()
                .map(|merged| (merged.volume.clone(), merged.site.clone())),
            passed_over: passed_over.clone(),
        }
    }

    /// The volume whose report is meant, when one was named or none. None: all that are found.
    pub fn volume<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.merged.as_ref().map(|(volume, _)| volume.as_str()))
    }

    /// The site that a volume was at.
    pub fn site(&self, volume: &str) -> Option<&str> {
        if let Some((merged, site)) = &self.merged
            && merged == volume
        {
            return Some(site);
        }
        let passed_over = self.passed_over.as_ref()?;
        (passed_over.volume == volume).then_some(passed_over.site.as_str())
    }

    /// Of what nobody asked for, and should know of.
    pub fn note(&self, store: &str, shown: Option<&str>) -> Option<String> {
        let PassedOver { site, volume, .. } = self.passed_over.as_ref()?;
        (shown != Some(volume)).then(|| {
            format!(
                "volume {volume} of {site} is not merged yet: see condition CopiesDiverged of mailstore {store}. What was brought of \
                 it so far: --volume {volume}"
            )
        })
    }
}

/// Said when nothing was asked for by name, and nothing is there.
pub fn nothing(store: &str, sites: &[String]) -> String {
    let other = if sites.len() == 1 {
        ". The other site may have one: --contexts A,B with the contexts of both"
    } else {
        ""
    };
    format!(
        "No merge found: {store} has no report of one at {}{other}",
        sites.join(" and ")
    )
}

/// Said when the report that is meant is at none of these sites.
pub fn not_found(volume: &str, sites: &[String], found: &[String]) -> String {
    let found = match found {
        [] => String::new(),
        _ => format!("; there are those of {}", found.join(", ")),
    };
    let remedy = if sites.len() == 1 {
        "ask both sites with --contexts A,B: it is on the volume of the site that was primary at the merge"
    } else {
        "none, if the volume of the site that was primary at the merge was emptied or replaced since; status.recorded.merged of \
         the store has the counts of the last merge"
    };
    format!(
        "the report of volume {volume} is not at {}{found}. Remedy: {remedy}",
        sites.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn store(term: i64, changes: Value) -> MailStore {
        let mut recorded = json!({"era": 2, "term": term, "leased": true, "paired": true});
        for (key, value) in changes.as_object().unwrap() {
            recorded[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "1govuc.gov.my/v1alpha1", "kind": "MailStore", "metadata": {"name": "mail-1"},
            "spec": {"preferredSite": "pdsa1"}, "status": {"recorded": recorded},
        }))
        .unwrap()
    }

    fn merged(volume: &str) -> Value {
        json!({"site": "pdsa2", "volume": volume, "folders": 0, "messages": 1, "known": 2, "expunged": 0})
    }

    fn passed_over(volume: &str) -> Value {
        json!({"site": "pdsa1", "volume": volume, "term": 4})
    }

    #[test]
    fn the_last_merge_is_meant_unless_another_one_is_named() {
        // A cluster that was cut off knows of an earlier one.
        let stores = [
            store(7, json!({"merged": merged("new")})),
            store(5, json!({"merged": merged("old")})),
        ];
        let known = Known::of(stores.iter());
        assert_eq!(known.volume(None), Some("new"));
        assert_eq!(known.volume(Some("old")), Some("old"));
        assert_eq!((known.site("new"), known.site("old")), (Some("pdsa2"), None));
        assert_eq!(Known::of(stores.iter().rev()), known);
        assert_eq!(Known::default().volume(None), None);
    }

    #[test]
    fn a_copy_that_waits_to_be_merged_is_told_of_unless_it_is_shown() {
        let store = store(
            7,
            json!({"merged": merged("old"), "passedOver": passed_over("new")}),
        );
        let known = Known::of([&store].into_iter());
        let note = known.note("mail-1", Some("old")).unwrap();
        assert!(note.contains("volume new of pdsa1 is not merged yet"), "{note}");
        assert_eq!(known.note("mail-1", Some("new")), None);
        assert_eq!(known.site("new"), Some("pdsa1"));
        assert_eq!(Known::default().note("mail-1", None), None);
    }

    #[test]
    fn who_asked_one_site_is_sent_to_both() {
        let (one, both) = (["pdsa1".to_owned()], ["pdsa1".to_owned(), "pdsa2".to_owned()]);
        assert!(nothing("mail-1", &one).contains("at pdsa1. The other site may have one: --contexts A,B"));
        assert!(nothing("mail-1", &both).ends_with("at pdsa1 and pdsa2"));
        let said = not_found("v", &one, &["w".to_owned()]);
        assert!(
            said.contains("is not at pdsa1; there are those of w. Remedy: ask both sites"),
            "{said}"
        );
        let said = not_found("v", &both, &[]);
        assert!(
            said.contains("is not at pdsa1 or pdsa2. Remedy: none, if"),
            "{said}"
        );
    }
}
