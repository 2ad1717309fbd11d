//! Access with bearer tokens (RFC 6750).

use oauth_clients::pb::{self, Access};
use serde_json::{Value, json};

use crate::support::{
    Answer, Refused, TestServer, Transport,
    http::COLLECTION,
    jwt::{hmac_token, now, unsigned_token},
    samples::web,
};

on_each_database![
    a_request_without_a_token_is_challenged,
    an_invalid_token_is_refused,
    a_valid_token_is_accepted_in_all_its_forms,
    each_method_requires_the_scope_of_its_policy,
    a_refused_request_changes_nothing,
    tenant_and_subject_are_short_and_printable,
];

async fn list(server: &TestServer, authorization: &[&str]) -> Answer {
    let mut request = server.caller(None).request(reqwest::Method::GET, COLLECTION);
    for value in authorization {
        request = request.header("authorization", *value);
    }
    Answer::to(request).await
}

async fn a_request_without_a_token_is_challenged(server: TestServer) {
    let token = server.admin().token.unwrap();
    let basic = format!("Basic {token}");
    for authorization in ["", &basic, "Bearer", "Bearer ", &token] {
        let answer = list(&server, &[authorization][usize::from(authorization.is_empty())..]).await;
        assert_eq!(answer.refused().codes(), ["TOKEN_MISSING"], "{authorization:?}");
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    let (bearer, other) = (format!("Bearer {token}"), "Bearer x");
    for differing in [[&*bearer, other], [other, &bearer]] {
        let answer = list(&server, &differing).await;
        assert_eq!(answer.refused().codes(), ["TOKEN_INVALID"]);
    }
    assert_eq!(list(&server, &[&bearer, &bearer]).await.status, 200);

    let status = server
        .caller(None)
        .call_bytes(&path_of("ListOAuthClients"), Vec::new())
        .await
        .unwrap_err();
    assert_eq!(status.metadata().get("www-authenticate").unwrap(), "Bearer");
    assert_eq!(Refused::from(status).codes(), ["TOKEN_MISSING"]);
}

async fn an_invalid_token_is_refused(server: TestServer) {
    let good = server.token_with(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other_claims = server.token_with(json!({"sub": "somebody else"}));
    let other_payload = other_claims.split('.').nth(1).unwrap();
    let tokens = [
        ("no JWT", "x".to_owned()),
        ("not signed", unsigned_token()),
        ("signed with a shared secret", hmac_token()),
        ("the signature cut off", format!("{signed}.")),
        (
            "the signature of another token",
            format!("{header}.{other_payload}.{signature}"),
        ),
        ("expired", server.token_with(json!({"exp": now() - 31}))),
        ("not yet valid", server.token_with(json!({"nbf": now() + 90}))),
        (
            "of another issuer",
            server.token_with(json!({"iss": "https://evil.example"})),
        ),
        (
            "for another service",
            server.token_with(json!({"aud": "payments"})),
        ),
        ("no issuer", server.token_with(json!({"iss": null}))),
        ("no audience", server.token_with(json!({"aud": null}))),
        ("no expiry", server.token_with(json!({"exp": null}))),
        ("no subject", server.token_with(json!({"sub": null}))),
        ("no tenant", server.token_with(json!({"tenant_id": null}))),
        (
            "a tenant that is no text",
            server.token_with(json!({"tenant_id": 1})),
        ),
        (
            "an unknown key",
            server.sign(|header| header.kid = Some("other".into()), json!({})),
        ),
        (
            "an ID token",
            server.sign(|header| header.typ = Some("id+jwt".into()), json!({})),
        ),
    ];
    for (what, token) in tokens {
        let answer = list(&server, &[&format!("Bearer {token}")]).await;
        assert_eq!(answer.refused().codes(), ["TOKEN_INVALID"], "{what}");
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer error=\"invalid_token\""
        );
        assert!(
            !answer.text.contains(&token) || token == "x",
            "{what}: the token is repeated"
        );
        let refused = server
            .caller(Some(token))
            .list(Transport::Grpc, json!({}))
            .await
            .unwrap_err();
        assert_eq!(refused, answer.refused(), "{what}");
    }
}

async fn a_valid_token_is_accepted_in_all_its_forms(server: TestServer) {
    let scopes = ["oauth-clients:read", "other"];
    let tokens = [
        (
            "expired within the leeway",
            server.token_with(json!({"exp": now() - 20})),
        ),
        (
            "several audiences",
            server.token_with(json!({"aud": ["payments", "oauth-clients"]})),
        ),
        (
            "an array of scopes",
            server.token_with(json!({"scope": null, "scp": scopes})),
        ),
        (
            "scopes as scp",
            server.token_with(json!({"scope": null, "scp": scopes.join(" ")})),
        ),
        (
            "typ JWT",
            server.sign(|header| header.typ = Some("JWT".into()), json!({})),
        ),
        ("no typ", server.sign(|header| header.typ = None, json!({}))),
    ];
    for (what, token) in tokens {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let answer = list(&server, &[&format!("{scheme} {token}")]).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text);
        }
    }
}

fn path_of(rpc: &str) -> String {
    crate::support::caller::method(rpc).path.clone()
}

async fn each_method_requires_the_scope_of_its_policy(server: TestServer) {
    let scopes = [
        "oauth-clients:read",
        "oauth-clients:write",
        "oauth-clients:authenticate",
        "oauth-clients:audit",
    ];
    for method in pb::protos().unwrap().methods() {
        let Access::Scope(scope) = &method.policy.access else {
            continue;
        };
        let rpc = method.descriptor.name();
        let input = method.descriptor.input();
        let named = ["client_id", "hint", "resume_token"]
            .into_iter()
            .filter_map(|name| input.get_field_by_name(name));
        let request: Value = named
            .map(|field| (field.json_name().to_owned(), json!("x")))
            .collect();
        let others: Vec<&str> = scopes.into_iter().filter(|other| other != scope).collect();
        assert_eq!(others.len(), 3, "{rpc} asks for an unknown scope {scope}");
        for without in [
            others.join(" "),
            String::new(),
            scope.to_uppercase(),
            format!("{scope}:all"),
        ] {
            let caller = server.caller(Some(server.token("acme", "admin", &without)));
            for &transport in Transport::of(rpc) {
                let refused = caller.call(transport, rpc, request.clone()).await.unwrap_err();
                let missing = (
                    "SCOPE_MISSING".to_owned(),
                    format!("the token lacks the scope {scope}"),
                );
                assert_eq!(
                    refused.errors,
                    [missing],
                    "{rpc} through {transport:?} with {without:?}"
                );
            }
        }
        let caller = server.caller(Some(server.token("acme", "admin", scope)));
        let outcome = caller.call(Transport::Grpc, rpc, request.clone()).await;
        let refused = outcome
            .err()
            .is_some_and(|refused| refused.codes() == ["SCOPE_MISSING"]);
        assert!(!refused, "{rpc} with {scope}");
    }
    let reader = server.token("acme", "admin", "oauth-clients:read");
    let answer = server
        .caller(Some(reader))
        .http_post(COLLECTION, web().to_string())
        .await;
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"oauth-clients:write\"";
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (403, challenge)
    );
}

async fn a_refused_request_changes_nothing(server: TestServer) {
    let reader = server.token("acme", "admin", "oauth-clients:read");
    for token in [None, Some("x".to_owned()), Some(reader)] {
        for transport in Transport::BOTH {
            let caller = server.caller(token.clone());
            caller
                .call(transport, "CreateOAuthClient", web())
                .await
                .unwrap_err();
        }
    }
    assert_eq!(server.db.number("SELECT count(*) FROM oauth_clients").await, 0);
}

async fn tenant_and_subject_are_short_and_printable(server: TestServer) {
    for claim in ["tenant_id", "sub"] {
        for (name, accepted) in [
            ("é".repeat(255), true),
            ("é".repeat(256), false),
            (String::new(), false),
            ("a\nb".to_owned(), false),
            ("a\u{0}".to_owned(), false),
        ] {
            let token = server.token_with(json!({claim: name}));
            let outcome: Result<Value, Refused> =
                server.caller(Some(token)).list(Transport::Rest, json!({})).await;
            match outcome {
                Ok(_) => assert!(accepted, "{claim} {name:?}"),
                Err(refused) => assert_eq!(
                    (accepted, refused.codes()),
                    (false, vec!["TOKEN_INVALID"]),
                    "{name:?}"
                ),
            }
        }
    }
}
