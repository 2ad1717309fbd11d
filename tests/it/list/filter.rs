//! Lists with a filter, in every order: the database selects what the filter means.

use std::sync::atomic::{AtomicBool, Ordering};

use oauth_clients::{
    domain::{
        change_type::ChangeType,
        client::Client,
        cursor::Cursors as _,
        filter::{Attribute as _, ClientAttribute, Comparison, Connective, Filter},
        page::{List, Position, Start},
        sort::{Direction, SortValue},
        timestamp::Timestamp,
    },
    store::Page,
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

use crate::support::{
    Db,
    registry::{Registry, actor, list, tenant},
};

on_each_database![
    a_filter_selects_what_it_means_in_every_order,
    a_filter_never_finds_clients_of_another_tenant,
    the_deepest_and_the_longest_filters_succeed,
    names_of_any_characters_are_found,
    a_walk_in_any_order_is_not_disturbed_by_changes,
];

const APP_TYPES: [&str; 4] = ["web", "native", "spa", "anonymous-embed"];

/// Names that have caused trouble in other systems.
fn names() -> Vec<String> {
    let long = "é".repeat(256);
    let names = [
        "O'Malley",
        "Robert'); DROP TABLE oauth_clients;--",
        "say \"hi\"",
        "back\\slash",
        "100%",
        "1_000",
        "%",
        "_",
        "\\",
        "👩‍👩‍👧‍👦",
        "👩",
        "caf\u{e9}",
        "cafe\u{301}",
        "CAFÉ",
        "Straße",
        "STRASSE",
        "İstanbul",
        "istanbul",
        "ΟΔΟΣ",
        "οδος",
        "οδοσ",
        "ΟΔΟ",
        " leading",
        "trailing ",
        "a",
        "A",
        "aa",
        "aA",
        "AA",
        "ab",
        "b",
        "B",
        "ba",
        "Z",
        "z",
        "ß",
        "ẞ",
        "ﬀ",
        "\u{FFFF}",
        "\u{10000}",
        "\u{10FFFF}",
        "\u{10FFFF}a",
        "\u{D7FF}",
        "\u{E000}",
        "日本",
        "日本語",
        "ｆｕｌｌ",
        "a%b",
        "a_b",
        "a\\b",
        "null",
        "not",
        "\u{200B}x",
    ];
    names.iter().map(|&name| name.to_owned()).chain([long]).collect()
}

fn clients() -> Vec<(String, &'static str)> {
    let types = APP_TYPES.iter().copied().cycle();
    // Twice, so that names are not unique.
    names().into_iter().chain(names()).zip(types).collect()
}

/// Returns `true` if a client matches the filter, evaluated without a database.
fn selects(filter: &Filter, client: &Client) -> bool {
    let value = |attribute| match attribute {
        ClientAttribute::ClientId => client.id.as_str().to_owned(),
        ClientAttribute::ClientName => client.metadata.client_name.clone().unwrap(),
        ClientAttribute::AppType => client.metadata.app_type().as_str().to_owned(),
    };
    let leaf = |comparison: &Comparison| match comparison {
        Comparison::Present(_) => true,
        Comparison::Absent(_) => false,
        Comparison::Text {
            attribute,
            operator,
            value: other,
        } => operator.holds(
            &attribute.comparable(&value(*attribute)),
            &attribute.comparable(other),
        ),
        Comparison::Instant { .. } => unreachable!(),
    };
    let connect = |connective, left, right| match connective {
        Connective::And => left && right,
        Connective::Or => left || right,
    };
    filter.evaluate(leaf, |inner: bool| !inner, connect).unwrap()
}

/// Returns the ids of a list in order, evaluated without a database.
fn expected(list: &List, clients: &[Client]) -> Vec<String> {
    let mut selected: Vec<&Client> = clients
        .iter()
        .filter(|client| list.filter.as_ref().is_none_or(|filter| selects(filter, client)))
        .collect();
    selected.sort_by(|a, b| {
        let values = match (list.sort.field.value(a), list.sort.field.value(b)) {
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(&b),
            (SortValue::Time(a), SortValue::Time(b)) => a.cmp(&b),
            _ => unreachable!(),
        };
        let order = values.then_with(|| a.id.cmp(&b.id));
        if list.sort.direction == Direction::Ascending {
            order
        } else {
            order.reverse()
        }
    });
    selected
        .into_iter()
        .map(|client| client.id.as_str().to_owned())
        .collect()
}

fn ids(page: &Page) -> Vec<String> {
    page.items
        .iter()
        .map(|client| client.id().as_str().to_owned())
        .collect()
}

/// Walks a list to its end and back, through its cursors.
async fn walk(registry: &Registry, list: &List, limit: i64) -> (Vec<String>, Vec<String>) {
    let through_cursor = |place: Position| list.position_at(&list.cursor(&place)).unwrap();
    let mut page = registry.page(list, limit, Start::First).await;
    assert_eq!(page.prev, None);
    let mut forth = ids(&page);
    while let Some(next) = page.next.take() {
        page = registry
            .page(list, limit, Start::After(through_cursor(next)))
            .await;
        forth.extend(ids(&page));
    }
    let mut back = ids(&page);
    while let Some(prev) = page.prev.take() {
        page = registry
            .page(list, limit, Start::Before(through_cursor(prev)))
            .await;
        back.splice(0..0, ids(&page));
    }
    (forth, back)
}

fn values() -> impl Strategy<Value = String> {
    let name = prop::sample::select(names());
    let part = (
        name.clone(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(name, from, to)| {
            let characters: Vec<char> = name.chars().collect();
            let (from, to) = (from.index(characters.len() + 1), to.index(characters.len() + 1));
            characters[from.min(to)..from.max(to)].iter().collect::<String>()
        });
    prop_oneof![
        name.clone(),
        name.prop_map(|name| name.to_uppercase()),
        part,
        prop::sample::select(APP_TYPES.to_vec()).prop_map(str::to_owned),
        "[0-9a-f]{1,3}",
        any::<String>(),
        "[a-b]?\0[a-b]?",
    ]
}

/// Generates filters as text.
fn filters() -> impl Strategy<Value = String> {
    let attribute = prop::sample::select(vec!["clientName", "clientName", "appType", "clientId"]);
    let operator = prop::sample::select(vec!["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]);
    let leaf = prop_oneof![
        12 => (attribute.clone(), operator, values())
            .prop_map(|(attribute, operator, value)| format!("{attribute} {operator} {}", serde_json::json!(value))),
        1 => attribute.clone().prop_map(|attribute| format!("{attribute} pr")),
        1 => attribute.prop_map(|attribute| format!("{attribute} eq null")),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or {b}")),
        ]
    })
}

async fn a_filter_selects_what_it_means_in_every_order(db: Db) {
    let registry = Registry::open(&db).await;
    let all = registry.fill(&registry.tenant, &clients()).await;
    registry.fill(&tenant("other"), &clients()).await;

    let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().new_rng());
    let sorts = ["clientId", "clientName", "appType", "createdAt", "updatedAt"];
    for case in 0..200 {
        // The first are all orders without a filter.
        let filter = (case >= 10).then(|| filters().new_tree(&mut runner).unwrap().current());
        let sort = format!("{}{}", if case % 2 == 0 { "+" } else { "-" }, sorts[case / 2 % 5]);
        let limit = [1, 3, 20, 100][case % 4].max(if case % 8 == 0 { 7 } else { 1 });
        let list = list(&sort, filter.as_deref());
        let wanted = expected(&list, &all);
        let (forth, back) = walk(&registry, &list, limit).await;
        assert_eq!(forth, wanted, "{sort} {filter:?}");
        assert_eq!(back, wanted, "back: {sort} {filter:?}");
        let total = registry.page(&list, 1, Start::First).await.total;
        assert_eq!(total, Some(wanted.len() as u64), "{filter:?}");
    }
}

async fn a_filter_never_finds_clients_of_another_tenant(db: Db) {
    let registry = Registry::open(&db).await;
    registry.fill(&tenant("other"), &clients()).await;
    for filter in [
        r#"clientName eq "x" or clientName pr"#,
        r#"clientName ne "x""#,
        r#"clientId pr or clientId sw "0" and appType pr"#,
        r#"not (clientName eq "x") or clientName eq "') OR 1=1 --""#,
    ] {
        let page = registry
            .page(&list("+clientName", Some(filter)), 100, Start::First)
            .await;
        assert_eq!((ids(&page).len(), page.total), (0, Some(0)), "{filter}");
    }
}

async fn the_deepest_and_the_longest_filters_succeed(db: Db) {
    let registry = Registry::open(&db).await;
    let all = registry.fill(&registry.tenant, &clients()).await;
    let leaf = r#"clientName co "a""#;
    let nested = |opening: &str| format!("{}{leaf}{}", opening.repeat(128), ")".repeat(128));
    for filter in [
        nested("("),
        nested("not ("),
        nested(r#"clientId gt "z" or ("#),
        nested(r#"clientId lt "z" and not ("#),
        vec![leaf; 256].join(" or "),
        vec![leaf; 256].join(" and "),
        vec![r#"clientId ne "0""#; 256].join(" and "),
    ] {
        let list = list("-createdAt", Some(&filter));
        let page = registry.page(&list, 100, Start::First).await;
        let wanted = expected(&list, &all);
        assert_eq!(page.total, Some(wanted.len() as u64), "{filter}");
        assert_eq!(
            ids(&page),
            wanted.into_iter().take(100).collect::<Vec<_>>(),
            "{filter}"
        );
    }
}

async fn names_of_any_characters_are_found(db: Db) {
    let registry = Registry::open(&db).await;
    let all = registry.fill(&registry.tenant, &clients()).await;
    for name in names() {
        for operator in ["eq", "co", "sw", "ew"] {
            let filter = format!("clientName {operator} {}", serde_json::json!(name));
            let list = list("+clientName", Some(&filter));
            let wanted = expected(&list, &all);
            assert!(wanted.len() >= 2, "{name} is there twice");
            let page = registry.page(&list, 100, Start::First).await;
            assert_eq!(ids(&page), wanted, "{filter}");
        }
    }
}

/// Creates, renames and deletes clients until it is told to stop.
async fn disturb(registry: &Registry, stop: &AtomicBool) {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let names: Vec<(String, &str)> = (0..4)
            .map(|index| (format!("{}{round}", ["a", "é", "z", "\u{10FFFF}"][index]), "spa"))
            .collect();
        let made = registry
            .fill_from(&registry.tenant, 1_000 + round * 10, &names)
            .await;
        for (index, client) in made.iter().enumerate() {
            let change = move |client: &mut Client| {
                if index % 2 == 0 {
                    client.delete(Timestamp::from_micros(1_800_000_000_000_000));
                } else {
                    client.revision = client.revision.next();
                    client.updated_at = Timestamp::from_micros(1_600_000_000_000_000);
                }
                Ok::<(), ()>(())
            };
            registry
                .store
                .update_client(
                    &registry.tenant,
                    &client.id,
                    ChangeType::Updated,
                    &actor().into(),
                    change,
                )
                .await
                .unwrap();
        }
        round += 1;
    }
}

async fn a_walk_in_any_order_is_not_disturbed_by_changes(db: Db) {
    let registry = Registry::open(&db).await;
    let all = registry.fill(&registry.tenant, &clients()).await;
    let stop = AtomicBool::new(false);
    let walks = async {
        for sort in ["clientId", "clientName", "appType", "createdAt", "updatedAt"] {
            for sign in ["+", "-"] {
                let list = list(&format!("{sign}{sort}"), None);
                let wanted = expected(&list, &all);
                let (forth, back) = walk(&registry, &list, 7).await;
                for visited in [forth, back] {
                    let of_old: Vec<String> = visited.into_iter().filter(|id| wanted.contains(id)).collect();
                    assert_eq!(of_old, wanted, "{sign}{sort}");
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(disturb(&registry, &stop), walks);
}
