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
    let bytes = decode_integer(n)?;
    let leading_zeros = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = bytes.len() * 8 - leading_zeros;
    if (MIN_MODULUS_BITS..=MAX_MODULUS_BITS).contains(&bits) {
        Ok(())
    } else {
        Err(JwkRule::ModulusSize)
    }
}

fn check_exponent(e: Option<&str>) -> Result<(), JwkRule> {
    let bytes = decode_integer(e)?;
    if bytes.len() > size_of::<u64>() {
        return Err(JwkRule::Exponent);
    }
    let exponent = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    if exponent % 2 == 1 && (MIN_EXPONENT..1 << MAX_EXPONENT_BITS).contains(&exponent) {
        Ok(())
    } else {
        Err(JwkRule::Exponent)
    }
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
