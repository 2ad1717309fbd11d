//! Too many connections, and connections that read nothing.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::Case;
use crate::{
    processes::Limits,
    stage::{Bench, CROWD, Setup, Stage},
    support::Outcome,
    traffic::{Caller, web_client},
    verdict::{Row, Rules},
};

/// The time that a connection may take. Beyond the backlog of the server, the system tries again and again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const FEW: u32 = 128;
/// The number of connections that are opened at the same time, half of them on each transport.
const BURST: usize = 500;
/// Whoever opens so many connections takes processor time from the others.
const RULES: Rules = Rules {
    may_be_slow: true,
    ..Rules::UNHARMED
};
/// The clients of a large page.
const LARGE_PAGE: usize = 100;
/// The time in which the end of a closed connection is read.
const END_TIMEOUT: Duration = Duration::from_millis(500);
/// The memory that a server takes for its connections and for a page that is made, in MiB.
const MIB: u64 = 64;
/// The memory that a slow reader of a page may take: a page is at most 2 MiB as protobuf, and larger as JSON.
const MIB_PER_READER: u64 = 5;
/// The time in which a reader makes no progress until its connection is closed, and a moment more.
const NO_PROGRESS: Duration = Duration::from_secs(13);

/// Opens more connections than the server has descriptors.
pub(crate) async fn few_descriptors(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = Setup {
        limits: Limits {
            descriptors: Some(FEW),
            ..Limits::default()
        },
        ..bench.setup(case.1).await?
    };
    let mut stage = bench.stage(setup).await?;
    let count = usize::try_from(FEW)? * 2;
    let observed = stage.observe(async |stage| hold(stage, count).await).await?;
    let figures = observed.value.figures(count);
    Ok(Row::of(case, &observed, RULES, stage.plan, &figures, Vec::new()))
}

/// Opens many connections that send nothing.
pub(crate) async fn idle(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    let count = stage.plan.size(BURST, 6 * BURST);
    let observed = stage.observe(async |stage| hold(stage, count).await).await?;
    let figures = observed.value.figures(count);
    let mut broken = Vec::new();
    if observed.value.opened < count {
        broken.push("slow to connect".to_owned());
    }
    Ok(Row::of(case, &observed, RULES, stage.plan, &figures, broken))
}

/// Connections that were held open.
struct Held {
    opened: usize,
    descriptors: usize,
}

impl Held {
    fn figures(&self, count: usize) -> String {
        let Self { opened, descriptors } = self;
        format!("{opened} of {count} connected within 1 s; the server has {descriptors} descriptors")
    }
}

/// Holds connections to both transports open.
async fn hold(stage: &mut Stage, count: usize) -> Outcome<Held> {
    let server = stage.server()?;
    let addrs = [server.grpc, server.rest];
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..count.div_ceil(BURST) {
        let opening = (0..count.min(BURST) / 2).flat_map(|_| addrs.map(connect));
        held.extend(join_all(opening).await.into_iter().flatten());
    }
    sleep(stage.plan.fault).await;
    Ok(Held {
        opened: held.len(),
        descriptors: stage.server()?.descriptors()?,
    })
}

async fn connect(addr: SocketAddr) -> Option<TcpStream> {
    timeout(CONNECT_TIMEOUT, TcpStream::connect(addr))
        .await
        .ok()?
        .ok()
}

/// Asks for large pages, and reads none.
pub(crate) async fn slow_readers(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let setup = bench.setup(case.1).await?;
    let mut stage = bench.stage(setup).await?;
    large_clients(&stage).await?;
    let readers = stage.plan.size(6, 100);
    let lasts = if stage.plan.is_short {
        stage.plan.fault
    } else {
        NO_PROGRESS
    };
    let observed = stage
        .observe(async |stage| {
            let server = stage.server()?;
            let token = server.authorization(CROWD, "slow")?;
            let (addr, before) = (server.rest, server.memory_mib()?);
            let mut held = Vec::new();
            for _ in 0..readers {
                held.push(ask_for_page(addr, &token).await?);
            }
            sleep(lasts / 2).await;
            let grown_mib = stage.memory_mib()?.saturating_sub(before);
            sleep(lasts / 2).await;
            let connected = join_all(held.into_iter().map(is_connected)).await;
            let kept = connected.into_iter().filter(|connected| *connected).count();
            Ok((grown_mib, kept))
        })
        .await?;
    let (grown_mib, kept) = observed.value;
    let mut broken = Vec::new();
    if grown_mib > MIB + MIB_PER_READER * u64::try_from(readers)? {
        broken.push("memory".to_owned());
    }
    if !stage.plan.is_short && kept > readers / 2 {
        broken.push("connections kept".to_owned());
    }
    let figures = format!("{readers} readers: memory +{grown_mib} MiB, {kept} still connected at the end");
    Ok(Row::of(
        case,
        &observed,
        Rules::UNHARMED,
        stage.plan,
        &figures,
        broken,
    ))
}

/// Reads what was sent, and returns `true` unless the server has closed the connection.
async fn is_connected(mut stream: TcpStream) -> bool {
    let mut received = Vec::new();
    timeout(END_TIMEOUT, stream.read_to_end(&mut received))
        .await
        .is_err()
}

/// Fills a page with clients of 20 KiB.
async fn large_clients(stage: &Stage) -> Outcome<()> {
    let server = stage.servers.first().ok_or("no server")?;
    let uri = |number: usize| format!("https://app.example.com/{number:0200}");
    let mut model = web_client("One of a crowd".to_owned());
    model.redirect_uris = (0..90).map(uri).collect();
    let model = Caller::of(server, CROWD, 1)?.create(model).await?;
    stage.crowd(LARGE_PAGE, &model.client_id).await
}

/// Sends a request over a connection with a small buffer.
async fn ask_for_page(addr: SocketAddr, authorization: &str) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    let mut stream = socket.connect(addr).await?;
    let request = format!(
        "GET /api/core/oauth-clients?limit={LARGE_PAGE} HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}
