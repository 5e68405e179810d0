//! `kubectl govuc approve`: the decision on an agency's application.

use clap::Args;
use govuc_api::{Agency, DecisionKind};
use k8s_openapi::{
    api::authentication::v1::SelfSubjectReview,
    jiff::{Timestamp, tz::Offset},
};
use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::json;

use super::{
    contexts::{self, Context},
    output::{self, Format},
};

/// Owns `spec.approval`, and nothing else: so a pipeline that applies the agency again leaves it alone.
const MANAGER: &str = "govuc-approve";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The agency.
    name: String,
    /// Reject instead. Needs --reason.
    #[arg(long, requires = "reason", conflicts_with = "withdraw")]
    reject: bool,
    /// Why: for the applicant and the auditors.
    #[arg(long)]
    reason: Option<String>,
    /// Take the decision back. What exists stays, and nothing more is made.
    #[arg(long, conflicts_with = "reason")]
    withdraw: bool,
    /// Contexts of kubeconfig, separated by commas: the decision is made in each. The current one when left out.
    #[arg(long, visible_alias = "context", value_delimiter = ',')]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What was done in one cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    agency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// Absent when it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionKind>,
    decided_by: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Context(#[from] contexts::Error),
    #[error("{context}: your user name can't be found out")]
    WhoAmI {
        context: String,
        source: Box<kube::Error>,
    },
    #[error("{context}: the API server does not say who you are")]
    Nameless { context: String },
    #[error("{context}: there is no agency {name}: see kubectl get agencies")]
    NoAgency { context: String, name: String },
    #[error("{context}: the decision was not taken")]
    Refused {
        context: String,
        source: Box<kube::Error>,
    },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    for context in contexts::open(&arguments.contexts).await? {
        let done = decide(&context, &arguments).await?;
        let verb = match done.decision {
            Some(DecisionKind::Approved) => "approved",
            Some(DecisionKind::Rejected) => "rejected",
            None => "withdrawn",
        };
        let place = context
            .name
            .map_or_else(String::new, |name| format!(" in {name}"));
        let text = format!(
            "agency.1govuc.gov.my/{} {verb}{place} by {}",
            done.agency, done.decided_by
        );
        output::print(arguments.output, &done, &text)?;
    }
    Ok(())
}

async fn decide(context: &Context, arguments: &Arguments) -> Result<Done, Error> {
    let label = context.label().to_owned();
    let user = who_am_i(context.client.clone(), &label).await?;
    let decision = match (arguments.withdraw, arguments.reject) {
        (true, _) => None,
        (_, true) => Some(DecisionKind::Rejected),
        _ => Some(DecisionKind::Approved),
    };
    let agencies: Api<Agency> = Api::all(context.client.clone());
    let missing = || Error::NoAgency {
        context: label.clone(),
        name: arguments.name.clone(),
    };
    let refused = |source| Error::Refused {
        context: label.clone(),
        source: Box::new(source),
    };
    // An apply makes what is missing; a decision on an agency that nobody applied for must not.
    agencies
        .get_opt(&arguments.name)
        .await
        .map_err(refused)?
        .ok_or_else(missing)?;
    let spec = match decision {
        None => json!({}),
        Some(decision) => json!({"approval": {
            "decision": decision,
            "decidedBy": user,
            "on": Offset::constant(8).to_datetime(Timestamp::now()).date().to_string(),
            "reason": arguments.reason,
        }}),
    };
    let body = json!({
        "apiVersion": Agency::api_version(&()),
        "kind": Agency::kind(&()),
        "spec": without_nulls(spec),
    });
    agencies
        .patch(
            &arguments.name,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(&body),
        )
        .await
        .map_err(refused)?;
    Ok(Done {
        agency: arguments.name.clone(),
        context: context.name.clone(),
        decision,
        decided_by: user,
    })
}

/// The name by which the API server knows who asks: a decision is made under it.
async fn who_am_i(client: Client, context: &str) -> Result<String, Error> {
    let reviews: Api<SelfSubjectReview> = Api::all(client);
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .map_err(|source| Error::WhoAmI {
            context: context.to_owned(),
            source: Box::new(source),
        })?;
    review
        .status
        .and_then(|status| status.user_info?.username)
        .ok_or_else(|| Error::Nameless {
            context: context.to_owned(),
        })
}

fn without_nulls(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(approval) = value.get_mut("approval").and_then(|value| value.as_object_mut()) {
        approval.retain(|_, value| !value.is_null());
    }
    value
}
