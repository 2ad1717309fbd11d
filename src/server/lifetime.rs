//! The lifetime of a connection: from its first request until it is idle, old, or the server stops.

use std::{pin::pin, time::Duration};

use hyper_util::server::graceful::GracefulConnection;
use tokio::time::sleep;

use super::{
    state::{ConnectionState, jittered},
    transports::StopSignal,
};

/// The most bytes that a connection on which nothing happens writes in a while: those of a few pings.
const KEEP_ALIVE_BYTES: u64 = 64;

/// The limits of the lifetime of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    /// The age at which it retires.
    pub(super) max_age: Duration,
    /// The time without requests after which it retires, if it speaks HTTP/2.
    pub(super) idle_timeout: Duration,
    /// The maximum time for which nothing is written, once it has retired and has no requests.
    pub(super) write_timeout: Duration,
    /// The maximum time from the age at which it retires to its end.
    pub(super) grace: Duration,
}

/// The reason for which a connection takes no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retirement {
    OldOrIdle,
    Stopped,
}

/// Drives a connection to its end.
///
/// A connection retires when it is old or idle, or the server stops. On HTTP/2 it sends GOAWAY then, and ends with its last
/// request. On HTTP/1.1 an old connection ends with its next response, as closing it between two could lose a request; one
/// that is idle, or sends nothing, is closed by other limits.
pub(super) async fn drive<C: GracefulConnection>(
    connection: C,
    state: &ConnectionState,
    lifetime: Lifetime,
    stop: StopSignal,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    let retirement = {
        let mut retirement = pin!(retirement(state, lifetime, stop.clone()));
        tokio::select! {
            biased;
            ended = &mut connection => return ended,
            retirement = &mut retirement => retirement,
        }
    };
    state.retire();
    let mut told = retirement == Retirement::Stopped || state.is_http2();
    if told {
        connection.as_mut().graceful_shutdown();
    }
    let mut overdue = pin!(overdue(state, lifetime));
    let mut stopped = pin!(stop.stopped());
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => return ended,
            () = &mut stopped, if !told => {
                connection.as_mut().graceful_shutdown();
                told = true;
            }
            () = &mut overdue => {
                tracing::debug!("connection cut off");
                return Ok(());
            }
        }
    }
}

async fn retirement(state: &ConnectionState, lifetime: Lifetime, stop: StopSignal) -> Retirement {
    tokio::select! {
        () = old_or_idle(state, lifetime) => Retirement::OldOrIdle,
        () = stop.stopped() => Retirement::Stopped,
    }
}

/// Waits until the connection is old, or, if it speaks HTTP/2, has had no request for its idle time.
async fn old_or_idle(state: &ConnectionState, lifetime: Lifetime) {
    let mut left = jittered(lifetime.max_age);
    let mut idle_halves = 0;
    while !left.is_zero() && idle_halves < 2 {
        let begun = state.begun();
        let pause = left.min(lifetime.idle_timeout / 2);
        sleep(pause).await;
        left = left.saturating_sub(pause);
        let is_idle = state.begun() == begun && !state.has_requests_in_flight() && state.is_http2();
        idle_halves = if is_idle { idle_halves + 1 } else { 0 };
    }
}

/// Waits until a connection that has retired should have ended.
async fn overdue(state: &ConnectionState, lifetime: Lifetime) {
    let mut left = lifetime.grace;
    let mut idle_quarters = 0;
    while !left.is_zero() && idle_quarters < 4 {
        let written = state.written();
        let pause = left.min(lifetime.write_timeout / 4);
        sleep(pause).await;
        left = left.saturating_sub(pause);
        let is_idle = state.written() - written <= KEEP_ALIVE_BYTES
            && !state.has_requests_in_flight()
            && state.is_http2();
        idle_quarters = if is_idle { idle_quarters + 1 } else { 0 };
    }
}
