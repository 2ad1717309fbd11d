//! The cases: clients that are rejected for different causes, and their requests.

use std::time::SystemTime;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    domain::{
        client::{Client, MAX_SECRETS},
        ids::TenantId,
        timestamp::Timestamp,
    },
    pb::v1::{AuthenticateClientRequest, authenticate_client_request::Credential},
};

use crate::support::{self, Outcome, Registry, seed};

/// A hint that no secret has, as 36⁸ are possible.
const NO_HINT: &str = "00000000";

/// A cause of a rejection, or the case of a client that is accepted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) accepted: bool,
    requests: Vec<AuthenticateClientRequest>,
}

impl Case {
    /// Returns the request of a round. The clients of the case take turns.
    pub(crate) fn request(&self, round: u32) -> Outcome<AuthenticateClientRequest> {
        let place = usize::try_from(round)? % self.requests.len();
        Ok(self.requests.get(place).ok_or("there are no clients")?.clone())
    }
}

/// The recipe of a case: the state of its clients, and the secret that is presented.
struct Recipe {
    name: &'static str,
    accepted: bool,
    state: State,
    secret: Presented,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NeverStored,
    Stored,
    /// Stored with the maximum number of secrets.
    StoredWithManySecrets,
    StoredElsewhere,
    Deleted,
    Disabled,
}

#[derive(Clone, Copy)]
enum Presented {
    Right,
    /// A wrong secret with the hint of the right one and a valid checksum.
    Wrong,
    WrongHint,
}

/// All cases. The others are compared with the first. The second is the same, so that it shows the noise.
const RECIPES: [Recipe; 11] = {
    use Presented::{Right, Wrong, WrongHint};
    use State::{Deleted, Disabled, NeverStored, Stored, StoredElsewhere, StoredWithManySecrets};
    [
        rejected("unknown client", NeverStored, Right),
        rejected("unknown client, once more", NeverStored, Right),
        rejected("wrong secret", Stored, Wrong),
        rejected("wrong secret, client with five", StoredWithManySecrets, Wrong),
        rejected("no such hint", Stored, WrongHint),
        rejected("deleted client", Deleted, Right),
        rejected("disabled client, right secret", Disabled, Right),
        rejected("disabled client, wrong secret", Disabled, Wrong),
        rejected("client of another tenant, right secret", StoredElsewhere, Right),
        rejected("client of another tenant, wrong secret", StoredElsewhere, Wrong),
        Recipe {
            name: "accepted",
            accepted: true,
            state: Stored,
            secret: Right,
        },
    ]
};

const fn rejected(name: &'static str, state: State, secret: Presented) -> Recipe {
    Recipe {
        name,
        accepted: false,
        state,
        secret,
    }
}

/// Creates the clients of the cases, and returns the cases with the tenant of their caller. The clients of all cases are
/// created in turn, so that their rows are interleaved.
pub(crate) async fn cases(registry: &Registry, clients: u32) -> Outcome<(Vec<Case>, TenantId)> {
    let (tenant, other) = (support::new_tenant()?, support::new_tenant()?);
    let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
    let mut cases: Vec<Case> = RECIPES.iter().map(empty).collect();
    for _ in 0..clients {
        for (recipe, case) in RECIPES.iter().zip(&mut cases) {
            let elsewhere = recipe.state == State::StoredElsewhere;
            let (owner, rows) = if elsewhere {
                (&other, &mut other_rows)
            } else {
                (&tenant, &mut rows)
            };
            let (mut client, right) = seed::register(owner, seed::draft(rows.len()))?;
            case.requests.push(request(&client, recipe.secret, right)?);
            apply(&mut client, recipe.state, owner)?;
            if recipe.state != State::NeverStored {
                rows.push(client);
            }
        }
    }
    let store = &registry.serving;
    seed::insert(store, &tenant, &rows).await?;
    seed::insert(store, &other, &other_rows).await?;
    store.analyze().await?;
    Ok((cases, tenant))
}

fn empty(recipe: &Recipe) -> Case {
    Case {
        name: recipe.name,
        accepted: recipe.accepted,
        requests: Vec::new(),
    }
}

fn apply(client: &mut Client, state: State, tenant: &TenantId) -> Outcome<()> {
    let now = Timestamp::from(SystemTime::now());
    match state {
        State::NeverStored | State::Stored | State::StoredElsewhere => {}
        State::StoredWithManySecrets => {
            while client.secrets.len() < MAX_SECRETS {
                client.create_secret(&seed::change(tenant)?)?;
            }
        }
        State::Deleted => client.delete(now),
        State::Disabled => client.disable("measured", now)?,
    }
    Ok(())
}

fn request(client: &Client, presented: Presented, right: String) -> Outcome<AuthenticateClientRequest> {
    let hint = client.secrets.first().ok_or("the client has no secret")?;
    let secret = match presented {
        Presented::Right => right,
        Presented::Wrong => well_formed(hint.hint.as_str())?,
        Presented::WrongHint => well_formed(NO_HINT)?,
    };
    Ok(AuthenticateClientRequest {
        client_id: client.id.to_string(),
        credential: Some(Credential::ClientSecret(secret)),
    })
}

/// Returns a secret with a valid checksum that no client has.
fn well_formed(hint: &str) -> Outcome<String> {
    let mut key = [0; 32];
    rand::fill(&mut key)?;
    let body = format!("ocs_{hint}_{}", URL_SAFE_NO_PAD.encode(key));
    let digest = digest(&SHA256, body.as_bytes());
    let checksum = URL_SAFE_NO_PAD.encode(digest.as_ref().split_at(6).0);
    Ok(body + &checksum)
}
