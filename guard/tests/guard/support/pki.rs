//! Certificates of one site's authority, as the operator would make them.

use std::{fs, path::Path};

use govuc_wire::tls::Material;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes `tls.crt`, `tls.key` and `ca.crt` for a holder of these names.
    pub fn issue(&self, folder: &Path, names: &[String]) {
        let (certificate, key) = self.pair(names);
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("tls.crt"), certificate).unwrap();
        fs::write(folder.join("tls.key"), key).unwrap();
        fs::write(folder.join("ca.crt"), &self.pem).unwrap();
    }

    pub fn material(&self, names: &[String]) -> Material {
        let (certificate, key) = self.pair(names);
        Material::from_pem(&certificate, &key, &self.pem).unwrap()
    }

    fn pair(&self, names: &[String]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names.to_vec())
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}
