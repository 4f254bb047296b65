//! `ReportContext` v1: everything that a compliance template may see. Every key is always there; null is unknown.

use crate::finding::completeness::Coverage;
use serde::Serialize;
use std::collections::BTreeMap;

/// The context of the compliance template.
#[derive(Debug, Serialize)]
pub struct ReportContext {
    pub title: String,
    pub version: String,
    pub command: String,
    pub generated_from: String,
    pub rules_hash: String,
    pub pipelines: Vec<PipelineContext>,
    pub filters: Vec<FilterContext>,
    pub zone: String,
    pub period: Option<PeriodContext>,
    pub span: SpanContext,
    pub inputs: InputsContext,
    pub files: Vec<FileContext>,
    pub coverage: Coverage,
    pub conflicts: Vec<ConflictContext>,
    pub levels: Vec<LevelContext>,
    pub summary: SummaryContext,
    pub findings: Vec<FindingContext>,
    pub findings_csv: String,
    pub rules: RulesContext,
    pub waiting: Vec<String>,
    pub tables: Vec<TableContext>,
    pub charts: ChartsContext,
    pub unusual: UnusualContext,
    pub limits: Vec<String>,
}

/// A filter document: matches of these rules are left out by it.
#[derive(Debug, Serialize)]
pub struct FilterContext {
    pub title: String,
    pub file: String,
    pub hash: String,
    pub description: String,
    pub rules: Vec<String>,
}

/// A pipeline that rules went through, in the order of application.
#[derive(Debug, Serialize)]
pub struct PipelineContext {
    pub name: String,
    pub file: String,
    pub hash: String,
    pub rules: usize,
}

/// The asked period.
#[derive(Debug, Serialize)]
pub struct PeriodContext {
    pub label: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub from_local: Option<String>,
    pub to_local: Option<String>,
    pub days: i64,
    pub days_with_events: usize,
    pub share_percent: f64,
    pub first_event: Option<String>,
    pub last_event: Option<String>,
}

/// First and last event of all input.
#[derive(Debug, Serialize)]
pub struct SpanContext {
    pub first: Option<String>,
    pub last: Option<String>,
}

/// Counts over all files.
#[derive(Debug, Serialize)]
pub struct InputsContext {
    pub files: usize,
    pub read: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub in_period: u64,
    pub outside_period: u64,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct FileContext {
    pub name: String,
    pub source: Option<String>,
    pub mapping_hash: Option<String>,
    pub read: u64,
    pub accepted: u64,
    pub rejected: u64,
    pub duplicates: u64,
    pub first: Option<String>,
    pub last: Option<String>,
    pub note: Option<String>,
    pub reasons: Vec<ReasonContext>,
    pub more_reasons: u64,
}

/// One reject.
#[derive(Debug, Serialize)]
pub struct ReasonContext {
    pub record: Option<u32>,
    pub reason: String,
}

/// The same id with other content.
#[derive(Debug, Serialize)]
pub struct ConflictContext {
    pub event_id: String,
    pub places: Vec<String>,
}

/// Findings of one level.
#[derive(Debug, Serialize)]
pub struct LevelContext {
    pub level: &'static str,
    pub findings: usize,
    pub events: usize,
}

/// The executive summary's numbers.
#[derive(Debug, Serialize)]
pub struct SummaryContext {
    pub findings: usize,
    pub rules_hit: usize,
    pub rules_ran: usize,
    pub users: usize,
    pub events: u64,
    pub failed: u64,
    pub success: u64,
    pub unknown: u64,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingContext {
    pub id: String,
    pub anchor: String,
    pub rule_id: String,
    pub rule_title: String,
    pub rule_name: Option<String>,
    pub level: &'static str,
    pub role: &'static str,
    pub description: String,
    pub falsepositives: Vec<String>,
    pub controls: Vec<String>,
    pub entity: Vec<EntityContext>,
    /// What databases say of the addresses, one a line.
    pub addresses: Vec<String>,
    pub more_addresses: usize,
    pub first: String,
    pub last: String,
    pub first_local: String,
    pub last_local: String,
    /// What a behaviour rule saw, in a few words; empty for other rules.
    pub facts: String,
    pub count: usize,
    pub events: Vec<EventContext>,
    pub shown: usize,
    pub more: usize,
}

/// A part of a finding's entity.
#[derive(Debug, Serialize)]
pub struct EntityContext {
    pub field: String,
    pub value: String,
}

/// One piece of evidence.
#[derive(Debug, Serialize)]
pub struct EventContext {
    pub time: String,
    pub time_local: String,
    pub user: Option<String>,
    pub action: Option<String>,
    pub resource: Option<String>,
    pub ip: Option<String>,
    pub status: Option<String>,
    pub event_id: Option<String>,
    pub file: String,
    pub record: u32,
}

/// Every rule in exactly one list.
#[derive(Debug, Default, Serialize)]
pub struct RulesContext {
    pub ran: Vec<RanContext>,
    pub could_not_match: Vec<StateContext>,
    pub not_applicable: Vec<StateContext>,
    pub skipped: Vec<SkippedContext>,
    pub problems: Vec<ProblemContext>,
}

/// A rule that ran.
#[derive(Debug, Serialize)]
pub struct RanContext {
    pub title: String,
    pub id: String,
    pub name: Option<String>,
    pub level: &'static str,
    pub role: &'static str,
    pub hits: u64,
    pub findings: usize,
    pub file: String,
    pub threshold: Option<String>,
    pub weakened: Option<String>,
}

/// A rule that could not run here.
#[derive(Debug, Serialize)]
pub struct StateContext {
    pub title: String,
    pub level: &'static str,
    pub role: &'static str,
    pub reason: String,
}

/// A rule that was skipped.
#[derive(Debug, Serialize)]
pub struct SkippedContext {
    pub title: String,
    pub reason: String,
}

/// A document that did not load.
#[derive(Debug, Serialize)]
pub struct ProblemContext {
    pub file: String,
    pub line: usize,
    pub reason: String,
    pub help: Option<String>,
}

/// A population table; counts also where they are zero.
#[derive(Debug, Serialize)]
pub struct TableContext {
    pub id: &'static str,
    pub title: &'static str,
    pub about: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<CellContext>>,
    pub total: usize,
    pub shown: usize,
    pub empty: String,
    pub assessable: bool,
    pub why_not: Option<String>,
}

/// Text or a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum CellContext {
    Number(u64),
    Text(String),
}

/// Data of the charts.
#[derive(Debug, Serialize)]
pub struct ChartsContext {
    pub per_day: Vec<DayContext>,
    pub heat: HeatContext,
}

/// Events of one day (or month, in long periods) by outcome.
#[derive(Debug, Default, Serialize)]
pub struct DayContext {
    pub day: String,
    pub success: u64,
    pub failed: u64,
    pub unknown: u64,
}

/// Events by weekday and hour.
#[derive(Debug, Serialize)]
pub struct HeatContext {
    pub rows: Vec<WeekdayContext>,
    pub max: u64,
    pub zone: String,
}

/// One weekday.
#[derive(Debug, Serialize)]
pub struct WeekdayContext {
    pub weekday: &'static str,
    pub hours: Vec<u64>,
}

/// Counts by a key, most first, then by key.
pub fn by_count<K: Ord + Clone>(counts: &BTreeMap<K, u64>) -> Vec<(K, u64)> {
    let mut list: Vec<(K, u64)> = counts.iter().map(|(k, n)| (k.clone(), *n)).collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}

/// What is unusual: tables, and a drawing of the users to look at first.
#[derive(Debug, Serialize)]
pub struct UnusualContext {
    /// How scores are made, in words.
    pub formula: &'static str,
    pub tables: Vec<TableContext>,
    pub strip: StripContext,
}

/// A drawing with one lane for each user; all measures are in its own units.
#[derive(Debug, Serialize)]
pub struct StripContext {
    pub width: f64,
    pub height: f64,
    /// Where the time axis begins.
    pub labels: f64,
    pub from: String,
    pub to: String,
    /// Users that findings name: there are lanes for those with the highest scores.
    pub users: usize,
    pub lanes: Vec<LaneContext>,
}

/// One user's time.
#[derive(Debug, Serialize)]
pub struct LaneContext {
    pub y: f64,
    pub name: String,
    pub short: String,
    pub score: String,
    pub ticks: Vec<TickContext>,
    pub marks: Vec<MarkContext>,
}

/// Ordinary events of a stretch of time.
#[derive(Debug, Serialize)]
pub struct TickContext {
    pub x: f64,
    pub height: f64,
}

/// A finding, or several that lie closer than the drawing can tell: the highest level gives the shape.
#[derive(Debug, Clone, Serialize)]
pub struct MarkContext {
    pub x: f64,
    pub level: &'static str,
    pub anchor: String,
    pub findings: usize,
    pub title: String,
}
