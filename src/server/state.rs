//! The state of a connection, which its requests and the task that drives it share.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::gateway::PeerPresence;

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    is_http2: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    written: AtomicU64,
    retired: AtomicBool,
    closing: Arc<AtomicBool>,
    retirement: watch::Sender<bool>,
    peer: PeerPresence,
}

/// A request in flight, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<ConnectionState>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Release);
    }
}

impl InFlight {
    /// Returns `true` if the connection takes no request after this one.
    pub(super) fn is_last(&self) -> bool {
        self.0.retired.load(Ordering::Relaxed) || self.0.closing.load(Ordering::Relaxed)
    }
}

impl ConnectionState {
    /// Creates the state of a connection that takes no request after the current one while the flag is set.
    pub(super) fn new(closing: Arc<AtomicBool>) -> Self {
        Self {
            closing,
            ..Self::default()
        }
    }

    /// Returns what tells whether the request in flight needs its peer.
    pub(super) fn peer(&self) -> PeerPresence {
        self.peer.clone()
    }

    /// Notes that a request begins.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Notes that the connection speaks HTTP/2.
    pub(super) fn speaks_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
    }

    /// Returns `true` once the peer has sent the preface of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that have begun.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn has_requests_in_flight(&self) -> bool {
        let ended = self.ended.load(Ordering::Acquire);
        self.begun() > ended
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns the number of bytes that were written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Retires the connection: it takes no more requests, and its streams end.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.retirement.send_replace(true);
    }

    /// Returns a future that completes when the connection retires.
    pub(super) fn retirement(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut retirement = self.retirement.subscribe();
        async move {
            let _gone = retirement.wait_for(|retired| *retired).await;
        }
    }
}

/// Returns a duration that is up to 10 % shorter or longer.
pub(super) fn jittered(duration: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 2_001;
    let share = u32::try_from(random).unwrap_or_default();
    let least = duration.saturating_sub(duration / 10);
    least.saturating_add((duration / 10_000).saturating_mul(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_up_to_a_tenth() {
        let ages: Vec<Duration> = (0..1_000).map(|_| jittered(Duration::from_hours(1))).collect();
        let (least, most) = (*ages.iter().min().unwrap(), *ages.iter().max().unwrap());
        assert!(
            least >= Duration::from_mins(54) && least < Duration::from_mins(56),
            "{least:?}"
        );
        assert!(
            most <= Duration::from_mins(66) && most > Duration::from_mins(64),
            "{most:?}"
        );
        assert!(jittered(Duration::MAX) > Duration::MAX / 2);
    }

    #[test]
    fn a_request_is_in_flight_until_it_is_dropped() {
        let state = Arc::new(ConnectionState::default());
        let request = state.begin();
        assert!(state.has_requests_in_flight());
        drop(request);
        assert!(!state.has_requests_in_flight());
        let _request = state.begin();
        assert!(state.has_requests_in_flight());
    }
}
