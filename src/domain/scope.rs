//! Scope tokens (RFC 6749 section 3.3).

/// The maximum length of a scope token, in characters.
pub(super) const MAX_SCOPE_CHARS: usize = 256;

/// Returns `true` if a text is a `scope-token`: visible ASCII characters except `"` and `\`.
pub(super) fn is_scope_token(text: &str) -> bool {
    let allowed = |byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    (1..=MAX_SCOPE_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_token_has_1_to_256_visible_ascii_characters() {
        for scope in ["automations", "a:b/c.d", "!#[]~", &"a".repeat(256)] {
            assert!(is_scope_token(scope), "{scope}");
        }
        for scope in ["", "a b", "a\"", "a\\", "é", "a\n", &"a".repeat(257)] {
            assert!(!is_scope_token(scope), "{scope}");
        }
    }
}
