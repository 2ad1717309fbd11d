//! The grants that a client can use.

use super::closed_set::closed_set;

closed_set! {
    /// A grant that a `web` client can use at the token endpoint.
    pub enum GrantType {
        /// Access for the client itself (RFC 6749 section 4.4).
        ClientCredentials = "client_credentials",
        /// Access for a user whom the client names.
        UserImpersonation = "urn:qlik:oauth:user-impersonation",
    }
}
