//! The protocol with one of its rules taken out.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The engine's answers are let go before it is recorded that the peer may lack something (R2).
    RecordAfterRelease,
    /// The peer takes sync whatever it is, and from whomever (R3).
    ChannelNotFenced,
    /// A restored volume is taken for what it was, an emptied one for its predecessor (R7).
    VolumeIgnored,
    /// An answer of the peer that is none is taken for one (R2).
    FailureIgnored,
    /// A lease is taken before it has run out (R4).
    PromotionBeforeExpiry,
    /// A holder goes on past its deadline.
    NoSelfFence,
    /// The other copy is called equal without having been made so.
    SyncSkipped,
    /// A deadline counts from when an answer came (R9).
    DeadlineFromAnswer,
    /// A restarted guard acquires at once (R5).
    PromiseForgotten,
    /// A transaction that was given up is carried out after a later one.
    LateTransaction,
}
