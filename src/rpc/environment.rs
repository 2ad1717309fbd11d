//! The clock and the random generators of the handlers, which pass their values to the domain.

#![expect(
    clippy::disallowed_methods,
    reason = "the only place where handlers read the clock or make random values"
)]

use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use super::failure::Failure;
use crate::domain::{ids::ClientId, kept_response::ResponseNonce, secret::SecretSeed, timestamp::Timestamp};

/// The youngest age at which a stream of messages ends by itself.
const YOUNGEST: Duration = Duration::from_mins(30);

#[derive(Debug, Error)]
#[error("the operating system returned no random bytes")]
struct NoRandomBytes;

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Returns the current time of the clock that timers use.
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// Returns the age at which a stream ends: 30 to 60 minutes.
pub(super) fn stream_age() -> Duration {
    let mut random = [0; 2];
    // Without random bytes it is the shortest one.
    let _filled = aws_lc_rs::rand::fill(&mut random);
    let share = u32::from(u16::from_le_bytes(random));
    YOUNGEST + YOUNGEST * share / u32::from(u16::MAX)
}

pub(super) fn new_client_id() -> ClientId {
    ClientId::from_uuid(Uuid::now_v7())
}

pub(super) fn secret_seed() -> Result<SecretSeed, Failure> {
    random_bytes().map(SecretSeed::from_bytes)
}

pub(super) fn response_nonce() -> Result<ResponseNonce, Failure> {
    random_bytes().map(ResponseNonce::from_bytes)
}

fn random_bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::internal(NoRandomBytes))?;
    Ok(bytes)
}
