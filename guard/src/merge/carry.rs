//! Brings what one owner lacks, and looks afterwards whether it is there.

use std::collections::HashMap;

use govuc_wire::merge_report::Line;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Error,
    engine::{self, Engine},
    inventory::{Folder, Guid, Inventory, Message, Owner},
    plan::{Counts, RECOVERED, Step, plan},
    report::Report,
};

/// Messages, and bytes but for the last message, that are put into a folder at once.
const MOST: usize = 64;
const HEAVIEST: u64 = 8 * 1024 * 1024;
/// How often in a row an owner is looked at without less missing than before: people rename folders meanwhile.
const LOOKS: u32 = 8;
/// How often a message that was brought is not seen before it is brought again.
const OVERLOOKED: u32 = 3;

/// What was brought of one owner.
#[derive(Default)]
struct Brought {
    /// Known from the first look at the primary on.
    counts: Option<Counts>,
    /// How often each message has not been seen there since.
    overlooked: HashMap<Guid, u32>,
}

/// Brings until nothing is missing.
pub async fn bring<C, O>(
    copy: &mut Engine<C>,
    own: &mut Engine<O>,
    owner: &Owner,
    report: &mut Report,
) -> Result<Counts, Error>
where
    C: AsyncRead + AsyncWrite,
    O: AsyncRead + AsyncWrite,
{
    // It does not change: nobody but this reads it.
    let theirs = copy.inventory(owner).await.map_err(Error::Copy)?;
    let mut brought = Brought::default();
    let (mut least, mut looks) = (usize::MAX, 0);
    loop {
        let failure = match look(copy, own, owner, &theirs, &mut brought, report).await {
            Ok(0) => return Ok(brought.counts.unwrap_or_default()),
            Ok(missing) => {
                looks = if missing < least { 0 } else { looks };
                least = least.min(missing);
                Error::Missing(missing)
            }
            Err(Error::Own(error)) if error.may_pass() => Error::Own(error),
            Err(error) => return Err(error),
        };
        looks += 1;
        if looks == LOOKS {
            return Err(failure);
        }
    }
}

impl Brought {
    fn count(&mut self, folders_made: u64, appended: u64, recovered: u64) {
        let counts = self.counts.get_or_insert_default();
        counts.add(&Counts {
            folders_made,
            appended,
            recovered,
            ..Counts::default()
        });
    }

    /// Whether a message that is not seen at the primary is to be put there: always, if that was not done yet. A folder that is
    /// renamed just then may have been overlooked with the message in it.
    fn is_due(&mut self, guid: Guid) -> bool {
        match self.overlooked.get_mut(&guid) {
            None => true,
            Some(overlooked) => {
                *overlooked += 1;
                *overlooked > OVERLOOKED
            }
        }
    }
}

/// Brings what is missing now, as far as it can, and returns how much was missing.
async fn look<C, O>(
    copy: &mut Engine<C>,
    own: &mut Engine<O>,
    owner: &Owner,
    theirs: &Inventory,
    brought: &mut Brought,
    report: &mut Report,
) -> Result<usize, Error>
where
    C: AsyncRead + AsyncWrite,
    O: AsyncRead + AsyncWrite,
{
    let ours = own.inventory(owner).await.map_err(Error::Own)?;
    let plan = plan(owner, theirs, &ours);
    let missing = plan.steps.len();
    let steps = plan.steps.into_iter().filter(|step| match step {
        Step::Make(_) => true,
        Step::Append { folder, message, .. } => {
            brought.is_due(theirs.folders[*folder].messages[*message].guid)
        }
    });
    let steps: Vec<Step> = steps.collect();
    // What the first plan calls known was there before; a later one's was brought, or was so before.
    brought.counts.get_or_insert_with(|| plan.counts.before());
    carry_out(copy, own, owner, theirs, &steps, brought, report).await?;
    Ok(missing)
}

async fn carry_out<C, O>(
    copy: &mut Engine<C>,
    own: &mut Engine<O>,
    owner: &Owner,
    theirs: &Inventory,
    steps: &[Step],
    brought: &mut Brought,
    report: &mut Report,
) -> Result<(), Error>
where
    C: AsyncRead + AsyncWrite,
    O: AsyncRead + AsyncWrite,
{
    // Renamed, made or deleted by people since they were looked at: the next look finds what they are now.
    let changed = |done: Result<(), engine::Error>| match done {
        Ok(()) => Ok(false),
        Err(error) if error.may_pass() => Ok(true),
        Err(error) => Err(Error::Own(error)),
    };
    let mut steps = steps;
    while let Some(step) = steps.first() {
        match step {
            Step::Make(new) => {
                let like = &theirs.folders[new.of];
                steps = &steps[1..];
                if changed(own.make(new, like, owner).await)? {
                    continue;
                }
                brought.count(1, 0, 0);
                report.line(&Line::Made {
                    owner: owner.user().map(str::to_owned),
                    folder: new.name.clone(),
                    of: like.name.clone(),
                })?;
            }
            Step::Append { folder, to, .. } => {
                let from = &theirs.folders[*folder];
                let some = batch(steps, from, to);
                let contents = copy.fetch(from, &some).await.map_err(Error::Copy)?;
                let messages: Vec<_> = some.iter().copied().zip(contents).collect();
                steps = &steps[some.len()..];
                if changed(own.append(to, &messages).await)? {
                    continue;
                }
                let recovered = to.split('.').any(|part| part == RECOVERED);
                brought.count(
                    0,
                    some.len() as u64,
                    if recovered { some.len() as u64 } else { 0 },
                );
                for message in &some {
                    brought.overlooked.insert(message.guid, 0);
                    report.line(&Line::Appended {
                        owner: owner.user().map(str::to_owned),
                        guid: message.guid.to_string(),
                        from: from.name.clone(),
                        to: to.clone(),
                        recovered,
                    })?;
                }
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
