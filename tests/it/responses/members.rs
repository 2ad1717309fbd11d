//! The members of responses and their types, from the tables of the source document.

use serde_json::{Value, json};

use crate::support::{
    TestServer, Transport,
    samples::{DOCUMENT_POST, ec_key, spa, with},
};

on_each_database![
    a_full_client_has_every_documented_member,
    a_minimal_client_has_only_the_members_that_are_always_present,
    a_new_secret_has_every_documented_member,
    a_page_has_every_documented_member,
];

/// The type of a member.
#[derive(Debug, Clone, Copy)]
enum Is {
    Text,
    Texts,
    Time,
    Object(Members),
    Objects(Members),
}

type Members = &'static [(&'static str, Is)];

const KEY: Members = &[
    ("e", Is::Text),
    ("n", Is::Text),
    ("x", Is::Text),
    ("y", Is::Text),
    ("alg", Is::Text),
    ("crv", Is::Text),
    ("kid", Is::Text),
    ("kty", Is::Text),
    ("use", Is::Text),
];
const CONNECTION: Members = &[("consentMethod", Is::Text)];
const SECRET_INFO: Members = &[
    ("hint", Is::Text),
    ("createdAt", Is::Time),
    ("createdBy", Is::Text),
];
const ALWAYS: Members = &[
    ("clientId", Is::Text),
    ("appType", Is::Text),
    ("clientName", Is::Text),
    ("createdAt", Is::Time),
    ("updatedAt", Is::Time),
    ("etag", Is::Text),
    ("redirectUris", Is::Texts),
    ("allowedOrigins", Is::Texts),
    ("allowedScopes", Is::Texts),
    ("allowedGrantTypes", Is::Texts),
    ("allowedAuthMethods", Is::Texts),
    ("publicKeys", Is::Objects(KEY)),
    ("clientSecrets", Is::Objects(SECRET_INFO)),
    ("connectionConfig", Is::Object(CONNECTION)),
];
/// Without `deletedAt`, as no deleted client is ever returned.
const WHEN_SET: Members = &[
    ("publishedAt", Is::Time),
    ("description", Is::Text),
    ("logoUri", Is::Text),
    ("clientUri", Is::Text),
    ("disableTag", Is::Text),
];
const ONCE: Members = &[("clientSecret", Is::Text)];
const NEW_SECRET: Members = &[
    ("hint", Is::Text),
    ("clientId", Is::Text),
    ("createdAt", Is::Time),
    ("createdBy", Is::Text),
    ("clientSecret", Is::Text),
];
const LINK: Members = &[("href", Is::Text), ("cursor", Is::Text)];
const LINKS: Members = &[
    ("self", Is::Object(LINK)),
    ("next", Is::Object(LINK)),
    ("prev", Is::Object(LINK)),
];

/// Asserts that an object has these members, of their types, and no other.
fn check(object: &Value, tables: &[Members]) {
    let expected = tables.iter().copied().flatten();
    let mut names: Vec<&str> = expected.clone().map(|(name, _)| *name).collect();
    let mut found: Vec<&str> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, names);
    for (name, is) in expected {
        check_type(&object[name], *is, name);
    }
}

fn check_type(value: &Value, is: Is, name: &str) {
    let elements = || value.as_array().unwrap_or_else(|| panic!("{name}: {value}"));
    match is {
        Is::Text => assert!(value.is_string(), "{name}: {value}"),
        Is::Texts => assert!(elements().iter().all(Value::is_string), "{name}: {value}"),
        Is::Time => assert!(is_time(value), "{name}: {value}"),
        Is::Object(members) => check(value, &[members]),
        Is::Objects(members) => elements().iter().for_each(|element| check(element, &[members])),
    }
}

/// RFC 3339 in UTC, with 0, 3 or 6 digits of fraction.
fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    ["", ".000", ".000000"]
        .iter()
        .any(|fraction| shape == format!("0000-00-00T00:00:00{fraction}Z"))
}

/// Creates the client of the document, with every member that a caller can set, and returns it with its id.
async fn full_client(server: &TestServer, transport: Transport) -> (Value, String) {
    let created = server
        .admin()
        .create(transport, serde_json::from_str(DOCUMENT_POST).unwrap())
        .await;
    let id = created["clientId"].as_str().unwrap().to_owned();
    (created, id)
}

async fn a_full_client_has_every_documented_member(server: TestServer) {
    for transport in Transport::BOTH {
        let (created, id) = full_client(&server, transport).await;
        check(&created, &[ALWAYS, &WHEN_SET[1..4], ONCE]);
        let publish = json!([{"op": "add", "path": "/publishedAt", "value": "2026-01-02T03:04:05.678901Z"}]);
        server.admin().patch(transport, &id, publish).await.unwrap();
        let disable = format!("UPDATE oauth_clients SET disable_tag = 'misused' WHERE client_id = '{id}'");
        server.db.execute(&disable).await;
        let got = server.admin().get(transport, &id).await.unwrap();
        check(&got, &[ALWAYS, WHEN_SET]);
        assert_eq!(got["publishedAt"], "2026-01-02T03:04:05.678901Z");
        assert_eq!(got["disableTag"], "misused");
        let listed = server.admin().list(transport, json!({"limit": 1})).await.unwrap();
        assert_eq!(listed["data"], json!([got]), "a list shows what a get shows");
    }
}

async fn a_minimal_client_has_only_the_members_that_are_always_present(server: TestServer) {
    for transport in Transport::BOTH {
        let created = server.admin().create(transport, spa()).await;
        check(&created, &[ALWAYS, ONCE]);
        let id = created["clientId"].as_str().unwrap();
        check(&server.admin().get(transport, id).await.unwrap(), &[ALWAYS]);
        let key = ec_key("a");
        let web = with(spa(), json!({"appType": "web", "publicKeys": [key.clone()]}));
        let created = server.admin().create(transport, web).await;
        assert_eq!(
            created["publicKeys"],
            json!([key]),
            "absent members of a key stay absent"
        );
    }
}

async fn a_new_secret_has_every_documented_member(server: TestServer) {
    for transport in Transport::BOTH {
        let (_, id) = full_client(&server, transport).await;
        check(
            &server.admin().create_secret(transport, &id).await.unwrap(),
            &[NEW_SECRET],
        );
    }
}

async fn a_page_has_every_documented_member(server: TestServer) {
    for _ in 0..3 {
        server.admin().created(spa()).await;
    }
    for transport in Transport::BOTH {
        let first = server.admin().list(transport, json!({"limit": 1})).await.unwrap();
        let next = first["links"]["next"]["cursor"].clone();
        let page = server
            .admin()
            .list(transport, json!({"limit": 1, "next": next}))
            .await
            .unwrap();
        check(
            &page,
            &[&[("data", Is::Objects(ALWAYS)), ("links", Is::Object(LINKS))]],
        );
        let hrefs = ["self", "next", "prev"].map(|link| page["links"][link]["href"].as_str().unwrap());
        let url = format!("http://{}/api/core/oauth-clients?", server.rest_addr);
        assert!(hrefs.iter().all(|href| href.starts_with(&url)), "{hrefs:?}");
    }
}
