//! Compressed requests: gzip on gRPC, nothing on REST. The size limit holds for what comes out.

use std::io::Read as _;

use flate2::{Compression, write::GzEncoder};
use oauth_clients::pb::v1::{
    CreateOAuthClientRequest, DeleteOAuthClientRequest, ListOAuthClientsRequest,
    o_auth_client_service_client::OAuthClientServiceClient,
};
use prost::Message as _;
use reqwest::Method;
use tonic::{Code, Request, codec::CompressionEncoding};
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, Refused, TestServer,
    framed::{self, DELETE, Framed, frame, gzip, gzipped, plain},
    http::COLLECTION,
    samples::spa,
};

on_each_database![
    a_content_encoding_on_rest_is_refused,
    identity_is_no_encoding,
    a_transfer_coding_other_than_chunked_is_refused,
    a_gzipped_request_is_served_and_its_response_gzipped,
    a_response_to_a_plain_request_is_plain,
    metadata_confirms_a_gzipped_deletion,
    an_unknown_encoding_is_unimplemented_and_told_what_is_known,
    a_gzipped_message_is_limited_by_what_comes_out,
    a_damaged_gzipped_message_is_an_invalid_field,
    health_and_reflection_accept_gzip,
];

async fn post(server: &TestServer, encodings: &[&str], body: Vec<u8>) -> Answer {
    let request = server.admin().request(Method::POST, COLLECTION);
    let request = encodings.iter().fold(request, |request, value| {
        request.header("content-encoding", *value)
    });
    Answer::to(request.body(body)).await
}

async fn a_content_encoding_on_rest_is_refused(server: TestServer) {
    let json = spa().to_string().into_bytes();
    let cases: [(&[&str], Vec<u8>); 9] = [
        (&["gzip"], gzip(&json)),
        (&["gzip"], json.clone()),
        (&["GZIP"], json.clone()),
        (&["br"], json.clone()),
        (&["identity, gzip"], json.clone()),
        (&["gzip, identity"], json.clone()),
        (&["identity", "gzip"], json.clone()),
        (&["identityx"], json.clone()),
        (&["gzip"], Vec::new()),
    ];
    for (encodings, body) in cases {
        let answer = post(&server, encodings, body).await;
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (415, vec!["UNSUPPORTED_CONTENT_ENCODING"]),
            "{encodings:?}"
        );
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    // Whatever the method, and before its body is read.
    let id = server.admin().created(spa()).await;
    let path = format!("{COLLECTION}/{id}");
    for (method, body) in [(Method::PATCH, "["), (Method::DELETE, ""), (Method::GET, "")] {
        let request = server
            .admin()
            .request(method, &path)
            .header("content-encoding", "gzip");
        assert_eq!(
            Answer::to(request.body(body)).await.refused().codes(),
            ["UNSUPPORTED_CONTENT_ENCODING"]
        );
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth_clients").await, 1);
}

async fn identity_is_no_encoding(server: TestServer) {
    let cases: [&[&str]; 6] = [
        &["identity"],
        &["Identity"],
        &["identity, identity"],
        &["identity", "identity"],
        &[""],
        &[" identity ,"],
    ];
    for encodings in cases {
        let answer = post(&server, encodings, spa().to_string().into_bytes()).await;
        assert_eq!(answer.status, 201, "{encodings:?}");
    }
}

async fn a_transfer_coding_other_than_chunked_is_refused(server: TestServer) {
    let authorized = format!("authorization: Bearer {}\r\n", server.admin().token.unwrap());
    let body = spa().to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (coding, status) in [("chunked", 201), ("Chunked", 201), ("gzip, chunked", 415)] {
        let request = format!(
            "POST {COLLECTION} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{authorized}transfer-encoding: {coding}\r\n\r\n{chunked}"
        );
        let (got, answer) = crate::support::raw::send(server.rest_addr, request.as_bytes()).await;
        assert_eq!(got, status, "{coding}: {answer}");
    }
}

fn client(description: String) -> Vec<u8> {
    let client = CreateOAuthClientRequest {
        app_type: "spa".to_owned(),
        client_name: "x".to_owned(),
        description: Some(description),
        ..CreateOAuthClientRequest::default()
    };
    client.encode_to_vec()
}

/// Sends a compressed request to create a client.
async fn create(server: &TestServer, headers: &[(&str, &str)], body: Vec<u8>) -> Framed {
    framed::send(server, framed::create(server), headers, body).await
}

const GZIP: [(&str, &str); 2] = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip")];

async fn a_gzipped_request_is_served_and_its_response_gzipped(server: TestServer) {
    let description = "y".repeat(2_000);
    let message = client(description.clone());
    assert!(gzip(&message).len() < 200);
    let answer = create(&server, &GZIP, gzipped(&message)).await;
    assert_eq!(answer.grpc.unwrap().code(), Code::Ok);
    assert_eq!(answer.headers["grpc-encoding"], "gzip");
    assert_eq!(answer.body[0], 1);
    assert!(answer.body.len() < 500, "{}", answer.body.len());
    // A caller that sends gzip and does not accept it gets a plain response.
    let answer = create(&server, &GZIP[..1], gzipped(&message)).await;
    assert_eq!(answer.grpc.unwrap().code(), Code::Ok);
    assert_eq!((answer.headers.get("grpc-encoding"), answer.body[0]), (None, 0));
    // A message may be plain though its encoding is gzip.
    let answer = create(&server, &GZIP, plain(&message)).await;
    assert_eq!(answer.grpc.unwrap().code(), Code::Ok);
    // A generated client.
    let token = format!("Bearer {}", server.admin().token.unwrap());
    let mut generated = OAuthClientServiceClient::new(server.transports.channel.clone())
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let mut request = Request::new(ListOAuthClientsRequest::default());
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let list = generated.list_o_auth_clients(request).await.unwrap();
    assert_eq!(list.metadata().get("grpc-encoding").unwrap(), "gzip");
    let described = list.get_ref().data.iter();
    assert_eq!(
        described
            .filter(|client| client.description.as_ref() == Some(&description))
            .count(),
        3
    );
}

async fn a_response_to_a_plain_request_is_plain(server: TestServer) {
    // Clients in Java and C announce gzip with every request.
    for encoding in [None, Some(("grpc-encoding", "identity"))] {
        let headers: Vec<_> = encoding.into_iter().chain([GZIP[1]]).collect();
        let answer = create(&server, &headers, plain(&client("y".repeat(2_000)))).await;
        assert_eq!(answer.grpc.unwrap().code(), Code::Ok);
        assert_eq!((answer.headers.get("grpc-encoding"), answer.body[0]), (None, 0));
    }
}

async fn metadata_confirms_a_gzipped_deletion(server: TestServer) {
    let id = server.admin().created(spa()).await;
    let delete = async |field: &str, metadata: &str| {
        let message = DeleteOAuthClientRequest {
            client_id: id.clone(),
            confirm_delete: field.to_owned(),
            ..DeleteOAuthClientRequest::default()
        };
        let headers = [GZIP[0], GZIP[1], ("qlik-confirm-delete", metadata)];
        let body = gzipped(&message.encode_to_vec());
        let answer = framed::send(&server, framed::post(&server, DELETE), &headers, body).await;
        answer.grpc.unwrap()
    };
    for (field, metadata) in [("", "x"), (id.as_str(), "x"), ("x", &id)] {
        let refused = Refused::from(delete(field, metadata).await);
        assert_eq!(refused.codes(), ["DELETE_NOT_CONFIRMED"]);
    }
    server.admin().stored(&id).await;
    assert_eq!(delete("", &id).await.code(), Code::Ok);
}

async fn an_unknown_encoding_is_unimplemented_and_told_what_is_known(server: TestServer) {
    let message = client("y".to_owned());
    let delete = DeleteOAuthClientRequest::default().encode_to_vec();
    let cases: [&[(&str, &str)]; 5] = [
        &[("grpc-encoding", "snappy")],
        &[("grpc-encoding", "deflate")],
        &[("grpc-encoding", "gzip, gzip")],
        &[("grpc-encoding", "gzip"), ("grpc-encoding", "identity")],
        &[("grpc-encoding", "identity"), ("grpc-encoding", "gzip")],
    ];
    for headers in cases {
        let confirmed = [headers, &[("qlik-confirm-delete", "x")]].concat();
        for answer in [
            create(&server, headers, gzipped(&message)).await,
            framed::send(
                &server,
                framed::post(&server, DELETE),
                &confirmed,
                gzipped(&delete),
            )
            .await,
        ] {
            assert_eq!(answer.headers["grpc-accept-encoding"], "gzip,identity");
            let status = answer.grpc.unwrap();
            assert_eq!(status.code(), Code::Unimplemented, "{headers:?}");
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, "UNSUPPORTED_CONTENT_ENCODING");
            assert_eq!(info.domain, "oauth-clients");
        }
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth_clients").await, 0);
    let twice = [GZIP[0], GZIP[0]];
    let answer = create(&server, &twice, gzipped(&message)).await;
    assert_eq!(answer.grpc.unwrap().code(), Code::Ok);
}

async fn a_gzipped_message_is_limited_by_what_comes_out(server: TestServer) {
    let mib = |size: usize| client("y".repeat(size << 20));
    let mut bomb = GzEncoder::new(Vec::new(), Compression::default());
    std::io::copy(&mut std::io::repeat(0).take(200 << 20), &mut bomb).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let bomb = frame(1, u32::try_from(bomb.len()).unwrap(), &bomb);
    for body in [gzipped(&mib(1)), gzipped(&mib(10)), bomb] {
        for confirmed in [None, Some(("qlik-confirm-delete", "x"))] {
            let headers: Vec<_> = GZIP.into_iter().chain(confirmed).collect();
            // The path with metadata in it reads the message too.
            let path = if confirmed.is_some() {
                DELETE
            } else {
                framed::CREATE
            };
            let before = peak_memory();
            let answer = framed::send(&server, framed::post(&server, path), &headers, body.clone()).await;
            let refused = Refused::from(answer.grpc.unwrap());
            assert_eq!(refused.codes(), ["BODY_TOO_LARGE"]);
            let grown = peak_memory().saturating_sub(before);
            assert!(grown < 100 << 20, "{grown} bytes");
        }
    }
    let invalid = create(&server, &GZIP, gzipped(&client("y".repeat((1 << 20) - 100)))).await;
    assert_eq!(
        Refused::from(invalid.grpc.unwrap()).fields(),
        [("INVALID_FIELD", "description")]
    );
}

/// Returns the most memory that this process, and so the server, has had, or 0 where that is not known.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.map_or(0, |kib| kib.trim().parse::<usize>().unwrap() * 1_024)
}

async fn a_damaged_gzipped_message_is_an_invalid_field(server: TestServer) {
    let message = client("y".to_owned());
    let whole = gzip(&message);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let cut = &whole[..whole.len() / 2];
    let mut damaged = whole.clone();
    let end = damaged.len() - 5;
    damaged[end] ^= 0xFF;
    for (headers, body) in [
        (&GZIP[..], frame(1, length(cut), cut)),
        (&GZIP, frame(1, length(&damaged), &damaged)),
        (&GZIP, frame(1, length(&message), &message)),
        // Compressed, though nothing says with what.
        (&[], gzipped(&message)),
        (&[("grpc-encoding", "identity")], gzipped(&message)),
    ] {
        let answer = create(&server, headers, body).await;
        let refused = Refused::from(answer.grpc.unwrap());
        assert_eq!(refused.codes(), ["INVALID_FIELD"], "{headers:?}");
    }
}

async fn health_and_reflection_accept_gzip(server: TestServer) {
    // A request for the list of services.
    let list_services = b"\x3A\x01*";
    for (path, message) in [
        ("/grpc.health.v1.Health/Check", &b""[..]),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            list_services,
        ),
        (
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            list_services,
        ),
    ] {
        let call = async |body| framed::send(&server, framed::post(&server, path), &GZIP, body).await;
        let answer = call(gzipped(message)).await;
        let code = answer.grpc.as_ref().map(tonic::Status::code);
        assert_eq!(code, Some(Code::Ok), "{path} {answer:?}");
        assert_eq!(
            (&answer.headers["grpc-encoding"], answer.body[0]),
            (&GZIP[0].1.parse().unwrap(), 1)
        );
        // The limit is that of the other methods. Reflection ends its stream without a word.
        let large = call(gzipped(&vec![0x0A; 2 << 20])).await;
        let reason = large
            .grpc
            .unwrap()
            .get_details_error_info()
            .map(|info| info.reason);
        let expected = path.contains("Health").then(|| "BODY_TOO_LARGE".to_owned());
        assert_eq!((reason, &*large.body), (expected, &b""[..]), "{path}");
    }
}
