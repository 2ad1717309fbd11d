//! A fresh database for each test.

use std::{env, fmt::Write as _, io::Write as _, sync::Once};

use oauth_clients::store::DatabaseUrl;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};
use tempfile::TempDir;
use uuid::Uuid;

/// A database that is gone when this is dropped.
pub(crate) struct Db {
    url: String,
    _kept: Kept,
}

enum Kept {
    Elsewhere,
    File { _dir: TempDir },
    Database { _dropped: PostgresDatabase },
}

struct PostgresDatabase {
    admin_url: String,
    name: String,
}

impl Db {
    pub(crate) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", dir.path().join("test.db").display()),
            _kept: Kept::File { _dir: dir },
        }
    }

    /// Another empty database of the same kind.
    pub(crate) async fn another(&self) -> Self {
        if self.is_sqlite() {
            Self::sqlite()
        } else {
            Self::postgres()
                .await
                .expect("there is a server, as there is this database")
        }
    }

    /// A SQLite file that is there, and stays.
    pub(crate) fn file(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            _kept: Kept::Elsewhere,
        }
    }

    /// A database of the server at `TEST_POSTGRES_URL`, if there is one.
    pub(crate) async fn postgres() -> Option<Self> {
        Self::postgres_with("").await
    }

    /// The same, made with options of `CREATE DATABASE`.
    pub(crate) async fn postgres_with(options: &str) -> Option<Self> {
        static SAID: Once = Once::new();
        let Ok(admin_url) = env::var("TEST_POSTGRES_URL") else {
            SAID.call_once(|| {
                // Not `eprintln!`, whose output is shown of failed tests only.
                let text = "PostgreSQL tests left out: TEST_POSTGRES_URL is not set";
                let mut stderr = std::io::stderr();
                writeln!(stderr, "{text}").unwrap();
            });
            return None;
        };
        let name = format!("it_{}", Uuid::now_v7().simple());
        let (server, _) = admin_url
            .rsplit_once('/')
            .expect("TEST_POSTGRES_URL ends with a database");
        let url = format!("{server}/{name}");
        execute(&admin_url, &format!("CREATE DATABASE {name} {options}")).await;
        Some(Self {
            url,
            _kept: Kept::Database {
                _dropped: PostgresDatabase { admin_url, name },
            },
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.url
    }

    pub(crate) fn url(&self) -> DatabaseUrl {
        self.url.parse().unwrap()
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    pub(crate) async fn connect(&self) -> DatabaseConnection {
        connect(&self.url).await
    }

    pub(crate) async fn execute(&self, sql: &str) {
        execute(&self.url, sql).await;
    }

    /// The first column of the one row that a query finds.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let connection = self.connect().await;
        let query = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(query).await.unwrap().expect("a row");
        let number = row.try_get_by_index(0).unwrap();
        connection.close().await.unwrap();
        number
    }

    /// The first column, a text, of each row that a query finds.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let connection = self.connect().await;
        let query = Statement::from_string(connection.get_database_backend(), sql);
        let rows = connection.query_all_raw(query).await.unwrap();
        connection.close().await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// An expression for the bytes of a column in hexadecimal digits.
    pub(crate) fn hex(&self, column: &str) -> String {
        if self.is_sqlite() {
            format!("hex({column})")
        } else {
            format!("encode({column}, 'hex')")
        }
    }

    /// Returns all values of all tables as text, without those of some columns, each with its table.
    pub(crate) async fn everything_but(&self, left_out: &[(&str, &str)]) -> String {
        let (columns, quote) = if self.is_sqlite() {
            let columns = "SELECT master.name || '.' || info.name FROM sqlite_master AS master, \
                           pragma_table_info(master.name) AS info WHERE master.type = 'table'";
            (columns, "quote")
        } else {
            let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                           WHERE table_schema = 'public'";
            (columns, "quote_nullable")
        };
        let mut everything = String::new();
        for column in self.texts(columns).await {
            let (table, name) = column.split_once('.').unwrap();
            if !left_out.contains(&(table, name)) {
                let values = format!("SELECT CAST({quote}(\"{name}\") AS TEXT) FROM \"{table}\"");
                for value in self.texts(&values).await {
                    writeln!(everything, "{column} {value}").unwrap();
                }
            }
        }
        everything
    }

    /// Returns the query plan of the database.
    pub(crate) async fn plan(&self, sql: &str) -> String {
        let (explain, column) = if self.is_sqlite() {
            ("EXPLAIN QUERY PLAN", "detail")
        } else {
            ("EXPLAIN (COSTS OFF)", "QUERY PLAN")
        };
        let connection = self.connect().await;
        let query = Statement::from_string(connection.get_database_backend(), format!("{explain} {sql}"));
        let rows = connection.query_all_raw(query).await.unwrap();
        connection.close().await.unwrap();
        let lines = rows.iter().map(|row| row.try_get("", column).unwrap());
        lines.collect::<Vec<String>>().join("\n")
    }

    /// Makes writers of clients wait until the transaction is dropped.
    pub(crate) async fn hold_writers(&self) -> DatabaseTransaction {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let connection = self.connect().await;
        let transaction = connection.begin_with_options(options).await.unwrap();
        if !self.is_sqlite() {
            let lock = "LOCK TABLE oauth_clients IN ACCESS EXCLUSIVE MODE";
            transaction.execute_unprepared(lock).await.unwrap();
        }
        transaction
    }

    /// Makes changes of a client wait until the transaction is dropped. On SQLite, every change waits.
    pub(crate) async fn hold_client(&self, id: &str) -> DatabaseTransaction {
        if self.is_sqlite() {
            return self.hold_writers().await;
        }
        let transaction = self.connect().await.begin().await.unwrap();
        let lock = format!("SELECT 1 FROM oauth_clients WHERE client_id = '{id}' FOR UPDATE");
        transaction.execute_unprepared(&lock).await.unwrap();
        transaction
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let url = self.admin_url.clone();
        // A drop cannot wait for the runtime that it is dropped in.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(execute(&url, &sql));
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.expect("the database of the test is dropped");
        }
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mode = if url.starts_with("sqlite:") {
        "?mode=rwc"
    } else {
        ""
    };
    let mut options = ConnectOptions::new(format!("{url}{mode}"));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

async fn execute(url: &str, sql: &str) {
    let connection = connect(url).await;
    connection.execute_unprepared(sql).await.unwrap();
    connection.close().await.unwrap();
}
