//! The roles of people, and of the operator in the namespaces of agencies.

use super::{GROUP, Granted, RBAC, READ, Right, right};
use crate::agency::desired::roles::{ADMINISTRATOR, AUDITOR, ICT_MANAGER, OPERATOR_IN_AGENCY, VIEWER};

const APPROVER: &str = "govuc-approver";
const STORE_OPERATOR: &str = "govuc-store-operator";
const FAILOVER_OPERATOR: &str = "govuc-failover-operator";
const PIPELINE: &str = "govuc-pipeline";

/// The first five are bound in an agency's namespace by the operator; the last four are bound by the
/// platform team.
pub(super) fn roles() -> Vec<Granted> {
    let role = |name, whose, rights| Granted {
        name,
        namespace: None,
        whose,
        rights,
    };
    vec![
        role(
            ADMINISTRATOR,
            "`spec.administrators.admins` of an agency, in its namespace. The operator binds it.",
            with_viewer(vec![
                right(
                    GROUP,
                    &["mailboxes"],
                    &["create", "update", "patch", "delete"],
                    "They keep the mailboxes of their agency.",
                ),
                right(
                    "",
                    &["secrets"],
                    &["get"],
                    "They hand out first passwords, each by the name that its mailbox says.",
                ),
            ]),
        ),
        role(
            ICT_MANAGER,
            "`spec.administrators.ictManagers` of an agency, in its namespace. The operator binds it.",
            with_viewer(vec![right(
                "",
                &["configmaps"],
                &READ,
                "They see which domains and quotas hold for their agency.",
            )]),
        ),
        role(
            AUDITOR,
            "`spec.administrators.auditors` of an agency, in its namespace. The operator binds it.",
            with_viewer(vec![
                right(
                    "",
                    &["configmaps", "resourcequotas"],
                    &READ,
                    "They see which limits the agency has.",
                ),
                right(
                    "networking.k8s.io",
                    &["networkpolicies"],
                    &READ,
                    "They see that nothing can be dialled from there.",
                ),
                right(
                    RBAC,
                    &["rolebindings"],
                    &READ,
                    "They see who may do what in the agency.",
                ),
            ]),
        ),
        role(
            VIEWER,
            "`spec.administrators.viewers` of an agency, in its namespace. The operator binds it.",
            with_viewer(Vec::new()),
        ),
        role(
            OPERATOR_IN_AGENCY,
            "The operator, in the namespace of each agency. It binds it to itself.",
            vec![right(
                "",
                &["secrets"],
                &["get", "create", "patch", "delete"],
                "First passwords, deleted once they are used, and the specs of mailboxes that were overruled.",
            )],
        ),
        role(
            APPROVER,
            "Whoever decides on agencies. The platform team binds it.",
            vec![right(
                GROUP,
                &["agencies"],
                &["get", "list", "watch", "patch", "approve"],
                "The decision is a field of the agency, and `approve` is what admission asks for.",
            )],
        ),
        role(
            STORE_OPERATOR,
            "Whoever moves stores and plans maintenance. The platform team binds it.",
            vec![
                right(
                    GROUP,
                    &["mailstores"],
                    &["get", "list", "watch", "patch", "switchover"],
                    "A switchover is a field of the store, and `switchover` is what admission asks for.",
                ),
                right(
                    GROUP,
                    &["platforms", "agencies"],
                    &READ,
                    "Which sites there are, which stores an agency has, and what waits for a window.",
                ),
            ],
        ),
        // Apart from the role before it: whoever moves stores loses nothing, and this one decides what is given up.
        role(
            FAILOVER_OPERATOR,
            "Whoever decides what is given up when a site is lost. The platform team binds it.",
            vec![
                right(
                    GROUP,
                    &["mailstores"],
                    &["get", "list", "watch", "patch", "failover", "hold"],
                    "A failover and a hold are fields of the store, and `failover` and `hold` are what admission asks for.",
                ),
                right(GROUP, &["platforms"], &READ, "Which sites there are."),
            ],
        ),
        role(
            PIPELINE,
            "A GitOps pipeline. The platform team binds it. It never holds `approve`: with it a replace would remove an \
             approval silently.",
            vec![
                right(
                    GROUP,
                    &["platforms", "agencies", "mailboxes"],
                    &["get", "list", "watch", "create", "update", "patch", "delete"],
                    "It applies what is in Git.",
                ),
                right(
                    GROUP,
                    &["agencies"],
                    &["submit-for-others"],
                    "The applicant whom an agency names is not the pipeline; admission asks for this verb.",
                ),
            ],
        ),
    ]
}

/// What everybody of an agency may see, and this.
fn with_viewer(more: Vec<Right>) -> Vec<Right> {
    let mut rights = vec![
        right(
            GROUP,
            &["mailboxes"],
            &READ,
            "They see the mailboxes of their agency.",
        ),
        right(
            "events.k8s.io",
            &["events"],
            &READ,
            "They see what was told of them.",
        ),
        right(
            "",
            &["events"],
            &READ,
            "The same, as `kubectl describe` asks for it.",
        ),
    ];
    rights.extend(more);
    rights
}
