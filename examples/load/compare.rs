//! Measures an operation and a no-op of the same size in turn.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use oauth_clients::store::MemoryReads;

use crate::{
    connection::{Connection, Transport},
    no_op::{self, NoOp},
    operation::Operation,
    pace::{Loop, calls_within},
    run::{Calls, Measured, run},
    support::{Outcome, Registry},
    verifying::verify_alone,
    world::World,
};

/// The number of slices of a measurement, so that a noisy moment of the machine affects both sides.
const SLICES: u32 = 5;
/// The number of assertions per second that are signed for the warm-up.
const FIRST_ASSERTIONS: u64 = 4_000;
/// The number of assertions that are signed for each that was used before.
const SPARE: u64 = 2;

/// The parameters of a measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) how: Loop,
    pub(crate) lasts: Duration,
    pub(crate) warm_up: Duration,
}

/// The two sides of a comparison.
pub(crate) struct Compared {
    pub(crate) operation: Measured,
    pub(crate) no_op: Measured,
    /// The share of the operation's reads that memory answered; `None` if it read nothing that memory could answer.
    pub(crate) hit_rate: Option<f64>,
    /// The signatures a second that all processors verify if they do nothing else; `None` if the operation verifies none.
    pub(crate) verified_alone: Option<f64>,
}

/// Measures an operation and the no-op, slice by slice.
pub(crate) async fn compare(
    operation: Operation,
    plan: Plan,
    world: &Arc<World>,
    registry: &Registry,
    no_op: &NoOp,
) -> Outcome<Compared> {
    let authorization = registry.authorization(&world.tenant)?;
    let [grpc, rest] = registry.transports;
    let (addr, no_op_addr) = match operation.transport() {
        Transport::Grpc => (grpc, no_op.grpc),
        Transport::Rest => (rest, no_op.rest),
    };
    let open =
        async |addr| Connection::open(operation.transport(), addr, plan.connections, &authorization).await;
    let (real, bare) = (open(addr).await?, open(no_op_addr).await?);

    let mut calls_so_far = 0;
    let mut slice = async |lasts, most| {
        let calls = operation.calls(world, calls_so_far, most)?;
        let measured = run(&real, &calls, operation.check(), plan.how, lasts).await?;
        calls_so_far += u64::try_from(measured.latencies.len())?;
        Outcome::Ok(measured)
    };
    let rate = plan.how.rate.map_or(FIRST_ASSERTIONS, NonZeroU64::get);
    let warm = slice(plan.warm_up, most_calls(rate, plan.warm_up)?).await?;
    let rate = plan.how.rate.map_or_else(|| rate_of(&warm), NonZeroU64::get);
    no_op.set_response_size(warm.response_size());
    let same = same_call(operation, world)?;
    run(&bare, &same, |_| true, plan.how, plan.warm_up).await?;

    let lasts = plan.lasts / SLICES;
    let mut compared = Compared {
        operation: Measured::default(),
        no_op: Measured::default(),
        hit_rate: None,
        verified_alone: None,
    };
    let mut verified = 0.0;
    let before = registry.serving.memory_reads();
    for _ in 0..SLICES {
        compared
            .operation
            .add(slice(lasts, most_calls(rate, lasts)?).await?);
        let measured = run(&bare, &same, |_| true, plan.how, lasts).await?;
        compared.no_op.add(measured);
        if operation == Operation::AuthenticateAssertion {
            verified += verify_alone(world.signer.key(), lasts)? / f64::from(SLICES);
        }
    }
    compared.verified_alone = (verified > 0.0).then_some(verified);
    compared.hit_rate = hit_rate(before, registry.serving.memory_reads());
    Ok(compared)
}

/// Returns the same request again and again, for a server that does not read it.
fn same_call(operation: Operation, world: &Arc<World>) -> Outcome<Calls> {
    let mut call = operation.calls(world, 0, 1)?(0).ok_or("there are no clients")?;
    if operation.transport() == Transport::Grpc {
        call.path = no_op::PATH.parse()?;
    }
    Ok(Arc::new(move |_| Some(call.clone())))
}

#[expect(clippy::cast_precision_loss, reason = "the share is rounded in the table")]
fn hit_rate(before: MemoryReads, after: MemoryReads) -> Option<f64> {
    let (hits, all) = (after.hits - before.hits, after.all - before.all);
    (all > 0).then(|| hits as f64 / all as f64)
}

fn rate_of(measured: &Measured) -> u64 {
    let calls = u64::try_from(measured.latencies.len()).unwrap_or(u64::MAX);
    let millis = u64::try_from(measured.elapsed.as_millis()).unwrap_or(u64::MAX);
    calls.saturating_mul(1_000) / millis.max(1)
}

/// Returns more requests than are started at a rate.
fn most_calls(rate: u64, time: Duration) -> Outcome<usize> {
    let rate = NonZeroU64::new(rate.max(1) * SPARE).ok_or("the rate is too high")?;
    Ok(usize::try_from(calls_within(rate, time))? + 1)
}
