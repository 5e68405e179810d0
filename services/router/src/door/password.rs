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
use serde::Serialize;

use super::{Door, change::Fault, text::Sentence};
use crate::{secret::Secret, sign_in::Refusal};

#[derive(Serialize)]
struct Explanation {
    reason: &'static str,
    #[serde(flatten)]
    sentence: Sentence,
}

/// Answers 204, or says why not in both languages.
pub async fn answer(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = match (credentials(&headers), str::from_utf8(&body)) {
        (None, _) => Err(Fault::Refused(Refusal::Wrong)),
        (_, Err(_)) => Err(Fault::NoText),
        (Some((address, old)), Ok(new)) => door.change(&address, &old, &Secret::new(new)).await,
    };
    let Err(fault) = door.counted(outcome) else {
        return StatusCode::NO_CONTENT.into_response();
    };
    let explanation = Json(Explanation {
        reason: fault.label(),
        sentence: door.texts.fault(fault, door.rules.current()),
    });
    match fault.status() {
        StatusCode::UNAUTHORIZED => {
            let challenge = [(
                header::WWW_AUTHENTICATE,
                "Basic realm=\"govuc\", charset=\"UTF-8\"",
            )];
            (StatusCode::UNAUTHORIZED, challenge, explanation).into_response()
        }
        status => (status, explanation).into_response(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

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
}
