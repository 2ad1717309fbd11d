//! The table of filters.

/// Filters, each with its printed form, which shows how it was parsed.
pub(super) const ACCEPTED: &[(&str, &str)] = &[
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
