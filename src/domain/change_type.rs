//! The types of the changes of a client.

use super::{client::Client, closed_set::closed_set};

closed_set! {
    /// The type of a change, as its record states it.
    pub enum ChangeType {
        /// The client was created.
        Created = "created",
        /// Its metadata was changed.
        Updated = "updated",
        /// Its metadata was changed, and it was published.
        Published = "published",
        /// The client was deleted.
        Deleted = "deleted",
        /// The client was disabled, or the reason changed.
        Disabled = "disabled",
        /// The client was enabled.
        Enabled = "enabled",
        /// A secret was created.
        SecretCreated = "secret.created",
        /// A secret was deleted.
        SecretDeleted = "secret.deleted",
    }
}

impl ChangeType {
    /// Returns the type of a change of this type from what it did: an update that publishes is a publication.
    #[must_use]
    pub fn between(self, before: &Client, after: &Client) -> Self {
        let is_published = |client: &Client| client.metadata.published_at.is_some();
        if self == Self::Updated && !is_published(before) && is_published(after) {
            Self::Published
        } else {
            self
        }
    }
}
