//! Memory: a read sees every change that was acknowledged before it, on every replica, and what that costs a change.

mod crashes;
mod fence;
mod replicas;
