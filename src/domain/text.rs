//! Texts that people read: the name and the description of a client.

use thiserror::Error;

use super::violation::broken;

/// A rule for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextRule {
    /// Too long. Characters are Unicode scalar values.
    #[error("must be at most {max} characters")]
    TooLong {
        /// The most that are allowed.
        max: usize,
    },
    /// Nothing but white space, or nothing at all.
    #[error("must have a character that is not white space")]
    Blank,
    /// A character of the category Cc.
    #[error("must not have control characters")]
    Control,
    /// U+202A to U+202E or U+2066 to U+2069, which could spoof a consent screen.
    #[error("must not have bidirectional controls")]
    BidirectionalControl,
    /// U+0000, which PostgreSQL cannot keep.
    #[error("must not have the character U+0000")]
    Nul,
}

/// The longest name of a client, in characters.
pub const MAX_NAME_CHARS: usize = 256;
/// The longest description of a client, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 2_048;

/// The rules that a client's name breaks.
pub fn check_name(name: &str) -> Vec<TextRule> {
    let max = MAX_NAME_CHARS;
    broken([
        (name.chars().count() > max, TextRule::TooLong { max }),
        (name.chars().all(char::is_whitespace), TextRule::Blank),
        (name.chars().any(char::is_control), TextRule::Control),
        (
            name.chars().any(is_bidirectional_control),
            TextRule::BidirectionalControl,
        ),
    ])
}

/// The rules that a client's description breaks.
pub fn check_description(text: &str) -> Vec<TextRule> {
    let max = MAX_DESCRIPTION_CHARS;
    broken([
        (text.chars().count() > max, TextRule::TooLong { max }),
        (text.contains('\0'), TextRule::Nul),
    ])
}

fn is_bidirectional_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A text with each code point lower-cased alone, so that a prefix stays a prefix: no final sigma, no `ß` = `ss`, no
/// normalisation.
pub fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_unicode_scalar_values() {
        assert_eq!(check_name(&"é".repeat(256)), []);
        assert_eq!(check_name("👩‍👩‍👧‍👦"), []);
        assert_eq!(check_name(&"é".repeat(257)), [TextRule::TooLong { max: 256 }]);
    }

    #[test]
    fn every_broken_rule_of_a_name_is_reported() {
        for (name, rules) in [
            ("", vec![TextRule::Blank]),
            (" \u{3000}", vec![TextRule::Blank]),
            ("\n", vec![TextRule::Blank, TextRule::Control]),
            ("a\u{7f}", vec![TextRule::Control]),
            ("a\u{0}b", vec![TextRule::Control]),
            ("a\u{202E}b", vec![TextRule::BidirectionalControl]),
            ("a\u{2066}b", vec![TextRule::BidirectionalControl]),
            ("a\u{200F}b", vec![]),
        ] {
            assert_eq!(check_name(name), rules, "{name:?}");
        }
    }

    #[test]
    fn a_description_may_be_empty_and_have_lines() {
        assert_eq!(check_description(""), []);
        assert_eq!(check_description("a\r\n\tb"), []);
        assert_eq!(check_description(&"é".repeat(2_048)), []);
        assert_eq!(check_description("a\0"), [TextRule::Nul]);
        assert_eq!(
            check_description(&"é".repeat(2_049)),
            [TextRule::TooLong { max: 2_048 }]
        );
    }

    #[test]
    fn folding_keeps_a_prefix_a_prefix() {
        assert_eq!(fold_case("ΟΔΟΣ"), "οδοσ");
        assert_eq!(fold_case("STRASSE ß İ"), "strasse ß i\u{307}");
    }
}
