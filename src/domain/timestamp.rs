//! Points in time with a precision of microseconds, which every database and every response preserves.

use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A text is not an RFC 3339 timestamp of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an RFC 3339 timestamp of the years 1 to 9999")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// 0001-01-01T00:00:00Z, the earliest that `google.protobuf.Timestamp` can represent.
    const MIN: Self = Self(-62_135_596_800_000_000);
    /// The last microsecond of the year 9999.
    const MAX: Self = Self(253_402_300_799_999_999);

    /// Returns the point that lies a number of microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the number of microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the number of seconds since the epoch: the `NumericDate` of RFC 7519 section 2.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact to a microsecond for more than two centuries"
    )]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Returns the point that lies a number of seconds after the epoch, rounded up to a microsecond.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a value out of range becomes the nearest one in range"
    )]
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1e6).ceil() as i64)
    }

    /// Returns the time as RFC 3339, in the way of the JSON mapping of protobuf: in UTC, with 0, 3 or 6 digits of a second.
    pub fn to_rfc3339(self) -> String {
        let nanos = i128::from(self.0) * 1_000;
        let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second, micros) = time.to_hms_micro();
        let fraction = match micros {
            0 => String::new(),
            _ if micros % 1_000 == 0 => format!(".{:03}", micros / 1_000),
            _ => format!(".{micros:06}"),
        };
        let month = u8::from(month);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
    }

    /// Returns the next point in time, a microsecond later.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Parses an RFC 3339 timestamp and rounds it down to a microsecond.
    ///
    /// # Errors
    /// If the text is malformed, or the year is one that protobuf cannot represent.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        Self::parse_rfc3339_exactly(text).map(|(timestamp, _)| timestamp)
    }

    /// Does the same, and returns `false` with the timestamp if it was rounded.
    ///
    /// # Errors
    /// If the text is malformed, or the year is one that protobuf cannot represent.
    pub fn parse_rfc3339_exactly(text: &str) -> Result<(Self, bool), InvalidTimestamp> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let nanos = parsed.unix_timestamp_nanos();
        let timestamp = i64::try_from(nanos.div_euclid(1_000))
            .ok()
            .map(Self)
            .filter(|timestamp| (Self::MIN..=Self::MAX).contains(timestamp))
            .ok_or(InvalidTimestamp)?;
        // The parser disregards what is less than a nanosecond.
        let fraction = text.rsplit_once('.').map_or("", |(_, fraction)| fraction);
        let mut finer = fraction.bytes().take_while(u8::is_ascii_digit).skip(6);
        let exact = nanos.rem_euclid(1_000) == 0 && finer.all(|digit| digit == b'0');
        Ok((timestamp, exact))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rfc_3339_timestamp_is_parsed_in_microseconds() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01T00:00:00.0000019Z", 1),
            ("1969-12-31T23:59:59.9999999Z", -1),
            ("1970-01-01T01:00:00+01:00", 0),
            ("0001-01-01T00:00:00Z", Timestamp::MIN.0),
            ("9999-12-31T23:59:59.999999999Z", Timestamp::MAX.0),
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Ok(Timestamp(micros)), "{text}");
        }
    }

    #[test]
    fn a_timestamp_between_microseconds_is_not_exact() {
        for (fraction, micros, exact) in [
            ("", 0, true),
            (".000001", 1, true),
            (".0000010000", 1, true),
            (".0000019", 1, false),
            (".000001000000000000001", 1, false),
        ] {
            for offset in ["Z", "+00:00"] {
                let text = format!("1970-01-01T00:00:00{fraction}{offset}");
                assert_eq!(
                    Timestamp::parse_rfc3339_exactly(&text),
                    Ok((Timestamp(micros), exact)),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_timestamp_is_written_with_the_digits_that_it_needs() {
        for text in [
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00.000001Z",
            "2025-11-06T14:30:00.120Z",
            "2025-11-06T14:30:00.120100Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text).unwrap().to_rfc3339(), text);
        }
    }

    #[test]
    fn anything_else_is_not_a_timestamp() {
        for text in [
            "",
            "yesterday",
            "2025-11-06",
            "2025-11-06T14:30:00",
            "2025-13-06T14:30:00Z",
            "2025-02-30T14:30:00Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "2025-11-06T14:30:00Z ",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), Err(InvalidTimestamp), "{text}");
        }
    }
}
