//! Patches (RFC 6902) of a client's metadata, at paths of RFC 6901.

use serde_json::Value;
use thiserror::Error;

use super::{
    jwk::{Jwk, JwkRule, PRIVATE_MEMBERS},
    metadata::ClientDraft,
    timestamp::Timestamp,
    violation::{Rule, Violations},
};

/// A list of operations, as it came in.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The operations in the order in which they are applied.
    pub operations: Vec<Operation>,
}

/// One operation, as it came in (RFC 6902 section 4).
#[derive(Debug, Clone)]
pub struct Operation {
    /// `add`, `replace` or `remove`.
    pub op: String,
    /// Where, as a JSON Pointer.
    pub path: String,
    /// What, for `add` and `replace`.
    pub value: Option<Value>,
}

/// A rule for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PatchRule {
    /// Too many operations.
    #[error("must have at most {MAX_OPERATIONS} operations")]
    TooManyOperations,
    /// An operation that there is not, or that is not offered.
    #[error("must be add, replace or remove")]
    UnknownOperation,
    /// A path that cannot be patched.
    #[error("cannot be patched")]
    NotPatchable,
    /// Removing what is not there.
    #[error("cannot be removed: it is not set")]
    NothingToRemove,
    /// An index outside of the array (RFC 6902 section 4.1), or none (RFC 6901 section 4).
    #[error("is no element of the array")]
    NoSuchElement,
    /// Nothing to add or to put in the place.
    #[error("is required for add and replace")]
    MissingValue,
    /// A value of another type.
    #[error("must be {expected}")]
    WrongType {
        /// The type, for people.
        expected: &'static str,
    },
    /// A timestamp that is none of RFC 3339.
    #[error("must be an RFC 3339 timestamp")]
    NotATimestamp,
    /// A publication that has not happened.
    #[error("must not be in the future")]
    InTheFuture,
}

/// The most operations of a patch.
const MAX_OPERATIONS: usize = 100;

/// What an operation does, once it is known to be one.
#[derive(Debug, Clone, Copy)]
enum Action<'a> {
    Add(&'a Value),
    Replace(&'a Value),
    Remove,
}

/// A broken rule, and the part of the operation that breaks it.
struct Broken {
    part: String,
    rule: Rule,
}

impl Broken {
    fn path(rule: PatchRule) -> Self {
        Self::part("path", rule)
    }

    fn value(rule: PatchRule) -> Self {
        Self::part("value", rule)
    }

    fn part(part: impl Into<String>, rule: impl Into<Rule>) -> Self {
        Self {
            part: part.into(),
            rule: rule.into(),
        }
    }
}

type Outcome = Result<(), Broken>;

impl Patch {
    /// Applies each operation to what the ones before made. One that cannot be applied is reported and left out, so
    /// that all of them are.
    pub fn apply(&self, draft: &mut ClientDraft, now: Timestamp) -> Violations {
        let mut found = Violations::default();
        if self.operations.len() > MAX_OPERATIONS {
            found.push("operations", PatchRule::TooManyOperations);
            return found;
        }
        for (index, operation) in self.operations.iter().enumerate() {
            if let Err(Broken { part, rule }) = operation.apply(draft, now) {
                let (rule, path) = (Box::new(rule), operation.path.clone());
                found.push(
                    format!("operations[{index}].{part}"),
                    Rule::Operation { rule, path },
                );
            }
        }
        found
    }
}

impl Operation {
    fn apply(&self, draft: &mut ClientDraft, now: Timestamp) -> Outcome {
        let action = self.action()?;
        let tokens = pointer_tokens(&self.path).ok_or(Broken::path(PatchRule::NotPatchable))?;
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        match tokens.as_slice() {
            ["clientName"] => patch_text(&mut draft.client_name, action),
            ["description"] => patch_text(&mut draft.description, action),
            ["logoUri"] => patch_text(&mut draft.logo_uri, action),
            ["clientUri"] => patch_text(&mut draft.client_uri, action),
            ["connectionConfig", "consentMethod"] => patch_consent(&mut draft.consent_method, action),
            ["publishedAt"] => patch_time(&mut draft.published_at, action, now),
            ["redirectUris", rest @ ..] => patch_texts(&mut draft.redirect_uris, rest, action),
            ["allowedOrigins", rest @ ..] => patch_texts(&mut draft.allowed_origins, rest, action),
            ["allowedScopes", rest @ ..] => patch_texts(&mut draft.allowed_scopes, rest, action),
            ["allowedGrantTypes", rest @ ..] => patch_texts(&mut draft.allowed_grant_types, rest, action),
            ["allowedAuthMethods", rest @ ..] => patch_texts(&mut draft.allowed_auth_methods, rest, action),
            ["publicKeys", rest @ ..] => patch_list(&mut draft.public_keys, rest, action, key),
            _ => Err(Broken::path(PatchRule::NotPatchable)),
        }
    }

    fn action(&self) -> Result<Action<'_>, Broken> {
        let value = || self.value.as_ref().ok_or(Broken::value(PatchRule::MissingValue));
        match self.op.as_str() {
            "add" => value().map(Action::Add),
            "replace" => value().map(Action::Replace),
            "remove" => Ok(Action::Remove),
            _ => Err(Broken::part("op", PatchRule::UnknownOperation)),
        }
    }
}

/// The reference tokens of a JSON Pointer, unescaped (RFC 6901 sections 3 and 4). Nothing for what is none.
fn pointer_tokens(pointer: &str) -> Option<Vec<String>> {
    pointer.strip_prefix('/')?.split('/').map(unescape).collect()
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix('0') {
            text.push('~');
            text.push_str(rest);
        } else {
            text.push('/');
            text.push_str(part.strip_prefix('1')?);
        }
    }
    Some(text)
}

fn patch_text(member: &mut Option<String>, action: Action<'_>) -> Outcome {
    match action {
        Action::Add(value) | Action::Replace(value) => *member = Some(text("value", value)?),
        Action::Remove => drop(member.take().ok_or(Broken::path(PatchRule::NothingToRemove))?),
    }
    Ok(())
}

fn patch_consent(member: &mut Option<String>, action: Action<'_>) -> Outcome {
    *member = match action {
        Action::Add(value) | Action::Replace(value) => Some(text("value", value)?),
        Action::Remove => None,
    };
    Ok(())
}

fn patch_time(member: &mut Option<Timestamp>, action: Action<'_>, now: Timestamp) -> Outcome {
    match action {
        Action::Add(value) | Action::Replace(value) => {
            let time = Timestamp::parse_rfc3339(&text("value", value)?)
                .map_err(|_| Broken::value(PatchRule::NotATimestamp))?;
            if time > now {
                return Err(Broken::value(PatchRule::InTheFuture));
            }
            *member = Some(time);
        }
        Action::Remove => drop(member.take().ok_or(Broken::path(PatchRule::NothingToRemove))?),
    }
    Ok(())
}

fn patch_texts(list: &mut Vec<String>, rest: &[&str], action: Action<'_>) -> Outcome {
    patch_list(list, rest, action, text)
}

/// Patches an array as a whole, or one element of it (RFC 6902 section 4).
fn patch_list<T>(
    list: &mut Vec<T>,
    rest: &[&str],
    action: Action<'_>,
    element: impl Fn(&str, &Value) -> Result<T, Broken>,
) -> Outcome {
    match (rest, action) {
        ([], Action::Add(value) | Action::Replace(value)) => {
            let values = value
                .as_array()
                .ok_or(Broken::value(PatchRule::WrongType { expected: "an array" }))?;
            *list = values
                .iter()
                .enumerate()
                .map(|(index, value)| element(&format!("value[{index}]"), value))
                .collect::<Result<_, _>>()?;
        }
        ([], Action::Remove) => list.clear(),
        (["-"], Action::Add(value)) => list.push(element("value", value)?),
        ([index], Action::Add(value)) => {
            let index = array_index(index, list.len() + 1)?;
            list.insert(index, element("value", value)?);
        }
        ([index], Action::Replace(value)) => {
            let slot = list.get_mut(array_index(index, usize::MAX)?);
            *slot.ok_or(Broken::path(PatchRule::NoSuchElement))? = element("value", value)?;
        }
        ([index], Action::Remove) => {
            let index = array_index(index, list.len())?;
            list.remove(index);
        }
        _ => return Err(Broken::path(PatchRule::NotPatchable)),
    }
    Ok(())
}

/// An index below `end`, in digits without leading zeros (RFC 6901 section 4).
fn array_index(token: &str, end: usize) -> Result<usize, Broken> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    token
        .parse()
        .ok()
        .filter(|index| canonical && *index < end)
        .ok_or(Broken::path(PatchRule::NoSuchElement))
}

fn text(part: &str, value: &Value) -> Result<String, Broken> {
    let wrong = PatchRule::WrongType { expected: "a string" };
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Broken::part(part, wrong))
}

fn key(part: &str, value: &Value) -> Result<Jwk, Broken> {
    let members = value
        .as_object()
        .ok_or_else(|| Broken::part(part, JwkRule::NotAnObject))?;
    let private = |name: &str| PRIVATE_MEMBERS.into_iter().find(|private| *private == name);
    // As in the message of a new client, null stands for a member that is absent.
    let members = || members.iter().filter(|(_, value)| !value.is_null());
    let mut key = Jwk {
        private_members: members().filter_map(|(name, _)| private(name)).collect(),
        ..Jwk::default()
    };
    for (name, value) in members().filter(|(name, _)| private(name).is_none()) {
        match key_member(&mut key, name, value) {
            // That the key is private is more than that it has other faults.
            Err(rule) if key.private_members.is_empty() => {
                return Err(Broken::part(format!("{part}.{name}"), rule));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(key)
}

fn key_member(key: &mut Jwk, name: &str, value: &Value) -> Result<(), JwkRule> {
    let text = || value.as_str().map(str::to_owned).ok_or(JwkRule::NotAString);
    match name {
        "kid" => key.kid = text()?,
        "kty" => key.kty = text()?,
        "alg" => key.alg = text()?,
        "use" => key.key_use = text()?,
        "n" => key.n = Some(text()?),
        "e" => key.e = Some(text()?),
        "crv" => key.crv = Some(text()?),
        "x" => key.x = Some(text()?),
        "y" => key.y = Some(text()?),
        _ => return Err(JwkRule::UnknownMember),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn draft() -> ClientDraft {
        ClientDraft {
            app_type: "web".into(),
            client_name: Some("name".into()),
            redirect_uris: vec!["https://a/".into(), "https://b/".into()],
            ..ClientDraft::default()
        }
    }

    /// Applies a JSON Patch, and says what it did to the draft or which part of which operation it broke.
    fn apply(patch: &Value) -> Result<ClientDraft, Vec<(String, Rule)>> {
        let operations = patch.as_array().unwrap().iter().map(|operation| Operation {
            op: operation["op"].as_str().unwrap_or_default().into(),
            path: operation["path"].as_str().unwrap_or_default().into(),
            value: operation.get("value").cloned(),
        });
        let patch = Patch {
            operations: operations.collect(),
        };
        let mut draft = draft();
        let found = patch.apply(&mut draft, NOW);
        found
            .or(draft)
            .map_err(|found| found.iter().map(|v| (v.field.clone(), inner(&v.rule))).collect())
    }

    fn inner(rule: &Rule) -> Rule {
        match rule {
            Rule::Operation { rule, .. } => (**rule).clone(),
            other => other.clone(),
        }
    }

    fn redirect_uris(patch: &Value) -> Vec<String> {
        apply(patch).unwrap().redirect_uris
    }

    fn broken(patch: &Value) -> Vec<(String, Rule)> {
        apply(patch).unwrap_err()
    }

    #[test]
    fn add_and_replace_set_a_member_present_or_not() {
        for op in ["add", "replace"] {
            let patch = json!([
                {"op": op, "path": "/clientName", "value": "new"},
                {"op": op, "path": "/description", "value": ""},
                {"op": op, "path": "/connectionConfig/consentMethod", "value": "trusted"},
                {"op": op, "path": "/publishedAt", "value": "2023-11-14T22:13:20Z"},
                {"op": op, "path": "/allowedScopes", "value": ["a", "b"]},
            ]);
            let after = apply(&patch).unwrap();
            assert_eq!(after.client_name.as_deref(), Some("new"));
            assert_eq!(after.description.as_deref(), Some(""));
            assert_eq!(after.consent_method.as_deref(), Some("trusted"));
            assert_eq!(after.published_at, Some(NOW));
            assert_eq!(after.allowed_scopes, ["a", "b"]);
        }
    }

    #[test]
    fn remove_clears_a_member_that_is_there() {
        let after = apply(&json!([
            {"op": "remove", "path": "/clientName"},
            {"op": "remove", "path": "/redirectUris"},
            {"op": "remove", "path": "/allowedScopes"},
            {"op": "remove", "path": "/connectionConfig/consentMethod"},
        ]))
        .unwrap();
        assert_eq!(after.client_name, None);
        assert_eq!(after.redirect_uris, [""; 0]);
        assert_eq!(after.consent_method, None);
        for path in ["/description", "/logoUri", "/clientUri", "/publishedAt"] {
            assert_eq!(
                broken(&json!([{"op": "remove", "path": path}])),
                [("operations[0].path".into(), PatchRule::NothingToRemove.into())],
                "{path}"
            );
        }
    }

    #[test]
    fn each_operation_sees_the_one_before() {
        let after = redirect_uris(&json!([
            {"op": "add", "path": "/redirectUris/0", "value": "https://0/"},
            {"op": "add", "path": "/redirectUris/-", "value": "https://z/"},
            {"op": "replace", "path": "/redirectUris/1", "value": "https://1/"},
            {"op": "remove", "path": "/redirectUris/2"},
            {"op": "add", "path": "/redirectUris/3", "value": "https://y/"},
        ]));
        assert_eq!(after, ["https://0/", "https://1/", "https://z/", "https://y/"]);
    }

    #[test]
    fn array_elements_keep_to_rfc_6902() {
        let element = |op: &str, index: &str| {
            let path = format!("/redirectUris/{index}");
            apply(&json!([{"op": op, "path": path, "value": "https://c/"}])).is_ok()
        };
        for index in ["0", "1"] {
            assert!(element("add", index) && element("replace", index) && element("remove", index));
        }
        assert!(element("add", "2") && element("add", "-"));
        for (op, indexes) in [
            (
                "add",
                &["3", "01", "+1", "-1", "", "a", "18446744073709551616"][..],
            ),
            ("replace", &["2", "-", "00", "01", "+1", ""][..]),
            ("remove", &["2", "-", "00", "01", "+1", ""][..]),
        ] {
            for index in indexes {
                assert!(!element(op, index), "{op} {index}");
            }
        }
    }

    #[test]
    fn any_other_path_is_refused() {
        for path in [
            "",
            "/",
            "clientName",
            "/clientname",
            "/ClientName",
            "/client_name",
            "/clientName/",
            "/clientId",
            "/appType",
            "/createdAt",
            "/clientSecrets",
            "/clientSecret",
            "/disableTag",
            "/deletedAt",
            "/connectionConfig",
            "/connectionConfig/status",
            "/connectionConfig/consentMethod/0",
            "/redirectUris/0/0",
            "/publicKeys/0/kid",
            "/client~0Name",
            "/client~1Name",
            "/client~Name",
            "/clientName~",
            "/clientName~2",
            "#/clientName",
        ] {
            assert_eq!(
                broken(&json!([{"op": "add", "path": path, "value": "x"}])),
                [("operations[0].path".into(), PatchRule::NotPatchable.into())],
                "{path}"
            );
        }
    }

    #[test]
    fn a_pointer_is_unescaped() {
        assert_eq!(
            pointer_tokens("/a~1b/m~0n/~01"),
            Some(vec!["a/b".into(), "m~n".into(), "~1".into()])
        );
        assert_eq!(pointer_tokens("/"), Some(vec![String::new()]));
        assert_eq!(pointer_tokens(""), None);
        assert_eq!(pointer_tokens("/~"), None);
        assert_eq!(pointer_tokens("/~2"), None);
    }

    #[test]
    fn every_operation_that_cannot_be_applied_is_reported() {
        let text = PatchRule::WrongType { expected: "a string" };
        let array = PatchRule::WrongType { expected: "an array" };
        let found = broken(&json!([
            {"op": "move", "path": "/clientName"},
            {"op": "add", "path": "/clientName"},
            {"op": "add", "path": "/clientName", "value": null},
            {"op": "add", "path": "/clientName", "value": 5},
            {"op": "add", "path": "/redirectUris", "value": "https://a/"},
            {"op": "add", "path": "/redirectUris", "value": ["https://a/", 5]},
            {"op": "add", "path": "/redirectUris/0", "value": ["https://a/"]},
            {"op": "add", "path": "/publishedAt", "value": "soon"},
            {"op": "add", "path": "/publishedAt", "value": "2023-11-14T22:13:21Z"},
            {"op": "add", "path": "/publicKeys", "value": ["key"]},
            {"op": "add", "path": "/publicKeys/-", "value": {"kid": 5}},
            {"op": "add", "path": "/publicKeys/-", "value": {"x5c": []}},
        ]));
        let expected: [(&str, Rule); 12] = [
            ("operations[0].op", PatchRule::UnknownOperation.into()),
            ("operations[1].value", PatchRule::MissingValue.into()),
            ("operations[2].value", text.into()),
            ("operations[3].value", text.into()),
            ("operations[4].value", array.into()),
            ("operations[5].value[1]", text.into()),
            ("operations[6].value", text.into()),
            ("operations[7].value", PatchRule::NotATimestamp.into()),
            ("operations[8].value", PatchRule::InTheFuture.into()),
            ("operations[9].value[0]", JwkRule::NotAnObject.into()),
            ("operations[10].value.kid", JwkRule::NotAString.into()),
            ("operations[11].value.x5c", JwkRule::UnknownMember.into()),
        ];
        assert_eq!(found, expected.map(|(field, rule)| (field.to_owned(), rule)));
    }

    #[test]
    fn a_key_keeps_the_names_of_private_members_and_not_their_values() {
        let after = apply(&json!([
            {"op": "add", "path": "/publicKeys/-", "value": {"kid": "a", "d": "private", "oth": []}},
        ]))
        .unwrap();
        assert_eq!(after.public_keys[0].private_members, ["d", "oth"]);
        assert!(!format!("{after:?}").contains("private\""));
    }

    #[test]
    fn a_patch_has_at_most_100_operations() {
        let operations = |count| json!(vec![json!({"op": "remove", "path": "/redirectUris"}); count]);
        assert!(apply(&operations(0)).is_ok());
        assert!(apply(&operations(100)).is_ok());
        assert_eq!(
            broken(&operations(101)),
            [("operations".into(), PatchRule::TooManyOperations.into())]
        );
    }
}
