//! The last look of a session, and what the next one drops.

use std::time::Duration;

use super::{
    entries::{Entries, Entry},
    freshness::Instant,
};
use crate::{
    domain::ids::ClientId,
    store::changes::{Cursor, Found, Look},
};

/// The longest time between two looks whose difference is what changed. Change records are purged later than that.
pub(super) const MAX_GAP: Duration = Duration::from_hours(1);

/// The last look that counted. It belongs to a session and ends with it: after a crash, PostgreSQL may assign the `xid` of a
/// transaction that was rolled back once more, which the old snapshot takes for one that has ended.
#[derive(Debug, Default)]
pub(super) struct Progress {
    last: Option<(Instant, Cursor)>,
}

/// The clients to drop from memory before a look is published.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drops {
    Clients(Vec<ClientId>),
    All,
}

impl Progress {
    /// Returns the cursor of the last look.
    pub(super) fn cursor(&self) -> Option<&Cursor> {
        self.last.as_ref().map(|(_, cursor)| cursor)
    }

    /// Records a look that began and was received at these times, and returns what it drops.
    pub(super) fn advance(&mut self, look: Look, began: Instant, received: Instant) -> Drops {
        let Look { cursor, found } = look;
        let last = self.last.replace((began, cursor.clone()));
        let is_continuous = last.is_some_and(|(last_began, last)| {
            received.since(last_began) < MAX_GAP && last.is_of_the_same_server(&cursor)
        });
        match found {
            Found::Clients(ids) if is_continuous => Drops::Clients(ids),
            Found::Clients(_) | Found::TooMany => Drops::All,
        }
    }
}

impl Drops {
    /// Returns `true` if no client changed.
    pub(super) fn are_none(&self) -> bool {
        matches!(self, Self::Clients(ids) if ids.is_empty())
    }

    /// Drops the clients.
    pub(super) fn apply<V: Entry>(&self, entries: &Entries<V>) {
        match self {
            Self::Clients(ids) => ids.iter().for_each(|id| entries.drop_one(id)),
            Self::All => entries.drop_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::store::changes::ServerIdentity;

    const HOUR: u64 = 3_600_000_000_000;

    fn found() -> Vec<ClientId> {
        vec![ClientId::from_uuid(Uuid::from_u128(1))]
    }

    fn look(timeline: &str, found: Found) -> Look {
        let server = ServerIdentity {
            system: "7".to_owned(),
            database: "5".to_owned(),
            timeline: timeline.to_owned(),
        };
        let snapshot = "9:9:".to_owned();
        Look {
            cursor: Cursor { snapshot, server },
            found,
        }
    }

    fn advance(progress: &mut Progress, timeline: &str, began: u64, received: u64) -> Drops {
        let look = look(timeline, Found::Clients(found()));
        progress.advance(look, Instant(began), Instant(received))
    }

    #[test]
    fn a_look_drops_what_changed_since_the_one_before() {
        let mut progress = Progress::default();
        assert_eq!(advance(&mut progress, "1", 1, 2), Drops::All, "the first");
        assert_eq!(advance(&mut progress, "1", 3, 4), Drops::Clients(found()));
        let too_many = progress.advance(look("1", Found::TooMany), Instant(5), Instant(6));
        assert_eq!(too_many, Drops::All);
    }

    #[test]
    fn a_look_at_another_history_drops_everything() {
        let mut progress = Progress::default();
        advance(&mut progress, "1", 1, 2);
        assert_eq!(advance(&mut progress, "2", 3, 4), Drops::All);
        assert_eq!(advance(&mut progress, "2", 5, 6), Drops::Clients(found()));
    }

    #[test]
    fn a_look_that_was_received_an_hour_after_the_last_one_began_drops_everything() {
        let mut progress = Progress::default();
        advance(&mut progress, "1", 1, 2);
        assert_eq!(advance(&mut progress, "1", 3, HOUR), Drops::Clients(found()));
        // Its statement may have been executed at any time until it was received.
        assert_eq!(advance(&mut progress, "1", 4, 3 + HOUR), Drops::All);
    }
}
