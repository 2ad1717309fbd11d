//! The details of an error travel in the trailers of a gRPC call, where clients take 8 KiB only: what does not fit is
//! left out, and the answer says how much.

use http::Response;
use tonic::{Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

/// How many bytes the texts of the field violations may have. Encoded, and in base64, they grow by half.
const MAX_VIOLATIONS_BYTES: usize = 3_600;

/// Shortens an error to what gRPC clients take.
pub fn fit_trailers(answer: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(answer.headers()) else {
        return answer;
    };
    let budget = MAX_VIOLATIONS_BYTES.saturating_sub(percent_encoded_len(status.message()));
    if status.details().len() <= budget {
        return answer;
    }
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map_or(&[][..], |request| &request.field_violations);
    let mut bytes = 0;
    let kept: Vec<_> = violations
        .iter()
        .take_while(|violation| {
            // The names of the three fields and their lengths take some bytes too.
            bytes += violation.field.len() + violation.description.len() + violation.reason.len() + 10;
            bytes <= budget
        })
        .cloned()
        .collect();
    let info = details.error_info();
    let counts = [("violations", violations.len()), ("violationsShown", kept.len())];
    let mut fitting = ErrorDetails::with_error_info(
        info.map_or("", |info| &info.reason),
        info.map_or("", |info| &info.domain),
        counts.map(|(name, count)| (name.to_owned(), count.to_string())),
    );
    fitting.set_bad_request(kept);
    let metadata = status.metadata().clone();
    let shorter = Status::with_error_details_and_metadata(status.code(), status.message(), fitting, metadata);
    let mut shortened = shorter.into_http();
    *shortened.extensions_mut() = answer.extensions().clone();
    shortened
}

/// How long a message is in a header, where what is not visible ASCII takes three characters a byte.
fn percent_encoded_len(message: &str) -> usize {
    message
        .bytes()
        .map(|byte| {
            if byte.is_ascii_graphic() || byte == b' ' {
                1
            } else {
                3
            }
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

    fn size(answer: &Response<Body>) -> usize {
        answer
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum()
    }

    #[test]
    fn a_short_error_stays_as_it_is() {
        let answer = failed(10);
        let before = answer.headers().clone();
        assert_eq!(*fit_trailers(answer).headers(), before);
    }

    #[test]
    fn a_message_in_any_script_counts_as_it_is_sent() {
        let one = |index| (ErrorReason::InvalidField, format!("a[{index}]"), "😀".repeat(250));
        let answer = fit_trailers(Status::from(Failure::fields((0..50).map(one))).into_http());
        assert!(size(&answer) < 8_192, "{}", size(&answer));
    }

    #[test]
    fn a_long_error_is_shortened_and_says_so() {
        let mut answer = failed(90);
        // What the other layers put there, at its longest.
        let others = [
            ("x-request-id", "x".repeat(128)),
            ("ratelimit-policy", "\"tier2\";q=60000000;w=60".to_owned()),
            ("ratelimit", "\"tier2\";r=59999999;t=60".to_owned()),
        ];
        for (name, value) in &others {
            answer.headers_mut().insert(*name, value.parse().unwrap());
        }
        let answer = fit_trailers(answer);
        assert!(size(&answer) < 8_192, "{}", size(&answer));
        for (name, value) in others {
            assert_eq!(answer.headers()[name], value);
        }
        let details = Status::from_header_map(answer.headers())
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
