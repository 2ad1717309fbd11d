//! A page of a list, with the positions of its neighbours.

use std::sync::Arc;

use crate::{
    domain::page::{ClientKey, Ordered, PageRequest, Position, Start},
    store::cache::StoredClient,
};

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T = Arc<StoredClient>, K = ClientKey> {
    /// The items.
    pub items: Vec<T>,
    /// The start of the next page, if an item follows.
    pub next: Option<Position<K>>,
    /// The end of the previous page, if an item precedes.
    pub prev: Option<Position<K>>,
    /// The number of items of the whole list, if it was requested.
    pub total: Option<u64>,
}

impl<T, K> Page<T, K> {
    /// Returns the page of a list without items.
    pub(super) fn empty(total: Option<u64>) -> Self {
        Self {
            items: Vec::new(),
            next: None,
            prev: None,
            total,
        }
    }

    /// Returns the page with an item made of each.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U, K> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next: self.next,
            prev: self.prev,
            total: self.total,
        }
    }

    /// Ends the page where it becomes larger than a size, though not before its first item. The items farthest from its
    /// start are then on the page beyond.
    pub fn end_at<L: Ordered<Key = K>>(
        &mut self,
        max: usize,
        request: &PageRequest<L>,
        size: impl Fn(&T) -> usize,
        key: impl FnOnce(&T) -> K,
    ) {
        let backward = matches!(request.start, Start::Before(_));
        if backward {
            self.items.reverse();
        }
        let mut used: usize = 0;
        let fits = |item: &&T| {
            used = used.saturating_add(size(item));
            used <= max
        };
        let kept = self.items.iter().take_while(fits).count().max(1);
        let shorter = kept < self.items.len();
        self.items.truncate(kept);
        let outermost = self.items.last().filter(|_| shorter);
        if let Some(outermost) = outermost {
            let position = Position::next_to(key(outermost));
            let beyond = if backward { &mut self.prev } else { &mut self.next };
            *beyond = Some(position);
        }
        if backward {
            self.items.reverse();
        }
    }
}
