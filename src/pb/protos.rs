//! Everything that a set of protos says.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use prost_reflect::{DescriptorPool, ServiceDescriptor};

use super::{
    error::PolicyError,
    method::{Method, Service, Target},
    options::Options,
    policy::{Access, MethodPolicy, ReasonPolicy, reason_name},
};

/// The compiled descriptors of every proto, with their custom options.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/oauth_clients.bin"));

/// The methods, services and error reasons of a set of protos.
#[derive(Debug)]
pub struct Protos {
    /// The descriptors.
    pub pool: DescriptorPool,
    methods: Vec<Method>,
    indices_by_path: HashMap<String, usize>,
    services: HashMap<String, Service>,
    reasons: HashMap<String, ReasonPolicy>,
    scopes: BTreeSet<String>,
}

static PROTOS: LazyLock<Result<Protos, PolicyError>> = LazyLock::new(|| Protos::read(DESCRIPTOR_SET));

/// Returns the protos of this server.
///
/// # Errors
/// Returns an error if a method or an error reason has no complete policy. The server must not start then.
pub fn protos() -> Result<&'static Protos, &'static PolicyError> {
    PROTOS.as_ref()
}

impl Protos {
    /// Reads compiled descriptors and their options.
    ///
    /// # Errors
    /// Returns an error if a method or an error reason has no complete policy.
    pub fn read(descriptor_set: &[u8]) -> Result<Self, PolicyError> {
        let pool = DescriptorPool::decode(descriptor_set)?;
        let options = Options::find(&pool)?;
        let methods = read_methods(&pool, &options)?;
        let indices_by_path = methods
            .iter()
            .enumerate()
            .map(|(index, method)| (method.path.clone(), index))
            .collect();
        let services = read_services(&pool, &options)?;
        let reasons = read_reasons(&pool, &options)?;
        let scopes = scopes(&methods, &services);
        Ok(Self {
            pool,
            methods,
            indices_by_path,
            services,
            reasons,
            scopes,
        })
    }

    /// Returns the methods of the services that the protos define.
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Returns the full names of the services that the protos define.
    pub fn service_names(&self) -> impl Iterator<Item = String> {
        self.pool.services().map(|service| service.full_name().to_owned())
    }

    /// Returns the target of a gRPC path, if it is served.
    pub fn target(&self, path: &str) -> Option<Target<'_>> {
        if let Some(index) = self.indices_by_path.get(path) {
            return self.methods.get(*index).map(Target::Method);
        }
        let (service, _) = path.strip_prefix('/')?.split_once('/')?;
        self.services.get(service).map(Target::Service)
    }

    /// Returns every target of a gRPC path.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target<'_>> {
        let methods = self.methods.iter().map(Target::Method);
        methods.chain(self.services.values().map(Target::Service))
    }

    /// Returns the scopes that methods require, sorted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// Returns `true` if a method requires a scope.
    pub fn asks_for(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    /// Returns the policy of an error reason, by the name that callers see.
    pub fn reason(&self, name: &str) -> Option<&ReasonPolicy> {
        self.reasons.get(name)
    }
}

fn read_methods(pool: &DescriptorPool, options: &Options) -> Result<Vec<Method>, PolicyError> {
    let services: Vec<ServiceDescriptor> = pool.services().collect();
    services
        .iter()
        .flat_map(ServiceDescriptor::methods)
        .map(|method| Method::read(method, options))
        .collect()
}

fn read_services(pool: &DescriptorPool, options: &Options) -> Result<HashMap<String, Service>, PolicyError> {
    let mut services = HashMap::new();
    for file in pool.files() {
        for service in options.service_policies(&file)? {
            let name = service.service;
            let policy = service
                .policy
                .and_then(|policy| MethodPolicy::read(&policy, false))
                .ok_or_else(|| PolicyError::NoPolicy { name: name.clone() })?;
            services.insert(name.clone(), Service { name, policy });
        }
    }
    Ok(services)
}

fn read_reasons(
    pool: &DescriptorPool,
    options: &Options,
) -> Result<HashMap<String, ReasonPolicy>, PolicyError> {
    let name = "oauth_clients.v1.ErrorReason";
    let reasons = pool
        .get_enum_by_name(name)
        .ok_or(PolicyError::Undefined { name })?;
    reasons
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| {
            let policy = options
                .reason(&value)?
                .and_then(ReasonPolicy::read)
                .ok_or_else(|| PolicyError::NoReasonPolicy {
                    name: value.name().to_owned(),
                })?;
            Ok((reason_name(value.name()).to_owned(), policy))
        })
        .collect()
}

fn scopes(methods: &[Method], services: &HashMap<String, Service>) -> BTreeSet<String> {
    let method_policies = methods.iter().map(|method| &method.policy);
    let service_policies = services.values().map(|service| &service.policy);
    method_policies
        .chain(service_policies)
        .filter_map(|policy| match &policy.access {
            Access::Scope(scope) => Some(scope.clone()),
            Access::Public => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_a_method_or_of_another_service() {
        let protos = protos().unwrap();
        for (path, name) in [
            (
                "/oauth_clients.v1.OAuthClientService/GetOAuthClient",
                Some("oauth_clients.v1.OAuthClientService/GetOAuthClient"),
            ),
            ("/grpc.health.v1.Health/Check", Some("grpc.health.v1.Health")),
            ("/grpc.health.v1.Health/x", Some("grpc.health.v1.Health")),
            ("/oauth_clients.v1.OAuthClientService/x", None),
            ("/x", None),
            ("", None),
        ] {
            assert_eq!(protos.target(path).map(Target::name), name, "{path}");
        }
    }
}
