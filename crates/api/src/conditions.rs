//! The words of conditions: every type and every reason that a user can see.
//!
//! `Ready`, `Reconciling` and `Stalled` mean what kstatus says: Ready when what the spec asks for is there, Reconciling
//! while it is being made, Stalled when only a person can go on. The latter two are present only while true.

/// Types.
pub mod types {
    /// What the spec asks for is there.
    pub const READY: &str = "Ready";
    /// It is being made. Absent otherwise.
    pub const RECONCILING: &str = "Reconciling";
    /// A person has to act; the message says how. Absent otherwise.
    pub const STALLED: &str = "Stalled";
    /// Platform: the directory of this site answers and has the tree.
    pub const DIRECTORY_READY: &str = "DirectoryReady";
    /// Platform: every shared mail part of this site is ready. Agency: its store takes and gives mail.
    pub const MAIL_READY: &str = "MailReady";
    /// Platform: the etcd that holds roles has every member; or there is none to have, with reason TwoSite.
    pub const ROLES_READY: &str = "RolesReady";
    /// Platform: every part has a certificate that is not due.
    pub const CERTIFICATES_VALID: &str = "CertificatesValid";
    /// MailStore: the copy at the other site has all that is stored.
    pub const REPLICATED: &str = "Replicated";
    /// MailStore: a copy that was passed over by a failover may have mail that the primary lacks, until it is merged; the message
    /// says how far that is. Absent otherwise.
    pub const COPIES_DIVERGED: &str = "CopiesDiverged";
    /// Platform, MailStore: something that runs is to be restarted and waits for a maintenance window; the message says what,
    /// why and until when. MailStore: an engine is withheld from it. Absent otherwise.
    pub const UPGRADE_PENDING: &str = "UpgradePending";
    /// Platform: the other cluster's Platform has other sites, another order of them, or another domain; the message has both and
    /// the remedy. Absent otherwise, and without a witness.
    pub const SITES_DIFFER: &str = "SitesDiffer";
    /// Agency: the application was approved.
    pub const APPROVED: &str = "Approved";
    /// Agency, Mailbox: the other site's cluster has the same spec.
    pub const MIRRORED: &str = "Mirrored";
    /// Agency, Mailbox: both sites' people changed it, and something of it needs a person; the message says what. Absent otherwise.
    pub const DIVERGED: &str = "Diverged";
}

/// Reasons.
pub mod reasons {
    /// All that was asked for is there.
    pub const READY: &str = "AllReady";
    /// Something is not there yet; the message names it.
    pub const PROGRESSING: &str = "Progressing";
    /// A step failed and is tried again; the message has the error.
    pub const FAILED: &str = "StepFailed";
    /// The object passed admission but means nothing; the message has field, value, rule and remedy.
    pub const INVALID: &str = "InvalidSpec";
    /// It is being deleted, and its data is being kept.
    pub const DELETING: &str = "Deleting";

    /// There is no Platform, or it is not ready.
    pub const PLATFORM_NOT_READY: &str = "PlatformNotReady";
    /// The other site's CA or the root secret is not here: `kubectl govuc connect`.
    pub const PEER_UNKNOWN: &str = "PeerUnknown";
    /// The operator's site is none of the Platform's.
    pub const SITE_UNKNOWN: &str = "SiteUnknown";
    /// The other site's cluster has the same.
    pub const SAME_AT_BOTH_SITES: &str = "SameAtBothSites";
    /// The other site is to take what was written here.
    pub const PEER_FOLLOWS: &str = "PeerFollows";
    /// The API server here does not take what was written at the other site.
    pub const REFUSED: &str = "Refused";
    /// The other site's API server does not take what was written here.
    pub const REFUSED_AT_PEER: &str = "RefusedAtPeer";
    /// The other site's cluster can't be seen.
    pub const PEER_UNREACHABLE: &str = "PeerUnreachable";
    /// The other site's operator reads specs by another schema.
    pub const PEER_SCHEMA_DIFFERS: &str = "PeerSchemaDiffers";
    /// It was deleted at the other site, and had been changed here.
    pub const DELETED_AT_PEER: &str = "DeletedAtPeer";
    /// It was changed at both sites, and the lead's was taken.
    pub const OVERRULED: &str = "Overruled";
    /// Too many were deleted at the other site at once: nothing is deleted here.
    pub const MASS_DELETION: &str = "MassDeletion";
    /// Some parts are not ready; the message names them.
    pub const PARTS_NOT_READY: &str = "PartsNotReady";
    /// Every certificate is there and not due.
    pub const CERTIFICATES_CURRENT: &str = "CertificatesCurrent";
    /// The directory does not answer.
    pub const DIRECTORY_UNREACHABLE: &str = "DirectoryUnreachable";
    /// The etcd that holds roles has every member, and they agree.
    pub const FORMED: &str = "Formed";
    /// The etcd that holds roles has not been seen agreeing on anything yet; the message says what is awaited.
    pub const FORMING: &str = "Forming";
    /// No majority of the etcd that holds roles can be reached from here: nothing can change sides, and nothing stops for it
    /// while the sites reach each other.
    pub const NO_QUORUM: &str = "NoQuorum";
    /// A majority is there and a member is not; the message names it. One more, and nothing can change sides.
    pub const MEMBER_MISSING: &str = "MemberMissing";
    /// A member of the etcd that holds roles has lost its volume and is being replaced; the message says how far that is. Until it
    /// votes the other two are all there is.
    pub const MEMBER_REPLACING: &str = "MemberReplacing";
    /// A member has the volume of another cluster, or one of another cluster answers in its place. It is not let in, and nothing
    /// is deleted; the message says what a person has to do.
    pub const MEMBER_FOREIGN: &str = "MemberForeign";
    /// Who answers in a member's place has a certificate of another authority, or does not take this site's.
    pub const MEMBER_DISTRUSTED: &str = "MemberDistrusted";
    /// Who answers in a member's place is no member of etcd at all.
    pub const MEMBER_NOT_ETCD: &str = "MemberNotEtcd";
    /// `spec.roles.mode` is TwoSite: there is no third place, and no store changes sides by itself.
    pub const TWO_SITE: &str = "TwoSite";

    /// This site's turn in a maintenance window has not come; the message says when it does.
    pub const AWAITING_WINDOW: &str = "AwaitingWindow";
    /// No maintenance window comes any more.
    pub const NO_WINDOW: &str = "NoWindow";
    /// The maintenance windows can't be understood: nothing is restarted until they are corrected.
    pub const WINDOWS_INVALID: &str = "WindowsInvalid";
    /// It is this site's turn, and the other site can't be seen well: a restart here could leave nobody serving.
    pub const PEER_NOT_READY: &str = "PeerNotReady";
    /// The other cluster's Platform has other sites, another order of them, or another domain: whose turn it is can't be told.
    pub const SITES_DIFFER: &str = "SitesDiffer";
    /// The operator has another engine, and `spec.version` keeps the store at its own.
    pub const PINNED: &str = "Pinned";
    /// The operator has no image of the version that `spec.version` names; the message has those that it has.
    pub const UNKNOWN_VERSION: &str = "UnknownVersion";
    /// The engine that is named is of an older series of Cyrus than the one that runs, and would not read what is stored.
    pub const OLDER_VERSION: &str = "OlderVersion";

    /// The API server does not count the namespace's quota yet, and refuses what the quota is about.
    pub const QUOTA_NOT_COUNTED: &str = "QuotaNotCounted";
    /// The store's pod is not ready.
    pub const STORE_NOT_READY: &str = "StoreNotReady";
    /// This site's copy is primary and serves.
    pub const PRIMARY: &str = "Primary";
    /// This site's copy follows the primary.
    pub const FOLLOWER: &str = "Follower";
    /// This site's copy was passed over by a failover: it is left as it is until what it has alone is merged.
    pub const QUARANTINE: &str = "Quarantine";
    /// A person has the site serve without the roles' etcd.
    pub const HELD: &str = "Held";
    /// A copy was passed over by a failover, and the primary has not read it since.
    pub const AWAITING_COPY: &str = "AwaitingCopy";
    /// What only a copy has that was passed over is brought to the primary.
    pub const MERGING: &str = "Merging";
    /// The copies are equal.
    pub const IN_STEP: &str = "InStep";
    /// The copy at the other site may not have all that is stored.
    pub const BEHIND: &str = "Behind";
    /// The guard does not say.
    pub const NO_STATUS: &str = "NoStatus";
    /// The store's volume can't be what the spec asks for.
    pub const VOLUME_IMMUTABLE: &str = "VolumeImmutable";

    /// No decision on the application yet.
    pub const AWAITING_APPROVAL: &str = "AwaitingApproval";
    /// The application was approved.
    pub const APPROVED: &str = "Approved";
    /// The application was rejected; the message has why.
    pub const REJECTED: &str = "Rejected";
    /// The approval was withdrawn after the agency existed: what is there stays, and nothing more is made.
    pub const APPROVAL_WITHDRAWN: &str = "ApprovalWithdrawn";
    /// The lead site decides this; its decision has not arrived here.
    pub const AWAITING_LEAD: &str = "AwaitingLead";
    /// Another agency has a domain; the message names it.
    pub const DOMAIN_TAKEN: &str = "DomainTaken";
    /// The agency still has mailboxes.
    pub const HAS_MAILBOXES: &str = "HasMailboxes";

    /// The namespace is no approved agency's.
    pub const AGENCY_NOT_READY: &str = "AgencyNotReady";
    /// The address or an alias is in no domain of the agency.
    pub const ADDRESS_OUTSIDE_DOMAINS: &str = "AddressOutsideDomains";
    /// Another account has the address or an alias; the message names it.
    pub const ADDRESS_TAKEN: &str = "AddressTaken";
    /// Another account has the staff number; the message names it.
    pub const STAFF_NUMBER_TAKEN: &str = "StaffNumberTaken";
    /// The mail of a mailbox of this name, address or staff number is still kept; `spec.restore` takes it up again.
    pub const ACCOUNT_RETAINED: &str = "AccountRetained";
    /// `spec.restore` names no account that is kept for this agency.
    pub const NOTHING_TO_RESTORE: &str = "NothingToRestore";
    /// The account was ended by `spec.termination`.
    pub const TERMINATED: &str = "Terminated";
}
