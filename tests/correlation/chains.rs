//! Correlations of correlations, and whose findings are shown, each decision by name.

use super::{base, correlation, kinds_at, run};
use crate::common::{Place, event, lines_of, ndjson, try_rules};
use auditmill::rule::load::{RuleFile, load_rules};
use auditmill::rule::vars::Vars;
use serde_json::{Value, json};

/// Failed logins of a user on a host, twice within 10 s (`many`), and then a login of the same user anywhere (`C`).
fn break_in(parent: &str) -> String {
    base("fail", "fail")
        + &base("login", "login")
        + &correlation("Many", "event_count", "rules: [fail]\ngroup-by: [host, user]\ntimespan: 10s\ncondition: {gte: 2}")
            .replace("level: high\n", "level: high\nname: many\n")
        + "---\n"
        + &correlation("C", parent, "rules: [many, login]\ngroup-by: [user]\ntimespan: 1m")
}

fn at(host: &str, user: &str) -> Value {
    json!({"host": host, "user": user})
}

#[test]
fn a_parent_groups_by_what_the_childs_rows_hold() {
    for parent in ["temporal", "temporal_ordered"] {
        let yaml = break_in(parent);
        let log = |host: &str, user: &str| kinds_at(&[(0.0, "fail", at("h1", "bob")), (5.0, "fail", at("h1", "bob")), (20.0, "login", at(host, user))]);
        // The evidence is that of the child too.
        assert_eq!(run(&yaml, &log("h2", "bob")).bursts("C"), [vec!["e0", "e1", "e2"]], "{parent}");
        assert!(run(&yaml, &log("h1", "ana")).bursts("C").is_empty(), "{parent}");
        // One failed login is no hit of the child.
        let one = kinds_at(&[(0.0, "fail", at("h1", "bob")), (20.0, "login", at("h2", "bob"))]);
        assert!(run(&yaml, &one).bursts("C").is_empty(), "{parent}");
        let apart = kinds_at(&[(0.0, "fail", at("h1", "bob")), (5.0, "fail", at("h2", "bob")), (20.0, "login", at("h2", "bob"))]);
        assert!(run(&yaml, &apart).bursts("C").is_empty(), "{parent}");
    }
}

#[test]
fn the_group_of_a_parent_may_be_a_field_that_the_child_does_not_group_by() {
    let yaml = base("fail", "fail")
        + &correlation("many", "event_count", "rules: [fail]\ngroup-by: [host]\ntimespan: 10s\ncondition: {gte: 2}")
        + "---\n"
        + &correlation("C", "event_count", "rules: [many]\ngroup-by: [user]\ntimespan: 1m\ncondition: {gte: 2}");
    // Each window holds a row of bob: both completing rows are hits of the group bob, and of no other twice.
    let log = kinds_at(&[
        (0.0, "fail", at("h1", "bob")),
        (1.0, "fail", at("h1", "ana")),
        (30.0, "fail", at("h2", "bob")),
        (31.0, "fail", at("h2", "eve")),
        (45.0, "fail", at("h3", "bob")),
    ]);
    let seen = run(&yaml, &log);
    assert_eq!(seen.bursts("C"), [vec!["e0", "e1", "e2", "e3"]]);
    assert_eq!(seen.findings.iter().find(|f| f.rule == "C").map(|f| f.entity.clone()), Some(vec![("user".into(), "bob".into())]));
}

#[test]
fn a_hit_of_a_child_is_at_the_row_that_completes_it() {
    // The last two fails complete a window each: at 5 s and at 12 s.
    let log = |login: f64| kinds_at(&[(0.0, "fail", at("h", "u")), (5.0, "fail", at("h", "u")), (12.0, "fail", at("h", "u")), (login, "login", at("h", "u"))]);
    let yaml = break_in("temporal_ordered").replace("timespan: 1m", "timespan: 20s");
    assert_eq!(run(&yaml, &log(32.0)).bursts("C").len(), 1);
    assert!(run(&yaml, &log(32.000_001)).bursts("C").is_empty());
    // Before the first hit, though after the first row: not in order.
    assert!(run(&yaml, &log(4.0)).bursts("C").is_empty());
    assert_eq!(run(&yaml, &log(5.0)).bursts("C").len(), 1);
    assert_eq!(run(&yaml, &log(8.0)).bursts("C").len(), 1);
    // The login before the hit is enough where the order does not matter.
    let yaml = break_in("temporal").replace("timespan: 1m", "timespan: 20s");
    assert_eq!(run(&yaml, &log(4.0)).bursts("C").len(), 1);
}

#[test]
fn the_row_that_completes_a_child_is_no_other_row_of_the_sequence() {
    let yaml = |rules: &str, kind: &str| {
        base("fail", "fail")
            + &correlation("many", "event_count", "rules: [fail]\ntimespan: 10s\ncondition: {gte: 2}")
            + "---\n"
            + &correlation("C", kind, &format!("rules: {rules}\ntimespan: 1m"))
    };
    let two = kinds_at(&[(0.0, "fail", json!({})), (1.0, "fail", json!({}))]);
    let three = kinds_at(&[(0.0, "fail", json!({})), (1.0, "fail", json!({})), (20.0, "fail", json!({}))]);
    // Another failed login after many of them, not the last of the many.
    assert!(run(&yaml("[many, fail]", "temporal_ordered"), &two).bursts("C").is_empty());
    assert_eq!(run(&yaml("[many, fail]", "temporal_ordered"), &three).bursts("C"), [vec!["e0", "e1", "e2"]]);
    // Without an order one row may serve both.
    assert_eq!(run(&yaml("[many, fail]", "temporal"), &two).bursts("C"), [vec!["e0", "e1"]]);
}

#[test]
fn a_row_that_completes_two_children_counts_once() {
    let child = |title: &str, key: &str| {
        correlation(title, "event_count", &format!("rules: [fail]\ngroup-by: [{key}]\ntimespan: 10s\ncondition: {{gte: 2}}")) + "---\n"
    };
    let yaml = |n: u32| {
        base("fail", "fail")
            + &child("by_host", "host")
            + &child("by_user", "user")
            + &correlation("C", "event_count", &format!("rules: [by_host, by_user]\ntimespan: 1m\ncondition: {{gte: {n}}}"))
    };
    let log = kinds_at(&[(0.0, "fail", at("h", "u")), (1.0, "fail", at("h", "u"))]);
    assert_eq!(run(&yaml(1), &log).bursts("C"), [vec!["e0", "e1"]]);
    assert!(run(&yaml(2), &log).bursts("C").is_empty());
}

#[test]
fn values_counted_over_a_child_are_those_of_its_rows() {
    let yaml = |n: u32| {
        base("fail", "fail")
            + &correlation("many", "event_count", "rules: [fail]\ngroup-by: [host]\ntimespan: 10s\ncondition: {gte: 2}")
            + "---\n"
            + &correlation("C", "value_count", &format!("rules: [many]\ntimespan: 1m\ncondition: {{field: user, gte: {n}}}"))
    };
    let log = kinds_at(&[(0.0, "fail", at("h", "u")), (1.0, "fail", at("h", "v")), (2.0, "fail", at("h", "u")), (3.0, "fail", at("i", "w"))]);
    assert_eq!(run(&yaml(2), &log).bursts("C"), [vec!["e0", "e1", "e2"]]);
    assert!(run(&yaml(3), &log).bursts("C").is_empty());
}

#[test]
fn rows_of_one_instant_complete_a_window_together() {
    let yaml = base("fail", "fail")
        + &correlation("many", "event_count", "rules: [fail]\ntimespan: 10s\ncondition: {gte: 2}")
        + "---\n"
        + &correlation("C", "event_count", "rules: [many]\ntimespan: 1m\ncondition: {gte: 2}");
    assert_eq!(run(&yaml, &kinds_at(&[(0.0, "fail", json!({})), (0.0, "fail", json!({}))])).bursts("C"), [vec!["e0", "e1"]]);
    assert!(run(&yaml, &kinds_at(&[(0.0, "fail", json!({})), (1.0, "fail", json!({}))])).bursts("C").is_empty());
}

#[test]
fn chains_may_be_longer() {
    let yaml = break_in("temporal")
        + "---\n"
        + &correlation("twice", "event_count", "rules: [c]\ngroup-by: [user]\ntimespan: 1h\ngenerate: true\ncondition: {gte: 2}")
        + "---\n"
        + &correlation("end", "temporal_ordered", "rules: [twice, fail]\ngroup-by: [user]\ntimespan: 1h\ngenerate: true");
    let log = kinds_at(&[
        (0.0, "fail", at("h1", "bob")),
        (5.0, "fail", at("h1", "bob")),
        (20.0, "login", at("h2", "bob")),
        (600.0, "fail", at("h1", "bob")),
        (700.0, "fail", at("h1", "ana")),
    ]);
    let seen = run(&yaml, &log);
    // `C` is completed at 20 s alone; one hit is not two.
    assert_eq!((seen.bursts("C").len(), seen.bursts("twice").len(), seen.bursts("end").len()), (1, 0, 0));
    let again = kinds_at(&[
        (0.0, "fail", at("h1", "bob")),
        (5.0, "fail", at("h1", "bob")),
        (20.0, "login", at("h2", "bob")),
        (21.0, "login", at("h2", "bob")),
        (600.0, "fail", at("h1", "bob")),
    ]);
    let seen = run(&yaml, &again);
    assert_eq!(seen.bursts("twice"), [vec!["e0", "e1", "e2", "e3"]]);
    assert_eq!(seen.bursts("end"), [vec!["e0", "e1", "e2", "e3", "e4"]]);
}

#[test]
fn an_alias_may_map_a_child() {
    let yaml =
        break_in("temporal").replace("group-by: [user]\n  timespan: 1m", "group-by: [who]\n  aliases: {who: {many: user, login: account}}\n  timespan: 1m");
    let log = |account: &str| kinds_at(&[(0.0, "fail", at("h", "bob")), (1.0, "fail", at("h", "bob")), (2.0, "login", json!({"account": account}))]);
    assert_eq!(run(&yaml, &log("bob")).bursts("C"), [vec!["e0", "e1", "e2"]]);
    assert!(run(&yaml, &log("ana")).bursts("C").is_empty());
}

#[test]
fn a_chain_without_an_end_is_refused() {
    let ring = correlation("one", "event_count", "rules: [two]\ntimespan: 10s\ncondition: {gte: 2}")
        + "---\n"
        + &correlation("two", "event_count", "rules: [one]\ntimespan: 10s\ncondition: {gte: 2}");
    let own = correlation("one", "event_count", "rules: [one]\ntimespan: 10s\ncondition: {gte: 2}");
    for yaml in [ring, own] {
        let error = try_rules(&yaml).map(|_| ()).expect_err(&yaml);
        assert!(error.contains("itself") || error.contains("circle") || error.contains("cycle"), "{error}");
    }
    // A parent of what does not load does not load either, and is named.
    let broken = break_in("temporal").replace("rules: [fail]", "rules: [nobody]");
    let error = try_rules(&broken).map(|_| ()).expect_err("a broken child");
    assert!(error.contains("nobody") || error.contains("many"), "{error}");
}

// ------------------------------------------------------------------------------------------------------------- generate

/// Findings of a base and of a correlation over it that is never completed: shown by rule, hidden.
fn shown(base_level: &str, generate: &str, same_file: bool) -> (Vec<String>, u64) {
    let base = format!("title: Base\nid: base\nlogsource: {{product: test}}\ndetection: {{s: {{k: hit}}, condition: s}}\nlevel: {base_level}\n");
    let rule = format!("title: C\nid: c\ncorrelation: {{type: temporal, rules: [base, other], timespan: 1s{generate}}}\n");
    let other = "title: Other\nid: other\nlogsource: {product: test}\ndetection: {s: {k: other}, condition: s}\nlevel: critical\n";
    let place = Place::new();
    place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
    if same_file {
        place.write("rules/one.yml", format!("{base}---\n{rule}---\n{other}"));
    } else {
        place.write("rules/base.yml", base).write("rules/c.yml", rule).write("rules/other.yml", other);
    }
    let hits: Vec<Value> = [0, 2, 4].iter().map(|h| event(&format!("e{h}"), &format!("2024-01-15T1{h}:00:00Z"), json!({"k": "hit"}))).collect();
    place.write("log", ndjson(&hits));
    let args = ["scan", "log", "--sources", "source.yml", "--rules", "rules", "--format", "json", "--matches", "m"];
    let document = place.run(&args).exits(0).json();
    // Matches are all there, whatever the findings show.
    assert_eq!(lines_of(&place.read("m")).len(), 3);
    let titles = document["findings"].as_array().expect("findings").iter().map(|f| f["rule_title"].as_str().unwrap_or_default().to_owned()).collect();
    (titles, document["hidden_findings"].as_u64().unwrap_or(0))
}

#[test]
fn three_hits_of_a_base_and_no_correlation_are_counted() {
    assert_eq!(shown("low", "", false), (vec![], 3));
    assert_eq!(shown("low", "", true), (vec![], 3));
}

#[test]
fn a_users_correlation_does_not_silence_a_high_rule() {
    assert_eq!(shown("high", "", false), (vec!["Base".to_owned(); 3], 0));
    assert_eq!(shown("critical", "", false), (vec!["Base".to_owned(); 3], 0));
    // In its own file it is the rule's own building block.
    assert_eq!(shown("high", "", true), (vec![], 3));
}

#[test]
fn generate_shows_the_bases_too() {
    for level in ["low", "high"] {
        for same_file in [false, true] {
            assert_eq!(shown(level, ", generate: true", same_file), (vec!["Base".to_owned(); 3], 0), "{level} {same_file}");
            assert_eq!(shown(level, ", generate: false", same_file), shown(level, "", same_file), "{level} {same_file}");
        }
    }
    // Specification 2.0 has the key beside `correlation`.
    let top = "title: Base\nid: base\nlogsource: {product: test}\ndetection: {s: {k: hit}, condition: s}\nlevel: low\n---\ntitle: C\nid: c\ngenerate: true\ncorrelation: {type: event_count, rules: [base], timespan: 1s, condition: {gte: 9}}\n";
    let seen = run(top, &kinds_at(&[(0.0, "hit", json!({}))]));
    assert_eq!((seen.findings.len(), seen.hidden), (1, 0));
}

#[test]
fn the_findings_of_a_child_are_hidden_like_those_of_a_detection() {
    let log = kinds_at(&[(0.0, "fail", at("h", "u")), (5.0, "fail", at("h", "u"))]);
    let seen = run(&break_in("temporal"), &log);
    assert!(seen.findings.is_empty(), "{:?}", seen.findings);
    // The burst of the child, and the two hits of its base, which are one finding.
    assert_eq!(seen.hidden, 2);
    let seen = run(&break_in("temporal").replace("timespan: 1m", "timespan: 1m\n  generate: true"), &log);
    assert_eq!(seen.bursts("Many"), [vec!["e0", "e1"]]);
}

#[test]
fn what_counts_a_rule_that_does_not_load_does_not_load_either() {
    let set = |yaml: &str| {
        let file = RuleFile { file: "f.yml".into(), text: yaml.to_owned(), required: false };
        load_rules(vec![file], &Vars::default())
    };
    let base = "title: Base\nid: base\nname: base\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n";
    let over = |name: &str, rules: &str, more: &str| {
        format!(
            "---\ntitle: T {name}\nid: id-{name}\nname: {name}\ncorrelation: {{type: event_count, rules: [{rules}], timespan: 1m, condition: {{gte: 1}}{more}}}\n"
        )
    };
    // The fault of the child is in its alias, which is looked at last.
    let yaml = base.to_owned() + &over("top", "child", "") + &over("child", "base", ", group-by: [a], aliases: {a: {nobody: x}}") + &over("good", "base", "");
    let loaded = set(&yaml);
    let titles: Vec<&str> = loaded.rules.iter().map(|r| r.meta.title.as_str()).collect();
    assert_eq!(titles, ["Base", "T good"], "{:?}", loaded.problems);
    assert_eq!(loaded.bases(1), [0]);
    // In a circle, through others too.
    let circle = base.to_owned() + &over("a", "b", "") + &over("b", "c", "") + &over("c", "a", "") + &over("d", "a, base", "");
    let loaded = set(&circle);
    assert_eq!((loaded.rules.len(), loaded.problems.len()), (1, 4), "{:?}", loaded.problems);
    // Each level doubles the ways down; a long chain is one way.
    let deep = |levels: usize, twice: bool| {
        let mut yaml = base.to_owned() + &base.replace("base", "other").replace("Base", "Other").replacen("title", "---\ntitle", 1);
        let mut below = "base, other".to_owned();
        for level in 0..levels {
            yaml += &over(&format!("l{level}"), &below, "");
            yaml += &over(&format!("r{level}"), &below, "");
            below = if twice { format!("l{level}, r{level}") } else { format!("l{level}") };
        }
        set(&yaml)
    };
    assert!(deep(5, true).problems.is_empty());
    assert!(deep(40, true).problems.iter().any(|p| p.reason.contains("ways down")));
    assert!(deep(2000, false).problems.iter().any(|p| p.reason.contains("levels")));
}
