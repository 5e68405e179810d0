//! Objects and a cluster to begin with.

use std::{sync::Arc, time::Duration};

use govuc::{
    lead::{Known, Mandate},
    mail_store::engine::Engines,
    operator::{Context, Images, Options},
    pki::{Authority, kept},
    telemetry::Metrics,
};
use govuc_api::{Agency, Mailbox, Platform};
use govuc_roles::timing::Moment;
use govuc_wire::names::SYSTEM_NAMESPACE;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    jiff::Timestamp,
};
use kube::{
    Resource,
    runtime::{
        reflector::{self, Lookup, Store},
        watcher::Event,
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    api_server::ApiServer,
    committed::root,
    fakes::{Directory, Mail, Opened},
};

/// One site's cluster, with what both sites share.
pub struct Site {
    pub server: ApiServer,
    pub context: Arc<Context>,
    pub directory: Arc<Directory>,
    pub mail: Arc<Mail>,
}

impl Site {
    /// The lead, with the Platform of the examples.
    pub fn lead() -> Self {
        let site = Self::new("pdsa1", Arc::default(), Arc::default());
        site.leads(2);
        site
    }

    /// The other site of the same service.
    pub fn other(&self) -> Self {
        let site = Self::new("pdsa2", self.directory.clone(), self.mail.clone());
        site.follows("pdsa1");
        site
    }

    /// From now on it leads, under this term.
    pub fn leads(&self, term: u64) {
        let until = Moment::new(Duration::MAX);
        let here = Known::Site(self.context.site.to_string());
        self.context.office.say(here, Some(Mandate { term, until }));
    }

    /// From now on another one does.
    pub fn follows(&self, site: &str) {
        self.context.office.say(Known::Site(site.to_owned()), None);
    }

    /// From now on nobody does.
    pub fn is_without_lead(&self) {
        self.context.office.say(Known::Nobody, None);
    }

    /// As `kubectl govuc connect` leaves a cluster whose peer this is.
    pub fn connect(&self, peer: &str) {
        let metadata = |name: &str| ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(SYSTEM_NAMESPACE.to_owned()),
            ..Default::default()
        };
        let peer = Authority::generate(peer, Timestamp::now()).unwrap();
        self.server.put(&ConfigMap {
            metadata: metadata(kept::PEER_CONFIG_MAP),
            data: Some([("ca.crt".to_owned(), peer.certificate)].into()),
            ..Default::default()
        });
        self.server.put(&Secret {
            metadata: metadata(kept::ROOT_SECRET),
            data: Some([(kept::ROOT_KEY.to_owned(), ByteString(vec![7; 32]))].into()),
            ..Default::default()
        });
    }

    fn new(site: &str, directory: Arc<Directory>, mail: Arc<Mail>) -> Self {
        let server = ApiServer::default();
        server.put(&example::<Platform>("platform.yaml"));
        let options = Options {
            site: site.parse().unwrap(),
            engines: Engines::of(&images().cyrus, &[]).unwrap(),
            images: images(),
            replica: "test".to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            peer_listen: ([127, 0, 0, 1], 0).into(),
        };
        let mut context = Context::new(server.client(), &options, Metrics::default());
        context.directory = Arc::new(Opened(directory.clone()));
        context.mail = mail.clone();
        Self {
            server,
            context: Arc::new(context),
            directory,
            mail,
        }
    }

    /// A cache of what the cluster has now.
    pub fn cache<K>(&self) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + DeserializeOwned + 'static,
    {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&Event::Init);
        for object in self.server.list::<K>() {
            writer.apply_watcher_event(&Event::InitApply(object));
        }
        writer.apply_watcher_event(&Event::InitDone);
        store
    }
}

/// Some requests are told of only when they succeed, so that a refusal would go unseen.
impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.server.refused(), Vec::<String>::new());
        }
    }
}

/// A file of `examples/`.
pub fn example<K: DeserializeOwned>(path: &str) -> K {
    let path = root().join("examples").join(path);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The agency `kkr` of the examples, approved.
pub fn kkr() -> Agency {
    approved(example("agencies/kkr.yaml"))
}

pub fn approved(mut agency: Agency) -> Agency {
    agency.spec.approval = serde_json::from_value(json!({
        "decision": "Approved", "decidedBy": "approver", "on": "2026-11-24",
    }))
    .unwrap();
    agency
}

/// Ali of the examples.
pub fn ali() -> Mailbox {
    example("mailboxes/ali-ahmad.yaml")
}

fn images() -> Images {
    let image = |name: &str| format!("localhost/govuc/{name}:dev");
    Images {
        openldap: image("openldap"),
        postfix: image("postfix"),
        nginx: image("nginx"),
        haproxy: image("haproxy"),
        filter: image("filter"),
        cyrus: image("cyrus"),
        router: image("router"),
        etcd: image("etcd"),
    }
}
