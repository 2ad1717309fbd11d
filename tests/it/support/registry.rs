//! Clients in a store without a server.

use oauth_clients::{
    domain::{
        client::{ChangeContext, Client},
        filter::Filter,
        ids::{ClientId, Subject, TenantId},
        metadata::ClientDraft,
        page::{Limit, List, PageRequest, Start},
        secret::SecretSeed,
        sort::Sort,
        timestamp::Timestamp,
    },
    store::{Claim, Page, Store},
};
use uuid::Uuid;

use super::Db;

/// A store on a migrated database, seen by one tenant.
pub(crate) struct Registry {
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
}

impl Registry {
    pub(crate) async fn open(db: &Db) -> Self {
        let claim = Claim::acquire(&db.url(), None).await.unwrap();
        let store = Store::connect(&db.url(), None).await.unwrap();
        store.migrate(&claim).await.unwrap();
        Self {
            store,
            tenant: tenant("acme"),
        }
    }

    /// Adds clients of these names and types to a tenant, each a microsecond younger than the one before.
    pub(crate) async fn fill(&self, tenant: &TenantId, clients: &[(String, &str)]) -> Vec<Client> {
        self.fill_from(tenant, 0, clients).await
    }

    /// The same, continuing after so many clients.
    pub(crate) async fn fill_from(
        &self,
        tenant: &TenantId,
        start: usize,
        clients: &[(String, &str)],
    ) -> Vec<Client> {
        let all: Vec<Client> = clients
            .iter()
            .zip(start..)
            .map(|((name, app_type), index)| client(tenant, name, app_type, index))
            .collect();
        for batch in all.chunks(500) {
            self.store
                .insert_clients(tenant, batch, &actor().into())
                .await
                .unwrap();
        }
        all
    }

    pub(crate) async fn page(&self, list: &List, limit: i64, start: Start) -> Page {
        let limit = Limit::parse(limit).unwrap();
        let request = PageRequest {
            list: list.clone(),
            limit,
            start,
            count: true,
        };
        self.store.list_clients(&self.tenant, &request).await.unwrap()
    }
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(crate) fn list(sort: &str, filter: Option<&str>) -> List {
    List {
        sort: Sort::parse(sort).unwrap(),
        filter: filter.map(|filter| Filter::parse(filter).unwrap()),
    }
}

/// Returns a reproducible id, unique to tenant and index, in no order.
fn id(tenant: &TenantId, index: usize) -> ClientId {
    let salt = tenant
        .as_str()
        .bytes()
        .fold(1_u128, |salt, byte| salt * 257 + u128::from(byte));
    // Multiples of an odd factor visit all numbers in an order that looks random.
    let scattered = (salt + index as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    ClientId::from_uuid(Uuid::from_u128(scattered))
}

fn client(tenant: &TenantId, name: &str, app_type: &str, index: usize) -> Client {
    let by = actor();
    // Several share a time, so that the id has to break ties.
    let micros = 1_700_000_000_000_000 + i64::try_from(index / 2).unwrap();
    let change = ChangeContext {
        tenant: tenant.clone(),
        actor: by,
        now: Timestamp::from_micros(micros),
        seed: SecretSeed::from_bytes([7; SecretSeed::LEN]),
    };
    let draft = ClientDraft {
        app_type: app_type.to_owned(),
        client_name: Some(name.to_owned()),
        ..ClientDraft::default()
    };
    let (mut client, _) = Client::register(id(tenant, index), draft, &change).unwrap();
    client.updated_at = Timestamp::from_micros(micros + i64::try_from(index * 7 % 10).unwrap());
    client
}

/// Returns the subject that makes all changes.
pub(crate) fn actor() -> Subject {
    Subject::parse("seed").unwrap()
}
