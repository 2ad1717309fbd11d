//! A page of a list, with the positions of its neighbours.

use std::sync::Arc;

use crate::{
    domain::page::{PageRequest, Position, Start},
    store::cache::StoredClient,
};

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The clients.
    pub clients: Vec<Arc<StoredClient>>,
    /// The start of the next page, if a client follows.
    pub next: Option<Position>,
    /// The end of the previous page, if a client precedes.
    pub prev: Option<Position>,
    /// The number of clients of the whole list, if it was requested.
    pub total: Option<u64>,
}

impl Page {
    /// Returns the page of a list without clients.
    pub(super) fn empty(total: Option<u64>) -> Self {
        Self {
            clients: Vec::new(),
            next: None,
            prev: None,
            total,
        }
    }

    /// Ends the page where it becomes larger than a size, though not before its first client. The clients farthest from its
    /// start are then on the page beyond.
    pub fn end_at(&mut self, max: usize, request: &PageRequest, size: impl Fn(&StoredClient) -> usize) {
        let backward = matches!(request.start, Start::Before(_));
        if backward {
            self.clients.reverse();
        }
        let mut used: usize = 0;
        let fits = |client: &&Arc<StoredClient>| {
            used = used.saturating_add(size(client));
            used <= max
        };
        let kept = self.clients.iter().take_while(fits).count().max(1);
        let shorter = kept < self.clients.len();
        self.clients.truncate(kept);
        let outermost = self.clients.last().filter(|_| shorter);
        if let Some(outermost) = outermost {
            let position = request.list.position(&outermost.client);
            let beyond = if backward { &mut self.prev } else { &mut self.next };
            *beyond = Some(position);
        }
        if backward {
            self.clients.reverse();
        }
    }
}
