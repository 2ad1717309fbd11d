//! Logs, metrics and traces, as the real binary writes them.

mod logs;
mod metrics;
mod no_leaks;
mod request_ids;
mod scrape;
mod traces;
