//! The rules that a draft as a whole has to follow; those of single values are tested beside them.

use super::{super::jwk::Jwk, ClientDraft};
use crate::domain::app_type::AppType;

fn draft(app_type: &str) -> ClientDraft {
    let web = app_type == "web";
    ClientDraft {
        app_type: app_type.into(),
        client_name: Some("name".into()),
        allowed_auth_methods: web.then(|| "client_secret".into()).into_iter().collect(),
        ..ClientDraft::default()
    }
}

fn fields(draft: ClientDraft) -> Vec<String> {
    match draft.verify() {
        Ok(_) => Vec::new(),
        Err(found) => found.iter().map(|violation| violation.field.clone()).collect(),
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn many(count: usize, text: impl Fn(usize) -> String) -> Vec<String> {
    (0..count).map(text).collect()
}

#[test]
fn a_name_and_a_type_are_sufficient() {
    for app_type in AppType::ALL {
        assert_eq!(fields(draft(app_type.as_str())), [""; 0], "{app_type}");
    }
}

#[test]
fn all_broken_rules_are_reported_at_once() {
    let broken = ClientDraft {
        app_type: "mobile".into(),
        client_name: None,
        description: Some("a\0".into()),
        logo_uri: Some("logo.png".into()),
        client_uri: Some("home".into()),
        redirect_uris: strings(&["https://a/", "https://a/", "https://a/#b"]),
        allowed_origins: strings(&["null"]),
        allowed_scopes: strings(&["a b"]),
        allowed_grant_types: strings(&["password"]),
        allowed_auth_methods: strings(&["none"]),
        consent_method: Some("never".into()),
        read_only_members: vec!["connectionConfig.status"],
        ..ClientDraft::default()
    };
    assert_eq!(
        fields(broken),
        [
            "appType",
            "clientName",
            "description",
            "logoUri",
            "clientUri",
            "redirectUris[1]",
            "redirectUris[2]",
            "allowedOrigins[0]",
            "allowedScopes[0]",
            "allowedGrantTypes[0]",
            "allowedAuthMethods[0]",
            "connectionConfig.consentMethod",
            "connectionConfig.status",
        ]
    );
}

#[test]
fn lists_have_a_maximum_length() {
    let full = ClientDraft {
        redirect_uris: many(100, |i| format!("https://a/{i}")),
        allowed_origins: many(100, |i| format!("https://a{i}")),
        allowed_scopes: many(256, |i| format!("scope:{i}")),
        ..draft("web")
    };
    assert_eq!(fields(full), [""; 0]);
    let over = ClientDraft {
        redirect_uris: many(101, |i| format!("https://a/{i}")),
        allowed_origins: many(101, |i| format!("https://a{i}")),
        allowed_scopes: many(257, |i| format!("scope:{i}")),
        ..draft("web")
    };
    assert_eq!(fields(over), ["redirectUris", "allowedOrigins", "allowedScopes"]);
}

#[test]
fn only_a_web_client_can_authenticate() {
    for app_type in ["native", "spa", "anonymous-embed"] {
        let confidential = ClientDraft {
            allowed_grant_types: strings(&["client_credentials"]),
            allowed_auth_methods: strings(&["client_secret"]),
            ..draft(app_type)
        };
        assert_eq!(fields(confidential), ["allowedGrantTypes", "allowedAuthMethods"]);
    }
    let public = ClientDraft {
        allowed_auth_methods: Vec::new(),
        ..draft("web")
    };
    assert_eq!(fields(public), ["allowedAuthMethods"]);
}

#[test]
fn private_key_jwt_needs_a_strong_key() {
    let weak = Jwk {
        kid: "a".into(),
        kty: "RSA".into(),
        alg: "RS256".into(),
        key_use: "sig".into(),
        n: Some("AQAB".into()),
        e: Some("AQAB".into()),
        ..Jwk::default()
    };
    let inert = ClientDraft {
        public_keys: vec![weak.clone()],
        ..draft("web")
    };
    assert_eq!(fields(inert), [""; 0]);
    let verifying = ClientDraft {
        allowed_auth_methods: strings(&["private_key_jwt"]),
        public_keys: vec![weak.clone(), weak],
        ..draft("web")
    };
    assert_eq!(
        fields(verifying),
        ["publicKeys[0].n", "publicKeys[1].n", "publicKeys[1].kid"]
    );
    let keyless = ClientDraft {
        allowed_auth_methods: strings(&["private_key_jwt"]),
        ..draft("web")
    };
    assert_eq!(fields(keyless), ["publicKeys"]);
}

#[test]
fn required_consent_equals_absent_consent() {
    let explicit = ClientDraft {
        consent_method: Some("required".into()),
        ..draft("web")
    };
    assert_eq!(explicit.verify(), draft("web").verify());
}
