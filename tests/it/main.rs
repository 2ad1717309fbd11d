//! The service as its users see it: each rule of the API, on each database, and where it matters on both transports.
//!
//! The PostgreSQL tests create databases on the server of `TEST_POSTGRES_URL`, such as
//! `postgres://postgres@127.0.0.1:5432/postgres`, and are skipped without it. The tests with Redis and PgBouncer start
//! `redis-server` and `pgbouncer`, and are skipped if these are not installed, unless `REQUIRE_REDIS` and
//! `REQUIRE_PGBOUNCER` are set: then they fail.

#![expect(
    clippy::disallowed_methods,
    reason = "tests read the clock and make random values"
)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[macro_use]
mod support;

mod architecture;
mod authenticate;
mod changes;
mod coherence;
mod connections;
mod create;
mod database;
mod fairness;
mod limits;
mod list;
mod overload;
mod patch;
mod process;
mod records;
mod requests;
mod responses;
mod sqlite;
mod telemetry;
mod tenancy;
mod tls;
mod tokens;
mod watch;
