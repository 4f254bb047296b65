//! Processing pipelines in pySigma's format: a rule written for another taxonomy is rewritten for our sources before it is loaded.
//!
//! A pipeline works on the YAML tree of a document and knows no rule language but Sigma's; what comes out is YAML again and is
//! loaded like any other document. Fields stand before the first `|` of a key (its modifiers stay), in the values of `fieldref`,
//! in `fields:`, and in a correlation's `group-by`, `condition.field` and the values of its `aliases`. Keywords have no field.
//! Of an array block (`field[any]:`) the outer field is mapped, never a name inside a member.
//!
//! What holds is pySigma's meaning, with these differences, each of which keeps something from being lost in silence:
//! - a correlation's `logsource` condition sees the rules that it counts as the same transformation saw them: bases and
//!   correlation are mapped alike also where a `change_logsource` stands before;
//! - `template: true` refuses a rule whose log source lacks the part that the template names (pySigma writes `None`);
//! - a `condition.field` that names an alias of the correlation is not mapped;
//! - a placeholder that no `vars` of a pipeline defines is left to the site's lists; without one the rule is not assessable;
//! - two `add_condition` of the same `name` are refused (the later would replace the earlier);
//! - the rule condition `taxonomy` is ours.

mod condition;
mod parse;
mod transform;
mod tree;

use super::correlation::Fault;
use super::meta::LogSource;
use condition::{Conditions, FieldCondition, ItemCondition, RuleCondition};
use std::collections::{BTreeMap, BTreeSet};
use yaml_serde::{Mapping, Value};

/// First character of the names under which parts of a selection stand that one YAML mapping cannot hold: two tests of one
/// field, or a test of several fields of which one must hold. The adapter of the Sigma parser puts them back in their place.
pub const PART: char = '\u{1}';

/// Whether a document itself writes such a name: only pipelines may.
pub fn names_parts(value: &Value) -> bool {
    match value {
        Value::Mapping(map) => map.iter().any(|(k, v)| k.as_str().is_some_and(|k| k.starts_with(PART)) || names_parts(v)),
        Value::Sequence(items) => items.iter().any(names_parts),
        _ => false,
    }
}

/// A pipeline file.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its `name`, or the file's.
    pub name: String,
    /// The file, as named on the command line.
    pub file: String,
    /// Lower ones are applied first.
    pub priority: i64,
    /// First 12 hex digits of the file's SHA-256.
    pub hash: String,
    /// Its `allowed_backends`, which mean nothing here.
    pub allowed_backends: Vec<String>,
    digest: String,
    steps: Vec<Step>,
    vars: BTreeMap<String, Vec<String>>,
}

/// The pipelines of a run, in the order in which they are applied.
#[derive(Debug, Clone, Default)]
pub struct Pipelines {
    list: Vec<Pipeline>,
    vars: BTreeMap<String, Vec<String>>,
}

/// One entry of `transformations:`.
#[derive(Debug, Clone)]
struct Step {
    id: Option<String>,
    /// How messages name it.
    place: String,
    transformation: Transformation,
    rule: Conditions<RuleCondition>,
    item: Conditions<ItemCondition>,
    field: Conditions<FieldCondition>,
}

/// What a field name becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// Another name.
    One(String),
    /// Several, any of which may satisfy the item.
    Many(Vec<String>),
}

#[derive(Debug, Clone)]
enum Transformation {
    FieldNameMapping(BTreeMap<String, Target>),
    FieldNamePrefix(String),
    AddCondition { conditions: Mapping, name: Option<String>, template: bool, negated: bool },
    ChangeLogSource(LogSource),
    ValuePlaceholders { include: Option<Vec<String>>, exclude: Option<Vec<String>> },
}

/// Which kind of document a pipeline works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Detection,
    Correlation,
    Filter,
}

/// A document after the pipelines.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The document.
    pub value: Value,
    /// Its text; `None` when no transformation applied, so that the text is the one that was read.
    pub text: Option<String>,
    /// Indices of the pipelines of which a transformation applied.
    pub pipelines: Vec<usize>,
    /// For each new field name the one that the file writes.
    pub renamed: BTreeMap<String, String>,
    /// Placeholders that were filled.
    pub filled: BTreeSet<String>,
    /// The log source as each transformation found it.
    logsources: Vec<LogSource>,
}

impl Pipelines {
    /// Puts pipelines in order: by priority, lower first, then as given. Of equal names among their `vars` the later counts.
    pub fn new(mut list: Vec<Pipeline>) -> Pipelines {
        list.sort_by_key(|p| p.priority);
        let vars = list.iter().flat_map(|p| p.vars.clone()).collect();
        Pipelines { list, vars }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The pipelines in the order of their application.
    pub fn iter(&self) -> impl Iterator<Item = &Pipeline> {
        self.list.iter()
    }

    /// SHA-256 of each file, in order: what a hash over the rules must cover.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|p| p.digest.as_str())
    }

    /// Rewrites one document; what is neither detection, correlation nor filter stays as it is.
    ///
    /// `references` knows the rules that a correlation counts, `file` is where the document stands.
    pub fn transform(&self, document: &Value, references: &References, file: &str) -> Result<Transformed, Fault> {
        let untouched = || Transformed {
            value: document.clone(),
            text: None,
            pipelines: Vec::new(),
            renamed: BTreeMap::new(),
            filled: BTreeSet::new(),
            logsources: Vec::new(),
        };
        let Some(map) = document.as_mapping() else { return Ok(untouched()) };
        let kind = match ["detection", "correlation", "filter"].map(|k| map.contains_key(k)) {
            [true, false, false] => Kind::Detection,
            [false, true, false] => Kind::Correlation,
            [_, false, true] => Kind::Filter,
            _ => return Ok(untouched()),
        };
        transform::transform(self, kind, map, &references.logsources(map, file))
    }
}

/// The rules of a run as correlations name them, with their log sources: what a condition on the log source of a correlation asks.
#[derive(Debug, Default)]
pub struct References {
    entries: Vec<Reference>,
}

#[derive(Debug)]
struct Reference {
    id: Option<String>,
    name: Option<String>,
    title: Option<String>,
    file: String,
    /// Of a correlation: what it counts.
    counts: Vec<String>,
    logsources: Vec<LogSource>,
}

/// Correlations over correlations that are followed.
const MAX_CHAIN: usize = 16;

impl References {
    /// Adds a document of the run.
    pub fn add(&mut self, document: &Value, file: &str, pipelines: &Pipelines) {
        let Some(map) = document.as_mapping() else { return };
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        // A document that a pipeline refuses is named when it is loaded.
        let logsources = match map.contains_key("detection") {
            true => pipelines.transform(document, &References::default(), file).map(|t| t.logsources).unwrap_or_default(),
            false => Vec::new(),
        };
        self.entries.push(Reference { id: text("id"), name: text("name"), title: text("title"), file: file.to_owned(), counts: counted(map), logsources });
    }

    /// The log sources, one list a rule and one entry a transformation, of the rules that a correlation counts.
    fn logsources(&self, correlation: &Mapping, file: &str) -> Vec<&[LogSource]> {
        let mut out = Vec::new();
        let mut open: Vec<(String, String)> = counted(correlation).into_iter().map(|r| (r, file.to_owned())).collect();
        for _ in 0..MAX_CHAIN {
            let mut next = Vec::new();
            for (reference, from) in open {
                for entry in self.find(&reference, &from) {
                    if !entry.logsources.is_empty() {
                        out.push(entry.logsources.as_slice());
                    }
                    next.extend(entry.counts.iter().map(|r| (r.clone(), entry.file.clone())));
                }
            }
            next.sort();
            next.dedup();
            open = next;
        }
        out
    }

    /// As rules are found everywhere: by id before name before title, a title in its own file first.
    fn find(&self, reference: &str, file: &str) -> Vec<&Reference> {
        let same = |t: &Option<String>| t.as_deref() == Some(reference);
        let ways: [&dyn Fn(&Reference) -> bool; 4] =
            [&|e| e.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(reference)), &|e| same(&e.name), &|e| same(&e.title) && e.file == file, &|e| {
                same(&e.title)
            }];
        ways.iter().map(|fits| self.entries.iter().filter(|e| fits(e)).collect::<Vec<_>>()).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

/// The references of a correlation document.
fn counted(map: &Mapping) -> Vec<String> {
    match map.get("correlation").and_then(|c| c.get("rules")) {
        Some(Value::Sequence(items)) => items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}
