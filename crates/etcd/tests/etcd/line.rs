//! A line to a member that can be held: what the client has said then arrives late, or never.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use govuc_etcd::Endpoint;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync,
    task::JoinSet,
};

use crate::eventually;

/// What is said later than this after a line was held is lost: so a request is held, and what the client says when it
/// gives up waiting is not.
const SAID: Duration = Duration::from_millis(300);

pub struct Line {
    endpoint: Endpoint,
    connections: Arc<Mutex<Vec<Arc<Connection>>>>,
    said: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

struct Connection {
    towards_member: sync::Mutex<TowardsMember>,
}

struct TowardsMember {
    stream: OwnedWriteHalf,
    state: State,
}

enum State {
    Open,
    /// Held as soon as the member says something.
    AfterAnswer,
    Held {
        since: Option<Instant>,
        said: Vec<u8>,
    },
    /// What was held has arrived, and so much was answered since.
    Late {
        answered: usize,
    },
}

impl Line {
    pub async fn to(member: &Endpoint) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint {
            address: listener.local_addr().unwrap().to_string(),
            server_name: member.server_name.clone(),
        };
        let connections: Arc<Mutex<Vec<Arc<Connection>>>> = Arc::default();
        let said: Arc<AtomicUsize> = Arc::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(
            listener,
            member.address.clone(),
            connections.clone(),
            said.clone(),
        ));
        Self {
            endpoint,
            connections,
            said,
            _accepting: accepting,
        }
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// What is said from now on on the connections there are waits for [`Line::release`]. New connections are open.
    pub async fn hold(&self) {
        for connection in self.connections() {
            connection.towards_member.lock().await.state = State::held();
        }
    }

    /// As [`Line::hold`], from the member's next word on.
    pub async fn hold_after_answer(&self) {
        for connection in self.connections() {
            connection.towards_member.lock().await.state = State::AfterAnswer;
        }
    }

    /// What was held arrives. What is answered to it does not.
    pub async fn release(&self) {
        let mut released = 0;
        for connection in self.connections() {
            let mut towards = connection.towards_member.lock().await;
            if let State::Held { said, .. } = &mut towards.state {
                let said = std::mem::take(said);
                released += said.len();
                towards.state = State::Late { answered: 0 };
                towards.stream.write_all(&said).await.unwrap();
            }
        }
        assert!(released > 0, "nothing was held");
    }

    /// Waits until something is held, all of it.
    pub async fn held(&self) {
        eventually("something is held", async || {
            for connection in self.connections() {
                if let State::Held {
                    since: Some(since), ..
                } = connection.towards_member.lock().await.state
                    && since.elapsed() > SAID
                {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// How much clients have said.
    pub fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }

    /// Whether the member has said something to what arrived late.
    pub async fn is_answered_late(&self) -> bool {
        for connection in self.connections() {
            if matches!(
                connection.towards_member.lock().await.state,
                State::Late { answered: 1.. }
            ) {
                return true;
            }
        }
        false
    }

    fn connections(&self) -> Vec<Arc<Connection>> {
        self.connections.lock().unwrap().clone()
    }
}

impl State {
    fn held() -> Self {
        State::Held {
            since: None,
            said: Vec::new(),
        }
    }
}

async fn accept(
    listener: TcpListener,
    member: String,
    connections: Arc<Mutex<Vec<Arc<Connection>>>>,
    said: Arc<AtomicUsize>,
) {
    let mut carrying = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let Ok(stream) = TcpStream::connect(&member).await else {
            continue;
        };
        let (from_member, to_member) = stream.into_split();
        let (from_client, to_client) = client.into_split();
        let connection = Arc::new(Connection {
            towards_member: sync::Mutex::new(TowardsMember {
                stream: to_member,
                state: State::Open,
            }),
        });
        connections.lock().unwrap().push(connection.clone());
        carrying.spawn(carry_to_member(from_client, connection.clone(), said.clone()));
        carrying.spawn(carry_to_client(from_member, to_client, connection));
    }
}

async fn carry_to_member(mut client: OwnedReadHalf, connection: Arc<Connection>, all: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 65536];
    loop {
        let read = client.read(&mut buffer).await.unwrap_or(0);
        all.fetch_add(read, Ordering::Relaxed);
        let mut towards = connection.towards_member.lock().await;
        match &mut towards.state {
            // The member is not told that the client of a held line is gone.
            State::Held { .. } | State::Late { .. } if read == 0 => return,
            State::Held { since, said } => {
                if since.get_or_insert_with(Instant::now).elapsed() < SAID {
                    said.extend_from_slice(&buffer[..read]);
                }
            }
            // There is a hole before it.
            State::Late { .. } => {}
            State::Open | State::AfterAnswer if read == 0 => {
                let _ = towards.stream.shutdown().await;
                return;
            }
            State::Open | State::AfterAnswer => {
                let _ = towards.stream.write_all(&buffer[..read]).await;
            }
        }
    }
}

async fn carry_to_client(mut member: OwnedReadHalf, mut client: OwnedWriteHalf, connection: Arc<Connection>) {
    let mut buffer = vec![0; 65536];
    loop {
        let read = member.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            let _ = client.shutdown().await;
            return;
        }
        let mut towards = connection.towards_member.lock().await;
        match &mut towards.state {
            State::AfterAnswer => towards.state = State::held(),
            State::Late { answered } => {
                *answered += read;
                continue;
            }
            State::Open | State::Held { .. } => {}
        }
        drop(towards);
        // A client that is gone: the member is read from all the same.
        let _ = client.write_all(&buffer[..read]).await;
    }
}
