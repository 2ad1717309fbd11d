//! Fields that the variables of the path fill.

use super::draft::Draft;
use crate::gateway::matched::Matched;

pub(super) fn fill(draft: &mut Draft, matched: &Matched) {
    for (path, value) in matched.binding.variables().zip(&matched.variables) {
        draft.insert(path, value);
    }
}
