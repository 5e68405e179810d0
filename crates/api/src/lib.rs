//! The kinds of `1govuc.gov.my/v1alpha1` as types: schema, rules, printer columns, conditions. No logic.

mod agency;
pub mod conditions;
mod failover;
mod hold;
mod mail_store;
mod mailbox;
mod maintenance;
mod platform;
mod schema;
mod switchover;

pub use agency::{
    Administrators, Agency, AgencyMail, AgencySpec, AgencyStatus, Application, Approval, Budget,
    DecisionKind, Domain, ExistingContract, PlacedStore, Placement, Subject, SubjectKind, Translated,
};
pub use failover::{Extent, Failover, FailoverState, FailoverStatus, Lack};
pub use hold::{Hold, HoldState, HoldStatus};
pub use mail_store::{
    CopyState, MailStore, MailStoreSpec, MailStoreStatus, MergeStatus, MergedCopy, PassedOver,
    PreferredSiteStatus, RecordedCopies, Storage, StoreCopy, StoreUse,
};
pub use mailbox::{
    FirstPassword, Granted, Individual, Language, Mailbox, MailboxKind, MailboxSpec, MailboxStatus,
    NEW_FIRST_PASSWORD, Quota, Termination, TerminationReason,
};
pub use maintenance::{Maintenance, MaintenanceWindow, PendingRestart, WindowStatus, WithheldEngine};
pub use platform::{
    Addresses, Lockout, PasswordPolicy, Platform, PlatformMail, PlatformRoles, PlatformSpec, PlatformStatus,
    RolesMode, Site, StorePlacement, Witness,
};
pub use switchover::{Switchover, SwitchoverState, SwitchoverStatus};

/// The group of every kind.
pub const GROUP: &str = "1govuc.gov.my";
/// The one version.
pub const VERSION: &str = "v1alpha1";
/// The number by which specs are read. It rises when a field of a spec is added or changes its meaning: an operator that
/// does not know the field would leave it out of what it writes. So two operators mirror only when theirs are equal.
pub const SCHEMA: u32 = 1;
/// The name of the one Platform.
pub const PLATFORM: &str = "platform";
/// The ConfigMap in an agency's namespace that its admission policies read.
pub const POLICY_CONFIG_MAP: &str = "govuc-policy";
