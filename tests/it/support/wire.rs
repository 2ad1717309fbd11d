//! The messages that are sent to PostgreSQL (its documentation, "Message Formats").

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex},
};

/// The messages on all connections of a proxy.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    connections: usize,
    round_trips: Vec<RoundTrip>,
}

/// The messages that were sent before the server had to wait for PostgreSQL.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoundTrip {
    pub(crate) connection: usize,
    /// The statement that it prepares or executes. Empty if there is no statement, as in the test of a connection.
    pub(crate) sql: String,
    /// The name of the statement that it prepares: empty for a statement that is used once, `None` if it prepares nothing.
    pub(crate) prepares: Option<String>,
    /// Is `true` if it closes a prepared statement.
    pub(crate) closes: bool,
}

impl RoundTrip {
    /// Returns a short description.
    pub(crate) fn verb(&self) -> String {
        let command = self.sql.split_whitespace().next().unwrap_or("nothing");
        if self.prepares.is_some() {
            format!("prepare {command}")
        } else {
            command.to_owned()
        }
    }

    /// Returns `true` if the readiness probe does this.
    pub(crate) fn is_probe(&self) -> bool {
        self.sql.contains("seaql_migrations")
    }

    /// Returns `true` if the server does this in the background.
    pub(crate) fn is_background(&self) -> bool {
        ["DELETE FROM used_assertions", "pg_current_snapshot"]
            .iter()
            .any(|statement| self.sql.contains(statement))
    }
}

impl Recording {
    /// Starts recording another connection.
    pub(crate) fn connection(&self) -> Recorder {
        let mut recorded = self.0.lock().unwrap();
        recorded.connections += 1;
        Recorder {
            recording: self.clone(),
            started: false,
            bytes: Vec::new(),
            statements: HashMap::new(),
            round_trip: RoundTrip {
                connection: recorded.connections,
                ..RoundTrip::default()
            },
        }
    }

    /// Returns the round trips so far, in order.
    pub(crate) fn round_trips(&self) -> Vec<RoundTrip> {
        self.0.lock().unwrap().round_trips.clone()
    }
}

/// Reads the messages on one connection.
pub(crate) struct Recorder {
    recording: Recording,
    started: bool,
    /// The bytes of an incomplete message.
    bytes: Vec<u8>,
    /// The texts of the prepared statements, by their names.
    statements: HashMap<String, String>,
    round_trip: RoundTrip,
}

impl Recorder {
    pub(crate) fn record(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        // The first message has no type.
        while let Some(message) = next_message(&mut self.bytes, usize::from(self.started)) {
            if self.started {
                self.read(message[0], &message[5..]);
            }
            self.started = true;
        }
    }

    fn read(&mut self, kind: u8, body: &[u8]) {
        match kind {
            // Parse: the name of the statement, and its text.
            b'P' => {
                let (name, rest) = text(body);
                let (sql, _) = text(rest);
                self.statements.insert(name.clone(), sql.clone());
                self.round_trip.sql = sql;
                self.round_trip.prepares = Some(name);
            }
            // Bind: the name of the portal, and that of the statement.
            b'B' => {
                let (name, _) = text(text(body).1);
                self.round_trip.sql.clone_from(&self.statements[&name]);
            }
            // Close, of a statement.
            b'C' if body[0] == b'S' => self.round_trip.closes = true,
            // Query.
            b'Q' => {
                self.round_trip.sql = text(body).0;
                self.end_round_trip();
            }
            // Sync.
            b'S' => self.end_round_trip(),
            _ => {}
        }
    }

    fn end_round_trip(&mut self) {
        let next = RoundTrip {
            connection: self.round_trip.connection,
            ..RoundTrip::default()
        };
        let ended = mem::replace(&mut self.round_trip, next);
        self.recording.0.lock().unwrap().round_trips.push(ended);
    }
}

/// Takes a message off the bytes, if all of it is there. Its length, which counts itself, comes after its type.
fn next_message(bytes: &mut Vec<u8>, type_len: usize) -> Option<Vec<u8>> {
    let length: [u8; 4] = bytes.get(type_len..type_len + 4)?.try_into().unwrap();
    let end = type_len + u32::from_be_bytes(length) as usize;
    (bytes.len() >= end).then(|| bytes.drain(..end).collect())
}

/// A text that a zero byte ends, and what comes after it.
fn text(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap();
    let text = String::from_utf8(bytes[..end].to_vec()).unwrap();
    (text, &bytes[end + 1..])
}
