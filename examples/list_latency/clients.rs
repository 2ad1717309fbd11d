//! Lists of clients.

use std::time::{Duration, SystemTime};

use oauth_clients::{
    domain::{
        app_type::AppType,
        client::{ChangeContext, Client},
        filter::Filter,
        ids::{ClientId, Subject, TenantId},
        metadata::ClientDraft,
        page::{Limit, List, PageRequest, Start},
        secret::SecretSeed,
        sort::Sort,
        timestamp::Timestamp,
    },
    store::Store,
};
use uuid::Uuid;

use crate::{
    Args,
    measure::{Row, compare, open, tenant},
    output::{Outcome, print},
};

/// The number of clients in the small database.
const SMALL: u64 = 1_000;
const BATCH: u64 = 500;
/// Thirty first words, so that a prefix matches one name in thirty.
const FIRST: [&str; 30] = [
    "Acorn", "Beacon", "Cobalt", "Delta", "Ember", "Falcon", "Garnet", "Harbor", "Indigo", "Juniper",
    "Kestrel", "Lumen", "Meridian", "Nimbus", "Orchid", "Pioneer", "Quartz", "Ridge", "Summit", "Tundra",
    "Umbra", "Vertex", "Willow", "Xenon", "Yarrow", "Zephyr", "Åland", "Élan", "日本", "Ωmega",
];
const SECOND: [&str; 20] = [
    "Billing",
    "Calendar",
    "Checkout",
    "Claims",
    "Dashboard",
    "Dispatch",
    "Fleet",
    "Forecast",
    "Helpdesk",
    "Identity",
    "Inventory",
    "Ledger",
    "Mailer",
    "Orders",
    "Payroll",
    "Portal",
    "Reports",
    "Scheduler",
    "Tickets",
    "Warehouse",
];
const THIRD: [&str; 4] = ["App", "Service", "Connector", "Sync (prod)"];

struct Measured {
    store: Store,
    tenant: TenantId,
    clients: u64,
}

pub(crate) async fn measure(args: &Args) -> Outcome<()> {
    let small = fill(&args.small, SMALL, 1).await?;
    let large = fill(&args.large, args.clients, args.tenants).await?;
    Row::print_header("clients", small.clients, large.clients);
    for (sort, filter, count) in shapes() {
        let list = List {
            sort: Sort::parse(sort)?,
            filter: filter.map(Filter::parse).transpose()?,
        };
        let deep = filter.is_none();
        let pages: &[u64] = if deep { &[1, args.deep_page] } else { &[1] };
        for page in pages {
            let (first, second) = (
                request(&small, &list, *page, count).await?,
                request(&large, &list, *page, count).await?,
            );
            let read = async |on: &Measured, request: &PageRequest| {
                on.store.list_clients(&on.tenant, request).await?;
                Ok(())
            };
            let times = compare(args.samples, || read(&small, &first), || read(&large, &second)).await?;
            let plan = large.store.explain_page(&large.tenant, &second).await?;
            let total = if count { ", total" } else { "" };
            let name = format!("`{}` {sort}{total}", filter.unwrap_or("all"));
            print(&Row::new(&name, *page, times, &plan).to_string());
        }
    }
    small.store.close().await;
    large.store.close().await;
    Ok(())
}

/// Returns the shapes of queries: sort, filter, and whether to count.
fn shapes() -> Vec<(&'static str, Option<&'static str>, bool)> {
    const SORTS: [&str; 10] = [
        "-createdAt",
        "+createdAt",
        "-updatedAt",
        "+updatedAt",
        "+clientName",
        "-clientName",
        "+clientId",
        "-clientId",
        "+appType",
        "-appType",
    ];
    let mut shapes: Vec<_> = SORTS.iter().map(|sort| (*sort, None, false)).collect();
    shapes.extend([
        (
            "-createdAt",
            Some(r#"clientId eq "018bd1af2b80700080000000000001f4""#),
            false,
        ),
        (
            "-createdAt",
            Some(r#"clientName eq "nimbus warehouse connector 000500""#),
            false,
        ),
        ("+clientName", Some(r#"clientName sw "Falcon""#), false),
        ("-clientName", Some(r#"clientName sw "Falcon""#), false),
        ("+clientName", Some(r#"clientName gt "Pioneer""#), false),
        ("+clientName", Some(r#"clientName le "Pioneer""#), false),
        (
            "-clientName",
            Some(r#"clientName ge "Pioneer" and clientName lt "Quartz""#),
            false,
        ),
        ("+clientId", Some(r#"clientId sw "01""#), false),
        ("-clientId", Some(r#"clientId gt "01""#), false),
        ("+appType", Some(r#"appType eq "anonymous-embed""#), false),
        ("+appType", Some(r#"appType gt "native""#), false),
        ("-createdAt", Some(r#"appType eq "anonymous-embed""#), false),
        ("-createdAt", Some(r#"appType eq "web""#), false),
        ("-createdAt", Some(r#"clientName sw "Falcon""#), false),
        ("-createdAt", Some(r#"clientName co "Orders""#), false),
        ("-createdAt", Some(r#"clientName co "or 000500""#), false),
        ("-createdAt", Some(r#"clientName co "no such name""#), false),
        ("-createdAt", Some(r#"clientName ew "7""#), false),
        ("-createdAt", Some(r#"clientName ew "no such name""#), false),
        ("-createdAt", None, true),
        ("-createdAt", Some(r#"clientName sw "Falcon""#), true),
        ("-createdAt", Some(r#"appType eq "anonymous-embed""#), true),
    ]);
    shapes
}

async fn fill(url: &str, clients: u64, tenants: u64) -> Outcome<Measured> {
    let store = open(url).await?;
    for number in 0..tenants {
        let tenant = tenant(number)?;
        let everything = List {
            sort: Sort::DEFAULT,
            filter: None,
        };
        let first = PageRequest {
            list: everything,
            limit: Limit::DEFAULT,
            start: Start::First,
            count: false,
        };
        if store.list_clients(&tenant, &first).await?.items.is_empty() {
            let share = clients / tenants;
            for start in (0..share).step_by(usize::try_from(BATCH)?) {
                let batch: Outcome<Vec<Client>> = (start..share.min(start + BATCH))
                    .map(|index| client(&tenant, number, index))
                    .collect();
                store
                    .insert_clients(&tenant, &batch?, &Subject::parse("measuring")?.into())
                    .await?;
            }
        }
    }
    store.analyze().await?;
    Ok(Measured {
        store,
        tenant: tenant(0)?,
        clients: clients / tenants,
    })
}

/// Returns the client of an index, the same in every run. Names are not in the order of creation, and one client in a
/// thousand is an anonymous embed.
fn client(tenant: &TenantId, tenant_number: u64, index: u64) -> Outcome<Client> {
    // Any odd factor walks through all numbers in an order that looks random.
    let scattered = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let pick = |words: &[&'static str], divisor: u64| {
        words[usize::try_from(scattered / divisor).unwrap_or(0) % words.len()]
    };
    let name = format!(
        "{} {} {} {index:06}",
        pick(&FIRST, 1),
        pick(&SECOND, 30),
        pick(&THIRD, 600)
    );
    let app_type = match index % 1_000 {
        0 => AppType::AnonymousEmbed,
        1..=700 => AppType::Web,
        701..=900 => AppType::Spa,
        _ => AppType::Native,
    };
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + index * 60);
    let mut seed = [0; SecretSeed::LEN];
    seed.fill(u8::try_from((index + tenant_number) % 251)?);
    let by = Subject::parse("seed")?;
    let change = ChangeContext {
        tenant: tenant.clone(),
        actor: by,
        now: Timestamp::from(created),
        seed: SecretSeed::from_bytes(seed),
    };
    let draft = ClientDraft {
        app_type: app_type.as_str().to_owned(),
        client_name: Some(name),
        redirect_uris: vec![format!("https://app-{index}.example.com/callback")],
        allowed_scopes: vec!["openid".to_owned(), "profile".to_owned()],
        ..ClientDraft::default()
    };
    let (mut client, _) = Client::register(ClientId::from_uuid(id(tenant_number, index)), draft, &change)?;
    client.updated_at = Timestamp::from(created + Duration::from_secs(scattered % 10_000_000));
    Ok(client)
}

/// Returns a UUIDv7 of the time of creation, unique to tenant and index.
fn id(tenant_number: u64, index: u64) -> Uuid {
    let milliseconds = u128::from((1_700_000_000 + index * 60) * 1_000);
    let version_and_variant = 0x7000_8000_0000_0000_0000;
    Uuid::from_u128(
        (milliseconds << 80) | version_and_variant | (u128::from(tenant_number) << 32) | u128::from(index),
    )
}

/// Returns the request for a page of 20, by walking there in steps of 100.
async fn request(on: &Measured, list: &List, page: u64, count: bool) -> Outcome<PageRequest> {
    let mut start = Start::First;
    let mut to_skip = (page - 1) * 20 % on.clients;
    while to_skip > 0 {
        let limit = to_skip.min(100);
        let step = PageRequest {
            list: list.clone(),
            limit: Limit::parse(i64::try_from(limit)?)?,
            start,
            count: false,
        };
        let next = on.store.list_clients(&on.tenant, &step).await?.next;
        start = Start::After(next.ok_or("the list is shorter than the page is deep")?);
        to_skip -= limit;
    }
    Ok(PageRequest {
        list: list.clone(),
        limit: Limit::DEFAULT,
        start,
        count,
    })
}
