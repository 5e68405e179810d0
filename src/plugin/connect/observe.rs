//! What a cluster says of itself, read and nothing else. What can't be read is no fault of the command: the check says so.

use std::time::Instant;

use govuc_api::{PLATFORM, Platform};
use govuc_wire::names::SYSTEM_NAMESPACE;
use http::{Request, header};
use ipnet::IpNet;
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Node, networking::v1::ServiceCIDR},
    jiff::fmt::rfc2822,
};
use kube::{Api, api::ListParams, client::Body};

use super::{
    super::contexts::Context,
    check::{Clock, Cluster, Operator, Said},
};
use crate::{controller::chain, manifests::OPERATOR};

/// Of the operator's pod.
const SITE: &str = "GOVUC_SITE";
const NOT_FOUND: u16 = 404;
/// So many nodes tell of the pods' networks.
const NODES: u32 = 500;

pub async fn cluster(context: &Context) -> Cluster {
    Cluster {
        context: context.label().to_owned(),
        operator: operator(context).await,
        platform: platform(context).await,
        clock: clock(context).await,
        networks: networks(context).await,
    }
}

async fn operator(context: &Context) -> Said<Operator> {
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), SYSTEM_NAMESPACE);
    let found = deployments.get_opt(OPERATOR).await.or_else(absent)?;
    Ok(found.and_then(|deployment| {
        let pod = deployment.spec?.template.spec?;
        pod.containers.into_iter().find_map(|container| {
            let variables = container.env.unwrap_or_default();
            let site = variables
                .into_iter()
                .find(|variable| variable.name == SITE)?
                .value?;
            Some(Operator {
                image: container.image.unwrap_or_default(),
                site,
            })
        })
    }))
}

async fn platform(context: &Context) -> Said<Platform> {
    let platforms: Api<Platform> = Api::all(context.client.clone());
    platforms.get_opt(PLATFORM).await.or_else(absent)
}

/// Where the kind is not known there is none of it either.
fn absent<T>(error: kube::Error) -> Said<T> {
    match error {
        kube::Error::Api(status) if status.code == NOT_FOUND => Ok(None),
        error => Err(said(error)),
    }
}

/// In the API server's own words, if it answered.
fn said(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message,
        error => chain(&error),
    }
}

/// By the head of an answer: to the second, and as of the middle of the request.
async fn clock(context: &Context) -> Said<Clock> {
    let request = Request::get("/version")
        .body(Body::empty())
        .map_err(|error| chain(&error))?;
    let begun = Instant::now();
    let answer = context
        .client
        .send(request)
        .await
        .map_err(|error| chain(&error))?;
    let at = begun + begun.elapsed() / 2;
    let Some(date) = answer.headers().get(header::DATE) else {
        return Ok(None);
    };
    let date = date.to_str().map_err(|error| chain(&error))?;
    let said = rfc2822::parse(date).map_err(|error| chain(&error))?.timestamp();
    Ok(Some(Clock { said, at }))
}

async fn networks(context: &Context) -> Said<Vec<IpNet>> {
    let nodes: Api<Node> = Api::all(context.client.clone());
    let params = ListParams::default().limit(NODES);
    let nodes = nodes.list(&params).await.map_err(said)?;
    let pods = nodes.items.into_iter().flat_map(|node| {
        let spec = node.spec.unwrap_or_default();
        spec.pod_cidrs.unwrap_or_default()
    });
    let services: Api<ServiceCIDR> = Api::all(context.client.clone());
    // Clusters before 1.33 do not have it; then the nodes alone tell.
    let services = services
        .list(&ListParams::default())
        .await
        .map_or_else(|_| Vec::new(), |list| list.items);
    let services = services
        .into_iter()
        .flat_map(|range| range.spec.and_then(|spec| spec.cidrs).unwrap_or_default());
    // What can't be read as a network is none that could be compared.
    let networks: Vec<IpNet> = pods
        .chain(services)
        .filter_map(|text| text.parse().ok())
        .collect();
    Ok((!networks.is_empty()).then_some(networks))
}
