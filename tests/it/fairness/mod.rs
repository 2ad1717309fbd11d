//! Fairness: the lists of one tenant, the changes of one client, requests that were given up, and a busy server itself leave
//! the others what they need.

mod changes;
mod figures;
mod given_up;
mod lists;
mod readiness;

use std::num::NonZeroU32;

use oauth_clients::config::ServerConfig;
use serde_json::{Value, json};

use crate::support::{Db, TestServer, authn::id_of, samples::web};

/// The tenant with many clients.
const GREEDY: &str = "greedy";
/// So many clients that the worst filter takes longer than a query may.
const MANY: u32 = 60_000;

/// Returns a server without memory, so that each read needs a connection, on a database where one tenant has many clients.
async fn server_with_many_clients(db: Db, connections: Option<u32>) -> TestServer {
    let server = TestServer::start_with(db, |config| without_memory(config, connections)).await;
    let name = "n".repeat(200);
    let first = server
        .admin_of(GREEDY)
        .created(json!({"appType": "spa", "clientName": name}))
        .await;
    multiply(&server.db, &first, MANY).await;
    server
}

fn without_memory(config: &mut ServerConfig, connections: Option<u32>) {
    config.cache_size = bytesize::ByteSize::b(0);
    config.database_connections = connections.and_then(NonZeroU32::new);
}

/// Adds copies of a client.
async fn multiply(db: &Db, id: &str, copies: u32) {
    let (new_id, analyze) = if db.is_sqlite() {
        ("printf('%032x', number)", "SELECT 1")
    } else {
        ("lpad(to_hex(number), 32, '0')", "ANALYZE oauth_clients")
    };
    let columns = "version, app_type, client_name, client_name_folded, redirect_uris, allowed_origins, \
                   allowed_scopes, allowed_grant_types, allowed_auth_methods, public_keys, created_at, updated_at";
    let sql = format!(
        "WITH RECURSIVE numbers (number) AS (\
         SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {copies}) \
         INSERT INTO oauth_clients (tenant_id, client_id, {columns}) \
         SELECT tenant_id, {new_id}, {columns} FROM oauth_clients, numbers WHERE client_id = '{id}'"
    );
    db.execute(&sql).await;
    db.execute(analyze).await;
}

/// Returns a request for a list with as many comparisons as a filter may have, of which none is true.
fn worst_list() -> Value {
    let comparisons: Vec<String> = (0..256)
        .map(|number| format!("clientName co \"z{number}\""))
        .collect();
    json!({"filter": comparisons.join(" or "), "totalResults": true})
}

/// A client of another tenant, and its secret.
struct Neighbour {
    id: String,
    secret: String,
}

impl Neighbour {
    async fn of(server: &TestServer) -> Self {
        let client = server
            .admin_of("neighbour")
            .create(crate::support::Transport::Grpc, web())
            .await;
        Self {
            id: id_of(&client).to_owned(),
            secret: client["clientSecret"].as_str().unwrap().to_owned(),
        }
    }
}
