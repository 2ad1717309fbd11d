//! Fills fields of a request from gRPC metadata, for the fields that the protos assign a header.
//!
//! On REST the gateway does so. Here it happens to the encoded message, so that no handler has to know of it.

use std::{
    convert::Infallible,
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either},
};
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use serde_json::json;
use tonic::{
    Status, Streaming,
    body::Body,
    codec::{DecodeBuf, Decoder},
};
use tower::Service;

use super::{compression::Encoding, resolve::CalledMethod};
use crate::{
    pb::{self, HeaderField, Method, type_name},
    rpc::{
        failure::Failure,
        frame::{self, MAX_MESSAGE_BYTES},
    },
};

/// Fills the fields that the message leaves empty and the metadata names, and rejects those of which the two have
/// different values. Other requests pass untouched.
#[derive(Debug, Clone)]
pub(super) struct FillHeaderFields<S> {
    inner: S,
}

impl<S> FillHeaderFields<S> {
    /// Wraps the gRPC router.
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request<Body>> for FillHeaderFields<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(method) = method_to_fill(&request) else {
            return Either::Left(self.inner.call(request));
        };
        // Only the original was polled ready, so the clone stays behind.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let response = async move {
            match fill(method, request).await {
                Ok(request) => inner.call(request).await,
                Err(status) => Ok(status.into_http()),
            }
        };
        Either::Right(response.boxed())
    }
}

/// Returns the called method if the metadata has a header of one of its fields.
fn method_to_fill(request: &Request<Body>) -> Option<&'static Method> {
    let CalledMethod(target) = request.extensions().get()?;
    target.method().filter(|method| {
        let mut fields = method.header_fields.iter();
        fields.any(|field| request.headers().contains_key(&field.header))
    })
}

async fn fill(method: &Method, request: Request<Body>) -> Result<Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let encoding = Encoding::of(&parts.headers);
    if encoding == Encoding::Unsupported {
        // The gRPC router rejects it.
        return Ok(Request::from_parts(parts, body));
    }
    let body = match message(method, encoding, body).await? {
        // The frame says that it is not compressed, whatever the encoding of the request.
        Some(message) => frame::encode(&filled(method, &parts.headers, message)?),
        // The gRPC router rejects it.
        None => Bytes::new(),
    };
    Ok(Request::from_parts(parts, Body::new(Full::new(body))))
}

/// Reads the message in the way of the gRPC router, with the same limit and the same errors.
async fn message(method: &Method, encoding: Encoding, body: Body) -> Result<Option<DynamicMessage>, Status> {
    let decoder = MessageDecoder(method.descriptor.input());
    let limit = Some(MAX_MESSAGE_BYTES);
    let mut messages = Streaming::new_request(decoder, body, encoding.compression(), limit);
    let message = messages.message().await?;
    // Reads the body to its end, which the router would do.
    let _trailers = messages.trailers().await?;
    Ok(message)
}

struct MessageDecoder(MessageDescriptor);

impl Decoder for MessageDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), buffer)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

fn filled(
    method: &Method,
    metadata: &HeaderMap,
    mut message: DynamicMessage,
) -> Result<DynamicMessage, Failure> {
    for header_field in &method.header_fields {
        let HeaderField { header, field, .. } = header_field;
        let refuse =
            |name: &str, detail: String| Failure::field(method.malformed_reason(field), name, detail);
        let Some(text) = header_field
            .text(metadata)
            .map_err(|different| refuse(header.as_str(), different.to_string()))?
        else {
            continue;
        };
        let value = value(header_field, &text)
            .ok_or_else(|| refuse(field.json_name(), format!("must be {}", type_name(&field.kind()))))?;
        if !message.has_field(field) {
            message.set_field(field, value);
        } else if *message.get_field(field) != value {
            return Err(refuse(
                field.json_name(),
                format!("differs from the metadata {header}"),
            ));
        }
    }
    Ok(message)
}

/// Reads a text as the value of a field, in the same way as the gateway.
fn value(HeaderField { field, .. }: &HeaderField, text: &str) -> Option<Value> {
    let value = pb::parse(field, text)?;
    let value = if field.is_list() { json!([value]) } else { value };
    let object = json!({ field.json_name(): value });
    let message = DynamicMessage::deserialize(field.parent_message().clone(), object).ok()?;
    Some(message.get_field(field).into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use http::HeaderValue;
    use http_body_util::BodyExt as _;
    use tonic::Code;
    use tonic_types::StatusExt as _;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::pb::{Protos, Target};

    static PROTOS: LazyLock<Protos> =
        LazyLock::new(|| Protos::read(include_bytes!(concat!(env!("OUT_DIR"), "/library.bin"))).unwrap());

    fn method(name: &str) -> &'static Method {
        let method = PROTOS
            .methods()
            .iter()
            .find(|method| method.descriptor.name() == name);
        method.unwrap()
    }

    fn message(method: &Method, json: serde_json::Value) -> Bytes {
        frame::encode(&DynamicMessage::deserialize(method.descriptor.input(), json).unwrap())
    }

    /// Returns the body that reaches the router, or the status of a rejected request.
    async fn pass(
        method: &'static Method,
        metadata: &[(&'static str, &'static str)],
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Status> {
        let echo = service_fn(|request: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        let mut request = Request::new(Body::new(Full::new(body.into())));
        request
            .extensions_mut()
            .insert(CalledMethod(Target::Method(method)));
        for (name, value) in metadata {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_static(value));
        }
        let Ok(response) = FillHeaderFields::new(echo).oneshot(request).await;
        match Status::from_header_map(response.headers()) {
            Some(status) => Err(status),
            None => Ok(response.into_body().collect().await.unwrap().to_bytes()),
        }
    }

    /// Returns the message that reaches the router.
    async fn passed(
        name: &str,
        metadata: &[(&'static str, &'static str)],
        json: serde_json::Value,
    ) -> serde_json::Value {
        let method = method(name);
        let body = pass(method, metadata, message(method, json)).await.unwrap();
        let message = DynamicMessage::decode(method.descriptor.input(), frame::decode(body).unwrap());
        serde_json::to_value(message.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn metadata_fills_an_empty_field() {
        assert_eq!(
            passed("BurnBook", &[("x-burn-reason", "damp")], json!({"name": "a"})).await,
            json!({"name": "a", "reason": "damp"})
        );
        assert_eq!(
            passed("LendBook", &[("x-days", "7")], json!({"lentBook": {"name": "a"}})).await,
            json!({"lentBook": {"name": "a"}, "days": 7})
        );
    }

    #[tokio::test]
    async fn metadata_may_repeat_the_field() {
        for (rpc, headers, json) in [
            (
                "BurnBook",
                vec![("x-burn-reason", "damp")],
                json!({"reason": "damp"}),
            ),
            (
                "BurnBook",
                vec![("x-burn-reason", "damp"); 2],
                json!({"reason": "damp"}),
            ),
            // The field has presence, so zero is a value.
            ("LendBook", vec![("x-days", "0")], json!({"days": 0})),
        ] {
            assert_eq!(passed(rpc, &headers, json.clone()).await, json);
        }
    }

    #[tokio::test]
    async fn different_values_are_rejected_with_the_reason_of_the_field() {
        for (rpc, headers, json, name, detail) in [
            (
                "BurnBook",
                vec![("x-burn-reason", "damp")],
                json!({"reason": "worms"}),
                "reason",
                "differs from the metadata x-burn-reason",
            ),
            (
                "LendBook",
                vec![("x-days", "7")],
                json!({"days": 0}),
                "days",
                "differs from the metadata x-days",
            ),
            (
                "LendBook",
                vec![("x-days", "7"), ("x-days", "8")],
                json!({}),
                "x-days",
                "is repeated with different values",
            ),
        ] {
            let method = method(rpc);
            let status = pass(method, &headers, message(method, json)).await.unwrap_err();
            let request = status.get_details_bad_request().unwrap();
            let violation = &request.field_violations[0];
            assert_eq!(
                (
                    violation.field.as_str(),
                    violation.description.as_str(),
                    violation.reason.as_str()
                ),
                (
                    name,
                    detail,
                    if rpc == "BurnBook" {
                        "INVALID_CURSOR"
                    } else {
                        "INVALID_FIELD"
                    }
                )
            );
        }
    }

    #[tokio::test]
    async fn malformed_metadata_is_rejected() {
        let lend = method("LendBook");
        let status = pass(lend, &[("x-days", "a week")], message(lend, json!({})))
            .await
            .unwrap_err();
        let request = status.get_details_bad_request().unwrap();
        let violation = &request.field_violations[0];
        assert_eq!(
            (violation.field.as_str(), violation.description.as_str()),
            ("days", "must be a whole number")
        );
    }

    #[tokio::test]
    async fn other_requests_pass_unchanged() {
        let malformed = Bytes::from_static(b"\0\0\0\0\x01\xff");
        for (name, metadata) in [
            ("GetBook", vec![("x-burn-reason", "damp")]),
            ("BurnBook", vec![("x-days", "7")]),
            // The router rejects the encoding.
            (
                "BurnBook",
                vec![("x-burn-reason", "damp"), ("grpc-encoding", "snappy")],
            ),
        ] {
            let passed = pass(method(name), &metadata, malformed.clone()).await;
            assert_eq!(passed.unwrap(), malformed, "{name}");
        }
    }

    #[tokio::test]
    async fn a_message_that_the_router_would_reject_has_the_same_status() {
        let length = u32::try_from(MAX_MESSAGE_BYTES + 1).unwrap().to_be_bytes();
        for (body, code) in [
            (&b"\0\0\0\0\x01\xff"[..], Code::Internal),
            (&[&b"\0"[..], &length].concat(), Code::OutOfRange),
        ] {
            let body = Bytes::copy_from_slice(body);
            let status = pass(method("BurnBook"), &[("x-burn-reason", "damp")], body).await;
            assert_eq!(status.unwrap_err().code(), code);
        }
        let empty = pass(method("BurnBook"), &[("x-burn-reason", "damp")], Bytes::new()).await;
        assert_eq!(empty.unwrap(), Bytes::new());
    }
}
