//! Conversions between the messages of the API and the types of the domain. No other module maps one to the other.

use prost_types::value::Kind;
use serde_json::Value;

use crate::{
    domain::{
        client::{Client, NewSecret},
        ids::ClientId,
        jwk::Jwk,
        metadata::ClientDraft,
        patch::{Operation, Patch},
        secret::StoredSecret,
        timestamp::Timestamp,
    },
    pb::v1,
};

impl From<v1::CreateOAuthClientRequest> for ClientDraft {
    fn from(request: v1::CreateOAuthClientRequest) -> Self {
        let connection = request.connection_config.unwrap_or_default();
        let read_only = [
            ("connectionConfig.status", connection.status.is_some()),
            (
                "connectionConfig.deletedByOwner",
                connection.deleted_by_owner.is_some(),
            ),
        ];
        Self {
            app_type: request.app_type,
            // In proto3 an empty string is the same as an absent one.
            client_name: (!request.client_name.is_empty()).then_some(request.client_name),
            description: request.description,
            logo_uri: request.logo_uri,
            client_uri: request.client_uri,
            redirect_uris: request.redirect_uris,
            allowed_origins: request.allowed_origins,
            allowed_scopes: request.allowed_scopes,
            allowed_grant_types: request.allowed_grant_types,
            allowed_auth_methods: request.allowed_auth_methods,
            public_keys: request.public_keys.into_iter().map(Jwk::from).collect(),
            consent_method: connection.consent_method,
            published_at: None,
            read_only_members: read_only
                .into_iter()
                .filter_map(|(member, set)| set.then_some(member))
                .collect(),
        }
    }
}

impl From<v1::JsonWebKey> for Jwk {
    fn from(key: v1::JsonWebKey) -> Self {
        let private = [
            ("d", key.d.is_some()),
            ("p", key.p.is_some()),
            ("q", key.q.is_some()),
            ("dp", key.dp.is_some()),
            ("dq", key.dq.is_some()),
            ("qi", key.qi.is_some()),
            ("oth", key.oth.is_some()),
            ("k", key.k.is_some()),
        ];
        Self {
            kid: key.kid,
            kty: key.kty,
            alg: key.alg,
            key_use: key.r#use,
            n: key.n,
            e: key.e,
            crv: key.crv,
            x: key.x,
            y: key.y,
            private_members: private
                .into_iter()
                .filter_map(|(member, set)| set.then_some(member))
                .collect(),
        }
    }
}

impl From<Jwk> for v1::JsonWebKey {
    fn from(key: Jwk) -> Self {
        Self {
            kid: key.kid,
            kty: key.kty,
            alg: key.alg,
            r#use: key.key_use,
            n: key.n,
            e: key.e,
            crv: key.crv,
            x: key.x,
            y: key.y,
            ..Self::default()
        }
    }
}

impl From<Client> for v1::OAuthClient {
    fn from(client: Client) -> Self {
        let etag = client.etag().as_str().to_owned();
        let consent_method = client.metadata.consent_method().to_owned();
        let metadata = client.metadata.into_draft();
        Self {
            client_id: client.id.as_str().to_owned(),
            app_type: metadata.app_type,
            client_name: metadata.client_name.unwrap_or_default(),
            created_at: Some(timestamp(client.created_at)),
            updated_at: Some(timestamp(client.updated_at)),
            etag: Some(etag),
            deleted_at: client.deleted_at.map(timestamp),
            published_at: metadata.published_at.map(timestamp),
            description: metadata.description,
            logo_uri: metadata.logo_uri,
            client_uri: metadata.client_uri,
            disable_tag: client.disable_tag,
            redirect_uris: metadata.redirect_uris,
            allowed_origins: metadata.allowed_origins,
            allowed_scopes: metadata.allowed_scopes,
            allowed_grant_types: metadata.allowed_grant_types,
            allowed_auth_methods: metadata.allowed_auth_methods,
            public_keys: metadata
                .public_keys
                .into_iter()
                .map(v1::JsonWebKey::from)
                .collect(),
            client_secrets: client
                .secrets
                .into_iter()
                .map(v1::ClientSecretInfo::from)
                .collect(),
            connection_config: Some(v1::ConnectionConfig {
                consent_method: Some(consent_method),
                ..v1::ConnectionConfig::default()
            }),
            client_secret: None,
        }
    }
}

impl From<StoredSecret> for v1::ClientSecretInfo {
    fn from(secret: StoredSecret) -> Self {
        Self {
            hint: secret.hint.as_str().to_owned(),
            created_at: Some(timestamp(secret.created_at)),
            created_by: secret.created_by.as_str().to_owned(),
        }
    }
}

/// Makes the response that contains a new secret.
pub fn client_secret(client: &ClientId, new: NewSecret) -> v1::ClientSecret {
    v1::ClientSecret {
        client_id: client.as_str().to_owned(),
        hint: new.hint.as_str().to_owned(),
        client_secret: new.secret.reveal(),
        created_at: Some(timestamp(new.created_at)),
        created_by: new.created_by.as_str().to_owned(),
    }
}

pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        // Less than a billion, so it fits into 32 bits.
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default(),
    }
}

impl From<Vec<v1::PatchOperation>> for Patch {
    fn from(operations: Vec<v1::PatchOperation>) -> Self {
        let operation = |operation: v1::PatchOperation| Operation {
            op: operation.op,
            path: operation.path,
            value: operation.value.map(json),
        };
        Self {
            operations: operations.into_iter().map(operation).collect(),
        }
    }
}

/// Converts a value. A number that JSON cannot represent becomes `null`, which no member accepts.
fn json(value: prost_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(json).collect(),
        Some(Kind::StructValue(object)) => {
            let members = object.fields.into_iter().map(|(name, value)| (name, json(value)));
            Value::Object(members.collect())
        }
    }
}
