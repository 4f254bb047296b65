//! Site variables: named lists that rules refer to, and thresholds that a site changes.

use super::calendar::{Calendar, CalendarDocument};
use crate::diag::UserError;
use crate::event::time::{format_duration, parse_duration};
use serde::Deserialize;
use std::collections::BTreeMap;

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
        self.lists.extend(other.lists);
        self.thresholds.extend(other.thresholds);
        self.calendar = other.calendar.or_else(|| self.calendar.take());
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
