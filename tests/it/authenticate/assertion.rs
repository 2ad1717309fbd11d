//! `AuthenticateClient` with a `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9).

use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use futures_util::future::join_all;
use oauth_clients::{
    domain::assertion::UsedAssertion,
    store::{AssertionUse, Cutoff},
};
use serde_json::{Value, json};

use super::secret::causes_in;
use crate::support::{
    Caller, Db, TestServer, Transport,
    assertions::{TOKEN_ENDPOINT, good_assertion, keyed, presented, presented_to},
    authn::is_authenticated,
    issuer::{SigningKey, signing_input},
    jwt::now,
    process::Served,
    registry::Registry,
    samples::{encode, web, with, with_null},
};

on_each_database![
    each_algorithm_is_accepted_and_the_response_names_the_key,
    a_single_key_needs_no_kid,
    times_have_a_leeway_and_assertions_last_at_most_ten_minutes,
    the_maximum_lifetime_of_assertions_can_be_an_hour,
    an_assertion_of_an_hour_is_recorded_for_all_of_it,
    a_typ_may_have_its_prefix_and_any_case,
    an_assertion_that_breaks_a_rule_is_rejected,
    one_of_the_audiences_is_enough,
    a_request_without_audiences_is_invalid,
    a_blank_audience_is_invalid,
    members_of_the_other_key_type_are_kept_and_count_for_nothing,
    an_assertion_is_accepted_once,
    two_clients_may_use_the_same_jti,
    a_rejected_assertion_can_still_be_used,
    a_client_that_may_not_authenticate_is_rejected,
    a_caller_authenticates_only_clients_that_it_sees,
    exactly_one_of_fifty_concurrent_uses_is_accepted,
    expired_assertions_are_purged_in_batches_by_the_clock_of_the_database,
    an_assertion_whose_record_may_be_purged_is_refused,
];

/// A client of the tenant `acme`, and its keys.
struct Client {
    id: String,
    keys: [SigningKey; 3],
}

impl Client {
    async fn create(server: &TestServer) -> Self {
        Self::create_by(&server.admin()).await
    }

    async fn create_by(admin: &Caller<'_>) -> Self {
        let keys = ["RS256", "RS512", "ES384"].map(|algorithm| SigningKey::new(algorithm, algorithm));
        let id = admin.created(keyed(&keys.each_ref())).await;
        Self { id, keys }
    }

    fn assertion(&self, claims: Value) -> String {
        self.keys[2].assertion(&self.id, claims)
    }
}

async fn each_algorithm_is_accepted_and_the_response_names_the_key(server: TestServer) {
    let client = Client::create(&server).await;
    let stored = server.admin().stored(&client.id).await;
    for key in &client.keys {
        for client_id in ["", &client.id] {
            let asked = presented(&key.assertion(&client.id, json!({})));
            let asked = with(asked, json!({"clientId": client_id}));
            let expected = json!({
                "tenantId": "acme",
                "client": stored,
                "authMethod": "private_key_jwt",
                "keyId": key.kid,
            });
            let answer = server.platform().authenticate(asked).await.unwrap();
            assert_eq!(answer, json!({"authenticated": expected}));
        }
    }
}

async fn a_single_key_needs_no_kid(server: TestServer) {
    let (one, other) = (SigningKey::new("one", "ES384"), SigningKey::new("other", "ES384"));
    let admin = server.admin();
    for (keys, taken) in [(&[&one][..], true), (&[&one, &other], false)] {
        let id = admin.created(keyed(keys)).await;
        let nameless = one.assertion_with(json!({"kid": null}), &id, json!({}));
        assert_eq!(server.platform().takes_assertion(&nameless).await, taken);
        let misnamed = one.assertion_with(json!({"kid": "One"}), &id, json!({}));
        assert!(!server.platform().takes_assertion(&misnamed).await);
    }
}

async fn times_have_a_leeway_and_assertions_last_at_most_ten_minutes(server: TestServer) {
    let client = Client::create(&server).await;
    let now = now();
    for claims in [
        json!({"exp": now - 20}),
        json!({"exp": now + 600}),
        json!({"exp": now + 620, "iat": now + 20}),
        json!({"exp": 0.5 + f64::from(u32::try_from(now).unwrap())}),
        json!({"nbf": now + 20}),
        json!({"iat": now + 20}),
        json!({"iat": null}),
        json!({"iat": 0, "nbf": 0}),
        json!({"aud": ["x", TOKEN_ENDPOINT]}),
        json!({"jti": "ü".repeat(256)}),
        json!({"jti": " "}),
        json!({"tenant_id": "other", "scope": "x", "unknown": {"a": [1]}}),
    ] {
        let assertion = client.assertion(claims.clone());
        assert!(server.platform().takes_assertion(&assertion).await, "{claims}");
    }
}

async fn the_maximum_lifetime_of_assertions_can_be_an_hour(db: Db) {
    let hour = Duration::from_hours(1);
    let server = TestServer::start_with(db, |config| config.max_assertion_lifetime = hour).await;
    let (client, platform) = (Client::create(&server).await, server.platform());
    let now = now();
    for (claims, taken) in [
        // Clocks may differ, and both `iat` and `exp` with them.
        (json!({"iat": now, "exp": now + 3_600}), true),
        (json!({"iat": now + 20, "exp": now + 3_620}), true),
        (json!({"iat": now - 20, "exp": now + 3_580}), true),
        (json!({"exp": now + 3_660}), false),
        (json!({"exp": now + 86_400}), false),
    ] {
        let assertion = client.assertion(claims.clone());
        assert_eq!(platform.takes_assertion(&assertion).await, taken, "{claims}");
        assert!(!platform.takes_assertion(&assertion).await, "{claims}");
    }
}

async fn an_assertion_of_an_hour_is_recorded_for_all_of_it(db: Db) {
    let server = TestServer::start_with(db, |config| {
        config.max_assertion_lifetime = Duration::from_hours(1);
    })
    .await;
    let client = Client::create(&server).await;
    let expires = now() + 3_600;
    let used = client.assertion(json!({"exp": expires}));
    assert!(server.platform().takes_assertion(&used).await);
    assert!(!server.platform().takes_assertion(&used).await);
    let db = server.stop().await;
    let recorded = db.number("SELECT expires_at FROM used_assertions").await;
    assert_eq!(recorded, i64::try_from((expires + 30) * 1_000_000).unwrap());
    // As if so many seconds had passed by the clock of the database. The record is kept for six minutes after the leeway.
    let registry = Registry::open(&db).await;
    for (passed, purged) in [(600, 0), (3_590, 0), (3_980, 0), (4_000, 1)] {
        let expires_at = recorded - passed * 1_000_000;
        db.execute(&format!("UPDATE used_assertions SET expires_at = {expires_at}"))
            .await;
        assert_eq!(
            registry.store.purge(Cutoff::USED_ASSERTIONS).await.unwrap(),
            purged,
            "{passed}"
        );
    }
}

async fn a_typ_may_have_its_prefix_and_any_case(server: TestServer) {
    let client = Client::create(&server).await;
    for (typ, taken) in [
        ("JWT", true),
        ("jwt", true),
        ("application/jwt", true),
        ("Application/JWT", true),
        ("client-authentication+jwt", true),
        ("Client-Authentication+JWT", true),
        ("application/client-authentication+jwt", true),
        ("application/at+jwt", false),
        ("application/application/jwt", false),
        ("text/jwt", false),
        ("application/jwt;charset=utf-8", false),
        ("", false),
    ] {
        let assertion = client.keys[2].assertion_with(json!({"typ": typ}), &client.id, json!({}));
        assert_eq!(
            server.platform().takes_assertion(&assertion).await,
            taken,
            "{typ}"
        );
    }
}

/// Returns assertions of which one header parameter, or one claim, is null.
fn with_nulls(client: &Client) -> impl Iterator<Item = String> {
    let key = &client.keys[2];
    let header = json!({"alg": key.algorithm, "typ": "JWT", "kid": key.kid});
    let claims = good_assertion(&client.id);
    let headers = ["alg", "kid", "typ", "crit"]
        .map(|parameter| signing_input(&with_null(header.clone(), parameter), &claims));
    let claims = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]
        .map(|claim| signing_input(&header, &with_null(claims.clone(), claim)));
    headers
        .into_iter()
        .chain(claims)
        .map(|input| key.sign_input(&input))
}

/// Returns assertions that break one rule each, and the cause in the log.
fn broken(client: &Client, other: &str) -> Vec<(&'static str, String)> {
    let key = &client.keys[2];
    let now = now();
    let claims = [
        ("issuer", json!({"iss": other})),
        ("issuer", json!({"sub": other})),
        ("issuer", json!({"iss": null})),
        ("issuer", json!({"sub": null})),
        ("issuer", json!({"iss": null, "sub": null})),
        ("issuer", json!({"iss": "https://client.example"})),
        ("unknown_key", json!({"iss": other, "sub": other})),
        (
            "unknown_client",
            json!({"iss": "0".repeat(32), "sub": "0".repeat(32)}),
        ),
        ("unknown_client", json!({"iss": "x", "sub": "x"})),
        ("unknown_client", json!({"iss": "", "sub": ""})),
        ("audience", json!({"aud": null})),
        ("audience", json!({"aud": "https://other.example"})),
        ("audience", json!({"aud": ""})),
        ("audience", json!({"aud": []})),
        (
            "audience",
            json!({"aud": ["https://other.example", "https://login.example"]}),
        ),
        ("audience", json!({"aud": TOKEN_ENDPOINT.to_uppercase()})),
        ("audience", json!({"aud": format!("{TOKEN_ENDPOINT}/")})),
        ("lifetime", json!({"exp": null})),
        ("lifetime", json!({"exp": now + 640})),
        ("lifetime", json!({"exp": u64::MAX})),
        ("lifetime", json!({"exp": 1e300})),
        ("expired", json!({"exp": now - 31})),
        ("expired", json!({"exp": 0})),
        ("expired", json!({"exp": -1e300})),
        ("not_yet_valid", json!({"nbf": now + 60})),
        ("not_yet_valid", json!({"iat": now + 60})),
        ("assertion_id", json!({"jti": null})),
        ("assertion_id", json!({"jti": ""})),
        ("assertion_id", json!({"jti": "x".repeat(257)})),
        ("malformed_assertion", json!({"jti": 7})),
        ("malformed_assertion", json!({"jti": ["x"]})),
        ("malformed_assertion", json!({"exp": (now + 60).to_string()})),
        ("malformed_assertion", json!({"nbf": "now"})),
        ("malformed_assertion", json!({"aud": {"x": TOKEN_ENDPOINT}})),
        ("malformed_assertion", json!({"sub": [other]})),
        ("oversized_assertion", json!({"x": "x".repeat(100_000)})),
    ];
    let mut all: Vec<(&str, String)> = claims
        .into_iter()
        .map(|(cause, claims)| (cause, client.assertion(claims)))
        .collect();
    let evil = SigningKey::new(&key.kid, "ES384");
    let headers = [
        ("unknown_key", json!({"kid": "nobody"})),
        ("unknown_key", json!({"kid": ""})),
        ("unknown_key", json!({"kid": null})),
        ("malformed_assertion", json!({"typ": "at+jwt"})),
        ("malformed_assertion", json!({"typ": "logout+jwt"})),
        ("malformed_assertion", json!({"crit": ["x"], "x": 1})),
        ("malformed_assertion", json!({"crit": []})),
        ("malformed_assertion", json!({"alg": "none"})),
        ("algorithm", json!({"alg": "RS256"})),
        ("algorithm", json!({"alg": "ES256"})),
        ("algorithm", json!({"alg": "ES512"})),
        ("malformed_assertion", json!({"kid": 7})),
    ];
    all.extend(
        headers
            .into_iter()
            .map(|(cause, header)| (cause, key.assertion_with(header, &client.id, json!({})))),
    );
    let [rs256, rs512, _] = &client.keys;
    let signed = |key: &SigningKey, header: Value| key.assertion_with(header, &client.id, json!({}));
    all.extend([
        // Both are the same RSA key: only the registered algorithm is accepted.
        ("algorithm", signed(rs256, json!({"kid": "RS512"}))),
        ("algorithm", signed(rs512, json!({"kid": "RS256"}))),
        (
            "signature",
            signed(rs512, json!({"alg": "RS256", "kid": "RS256"})),
        ),
        (
            "signature",
            signed(&SigningKey::new("RS256", "PS256"), json!({"alg": "RS256"})),
        ),
        ("algorithm", signed(&SigningKey::new("RS256", "PS256"), json!({}))),
        ("signature", signed(&evil, json!({}))),
        ("signature", signed(&evil, json!({"jwk": evil.jwk()}))),
        (
            "signature",
            signed(&evil, json!({"jku": "https://evil.example/jwks"})),
        ),
        (
            "signature",
            signed(&evil, json!({"x5u": "https://evil.example/x5u"})),
        ),
    ]);
    all.extend(with_nulls(client).map(|assertion| ("malformed_assertion", assertion)));
    all.extend(forged(client));
    all
}

/// Returns forgeries that need no private key, only public keys and assertions of others.
fn forged(client: &Client) -> Vec<(&'static str, String)> {
    let good = client.assertion(json!({}));
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = client.assertion(json!({}));
    let (_, of_other) = other.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let mut all = vec![
        ("signature", format!("{input}.")),
        ("signature", format!("{input}.{of_other}")),
        (
            "signature",
            format!("{input}.{}", &signature[..signature.len() - 4]),
        ),
        ("signature", format!("{input}.{}", encode(&[0; 96]))),
        ("malformed_assertion", input.to_owned()),
        ("malformed_assertion", format!("{good}.")),
        ("malformed_assertion", format!(".{payload}.{signature}")),
        ("malformed_assertion", format!("{header}..{signature}")),
        ("malformed_assertion", format!(" {good}")),
        ("malformed_assertion", String::new()),
        ("malformed_assertion", "..".to_owned()),
        ("malformed_assertion", "garbage".to_owned()),
        ("malformed_assertion", "\u{0}ü".to_owned()),
        ("oversized_assertion", "x".repeat(100_000)),
        (
            "malformed_assertion",
            format!("{header}.{}.{signature}", encode(b"[]")),
        ),
        (
            "malformed_assertion",
            format!("{header}.{}.{signature}", encode(&[b'['; 10_000])),
        ),
    ];
    let kids = ["RS256", "ES384"];
    for (alg, kid) in ["none", "None", ""]
        .into_iter()
        .flat_map(|alg| kids.map(|kid| (alg, kid)))
    {
        let header = json!({"alg": alg, "kid": kid});
        let unsigned = signing_input(&header, &good_assertion(&client.id));
        all.push(("malformed_assertion", format!("{unsigned}.")));
    }
    for secret in client.keys[0].as_secrets() {
        let header = json!({"alg": "HS256", "kid": "RS256"});
        let input = signing_input(&header, &good_assertion(&client.id));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
        all.push(("algorithm", format!("{input}.{}", encode(tag.as_ref()))));
    }
    all
}

async fn an_assertion_that_breaks_a_rule_is_rejected(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    let client = Client::create(&server).await;
    let other = admin.created(keyed(&[&SigningKey::new("other", "ES384")])).await;
    for (cause, assertion) in broken(&client, &other) {
        let start = assertion.get(..300).unwrap_or(&assertion);
        assert!(!platform.takes_assertion(&assertion).await, "{cause}: {start}");
    }
    for id in [&other, &"0".repeat(32), "x"] {
        let asked = with(presented(&client.assertion(json!({}))), json!({"clientId": id}));
        let answer = platform.authenticate(asked).await.unwrap();
        assert!(!is_authenticated(&answer), "{id}");
    }
    assert!(platform.takes_assertion(&client.assertion(json!({}))).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_the_cause_of_each_rejection() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir.path(), &["--log-format", "json"]).await;
    let transports = served.transports();
    let admin = transports.caller(Some(served.token_of("acme")));
    let client = Client::create_by(&admin).await;
    let other = admin.created(keyed(&[&SigningKey::new("other", "ES384")])).await;
    let broken = broken(&client, &other);
    for (_, assertion) in &broken {
        assert!(!admin.takes_assertion(assertion).await);
    }
    let used = client.assertion(json!({}));
    assert!(admin.takes_assertion(&used).await);
    assert!(!admin.takes_assertion(&used).await);
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));
    let causes = causes_in(&served.log());
    let expected = broken.iter().map(|(cause, _)| *cause).chain(["replayed"]);
    let both = expected.zip(&causes).enumerate();
    for (number, (expected, cause)) in both {
        let start = broken.get(number).and_then(|(_, assertion)| assertion.get(..300));
        assert_eq!(cause, expected, "{start:?}");
    }
    assert_eq!(causes.len(), broken.len() + 1);
}

async fn one_of_the_audiences_is_enough(server: TestServer) {
    let client = Client::create(&server).await;
    let issuer = "https://login.example";
    for (aud, audiences, taken) in [
        (json!(issuer), &[issuer, TOKEN_ENDPOINT][..], true),
        (json!([TOKEN_ENDPOINT]), &[issuer, TOKEN_ENDPOINT], true),
        (json!(["a", issuer]), &["b", issuer], true),
        (json!(["a", issuer]), &["b", TOKEN_ENDPOINT], false),
        (json!(""), &[issuer], false),
    ] {
        let asked = presented_to(&client.assertion(json!({"aud": aud})), audiences);
        let answer = server.platform().authenticate(asked).await.unwrap();
        assert_eq!(is_authenticated(&answer), taken, "{aud} {audiences:?}");
    }
}

async fn a_request_without_audiences_is_invalid(server: TestServer) {
    let client = Client::create(&server).await;
    for jwt in [client.assertion(json!({})), "garbage".to_owned(), String::new()] {
        let asked = presented_to(&jwt, &[]);
        let refused = server.platform().authenticate(asked).await.unwrap_err();
        assert_eq!(refused.fields(), [("INVALID_FIELD", "clientAssertion.audiences")]);
    }
}

async fn a_blank_audience_is_invalid(server: TestServer) {
    let client = Client::create(&server).await;
    for blank in ["", " ", "\t\u{3000}"] {
        let asked = presented_to(&client.assertion(json!({})), &[TOKEN_ENDPOINT, blank]);
        let refused = server.platform().authenticate(asked).await.unwrap_err();
        let field = "clientAssertion.audiences[1]";
        assert_eq!(refused.fields(), [("INVALID_FIELD", field)], "{blank:?}");
    }
}

async fn members_of_the_other_key_type_are_kept_and_count_for_nothing(server: TestServer) {
    let admin = server.admin();
    let [rsa, ec] = ["RS256", "ES384"].map(|algorithm| SigningKey::new(algorithm, algorithm));
    // Not even a point on the curve, or a modulus.
    let with_point = with(
        rsa.registered(),
        json!({"crv": "P-384", "x": "WKn-", "y": "y77t"}),
    );
    let with_modulus = with(ec.registered(), json!({"n": "AQAB", "e": "AQ"}));
    let keys = json!([with_point, with_modulus]);
    let client = with(keyed(&[&rsa]), json!({"publicKeys": keys}));
    for transport in Transport::BOTH {
        let created = admin.create(transport, client.clone()).await;
        let patched = admin.created(keyed(&[&rsa])).await;
        let patch = json!([{"op": "add", "path": "/publicKeys", "value": keys}]);
        admin.patch(transport, &patched, patch).await.unwrap();
        for id in [created["clientId"].as_str().unwrap(), &patched] {
            assert_eq!(admin.stored(id).await["publicKeys"], keys);
            for key in [&rsa, &ec] {
                let assertion = key.assertion(id, json!({}));
                assert!(server.platform().takes_assertion(&assertion).await);
            }
        }
    }
}

async fn an_assertion_is_accepted_once(server: TestServer) {
    let client = Client::create(&server).await;
    let replica = server.replica().await;
    let used = client.assertion(json!({}));
    assert!(server.platform().takes_assertion(&used).await);
    for server in [Some(&server), replica.as_ref()].into_iter().flatten() {
        assert!(!server.platform().takes_assertion(&used).await);
        let asked = with(presented(&used), json!({"clientId": client.id}));
        let again = server.platform().authenticate(asked).await.unwrap();
        assert!(!is_authenticated(&again));
    }
    // Only the id counts, whatever the other claims and the key.
    let id = json!({"jti": "once"});
    assert!(
        server
            .platform()
            .takes_assertion(&client.assertion(id.clone()))
            .await
    );
    for key in &client.keys {
        let again = key.assertion(&client.id, with(id.clone(), json!({"exp": now() + 500})));
        assert!(
            !replica
                .as_ref()
                .unwrap_or(&server)
                .platform()
                .takes_assertion(&again)
                .await
        );
    }
    for other in ["Once", "once ", "onc", "once\0", "ONCE"] {
        let other = client.assertion(json!({"jti": other}));
        assert!(server.platform().takes_assertion(&other).await);
    }
}

async fn two_clients_may_use_the_same_jti(server: TestServer) {
    let key = SigningKey::new("shared", "ES384");
    for tenant in ["acme", "acme", "other"] {
        let id = server.admin_of(tenant).created(keyed(&[&key])).await;
        let assertion = key.assertion(&id, json!({"jti": "the same"}));
        assert!(server.platform().takes_assertion(&assertion).await);
        assert!(!server.platform().takes_assertion(&assertion).await);
    }
}

async fn a_rejected_assertion_can_still_be_used(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    let client = Client::create(&server).await;
    let good = client.assertion(json!({"jti": "mine"}));
    let evil = SigningKey::new("ES384", "ES384");
    assert!(
        !platform
            .takes_assertion(&evil.assertion(&client.id, json!({"jti": "mine"})))
            .await
    );
    let elsewhere = presented_to(&good, &["https://other.example"]);
    assert!(!is_authenticated(
        &platform.authenticate(elsewhere).await.unwrap()
    ));
    let (input, _) = good.rsplit_once('.').unwrap();
    assert!(!platform.takes_assertion(&format!("{input}.AAAA")).await);
    for claims in [json!({"exp": 1}), json!({"nbf": now() + 60}), json!({"sub": "x"})] {
        let bad = client.assertion(with(claims, json!({"jti": "mine"})));
        assert!(!platform.takes_assertion(&bad).await);
    }
    let stranger = server.admin_of("other");
    assert!(!stranger.takes_assertion(&good).await);
    admin.disable(&client.id, "misused").await.unwrap();
    assert!(!platform.takes_assertion(&good).await);
    admin.enable(&client.id).await.unwrap();
    let used = "SELECT count(*) FROM used_assertions";
    assert_eq!(server.db.number(used).await, 0);
    assert!(platform.takes_assertion(&good).await);
    assert_eq!(server.db.number(used).await, 1);
}

async fn a_client_that_may_not_authenticate_is_rejected(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    for how in [
        "deleted",
        "disabled",
        "key removed",
        "key replaced",
        "method removed",
    ] {
        let client = Client::create(&server).await;
        let id = &client.id;
        assert!(
            platform.takes_assertion(&client.assertion(json!({}))).await,
            "{how}"
        );
        let evil = SigningKey::new("ES384", "ES384");
        let methods = json!(["client_secret"]);
        match how {
            "deleted" => admin.delete(Transport::Grpc, id, id).await,
            "disabled" => admin.disable(id, "misused").await,
            "key removed" => {
                let remove = json!([{"op": "remove", "path": "/publicKeys/2"}]);
                admin.patch(Transport::Rest, id, remove).await
            }
            "key replaced" => {
                let replace = json!([{"op": "add", "path": "/publicKeys", "value": [evil.registered()]}]);
                admin.patch(Transport::Rest, id, replace).await
            }
            _ => {
                let replace = json!([{"op": "add", "path": "/allowedAuthMethods", "value": methods}]);
                admin.patch(Transport::Rest, id, replace).await
            }
        }
        .unwrap();
        assert!(
            !platform.takes_assertion(&client.assertion(json!({}))).await,
            "{how}"
        );
    }
    let secret_only = with(
        web(),
        json!({"publicKeys": [SigningKey::new("a", "ES384").registered()]}),
    );
    let id = admin.created(secret_only).await;
    let assertion = SigningKey::new("a", "ES384").assertion(&id, json!({}));
    assert!(!platform.takes_assertion(&assertion).await);
}

async fn a_caller_authenticates_only_clients_that_it_sees(server: TestServer) {
    let key = SigningKey::new("a", "ES384");
    for tenant in ["acme", "other"] {
        let id = server.admin_of(tenant).created(keyed(&[&key])).await;
        for caller in ["*", "acme", "other", "acm", "ACME", "**"] {
            let sees = caller == "*" || caller == tenant;
            let assertion = key.assertion(&id, json!({}));
            let taken = server.admin_of(caller).takes_assertion(&assertion).await;
            assert_eq!(taken, sees, "{caller} of {tenant}");
        }
    }
}

async fn exactly_one_of_fifty_concurrent_uses_is_accepted(server: TestServer) {
    let client = Client::create(&server).await;
    let replica = server.replica().await;
    let platforms = [server.platform(), replica.as_ref().unwrap_or(&server).platform()];
    for _ in 0..3 {
        let assertion = client.assertion(json!({}));
        let uses = (0..50).map(|number| platforms[number % 2].takes_assertion(&assertion));
        let taken = join_all(uses).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    }
}

async fn expired_assertions_are_purged_in_batches_by_the_clock_of_the_database(db: Db) {
    let registry = Registry::open(&db).await;
    // Two clients have used the same 1,250 ids, and a third some that expired a moment later.
    let (digest, now) = if db.is_sqlite() {
        (
            "CAST(printf('%032d', n % 1250) AS BLOB)",
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        )
    } else {
        (
            "convert_to(lpad((n % 1250)::text, 32, '0'), 'UTF8')",
            "CAST(extract(epoch FROM now()) * 1000000 AS bigint)",
        )
    };
    let insert = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2749) \
         INSERT INTO used_assertions (tenant_id, client_id, jti_digest, expires_at) \
         SELECT 'acme', CASE WHEN n < 1250 THEN 'a' WHEN n < 2500 THEN 'b' ELSE 'c' END, {digest}, \
         {now} - CASE WHEN n < 2500 THEN 361000000 ELSE 330000000 END FROM numbers"
    );
    db.execute(&insert).await;
    let mut batches = Vec::new();
    while batches.last() != Some(&0) {
        batches.push(registry.store.purge(Cutoff::USED_ASSERTIONS).await.unwrap());
    }
    assert_eq!(batches.iter().sum::<u64>(), 2_500);
    assert!(batches.iter().all(|batch| *batch <= 1_000), "{batches:?}");
    assert_eq!(db.number("SELECT count(*) FROM used_assertions").await, 250);
}

async fn an_assertion_whose_record_may_be_purged_is_refused(db: Db) {
    let registry = Registry::open(&db).await;
    let client = registry.fill(&registry.tenant, &[("a".to_owned(), "web")]).await;
    let ended = |seconds_ago: u64| UsedAssertion {
        digest: [u8::try_from(seconds_ago % 251).unwrap(); 32],
        expires_at: (SystemTime::now() - Duration::from_secs(seconds_ago)).into(),
    };
    let uses = async |assertion: &UsedAssertion| {
        let used = registry
            .store
            .use_assertion(&registry.tenant, &client[0].id, assertion);
        used.await.unwrap()
    };
    // A server with a slow clock still accepts these. No other server purges them, whatever its clock.
    for seconds in [0, 200, 290] {
        let assertion = ended(seconds);
        assert_eq!(uses(&assertion).await, AssertionUse::First, "{seconds}");
        registry.store.purge(Cutoff::USED_ASSERTIONS).await.unwrap();
        assert_eq!(uses(&assertion).await, AssertionUse::Replay, "{seconds}");
    }
    for seconds in [301, 1_200] {
        assert_eq!(uses(&ended(seconds)).await, AssertionUse::TooOld, "{seconds}");
    }
    assert_eq!(db.number("SELECT count(*) FROM used_assertions").await, 3);
}
