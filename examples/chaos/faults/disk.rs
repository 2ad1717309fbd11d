//! A disk that is full.

use tokio::time::sleep;

use super::Case;
use crate::{
    observe::Observed,
    processes::{Limits, Postgres, SmallDisk},
    stage::{Bench, Database, Setup, Stage},
    support::Outcome,
    verdict::{Row, Rules},
};

/// Room for a SQLite file and its log.
const SQLITE_MIB: u32 = 32;
/// Room for a cluster, whose log alone takes 80 MiB.
const POSTGRES_MIB: u32 = 256;

/// Fills the disk of the database: changes fail, reads go on.
pub(crate) async fn full(bench: &mut Bench, case: Case) -> Outcome<Row> {
    let disk = SmallDisk::mount(&bench.new_path("disk"), mib(case.1)).await?;
    let (stage, observed, figures) = match (case.1, disk) {
        (Database::Sqlite, Some(disk)) => {
            let setup = Setup {
                dir: Some(disk.dir.join("data")),
                ..Setup::default()
            };
            let (stage, observed) = on_disk(bench, setup, &disk).await?;
            (stage, observed, "a file system in memory")
        }
        (Database::Sqlite, None) => {
            let (stage, observed) = with_limit(bench).await?;
            (stage, observed, "a limit on the size of files")
        }
        (Database::Postgres, Some(disk)) => {
            let postgres = Postgres::start(&disk.dir.join("cluster"), bench.plan.durability()).await?;
            let setup = Setup {
                postgres_url: Some(Postgres::url("postgres", postgres.addr)),
                ..Setup::default()
            };
            let (stage, observed) = on_disk(bench, setup, &disk).await?;
            (stage, observed, "a file system in memory")
        }
        (Database::Postgres, None) => return Ok(Row::left_out(case, "only root may mount a small disk")),
    };
    let rules = Rules {
        reads: &[],
        may_be_unready: false,
        ..Rules::OUTAGE
    };
    Ok(Row::of(case, &observed, rules, stage.plan, figures, Vec::new()))
}

fn mib(database: Database) -> u32 {
    match database {
        Database::Sqlite => SQLITE_MIB,
        Database::Postgres => POSTGRES_MIB,
    }
}

async fn on_disk(bench: &mut Bench, setup: Setup, disk: &SmallDisk) -> Outcome<(Stage, Observed<()>)> {
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |stage| {
            disk.fill()?;
            sleep(stage.plan.fault).await;
            disk.free()
        })
        .await?;
    Ok((stage, observed))
}

async fn with_limit(bench: &mut Bench) -> Outcome<(Stage, Observed<()>)> {
    let limits = Limits {
        survives_full_files: true,
        ..Limits::default()
    };
    let setup = Setup {
        limits,
        ..Setup::default()
    };
    let mut stage = bench.stage(setup).await?;
    let observed = stage
        .observe(async |stage| {
            stage.server()?.limit_files("1").await?;
            sleep(stage.plan.fault).await;
            stage.server()?.limit_files("unlimited").await
        })
        .await?;
    Ok((stage, observed))
}
