//! First passwords, wrong ones, and the lock.

use govuc_directory::{Error, PasswordChange, PasswordCheck, PasswordFault, testbed::Testbed};

use crate::{account, bootstrapped};

const FIRST: &str = "pertama-Rahsia-1";
const SECOND: &str = "kedua-Rahsia-22";

#[tokio::test]
async fn a_first_password_opens_nothing_until_it_is_changed() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let door = bed.directory("pdsa1", "front-door");
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    assert_eq!(
        door.check_password(ali.id, FIRST).await.unwrap(),
        PasswordCheck::Wrong
    );
    lead.set_first_password(ali.id, FIRST, "pdsa1").await.unwrap();
    assert_eq!(
        door.check_password(ali.id, FIRST).await.unwrap(),
        PasswordCheck::MustChange
    );
    assert!(
        door.account_by_id(ali.id)
            .await
            .unwrap()
            .unwrap()
            .password
            .must_change
    );
    for (new, fault) in [
        ("pendek", PasswordFault::TooShort),
        (FIRST, PasswordFault::InHistory),
        ("", PasswordFault::TooShort),
    ] {
        assert_eq!(
            door.change_password(ali.id, FIRST, new).await.unwrap(),
            PasswordChange::Refused(fault),
            "{new:?}"
        );
    }
    assert_eq!(
        door.change_password(ali.id, "salah-Rahsia-3", SECOND)
            .await
            .unwrap(),
        PasswordChange::Wrong
    );
    assert_eq!(
        door.change_password(ali.id, FIRST, SECOND).await.unwrap(),
        PasswordChange::Changed
    );
    assert_eq!(
        door.check_password(ali.id, SECOND).await.unwrap(),
        PasswordCheck::Good
    );
    assert_eq!(
        door.check_password(ali.id, FIRST).await.unwrap(),
        PasswordCheck::Wrong
    );
    assert_eq!(
        door.check_password(ali.id, "").await.unwrap(),
        PasswordCheck::Wrong
    );
    let state = door.account_by_id(ali.id).await.unwrap().unwrap().password;
    assert!(!state.must_change && state.changed_at.is_some() && state.used_at.is_some());
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_right_one_out() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let door = bed.directory("pdsa1", "front-door");
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    lead.set_first_password(ali.id, FIRST, "pdsa1").await.unwrap();
    for _ in 0..5 {
        assert_eq!(
            door.check_password(ali.id, "salah-Rahsia-3").await.unwrap(),
            PasswordCheck::Wrong
        );
    }
    assert_eq!(
        door.check_password(ali.id, FIRST).await.unwrap(),
        PasswordCheck::Locked
    );
    assert_eq!(
        door.change_password(ali.id, FIRST, SECOND).await.unwrap(),
        PasswordChange::Locked
    );
    assert!(
        door.account_by_id(ali.id)
            .await
            .unwrap()
            .unwrap()
            .password
            .locked_at
            .is_some()
    );
}

#[tokio::test]
async fn a_first_password_says_where_it_is_and_never_replaces_one_that_was_chosen() {
    let bed = Testbed::start();
    let lead = bootstrapped(&bed).await;
    let door = bed.directory("pdsa1", "front-door");
    let ali = account("ali");
    lead.add_account(&ali).await.unwrap();
    let state = async || door.account_by_id(ali.id).await.unwrap().unwrap().password;
    assert_eq!(state().await.minted_at, None);
    lead.set_first_password(ali.id, FIRST, "pdsa1").await.unwrap();
    assert_eq!(state().await.minted_at.as_deref(), Some("pdsa1"));
    let next = bed.directory("pdsa1", "operator").as_lead(2);
    next.set_first_password(ali.id, SECOND, "pdsa2").await.unwrap();
    assert_eq!(state().await.minted_at.as_deref(), Some("pdsa2"));
    assert!(matches!(
        lead.set_first_password(ali.id, "lewat-Rahsia-555", "pdsa1").await,
        Err(Error::NewerLead { term: 1 })
    ));
    let chosen = "pilihan-Sendiri-333";
    assert_eq!(
        door.change_password(ali.id, SECOND, chosen).await.unwrap(),
        PasswordChange::Changed
    );
    assert!(matches!(
        next.set_first_password(ali.id, "ketiga-Rahsia-4444", "pdsa2")
            .await,
        Err(Error::PasswordChosen)
    ));
    assert_eq!(
        door.check_password(ali.id, chosen).await.unwrap(),
        PasswordCheck::Good
    );
}
