//! The stack of layers that every call passes, on both transports.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Service, util::BoxCloneSyncService};

use self::{
    authorize::Authorize,
    deadline::Deadline,
    gate::{Check, Gate},
    panic::CatchPanic,
    request_id::RequestId,
    trace::Trace,
};
use crate::{
    auth::Authenticate,
    limits::{RateLimit, RateLimitHeaders},
};

pub mod authorize;
pub mod deadline;
pub mod fit;
pub mod gate;
pub mod header_fields;
pub mod normalize;
pub mod panic;
pub mod request_id;
pub mod resolve;
pub mod trace;

/// What the layers need to know.
#[derive(Debug, Clone)]
pub struct StackConfig {
    /// Who may call.
    pub authenticate: Authenticate,
    /// How often.
    pub rate_limit: RateLimit,
    /// How long a call may take at most.
    pub call_timeout: Duration,
}

/// A transport with the stack before it.
pub type Stack<B> = BoxCloneSyncService<Request<B>, Response<Body>, Infallible>;

/// Puts the layers before a transport. This is the one place that states their order, from the outermost to the innermost.
///
/// None of them reads the body. `transport` is the transport's own gate: it says which method is called, and its policy. Behind
/// the layers, `inner` is the gRPC router on one transport, and "decode, and call the gRPC router" on the other.
pub fn stack<C, S, B>(config: StackConfig, transport: C, inner: S) -> Stack<B>
where
    C: Check,
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    let limited = Gate::new(config.rate_limit, inner);
    let authorized = Gate::new(Authorize, limited);
    let authenticated = Gate::new(config.authenticate, authorized);
    let timely = Deadline::new(config.call_timeout, authenticated);
    let resolved = Gate::new(transport, timely);
    let caught = CatchPanic::new(resolved);
    let announced = RateLimitHeaders::new(caught);
    let traced = Trace::new(announced);
    BoxCloneSyncService::new(RequestId::new(traced))
}
