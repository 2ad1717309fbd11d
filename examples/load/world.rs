//! The clients that requests are about.

use oauth_clients::domain::{auth_method::AuthMethod, client::Client, ids::TenantId, metadata::ClientDraft};

use crate::{
    signer::Signer,
    support::{self, Outcome, Registry, seed},
};

/// A tenant and its clients.
pub(crate) struct World {
    pub(crate) tenant: TenantId,
    /// Those that requests are about.
    hot: Vec<Seeded>,
    /// The id of the client whose key is `signer`.
    pub(crate) signing_client: String,
    pub(crate) signer: Signer,
}

/// A client in the database, and its secret.
pub(crate) struct Seeded {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl World {
    /// Fills the database with a new tenant, whose first clients are `hot`.
    pub(crate) async fn create(
        registry: &Registry,
        signer: Signer,
        clients: usize,
        hot: usize,
    ) -> Outcome<Self> {
        let tenant = support::new_tenant()?;
        let signing = signing_client(&tenant, &signer)?;
        let signing_client = signing.id.to_string();
        let store = &registry.serving;
        let (mut rows, mut seeded) = (vec![signing], Vec::new());
        for number in 0..clients {
            let (client, secret) = seed::register(&tenant, seed::draft(number))?;
            let id = client.id.to_string();
            if number < hot {
                seeded.push(Seeded { id, secret });
            }
            rows.push(client);
            if rows.len() == seed::BATCH {
                seed::insert(store, &tenant, &rows).await?;
                rows.clear();
            }
        }
        seed::insert(store, &tenant, &rows).await?;
        store.analyze().await?;
        Ok(Self {
            tenant,
            hot: seeded,
            signing_client,
            signer,
        })
    }

    /// Returns the hot clients in turn.
    pub(crate) fn client(&self, number: u64) -> Option<&Seeded> {
        let place = number % u64::try_from(self.hot.len()).ok()?.max(1);
        self.hot.get(usize::try_from(place).ok()?)
    }
}

fn signing_client(tenant: &TenantId, signer: &Signer) -> Outcome<Client> {
    let draft = ClientDraft {
        allowed_auth_methods: vec![AuthMethod::PrivateKeyJwt.as_str().to_owned()],
        public_keys: vec![signer.public_key()],
        ..seed::draft(0)
    };
    Ok(seed::register(tenant, draft)?.0)
}
