//! A header that should be single may be repeated only with the same value: no two readers must disagree about a request.

use oauth_clients::pb::v1::{CreateOAuthClientRequest, DeleteOAuthClientRequest};
use prost::Message as _;
use reqwest::Method;

use crate::support::{
    Answer, Refused, TestServer, Transport,
    framed::{self, DELETE},
    http::COLLECTION,
    samples::spa,
};

on_each_database![
    differing_values_of_a_header_are_refused_with_its_own_reason,
    equal_values_of_a_header_are_accepted,
    a_confirmation_in_differing_headers_deletes_nothing,
    a_confirmation_in_the_message_and_the_metadata_must_agree,
    differing_request_ids_are_replaced,
];

const UNKNOWN: &str = "01935e8c7c00700080000000000000ab";

fn create_message() -> Vec<u8> {
    let request = CreateOAuthClientRequest {
        app_type: "spa".to_owned(),
        client_name: "x".to_owned(),
        ..CreateOAuthClientRequest::default()
    };
    request.encode_to_vec()
}

/// Creates a client with these headers beside the ordinary ones, and returns the reason of the error.
async fn create(server: &TestServer, transport: Transport, headers: &[(&str, &str)]) -> Option<String> {
    match transport {
        Transport::Rest => {
            let request = server.admin().request(Method::POST, COLLECTION);
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = Answer::to(request.body(spa().to_string())).await;
            (answer.status != 201).then(|| answer.refused().codes()[0].to_owned())
        }
        Transport::Grpc => {
            let body = framed::plain(&create_message());
            let answer = framed::send(server, framed::create(server), headers, body).await;
            if answer.status != 200 {
                return Some(answer.status.as_u16().to_string());
            }
            let status = answer.grpc.expect("a status");
            (status.code() != tonic::Code::Ok).then(|| Refused::from(status).codes()[0].to_owned())
        }
    }
}

async fn differing_values_of_a_header_are_refused_with_its_own_reason(server: TestServer) {
    let other = format!("Bearer {}", server.token("acme", "other", "oauth-clients:write"));
    let json = [
        ("content-type", "application/json"),
        ("content-type", "application/json-patch+json"),
    ];
    let rest: [(&[(&str, &str)], _); 6] = [
        (&[("authorization", &other)], "TOKEN_INVALID"),
        (&[("authorization", "Basic eDp5")], "TOKEN_INVALID"),
        (&json, "UNSUPPORTED_MEDIA_TYPE"),
        (&[json[1], json[0]], "UNSUPPORTED_MEDIA_TYPE"),
        (&[("grpc-timeout", "5S"), ("grpc-timeout", "6S")], "INVALID_FIELD"),
        (&[("grpc-timeout", "5S"), ("grpc-timeout", "x")], "INVALID_FIELD"),
    ];
    let grpc: [(&[(&str, &str)], _); 4] = [
        (&[("authorization", &other)], "TOKEN_INVALID"),
        (&[("authorization", "Basic eDp5")], "TOKEN_INVALID"),
        (&[("content-type", "application/grpc+proto")], "415"),
        (&[("grpc-timeout", "5S"), ("grpc-timeout", "6S")], "INVALID_FIELD"),
    ];
    for (transport, cases) in [(Transport::Rest, &rest[..]), (Transport::Grpc, &grpc[..])] {
        for (headers, reason) in cases {
            assert_eq!(
                create(&server, transport, headers).await.as_deref(),
                Some(*reason),
                "{transport:?} {headers:?}"
            );
        }
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth_clients").await, 0);
}

async fn equal_values_of_a_header_are_accepted(server: TestServer) {
    let token = format!("Bearer {}", server.token("acme", "admin", "oauth-clients:write"));
    for transport in Transport::BOTH {
        let content_type = match transport {
            Transport::Rest => "application/json",
            Transport::Grpc => "application/grpc",
        };
        let headers = [
            ("content-type", content_type),
            ("content-type", content_type),
            ("grpc-timeout", "5S"),
            ("grpc-timeout", "5S"),
        ];
        assert_eq!(create(&server, transport, &headers).await, None, "{transport:?}");
    }
    let twice = server.caller(None).request(Method::GET, COLLECTION);
    let twice = twice
        .header("authorization", &token)
        .header("authorization", &token);
    // The scope to read is missing, which is known once the token is accepted.
    assert_eq!(Answer::to(twice).await.refused().codes(), ["SCOPE_MISSING"]);
    let twice = framed::request(&server, "POST", DELETE)
        .header("content-type", "application/grpc")
        .header("authorization", &token);
    let answer = framed::send(&server, twice, &[("authorization", &token)], framed::plain(b"")).await;
    assert_eq!(
        Refused::from(answer.grpc.unwrap()).codes(),
        ["DELETE_NOT_CONFIRMED"]
    );
}

/// Deletes a client with these values of the header and this field, and returns the reason of the error.
async fn delete(
    server: &TestServer,
    transport: Transport,
    id: &str,
    field: &str,
    values: &[&str],
) -> Option<String> {
    let headers: Vec<_> = values
        .iter()
        .map(|value| ("qlik-confirm-delete", *value))
        .collect();
    let refused = match transport {
        Transport::Rest => {
            let request = server
                .admin()
                .request(Method::DELETE, &format!("{COLLECTION}/{id}"));
            let request = headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = Answer::to(request).await;
            (answer.status != 204).then(|| answer.refused())
        }
        Transport::Grpc => {
            let message = DeleteOAuthClientRequest {
                client_id: id.to_owned(),
                confirm_delete: field.to_owned(),
                ..DeleteOAuthClientRequest::default()
            };
            let body = framed::plain(&message.encode_to_vec());
            let answer = framed::send(server, framed::post(server, DELETE), &headers, body).await;
            let status = answer.grpc.expect("a status");
            (status.code() != tonic::Code::Ok).then(|| Refused::from(status))
        }
    };
    refused.map(|refused| refused.codes()[0].to_owned())
}

async fn a_confirmation_in_differing_headers_deletes_nothing(server: TestServer) {
    for transport in Transport::BOTH {
        let id = server.admin().created(spa()).await;
        for values in [[&id, UNKNOWN], [UNKNOWN, &id], [&id, ""], ["", &id]] {
            assert_eq!(
                delete(&server, transport, &id, "", &values).await.as_deref(),
                Some("DELETE_NOT_CONFIRMED"),
                "{transport:?} {values:?}"
            );
            server.admin().stored(&id).await;
        }
        assert_eq!(delete(&server, transport, &id, "", &[&id, &id]).await, None);
    }
}

async fn a_confirmation_in_the_message_and_the_metadata_must_agree(server: TestServer) {
    let id = server.admin().created(spa()).await;
    for (field, values) in [
        (id.as_str(), vec![UNKNOWN]),
        (UNKNOWN, vec![id.as_str()]),
        (&id, vec![""]),
        (&id, vec![&id, UNKNOWN]),
        (&id, vec![UNKNOWN, &id]),
    ] {
        assert_eq!(
            delete(&server, Transport::Grpc, &id, field, &values)
                .await
                .as_deref(),
            Some("DELETE_NOT_CONFIRMED"),
            "{field} {values:?}"
        );
        server.admin().stored(&id).await;
    }
    // On REST the header and the metadata that a prefixed header becomes.
    let request = server
        .admin()
        .request(Method::DELETE, &format!("{COLLECTION}/{id}"))
        .header("qlik-confirm-delete", &id)
        .header("grpc-metadata-qlik-confirm-delete", UNKNOWN);
    assert_eq!(
        Answer::to(request).await.refused().codes(),
        ["DELETE_NOT_CONFIRMED"]
    );
    server.admin().stored(&id).await;
    assert_eq!(
        delete(&server, Transport::Grpc, &id, &id, &[&id, &id]).await,
        None
    );
}

async fn differing_request_ids_are_replaced(server: TestServer) {
    for (values, kept) in [(["a", "a"], true), (["a", "b"], false), (["", "b"], false)] {
        let headers = values.map(|value| ("x-request-id", value));
        let rest = headers.iter().fold(
            server.admin().request(Method::GET, COLLECTION),
            |request, (name, value)| request.header(*name, *value),
        );
        let rest = Answer::to(rest).await.header("x-request-id").to_owned();
        let grpc = framed::send(&server, framed::create(&server), &headers, Vec::new()).await;
        let grpc = grpc.headers["x-request-id"].to_str().unwrap().to_owned();
        for id in [rest, grpc] {
            let is_new = uuid::Uuid::parse_str(&id).is_ok();
            assert_eq!((id == "a", is_new), (kept, !kept), "{values:?}: {id}");
        }
    }
}
