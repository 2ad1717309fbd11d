//! `ListOAuthClients`: pages and their links.

use serde_json::{Value, json};

use super::{create_many, ids, link_names};
use crate::support::{
    Db, TestServer, Transport,
    samples::{spa, with},
};

on_each_database![
    the_newest_twenty_clients_come_first,
    a_page_holds_one_to_a_hundred,
    a_page_ends_at_2_mib,
    links_exist_only_if_a_page_follows_or_precedes,
    an_empty_list_links_only_to_itself,
    an_empty_page_links_to_its_neighbours,
    links_carry_the_whole_query,
    links_begin_with_the_public_url_and_ignore_the_host_header,
];

async fn the_newest_twenty_clients_come_first(server: TestServer) {
    let all = create_many(&server.admin(), 21).await;
    for transport in Transport::BOTH {
        for request in [json!({}), json!({"sort": "-createdAt"}), json!({"limit": 20})] {
            let page = server.admin().list(transport, request).await.unwrap();
            assert_eq!(ids(&page), all[..20]);
        }
    }
}

async fn a_page_holds_one_to_a_hundred(server: TestServer) {
    let all = create_many(&server.admin(), 3).await;
    for transport in Transport::BOTH {
        for (limit, count) in [(1, 1), (2, 2), (3, 3), (100, 3)] {
            let page = server
                .admin()
                .list(transport, json!({"limit": limit}))
                .await
                .unwrap();
            assert_eq!(ids(&page), all[..count]);
        }
        for limit in [0, -1, 101, i32::MIN, i32::MAX] {
            let refused = server
                .admin()
                .list(transport, json!({"limit": limit}))
                .await
                .unwrap_err();
            assert_eq!(refused.fields(), [("INVALID_LIMIT", "limit")], "{limit}");
        }
    }
}

/// A client takes 100 * (2,048 + 3) bytes for its redirect URIs and less than 1,000 for the rest, so that ten fit.
async fn a_page_ends_at_2_mib(server: TestServer) {
    let admin = server.admin();
    let uris: Vec<String> = (100..200)
        .map(|number| format!("https://a.example/{number}{}", "x".repeat(2_048 - 21)))
        .collect();
    let mut all = Vec::new();
    for _ in 0..21 {
        let client = with(spa(), json!({"redirectUris": uris}));
        all.insert(0, admin.created(client).await);
    }
    let [first, second, third] = [&all[..10], &all[10..20], &all[20..]];
    for transport in Transport::BOTH {
        let list = async |link: &str, page: &Value| {
            let request = json!({"limit": 100, link: page["links"][link]["cursor"]});
            admin.list(transport, request).await.unwrap()
        };
        let mut page = admin.list(transport, json!({"limit": 100})).await.unwrap();
        assert_eq!(
            (link_names(&page).as_slice(), ids(&page)),
            (["next", "self"].as_slice(), strs(first))
        );
        for (link, links, clients) in [
            ("next", ["next", "prev", "self"].as_slice(), second),
            ("next", &["prev", "self"], third),
            ("prev", &["next", "prev", "self"], second),
            ("prev", &["next", "self"], first),
        ] {
            page = list(link, &page).await;
            assert_eq!((link_names(&page).as_slice(), ids(&page)), (links, strs(clients)));
        }
    }
}

fn strs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

async fn links_exist_only_if_a_page_follows_or_precedes(server: TestServer) {
    let all = create_many(&server.admin(), 3).await;
    for transport in Transport::BOTH {
        let list = |request| async { server.admin().list(transport, request).await.unwrap() };
        let whole = list(json!({"limit": 3})).await;
        assert_eq!(link_names(&whole), ["self"]);
        let first = list(json!({"limit": 2})).await;
        assert_eq!((link_names(&first), ids(&first).len()), (vec!["next", "self"], 2));
        assert_eq!(first["links"]["self"].get("cursor"), None);
        let next = &first["links"]["next"]["cursor"];
        let second = list(json!({"limit": 2, "next": next})).await;
        assert_eq!(
            (link_names(&second), ids(&second)),
            (vec!["prev", "self"], vec![all[2].as_str()])
        );
        assert_eq!(&second["links"]["self"]["cursor"], next);
        let middle = list(json!({"limit": 1, "prev": second["links"]["prev"]["cursor"]})).await;
        assert_eq!(
            (link_names(&middle), ids(&middle)),
            (vec!["next", "prev", "self"], vec![all[1].as_str()])
        );
    }
}

async fn an_empty_list_links_only_to_itself(server: TestServer) {
    for transport in Transport::BOTH {
        let page = server.admin().list(transport, json!({})).await.unwrap();
        let href = format!("http://{}/api/core/oauth-clients", server.rest_addr);
        assert_eq!(page, json!({"data": [], "links": {"self": {"href": href}}}));
    }
}

async fn an_empty_page_links_to_its_neighbours(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let all = create_many(&admin, 2).await;
        let first = admin.list(transport, json!({"limit": 1})).await.unwrap();
        let next = first["links"]["next"]["cursor"].clone();
        let second = admin
            .list(transport, json!({"limit": 1, "next": next}))
            .await
            .unwrap();
        let prev = second["links"]["prev"]["cursor"].clone();

        admin.delete(transport, &all[1], &all[1]).await.unwrap();
        let behind = admin
            .list(transport, json!({"limit": 1, "next": next}))
            .await
            .unwrap();
        assert_eq!(
            (ids(&behind), link_names(&behind)),
            (vec![], vec!["prev", "self"])
        );
        let back = json!({"limit": 1, "prev": behind["links"]["prev"]["cursor"]});
        assert_eq!(ids(&admin.list(transport, back).await.unwrap()), [&all[0]]);

        admin.delete(transport, &all[0], &all[0]).await.unwrap();
        let nothing = admin
            .list(transport, json!({"limit": 1, "prev": prev}))
            .await
            .unwrap();
        assert_eq!((ids(&nothing), link_names(&nothing)), (vec![], vec!["self"]));
    }
}

async fn links_carry_the_whole_query(server: TestServer) {
    create_many(&server.admin(), 3).await;
    let path = "/api/core/oauth-clients?limit=1&sort=%2BcreatedAt";
    let first = server.admin().http_get(path).await.json();
    let collection = format!("http://{}/api/core/oauth-clients", server.rest_addr);
    let query = "?limit=1&sort=%2BcreatedAt";
    assert_eq!(first["links"]["self"]["href"], format!("{collection}{query}"));
    let next = &first["links"]["next"];
    let expected = format!("{collection}{query}&next={}", next["cursor"].as_str().unwrap());
    assert_eq!(next["href"], expected);
    let second = reqwest_json(&server, next["href"].as_str().unwrap()).await;
    let prev = &second["links"]["prev"];
    let expected = format!("{collection}{query}&prev={}", prev["cursor"].as_str().unwrap());
    assert_eq!(prev["href"], expected);
    assert_eq!(second["links"]["self"]["href"], next["href"]);
    assert_eq!(
        reqwest_json(&server, prev["href"].as_str().unwrap()).await["data"],
        first["data"]
    );
}

async fn reqwest_json(server: &TestServer, href: &str) -> Value {
    let token = server.admin().token.unwrap();
    let answer = server
        .transports
        .http
        .get(href)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    answer.json().await.unwrap()
}

async fn links_begin_with_the_public_url_and_ignore_the_host_header(db: Db) {
    let server = TestServer::start_with(db, |config| {
        config.public_url = Some("https://api.example.com/registry/".parse().unwrap());
    })
    .await;
    create_many(&server.admin(), 2).await;
    let request = server
        .admin()
        .request(reqwest::Method::GET, "/api/v1/oauth-clients?limit=1");
    let request = request
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example");
    let answer = crate::support::Answer::to(request).await;
    assert!(!answer.text.contains("evil"), "{}", answer.text);
    for link in ["self", "next"] {
        let page = answer.json();
        let href = page["links"][link]["href"].as_str().unwrap();
        let collection = "https://api.example.com/registry/api/core/oauth-clients?limit=1";
        assert!(href.starts_with(collection), "{href}");
    }
}
