//! The URL of a database.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sea_orm::{
    DbBackend,
    sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions},
};
use thiserror::Error;

use super::{dialect::Dialect, postgres, sqlite};

/// The URL of a database. Its `Debug` and `Display` omit user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: String,
    backend: DbBackend,
}

/// A text is not the URL of a supported database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        if text.starts_with("sqlite:") {
            // Each connection would have a database of its own.
            let in_memory = text.contains(":memory:") || text.contains("mode=memory");
            let path = text.trim_start_matches("sqlite:").trim_start_matches("//");
            let valid = !in_memory && !path.is_empty() && text.parse::<SqliteConnectOptions>().is_ok();
            return valid
                .then(|| Self {
                    url: text.to_owned(),
                    backend: DbBackend::Sqlite,
                })
                .ok_or(InvalidDatabaseUrl);
        }
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or(InvalidDatabaseUrl)?;
        let url = format!("postgres://{rest}");
        match url.parse::<PgConnectOptions>() {
            Ok(_) => Ok(Self {
                url,
                backend: DbBackend::Postgres,
            }),
            Err(_) => Err(InvalidDatabaseUrl),
        }
    }
}

impl DatabaseUrl {
    /// Returns the URL of a SQLite file.
    pub fn sqlite_file(path: &Path) -> Self {
        const RESERVED: &AsciiSet = &CONTROLS.add(b'%').add(b'?').add(b'#');
        let path = path.to_string_lossy();
        Self {
            url: format!("sqlite:{}", utf8_percent_encode(&path, RESERVED)),
            backend: DbBackend::Sqlite,
        }
    }

    /// Returns `true` if the database is a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        self.backend == DbBackend::Sqlite
    }

    /// Returns the path of the SQLite file, or `None` on PostgreSQL. Symbolic links are resolved, as SQLite does, so
    /// that a file has one path however it is named.
    pub(super) fn sqlite_path(&self) -> Option<PathBuf> {
        let options: SqliteConnectOptions = self.is_sqlite().then(|| self.url.parse().ok())??;
        let path = options.get_filename();
        let resolved = path.canonicalize().or_else(|_| {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new(".")).canonicalize()?;
            Ok::<_, std::io::Error>(parent.join(path.file_name().unwrap_or_default()))
        });
        Some(resolved.unwrap_or_else(|_| path.to_owned()))
    }

    pub(super) fn dialect(&self) -> &'static Dialect {
        if self.is_sqlite() {
            &sqlite::DIALECT
        } else {
            &postgres::DIALECT
        }
    }

    /// The whole URL, password included.
    pub(super) fn expose(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password may also follow `?`, and may contain `@`.
        let plain = self.url.split('?').next().unwrap_or_default();
        match (self.backend, plain.rsplit_once('@')) {
            (DbBackend::Postgres, Some((_, place))) => write!(f, "postgres://…@{place}"),
            _ => f.write_str(plain),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_a_sqlite_file_or_a_postgresql_server() {
        for url in [
            "sqlite:a.db",
            "sqlite:///var/lib/a.db",
            "postgres://u:p@h:5432/d",
            "postgresql://h/d",
        ] {
            assert!(url.parse::<DatabaseUrl>().is_ok(), "{url}");
        }
        for url in [
            "",
            "a.db",
            "mysql://h/d",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a?mode=memory",
            "postgres://h:x/d",
        ] {
            assert_eq!(url.parse::<DatabaseUrl>(), Err(InvalidDatabaseUrl), "{url}");
        }
    }

    #[test]
    fn neither_user_nor_password_is_ever_printed() {
        for url in [
            "postgres://user:secret@host:5432/db",
            "postgres://host:5432/db?password=secret&user=user",
            "postgres://host:5432/db?password=secret@secret&user=user",
            "postgres://user:secret%40secret@host:5432/db",
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            for text in [url.to_string(), format!("{url:?}")] {
                assert!(text.contains("host:5432/db"), "{text}");
                assert!(!text.contains("user") && !text.contains("secret"), "{text}");
            }
        }
    }

    #[test]
    fn a_sqlite_file_has_one_path_however_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (file, link) = (dir.join("a.db"), dir.join("link.db"));
        let path = |path: &Path| DatabaseUrl::sqlite_file(path).sqlite_path();
        assert_eq!(path(&file), Some(file.clone()), "before it exists");
        assert_eq!(path(&dir.join("./a.db")), Some(file.clone()));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(path(&link), Some(file));
        assert_eq!(
            "postgres://h/d".parse::<DatabaseUrl>().unwrap().sqlite_path(),
            None
        );
    }
}
