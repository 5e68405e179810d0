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

pub(super) fn policies() -> impl Iterator<Item = Policy> {
    [SWITCHOVER, FAILOVER]
        .into_iter()
        .flat_map(|asked| [asked.who(), asked.site()])
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
                (
                    "mayMove",
                    format!(
                        "authorizer.group('1govuc.gov.my').resource('mailstores').name(object.metadata.name).check('{field}').allowed()"
                    ),
                ),
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
            params: Some(Params {
                api_version: "1govuc.gov.my/v1alpha1",
                kind: "Platform",
                name: PLATFORM,
                when_missing: Missing::Allow,
            }),
            ..Default::default()
        }
    }
}
