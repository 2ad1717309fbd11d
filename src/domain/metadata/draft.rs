//! Client metadata as it was sent, before any rule is checked.

use super::super::{jwk::Jwk, timestamp::Timestamp};

/// Client metadata as it was sent: any member may have any text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientDraft {
    /// The name of an [`AppType`](crate::domain::app_type::AppType). Required.
    pub app_type: String,
    /// The display name. Required.
    pub client_name: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// The URI of the logo.
    pub logo_uri: Option<String>,
    /// The URI of the home page.
    pub client_uri: Option<String>,
    /// The URIs to which users may be sent back (RFC 6749 section 3.1.2).
    pub redirect_uris: Vec<String>,
    /// The origins of pages from which browsers may send requests.
    pub allowed_origins: Vec<String>,
    /// The scopes that the client may ask for (RFC 6749 section 3.3).
    pub allowed_scopes: Vec<String>,
    /// The names of [`GrantType`](crate::domain::grant_type::GrantType)s.
    pub allowed_grant_types: Vec<String>,
    /// The names of [`AuthMethod`](crate::domain::auth_method::AuthMethod)s.
    pub allowed_auth_methods: Vec<String>,
    /// The keys that verify the client's assertions.
    pub public_keys: Vec<Jwk>,
    /// The name of a [`ConsentMethod`](crate::domain::consent_method::ConsentMethod). `None` stands for the default.
    pub consent_method: Option<String>,
    /// The time at which the client was published.
    pub published_at: Option<Timestamp>,
    /// The paths of members that were sent although only the server sets them. Empty once the draft is verified.
    pub read_only_members: Vec<&'static str>,
}
