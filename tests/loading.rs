//! From rule files to rules: what does not load is named and costs only itself, what loads runs where it is meant to (RULES.md section 6).

use crate::common::{Place, event, lines_of, ndjson, rules, scan_bytes, test_source};
use auditmill::finding::scan::RuleState;
use serde_json::{Value, json};

fn detection(title: &str, id: &str, field: &str, value: &str) -> String {
    format!("title: {title}\nid: {id}\nlogsource: {{product: test}}\ndetection:\n  selection:\n    {field}: {value}\n  condition: selection\nlevel: high\n")
}

/// A log of the test source and its mapping.
fn place() -> Place {
    let place = Place::new();
    place.write(
        "source.yml",
        "id: test\ntitle: T\nlogsource: [{product: test, service: a}, {product: other}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n",
    );
    place.write("log", ndjson(&[event("e1", "2024-01-15T10:00:00Z", json!({"f": "x", "n": null}))]));
    place
}

fn scan(place: &Place, more: &[&str]) -> crate::common::Ran {
    place.run(&["scan", "log", "--sources", "source.yml", "--format", "json"].iter().chain(more).copied().collect::<Vec<_>>())
}

fn titles(document: &Value) -> Vec<&str> {
    document["rules"].as_array().expect("rules").iter().filter_map(|r| r["title"].as_str()).collect()
}

#[test]
fn in_a_folder_a_bad_document_costs_only_itself() {
    let place = place();
    let many = format!("{}---\n{}---\n{}", detection("One", "1", "f", "x"), "title: Two\ndetection: [\n", detection("Three", "3", "f", "x"));
    place.write("rules/many.yml", many);
    place.write("rules/deep/bad.yaml", detection("Bad", "4", "f|re", "'a('"));
    place.write("rules/notes.yml", "hello: world\n").write("rules/README.md", "# not a rule");
    let ran = scan(&place, &["--rules", "rules"])
        .exits(0)
        .says("warning: rule not loaded: many.yml:")
        .says("warning: rule not loaded: deep/bad.yaml:6: ")
        .says("help:");
    let document = ran.json();
    assert_eq!(titles(&document), ["One", "Three"]);
    let problems = document["rule_problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|p| p["file"].is_string() && p["line"].is_u64() && p["reason"].is_string()), "{problems:?}");
    assert!(problems.iter().any(|p| p["file"] == "many.yml" && (11..=13).contains(&p["line"].as_u64().unwrap_or(0))), "{problems:?}");
    scan(&place, &["--rules", "rules", "--strict"]).exits(2).says("error:");
}

#[test]
fn a_rule_file_that_is_named_must_load() {
    let place = place();
    place.write("good.yml", detection("Good", "1", "f", "x")).write("bad.yml", detection("Bad", "2", "f|unknown", "x"));
    place.write("notes.yml", "hello: world\n").write("empty/x.txt", "");
    scan(&place, &["--rules", "good.yml", "--rules", "bad.yml"]).exits(2).says("error: bad.yml:").says("unknown");
    scan(&place, &["--rules", "good.yml", "--rules", "notes.yml"]).exits(2).says("notes.yml:1: not a rule");
    scan(&place, &["--rules", "empty"]).exits(2).says("holds no rule file");
}

#[test]
fn the_same_rule_twice_is_loaded_once_and_another_of_its_id_is_refused() {
    let place = place();
    let rule = detection("One", "1", "f", "x");
    place.write("rules/a.yml", &rule).write("rules/b.yml", &rule).write("rules/c.yml", detection("Else", "1", "f", "y"));
    let document = scan(&place, &["--rules", "rules"]).exits(0).json();
    assert_eq!(titles(&document), ["One"]);
    let problems = document["rule_problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0]["file"] == "c.yml" && problems[0]["reason"].as_str().is_some_and(|r| r.contains("a.yml")), "{problems:?}");
}

#[test]
fn deprecated_and_unsupported_rules_are_skipped_and_counted() {
    let place = place();
    for (i, status) in ["stable", "test", "experimental", "deprecated", "unsupported"].iter().enumerate() {
        place.write(&format!("rules/{i}.yml"), format!("{}status: {status}\n", detection(status, &i.to_string(), "f", "x")));
    }
    let ran = scan(&place, &["--rules", "rules"]).exits(0).says("2 skipped by status");
    assert_eq!(titles(&ran.json()), ["stable", "test", "experimental"]);
}

#[test]
fn a_rule_without_id_or_level_gets_stable_ones() {
    let place = place();
    place.write("rules/a.yml", "title: Bare\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n");
    let first = scan(&place, &["--rules", "rules"]).exits(0).json();
    let again = scan(&place, &["--rules", "rules", "--threads", "1"]).exits(0).json();
    assert_eq!(first["rules"], again["rules"]);
    assert_eq!(first["rules"][0]["level"], "medium");
    assert!(first["rules"][0]["id"].as_str().is_some_and(|id| id.starts_with("sha256:")));
    assert_eq!(first["findings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn own_rules_take_the_place_of_the_built_in_ones_unless_default_is_said() {
    let place = place();
    place.write("mine/a.yml", detection("Mine", "mine", "f", "x"));
    let mine = titles(&scan(&place, &["--rules", "mine"]).exits(0).json()).len();
    let built_in = titles(&scan(&place, &[]).exits(0).json()).len();
    let both = titles(&scan(&place, &["--rules", "default", "--rules", "mine"]).exits(0).json()).len();
    assert_eq!((mine, both), (1, built_in + 1));
    assert!(built_in > 60, "{built_in}");
}

#[test]
fn a_rule_runs_on_the_sources_that_its_logsource_names() {
    let documents = |rules: &[(&str, &str)]| -> String {
        rules.iter().map(|(title, logsource)| format!("---\ntitle: {title}\nid: {title}\n{logsource}\ndetection: {{s: {{f: x}}, condition: s}}\n")).collect()
    };
    let place = place();
    let cases = [
        ("product", "logsource: {product: test}", true),
        ("case", "logsource: {product: TEST, service: A}", true),
        ("service", "logsource: {product: test, service: b}", false),
        ("second", "logsource: {product: other}", true),
        ("mixed", "logsource: {product: other, service: a}", false),
        ("category", "logsource: {product: test, category: authentication}", false),
        ("else", "logsource: {product: windows}", false),
        ("empty", "logsource: {}", false),
        ("none", "", false),
    ];
    place.write("rules.yml", documents(&cases.map(|(t, l, _)| (t, l))));
    let document = scan(&place, &["--rules", "rules.yml", "--matches", "m"]).exits(0).json();
    let hit: Vec<String> = lines_of(&place.read("m")).iter().map(|m| m["rule_id"].as_str().unwrap_or_default().to_owned()).collect();
    for (title, _, expected) in cases {
        assert_eq!(hit.iter().any(|h| h == title), expected, "{title}");
        let rule = document["rules"].as_array().and_then(|r| r.iter().find(|r| r["title"] == title)).expect("the rule");
        assert_eq!(rule["state"], if expected { "ran" } else { "not applicable" }, "{rule}");
        assert_eq!(rule["reason"].is_string(), !expected, "{rule}");
    }
}

#[test]
fn a_rule_whose_field_is_never_seen_could_not_match() {
    let yaml = [
        detection("Seen", "1", "f", "y"),
        detection("Never", "2", "colour", "red"),
        detection("Case", "3", "F", "x"),
        detection("NullOnly", "4", "n|contains", "a"),
        detection("Absent", "5", "colour", "null"),
        detection("Negated", "6", "f", "x").replace("condition: selection", "condition: not selection"),
        detection("Either", "7", "f", "y").replace("  condition: selection", "  other:\n    colour: red\n  condition: selection or other"),
        detection("Both", "8", "f", "y").replace("  condition: selection", "  other:\n    colour: red\n  condition: selection and other"),
    ]
    .join("---\n");
    let log = ndjson(&[event("e", "2024-01-15T10:00:00Z", json!({"f": "x", "n": null}))]);
    let seen = scan_bytes(test_source(), &rules(&yaml), vec![("log".into(), log)], 1);
    for (title, ran) in [("Seen", true), ("Never", false), ("Case", false), ("Absent", true), ("Negated", true), ("Either", true), ("Both", false)] {
        match &seen.states[title] {
            RuleState::Ran => assert!(ran, "{title} ran"),
            RuleState::CouldNotMatch(fields) => assert!(!ran && fields.iter().any(|f| f == "colour" || f == "F"), "{title}: {fields:?}"),
            other => panic!("{title}: {other:?}"),
        }
    }
    assert_eq!(seen.hits("5").len(), 1);
}

#[test]
fn a_site_changes_lists_and_thresholds() {
    let place = place();
    let base = detection("Base", "base", "f", "x").replace("id: base", "id: base\nname: base").replace("level: high", "level: low");
    let count = "---\ntitle: Many\nid: many\nname: mr_many\ncorrelation: {type: event_count, rules: [base], timespan: 10m, condition: {gte: 3}}\n";
    place
        .write("rules.yml", base + count)
        .write("more.yml", "thresholds: {mr_many: {gte: 2}}\n")
        .write("short.yml", "thresholds: {mr_many: {gte: 2, timespan: 1s}}\n");
    place.write("log", ndjson(&[event("e1", "2024-01-15T10:00:00Z", json!({"f": "x"})), event("e2", "2024-01-15T10:05:00Z", json!({"f": "x"}))]));
    let bursts = |more: &[&str]| {
        let args: Vec<&str> = ["--rules", "rules.yml"].iter().chain(more).copied().collect();
        scan(&place, &args).exits(0).json()["findings"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((bursts(&[]), bursts(&["--vars", "more.yml"]), bursts(&["--vars", "short.yml"])), (0, 1, 0));
    for (text, says) in [("limits: {}\n", "limits"), ("thresholds: {mr_many: {timespan: soon}}\n", "`soon` is not a duration"), ("lists: [a]\n", "lists")] {
        place.write("bad.yml", text);
        scan(&place, &["--rules", "rules.yml", "--vars", "bad.yml"]).exits(2).says("bad.yml").says(says);
    }
}

#[test]
fn a_document_that_could_be_read_two_ways_is_refused() {
    let place = place();
    for (text, says) in [
        ("title: X\nlogsource: {product: test}\nlevel: high\n", "neither `detection` nor `correlation`"),
        ("title: X\ntaxonomy: ecs\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n", "taxonomy `ecs`"),
        ("title: X\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {colour: x}, condition: s}\n", "`colour` is not an event column"),
        ("title: X\nlevel: severe\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n", "`severe` is not a level"),
        ("title: X\naction: global\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n", "collection documents"),
        ("logsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n", "no `title`"),
        ("title: X\nlogsource: {product: test}\ndetection: {s: {}, condition: s}\n", "empty"),
        ("title: X\nlogsource: {product: test}\ndetection: {s: {f|contains|re: x}, condition: s}\n", ""),
        ("title: X\nlogsource: {product: test}\ndetection: {s: {f|gt: many}, condition: s}\n", "compare with a number"),
        ("title: X\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s and}\n", ""),
        ("title: X\nsigma-version: 4\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n", "sigma-version"),
    ] {
        place.write("rule.yml", text);
        let ran = scan(&place, &["--rules", "rule.yml"]).exits(2).says("error: rule.yml:").says(says);
        assert!(ran.out.is_empty(), "{}", ran.dump());
    }
}

#[test]
fn a_document_may_begin_on_the_line_that_separates_it() {
    let rule = |n: u8| format!("--- {{title: R{n}, id: r{n}, logsource: {{product: test}}, detection: {{s: {{f: x}}, condition: s}}}}\n");
    let set = rules(&(rule(1) + &rule(2)));
    let found: Vec<(&str, usize)> = set.rules.iter().map(|r| (r.meta.title.as_str(), r.meta.line)).collect();
    assert_eq!(found, [("R1", 1), ("R2", 2)]);
}

#[test]
fn an_edited_copy_of_a_built_in_rule_has_its_own_window() {
    let text = std::fs::read_to_string(crate::common::project().join("rules/workflow/mr_workflow_updated_then_executed.yml")).expect("the rule");
    assert!(text.contains("timespan: 15m"), "{text}");
    let place = Place::new();
    let record = |time: &str, action: &str| json!({"time": time, "activity": action, "category": "workflow", "status": "success", "user": "ana@example.com", "resource": "nightly", "source": "ops0"});
    place.write("log", ndjson(&[record("2024-01-15T10:00:00Z", "workflow.updated"), record("2024-01-15T10:05:00Z", "workflow.executed")]));
    for (window, found) in [("15m", 1), ("1m", 0)] {
        place.write("mine/mr_workflow_updated_then_executed.yml", text.replace("timespan: 15m", &format!("timespan: {window}")));
        let document = place.run(&["scan", "log", "--rules", "mine", "--format", "json", "--min-level", "medium"]).exits(0).json();
        assert_eq!(document["findings"].as_array().map(Vec::len), Some(found), "{window}: {document}");
    }
}
