//! Parses a filter by the grammar of RFC 7644 section 3.4.2.2: `not` binds tighter than `and`, which binds tighter than
//! `or`.
//!
//! This is an operator-precedence parser with an explicit stack, so that deeply nested input takes bounded memory and
//! cannot overflow the call stack.

use super::{
    Attribute, Comparison, Connective, Filter, InvalidFilter, Kind, MAX_BYTES, MAX_COMPARISONS, MAX_DEPTH,
    Node, Operator, PRESENT, Problem,
    lexer::{Lexer, Spanned, Token},
};
use crate::domain::timestamp::{InvalidTimestamp, Timestamp};

pub(super) fn parse<A: Attribute>(text: &str) -> Result<Filter<A>, InvalidFilter> {
    if text.len() > MAX_BYTES {
        return Err(InvalidFilter {
            position: MAX_BYTES,
            problem: Problem::TooLong,
        });
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        peeked: None,
        nodes: Vec::new(),
        pending: Vec::new(),
        depth: 0,
        comparisons: 0,
    };
    parser.filter()?;
    Ok(Filter { nodes: parser.nodes })
}

/// An operator or group whose last operand is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Group,
    Not,
    Connective(Connective),
}

struct Parser<'a, A> {
    lexer: Lexer<'a>,
    peeked: Option<Spanned<'a>>,
    nodes: Vec<Node<A>>,
    pending: Vec<Pending>,
    depth: usize,
    comparisons: usize,
}

type Outcome<T = ()> = Result<T, InvalidFilter>;

fn reject<T>(position: usize, problem: Problem) -> Outcome<T> {
    Err(InvalidFilter { position, problem })
}

impl<'a, A: Attribute> Parser<'a, A> {
    fn next(&mut self) -> Outcome<Option<Spanned<'a>>> {
        match self.peeked.take() {
            Some(token) => Ok(Some(token)),
            None => self.lexer.next(),
        }
    }

    fn filter(&mut self) -> Outcome {
        loop {
            self.operand()?;
            if !self.connective()? {
                return Ok(());
            }
        }
    }

    /// Parses the opening parentheses and `not`s before the next comparison, and the comparison.
    fn operand(&mut self) -> Outcome {
        loop {
            let Some(token) = self.next()? else {
                return reject(self.lexer.end(), Problem::ExpectedExpression);
            };
            match token.token {
                Token::Open => self.open(token.start)?,
                Token::Word(word) if word.eq_ignore_ascii_case("not") => self.not()?,
                Token::Word(word) => return self.comparison(word, &token),
                Token::Text(_) | Token::Close => return reject(token.start, Problem::ExpectedExpression),
            }
        }
    }

    fn open(&mut self, position: usize) -> Outcome {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return reject(position, Problem::TooDeep);
        }
        self.pending.push(Pending::Group);
        Ok(())
    }

    fn not(&mut self) -> Outcome {
        match self.next()? {
            Some(token) if token.token == Token::Open => {
                self.pending.push(Pending::Not);
                self.open(token.start)
            }
            Some(token) => reject(token.start, Problem::ExpectedGroup),
            None => reject(self.lexer.end(), Problem::ExpectedGroup),
        }
    }

    fn comparison(&mut self, name: &str, token: &Spanned<'a>) -> Outcome {
        let attribute = match A::find(name) {
            Some(attribute) => attribute,
            None if name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                return reject(token.start, Problem::UnknownAttribute(A::NAMES));
            }
            None => return reject(token.start, Problem::ExpectedExpression),
        };
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return reject(token.start, Problem::TooManyComparisons);
        }
        let operators = attribute.operators();
        let expected = Problem::ExpectedOperator(operators);
        let (word, start) = match self.next()? {
            Some(Spanned {
                token: Token::Word(word),
                start,
                ..
            }) => (word, start),
            Some(token) => return reject(token.start, expected),
            None => return reject(self.lexer.end(), expected),
        };
        let comparison = if operators.present && word.eq_ignore_ascii_case(PRESENT) {
            Comparison::Present(attribute)
        } else {
            let Some(operator) = operators.find(word) else {
                return reject(start, expected);
            };
            self.value(attribute, operator)?
        };
        self.nodes.push(Node::Comparison(comparison));
        Ok(())
    }

    fn value(&mut self, attribute: A, operator: Operator) -> Outcome<Comparison<A>> {
        let Some(token) = self.next()? else {
            return reject(self.lexer.end(), Problem::ExpectedValue);
        };
        match token.token {
            Token::Text(_) if !token.spaced => reject(token.start, Problem::ExpectedSpace),
            Token::Text(value) if attribute.kind() == Kind::Instant => {
                instant(attribute, operator, &value).or_else(|_| reject(token.start, Problem::NotAnInstant))
            }
            Token::Text(value) => Ok(Comparison::Text {
                attribute,
                operator,
                value,
            }),
            Token::Word("null") => match operator {
                Operator::Equal => Ok(Comparison::Absent(attribute)),
                Operator::NotEqual => Ok(Comparison::Present(attribute)),
                _ => reject(token.start, Problem::NotAString),
            },
            Token::Word(word) if is_number_or_boolean(word) => reject(token.start, Problem::NotAString),
            Token::Word(_) | Token::Open | Token::Close => reject(token.start, Problem::ExpectedValue),
        }
    }

    /// Parses closing parentheses and the connective after them. Returns `false` at the end of the filter.
    fn connective(&mut self) -> Outcome<bool> {
        loop {
            let Some(token) = self.next()? else {
                self.complete(|_| true);
                let open = self.pending.last() == Some(&Pending::Group);
                return if open {
                    reject(self.lexer.end(), Problem::ExpectedClosing)
                } else {
                    Ok(false)
                };
            };
            let problem = if self.depth == 0 {
                Problem::ExpectedConnective
            } else {
                Problem::ExpectedClosing
            };
            let connective = match token.token {
                Token::Close if self.depth > 0 => {
                    self.close();
                    continue;
                }
                Token::Word(word) if word.eq_ignore_ascii_case("and") => Connective::And,
                Token::Word(word) if word.eq_ignore_ascii_case("or") => Connective::Or,
                Token::Word(_) | Token::Text(_) | Token::Open | Token::Close => {
                    return reject(token.start, problem);
                }
            };
            if !token.spaced {
                return reject(token.start, Problem::ExpectedSpace);
            }
            self.require_space_after(&token)?;
            // Completes every connective that binds at least as tight as this one.
            self.complete(|pending| connective == Connective::Or || pending == Connective::And);
            self.pending.push(Pending::Connective(connective));
            return Ok(true);
        }
    }

    fn require_space_after(&mut self, token: &Spanned<'a>) -> Outcome {
        self.peeked = self.lexer.next()?;
        match &self.peeked {
            Some(next) if !next.spaced => reject(token.end, Problem::ExpectedSpace),
            _ => Ok(()),
        }
    }

    fn close(&mut self) {
        self.complete(|_| true);
        // The depth is not 0, so the group is on the stack, perhaps after a `not`.
        self.pending.pop();
        self.depth -= 1;
        if self.pending.last() == Some(&Pending::Not) {
            self.pending.pop();
            self.nodes.push(Node::Not);
        }
    }

    /// Completes the connectives on top of the stack that meet a condition, down to the innermost open group.
    fn complete(&mut self, condition: impl Fn(Connective) -> bool) {
        while let Some(&Pending::Connective(connective)) = self.pending.last()
            && condition(connective)
        {
            self.pending.pop();
            self.nodes.push(Node::Connective(connective));
        }
    }
}

/// Compares an attribute with a timestamp of any precision. One between two microseconds is replaced by the former: what lies
/// at or after it lies after the former, and what lies before it lies at or before the former.
fn instant<A>(attribute: A, operator: Operator, text: &str) -> Result<Comparison<A>, InvalidTimestamp> {
    let (value, exact) = Timestamp::parse_rfc3339_exactly(text)?;
    let operator = match operator {
        Operator::GreaterOrEqual if !exact => Operator::Greater,
        Operator::Less if !exact => Operator::LessOrEqual,
        other => other,
    };
    Ok(Comparison::Instant {
        attribute,
        operator,
        value,
    })
}

/// Returns `true` for a JSON number or boolean, which no attribute has as its value.
fn is_number_or_boolean(word: &str) -> bool {
    matches!(word, "true" | "false") || serde_json::from_str::<serde_json::Number>(word).is_ok()
}
