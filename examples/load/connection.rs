//! Connections to a server.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
    uri::PathAndQuery,
};
use tonic::{
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use crate::{codec::BytesCodec, support::Outcome};

/// A transport of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Rest,
}

/// A request that is ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The HTTP method; on gRPC it is not used.
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    pub(crate) body: Bytes,
}

/// A connection with the authorization of its caller.
#[derive(Clone)]
pub(crate) enum Connection {
    Grpc {
        grpc: Grpc<Channel>,
        authorization: MetadataValue<Ascii>,
    },
    Rest {
        client: reqwest::Client,
        base: String,
        authorization: String,
    },
}

impl Connection {
    /// Opens connections to a transport. On REST (HTTP/1.1) there is one for each request in flight.
    pub(crate) async fn open(
        transport: Transport,
        addr: SocketAddr,
        count: usize,
        authorization: &str,
    ) -> Outcome<Vec<Self>> {
        let base = format!("http://{addr}");
        match transport {
            Transport::Grpc => grpc(&base, count, authorization).await,
            Transport::Rest => Ok(vec![Self::Rest {
                client: reqwest::Client::builder().no_proxy().build()?,
                base,
                authorization: authorization.to_owned(),
            }]),
        }
    }

    /// Sends a request, and returns the message of its response.
    pub(crate) async fn send(&mut self, call: Call) -> Outcome<Bytes> {
        match self {
            Self::Grpc { grpc, authorization } => {
                let mut request = tonic::Request::new(call.body);
                request
                    .metadata_mut()
                    .insert("authorization", authorization.clone());
                grpc.ready().await?;
                let response = grpc.unary(request, call.path, BytesCodec).await?;
                Ok(response.into_inner())
            }
            Self::Rest {
                client,
                base,
                authorization,
            } => {
                let url = format!("{base}{}", call.path);
                let mut request = client.request(call.method, url);
                if !call.body.is_empty() {
                    request = request.header(CONTENT_TYPE, "application/json").body(call.body);
                }
                let request = request.header(AUTHORIZATION, authorization.as_str());
                Ok(request.send().await?.error_for_status()?.bytes().await?)
            }
        }
    }
}

async fn grpc(base: &str, count: usize, authorization: &str) -> Outcome<Vec<Connection>> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let channel = Endpoint::from_shared(base.to_owned())?.connect().await?;
        connections.push(Connection::Grpc {
            grpc: Grpc::new(channel),
            authorization: authorization.parse()?,
        });
    }
    Ok(connections)
}
