//! Texts for people: the name and the description of a client.

use thiserror::Error;

use super::rules::broken_rules;

/// A rule for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextRule {
    /// The text is too long. Characters are Unicode scalar values.
    #[error("must be at most {max} characters")]
    TooLong {
        /// The maximum length.
        max: usize,
    },
    /// The text is empty, or only white space.
    #[error("must contain a character that is not white space")]
    Blank,
    /// The text has a character of the category Cc.
    #[error("must not contain control characters")]
    Control,
    /// The text has one of U+202A to U+202E or U+2066 to U+2069, which could spoof a consent screen.
    #[error("must not contain bidirectional controls")]
    BidirectionalControl,
    /// The text has U+0000, which PostgreSQL cannot store.
    #[error("must not contain the character U+0000")]
    Nul,
}

/// The maximum length of a client's name, in characters.
pub const MAX_NAME_CHARS: usize = 256;
/// The maximum length of a client's description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 2_048;

/// Returns the rules that a client's name breaks.
pub fn check_name(name: &str) -> Vec<TextRule> {
    let max = MAX_NAME_CHARS;
    broken_rules([
        (name.chars().count() > max, TextRule::TooLong { max }),
        (name.chars().all(char::is_whitespace), TextRule::Blank),
        (name.chars().any(char::is_control), TextRule::Control),
        (
            name.chars().any(is_bidirectional_control),
            TextRule::BidirectionalControl,
        ),
    ])
}

/// Returns the rules that a client's description breaks.
pub fn check_description(text: &str) -> Vec<TextRule> {
    let max = MAX_DESCRIPTION_CHARS;
    broken_rules([
        (text.chars().count() > max, TextRule::TooLong { max }),
        (text.contains('\0'), TextRule::Nul),
    ])
}

fn is_bidirectional_control(character: char) -> bool {
    matches!(character, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Lower-cases each code point on its own, so that a prefix of the text stays a prefix of the result: no final sigma, no
/// `ß` = `ss`, no normalization.
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
    fn a_description_may_be_empty_or_have_several_lines() {
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
    fn a_prefix_stays_a_prefix_when_case_is_folded() {
        assert_eq!(fold_case("ΟΔΟΣ"), "οδοσ");
        assert_eq!(fold_case("STRASSE ß İ"), "strasse ß i\u{307}");
    }
}
