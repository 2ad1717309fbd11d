//! `ListOAuthClients`: filter, sort and total on each transport.

use serde_json::{Value, json};

use crate::{
    list::ids,
    support::{
        Caller, TestServer, Transport,
        samples::{spa, with},
    },
};

on_each_database![
    a_filter_selects_on_both_transports,
    a_sort_orders_on_both_transports,
    the_total_is_returned_only_if_requested,
    an_invalid_filter_is_refused_with_the_position,
    the_filter_stays_in_the_links,
    a_cursor_of_another_filter_is_refused,
];

/// Creates clients with these names, in this order.
async fn create_named(caller: &Caller<'_>, names: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for name in names {
        all.push(caller.created(with(spa(), json!({"clientName": name}))).await);
    }
    all
}

fn names(page: &Value) -> Vec<&str> {
    let clients = page["data"].as_array().unwrap();
    clients
        .iter()
        .map(|client| client["clientName"].as_str().unwrap())
        .collect()
}

async fn a_filter_selects_on_both_transports(server: TestServer) {
    let admin = server.admin();
    let all = create_named(&admin, &["O'Malley", "100%", "100x", "say \"hi\""]).await;
    for transport in Transport::BOTH {
        for (filter, found) in [
            (r#"clientName eq "o'malley""#.to_owned(), vec!["O'Malley"]),
            (r#"clientName co "0%""#.to_owned(), vec!["100%"]),
            (
                r#"clientName sw "100" and not (clientName ew "%")"#.to_owned(),
                vec!["100x"],
            ),
            (
                r#"clientName co "\"HI\"" or clientName eq "100%""#.to_owned(),
                vec!["say \"hi\"", "100%"],
            ),
            (format!("clientId eq \"{}\"", all[0]), vec!["O'Malley"]),
            (format!("clientId eq \"{}\"", all[0].to_uppercase()), vec![]),
            (r#"appType eq "web""#.to_owned(), vec![]),
            (
                r#"APPTYPE EQ "SPA" and clientName pr"#.to_owned(),
                vec!["say \"hi\"", "100x", "100%", "O'Malley"],
            ),
        ] {
            let page = admin.list(transport, json!({"filter": filter})).await.unwrap();
            assert_eq!(names(&page), found, "{filter}");
        }
    }
}

async fn a_sort_orders_on_both_transports(server: TestServer) {
    let admin = server.admin();
    let all = create_named(&admin, &["b", "C", "a"]).await;
    let rename = json!([{"op": "add", "path": "/description", "value": "changed"}]);
    admin.patch(Transport::Rest, &all[0], rename).await.unwrap();
    for transport in Transport::BOTH {
        for (sort, order) in [
            ("clientName", ["a", "b", "C"]),
            ("+clientName", ["a", "b", "C"]),
            (" clientName", ["a", "b", "C"]),
            ("-clientName", ["C", "b", "a"]),
            ("+createdAt", ["b", "C", "a"]),
            ("-updatedAt", ["b", "a", "C"]),
        ] {
            let page = admin.list(transport, json!({"sort": sort})).await.unwrap();
            assert_eq!(names(&page), order, "{sort}");
        }
        let page = admin.list(transport, json!({"sort": "-clientId"})).await.unwrap();
        let mut sorted = all.clone();
        sorted.sort_by(|a, b| b.cmp(a));
        assert_eq!(ids(&page), sorted);
    }
}

async fn the_total_is_returned_only_if_requested(server: TestServer) {
    let admin = server.admin();
    create_named(&admin, &["a", "b", "c"]).await;
    for transport in Transport::BOTH {
        for (request, total) in [
            (json!({}), None),
            (json!({"totalResults": false}), None),
            (json!({"totalResults": true, "limit": 1}), Some(3)),
            (
                json!({"totalResults": true, "filter": "clientName gt \"a\""}),
                Some(2),
            ),
            (
                json!({"totalResults": true, "filter": "appType eq \"mobile\""}),
                Some(0),
            ),
        ] {
            let page = admin.list(transport, request.clone()).await.unwrap();
            assert_eq!(
                page.get("totalResults").and_then(Value::as_i64),
                total,
                "{request}"
            );
        }
    }
}

async fn an_invalid_filter_is_refused_with_the_position(server: TestServer) {
    for transport in Transport::BOTH {
        for (filter, position) in [
            ("", 0),
            ("   ", 3),
            ("clientName eq 1", 14),
            ("clientName eq \"\\ud800\"", 15),
            ("description pr", 0),
            (&"(".repeat(8_000), 128),
        ] {
            let request = json!({"filter": filter});
            let refused = server.admin().list(transport, request).await.unwrap_err();
            assert_eq!(refused.codes(), ["INVALID_FILTER"], "{filter}");
            let (_, detail) = &refused.errors[0];
            assert!(detail.contains(&format!("at byte {position}:")), "{detail}");
        }
    }
}

async fn the_filter_stays_in_the_links(server: TestServer) {
    let admin = server.admin();
    create_named(&admin, &["a & b", "a & c", "b"]).await;
    let request =
        json!({"filter": "clientName sw \"a &\"", "sort": "+clientName", "limit": 1, "totalResults": true});
    let page = admin.list(Transport::Rest, request).await.unwrap();
    let href = page["links"]["next"]["href"].as_str().unwrap();
    let (_, path) = href.split_at(href.find("/api/").unwrap());
    let next = admin.http_get(path).await.json();
    assert_eq!((names(&next), &next["totalResults"]), (vec!["a & c"], &json!(2)));
    assert_eq!(next["links"]["self"]["href"], href);
    assert_eq!(next["links"].get("next"), None);
}

async fn a_cursor_of_another_filter_is_refused(server: TestServer) {
    let admin = server.admin();
    create_named(&admin, &["a", "b"]).await;
    for transport in Transport::BOTH {
        let first = json!({"filter": "clientName pr", "limit": 1});
        let page = admin.list(transport, first).await.unwrap();
        let next = &page["links"]["next"]["cursor"];
        let same = json!({"filter": " (CLIENTNAME  pr) ", "next": next});
        assert!(admin.list(transport, same).await.is_ok());
        for other in [
            json!({"next": next}),
            json!({"filter": "clientId pr", "next": next}),
        ] {
            let refused = admin.list(transport, other).await.unwrap_err();
            assert_eq!(refused.codes(), ["INVALID_CURSOR"]);
        }
    }
}
