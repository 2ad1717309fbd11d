//! A connection of a transport, with or without TLS.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
};

use super::{
    reset_guard::{self, ResetGuard},
    state::ConnectionState,
};
use crate::gateway::PeerPresence;

/// The maximum time until a peer has sent enough to tell its version of HTTP. From then on, the limits of HTTP apply.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(15);
/// The preface of HTTP/2 (RFC 9113 section 3.4). It is shorter than any HTTP/1.1 request with a host.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The interval between HTTP/2 keep-alive pings.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The maximum time until a ping is acknowledged.
pub(super) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of streams that a peer may have reset before the server has begun with them. [`ResetGuard`] decides before
/// it: when the server is slow to read, the streams of callers with short deadlines arrive together with their resets.
pub(super) const MAX_PENDING_RESETS: usize = reset_guard::MOST_RESETS as usize;

/// A byte stream.
trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection. It fails if it does not begin in time, or before its listener ends, or if its peer is gone although its
/// presence is required.
pub(super) struct Connection {
    io: Pin<Box<dyn Io>>,
    begin: Option<Begin>,
    peer: PeerPresence,
    /// A byte that was read to learn that the peer is there.
    read_ahead: Option<u8>,
}

/// The state of a connection that has not begun.
struct Begin {
    /// The rest of the preface of HTTP/2.
    missing: &'static [u8],
    is_http2: bool,
    state: Arc<ConnectionState>,
    late: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    /// Creates a connection of a listener, which has ended once the sender of `listening` is dropped.
    pub(super) fn new(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        state: Arc<ConnectionState>,
        mut listening: watch::Receiver<()>,
    ) -> Self {
        let late = async move {
            tokio::select! {
                () = tokio::time::sleep(BEGIN_TIMEOUT) => {}
                _ended = listening.changed() => {}
            }
        };
        let peer = state.peer();
        Self {
            io: Box::pin(ResetGuard::new(io)),
            begin: Some(Begin {
                missing: PREFACE,
                is_http2: true,
                state,
                late: Box::pin(late),
            }),
            peer,
            read_ahead: None,
        }
    }

    /// Fails if the peer has closed its half. While a response is sent, the HTTP library flushes the connection whenever it is
    /// polled, but does not read from it.
    fn poll_peer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        ready!(self.io.as_mut().poll_read(cx, &mut buf))?;
        let Some(byte) = buf.filled().first() else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        self.read_ahead = Some(*byte);
        // Whoever reads next has not been told that there is something to read.
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(()))
    }
}

impl Begin {
    /// Takes bytes of the peer, of which there are none at the end, and returns `true` once there are enough.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let taken = bytes.len().min(self.missing.len());
        let (expected, missing) = self.missing.split_at(taken);
        self.is_http2 &= bytes.starts_with(expected);
        self.missing = missing;
        let has_begun = bytes.is_empty() || missing.is_empty();
        if has_begun && missing.is_empty() && self.is_http2 {
            self.state.speaks_http2();
        }
        has_begun
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0
            && let Some(byte) = self.read_ahead.take()
        {
            buf.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = self.io.as_mut().poll_read(cx, buf);
        let Some(begin) = &mut self.begin else {
            return read;
        };
        if read.is_ready() {
            let has_begun = begin.read(buf.filled().get(before..).unwrap_or_default());
            if has_begun {
                self.begin = None;
            }
            return read;
        }
        match begin.late.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.as_mut().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.peer.is_required()
            && self.read_ahead.is_none()
            && let Poll::Ready(Err(gone)) = self.poll_peer(cx)
        {
            return Poll::Ready(Err(gone));
        }
        self.io.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_begin_in_time_fails() {
        for begin in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let listening = watch::Sender::new(());
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(begin).await.unwrap();
            let mut connection = Connection::new(server, Arc::default(), listening.subscribe());
            let read = connection.read_to_end(&mut Vec::new()).await;
            assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut, "{begin:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_begun_may_be_idle_and_outlives_its_listener() {
        let listening = watch::Sender::new(());
        let (mut client, server) = tokio::io::duplex(64);
        let mut connection = Connection::new(server, Arc::default(), listening.subscribe());
        client.write_all(&[b'a'; PREFACE.len()]).await.unwrap();
        connection.read_exact(&mut [0; PREFACE.len()]).await.unwrap();
        drop(listening);
        let rest = tokio::time::timeout(BEGIN_TIMEOUT * 10, connection.read_u8()).await;
        rest.expect_err("it waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_not_begun_ends_with_its_listener() {
        let listening = watch::Sender::new(());
        let (_client, server) = tokio::io::duplex(64);
        let mut connection = Connection::new(server, Arc::default(), listening.subscribe());
        drop(listening);
        let started = tokio::time::Instant::now();
        connection.read_u8().await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn the_preface_tells_the_version() {
        for (begin, is_http2) in [
            (PREFACE, true),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", false),
            (b"PATCH / HTTP/1.1\r\nhost: a\r\n\r\n", false),
        ] {
            let state = Arc::<ConnectionState>::default();
            let listening = watch::Sender::new(());
            // In two parts.
            let (mut client, server) = tokio::io::duplex(20);
            let mut connection = Connection::new(server, Arc::clone(&state), listening.subscribe());
            let mut read = vec![0; begin.len()];
            let (written, read) = tokio::join!(client.write_all(begin), connection.read_exact(&mut read));
            assert!(written.is_ok() && read.is_ok());
            assert_eq!(state.is_http2(), is_http2, "{begin:?}");
        }
    }
}
