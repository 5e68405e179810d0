//! The etcd that holds roles: three members, any two of which go on without the third, and nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use govuc_wire::names;
use govuc_wire::tls::Material;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::network::{Line, Site};
use crate::service::{Kind, Service, client, line, witness};
use crate::{fault, site, up};

/// How long a majority may take to find itself again. Longer than that it does not.
const LIMIT: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(500);
/// How long Platform may take to say what is so: it looks every half minute.
const SAYING: Duration = Duration::from_secs(120);
/// A key that is nobody's.
const KEY: &str = "/test/roles";
/// A member that does not answer within this does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both sites and the witness are voting members, and name the same leader.
pub async fn three_members_agree_on_a_leader(service: &Service) -> anyhow::Result<String> {
    let start = Instant::now();
    loop {
        match agreed(service) {
            Ok(told) => return Ok(told),
            Err(error) if start.elapsed() > LIMIT => return Err(error),
            Err(_) => tokio::time::sleep(PERIOD).await,
        }
    }
}

/// Platform says so at both sites.
pub async fn both_platforms_say_that_roles_are_ready(service: &Service) -> anyhow::Result<String> {
    said_at(service, &Site::DATA_CENTRES, ("True", "Formed")).await
}

/// Without the witness roles can be written at either site, and Platform names who is missing.
pub async fn roles_are_written_without_the_witness(service: &Service) -> anyhow::Result<String> {
    site::machine(&service.lab, Site::Witness)?.kill()?;
    let written = async {
        for site in Site::DATA_CENTRES {
            written_and_read(service, site).await?;
        }
        said_at(service, &Site::DATA_CENTRES, ("False", "MemberMissing")).await
    }
    .await;
    up::revive(&service.lab, Site::Witness).await?;
    written?;
    said_at(service, &Site::DATA_CENTRES, ("True", "Formed")).await
}

/// The site that is cut off can't write roles; the one that has the witness can, whoever led before.
pub async fn only_the_site_with_the_witness_writes_roles(service: &Service) -> anyhow::Result<String> {
    for (off, on) in [(Site::Pdsa1, Site::Pdsa2), (Site::Pdsa2, Site::Pdsa1)] {
        fault::change(&service.lab, |faults| faults.cut(Line::Site(off)))?;
        let told = async {
            written_and_read(service, on).await?;
            ensure!(
                put(service, off, "off").is_err(),
                "{off} wrote a role while it was cut off"
            );
            said_at(service, &[off], ("False", "NoQuorum")).await?;
            said_at(service, &[on], ("False", "MemberMissing")).await
        }
        .await;
        fault::change(&service.lab, |faults| faults.heal(None))?;
        told?;
        written_and_read(service, off).await?;
    }
    said_at(service, &Site::DATA_CENTRES, ("True", "Formed")).await
}

/// With the line between the sites cut, and both lines to the witness whole, roles can be written at one of them at least.
pub async fn roles_are_written_while_the_sites_are_cut_from_each_other(
    service: &Service,
) -> anyhow::Result<String> {
    fault::change(&service.lab, |faults| faults.cut(Line::BETWEEN_SITES))?;
    let start = Instant::now();
    let wrote = loop {
        let wrote: Vec<&str> = Site::DATA_CENTRES
            .into_iter()
            .filter(|site| put(service, *site, "cut").is_ok())
            .map(Site::name)
            .collect();
        if !wrote.is_empty() || start.elapsed() > LIMIT {
            break wrote;
        }
        tokio::time::sleep(PERIOD).await;
    };
    fault::change(&service.lab, |faults| faults.heal(None))?;
    ensure!(!wrote.is_empty(), "neither site could write a role");
    said_at(service, &Site::DATA_CENTRES, ("True", "Formed")).await?;
    Ok(format!("{} wrote", wrote.join(" and ")))
}

/// A client needs a certificate of the roles' own authority, and to speak raft a member's; a site's authority is another one.
pub async fn roles_are_closed_to_other_certificates(service: &Service) -> anyhow::Result<String> {
    // A member without a leader answers nobody well.
    three_members_agree_on_a_leader(service).await?;
    let clients = Ask {
        service,
        name: names::ROLES,
        path: "/health",
    };
    let members = Ask {
        service,
        name: names::ROLES_PEER,
        path: "/members",
    };
    let trusted = pem(service, names::ROLES_CLIENT, "ca.crt")?;
    let show = |part: &str| -> anyhow::Result<ClientConfig> {
        let (certificate, key) = (pem(service, part, "tls.crt")?, pem(service, part, "tls.key")?);
        Ok(Material::from_pem(&certificate, &key, &trusted)?.client(&[])?)
    };
    for (ask, part) in [(clients, names::ROLES_CLIENT), (members, names::ROLES)] {
        let answer = ask.with(show(part)?).await;
        let answer = answer.with_context(|| format!("tls-{part} was refused by {}", ask.name))?;
        ensure!(
            answer.starts_with("HTTP/1.1 200"),
            "tls-{part} was answered {answer:?}"
        );
    }
    for (ask, part) in [
        (clients, "directory"),
        (members, "directory"),
        (members, names::ROLES_CLIENT),
    ] {
        let answer = ask.with(show(part)?).await;
        ensure!(
            answer.is_err(),
            "tls-{part} was answered {answer:?} by {}",
            ask.name
        );
    }
    for ask in [clients, members] {
        let answer = ask.with(without_certificate(&trusted)?).await;
        ensure!(
            answer.is_err(),
            "no certificate was answered {answer:?} by {}",
            ask.name
        );
    }
    Ok("refused: the directory's certificate, none, and a client's where members speak".to_owned())
}

/// One request to this site's member, at the Service of this name.
#[derive(Clone, Copy)]
struct Ask<'a> {
    service: &'a Service,
    name: &'a str,
    path: &'a str,
}

impl Ask<'_> {
    /// What it answers to this client, from the member's own machine: what is seen is the member's own answer.
    async fn with(self, client: ClientConfig) -> anyhow::Result<String> {
        let site = Site::Pdsa1;
        let name = names::service(self.name, site.name());
        let path = "jsonpath={.spec.clusterIP}";
        let address = self.service.kubectl.run(
            site,
            &["-n", names::MAIL_NAMESPACE, "get", "service", &name, "-o", path],
        )?;
        let address: Ipv4Addr = address
            .parse()
            .with_context(|| format!("{name} has no address"))?;
        let machine = site::machine(&self.service.lab, site)?;
        let stream = line::dial(&machine, SocketAddr::from((address, names::TLS_PORT))).await?;
        let server = names::server_name(self.name, site.name(), names::MAIL_NAMESPACE);
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n",
            self.path
        );
        let asked = async {
            let connector = TlsConnector::from(Arc::new(client));
            let mut stream = connector.connect(ServerName::try_from(server)?, stream).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut head = [0; 512];
            let length = stream.read(&mut head).await?;
            ensure!(length > 0, "the connection was closed");
            anyhow::Ok(String::from_utf8_lossy(&head[..length]).into_owned())
        };
        timeout(PATIENCE, asked).await.context("no answer")?
    }
}

fn without_certificate(trusted: &str) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A part's `tls-<part>` Secret at the first site.
fn pem(service: &Service, part: &str, field: &str) -> anyhow::Result<String> {
    let template = format!("go-template={{{{index .data {field:?} | base64decode}}}}");
    let secret = format!("tls-{part}");
    Ok(service.kubectl.run(
        Site::Pdsa1,
        &[
            "-n",
            names::MAIL_NAMESPACE,
            "get",
            "secret",
            &secret,
            "-o",
            &template,
        ],
    )?)
}

/// How each member sees the others, if all of them see the same.
fn agreed(service: &Service) -> anyhow::Result<String> {
    let mut leaders = BTreeMap::new();
    for site in Site::ALL {
        let list: Value = serde_json::from_str(&etcdctl(service, site, &["member", "list", "-w", "json"])?)?;
        let members = list["members"].as_array().context("no list of members")?;
        let voting = members
            .iter()
            .filter(|member| member["isLearner"] != true && !member["clientURLs"].is_null())
            .filter_map(|member| member["name"].as_str())
            .collect::<BTreeSet<_>>();
        ensure!(
            voting == BTreeSet::from(Site::ALL.map(Site::name)),
            "{site} knows these voting members: {voting:?}"
        );
        let status: Value =
            serde_json::from_str(&etcdctl(service, site, &["endpoint", "status", "-w", "json"])?)?;
        let leader = status[0]["Status"]["leader"].as_u64().unwrap_or(0);
        ensure!(leader != 0, "{site} knows no leader");
        leaders.insert(leader, site);
    }
    ensure!(
        leaders.len() == 1,
        "there are {} leaders: {leaders:?}",
        leaders.len()
    );
    Ok(format!(
        "the leader is {:x}",
        leaders.keys().next().copied().unwrap_or(0)
    ))
}

/// Writes a key at this site, as soon as a majority is there, and reads it at the other members that answer.
async fn written_and_read(service: &Service, site: Site) -> anyhow::Result<()> {
    let start = Instant::now();
    let value = format!("{site} at {:?}", std::time::SystemTime::now());
    while let Err(error) = put(service, site, &value) {
        if start.elapsed() > LIMIT {
            return Err(error.context(format!("{site} can't write a role")));
        }
        tokio::time::sleep(PERIOD).await;
    }
    let read = etcdctl(service, site, &["get", KEY, "--print-value-only"])?;
    ensure!(read.trim() == value, "{site} wrote {value:?} and reads {read:?}");
    Ok(())
}

fn put(service: &Service, site: Site, value: &str) -> anyhow::Result<()> {
    let answer = etcdctl(service, site, &["put", KEY, value])?;
    ensure!(answer.trim() == "OK", "{site}: {answer:?}");
    Ok(())
}

/// etcdctl beside the member of a site, or of the witness, asking that member alone.
fn etcdctl(service: &Service, site: Site, arguments: &[&str]) -> anyhow::Result<String> {
    if !site.is_data_centre() {
        return witness::etcdctl(service, arguments);
    }
    let mut words = vec!["-n", names::MAIL_NAMESPACE, "exec", "roles-0", "--", "etcdctl"];
    words.extend([
        "--endpoints=https://localhost:8443",
        "--cacert=/etc/govuc/roles/ca.crt",
        "--cert=/etc/govuc/roles/tls.crt",
        "--key=/etc/govuc/roles/tls.key",
    ]);
    words.extend(arguments);
    Ok(service.kubectl.run(site, &words)?)
}

/// Waits until Platform's `RolesReady` says this at these sites.
async fn said_at(
    service: &Service,
    sites: &[Site],
    (status, reason): (&str, &str),
) -> anyhow::Result<String> {
    let start = Instant::now();
    for site in sites {
        let client = client(&service.lab.folder.kubeconfig(), *site).await?;
        loop {
            let said = said(&client).await;
            if said
                .as_ref()
                .is_ok_and(|said| said.0 == status && said.1 == reason)
            {
                break;
            }
            if start.elapsed() > SAYING {
                bail!("{site}: RolesReady is {said:?}, not {status} by {reason}");
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
    Ok(format!("said after {:.0} s", start.elapsed().as_secs_f64()))
}

/// Status, reason and message of Platform's `RolesReady`.
async fn said(client: &kube::Client) -> anyhow::Result<(String, String, String)> {
    let platform = Kind::Platform.api(client).get("platform").await?;
    let conditions = platform.data["status"]["conditions"].as_array().cloned();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "RolesReady")
        .context("Platform says nothing of its roles")?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Ok((text("status"), text("reason"), text("message")))
}
