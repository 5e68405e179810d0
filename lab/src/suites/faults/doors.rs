//! The public ports of both sites, as somebody outside of them finds them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::join_all;

use crate::machine::Machine;
use crate::network::Site;
use crate::service::{Service, line};

/// Between two looks at all of them.
const PAUSE: Duration = Duration::from_millis(500);

/// What people and mail servers dial at either site.
pub struct Doors(Vec<Public>);

struct Public {
    site: Site,
    /// From where it is dialled.
    machine: Machine,
    at: SocketAddr,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Open,
    /// At once, so that whoever dials tries the next address.
    Refused,
    /// Time ran out, for one.
    Failed(io::ErrorKind),
}

impl Doors {
    pub async fn of(service: &Service) -> anyhow::Result<Doors> {
        let mut doors = Vec::new();
        for site in Site::DATA_CENTRES {
            let (front, mx) = (service.door(site).await?, service.mx(site).await?);
            for (door, port) in [(&front, 993), (&front, 465), (&front, 443), (&mx, 25)] {
                doors.push(Public {
                    site,
                    machine: door.machine.clone(),
                    at: SocketAddr::from((door.address, port)),
                });
            }
        }
        Ok(Doors(doors))
    }

    /// Waits until all are found so, and gives when that was, counted from `start`.
    pub async fn until(&self, wanted: Found, start: Instant, limit: Duration) -> anyhow::Result<Duration> {
        loop {
            let looked = start.elapsed();
            let found = self.look().await;
            if found.iter().all(|found| *found == wanted) {
                return Ok(looked);
            }
            ensure!(
                looked < limit,
                "not every door is {wanted} after {limit:?}: {}",
                self.sentence(&found)
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Fails if any of them is found otherwise within `lasting`. Looks once at least.
    pub async fn ensure(&self, wanted: Found, lasting: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let found = self.look().await;
            ensure!(
                found.iter().all(|found| *found == wanted),
                "not every door is {wanted}: {}",
                self.sentence(&found)
            );
            if start.elapsed() >= lasting {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self) -> Vec<Found> {
        join_all(self.0.iter().map(Public::look)).await
    }

    fn sentence(&self, found: &[Found]) -> String {
        let words = |(public, found): (&Public, &Found)| format!("{} {} {found}", public.site, public.at);
        let words: Vec<String> = self.0.iter().zip(found).map(words).collect();
        words.join(", ")
    }
}

impl Public {
    async fn look(&self) -> Found {
        match line::dial(&self.machine, self.at).await {
            Ok(_) => Found::Open,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Found::Refused,
            Err(error) => Found::Failed(error.kind()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Open => f.write_str("open"),
            Found::Refused => f.write_str("refused"),
            Found::Failed(kind) => write!(f, "neither open nor refused ({kind})"),
        }
    }
}
