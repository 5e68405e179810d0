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
    /// A copy is called merged without having been read.
    MergeSkipped,
    /// A slot that was held does not know so once its guard was started again.
    HoldForgotten,
}

impl Mutant {
    /// What is so without the rule.
    pub fn what(self) -> &'static str {
        match self {
            Mutant::RecordAfterRelease => {
                "answers are let go before what the follower lacks is recorded (R2)"
            }
            Mutant::ChannelNotFenced => {
                "the follower takes replication whatever it is, and from whomever (R3)"
            }
            Mutant::VolumeIgnored => "an emptied or restored volume is taken for what it was (R7)",
            Mutant::FailureIgnored => "a failed answer of the follower is taken for one (R2)",
            Mutant::PromotionBeforeExpiry => "a lease is taken before it has run out (R4)",
            Mutant::NoSelfFence => "a primary goes on past its deadline (R1)",
            Mutant::SyncSkipped => "the follower is called equal without having been made so (R2)",
            Mutant::DeadlineFromAnswer => "the deadline counts from when the answer came (R9)",
            Mutant::PromiseForgotten => "a restarted follower acquires at once (R5)",
            Mutant::MergeSkipped => "a copy that was passed over is called merged without having been read",
            Mutant::HoldForgotten => "a restarted guard does not know that its copy was held",
            Mutant::LateTransaction => "etcd carries out a transaction that was given up after a later one",
        }
    }
}
