//! Mail to and from the rest of the world, which speaks SMTP at port 25.

use anyhow::{Context, ensure};

use super::main_job::EICAR;
use crate::network::Site;
use crate::service::internet::{FRIEND, ForeignServer, NOBODY};
use crate::service::mail::{self, Message};
use crate::service::people::{ALI, SITI};
use crate::service::{Person, Service, smtp};

/// `images/postfix/main.cf.in`, in bytes.
const MESSAGE_SIZE_LIMIT: usize = 15_728_640;

/// Somebody outside, as the sender or recipient of a [`Message`].
const OUTSIDER: Person = Person {
    agency: "",
    mailbox: "",
    address: FRIEND,
    password: "",
};

/// Mail from outside is taken at either site, with STARTTLS and without, is read at the other, and lies in both copies.
pub async fn mail_from_outside_is_read(service: &Service) -> anyhow::Result<String> {
    let mut slowest: f64 = 0.0;
    for (site, other) in [(Site::Pdsa1, Site::Pdsa2), (Site::Pdsa2, Site::Pdsa1)] {
        for to in [ALI, SITI] {
            let [one, two] = [
                Message::new(OUTSIDER, to, "Dari luar / From outside")?,
                Message::new(OUTSIDER, to, "x")?,
            ];
            let mx = service.mx(site).await?;
            mx.relay().await?.send(FRIEND, &[to.address], &one.text).await?;
            mx.relay_in_clear()
                .await?
                .send(FRIEND, &[to.address], &two.text)
                .await?;
            for message in [one, two] {
                let seconds = mail::read(&service.door(other).await?, to, &message).await?;
                slowest = slowest.max(seconds);
                let store = service.store_of(to).await?;
                for copy in Site::DATA_CENTRES {
                    ensure!(
                        mail::copies(service, copy, &store, &message.id)? > 0,
                        "{store} at {copy} lacks {}, which came in at {site}",
                        message.id
                    );
                }
            }
        }
    }
    Ok(format!("eight messages, the slowest read after {slowest:.1} s"))
}

/// What must not come in from outside is refused while the other server still waits, at either site: mail for nobody,
/// for somebody else's domain or for a store by name, in the name of one of our people, too large, or with a virus.
pub async fn mx_refuses_what_it_must(service: &Service) -> anyhow::Result<String> {
    let large = format!(
        "Subject: x\n\n{}",
        "0123456789abcdef0123456789abcde\n".repeat(MESSAGE_SIZE_LIMIT / 32)
    );
    let virus = format!(
        "From: <{FRIEND}>\nTo: <{}>\nSubject: x\n\n{}\n",
        SITI.address,
        EICAR.concat()
    );
    let small = "Subject: x\n\nx\n";
    let in_a_store = "x@mail-1.store.govuc.internal";
    for site in Site::DATA_CENTRES {
        let mx = service.mx(site).await?;
        for (what, from, to, text, command, want) in [
            (
                "an unknown recipient",
                FRIEND,
                "tiada@jpa.gov.my",
                small,
                "RCPT TO",
                "550 5.1.1",
            ),
            (
                "relaying",
                FRIEND,
                "x@elsewhere.example",
                small,
                "RCPT TO",
                "554 5.7.1",
            ),
            (
                "a store's own domain",
                FRIEND,
                in_a_store,
                small,
                "RCPT TO",
                "554 5.7.1",
            ),
            (
                "a spoofed sender",
                ALI.address,
                SITI.address,
                small,
                "RCPT TO",
                "553 5.7.1",
            ),
            (
                "too large a message",
                FRIEND,
                SITI.address,
                &large,
                "the message",
                "552 5.3.4",
            ),
            (
                "a virus",
                FRIEND,
                SITI.address,
                &virus,
                "the message",
                "554 5.7.1",
            ),
        ] {
            let answer = mx.relay().await?.send(from, &[to], text).await;
            ensure!(
                matches!(&answer, Err(smtp::Error::Refused { command: at, reply }) if *at == command && reply.starts_with(want)),
                "{site}: {what} was answered {answer:?}, not {want} to {command}"
            );
        }
        let command = format!("MAIL FROM:<{FRIEND}> SIZE={}", MESSAGE_SIZE_LIMIT + 1);
        let answer = mx.relay().await?.command(&command).await?;
        ensure!(
            answer.starts_with("552 5.3.4"),
            "{site}: a size that is too large was answered {answer:?}"
        );
    }
    Ok("seven kinds at both sites".to_owned())
}

/// What people write to other domains goes, from either site, to the host that DNS names for the domain.
pub async fn mail_to_outside_arrives(service: &Service) -> anyhow::Result<String> {
    let outside = ForeignServer::start(service).await?;
    for (site, from) in [(Site::Pdsa1, ALI), (Site::Pdsa2, SITI), (Site::Pdsa2, ALI)] {
        let message = Message::new(from, OUTSIDER, "Ke luar / To outside")?;
        mail::send(&service.door(site).await?, from, OUTSIDER, &message).await?;
        let came = outside
            .message(|came| came.text.contains(&message.id))
            .await
            .with_context(|| format!("{} to {FRIEND}, from {site}", from.address))?;
        ensure!(
            came.from == from.address && came.to == [FRIEND],
            "it came from {} for {:?}",
            came.from,
            came.to
        );
    }
    Ok("three messages".to_owned())
}

/// What another server refuses for good comes back to the sender's mailbox.
pub async fn a_refusal_outside_is_told_to_the_sender(service: &Service) -> anyhow::Result<String> {
    let _outside = ForeignServer::start(service).await?;
    let nobody = Person {
        address: NOBODY,
        ..OUTSIDER
    };
    let message = Message::new(ALI, nobody, "Ke luar / To outside")?;
    mail::send(&service.door(Site::Pdsa2).await?, ALI, nobody, &message).await?;
    let seconds = mail::read_notice(&service.door(Site::Pdsa1).await?, ALI, &message).await?;
    Ok(format!("after {seconds:.1} s"))
}

/// What a store refuses for good although mx had taken it goes back to the sender outside: here a NUL, which no message
/// may have (RFC 5322 §4).
pub async fn what_a_store_refuses_goes_back_outside(service: &Service) -> anyhow::Result<String> {
    let outside = ForeignServer::start(service).await?;
    let message = Message::new(OUTSIDER, SITI, "x")?;
    let text = format!("{}\0\n", message.text);
    let mx = service.mx(Site::Pdsa1).await?;
    mx.relay().await?.send(FRIEND, &[SITI.address], &text).await?;
    let notice = outside
        .message(|came| came.from.is_empty() && came.text.contains(&message.id))
        .await
        .context("the notice")?;
    ensure!(notice.to == [FRIEND], "the notice is for {:?}", notice.to);
    Ok("a notice came".to_owned())
}
