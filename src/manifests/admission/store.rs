//! Who may move a store, and where to.

use govuc_api::PLATFORM;

use super::{Missing, Params, Policy, rule};

const STORES: (&str, &str) = ("1govuc.gov.my", "mailstores");

/// What people ask of a store: a field of its spec, and the verb and the command of the same name.
struct Asked {
    /// Of the two policies.
    names: [&'static str; 2],
    field: &'static str,
    role: &'static str,
    command: &'static str,
}

const SWITCHOVER: Asked = Asked {
    names: ["govuc-switchover", "govuc-switchover-site"],
    field: "switchover",
    role: "govuc-store-operator",
    command: "kubectl govuc switchover ' + object.metadata.name + ' --to SITE",
};

const FAILOVER: Asked = Asked {
    names: ["govuc-failover", "govuc-failover-site"],
    field: "failover",
    role: "govuc-failover-operator",
    command: "kubectl govuc failover ' + object.metadata.name + ' --force --to SITE",
};

const HOLD: Asked = Asked {
    names: ["govuc-hold", "govuc-hold-site"],
    field: "hold",
    role: "govuc-failover-operator",
    command: "kubectl govuc hold ' + object.metadata.name + ' --to SITE",
};

pub(super) fn policies() -> impl Iterator<Item = Policy> {
    [SWITCHOVER, FAILOVER, HOLD]
        .into_iter()
        .flat_map(|asked| [asked.who(), asked.site()])
        .chain([preferred_site(), preferred_site_without_witness()])
}

/// Whoever makes a store says where; another site afterwards is a switchover.
const PREFERRED_SITE_CHANGES: (&str, &str) = (
    "changes",
    "object.spec.preferredSite != oldObject.spec.preferredSite",
);

fn preferred_site() -> Policy {
    Policy {
        name: "govuc-preferred-site",
        resources: (STORES.0, vec![STORES.1]),
        operations: vec!["UPDATE"],
        conditions: vec![(PREFERRED_SITE_CHANGES.0, PREFERRED_SITE_CHANGES.1.into())],
        variables: vec![
            ("user", "request.userInfo.username".into()),
            ("mayMove", may("switchover")),
        ],
        rules: vec![rule(
            "variables.mayMove",
            r#"'spec.preferredSite: user "' + variables.user + '" may not move store ' + object.metadata.name + ' from ' + oldObject.spec.preferredSite + ': it needs the verb switchover on mailstores.1govuc.gov.my. Remedy: leave spec.preferredSite as it is, or have somebody with the role govuc-store-operator change it'"#,
        )],
        audit: vec![("preferred-site", "'changed by ' + variables.user")],
        ..Default::default()
    }
}

fn preferred_site_without_witness() -> Policy {
    Policy {
        name: "govuc-preferred-site-without-witness",
        resources: (STORES.0, vec![STORES.1]),
        operations: vec!["UPDATE"],
        conditions: vec![(PREFERRED_SITE_CHANGES.0, PREFERRED_SITE_CHANGES.1.into())],
        rules: vec![rule(
            "params.spec.roles.mode == 'Witness'",
            r#"'spec.preferredSite is ' + oldObject.spec.preferredSite + ' and can\'t become ' + object.spec.preferredSite + ': spec.roles.mode of Platform is TwoSite, and without a witness no store changes sides. Remedy: leave it, or add a witness to Platform first'"#,
        )],
        params: Some(platform()),
        ..Default::default()
    }
}

/// Whether who asks has the verb on the store.
fn may(verb: &str) -> String {
    format!(
        "authorizer.group('1govuc.gov.my').resource('mailstores').name(object.metadata.name).check('{verb}').allowed()"
    )
}

/// While there is none nothing runs yet, and its operator judges later.
fn platform() -> Params {
    Params {
        api_version: "1govuc.gov.my/v1alpha1",
        kind: "Platform",
        name: PLATFORM,
        when_missing: Missing::Allow,
    }
}

impl Asked {
    /// It is asked for by whoever has the verb, whatever else of the store they may write.
    fn who(&self) -> Policy {
        let Asked {
            field, role, command, ..
        } = self;
        Policy {
            name: self.names[0],
            resources: (STORES.0, vec![STORES.1]),
            operations: vec!["CREATE", "UPDATE"],
            variables: vec![
                ("user", "request.userInfo.username".into()),
                // Also right at creation, where oldObject is null.
                (
                    "changed",
                    format!("object.spec.?{field} != oldObject.?spec.?{field}"),
                ),
                ("mayMove", may(field)),
            ],
            rules: vec![rule(
                "!variables.changed || variables.mayMove",
                &format!(
                    r#"'spec.{field}: user "' + variables.user + '" may not move store ' + object.metadata.name + ': it needs the verb {field} on mailstores.1govuc.gov.my. Remedy: leave spec.{field} as it is, and have somebody with the role {role} run: {command}'"#
                ),
            )],
            audit: vec![(
                field,
                "'changed=' + string(variables.changed) + ' by ' + variables.user",
            )],
            ..Default::default()
        }
    }

    /// The site is one of the Platform's.
    fn site(&self) -> Policy {
        let field = self.field;
        Policy {
            name: self.names[1],
            resources: (STORES.0, vec![STORES.1]),
            operations: vec!["CREATE", "UPDATE"],
            conditions: vec![("asks", format!("has(object.spec.{field})"))],
            rules: vec![rule(
                &format!("params.spec.sites.exists(site, site.name == object.spec.{field}.to)"),
                &format!(
                    r#"'spec.{field}.to is "' + object.spec.{field}.to + '", but the sites are ' + params.spec.sites.map(site, site.name).join(' and ') + '. Remedy: write one of them'"#
                ),
            )],
            params: Some(platform()),
            ..Default::default()
        }
    }
}
