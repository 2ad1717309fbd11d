//! Connection pools. A connection that is returned in a known state is reused without asking the database about it; any
//! other is dropped (see [`Connection`]).

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, PoolError, RecycleResult, Timeouts};
use sea_orm::{
    ConnAcquireErr, DbErr,
    sqlx::{SqliteConnection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};

use super::{
    admission::{Gate, Load, Permit, Refused},
    connection::Connection,
    error::StoreError,
    interrupt::Interrupt,
    postgres,
    session::{Session, connection_error, io_error},
    sqlite::{self, DatabaseFiles},
    url::DatabaseUrl,
};
use crate::telemetry::metrics::{self, Stopwatch};

/// The longest wait for a free connection, and the longest time to open one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// The idle time after which a connection is tested before it is used, so that no request fails because the database was
/// restarted. Testing every time would cost a round trip a query.
const TEST_AFTER_IDLE: Duration = Duration::from_millis(500);
/// The longest time that the test may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(1);
/// The age at which a connection is replaced, as sessions accumulate memory.
const MAX_AGE: Duration = Duration::from_mins(30);

/// A pool of connections to one database.
#[derive(Clone)]
pub(super) struct Pool {
    /// The name for the metrics.
    name: &'static str,
    connections: deadpool::managed::Pool<Connector>,
    /// A permit for each connection. Who waits for one has not begun anything, and may leave the line.
    gate: Arc<Gate>,
}

/// The right to a connection of a pool.
#[must_use]
pub(super) struct Place {
    pool: Pool,
    permits: Permits,
    waited: Stopwatch,
}

/// What is given back when a connection is.
pub(super) struct Permits {
    _connection: Permit,
    _share: Option<Permit>,
}

/// Opens the connections of a pool.
pub(super) enum Connector {
    Sqlite {
        options: SqliteConnectOptions,
        files: Arc<DatabaseFiles>,
        writes: bool,
    },
    Postgres(PgConnectOptions),
}

/// The pools for reading and for writing.
pub(super) struct Pools {
    /// On SQLite, these connections never wait for the writer.
    pub(super) readers: Pool,
    /// On SQLite, this is one connection, as SQLite has one writer: writers queue here, in order.
    pub(super) writers: Pool,
    /// One connection that no request uses, so that the server can ask whether the database responds, and interrupt
    /// statements, however busy it is.
    pub(super) control: Pool,
    /// A connection to SQLite that is never used. As long as one is open, SQLite keeps the files beside the database.
    _anchor: Option<Mutex<SqliteConnection>>,
}

impl Pools {
    /// Checks that the files of a SQLite database are those that were opened.
    pub(super) fn verify_files(&self) -> Result<(), StoreError> {
        match self.writers.connections.manager() {
            Connector::Sqlite { files, .. } => Ok(files.verify().map_err(io_error)?),
            Connector::Postgres(_) => Ok(()),
        }
    }

    /// Opens a session beside the pools; `None` on SQLite.
    pub(super) async fn session_apart(&self) -> Result<Option<Session>, DbErr> {
        match self.readers.connections.manager() {
            connector @ Connector::Postgres(_) => {
                let session = tokio::time::timeout(ACQUIRE_TIMEOUT, connector.create()).await;
                session
                    .unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)))
                    .map(Some)
            }
            Connector::Sqlite { .. } => Ok(None),
        }
    }

    /// Connects to a database, and checks that it is one that this service can keep its promises on.
    pub(super) async fn open(url: &DatabaseUrl, connections: Option<NonZeroU32>) -> Result<Self, StoreError> {
        let size = |default| connections.map_or(default, NonZeroU32::get) as usize;
        let Some(path) = url.sqlite_path() else {
            let options = postgres::options(url).map_err(connection_error)?;
            postgres::check(&options).await?;
            let pool = |name, size| Pool::new(name, Connector::Postgres(options.clone()), size);
            let requests = pool("all", size(postgres::DEFAULT_CONNECTIONS))?;
            return Ok(Self {
                readers: requests.clone(),
                writers: requests,
                control: pool("control", 1)?,
                _anchor: None,
            });
        };
        let options = sqlite::options(url).map_err(connection_error)?;
        sqlite::check(&options).await?;
        // From here on, a missing file is an error.
        let anchor = sqlite::connect(&options).await.map_err(connection_error)?;
        let options = options.create_if_missing(false);
        let files = Arc::new(DatabaseFiles::of(&path));
        let connector = |writes| Connector::Sqlite {
            options: options.clone(),
            files: files.clone(),
            writes,
        };
        Ok(Self {
            readers: Pool::new("readers", connector(false), size(sqlite::DEFAULT_READERS))?,
            writers: Pool::new("writers", connector(true), 1)?,
            control: Pool::new("control", connector(false), 1)?,
            _anchor: Some(Mutex::new(anchor)),
        })
    }
}

impl Pool {
    fn new(name: &'static str, connector: Connector, size: usize) -> Result<Self, StoreError> {
        let timeouts = Timeouts {
            wait: Some(ACQUIRE_TIMEOUT),
            create: Some(ACQUIRE_TIMEOUT),
            recycle: Some(TEST_TIMEOUT),
        };
        let pool = deadpool::managed::Pool::builder(connector)
            .max_size(size)
            .timeouts(timeouts)
            .runtime(deadpool::Runtime::Tokio1)
            .build();
        Ok(Self {
            name,
            connections: pool.map_err(io_error)?,
            gate: Arc::new(Gate::new(size)),
        })
    }

    /// Returns the greatest number of connections.
    pub(super) fn capacity(&self) -> usize {
        self.connections.status().max_size
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the number of connections that are open, and not in use.
    pub(super) fn idle(&self) -> usize {
        self.connections.status().available
    }

    /// Returns the numbers of those that have a connection, or are about to, and of those that wait for one.
    pub(super) fn load(&self) -> Load {
        self.gate.load()
    }

    /// Takes a connection, or waits for one, before all that only have a [place](Self::place) in the line.
    pub(super) async fn get(&self) -> Result<Connection, StoreError> {
        let waited = Stopwatch::start();
        match tokio::time::timeout(ACQUIRE_TIMEOUT, self.gate.enter_first()).await {
            Ok(Ok(permit)) => self.place_of(permit, waited).connect().await,
            Ok(Err(Refused)) | Err(_) => Err(not_acquired(ConnAcquireErr::Timeout)),
        }
    }

    /// Waits in line for a connection, for as long as it is told; the caller has to end it then. Dropping the future leaves the line.
    pub(super) async fn place(&self, queue_time: Duration) -> Result<Place, Refused> {
        let waited = Stopwatch::start();
        let permit = self.gate.enter(queue_time).await?;
        Ok(self.place_of(permit, waited))
    }

    fn place_of(&self, permit: Permit, waited: Stopwatch) -> Place {
        Place {
            pool: self.clone(),
            permits: Permits {
                _connection: permit,
                _share: None,
            },
            waited,
        }
    }

    /// Closes the pool, and gracefully ends the connections that are not in use.
    pub(super) async fn close(&self) {
        let idle = self.connections.retain(|_, _| false).removed;
        self.connections.close();
        for session in idle {
            if let Err(error) = session.close().await {
                tracing::debug!(%error, "database connection not closed");
            }
        }
    }
}

impl Place {
    /// Adds a permit of which there are fewer than connections.
    pub(super) fn with(self, share: Permit) -> Self {
        let permits = Permits {
            _share: Some(share),
            ..self.permits
        };
        Self { permits, ..self }
    }

    /// Takes a connection that is open, or opens one. This is not to be cut off, or else a database that takes long to open
    /// one would never be connected to by requests that have little time.
    pub(super) async fn connect(self) -> Result<Connection, StoreError> {
        // Testing several connections in turn may take longer than opening one.
        match tokio::time::timeout(ACQUIRE_TIMEOUT, self.pool.connections.get()).await {
            Ok(Ok(session)) => {
                metrics::connection_acquired(self.pool.name, &self.waited);
                Ok(Connection::new(session, self.permits))
            }
            Ok(Err(PoolError::Backend(error))) => Err(error.into()),
            Ok(Err(PoolError::Closed)) => Err(not_acquired(ConnAcquireErr::ConnectionClosed)),
            Ok(Err(_)) | Err(_) => Err(not_acquired(ConnAcquireErr::Timeout)),
        }
    }
}

fn not_acquired(error: ConnAcquireErr) -> StoreError {
    DbErr::ConnectionAcquire(error).into()
}

impl Manager for Connector {
    type Type = Session;
    type Error = DbErr;

    async fn create(&self) -> Result<Session, DbErr> {
        match self {
            Self::Sqlite {
                options,
                files,
                writes,
            } => {
                files.verify().map_err(io_error)?;
                let mut connection = sqlite::connect(options).await.map_err(connection_error)?;
                let interrupt = Interrupt::of_sqlite(&mut connection).await;
                Ok(Session::Sqlite {
                    connection,
                    interrupt: interrupt.map_err(connection_error)?,
                    files: writes.then(|| files.clone()),
                })
            }
            Self::Postgres(options) => {
                let (connection, backend) = postgres::connect(options).await.map_err(connection_error)?;
                Ok(Session::Postgres {
                    connection,
                    interrupt: Interrupt::of_backend(backend),
                })
            }
        }
    }

    async fn recycle(&self, session: &mut Session, metrics: &Metrics) -> RecycleResult<DbErr> {
        if metrics.age() > MAX_AGE {
            return Err(deadpool::managed::RecycleError::message("too old"));
        }
        if metrics.last_used() > TEST_AFTER_IDLE {
            session.ping().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait as _;

    use super::*;

    #[tokio::test]
    async fn on_sqlite_the_number_of_connections_is_that_of_the_readers() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite_file(&dir.path().join("test.db"));
        for (connections, readers) in [(None, 16), (Some(1), 1), (Some(7), 7)] {
            let connections = connections.and_then(NonZeroU32::new);
            let pools = Pools::open(&url, connections).await.unwrap();
            assert_eq!(pools.readers.capacity(), readers);
            assert_eq!(pools.writers.capacity(), 1);
        }
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_leaves_the_line() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite_file(&dir.path().join("test.db"));
        let pools = Pools::open(&url, NonZeroU32::new(1)).await.unwrap();
        let taken = pools.readers.get().await.unwrap();
        let mut waiting: Vec<_> = (0..100)
            .map(|_| Box::pin(pools.readers.place(ACQUIRE_TIMEOUT)))
            .collect();
        for place in &mut waiting {
            assert!(futures_util::poll!(place).is_pending());
        }
        assert_eq!(
            pools.readers.load(),
            Load {
                in_flight: 1,
                waiting: 100
            }
        );
        drop(waiting);
        drop(taken);
        assert_eq!(
            pools.readers.load(),
            Load {
                in_flight: 0,
                waiting: 0
            }
        );
    }

    #[tokio::test]
    async fn a_connection_that_was_interrupted_is_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite_file(&dir.path().join("test.db"));
        let pools = Pools::open(&url, NonZeroU32::new(1)).await.unwrap();
        let endless = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers) \
                       SELECT count(*) FROM numbers";
        let connection = pools.readers.get().await.unwrap();
        let query = connection.execute_unprepared(endless);
        let interrupt = connection.interrupt();
        let (ended, sent) = tokio::join!(query, async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            interrupt.send(&pools.control).await
        });
        sent.unwrap();
        let ended: StoreError = ended.unwrap_err().into();
        assert!(matches!(ended, StoreError::Interrupted(_)), "{ended:?}");
        drop(connection);
        let another = pools.readers.get().await.unwrap();
        another.execute_unprepared("SELECT 1").await.unwrap();
    }
}
