//! Clients that are rejected for different reasons, and the calls that try them.

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

/// A hint that no secret has: 36⁸ are possible.
const NO_HINT: &str = "00000000";

/// One way to be rejected, or to be accepted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) accepted: bool,
    requests: Vec<AuthenticateClientRequest>,
}

impl Case {
    /// The call of a round: the clients of the case take turns.
    pub(crate) fn request(&self, round: u32) -> Outcome<AuthenticateClientRequest> {
        let place = usize::try_from(round)? % self.requests.len();
        Ok(self.requests.get(place).ok_or("there are no clients")?.clone())
    }
}

/// How a case comes about: what happens to a client that was registered, and with which secret it is tried.
struct Recipe {
    name: &'static str,
    accepted: bool,
    fate: Fate,
    secret: Presented,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    NeverStored,
    Stored,
    /// With as many secrets as a client may have.
    StoredWithManySecrets,
    StoredElsewhere,
    Deleted,
    Disabled,
}

#[derive(Clone, Copy)]
enum Presented {
    Right,
    /// With the hint of the right one, and a valid checksum.
    Wrong,
    WrongHint,
}

/// All cases. The first is that with which the others are compared; the second is the same once more, so that it shows
/// how much is noise.
const RECIPES: [Recipe; 11] = {
    use Fate::{Deleted, Disabled, NeverStored, Stored, StoredElsewhere, StoredWithManySecrets};
    use Presented::{Right, Wrong, WrongHint};
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
            fate: Stored,
            secret: Right,
        },
    ]
};

const fn rejected(name: &'static str, fate: Fate, secret: Presented) -> Recipe {
    Recipe {
        name,
        accepted: false,
        fate,
        secret,
    }
}

/// The cases, on new clients, and the tenant that is to call. The clients of all cases are made in turn, so that their
/// rows lie among one another.
pub(crate) async fn cases(registry: &Registry, clients: u32) -> Outcome<(Vec<Case>, TenantId)> {
    let (tenant, other) = (support::new_tenant()?, support::new_tenant()?);
    let (mut rows, mut other_rows) = (Vec::new(), Vec::new());
    let mut cases: Vec<Case> = RECIPES.iter().map(empty).collect();
    for _ in 0..clients {
        for (recipe, case) in RECIPES.iter().zip(&mut cases) {
            let elsewhere = recipe.fate == Fate::StoredElsewhere;
            let (owner, rows) = if elsewhere {
                (&other, &mut other_rows)
            } else {
                (&tenant, &mut rows)
            };
            let (mut client, right) = seed::register(owner, seed::draft(rows.len()))?;
            case.requests.push(request(&client, recipe.secret, right)?);
            meet(&mut client, recipe.fate, owner)?;
            if recipe.fate != Fate::NeverStored {
                rows.push(client);
            }
        }
    }
    let store = registry.store().await?;
    seed::insert(&store, &tenant, &rows).await?;
    seed::insert(&store, &other, &other_rows).await?;
    store.close().await;
    Ok((cases, tenant))
}

fn empty(recipe: &Recipe) -> Case {
    Case {
        name: recipe.name,
        accepted: recipe.accepted,
        requests: Vec::new(),
    }
}

fn meet(client: &mut Client, fate: Fate, tenant: &TenantId) -> Outcome<()> {
    let now = Timestamp::from(SystemTime::now());
    match fate {
        Fate::NeverStored | Fate::Stored | Fate::StoredElsewhere => {}
        Fate::StoredWithManySecrets => {
            while client.secrets.len() < MAX_SECRETS {
                client.create_secret(&seed::change(tenant)?)?;
            }
        }
        Fate::Deleted => client.delete(now),
        Fate::Disabled => client.disable("measured", now)?,
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

/// A secret with a valid checksum that no client has.
fn well_formed(hint: &str) -> Outcome<String> {
    let mut key = [0; 32];
    rand::fill(&mut key)?;
    let body = format!("ocs_{hint}_{}", URL_SAFE_NO_PAD.encode(key));
    let digest = digest(&SHA256, body.as_bytes());
    let checksum = URL_SAFE_NO_PAD.encode(digest.as_ref().split_at(6).0);
    Ok(body + &checksum)
}
