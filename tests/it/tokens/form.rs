//! The form of a token: its header, its claims, and its length (RFC 7515, RFC 7519, RFC 9068).

use serde_json::{Value, json};

use super::issuer::{accepts, server, server_with};
use crate::support::{
    TestServer, Transport,
    issuer::{SigningKey, TestIssuer, external, good_claims, signing_input},
    jwt::now,
    samples::{with, with_null},
};

fn good_header(key: &SigningKey) -> Value {
    json!({"alg": key.algorithm, "typ": "at+jwt", "kid": key.kid})
}

/// Returns the detail with which a token is refused, which is the same on both transports.
async fn detail(server: &TestServer, token: &str) -> String {
    let caller = server.caller(Some(token.to_owned()));
    let rest = caller.list(Transport::Rest, json!({})).await.unwrap_err();
    let grpc = caller.list(Transport::Grpc, json!({})).await.unwrap_err();
    assert_eq!(rest, grpc);
    assert_eq!(rest.codes(), ["TOKEN_INVALID"], "{rest:?}");
    rest.errors[0].1.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_typ_may_have_its_prefix_and_any_case() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let lenient = server(&issuer).await;
    let strict = server_with(&issuer, |config| {
        external(config).rules.require_at_jwt = true;
    })
    .await;
    for (typ, of_access_tokens, of_any) in [
        ("at+jwt", true, true),
        ("AT+JWT", true, true),
        ("application/at+jwt", true, true),
        ("Application/AT+JWT", true, true),
        ("JWT", false, true),
        ("jwt", false, true),
        ("application/jwt", false, true),
        ("APPLICATION/JWT", false, true),
        ("application/application/jwt", false, false),
        ("text/jwt", false, false),
        ("application/at+jwt;charset=utf-8", false, false),
        ("application/id+jwt", false, false),
        ("application/", false, false),
        ("", false, false),
    ] {
        let token = key.sign(json!({"typ": typ}), json!({}));
        assert_eq!(accepts(&lenient, &token).await, of_any, "{typ}");
        assert_eq!(accepts(&strict, &token).await, of_access_tokens, "{typ}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_is_a_wrong_type_and_not_absence() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    for member in ["alg", "crit", "kid", "typ"] {
        let header = with_null(good_header(&key), member);
        let token = key.sign_input(&signing_input(&header, &good_claims()));
        assert!(!accepts(&server, &token).await, "{header}");
    }
    for member in ["iss", "aud", "exp", "sub", "tenant_id", "nbf", "iat"] {
        let claims = with_null(good_claims(), member);
        let token = key.sign_input(&signing_input(&good_header(&key), &claims));
        let said = detail(&server, &token).await;
        assert!(
            said.starts_with(&format!("the claim {member} must be ")),
            "{said}"
        );
    }
    // A scope of a wrong type permits nothing, and hides the other claim.
    let read = "oauth-clients:read";
    let claims = with_null(with(good_claims(), json!({"scp": read})), "scope");
    let token = key.sign_input(&signing_input(&good_header(&key), &claims));
    let refused = server.caller(Some(token)).list(Transport::Grpc, json!({})).await;
    assert_eq!(refused.unwrap_err().codes(), ["SCOPE_MISSING"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_are_not_used_may_have_any_type() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    for parameter in [
        "jwk", "jku", "x5c", "x5t", "x5t#S256", "cty", "nonce", "zip", "enc",
    ] {
        for value in [json!(7), json!({"kty": "AKP"}), json!("x")] {
            let token = key.sign(json!({parameter: value}), json!({}));
            assert!(accepts(&server, &token).await, "{parameter} {value}");
        }
        let header = with_null(good_header(&key), parameter);
        let token = key.sign_input(&signing_input(&header, &good_claims()));
        assert!(accepts(&server, &token).await, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_flaw_of_a_token_has_its_own_text() {
    let (key, evil) = (SigningKey::new("a", "ES256"), SigningKey::new("a", "ES256"));
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server_with(&issuer, |config| {
        "org".clone_into(&mut external(config).rules.tenant_claim);
    })
    .await;
    let good = json!({"org": "acme"});
    let claims = |changes: Value| {
        key.sign_input(&signing_input(
            &good_header(&key),
            &with(with(good_claims(), good.clone()), changes),
        ))
    };
    let header = |changes: Value| key.sign(changes, good.clone());
    let long = claims(json!({"padding": "x".repeat(20_000)}));
    let too_long = format!(
        "the token is {} bytes long, and at most 16384 are allowed",
        long.len()
    );
    let algorithms = "the alg of the token must be RS256, RS384, RS512, ES256, ES384 or EdDSA";
    let no_key = "the issuer has no key for the kid and alg of the token";
    let name = "must be 1 to 255 characters without control characters";
    for (token, said) in [
        (long, &*too_long),
        ("opaque".to_owned(), "the token is not a signed JWT"),
        (header(json!({"alg": "none"})), "the token is not a signed JWT"),
        (
            header(json!({"crit": ["exp"]})),
            "the token has the header parameter crit, and no extension is supported",
        ),
        (
            header(json!({"kid": 7})),
            "the token has a malformed header: kid must be a string",
        ),
        (
            header(json!({"alg": null})),
            "the token has a malformed header: alg must be a string",
        ),
        (
            header(json!({"typ": "id+jwt"})),
            "the typ of the token must be at+jwt or JWT, or absent",
        ),
        (header(json!({"alg": "HS256"})), algorithms),
        (header(json!({"alg": "PS256"})), algorithms),
        (header(json!({"alg": "ES512"})), algorithms),
        (header(json!({"alg": "ML-DSA-44"})), algorithms),
        (header(json!({"alg": "RS256"})), no_key),
        (header(json!({"kid": "b"})), no_key),
        (
            evil.token(good.clone()),
            "the signature of the token is not valid",
        ),
        (claims(json!({"exp": now() - 31})), "the token has expired"),
        (claims(json!({"exp": -1})), "the token has expired"),
        (claims(json!({"exp": null})), "the token lacks the claim exp"),
        (
            claims(json!({"exp": "soon"})),
            "the claim exp must be a number of seconds",
        ),
        (claims(json!({"nbf": now() + 90})), "the token is not yet valid"),
        (
            claims(json!({"nbf": "now"})),
            "the claim nbf must be a number of seconds",
        ),
        (
            claims(json!({"iat": "now"})),
            "the claim iat must be a number of seconds",
        ),
        (
            claims(json!({"iss": "https://other.example"})),
            "the token is not of the expected issuer",
        ),
        (
            claims(json!({"iss": ["https://issuer.example"]})),
            "the claim iss must be a string",
        ),
        (
            claims(json!({"aud": ["payments"]})),
            "the token is not for this audience",
        ),
        (claims(json!({"aud": null})), "the token lacks the claim aud"),
        (
            claims(json!({"aud": [7]})),
            "the claim aud must be a string or an array of strings",
        ),
        (claims(json!({"sub": null})), "the token lacks the claim sub"),
        (claims(json!({"sub": ""})), &*format!("the claim sub {name}")),
        (key.token(json!({})), "the token lacks the claim org"),
        (claims(json!({"org": ["acme"]})), "the claim org must be a string"),
        (claims(json!({"org": "a\nb"})), &*format!("the claim org {name}")),
    ] {
        assert_eq!(detail(&server, &token).await, said);
    }
    assert!(accepts(&server, &claims(json!({}))).await);
}
