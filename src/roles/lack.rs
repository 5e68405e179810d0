//! What a member can lack: words, and which of them weighs most.

use govuc_api::conditions::reasons;
use govuc_etcd::MemberId;

/// Why a member does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is of another cluster, or has its volume.
    Foreign(u64),
    /// Its certificate or ours is not believed.
    Distrust(String),
    /// Who answers in its place is no member of etcd.
    Stranger(String),
    /// Its volume is empty, and it is still on the list.
    Volume,
    /// It is not on the list, or is another than the one there: its place was taken away, and no new one made yet.
    Place,
    /// Its place was made anew, and it has not taken it.
    Taking,
    /// It follows, and has no vote yet.
    Vote,
    /// It has not started since the cluster was formed.
    Start,
    /// It does not answer.
    Answer(MemberId),
    /// It answers, and is cut from the others.
    Leader,
}

impl Lack {
    pub fn is_replaced(&self) -> bool {
        self.reason() == reasons::MEMBER_REPLACING
    }

    pub fn reason(&self) -> &'static str {
        match self {
            Lack::Foreign(_) => reasons::MEMBER_FOREIGN,
            Lack::Distrust(_) => reasons::MEMBER_DISTRUSTED,
            Lack::Stranger(_) => reasons::MEMBER_NOT_ETCD,
            Lack::Volume | Lack::Place | Lack::Taking | Lack::Vote => reasons::MEMBER_REPLACING,
            Lack::Start | Lack::Answer(_) | Lack::Leader => reasons::MEMBER_MISSING,
        }
    }

    /// Of several the one that a person has most to do for comes first.
    pub fn rank(&self) -> u8 {
        match self.reason() {
            reasons::MEMBER_REPLACING => 2,
            reasons::MEMBER_MISSING => 1,
            _ => 0,
        }
    }
}
