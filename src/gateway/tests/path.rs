//! Paths, which select the method and fill fields (`google/api/http.proto`, "Path template syntax").

use serde_json::json;

use super::{call, get, post, refusal, request};

#[tokio::test]
async fn a_path_calls_the_method_of_its_binding_and_fills_the_fields_of_its_variables() {
    for (method, uri, body, rpc, message) in [
        // Several segments, and an additional binding.
        (
            "GET",
            "/v1/shelves/1/books/2",
            "",
            "GetBook",
            json!({"name": "shelves/1/books/2"}),
        ),
        ("GET", "/v2/books/2", "", "GetBook", json!({"name": "2"})),
        // One path, several HTTP methods.
        ("GET", "/v1/books", "", "ListBooks", json!({})),
        ("POST", "/v1/books", "{}", "CreateBook", json!({})),
        ("DELETE", "/v1/books/2", "", "BurnBook", json!({"name": "2"})),
        // `**` takes any number of segments, and a variable a nested field.
        (
            "POST",
            "/v1/books:addPages",
            "[]",
            "AddPages",
            json!({"book": {"name": "books"}}),
        ),
        (
            "POST",
            "/v1/books/a/b:addPages",
            "[]",
            "AddPages",
            json!({"book": {"name": "books/a/b"}}),
        ),
        // A verb is more specific than no verb, and a literal than a variable.
        ("POST", "/v1/books/2", "{}", "ReplaceBook", json!({"name": "2"})),
        (
            "POST",
            "/v1/books/2:read",
            "{}",
            "ReplaceBook",
            json!({"name": "2:read"}),
        ),
        (
            "POST",
            "/v1/books/2:lend",
            "{}",
            "LendBook",
            json!({"lentBook": {"name": "2"}}),
        ),
        (
            "POST",
            "/v1/books/latest:lend",
            r#"{"copies": 1}"#,
            "LendBook",
            json!({"lentBook": {"copies": "1"}}),
        ),
    ] {
        let call = call(request(method, uri, body)).await;
        assert_eq!(
            (call.rpc.as_str(), call.message),
            (rpc, message),
            "{method} {uri}"
        );
    }
}

#[tokio::test]
async fn percent_encoding_is_decoded_except_a_slash_in_a_variable_of_several_segments() {
    for (method, uri, message) in [
        ("GET", "/v2/books/%C3%A9%20%2F%2f", json!({"name": "é //"})),
        ("GET", "/v2/books/a+b", json!({"name": "a+b"})),
        (
            "GET",
            "/v1/shelves/%41/books/%2F%2f",
            json!({"name": "shelves/A/books/%2F%2f"}),
        ),
        (
            "POST",
            "/v1/books/%2F:addPages",
            json!({"book": {"name": "books/%2F"}}),
        ),
    ] {
        let call = call(request(method, uri, "[]")).await;
        assert_eq!(call.message, message, "{uri}");
    }
}

#[tokio::test]
async fn a_path_without_a_binding_is_404() {
    for uri in [
        "/",
        "/v1",
        "/v1/books/",
        "/v1//books",
        "/V1/books",
        "/v1/books/1/2",
        "/v1/shelves/1/books",
        "/v1/shelves//books/2",
        "/v2/books",
        "/v2/books/",
        "/library.v1.Library/Unbound",
        "/library.v1.Library/GetBook",
    ] {
        let response = refusal(get(uri)).await;
        assert_eq!(response.status, 404, "{uri}");
        assert_eq!(
            response.json(),
            json!({"errors": [{
                "code": "ROUTE_NOT_FOUND",
                "title": "Route not found",
                "detail": "nothing is served at this path",
            }]})
        );
    }
}

#[tokio::test]
async fn a_path_of_other_http_methods_is_405_and_lists_them() {
    for (method, uri, allow) in [
        ("PUT", "/v1/books", "GET, POST"),
        ("GET", "/v1/books/2", "DELETE, POST"),
        ("PATCH", "/v1/shelves/1/books/2", "GET"),
        ("get", "/v2/books/2", "GET"),
    ] {
        let response = refusal(request(method, uri, "")).await;
        assert_eq!(response.status, 405, "{method} {uri}");
        assert_eq!(response.header("allow"), Some(allow));
        assert_eq!(
            response.errors(),
            [format!("METHOD_NOT_ALLOWED this path has {allow} only")]
        );
    }
}

#[tokio::test]
async fn the_route_is_checked_first() {
    assert_eq!(refusal(post("/v1/nowhere?a=%", "{")).await.status, 404);
    assert_eq!(refusal(request("PUT", "/v1:close", "{")).await.status, 405);
}
