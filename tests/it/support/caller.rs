//! Sends the same requests on either transport, with the same JSON in and out.

use http::uri::PathAndQuery;
use oauth_clients::pb::{self, v1::o_auth_client_service_client::OAuthClientServiceClient};
use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::{
    Request, Response, Status,
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::{
    Answer,
    bytes_codec::BytesCodec,
    http::{CHANGES, COLLECTION},
};

/// REST or gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Rest,
    Grpc,
}

impl Transport {
    pub(crate) const BOTH: [Self; 2] = [Self::Rest, Self::Grpc];

    /// Returns the transports of an RPC.
    pub(crate) fn of(rpc: &str) -> &'static [Self] {
        let options = method(rpc).descriptor.options();
        let http = pb::protos()
            .unwrap()
            .pool
            .get_extension_by_name("google.api.http");
        if options.has_extension(&http.unwrap()) {
            &Self::BOTH
        } else {
            &[Self::Grpc]
        }
    }
}

/// The transports of a server.
pub(crate) struct Transports {
    pub(crate) http: reqwest::Client,
    pub(crate) rest_url: String,
    pub(crate) channel: Channel,
}

impl Transports {
    /// Returns the transports at these URLs, not connected yet.
    pub(crate) fn at(rest_url: String, grpc_url: String) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            rest_url,
            channel: Endpoint::from_shared(grpc_url).unwrap().connect_lazy(),
        }
    }

    pub(crate) fn caller(&self, token: Option<String>) -> Caller<'_> {
        Caller {
            transports: self,
            token,
        }
    }
}

/// A caller, with its token.
pub(crate) struct Caller<'a> {
    pub(crate) transports: &'a Transports,
    pub(crate) token: Option<String>,
}

/// A refused request: the reason and the text of each error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) errors: Vec<(String, String)>,
}

impl Refused {
    pub(crate) fn codes(&self) -> Vec<&str> {
        self.errors.iter().map(|(code, _)| code.as_str()).collect()
    }

    /// Returns the reason and the field of each error.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let field = |detail: &'_ str| detail.find(": ").unwrap_or(detail.len());
        self.errors
            .iter()
            .map(|(code, detail)| (code.as_str(), &detail[..field(detail)]))
            .collect()
    }
}

/// Returns the errors of a status, and checks that they agree with `error_reason.proto`.
impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details
            .error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
        assert_eq!(info.domain, "oauth-clients");
        let code_of = |reason: &str| {
            let policy = pb::protos().unwrap().reason(reason);
            policy
                .unwrap_or_else(|| panic!("{reason} is not in error_reason.proto"))
                .code
        };
        assert_eq!(code_of(&info.reason), status.code());
        let Some(request) = details.bad_request() else {
            return Self {
                errors: vec![(info.reason.clone(), status.message().to_owned())],
            };
        };
        let violations = &request.field_violations;
        assert_eq!(violations[0].reason, info.reason);
        let errors = violations.iter().map(|violation| {
            assert_eq!(code_of(&violation.reason), status.code());
            let detail = format!("{}: {}", violation.field, violation.description);
            (violation.reason.clone(), detail)
        });
        Self {
            errors: errors.collect(),
        }
    }
}

type GrpcClient = OAuthClientServiceClient<InterceptedService<Channel, Authorized>>;
type Authorized = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send + Sync>;

impl Caller<'_> {
    /// Calls an RPC with the JSON of its request, and returns the JSON of its response.
    pub(crate) async fn call(
        &self,
        transport: Transport,
        rpc: &str,
        request: Value,
    ) -> Result<Value, Refused> {
        match transport {
            Transport::Rest => self.call_rest(rpc, &request).await,
            Transport::Grpc => self.call_grpc(rpc, request).await,
        }
    }

    async fn call_rest(&self, rpc: &str, request: &Value) -> Result<Value, Refused> {
        Self::read(rpc, &Answer::to(self.http_request(rpc, request)).await)
    }

    /// Returns the message of a REST response.
    fn read(rpc: &str, answer: &Answer) -> Result<Value, Refused> {
        if answer.status >= 400 {
            return Err(answer.refused());
        }
        let policy = &method(rpc).policy;
        let no_content = policy.success_status == StatusCode::NO_CONTENT
            || policy.no_content_when_empty && answer.text.is_empty();
        if no_content {
            assert_eq!((answer.status, answer.text.as_str()), (204, ""));
            return Ok(json!({}));
        }
        assert_eq!(answer.status, policy.success_status.as_u16());
        assert_eq!(answer.header("content-type"), "application/json");
        Ok(answer.json())
    }

    /// Calls an RPC, and returns the etag of the response too, in quotes, if it has one.
    pub(crate) async fn call_for_etag(
        &self,
        transport: Transport,
        rpc: &str,
        request: Value,
    ) -> Result<(Value, Option<String>), Refused> {
        let text = |value: &str| value.to_owned();
        match transport {
            Transport::Rest => {
                let answer = Answer::to(self.http_request(rpc, &request)).await;
                let etag = answer
                    .headers
                    .get("etag")
                    .map(|etag| text(etag.to_str().unwrap()));
                Ok((Self::read(rpc, &answer)?, etag))
            }
            Transport::Grpc => {
                let method = method(rpc);
                let message = DynamicMessage::deserialize(method.descriptor.input(), request).unwrap();
                let response = self.exchange(&method.path, message.encode_to_vec()).await?;
                let etag = response.metadata().get("etag");
                let etag = etag.map(|etag| text(etag.to_str().unwrap()));
                Ok((json_of(method, response.get_ref()), etag))
            }
        }
    }

    /// Returns an RPC as a REST request, whose headers have the fields that headers fill.
    pub(crate) fn http_request(&self, rpc: &str, request: &Value) -> reqwest::RequestBuilder {
        let mut request = request.clone();
        let mut headers = Vec::new();
        for (field, header) in [("etag", "if-match"), ("requestId", "idempotency-key")] {
            let value = request.as_object_mut().unwrap().remove(field);
            headers.extend(value.map(|value| (header, value.as_str().unwrap().to_owned())));
        }
        let http = self.http_request_without_headers(rpc, &request);
        headers
            .into_iter()
            .fold(http, |http, (header, value)| http.header(header, value))
    }

    fn http_request_without_headers(&self, rpc: &str, request: &Value) -> reqwest::RequestBuilder {
        let text = |member: &str| request[member].as_str().unwrap_or_default();
        let client = format!("{COLLECTION}/{}", text("clientId"));
        match rpc {
            "ListOAuthClients" | "ListOAuthClientChanges" => {
                let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
                let parameters = request.as_object().unwrap().iter();
                let query: Vec<(&String, String)> =
                    parameters.map(|(name, value)| (name, text(value))).collect();
                let path = if rpc == "ListOAuthClients" {
                    COLLECTION
                } else {
                    CHANGES
                };
                self.request(Method::GET, path).query(&query)
            }
            "CreateOAuthClient" => self.request(Method::POST, COLLECTION).json(request),
            "GetOAuthClient" => self.request(Method::GET, &client),
            "PatchOAuthClient" => self.request(Method::PATCH, &client).json(&request["operations"]),
            "DeleteOAuthClient" => self
                .request(Method::DELETE, &client)
                .header("qlik-confirm-delete", text("confirmDelete")),
            "CreateClientSecret" => self.request(Method::POST, &format!("{client}/client-secrets")),
            "DeleteClientSecret" => self.request(
                Method::DELETE,
                &format!("{client}/client-secrets/{}", text("hint")),
            ),
            "WatchOAuthClients" => self.watch_request(request),
            other => panic!("how {other} is called over REST is missing here"),
        }
    }

    async fn call_grpc(&self, rpc: &str, request: Value) -> Result<Value, Refused> {
        let method = method(rpc);
        let message = DynamicMessage::deserialize(method.descriptor.input(), request).unwrap();
        let answer = self.call_bytes(&method.path, message.encode_to_vec()).await?;
        Ok(json_of(method, &answer))
    }

    /// Sends bytes as the message of a request, and returns the bytes of the response.
    pub(crate) async fn call_bytes(&self, path: &str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        Ok(self.exchange(path, message).await?.into_inner())
    }

    /// The same, with the metadata of the response.
    pub(crate) async fn exchange(&self, path: &str, message: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.transports.channel.clone());
        grpc.ready().await.unwrap();
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", bearer(token));
        }
        let path = PathAndQuery::try_from(path).unwrap();
        grpc.unary(request, path, BytesCodec).await
    }

    /// Returns the generated client, with this caller's token.
    pub(crate) fn grpc(&self) -> GrpcClient {
        let token = self.token.clone().unwrap();
        let authorize: Authorized = Box::new(move |mut request| {
            request.metadata_mut().insert("authorization", bearer(&token));
            Ok(request)
        });
        OAuthClientServiceClient::with_interceptor(self.transports.channel.clone(), authorize)
    }

    pub(crate) async fn create(&self, transport: Transport, client: Value) -> Value {
        self.call(transport, "CreateOAuthClient", client).await.unwrap()
    }

    /// Creates a client, and returns its id.
    pub(crate) async fn created(&self, client: Value) -> String {
        let client = self.create(Transport::Grpc, client).await;
        client["clientId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, transport: Transport, id: &str) -> Result<Value, Refused> {
        self.call(transport, "GetOAuthClient", json!({"clientId": id}))
            .await
    }

    /// Returns the client as it is stored.
    pub(crate) async fn stored(&self, id: &str) -> Value {
        self.get(Transport::Grpc, id).await.unwrap()
    }

    pub(crate) async fn patch(
        &self,
        transport: Transport,
        id: &str,
        operations: Value,
    ) -> Result<Value, Refused> {
        let request = json!({"clientId": id, "operations": operations});
        self.call(transport, "PatchOAuthClient", request).await
    }

    pub(crate) async fn delete(
        &self,
        transport: Transport,
        id: &str,
        confirm: &str,
    ) -> Result<Value, Refused> {
        let request = json!({"clientId": id, "confirmDelete": confirm});
        self.call(transport, "DeleteOAuthClient", request).await
    }

    pub(crate) async fn create_secret(&self, transport: Transport, id: &str) -> Result<Value, Refused> {
        self.call(transport, "CreateClientSecret", json!({"clientId": id}))
            .await
    }

    pub(crate) async fn delete_secret(
        &self,
        transport: Transport,
        id: &str,
        hint: &str,
    ) -> Result<Value, Refused> {
        let request = json!({"clientId": id, "hint": hint});
        self.call(transport, "DeleteClientSecret", request).await
    }

    pub(crate) async fn list(&self, transport: Transport, request: Value) -> Result<Value, Refused> {
        self.call(transport, "ListOAuthClients", request).await
    }

    pub(crate) async fn list_changes(&self, transport: Transport, request: Value) -> Result<Value, Refused> {
        self.call(transport, "ListOAuthClientChanges", request).await
    }
}

/// Returns the RPC of this name.
pub(crate) fn method(rpc: &str) -> &'static pb::Method {
    let methods = pb::protos().unwrap().methods();
    let found = methods.iter().find(|method| method.descriptor.name() == rpc);
    found.unwrap_or_else(|| panic!("there is no RPC {rpc}"))
}

/// Returns the JSON of the message of a gRPC response.
pub(crate) fn json_of(method: &pb::Method, message: &[u8]) -> Value {
    let message = DynamicMessage::decode(method.descriptor.output(), message).unwrap();
    let options = SerializeOptions::new().skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

pub(crate) fn bearer(token: &str) -> tonic::metadata::MetadataValue<tonic::metadata::Ascii> {
    format!("Bearer {token}").parse().unwrap()
}
