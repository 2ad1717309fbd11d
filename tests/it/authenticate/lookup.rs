//! `LookupClient`: a client by its id alone, for the authorization endpoint.

use oauth_clients::auth::dev_key::all_scopes;
use serde_json::{Value, json};

use crate::support::{
    Db, TestServer, Transport,
    authn::{id_of, secret_of},
    registry::{Registry, tenant},
    samples::{rsa_key, spa, web, with},
};

on_each_database![
    a_client_is_returned_whole_and_without_its_secrets,
    a_client_that_may_not_be_used_is_not_found,
    only_a_platform_service_sees_every_tenant,
    looking_up_changes_nothing,
    a_client_is_looked_up_along_a_unique_index,
];

fn full() -> Value {
    let everything = json!({
        "description": "d",
        "logoUri": "https://a.example/logo.png",
        "clientUri": "https://a.example/",
        "redirectUris": ["https://a.example/callback", "http://127.0.0.1/callback"],
        "allowedOrigins": ["https://a.example"],
        "allowedScopes": ["openid", "profile"],
        "allowedGrantTypes": ["client_credentials"],
        "allowedAuthMethods": ["client_secret", "private_key_jwt"],
        "publicKeys": [rsa_key("a")],
        "connectionConfig": {"consentMethod": "trusted"},
    });
    with(web(), everything)
}

async fn a_client_is_returned_whole_and_without_its_secrets(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    for client in [full(), spa(), with(spa(), json!({"appType": "native"}))] {
        let created = admin.call(Transport::Grpc, "CreateOAuthClient", client);
        let created = created.await.unwrap();
        let id = id_of(&created);
        let found = platform.lookup(id).await.unwrap();
        let expected = json!({"tenantId": "acme", "client": admin.stored(id).await});
        assert_eq!(found, expected);
        assert!(found["client"].get("clientSecret").is_none(), "{found}");
        assert!(!found.to_string().contains("ocs_"), "{found}");
    }
}

async fn assert_not_found(server: &TestServer, id: &str) {
    for caller in [server.platform(), server.admin()] {
        let refused = caller.lookup(id).await.expect_err(id);
        assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"], "{id:?}");
    }
}

async fn a_client_that_may_not_be_used_is_not_found(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let unknown = "0".repeat(32);
    for malformed in [
        &unknown,
        "",
        "x",
        &id.to_uppercase(),
        &id[1..],
        &format!("{id} "),
        &format!("{id}\0"),
        &format!("{id}0"),
        "' OR '1'='1",
    ] {
        if *malformed != *id {
            assert_not_found(&server, malformed).await;
        }
    }
    admin.disable(&id, "misused").await.unwrap();
    assert_not_found(&server, &id).await;
    admin.enable(&id).await.unwrap();
    server.platform().lookup(&id).await.expect("it is enabled again");
    admin.delete(Transport::Grpc, &id, &id).await.unwrap();
    assert_not_found(&server, &id).await;
}

async fn only_a_platform_service_sees_every_tenant(server: TestServer) {
    for tenant in ["acme", "other"] {
        let id = server.admin_of(tenant).created(web()).await;
        for caller in ["*", "acme", "other", "acm", "ACME", "acme*", "**"] {
            let token = server.token(caller, "somebody", all_scopes());
            let found = server.caller(Some(token)).lookup(&id).await;
            if caller == "*" || caller == tenant {
                assert_eq!(found.unwrap()["tenantId"], tenant, "{caller}");
            } else {
                assert_eq!(found.unwrap_err().codes(), ["CLIENT_NOT_FOUND"], "{caller}");
            }
        }
    }
}

async fn looking_up_changes_nothing(server: TestServer) {
    let admin = server.admin();
    let created = admin.create(Transport::Grpc, web()).await;
    let id = id_of(&created);
    let before = admin.stored(id).await;
    for _ in 0..3 {
        server.platform().lookup(id).await.unwrap();
        assert!(server.platform().takes_secret(id, &secret_of(&created)).await);
    }
    assert_eq!(admin.stored(id).await, before);
}

/// The query of `Store::find_client`, as SeaORM writes it.
const LOOKUP: &str = "SELECT * FROM oauth_clients c LEFT JOIN oauth_client_secrets s \
    ON c.tenant_id = s.tenant_id AND c.client_id = s.client_id \
    WHERE c.client_id = 'x' ORDER BY c.tenant_id, c.client_id, s.created_at";

async fn a_client_is_looked_up_along_a_unique_index(db: Db) {
    let registry = Registry::open(&db).await;
    let clients: Vec<(String, &str)> = (0..2_000).map(|index| (format!("name {index}"), "web")).collect();
    registry.fill(&registry.tenant, &clients).await;
    registry.fill(&tenant("other"), &clients[..100]).await;
    registry.store.analyze().await.unwrap();
    let plan = db.plan(LOOKUP).await;
    let unique = if db.is_sqlite() {
        "sqlite_autoindex_oauth_clients_1 (client_id=?)"
    } else {
        "oauth_clients_client_id_key"
    };
    assert!(plan.contains(unique), "{plan}");
    for waste in ["SCAN ", "Seq Scan on oauth_clients "] {
        assert!(!plan.contains(waste), "{plan}");
    }
}
