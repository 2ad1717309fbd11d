//! wip
pub mod auth;
pub mod cli;
pub mod config;
pub mod domain;
pub mod gateway;
pub mod limits;
pub mod pb;
pub mod rpc;
pub mod server;
pub mod store;
pub mod telemetry;
