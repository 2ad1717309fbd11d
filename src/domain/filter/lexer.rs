//! The words, strings and parentheses of a filter, each with its place.

use super::{InvalidFilter, Problem};

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of characters that are no white space, quote or parenthesis: a name, an operator, a number.
    Word(&'a str),
    /// A JSON string, unescaped.
    Text(String),
    /// `(`
    Open,
    /// `)`
    Close,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where what follows begins, in bytes.
    pub(super) end: usize,
    /// Whether white space stands before it.
    pub(super) spaced: bool,
}

/// Reads the tokens of a filter one by one.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where the filter ends.
    pub(super) fn end(&self) -> usize {
        self.text.len()
    }

    /// The next token, or nothing at the end of the filter.
    ///
    /// # Errors
    /// When a string is malformed.
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

    /// A string of RFC 8259 section 7.
    fn string(&mut self) -> Result<String, InvalidFilter> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let position = self.at;
            let refuse = |problem| Err(InvalidFilter { position, problem });
            let Some(character) = self.take() else {
                return refuse(Problem::UnterminatedString);
            };
            match character {
                '"' => return Ok(text),
                '\\' => match self.escape() {
                    Some(character) => text.push(character),
                    None => return refuse(Problem::InvalidEscape),
                },
                '\0'..='\u{1F}' => return refuse(Problem::ControlCharacter),
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

    /// Four hexadecimal digits, and four more after a high surrogate. Half of a pair is no character.
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
