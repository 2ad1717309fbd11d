//! The reasons for which a client is not authenticated. They go to logs and metrics, never to callers.

use super::closed_set::closed_set;

closed_set! {
    /// The reason for which the credentials of a client are rejected. Its name appears in logs and metrics.
    pub enum Rejection {
        /// No client has the id, or the id is malformed.
        UnknownClient = "unknown_client",
        /// The client belongs to a tenant that the caller cannot see.
        OtherTenant = "other_tenant",
        /// The client was deleted.
        Deleted = "deleted",
        /// The client is disabled.
        Disabled = "disabled",
        /// The client may not authenticate with this method.
        MethodNotAllowed = "method_not_allowed",
        /// The secret is mistyped, or something else: it does not have the form or the checksum of a secret.
        MalformedSecret = "malformed_secret",
        /// The client does not have the secret.
        WrongSecret = "wrong_secret",
        /// The assertion is not a signed JWT that a client could have made.
        MalformedAssertion = "malformed_assertion",
        /// The assertion is over 16 KiB, and was not read.
        OversizedAssertion = "oversized_assertion",
        /// The `iss` and the `sub` of the assertion are not both the client (RFC 7523 section 3).
        Issuer = "issuer",
        /// The assertion is meant for another server (RFC 7523 section 3).
        Audience = "audience",
        /// The assertion has no `exp`, or one that is too far ahead.
        Lifetime = "lifetime",
        /// The assertion has expired.
        Expired = "expired",
        /// The `nbf` or the `iat` of the assertion lies in the future.
        NotYetValid = "not_yet_valid",
        /// The assertion has no `jti`, or one that is too long.
        AssertionId = "assertion_id",
        /// The assertion names a key that the client does not have.
        UnknownKey = "unknown_key",
        /// The assertion was signed with an algorithm that is not the key's.
        Algorithm = "algorithm",
        /// The key did not sign the assertion.
        Signature = "signature",
        /// The client has used the assertion before.
        Replayed = "replayed",
    }
}
