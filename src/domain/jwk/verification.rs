//! Verifying signatures with public keys.

use std::{str::FromStr as _, sync::OnceLock};

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;

use super::Jwk;

/// A key that is ready to verify signatures with its algorithm.
#[derive(Debug)]
pub struct VerificationKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// The keys of one client, each made ready when it is first needed.
#[derive(Debug)]
pub struct VerificationKeys(Box<[OnceLock<Option<VerificationKey>>]>);

impl VerificationKey {
    /// Makes a key ready. Returns `None` if no signature can be verified with it.
    pub fn new(key: &Jwk) -> Option<Self> {
        let algorithm = Algorithm::from_str(&key.alg).ok()?;
        let key = match (key.kty.as_str(), algorithm) {
            ("RSA", Algorithm::RS256) => parse_rsa(key, &RSA_PKCS1_2048_8192_SHA256),
            ("RSA", Algorithm::RS512) => parse_rsa(key, &RSA_PKCS1_2048_8192_SHA512),
            ("EC", Algorithm::ES384) => parse_p384(key),
            _ => None,
        };
        Some(Self { algorithm, key: key? })
    }

    /// Returns the only algorithm of the key (RFC 8725 section 3.1).
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns `true` if the key made the signature of a message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl VerificationKeys {
    /// Returns the keys of a client, none of which is ready yet.
    pub fn of(keys: &[Jwk]) -> Self {
        Self(keys.iter().map(|_| OnceLock::new()).collect())
    }

    /// Returns the key at a position, and makes it ready if it is not; `None` if no signature can be verified with it.
    pub fn get(&self, position: usize, key: &Jwk) -> Option<&VerificationKey> {
        let ready = self.0.get(position)?;
        ready.get_or_init(|| VerificationKey::new(key)).as_ref()
    }
}

fn parse_rsa(key: &Jwk, parameters: &'static RsaParameters) -> Option<ParsedPublicKey> {
    let components = RsaPublicKeyComponents {
        n: decode(key.n.as_deref())?,
        e: decode(key.e.as_deref())?,
    };
    components.to_parsed_public_key(parameters).ok()
}

fn parse_p384(key: &Jwk) -> Option<ParsedPublicKey> {
    // The uncompressed form of a point (SEC 1 section 2.3.3).
    let point = [vec![4], decode(key.x.as_deref())?, decode(key.y.as_deref())?].concat();
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok()
}

fn decode(member: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(member?).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::{KeyPair as RsaKeyPair, KeySize},
        signature::{
            ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
            RsaEncoding,
        },
    };

    use super::*;

    const MESSAGE: &[u8] = b"e30.e30";

    fn rsa(pair: &RsaKeyPair, alg: &str, encoding: &'static dyn RsaEncoding) -> (Jwk, Vec<u8>) {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(encoding, &SystemRandom::new(), MESSAGE, &mut signature)
            .unwrap();
        let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let key = Jwk {
            kty: "RSA".to_owned(),
            alg: alg.to_owned(),
            n: Some(URL_SAFE_NO_PAD.encode(n)),
            e: Some(URL_SAFE_NO_PAD.encode(e)),
            ..Jwk::default()
        };
        (key, signature)
    }

    fn ec() -> (Jwk, Vec<u8>) {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
        let key = Jwk {
            kty: "EC".to_owned(),
            alg: "ES384".to_owned(),
            x: Some(URL_SAFE_NO_PAD.encode(x)),
            y: Some(URL_SAFE_NO_PAD.encode(y)),
            ..Jwk::default()
        };
        (key, signature.as_ref().to_vec())
    }

    #[test]
    fn a_key_verifies_what_it_signed_with_its_algorithm_and_nothing_else() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let signed = [
            rsa(&pair, "RS256", &RSA_PKCS1_SHA256),
            rsa(&pair, "RS512", &RSA_PKCS1_SHA512),
            ec(),
            ec(),
        ];
        for (by, (key, own)) in signed.iter().enumerate() {
            let ready = VerificationKey::new(key).unwrap();
            assert_eq!(format!("{:?}", ready.algorithm()), key.alg);
            for (of, (_, signature)) in signed.iter().enumerate() {
                assert_eq!(ready.verifies(MESSAGE, signature), by == of, "{by} {of}");
                assert!(!ready.verifies(b"e30.e31", signature));
            }
            let longer = [own.as_slice(), &[0]].concat();
            for forged in [&own[1..], &longer, &[], &vec![0; own.len()]] {
                assert!(!ready.verifies(MESSAGE, forged), "{forged:?}");
            }
        }
    }

    #[test]
    fn a_key_without_a_supported_form_verifies_nothing() {
        let (key, _) = ec();
        for broken in [
            Jwk {
                x: None,
                ..key.clone()
            },
            Jwk {
                y: key.x.clone(),
                ..key.clone()
            },
            Jwk {
                x: Some("!".to_owned()),
                ..key.clone()
            },
            Jwk {
                alg: "RS256".to_owned(),
                ..key.clone()
            },
            Jwk {
                alg: "ES256".to_owned(),
                ..key.clone()
            },
            Jwk {
                kty: "RSA".to_owned(),
                ..key.clone()
            },
            Jwk::default(),
        ] {
            assert!(VerificationKey::new(&broken).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn a_modulus_of_less_than_2048_bits_verifies_nothing() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (key, signature) = rsa(&pair, "RS256", &RSA_PKCS1_SHA256);
        let short = Jwk {
            n: key.n.as_ref().map(|n| n[..340].to_owned()),
            ..key
        };
        let ready = VerificationKey::new(&short);
        assert!(ready.is_none_or(|short| !short.verifies(MESSAGE, &signature[1..])));
    }

    #[test]
    fn a_key_is_made_ready_once() {
        let (one, other) = (ec().0, ec().0);
        let keys = [one, other, Jwk::default()];
        let ready = VerificationKeys::of(&keys);
        for (position, key) in keys.iter().enumerate() {
            let [first, again] = [(), ()].map(|()| ready.get(position, key));
            assert_eq!(first.is_some(), position < 2);
            assert_eq!(first.map(std::ptr::from_ref), again.map(std::ptr::from_ref));
        }
        assert!(ready.get(3, &keys[0]).is_none());
    }
}
