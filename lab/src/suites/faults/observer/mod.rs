//! An observer outside of both sites: people's mail programs that come in by the front doors, remember every answer, and
//! look afterwards whether it was true.

mod client;
mod expected;
mod guards;
mod imap;
mod inventory;
pub mod record;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use client::{Client, Session};
pub use guards::Guards;

use crate::network::Site;
use crate::service::people::{ALI, KUMAR, MEI_LING, SITI};
use crate::service::{Door, Login, Person, Service};
use record::{Change, Entry, PassedOver, Record};

/// Who is observed: the first has many writers at once, the others one each. The second half has the second store.
const PEOPLE: [Person; 4] = [ALI, MEI_LING, SITI, KUMAR];
/// How often each guard is asked who holds its store.
const ASKING: Duration = Duration::from_millis(250);
/// How many writers the first of them has.
const CROWD: u16 = 32;
/// Which store is whose.
const STORE_OF: [usize; 4] = [0, 0, 1, 1];
/// One writer in so many comes in by the other site's door.
const ELSEWHERE: u16 = 8;
/// The findings that are told; more say the same.
const TOLD: usize = 12;
/// How long accepted mail may be on its way when everything is whole.
const DELIVERY: Duration = Duration::from_secs(180);

/// Everything that outlasts a single fault.
pub struct Observer {
    pub service: Service,
    /// The store of the first half of the people, and that of the second.
    pub stores: [String; 2],
    pub guards: Guards,
    pub record: Record,
    doors: BTreeMap<Site, Door>,
    /// What tells this run's folders and messages from those of another one in the same lab.
    run: String,
}

/// Clients at work.
pub struct Load {
    stop: CancellationToken,
    clients: JoinSet<()>,
    /// The writers of the first store who come in by its holder's door.
    pub near: BTreeSet<u16>,
    /// How many write.
    writers: usize,
}

impl Observer {
    /// Gives everybody a password, and begins to follow the guards.
    pub async fn open(service: &Service) -> anyhow::Result<Observer> {
        let mut doors = BTreeMap::new();
        for site in Site::DATA_CENTRES {
            doors.insert(site, service.door(site).await?);
        }
        for person in PEOPLE {
            service.choose_password(&doors[&Site::Pdsa1], person).await?;
        }
        let stores = [service.store_of(ALI).await?, service.store_of(SITI).await?];
        ensure!(stores[0] != stores[1], "both agencies are in {}", stores[0]);
        let mut random = [0; 3];
        SystemRandom::new()
            .fill(&mut random)
            .ok()
            .context("the system's random numbers")?;
        Ok(Observer {
            service: service.clone(),
            guards: Guards::follow(service, &stores, ASKING),
            stores,
            record: Record::default(),
            doors,
            run: hex::encode(random),
        })
    }

    /// What the names of folders and messages of one fault begin with.
    pub fn prefix(&self, fault: &str) -> String {
        format!("{}-{fault}-", self.run)
    }

    /// Lets everybody write, read and submit, and returns once each writer has something stored.
    pub async fn start(&self, fault: &str, holder: Site, limit: Duration) -> anyhow::Result<Load> {
        let mut load = Load {
            stop: CancellationToken::new(),
            clients: JoinSet::new(),
            near: BTreeSet::new(),
            writers: 0,
        };
        let first = self.record.len();
        let other = holder.other();
        for (user, person) in PEOPLE.into_iter().enumerate() {
            let crowd = if user == 0 { CROWD } else { 1 };
            for _ in 0..crowd {
                let writer = u16::try_from(load.writers)?;
                let home = if writer % ELSEWHERE == ELSEWHERE - 1 {
                    other
                } else {
                    holder
                };
                if STORE_OF[user] == 0 && home == holder {
                    load.near.insert(writer);
                }
                let client = self.client(user, writer, person.login(), home, &load.stop);
                let name = format!("{}{writer}", self.prefix(fault));
                load.clients.spawn(writer::write(client, name));
                load.writers += 1;
            }
            for home in Site::DATA_CENTRES {
                let client = self.client(user, 1000 + user as u16, person.login(), home, &load.stop);
                load.clients.spawn(writer::read(client));
            }
        }
        // By either door, to somebody in the own store and to somebody in the other one.
        for (from, to, home) in [
            (0, 1, Site::Pdsa1),
            (0, 2, Site::Pdsa2),
            (2, 0, Site::Pdsa1),
            (2, 3, Site::Pdsa2),
        ] {
            let writer = 2000 + u16::try_from(from * 10 + to)?;
            let client = self.client(to, writer, PEOPLE[from].login(), home, &load.stop);
            let name = format!("{}{writer}", self.prefix(fault));
            load.clients
                .spawn(writer::submit(client, name, PEOPLE[to].address));
        }
        let start = Instant::now();
        while self.wrote(first) < load.writers {
            if start.elapsed() > limit {
                bail!(
                    "{} of {} writers had something stored within {limit:?}",
                    self.wrote(first),
                    load.writers
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(load)
    }

    /// Sessions of the first person at one door, which write nothing by themselves.
    pub async fn idle(&self, count: usize, door: Site) -> anyhow::Result<Vec<Session>> {
        let client = self.client(0, 3000, PEOPLE[0].login(), door, &CancellationToken::new());
        let mut sessions = Vec::new();
        for _ in 0..count {
            let mut session = client.try_door(door, &self.doors[&door]).await?;
            session.imap.command("SELECT INBOX").await?;
            sessions.push(session);
        }
        Ok(sessions)
    }

    /// Logs in as each person and finds everything that was answered as stored in `entries`, in folders that begin
    /// with `prefix`. What is not so is listed by id.
    pub async fn verify(
        &self,
        entries: &[Entry],
        passed_over: Option<PassedOver>,
        prefix: &str,
    ) -> anyhow::Result<()> {
        let mut findings = BTreeSet::new();
        for user in 0..PEOPLE.len() {
            let found = self.found(user, prefix).await?;
            let of_user = entries
                .iter()
                .filter(|entry| entry.user == user && !matches!(entry.change, Change::Submit { .. }));
            findings.extend(expected::findings(of_user, passed_over, &found));
        }
        if findings.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = findings.iter().take(TOLD).map(ToString::to_string).collect();
        bail!(
            "{} things are not as clients were told: {}",
            findings.len(),
            told.join("; ")
        )
    }

    /// Waits until everything that submission accepted is in an INBOX; gives how many and how long it took.
    pub async fn delivered(&self) -> anyhow::Result<String> {
        let start = Instant::now();
        let entries: Vec<Entry> = self
            .record
            .since(0)
            .into_iter()
            .filter(|entry| matches!(entry.change, Change::Submit { .. }))
            .collect();
        loop {
            let mut findings = BTreeSet::new();
            for user in 0..PEOPLE.len() {
                let found = self.found(user, "INBOX").await?;
                findings.extend(expected::findings(
                    entries.iter().filter(|entry| entry.user == user),
                    None,
                    &found,
                ));
            }
            if findings.is_empty() {
                let accepted = record::counts(&entries).accepted;
                ensure!(accepted > 0, "nothing was accepted at all, so nothing was proven");
                return Ok(format!(
                    "{accepted} accepted, the last was there after {:.0} s",
                    start.elapsed().as_secs_f64()
                ));
            }
            if start.elapsed() > DELIVERY {
                let told: Vec<String> = findings.iter().take(TOLD).map(ToString::to_string).collect();
                bail!(
                    "{} accepted messages have not come after {DELIVERY:?}: {}",
                    findings.len(),
                    told.join("; ")
                );
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }

    async fn found(&self, user: usize, prefix: &str) -> anyhow::Result<expected::Found> {
        let login = PEOPLE[user].login();
        let client = self.client(user, 3001, login, Site::Pdsa1, &CancellationToken::new());
        let mut last = None;
        // Whichever door is open: what is asked is what the store has.
        for attempt in 0..8 {
            let Some(mut session) = client.enter(attempt).await else {
                break;
            };
            match inventory::take(&mut session, prefix).await {
                Ok(found) => return Ok(found),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("nobody let the observer in")?)
            .with_context(|| format!("the mailbox of {}", login.user))
    }

    /// How many writers had something stored since.
    fn wrote(&self, first: usize) -> usize {
        let entries = self.record.since(first);
        let writers: BTreeSet<u16> = entries
            .iter()
            .filter(|entry| entry.is_stored())
            .map(|entry| entry.writer)
            .collect();
        writers.len()
    }

    fn client(
        &self,
        user: usize,
        writer: u16,
        login: Login<'static>,
        home: Site,
        stop: &CancellationToken,
    ) -> Client {
        let doors = [home, home.other()]
            .map(|site| (site, self.doors[&site].clone()))
            .into();
        Client {
            store: STORE_OF[user],
            user,
            writer,
            login,
            doors,
            guards: self.guards.view(),
            record: self.record.clone(),
            stop: stop.clone(),
        }
    }
}

impl Load {
    /// Lets everybody end what is under way.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
    }
}
