//! A key of the issuer (RFC 7517, RFC 7518 section 6).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{
    Algorithm::{self, ES256, ES384, EdDSA, RS256, RS384, RS512},
    DecodingKey,
};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::domain::jwk::strength::{is_exponent, is_modulus, without_leading_zeros};

/// Padding and trailing bits do not change the value, and some issuers send them.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The reason for which a key of the issuer verifies no tokens. Its text never has anything of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum KeyFlaw {
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("a member has a wrong type")]
    WrongType,
    #[error("its use is not sig")]
    Use,
    #[error("its key_ops lack verify")]
    Operations,
    #[error("its kty is not RSA, EC or OKP")]
    KeyType,
    #[error("its crv is not one of its kty: P-256 or P-384 with EC, Ed25519 with OKP")]
    Curve,
    #[error(
        "its alg is not one of its kty: RS256, RS384 or RS512 with RSA, ES256 or ES384 by the curve with EC, EdDSA with OKP"
    )]
    Algorithm,
    #[error("it lacks a member that its kty requires")]
    MissingMember,
    #[error("a member is not base64url")]
    Base64Url,
    #[error("its n is not a modulus of 2,048 to 8,192 bits")]
    Modulus,
    #[error("its e is not an odd exponent from 3 to 2^33 - 1")]
    Exponent,
    #[error("its point is not on its curve")]
    NotOnCurve,
}

/// Reads a key, and the algorithms that it may be used with. `null` stands for an absent member, as some issuers write it,
/// and unknown members are ignored.
pub(super) fn read(jwk: &Value) -> Result<(DecodingKey, &'static [Algorithm]), KeyFlaw> {
    let members = Members(jwk.as_object().ok_or(KeyFlaw::NotAnObject)?);
    members.text("kid")?;
    if members.text("use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyFlaw::Use);
    }
    members.check_operations()?;
    let (decoding, algorithms) = match members.text("kty")? {
        Some("RSA") => rsa(&members),
        Some("EC") => ec(&members),
        Some("OKP") => okp(&members),
        Some(_) | None => Err(KeyFlaw::KeyType),
    }?;
    match members.text("alg")? {
        None => Ok((decoding, algorithms)),
        Some(own) => Ok((decoding, only(own, algorithms).ok_or(KeyFlaw::Algorithm)?)),
    }
}

/// Returns the part of some algorithms that is the one with this name.
fn only(name: &str, algorithms: &'static [Algorithm]) -> Option<&'static [Algorithm]> {
    let algorithm: Algorithm = name.parse().ok()?;
    algorithms.chunks(1).find(|one| one.contains(&algorithm))
}

fn rsa(members: &Members) -> Result<(DecodingKey, &'static [Algorithm]), KeyFlaw> {
    let (modulus, exponent) = (members.bytes("n")?, members.bytes("e")?);
    // Some issuers send the sign byte of a big integer.
    let (modulus, exponent) = (without_leading_zeros(&modulus), without_leading_zeros(&exponent));
    if !is_modulus(modulus) {
        return Err(KeyFlaw::Modulus);
    }
    if !is_exponent(exponent) {
        return Err(KeyFlaw::Exponent);
    }
    let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
    Ok((key, &[RS256, RS384, RS512]))
}

fn ec(members: &Members) -> Result<(DecodingKey, &'static [Algorithm]), KeyFlaw> {
    let (curve, len, algorithms): (&'static dyn VerificationAlgorithm, usize, &'static [Algorithm]) =
        match members.required("crv")? {
            "P-256" => (&ECDSA_P256_SHA256_FIXED, 32, &[ES256]),
            "P-384" => (&ECDSA_P384_SHA384_FIXED, 48, &[ES384]),
            _ => return Err(KeyFlaw::Curve),
        };
    let (x, y) = (members.bytes("x")?, members.bytes("y")?);
    let coordinate = |bytes| coordinate(bytes, len).ok_or(KeyFlaw::NotOnCurve);
    // The uncompressed form of a point (SEC 1 section 2.3.3).
    let point = [vec![4], coordinate(&x)?, coordinate(&y)?].concat();
    if ParsedPublicKey::new(curve, &point).is_err() {
        return Err(KeyFlaw::NotOnCurve);
    }
    Ok((DecodingKey::from_ec_der(&point), algorithms))
}

/// Returns a coordinate with the length of its curve (RFC 7518 section 6.2.1.2). Some issuers send it as a big integer, with
/// a sign byte or without its leading zeros.
fn coordinate(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    let digits = without_leading_zeros(bytes);
    let missing = len.checked_sub(digits.len())?;
    Some([&vec![0; missing], digits].concat())
}

fn okp(members: &Members) -> Result<(DecodingKey, &'static [Algorithm]), KeyFlaw> {
    if members.required("crv")? != "Ed25519" {
        return Err(KeyFlaw::Curve);
    }
    // Not an integer: leading zeros count (RFC 8037 section 2).
    let point = members.bytes("x")?;
    if ParsedPublicKey::new(&ED25519, &point).is_err() {
        return Err(KeyFlaw::NotOnCurve);
    }
    Ok((DecodingKey::from_ed_der(&point), &[EdDSA]))
}

struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, KeyFlaw> {
        let value = self.get(name);
        value
            .map(|value| value.as_str().ok_or(KeyFlaw::WrongType))
            .transpose()
    }

    fn required(&self, name: &str) -> Result<&'a str, KeyFlaw> {
        self.text(name)?.ok_or(KeyFlaw::MissingMember)
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, KeyFlaw> {
        let text = self.required(name)?;
        LENIENT.decode(text).map_err(|_| KeyFlaw::Base64Url)
    }

    fn check_operations(&self) -> Result<(), KeyFlaw> {
        match self.get("key_ops").map(Value::as_array) {
            None => Ok(()),
            Some(None) => Err(KeyFlaw::WrongType),
            Some(Some(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
            Some(Some(_)) => Err(KeyFlaw::Operations),
        }
    }
}
