//! The statements that read changes in order. `docs/decisions/watching.md` says why they find every change.

use std::sync::LazyLock;

/// What a record states, and what it needs to be ordered.
const RECORD: &str = "tenant_id, client_id, revision, type, time, actor, correlation_id, updates";

/// Finds the changes that are visible, and the identity of the database.
///
/// A number beyond those of the snapshot is that of a record from the future of another server, in a restored backup.
pub(in crate::store) const POSTGRES_HEAD: &str = "\
    WITH looked AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot), \
    newest AS MATERIALIZED (\
        SELECT coalesce((\
            SELECT xid FROM oauth_client_changes \
            WHERE xid < (SELECT pg_snapshot_xmax(snapshot) FROM looked) ORDER BY xid DESC LIMIT 1\
        ), CAST('0' AS xid8)) AS newest\
    ) \
    SELECT newest::text AS newest, \
        (SELECT string_agg(open::text, ',' ORDER BY open) FROM pg_snapshot_xip(snapshot) AS open \
         WHERE open < newest) AS open, \
        CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint) AS time, \
        (SELECT system_identifier FROM pg_control_system())::text AS system, \
        (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database, \
        (SELECT value FROM oauth_client_settings WHERE name = 'incarnation') AS incarnation, \
        (SELECT value FROM oauth_client_settings WHERE name = 'resume_token_key') AS resume_token_key \
    FROM looked, newest";

/// The same on SQLite, where the number is that of the row.
pub(in crate::store) const SQLITE_HEAD: &str = "\
    SELECT CAST(coalesce((SELECT max(position) FROM oauth_client_changes), 0) AS TEXT) AS newest, NULL AS open, \
        CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS time, '' AS system, '' AS database, \
        (SELECT value FROM oauth_client_settings WHERE name = 'incarnation') AS incarnation, \
        (SELECT value FROM oauth_client_settings WHERE name = 'resume_token_key') AS resume_token_key";

/// Finds a slice of the changes that are visible at one time (`$3`, without `$4`) and were not at the time before (`$1`,
/// without `$2`), after a place (`$5`, `$6`, `$7`), and the records of those that are watched.
pub(in crate::store) static POSTGRES_SLICE: LazyLock<String> = LazyLock::new(|| {
    let part = |condition: &str| {
        format!(
            "(SELECT xid AS number, {RECORD} FROM oauth_client_changes \
              WHERE {condition} AND xid <= CAST($3 AS xid8) AND xid <> ALL (CAST($4 AS xid8[])) \
              AND xid >= CAST($5 AS xid8) AND (xid, client_id, revision) > (CAST($5 AS xid8), $6, $7) \
              ORDER BY xid, client_id, revision LIMIT $8)"
        )
    };
    let later = part("xid > CAST($1 AS xid8)");
    let open = part("xid = ANY (CAST($2 AS xid8[]))");
    let slice = format!(
        "SELECT * FROM ({later} UNION ALL {open}) AS unseen ORDER BY number, client_id, revision LIMIT $8"
    );
    watched(
        &slice,
        "(CAST($9 AS text) IS NULL OR tenant_id = $9) AND (CAST($10 AS text) IS NULL \
         OR client_id IN (SELECT json_array_elements_text(CAST($10 AS json))))",
        "$11",
    )
});

/// The same on SQLite: after the number `$1` and up to `$2`.
pub(in crate::store) static SQLITE_SLICE: LazyLock<String> = LazyLock::new(|| {
    let slice = format!(
        "SELECT position AS number, {RECORD} FROM oauth_client_changes WHERE position > $1 AND position <= $2 \
         ORDER BY position LIMIT $3"
    );
    watched(
        &slice,
        "($4 IS NULL OR tenant_id = $4) AND ($5 IS NULL OR client_id IN (SELECT value FROM json_each($5)))",
        "$6",
    )
});

/// Returns the query for a slice with the records of those that are watched, up to a number of bytes and one more.
fn watched(slice: &str, watched: &str, max_bytes: &str) -> String {
    format!(
        "WITH slice AS MATERIALIZED ({slice}), \
         chosen AS (SELECT *, ({watched}) AS is_watched FROM slice), \
         sized AS (\
            SELECT *, CASE WHEN is_watched AND updates IS NOT NULL THEN octet_length(updates) ELSE 0 END AS size \
            FROM chosen\
         ), \
         summed AS (\
            SELECT *, sum(size) OVER (ORDER BY number, client_id, revision ROWS UNBOUNDED PRECEDING) AS bytes FROM sized\
         ) \
         SELECT CAST(number AS text) AS number, client_id, revision, is_watched, tenant_id, type, time, actor, \
            correlation_id, CASE WHEN is_watched THEN updates END AS updates, \
            (SELECT count(*) FROM slice) AS length \
         FROM summed WHERE bytes - size < {max_bytes} ORDER BY summed.number, client_id, revision"
    )
}
