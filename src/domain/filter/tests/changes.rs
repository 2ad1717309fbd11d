//! Filters on change records: the table of their attributes, and points in time.

use super::*;

fn parse(text: &str) -> Result<Filter<ChangeAttribute>, InvalidFilter> {
    Filter::parse(text)
}

#[test]
fn each_attribute_has_its_own_operators() {
    let all = Operator::NAMES.iter().chain(&["pr"]);
    for operator in all {
        for (attribute, allowed) in [
            ("clientId", "eq"),
            ("type", "eq ne sw"),
            ("actor", "eq ne sw"),
            ("time", "gt ge lt le"),
        ] {
            let filter = format!("{attribute} {operator} \"2026-01-02T03:04:05Z\"");
            let is_allowed = allowed.split(' ').any(|name| name == *operator);
            match parse(&filter) {
                Ok(_) => assert!(is_allowed, "{filter}"),
                Err(error) => {
                    assert!(!is_allowed, "{filter}");
                    assert_eq!(error.position, attribute.len() + 1, "{filter}");
                    let expected = allowed.replace(' ', ", ").replacen(", le", " or le", 1);
                    let expected = expected.replacen(", sw", " or sw", 1);
                    let text = format!("at byte {}: expected the operator {expected}", error.position);
                    assert_eq!(error.to_string(), text, "{filter}");
                }
            }
        }
    }
}

#[test]
fn the_attributes_of_clients_are_not_those_of_changes() {
    for filter in [r#"clientName eq "a""#, r#"appType eq "web""#, "revision eq 1"] {
        assert_eq!(
            parse(filter).unwrap_err().to_string(),
            "at byte 0: expected the attribute clientId, type, actor or time",
            "{filter}"
        );
    }
    for filter in [r#"type eq "a""#, r#"time gt "2026-01-02T03:04:05Z""#] {
        assert_eq!(
            problem(filter),
            Some(Problem::UnknownAttribute(ClientAttribute::NAMES))
        );
    }
}

#[test]
fn a_filter_on_changes_is_parsed_by_the_same_grammar() {
    for (filter, printed) in [
        (
            r#"NOT(Actor SW "a" oR TYPE ne "created") AND clientid Eq "x""#,
            r#"not (actor sw "a" or type ne "created") and clientId eq "x""#,
        ),
        ("actor ne null and type eq null", "actor ne null and type eq null"),
        (
            "time ge \"2026-01-02T03:04:05.600+05:30\"",
            "time ge \"2026-01-01T21:34:05.600Z\"",
        ),
        (
            "time lt \"2026-01-02t03:04:05z\" or (time gt \"2026-01-02T03:04:05.000001Z\")",
            "time lt \"2026-01-02T03:04:05Z\" or time gt \"2026-01-02T03:04:05.000001Z\"",
        ),
    ] {
        let parsed = parse(filter).map(|filter| filter.to_string());
        assert_eq!(parsed.as_deref(), Ok(printed), "{filter}");
        assert_eq!(parse(printed), parse(filter), "{filter}");
    }
}

#[test]
fn a_point_between_microseconds_lies_between_them() {
    for (operator, with, micros) in [
        ("gt", "gt", "2026-01-02T03:04:05.000001Z"),
        ("ge", "gt", "2026-01-02T03:04:05.000001Z"),
        ("lt", "le", "2026-01-02T03:04:05.000001Z"),
        ("le", "le", "2026-01-02T03:04:05.000001Z"),
    ] {
        let between = parse(&format!("time {operator} \"2026-01-02T03:04:05.0000019Z\""));
        assert_eq!(between.unwrap().to_string(), format!("time {with} \"{micros}\""));
    }
}

#[test]
fn what_is_no_point_in_time_is_rejected_with_its_position() {
    for value in [
        r#""""#,
        r#""yesterday""#,
        r#""2026-01-02""#,
        r#""2026-01-02T03:04:05""#,
        r#""2026-02-30T03:04:05Z""#,
        r#""10000-01-01T00:00:00Z""#,
        r#""1767323045""#,
    ] {
        let error = parse(&format!("actor eq \"a\" and time gt {value}")).unwrap_err();
        assert_eq!(
            (error.position, error.problem),
            (25, Problem::NotAnInstant),
            "{value}"
        );
    }
    for value in ["1767323045", "true", "null"] {
        let error = parse(&format!("time gt {value}")).unwrap_err();
        assert_eq!(
            (error.position, error.problem),
            (8, Problem::NotAString),
            "{value}"
        );
    }
}

fn comparisons() -> impl Strategy<Value = Comparison<ChangeAttribute>> {
    let attributes = prop::sample::select(&ChangeAttribute::ALL[..]);
    (
        attributes,
        any::<prop::sample::Index>(),
        any::<String>(),
        any::<u32>(),
    )
        .prop_map(|(attribute, operator, value, time)| {
            let Operators { with_value, .. } = attribute.operators();
            let operator = *operator.get(with_value);
            if attribute.kind() == Kind::Instant {
                let value = crate::domain::timestamp::Timestamp::from_micros(i64::from(time) * 1_000_003);
                Comparison::Instant {
                    attribute,
                    operator,
                    value,
                }
            } else {
                Comparison::Text {
                    attribute,
                    operator,
                    value,
                }
            }
        })
}

proptest! {
    #[test]
    fn a_printed_comparison_parses_as_the_same(comparison in comparisons()) {
        let filter = Filter { nodes: vec![Node::Comparison(comparison)] };
        prop_assert_eq!(parse(&filter.to_string()), Ok(filter));
    }
}
