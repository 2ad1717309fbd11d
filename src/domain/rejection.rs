//! Why a client is not authenticated. Operators may know, callers never.

/// What is wrong with the credentials that a client presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// No client has the id, or the id is none.
    UnknownClient,
    /// The client is of a tenant that the caller does not see.
    OtherTenant,
    /// The client was deleted.
    Deleted,
    /// The client is disabled.
    Disabled,
    /// The client may not authenticate in this way.
    MethodNotAllowed,
    /// The secret has not the form or the checksum of one: it was mistyped, or is something else.
    MalformedSecret,
    /// The secret is none of the client's.
    WrongSecret,
    /// The assertion is no signed JWT of a client.
    MalformedAssertion,
    /// Its `iss` and `sub` are not both the client (RFC 7523 section 3).
    Issuer,
    /// It is for somebody else (RFC 7523 section 3).
    Audience,
    /// It has no `exp`, or one more than 10 minutes ahead.
    Lifetime,
    /// Its `exp` is over.
    Expired,
    /// Its `nbf` or `iat` has not come.
    NotYetValid,
    /// It has no `jti` of 1 to 256 characters.
    AssertionId,
    /// It names no key of the client.
    UnknownKey,
    /// It was signed with another algorithm than that of the key.
    Algorithm,
    /// The key did not sign it.
    Signature,
    /// The client has used it before.
    Replayed,
}

impl Rejection {
    /// The cause as a word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::OtherTenant => "other_tenant",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MalformedSecret => "malformed_secret",
            Self::WrongSecret => "wrong_secret",
            Self::MalformedAssertion => "malformed_assertion",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::AssertionId => "assertion_id",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Replayed => "replayed",
        }
    }
}
