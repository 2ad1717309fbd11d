//! Any malformed request gets the documented error: never a 500, never a closed connection.

use oauth_clients::pb::v1::CreateOAuthClientRequest;
use prost::Message as _;
use serde_json::json;

use crate::support::{
    Answer, Refused, TestServer, Transport,
    framed::{self, CREATE, frame},
    http::COLLECTION,
    raw,
    samples::{spa, with},
};

on_each_database![
    a_body_that_is_not_json_is_malformed,
    a_body_over_a_mebibyte_is_too_large_and_the_response_arrives,
    other_media_types_are_not_supported,
    an_empty_body_is_an_empty_object,
    a_field_of_the_path_or_a_header_is_no_parameter,
    a_malformed_id_is_not_found,
    a_grpc_message_that_cannot_be_decoded_is_an_invalid_field,
    a_grpc_message_over_a_mebibyte_is_too_large,
    a_text_with_nul_is_refused,
];

async fn a_body_that_is_not_json_is_malformed(server: TestServer) {
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    let deep_member = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 13] = [
        b" ",
        b"{",
        b"{\"appType\":\"web\",}",
        b"{\"appType\":\"web\"} x",
        b"{'appType':'web'}",
        b"\xEF\xBB\xBF{\"appType\":\"web\",\"clientName\":\"x\"}",
        b"{\"appType\":\"web\",\"clientName\":\"\xFF\"}",
        b"{\"appType\":\"web\",\"clientName\":\"\\ud800\"}",
        b"{\"appType\":\"web\",\"clientName\":\"x\",\"clientName\":\"y\"}",
        b"{\"appType\":\"web\",\"clientName\":\"x\",\"connectionConfig\":{\"consentMethod\":\"trusted\",\"consentMethod\":\"trusted\"}}",
        b"\0",
        &deep,
        deep_member.as_bytes(),
    ];
    for body in bodies {
        let answer = server.admin().http_post(COLLECTION, body.to_vec()).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (400, vec!["MALFORMED_JSON"]),
            "{shown}"
        );
    }
    let answer = server
        .admin()
        .http_patch("01935e8c7c00700080000000000000ab", "")
        .await;
    assert_eq!(answer.refused().codes(), ["MALFORMED_JSON"]);
    let duplicate = r#"[{"op": "add", "path": "/clientName", "path": "/description", "value": "x"}]"#;
    let answer = server
        .admin()
        .http_patch("01935e8c7c00700080000000000000ab", duplicate)
        .await;
    assert_eq!(answer.refused().codes(), ["MALFORMED_JSON"]);
}

async fn a_body_over_a_mebibyte_is_too_large_and_the_response_arrives(server: TestServer) {
    let body = vec![b' '; 10 << 20];
    let authorized = format!("authorization: Bearer {}\r\n", server.admin().token.unwrap());
    for (headers, status, code) in [
        (authorized.as_str(), 413, "BODY_TOO_LARGE"),
        ("", 401, "TOKEN_MISSING"),
        ("authorization: Bearer x\r\n", 401, "TOKEN_INVALID"),
    ] {
        let (got, answer) = raw::send(server.rest_addr, &raw::post(COLLECTION, headers, &body)).await;
        assert_eq!(got, status);
        assert!(answer.contains(code), "{answer}");
    }
    let (got, _) = raw::send(server.rest_addr, &raw::post("/nothing", "", &body)).await;
    assert_eq!(got, 404);
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    let chunked = format!(
        "POST {COLLECTION} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{authorized}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(10)
    );
    let (got, answer) = raw::send(server.rest_addr, chunked.as_bytes()).await;
    assert_eq!(got, 413, "{answer}");
    let just_fits = format!("{}{}", " ".repeat((1 << 20) - spa().to_string().len()), spa());
    assert_eq!(server.admin().http_post(COLLECTION, just_fits).await.status, 201);
}

async fn other_media_types_are_not_supported(server: TestServer) {
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/merge-patch+json",
        "json",
        "x",
    ] {
        let request = server.admin().request(reqwest::Method::POST, COLLECTION);
        let answer = Answer::to(request.header("content-type", media_type).body(spa().to_string())).await;
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (415, vec!["UNSUPPORTED_MEDIA_TYPE"]),
            "{media_type}"
        );
    }
}

async fn an_empty_body_is_an_empty_object(server: TestServer) {
    for media_type in [None, Some("application/json"), Some("text/plain")] {
        let request = server.admin().request(reqwest::Method::POST, COLLECTION);
        let request = match media_type {
            Some(media_type) => request.header("content-type", media_type),
            None => request,
        };
        let empty = Answer::to(request.body("")).await.refused();
        let object = server.admin().http_post(COLLECTION, "{}").await.refused();
        assert_eq!(empty, object, "{media_type:?}");
        assert_eq!(empty.codes()[0], "INVALID_FIELD");
    }
}

async fn a_field_of_the_path_or_a_header_is_no_parameter(server: TestServer) {
    let id = server.admin().created(spa()).await;
    for (method, parameter) in [
        (reqwest::Method::GET, "clientId"),
        (reqwest::Method::GET, "client_id"),
        (reqwest::Method::PATCH, "clientId"),
        (reqwest::Method::DELETE, "confirmDelete"),
    ] {
        let path = format!("{COLLECTION}/{id}?{parameter}={id}");
        let request = server
            .admin()
            .request(method, &path)
            .header("qlik-confirm-delete", &id);
        assert_eq!(
            Answer::to(request.body("[]")).await.refused().fields(),
            [("UNKNOWN_FIELD", parameter)]
        );
    }
}

async fn a_malformed_id_is_not_found(server: TestServer) {
    let paths = [
        "x",
        "%00",
        "%FF",
        "..%2f",
        "%2e%2e",
        "01935E8C7C00700080000000000000AB",
        "'%20OR%20'1'='1",
        "a%2Fb",
        "%C3%A9",
    ];
    for path in paths {
        let path = format!("{COLLECTION}/{path}");
        let (status, answer) = raw::send(
            server.rest_addr,
            format!(
                "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
                server.admin().token.unwrap()
            )
            .as_bytes(),
        )
        .await;
        assert_eq!(status, 404, "{path}: {answer}");
    }
    for id in ["", "\0", "é", &"a".repeat(100_000)] {
        let refused = server.admin().get(Transport::Grpc, id).await.unwrap_err();
        assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"]);
    }
}

/// Sends a gRPC request with these bytes as its body, framing included.
async fn call_framed(server: &TestServer, body: Vec<u8>) -> Refused {
    let answer = framed::send(server, framed::create(server), &[], body).await;
    Refused::from(answer.grpc.expect("a status"))
}

async fn a_grpc_message_that_cannot_be_decoded_is_an_invalid_field(server: TestServer) {
    let messages: [&[u8]; 4] = [
        b"\xFF\xFF\xFF\xFF",
        // A field of 100 bytes that are missing.
        b"\x0A\x64web",
        // A name that is not UTF-8.
        b"\x0A\x01\xFF",
        // A field of the wrong wire type.
        b"\x08\x01",
    ];
    for message in messages {
        let status = server
            .admin()
            .call_bytes(CREATE, message.to_vec())
            .await
            .unwrap_err();
        assert_eq!(Refused::from(status).codes(), ["INVALID_FIELD"], "{message:?}");
    }
    let good = CreateOAuthClientRequest::default().encode_to_vec();
    for body in [
        frame(0, 100, &good),
        frame(2, 0, b""),
        frame(0, 0, b"")[..3].to_vec(),
        Vec::new(),
    ] {
        assert_eq!(
            call_framed(&server, body.clone()).await.codes(),
            ["INVALID_FIELD"],
            "{body:?}"
        );
    }
}

async fn a_grpc_message_over_a_mebibyte_is_too_large(server: TestServer) {
    let large = with(spa(), json!({"description": "x".repeat(2 << 20)}));
    let refused = server
        .admin()
        .call(Transport::Grpc, "CreateOAuthClient", large)
        .await
        .unwrap_err();
    assert_eq!(refused.codes(), ["BODY_TOO_LARGE"]);
    assert_eq!(
        call_framed(&server, frame(0, u32::MAX, b"x")).await.codes(),
        ["BODY_TOO_LARGE"]
    );
}

async fn a_text_with_nul_is_refused(server: TestServer) {
    for member in ["clientName", "description", "logoUri", "clientUri"] {
        for transport in Transport::BOTH {
            let client = with(spa(), json!({member: "a\u{0}b"}));
            let refused = server
                .admin()
                .call(transport, "CreateOAuthClient", client)
                .await
                .unwrap_err();
            assert!(
                refused.fields().contains(&("INVALID_FIELD", member)),
                "{member}: {refused:?}"
            );
        }
    }
    let key = json!({"kid": "a\u{0}", "kty": "RSA", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB", "crv": "\u{0}"});
    for transport in Transport::BOTH {
        let client = json!({"appType": "web", "clientName": "x", "publicKeys": [key]});
        let outcome = server.admin().call(transport, "CreateOAuthClient", client).await;
        match outcome {
            Ok(client) => assert_eq!(client["publicKeys"][0], key),
            Err(refused) => assert_eq!(refused.codes()[0], "INVALID_FIELD"),
        }
    }
}
