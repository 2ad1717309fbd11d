//! Lists of change records in the database.

use sea_orm::{
    FromQueryResult as _, IdenStatic as _, Iterable as _, QueryResult, Value, sea_query::IntoIden as _,
};

use super::{
    outline::{Listed, Outline},
    page::Page,
    query::{ListQuery, Part, Rows, Stored, selection},
};
use crate::{
    domain::{
        change_list::{ChangeKey, ChangeList, ChangeRecord},
        ids::{ClientId, TenantId},
        page::PageRequest,
        revision::Revision,
        sort::Direction,
        timestamp::Timestamp,
    },
    store::{
        Store,
        connection::Connection,
        dialect::Dialect,
        entity::change::{Column, Entity, Model},
        error::{Corrupt, StoreError},
        filter::Selection,
        rows::from_json,
        work::{detached_interruptible, interruptible},
    },
};

impl Store {
    /// Reads a page of the records of the changes of the tenant's clients.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn list_changes(
        &self,
        tenant: &TenantId,
        request: &PageRequest<ChangeList>,
    ) -> Result<Page<ChangeRecord, ChangeKey>, StoreError> {
        let Some(query) = ListQuery::new(tenant, &request.list, self.dialect) else {
            return Ok(Page::empty(request.count.then_some(0)));
        };
        let (turn, place) = self.admission.list(tenant).await?;
        let (store, request) = (self.clone(), request.clone());
        detached_interruptible(|waiting| async move {
            let _turn = turn;
            let connection = place.connect().await?;
            let (interrupt, control) = (connection.interrupt(), store.pools.control.clone());
            let page = store.read_changes(&query, &request, &connection);
            interruptible(waiting, interrupt, control, page).await
        })
        .await
    }

    async fn read_changes(
        &self,
        query: &ListQuery,
        request: &PageRequest<ChangeList>,
        connection: &Connection,
    ) -> Result<Page<ChangeRecord, ChangeKey>, StoreError> {
        let statement = query.outline(&Part::of(request), request.count, self.dialect.backend)?;
        let rows = connection.query_all(statement, query.prepared()).await?;
        let outline = Outline::<ChangeRecord>::from_rows(&rows, request)?;
        Ok(outline.page(request, |records| records))
    }
}

impl Stored for ChangeList {
    fn rows(&self) -> Rows {
        let column = |column: Column| column.into_iden();
        Rows {
            table: Entity.into_iden(),
            condition: None,
            key: [Column::Time, Column::ClientId, Column::Revision]
                .map(column)
                .to_vec(),
            direction: Direction::Descending,
            columns: Column::iter().map(|name| (column(name), name.as_str())).collect(),
        }
    }

    fn selection(&self, dialect: &Dialect) -> Selection {
        selection(self.filter.as_ref(), dialect)
    }

    fn values(&self, key: &ChangeKey) -> Vec<Value> {
        vec![
            key.time.as_micros().into(),
            key.client_id.as_str().into(),
            key.revision.number().into(),
        ]
    }
}

impl Listed for ChangeRecord {
    type List = ChangeList;

    fn key(&self) -> &ChangeKey {
        &self.key
    }

    fn from_row(row: &QueryResult, _: &ChangeList) -> Result<Option<Self>, StoreError> {
        if row
            .try_get::<Option<String>>("", Column::ClientId.as_str())?
            .is_none()
        {
            return Ok(None);
        }
        let row = Model::from_query_result(row, "")?;
        let corrupt = |column| Corrupt {
            table: "oauth_client_changes",
            column,
            client_id: row.client_id.clone(),
        };
        let updates = match &row.updates {
            None => Vec::new(),
            Some(updates) => from_json(updates).ok_or_else(|| corrupt("updates"))?,
        };
        Ok(Some(Self {
            key: ChangeKey {
                time: Timestamp::from_micros(row.time),
                client_id: ClientId::parse(&row.client_id).map_err(|_| corrupt("client_id"))?,
                revision: Revision::from_number(row.revision),
            },
            change_type: row.change_type,
            actor: row.actor,
            correlation_id: row.correlation_id,
            updates,
        }))
    }
}
