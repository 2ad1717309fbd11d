//! The innermost service of the REST transport: reads the message of a request, calls the gRPC router with it, and
//! translates the response.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Method as HttpMethod, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use tonic::{Code, Status, body::Body};
use tower::{ServiceExt as _, util::BoxCloneSyncService};

use super::{
    body,
    drain::DrainOnDrop,
    matched::{Matched, route_not_found},
    not_modified, peer, request,
    response::{self, InvalidResponse},
    stream,
};
use crate::{
    pb::Protos,
    rpc::{failure::Failure, frame, stack::HttpService},
};

/// The gRPC router.
pub(super) type BoxRouter = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Returns the service that responds to matched requests by calling the gRPC router. Errors stay gRPC errors.
pub(super) fn transcoder(
    protos: &'static Protos,
    router: BoxRouter,
) -> impl HttpService<DrainOnDrop> + Clone + Sync {
    tower::service_fn(move |request| {
        let response = transcode(protos, router.clone(), request);
        async {
            Ok(response
                .await
                .unwrap_or_else(|failure| Status::from(failure).into_http()))
        }
    })
}

async fn transcode(
    protos: &'static Protos,
    router: BoxRouter,
    request: Request<DrainOnDrop>,
) -> Result<Response<Body>, Failure> {
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
    let method = matched.binding.method;
    if method.server_streaming {
        peer::require();
        let Ok(response) = router.oneshot(call).await;
        return Box::pin(stream::respond(protos, method, response))
            .await
            .map_err(Failure::internal);
    }
    let Ok(response) = router.oneshot(call).await;
    if Status::from_header_map(response.headers()).is_some() {
        return Ok(response);
    }
    respond(&matched, response).await.map_err(Failure::internal)
}

async fn respond(matched: &Matched, response: Response<Body>) -> Result<Response<Body>, InvalidResponse> {
    let (parts, body) = response.into_parts();
    let method = matched.binding.method;
    let is_not_modified = not_modified::is_not_modified(matched, &parts.headers);
    if let Some(encoded) = parts.extensions.get() {
        if is_not_modified {
            return Ok(not_modified::response(&parts.headers));
        }
        return response::encoded(method, &parts.headers, encoded);
    }
    let body = body.collect().await?;
    // An error after the headers is in the trailers.
    if let Some(status) = body.trailers().and_then(Status::from_header_map)
        && status.code() != Code::Ok
    {
        return Ok(status.into_http());
    }
    if is_not_modified {
        return Ok(not_modified::response(&parts.headers));
    }
    response::success(method, &parts.headers, body.to_bytes())
}
