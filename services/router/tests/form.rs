//! The page for a new password, as far as it goes without a directory.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Instant};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use govuc_directory::Suffix;
use govuc_router::{
    door::{self, Door, Texts},
    primaries::Primaries,
    providers::Providers,
    rules::RulesFile,
    sign_in::SignIn,
    telemetry::Metrics,
    tickets::Tickets,
};
use govuc_wire::{tls::Files, token::SessionKey};
use tempfile::TempDir;
use tower::ServiceExt;

/// A front door whose directory can't be asked: it has no certificate.
struct Alone {
    door: Arc<Door>,
    folder: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Alone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules.json");
        std::fs::write(&rules, r#"{"minLength":14,"lockoutSeconds":1800}"#).unwrap();
        let metrics = Metrics::default();
        let providers = Providers::of_sites(
            "pdsa1",
            "pdsa2",
            &Suffix::of_domain("1govuc.gov.my").unwrap(),
            &Files::new(folder.path()),
            metrics.clone(),
        );
        let door = Arc::new(Door {
            sign_in: SignIn::new(providers.clone(), metrics.clone()).unwrap(),
            providers,
            primaries: Primaries::assigned(),
            session_key: SessionKey::new(&[7; 32]).unwrap(),
            tickets: Arc::new(Tickets::new(Instant::now())),
            relay_port: 9143,
            site: "pdsa1".into(),
            peer: "pdsa2".into(),
            texts: Texts::of_domain("1govuc.gov.my"),
            rules: RulesFile::open(rules).unwrap(),
            metrics,
        });
        Self { door, folder }
    }

    async fn ask(&self, method: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri("/password")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = door::routes(self.door.clone()).oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

#[tokio::test]
async fn whoever_is_sent_there_finds_a_form_that_may_do_nothing_else() {
    let answer = Alone::new().ask("GET", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
    let policy = answer.header(header::CONTENT_SECURITY_POLICY);
    for word in [
        "default-src 'none'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(word), "{policy}");
    }
    assert!(
        answer.body.contains("Tukar kata laluan") && answer.body.contains("Change password"),
        "{}",
        answer.body
    );
    assert_eq!(Alone::new().ask("HEAD", "").await.status, StatusCode::OK);
    assert_eq!(
        Alone::new().ask("DELETE", "").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn the_form_tells_the_rules_of_the_moment() {
    let alone = Alone::new();
    assert!(alone.ask("GET", "").await.body.contains("At least 14 characters"));
    let rules = alone.folder.path().join("rules.json");
    std::fs::write(rules, r#"{"minLength":9,"lockoutSeconds":60}"#).unwrap();
    assert!(alone.ask("GET", "").await.body.contains("At least 9 characters"));
}

#[tokio::test]
async fn what_can_be_refused_without_the_directory_is() {
    let alone = Alone::new();
    let long = format!(
        "address=ali%40kkr.gov.my&old=rahsia-dulu&new={0}&again={0}",
        "x".repeat(257)
    );
    for (body, said) in [
        (
            "address=ali%40kkr.gov.my&old=rahsia-dulu&new=baharu",
            "Fill in every field",
        ),
        (
            "address=ali%40kkr.gov.my&old=rahsia-dulu&new=baharu&again=lain",
            "The two new passwords are not the same",
        ),
        (&long, "longer than 256 characters"),
        (
            "address=ali%40kkr.gov.my&old=rahsia-dulu&new=a%0Ab&again=a%0Ab",
            "without control characters",
        ),
    ] {
        let answer = alone.ask("POST", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.body.contains(said), "{body}: {}", answer.body);
        assert!(
            answer.body.contains("value=\"ali@kkr.gov.my\""),
            "{}",
            answer.body
        );
        for secret in ["rahsia-dulu", "value=\"baharu", "xxx"] {
            assert!(!answer.body.contains(secret), "{secret}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_directory_that_is_away_is_no_wrong_password() {
    let body = "address=ali%40kkr.gov.my&old=lama-lama&new=baharu-baharu-1&again=baharu-baharu-1";
    let answer = Alone::new().ask("POST", body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("Service not available"), "{}", answer.body);
    assert_eq!(answer.header(header::WWW_AUTHENTICATE), "");
}
