//! The one integration binary: each file or folder beside it is one stage, tried through the real binary or the library.

// Generated cases are tuples of what they vary; naming each would hide it.
#![allow(clippy::type_complexity)]

mod aliases;
mod behaviour;
#[allow(dead_code)]
mod common;
mod completeness;
mod containers;
mod correlation;
mod engine;
mod enrichment;
mod filters;
mod inputs;
mod inspect;
mod lint;
mod loading;
mod loading_packs;
mod outputs;
mod pack;
mod parquet;
mod pipeline;
mod planted;
mod readme;
mod renaming;
mod rows;
mod rule_tools;
mod sources;
mod unusual;
mod vendors;
mod walk;
