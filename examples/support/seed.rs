//! Clients for the database, equal to those that are registered over the API.

use std::time::SystemTime;

use aws_lc_rs::rand;
use oauth_clients::{
    domain::{
        app_type::AppType,
        client::{ChangeContext, Client},
        ids::{ClientId, Subject, TenantId},
        metadata::ClientDraft,
        secret::SecretSeed,
        timestamp::Timestamp,
    },
    store::Store,
};
use uuid::Uuid;

use super::Outcome;

/// The number of clients in one insertion.
pub(crate) const BATCH: usize = 500;

/// Returns a `web` client of common size, which authenticates with a secret.
pub(crate) fn draft(number: usize) -> ClientDraft {
    ClientDraft {
        app_type: AppType::Web.as_str().to_owned(),
        client_name: Some(format!("Measured client {number:06}")),
        redirect_uris: vec![format!("https://app-{number:06}.example.com/callback")],
        allowed_scopes: vec!["openid".to_owned(), "profile".to_owned()],
        ..ClientDraft::default()
    }
}

/// Returns the tenant, subject, time and seed of a change.
pub(crate) fn change(tenant: &TenantId) -> Outcome<ChangeContext> {
    let mut seed = [0; SecretSeed::LEN];
    rand::fill(&mut seed)?;
    Ok(ChangeContext {
        tenant: tenant.clone(),
        actor: Subject::parse("measuring")?,
        now: Timestamp::from(SystemTime::now()),
        seed: SecretSeed::from_bytes(seed),
    })
}

/// Registers a client. Its secret is "" if it has none.
pub(crate) fn register(tenant: &TenantId, draft: ClientDraft) -> Outcome<(Client, String)> {
    let id = ClientId::from_uuid(Uuid::now_v7());
    let (client, secret) = Client::register(id, draft, &change(tenant)?)?;
    let secret = secret.map(|new| new.secret.reveal()).unwrap_or_default();
    Ok((client, secret))
}

/// Writes clients to the database.
pub(crate) async fn insert(store: &Store, tenant: &TenantId, clients: &[Client]) -> Outcome<()> {
    let author = Subject::parse("measuring")?.into();
    for batch in clients.chunks(BATCH) {
        store.insert_clients(tenant, batch, &author).await?;
    }
    Ok(())
}
