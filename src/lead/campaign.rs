//! Asks for the lead, keeps it, and gives it up.

use std::sync::Arc;

use govuc_etcd::{
    Error as EtcdError, LeaseId,
    roles::{LeadTaken, Roles},
};
use govuc_roles::{
    Site,
    record::Session,
    timing::{self, Moment, Timing},
};
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Candidacy, Directories, Known, Lead, Step, Taken,
    office::{Ground, Mandate, Office},
};
use crate::{controller::chain, telemetry::Metrics};

const TIMING: Timing = Timing::PROTOCOL;

/// One process' campaign. Only the replica that acts in its cluster has one.
pub struct Campaign {
    site: Site,
    session: Session,
    office: Arc<Office>,
    directories: Arc<dyn Directories>,
    metrics: Metrics,
    /// Since when nobody leads, as far as was seen.
    vacant: Option<Moment>,
    /// When something was last heard of who leads.
    heard: Option<Moment>,
    /// Whether nothing was in the way of that since; said once.
    hears: bool,
}

/// What came of an attempt to keep the lead.
enum Kept {
    Until(Moment),
    /// No answer.
    Unknown,
    Lost,
}

impl Campaign {
    pub fn new(
        site: Site,
        office: Arc<Office>,
        directories: impl Directories + 'static,
        metrics: Metrics,
    ) -> Self {
        Self {
            site,
            session: Session(Uuid::new_v4().to_string()),
            office,
            directories: Arc::new(directories),
            metrics,
            vacant: None,
            heard: None,
            hears: true,
        }
    }

    /// Campaigns until `stop`, and gives the lead up then if it is held. Whatever acts as the lead has ended by then.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut grounds = self.office.ground();
        while !stop.is_cancelled() {
            let ground = grounds.borrow_and_update().clone();
            let roles = ground.as_ref().and_then(|ground| ground.roles.clone());
            let (Some(ground), Some(roles)) = (&ground, roles) else {
                self.stand_by(ground.as_deref());
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = grounds.changed() => if changed.is_err() { return },
                }
                continue;
            };
            if let Some(taken) = self.stand(ground, &roles).await {
                tracing::info!(term = taken.term.0, "this site has the lead");
                self.hold(ground, taken, &stop).await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = time::sleep(timing::READ_AGAIN) => {}
            }
        }
        self.say(Known::Nothing, None);
    }

    /// Without an etcd to ask: Platform alone says who leads, or there is none yet.
    fn stand_by(&self, ground: Option<&Ground>) {
        self.say(Known::Nothing, None);
        if let Some(installation) = ground.map(|ground| &ground.installation)
            && !installation.leases()
        {
            self.metrics
                .leads(&Lead::assigned_to(installation.first(), &installation.own.name));
        }
    }

    fn say(&self, known: Known, mandate: Option<Mandate>) {
        self.office.say(known, mandate);
        self.metrics.leads(&self.office.lead());
    }

    fn here(&self) -> Known {
        Known::Site(self.site.as_str().to_owned())
    }

    /// Looks who leads, and takes the lead if it is to be had.
    async fn stand(&mut self, ground: &Ground, roles: &Roles) -> Option<LeadTaken<Moment>> {
        match self.attempt(ground, roles).await {
            Ok(taken) => taken,
            Err(error) => {
                // Another was faster.
                if !matches!(error, EtcdError::Refused(_)) && self.hears {
                    tracing::info!(error = chain(&error), "the roles' etcd does not say who leads");
                    self.hears = false;
                }
                // Whoever led when it was last heard may not any more.
                let long_ago = |heard: Moment| self.office.now().since(heard) > TIMING.ttl;
                if self.heard.is_none_or(long_ago) {
                    self.vacant = None;
                    self.say(Known::Nothing, None);
                }
                None
            }
        }
    }

    async fn attempt(
        &mut self,
        ground: &Ground,
        roles: &Roles,
    ) -> Result<Option<LeadTaken<Moment>>, EtcdError> {
        let sent = self.office.now();
        let reading = roles.read_lead(timing::ATTEMPT).await?;
        self.heard = Some(sent);
        self.hears = true;
        if let Some(lead) = &reading.lead {
            self.vacant = None;
            self.say(Known::Site(lead.site.as_str().to_owned()), None);
            return Ok(None);
        }
        self.say(Known::Nobody, None);
        let vacant = *self.vacant.get_or_insert(sent);
        let candidacy = Candidacy {
            place: ground.installation.place,
            written: self.directories.written(ground).await,
            vacant,
        };
        let Step::Take(term) = candidacy.step(&reading, self.office.now()) else {
            return Ok(None);
        };
        let me = (&self.site, &self.session);
        let now = || self.office.now();
        roles
            .take_lead(&reading, me, term, TIMING.ttl, now, timing::ATTEMPT)
            .await
            .map(Some)
    }

    /// Keeps the lead until it is lost, outranked, or asked to stop; and acts once it has taken over.
    async fn hold(&mut self, ground: &Ground, taken: LeadTaken<Moment>, stop: &CancellationToken) {
        let (lease, term) = (taken.lease, taken.term.0);
        let mut until = taken.sent + TIMING.deadline;
        self.say(self.here(), None);
        let directories = self.directories.clone();
        let mut takeover = directories.take_over(ground, term);
        let mut over = false;
        let mut again = time::interval(TIMING.renew);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                taken = &mut takeover, if !over => match taken {
                    Taken::Over => {
                        over = true;
                        tracing::info!(term, "this site leads");
                    }
                    Taken::Outranked => {
                        tracing::warn!(term, "the directory knows a lead of a higher term");
                        break;
                    }
                },
                _ = again.tick() => match self.keep(lease).await {
                    Kept::Until(later) => until = later,
                    Kept::Unknown => {}
                    Kept::Lost => break,
                },
            }
            if self.office.now() >= until {
                tracing::warn!(term, "the lead was not kept in time");
                break;
            }
            self.say(self.here(), over.then_some(Mandate { term, until }));
        }
        // Before anybody else can have it.
        self.say(Known::Nothing, None);
        self.give_up(lease).await;
        tracing::info!(term, "this site does not lead any more");
    }

    async fn keep(&self, lease: LeaseId) -> Kept {
        let Some(roles) = self.roles() else {
            tracing::info!("Platform has no witness any more");
            return Kept::Lost;
        };
        let sent = self.office.now();
        match roles.etcd().keep_alive_once(lease, timing::ATTEMPT).await {
            Ok(Some(_)) => Kept::Until(sent + TIMING.deadline),
            Ok(None) => Kept::Lost,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the lead is not kept");
                Kept::Unknown
            }
        }
    }

    async fn give_up(&self, lease: LeaseId) {
        if let Some(roles) = self.roles()
            && let Err(error) = roles.release(lease, timing::ATTEMPT).await
        {
            tracing::warn!(
                error = chain(&error),
                "the lead is not given back; it runs out by itself"
            );
        }
    }

    /// By the operator's present certificate.
    fn roles(&self) -> Option<Roles> {
        self.office.ground().borrow().as_ref()?.roles.clone()
    }
}
