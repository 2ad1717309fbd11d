//! The peer of a connection, which must be there while it reads a stream.
//!
//! A peer that has sent its request may close its half of a connection and still read the response. On HTTP/1.1 that looks as
//! if it were gone, until it does not accept what is sent next. A stream may have nothing to send for long, so there a
//! closed half counts as the end. HTTP/2 resets streams, and needs none of this.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static PEER: PeerPresence;
}

/// Tells a connection whether the request in flight ends when the peer closes its half.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerPresence(Arc<AtomicBool>);

/// Requires that the peer of the current request stays until it has the response.
pub(super) fn require() {
    // Outside of a connection there is no peer.
    let _not_served = PEER.try_with(|peer| peer.0.store(true, Ordering::Relaxed));
}

impl PeerPresence {
    /// Lets a request, which by itself does not require anything, require the presence of the peer.
    pub(crate) fn scope<F: Future>(&self, response: F) -> TaskLocalFuture<Self, F> {
        self.0.store(false, Ordering::Relaxed);
        PEER.scope(self.clone(), response)
    }

    pub(crate) fn is_required(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
