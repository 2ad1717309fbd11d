//! Filters on change records: the database selects what the filter means.

use oauth_clients::domain::{
    change_list::{ChangeKey, ChangeList},
    cursor::Cursors as _,
    filter::{Attribute as _, ChangeAttribute, Comparison, Connective, Filter, Operator},
    page::{Position, Start},
    timestamp::Timestamp,
};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

use super::{BEGIN, Row, client_id, insert, list, page};
use crate::support::{Db, registry::Registry};

on_each_database![
    a_filter_selects_what_it_means,
    a_filter_never_finds_records_of_another_tenant,
    times_compare_as_points_in_time,
];

const TYPES: [&str; 6] = [
    "created",
    "updated",
    "deleted",
    "secret.created",
    "secret.deleted",
    "Created",
];
const ACTORS: [&str; 9] = [
    "alice",
    "Alice",
    "ali",
    "bob",
    "100%",
    "10_",
    "O'Malley \"x\"",
    "\u{10FFFF}z",
    "日本",
];

/// Records of which many share a time, some of different revisions of one client.
fn rows(tenant: &'static str) -> Vec<Row> {
    (0..240)
        .map(|index| Row {
            tenant,
            client_id: client_id(index % 12),
            revision: i64::try_from(index / 12).unwrap() + 1,
            kind: TYPES[index * 7 % TYPES.len()].to_owned(),
            time: BEGIN + i64::try_from(index * 31 % 60).unwrap(),
            actor: ACTORS[index * 5 % ACTORS.len()].to_owned(),
        })
        .collect()
}

/// Returns `true` if a record matches the filter, evaluated without a database.
fn selects(filter: &Filter<ChangeAttribute>, row: &Row) -> bool {
    let leaf = |comparison: &Comparison<ChangeAttribute>| match comparison {
        Comparison::Present(_) => true,
        Comparison::Absent(_) => false,
        Comparison::Text {
            attribute,
            operator,
            value,
        } => {
            let own = match attribute {
                ChangeAttribute::ClientId => &row.client_id,
                ChangeAttribute::Type => &row.kind,
                ChangeAttribute::Actor => &row.actor,
                ChangeAttribute::Time => unreachable!(),
            };
            operator.holds(own, &attribute.comparable(value))
        }
        Comparison::Instant { operator, value, .. } => {
            let value = value.as_micros();
            match operator {
                Operator::Greater => row.time > value,
                Operator::GreaterOrEqual => row.time >= value,
                Operator::Less => row.time < value,
                Operator::LessOrEqual => row.time <= value,
                _ => unreachable!(),
            }
        }
    };
    let connect = |connective, left, right| match connective {
        Connective::And => left && right,
        Connective::Or => left || right,
    };
    filter.evaluate(leaf, |inner: bool| !inner, connect).unwrap()
}

type Name = (i64, String, i64);

/// Returns the records of a list in order, evaluated without a database.
fn expected(list: &ChangeList, rows: &[Row]) -> Vec<Name> {
    let selected = rows
        .iter()
        .filter(|row| list.filter.as_ref().is_none_or(|filter| selects(filter, row)));
    let mut names: Vec<Name> = selected
        .map(|row| (row.time, row.client_id.clone(), row.revision))
        .collect();
    names.sort_unstable();
    names.reverse();
    names
}

fn name(key: &ChangeKey) -> Name {
    (
        key.time.as_micros(),
        key.client_id.as_str().to_owned(),
        key.revision.number(),
    )
}

/// Walks a list to its end and back, through its cursors.
async fn walk(registry: &Registry, list: &ChangeList, limit: i64) -> (Vec<Name>, Vec<Name>) {
    let through_cursor = |place: Position<ChangeKey>| list.position_at(&list.cursor(&place)).unwrap();
    let names = |page: &oauth_clients::store::Page<_, _>| -> Vec<Name> {
        let records = page.items.iter();
        records
            .map(|record: &oauth_clients::domain::change_list::ChangeRecord| name(&record.key))
            .collect()
    };
    let mut at = page(registry, list, limit, Start::First).await;
    assert_eq!(at.prev, None);
    let mut forth = names(&at);
    while let Some(next) = at.next.take() {
        at = page(registry, list, limit, Start::After(through_cursor(next))).await;
        forth.extend(names(&at));
    }
    let mut back = names(&at);
    while let Some(prev) = at.prev.take() {
        at = page(registry, list, limit, Start::Before(through_cursor(prev))).await;
        back.splice(0..0, names(&at));
    }
    (forth, back)
}

/// Generates filters as text.
fn filters() -> impl Strategy<Value = String> {
    let texts = prop_oneof![
        prop::sample::select(TYPES.to_vec()).prop_map(str::to_owned),
        prop::sample::select(ACTORS.to_vec()).prop_map(str::to_owned),
        "[a-z]{0,3}",
        Just("secret.".to_owned()),
        Just("a\0b".to_owned()),
        any::<String>(),
    ];
    let times = (0..60_i64, prop::sample::select(vec!["", "0", "7"])).prop_map(|(micros, finer)| {
        let text = Timestamp::from_micros(BEGIN + micros).to_rfc3339();
        let (text, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((&text, ""));
        format!("{}.{fraction:0<6}{finer}+00:00", text.trim_end_matches('Z'))
    });
    let leaf = prop_oneof![
        2 => (0..14_usize).prop_map(|number| format!("clientId eq \"{}\"", client_id(number))),
        6 => (
            prop::sample::select(vec!["type", "actor", "ACTOR"]),
            prop::sample::select(vec!["eq", "ne", "sw"]),
            texts,
        )
            .prop_map(|(attribute, operator, value)| {
                format!("{attribute} {operator} {}", serde_json::json!(value))
            }),
        4 => (prop::sample::select(vec!["gt", "ge", "lt", "le"]), times)
            .prop_map(|(operator, time)| format!("time {operator} \"{time}\"")),
        1 => Just("type ne null".to_owned()),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and ({b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} or {b}")),
        ]
    })
}

async fn a_filter_selects_what_it_means(db: Db) {
    let registry = Registry::open(&db).await;
    let all = rows("acme");
    insert(&db, &all).await;
    insert(&db, &rows("other")).await;
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().new_rng());
    let mut found = 0;
    for case in 0..150 {
        let filter = (case > 2).then(|| filters().new_tree(&mut runner).unwrap().current());
        let limit = [7, 20, 100][case % 3];
        let list = list(filter.as_deref());
        let wanted = expected(&list, &all);
        let (forth, back) = walk(&registry, &list, limit).await;
        assert_eq!(forth, wanted, "{filter:?}");
        assert_eq!(back, wanted, "back: {filter:?}");
        let total = page(&registry, &list, 1, Start::First).await.total;
        assert_eq!(total, Some(wanted.len() as u64), "{filter:?}");
        found += usize::from((1..200).contains(&wanted.len()));
    }
    assert!(found > 50, "the filters select some records: {found}");
}

async fn a_filter_never_finds_records_of_another_tenant(db: Db) {
    let registry = Registry::open(&db).await;
    insert(&db, &rows("other")).await;
    for filter in [
        r#"actor eq "x" or type ne null"#,
        r#"actor ne "x""#,
        r#"not (actor eq "x") or type eq "') OR 1=1 --""#,
        r#"time gt "0001-01-01T00:00:00Z" or time le "9999-12-31T23:59:59Z""#,
    ] {
        let page = page(&registry, &list(Some(filter)), 100, Start::First).await;
        assert_eq!((page.items.len(), page.total), (0, Some(0)), "{filter}");
    }
}

async fn times_compare_as_points_in_time(db: Db) {
    let registry = Registry::open(&db).await;
    let row = |revision: i64, time: i64| Row {
        tenant: "acme",
        client_id: client_id(0),
        revision,
        kind: "updated".to_owned(),
        time,
        actor: "alice".to_owned(),
    };
    // 2023-11-14T22:13:20Z, and the microseconds beside it.
    insert(&db, &[row(1, BEGIN - 1), row(2, BEGIN), row(3, BEGIN + 1)]).await;
    for (filter, revisions) in [
        (r#"time ge "2023-11-14T22:13:20Z""#, vec![3, 2]),
        (r#"time ge "2023-11-14T22:13:20.000Z""#, vec![3, 2]),
        (r#"time ge "2023-11-15T03:43:20.0000000+05:30""#, vec![3, 2]),
        (r#"time ge "2023-11-14t14:13:20-08:00""#, vec![3, 2]),
        (r#"time gt "2023-11-14T22:13:20Z""#, vec![3]),
        (r#"time gt "2023-11-14T22:13:20.0000009Z""#, vec![3]),
        (r#"time ge "2023-11-14T22:13:20.0000001Z""#, vec![3]),
        (r#"time lt "2023-11-14T22:13:20.0000001Z""#, vec![2, 1]),
        (r#"time le "2023-11-14T22:13:20.0000009Z""#, vec![2, 1]),
        (r#"time lt "2023-11-14T22:13:20Z""#, vec![1]),
        (r#"time le "2023-11-14T22:13:19.999999Z""#, vec![1]),
        (
            r#"time ge "2023-11-14T22:13:20Z" and time lt "2023-11-14T22:13:20.000001Z""#,
            vec![2],
        ),
    ] {
        let page = page(&registry, &list(Some(filter)), 100, Start::First).await;
        let found: Vec<i64> = page
            .items
            .iter()
            .map(|record| record.key.revision.number())
            .collect();
        assert_eq!(found, revisions, "{filter}");
    }
}
