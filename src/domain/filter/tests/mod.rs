//! Filters from RFC 7644 section 3.4.2.2 (its examples, tables 3 to 5 and ABNF, adapted to the attributes of a client),
//! and texts that the grammar does not allow.

mod accepted;
mod changes;
mod rejected;

use accepted::ACCEPTED;
use proptest::prelude::*;
use rejected::REJECTED;

use super::{
    Attribute, ChangeAttribute, ClientAttribute, Comparison, Connective, Filter, InvalidFilter, Kind,
    MAX_BYTES, MAX_COMPARISONS, MAX_DEPTH, Node, Operator, Operators, Problem,
};

#[test]
fn a_filter_is_parsed_by_the_grammar() {
    for (text, printed) in ACCEPTED {
        match <Filter>::parse(text) {
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
        assert_eq!(<Filter>::parse(text), Err(error), "{text}");
    }
}

fn problem(text: &str) -> Option<Problem> {
    <Filter>::parse(text).err().map(|error| error.problem)
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
        ClientAttribute::ClientName.comparable("ΑΣ ß İ"),
        "ας ß i\u{307}".replace('ς', "σ")
    );
    assert_eq!(ClientAttribute::AppType.comparable("WEB"), "web");
    assert_eq!(ClientAttribute::ClientId.comparable("AB"), "AB");
}

fn comparisons() -> impl Strategy<Value = Filter> {
    let attributes = prop::sample::select(&ClientAttribute::ALL[..]);
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
        prop_assert_eq!(<Filter>::parse(&text), Ok(filter));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _either = <Filter>::parse(&text);
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
        if let Ok(filter) = <Filter>::parse(&tokens.join(" ")) {
            prop_assert_eq!(<Filter>::parse(&filter.to_string()), Ok(filter));
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
        if let Ok(filter) = <Filter>::parse(&String::from_utf8_lossy(&bytes)) {
            let printed = filter.to_string();
            if printed.len() <= MAX_BYTES {
                assert_eq!(<Filter>::parse(&printed), Ok(filter));
            }
        }
    }
}
