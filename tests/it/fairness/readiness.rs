//! Readiness: a busy server is ready.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{GREEDY, server_with_many_clients, worst_list};
use crate::support::{Db, Transport};

on_each_database![a_server_whose_connections_are_all_taken_is_ready];

async fn a_server_whose_connections_are_all_taken_is_ready(db: Db) {
    let server = server_with_many_clients(db, Some(1)).await;
    let (greedy, caller) = (server.admin_of(GREEDY), server.caller(None));
    let lists = Transport::BOTH.map(async |transport| {
        let refused = greedy.list(transport, worst_list()).await.unwrap_err();
        assert_eq!(refused.codes(), ["DEADLINE_EXCEEDED"]);
    });
    let probes = async {
        let started = Instant::now();
        // Longer than a probe may take, and the time until the next one.
        while started.elapsed() < Duration::from_secs(7) {
            let answer = caller.http_get("/readyz").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let request = HealthCheckRequest::default();
            let health = HealthClient::new(server.transports.channel.clone())
                .check(request)
                .await
                .unwrap();
            assert_eq!(health.into_inner().status(), ServingStatus::Serving);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    join(join_all(lists), probes).await;
}
