//! Web origins (RFC 6454 section 6.1).

use fluent_uri::Uri;
use url::Url;

use super::{
    rules::broken_rules,
    web_uri::{UriRule, check_length, has_empty_host, has_userinfo, is_web, parse},
};

/// Returns the rules that an allowed origin breaks.
pub(super) fn check(text: &str) -> Vec<UriRule> {
    let rules = check_parts(text);
    let has_more = rules
        .iter()
        .any(|rule| matches!(rule, UriRule::TooLong | UriRule::Wildcard | UriRule::NotAnOrigin));
    match canonical(text) {
        Some(canonical) if !has_more && canonical != text && check_parts(&canonical).is_empty() => {
            vec![UriRule::NotCanonical { canonical }]
        }
        None if rules.is_empty() => vec![UriRule::UnusableHost],
        _ => rules,
    }
}

fn check_parts(text: &str) -> Vec<UriRule> {
    let mut rules = check_length(text);
    rules.extend(broken_rules([(text.contains('*'), UriRule::Wildcard)]));
    match parse(text) {
        Ok(uri) => rules.extend(broken_rules([
            (!is_web(&uri), UriRule::SchemeNotAllowed),
            (has_empty_host(&uri), UriRule::EmptyHost),
            (has_more_than_origin(&uri), UriRule::NotAnOrigin),
        ])),
        Err(rule) => rules.push(rule),
    }
    rules
}

/// Returns the origin of a URL as browsers send it (RFC 6454 section 6.2), or `None` if it has none.
fn canonical(text: &str) -> Option<String> {
    let origin = Url::parse(text).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

fn has_more_than_origin(uri: &Uri<&str>) -> bool {
    has_userinfo(uri) || !uri.path().is_empty() || uri.has_query() || uri.has_fragment()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for text in [
            "https://qlik.com",
            "https://qlik.com:8443",
            "http://localhost:3000",
            "http://[::1]",
        ] {
            assert_eq!(check(text), [], "{text}");
        }
    }

    #[test]
    fn anything_more_or_less_is_not_an_origin() {
        use UriRule::{EmptyHost, NotAbsolute, NotAnOrigin, Port, SchemeNotAllowed, Wildcard};
        for (text, rules) in [
            ("", vec![NotAbsolute]),
            ("null", vec![NotAbsolute]),
            ("*", vec![Wildcard, NotAbsolute]),
            ("https://*.qlik.com", vec![Wildcard]),
            ("https://qlik.com/", vec![NotAnOrigin]),
            ("https://qlik.com/a", vec![NotAnOrigin]),
            ("https://qlik.com?a", vec![NotAnOrigin]),
            ("https://qlik.com#a", vec![NotAnOrigin]),
            ("https://a@qlik.com", vec![NotAnOrigin]),
            ("http://qlik.com", vec![SchemeNotAllowed]),
            ("https://", vec![EmptyHost]),
            ("https:qlik.com", vec![EmptyHost, NotAnOrigin]),
            ("ftp://qlik.com", vec![SchemeNotAllowed]),
            ("https://qlik.com:99999", vec![Port]),
        ] {
            assert_eq!(check(text), rules, "{text}");
        }
    }

    #[test]
    fn an_origin_has_a_host_that_browsers_accept() {
        for text in ["https://256.1.1.1", "https://1.2.3.4.5", "https://[v1.a]"] {
            assert_eq!(check(text), [UriRule::UnusableHost], "{text}");
        }
    }

    #[test]
    fn an_origin_has_the_form_that_browsers_send() {
        for (text, canonical) in [
            ("https://QLIK.com", "https://qlik.com"),
            ("HTTPS://qlik.com", "https://qlik.com"),
            ("https://qlik.com:443", "https://qlik.com"),
            ("https://qlik.com:0443", "https://qlik.com"),
            ("https://qlik.com:08443", "https://qlik.com:8443"),
            ("https://qlik.com:", "https://qlik.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://LOCALHOST:3000", "http://localhost:3000"),
            ("http://[0:0::1]", "http://[::1]"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
            ("https://192.168.1", "https://192.168.0.1"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("https://ex%61mple.com", "https://example.com"),
        ] {
            let canonical = canonical.to_owned();
            assert_eq!(check(text), [UriRule::NotCanonical { canonical }], "{text}");
        }
        let error = check("https://A.example:443").remove(0).to_string();
        assert_eq!(error, "must have the form that browsers send: https://a.example");
    }
}
