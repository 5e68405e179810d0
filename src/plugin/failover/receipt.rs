//! How a failover ended.

use std::fmt;

use govuc_api::{FailoverState, Lack, PassedOver};
use serde::Serialize;

use super::prospect::Prospect;

/// How it ended for one store.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub store: String,
    pub operation: String,
    pub state: FailoverState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub era: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Lack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<PassedOver>,
    /// From the command to the end.
    pub seconds: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Receipt {
    /// With nothing in it that only the operator knows.
    pub fn of(prospect: &Prospect, operation: &str, state: FailoverState, message: String) -> Self {
        Self {
            store: prospect.store.clone(),
            operation: operation.to_owned(),
            state,
            from: prospect.from.clone(),
            to: prospect.to.clone(),
            era: None,
            term: None,
            lacks: None,
            passed_over: None,
            seconds: 0.0,
            message,
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt {
            store,
            operation,
            to,
            seconds,
            message,
            ..
        } = self;
        write!(f, "mailstore.1govuc.gov.my/{store} ")?;
        if self.state != FailoverState::Done {
            return write!(f, "was not forced to {to}. {:?}: {message}", self.state);
        }
        write!(f, "forced to {to} in {seconds:.1} s")?;
        if let (Some(era), Some(term)) = (self.era, self.term) {
            write!(f, ", era {era}, term {term}")?;
        }
        write!(f, ", operation {operation}")?;
        if !message.is_empty() {
            write!(f, "; {message}")?;
        }
        if let Some(lacks) = &self.lacks {
            write!(f, "\n  missing at {to}: {}", lacks.message)?;
        }
        if let Some(PassedOver { site, volume, term }) = &self.passed_over {
            write!(
                f,
                "\n  passed over: the copy at {site} (volume {volume}, last served in term {term}). What it has alone is \
                 merged when it comes back; keep it until then"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Extent;

    #[test]
    fn the_receipt_says_what_is_missing_and_which_copy_to_keep() {
        let lacks = Lack {
            extent: Extent::Changes,
            message: "what pdsa1 has stored since noon".into(),
            since: None,
        };
        let prospect = Prospect {
            store: "mail-1".into(),
            from: Some("pdsa1".into()),
            to: "pdsa2".into(),
            leased: false,
            lacks: lacks.clone(),
            unreachable: Vec::new(),
            refusal: None,
        };
        let receipt = Receipt {
            era: Some(2),
            term: Some(5),
            lacks: Some(lacks),
            passed_over: Some(PassedOver {
                site: "pdsa1".into(),
                volume: "a".into(),
                term: 4,
            }),
            ..Receipt::of(&prospect, "fo-1", FailoverState::Done, String::new())
        };
        let text = receipt.to_string();
        for part in [
            "era 2, term 5",
            "since noon",
            "copy at pdsa1 (volume a",
            "keep it until then",
        ] {
            assert!(text.contains(part), "without {part:?}: {text}");
        }
    }
}
