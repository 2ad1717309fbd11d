//! SQLite: faults of its files, and the lock on them.

mod faults;
mod lock;
