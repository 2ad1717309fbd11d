//! The REST transport: a transcoder from HTTP and JSON to the RPCs that the protos annotate with `google.api.http`. It knows
//! no API: what to do with a request is in the descriptors.
//!
//! A request is matched to a binding, then goes through the stack of layers like a gRPC call, and only then is its body
//! read. The gRPC router is called in process.

mod binding;
mod drain;
mod error;
mod headers;
mod json;
mod request;
mod response;
mod template;
#[cfg(test)]
mod tests;
mod transcode;

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header::ALLOW};
use tonic::{Status, body::Body};
use tower::Service;

pub use self::binding::{BindingError, Bindings};
use self::{
    binding::{Binding, NoMatch},
    drain::Drained,
    transcode::{BoxRouter, Transcode},
};
use crate::{
    pb::{Protos, v1::ErrorReason},
    rpc::{
        failure::Failure,
        stack::{Stack, StackConfig, filter::Predicate, resolve::CalledMethod, stack},
    },
};

/// Answers REST requests by calling RPCs.
#[derive(Debug, Clone)]
pub struct Gateway {
    protos: &'static Protos,
    bindings: Arc<Bindings>,
    stack: Stack<Drained>,
}

/// What a request turned out to be for.
#[derive(Debug)]
struct Matched {
    binding: Arc<Binding>,
    /// What the variables of the path stand for, in the order of the binding's variables.
    variables: Vec<String>,
    query: Option<String>,
    headers: HeaderMap,
}

/// What a request turned out to be for, in its extensions.
#[derive(Debug, Clone)]
struct Match(Result<Arc<Matched>, NoMatch>);

/// Lets a request through if it has a binding.
#[derive(Debug, Clone, Copy)]
struct RequireMatch;

impl Gateway {
    /// A gateway to the RPCs behind `router`.
    ///
    /// # Errors
    /// When an annotation of the protos makes no sense.
    pub fn new(
        protos: &'static Protos,
        config: StackConfig,
        router: BoxRouter,
    ) -> Result<Self, BindingError> {
        Ok(Self {
            protos,
            bindings: Arc::new(Bindings::read(protos)?),
            stack: stack(config, RequireMatch, Transcode::new(router)),
        })
    }

    /// The call that a request stands for: addressed to the method, with metadata for headers.
    fn call_of(&self, request: Request<axum::body::Body>) -> Request<Drained> {
        let (parts, body) = request.into_parts();
        let found = self.bindings.find(&parts.method, parts.uri.path());
        let mut call = Request::new(Drained::new(body));
        *call.headers_mut() = headers::metadata(&parts.headers);
        *call.uri_mut() = match &found {
            Ok((binding, _)) => binding.uri.clone(),
            Err(_) => Uri::try_from(parts.uri.path()).unwrap_or_default(),
        };
        let found = found.map(|(binding, variables)| {
            let query = parts.uri.query().map(str::to_owned);
            Arc::new(Matched {
                binding,
                variables,
                query,
                headers: parts.headers,
            })
        });
        call.extensions_mut().insert(Match(found));
        call
    }
}

impl Service<Request<axum::body::Body>> for Gateway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let protos = self.protos;
        let call = self.call_of(request);
        let answer = self.stack.call(call);
        answer
            .map(|Ok(answer)| Ok(response::finish(protos, answer)))
            .boxed()
    }
}

/// The REST answer for a failure outside of any call.
pub fn error_response(protos: &Protos, failure: Failure) -> Response<Body> {
    response::finish(protos, Status::from(failure).into_http())
}

impl Predicate for RequireMatch {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Failure> {
        let found = request
            .extensions()
            .get::<Match>()
            .map(|Match(found)| found.clone());
        match found {
            Some(Ok(matched)) => {
                request
                    .extensions_mut()
                    .insert(CalledMethod(&matched.binding.method.policy));
                Ok(())
            }
            Some(Err(NoMatch::Method { allow })) => {
                let failure = Failure::new(
                    ErrorReason::MethodNotAllowed,
                    format!("this path has {allow} only"),
                );
                let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
                Err(failure.header(ALLOW, allow))
            }
            Some(Err(NoMatch::Path)) | None => Err(Failure::new(
                ErrorReason::RouteNotFound,
                "nothing is served at this path",
            )),
        }
    }
}
