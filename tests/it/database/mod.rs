//! The database: which ones are suitable, its schema, its connections, and its outages.

mod migrations;
mod outages;
mod pgbouncer;
mod round_trips;
mod suitable;
