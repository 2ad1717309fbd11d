//! Headers that a request should have once.

use http::{HeaderMap, HeaderValue, header::AsHeaderName};
use thiserror::Error;

/// A header that should have one value is repeated with different ones, so that readers could disagree about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is repeated with different values")]
pub(crate) struct DifferentValues;

/// Returns the value of a header, or `None` if the request does not have it. It may be repeated with the same value.
///
/// # Errors
/// Returns an error if the values differ.
pub(crate) fn single_header(
    headers: &HeaderMap,
    name: impl AsHeaderName,
) -> Result<Option<&HeaderValue>, DifferentValues> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.all(|value| Some(value) == first) {
        Ok(first)
    } else {
        Err(DifferentValues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_may_be_repeated_with_the_same_value_only() {
        let single = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("a", HeaderValue::from_static(value));
            }
            let single = single_header(&headers, "A").map(Option::<&HeaderValue>::cloned);
            single.map(|value| value.map(|value| value.to_str().unwrap().to_owned()))
        };
        assert_eq!(single(&[]), Ok(None));
        assert_eq!(single(&["x"]), Ok(Some("x".to_owned())));
        assert_eq!(single(&["x", "x", "x"]), Ok(Some("x".to_owned())));
        for values in [
            &["x", "y"][..],
            &["x", "X"],
            &["", "x"],
            &["x", ""],
            &["x", "x", "y"],
        ] {
            assert_eq!(single(values), Err(DifferentValues), "{values:?}");
        }
    }
}
