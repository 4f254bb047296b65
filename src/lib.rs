//! auditmill: exported audit logs in, findings and reports out.
pub mod cli;
pub mod diag;
pub mod engine;
pub mod event;
pub mod exit;
pub mod finding;
pub mod output;
pub mod report;
pub mod rule;
pub mod source;
pub mod timeline;
