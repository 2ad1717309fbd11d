//! The broken rules of a request, each with the member that breaks it.

use thiserror::Error;

use super::{
    app_type::AppType, auth_method::AuthMethod, closed_set::one_of, jwk::JwkRule, patch_rule::PatchRule,
    scope::MAX_SCOPE_CHARS, text::TextRule, web_uri::UriRule,
};

/// A broken rule of a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct Violation {
    /// The path of the member by its JSON names, for example `publicKeys[0].kid`.
    pub field: String,
    /// The rule that it breaks.
    pub rule: Rule,
}

/// A rule that a member of a request can break.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// The member is absent.
    #[error("is required")]
    Required,
    /// The member is set, although only the server sets it.
    #[error("is read-only")]
    ReadOnly,
    /// The value is not in a closed set.
    #[error("must be {}", one_of(allowed))]
    NotOneOf {
        /// The names of the set.
        allowed: &'static [&'static str],
    },
    /// The array has too many elements.
    #[error("must have at most {max} elements")]
    TooMany {
        /// The maximum number of elements.
        max: usize,
    },
    /// The element occurs earlier in the array.
    #[error("repeats an earlier element")]
    Duplicate,
    /// The member is set on a client of a type that cannot have it.
    #[error("is allowed only if appType is {}", AppType::Web)]
    OnlyForWeb,
    /// A `web` client has no way to authenticate.
    #[error("must have at least one element if appType is {}", AppType::Web)]
    NoAuthMethod,
    /// A client that authenticates with assertions has no key to verify them.
    #[error(
        "must have at least one key if allowedAuthMethods has {}",
        AuthMethod::PrivateKeyJwt
    )]
    NoPublicKey,
    /// The value is not a scope token of RFC 6749 section 3.3.
    #[error("must be a scope token (RFC 6749 section 3.3) of 1 to {MAX_SCOPE_CHARS} characters")]
    ScopeToken,
    /// A rule for texts.
    #[error(transparent)]
    Text(#[from] TextRule),
    /// A rule for URIs.
    #[error(transparent)]
    Uri(#[from] UriRule),
    /// A rule for public keys.
    #[error(transparent)]
    Jwk(#[from] JwkRule),
    /// A rule for patches.
    #[error(transparent)]
    Patch(#[from] PatchRule),
    /// Any rule that an operation of a patch breaks.
    #[error("{rule} (path {path:?})")]
    Operation {
        /// The rule.
        rule: Box<Rule>,
        /// The path of the operation.
        path: String,
    },
}

/// All broken rules of a request. As an error it has at least one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Error)]
#[error("{} rules are broken", .0.len())]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Adds a rule that a member breaks.
    pub fn push(&mut self, field: impl Into<String>, rule: impl Into<Rule>) {
        self.0.push(Violation {
            field: field.into(),
            rule: rule.into(),
        });
    }

    /// Adds several rules that one member breaks.
    pub fn extend(&mut self, field: &str, rules: impl IntoIterator<Item: Into<Rule>>) {
        for rule in rules {
            self.push(field, rule);
        }
    }

    /// Returns the violations in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// Returns a result that is an error if any rule is broken.
    ///
    /// # Errors
    /// Returns the violations, if there are any.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}
