//! URIs (RFC 3986), in particular those of a client's logo and home page.

use fluent_uri::Uri;
use thiserror::Error;

use super::{closed_set::one_of, rules::broken_rules};

/// A rule for a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UriRule {
    /// The URI is too long.
    #[error("must be at most {MAX_URI_CHARS} characters")]
    TooLong,
    /// The text is not an absolute URI of RFC 3986, which has ASCII characters only.
    #[error("must be an absolute URI (RFC 3986)")]
    Syntax,
    /// The scheme is not allowed.
    #[error("must be https, or http on {}", one_of(&LOOPBACK_HOSTS))]
    SchemeNotAllowed,
    /// The scheme is not allowed, not even for a `native` client.
    #[error(
        "must be https, or http on {}, or a private-use scheme with a dot (RFC 8252 section 7.1)",
        one_of(&LOOPBACK_HOSTS)
    )]
    NativeSchemeNotAllowed,
    /// The URI has a fragment (RFC 6749 section 3.1.2).
    #[error("must not have a fragment")]
    Fragment,
    /// The URI has a user before the host.
    #[error("must not have userinfo")]
    UserInfo,
    /// The URI has no host.
    #[error("must have a host")]
    EmptyHost,
    /// The URI has a wildcard, although URIs are compared byte for byte (RFC 9700 section 2.1).
    #[error("must not contain *")]
    Wildcard,
    /// The URI has a backslash, which browsers read as a slash.
    #[error("must not contain a backslash")]
    Backslash,
    /// The URI has white space or a control character.
    #[error("must not contain white space or control characters")]
    SpaceOrControl,
    /// The path has a segment that is `.` or `..` before its first `;`, percent-encoded or not.
    #[error("must not have a path segment that is . or ..")]
    DotSegment,
    /// The URI has more than an origin (RFC 6454 section 6.1).
    #[error("must be a scheme, a host and optionally a port, and nothing else")]
    NotAnOrigin,
}

/// The maximum length of a URI, in characters.
pub const MAX_URI_CHARS: usize = 2_048;

/// The hosts on which `http` is allowed.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Returns the rules that the URI of a logo or a home page breaks. `""` is allowed.
pub fn check(text: &str) -> Vec<UriRule> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut rules = check_length(text);
    match parse(text) {
        Ok(uri) => rules.extend(broken_rules([
            (has_userinfo(&uri), UriRule::UserInfo),
            (has_empty_host(&uri), UriRule::EmptyHost),
            (!is_web(&uri), UriRule::SchemeNotAllowed),
        ])),
        Err(rule) => rules.push(rule),
    }
    rules
}

pub(super) fn check_length(text: &str) -> Vec<UriRule> {
    broken_rules([(text.chars().count() > MAX_URI_CHARS, UriRule::TooLong)])
}

/// Parses an absolute URI. A port must be a port number, and a host must not be percent-encoded, because browsers decode
/// it and other software does not.
pub(super) fn parse(text: &str) -> Result<Uri<&str>, UriRule> {
    let uri = Uri::parse(text).map_err(|_| UriRule::Syntax)?;
    if let Some(authority) = uri.authority() {
        let port_is_number = authority
            .port()
            .is_none_or(|port| port.as_str().parse::<u16>().is_ok());
        if !port_is_number || authority.host().contains('%') {
            return Err(UriRule::Syntax);
        }
    }
    Ok(uri)
}

/// Returns `true` if the scheme is `https`, or `http` on a loopback host.
pub(super) fn is_web(uri: &Uri<&str>) -> bool {
    let scheme = uri.scheme().as_str();
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") && is_loopback(uri)
}

fn is_loopback(uri: &Uri<&str>) -> bool {
    uri.authority()
        .is_some_and(|authority| LOOPBACK_HOSTS.contains(&authority.host()))
}

pub(super) fn has_userinfo(uri: &Uri<&str>) -> bool {
    uri.authority().is_some_and(|authority| authority.has_userinfo())
}

/// Returns `true` if the host is missing. A URI whose scheme is neither `https` nor `http` needs a host only after `//`.
pub(super) fn has_empty_host(uri: &Uri<&str>) -> bool {
    let scheme = uri.scheme().as_str();
    let web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    uri.authority()
        .map_or(web, |authority| authority.host().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uri_of_a_logo_is_empty_or_a_web_uri() {
        for text in [
            "",
            "https://org.us.qlik.com/logo.png",
            "https://example.com",
            "https://example.com:8443/a?b=c#d",
            "HTTPS://example.com/",
            "http://localhost/",
            "http://127.0.0.1:3000/",
            "http://[::1]:3000/",
        ] {
            assert_eq!(check(text), [], "{text}");
        }
    }

    #[test]
    fn any_other_uri_is_rejected_with_every_rule_it_breaks() {
        use UriRule::{EmptyHost, SchemeNotAllowed, Syntax, TooLong, UserInfo};
        let long = format!("https://example.com/{}", "a".repeat(2_029));
        for (text, rules) in [
            ("logo.png", vec![Syntax]),
            ("//example.com/", vec![Syntax]),
            ("https://exämple.com/", vec![Syntax]),
            ("https://example.com/a b", vec![Syntax]),
            ("https://example.com/%zz", vec![Syntax]),
            ("https://example.com:/", vec![Syntax]),
            ("https://example.com:99999/", vec![Syntax]),
            ("https://ex%61mple.com/", vec![Syntax]),
            ("https:///logo.png", vec![EmptyHost]),
            ("https:logo.png", vec![EmptyHost]),
            ("http://example.com/", vec![SchemeNotAllowed]),
            ("http://localhost.example.com/", vec![SchemeNotAllowed]),
            ("http://LOCALHOST/", vec![SchemeNotAllowed]),
            ("javascript:alert(1)", vec![SchemeNotAllowed]),
            ("data:text/plain,x", vec![SchemeNotAllowed]),
            ("https://a@example.com/", vec![UserInfo]),
            ("ftp://a@example.com/", vec![UserInfo, SchemeNotAllowed]),
            (&long, vec![TooLong]),
        ] {
            assert_eq!(check(text), rules, "{text}");
        }
    }
}
