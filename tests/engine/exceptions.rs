//! Walks `exceptions.yml`: each difference from the oracle is there, and is still one.

use super::Oracle;
use crate::common::{Place, event, lines_of, ndjson, scan_bytes, test_source, try_rules};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// One difference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    pub id: String,
    /// Row of the decisions.
    pub row: String,
    /// The sentence that decides.
    because: String,
    detection: Value,
    event: Value,
    ours: Value,
    eval: Value,
    /// The rule stands in a folder, as a pack of others does.
    #[serde(default)]
    pack: bool,
}

/// The list.
pub fn exceptions() -> Vec<Exception> {
    yaml_serde::from_str(include_str!("exceptions.yml")).expect("exceptions.yml")
}

impl Exception {
    fn document(&self) -> String {
        json!({"title": "R", "id": "r", "sigma-version": 3, "logsource": {"product": "test"}, "detection": self.detection, "level": "high"}).to_string()
    }

    fn record(&self) -> Value {
        event("e", "2024-01-15T10:00:00Z", self.event.clone())
    }

    fn our_answer(&self) -> Value {
        if self.pack {
            return self.our_answer_in_a_pack();
        }
        let Ok(set) = try_rules(&self.document()) else { return json!("refused") };
        let seen = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&[self.record()]))], 1);
        assert_eq!(seen.totals.accepted, 1, "{}", self.id);
        json!(!seen.matches.is_empty())
    }

    fn our_answer_in_a_pack(&self) -> Value {
        let place = Place::new();
        place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
        place.write("rules/rule.yml", self.document()).write("log", ndjson(&[self.record()]));
        let ran = place.run(&["scan", "log", "--sources", "source.yml", "--rules", "rules", "--format", "json", "--matches", "m"]).exits(0);
        let refused = ran.json()["rule_problems"].as_array().is_some_and(|p| !p.is_empty());
        if refused { json!("refused") } else { json!(!lines_of(&place.read("m")).is_empty()) }
    }

    fn oracles_answer(&self) -> Value {
        match Oracle::new(&self.document()) {
            Err(_) => json!("refused"),
            Ok(oracle) => json!(!oracle.hits(&self.record()).is_empty()),
        }
    }
}

#[test]
fn each_exception_is_one() {
    let mut wrong = Vec::new();
    let list = exceptions();
    for e in &list {
        let (ours, oracle) = (e.our_answer(), e.oracles_answer());
        if ours != e.ours {
            wrong.push(format!("{}: ours is {ours}, not {} ({}: {} on {})", e.id, e.ours, e.because, e.detection, e.event));
        }
        if oracle != e.eval {
            wrong.push(format!("{}: the oracle's answer is {oracle} now, not {}: see whether its exception can go", e.id, e.eval));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_list_of_exceptions_is_in_order() {
    let list = exceptions();
    let answer = |v: &Value| v.is_boolean() || v == "refused";
    for e in &list {
        assert!(answer(&e.ours) && answer(&e.eval) && e.ours != e.eval, "{}: no difference", e.id);
        assert!(e.because.ends_with('.') && !e.row.is_empty(), "{}: a sentence and a row", e.id);
    }
    let ids: BTreeSet<&str> = list.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids.len(), list.len(), "an id twice");
}
