//! Serves the connections of a transport.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http_body::Body;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    task::{AbortHandle, JoinSet},
};

use super::{
    MAX_HEADER_BYTES, ServerError,
    body::RequestBody,
    connection::{KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_PENDING_RESETS},
    lifetime::{Lifetime, drive},
    listener::Listener,
    places::{Place, Places, RESERVE},
    require_peer::RequirePeer,
    stalled_streams::StreamExecutor,
    state::ConnectionState,
    tracked::{Tracked, Transport},
    transports::StopSignal,
    write_timeout::WriteTimeout,
};
use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// The maximum duration of the head of a request. On HTTP/1.1 the idle time before it counts too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// The age at which a connection beyond the limit retires, and the time from then to its end.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// What the connections of both transports share.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pub(super) places: Places,
    pub(super) lifetime: Lifetime,
}

/// A service of requests, which is cloned for each connection and each request.
pub(super) trait RequestService<B>:
    tower::Service<Request, Response = http::Response<B>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

type Request = http::Request<RequestBody>;

impl<S, B> RequestService<B> for S where
    S: tower::Service<Request, Response = http::Response<B>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The body of a response.
pub(super) trait AnyBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static
{
}

impl<B> AnyBody for B where B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static {}

/// Serves connections until `stop` completes and the requests in flight are done.
///
/// Connections beyond the limit are accepted too, so that probes get a response. Only the latest few of them stay open: a
/// probe sends its request at once, and is not the oldest for long enough to lose its place to others.
pub(super) async fn serve<S: RequestService<B>, B: AnyBody>(
    mut listener: Listener,
    transport: Transport<S, B>,
    connections: Connections,
    stop: StopSignal,
) -> Result<(), ServerError> {
    let mut serving = Serving {
        builder: builder(&transport, connections.lifetime.write_timeout),
        transport: Arc::new(transport),
        connections,
        stop: stop.clone(),
        tasks: JoinSet::new(),
        reserve: VecDeque::new(),
        at_limit: false,
    };
    let mut stopped = std::pin::pin!(stop.stopped());
    loop {
        tokio::select! {
            () = &mut stopped => break,
            socket = listener.accept() => serving.add(socket, &listener),
            Some(_ended) = serving.tasks.join_next() => {}
        }
    }
    drop(listener);
    while serving.tasks.join_next().await.is_some() {}
    Ok(())
}

/// Returns the error for a request, other than a probe, on a connection beyond the limit.
pub(super) fn at_limit() -> Failure {
    Failure::new(
        ErrorReason::Unavailable,
        "the server has too many connections, try again later",
    )
    .retry_after(PROBE_TIME)
}

struct Serving<S, B> {
    builder: auto::Builder<StreamExecutor>,
    transport: Arc<Transport<S, B>>,
    connections: Connections,
    stop: StopSignal,
    tasks: JoinSet<()>,
    /// The connections beyond the limit, from the oldest.
    reserve: VecDeque<AbortHandle>,
    at_limit: bool,
}

impl<S: RequestService<B>, B: AnyBody> Serving<S, B> {
    fn add(&mut self, socket: TcpStream, listener: &Listener) {
        let place = self.connections.places.take();
        let is_beyond_limit = place.is_none();
        self.note_limit(is_beyond_limit);
        let task = self.serve(socket, listener, place);
        let handle = self.tasks.spawn(task);
        if is_beyond_limit {
            self.reserve.retain(|open| !open.is_finished());
            if self.reserve.len() >= RESERVE
                && let Some(oldest) = self.reserve.pop_front()
            {
                oldest.abort();
            }
            self.reserve.push_back(handle);
        }
    }

    /// Logs that the limit is reached, once until there is room again.
    fn note_limit(&mut self, is_beyond_limit: bool) {
        if is_beyond_limit && !self.at_limit {
            let max = self.connections.places.max();
            tracing::warn!(max, "too many connections, only probes are served on more");
            self.at_limit = true;
        } else if self.at_limit && self.connections.places.has_room() {
            self.at_limit = false;
        }
    }

    /// Returns the future that serves a connection.
    fn serve(
        &self,
        socket: TcpStream,
        listener: &Listener,
        place: Option<Place>,
    ) -> impl Future<Output = ()> + Send + use<S, B> {
        let mut lifetime = self.connections.lifetime;
        let mut closing = self.stop.draining();
        if place.is_none() {
            lifetime.max_age = PROBE_TIME;
            lifetime.grace = PROBE_TIME;
            closing = Arc::new(AtomicBool::new(true));
        }
        let state = Arc::new(ConnectionState::new(closing));
        let socket = WriteTimeout::new(socket, lifetime.write_timeout, Arc::clone(&state));
        let handshake = listener.begin(socket, Arc::clone(&state));
        let builder = self.builder.clone();
        let stop = self.stop.clone();
        let service = Tracked {
            transport: Arc::clone(&self.transport),
            service: TowerToHyperService::new(RequirePeer {
                peer: state.peer(),
                inner: self.transport.service.clone(),
            }),
            state: Arc::clone(&state),
            probes_only: place.is_none(),
        };
        async move {
            let _place = place;
            let Some(connection) = handshake.await else {
                return;
            };
            let connection = builder.serve_connection(TokioIo::new(connection), service);
            if let Err(error) = drive(connection, &state, lifetime, stop).await {
                // The peer closed it, or did not speak HTTP.
                tracing::debug!(error, "connection ended early");
            }
        }
    }
}

fn builder<S, B>(transport: &Transport<S, B>, write_timeout: Duration) -> auto::Builder<StreamExecutor> {
    let mut builder = auto::Builder::new(StreamExecutor(write_timeout));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A peer may close its half of the connection after the request.
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    if !transport.http2_only {
        return builder;
    }
    builder.http2().max_concurrent_streams(None);
    builder.http2_only()
}
