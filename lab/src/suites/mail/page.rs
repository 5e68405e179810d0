//! What people find at 443 with a browser.

use anyhow::{Context, ensure};

use crate::network::Site;
use crate::service::people::KUMAR;
use crate::service::{Login, Service};

/// Whoever is sent to the page finds a form there, and a first password changed with it opens IMAP.
pub async fn a_password_is_changed_in_a_browser(service: &Service) -> anyhow::Result<String> {
    let door = service.door(Site::Pdsa2).await?;
    let (status, page) = door.password_page()?;
    ensure!(status == 200, "the page was answered {status}: {page}");
    let (headers, page) = page.split_once("\r\n\r\n").context("the answer has no headers")?;
    let headers = headers.to_lowercase();
    let named = |name: &str| -> Vec<&str> {
        headers
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    };
    let policy = named("content-security-policy");
    ensure!(
        policy.len() == 1 && policy[0].starts_with("default-src 'none'; style-src 'sha256-"),
        "the page may do {policy:?}"
    );
    for name in [
        "strict-transport-security",
        "x-content-type-options",
        "referrer-policy",
        "cache-control",
    ] {
        ensure!(named(name).len() == 1, "the page has {name}: {:?}", named(name));
    }
    ensure!(
        page.contains("Sekurang-kurangnya 12 aksara") && page.contains("At least 12 characters"),
        "the page does not tell the rule: {page}"
    );
    let first = service
        .first_password(KUMAR)?
        .with_context(|| format!("{} has none", KUMAR.address))?;
    let login = |password| Login {
        user: KUMAR.address,
        password,
    };
    let (status, page) = door.fill_in_password_form(login("salah-Rahsia-9"), KUMAR.password)?;
    ensure!(
        status == 403 && page.contains("Wrong address or password"),
        "a wrong password was answered {status}: {page}"
    );
    let (status, page) = door.fill_in_password_form(login(&first), KUMAR.password)?;
    ensure!(
        status == 200 && page.contains("The password was changed"),
        "a good password was answered {status}: {page}"
    );
    door.imap(KUMAR.login()).await?.logout().await?;
    Ok("a wrong one 403, the first one changed".to_owned())
}
