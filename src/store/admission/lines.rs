//! Lines of requests that concern the same thing, such as a tenant or a client. In each, a few have their turn at a time and
//! the others wait in order, of which there is a bound. A line exists while somebody is in it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lines, each with a name.
pub(super) struct Lines<K: Eq + Hash> {
    turns: usize,
    longest: usize,
    by_name: Mutex<HashMap<K, Line>>,
}

struct Line {
    turns: Arc<Semaphore>,
    /// The number of those that have a turn or wait for one.
    length: usize,
}

/// The right to proceed. The next in line has it when this is dropped.
#[must_use]
pub(in crate::store) struct Turn<K: Eq + Hash> {
    // Dropped first, so that a line that is removed has no turn taken.
    _permit: OwnedSemaphorePermit,
    _member: Member<K>,
}

/// A place in a line, which is left when this is dropped.
struct Member<K: Eq + Hash> {
    lines: Arc<Lines<K>>,
    name: K,
}

/// The line has its greatest length.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<K: Eq + Hash + Clone> Lines<K> {
    /// Creates lines in which so many have a turn at a time, and that are at most so long with them.
    pub(super) fn new(turns: usize, longest: usize) -> Arc<Self> {
        Arc::new(Self {
            turns,
            longest,
            by_name: Mutex::default(),
        })
    }

    /// Waits in a line for a turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// If the line is full.
    pub(super) async fn turn(self: &Arc<Self>, name: &K) -> Result<Turn<K>, Full> {
        let (turns, member) = self.join(name)?;
        let permit = turns.acquire_owned().await.map_err(|_closed| Full)?;
        Ok(Turn {
            _permit: permit,
            _member: member,
        })
    }

    fn join(self: &Arc<Self>, name: &K) -> Result<(Arc<Semaphore>, Member<K>), Full> {
        let mut lines = self.lock();
        let line = lines.entry(name.clone()).or_insert_with(|| Line {
            turns: Arc::new(Semaphore::new(self.turns)),
            length: 0,
        });
        if line.length >= self.longest {
            return Err(Full);
        }
        line.length += 1;
        let member = Member {
            lines: self.clone(),
            name: name.clone(),
        };
        Ok((line.turns.clone(), member))
    }
}

impl<K: Eq + Hash> Lines<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Member<K> {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.name) {
            line.length -= 1;
            if line.length == 0 {
                lines.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn each_line_has_its_own_turns_in_order() {
        let lines = Lines::new(2, 10);
        let take = |name| Box::pin(lines.turn(name)).now_or_never();
        let first = take(&"a").unwrap().unwrap();
        let _second = take(&"a").unwrap().unwrap();
        let mut third = Box::pin(lines.turn(&"a"));
        let mut fourth = Box::pin(lines.turn(&"a"));
        assert!((&mut third).now_or_never().is_none());
        assert!((&mut fourth).now_or_never().is_none());
        assert!(take(&"b").is_some(), "another line");
        drop(first);
        assert!((&mut fourth).now_or_never().is_none(), "it is not its turn");
        assert!((&mut third).now_or_never().is_some());
    }

    #[test]
    fn a_full_line_refuses_and_one_that_is_left_takes_another() {
        let lines = Lines::new(1, 2);
        let _first = lines.turn(&"a").now_or_never().unwrap().unwrap();
        let mut second = Box::pin(lines.turn(&"a"));
        assert!((&mut second).now_or_never().is_none());
        assert_eq!(lines.turn(&"a").now_or_never().unwrap().err(), Some(Full));
        drop(second);
        assert!(lines.turn(&"a").now_or_never().is_none(), "it waits");
    }

    #[test]
    fn a_line_without_members_needs_no_memory() {
        let lines = Lines::new(1, 2);
        let first = lines.turn(&"a").now_or_never().unwrap().unwrap();
        let mut second = Box::pin(lines.turn(&"a"));
        assert!((&mut second).now_or_never().is_none());
        drop(first);
        assert_eq!(lines.lock().len(), 1);
        drop(second);
        assert_eq!(lines.lock().len(), 0);
    }
}
