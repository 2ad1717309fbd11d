//! Measures a registry under load, and compares each operation with a server that does nothing.
//!
//! ```sh
//! cargo run --release --example load
//! cargo run --release --example load -- --database-url postgres://… --rate 500 --operations get,create
//! ```
//!
//! The registry and the no-op servers run in this process on one runtime, the callers on another, so that they share
//! processors but no threads of a runtime. `docs/load.md` says how to read the table.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool reads the clock and makes random values"
)]

mod codec;
mod compare;
mod connection;
mod no_op;
mod operation;
mod overload;
mod pace;
mod process;
mod run;
mod signer;
mod signing_key;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod verifying;
mod world;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use clap::{Parser, ValueEnum as _, value_parser};
use mimalloc::MiMalloc;
use oauth_clients::store::DatabaseUrl;
use tokio::runtime::Runtime;

use self::{
    compare::{Plan, compare},
    no_op::NoOp,
    operation::Operation,
    pace::Loop,
    signer::Signer,
    signing_key::KeyKind,
    support::{Outcome, Registry, print},
    world::World,
};

/// The allocator of the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures throughput and latency under load.
#[derive(Debug, Parser)]
struct Args {
    /// Database, which gets a new tenant [default: a new SQLite file].
    #[arg(long)]
    database_url: Option<DatabaseUrl>,
    /// Number of clients of the tenant.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// Number of clients that the requests are about [default: all].
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    hot: Option<u32>,
    /// Number of connections.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u16).range(1..))]
    connections: u16,
    /// Number of requests in flight per connection.
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Seconds for which each operation and its no-op are measured.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u16).range(1..))]
    seconds: u16,
    /// Seconds of warm-up before each measurement.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
    warm_up: u16,
    /// Requests that are started per second, in an open loop [default: a closed loop, in which each response starts the
    /// next request].
    #[arg(long)]
    rate: Option<NonZeroU64>,
    /// Key that signs the assertions.
    #[arg(long, value_enum, default_value_t = KeyKind::Es384)]
    key: KeyKind,
    /// Operations to measure, in this order [default: all].
    #[arg(long, value_delimiter = ',')]
    operations: Vec<Operation>,
    /// Measure an overload instead, without memory: ten times as many requests in flight as the server can use.
    #[arg(long)]
    overload: bool,
    /// Measure gets beside so many open streams of changes instead, of a tenth as many tenants.
    #[arg(long, conflicts_with = "overload")]
    streams: Option<NonZeroU32>,
    /// Number of tenants that the streams are of.
    #[arg(long, requires = "streams")]
    stream_tenants: Option<NonZeroU32>,
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let servers = support::server_threads()?;
    let callers = Runtime::new()?;
    let registry = servers.block_on(Registry::start(args.database_url.clone(), |config| {
        if args.overload {
            config.cache_size = ByteSize::b(0);
        }
        config.watch_streams = args.streams.map_or(config.watch_streams, NonZeroU32::get);
    }))?;
    let no_op = servers.block_on(NoOp::start())?;
    callers.block_on(measure(&args, &registry, &no_op))
}

async fn measure(args: &Args, registry: &Registry, no_op: &NoOp) -> Outcome<()> {
    let hot = args.hot.unwrap_or(args.clients);
    let signer = Signer::generate(args.key)?;
    let (clients, hot) = (usize::try_from(args.clients)?, usize::try_from(hot)?);
    let world = Arc::new(World::create(registry, signer, clients, hot).await?);
    if args.overload {
        return measure_overload(args, registry, &world).await;
    }
    let plan = plan(args);
    if let Some(streams) = args.streams {
        return measure_streams(streams, args, registry, &world).await;
    }
    print(&title(args, registry));
    print(table::HEAD);
    let operations = match args.operations.as_slice() {
        [] => Operation::value_variants(),
        chosen => chosen,
    };
    for operation in operations {
        let compared = compare(*operation, plan, &world, registry, no_op).await;
        let compared = compared.map_err(|error| format!("{}: {error}", operation.name()))?;
        print(&table::row(operation.name(), compared)?);
    }
    Ok(())
}

async fn measure_overload(args: &Args, registry: &Registry, world: &Arc<World>) -> Outcome<()> {
    let (database, clients, seconds) = (registry.database_name(), args.clients, args.seconds);
    print(&format!(
        "{database}, {clients} clients, none in memory, {seconds} s\n"
    ));
    print(overload::HEAD);
    let operations = match args.operations.as_slice() {
        [] => overload::OPERATIONS.as_slice(),
        chosen => chosen,
    };
    for operation in operations {
        let lasts = Duration::from_secs(seconds.into());
        print(&overload::row(*operation, lasts, world, registry).await?);
    }
    Ok(())
}

async fn measure_streams(
    streams: NonZeroU32,
    args: &Args,
    registry: &Registry,
    world: &Arc<World>,
) -> Outcome<()> {
    let streams = streams.get();
    let tenants = args.stream_tenants.map_or(streams / 10, NonZeroU32::get).max(1);
    let (database, seconds) = (registry.database_name(), args.seconds);
    print(&format!(
        "{database}, {streams} streams of {tenants} tenants, {seconds} s\n"
    ));
    print(streams::HEAD);
    let (streams, tenants) = (usize::try_from(streams)?, usize::try_from(tenants)?);
    for row in streams::measure(streams, tenants, plan(args), world, registry).await? {
        print(&row);
    }
    Ok(())
}

fn plan(args: &Args) -> Plan {
    Plan {
        connections: usize::from(args.connections),
        how: Loop {
            rate: args.rate,
            in_flight: usize::from(args.connections) * usize::from(args.in_flight),
        },
        lasts: Duration::from_secs(args.seconds.into()),
        warm_up: Duration::from_secs(args.warm_up.into()),
    }
}

fn title(args: &Args, registry: &Registry) -> String {
    let how = args.rate.map_or("closed loop".to_owned(), |rate| {
        format!("open loop of {rate} calls a second")
    });
    format!(
        "{}, {} clients, {} hot, {how}, {} connections with {} calls in flight each, {} s\n",
        registry.database_name(),
        args.clients,
        args.hot.unwrap_or(args.clients),
        args.connections,
        args.in_flight,
        args.seconds,
    )
}
