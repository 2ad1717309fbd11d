//! A request in another protocol on the gRPC port is an HTTP error before anything runs.

use http::Method;

use crate::support::{
    TestServer,
    framed::{self, CREATE, plain},
};

on_each_database![
    another_content_type_is_415_before_anything_runs,
    the_content_types_of_grpc_are_served,
    another_http_method_is_405_before_anything_runs,
];

const LIST: &str = "/oauth_clients.v1.OAuthClientService/ListOAuthClients";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/// A client that a handler would create.
const CLIENT: &[u8] = b"\x0A\x03spa\x12\x01x";

async fn clients(server: &TestServer) -> i64 {
    server.db.number("SELECT count(*) FROM oauth_clients").await
}

async fn another_content_type_is_415_before_anything_runs(server: TestServer) {
    let token = format!("Bearer {}", server.admin().token.unwrap());
    let content_types = [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc+json",
        "application/grpcx",
        "application/connect+proto",
        "application/proto",
        "application/json",
        "application/x-protobuf",
        "text/plain",
        "application/grpc, application/grpc",
        "",
    ];
    for content_type in content_types.map(Some).into_iter().chain([None]) {
        // Without a token, the content type is refused too.
        for token in [Some(&token), None] {
            for path in [CREATE, LIST, HEALTH, REFLECTION, "/a.Service/Method", "/"] {
                let headers: Vec<_> = content_type
                    .map(|value| ("content-type", value))
                    .into_iter()
                    .chain(token.map(|value| ("authorization", value.as_str())))
                    .collect();
                let request = framed::request(&server, "POST", path);
                let answer = framed::send(&server, request, &headers, plain(CLIENT)).await;
                assert_eq!(answer.status, 415, "{content_type:?} {path} {answer:?}");
                assert!(answer.grpc.is_none(), "{content_type:?} {path} {answer:?}");
                assert!(answer.headers.contains_key("x-request-id"));
                assert_eq!(
                    answer.body,
                    "this is gRPC: the content type must be application/grpc or application/grpc+proto\n"
                );
            }
        }
    }
    assert_eq!(clients(&server).await, 0);
}

async fn the_content_types_of_grpc_are_served(server: TestServer) {
    let token = format!("Bearer {}", server.admin().token.unwrap());
    let content_types = [
        "application/grpc",
        "application/grpc+proto",
        "Application/GRPC",
        "application/grpc;charset=utf-8",
        "application/grpc+proto ; a=b",
    ];
    for content_type in content_types {
        let headers = [("content-type", content_type), ("authorization", &token)];
        let request = framed::request(&server, "POST", CREATE);
        let answer = framed::send(&server, request, &headers, plain(CLIENT)).await;
        assert_eq!(answer.status, 200);
        let code = answer.grpc.map(|status| status.code());
        assert_eq!(code, Some(tonic::Code::Ok), "{content_type}");
    }
    assert_eq!(clients(&server).await, 5);
}

async fn another_http_method_is_405_before_anything_runs(server: TestServer) {
    let token = format!("Bearer {}", server.admin().token.unwrap());
    let headers = [("content-type", "application/grpc"), ("authorization", &token)];
    for method in [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        for path in [CREATE, HEALTH, "/a.Service/Method"] {
            let request = framed::request(&server, method.as_str(), path);
            let answer = framed::send(&server, request, &headers, plain(CLIENT)).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.headers["allow"], "POST");
            assert!(answer.grpc.is_none(), "{method} {answer:?}");
        }
    }
    assert_eq!(clients(&server).await, 0);
}
