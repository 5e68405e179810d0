//! Time passes: clocks, leases, and what guards do when they look at them.

use std::time::Duration;

use govuc_roles::{Commitment, Event, PeerAnswer, timing::Moment};

use crate::{
    etcd::Late,
    mutants::Mutant,
    slot::{At, Guard, Pause},
    turn::Turn,
};

const TICK: Duration = Duration::from_secs(1);

impl Turn<'_> {
    /// A tick passes everywhere. `strays` is whose clock goes otherwise, and by how many ticks instead of one; `late` is
    /// to whom no answer about its lease comes in time.
    pub fn pass(&mut self, strays: Option<(At, u32)>, late: Option<At>) {
        self.world.etcd_mut().age();
        for at in At::BOTH {
            let slot = self.world.slot_mut(at);
            if let Some(Late::Acquire { lease, .. }) = &mut slot.late {
                lease.left -= 1;
            }
            let Some(guard) = &mut slot.guard else { continue };
            if let Some(acquire) = &mut guard.acquire {
                acquire.left = acquire.left.saturating_sub(1);
            }
            match guard.pause {
                Pause::Frozen => guard.lagging = true,
                Pause::None | Pause::Stopped => {
                    let ticks = strays.filter(|(who, _)| *who == at).map_or(1, |(_, ticks)| ticks);
                    guard.now = guard.now + TICK * ticks;
                }
            }
        }
        for at in At::BOTH {
            self.look_at_the_clock(at, late == Some(at));
        }
    }

    fn look_at_the_clock(&mut self, at: At, late: bool) {
        if self.world.running(at).is_none() {
            return;
        }
        if !self.world.reaches_etcd(at) && self.world.guard(at).is_some_and(|guard| guard.commit.is_some()) {
            if let Some(guard) = self.world.guard_mut(at) {
                guard.commit = None;
            }
            self.tell(at, Event::Committed(Commitment::Unknown));
        }
        let replies = self.step(at, Event::Tick);
        if replies.keeps {
            self.keep(at, late);
        }
        if replies.asks {
            self.ask(at, late);
        }
        if self.is(Mutant::NoSelfFence)
            && let Some(guard) = self.world.guard(at)
        {
            let sent = guard.now;
            self.tell(at, Event::Kept { sent });
        }
        self.read(at);
    }

    fn keep(&mut self, at: At, late: bool) {
        let ttl = self.rules.ttl();
        if !self.world.reaches_etcd(at) {
            return;
        }
        let Some(guard) = self.world.guard(at) else { return };
        let (session, sent) = (guard.session.clone(), guard.now);
        if !self.world.etcd.leased_to(&session) {
            self.read(at);
            return self.tell(at, Event::LeaseLost);
        }
        if let Some(lease) = &mut self.world.etcd_mut().lease {
            lease.left = ttl;
        }
        self.hear(
            at,
            late,
            sent,
            |guard| &mut guard.kept,
            |sent| Event::Kept { sent },
        );
    }

    fn ask(&mut self, at: At, late: bool) {
        let ttl = self.rules.ttl();
        let [there, back] = [at, at.peer()].map(|from| self.world.net.link[from.index()]);
        if !there || self.world.running(at.peer()).is_none() {
            return;
        }
        let Some(guard) = self.world.guard(at) else { return };
        let (session, sent, ballot) = (guard.session.clone(), guard.now, guard.machine.highest().ballot);
        let mut answer = self.step(at.peer(), Event::Asked(ballot)).peer;
        let held = self.world.reaches_etcd(at.peer()) && self.world.etcd.leased_to(&session);
        if answer == Some(PeerAnswer::KeepAlive) && !held {
            answer = self.step(at.peer(), Event::AskedInVain(ballot)).peer;
        }
        match answer {
            Some(PeerAnswer::Promise) if back => {
                self.hear(
                    at,
                    late,
                    sent,
                    |guard| &mut guard.promised,
                    |sent| Event::Promised { sent },
                );
            }
            Some(PeerAnswer::KeepAlive) => {
                if let Some(lease) = &mut self.world.etcd_mut().lease {
                    lease.left = ttl;
                }
                if back {
                    self.hear(
                        at,
                        late,
                        sent,
                        |guard| &mut guard.kept,
                        |sent| Event::Kept { sent },
                    );
                }
            }
            _ => {}
        }
    }

    fn hear(
        &mut self,
        at: At,
        late: bool,
        sent: Moment,
        place: fn(&mut Guard) -> &mut Option<Moment>,
        event: fn(Moment) -> Event,
    ) {
        if late {
            if let Some(guard) = self.world.guard_mut(at) {
                *place(guard) = Some(sent);
            }
        } else {
            self.tell(at, event(sent));
        }
    }

    /// A late answer comes.
    pub fn hear_late(&mut self, at: At) {
        let from_answer = self.is(Mutant::DeadlineFromAnswer);
        let Some(guard) = self.world.guard_mut(at) else {
            return;
        };
        let now = guard.now;
        let of = |sent| if from_answer { now } else { sent };
        let event = match (guard.kept.take(), guard.promised.take()) {
            (Some(sent), _) => Event::Kept { sent: of(sent) },
            (None, Some(sent)) => Event::Promised { sent: of(sent) },
            (None, None) => return,
        };
        self.tell(at, event);
    }
}
