//! A socket whose peer has to take something of what is written, from time to time.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::state::ConnectionState;

/// A socket, whose writes fail once its peer has taken nothing for too long.
#[derive(Debug)]
pub(super) struct WriteTimeout<T> {
    io: T,
    limit: Duration,
    state: Arc<ConnectionState>,
    /// The end of a write that has made no progress yet.
    late: Option<Pin<Box<Sleep>>>,
}

impl<T> WriteTimeout<T> {
    pub(super) fn new(io: T, limit: Duration, state: Arc<ConnectionState>) -> Self {
        Self {
            io,
            limit,
            state,
            late: None,
        }
    }

    fn within_limit<R>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if progress.is_ready() {
            self.late = None;
            return progress;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        match late.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.state.wrote(bytes);
        }
        self.within_limit(cx, written)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteTimeout<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.within_limit(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.io).poll_shutdown(cx);
        self.within_limit(cx, shut_down)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::Instant,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn pipe() -> (tokio::io::DuplexStream, WriteTimeout<tokio::io::DuplexStream>) {
        let (peer, socket) = tokio::io::duplex(64);
        (peer, WriteTimeout::new(socket, LIMIT, Arc::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_fails_when_its_peer_takes_nothing() {
        let (_peer, mut socket) = pipe();
        let started = Instant::now();
        let error = socket.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_may_take_any_time() {
        let (mut peer, mut socket) = pipe();
        let started = Instant::now();
        let reading = async {
            for _ in 0..200 {
                sleep(Duration::from_secs(9)).await;
                peer.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(socket.write_all(&[0; 264]), reading);
        written.unwrap();
        assert!(started.elapsed() > LIMIT * 100);
    }
}
