//! The states of a client, counted.

/// The number of a state of a client: 1 for a new client, and one more after each change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(i64);

impl Revision {
    /// The revision of a new client.
    pub const FIRST: Self = Self(1);

    /// Returns the revision that a number stands for.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Returns the revision as a number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Returns the revision after the next change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
