//! Who may write a mail store: the pure rules.
