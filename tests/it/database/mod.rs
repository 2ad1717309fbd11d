//! The database, whichever it is: its schema, and its outages.

mod migrations;
mod outages;
