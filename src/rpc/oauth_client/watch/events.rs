//! What a stream sends, one message after the other.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use derive_more::Debug;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::{
    admission::Admitted,
    ends::{Ends, stopped, too_slow, unreadable},
    messages,
    request::{Begin, WatchRequest, expired, point},
};
use crate::{
    domain::{
        change_position::{Position, Seen},
        ids::ClientId,
        resume_token::{Point, Stream},
    },
    pb::v1,
    rpc::{environment, failure::Failure, stack::request_log::record_outcome},
    store::{Live, WatchedChange, Watching},
};

/// The longest time without a message.
const QUIET: Duration = Duration::from_secs(8);
/// The time before the records of a point are purged at which its token expires: about how long a change may take, and by
/// how much clocks may differ.
const PURGE_MARGIN: Duration = Duration::from_mins(1);

type Message = v1::WatchOAuthClientsResponse;

/// The messages of a stream.
#[derive(Debug)]
pub(super) struct Events {
    stream: Stream,
    watching: Watching,
    phase: Phase,
    ready: VecDeque<Message>,
    /// The changes that were read from the database and are not messages yet.
    slice: Option<Slice>,
    /// Is `true` once the reader has been told that it has caught up.
    is_told: bool,
    /// The time at which the last message was made.
    last: Instant,
    ends: Ends,
    /// The end of the stream, after the messages that are ready. Nothing follows it.
    end: Option<Result<(), Failure>>,
    is_over: bool,
    change_retention: Duration,
    _admitted: Admitted,
}

/// Some changes from the database, in parts, and the position after them.
#[derive(Debug)]
struct Slice {
    #[debug(skip)]
    parts: Box<dyn Iterator<Item = Vec<WatchedChange>> + Send>,
    end: Position,
}

#[derive(Debug)]
enum Phase {
    /// The clients as they are, after one of them.
    Initial {
        past: Arc<Seen>,
        after: Option<ClientId>,
    },
    /// The changes up to the head, from the database.
    CatchUp(Position),
    /// The changes after the head.
    Live {
        position: Position,
        /// Is `true` until a change was taken from memory.
        is_new: bool,
    },
}

impl Events {
    /// Begins a stream.
    ///
    /// # Errors
    /// If its token is of another stream or database, or too old.
    pub(super) fn begin(
        request: &WatchRequest,
        watching: Watching,
        ends: Ends,
        change_retention: Duration,
        admitted: Admitted,
    ) -> Result<Self, Failure> {
        let head = watching.head();
        let stream = request.stream(head);
        let now = Position::after(head.seen.clone());
        let phase = match request.begin() {
            Begin::Now => Phase::CatchUp(now),
            Begin::Initial => Phase::Initial {
                past: head.seen.clone(),
                after: None,
            },
            Begin::After(token) => match point(&stream, token)? {
                Point::Initial { past, after } => Phase::Initial { past, after },
                Point::Changes(position) => Phase::CatchUp(position),
            },
        };
        let events = Self {
            stream,
            watching,
            phase,
            ready: VecDeque::new(),
            slice: None,
            is_told: false,
            last: environment::instant(),
            ends,
            end: None,
            is_over: false,
            change_retention,
            _admitted: admitted,
        };
        events.check_retention()?;
        Ok(events)
    }

    /// Returns the next message, or the end.
    pub(super) async fn next(&mut self) -> Option<Result<Message, Status>> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                self.last = environment::instant();
                return Some(Ok(message));
            }
            match self.end.take() {
                Some(end) => {
                    self.is_over = true;
                    return end.err().map(|failure| Err(recorded(failure)));
                }
                None if self.is_over => return None,
                None => {}
            }
            if let Some(end) = self.end_now() {
                self.end_after_token(end);
            } else if let Err(failure) = self.advance().await {
                self.end = Some(Err(failure));
            }
        }
    }

    fn end_now(&self) -> Option<Result<(), Failure>> {
        if self.watching.is_closed() {
            return Some(Err(stopped()));
        }
        self.ends.reached(environment::instant())
    }

    fn end_after_token(&mut self, end: Result<(), Failure>) {
        self.bookmark();
        self.end = Some(end);
    }

    fn bookmark(&mut self) {
        let bookmark = messages::bookmark(&self.stream, &self.point());
        self.ready.push_back(bookmark);
    }

    /// Returns where the stream is, after the messages that are ready.
    fn point(&self) -> Point {
        match &self.phase {
            Phase::Initial { past, after } => Point::Initial {
                past: past.clone(),
                after: after.clone(),
            },
            Phase::CatchUp(position) | Phase::Live { position, .. } => Point::Changes(position.clone()),
        }
    }

    /// Makes messages, or waits for what they are made of.
    async fn advance(&mut self) -> Result<(), Failure> {
        match &mut self.phase {
            Phase::Initial { past, after } => {
                let clients = self.watching.clients_after(after.as_ref()).await?;
                for client in &clients {
                    let point = Point::Initial {
                        past: past.clone(),
                        after: Some(client.id().clone()),
                    };
                    self.ready
                        .push_back(messages::initial(&self.stream, &point, client));
                }
                match clients.last() {
                    Some(last) => *after = Some(last.id().clone()),
                    None => self.end_initial(),
                }
                Ok(())
            }
            Phase::CatchUp(_) => self.catch_up().await,
            Phase::Live { .. } => self.follow().await,
        }
    }

    fn end_initial(&mut self) {
        if let Phase::Initial { past, .. } = &self.phase {
            let position = Position::after(past.clone());
            let point = Point::Changes(position.clone());
            self.ready.push_back(messages::initial_end(&self.stream, &point));
            self.phase = Phase::CatchUp(position);
        }
    }

    async fn catch_up(&mut self) -> Result<(), Failure> {
        let Phase::CatchUp(position) = &mut self.phase else {
            return Ok(());
        };
        if let Some(slice) = &mut self.slice {
            let Some(mut part) = slice.parts.next() else {
                *position = slice.end.clone();
                self.slice = None;
                return Ok(());
            };
            self.watching.add_clients(&mut part).await?;
            for change in &part {
                self.ready.push_back(messages::change(&self.stream, change)?);
                *position = change.position.clone();
            }
            return Ok(());
        }
        if position.is_after(&self.watching.head().seen) {
            *position = Position::after(self.watching.head().seen.clone());
            return self.meet().await;
        }
        let (parts, end) = self.watching.catch_up(position).await?;
        self.slice = Some(Slice {
            parts: Box::new(parts),
            end,
        });
        self.check_retention()?;
        if environment::instant() >= self.last + QUIET {
            self.bookmark();
        }
        Ok(())
    }

    /// Goes on to the changes in memory.
    async fn meet(&mut self) -> Result<(), Failure> {
        if !self.is_told {
            // Tells a reader that it has caught up. It waits for the headers, too.
            self.is_told = true;
            self.bookmark();
        } else if self.watching.has_met()
            && let Point::Changes(position) = self.point()
        {
            self.phase = Phase::Live {
                position,
                is_new: true,
            };
        } else {
            self.watching.meet().await?;
            self.check_incarnation()?;
            if environment::instant() >= self.last + QUIET {
                self.bookmark();
            }
        }
        Ok(())
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let Phase::Live { position, is_new } = &mut self.phase else {
            return Ok(());
        };
        match self.watching.next_live() {
            Live::Changes(changes, last) => {
                for change in changes {
                    self.ready.push_back(messages::change(&self.stream, &change)?);
                }
                if let Some(last) = last {
                    *position = last;
                }
                *is_new = false;
                Ok(())
            }
            Live::Idle(head) => {
                if let Some(head) = head {
                    *position = Position::after(head.seen);
                }
                self.wait_or_tell().await;
                Ok(())
            }
            Live::Lost if *is_new => {
                // Catching up took longer than memory reaches back.
                let position = position.clone();
                self.watching.begin_again().await?;
                self.phase = Phase::CatchUp(position);
                self.check_incarnation()
            }
            Live::Lost => Err(too_slow()),
            Live::OtherDatabase => Err(restored()),
            Live::Closed => Ok(()),
        }
    }

    /// Waits until there may be a change, or tells the reader that there was none for long.
    async fn wait_or_tell(&mut self) {
        let quiet = self.last + QUIET;
        if environment::instant() < quiet {
            tokio::select! {
                () = self.watching.published() => {}
                () = sleep_until(quiet.min(self.ends.next())) => {}
            }
        } else if self.watching.was_read() {
            self.bookmark();
        } else {
            self.end_after_token(Err(unreadable()));
        }
    }

    fn check_incarnation(&self) -> Result<(), Failure> {
        if self.watching.head().incarnation == self.stream.incarnation() {
            Ok(())
        } else {
            Err(restored())
        }
    }

    /// Checks that every record after the point is still there.
    fn check_retention(&self) -> Result<(), Failure> {
        let past = match &self.phase {
            Phase::Initial { past, .. } => past,
            Phase::CatchUp(position) | Phase::Live { position, .. } => &position.past,
        };
        let age = environment::now().as_micros() - past.time.as_micros();
        let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
        if age + PURGE_MARGIN < self.change_retention {
            Ok(())
        } else {
            Err(expired("the resume token is older than change records are kept"))
        }
    }
}

fn restored() -> Failure {
    expired("the database was restored since the resume token was made")
}

/// Converts a failure within a stream. Its cause would not reach the log with the status.
fn recorded(failure: Failure) -> Status {
    let status = Status::from(failure);
    record_outcome(&status);
    status
}
