//! JSON Pointers (RFC 6901).

/// Returns the unescaped reference tokens of a JSON Pointer (RFC 6901 sections 3 and 4). `None` if it is malformed or
/// points at the whole document.
pub(super) fn parse(pointer: &str) -> Option<Vec<String>> {
    pointer.strip_prefix('/')?.split('/').map(unescape).collect()
}

fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix('0') {
            text.push('~');
            text.push_str(rest);
        } else {
            text.push('/');
            text.push_str(part.strip_prefix('1')?);
        }
    }
    Some(text)
}

/// Returns the index below `end` that a reference token names: digits without leading zeros (RFC 6901 section 4).
pub(super) fn array_index(token: &str, end: usize) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|index| canonical && *index < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_unescaped() {
        assert_eq!(
            parse("/a~1b/m~0n/~01"),
            Some(vec!["a/b".into(), "m~n".into(), "~1".into()])
        );
        assert_eq!(parse("/"), Some(vec![String::new()]));
        assert_eq!(parse(""), None);
        assert_eq!(parse("/~"), None);
        assert_eq!(parse("/~2"), None);
    }
}
