//! The command line, as the real binary.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use oauth_clients_migrations::{Migrator, MigratorTrait as _};
use serde_json::{Value, json};

use crate::support::{
    Answer, Db,
    assertions::keyed,
    http::COLLECTION,
    issuer::SigningKey,
    jwt::now,
    process::{Served, run},
};

async fn list(rest: &str, token: &str) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Answer::to(http.get(format!("{rest}{COLLECTION}")).bearer_auth(token)).await
}

#[tokio::test]
async fn serve_dev_prints_its_addresses_and_a_valid_token() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    assert_eq!(list(&served.rest, &served.token).await.status, 200);
    let curl = format!(
        "curl -H \"Authorization: Bearer $TOKEN\" {}{COLLECTION}",
        served.rest
    );
    assert!(served.greeting.contains(&curl), "{}", served.greeting);
    assert!(
        dir.path().join("oauth-clients.db").exists(),
        "the database is in the data directory"
    );
}

#[tokio::test]
async fn token_prints_only_a_valid_token() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]).await;
    let data_dir = dir.path().to_str().unwrap();
    let args = [
        "token",
        "--data-dir",
        data_dir,
        "--tenant",
        "t",
        "--subject",
        "s",
        "--scope",
        "oauth-clients:read",
    ];
    let ended = run(&args).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let token = ended.stdout.strip_suffix('\n').unwrap();
    assert_eq!(token.split('.').count(), 3, "{token}");
    assert_eq!(list(&served.rest, token).await.status, 200);

    let short = [&args[..], &["--ttl", "0s"]].concat();
    let ended = run(&short).await;
    assert_eq!(ended.code, Some(0));
    let nameless = run(&["token", "--data-dir", data_dir, "--tenant", "", "--subject", "s"]).await;
    assert_eq!((nameless.code, nameless.stdout.as_str()), (Some(1), ""));
    assert!(nameless.stderr.contains("--tenant"), "{nameless:?}");
}

#[tokio::test]
async fn migrate_applies_the_migrations_that_status_lists_as_missing() {
    let mut databases = vec![Db::sqlite()];
    databases.extend(Db::postgres().await);
    for db in &databases {
        let migrate = async |action| {
            let ended = run(&["migrate", action, "--database-url", db.text()]).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
            let lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
            assert_eq!(lines.len(), Migrator::migrations().len(), "{lines:?}");
            lines
        };
        assert!(
            migrate("status")
                .await
                .iter()
                .all(|line| line.starts_with("missing "))
        );
        assert!(
            migrate("up")
                .await
                .iter()
                .all(|line| line.starts_with("applied "))
        );
        assert!(
            migrate("status")
                .await
                .iter()
                .all(|line| line.starts_with("applied "))
        );
    }
}

#[tokio::test]
async fn healthcheck_exits_with_zero_only_if_the_server_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(dir.path(), &[]).await;
    let grpc = served.grpc.clone();
    assert_eq!(run(&["healthcheck", "--grpc-addr", &grpc]).await.code, Some(0));
    served.terminate().await;
    assert_eq!(served.exit_code().await, Some(0));
    let ended = run(&["healthcheck", "--grpc-addr", &grpc]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("not ready"), "{ended:?}");
}

#[tokio::test]
async fn limits_out_of_their_range_are_refused_by_name() {
    for (flag, value, message) in [
        ("--max-assertion-lifetime", "59s", " must be 1m to 1h"),
        ("--max-assertion-lifetime", "61m", " must be 1m to 1h"),
        ("--max-assertion-lifetime", "long", ""),
        ("--max-connection-age", "59s", " must be 1m or more"),
        ("--max-connection-age", "old", ""),
        ("--max-connections", "0", ""),
        ("--queue-time", "5001ms", " must be 5s or less"),
        ("--change-retention", "23h 59m", " must be 1day or more"),
        ("--change-retention", "0", ""),
    ] {
        let ended = run(&["serve", "--dev", flag, value]).await;
        assert!(matches!(ended.code, Some(1 | 2)), "{flag} {value}: {ended:?}");
        assert!(ended.stderr.contains(&format!("{flag}{message}")), "{ended:?}");
    }
}

#[tokio::test]
async fn invalid_flags_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let file = |text: &str| {
        let path = dir.path().join(format!("{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (unknown, wrong) = (file("grpc-adr = \"x\""), file("tier1-per-minute = \"many\""));
    let url = "https://issuer.example/jwks";
    let issuer = ["serve", "--issuer", "i", "--audience", "a"];
    let with = |args: &[&'static str]| [&issuer[..], args].concat();
    let (both, plain, often) = (
        with(&["--jwks-file", "f", "--jwks-url", url]),
        with(&["--jwks-url", "http://issuer.example/jwks"]),
        with(&["--jwks-url", url, "--jwks-refresh", "9s"]),
    );
    let cases: [(&[&str], &str); 25] = [
        (&both, "--jwks-url cannot both"),
        (&plain, "--jwks-url"),
        (&often, "--jwks-refresh must be 10s or more"),
        (&["serve", "--dev", "--jwks-url", url], "--dev"),
        (&["serve"], "--issuer"),
        (&["serve", "--issuer", "i"], "--audience"),
        (&["serve", "--issuer", "i", "--audience", ""], "--audience"),
        (&["serve", "--issuer", "i", "--audience", "a"], "--jwks-file"),
        (
            &[
                "serve",
                "--issuer",
                "i",
                "--audience",
                "a",
                "--jwks-file",
                "/nothing",
            ],
            "JWKS",
        ),
        (&["serve", "--dev", "--issuer", "i"], "--dev"),
        (&["serve", "--dev", "--grpc-addr", "0.0.0.0:0"], "loopback"),
        (&["serve", "--dev", "--rest-addr", "0.0.0.0:0"], "loopback"),
        (&["serve", "--dev", "--metrics-addr", "0.0.0.0:0"], "loopback"),
        (&["serve", "--dev", "--rest-addr", "here"], "--rest-addr"),
        (&["serve", "--dev", "--metrics-addr", "9464"], "--metrics-addr"),
        (&["serve", "--dev", "--public-url", "example.com"], "--public-url"),
        (
            &["serve", "--dev", "--database-url", "mysql://u:pw@h/d"],
            "--database-url",
        ),
        (
            &["serve", "--dev", "--database-connections", "0"],
            "--database-connections",
        ),
        (
            &["serve", "--dev", "--database-connections", "1001"],
            "--database-connections",
        ),
        (
            &["serve", "--dev", "--database-connections", "many"],
            "--database-connections",
        ),
        (
            &["serve", "--dev", "--redis-url", "http://u:hunter2@h"],
            "--redis-url",
        ),
        (
            &["serve", "--dev", "--tier1-per-minute", "60000001"],
            "--tier1-per-minute",
        ),
        (&["serve", "--dev", "--config", &unknown], "grpc-adr"),
        (&["serve", "--dev", "--config", &wrong], "--tier1-per-minute"),
        (&["serve", "--dev", "--config", "/nothing.toml"], "/nothing.toml"),
    ];
    for (args, named) in cases {
        let ended = run(&[args, &["--data-dir", data_dir]].concat()).await;
        assert!(matches!(ended.code, Some(1 | 2)), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[tokio::test]
async fn no_password_of_a_database_is_printed() {
    let url = "postgres://user:hunter2@127.0.0.1:1/db";
    let ended = run(&["migrate", "up", "--database-url", url]).await;
    assert_eq!(ended.code, Some(1));
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[tokio::test]
async fn no_password_of_a_jwks_url_is_printed() {
    let url = "https://user:hunter2@issuer.example/jwks";
    let ended = run(&["serve", "--issuer", "i", "--audience", "a", "--jwks-url", url]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("--jwks-url"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_lifetime_of_assertions_comes_from_the_environment_the_file_or_a_flag() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "max-assertion-lifetime = \"1h\"").unwrap();
    let config = config.to_str().unwrap();
    let flag = ["--max-assertion-lifetime", "1h"];
    let env = [("OAUTH_CLIENTS_MAX_ASSERTION_LIFETIME", "1h")];
    let key = SigningKey::new("a", "ES384");
    for (args, env, taken) in [
        (&[][..], &[][..], false),
        (&flag, &[], true),
        (&["--config", config], &[], true),
        (&[], &env, true),
    ] {
        let served = Served::start_with_env(dir.path(), args, env).await;
        let transports = served.transports();
        let admin = transports.caller(Some(served.token_of("acme")));
        let id = admin.created(keyed(&[&key])).await;
        let assertion = key.assertion(&id, json!({"exp": now() + 3_600}));
        assert_eq!(admin.takes_assertion(&assertion).await, taken, "{args:?} {env:?}");
        served.kill().await;
    }
}

#[tokio::test]
async fn a_quota_from_the_command_line_applies() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(
        dir.path(),
        &["--tier1-per-minute", "1", "--public-url", "https://a.example"],
    )
    .await;
    let page: Value = list(&served.rest, &served.token).await.json();
    assert_eq!(
        page["links"]["self"]["href"],
        format!("https://a.example{COLLECTION}")
    );
    assert_eq!(list(&served.rest, &served.token).await.status, 429);
}

#[tokio::test]
async fn an_empty_environment_variable_counts_as_not_set() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "OAUTH_CLIENTS_CONFIG",
        "OAUTH_CLIENTS_DATABASE_URL",
        "OAUTH_CLIENTS_JWKS_URL",
        "OAUTH_CLIENTS_MIGRATE",
        "OAUTH_CLIENTS_PUBLIC_URL",
        "OAUTH_CLIENTS_TIER1_PER_MINUTE",
        "OAUTH_CLIENTS_TLS_CERT",
    ];
    let served = Served::start_with_env(dir.path(), &[], &names.map(|name| (name, ""))).await;
    let page: Value = list(&served.rest, &served.token).await.json();
    let own = format!("{}{COLLECTION}", served.rest);
    assert_eq!(page["links"]["self"]["href"], own);
}

#[tokio::test]
async fn the_migrations_of_a_start_are_one_log_line() {
    let mut urls = vec![None];
    let postgres = Db::postgres().await;
    urls.extend(postgres.as_ref().map(|db| Some(db.text().to_owned())));
    for url in urls {
        let dir = tempfile::tempdir().unwrap();
        let flags = url
            .as_deref()
            .map_or(vec![], |url| vec!["--migrate", "--database-url", url]);
        let served = Served::start(dir.path(), &flags).await;
        assert_eq!(list(&served.rest, &served.token).await.status, 200);
        let log = served.log();
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (about, others): (Vec<_>, Vec<_>) = lines
            .iter()
            .take_while(|line| line["message"] != "listening")
            .partition(|line| line["message"] == "migrations applied");
        assert_eq!(
            others,
            Vec::<&Value>::new(),
            "nothing else before the server listens"
        );
        assert_eq!(about.len(), 1, "{log}");
        assert_eq!(about[0]["count"], Migrator::migrations().len());
        let names = about[0]["migrations"].as_str().unwrap();
        assert!(names.contains(Migrator::migrations()[0].name()), "{names}");
    }
}

/// Returns the permissions of the files of a database.
fn permissions(dir: &Path) -> Vec<(String, u32)> {
    let entries = dir.read_dir().unwrap().map(Result::unwrap);
    let mut modes: Vec<(String, u32)> = entries
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            (entry.file_name().into_string().unwrap(), mode)
        })
        .filter(|(name, _)| name.starts_with("oauth-clients.db"))
        .collect();
    modes.sort();
    modes
}

#[tokio::test]
async fn what_the_server_creates_is_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/data");
    let ended = run(&["migrate", "up", "--data-dir", dir.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for created in [&dir, &parent.path().join("new")] {
        assert_eq!(created.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
    let served = Served::start(&dir, &[]).await;
    assert_eq!(list(&served.rest, &served.token).await.status, 200);
    let all = ["", "-shm", "-wal", ".lock"].map(|suffix| (format!("oauth-clients.db{suffix}"), 0o600));
    assert_eq!(permissions(&dir), all);
}

#[tokio::test]
async fn a_database_that_exists_keeps_its_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oauth-clients.db");
    std::fs::File::create(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let served = Served::start(dir.path(), &[]).await;
    assert_eq!(list(&served.rest, &served.token).await.status, 200);
    assert!(permissions(dir.path()).contains(&("oauth-clients.db".to_owned(), 0o640)));
}
