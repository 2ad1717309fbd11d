//! The process: its command line, its probes, and its end.

mod command_line;
mod drain;
mod footprint;
mod health;
