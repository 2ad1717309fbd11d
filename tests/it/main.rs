//! The service as its users see it: each rule of the API, on each database, and where it matters through both transports.
//!
//! `TEST_POSTGRES_URL`, such as `postgres://postgres@127.0.0.1:5432/postgres`, says where databases for the PostgreSQL
//! tests may be made; without it they are left out, and so are those with a Redis where `redis-server` is not installed.
//! With `REQUIRE_REDIS` they fail instead.

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
mod auth;
mod authenticate_assertion;
mod authenticate_secret;
mod bad_input;
mod check_order;
mod concurrency;
mod create;
mod create_rules;
mod delete;
mod disable;
mod drain;
mod golden;
mod golden_errors;
mod health;
mod list;
mod list_filter;
mod list_find;
mod list_plans;
mod list_query;
mod list_walk;
mod logs;
mod lookup;
mod many_violations;
mod members;
mod metrics;
mod migrations;
mod no_leaks;
mod outages;
mod patch;
mod patch_rules;
mod process;
mod rate_limits;
mod reflection;
mod secrets;
mod shared_limits;
mod sqlite_faults;
mod sqlite_lock;
mod tenancy;
mod tenancy_walk;
mod tls;
mod tls_connections;
mod tls_process;
mod tls_reload;
mod tokens;
mod traces;
