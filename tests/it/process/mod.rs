//! The process: its command line, its probes, and its end.

mod command_line;
mod descriptors;
mod drain;
mod health;
mod rolling;
