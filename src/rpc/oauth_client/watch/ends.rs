//! The ends of a stream that is in order.

use std::time::Duration;

use http::{HeaderValue, header::WWW_AUTHENTICATE};
use tokio::time::Instant;

use crate::{
    auth::Caller,
    pb::v1::ErrorReason,
    rpc::{environment, failure::Failure},
};

/// The time after which a caller should continue on another server.
const RETRY: Duration = Duration::from_secs(1);

/// The times at which a stream ends, whatever happens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    token_expires: Instant,
    age: Instant,
}

impl Ends {
    /// Returns the times for a stream of a caller that begins now. The age differs from stream to stream, so that those
    /// that began together do not begin again together.
    pub(super) fn of(caller: &Caller) -> Self {
        let age = environment::stream_age();
        let left = caller.expires().as_micros() - environment::now().as_micros();
        // A stream does not become older than its age.
        let left = Duration::from_micros(u64::try_from(left).unwrap_or_default()).min(age * 2);
        let now = environment::instant();
        Self {
            token_expires: now + left,
            age: now + age,
        }
    }

    /// Returns the next time.
    pub(super) fn next(self) -> Instant {
        self.token_expires.min(self.age)
    }

    /// Returns the end of the stream, if it is time.
    pub(super) fn reached(self, now: Instant) -> Option<Result<(), Failure>> {
        if now >= self.token_expires {
            Some(Err(token_expired()))
        } else if now >= self.age {
            Some(Ok(()))
        } else {
            None
        }
    }
}

fn token_expired() -> Failure {
    Failure::new(ErrorReason::TokenInvalid, "the token has expired").header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    )
}

/// Returns the failure of a stream whose server stops.
pub(super) fn stopped() -> Failure {
    let detail = "the server stops: continue on another one with the last resume token";
    Failure::new(ErrorReason::Unavailable, detail).retry_after(RETRY)
}

/// Returns the failure of a stream whose server cannot read changes.
pub(super) fn unreadable() -> Failure {
    let detail = "the database does not respond: continue with the last resume token";
    Failure::new(ErrorReason::Unavailable, detail).retry_after(RETRY)
}

/// Returns the failure of a stream that is read too slowly.
pub(super) fn too_slow() -> Failure {
    let detail = "the messages were not read in time: continue with the last resume token";
    Failure::new(ErrorReason::WatchTooSlow, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_its_token_or_at_its_age_whichever_is_first() {
        let now = environment::instant();
        let [second, two] = [1, 2].map(Duration::from_secs);
        let ends = |token_expires, age| Ends {
            token_expires: now + token_expires,
            age: now + age,
        };
        assert!(ends(second, two).reached(now).is_none());
        assert!(matches!(ends(second, two).reached(now + second), Some(Err(_))));
        assert!(matches!(ends(two, second).reached(now + second), Some(Ok(()))));
        assert_eq!(ends(two, second).next(), now + second);
    }

    #[test]
    fn the_age_is_from_30_to_60_minutes_and_differs() {
        let ages: Vec<Duration> = (0..100).map(|_| environment::stream_age()).collect();
        let range = Duration::from_mins(30)..=Duration::from_hours(1);
        assert!(ages.iter().all(|age| range.contains(age)), "{ages:?}");
        let shortest = ages.iter().min();
        assert_ne!(shortest, ages.iter().max());
    }
}
