use serde_json::json;

use super::{super::jwk::JwkRule, *};

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn draft() -> ClientDraft {
    ClientDraft {
        app_type: "web".into(),
        client_name: Some("name".into()),
        redirect_uris: vec!["https://a/".into(), "https://b/".into()],
        ..ClientDraft::default()
    }
}

/// Applies a JSON Patch. Returns the changed draft, or the broken rules with the members of operations that break them.
fn apply(patch: &Value) -> Result<ClientDraft, Vec<(String, Rule)>> {
    let operations = patch.as_array().unwrap().iter().map(|operation| Operation {
        op: operation["op"].as_str().unwrap_or_default().into(),
        path: operation["path"].as_str().unwrap_or_default().into(),
        value: operation.get("value").cloned(),
    });
    let patch = Patch {
        operations: operations.collect(),
    };
    let mut draft = draft();
    let found = patch.apply(&mut draft, NOW);
    found
        .into_result()
        .map(|()| draft)
        .map_err(|found| found.iter().map(|v| (v.field.clone(), inner(&v.rule))).collect())
}

fn inner(rule: &Rule) -> Rule {
    match rule {
        Rule::Operation { rule, .. } => (**rule).clone(),
        other => other.clone(),
    }
}

fn redirect_uris(patch: &Value) -> Vec<String> {
    apply(patch).unwrap().redirect_uris
}

fn broken(patch: &Value) -> Vec<(String, Rule)> {
    apply(patch).unwrap_err()
}

#[test]
fn add_and_replace_set_a_member_present_or_not() {
    for op in ["add", "replace"] {
        let patch = json!([
            {"op": op, "path": "/clientName", "value": "new"},
            {"op": op, "path": "/description", "value": ""},
            {"op": op, "path": "/connectionConfig/consentMethod", "value": "trusted"},
            {"op": op, "path": "/publishedAt", "value": "2023-11-14T22:13:20Z"},
            {"op": op, "path": "/allowedScopes", "value": ["a", "b"]},
        ]);
        let after = apply(&patch).unwrap();
        assert_eq!(after.client_name.as_deref(), Some("new"));
        assert_eq!(after.description.as_deref(), Some(""));
        assert_eq!(after.consent_method.as_deref(), Some("trusted"));
        assert_eq!(after.published_at, Some(NOW));
        assert_eq!(after.allowed_scopes, ["a", "b"]);
    }
}

#[test]
fn remove_clears_a_member_that_is_set() {
    let after = apply(&json!([
        {"op": "remove", "path": "/clientName"},
        {"op": "remove", "path": "/redirectUris"},
        {"op": "remove", "path": "/allowedScopes"},
        {"op": "remove", "path": "/connectionConfig/consentMethod"},
    ]))
    .unwrap();
    assert_eq!(after.client_name, None);
    assert_eq!(after.redirect_uris, [""; 0]);
    assert_eq!(after.consent_method, None);
    for path in ["/description", "/logoUri", "/clientUri", "/publishedAt"] {
        assert_eq!(
            broken(&json!([{"op": "remove", "path": path}])),
            [("operations[0].path".into(), PatchRule::NothingToRemove.into())],
            "{path}"
        );
    }
}

#[test]
fn each_operation_sees_the_one_before() {
    let after = redirect_uris(&json!([
        {"op": "add", "path": "/redirectUris/0", "value": "https://0/"},
        {"op": "add", "path": "/redirectUris/-", "value": "https://z/"},
        {"op": "replace", "path": "/redirectUris/1", "value": "https://1/"},
        {"op": "remove", "path": "/redirectUris/2"},
        {"op": "add", "path": "/redirectUris/3", "value": "https://y/"},
    ]));
    assert_eq!(after, ["https://0/", "https://1/", "https://z/", "https://y/"]);
}

#[test]
fn array_elements_follow_rfc_6902() {
    let element = |op: &str, index: &str| {
        let path = format!("/redirectUris/{index}");
        apply(&json!([{"op": op, "path": path, "value": "https://c/"}])).is_ok()
    };
    for index in ["0", "1"] {
        assert!(element("add", index) && element("replace", index) && element("remove", index));
    }
    assert!(element("add", "2") && element("add", "-"));
    for (op, indexes) in [
        (
            "add",
            &["3", "01", "+1", "-1", "", "a", "18446744073709551616"][..],
        ),
        ("replace", &["2", "-", "00", "01", "+1", ""][..]),
        ("remove", &["2", "-", "00", "01", "+1", ""][..]),
    ] {
        for index in indexes {
            assert!(!element(op, index), "{op} {index}");
        }
    }
}

#[test]
fn any_other_path_is_rejected() {
    for path in [
        "",
        "/",
        "clientName",
        "/clientname",
        "/ClientName",
        "/client_name",
        "/clientName/",
        "/clientId",
        "/appType",
        "/createdAt",
        "/clientSecrets",
        "/clientSecret",
        "/disableTag",
        "/deletedAt",
        "/connectionConfig",
        "/connectionConfig/status",
        "/connectionConfig/consentMethod/0",
        "/redirectUris/0/0",
        "/publicKeys/0/kid",
        "/client~0Name",
        "/client~1Name",
        "/client~Name",
        "/clientName~",
        "/clientName~2",
        "#/clientName",
    ] {
        assert_eq!(
            broken(&json!([{"op": "add", "path": path, "value": "x"}])),
            [("operations[0].path".into(), PatchRule::NotPatchable.into())],
            "{path}"
        );
    }
}

#[test]
fn every_operation_that_cannot_be_applied_is_reported() {
    let text = PatchRule::WrongType { expected: "a string" };
    let array = PatchRule::WrongType { expected: "an array" };
    let found = broken(&json!([
        {"op": "move", "path": "/clientName"},
        {"op": "add", "path": "/clientName"},
        {"op": "add", "path": "/clientName", "value": null},
        {"op": "add", "path": "/clientName", "value": 5},
        {"op": "add", "path": "/redirectUris", "value": "https://a/"},
        {"op": "add", "path": "/redirectUris", "value": ["https://a/", 5]},
        {"op": "add", "path": "/redirectUris/0", "value": ["https://a/"]},
        {"op": "add", "path": "/publishedAt", "value": "soon"},
        {"op": "add", "path": "/publishedAt", "value": "2023-11-14T22:13:21Z"},
        {"op": "add", "path": "/publicKeys", "value": ["key"]},
        {"op": "add", "path": "/publicKeys/-", "value": {"kid": 5}},
        {"op": "add", "path": "/publicKeys/-", "value": {"x5c": []}},
    ]));
    let expected: [(&str, Rule); 12] = [
        ("operations[0].op", PatchRule::UnknownOperation.into()),
        ("operations[1].value", PatchRule::MissingValue.into()),
        ("operations[2].value", text.into()),
        ("operations[3].value", text.into()),
        ("operations[4].value", array.into()),
        ("operations[5].value[1]", text.into()),
        ("operations[6].value", text.into()),
        ("operations[7].value", PatchRule::NotATimestamp.into()),
        ("operations[8].value", PatchRule::InTheFuture.into()),
        ("operations[9].value[0]", JwkRule::NotAnObject.into()),
        ("operations[10].value.kid", JwkRule::NotAString.into()),
        ("operations[11].value.x5c", JwkRule::UnknownMember.into()),
    ];
    assert_eq!(found, expected.map(|(field, rule)| (field.to_owned(), rule)));
}

#[test]
fn a_key_keeps_the_names_of_private_members_but_not_their_values() {
    let after = apply(&json!([
        {"op": "add", "path": "/publicKeys/-", "value": {"kid": "a", "d": "private", "oth": []}},
    ]))
    .unwrap();
    assert_eq!(after.public_keys[0].private_members, ["d", "oth"]);
    assert!(!format!("{after:?}").contains("private\""));
}

#[test]
fn a_patch_has_at_most_100_operations() {
    let operations = |count| json!(vec![json!({"op": "remove", "path": "/redirectUris"}); count]);
    assert!(apply(&operations(0)).is_ok());
    assert!(apply(&operations(100)).is_ok());
    assert_eq!(
        broken(&operations(101)),
        [("operations".into(), PatchRule::TooManyOperations.into())]
    );
}
