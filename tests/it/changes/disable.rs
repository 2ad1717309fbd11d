//! `DisableOAuthClient` and `EnableOAuthClient`.

use futures_util::{future::join_all, join};
use serde_json::json;

use super::concurrency::micros;
use crate::support::{
    TestServer, Transport,
    authn::{id_of, secret_of},
    samples::{spa, web, without},
};

on_each_database![
    the_reason_follows_the_rules_of_a_name,
    an_unknown_client_is_not_found,
    administrators_see_a_disabled_client_with_the_reason,
    disabling_again_with_another_reason_changes_the_reason,
    enabling_restores_the_client,
    a_disabled_client_can_be_administered,
    disabling_takes_effect_before_the_response,
];

async fn the_reason_follows_the_rules_of_a_name(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let before = admin.stored(&id).await;
    for bad in [
        "",
        " ",
        "\u{3000}\u{a0}",
        "a\nb",
        "a\0",
        "\u{7f}",
        "\u{85}",
        "a\u{202e}b",
        "\u{2066}a",
        &"ü".repeat(257),
    ] {
        let refused = admin.disable(&id, bad).await.unwrap_err();
        let fields = refused.fields();
        assert!(
            !fields.is_empty() && fields.iter().all(|field| *field == ("INVALID_FIELD", "reason")),
            "{bad:?} {fields:?}"
        );
        assert_eq!(admin.stored(&id).await, before, "{bad:?}");
    }
    for good in ["a", " a ", "\u{1f512}", &"ü".repeat(256), "' OR 1=1 --", "null"] {
        let disabled = admin.disable(&id, good).await.unwrap();
        assert_eq!(disabled["disableTag"], good);
        assert_eq!(admin.stored(&id).await["disableTag"], good);
    }
}

async fn an_unknown_client_is_not_found(server: TestServer) {
    let admin = server.admin();
    let others = server.admin_of("other").created(web()).await;
    let deleted = admin.created(web()).await;
    admin.delete(Transport::Grpc, &deleted, &deleted).await.unwrap();
    for id in [&"0".repeat(32), "x", "", &others, &deleted] {
        for outcome in [admin.disable(id, "misused").await, admin.enable(id).await] {
            assert_eq!(outcome.unwrap_err().codes(), ["CLIENT_NOT_FOUND"], "{id:?}");
        }
    }
    let untouched = server.admin_of("other").stored(&others).await;
    assert!(untouched.get("disableTag").is_none());
}

async fn administrators_see_a_disabled_client_with_the_reason(server: TestServer) {
    let admin = server.admin();
    for client in [web(), spa()] {
        let id = admin.created(client).await;
        let before = admin.stored(&id).await;
        assert!(before.get("disableTag").is_none());
        let disabled = admin.disable(&id, "misused").await.unwrap();
        assert_eq!(disabled["disableTag"], "misused");
        assert!(micros(&disabled["updatedAt"]) > micros(&before["updatedAt"]));
        assert_eq!(
            without(&disabled, &["disableTag", "updatedAt", "etag"]),
            without(&before, &["updatedAt", "etag"]),
        );
        for transport in Transport::BOTH {
            let got = admin.get(transport, &id).await.unwrap();
            assert_eq!(got["disableTag"], "misused", "{transport:?}");
            let page = admin
                .list(transport, json!({"filter": format!("clientId eq \"{id}\"")}))
                .await
                .unwrap();
            assert_eq!(page["data"], json!([got]), "{transport:?}");
        }
    }
}

async fn disabling_again_with_another_reason_changes_the_reason(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(web()).await;
    let first = admin.disable(&id, "misused").await.unwrap();
    assert_eq!(admin.disable(&id, "misused").await.unwrap(), first);
    assert_eq!(admin.stored(&id).await, first);
    let second = admin.disable(&id, "Misused").await.unwrap();
    assert_eq!(second["disableTag"], "Misused");
    assert!(micros(&second["updatedAt"]) > micros(&first["updatedAt"]));
}

async fn enabling_restores_the_client(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    let created = admin.create(Transport::Rest, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    let before = admin.stored(id).await;
    assert_eq!(admin.enable(id).await.unwrap(), before, "nothing to enable");
    assert_eq!(admin.stored(id).await, before);
    let disabled = admin.disable(id, "misused").await.unwrap();
    let enabled = admin.enable(id).await.unwrap();
    assert!(enabled.get("disableTag").is_none());
    assert!(micros(&enabled["updatedAt"]) > micros(&disabled["updatedAt"]));
    assert_eq!(admin.stored(id).await, enabled);
    assert_eq!(enabled["clientSecrets"], before["clientSecrets"]);
    assert!(platform.takes_secret(id, &secret).await);
    assert_eq!(platform.lookup(id).await.unwrap()["client"], enabled);
}

async fn a_disabled_client_can_be_administered(server: TestServer) {
    let (admin, platform) = (server.admin(), server.platform());
    for transport in Transport::BOTH {
        let id = admin.created(web()).await;
        admin.disable(&id, "misused").await.unwrap();
        let rename = json!([{"op": "add", "path": "/clientName", "value": "renamed"}]);
        admin.patch(transport, &id, rename).await.unwrap();
        let made = admin.create_secret(transport, &id).await.unwrap();
        let stored = admin.stored(&id).await;
        assert_eq!(
            (&stored["clientName"], &stored["disableTag"]),
            (&json!("renamed"), &json!("misused"))
        );
        assert!(!platform.takes_secret(&id, &secret_of(&made)).await);
        admin.enable(&id).await.unwrap();
        assert!(platform.takes_secret(&id, &secret_of(&made)).await);
        admin.disable(&id, "misused").await.unwrap();
        let hint = made["hint"].as_str().unwrap();
        admin.delete_secret(transport, &id, hint).await.unwrap();
        admin.delete(transport, &id, &id).await.unwrap();
    }
}

async fn disabling_takes_effect_before_the_response(server: TestServer) {
    let rounds = if server.db.is_sqlite() { 20 } else { 100 };
    let replica = server.replica().await;
    let created = server.admin().create(Transport::Rest, web()).await;
    let (id, secret) = (id_of(&created), secret_of(&created));
    let there = replica.as_ref().unwrap_or(&server).platform();
    let (admin, here) = (server.admin(), server.platform());
    for round in 0..rounds {
        let before = join_all([here.takes_secret(id, &secret), there.takes_secret(id, &secret)]);
        assert_eq!(before.await, [true, true], "enabled in round {round}");
        let disabling = async {
            admin.disable(id, "misused").await.unwrap();
            join!(
                here.takes_secret(id, &secret),
                there.takes_secret(id, &secret),
                there.lookup(id)
            )
        };
        // These are in flight and may succeed or fail.
        let others = (0..4).map(|_| there.takes_secret(id, &secret));
        let ((taken, elsewhere, found), _) = join!(disabling, join_all(others));
        assert!(!taken && !elsewhere, "round {round}");
        assert_eq!(found.unwrap_err().codes(), ["CLIENT_NOT_FOUND"], "round {round}");
        admin.enable(id).await.unwrap();
    }
}
