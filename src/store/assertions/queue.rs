//! The uses of assertions that wait to be recorded, and the turns of those that record them.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sea_orm::{ConnAcquireErr, DbErr};
use tokio::sync::oneshot;

use super::{AssertionUse, Key};
use crate::{domain::timestamp::Timestamp, store::error::StoreError};

/// The most uses that are recorded in one statement.
const MAX_GROUP: usize = 256;
/// The most uses that wait. A database that takes longer than the deadline of a request for so many is overloaded.
const MAX_WAITING: usize = 8_192;

/// The uses of assertions that wait to be recorded.
#[derive(Debug)]
pub(in crate::store) struct Queue {
    /// The number of uses in hand from which on others wait.
    max_apart: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Is empty while there is no turn.
    waiting: Vec<PendingUse>,
    /// The number of uses that turns have in hand, or are about to.
    in_hand: usize,
}

/// A use of an assertion that waits to be recorded.
#[derive(Debug)]
pub(super) struct PendingUse {
    pub(super) key: Key,
    pub(super) expires_at: Timestamp,
    outcome: oneshot::Sender<Result<AssertionUse, StoreError>>,
}

/// The right and the duty to record a use, and then what waits by that time, together. While other turns have many uses in
/// hand, what waits is left to them, as fewer and larger groups take less time.
#[derive(Debug)]
pub(super) struct Turn {
    queue: Arc<Queue>,
    /// The use that began the turn, until it is taken.
    first: Option<PendingUse>,
    in_hand: usize,
    has_ended: bool,
}

impl PendingUse {
    pub(super) fn new(
        key: Key,
        expires_at: Timestamp,
        outcome: oneshot::Sender<Result<AssertionUse, StoreError>>,
    ) -> Self {
        Self {
            key,
            expires_at,
            outcome,
        }
    }

    /// Tells the request the outcome, if it still waits.
    pub(super) fn end(self, outcome: AssertionUse) {
        drop(self.outcome.send(Ok(outcome)));
    }

    /// Tells the request that its use was not recorded, or that nobody knows.
    pub(super) fn fail(self, error: &StoreError) {
        drop(self.outcome.send(Err(error.clone())));
    }

    /// Returns `true` if no request waits for the outcome. Such a use is not recorded, and the assertion can still be used.
    fn is_abandoned(&self) -> bool {
        self.outcome.is_closed()
    }
}

impl Queue {
    pub(in crate::store) fn new(max_apart: usize) -> Self {
        Self {
            max_apart,
            state: Mutex::default(),
        }
    }

    /// Begins a turn with a use, or has the use wait if turns have enough uses in hand.
    ///
    /// # Errors
    /// If too many uses wait already.
    pub(super) fn push(self: &Arc<Self>, pending: PendingUse) -> Result<Option<Turn>, StoreError> {
        let mut state = self.lock();
        if state.in_hand < self.max_apart {
            state.in_hand += 1;
            return Ok(Some(Turn {
                queue: self.clone(),
                first: Some(pending),
                in_hand: 1,
                has_ended: false,
            }));
        }
        if state.waiting.len() >= MAX_WAITING {
            return Err(StoreError::Unavailable(DbErr::ConnectionAcquire(
                ConnAcquireErr::Timeout,
            )));
        }
        state.waiting.push(pending);
        Ok(None)
    }

    /// Locks the state, which is whole also if a thread panicked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Returns `true` if there is a use to record. Otherwise the turn is over.
    pub(super) fn goes_on(&mut self) -> bool {
        self.first.take_if(|first| first.is_abandoned());
        let mut state = self.queue.lock();
        state.forget_abandoned();
        let others = state.in_hand - self.in_hand;
        let takes_waiting = !state.waiting.is_empty() && others < self.queue.max_apart;
        self.has_ended = self.first.is_none() && !takes_waiting;
        self.in_hand = usize::from(!self.has_ended);
        state.in_hand = others + self.in_hand;
        !self.has_ended
    }

    /// Takes the uses that have waited longest, as many as are recorded in one statement.
    pub(super) fn take_group(&mut self) -> Vec<PendingUse> {
        let mut state = self.queue.lock();
        state.forget_abandoned();
        let count = state.waiting.len().min(MAX_GROUP - 1);
        let first = self.first.take().filter(|first| !first.is_abandoned());
        let group: Vec<PendingUse> = first.into_iter().chain(state.waiting.drain(..count)).collect();
        state.in_hand += group.len();
        state.in_hand -= mem::replace(&mut self.in_hand, group.len());
        group
    }

    /// Takes all uses.
    pub(super) fn take_all(&mut self) -> Vec<PendingUse> {
        let waiting = mem::take(&mut self.queue.lock().waiting);
        self.first.take().into_iter().chain(waiting).collect()
    }
}

impl Drop for Turn {
    /// Lets the next use begin another turn, also if this one was cut off by a panic or the end of the runtime.
    fn drop(&mut self) {
        if !self.has_ended {
            let mut state = self.queue.lock();
            state.in_hand -= self.in_hand;
            if state.in_hand == 0 {
                state.waiting.clear();
            }
        }
    }
}

impl State {
    fn forget_abandoned(&mut self) {
        self.waiting.retain(|pending| !pending.is_abandoned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = oneshot::Receiver<Result<AssertionUse, StoreError>>;

    fn push(queue: &Arc<Queue>) -> (Result<Option<Turn>, StoreError>, Outcome) {
        let (outcome, recorded) = oneshot::channel();
        let key = Key {
            tenant: "acme".to_owned(),
            client: "a".to_owned(),
            digest: [0; 32],
        };
        let pending = PendingUse::new(key, Timestamp::from_micros(0), outcome);
        (queue.push(pending), recorded)
    }

    #[test]
    fn a_turn_takes_its_use_with_what_has_arrived_and_ends_when_nothing_waits() {
        let queue = Arc::new(Queue::new(1));
        let (turn, _first) = push(&queue);
        let mut turn = turn.unwrap().unwrap();
        let (none, _second) = push(&queue);
        assert!(none.unwrap().is_none());
        assert!(turn.goes_on());
        assert_eq!(turn.take_group().len(), 2);
        let (none, _third) = push(&queue);
        assert!(none.unwrap().is_none());
        assert!(turn.goes_on());
        assert_eq!(turn.take_group().len(), 1);
        assert!(!turn.goes_on());

        let (next, _fourth) = push(&queue);
        let next = next.unwrap();
        assert!(next.is_some());
        // Dropping the turn that is over does not end the next.
        drop(turn);
        let (none, _fifth) = push(&queue);
        assert!(none.unwrap().is_none());
    }

    #[test]
    fn uses_begin_turns_of_their_own_until_there_are_enough() {
        let queue = Arc::new(Queue::new(3));
        let pushed: Vec<_> = (0..5).map(|_| push(&queue)).collect();
        let (turns, _outcomes): (Vec<_>, Vec<Outcome>) = pushed.into_iter().unzip();
        let mut turns: Vec<Turn> = turns.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(turns.len(), 3);
        // The first takes what waits.
        let groups: Vec<usize> = turns.iter_mut().map(|turn| turn.take_group().len()).collect();
        assert_eq!(groups, [3, 1, 1]);
        assert!(turns.iter_mut().all(|turn| !turn.goes_on()));
        assert!(push(&queue).0.unwrap().is_some());
    }

    #[test]
    fn what_waits_is_left_to_the_turns_with_many_uses_in_hand() {
        let queue = Arc::new(Queue::new(2));
        let pushed: Vec<_> = (0..4).map(|_| push(&queue)).collect();
        let (turns, _outcomes): (Vec<_>, Vec<Outcome>) = pushed.into_iter().unzip();
        let turns: Vec<Turn> = turns.into_iter().filter_map(Result::unwrap).collect();
        let [mut large, mut small] = <[Turn; 2]>::try_from(turns).unwrap();
        assert_eq!([large.take_group().len(), small.take_group().len()], [3, 1]);
        let (none, _fifth) = push(&queue);
        assert!(none.unwrap().is_none());
        assert!(!small.goes_on());
        assert!(large.goes_on());
        // While it has not taken the group yet, another use begins.
        let (turn, _sixth) = push(&queue);
        let mut other = turn.unwrap().unwrap();
        assert_eq!([other.take_group().len(), large.take_group().len()], [2, 0]);
        assert!(!large.goes_on());
        assert!(!other.goes_on());
        assert_eq!(queue.lock().in_hand, 0);
    }

    #[test]
    fn a_group_has_256_uses_at_most_and_8192_wait_at_most() {
        let queue = Arc::new(Queue::new(1));
        let (turn, _first) = push(&queue);
        let mut turn = turn.unwrap().unwrap();
        let _waiting: Vec<Outcome> = (0..8_192).map(|_| push(&queue).1).collect();
        assert!(matches!(push(&queue).0, Err(StoreError::Unavailable(_))));
        let mut groups = Vec::new();
        while turn.goes_on() {
            groups.push(turn.take_group().len());
        }
        assert_eq!(groups.iter().sum::<usize>(), 8_193);
        assert_eq!(groups.iter().max(), Some(&256));
    }

    #[test]
    fn uses_that_were_given_up_are_not_taken() {
        let queue = Arc::new(Queue::new(1));
        let (turn, first) = push(&queue);
        let mut turn = turn.unwrap().unwrap();
        let (_, second) = push(&queue);
        let (_, _third) = push(&queue);
        drop((first, second));
        assert!(turn.goes_on());
        assert_eq!(turn.take_group().len(), 1);
        assert!(!turn.goes_on());
    }

    #[test]
    fn a_turn_that_is_cut_off_fails_what_waits_and_lets_the_next_begin() {
        let queue = Arc::new(Queue::new(1));
        let (turn, first) = push(&queue);
        let (_, second) = push(&queue);
        drop(turn);
        for mut recorded in [first, second] {
            let outcome = recorded.try_recv().unwrap_err();
            assert_eq!(outcome, oneshot::error::TryRecvError::Closed);
        }
        assert!(push(&queue).0.unwrap().is_some());
    }
}
