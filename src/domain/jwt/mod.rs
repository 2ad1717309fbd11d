//! Signed JWTs (RFC 7519) in the compact form (RFC 7515 section 7.1): bearer tokens and assertions.

mod media_type;
mod members;

use std::{fmt, str::FromStr as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use thiserror::Error;

use super::jwk::VerificationKey;

pub use self::{media_type::is_media_type, members::Members};

/// The maximum length of a JWT.
const MAX_JWT_BYTES: usize = 16 * 1024;

/// A JWT whose signature is not verified yet.
#[derive(Clone)]
pub struct SignedJwt {
    text: String,
    header: Header,
    claims: Members,
}

/// The parameters of a header that matter (RFC 7515 section 4.1). Others are ignored, whatever their types, as keys and
/// algorithms never come from a JWT.
#[derive(Clone)]
struct Header {
    algorithm: String,
    key_id: Option<String>,
    media_type: Option<String>,
}

/// A text is not a JWT that may be verified. The error is a predicate, without its subject.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidJwt {
    /// It is longer than any JWT that is parsed.
    #[error("is {bytes} bytes long, and at most {MAX_JWT_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It does not have the form of a signed JWT, or its `alg` is `none`.
    #[error("is not a signed JWT")]
    NotSigned,
    /// Critical extensions must be understood (RFC 7515 section 4.1.11), and no extension is supported.
    #[error("has the header parameter crit, and no extension is supported")]
    Critical,
    /// A parameter of its header has a wrong type, or `alg` is absent.
    #[error("has a malformed header: {0}")]
    Header(#[from] WrongType),
}

/// A member of a header, or a claim, has a wrong type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{member} must be {expected}")]
pub struct WrongType {
    /// The name of the member.
    pub member: String,
    /// The right type.
    pub expected: &'static str,
}

impl SignedJwt {
    /// Parses a JWT.
    ///
    /// # Errors
    /// If it is too long, is not a signed JWT, or its header is malformed.
    pub fn parse(text: &str) -> Result<Self, InvalidJwt> {
        let bytes = text.len();
        if bytes > MAX_JWT_BYTES {
            return Err(InvalidJwt::TooLong { bytes });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidJwt::NotSigned);
        };
        let (Some(header), Some(claims)) = (Members::decode(header), Members::decode(claims)) else {
            return Err(InvalidJwt::NotSigned);
        };
        if URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(InvalidJwt::NotSigned);
        }
        Ok(Self {
            text: text.to_owned(),
            header: Header::read(&header)?,
            claims,
        })
    }

    /// Returns the `alg`, or `None` if the algorithm is not known.
    pub fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_str(&self.header.algorithm).ok()
    }

    /// Returns the `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// Returns the `typ`.
    pub fn media_type(&self) -> Option<&str> {
        self.header.media_type.as_deref()
    }

    /// Returns the claims.
    pub fn claims(&self) -> &Members {
        &self.claims
    }

    /// Returns `true` if a key made the signature. The `alg` has to be the algorithm of the key.
    pub fn is_signed_by(&self, key: &VerificationKey) -> bool {
        let Some((message, signature)) = self.text.rsplit_once('.') else {
            return false;
        };
        let signature = URL_SAFE_NO_PAD.decode(signature);
        self.algorithm() == Some(key.algorithm())
            && signature.is_ok_and(|signature| key.verifies(message.as_bytes(), &signature))
    }

    /// Returns `true` if a key made the signature with an algorithm, which has to be the `alg`.
    pub fn is_signed_with(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        let Some((message, signature)) = self.text.rsplit_once('.') else {
            return false;
        };
        let verified = || jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm);
        self.algorithm() == Some(algorithm) && verified().unwrap_or(false)
    }
}

impl fmt::Debug for SignedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedJwt(…)")
    }
}

impl Header {
    fn read(header: &Members) -> Result<Self, InvalidJwt> {
        if header.get("crit").is_some() {
            return Err(InvalidJwt::Critical);
        }
        let text = |name| header.text(name).map(|text| text.map(str::to_owned));
        let algorithm = text("alg")?.ok_or_else(|| WrongType {
            member: "alg".to_owned(),
            expected: "a string",
        })?;
        if algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none") {
            return Err(InvalidJwt::NotSigned);
        }
        Ok(Self {
            algorithm,
            key_id: text("kid")?,
            media_type: text("typ")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse_parts(header: &str, claims: &str) -> Result<SignedJwt, InvalidJwt> {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        SignedJwt::parse(&format!("{header}.{claims}.AA"))
    }

    fn parse(header: &Value) -> Result<SignedJwt, InvalidJwt> {
        parse_parts(&header.to_string(), "{}")
    }

    #[test]
    fn null_is_a_wrong_type_in_a_header() {
        for member in ["alg", "kid", "typ"] {
            for wrong in [json!(null), json!(1), json!(["x"]), json!({})] {
                let mut header = json!({"alg": "ES256", "kid": "a", "typ": "JWT"});
                header[member] = wrong;
                let expected = WrongType {
                    member: member.to_owned(),
                    expected: "a string",
                };
                assert_eq!(parse(&header).err(), Some(expected.into()), "{header}");
            }
        }
        for critical in [json!(null), json!([]), json!(["exp"]), json!("exp")] {
            let outcome = parse(&json!({"alg": "ES256", "crit": critical}));
            assert_eq!(outcome.err(), Some(InvalidJwt::Critical), "{critical}");
        }
    }

    #[test]
    fn parameters_that_are_not_used_do_not_matter() {
        for ignored in [json!(null), json!(1), json!("x"), json!({"kty": "AKP"})] {
            let parameters = [
                "cty", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "enc", "zip", "url", "nonce",
            ];
            for parameter in parameters {
                assert!(
                    parse(&json!({"alg": "ES256", parameter: ignored})).is_ok(),
                    "{parameter}"
                );
            }
        }
    }

    #[test]
    fn null_is_a_wrong_type_for_a_claim() {
        let jwt = parse_parts(
            r#"{"alg": "ES256"}"#,
            r#"{"null": null, "number": 0.5, "texts": ["a", null]}"#,
        );
        let jwt = jwt.unwrap();
        let claims = jwt.claims();
        for member in ["null", "number", "texts"] {
            assert!(claims.text(member).is_err(), "{member}");
            assert!(claims.texts(member).is_err(), "{member}");
            assert_eq!(claims.seconds(member).is_err(), member != "number", "{member}");
        }
        assert_eq!(
            (claims.text("none"), claims.texts("none"), claims.seconds("none")),
            (Ok(None), Ok(None), Ok(None))
        );
    }

    #[test]
    fn a_jwt_has_at_most_16_kib() {
        let signed = |bytes: usize| {
            let jwt = parse_parts(r#"{"alg":"ES256"}"#, "{}").unwrap().text;
            let signature = "A".repeat(bytes - jwt.len());
            SignedJwt::parse(&format!("{jwt}{signature}"))
        };
        assert!(signed(16 * 1024).is_ok());
        let outcome = signed(16 * 1024 + 1).err();
        assert_eq!(outcome, Some(InvalidJwt::TooLong { bytes: 16_385 }));
        let text = outcome.unwrap().to_string();
        assert_eq!(text, "is 16385 bytes long, and at most 16384 are allowed");
    }

    #[test]
    fn anything_else_is_not_a_signed_jwt() {
        let (header, claims) = (r#"{"alg": "ES256"}"#, r#"{"sub": "a"}"#);
        for (header, claims) in [
            ("{", claims),
            ("[]", claims),
            ("", claims),
            (header, "null"),
            (header, "[]"),
            (header, r#"{"sub": "a", "sub": "a"}"#),
            (header, r#"{"exp": 1e999}"#),
            (r#"{"alg": "ES256", "alg": "ES256"}"#, claims),
            (r#"{"alg": "none"}"#, claims),
            (r#"{"alg": "NONE"}"#, claims),
            (r#"{"alg": ""}"#, claims),
        ] {
            let outcome = parse_parts(header, claims);
            assert_eq!(outcome.err(), Some(InvalidJwt::NotSigned), "{header} {claims}");
        }
        let good = parse_parts(header, claims).unwrap().text;
        for text in [
            "",
            "..",
            "a.b.c",
            &format!("{good}."),
            &format!("{good}="),
            &format!(" {good}"),
        ] {
            assert_eq!(
                SignedJwt::parse(text).err(),
                Some(InvalidJwt::NotSigned),
                "{text}"
            );
        }
    }
}
