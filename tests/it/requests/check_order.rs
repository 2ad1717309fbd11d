//! The order of checks on REST: 404 and 405, 401, 403, 429, 415, 413, 400. A body is not read before its caller is known
//! and within its limits.

use reqwest::Method;

use crate::support::{Answer, Caller, Db, TestServer, http::COLLECTION, raw, samples::spa};

on_each_database![
    the_first_failed_check_decides_the_response,
    a_refusal_does_not_wait_for_the_body,
    an_unknown_path_is_refused_before_anything_else,
    requests_refused_for_their_caller_cost_no_quota,
    each_tier_and_each_caller_has_a_quota_of_its_own,
];

/// Starts a server on which a caller may change one client a minute.
async fn limited(db: Db) -> TestServer {
    TestServer::start_with(db, |config| config.quotas.tier2_per_minute = 1).await
}

/// Returns a POST that is wrong in the last `wrong` of these ways: encoding, media type, size, JSON, timeout.
async fn post(caller: &Caller<'_>, path: &str, wrong: usize) -> Answer {
    let media_type = if wrong >= 4 {
        "text/plain"
    } else {
        "application/json"
    };
    let body = match wrong {
        3.. => "x".repeat(2 << 20),
        2 => "x".to_owned(),
        _ => spa().to_string(),
    };
    let mut request = caller
        .request(Method::POST, path)
        .header("content-type", media_type);
    if wrong >= 5 {
        request = request.header("content-encoding", "gzip");
    }
    if wrong >= 1 {
        request = request.header("grpc-timeout", "5S").header("grpc-timeout", "6S");
    }
    Answer::to(request.body(body)).await
}

async fn the_first_failed_check_decides_the_response(db: Db) {
    let server = limited(db).await;
    let token = |scope| Some(server.token("acme", "exhausted", scope));
    let (nobody, reader) = (server.caller(None), server.caller(token("oauth-clients:read")));
    let (invalid, writer) = (
        server.caller(Some("x".into())),
        server.caller(token("oauth-clients:write")),
    );
    let fresh = |subject: &str| server.caller(Some(server.token("acme", subject, "oauth-clients:write")));
    assert_eq!(post(&writer, COLLECTION, 0).await.status, 201);
    let cases = [
        (
            post(&nobody, "/api/core/nothing", 5).await,
            404,
            "ROUTE_NOT_FOUND",
        ),
        (
            post(&nobody, &format!("{COLLECTION}/x"), 5).await,
            405,
            "METHOD_NOT_ALLOWED",
        ),
        (post(&nobody, COLLECTION, 5).await, 401, "TOKEN_MISSING"),
        (post(&invalid, COLLECTION, 5).await, 401, "TOKEN_INVALID"),
        (post(&reader, COLLECTION, 5).await, 403, "SCOPE_MISSING"),
        (post(&writer, COLLECTION, 5).await, 429, "RATE_LIMITED"),
        (
            post(&fresh("a"), COLLECTION, 5).await,
            415,
            "UNSUPPORTED_CONTENT_ENCODING",
        ),
        (
            post(&fresh("b"), COLLECTION, 4).await,
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (post(&fresh("c"), COLLECTION, 3).await, 413, "BODY_TOO_LARGE"),
        (post(&fresh("d"), COLLECTION, 2).await, 400, "MALFORMED_JSON"),
        (post(&fresh("e"), COLLECTION, 1).await, 400, "INVALID_FIELD"),
    ];
    for (answer, status, code) in cases {
        assert_eq!((answer.status, answer.refused().codes()), (status, vec![code]));
    }
}

async fn a_refusal_does_not_wait_for_the_body(db: Db) {
    let server = limited(db).await;
    let bearer = |scope| {
        let token = server.token("acme", "exhausted", scope);
        format!("authorization: Bearer {token}\r\n")
    };
    let (reader, writer) = (bearer("oauth-clients:read"), bearer("oauth-clients:write"));
    let exhausting = server.caller(Some(server.token("acme", "exhausted", "oauth-clients:write")));
    assert_eq!(post(&exhausting, COLLECTION, 0).await.status, 201);
    let other_type = "content-type: text/plain\r\n";
    for (path, headers, status) in [
        ("/nothing", String::new(), 404),
        (&*format!("{COLLECTION}/x"), String::new(), 405),
        (COLLECTION, String::new(), 401),
        (COLLECTION, other_type.to_owned(), 401),
        (COLLECTION, reader, 403),
        (COLLECTION, writer, 429),
    ] {
        assert_eq!(
            raw::send_head(server.rest_addr, path, &headers).await,
            status,
            "{path} {headers}"
        );
    }
}

async fn an_unknown_path_is_refused_before_anything_else(server: TestServer) {
    let missing = [
        "/",
        "/api",
        "/api/core/oauth-clients/",
        "/api/core/oauth-clients//",
        "/api/core/oauth-clients/a/b",
        "/api/core/oauth-clients/a/client-secrets/b/c",
        "/api/core/OAuth-clients",
        "//api/core/oauth-clients",
        "/oauth_clients.v1.OAuthClientService/ListOAuthClients",
    ];
    for path in missing {
        let answer = server.caller(None).http_get(path).await;
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (404, vec!["ROUTE_NOT_FOUND"]),
            "{path}"
        );
    }
    let client = format!("{COLLECTION}/x");
    let secrets = format!("{client}/client-secrets");
    let not_allowed = [
        (COLLECTION.to_owned(), Method::DELETE, "GET, POST"),
        (client, Method::PUT, "DELETE, GET, PATCH"),
        (secrets.clone(), Method::GET, "POST"),
        (format!("{secrets}/x"), Method::POST, "DELETE"),
        ("/healthz".to_owned(), Method::POST, "GET, HEAD"),
        ("/readyz".to_owned(), Method::DELETE, "GET, HEAD"),
    ];
    for (path, method, allow) in not_allowed {
        let answer = Answer::to(server.caller(None).request(method, &path)).await;
        assert_eq!(
            (answer.status, answer.refused().codes()),
            (405, vec!["METHOD_NOT_ALLOWED"]),
            "{path}"
        );
        let mut allowed: Vec<&str> = answer.header("allow").split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(", "), allow, "{path}");
    }
}

async fn requests_refused_for_their_caller_cost_no_quota(db: Db) {
    let server = limited(db).await;
    let reader = server.caller(Some(server.token("acme", "admin", "oauth-clients:read")));
    for _ in 0..3 {
        assert_eq!(post(&reader, COLLECTION, 0).await.status, 403);
    }
    assert_eq!(post(&server.admin(), COLLECTION, 0).await.status, 201);
}

async fn each_tier_and_each_caller_has_a_quota_of_its_own(db: Db) {
    let server = TestServer::start_with(db, |config| {
        config.quotas.tier1_per_minute = 2;
        config.quotas.tier2_per_minute = 1;
    })
    .await;
    let other = server.caller(Some(server.token("acme", "other", "oauth-clients:write")));
    for (caller, status) in [
        (server.admin(), 201),
        (server.admin(), 429),
        (server.admin_of("other"), 201),
        (other, 201),
    ] {
        assert_eq!(post(&caller, COLLECTION, 0).await.status, status);
    }
    for status in [200, 200, 429] {
        let answer = server.admin().http_get(COLLECTION).await;
        assert_eq!(answer.status, status);
        if status == 429 {
            let seconds: u64 = answer.header("retry-after").parse().unwrap();
            assert!(
                (1..=30).contains(&seconds),
                "a call each 30 seconds, not {seconds}"
            );
        }
    }
}
