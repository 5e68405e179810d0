//! All members together: which is asked, and what becomes of a request that one did not answer.

use std::{sync::Arc, time::Duration};

use govuc_wire::tls::{Files, Material};
use prost::Message;
use tokio::time::{self, Instant};

use crate::{
    Endpoint, Error, Tried,
    connection::CONNECT,
    credentials::Credentials,
    error::Failure,
    member::{Member, Needs},
};

/// Before all members are asked again.
const BETWEEN: Duration = Duration::from_millis(200);
/// They are not with less time left than this for an answer: a change that is sent and not answered is one that nobody
/// knows of.
const LEAST: Duration = Duration::from_millis(300);

/// How to reach the roles' etcd.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The members in order of preference: that of the own site first.
    pub endpoints: Vec<Endpoint>,
    /// `tls.crt`, `tls.key` and `ca.crt`, read again for each connection.
    pub tls: Files,
}

/// The client of the roles' etcd. Cheap to clone; connects when it is first asked, and anew after a failure.
///
/// Every request goes to the first member that is well, and is tried until it has an answer or its `limit` is over, but
/// never longer, whatever etcd does. A member that failed is passed over until it has shown beside the requests that it is back; only when all have failed
/// are failed ones asked, that which failed longest ago first.
#[derive(Clone)]
pub struct Etcd(Arc<Inner>);

struct Inner {
    members: Vec<Arc<Member>>,
    credentials: Arc<Credentials>,
}

/// What to do with a request that was sent to a member and not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Send it to the next: doing it twice is doing it once.
    Always,
    /// Leave it: only the caller can tell whether it was done.
    UnlessSent,
}

impl Etcd {
    /// # Errors
    /// [`Error::NoMember`], [`Error::Certificate`] when the files can't be used, [`Error::Malformed`] for an endpoint with
    /// an impossible name. Nothing is sent yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let credentials = Credentials::new(settings.tls);
        credentials.config()?;
        Self::of(settings.endpoints, credentials)
    }

    /// As [`Etcd::new`], of a program that has its certificate in memory.
    ///
    /// # Errors
    /// As [`Etcd::new`].
    pub fn with_material(endpoints: Vec<Endpoint>, material: &Material) -> Result<Self, Error> {
        Self::of(endpoints, Credentials::held(material)?)
    }

    fn of(endpoints: Vec<Endpoint>, credentials: Credentials) -> Result<Self, Error> {
        let credentials = Arc::new(credentials);
        let members: Vec<_> = endpoints
            .into_iter()
            .map(|endpoint| Member::new(endpoint, credentials.clone()).map(Arc::new))
            .collect::<Result<_, _>>()?;
        if members.is_empty() {
            return Err(Error::NoMember);
        }
        Ok(Self(Arc::new(Inner { members, credentials })))
    }

    /// As [`Etcd::new`], and asks whether a member answers.
    ///
    /// # Errors
    /// Those of [`Etcd::new`], and why no member answered within `limit`.
    pub async fn connect(settings: Settings, limit: Duration) -> Result<Self, Error> {
        let etcd = Self::new(settings)?;
        etcd.range(crate::roles::PREFIX, limit).await?;
        Ok(etcd)
    }

    /// The members in order of preference.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.members.iter().map(|member| member.endpoint())
    }

    pub(crate) async fn call<A: Message + Default>(
        &self,
        method: &'static str,
        question: &impl Message,
        repeat: Repeat,
        limit: Duration,
    ) -> Result<A, Error> {
        self.at_first_well(repeat, limit, |member, deadline| async move {
            member.ask(method, Needs::Leader, question, deadline).await
        })
        .await
    }

    /// Tries the members one after the other, and all of them again, until `limit`.
    pub(crate) async fn at_first_well<T, F>(
        &self,
        repeat: Repeat,
        limit: Duration,
        ask: impl Fn(Arc<Member>, Instant) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = Instant::now() + limit;
        let mut open = false;
        loop {
            let members = self.in_order();
            let mut tried = Tried::default();
            let mut unauthorised = 0;
            for (asked, member) in members.iter().enumerate() {
                let now = Instant::now();
                if now >= deadline {
                    break;
                }
                let attempt = match repeat {
                    Repeat::Always => now + share(deadline - now, members.len() - asked),
                    Repeat::UnlessSent => deadline,
                };
                let failure = match ask(member.clone(), attempt).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => failure,
                };
                tracing::debug!(member = %member.endpoint(), %failure, "etcd was asked in vain");
                tried.note(member.endpoint(), &failure);
                match failure {
                    Failure::NotDone(_) => {}
                    Failure::Unauthorised(_) => unauthorised += 1,
                    Failure::Open(_) if repeat == Repeat::Always => open = true,
                    last => return Err(last.into_error(tried)),
                }
            }
            if unauthorised == members.len() {
                return Err(Error::Unauthorised(tried));
            }
            // While the members choose a leader each of them says at once that it has none.
            if Instant::now() + BETWEEN + LEAST < deadline {
                time::sleep(BETWEEN).await;
            } else if open {
                return Err(Error::Unknown(tried));
            } else {
                return Err(Error::Unreachable(tried));
            }
        }
    }

    /// A member that may not be among the known ones, with the same certificate.
    pub(crate) fn member(&self, endpoint: &Endpoint) -> Result<Arc<Member>, Error> {
        let known = self.0.members.iter().find(|member| member.endpoint() == endpoint);
        match known {
            Some(member) => Ok(member.clone()),
            None => Member::new(endpoint.clone(), self.0.credentials.clone()).map(Arc::new),
        }
    }

    fn in_order(&self) -> Vec<Arc<Member>> {
        let mut members = self.0.members.clone();
        for member in &members {
            member.probe_if_failed();
        }
        // Stable: those that are well keep their order.
        members.sort_by_key(|member| member.failed());
        members
    }
}

/// How much of the time that is left one of so many members gets.
fn share(left: Duration, members: usize) -> Duration {
    let equal = left / u32::try_from(members.max(1)).unwrap_or(u32::MAX);
    equal.max(CONNECT).min(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_member_leaves_time_for_the_next() {
        let seconds = Duration::from_secs;
        assert_eq!(share(seconds(2), 3), seconds(1));
        assert_eq!(share(seconds(9), 3), seconds(3));
        assert_eq!(share(seconds(1) / 2, 3), seconds(1) / 2);
        assert_eq!(share(seconds(5), 1), seconds(5));
    }
}
