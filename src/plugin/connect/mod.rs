//! `kubectl govuc connect`: makes two sites know each other. May be repeated.

mod check;
mod observe;
mod table;

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Namespace, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::{
    check::{Check, Verdict},
    table::table,
};
use super::{
    contexts::{self, Context},
    output::{self, Format},
};
use crate::{
    part::common_labels,
    pki::kept::{AUTHORITY_SECRET, PEER_CONFIG_MAP, ROOT_KEY, ROOT_SECRET},
    roles::{FORMED_CONFIG_MAP, formation},
};
use govuc_wire::names::SYSTEM_NAMESPACE;

const MANAGER: &str = "govuc-connect";
const POLL: Duration = Duration::from_secs(1);
const ROOT_BYTES: usize = 32;
/// Of the ConfigMap with the peer's.
const PEER_CERTIFICATE: &str = "ca.crt";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The two clusters, as contexts of kubeconfig: A,B
    #[arg(long, value_delimiter = ',', num_args = 1, required = true)]
    contexts: Vec<String>,
    /// How long to wait for the operators to make their certificate authorities, in seconds.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What was found and done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    contexts: Vec<String>,
    /// What was looked at before anything was written.
    checks: Vec<Check>,
    /// What became of the root secret. Absent when nothing was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<Root>,
    /// In which clusters the other site's certificate was written.
    certificates_written: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Root {
    /// Both had the same.
    Kept,
    /// One had it, and the other has it now.
    Copied,
    /// Neither had one.
    Made,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Contexts(#[from] contexts::PairError),
    #[error("{a} and {b} are one cluster: name the two clusters of the two sites")]
    SameCluster { a: String, b: String },
    #[error(
        "{context}: there is no namespace {SYSTEM_NAMESPACE}: install the operator first (govuc manifests --site SITE)"
    )]
    NotInstalled { context: String },
    #[error(
        "{context}: the operator made no certificate authority within {seconds} s. Does it run? See kubectl -n \
         {SYSTEM_NAMESPACE} get pods"
    )]
    NoAuthority { context: String, seconds: u64 },
    #[error("nothing was changed: {}", .0.join("\n       "))]
    Refused(Vec<String>),
    #[error("{context}: the root secret has {length} bytes, not {ROOT_BYTES}: delete it and connect again")]
    RootLength { context: String, length: usize },
    #[error("the system gives no random numbers")]
    NoRandom,
    #[error("{context}: {what} failed")]
    Api {
        context: String,
        what: &'static str,
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    let [a, b] = contexts::two(&arguments.contexts).await?;
    if uid(&a, "kube-system").await? == uid(&b, "kube-system").await? {
        return Err(Error::SameCluster {
            a: a.label().to_owned(),
            b: b.label().to_owned(),
        });
    }
    for cluster in [&a, &b] {
        if uid(cluster, SYSTEM_NAMESPACE).await?.is_none() {
            return Err(Error::NotInstalled {
                context: cluster.label().to_owned(),
            });
        }
    }
    let (one, other) = tokio::join!(observe::cluster(&a), observe::cluster(&b));
    let mut done = Done {
        contexts: arguments.contexts,
        checks: check::all(&one, &other),
        root: None,
        certificates_written: Vec::new(),
    };
    let ended = connect(&a, &b, Duration::from_secs(arguments.timeout), &mut done).await;
    let end = match (done.root, done.certificates_written.is_empty()) {
        (Some(Root::Kept), true) => "\n\nthe sites were connected already; nothing was changed",
        (Some(_), _) if ended.is_ok() => "\n\nthe sites are connected",
        _ => "",
    };
    let text = format!("{}{end}", table(&done.checks));
    output::print(arguments.output, &done, &text)?;
    ended
}

/// First what can be refused, then what is written.
async fn connect(a: &Context, b: &Context, patience: Duration, done: &mut Done) -> Result<(), Error> {
    let labels = [a.label(), b.label()];
    let roots = [root(a).await?, root(b).await?];
    let has = [roots[0].is_some(), roots[1].is_some()];
    done.checks.push(check::roots(labels, has, roots[0] == roots[1]));
    let refused = done
        .checks
        .iter()
        .filter(|check| check.result == Verdict::Refused);
    let refused: Vec<String> = refused.map(|check| check.found.clone()).collect();
    if !refused.is_empty() {
        return Err(Error::Refused(refused));
    }
    let of_a = authority(a, patience).await?;
    let of_b = authority(b, patience).await?;
    let trusts = [(a, &of_b), (b, &of_a)];
    let mut known = [None, None];
    for (known, (cluster, certificate)) in known.iter_mut().zip(trusts) {
        *known = trusted(cluster).await?.map(|trusted| trusted == *certificate);
    }
    done.checks.push(check::authorities(labels, known));
    done.root = Some(agree(a, b, roots).await?);
    for ((cluster, certificate), known) in trusts.into_iter().zip(known) {
        if known != Some(true) {
            introduce(cluster, certificate).await?;
            done.certificates_written.push(cluster.label().to_owned());
        }
    }
    for (from, to) in [(a, b), (b, a)] {
        tell_of_roles(from, to).await?;
    }
    Ok(())
}

/// The same root secret in both clusters, made when neither has one.
async fn agree(a: &Context, b: &Context, roots: [Option<Vec<u8>>; 2]) -> Result<Root, Error> {
    match roots {
        // Two that differ were refused.
        [Some(_), Some(_)] => Ok(Root::Kept),
        [Some(root), None] => {
            keep_root(b, root).await?;
            Ok(Root::Copied)
        }
        [None, Some(root)] => {
            keep_root(a, root).await?;
            Ok(Root::Copied)
        }
        [None, None] => {
            let mut root = vec![0; ROOT_BYTES];
            SystemRandom::new().fill(&mut root).map_err(|_| Error::NoRandom)?;
            keep_root(a, root.clone()).await?;
            keep_root(b, root).await?;
            Ok(Root::Made)
        }
    }
}

async fn root(cluster: &Context) -> Result<Option<Vec<u8>>, Error> {
    let secret = secrets(cluster)
        .get_opt(ROOT_SECRET)
        .await
        .map_err(api(cluster, "reading the root secret"))?;
    let Some(ByteString(root)) = secret.and_then(|secret| secret.data?.remove(ROOT_KEY)) else {
        return Ok(None);
    };
    if root.len() != ROOT_BYTES {
        return Err(Error::RootLength {
            context: cluster.label().to_owned(),
            length: root.len(),
        });
    }
    Ok(Some(root))
}

/// Create only: a root that appeared meanwhile is never overwritten; connecting again then says that they differ.
async fn keep_root(cluster: &Context, root: Vec<u8>) -> Result<(), Error> {
    let secret = Secret {
        metadata: metadata(ROOT_SECRET),
        immutable: Some(true),
        data: Some(BTreeMap::from([(ROOT_KEY.to_owned(), ByteString(root))])),
        ..Default::default()
    };
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..Default::default()
    };
    secrets(cluster)
        .create(&params, &secret)
        .await
        .map_err(api(cluster, "writing the root secret"))?;
    eprintln!("{}: root secret written", cluster.label());
    Ok(())
}

/// The certificate of the site's authority, as soon as its operator has made it.
async fn authority(cluster: &Context, patience: Duration) -> Result<String, Error> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        let secret = secrets(cluster)
            .get_opt(AUTHORITY_SECRET)
            .await
            .map_err(api(cluster, "reading the certificate authority"))?;
        let certificate = secret.and_then(|secret| secret.data?.remove("tls.crt"));
        if let Some(certificate) = certificate.and_then(|bytes| String::from_utf8(bytes.0).ok()) {
            return Ok(certificate);
        }
        if begun.elapsed() >= patience {
            return Err(Error::NoAuthority {
                context: cluster.label().to_owned(),
                seconds: patience.as_secs(),
            });
        }
        if !told {
            eprintln!(
                "{}: waiting for the operator to make its certificate authority",
                cluster.label()
            );
            told = true;
        }
        sleep(POLL).await;
    }
}

/// The peer's certificate, as it was brought before.
async fn trusted(cluster: &Context) -> Result<Option<String>, Error> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let found = maps
        .get_opt(PEER_CONFIG_MAP)
        .await
        .map_err(api(cluster, "reading the peer's certificate"))?;
    Ok(found.map(|map| {
        let certificate = map.data.and_then(|mut data| data.remove(PEER_CERTIFICATE));
        // A map without one trusts nobody, and is written anew as one of another site is.
        certificate.unwrap_or_default()
    }))
}

async fn introduce(cluster: &Context, certificate: &str) -> Result<(), Error> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let map = ConfigMap {
        metadata: metadata(PEER_CONFIG_MAP),
        data: Some(BTreeMap::from([(
            PEER_CERTIFICATE.to_owned(),
            certificate.to_owned(),
        )])),
        ..Default::default()
    };
    maps.patch(
        PEER_CONFIG_MAP,
        &PatchParams::apply(MANAGER).force(),
        &Patch::Apply(&map),
    )
    .await
    .map_err(api(cluster, "writing the peer's certificate"))?;
    eprintln!("{}: the other site's certificate written", cluster.label());
    Ok(())
}

/// A cluster that was set up from nothing does not know that the etcd which holds roles is there already: its member must not
/// begin another one.
async fn tell_of_roles(from: &Context, to: &Context) -> Result<(), Error> {
    let maps =
        |cluster: &Context| -> Api<ConfigMap> { Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE) };
    let known = async |cluster: &Context| {
        let found = maps(cluster).get_opt(FORMED_CONFIG_MAP).await;
        found.map_err(api(cluster, "reading which etcd holds roles"))
    };
    let (Some(map), None) = (known(from).await?, known(to).await?) else {
        return Ok(());
    };
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..Default::default()
    };
    let evidence = formation::evidence(SYSTEM_NAMESPACE, &formation::id(map));
    maps(to)
        .create(&params, &evidence)
        .await
        .map_err(api(to, "writing which etcd holds roles"))?;
    eprintln!("{}: told of the etcd that holds roles", to.label());
    Ok(())
}

async fn uid(cluster: &Context, namespace: &str) -> Result<Option<String>, Error> {
    let namespaces: Api<Namespace> = Api::all(cluster.client.clone());
    let found = namespaces
        .get_opt(namespace)
        .await
        .map_err(api(cluster, "reading a namespace"))?;
    Ok(found.and_then(|namespace| namespace.uid()))
}

fn secrets(cluster: &Context) -> Api<Secret> {
    Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE)
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(SYSTEM_NAMESPACE.to_owned()),
        labels: Some(common_labels()),
        ..Default::default()
    }
}

fn api(cluster: &Context, what: &'static str) -> impl FnOnce(kube::Error) -> Error {
    let context = cluster.label().to_owned();
    move |source| Error::Api {
        context,
        what,
        source: Box::new(source),
    }
}
