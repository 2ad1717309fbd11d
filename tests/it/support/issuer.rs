//! An issuer of tokens: its keys, the tokens that they sign, and a real HTTP server that publishes them.
//!
//! Tokens are assembled here and not by the library with which the server verifies them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use axum::{Router, response::IntoResponse, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode, header::LOCATION};
use oauth_clients::{
    auth::{KeyLocation, TokenRules},
    config::{ExternalIssuer, Issuer, ServerConfig},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{
    jwt::now,
    samples::{encode, with},
};

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "the registry";

/// One RSA key for all tests, as it takes long to generate.
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// A key that signs tokens with one algorithm.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(&'static dyn RsaEncoding),
    Ec(Box<EcdsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
}

impl SigningKey {
    pub(crate) fn new(kid: &str, algorithm: &'static str) -> Self {
        let pair = match algorithm {
            "RS256" => Pair::Rsa(&RSA_PKCS1_SHA256),
            "RS384" => Pair::Rsa(&RSA_PKCS1_SHA384),
            "RS512" => Pair::Rsa(&RSA_PKCS1_SHA512),
            "PS256" => Pair::Rsa(&RSA_PSS_SHA256),
            "ES256" => Pair::Ec(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .unwrap()
                    .into(),
            ),
            "ES384" => Pair::Ec(
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)
                    .unwrap()
                    .into(),
            ),
            "EdDSA" => Pair::Ed(Ed25519KeyPair::generate().unwrap().into()),
            other => panic!("no key for {other}"),
        };
        Self {
            kid: kid.to_owned(),
            algorithm,
            pair,
        }
    }

    /// The public key, without an algorithm: a key of RSA may verify with three.
    pub(crate) fn jwk(&self) -> Value {
        let key = match &self.pair {
            Pair::Rsa(_) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(RSA.public_key());
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
        };
        with(key, json!({"kid": self.kid, "use": "sig"}))
    }

    /// Returns a valid token of the tenant `acme` with some claims changed, or left out where they are null.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.sign(json!({}), claims)
    }

    /// Returns such a token with members of its header changed too.
    pub(crate) fn sign(&self, header: Value, claims: Value) -> String {
        let good = json!({"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid});
        self.sign_input(&signing_input(&with(good, header), &with(good_claims(), claims)))
    }

    /// Returns a JWS of this header and payload, both already encoded.
    pub(crate) fn sign_input(&self, input: &str) -> String {
        format!("{input}.{}", encode(&self.signature(input.as_bytes())))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(encoding) => {
                let mut signature = vec![0; RSA.public_modulus_len()];
                RSA.sign(*encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Returns the public key in the forms that a careless verifier might use as the secret of an HMAC.
    pub(crate) fn as_secrets(&self) -> Vec<Vec<u8>> {
        let jwk = self.jwk();
        let der: PublicKeyX509Der<'_> = RSA.public_key().as_der().unwrap();
        let modulus = jwk["n"].as_str().unwrap();
        vec![
            der.as_ref().to_vec(),
            RSA.public_key().as_ref().to_vec(),
            modulus.as_bytes().to_vec(),
            jwk.to_string().into_bytes(),
            Vec::new(),
        ]
    }
}

pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| encode(part.to_string().as_bytes());
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn good_claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "admin",
        "tenant_id": "acme",
        "scope": "oauth-clients:read oauth-clients:write",
        "exp": now() + 60,
    })
}

pub(crate) fn key_set(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// Returns the base64url of an integer with another byte before its first one.
pub(crate) fn with_leading_zero(integer: &Value) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(integer.as_str().unwrap()).unwrap();
    encode(&[&[0], bytes.as_slice()].concat())
}

/// The response of the issuer.
#[derive(Clone)]
struct Published {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// An issuer that publishes its keys at a URL.
pub(crate) struct TestIssuer {
    addr: SocketAddr,
    published: Arc<Mutex<Published>>,
    requests: Arc<AtomicUsize>,
    serving: Option<JoinHandle<()>>,
}

impl TestIssuer {
    pub(crate) async fn start(keys: &[&SigningKey]) -> Self {
        let published = Published {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: key_set(keys).to_string(),
        };
        let mut issuer = Self {
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            published: Arc::new(Mutex::new(published)),
            requests: Arc::default(),
            serving: None,
        };
        issuer.come_back().await;
        issuer
    }

    /// Stops responding.
    pub(crate) async fn go_away(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _aborted = serving.await;
        }
    }

    pub(crate) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.addr = listener.local_addr().unwrap();
        let (published, requests) = (self.published.clone(), self.requests.clone());
        let answer = async move || {
            requests.fetch_add(1, Ordering::SeqCst);
            // Long enough for requests to pile up behind a fetch.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Published {
                status,
                headers,
                body,
            } = published.lock().unwrap().clone();
            (status, headers, body).into_response()
        };
        let router = Router::new().route("/jwks", get(answer));
        self.serving = Some(tokio::spawn(async {
            axum::serve(listener, router).await.unwrap();
        }));
    }

    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        self.answer(StatusCode::OK, &key_set(keys).to_string());
    }

    pub(crate) fn answer(&self, status: StatusCode, body: &str) {
        let mut published = self.published.lock().unwrap();
        published.status = status;
        published.headers = HeaderMap::new();
        body.clone_into(&mut published.body);
    }

    pub(crate) fn redirect_to(&self, url: &str) {
        let mut published = self.published.lock().unwrap();
        published.status = StatusCode::FOUND;
        published.headers.insert(LOCATION, url.parse().unwrap());
    }

    /// Returns how often its keys were fetched.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.addr)
    }

    pub(crate) fn trusted_by(&self, config: &mut ServerConfig) {
        trusted_at(KeyLocation::Url(self.url().parse().unwrap()), config);
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

/// Configures a server to accept the tokens of the issuer whose keys are at this location.
pub(crate) fn trusted_at(keys: KeyLocation, config: &mut ServerConfig) {
    let rules = TokenRules::new(ISSUER, AUDIENCE);
    config.issuer = Issuer::External(ExternalIssuer::new(rules, keys));
}

/// Configures how often a server fetches keys.
pub(crate) fn refreshed_every(refresh: Duration, config: &mut ServerConfig) {
    external(config).jwks_refresh = refresh;
}

/// The external issuer of a configuration.
pub(crate) fn external(config: &mut ServerConfig) -> &mut ExternalIssuer {
    match &mut config.issuer {
        Issuer::External(issuer) => issuer,
        Issuer::Development { .. } => panic!("the issuer is the development key"),
    }
}
