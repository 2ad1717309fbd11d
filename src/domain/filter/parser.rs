//! The grammar of RFC 7644 section 3.4.2.2: `not` binds tighter than `and`, and that tighter than `or`.
//!
//! It is an operator-precedence parser with a stack of its own, so that deep input costs memory that is bounded, and no
//! stack of the process.

use super::{
    Attribute, Comparison, Filter, InvalidFilter, MAX_BYTES, MAX_COMPARISONS, MAX_DEPTH, Node, Operator,
    Problem,
    lexer::{Lexer, Spanned, Token},
};

pub(super) fn parse(text: &str) -> Result<Filter, InvalidFilter> {
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

/// What waits for its last operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pending {
    Group,
    Not,
    And,
    Or,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Spanned<'a>>,
    nodes: Vec<Node>,
    pending: Vec<Pending>,
    depth: usize,
    comparisons: usize,
}

type Outcome<T = ()> = Result<T, InvalidFilter>;

fn refuse<T>(position: usize, problem: Problem) -> Outcome<T> {
    Err(InvalidFilter { position, problem })
}

impl<'a> Parser<'a> {
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

    /// Everything up to and with the next comparison: opening parentheses, `not`s, and it.
    fn operand(&mut self) -> Outcome {
        loop {
            let Some(token) = self.next()? else {
                return refuse(self.lexer.end(), Problem::ExpectedExpression);
            };
            match token.token {
                Token::Open => self.open(token.start)?,
                Token::Word(word) if word.eq_ignore_ascii_case("not") => self.not()?,
                Token::Word(word) => return self.comparison(word, &token),
                Token::Text(_) | Token::Close => return refuse(token.start, Problem::ExpectedExpression),
            }
        }
    }

    fn open(&mut self, position: usize) -> Outcome {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return refuse(position, Problem::TooDeep);
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
            Some(token) => refuse(token.start, Problem::ExpectedGroup),
            None => refuse(self.lexer.end(), Problem::ExpectedGroup),
        }
    }

    fn comparison(&mut self, name: &str, token: &Spanned<'a>) -> Outcome {
        let attribute = match Attribute::parse(name) {
            Some(attribute) => attribute,
            None if name.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                return refuse(token.start, Problem::UnknownAttribute);
            }
            None => return refuse(token.start, Problem::ExpectedExpression),
        };
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return refuse(token.start, Problem::TooManyComparisons);
        }
        let (word, start) = match self.next()? {
            Some(Spanned {
                token: Token::Word(word),
                start,
                ..
            }) => (word, start),
            Some(token) => return refuse(token.start, Problem::ExpectedOperator),
            None => return refuse(self.lexer.end(), Problem::ExpectedOperator),
        };
        let comparison = if word.eq_ignore_ascii_case("pr") {
            Comparison::Present(attribute)
        } else {
            let Some(operator) = Operator::parse(word) else {
                return refuse(start, Problem::ExpectedOperator);
            };
            self.value(attribute, operator)?
        };
        self.nodes.push(Node::Comparison(comparison));
        Ok(())
    }

    fn value(&mut self, attribute: Attribute, operator: Operator) -> Outcome<Comparison> {
        let Some(token) = self.next()? else {
            return refuse(self.lexer.end(), Problem::ExpectedValue);
        };
        match token.token {
            Token::Text(_) if !token.spaced => refuse(token.start, Problem::ExpectedSpace),
            Token::Text(value) => Ok(Comparison::Text {
                attribute,
                operator,
                value,
            }),
            Token::Word("null") => match operator {
                Operator::Equal => Ok(Comparison::Absent(attribute)),
                Operator::NotEqual => Ok(Comparison::Present(attribute)),
                _ => refuse(token.start, Problem::NotAString),
            },
            Token::Word(word) if is_number_or_boolean(word) => refuse(token.start, Problem::NotAString),
            Token::Word(_) | Token::Open | Token::Close => refuse(token.start, Problem::ExpectedValue),
        }
    }

    /// Closing parentheses, and then `and` or `or`. False at the end of the filter.
    fn connective(&mut self) -> Outcome<bool> {
        loop {
            let Some(token) = self.next()? else {
                self.reduce_while(|_| true);
                let open = self.pending.last() == Some(&Pending::Group);
                return if open {
                    refuse(self.lexer.end(), Problem::ExpectedClosing)
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
                Token::Word(word) if word.eq_ignore_ascii_case("and") => Pending::And,
                Token::Word(word) if word.eq_ignore_ascii_case("or") => Pending::Or,
                Token::Word(_) | Token::Text(_) | Token::Open | Token::Close => {
                    return refuse(token.start, problem);
                }
            };
            if !token.spaced {
                return refuse(token.start, Problem::ExpectedSpace);
            }
            self.require_space_after(&token)?;
            // `and` waits for what binds as tight or tighter, `or` for everything.
            self.reduce_while(|waiting| connective == Pending::Or || waiting != Pending::Or);
            self.pending.push(connective);
            return Ok(true);
        }
    }

    fn require_space_after(&mut self, token: &Spanned<'a>) -> Outcome {
        self.peeked = self.lexer.next()?;
        match &self.peeked {
            Some(next) if !next.spaced => refuse(token.end, Problem::ExpectedSpace),
            _ => Ok(()),
        }
    }

    fn close(&mut self) {
        self.reduce_while(|_| true);
        // The group itself, which is open as the depth is not 0, and the `not` before it.
        self.pending.pop();
        self.depth -= 1;
        if self.pending.last() == Some(&Pending::Not) {
            self.pending.pop();
            self.nodes.push(Node::Not);
        }
    }

    /// Completes the connectives that wait on top, down to the innermost open group.
    fn reduce_while(&mut self, binds: impl Fn(Pending) -> bool) {
        while let Some(&waiting) = self.pending.last() {
            let node = match waiting {
                Pending::And if binds(waiting) => Node::And,
                Pending::Or if binds(waiting) => Node::Or,
                Pending::And | Pending::Or | Pending::Group | Pending::Not => return,
            };
            self.pending.pop();
            self.nodes.push(node);
        }
    }
}

/// A JSON number, `true` or `false`: well-formed, but no value of an attribute here.
fn is_number_or_boolean(word: &str) -> bool {
    matches!(word, "true" | "false") || serde_json::from_str::<serde_json::Number>(word).is_ok()
}
