//! What became of a hold.

use std::fmt;

use govuc_api::HoldState;
use serde::Serialize;

/// What became of it for one store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub store: String,
    pub operation: String,
    pub state: HoldState,
    pub to: String,
    /// Whether the site serves.
    pub serves: bool,
    /// From the command until it served, or could not.
    pub seconds: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt {
            store,
            operation,
            state,
            to,
            serves,
            seconds,
            message,
        } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} ")?;
        match (serves, state) {
            (true, HoldState::Settled) => write!(f, "was held at {to}")?,
            (true, _) => write!(f, "is held at {to} since {seconds:.1} s after the command")?,
            (false, HoldState::Held) => return write!(f, "is held at {to} and not served: {message}"),
            (false, _) => return write!(f, "is not held at {to}. {state:?}: {message}"),
        }
        write!(f, ", operation {operation}; {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::it_serves(
        HoldState::Held,
        true,
        "is held at pdsa1 since 17.2 s after the command, operation ho-1; why"
    )]
    #[case::etcd_came_back(HoldState::Settled, true, "was held at pdsa1, operation ho-1; why")]
    #[case::the_engine_does_not_start(HoldState::Held, false, "is held at pdsa1 and not served: why")]
    #[case::refused(HoldState::Refused, false, "is not held at pdsa1. Refused: why")]
    #[case::nothing_was_heard(HoldState::Pending, false, "is not held at pdsa1. Pending: why")]
    fn the_receipt_says_whether_people_are_served(
        #[case] state: HoldState,
        #[case] serves: bool,
        #[case] says: &str,
    ) {
        let receipt = Receipt {
            store: "mail-1".into(),
            operation: "ho-1".into(),
            state,
            to: "pdsa1".into(),
            serves,
            seconds: 17.2,
            message: "why".into(),
        };
        assert_eq!(
            receipt.to_string(),
            format!("mailstore.1govuc.gov.my/mail-1 {says}")
        );
    }
}
