//! Errors in one line, for logs and the terminal.

use std::{error::Error, iter};

/// Returns the text of an error and of its sources, separated by colons.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let errors = iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<String> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}
