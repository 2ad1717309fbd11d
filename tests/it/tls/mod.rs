//! TLS and mutual TLS on both transports.

mod command_line;
mod connections;
mod handshake;
mod reload;
