//! The process: its command line, its probes, and its end.

mod command_line;
mod descriptors;
mod drain;
mod footprint;
mod health;
mod rolling;
