//! Site variables: named lists that rules refer to, and thresholds that a site changes.

use super::calendar::{Calendar, CalendarDocument};
use super::lists::Entries;
use crate::diag::UserError;
use crate::event::time::{format_duration, parse_duration};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A site's change of a correlation rule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Replaces the rule's `gte` (or `gt`) limit.
    pub gte: Option<f64>,
    /// Replaces the rule's `timespan`.
    pub timespan: Option<String>,
}

/// `vars.yml`: lists, thresholds and the calendar.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vars {
    /// When the site works; `None` where it has not said so.
    #[serde(deserialize_with = "calendar")]
    pub calendar: Option<Calendar>,
    /// Named lists; `null` means not set, which is not the same as empty.
    pub lists: BTreeMap<String, Option<Vec<String>>>,
    /// By rule name.
    pub thresholds: BTreeMap<String, Threshold>,
    /// For lists from files of their own: file and 1-based line of each entry.
    #[serde(skip)]
    pub places: BTreeMap<String, Vec<(Arc<str>, u32)>>,
}

fn calendar<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Calendar>, D::Error> {
    let document = Option::<CalendarDocument>::deserialize(from)?;
    document.map(|d| d.read().map_err(|e| serde::de::Error::custom(format!("calendar.{e}")))).transpose()
}

impl Vars {
    /// Parses a variables file.
    pub fn parse(text: &str, file: &str) -> Result<Vars, UserError> {
        let vars: Vars = yaml_serde::from_str(text).map_err(|e| {
            UserError::new(format!("{file}: {e}")).help("a variables file has `lists:` (name: [values]), `thresholds:` (rule name: {gte: N, timespan: 10m}) and `calendar:` (hours, days, zone, holidays)")
        })?;
        for (rule, t) in &vars.thresholds {
            if let Some(span) = &t.timespan
                && parse_duration(span).is_none()
            {
                return Err(UserError::new(format!("{file}: thresholds.{rule}.timespan: `{span}` is not a duration"))
                    .help("write a number and s, m, h, d or w, such as 10m"));
            }
        }
        Ok(vars)
    }

    /// Takes every list and threshold of `other` in place of its own.
    pub fn override_with(&mut self, other: Vars) {
        other.lists.keys().for_each(|name| drop(self.places.remove(name)));
        self.lists.extend(other.lists);
        self.thresholds.extend(other.thresholds);
        self.calendar = other.calendar.or_else(|| self.calendar.take());
    }

    /// Puts entries, each with its line of the file, in the place of the list of that name.
    pub fn set_list(&mut self, name: &str, entries: Entries, file: &str) {
        self.lists.remove(name);
        self.places.remove(name);
        self.add_to_list(name, entries, file);
    }

    /// Adds entries of another file to a list.
    pub fn add_to_list(&mut self, name: &str, entries: Entries, file: &str) {
        let file: Arc<str> = file.into();
        let list = self.lists.entry(name.to_owned()).or_default().get_or_insert_default();
        let places = self.places.entry(name.to_owned()).or_default();
        // Entries that came from elsewhere have no place.
        places.resize(list.len(), ("".into(), 0));
        for (line, entry) in entries {
            list.push(entry);
            places.push((file.clone(), line));
        }
    }

    /// Where an entry of a list stands, as `FILE:LINE`, if it has a file of its own.
    pub fn place(&self, name: &str, index: usize) -> Option<String> {
        self.places.get(name)?.get(index).filter(|(_, line)| *line > 0).map(|(file, line)| format!("{file}:{line}"))
    }

    /// Whether a reason names a place in the file of a list.
    pub fn is_at_fault(&self, reason: &str) -> bool {
        let mut files: Vec<&str> = self.places.values().flatten().map(|(file, _)| file.as_ref()).filter(|f| !f.is_empty()).collect();
        files.dedup();
        files.iter().any(|file| reason.match_indices(file).any(|(at, _)| reason[at + file.len()..].starts_with(':')))
    }

    /// A set list.
    pub fn list(&self, name: &str) -> Option<&[String]> {
        self.lists.get(name).and_then(|l| l.as_deref())
    }
}

/// In what a site's threshold is weaker than the rule's own, in words; `None` when it is not.
pub fn weaker_than(own_limit: f64, own_span: i64, limit: f64, span: i64) -> Option<String> {
    let mut parts = Vec::new();
    if limit > own_limit {
        parts.push(format!("{limit} instead of {own_limit}"));
    }
    if span < own_span {
        parts.push(format!("{} instead of {}", format_duration(span), format_duration(own_span)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
