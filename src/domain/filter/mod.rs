//! Filters (RFC 7644 section 3.4.2.2) on the attributes of a client, or of the items of another list: the table of the
//! [attributes](Attribute) is a parameter of the filter.
//!
//! A filter is a flat list in postfix order. Nothing about it is recursive, so that no input can exhaust the stack, not
//! even while a filter is dropped.

mod attribute;
mod lexer;
mod parser;
mod print;
#[cfg(test)]
mod tests;

use thiserror::Error;

use self::attribute::PRESENT;
pub use self::attribute::{Attribute, ChangeAttribute, ClientAttribute, Kind, Operators};
use super::{
    closed_set::{closed_set, one_of},
    timestamp::{InvalidTimestamp, Timestamp},
};

/// A filter that follows the grammar and the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter<A = ClientAttribute> {
    /// In postfix order: the operands of a connective stand right before it.
    nodes: Vec<Node<A>>,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node<A> {
    Comparison(Comparison<A>),
    /// Has one operand.
    Not,
    /// Has two operands.
    Connective(Connective),
}

/// A condition on one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison<A = ClientAttribute> {
    /// `pr` or `ne null`: the attribute has a value.
    Present(A),
    /// `eq null`: the attribute has no value.
    Absent(A),
    /// The attribute compares to a text.
    Text {
        /// The left operand.
        attribute: A,
        /// The operator.
        operator: Operator,
        /// The right operand, as it was written.
        value: String,
    },
    /// The attribute compares to a point in time. Attributes have whole microseconds, so that any comparison in order is
    /// one with a whole microsecond.
    Instant {
        /// The left operand.
        attribute: A,
        /// The operator.
        operator: Operator,
        /// The right operand.
        value: Timestamp,
    },
}

/// A connective between two parts of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connective {
    /// Both parts must hold. Binds tighter than `Or`.
    And,
    /// At least one part must hold.
    Or,
}

closed_set! {
    /// An operator that compares an attribute to a value (RFC 7644 Table 3). The order of texts is that of code points.
    pub enum Operator {
        /// The texts are equal.
        Equal = "eq",
        /// The texts differ.
        NotEqual = "ne",
        /// The attribute contains the text.
        Contains = "co",
        /// The attribute starts with the text.
        StartsWith = "sw",
        /// The attribute ends with the text.
        EndsWith = "ew",
        /// The attribute comes after the text.
        Greater = "gt",
        /// The attribute comes after the text or is equal to it.
        GreaterOrEqual = "ge",
        /// The attribute comes before the text.
        Less = "lt",
        /// The attribute comes before the text or is equal to it.
        LessOrEqual = "le",
    }
}

/// The position at which a text is not a filter, and the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("at byte {position}: {problem}")]
pub struct InvalidFilter {
    /// The offset in bytes, starting with 0.
    pub position: usize,
    /// The reason.
    pub problem: Problem,
}

/// The reason for which a text is not a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Problem {
    /// The text is too long.
    #[error("a filter must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// The groups are nested too deeply.
    #[error("groups must be nested at most {MAX_DEPTH} levels deep")]
    TooDeep,
    /// There are too many comparisons.
    #[error("a filter must have at most {MAX_COMPARISONS} comparisons")]
    TooManyComparisons,
    /// No comparison and no group begins here.
    #[error("expected an attribute, not, or a group in parentheses")]
    ExpectedExpression,
    /// The attribute is unknown.
    #[error("expected the attribute {}", one_of(.0))]
    UnknownAttribute(
        /// The names of those that there are.
        &'static [&'static str],
    ),
    /// No operator that compares the attribute follows it.
    #[error("expected the operator {0}")]
    ExpectedOperator(
        /// Those that do.
        Operators,
    ),
    /// No value follows the operator.
    #[error("expected a string in double quotes, or null after eq and ne")]
    ExpectedValue,
    /// The value is a number or a boolean, but every attribute is a string.
    #[error("expected a string: every attribute is a string")]
    NotAString,
    /// The value of an attribute that is a point in time is none.
    #[error("{InvalidTimestamp}")]
    NotAnInstant,
    /// No group follows `not`.
    #[error("expected a group in parentheses after not")]
    ExpectedGroup,
    /// Neither a connective nor the end of the filter follows an expression.
    #[error("expected and, or, or the end of the filter")]
    ExpectedConnective,
    /// Neither a connective nor the end of the group follows an expression.
    #[error("expected and, or, or a closing parenthesis")]
    ExpectedClosing,
    /// White space is missing.
    #[error("expected white space")]
    ExpectedSpace,
    /// The string does not end.
    #[error("expected the closing double quote of the string")]
    UnterminatedString,
    /// The string has a control character that JSON requires to be escaped.
    #[error("expected the control character to be escaped (RFC 8259 section 7)")]
    ControlCharacter,
    /// The escape is not one of JSON, or is half of a surrogate pair.
    #[error("expected an escape of RFC 8259 section 7")]
    InvalidEscape,
}

/// The maximum length of a filter, in bytes.
pub const MAX_BYTES: usize = 8_192;
/// The maximum depth of nested groups.
pub const MAX_DEPTH: usize = 128;
/// The maximum number of comparisons.
pub const MAX_COMPARISONS: usize = 256;

impl<A: Attribute> Filter<A> {
    /// Parses a filter.
    ///
    /// # Errors
    /// If the text is not a filter.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        parser::parse(text)
    }

    /// Evaluates the filter bottom-up: the closures make a value of each comparison, and of the values of the operands of
    /// each `not` and connective. `None` if the filter is empty, which no parsed filter is.
    pub fn evaluate<T>(
        &self,
        mut comparison: impl FnMut(&Comparison<A>) -> T,
        mut not: impl FnMut(T) -> T,
        mut connect: impl FnMut(Connective, T, T) -> T,
    ) -> Option<T> {
        let mut stack = Vec::new();
        for node in &self.nodes {
            let value = match node {
                Node::Comparison(leaf) => comparison(leaf),
                Node::Not => not(stack.pop()?),
                Node::Connective(connective) => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    connect(*connective, left, right)
                }
            };
            stack.push(value);
        }
        stack.pop()
    }
}

impl Operator {
    /// Returns `true` if the operator holds between two texts in the form in which they are compared.
    pub fn holds(self, left: &str, right: &str) -> bool {
        // Rust orders strings by their UTF-8 bytes, which is the order of code points.
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Contains => left.contains(right),
            Self::StartsWith => left.starts_with(right),
            Self::EndsWith => left.ends_with(right),
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
        }
    }
}
