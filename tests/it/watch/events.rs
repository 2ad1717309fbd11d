//! What a stream says of the changes of clients.

use serde_json::json;

use crate::support::{
    TestServer, Transport,
    authn::id_of,
    samples::{spa, web},
    watching::token_of,
};

on_each_database![
    a_stream_has_each_change_and_the_client_after_it,
    a_deleted_client_says_when_it_was_deleted,
    a_stream_begins_with_the_clients_on_request,
    an_initial_stream_that_is_cut_off_continues_where_it_was,
    a_stream_of_some_clients_has_no_others,
    a_tenant_sees_its_own_clients_and_every_tenant_sees_all,
    a_quiet_stream_says_so,
];

async fn a_stream_has_each_change_and_the_client_after_it(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let (mut watched, _) = admin.watch_now(transport).await;
        let client = admin.create(transport, web()).await;
        let id = id_of(&client);
        let created = watched.event().await;
        assert_eq!(created["tenantId"], "acme");
        let change = &created["change"]["change"];
        assert_eq!(change["revision"], "1");
        assert_eq!(change["clientId"], id);
        assert_eq!(change["type"], "created");
        assert_eq!(change["time"], client["updatedAt"]);
        assert_eq!(change["actor"], "admin");
        assert_eq!(change["updates"], json!([]));
        assert!(change["correlationId"].as_str().is_some_and(|id| !id.is_empty()));
        assert_eq!(created["change"]["client"], admin.stored(id).await);
        assert!(created["change"]["client"]["clientSecret"].is_null());

        let rename = json!([{"op": "replace", "path": "/clientName", "value": "new"}]);
        admin.patch(transport, id, rename).await.unwrap();
        let updated = watched.event().await;
        let change = &updated["change"]["change"];
        assert_eq!(change["revision"], "2");
        assert_eq!(change["type"], "updated");
        let update = json!([{"path": "/clientName", "oldValue": client["clientName"], "newValue": "new"}]);
        assert_eq!(change["updates"], update);
        assert_eq!(updated["change"]["client"], admin.stored(id).await);

        // Nothing changes.
        admin.enable(id).await.unwrap();
        admin.create_secret(transport, id).await.unwrap();
        let secret = watched.event().await;
        let change = &secret["change"]["change"];
        assert_eq!(change["revision"], "3");
        assert_eq!(change["type"], "secret.created");
        assert!(change["updates"][0]["oldValue"].is_null());
        assert!(change["updates"][0]["newValue"]["hint"].is_string());
        assert_eq!(secret["change"]["client"], admin.stored(id).await);
    }
}

async fn a_deleted_client_says_when_it_was_deleted(server: TestServer) {
    let admin = server.admin();
    let id = admin.created(spa()).await;
    for transport in Transport::BOTH {
        let id = admin.created(spa()).await;
        let (mut watched, token) = admin.watch_now(transport).await;
        admin.delete(transport, &id, &id).await.unwrap();
        let deleted = watched.event().await;
        assert_eq!(deleted["change"]["change"]["type"], "deleted");
        let client = &deleted["change"]["client"];
        assert_eq!(client["deletedAt"], deleted["change"]["change"]["time"]);
        assert_eq!(client["clientSecrets"], json!([]));

        // As a purge does.
        let purge = format!("DELETE FROM oauth_clients WHERE client_id = '{id}'");
        server.db.execute(&purge).await;
        let again = admin.watch(transport, json!({"resumeToken": token})).await;
        let purged = again.unwrap().event().await;
        assert_eq!(purged["change"]["change"], deleted["change"]["change"]);
        assert!(purged["change"]["client"].is_null(), "{purged}");
    }
    assert_eq!(admin.stored(&id).await["clientId"], *id);
}

async fn a_stream_begins_with_the_clients_on_request(server: TestServer) {
    let admin = server.admin();
    for transport in Transport::BOTH {
        let deleted = admin.created(spa()).await;
        admin.delete(transport, &deleted, &deleted).await.unwrap();
        let mut ids = Vec::new();
        // More than are read at once.
        for _ in 0..40 {
            ids.push(admin.created(spa()).await);
        }
        let mut watched = admin
            .watch(transport, json!({"sendInitial": true}))
            .await
            .unwrap();
        let mut found = Vec::new();
        loop {
            let message = watched.message().await;
            if message["initialEnd"].is_object() {
                assert!(message["tenantId"].is_null());
                break;
            }
            assert_eq!(message["tenantId"], "acme");
            let client = &message["initial"];
            assert_eq!(*client, admin.stored(id_of(client)).await);
            found.push(id_of(client).to_owned());
        }
        assert!(ids.iter().all(|id| found.contains(id)));
        assert!(!found.contains(&deleted));
        assert!(found.is_sorted_by(|a, b| a < b), "each once");
        admin.disable(&ids[3], "misused").await.unwrap();
        let change = watched.event().await;
        assert_eq!(change["change"]["change"]["clientId"], ids[3]);
        assert_eq!(change["change"]["change"]["type"], "disabled");
    }
}

async fn an_initial_stream_that_is_cut_off_continues_where_it_was(server: TestServer) {
    let admin = server.admin();
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(admin.created(spa()).await);
    }
    ids.sort();
    for transport in Transport::BOTH {
        let initial = json!({"sendInitial": true});
        let mut watched = admin.watch(transport, initial).await.unwrap();
        let mut last = watched.message().await;
        for id in &ids[1..3] {
            last = watched.message().await;
            assert_eq!(last["initial"]["clientId"], *id);
        }
        drop(watched);
        // Both are changes after the clients as they are, whether these show them or not.
        admin.disable(&ids[0], "misused").await.unwrap();
        admin.disable(&ids[5], "misused").await.unwrap();
        let resume = json!({"resumeToken": token_of(&last)});
        let mut watched = admin.watch(transport, resume).await.unwrap();
        for id in &ids[3..] {
            assert_eq!(watched.message().await["initial"]["clientId"], *id);
        }
        assert!(watched.message().await["initialEnd"].is_object());
        for id in [&ids[0], &ids[5]] {
            let change = watched.event().await;
            assert_eq!(change["change"]["change"]["clientId"], *id);
            admin.enable(id).await.unwrap();
        }
    }
}

async fn a_stream_of_some_clients_has_no_others(server: TestServer) {
    let admin = server.admin();
    let [one, two, other] = [
        admin.created(spa()).await,
        admin.created(spa()).await,
        admin.created(spa()).await,
    ];
    for transport in Transport::BOTH {
        let ids = json!([one, two, one]);
        let request = json!({"sendInitial": true, "clientIds": ids});
        let mut watched = admin.watch(transport, request).await.unwrap();
        assert_eq!(watched.message().await["initial"]["clientId"], *one);
        let second = watched.message().await;
        assert_eq!(second["initial"]["clientId"], *two);
        assert!(watched.message().await["initialEnd"].is_object());
        for id in [&one, &other, &two] {
            admin.disable(id, "misused").await.unwrap();
        }
        let resume = json!({"clientIds": [two, one], "resumeToken": token_of(&second)});
        let mut resumed = admin.watch(transport, resume).await.unwrap();
        assert!(resumed.message().await["initialEnd"].is_object());
        for stream in [&mut watched, &mut resumed] {
            for id in [&one, &two] {
                assert_eq!(stream.event().await["change"]["change"]["clientId"], *id);
            }
        }
        for id in [&one, &other, &two] {
            admin.enable(id).await.unwrap();
        }
    }
}

async fn a_tenant_sees_its_own_clients_and_every_tenant_sees_all(server: TestServer) {
    let (admin, other, all) = (server.admin(), server.admin_of("other"), server.admin_of("*"));
    for transport in Transport::BOTH {
        let (mut own, token) = admin.watch_now(transport).await;
        let (mut everything, every_token) = all.watch_now(transport).await;
        let ids = [
            other.created(spa()).await,
            admin.created(spa()).await,
            other.created(spa()).await,
            admin.created(spa()).await,
        ];
        let resume = json!({"resumeToken": token});
        let mut own_again = admin.watch(transport, resume).await.unwrap();
        for stream in [&mut own, &mut own_again] {
            for id in [&ids[1], &ids[3]] {
                let created = stream.event().await;
                assert_eq!(created["change"]["change"]["clientId"], *id);
                assert_eq!(created["tenantId"], "acme");
            }
        }
        let resume = json!({"resumeToken": every_token});
        let mut everything_again = all.watch(transport, resume).await.unwrap();
        for stream in [&mut everything, &mut everything_again] {
            let mut found = Vec::new();
            for _ in &ids {
                let created = stream.event().await;
                found.push((
                    created["change"]["change"]["clientId"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                    created["tenantId"].as_str().unwrap().to_owned(),
                ));
            }
            for (id, tenant) in ids.iter().zip(["other", "acme", "other", "acme"]) {
                assert!(found.contains(&(id.clone(), tenant.to_owned())), "{found:?}");
            }
        }
        // Another tenant's ids, named or not.
        let request = json!({"sendInitial": true, "clientIds": [ids[0], ids[1]]});
        let mut stolen = admin.watch(transport, request).await.unwrap();
        assert_eq!(stolen.message().await["initial"]["clientId"], *ids[1]);
        assert!(stolen.message().await["initialEnd"].is_object());
    }
}

async fn a_quiet_stream_says_so(server: TestServer) {
    let admin = server.admin();
    let (mut rest, first) = admin.watch_now(Transport::Rest).await;
    let (mut grpc, _) = admin.watch_now(Transport::Grpc).await;
    let began = std::time::Instant::now();
    let (one, two) = tokio::join!(rest.message(), grpc.message());
    for message in [&one, &two] {
        assert!(message["bookmark"].is_object(), "{message}");
        assert_ne!(token_of(message), first, "a token does not become old");
    }
    let elapsed = began.elapsed().as_secs();
    assert!((5..=15).contains(&elapsed), "{elapsed} s");
    let resume = json!({"resumeToken": token_of(&one)});
    let mut resumed = admin.watch(Transport::Grpc, resume).await.unwrap();
    let id = admin.created(spa()).await;
    for stream in [&mut rest, &mut grpc, &mut resumed] {
        assert_eq!(stream.event().await["change"]["change"]["clientId"], *id);
    }
}
