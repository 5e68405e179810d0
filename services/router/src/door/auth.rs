//! nginx's `auth_http` protocol: a question in headers, an answer in headers (ngx_mail_auth_http_module).

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
};
use govuc_directory::AccountRecord;
use govuc_wire::{
    names, preamble,
    token::{Purpose, Subject},
};
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::Door;
use crate::{
    relay::{Admitted, Place, Protocol},
    secret::Secret,
    sign_in::{Refusal, unavailable},
};

/// Seconds nginx lets a guesser wait before the next attempt on the same connection.
const WAIT: u32 = 3;

/// What nginx asks.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    protocol: Protocol,
    login: String,
    password: Secret,
    /// The client's address, for the store's log.
    client: String,
}

/// What nginx is told.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Admitted {
        server: Ipv4Addr,
        port: u16,
        /// The account id, in place of the address.
        user: Uuid,
        /// What nginx shows to the store; it shows nothing to submission.
        password: Option<String>,
    },
    Refused {
        protocol: Protocol,
        refusal: Refusal,
        line: String,
    },
}

/// Answers `GET /auth`.
pub async fn answer(State(door): State<Arc<Door>>, headers: HeaderMap) -> HeaderMap {
    let Some(question) = Question::of_headers(&headers) else {
        // Only a misconfigured nginx, or somebody else in the pod, asks like this.
        tracing::error!("a sign-in was asked for in a form that is not understood");
        return door.refuse(Protocol::Imap, Refusal::Wrong).headers();
    };
    let protocol = question.protocol;
    let answer = match door.admit(&question).await {
        Ok(answer) => {
            door.metrics.signed_in(protocol.label(), "admitted");
            answer
        }
        Err(refusal) => {
            door.metrics.signed_in(protocol.label(), refusal.label());
            tracing::info!(
                protocol = protocol.label(),
                client = question.client,
                outcome = refusal.label(),
                "not let in"
            );
            door.refuse(protocol, refusal)
        }
    };
    answer.headers()
}

impl Door {
    async fn admit(&self, question: &Question) -> Result<Answer, Refusal> {
        let record = self.sign_in.check(&question.login, &question.password).await?;
        let session = Uuid::new_v4().simple().to_string();
        let (admitted, password) = match question.protocol {
            Protocol::Imap => self.to_store(&record, question, &session).await?,
            Protocol::Submission => (self.to_submission(), None),
        };
        let Some(server) = self.tickets.issue(admitted, Instant::now()) else {
            return Err(Refusal::Unavailable);
        };
        tracing::info!(
            protocol = question.protocol.label(),
            account = %record.account.id,
            client = question.client,
            session,
            "let in"
        );
        Ok(Answer::Admitted {
            server,
            port: self.relay_port,
            user: record.account.id,
            password,
        })
    }

    /// The store's primary, and the token by which it knows that the password was right.
    async fn to_store(
        &self,
        record: &AccountRecord,
        question: &Question,
        session: &str,
    ) -> Result<(Admitted, Option<String>), Refusal> {
        let name = record.account.store.as_str();
        let store = self
            .providers
            .ask(|directory| async move { directory.store(name).await })
            .await
            .map_err(unavailable)?;
        let Some(store) = store else {
            tracing::error!(store = name, account = %record.account.id, "the account's store is not in the directory");
            return Err(Refusal::Unavailable);
        };
        let primary = self.primaries.of(&store).await;
        let user = record.account.id.to_string();
        let subject = Subject {
            purpose: Purpose::Session,
            user: &user,
            store: &store.name,
            era: primary.era,
        };
        let token = self.session_key.mint(subject, unix_seconds());
        let admitted = Admitted {
            protocol: Protocol::Imap,
            places: vec![Place::of_part(&store.name, &primary.site, names::MAIL_NAMESPACE)],
            preamble: Some(preamble::Session {
                user,
                client: question.client.clone(),
                session: session.to_owned(),
            }),
        };
        Ok((admitted, Some(token)))
    }

    /// The own site's submission, or the peer's. It learns user and client from nginx's XCLIENT.
    fn to_submission(&self) -> Admitted {
        let place = |site: &str| Place::of_part("submission", site, names::MTA_NAMESPACE);
        Admitted {
            protocol: Protocol::Submission,
            places: vec![place(&self.site), place(&self.peer)],
            preamble: None,
        }
    }

    fn refuse(&self, protocol: Protocol, refusal: Refusal) -> Answer {
        Answer::Refused {
            protocol,
            refusal,
            line: self.texts.refusal(refusal, self.rules.current()).line(),
        }
    }
}

impl Question {
    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        // nginx escapes what the client sent, so that it can't end the header.
        let decoded = |name: &str| Some(percent_decode_str(header(name)?).decode_utf8().ok()?.into_owned());
        if header("Auth-Method")? != "plain" {
            return None;
        }
        let protocol = match header("Auth-Protocol")? {
            "imap" => Protocol::Imap,
            "smtp" => Protocol::Submission,
            _ => return None,
        };
        Some(Self {
            protocol,
            login: decoded("Auth-User")?.to_lowercase(),
            password: Secret::new(decoded("Auth-Pass")?),
            client: header("Client-IP")?.to_owned(),
        })
    }
}

impl Answer {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut say = |name: &'static str, value: &str| {
            // Every value is made here, of ASCII without control characters; were one not, nginx would refuse for lack of it.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        match self {
            Answer::Admitted {
                server,
                port,
                user,
                password,
            } => {
                say("auth-status", "OK");
                say("auth-server", &server.to_string());
                say("auth-port", &port.to_string());
                say("auth-user", &user.to_string());
                if let Some(password) = password {
                    say("auth-pass", password);
                }
            }
            Answer::Refused {
                protocol: Protocol::Imap,
                refusal,
                line,
            } => say("auth-status", &format!("{} {line}", response_code(*refusal))),
            Answer::Refused {
                protocol: Protocol::Submission,
                refusal,
                line,
            } => {
                say("auth-status", line);
                say("auth-error-code", reply_code(*refusal));
            }
        }
        if let Answer::Refused {
            refusal: Refusal::Wrong,
            ..
        } = self
        {
            say("auth-wait", &WAIT.to_string());
        }
        headers
    }
}

/// RFC 5530: what mail clients understand.
fn response_code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Wrong => "[AUTHENTICATIONFAILED]",
        Refusal::MustChange => "[EXPIRED]",
        Refusal::Locked => "[CONTACTADMIN]",
        Refusal::Unavailable => "[UNAVAILABLE]",
    }
}

/// RFC 4954 §6: what is over in a moment is a 4.
fn reply_code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Wrong | Refusal::MustChange | Refusal::Locked => "535 5.7.8",
        Refusal::Unavailable => "454 4.7.0",
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn asked(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("auth-method", "plain"),
            ("auth-user", "Ali%40kkr.gov.my"),
            ("auth-pass", "rah%20sia%0D%0A%C3%A9"),
            ("auth-protocol", "imap"),
            ("auth-login-attempt", "1"),
            ("client-ip", "198.18.0.9"),
        ]
        .iter()
        .chain(pairs)
        {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn said(answer: &Answer) -> Vec<(String, String)> {
        let headers = answer.headers();
        let mut said: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        said.sort();
        said
    }

    #[test]
    fn what_the_client_sent_is_decoded() {
        let question = Question::of_headers(&asked(&[])).unwrap();
        assert_eq!(
            question,
            Question {
                protocol: Protocol::Imap,
                login: "ali@kkr.gov.my".into(),
                password: Secret::new("rah sia\r\né"),
                client: "198.18.0.9".into(),
            }
        );
    }

    #[test]
    fn a_question_in_a_log_holds_no_password() {
        let question = Question::of_headers(&asked(&[])).unwrap();
        assert!(!format!("{question:?}").contains("rah"));
    }

    #[rstest]
    #[case("auth-method", "cram-md5")]
    #[case("auth-protocol", "pop3")]
    #[case("auth-pass", "%FF")]
    fn what_is_not_understood_is_no_question(#[case] name: &'static str, #[case] value: &'static str) {
        assert_eq!(Question::of_headers(&asked(&[(name, value)])), None);
    }

    #[test]
    fn who_may_come_in_is_sent_to_the_relay_as_the_account() {
        let answer = Answer::Admitted {
            server: Ipv4Addr::new(127, 64, 0, 1),
            port: 9143,
            user: Uuid::nil(),
            password: Some("v1.1060.AAAA".into()),
        };
        let want = [
            ("auth-pass", "v1.1060.AAAA"),
            ("auth-port", "9143"),
            ("auth-server", "127.64.0.1"),
            ("auth-status", "OK"),
            ("auth-user", "00000000-0000-0000-0000-000000000000"),
        ];
        assert_eq!(
            said(&answer),
            want.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[rstest]
    #[case(
        Protocol::Imap,
        Refusal::Wrong,
        "[AUTHENTICATIONFAILED] Salah",
        None,
        Some("3")
    )]
    #[case(Protocol::Imap, Refusal::Unavailable, "[UNAVAILABLE] Salah", None, None)]
    #[case(Protocol::Submission, Refusal::Wrong, "Salah", Some("535 5.7.8"), Some("3"))]
    #[case(Protocol::Submission, Refusal::Unavailable, "Salah", Some("454 4.7.0"), None)]
    fn a_refusal_is_said_as_the_protocol_says_it(
        #[case] protocol: Protocol,
        #[case] refusal: Refusal,
        #[case] status: &str,
        #[case] code: Option<&str>,
        #[case] wait: Option<&str>,
    ) {
        let line = "Salah".to_owned();
        let answer = Answer::Refused {
            protocol,
            refusal,
            line,
        };
        let headers = answer.headers();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("auth-status"), Some(status));
        assert_eq!(header("auth-error-code"), code);
        assert_eq!(header("auth-wait"), wait);
    }
}
