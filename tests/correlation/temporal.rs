//! Rules that match together or one after another, each decision by name; aliases.

use super::{base, correlation, kinds_at, run};
use crate::common::{ndjson, not_refused, rules, scan_bytes, test_source, try_rules};
use serde_json::{Value, json};

/// Detections of the kinds a, b and c, and a rule over them.
fn rule(kind: &str, keys: &str) -> String {
    format!("{}{}{}{}", base("ra", "['a', 'ab', 'abc']"), base("rb", "['b', 'ab', 'abc']"), base("rc", "['c', 'abc']"), correlation("C", kind, keys))
}

fn events(at: &[(f64, &str)]) -> Vec<Value> {
    kinds_at(&at.iter().map(|(s, k)| (*s, *k, json!({"u": "ana"}))).collect::<Vec<_>>())
}

fn bursts(yaml: &str, at: &[(f64, &str)]) -> Vec<Vec<String>> {
    super::bursts(yaml, &events(at))
}

#[test]
fn temporal_wants_every_rule_within_the_timespan() {
    let yaml = rule("temporal", "rules: [ra, rb]\ngroup-by: [u]\ntimespan: 10s");
    // The oracle fires on one of two rules.
    assert!(bursts(&yaml, &[(0.0, "a"), (1.0, "a")]).is_empty());
    assert_eq!(bursts(&yaml, &[(0.0, "a"), (1.0, "b")]), [["e0", "e1"]]);
    assert_eq!(bursts(&yaml, &[(1.0, "b"), (0.0, "a")]), [["e0", "e1"]]);
    assert_eq!(bursts(&yaml, &[(0.0, "b"), (10.0, "a")]), [["e0", "e1"]]);
    assert!(bursts(&yaml, &[(0.0, "b"), (10.000_001, "a")]).is_empty());
    // Order does not matter, and one row may serve two rules.
    assert_eq!(bursts(&yaml, &[(0.0, "ab")]), [["e0"]]);
}

#[test]
fn the_evidence_is_every_row_of_the_rules_inside_qualifying_windows() {
    let yaml = rule("temporal", "rules: [ra, rb]\ngroup-by: [u]\ntimespan: 10s");
    let found = bursts(&yaml, &[(0.0, "a"), (1.0, "c"), (2.0, "a"), (3.0, "b"), (3.0, "b"), (40.0, "a"), (60.0, "b"), (61.0, "a")]);
    assert_eq!(found, [vec!["e0", "e2", "e3", "e4"], vec!["e6", "e7"]]);
    // Windows that share a row are one burst.
    assert_eq!(bursts(&yaml, &[(0.0, "a"), (8.0, "b"), (16.0, "a"), (24.0, "b")]), [["e0", "e1", "e2", "e3"]]);
}

#[test]
fn temporal_is_of_a_group() {
    let yaml = rule("temporal", "rules: [ra, rb]\ngroup-by: [u, v]\ntimespan: 10s");
    let at = |a: Value, b: Value| super::bursts(&yaml, &kinds_at(&[(0.0, "a", a), (1.0, "b", b)])).len();
    assert_eq!(at(json!({"u": "ana"}), json!({"u": "ana"})), 1);
    assert_eq!(at(json!({"u": "ana"}), json!({"u": "ana", "v": null})), 1);
    assert_eq!(at(json!({"u": "ana"}), json!({"u": "ana", "v": "x"})), 0);
    assert_eq!(at(json!({"u": ["ana", "bob"]}), json!({"u": "bob"})), 1);
    assert_eq!(at(json!({}), json!({"v": null})), 0);
    let seen = run(&yaml, &kinds_at(&[(0.0, "ab", json!({})), (1.0, "a", json!({"u": []})), (2.0, "c", json!({}))]));
    assert_eq!((seen.bursts("C").len(), seen.ungrouped["C"]), (0, 2), "a row of two rules is left out once, one of none is not");
}

#[test]
fn a_condition_counts_distinct_rules() {
    let with = |condition: &str| rule("temporal", &format!("rules: [ra, rb, rc]\ngroup-by: [u]\ntimespan: 10s\ncondition: {condition}"));
    assert_eq!(bursts(&with("{gte: 2}"), &[(0.0, "a"), (1.0, "b")]), [["e0", "e1"]]);
    assert!(bursts(&with("{gte: 2}"), &[(0.0, "a"), (1.0, "a"), (2.0, "a")]).is_empty());
    assert!(bursts(&with("{gte: 3}"), &[(0.0, "a"), (1.0, "b")]).is_empty());
    assert_eq!(bursts(&with("{gt: 2}"), &[(0.0, "abc")]), [["e0"]]);
    // An upper bound judges only windows that no other contains.
    assert!(bursts(&with("{eq: 2}"), &[(0.0, "a"), (1.0, "b"), (2.0, "c")]).is_empty());
    assert_eq!(bursts(&with("{lt: 2}"), &[(0.0, "a"), (1.0, "a")]), [["e0", "e1"]]);
}

#[test]
fn ordered_wants_distinct_rows_in_order() {
    let yaml = rule("temporal_ordered", "rules: [ra, rb, rc]\ngroup-by: [u]\ntimespan: 10s");
    assert_eq!(bursts(&yaml, &[(0.0, "a"), (1.0, "b"), (2.0, "c")]), [["e0", "e1", "e2"]]);
    assert!(bursts(&yaml, &[(0.0, "a"), (1.0, "c"), (2.0, "b")]).is_empty());
    assert!(bursts(&yaml, &[(0.0, "c"), (1.0, "b"), (2.0, "a")]).is_empty());
    assert!(bursts(&yaml, &[(0.0, "a"), (1.0, "b")]).is_empty());
    // One row does not serve two rules; three that serve all do.
    assert!(bursts(&yaml, &[(0.0, "abc")]).is_empty());
    assert!(bursts(&yaml, &[(0.0, "abc"), (1.0, "abc")]).is_empty());
    assert_eq!(bursts(&yaml, &[(0.0, "abc"), (1.0, "abc"), (2.0, "abc")]), [["e0", "e1", "e2"]]);
    // The first row that could serve a rule is not always the one that must.
    let pair = rule("temporal_ordered", "rules: [ra, rb]\ngroup-by: [u]\ntimespan: 10s");
    assert_eq!(bursts(&pair, &[(0.0, "ab"), (1.0, "a")]), Vec::<Vec<String>>::new());
    assert_eq!(bursts(&pair, &[(0.0, "ab"), (1.0, "ab"), (2.0, "b")]), [["e0", "e1", "e2"]]);
    // What the window holds before the first rule's first event is no evidence; what it holds after is.
    assert_eq!(bursts(&pair, &[(0.0, "b"), (1.0, "ab"), (2.0, "b")]), [["e1", "e2"]]);
    assert_eq!(bursts(&pair, &[(0.0, "b"), (1.0, "a"), (2.0, "a"), (3.0, "b"), (4.0, "b")]), [["e1", "e2", "e3", "e4"]]);
    assert_eq!(bursts(&pair, &[(0.0, "b"), (5.0, "a"), (15.0, "b")]), [["e1", "e2"]]);
    assert!(bursts(&pair, &[(0.0, "a"), (10.000_001, "b")]).is_empty());
    // A window that fails does not end the search, nor is it evidence.
    assert_eq!(bursts(&pair, &[(0.0, "b"), (9.0, "a"), (11.0, "b"), (30.0, "b"), (31.0, "a")]), [["e1", "e2"]]);
}

#[test]
fn rows_of_one_instant_are_in_order_wherever_they_stand() {
    let set = rules(&rule("temporal_ordered", "rules: [ra, rb, rc]\ngroup-by: [u]\ntimespan: 10s"));
    let orders: [&[(f64, &str)]; 4] = [
        &[(0.0, "a"), (0.0, "b"), (0.0, "c")],
        &[(0.0, "c"), (0.0, "b"), (0.0, "a")],
        &[(0.0, "b"), (0.0, "c"), (0.0, "a")],
        &[(1.0, "c"), (1.0, "b"), (0.0, "a")],
    ];
    for order in orders {
        assert_eq!(scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events(order)))], 1).bursts("C").len(), 1, "{order:?}");
        // Each row in a file of its own, and the files in either order.
        for names in [["x", "y", "z"], ["z", "y", "x"]] {
            let files = events(order).iter().zip(names).map(|(e, name)| (name.to_owned(), ndjson(std::slice::from_ref(e)))).collect();
            assert_eq!(scan_bytes(test_source(), &set, files, 2).bursts("C").len(), 1, "{order:?} in {names:?}");
        }
    }
    // One row of two rules still is one row.
    let seen = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events(&[(0.0, "ab"), (0.0, "c")])))], 1);
    assert!(seen.bursts("C").is_empty());
}

#[test]
fn the_order_is_that_of_the_list() {
    for (list, expected) in [("[rb, ra]", 0), ("[ra, rb]", 1)] {
        let yaml = rule("temporal_ordered", &format!("rules: {list}\ntimespan: 10s"));
        assert_eq!(bursts(&yaml, &[(0.0, "a"), (1.0, "b")]).len(), expected, "{list}");
    }
}

#[test]
fn a_temporal_rule_that_says_nothing_clear_is_refused() {
    let good = rule("temporal", "rules: [ra, rb]\ntimespan: 10s");
    assert!(try_rules(&good).is_ok());
    let cases = [
        ("[ra, rb]", "[ra, ra]", "twice"),
        // The same rule under its name and its id.
        ("[ra, rb]", "[ra, id-ra]", "twice"),
        ("[ra, rb]", "[ra, nobody]", "`nobody`"),
        ("timespan: 10s", "", "timespan"),
        ("timespan: 10s", "timespan: 10s\n  condition: {field: u, gte: 2}", "field"),
        ("timespan: 10s", "timespan: 10s\n  condition: {gte: two}", "number"),
        ("timespan: 10s", "timespan: 10s\n  condition: {}", "comparison"),
    ];
    for kind in ["temporal", "temporal_ordered"] {
        let of_kind = good.replace("type: temporal", &format!("type: {kind}"));
        let wrong = not_refused(cases.map(|(from, to, says)| (of_kind.replace(from, to), says)));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

// -------------------------------------------------------------------------------------------------------------- aliases

fn aliased(aliases: &str) -> String {
    rule("temporal", &format!("rules: [ra, rb]\ngroup-by: [who]\naliases: {aliases}\ntimespan: 10s"))
}

#[test]
fn an_alias_is_another_field_in_each_rule() {
    let log = |a: Value, b: Value| kinds_at(&[(0.0, "a", a), (1.0, "b", b)]);
    // By name, by id.
    for aliases in ["{who: {ra: user, rb: target}}", "{who: {id-ra: user, rb: target}}"] {
        let seen = run(&aliased(aliases), &log(json!({"user": "ana", "target": "x"}), json!({"user": "y", "target": "ana"})));
        assert_eq!(seen.bursts("C"), [vec!["e0", "e1"]], "{aliases}");
        assert_eq!(seen.findings.iter().find(|f| f.rule == "C").map(|f| f.entity.clone()), Some(vec![("who".into(), "ana".into())]));
        assert!(run(&aliased(aliases), &log(json!({"user": "ana"}), json!({"user": "ana"}))).bursts("C").is_empty(), "{aliases}");
        // The alias is no field of the events.
        assert!(run(&aliased(aliases), &log(json!({"who": "ana"}), json!({"who": "ana"}))).bursts("C").is_empty(), "{aliases}");
    }
}

#[test]
fn aliases_may_stand_beside_fields() {
    let yaml = rule("event_count", "rules: [ra, rb]\ngroup-by: [who, site]\naliases: {who: {ra: user, rb: target}}\ntimespan: 10s\ncondition: {gte: 2}");
    let log = |site: &str| kinds_at(&[(0.0, "a", json!({"user": "ana", "site": "s"})), (1.0, "b", json!({"target": "ana", "site": site}))]);
    assert_eq!((run(&yaml, &log("s")).bursts("C").len(), run(&yaml, &log("t")).bursts("C").len()), (1, 0));
}

#[test]
fn a_row_of_two_rules_is_in_the_group_of_each() {
    let yaml = rule("event_count", "rules: [ra, rb]\ngroup-by: [who]\naliases: {who: {ra: user, rb: target}}\ntimespan: 10s\ncondition: {gte: 2}");
    let log = kinds_at(&[(0.0, "ab", json!({"user": "ana", "target": "bob"})), (1.0, "b", json!({"target": "bob"})), (2.0, "a", json!({"user": "ana"}))]);
    assert_eq!(run(&yaml, &log).bursts("C"), [vec!["e0", "e1"], vec!["e0", "e2"]]);
    // In the same group it counts once.
    let log = kinds_at(&[(0.0, "ab", json!({"user": "ana", "target": "ana"}))]);
    assert!(run(&yaml, &log).bursts("C").is_empty());
}

#[test]
fn an_alias_names_a_field_for_every_rule() {
    let cases = [
        ("{who: {ra: user}}", "rb"),
        ("{who: {ra: user, rb: target, nobody: x}}", "nobody"),
        ("{who: {ra: user, rb: target, rc: x}}", "rc"),
        ("{who: user}", "aliases"),
        ("[who]", "aliases"),
        ("{who: {ra: user, rb: 7}}", "rb"),
        ("{who: {}}", "ra"),
    ];
    let wrong = not_refused(cases.map(|(aliases, says)| (aliased(aliases), says)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
