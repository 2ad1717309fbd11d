//! Headers that are lists.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Returns the list of a header, whose lines are parts of it (RFC 9110 section 5.3), or `None` if the request does not have
/// it.
pub(crate) fn header_list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    let text = |line: &'a HeaderValue| String::from_utf8_lossy(line.as_bytes());
    let lines = headers.get_all(name).iter().map(text);
    lines.reduce(|list, line| Cow::Owned(format!("{list}, {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_one_list() {
        let list = |lines: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("a", HeaderValue::from_bytes(line).unwrap());
            }
            header_list(&headers, &HeaderName::from_static("a")).map(Cow::into_owned)
        };
        assert_eq!(list(&[]), None);
        assert_eq!(list(&[b"x"]).unwrap(), "x");
        assert_eq!(list(&[b"x", b"", b"y, z", b"x"]).unwrap(), "x, , y, z, x");
        assert_eq!(list(&[b"\xff"]).unwrap(), "\u{fffd}");
    }
}
