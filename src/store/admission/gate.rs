//! A limit on work in flight, with a queue of those that wait for their turn.
//!
//! The oldest has the next turn, as long as all can have theirs in time. Once the oldest has waited for most of its time,
//! the newest has. Under sustained overload some have to be refused, and a queue in order of arrival would make those that it
//! serves wait as long as those that it refuses: each would have its turn just before its time is over, or its caller gives
//! up. With the newest first, most of those that are served are served at once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::Load;

/// The greatest length of the queue, which bounds the memory of those that wait. It is longer than what can have its turn in
/// time, as waiting also slows down callers that retry at once.
const MAX_WAITING: usize = 8_192;
/// The part of its time, in fifths, after which one that waits is stale.
const STALE_FIFTHS: u32 = 4;
/// The number of the first that goes before all others. Those that do not never reach it.
const FIRST: u64 = 1 << 63;

/// A limit on work in flight.
pub(in crate::store) struct Gate {
    limit: usize,
    in_flight: AtomicUsize,
    /// The length of the queue, so that nobody takes its lock while it is empty.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

/// Those that wait, by their numbers in order of arrival.
#[derive(Default)]
struct Queue {
    /// The number of those that arrived.
    arrived: u64,
    waiting: BTreeMap<u64, Place>,
}

/// The place of one that waits.
struct Place {
    /// The time from which it may be too late for its turn.
    stale_at: Instant,
    turn: oneshot::Sender<Permit>,
}

/// The right to work, which the next in the queue has when this is dropped.
#[must_use]
pub(in crate::store) struct Permit(Arc<Gate>);

/// So many wait that the one that waited longest is not to go on.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) struct Refused;

/// A place in the queue, which is left when this is dropped.
struct Waiter<'a> {
    gate: &'a Gate,
    number: u64,
    permit: oneshot::Receiver<Permit>,
}

impl Gate {
    pub(in crate::store) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// Returns a permit at once if one is free, or waits for one, for as long as it is told; the caller has to end it then.
    /// Dropping the future leaves the queue.
    ///
    /// # Errors
    /// If the queue is full, and of all in it this has waited longest.
    pub(in crate::store) async fn enter(self: &Arc<Self>, queue_time: Duration) -> Result<Permit, Refused> {
        self.enter_at(0, queue_time).await
    }

    /// Waits for a permit before all others, for work of which there is little and that many requests depend on.
    pub(in crate::store) async fn enter_first(self: &Arc<Self>) -> Result<Permit, Refused> {
        self.enter_at(FIRST, Duration::ZERO).await
    }

    pub(in crate::store) fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    async fn enter_at(self: &Arc<Self>, place: u64, queue_time: Duration) -> Result<Permit, Refused> {
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        let mut waiter = self.join_queue(place, now() + queue_time * STALE_FIFTHS / 5);
        // One may have become free before this was in the queue.
        self.hand_over();
        (&mut waiter.permit).await.map_err(|_refused| Refused)
    }

    fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        // In one order with the length of the queue: either the one that leaves sees the one that waits, or the one that
        // waits sees that there is room.
        let more = |in_flight| (in_flight < self.limit).then_some(in_flight + 1);
        let entered = self
            .in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        entered.ok().map(|_| Permit(self.clone()))
    }

    /// Joins the queue. If it is full, the one that waits longest leaves it.
    fn join_queue(&self, place: u64, stale_at: Instant) -> Waiter<'_> {
        let (turn, permit) = oneshot::channel();
        let mut queue = self.queue();
        let number = place + queue.arrived;
        queue.arrived += 1;
        queue.waiting.insert(number, Place { stale_at, turn });
        let refused = if queue.waiting.len() > MAX_WAITING {
            queue.waiting.pop_first()
        } else {
            None
        };
        self.set_waiting(&queue);
        drop(queue);
        drop(refused);
        Waiter {
            gate: self,
            number,
            permit,
        }
    }

    /// Gives a free permit to the next in the queue.
    fn hand_over(self: &Arc<Self>) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let Some(permit) = self.try_enter() else {
            return;
        };
        let mut queue = self.queue();
        let next = queue.next(now());
        self.set_waiting(&queue);
        // The lock is not held while a permit is dropped, which takes it.
        drop(queue);
        if let Some(next) = next {
            // If it has just gone, another one has the permit.
            let _gone = next.turn.send(permit);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_waiting(&self, queue: &Queue) {
        self.waiting.store(queue.waiting.len(), Ordering::SeqCst);
    }
}

impl Queue {
    fn next(&mut self, now: Instant) -> Option<Place> {
        let first = self.waiting.range(FIRST..).next().map(|(number, _)| *number);
        if let Some(first) = first {
            return self.waiting.remove(&first);
        }
        let oldest = self.waiting.first_entry()?;
        if oldest.get().stale_at > now {
            return Some(oldest.remove());
        }
        self.waiting.pop_last().map(|(_, newest)| newest)
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures how long requests wait")]
fn now() -> Instant {
    Instant::now()
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.0.hand_over();
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut queue = self.gate.queue();
        queue.waiting.remove(&self.number);
        self.gate.set_waiting(&queue);
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, task::Poll};

    use futures_util::{FutureExt as _, poll};

    use super::*;

    fn gate(limit: usize) -> Arc<Gate> {
        Arc::new(Gate::new(limit))
    }

    const LONG: Duration = Duration::from_hours(1);

    type Entering = Pin<Box<dyn Future<Output = Result<Permit, Refused>> + Send>>;

    fn entering(gate: &Arc<Gate>) -> Entering {
        let gate = gate.clone();
        Box::pin(async move { gate.enter(LONG).await })
    }

    async fn waits(entering: &mut Entering) -> bool {
        poll!(entering).is_pending()
    }

    async fn is_admitted(entering: &mut Entering) -> bool {
        // The permit is given back at once.
        matches!(poll!(entering), Poll::Ready(Ok(_)))
    }

    #[tokio::test]
    async fn as_many_as_the_limit_enter_at_once() {
        let gate = gate(2);
        let permits: Vec<Permit> = (0..2)
            .map(|_| gate.enter(LONG).now_or_never().unwrap().unwrap())
            .collect();
        let mut third = entering(&gate);
        assert!(waits(&mut third).await);
        assert_eq!(gate.load().waiting, 1);
        drop(permits);
        assert!(is_admitted(&mut third).await);
        assert_eq!((gate.load().in_flight, gate.load().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_has_the_next_turn_until_it_is_stale() {
        let gate = gate(1);
        let permit = gate.enter(LONG).await.unwrap();
        let [mut first, mut second, mut third, mut fourth] = [(); 4].map(|()| entering(&gate));
        for waiting in [&mut first, &mut second, &mut third, &mut fourth] {
            assert!(waits(waiting).await);
        }
        tokio::time::advance(LONG / 2).await;
        drop(permit);
        assert!(waits(&mut second).await && waits(&mut fourth).await);
        let Poll::Ready(Ok(permit)) = poll!(&mut first) else {
            panic!("the oldest waits");
        };
        tokio::time::advance(LONG / 3).await;
        drop(permit);
        assert!(waits(&mut second).await && waits(&mut third).await);
        assert!(is_admitted(&mut fourth).await);
        assert!(is_admitted(&mut third).await);
        assert!(is_admitted(&mut second).await);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_return_at_once_starve_nobody() {
        let gate = gate(1);
        let served = std::cell::Cell::new([0; 4]);
        let callers = (0..4).map(async |caller: usize| {
            for _ in 0..50 {
                let entered =
                    tokio::time::timeout(Duration::from_millis(500), gate.enter(Duration::from_millis(500)));
                let _permit = entered.await.expect("a turn in time").unwrap();
                tokio::time::sleep(Duration::from_millis(90)).await;
                let mut counts = served.get();
                counts[caller] += 1;
                served.set(counts);
            }
        });
        futures_util::future::join_all(callers).await;
        assert_eq!(served.get(), [50; 4]);
    }

    #[tokio::test]
    async fn the_first_goes_before_those_that_are_newer() {
        let gate = gate(1);
        let permit = gate.enter(LONG).await.unwrap();
        let first = gate.clone();
        let mut first: Entering = Box::pin(async move { first.enter_first().await });
        assert!(waits(&mut first).await);
        let mut newer = entering(&gate);
        assert!(waits(&mut newer).await);
        drop(permit);
        assert!(waits(&mut newer).await);
        assert!(is_admitted(&mut first).await);
        assert!(is_admitted(&mut newer).await);
    }

    #[tokio::test]
    async fn one_that_gives_up_leaves_the_queue_and_loses_no_permit() {
        let gate = gate(1);
        let permit = gate.enter(LONG).await.unwrap();
        let (mut stays, mut early, mut late) = (entering(&gate), entering(&gate), entering(&gate));
        assert!(waits(&mut stays).await && waits(&mut early).await && waits(&mut late).await);
        drop(early);
        assert_eq!(gate.load().waiting, 2);
        // It has the permit, and gives up before it learns of it.
        drop(permit);
        drop(late);
        assert!(is_admitted(&mut stays).await);
        assert_eq!((gate.load().in_flight, gate.load().waiting), (0, 0));
    }

    #[tokio::test]
    async fn the_oldest_leaves_a_full_queue() {
        let gate = gate(1);
        let _permit = gate.enter(LONG).await.unwrap();
        let mut queue: Vec<Entering> = (0..=MAX_WAITING).map(|_| entering(&gate)).collect();
        for waiting in &mut queue {
            assert!(waits(waiting).await);
        }
        assert!(matches!(poll!(&mut queue[0]), Poll::Ready(Err(Refused))));
        assert!(waits(&mut queue[1]).await);
        assert_eq!(gate.load().waiting, MAX_WAITING);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_permit_is_lost_or_made_among_threads() {
        let gate = gate(3);
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..32_u64)
            .map(|task| {
                let (gate, inside) = (gate.clone(), inside.clone());
                tokio::spawn(async move {
                    for step in 0..500 {
                        // Some wait for so short a time that their permit and the end of it meet.
                        let queue_time = if (task + step) % 3 == 0 {
                            Duration::ZERO
                        } else {
                            Duration::from_hours(1)
                        };
                        if let Ok(Ok(_permit)) = tokio::time::timeout(queue_time, gate.enter(LONG)).await {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                            if step % 2 == 0 {
                                tokio::task::yield_now().await;
                            }
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let load = gate.load();
        assert_eq!((load.in_flight, load.waiting), (0, 0));
    }
}
