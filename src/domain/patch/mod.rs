//! Patches (RFC 6902) of client metadata.

mod member;
mod pointer;
#[cfg(test)]
mod tests;

use member::{
    Action, InvalidOperation, Outcome, patch_consent, patch_keys, patch_text, patch_texts, patch_time,
};
use serde_json::Value;

use super::{
    metadata::ClientDraft,
    patch_rule::{MAX_OPERATIONS, PatchRule},
    timestamp::Timestamp,
    violation::{Rule, Violations},
};

/// A JSON Patch as it was sent.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The operations in the order in which they are applied.
    pub operations: Vec<Operation>,
}

/// An operation as it was sent (RFC 6902 section 4).
#[derive(Debug, Clone)]
pub struct Operation {
    /// The name of a [`PatchOp`](super::patch_rule::PatchOp).
    pub op: String,
    /// A JSON Pointer to the member or element to change.
    pub path: String,
    /// The value to add, or to replace another with.
    pub value: Option<Value>,
}

impl Patch {
    /// Applies each operation to the result of the previous ones. Operations that cannot be applied are skipped and
    /// reported, so that all of them are reported at once.
    pub fn apply(&self, draft: &mut ClientDraft, now: Timestamp) -> Violations {
        let mut found = Violations::default();
        if self.operations.len() > MAX_OPERATIONS {
            found.push("operations", PatchRule::TooManyOperations);
            return found;
        }
        for (index, operation) in self.operations.iter().enumerate() {
            if let Err(InvalidOperation { member, rule }) = operation.apply(draft, now) {
                let (rule, path) = (Box::new(rule), operation.path.clone());
                found.push(
                    format!("operations[{index}].{member}"),
                    Rule::Operation { rule, path },
                );
            }
        }
        found
    }
}

impl Operation {
    fn apply(&self, draft: &mut ClientDraft, now: Timestamp) -> Outcome {
        let action = Action::new(&self.op, self.value.as_ref())?;
        let not_patchable = InvalidOperation::path(PatchRule::NotPatchable);
        let Some(tokens) = pointer::parse(&self.path) else {
            return Err(not_patchable);
        };
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
            ["publicKeys", rest @ ..] => patch_keys(&mut draft.public_keys, rest, action),
            _ => Err(not_patchable),
        }
    }
}
