//! A whole scan: inputs, rules and sources in, findings and their counts out.

use super::coverage::{FieldUse, field_uses};
use super::{Finding, MAX_BURST, QUIET, RECORD_LONGEST, RECORD_QUIET, bursts};
use crate::diag::{Reject, UserError};
use crate::engine::correlate::{Base, correlate};
use crate::engine::merge::{EventRows, Merged, merge};
use crate::engine::plan::{Routing, SourcePlan, route};
use crate::engine::run::{Keep, Render, Spec, run};
use crate::event::Column;
use crate::event::Outcome;
use crate::event::time::{SECOND, format_time};
use crate::rule::correlation::CorrelationKind;
use crate::rule::load::RuleSet;
use crate::rule::meta::Level;
use crate::rule::{Body, FieldRef, Taxonomy};
use crate::source::SourceSet;
use crate::source::discover::Discovered;
use std::collections::{BTreeMap, BTreeSet};

/// A stretch of time: from the start on, up to and without the end. UTC microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First instant inside.
    pub from: Option<i64>,
    /// First instant after.
    pub to: Option<i64>,
}

impl Period {
    /// No limits.
    pub const ALL: Period = Period { from: None, to: None };

    /// Whether an instant lies inside.
    pub fn contains(&self, time: i64) -> bool {
        self.from.is_none_or(|f| time >= f) && self.to.is_none_or(|t| time < t)
    }
}

/// Where the period of a scan begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// A fixed period.
    Fixed(Period),
    /// This many microseconds before the newest event, or before the given instant.
    Last(i64, Option<i64>),
}

/// What to scan and how.
pub struct ScanRequest<'a, 'c> {
    /// Inputs.
    pub found: Discovered,
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Rules.
    pub rules: &'a RuleSet,
    /// Columns kept for kept rows, beside those that findings need.
    pub columns: &'c [Column],
    /// Which rows are kept.
    pub keep: Keep,
    /// Period.
    pub window: Window,
    /// Workers.
    pub threads: usize,
    /// Renders every accepted row.
    pub render: Option<Render<'c>>,
    /// Told after each file.
    pub progress: &'c (dyn Fn(usize) + Sync),
}

/// The one state that a rule of a run ends in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleState {
    /// It could have hit.
    Ran,
    /// Fields that no event of the run has.
    CouldNotMatch(Vec<String>),
    /// No source of the run is meant by it, or the run read no event of such a source.
    NotApplicable(String),
    /// It needs something that is not set.
    NotAssessable(String),
}

/// One file of a run.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// Name.
    pub name: String,
    /// Index of the source.
    pub source: Option<u8>,
    /// Records read, rejected, duplicate; accepted is the rest.
    pub read: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Exact duplicates of an event elsewhere.
    pub duplicates: u64,
    /// First and last event.
    pub span: Option<(i64, i64)>,
    /// Reasons: record and text.
    pub reasons: Vec<(Option<u32>, String)>,
    /// Reasons beyond those listed.
    pub more_reasons: u64,
    /// Holds no log, without being a fault.
    pub not_a_log: bool,
    /// Some of it could not be read.
    pub faulty: bool,
}

impl FileReport {
    /// Accepted records.
    pub fn accepted(&self) -> u64 {
        self.read - self.rejected - self.duplicates
    }
}

/// Counts over all files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Totals {
    /// Records read.
    pub read: u64,
    /// Records accepted.
    pub accepted: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Exact duplicates.
    pub duplicates: u64,
}

/// The result of a scan.
pub struct Scan<'a> {
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Rules.
    pub rules: &'a RuleSet,
    /// Files, sorted by name; those that could not be opened too.
    pub files: Vec<FileReport>,
    /// Rejects of no file: folders and links.
    pub rejects: Vec<Reject>,
    /// Totals.
    pub totals: Totals,
    /// Kept rows.
    pub rows: EventRows,
    /// Retained fields, as indices into the rows' columns.
    pub retained: Vec<FieldRef>,
    /// Matches in the period: (rule, row), by time, then rule.
    pub matches: Vec<(u32, u32)>,
    /// Findings, most severe first, then by time.
    pub findings: Vec<Finding>,
    /// State of each rule.
    pub states: Vec<RuleState>,
    /// Matches of each rule in the period.
    pub hits: Vec<u64>,
    /// Events left out of each correlation because every group-by value is null.
    pub ungrouped: Vec<u64>,
    /// Findings of base rules that a correlation stands for.
    pub hidden: u64,
    /// Events of the period by quarter of an hour (UTC microseconds of its start) and outcome.
    pub quarters: BTreeMap<(i64, Outcome), u64>,
    /// First and last event inside the period, UTC microseconds.
    pub period_span: Option<(i64, i64)>,
    /// Conflicts: places of the same id with other content.
    pub conflicts: Vec<crate::engine::merge::Conflict>,
    /// Number of conflicts.
    pub conflict_count: u64,
    /// Accepted events by source.
    pub by_source: Vec<u64>,
    /// Which fields the rules ask for, and whether they occurred, by source.
    pub field_uses: Vec<FieldUse>,
    /// The period that was judged.
    pub period: Period,
    /// Rendered rows.
    pub spooled: Vec<crate::engine::run::Spooled>,
    /// Their spools.
    pub spools: Vec<Option<std::fs::File>>,
}

/// Fifteen minutes: every zone's days begin at a multiple of it. Microseconds.
const QUARTER: i64 = 900 * SECOND;

/// Columns that a finding's entity and evidence need.
const FINDING_COLUMNS: [Column; 2] = [Column::User, Column::Resource];

/// Runs a scan.
pub fn scan<'a>(request: ScanRequest<'a, '_>) -> Result<Scan<'a>, UserError> {
    let retained = retained_fields(request.rules, request.columns);
    let plans: Vec<SourcePlan> = request
        .sources
        .mappings
        .iter()
        .enumerate()
        .map(|(i, m)| SourcePlan::build(i as u8, m, request.rules, &retained, request.keep == Keep::Active))
        .collect();
    let inputs = request.found.inputs;
    let spec = Spec {
        inputs: &inputs,
        sources: request.sources,
        plans: &plans,
        retained: &retained,
        keep: request.keep,
        threads: request.threads,
        render: request.render,
        progress: request.progress,
    };
    let broken = |e: String| UserError::new(format!("the run failed: {e}"));
    let merged = merge(inputs.len(), run(&spec).map_err(broken)?).map_err(broken)?;
    let files: Vec<FileReport> = inputs
        .iter()
        .zip(&merged.files)
        .map(|(input, (stat, duplicates))| FileReport {
            name: input.name.clone(),
            source: stat.source,
            read: stat.read,
            rejected: stat.rejected,
            duplicates: *duplicates,
            span: stat.span,
            reasons: stat.reasons.clone(),
            more_reasons: stat.more_reasons,
            not_a_log: stat.not_a_log && !stat.faulty,
            faulty: stat.faulty,
        })
        .collect();
    let totals = files.iter().fold(Totals::default(), |t, f| Totals {
        read: t.read + f.read,
        accepted: t.accepted + f.accepted(),
        rejected: t.rejected + f.rejected,
        duplicates: t.duplicates + f.duplicates,
    });
    let period = resolve_window(request.window, &files);
    let mut quarters = BTreeMap::new();
    let mut period_span: Option<(i64, i64)> = None;
    for e in &merged.index {
        let time = i64::from(e.seconds) * SECOND;
        if period.contains(time) {
            period_span = Some(period_span.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
            *quarters.entry((time - time.rem_euclid(QUARTER), e.outcome)).or_insert(0) += 1;
        }
    }
    let states = rule_states(request.rules, &plans, &merged);
    let field_uses = field_uses(&plans, &merged);
    let mut scan = Scan {
        sources: request.sources,
        rules: request.rules,
        files,
        rejects: request.found.rejects,
        totals,
        retained,
        matches: Vec::new(),
        findings: Vec::new(),
        hits: vec![0; request.rules.rules.len()],
        ungrouped: vec![0; request.rules.rules.len()],
        hidden: 0,
        states,
        quarters,
        period_span,
        conflicts: merged.conflicts,
        conflict_count: merged.conflict_count,
        by_source: merged.by_source,
        field_uses,
        period,
        rows: merged.rows,
        spooled: merged.spooled,
        spools: merged.spools,
    };
    scan.find(&merged.matches)?;
    Ok(scan)
}

fn resolve_window(window: Window, files: &[FileReport]) -> Period {
    match window {
        Window::Fixed(p) => p,
        Window::Last(length, as_of) => {
            let newest = as_of.or_else(|| files.iter().filter_map(|f| f.span).map(|s| s.1).max());
            Period { from: newest.map(|n| n - length), to: newest.map(|n| n + 1) }
        }
    }
}

/// Fields that must outlive their chunk: for findings, for correlations, and those asked for.
fn retained_fields(rules: &RuleSet, columns: &[Column]) -> Vec<FieldRef> {
    let mut out: Vec<FieldRef> = FINDING_COLUMNS.iter().chain(columns).map(|c| FieldRef::Column(*c)).collect();
    for rule in &rules.rules {
        let Body::Correlation(c) = &rule.body else { continue };
        for base in bases(rules, rule) {
            let Body::Detection(d) = &rules.rules[base].body else { continue };
            out.extend(c.group_by.iter().chain(&c.fields).filter_map(|f| d.taxonomy.resolve(f).ok()));
        }
    }
    let mut seen = BTreeSet::new();
    out.retain(|f| seen.insert(f.clone()));
    out
}

/// The rules whose matches a correlation counts; none for a detection.
pub fn bases(rules: &RuleSet, rule: &crate::rule::Rule) -> Vec<usize> {
    match &rule.body {
        Body::Correlation(c) => c.rules.iter().filter_map(|r| rules.find(r, &rule.meta.file).ok()).collect(),
        Body::Detection(_) => Vec::new(),
    }
}

fn rule_states(rules: &RuleSet, plans: &[SourcePlan], merged: &Merged) -> Vec<RuleState> {
    let read: Vec<&SourcePlan> = plans.iter().filter(|p| merged.by_source.get(p.source as usize).is_some_and(|n| *n > 0)).collect();
    let detection = |i: usize| -> RuleState {
        let rule = &rules.rules[i];
        let Body::Detection(d) = &rule.body else { return RuleState::Ran };
        if let Some(list) = &rule.meta.unset_list {
            return RuleState::NotAssessable(format!("the list `{list}` is not set; give it in a --vars file"));
        }
        let routes: Vec<Routing> = plans.iter().map(|p| route(d, &p.mapping)).collect();
        if routes.iter().all(|r| *r == Routing::NoLogSource) {
            return RuleState::NotApplicable("it has no logsource".into());
        }
        let mine: Vec<&&SourcePlan> = read.iter().filter(|p| routes[p.source as usize] == Routing::Applies).collect();
        if mine.is_empty() {
            let l = &d.logsource;
            let words: Vec<&str> = [&l.product, &l.service, &l.category].into_iter().flatten().map(String::as_str).collect();
            return RuleState::NotApplicable(format!("no log of {} was read", words.join("/")));
        }
        // It could have hit where some source of the run has every field that the rule cannot do without.
        let mut missing: Option<Vec<String>> = None;
        for plan in mine {
            let Some(entry) = plan.rules.iter().find(|r| r.rule as usize == i) else { continue };
            let unseen: Vec<u16> = entry.fields.iter().copied().filter(|f| !merged.seen[plan.source as usize].contains(f)).collect();
            if can_hit(&entry.node, plan, &unseen) {
                return RuleState::Ran;
            }
            let names: Vec<String> = unseen.iter().map(|f| plan.fields[*f as usize].name()).collect();
            if missing.as_ref().is_none_or(|m| names.len() < m.len()) {
                missing = Some(names);
            }
        }
        missing.map_or(RuleState::Ran, RuleState::CouldNotMatch)
    };
    (0..rules.rules.len())
        .map(|i| match &rules.rules[i].body {
            Body::Detection(_) => detection(i),
            Body::Correlation(_) => {
                let states: Vec<RuleState> = bases(rules, &rules.rules[i]).into_iter().map(detection).collect();
                if states.contains(&RuleState::Ran) { RuleState::Ran } else { states.into_iter().next().unwrap_or(RuleState::Ran) }
            }
        })
        .collect()
}

/// Whether the condition can hold when these fields never occur: their atoms are then never set.
fn can_hit(node: &crate::engine::plan::Node, plan: &SourcePlan, unseen: &[u16]) -> bool {
    use crate::engine::plan::Node;
    match node {
        Node::Atom(a) => !plan.atom_fields(*a).iter().any(|f| unseen.contains(f)),
        Node::Not(_) => true,
        Node::And(nodes) => nodes.iter().all(|n| can_hit(n, plan, unseen)),
        Node::Or(nodes) => nodes.iter().any(|n| can_hit(n, plan, unseen)),
        Node::AtLeast(n, nodes) => nodes.iter().filter(|x| can_hit(x, plan, unseen)).count() as u64 >= *n,
    }
}

impl Scan<'_> {
    /// Index of a retained field.
    pub fn field(&self, field: &FieldRef) -> Option<usize> {
        self.retained.iter().position(|f| f == field)
    }

    /// A kept row's value of a column that was retained.
    pub fn column(&self, column: Column, row: u32) -> Option<&str> {
        match column {
            Column::Source => self.sources.mappings.get(self.rows.source[row as usize] as usize).map(|m| m.id.as_str()),
            Column::EventId => self.rows.event_id(row),
            _ => self.field(&FieldRef::Column(column)).and_then(|f| self.rows.text(f, row)),
        }
    }

    /// Name of a row's file.
    pub fn file_name(&self, row: u32) -> &str {
        &self.files[self.rows.file[row as usize] as usize].name
    }

    /// Whether some input could not be read.
    pub fn is_incomplete(&self) -> bool {
        !self.rejects.is_empty() || self.files.iter().any(|f| f.faulty)
    }

    /// Highest level among the findings.
    pub fn highest_level(&self) -> Option<Level> {
        self.findings.iter().map(|f| self.rules.rules[f.rule].meta.level).max()
    }

    /// Names an event so that the name does not depend on files.
    fn event_name(&self, row: u32) -> String {
        match self.rows.event_id(row) {
            Some(id) => id.to_owned(),
            None => {
                let parts = [self.column(Column::User, row), self.column(Column::Resource, row)].map(|p| p.unwrap_or_default().to_owned());
                format!("{} {} {}", format_time(self.rows.time[row as usize]), parts[0], parts[1])
            }
        }
    }

    fn find(&mut self, matches: &[(u32, u32)]) -> Result<(), UserError> {
        let mut by_rule: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &(rule, row) in matches {
            by_rule.entry(rule).or_default().push(row);
        }
        let mut findings: Vec<Finding> = Vec::new();
        let mut silent: BTreeSet<usize> = BTreeSet::new();
        for (i, rule) in self.rules.rules.iter().enumerate() {
            let Body::Correlation(c) = &rule.body else { continue };
            let mut inputs = Vec::new();
            for base in bases(self.rules, rule) {
                let Body::Detection(d) = &self.rules.rules[base].body else { continue };
                let index = |f: &String| d.taxonomy.resolve(f).ok().and_then(|r| self.field(&r));
                inputs.push(Base {
                    rows: by_rule.get(&(base as u32)).cloned().unwrap_or_default(),
                    group_by: c.group_by.iter().filter_map(index).collect(),
                    fields: if c.kind == CorrelationKind::ValueCount { c.fields.iter().filter_map(index).collect() } else { Vec::new() },
                });
                let m = &self.rules.rules[base].meta;
                if !c.generate && (m.level <= Level::Low || m.file == rule.meta.file) {
                    silent.insert(base);
                }
            }
            let found = correlate(c, &inputs, &self.rows).map_err(|e| UserError::new(format!("correlating failed: {e}")))?;
            self.ungrouped[i] = found.without_group;
            for burst in found.bursts {
                if !self.period.contains(burst.crossed) {
                    continue;
                }
                let entity: Vec<(String, String)> =
                    c.group_by.iter().zip(&burst.group).map(|(f, code)| (f.clone(), self.rows.dict.text(*code).unwrap_or_default().to_owned())).collect();
                self.hits[i] += 1;
                let longest = MAX_BURST.max(c.timespan);
                for part in bursts(&burst.rows, &self.rows.time, i64::MAX, longest) {
                    findings.extend(Finding::new(i, &rule.meta, entity.clone(), part.to_vec(), &self.rows.time, &self.event_name(part[0])));
                }
            }
        }
        for (&rule, rows) in &by_rule {
            let rows: Vec<u32> = rows.iter().copied().filter(|r| self.period.contains(self.rows.time[*r as usize])).collect();
            self.hits[rule as usize] = rows.len() as u64;
            self.matches.extend(rows.iter().map(|r| (rule, *r)));
            let made = self.detection_findings(rule as usize, &rows);
            if silent.contains(&(rule as usize)) {
                self.hidden += made.len() as u64;
            } else {
                findings.extend(made);
            }
        }
        self.matches.sort_unstable_by_key(|&(rule, row)| (row, rule));
        let rules = &self.rules.rules;
        findings.sort_by(|a, b| {
            let level = |f: &Finding| rules[f.rule].meta.level;
            level(b)
                .cmp(&level(a))
                .then(a.first.cmp(&b.first))
                .then_with(|| rules[a.rule].meta.id.cmp(&rules[b.rule].meta.id))
                .then_with(|| a.entity.cmp(&b.entity))
                .then_with(|| a.id.cmp(&b.id))
        });
        self.findings = findings;
        Ok(())
    }

    /// One finding for each entity and burst of a detection's matches.
    fn detection_findings(&self, rule: usize, rows: &[u32]) -> Vec<Finding> {
        let user = self.field(&FieldRef::Column(Column::User));
        let resource = self.field(&FieldRef::Column(Column::Resource));
        let code = |field: Option<usize>, row: u32| field.map_or(0, |f| self.rows.columns[f][row as usize]);
        let mut groups: BTreeMap<(u8, u32), Vec<u32>> = BTreeMap::new();
        for &row in rows {
            let key = match (code(user, row), code(resource, row)) {
                (0, 0) => (2, 0),
                (0, r) => (1, r),
                (u, _) => (0, u),
            };
            groups.entry(key).or_default().push(row);
        }
        let meta = &self.rules.rules[rule].meta;
        let mut out = Vec::new();
        for ((kind, code), rows) in groups {
            let entity = match (kind, self.rows.dict.text(code)) {
                (0, Some(u)) => vec![("user".to_owned(), u.to_owned())],
                (1, Some(r)) => vec![("resource".to_owned(), r.to_owned())],
                _ => Vec::new(),
            };
            let (quiet, longest) = if meta.level == Level::Informational { (RECORD_QUIET, RECORD_LONGEST) } else { (QUIET, MAX_BURST) };
            for part in bursts(&rows, &self.rows.time, quiet, longest) {
                out.extend(Finding::new(rule, meta, entity.clone(), part.to_vec(), &self.rows.time, &self.event_name(part[0])));
            }
        }
        out
    }

    /// Whose field names a rule uses.
    pub fn taxonomy(&self, rule: usize) -> Option<Taxonomy> {
        match &self.rules.rules[rule].body {
            Body::Detection(d) => Some(d.taxonomy),
            Body::Correlation(_) => None,
        }
    }
}
