//! What was done so that one site's state stands: pure.

use std::fmt;

use serde::Serialize;

use super::{
    super::diff::wanted::{Kind, Named},
    decision::{Reason, Step},
};

/// For people and for programs.
#[derive(Debug, Serialize)]
pub struct Receipt {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    /// The context whose state stands.
    from: String,
    /// The other one.
    to: String,
    done: Done,
    /// Namespace and name of the Secret, in the other cluster, with what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Done {
    /// The spec at the other site.
    Replaced,
    /// The object at the other site.
    Deleted,
    /// The object is as good as new, and the mirror makes it at the other site.
    Renewed,
    /// It is the same at both.
    Same,
    /// The mirror makes it at the other site anyway.
    New,
    /// It is being deleted anyway.
    Deleting,
}

impl Receipt {
    pub fn of(object: &Named, step: Step, [from, to]: [&str; 2], kept: Option<String>) -> Self {
        Self {
            kind: object.kind,
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            done: match step {
                Step::Replace => Done::Replaced,
                Step::Delete => Done::Deleted,
                Step::Renew => Done::Renewed,
                Step::Nothing(Reason::Same) => Done::Same,
                Step::Nothing(Reason::New) => Done::New,
                Step::Nothing(Reason::Goes) => Done::Deleting,
            },
            kept,
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
            from,
            to,
            done,
            kept,
        } = self;
        let object = Named {
            kind: *kind,
            namespace: namespace.clone(),
            name: name.clone(),
        };
        let object = object.text();
        match done {
            Done::Replaced => write!(f, "{object}: {to} has the spec of {from} now")?,
            Done::Deleted => write!(f, "{object}: deleted at {to}, as at {from}")?,
            Done::Renewed => write!(
                f,
                "{object}: it counts as new at {from}, and the mirror makes it at {to}"
            )?,
            Done::Same => write!(f, "{object}: {from} and {to} have the same; nothing was done")?,
            Done::New => write!(
                f,
                "{object}: it is new at {from}, and the mirror makes it at {to}; nothing was done. If it stays away, the operator at {to} \
                 says why: kubectl -n govuc-system logs -l app.kubernetes.io/component=operator --tail=-1"
            )?,
            Done::Deleting => write!(f, "{object}: it is being deleted already; nothing was done")?,
        }
        match kept {
            Some(secret) => write!(f, ". What was there is in Secret {secret} at {to}"),
            None => Ok(()),
        }
    }
}
