//! The infrastructure of the tests: databases, servers, callers.

pub(crate) mod assertions;
pub(crate) mod authn;
pub(crate) mod bytes_codec;
pub(crate) mod caller;
pub(crate) mod certs;
pub(crate) mod collector;
pub(crate) mod db;
pub(crate) mod framed;
pub(crate) mod golden;
pub(crate) mod http;
pub(crate) mod installed;
pub(crate) mod issuer;
pub(crate) mod jwt;
pub(crate) mod limits;
pub(crate) mod pgbouncer;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod registry;
pub(crate) mod samples;
pub(crate) mod scrape;
pub(crate) mod server;
pub(crate) mod tls_client;
pub(crate) mod watching;
pub(crate) mod wire;

pub(crate) use self::{
    caller::{Caller, Refused, Transport},
    db::Db,
    http::Answer,
    server::TestServer,
};

/// The argument of a rule: a server on a fresh database, or only the database.
pub(crate) trait Given {
    async fn given(db: Db) -> Self;
}

impl Given for Db {
    async fn given(db: Db) -> Self {
        db
    }
}

impl Given for TestServer {
    async fn given(db: Db) -> Self {
        Self::start(db).await
    }
}

/// Tests a rule on a database.
pub(crate) async fn test<G: Given>(rule: impl AsyncFnOnce(G), db: Db) {
    rule(G::given(db).await).await;
}

/// Makes each rule, an `async fn` of a [`TestServer`] or a [`Db`], a test on each database.
macro_rules! on_each_database {
    ($($rule:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let db = crate::support::Db::sqlite();
                    crate::support::test(super::$rule, db).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    if let Some(db) = crate::support::Db::postgres().await {
                        crate::support::test(super::$rule, db).await;
                    }
                }
            )+
        }
    };
}

/// Polls for up to 10 seconds until there is a result.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut poll: impl FnMut() -> F,
) -> T {
    let polling = async {
        loop {
            if let Some(answer) = poll().await {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), polling)
        .await
        .unwrap_or_else(|_| panic!("not within 10 seconds: {what}"))
}
