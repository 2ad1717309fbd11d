//! The service as its users see it: each rule of the API, on each database, and where it matters through both transports.
//!
//! `TEST_POSTGRES_URL`, such as `postgres://postgres@127.0.0.1:5432/postgres`, says where databases for the PostgreSQL
//! tests may be made; without it they are left out, and so are those with a Redis or a PgBouncer where `redis-server` or
//! `pgbouncer` is not installed. With `REQUIRE_REDIS` and `REQUIRE_PGBOUNCER` they fail instead.

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

mod authenticate;
mod changes;
mod create;
mod database;
mod limits;
mod list;
mod patch;
mod process;
mod requests;
mod responses;
mod sqlite;
mod telemetry;
mod tenancy;
mod tls;
mod tokens;
