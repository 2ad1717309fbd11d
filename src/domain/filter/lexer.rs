//! Splits a filter into words, strings and parentheses, each with its position.

use super::{InvalidFilter, Problem};

/// A token of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Characters without white space, quotes and parentheses: a name, an operator or a number.
    Word(&'a str),
    /// A JSON string, unescaped.
    Text(String),
    /// `(`
    Open,
    /// `)`
    Close,
}

/// A token with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    /// The offset at which the token begins, in bytes.
    pub(super) start: usize,
    /// The offset at which the token ends, in bytes.
    pub(super) end: usize,
    /// `true` if white space precedes the token.
    pub(super) spaced: bool,
}

/// Iterates over the tokens of a filter.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns the offset at which the filter ends, in bytes.
    pub(super) fn end(&self) -> usize {
        self.text.len()
    }

    /// Returns the next token, or `None` at the end of the filter.
    ///
    /// # Errors
    /// If a string is malformed.
    pub(super) fn next(&mut self) -> Result<Option<Spanned<'a>>, InvalidFilter> {
        let before = self.at;
        let rest = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
        self.at = self.text.len() - rest.len();
        let start = self.at;
        let token = match rest.chars().next() {
            None => return Ok(None),
            Some('(') => self.single(Token::Open),
            Some(')') => self.single(Token::Close),
            Some('"') => Token::Text(self.string()?),
            Some(_) => self.word(),
        };
        Ok(Some(Spanned {
            token,
            start,
            end: self.at,
            spaced: start > before,
        }))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn single(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        token
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = rest
            .find([' ', '\t', '\n', '\r', '(', ')', '"'])
            .unwrap_or(rest.len());
        self.at += end;
        Token::Word(rest.get(..end).unwrap_or_default())
    }

    /// Reads a JSON string (RFC 8259 section 7).
    fn string(&mut self) -> Result<String, InvalidFilter> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let position = self.at;
            let reject = |problem| Err(InvalidFilter { position, problem });
            let Some(character) = self.take() else {
                return reject(Problem::UnterminatedString);
            };
            match character {
                '"' => return Ok(text),
                '\\' => match self.escape() {
                    Some(character) => text.push(character),
                    None => return reject(Problem::InvalidEscape),
                },
                '\0'..='\u{1F}' => return reject(Problem::ControlCharacter),
                _ => text.push(character),
            }
        }
    }

    fn take(&mut self) -> Option<char> {
        let character = self.rest().chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.take()? {
            character @ ('"' | '\\' | '/') => character,
            'b' => '\u{8}',
            'f' => '\u{C}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode_escape(),
            _ => return None,
        })
    }

    /// Reads the digits after `\u`, and a second escape after a high surrogate. `None` for half of a surrogate pair.
    fn unicode_escape(&mut self) -> Option<char> {
        let unit = self.four_digits()?;
        let mut units = vec![unit];
        if (0xD800..0xDC00).contains(&unit) {
            let low = self.rest().strip_prefix("\\u")?;
            self.at = self.text.len() - low.len();
            units.push(self.four_digits()?);
        }
        char::decode_utf16(units).next()?.ok()
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.rest().get(..4)?;
        let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.at += 4;
        all_hex.then(|| u16::from_str_radix(digits, 16).ok())?
    }
}
