//! What is known of an object in one cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

/// SHA-256 of a canonical spec, behind the number of the schema it was read by: `3:9f86d0…`. Specs of two schemas can't be
/// compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpecHash {
    schema: u32,
    digest: String,
}

/// Both sides had this spec once, and whatever either has had since came after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Agreement {
    /// Rises with each agreement; the higher one is the later.
    pub seq: u64,
    pub spec: SpecHash,
}

/// The uid of the object: another one where it was deleted and made anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(pub String);

/// The peer's object as it was when something was agreed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Partner {
    #[serde(rename = "uid")]
    pub lineage: Lineage,
    /// The API server counts an object's specs, and never back: a lower one later means a cluster restored from a backup.
    pub generation: i64,
}

/// One cluster's object. A spec and the agreement that the mirror writes with it change together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    pub lineage: Lineage,
    pub generation: i64,
    /// The peer's object when something was agreed last: one of another lineage where two people made the same.
    pub partner: Option<Partner>,
    pub spec: SpecHash,
    /// None: as far as this cluster knows the object was never at both sites.
    pub agreed: Option<Agreement>,
    /// The peer's object was seen with the same agreement. What was only seen to be the same may have changed meanwhile.
    pub confirmed: bool,
    /// It was deleted, and goes when the mirror lets it.
    pub leaving: bool,
}

/// What was seen last of the other cluster's object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// Nothing, or not everything: a list that was cut short, or an unknown cluster.
    Unknown,
    /// A complete list did not have it.
    Absent,
    /// The same of a cluster that was restored from a backup: what it lacks was not deleted.
    Lost,
    Replica(Replica),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a schema's number, a colon and a SHA-256 in hexadecimal")]
pub struct SpecHashError(String);

impl Replica {
    /// As it is noted at the other side when something is agreed.
    pub fn as_partner(&self) -> Partner {
        Partner {
            lineage: self.lineage.clone(),
            generation: self.generation,
        }
    }
}

impl SpecHash {
    pub fn new(schema: u32, digest: [u8; 32]) -> Self {
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { schema, digest }
    }

    pub fn schema(&self) -> u32 {
        self.schema
    }

    /// In hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.schema, self.digest)
    }
}

impl From<SpecHash> for String {
    fn from(hash: SpecHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for SpecHash {
    type Error = SpecHashError;

    fn try_from(text: String) -> Result<Self, SpecHashError> {
        let parsed = text.split_once(':').and_then(|(schema, digest)| {
            let hexadecimal = digest
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            (hexadecimal && digest.len() == 64).then_some(Self {
                schema: schema.parse().ok()?,
                digest: digest.to_owned(),
            })
        });
        parsed.ok_or(SpecHashError(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_hash_reads_as_it_is_written() {
        let hash = SpecHash::new(3, [0xa5; 32]);
        assert_eq!(hash.to_string(), format!("3:{}", "a5".repeat(32)));
        assert_eq!(SpecHash::try_from(hash.to_string()), Ok(hash));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::no_schema(&"a5".repeat(32))]
    #[case::no_number("x:00")]
    #[case::short("3:a5")]
    #[case::in_capitals(&format!("3:{}", "A5".repeat(32)))]
    fn what_is_no_hash_is_refused(#[case] text: &str) {
        assert_eq!(
            SpecHash::try_from(text.to_owned()),
            Err(SpecHashError(text.to_owned()))
        );
    }
}
