//! The change records in the database.

use std::collections::BTreeMap;

use oauth_clients::{
    domain::{
        change_type::ChangeType,
        change_update::ChangeUpdate,
        client::{ChangeContext, Client},
        ids::{ClientId, Subject, TenantId},
        metadata::ClientDraft,
        patch::{Operation, Patch},
        secret::SecretSeed,
        timestamp::Timestamp,
    },
    pb::{self, v1},
};
use proptest::prelude::*;
use prost_reflect::{DynamicMessage, ReflectMessage as _, SerializeOptions};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Answer, Db, TestServer, Transport,
    authn::id_of,
    http::COLLECTION,
    samples::{rsa_key, web, with, without},
};

on_each_database![
    every_change_writes_one_record,
    what_changes_nothing_writes_none,
    a_record_states_what_its_change_did,
    revisions_have_no_holes,
];

/// Returns a column of the records of a client, as text, in the order of the revisions.
async fn column(db: &Db, id: &str, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT coalesce(CAST({column} AS TEXT), 'none') FROM oauth_client_changes \
         WHERE client_id = '{id}' ORDER BY revision"
    );
    db.texts(&sql).await
}

/// Returns the updates of the newest record.
async fn updates(db: &Db, id: &str) -> Value {
    let all = column(db, id, "updates").await;
    serde_json::from_str(all.last().unwrap()).unwrap_or(Value::Null)
}

async fn every_change_writes_one_record(server: TestServer) {
    let admin = server.admin();
    let post = admin
        .request(Method::POST, COLLECTION)
        .header("x-request-id", "made");
    let created = Answer::to(post.body(web().to_string())).await.json();
    let id = id_of(&created);
    let url = format!("{COLLECTION}/{id}");
    let patch = async |request_id: &str, operations: Value| {
        let request = admin
            .request(Method::PATCH, &url)
            .header("x-request-id", request_id);
        let answer = Answer::to(request.body(operations.to_string())).await;
        assert!(answer.status < 300, "{answer:?}");
    };
    patch(
        "renamed",
        json!([{"op": "add", "path": "/clientName", "value": "x"}]),
    )
    .await;
    let publish = json!({"op": "add", "path": "/publishedAt", "value": "2026-01-02T03:04:05.6Z"});
    patch("published", json!([publish])).await;
    patch("unpublished", json!([{"op": "remove", "path": "/publishedAt"}])).await;
    let made = admin.create_secret(Transport::Grpc, id).await.unwrap();
    let hint = made["hint"].as_str().unwrap();
    admin.delete_secret(Transport::Rest, id, hint).await.unwrap();
    admin.disable(id, "misused").await.unwrap();
    admin.disable(id, "stolen").await.unwrap();
    admin.enable(id).await.unwrap();
    let stored = admin.stored(id).await;
    admin.delete(Transport::Grpc, id, id).await.unwrap();

    let types = [
        "created",
        "updated",
        "published",
        "updated",
        "secret.created",
        "secret.deleted",
        "disabled",
        "disabled",
        "enabled",
        "deleted",
    ];
    let db = &server.db;
    assert_eq!(column(db, id, "type").await, types);
    assert_eq!(column(db, id, "actor").await, ["admin"; 10]);
    let requests = column(db, id, "correlation_id").await;
    assert_eq!(requests[..4], ["made", "renamed", "published", "unpublished"]);
    for request in &requests[4..] {
        assert!(Uuid::parse_str(request).is_ok(), "{request}");
    }
    let info = without(&made, &["clientId", "clientSecret"]);
    let secret = format!("/clientSecrets/{hint}");
    let published = "2026-01-02T03:04:05.600Z";
    let expected = [
        json!(null),
        json!([{"path": "/clientName", "oldValue": "a web client", "newValue": "x"}]),
        json!([{"path": "/publishedAt", "newValue": published}]),
        json!([{"path": "/publishedAt", "oldValue": published}]),
        json!([{"path": secret, "newValue": info}]),
        json!([{"path": secret, "oldValue": info}]),
        json!([{"path": "/disableTag", "newValue": "misused"}]),
        json!([{"path": "/disableTag", "oldValue": "misused", "newValue": "stolen"}]),
        json!([{"path": "/disableTag", "oldValue": "stolen"}]),
        json!(null),
    ];
    let updates = column(db, id, "updates").await;
    let updates: Vec<Value> = updates
        .iter()
        .map(|text| serde_json::from_str(text).unwrap_or(Value::Null))
        .collect();
    assert_eq!(updates, expected);
    let last = db
        .number(&format!(
            "SELECT max(time) FROM oauth_client_changes WHERE client_id = '{id}' AND type = 'enabled'"
        ))
        .await;
    assert_eq!(
        json!(Timestamp::from_micros(last).to_rfc3339()),
        stored["updatedAt"]
    );
}

async fn what_changes_nothing_writes_none(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let same = json!([{"op": "add", "path": "/clientName", "value": "a web client"}]);
    for transport in Transport::BOTH {
        admin.patch(transport, &id, json!([])).await.unwrap();
        admin.patch(transport, &id, same.clone()).await.unwrap();
        admin.delete_secret(transport, &id, "aaaaaaaa").await.unwrap_err();
        let other = json!({"clientId": id, "operations": [], "etag": "x"});
        admin
            .call(transport, "PatchOAuthClient", other)
            .await
            .unwrap_err();
        admin.get(transport, &id).await.unwrap();
    }
    admin.enable(&id).await.unwrap();
    admin.disable(&id, "").await.unwrap_err();
    assert_eq!(column(&server.db, &id, "type").await, ["created"]);
}

/// Walks a client through every kind of change over REST, and applies each record to the client as it was read before.
async fn a_record_states_what_its_change_did(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let mut known = admin.stored(&id).await;
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let remove = |path: &str| json!({"op": "remove", "path": path});
    for operations in [
        json!([
            add("/description", json!("")),
            add("/logoUri", json!("https://a.example/logo")),
            add("/clientUri", json!("https://a.example/")),
            add("/redirectUris/-", json!("https://a.example/back")),
            add("/allowedOrigins/-", json!("https://a.example")),
            add("/allowedScopes", json!(["openid", "a/b~c"])),
            add("/allowedGrantTypes/-", json!("client_credentials")),
            add("/publicKeys", json!([rsa_key("a"), rsa_key("b")])),
            add("/connectionConfig/consentMethod", json!("trusted")),
            add("/publishedAt", json!("2026-01-02T03:04:05Z")),
        ]),
        json!([
            remove("/publicKeys/0"),
            remove("/description"),
            remove("/connectionConfig/consentMethod")
        ]),
        json!([add("/allowedAuthMethods", json!(["private_key_jwt"]))]),
        json!([
            add("/allowedAuthMethods/-", json!("client_secret")),
            add("/redirectUris", json!([]))
        ]),
    ] {
        admin
            .patch(Transport::Rest, &id, operations.clone())
            .await
            .unwrap();
        let now = admin.stored(&id).await;
        let updates = updates(&server.db, &id).await;
        assert_eq!(
            applied(&known, &updates),
            unchanging(&now),
            "{operations} {updates}"
        );
        known = now;
    }
}

async fn revisions_have_no_holes(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    for number in 0..4 {
        let rename = json!([{"op": "add", "path": "/clientName", "value": format!("{number}")}]);
        admin.patch(Transport::Rest, &id, rename).await.unwrap();
        admin
            .delete_secret(Transport::Rest, &id, "aaaaaaaa")
            .await
            .unwrap_err();
        admin.create_secret(Transport::Grpc, &id).await.unwrap();
    }
    admin.create_secret(Transport::Grpc, &id).await.unwrap_err();
    admin.delete(Transport::Rest, &id, &id).await.unwrap();
    let numbers: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(column(&server.db, &id, "revision").await, numbers);
}

/// Returns a client without what every change changes, and with its secrets by their hints.
fn unchanging(client: &Value) -> Value {
    let secrets = client["clientSecrets"].as_array().unwrap().iter();
    let secrets: BTreeMap<&str, &Value> = secrets
        .map(|secret| (secret["hint"].as_str().unwrap(), secret))
        .collect();
    with(
        without(client, &["updatedAt", "etag"]),
        json!({ "clientSecrets": secrets }),
    )
}

/// Returns a client after updates, each of which must be of the value that it states.
fn applied(client: &Value, updates: &Value) -> Value {
    let mut client = unchanging(client);
    let updates: Vec<&Value> = updates.as_array().unwrap().iter().collect();
    assert!(
        updates.is_sorted_by_key(|update| update["path"].as_str().unwrap()),
        "{updates:?}"
    );
    for update in updates {
        let path: Vec<&str> = update["path"].as_str().unwrap().split('/').collect();
        let (object, name) = match path[..] {
            ["", name] => (&mut client, name),
            ["", parent, name] => (&mut client[parent], name),
            _ => panic!("{update}"),
        };
        let members = object.as_object_mut().unwrap();
        let old = match update.get("newValue") {
            Some(value) => members.insert(name.to_owned(), value.clone()),
            None => members.remove(name),
        };
        assert_eq!(old.as_ref(), update.get("oldValue"), "{update}");
        assert_ne!(update.get("newValue"), update.get("oldValue"), "{update}");
    }
    client
}

/// A client as responses have it.
fn json_of(client: &Client) -> Value {
    let message = v1::OAuthClient::from(client.clone());
    let pool = &pb::protos().unwrap().pool;
    let descriptor = pool.get_message_by_name("oauth_clients.v1.OAuthClient").unwrap();
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(&message).unwrap();
    assert_eq!(dynamic.descriptor().name(), "OAuthClient");
    let options = SerializeOptions::new().skip_default_fields(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

/// A change of a client.
#[derive(Debug, Clone)]
enum Step {
    Patch(Vec<Operation>),
    CreateSecret,
    DeleteSecret(prop::sample::Index),
    Disable(String),
    Enable,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(operation(), 1..4).prop_map(Step::Patch),
        2 => Just(Step::CreateSecret),
        1 => any::<prop::sample::Index>().prop_map(Step::DeleteSecret),
        1 => "[a-c/~é]{1,3}".prop_map(Step::Disable),
        1 => Just(Step::Enable),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let texts = prop_oneof![Just("/clientName"), Just("/description"),]
        .prop_flat_map(|path| "[a-c]{1,2}".prop_map(move |value| (path, json!(value))));
    let scopes =
        prop::collection::btree_set("[a-c]{1,2}", 0..3).prop_map(|scopes| ("/allowedScopes", json!(scopes)));
    let times = (1_i64..1_000_000_000)
        .prop_map(|micros| ("/publishedAt", json!(Timestamp::from_micros(micros).to_rfc3339())));
    let others = prop::sample::select(vec![
        ("/redirectUris", json!([])),
        (
            "/redirectUris",
            json!(["https://a.example/", "https://b.example/"]),
        ),
        ("/logoUri", json!("")),
        ("/publicKeys", json!([])),
        ("/publicKeys", json!([rsa_key("a"), rsa_key("b")])),
        ("/allowedAuthMethods", json!(["client_secret"])),
        ("/allowedAuthMethods", json!(["private_key_jwt", "client_secret"])),
        ("/allowedAuthMethods", json!(["private_key_jwt"])),
        ("/connectionConfig/consentMethod", json!("trusted")),
        ("/connectionConfig/consentMethod", json!("required")),
    ]);
    let set = prop_oneof![texts, scopes, times, others];
    (set, prop::bool::weighted(0.8)).prop_map(|((path, value), add)| Operation {
        op: if add { "add" } else { "remove" }.to_owned(),
        path: path.to_owned(),
        value: add.then_some(value),
    })
}

fn context(number: u8) -> ChangeContext {
    ChangeContext {
        tenant: TenantId::parse("acme").unwrap(),
        actor: Subject::parse("somebody").unwrap(),
        now: Timestamp::from_micros(2_000_000_000_000_000 + i64::from(number) * 250),
        seed: SecretSeed::from_bytes([number; SecretSeed::LEN]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_updates_of_a_change_make_the_new_client_of_the_old_one(steps in prop::collection::vec(step(), 1..20)) {
        let draft = ClientDraft {
            app_type: "web".to_owned(),
            client_name: Some("x".to_owned()),
            ..ClientDraft::default()
        };
        let id = ClientId::from_uuid(Uuid::from_u128(1));
        let (mut client, _) = Client::register(id, draft, &context(0)).unwrap();
        let mut etags = vec![client.etag()];
        for (step, number) in steps.into_iter().zip(1..) {
            let before = client.clone();
            let context = context(number);
            let (kind, made) = match step {
                Step::Patch(operations) => (ChangeType::Updated, client.patch(&Patch { operations }, &context).is_ok()),
                Step::CreateSecret => (ChangeType::SecretCreated, client.create_secret(&context).is_ok()),
                Step::DeleteSecret(index) => {
                    let hint = (!client.secrets.is_empty()).then(|| index.get(&client.secrets).hint.clone());
                    let hint = hint.as_ref().map_or("", |hint| hint.as_str());
                    (ChangeType::SecretDeleted, client.delete_secret(hint, context.now).is_ok())
                }
                Step::Disable(reason) => (ChangeType::Disabled, client.disable(&reason, context.now).is_ok()),
                Step::Enable => {
                    client.enable(context.now);
                    (ChangeType::Enabled, true)
                }
            };
            if !made {
                // What is refused may leave the client half changed, and is never stored.
                client = before;
                continue;
            }
            let changed = client != before;
            prop_assert_eq!(client.revision.number(), before.revision.number() + i64::from(changed));
            prop_assert_eq!(etags.contains(&client.etag()), !changed);
            etags.push(client.etag());
            let updates = serde_json::to_value(ChangeUpdate::between(kind, &before, &client)).unwrap();
            prop_assert_eq!(updates.as_array().unwrap().is_empty(), !changed);
            prop_assert_eq!(applied(&json_of(&before), &updates), unchanging(&json_of(&client)));
            let text = updates.to_string();
            for secret in before.secrets.iter().chain(&client.secrets) {
                let hash = hex::encode(secret.hash.as_bytes());
                prop_assert!(!text.contains(&hash));
            }
        }
    }
}
