//! The keys that clients may have, by kind and size.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA512, RsaPublicKeyComponents,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ValueEnum;
use oauth_clients::domain::jwk::Jwk;

use crate::support::Outcome;

/// An algorithm, and for RSA the bits of the modulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    Es384,
    #[value(name = "rs256-2048")]
    Rs256Of2048,
    #[value(name = "rs512-2048")]
    Rs512Of2048,
    #[value(name = "rs256-4096")]
    Rs256Of4096,
    #[value(name = "rs512-4096")]
    Rs512Of4096,
}

pub(crate) struct SigningKey {
    kind: KeyKind,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    pub(crate) fn generate(kind: KeyKind) -> Outcome<Self> {
        let pair = match kind {
            KeyKind::Es384 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?),
            KeyKind::Rs256Of2048 | KeyKind::Rs512Of2048 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?),
            KeyKind::Rs256Of4096 | KeyKind::Rs512Of4096 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa4096)?),
        };
        Ok(Self { kind, pair })
    }

    /// Returns the `alg` (RFC 7518 section 3.1).
    pub(crate) fn algorithm(&self) -> &'static str {
        match self.kind {
            KeyKind::Es384 => "ES384",
            KeyKind::Rs256Of2048 | KeyKind::Rs256Of4096 => "RS256",
            KeyKind::Rs512Of2048 | KeyKind::Rs512Of4096 => "RS512",
        }
    }

    /// Returns the public key without its name and purpose.
    pub(crate) fn public(&self) -> Jwk {
        let algorithm = Jwk {
            alg: self.algorithm().to_owned(),
            ..Jwk::default()
        };
        match &self.pair {
            Pair::Ec(pair) => {
                // The uncompressed form of a point: 4, x, y (SEC 1 section 2.3.3).
                let point = pair.public_key().as_ref().split_at(1).1;
                let (x, y) = point.split_at(48);
                Jwk {
                    kty: "EC".to_owned(),
                    crv: Some("P-384".to_owned()),
                    x: Some(URL_SAFE_NO_PAD.encode(x)),
                    y: Some(URL_SAFE_NO_PAD.encode(y)),
                    ..algorithm
                }
            }
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = components(pair);
                Jwk {
                    kty: "RSA".to_owned(),
                    n: Some(URL_SAFE_NO_PAD.encode(n)),
                    e: Some(URL_SAFE_NO_PAD.encode(e)),
                    ..algorithm
                }
            }
        }
    }

    /// Returns the public key, ready to verify signatures.
    pub(crate) fn parsed(&self) -> Outcome<ParsedPublicKey> {
        Ok(match &self.pair {
            Pair::Ec(pair) => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, pair.public_key().as_ref())?,
            Pair::Rsa(pair) => components(pair).to_parsed_public_key(match self.kind {
                KeyKind::Rs512Of2048 | KeyKind::Rs512Of4096 => &RSA_PKCS1_2048_8192_SHA512,
                _ => &RSA_PKCS1_2048_8192_SHA256,
            })?,
        })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Outcome<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let encoding = match self.kind {
                    KeyKind::Rs512Of2048 | KeyKind::Rs512Of4096 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

fn components(pair: &RsaKeyPair) -> RsaPublicKeyComponents<Vec<u8>> {
    pair.public_key().into()
}
