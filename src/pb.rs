//! The generated code of the protos, and what their options say: read out of the compiled descriptors once, at start.

#[cfg(test)]
mod redaction;

use std::{collections::HashMap, sync::LazyLock};

use http::StatusCode;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};
use thiserror::Error;
use tonic::Code;

#[expect(
    missing_docs,
    clippy::pedantic,
    clippy::large_enum_variant,
    clippy::allow_attributes,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/protos.rs"));
}

pub use generated::{google, oauth_clients::v1};

/// The compiled descriptors of every proto, with their custom options.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/oauth_clients.bin"));

/// The domain of every `google.rpc.ErrorInfo`.
pub const ERROR_DOMAIN: &str = "oauth-clients";

/// How often one subject of one tenant may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateTier {
    /// Reads.
    One,
    /// Changes.
    Two,
}

impl RateTier {
    /// The tier as callers and operators see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "tier1",
            Self::Two => "tier2",
        }
    }
}

/// Whom a method admits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Public,
    /// Callers whose token holds this scope.
    Scope(String),
}

/// What the protos say about calling a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodPolicy {
    /// Whom it admits.
    pub access: Access,
    /// How often one caller may call it. Nothing means without limit.
    pub rate_tier: Option<RateTier>,
    /// The HTTP status of a successful answer.
    pub success_status: StatusCode,
    /// Whether an answer in which nothing is set becomes 204.
    pub no_content_when_empty: bool,
    /// Whether it admits callers whose tenant is `*` too.
    pub every_tenant: bool,
}

/// A method that the server answers.
#[derive(Debug)]
pub struct Method {
    /// Its path on gRPC, for example `/oauth_clients.v1.OAuthClientService/GetOAuthClient`.
    pub path: String,
    /// What the protos say about calling it.
    pub policy: MethodPolicy,
    /// Its messages and options.
    pub descriptor: MethodDescriptor,
}

/// What an error reason means on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonPolicy {
    /// The gRPC code that carries it.
    pub code: Code,
    /// The HTTP status that carries it.
    pub http_status: StatusCode,
    /// A short summary for people.
    pub title: String,
}

/// Everything that the options of a set of protos say.
#[derive(Debug)]
pub struct Protos {
    /// The descriptors.
    pub pool: DescriptorPool,
    methods: Vec<Method>,
    service_policies: HashMap<String, MethodPolicy>,
    reasons: HashMap<String, ReasonPolicy>,
}

/// Why the server cannot start with these protos.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The descriptors are none.
    #[error("the compiled descriptors cannot be read")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// An option has another type than the code thinks.
    #[error("an option of the protos cannot be read")]
    Option(#[from] prost::DecodeError),
    /// The protos define no such option.
    #[error("the protos do not define {name}")]
    Undefined {
        /// The name of what is missing.
        name: &'static str,
    },
    /// A method or service says nothing about who may call it how often.
    #[error("{name} has no access, rate tier or success status in its policy")]
    NoPolicy {
        /// The full name of the method or service.
        name: String,
    },
    /// An error reason says nothing about its meaning on the wire.
    #[error("{name} has no code, HTTP status or title")]
    NoReasonPolicy {
        /// The name of the enum value.
        name: String,
    },
}

static PROTOS: LazyLock<Result<Protos, PolicyError>> = LazyLock::new(|| Protos::read(DESCRIPTOR_SET));

/// What the options of the protos say.
///
/// # Errors
/// When a method has no policy, or a reason no meaning: the server must not start.
pub fn protos() -> Result<&'static Protos, &'static PolicyError> {
    PROTOS.as_ref()
}

impl Protos {
    /// Reads the options of compiled descriptors.
    ///
    /// # Errors
    /// When a method has no policy, or a reason no meaning.
    pub fn read(descriptor_set: &[u8]) -> Result<Self, PolicyError> {
        let pool = DescriptorPool::decode(descriptor_set)?;
        let methods = read_methods(&pool)?;
        let service_policies = read_service_policies(&pool)?;
        let reasons = read_reasons(&pool)?;
        Ok(Self {
            pool,
            methods,
            service_policies,
            reasons,
        })
    }

    /// The methods of the services that the protos define.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The policy of the method at a gRPC path, if it is served.
    pub fn policy(&self, path: &str) -> Option<&MethodPolicy> {
        let (service, _) = path.strip_prefix('/')?.split_once('/')?;
        self.methods
            .iter()
            .find(|method| method.path == path)
            .map(|method| &method.policy)
            .or_else(|| self.service_policies.get(service))
    }

    /// What is called at a gRPC path, if it is served: a method that the protos define, or a service that they do not.
    pub fn known_name(&self, path: &str) -> Option<&str> {
        let name = path.strip_prefix('/')?;
        let (service, _) = name.split_once('/')?;
        self.methods
            .iter()
            .find_map(|method| method.path.strip_prefix('/').filter(|known| *known == name))
            .or_else(|| {
                self.service_policies
                    .get_key_value(service)
                    .map(|(known, _)| known.as_str())
            })
    }

    /// Whether some method asks for a scope.
    pub fn asks_for(&self, scope: &str) -> bool {
        let asks = |policy: &MethodPolicy| matches!(&policy.access, Access::Scope(asked) if asked == scope);
        self.methods.iter().any(|method| asks(&method.policy)) || self.service_policies.values().any(asks)
    }

    /// What a reason means on the wire, by its name without prefix.
    pub fn reason(&self, name: &str) -> Option<&ReasonPolicy> {
        self.reasons.get(name)
    }
}

/// An option that the protos define.
///
/// # Errors
/// When they do not.
pub fn option(pool: &DescriptorPool, name: &'static str) -> Result<ExtensionDescriptor, PolicyError> {
    pool.get_extension_by_name(name)
        .ok_or(PolicyError::Undefined { name })
}

/// The message that an option holds, if it is set.
///
/// # Errors
/// When it holds none of this type.
pub fn message_option<T: prost::Message + Default>(
    options: &DynamicMessage,
    option: &ExtensionDescriptor,
) -> Result<Option<T>, PolicyError> {
    if !options.has_extension(option) {
        return Ok(None);
    }
    let value = options.get_extension(option);
    let message = value.as_message().map(DynamicMessage::transcode_to::<T>);
    Ok(message.transpose()?)
}

fn read_methods(pool: &DescriptorPool) -> Result<Vec<Method>, PolicyError> {
    let policy = option(pool, "oauth_clients.v1.policy")?;
    let http = option(pool, "google.api.http")?;
    pool.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            let options = method.options();
            let name = method.full_name().to_owned();
            let policy = message_option::<v1::MethodPolicy>(&options, &policy)?
                .and_then(|policy| read_policy(&policy, options.has_extension(&http)))
                .ok_or(PolicyError::NoPolicy { name })?;
            Ok(Method {
                path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
                policy,
                descriptor: method,
            })
        })
        .collect()
}

fn read_service_policies(pool: &DescriptorPool) -> Result<HashMap<String, MethodPolicy>, PolicyError> {
    let option = option(pool, "oauth_clients.v1.service_policy")?;
    let mut policies = HashMap::new();
    for file in pool.files() {
        let options = file.options();
        let value = options.get_extension(&option);
        let entries = value.as_list().unwrap_or_default();
        for entry in entries.iter().filter_map(|entry| entry.as_message()) {
            let entry: v1::ServicePolicy = entry.transcode_to()?;
            let policy = entry
                .policy
                .and_then(|policy| read_policy(&policy, false))
                .ok_or_else(|| PolicyError::NoPolicy {
                    name: entry.service.clone(),
                })?;
            policies.insert(entry.service, policy);
        }
    }
    Ok(policies)
}

/// Nothing when the policy leaves something out. Only a method with an HTTP binding needs a success status.
fn read_policy(policy: &v1::MethodPolicy, has_binding: bool) -> Option<MethodPolicy> {
    use v1::method_policy::Access as Said;
    let access = match policy.access.as_ref()? {
        Said::Scope(scope) if scope.is_empty() => return None,
        Said::Scope(scope) => Access::Scope(scope.clone()),
        Said::Public(public) => public.then_some(Access::Public)?,
    };
    let rate_tier = match policy.rate_tier() {
        v1::RateTier::Unspecified => return None,
        v1::RateTier::None => None,
        v1::RateTier::RateTier1 => Some(RateTier::One),
        v1::RateTier::RateTier2 => Some(RateTier::Two),
    };
    let success_status = match (policy.success_status, has_binding) {
        (0, false) => StatusCode::OK,
        (status, _) => http_status(status)?,
    };
    Some(MethodPolicy {
        access,
        rate_tier,
        success_status,
        no_content_when_empty: policy.no_content_when_empty,
        every_tenant: policy.every_tenant,
    })
}

fn read_reasons(pool: &DescriptorPool) -> Result<HashMap<String, ReasonPolicy>, PolicyError> {
    let name = "oauth_clients.v1.ErrorReason";
    let reasons = pool
        .get_enum_by_name(name)
        .ok_or(PolicyError::Undefined { name })?;
    let option = option(pool, "oauth_clients.v1.reason")?;
    reasons
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let policy = message_option::<v1::ReasonPolicy>(&value.options(), &option)?
                .and_then(read_reason)
                .ok_or_else(|| PolicyError::NoReasonPolicy {
                    name: value.name().to_owned(),
                })?;
            Ok((without_prefix(value.name()).to_owned(), policy))
        })
        .collect()
}

fn read_reason(policy: v1::ReasonPolicy) -> Option<ReasonPolicy> {
    (policy.code != 0 && !policy.title.is_empty()).then_some(())?;
    Some(ReasonPolicy {
        code: Code::from(policy.code),
        http_status: http_status(policy.http_status)?,
        title: policy.title,
    })
}

fn http_status(status: i32) -> Option<StatusCode> {
    StatusCode::from_u16(u16::try_from(status).ok()?).ok()
}

/// The reason as callers see it: the name of the enum value without its prefix.
fn without_prefix(name: &str) -> &str {
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

impl v1::ErrorReason {
    /// The reason as callers see it: the name of the enum value without its prefix.
    pub fn name(self) -> &'static str {
        without_prefix(self.as_str_name())
    }
}
