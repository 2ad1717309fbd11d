//! Changes of a client, except patches, and what all of them have in common.

mod concurrency;
mod delete;
mod disable;
mod etags;
mod preconditions;
mod records;
mod retries;
mod retry_form;
mod retry_waits;
mod secrets;
