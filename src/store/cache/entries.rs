//! A map from clients to what memory holds of them, bounded in bytes.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use quick_cache::{Weighter, sync::Cache};

use crate::domain::ids::ClientId;

/// The number of locks among which the clients are divided.
const STRIPES: usize = 256;
/// The weight of a small client, by which the number of clients is estimated.
const SMALL: u64 = 4_096;

/// An entry, whose weight never changes.
pub(super) trait Entry: Clone {
    /// Returns the bytes of memory that the entry may come to need.
    fn weight(&self) -> u64;
}

/// A bounded map that can be filled from the database while clients are dropped.
pub(super) struct Entries<V> {
    map: Cache<ClientId, V, Bytes>,
    /// Has no random key, so that the simulation is deterministic. A stripe is locked for moments only.
    hasher: BuildHasherDefault<DefaultHasher>,
    /// The number of drops so far. A fill takes the number before it reads the database, and lands only if the number is
    /// the same. The lock makes that comparison and the insertion one step.
    drops: Box<[Mutex<u64>]>,
}

/// A fill that has begun. It is void once its client has been dropped.
#[derive(Debug, Default)]
pub(in crate::store) struct Fill {
    drops: u64,
}

#[derive(Debug, Clone)]
struct Bytes;

impl<V: Entry> Weighter<ClientId, V> for Bytes {
    fn weight(&self, _: &ClientId, entry: &V) -> u64 {
        entry.weight()
    }
}

impl<V: Entry> Entries<V> {
    pub(super) fn new(bytes: u64) -> Self {
        let count = usize::try_from(bytes / SMALL).unwrap_or(usize::MAX).max(1);
        Self {
            map: Cache::with_weighter(count, bytes, Bytes),
            hasher: BuildHasherDefault::default(),
            drops: (0..STRIPES).map(|_| Mutex::default()).collect(),
        }
    }

    /// Returns the weight of all entries.
    pub(super) fn weight(&self) -> u64 {
        self.map.weight()
    }

    pub(super) fn get(&self, id: &ClientId) -> Option<V> {
        self.map.get(id)
    }

    /// Begins a fill. The entry is then read from the database.
    pub(super) fn begin_fill(&self, id: &ClientId) -> Fill {
        Fill {
            drops: self.drops_of(id).map_or(0, |drops| *drops),
        }
    }

    /// Adds an entry, unless it was dropped since the fill began.
    pub(super) fn fill(&self, Fill { drops: before }: Fill, id: &ClientId, entry: V) {
        if let Some(drops) = self.drops_of(id)
            && *drops == before
        {
            self.map.insert(id.clone(), entry);
        }
    }

    /// Drops an entry, and voids the fills of it that have begun.
    pub(super) fn drop_one(&self, id: &ClientId) {
        if let Some(mut drops) = self.drops_of(id) {
            *drops += 1;
            self.map.remove(id);
        }
    }

    /// Drops everything, and voids all fills that have begun.
    pub(super) fn drop_all(&self) {
        for drops in &self.drops {
            *lock(drops) += 1;
        }
        self.map.clear();
    }

    fn drops_of(&self, id: &ClientId) -> Option<MutexGuard<'_, u64>> {
        let hash = usize::try_from(self.hasher.hash_one(id) % STRIPES as u64).ok()?;
        self.drops.get(hash).map(lock)
    }
}

/// Locks a number, which is whole also if a thread panicked.
fn lock(drops: &Mutex<u64>) -> MutexGuard<'_, u64> {
    drops.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    impl Entry for u64 {
        fn weight(&self) -> u64 {
            *self
        }
    }

    fn id(number: u128) -> ClientId {
        ClientId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_fill_lands_unless_its_entry_was_dropped_since_it_began() {
        let entries = Entries::new(1 << 20);
        let (dropped, other) = (id(1), id(2));
        let fills = [&dropped, &other].map(|id| (id, entries.begin_fill(id)));
        entries.drop_one(&dropped);
        for (id, fill) in fills {
            entries.fill(fill, id, 7_u64);
        }
        assert_eq!((entries.get(&dropped), entries.get(&other)), (None, Some(7)));

        let fill = entries.begin_fill(&dropped);
        entries.fill(fill, &dropped, 8);
        assert_eq!(entries.get(&dropped), Some(8));
        entries.drop_one(&dropped);
        assert_eq!(entries.get(&dropped), None);
    }

    #[test]
    fn no_fill_lands_after_everything_was_dropped() {
        let entries = Entries::new(1 << 20);
        let fill = entries.begin_fill(&id(1));
        let landed = entries.begin_fill(&id(2));
        entries.fill(landed, &id(2), 7_u64);
        entries.drop_all();
        entries.fill(fill, &id(1), 7);
        assert_eq!((entries.get(&id(1)), entries.get(&id(2))), (None, None));
    }

    #[test]
    fn the_entries_weigh_no_more_than_allowed() {
        let entries = Entries::new(1 << 20);
        for number in 0..10_000 {
            let fill = entries.begin_fill(&id(number));
            entries.fill(fill, &id(number), 1_000_u64);
        }
        let held = (0..10_000)
            .filter_map(|number| entries.get(&id(number)))
            .sum::<u64>();
        assert!((1 << 19..=1 << 20).contains(&held), "{held}");
    }
}
