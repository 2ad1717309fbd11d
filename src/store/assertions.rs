//! Assertions that clients have used, kept until some time after they have expired.

use sea_orm::{
    ColumnTrait, EntityTrait as _, QueryFilter as _, QuerySelect as _, QueryTrait as _, Set,
    sea_query::{Expr, ExprTrait as _},
};

use super::{
    Store, detached,
    entity::used_assertion::{ActiveModel, Column, Entity},
    error::StoreError,
};
use crate::domain::{
    assertion::UsedAssertion,
    ids::{ClientId, TenantId},
    timestamp::Timestamp,
};

/// How many rows are deleted at once, so that no deletion takes long.
const BATCH: u64 = 1_000;

impl Store {
    /// Notes that a client uses an assertion. False when it did before: of several that use it at once, also through
    /// other servers, one is told true.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn use_assertion(
        &self,
        tenant: &TenantId,
        client: &ClientId,
        assertion: &UsedAssertion,
    ) -> Result<bool, StoreError> {
        let store = self.clone();
        let row = ActiveModel {
            tenant_id: Set(tenant.as_str().to_owned()),
            client_id: Set(client.as_str().to_owned()),
            jti_digest: Set(assertion.digest.to_vec()),
            expires_at: Set(assertion.expires_at.as_micros()),
        };
        detached(|_| async move {
            let outcome = Entity::insert(row)
                .on_conflict_do_nothing()
                .exec_without_returning(&store.writers)
                .await?;
            Ok(matches!(outcome, sea_orm::TryInsertResult::Inserted(1)))
        })
        .await
    }

    /// Forgets assertions that have expired, up to a thousand, and returns how many they were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_assertions(&self, now: Timestamp) -> Result<u64, StoreError> {
        let store = self.clone();
        detached(|_| async move {
            let expired = Entity::find()
                .select_only()
                .columns([Column::TenantId, Column::ClientId, Column::JtiDigest])
                .filter(Column::ExpiresAt.lte(now.as_micros()))
                .limit(BATCH)
                .into_query();
            // The whole key: clients choose the same ids as others.
            let key = [Column::TenantId, Column::ClientId, Column::JtiDigest];
            let key = Expr::tuple(key.map(ColumnTrait::into_expr));
            let outcome = Entity::delete_many()
                .filter(key.in_subquery(expired))
                .exec(&store.writers)
                .await?;
            Ok(outcome.rows_affected)
        })
        .await
    }
}
