//! Where the campaign makes known who leads, and everybody asks.

use std::sync::Arc;

use futures::{Stream, stream};
use govuc_etcd::{Clock, roles::Roles};
use govuc_roles::timing::Moment;
use tokio::sync::watch;

use super::{Known, Lead};
use crate::platform::Installation;

/// What a campaign is fought on: told by Platform's reconcile, the first to know.
#[derive(Clone)]
pub struct Ground {
    pub installation: Installation,
    /// None without a witness, or before the operator has its certificate for the etcd.
    pub roles: Option<Roles>,
}

/// Who leads, for all who ask.
pub struct Office {
    clock: Clock,
    standing: watch::Sender<Standing>,
    ground: watch::Sender<Option<Arc<Ground>>>,
    /// Sent to when the answer is another, which it is not by being good for longer.
    news: watch::Sender<Lead>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    known: Known,
    mandate: Option<Mandate>,
}

/// This site's right to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mandate {
    pub term: u64,
    /// Past this it may be another's.
    pub until: Moment,
}

impl Default for Office {
    fn default() -> Self {
        Self::new(Clock::boottime())
    }
}

impl Office {
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            standing: watch::Sender::default(),
            ground: watch::Sender::default(),
            news: watch::Sender::default(),
        }
    }

    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Who leads now. A mandate that has run out is none, whether the campaign has noticed or not.
    pub fn lead(&self) -> Lead {
        self.standing.borrow().at(self.now())
    }

    /// Says who leads, and whether this site may act.
    pub fn say(&self, known: Known, mandate: Option<Mandate>) {
        let standing = Standing { known, mandate };
        let lead = standing.at(self.now());
        self.standing.send_replace(standing);
        self.news.send_if_modified(|last| {
            let news = *last != lead;
            *last = lead;
            news
        });
    }

    /// Platform's word of what there is to campaign on.
    pub fn stand_on(&self, ground: Ground) {
        self.ground.send_replace(Some(Arc::new(ground)));
    }

    pub fn ground(&self) -> watch::Receiver<Option<Arc<Ground>>> {
        self.ground.subscribe()
    }

    /// Something whenever who leads has changed.
    pub fn changes(&self) -> impl Stream<Item = Lead> + Send + use<> {
        stream::unfold(self.news.subscribe(), |mut news| async move {
            news.changed().await.ok()?;
            let lead = news.borrow_and_update().clone();
            Some((lead, news))
        })
    }
}

impl Standing {
    fn at(&self, now: Moment) -> Lead {
        Lead {
            known: self.known.clone(),
            term: self
                .mandate
                .filter(|mandate| now < mandate.until)
                .map(|mandate| mandate.term),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        time::Duration,
    };

    use futures::{FutureExt, StreamExt};

    fn at(seconds: u64) -> Moment {
        Moment::new(Duration::from_secs(seconds))
    }

    /// An office whose clock shows what the test sets.
    fn office() -> (Office, Arc<AtomicU64>) {
        let shown = Arc::new(AtomicU64::new(100));
        let clock = shown.clone();
        (
            Office::new(Clock::of(move || at(clock.load(Ordering::SeqCst)))),
            shown,
        )
    }

    fn here() -> Known {
        Known::Site("pdsa1".to_owned())
    }

    #[test]
    fn a_mandate_ends_by_the_clock_alone() {
        let (office, shown) = office();
        let until = at(111);
        office.say(here(), Some(Mandate { term: 4, until }));
        assert_eq!(office.lead().term, Some(4));
        shown.store(111, Ordering::SeqCst);
        assert_eq!(office.lead().term, None);
        assert_eq!(office.lead().site(), Some("pdsa1"));
    }

    #[test]
    fn a_mandate_that_lasts_longer_is_no_news_and_another_is() {
        let (office, _) = office();
        let mut changes = Box::pin(office.changes());
        let mut news = || changes.next().now_or_never().flatten().map(|lead| lead.term);
        assert_eq!(news(), None);
        for (known, mandate, heard) in [
            (
                here(),
                Some(Mandate {
                    term: 4,
                    until: at(111),
                }),
                Some(Some(4)),
            ),
            (
                here(),
                Some(Mandate {
                    term: 4,
                    until: at(114),
                }),
                None,
            ),
            (here(), None, Some(None)),
            (Known::Nobody, None, Some(None)),
            (Known::Nobody, None, None),
        ] {
            office.say(known.clone(), mandate);
            assert_eq!(news(), heard, "{known:?} {mandate:?}");
        }
    }
}
