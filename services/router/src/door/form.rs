//! `GET` and `POST /password`: the same change as by `PUT`, for people with nothing but a browser.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use super::{Door, change::Fault, page};
use crate::secret::Secret;

/// What the page asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Form {
    address: String,
    old: Secret,
    new: Secret,
    again: Secret,
}

/// The empty form.
pub async fn show(State(door): State<Arc<Door>>) -> Response {
    framed(StatusCode::OK, page::form(door.rules.current(), "", None))
}

/// Changes the password and says so, or says why not above the form, where the address stays and no password does.
pub async fn answer(State(door): State<Arc<Door>>, body: Bytes) -> Response {
    let form = Form::of_body(&body);
    let outcome = match form.fault() {
        Some(fault) => Err(fault),
        None => door.change(&form.address, &form.old, &form.new).await,
    };
    let Err(fault) = door.counted(outcome) else {
        return framed(StatusCode::OK, page::changed());
    };
    let rules = door.rules.current();
    let why = door.texts.fault(fault, rules);
    let status = match fault.status() {
        // It takes a challenge (RFC 9110 §15.5.2), and a browser would ask in a window of its own.
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        status => status,
    };
    framed(status, page::form(rules, &form.address, Some(&why)))
}

/// A page, with all that it is allowed to do.
fn framed(status: StatusCode, html: String) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, page::content_security_policy())];
    (status, policy, Html(html)).into_response()
}

impl Form {
    /// As `application/x-www-form-urlencoded`. What is not there is empty.
    fn of_body(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "address" => form.address = value.trim().to_lowercase(),
                "old" => form.old = Secret::new(value),
                "new" => form.new = Secret::new(value),
                "again" => form.again = Secret::new(value),
                _ => {}
            }
        }
        form
    }

    /// What can be said of it without asking anybody.
    fn fault(&self) -> Option<Fault> {
        let empty = |secret: &Secret| secret.reveal().is_empty();
        if self.address.is_empty() || empty(&self.old) || empty(&self.new) || empty(&self.again) {
            Some(Fault::Incomplete)
        } else if self.new != self.again {
            Some(Fault::Different)
        } else if self.new.reveal().contains(char::REPLACEMENT_CHARACTER) {
            // Bytes that are no UTF-8 have come to this. No browser sends them.
            Some(Fault::NoText)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_form_is_read_as_a_browser_sends_it() {
        let form =
            Form::of_body(b"address=+Ali%40kkr.gov.my&old=a%2Bb%26c&new=kata+laluan&again=kata+laluan&x=y");
        let want = Form {
            address: "ali@kkr.gov.my".into(),
            old: Secret::new("a+b&c"),
            new: Secret::new("kata laluan"),
            again: Secret::new("kata laluan"),
        };
        assert_eq!(form, want);
        assert_eq!(form.fault(), None);
        assert!(!format!("{form:?}").contains("kata"));
    }

    #[rstest]
    #[case("address=a%40b&old=x&new=y", Fault::Incomplete)]
    #[case("address=&old=x&new=y&again=y", Fault::Incomplete)]
    #[case("address=a%40b&old=&new=y&again=y", Fault::Incomplete)]
    #[case("{\"address\":\"a@b\"}", Fault::Incomplete)]
    #[case("address=a%40b&old=x&new=y&again=Y", Fault::Different)]
    #[case("address=a%40b&old=x&new=%FF&again=%FF", Fault::NoText)]
    fn what_is_missing_or_differs_is_not_asked_for(#[case] body: &str, #[case] fault: Fault) {
        assert_eq!(Form::of_body(body.as_bytes()).fault(), Some(fault));
    }
}
