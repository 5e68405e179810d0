//! What can go wrong with a call.

use kube::Resource;

use super::DEADLINE;

#[derive(Debug, thiserror::Error)]
#[error("{verb} {kind} {name} failed")]
pub struct Error {
    verb: &'static str,
    kind: String,
    name: String,
    #[source]
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("the API server refused or did not answer")]
    Api(#[source] Box<kube::Error>),
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("the object can't be written as JSON, or its answer can't be read")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// For metrics.
    pub fn label(&self) -> &'static str {
        match &self.source {
            Cause::Api(_) => "api",
            Cause::Deadline => "deadline",
            Cause::Json(_) => "json",
        }
    }

    /// What the API server said, if it does not take the object as it is: to try it again changes nothing.
    pub fn refusal(&self) -> Option<&str> {
        let Cause::Api(error) = &self.source else {
            return None;
        };
        let kube::Error::Api(status) = &**error else {
            return None;
        };
        let refused = status.is_invalid() || status.is_forbidden() || status.code == 400;
        refused.then_some(&status.message)
    }

    /// The object, or the namespace it was to be in, is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(&self.source, Cause::Api(error) if matches!(&**error, kube::Error::Api(status) if status.is_not_found()))
    }
}

/// What went wrong with an object of this kind.
pub(super) fn error<K: Resource<DynamicType = ()>>(verb: &'static str, name: &str, source: Cause) -> Error {
    Error {
        verb,
        kind: K::kind(&()).into_owned(),
        name: name.to_owned(),
        source,
    }
}
