//! Failures as gRPC statuses, with `ErrorInfo`, `BadRequest` and `RetryInfo` as details.

use std::sync::Arc;

use tonic::{
    Code, Status,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::Failure;
use crate::pb;

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let name = failure.reason.name();
        let code = pb::protos()
            .ok()
            .and_then(|protos| protos.reason(name))
            .map_or(Code::Internal, |policy| policy.code);
        let mut details = ErrorDetails::with_error_info(name, pb::ERROR_DOMAIN, [] as [(String, String); 0]);
        if !failure.violations.is_empty() {
            details.set_bad_request(failure.violations);
        }
        if failure.retry_after.is_some() {
            details.set_retry_info(failure.retry_after);
        }
        let mut metadata = MetadataMap::new();
        for (name, value) in failure.headers {
            // Header names of this server are metadata keys, and their values visible ASCII.
            if let (Ok(key), Ok(value)) = (
                MetadataKey::from_bytes(name.as_str().as_bytes()),
                MetadataValue::try_from(value.as_bytes()),
            ) {
                metadata.insert(key, value);
            }
        }
        let mut status = Self::with_error_details_and_metadata(code, failure.detail, details, metadata);
        if let Some(cause) = failure.cause {
            status.set_source(Arc::new(cause));
        }
        status
    }
}
