//! The key sets that issuers publish (RFC 7517): several keys for one token, and keys that cannot be used.

use std::{fs, path::Path, process::Stdio, time::Duration};

use http::StatusCode;
use serde_json::{Value, json};

use super::issuer::{accepts, server};
use crate::support::{
    TestServer, eventually,
    issuer::{AUDIENCE, ISSUER, SigningKey, TestIssuer, with_leading_zero},
    process::{Ended, command, run},
    samples::{encode, with, without},
};

/// An issuer that publishes these keys, and a server that trusts it.
async fn published(keys: &[Value]) -> (TestIssuer, TestServer) {
    let issuer = TestIssuer::start(&[]).await;
    issuer.answer(StatusCode::OK, &json!({"keys": keys}).to_string());
    let server = server(&issuer).await;
    (issuer, server)
}

/// Returns a token without a `kid`.
fn nameless(key: &SigningKey) -> String {
    key.sign(json!({"kid": null}), json!({}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_sets_in_the_shapes_of_providers_are_accepted() {
    let (rsa, ec) = (SigningKey::new("rsa", "RS256"), SigningKey::new("ec", "ES256"));
    let ed = SigningKey::new("ed", "EdDSA");
    let (rs, es) = (json!({"alg": "RS256"}), json!({"alg": "ES256"}));
    let x5 = json!({"x5c": ["MIIDBTCCAe2g"], "x5t": "fNiW-8h3", "x5t#S256": "fNiW"});
    let encryption = json!({"kid": "enc", "use": "enc", "alg": "RSA-OAEP"});
    let sets: [(&str, Vec<Value>); 7] = [
        ("Google", vec![with(rsa.jwk(), rs.clone())]),
        (
            // Neither alg nor a proper x5t, and an issuer for each key.
            "Microsoft",
            vec![with(
                rsa.jwk(),
                with(
                    x5.clone(),
                    json!({"issuer": "https://sts.example/{tenantid}/v2.0", "cloud_instance_name": "x"}),
                ),
            )],
        ),
        ("Auth0", vec![with(with(rsa.jwk(), rs.clone()), x5.clone())]),
        (
            "Okta",
            vec![with(
                rsa.jwk(),
                with(
                    rs.clone(),
                    json!({"status": "ACTIVE", "created": "2026-01-01T00:00:00.000Z", "_links": {}}),
                ),
            )],
        ),
        (
            "Keycloak",
            vec![
                with(with(rsa.jwk(), encryption), x5.clone()),
                with(with(rsa.jwk(), rs.clone()), x5),
                with(ec.jwk(), es.clone()),
                with(ed.jwk(), json!({"alg": "EdDSA"})),
            ],
        ),
        (
            "GitHub Actions, AWS and Kubernetes",
            vec![
                with(rsa.jwk(), with(rs, json!({"key_ops": ["verify"], "ext": true}))),
                with(ec.jwk(), es),
            ],
        ),
        (
            "a serializer that writes null",
            vec![with_nulls(rsa.jwk()), with_nulls(ec.jwk())],
        ),
    ];
    for (provider, keys) in sets {
        let (_issuer, server) = published(&keys).await;
        for key in [&rsa, &ec, &ed] {
            let is_published = keys.iter().any(|jwk| jwk["kid"] == key.kid);
            let accepted = accepts(&server, &key.token(json!({}))).await;
            assert_eq!(accepted, is_published, "{provider} {}", key.kid);
        }
    }
}

fn with_nulls(mut key: Value) -> Value {
    for member in ["alg", "use", "key_ops", "x5c", "x5t", "x5u", "d"] {
        key[member] = Value::Null;
    }
    key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leading_zeros_and_padding_are_tolerated_in_the_keys_of_an_issuer() {
    let keys = ["RS256", "ES256", "ES384"].map(|algorithm| SigningKey::new(algorithm, algorithm));
    let ed = SigningKey::new("EdDSA", "EdDSA");
    let padded = |value: &Value| {
        let value = value.as_str().unwrap();
        json!(format!("{value}{}", "=".repeat((4 - value.len() % 4) % 4)))
    };
    let with_each = |key: &SigningKey, change: &dyn Fn(&Value) -> Value| {
        let mut jwk = key.jwk();
        for member in ["n", "e", "x", "y"] {
            if let Some(value) = jwk.get(member).cloned() {
                jwk[member] = change(&value);
            }
        }
        jwk
    };
    let zero = |value: &Value| json!(with_leading_zero(value));
    let both = |value: &Value| padded(&zero(value));
    for change in [&padded as &dyn Fn(&Value) -> Value, &zero, &both] {
        let changed: Vec<Value> = keys.iter().map(|key| with_each(key, change)).collect();
        let (_issuer, server) = published(&changed).await;
        for key in &keys {
            assert!(accepts(&server, &key.token(json!({}))).await, "{}", key.kid);
        }
    }
    let (_issuer, server) = published(&[with_each(&ed, &padded)]).await;
    assert!(accepts(&server, &ed.token(json!({}))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_a_kid_is_tried() {
    let keys = [0; 8].map(|_| SigningKey::new("same", "ES256"));
    let other = SigningKey::new("other", "ES256");
    let rsa = SigningKey::new("same", "RS256");
    let mut set = vec![other.jwk(), rsa.jwk()];
    set.extend(keys.iter().map(SigningKey::jwk));
    let (issuer, server) = published(&set).await;
    for key in keys.iter().chain([&other, &rsa]) {
        assert!(accepts(&server, &key.token(json!({}))).await);
    }
    let evil = SigningKey::new("same", "ES256");
    for _ in 0..3 {
        assert!(!accepts(&server, &evil.token(json!({}))).await);
    }
    let misnamed = other.sign(json!({"kid": "same"}), json!({}));
    assert!(
        !accepts(&server, &misnamed).await,
        "only keys of the kid are tried"
    );
    assert_eq!(
        issuer.requests(),
        1,
        "a wrong signature is no reason to fetch keys"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_a_kid_may_be_signed_with_any_key() {
    let keys = ["ES256", "ES256", "ES384", "RS256"].map(|algorithm| SigningKey::new(algorithm, algorithm));
    let evil = SigningKey::new("evil", "ES256");
    let named: Vec<Value> = keys.iter().map(SigningKey::jwk).collect();
    let unnamed: Vec<Value> = named.iter().map(|key| without(key, &["kid"])).collect();
    for set in [named, unnamed] {
        let (issuer, server) = published(&set).await;
        for key in &keys {
            assert!(accepts(&server, &nameless(key)).await, "{}", key.kid);
        }
        assert!(!accepts(&server, &nameless(&evil)).await);
        assert_eq!(issuer.requests(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_eight_keys_are_tried_for_a_token() {
    let keys = [0; 9].map(|_| SigningKey::new("same", "ES256"));
    let set: Vec<Value> = keys.iter().map(SigningKey::jwk).collect();
    let (_issuer, server) = published(&set).await;
    for (number, key) in keys.iter().enumerate() {
        let accepted = number < 8;
        assert_eq!(
            accepts(&server, &key.token(json!({}))).await,
            accepted,
            "{number}"
        );
        assert_eq!(accepts(&server, &nameless(key)).await, accepted, "{number}");
    }
}

/// Returns keys that cannot be used, and the flaw of each.
fn unusable() -> Vec<(Value, &'static str)> {
    let (ec, rsa) = (SigningKey::new("ec", "ES256"), SigningKey::new("rsa", "RS256"));
    let ed = SigningKey::new("ed", "EdDSA");
    let secret = encode(b"the secret of an issuer");
    let named = |kid: &str, key: Value| with(key, json!({"kid": kid}));
    vec![
        (
            named("encryption", with(rsa.jwk(), json!({"use": "enc"}))),
            "its use is not sig",
        ),
        (
            named("signing", with(ec.jwk(), json!({"key_ops": ["sign"]}))),
            "its key_ops lack verify",
        ),
        (
            named("pss", with(rsa.jwk(), json!({"alg": "PS256"}))),
            "its alg is not one of its kty: RS256, RS384 or RS512 with RSA, ES256 or ES384 by the curve with EC, EdDSA with OKP",
        ),
        (
            named("symmetric", json!({"kty": "oct", "k": secret})),
            "its kty is not RSA, EC or OKP",
        ),
        (
            named(
                "quantum",
                json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": secret}),
            ),
            "its kty is not RSA, EC or OKP",
        ),
        (
            named("typeless", without(&ec.jwk(), &["kty"])),
            "its kty is not RSA, EC or OKP",
        ),
        (
            named("short", with(rsa.jwk(), json!({"n": encode(&[0xc5; 128])}))),
            "its n is not a modulus of 2,048 to 8,192 bits",
        ),
        (
            named("even", with(rsa.jwk(), json!({"e": "Ag"}))),
            "its e is not an odd exponent from 3 to 2^33 - 1",
        ),
        (
            named("half", without(&rsa.jwk(), &["e"])),
            "it lacks a member that its kty requires",
        ),
        (
            named("broken", with(ec.jwk(), json!({"x": "f83OJ3D2+F1B"}))),
            "a member is not base64url",
        ),
        (
            named("off", with(ec.jwk(), json!({"y": ec.jwk()["x"]}))),
            "its point is not on its curve",
        ),
        (
            named("curve", with(ec.jwk(), json!({"crv": "secp256k1"}))),
            "its crv is not one of its kty: P-256 or P-384 with EC, Ed25519 with OKP",
        ),
        (
            named("x25519", with(ed.jwk(), json!({"crv": "X25519"}))),
            "its crv is not one of its kty: P-256 or P-384 with EC, Ed25519 with OKP",
        ),
        (
            named("typed", with(ec.jwk(), json!({"alg": 7}))),
            "a member has a wrong type",
        ),
        (
            named("a\u{1b}[31m\nb", with(ec.jwk(), json!({"use": "enc"}))),
            "its use is not sig",
        ),
        (
            named(&"k".repeat(10_000), with(ec.jwk(), json!({"use": "enc"}))),
            "its use is not sig",
        ),
        (json!("text"), "it is not a JSON object"),
    ]
}

fn write(path: &Path, keys: &[Value]) {
    fs::write(path, json!({"keys": keys}).to_string()).unwrap();
}

/// Returns the arguments of a server that reads the keys of its issuer from a file.
fn serve<'a>(dir: &'a str, jwks: &'a str) -> Vec<&'a str> {
    let trust = [
        "serve",
        "--issuer",
        ISSUER,
        "--audience",
        AUDIENCE,
        "--jwks-file",
        jwks,
    ];
    let rest = [
        "--data-dir",
        dir,
        "--grpc-addr",
        "127.0.0.1:0",
        "--rest-addr",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    [&trust[..], &rest].concat()
}

#[tokio::test]
async fn each_key_that_cannot_be_used_is_logged_once_a_reading() {
    let dir = tempfile::tempdir().unwrap();
    let (jwks, log) = (dir.path().join("jwks.json"), dir.path().join("log"));
    let (good, unusable) = (SigningKey::new("good", "ES256"), unusable());
    let mut keys: Vec<Value> = unusable.iter().map(|(key, _)| key.clone()).collect();
    keys.extend([0; 9].map(|_| SigningKey::new("crowd", "ES384").jwk()));
    keys.push(good.jwk());
    write(&jwks, &keys);
    let args = serve(dir.path().to_str().unwrap(), jwks.to_str().unwrap());
    let mut server = command(&args)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let lines = || -> Vec<Value> {
        let text = fs::read_to_string(&log).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let warnings = |message: &str| -> Vec<Value> {
        let about = |line: &Value| line["message"] == message;
        lines().into_iter().filter(about).collect()
    };
    eventually("it listens", async || {
        (!warnings("listening").is_empty()).then_some(())
    })
    .await;
    // The file is read each second, and nothing is repeated while it does not change.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let logged = warnings("issuer key not usable");
    let flaws: Vec<&str> = logged.iter().map(|line| line["flaw"].as_str().unwrap()).collect();
    let expected: Vec<&str> = unusable.iter().map(|(_, flaw)| *flaw).collect();
    assert_eq!(flaws, expected);
    let kids: Vec<&str> = logged.iter().filter_map(|line| line["kid"].as_str()).collect();
    assert_eq!(kids[..2], ["encryption", "signing"]);
    assert_eq!(kids[14], "a\\u{1b}[31m\\nb");
    assert_eq!(kids[15].len(), 64, "{}", kids[15]);
    assert_eq!(kids.len(), 16, "what is not an object has no kid");
    assert!(logged.iter().all(|line| line["level"] == "WARN"));
    let crowds = warnings("more issuer keys under one kid than are tried");
    assert_eq!(crowds.len(), 1);
    assert_eq!(
        (&crowds[0]["kid"], &crowds[0]["keys"]),
        (&json!("crowd"), &json!(9))
    );
    // A reading of another set names them again.
    write(&jwks, &[keys[0].clone(), good.jwk()]);
    eventually("it is read again", async || {
        (warnings("issuer key not usable").len() > unusable.len()).then_some(())
    })
    .await;
    server.kill().await.unwrap();
    no_key_material(&fs::read_to_string(&log).unwrap(), &unusable);
}

fn no_key_material(text: &str, keys: &[(Value, &str)]) {
    for (key, _) in keys {
        for member in ["k", "n", "x", "y", "pub"] {
            if let Some(material) = key[member].as_str() {
                assert!(!text.contains(material), "{member} of {}", key["kid"]);
            }
        }
    }
}

#[tokio::test]
async fn the_start_error_names_each_key_and_its_flaw() {
    let dir = tempfile::tempdir().unwrap();
    let jwks = dir.path().join("jwks.json");
    let unusable = unusable();
    let keys: Vec<Value> = unusable.iter().map(|(key, _)| key.clone()).collect();
    let start = async |keys: &[Value]| -> Ended {
        write(&jwks, keys);
        run(&serve(dir.path().to_str().unwrap(), jwks.to_str().unwrap())).await
    };
    for number in 0..keys.len() {
        let (key, flaw) = &unusable[number];
        let ended = start(&keys[number..=number]).await;
        assert_eq!(ended.code, Some(1), "{flaw}");
        assert!(ended.stderr.contains(flaw), "{flaw}: {}", ended.stderr);
        let kid = key["kid"]
            .as_str()
            .filter(|kid| kid.is_ascii() && kid.len() < 20 && !kid.contains('\n'));
        assert!(
            kid.is_none_or(|kid| ended.stderr.contains(kid)),
            "{}",
            ended.stderr
        );
        no_key_material(&ended.stderr, &unusable);
    }
    let ended = start(&keys).await;
    for (number, (_, flaw)) in unusable.iter().enumerate().take(8) {
        assert!(
            ended.stderr.contains(&format!("key {}", number + 1)),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(flaw), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("key 9"), "{}", ended.stderr);
    assert!(ended.stderr.contains("and 9 more"), "{}", ended.stderr);
    let ended = start(&[]).await;
    assert!(ended.stderr.contains("it has no keys"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_url_without_a_usable_key_is_logged_once_with_each_flaw() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let unusable = unusable();
    let issuer = TestIssuer::start(&[]).await;
    let keys: Vec<&Value> = unusable.iter().map(|(key, _)| key).collect();
    issuer.answer(StatusCode::OK, &json!({"keys": keys}).to_string());
    let (dir, url) = (dir.path().to_str().unwrap(), issuer.url());
    let mut args = serve(dir, &url);
    args[5] = "--jwks-url";
    let mut server = command(&args)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("the keys are fetched", async || {
        fs::read_to_string(&log)
            .unwrap()
            .contains("key set refresh failed")
            .then_some(())
    })
    .await;
    server.kill().await.unwrap();
    let log = fs::read_to_string(&log).unwrap();
    for (_, flaw) in &unusable[..8] {
        assert!(log.contains(flaw), "{flaw}: {log}");
    }
    assert!(log.contains("and 9 more"), "{log}");
    no_key_material(&log, &unusable);
}

#[tokio::test]
async fn the_text_of_a_file_that_is_not_a_key_set_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let jwks = dir.path().join("jwks.json");
    for text in [
        "\"hunter2\"",
        "{\"keys\": \"hunter2\"}",
        "{\"keys\": [], \"keys\": \"hunter2\"}",
        "{\"kty\": \"oct\", \"k\": \"hunter2\"}",
        "hunter2",
        "{\"keys\": [hunter2]}",
    ] {
        fs::write(&jwks, text).unwrap();
        let ended = run(&serve(dir.path().to_str().unwrap(), jwks.to_str().unwrap())).await;
        assert_eq!(ended.code, Some(1), "{text}");
        assert!(
            ended.stderr.contains("JSON Web Key Set"),
            "{text}: {}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("hunter2"), "{text}: {}", ended.stderr);
    }
}
