//! What an object's status says of the mirror: the conditions `Mirrored` and, where people have to know of it, `Diverged`. Pure.
//!
//! They are the mirror's own: what reconciles the kind never sees them, and so does not write them either.

use govuc_api::conditions::{reasons, types};
use govuc_mirror::{Act, Replica, Waiting};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Condition, jiff::Timestamp};
use serde::Serialize;

use super::Mirrored;
use crate::conditions::{Conditions, Status as _, Word};

/// Before the other site's name and what the API server said.
const REFUSAL: &str = "the API server here does not take what was written at ";
const OWN: [&str; 2] = [types::MIRRORED, types::DIVERGED];

/// The mirror's part of a status.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub conditions: Vec<Condition>,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub mirrored: Word,
    pub diverged: Option<Word>,
}

/// What was said last, by its reasons, of the present generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    mirrored: String,
    diverged: Option<String>,
}

impl Told {
    pub fn is_same(&self) -> bool {
        self.mirrored == reasons::SAME_AT_BOTH_SITES
    }
}

/// Takes out what is the mirror's, for whoever writes the rest of a status.
pub fn strip<K: Mirrored>(object: &mut K) {
    if let Some(conditions) = object.conditions_mut() {
        conditions.retain(|condition| !OWN.contains(&condition.type_.as_str()));
    }
}

/// `kept` is the Secret with what was here before, `refused` why the peer could not take what is here. None: what was said last
/// goes on, since nothing more is known.
pub fn words(
    local: &Replica,
    act: &Act,
    kept: Option<&str>,
    refused: Option<&str>,
    peer: &str,
) -> Option<Words> {
    let (mirrored, diverged) = match act {
        Act::Wait(Waiting::PeerFollows | Waiting::PeerYields) if let Some(refusal) = refused => {
            (refused_there(peer, refusal), None)
        }
        Act::Wait(waiting) => waits(local, *waiting, peer)?,
        Act::Nothing => {
            let word = Word::yes(reasons::SAME_AT_BOTH_SITES, format!("{peer} has the same"));
            (word, None)
        }
        // It is changed at once, and looked at again then.
        Act::Note { .. } | Act::Create(_) | Act::Take { .. } | Act::Forget | Act::Delete | Act::Release => {
            return None;
        }
    };
    let overruled = kept.map(|secret| {
        Word::yes(
            reasons::OVERRULED,
            format!(
                "both sites' people edited it, and the lead's spec was taken; what was here is in Secret {secret}. Remedy: apply from \
                 there what is still wanted"
            ),
        )
    });
    Some(Words {
        mirrored,
        diverged: diverged.or(overruled),
    })
}

/// When deletions that come from the peer are stopped.
pub fn braked(peer: &str) -> Words {
    Words {
        mirrored: Word::no(
            reasons::MASS_DELETION,
            format!(
                "it was deleted at {peer}, and so were many within a few minutes: nothing more is deleted here. Remedy: see whether that \
                 was meant, then kubectl govuc mirror accept"
            ),
        ),
        diverged: None,
    }
}

/// When the own API server does not take what the peer has.
pub fn refused(peer: &str, refusal: &str) -> Words {
    Words {
        mirrored: Word::no(reasons::REFUSED, format!("{REFUSAL}{peer}: {refusal}")),
        diverged: None,
    }
}

/// What that said to the other site, if it is what is said last.
pub fn refusal(part: Part) -> Option<String> {
    let said = part
        .conditions
        .into_iter()
        .find(|condition| condition.type_ == types::MIRRORED && condition.reason == reasons::REFUSED)?;
    // Between the site's name and what it can't take there is a colon, and no name has one.
    let (_, refusal) = said.message.split_once(": ")?;
    Some(refusal.to_owned())
}

fn refused_there(peer: &str, refusal: &str) -> Word {
    Word::no(
        reasons::REFUSED_AT_PEER,
        format!(
            "what was written here is refused at {peer}: {refusal}. Remedy: write what both sites take, in steps if it is a step too far"
        ),
    )
}

fn waits(local: &Replica, waiting: Waiting, peer: &str) -> Option<(Word, Option<Word>)> {
    Some(match waiting {
        Waiting::PeerFollows => (
            Word::no(
                reasons::PEER_FOLLOWS,
                format!(
                    "what was written here is not at {peer} yet. If it stays so, the operator there says why: kubectl -n govuc-system logs \
                     -l app.kubernetes.io/component=operator --tail=-1"
                ),
            ),
            None,
        ),
        Waiting::PeerYields => (
            Word::no(
                reasons::PEER_FOLLOWS,
                format!("both sites' people edited it; this site leads, so {peer} takes what is here"),
            ),
            None,
        ),
        Waiting::NoLead => {
            let text = format!(
                "it was edited here and at {peer}, and as long as nobody leads it is open which stands. Remedy: write the same at both sites, \
                 or say which: kubectl govuc mirror take; or wait for a lead"
            );
            (
                Word::no(reasons::AWAITING_LEAD, text.clone()),
                Some(Word::unknown(reasons::AWAITING_LEAD, text)),
            )
        }
        Waiting::DeletedAtPeer => {
            let text = format!(
                "it was deleted at {peer}, and is not what was agreed there: so it stays here until a person decides. Remedy: delete it here too, \
                 or have it made there again: kubectl govuc mirror take, from this site"
            );
            (
                Word::no(reasons::DELETED_AT_PEER, text.clone()),
                Some(Word::yes(reasons::DELETED_AT_PEER, text)),
            )
        }
        // Nothing is here that could say it.
        Waiting::EditedAtPeer => return None,
        Waiting::PeerSchemaDiffers => (
            Word::no(
                reasons::PEER_SCHEMA_DIFFERS,
                format!(
                    "the operator at {peer} has another version, which reads specs differently. Remedy: upgrade it as well"
                ),
            ),
            None,
        ),
        // Of what both had agreed on nothing new is known: with many objects a line that is cut would be a storm of writes.
        Waiting::PeerUnknown if is_agreed(local) => return None,
        Waiting::PeerUnknown => (
            Word::unknown(
                reasons::PEER_UNREACHABLE,
                format!("{peer} can't be seen; it takes what was written here when it can be again"),
            ),
            None,
        ),
    })
}

fn is_agreed(local: &Replica) -> bool {
    let agreed = local.agreed.as_ref();
    agreed.is_some_and(|agreed| agreed.spec == local.spec)
}

impl Words {
    pub fn told(&self) -> Told {
        let reason = |word: &Word| word.reason.to_owned();
        Told {
            mirrored: reason(&self.mirrored),
            diverged: self.diverged.as_ref().map(reason),
        }
    }

    /// `previous` is what was said before, `generation` the one that is spoken of.
    pub fn part(self, previous: &Part, generation: i64, now: Timestamp) -> Part {
        let begun = Conditions::of(&previous.conditions, Some(generation), now);
        let conditions = begun.set(types::MIRRORED, self.mirrored);
        let conditions = match self.diverged {
            Some(word) => conditions.set(types::DIVERGED, word),
            None => conditions,
        };
        Part {
            conditions: conditions.finish(),
        }
    }
}

impl Part {
    pub fn of<K: Mirrored>(object: &K) -> Self {
        let conditions = object.status().map_or(&[][..], |status| status.conditions());
        let own = conditions
            .iter()
            .filter(|condition| OWN.contains(&condition.type_.as_str()));
        Self {
            conditions: own.cloned().collect(),
        }
    }

    /// What it says of this generation.
    pub fn told(&self, generation: i64) -> Told {
        let reason = |type_| {
            let condition = self
                .conditions
                .iter()
                .find(|condition| condition.type_ == type_)?;
            (condition.observed_generation == Some(generation)).then(|| condition.reason.clone())
        };
        Told {
            mirrored: reason(types::MIRRORED).unwrap_or_default(),
            diverged: reason(types::DIVERGED),
        }
    }
}
