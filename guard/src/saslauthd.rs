//! Cyrus' saslauthd socket: the engine asks whether a password is right, and a token is the password.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use govuc_roles::State;
use govuc_wire::{
    names::{OPERATOR_USER, SYNC_USER},
    token::{Purpose, SessionKey, Subject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    time,
};

use crate::{clock::unix_now, turn::View};

/// A question comes at once or not at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the token of a lead has, parted by dots: one more than any other.
const LEADS_FIELDS: usize = 4;
/// Longest user or password, in bytes.
const LONGEST: usize = 1024;

pub struct Saslauthd {
    pub key: Arc<SessionKey>,
    pub store: String,
    pub view: watch::Receiver<View>,
    pub leads: Leads,
}

/// The highest term of a lead that was seen: in etcd, or in an administrator's token. Not kept on the volume: a primary by
/// lease has read etcd before it opens its gate.
#[derive(Clone, Debug, Default)]
pub struct Leads(Arc<AtomicU64>);

impl Leads {
    /// Whether no higher one was seen; if so, it is the highest from now on.
    pub fn admit(&self, term: u64) -> bool {
        self.0.fetch_max(term, Ordering::SeqCst) <= term
    }
}

/// `mux` in the folder that the engine's configuration names.
pub fn bind(folder: &Path) -> io::Result<UnixListener> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("mux");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

impl Saslauthd {
    /// Answers for ever.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely; it passes.
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let saslauthd = self.clone();
            tokio::spawn(async move {
                // An engine that asks badly gets no answer, which is a refusal.
                if !matches!(
                    time::timeout(PATIENCE, saslauthd.answer(stream)).await,
                    Ok(Ok(()))
                ) {
                    tracing::warn!("a question for a password broke off");
                }
            });
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> io::Result<()> {
        let [user, password, _service, _realm] = [
            string(&mut stream).await?,
            string(&mut stream).await?,
            string(&mut stream).await?,
            string(&mut stream).await?,
        ];
        let verdict = if self.is_right(&user, &password) {
            "OK"
        } else {
            "NO"
        };
        write_string(&mut stream, verdict).await
    }

    fn is_right(&self, user: &str, token: &str) -> bool {
        let view = self.view.borrow().clone();
        let purpose = match user {
            SYNC_USER => Purpose::Sync,
            // Whoever administers the store is the lead's operator, whose token says its term, or this guard.
            OPERATOR_USER if token.split('.').count() == LEADS_FIELDS => Purpose::Admin,
            OPERATOR_USER => Purpose::Own,
            _ => Purpose::Session,
        };
        // A follower takes only sync, and its era is that of the handshake that was accepted last (R3). A copy in quarantine is
        // read in the same way; its guard passes nothing but questions.
        let may = match purpose {
            Purpose::Sync => matches!(view.state, State::Follower | State::Quarantine),
            Purpose::Admin | Purpose::Own | Purpose::Session => view.state.serves(),
        };
        let subject = Subject {
            purpose,
            user,
            store: &self.store,
            era: view.highest.ballot.era.0,
        };
        let now = unix_now().unwrap_or_default();
        let verified = match purpose {
            Purpose::Admin => self.key.verify_of_lead(token, subject, now).map(Some),
            _ => self.key.verify(token, subject, now).map(|()| None),
        };
        match verified {
            Ok(_) if !may => {
                tracing::warn!(user, state = %view.state, "a good token in a state that takes none");
                false
            }
            Ok(Some(term)) if !self.leads.admit(term) => {
                tracing::warn!(term, "a lead that was replaced is refused");
                false
            }
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(user, %error, "a token is refused");
                false
            }
        }
    }
}

/// One counted string: a 16-bit length, big-endian, and as many bytes.
async fn string(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let length = usize::from(stream.read_u16().await?);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn write_string(stream: &mut (impl AsyncWrite + Unpin), text: &'static str) -> io::Result<()> {
    // "OK" and "NO" have two bytes.
    stream.write_u16(text.len() as u16).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{SystemTime, UNIX_EPOCH};

    use govuc_roles::{Ballot, Evidence, Role, SlotCopy, VolumeId};

    fn saslauthd(state: State, era: u64) -> Saslauthd {
        let view = View {
            state,
            role: Role::Follower,
            highest: Evidence {
                ballot: Ballot::new(era, 1),
                holder: None,
            },
            copy: SlotCopy {
                volume: VolumeId("v".into()),
                incarnation: 1,
            },
            since: UNIX_EPOCH,
            deadline: None,
            hold: None,
            assignment_error: None,
        };
        Saslauthd {
            key: Arc::new(SessionKey::new(&[7; 32]).unwrap()),
            store: "mail-1".into(),
            view: watch::channel(view).1,
            leads: Leads::default(),
        }
    }

    /// The administrator's, of the lead of this term.
    fn token_of_lead(term: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let subject = Subject {
            purpose: Purpose::Admin,
            user: OPERATOR_USER,
            store: "mail-1",
            era: 1,
        };
        SessionKey::new(&[7; 32])
            .unwrap()
            .mint_of_lead(subject, term, now)
    }

    fn token(purpose: Purpose, user: &str, era: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        SessionKey::new(&[7; 32]).unwrap().mint(
            Subject {
                purpose,
                user,
                store: "mail-1",
                era,
            },
            now,
        )
    }

    async fn ask(saslauthd: Saslauthd, user: &str, password: &str) -> String {
        let (near, mut far) = UnixStream::pair().unwrap();
        for field in [user, password, "imap", ""] {
            far.write_u16(field.len() as u16).await.unwrap();
            far.write_all(field.as_bytes()).await.unwrap();
        }
        saslauthd.answer(near).await.unwrap();
        string(&mut far).await.unwrap()
    }

    #[tokio::test]
    async fn a_user_with_a_session_token_may_log_in_where_the_gate_is_open() {
        let token = token(Purpose::Session, "3f", 1);
        assert_eq!(ask(saslauthd(State::Alone, 1), "3f", &token).await, "OK");
        assert_eq!(ask(saslauthd(State::Promoting, 1), "3f", &token).await, "NO");
        assert_eq!(ask(saslauthd(State::Follower, 1), "3f", &token).await, "NO");
    }

    #[tokio::test]
    async fn a_copy_in_quarantine_is_read_by_its_peer_and_takes_no_user() {
        let sync = token(Purpose::Sync, SYNC_USER, 1);
        assert_eq!(ask(saslauthd(State::Quarantine, 1), SYNC_USER, &sync).await, "OK");
        assert_eq!(ask(saslauthd(State::Quarantine, 2), SYNC_USER, &sync).await, "NO");
        assert_eq!(ask(saslauthd(State::Alone, 1), SYNC_USER, &sync).await, "NO");
        let session = token(Purpose::Session, "3f", 1);
        assert_eq!(ask(saslauthd(State::Quarantine, 1), "3f", &session).await, "NO");
        let admin = token(Purpose::Admin, OPERATOR_USER, 1);
        assert_eq!(
            ask(saslauthd(State::Quarantine, 1), OPERATOR_USER, &admin).await,
            "NO"
        );
    }

    #[tokio::test]
    async fn a_session_token_makes_no_administrator() {
        let session = token(Purpose::Session, OPERATOR_USER, 1);
        assert_eq!(
            ask(saslauthd(State::Alone, 1), OPERATOR_USER, &session).await,
            "NO"
        );
        for administrators in [token_of_lead(1), token(Purpose::Own, OPERATOR_USER, 1)] {
            assert_eq!(
                ask(saslauthd(State::Alone, 1), OPERATOR_USER, &administrators).await,
                "OK"
            );
        }
        let without_a_term = token(Purpose::Admin, OPERATOR_USER, 1);
        assert_eq!(
            ask(saslauthd(State::Alone, 1), OPERATOR_USER, &without_a_term).await,
            "NO"
        );
    }

    #[tokio::test]
    async fn an_older_leads_administrator_is_refused_once_a_newer_one_was_seen() {
        let leads = Leads::default();
        let guarded = || Saslauthd {
            leads: leads.clone(),
            ..saslauthd(State::Alone, 1)
        };
        for (term, verdict) in [(3, "OK"), (3, "OK"), (2, "NO"), (4, "OK"), (3, "NO")] {
            let said = ask(guarded(), OPERATOR_USER, &token_of_lead(term)).await;
            assert_eq!(said, verdict, "term {term}");
        }
        // Etcd says so before the new one has come.
        leads.admit(9);
        assert_eq!(ask(guarded(), OPERATOR_USER, &token_of_lead(8)).await, "NO");
        assert_eq!(ask(guarded(), OPERATOR_USER, &token_of_lead(9)).await, "OK");
    }

    #[tokio::test]
    async fn the_peers_engine_may_sync_into_a_follower_only_and_in_its_own_era() {
        let sync = token(Purpose::Sync, SYNC_USER, 1);
        assert_eq!(ask(saslauthd(State::Follower, 1), SYNC_USER, &sync).await, "OK");
        assert_eq!(ask(saslauthd(State::Follower, 2), SYNC_USER, &sync).await, "NO");
        assert_eq!(ask(saslauthd(State::Alone, 1), SYNC_USER, &sync).await, "NO");
    }

    #[tokio::test]
    async fn a_password_that_is_no_token_is_refused() {
        assert_eq!(ask(saslauthd(State::Alone, 1), "3f", "secret").await, "NO");
        assert_eq!(ask(saslauthd(State::Alone, 1), "3f", "").await, "NO");
    }

    #[tokio::test]
    async fn an_endless_string_is_not_read() {
        let mut stream: &[u8] = &[0xff, 0xff, b'x'];
        assert!(string(&mut stream).await.is_err());
    }
}
