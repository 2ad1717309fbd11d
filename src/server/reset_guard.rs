//! Closes HTTP/2 connections whose peer opens streams and resets them at once (CVE-2023-44487, "rapid reset").
//!
//! A reset stream no longer counts against the limit of concurrent streams, so such a peer has the server begin any number
//! of requests without waiting for a response. The HTTP library only limits the streams that are reset before it has begun
//! their requests. `docs/decisions/rapid-reset.md` says how such a peer is told from one with short deadlines.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::frames::{Frame, Frames};

/// The number of streams that a connection may reset at once, at the beginning and at most.
const BUDGET: u32 = 1_000;
/// The number of them that it gets back each second.
const REFILL_PER_SECOND: u32 = 100;
/// A stream that is reset at this age, or twice this age at most, is not reset at once.
const EARLY: Duration = Duration::from_millis(10);
/// A stream after which so many were opened before it was reset seems early only because one side was slow: its headers
/// and its reset arrived together, but there was time in between. Slowness does not change the order.
const FAR: u32 = 64;
/// The part of the cost of other resets that such a reset has.
const FAR_PART: u32 = 8;
/// The greatest number of early resets without a finished response between them.
pub(super) const MOST_RESETS: u32 = BUDGET * FAR_PART;

/// Too many streams of a connection were reset at once.
#[derive(Debug, Error)]
#[error("too many streams were reset at once")]
struct TooManyResets;

/// A byte stream that fails once its peer has reset too many streams at once.
pub(super) struct ResetGuard<T> {
    io: T,
    received: Frames,
    sent: Frames,
    resets: Resets,
}

/// The balance of a connection.
#[derive(Debug)]
struct Resets {
    /// In parts of a reset.
    budget: u32,
    refilled: Instant,
    /// The latest stream.
    latest: u32,
    /// The latest stream at a time.
    marked: (u32, Instant),
    /// The latest stream that is not early any more.
    settled: u32,
}

impl<T> ResetGuard<T> {
    pub(super) fn new(io: T) -> Self {
        Self {
            io,
            received: Frames::of_client(),
            sent: Frames::of_server(),
            resets: Resets::new(now()),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), TooManyResets> {
        if self.received.is_other_protocol() {
            return Ok(());
        }
        let now = now();
        self.resets.settle(now);
        let mut outcome = Ok(());
        self.received.read(bytes, |frame| match frame {
            Frame::Headers { stream, .. } => self.resets.opened(stream),
            Frame::Reset { stream } if outcome.is_ok() => outcome = self.resets.reset(stream, now),
            Frame::Reset { .. } | Frame::LastData => {}
        });
        outcome
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.received.is_other_protocol() {
            return;
        }
        self.sent.read(bytes, |frame| match frame {
            Frame::Headers { ends: true, .. } | Frame::LastData => self.resets.finished(),
            Frame::Headers { .. } | Frame::Reset { .. } => {}
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures the age of streams")]
fn now() -> Instant {
    Instant::now()
}

impl Resets {
    fn new(now: Instant) -> Self {
        Self {
            budget: MOST_RESETS,
            refilled: now,
            latest: 0,
            marked: (0, now),
            settled: 0,
        }
    }

    /// Notes which streams are not early any more, without a list of them: every stream up to the mark is as old as the
    /// mark. All bytes until now have been read.
    fn settle(&mut self, now: Instant) {
        let (marked, at) = self.marked;
        let age = now.saturating_duration_since(at);
        if age >= EARLY {
            // If nothing was read for that long, all that was opened since is as old.
            self.settled = if age >= 2 * EARLY { self.latest } else { marked };
            self.marked = (self.latest, now);
        }
    }

    fn opened(&mut self, stream: u32) {
        self.latest = self.latest.max(stream);
    }

    /// Counts a response that was sent whole.
    fn finished(&mut self) {
        self.earn(FAR_PART);
    }

    fn reset(&mut self, stream: u32, now: Instant) -> Result<(), TooManyResets> {
        if stream <= self.settled {
            return Ok(());
        }
        self.refill(now);
        // The numbers of a client's streams are odd.
        let opened_since = self.latest.saturating_sub(stream) / 2;
        let cost = if opened_since < FAR { FAR_PART } else { 1 };
        self.budget = self.budget.checked_sub(cost).ok_or(TooManyResets)?;
        Ok(())
    }

    fn earn(&mut self, parts: u32) {
        self.budget = self.budget.saturating_add(parts).min(MOST_RESETS);
    }

    fn refill(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.refilled);
        let parts = age.as_millis() * u128::from(REFILL_PER_SECOND * FAR_PART) / 1_000;
        if parts > 0 {
            self.earn(u32::try_from(parts).unwrap_or(u32::MAX));
            self.refilled = now;
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for ResetGuard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let bytes = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.receive(bytes).map_err(|error| {
            tracing::warn!(%error, "connection closed");
            io::Error::new(io::ErrorKind::ConnectionAborted, error)
        }))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for ResetGuard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.send(bytes.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?;
        let mut left = written;
        for slice in slices {
            let length = left.min(slice.len());
            self.send(slice.get(..length).unwrap_or_default());
            left -= length;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::advance,
    };

    use super::{
        super::frames::tests::{headers, last_data, preface, reset},
        *,
    };

    /// Both sides of a connection, whose client sends frames and whose server reads them at once.
    struct Pair {
        client: DuplexStream,
        server: ResetGuard<DuplexStream>,
        stream: u32,
    }

    impl Pair {
        async fn new() -> Self {
            let (client, server) = tokio::io::duplex(1 << 16);
            let mut pair = Self {
                client,
                server: ResetGuard::new(server),
                stream: 1,
            };
            pair.exchange(&preface()).await.unwrap();
            pair
        }

        async fn exchange(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.client.write_all(bytes).await.unwrap();
            let mut read = vec![0; bytes.len()];
            self.server.read_exact(&mut read).await.map(drop)
        }

        async fn open(&mut self) -> u32 {
            let stream = self.stream;
            self.stream += 2;
            self.exchange(&headers(stream)).await.unwrap();
            stream
        }

        async fn respond(&mut self, stream: u32) {
            let response = [headers(stream), last_data(stream)].concat();
            self.server.write_all(&response).await.unwrap();
            let mut read = vec![0; response.len()];
            self.client.read_exact(&mut read).await.unwrap();
        }

        /// Returns how many streams may be opened and reset at once.
        async fn rapid_resets(&mut self) -> u32 {
            for number in 0.. {
                let stream = self.open().await;
                if self.exchange(&reset(stream)).await.is_err() {
                    return number;
                }
            }
            unreachable!()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_rapid_resets_fails() {
        assert_eq!(Pair::new().await.rapid_resets().await, BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_live_for_a_while_may_all_be_reset() {
        let mut pair = Pair::new().await;
        for _ in 0..60 {
            let mut streams = Vec::new();
            for _ in 0..100 {
                streams.push(pair.open().await);
            }
            advance(2 * EARLY).await;
            for stream in streams {
                pair.exchange(&reset(stream)).await.unwrap();
            }
        }
        assert_eq!(pair.rapid_resets().await, BUDGET);
    }

    #[tokio::test(start_paused = true)]
    async fn streams_that_seem_early_as_a_side_was_slow_may_be_reset() {
        let mut pair = Pair::new().await;
        // 200 callers, each of which gives up one request and sends the next. All arrives at once.
        for _ in 0..200 {
            pair.open().await;
        }
        for _ in 0..6_000 {
            let oldest = pair.stream - 400;
            pair.exchange(&reset(oldest)).await.unwrap();
            pair.open().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_of_streams_does_not_hide_rapid_resets() {
        let mut pair = Pair::new().await;
        for _ in 0..200 {
            pair.open().await;
        }
        let mut resets = 0;
        loop {
            let oldest = pair.stream - 400;
            if pair.exchange(&reset(oldest)).await.is_err() {
                break;
            }
            resets += 1;
            pair.open().await;
        }
        assert_eq!(resets, MOST_RESETS);
    }

    #[tokio::test(start_paused = true)]
    async fn each_finished_response_allows_for_another_reset() {
        let mut pair = Pair::new().await;
        for _ in 0..2 * BUDGET {
            let (finished, given_up) = (pair.open().await, pair.open().await);
            pair.respond(finished).await;
            pair.exchange(&reset(given_up)).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_stream_of_resets_is_allowed() {
        let mut pair = Pair::new().await;
        for _ in 0..3 * BUDGET {
            let stream = pair.open().await;
            pair.exchange(&reset(stream)).await.unwrap();
            advance(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn other_protocols_pass() {
        let mut pair = Pair::new().await;
        pair.server = ResetGuard::new(pair.server.io);
        for stream in 0..2 * BUDGET {
            pair.exchange(&reset(stream)).await.unwrap();
        }
    }
}
