//! What should be there and is not, and what was silent for longer than it may be.

use super::given::{Part, Scope, System};
use super::series::{Series, frame};
use super::{MAX_LISTED, MAX_NAMED, SilenceCoverage};
use crate::engine::tally::GroupKey;
use crate::event::time::{format_duration, format_time};
use crate::finding::scan::Scan;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a scope says of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScopeCoverage {
    /// Things that should be there.
    pub expected: usize,
    /// Those of which the period holds no event.
    pub missing: usize,
    /// Those that were silent for longer than allowed.
    pub silent: usize,
    /// Each of them.
    pub entries: Vec<Entry>,
    /// Sources, accounts and regions in the logs of which the scope does not speak.
    pub not_in_scope: Vec<NotInScope>,
    /// Such beyond those listed.
    pub more_not_in_scope: usize,
}

/// A thing that should be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// `system`, `account`, `region` or `class`.
    pub kind: &'static str,
    /// Source.
    pub source: String,
    /// The system's name for people.
    pub system: String,
    /// The source, account, region or class.
    pub id: String,
    /// Who answers for it.
    pub owner: String,
    /// Longest time without an event that is allowed.
    pub max_silence: Option<String>,
    /// `ok`, `missing`, `silent`, `there` where no longest silence is given, or `not judged` where accounts are not told apart.
    pub state: &'static str,
    /// Its events in the period.
    pub events: u64,
    /// First and last of them, cut to seconds.
    pub first: Option<String>,
    /// As `first`.
    pub last: Option<String>,
    /// Silences longer than allowed.
    pub silences: Vec<SilenceCoverage>,
    /// Silences beyond those listed.
    pub more_silences: usize,
}

/// What the scope does not speak of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotInScope {
    /// Source.
    pub source: String,
    /// `source`, `account` or `region`.
    pub kind: &'static str,
    /// The value; null for events that name none.
    pub value: Option<String>,
    /// Its events in the period.
    pub events: u64,
}

/// Judges the logs by a scope.
pub fn judge(scan: &Scan<'_>, scope: &Scope) -> ScopeCoverage {
    let mut entries = Vec::new();
    for system in &scope.systems {
        let judge = Judge { scan, system };
        entries.push(judge.entry("system", &Part { id: system.source.clone(), owner: None, max_silence: system.max_silence }, &|_| true));
        for part in &system.accounts {
            entries.push(judge.entry("account", part, &|key| part.is(key.account.as_deref())));
        }
        for part in &system.regions {
            entries.push(judge.entry("region", part, &|key| part.is(key.region.as_deref())));
        }
        for part in &system.classes {
            let mapping = scan.sources.mappings().iter().find(|m| m.id == system.source);
            let bit = mapping.and_then(|m| m.reading().classes.iter().position(|c| c.id == part.id));
            entries.push(judge.entry("class", part, &|key| bit.is_some_and(|b| b < 64 && key.classes >> b & 1 == 1)));
        }
    }
    let count = |state: &str| entries.iter().filter(|e| e.state == state).count();
    let mut not_in_scope = not_in_scope(scan, scope);
    let more_not_in_scope = not_in_scope.len().saturating_sub(MAX_LISTED);
    not_in_scope.truncate(MAX_LISTED);
    ScopeCoverage { expected: entries.len(), missing: count("missing"), silent: count("silent"), entries, not_in_scope, more_not_in_scope }
}

fn source_id<'a>(scan: &'a Scan<'_>, key: &GroupKey) -> &'a str {
    scan.sources.mappings().get(key.source as usize).map_or("", |m| m.id.as_str())
}

/// Whether accounts and regions are not told apart.
fn is_blind(scan: &Scan<'_>) -> bool {
    !scan.tell_places || scan.tallied.crowded
}

/// Whether events are of a system: those of its accounts, where it names any.
fn is_of(scan: &Scan<'_>, system: &System, key: &GroupKey) -> bool {
    source_id(scan, key) == system.source && (system.accounts.is_empty() || system.accounts.iter().any(|a| a.is(key.account.as_deref())))
}

struct Judge<'a, 's> {
    scan: &'a Scan<'s>,
    system: &'a System,
}

impl Judge<'_, '_> {
    fn entry(&self, kind: &'static str, part: &Part, has: &dyn Fn(&GroupKey) -> bool) -> Entry {
        let (scan, system) = (self.scan, self.system);
        let groups = scan.tallied.groups.iter().enumerate().filter(|(_, (key, _))| is_of(scan, system, key) && has(key)).map(|(i, _)| i);
        let before = |group: usize| scan.bins.partition_point(|b| (b.group as usize) < group);
        let series = Series::of(groups.flat_map(|g| &scan.bins[before(g)..before(g + 1)]));
        let (events, span) = (series.events(), series.span());
        // An open end of the period is where the run's events end, of whichever source.
        let blind = is_blind(scan) && (matches!(kind, "account" | "region") || !system.accounts.is_empty());
        let silences: Vec<_> = match (part.max_silence, frame(scan.period, scan.period_span)) {
            (Some(longest), Some(frame)) if events > 0 => series.gaps(frame).into_iter().filter(|g| g.1 - g.0 > longest.0).collect(),
            _ => Vec::new(),
        };
        Entry {
            kind,
            source: system.source.clone(),
            system: system.title.clone().unwrap_or_else(|| system.source.clone()),
            id: part.id.clone(),
            owner: part.owner.clone().unwrap_or_else(|| system.owner.clone()),
            max_silence: part.max_silence.map(|s| format_duration(s.0)),
            state: match (events, part.max_silence) {
                _ if blind => "not judged",
                (0, _) => "missing",
                _ if !silences.is_empty() => "silent",
                (_, Some(_)) => "ok",
                (_, None) => "there",
            },
            events,
            first: span.map(|s| format_time(s.0)),
            last: span.map(|s| format_time(s.1)),
            more_silences: silences.len().saturating_sub(MAX_NAMED),
            silences: silences.into_iter().take(MAX_NAMED).map(SilenceCoverage::from).collect(),
        }
    }
}

fn not_in_scope(scan: &Scan<'_>, scope: &Scope) -> Vec<NotInScope> {
    let mut events = vec![0u64; scan.tallied.groups.len()];
    scan.bins.iter().for_each(|b| events[b.group as usize] += b.events);
    let mut found: BTreeMap<(&str, &'static str, Option<&str>), u64> = BTreeMap::new();
    for ((key, _), n) in scan.tallied.groups.iter().zip(events).filter(|(_, n)| *n > 0) {
        let source = source_id(scan, key);
        let of_source: Vec<&System> = scope.systems.iter().filter(|s| s.source == source).collect();
        let systems: Vec<&&System> = of_source.iter().filter(|s| is_of(scan, s, key)).collect();
        let named = |s: &System| s.regions.is_empty() || key.region.is_none() || s.regions.iter().any(|r| r.is(key.region.as_deref()));
        let (kind, value) = if of_source.is_empty() {
            ("source", Some(source))
        } else if is_blind(scan) {
            continue;
        } else if systems.is_empty() {
            ("account", key.account.as_deref())
        } else if !systems.iter().any(|s| named(s)) {
            ("region", key.region.as_deref())
        } else {
            continue;
        };
        *found.entry((source, kind, value)).or_insert(0) += n;
    }
    let mut out: Vec<NotInScope> = found
        .into_iter()
        .map(|((source, kind, value), events)| NotInScope { source: source.to_owned(), kind, value: value.map(str::to_owned), events })
        .collect();
    out.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.cmp(b)));
    out
}
