//! From records to matches: rules become boolean algebra over bit masks, one mask for each distinct test of a field.

pub mod addresses;
pub mod batch;
pub mod behaviour;
mod chunk;
pub mod correlate;
mod document;
mod field;
pub mod gathered;
mod late;
mod masks;
pub mod merge;
mod parsed;
pub mod plan;
pub mod plans;
mod queue;
pub mod run;
pub mod tally;
mod tuples;
