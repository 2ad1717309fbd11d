//! Lists: those of a tenant leave the other tenants their connections, and a list that takes too long ends.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;

use super::{GREEDY, Neighbour, server_with_many_clients, worst_list};
use crate::support::{Answer, Db, TestServer, Transport, http::COLLECTION};

on_each_database![
    a_list_that_takes_too_long_is_interrupted,
    the_lists_of_a_tenant_leave_the_others_their_connections,
    a_list_that_nobody_waits_for_ends,
];

/// The longest that a query may take.
const LIMIT: Duration = Duration::from_secs(4);

async fn a_list_that_takes_too_long_is_interrupted(db: Db) {
    let server = server_with_many_clients(db, None).await;
    let greedy = server.admin_of(GREEDY);
    let lists = Transport::BOTH.map(async |transport| {
        let started = Instant::now();
        let refused = greedy.list(transport, worst_list()).await.unwrap_err();
        assert_eq!(refused.codes(), ["DEADLINE_EXCEEDED"]);
        assert!(started.elapsed() >= LIMIT, "{:?}", started.elapsed());
    });
    join_all(lists).await;
    let narrower = json!({"filter": "clientName co \"n\"", "limit": 1});
    for transport in Transport::BOTH {
        let page = greedy.list(transport, narrower.clone()).await.unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
    }
}

/// Sends a list, and gives it up after a while, unless it was refused before. On REST that is a deadline, as a caller that
/// closed its connection may still read the response.
async fn give_up(server: &TestServer, transport: Transport, after: Duration) {
    let greedy = server.admin_of(GREEDY);
    match transport {
        Transport::Grpc => {
            let list = greedy.list(transport, worst_list());
            drop(tokio::time::timeout(after, list).await);
        }
        Transport::Rest => {
            let filter = worst_list()["filter"].as_str().unwrap().to_owned();
            let request = greedy.request(reqwest::Method::GET, COLLECTION);
            let timeout = format!("{}m", after.as_millis());
            let request = request
                .query(&[("filter", filter)])
                .header("Grpc-Timeout", timeout);
            Answer::to(request).await;
        }
    }
}

async fn the_lists_of_a_tenant_leave_the_others_their_connections(db: Db) {
    const LISTS: usize = 40;
    let server = server_with_many_clients(db, None).await;
    let neighbour = Neighbour::of(&server).await;
    let (admin, platform) = (server.admin_of("neighbour"), server.platform());
    let lists = (0..LISTS).map(|number| give_up(&server, Transport::BOTH[number % 2], LIMIT));
    let others = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            for transport in Transport::BOTH {
                admin.get(transport, &neighbour.id).await.unwrap();
            }
            platform.lookup(&neighbour.id).await.unwrap();
            assert!(platform.takes_secret(&neighbour.id, &neighbour.secret).await);
            let rename = json!([{"op": "add", "path": "/clientName", "value": "renamed"}]);
            admin.patch(Transport::Rest, &neighbour.id, rename).await.unwrap();
        }
        // Its turn comes before the lists that were there first.
        admin.list(Transport::Grpc, json!({})).await.unwrap();
    };
    join(join_all(lists), others).await;
}

async fn a_list_that_nobody_waits_for_ends(db: Db) {
    let server = server_with_many_clients(db, None).await;
    let greedy = server.admin_of(GREEDY);
    for transport in Transport::BOTH {
        join_all((0..8).map(|_| give_up(&server, transport, Duration::from_millis(500)))).await;
        // All turns were taken by lists that would go on for seconds.
        let request = greedy
            .request(reqwest::Method::GET, COLLECTION)
            .header("Grpc-Timeout", "2S");
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 200, "{transport:?}: {}", answer.text);
    }
}
