//! Texts for people: the name and the description of a client.

use icu_properties::{
    CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint},
};
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
    /// The text is empty, or has only characters that show nothing, such as white space and zero-width characters.
    #[error("must contain a character that shows")]
    Blank,
    /// The text has a character of the category Cc.
    #[error("must not contain control characters")]
    Control,
    /// The text has a character of the property `Bidi_Control`, which could spoof a consent screen.
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
        (!name.chars().any(shows), TextRule::Blank),
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

/// Returns `true` if a character has the property `Bidi_Control` (Unicode Standard Annex #9).
fn is_bidirectional_control(character: char) -> bool {
    CodePointSetData::new::<BidiControl>().contains(character)
}

/// Returns `true` if a reader sees a character: it is not white space, not of the property `Default_Ignorable_Code_Point`
/// (Unicode Standard Annex #44), and not the blank pattern of Braille.
fn shows(character: char) -> bool {
    let is_ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character);
    !character.is_whitespace() && !is_ignorable && character != '\u{2800}'
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
            ("\u{200B}", vec![TextRule::Blank]),
            (
                "\u{FEFF}\u{3164}\u{2800} \u{115F}\u{FFA0}\u{00AD}\u{2060}\u{E0020}",
                vec![TextRule::Blank],
            ),
            ("\n", vec![TextRule::Blank, TextRule::Control]),
            ("a\u{7f}", vec![TextRule::Control]),
            ("a\u{0}b", vec![TextRule::Control]),
            ("a\u{202E}b", vec![TextRule::BidirectionalControl]),
            ("a\u{2066}b", vec![TextRule::BidirectionalControl]),
            ("a\u{061C}b", vec![TextRule::BidirectionalControl]),
            ("a\u{200E}b", vec![TextRule::BidirectionalControl]),
            ("a\u{200F}b", vec![TextRule::BidirectionalControl]),
            ("\u{200F}", vec![TextRule::Blank, TextRule::BidirectionalControl]),
            // Joiners are part of scripts and of emoji.
            ("a\u{200D}b", vec![]),
            ("\u{2801}", vec![]),
            ("\u{05D0}", vec![]),
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
