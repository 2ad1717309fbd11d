//! The rules for public keys.

use thiserror::Error;

use super::{super::closed_set::one_of, key_type::KeyType};

/// The maximum length of `kid` and `crv`, in characters.
pub(super) const MAX_ID_CHARS: usize = 128;
/// The maximum length of a base64url member, in characters. A modulus of 8,192 bits has 1,366.
pub(super) const MAX_MEMBER_CHARS: usize = 4_096;
/// The `use` of a key for signatures (RFC 7517 section 4.2).
pub(super) const KEY_USE: &str = "sig";
pub(super) const MIN_MODULUS_BITS: usize = 2_048;
pub(super) const MAX_MODULUS_BITS: usize = 8_192;
pub(super) const MIN_EXPONENT: u64 = 3;
pub(super) const MAX_EXPONENT_BITS: u32 = 33;
/// The supported `crv` (RFC 7518 section 6.2.1.1).
pub(super) const CURVE: &str = "P-384";
/// The length of a coordinate on the curve.
pub(super) const COORDINATE_BYTES: usize = 48;

/// A rule for a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwkRule {
    /// The member belongs to a private or symmetric key (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
    #[error(
        "is private key material: send public keys only, and replace this key, which is no longer secret"
    )]
    PrivateMember,
    /// The member is not one of a public key of the supported types.
    #[error("is not a member of a public {} key", one_of(KeyType::NAMES))]
    UnknownMember,
    /// The member is not a string.
    #[error("must be a string")]
    NotAString,
    /// The key is not a JSON object.
    #[error("must be an object")]
    NotAnObject,
    /// The `kid` is empty or too long, or the `crv` is too long.
    #[error("must be 1 to {MAX_ID_CHARS} characters")]
    Length,
    /// Another key of the client has the same `kid`.
    #[error("is already the kid of an earlier key")]
    KeyIdTaken,
    /// The `kty` is not supported.
    #[error("must be {}", one_of(KeyType::NAMES))]
    KeyType,
    /// The `alg` is not supported, or is one of another `kty`.
    #[error("must be {}", KeyType::list_algorithms())]
    Algorithm,
    /// The `use` is not that of a key for signatures.
    #[error("must be {KEY_USE}")]
    KeyUse,
    /// The member is required by the `kty`.
    #[error("is required for this kty")]
    MissingMember,
    /// The value is too long or not unpadded base64url.
    #[error("must be unpadded base64url of at most {MAX_MEMBER_CHARS} characters")]
    Base64Url,
    /// The last character has bits that belong to no byte, or the integer has leading zeros.
    #[error("must be the shortest base64url form of its value")]
    NotCanonical,
    /// The RSA modulus is too short to be secure, or too long to be fast.
    #[error("must be a modulus of {MIN_MODULUS_BITS} to {MAX_MODULUS_BITS} bits")]
    ModulusSize,
    /// The RSA exponent is even or out of range.
    #[error("must be an odd exponent from {MIN_EXPONENT} to 2^{MAX_EXPONENT_BITS} - 1")]
    Exponent,
    /// The curve is not supported.
    #[error("must be {CURVE}")]
    Curve,
    /// The coordinate does not have the length of the curve's coordinates.
    #[error("must be {COORDINATE_BYTES} bytes")]
    CoordinateSize,
    /// The point is not on the curve.
    #[error("must be, together with y, a point on {CURVE}")]
    NotOnCurve,
}

/// The name of a member that breaks a rule, and the rule.
pub type BrokenMember = (&'static str, JwkRule);
