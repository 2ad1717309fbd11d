//! A SQLite file belongs to one process.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Child,
};

use crate::support::{
    http::COLLECTION,
    process::{Served, command, run, serve_dev, terminate},
};

async fn is_served(served: &Served) -> bool {
    let transports = served.transports();
    let caller = transports.caller(Some(served.token.clone()));
    caller.http_get(COLLECTION).await.status == 200
}

fn spawn(args: &[&str]) -> Child {
    let mut command = command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn database(dir: &Path) -> String {
    format!("sqlite:{}", dir.join("oauth-clients.db").display())
}

#[tokio::test]
async fn a_second_server_is_refused_whatever_the_name_of_the_file() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let served = Served::start(dir.path(), &[]).await;
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(dir.path().join("oauth-clients.db"), &link).unwrap();
    let link = format!("sqlite:{}", link.display());
    let by_link = [&serve_dev(elsewhere.path())[..], &["--database-url", &link]].concat();
    let by_path = serve_dev(dir.path());
    let started = Instant::now();
    let (same, linked) = tokio::join!(run(&by_path), run(&by_link));
    assert!(
        started.elapsed() >= Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    for ended in [same, linked] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        for part in ["another process", "oauth-clients.db.lock"] {
            assert!(ended.stderr.contains(part), "{}", ended.stderr);
        }
    }
    assert!(is_served(&served).await, "the first goes on");
}

#[tokio::test]
async fn a_server_takes_over_from_the_one_that_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Served::start(dir.path(), &[]).await;
    let (second, ()) = tokio::join!(Served::start(dir.path(), &[]), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(is_served(&first).await);
        first.terminate().await;
    });
    assert_eq!(first.exit_code().await, Some(0));
    assert!(is_served(&second).await);
    // The lock of a killed process is free.
    second.kill().await;
    let third = Served::start(dir.path(), &[]).await;
    assert!(is_served(&third).await);
}

#[tokio::test]
async fn migrate_up_waits_for_the_lock_and_migrate_status_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let url = database(dir.path());
    let mut served = Served::start(dir.path(), &[]).await;
    let status = run(&["migrate", "status", "--database-url", &url]).await;
    assert_eq!(status.code, Some(0), "{status:?}");

    let mut waiting = spawn(&["migrate", "up", "--database-url", &url]);
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let line = said.next_line().await.unwrap().unwrap();
    assert!(line.contains("waiting: another process"), "{line}");
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));
    assert_eq!(waiting.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_process_that_waits_for_the_lock_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let _served = Served::start(dir.path(), &[]).await;
    let mut waiting = spawn(&serve_dev(dir.path()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let started = Instant::now();
    terminate(&waiting).await;
    assert_eq!(waiting.wait().await.unwrap().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    let mut stderr = String::new();
    waiting
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .await
        .unwrap();
    assert!(!stderr.contains("error:"), "{stderr}");
}
