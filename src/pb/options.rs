//! A typed reader of the options that the protos define.

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumValueDescriptor, ExtensionDescriptor, FieldDescriptor,
    FileDescriptor, MessageDescriptor, MethodDescriptor,
};

use super::{
    error::PolicyError,
    generated::{
        google::api::HttpRule,
        oauth_clients::v1::{self, ErrorReason},
    },
};

/// The options that a set of protos defines.
#[derive(Debug)]
pub(super) struct Options {
    http: ExtensionDescriptor,
    policy: ExtensionDescriptor,
    service_policy: ExtensionDescriptor,
    reason: ExtensionDescriptor,
    header: ExtensionDescriptor,
    header_list: ExtensionDescriptor,
    malformed: ExtensionDescriptor,
    ignore_unknown_members: ExtensionDescriptor,
}

impl Options {
    /// Finds the options in the descriptors.
    ///
    /// # Errors
    /// Returns an error if one of them is not defined.
    pub(super) fn find(pool: &DescriptorPool) -> Result<Self, PolicyError> {
        let option = |name: &'static str| {
            pool.get_extension_by_name(name)
                .ok_or(PolicyError::Undefined { name })
        };
        Ok(Self {
            http: option("google.api.http")?,
            policy: option("oauth_clients.v1.policy")?,
            service_policy: option("oauth_clients.v1.service_policy")?,
            reason: option("oauth_clients.v1.reason")?,
            header: option("oauth_clients.v1.header")?,
            header_list: option("oauth_clients.v1.header_list")?,
            malformed: option("oauth_clients.v1.malformed")?,
            ignore_unknown_members: option("oauth_clients.v1.ignore_unknown_members")?,
        })
    }

    /// Returns the HTTP rules of a method: the primary one, then the additional ones.
    pub(super) fn http_rules(&self, method: &MethodDescriptor) -> Result<Vec<HttpRule>, PolicyError> {
        let Some(mut primary) = message::<HttpRule>(&method.options(), &self.http)? else {
            return Ok(Vec::new());
        };
        let additional = std::mem::take(&mut primary.additional_bindings);
        Ok(std::iter::once(primary).chain(additional).collect())
    }

    pub(super) fn policy(&self, method: &MethodDescriptor) -> Result<Option<v1::MethodPolicy>, PolicyError> {
        message(&method.options(), &self.policy)
    }

    /// Returns the policies of services that other packages define.
    pub(super) fn service_policies(
        &self,
        file: &FileDescriptor,
    ) -> Result<Vec<v1::ServicePolicy>, PolicyError> {
        let options = file.options();
        let policies = options.get_extension(&self.service_policy);
        policies
            .as_list()
            .unwrap_or_default()
            .iter()
            .filter_map(|policy| policy.as_message())
            .map(|policy| Ok(policy.transcode_to()?))
            .collect()
    }

    pub(super) fn reason(
        &self,
        value: &EnumValueDescriptor,
    ) -> Result<Option<v1::ReasonPolicy>, PolicyError> {
        message(&value.options(), &self.reason)
    }

    /// Returns the header that fills a field.
    pub(super) fn header(&self, field: &FieldDescriptor) -> Option<String> {
        let options = field.options();
        let header = options.get_extension(&self.header);
        header
            .as_str()
            .filter(|_| options.has_extension(&self.header))
            .map(str::to_owned)
    }

    /// Returns `true` if the header that fills a field is a list.
    pub(super) fn header_is_list(&self, field: &FieldDescriptor) -> bool {
        let options = field.options();
        let is_list = options.get_extension(&self.header_list);
        is_list.as_bool() == Some(true)
    }

    /// Returns the reason of the error if a text is not a value of a field.
    pub(super) fn malformed(&self, field: &FieldDescriptor) -> Option<ErrorReason> {
        let number = field.options().get_extension(&self.malformed).as_enum_number()?;
        ErrorReason::try_from(number)
            .ok()
            .filter(|reason| *reason != ErrorReason::Unspecified)
    }

    pub(super) fn ignores_unknown_members(&self, message: &MessageDescriptor) -> bool {
        let options = message.options();
        let ignores = options.get_extension(&self.ignore_unknown_members);
        ignores.as_bool() == Some(true)
    }
}

fn message<T: prost::Message + Default>(
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
