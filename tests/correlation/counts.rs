//! Counts and what all correlations share, each decision by name.

use super::{SECOND, at_seconds, hits, over_hits, run};
use crate::common::{Found, Place, at, event, lines_of, ndjson, not_refused, rules, scan_bytes, scan_period, test_source, try_rules};
use auditmill::finding::scan::Period;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn both_borders_of_a_window_are_inside_to_the_microsecond() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}");
    assert_eq!(run(&yaml, &at_seconds(&[0.0, 10.0])).bursts("C"), [vec!["e0", "e1"]]);
    assert_eq!(run(&yaml, &at_seconds(&[0.0, 10.000_001])).bursts("C"), Vec::<Vec<&str>>::new());
    assert_eq!(run(&yaml, &at_seconds(&[0.000_001, 10.000_001])).bursts("C").len(), 1);
    // The oracle counts whole seconds: 10.9 s as 10 s.
    assert!(run(&yaml, &at_seconds(&[0.0, 10.9])).bursts("C").is_empty());
}

#[test]
fn events_of_one_instant_are_inside_together() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 4}");
    assert_eq!(run(&yaml, &at_seconds(&[10.0, 0.0, 0.0, 10.0])).bursts("C"), [vec!["e0", "e1", "e2", "e3"]]);
}

#[test]
fn upper_bounds_judge_maximal_windows_only() {
    let four = at_seconds(&[0.0, 1.0, 2.0, 3.0]);
    for condition in ["{eq: 2}", "{lt: 3}", "{lte: 3}", "{neq: 4}", "{gte: 2, lte: 3}"] {
        let yaml = over_hits("event_count", &format!("timespan: 10s\ncondition: {condition}"));
        assert!(run(&yaml, &four).bursts("C").is_empty(), "{condition}");
    }
    for condition in ["{eq: 4}", "{lt: 5}", "{gte: 2, lte: 4}", "{gte: 3.5}"] {
        let yaml = over_hits("event_count", &format!("timespan: 10s\ncondition: {condition}"));
        assert_eq!(run(&yaml, &four).bursts("C").len(), 1, "{condition}");
    }
}

#[test]
fn no_event_never_fires() {
    let yaml = over_hits("event_count", "timespan: 10s\ncondition: {lt: 5}");
    assert!(run(&yaml, &[event("e", &at(0), json!({"k": "other"}))]).bursts("C").is_empty());
    let yaml = over_hits("value_count", "timespan: 10s\ncondition: {field: v, lt: 5}");
    assert!(run(&yaml, &at_seconds(&[0.0, 1.0])).bursts("C").is_empty());
}

#[test]
fn a_null_key_is_a_value_unless_all_keys_are_null() {
    let yaml = over_hits("event_count", "group-by: [ip, key]\ntimespan: 10m\ncondition: {gte: 10}");
    let ten = |body: Value| hits(&(0..10).map(|i| (f64::from(i), body.clone())).collect::<Vec<_>>());
    let seen = run(&yaml, &ten(json!({"ip": "10.0.0.1", "key": null})));
    assert_eq!(seen.bursts("C").len(), 1);
    assert_eq!(
        seen.findings.iter().find(|f| f.rule == "C").map(|f| f.entity.clone()),
        Some(vec![("ip".into(), "10.0.0.1".into()), ("key".into(), String::new())])
    );
    // Absent is the same null.
    let mixed: Vec<Value> = ten(json!({"ip": "10.0.0.1", "key": null})).into_iter().take(5).chain(ten(json!({"ip": "10.0.0.1"})).into_iter().skip(5)).collect();
    assert_eq!(run(&yaml, &mixed).bursts("C").len(), 1);
    let seen = run(&yaml, &ten(json!({"ip": null})));
    assert_eq!((seen.bursts("C").len(), seen.ungrouped["C"]), (0, 10));
}

#[test]
fn events_without_a_group_are_counted_in_the_output() {
    let place = Place::new();
    place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
    place.write("rules.yml", over_hits("event_count", "group-by: [u]\ntimespan: 10m\ncondition: {gte: 3}"));
    place.write("log", ndjson(&hits(&[(0.0, json!({})), (1.0, json!({"u": null})), (2.0, json!({}))])));
    let document = place.run(&["scan", "log", "--sources", "source.yml", "--rules", "rules.yml", "--format", "json"]).exits(0).json();
    let rule = document["rules"].as_array().and_then(|r| r.iter().find(|r| r["id"] == "c")).cloned().expect("the rule");
    assert_eq!((&rule["without_group"], &rule["hits"]), (&json!(3), &json!(0)));
}

#[test]
fn an_array_among_the_keys_counts_in_each_group() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}");
    let seen = run(&yaml, &hits(&[(0.0, json!({"u": ["a", "b"]})), (1.0, json!({"u": "a"})), (2.0, json!({"u": ["c"]}))]));
    assert_eq!(seen.bursts("C"), [vec!["e0", "e1"]]);
}

#[test]
fn value_count_counts_neither_null_nor_absent() {
    let yaml = |n: u32| over_hits("value_count", &format!("timespan: 10s\ncondition: {{field: v, gte: {n}}}"));
    let two = hits(&[(0.0, json!({"v": null})), (1.0, json!({"v": "a"})), (2.0, json!({}))]);
    assert!(run(&yaml(2), &two).bursts("C").is_empty());
    // What is not counted is no evidence either.
    assert_eq!(run(&yaml(1), &two).bursts("C"), [vec!["e1"]]);
    let empty = hits(&[(0.0, json!({"v": ""})), (1.0, json!({"v": "a"}))]);
    assert_eq!(run(&yaml(2), &empty).bursts("C").len(), 1);
    let array = hits(&[(0.0, json!({"v": ["a", "b", "a"]}))]);
    assert_eq!(run(&yaml(2), &array).bursts("C").len(), 1);
    assert!(run(&yaml(3), &array).bursts("C").is_empty());
}

#[test]
fn several_counted_fields_are_one_tuple() {
    let yaml = |n: u32| over_hits("value_count", &format!("timespan: 10s\ncondition: {{field: [v, w], gte: {n}}}"));
    let rows = [("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")];
    let events = hits(&rows.iter().enumerate().map(|(i, (v, w))| (i as f64, json!({"v": v, "w": w}))).collect::<Vec<_>>());
    assert_eq!(run(&yaml(3), &events).bursts("C").len(), 1);
    assert!(run(&yaml(4), &events).bursts("C").is_empty());
}

#[test]
fn windows_that_share_an_event_are_one_burst_and_a_gap_starts_another() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}");
    let seen = run(&yaml, &at_seconds(&[0.0, 9.0, 18.0, 27.0, 40.0, 45.0]));
    assert_eq!(seen.bursts("C"), [vec!["e0", "e1", "e2", "e3"], vec!["e4", "e5"]]);
}

#[test]
fn an_event_of_two_bases_counts_once() {
    let yaml = over_hits("event_count", "timespan: 10s\ncondition: {gte: 2}").replace("rules: [base]", "rules: [base, twin]")
        + "---\ntitle: Twin\nid: twin\nlogsource: {product: test}\ndetection: {s: {k: h*}, condition: s}\nlevel: low\n";
    assert!(run(&yaml, &at_seconds(&[0.0])).bursts("C").is_empty());
    assert_eq!(run(&yaml, &at_seconds(&[0.0, 1.0])).bursts("C"), [vec!["e0", "e1"]]);
}

#[test]
fn an_exact_duplicate_is_not_counted() {
    let yaml = over_hits("event_count", "timespan: 10s\ncondition: {gte: 3}");
    let events = ndjson(&at_seconds(&[0.0, 1.0]));
    let seen = scan_bytes(test_source(), &rules(&yaml), vec![("a".into(), events.clone()), ("b".into(), events)], 2);
    assert_eq!((seen.totals.duplicates, seen.bursts("C").len()), (2, 0));
}

#[test]
fn a_burst_belongs_to_the_period_in_which_it_crosses_its_threshold() {
    let yaml = over_hits("event_count", "timespan: 10s\ncondition: {gte: 3}");
    let set = rules(&yaml);
    let instant = |seconds: i64| 1_705_312_800_000_000 + seconds * SECOND;
    let bursts = |from: i64, to: i64| {
        let period = Period { from: Some(instant(from)), to: Some(instant(to)) };
        let seen = scan_period(test_source(), &set, vec![("log".into(), ndjson(&at_seconds(&[98.0, 99.0, 101.0, 102.0])))], 1, period);
        (seen.bursts("C").iter().map(|b| b.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).collect::<Vec<_>>(), seen.hits("base").len())
    };
    // The lead-in before the start is read and is evidence; the matches are those of the period.
    assert_eq!(bursts(100, 200), (vec![vec!["e0".to_owned(), "e1".into(), "e2".into(), "e3".into()]], 2));
    // It crosses at 101 s: not in the period before, nor in one that begins later.
    assert_eq!(bursts(0, 100), (Vec::new(), 2));
    assert_eq!(bursts(102, 200), (Vec::new(), 1));
}

#[test]
fn a_burst_of_days_is_not_one_blob() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 1h\ncondition: {gte: 2}");
    let times: Vec<f64> = (0..144).map(|i| f64::from(i) * 1800.0).collect();
    let seen = run(&yaml, &at_seconds(&times));
    let parts = seen.bursts("C");
    assert!(parts.len() >= 3, "{}", parts.len());
    assert!(parts.iter().all(|p| p.len() <= 49), "longer than a day: {:?}", parts.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 144);
}

#[test]
fn bases_are_found_by_id_then_name_then_title() {
    let correlation =
        |reference: &str| over_hits("event_count", "timespan: 10s\ncondition: {gte: 1}").replace("rules: [base]", &format!("rules: [{reference}]"));
    let other = "---\ntitle: base\nid: other\nname: id-trap\nlogsource: {product: test}\ndetection: {s: {k: other}, condition: s}\n---\ntitle: Trap\nid: third\nname: other\nlogsource: {product: test}\ndetection: {s: {k: third}, condition: s}\n";
    let events = [event("hit", &at(0), json!({"k": "hit"})), event("other", &at(0), json!({"k": "other"})), event("third", &at(0), json!({"k": "third"}))];
    for (reference, expected) in [("base", "hit"), ("other", "other"), ("id-trap", "other"), ("Trap", "third")] {
        assert_eq!(run(&(correlation(reference) + other), &events).bursts("C"), [vec![expected]], "{reference}");
    }
    let error = try_rules(&correlation("nobody")).map(|_| ()).expect_err("nobody");
    assert!(error.contains("`nobody`"), "{error}");
    let twins = "---\ntitle: Twin\nid: t1\nlogsource: {product: test}\ndetection: {s: {k: a}, condition: s}\n---\ntitle: Twin\nid: t2\nlogsource: {product: test}\ndetection: {s: {k: b}, condition: s}\n";
    let error = try_rules(&(correlation("Twin") + twins)).map(|_| ()).expect_err("two of a title");
    assert!(error.contains("could mean 2 rules"), "{error}");
}

#[test]
fn what_says_nothing_clear_is_refused() {
    let base = over_hits("event_count", "timespan: 10s\ncondition: {gte: 1}");
    let cases = [
        ("event_count", "impossible_travel", "`impossible_travel` is not a correlation type"),
        ("event_count", "count", "`count` is not a correlation type"),
        ("timespan: 10s", "timespan: 10s\n  learning: 30d", "learning"),
        ("timespan: 10s", "timespan: 0s", "`0s` is not a duration"),
        ("timespan: 10s", "timespan: -5m", "`-5m` is not a duration"),
        ("timespan: 10s", "timespan: 10", "timespan"),
        ("timespan: 10s", "", "needs `timespan`"),
        ("condition: {gte: 1}", "", "needs `condition`"),
        ("{gte: 1}", "{}", "comparison"),
        ("{gte: 1}", "{gte: many}", "must be a number"),
        ("{gte: 1}", "{atleast: 1}", "`atleast` is not a comparison"),
        ("{gte: 1}", "{gte: 1, field: v}", "takes no `field`"),
        ("rules: [base]", "rules: [base, base]", "twice"),
        ("rules: [base]", "rules: [base, Base]", "twice"),
        ("rules: [base]", "rules: []", "needs `rules`"),
        ("rules: [base]", "rules: [7]", "must hold text"),
        ("rules: [base]", "", "needs `rules`"),
    ];
    let wrong = not_refused(cases.map(|(from, to, says)| (base.replace(from, to), says)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let error = try_rules(&base.replace("event_count", "value_count")).map(|_| ()).expect_err("no field");
    assert!(error.contains("needs `field`"), "{error}");
}

#[test]
fn a_timespan_has_every_unit_of_the_specification() {
    for (span, inside, outside) in
        [("10s", 10.0, 10.000_001), ("2m", 120.0, 121.0), ("1h", 3600.0, 3601.0), ("1d", 86_400.0, 86_401.0), ("1w", 604_800.0, 604_801.0)]
    {
        let yaml = over_hits("event_count", &format!("timespan: {span}\ncondition: {{gte: 2}}"));
        assert!(!run(&yaml, &at_seconds(&[0.0, inside])).bursts("C").is_empty(), "{span}");
        assert!(run(&yaml, &at_seconds(&[0.0, outside])).bursts("C").is_empty(), "{span}");
    }
    // `timeframe` is an older spelling.
    let yaml = over_hits("event_count", "timeframe: 10s\ncondition: {gte: 2}");
    assert_eq!(run(&yaml, &at_seconds(&[0.0, 10.0])).bursts("C").len(), 1);
    // A month and a year have no fixed length, but the specification has them.
    for (span, inside, outside) in [("1M", 28.0, 32.0), ("1y", 365.0, 367.0)] {
        let yaml = over_hits("event_count", &format!("timespan: {span}\ncondition: {{gte: 2}}"));
        assert!(!run(&yaml, &at_seconds(&[0.0, inside * 86_400.0])).bursts("C").is_empty(), "{span}");
        assert!(run(&yaml, &at_seconds(&[0.0, outside * 86_400.0])).bursts("C").is_empty(), "{span}");
    }
}

#[test]
fn an_event_without_a_group_is_left_out_once_however_many_rules_it_matches() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}").replace("rules: [base]", "rules: [base, twin]")
        + "---\ntitle: Twin\nid: twin\nlogsource: {product: test}\ndetection: {s: {k: h*}, condition: s}\nlevel: low\n";
    let seen = run(&yaml, &hits(&[(0.0, json!({})), (1.0, json!({"u": []})), (2.0, json!({"u": {"o": 1}})), (3.0, json!({"u": ""}))]));
    assert_eq!((seen.bursts("C").len(), seen.ungrouped["C"]), (0, 3));
}

#[test]
fn limits_below_zero_and_with_a_fraction_are_numbers() {
    let events = at_seconds(&[0.0, 1.0]);
    for (condition, bursts) in [("{gte: -1}", 1), ("{gte: 0.5}", 1), ("{gt: 1.5}", 1), ("{gt: 2.5}", 0), ("{lte: -1}", 0)] {
        let yaml = over_hits("event_count", &format!("timespan: 10s\ncondition: {condition}"));
        assert_eq!(run(&yaml, &events).bursts("C").len(), bursts, "{condition}");
    }
}

/// Findings of the base alone: shown, hidden.
fn base_findings(level: &str, extra: &str, same_file: bool) -> (usize, u64) {
    let base = format!("title: Base\nid: base\nlogsource: {{product: test}}\ndetection: {{s: {{k: hit}}, condition: s}}\nlevel: {level}\n");
    let correlation = format!("title: C\nid: c\ncorrelation: {{type: event_count, rules: [base], timespan: 1s, condition: {{gte: 99}}{extra}}}\n");
    let place = Place::new();
    place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
    if same_file {
        place.write("rules/one.yml", format!("{base}---\n{correlation}"));
    } else {
        place.write("rules/base.yml", base).write("rules/c.yml", correlation);
    }
    place.write("log", ndjson(&at_seconds(&[0.0, 7200.0, 14400.0])));
    let args = ["scan", "log", "--sources", "source.yml", "--rules", "rules", "--format", "json", "--matches", "m"];
    let document = place.run(&args).exits(0).json();
    assert_eq!(lines_of(&place.read("m")).len(), 3, "--matches lists every hit");
    (document["findings"].as_array().map_or(0, Vec::len), document["hidden_findings"].as_u64().unwrap_or(0))
}

#[test]
fn bases_are_hidden_only_where_that_silences_nobody() {
    assert_eq!(base_findings("low", "", false), (0, 3));
    // What is only for the record is one finding a week at most.
    assert_eq!(base_findings("informational", "", false), (0, 1));
    assert_eq!(base_findings("high", "", false), (3, 0));
    assert_eq!(base_findings("medium", "", false), (3, 0));
    assert_eq!(base_findings("high", "", true), (0, 3));
    assert_eq!(base_findings("low", ", generate: true", false), (3, 0));
}

#[test]
fn a_findings_id_survives_more_files() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}");
    let ids = |files: &[(&str, &[f64])]| -> Vec<String> {
        let place = Place::new();
        place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
        place.write("rules.yml", &yaml);
        for (name, times) in files {
            let mut events = at_seconds(times);
            events.iter_mut().for_each(|e| e["id"] = json!(format!("{}", e["t"])));
            place.write(&format!("logs/{name}"), ndjson(&events));
        }
        let document = place.run(&["scan", "logs", "--sources", "source.yml", "--rules", "rules.yml", "--format", "json"]).exits(0).json();
        document["findings"].as_array().expect("findings").iter().map(|f| f["id"].as_str().expect("id").to_owned()).collect()
    };
    let before = ids(&[("b", &[100.0, 101.0])]);
    let after = ids(&[("a", &[102.0, 5000.0, 5001.0]), ("b", &[100.0, 101.0]), ("c", &[0.0])]);
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(after.contains(&before[0]), "{before:?} {after:?}");
}

#[test]
fn a_finding_holds_all_of_its_evidence() {
    let yaml = over_hits("event_count", "group-by: [u]\ntimespan: 10s\ncondition: {gte: 2}");
    let seen = run(&yaml, &at_seconds(&[0.0, 1.0, 2.0]));
    let found: Vec<&Found> = seen.findings.iter().filter(|f| f.rule == "C").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entity, [("u".to_owned(), "ana".to_owned())]);
    assert_eq!(found[0].events, BTreeSet::from(["e0".to_owned(), "e1".into(), "e2".into()]));
}
