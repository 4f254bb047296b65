//! The one integration binary: each file or folder beside it is one stage, tried through the real binary or the library.

mod common;
mod correlation;
mod engine;
mod inputs;
mod outputs;
mod pack;
