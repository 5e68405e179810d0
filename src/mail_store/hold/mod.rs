//! A hold that a person has decided on, from what is asked of a MailStore to its end.
//!
//! It is for a site that etcd does not answer, so it goes from the operator to the guard of the same site, and no further. The
//! guard decides whether it may begin; what is looked at here is what the guard can't see: whether the other site serves.

mod course;

use std::sync::Arc;

use govuc_api::{HoldState, HoldStatus, MailStore};
use govuc_wire::{guard, tls::Material};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use self::course::{Known, Next, ended, next};
use super::status::Copy;
use crate::{controller::chain, platform::Installation};

/// How the hold goes that was asked for last, if one ever was.
pub async fn heed(
    object: &MailStore,
    installation: &Installation,
    (own, peer): (&Copy, &Copy),
    etcd_answers: bool,
    material: &Arc<Material>,
) -> Option<HoldStatus> {
    let previous = object.status.as_ref().and_then(|status| status.hold.as_ref());
    let Some(asked) = &object.spec.hold else {
        return previous.cloned();
    };
    let store = object.name_any();
    let now = Timestamp::now();
    let known = Known {
        store: &store,
        own,
        peer,
        leases: installation.leases(),
        etcd_answers,
    };
    let Next { order, status } = next(asked, previous, &known, now);
    let Some(order) = order else {
        return Some(status);
    };
    Some(match guard::hold(material, &own.site, &order).await {
        Ok(()) => status,
        Err(guard::Error::Refused(reason)) => ended(status, HoldState::Refused, reason, now),
        Err(error) => HoldStatus {
            message: format!(
                "the guard is not told yet: {}; that is tried again",
                chain(&error)
            ),
            asked_at: previous.and_then(|previous| previous.asked_at.clone()),
            ..status
        },
    })
}
