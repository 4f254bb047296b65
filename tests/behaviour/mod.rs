//! Behaviours against a brute-force reference of their definition, each decision by name, and baselines against the logs.
//!
//! What the reference and the named tests take as decided (RULES §4):
//!
//! - **History.** Of an entity those events that lie before the instant that is judged, whatever the period; the events of one
//!   instant do not know of each other. Known long enough: from its first event on `learning.time` has passed. Known well
//!   enough: it has `learning.events` events. `known-by` events count for both and are not judged.
//! - **Null.** An event without any value of the entity, or of a field that the rule looks at, is left out and counted. It
//!   makes nobody known.
//! - **A value is learnt when it is seen**, be it judged or not: it fires once.
//! - **Windows** of a volume are aligned to 1970; a window without any event in the logs is a gap and not a zero. A
//!   spike lies above every earlier window, too.

mod baseline;
mod decisions;
mod generated;
mod reference;

use crate::common::{at, event, ndjson, test_source, try_rules};
use auditmill::engine::behaviour::FactValue;
use auditmill::finding::behaviour::{Baseline, Counts};
use auditmill::finding::scan::{Period, RuleState, ScanRequest, Window, scan};
use auditmill::rule::load::RuleSet;
use auditmill::source::discover::{Discovered, Input, Origin};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const HOUR: i64 = 3_600_000_000;
pub const DAY: i64 = 24 * HOUR;

/// A finding as tests compare it: entity values (null as empty text), ids of the events, and the values that it names.
pub type Found = (Vec<String>, BTreeSet<String>, Vec<String>);

/// What a run gave of the rule `B`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub findings: BTreeSet<Found>,
    /// Number of findings: equal ones would be one in the set.
    pub count: usize,
    /// Entity, whether it was judged at last, and events not judged.
    pub unjudged: BTreeSet<(Vec<String>, bool, u64)>,
    pub counts: Counts,
    pub without_entity: u64,
    pub state: RuleState,
    pub facts: BTreeMap<String, String>,
}

/// A detection `base` of events of the kind `hit`, `known` of the kind `known`, and the behaviour `B` with these keys.
pub fn documents(behaviour: &Value, known_by: bool) -> String {
    let mut behaviour = behaviour.clone();
    behaviour["rules"] = json!(["base"]);
    if known_by {
        behaviour["known-by"] = json!(["known"]);
    }
    let base = |name: &str, kind: &str| {
        format!("title: {name}\nid: id-{name}\nname: {name}\nlogsource: {{product: test}}\ndetection: {{s: {{k: {kind}}}, condition: s}}\nlevel: low\n---\n")
    };
    format!("{}{}title: B\nid: b\nlevel: high\nbehaviour: {behaviour}\n", base("base", "hit"), base("known", "known"))
}

/// Scans files; gives what the rule `B` found, and what was learnt.
pub fn run(rules: &RuleSet, files: Vec<(String, Vec<u8>)>, threads: usize, period: Period, baseline: Option<&Baseline>) -> (Outcome, Baseline) {
    let mut inputs: Vec<Input> = files.into_iter().map(|(name, bytes)| Input { name, origin: Origin::Bytes(Arc::new(bytes)), named: true }).collect();
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let result = scan(ScanRequest {
        window: Window::Fixed(period),
        threads,
        baseline,
        learn: true,
        ..ScanRequest::new(Discovered { inputs, rejects: Vec::new() }, test_source(), rules)
    })
    .expect("the scan runs");
    let of_b = rules.rules.iter().position(|r| r.meta.title == "B").expect("B");
    let values = |entity: &[(String, String)]| entity.iter().map(|e| e.1.clone()).collect::<Vec<_>>();
    let found: Vec<Found> = result
        .findings
        .iter()
        .filter(|f| f.rule == of_b)
        .map(|f| {
            let ids = f.rows().iter().map(|r| result.rows.event_id(*r).unwrap_or("(none)").to_owned()).collect();
            let named = f.facts.iter().filter(|x| matches!(x.name, "value" | "by" | "from" | "to" | "window" | "silent_from" | "silent_until" | "last_seen"));
            (values(&f.entity), ids, named.map(|x| auditmill::output::behaviour::fact_text(&x.value)).collect())
        })
        .collect();
    let facts = result.findings.iter().find(|f| f.rule == of_b).map(|f| {
        f.facts
            .iter()
            .map(|x| (x.name.to_owned(), if let FactValue::Count(n) = x.value { n.to_string() } else { auditmill::output::behaviour::fact_text(&x.value) }))
            .collect()
    });
    let outcome = Outcome {
        count: found.len(),
        findings: found.into_iter().collect(),
        unjudged: result.histories.iter().filter(|h| h.rule == of_b).map(|h| (values(&h.entity), h.judged_from.is_some(), h.unjudged)).collect(),
        counts: result.behaved.get(&of_b).copied().unwrap_or_default(),
        without_entity: result.ungrouped[of_b],
        state: result.states[of_b].clone(),
        facts: facts.unwrap_or_default(),
    };
    (outcome, result.baseline_learned())
}

/// Runs a behaviour over events in one file.
pub fn run_events(behaviour: &Value, events: &[Value]) -> Outcome {
    let rules = try_rules(&documents(behaviour, true)).unwrap_or_else(|e| panic!("{e}"));
    run(&rules, vec![("log".into(), ndjson(events))], 1, Period::ALL, None).0
}

/// An event at so many microseconds after the tests' first instant.
pub fn event_at(id: &str, micros: i64, kind: &str, mut body: Value) -> Value {
    body["k"] = json!(kind);
    event(id, &at(micros), body)
}
