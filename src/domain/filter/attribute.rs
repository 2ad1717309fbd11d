//! The tables of the attributes that filters compare, one for each kind of list.

use std::fmt;

use super::Operator;
use crate::domain::{
    closed_set::{closed_set, one_of},
    text::fold_case,
};

/// The operator that has no value on its right.
pub(super) const PRESENT: &str = "pr";

/// An attribute of the items of a list, and its row in the table of that list.
pub trait Attribute: Copy + PartialEq + fmt::Debug + fmt::Display + Sized + 'static {
    /// The name of every attribute of the list.
    const NAMES: &'static [&'static str];

    /// Returns the attribute with a name in any case, or `None` if there is none.
    fn find(name: &str) -> Option<Self>;

    /// Returns the kind of its values.
    fn kind(self) -> Kind;

    /// Returns the operators that compare it.
    fn operators(self) -> Operators;

    /// Returns the form in which a text is compared: unchanged, or with each code point lower-cased on its own.
    fn comparable(self, text: &str) -> String {
        match self.kind() {
            Kind::Exact | Kind::Instant => text.to_owned(),
            Kind::Folded => fold_case(text),
        }
    }
}

/// The kind of the values of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, compared exactly.
    Exact,
    /// A text, compared with each code point lower-cased on its own.
    Folded,
    /// A point in time, which filters state as an RFC 3339 timestamp.
    Instant,
}

/// The operators that compare an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operators {
    /// Those with a value on their right.
    pub with_value: &'static [Operator],
    /// `true` if `pr` is one of them.
    pub present: bool,
}

impl Operators {
    const ALL: Self = Self {
        with_value: &Operator::ALL,
        present: true,
    };

    const fn only(with_value: &'static [Operator]) -> Self {
        Self {
            with_value,
            present: false,
        }
    }

    /// Returns the operator with a name in any case, or `None` if it does not compare the attribute.
    pub(super) fn find(self, name: &str) -> Option<Operator> {
        let mut operators = self.with_value.iter().copied();
        operators.find(|operator| operator.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.with_value.iter().map(|operator| operator.as_str());
        let names: Vec<&str> = names.chain(self.present.then_some(PRESENT)).collect();
        f.write_str(&one_of(&names))
    }
}

closed_set! {
    /// An attribute of a client.
    pub enum ClientAttribute {
        /// The identifier, compared exactly.
        ClientId = "clientId",
        /// The name, compared with each code point lower-cased on its own.
        ClientName = "clientName",
        /// The type, compared with each code point lower-cased on its own.
        AppType = "appType",
    }
}

impl Attribute for ClientAttribute {
    const NAMES: &'static [&'static str] = Self::NAMES;

    fn find(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|attribute| attribute.as_str().eq_ignore_ascii_case(name))
    }

    fn kind(self) -> Kind {
        match self {
            Self::ClientId => Kind::Exact,
            Self::ClientName | Self::AppType => Kind::Folded,
        }
    }

    fn operators(self) -> Operators {
        Operators::ALL
    }
}

closed_set! {
    /// An attribute of a change record. Texts are compared exactly.
    pub enum ChangeAttribute {
        /// The identifier of the client.
        ClientId = "clientId",
        /// The type of the change.
        Type = "type",
        /// The subject that made the change.
        Actor = "actor",
        /// The time of the change.
        Time = "time",
    }
}

impl Attribute for ChangeAttribute {
    const NAMES: &'static [&'static str] = Self::NAMES;

    fn find(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|attribute| attribute.as_str().eq_ignore_ascii_case(name))
    }

    fn kind(self) -> Kind {
        match self {
            Self::ClientId | Self::Type | Self::Actor => Kind::Exact,
            Self::Time => Kind::Instant,
        }
    }

    fn operators(self) -> Operators {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith};
        Operators::only(match self {
            Self::ClientId => &[Equal],
            Self::Type | Self::Actor => &[Equal, NotEqual, StartsWith],
            Self::Time => &[Greater, GreaterOrEqual, Less, LessOrEqual],
        })
    }
}
