//! What is just good enough.

use serde_json::json;

use crate::cluster::{example, installed, try_out};

#[tokio::test]
async fn the_other_side_of_each_boundary_is_taken() {
    let client = installed(None).await;
    let mut agency = example("agencies/kkr.yaml");
    agency["metadata"]["name"] = json!("good-input");
    for (ends, planned) in [
        ("2027-07-10", "2027-01-10"),
        ("2027-02-28", "2026-08-31"),
        ("2028-02-29", "2027-08-31"),
        ("2028-01-01", "2027-01-01"),
    ] {
        agency["spec"]["application"]["existingContract"] =
            json!({"endsOn": ends, "transitionPlannedOn": planned});
        try_out(&client, &agency)
            .await
            .unwrap_or_else(|error| panic!("{ends}, {planned}: {error}"));
    }
    let mut mailbox = example("mailboxes/ali-ahmad.yaml");
    mailbox["metadata"]["name"] = json!("good-input");
    for (grade, size) in [
        (1, "500Mi"),
        (40, "500Mi"),
        (41, "1Gi"),
        (47, "1Gi"),
        (48, "2Gi"),
        (53, "2Gi"),
        (54, "4Gi"),
        (60, "50Gi"),
    ] {
        mailbox["spec"]["individual"]["grade"] = json!(grade);
        mailbox["spec"]["quota"] = json!({"size": size});
        try_out(&client, &mailbox)
            .await
            .unwrap_or_else(|error| panic!("{grade}, {size}: {error}"));
    }
    mailbox["spec"]["quota"] = json!({"size": 104_857_600, "reason": "keeps no mail"});
    try_out(&client, &mailbox).await.unwrap();
}
