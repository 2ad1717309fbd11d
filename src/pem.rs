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

use crate::watch::{self, UnreadableFile};

/// A PEM file does not hold what it should.
#[derive(Debug, Error)]
pub enum PemError {
    /// It is no PEM, or not all of it. What is wrong is not said: it would be told with the line, which may be a key.
    #[error("{path} is not PEM: each BEGIN and END must be a line of its own, with lines of base64 between")]
    Syntax {
        /// Which file.
        path: PathBuf,
    },
    /// Nothing in it is a certificate.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// Which file.
        path: PathBuf,
    },
    /// Nothing in it is a private key in the clear.
    #[error("{path} holds no unencrypted private key (PKCS#8, PKCS#1 or SEC1)")]
    NoPrivateKey {
        /// Which file.
        path: PathBuf,
    },
}

/// A file as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct PemFile {
    path: PathBuf,
    contents: Vec<u8>,
}

impl PemFile {
    /// Reads a file, whatever is in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> Result<Self, UnreadableFile> {
        Ok(Self {
            path: path.to_owned(),
            contents: watch::read(path)?,
        })
    }

    /// Which file it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificates in it, at least one.
    ///
    /// # Errors
    /// When there is none, or a broken one.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, PemError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.contents).collect();
        let certificates = certificates.map_err(|_| self.syntax())?;
        if certificates.is_empty() {
            return Err(PemError::NoCertificate {
                path: self.path.clone(),
            });
        }
        Ok(certificates)
    }

    /// The first private key in it.
    ///
    /// # Errors
    /// When there is none, or a broken one.
    pub fn private_key(&self) -> Result<PrivateKeyDer<'static>, PemError> {
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

/// What it holds may be a private key.
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
    fn what_is_wrong_with_a_key_does_not_say_the_key() {
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
