//! The strength of a public key, which a key that verifies signatures has.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    Jwk,
    key_type::KeyType,
    rule::{
        BrokenMember, COORDINATE_BYTES, CURVE, JwkRule, MAX_EXPONENT_BITS, MAX_MODULUS_BITS, MIN_EXPONENT,
        MIN_MODULUS_BITS,
    },
};

impl Jwk {
    /// Returns the rules of strength that the key breaks, even if its form is wrong.
    pub fn check_strength(&self) -> Vec<BrokenMember> {
        match KeyType::parse(&self.kty) {
            Some(KeyType::Rsa) => {
                let modulus = check_modulus(self.n.as_deref()).map_err(|rule| ("n", rule));
                let exponent = check_exponent(self.e.as_deref()).map_err(|rule| ("e", rule));
                modulus.err().into_iter().chain(exponent.err()).collect()
            }
            Some(KeyType::Ec) => self.check_point(),
            None => Vec::new(),
        }
    }

    fn check_point(&self) -> Vec<BrokenMember> {
        let curve = (self.crv.as_deref() != Some(CURVE)).then_some(("crv", JwkRule::Curve));
        let x = coordinate(self.x.as_deref()).map_err(|rule| ("x", rule));
        let y = coordinate(self.y.as_deref()).map_err(|rule| ("y", rule));
        let point = match (&x, &y) {
            (Ok(x), Ok(y)) => (!is_on_curve(x, y)).then_some(("x", JwkRule::NotOnCurve)),
            _ => None,
        };
        [curve, x.err(), y.err(), point].into_iter().flatten().collect()
    }
}

fn check_modulus(n: Option<&str>) -> Result<(), JwkRule> {
    let sound = is_modulus(&decode_integer(n)?);
    sound.then_some(()).ok_or(JwkRule::ModulusSize)
}

fn check_exponent(e: Option<&str>) -> Result<(), JwkRule> {
    let sound = is_exponent(&decode_integer(e)?);
    sound.then_some(()).ok_or(JwkRule::Exponent)
}

/// Returns `true` if an integer is a modulus that is secure, and fast enough.
pub(crate) fn is_modulus(bytes: &[u8]) -> bool {
    let digits = without_leading_zeros(bytes);
    let leading_zeros = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = digits.len() * 8 - leading_zeros;
    (MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits)
}

/// Returns `true` if an integer is an exponent that verifies signatures.
pub(crate) fn is_exponent(bytes: &[u8]) -> bool {
    let digits = without_leading_zeros(bytes);
    let exponent = digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    digits.len() <= size_of::<u64>()
        && exponent % 2 == 1
        && (MIN_EXPONENT..1 << MAX_EXPONENT_BITS).contains(&exponent)
}

/// Returns the bytes of an integer from the first one that is not zero.
pub(crate) fn without_leading_zeros(mut bytes: &[u8]) -> &[u8] {
    while let Some((0, rest)) = bytes.split_first() {
        bytes = rest;
    }
    bytes
}

/// Decodes a coordinate, which has the full length of its curve (RFC 7518 section 6.2.1.2).
fn coordinate(value: Option<&str>) -> Result<[u8; COORDINATE_BYTES], JwkRule> {
    decode(value)?.try_into().map_err(|_| JwkRule::CoordinateSize)
}

fn is_on_curve(x: &[u8; COORDINATE_BYTES], y: &[u8; COORDINATE_BYTES]) -> bool {
    // The uncompressed form of a point (SEC 1 section 2.3.3).
    let point = [[4].as_slice(), x, y].concat();
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).is_ok()
}

/// Decodes a `Base64urlUInt`, which has no leading zeros (RFC 7518 section 2).
fn decode_integer(value: Option<&str>) -> Result<Vec<u8>, JwkRule> {
    let bytes = decode(value)?;
    match bytes.first() {
        Some(0) | None => Err(JwkRule::NotCanonical),
        Some(_) => Ok(bytes),
    }
}

fn decode(value: Option<&str>) -> Result<Vec<u8>, JwkRule> {
    URL_SAFE_NO_PAD
        .decode(value.unwrap_or_default())
        .map_err(|_| JwkRule::NotCanonical)
}
