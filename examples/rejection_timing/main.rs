//! Measures whether the time of a rejection depends on its cause.
//!
//! ```sh
//! cargo run --release --example rejection_timing
//! cargo run --release --example rejection_timing -- --database-url postgres://…
//! ```
//!
//! It sends `AuthenticateClient` over gRPC on loopback, one request at a time: each case once per round, in a random order.
//! The table is Markdown; `docs/rejection-timing.md` explains it.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool reads the clock and makes random values"
)]

mod cases;
mod random;
mod statistics;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use oauth_clients::{
    pb::v1::{
        AuthenticateClientRequest, authenticate_client_response::Result as Authentication,
        client_authentication_service_client::ClientAuthenticationServiceClient,
    },
    store::DatabaseUrl,
};
use tokio::runtime::Builder;
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use self::{
    cases::{Case, cases},
    random::Random,
    statistics::{Bootstrap, Summary},
    support::{Outcome, Registry, print},
};

/// Measures whether the time of a rejection depends on its cause.
#[derive(Debug, Parser)]
struct Args {
    /// Database, which gets two new tenants [default: a new SQLite file].
    #[arg(long)]
    database_url: Option<DatabaseUrl>,
    /// Number of samples per case.
    #[arg(long, default_value_t = 20_000, value_parser = value_parser!(u32).range(100..))]
    samples: u32,
    /// Number of clients per case.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// Number of resamples for the confidence intervals.
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u32).range(100..))]
    resamples: u32,
}

/// The number of measured rounds per round of warm-up.
const WARM_UP: u32 = 20;
/// The seed of the random numbers, so that every run has the same orders and resamples.
const SEED: u64 = 6_749;

fn main() -> Outcome<()> {
    let args = Args::parse();
    let servers = support::server_threads()?;
    // One request at a time needs one thread.
    let caller = Builder::new_current_thread().enable_all().build()?;
    let registry = servers.block_on(Registry::start(args.database_url.clone(), |_| {}))?;
    let mut random = Random::new(SEED);
    let (cases, times) = caller.block_on(measure(&args, &registry, &mut random))?;
    print(&format!(
        "{}, {} samples a case, {} clients a case\n",
        registry.database_name(),
        args.samples,
        args.clients
    ));
    table(&cases, &times, args.resamples, random);
    Ok(())
}

/// The times of each case, round by round, in microseconds.
type Times = Vec<Vec<f64>>;

async fn measure(args: &Args, registry: &Registry, random: &mut Random) -> Outcome<(Vec<Case>, Times)> {
    let (cases, tenant) = cases(registry, args.clients).await?;
    let [grpc, _rest] = registry.transports;
    let channel = Endpoint::from_shared(format!("http://{grpc}"))?.connect().await?;
    let mut caller = Caller {
        service: ClientAuthenticationServiceClient::new(channel),
        authorization: registry.authorization(&tenant)?.parse()?,
    };
    let mut times = vec![Vec::new(); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    for round in 0..args.samples + args.samples / WARM_UP {
        random.shuffle(&mut order);
        for place in &order {
            let (Some(case), Some(times)) = (cases.get(*place), times.get_mut(*place)) else {
                continue;
            };
            let took = caller.call(case, round).await?;
            if round >= args.samples / WARM_UP {
                times.push(took.as_secs_f64() * 1e6);
            }
        }
    }
    Ok((cases, times))
}

struct Caller {
    service: ClientAuthenticationServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
}

impl Caller {
    /// Returns the time of one request of a case.
    async fn call(&mut self, case: &Case, round: u32) -> Outcome<Duration> {
        let request = self.request(case.request(round)?);
        let started = Instant::now();
        let response = self.service.authenticate_client(request).await?;
        let took = started.elapsed();
        let accepted = matches!(
            response.into_inner().result,
            Some(Authentication::Authenticated(_))
        );
        if accepted == case.accepted {
            Ok(took)
        } else {
            Err(format!("{}: accepted is {accepted}", case.name).into())
        }
    }

    fn request(&self, message: AuthenticateClientRequest) -> Request<AuthenticateClientRequest> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        request
    }
}

fn table(cases: &[Case], times: &Times, resamples: u32, mut random: Random) {
    let Some(unknown) = times.first() else { return };
    let bootstrap = Bootstrap::of(unknown.len(), resamples, &mut random);
    let unknown_medians = bootstrap.medians(unknown);
    print(
        "| case | median | p10 | p90 | mean ± standard error | median less that of the first (99 %) | 0 within |",
    );
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |");
    for (place, (case, times)) in cases.iter().zip(times).enumerate() {
        let summary = Summary::of(times);
        let compared = if place == 0 {
            "– | –".to_owned()
        } else {
            compared(unknown, times, &unknown_medians, &bootstrap)
        };
        print(&format!("| {} | {summary} | {compared} |", case.name));
    }
}

fn compared(first: &[f64], other: &[f64], first_medians: &[f64], bootstrap: &Bootstrap) -> String {
    let difference = statistics::median(other) - statistics::median(first);
    let (low, high) = Bootstrap::interval(&bootstrap.medians(other), first_medians);
    let within = if low <= 0.0 && high >= 0.0 { "yes" } else { "no" };
    format!("{difference:+.2} µs ({low:+.2} to {high:+.2}) | {within}")
}
