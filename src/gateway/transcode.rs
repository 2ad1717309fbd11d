//! The innermost service of the REST transport: reads the message of a request, calls the gRPC router with it, and
//! translates the response.

use std::{
    convert::Infallible,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Method as HttpMethod, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use tonic::{Code, Status, body::Body};
use tower::{Service, ServiceExt as _, util::BoxCloneSyncService};

use super::{
    body,
    drain::DrainOnDrop,
    matched::{Matched, route_not_found},
    request,
    response::{self, InvalidResponse},
};
use crate::rpc::{failure::Failure, frame};

/// The gRPC router.
pub(super) type BoxRouter = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Responds to matched requests by calling the gRPC router. Errors stay gRPC errors.
#[derive(Debug, Clone)]
pub(super) struct Transcode {
    router: BoxRouter,
}

impl Transcode {
    pub(super) fn new(router: BoxRouter) -> Self {
        Self { router }
    }
}

impl Service<Request<DrainOnDrop>> for Transcode {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.router.poll_ready(cx)
    }

    fn call(&mut self, request: Request<DrainOnDrop>) -> Self::Future {
        // Only the original was polled ready, so the clone stays behind.
        let clone = self.router.clone();
        let router = mem::replace(&mut self.router, clone);
        transcode(router, request)
            .map(|result| Ok(result.unwrap_or_else(|failure| Status::from(failure).into_http())))
            .boxed()
    }
}

async fn transcode(router: BoxRouter, request: Request<DrainOnDrop>) -> Result<Response<Body>, Failure> {
    let (mut parts, body) = request.into_parts();
    let matched: Arc<Matched> = parts.extensions.remove().ok_or_else(route_not_found)?;
    let body = body::read(&matched, body).await?;
    let message = request::message(&matched, body)?;
    parts.method = HttpMethod::POST;
    parts
        .headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    parts
        .headers
        .insert(header::TE, HeaderValue::from_static("trailers"));
    let call = Request::from_parts(parts, Body::new(Full::new(frame::encode(&message))));
    let Ok(response) = router.oneshot(call).await;
    if Status::from_header_map(response.headers()).is_some() {
        return Ok(response);
    }
    respond(&matched, response).await.map_err(Failure::internal)
}

async fn respond(matched: &Matched, response: Response<Body>) -> Result<Response<Body>, InvalidResponse> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await?;
    // An error after the headers is in the trailers.
    if let Some(status) = body.trailers().and_then(Status::from_header_map)
        && status.code() != Code::Ok
    {
        return Ok(status.into_http());
    }
    response::success(matched.binding.method, &parts.headers, body.to_bytes())
}
