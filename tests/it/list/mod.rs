//! Lists: their pages, filters and query plans.

mod filter;
mod invalid;
mod pages;
mod parameters;
mod plans;
mod states;
mod walk;

use serde_json::{Value, json};

use crate::support::{
    Caller,
    samples::{spa, with},
};

/// Creates clients named by numbers, and returns their ids, newest first.
async fn create_many(admin: &Caller<'_>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(
            admin
                .created(with(spa(), json!({"clientName": n.to_string()})))
                .await,
        );
    }
    ids.reverse();
    ids
}

/// Returns the ids of the clients of a page.
pub(crate) fn ids(page: &Value) -> Vec<&str> {
    let clients = page["data"].as_array().unwrap().iter();
    clients
        .map(|client| client["clientId"].as_str().unwrap())
        .collect()
}

/// Returns the names of the links of a page.
pub(crate) fn link_names(page: &Value) -> Vec<&str> {
    page["links"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}
