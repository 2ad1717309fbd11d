//! Probes, request ids and deadlines.

use http::HeaderMap;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::support::{
    Answer, TestServer, Transport, caller::method, eventually, http::COLLECTION, samples::spa,
};

on_each_database![
    health_of_each_service_needs_no_token,
    healthz_and_readyz_need_no_token,
    a_server_without_its_schema_is_live_but_not_ready,
    every_response_has_a_request_id,
    the_callers_timeout_applies_on_both_transports,
];

async fn serving(server: &TestServer, service: &str) -> Result<ServingStatus, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(server.transports.channel.clone())
        .check(request)
        .await;
    answer
        .map(|answer| answer.into_inner().status())
        .map_err(|status| status.code())
}

const SERVICE: &str = "oauth_clients.v1.OAuthClientService";

async fn health_of_each_service_needs_no_token(server: TestServer) {
    for service in ["", SERVICE, "oauth_clients.v1.ClientAuthenticationService"] {
        assert_eq!(
            serving(&server, service).await,
            Ok(ServingStatus::Serving),
            "{service:?}"
        );
    }
    assert_eq!(
        serving(&server, "oauth_clients.v1.Nothing").await,
        Err(Code::NotFound)
    );
}

async fn healthz_and_readyz_need_no_token(server: TestServer) {
    for path in ["/healthz", "/readyz"] {
        let answer = server.caller(None).http_get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"), "{path}");
    }
}

async fn a_server_without_its_schema_is_live_but_not_ready(server: TestServer) {
    let applied = "DELETE FROM seaql_migrations WHERE version LIKE '%000002%'";
    server.db.execute(applied).await;
    let caller = server.caller(None);
    let answer = eventually("not ready", async || {
        let answer = caller.http_get("/readyz").await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.refused().codes(), ["UNAVAILABLE"]);
    assert_eq!(answer.header("retry-after"), "1");
    for service in ["", SERVICE] {
        assert_eq!(
            serving(&server, service).await,
            Ok(ServingStatus::NotServing),
            "{service:?}"
        );
    }
    assert_eq!(caller.http_get("/healthz").await.status, 200);
}

fn request_id(headers: &HeaderMap) -> String {
    headers["x-request-id"].to_str().unwrap().to_owned()
}

async fn every_response_has_a_request_id(server: TestServer) {
    let mut made = Vec::new();
    for path in [COLLECTION, "/api/core/oauth-clients/x", "/nothing"] {
        for caller in [server.admin(), server.caller(None)] {
            made.push(request_id(&caller.http_get(path).await.headers));
            let request = caller
                .request(reqwest::Method::GET, path)
                .header("x-request-id", "mine-1");
            assert_eq!(request_id(&Answer::to(request).await.headers), "mine-1", "{path}");
        }
    }
    let list = || tonic::Request::new(oauth_clients::pb::v1::ListOAuthClientsRequest::default());
    let answer = server.admin().grpc().list_o_auth_clients(list()).await.unwrap();
    made.push(request_id(answer.metadata().as_ref()));
    let mut own = list();
    own.metadata_mut()
        .insert("x-request-id", "mine-2".parse().unwrap());
    let answer = server.admin().grpc().list_o_auth_clients(own).await.unwrap();
    assert_eq!(request_id(answer.metadata().as_ref()), "mine-2");
    let path = &method("GetOAuthClient").path;
    let refused = server.admin().call_bytes(path, Vec::new()).await.unwrap_err();
    made.push(request_id(refused.metadata().as_ref()));
    let unknown = server.admin().call_bytes("/a.B/C", Vec::new()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    made.push(request_id(unknown.metadata().as_ref()));
    for id in &made {
        assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    }
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), 9, "each id is new");
}

async fn the_callers_timeout_applies_on_both_transports(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let held = server.db.hold_writers().await;
    let patch = r#"[{"op": "add", "path": "/clientName", "value": "x"}]"#;
    let request = admin
        .request(reqwest::Method::PATCH, &format!("{COLLECTION}/{id}"))
        .body(patch);
    let answer = Answer::to(request.header("Grpc-Timeout", "50m")).await;
    assert_eq!(
        (answer.status, answer.refused().codes()),
        (504, vec!["DEADLINE_EXCEEDED"])
    );

    // On a busy machine the client's own timer may expire before the response arrives.
    let status = eventually("the response is faster than the client's timer", async || {
        let mut request = tonic::Request::new(oauth_clients::pb::v1::CreateClientSecretRequest {
            client_id: id.clone(),
            ..oauth_clients::pb::v1::CreateClientSecretRequest::default()
        });
        let timeout = "50m".parse().unwrap();
        request.metadata_mut().insert("grpc-timeout", timeout);
        let status = admin.grpc().create_client_secret(request).await.unwrap_err();
        status.get_details_error_info().is_some().then_some(status)
    })
    .await;
    assert_eq!(
        crate::support::Refused::from(status).codes(),
        ["DEADLINE_EXCEEDED"]
    );
    held.rollback().await.unwrap();
    assert_eq!(
        admin.get(Transport::Rest, &id).await.unwrap()["clientName"],
        spa()["clientName"]
    );
}
