//! Assertions with which clients authenticate: `private_key_jwt` (RFC 7523, OpenID Connect Core section 9).

use std::{fmt, str::FromStr as _};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ids::ClientId, jwk::Jwk, rejection::Rejection, timestamp::Timestamp};

/// How much the clocks of a client and of this server may differ.
const LEEWAY_SECONDS: f64 = 30.0;
/// How far ahead the end of an assertion may lie.
const MAX_LIFETIME_SECONDS: f64 = 600.0;
/// The longest assertion that is looked at.
const MAX_JWT_BYTES: usize = 16 * 1024;
/// The longest `jti`, in characters.
const MAX_ID_CHARS: usize = 256;

/// An assertion that was read, and not verified yet.
#[derive(Clone)]
pub struct ClientAssertion {
    jwt: String,
    header: Header,
    claims: Claims,
    client_id: ClientId,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What remains of an assertion once it was used: a digest of its `jti`, until it has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedAssertion {
    /// SHA-256 of the `jti`.
    pub digest: [u8; 32],
    /// From when on the assertion is refused for its age.
    pub expires_at: Timestamp,
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(…)")
    }
}

impl ClientAssertion {
    /// Reads an assertion.
    ///
    /// # Errors
    /// When it is no signed JWT whose `iss` and `sub` are one client.
    pub fn parse(jwt: &str) -> Result<Self, Rejection> {
        let malformed = Rejection::MalformedAssertion;
        if jwt.len() > MAX_JWT_BYTES {
            return Err(malformed);
        }
        let header = jsonwebtoken::decode_header(jwt).map_err(|_| malformed)?;
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11).
        if header.crit.is_some() || !is_assertion_type(header.typ.as_deref()) {
            return Err(malformed);
        }
        let claims = read_claims(jwt).ok_or(malformed)?;
        let client_id = match (&claims.iss, &claims.sub) {
            (Some(issuer), Some(subject)) if issuer == subject => ClientId::parse(subject),
            _ => return Err(Rejection::Issuer),
        };
        Ok(Self {
            jwt: jwt.to_owned(),
            header,
            claims,
            client_id: client_id.map_err(|_| Rejection::UnknownClient)?,
        })
    }

    /// The client that the assertion names.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Checks for whom the assertion is and whether its time is now (RFC 7523 section 3), and returns what to remember
    /// of it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_claims(&self, audiences: &[String], now: Timestamp) -> Result<UsedAssertion, Rejection> {
        let named = match &self.claims.aud {
            None => &[][..],
            Some(Audience::One(audience)) => std::slice::from_ref(audience),
            Some(Audience::Several(audiences)) => audiences,
        };
        if !named.iter().any(|audience| audiences.contains(audience)) {
            return Err(Rejection::Audience);
        }
        let expires_at = self.check_times(now)?;
        let id = self.claims.jti.as_deref().unwrap_or_default();
        if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
            return Err(Rejection::AssertionId);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
        Ok(UsedAssertion {
            digest: bytes,
            expires_at,
        })
    }

    fn check_times(&self, now: Timestamp) -> Result<Timestamp, Rejection> {
        let now = now.as_seconds();
        let expires = self.claims.exp.ok_or(Rejection::Lifetime)?;
        if expires + LEEWAY_SECONDS <= now {
            return Err(Rejection::Expired);
        }
        if expires > now + MAX_LIFETIME_SECONDS {
            return Err(Rejection::Lifetime);
        }
        let begins = [self.claims.nbf, self.claims.iat];
        if begins
            .into_iter()
            .flatten()
            .any(|begin| begin > now + LEEWAY_SECONDS)
        {
            return Err(Rejection::NotYetValid);
        }
        Ok(Timestamp::from_seconds(expires + LEEWAY_SECONDS))
    }

    /// Verifies the signature with the key that the assertion names, or with the only one, and returns that key. The
    /// algorithm is the key's, whatever the assertion says.
    ///
    /// # Errors
    /// When it names no key of these, or the key did not sign it.
    pub fn verify<'a>(&self, keys: &'a [Jwk]) -> Result<&'a Jwk, Rejection> {
        let key = match (&self.header.kid, keys) {
            (Some(id), keys) => keys.iter().find(|key| key.kid == *id),
            (None, [key]) => Some(key),
            (None, _) => None,
        };
        let key = key.ok_or(Rejection::UnknownKey)?;
        let algorithm = Algorithm::from_str(&key.alg).map_err(|_| Rejection::Algorithm)?;
        if self.header.alg != algorithm {
            return Err(Rejection::Algorithm);
        }
        let mut validation = Validation::new(algorithm);
        // The claims are checked above, against the time that the caller gives.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoding = decoding_key(key).ok_or(Rejection::UnknownKey)?;
        jsonwebtoken::decode::<Map<String, Value>>(&self.jwt, &decoding, &validation)
            .map_err(|_| Rejection::Signature)?;
        Ok(key)
    }
}

/// `JWT` or nothing, or what the successor of RFC 7523 asks for. An access token is no assertion.
fn is_assertion_type(typ: Option<&str>) -> bool {
    let accepted = ["JWT", "client-authentication+jwt"];
    typ.is_none_or(|typ| accepted.iter().any(|accepted| typ.eq_ignore_ascii_case(accepted)))
}

fn read_claims(jwt: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

fn decoding_key(key: &Jwk) -> Option<DecodingKey> {
    match (&key.n, &key.e, &key.x, &key.y) {
        (Some(n), Some(e), ..) if key.kty == "RSA" => DecodingKey::from_rsa_components(n, e).ok(),
        (_, _, Some(x), Some(y)) if key.kty == "EC" => DecodingKey::from_ec_components(x, y).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLIENT: &str = "01935e8c7c00700080000000000000ab";
    const NOW: f64 = 1_800_000_000.0;

    /// An assertion with claims changed, or, where they are null, left out. Its signature is none.
    fn parse(changes: &Value) -> Result<ClientAssertion, Rejection> {
        let mut claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": "as", "exp": NOW + 60.0, "jti": "1"});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        ClientAssertion::parse(&format!(
            "{}.{}.AA",
            encode(json!({"alg": "ES384"})),
            encode(claims)
        ))
    }

    fn check(changes: &Value) -> Result<UsedAssertion, Rejection> {
        let now = Timestamp::from_seconds(NOW);
        parse(changes)?.check_claims(&["as".to_owned(), "other".to_owned()], now)
    }

    #[test]
    fn an_assertion_lives_from_its_beginning_to_its_end_with_a_leeway_of_30_seconds() {
        for (claims, rejection) in [
            (json!({"exp": NOW - 29.9}), None),
            (json!({"exp": NOW - 30.0}), Some(Rejection::Expired)),
            (json!({"exp": NOW + 600.0}), None),
            (json!({"exp": NOW + 600.1}), Some(Rejection::Lifetime)),
            (json!({"exp": 1e300}), Some(Rejection::Lifetime)),
            (json!({"exp": -1e300}), Some(Rejection::Expired)),
            (json!({"exp": null}), Some(Rejection::Lifetime)),
            (json!({"exp": "1"}), Some(Rejection::MalformedAssertion)),
            (json!({"nbf": NOW + 30.0}), None),
            (json!({"nbf": NOW + 30.1}), Some(Rejection::NotYetValid)),
            (json!({"iat": NOW + 30.1}), Some(Rejection::NotYetValid)),
            (json!({"iat": 0}), None),
        ] {
            assert_eq!(check(&claims).err(), rejection, "{claims}");
        }
    }

    #[test]
    fn an_assertion_is_of_one_client_for_one_of_the_audiences() {
        for (claims, rejection) in [
            (json!({"aud": ["a", "other"]}), None),
            (json!({"aud": []}), Some(Rejection::Audience)),
            (json!({"aud": "AS"}), Some(Rejection::Audience)),
            (json!({"aud": null}), Some(Rejection::Audience)),
            (json!({"aud": 1}), Some(Rejection::MalformedAssertion)),
            (json!({"iss": "as"}), Some(Rejection::Issuer)),
            (json!({"sub": null}), Some(Rejection::Issuer)),
            (json!({"iss": null, "sub": null}), Some(Rejection::Issuer)),
            (json!({"iss": "a", "sub": "a"}), Some(Rejection::UnknownClient)),
        ] {
            assert_eq!(check(&claims).err(), rejection, "{claims}");
        }
    }

    #[test]
    fn the_id_of_an_assertion_has_1_to_256_characters() {
        for (id, accepted) in [
            (json!("é".repeat(256)), true),
            (json!("é".repeat(257)), false),
            (json!(""), false),
            (json!(null), false),
        ] {
            let checked = check(&json!({"jti": id}));
            assert_eq!(checked.is_ok(), accepted, "{id}");
            assert!(accepted || checked == Err(Rejection::AssertionId), "{id}");
        }
    }

    #[test]
    fn an_assertion_is_remembered_until_it_would_be_refused_for_its_age() {
        let used = check(&json!({"exp": NOW + 60.0})).unwrap();
        assert_eq!(used.expires_at, Timestamp::from_seconds(NOW + 90.0));
        assert_ne!(check(&json!({"jti": "2"})).unwrap().digest, used.digest);
    }

    #[test]
    fn a_member_that_comes_twice_is_not_read() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg": "ES384"}"#);
        let claims = format!(r#"{{"iss": "{CLIENT}", "sub": "x", "sub": "{CLIENT}"}}"#);
        let outcome = ClientAssertion::parse(&format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(claims)));
        assert_eq!(outcome.err(), Some(Rejection::MalformedAssertion));
    }
}
