//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6).

mod form;
mod json;
mod key_type;
mod rule;
pub(crate) mod strength;
#[cfg(test)]
mod tests;
mod verification;

use serde::{Deserialize, Serialize};

pub use rule::{BrokenMember, JwkRule};
pub use verification::{VerificationKey, VerificationKeys};

/// A public key for verifying signatures, member by member as it was sent.
///
/// A stored key follows [`Jwk::check_form`]; a key that verifies signatures follows [`Jwk::check_strength`] too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The name of the key among those of its client (RFC 7517 section 4.5).
    pub kid: String,
    /// The key type, `RSA` or `EC` (RFC 7518 section 6.1).
    pub kty: String,
    /// The algorithm, `RS256`, `RS512` or `ES384` (RFC 7518 section 3.1).
    pub alg: String,
    /// The purpose of the key, `sig` (RFC 7517 section 4.2).
    #[serde(rename = "use")]
    pub key_use: String,
    /// RSA modulus, base64url (RFC 7518 section 6.3.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent, base64url (RFC 7518 section 6.3.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// EC curve (RFC 7518 section 6.2.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC x coordinate, base64url (RFC 7518 section 6.2.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC y coordinate, base64url (RFC 7518 section 6.2.1.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The names of private members that were sent with the key, without their values. Empty once the key is verified.
    #[serde(skip)]
    pub private_members: Vec<&'static str>,
}

/// The names of private members (RFC 7518 sections 6.2.2.1, 6.3.2 and 6.4.1).
pub const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
