//! The baseline's file, through the real binary.

use super::{DAY, event_at};
use crate::common::{Place, ndjson};
use serde_json::{Value, json};

const SOURCE: &str = "id: test\ntitle: Test\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n";

fn place() -> Place {
    let place = Place::new();
    let rules = super::documents(&json!({"type": "new_value", "field": "v", "group-by": ["u"], "learning": {"time": "30d", "events": 20}}), false);
    place.write("rules.yml", rules).write("source.yml", SOURCE);
    let month = |from: i64, to: i64| -> Vec<Value> { (from..to).map(|d| event_at(&format!("d{d}"), d * DAY, "hit", json!({"u": "ana", "v": "DE"}))).collect() };
    let mut second = month(31, 61);
    second.push(event_at("new", 40 * DAY, "hit", json!({"u": "ana", "v": "KP"})));
    place.write("first.ndjson", ndjson(&month(0, 31))).write("second.ndjson", ndjson(&second));
    place
}

const FLAGS: [&str; 4] = ["--rules", "rules.yml", "--sources", "source.yml"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(&FLAGS).copied().collect()
}

#[test]
fn a_baseline_stands_for_the_logs_that_it_was_learnt_from() {
    let place = place();
    place.run(&with(&["baseline", "build", "first.ndjson", "-o", "base.parquet"])).exits(0).says("learnt").says("test from 2024-01-15T10:00:00Z");
    let findings = |args: &[&str]| -> Value {
        let json = place.run(&with(args)).exits(0).json();
        json["findings"].as_array().expect("findings").iter().map(|f| json!([f["id"], f["entity"], f["facts"]])).collect()
    };
    let with_baseline = findings(&["scan", "second.ndjson", "--baseline", "base.parquet", "--format", "json"]);
    let from_logs = findings(&["scan", "first.ndjson", "second.ndjson", "--format", "json", "--from", "2024-02-15"]);
    assert_eq!(with_baseline, from_logs);
    assert_eq!(with_baseline.as_array().map(Vec::len), Some(1), "{with_baseline}");
    assert_eq!(findings(&["scan", "second.ndjson", "--format", "json"]), json!([]), "without a history nothing is new");
    // Old logs beside the baseline count once.
    let beside = place.run(&with(&["scan", "first.ndjson", "second.ndjson", "--baseline", "base.parquet", "--format", "json"])).exits(0).json();
    assert_eq!(beside["behaviours"][0]["learnt_before"], 31);
    assert_eq!(beside["findings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_baseline_grows_and_is_refused_where_it_would_count_twice() {
    let place = place();
    place.run(&with(&["baseline", "build", "first.ndjson", "-o", "one.parquet"])).exits(0);
    place.run(&with(&["baseline", "build", "second.ndjson", "--baseline", "one.parquet", "-o", "two.parquet"])).exits(0);
    place.run(&with(&["baseline", "build", "first.ndjson", "second.ndjson", "-o", "both.parquet"])).exits(0);
    assert_eq!(place.read("two.parquet"), place.read("both.parquet"), "the same bytes, learnt in one step or in two");
    place.run(&with(&["scan", "second.ndjson", "--baseline", "one.parquet", "--baseline", "two.parquet"])).exits(2).says("count twice");
    // Beside each other: of different times.
    place.run(&with(&["baseline", "build", "second.ndjson", "-o", "later.parquet"])).exits(0);
    place.run(&with(&["scan", "second.ndjson", "--baseline", "one.parquet", "--baseline", "later.parquet"])).exits(0);
    place.run(&with(&["scan", "second.ndjson", "--baseline", "rules.yml"])).exits(2).says("not a baseline");
    place.run(&with(&["scan", "second.ndjson", "--baseline", "nowhere.parquet"])).exits(2).says("nowhere.parquet");
    place
        .run(&with(&["events", "first.ndjson", "--format", "parquet", "-o", "events.parquet"]).into_iter().filter(|a| !a.contains("rules")).collect::<Vec<_>>())
        .exits(0);
    place.run(&with(&["scan", "second.ndjson", "--baseline", "events.parquet"])).exits(2).says("not a baseline");
    let whole = place.read("one.parquet");
    for cut in [0, 4, 20, whole.len() / 2, whole.len() - 1] {
        place.write("cut.parquet", &whole[..cut]);
        place.run(&with(&["scan", "second.ndjson", "--baseline", "cut.parquet"])).exits(2).says("cut.parquet");
    }
}

#[test]
fn a_rule_that_changed_has_to_learn_anew() {
    let place = place();
    place.run(&with(&["baseline", "build", "first.ndjson", "-o", "base.parquet"])).exits(0);
    let changed = String::from_utf8(place.read("rules.yml")).expect("text").replace("\"events\":20", "\"events\":10");
    place.write("rules.yml", changed);
    place.run(&with(&["scan", "second.ndjson", "--baseline", "base.parquet"])).exits(0).says("changed since the baseline");
}
