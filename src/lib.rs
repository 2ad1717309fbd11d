//! A registry of OAuth 2.0 clients for a multi-tenant platform: gRPC and REST over SQLite or PostgreSQL.
//!
//! The protos are the single source of truth: a method's REST path, success status, scope and rate tier are options on
//! that method, and [`pb`] reads them out of the compiled descriptors when the server starts. Every call passes one
//! stack of tower layers ([`rpc::stack`]), whichever transport it comes through.
//!
//! | module | what it is |
//! |---|---|
//! | [`domain`] | what a client is and which rules it keeps; pure |
//! | [`store`] | the clients in the database |
//! | [`auth`] | bearer tokens: who calls |
//! | [`limits`] | how often one may call |
//! | [`rpc`] | the gRPC transport: the stack of layers, and a handler an RPC |
//! | [`gateway`] | the REST transport: a transcoder from HTTP and JSON to the same stack |
//! | [`server`] | puts it all together, runs it and ends it |
//! | [`pem`], [`watch`] | certificates and keys from files, and files that change |
//! | [`config`], [`cli`], [`telemetry`], [`metrics`] | the process around it |
//!
//! `ARCHITECTURE.md` follows one call from the socket to the database and back.

pub mod auth;
mod bounded;
pub mod cli;
pub mod config;
pub mod domain;
mod error_chain;
pub mod gateway;
pub mod limits;
pub mod metrics;
pub mod pb;
pub mod pem;
pub mod rpc;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod watch;
