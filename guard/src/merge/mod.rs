//! The merge of a copy that was passed over by a forced promotion: what only it has is brought to the primary (protocol §5).

pub mod inventory;
pub mod plan;
