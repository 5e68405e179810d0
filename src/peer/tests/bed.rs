//! A site whose operator serves, its API server, and what is known of the other site.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body as Streamed;
use futures::channel::mpsc;
use govuc_api::Agency;
use govuc_wire::{names, tls::ALPN_HTTP};
use http::{Request, Response};
use k8s_openapi::jiff::Timestamp;
use kube::{Client, client::Body};
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{
    peer::{Served, client::by, serve},
    pki::{Authority, Leaf, OwnCertificate, Usage, Wanted, trusted},
};

pub const AGENCIES: &str = "/apis/1govuc.gov.my/v1alpha1/agencies";
pub const MARKS: &str = "/api/v1/namespaces/govuc-system/configmaps/govuc-mirror-marks";
/// More than anything here takes.
pub const SOON: Duration = Duration::from_secs(10);

/// The events of a watch, as the API server sends them.
pub type Events = mpsc::UnboundedSender<Result<String, Infallible>>;

/// What reached the API server, and its end of the last watch.
#[derive(Clone, Default)]
pub struct ApiServer {
    requests: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Option<Events>>>,
}

/// pdsa1, whose operator serves, and what is known of pdsa2.
pub struct Bed {
    pub authority: Authority,
    pub peer: Authority,
    pub own: Arc<OwnCertificate>,
    pub api: ApiServer,
    pub address: SocketAddr,
    stop: CancellationToken,
}

impl ApiServer {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = server.answer(&request);
            async move { answer }
        });
        Client::new(service, "default")
    }

    fn answer(&self, request: &Request<Body>) -> Result<Response<Streamed>, &'static str> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let mut line = format!("{} {}", request.method(), request.uri());
        for (name, value) in request.headers() {
            line.push_str(&format!(" {name}: {}", value.to_str().unwrap()));
        }
        self.requests.lock().unwrap().push(line);
        if query.contains("watch=true") {
            let (sender, receiver) = mpsc::unbounded();
            *self.events.lock().unwrap() = Some(sender);
            return Ok(Response::new(Streamed::from_stream(receiver)));
        }
        if path.ends_with("/away") {
            return Err("nobody listens");
        }
        let (code, answer) = match path {
            AGENCIES => (
                200,
                json!({"kind": "AgencyList", "apiVersion": "1govuc.gov.my/v1alpha1",
                    "metadata": {"resourceVersion": "7"}, "items": [agency("kkr")]}),
            ),
            "/api/v1/namespaces/kube-system" => (
                200,
                json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "3f"}}),
            ),
            MARKS => (
                200,
                json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "govuc-mirror-marks"},
                    "data": {"marks": r#"{"own": {"count": 7, "at": 70}}"#}}),
            ),
            _ => (
                410,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}),
            ),
        };
        let response = Response::builder()
            .status(code)
            .header("content-type", "application/json;of=the API server")
            .header("audit-id", "no affair of the peer")
            .body(Streamed::from(answer.to_string()));
        Ok(response.unwrap())
    }

    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    pub fn send(&self, name: &str) {
        let line = json!({"type": "ADDED", "object": agency(name)});
        let events = self.events.lock().unwrap();
        let events = events.as_ref().unwrap();
        events.unbounded_send(Ok(format!("{line}\n"))).unwrap();
    }

    pub fn is_watched(&self) -> bool {
        self.events
            .lock()
            .unwrap()
            .as_ref()
            .is_some_and(|events| !events.is_closed())
    }
}

impl Bed {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bed = Self {
            authority: authority("pdsa1"),
            peer: authority("pdsa2"),
            own: Arc::default(),
            api: ApiServer::default(),
            address: listener.local_addr().unwrap(),
            stop: CancellationToken::new(),
        };
        bed.trust();
        let served = Served {
            certificate: bed.own.clone(),
            site: "pdsa1".parse().unwrap(),
            client: bed.api.client(),
        };
        tokio::spawn(serve(listener, served, bed.stop.clone()));
        bed
    }

    fn both(&self) -> String {
        trusted(self.authority.certificate(), self.peer.certificate())
    }

    /// The own operator trusts both sites, as long as they are connected.
    pub fn trust(&self) {
        let both = self.both();
        self.own
            .renew(&self.authority, "pdsa1", &both, Timestamp::now())
            .unwrap();
    }

    /// What the operator of pdsa2 shows.
    pub fn of_peer(&self) -> Arc<OwnCertificate> {
        let certificate = OwnCertificate::default();
        certificate
            .renew(&self.peer, "pdsa2", &self.both(), Timestamp::now())
            .unwrap();
        Arc::new(certificate)
    }

    pub fn client(&self, certificate: Arc<OwnCertificate>) -> Client {
        by(certificate, "pdsa1", self.address.to_string())
    }

    /// As whoever this authority says that it is.
    pub fn leaf(&self, authority: &Authority, identity: &str) -> Leaf {
        let wanted = Wanted {
            identity: identity.to_owned(),
            names: Vec::new(),
            usage: Usage::ServerAndClient,
            trusted: self.both(),
        };
        authority.issue(&wanted, Timestamp::now()).unwrap()
    }

    /// A connection that has no client of ours at its end.
    pub async fn raw(&self) -> TlsStream<TcpStream> {
        let material = self.of_peer().current().unwrap();
        let connector = TlsConnector::from(Arc::new(material.client(&[ALPN_HTTP]).unwrap()));
        let name = names::server_name("operator", "pdsa1", "govuc-system");
        let tcp = TcpStream::connect(self.address).await.unwrap();
        connector
            .connect(ServerName::try_from(name).unwrap(), tcp)
            .await
            .unwrap()
    }

    /// What is answered to these bytes, until the server closes.
    pub async fn says(&self, request: &str) -> String {
        let mut stream = self.raw().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The end may come without a TLS close.
        let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn authority(site: &str) -> Authority {
    Authority::from_pair(Authority::generate(site, Timestamp::now()).unwrap()).unwrap()
}

pub fn agency(name: &str) -> serde_json::Value {
    let example = include_str!("../../../examples/agencies/kkr.yaml");
    let mut agency: Agency = serde_yaml::from_str(example).unwrap();
    agency.metadata.name = Some(name.to_owned());
    agency.metadata.resource_version = Some("7".to_owned());
    serde_json::to_value(agency).unwrap()
}
