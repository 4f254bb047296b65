//! A whole scan: inputs, rules and sources in, findings and their counts out.

use super::Finding;
use super::behaviour::{Baseline, Counts, History};
use super::coverage::{FieldUse, field_uses};
pub use super::states::RuleState;
use super::states::rule_states;
use crate::diag::{Reject, UserError};
use crate::engine::behaviour::Learned;
use crate::engine::gathered::IndexEntry;
use crate::engine::merge::{EventRows, merge};
use crate::engine::plans::{Asked, Plans};
use crate::engine::run::{Keep, Render, Spec, run};
use crate::engine::tally::{Page, Tallied};
use crate::enrich::database::Databases;
use crate::event::Column;
use crate::event::Outcome;
use crate::event::derived::Derived;
use crate::event::time::SECOND;
use crate::rule::load::RuleSet;
use crate::rule::meta::Level;
use crate::rule::{Body, FieldRef, Taxonomy};
use crate::source::SourceSet;
use crate::source::chunk::Shape;
use crate::source::discover::Discovered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Derived fields kept for kept rows, beside those that correlations need.
    pub derived: &'c [Derived],
    /// What tells of addresses.
    pub databases: Arc<Databases>,
    /// Which rows are kept.
    pub keep: Keep,
    /// Period.
    pub window: Window,
    /// Workers.
    pub threads: usize,
    /// Renders every accepted row.
    pub render: Option<Render<'c>>,
    /// Rejected records are kept, with their text.
    pub rejects: bool,
    /// Events are counted by account and region too: what [`super::completeness`] judges.
    pub tell_places: bool,
    /// What was learnt from earlier logs.
    pub baseline: Option<&'a Baseline>,
    /// What behaviours learn is kept, see [`Scan::learned`].
    pub learn: bool,
    /// Told after each file.
    pub progress: &'c (dyn Fn(usize) + Sync),
}

impl<'a, 'c> ScanRequest<'a, 'c> {
    /// Rules over all events of some inputs, with what findings need and nothing beside it, on one thread.
    pub fn new(found: Discovered, sources: &'a SourceSet, rules: &'a RuleSet) -> ScanRequest<'a, 'c> {
        ScanRequest {
            found,
            sources,
            rules,
            columns: &[],
            derived: &[],
            databases: Arc::default(),
            keep: Keep::Matched,
            window: Window::Fixed(Period::ALL),
            threads: 1,
            render: None,
            rejects: false,
            tell_places: false,
            baseline: None,
            learn: false,
            progress: &|_| {},
        }
    }
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
    /// How the records stand in it, and what was opened to get at them.
    pub containers: BTreeSet<String>,
    /// Records that it holds, rejected ones and duplicates among them; one may give several events.
    pub rows: u64,
    /// How its records stand in it.
    pub shape: Option<Shape>,
    /// What it says of itself as a page of an API.
    pub page: Option<Page>,
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
    /// What told of addresses.
    pub databases: Arc<Databases>,
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
    /// Entities that behaviours could not judge from the beginning.
    pub histories: Vec<History>,
    /// What each behaviour counted.
    pub behaved: BTreeMap<usize, Counts>,
    /// What was learnt from earlier logs.
    pub baseline: Option<&'a Baseline>,
    pub(super) learn: bool,
    /// What behaviours know at the end, by rule, where that is asked for.
    pub learned: BTreeMap<usize, Vec<Learned>>,
    /// Findings of base rules that a correlation stands for.
    pub hidden: u64,
    /// Events of the period by quarter of an hour (UTC microseconds of its start) and outcome.
    pub quarters: BTreeMap<(i64, Outcome), u64>,
    /// The groups that events are counted under, and what is known of each.
    pub tallied: Tallied,
    /// Events of the period by group and quarter of an hour, sorted by both.
    pub bins: Vec<Bin>,
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
    /// As it was asked for.
    pub window: Window,
    /// Events were counted by account and region too.
    pub tell_places: bool,
    /// Rendered rows.
    pub spooled: Vec<crate::engine::gathered::Spooled>,
    /// Their spools.
    pub spools: Vec<Option<std::fs::File>>,
    /// Rejected records, where they were asked for.
    pub rejected: Vec<crate::engine::gathered::Spooled>,
    /// Their spools.
    pub reject_spools: Vec<Option<std::fs::File>>,
    /// The run's workers.
    pub pool: rayon::ThreadPool,
}

/// Fifteen minutes: every zone's days begin at a multiple of it. Microseconds.
pub const QUARTER: i64 = 900 * SECOND;

/// Events of one group in one quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// Index into [`Tallied::groups`].
    pub group: u16,
    /// Start of the quarter, UTC microseconds.
    pub quarter: i64,
    /// Number of events.
    pub events: u64,
    /// First and last event, UTC microseconds cut to whole seconds.
    pub first: i64,
    /// As `first`.
    pub last: i64,
}

/// Columns that a finding's entity and evidence need, and that scores weigh.
const FINDING_COLUMNS: [Column; 3] = [Column::User, Column::Resource, Column::Ip];

/// Runs a scan.
pub fn scan<'a>(request: ScanRequest<'a, '_>) -> Result<Scan<'a>, UserError> {
    let retained = retained_fields(&request);
    let plans = Plans::new(Asked {
        sources: request.sources,
        rules: request.rules,
        retained: &retained,
        keep: request.keep,
        tell_places: request.tell_places,
        databases: &request.databases,
    });
    let inputs = request.found.inputs;
    let broken = |e: String| UserError::new(format!("the run failed: {e}"));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(request.threads.max(1)).build().map_err(|e| broken(e.to_string()))?;
    let spec = Spec {
        inputs: &inputs,
        sources: request.sources,
        plans: &plans,
        retained: &retained,
        keep: request.keep,
        bounds: match request.window {
            Window::Fixed(p) => (p.from, p.to),
            Window::Last(length, Some(as_of)) => (Some(as_of - length), Some(as_of + 1)),
            Window::Last(_, None) => (None, None),
        },
        databases: &request.databases,
        pool: &pool,
        render: request.render,
        rejects: request.rejects,
        progress: request.progress,
    };
    let gathered = run(&spec);
    if let Some(fault) = request.databases.fault() {
        return Err(fault.clone());
    }
    let merged = pool.install(|| merge(inputs.len(), gathered)).map_err(broken)?;
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
            containers: stat.containers.clone(),
            rows: stat.rows + stat.rejected,
            shape: stat.shape,
            page: stat.page,
        })
        .collect();
    let totals = files.iter().fold(Totals::default(), |t, f| Totals {
        read: t.read + f.read,
        accepted: t.accepted + f.accepted(),
        rejected: t.rejected + f.rejected,
        duplicates: t.duplicates + f.duplicates,
    });
    let period = resolve_window(request.window, &files);
    let mut counted: hashbrown::HashMap<(u16, i64, Outcome), (u64, i64, i64)> = hashbrown::HashMap::new();
    let time_of = |e: &IndexEntry| i64::from(e.seconds) * SECOND;
    let key = |e: &IndexEntry| (e.group(), time_of(e) - time_of(e).rem_euclid(QUARTER), e.outcome());
    // Events stand as they were read: most follow one of the same quarter.
    for run in merged.index.chunk_by(|a, b| key(a) == key(b)) {
        let times = run.iter().map(time_of).filter(|t| period.contains(*t));
        let seen = times.fold((0, i64::MAX, i64::MIN), |(n, first, last), t| (n + 1, t.min(first), t.max(last)));
        if seen.0 > 0 {
            let (n, first, last) = counted.entry(key(&run[0])).or_insert((0, i64::MAX, i64::MIN));
            (*n, *first, *last) = (*n + seen.0, seen.1.min(*first), seen.2.max(*last));
        }
    }
    let mut quarters: BTreeMap<(i64, Outcome), u64> = BTreeMap::new();
    let mut bins: Vec<Bin> = Vec::with_capacity(counted.len());
    for ((group, quarter, outcome), (events, first, last)) in counted {
        *quarters.entry((quarter, outcome)).or_insert(0) += events;
        bins.push(Bin { group, quarter, events, first, last });
    }
    bins.sort_unstable_by_key(|b| (b.group, b.quarter, b.first, b.last, b.events));
    let period_span = bins.iter().map(|b| b.first).min().zip(bins.iter().map(|b| b.last).max());
    let states = rule_states(&plans, &merged);
    let field_uses = field_uses(&plans, &merged);
    let mut scan = Scan {
        sources: request.sources,
        rules: request.rules,
        databases: request.databases,
        files,
        rejects: request.found.rejects,
        totals,
        retained,
        matches: Vec::new(),
        findings: Vec::new(),
        hits: vec![0; request.rules.rules.len()],
        ungrouped: vec![0; request.rules.rules.len()],
        histories: Vec::new(),
        behaved: BTreeMap::new(),
        baseline: request.baseline,
        learn: request.learn,
        learned: BTreeMap::new(),
        hidden: 0,
        states,
        quarters,
        tallied: merged.tallied,
        bins,
        period_span,
        conflicts: merged.conflicts,
        conflict_count: merged.conflict_count,
        by_source: merged.by_source,
        field_uses,
        period,
        window: request.window,
        tell_places: request.tell_places,
        rows: merged.rows,
        spooled: merged.spooled,
        spools: merged.spools,
        rejected: merged.rejects,
        reject_spools: merged.reject_spools,
        pool,
    };
    scan.find(&merged.matches, &merged.index)?;
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
fn retained_fields(request: &ScanRequest<'_, '_>) -> Vec<FieldRef> {
    let rules = request.rules;
    let mut out: Vec<FieldRef> = FINDING_COLUMNS.iter().chain(request.columns).map(|c| FieldRef::Column(*c)).collect();
    out.extend(request.derived.iter().map(|d| FieldRef::Derived(*d)));
    for (i, rule) in rules.rules.iter().enumerate() {
        let c = match &rule.body {
            Body::Detection(_) => continue,
            Body::Correlation(c) => c,
            Body::Behaviour(b) => {
                for base in rules.bases(i) {
                    let Body::Detection(d) = &rules.rules[*base].body else { continue };
                    out.extend(b.group_by.iter().map(String::as_str).chain(b.fields()).filter_map(|f| d.taxonomy.resolve(f).ok()));
                }
                continue;
            }
        };
        for &base in rules.bases(i) {
            let names: Vec<&str> = [&c.group_by, &c.fields].into_iter().filter_map(|f| rules.fields_for(c, base, f).ok()).flatten().collect();
            for leaf in rules.leaves(base) {
                let Body::Detection(d) = &rules.rules[leaf].body else { continue };
                out.extend(names.iter().filter_map(|f| d.taxonomy.resolve(f).ok()));
            }
        }
    }
    let mut seen = BTreeSet::new();
    out.retain(|f| seen.insert(f.clone()));
    out
}

impl Scan<'_> {
    /// Index of a retained field.
    pub fn field(&self, field: &FieldRef) -> Option<usize> {
        self.retained.iter().position(|f| f == field)
    }

    /// A kept row's value of a column that was retained.
    pub fn column(&self, column: Column, row: u32) -> Option<&str> {
        match column {
            // Events that were mapped before bring their source along.
            Column::Source if self.sources.mappings().get(self.rows.source[row as usize] as usize).is_none_or(|m| !m.relays()) => {
                self.sources.mappings().get(self.rows.source[row as usize] as usize).map(|m| m.id.as_str())
            }
            Column::EventId => self.rows.event_id(row),
            _ => self.field(&FieldRef::Column(column)).and_then(|f| self.rows.text(f, row)),
        }
    }

    /// A kept row's value of a derived field that was retained.
    pub fn derived(&self, derived: Derived, row: u32) -> Option<&str> {
        self.field(&FieldRef::Derived(derived)).and_then(|f| self.rows.text(f, row))
    }

    /// Rendered rows of the period, in the order of time, file, record.
    pub fn spooled_in_period(&self) -> impl Iterator<Item = &crate::engine::gathered::Spooled> {
        self.spooled.iter().filter(|s| self.period.contains(s.time))
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

    /// Whose field names a rule uses.
    pub fn taxonomy(&self, rule: usize) -> Option<Taxonomy> {
        match &self.rules.rules[rule].body {
            Body::Detection(d) => Some(d.taxonomy),
            Body::Correlation(_) | Body::Behaviour(_) => None,
        }
    }
}
