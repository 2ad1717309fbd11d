//! The kinds of application that a client can be.

use super::closed_set::closed_set;

closed_set! {
    /// The kind of application that a client is. It never changes.
    pub enum AppType {
        /// Runs on a server and can keep a secret: a confidential client (RFC 6749 section 2.1).
        Web = "web",
        /// Runs on the user's device.
        Native = "native",
        /// Runs in a browser.
        Spa = "spa",
        /// Embeds content for users who are not signed in.
        AnonymousEmbed = "anonymous-embed",
    }
}
