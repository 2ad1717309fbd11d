//! The REST transport, request by request.

use http::HeaderMap;
use oauth_clients::pb;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{Caller, Refused};

/// The path of the collection of clients.
pub(crate) const COLLECTION: &str = "/api/core/oauth-clients";
pub(crate) const CHANGES: &str = "/api/core/oauth-client-changes";

/// A response of the REST transport, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Caller<'_> {
    /// Returns a request with this caller's token to a path of the REST transport.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.transports.rest_url);
        let request = self.transports.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn http_get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn http_post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::to(self.request(Method::POST, path).body(body)).await
    }

    pub(crate) async fn http_patch(&self, id: &str, body: impl Into<reqwest::Body>) -> Answer {
        let path = format!("{COLLECTION}/{id}");
        Answer::to(self.request(Method::PATCH, &path).body(body)).await
    }
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is not JSON", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"));
        value.to_str().unwrap()
    }

    /// Returns the errors, and checks that they form the envelope that the README describes.
    pub(crate) fn refused(&self) -> Refused {
        assert!(self.status >= 400, "not an error: {self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        let envelope = self.json();
        let members: Vec<&String> = envelope.as_object().unwrap().keys().collect();
        assert_eq!(members, ["errors"]);
        let errors = envelope["errors"].as_array().unwrap();
        assert!(!errors.is_empty(), "{self:?}");
        let read = |error: &Value| {
            let members: Vec<&String> = error.as_object().unwrap().keys().collect();
            assert_eq!(members, ["code", "detail", "title"]);
            let text = |name: &str| error[name].as_str().unwrap().to_owned();
            let policy = pb::protos().unwrap().reason(&text("code"));
            let policy = policy.unwrap_or_else(|| panic!("{} is not in error_reason.proto", text("code")));
            assert_eq!(policy.title, text("title"));
            assert_eq!(policy.http_status, self.status);
            (text("code"), text("detail"))
        };
        Refused {
            errors: errors.iter().map(read).collect(),
        }
    }
}
