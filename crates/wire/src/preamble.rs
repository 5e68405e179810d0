//! The one line of JSON that precedes the bytes of a connection between two of our programs.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest line accepted, in bytes.
pub const LIMIT: usize = 1024;

/// What the router says before a user's IMAP bytes (ALPN `govuc-imap/1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The account id, or the operator's user.
    pub user: String,
    /// The client's address, for the log.
    pub client: String,
    /// An id that joins the logs of door, router and guard.
    pub session: String,
}

/// What a primary's guard says to its follower's before sync bytes (protocol R3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SyncOffer {
    pub store: String,
    pub era: u64,
    pub term: u64,
    /// The sender's volume.
    pub volume: String,
    pub incarnation: u64,
    /// Which opening of the sender's relay this connection belongs to. A later one ends the connections of those
    /// before it, of which the receiver may not have seen the end.
    pub opening: u64,
}

/// What the follower's guard answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncAnswer {
    pub accepted: bool,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The highest `(era, term)` the answering guard has seen.
    pub era: u64,
    pub term: u64,
    pub volume: String,
    pub incarnation: u64,
}

/// What a primary's guard says to the guard of the copy that it has passed over, before it reads what only that copy has
/// (ALPN `govuc-merge/1`). The answer is a `SyncAnswer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MergeOffer {
    pub store: String,
    pub era: u64,
    pub term: u64,
    /// The volume that etcd names.
    pub passed_over: String,
}

/// What a primary's guard that hears nothing of the roles' etcd asks its follower's (ALPN `govuc-peer/1`, protocol R5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PeerQuestion {
    pub store: String,
    pub era: u64,
    pub term: u64,
    /// The lease to keep alive, if the follower hears etcd.
    pub lease: i64,
}

/// What the follower's guard answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeerReply {
    /// It hears nothing of etcd either, and acquires nothing for a lease's time from now on.
    Promised,
    /// It has kept the lease alive.
    Kept,
    /// It is not the follower of that ballot, or can't say.
    Declined,
}

/// What an operator says to the guard of its own site when a person has decided that it serves without the roles' etcd
/// (ALPN `govuc-hold/1`). The answer is a `HoldAnswer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HoldOrder {
    pub store: String,
    pub operation: String,
    /// Unix seconds after which it is not begun.
    pub not_after: u64,
}

/// Whether it is taken up. Whether it is begun the guard's status says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldAnswer {
    pub accepted: bool,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the connection failed in its first line")]
    Io(#[from] std::io::Error),
    #[error("the connection ended in its first line")]
    Ended,
    #[error("the first line is longer than {LIMIT} bytes")]
    TooLong,
    #[error("the first line is not what was expected")]
    Malformed(#[source] serde_json::Error),
}

/// Reads one line and not a byte more: what follows belongs to the engine.
pub async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T, Error> {
    let mut line = Vec::with_capacity(128);
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Err(Error::Ended);
        }
        if byte[0] == b'\n' {
            return serde_json::from_slice(&line).map_err(Error::Malformed);
        }
        if line.len() == LIMIT {
            return Err(Error::TooLong);
        }
        line.push(byte[0]);
    }
}

/// Writes one line and flushes it.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(value).map_err(Error::Malformed)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ali() -> Session {
        Session {
            user: "3f".into(),
            client: "198.18.0.9".into(),
            session: "a1".into(),
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_the_rest_stays() {
        let mut stream = Vec::new();
        write(&mut stream, &ali()).await.unwrap();
        stream.extend_from_slice(b"a LOGIN");
        let mut rest = stream.as_slice();
        assert_eq!(read::<Session>(&mut rest).await.unwrap(), ali());
        assert_eq!(rest, b"a LOGIN");
    }

    #[tokio::test]
    async fn an_endless_line_is_refused() {
        let stream = vec![b' '; LIMIT + 1];
        assert!(matches!(
            read::<Session>(&mut stream.as_slice()).await,
            Err(Error::TooLong)
        ));
    }

    #[tokio::test]
    async fn an_unknown_field_is_refused() {
        let line = b"{\"user\":\"3f\",\"client\":\"c\",\"session\":\"s\",\"admin\":true}\n";
        assert!(matches!(
            read::<Session>(&mut line.as_slice()).await,
            Err(Error::Malformed(_))
        ));
    }
}
