//! What is wrong with a request: every rule that it breaks, and where.

use thiserror::Error;

use super::{jwk::JwkRule, patch::PatchRule, text::TextRule, web_uri::UriRule};

/// One broken rule of sections "creating" and "patching".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {rule}")]
pub struct Violation {
    /// Where: the path of a member by its JSON names, for example `publicKeys[0].kid`.
    pub field: String,
    /// Which rule.
    pub rule: Rule,
}

/// A rule that a member of a request can break.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// The member must be there.
    #[error("is required")]
    Required,
    /// Only the server sets the member.
    #[error("is read-only")]
    ReadOnly,
    /// The value is not in a closed set.
    #[error("must be one of: {allowed}")]
    NotOneOf {
        /// The set, for people.
        allowed: &'static str,
    },
    /// Too many elements.
    #[error("must have at most {max} elements")]
    TooMany {
        /// The most that are allowed.
        max: usize,
    },
    /// An element that stands earlier in the array.
    #[error("repeats an earlier element")]
    Duplicate,
    /// Only clients of the type `web` have the member.
    #[error("is only for clients whose appType is web")]
    OnlyForWeb,
    /// A `web` client must be able to authenticate.
    #[error("must have at least one element for a client whose appType is web")]
    NoAuthMethod,
    /// `private_key_jwt` needs a key to verify with.
    #[error("must have at least one key when allowedAuthMethods has private_key_jwt")]
    NoPublicKey,
    /// A scope that is no scope token of RFC 6749 section 3.3.
    #[error("must be a scope token of RFC 6749 section 3.3, 1 to 256 characters")]
    NoScopeToken,
    /// A rule for texts.
    #[error(transparent)]
    Text(#[from] TextRule),
    /// A rule for URIs.
    #[error(transparent)]
    Uri(#[from] UriRule),
    /// A rule for public keys.
    #[error(transparent)]
    Jwk(#[from] JwkRule),
    /// A rule that an operation of a patch breaks.
    #[error("{rule} (path {path:?})")]
    Operation {
        /// Which rule.
        rule: Box<Rule>,
        /// The path of the operation.
        path: String,
    },
    /// A rule for patches.
    #[error(transparent)]
    Patch(#[from] PatchRule),
}

/// Every rule that a request breaks. At least one, once it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Error)]
#[error("{} rules are broken", .0.len())]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a broken rule.
    pub fn push(&mut self, field: impl Into<String>, rule: impl Into<Rule>) {
        self.0.push(Violation {
            field: field.into(),
            rule: rule.into(),
        });
    }

    /// Notes several broken rules of one member.
    pub fn extend(&mut self, field: &str, rules: impl IntoIterator<Item: Into<Rule>>) {
        for rule in rules {
            self.push(field, rule);
        }
    }

    /// Adds what another check found.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// The value, if no rule is broken.
    ///
    /// # Errors
    /// The violations, if there are any.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// The violations in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }
}

/// The rules among `(broken, rule)` that are broken.
pub(super) fn broken<R, const N: usize>(rules: [(bool, R); N]) -> Vec<R> {
    rules
        .into_iter()
        .filter_map(|(broken, rule)| broken.then_some(rule))
        .collect()
}
