//! Members where they speak with each other.

use std::sync::Arc;

use govuc_etcd::{
    Endpoint, Error, Etcd,
    peer::greet,
    testbed::{Authority, Testbed, dns},
};
use govuc_wire::{names, tls::Files};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{LIMIT, SHORT, eventually};

#[tokio::test]
async fn a_member_answers_another_one_also_without_a_leader() {
    let mut bed = Testbed::start(3).await;
    let member = bed.member_files(0).load().unwrap();
    let etcd = Etcd::new(bed.settings()).unwrap();
    let cluster = etcd.status(&bed.endpoint(0), LIMIT).await.unwrap().cluster;
    bed.kill(0);
    let told = greet(&bed.peer_endpoint(2), &member, LIMIT).await.unwrap();
    assert_eq!(told, cluster);
    bed.kill(1);
    let told = greet(&bed.peer_endpoint(2), &member, LIMIT).await.unwrap();
    assert_eq!(told, cluster);
}

#[tokio::test]
async fn a_member_of_another_cluster_says_of_which() {
    let (bed, other) = (Testbed::start(1).await, Testbed::start(3).await);
    let told = async |bed: &Testbed| {
        let member = bed.member_files(0).load().unwrap();
        greet(&bed.peer_endpoint(0), &member, LIMIT).await.unwrap()
    };
    assert_ne!(told(&bed).await, told(&other).await);
}

#[tokio::test]
async fn a_member_of_another_authority_is_not_believed() {
    let (bed, other) = (Testbed::start(1).await, Testbed::start(1).await);
    let member = bed.member_files(0).load().unwrap();
    let answer = greet(&other.peer_endpoint(0), &member, LIMIT).await;
    assert!(matches!(answer, Err(Error::Unauthorised(_))), "{answer:?}");
    // It believes in ours as little as we in its.
    let folder = tempfile::tempdir().unwrap();
    let identity = names::identity(names::ROLES, "pdsa1");
    let names = vec![dns(names::ROLES_MEMBER), dns(&identity)];
    bed.authority().write(folder.path(), names, other.authority());
    let stranger = Files::new(folder.path()).load().unwrap();
    let answer = greet(&other.peer_endpoint(0), &stranger, LIMIT).await;
    let told = answer.unwrap_err();
    assert!(matches!(told, Error::Unauthorised(_)), "{told:?}");
    assert!(
        told.to_string().contains("does not take our certificate"),
        "{told}"
    );
}

/// Takes one connection and says this to it; under TLS once it has heard something, with the certificate of the witness.
async fn something(says: &'static str, tls: Option<&Authority>) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint {
        address: listener.local_addr().unwrap().to_string(),
        ..Endpoint::of_peer(names::WITNESS)
    };
    let acceptor = tls.map(|authority| {
        let folder = tempfile::tempdir().unwrap();
        authority.write(folder.path(), vec![dns(&endpoint.server_name)], authority);
        let material = Files::new(folder.path()).load().unwrap();
        TlsAcceptor::from(Arc::new(material.server(&[]).unwrap()))
    });
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some(acceptor) = acceptor else {
            stream.write_all(says.as_bytes()).await.unwrap();
            // Not closed before it was read.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        };
        let mut stream = acceptor.accept(stream).await.unwrap();
        let _ = stream.read(&mut [0; 512]).await;
        stream.write_all(says.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    endpoint
}

#[tokio::test]
async fn what_is_no_etcd_is_told_from_one_that_is_away() {
    let bed = Testbed::start(1).await;
    let member = bed.member_files(0).load().unwrap();
    let tls = Some(bed.authority());
    for (says, tls, part) in [
        ("SSH-2.0-OpenSSH_10.0\r\n", None, "corrupt message"),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", tls, "404"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            tls,
            "names no cluster",
        ),
        ("220 mx.example ESMTP\r\n", tls, "invalid HTTP"),
    ] {
        let answer = greet(&something(says, tls).await, &member, LIMIT).await;
        let told = answer.unwrap_err();
        assert!(matches!(told, Error::Malformed { .. }), "{says}: {told:?}");
        assert!(told.to_string().contains(part), "{says}: {told}");
    }
    let closed = Endpoint {
        address: "127.0.0.1:1".to_owned(),
        ..bed.peer_endpoint(0)
    };
    let answer = greet(&closed, &member, LIMIT).await;
    assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
}

#[tokio::test]
async fn one_that_is_gone_or_frozen_does_not_answer() {
    let mut bed = Testbed::start(3).await;
    let member = bed.member_files(0).load().unwrap();
    bed.freeze(1);
    bed.kill(2);
    for silent in [1, 2] {
        let answer = greet(&bed.peer_endpoint(silent), &member, SHORT).await;
        assert!(matches!(answer, Err(Error::Unreachable(_))), "{answer:?}");
    }
    bed.thaw(1);
    bed.start_member(2);
    for back in [1, 2] {
        bed.ready(back).await;
        greet(&bed.peer_endpoint(back), &member, LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_is_not_answered_where_members_speak() {
    let bed = Testbed::start(1).await;
    let client = bed.client_files().load().unwrap();
    let answer = greet(&bed.peer_endpoint(0), &client, LIMIT).await;
    assert!(matches!(answer, Err(Error::Unauthorised(_))), "{answer:?}");
}

#[tokio::test]
async fn a_leader_hands_over_to_another_member_and_nobody_else_does() {
    let bed = Testbed::start(3).await;
    let etcd = Etcd::new(bed.settings()).unwrap();
    let mut members = Vec::new();
    for member in 0..3 {
        members.push(etcd.status(&bed.endpoint(member), LIMIT).await.unwrap());
    }
    let leader = members
        .iter()
        .position(|status| status.leader == Some(status.member))
        .unwrap();
    let (next, third) = ((leader + 1) % 3, (leader + 2) % 3);
    let to = members[next].member;
    let refused = etcd.move_leader(&bed.endpoint(third), to, LIMIT).await;
    assert!(matches!(refused, Err(Error::Rejected { .. })), "{refused:?}");
    etcd.move_leader(&bed.endpoint(leader), to, LIMIT).await.unwrap();
    eventually("the other one leads", async || {
        let status = etcd.status(&bed.endpoint(third), LIMIT).await.unwrap();
        status.leader == Some(to)
    })
    .await;
}
