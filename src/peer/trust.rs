//! The operator's own certificate at every replica, also those that do not act: each of them serves the other site.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::Cluster,
    controller::chain,
    expiry::{Expiry, Holder},
    names::SiteName,
    pki::{OwnCertificate, kept},
};

/// How long a peer whose authority was taken away may still be let in. It costs three reads each.
const PERIOD: Duration = Duration::from_secs(15);

/// Keeps it good until `stop`, and lets it go when there is no peer any more. Writes nothing.
pub async fn keep(
    cluster: Cluster,
    certificate: Arc<OwnCertificate>,
    site: SiteName,
    expiry: Expiry,
    stop: CancellationToken,
) {
    let mut fails = false;
    loop {
        let renewed = kept::renewed(&cluster, &certificate, site.as_str(), Timestamp::now()).await;
        match &renewed {
            Ok(Some(joined)) => {
                let (own, peer) = joined.ends();
                expiry.say(Holder::Authority, own);
                expiry.say(Holder::PeerAuthority, peer);
            }
            // What the peer's was is nobody's now; what this site's is stays as it was seen last.
            Ok(None) => expiry.say(Holder::PeerAuthority, None),
            Err(_) => {}
        }
        expiry.say(Holder::Operator, certificate.end());
        if let Err(error) = &renewed
            && !fails
        {
            tracing::warn!(
                error = chain(error),
                "the operator's own certificate can't be renewed; tried again until it can"
            );
        }
        fails = renewed.is_err();
        tokio::select! {
            () = time::sleep(PERIOD) => {}
            () = stop.cancelled() => return,
        }
    }
}
