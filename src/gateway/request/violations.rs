//! The violations of a request.

use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

/// The number of violations in a response, which bounds its size: one request can have very many.
const MAX_VIOLATIONS: usize = 100;
/// The number of characters of a name in a response.
const MAX_NAME_CHARS: usize = 256;

/// The violations that were found so far.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<(ErrorReason, String, String)>);

impl Violations {
    pub(super) fn add(&mut self, reason: ErrorReason, name: &str, detail: &str) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push((reason, shorten(name), detail.to_owned()));
        }
    }

    /// Returns an error if there are any.
    pub(super) fn into_result(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Failure::fields(self.0))
        }
    }
}

fn shorten(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
