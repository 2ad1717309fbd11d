//! The media types in JOSE headers.

/// The prefix that a media type without a `/` stands for.
const PREFIX: &str = "application/";

/// Returns `true` if a `typ` is a media type, which is given without `application/`. Both forms are the same type, in any
/// case (RFC 7515 section 4.1.9). A type with parameters is another one.
pub fn is_media_type(typ: &str, short: &str) -> bool {
    let stripped = typ
        .split_at_checked(PREFIX.len())
        .filter(|(prefix, rest)| prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/'));
    stripped.map_or(typ, |(_, rest)| rest).eq_ignore_ascii_case(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_may_have_its_prefix_and_any_case() {
        for (typ, same) in [
            ("at+jwt", true),
            ("AT+JWT", true),
            ("application/at+jwt", true),
            ("Application/At+Jwt", true),
            ("APPLICATION/AT+JWT", true),
            ("", false),
            ("/", false),
            ("jwt", false),
            ("application", false),
            ("application/", false),
            ("application/jwt", false),
            ("application/application/at+jwt", false),
            ("/at+jwt", false),
            ("text/at+jwt", false),
            ("at+jwt/", false),
            ("at+jwt;charset=utf-8", false),
            ("application/at+jwt; charset=utf-8", false),
            (" at+jwt", false),
            ("at+jwt ", false),
            ("applicatio\u{17f}/at+jwt", false),
            ("éapplication/at+jwt", false),
        ] {
            assert_eq!(is_media_type(typ, "at+jwt"), same, "{typ:?}");
        }
    }
}
