//! Lists of change records.

use oauth_clients::{
    domain::{
        change_list::{ChangeKey, ChangeList},
        filter::Filter,
        ids::{ClientId, TenantId},
        page::{Limit, PageRequest, Position, Start},
        revision::Revision,
        timestamp::Timestamp,
    },
    store::Store,
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};

use crate::{
    Args,
    measure::{Row, compare, open, tenant},
    output::{Outcome, print},
};

/// The number of records in the small database.
const SMALL: u64 = 10_000;
/// The number of records of a client.
const OF_CLIENT: u64 = 20;
const BATCH: u64 = 100_000;
/// The time of the first record, in seconds since 1970. One follows each second.
const BEGIN: u64 = 1_700_000_000;

struct Measured {
    store: Store,
    tenant: TenantId,
    records: u64,
}

pub(crate) async fn measure(args: &Args) -> Outcome<()> {
    let small = fill(&args.small, SMALL).await?;
    let large = fill(&args.large, args.records).await?;
    Row::print_header("records", small.records, large.records);
    for (filter, count) in shapes() {
        let deep = filter.is_none();
        let pages: &[u64] = if deep { &[1, args.deep_page] } else { &[1] };
        for page in pages {
            let (first, second) = (
                request(&small, filter, *page, count)?,
                request(&large, filter, *page, count)?,
            );
            let read = async |on: &Measured, request: &PageRequest<ChangeList>| {
                on.store.list_changes(&on.tenant, request).await?;
                Ok(())
            };
            let times = compare(args.samples, || read(&small, &first), || read(&large, &second)).await?;
            let plan = large.store.explain_changes(&large.tenant, &second).await?;
            let total = if count { ", total" } else { "" };
            let name = format!(
                "`{}`{total}",
                filter.map_or("all".to_owned(), |filter| filter(&large))
            );
            print(&Row::new(&name, *page, times, &plan).to_string());
        }
    }
    small.store.close().await;
    large.store.close().await;
    Ok(())
}

/// A filter, which may depend on what is there.
type FilterOf = fn(&Measured) -> String;

/// Returns the shapes of queries: a filter, and whether to count.
fn shapes() -> Vec<(Option<FilterOf>, bool)> {
    // A hundred records in the middle of the time.
    fn hundred(on: &Measured) -> String {
        let time = |index: u64| Timestamp::from_micros(micros(index)).to_rfc3339();
        let middle = on.records / 2;
        format!(
            r#"time ge "{}" and time lt "{}""#,
            time(middle),
            time(middle + 100)
        )
    }
    let filters: [FilterOf; 9] = [
        |on| format!(r#"clientId eq "{}""#, client_id(on.records / OF_CLIENT / 2)),
        hundred,
        |on| format!(r#"{} and actor eq "admin-07""#, hundred(on)),
        |_| r#"actor eq "admin-07""#.to_owned(),
        |_| r#"actor ne "admin-07""#.to_owned(),
        |_| r#"type eq "secret.created""#.to_owned(),
        |_| r#"type sw "secret.""#.to_owned(),
        |_| r#"type eq "deleted""#.to_owned(),
        |_| r#"actor eq "nobody""#.to_owned(),
    ];
    let mut shapes: Vec<(Option<FilterOf>, bool)> = vec![(None, false)];
    shapes.extend(filters.map(|filter| (Some(filter), false)));
    shapes.extend([(None, true), (Some(hundred as FilterOf), true)]);
    shapes
}

async fn fill(url: &str, records: u64) -> Outcome<Measured> {
    let store = open(url).await?;
    let measured = Measured {
        tenant: tenant(0)?,
        records,
        store,
    };
    let first = request(&measured, None, 1, false)?;
    let page = measured.store.list_changes(&measured.tenant, &first).await?;
    if page.items.is_empty() {
        let connection = Database::connect(url).await?;
        for start in (0..records).step_by(usize::try_from(BATCH)?) {
            insert(&connection, &measured, start..records.min(start + BATCH)).await?;
        }
        connection.close().await?;
    }
    measured.store.analyze().await?;
    Ok(measured)
}

/// Inserts records: one in a thousand deletes its client, three in ten are of secrets, and the others update the name.
async fn insert(
    connection: &DatabaseConnection,
    into: &Measured,
    range: std::ops::Range<u64>,
) -> Outcome<()> {
    let clients = into.records / OF_CLIENT;
    let backend = connection.get_database_backend();
    let (id, actor) = if backend == sea_orm::DbBackend::Postgres {
        (
            "lpad(to_hex(n % $1), 32, '0')",
            "'admin-' || lpad((n % 50)::text, 2, '0')",
        )
    } else {
        ("printf('%032x', n % $1)", "printf('admin-%02d', n % 50)")
    };
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT {start} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) \
         INSERT INTO oauth_client_changes \
         (tenant_id, client_id, revision, type, time, actor, correlation_id, updates) \
         SELECT '{tenant}', {id}, n / $1 + 1, \
         CASE WHEN n % 1000 = 999 THEN 'deleted' WHEN n % 10 < 3 THEN 'secret.created' ELSE 'updated' END, \
         (CAST({BEGIN} AS bigint) + n) * 1000000, {actor}, '018bd1af-2b80-7000-8000-' || substr({id}, 21), \
         CASE WHEN n % 1000 = 999 THEN NULL ELSE \
         '[{{\"path\":\"/clientName\",\"oldValue\":\"Nimbus Warehouse\",\"newValue\":\"Falcon Billing\"}}]' END \
         FROM numbers",
        start = range.start,
        last = range.end - 1,
        tenant = into.tenant.as_str(),
    );
    // Repeated as text, as the two databases number parameters differently.
    let sql = sql.replace("$1", &clients.to_string());
    connection
        .execute_raw(Statement::from_string(backend, sql))
        .await?;
    Ok(())
}

fn client_id(number: u64) -> String {
    format!("{number:032x}")
}

fn micros(index: u64) -> i64 {
    i64::try_from((BEGIN + index) * 1_000_000).unwrap_or(i64::MAX)
}

/// Returns the request for a page of 20, which begins at the record that is there.
fn request(
    on: &Measured,
    filter: Option<FilterOf>,
    page: u64,
    count: bool,
) -> Outcome<PageRequest<ChangeList>> {
    let before = (page - 1) * 20 % on.records;
    let start = if before == 0 {
        Start::First
    } else {
        let index = on.records - before;
        let clients = on.records / OF_CLIENT;
        Start::After(Position::next_to(ChangeKey {
            time: Timestamp::from_micros(micros(index)),
            client_id: ClientId::parse(&client_id(index % clients))?,
            revision: Revision::from_number(i64::try_from(index / clients + 1)?),
        }))
    };
    Ok(PageRequest {
        list: ChangeList {
            filter: filter.map(|filter| Filter::parse(&filter(on))).transpose()?,
        },
        limit: Limit::DEFAULT,
        start,
        count,
    })
}
