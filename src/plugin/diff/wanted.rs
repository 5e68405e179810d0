//! Which objects are meant, as kubectl's users write it: pure.

use govuc_api::{GROUP, VERSION};
use serde::Serialize;

/// The kinds that are the same at both sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Kind {
    Agency,
    Mailbox,
}

/// A kind, or one object of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub kind: Kind,
    pub name: Option<String>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    pub kind: Kind,
    pub namespace: Option<String>,
    pub name: String,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    #[error("{0:?} is no kind that both sites have the same of: write agency or mailbox")]
    Kind(String),
    #[error("{0:?} names no object behind the /: write for example mailbox/ali")]
    Name(String),
    #[error("{0:?} names no object: write for example mailbox/ali")]
    NotOne(String),
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Agency, Self::Mailbox];

    /// By any name that kubectl takes for it, or writes.
    fn of(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let (kind, group) = word.split_once('.').unwrap_or((&word, GROUP));
        if group != GROUP && group != format!("{VERSION}.{GROUP}") {
            return None;
        }
        match kind {
            "agency" | "agencies" | "ag" => Some(Self::Agency),
            "mailbox" | "mailboxes" | "mbx" => Some(Self::Mailbox),
            _ => None,
        }
    }

    pub fn plural(self) -> &'static str {
        match self {
            Self::Agency => "agencies",
            Self::Mailbox => "mailboxes",
        }
    }
}

/// A value of the command line.
///
/// # Errors
/// It is neither KIND nor KIND/NAME.
pub fn wanted(text: &str) -> Result<Wanted, WantedError> {
    let (kind, name) = match text.split_once('/') {
        None => (text, None),
        Some((_, "")) => return Err(WantedError::Name(text.to_owned())),
        Some((kind, name)) => (kind, Some(name.to_owned())),
    };
    let kind = Kind::of(kind).ok_or_else(|| WantedError::Kind(kind.to_owned()))?;
    Ok(Wanted { kind, name })
}

/// The same of one object.
///
/// # Errors
/// It is no KIND/NAME.
pub fn one(text: &str) -> Result<Wanted, WantedError> {
    let wanted = wanted(text)?;
    match wanted.name {
        Some(_) => Ok(wanted),
        None => Err(WantedError::NotOne(text.to_owned())),
    }
}

impl Named {
    /// For people.
    pub fn text(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        match namespace {
            Some(namespace) => format!("{kind:?} {name} in {namespace}"),
            None => format!("{kind:?} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("agency", Kind::Agency, None)]
    #[case("Agencies", Kind::Agency, None)]
    #[case("ag/kkr", Kind::Agency, Some("kkr"))]
    #[case("mailboxes.1govuc.gov.my/ali", Kind::Mailbox, Some("ali"))]
    #[case("mailboxes.v1alpha1.1govuc.gov.my", Kind::Mailbox, None)]
    #[case("mbx/ali.ahmad", Kind::Mailbox, Some("ali.ahmad"))]
    fn a_kind_is_known_by_every_name_that_kubectl_takes(
        #[case] text: &str,
        #[case] kind: Kind,
        #[case] name: Option<&str>,
    ) {
        let name = name.map(str::to_owned);
        assert_eq!(wanted(text), Ok(Wanted { kind, name }));
    }

    #[test]
    fn what_is_not_mirrored_is_refused_with_what_is() {
        for text in ["mailstore/mail-1", "mailboxes.example.org", "", "/ali"] {
            let error = wanted(text).unwrap_err().to_string();
            assert!(error.ends_with("write agency or mailbox"), "{error}");
        }
        let error = wanted("mailbox/").unwrap_err().to_string();
        assert!(error.starts_with("\"mailbox/\" names no object"), "{error}");
        let error = one("mailbox").unwrap_err().to_string();
        assert!(error.starts_with("\"mailbox\" names no object"), "{error}");
    }
}
