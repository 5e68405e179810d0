//! What an engine has, as one number: equal at both slots when the copies are (the receipt of a hand-over).
//!
//! Cyrus' own sync protocol is asked, since it says what `sync_client` compares: of every mailbox its id, name, UIDVALIDITY,
//! modification sequence, and checksums over messages with their flags and annotations; of every user the quota and the
//! subscriptions.

use std::{collections::BTreeSet, fmt};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest as sha256};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    record::{self, Record},
    session::{Error, LONGEST_LINE, Login, Session, quoted},
};

/// Questions that are asked before the answer to the first one is read. Together they fit into any socket's buffer.
pub const AHEAD: usize = 64;
/// What is compared of a mailbox. `PARTITION`, times and what belongs to POP3 are left out.
const OF_MAILBOX: [&str; 12] = [
    "UNIQUEID",
    "MBOXNAME",
    "MBOXTYPE",
    "UIDVALIDITY",
    "LAST_UID",
    "HIGHESTMODSEQ",
    "FOLDERMODSEQ",
    "SYNC_CRC",
    "SYNC_CRC_ANNOT",
    "ACL",
    "QUOTAROOT",
    "ANNOTATIONS",
];

/// SHA-256 over the sorted SHA-256 of what is compared, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(String);

/// Asks one engine, from its greeting to the end. Without a bound in time: the caller has one.
pub async fn digest(stream: impl AsyncRead + AsyncWrite + Unpin, login: Login) -> Result<Digest, Error> {
    let mut session = Session::log_in(stream, login, LONGEST_LINE).await?;
    let mut questions = BTreeSet::new();
    let everything = [r#"LIST "" "*""#.to_owned()];
    session
        .ask(&everything, |line| {
            if let Some(name) = record::listed(line)? {
                questions.insert(question(&name));
            }
            Ok(())
        })
        .await?;

    let questions: Vec<String> = questions.into_iter().collect();
    let mut parts = Vec::new();
    for some in questions.chunks(AHEAD) {
        session
            .ask(some, |line| {
                if let Some(record) = Record::parse(line)? {
                    parts.extend(compared(&record));
                }
                Ok(())
            })
            .await?;
    }
    session.leave().await?;
    parts.sort_unstable();
    Ok(Digest(hex::encode(sha256(&SHA256, parts.as_flattened()))))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to ask about a mailbox that is listed: about a user everything at once, deleted mailboxes too.
pub fn question(name: &str) -> String {
    let within = name.strip_prefix("DELETED/").unwrap_or(name);
    match within.strip_prefix("user/") {
        Some(rest) => {
            let user = rest.split('/').next().unwrap_or(rest);
            format!("SYNCGET USER {}", quoted(user))
        }
        // Inside the engine the separator is a dot, and a dot something else.
        None => format!(
            "SYNCGET MAILBOXES ({})",
            quoted(&name.replace('.', "^").replace('/', "."))
        ),
    }
}

/// What counts of one record, if anything does.
fn compared(record: &Record<'_>) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let mut text = Vec::new();
    let mut field = |name: &str, value: &[u8]| {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(&value.len().to_be_bytes());
        text.extend_from_slice(value);
    };
    match record.kind {
        b"MAILBOX" => {
            for name in OF_MAILBOX {
                field(name, record.value(name).unwrap_or_default());
            }
        }
        // The modification sequence of a quota is the slot's own.
        b"QUOTA" => {
            for (name, value) in record.fields() {
                if name != b"MODSEQ" {
                    field(&String::from_utf8_lossy(name), value);
                }
            }
        }
        b"LSUB" => field("LSUB", record.content),
        _ => return None,
    }
    sha256(&SHA256, &text).as_ref().try_into().ok()
}

#[cfg(all(test, feature = "cyrus"))]
mod engines;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex, split},
        time::timeout,
    };

    const LISTED: &str = "* LIST () \"/\" user/3f\r\n* LIST () \"/\" user/3f/Sent\r\n* LIST () \"/\" DELETED/user/3f/X/6B\r\n\
                          * LIST () \"/\" {8}\r\nteam/a.b\r\n";
    const INBOX: &str =
        "* MAILBOX %(UNIQUEID a MBOXNAME user.3f HIGHESTMODSEQ 7 SYNC_CRC 1 RECENTTIME 99)\r\n";
    const SENT: &str = "* MAILBOX %(UNIQUEID b MBOXNAME user.3f.Sent HIGHESTMODSEQ 8 SYNC_CRC 2)\r\n";
    const QUOTA: &str = "* QUOTA %(ROOT user.3f LIMIT 5 STORAGE 5 MODSEQ 9)\r\n";
    const TEAM: &str = "* MAILBOX %(UNIQUEID c MBOXNAME team.a^b HIGHESTMODSEQ 9 SYNC_CRC 3)\r\n";

    /// An engine that answers each command in turn, and what it was told.
    async fn told(greeting: &str, answers: &[&str]) -> (Result<Digest, Error>, String) {
        let (near, far) = duplex(100);
        let (mut reader, mut writer) = split(far);
        let (greeting, answers) = (greeting.to_owned(), answers.concat());
        // All at once: the one who asks is behind a narrow pipe.
        let saying = tokio::spawn(async move {
            let _ = writer.write_all((greeting + &answers).as_bytes()).await;
            writer
        });
        let hearing = tokio::spawn(async move {
            let mut heard = String::new();
            let _ = reader.read_to_string(&mut heard).await;
            heard
        });
        let login = Login {
            user: "govuc-sync".to_owned(),
            password: "v1.0.se\"cret".to_owned(),
        };
        let found = timeout(Duration::from_secs(60), digest(near, login)).await;
        let found = found.expect("it waits for more");
        saying.abort();
        (found, hearing.await.unwrap())
    }

    async fn of(parts: &[&str]) -> String {
        // The questions are sorted: the one about the team's mailbox is first.
        let users = parts.concat() + "D1 OK\r\n";
        let answers = ["D0 OK in\r\n", LISTED, "D0 OK\r\n", TEAM, "D0 OK\r\n", &users];
        told("* OK hello\r\n", &answers).await.0.unwrap().to_string()
    }

    #[tokio::test]
    async fn every_user_is_asked_about_once_and_other_mailboxes_by_their_name_inside() {
        let users = [INBOX, SENT, QUOTA, "D1 OK\r\n"].concat();
        let (found, heard) = told(
            "* OK hello\r\n",
            &["D0 OK in\r\n", LISTED, "D0 OK\r\n", TEAM, "D0 OK\r\n", &users],
        )
        .await;
        assert_eq!(found.unwrap().to_string().len(), 64);
        let expected = [
            r#"D0 LOGIN "govuc-sync" "v1.0.se\"cret""#,
            r#"D0 LIST "" "*""#,
            r#"D0 SYNCGET MAILBOXES ("team.a^b")"#,
            r#"D1 SYNCGET USER "3f""#,
            "Q LOGOUT",
        ];
        assert_eq!(heard.lines().collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn the_order_of_the_answers_is_nothing_and_what_is_the_slots_own_is_nothing() {
        let digest = of(&[INBOX, SENT, QUOTA]).await;
        assert_eq!(of(&[SENT, QUOTA, INBOX]).await, digest);
        assert_eq!(of(&[&INBOX.replace("99", "98"), SENT, QUOTA]).await, digest);
        assert_eq!(
            of(&[INBOX, SENT, &QUOTA.replace("MODSEQ 9", "MODSEQ 10")]).await,
            digest
        );
        assert_eq!(
            of(&[INBOX, SENT, QUOTA, "* SEEN %(UNIQUEID a LASTUID 3)\r\n"]).await,
            digest
        );
    }

    #[tokio::test]
    async fn any_other_value_makes_another_digest() {
        let same = [INBOX, SENT, QUOTA];
        let mut digests = vec![of(&same).await, of(&same[..2]).await, of(&same[1..]).await];
        for (place, from, to) in [
            (0, "ID a", "ID x"),
            (0, "MODSEQ 7", "MODSEQ 8"),
            (0, "CRC 1", "CRC 2"),
            (0, " SYNC_CRC 1", ""),
            (0, "SYNC_CRC 1", "SYNC_CRC 1 ACL x"),
            (1, ".Sent", ".Gone"),
            (2, "STORAGE 5", "STORAGE 6"),
        ] {
            let mut parts = same.map(str::to_owned);
            parts[place] = parts[place].replace(from, to);
            digests.push(of(&parts.each_ref().map(String::as_str)).await);
        }
        digests.push(of(&[INBOX, SENT, QUOTA, "* LSUB (user.3f)\r\n"]).await);
        digests.push(of(&[INBOX, SENT, QUOTA, SENT]).await);
        let all = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), all);
    }

    #[tokio::test]
    async fn a_refusal_is_told_without_the_password() {
        for (greeting, answers) in [
            ("* BYE too many\r\n", vec![]),
            ("* OK\r\n", vec!["D0 NO no v1.0.secret\r\n"]),
            ("* OK\r\n", vec!["D0 OK\r\n", "D0 BAD no\r\n"]),
            ("* OK\r\n", vec!["D0 OK\r\n", "* BYE going\r\n"]),
            ("* OK\r\n", vec!["D0 OK\r\n", LISTED, "D0 OK\r\n", "D1 OK\r\n"]),
            (
                "* OK\r\n",
                vec!["D0 OK\r\n", LISTED, "D0 OK\r\n", "D0 OK\r\nD1 NO gone\r\n"],
            ),
        ] {
            let error = told(greeting, &answers).await.0.unwrap_err();
            assert!(matches!(&error, Error::Refused(_)), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_refused() {
        let long = format!("* LIST () \"/\" {}\r\n", "x".repeat(LONGEST_LINE));
        let huge = "* LIST () \"/\" {18446744073709551615}\r\n".to_owned() + &"x".repeat(LONGEST_LINE);
        for text in [long, huge] {
            let (found, _) = told("* OK\r\n", &["D0 OK\r\n", &text]).await;
            assert!(matches!(found, Err(Error::Long(_))), "{found:?}");
        }
        let (near, far) = duplex(100);
        let login = Login {
            user: String::new(),
            password: String::new(),
        };
        drop(far);
        assert!(matches!(digest(near, login).await, Err(Error::Closed)));
    }
}
