//! The IMAP commands of an administrator. Each may be repeated.

use std::fmt::Debug;

use async_imap::{Authenticator, Client, Session, error::Error as ImapError};
use govuc_wire::names::OPERATOR_USER;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Error, Tree, folders as wanted_folders};

/// Signs in as the administrator, to act for the named user or for itself.
struct Plain<'a> {
    user: &'a str,
    token: &'a str,
}

impl Authenticator for Plain<'_> {
    type Response = String;

    fn process(&mut self, _: &[u8]) -> String {
        format!("{}\0{OPERATOR_USER}\0{}", self.user, self.token)
    }
}

/// As administrator: the account's inbox, which is the root of its tree, and its quota.
pub(super) async fn inbox_and_quota<S>(stream: S, token: &str, tree: &Tree) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    let mut session = sign_in(stream, "", token).await?;
    let root = format!("user/{}", tree.account);
    create(&mut session, &root, "").await?;
    // The protocol counts in units of 1024 bytes.
    let kibibytes = tree.quota.count() / 1024;
    command(
        &mut session,
        "SETQUOTA",
        &format!("SETQUOTA \"{root}\" (STORAGE {kibibytes})"),
    )
    .await?;
    sign_out(session).await
}

/// As the owner, because what a folder is for is the owner's to say: the folders with a meaning that are missing.
pub(super) async fn folders<S>(stream: S, token: &str, tree: &Tree) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    let mut session = sign_in(stream, &tree.account.to_string(), token).await?;
    for folder in wanted_folders(tree.language) {
        create(&mut session, folder.name, folder.special_use).await?;
    }
    sign_out(session).await
}

async fn sign_in<S>(stream: S, user: &str, token: &str) -> Result<Session<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    let mut client = Client::new(stream);
    match client.read_response().await {
        Ok(Some(_)) => {}
        _ => return Err(Error::Ended),
    }
    client
        .authenticate("PLAIN", Plain { user, token })
        .await
        .map_err(|(source, _)| Error::Refused {
            command: "AUTHENTICATE",
            source,
        })
}

/// A folder that exists, or whose meaning another folder has already, is left as it is: a person may have renamed it.
async fn create<S>(session: &mut Session<S>, name: &str, special_use: &str) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    let text = if special_use.is_empty() {
        format!("CREATE \"{name}\"")
    } else {
        format!("CREATE \"{name}\" (USE ({special_use}))")
    };
    match command(session, "CREATE", &text).await {
        Err(Error::Refused {
            source: ImapError::No(answer),
            ..
        }) if there_already(&answer) => Ok(()),
        outcome => outcome,
    }
}

fn there_already(answer: &str) -> bool {
    let answer = answer.to_ascii_lowercase();
    answer.contains("alreadyexists") || answer.contains("already exists") || answer.contains("useattr")
}

async fn command<S>(session: &mut Session<S>, name: &'static str, text: &str) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    session
        .run_command_and_check_ok(text)
        .await
        .map_err(|source| Error::Refused {
            command: name,
            source,
        })
}

async fn sign_out<S>(mut session: Session<S>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    session.logout().await.map_err(|source| Error::Refused {
        command: "LOGOUT",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use govuc_api::Language;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
    use uuid::Uuid;

    fn tree() -> Tree {
        Tree {
            account: Uuid::nil(),
            quota: (&Quantity("1Gi".into())).try_into().unwrap(),
            language: Language::En,
        }
    }

    /// Answers each command by `answer`, and gives back what was asked.
    async fn serve(stream: DuplexStream, answer: impl Fn(&str) -> &'static str) -> Vec<String> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"* OK ready\r\n").await.unwrap();
        let mut asked = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return asked;
            }
            let line = line.trim_end();
            let (tag, text) = line.split_once(' ').unwrap();
            if text.starts_with("AUTHENTICATE") {
                stream.write_all(b"+ \r\n").await.unwrap();
                let mut secret = String::new();
                stream.read_line(&mut secret).await.unwrap();
            }
            let reply = format!("{tag} {}\r\n", answer(text));
            stream.write_all(reply.as_bytes()).await.unwrap();
            asked.push(text.to_owned());
        }
    }

    #[tokio::test]
    async fn an_account_gets_an_inbox_and_its_quota() {
        let (near, far) = tokio::io::duplex(4096);
        let tree = tree();
        let (asked, done) = tokio::join!(serve(far, |_| "OK"), inbox_and_quota(near, "token", &tree));
        done.unwrap();
        assert_eq!(
            asked,
            [
                "AUTHENTICATE PLAIN".to_owned(),
                format!("CREATE \"user/{}\"", Uuid::nil()),
                format!("SETQUOTA \"user/{}\" (STORAGE 1048576)", Uuid::nil()),
                "LOGOUT".to_owned(),
            ]
        );
    }

    #[tokio::test]
    async fn folders_that_are_there_are_left_alone() {
        let (near, far) = tokio::io::duplex(4096);
        let answer = |text: &str| match text {
            text if text.contains("Drafts") => "NO [ALREADYEXISTS] Mailbox already exists",
            text if text.contains("Sent") => "NO [USEATTR] already another",
            _ => "OK",
        };
        let tree = tree();
        let (asked, done) = tokio::join!(serve(far, answer), folders(near, "token", &tree));
        done.unwrap();
        assert_eq!(asked[1], "CREATE \"Drafts\" (USE (\\Drafts))");
        assert_eq!(asked.len(), 7);
    }

    #[tokio::test]
    async fn any_other_refusal_is_an_error() {
        let (near, far) = tokio::io::duplex(4096);
        let answer = |text: &str| {
            if text.starts_with("CREATE") {
                "NO denied"
            } else {
                "OK"
            }
        };
        let tree = tree();
        let (_, done) = tokio::join!(serve(far, answer), folders(near, "token", &tree));
        assert!(matches!(
            done,
            Err(Error::Refused {
                command: "CREATE",
                ..
            })
        ));
    }
}
