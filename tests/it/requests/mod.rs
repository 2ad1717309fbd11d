//! Requests that are refused, whatever the method.

mod bad_input;
mod check_order;
mod encodings;
mod not_grpc;
mod not_http;
mod repeated_headers;
mod same_rules;
