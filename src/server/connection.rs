//! A connection as the doors serve it, with TLS or without.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};
use tonic::transport::server::Connected;

/// How long the other side may take for its first byte. From then on, the limits of HTTP hold.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(15);

/// What bytes go over.
trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection, which fails when nothing is ever sent on it.
pub(super) struct Connection {
    io: Pin<Box<dyn Io>>,
    first_byte: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self {
            io: Box::pin(io),
            first_byte: Some(Box::pin(tokio::time::sleep(FIRST_BYTE_TIMEOUT))),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.io.as_mut().poll_read(cx, buf);
        if read.is_ready() {
            self.first_byte = None;
            return read;
        }
        let late = self.first_byte.as_mut().map(|late| late.as_mut().poll(cx));
        match late {
            Some(Poll::Ready(())) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Some(Poll::Pending) | None => Poll::Pending,
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
    async fn a_connection_fails_when_nothing_is_ever_sent_on_it() {
        let (_client, server) = tokio::io::duplex(64);
        let read = Connection::new(server).read_u8().await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_something_was_sent_may_rest() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut connection = Connection::new(server);
        client.write_all(b"ab").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'a');
        assert_eq!(connection.read_u8().await.unwrap(), b'b');
        let rest = tokio::time::timeout(FIRST_BYTE_TIMEOUT * 10, connection.read_u8()).await;
        rest.expect_err("it waits");
    }
}
