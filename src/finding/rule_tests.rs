//! Runs the tests that rules carry, through the same pipeline as a scan, and says of a failed one why.

use super::examine::{Examined, examine};
use super::explain::{Explanation, detections_of, explain};
use super::scan::{RuleState, Scan, ScanRequest, scan};
use crate::enrich::database::{Databases, facts_of_test};
use crate::enrich::record::Facts;
use crate::event::address::parse_address;
use crate::event::time::{format_time, parse_duration, parse_time};
use crate::rule::load::{RuleFile, RuleSet, load_rules_through};
use crate::rule::meta::{Expectation, RuleTest};
use crate::rule::vars::Vars;
use crate::rule::{Body, Rule};
use crate::source::SourceSet;
use crate::source::discover::{Discovered, Input, Origin};
use crate::source::mapping::Mapping;
use hashbrown::HashMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Events of a failed test that are explained.
const MAX_EXPLAINED: usize = 200;

/// One test of one rule.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Title of the rule.
    pub rule: String,
    /// Id of the rule.
    pub rule_id: String,
    /// File of the rule.
    pub file: String,
    /// 1-based line of the rule's document.
    pub line: usize,
    /// Name of the test.
    pub test: String,
    /// Why it failed, in one line and then more lines (not escaped); `None` when it passed.
    pub failure: Option<String>,
}

/// Runs every test of every rule, in the order of files and lines.
pub fn run_tests(set: &RuleSet, files: &[RuleFile], vars: &Vars, sources: &SourceSet) -> Vec<Outcome> {
    let mut out = Vec::new();
    for (index, rule) in set.rules.iter().enumerate() {
        for test in &rule.meta.tests {
            let failure = if test.lists.is_empty() && test.calendar.is_none() {
                run_one(set, index, test, sources)
            } else {
                let mut with = vars.clone();
                with.lists.extend(test.lists.iter().map(|(k, v)| (k.clone(), Some(v.clone()))));
                match test.calendar.as_ref().map(|c| c.read()).transpose() {
                    Ok(calendar) => with.calendar = calendar.or(with.calendar),
                    Err(e) => {
                        out.push(outcome(rule, test, Err(format!("calendar.{e}"))));
                        continue;
                    }
                }
                let again = load_rules_through(files.to_vec(), &with, set.loading.clone());
                match again.rules.iter().position(|r| r.meta.id == rule.meta.id) {
                    Some(index) => run_one(&again, index, test, sources),
                    None => Err("the rule does not load with the test's lists".into()),
                }
            };
            out.push(outcome(rule, test, failure));
        }
    }
    out
}

fn outcome(rule: &Rule, test: &RuleTest, result: Result<(), String>) -> Outcome {
    let m = &rule.meta;
    Outcome { rule: m.title.clone(), rule_id: m.id.clone(), file: m.file.clone(), line: m.line, test: test.name.clone(), failure: result.err() }
}

fn run_one(set: &RuleSet, index: usize, test: &RuleTest, sources: &SourceSet) -> Result<(), String> {
    let (rule, subset) = (&set.rules[index], set.only(index));
    let source = test.source.as_deref().unwrap_or("auditmill");
    let mapping = sources.mappings().iter().find(|m| m.id == source).ok_or_else(|| {
        let known: Vec<&str> = sources.mappings().iter().map(|m| m.id.as_str()).collect();
        format!("no source has the id `{source}`; there are {}", known.join(", "))
    })?;
    let reading = mapping.reading();
    let time_paths: Vec<&str> = reading.time.iter().map(|t| reading.paths[t.path].path.as_str()).collect();
    let mut records: Vec<Vec<u8>> = Vec::new();
    for event in &test.events {
        for record in expand(event, &time_paths)? {
            records.push(serde_json::to_vec(&record).map_err(|e| e.to_string())?);
        }
    }
    let bytes: Vec<u8> = records.iter().flat_map(|r| r.iter().copied().chain([b'\n'])).collect();
    let input = Input { name: "test".into(), origin: Origin::Bytes(Arc::new(bytes)), named: true };
    let only = SourceSet::only(mapping, sources.containers.clone());
    let databases = Arc::new(Databases::of_test(given(test)?));
    let result = scan(ScanRequest { databases, ..ScanRequest::new(Discovered { inputs: vec![input], rejects: Vec::new() }, &only, &subset) })
        .map_err(|e| e.to_string())?;
    let count = records.len() as u64;
    if result.totals.accepted != count {
        let first = result.files.first();
        let reason = match first.and_then(|f| f.reasons.first()) {
            Some((Some(record), reason)) => format!("event {record}: {reason}"),
            Some((None, reason)) => reason.clone(),
            None if result.totals.duplicates > 0 => format!("{} are exact duplicates of others; give them different ids", result.totals.duplicates),
            None => String::new(),
        };
        return Err(format!("{} of {count} events were accepted: {reason}", result.totals.accepted));
    }
    let hits = result.hits.first().copied().unwrap_or(0);
    let summary = match (test.expect, hits) {
        (Expectation::Match, 0) => "expected a match, found none".to_owned(),
        (Expectation::NoMatch, n) if n > 0 => match rule.body {
            Body::Detection(_) => format!("expected no match, and {n} of {count} events {}", if n == 1 { "matches" } else { "match" }),
            _ => format!("expected no match, found {n}"),
        },
        _ => return Ok(()),
    };
    let mut lines = vec![summary];
    lines.extend(why(set, rule, test.expect, &result, mapping, &records));
    Err(lines.join("\n"))
}

/// What the test says of addresses.
fn given(test: &RuleTest) -> Result<HashMap<IpAddr, Facts>, String> {
    let one = |(text, facts): (&String, &BTreeMap<String, String>)| {
        let addr = parse_address(text).ok_or_else(|| format!("enriched: `{text}` is not an address"))?;
        Ok((addr, facts_of_test(facts).map_err(|e| format!("enriched: {text}: {e}"))?))
    };
    test.enriched.iter().map(one).collect()
}

/// The reasons of a failed test, one a line.
fn why(set: &RuleSet, rule: &Rule, expected: Expectation, result: &Scan<'_>, mapping: &Arc<Mapping>, records: &[Vec<u8>]) -> Vec<String> {
    let mut out = Vec::new();
    match result.states.first() {
        Some(RuleState::CouldNotMatch(fields)) => {
            out.push(format!("it could not match: no event has the field {}, as the source {} is mapped", fields.join(", "), mapping.id))
        }
        Some(RuleState::NotApplicable(reason)) => out.push(format!("the rule does not apply to the source {}: {reason}", mapping.id)),
        Some(RuleState::NotAssessable(reason)) => out.push(format!("it is not assessable: {reason} or in the test's `lists`")),
        Some(RuleState::Ran) | None => {}
    }
    let shown: Vec<&[u8]> = records.iter().take(MAX_EXPLAINED).map(Vec::as_slice).collect();
    let is_detection = matches!(rule.body, Body::Detection(_));
    for base in detections_of(set, rule) {
        let Body::Detection(detection) = &base.body else { continue };
        let Ok(examined) = examine(mapping, &[base], &shown, &result.databases) else { continue };
        let events: Vec<Examined> = examined.into_iter().flatten().collect();
        let explained: Vec<Explanation> = events.iter().map(|e| explain(base, detection, &e.event, mapping, None, true)).collect();
        let matching = explained.iter().filter(|e| e.matches).count();
        if !is_detection {
            out.push(format!("its base rule `{}` matches {matching} of {} events", base.meta.title, events.len()));
        }
        let wanted = expected == Expectation::NoMatch && is_detection;
        if matching > 0 && !wanted {
            continue;
        }
        // The event that fails by least, or the first that matches.
        let nearest = explained.iter().enumerate().filter(|(_, e)| e.matches == wanted).min_by_key(|(i, e)| (e.not_run.is_some(), e.decided_by.len(), *i));
        if let Some((i, e)) = nearest {
            out.extend(words(i, events.len(), e, matches!(result.states.first(), Some(RuleState::Ran))));
        }
    }
    if let (Body::Correlation(c), Expectation::Match) = (&rule.body, expected) {
        out.push(format!(
            "no {} held enough of them{}",
            format_args!("window of {}", crate::event::time::format_duration(c.timespan)),
            if c.group_by.is_empty() { String::new() } else { format!(" with the same {}", c.group_by.join(", ")) }
        ));
        let without = result.ungrouped.first().copied().unwrap_or(0);
        if without > 0 {
            out.push(format!("{without} matching events have none of {} and were left out", c.group_by.join(", ")));
        }
    }
    if let (Body::Correlation(_), Expectation::NoMatch, Some(found)) = (&rule.body, expected, result.findings.iter().find(|f| f.rule == 0)) {
        let entity: Vec<String> = found.entity.iter().map(|(k, v)| format!("{k}={v}")).collect();
        out.push(format!("{} events from {} to {} make one: {}", found.count(), format_time(found.first), format_time(found.last), entity.join(", ")));
    }
    out
}

/// What decided about one event.
fn words(index: usize, of: usize, e: &Explanation, with_state: bool) -> Vec<String> {
    let event = if of == 1 { "the event".to_owned() } else { format!("event {} of {of}", index + 1) };
    let mut out = Vec::new();
    if let (Some(reason), true) = (&e.not_run, with_state) {
        out.push(format!("{event}: {reason}"));
    }
    let mut selections: BTreeMap<&str, bool> = BTreeMap::new();
    e.condition.visit(&mut |node| {
        if let (super::explain::What::Selection { name }, Some(holds)) = (&node.what, node.holds) {
            selections.insert(name, holds);
        }
    });
    let side = |held: bool, one: &str, many: &str| {
        let names: Vec<&str> = selections.iter().filter(|(_, h)| **h == held).map(|(n, _)| *n).collect();
        (!names.is_empty()).then(|| format!("{} {}", names.join(", "), if names.len() == 1 { one } else { many }))
    };
    let sides: Vec<String> = [side(true, "holds", "hold"), side(false, "does not hold", "do not hold")].into_iter().flatten().collect();
    let nearest = if e.matches || of == 1 { event } else { format!("the nearest is {event}") };
    out.push(format!("{nearest}: {}", sides.join("; ")));
    for d in &e.decided_by {
        let selection = d.selection.as_ref().map_or(String::new(), |s| format!("{s}: "));
        out.push(format!("  {selection}{} {}: {}", d.asks, if d.holds { "holds" } else { "does not hold" }, d.is));
    }
    out
}
/// The records that one entry of `events:` stands for.
fn expand(event: &Value, time_paths: &[&str]) -> Result<Vec<Value>, String> {
    let Some(repeat) = event.get("repeat").and_then(Value::as_u64) else { return Ok(vec![event.clone()]) };
    let record = event.get("record").ok_or("`repeat` needs `record`")?;
    let every = event
        .get("every")
        .and_then(Value::as_str)
        .map(|t| parse_duration(t).ok_or_else(|| format!("every: `{t}` is not a duration")))
        .transpose()?
        .unwrap_or(0);
    (0..repeat.min(10_000))
        .map(|n| {
            let mut copy = record.clone();
            fill(&mut copy, n);
            for path in time_paths {
                if let Some(Value::String(t)) = copy.get_mut(*path)
                    && let Some(at) = parse_time(t, chrono_tz::UTC)
                {
                    *t = format_time(at.micros + every * n as i64);
                }
            }
            Ok(copy)
        })
        .collect()
}

/// Puts the number of the repetition in the place of `{n}`.
fn fill(value: &mut Value, n: u64) {
    match value {
        Value::String(s) => *s = s.replace("{n}", &n.to_string()),
        Value::Array(items) => items.iter_mut().for_each(|i| fill(i, n)),
        Value::Object(map) => map.values_mut().for_each(|v| fill(v, n)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
