//! Which fields the rules of a run ask for, which of them occurred, and what an absent one may be called in the log.

use crate::engine::batch::Batch;
use crate::engine::merge::Merged;
use crate::engine::plans::Plans;
use crate::event::value::fold_case;
use crate::rule::FieldRef;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// A field that rules ask of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldUse {
    /// Index of the source.
    pub source: usize,
    /// The field's name as rules write it (a column's name, or a path of the record).
    pub field: String,
    /// It is an event column or derived from one, not a path of the record.
    pub column: bool,
    /// Indices of the rules that ask for it, ascending.
    pub rules: Vec<usize>,
    /// Some event of the source has it.
    pub seen: bool,
    /// The source's mapping has no expression for this column, so no event can have it.
    pub unmapped: bool,
}

/// The fields of every source that the run read an event of, by source and name.
pub fn field_uses(plans: &Plans<'_>, merged: &Merged) -> Vec<FieldUse> {
    let mut uses: BTreeMap<(usize, String, bool), FieldUse> = BTreeMap::new();
    for plan in plans.made() {
        let source = usize::from(plan.source);
        if merged.by_source.get(source).is_none_or(|n| *n == 0) {
            continue;
        }
        for rule in &plan.rules {
            for &id in &rule.fields {
                let planned = &plan.fields[id as usize];
                let column = !matches!(planned.field, FieldRef::Record(_));
                let (name, seen) = (planned.name(), merged.seen[source].contains(&id));
                let entry = uses.entry((source, name.clone(), column)).or_insert_with(|| FieldUse {
                    source,
                    field: name,
                    column,
                    rules: Vec::new(),
                    seen: false,
                    unmapped: plan.is_unmapped(id),
                });
                // One path may be read as a value by one rule and as JSON by another.
                entry.seen |= seen;
                entry.rules.push(rule.rule as usize);
            }
        }
    }
    let mut out: Vec<FieldUse> = uses.into_values().collect();
    for entry in &mut out {
        entry.rules.sort_unstable();
        entry.rules.dedup();
    }
    out
}

/// Records of each file whose keys are looked at.
const RECORDS: u32 = 50;
/// Most paths kept for a source.
const PATHS: usize = 20_000;
/// Deepest key of a record that is looked at.
const DEPTH: usize = 8;

/// Collects the paths of the first records of each file while a run goes on.
#[derive(Debug, Default)]
pub struct KeySample {
    paths: Mutex<BTreeMap<usize, BTreeSet<String>>>,
}

impl KeySample {
    /// Takes a row's keys, if it is one of the first of its file. Which rows are taken does not depend on threads.
    pub fn take(&self, batch: &Batch<'_>, row: u32, bytes: &[u8]) {
        if batch.records[row as usize] > RECORDS {
            return;
        }
        let (start, end) = batch.spans[row as usize];
        let Ok(record) = serde_json::from_slice::<serde_json::Value>(&bytes[start..end]) else { return };
        let mut all = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = all.entry(batch.plan.source as usize).or_default();
        collect(&record, "", 0, paths);
        // The smallest stay: the same ones in whatever order the records come.
        while paths.len() > PATHS {
            paths.pop_last();
        }
    }

    /// Paths that occur in the source and look like `field`: in another case, in another spelling, or with the same last
    /// part. At most three, the most alike first.
    pub fn similar(&self, source: usize, field: &str) -> Vec<String> {
        let all = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(paths) = all.get(&source) else { return Vec::new() };
        let (folded, bare) = (fold_case(field).into_owned(), spelling(field));
        let last = spelling(field.rsplit('.').next().unwrap_or(field));
        let mut found: Vec<(u8, &String)> = paths
            .iter()
            .filter(|p| p.as_str() != field)
            .filter_map(|p| {
                let rank = if fold_case(p) == folded.as_str() {
                    0
                } else if spelling(p) == bare {
                    1
                } else if last.len() > 2 && spelling(p.rsplit('.').next().unwrap_or(p)) == last {
                    2
                } else {
                    return None;
                };
                Some((rank, p))
            })
            .collect();
        found.sort();
        found.into_iter().take(3).map(|(_, p)| p.clone()).collect()
    }
}

/// A name without case and without what separates its words.
fn spelling(name: &str) -> String {
    fold_case(name).chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).collect()
}

fn collect(value: &serde_json::Value, prefix: &str, depth: usize, out: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) if depth < DEPTH => {
            for (key, inner) in map {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(inner, &path, depth + 1, out);
                out.insert(path);
            }
        }
        serde_json::Value::Array(items) => items.iter().take(RECORDS as usize).for_each(|i| collect(i, prefix, depth, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_field_is_found_under_another_spelling() {
        let mut paths = BTreeSet::new();
        let record = serde_json::json!({"protoPayload": {"methodName": "x", "list": [{"deep_key": 1}]}, "UserName": "y", "user-name": "z", "id": 1});
        collect(&record, "", 0, &mut paths);
        let sample = KeySample { paths: Mutex::new(BTreeMap::from([(0, paths)])) };
        assert_eq!(sample.similar(0, "gcp.audit.method_name"), ["protoPayload.methodName"]);
        assert_eq!(sample.similar(0, "username"), ["UserName", "user-name"]);
        assert_eq!(sample.similar(0, "protopayload.list.deepKey"), ["protoPayload.list.deep_key"]);
        assert!(sample.similar(0, "x.id").is_empty(), "two letters are no likeness");
        assert!(sample.similar(1, "username").is_empty());
    }
}
