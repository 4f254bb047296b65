//! Runs rules over a few single records through the pipeline of a scan, and keeps what the engine saw of each.

use super::scan::{RuleState, Scan, ScanRequest, scan};
use crate::diag::UserError;
use crate::engine::batch::Batch;
use crate::engine::gathered::MAX_REASONS;
use crate::engine::plan::implied_category;
use crate::engine::run::Render;
use crate::enrich::database::Databases;
use crate::event::value::Kind;
use crate::rule::load::RuleSet;
use crate::rule::meta::LogSource;
use crate::rule::{Body, FieldRef, Rule};
use crate::source::SourceSet;
use crate::source::container::Containers;
use crate::source::discover::{Discovered, Input, Origin};
use crate::source::mapping::Mapping;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// One value as the engine saw it.
pub type Seen = (Kind, String);

/// A record, and the values of every field that was asked of it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Event id, where the log gives one.
    pub id: Option<String>,
    /// UTC microseconds.
    pub time: i64,
    /// The record.
    pub raw: serde_json::Value,
    /// Values by field; arrays element by element, nothing for an absent field.
    pub values: BTreeMap<FieldRef, Vec<Seen>>,
}

/// A record and the engine's word on each rule.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The record.
    pub event: Event,
    /// For each rule: its condition holds, whatever its logsource says. False for correlations.
    pub holds: Vec<bool>,
    /// For each rule: a scan matches the event.
    pub matches: Vec<bool>,
    /// For each rule: why a scan does not go by its condition, since only a database that is not there could decide it.
    pub untold: Vec<Option<String>>,
}

/// Examines records of one source; of each what came of it, or why the record is not an event.
///
/// `rules` are detections, and correlations together with the rules that they count.
pub fn examine(mapping: &Arc<Mapping>, rules: &[&Rule], records: &[&[u8]], databases: &Arc<Databases>) -> Result<Vec<Result<Examined, String>>, UserError> {
    let mut bytes = Vec::new();
    let mut first: HashMap<&[u8], usize> = HashMap::new();
    // An exact duplicate is left out of a scan; what holds for the first holds for it.
    let stands_for: Vec<usize> = records.iter().enumerate().map(|(i, r)| *first.entry(r).or_insert(i)).collect();
    for record in records {
        // White space between tokens is all that a line break in JSON can be.
        bytes.extend(record.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
        bytes.push(b'\n');
    }
    let set = RuleSet::of(rules.iter().map(|r| (*r).clone()).chain(rules.iter().filter_map(|r| unrouted(r))).collect());
    let unrouted_of: HashMap<usize, usize> =
        rules.iter().enumerate().filter(|(_, r)| matches!(r.body, Body::Detection(_))).enumerate().map(|(n, (i, _))| (rules.len() + n, i)).collect();
    // Without containers a record is a record, even where it has a key that is elsewhere a container's.
    let only = SourceSet::only(mapping, Containers::default());
    let input = Input { name: "event".into(), origin: Origin::Bytes(Arc::new(bytes)), named: true };
    let events: Mutex<BTreeMap<usize, Event>> = Mutex::new(BTreeMap::new());
    let take = |batch: &Batch<'_>, row: u32, bytes: &[u8], _: &mut Vec<u8>| {
        if let Some(event) = event_of(batch, row, bytes) {
            events.lock().unwrap_or_else(PoisonError::into_inner).insert(batch.records[row as usize] as usize - 1, event);
        }
    };
    let run = |databases: Arc<Databases>, render: Option<Render<'_>>| {
        scan(ScanRequest { databases, render, ..ScanRequest::new(Discovered { inputs: vec![input.clone()], rejects: Vec::new() }, &only, &set) })
    };
    let hits_of = |result: &Scan<'_>| -> BTreeSet<(usize, usize)> {
        result.matches.iter().map(|&(rule, row)| (result.rows.record[row as usize] as usize - 1, rule as usize)).collect()
    };
    // What is seen of the events is shown as if all were told; whether a rule goes by it is asked apart.
    let result = run(Arc::new(databases.all_told()), Some(&take))?;
    let hits = hits_of(&result);
    let lacks: Vec<Option<String>> = rules.iter().map(|r| lack(r, databases)).collect();
    let strict = if lacks.iter().any(Option::is_some) { Some(run(databases.clone(), None)?) } else { None };
    let strict_hits = strict.as_ref().map(hits_of);
    let untold = |record: usize, rule: usize| -> Option<String> {
        let (reason, strict) = (lacks[rule].as_ref()?, strict.as_ref()?);
        let unassessable = matches!(strict.states[rule], RuleState::NotAssessable(_));
        let differs = strict_hits.as_ref().is_some_and(|h| h.contains(&(record, rule)) != hits.contains(&(record, rule)));
        (unassessable || differs).then(|| format!("not assessable: {reason}"))
    };
    let mut events = events.into_inner().unwrap_or_else(PoisonError::into_inner);
    let reasons = result.files.first().map(|f| f.reasons.as_slice()).unwrap_or_default();
    Ok((0..records.len())
        .map(|i| {
            let Some(event) = events.remove(&i) else {
                let reason = reasons.iter().find(|r| r.0.is_none_or(|n| n as usize == i + 1));
                return Err(reason.map_or_else(|| format!("the record is not an event (beyond the first {MAX_REASONS} faults)"), |r| r.1.clone()));
            };
            let untold = (0..rules.len()).map(|rule| untold(stands_for[i], rule)).collect();
            let mut examined = Examined { event, holds: vec![false; rules.len()], matches: vec![false; rules.len()], untold };
            for &(_, rule) in hits.range((stands_for[i], 0)..(stands_for[i] + 1, 0)) {
                match unrouted_of.get(&rule) {
                    Some(&original) => examined.holds[original] = true,
                    None => examined.matches[rule] = examined.untold[rule].is_none(),
                }
            }
            Ok(examined)
        })
        .collect())
}

/// What a detection needs and the databases do not tell.
fn lack(rule: &Rule, databases: &Databases) -> Option<String> {
    let Body::Detection(detection) = &rule.body else { return None };
    let mut fields = detection.fields().unwrap_or_default();
    for filter in &detection.filters {
        filter.selections.values().for_each(|d| d.visit_fields(&mut |name| fields.extend(filter.taxonomy.resolve(name))));
    }
    fields.into_iter().find_map(|f| if let FieldRef::Derived(d) = f { databases.lacks(d) } else { None })
}

/// A copy of a detection that applies to every source, under a name that nothing refers to.
fn unrouted(rule: &Rule) -> Option<Rule> {
    let Body::Detection(detection) = &rule.body else { return None };
    let category = implied_category(detection).map(str::to_owned);
    let mut detection = detection.clone();
    detection.logsource = LogSource { product: Some("auditmill".into()), service: None, category };
    let mut meta = rule.meta.clone();
    meta.id.push_str(" for every source");
    meta.title.push_str(" for every source");
    meta.name = None;
    meta.unset_list = None;
    Some(Rule { meta, body: Body::Detection(detection) })
}

fn event_of(batch: &Batch<'_>, row: u32, bytes: &[u8]) -> Option<Event> {
    let (start, end) = batch.spans[row as usize];
    let raw = serde_json::from_slice(&bytes[start..end]).ok()?;
    let mut values = BTreeMap::new();
    for (id, field) in batch.plan.fields.iter().enumerate() {
        let mut seen = Vec::new();
        batch.each_value(id as u16, row, &mut |v| seen.push((v.kind, v.text.to_owned())));
        // A rule's alias and the mapping's own reading of that name are two fields: the alias sees all that the other does.
        let known: &mut Vec<Seen> = values.entry(field.field.clone()).or_default();
        if known.is_empty() {
            *known = seen;
        }
    }
    Some(Event { id: batch.event_id(row).map(|i| i.into_owned()), time: batch.times[row as usize], raw, values })
}

/// Which record of an input is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The first that is an event.
    First,
    /// By its number: line, row or array index from 1.
    Record(u32),
    /// By its event id.
    Id(String),
}

/// A record found in an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// Index of its source.
    pub source: usize,
    /// Name of the input.
    pub file: String,
    /// Number of the record.
    pub record: u32,
    /// Its text.
    pub raw: Vec<u8>,
    /// Events of the input.
    pub events: u64,
    /// Records of the input that are no event.
    pub rejected: u64,
}

/// Finds one record of one input, read as a scan reads it.
pub fn pick(found: Discovered, sources: &SourceSet, choice: &Choice) -> Result<Picked, UserError> {
    struct Best {
        record: u32,
        source: usize,
        raw: Vec<u8>,
    }
    let rules = RuleSet::default();
    let best: Mutex<Option<Best>> = Mutex::new(None);
    let ids: Mutex<BTreeSet<(u32, String)>> = Mutex::new(BTreeSet::new());
    let result = scan(ScanRequest {
        render: Some(&|batch, row, bytes, _| {
            let record = batch.records[row as usize];
            let meant = match choice {
                Choice::First => true,
                Choice::Record(n) => record == *n,
                Choice::Id(id) => {
                    let own = batch.event_id(row);
                    if let Some(own) = &own {
                        let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
                        ids.insert((record, own.clone().into_owned()));
                        if ids.len() > 3 {
                            ids.pop_last();
                        }
                    }
                    own.as_deref() == Some(id)
                }
            };
            let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
            if meant && best.as_ref().is_none_or(|b| record < b.record) {
                let (start, end) = batch.spans[row as usize];
                *best = Some(Best { record, source: batch.plan.source as usize, raw: bytes[start..end].to_vec() });
            }
        }),
        ..ScanRequest::new(found, sources, &rules)
    })?;
    let file = result.files.first().map(|f| f.name.clone()).unwrap_or_default();
    let events = result.totals.read - result.totals.rejected;
    if let Some(Best { record, source, raw }) = best.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Ok(Picked { source, file, record, raw, events, rejected: result.totals.rejected });
    }
    let reasons = result.files.first().map(|f| f.reasons.as_slice()).unwrap_or_default();
    let known: Vec<&str> = sources.mappings().iter().map(|m| m.id.as_str()).collect();
    let asked = match choice {
        Choice::Record(n) => reasons.iter().find(|r| r.0 == Some(*n)),
        _ => None,
    };
    if let Some((record, reason)) = asked.or(reasons.first().filter(|_| events == 0)) {
        let place = record.map_or(String::new(), |r| format!(":{r}"));
        let help = match known.as_slice() {
            [one] => format!("only the source {one} was tried"),
            many => format!("an event is a JSON object, or a record of a log, of one of the sources {}; --source names it", many.join(", ")),
        };
        return Err(UserError::new(format!("{file}{place}: {reason}")).help(help));
    }
    if let Some(reject) = result.rejects.first() {
        return Err(UserError::new(format!("{}: {}", reject.file, reject.reason)));
    }
    Err(match choice {
        Choice::Id(id) => {
            let ids = ids.into_inner().unwrap_or_else(PoisonError::into_inner);
            let some: Vec<&str> = ids.iter().map(|i| i.1.as_str()).collect();
            let help = if some.is_empty() {
                "its events have no ids: choose one with --record N".to_owned()
            } else {
                format!("ids in it are such as {}", some.join(", "))
            };
            UserError::new(format!("{file}: none of {events} events has the id `{id}`")).help(help)
        }
        Choice::Record(n) => UserError::new(format!("{file}: there is no record {n} among {events} events"))
            .help("a record's number is its line, its row's line or its place in the array, counted from 1"),
        Choice::First => UserError::new(format!("{file}: it holds no event")),
    })
}
