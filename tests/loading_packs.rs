//! Packs of rules as they are found: copies, other tools' keys, references by title, spans in old spellings (RULES.md section 6).

use crate::common::{Place, Ran, event, lines_of, ndjson, try_rules};
use serde_json::{Value, json};

const SOURCE: &str = "id: test\ntitle: T\nlogsource: [{product: test, service: a}, {product: test, service: b, category: c}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n";

fn detection(title: &str, id: &str, value: &str) -> String {
    format!("title: {title}\nid: {id}\nlogsource: {{product: test}}\ndetection:\n  selection:\n    f: {value}\n  condition: selection\nlevel: high\n")
}

fn place() -> Place {
    let place = Place::new();
    place.write("source.yml", SOURCE);
    place.write("log", ndjson(&[event("x", "2024-01-15T10:00:00Z", json!({"f": "x"})), event("y", "2024-01-15T10:00:01Z", json!({"f": "y"}))]));
    place
}

fn scan(place: &Place, more: &[&str]) -> Ran {
    place.run(&["scan", "log", "--sources", "source.yml", "--format", "json"].iter().chain(more).copied().collect::<Vec<_>>())
}

fn titles(document: &Value) -> Vec<&str> {
    document["rules"].as_array().expect("rules").iter().filter_map(|r| r["title"].as_str()).collect()
}

fn problems(document: &Value) -> Vec<String> {
    document["rule_problems"]
        .as_array()
        .expect("problems")
        .iter()
        .map(|p| format!("{}: {}", p["file"].as_str().unwrap_or_default(), p["reason"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn both_spellings_of_the_file_ending_and_several_documents_are_rules() {
    let place = place();
    place.write("rules/a.yml", detection("A", "a", "x")).write("rules/b.yaml", format!("---\n{}---\n{}", detection("B", "b", "x"), detection("C", "c", "y")));
    place.write("rules/B.YML", detection("D", "d", "x")).write("rules/e.txt", detection("E", "e", "x")).write("rules/f.json", "{}");
    let document = scan(&place, &["--rules", "rules"]).exits(0).json();
    let mut found = titles(&document);
    found.sort_unstable();
    found.retain(|t| *t != "D");
    assert_eq!(found, ["A", "B", "C"]);
}

#[test]
fn a_copy_of_a_rule_is_said_to_be_one() {
    let place = place();
    place.write("rules/a/one.yml", detection("One", "1", "x")).write("rules/b/one.yml", detection("One", "1", "x"));
    let ran = scan(&place, &["--rules", "rules"]).exits(0).says("b/one.yml").says("loaded once");
    assert_eq!((titles(&ran.json()), problems(&ran.json())), (vec!["One"], vec![]));
    assert_eq!(ran.json()["findings"].as_array().map(Vec::len), Some(1));
}

#[test]
fn two_rules_of_one_id_are_an_error_that_names_both_files() {
    let place = place();
    place.write("rules/a.yml", detection("One", "1", "x")).write("rules/b.yml", detection("Other", "1", "y"));
    let ran = scan(&place, &["--rules", "rules"]).exits(0).says("a.yml").says("b.yml");
    assert_eq!(problems(&ran.json()).len(), 1);
    scan(&place, &["--rules", "rules/a.yml", "--rules", "rules/b.yml"]).exits(2).says("a.yml").says("b.yml");
    scan(&place, &["--rules", "rules", "--strict"]).exits(2);
}

#[test]
fn what_is_not_a_rule_is_called_so() {
    let place = place();
    for (name, text) in
        [("words", "hello: world\n"), ("list", "- a\n- b\n"), ("text", "just text\n"), ("empty", ""), ("comment", "# nothing\n"), ("title", "title: X\n")]
    {
        place.write(&format!("{name}.yml"), text);
        scan(&place, &["--rules", &format!("{name}.yml")]).exits(2).says("not a rule");
        // In a folder it is no fault.
        place.write("rules/good.yml", detection("Good", "g", "x")).write(&format!("rules/{name}.yml"), text);
        let document = scan(&place, &["--rules", "rules"]).exits(0).json();
        assert_eq!((titles(&document), problems(&document)), (vec!["Good"], vec![]), "{name}");
        scan(&place, &["--rules", "rules", "--strict"]).exits(0);
    }
}

#[test]
fn a_title_means_the_rule_of_its_own_file_first() {
    let correlation = "---\ntitle: C\nid: c\nlevel: high\ncorrelation: {type: event_count, rules: [Twin], timespan: 1s, condition: {gte: 1}}\n";
    let place = place();
    place.write("rules/a.yml", detection("Twin", "1", "x") + correlation).write("rules/b.yml", detection("Twin", "2", "y"));
    let document = scan(&place, &["--rules", "rules"]).exits(0).json();
    let of_c: Vec<&Value> = document["findings"].as_array().expect("findings").iter().filter(|f| f["rule_id"] == "c").collect();
    assert_eq!(of_c.len(), 1, "{document}");
    assert_eq!(of_c[0]["events"][0]["event_id"], "x");
    // Where neither is of its own file, it is not guessed.
    place.write("rules/a.yml", detection("Twin", "1", "x")).write("rules/c.yml", correlation);
    let found = problems(&scan(&place, &["--rules", "rules"]).exits(0).json());
    assert!(found.len() == 1 && found[0].starts_with("c.yml") && found[0].contains("could mean 2 rules"), "{found:?}");
}

#[test]
fn an_id_means_more_than_a_name_and_a_name_more_than_a_title() {
    let named =
        |title: &str, id: &str, name: &str, value: &str| detection(title, id, value).replace(&format!("id: {id}\n"), &format!("id: {id}\nname: {name}\n"));
    let correlation = "---\ntitle: C\nid: c\nlevel: high\ncorrelation: {type: event_count, rules: [key], timespan: 1s, condition: {gte: 1}}\n";
    for (first, second) in [
        (named("A", "key", "a", "x"), named("B", "2", "key", "y")),
        (named("A", "KEY", "a", "x"), named("key", "2", "b", "y")),
        (named("A", "1", "key", "x"), named("key", "2", "b", "y")),
    ] {
        let place = place();
        place.write("rules.yml", format!("{second}---\n{first}{correlation}"));
        let document = scan(&place, &["--rules", "rules.yml"]).exits(0).json();
        let found = document["findings"].as_array().and_then(|f| f.iter().find(|f| f["rule_id"] == "c")).cloned().expect("a finding");
        assert_eq!(found["events"][0]["event_id"], "x", "{first}{second}");
    }
}

#[test]
fn a_rule_without_an_id_keeps_its_own_wherever_it_stands() {
    let bare = "title: Bare\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\n";
    let id = |files: &[(&str, String)]| {
        let place = place();
        for (name, text) in files {
            place.write(&format!("rules/{name}"), text);
        }
        let document = scan(&place, &["--rules", "rules"]).exits(0).json();
        let rule = document["rules"].as_array().and_then(|r| r.iter().find(|r| r["title"] == "Bare")).cloned().expect("the rule");
        rule["id"].as_str().unwrap_or_default().to_owned()
    };
    let alone = id(&[("a.yml", bare.to_owned())]);
    assert_eq!(alone, id(&[("z/other.yaml", bare.to_owned())]));
    assert_eq!(alone, id(&[("a.yml", detection("First", "1", "y")), ("b.yml", bare.to_owned())]));
    assert_ne!(alone, id(&[("a.yml", bare.replace("f: x", "f: y"))]));
}

#[test]
fn another_tools_tests_are_not_ours_to_judge() {
    let foreign = detection("Foreign", "1", "x") + "tests:\n  positive: [a.json]\n";
    let place = place();
    place.write("rules/a.yml", &foreign).write("rules/b.yml", detection("Text", "2", "x") + "tests: see the wiki\n");
    let document = scan(&place, &["--rules", "rules"]).exits(0).json();
    assert_eq!((titles(&document), problems(&document)), (vec!["Foreign", "Text"], vec![]));
}

#[test]
fn a_status_decides_what_runs() {
    let place = place();
    for status in ["stable", "test", "experimental", "deprecated", "unsupported"] {
        place.write(&format!("rules/{status}.yml"), detection(status, status, "x") + &format!("status: {status}\n"));
    }
    let ran = scan(&place, &["--rules", "rules", "--matches", "m"]).exits(0);
    let hit: Vec<String> = lines_of(&place.read("m")).iter().map(|m| m["rule_id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(hit.len(), 3, "{hit:?}");
    assert!(!hit.iter().any(|h| h == "deprecated" || h == "unsupported"), "{}", ran.dump());
    let all = scan(&place, &["--rules", "rules", "--all-statuses", "--matches", "all"]).exits(0);
    assert_eq!(lines_of(&place.read("all")).len(), 5, "{}", all.dump());
    // The report names what was left out.
    place.run(&["report", "log", "--sources", "source.yml", "--rules", "rules", "-o", "out"]);
    let report = place.read_text("out/report.md");
    assert!(report.contains("deprecated") && report.contains("unsupported"), "{report}");
}

#[test]
fn a_report_names_the_rules_by_their_hash_and_says_what_is_weaker() {
    let place = place();
    let base = detection("Base", "base", "x").replace("level: high", "level: low");
    let many = "---\ntitle: Many\nid: many\nname: mr_many\nmodified: 2024-01-02\ncorrelation: {type: event_count, rules: [base], timespan: 10m, condition: {gte: 3}}\n";
    place.write("rules.yml", base + many).write("weak.yml", "thresholds: {mr_many: {gte: 9}}\n");
    let report = |more: &[&str], out: &str| {
        place.run(&[&["report", "log", "--sources", "source.yml", "--rules", "rules.yml", "-o", out], more].concat());
        place.read_text(&format!("{out}/report.md"))
    };
    let hash = scan(&place, &["--rules", "rules.yml"]).exits(0).json()["rules_hash"].as_str().unwrap_or_default().to_owned();
    let plain = report(&[], "plain");
    assert!(hash.len() == 16 && plain.contains(&hash), "{hash}");
    let weak = report(&["--vars", "weak.yml"], "weak");
    assert!(weak.contains("9 instead of 3") && !plain.contains("instead of"), "{weak}");
    assert!(!weak.contains(&hash), "the thresholds are part of the hash");
}

#[test]
fn a_service_and_a_category_are_of_one_declaration() {
    // A source may declare several; a rule's words must all be of the same one.
    let place = place();
    for (i, (logsource, runs)) in [
        ("product: test, service: a", true),
        ("product: test, service: b", true),
        ("product: test, service: b, category: c", true),
        ("service: A", true),
        ("category: C", true),
        ("product: test, service: a, category: c", false),
        ("service: c", false),
        ("product: test, definition: x", true),
    ]
    .iter()
    .enumerate()
    {
        let id = format!("r{i}");
        place.write("rule.yml", detection("R", &id, "x").replace("{product: test}", &format!("{{{logsource}}}")));
        scan(&place, &["--rules", "rule.yml", "--matches", "m", "--force"]).exits(0);
        assert_eq!(!place.read("m").is_empty(), *runs, "{logsource}");
    }
}

#[test]
fn windows_of_another_kind_are_refused_by_name() {
    let base = detection("Base", "base", "x");
    for extra in ["window: tumbling", "window: {type: session, gap: 5m}", "gap: 5m"] {
        let yaml =
            format!("{base}---\ntitle: C\nid: c\ncorrelation:\n  type: event_count\n  rules: [base]\n  timespan: 10m\n  {extra}\n  condition: {{gte: 2}}\n");
        let error = try_rules(&yaml).map(|_| ()).expect_err(extra);
        assert!(error.contains(extra.split(':').next().unwrap_or_default()), "{extra}: {error}");
    }
}
