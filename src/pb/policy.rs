//! Policies: what the protos say about methods and error reasons.

use http::StatusCode;
use tonic::Code;

use super::generated::oauth_clients::v1::{self, ErrorReason, method_policy};

/// A rate limit, which applies to each subject of each tenant separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateTier {
    /// For reads.
    One,
    /// For changes.
    Two,
}

impl RateTier {
    /// Returns the name that callers and operators see.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "tier1",
            Self::Two => "tier2",
        }
    }
}

/// The callers that a method admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Every caller, without a token.
    Public,
    /// Callers whose token has this scope.
    Scope(String),
}

/// The requirements of a method and the shape of its REST responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodPolicy {
    /// The callers that the method admits.
    pub access: Access,
    /// The rate limit, or `None` if the method has none.
    pub rate_tier: Option<RateTier>,
    /// The HTTP status of a successful response.
    pub success_status: StatusCode,
    /// Turns a successful response in which no field is set into a 204.
    pub no_content_when_empty: bool,
    /// Also admits callers whose tenant is `*`.
    pub every_tenant: bool,
}

impl MethodPolicy {
    /// Reads a policy, or returns `None` if it is incomplete. Only a method on REST needs a success status.
    pub(super) fn read(policy: &v1::MethodPolicy, on_rest: bool) -> Option<Self> {
        let access = match policy.access.as_ref()? {
            method_policy::Access::Scope(scope) if scope.is_empty() => return None,
            method_policy::Access::Scope(scope) => Access::Scope(scope.clone()),
            method_policy::Access::Public(public) => public.then_some(Access::Public)?,
        };
        let rate_tier = match policy.rate_tier() {
            v1::RateTier::Unspecified => return None,
            v1::RateTier::None => None,
            v1::RateTier::RateTier1 => Some(RateTier::One),
            v1::RateTier::RateTier2 => Some(RateTier::Two),
        };
        let success_status = match (policy.success_status, on_rest) {
            (0, false) => StatusCode::OK,
            (status, _) => http_status(status)?,
        };
        Some(Self {
            access,
            rate_tier,
            success_status,
            no_content_when_empty: policy.no_content_when_empty,
            every_tenant: policy.every_tenant,
        })
    }
}

/// The meaning of an error reason on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonPolicy {
    /// The gRPC status code.
    pub code: Code,
    /// The HTTP status code.
    pub http_status: StatusCode,
    /// A short summary for people.
    pub title: String,
}

impl ReasonPolicy {
    /// Reads a policy, or returns `None` if it is incomplete.
    pub(super) fn read(policy: v1::ReasonPolicy) -> Option<Self> {
        (policy.code != 0 && !policy.title.is_empty()).then_some(())?;
        Some(Self {
            code: Code::from(policy.code),
            http_status: http_status(policy.http_status)?,
            title: policy.title,
        })
    }
}

fn http_status(status: i32) -> Option<StatusCode> {
    StatusCode::from_u16(u16::try_from(status).ok()?).ok()
}

/// Returns the name of an error reason that callers see: that of the enum value without its prefix.
pub(super) fn reason_name(value: &str) -> &str {
    value.strip_prefix("ERROR_REASON_").unwrap_or(value)
}

impl ErrorReason {
    /// Returns the name that callers see: that of the enum value without its prefix.
    pub fn name(self) -> &'static str {
        reason_name(self.as_str_name())
    }
}
