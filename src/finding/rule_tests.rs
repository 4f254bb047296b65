//! Runs the tests that rules carry, through the same pipeline as a scan.

use super::scan::{Period, ScanRequest, Window, scan};
use crate::engine::run::Keep;
use crate::event::time::{format_time, parse_duration, parse_time};
use crate::rule::Rule;
use crate::rule::load::{RuleFile, RuleSet, load_rules_through};
use crate::rule::meta::{Expectation, RuleTest};
use crate::rule::vars::Vars;
use crate::source::SourceSet;
use crate::source::discover::{Discovered, Input, Origin};
use serde_json::Value;
use std::sync::Arc;

/// One test of one rule.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Title of the rule.
    pub rule: String,
    /// File of the rule.
    pub file: String,
    /// Name of the test.
    pub test: String,
    /// Why it failed; `None` when it passed.
    pub failure: Option<String>,
}

/// Runs every test of every rule.
pub fn run_tests(set: &RuleSet, files: &[RuleFile], vars: &Vars, sources: &SourceSet) -> Vec<Outcome> {
    let mut out = Vec::new();
    for rule in &set.rules {
        for test in &rule.meta.tests {
            let failure = if test.lists.is_empty() {
                run_one(set, rule, test, sources)
            } else {
                let mut with = vars.clone();
                with.lists.extend(test.lists.iter().map(|(k, v)| (k.clone(), Some(v.clone()))));
                let again = load_rules_through(files.to_vec(), &with, set.pipelines.clone());
                match again.rules.iter().find(|r| r.meta.id == rule.meta.id) {
                    Some(r) => run_one(&again, r, test, sources),
                    None => Err("the rule does not load with the test's lists".into()),
                }
            };
            out.push(Outcome { rule: rule.meta.title.clone(), file: rule.meta.file.clone(), test: test.name.clone(), failure: failure.err() });
        }
    }
    out
}

fn run_one(set: &RuleSet, rule: &Rule, test: &RuleTest, sources: &SourceSet) -> Result<(), String> {
    let subset = set.only(set.rules.iter().position(|r| r.meta.id == rule.meta.id).ok_or("the rule is not of this set")?);
    let source = test.source.as_deref().unwrap_or("auditmill");
    let mapping = sources.mappings.iter().position(|m| m.id == source).ok_or_else(|| format!("no source has the id `{source}`"))?;
    let time_paths: Vec<&str> = sources.mappings[mapping].time.iter().map(|p| sources.mappings[mapping].paths[*p].as_str()).collect();
    let mut bytes = Vec::new();
    let mut count = 0u64;
    for event in &test.events {
        for record in expand(event, &time_paths)? {
            serde_json::to_writer(&mut bytes, &record).map_err(|e| e.to_string())?;
            bytes.push(b'\n');
            count += 1;
        }
    }
    let input = Input { name: "test".into(), origin: Origin::Bytes(Arc::new(bytes)), named: true };
    let only = SourceSet { mappings: vec![sources.mappings[mapping].clone()], containers: sources.containers.clone() };
    let result = scan(ScanRequest {
        found: Discovered { inputs: vec![input], rejects: Vec::new() },
        sources: &only,
        rules: &subset,
        columns: &[],
        keep: Keep::Matched,
        window: Window::Fixed(Period::ALL),
        threads: 1,
        render: None,
        progress: &|_| {},
    })
    .map_err(|e| e.to_string())?;
    if result.totals.accepted != count {
        let reason = result.files.first().and_then(|f| f.reasons.first()).map(|r| r.1.clone()).unwrap_or_default();
        return Err(format!("{} of {count} events were accepted: {reason}", result.totals.accepted));
    }
    let hits = result.hits.first().copied().unwrap_or(0);
    match (test.expect, hits) {
        (Expectation::Match, 0) => Err(format!("expected a match, found none ({:?})", result.states.first())),
        (Expectation::NoMatch, n) if n > 0 => Err(format!("expected no match, found {n}")),
        _ => Ok(()),
    }
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
