//! Measures the cost of verifying a bearer token, and what the memory of verified tokens saves.
//!
//! ```sh
//! cargo run --release --example token_latency
//! ```
//!
//! A whole request is `GetOAuthClient` over gRPC on loopback, to a server in this process on SQLite, one at a time. Tokens
//! that the server has seen and tokens that it has not are sent in turn, so that the ratio of the medians is stable on a
//! noisy machine too. The table is Markdown.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool reads the clock and makes random values"
)]

#[path = "support/output.rs"]
mod output;

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Parser;
use oauth_clients::{
    auth::{IssuerKeys, KeyLocation, KeySet, TokenRules, TokenVerifier},
    config::{ExternalIssuer, Issuer, RestAddr, ServerConfig},
    limits::Quotas,
    pb::v1::{
        CreateOAuthClientRequest, GetOAuthClientRequest,
        o_auth_client_service_client::OAuthClientServiceClient,
    },
    server::Server,
    store::DatabaseUrl,
};
use serde_json::{Value, json};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use self::output::{Outcome, print};

/// Measures the cost of verifying tokens.
#[derive(Debug, Parser)]
struct Args {
    /// Number of samples per case.
    #[arg(long, default_value_t = 5_000)]
    samples: usize,
}

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "oauth-clients";

enum SigningKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let Args { samples } = Args::parse();
    let keys = [
        ("RS256", SigningKey::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?)),
        (
            "ES256",
            SigningKey::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
        ),
        ("EdDSA", SigningKey::Ed(Ed25519KeyPair::generate()?)),
    ];
    print("| measured | token not seen before | seen before | ratio |\n| --- | ---: | ---: | ---: |");
    for (algorithm, key) in &keys {
        let tokens = (0..=samples).map(|number| token(algorithm, key, number));
        let tokens: Vec<String> = tokens.collect::<Outcome<_>>()?;
        row(
            &format!("verifying, {algorithm}"),
            verifying(&key_set(algorithm, key), &tokens).await?,
        );
        row(
            &format!("a whole call, {algorithm}"),
            calling(&key_set(algorithm, key), &tokens).await?,
        );
    }
    Ok(())
}

/// The times with tokens that were not seen before, and with one that was seen.
type Times = (Vec<Duration>, Vec<Duration>);

async fn verifying(keys: &str, tokens: &[String]) -> Outcome<Times> {
    let verifier = TokenVerifier::new(IssuerKeys::fixed(KeySet::from_json(keys.as_bytes())?), rules());
    let (seen, unseen) = tokens.split_last().ok_or("no tokens")?;
    verifier.verify(seen).await?;
    let mut times = Times::default();
    for token in unseen {
        let started = Instant::now();
        verifier.verify(token).await?;
        times.0.push(started.elapsed());
        let started = Instant::now();
        verifier.verify(seen).await?;
        times.1.push(started.elapsed());
    }
    Ok(times)
}

fn rules() -> TokenRules {
    TokenRules {
        require_at_jwt: true,
        ..TokenRules::new(ISSUER, AUDIENCE)
    }
}

async fn calling(keys: &str, tokens: &[String]) -> Outcome<Times> {
    let dir = tempfile::tempdir()?;
    let jwks = dir.path().join("jwks.json");
    std::fs::write(&jwks, keys)?;
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let database = DatabaseUrl::sqlite_file(&dir.path().join("clients.db"));
    let issuer = ExternalIssuer::new(rules(), KeyLocation::File(jwks));
    let server = Server::bind(ServerConfig {
        grpc_addr: any_port,
        rest_addr: RestAddr::Off,
        quotas: Quotas::UNLIMITED,
        ..ServerConfig::new(database, Issuer::External(issuer))
    })
    .await?;
    let channel = Endpoint::from_shared(format!("http://{}", server.grpc_addr()))?.connect_lazy();
    let running = tokio::spawn(server.run(std::future::pending()));
    let times = call_in_turn(channel, tokens).await;
    running.abort();
    times
}

async fn call_in_turn(channel: Channel, tokens: &[String]) -> Outcome<Times> {
    let (seen, unseen) = tokens.split_last().ok_or("no tokens")?;
    let mut client = OAuthClientServiceClient::new(channel);
    let created = CreateOAuthClientRequest {
        app_type: "web".to_owned(),
        client_name: "measured".to_owned(),
        ..CreateOAuthClientRequest::default()
    };
    let created = client.create_o_auth_client(request(created, seen)?).await?;
    let client_id = created.into_inner().client_id;
    let mut times = Times::default();
    for token in unseen {
        for (token, times) in [(token, &mut times.0), (seen, &mut times.1)] {
            let get = request(
                GetOAuthClientRequest {
                    client_id: client_id.clone(),
                },
                token,
            )?;
            let started = Instant::now();
            client.get_o_auth_client(get).await?;
            times.push(started.elapsed());
        }
    }
    Ok(times)
}

fn request<T>(message: T, token: &str) -> Outcome<Request<T>> {
    let mut request = Request::new(message);
    let bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
    request.metadata_mut().insert("authorization", bearer);
    Ok(request)
}

fn key_set(algorithm: &str, key: &SigningKey) -> String {
    let mut jwk = match key {
        SigningKey::Rsa(pair) => {
            let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
            json!({"kty": "RSA", "n": encode(public.n), "e": encode(public.e)})
        }
        SigningKey::Ec(pair) => {
            // The uncompressed form of a point: 4, x, y.
            let (x, y) = pair.public_key().as_ref().split_at(33);
            let x = x.iter().skip(1).copied().collect::<Vec<u8>>();
            json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)})
        }
        SigningKey::Ed(pair) => {
            json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())})
        }
    };
    if let Some(jwk) = jwk.as_object_mut() {
        jwk.insert("kid".to_owned(), algorithm.into());
    }
    json!({"keys": [jwk]}).to_string()
}

/// Returns a token like those of common issuers. Each number has its own.
fn token(algorithm: &str, key: &SigningKey, number: usize) -> Outcome<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": algorithm});
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "0f3c2f4e-7a5b-4f0e-9a51-3d2b8c1e6a77",
        "tenant_id": "acme", "client_id": "a-service", "jti": format!("{number:032x}"),
        "scope": "oauth-clients:read oauth-clients:write", "iat": now, "exp": now + 3_600,
    });
    let part = |part: Value| encode(part.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = sign(key, signed.as_bytes())?;
    Ok(format!("{signed}.{}", encode(signature)))
}

fn sign(key: &SigningKey, message: &[u8]) -> Outcome<Vec<u8>> {
    let random = SystemRandom::new();
    Ok(match key {
        SigningKey::Rsa(pair) => {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
            signature
        }
        SigningKey::Ec(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
        SigningKey::Ed(pair) => pair.sign(message).as_ref().to_vec(),
    })
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn row(name: &str, (unseen, seen): Times) {
    let (unseen, seen) = (median_micros(unseen), median_micros(seen));
    print(&format!(
        "| {name} | {unseen:.1} µs | {seen:.1} µs | {:.2} |",
        unseen / seen
    ));
}

fn median_micros(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e6
}
