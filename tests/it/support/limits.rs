//! Requests that count against a quota.

use std::time::Duration;

use futures_util::future::join_all;
use http::HeaderMap;
use oauth_clients::pb::v1::ListOAuthClientsRequest;
use tonic_types::StatusExt as _;

use super::{Caller, Db, TestServer, Transport, http::COLLECTION, redis::Redis};

/// The state of its quota that a caller gets.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) allowed: bool,
    pub(crate) headers: HeaderMap,
    /// The `RetryInfo`, which only gRPC has.
    pub(crate) exact_wait: Option<Duration>,
}

impl Called {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// Sends a request of tier 1, which is within the quota or over it, and nothing else.
pub(crate) async fn read(caller: &Caller<'_>, transport: Transport) -> Called {
    if transport == Transport::Rest {
        let answer = caller.http_get(COLLECTION).await;
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        return Called {
            allowed: answer.status == 200,
            headers: answer.headers,
            exact_wait: None,
        };
    }
    let request = ListOAuthClientsRequest::default();
    match caller.grpc().list_o_auth_clients(request).await {
        Ok(answer) => Called {
            allowed: true,
            headers: answer.metadata().clone().into_headers(),
            exact_wait: None,
        },
        Err(status) => {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
            let details = status.get_error_details();
            Called {
                allowed: false,
                headers: status.metadata().clone().into_headers(),
                exact_wait: details.retry_info().unwrap().retry_delay,
            }
        }
    }
}

/// Returns the limits of this process, and those of a Redis if there is one.
pub(crate) async fn places() -> Vec<Option<Redis>> {
    let mut places = vec![None];
    places.extend(Redis::start().await.map(Some));
    places
}

/// Starts a server with these quotas for reads and changes.
pub(crate) async fn limited(redis: Option<&Redis>, reads: u32, changes: u32) -> TestServer {
    TestServer::start_with(Db::sqlite(), |config| {
        config.quotas.tier1_per_minute = reads;
        config.quotas.tier2_per_minute = changes;
        config.redis_url = redis.map(|redis| redis.url().parse().unwrap());
    })
    .await
}

/// Sends requests on both transports at once, and counts the admitted ones.
pub(crate) async fn allowed_of(calls: usize, servers: &[&TestServer]) -> usize {
    let admins: Vec<Caller<'_>> = servers.iter().map(|server| server.admin()).collect();
    let calls = (0..calls).map(|n| read(&admins[n % admins.len()], Transport::BOTH[n / admins.len() % 2]));
    let answers = join_all(calls).await;
    answers.iter().filter(|called| called.allowed).count()
}
