//! Whether a copy may go away for a moment: pure.

use govuc_api::MailStore;

use super::status::{Copy, primary, replicated};

/// Whether the own copy may go away for a moment: the other one answers, and has or keeps all that is stored, and no
/// switchover is under way as far as `object` tells.
pub fn in_step(object: &MailStore, own: &Copy, peer: &Copy) -> Result<(), String> {
    let switchover = object
        .status
        .as_ref()
        .and_then(|status| status.switchover.as_ref());
    if let Some(moving) = switchover.filter(|switchover| !switchover.state.is_final()) {
        return Err(format!("switchover {} is under way", moving.id));
    }
    if let Err(error) = &peer.said {
        return Err(format!("its guard at {} does not answer: {error}", peer.site));
    }
    let replicated = replicated([own, peer]);
    match (replicated.is_true(), primary(own, peer)) {
        (false, _) => Err(replicated.message),
        (true, None) => Err("neither copy takes clients".to_owned()),
        (true, Some(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail_store::status::{
        Copies,
        tests::{guard, object, well},
    };
    use govuc_api::{SwitchoverState, SwitchoverStatus};
    use govuc_wire::status::Role;
    use rstest::rstest;

    #[test]
    fn a_store_that_is_being_moved_is_not_restarted() {
        let Copies { own, peer, .. } = well();
        let mut object = object();
        let mut during = |state| {
            object.status.get_or_insert_default().switchover = Some(SwitchoverStatus {
                id: "sw-1".into(),
                state,
                message: String::new(),
                from: None,
                to: "pdsa2".into(),
                digest: None,
                term: None,
                asked_at: None,
                finished_at: None,
            });
            in_step(&object, &own, &peer)
        };
        assert_eq!(
            during(SwitchoverState::Draining),
            Err("switchover sw-1 is under way".into())
        );
        assert_eq!(during(SwitchoverState::Done), Ok(()));
    }

    #[rstest]
    #[case::well(|_: &mut Copies| {}, None)]
    #[case::seen_from_the_follower(|c: &mut Copies| std::mem::swap(&mut c.own, &mut c.peer), None)]
    #[case::the_peer_is_silent(|c: &mut Copies| c.peer.said = Err("cut".into()), Some("cut"))]
    #[case::behind(|c: &mut Copies| c.own.said = Ok(guard("pdsa1", Role::Primary, false)), Some("stores alone"))]
    #[case::no_primary(|c: &mut Copies| c.own.said = Err("gone".into()), Some("does not say"))]
    #[case::shut(|c: &mut Copies| if let Ok(s) = &mut c.own.said { s.gate_open = false }, Some("takes clients"))]
    fn a_copy_may_go_away_while_the_other_has_all(
        #[case] change: fn(&mut Copies),
        #[case] why: Option<&str>,
    ) {
        let mut copies = well();
        change(&mut copies);
        let found = in_step(&object(), &copies.own, &copies.peer);
        match (found, why) {
            (Ok(()), None) => {}
            (Err(found), Some(why)) => assert!(found.contains(why), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}
