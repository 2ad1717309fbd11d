//! A client of another tenant does not exist.

use oauth_clients::pb;
use serde_json::{Value, json};

use crate::support::{TestServer, Transport, samples::web};

on_each_database![
    no_method_reaches_a_client_of_another_tenant,
    a_list_has_only_clients_of_the_callers_tenant,
    tenants_are_compared_byte_for_byte,
    a_token_of_every_tenant_is_not_for_administration,
];

/// Returns a request for a client that the method must not find in another tenant. `None` if the method names no client.
/// A new RPC has no case, so the test fails until it gets one.
fn attack(rpc: &str, victim: &Value) -> Option<Value> {
    let id = &victim["clientId"];
    match rpc {
        // The last two respond with a rejection and with a stream, which have their own tests.
        "ListOAuthClients"
        | "ListOAuthClientChanges"
        | "CreateOAuthClient"
        | "AuthenticateClient"
        | "WatchOAuthClients" => None,
        "GetOAuthClient" | "CreateClientSecret" | "EnableOAuthClient" | "LookupClient" => {
            Some(json!({"clientId": id}))
        }
        "PatchOAuthClient" => {
            let operations = json!([{"op": "add", "path": "/clientName", "value": "stolen"}]);
            Some(json!({"clientId": id, "operations": operations}))
        }
        "DeleteOAuthClient" => Some(json!({"clientId": id, "confirmDelete": id})),
        "DeleteClientSecret" => Some(json!({"clientId": id, "hint": victim["clientSecrets"][0]["hint"]})),
        "DisableOAuthClient" => Some(json!({"clientId": id, "reason": "stolen"})),
        other => panic!("say how {other} could reach a client of another tenant"),
    }
}

fn rpcs() -> impl Iterator<Item = &'static str> {
    let methods = pb::protos().unwrap().methods();
    methods.iter().map(|method| method.descriptor.name())
}

async fn no_method_reaches_a_client_of_another_tenant(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let victim = admin.stored(&id).await;
    for rpc in rpcs() {
        let Some(request) = attack(rpc, &victim) else {
            continue;
        };
        for &transport in Transport::of(rpc) {
            let refused = server
                .admin_of("other")
                .call(transport, rpc, request.clone())
                .await;
            let refused = refused.expect_err(rpc);
            assert_eq!(
                refused.codes(),
                ["CLIENT_NOT_FOUND"],
                "{rpc} through {transport:?}"
            );
            assert_eq!(admin.stored(&id).await, victim, "{rpc} through {transport:?}");
        }
    }
}

async fn a_list_has_only_clients_of_the_callers_tenant(server: TestServer) {
    let mut own = Vec::new();
    for tenant in ["acme", "other", "acme"] {
        own.push(server.admin_of(tenant).created(web()).await);
    }
    for transport in Transport::BOTH {
        let page = server
            .admin_of("other")
            .list(transport, json!({"limit": 1}))
            .await
            .unwrap();
        assert_eq!(crate::list::ids(&page), [&own[1]]);
        assert_eq!(crate::list::link_names(&page), ["self"]);
    }
}

async fn tenants_are_compared_byte_for_byte(server: TestServer) {
    let id = server.admin_of("acme").created(web()).await;
    for tenant in [
        "Acme",
        "acme ",
        " acme",
        "acm",
        "acme%",
        "a_me",
        "' OR '1'='1",
        "acme\u{301}",
    ] {
        let refused = server
            .admin_of(tenant)
            .get(Transport::Rest, &id)
            .await
            .unwrap_err();
        assert_eq!(refused.codes(), ["CLIENT_NOT_FOUND"], "{tenant:?}");
        let page = server
            .admin_of(tenant)
            .list(Transport::Rest, json!({}))
            .await
            .unwrap();
        assert_eq!(page["data"], json!([]), "{tenant:?}");
    }
}

async fn a_token_of_every_tenant_is_not_for_administration(server: TestServer) {
    let id = server.admin().created(web()).await;
    let victim = server.admin().stored(&id).await;
    let administration = pb::protos()
        .unwrap()
        .methods()
        .iter()
        .filter(|method| !method.policy.every_tenant);
    for rpc in administration.map(|method| method.descriptor.name()) {
        let request = attack(rpc, &victim).unwrap_or(json!({}));
        for &transport in Transport::of(rpc) {
            let refused = server
                .admin_of("*")
                .call(transport, rpc, request.clone())
                .await
                .unwrap_err();
            assert_eq!(refused.codes(), ["SCOPE_MISSING"], "{rpc} through {transport:?}");
        }
    }
    assert_eq!(server.admin().stored(&id).await, victim);
}
