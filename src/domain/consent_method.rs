//! The ways in which users consent to a client.

use super::closed_set::closed_set;

closed_set! {
    /// The way in which users consent to a client's access.
    pub enum ConsentMethod {
        /// Each user is asked. This is the default.
        Required = "required",
        /// No user is asked.
        Trusted = "trusted",
    }
}
