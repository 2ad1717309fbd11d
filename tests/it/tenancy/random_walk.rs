//! Several tenants do anything in any order: no response ever contains anything of another tenant.

use std::collections::{BTreeMap, BTreeSet};

use oauth_clients::auth::dev_key::all_scopes;
use proptest::{
    prelude::*,
    sample::Index,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::support::{
    Caller, Db, TestServer, Transport,
    authn::is_authenticated,
    eventually,
    issuer::{SigningKey, TestIssuer},
};

on_each_database![no_operation_reveals_or_changes_anything_of_another_tenant];

/// Names that a careless comparison would treat as equal.
const TENANTS: [&str; 4] = ["acme", "ACME", "acme ", "acm%"];
const STEPS: usize = 500;

/// An operation of one tenant on a client, a secret or a cursor of any tenant.
#[derive(Debug, Clone)]
struct Step {
    tenant: usize,
    transport: Transport,
    rpc: &'static str,
    client: Index,
    secret: Index,
    cursor: Option<Index>,
}

fn steps() -> impl Strategy<Value = Step> {
    let rpc = prop_oneof![
        3 => Just("CreateOAuthClient"),
        3 => Just("GetOAuthClient"),
        4 => Just("ListOAuthClients"),
        2 => Just("PatchOAuthClient"),
        1 => Just("DeleteOAuthClient"),
        2 => Just("CreateClientSecret"),
        1 => Just("DeleteClientSecret"),
        1 => Just("DisableOAuthClient"),
        1 => Just("EnableOAuthClient"),
        3 => Just("LookupClient"),
        4 => Just("AuthenticateClient"),
    ];
    let transport = prop::sample::select(&Transport::BOTH[..]);
    let picks = (any::<Index>(), any::<Index>(), any::<Option<Index>>());
    (0..TENANTS.len(), transport, rpc, picks).prop_map(
        |(tenant, transport, rpc, (client, secret, cursor))| {
            let transports = Transport::of(rpc);
            Step {
                tenant,
                transport: if transports.contains(&transport) {
                    transport
                } else {
                    transports[0]
                },
                rpc,
                client,
                secret,
                cursor,
            }
        },
    )
}

/// Everything that was ever made, by any tenant.
#[derive(Default)]
struct World {
    /// The owner of each client, and the hints of its secrets. Deleted ones have no owner.
    clients: BTreeMap<String, (Option<usize>, BTreeSet<String>)>,
    disabled: BTreeSet<String>,
    secrets: Vec<Secret>,
    cursors: Vec<String>,
    authenticated: usize,
}

/// A secret, which may be deleted.
struct Secret {
    client: String,
    hint: String,
    text: String,
}

impl World {
    fn owned(&self, tenant: usize) -> BTreeSet<&String> {
        let owned = self
            .clients
            .iter()
            .filter(|(_, (owner, _))| *owner == Some(tenant));
        owned.map(|(id, _)| id).collect()
    }

    fn request(&self, step: &Step) -> Value {
        let ids: Vec<&String> = self.clients.keys().collect();
        let id = pick(&ids, step.client);
        let mark = mark(step.tenant);
        match step.rpc {
            "CreateOAuthClient" => json!({
                "appType": "web", "clientName": mark, "description": mark,
                "redirectUris": [format!("https://{mark}.example/")], "allowedScopes": [mark],
            }),
            "ListOAuthClients" => match step.cursor.filter(|_| !self.cursors.is_empty()) {
                Some(cursor) => json!({"limit": 3, "next": self.cursors[cursor.index(self.cursors.len())]}),
                None => json!({"limit": 3, "totalResults": true}),
            },
            "PatchOAuthClient" => {
                let operations = json!([{"op": "add", "path": "/clientName", "value": format!("{mark} {}", step.secret.index(9))}]);
                json!({"clientId": id, "operations": operations})
            }
            "DeleteOAuthClient" => json!({"clientId": id, "confirmDelete": id}),
            "DeleteClientSecret" => {
                let hints: Vec<&String> = self.clients.values().flat_map(|(_, hints)| hints).collect();
                json!({"clientId": id, "hint": pick(&hints, step.secret)})
            }
            "DisableOAuthClient" => json!({"clientId": id, "reason": mark}),
            "AuthenticateClient" => self.credentials(step, &id),
            _ => json!({"clientId": id}),
        }
    }

    /// Returns any secret, half of the time with its own client.
    fn credentials(&self, step: &Step, id: &str) -> Value {
        let Some(last) = self.secrets.len().checked_sub(1) else {
            return json!({"clientId": id, "clientSecret": "none"});
        };
        let secret = &self.secrets[step.secret.index(last + 1)];
        let own = step.cursor.is_some();
        json!({"clientId": if own { &secret.client } else { id }, "clientSecret": secret.text})
    }

    /// Returns `true` if a tenant may authenticate a client with a secret.
    fn holds(&self, tenant: usize, request: &Value) -> bool {
        let made = |secret: &&Secret| request["clientSecret"] == secret.text.as_str();
        let Some(Secret { client, hint, .. }) = self.secrets.iter().find(made) else {
            return false;
        };
        let (owner, hints) = &self.clients[client];
        request["clientId"] == client.as_str()
            && *owner == Some(tenant)
            && hints.contains(hint)
            && !self.disabled.contains(client)
    }

    /// Checks a response against what its caller owns, and records what it made.
    fn check(&mut self, step: &Step, request: &Value, answer: Result<Value, Vec<String>>) {
        let id = request["clientId"].as_str().unwrap_or_default().to_owned();
        let owned = self.owned(step.tenant).contains(&id);
        match answer {
            Ok(answer) if step.rpc == "AuthenticateClient" => {
                let taken = is_authenticated(&answer);
                assert_eq!(taken, self.holds(step.tenant, request), "{step:?}");
                self.check_holds_nothing_of_others(step.tenant, &answer);
                self.authenticated += usize::from(taken);
            }
            Err(codes) if owned && self.disabled.contains(&id) && step.rpc == "LookupClient" => {
                assert_eq!(codes, ["CLIENT_NOT_FOUND"]);
            }
            Err(codes) if owned => {
                assert!(
                    codes == ["SECRET_NOT_FOUND"] || codes == ["SECRET_LIMIT_REACHED"],
                    "{codes:?}"
                );
            }
            Err(codes) => assert_eq!(codes, ["CLIENT_NOT_FOUND"]),
            Ok(answer) => {
                assert!(owned || id.is_empty(), "{step:?} reached a client of another");
                self.check_holds_nothing_of_others(step.tenant, &answer);
                self.learn(step, request, &answer);
            }
        }
    }

    fn check_holds_nothing_of_others(&self, tenant: usize, answer: &Value) {
        // A link repeats the cursor of the request, whichever tenant it came from.
        let mut shown = answer.clone();
        if let Some(shown) = shown.as_object_mut() {
            shown.remove("links");
        }
        let text = shown.to_string();
        for other in (0..TENANTS.len()).filter(|other| *other != tenant) {
            assert!(
                !text.contains(&mark(other)),
                "something of {:?}: {text}",
                TENANTS[other]
            );
        }
        for (id, (owner, hints)) in &self.clients {
            let hidden = *owner != Some(tenant);
            let told = text.contains(id) || hints.iter().any(|hint| text.contains(hint));
            assert!(!(hidden && told), "{id} is of {owner:?}: {text}");
        }
    }

    fn learn(&mut self, step: &Step, request: &Value, answer: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let client = request["clientId"].as_str().unwrap_or_default();
        match step.rpc {
            "CreateOAuthClient" => {
                let hint = text(&answer["clientSecrets"][0]["hint"]);
                let owned = (Some(step.tenant), BTreeSet::from([hint.clone()]));
                let client = text(&answer["clientId"]);
                self.clients.insert(client.clone(), owned);
                self.secrets.push(Secret {
                    client,
                    hint,
                    text: text(&answer["clientSecret"]),
                });
            }
            "CreateClientSecret" => {
                let hint = text(&answer["hint"]);
                self.clients.get_mut(client).unwrap().1.insert(hint.clone());
                self.secrets.push(Secret {
                    client: client.to_owned(),
                    hint,
                    text: text(&answer["clientSecret"]),
                });
            }
            "DisableOAuthClient" => drop(self.disabled.insert(client.to_owned())),
            "EnableOAuthClient" => drop(self.disabled.remove(client)),
            "LookupClient" => {
                assert!(!self.disabled.contains(client), "{client} is disabled");
                assert_eq!(answer["tenantId"], TENANTS[step.tenant]);
            }
            "DeleteClientSecret" => {
                self.clients
                    .get_mut(client)
                    .unwrap()
                    .1
                    .remove(request["hint"].as_str().unwrap());
            }
            "DeleteOAuthClient" => {
                self.clients.insert(client.to_owned(), (None, BTreeSet::new()));
            }
            "ListOAuthClients" => self.learn_page(step.tenant, request, answer),
            _ => {}
        }
    }

    fn learn_page(&mut self, tenant: usize, request: &Value, page: &Value) {
        if request["next"].is_null() {
            assert_eq!(page["totalResults"], self.owned(tenant).len());
        }
        for link in ["next", "prev"] {
            self.cursors
                .extend(page["links"][link]["cursor"].as_str().map(str::to_owned));
        }
    }
}

/// Picks one of them, or a name that does not exist if there are none.
fn pick(names: &[&String], index: Index) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names[index.index(names.len())].clone()
}

/// Returns a text that only this tenant's clients contain.
fn mark(tenant: usize) -> String {
    ["alpha", "bravo", "charlie", "delta"][tenant].to_owned()
}

fn callers<'a>(server: &'a TestServer, key: &SigningKey) -> Vec<Caller<'a>> {
    let token = |(number, tenant)| {
        let subject = format!("{}-admin", mark(number));
        key.token(json!({"tenant_id": tenant, "sub": subject, "scope": all_scopes()}))
    };
    let tokens = TENANTS.into_iter().enumerate().map(token);
    tokens.map(|token| server.caller(Some(token))).collect()
}

async fn no_operation_reveals_or_changes_anything_of_another_tenant(db: Db) {
    let key = SigningKey::new("key", "EdDSA");
    let issuer = TestIssuer::start(&[&key]).await;
    let server = TestServer::start_with(db, |config| issuer.trusted_by(config)).await;
    eventually("the server is ready", async || {
        (server.caller(None).http_get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let callers = callers(&server, &key);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().new_rng());
    let mut world = World::default();
    for _ in 0..STEPS {
        let step = steps().new_tree(&mut runner).unwrap().current();
        let request = world.request(&step);
        let answer = callers[step.tenant]
            .call(step.transport, step.rpc, request.clone())
            .await;
        let answer = answer.map_err(|refused| refused.codes().iter().map(ToString::to_string).collect());
        world.check(&step, &request, answer);
    }
    assert!(world.authenticated > 5, "the walk authenticated somebody");
    for (tenant, caller) in callers.iter().enumerate() {
        let page = caller.list(Transport::Rest, json!({"limit": 100})).await.unwrap();
        let ids: BTreeSet<&str> = crate::list::ids(&page).into_iter().collect();
        let owned: BTreeSet<&str> = world.owned(tenant).into_iter().map(String::as_str).collect();
        assert_eq!(ids, owned, "{:?}", TENANTS[tenant]);
        assert!(owned.len() > 5, "the walk did something");
    }
}
