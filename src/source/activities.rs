//! The common language: the activities that mappings may give, and what each vendor calls them.

use crate::diag::UserError;
use crate::event::CATEGORIES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use yaml_serde::Value;

/// What `activities.yml` says of one activity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Its category.
    pub category: String,
    /// Other categories that an event of it may have, by what it was done to.
    #[serde(default)]
    pub also: Vec<String>,
    /// What happened, in a few words; names of one vendor's own objects need none.
    pub meaning: Option<String>,
}

impl Activity {
    /// Every category that an event of it may have, the usual one first.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.category).chain(&self.also).map(String::as_str)
    }
}

/// All activities by name.
#[derive(Debug, Clone, Default)]
pub struct Activities(pub BTreeMap<String, Activity>);

impl Activities {
    /// Reads the list.
    pub fn parse(text: &str, file: &str) -> Result<Activities, UserError> {
        let list: BTreeMap<String, Activity> = yaml_serde::from_str(text)
            .map_err(|e| UserError::new(format!("{file}: {e}")).help("each activity is written as `object.what_happened: {category: ..., meaning: ...}`"))?;
        let unknown = |a: &Activity| a.categories().find(|c| !CATEGORIES.contains(c)).map(str::to_owned);
        if let Some((name, category)) = list.iter().find_map(|(name, a)| Some((name, unknown(a)?))) {
            return Err(UserError::new(format!("{file}: {name}: `{category}` is not a category")).help(format!("categories are {}", CATEGORIES.join(", "))));
        }
        Ok(Activities(list))
    }
}

/// A vendor's name that a mapping gives an activity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VendorName {
    /// Id of the source.
    pub source: String,
    /// The name, or the selection of a pattern.
    pub name: String,
    /// Only where a condition holds as well.
    pub conditional: bool,
    /// A pattern, not a name.
    pub pattern: bool,
}

/// One line of the common language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The activity.
    pub activity: String,
    /// Its category; null for one that the list does not have.
    pub category: Option<String>,
    /// Its meaning.
    pub meaning: Option<String>,
    /// What maps to it, by source and name.
    pub names: Vec<VendorName>,
}

/// Every activity with what maps to it in the mappings given as (id, text); those that only a mapping has come too.
pub fn table(activities: &Activities, mappings: &[(String, String)]) -> Vec<Entry> {
    let mut names: BTreeMap<String, Vec<VendorName>> = BTreeMap::new();
    for (id, text) in mappings {
        let Ok(document) = yaml_serde::from_str::<Value>(text) else { continue };
        let Some(section) = document.get("activity") else { continue };
        let mut add = |entry: &Value, name: String, pattern: bool| {
            if let Some(activity) = entry.get("activity").and_then(Value::as_str) {
                let conditional = !pattern && entry.get("when").is_some();
                names.entry(activity.to_owned()).or_default().push(VendorName { source: id.clone(), name, conditional, pattern });
            }
        };
        if let Some(Value::Mapping(map)) = section.get("map") {
            for (name, entries) in map {
                let Some(name) = scalar(name) else { continue };
                match entries {
                    Value::Sequence(list) => list.iter().for_each(|e| add(e, name.clone(), false)),
                    one => add(one, name, false),
                }
            }
        }
        if let Some(Value::Sequence(patterns)) = section.get("patterns") {
            for p in patterns {
                let when = p.get("when").and_then(|w| serde_json::to_string(w).ok()).unwrap_or_default();
                add(p, when, true);
            }
        }
    }
    let mut all: BTreeMap<String, Entry> = activities
        .0
        .iter()
        .map(|(name, a)| (name.clone(), Entry { activity: name.clone(), category: Some(a.category.clone()), meaning: a.meaning.clone(), names: Vec::new() }))
        .collect();
    for (activity, mut list) in names {
        list.sort();
        list.dedup();
        let empty = || Entry { activity: activity.clone(), category: None, meaning: None, names: Vec::new() };
        all.entry(activity.clone()).or_insert_with(empty).names = list;
    }
    all.into_values().collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_names_stand_beside_the_activity() {
        let list = Activities::parse("user.login: {category: authentication, meaning: A user logged in}\nx.y: {category: iam}\n", "a.yml").expect("a list");
        let mapping = "activity:\n  map:\n    signin: {activity: user.login}\n    7: [{when: {$status: failed}, activity: user.login}, {activity: own.name}]\n  patterns: [{when: {$action|startswith: x}, activity: x.y}]\n";
        let entries = table(&list, &[("v".into(), mapping.into())]);
        let names: Vec<&str> = entries.iter().map(|e| e.activity.as_str()).collect();
        assert_eq!(names, ["own.name", "user.login", "x.y"]);
        assert_eq!(entries[0].category, None);
        assert_eq!(entries[1].names.iter().map(|n| (n.name.as_str(), n.conditional)).collect::<Vec<_>>(), [("7", true), ("signin", false)]);
        assert!(entries[2].names[0].pattern);
        assert!(Activities::parse("a.b: {category: nope}\n", "a.yml").is_err());
    }
}
