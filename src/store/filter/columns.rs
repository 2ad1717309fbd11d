//! The columns of the attributes that filters compare.

use sea_orm::sea_query::{DynIden, IntoIden as _};

use crate::{
    domain::{
        app_type::AppType,
        filter::{Attribute, ChangeAttribute, ClientAttribute},
    },
    store::entity::{change, client},
};

/// An attribute that every row holds in a column.
pub(in crate::store) trait Stored: Attribute {
    /// Returns the column.
    fn held(self) -> Held;
}

/// A column, in the form in which it is compared.
pub(in crate::store) enum Held {
    /// A text that few rows share.
    Text(DynIden),
    /// A text that many rows may share.
    Label(DynIden),
    /// One of a few texts.
    OneOf(DynIden, &'static [&'static str]),
    /// Microseconds since 1970.
    Instant(DynIden),
}

impl Stored for ClientAttribute {
    fn held(self) -> Held {
        match self {
            Self::ClientId => Held::Text(client::Column::ClientId.into_iden()),
            Self::ClientName => Held::Text(client::Column::ClientNameFolded.into_iden()),
            Self::AppType => Held::OneOf(client::Column::AppType.into_iden(), AppType::NAMES),
        }
    }
}

impl Stored for ChangeAttribute {
    fn held(self) -> Held {
        match self {
            Self::ClientId => Held::Text(change::Column::ClientId.into_iden()),
            // A newer server may write types that this one does not know.
            Self::Type => Held::Label(change::Column::ChangeType.into_iden()),
            Self::Actor => Held::Label(change::Column::Actor.into_iden()),
            Self::Time => Held::Instant(change::Column::Time.into_iden()),
        }
    }
}
