//! `AuthenticateClient` with a `client_secret` (RFC 6749 section 2.3.1).

use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};

use crate::support::{
    Caller, TestServer, Transport,
    assertions::{keyed, presented},
    authn::{id_of, is_authenticated, secret_of},
    caller::method,
    collector::Collector,
    issuer::SigningKey,
    process::Served,
    proxy::{Network, server_behind_proxy},
    samples::{rsa_key, spa, web, with},
};

on_each_database![
    each_secret_of_a_client_is_accepted_and_the_response_names_it,
    a_wrong_secret_is_rejected,
    a_hash_copied_to_another_client_matches_nothing,
    a_deleted_secret_is_rejected_at_once,
    a_client_that_may_not_authenticate_is_rejected,
    a_caller_authenticates_only_clients_that_it_sees,
    every_rejection_is_the_same_response,
    a_request_without_credentials_is_invalid,
];

fn request(id: &str, secret: &str) -> Value {
    json!({"clientId": id, "clientSecret": secret})
}

async fn each_secret_of_a_client_is_accepted_and_the_response_names_it(server: TestServer) {
    let admin = server.admin();
    let created = admin.create(Transport::Rest, web()).await;
    let id = id_of(&created);
    let mut secrets = vec![(created["clientSecrets"][0]["hint"].clone(), secret_of(&created))];
    for _ in 0..4 {
        let made = admin.create_secret(Transport::Grpc, id).await.unwrap();
        secrets.push((made["hint"].clone(), secret_of(&made)));
    }
    let stored = admin.stored(id).await;
    for (hint, secret) in &secrets {
        let answer = server.platform().authenticate(request(id, secret)).await.unwrap();
        let expected = json!({
            "tenantId": "acme",
            "client": stored,
            "authMethod": "client_secret",
            "secretHint": hint,
        });
        assert_eq!(answer, json!({"authenticated": expected}));
    }
}

/// Returns secrets with one mistake each.
fn mistyped(secret: &str) -> Vec<String> {
    let replaced = |at: usize| {
        let other = if secret[at..].starts_with('A') { "B" } else { "A" };
        format!("{}{other}{}", &secret[..at], &secret[at + 1..])
    };
    let mut all: Vec<String> = (0..secret.len()).map(replaced).collect();
    all.extend((0..secret.len()).map(|at| format!("{}{}", &secret[..at], &secret[at + 1..])));
    all.extend([
        String::new(),
        format!(" {secret}"),
        format!("{secret}\n"),
        format!("{secret}="),
        format!("{secret}{secret}"),
        secret.to_uppercase(),
        secret.replace("ocs_", "ocs-"),
        "ü".repeat(36),
        "x".repeat(100_000),
    ]);
    all
}

async fn a_wrong_secret_is_rejected(server: TestServer) {
    let admin = server.admin();
    let created = admin.create(Transport::Rest, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    let mut wrong = mistyped(&secret);
    for tenant in ["acme", "other"] {
        wrong.push(secret_of(
            &server.admin_of(tenant).create(Transport::Rest, web()).await,
        ));
    }
    for wrong in wrong {
        assert!(!server.platform().takes_secret(id, &wrong).await, "{wrong:?}");
    }
    let wrong_ids = [
        "0".repeat(32),
        id.to_uppercase(),
        format!("{id} "),
        "x".to_owned(),
    ];
    for wrong in wrong_ids.iter().filter(|wrong| *wrong != id) {
        assert!(!server.platform().takes_secret(wrong, &secret).await, "{wrong:?}");
    }
    assert!(server.platform().takes_secret(id, &secret).await);
}

async fn a_hash_copied_to_another_client_matches_nothing(server: TestServer) {
    let created = server.admin().create(Transport::Rest, web()).await;
    let secret = secret_of(&created);
    for tenant in ["acme", "other"] {
        let other = server.admin_of(tenant).created(web()).await;
        let copy = format!(
            "INSERT INTO oauth_client_secrets (tenant_id, client_id, hint, hash, created_at, created_by) \
             SELECT '{tenant}', '{other}', hint, hash, created_at, created_by FROM oauth_client_secrets \
             WHERE client_id = '{}'",
            id_of(&created)
        );
        server.db.execute(&copy).await;
        let stored = server.admin_of(tenant).stored(&other).await;
        assert_eq!(stored["clientSecrets"].as_array().unwrap().len(), 2);
        assert!(!server.platform().takes_secret(&other, &secret).await, "{tenant}");
    }
    assert!(server.platform().takes_secret(id_of(&created), &secret).await);
}

async fn a_deleted_secret_is_rejected_at_once(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    let created = admin.create(Transport::Rest, web()).await;
    let id = id_of(&created);
    for transport in Transport::BOTH {
        let made = admin.create_secret(transport, id).await.unwrap();
        assert!(platform.takes_secret(id, &secret_of(&made)).await);
        let hint = made["hint"].as_str().unwrap();
        admin.delete_secret(transport, id, hint).await.unwrap();
        assert!(!platform.takes_secret(id, &secret_of(&made)).await);
        assert!(platform.takes_secret(id, &secret_of(&created)).await, "the other");
    }
}

/// Changes of a client after which its secret is rejected.
const ENDS: [&str; 4] = [
    "deleted",
    "disabled",
    "method removed",
    "method removed and added",
];

async fn end(admin: &Caller<'_>, id: &str, how: &str) {
    let methods = json!(["private_key_jwt"]);
    let keys_only = json!([
        {"op": "add", "path": "/publicKeys", "value": [rsa_key("a")]},
        {"op": "add", "path": "/allowedAuthMethods", "value": methods},
    ]);
    let again = json!([{"op": "add", "path": "/allowedAuthMethods/-", "value": "client_secret"}]);
    match how {
        "deleted" => admin.delete(Transport::Grpc, id, id).await,
        "disabled" => admin.disable(id, "misused").await,
        "method removed" => admin.patch(Transport::Rest, id, keys_only).await,
        _ => {
            admin.patch(Transport::Rest, id, keys_only).await.unwrap();
            admin.patch(Transport::Rest, id, again).await
        }
    }
    .unwrap();
}

async fn a_client_that_may_not_authenticate_is_rejected(server: TestServer) {
    let admin = server.admin();
    for how in ENDS {
        let created = admin.create(Transport::Rest, web()).await;
        let (id, secret) = (id_of(&created), secret_of(&created));
        assert!(server.platform().takes_secret(id, &secret).await, "{how}");
        end(&admin, id, how).await;
        assert!(!server.platform().takes_secret(id, &secret).await, "{how}");
    }
    // No method leaves a secret to a client that may not use it, but SQL may.
    let created = admin.create(Transport::Rest, web()).await;
    let keys_only = "UPDATE oauth_clients SET allowed_auth_methods = '[\"private_key_jwt\"]'";
    server.db.execute(keys_only).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    assert!(!server.platform().takes_secret(id, &secret).await);
    for app_type in ["spa", "native", "anonymous-embed"] {
        let id = admin.created(with(spa(), json!({"appType": app_type}))).await;
        assert!(!server.platform().takes_secret(&id, &secret).await, "{app_type}");
        assert!(!server.platform().takes_secret(&id, "").await, "{app_type}");
    }
}

async fn a_caller_authenticates_only_clients_that_it_sees(server: TestServer) {
    for tenant in ["acme", "other"] {
        let created = server.admin_of(tenant).create(Transport::Rest, web()).await;
        for caller in ["*", "acme", "other", "acm", "ACME", "**"] {
            let sees = caller == "*" || caller == tenant;
            let answer = server
                .admin_of(caller)
                .authenticate(request(id_of(&created), &secret_of(&created)))
                .await
                .unwrap();
            assert_eq!(is_authenticated(&answer), sees, "{caller} of {tenant}");
        }
    }
}

/// Returns the bytes of a response, and the names in its metadata.
async fn raw_answer(caller: &Caller<'_>, request: Value) -> (Vec<u8>, Vec<String>) {
    let method = method("AuthenticateClient");
    let message = DynamicMessage::deserialize(method.descriptor.input(), request).unwrap();
    let answer = caller.exchange(&method.path, message.encode_to_vec()).await;
    let (metadata, bytes, _) = answer.unwrap().into_parts();
    let mut names: Vec<String> = metadata.into_headers().keys().map(ToString::to_string).collect();
    names.sort();
    (bytes, names)
}

async fn every_rejection_is_the_same_response(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    let key = SigningKey::new("a", "ES384");
    let keyed = admin.created(keyed(&[&key])).await;
    let created = admin.create(Transport::Rest, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    let others = secret_of(&admin.create(Transport::Rest, web()).await);
    let mut requests = vec![
        request(id, "x"),
        request(id, &others),
        request(&"0".repeat(32), &secret),
        request("x", &secret),
        request(&keyed, &secret),
        presented("x"),
        presented(&key.assertion(id, json!({}))),
        presented(&key.assertion(&keyed, json!({"aud": "x"}))),
        presented(&key.assertion(&keyed, json!({"exp": 1}))),
    ];
    for how in ENDS {
        let created = admin.create(Transport::Rest, web()).await;
        end(&admin, id_of(&created), how).await;
        requests.push(request(id_of(&created), &secret_of(&created)));
    }
    let mut answers = Vec::new();
    for request in requests {
        answers.push((request.clone(), raw_answer(&platform, request).await));
    }
    let stranger = server.admin_of("other");
    let of_stranger = raw_answer(&stranger, request(id, &secret)).await;
    for (request, answer) in &answers {
        assert_eq!(*answer, of_stranger, "{request}");
    }
    // An empty message as field 2.
    assert_eq!(of_stranger.0, [0x12, 0]);
    let (good, _) = raw_answer(&platform, request(id, &secret)).await;
    assert!(good.len() > 100, "the secret is good");
}

async fn a_request_without_credentials_is_invalid(server: TestServer) {
    let id = server.admin().created(web()).await;
    let nameless = [("INVALID_FIELD", "clientId")];
    let bare = [("INVALID_FIELD", "credential")];
    for (request, expected) in [
        (json!({}), bare),
        (json!({"clientId": id}), bare),
        (json!({"clientSecret": "x"}), nameless),
        (json!({"clientSecret": ""}), nameless),
    ] {
        let refused = server.platform().authenticate(request.clone()).await;
        assert_eq!(refused.unwrap_err().fields(), expected, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistyped_secret_is_rejected_without_the_database() {
    let Some((server, network)) = server_behind_proxy().await else {
        return;
    };
    let created = server.admin().create(Transport::Grpc, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    network.set(Network::Cut).await;
    for mistyped in mistyped(&secret) {
        assert!(
            !server.platform().takes_secret(id, &mistyped).await,
            "{mistyped:?}"
        );
    }
    let key = SigningKey::new("a", "ES384");
    let assertion = key.assertion(id, json!({}));
    for request in [request(id, &secret), presented(&assertion)] {
        let refused = server.platform().authenticate(request).await.unwrap_err();
        assert_eq!(refused.codes(), ["UNAVAILABLE"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_a_metric_have_the_cause_of_a_rejection() {
    let collector = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())];
    let mut served = Served::start_with_env(dir.path(), &["--log-format", "json"], &env).await;
    let transports = served.transports();
    let admin = transports.caller(Some(served.token_of("acme")));
    let stranger = transports.caller(Some(served.token_of("other")));
    let created = admin.create(Transport::Rest, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    let others = secret_of(&admin.create(Transport::Rest, web()).await);

    assert!(admin.takes_secret(id, &secret).await);
    assert!(!admin.takes_secret(id, "x").await);
    assert!(!admin.takes_secret(id, &others).await);
    assert!(!admin.takes_secret(&"0".repeat(32), &others).await);
    assert!(!stranger.takes_secret(id, &secret).await);
    admin.disable(id, "misused").await.unwrap();
    assert!(!admin.takes_secret(id, &secret).await);
    admin.delete(Transport::Grpc, id, id).await.unwrap();
    assert!(!admin.takes_secret(id, &secret).await);
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));

    let causes = [
        "malformed_secret",
        "wrong_secret",
        "unknown_client",
        "other_tenant",
        "disabled",
        "deleted",
    ];
    assert_eq!(causes_in(&served.log()), causes);
    let counted = collector.series("oauth_clients.client_authentications");
    let mut outcomes: Vec<(&str, u64)> = counted
        .iter()
        .map(|series| {
            assert_eq!(
                series.attributes[0],
                ("method".to_owned(), "client_secret".to_owned())
            );
            (series.attributes[1].1.as_str(), series.count)
        })
        .collect();
    outcomes.sort_unstable();
    let mut expected = causes.map(|cause| (cause, 1)).to_vec();
    expected.push(("authenticated", 1));
    expected.sort_unstable();
    assert_eq!(outcomes, expected);
}

/// Returns the causes of the rejections in order.
pub(super) fn causes_in(log: &str) -> Vec<String> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let rejected = lines.filter(|line| line["message"] == "client rejected");
    rejected
        .map(|line| line["cause"].as_str().unwrap().to_owned())
        .collect()
}
