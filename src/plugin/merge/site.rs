//! Reports as the guard in a store's pod prints them, by the API server of its site.

use std::slice;

use futures::future::OptionFuture;
use govuc_api::MailStore;
use govuc_wire::{merge_report::COMMAND, names::MAIL_NAMESPACE};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{Api, ResourceExt, api::AttachParams};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::super::{
    contexts::Context,
    stores::{self, own_site},
};
use crate::mail_store::desired::stateful_set::CONTAINER;

const GUARD: &str = "/usr/bin/govuc-guard";
/// With which clap ends a program that was asked for what it does not know.
const USAGE: i32 = 2;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// A site that answered.
pub struct Site {
    pub context: Context,
    pub store: MailStore,
    /// The volumes of whose merge it has a report, the last one at the end.
    pub volumes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] stores::Error),
    #[error(
        "{context}: the report in pod {pod} of {MAIL_NAMESPACE} may not be read: {said}. It needs the verbs get and create on \
         pods/exec there. Remedy: ask somebody who has them, or have them given to you (docs/how-to/merge-report.md)"
    )]
    Forbidden {
        context: String,
        pod: String,
        said: String,
    },
    #[error(
        "{context}: there is no pod {pod} in {MAIL_NAMESPACE}, which has the volume with the report. Remedy: see kubectl \
         -n {MAIL_NAMESPACE} get statefulset,pod"
    )]
    NoPod { context: String, pod: String },
    #[error(
        "{context}: the container {CONTAINER} of pod {pod} in {MAIL_NAMESPACE} can't be reached: {said}. Remedy: see kubectl \
         -n {MAIL_NAMESPACE} get pod {pod}, and ask again once it is Running"
    )]
    NotRunning {
        context: String,
        pod: String,
        said: String,
    },
    #[error(
        "{context}: the guard in pod {pod} is of a version that has no command {COMMAND}. Remedy: bring the site to this version's \
         images, or see kubectl -n {MAIL_NAMESPACE} exec {pod} -- ls /var/lib/govuc/merges"
    )]
    Outdated { context: String, pod: String },
    #[error("{context}: pod {pod} can't be asked")]
    Ask {
        context: String,
        pod: String,
        source: Box<kube::Error>,
    },
    #[error("{context}: the answer of pod {pod} broke off: {said}. Remedy: ask again")]
    BrokeOff {
        context: String,
        pod: String,
        said: String,
    },
    #[error("{context}: the guard in pod {pod} refuses: {said}")]
    Refused {
        context: String,
        pod: String,
        said: String,
    },
}

impl Site {
    pub async fn open(context: Context, store: &str) -> Result<Self, Error> {
        let mut named = stores::named(&context, Some(store)).await?;
        // It is one, or there was an error.
        let store = named.remove(0);
        let listed = run(&context, &store, &[]).await?;
        Ok(Self {
            context,
            store,
            volumes: listed.lines().map(str::to_owned).collect(),
        })
    }

    /// The lines of one of its reports.
    pub async fn report(&self, volume: &str) -> Result<String, Error> {
        run(&self.context, &self.store, &[volume]).await
    }

    pub fn name(&self) -> Option<&str> {
        own_site(slice::from_ref(&self.store))
    }

    pub fn label(&self) -> String {
        self.name().unwrap_or(self.context.label()).to_owned()
    }
}

/// What the guard's command prints.
async fn run(context: &Context, store: &MailStore, words: &[&str]) -> Result<String, Error> {
    let pod = format!("{}-0", store.name_any());
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), MAIL_NAMESPACE);
    let params = AttachParams::default().container(CONTAINER).stderr(true);
    let command = [&[GUARD, COMMAND], words].concat();
    let mut process = pods
        .exec(&pod, command, &params)
        .await
        .map_err(|error| refusal(context.label(), &pod, error))?;
    let (stdout, stderr, status) = (process.stdout(), process.stderr(), process.take_status());
    let ended = async {
        let status = OptionFuture::from(status).await;
        status.flatten().ok_or(BrokeOff)
    };
    // Of a connection that fails kube never ends them.
    let streams = async { Ok(tokio::join!(text(stdout), text(stderr))) };
    match tokio::try_join!(ended, streams) {
        Ok((status, (stdout, stderr))) => outcome(context.label(), &pod, status, stdout, &stderr),
        Err(BrokeOff) => Err(Error::BrokeOff {
            context: context.label().to_owned(),
            pod,
            said: process
                .join()
                .await
                .err()
                .map_or_else(|| "the connection ended".to_owned(), |error| error.to_string()),
        }),
    }
}

/// The connection ended before the command did.
struct BrokeOff;

/// To the end of it. Whether that is the command's end its status says.
async fn text(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refusal(context: &str, pod: &str, error: kube::Error) -> Error {
    let (context, pod) = (context.to_owned(), pod.to_owned());
    match error {
        kube::Error::Api(status) => match status.code {
            FORBIDDEN => Error::Forbidden {
                context,
                pod,
                said: status.message,
            },
            NOT_FOUND => Error::NoPod { context, pod },
            _ => Error::NotRunning {
                context,
                pod,
                said: status.message,
            },
        },
        source => Error::Ask {
            context,
            pod,
            source: Box::new(source),
        },
    }
}

/// By the status with which the command ended.
fn outcome(context: &str, pod: &str, status: Status, stdout: String, stderr: &str) -> Result<String, Error> {
    let (context, pod) = (context.to_owned(), pod.to_owned());
    if status.status.as_deref() == Some("Success") {
        return Ok(stdout);
    }
    if exit_code(&status) == Some(USAGE) {
        return Err(Error::Outdated { context, pod });
    }
    let said = match stderr.trim() {
        "" => status.message.unwrap_or_default(),
        said => said.trim_start_matches("error: ").to_owned(),
    };
    Err(Error::Refused { context, pod, said })
}

fn exit_code(status: &Status) -> Option<i32> {
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let code = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))?;
    code.message.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status as Refusal;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn ended(status: Value, stderr: &str) -> Result<String, String> {
        let status = serde_json::from_value(status).unwrap();
        outcome("one", "mail-1-0", status, "v\n".into(), stderr).map_err(|error| error.to_string())
    }

    fn exit(code: &str) -> Value {
        json!({
            "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
            "details": {"causes": [{"reason": "ExitCode", "message": code}]},
        })
    }

    #[test]
    fn only_what_ended_well_is_an_answer() {
        assert_eq!(ended(json!({"status": "Success"}), "").as_deref(), Ok("v\n"));
        for (status, stderr, says) in [
            (
                exit("1"),
                "error: VOLUME is unknown\n",
                "refuses: VOLUME is unknown",
            ),
            (exit("137"), "", "refuses: command terminated"),
            (exit("2"), "error: unrecognized subcommand", "no command merges"),
        ] {
            let error = ended(status, stderr).unwrap_err();
            assert!(error.starts_with("one: ") && error.contains(says), "{error}");
        }
    }

    #[rstest]
    #[case::may_not(403, &["cannot get", "verbs get and create on pods/exec", "govuc-mail"])]
    #[case::is_not_there(404, &["no pod mail-1-0 in govuc-mail"])]
    #[case::has_no_node(400, &["can't be reached: cannot get", "once it is Running"])]
    #[case::has_no_container(500, &["can't be reached", "get pod mail-1-0"])]
    fn what_the_api_server_refuses_is_told_with_a_remedy(#[case] code: u16, #[case] parts: &[&str]) {
        let status = Refusal::failure("cannot get", "x").with_code(code).boxed();
        let error = refusal("one", "mail-1-0", kube::Error::Api(status)).to_string();
        for part in [&["one: ", "Remedy: "], parts].concat() {
            assert!(error.contains(part), "without {part:?}: {error}");
        }
    }
}
