//! Tokens of an issuer whose keys are in a file or at a URL (RFC 7515, RFC 7519, RFC 9068).

use aws_lc_rs::hmac;
use http::StatusCode;
use oauth_clients::{auth::KeyLocation, config::ServerConfig};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{
    Answer, Db, Refused, TestServer, Transport, eventually,
    http::COLLECTION,
    issuer::{
        SigningKey, TestIssuer, external, good_claims, key_set, refreshed_every, signing_input, trusted_at,
    },
    jwt::now,
    samples::{encode, with},
};

const QUICK: Duration = Duration::from_millis(100);

/// A server that trusts an issuer, and is ready.
pub(super) async fn server(issuer: &TestIssuer) -> TestServer {
    server_with(issuer, |_| {}).await
}

pub(super) async fn server_with(
    issuer: &TestIssuer,
    configure: impl FnOnce(&mut ServerConfig),
) -> TestServer {
    let server = TestServer::start_with(Db::sqlite(), |config| {
        issuer.trusted_by(config);
        configure(config);
    })
    .await;
    eventually("the keys are fetched", async || {
        is_ready(&server).await.then_some(())
    })
    .await;
    server
}

async fn is_ready(server: &TestServer) -> bool {
    server.caller(None).http_get("/readyz").await.status == 200
}

/// Returns the text of a refusal, which must be the same on both transports.
pub(super) async fn refusal(server: &TestServer, token: &str) -> Option<Vec<String>> {
    let caller = server.caller(Some(token.to_owned()));
    let rest = caller.list(Transport::Rest, json!({})).await;
    let grpc = caller.list(Transport::Grpc, json!({})).await;
    let codes = |outcome: Result<Value, Refused>| {
        outcome
            .err()
            .map(|refused| refused.codes().iter().map(ToString::to_string).collect())
    };
    let (rest, grpc) = (codes(rest), codes(grpc));
    assert_eq!(rest, grpc, "{token}");
    rest
}

pub(super) async fn accepts(server: &TestServer, token: &str) -> bool {
    match refusal(server, token).await {
        None => true,
        Some(codes) => {
            assert_eq!(codes, ["TOKEN_INVALID"], "{token}");
            false
        }
    }
}

/// Waits until a token is accepted, or refused. Meanwhile the transports may respond differently.
async fn becomes(server: &TestServer, accepted: bool, token: &str) {
    eventually("the token is taken differently", async || {
        let caller = server.caller(Some(token.to_owned()));
        let outcome = caller.list(Transport::Rest, json!({})).await;
        (outcome.is_ok() == accepted).then_some(())
    })
    .await;
    assert_eq!(accepts(server, token).await, accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_allowed_algorithm_is_accepted_with_a_key_for_it() {
    let algorithms = ["RS256", "RS384", "RS512", "ES256", "ES384", "EdDSA"];
    let keys = algorithms.map(|algorithm| SigningKey::new(algorithm, algorithm));
    let issuer = TestIssuer::start(&keys.each_ref()).await;
    let server = server(&issuer).await;
    for key in &keys {
        let good = key.token(json!({}));
        assert!(accepts(&server, &good).await, "{}", key.kid);
        let (input, _) = good.rsplit_once('.').unwrap();
        let other = key.token(json!({"sub": "other"}));
        let (_, signature) = other.rsplit_once('.').unwrap();
        let wrong = format!("{input}.{signature}");
        assert!(!accepts(&server, &wrong).await, "{} of another token", key.kid);
        let unsigned = format!("{input}.");
        assert!(!accepts(&server, &unsigned).await, "{} cut off", key.kid);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_algorithm_is_never_taken_from_the_token() {
    let rsa = SigningKey::new("rsa", "RS256");
    let (ec, pss) = (SigningKey::new("ec", "ES256"), SigningKey::new("rsa", "PS256"));
    let issuer = TestIssuer::start(&[&rsa, &ec]).await;
    let server = server(&issuer).await;
    assert!(
        !accepts(&server, &pss.token(json!({}))).await,
        "PSS is not allowed"
    );
    for alg in ["none", "None", "NONE", "", "HS256", "RS256 ", "rs256"] {
        for kid in [json!("rsa"), json!("ec"), json!(null)] {
            let header = json!({"typ": "at+jwt", "alg": alg, "kid": kid});
            let unsigned = format!("{}.", signing_input(&header, &good_claims()));
            assert!(!accepts(&server, &unsigned).await, "{alg:?} {kid}");
        }
    }
    for alg in ["HS256", "HS384", "HS512"] {
        for secret in rsa.as_secrets() {
            let token = hmac_token(alg, &secret);
            assert!(!accepts(&server, &token).await, "{alg} with the public key");
        }
    }
    let confused = [
        rsa.sign(json!({"alg": "ES256"}), json!({})),
        rsa.sign(json!({"alg": "RS512"}), json!({})),
        rsa.sign(json!({"kid": "ec"}), json!({})),
        ec.sign(json!({"alg": "RS256", "kid": "rsa"}), json!({})),
        ec.sign(json!({"alg": "ES384"}), json!({})),
    ];
    for token in confused {
        assert!(!accepts(&server, &token).await, "{token}");
    }
}

fn hmac_token(alg: &str, secret: &[u8]) -> String {
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let input = signing_input(
        &json!({"alg": alg, "typ": "at+jwt", "kid": "rsa"}),
        &good_claims(),
    );
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
    format!("{input}.{}", encode(tag.as_ref()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_inside_a_token_is_not_trusted() {
    let (good, evil) = (SigningKey::new("good", "ES256"), SigningKey::new("evil", "ES256"));
    let issuer = TestIssuer::start(&[&good]).await;
    let other = TestIssuer::start(&[&evil]).await;
    let server = server(&issuer).await;
    for kid in [json!("good"), json!("evil"), json!(null)] {
        for header in [
            json!({"kid": kid, "jwk": evil.jwk()}),
            json!({"kid": kid, "jku": other.url()}),
            json!({"kid": kid, "x5u": other.url()}),
            json!({"kid": kid, "x5c": ["MIIB"]}),
            json!({"kid": kid, "crit": ["jwk"], "jwk": evil.jwk()}),
        ] {
            let token = evil.sign(header.clone(), json!({}));
            assert!(!accepts(&server, &token).await, "{header}");
        }
    }
    assert_eq!(other.requests(), 0, "nobody asks where a token says");
    let harmless = good.sign(json!({"jku": other.url()}), json!({}));
    assert!(
        accepts(&server, &harmless).await,
        "what is not used does not matter"
    );
    let critical = good.sign(json!({"crit": ["exp"], "exp": 1}), json!({}));
    assert!(!accepts(&server, &critical).await, "no extension is understood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_the_wrong_form_are_refused() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    for claims in [
        json!({"exp": now() - 31}),
        json!({"exp": 0}),
        json!({"exp": (now() + 60).to_string()}),
        json!({"exp": null}),
        json!({"nbf": now() + 60}),
        json!({"nbf": "soon"}),
        json!({"iss": "https://issuer.example/"}),
        json!({"iss": null}),
        json!({"iss": ["https://issuer.example"]}),
        json!({"aud": "the registry "}),
        json!({"aud": []}),
        json!({"aud": 1}),
        json!({"aud": null}),
        json!({"sub": null}),
        json!({"sub": 7}),
        json!({"sub": "a\u{7f}"}),
        json!({"tenant_id": null}),
        json!({"tenant_id": ["acme"]}),
        json!({"tenant_id": "a\u{85}b"}),
        json!({"tenant_id": "x".repeat(256)}),
    ] {
        assert!(!accepts(&server, &key.token(claims.clone())).await, "{claims}");
    }
    for text in ["", "a", "a.b", "a.b.c", "....", "e30.e30.e30", "\u{e9}"] {
        let answer = list_with(&server, format!("Bearer {text}").as_bytes()).await;
        assert_eq!(answer.status, 401, "{text:?}");
    }
}

async fn list_with(server: &TestServer, authorization: &[u8]) -> Answer {
    let request = server.caller(None).request(reqwest::Method::GET, COLLECTION);
    Answer::to(request.header("authorization", authorization)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_are_a_string_or_an_array_and_compared_exactly() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    let read = "oauth-clients:read";
    for (claims, accepted) in [
        (json!({"scope": read}), true),
        (json!({"scope": format!("openid {read} email")}), true),
        (json!({"scope": null, "scp": read}), true),
        (json!({"scope": null, "scp": format!("a {read}")}), true),
        (json!({"scope": null, "scp": ["a", read]}), true),
        (json!({"scope": [read]}), true),
        (json!({"scope": null, "scp": read}), true),
        (json!({"scope": null}), false),
        (json!({"scope": null, "scp": []}), false),
        (json!({"scope": null, "scp": {"a": read}}), false),
        (json!({"scope": 1}), false),
        (json!({"scope": "", "scp": read}), false),
        (
            json!({"scope": "oauth-clients:reader xoauth-clients:read OAUTH-CLIENTS:READ"}),
            false,
        ),
        (json!({"scope": null, "roles": [read]}), false),
    ] {
        let codes = refusal(&server, &key.token(claims.clone())).await;
        let expected = (!accepted).then(|| vec!["SCOPE_MISSING".to_owned()]);
        assert_eq!(codes, expected, "{claims}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_name_the_claims_of_tenant_and_scopes() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server_with(&issuer, |config| {
        let rules = &mut external(config).rules;
        "https://example.com/tenant".clone_into(&mut rules.tenant_claim);
        rules.scope_claim = Some("roles".to_owned());
    })
    .await;
    let read = "oauth-clients:read";
    let named = |claims| {
        with(
            json!({"https://example.com/tenant": "acme", "scope": null}),
            claims,
        )
    };
    for (claims, codes) in [
        (named(json!({"roles": [read]})), None),
        (named(json!({"roles": read})), None),
        (
            named(json!({"scope": read, "scp": [read]})),
            Some("SCOPE_MISSING"),
        ),
        (
            json!({"tenant_id": "acme", "roles": [read]}),
            Some("TOKEN_INVALID"),
        ),
    ] {
        let expected = codes.map(|code| vec![code.to_owned()]);
        assert_eq!(
            refusal(&server, &key.token(claims.clone())).await,
            expected,
            "{claims}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn require_at_jwt_refuses_other_tokens() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server_with(&issuer, |config| {
        external(config).rules.require_at_jwt = true;
    })
    .await;
    for (typ, accepted) in [
        (json!("at+jwt"), true),
        (json!("AT+JWT"), true),
        (json!("application/at+jwt"), true),
        (json!("JWT"), false),
        (json!("id+jwt"), false),
        (json!(null), false),
    ] {
        let token = key.sign(json!({"typ": typ}), json!({}));
        assert_eq!(accepts(&server, &token).await, accepted, "{typ}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_hundred_kilobytes_is_refused() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    for (kilobytes, accepted) in [(8, true), (75, false)] {
        // Base64 encodes three bytes as four.
        let token = key.token(json!({"padding": "x".repeat(kilobytes * 1000)}));
        assert_eq!(accepts(&server, &token).await, accepted, "{} bytes", token.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (first, second) = (SigningKey::new("1", "ES256"), SigningKey::new("2", "ES256"));
    let issuer = TestIssuer::start(&[&first]).await;
    let server = server(&issuer).await;
    assert!(accepts(&server, &first.token(json!({}))).await);
    assert_eq!(issuer.requests(), 1);
    issuer.publish(&[&first, &second]);
    assert!(
        accepts(&server, &second.token(json!({}))).await,
        "the first call with it"
    );
    assert!(accepts(&server, &first.token(json!({}))).await);
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_cause_one_fetch_in_ten_seconds() {
    let (good, evil) = (SigningKey::new("good", "ES256"), SigningKey::new("evil", "ES256"));
    let issuer = TestIssuer::start(&[&good]).await;
    let server = server(&issuer).await;
    let flood = (0..100).map(|number| {
        let token = evil.sign(json!({"kid": format!("unknown-{number}")}), json!({}));
        let server = &server;
        async move { accepts(server, &token).await }
    });
    let accepted = futures_util::future::join_all(flood).await;
    assert!(accepted.iter().all(|accepted| !accepted));
    assert_eq!(issuer.requests(), 2, "one at start, one for all of them");
    assert!(accepts(&server, &good.token(json!({}))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_token_of_a_withdrawn_key_is_refused() {
    let (old, new) = (SigningKey::new("old", "ES256"), SigningKey::new("new", "ES256"));
    let issuer = TestIssuer::start(&[&old, &new]).await;
    let server = server_with(&issuer, |config| refreshed_every(QUICK, config)).await;
    let token = old.token(json!({}));
    assert!(accepts(&server, &token).await);
    issuer.publish(&[&new]);
    becomes(&server, false, &token).await;
    assert!(accepts(&server, &new.token(json!({}))).await);
    // Another key with the same `kid`.
    issuer.publish(&[&SigningKey::new("old", "ES256"), &new]);
    tokio::time::sleep(QUICK * 4).await;
    assert!(!accepts(&server, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_kept_while_the_issuer_is_unavailable_or_sends_an_invalid_set() {
    let (key, next) = (SigningKey::new("a", "ES256"), SigningKey::new("b", "ES256"));
    let mut issuer = TestIssuer::start(&[&key]).await;
    let server = server_with(&issuer, |config| refreshed_every(QUICK, config)).await;
    let good = async || accepts(&server, &key.token(json!({"jti": now()}))).await;
    let other = TestIssuer::start(&[&next]).await;
    let huge = key_set(&[&next]).to_string() + &" ".repeat(2 << 20);
    for (status, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, ""),
        (StatusCode::NOT_FOUND, &*key_set(&[&next]).to_string()),
        (StatusCode::OK, "<html>"),
        (StatusCode::OK, "{\"keys\": []}"),
        (StatusCode::OK, &huge),
    ] {
        issuer.answer(status, body);
        let before = issuer.requests();
        eventually("it was asked twice", async || {
            (issuer.requests() >= before + 2).then_some(())
        })
        .await;
        assert!(good().await, "{status} {body:.20}");
    }
    issuer.redirect_to(&other.url());
    tokio::time::sleep(QUICK * 4).await;
    assert!(
        good().await && other.requests() == 0,
        "a redirect is not followed"
    );
    issuer.go_away().await;
    tokio::time::sleep(QUICK * 4).await;
    assert!(good().await && is_ready(&server).await, "the issuer is away");
    assert!(!accepts(&server, &next.token(json!({}))).await);
    issuer.publish(&[&next]);
    issuer.come_back().await;
    becomes(&server, true, &next.token(json!({}))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_before_its_issuer_waits_for_it() {
    let key = SigningKey::new("a", "ES256");
    let mut issuer = TestIssuer::start(&[&key]).await;
    issuer.go_away().await;
    let server = TestServer::start_with(Db::sqlite(), |config| {
        issuer.trusted_by(config);
        refreshed_every(QUICK, config);
    })
    .await;
    assert!(!is_ready(&server).await);
    let token = key.token(json!({}));
    let answer = list_with(&server, format!("Bearer {token}").as_bytes()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"));
    assert_eq!(refusal(&server, &token).await.unwrap(), ["UNAVAILABLE"]);
    assert_eq!(
        server.caller(None).http_get(COLLECTION).await.status,
        401,
        "no token is no token"
    );
    issuer.come_back().await;
    eventually("the server is ready", async || {
        is_ready(&server).await.then_some(())
    })
    .await;
    assert!(accepts(&server, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_key_file_replaces_the_keys() {
    let (old, new) = (SigningKey::new("old", "ES256"), SigningKey::new("new", "RS256"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let write = |keys: &[&SigningKey]| std::fs::write(&path, key_set(keys).to_string()).unwrap();
    write(&[&old]);
    let server = TestServer::start_with(Db::sqlite(), |config| {
        trusted_at(KeyLocation::File(path.clone()), config);
    })
    .await;
    let old_token = old.token(json!({}));
    assert!(is_ready(&server).await && accepts(&server, &old_token).await);
    std::fs::write(&path, "{\"keys\": [").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(accepts(&server, &old_token).await, "half a file changes nothing");
    write(&[&new]);
    assert!(
        accepts(&server, &new.token(json!({}))).await,
        "a token of the new key has it read"
    );
    assert!(!accepts(&server, &old_token).await);
    write(&[&old]);
    becomes(&server, true, &old_token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cached_token_still_expires() {
    let key = SigningKey::new("a", "ES256");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = server(&issuer).await;
    // With the leeway of 30 seconds it is valid for two more.
    let token = key.token(json!({"exp": now() - 28}));
    assert!(accepts(&server, &token).await);
    assert!(accepts(&server, &token).await);
    becomes(&server, false, &token).await;
}
