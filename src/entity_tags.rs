//! Lists of entity tags, as preconditions have them (RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2).

use thiserror::Error;

/// The entity tags that a precondition names: those of a list, or that of whatever there is.
///
/// In a list, a tag without quotes stands for the same one with quotes, if it has no comma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntityTags(String);

/// A text is not a list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be * or a list of entity tags, as in If-Match (RFC 9110 section 13.1.1)")]
pub(crate) struct InvalidEntityTags;

/// An entity tag without its quotes.
#[derive(Debug, Clone, Copy)]
enum Tag<'a> {
    Strong(&'a str),
    Weak(&'a str),
}

impl EntityTags {
    /// Parses a list of at least one tag, or `*`.
    ///
    /// # Errors
    /// If the text has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidEntityTags> {
        let text = text.trim_matches(BLANKS);
        if text != ANY {
            let mut tags = Tags(text);
            tags.next().ok_or(InvalidEntityTags)??;
            tags.try_for_each(|tag| tag.map(|_| ()))?;
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns `true` if one of the tags is the same as that of a state, without its quotes, and is not weak
    /// (RFC 9110 section 8.8.3.2, strong comparison).
    pub(crate) fn match_strongly(&self, state: &str) -> bool {
        self.any(|tag| matches!(tag, Tag::Strong(tag) if tag == state))
    }

    /// Returns `true` if one of the tags is the same as that of a state, without its quotes (RFC 9110 section 8.8.3.2,
    /// weak comparison).
    pub(crate) fn match_weakly(&self, state: &str) -> bool {
        self.any(|tag| matches!(tag, Tag::Strong(tag) | Tag::Weak(tag) if tag == state))
    }

    fn any(&self, is_the_same: impl FnMut(Tag<'_>) -> bool) -> bool {
        self.0 == ANY || Tags(&self.0).flatten().any(is_the_same)
    }
}

const ANY: &str = "*";
/// Optional white space (RFC 9110 section 5.6.3).
const BLANKS: [char; 2] = [' ', '\t'];
/// The same, and the separator: empty elements of a list are ignored (RFC 9110 section 5.6.1.2).
const BETWEEN: [char; 3] = [' ', '\t', ','];

/// The tags of a list that are still to be read.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, InvalidEntityTags>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0.trim_start_matches(BETWEEN);
        if text.is_empty() {
            return None;
        }
        let found = first_tag(text).map(|(tag, rest)| (tag, rest.trim_start_matches(BLANKS)));
        Some(match found {
            Some((tag, rest)) if rest.is_empty() || rest.starts_with(',') => {
                self.0 = rest;
                Ok(tag)
            }
            _ => {
                self.0 = "";
                Err(InvalidEntityTags)
            }
        })
    }
}

/// Returns the tag at the start of a text, and the rest.
fn first_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    if let Some(text) = text.strip_prefix('"') {
        let (tag, rest) = text.split_once('"')?;
        is_opaque(tag).then_some((Tag::Strong(tag), rest))
    } else if let Some(text) = text.strip_prefix("W/\"") {
        let (tag, rest) = text.split_once('"')?;
        is_opaque(tag).then_some((Tag::Weak(tag), rest))
    } else {
        let (tag, rest) = text.split_at(text.find(BETWEEN).unwrap_or(text.len()));
        // `*` stands alone.
        (tag != ANY && is_opaque(tag)).then_some((Tag::Strong(tag), rest))
    }
}

/// Returns `true` if a text has only the characters of a tag: `etagc` of RFC 9110 section 8.8.3.
fn is_opaque(tag: &str) -> bool {
    tag.chars().all(|c| matches!(c, '!' | '#'..='~' | '\u{80}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether a list matches the tag `a`, strongly and weakly.
    fn matches(list: &str) -> (bool, bool) {
        let tags = EntityTags::parse(list).unwrap_or_else(|_| panic!("{list:?} is refused"));
        (tags.match_strongly("a"), tags.match_weakly("a"))
    }

    #[test]
    fn a_list_matches_a_tag_that_it_has() {
        for list in [
            "*",
            " *\t",
            "\"a\"",
            "a",
            " a ",
            "\"b\", \"a\"",
            "b,a",
            "\"b,c\",a",
            ",, \"b\" ,\t, \"a\",",
            "W/\"a\", \"a\"",
            "\"é\",\"a\"",
        ] {
            assert_eq!(matches(list), (true, true), "{list:?}");
        }
        for list in [
            "\"b\"", "b", "\"A\"", "\"\"", "\"*\"", "\"a,\"", "\"b,a\"", "W/a", "W/\"b\"", "\u{fffd}", "'a'",
        ] {
            assert_eq!(matches(list), (false, false), "{list:?}");
        }
    }

    #[test]
    fn a_weak_tag_matches_weakly_only() {
        for list in ["W/\"a\"", "\"b\", W/\"a\""] {
            assert_eq!(matches(list), (false, true), "{list:?}");
        }
    }

    #[test]
    fn no_list_has_an_empty_tag_of_a_state() {
        // Nothing in this server has one.
        assert!(!EntityTags::parse("\"a\"").unwrap().match_weakly(""));
    }

    #[test]
    fn anything_else_is_not_a_list() {
        for text in [
            "",
            " ",
            ",",
            " , ,",
            "\"a",
            "a\"",
            "a\"b\"",
            "\"a\"b",
            "\"a\" \"b\"",
            "a b",
            "w/\"a\"",
            "W/ \"a\"",
            "*, a",
            "a, *",
            "*, *",
            "**\"",
            "\"a b\"",
            "\"a\u{7f}\"",
            "a\n",
            "\"a\", \"b",
            "a, b c",
        ] {
            assert_eq!(EntityTags::parse(text), Err(InvalidEntityTags), "{text:?}");
        }
    }
}
