//! The fields of some records: where they stand, how often, and with which values.

use crate::source::json;
use crate::source::keys::plain_path_fault;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Most fields that are looked at.
const MAX_FIELDS: usize = 2000;
/// Deepest object that is looked at.
const MAX_DEPTH: usize = 8;
/// Longest path and longest value that are looked at, in bytes.
const MAX_PATH: usize = 200;
const MAX_VALUE: usize = 2000;

/// A field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its path.
    pub path: String,
    /// Place among the fields of the first record that has it.
    pub order: usize,
    /// Records that have it, null or not.
    pub there: usize,
    /// The first text, number or boolean of each record that has one.
    pub values: Vec<String>,
    /// Some of them are numbers or booleans of JSON.
    pub typed: bool,
    /// Some record has several values.
    pub several: bool,
}

/// All fields.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// In the order of the records.
    pub all: Vec<Field>,
    /// Number of records.
    pub records: usize,
}

impl Fields {
    /// Collects the fields; those of `without` are left out.
    pub fn of(records: &[Json], without: &BTreeSet<String>) -> Fields {
        let mut index: BTreeMap<String, usize> = BTreeMap::new();
        let mut out = Fields { all: Vec::new(), records: records.len() };
        for record in records {
            let mut seen: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
            let mut order = Vec::new();
            collect(record, "", 0, &mut seen, &mut order);
            for path in order {
                let values = seen.remove(&path).unwrap_or_default();
                let is_name = plain_path_fault(&path).is_none() && !path.starts_with('$') && path.len() <= MAX_PATH;
                if !is_name || without.contains(&path) || (out.all.len() >= MAX_FIELDS && !index.contains_key(&path)) {
                    continue;
                }
                let at = *index.entry(path.clone()).or_insert_with(|| {
                    out.all.push(Field { path, order: out.all.len(), there: 0, values: Vec::new(), typed: false, several: false });
                    out.all.len() - 1
                });
                let field = &mut out.all[at];
                field.there += 1;
                field.several |= values.len() > 1;
                let text = values.iter().find_map(|v| match v {
                    Json::String(s) if !s.trim().is_empty() && s.len() <= MAX_VALUE => Some((s.clone(), false)),
                    Json::Number(n) => Some((n.to_string(), true)),
                    Json::Bool(b) => Some((b.to_string(), true)),
                    _ => None,
                });
                if let Some((text, typed)) = text {
                    field.typed |= typed;
                    field.values.push(text);
                }
            }
        }
        out
    }

    /// The values of a field, most frequent first.
    pub fn counts(&self, path: &str) -> Vec<(String, usize)> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for value in self.all.iter().filter(|f| f.path == path).flat_map(|f| &f.values) {
            *counts.entry(value).or_default() += 1;
        }
        let mut out: Vec<(String, usize)> = counts.into_iter().map(|(v, n)| (v.to_owned(), n)).collect();
        out.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        out
    }
}

impl Field {
    /// Share of the values for which something holds.
    pub fn share(&self, holds: impl Fn(&str) -> bool) -> f64 {
        if self.values.is_empty() {
            return 0.0;
        }
        self.values.iter().filter(|v| holds(v)).count() as f64 / self.values.len() as f64
    }

    /// Different values.
    pub fn distinct(&self) -> BTreeSet<&str> {
        self.values.iter().map(String::as_str).collect()
    }

    /// The last key of the path.
    pub fn last(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }
}

fn collect<'j>(value: &'j Json, prefix: &str, depth: usize, out: &mut BTreeMap<String, Vec<&'j Json>>, order: &mut Vec<String>) {
    match value {
        Json::Object(map) if depth < MAX_DEPTH => {
            for (key, inner) in map {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(inner, &path, depth + 1, out, order);
            }
        }
        Json::Array(items) if depth < MAX_DEPTH => items.iter().take(50).for_each(|i| collect(i, prefix, depth + 1, out, order)),
        Json::Object(_) | Json::Array(_) => {}
        scalar => {
            let known = out.entry(prefix.to_owned()).or_default();
            if known.is_empty() {
                order.push(prefix.to_owned());
            }
            if known.len() < 2 {
                known.push(scalar);
            }
        }
    }
}

/// Keys that stand twice in a record: which of the values counts is anybody's guess.
pub(super) fn repeated_keys(records: &[String]) -> BTreeSet<String> {
    let mut twice = BTreeSet::new();
    for record in records.iter().take(super::MAX_RECORDS) {
        let mut seen = BTreeSet::new();
        for (key, _) in json::entries(record) {
            if !seen.insert(key.clone()) {
                twice.insert(key.into_owned());
            }
        }
    }
    twice
}

/// Where a few records hold many objects in an array: its path, and a record for each of its elements.
pub(super) fn list_of_events(records: &[Json]) -> Option<(String, Vec<Json>)> {
    let mut arrays: BTreeMap<String, usize> = BTreeMap::new();
    records.iter().for_each(|r| lists(r, "", 0, &mut arrays));
    let (path, elements) = arrays.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
    if elements < 2 || elements < records.len() * 5 && records.len() > 1 || plain_path_fault(&path).is_some() {
        return None;
    }
    let mut out = Vec::new();
    for record in records {
        let Some(Json::Array(items)) = path.split('.').try_fold(record, |at, key| at.get(key)) else { continue };
        for item in items.iter().filter(|i| i.is_object()).take(super::MAX_RECORDS - out.len().min(super::MAX_RECORDS)) {
            let mut copy = record.clone();
            if let Some(place) = path.split('.').try_fold(&mut copy, |at, key| at.get_mut(key)) {
                *place = item.clone();
            }
            out.push(copy);
        }
    }
    Some((path, out))
}

fn lists(value: &Json, prefix: &str, depth: usize, out: &mut BTreeMap<String, usize>) {
    let Json::Object(map) = value else { return };
    for (key, inner) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match inner {
            Json::Array(items) if out.len() < 100 && items.iter().all(Json::is_object) => *out.entry(path).or_default() += items.len(),
            Json::Object(_) if depth < 4 => lists(inner, &path, depth + 1, out),
            _ => {}
        }
    }
}

/// The words of a name: `createdAt`, `created_at` and `Created At` are created, at.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    let chars: Vec<char> = name.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let after = chars.get(i + 1);
        // `userID` is user, id; `IPAddress` is ip, address.
        let begins = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || before.is_some_and(char::is_uppercase) && after.is_some_and(|a| a.is_lowercase()));
        if (!c.is_alphanumeric() || begins) && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for name in ["createdAt", "created_at", "Created At", "created-at", "CREATED.AT"] {
            assert_eq!(words(name), ["created", "at"], "{name}");
        }
        assert_eq!(words("sourceIPAddress"), ["source", "ip", "address"]);
        assert_eq!(words("userID"), ["user", "id"]);
        assert!(words("***").is_empty());
    }

    #[test]
    fn keys_that_stand_twice_are_left_out() {
        let twice = repeated_keys(&[r#"{"a":1,"b":2,"a":3}"#.into()]);
        assert_eq!(twice.into_iter().collect::<Vec<_>>(), ["a"]);
    }
}
