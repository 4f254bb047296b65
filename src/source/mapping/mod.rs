//! The declarative mapping of one source: how its records are told apart and which column each field fills.

mod compile;
pub mod expr;
mod select;
pub(super) mod spec;
pub mod times;

use crate::diag::UserError;
use crate::event::Column;
use crate::rule::detection::Detection;
use crate::rule::meta::LogSource;
pub use expr::{Expr, Row, RowFields};
use select::Step;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;
use times::TimeField;

/// Index into [`Reading::paths`].
pub type PathId = usize;

/// A path of a record that the mapping reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathRead {
    /// The path.
    pub path: String,
    /// The JSON text of an object or array there is wanted.
    pub json: bool,
}

/// An alternative by which records are known to be of the source.
#[derive(Debug, Clone)]
pub struct Detect {
    /// Paths that are present.
    pub has: Vec<String>,
    /// Paths that are absent.
    pub without: Vec<String>,
    /// Holds.
    pub selection: Option<Detection>,
    /// How much it asks: of several sources whose alternatives hold, the one that asks most is meant.
    pub weight: usize,
}

/// A column's expression and what it reads.
#[derive(Debug, Clone)]
pub struct ColumnExpr {
    /// The column filled.
    pub column: Column,
    /// How.
    pub expr: Expr,
    /// Paths that it reads.
    pub paths: Vec<PathId>,
    /// Columns that it reads.
    pub columns: Vec<Column>,
}

/// Events that a vendor delivers only where they are switched on.
#[derive(Debug, Clone)]
pub struct EventClass {
    /// Id within the source.
    pub id: String,
    /// For people.
    pub title: String,
    /// Which records belong to it.
    pub when: Detection,
    /// Activities that only this class can show.
    pub activities: Vec<String>,
    /// Actions that only this class can show.
    pub actions: Vec<String>,
}

/// A compiled mapping: what tells its records from others, and, once one is met, what is made of them.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Id of the source.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Name of its file.
    pub file: String,
    /// First 12 hex digits of the file's SHA-256.
    pub hash: String,
    /// Sigma logsources that it answers to.
    pub logsources: Vec<LogSource>,
    /// Names by which public rules call a field, and the record's paths that hold it: a vendor rule that names an alias reads
    /// the record's own field of that name, and in a record without one every value at these paths.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Alternatives, of which one must hold for a record of this source.
    pub detect: Vec<Detect>,
    /// Keys of a top-level object whose array holds the records, beside those of every source.
    pub containers: Vec<String>,
    /// Fields whose text is JSON.
    pub json_text: Vec<String>,
    /// The array of which each element is an event.
    pub each: Option<String>,
    /// How long the vendor keeps events, microseconds.
    pub retention: Option<i64>,
    /// How late events may be delivered, microseconds.
    pub delivery_lag: Option<i64>,
    /// Row counts at which the vendor's exports are cut.
    pub export_limits: Vec<u64>,
    /// The other sources and their logsources, where the records are events that were mapped before and say of which source.
    pub relayed: Vec<(String, Vec<LogSource>)>,
    relays: bool,
    /// The file's text without its tests, where what is made of records is compiled when it is first asked for.
    text: String,
    reading: OnceLock<Reading>,
    /// The `tests:` section, as written.
    tests: String,
}

/// What a mapping makes of its records.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Fields of the time, in order.
    pub time: Vec<TimeField>,
    /// Column expressions, in an order in which each reads only earlier ones.
    pub columns: Vec<ColumnExpr>,
    /// Every path read, each once.
    pub paths: Vec<PathRead>,
    /// Paths with brackets that conditions name.
    pub selects: HashMap<String, (PathId, Vec<Step>)>,
    /// Actions that the activity table knows, folded; empty when the source has no table.
    pub known_actions: HashSet<String>,
    /// Activities that the mapping can give; `None` when it copies them from the record.
    pub activities: Option<BTreeSet<String>>,
    /// Event classes that are switched on one by one.
    pub classes: Vec<EventClass>,
}

impl Mapping {
    /// Parses and compiles a mapping file.
    pub fn parse(text: &str, file: &str) -> Result<Mapping, UserError> {
        compile::mapping(text, file).map_err(|reason| refusal(file, &reason))
    }

    /// A built-in mapping, which is known to compile: what it makes of its records is compiled when the first of them is met.
    /// A run reads one source or two, and the tables of all the others are most of what a start would parse.
    pub fn built_in(text: &str, file: &str) -> Result<Mapping, UserError> {
        compile::built_in(text, file).map_err(|reason| refusal(file, &reason))
    }

    /// What is made of records.
    ///
    /// # Panics
    /// When a built-in mapping does not compile: the tests see to it that each does.
    pub fn reading(&self) -> &Reading {
        self.reading.get_or_init(|| compile::reading_of(&self.text).unwrap_or_else(|reason| panic!("{}: {reason}", self.file)))
    }

    /// Whether what is made of records was compiled.
    pub fn is_compiled(&self) -> bool {
        self.reading.get().is_some()
    }

    /// The mapping's own tests; an error says why they are no list.
    pub fn tests(&self) -> Result<Vec<yaml_serde::Value>, UserError> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Section {
            tests: Vec<yaml_serde::Value>,
        }
        if self.tests.trim().is_empty() {
            return Ok(Vec::new());
        }
        yaml_serde::from_str(&self.tests)
            .map(|s: Section| s.tests)
            .map_err(|e| UserError::new(format!("{}: {e}", self.file)).help("`tests:` is a list, see sources/README.md"))
    }

    /// Whether records are events that were mapped before: they bring their source along.
    pub fn relays(&self) -> bool {
        self.relays
    }

    /// Whether records may have to be written anew before they are read.
    pub fn rewrites(&self) -> bool {
        self.each.is_some() || !self.json_text.is_empty()
    }
}

fn refusal(file: &str, reason: &str) -> UserError {
    UserError::new(format!("{file}: {reason}")).help("sources/README.md tells what a mapping file may hold; `auditmill sources lint` checks it")
}

impl Reading {
    /// The path of this text that is read for its values, not for its JSON.
    pub fn plain_path(&self, path: &str) -> Option<PathId> {
        self.paths.iter().position(|p| !p.json && p.path == path)
    }

    /// The path that a condition reads by this name: a plain one, or the one before its brackets.
    pub fn path_of(&self, name: &str) -> Option<PathId> {
        self.selects.get(name).map(|s| s.0).or_else(|| self.plain_path(name))
    }
}
