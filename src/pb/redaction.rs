//! Tests that `Debug` shows no confidential field (`debug_redact`).

use std::fmt;

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

use super::v1::{self, authenticate_client_request::Credential};

const PACKAGE: &str = "oauth_clients.v1";
const SECRET: &str = "hunter2";
/// The fields that may hold a secret, whatever their options say.
const CONFIDENTIAL: &str = "client_secret jwt d p q dp dq qi oth k string_value request_id";

fn is_confidential(name: &str) -> bool {
    CONFIDENTIAL.split(' ').any(|confidential| confidential == name)
}

/// Returns a message with the secret in every confidential field.
fn filled(descriptor: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        let value = match field.kind() {
            Kind::String if is_confidential(field.name()) => Value::String(SECRET.to_owned()),
            Kind::Message(inner) if descriptor.package_name() == PACKAGE => Value::Message(filled(&inner)),
            _ => continue,
        };
        if field.is_list() {
            message.set_field(&field, Value::List(vec![value]));
        } else if !field.is_map() {
            message.set_field(&field, value);
        }
    }
    message
}

fn shown<M: prost::Message + Default + fmt::Debug>(name: &str) -> String {
    let pool = &crate::pb::protos().unwrap().pool;
    let descriptor = pool.get_message_by_name(&format!("{PACKAGE}.{name}")).unwrap();
    let message: M = filled(&descriptor).transcode_to().unwrap();
    let bytes = message.encode_to_vec();
    let contains = bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes());
    assert!(contains, "{name} contains the secret");
    format!("{message:?} {message:#?}")
}

#[test]
fn debug_shows_no_confidential_field() {
    for shown in [
        shown::<v1::OAuthClient>("OAuthClient"),
        shown::<v1::ListOAuthClientsResponse>("ListOAuthClientsResponse"),
        shown::<v1::LookupClientResponse>("LookupClientResponse"),
        shown::<v1::CreateOAuthClientRequest>("CreateOAuthClientRequest"),
        shown::<v1::ClientSecret>("ClientSecret"),
        shown::<v1::PatchOAuthClientRequest>("PatchOAuthClientRequest"),
        shown::<v1::PatchOAuthClientResponse>("PatchOAuthClientResponse"),
        shown::<v1::DeleteOAuthClientRequest>("DeleteOAuthClientRequest"),
        shown::<v1::CreateClientSecretRequest>("CreateClientSecretRequest"),
        shown::<v1::DeleteClientSecretRequest>("DeleteClientSecretRequest"),
        shown::<v1::DisableOAuthClientRequest>("DisableOAuthClientRequest"),
        shown::<v1::EnableOAuthClientRequest>("EnableOAuthClientRequest"),
        shown::<v1::AuthenticateClientRequest>("AuthenticateClientRequest"),
        shown::<v1::AuthenticatedClient>("AuthenticatedClient"),
        shown::<v1::ClientAssertion>("ClientAssertion"),
    ] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let secret = Credential::ClientSecret(SECRET.to_owned());
    assert_eq!(format!("{secret:?}"), "ClientSecret(…)");
}

#[test]
fn debug_shows_no_client_id_that_may_be_a_secret() {
    let request = v1::AuthenticateClientRequest {
        client_id: SECRET.to_owned(),
        credential: None,
    };
    assert_eq!(
        format!("{request:?}"),
        "AuthenticateClientRequest { client_id: …, credential: None }"
    );
}
