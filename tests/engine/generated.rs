//! Generated rules over generated events: our engine and the oracle match the same pairs.
//!
//! A case is one generated rule over one generated batch of events; the rules of a batch are scanned together.

use super::Oracle;
use super::strategies::{body, detection, one_or_list, yaml_of};
use crate::common::{event, generator, ndjson, rules, scan_bytes, test_source};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Cases of a run, over all generators of this file.
const CASES: usize = 10_000;

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
    let batches = any::<bool>().prop_flat_map(|nulls| (vec(detection(nulls), 20..40), vec(body(nulls), 12..30)));
    equal_to_the_oracle("engine", CASES * 9 / 10, 320, batches);
}

/// The modifiers that encode the rule's text, in each order that the oracle takes for the order in which they are written.
#[test]
fn generated_encodings_match_what_the_oracle_matches() {
    const ENCODED: [&str; 6] = ["base64", "base64offset|contains", "wide|base64", "wide|base64offset|contains", "utf16be|base64", "utf16|base64offset|contains"];
    const TEXTS: [&str; 8] = ["a", "ab", "abc", "http://", "Invoke", "\u{e9}\u{416}", "/bin/sh", "12"];
    let text = || select(TEXTS.to_vec());
    let item = (select(ENCODED.to_vec()), vec(text(), 1..3), select(vec!["", "", "|neq"]))
        .prop_map(|(encoded, texts, neq)| (format!("f|{encoded}{neq}"), one_or_list(texts.into_iter().map(Value::from).collect())));
    let detection = item.prop_map(|(key, value)| json!({"s": {key: value}, "condition": "s"}));
    let units = |t: &str, big: bool| -> Vec<u8> { t.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect() };
    let encoded = (text(), 0usize..3, text(), 0usize..5, any::<bool>()).prop_map(move |(text, before, after, form, around)| {
        let inner = match form {
            0 | 1 => text.as_bytes().to_vec(),
            2 => units(text, false),
            3 => units(text, true),
            _ => [vec![0xff, 0xfe], units(text, false)].concat(),
        };
        let bytes = if around { ["xyz".as_bytes()[..before].to_vec(), inner, after.as_bytes().to_vec()].concat() } else { inner };
        json!({ "f": base64(&bytes) })
    });
    let body = prop_oneof![6 => encoded, 1 => text().prop_map(|t| json!({ "f": t })), 1 => Just(json!({}))];
    let batches = (vec(detection, 20..40), vec(body, 20..40));
    let (cases, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator("encodings", 40).run(&batches, |(detections, bodies)| {
        cases.set(cases.get() + detections.len());
        hits.set(hits.get() + compared(&detections, bodies).map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    assert!(cases.get() >= CASES / 10 && hits.get() > cases.get(), "{} hits of {} cases", hits.get(), cases.get());
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            out.push(if i <= group.len() { letter } else { '=' });
        }
    }
    out
}
