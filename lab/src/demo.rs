//! The story on screen: from nothing to mail between two agencies in two data centres.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::lab::{Lab, LabName};
use crate::network::Site;
use crate::service::{Door, Login, Person, Service, mail, people, store};
use crate::{site, up};

/// A site's loss is over for those who use it within this, or never.
const TAKEN_OVER: Duration = Duration::from_secs(60);

/// One row of the table at the end.
struct Step {
    what: String,
    outcome: String,
}

/// Brings up everything, applies `examples/`, sends and reads mail at both sites, and prints what ran.
pub async fn demo(name: &LabName) -> anyhow::Result<()> {
    let start = Instant::now();
    title(start, "two data centres");
    up::up(name).await?;
    let lab = Lab::open(name)?;
    title(start, "the operator in both");
    let service = Service::install(&lab).await?;
    title(start, "one platform, two agencies, their people");
    service.populate().await?;
    title(start, "passwords, as a user would set them");
    let mut steps = Vec::new();
    for person in people::TWO {
        steps.push(choose_password(&service, person).await?);
    }
    title(start, "mail");
    steps.push(exchange(&service, people::ALI, people::SITI, Site::Pdsa1, Site::Pdsa2).await?);
    steps.push(exchange(&service, people::SITI, people::ALI, Site::Pdsa2, Site::Pdsa1).await?);
    title(start, "a data centre is lost");
    steps.extend(lose_and_regain(&service, start).await?);
    println!();
    for Step { what, outcome } in &steps {
        println!("  {what:<58} {outcome}");
    }
    println!(
        "\n  All of it took {:.0} s. To look further:",
        start.elapsed().as_secs_f64()
    );
    println!("    export KUBECONFIG={}", lab.folder.kubeconfig().display());
    println!("    kubectl --context pdsa1 get platform,mailstores,agencies");
    println!("    kubectl --context pdsa2 get mailboxes -A");
    println!("    cargo lab status");
    println!("    cargo lab down");
    Ok(())
}

fn title(start: Instant, text: &str) {
    eprintln!("{:>4.0} s  {text}", start.elapsed().as_secs_f64());
}

/// Changes the first password, or finds that an earlier run did.
async fn choose_password(service: &Service, person: Person) -> anyhow::Result<Step> {
    let door = service.door(Site::Pdsa1).await?;
    let what = format!("{} chose a password", person.address);
    let Some(first) = service.first_password(person)? else {
        door.imap(person.login())
            .await
            .context("an earlier password")?
            .logout()
            .await?;
        return Ok(Step {
            what,
            outcome: "earlier".to_owned(),
        });
    };
    let before = Login {
        user: person.address,
        password: &first,
    };
    if door.imap(person.login()).await.is_ok() {
        return Ok(Step {
            what,
            outcome: "earlier".to_owned(),
        });
    }
    ensure!(
        door.imap(before).await.is_err(),
        "{}: IMAP took a first password",
        person.address
    );
    let (status, answer) = door.change_password(before, person.password)?;
    ensure!(
        status == 204,
        "{}: the new password was answered {status}: {answer}",
        person.address
    );
    door.imap(person.login()).await?.logout().await?;
    Ok(Step {
        what,
        outcome: "the first one was refused until then".to_owned(),
    })
}

/// Pulls the plug of the site that serves the second person's store; mail goes on at the other one, with all that was
/// stored. Then the site comes back, catches up, is given its store again, and lets people in.
async fn lose_and_regain(service: &Service, start: Instant) -> anyhow::Result<Vec<Step>> {
    let (from, to) = (people::ALI, people::SITI);
    let (lost, left) = (Site::Pdsa2, Site::Pdsa1);
    let store = service.store_of(to).await?;
    store::in_step(service, &store).await?;
    let door = service.door(left).await?;
    let before = mail::Message::new(from, to, "Sebelum / Before")?;
    mail::send(&door, from, to, &before).await?;
    mail::read(&door, to, &before).await?;
    let plug = Instant::now();
    site::machine(&service.lab, lost)?.kill()?;
    let meanwhile = mail::Message::new(from, to, "Semasa / Meanwhile")?;
    mail::send(&door, from, to, &meanwhile).await?;
    read_at_last(&door, to, &meanwhile).await?;
    let served = plug.elapsed().as_secs_f64();
    mail::read(&door, to, &before).await?;
    let mut steps = vec![Step {
        what: format!("{lost} is lost"),
        outcome: format!("{left} has {store}, nothing is missing, new mail read after {served:.0} s"),
    }];
    title(start, "it comes back");
    let plug = Instant::now();
    up::revive(&service.lab, lost).await?;
    store::in_step(service, &store).await?;
    let caught_up = plug.elapsed().as_secs_f64();
    store::switch_over(service, &store, lost, left).await?;
    // Its pods have other addresses now, and its cluster takes a moment to bring people to these.
    read_at_last(&service.door(lost).await?, to, &before).await?;
    let open = plug.elapsed().as_secs_f64();
    steps.push(Step {
        what: format!("{lost} is back"),
        outcome: format!(
            "it had caught up after {caught_up:.0} s, has {store} again, and people came in by its door after {open:.0} s"
        ),
    });
    Ok(steps)
}

/// As a mail program that connects again whenever it is cut off.
async fn read_at_last(door: &Door, person: Person, message: &mail::Message) -> anyhow::Result<()> {
    let start = Instant::now();
    while let Err(error) = mail::read(door, person, message).await {
        if start.elapsed() > TAKEN_OVER {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

/// Sends at one site, reads at the other, and finds the message in both copies of the recipient's store.
async fn exchange(
    service: &Service,
    from: Person,
    to: Person,
    sent: Site,
    read: Site,
) -> anyhow::Result<Step> {
    let message = mail::Message::new(from, to, "Mesyuarat / Meeting")?;
    mail::send(&service.door(sent).await?, from, to, &message).await?;
    let seconds = mail::read(&service.door(read).await?, to, &message).await?;
    let store = service.store_of(to).await?;
    for site in Site::DATA_CENTRES {
        let copies = mail::copies(service, site, &store, &message.id)?;
        ensure!(
            copies > 0,
            "{store} at {site} has no copy of message {}",
            message.id
        );
    }
    Ok(Step {
        what: format!("{} → {}", from.address, to.address),
        outcome: format!("sent at {sent}, read at {read} after {seconds:.1} s, {store} has it in both"),
    })
}
