//! Overload: what is refused, when, and what is not.

mod rapid_reset;
mod shed;
