//! The id of a request in its response, its log line, its span and its record: the caller's own, but never an idempotency
//! key.

use std::collections::BTreeMap;

use oauth_clients::pb::v1::{CreateClientSecretRequest, DeleteOAuthClientRequest, EnableOAuthClientRequest};
use reqwest::Method;
use serde_json::Value;
use tonic::{Code, Request};
use uuid::Uuid;

use crate::support::{
    Answer, Caller, Db,
    caller::Transports,
    collector::Collector,
    http::COLLECTION,
    process::Served,
    samples::{spa, web},
};
on_each_database![the_id_of_a_request_is_the_callers_own_unless_it_is_its_idempotency_key];

/// The place of an idempotency key in a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Header,
    HeaderOfMetadata,
    Metadata,
    Field,
}

/// Creates a secret, and returns the id of the request, as the response has it.
async fn create_secret(admin: &Caller<'_>, place: Place, client: &str, own: &str, key: &str) -> String {
    let header = match place {
        Place::Header => "idempotency-key",
        Place::HeaderOfMetadata => "grpc-metadata-idempotency-key",
        Place::Metadata | Place::Field => {
            let mut request = Request::new(CreateClientSecretRequest {
                client_id: client.to_owned(),
                request_id: (place == Place::Field).then(|| key.to_owned()),
                ..CreateClientSecretRequest::default()
            });
            request
                .metadata_mut()
                .insert("x-request-id", own.parse().unwrap());
            if place == Place::Metadata {
                request
                    .metadata_mut()
                    .insert("idempotency-key", key.parse().unwrap());
            }
            let response = admin.grpc().create_client_secret(request).await.unwrap();
            let id = response.metadata().get("x-request-id").unwrap();
            return id.to_str().unwrap().to_owned();
        }
    };
    let request = admin
        .request(Method::POST, &format!("{COLLECTION}/{client}/client-secrets"))
        .header("x-request-id", own)
        .header(header, key);
    let answer = Answer::to(request).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("x-request-id").to_owned()
}

fn uuid() -> String {
    Uuid::now_v7().to_string()
}

/// The spellings of a key as the caller's own id that count as the same.
fn spellings(key: &str) -> [String; 4] {
    [
        key.to_owned(),
        key.to_uppercase(),
        key.replace('-', ""),
        format!("\"{key}\""),
    ]
}

/// Sends requests that are refused before and after their message is read, and returns the ids of the responses.
async fn refused(transports: &Transports, admin: &Caller<'_>, id: &str, own: &str, key: &str) -> [String; 3] {
    let delete = |confirm: &str| {
        let mut request = Request::new(DeleteOAuthClientRequest {
            client_id: id.to_owned(),
            confirm_delete: confirm.to_owned(),
            request_id: Some(key.to_owned()),
            etag: Some("x".to_owned()),
        });
        request
            .metadata_mut()
            .insert("x-request-id", own.parse().unwrap());
        request
    };
    let stranger = transports.caller(Some("x".to_owned()));
    let mut ids = Vec::new();
    for (caller, confirm, code) in [
        (&stranger, id, Code::Unauthenticated),
        (admin, "", Code::InvalidArgument),
        (admin, id, Code::Aborted),
    ] {
        let status = caller.grpc().delete_o_auth_client(delete(confirm)).await;
        let status = status.unwrap_err();
        assert_eq!(status.code(), code);
        let id = status.metadata().get("x-request-id").unwrap();
        ids.push(id.to_str().unwrap().to_owned());
    }
    ids.try_into().unwrap()
}

/// On REST the headers tell the key, whatever becomes of the request.
async fn check_refused_on_rest(transports: &Transports, client: &str) {
    let (own, key) = (uuid(), uuid());
    for (own, key, is_kept) in [
        (&own, Some(&key), true),
        (&key, None, true),
        (&key, Some(&key), false),
    ] {
        let request = transports
            .caller(None)
            .request(Method::DELETE, &format!("{COLLECTION}/{client}"))
            .header("x-request-id", own);
        let request = match key {
            Some(key) => request.header("idempotency-key", format!("\"{key}\"")),
            None => request,
        };
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("x-request-id") == own, is_kept, "{answer:?}");
    }
}

async fn the_id_of_a_request_is_the_callers_own_unless_it_is_its_idempotency_key(db: Db) {
    let collector = Collector::start().await;
    let dir = tempfile::tempdir().unwrap();
    let args = ["--log", "trace", "--migrate", "--database-url", db.text()];
    let env = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())];
    let mut served = Served::start_with_env(dir.path(), &args, &env).await;
    let transports = served.transports();
    let admin = transports.caller(Some(served.token_of("acme")));

    // Each id that a response has, and whether its change has a record.
    let mut ids: BTreeMap<String, bool> = BTreeMap::new();
    let mut keys = Vec::new();
    for place in [
        Place::Header,
        Place::HeaderOfMetadata,
        Place::Metadata,
        Place::Field,
    ] {
        let client = admin.created(web()).await;
        let key = uuid();
        for own in spellings(&key) {
            let id = create_secret(&admin, place, &client, &own, &key).await;
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
            // A retry makes no record.
            ids.insert(id, own == key);
        }
        keys.extend(spellings(&key));
        for own in [uuid(), "mine".to_owned() + &uuid()] {
            let id = create_secret(&admin, place, &client, &own, &uuid()).await;
            assert_eq!(id, own, "{place:?}");
            ids.insert(id, true);
        }
    }
    let client = admin.created(spa()).await;
    let key = uuid();
    for id in refused(&transports, &admin, &client, &key, &key).await {
        ids.insert(id, false);
    }
    keys.extend(spellings(&key));
    let own = uuid();
    // Nobody has read the first of the messages, and the second is refused before its key is known.
    let [.., id] = refused(&transports, &admin, &client, &own, &uuid()).await;
    assert_eq!(id, own);
    ids.insert(id, false);
    check_refused_on_rest(&transports, &client).await;
    // A request that has no key may have any id.
    let own = uuid();
    let mut enable = Request::new(EnableOAuthClientRequest {
        client_id: client.clone(),
        ..EnableOAuthClientRequest::default()
    });
    enable.metadata_mut().insert("x-request-id", own.parse().unwrap());
    let enabled = admin.grpc().enable_o_auth_client(enable).await.unwrap();
    assert_eq!(enabled.metadata().get("x-request-id").unwrap(), own.as_str());
    ids.insert(own, false);

    let records = db
        .texts("SELECT correlation_id FROM oauth_client_changes WHERE type = 'secret.created'")
        .await;
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));
    let log = served.log();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["message"] == "request completed")
        .collect();
    let spans = collector.spans();
    let ids_of_spans: Vec<String> = spans
        .iter()
        .flat_map(|span| span.attributes.iter())
        .filter(|attribute| attribute.key == "request_id")
        .map(|attribute| format!("{:?}", attribute.value))
        .collect();
    for (id, has_record) in &ids {
        assert_eq!(records.contains(id), *has_record, "{id}");
        let logged = lines.iter().filter(|line| line["request_id"] == **id).count();
        assert_eq!(logged, 1, "{id}");
        let exported = ids_of_spans.iter().filter(|text| text.contains(id)).count();
        assert_eq!(exported, 1, "{id}");
    }
    let outputs = [log, collector.everything(), served.rest_of_stdout().await];
    for key in keys {
        assert!(!records.contains(&key));
        for output in &outputs {
            let line = output.lines().find(|line| line.contains(&key));
            assert_eq!(line, None, "{key}");
        }
    }
}
