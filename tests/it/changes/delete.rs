//! `DeleteOAuthClient`.

use serde_json::json;
use tonic::Request;

use oauth_clients::pb::v1::DeleteOAuthClientRequest;

use crate::support::{
    Answer, Refused, TestServer, Transport,
    http::COLLECTION,
    samples::{spa, web},
};

on_each_database![
    deleting_must_be_confirmed_with_the_id,
    the_confirmation_is_checked_before_the_client,
    the_confirmation_is_a_header_on_rest_and_never_a_parameter,
    on_grpc_metadata_confirms_if_the_field_is_empty,
    no_method_finds_a_deleted_client,
    deleting_destroys_the_secrets,
];

const UNKNOWN: &str = "01935e8c7c00700080000000000000ab";

async fn deleting_must_be_confirmed_with_the_id(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let id = admin.created(spa()).await;
        let before = admin.stored(&id).await;
        for confirm in ["", "yes", UNKNOWN, &id.to_uppercase(), &format!("{id} {id}")] {
            let refused = admin.delete(transport, &id, confirm).await.unwrap_err();
            assert_eq!(refused.codes(), ["DELETE_NOT_CONFIRMED"], "{confirm:?}");
        }
        assert_eq!(admin.stored(&id).await, before);
        assert_eq!(admin.delete(transport, &id, &id).await, Ok(json!({})));
    }
}

async fn the_confirmation_is_checked_before_the_client(server: TestServer) {
    for transport in Transport::BOTH {
        let refused = server.admin().delete(transport, UNKNOWN, "").await.unwrap_err();
        assert_eq!(refused.codes(), ["DELETE_NOT_CONFIRMED"]);
        let refused = server
            .admin()
            .delete(transport, UNKNOWN, UNKNOWN)
            .await
            .unwrap_err();
        assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"]);
    }
}

async fn the_confirmation_is_a_header_on_rest_and_never_a_parameter(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    for parameter in ["confirmDelete", "confirm_delete", "qlik-confirm-delete"] {
        let path = format!("{COLLECTION}/{id}?{parameter}={id}");
        let request = admin.request(reqwest::Method::DELETE, &path);
        let refused = Answer::to(request.header("qlik-confirm-delete", &id))
            .await
            .refused();
        assert_eq!(refused.fields(), [("UNKNOWN_FIELD", parameter)]);
    }
    let request = admin.request(reqwest::Method::DELETE, &format!("{COLLECTION}/{id}"));
    let answer = Answer::to(request.header("Qlik-Confirm-Delete", &id)).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

async fn on_grpc_metadata_confirms_if_the_field_is_empty(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let request = |field: &str, metadata: &str| {
        let mut request = Request::new(DeleteOAuthClientRequest {
            client_id: id.clone(),
            confirm_delete: field.to_owned(),
            ..DeleteOAuthClientRequest::default()
        });
        request
            .metadata_mut()
            .insert("qlik-confirm-delete", metadata.parse().unwrap());
        request
    };
    for (field, metadata) in [("", UNKNOWN), (UNKNOWN, id.as_str())] {
        let status = admin
            .grpc()
            .delete_o_auth_client(request(field, metadata))
            .await
            .unwrap_err();
        assert_eq!(Refused::from(status).codes(), ["DELETE_NOT_CONFIRMED"]);
    }
    admin.grpc().delete_o_auth_client(request("", &id)).await.unwrap();
    assert_eq!(
        admin.get(Transport::Grpc, &id).await.unwrap_err().codes(),
        ["CLIENT_NOT_FOUND"]
    );
}

async fn no_method_finds_a_deleted_client(server: TestServer) {
    let admin = server.admin();
    let kept = admin.created(spa()).await;
    let created = admin.create(Transport::Rest, web()).await;
    let id = created["clientId"].as_str().unwrap();
    let hint = created["clientSecrets"][0]["hint"].as_str().unwrap();
    admin.delete(Transport::Rest, id, id).await.unwrap();
    let name = json!([{"op": "add", "path": "/clientName", "value": "back again"}]);
    for transport in Transport::BOTH {
        for outcome in [
            admin.get(transport, id).await,
            admin.patch(transport, id, name.clone()).await,
            admin.patch(transport, id, json!([])).await,
            admin.delete(transport, id, id).await,
            admin.create_secret(transport, id).await,
            admin.delete_secret(transport, id, hint).await,
        ] {
            assert_eq!(outcome.unwrap_err().codes(), ["CLIENT_NOT_FOUND"]);
        }
        let list = admin.list(transport, json!({})).await.unwrap();
        let ids: Vec<&str> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["clientId"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [&kept]);
    }
}

async fn deleting_destroys_the_secrets(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    admin.create_secret(Transport::Rest, &id).await.unwrap();
    assert_eq!(
        server
            .db
            .number("SELECT count(*) FROM oauth_client_secrets")
            .await,
        2
    );
    admin.delete(Transport::Rest, &id, &id).await.unwrap();
    assert_eq!(
        server
            .db
            .number("SELECT count(*) FROM oauth_client_secrets")
            .await,
        0
    );
    let deleted =
        "SELECT count(*) FROM oauth_clients WHERE deleted_at IS NOT NULL AND deleted_at = updated_at";
    assert_eq!(server.db.number(deleted).await, 1);
}
