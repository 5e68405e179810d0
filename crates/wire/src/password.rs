//! What the operator lets the front door tell people about passwords: a JSON file that the router follows.

use serde::{Deserialize, Serialize};

/// The directory is what enforces them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Characters of a new password, at least.
    pub min_length: u32,
    /// How long an account stays locked after too many wrong ones.
    pub lockout_seconds: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_the_operator_writes() {
        let rules = Rules {
            min_length: 12,
            lockout_seconds: 900,
        };
        let json = r#"{"minLength":12,"lockoutSeconds":900}"#;
        assert_eq!(serde_json::to_string(&rules).unwrap(), json);
        assert_eq!(serde_json::from_str::<Rules>(json).unwrap(), rules);
    }
}
