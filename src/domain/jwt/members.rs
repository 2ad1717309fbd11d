//! The members of a JOSE header or of a set of claims.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::WrongType;

/// The members of a JSON object. `null` is a wrong type for each of them, and does not stand for an absent member.
#[derive(Clone)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Decodes a part of a JWT. Returns `None` if it is not base64url of a JSON object with distinct members (RFC 7515
    /// section 4, RFC 7519 section 4).
    pub(super) fn decode(part: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Returns a member of any type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns a member that is a string, if it is present.
    ///
    /// # Errors
    /// If it has another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>, WrongType> {
        self.typed(name, "a string", Value::as_str)
    }

    /// Returns a member that is a `NumericDate` (RFC 7519 section 2), if it is present.
    ///
    /// # Errors
    /// If it has another type.
    pub fn seconds(&self, name: &str) -> Result<Option<f64>, WrongType> {
        self.typed(name, "a number of seconds", Value::as_f64)
    }

    /// Returns a member that is a string or an array of strings, if it is present, as `aud` is (RFC 7519 section 4.1.3).
    ///
    /// # Errors
    /// If it has another type.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, WrongType> {
        self.typed(name, "a string or an array of strings", |value| match value {
            Value::Array(values) => values.iter().map(Value::as_str).collect(),
            value => value.as_str().map(|text| vec![text]),
        })
    }

    fn typed<'a, T>(
        &'a self,
        name: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, WrongType> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let wrong_type = || WrongType {
            member: name.to_owned(),
            expected,
        };
        read(value).map(Some).ok_or_else(wrong_type)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Members(…)")
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Distinct).map(Self)
    }
}

struct Distinct;

impl<'de> Visitor<'de> for Distinct {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(object)
    }
}
