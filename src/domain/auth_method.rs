//! The ways in which a client can authenticate.

use super::closed_set::closed_set;

closed_set! {
    /// The way in which a `web` client authenticates at the token endpoint.
    pub enum AuthMethod {
        /// With a secret (RFC 6749 section 2.3.1).
        ClientSecret = "client_secret",
        /// With a signed assertion (RFC 7523 section 2.2).
        PrivateKeyJwt = "private_key_jwt",
    }
}
