//! A mapping file as it is written (`sources/README.md`).

use crate::source::names::{LogSourceSpec, Paths};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub id: String,
    pub title: String,
    pub(in crate::source) logsource: Vec<LogSourceSpec>,
    #[serde(default)]
    pub(in crate::source) aliases: BTreeMap<String, Paths>,
    pub detect: Vec<DetectSpec>,
    #[serde(default)]
    pub containers: Vec<String>,
    #[serde(default)]
    pub json_text: Vec<String>,
    pub each: Option<String>,
    pub time: TimesSpec,
    pub columns: BTreeMap<String, ExprSpec>,
    pub activity: Option<ActivitySpec>,
    pub retention: Option<String>,
    pub delivery_lag: Option<String>,
    #[serde(default)]
    pub export_limits: Vec<u64>,
    #[serde(default)]
    pub classes: Vec<ClassSpec>,
    // Part of the language, and read apart: see `Mapping::tests`.
    #[serde(default, rename = "tests")]
    _tests: serde::de::IgnoredAny,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectSpec {
    #[serde(default)]
    pub has: Vec<String>,
    #[serde(default)]
    pub without: Vec<String>,
    #[serde(rename = "where")]
    pub selection: Option<yaml_serde::Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum TimesSpec {
    List(Vec<TimeSpec>),
    Zoned(ZonedTimes),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonedTimes {
    pub first: Vec<TimeSpec>,
    pub zone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum TimeSpec {
    Path(String),
    Full(FullTime),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullTime {
    pub path: String,
    pub capture: Option<String>,
    pub format: Option<String>,
    pub zone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum ExprSpec {
    Path(String),
    First(Vec<ExprSpec>),
    Full(Box<FullSpec>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FullSpec {
    pub path: Option<String>,
    pub first: Option<Vec<ExprSpec>>,
    #[serde(rename = "const")]
    pub constant: Option<String>,
    pub json: Option<String>,
    pub template: Option<String>,
    pub column: Option<String>,
    pub cases: Option<Vec<CaseSpec>>,
    pub skip: Vec<String>,
    pub null_if: Vec<String>,
    pub capture: Option<String>,
    #[serde(rename = "as")]
    pub convert: Option<OneOrMany<super::expr::Convert>>,
    pub map: Option<BTreeMap<String, String>>,
    pub default: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseSpec {
    pub when: yaml_serde::Value,
    pub then: ExprSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivitySpec {
    pub key: String,
    #[serde(default)]
    pub map: BTreeMap<String, OneOrMany<ActivityEntry>>,
    #[serde(default)]
    pub patterns: Vec<ActivityEntry>,
    pub default_category: Option<String>,
}

/// One value or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> OneOrMany<T> {
    pub fn list(&self) -> &[T] {
        match self {
            OneOrMany::Many(many) => many,
            OneOrMany::One(one) => std::slice::from_ref(one),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityEntry {
    pub when: Option<yaml_serde::Value>,
    pub activity: Option<String>,
    pub category: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSpec {
    pub id: String,
    pub title: String,
    pub when: yaml_serde::Value,
    #[serde(default)]
    pub activities: Vec<String>,
    #[serde(default)]
    pub actions: Vec<String>,
}
