//! Brings what one owner lacks, and looks afterwards whether it is there.

use std::collections::BTreeSet;

use govuc_wire::merge_report::Line;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Error,
    engine::{self, Engine},
    inventory::{Folder, Inventory, Message, Owner},
    plan::{Counts, Plan, RECOVERED, Step, plan},
    report::Report,
};

/// Messages, and bytes but for the last message, that are put into a folder at once.
const MOST: usize = 64;
const HEAVIEST: u64 = 8 * 1024 * 1024;
/// How often an owner is looked at whose folders change meanwhile.
const LOOKS: u32 = 4;

/// `names` are the copy's mailboxes of this owner.
pub async fn bring<C, O>(
    copy: &mut Engine<C>,
    own: &mut Engine<O>,
    owner: &Owner,
    names: &BTreeSet<String>,
    report: &mut Report,
) -> Result<Counts, Error>
where
    C: AsyncRead + AsyncWrite,
    O: AsyncRead + AsyncWrite,
{
    // It does not change: nobody but this reads it.
    let theirs = copy.inventory(owner, names).await.map_err(Error::Copy)?;
    let mut total: Option<Counts> = None;
    let mut failure = Error::Missing(0);
    for _ in 0..LOOKS {
        let ours = match look(own, owner).await {
            Ok(ours) => ours,
            Err(error) if error.may_pass() => {
                failure = Error::Own(error);
                continue;
            }
            Err(error) => return Err(Error::Own(error)),
        };
        let plan = plan(owner, &theirs, &ours);
        failure = Error::Missing(plan.steps.len());
        // What the first plan calls known was there before.
        total = Some(total.map_or(plan.counts, |total| total.and_then(&plan.counts)));
        if let (true, Some(total)) = (plan.steps.is_empty(), total) {
            return Ok(total);
        }
        carry_out(copy, own, owner, &theirs, &plan, report).await?;
    }
    Err(failure)
}

async fn look<O: AsyncRead + AsyncWrite>(
    own: &mut Engine<O>,
    owner: &Owner,
) -> Result<Inventory, engine::Error> {
    let names = match owner {
        Owner::User(_) => BTreeSet::new(),
        Owner::Everybody => own.mailboxes().await?.remove(owner).unwrap_or_default(),
    };
    own.inventory(owner, &names).await
}

async fn carry_out<C, O>(
    copy: &mut Engine<C>,
    own: &mut Engine<O>,
    owner: &Owner,
    theirs: &Inventory,
    plan: &Plan,
    report: &mut Report,
) -> Result<(), Error>
where
    C: AsyncRead + AsyncWrite,
    O: AsyncRead + AsyncWrite,
{
    let mut steps = plan.steps.as_slice();
    while let Some(step) = steps.first() {
        match step {
            Step::Make(new) => {
                let like = &theirs.folders[new.of];
                own.make(new, like, owner).await.map_err(Error::Own)?;
                report.line(&Line::Made {
                    owner: owner.user().map(str::to_owned),
                    folder: new.name.clone(),
                    of: like.name.clone(),
                })?;
                steps = &steps[1..];
            }
            Step::Append { folder, to, .. } => {
                let from = &theirs.folders[*folder];
                let some = batch(steps, from, to);
                let mut messages = Vec::new();
                for message in &some {
                    let content = copy.fetch(from, message).await.map_err(Error::Copy)?;
                    messages.push((*message, content));
                }
                own.append(to, &messages).await.map_err(Error::Own)?;
                for message in &some {
                    report.line(&Line::Appended {
                        owner: owner.user().map(str::to_owned),
                        guid: message.guid.to_string(),
                        from: from.name.clone(),
                        to: to.clone(),
                        recovered: to.split('.').any(|part| part == RECOVERED),
                    })?;
                }
                steps = &steps[some.len()..];
            }
        }
    }
    Ok(())
}

/// The next messages that go from one folder to another; one at least.
fn batch<'a>(steps: &[Step], from: &'a Folder, to: &str) -> Vec<&'a Message> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    for step in steps.iter().take(MOST) {
        match step {
            Step::Append {
                message, to: next, ..
            } if next == to && bytes < HEAVIEST => {
                let Some(message) = from.messages.get(*message) else {
                    break;
                };
                bytes += u64::from(message.size);
                some.push(message);
            }
            _ => break,
        }
    }
    some
}
