//! Rules: documents become compiled detections and correlations.

pub mod behaviour;
pub mod calendar;
pub mod correlation;
pub mod detection;
pub mod link;
pub mod lint;
pub mod lists;
pub mod load;
pub mod matcher;
pub mod meta;
pub mod pipeline;
pub mod schema;
pub mod sigma;
pub mod vars;

use crate::event::Column;
use crate::event::derived::Derived;
use behaviour::Behaviour;
use correlation::Correlation;
use detection::{Condition, Detection};
use meta::{LogSource, RuleMeta};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Field names of a rule: whose vocabulary they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Taxonomy {
    /// The vendor's record.
    Vendor,
    /// The event columns and the fields derived from them (`taxonomy: auditmill`); `raw.a.b` reaches the record.
    Columns,
}

/// A field as a rule means it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldRef {
    /// A path in the vendor's record.
    Record(String),
    /// An event column.
    Column(Column),
    /// A field derived from event columns.
    Derived(Derived),
}

impl Taxonomy {
    /// What a field name means; an unknown column is an error text.
    pub fn resolve(self, field: &str) -> Result<FieldRef, String> {
        match self {
            Taxonomy::Vendor => Ok(FieldRef::Record(field.to_owned())),
            Taxonomy::Columns => match field.strip_prefix("raw.") {
                Some(path) => Ok(FieldRef::Record(path.to_owned())),
                None => {
                    let column = field.parse().map(FieldRef::Column);
                    column.or_else(|()| field.parse().map(FieldRef::Derived)).map_err(|()| format!("`{field}` is not an event column"))
                }
            },
        }
    }
}

/// The names that a field of a rule over event columns can have, `raw.` paths left out.
pub fn column_field_names() -> impl Iterator<Item = &'static str> {
    Column::ALL.iter().map(|c| c.name()).chain(Derived::ALL.iter().map(|d| d.name()))
}

impl std::fmt::Display for FieldRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FieldRef::Record(path) => f.write_str(path),
            FieldRef::Column(column) => write!(f, "{column}"),
            FieldRef::Derived(derived) => write!(f, "{derived}"),
        }
    }
}

/// A Sigma detection rule.
#[derive(Debug, Clone)]
pub struct DetectionRule {
    /// Whose field names it uses.
    pub taxonomy: Taxonomy,
    /// Which sources it is for.
    pub logsource: LogSource,
    /// Named selections.
    pub selections: BTreeMap<String, Detection>,
    /// The conditions, joined by OR.
    pub condition: Condition,
    /// What filter documents add: each must hold too.
    pub filters: Vec<Arc<Narrowing>>,
}

/// Selections and condition of a filter document; they stand by themselves, apart from the rule's.
#[derive(Debug)]
pub struct Narrowing {
    /// Title of the filter.
    pub title: String,
    /// Whose field names it uses.
    pub taxonomy: Taxonomy,
    /// Named selections.
    pub selections: BTreeMap<String, Detection>,
    /// The conditions, joined by OR.
    pub condition: Condition,
}

/// Which rules a filter narrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterTarget {
    /// Every detection whose logsource fits (`rules: any`).
    Any,
    /// These, by id, name or title.
    Rules(Vec<String>),
}

/// A Sigma filter document.
#[derive(Debug, Clone)]
pub struct Filter {
    /// What it says about itself.
    pub meta: RuleMeta,
    /// Which rules it may narrow.
    pub logsource: LogSource,
    /// Which rules it names.
    pub target: FilterTarget,
    /// What it adds to them.
    pub narrowing: Arc<Narrowing>,
    /// Ids of the rules that it was added to.
    pub applied_to: Vec<String>,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub enum Body {
    /// Matches single events.
    Detection(DetectionRule),
    /// Counts matches of other rules in windows.
    Correlation(Correlation),
    /// Holds matches of detections against what was seen before.
    Behaviour(Behaviour),
}

/// A loaded rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its description, level, tags and where it stands.
    pub meta: RuleMeta,
    /// What it does.
    pub body: Body,
}

impl Body {
    /// What a document of the kind is called.
    pub fn kind(&self) -> &'static str {
        match self {
            Body::Detection(_) => "detection",
            Body::Correlation(_) => "correlation",
            Body::Behaviour(_) => "behaviour",
        }
    }
}

impl DetectionRule {
    /// Every field that the rule names, resolved.
    pub fn fields(&self) -> Result<Vec<FieldRef>, String> {
        let mut names: Vec<&str> = Vec::new();
        self.selections.values().for_each(|d| d.visit_fields(&mut |f| names.push(f)));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|n| self.taxonomy.resolve(n)).collect()
    }
}
