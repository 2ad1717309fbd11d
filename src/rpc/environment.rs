//! The clock and the random generators of the handlers, which pass their values to the domain.

#![expect(
    clippy::disallowed_methods,
    reason = "the only place where handlers read the clock or make random values"
)]

use std::time::SystemTime;

use thiserror::Error;
use uuid::Uuid;

use super::failure::Failure;
use crate::domain::{ids::ClientId, secret::SecretSeed, timestamp::Timestamp};

#[derive(Debug, Error)]
#[error("the operating system returned no random bytes")]
struct NoRandomBytes;

pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

pub(super) fn new_client_id() -> ClientId {
    ClientId::from_uuid(Uuid::now_v7())
}

pub(super) fn secret_seed() -> Result<SecretSeed, Failure> {
    let mut seed = [0; SecretSeed::LEN];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| Failure::internal(NoRandomBytes))?;
    Ok(SecretSeed::from_bytes(seed))
}
