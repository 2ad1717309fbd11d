//! Requests that are refused, whatever the method.

mod bad_input;
mod check_order;
mod same_rules;
