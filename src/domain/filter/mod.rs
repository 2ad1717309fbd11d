//! Filters of RFC 7644 section 3.4.2.2, over the attributes of a client.
//!
//! A filter is kept in postfix order, in one flat list: nothing about it is recursive, so that no input, however deep,
//! can exhaust the stack, not even while a filter is dropped.

mod lexer;
mod parser;
mod print;
#[cfg(test)]
mod tests;

use thiserror::Error;

/// A filter that follows the grammar and the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// In postfix order: the operands of a connective stand right before it.
    nodes: Vec<Node>,
}

/// A part of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Comparison(Comparison),
    /// Takes one operand.
    Not,
    /// Takes two operands.
    And,
    /// Takes two operands.
    Or,
}

/// What is asked of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// `pr`, and `ne null`: it has a value.
    Present(Attribute),
    /// `eq null`: it has none.
    Absent(Attribute),
    /// It compares so to a text.
    Text {
        /// What is compared.
        attribute: Attribute,
        /// How.
        operator: Operator,
        /// To what, as it was written.
        value: String,
    },
}

/// What can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// The identifier, compared exactly.
    ClientId,
    /// The name, compared with each code point lower-cased alone.
    ClientName,
    /// The type, compared with each code point lower-cased alone.
    AppType,
}

/// How a text compares (RFC 7644 Table 3). Order is by code point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// Where a text stops being a filter, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("at byte {position}: {problem}")]
pub struct InvalidFilter {
    /// The offset in bytes, from 0.
    pub position: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Problem {
    /// Longer than a filter may be.
    #[error("a filter is at most {MAX_BYTES} bytes long")]
    TooLong,
    /// Deeper than a filter may be.
    #[error("groups are at most {MAX_DEPTH} levels deep")]
    TooDeep,
    /// More than a filter may compare.
    #[error("a filter has at most {MAX_COMPARISONS} comparisons")]
    TooManyComparisons,
    /// Something else stands where a comparison or a group begins.
    #[error("expected an attribute, not or a group in parentheses")]
    ExpectedExpression,
    /// The attribute is not one of a client.
    #[error("expected one of the attributes clientId, clientName, appType")]
    UnknownAttribute,
    /// No operator after an attribute.
    #[error("expected one of the operators eq, ne, co, sw, ew, gt, ge, lt, le, pr")]
    ExpectedOperator,
    /// No value after an operator.
    #[error("expected a string in double quotes, or null after eq and ne")]
    ExpectedValue,
    /// A number or a boolean, though every attribute is a string.
    #[error("expected a string: every attribute is one")]
    NotAString,
    /// `not` without a group.
    #[error("expected a group in parentheses after not")]
    ExpectedGroup,
    /// A group or the filter goes on with something else.
    #[error("expected and, or or the end of the filter")]
    ExpectedConnective,
    /// A group does not end.
    #[error("expected and, or or a closing parenthesis")]
    ExpectedClosing,
    /// No white space where the grammar asks for it.
    #[error("expected white space")]
    ExpectedSpace,
    /// A string does not end.
    #[error("expected the closing double quote of the string")]
    UnterminatedString,
    /// A character that a JSON string must escape.
    #[error("expected a control character to be escaped (RFC 8259 section 7)")]
    ControlCharacter,
    /// An escape that JSON does not have, or half of a surrogate pair.
    #[error("expected an escape of RFC 8259 section 7")]
    InvalidEscape,
}

/// The longest filter, in bytes.
pub const MAX_BYTES: usize = 8_192;
/// The deepest nesting of groups.
pub const MAX_DEPTH: usize = 128;
/// The most comparisons.
pub const MAX_COMPARISONS: usize = 256;

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Where and why the text is none.
    pub fn parse(text: &str) -> Result<Self, InvalidFilter> {
        parser::parse(text)
    }

    /// Puts a value together from the values of the parts: the one way to walk a filter.
    pub fn fold<T>(
        &self,
        mut comparison: impl FnMut(&Comparison) -> T,
        mut not: impl FnMut(T) -> T,
        mut connect: impl FnMut(Connective, T, T) -> T,
    ) -> Option<T> {
        let mut stack = Vec::new();
        for node in &self.nodes {
            let value = match node {
                Node::Comparison(leaf) => comparison(leaf),
                Node::Not => not(stack.pop()?),
                Node::And | Node::Or => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    let connective = if *node == Node::And {
                        Connective::And
                    } else {
                        Connective::Or
                    };
                    connect(connective, left, right)
                }
            };
            stack.push(value);
        }
        stack.pop()
    }
}

/// What connects two parts of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connective {
    /// Both must hold. Binds tighter.
    And,
    /// One must hold.
    Or,
}

impl Attribute {
    const ALL: [(Self, &'static str); 3] = [
        (Self::ClientId, "clientId"),
        (Self::ClientName, "clientName"),
        (Self::AppType, "appType"),
    ];

    fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(attribute, own)| own.eq_ignore_ascii_case(name).then_some(attribute))
    }

    /// The value that a text is compared by: itself, or with each code point lower-cased alone.
    pub fn comparable(self, text: &str) -> String {
        match self {
            Self::ClientId => text.to_owned(),
            Self::ClientName | Self::AppType => super::text::fold_case(text),
        }
    }
}

impl Operator {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Equal, "eq"),
        (Self::NotEqual, "ne"),
        (Self::Contains, "co"),
        (Self::StartsWith, "sw"),
        (Self::EndsWith, "ew"),
        (Self::Greater, "gt"),
        (Self::GreaterOrEqual, "ge"),
        (Self::Less, "lt"),
        (Self::LessOrEqual, "le"),
    ];

    fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find_map(|(operator, own)| own.eq_ignore_ascii_case(name).then_some(operator))
    }

    /// Whether two comparable texts compare so.
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
