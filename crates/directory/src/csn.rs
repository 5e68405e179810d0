//! How far a provider has come: `contextCSN`.

use std::collections::BTreeMap;

/// The newest change of each provider that the asked one holds. `20261124152622.123456Z#000000#001#000000` is of provider 1;
/// changes of one provider are ordered as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextCsn(BTreeMap<String, String>);

impl ContextCsn {
    pub(crate) fn of_values(values: &[String]) -> Self {
        Self(
            values
                .iter()
                .filter_map(|value| Some((value.split('#').nth(2)?.to_owned(), value.clone())))
                .collect(),
        )
    }

    /// Whether everything `other` holds is here.
    pub fn reaches(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|(provider, theirs)| self.0.get(provider).is_some_and(|ours| ours >= theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csn(values: &[&str]) -> ContextCsn {
        ContextCsn::of_values(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_provider_reaches_another_when_it_has_every_ones_newest_change() {
        let both = csn(&[
            "20261124152622.000001Z#000000#001#000000",
            "20261124152700.000001Z#000000#002#000000",
        ]);
        let behind = csn(&["20261124152622.000000Z#000000#001#000000"]);
        assert!(both.reaches(&behind));
        assert!(both.reaches(&both));
        assert!(!behind.reaches(&both));
        assert!(behind.reaches(&ContextCsn::default()));
    }
}
