//! Web origins (RFC 6454 section 6.1).

use fluent_uri::Uri;

use super::{
    rules::broken_rules,
    web_uri::{UriRule, check_length, has_empty_host, has_userinfo, is_web, parse},
};

/// Returns the rules that an allowed origin breaks.
pub(super) fn check(text: &str) -> Vec<UriRule> {
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
        use UriRule::{EmptyHost, NotAnOrigin, SchemeNotAllowed, Syntax, Wildcard};
        for (text, rules) in [
            ("", vec![Syntax]),
            ("null", vec![Syntax]),
            ("*", vec![Wildcard, Syntax]),
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
            ("https://qlik.com:", vec![Syntax]),
            ("https://qlik.com:99999", vec![Syntax]),
        ] {
            assert_eq!(check(text), rules, "{text}");
        }
    }
}
