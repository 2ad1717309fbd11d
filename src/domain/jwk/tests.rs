use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

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
fn a_key_of_the_source_document_has_the_form_but_lacks_the_strength() {
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
fn an_exponent_is_odd_and_from_3_to_less_than_2_to_the_33() {
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
fn members_are_unpadded_base64url_even_those_of_the_other_type() {
    for value in ["AQAB=", "AQ+B", "AQ/B", "AQ B", "A", "AQABA", "é"] {
        let key = Jwk {
            y: Some(value.into()),
            ..rsa(2_048)
        };
        assert_eq!(key.check_form(), [("y", JwkRule::Base64Url)], "{value}");
    }
}

#[test]
fn algorithms_are_listed_with_their_key_type() {
    assert_eq!(
        JwkRule::Algorithm.to_string(),
        "must be RS256 or RS512 with kty RSA, or ES384 with kty EC"
    );
}
