//! The binding of a request, and the layer that requires one.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, header::ALLOW};

use super::{
    binding::{Binding, NoMatch},
    host::InvalidHost,
};
use crate::{
    pb::{Target, v1::ErrorReason},
    rpc::{
        failure::Failure,
        stack::{filter::Predicate, resolve::CalledMethod},
    },
};

/// A request that matched a binding, without its body.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) binding: Arc<Binding>,
    /// The values of the variables of the path, in the order of the binding.
    pub(super) variables: Vec<String>,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

/// The outcome of matching a request, in its extensions.
#[derive(Debug, Clone)]
pub(super) struct MatchOutcome {
    pub(super) host: Result<(), InvalidHost>,
    pub(super) found: Result<Arc<Matched>, NoMatch>,
}

/// Rejects requests without a host or a binding, and tells the layers behind which method is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequireMatch;

impl Predicate for RequireMatch {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let outcome: MatchOutcome = request.extensions_mut().remove().ok_or_else(route_not_found)?;
        outcome.host?;
        let matched = match outcome.found {
            Ok(matched) => matched,
            Err(NoMatch::Method { allow }) => return Err(method_not_allowed(&allow)),
            Err(NoMatch::Path) => return Err(route_not_found()),
        };
        CalledMethod::insert(Target::Method(matched.binding.method), request);
        request.extensions_mut().insert(matched);
        Ok(())
    }
}

pub(super) fn route_not_found() -> Failure {
    Failure::new(ErrorReason::RouteNotFound, "nothing is served at this path")
}

fn method_not_allowed(allow: &str) -> Failure {
    let failure = Failure::new(
        ErrorReason::MethodNotAllowed,
        format!("this path has {allow} only"),
    );
    let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
    failure.header(ALLOW, allow)
}
