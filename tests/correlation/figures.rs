//! Sums, averages, percentiles and medians of the numbers in a window, each decision by name.

use super::{at_seconds, bursts, hits, over_hits, run};
use crate::common::{event, scan_period, test_source, try_rules};
use auditmill::finding::scan::Period;
use serde_json::{Value, json};

const FIGURES: [(&str, &str); 4] = [("value_sum", ""), ("value_avg", ""), ("value_percentile", "percentile: 95, "), ("value_median", "")];

fn rule(kind: &str, condition: &str) -> String {
    over_hits(kind, &format!("timespan: 10s\ncondition: {{field: v, {condition}}}"))
}

/// Hits with these values, a second apart.
fn values(values: &[Value]) -> Vec<Value> {
    hits(&values.iter().enumerate().map(|(i, v)| (i as f64 / 10.0, json!({ "v": v }))).collect::<Vec<_>>())
}

fn fires(kind: &str, condition: &str, events: &[Value]) -> bool {
    !bursts(&rule(kind, condition), events).is_empty()
}

#[test]
fn figures_are_what_arithmetic_says() {
    let events = values(&[json!(1), json!(2), json!(3), json!(10)]);
    for (kind, condition, expected) in [
        ("value_sum", "gte: 16", true),
        ("value_sum", "gt: 16", false),
        ("value_sum", "eq: 16", true),
        ("value_avg", "eq: 4", true),
        ("value_avg", "gt: 4", false),
        ("value_median", "eq: 2.5", true),
        ("value_median", "lt: 2.5", false),
        ("value_percentile", "percentile: 50, eq: 2.5", true),
        ("value_percentile", "percentile: 0, eq: 1", true),
        ("value_percentile", "percentile: 100, eq: 10", true),
        // Rank 0.95·3 = 2.85: between 3 and 10.
        ("value_percentile", "percentile: 95, gt: 8.949", true),
        ("value_percentile", "percentile: 95, gt: 8.951", false),
        ("value_percentile", "percentile: 95, gte: 3, lte: 9", true),
    ] {
        assert_eq!(fires(kind, condition, &events), expected, "{kind} {condition}");
    }
    assert_eq!(bursts(&rule("value_sum", "gte: 16"), &events), [["e0", "e1", "e2", "e3"]]);
    assert!(fires("value_median", "eq: 7", &values(&[json!(7)])));
}

#[test]
fn a_percentile_at_a_whole_rank_is_that_value() {
    // Rank p/100·100, 0.9·10, 0.55·20 and 0.7·10 are whole, however a binary fraction rounds.
    let upto = |n: i64| values(&(0..=n).map(Value::from).collect::<Vec<_>>());
    let wrong: Vec<i64> = (0..=100).filter(|p| !fires("value_percentile", &format!("percentile: {p}, eq: {p}"), &upto(100))).collect();
    assert!(wrong.is_empty(), "of 0 to 100: {wrong:?}");
    for (percent, most, expected) in [(90, 10, 9), (55, 20, 11), (70, 10, 7)] {
        assert!(fires("value_percentile", &format!("percentile: {percent}, eq: {expected}"), &upto(most)), "{percent} of 0 to {most}");
    }
}

#[test]
fn no_number_no_result() {
    for (kind, percentile) in FIGURES {
        for limit in ["lt: 5", "gte: 0", "gte: -1", "neq: 5", "eq: 0"] {
            let condition = format!("{percentile}{limit}");
            assert!(!fires(kind, &condition, &values(&[json!(null), json!("x"), json!([]), json!({"n": 1}), json!(true)])), "{kind} {condition}");
            assert!(!fires(kind, &condition, &at_seconds(&[0.0, 1.0])), "{kind} {condition}: no such field");
            assert!(!fires(kind, &condition, &[]), "{kind} {condition}: no event");
        }
        assert!(fires(kind, &format!("{percentile}lt: 5"), &values(&[json!(4)])), "{kind}");
    }
}

#[test]
fn numbers_are_what_json_spells_as_numbers() {
    for (value, number) in [
        (json!(5), true),
        (json!("5"), true),
        (json!("5.0"), true),
        (json!("0.5e1"), true),
        (json!("-5"), false),
        (json!("+5"), false),
        (json!("05"), false),
        (json!("5."), false),
        (json!("0x5"), false),
        (json!(" 5"), false),
        (json!("5 MB"), false),
        (json!("Infinity"), false),
        (json!("NaN"), false),
        (json!(""), false),
    ] {
        assert_eq!(fires("value_sum", "eq: 5", &values(std::slice::from_ref(&value))), number, "{value}");
    }
    // What is no number neither counts nor is evidence.
    let events = values(&[json!(4), json!("x"), json!(null), json!(6), json!("NaN")]);
    assert_eq!(bursts(&rule("value_avg", "eq: 5"), &events), [["e0", "e3"]]);
}

#[test]
fn an_array_is_its_numbers() {
    assert!(fires("value_sum", "eq: 10", &values(&[json!([1, "2", null, "x", [3]]), json!(4)])));
    assert!(fires("value_avg", "eq: 2.5", &values(&[json!([1, 2]), json!([3, 4])])));
    // Equal numbers count as often as they occur.
    assert!(fires("value_sum", "eq: 15", &values(&[json!([5, 5]), json!(5)])));
    assert!(fires("value_median", "eq: 5", &values(&[json!([5, 5]), json!(1)])));
}

#[test]
fn a_row_of_two_rules_counts_once() {
    let yaml = rule("value_sum", "gte: 8").replace("rules: [base]", "rules: [base, twin]")
        + "---\ntitle: Twin\nid: twin\nlogsource: {product: test}\ndetection: {s: {k: h*}, condition: s}\nlevel: low\n";
    assert!(bursts(&yaml, &values(&[json!(4)])).is_empty());
    assert_eq!(bursts(&yaml, &values(&[json!(4), json!(4)])), [["e0", "e1"]]);
}

#[test]
fn only_windows_that_no_other_contains_are_judged() {
    // Together 3, though a part of them comes to 10.
    let events = values(&[json!(10), json!(-7)]);
    assert!(!fires("value_sum", "gte: 10", &events));
    assert!(!fires("value_avg", "gte: 10", &events));
    assert!(fires("value_sum", "gte: 3", &events));
    for condition in ["lt: 3", "lte: -7", "eq: 10", "eq: -7", "neq: 3"] {
        assert!(!fires("value_sum", condition, &events), "{condition}");
    }
    // Farther apart than the timespan each is a window of its own.
    let apart = hits(&[(0.0, json!({"v": 10})), (10.000_001, json!({"v": -7}))]);
    assert_eq!(bursts(&rule("value_sum", "gte: 10"), &apart), [["e0"]]);
    assert_eq!(bursts(&rule("value_sum", "lt: 0"), &apart), [["e1"]]);
}

#[test]
fn figures_are_of_a_group_and_of_a_window() {
    let yaml = over_hits("value_sum", "group-by: [u]\ntimespan: 10s\ncondition: {field: v, gte: 5}");
    let body = |u: &str, v: i64| json!({"u": u, "v": v});
    let events = hits(&[(0.0, body("ana", 3)), (1.0, body("bob", 3)), (10.0, body("ana", 3)), (11.1, body("bob", 3))]);
    assert_eq!(bursts(&yaml, &events), [["e0", "e2"]]);
    let seen = run(&yaml, &hits(&[(0.0, json!({"v": 9})), (1.0, json!({"u": null, "v": "x"}))]));
    assert_eq!((seen.bursts("C").len(), seen.ungrouped["C"]), (0, 2));
}

#[test]
fn a_burst_of_figures_belongs_to_the_period_in_which_it_crosses() {
    let set = crate::common::rules(&rule("value_sum", "gte: 8"));
    let log = crate::common::ndjson(&hits(&[(98.0, json!({"v": 4})), (99.0, json!({"v": 3})), (101.0, json!({"v": 4}))]));
    let found = |from: i64, to: i64| {
        let instant = |s: i64| 1_705_312_800_000_000 + s * super::SECOND;
        let period = Period { from: Some(instant(from)), to: Some(instant(to)) };
        scan_period(test_source(), &set, vec![("log".into(), log.clone())], 1, period).bursts("C").len()
    };
    assert_eq!((found(0, 100), found(100, 200), found(102, 200)), (0, 1, 0));
}

#[test]
fn what_a_figure_needs_is_asked_for() {
    for (kind, condition, says) in [
        ("value_sum", "condition: {gte: 5}", "field"),
        ("value_avg", "condition: {gte: 5}", "field"),
        ("value_median", "condition: {gte: 5}", "field"),
        ("value_percentile", "condition: {percentile: 95, gte: 5}", "field"),
        ("value_percentile", "condition: {field: v, gte: 5}", "percentile"),
        ("value_percentile", "condition: {field: v, percentile: 101, gte: 5}", "percentile"),
        ("value_percentile", "condition: {field: v, percentile: -1, gte: 5}", "percentile"),
        ("value_percentile", "condition: {field: v, percentile: many, gte: 5}", "percentile"),
        ("value_sum", "condition: {field: v, percentile: 95, gte: 5}", "percentile"),
        ("event_count", "condition: {percentile: 95, gte: 5}", "percentile"),
        ("value_avg", "condition: {field: v}", "comparison"),
        ("value_avg", "", "condition"),
    ] {
        let yaml = over_hits(kind, &format!("timespan: 10s\n{condition}"));
        let error = try_rules(&yaml).map(|_| ()).expect_err(condition);
        assert!(error.contains(says), "{kind} {condition}: `{says}` is not in: {error}");
    }
    // Limits may be decimals and below zero.
    for condition in ["gte: 0.5", "gte: -1", "lt: 1e3"] {
        assert!(fires("value_avg", condition, &values(&[json!(0.75)])), "{condition}");
    }
    assert!(!fires("value_sum", "lt: 0", &[event("e", "2024-01-15T10:00:00Z", json!({"k": "hit", "v": 0}))]));
}
