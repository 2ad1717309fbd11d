//! How messages that hold what nobody else may know show themselves: without it.

use std::fmt;

use super::v1;
use v1::authenticate_client_request::Credential;

impl fmt::Debug for v1::OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret")
            .field("client_id", &self.client_id)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::PatchOAuthClientResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchOAuthClientResponse").finish_non_exhaustive()
    }
}

/// A value may be a key, and callers may send a private one by mistake.
impl fmt::Debug for v1::PatchOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatchOperation")
            .field("op", &self.op)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JsonWebKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonWebKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Without the id too: people put the secret there.
impl fmt::Debug for v1::AuthenticateClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateClientRequest")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientSecret(_) => "ClientSecret(…)",
            Self::ClientAssertion(_) => "ClientAssertion(…)",
        })
    }
}

impl fmt::Debug for v1::ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientAssertion")
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

    use super::*;

    const OURS: &str = "oauth_clients.v1";
    const HIDDEN: &str = "hunter2";
    const CONFIDENTIAL: &str = "client_secret jwt d p q dp dq qi oth k string_value";

    fn is_confidential(name: &str) -> bool {
        CONFIDENTIAL.split(' ').any(|confidential| confidential == name)
    }

    /// A message that holds the hidden text wherever something confidential goes.
    fn filled(descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields() {
            let value = match field.kind() {
                Kind::String if is_confidential(field.name()) => Value::String(HIDDEN.to_owned()),
                Kind::Message(inner) if descriptor.package_name() == OURS => Value::Message(filled(&inner)),
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
        let descriptor = pool.get_message_by_name(&format!("{OURS}.{name}")).unwrap();
        let message: M = filled(&descriptor).transcode_to().unwrap();
        let bytes = message.encode_to_vec();
        let held = bytes
            .windows(HIDDEN.len())
            .any(|window| window == HIDDEN.as_bytes());
        assert!(held, "{name} holds it");
        format!("{message:?} {message:#?}")
    }

    #[test]
    fn no_message_shows_what_it_keeps_for_somebody() {
        for shown in [
            shown::<v1::OAuthClient>("OAuthClient"),
            shown::<v1::ListOAuthClientsResponse>("ListOAuthClientsResponse"),
            shown::<v1::LookupClientResponse>("LookupClientResponse"),
            shown::<v1::CreateOAuthClientRequest>("CreateOAuthClientRequest"),
            shown::<v1::ClientSecret>("ClientSecret"),
            shown::<v1::PatchOAuthClientRequest>("PatchOAuthClientRequest"),
            shown::<v1::PatchOAuthClientResponse>("PatchOAuthClientResponse"),
            shown::<v1::AuthenticateClientRequest>("AuthenticateClientRequest"),
            shown::<v1::AuthenticatedClient>("AuthenticatedClient"),
            shown::<v1::ClientAssertion>("ClientAssertion"),
        ] {
            assert!(!shown.contains(HIDDEN), "{shown}");
        }
        let secret = Credential::ClientSecret(HIDDEN.to_owned());
        assert_eq!(format!("{secret:?}"), "ClientSecret(…)");
    }
}
