//! `PUT /password`: Basic authentication with the old password, the new one as body.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use govuc_directory::PasswordChange;
use serde::Serialize;

use super::{Door, text::Sentence};
use crate::{
    secret::Secret,
    sign_in::{Refusal, unavailable},
};

/// Characters of a new password.
const LIMIT: usize = 256;

#[derive(Serialize)]
struct Explanation {
    reason: &'static str,
    #[serde(flatten)]
    sentence: Sentence,
}

#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    TooLong,
    NoText,
}

/// Answers 204, or says why not in both languages. Wrong old passwords count towards the account's lock.
pub async fn answer(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = door.change(&headers, &body).await;
    door.metrics.changed_password(
        outcome
            .as_ref()
            .map_or_else(|(_, explanation)| explanation.reason, |()| "changed"),
    );
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((StatusCode::UNAUTHORIZED, explanation)) => {
            let challenge = [(
                header::WWW_AUTHENTICATE,
                "Basic realm=\"govuc\", charset=\"UTF-8\"",
            )];
            (StatusCode::UNAUTHORIZED, challenge, Json(explanation)).into_response()
        }
        Err((status, explanation)) => (status, Json(explanation)).into_response(),
    }
}

impl Door {
    async fn change(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), (StatusCode, Explanation)> {
        let refused = |refusal: Refusal| {
            let explanation = Explanation {
                reason: refusal.label(),
                sentence: self.texts.refusal(refusal),
            };
            (status(refusal), explanation)
        };
        let unprocessable =
            |reason, sentence| (StatusCode::UNPROCESSABLE_ENTITY, Explanation { reason, sentence });
        let (address, old) = credentials(headers).ok_or_else(|| refused(Refusal::Wrong))?;
        let new = new_password(body).map_err(|fault| match fault {
            Unusable::TooLong => unprocessable("too_long", self.texts.too_long()),
            Unusable::NoText => unprocessable("no_text", self.texts.no_text()),
        })?;
        let record = self.sign_in.account(&address).await.map_err(refused)?;
        let id = record.account.id;
        let (old, new) = (old.reveal(), new.reveal());
        let change = self
            .providers
            .ask(|directory| async move { directory.change_password(id, old, new).await })
            .await
            .map_err(|error| refused(unavailable(error)))?;
        match change {
            PasswordChange::Changed => {
                tracing::info!(account = %id, "a password was changed");
                Ok(())
            }
            PasswordChange::Wrong => Err(refused(Refusal::Wrong)),
            PasswordChange::Locked => Err(refused(Refusal::Locked)),
            PasswordChange::Refused(fault) => Err(unprocessable("policy", self.texts.fault(fault))),
        }
    }
}

fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Wrong | Refusal::MustChange => StatusCode::UNAUTHORIZED,
        Refusal::Locked => StatusCode::LOCKED,
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Address and password of RFC 7617, in UTF-8.
fn credentials(headers: &HeaderMap) -> Option<(String, Secret)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (address, password) = text.split_once(':')?;
    Some((address.to_lowercase(), Secret::new(password)))
}

fn new_password(body: &[u8]) -> Result<Secret, Unusable> {
    let text = str::from_utf8(body).map_err(|_| Unusable::NoText)?;
    if text.chars().count() > LIMIT {
        return Err(Unusable::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(Unusable::NoText);
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use rstest::rstest;

    fn basic(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("Basic {}", STANDARD.encode(text));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        headers
    }

    #[test]
    fn a_password_may_hold_colons() {
        let (address, password) = credentials(&basic("Ali@kkr.gov.my:ra:hsia")).unwrap();
        assert_eq!(address, "ali@kkr.gov.my");
        assert_eq!(password.reveal(), "ra:hsia");
    }

    #[test]
    fn what_is_no_basic_authentication_is_none() {
        let mut bearer = HeaderMap::new();
        bearer.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        for headers in [HeaderMap::new(), bearer, basic("no colon")] {
            assert_eq!(credentials(&headers), None);
        }
    }

    #[rstest]
    #[case("kata laluan baharu".into(), Ok(()))]
    #[case("é".repeat(256), Ok(()))]
    #[case("é".repeat(257), Err(Unusable::TooLong))]
    #[case("baris\nbaharu".into(), Err(Unusable::NoText))]
    fn a_new_password_is_text_of_256_characters_at_most(
        #[case] text: String,
        #[case] want: Result<(), Unusable>,
    ) {
        assert_eq!(new_password(text.as_bytes()).map(|_| ()), want);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_password() {
        assert_eq!(new_password(&[0xff]), Err(Unusable::NoText));
    }
}
