//! Who may talk to whom, as one table.
//!
//! Ports are those of the containers: a policy is judged after a Service's address was translated.

use govuc_wire::names;

use super::{Role, service::Public};

/// One end of an arrow of `docs/architecture.md` §1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Part(Role),
    /// The operator's pods.
    Operator,
    /// Any address: people, other mail servers, the peer's gateway.
    Anywhere,
    /// The peer's gateway alone.
    PeerGateway,
    /// The witness alone, where there is one.
    Witness,
}

/// `from` may open a connection to `to` at `port` of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub from: End,
    pub to: End,
    pub port: u16,
}

pub const IMAPS: Public = Public {
    name: "imaps",
    port: 993,
    target: 1993,
};
pub const SUBMISSIONS: Public = Public {
    name: "submissions",
    port: 465,
    target: 1465,
};
pub const HTTPS: Public = Public {
    name: "https",
    port: 443,
    target: 1443,
};
pub const SMTP: Public = Public {
    name: "smtp",
    port: 25,
    target: 1025,
};
pub const GATEWAY: Public = Public {
    name: "gateway",
    port: names::TLS_PORT,
    target: names::TLS_PORT,
};

/// Where members of the roles' etcd listen for each other.
pub const ROLES_PEERS: u16 = 8445;

use End::{Anywhere, Operator, PeerGateway, Witness};
use Role::{Directory, Filter, FrontDoor, Gateway, Mx, Roles, Store, Submission};

/// Everything that may be dialled. DNS, which every part needs, is beside it; the kubelet's probes are exempt.
pub const ARROWS: &[Arrow] = &[
    arrow(Anywhere, part(FrontDoor), IMAPS.target),
    arrow(Anywhere, part(FrontDoor), SUBMISSIONS.target),
    arrow(Anywhere, part(FrontDoor), HTTPS.target),
    arrow(Anywhere, part(Mx), SMTP.target),
    // From the peer. Its address is not known: what leaves a cluster carries the address of some node.
    arrow(Anywhere, part(Gateway), names::TLS_PORT),
    arrow(part(Gateway), PeerGateway, names::TLS_PORT),
    arrow(part(Gateway), Witness, names::TLS_PORT),
    // What comes from the peer goes on to the part that is named.
    arrow(part(Gateway), part(Directory), names::TLS_PORT),
    arrow(part(Gateway), part(Store), names::TLS_PORT),
    arrow(part(Gateway), part(Roles), names::TLS_PORT),
    arrow(part(Gateway), part(Roles), ROLES_PEERS),
    arrow(part(Gateway), Operator, names::TLS_PORT),
    // To the peer.
    arrow(part(FrontDoor), part(Gateway), names::EGRESS_PORT),
    arrow(part(Mx), part(Gateway), names::EGRESS_PORT),
    arrow(part(Submission), part(Gateway), names::EGRESS_PORT),
    arrow(part(Directory), part(Gateway), names::EGRESS_PORT),
    arrow(part(Store), part(Gateway), names::EGRESS_PORT),
    arrow(part(Roles), part(Gateway), names::EGRESS_PORT),
    arrow(Operator, part(Gateway), names::EGRESS_PORT),
    // Within the site.
    arrow(part(FrontDoor), part(Directory), names::TLS_PORT),
    arrow(part(FrontDoor), part(Store), names::TLS_PORT),
    arrow(part(FrontDoor), part(Submission), names::TLS_PORT),
    arrow(part(Mx), part(Directory), names::TLS_PORT),
    arrow(part(Mx), part(Filter), names::TLS_PORT),
    arrow(part(Mx), part(Store), names::TLS_PORT),
    arrow(part(Submission), part(Directory), names::TLS_PORT),
    arrow(part(Submission), part(Filter), names::TLS_PORT),
    arrow(part(Submission), part(Store), names::TLS_PORT),
    // To other people's mail servers: what is written to them, and what mx took and has to give back.
    arrow(part(Submission), Anywhere, SMTP.port),
    arrow(part(Mx), Anywhere, SMTP.port),
    arrow(Operator, part(Directory), names::TLS_PORT),
    arrow(Operator, part(Store), names::TLS_PORT),
    // Who asks for roles, or holds one.
    arrow(part(Store), part(Roles), names::TLS_PORT),
    arrow(part(FrontDoor), part(Roles), names::TLS_PORT),
    arrow(part(Mx), part(Roles), names::TLS_PORT),
    arrow(part(Submission), part(Roles), names::TLS_PORT),
    arrow(Operator, part(Roles), names::TLS_PORT),
];

const fn arrow(from: End, to: End, port: u16) -> Arrow {
    Arrow { from, to, port }
}

const fn part(role: Role) -> End {
    End::Part(role)
}
