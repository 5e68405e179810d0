//! The main job: people of two agencies write to each other through both sites.

use anyhow::{Context, ensure};

use crate::network::Site;
use crate::service::mail::{self, Message};
use crate::service::people::{ALI, SITI};
use crate::service::{Login, Person, Service, smtp};

/// The text by which anybody can test a scanner, in two parts, so that no scanner takes this file for the real thing.
pub const EICAR: [&str; 2] = [
    "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-",
    "ANTIVIRUS-TEST-FILE!$H+H*",
];

/// A first password opens no service; a weak one is refused with a reason; a good one opens everything.
pub async fn a_first_password_must_be_changed(service: &Service) -> anyhow::Result<String> {
    let door = service.door(Site::Pdsa1).await?;
    for person in [ALI, SITI] {
        let first = service
            .first_password(person)?
            .with_context(|| format!("{} has none", person.address))?;
        let login = Login {
            user: person.address,
            password: &first,
        };
        ensure!(door.imap(login).await.is_err(), "IMAP took a first password");
        ensure!(
            door.smtp(login).await.is_err(),
            "submission took a first password"
        );
        let (status, answer) = door.change_password(login, "pendek")?;
        ensure!(
            (400..500).contains(&status),
            "a weak password was answered {status}: {answer}"
        );
        let (status, answer) = door.change_password(login, person.password)?;
        ensure!(status == 204, "a good password was answered {status}: {answer}");
        door.imap(person.login()).await?.logout().await?;
        ensure!(
            door.imap(login).await.is_err(),
            "IMAP took the old password after the change"
        );
    }
    Ok("IMAP and submission refused it; a short one was refused".to_owned())
}

/// The Secret with a first password goes once the password is the person's own.
pub async fn a_used_first_password_is_deleted(service: &Service) -> anyhow::Result<String> {
    let start = std::time::Instant::now();
    for person in [ALI, SITI] {
        while service.first_password(person)?.is_some() {
            ensure!(
                start.elapsed().as_secs() < 120,
                "{}: the Secret is still there after 120 s",
                person.address
            );
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
    Ok(format!("gone after {:.0} s", start.elapsed().as_secs_f64()))
}

/// Mail sent at one site is read at the other, and lies in both copies of the recipient's store.
pub async fn mail_goes_between_agencies_and_sites(service: &Service) -> anyhow::Result<String> {
    let there = exchange(service, ALI, SITI, Site::Pdsa1, Site::Pdsa2).await?;
    let back = exchange(service, SITI, ALI, Site::Pdsa2, Site::Pdsa1).await?;
    Ok(format!("read after {there:.1} and {back:.1} s"))
}

/// One message; gives the seconds until it could be read.
pub async fn exchange(
    service: &Service,
    from: Person,
    to: Person,
    sent: Site,
    read: Site,
) -> anyhow::Result<f64> {
    let message = Message::new(from, to, "Ujian / Test")?;
    mail::send(&service.door(sent).await?, from, to, &message).await?;
    let seconds = mail::read(&service.door(read).await?, to, &message).await?;
    let store = service.store_of(to).await?;
    for site in Site::DATA_CENTRES {
        ensure!(
            mail::copies(service, site, &store, &message.id)? > 0,
            "{store} at {site} lacks {}",
            message.id
        );
    }
    Ok(seconds)
}

/// Nobody sends as somebody else, to nobody, or without having logged in.
pub async fn submission_refuses_what_it_must(service: &Service) -> anyhow::Result<String> {
    let door = service.door(Site::Pdsa1).await?;
    let refused = async |from: &str, to: &str| -> anyhow::Result<smtp::Reply> {
        let mut smtp = door.smtp(ALI.login()).await?;
        match smtp.send(from, &[to], "Subject: x\n\nx\n").await {
            Err(smtp::Error::Refused { reply, .. }) => Ok(reply),
            other => anyhow::bail!("{from} to {to} was answered {other:?}"),
        }
    };
    let other = refused(SITI.address, ALI.address).await?;
    ensure!(
        other.code == 553,
        "sending as another person was answered {other:?}"
    );
    let nobody = refused(ALI.address, "tiada@jpa.gov.my").await?;
    ensure!(nobody.code == 550, "an unknown recipient was answered {nobody:?}");
    let mut stranger = smtp::Smtp::greet(door.tls(465).await?).await?;
    let answer = stranger
        .send(ALI.address, &[SITI.address], "Subject: x\n\nx\n")
        .await;
    ensure!(
        matches!(answer, Err(smtp::Error::Refused { .. })),
        "mail without login was answered {answer:?}"
    );
    Ok("another's address 553, an unknown recipient 550, no login refused".to_owned())
}

/// A virus is refused while the sender still waits, at the site that has the filter's test signature.
pub async fn a_virus_is_refused(service: &Service) -> anyhow::Result<String> {
    let mut smtp = service.door(Site::Pdsa1).await?.smtp(ALI.login()).await?;
    let text = format!(
        "From: <{}>\nTo: <{}>\nSubject: x\n\n{}\n",
        ALI.address,
        SITI.address,
        EICAR.concat()
    );
    match smtp.send(ALI.address, &[SITI.address], &text).await {
        Err(smtp::Error::Refused { reply, .. }) if reply.code / 100 == 5 => {
            Ok(format!("{} {}", reply.code, reply.text))
        }
        other => anyhow::bail!("a virus was answered {other:?}"),
    }
}

/// No service answers in clear text: only the TLS ports and 25 (STARTTLS) are there.
pub async fn no_door_is_open_in_clear(service: &Service) -> anyhow::Result<String> {
    for site in Site::DATA_CENTRES {
        let door = service.door(site).await?;
        for port in [80, 110, 143, 587, 995, 4190, 1143, 2003, 8080] {
            ensure!(
                door.dial(port).await.is_err(),
                "{site}: port {port} of the front door is open"
            );
        }
    }
    Ok("nine ports tried at both sites".to_owned())
}
