//! Measures what open streams of changes cost: processor time, memory, and the throughput of gets beside them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use oauth_clients::domain::ids::TenantId;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tonic::Request;

use crate::{
    codec::BytesCodec,
    compare::Plan,
    connection::{Connection, Transport},
    operation::{Operation, rename_call},
    process::{processor_time, resident},
    run::run,
    support::{self, Outcome, Registry, seed},
    world::World,
};

pub(crate) const HEAD: &str = "\
| state | changes/s | messages/s | processors, without gets | memory | gets/s | of those before |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |";

const WATCH: &str = "/oauth_clients.v1.OAuthClientService/WatchOAuthClients";
/// The number of changes a second, over all tenants.
const CHANGES_PER_SECOND: u64 = 100;
/// The time for streams to begin.
const SETTLE: Duration = Duration::from_secs(2);

/// A tenant whose client is changed and watched.
struct Watched {
    connection: Connection,
    client: String,
}

/// What is done beside the gets. It ends when this is dropped.
#[derive(Default)]
struct Beside {
    changes: Arc<AtomicU64>,
    messages: Arc<AtomicU64>,
    tasks: JoinSet<Outcome<()>>,
}

/// Measures gets alone, beside changes, and beside changes that are watched.
pub(crate) async fn measure(
    streams: usize,
    tenants: usize,
    plan: Plan,
    world: &Arc<World>,
    registry: &Registry,
) -> Outcome<Vec<String>> {
    let authorization = registry.authorization(&world.tenant)?;
    let [grpc, _rest] = registry.transports;
    let getting = Connection::open(Transport::Grpc, grpc, plan.connections, &authorization).await?;
    let mut watched = Vec::new();
    for _ in 0..tenants {
        watched.push(Watched::create(registry).await?);
    }
    let watched = Arc::new(watched);

    let mut rows = Vec::new();
    let mut before = None;
    for (name, is_changed, opened) in [
        ("gets alone", false, 0),
        ("beside changes", true, 0),
        ("beside changes and streams", true, streams),
        ("gets alone again", false, 0),
    ] {
        let mut beside = Beside::default();
        for number in 0..opened {
            beside.watch(&watched, number).await?;
        }
        if is_changed {
            beside.change(watched.clone());
        }
        sleep(SETTLE).await;
        let (spent, changes, messages) = (processor_time()?, beside.changes(), beside.messages());
        sleep(plan.lasts).await;
        let spent = processor_time()?.saturating_sub(spent);
        let (changes, messages) = (beside.changes() - changes, beside.messages() - messages);
        let calls = Operation::Get.calls(world, 0, usize::MAX)?;
        let gets = run(&getting, &calls, |_| true, plan.how, plan.lasts).await?;
        let rate = per_second(gets.latencies.len(), gets.elapsed);
        rows.push(format!(
            "| {name} | {:.0} | {:.0} | {:.2} | {} MiB | {rate:.0} | {} |",
            per_second(usize::try_from(changes)?, plan.lasts),
            per_second(usize::try_from(messages)?, plan.lasts),
            spent.as_secs_f64() / plan.lasts.as_secs_f64(),
            resident()?,
            before.map_or("-".to_owned(), |before| format!("{:.0} %", rate / before * 100.0)),
        ));
        before = Some(rate);
        beside.check()?;
    }
    Ok(rows)
}

impl Watched {
    /// Creates a tenant with one client.
    async fn create(registry: &Registry) -> Outcome<Self> {
        let tenant: TenantId = support::new_tenant()?;
        let (client, _secret) = seed::register(&tenant, seed::draft(0))?;
        let id = client.id.to_string();
        seed::insert(&registry.serving, &tenant, &[client]).await?;
        let [grpc, _rest] = registry.transports;
        let authorization = registry.authorization(&tenant)?;
        let connection = Connection::open(Transport::Grpc, grpc, 1, &authorization)
            .await?
            .pop();
        Ok(Self {
            connection: connection.ok_or("there is no connection")?,
            client: id,
        })
    }
}

impl Beside {
    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Opens a stream of a tenant, which reads its messages and does not decode them.
    async fn watch(&mut self, watched: &[Watched], number: usize) -> Outcome<()> {
        let of = watched
            .get(number % watched.len().max(1))
            .ok_or("there are no tenants")?;
        let Connection::Grpc {
            mut grpc,
            authorization,
        } = of.connection.clone()
        else {
            return Err("streams are on gRPC".into());
        };
        let mut request = Request::new(Bytes::new());
        request.metadata_mut().insert("authorization", authorization);
        grpc.ready().await?;
        let stream = grpc.server_streaming(request, WATCH.parse()?, BytesCodec).await?;
        let (mut stream, messages) = (stream.into_inner(), self.messages.clone());
        self.tasks.spawn(async move {
            while stream.message().await?.is_some() {
                messages.fetch_add(1, Ordering::Relaxed);
            }
            Err("a stream has ended".into())
        });
        Ok(())
    }

    /// Changes the clients of the tenants in turn.
    fn change(&mut self, watched: Arc<Vec<Watched>>) {
        let changes = self.changes.clone();
        self.tasks.spawn(async move {
            let mut interval = interval(Duration::from_secs(1) / u32::try_from(CHANGES_PER_SECOND)?);
            interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut sent = JoinSet::new();
            for (number, of) in (0..).zip(watched.iter().cycle()) {
                interval.tick().await;
                let call = rename_call(of.client.clone(), number).ok_or("no request")?;
                let (mut connection, changes) = (of.connection.clone(), changes.clone());
                sent.spawn(async move {
                    connection.send(call).await?;
                    changes.fetch_add(1, Ordering::Relaxed);
                    Outcome::Ok(())
                });
                while let Some(ended) = sent.try_join_next() {
                    ended??;
                }
            }
            Ok(())
        });
    }

    /// Checks that nothing has ended before.
    fn check(&mut self) -> Outcome<()> {
        match self.tasks.try_join_next() {
            Some(ended) => ended?,
            None => Ok(()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is rounded in the table")]
fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}
