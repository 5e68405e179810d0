//! What the other site's operator may ask for: pure.

use std::fmt;

use govuc_api::{GROUP, VERSION};
use http::{Method, StatusCode, Uri};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use super::ABOUT;

/// A request that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    About,
    /// To be read at the own API server: path and query.
    Read(Uri),
}

/// A request that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is served at this path.
    Path(String),
    /// What is there is read only.
    Method { method: Method, path: String },
}

/// Longer is no name of an object.
const NAME_LIMIT: usize = 253;

impl Asked {
    /// # Errors
    /// It is none of what is served.
    pub fn of(method: &Method, uri: &Uri) -> Result<Self, Refusal> {
        let path = uri.path();
        let about = path == ABOUT;
        if !about && !is_readable(path) {
            return Err(Refusal::Path(path.to_owned()));
        }
        if method != Method::GET {
            return Err(Refusal::Method {
                method: method.clone(),
                path: path.to_owned(),
            });
        }
        match uri.path_and_query() {
            Some(_) if about => Ok(Self::About),
            // Whatever host was named stays behind.
            Some(path_and_query) => Ok(Self::Read(path_and_query.clone().into())),
            None => Err(Refusal::Path(path.to_owned())),
        }
    }
}

/// The lists of what is mirrored, and its objects. Each segment is compared as it is, so nothing that the API server would
/// read in another way gets there.
fn is_readable(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    let ["", "apis", GROUP, VERSION, rest @ ..] = &segments[..] else {
        return false;
    };
    match rest {
        ["agencies" | "mailboxes"] => true,
        ["agencies", name] => is_name(name),
        ["namespaces", namespace, "mailboxes", name] => is_name(namespace) && is_name(name),
        _ => false,
    }
}

/// As the API server has it for names of objects, so neither `..` nor anything that is written with `%`.
fn is_name(segment: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    segment.len() <= NAME_LIMIT
        && segment.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && segment
            .bytes()
            .all(|byte| is_inner(byte) || matches!(byte, b'-' | b'.'))
}

impl Refusal {
    pub fn code(&self) -> StatusCode {
        match self {
            Refusal::Path(_) => StatusCode::NOT_FOUND,
            Refusal::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    pub fn status(&self) -> Status {
        let reason = match self {
            Refusal::Path(_) => "NotFound",
            Refusal::Method { .. } => "MethodNotAllowed",
        };
        failure(self.code(), reason, self.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Path(path) => write!(f, "{path} is not open to the other site's operator"),
            Refusal::Method { method, path } => {
                write!(
                    f,
                    "{method} of {path} is not open to the other site's operator: it may read"
                )
            }
        }
    }
}

/// As an API server says that something went wrong.
pub fn failure(code: StatusCode, reason: &str, message: String) -> Status {
    Status {
        status: Some("Failure".to_owned()),
        code: Some(code.as_u16().into()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const API: &str = "/apis/1govuc.gov.my/v1alpha1";

    fn asked(method: Method, uri: &str) -> Result<Asked, Refusal> {
        Asked::of(&method, &uri.parse().unwrap())
    }

    #[rstest]
    #[case::agencies("/agencies")]
    #[case::mailboxes("/mailboxes?limit=500&continue=abc%3D")]
    #[case::a_watch("/mailboxes?&watch=true&resourceVersion=7&allowWatchBookmarks=true")]
    #[case::an_agency("/agencies/kkr")]
    #[case::a_mailbox("/namespaces/agency-kkr/mailboxes/ali.ahmad")]
    fn lists_and_objects_of_what_is_mirrored_are_passed_on_as_they_are(#[case] path: &str) {
        let uri = format!("{API}{path}");
        let read = Ok(Asked::Read(uri.parse().unwrap()));
        assert_eq!(asked(Method::GET, &uri), read);
        assert_eq!(asked(Method::GET, &format!("https://elsewhere{uri}")), read);
    }

    #[rstest]
    #[case::the_root("/")]
    #[case::secrets("/api/v1/secrets")]
    #[case::a_secret("/api/v1/namespaces/govuc-system/secrets/govuc-root")]
    #[case::other_kinds("/apis/1govuc.gov.my/v1alpha1/mailstores")]
    #[case::other_groups("/apis/apps/v1/agencies")]
    #[case::other_versions("/apis/1govuc.gov.my/v1/agencies")]
    #[case::the_status("/apis/1govuc.gov.my/v1alpha1/agencies/kkr/status")]
    #[case::the_old_way_to_watch("/apis/1govuc.gov.my/v1alpha1/watch/agencies")]
    #[case::mailboxes_of_an_agency("/apis/1govuc.gov.my/v1alpha1/namespaces/agency-kkr/mailboxes")]
    #[case::upwards("/apis/1govuc.gov.my/v1alpha1/agencies/..")]
    #[case::far_upwards("/apis/1govuc.gov.my/v1alpha1/agencies/../../../../api/v1/secrets")]
    #[case::upwards_in_the_middle("/apis/1govuc.gov.my/v1alpha1/namespaces/../mailboxes/x")]
    #[case::upwards_encoded("/apis/1govuc.gov.my/v1alpha1/agencies/%2e%2e")]
    #[case::an_encoded_slash("/apis/1govuc.gov.my/v1alpha1/agencies/kkr%2fstatus")]
    #[case::nobody("/apis/1govuc.gov.my/v1alpha1/agencies/")]
    #[case::a_doubled_slash("/apis//1govuc.gov.my/v1alpha1/agencies")]
    #[case::another_slash_before("//apis/1govuc.gov.my/v1alpha1/agencies")]
    #[case::parameters("/apis/1govuc.gov.my/v1alpha1/agencies;x")]
    #[case::beside_the_cluster("/govuc/v1/cluster/")]
    fn every_other_path_is_refused_by_its_name(#[case] path: &str) {
        let refusal = asked(Method::GET, path).unwrap_err();
        assert_eq!(refusal.code(), StatusCode::NOT_FOUND);
        let message = refusal.status().message.unwrap();
        assert!(message.starts_with(path), "{message}");
    }

    #[rstest]
    #[case(Method::POST)]
    #[case(Method::PUT)]
    #[case(Method::PATCH)]
    #[case(Method::DELETE)]
    #[case(Method::HEAD)]
    #[case(Method::OPTIONS)]
    #[case(Method::CONNECT)]
    fn nothing_but_reading_is_let_through(#[case] method: Method) {
        for path in [
            "/govuc/v1/cluster",
            "/apis/1govuc.gov.my/v1alpha1/mailboxes",
            "/apis/1govuc.gov.my/v1alpha1/agencies/kkr",
        ] {
            let refusal = asked(method.clone(), path).unwrap_err();
            assert_eq!(refusal.code(), StatusCode::METHOD_NOT_ALLOWED);
            assert!(refusal.to_string().starts_with(&format!("{method} of {path}")));
        }
    }

    #[test]
    fn what_the_cluster_is_can_be_asked() {
        assert_eq!(asked(Method::GET, "/govuc/v1/cluster"), Ok(Asked::About));
    }
}
