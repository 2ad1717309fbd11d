//! Assertions with which clients authenticate: `private_key_jwt` (RFC 7523, OpenID Connect Core section 9).

use std::{fmt, str::FromStr as _, time::Duration};

use jsonwebtoken::Algorithm;

use super::{
    digest::{Sha256, sha256},
    ids::ClientId,
    jwk::{Jwk, VerificationKeys},
    jwt::{InvalidJwt, Members, SignedJwt, WrongType, is_media_type},
    rejection::Rejection,
    timestamp::Timestamp,
};

/// The tolerated difference between the clocks of a client and of this server.
const LEEWAY_SECONDS: f64 = 30.0;
/// The maximum length of a `jti`, in characters.
const MAX_ID_CHARS: usize = 256;

/// An assertion that was parsed but not verified yet.
#[derive(Clone)]
pub struct ClientAssertion {
    jwt: SignedJwt,
    claims: Claims,
    client_id: ClientId,
}

#[derive(Clone)]
struct Claims {
    audiences: Vec<String>,
    expires: Option<f64>,
    /// `nbf` and `iat`.
    begins: [Option<f64>; 2],
    id: Option<String>,
}

/// The expectations that an assertion is checked against.
#[derive(Debug, Clone, Copy)]
pub struct AssertionRules<'a> {
    /// The names of the authorization server, of which `aud` has to have one.
    pub audiences: &'a [String],
    /// The maximum time until an assertion expires.
    pub max_lifetime: Duration,
}

/// The record of a used assertion: a digest of its `jti`, kept until it has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedAssertion {
    /// SHA-256 of the `jti`.
    pub digest: Sha256,
    /// The time from which the assertion is rejected as expired.
    pub expires_at: Timestamp,
}

impl fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAssertion(…)")
    }
}

impl ClientAssertion {
    /// Parses an assertion.
    ///
    /// # Errors
    /// If it is not a signed JWT whose `iss` and `sub` are the same client.
    pub fn parse(jwt: &str) -> Result<Self, Rejection> {
        let jwt = SignedJwt::parse(jwt)?;
        if !jwt.media_type().is_none_or(is_assertion_type) {
            return Err(Rejection::MalformedAssertion);
        }
        let claims = Claims::read(jwt.claims())?;
        let client_id = match (jwt.claims().text("iss")?, jwt.claims().text("sub")?) {
            (Some(issuer), Some(subject)) if issuer == subject => ClientId::parse(subject),
            _ => return Err(Rejection::Issuer),
        };
        let client_id = client_id.map_err(|_| Rejection::UnknownClient)?;
        Ok(Self {
            jwt,
            claims,
            client_id,
        })
    }

    /// Returns the client that the assertion names.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Checks the audience, the times and the `jti` (RFC 7523 section 3), and returns the record to store when the
    /// assertion is used.
    ///
    /// # Errors
    /// Returns the first rule that the assertion breaks.
    pub fn check_claims(
        &self,
        rules: AssertionRules<'_>,
        now: Timestamp,
    ) -> Result<UsedAssertion, Rejection> {
        let mut intended = self.claims.audiences.iter();
        if !intended.any(|audience| rules.audiences.contains(audience)) {
            return Err(Rejection::Audience);
        }
        let expires_at = self.check_times(rules.max_lifetime, now)?;
        let id = self.claims.id.as_deref().unwrap_or_default();
        if !(1..=MAX_ID_CHARS).contains(&id.chars().count()) {
            return Err(Rejection::AssertionId);
        }
        Ok(UsedAssertion {
            digest: sha256(id.as_bytes()),
            expires_at,
        })
    }

    fn check_times(&self, max_lifetime: Duration, now: Timestamp) -> Result<Timestamp, Rejection> {
        let now = now.as_seconds();
        let expires = self.claims.expires.ok_or(Rejection::Lifetime)?;
        if expires + LEEWAY_SECONDS <= now {
            return Err(Rejection::Expired);
        }
        // With the leeway, as an assertion of the full lifetime by a clock that is ahead expires that much later.
        if expires > now + max_lifetime.as_secs_f64() + LEEWAY_SECONDS {
            return Err(Rejection::Lifetime);
        }
        let mut begins = self.claims.begins.into_iter().flatten();
        if begins.any(|begin| begin > now + LEEWAY_SECONDS) {
            return Err(Rejection::NotYetValid);
        }
        Ok(Timestamp::from_seconds(expires + LEEWAY_SECONDS))
    }

    /// Verifies the signature with the key that the assertion names, or with the only key, and returns that key. The
    /// algorithm has to be the key's. `ready` was made of the same keys.
    ///
    /// # Errors
    /// If none of the keys has the name, or the key did not sign the assertion.
    pub fn verify<'a>(&self, keys: &'a [Jwk], ready: &VerificationKeys) -> Result<&'a Jwk, Rejection> {
        let mut numbered = keys.iter().enumerate();
        let found = match (self.jwt.key_id(), keys) {
            (Some(id), _) => numbered.find(|(_, key)| key.kid == id),
            (None, [_]) => numbered.next(),
            (None, _) => None,
        };
        let (position, key) = found.ok_or(Rejection::UnknownKey)?;
        let algorithm = Algorithm::from_str(&key.alg).map_err(|_| Rejection::Algorithm)?;
        if self.jwt.algorithm() != Some(algorithm) {
            return Err(Rejection::Algorithm);
        }
        let ready = ready.get(position, key).ok_or(Rejection::UnknownKey)?;
        let is_signed = self.jwt.is_signed_by(ready);
        is_signed.then_some(key).ok_or(Rejection::Signature)
    }
}

impl Claims {
    fn read(claims: &Members) -> Result<Self, WrongType> {
        let audiences = claims.texts("aud")?.unwrap_or_default();
        Ok(Self {
            audiences: audiences.into_iter().map(str::to_owned).collect(),
            expires: claims.seconds("exp")?,
            begins: [claims.seconds("nbf")?, claims.seconds("iat")?],
            id: claims.text("jti")?.map(str::to_owned),
        })
    }
}

impl From<InvalidJwt> for Rejection {
    fn from(error: InvalidJwt) -> Self {
        match error {
            InvalidJwt::TooLong { .. } => Self::OversizedAssertion,
            InvalidJwt::NotSigned | InvalidJwt::Critical | InvalidJwt::Header(_) => Self::MalformedAssertion,
        }
    }
}

impl From<WrongType> for Rejection {
    fn from(_: WrongType) -> Self {
        Self::MalformedAssertion
    }
}

/// Returns `true` if `typ` is `JWT`, or the type that the successor of RFC 7523 requires. An access token is not an
/// assertion.
fn is_assertion_type(typ: &str) -> bool {
    is_media_type(typ, "JWT") || is_media_type(typ, "client-authentication+jwt")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    const CLIENT: &str = "01935e8c7c00700080000000000000ab";
    const NOW: f64 = 1_800_000_000.0;

    /// Parses an assertion with some claims changed, and with an invalid signature.
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
        check_within(Duration::from_mins(10), changes)
    }

    fn check_within(max_lifetime: Duration, changes: &Value) -> Result<UsedAssertion, Rejection> {
        let rules = AssertionRules {
            audiences: &["as".to_owned(), "other".to_owned()],
            max_lifetime,
        };
        parse(changes)?.check_claims(rules, Timestamp::from_seconds(NOW))
    }

    /// Parses an assertion without some of its claims.
    fn check_without(absent: &[&str]) -> Result<UsedAssertion, Rejection> {
        let mut claims = json!({"iss": CLIENT, "sub": CLIENT, "aud": "as", "exp": NOW + 60.0, "jti": "1"});
        claims
            .as_object_mut()
            .unwrap()
            .retain(|name, _| !absent.contains(&name.as_str()));
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let jwt = format!("{}.{}.AA", encode(json!({"alg": "ES384"})), encode(claims));
        let rules = AssertionRules {
            audiences: &["as".to_owned()],
            max_lifetime: Duration::from_mins(10),
        };
        ClientAssertion::parse(&jwt)?.check_claims(rules, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn an_assertion_is_valid_from_its_nbf_to_its_exp_with_a_leeway_of_30_seconds() {
        for (claims, rejection) in [
            (json!({"exp": NOW - 29.9}), None),
            (json!({"exp": NOW - 30.0}), Some(Rejection::Expired)),
            (json!({"exp": NOW + 630.0}), None),
            (json!({"exp": NOW + 630.1}), Some(Rejection::Lifetime)),
            (json!({"exp": 1e300}), Some(Rejection::Lifetime)),
            (json!({"exp": -1e300}), Some(Rejection::Expired)),
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
    fn an_assertion_names_one_client_and_one_of_the_audiences() {
        for (claims, rejection) in [
            (json!({"aud": ["a", "other"]}), None),
            (json!({"aud": []}), Some(Rejection::Audience)),
            (json!({"aud": "AS"}), Some(Rejection::Audience)),
            (json!({"aud": 1}), Some(Rejection::MalformedAssertion)),
            (json!({"iss": "as"}), Some(Rejection::Issuer)),
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
        ] {
            let checked = check(&json!({"jti": id}));
            assert_eq!(checked.is_ok(), accepted, "{id}");
            assert!(accepted || checked == Err(Rejection::AssertionId), "{id}");
        }
    }

    #[test]
    fn the_maximum_lifetime_can_be_changed_and_has_the_leeway_too() {
        for (minutes, seconds) in [(1, 60.0), (10, 600.0), (60, 3_600.0)] {
            let check = |exp: f64| check_within(Duration::from_mins(minutes), &json!({"exp": exp}));
            let used = check(NOW + seconds + 30.0).unwrap();
            assert_eq!(used.expires_at, Timestamp::from_seconds(NOW + seconds + 60.0));
            assert_eq!(check(NOW + seconds + 30.1), Err(Rejection::Lifetime));
        }
        // A client whose clock is ahead, as far as `iat` may be, uses the full lifetime.
        let ahead = json!({"iat": NOW + 30.0, "nbf": NOW + 30.0, "exp": NOW + 3_630.0});
        assert!(check_within(Duration::from_hours(1), &ahead).is_ok());
    }

    #[test]
    fn null_is_a_wrong_type_and_not_absence() {
        for (claim, absent) in [
            ("iss", Some(Rejection::Issuer)),
            ("sub", Some(Rejection::Issuer)),
            ("aud", Some(Rejection::Audience)),
            ("exp", Some(Rejection::Lifetime)),
            ("jti", Some(Rejection::AssertionId)),
            ("nbf", None),
            ("iat", None),
        ] {
            let outcome = check(&json!({claim: null}));
            assert_eq!(outcome.err(), Some(Rejection::MalformedAssertion), "{claim}");
            assert_eq!(check_without(&[claim]).err(), absent, "{claim}");
        }
        assert_eq!(check_without(&["iss", "sub"]).err(), Some(Rejection::Issuer));
    }

    #[test]
    fn a_used_assertion_is_recorded_until_it_is_rejected_as_expired() {
        let used = check(&json!({"exp": NOW + 60.0})).unwrap();
        assert_eq!(used.expires_at, Timestamp::from_seconds(NOW + 90.0));
        assert_ne!(check(&json!({"jti": "2"})).unwrap().digest, used.digest);
    }

    #[test]
    fn a_duplicate_member_is_rejected() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg": "ES384"}"#);
        let claims = format!(r#"{{"iss": "{CLIENT}", "sub": "x", "sub": "{CLIENT}"}}"#);
        let outcome = ClientAssertion::parse(&format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode(claims)));
        assert_eq!(outcome.err(), Some(Rejection::MalformedAssertion));
    }
}
