//! The round trips to PostgreSQL, and the statements that stay prepared there.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::Mutex,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::support::{
    Caller, TestServer, Transport,
    assertions::keyed,
    authn::{id_of, secret_of},
    issuer::SigningKey,
    proxy::{Proxy, server_behind_proxy_with},
    registry::{Registry, tenant},
    samples::{web, with},
    wire::RoundTrip,
};

/// Less than the idle time of half a second after which a connection is tested.
const BUSY: Duration = Duration::from_millis(400);
/// The most prepared statements that a connection keeps.
const STATEMENTS_KEPT: usize = 128;
/// The time after a response in which nothing more may be sent.
const AFTERWARDS: Duration = Duration::from_millis(100);

/// Starts a server with so many connections to PostgreSQL.
async fn server_with_connections(connections: u32) -> Option<(TestServer, Proxy)> {
    server_behind_proxy_with(|config| config.database_connections = NonZeroU32::new(connections)).await
}

/// Returns what was sent for requests, without what the server sends in the background or on the connection of its probe.
fn since(proxy: &Proxy, start: usize) -> Vec<RoundTrip> {
    let mut all = proxy.sent.round_trips();
    let background: HashSet<usize> = all
        .iter()
        .filter(|round_trip| round_trip.is_probe())
        .map(|round_trip| round_trip.connection)
        .collect();
    all.drain(..start);
    all.retain(|round_trip| !round_trip.is_background() && !background.contains(&round_trip.connection));
    all
}

/// Returns what is sent for a request until shortly after its response, with its statements prepared and its connection
/// busy.
async fn sent_for(proxy: &Proxy, call: impl AsyncFn()) -> Vec<String> {
    for _ in 0..20 {
        let started = Instant::now();
        call().await;
        let before = proxy.sent.round_trips().len();
        call().await;
        tokio::time::sleep(AFTERWARDS).await;
        if started.elapsed() < BUSY {
            return since(proxy, before).iter().map(RoundTrip::verb).collect();
        }
    }
    panic!("this machine is too slow to see what a busy server sends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_makes_the_round_trips_of_its_statements_and_no_more() {
    let Some((server, proxy)) = server_with_connections(1).await else {
        return;
    };
    let admin = server.admin();
    let id = admin.created(web()).await;
    for transport in Transport::BOTH {
        let get = async || drop(admin.get(transport, &id).await.unwrap());
        assert_eq!(sent_for(&proxy, get).await, [""; 0], "get, from memory");

        let patch = async || {
            let name = uuid::Uuid::now_v7().to_string();
            let rename = json!([{"op": "add", "path": "/clientName", "value": name}]);
            admin.patch(transport, &id, rename).await.unwrap();
        };
        // The client under a lock, its secrets, the change, and its record.
        let statements = ["BEGIN", "SELECT", "SELECT", "UPDATE", "INSERT", "COMMIT"];
        assert_eq!(sent_for(&proxy, patch).await, statements, "patch");

        let key = Mutex::new(String::new());
        let with_key = async || {
            let key = key.lock().unwrap().clone();
            let rename = json!([{"op": "add", "path": "/clientName", "value": key}]);
            let patch = json!({"clientId": id, "operations": rename, "requestId": key});
            admin.call(transport, "PatchOAuthClient", patch).await.unwrap();
        };
        let with_new_key = async || {
            *key.lock().unwrap() = uuid::Uuid::now_v7().to_string();
            with_key().await;
        };
        // The lock, the response of before, the change as above, and the response.
        let statements = [
            "BEGIN", "SELECT", "SELECT", "SELECT", "SELECT", "UPDATE", "INSERT", "INSERT", "COMMIT",
        ];
        assert_eq!(
            sent_for(&proxy, with_new_key).await,
            statements,
            "patch with a key"
        );
        let statements = ["BEGIN", "SELECT", "SELECT", "COMMIT"];
        assert_eq!(sent_for(&proxy, with_key).await, statements, "a retry");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_is_one_statement_and_one_more_for_clients_that_memory_does_not_hold() {
    let Some((server, proxy)) = server_with_connections(1).await else {
        return;
    };
    let admin = server.admin();
    let ids = [
        admin.created(web()).await,
        admin.created(web()).await,
        admin.created(web()).await,
    ];
    for transport in Transport::BOTH {
        let list = async |request: &Value| admin.list(transport, request.clone()).await.unwrap();
        for (filter, statements) in [
            (json!({}), ["SELECT"].as_slice()),
            // The filter is prepared each time anew.
            (
                json!({"filter": "clientName pr and clientId gt \"0\""}),
                &["prepare SELECT", "SELECT"],
            ),
        ] {
            let first = with(filter, json!({"limit": 1, "totalResults": true}));
            let second = list(&first).await["links"]["next"]["cursor"].clone();
            let second = with(first.clone(), json!({"next": second}));
            let back = list(&second).await["links"]["prev"]["cursor"].clone();
            let back = with(first.clone(), json!({"prev": back}));
            for request in [first, second, back] {
                let mut sent = Vec::new();
                // On a busy machine memory may not be known to be current.
                for _ in 0..5 {
                    sent = sent_for(&proxy, async || drop(list(&request).await)).await;
                    if sent == statements {
                        break;
                    }
                }
                assert_eq!(sent, statements, "{request}");
            }
        }

        // A change drops a client from memory. The rest of a page is the same statement with every filter.
        for (request, statements) in [
            (json!({}), ["SELECT", "SELECT"].as_slice()),
            (
                json!({"filter": "clientName pr and clientId gt \"0\""}),
                &["prepare SELECT", "SELECT", "SELECT"],
            ),
        ] {
            let mut sent = Vec::new();
            for _ in 0..2 {
                admin.disable(&ids[1], "misused").await.unwrap();
                admin.enable(&ids[1]).await.unwrap();
                let before = proxy.sent.round_trips().len();
                list(&request).await;
                sent = since(&proxy, before).iter().map(RoundTrip::verb).collect();
            }
            assert_eq!(sent, statements, "{request}");
        }
    }
}

/// Filters of which no two make the same statement: the binary digits of a number say how each goes on.
fn filters(count: usize) -> impl Iterator<Item = String> {
    (1..=count).map(|number| {
        let digits = format!("{number:b}");
        let more = digits.chars().map(|digit| match digit {
            '0' => r#" and clientName lt "z""#,
            _ => r#" or not (clientName co "a")"#,
        });
        r#"clientName gt "0""#.to_owned() + &more.collect::<String>()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_filter_leaves_a_prepared_statement_behind() {
    // A tenant has an eighth of them for lists.
    let Some((server, proxy)) = server_with_connections(16).await else {
        return;
    };
    let admin = server.admin();
    admin.created(web()).await;
    let before = proxy.sent.round_trips().len();
    let calls = stream::iter(filters(200)).map(async |filter| {
        let request = json!({"filter": filter, "totalResults": true});
        admin.list(Transport::Grpc, request).await.unwrap();
    });
    calls.buffer_unordered(8).collect::<Vec<()>>().await;

    let sent = since(&proxy, before);
    let connections: HashSet<usize> = sent.iter().map(|round_trip| round_trip.connection).collect();
    assert!(connections.len() > 1, "{connections:?}");
    let texts: HashSet<&str> = sent.iter().map(|round_trip| round_trip.sql.as_str()).collect();
    assert!(
        texts.len() >= 200,
        "{} statements are no 200 filters",
        texts.len()
    );
    let kept: Vec<&RoundTrip> = sent
        .iter()
        .filter(|round_trip| round_trip.prepares.as_ref().is_some_and(|name| !name.is_empty()))
        // The rest of a page does not depend on the filter.
        .filter(|round_trip| !round_trip.sql.contains(r#"AS "secrets""#))
        .collect();
    assert!(kept.is_empty(), "{kept:?}");
}

/// Lists in each order, onwards and back, with pages of each size that makes a difference, with and without a total; and
/// onwards from a place beyond which no client is left, and back from there.
async fn list_in_every_way(server: &TestServer) {
    let registry = Registry::open(&server.db).await;
    let names: Vec<(String, &str)> = (0..100).map(|number| (number.to_string(), "web")).collect();
    registry.fill(&tenant("many"), &names).await;
    let few = server.admin_of("few");
    let many = server.admin_of("many");
    let cursor = |page: &Value, link: &str| page["links"][link]["cursor"].as_str().unwrap().to_owned();
    few.created(web()).await;
    for (number, sort) in ["clientId", "clientName", "appType", "createdAt", "updatedAt"]
        .iter()
        .flat_map(|field| [format!("+{field}"), format!("-{field}")])
        .enumerate()
    {
        let list = async |caller: &Caller<'_>, limit: usize, more: Value| {
            let request = with(json!({"sort": sort, "limit": limit}), more);
            let counted = with(request.clone(), json!({"totalResults": true}));
            caller.list(Transport::Grpc, counted).await.unwrap();
            caller.list(Transport::Grpc, request).await.unwrap()
        };
        let limit = [1, 2, 3, 5, 9, 17, 33][number % 7];
        let page = list(&many, limit, json!({})).await;
        let page = list(&many, 65, json!({"next": cursor(&page, "next")})).await;
        list(&many, limit, json!({"prev": cursor(&page, "prev")})).await;

        few.created(web()).await;
        let next = json!({"next": cursor(&list(&few, 1, json!({})).await, "next")});
        let removed = list(&few, 1, next.clone()).await["data"][0]["clientId"].clone();
        let removed = removed.as_str().unwrap();
        few.delete(Transport::Grpc, removed, removed).await.unwrap();
        let empty = list(&few, 1, next).await;
        list(&few, 1, json!({"prev": cursor(&empty, "prev")})).await;
    }
}

/// Calls everything else, on clients with each number of secrets.
async fn call_every_method(server: &TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    for secrets in 1..=5 {
        let client = admin.create(Transport::Grpc, web()).await;
        let id = id_of(&client);
        for _ in 1..secrets {
            admin.create_secret(Transport::Grpc, id).await.unwrap();
        }
        admin.stored(id).await;
        platform.lookup(id).await.unwrap();
        assert!(platform.takes_secret(id, &secret_of(&client)).await);
        admin.disable(id, "misused").await.unwrap();
        admin.enable(id).await.unwrap();
        admin.delete(Transport::Grpc, id, id).await.unwrap();
    }
    let key = SigningKey::new("ES384", "ES384");
    let id = admin.created(keyed(&[&key])).await;
    let enable = json!({"clientId": id, "requestId": uuid::Uuid::now_v7().to_string()});
    for _ in 0..2 {
        admin
            .call(Transport::Grpc, "EnableOAuthClient", enable.clone())
            .await
            .unwrap();
    }
    let assertion = key.assertion(&id, json!({}));
    assert!(platform.takes_assertion(&assertion).await);
    assert!(!platform.takes_assertion(&assertion).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_keeps_every_statement_that_calls_without_a_filter_prepare() {
    let Some((server, proxy)) = server_with_connections(1).await else {
        return;
    };
    list_in_every_way(&server).await;
    call_every_method(&server).await;
    let sent = proxy.sent.round_trips();
    let forgotten: Vec<&RoundTrip> = sent.iter().filter(|round_trip| round_trip.closes).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let mut prepared: HashMap<usize, usize> = HashMap::new();
    for round_trip in sent.iter().filter(|round_trip| round_trip.prepares.is_some()) {
        *prepared.entry(round_trip.connection).or_default() += 1;
    }
    let most = prepared.into_values().max().unwrap();
    assert!(most <= STATEMENTS_KEPT, "{most}");
}
