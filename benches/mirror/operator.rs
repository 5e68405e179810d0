//! One site's mirror of mailboxes, without the rest of an operator.

use std::sync::Arc;

use futures::StreamExt;
use govuc::{
    cluster::{self, follow},
    lead::{Known, Mandate},
    mail_store::engine::Engines,
    mirror::{Sites, last_mark, one_kind},
    operator::{Context, Images, Options},
    peer::{ABOUT, About, CLUSTER},
    pki::Authority,
    telemetry::Metrics,
};
use govuc_api::{Mailbox, Platform, SCHEMA};
use govuc_roles::timing::Moment;
use http::{Request, Response};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Client, ResourceExt, api::Api, client::Body};
use tokio_util::sync::CancellationToken;

use crate::cluster::{SITES, client};

/// Until it is killed.
pub async fn run(site: &str) {
    let peer = SITES.into_iter().find(|other| *other != site).expect("two sites");
    let own = client(site).await;
    let there = client(peer).await;
    let context = Arc::new(context(site, own.clone()));
    let (platforms, changes) = follow::<Platform>(context.cluster.all());
    let following = changes.for_each(async |_| {});
    tokio::pin!(following);
    let ready = platforms.wait_until_ready();
    tokio::select! {
        ready = ready => ready.expect("platforms are followed"),
        () = &mut following => {}
    }
    let mut sites = Sites::new(
        context.clone(),
        platforms.clone(),
        peer.to_owned(),
        uid(&own).await,
    );
    let about = about(peer, &there).await;
    sites.peer = cluster::Cluster::new(answered_for(there, about), context.metrics.clone());
    let stop = CancellationToken::new();
    tokio::select! {
        () = one_kind::<Mailbox>(Arc::new(sites), &stop) => {}
        () = following => {}
    }
}

fn context(site: &str, client: Client) -> Context {
    let image = || "localhost/govuc/none:dev".to_owned();
    let images = Images {
        openldap: image(),
        postfix: image(),
        nginx: image(),
        haproxy: image(),
        filter: image(),
        cyrus: image(),
        router: image(),
        etcd: image(),
    };
    let options = Options {
        site: site.parse().expect("a site"),
        engines: Engines::of(&images.cyrus, &[]).expect("an image with a tag"),
        images,
        replica: "bench".to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        peer_listen: ([127, 0, 0, 1], 0).into(),
    };
    let context = Context::new(client, &options, Metrics::default());
    let now = Timestamp::now();
    let pair = Authority::generate(site, now).expect("an authority");
    let authority = Authority::from_pair(pair).expect("its own pair");
    context
        .certificate
        .renew(&authority, site, authority.certificate(), now)
        .expect("a certificate");
    let mandate = (site == SITES[0]).then_some(Mandate {
        term: 2,
        until: Moment::new(std::time::Duration::MAX),
    });
    context.office.say(Known::Site(SITES[0].to_owned()), mandate);
    context
}

async fn uid(client: &Client) -> String {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = namespaces.get(CLUSTER).await.expect("every cluster has it");
    system.uid().expect("its uid")
}

async fn about(site: &str, client: &Client) -> About {
    About {
        cluster: uid(client).await,
        site: site.to_owned(),
        schema: SCHEMA,
        version: "bench".to_owned(),
        now: Time(Timestamp::now()),
        mark: None,
    }
}

/// The API server itself, and what only the peer's operator would say.
fn answered_for(client: Client, about: About) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, about) = (client.clone(), about.clone());
        async move {
            if request.uri().path() != ABOUT {
                return client.send(request).await;
            }
            let mark = last_mark(client).await?;
            let text = serde_json::to_vec(&About { mark, ..about }).expect("JSON");
            Ok(Response::new(Body::from(text)))
        }
    });
    Client::new(service, "default")
}
