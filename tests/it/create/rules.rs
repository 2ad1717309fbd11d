//! `CreateOAuthClient`: the rules for a client, on both transports.

use serde_json::{Value, json};

use crate::support::{
    Caller, TestServer, Transport,
    http::COLLECTION,
    samples::{ec_key, rsa_key, spa, web, with},
};

on_each_database![
    a_violation_names_its_member,
    all_violations_are_reported_at_once,
    values_at_the_limits_are_accepted,
    a_member_of_the_wrong_type_is_named,
    unknown_and_read_only_members_are_refused,
    private_key_material_is_refused_on_both_transports,
    an_invalid_client_is_not_stored,
    a_client_has_at_most_256_kib,
    the_largest_client_can_be_disabled_patched_and_given_secrets,
    an_error_says_what_is_wrong_with_a_uri,
];

const FIELD: &str = "INVALID_FIELD";

/// Returns the errors of creating a client, which are the same on both transports.
async fn refused(admin: &Caller<'_>, client: &Value) -> Vec<(String, String)> {
    let rest = admin
        .call(Transport::Rest, "CreateOAuthClient", client.clone())
        .await;
    let rest = rest.expect_err(&client.to_string());
    let grpc = admin
        .call(Transport::Grpc, "CreateOAuthClient", client.clone())
        .await;
    assert_eq!(grpc, Err(rest.clone()), "{client}");
    let owned = |(code, field): (&str, &str)| (code.to_owned(), field.to_owned());
    rest.fields().into_iter().map(owned).collect()
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
async fn a_violation_names_its_member(server: TestServer) {
    let many =
        |count: usize| -> Vec<String> { (0..count).map(|n| format!("https://a.example/{n}")).collect() };
    let origins: Vec<String> = (0..101).map(|n| format!("https://a.example:1{n}")).collect();
    let key = |changes: Value| json!([with(rsa_key("a"), changes)]);
    let jwt = |keys: Value| json!({"allowedAuthMethods": ["private_key_jwt"], "publicKeys": keys});
    let web_cases = [
        (json!({"appType": ""}), "appType"),
        (json!({"appType": "desktop"}), "appType"),
        (json!({"clientName": ""}), "clientName"),
        (json!({"clientName": " \u{3000}"}), "clientName"),
        (json!({"clientName": "é".repeat(257)}), "clientName"),
        (json!({"clientName": "a\u{7}b"}), "clientName"),
        (json!({"clientName": "\u{200b}\u{2800}"}), "clientName"),
        (json!({"clientName": "a\u{202e}b"}), "clientName"),
        (json!({"clientName": "a\u{200f}b"}), "clientName"),
        (json!({"clientName": "a\u{2066}b"}), "clientName"),
        (json!({"description": "é".repeat(2_049)}), "description"),
        (json!({"logoUri": "http://a.example/"}), "logoUri"),
        (json!({"clientUri": "/home"}), "clientUri"),
        (
            json!({"clientUri": format!("https://a.example/{}", "a".repeat(2_031))}),
            "clientUri",
        ),
        (json!({"redirectUris": many(101)}), "redirectUris"),
        (
            json!({"redirectUris": ["https://a.example/", "https://a.example/"]}),
            "redirectUris[1]",
        ),
        (json!({"redirectUris": ["http://a.example/"]}), "redirectUris[0]"),
        (
            json!({"redirectUris": ["http://localhost.a.example/"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["https://a.example/#x"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["https://u@a.example/"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["https://*.a.example/"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["https://a.example\\b"]}),
            "redirectUris[0]",
        ),
        (json!({"redirectUris": ["https:///cb"]}), "redirectUris[0]"),
        (
            json!({"redirectUris": ["https://a.example/a/%2E%2e;x/b"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["javascript:alert(1)"]}),
            "redirectUris[0]",
        ),
        (
            json!({"redirectUris": ["com.example.app:/cb"]}),
            "redirectUris[0]",
        ),
        (
            json!({"allowedOrigins": ["https://a.example/"]}),
            "allowedOrigins[0]",
        ),
        (
            json!({"allowedOrigins": ["https://A.example"]}),
            "allowedOrigins[0]",
        ),
        (json!({"allowedOrigins": ["null"]}), "allowedOrigins[0]"),
        (json!({"allowedOrigins": ["*"]}), "allowedOrigins[0]"),
        (json!({"allowedOrigins": origins}), "allowedOrigins"),
        (json!({"allowedScopes": ["a b"]}), "allowedScopes[0]"),
        (json!({"allowedScopes": ["a".repeat(257)]}), "allowedScopes[0]"),
        (json!({"allowedScopes": ["a", "b", "a"]}), "allowedScopes[2]"),
        (json!({"allowedGrantTypes": ["implicit"]}), "allowedGrantTypes[0]"),
        (json!({"allowedAuthMethods": ["none"]}), "allowedAuthMethods[0]"),
        (
            json!({"connectionConfig": {"consentMethod": "required"}}),
            "connectionConfig.consentMethod",
        ),
        (
            json!({"publicKeys": key(json!({"kid": ""}))}),
            "publicKeys[0].kid",
        ),
        (
            json!({"publicKeys": key(json!({"kid": "k".repeat(129)}))}),
            "publicKeys[0].kid",
        ),
        (
            json!({"publicKeys": key(json!({"kty": "oct"}))}),
            "publicKeys[0].kty",
        ),
        (
            json!({"publicKeys": key(json!({"alg": "ES384"}))}),
            "publicKeys[0].alg",
        ),
        (
            json!({"publicKeys": key(json!({"use": "enc"}))}),
            "publicKeys[0].use",
        ),
        (json!({"publicKeys": key(json!({"n": null}))}), "publicKeys[0].n"),
        (
            json!({"publicKeys": key(json!({"e": "AQ=="}))}),
            "publicKeys[0].e",
        ),
        (
            json!({"publicKeys": [rsa_key("a"), ec_key("a")]}),
            "publicKeys[1].kid",
        ),
        (jwt(json!([])), "publicKeys"),
        (jwt(key(json!({"n": "0vx7agoebGcQSuuPiLJX"}))), "publicKeys[0].n"),
        (jwt(key(json!({"e": "AQ"}))), "publicKeys[0].e"),
        (
            jwt(json!([with(ec_key("a"), json!({"crv": "P-256"}))])),
            "publicKeys[0].crv",
        ),
    ];
    let spa_cases = [
        (
            json!({"allowedGrantTypes": ["client_credentials"]}),
            "allowedGrantTypes",
        ),
        (
            json!({"allowedAuthMethods": ["client_secret"]}),
            "allowedAuthMethods",
        ),
        (json!({"publicKeys": [rsa_key("a")]}), "publicKeys"),
    ];
    let admin = server.admin();
    for (base, cases) in [(web(), &web_cases[..]), (spa(), &spa_cases[..])] {
        for (changes, field) in cases {
            let mut found = refused(&admin, &with(base.clone(), changes.clone())).await;
            // One value may break several rules.
            found.dedup();
            assert_eq!(found, [(FIELD.to_owned(), (*field).to_owned())], "{changes}");
        }
    }
}

async fn all_violations_are_reported_at_once(server: TestServer) {
    let client = json!({
        "appType": "spa", "clientName": "", "logoUri": "x", "redirectUris": ["x", "https://u@a.example/#x"],
        "allowedScopes": [""], "allowedGrantTypes": ["client_credentials"], "publicKeys": [{"kid": "", "d": "x"}],
        "connectionConfig": {"consentMethod": "never", "status": "x", "deletedByOwner": true},
    });
    let found = refused(&server.admin(), &client).await;
    let fields: Vec<&str> = found.iter().map(|(_, field)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "connectionConfig.consentMethod",
            "clientName",
            "logoUri",
            "redirectUris[0]",
            "redirectUris[1]",
            "redirectUris[1]",
            "allowedScopes[0]",
            "allowedGrantTypes",
            "publicKeys",
            "publicKeys[0].d",
            "publicKeys[0].kid",
            "publicKeys[0].use",
            "publicKeys[0].kty",
            "connectionConfig.status",
            "connectionConfig.deletedByOwner",
        ]
    );
}

async fn values_at_the_limits_are_accepted(server: TestServer) {
    let numbered =
        |count: usize, prefix: &str| -> Vec<String> { (0..count).map(|n| format!("{prefix}{n}")).collect() };
    let keys: Vec<Value> = (0..20).map(|n| rsa_key(&format!("{n:0128}"))).collect();
    let client = json!({
        "appType": "web",
        "clientName": "😀".repeat(256),
        "description": "😀".repeat(2_048),
        "logoUri": format!("https://a.example/{}", "a".repeat(2_030)),
        "redirectUris": numbered(100, "https://a.example/"),
        "allowedOrigins": numbered(100, "https://a.example:1"),
        "allowedScopes": numbered(256, &"s".repeat(253)),
        "allowedGrantTypes": ["client_credentials", "urn:qlik:oauth:user-impersonation"],
        "allowedAuthMethods": ["private_key_jwt", "client_secret"],
        "publicKeys": keys,
    });
    for transport in Transport::BOTH {
        let created = server.admin().create(transport, client.clone()).await;
        let stored = server.admin().stored(created["clientId"].as_str().unwrap()).await;
        for (member, value) in client.as_object().unwrap() {
            assert_eq!(&stored[member], value, "{member} through {transport:?}");
        }
    }
}

async fn a_member_of_the_wrong_type_is_named(server: TestServer) {
    let cases = [
        (json!({"clientName": 1}), "clientName"),
        (json!({"appType": ["web"]}), "appType"),
        (json!({"redirectUris": "https://a.example/"}), "redirectUris"),
        (json!({"redirectUris": [1]}), "redirectUris[0]"),
        (json!({"connectionConfig": "trusted"}), "connectionConfig"),
        (
            json!({"connectionConfig": {"consentMethod": true}}),
            "connectionConfig.consentMethod",
        ),
        (json!({"publicKeys": [{"kid": 1}]}), "publicKeys[0].kid"),
        (json!({"publicKeys": ["key"]}), "publicKeys[0]"),
    ];
    for (changes, field) in cases {
        let answer = server
            .admin()
            .http_post(COLLECTION, with(web(), changes).to_string())
            .await;
        assert_eq!(answer.refused().fields(), [(FIELD, field)]);
    }
    for body in ["[]", "null", "\"x\"", "1"] {
        let answer = server.admin().http_post(COLLECTION, body).await;
        assert_eq!(answer.refused().fields(), [(FIELD, "body")], "{body}");
    }
}

async fn unknown_and_read_only_members_are_refused(server: TestServer) {
    let unknown = [
        "color",
        "clientId",
        "client_id",
        "createdAt",
        "updatedAt",
        "deletedAt",
        "publishedAt",
        "disableTag",
        "clientSecrets",
        "clientSecret",
        "ClientName",
    ];
    for member in unknown {
        let body = with(web(), json!({member: "x"}));
        let answer = server.admin().http_post(COLLECTION, body.to_string()).await;
        assert_eq!(answer.refused().fields(), [("UNKNOWN_FIELD", member)]);
    }
    let nested =
        json!({"connectionConfig": {"x": 1}, "publicKeys": [with(rsa_key("a"), json!({"x5c": []}))], "y": 1});
    let answer = server
        .admin()
        .http_post(COLLECTION, with(web(), nested).to_string())
        .await;
    let mut fields = answer
        .refused()
        .fields()
        .iter()
        .map(|(_, field)| (*field).to_owned())
        .collect::<Vec<_>>();
    fields.sort();
    assert_eq!(fields, ["connectionConfig.x", "publicKeys[0].x5c", "y"]);
}

async fn private_key_material_is_refused_on_both_transports(server: TestServer) {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let value = if member == "oth" {
            json!([{"r": "AQ"}])
        } else {
            json!("c2VjcmV0")
        };
        let client = with(
            web(),
            json!({"publicKeys": [with(rsa_key("a"), json!({member: value}))]}),
        );
        let found = refused(&server.admin(), &client).await;
        assert_eq!(
            found,
            [(
                "PRIVATE_KEY_MATERIAL".to_owned(),
                format!("publicKeys[0].{member}")
            )]
        );
        let rest = server
            .admin()
            .call(Transport::Rest, "CreateOAuthClient", client)
            .await
            .unwrap_err();
        assert!(
            !format!("{rest:?}").contains("c2VjcmV0"),
            "a private member is repeated: {rest:?}"
        );
    }
}

async fn an_invalid_client_is_not_stored(server: TestServer) {
    refused(
        &server.admin(),
        &with(web(), json!({"redirectUris": ["https://a.example/", "x"]})),
    )
    .await;
    let list = server.admin().list(Transport::Rest, json!({})).await.unwrap();
    assert_eq!(list["data"], json!([]));
    assert_eq!(server.db.number("SELECT count(*) FROM oauth_clients").await, 0);
}

async fn an_error_says_what_is_wrong_with_a_uri(server: TestServer) {
    let admin = server.admin();
    for (member, uri, detail) in [
        (
            "redirectUris",
            "https://example.com:/cb",
            "must have a port number after the colon, or no colon",
        ),
        (
            "redirectUris",
            "https://example.com:65536/cb",
            "must have a port of 0 to 65535",
        ),
        (
            "redirectUris",
            "https://a%62c.example/cb",
            "must not have a percent-encoded host",
        ),
        (
            "redirectUris",
            "https://example.com/%zz",
            "must have two hexadecimal digits after each %",
        ),
        (
            "redirectUris",
            "example.com/cb",
            "must be an absolute URI, which begins with a scheme such as https://",
        ),
        (
            "allowedOrigins",
            "https://Qlik.com:443",
            "must have the form that browsers send: https://qlik.com",
        ),
    ] {
        for transport in Transport::BOTH {
            let client = with(web(), json!({member: [uri]}));
            let refused = admin
                .call(transport, "CreateOAuthClient", client)
                .await
                .unwrap_err();
            let expected = (FIELD.to_owned(), format!("{member}[0]: {detail}"));
            assert_eq!(refused.errors, [expected], "{uri}");
        }
    }
}

/// Returns redirect URIs of 2,048 characters.
fn long_uris(count: usize) -> Value {
    let uri = |number: usize| format!("https://a.example/{number:03}/{}", "a".repeat(2_026));
    (0..count).map(uri).collect()
}

/// Returns scopes of 256 characters.
fn long_scopes(count: usize) -> Value {
    (0..count)
        .map(|number| format!("{number:03}{}", "a".repeat(253)))
        .collect()
}

/// The state of a client and its secrets have room beside the 256 KiB.
async fn the_largest_client_can_be_disabled_patched_and_given_secrets(server: TestServer) {
    let admin = server.admin();
    let largest = with(
        web(),
        json!({"redirectUris": long_uris(100), "allowedScopes": long_scopes(219)}),
    );
    let id = admin.created(largest).await;
    // Its description takes what the limit leaves, to the byte.
    let describe = |bytes: usize| json!([{"op": "add", "path": "/description", "value": "a".repeat(bytes)}]);
    let too_large = admin
        .patch(Transport::Grpc, &id, describe(2_048))
        .await
        .unwrap_err();
    let text = format!("{too_large:?}");
    let size = text
        .split("the client has ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let room = 2_048 - (size.parse::<usize>().unwrap() - 262_144);
    admin
        .patch(Transport::Rest, &id, describe(room + 1))
        .await
        .unwrap_err();
    admin.patch(Transport::Rest, &id, describe(room)).await.unwrap();

    admin.disable(&id, &"ü".repeat(256)).await.unwrap();
    for transport in Transport::BOTH {
        admin.create_secret(transport, &id).await.unwrap();
        let renamed = json!([{"op": "add", "path": "/description", "value": "b".repeat(room)}]);
        admin.patch(transport, &id, renamed).await.unwrap();
        let publish = json!([{"op": "add", "path": "/publishedAt", "value": "2026-01-02T03:04:05.678901Z"}]);
        admin.patch(transport, &id, publish).await.unwrap();
        let read = admin.get(transport, &id).await.unwrap();
        assert_eq!(read["description"].as_str().unwrap().len(), room);
    }
    assert_eq!(
        admin.stored(&id).await["clientSecrets"].as_array().unwrap().len(),
        3
    );
}

async fn a_client_has_at_most_256_kib(server: TestServer) {
    let admin = server.admin();
    // 100 URIs take 205,100 bytes of the 262,144, and a scope 259.
    let large = |scopes| {
        with(
            web(),
            json!({"redirectUris": long_uris(100), "allowedScopes": long_scopes(scopes)}),
        )
    };
    let id = admin.created(large(219)).await;
    for transport in Transport::BOTH {
        let created = admin.call(transport, "CreateOAuthClient", large(220)).await;
        let more = json!([{"op": "add", "path": "/allowedScopes", "value": long_scopes(220)}]);
        let patched = admin.patch(transport, &id, more).await;
        for refused in [created.unwrap_err(), patched.unwrap_err()] {
            assert_eq!(refused.codes(), [FIELD]);
            let text = format!("{refused:?}");
            assert!(
                text.contains("at most 262144") && text.contains("bytes"),
                "{text}"
            );
        }
        assert_eq!(
            admin.stored(&id).await["allowedScopes"].as_array().unwrap().len(),
            219
        );
    }
}
