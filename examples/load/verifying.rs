//! Verifying signatures and nothing else, which bounds how many assertions a second can be accepted.

use std::{
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use crate::{signing_key::SigningKey, support::Outcome};

/// As long as the header and the claims of an assertion.
const MESSAGE: [u8; 330] = [b'a'; 330];

/// Verifies a signature again and again on all processors, and returns how often a second.
pub(crate) fn verify_alone(key: &SigningKey, lasts: Duration) -> Outcome<f64> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (public, signature) = (key.parsed()?, key.sign(&MESSAGE)?);
    let verify = || -> Outcome<f64> {
        let (started, mut count) = (Instant::now(), 0);
        while started.elapsed() < lasts {
            public.verify_sig(&MESSAGE, &signature)?;
            count += 1;
        }
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let verifying: Vec<_> = (0..threads).map(|_| scope.spawn(verify)).collect();
        verifying.into_iter().try_fold(0.0, |sum, verifying| {
            Ok(sum + verifying.join().map_err(|_| "verifying failed")??)
        })
    })
}
