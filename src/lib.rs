//! A registry of OAuth 2.0 clients for a multi-tenant platform: gRPC and REST over SQLite or PostgreSQL.
//!
//! The protos are the single source of truth: a method's REST path, success status, scope and rate tier are options on
//! that method, and [`pb`] reads them from the compiled descriptors when the server starts. Every request passes one
//! stack of tower layers ([`rpc::stack`]), on either transport.
//!
//! | module | contents |
//! |---|---|
//! | [`domain`] | clients and their rules; pure |
//! | [`store`] | the clients in the database |
//! | [`auth`] | bearer tokens and their callers |
//! | [`limits`] | rate limits |
//! | [`rpc`] | the gRPC transport: the stack of layers, and one handler per method |
//! | [`gateway`] | the REST transport: transcodes HTTP and JSON to the same stack |
//! | [`server`] | assembles, serves and drains |
//! | [`config`] | the configuration of a server |
//! | [`cli`] | the command line |
//! | `tls`, `telemetry`, `supervise`, `io` | certificates; logs, traces and metrics; tasks that restart; blocking input and output |
//!
//! `ARCHITECTURE.md` follows one request from the socket to the database and back.

#![cfg_attr(
    test,
    expect(
        clippy::disallowed_methods,
        reason = "tests may read the clock and make random values"
    )
)]

pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
mod entity_tags;
mod error_chain;
pub mod gateway;
mod header_list;
mod io;
pub mod limits;
pub mod pb;
pub mod rpc;
pub mod server;
mod single_header;
pub mod store;
mod supervise;
pub mod telemetry;
mod tls;
