//! Leases: keys that end unless somebody keeps them alive.

use std::{fmt, time::Duration};

use crate::{
    Code, Error, Etcd,
    client::Repeat,
    wire::{GrantRequest, LeaseRequest, LeaseResponse, Nothing, method},
};

/// Chosen by whoever asks for the lease, so that a grant that was not answered can be revoked all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// One that nobody has.
    pub fn random() -> Self {
        let (_, low) = uuid::Uuid::new_v4().as_u64_pair();
        // 62 random bits and the variant's two, of which the upper is set: never zero, which is no lease.
        Self((low >> 1).cast_signed())
    }
}

/// As etcd's own tools show it.
impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl Etcd {
    /// Has `lease` granted for `ttl`, which etcd takes in whole seconds.
    ///
    /// # Errors
    /// After [`Error::Unknown`] it may be granted later too, and ends by itself then.
    pub async fn grant(&self, lease: LeaseId, ttl: Duration, limit: Duration) -> Result<(), Error> {
        let question = GrantRequest {
            ttl: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            id: lease.0,
        };
        let answer: Result<LeaseResponse, _> =
            self.call(method::GRANT, &question, Repeat::Always, limit).await;
        match answer {
            Ok(granted) if granted.id == lease.0 => Ok(()),
            Ok(granted) => Err(Error::malformed(
                "a grant",
                format!("it is of lease {}", LeaseId(granted.id)),
            )),
            // An attempt that seemed lost: nobody else has this number.
            Err(Error::Rejected {
                code: Code::FailedPrecondition,
                message,
            }) if message.ends_with("lease already exists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Starts the lease's time anew, once. `None`: etcd knows it no more.
    ///
    /// # Errors
    /// After [`Error::Unknown`] it may have been kept.
    pub async fn keep_alive_once(&self, lease: LeaseId, limit: Duration) -> Result<Option<Duration>, Error> {
        let answer = self
            .at_first_well(Repeat::Always, limit, |member, deadline| async move {
                member.keep_alive(lease, deadline).await
            })
            .await?;
        if answer.id != lease.0 {
            let other = LeaseId(answer.id);
            return Err(Error::malformed(
                "a keep-alive",
                format!("it is of lease {other}"),
            ));
        }
        Ok(u64::try_from(answer.ttl)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs))
    }

    /// Ends the lease and with it its keys. One that is gone is no error.
    ///
    /// # Errors
    /// After [`Error::Unknown`] it may have ended.
    pub async fn revoke(&self, lease: LeaseId, limit: Duration) -> Result<(), Error> {
        let question = LeaseRequest { id: lease.0 };
        let answer: Result<Nothing, _> = self.call(method::REVOKE, &question, Repeat::Always, limit).await;
        match answer {
            Ok(_)
            | Err(Error::Rejected {
                code: Code::NotFound, ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leases_number_is_positive_and_its_own() {
        let leases: std::collections::HashSet<_> = (0..1000).map(|_| LeaseId::random()).collect();
        assert_eq!(leases.len(), 1000);
        assert!(leases.iter().all(|lease| lease.0 > 0));
    }
}
