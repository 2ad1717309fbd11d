//! Filters from RFC 7644 section 3.4.2.2 (its examples, tables 3 to 5 and ABNF, adapted to the attributes of a client),
//! and texts that the grammar does not allow.

use proptest::prelude::*;

use super::{
    Attribute, Comparison, Connective, Filter, InvalidFilter, MAX_BYTES, MAX_COMPARISONS, MAX_DEPTH, Node,
    Operator, Problem,
};

/// Filters, each with its printed form, which shows how it was parsed.
const ACCEPTED: &[(&str, &str)] = &[
    // Table 3, each operator.
    (r#"clientName eq "bjensen""#, r#"clientName eq "bjensen""#),
    (r#"clientName ne "bjensen""#, r#"clientName ne "bjensen""#),
    (r#"clientName co "O'Malley""#, r#"clientName co "O'Malley""#),
    (r#"clientName sw "J""#, r#"clientName sw "J""#),
    (r#"clientName ew "n""#, r#"clientName ew "n""#),
    ("clientName pr", "clientName pr"),
    (
        r#"clientId gt "2011-05-13T04:42:34Z""#,
        r#"clientId gt "2011-05-13T04:42:34Z""#,
    ),
    (
        r#"clientId ge "2011-05-13T04:42:34Z""#,
        r#"clientId ge "2011-05-13T04:42:34Z""#,
    ),
    (
        r#"clientId lt "2011-05-13T04:42:34Z""#,
        r#"clientId lt "2011-05-13T04:42:34Z""#,
    ),
    (
        r#"clientId le "2011-05-13T04:42:34Z""#,
        r#"clientId le "2011-05-13T04:42:34Z""#,
    ),
    // The examples with connectives and groups.
    (
        r#"clientName pr and appType eq "Employee""#,
        r#"clientName pr and appType eq "Employee""#,
    ),
    (
        r#"clientName pr or appType eq "Intern""#,
        r#"clientName pr or appType eq "Intern""#,
    ),
    (
        r#"appType eq "Employee" and (clientName co "example.com" or clientName co "example.org")"#,
        r#"appType eq "Employee" and (clientName co "example.com" or clientName co "example.org")"#,
    ),
    (
        r#"appType ne "Employee" and not (clientName co "example.com" or clientName co "example.org")"#,
        r#"appType ne "Employee" and not (clientName co "example.com" or clientName co "example.org")"#,
    ),
    (
        r#"appType eq "Employee" and (clientName pr)"#,
        r#"appType eq "Employee" and clientName pr"#,
    ),
    // Names, operators and connectives in any case.
    (r#"CLIENTNAME EQ "a""#, r#"clientName eq "a""#),
    (r#"clientname Eq "a""#, r#"clientName eq "a""#),
    (r#"ClientId eQ "a""#, r#"clientId eq "a""#),
    (r#"aPPtYPE cO "a""#, r#"appType co "a""#),
    ("clientName PR", "clientName pr"),
    ("clientName pr AND appType pr", "clientName pr and appType pr"),
    ("clientName pr Or appType pr", "clientName pr or appType pr"),
    ("NOT (clientName pr)", "not (clientName pr)"),
    ("nOt(clientName pr)", "not (clientName pr)"),
    // null.
    ("clientName eq null", "clientName eq null"),
    ("clientName ne null", "clientName pr"),
    (
        "clientName EQ null and appType NE null",
        "clientName eq null and appType pr",
    ),
    // Precedence: not before and before or (Table 4 and 5).
    (
        "clientId pr or clientName pr and appType pr",
        "clientId pr or clientName pr and appType pr",
    ),
    (
        "clientId pr and clientName pr or appType pr",
        "clientId pr and clientName pr or appType pr",
    ),
    (
        "(clientId pr or clientName pr) and appType pr",
        "(clientId pr or clientName pr) and appType pr",
    ),
    (
        "clientId pr and (clientName pr or appType pr)",
        "clientId pr and (clientName pr or appType pr)",
    ),
    (
        "(clientId pr and clientName pr) or appType pr",
        "clientId pr and clientName pr or appType pr",
    ),
    (
        "clientId pr or (clientName pr and appType pr)",
        "clientId pr or clientName pr and appType pr",
    ),
    (
        "not (clientId pr) and clientName pr",
        "not (clientId pr) and clientName pr",
    ),
    (
        "not (clientId pr and clientName pr)",
        "not (clientId pr and clientName pr)",
    ),
    (
        "clientId pr and not (clientName pr) or appType pr",
        "clientId pr and not (clientName pr) or appType pr",
    ),
    ("not (not (clientId pr))", "not (not (clientId pr))"),
    (
        "not (clientId pr) or not (appType pr)",
        "not (clientId pr) or not (appType pr)",
    ),
    // Chains associate to the left.
    (
        "clientId pr and clientName pr and appType pr",
        "clientId pr and clientName pr and appType pr",
    ),
    (
        "clientId pr or clientName pr or appType pr",
        "clientId pr or clientName pr or appType pr",
    ),
    (
        "(clientId pr and clientName pr) and appType pr",
        "clientId pr and clientName pr and appType pr",
    ),
    (
        "clientId pr and (clientName pr and appType pr)",
        "clientId pr and (clientName pr and appType pr)",
    ),
    (
        "clientId pr or (clientName pr or appType pr)",
        "clientId pr or (clientName pr or appType pr)",
    ),
    (
        "clientId pr and clientName pr or appType pr and clientId pr",
        "clientId pr and clientName pr or appType pr and clientId pr",
    ),
    // Redundant groups.
    ("(clientName pr)", "clientName pr"),
    ("((((clientName pr))))", "clientName pr"),
    ("not ((clientName pr))", "not (clientName pr)"),
    ("((clientId pr) or (appType pr))", "clientId pr or appType pr"),
    // White space.
    ("  clientName   pr  ", "clientName pr"),
    ("\tclientName\tpr\t", "clientName pr"),
    ("\nclientName\npr\n", "clientName pr"),
    ("\r\nclientName\r\npr\r\n", "clientName pr"),
    ("clientName \t\r\n eq \t\r\n \"a\"", r#"clientName eq "a""#),
    ("( clientName pr )", "clientName pr"),
    ("(\tclientName pr\n)", "clientName pr"),
    ("not(clientName pr)", "not (clientName pr)"),
    ("not   (clientName pr)", "not (clientName pr)"),
    ("not\t(\nclientName pr\r)", "not (clientName pr)"),
    ("(clientName pr) and (appType pr)", "clientName pr and appType pr"),
    ("(clientName pr)\nor\n(appType pr)", "clientName pr or appType pr"),
    (
        "clientName pr and not(appType pr)",
        "clientName pr and not (appType pr)",
    ),
    // Strings, with every escape of RFC 8259.
    (r#"clientName eq """#, r#"clientName eq """#),
    (r#"clientName eq " a ""#, r#"clientName eq " a ""#),
    (r#"clientName eq "a\"b""#, r#"clientName eq "a\"b""#),
    (r#"clientName eq "a\\b""#, r#"clientName eq "a\\b""#),
    (r#"clientName eq "a\/b""#, r#"clientName eq "a/b""#),
    (r#"clientName eq "\b\f\n\r\t""#, r#"clientName eq "\b\f\n\r\t""#),
    (r#"clientName eq "\u0061\u00E9\u00e9""#, r#"clientName eq "aéé""#),
    (r#"clientName eq "\ud83d\ude00""#, r#"clientName eq "😀""#),
    (r#"clientName eq "\uD83D\uDE00!""#, r#"clientName eq "😀!""#),
    (r#"clientName eq "a\u0000b""#, r#"clientName eq "a\u0000b""#),
    (r#"clientName eq "\u2028""#, "clientName eq \"\u{2028}\""),
    (r#"clientName eq "é😀ß""#, r#"clientName eq "é😀ß""#),
    ("clientName eq \"\u{7f}\"", "clientName eq \"\u{7f}\""),
    (r#"clientName eq "100%_\\""#, r#"clientName eq "100%_\\""#),
    (
        r#"clientName eq "Robert'); DROP TABLE oauth_clients;--""#,
        r#"clientName eq "Robert'); DROP TABLE oauth_clients;--""#,
    ),
    (r#"clientName eq "(a) and (b)""#, r#"clientName eq "(a) and (b)""#),
    (r#"clientName eq "not""#, r#"clientName eq "not""#),
    (r#"clientName eq "null""#, r#"clientName eq "null""#),
    // Values that no client can have.
    (r#"appType eq "mobile""#, r#"appType eq "mobile""#),
    (r#"clientId co "-""#, r#"clientId co "-""#),
];

/// Texts that are not filters, each with the position and the problem.
const REJECTED: &[(&str, usize, Problem)] = &[
    // Empty.
    ("", 0, Problem::ExpectedExpression),
    ("   ", 3, Problem::ExpectedExpression),
    ("\t\n", 2, Problem::ExpectedExpression),
    ("()", 1, Problem::ExpectedExpression),
    ("( )", 2, Problem::ExpectedExpression),
    ("not ()", 5, Problem::ExpectedExpression),
    // Incomplete comparisons.
    ("clientName", 10, Problem::ExpectedOperator),
    ("clientName ", 11, Problem::ExpectedOperator),
    ("clientName eq", 13, Problem::ExpectedValue),
    ("clientName eq ", 14, Problem::ExpectedValue),
    ("(clientName eq)", 14, Problem::ExpectedValue),
    ("(clientName)", 11, Problem::ExpectedOperator),
    ("eq \"a\"", 0, Problem::UnknownAttribute),
    ("\"a\" eq clientName", 0, Problem::ExpectedExpression),
    ("\"a\"", 0, Problem::ExpectedExpression),
    // Unknown attributes.
    ("description eq \"a\"", 0, Problem::UnknownAttribute),
    (
        "createdAt gt \"2011-05-13T04:42:34Z\"",
        0,
        Problem::UnknownAttribute,
    ),
    ("client_name eq \"a\"", 0, Problem::UnknownAttribute),
    ("clientNames eq \"a\"", 0, Problem::UnknownAttribute),
    ("clientName.familyName eq \"a\"", 0, Problem::UnknownAttribute),
    (
        "urn:ietf:params:scim:schemas:core:2.0:User:clientName eq \"a\"",
        0,
        Problem::UnknownAttribute,
    ),
    ("urn:clientName sw \"J\"", 0, Problem::UnknownAttribute),
    ("emails[type eq \"work\"]", 0, Problem::UnknownAttribute),
    (
        "emails[type eq \"work\" and value co \"@example.com\"] or ims pr",
        0,
        Problem::UnknownAttribute,
    ),
    ("clientName[value eq \"a\"]", 0, Problem::UnknownAttribute),
    ("and clientName pr", 0, Problem::UnknownAttribute),
    ("or", 0, Problem::UnknownAttribute),
    ("pr", 0, Problem::UnknownAttribute),
    ("$ref eq \"a\"", 0, Problem::ExpectedExpression),
    ("_clientName eq \"a\"", 0, Problem::ExpectedExpression),
    ("1 eq 1", 0, Problem::ExpectedExpression),
    ("éclientName eq \"a\"", 0, Problem::ExpectedExpression),
    ("clientName pr and name pr", 18, Problem::UnknownAttribute),
    // Unknown operators.
    ("clientName = \"a\"", 11, Problem::ExpectedOperator),
    ("clientName == \"a\"", 11, Problem::ExpectedOperator),
    ("clientName equals \"a\"", 11, Problem::ExpectedOperator),
    ("clientName eq: \"a\"", 11, Problem::ExpectedOperator),
    ("clientName like \"a\"", 11, Problem::ExpectedOperator),
    ("clientName in (\"a\")", 11, Problem::ExpectedOperator),
    ("clientName not eq \"a\"", 11, Problem::ExpectedOperator),
    ("clientName and appType pr", 11, Problem::ExpectedOperator),
    ("clientName (eq \"a\")", 11, Problem::ExpectedOperator),
    ("clientName \"a\"", 11, Problem::ExpectedOperator),
    ("clientName eqq \"a\"", 11, Problem::ExpectedOperator),
    // Values of other types.
    ("clientName eq 1", 14, Problem::NotAString),
    ("clientName eq -1.5e3", 14, Problem::NotAString),
    ("clientName eq true", 14, Problem::NotAString),
    ("clientName ne false", 14, Problem::NotAString),
    ("clientName gt 100", 14, Problem::NotAString),
    ("clientName co null", 14, Problem::NotAString),
    ("clientName sw null", 14, Problem::NotAString),
    ("clientName ew null", 14, Problem::NotAString),
    ("clientName gt null", 14, Problem::NotAString),
    ("clientName ge null", 14, Problem::NotAString),
    ("clientName lt null", 14, Problem::NotAString),
    ("clientName le null", 14, Problem::NotAString),
    // Not JSON values.
    ("clientName eq a", 14, Problem::ExpectedValue),
    ("clientName eq 'a'", 14, Problem::ExpectedValue),
    ("clientName eq NULL", 14, Problem::ExpectedValue),
    ("clientName eq True", 14, Problem::ExpectedValue),
    ("clientName eq 01", 14, Problem::ExpectedValue),
    ("clientName eq 1.", 14, Problem::ExpectedValue),
    ("clientName eq +1", 14, Problem::ExpectedValue),
    ("clientName eq [\"a\"]", 14, Problem::ExpectedValue),
    ("clientName eq {}", 14, Problem::ExpectedValue),
    ("clientName eq clientId", 14, Problem::ExpectedValue),
    ("clientName eq (\"a\")", 14, Problem::ExpectedValue),
    ("clientName eq eq \"a\"", 14, Problem::ExpectedValue),
    ("clientName pr \"a\"", 14, Problem::ExpectedConnective),
    // Strings.
    ("clientName eq \"", 15, Problem::UnterminatedString),
    ("clientName eq \"a", 16, Problem::UnterminatedString),
    ("clientName eq \"a\\\"", 18, Problem::UnterminatedString),
    ("clientName eq \"\\", 15, Problem::InvalidEscape),
    ("clientName eq \"\\a\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\'\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\x41\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\u\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\u12\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\u+123\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\u00zz\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\u00é\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\U0041\"", 15, Problem::InvalidEscape),
    ("clientName eq \"a\\ud83d\"", 16, Problem::InvalidEscape),
    ("clientName eq \"\\ud83d\\u0041\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\ud83d\\n\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\ude00\"", 15, Problem::InvalidEscape),
    ("clientName eq \"\\ude00\\ud83d\"", 15, Problem::InvalidEscape),
    ("clientName eq \"a\nb\"", 16, Problem::ControlCharacter),
    ("clientName eq \"\t\"", 15, Problem::ControlCharacter),
    ("clientName eq \"\0\"", 15, Problem::ControlCharacter),
    ("clientName eq \"a\"\"b\"", 17, Problem::ExpectedConnective),
    // Connectives.
    ("clientName pr and", 17, Problem::ExpectedExpression),
    ("clientName pr or ", 17, Problem::ExpectedExpression),
    ("clientName pr and and appType pr", 18, Problem::UnknownAttribute),
    ("clientName pr appType pr", 14, Problem::ExpectedConnective),
    ("clientName pr && appType pr", 14, Problem::ExpectedConnective),
    ("clientName pr xor appType pr", 14, Problem::ExpectedConnective),
    ("clientName pr not (appType pr)", 14, Problem::ExpectedConnective),
    ("clientName pr, appType pr", 11, Problem::ExpectedOperator),
    ("clientName pr (appType pr)", 14, Problem::ExpectedConnective),
    ("clientName eq \"a\" \"b\"", 18, Problem::ExpectedConnective),
    ("(clientName pr appType pr)", 15, Problem::ExpectedClosing),
    ("(clientName pr) (appType pr)", 16, Problem::ExpectedConnective),
    // Groups.
    ("(clientName pr", 14, Problem::ExpectedClosing),
    ("((clientName pr)", 16, Problem::ExpectedClosing),
    ("clientName pr)", 13, Problem::ExpectedConnective),
    ("(clientName pr))", 15, Problem::ExpectedConnective),
    (")", 0, Problem::ExpectedExpression),
    (")(", 0, Problem::ExpectedExpression),
    ("(clientName pr and)", 18, Problem::ExpectedSpace),
    ("(clientName pr or", 17, Problem::ExpectedExpression),
    ("[clientName pr]", 0, Problem::ExpectedExpression),
    ("{clientName pr}", 0, Problem::ExpectedExpression),
    // not.
    ("not", 3, Problem::ExpectedGroup),
    ("not clientName pr", 4, Problem::ExpectedGroup),
    ("not not (clientName pr)", 4, Problem::ExpectedGroup),
    ("not \"a\"", 4, Problem::ExpectedGroup),
    ("(not)", 4, Problem::ExpectedGroup),
    ("!(clientName pr)", 0, Problem::ExpectedExpression),
    ("nota (clientName pr)", 0, Problem::UnknownAttribute),
    // Missing white space.
    ("clientName eq\"a\"", 13, Problem::ExpectedSpace),
    ("clientName eq \"a\"and appType pr", 17, Problem::ExpectedSpace),
    ("(clientName pr)and (appType pr)", 15, Problem::ExpectedSpace),
    ("(clientName pr) and(appType pr)", 19, Problem::ExpectedSpace),
    ("(clientName pr)or(appType pr)", 15, Problem::ExpectedSpace),
    ("clientName\u{a0}pr", 0, Problem::UnknownAttribute),
    (
        "clientName pr\u{2003}and appType pr",
        11,
        Problem::ExpectedOperator,
    ),
    ("clientName pr\u{b}", 11, Problem::ExpectedOperator),
];

#[test]
fn a_filter_is_parsed_by_the_grammar() {
    for (text, printed) in ACCEPTED {
        match Filter::parse(text) {
            Ok(filter) => assert_eq!(filter.to_string(), *printed, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn anything_else_is_rejected_with_its_position() {
    for (text, position, problem) in REJECTED {
        let error = InvalidFilter {
            position: *position,
            problem: *problem,
        };
        assert_eq!(Filter::parse(text), Err(error), "{text}");
    }
}

fn problem(text: &str) -> Option<Problem> {
    Filter::parse(text).err().map(|error| error.problem)
}

#[test]
fn a_filter_is_at_most_8192_bytes_long() {
    let of_length = |bytes: usize| format!("clientName eq \"{}\"", "a".repeat(bytes - 16));
    assert_eq!(problem(&of_length(MAX_BYTES)), None);
    assert_eq!(problem(&of_length(MAX_BYTES + 1)), Some(Problem::TooLong));
    assert_eq!(problem(&" ".repeat(10_000_000)), Some(Problem::TooLong));
}

#[test]
fn groups_are_at_most_128_levels_deep() {
    for opening in ["(", "not(", "clientId pr or ("] {
        let nested = |depth| format!("{}clientName pr{}", opening.repeat(depth), ")".repeat(depth));
        assert_eq!(problem(&nested(MAX_DEPTH)), None, "{opening}");
        assert_eq!(
            problem(&nested(MAX_DEPTH + 1)),
            Some(Problem::TooDeep),
            "{opening}"
        );
    }
    assert_eq!(problem(&"(".repeat(MAX_BYTES)), Some(Problem::TooDeep));
    // Only open levels count.
    let wide = vec!["(((clientId pr)))"; 200].join(" and ");
    assert_eq!(problem(&wide), None);
}

#[test]
fn a_filter_has_at_most_256_comparisons() {
    let of = |count| vec!["clientId pr"; count].join(" or ");
    assert_eq!(problem(&of(MAX_COMPARISONS)), None);
    assert_eq!(
        problem(&of(MAX_COMPARISONS + 1)),
        Some(Problem::TooManyComparisons)
    );
}

#[test]
fn operators_compare_as_table_3_defines() {
    use Operator::{
        Contains, EndsWith, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith,
    };
    for (left, operator, right, holds) in [
        ("a", Equal, "a", true),
        ("a", Equal, "b", false),
        ("a", NotEqual, "b", true),
        ("a", NotEqual, "a", false),
        ("abc", Contains, "b", true),
        ("abc", Contains, "", true),
        ("abc", Contains, "d", false),
        ("abc", StartsWith, "ab", true),
        ("abc", StartsWith, "bc", false),
        ("abc", EndsWith, "bc", true),
        ("abc", EndsWith, "ab", false),
        ("b", Greater, "a", true),
        ("a", Greater, "a", false),
        ("a", GreaterOrEqual, "a", true),
        ("a", Less, "b", true),
        ("a", Less, "a", false),
        ("a", LessOrEqual, "a", true),
        // The order of code points, which differs from that of UTF-16 here.
        ("\u{FFFF}", Less, "\u{10000}", true),
    ] {
        assert_eq!(operator.holds(left, right), holds, "{left} {operator} {right}");
    }
}

#[test]
fn names_and_types_compare_without_case_and_ids_with_it() {
    assert_eq!(
        Attribute::ClientName.comparable("ΑΣ ß İ"),
        "ας ß i\u{307}".replace('ς', "σ")
    );
    assert_eq!(Attribute::AppType.comparable("WEB"), "web");
    assert_eq!(Attribute::ClientId.comparable("AB"), "AB");
}

fn comparisons() -> impl Strategy<Value = Filter> {
    let attributes = prop::sample::select(&Attribute::ALL[..]);
    let operators = prop::sample::select(&Operator::ALL[..]);
    prop_oneof![
        attributes.clone().prop_map(Comparison::Present),
        attributes.clone().prop_map(Comparison::Absent),
        (attributes, operators, any::<String>()).prop_map(|(attribute, operator, value)| Comparison::Text {
            attribute,
            operator,
            value
        }),
    ]
    .prop_map(|comparison| Filter {
        nodes: vec![Node::Comparison(comparison)],
    })
}

fn filters() -> impl Strategy<Value = Filter> {
    comparisons().prop_recursive(8, 64, 2, |inner| {
        let connectives = prop::sample::select(vec![Connective::And, Connective::Or]);
        prop_oneof![
            inner.clone().prop_map(|mut filter| {
                filter.nodes.push(Node::Not);
                filter
            }),
            (inner.clone(), connectives, inner).prop_map(|(mut left, connective, right)| {
                left.nodes.extend(right.nodes);
                left.nodes.push(Node::Connective(connective));
                left
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_printed_filter_parses_as_the_same_filter(filter in filters()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= MAX_BYTES);
        prop_assert_eq!(Filter::parse(&text), Ok(filter));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _either = Filter::parse(&text);
    }

    #[test]
    fn no_sequence_of_tokens_makes_the_parser_panic(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "clientName", "appType", "eq", "pr", "null", "\"a\"", "and", "or", "not", "(", ")", "1", " ",
            ]),
            0..40,
        ),
    ) {
        if let Ok(filter) = Filter::parse(&tokens.join(" ")) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }
}

#[test]
fn the_fuzzing_corpus_is_parsed_without_panic() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/filter");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
    assert!(files.len() > 100, "the corpus is missing");
    for file in files {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        if let Ok(filter) = Filter::parse(&String::from_utf8_lossy(&bytes)) {
            let printed = filter.to_string();
            if printed.len() <= MAX_BYTES {
                assert_eq!(Filter::parse(&printed), Ok(filter));
            }
        }
    }
}
