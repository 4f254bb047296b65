//! Reports: a context that templates may see, and its rendering.

pub mod compliance;
pub mod context;
pub mod incident;
pub mod render;
pub mod tables;
mod unusual;
