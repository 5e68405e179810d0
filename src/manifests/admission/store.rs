//! Who may move a store, and where to.

use govuc_api::PLATFORM;

use super::{Missing, Params, Policy, rule};

const STORES: (&str, &str) = ("1govuc.gov.my", "mailstores");

/// A switchover is asked for by whoever has the verb, whatever else of the store they may write.
pub(super) fn switchover() -> Policy {
    Policy {
        name: "govuc-switchover",
        resources: (STORES.0, vec![STORES.1]),
        operations: vec!["CREATE", "UPDATE"],
        variables: vec![
            ("user", "request.userInfo.username".into()),
            // Also right at creation, where oldObject is null.
            (
                "changed",
                "object.spec.?switchover != oldObject.?spec.?switchover".into(),
            ),
            (
                "mayMove",
                "authorizer.group('1govuc.gov.my').resource('mailstores').name(object.metadata.name).check('switchover').allowed()".into(),
            ),
        ],
        rules: vec![rule(
            "!variables.changed || variables.mayMove",
            r#"'spec.switchover: user "' + variables.user + '" may not move store ' + object.metadata.name + ': it needs the verb switchover on mailstores.1govuc.gov.my. Remedy: leave spec.switchover as it is, and have somebody with the role govuc-store-operator run: kubectl govuc switchover ' + object.metadata.name + ' --to SITE'"#,
        )],
        audit: vec![(
            "switchover",
            "'changed=' + string(variables.changed) + ' by ' + variables.user",
        )],
        ..Default::default()
    }
}

/// The site is one of the Platform's.
pub(super) fn switchover_site() -> Policy {
    Policy {
        name: "govuc-switchover-site",
        resources: (STORES.0, vec![STORES.1]),
        operations: vec!["CREATE", "UPDATE"],
        conditions: vec![("asks", "has(object.spec.switchover)".into())],
        rules: vec![rule(
            "params.spec.sites.exists(site, site.name == object.spec.switchover.to)",
            r#"'spec.switchover.to is "' + object.spec.switchover.to + '", but the sites are ' + params.spec.sites.map(site, site.name).join(' and ') + '. Remedy: write one of them'"#,
        )],
        params: Some(Params {
            api_version: "1govuc.gov.my/v1alpha1",
            kind: "Platform",
            name: PLATFORM,
            when_missing: Missing::Allow,
        }),
        ..Default::default()
    }
}
