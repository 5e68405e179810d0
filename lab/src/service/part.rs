//! A part of the service as another part sees it: by mutual TLS at its port 8443.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use govuc_wire::names;
use govuc_wire::tls::Material;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::TlsConnector;

use super::door::Stream;
use super::{Service, line};
use crate::machine::{Machine, Role};
use crate::network::Site;

/// A part that runs in a pod of its own, `<name>-0`.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub site: Site,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Part<'_> {
    /// TLS to its pod, from the machine the pod is on, which its network policy always lets in: what is seen is the
    /// part's own answer.
    pub async fn dial(self, service: &Service, client: ClientConfig) -> anyhow::Result<Stream> {
        let Part {
            site,
            namespace,
            name,
        } = self;
        let pod = format!("{name}-0");
        let path = "jsonpath={.status.podIP}";
        let address = service
            .kubectl
            .run(site, &["-n", namespace, "get", "pod", &pod, "-o", path])?;
        let address: Ipv4Addr = address
            .parse()
            .with_context(|| format!("{pod} at {site} has no address"))?;
        let machine = Machine::running(&service.lab.name, Role::Site(site))?;
        let stream = line::dial(&machine, SocketAddr::from((address, names::TLS_PORT))).await?;
        let server = ServerName::try_from(names::server_name(name, site.name(), namespace))?;
        Ok(TlsConnector::from(Arc::new(client))
            .connect(server, stream)
            .await?)
    }
}

/// The certificate of a part with its key, as its pod has it.
pub fn material(service: &Service, site: Site, namespace: &str, part: &str) -> anyhow::Result<Material> {
    let field = |field| secret_field(service, site, namespace, part, field);
    Ok(Material::from_pem(
        &field("tls.crt")?,
        &field("tls.key")?,
        &field("ca.crt")?,
    )?)
}

/// The certificate of a part as the cluster keeps it.
pub fn certificate(
    service: &Service,
    site: Site,
    namespace: &str,
    part: &str,
) -> anyhow::Result<CertificateDer<'static>> {
    let pem = secret_field(service, site, namespace, part, "tls.crt")?;
    CertificateDer::from_pem_slice(pem.as_bytes())
        .with_context(|| format!("tls-{part} at {site} has no certificate"))
}

fn secret_field(
    service: &Service,
    site: Site,
    namespace: &str,
    part: &str,
    field: &str,
) -> anyhow::Result<String> {
    let template = format!("go-template={{{{index .data {field:?} | base64decode}}}}");
    let secret = format!("tls-{part}");
    Ok(service.kubectl.run(
        site,
        &["-n", namespace, "get", "secret", &secret, "-o", &template],
    )?)
}
