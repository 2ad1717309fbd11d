//! The form of an idempotency key, and where it is and is not.

use oauth_clients::pb::v1::EnableOAuthClientRequest;
use reqwest::Method;
use serde_json::json;
use tonic::Request;
use uuid::Uuid;

use super::{
    etags::about,
    retries::{new_key, with_key},
};
use crate::support::{
    Answer, Refused, TestServer, Transport,
    caller::method,
    http::COLLECTION,
    samples::{spa, web},
};

on_each_database![
    anything_but_a_uuid_of_version_4_or_7_is_an_invalid_field,
    a_uuid_of_version_4_is_a_key_too,
    a_header_with_different_values_is_refused,
    the_key_is_neither_a_parameter_nor_a_member,
    on_grpc_the_metadata_fills_the_field,
    a_request_without_a_key_is_not_kept,
];

#[test]
fn every_method_that_changes_has_a_key() {
    for (rpc, changes) in [
        ("CreateOAuthClient", true),
        ("PatchOAuthClient", true),
        ("DeleteOAuthClient", true),
        ("CreateClientSecret", true),
        ("DeleteClientSecret", true),
        ("DisableOAuthClient", true),
        ("EnableOAuthClient", true),
        ("GetOAuthClient", false),
        ("ListOAuthClients", false),
    ] {
        let message = method(rpc).descriptor.input();
        assert_eq!(
            message.get_field_by_name("request_id").is_some(),
            changes,
            "{rpc}"
        );
    }
}

async fn anything_but_a_uuid_of_version_4_or_7_is_an_invalid_field(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    admin.create_secret(Transport::Rest, &id).await.unwrap();
    let stored = admin.stored(&id).await;
    for (rpc, request) in [
        ("CreateOAuthClient", web()),
        ("PatchOAuthClient", json!({"operations": []})),
        ("CreateClientSecret", json!({})),
        ("DeleteClientSecret", json!({"hint": "HINT"})),
        ("DisableOAuthClient", json!({"reason": "misused"})),
        ("EnableOAuthClient", json!({})),
        ("DeleteOAuthClient", json!({"confirmDelete": "ID"})),
    ] {
        let request = if rpc == "CreateOAuthClient" {
            request
        } else {
            about(request, &id, &stored)
        };
        for key in [
            "",
            "\"\"",
            "x",
            "3f2504e04f8941d39a0c0305e82c3301",
            "{3f2504e0-4f89-41d3-9a0c-0305e82c3301}",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "3f2504e0-4f89-41d3-9a0c-0305e82c3301, 3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        ] {
            for &transport in Transport::of(rpc) {
                let refused = admin.call(transport, rpc, with_key(request.clone(), key)).await;
                let refused = refused.expect_err(rpc);
                assert_eq!(
                    refused.fields(),
                    [("INVALID_FIELD", "requestId")],
                    "{rpc} {key} {transport:?}"
                );
            }
        }
    }
    assert_eq!(admin.stored(&id).await, stored);
}

async fn a_uuid_of_version_4_is_a_key_too(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let key = uuid::Builder::from_random_bytes(*Uuid::now_v7().as_bytes()).into_uuid();
        assert_eq!(key.get_version_num(), 4);
        let request = with_key(web(), &key.to_string());
        let first = admin.call(transport, "CreateOAuthClient", request.clone()).await;
        assert_eq!(admin.call(transport, "CreateOAuthClient", request).await, first);
    }
}

async fn a_header_with_different_values_is_refused(server: TestServer) {
    let admin = server.admin();
    let (one, two) = (new_key(), new_key());
    for (values, status) in [
        ([one.clone(), one.clone()], 201),
        ([one.clone(), two], 400),
        ([one.clone(), format!("\"{one}\"")], 400),
    ] {
        let mut request = admin.request(Method::POST, COLLECTION).json(&spa());
        for value in &values {
            request = request.header("idempotency-key", value);
        }
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{values:?}");
        if status == 400 {
            assert_eq!(answer.refused().fields(), [("INVALID_FIELD", "idempotency-key")]);
        }
    }
}

async fn the_key_is_neither_a_parameter_nor_a_member(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let stored = admin.stored(&id).await;
    for name in ["requestId", "request_id", "idempotencyKey", "idempotency-key"] {
        let mut member = web();
        member[name] = new_key().into();
        let answer = admin.http_post(COLLECTION, member.to_string()).await;
        assert_eq!(answer.refused().codes(), ["UNKNOWN_FIELD"], "{name}");
        let url = format!("{COLLECTION}/{id}/client-secrets?{name}={}", new_key());
        let answer = admin.http_post(&url, "").await;
        assert_eq!(answer.refused().codes(), ["UNKNOWN_FIELD"], "{name}");
    }
    assert_eq!(admin.stored(&id).await, stored);
}

async fn on_grpc_the_metadata_fills_the_field(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let (one, two) = (new_key(), new_key());
    let enable = async |field: Option<&str>, metadata: Option<&str>| {
        let mut request = Request::new(EnableOAuthClientRequest {
            client_id: id.clone(),
            request_id: field.map(str::to_owned),
            ..EnableOAuthClientRequest::default()
        });
        if let Some(key) = metadata {
            request
                .metadata_mut()
                .insert("idempotency-key", key.parse().unwrap());
        }
        let enabled = admin.grpc().enable_o_auth_client(request).await;
        enabled.map(tonic::Response::into_inner).map_err(Refused::from)
    };
    let first = enable(Some(&one), None).await;
    assert!(first.is_ok());
    admin.disable(&id, "misused").await.unwrap();
    for (field, metadata) in [
        (None, Some(one.clone())),
        (None, Some(format!("\"{one}\""))),
        (Some(one.as_str()), Some(one.clone())),
    ] {
        assert_eq!(enable(field, metadata.as_deref()).await, first);
    }
    let differing = enable(Some(&one), Some(&two)).await.unwrap_err();
    assert_eq!(differing.fields(), [("INVALID_FIELD", "requestId")]);
    assert_ne!(enable(None, Some(&two)).await, first);
}

async fn a_request_without_a_key_is_not_kept(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    admin.create_secret(Transport::Rest, &id).await.unwrap();
    assert_eq!(server.db.number("SELECT count(*) FROM kept_responses").await, 0);
    let request = with_key(json!({"clientId": id}), &new_key());
    admin
        .call(Transport::Rest, "CreateClientSecret", request)
        .await
        .unwrap();
    assert_eq!(server.db.number("SELECT count(*) FROM kept_responses").await, 1);
}
