//! Certificates and private keys of PEM files (RFC 7468).

use std::{
    fmt,
    path::{Path, PathBuf},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use thiserror::Error;

use crate::io::file::{self, UnreadableFile};

/// A PEM file does not hold what it should.
#[derive(Debug, Error)]
pub enum PemError {
    /// The file is not PEM, or only in part. The parser's error is left out: it quotes the line, which may be a key.
    #[error("{path} is not PEM: each BEGIN and END must be a line of its own, with lines of base64 between")]
    Syntax {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no certificate.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no unencrypted private key.
    #[error("{path} holds no unencrypted private key (PKCS#8, PKCS#1 or SEC1)")]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
}

/// The contents of a PEM file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PemFile {
    path: PathBuf,
    contents: Vec<u8>,
}

impl PemFile {
    /// Reads a file without parsing it.
    pub(super) fn read(path: &Path) -> Result<Self, UnreadableFile> {
        Ok(Self {
            path: path.to_owned(),
            contents: file::read_blocking(path)?,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the certificates of the file, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.contents).collect();
        let certificates = certificates.map_err(|_| self.syntax())?;
        if certificates.is_empty() {
            return Err(PemError::NoCertificate {
                path: self.path.clone(),
            });
        }
        Ok(certificates)
    }

    /// Returns the first private key of the file.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, PemError> {
        PrivateKeyDer::from_pem_slice(&self.contents).map_err(|error| match error {
            pem::Error::NoItemsFound => PemError::NoPrivateKey {
                path: self.path.clone(),
            },
            _ => self.syntax(),
        })
    }

    fn syntax(&self) -> PemError {
        PemError::Syntax {
            path: self.path.clone(),
        }
    }
}

/// Omits the contents, which may be a private key.
impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_error_of_a_malformed_key_does_not_contain_the_key() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let broken = [
            key.replace('\n', " "),
            key.replace('\n', "\\n"),
            key.replacen('\n', "", 1),
            key.replace("END", "FIN"),
        ];
        for contents in broken {
            let file = PemFile {
                path: "key.pem".into(),
                contents: contents.into_bytes(),
            };
            let error = file.private_key().unwrap_err();
            assert!(error.source().is_none(), "{error:?}");
            let shown = format!("{error} {error:?}");
            assert!(shown.len() < 200 && !shown.contains("MI"), "{shown}");
        }
    }
}
