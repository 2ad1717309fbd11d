//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6).

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A public key for verifying signatures, member by member as it was sent.
///
/// [`Jwk::check_form`] tells whether it may be kept, [`Jwk::check_strength`] whether it may verify.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// The name of the key among those of its client (RFC 7517 section 4.5).
    pub kid: String,
    /// The key type, `RSA` or `EC` (RFC 7518 section 6.1).
    pub kty: String,
    /// The algorithm, `RS256`, `RS512` or `ES384` (RFC 7518 section 3.1).
    pub alg: String,
    /// What the key is for, `sig` (RFC 7517 section 4.2).
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
    /// The names of the private members that came with the key; their values are not kept. None on a checked key.
    #[serde(skip)]
    pub private_members: Vec<&'static str>,
}

/// A rule for a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwkRule {
    /// A private or symmetric key (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
    #[error(
        "is private key material: send public keys only, and replace this key, which is no longer secret"
    )]
    PrivateMember,
    /// A member that a public key of these types does not have.
    #[error("is not a member of a public RSA or EC key")]
    UnknownMember,
    /// A member that must be a string is none.
    #[error("must be a string")]
    NotAString,
    /// A key that is no JSON object.
    #[error("must be a JSON Web Key, which is an object")]
    NotAnObject,
    /// A `kid` that is missing or too long, or a `crv` that is too long.
    #[error("must be 1 to 128 characters")]
    Length,
    /// A `kid` that another key of the client has.
    #[error("is the kid of an earlier key")]
    KeyIdTaken,
    /// An unknown `kty`.
    #[error("must be RSA or EC")]
    KeyType,
    /// An unknown `alg`, or one of the other `kty`.
    #[error("must be RS256 or RS512 with kty RSA, ES384 with kty EC")]
    Algorithm,
    /// Another `use`.
    #[error("must be sig")]
    KeyUse,
    /// A member that the `kty` needs.
    #[error("is required for this kty")]
    MissingMember,
    /// Not unpadded base64url.
    #[error("must be unpadded base64url, at most {MAX_MEMBER_CHARS} characters")]
    Base64Url,
    /// Base64url whose last character has bits that belong to no byte, or an integer with leading zeros.
    #[error("must be the shortest base64url form of its value")]
    NotCanonical,
    /// An RSA modulus too short to be safe, or too long to be fast.
    #[error("must be a modulus of 2048 to 8192 bits")]
    ModulusSize,
    /// An RSA exponent that is even, less than 3, or 2³³ and more.
    #[error("must be an odd exponent from 3 to 2^33 - 1")]
    Exponent,
    /// Another curve.
    #[error("must be P-384")]
    Curve,
    /// A coordinate that has not the length of a P-384 coordinate.
    #[error("must be 48 bytes")]
    CoordinateSize,
    /// A point that is not on the curve.
    #[error("must be a point on P-384, together with y")]
    NotOnCurve,
}

/// The member that breaks a rule, and the rule.
pub type BrokenMember = (&'static str, JwkRule);

/// The names of private members (RFC 7518 sections 6.2.2.1, 6.3.2 and 6.4.1).
pub const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The longest value of a member, in characters: twice what an 8,192-bit modulus needs, and more.
const MAX_MEMBER_CHARS: usize = 4_096;

impl Jwk {
    /// The rules of form that the key breaks: what every kept key has to follow.
    pub fn check_form(&self) -> Vec<BrokenMember> {
        let mut broken: Vec<BrokenMember> = self
            .private_members
            .iter()
            .map(|member| (*member, JwkRule::PrivateMember))
            .collect();
        if !(1..=128).contains(&self.kid.chars().count()) {
            broken.push(("kid", JwkRule::Length));
        }
        if self.crv.as_ref().is_some_and(|crv| crv.chars().count() > 128) {
            broken.push(("crv", JwkRule::Length));
        }
        if self.key_use != "sig" {
            broken.push(("use", JwkRule::KeyUse));
        }
        broken.extend(self.check_type());
        broken.extend(self.check_encoding());
        broken
    }

    fn check_type(&self) -> Vec<BrokenMember> {
        let (algorithms, required): (&[&str], &[Member]) = match self.kty.as_str() {
            "RSA" => (&["RS256", "RS512"], &[("n", &self.n), ("e", &self.e)]),
            "EC" => (&["ES384"], &[("crv", &self.crv), ("x", &self.x), ("y", &self.y)]),
            _ => return vec![("kty", JwkRule::KeyType)],
        };
        let algorithm = (!algorithms.contains(&self.alg.as_str())).then_some(("alg", JwkRule::Algorithm));
        let missing = required
            .iter()
            .filter(|(_, value)| value.as_deref().unwrap_or_default().is_empty())
            .map(|(member, _)| (*member, JwkRule::MissingMember));
        algorithm.into_iter().chain(missing).collect()
    }

    fn check_encoding(&self) -> Vec<BrokenMember> {
        [("n", &self.n), ("e", &self.e), ("x", &self.x), ("y", &self.y)]
            .into_iter()
            .filter(|(_, value)| value.as_deref().is_some_and(|value| !is_base64url(value)))
            .map(|(member, _)| (member, JwkRule::Base64Url))
            .collect()
    }

    /// The rules that make the key too weak to verify with, also when its form is wrong.
    pub fn check_strength(&self) -> Vec<BrokenMember> {
        match self.kty.as_str() {
            "RSA" => [
                check_modulus(self.n.as_deref()),
                check_exponent(self.e.as_deref()),
            ]
            .into_iter()
            .flatten()
            .collect(),
            "EC" => self.check_point(),
            _ => Vec::new(),
        }
    }

    fn check_point(&self) -> Vec<BrokenMember> {
        let curve = (self.crv.as_deref() != Some("P-384")).then_some(("crv", JwkRule::Curve));
        let x = coordinate(self.x.as_deref()).map_err(|rule| ("x", rule));
        let y = coordinate(self.y.as_deref()).map_err(|rule| ("y", rule));
        let point = match (&x, &y) {
            (Ok(x), Ok(y)) => (!is_on_curve(x, y)).then_some(("x", JwkRule::NotOnCurve)),
            _ => None,
        };
        [curve, x.err(), y.err(), point].into_iter().flatten().collect()
    }
}

type Member<'a> = (&'static str, &'a Option<String>);

/// Whether the characters are those of unpadded base64url (RFC 4648 section 5); its last bits are not looked at.
fn is_base64url(value: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    value.len() <= MAX_MEMBER_CHARS && value.len() % 4 != 1 && value.bytes().all(in_alphabet)
}

fn decode(value: Option<&str>) -> Result<Vec<u8>, JwkRule> {
    URL_SAFE_NO_PAD
        .decode(value.unwrap_or_default())
        .map_err(|_| JwkRule::NotCanonical)
}

/// A `Base64urlUInt`, which has no leading zeros (RFC 7518 section 2).
fn decode_integer(value: Option<&str>) -> Result<Vec<u8>, JwkRule> {
    let bytes = decode(value)?;
    match bytes.first() {
        Some(0) | None => Err(JwkRule::NotCanonical),
        Some(_) => Ok(bytes),
    }
}

fn check_modulus(n: Option<&str>) -> Option<BrokenMember> {
    let rule = match decode_integer(n) {
        Ok(bytes) => {
            let leading_zeros = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
            let bits = bytes.len() * 8 - leading_zeros;
            (!(2_048..=8_192).contains(&bits)).then_some(JwkRule::ModulusSize)
        }
        Err(rule) => Some(rule),
    };
    rule.map(|rule| ("n", rule))
}

fn check_exponent(e: Option<&str>) -> Option<BrokenMember> {
    let rule = match decode_integer(e) {
        Ok(bytes) if bytes.len() <= 5 => {
            let exponent = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let allowed = exponent % 2 == 1 && (3..1 << 33).contains(&exponent);
            (!allowed).then_some(JwkRule::Exponent)
        }
        Ok(_) => Some(JwkRule::Exponent),
        Err(rule) => Some(rule),
    };
    rule.map(|rule| ("e", rule))
}

/// A coordinate has the full length of its curve (RFC 7518 section 6.2.1.2).
fn coordinate(value: Option<&str>) -> Result<[u8; 48], JwkRule> {
    decode(value)?.try_into().map_err(|_| JwkRule::CoordinateSize)
}

fn is_on_curve(x: &[u8; 48], y: &[u8; 48]) -> bool {
    // The uncompressed form of a point (SEC 1 section 2.3.3).
    let point = [[4].as_slice(), x, y].concat();
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The base point of P-384 (SEC 2 section 2.5.1), which is on the curve.
    const X: &str = "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3";
    const Y: &str = "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f";

    fn rsa(bits: usize) -> Jwk {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            modulus[0] = (1 << (bits % 8)) - 1;
        }
        Jwk {
            kid: "key-1".into(),
            kty: "RSA".into(),
            alg: "RS256".into(),
            key_use: "sig".into(),
            n: Some(URL_SAFE_NO_PAD.encode(modulus)),
            e: Some("AQAB".into()),
            ..Jwk::default()
        }
    }

    fn ec() -> Jwk {
        Jwk {
            kid: "key-1".into(),
            kty: "EC".into(),
            alg: "ES384".into(),
            key_use: "sig".into(),
            crv: Some("P-384".into()),
            x: Some(X.into()),
            y: Some(Y.into()),
            ..Jwk::default()
        }
    }

    #[test]
    fn a_key_of_the_source_document_has_the_form_but_not_the_strength() {
        let key = Jwk {
            n: Some("0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx".into()),
            crv: Some("P-384".into()),
            x: Some("WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis".into()),
            y: Some("y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE".into()),
            ..rsa(2_048)
        };
        assert_eq!(key.check_form(), []);
        assert_eq!(key.check_strength(), [("n", JwkRule::NotCanonical)]);
    }

    #[test]
    fn a_modulus_has_2048_to_8192_bits() {
        for bits in [2_048, 2_049, 4_096, 8_192] {
            assert_eq!(rsa(bits).check_form(), [], "{bits}");
            assert_eq!(rsa(bits).check_strength(), [], "{bits}");
        }
        for bits in [1_024, 2_047, 8_193] {
            assert_eq!(
                rsa(bits).check_strength(),
                [("n", JwkRule::ModulusSize)],
                "{bits}"
            );
        }
    }

    #[test]
    fn an_exponent_is_odd_and_from_3_to_2_to_the_33() {
        for (e, rule) in [
            ("Aw", None),
            ("AQAB", None),
            ("Af____8", None),
            ("AQ", Some(JwkRule::Exponent)),
            ("Ag", Some(JwkRule::Exponent)),
            ("AQAA", Some(JwkRule::Exponent)),
            ("AgAAAAE", Some(JwkRule::Exponent)),
            ("AQAAAAAAAAE", Some(JwkRule::Exponent)),
            ("AAEAAQ", Some(JwkRule::NotCanonical)),
            ("AR", Some(JwkRule::NotCanonical)),
        ] {
            let key = Jwk {
                e: Some(e.into()),
                ..rsa(2_048)
            };
            let broken: Vec<_> = rule.map(|rule| ("e", rule)).into_iter().collect();
            assert_eq!(key.check_strength(), broken, "{e}");
        }
    }

    #[test]
    fn a_point_is_on_p_384() {
        assert_eq!(ec().check_form(), []);
        assert_eq!(ec().check_strength(), []);
        let swapped = Jwk {
            x: Some(Y.into()),
            y: Some(X.into()),
            ..ec()
        };
        assert_eq!(swapped.check_strength(), [("x", JwkRule::NotOnCurve)]);
        let origin = "A".repeat(64);
        let infinity = Jwk {
            x: Some(origin.clone()),
            y: Some(origin),
            ..ec()
        };
        assert_eq!(infinity.check_strength(), [("x", JwkRule::NotOnCurve)]);
        let short = Jwk {
            crv: Some("P-256".into()),
            x: Some("AAAA".into()),
            ..ec()
        };
        assert_eq!(
            short.check_strength(),
            [("crv", JwkRule::Curve), ("x", JwkRule::CoordinateSize)]
        );
    }

    #[test]
    fn every_broken_rule_of_form_is_reported() {
        let key = Jwk {
            private_members: vec!["d", "oth"],
            ..Jwk::default()
        };
        assert_eq!(
            key.check_form(),
            [
                ("d", JwkRule::PrivateMember),
                ("oth", JwkRule::PrivateMember),
                ("kid", JwkRule::Length),
                ("use", JwkRule::KeyUse),
                ("kty", JwkRule::KeyType),
            ]
        );
        let mixed = Jwk {
            alg: "ES384".into(),
            e: None,
            ..rsa(2_048)
        };
        assert_eq!(
            mixed.check_form(),
            [("alg", JwkRule::Algorithm), ("e", JwkRule::MissingMember)]
        );
        let empty = Jwk {
            crv: Some(String::new()),
            x: None,
            y: None,
            ..ec()
        };
        assert_eq!(
            empty.check_form(),
            [
                ("crv", JwkRule::MissingMember),
                ("x", JwkRule::MissingMember),
                ("y", JwkRule::MissingMember),
            ]
        );
        let long = Jwk {
            kid: "é".repeat(129),
            ..ec()
        };
        assert_eq!(long.check_form(), [("kid", JwkRule::Length)]);
    }

    #[test]
    fn members_are_unpadded_base64url_also_those_of_the_other_type() {
        for value in ["AQAB=", "AQ+B", "AQ/B", "AQ B", "A", "AQABA", "é"] {
            let key = Jwk {
                y: Some(value.into()),
                ..rsa(2_048)
            };
            assert_eq!(key.check_form(), [("y", JwkRule::Base64Url)], "{value}");
        }
    }
}
