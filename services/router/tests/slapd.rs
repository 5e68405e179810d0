//! The front door's and Postfix's questions, with real providers behind the answers.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, OnceLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use govuc_directory::{
    Account, Agency, Lead, PasswordChange, PasswordPolicy, Store, StoreUse,
    testbed::{DOMAIN, Testbed},
};
use govuc_router::{
    door::{self, Door, Texts},
    postfix::{Knowledge, lookup},
    primaries::Primaries,
    providers::Providers,
    relay::{Admitted, Place, Protocol},
    rules::RulesFile,
    sign_in::SignIn,
    telemetry::Metrics,
    tickets::Tickets,
};
use govuc_wire::token::{Purpose, SessionKey, Subject};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

const FIRST: &str = "pertama-Rahsia-1";
const SECOND: &str = "kedua Rahsia: 22%";
const THIRD: &str = "ketiga Rahsia: 33%";

/// Everything that is logged in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .init();
        log
    })
    .clone()
}

struct Office {
    bed: Testbed,
    lead: Lead,
    ali: Account,
    providers: Providers,
    metrics: Metrics,
    tickets: Arc<Tickets<Admitted>>,
    door: Arc<Door>,
    _rules: TempDir,
}

fn key() -> SessionKey {
    SessionKey::new(&[7; 32]).unwrap()
}

/// One agency, one store and one account with a first password.
async fn office() -> Office {
    log();
    let bed = Testbed::start();
    let lead = bed.directory("pdsa1", "operator").as_lead(1);
    lead.bootstrap(&PasswordPolicy::default()).await.unwrap();
    lead.put_store(&Store {
        name: "mail-1".into(),
        usage: StoreUse::Mail,
        preferred_site: "pdsa2".into(),
        primary_site: "pdsa2".into(),
        era: 3,
    })
    .await
    .unwrap();
    lead.put_agency(&Agency {
        name: "kkr".into(),
        domains: vec!["kkr.gov.my".into()],
        store: Some("mail-1".into()),
        preferred_site: "pdsa2".into(),
    })
    .await
    .unwrap();
    let ali = Account {
        id: Uuid::new_v4(),
        agency: "kkr".into(),
        mailbox: "kkr/ali".into(),
        name: "Ali bin Ahmad".into(),
        address: "ali@kkr.gov.my".into(),
        aliases: vec!["a.ahmad@kkr.gov.my".into()],
        store: "mail-1".into(),
        quota: 524_288_000,
        staff_number: None,
        grade: Some(41),
        spec_hash: None,
    };
    lead.add_account(&ali).await.unwrap();
    lead.set_first_password(ali.id, FIRST, "pdsa1").await.unwrap();

    let metrics = Metrics::default();
    let own = bed.directory("pdsa1", "front-door");
    let peer = bed.directory_from("pdsa2", "front-door", "pdsa1");
    let providers = Providers::new(own, peer, metrics.clone());
    let tickets = Arc::new(Tickets::new(Instant::now()));
    let rules = tempfile::tempdir().unwrap();
    let file = rules.path().join("rules.json");
    std::fs::write(&file, r#"{"minLength":12,"lockoutSeconds":900}"#).unwrap();
    let door = Arc::new(Door {
        sign_in: SignIn::new(providers.clone(), metrics.clone()).unwrap(),
        providers: providers.clone(),
        primaries: Primaries::assigned(),
        session_key: key(),
        tickets: tickets.clone(),
        relay_port: 9143,
        site: "pdsa1".into(),
        peer: "pdsa2".into(),
        texts: Texts::of_domain(DOMAIN),
        rules: RulesFile::open(file).unwrap(),
        metrics: metrics.clone(),
    });
    Office {
        bed,
        lead,
        ali,
        providers,
        metrics,
        tickets,
        door,
        _rules: rules,
    }
}

impl Office {
    async fn auth(&self, protocol: &str, login: &str, password: &str) -> HeaderMap {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let request = Request::get("/auth")
            .header("Auth-Method", "plain")
            .header("Auth-User", escaped(login))
            .header("Auth-Pass", escaped(password))
            .header("Auth-Protocol", protocol)
            .header("Auth-Login-Attempt", "1")
            .header("Client-IP", "198.18.0.9")
            .body(Body::empty())
            .unwrap();
        let response = door::routes(self.door.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.headers().clone()
    }

    async fn change(&self, login: &str, old: &str, new: &str) -> (StatusCode, String) {
        let credentials = STANDARD.encode(format!("{login}:{old}"));
        let request = Request::put("/password")
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .body(Body::from(new.to_owned()))
            .unwrap();
        let response = door::routes(self.door.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// As a browser sends the form of the page.
    async fn fill_in(&self, address: &str, old: &str, new: &str, again: &str) -> (StatusCode, String) {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let body = format!(
            "address={}&old={}&new={}&again={}",
            escaped(address),
            escaped(old),
            escaped(new),
            escaped(again)
        );
        let request = Request::post("/password").body(Body::from(body)).unwrap();
        let response = door::routes(self.door.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn postfix(&self, request: &str) -> String {
        let knowledge = Knowledge {
            providers: self.providers.clone(),
            primaries: Primaries::assigned(),
            metrics: self.metrics.clone(),
        };
        lookup(request, &knowledge).await.to_string()
    }
}

fn said<'a>(answer: &'a HeaderMap, name: &str) -> &'a str {
    answer.get(name).map_or("", |value| value.to_str().unwrap())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn a_first_password_is_changed_and_then_opens_mail_and_submission() {
    let office = office().await;
    let refused = office.auth("imap", "ali@kkr.gov.my", FIRST).await;
    assert!(
        said(&refused, "auth-status").starts_with("[EXPIRED] "),
        "{refused:?}"
    );
    assert!(said(&refused, "auth-status").contains("https://mail.1govuc.gov.my/password"));
    assert_eq!(said(&refused, "auth-server"), "");

    let (status, text) = office.change("ali@kkr.gov.my", FIRST, "pendek").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text.contains("terlalu pendek") && text.contains("too short"),
        "{text}"
    );
    let (status, _) = office.change("ali@kkr.gov.my", "salah-Rahsia-9", SECOND).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, text) = office.change("Ali@kkr.gov.my", FIRST, SECOND).await;
    assert_eq!((status, text.as_str()), (StatusCode::NO_CONTENT, ""));

    let answer = office.auth("imap", "A.Ahmad@kkr.gov.my", SECOND).await;
    assert_eq!(said(&answer, "auth-status"), "OK");
    assert_eq!(said(&answer, "auth-port"), "9143");
    let user = office.ali.id.to_string();
    assert_eq!(said(&answer, "auth-user"), user);
    let subject = Subject {
        purpose: Purpose::Session,
        user: &user,
        store: "mail-1",
        era: 3,
    };
    assert_eq!(key().verify(said(&answer, "auth-pass"), subject, now()), Ok(()));
    let server: Ipv4Addr = said(&answer, "auth-server").parse().unwrap();
    let admitted = office.tickets.take(server, Instant::now()).unwrap();
    assert_eq!(admitted.places, [Place::of_part("mail-1", "pdsa2", "govuc-mail")]);
    let preamble = admitted.preamble.unwrap();
    assert_eq!((preamble.user, preamble.client), (user, "198.18.0.9".into()));

    let answer = office.auth("smtp", "ali@kkr.gov.my", SECOND).await;
    assert_eq!(said(&answer, "auth-status"), "OK");
    assert_eq!(said(&answer, "auth-pass"), "");
    let server: Ipv4Addr = said(&answer, "auth-server").parse().unwrap();
    let admitted = office.tickets.take(server, Instant::now()).unwrap();
    assert_eq!(admitted.protocol, Protocol::Submission);
    assert_eq!(admitted.preamble, None);
    assert_eq!(
        admitted.places,
        ["pdsa1", "pdsa2"].map(|site| Place::of_part("submission", site, "govuc-mta"))
    );
}

#[tokio::test]
async fn a_first_password_is_changed_in_a_browser_too() {
    let office = office().await;
    let (status, page) = office.fill_in("ali@kkr.gov.my", FIRST, "pendek", "pendek").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        page.contains("sekurang-kurangnya 12 aksara") && page.contains("use at least 12 characters"),
        "{page}"
    );
    // Nobody learns from the answer which accounts there are.
    let wrong = office
        .fill_in("ali@kkr.gov.my", "salah-Rahsia-9", SECOND, SECOND)
        .await;
    let nobody = office
        .fill_in("abu@kkr.gov.my", "salah-Rahsia-9", SECOND, SECOND)
        .await;
    assert_eq!(wrong.0, StatusCode::FORBIDDEN);
    assert_eq!(wrong.0, nobody.0);
    assert_eq!(wrong.1.replace("ali@", "abu@"), nobody.1);

    let (status, page) = office.fill_in(" Ali@kkr.gov.my", FIRST, SECOND, SECOND).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("The password was changed"), "{page}");
    assert!(!page.contains("<form"), "{page}");
    let answer = office.auth("imap", "ali@kkr.gov.my", SECOND).await;
    assert_eq!(said(&answer, "auth-status"), "OK");

    for _ in 0..5 {
        office.fill_in("ali@kkr.gov.my", "salah", FIRST, FIRST).await;
    }
    let (status, page) = office.fill_in("ali@kkr.gov.my", SECOND, FIRST, FIRST).await;
    assert_eq!(status, StatusCode::LOCKED);
    assert!(
        page.contains("selepas 15 minit") && page.contains("after 15 minutes"),
        "{page}"
    );
}

#[tokio::test]
async fn a_right_password_is_remembered_until_it_is_changed() {
    let office = office().await;
    office.change("ali@kkr.gov.my", FIRST, SECOND).await;
    // A password younger than five seconds is not remembered.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    for _ in 0..3 {
        let answer = office.auth("imap", "ali@kkr.gov.my", SECOND).await;
        assert_eq!(said(&answer, "auth-status"), "OK");
    }
    let metrics = office.metrics.text().unwrap();
    assert!(
        metrics.contains("govuc_router_sign_ins_remembered_total 2"),
        "{metrics}"
    );

    let door = office.bed.directory("pdsa1", "front-door");
    let change = door
        .change_password(office.ali.id, SECOND, "ketiga-Rahsia-333")
        .await
        .unwrap();
    assert_eq!(change, PasswordChange::Changed);
    let answer = office.auth("imap", "ali@kkr.gov.my", SECOND).await;
    assert!(said(&answer, "auth-status").starts_with("[AUTHENTICATIONFAILED] "));
    assert_eq!(said(&answer, "auth-wait"), "3");
}

#[tokio::test]
async fn the_peers_directory_is_asked_when_the_own_one_is_away_and_nobody_is_guessed_for() {
    let mut office = office().await;
    office.change("ali@kkr.gov.my", FIRST, SECOND).await;
    let (own, peer) = (
        office.bed.directory("pdsa1", "front-door"),
        office.bed.directory("pdsa2", "front-door"),
    );
    let begun = Instant::now();
    while !matches!((own.context_csn().await, peer.context_csn().await), (Ok(own), Ok(peer)) if peer.reaches(&own))
    {
        assert!(begun.elapsed().as_secs() < 30, "the peer does not catch up");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    office.bed.stop_provider("pdsa1");
    let answer = office.auth("imap", "ali@kkr.gov.my", SECOND).await;
    assert_eq!(said(&answer, "auth-status"), "OK");
    assert_eq!(office.postfix("domains kkr.gov.my").await, "OK OK");

    office.bed.stop_provider("pdsa2");
    let answer = office.auth("smtp", "ali@kkr.gov.my", SECOND).await;
    assert_eq!(said(&answer, "auth-error-code"), "454 4.7.0");
    let (status, _) = office.change("ali@kkr.gov.my", SECOND, "ketiga-Rahsia-333").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    for request in [
        "domains kkr.gov.my",
        "aliases ali@kkr.gov.my",
        "transport mail-1.store.govuc.internal",
        "senders ali@kkr.gov.my",
    ] {
        assert!(office.postfix(request).await.starts_with("TEMP "), "{request}");
    }
}

#[tokio::test]
async fn postfix_learns_domains_addresses_stores_and_senders() {
    let office = office().await;
    let id = office.ali.id;
    for (request, reply) in [
        ("domains kkr.gov.my", "OK OK".to_owned()),
        ("domains kpt.gov.my", "NOTFOUND ".to_owned()),
        ("domains mail-1.store.govuc.internal", "NOTFOUND ".to_owned()),
        (
            "aliases ali@kkr.gov.my",
            format!("OK {id}@mail-1.store.govuc.internal"),
        ),
        (
            "aliases A.Ahmad@KKR.gov.my",
            format!("OK {id}@mail-1.store.govuc.internal"),
        ),
        ("aliases abu@kkr.gov.my", "NOTFOUND ".to_owned()),
        ("aliases *@kkr.gov.my", "NOTFOUND ".to_owned()),
        (
            "transport mail-1.store.govuc.internal",
            "OK lmtp:inet:[mail-1-pdsa2.govuc-mail.svc]:8443".to_owned(),
        ),
        ("transport mail-9.store.govuc.internal", "NOTFOUND ".to_owned()),
        ("senders a.ahmad@kkr.gov.my", format!("OK {id}")),
        ("senders abu@kkr.gov.my", "NOTFOUND ".to_owned()),
        ("passwords ali@kkr.gov.my", "PERM no such map".to_owned()),
    ] {
        assert_eq!(office.postfix(request).await, reply, "{request}");
    }
    let until = "2027-01-01T00:00:00Z".parse().unwrap();
    office.lead.retain(id, until).await.unwrap();
    assert_eq!(office.postfix("aliases ali@kkr.gov.my").await, "NOTFOUND ");
    assert_eq!(office.postfix("senders ali@kkr.gov.my").await, "NOTFOUND ");
    let answer = office.auth("imap", "ali@kkr.gov.my", FIRST).await;
    assert!(said(&answer, "auth-status").starts_with("[AUTHENTICATIONFAILED] "));
}

#[tokio::test]
async fn no_password_and_no_token_is_ever_logged() {
    let office = office().await;
    office.auth("imap", "ali@kkr.gov.my", FIRST).await;
    office.change("ali@kkr.gov.my", FIRST, SECOND).await;
    office.auth("imap", "ali@kkr.gov.my", "salah-Rahsia-9").await;
    office
        .fill_in("ali@kkr.gov.my", "borang-Rahsia-7", THIRD, THIRD)
        .await;
    office.fill_in("ali@kkr.gov.my", SECOND, THIRD, FIRST).await;
    office.fill_in("ali@kkr.gov.my", SECOND, THIRD, THIRD).await;
    let answer = office.auth("imap", "ali@kkr.gov.my", THIRD).await;
    let token = said(&answer, "auth-pass");
    assert!(!token.is_empty());
    let log = String::from_utf8_lossy(&log().0.lock().unwrap()).into_owned();
    assert!(log.contains("let in"), "the log was not taken");
    for secret in [FIRST, SECOND, THIRD, "salah-Rahsia-9", "borang-Rahsia-7", token] {
        let escaped = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let encoded = STANDARD.encode(format!("ali@kkr.gov.my:{secret}"));
        for form in [secret.to_owned(), escaped, encoded] {
            if let Some(at) = log.find(&form) {
                panic!("{form} is in the log: …{}", &log[at.saturating_sub(300)..at]);
            }
        }
    }
}
