//! The transports over sockets, with an API that shares nothing with the real one.

mod streams;
