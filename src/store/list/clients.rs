//! Lists of clients in the database.

use sea_orm::{
    ColumnTrait as _, QueryResult, Value,
    sea_query::{DynIden, IntoIden as _},
};

use super::{
    outline::Listed,
    query::{Rows, Stored, selection},
};
use crate::{
    domain::{
        ids::ClientId,
        page::{ClientKey, List},
        sort::{SortField, SortValue},
        timestamp::Timestamp,
    },
    store::{
        dialect::Dialect,
        entity::client::{Column, Entity},
        error::{Corrupt, StoreError},
        filter::Selection,
    },
};

/// A client of a page.
#[derive(Debug)]
pub(super) struct ListedClient {
    pub(super) key: ClientKey,
    pub(super) version: i64,
}

/// The columns of the outline.
mod column {
    pub(super) const CLIENT_ID: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const VALUE: usize = 2;
}

impl Stored for List {
    fn rows(&self) -> Rows {
        let sorted_by = column(self.sort.field);
        let client_id = Column::ClientId.into_iden();
        let key = match self.sort.field {
            SortField::ClientId => vec![client_id.clone()],
            _ => vec![sorted_by.clone(), client_id.clone()],
        };
        Rows {
            table: Entity.into_iden(),
            condition: Some(Column::DeletedAt.is_null()),
            key,
            direction: self.sort.direction,
            columns: vec![
                (client_id, "client_id"),
                (Column::Version.into_iden(), "version"),
                (sorted_by, "value"),
            ],
        }
    }

    fn selection(&self, dialect: &Dialect) -> Selection {
        selection(self.filter.as_ref(), dialect)
    }

    fn values(&self, key: &ClientKey) -> Vec<Value> {
        let id = key.client_id.as_str().into();
        let value = match &key.value {
            SortValue::Text(text) => text.as_str().into(),
            SortValue::Time(time) => time.as_micros().into(),
        };
        match self.sort.field {
            SortField::ClientId => vec![id],
            _ => vec![value, id],
        }
    }
}

impl Listed for ListedClient {
    type List = List;

    fn key(&self) -> &ClientKey {
        &self.key
    }

    fn from_row(row: &QueryResult, list: &List) -> Result<Option<Self>, StoreError> {
        let Some(id) = row.try_get_by_index::<Option<String>>(column::CLIENT_ID)? else {
            return Ok(None);
        };
        let corrupt = |_| Corrupt {
            table: "oauth_clients",
            column: "client_id",
            client_id: id.clone(),
        };
        let value = match list.sort.field {
            SortField::ClientId | SortField::ClientName | SortField::AppType => {
                SortValue::Text(row.try_get_by_index(column::VALUE)?)
            }
            SortField::CreatedAt | SortField::UpdatedAt => {
                SortValue::Time(Timestamp::from_micros(row.try_get_by_index(column::VALUE)?))
            }
        };
        Ok(Some(Self {
            key: ClientKey {
                client_id: ClientId::parse(&id).map_err(corrupt)?,
                value,
            },
            version: row.try_get_by_index(column::VERSION)?,
        }))
    }
}

fn column(field: SortField) -> DynIden {
    match field {
        SortField::ClientId => Column::ClientId,
        SortField::ClientName => Column::ClientNameFolded,
        SortField::AppType => Column::AppType,
        SortField::CreatedAt => Column::CreatedAt,
        SortField::UpdatedAt => Column::UpdatedAt,
    }
    .into_iden()
}
