//! What a listener on the pod networks and on the line between the sites would learn: nothing.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::machine::{Machine, Role};
use crate::network::Site;
use crate::service::mail::{self, Message};
use crate::service::people::{ALI, SITI};
use crate::service::{Person, Service};

/// Every frame of every interface of both machines is kept while a message goes each way and is read. None of them
/// has a password, a token's beginning or a word of the mail in it.
pub async fn nothing_is_in_clear(service: &Service) -> anyhow::Result<String> {
    let folder = tempfile::tempdir_in(service.lab.folder.path()).context("a folder for the frames")?;
    let mut captures = Vec::new();
    for site in Site::DATA_CENTRES {
        let file = folder.path().join(format!("{site}.pcap"));
        captures.push((
            capture(&Machine::running(&service.lab.name, Role::Site(site))?, &file)?,
            file,
        ));
    }
    let messages = [
        Message::new(ALI, SITI, "Sulit / Secret")?,
        Message::new(SITI, ALI, "Sulit / Secret")?,
    ];
    let sent = exchange(service, &messages).await;
    // Frames reach the file in blocks.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mut bytes = Vec::new();
    for (child, file) in &mut captures {
        stop(child)?;
        bytes.push(fs::read(&*file).with_context(|| file.display().to_string())?);
    }
    sent?;
    let secrets = secrets(&messages);
    for (site, frames) in Site::DATA_CENTRES.iter().zip(&bytes) {
        ensure!(
            frames.len() > 50_000,
            "{site}: only {} bytes of frames, so nothing was proven",
            frames.len()
        );
        for (what, secret) in &secrets {
            ensure!(!holds(frames, secret), "{site}: {what} was on the wire in clear");
        }
    }
    let size = bytes.iter().map(Vec::len).sum::<usize>() / 1000;
    Ok(format!(
        "{size} kB of frames, {} secrets looked for",
        secrets.len()
    ))
}

async fn exchange(service: &Service, messages: &[Message; 2]) -> anyhow::Result<()> {
    let [one, two] = [service.door(Site::Pdsa1).await?, service.door(Site::Pdsa2).await?];
    mail::send(&one, ALI, SITI, &messages[0]).await?;
    mail::read(&two, SITI, &messages[0]).await?;
    mail::send(&two, SITI, ALI, &messages[1]).await?;
    mail::read(&one, ALI, &messages[1]).await?;
    Ok(())
}

fn secrets(messages: &[Message; 2]) -> Vec<(String, Vec<u8>)> {
    let mut secrets = Vec::new();
    for Person {
        address, password, ..
    } in [ALI, SITI]
    {
        secrets.push((format!("the password of {address}"), password.into()));
        let plain = STANDARD.encode(format!("\0{address}\0{password}"));
        secrets.push((format!("the SASL PLAIN response of {address}"), plain.into()));
    }
    for message in messages {
        secrets.push(("a message's id and text".to_owned(), message.id.clone().into()));
    }
    secrets.push(("a message's subject".to_owned(), b"Sulit / Secret".to_vec()));
    secrets.push(("a command of IMAP".to_owned(), b"LOGIN ".to_vec()));
    secrets.push(("a command of SMTP".to_owned(), b"MAIL FROM:<".to_vec()));
    secrets
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn capture(machine: &Machine, file: &Path) -> anyhow::Result<Child> {
    let path = file.display().to_string();
    // `any` has the veth of every pod, so a frame between two pods is seen; loopback inside a pod is not, rightly.
    // Only the network namespace is entered, so that nsenter becomes tcpdump and ending the child ends it.
    let mut command = Command::new("nsenter");
    command.args([
        "-t",
        &machine.init().to_string(),
        "-n",
        "tcpdump",
        "-i",
        "any",
        "-U",
        "-w",
        &path,
        "-Z",
        "root",
    ]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("tcpdump")?;
    // It says "listening on" once it does.
    let mut heard = std::io::BufReader::new(child.stderr.take().context("tcpdump has no standard error")?);
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut heard, &mut line).context("tcpdump")?;
        ensure!(read > 0, "tcpdump did not start; is its package installed?");
    }
    child.stderr = Some(heard.into_inner());
    Ok(child)
}

fn stop(child: &mut Child) -> anyhow::Result<()> {
    child.kill().context("tcpdump")?;
    child.wait().context("tcpdump")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_middle_of_frames_is_found() {
        assert!(holds(b"..\0LOGIN ali..", b"LOGIN "));
        assert!(!holds(b"..\0LOGIX ali..", b"LOGIN "));
    }
}
