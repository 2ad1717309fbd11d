//! Requests that were given up before their work began: it never begins.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Neighbour, without_memory};
use crate::support::{Answer, Transport, http::COLLECTION, proxy::server_behind_proxy_with};

const GIVEN_UP: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_was_given_up_while_it_waited_for_a_connection_is_never_sent() {
    let behind_proxy = server_behind_proxy_with(|config| without_memory(config, Some(1))).await;
    let Some((server, proxy)) = behind_proxy else {
        return;
    };
    let neighbour = Neighbour::of(&server).await;
    let admin = server.admin_of("neighbour");
    let held = server.db.hold_writers().await;
    let before = proxy.sent.round_trips().len();
    let reads = (0..GIVEN_UP).map(async |number: usize| match Transport::BOTH[number % 2] {
        Transport::Rest => {
            let path = format!("{COLLECTION}/{}", neighbour.id);
            let request = admin.request(reqwest::Method::GET, &path);
            let answer = Answer::to(request.header("Grpc-Timeout", "300m")).await;
            assert_eq!(answer.status, 504, "{}", answer.text);
        }
        Transport::Grpc => {
            let read = admin.get(Transport::Grpc, &neighbour.id);
            drop(tokio::time::timeout(Duration::from_millis(300), read).await);
        }
    });
    join_all(reads).await;
    held.rollback().await.unwrap();
    admin.get(Transport::Rest, &neighbour.id).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;

    let sent = proxy.sent.round_trips();
    let reads = sent[before..]
        .iter()
        .filter(|round_trip| round_trip.sql.contains("oauth_client_secrets"))
        .count();
    // The one that had the connection, perhaps one that took it over, and the last one.
    assert!((1..=4).contains(&reads), "{reads} reads were sent");
}
