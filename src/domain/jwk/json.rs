//! Reads a public key from JSON.

use serde_json::Value;

use super::{Jwk, PRIVATE_MEMBERS, rule::JwkRule};

/// The members that describe a public key.
const PUBLIC_MEMBERS: [&str; 9] = ["kid", "kty", "alg", "use", "n", "e", "crv", "x", "y"];

impl Jwk {
    /// Reads a key. As in protobuf's JSON mapping, `null` stands for an absent member, which still has to be one of a key.
    ///
    /// # Errors
    /// Returns the first broken rule, with the member that breaks it or `None` for the key itself. A key with private
    /// members is read whatever else is wrong with it, so that it is reported as private.
    pub fn from_json(key: &Value) -> Result<Self, (Option<&str>, JwkRule)> {
        let members = key.as_object().ok_or((None, JwkRule::NotAnObject))?;
        let mut key = Self::default();
        let mut broken = None;
        for (name, value) in members {
            if value.is_null() && is_member(name) {
                continue;
            }
            if let Some(private) = PRIVATE_MEMBERS.into_iter().find(|private| private == name) {
                key.private_members.push(private);
            } else if let Err(rule) = key.set(name, value) {
                broken.get_or_insert((Some(name.as_str()), rule));
            }
        }
        match broken {
            Some(broken) if key.private_members.is_empty() => Err(broken),
            Some(_) | None => Ok(key),
        }
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), JwkRule> {
        let text = || value.as_str().map(str::to_owned).ok_or(JwkRule::NotAString);
        match name {
            "kid" => self.kid = text()?,
            "kty" => self.kty = text()?,
            "alg" => self.alg = text()?,
            "use" => self.key_use = text()?,
            "n" => self.n = Some(text()?),
            "e" => self.e = Some(text()?),
            "crv" => self.crv = Some(text()?),
            "x" => self.x = Some(text()?),
            "y" => self.y = Some(text()?),
            _ => return Err(JwkRule::UnknownMember),
        }
        Ok(())
    }
}

/// Returns `true` if a key may have a member of this name, or is told that it must not have it as it is private.
fn is_member(name: &str) -> bool {
    PUBLIC_MEMBERS.contains(&name) || PRIVATE_MEMBERS.contains(&name)
}
