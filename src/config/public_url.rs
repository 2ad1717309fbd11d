//! The public URL of the REST transport.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// An absolute `http` or `https` URL without a query, a fragment or a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text is not a public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an absolute http or https URL without query and fragment, such as https://api.example.com")]
pub struct InvalidPublicUrl;

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let uri = fluent_uri::Uri::parse(text).map_err(|_| InvalidPublicUrl)?;
        let web = matches!(uri.scheme().as_str(), "http" | "https");
        let host = uri
            .authority()
            .is_some_and(|authority| !authority.host().is_empty() && !authority.has_userinfo());
        if web && host && !uri.has_query() && !uri.has_fragment() {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(InvalidPublicUrl)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_an_absolute_web_url() {
        for (text, url) in [
            ("https://api.example.com", "https://api.example.com"),
            (
                "http://api.example.com:8080/clients/",
                "http://api.example.com:8080/clients",
            ),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), url);
        }
        for text in [
            "",
            "api.example.com",
            "ftp://a",
            "https://",
            "https://a?b",
            "https://a#b",
            "https://a@b",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(InvalidPublicUrl), "{text}");
        }
    }
}
