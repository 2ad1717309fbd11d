//! Redirect URIs (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 2.1).

use fluent_uri::Uri;
use percent_encoding::percent_decode_str;

use super::{
    app_type::AppType,
    rules::broken_rules,
    web_uri::{UriRule, check_length, has_empty_host, has_userinfo, is_web, parse},
};

/// Returns the rules that a redirect URI of a client of this type breaks.
pub(super) fn check(text: &str, app_type: AppType) -> Vec<UriRule> {
    let space_or_control = |c: char| c.is_whitespace() || c.is_control();
    let mut rules = check_length(text);
    rules.extend(broken_rules([
        (text.contains('*'), UriRule::Wildcard),
        (text.contains('\\'), UriRule::Backslash),
        (text.contains(space_or_control), UriRule::SpaceOrControl),
    ]));
    // Characters with a rule of their own would be syntax errors, which hide the other rules.
    let parseable = text.replace(|c: char| c == '\\' || space_or_control(c), "x");
    match parse(&parseable) {
        Ok(uri) => rules.extend(check_parts(&uri, app_type)),
        Err(rule) => rules.push(rule),
    }
    rules
}

fn check_parts(uri: &Uri<&str>, app_type: AppType) -> Vec<UriRule> {
    let native = app_type == AppType::Native;
    let scheme = uri.scheme().as_str();
    let scheme_allowed = is_web(uri) || native && scheme.contains('.');
    let scheme_rule = if native {
        UriRule::NativeSchemeNotAllowed
    } else {
        UriRule::SchemeNotAllowed
    };
    broken_rules([
        (!scheme_allowed, scheme_rule),
        (uri.has_fragment(), UriRule::Fragment),
        (has_userinfo(uri), UriRule::UserInfo),
        (has_empty_host(uri), UriRule::EmptyHost),
        (has_dot_segment(uri.path().as_str()), UriRule::DotSegment),
    ])
}

/// Returns `true` if a segment is `.` or `..` for a server that decodes percent-encoding first and removes path parameters.
fn has_dot_segment(path: &str) -> bool {
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    decoded
        .split(|byte| *byte == b'/')
        .filter_map(|segment| segment.split(|byte| *byte == b';').next())
        .any(|name| matches!(name, b"." | b".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_loopback_http_are_allowed_for_every_type() {
        for text in [
            "https://org.us.qlik.com/home",
            "https://example.com",
            "https://example.com/cb?x=/../y&z=1",
            "https://example.com/a;b=../c",
            "https://example.com/.well-known/..a/...",
            "https://example.com/%252e%252e/a",
            "https://example.com:8443/cb",
            "https://[2001:db8::1]/cb",
            "http://localhost/cb",
            "http://localhost:3000",
            "http://127.0.0.1:8080/cb",
            "http://[::1]:8080/cb",
        ] {
            for app_type in AppType::ALL {
                assert_eq!(check(text, app_type), [], "{text} on {app_type}");
            }
        }
    }

    #[test]
    fn private_use_schemes_are_for_native_clients() {
        for text in [
            "com.example.app:/oauth2redirect",
            "com.example.app://callback",
            "com.example.app:callback",
        ] {
            assert_eq!(check(text, AppType::Native), [], "{text}");
            assert_eq!(check(text, AppType::Web), [UriRule::SchemeNotAllowed], "{text}");
        }
        for text in [
            "myapp:/callback",
            "javascript:alert(1)",
            "data:x",
            "file:/x",
            "about:blank",
        ] {
            assert_eq!(
                check(text, AppType::Native),
                [UriRule::NativeSchemeNotAllowed],
                "{text}"
            );
        }
        assert_eq!(
            check("com.example.app:///callback", AppType::Native),
            [UriRule::EmptyHost]
        );
    }

    #[test]
    fn every_broken_rule_is_reported() {
        use UriRule::{
            Backslash, Character, DotSegment, EmptyHost, EmptyPort, EncodedHost, Fragment, NotAbsolute, Port,
            SchemeNotAllowed, SpaceOrControl, Syntax, TooLong, UserInfo, Wildcard,
        };
        let long = format!("https://example.com/{}", "a".repeat(2_029));
        for (text, rules) in [
            ("", vec![NotAbsolute]),
            ("/cb", vec![NotAbsolute]),
            ("https://example.com/é", vec![Character('é')]),
            ("https://example.com/<x>", vec![Character('<')]),
            ("https://example.com:/cb", vec![EmptyPort]),
            ("https://example.com:65536/cb", vec![Port]),
            ("https://a%62c.example/cb", vec![EncodedHost]),
            ("https://example.com/cb#", vec![Fragment]),
            ("https://example.com/cb#a", vec![Fragment]),
            ("https://@example.com/cb", vec![UserInfo]),
            ("https://a:b@example.com/cb", vec![UserInfo]),
            ("https://a@b@example.com/cb", vec![Syntax]),
            ("https:///cb", vec![EmptyHost]),
            ("https:/cb", vec![EmptyHost]),
            ("https://:80/cb", vec![EmptyHost]),
            ("https://*.example.com/cb", vec![Wildcard]),
            ("https://example.com/*", vec![Wildcard]),
            ("https://example.com\\cb", vec![Backslash]),
            ("https://example.com/ cb", vec![SpaceOrControl]),
            ("https://example.com/cb\n", vec![SpaceOrControl]),
            ("https://example.com/\u{a0}", vec![SpaceOrControl]),
            ("https://example.com/a/../b", vec![DotSegment]),
            ("https://example.com/.", vec![DotSegment]),
            ("https://example.com/..;/b", vec![DotSegment]),
            ("https://example.com/%2e%2E/b", vec![DotSegment]),
            ("https://example.com/.%2e;a/b", vec![DotSegment]),
            ("https://example.com/..%3Ba/b", vec![DotSegment]),
            ("https://example.com/a%2F..%2Fb", vec![DotSegment]),
            ("http://example.com/cb", vec![SchemeNotAllowed]),
            ("http://localhost.evil.com/cb", vec![SchemeNotAllowed]),
            ("http://127.0.0.2/cb", vec![SchemeNotAllowed]),
            ("javascript:alert(1)", vec![SchemeNotAllowed]),
            (
                "http://a@example.com/../*#x",
                vec![Wildcard, SchemeNotAllowed, Fragment, UserInfo, DotSegment],
            ),
            (&long, vec![TooLong]),
        ] {
            assert_eq!(check(text, AppType::Web), rules, "{text}");
        }
    }
}
