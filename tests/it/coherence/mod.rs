//! Memory: a read sees every change that was acknowledged before it, on every replica, and what that costs a change.

mod fence;
mod replicas;
