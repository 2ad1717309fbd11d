//! Shortens errors to what gRPC clients accept. They travel in the trailers of a response, of which clients accept 8 KiB:
//! violations that do not fit are left out and counted.

use http::Response;
use tonic::{Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The most bytes of text in the violations. Encoded, and in base64, they grow by half.
const MAX_VIOLATIONS_BYTES: usize = 3_600;

/// Leaves violations out of the error of a response, if it is too long.
pub(super) fn shorten_error(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let budget = MAX_VIOLATIONS_BYTES.saturating_sub(percent_encoded_len(status.message()));
    if status.details().len() <= budget {
        return response;
    }
    let details = shorten_details(&status.get_error_details(), budget);
    let metadata = status.metadata().clone();
    let shortened =
        Status::with_error_details_and_metadata(status.code(), status.message(), details, metadata);
    let mut shortened = shortened.into_http();
    *shortened.extensions_mut() = response.extensions().clone();
    shortened
}

/// Keeps the first violations, as many as have room.
fn shorten_details(details: &ErrorDetails, budget: usize) -> ErrorDetails {
    let violations = details
        .bad_request()
        .map_or(&[][..], |request| &request.field_violations);
    let mut bytes = 0;
    let kept: Vec<_> = violations
        .iter()
        .take_while(|violation| {
            // The tags of the three fields and their lengths take some bytes too.
            bytes += violation.field.len() + violation.description.len() + violation.reason.len() + 10;
            bytes <= budget
        })
        .cloned()
        .collect();
    let info = details.error_info();
    let counts = [("violations", violations.len()), ("violationsShown", kept.len())];
    let mut shortened = ErrorDetails::with_error_info(
        info.map_or("", |info| &info.reason),
        info.map_or("", |info| &info.domain),
        counts.map(|(name, count)| (name.to_owned(), count.to_string())),
    );
    shortened.set_bad_request(kept);
    shortened
}

/// Returns the length of a message in a header, where a byte that is not visible ASCII takes three characters.
fn percent_encoded_len(message: &str) -> usize {
    message
        .bytes()
        .map(|byte| match byte {
            b' '..=b'~' => 1,
            _ => 3,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pb::v1::ErrorReason, rpc::failure::Failure};

    fn failed(violations: usize) -> Response<Body> {
        let detail = "must be https, or http on localhost, 127.0.0.1 or [::1]".to_owned();
        let one = |index| {
            (
                ErrorReason::InvalidField,
                format!("redirectUris[{index}]"),
                detail.clone(),
            )
        };
        Status::from(Failure::fields((0..violations).map(one))).into_http()
    }

    fn size(response: &Response<Body>) -> usize {
        response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    #[test]
    fn a_short_error_is_unchanged() {
        let response = failed(10);
        let before = response.headers().clone();
        assert_eq!(*shorten_error(response).headers(), before);
    }

    #[test]
    fn the_message_counts_with_its_percent_encoding() {
        let one = |index| (ErrorReason::InvalidField, format!("a[{index}]"), "😀".repeat(250));
        let response = shorten_error(Status::from(Failure::fields((0..50).map(one))).into_http());
        assert!(size(&response) < 8_192, "{}", size(&response));
    }

    #[test]
    fn a_long_error_is_shortened_and_counts_what_is_left_out() {
        let mut response = failed(90);
        // The headers of the other layers, at their longest.
        let others = [
            ("x-request-id", "x".repeat(128)),
            ("ratelimit-policy", "\"tier2\";q=60000000;w=60".to_owned()),
            ("ratelimit", "\"tier2\";r=59999999;t=60".to_owned()),
        ];
        for (name, value) in &others {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = shorten_error(response);
        assert!(size(&response) < 8_192, "{}", size(&response));
        for (name, value) in others {
            assert_eq!(response.headers()[name], value);
        }
        let details = Status::from_header_map(response.headers())
            .unwrap()
            .get_error_details();
        let shown = details.bad_request().unwrap().field_violations.len();
        assert!((20..90).contains(&shown), "{shown}");
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, "INVALID_FIELD");
        assert_eq!(info.metadata["violations"], "90");
        assert_eq!(info.metadata["violationsShown"], shown.to_string());
    }
}
