//! The form of a public key, which every stored key has.

use super::{
    Jwk,
    key_type::KeyType,
    rule::{BrokenMember, JwkRule, KEY_USE, MAX_ID_CHARS, MAX_MEMBER_CHARS},
};

type Member<'a> = (&'static str, &'a Option<String>);

impl Jwk {
    /// Returns the rules of form that the key breaks.
    pub fn check_form(&self) -> Vec<BrokenMember> {
        let mut broken: Vec<BrokenMember> = self
            .private_members
            .iter()
            .map(|member| (*member, JwkRule::PrivateMember))
            .collect();
        if !(1..=MAX_ID_CHARS).contains(&self.kid.chars().count()) {
            broken.push(("kid", JwkRule::Length));
        }
        if self
            .crv
            .as_ref()
            .is_some_and(|crv| crv.chars().count() > MAX_ID_CHARS)
        {
            broken.push(("crv", JwkRule::Length));
        }
        if self.key_use != KEY_USE {
            broken.push(("use", JwkRule::KeyUse));
        }
        broken.extend(self.check_type());
        broken.extend(self.check_encoding());
        broken
    }

    fn check_type(&self) -> Vec<BrokenMember> {
        let Some(key_type) = KeyType::parse(&self.kty) else {
            return vec![("kty", JwkRule::KeyType)];
        };
        let required: &[Member] = match key_type {
            KeyType::Rsa => &[("n", &self.n), ("e", &self.e)],
            KeyType::Ec => &[("crv", &self.crv), ("x", &self.x), ("y", &self.y)],
        };
        let supported = key_type.algorithms().contains(&self.alg.as_str());
        let algorithm = (!supported).then_some(("alg", JwkRule::Algorithm));
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
}

/// Returns `true` if a value has the characters and a length of unpadded base64url (RFC 4648 section 5). The trailing
/// bits of the last character are not checked.
fn is_base64url(value: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    value.len() <= MAX_MEMBER_CHARS && value.len() % 4 != 1 && value.bytes().all(in_alphabet)
}
