//! Both ends over real TLS on loopback, with an authority for each site and an API server that remembers what reached it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body as Streamed;
use futures::{StreamExt, TryStreamExt, channel::mpsc};
use govuc_api::{Agency, SCHEMA};
use govuc_wire::{names, tls::ALPN_HTTP};
use http::{Method, Request, Response};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Status, jiff::Timestamp};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, WatchEvent, WatchParams},
    client::Body,
};
use rstest::rstest;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Error, Served, client::by, serve};
use crate::pki::{Authority, Leaf, OwnCertificate, Usage, Wanted, trusted};

const AGENCIES: &str = "/apis/1govuc.gov.my/v1alpha1/agencies";
/// More than anything here takes.
const SOON: Duration = Duration::from_secs(10);

/// The events of a watch, as the API server sends them.
type Events = mpsc::UnboundedSender<Result<String, Infallible>>;

/// What reached the API server, and its end of the last watch.
#[derive(Clone, Default)]
struct ApiServer {
    requests: Arc<Mutex<Vec<String>>>,
    events: Arc<Mutex<Option<Events>>>,
}

/// pdsa1, whose operator serves, and what is known of pdsa2.
struct Bed {
    authority: Authority,
    peer: Authority,
    own: Arc<OwnCertificate>,
    api: ApiServer,
    address: SocketAddr,
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

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    fn send(&self, name: &str) {
        let line = json!({"type": "ADDED", "object": agency(name)});
        let events = self.events.lock().unwrap();
        let events = events.as_ref().unwrap();
        events.unbounded_send(Ok(format!("{line}\n"))).unwrap();
    }

    fn is_watched(&self) -> bool {
        self.events
            .lock()
            .unwrap()
            .as_ref()
            .is_some_and(|events| !events.is_closed())
    }
}

impl Bed {
    async fn new() -> Self {
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
    fn trust(&self) {
        let both = self.both();
        self.own
            .renew(&self.authority, "pdsa1", &both, Timestamp::now())
            .unwrap();
    }

    /// What the operator of pdsa2 shows.
    fn of_peer(&self) -> Arc<OwnCertificate> {
        let certificate = OwnCertificate::default();
        certificate
            .renew(&self.peer, "pdsa2", &self.both(), Timestamp::now())
            .unwrap();
        Arc::new(certificate)
    }

    fn client(&self, certificate: Arc<OwnCertificate>) -> Client {
        by(certificate, "pdsa1", self.address.to_string())
    }

    /// As whoever this authority says that it is.
    fn leaf(&self, authority: &Authority, identity: &str) -> Leaf {
        let wanted = Wanted {
            identity: identity.to_owned(),
            names: Vec::new(),
            usage: Usage::ServerAndClient,
            trusted: self.both(),
        };
        authority.issue(&wanted, Timestamp::now()).unwrap()
    }

    /// A connection that has no client of ours at its end.
    async fn raw(&self) -> TlsStream<TcpStream> {
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
    async fn says(&self, request: &str) -> String {
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

fn authority(site: &str) -> Authority {
    Authority::from_pair(Authority::generate(site, Timestamp::now()).unwrap()).unwrap()
}

fn agency(name: &str) -> serde_json::Value {
    let example = include_str!("../../examples/agencies/kkr.yaml");
    let mut agency: Agency = serde_yaml::from_str(example).unwrap();
    agency.metadata.name = Some(name.to_owned());
    agency.metadata.resource_version = Some("7".to_owned());
    serde_json::to_value(agency).unwrap()
}

async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, wait).await.unwrap();
}

#[tokio::test]
async fn the_peers_operator_reads_what_the_cluster_is_and_has() {
    let bed = Bed::new().await;
    let client = bed.client(bed.of_peer());
    let about = super::about(&client).await.unwrap();
    assert_eq!((about.cluster.as_str(), about.site.as_str()), ("3f", "pdsa1"));
    assert_eq!(about.schema, SCHEMA);
    assert!((about.now.0.as_second() - Timestamp::now().as_second()).abs() < 60);
    assert_eq!(bed.api.requests(), ["GET /api/v1/namespaces/kube-system"]);

    let agencies: Api<Agency> = Api::all(client);
    let list = agencies
        .list(&ListParams::default().limit(500).labels("a=b"))
        .await
        .unwrap();
    assert_eq!(list.items[0].name_any(), "kkr");
    assert_eq!(
        bed.api.requests(),
        [format!("GET {AGENCIES}?&labelSelector=a%3Db&limit=500")]
    );
    // What the API server says against it comes back as that, and that there is none as a gateway's word.
    for (name, code) in [("gone", 410), ("away", 502)] {
        let error = Error::from(agencies.get(name).await.unwrap_err());
        assert!(
            matches!(&error, Error::Refused(status) if status.code == code),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_watch_comes_event_by_event_and_ends_with_its_reader() {
    let bed = Bed::new().await;
    let agencies: Api<Agency> = Api::all(bed.client(bed.of_peer()));
    let watch = agencies.watch(&WatchParams::default(), "7").await.unwrap();
    let mut watch = Box::pin(watch);
    // The next one is sent only when the one before has come.
    for name in ["kkr", "jpa", "kpm"] {
        bed.api.send(name);
        let event = timeout(SOON, watch.try_next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(event, WatchEvent::Added(agency) if agency.name_any() == name));
    }
    assert!(bed.api.is_watched());
    drop(watch);
    until(|| !bed.api.is_watched()).await;
}

#[rstest]
#[case::a_guard_of_the_peer("peer", "mail-1.pdsa2.govuc.internal")]
#[case::the_gateways_name("peer", "operator-pdsa2.govuc-system.svc")]
#[case::an_operator_of_the_own_site("own", "operator.pdsa1.govuc.internal")]
#[case::the_peer_in_the_name_of_the_own_site("peer", "operator.pdsa1.govuc.internal")]
#[case::another_authority("other", "operator.pdsa2.govuc.internal")]
#[tokio::test]
async fn nobody_else_is_let_in(#[case] of: &str, #[case] identity: &str) {
    let bed = Bed::new().await;
    let other = authority("pdsa2");
    let authority = match of {
        "own" => &bed.authority,
        "peer" => &bed.peer,
        _ => &other,
    };
    let leaf = bed.leaf(authority, identity);
    let client = bed.client(Arc::new(OwnCertificate::of(leaf).unwrap()));
    super::about(&client).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn the_client_speaks_to_nobody_but_the_operator_that_it_means() {
    let bed = Bed::new().await;
    let client = by(bed.of_peer(), "pdsa3", bed.address.to_string());
    let error = super::about(&client).await.unwrap_err();
    assert_eq!(error.label(), "unreachable");
}

#[tokio::test]
async fn without_a_certificate_neither_end_has_a_connection() {
    let bed = Bed::new().await;
    let none = bed.client(Arc::default());
    assert!(matches!(super::about(&none).await, Err(Error::NotConnected)));
    let client = bed.client(bed.of_peer());
    bed.own.forget();
    super::about(&client).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
    bed.trust();
    super::about(&client).await.unwrap();
}

#[tokio::test]
async fn who_is_trusted_no_longer_is_cut_off() {
    let bed = Bed::new().await;
    let agencies: Api<Agency> = Api::all(bed.client(bed.of_peer()));
    let mut watch = Box::pin(agencies.watch(&WatchParams::default(), "7").await.unwrap());
    bed.api.send("kkr");
    watch.try_next().await.unwrap().unwrap();
    let alone = bed.authority.certificate();
    bed.own
        .renew(&bed.authority, "pdsa1", alone, Timestamp::now())
        .unwrap();
    until(|| !bed.api.is_watched()).await;
    let end = timeout(SOON, watch.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))));
    bed.api.requests();
    agencies.list(&ListParams::default()).await.unwrap_err();
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn a_peer_that_is_trusted_no_longer_is_not_read_either() {
    let bed = Bed::new().await;
    let certificate = bed.of_peer();
    let agencies: Api<Agency> = Api::all(bed.client(certificate.clone()));
    let mut watch = Box::pin(agencies.watch(&WatchParams::default(), "7").await.unwrap());
    bed.api.send("kkr");
    watch.try_next().await.unwrap().unwrap();
    certificate.forget();
    let end = timeout(SOON, watch.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))));
}

#[rstest]
#[case::making(Method::POST, AGENCIES, 405)]
#[case::deleting(Method::DELETE, AGENCIES, 405)]
#[case::changing(Method::PATCH, "/apis/1govuc.gov.my/v1alpha1/agencies/kkr", 405)]
#[case::secrets(Method::GET, "/api/v1/secrets", 404)]
#[case::upwards(
    Method::GET,
    "/apis/1govuc.gov.my/v1alpha1/agencies/../../../../api/v1/secrets",
    404
)]
#[case::encoded(Method::GET, "/apis/1govuc.gov.my/v1alpha1/agencies/..%2fmailstores", 404)]
#[tokio::test]
async fn nothing_else_reaches_the_api_server(#[case] method: Method, #[case] path: &str, #[case] code: u16) {
    let bed = Bed::new().await;
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let said = bed.says(&head).await;
    assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{said}");
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let status: Status = serde_json::from_str(body).unwrap();
    assert_eq!(status.code, Some(code.into()));
    assert!(status.message.unwrap().contains(path));
    assert!(bed.api.requests().is_empty());
}

#[tokio::test]
async fn of_an_answer_status_kind_and_body_are_kept_and_of_a_request_no_header_but_accept() {
    let bed = Bed::new().await;
    let said = bed
        .says(&format!(
            "GET {AGENCIES} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nimpersonate-user: admin\r\naccept: a/b\r\n\r\n"
        ))
        .await;
    assert!(said.contains("content-type: application/json;of=the API server\r\n"));
    assert!(!said.contains("audit-id"));
    assert_eq!(bed.api.requests(), [format!("GET {AGENCIES} accept: a/b")]);
    let said = bed
        .says(&format!(
            "GET {AGENCIES}/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(said.starts_with("HTTP/1.1 410 "), "{said}");
}

#[tokio::test]
async fn what_comes_beyond_the_bound_is_closed_and_the_others_are_served() {
    let bed = Bed::new().await;
    let mut held = Vec::new();
    for _ in 0..super::serve::CONNECTIONS {
        held.push(bed.raw().await);
    }
    let client = bed.client(bed.of_peer());
    super::about(&client).await.unwrap_err();
    held.pop();
    let answered = async {
        while super::about(&client).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, answered).await.unwrap();
}
