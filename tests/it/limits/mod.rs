//! Rate limits, in one process and shared through Redis.

mod quotas;
mod redis;
