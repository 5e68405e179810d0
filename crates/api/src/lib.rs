//! The kinds of 1govuc.gov.my as types.
