//! auditmill reads exported audit logs, runs declarative rules over them and renders reports.
//!
//! ```text
//!  files, folders,      dictionary columns     bitmaps,            Polars frames:           ReportContext
//!  globs, stdin         of distinct values     one an atom         matches by time
//!  ── source ─────────▶ event ───────────────▶ engine ───────────▶ correlate ─────────────▶ finding ──▶ report, timeline, output
//!     find, unpack,     one schema, place      rules are           windows over            evidence,
//!     split, detect     (file, record) kept    boolean algebra     sorted rows             states of rules
//!         └──────── every skip, reject, duplicate and gap: counted, named, on stderr and in the report ─────▶ exit status
//! ```
//!
//! Imports point one way: `event` ← `rule` ← `source` ← `engine` ← `finding` ← `timeline`, `output`, `report` ← `cli`.
//! Beside `rule` and `source` stands `enrich`, over `event` alone: what addresses and user agents say beyond their text.
//! Only `cli` knows clap.

pub mod cli;
pub mod diag;
pub mod engine;
pub mod enrich;
pub mod event;
pub mod exit;
pub mod finding;
pub mod output;
pub mod report;
pub mod rule;
pub mod source;
pub mod timeline;
