//! A helper for checks that report every broken rule, not only the first.

/// Returns the rules whose condition is `true`, which says that the rule is broken.
pub(super) fn broken_rules<R, const N: usize>(rules: [(bool, R); N]) -> Vec<R> {
    rules
        .into_iter()
        .filter_map(|(broken, rule)| broken.then_some(rule))
        .collect()
}
