//! `WatchOAuthClients`: a consumer that follows the stream has what the database has.

mod copies;
mod ends;
mod events;
mod limits;
mod tokens;
