//! Reads streams of changes on either transport, as the JSON of their messages.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::{Request, Status, Streaming};

use super::{
    Answer, Caller, Refused, Transport,
    bytes_codec::BytesCodec,
    caller::{bearer, json_of, method},
};

/// The path of the stream.
pub(crate) const WATCH: &str = "/api/core/oauth-client-changes:watch";

const RPC: &str = "WatchOAuthClients";
/// The longest time without a message, with room for a busy machine.
const QUIET: Duration = Duration::from_secs(30);

/// A stream of changes that is being read.
pub(crate) enum Watched {
    Rest {
        response: reqwest::Response,
        unread: Vec<u8>,
    },
    Grpc(Streaming<Vec<u8>>),
}

/// A message, or the last thing that a stream says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Message(Value),
    /// The code of the error.
    Failed(String),
    Ended,
}

impl Caller<'_> {
    /// Begins to watch.
    pub(crate) async fn watch(&self, transport: Transport, request: Value) -> Result<Watched, Refused> {
        match transport {
            Transport::Rest => {
                let response = self.watch_request(&request).send().await.unwrap();
                if response.status() != 200 {
                    let answer = Answer {
                        status: response.status().as_u16(),
                        headers: response.headers().clone(),
                        text: response.text().await.unwrap(),
                    };
                    return Err(answer.refused());
                }
                assert_eq!(response.headers()["content-type"], "application/x-ndjson");
                Ok(Watched::Rest {
                    response,
                    unread: Vec::new(),
                })
            }
            Transport::Grpc => Ok(Watched::Grpc(self.watch_grpc(request).await?)),
        }
    }

    /// Sends a request on gRPC, and returns `true` if it was carried out. The server may be gone.
    pub(crate) async fn try_call(&self, rpc: &str, request: Value) -> bool {
        let method = method(rpc);
        let message = DynamicMessage::deserialize(method.descriptor.input(), request).unwrap();
        self.exchange(&method.path, message.encode_to_vec()).await.is_ok()
    }

    /// Begins to watch on gRPC, unless the server is gone.
    pub(crate) async fn try_watch(&self, request: Value) -> Option<Streaming<Vec<u8>>> {
        self.watch_grpc(request).await.ok()
    }

    async fn watch_grpc(&self, request: Value) -> Result<Streaming<Vec<u8>>, Status> {
        let method = method(RPC);
        let message = DynamicMessage::deserialize(method.descriptor.input(), request).unwrap();
        let mut grpc = tonic::client::Grpc::new(self.transports.channel.clone());
        let gone = |error| Status::unavailable(format!("{error}"));
        grpc.ready().await.map_err(gone)?;
        let mut request = Request::new(message.encode_to_vec());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", bearer(token));
        }
        let path = PathAndQuery::try_from(method.path.as_str()).unwrap();
        let response = grpc.server_streaming(request, path, BytesCodec).await?;
        Ok(response.into_inner())
    }

    /// Returns the request on REST.
    pub(crate) fn watch_request(&self, request: &Value) -> reqwest::RequestBuilder {
        let mut query = Vec::new();
        for (name, value) in request.as_object().unwrap() {
            let values = value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values {
                let text = value.as_str().map_or(value.to_string(), str::to_owned);
                query.push((name.clone(), text));
            }
        }
        self.request(Method::GET, WATCH).query(&query)
    }

    /// Begins to watch from now on, and returns the token of that too.
    pub(crate) async fn watch_now(&self, transport: Transport) -> (Watched, String) {
        let mut watched = self.watch(transport, json!({})).await.unwrap();
        let first = watched.message().await;
        assert!(first["bookmark"].is_object(), "{first}");
        (watched, token_of(&first))
    }

    /// Returns the reason for which a stream does not begin.
    pub(crate) async fn watch_refused(&self, transport: Transport, request: Value) -> Refused {
        match self.watch(transport, request).await {
            Err(refused) => refused,
            // On gRPC a status without messages is a stream too.
            Ok(Watched::Grpc(mut messages)) => messages.message().await.unwrap_err().into(),
            Ok(Watched::Rest { .. }) => panic!("the stream began"),
        }
    }
}

impl Watched {
    /// Returns what the stream says next.
    pub(crate) async fn next(&mut self) -> Said {
        tokio::time::timeout(QUIET, self.read())
            .await
            .expect("a message in time")
    }

    /// Returns the next message.
    pub(crate) async fn message(&mut self) -> Value {
        match self.next().await {
            Said::Message(message) => message,
            other => panic!("the stream is over: {other:?}"),
        }
    }

    /// Returns the next change or client, and skips bookmarks.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message["bookmark"].is_null() {
                return message;
            }
        }
    }

    /// Returns the last token, and how the stream ends.
    pub(crate) async fn end(&mut self) -> (Option<String>, Said) {
        let mut token = None;
        loop {
            match self.next().await {
                Said::Message(message) => token = Some(token_of(&message)),
                end => return (token, end),
            }
        }
    }

    async fn read(&mut self) -> Said {
        match self {
            Self::Grpc(messages) => match messages.message().await {
                Ok(Some(message)) => {
                    let mut message = json_of(method(RPC), &message);
                    // As REST shows it.
                    message
                        .as_object_mut()
                        .unwrap()
                        .retain(|_, value| !value.is_null());
                    Said::Message(message)
                }
                Ok(None) => Said::Ended,
                Err(status) => Said::Failed(Refused::from(status).codes()[0].to_owned()),
            },
            Self::Rest { response, unread } => loop {
                if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = unread.drain(..=end).collect();
                    let line: Value = serde_json::from_slice(&line).unwrap();
                    return match line["error"]["code"].as_str() {
                        Some(code) => Said::Failed(code.to_owned()),
                        None => Said::Message(line["result"].clone()),
                    };
                }
                let Some(chunk) = response.chunk().await.unwrap() else {
                    assert!(unread.is_empty());
                    return Said::Ended;
                };
                unread.extend(chunk);
            },
        }
    }
}

/// Returns the next message of a stream on gRPC, unless it is over, or its server is gone.
pub(crate) async fn try_next(messages: &mut Streaming<Vec<u8>>) -> Option<Value> {
    let message = tokio::time::timeout(Duration::from_secs(2), messages.message()).await;
    Some(json_of(method(RPC), &message.ok()?.ok()??))
}

/// Returns the resume token of a message.
pub(crate) fn token_of(message: &Value) -> String {
    let token = message["resumeToken"].as_str().unwrap();
    assert!(!token.is_empty());
    token.to_owned()
}
