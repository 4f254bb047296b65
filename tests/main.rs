//! The one integration binary: each file or folder beside it is one stage, tried through the real binary or the library.

// Generated cases are tuples of what they vary; naming each would hide it.
#![allow(clippy::type_complexity)]

#[allow(dead_code)]
mod common;
mod correlation;
mod engine;
mod inputs;
mod lint;
mod loading;
mod outputs;
mod pack;
