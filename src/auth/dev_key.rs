//! The signing key of `--dev`, for tokens to try the server out on one machine.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use thiserror::Error;

use super::{DEFAULT_TENANT_CLAIM, KeySet, KeySetError, TokenRules};
use crate::{io::private, pb};

static ALL_SCOPES: LazyLock<String> = LazyLock::new(|| {
    // The server does not start without its protos.
    let scopes = pb::protos().map(|protos| protos.scopes().collect::<Vec<_>>());
    scopes.unwrap_or_default().join(" ")
});

const FILE_NAME: &str = "dev-signing-key.p8";
const ISSUER: &str = "oauth-clients-dev";
const AUDIENCE: &str = "oauth-clients";

/// A P-256 key in a file of the data directory, for `ES256` tokens.
#[derive(Debug)]
pub struct DevKey {
    signing: EncodingKey,
    id: String,
    x: String,
    y: String,
}

/// The claims of a token.
#[derive(Debug, Clone)]
pub struct DevToken<'a> {
    /// Its tenant.
    pub tenant: &'a str,
    /// Its `sub`.
    pub subject: &'a str,
    /// Its `scope`.
    pub scope: &'a str,
    /// The time until its `exp`.
    pub lifetime: Duration,
}

/// An error while the key was read or used.
#[derive(Debug, Error)]
pub enum DevKeyError {
    /// The file of the key cannot be read or written.
    #[error("the development key {path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a key.
    #[error("{path} is not a P-256 key in PKCS #8: delete it to have a new one made")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The key could not be generated.
    #[error("a development key could not be generated")]
    Generate,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    /// The key set is not usable.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// Returns the scopes of every method, separated by spaces, for a token that may call them all.
pub fn all_scopes() -> &'static str {
    &ALL_SCOPES
}

impl DevKey {
    /// Reads the key of a data directory. If there is no key, it creates one.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or written, or is not a key.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, DevKeyError> {
        let path = data_dir.join(FILE_NAME);
        let pkcs8 = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(data_dir, &path)?,
            outcome => outcome.map_err(|source| DevKeyError::File {
                path: path.clone(),
                source,
            })?,
        };
        Self::from_pkcs8(&pkcs8).ok_or(DevKeyError::Malformed { path })
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        // The uncompressed form of a point: 4, x, y (SEC 1 section 2.3.3).
        let point = pair.public_key().as_ref();
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        let thumbprint = digest(&SHA256, point);
        Some(Self {
            signing: EncodingKey::from_ec_der(pkcs8),
            id: URL_SAFE_NO_PAD.encode(thumbprint.as_ref().split_at(12).0),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// Returns the key set that verifies the tokens of this key.
    ///
    /// # Errors
    /// Returns an error if the key set is not usable.
    pub fn key_set(&self) -> Result<KeySet, DevKeyError> {
        let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id, "x": self.x, "y": self.y});
        Ok(KeySet::from_json(json!({"keys": [key]}).to_string().as_bytes())?)
    }

    /// Returns the rules that the tokens of this key follow.
    pub fn rules() -> TokenRules {
        TokenRules::new(ISSUER, AUDIENCE)
    }

    /// Signs a token.
    ///
    /// # Errors
    /// Returns an error if the key cannot sign.
    #[expect(clippy::disallowed_methods, reason = "the issuer of tokens owns their times")]
    pub fn sign(&self, token: &DevToken<'_>) -> Result<String, DevKeyError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": token.subject,
            "scope": token.scope,
            "iat": now.as_secs(),
            "exp": (now + token.lifetime).as_secs(),
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.insert(DEFAULT_TENANT_CLAIM.to_owned(), token.tenant.into());
        }
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        Ok(jsonwebtoken::encode(&header, &claims, &self.signing)?)
    }
}

/// Creates a key that only its owner can read, or returns the key that another process has just created.
#[expect(clippy::disallowed_methods, reason = "the owner of the key generates it")]
fn create(data_dir: &Path, path: &Path) -> Result<Vec<u8>, DevKeyError> {
    let file_error = |source| DevKeyError::File {
        path: path.to_owned(),
        source,
    };
    let generated = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = generated.map_err(|_| DevKeyError::Generate)?;
    private::create_dir(data_dir).map_err(file_error)?;
    let temporary = data_dir.join(format!("{FILE_NAME}.{}", std::process::id()));
    private::file_options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&temporary)
        .and_then(|mut file| file.write_all(key.as_ref()))
        .map_err(file_error)?;
    // A link appears with its whole content, and never replaces a file.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(file_error)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path).map_err(file_error),
        outcome => outcome.map(|()| key.as_ref().to_vec()).map_err(file_error),
    }
}
