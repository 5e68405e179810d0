//! `kubectl govuc diff`: in what the agencies and mailboxes of the two clusters differ.

pub mod difference;
pub mod read;
pub mod text;
pub mod wanted;

use clap::Args;

use self::{
    difference::Difference,
    read::Compared,
    wanted::{Kind, Named, Wanted, wanted},
};
use super::{
    contexts::{self, Context},
    output::{self, Format},
};

/// So many differences are looked at once more: what was written while the clusters were read is none.
const LOOKED_AT_AGAIN: usize = 100;

#[derive(Args, Debug)]
pub struct Arguments {
    /// What to compare: agency, mailbox, or one of them as agency/NAME. Left out: both kinds.
    #[arg(value_name = "KIND[/NAME]", value_delimiter = ',', value_parser = wanted)]
    wanted: Vec<Wanted>,
    /// The namespace of mailboxes. Left out: all of them.
    #[arg(short, long)]
    namespace: Option<String>,
    /// The two clusters, as contexts of kubeconfig: A,B
    #[arg(long, value_delimiter = ',', num_args = 1, required = true)]
    contexts: Vec<String>,
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Contexts(#[from] contexts::PairError),
    #[error("mailbox/{name} is in a namespace: name it with -n, for example -n agency-kkr")]
    NoNamespace { name: String },
    #[error("there is no {object} at {one} or {other}")]
    Nowhere {
        object: String,
        one: String,
        other: String,
    },
    #[error(transparent)]
    Read(#[from] read::Error),
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Whether there are differences.
pub async fn run(arguments: Arguments) -> Result<bool, Error> {
    let clusters = contexts::two(&arguments.contexts).await?;
    let [one, other] = &clusters;
    let compared = compare(&arguments, [one, other]).await?;
    let labels = [one.label(), other.label()];
    let rows: Vec<_> = compared
        .differences
        .iter()
        .map(|difference| difference.row(labels))
        .collect();
    let mut paragraphs: Vec<String> = compared
        .differences
        .iter()
        .map(|difference| text::difference(difference, labels))
        .collect();
    paragraphs.push(text::counts(&compared.differences, compared.same, labels));
    output::print(arguments.output, &rows, &paragraphs.join("\n"))?;
    Ok(!rows.is_empty())
}

async fn compare(arguments: &Arguments, sites: [&Context; 2]) -> Result<Compared, Error> {
    let namespace = arguments.namespace.as_deref();
    let mut all = Compared::default();
    for wanted in meant(&arguments.wanted, namespace) {
        match wanted.name {
            Some(name) => {
                let object = named(wanted.kind, namespace, name)?;
                let sides = read::sides(&object, sites).await?;
                if sides == [None, None] {
                    return Err(nowhere(&object, sites));
                }
                match Difference::of(object, sides) {
                    Some(difference) => all.differences.push(difference),
                    None => all.same += 1,
                }
            }
            None => {
                let found = read::all(wanted.kind, namespace, sites).await?;
                all.differences.extend(found.differences);
                all.same += found.same;
            }
        }
    }
    if all.differences.len() <= LOOKED_AT_AGAIN {
        for difference in std::mem::take(&mut all.differences) {
            let sides = read::sides(&difference.object, sites).await?;
            let gone = sides == [None, None];
            match Difference::of(difference.object, sides) {
                Some(difference) => all.differences.push(difference),
                None if gone => {}
                None => all.same += 1,
            }
        }
    }
    Ok(all)
}

/// Agencies are in no namespace, so whoever names one alone means its mailboxes.
fn meant(wanted: &[Wanted], namespace: Option<&str>) -> Vec<Wanted> {
    let every = |kind| Wanted { kind, name: None };
    let mut meant: Vec<Wanted> = match (wanted, namespace) {
        ([], Some(_)) => vec![every(Kind::Mailbox)],
        ([], None) => Kind::ALL.map(every).to_vec(),
        (wanted, _) => wanted.to_vec(),
    };
    let kinds: Vec<Kind> = meant
        .iter()
        .filter(|it| it.name.is_none())
        .map(|it| it.kind)
        .collect();
    // Each object once.
    meant.retain(|it| it.name.is_none() || !kinds.contains(&it.kind));
    let mut told = Vec::new();
    meant.retain(|it| {
        let first = !told.contains(it);
        told.push(it.clone());
        first
    });
    meant
}

pub fn named(kind: Kind, namespace: Option<&str>, name: String) -> Result<Named, Error> {
    let namespace = match (kind, namespace) {
        (Kind::Agency, _) => None,
        (Kind::Mailbox, Some(namespace)) => Some(namespace.to_owned()),
        (Kind::Mailbox, None) => return Err(Error::NoNamespace { name }),
    };
    Ok(Named {
        kind,
        namespace,
        name,
    })
}

pub fn nowhere(object: &Named, [one, other]: [&Context; 2]) -> Error {
    Error::Nowhere {
        object: object.text(),
        one: one.label().to_owned(),
        other: other.label().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str], namespace: Option<&str>) -> Vec<String> {
        let wanted: Vec<Wanted> = texts.iter().map(|text| wanted(text).unwrap()).collect();
        let meant = meant(&wanted, namespace);
        meant
            .iter()
            .map(|it| format!("{:?} {}", it.kind, it.name.as_deref().unwrap_or("*")))
            .collect()
    }

    #[test]
    fn each_object_that_is_meant_is_compared_once() {
        assert_eq!(words(&[], None), ["Agency *", "Mailbox *"]);
        assert_eq!(words(&[], Some("agency-kkr")), ["Mailbox *"]);
        assert_eq!(
            words(
                &["ag/kkr", "mailbox", "agency/kkr", "mailbox/ali", "mailboxes"],
                None
            ),
            ["Agency kkr", "Mailbox *"]
        );
    }
}
