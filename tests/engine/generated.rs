//! Generated rules over generated events: our engine and the oracle match the same pairs.
//!
//! A case is one generated rule over one generated batch of events; the rules of a batch are scanned together.

use super::Oracle;
use super::strategies::{body, detection, yaml_of};
use crate::common::{event, generator, ndjson, rules, scan_bytes, test_source};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;

/// Cases of a run, over both generators.
const CASES: usize = 10_000;

/// A few rules and events.
pub fn case() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    any::<bool>().prop_flat_map(|nulls| (vec(detection(nulls), 2..6), vec(body(nulls), 8..25)))
}

/// Pairs of rule and event on which the engines differ, and the number of pairs that match.
fn compared(detections: &[Value], bodies: Vec<Value>) -> Result<usize, String> {
    let yaml = yaml_of(detections);
    let events: Vec<Value> = bodies.into_iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", b)).collect();
    let ours = scan_bytes(test_source(), &rules(&yaml), vec![("log".into(), ndjson(&events))], 1).matches;
    let oracle = Oracle::new(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
    let mut theirs = BTreeSet::new();
    for e in &events {
        theirs.extend(oracle.hits(e).into_iter().map(|rule| (rule, e["id"].as_str().unwrap_or_default().to_owned())));
    }
    let Some(pair) = ours.symmetric_difference(&theirs).next() else { return Ok(theirs.len()) };
    let number = |text: &str| text[1..].parse::<usize>().unwrap_or_default();
    let who = if ours.contains(pair) { "ours alone matches" } else { "the oracle alone matches" };
    Err(format!("{who}\n  rule  {}\n  event {}", detections[number(&pair.0)], events[number(&pair.1)]))
}

/// Runs batches of rules over batches of events until there are so many cases.
fn equal_to_the_oracle(name: &str, least: usize, batches: u32, strategy: impl Strategy<Value = (Vec<Value>, Vec<Value>)>) {
    let (cases, pairs, hits) = (Cell::new(0usize), Cell::new(0usize), Cell::new(0usize));
    let result = generator(name, batches).run(&strategy, |(detections, bodies)| {
        cases.set(cases.get() + detections.len());
        pairs.set(pairs.get() + detections.len() * bodies.len());
        hits.set(hits.get() + compared(&detections, bodies).map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let (cases, pairs, hits) = (cases.get(), pairs.get(), hits.get());
    assert!(cases >= least, "only {cases} cases");
    assert!((pairs / 10..pairs * 9 / 10).contains(&hits), "{hits} of {pairs} pairs match: the generator says little");
}

#[test]
fn generated_rules_match_what_the_oracle_matches() {
    equal_to_the_oracle("engine", CASES / 2, 172, (vec(detection(false), 20..40), vec(body(false), 12..30)));
}

/// As above with nulls among the values, and no rule that asks `exists`, on which the two differ then.
#[test]
fn generated_rules_match_what_the_oracle_matches_where_values_are_null() {
    equal_to_the_oracle("engine-nulls", CASES / 2, 172, (vec(detection(true), 20..40), vec(body(true), 12..30)));
}
