//! Sessions that the old primary has still to answer when it is stopped, and must never answer.

use std::time::Duration;

use anyhow::ensure;

use super::observer::{Observer, Session};
use crate::network::Site;

const SESSIONS: usize = 4;
/// How long a copy that goes on is listened to.
const LISTENING: Duration = Duration::from_secs(8);

pub struct Silence(Vec<Session>);

impl Silence {
    /// Logs in by this site's door, whose store must not have been stopped yet.
    pub async fn open(observer: &Observer, door: Site) -> anyhow::Result<Silence> {
        Ok(Silence(observer.idle(SESSIONS, door).await?))
    }

    /// Asks each session for an answer.
    pub async fn ask(mut self) -> Silence {
        for session in &mut self.0 {
            // A connection that is gone already says nothing either.
            let _ = session.imap.say("UID FETCH 1:* (FLAGS)").await;
        }
        self
    }

    /// Fails if anything comes, once the stopped copy has gone on.
    pub async fn listen(mut self) -> anyhow::Result<String> {
        tokio::time::sleep(LISTENING).await;
        for session in &mut self.0 {
            let line = tokio::time::timeout(Duration::from_millis(200), session.imap.line()).await;
            ensure!(
                !matches!(line, Ok(Ok(_))),
                "the copy that went on answered {line:?}"
            );
        }
        Ok(format!(
            "{} commands it still owed were never answered",
            self.0.len()
        ))
    }
}
