//! The people of `examples/`.

use super::Login;

/// A civil servant with a mailbox in `examples/mailboxes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    pub agency: &'static str,
    /// The name of the Mailbox object.
    pub mailbox: &'static str,
    pub address: &'static str,
    /// What the person chooses in place of the first password.
    pub password: &'static str,
}

pub const ALI: Person = Person {
    agency: "kkr",
    mailbox: "ali-ahmad",
    address: "ali.ahmad@kkr.gov.my",
    password: "Jambatan-Pulau-Pinang-1985",
};

pub const MEI_LING: Person = Person {
    agency: "kkr",
    mailbox: "mei-ling",
    address: "mei.ling@kkr.gov.my",
    password: "Pasar-Seni-Tingkat-3-b",
};

pub const SITI: Person = Person {
    agency: "jpa",
    mailbox: "siti-aminah",
    address: "siti.aminah@jpa.gov.my",
    password: "Gunung-Kinabalu-4095-m",
};

pub const KUMAR: Person = Person {
    agency: "jpa",
    mailbox: "kumar",
    address: "kumar@jpa.gov.my",
    password: "Sungai Kinta & Ipoh 50%",
};

/// Those who write to each other in the demo and in the tests; `examples/` has more.
pub const TWO: [Person; 2] = [ALI, SITI];

impl Person {
    /// What the person types into a mail client, once the password is the own.
    pub fn login(self) -> Login<'static> {
        Login {
            user: self.address,
            password: self.password,
        }
    }
}
