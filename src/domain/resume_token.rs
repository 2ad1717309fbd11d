//! Resume tokens: positions in a stream of changes, as opaque texts that consumers keep.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{
    change_position::{Place, Position, Reading, Seen},
    digest::{sha256_of_texts, sha256_prefix},
    ids::{ClientId, TenantId},
    timestamp::Timestamp,
};

/// The first byte of a token. It is followed by the incarnation of the database, the authentication code, and what that
/// authenticates: all before and after it. All is in base64url.
const VERSION: u8 = 1;
const INCARNATION_LEN: usize = 16;
const CODE_LEN: usize = 16;
const FINGERPRINT_LEN: usize = 8;
/// The longest token. One of a database with a thousand open transactions has 4 KiB.
const MAX_LEN: usize = 64 * 1024;

/// A text is not a token that continues a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidResumeToken {
    /// It was not made here, or was altered.
    #[error("must be a resume token of a message")]
    Damaged,
    /// It was made for other clients.
    #[error("must be a resume token of a stream with the same client ids")]
    OtherClients,
    /// It is of another database, or of one that was restored since.
    #[error("the resume token is of another database, or of one that was restored since")]
    OtherDatabase,
    /// It is of another tenant.
    #[error("the resume token is of another tenant")]
    OtherTenant,
}

/// The identity of a database and of its history, which a restore changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation([u8; INCARNATION_LEN]);

impl Incarnation {
    /// Returns the incarnation that several texts name together.
    pub fn of(texts: &[&str]) -> Self {
        let mut bytes = [0; INCARNATION_LEN];
        for (to, from) in bytes.iter_mut().zip(sha256_of_texts(texts)) {
            *to = from;
        }
        Self(bytes)
    }
}

/// The key of a database that authenticates tokens.
#[derive(Debug, Clone)]
pub struct TokenKey(Arc<hmac::Key>);

impl TokenKey {
    /// Makes the key of a secret text.
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }
}

/// A stream: the changes that a caller watches, in a database.
#[derive(Debug, Clone)]
pub struct Stream {
    key: TokenKey,
    incarnation: Incarnation,
    tenant: [u8; FINGERPRINT_LEN],
    clients: [u8; FINGERPRINT_LEN],
}

/// A point of a stream, by what is sent after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// The clients as they are, after one of them; then the changes after those that are past.
    Initial {
        /// The changes that are past.
        past: Arc<Seen>,
        /// The last client that was sent.
        after: Option<ClientId>,
    },
    /// The changes after a position.
    Changes(Position),
}

impl Stream {
    /// Returns the stream of changes of these clients of a tenant, or of all.
    pub fn new(
        key: TokenKey,
        incarnation: Incarnation,
        tenant: &TenantId,
        clients: Option<&[ClientId]>,
    ) -> Self {
        let mut ids: Vec<&str> = clients.unwrap_or_default().iter().map(ClientId::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        Self {
            key,
            incarnation,
            tenant: sha256_prefix(tenant.as_str().as_bytes()),
            clients: sha256_prefix(ids.concat().as_bytes()),
        }
    }

    /// Returns the incarnation of the database.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Returns the token of a point in this stream.
    pub fn token(&self, point: &Point) -> String {
        let mut body = Vec::with_capacity(128);
        body.extend(self.tenant);
        body.extend(self.clients);
        match point {
            Point::Changes(Position { past, reading: None }) => {
                body.push(0);
                put_seen(&mut body, past);
            }
            Point::Changes(Position {
                past,
                reading: Some(Reading { until, place }),
            }) => {
                body.push(1);
                put_seen(&mut body, past);
                put_seen(&mut body, until);
                put_number(&mut body, place.transaction);
                put_number(&mut body, place.revision.cast_unsigned());
                body.extend(place.client_id.as_str().bytes());
            }
            Point::Initial { past, after: None } => {
                body.push(2);
                put_seen(&mut body, past);
            }
            Point::Initial {
                past,
                after: Some(after),
            } => {
                body.push(3);
                put_seen(&mut body, past);
                body.extend(after.as_str().bytes());
            }
        }
        let mut bytes = Vec::with_capacity(1 + INCARNATION_LEN + CODE_LEN + body.len());
        bytes.push(VERSION);
        bytes.extend(self.incarnation.0);
        bytes.extend(self.code(&body));
        bytes.extend(body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the point of a token of this stream.
    ///
    /// # Errors
    /// If the text is not a token, or one of another stream or database. The database is looked at first, as the tokens of
    /// another one cannot be authenticated.
    pub fn point(&self, token: &str) -> Result<Point, InvalidResumeToken> {
        let damaged = InvalidResumeToken::Damaged;
        if token.len() > MAX_LEN {
            return Err(damaged);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| damaged)?;
        let rest = bytes.strip_prefix(&[VERSION]).ok_or(damaged)?;
        let (incarnation, rest) = rest.split_first_chunk::<INCARNATION_LEN>().ok_or(damaged)?;
        let (code, body) = rest.split_first_chunk::<CODE_LEN>().ok_or(damaged)?;
        if *incarnation != self.incarnation.0 {
            return Err(InvalidResumeToken::OtherDatabase);
        }
        // Not in constant time: a token grants nothing that its caller may not see.
        if *code != self.code(body) {
            return Err(damaged);
        }
        let mut rest = body;
        let tenant: [u8; FINGERPRINT_LEN] = take(&mut rest).ok_or(damaged)?;
        let clients: [u8; FINGERPRINT_LEN] = take(&mut rest).ok_or(damaged)?;
        if tenant != self.tenant {
            return Err(InvalidResumeToken::OtherTenant);
        }
        if clients != self.clients {
            return Err(InvalidResumeToken::OtherClients);
        }
        take_point(&mut rest).filter(|_| rest.is_empty()).ok_or(damaged)
    }

    fn code(&self, body: &[u8]) -> [u8; CODE_LEN] {
        let mut context = hmac::Context::with_key(&self.key.0);
        context.update(&[VERSION]);
        context.update(&self.incarnation.0);
        context.update(body);
        let mut code = [0; CODE_LEN];
        for (to, from) in code.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        code
    }
}

fn take_point(rest: &mut &[u8]) -> Option<Point> {
    let [kind] = take(rest)?;
    let past = Arc::new(take_seen(rest)?);
    Some(match kind {
        0 => Point::Changes(Position::after(past)),
        1 => {
            let until = Arc::new(take_seen(rest)?);
            let place = Place {
                transaction: take_number(rest)?,
                revision: take_number(rest)?.cast_signed(),
                client_id: take_client_id(rest)?,
            };
            let reading = Some(Reading { until, place });
            Point::Changes(Position { past, reading })
        }
        2 => Point::Initial { past, after: None },
        3 => {
            let after = Some(take_client_id(rest)?);
            Point::Initial { past, after }
        }
        _ => return None,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn take_client_id(rest: &mut &[u8]) -> Option<ClientId> {
    let text: [u8; super::ids::CLIENT_ID_LEN] = take(rest)?;
    ClientId::parse(str::from_utf8(&text).ok()?).ok()
}

/// The time, the newest number, how many are open, and how far each of these is before the one after it.
fn put_seen(bytes: &mut Vec<u8>, seen: &Seen) {
    bytes.extend(seen.time.as_micros().to_be_bytes());
    put_number(bytes, seen.newest);
    put_number(bytes, seen.open.len() as u64);
    let mut later = seen.newest;
    for open in seen.open.iter().rev() {
        put_number(bytes, later.saturating_sub(*open));
        later = *open;
    }
}

fn take_seen(rest: &mut &[u8]) -> Option<Seen> {
    let time = Timestamp::from_micros(i64::from_be_bytes(take(rest)?));
    let newest = take_number(rest)?;
    let count = usize::try_from(take_number(rest)?).ok()?;
    let mut open = Vec::new();
    let mut later = newest;
    for _ in 0..count {
        later = later.checked_sub(take_number(rest)?)?;
        open.push(later);
    }
    open.reverse();
    Some(Seen { time, newest, open })
}

/// Seven bits a byte, the lowest first, and the eighth if more follow, as in protobuf.
fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
