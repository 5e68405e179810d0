//! `kubectl govuc mirror take`: a person decides which site's object stands.

use clap::Args;
use govuc_api::{Agency, Mailbox};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    Api, ResourceExt,
    api::{PostParams, Preconditions},
    core::object::HasSpec,
};
use serde_json::json;

use super::{
    super::{
        confirm,
        contexts::{self, Context},
        diff::{
            self,
            difference::{Difference, Side},
            read, text,
            wanted::{Kind, Named, Wanted, one},
        },
        output::{self, Format},
    },
    decision::{self, Goes, Step},
    receipt::Receipt,
};
use crate::{
    cluster::{self, Cluster},
    mirror::{ANNOTATION, Mirrored, kept},
    telemetry::Metrics,
};

const MANAGER: &str = "govuc-mirror-take";

#[derive(Args, Debug)]
pub struct Arguments {
    /// The object: agency/NAME or mailbox/NAME.
    #[arg(value_name = "KIND/NAME", value_parser = one)]
    object: Wanted,
    /// A mailbox's namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// The two clusters, as contexts of kubeconfig: A,B
    #[arg(long, value_delimiter = ',', num_args = 1, required = true)]
    contexts: Vec<String>,
    /// The one of them whose object stands; also that it has none.
    #[arg(long, value_name = "CONTEXT")]
    from: String,
    /// Ask for no confirmation.
    #[arg(long)]
    yes: bool,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Contexts(#[from] contexts::PairError),
    #[error("--from is {from:?}, and --contexts are {contexts}: write one of them")]
    From { from: String, contexts: String },
    #[error(transparent)]
    Object(#[from] diff::Error),
    #[error(transparent)]
    Read(#[from] read::Error),
    #[error(
        "nothing was done: {object} is being deleted at {context}, and what is at {from} would be deleted after it. It is held there by \
         {finalizers}. Remedy: once it is gone there, take it again"
    )]
    BeingDeleted {
        object: String,
        context: String,
        from: String,
        finalizers: String,
    },
    #[error(transparent)]
    NotConfirmed(#[from] confirm::Error),
    #[error(
        "{context}: nothing was changed, since what is there can't be kept in Secret {secret}. It needs the verb create on secrets"
    )]
    NotKept {
        context: String,
        secret: String,
        source: Box<kube::Error>,
    },
    #[error("{context}: nothing was changed")]
    Refused { context: String, source: cluster::Error },
    #[error("{context}: {object} was changed meanwhile, and is as it is. Remedy: look again")]
    Changed { context: String, object: String },
    #[error(transparent)]
    Output(#[from] output::Error),
}

pub async fn run(arguments: Arguments) -> Result<(), Error> {
    if !arguments.contexts.contains(&arguments.from) {
        return Err(Error::From {
            contexts: arguments.contexts.join(" and "),
            from: arguments.from,
        });
    }
    let [a, b] = contexts::two(&arguments.contexts).await?;
    let take = if a.label() == arguments.from {
        Take { from: a, other: b }
    } else {
        Take { from: b, other: a }
    };
    let Wanted { kind, name } = &arguments.object;
    // The parser of the command line lets none through without.
    let name = name.clone().unwrap_or_default();
    let object = diff::named(*kind, arguments.namespace.as_deref(), name)?;
    let receipt = match kind {
        Kind::Agency => take.stand::<Agency>(&object, arguments.yes).await?,
        Kind::Mailbox => take.stand::<Mailbox>(&object, arguments.yes).await?,
    };
    output::print(arguments.output, &receipt, &receipt.to_string())?;
    Ok(())
}

struct Take {
    from: Context,
    other: Context,
}

impl Take {
    async fn stand<K: Mirrored>(&self, object: &Named, yes: bool) -> Result<Receipt, Error> {
        let labels = [self.from.label(), self.other.label()];
        let [from, other] = read::pair::<K>(object, [&self.from, &self.other]).await?;
        let noted = from
            .as_ref()
            .is_some_and(|from| from.annotations().contains_key(ANNOTATION));
        let sides = [&from, &other].map(|one| one.as_ref().map(Side::of));
        let Some(step) = decision::step(sides[0].as_ref(), sides[1].as_ref(), noted) else {
            return Err(diff::nowhere(object, [&self.from, &self.other]).into());
        };
        let step = step.map_err(|Goes| Error::BeingDeleted {
            object: object.text(),
            context: self.other.label().to_owned(),
            from: self.from.label().to_owned(),
            finalizers: other
                .as_ref()
                .map_or_else(String::new, |other| other.finalizers().join(", ")),
        })?;
        if let Step::Nothing(_) = step {
            return Ok(Receipt::of(object, step, labels, None));
        }
        // From what is there to what will be.
        let [stands, goes] = sides;
        if let Some(difference) = Difference::of(object.clone(), [goes, stands]) {
            eprintln!("{}", text::difference(&difference, [labels[1], labels[0]]));
        }
        eprintln!("{}", self.intent(step));
        if !yes {
            confirm::by_typing(&object.name)?;
        }
        let kept = match (step, from, other) {
            (Step::Replace, Some(from), Some(mut other)) => {
                let kept = self.keep(&other).await?;
                *other.spec_mut() = HasSpec::spec(&from).clone();
                let written = self.cluster(&self.other).replace(&other).await;
                self.done(&self.other, object, written)?;
                Some(kept)
            }
            (Step::Delete, _, Some(other)) => {
                let kept = self.keep(&other).await?;
                let seen = Preconditions {
                    uid: other.uid(),
                    resource_version: other.resource_version(),
                };
                let namespace = other.namespace();
                let cluster = self.cluster(&self.other);
                let deleted = cluster
                    .delete_seen::<K>(namespace.as_deref(), &other.name_any(), seen)
                    .await;
                self.done(&self.other, object, deleted)?;
                Some(kept)
            }
            (Step::Renew, Some(from), _) => {
                self.forget(object, &from).await?;
                None
            }
            // No step is decided on without what it is about.
            _ => None,
        };
        Ok(Receipt::of(object, step, labels, kept))
    }

    /// For who is to agree to it.
    fn intent(&self, step: Step) -> String {
        let (from, other) = (self.from.label(), self.other.label());
        match step {
            Step::Replace => format!("{other} gets the spec of {from}; what is there is kept in a Secret."),
            Step::Delete => format!("It is deleted at {other}, as at {from}; its spec is kept in a Secret."),
            Step::Renew => format!("It counts as new at {from}, and the mirror makes it at {other}."),
            Step::Nothing(_) => String::new(),
        }
    }

    fn cluster(&self, context: &Context) -> Cluster {
        Cluster::new(context.client.clone(), Metrics::default()).writing_as(MANAGER)
    }

    /// Puts the other one's spec aside, as the mirror does.
    async fn keep<K: Mirrored>(&self, other: &K) -> Result<String, Error> {
        let secret = kept::secret(other, Timestamp::now());
        let place = format!("{}/{}", kept::namespace(other), kept::name(other));
        let secrets: Api<Secret> = Api::namespaced(self.other.client.clone(), &kept::namespace(other));
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..Default::default()
        };
        match secrets.create(&params, &secret).await {
            Ok(_) => Ok(place),
            // Its name tells its content.
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(place),
            Err(source) => Err(Error::NotKept {
                context: self.other.label().to_owned(),
                secret: place,
                source: Box::new(source),
            }),
        }
    }

    /// Takes the agreement away, and nothing else.
    async fn forget<K: Mirrored>(&self, object: &Named, from: &K) -> Result<(), Error> {
        let change = json!({
            "uid": from.uid(),
            "resourceVersion": from.resource_version(),
            "annotations": {ANNOTATION: null},
        });
        let cluster = self.cluster(&self.from);
        let amended = cluster
            .amend::<K>(object.namespace.as_deref(), &object.name, change)
            .await;
        self.done(&self.from, object, amended)
    }

    fn done(&self, at: &Context, object: &Named, written: Result<bool, cluster::Error>) -> Result<(), Error> {
        match written {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.changed(at, object)),
            Err(source) => Err(Error::Refused {
                context: at.label().to_owned(),
                source,
            }),
        }
    }

    fn changed(&self, at: &Context, object: &Named) -> Error {
        Error::Changed {
            context: at.label().to_owned(),
            object: object.text(),
        }
    }
}
