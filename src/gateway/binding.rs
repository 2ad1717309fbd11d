//! The REST bindings of methods: `google.api.HttpRule`, read and matched.

use std::sync::Arc;

use http::{Method as HttpMethod, StatusCode, Uri};
use prost_reflect::{FieldDescriptor, MessageDescriptor};
use thiserror::Error;

use super::{field_path, template::Template};
use crate::pb::{
    Method, Protos,
    google::api::{HttpRule, http_rule::Pattern},
};

/// The bindings of a set of protos, the most specific one first.
#[derive(Debug)]
pub struct Bindings(Vec<Arc<Binding>>);

/// An HTTP method and a path template that call a method.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) http_method: HttpMethod,
    template: Template,
    variables: Vec<Vec<FieldDescriptor>>,
    pub(super) body: Body,
    pub(super) method: &'static Method,
    /// The path of the method on gRPC.
    pub(super) uri: Uri,
}

/// The part of the message that the body fills.
#[derive(Debug)]
pub(super) enum Body {
    /// No part: the body is ignored.
    None,
    /// The whole message.
    Message,
    /// A field.
    Field(FieldDescriptor),
}

/// The reason why a request has no binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoMatch {
    /// No binding has its path.
    Path,
    /// The bindings of its path have other HTTP methods.
    Method { allow: String },
}

/// An HTTP annotation that is not valid.
#[derive(Debug, Error)]
pub enum BindingError {
    /// The rule has no path or no HTTP method, nests additional bindings, or uses a feature that this transcoder does not
    /// have (`response_body`, a binding to every HTTP method, or a stream of requests). Or its method responds with a
    /// stream, and its policy with a status without a body.
    #[error("an HTTP rule of {method} cannot be served")]
    Rule {
        /// The full name of the method.
        method: String,
    },
    /// The template does not follow the grammar of `google/api/http.proto`.
    #[error("the path template {template} of {method} is malformed")]
    Template {
        /// The full name of the method.
        method: String,
        /// The template.
        template: String,
    },
    /// The template or the body names a field that the request does not have, or that a path cannot fill.
    #[error("{method} has no field {field}")]
    Field {
        /// The full name of the method.
        method: String,
        /// The field.
        field: String,
    },
}

impl Bindings {
    /// Reads the bindings of every method.
    ///
    /// # Errors
    /// Returns an error if one of them is not valid.
    pub fn read(protos: &'static Protos) -> Result<Self, BindingError> {
        let mut bindings = Vec::new();
        for method in protos.methods() {
            for rule in &method.http_rules {
                bindings.push(Arc::new(Binding::read(method, rule)?));
            }
        }
        // A verb is more specific than no verb, and a literal segment than a variable, whatever the order in the protos.
        bindings.sort_by(|a, b| a.template.specificity().cmp(&b.template.specificity()));
        Ok(Self(bindings))
    }

    /// Returns the binding of a request, and the values of the variables of its path.
    pub(super) fn find(
        &self,
        method: &HttpMethod,
        path: &str,
    ) -> Result<(Arc<Binding>, Vec<String>), NoMatch> {
        let mut allow = Vec::new();
        for binding in &self.0 {
            if let Some(variables) = binding.template.captures(path) {
                if binding.http_method == *method {
                    return Ok((Arc::clone(binding), variables));
                }
                allow.push(binding.http_method.as_str());
            }
        }
        allow.sort_unstable();
        allow.dedup();
        if allow.is_empty() {
            Err(NoMatch::Path)
        } else {
            Err(NoMatch::Method {
                allow: allow.join(", "),
            })
        }
    }
}

impl Binding {
    fn read(method: &'static Method, rule: &HttpRule) -> Result<Self, BindingError> {
        let name = method.descriptor.full_name();
        let refuse = || BindingError::Rule {
            method: name.to_owned(),
        };
        let (http_method, template) = match rule.pattern.as_ref().ok_or_else(refuse)? {
            Pattern::Get(path) => (HttpMethod::GET, path),
            Pattern::Put(path) => (HttpMethod::PUT, path),
            Pattern::Post(path) => (HttpMethod::POST, path),
            Pattern::Delete(path) => (HttpMethod::DELETE, path),
            Pattern::Patch(path) => (HttpMethod::PATCH, path),
            // `*` means every HTTP method.
            Pattern::Custom(custom) if custom.kind == "*" => return Err(refuse()),
            Pattern::Custom(custom) => (
                HttpMethod::from_bytes(custom.kind.as_bytes()).map_err(|_| refuse())?,
                &custom.path,
            ),
        };
        if !rule.response_body.is_empty() || !rule.additional_bindings.is_empty() || !can_be_served(method) {
            return Err(refuse());
        }
        let input = method.descriptor.input();
        let field_error = |field: &str| BindingError::Field {
            method: name.to_owned(),
            field: field.to_owned(),
        };
        let body = match rule.body.as_str() {
            "" => Body::None,
            "*" => Body::Message,
            field => Body::Field(input.get_field_by_name(field).ok_or_else(|| field_error(field))?),
        };
        let parsed = Template::parse(template).ok_or_else(|| BindingError::Template {
            method: name.to_owned(),
            template: template.clone(),
        })?;
        let variables = parsed
            .variables
            .iter()
            .map(|variable| {
                let field = &variable.field;
                resolve(&input, field).ok_or_else(|| field_error(&field.join(".")))
            })
            .collect::<Result<_, _>>()?;
        let uri = Uri::try_from(method.path.as_str()).map_err(|_| refuse())?;
        Ok(Self {
            http_method,
            template: parsed,
            variables,
            body,
            method,
            uri,
        })
    }

    /// Returns the paths to the fields that the variables fill, in order.
    pub(super) fn variables(&self) -> impl Iterator<Item = &[FieldDescriptor]> {
        self.variables.iter().map(Vec::as_slice)
    }
}

/// Returns `true` if a request is one message, and the success of a stream of responses has a body.
fn can_be_served(method: &Method) -> bool {
    let policy = &method.policy;
    let may_be_empty = policy.success_status == StatusCode::NO_CONTENT || policy.no_content_when_empty;
    !(method.descriptor.is_client_streaming() || method.server_streaming && may_be_empty)
}

/// Returns the path to the field of a variable, which must not be a list.
fn resolve(message: &MessageDescriptor, names: &[String]) -> Option<Vec<FieldDescriptor>> {
    let names = names.iter().map(String::as_str);
    field_path::resolve(message, names, MessageDescriptor::get_field_by_name)
        .filter(|path| path.last().is_some_and(|field| !field.is_list()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{gateway::tests::PROTOS, pb::google::api::CustomHttpPattern};

    /// Returns the error of a rule of `AddPages`, whose request has a message, a repeated message and a bool.
    fn read(rule: &HttpRule) -> Option<BindingError> {
        read_of("AddPages", rule)
    }

    fn read_of(name: &str, rule: &HttpRule) -> Option<BindingError> {
        let mut methods = PROTOS.methods().iter();
        let method = methods.find(|method| method.descriptor.name() == name);
        Binding::read(method.unwrap(), rule).err()
    }

    fn custom(kind: &str) -> HttpRule {
        let (kind, path) = (kind.to_owned(), "/v1".to_owned());
        HttpRule {
            pattern: Some(Pattern::Custom(CustomHttpPattern { kind, path })),
            ..HttpRule::default()
        }
    }

    #[test]
    fn a_variable_is_a_single_field_and_not_a_message() {
        let rule = |path: &str| HttpRule {
            pattern: Some(Pattern::Get(path.to_owned())),
            ..HttpRule::default()
        };
        for field in [
            "book.name",
            "dry_run",
            "book.published_at",
            "book.author.mentor.full_name",
        ] {
            assert!(read(&rule(&format!("/{{{field}}}"))).is_none(), "{field}");
        }
        for field in [
            "nope",
            "dryRun",
            "book",
            "book.nope",
            "pages",
            "pages.text",
            "book.tags",
            "book.labels",
            "book.labels.key",
            "book.extra",
            "book.published_at.seconds",
            "",
        ] {
            let error = read(&rule(&format!("/{{{field}=*}}")));
            assert!(
                matches!(error, Some(BindingError::Field { .. })),
                "{field}: {error:?}"
            );
        }
        let template = read(&rule("/v1/**/a"));
        assert!(matches!(template, Some(BindingError::Template { .. })));
    }

    #[test]
    fn a_rule_that_cannot_be_served_is_refused() {
        assert!(read(&custom("REPORT")).is_none());
        let nested = vec![custom("REPORT")];
        for rule in [
            HttpRule::default(),
            custom(""),
            custom("a b"),
            custom("*"),
            HttpRule {
                response_body: "added".to_owned(),
                ..custom("REPORT")
            },
            HttpRule {
                additional_bindings: nested,
                ..custom("REPORT")
            },
        ] {
            assert!(matches!(read(&rule), Some(BindingError::Rule { .. })));
        }
        assert!(read_of("ReadBook", &custom("REPORT")).is_none());
        for method in ["WriteBook", "HearBook", "SkimBook"] {
            let error = read_of(method, &custom("REPORT"));
            assert!(matches!(error, Some(BindingError::Rule { .. })), "{method}");
        }
        let unknown = HttpRule {
            body: "nope".to_owned(),
            ..custom("REPORT")
        };
        assert!(matches!(read(&unknown), Some(BindingError::Field { .. })));
    }
}
