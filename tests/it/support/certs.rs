//! Certificates made for a test.

use std::{fs, path::Path};

use oauth_clients::config::TlsFiles;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// A certificate authority.
pub(crate) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for a server on this machine.
    pub(crate) fn server(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    pub(crate) fn client(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    pub(crate) fn expired_client(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    pub(crate) fn future_client(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, |params| {
            params.not_before = date_time_ymd(4000, 1, 1);
        })
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Pair {
    /// Writes the files of a server with this certificate, and of the CA of its clients.
    pub(crate) fn write(&self, dir: &Path, client_ca: Option<&Ca>) -> TlsFiles {
        let [cert, key, ca] = ["cert.pem", "key.pem", "client-ca.pem"].map(|name| dir.join(name));
        fs::write(&cert, &self.cert).unwrap();
        fs::write(&key, &self.key).unwrap();
        let client_ca = client_ca.map(|client_ca| {
            fs::write(&ca, client_ca.pem()).unwrap();
            ca
        });
        TlsFiles { cert, key, client_ca }
    }
}
