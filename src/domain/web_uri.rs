//! URIs (RFC 3986), in particular those of a client's logo and home page.

use std::net::Ipv6Addr;

use fluent_uri::{Uri, pct_enc::EStr};
use thiserror::Error;

use super::{closed_set::one_of, rules::broken_rules};

/// A rule for a URI.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UriRule {
    /// The URI is too long.
    #[error("must be at most {MAX_URI_CHARS} characters")]
    TooLong,
    /// The text has no scheme.
    #[error("must be an absolute URI, which begins with a scheme such as https://")]
    NotAbsolute,
    /// The text has a character that no URI has in that place.
    #[error("must not contain {0:?}: percent-encode it, unless it is in the host, which may be in Punycode")]
    Character(char),
    /// A percent sign begins no escape.
    #[error("must have two hexadecimal digits after each %")]
    PercentEncoding,
    /// The port is empty.
    #[error("must have a port number after the colon, or no colon")]
    EmptyPort,
    /// The port is not a port number.
    #[error("must have a port of 0 to 65535")]
    Port,
    /// The host is percent-encoded. Browsers decode it and other software does not.
    #[error("must not have a percent-encoded host")]
    EncodedHost,
    /// The host has no brackets around its colons.
    #[error("must have one colon before a port, and brackets around an IPv6 address")]
    Colons,
    /// Browsers do not accept the host, so they send no such origin.
    #[error("must have a host that browsers accept")]
    UnusableHost,
    /// The address in brackets is not one.
    #[error("must have an IPv6 address between the brackets")]
    IpLiteral,
    /// The text is not a URI for another reason.
    #[error("must follow the syntax of a URI (RFC 3986)")]
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
    /// The origin is not in the form that browsers send (RFC 6454 section 6.2), so it would never equal one.
    #[error("must have the form that browsers send: {canonical}")]
    NotCanonical {
        /// The same origin in that form.
        canonical: String,
    },
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
    let uri = Uri::parse(text).map_err(|_| broken_syntax(text))?;
    let Some(authority) = uri.authority() else {
        return Ok(uri);
    };
    match authority.port().map(EStr::as_str) {
        Some("") => return Err(UriRule::EmptyPort),
        Some(port) if port.parse::<u16>().is_err() => return Err(UriRule::Port),
        Some(_) | None => {}
    }
    if authority.host().contains('%') {
        return Err(UriRule::EncodedHost);
    }
    Ok(uri)
}

/// Returns the rule of syntax that a text breaks, which is not a URI.
fn broken_syntax(text: &str) -> UriRule {
    if let Some(character) = text.chars().find(|character| !is_of_uris(*character)) {
        return UriRule::Character(character);
    }
    let is_escape = |rest: &str| {
        rest.get(..2)
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return UriRule::PercentEncoding;
    }
    let Some(rest) = after_scheme(text) else {
        return UriRule::NotAbsolute;
    };
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let host_and_port = authority.rsplit('@').next().unwrap_or_default();
    if let Some(literal) = host_and_port.strip_prefix('[') {
        let address = literal
            .split_once(']')
            .map(|(address, _)| address.parse::<Ipv6Addr>());
        return match address {
            Some(Ok(_)) => UriRule::Port,
            Some(Err(_)) | None => UriRule::IpLiteral,
        };
    }
    if let Some(bracket) = text.chars().find(|character| matches!(character, '[' | ']')) {
        return UriRule::Character(bracket);
    }
    match host_and_port.split_once(':') {
        Some((_, port)) if port.contains(':') => UriRule::Colons,
        Some((_, port)) if port.parse::<u16>().is_err() => UriRule::Port,
        _ => UriRule::Syntax,
    }
}

/// Returns `true` for the characters that a URI consists of (RFC 3986 section 2).
fn is_of_uris(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character)
}

/// Returns the part of a text behind its scheme and colon (RFC 3986 section 3.1).
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    (scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(in_scheme))
        .then_some(rest)
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
        use UriRule::{
            Character, Colons, EmptyHost, EmptyPort, EncodedHost, IpLiteral, NotAbsolute, PercentEncoding,
            Port, SchemeNotAllowed, Syntax, TooLong, UserInfo,
        };
        let long = format!("https://example.com/{}", "a".repeat(2_029));
        for (text, rules) in [
            ("logo.png", vec![NotAbsolute]),
            ("//example.com/", vec![NotAbsolute]),
            ("https//example.com/", vec![NotAbsolute]),
            ("://example.com/", vec![NotAbsolute]),
            ("1https://example.com/", vec![NotAbsolute]),
            ("https://exämple.com/", vec![Character('ä')]),
            ("https://example.com/a b", vec![Character(' ')]),
            ("https://example.com/<a>", vec![Character('<')]),
            ("https://example.com/a|b", vec![Character('|')]),
            ("https://example.com/\"a", vec![Character('"')]),
            ("https://example.com/[a]", vec![Character('[')]),
            ("https://example.com/%zz", vec![PercentEncoding]),
            ("https://example.com/%2", vec![PercentEncoding]),
            ("https://example.com/%", vec![PercentEncoding]),
            ("https://example.com:/", vec![EmptyPort]),
            ("https://example.com:99999/", vec![Port]),
            ("https://example.com:65536/", vec![Port]),
            ("https://example.com:a/", vec![Port]),
            ("https://example.com:80:80/", vec![Colons]),
            ("https://::1/", vec![Colons]),
            ("https://2001:db8::1/", vec![Colons]),
            ("https://[::1]:x/", vec![Port]),
            ("https://[::1/", vec![IpLiteral]),
            ("https://[::g]/", vec![IpLiteral]),
            ("https://[127.0.0.1]/", vec![IpLiteral]),
            ("https://a@b@example.com/", vec![Syntax]),
            ("https://example.com/#a#b", vec![Syntax]),
            ("https://ex%61mple.com/", vec![EncodedHost]),
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
