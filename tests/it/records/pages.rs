//! `ListOAuthClientChanges`: what a record says, and the pages and links of a list.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Row, client_id, insert, names};
use crate::{
    list::link_names,
    support::{
        Answer, TestServer, Transport,
        authn::id_of,
        golden::{assert_golden, exchange},
        http::{CHANGES, COLLECTION},
        samples::{spa, web, without},
    },
};

on_each_database![
    a_record_says_who_did_what_and_when,
    a_list_matches_its_golden_file,
    the_newest_twenty_records_come_first,
    records_of_one_time_are_ordered_by_client_and_revision,
    a_page_ends_at_2_mib,
    links_carry_the_whole_query,
    the_other_path_is_the_same,
    records_outlive_their_client,
    records_of_other_versions_are_listed,
];

async fn a_record_says_who_did_what_and_when(server: TestServer) {
    let admin = server.admin();
    let create = admin
        .request(Method::POST, COLLECTION)
        .header("x-request-id", "from-the-caller")
        .body(web().to_string());
    let created = Answer::to(create).await.json();
    let id = id_of(&created).to_owned();
    let before = admin.stored(&id).await;
    let token = server.token("acme", "carol", "oauth-clients:write");
    let carol = server.caller(Some(token));
    let operations = json!([
        {"op": "add", "path": "/clientName", "value": "renamed"},
        {"op": "add", "path": "/description", "value": ""},
        {"op": "add", "path": "/redirectUris/-", "value": "https://a.example/back"},
        {"op": "add", "path": "/publishedAt", "value": "2026-01-02T03:04:05.6Z"},
    ]);
    carol.patch(Transport::Grpc, &id, operations).await.unwrap();
    let published = admin.stored(&id).await;
    let made = admin.create_secret(Transport::Rest, &id).await.unwrap();
    let with_secret = admin.stored(&id).await;
    admin.delete(Transport::Rest, &id, &id).await.unwrap();
    for transport in Transport::BOTH {
        let page = admin.list_changes(transport, json!({})).await.unwrap();
        assert_eq!(
            names(&page),
            [4, 3, 2, 1].map(|revision| (id.as_str(), revision)),
            "{page}"
        );
        let [deleted, secret, patched, first] = [0, 1, 2, 3].map(|index| page["data"][index].clone());
        assert_eq!(
            first,
            json!({
                "revision": "1", "clientId": id, "type": "created", "time": before["createdAt"], "actor": "admin",
                "correlationId": "from-the-caller", "updates": [],
            })
        );
        assert_eq!(
            without(&patched, &["correlationId"]),
            json!({
                "revision": "2", "clientId": id, "type": "published", "time": published["updatedAt"],
                "actor": "carol",
                "updates": [
                    {"path": "/clientName", "oldValue": "a web client", "newValue": "renamed"},
                    {"path": "/description", "newValue": ""},
                    {"path": "/publishedAt", "newValue": "2026-01-02T03:04:05.600Z"},
                    {"path": "/redirectUris", "oldValue": [], "newValue": ["https://a.example/back"]},
                ],
            })
        );
        assert_eq!(secret["type"], "secret.created");
        assert_eq!(secret["time"], with_secret["updatedAt"]);
        let info = without(&made, &["clientId", "clientSecret"]);
        let path = format!("/clientSecrets/{}", made["hint"].as_str().unwrap());
        assert_eq!(secret["updates"], json!([{"path": path, "newValue": info}]));
        assert_eq!(
            (&deleted["type"], &deleted["updates"]),
            (&json!("deleted"), &json!([]))
        );
        let text = page.to_string();
        for hidden in [&created["clientSecret"], &made["clientSecret"]] {
            assert!(!text.contains(hidden.as_str().unwrap()), "{text}");
        }
    }
}

async fn a_list_matches_its_golden_file(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    let rename = json!([{"op": "add", "path": "/clientName", "value": "x"}]);
    admin.patch(Transport::Rest, &id, rename).await.unwrap();
    let first = admin.http_get(&format!("{CHANGES}?limit=1")).await.json();
    let next = first["links"]["next"]["cursor"].as_str().unwrap();
    let request = |query: &str| admin.request(Method::GET, &format!("{CHANGES}?{query}"));
    assert_golden(
        "operation_list_changes",
        &[
            exchange(request("limit=1&totalResults=true")).await,
            exchange(request(&format!("limit=1&next={next}"))).await,
        ],
    );
}

async fn the_newest_twenty_records_come_first(server: TestServer) {
    let admin = server.admin();
    let mut all = Vec::new();
    for _ in 0..21 {
        all.insert(0, (admin.created(spa()).await, 1));
    }
    let all: Vec<(&str, i64)> = all
        .iter()
        .map(|(id, revision)| (id.as_str(), *revision))
        .collect();
    for transport in Transport::BOTH {
        let page = admin.list_changes(transport, json!({})).await.unwrap();
        assert_eq!(names(&page), all[..20]);
        assert_eq!(page.get("totalResults"), None);
        let request = json!({"limit": 100, "totalResults": true});
        let page = admin.list_changes(transport, request).await.unwrap();
        assert_eq!((names(&page), &page["totalResults"]), (all.clone(), &json!(21)));
        assert_eq!(link_names(&page), ["self"]);
    }
}

async fn records_of_one_time_are_ordered_by_client_and_revision(server: TestServer) {
    let ids = [client_id(1), client_id(2)];
    let mut rows = Vec::new();
    for (client, revision, time) in [(0, 9, 5), (1, 2, 5), (1, 10, 5), (0, 1, 6), (1, 1, 4)] {
        rows.push(Row {
            tenant: "acme",
            client_id: ids[client].clone(),
            revision,
            kind: "updated".to_owned(),
            time,
            actor: "alice".to_owned(),
        });
    }
    insert(&server.db, &rows).await;
    let [a, b] = ids.each_ref().map(String::as_str);
    let expected = [(a, 1), (b, 10), (b, 2), (a, 9), (b, 1)];
    for transport in Transport::BOTH {
        let page = server.admin().list_changes(transport, json!({})).await;
        assert_eq!(names(&page.unwrap()), expected);
    }
}

/// A record has 600,000 bytes of text and a few more, so that three fit.
async fn a_page_ends_at_2_mib(server: TestServer) {
    let rows: Vec<Row> = (1..=7)
        .map(|revision| Row {
            tenant: "acme",
            client_id: client_id(1),
            revision,
            kind: "updated".to_owned(),
            time: revision,
            actor: "alice".to_owned(),
        })
        .collect();
    insert(&server.db, &rows).await;
    let text = "x".repeat(300_000);
    let updates = json!([{"path": "/redirectUris", "oldValue": [text], "newValue": [text]}]);
    server
        .db
        .execute(&format!("UPDATE oauth_client_changes SET updates = '{updates}'"))
        .await;
    let admin = server.admin();
    for transport in Transport::BOTH {
        let revisions =
            |page: &Value| -> Vec<i64> { names(page).into_iter().map(|(_, revision)| revision).collect() };
        let list = async |link: &str, page: &Value| {
            let request = json!({"limit": 100, link: page["links"][link]["cursor"]});
            admin.list_changes(transport, request).await.unwrap()
        };
        let mut page = admin
            .list_changes(transport, json!({"limit": 100}))
            .await
            .unwrap();
        assert_eq!(
            (revisions(&page), link_names(&page)),
            (vec![7, 6, 5], vec!["next", "self"])
        );
        for (link, expected, links) in [
            ("next", vec![4, 3, 2], vec!["next", "prev", "self"]),
            ("next", vec![1], vec!["prev", "self"]),
            ("prev", vec![4, 3, 2], vec!["next", "prev", "self"]),
            ("prev", vec![7, 6, 5], vec!["next", "self"]),
        ] {
            page = list(link, &page).await;
            assert_eq!((revisions(&page), link_names(&page)), (expected, links));
        }
    }
}

async fn links_carry_the_whole_query(server: TestServer) {
    let admin = server.admin();
    for _ in 0..3 {
        admin.created(spa()).await;
    }
    let filter = r#"actor eq "admin" and time gt "2020-01-02T03:04:05+05:30""#;
    for transport in Transport::BOTH {
        let request = json!({"filter": filter, "limit": 1, "totalResults": true});
        let first = admin.list_changes(transport, request).await.unwrap();
        let next = &first["links"]["next"];
        let href = next["href"].as_str().unwrap();
        let cursor = next["cursor"].as_str().unwrap();
        let query = "filter=actor%20eq%20%22admin%22%20and%20time%20gt%20%222020-01-02T03%3A04%3A05%2B05%3A30%22\
                     &limit=1&totalResults=true";
        assert_eq!(
            href,
            format!("http://{}{CHANGES}?{query}&next={cursor}", server.rest_addr)
        );
        let (_, path) = href.split_at(href.find("/api/").unwrap());
        let second = admin.http_get(path).await.json();
        assert_eq!(
            (second["links"]["self"]["href"].as_str(), &second["totalResults"]),
            (Some(href), &json!(3))
        );
        assert_eq!(link_names(&second), ["next", "prev", "self"]);
        assert_eq!(names(&second).len(), 1);
        assert_ne!(names(&second), names(&first));
    }
}

async fn the_other_path_is_the_same(server: TestServer) {
    let admin = server.admin();
    admin.created(spa()).await;
    let core = admin.http_get(CHANGES).await;
    let v1 = admin.http_get("/api/v1/oauth-client-changes").await;
    assert_eq!((core.status, v1.status), (200, 200));
    assert_eq!(core.json(), v1.json());
}

async fn records_outlive_their_client(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    admin.delete(Transport::Grpc, &id, &id).await.unwrap();
    let request = json!({"filter": format!("clientId eq \"{id}\"")});
    for transport in Transport::BOTH {
        let page = admin.list_changes(transport, request.clone()).await.unwrap();
        assert_eq!(names(&page), [(id.as_str(), 2), (id.as_str(), 1)]);
    }
}

/// Older servers record no request and no updates, and newer ones have types that this one does not know.
async fn records_of_other_versions_are_listed(server: TestServer) {
    let row = Row {
        tenant: "acme",
        client_id: client_id(1),
        revision: 1,
        kind: "connection-config.approved".to_owned(),
        time: 1,
        actor: "alice".to_owned(),
    };
    insert(&server.db, &[row]).await;
    for transport in Transport::BOTH {
        let request = json!({"filter": r#"type sw "connection-config.""#});
        let page = server.admin().list_changes(transport, request).await.unwrap();
        assert_eq!(
            page["data"],
            json!([{
                "revision": "1", "clientId": client_id(1), "type": "connection-config.approved",
                "time": "1970-01-01T00:00:00.000001Z", "actor": "alice", "correlationId": "", "updates": [],
            }])
        );
    }
}
