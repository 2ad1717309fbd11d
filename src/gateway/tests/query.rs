//! Query parameters, which fill the fields that neither the path, the body nor a header fills.

use serde_json::{Value, json};

use super::{call, get, post, refusal};

async fn listed(query: &str) -> Value {
    call(get(&format!("/v1/books?{query}"))).await.message
}

async fn refused(query: &str) -> Vec<String> {
    let response = refusal(get(&format!("/v1/books?{query}"))).await;
    assert_eq!(response.status, 400, "{query}");
    response.errors()
}

#[tokio::test]
async fn a_parameter_fills_the_field_of_its_name() {
    for (query, message) in [
        ("", json!({})),
        ("&&", json!({})),
        ("pageSize=10", json!({"pageSize": 10})),
        ("page_size=-10", json!({"pageSize": -10})),
        ("pageSize=0", json!({"pageSize": 0})),
        ("lent=true", json!({"lent": true})),
        ("lent=false", json!({})),
        ("genre=GENRE_NOVEL", json!({"genre": "GENRE_NOVEL"})),
        ("weight=-1.5e3", json!({"weight": -1500.0})),
        (
            "tags=a&lent=true&tags=b&tags=",
            json!({"lent": true, "tags": ["a", "b", ""]}),
        ),
        ("author.fullName=a", json!({"author": {"fullName": "a"}})),
        ("author.full_name=a", json!({"author": {"fullName": "a"}})),
        (
            "author.mentor.fullName=a&author.fullName=b",
            json!({"author": {"fullName": "b", "mentor": {"fullName": "a"}}}),
        ),
        (
            "like.tags=a&like.tags=b&like.copies=9007199254740993",
            json!({"like": {"tags": ["a", "b"], "copies": "9007199254740993"}}),
        ),
        (
            "like.publishedAt=2026-01-02T03:04:05Z",
            json!({"like": {"publishedAt": "2026-01-02T03:04:05Z"}}),
        ),
        ("like.subtitle=", json!({"like": {"subtitle": ""}})),
        ("like.subtitle", json!({"like": {"subtitle": ""}})),
    ] {
        assert_eq!(listed(query).await, message, "{query}");
    }
}

#[tokio::test]
async fn names_and_values_are_form_encoded() {
    for (query, tag) in [
        ("tags=a+b%20c%2Bd", "a b c+d"),
        ("t%61gs=%C3%A9%26%3D", "é&="),
        ("tags=a=b", "a=b"),
        ("tags=%00", "\0"),
    ] {
        assert_eq!(listed(query).await, json!({"tags": [tag]}), "{query}");
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_form_encoded_utf8_is_rejected() {
    for (query, name) in [
        ("tags=%", "tags"),
        ("tags=%4", "tags"),
        ("tags=%zz", "tags"),
        ("tags=%+1", "tags"),
        ("tags=%FF", "tags"),
        ("tags=%C3", "tags"),
        ("%FF=a", "query"),
        ("nope=%zz", "nope"),
    ] {
        let expected = format!("INVALID_FIELD {name}: is not percent-encoded UTF-8");
        assert_eq!(refused(query).await, [expected], "{query}");
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_name_a_textual_field_is_unknown() {
    for name in [
        "nope",
        "PageSize",
        "page-size",
        "author",
        "author.",
        ".author",
        "author.nope",
        "author.fullName.nope",
        "tags.nope",
        "tags[0]",
        "like.translators",
        "like.translators.fullName",
        // Parameters do not reach into maps and well-known types.
        "like.labels",
        "like.labels.key",
        "like.labels.value",
        "like.editors.value.fullName",
        "like.extra",
        "like.extra.stringValue",
        "like.extra.structValue.fields.key",
        "like.publishedAt.seconds",
    ] {
        let expected = format!("UNKNOWN_FIELD {name}: is not a parameter of this request");
        assert_eq!(refused(&format!("{name}=1")).await, [expected]);
    }
}

#[tokio::test]
async fn a_field_that_the_path_or_the_body_fills_is_not_a_parameter() {
    for (request, name) in [
        (get("/v2/books/a?name=b"), "name"),
        (post("/v1/books?copies=1", "{}"), "copies"),
        (post("/v1/books/a:addPages?pages=1", "[]"), "pages"),
        (post("/v1/books/a:addPages?book.name=b", "[]"), "book.name"),
        (
            post("/v1/books/latest:lend?lentBook.copies=1", "{}"),
            "lentBook.copies",
        ),
    ] {
        let expected = format!("UNKNOWN_FIELD {name}: is not a parameter of this request");
        assert_eq!(refusal(request).await.errors(), [expected]);
    }
    let call = call(post("/v1/books/a:addPages?dryRun=true&book.copies=1", "[]")).await;
    assert_eq!(
        call.message,
        json!({"book": {"name": "books/a", "copies": "1"}, "dryRun": true})
    );
}

#[tokio::test]
async fn only_the_parameter_of_a_list_may_be_repeated() {
    for (query, name) in [
        ("lent=true&lent=true", "lent"),
        ("pageSize=1&page_size=1", "page_size"),
        ("author.fullName=a&author.full_name=b", "author.full_name"),
    ] {
        assert_eq!(
            refused(query).await,
            [format!("INVALID_FIELD {name}: is repeated")],
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_malformed_value_has_the_reason_of_its_field() {
    for (query, error) in [
        ("pageSize=", "INVALID_LIMIT pageSize: must be a whole number"),
        ("pageSize", "INVALID_LIMIT pageSize: must be a whole number"),
        ("page_size=ten", "INVALID_LIMIT pageSize: must be a whole number"),
        ("pageSize=+1", "INVALID_LIMIT pageSize: must be a whole number"),
        ("pageSize=%2B1", "INVALID_LIMIT pageSize: must be a whole number"),
        ("pageSize=1.0", "INVALID_LIMIT pageSize: must be a whole number"),
        (
            "pageSize=2147483648",
            "INVALID_LIMIT pageSize: must be a whole number",
        ),
        ("lent=1", "INVALID_FIELD lent: must be true or false"),
        ("lent=", "INVALID_FIELD lent: must be true or false"),
        ("weight=heavy", "INVALID_FIELD weight: must be a number"),
        ("weight=NaN", "INVALID_FIELD weight: must be a number"),
        ("weight=1e999", "INVALID_FIELD weight: must be a number"),
        (
            "genre=GENRE_NOPE",
            "INVALID_FIELD genre: must be a name of the enum",
        ),
        (
            "like.copies=a",
            "INVALID_FIELD like.copies: must be a whole number",
        ),
        (
            "like.publishedAt=2026",
            "INVALID_FIELD like.publishedAt: must be an RFC 3339 timestamp",
        ),
    ] {
        assert_eq!(refused(query).await, [error], "{query}");
    }
}

#[tokio::test]
async fn all_violations_are_reported_at_once() {
    let errors = refused("nope=1&pageSize=x&lent=true&lent=true&tags=%zz&author.nope=").await;
    let codes: Vec<_> = errors
        .iter()
        .map(|error| error.split(':').next().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "UNKNOWN_FIELD nope",
            "INVALID_LIMIT pageSize",
            "INVALID_FIELD lent",
            "INVALID_FIELD tags",
            "UNKNOWN_FIELD author.nope",
        ]
    );
}
