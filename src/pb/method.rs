//! A method and everything that the protos say about it.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::{
    error::PolicyError,
    generated::{
        google::api::{HttpRule, http_rule::Pattern},
        oauth_clients::v1::ErrorReason,
    },
    options::Options,
    policy::MethodPolicy,
};
use crate::{
    header_list::header_list,
    single_header::{DifferentValues, single_header},
};

/// A method of a service that the protos define.
#[derive(Debug)]
pub struct Method {
    /// The path on gRPC, for example `/oauth_clients.v1.OAuthClientService/GetOAuthClient`.
    pub path: String,
    /// The requirements of the method and the shape of its REST responses.
    pub policy: MethodPolicy,
    /// The name and the messages of the method.
    pub descriptor: MethodDescriptor,
    /// The response is a stream of messages.
    pub server_streaming: bool,
    /// The REST bindings, the primary one first.
    pub(crate) http_rules: Vec<HttpRule>,
    /// The fields of the request that headers fill.
    pub(crate) header_fields: Vec<HeaderField>,
    malformed_reasons: Vec<(FieldDescriptor, ErrorReason)>,
    lenient_messages: Vec<MessageDescriptor>,
}

/// A field of a request that a header fills.
#[derive(Debug)]
pub(crate) struct HeaderField {
    pub(crate) header: HeaderName,
    pub(crate) field: FieldDescriptor,
    /// Is `true` if several lines of the header are one list.
    is_list: bool,
}

impl HeaderField {
    /// Returns the text of the header, if the request has it.
    ///
    /// # Errors
    /// Returns an error if the header is repeated with different values, and is not a list.
    pub(crate) fn text<'a>(&self, headers: &'a HeaderMap) -> Result<Option<Cow<'a, str>>, DifferentValues> {
        if self.is_list {
            return Ok(header_list(headers, &self.header));
        }
        let value = single_header(headers, &self.header)?;
        Ok(value.map(|value| String::from_utf8_lossy(value.as_bytes())))
    }
}

/// A service that another package defines, and to which the protos only give a policy.
#[derive(Debug)]
pub struct Service {
    /// The full name, for example `grpc.health.v1.Health`.
    pub name: String,
    /// The policy of each method.
    pub policy: MethodPolicy,
}

/// The target of a gRPC path.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A method that the protos define.
    Method(&'a Method),
    /// Some method of a service that another package defines.
    Service(&'a Service),
}

impl<'a> Target<'a> {
    /// Returns the policy.
    pub fn policy(self) -> &'a MethodPolicy {
        match self {
            Self::Method(method) => &method.policy,
            Self::Service(service) => &service.policy,
        }
    }

    /// Returns the name of the method with that of its service, or the name of the service alone.
    pub fn name(self) -> &'a str {
        match self {
            Self::Method(method) => method.path.trim_start_matches('/'),
            Self::Service(service) => &service.name,
        }
    }

    /// Returns the method, if the protos define it.
    pub fn method(self) -> Option<&'a Method> {
        match self {
            Self::Method(method) => Some(method),
            Self::Service(_) => None,
        }
    }
}

impl Method {
    pub(super) fn read(descriptor: MethodDescriptor, options: &Options) -> Result<Self, PolicyError> {
        let http_rules = options.http_rules(&descriptor)?;
        let policy = options
            .policy(&descriptor)?
            .and_then(|policy| MethodPolicy::read(&policy, !http_rules.is_empty()))
            .ok_or_else(|| PolicyError::NoPolicy {
                name: descriptor.full_name().to_owned(),
            })?;
        let input = descriptor.input();
        let mut method = Self {
            path: format!(
                "/{}/{}",
                descriptor.parent_service().full_name(),
                descriptor.name()
            ),
            policy,
            server_streaming: descriptor.is_server_streaming(),
            descriptor,
            http_rules,
            header_fields: Vec::new(),
            malformed_reasons: Vec::new(),
            lenient_messages: Vec::new(),
        };
        for message in reachable_messages(&input) {
            for field in message.fields() {
                method.read_field(field, message == input, options)?;
            }
            if options.ignores_unknown_members(&message) {
                method.lenient_messages.push(message);
            }
        }
        Ok(method)
    }

    fn read_field(
        &mut self,
        field: FieldDescriptor,
        of_input: bool,
        options: &Options,
    ) -> Result<(), PolicyError> {
        if let Some(reason) = options.malformed(&field) {
            self.malformed_reasons.push((field.clone(), reason));
        }
        if let Some(header) = options.header(&field) {
            let header = HeaderName::try_from(header)
                .ok()
                .filter(|_| of_input)
                .ok_or_else(|| PolicyError::Header {
                    field: field.full_name().to_owned(),
                })?;
            let is_list = options.header_is_list(&field);
            self.header_fields.push(HeaderField {
                header,
                field,
                is_list,
            });
        }
        Ok(())
    }

    /// Returns the path of the primary REST binding, if it has one and the path has no variables.
    pub(crate) fn rest_path(&self) -> Option<&str> {
        let path = match self.http_rules.first()?.pattern.as_ref()? {
            Pattern::Get(path)
            | Pattern::Put(path)
            | Pattern::Post(path)
            | Pattern::Delete(path)
            | Pattern::Patch(path) => path,
            Pattern::Custom(custom) => &custom.path,
        };
        (!path.contains(['{', '*'])).then_some(path)
    }

    /// Returns the name under which callers give a field of the request: that of its header, or else its own.
    pub(crate) fn input_name<'a>(&'a self, field: &'a str) -> &'a str {
        self.header_fields
            .iter()
            .find(|header_field| header_field.field.name() == field)
            .map_or(field, |header_field| header_field.header.as_str())
    }

    /// Returns `true` if a header fills a field.
    pub(crate) fn is_header_field(&self, field: &FieldDescriptor) -> bool {
        self.header_fields
            .iter()
            .any(|header_field| header_field.field == *field)
    }

    /// Returns the reason of the error if a text is not a value of a field, or if there are several that differ.
    pub(crate) fn malformed_reason(&self, field: &FieldDescriptor) -> ErrorReason {
        self.malformed_reasons
            .iter()
            .find(|(malformed, _)| malformed == field)
            .map_or(ErrorReason::InvalidField, |(_, reason)| *reason)
    }

    /// Returns `true` if members that a message of the request does not have are ignored.
    pub(crate) fn ignores_unknown_members(&self, message: &MessageDescriptor) -> bool {
        self.lenient_messages.contains(message)
    }
}

/// Returns a message and all messages within it.
fn reachable_messages(root: &MessageDescriptor) -> Vec<MessageDescriptor> {
    let mut found = vec![root.clone()];
    let mut unvisited = found.clone();
    while let Some(message) = unvisited.pop() {
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind()
                && !found.contains(&inner)
            {
                found.push(inner.clone());
                unvisited.push(inner);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::pb::{Method, protos};

    fn method(name: &str) -> &'static Method {
        let mut methods = protos().unwrap().methods().iter();
        methods.find(|method| method.descriptor.name() == name).unwrap()
    }

    #[test]
    fn a_rest_path_has_no_variables() {
        assert_eq!(
            method("ListOAuthClients").rest_path(),
            Some("/api/core/oauth-clients")
        );
        assert_eq!(method("GetOAuthClient").rest_path(), None);
        assert_eq!(method("EnableOAuthClient").rest_path(), None);
    }

    #[test]
    fn callers_give_a_field_under_the_name_of_its_header() {
        let delete = method("DeleteOAuthClient");
        assert_eq!(delete.input_name("confirm_delete"), "qlik-confirm-delete");
        assert_eq!(delete.input_name("client_id"), "client_id");
    }
}
