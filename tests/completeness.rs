//! Whether logs are complete: counts over time against a count by brute force, scope and provenance, what looks like a cut,
//! and event classes that were not delivered.

use crate::common::{Place, Ran, generator, ndjson};
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A source with accounts, regions, and event classes of which one must be switched on.
const ACME: &str = "
id: acme
title: Acme Cloud
logsource: [{product: acme}]
detect: [{has: [acme_id, at]}]
time: [at]
columns: {event_id: acme_id, action: op, account: account, region: region, user: user}
activity:
  key: action
  map:
    Read: {activity: object.read, category: storage}
    Write: {activity: storage.updated, category: storage}
retention: 30d
delivery_lag: 15m
export_limits: [7]
classes:
  - {id: management, title: management events, when: {class: Management}}
  - {id: data, title: data events, when: {class: Data}, activities: [object.read], actions: [Read, Head]}
";

const RULES: &str = "
title: Read
id: 20000000-0000-4000-8000-000000000001
logsource: {product: acme}
detection: {selection: {op: [Read, Head]}, condition: selection}
level: low
---
title: Read By Activity
id: 20000000-0000-4000-8000-000000000002
taxonomy: auditmill
logsource: {product: auditmill}
detection: {selection: {activity: object.read}, condition: selection}
level: low
---
title: Read Or Written
id: 20000000-0000-4000-8000-000000000003
logsource: {product: acme}
detection: {selection: {op: [Read, Write]}, condition: selection}
level: low
---
title: Not Written
id: 20000000-0000-4000-8000-000000000004
logsource: {product: acme}
detection: {selection: {op: Write}, condition: not selection}
level: low
---
title: Many Reads
id: 20000000-0000-4000-8000-000000000005
correlation: {type: event_count, rules: [20000000-0000-4000-8000-000000000001], group-by: [user], timespan: 10m, condition: {gte: 3}}
level: high
";

const START: i64 = 1_704_067_200;

/// An event at so many seconds after 2024-01-01T00:00:00Z.
fn acme(id: usize, seconds: i64, account: &str, region: &str, class: &str, op: &str) -> Value {
    json!({"acme_id": format!("e{id}"), "at": time(seconds), "account": account, "region": region, "class": class, "op": op, "user": "ana"})
}

fn time(seconds: i64) -> String {
    auditmill::event::time::format_time((START + seconds) * 1_000_000)
}

fn place() -> Place {
    let place = Place::new();
    place.write("acme/acme.yml", ACME).write("rules.yml", RULES);
    place
}

const COMMON: [&str; 6] = ["--sources", "default", "--sources", "acme", "--rules", "rules.yml"];

fn run(place: &Place, command: &str, path: &str, more: &[&str]) -> Ran {
    place.run(&[&[command, path], &COMMON[..], more].concat())
}

fn coverage(place: &Place, path: &str, more: &[&str]) -> Value {
    run(place, "scan", path, &[&["--format", "json", "-q"], more].concat()).json()["coverage"].clone()
}

fn reasons(coverage: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or("-").to_owned();
    coverage["suspicions"].as_array().expect("a list").iter().map(|s| format!("{} {}: {}", text(&s["kind"]), text(&s["file"]), text(&s["reason"]))).collect()
}

// ------------------------------------------------------------------------------------------------------- counts over time

/// What is said of some events, counted one by one.
fn by_hand(events: &[(i64, &str)], wanted: &dyn Fn(&str) -> bool, days: i64) -> Value {
    let (from, to) = (0, days * 86_400);
    let inside: Vec<i64> = events.iter().filter(|e| wanted(e.1)).map(|e| e.0).filter(|t| (from..to).contains(t)).collect();
    let hours: BTreeSet<i64> = inside.iter().map(|t| t / 3600).collect();
    let with_events: BTreeSet<i64> = inside.iter().map(|t| t / 86_400).collect();
    let mut sorted: Vec<i64> = inside.clone();
    sorted.extend([from, to]);
    sorted.sort_unstable();
    let longest = sorted.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
    let late = events.windows(2).filter(|w| wanted(w[1].1) && w[1].0 < w[0].0).count();
    json!({
        "events": inside.len(),
        "outside_period": events.iter().filter(|e| wanted(e.1)).count() - inside.len(),
        "first": inside.iter().min().map(|t| time(*t)),
        "last": inside.iter().max().map(|t| time(*t)),
        "hours": days * 24,
        "empty_hours": days * 24 - hours.len() as i64,
        "days": days,
        "empty_days": days - with_events.len() as i64,
        "out_of_order": late,
        "longest": longest,
    })
}

fn said(counts: &Value) -> Value {
    let mut out = json!({"longest": counts["longest_silence"]["seconds"]});
    for key in ["events", "outside_period", "first", "last", "hours", "empty_hours", "days", "empty_days", "out_of_order"] {
        out[key] = counts[key].clone();
    }
    out
}

#[test]
fn hours_days_and_silences_are_those_of_a_count_by_hand() {
    let event = (prop_oneof![3 => 0..4 * 86_400i64, 1 => -86_400..6 * 86_400i64], prop_oneof![Just("a"), Just("b")]);
    let cases = (prop::collection::vec(event, 1..60), 1..5i64, 15..3000i64);
    let place = place();
    generator("completeness", 24)
        .run(&cases, |(events, days, allowed)| {
            let log: Vec<Value> = events.iter().enumerate().map(|(i, e)| acme(i, e.0, e.1, "r", "Management", "Write")).collect();
            place.write("log.ndjson", ndjson(&log));
            place.write(
                "scope.yml",
                format!("systems: [{{source: acme, owner: o, max_silence: {allowed}m, accounts: [{{id: a, max_silence: {allowed}m}}, b]}}]"),
            );
            let to = time(days * 86_400);
            let found = coverage(&place, "log.ndjson", &["--from", "2024-01-01", "--to", &to, "--scope", "scope.yml"]);
            let source = &found["sources"][0];
            prop_assert_eq!(said(source), by_hand(&events, &|_| true, days));
            for account in source["accounts"].as_array().expect("accounts") {
                let id = account["account"].as_str().expect("an account");
                prop_assert_eq!(said(account), by_hand(&events, &|a| a == id, days), "account {}", id);
            }
            // The first entry is the system, the second its account `a`.
            for (entry, wanted) in [(0, &(|_: &str| true) as &dyn Fn(&str) -> bool), (1, &|a: &str| a == "a")] {
                let mut times: Vec<i64> = events.iter().filter(|e| wanted(e.1)).map(|e| e.0).filter(|t| (0..days * 86_400).contains(t)).collect();
                let entry = &found["scope"]["entries"][entry];
                if times.is_empty() {
                    prop_assert_eq!(&entry["state"], "missing");
                    continue;
                }
                times.extend([0, days * 86_400]);
                times.sort_unstable();
                let silent: Vec<(String, String)> = times.windows(2).filter(|w| w[1] - w[0] > allowed * 60).map(|w| (time(w[0]), time(w[1]))).collect();
                prop_assert_eq!(&entry["state"], if silent.is_empty() { "ok" } else { "silent" });
                let listed = entry["silences"].as_array().expect("silences");
                prop_assert_eq!(listed.len() as u64 + entry["more_silences"].as_u64().unwrap_or(0), silent.len() as u64);
                for (a, b) in listed.iter().zip(&silent) {
                    prop_assert_eq!((&a["from"], &a["to"]), (&json!(b.0), &json!(b.1)));
                }
            }
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn duplicates_and_the_places_that_some_files_lack() {
    let place = place();
    let event = |id, account, region| acme(id, 60 * id as i64, account, region, "Management", "Write");
    place.write("logs/1.ndjson", ndjson(&[event(1, "a", "eu"), event(2, "b", "eu"), event(3, "a", "us"), event(3, "a", "us")]));
    place.write("logs/2.ndjson", ndjson(&[event(4, "a", "eu"), event(5, "a", "us")]));
    let found = coverage(&place, "logs", &[]);
    let accounts = found["sources"][0]["accounts"].as_array().expect("accounts");
    assert_eq!(accounts[0]["account"], "a");
    assert_eq!((&accounts[0]["events"], &accounts[0]["duplicates"], &accounts[0]["files"]), (&json!(4), &json!(1), &json!(2)));
    let regions: Vec<(&Value, &Value)> = accounts[0]["regions"].as_array().expect("regions").iter().map(|r| (&r["region"], &r["events"])).collect();
    assert_eq!(regions, [(&json!("eu"), &json!(2)), (&json!("us"), &json!(2))]);
    assert_eq!(accounts[1]["regions_elsewhere"], json!(["us"]));
    let missing = &found["in_some_files"];
    assert_eq!(missing.as_array().map(Vec::len), Some(1), "{missing}");
    assert_eq!((&missing[0]["value"], &missing[0]["not_in"]), (&json!("b"), &json!(["2.ndjson"])));
}

#[test]
fn more_accounts_than_are_told_apart_are_not_told_apart() {
    let place = place();
    let log: Vec<Value> = (0..12_500).map(|i| acme(i, i as i64, &format!("account {i}"), "r", "Management", "Write")).collect();
    place.write("log.ndjson", ndjson(&log)).write("scope.yml", "systems: [{source: acme, owner: o, accounts: [account 7]}]");
    let found = coverage(&place, "log.ndjson", &["--scope", "scope.yml"]);
    assert_eq!((&found["by_account"], &found["sources"][0]["events"], &found["sources"][0]["accounts"]), (&json!(false), &json!(12_500), &json!([])));
    assert_eq!(found["scope"]["entries"][1]["state"], "not judged");
    assert!(found["statements"].to_string().contains("there are more than 12000"), "{}", found["statements"]);
}

// ---------------------------------------------------------------------------------------------------- scope and provenance

#[test]
fn what_a_scope_expects_is_there_missing_or_silent() {
    let place = place();
    let log: Vec<Value> = (0..48).map(|h| acme(h, h as i64 * 3600, if h < 24 { "a" } else { "c" }, "eu", "Management", "Write")).collect();
    place.write("log.ndjson", ndjson(&log)).write(
        "scope.yml",
        "systems:
  - source: acme
    title: Acme production
    owner: Platform team
    max_silence: 2h
    accounts: [{id: A, max_silence: 4h}, b]
    regions: [eu, us]
    classes: [management, {id: data, owner: Data team}]
  - {source: ops0, owner: Nobody}
",
    );
    let found = coverage(&place, "log.ndjson", &["--scope", "scope.yml", "--from", "2024-01-01", "--to", "2024-01-02"]);
    let entries: Vec<String> = found["scope"]["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|e| format!("{} {} ({}): {} {}", e["kind"], e["id"], e["owner"], e["state"], e["silences"][0]["length"]).replace('"', ""))
        .collect();
    assert_eq!(
        entries,
        [
            "system acme (Platform team): silent 24 h 60 min",
            "account A (Platform team): silent 24 h 60 min",
            "account b (Platform team): missing null",
            "region eu (Platform team): there null",
            "region us (Platform team): missing null",
            "class management (Platform team): there null",
            "class data (Data team): missing null",
            "system ops0 (Nobody): missing null",
        ]
        .map(|e| e.replace("24 h 60 min", "25 h 00 min"))
    );
    assert_eq!(found["scope"]["not_in_scope"], json!([{"source": "acme", "kind": "account", "value": "c", "events": 24}]));
    run(&place, "scan", "log.ndjson", &["--scope", "scope.yml"])
        .says("Scope       8 expected: 4 missing, ")
        .says("missing: account b of Acme production (owner: Platform team)");
}

#[test]
fn without_a_scope_and_a_provenance_the_report_says_so() {
    let place = place();
    place.write("log.ndjson", ndjson(&[acme(1, 0, "a", "eu", "Management", "Write")]));
    run(&place, "report", "log.ndjson", &["-o", "out"]).exits(0);
    for file in ["out/report.html", "out/report.md"] {
        let text = place.read_text(file);
        assert!(text.contains("Completeness is not evidenced: no scope file"), "{file}");
        assert!(text.contains("No provenance file was given"), "{file}");
    }
}

#[test]
fn faults_of_a_scope_or_provenance_name_file_line_and_help() {
    let place = place();
    place.write("log.ndjson", ndjson(&[acme(1, 0, "a", "eu", "Management", "Write")]));
    let cases = [
        ("--scope", "systems:\n  - source: acme\n    owner: o\n    max_silense: 4h\n", "f.yml:4: ", "a scope file has `systems:`"),
        ("--scope", "systems:\n  - source: acme\n    owner: o\n    max_silence: soon\n", "`soon` is not a duration", "max_silence"),
        ("--scope", "systems:\n  - source: acme\n    owner: o\n    max_silence: 5m\n", "judged from 15m on", "max_silence"),
        ("--scope", "systems:\n  - source: acme\n    owner: o\n    accounts: [123]\n", "is text: write", "in quotes"),
        ("--scope", "systems:\n  - owner: o\n    source: acne\n", "f.yml:3: `acne` is not a source", "the sources are acme"),
        (
            "--scope",
            "systems:\n  - source: acme\n    owner: o\n    classes: [dat]\n",
            "f.yml:4: `dat` is not an event class of acme",
            "it has management, data",
        ),
        ("--scope", "systems: []", "f.yml: no system is in scope", "systems"),
        ("--provenance", "exports:\n  - file: x\n    exported_by: a\n    exported_at: noon\n", "`noon` is not a time", "f.yml:"),
        ("--provenance", "exports:\n  - file: '[x'\n    exported_by: a\n    exported_at: 2024-01-01\n", "f.yml:2: `[x` is not a pattern", "exports"),
        ("--provenance", "exports: 7", "f.yml:1: ", "a provenance file has `exports:`"),
    ];
    for (flag, text, says, help) in cases {
        place.write("f.yml", text);
        run(&place, "scan", "log.ndjson", &[flag, "f.yml"]).exits(2).says(says).says(help);
    }
    run(&place, "report", "log.ndjson", &["-o", "out", "--scope", "none.yml"]).exits(2).says("none.yml").says("--scope takes a YAML file");
}

#[test]
fn exports_are_held_against_their_provenance() {
    let place = place();
    let events =
        |from: usize, n: usize| -> Vec<u8> { ndjson(&(from..from + n).map(|i| acme(i, 60 * i as i64, "a", "eu", "Management", "Write")).collect::<Vec<_>>()) };
    place
        .write("logs/x/1.ndjson", events(0, 3))
        .write("logs/x/2.ndjson", events(3, 2))
        .write("logs/y.ndjson", events(5, 4))
        .write("logs/z.ndjson", events(9, 1));
    place.write(
        "p.yml",
        "exports:
  - {file: 'x/*.ndjson', exported_by: ana, exported_at: '2024-01-02T00:15:00Z', rows: 5, filter: all}
  - {file: y.ndjson, exported_by: bob, exported_at: '2024-01-02T00:14:59Z', rows: 9}
  - {file: gone.csv, exported_by: bob, exported_at: 2024-01-03}
",
    );
    let found = coverage(&place, "logs", &["--provenance", "p.yml", "--period", "2024-01-01"]);
    let exports = &found["provenance"]["exports"];
    let line = |i: usize| json!([exports[i]["files"], exports[i]["rows"], exports[i]["rows_read"], exports[i]["rows_agree"], exports[i]["is_final"]]);
    assert_eq!([line(0), line(1)], [json!([2, 5, 5, true, true]), json!([1, 9, 4, false, false])]);
    assert_eq!((&found["provenance"]["files_without"], &found["provenance"]["files_without_count"]), (&json!(["z.ndjson"]), &json!(1)));
    assert_eq!(
        reasons(&found),
        [
            "row_count y.ndjson: 4 rows were read, and the export had 9",
            "not_final y.ndjson: not final: it was exported at 2024-01-02T00:14:59Z, before the period's end at 2024-01-02T00:00:00Z plus the 15 min by which the vendor may deliver late",
            "no_such_file gone.csv: the provenance speaks of this export, and no file of it was read",
        ]
    );
}

// ------------------------------------------------------------------------------------------------------------- suspicions

fn ops0(n: usize) -> Value {
    json!({"event_id": format!("evt_{n}"), "timestamp": time(n as i64), "user": "ana", "action": "user.login", "resource": null, "status": "success"})
}

#[test]
fn pages_that_leave_rows_out_and_round_counts_are_suspected() {
    let place = place();
    let page = |offset: usize, rows: usize, total: usize| {
        json!({"limit": 10, "data": (offset..offset + rows).map(ops0).collect::<Vec<_>>(), "offset": offset, "total": total}).to_string()
    };
    place.write("whole/1.json", page(0, 10, 14)).write("whole/2.json", page(10, 4, 14));
    place.write("gap/1.json", page(0, 10, 25)).write("gap/3.json", page(20, 4, 25));
    place.write("round/a.json", serde_json::to_vec(&(0..1000).map(ops0).collect::<Vec<_>>()).expect("JSON"));
    place.write("round/b.ndjson", ndjson(&(0..1000).map(ops0).collect::<Vec<_>>()));
    place.write("limit/c.ndjson", ndjson(&(0..7).map(|i| acme(i, i as i64, "a", "eu", "Management", "Write")).collect::<Vec<_>>()));
    assert_eq!(reasons(&coverage(&place, "whole", &[])), Vec::<String>::new());
    assert_eq!(
        reasons(&coverage(&place, "gap", &[])),
        [
            "pages 1.json: the page at offset 20 holds 4 rows instead of 5; rows 11 to 20 are in no page; the last page ends at row 24 of 25 (2 pages from 1.json on)"
        ]
    );
    assert_eq!(reasons(&coverage(&place, "round", &[])), ["round_count a.json: it holds 1000 rows: a count at which many exports are cut"]);
    assert_eq!(reasons(&coverage(&place, "limit", &[])), ["export_limit c.ndjson: it holds 7 rows, at which exports of Acme Cloud are cut"]);
    run(&place, "scan", "limit", &[]).says("Suspicion   c.ndjson: it holds 7 rows");
}

#[test]
fn the_earliest_event_at_the_edge_of_what_a_vendor_keeps_is_suspected() {
    let place = place();
    place.write("log.ndjson", ndjson(&[acme(1, 3600, "a", "eu", "Management", "Write"), acme(2, 86_400, "a", "eu", "Management", "Write")]));
    let kinds = |more: &[&str]| reasons(&coverage(&place, "log.ndjson", more));
    let old = "retention_edge log.ndjson: the earliest event, at 2024-01-01T01:00:00Z, is as old as Acme Cloud keeps events (30 d 0 h before the export at 2024-01-31T00:00:00Z): older ones may be gone";
    assert_eq!(kinds(&["--as-of", "2024-01-31T00:00:00Z"]), [old]);
    assert_eq!(kinds(&["--as-of", "2024-02-05T00:00:00Z"]), Vec::<String>::new());
    assert_eq!(kinds(&["--as-of", "2024-01-31T00:00:00Z", "--from", "2024-01-01T02:00:00Z"]), Vec::<String>::new(), "the period does not need older ones");
    place.write("p.yml", "exports: [{file: log.ndjson, exported_by: a, exported_at: '2024-01-31T00:00:00Z'}]");
    assert_eq!(kinds(&["--provenance", "p.yml"]), [old]);
}

// ---------------------------------------------------------------------------------------------------------- event classes

fn states(place: &Place) -> BTreeMap<String, String> {
    let document = run(place, "scan", "log.ndjson", &["--format", "json", "-q"]).json();
    let rule = |r: &Value| (r["title"].as_str().expect("a title").to_owned(), r["state"].as_str().expect("a state").to_owned());
    document["rules"].as_array().expect("rules").iter().map(rule).collect()
}

#[test]
fn a_rule_that_only_a_class_that_was_not_delivered_could_satisfy_is_not_assessable() {
    let place = place();
    let write = acme(1, 0, "a", "eu", "Management", "Write");
    place.write("log.ndjson", ndjson(std::slice::from_ref(&write)));
    let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> { pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect() };
    let blind = "not assessable";
    let without = of(&[("Read", blind), ("Read By Activity", blind), ("Many Reads", blind), ("Read Or Written", "ran"), ("Not Written", "ran")]);
    assert_eq!(states(&place), without);
    run(&place, "scan", "log.ndjson", &[]).says("not covered: Read: it looks for events of the class data events of Acme Cloud, and the logs hold none");
    let classes = coverage(&place, "log.ndjson", &[])["sources"][0]["classes"].clone();
    assert_eq!(
        classes,
        json!([
            {"id": "management", "title": "management events", "events": 1, "delivered": true},
            {"id": "data", "title": "data events", "events": 0, "delivered": false},
        ])
    );
    // Any event of the class is enough, and a match is proof whatever its class.
    place.write("log.ndjson", ndjson(&[write.clone(), acme(2, 1, "a", "eu", "Data", "Other")]));
    assert!(states(&place).values().all(|s| s == "ran"), "{:?}", states(&place));
    place.write("log.ndjson", ndjson(&[write, acme(2, 1, "a", "eu", "Management", "Read")]));
    assert!(states(&place).values().all(|s| s == "ran"), "{:?}", states(&place));
}

#[test]
fn a_class_may_choose_inside_an_array_and_ask_for_a_column() {
    let place = place();
    let when = "when: {'tags[key=class].value': Data, $action: Write}";
    place.write("acme/acme.yml", ACME.replace("when: {class: Data}", when));
    let mut event = acme(1, 0, "a", "eu", "Management", "Write");
    event["tags"] = json!([{"key": "x", "value": "Data"}, {"key": "class", "value": "Data"}]);
    let mut other = acme(2, 0, "a", "eu", "Management", "Write");
    other["tags"] = json!([{"key": "x", "value": "Data"}]);
    place.write("log.ndjson", ndjson(&[event.clone(), other, event]));
    assert_eq!(coverage(&place, "log.ndjson", &[])["sources"][0]["classes"][1]["events"], 2);
}

// ---------------------------------------------------------------------------------------------------------------- outputs

/// A log with gaps, an account and an action of hostile names, a scope and a provenance.
fn rich() -> Place {
    let place = place();
    let mut log: Vec<Value> = (0..30).map(|i| acme(i, i as i64 * 3600 * if i < 20 { 1 } else { 3 }, "111", "eu", "Management", "Write")).collect();
    log.push(acme(30, 90_000, "<b>|*x*\u{202e}", "us", "Management", "<script>"));
    place.write("logs/a|<i>.ndjson", ndjson(&log));
    place.write("scope.yml", "systems: [{source: acme, title: 'Acme <u>|', owner: 'Ann <u>', max_silence: 12h, accounts: ['111', '<q>']}]");
    place.write("p.yml", "exports: [{file: 'a|<i>.ndjson', exported_by: 'Bob <u>', exported_at: '2024-01-05T00:00:00Z', rows: 30, filter: '<a>'}]");
    place
}

const ALL: [&str; 6] = ["--scope", "scope.yml", "--provenance", "p.yml", "--period", "2024-01"];

#[test]
fn the_same_bytes_at_one_and_two_threads() {
    let place = rich();
    let mut seen = BTreeSet::new();
    for threads in ["1", "2"] {
        let json = coverage(&place, "logs", &[&ALL[..], &["--threads", threads]].concat()).to_string();
        run(&place, "report", "logs", &[&ALL[..], &["--threads", threads, "-o", "out", "--force"]].concat()).exits(0);
        let report = |f: &str| place.read_text(f).replace(&format!("--threads {threads}"), "");
        seen.insert((json, report("out/report.html"), report("out/report.md")));
    }
    assert_eq!(seen.len(), 1);
}

#[test]
fn the_page_of_the_report_and_hostile_names_in_it() {
    let place = rich();
    run(&place, "report", "logs", &[&ALL[..], &["-o", "out"]].concat()).exits(0);
    let html = place.read_text("out/report.html");
    let page = &html[html.find("id=\"coverage\"").expect("the page")..html.find("id=\"findings\"").expect("the next one")];
    for hostile in ["<b>", "<i>", "<u>", "<q>", "<a>", "<script>", "\u{202e}"] {
        assert!(!page.contains(hostile), "{hostile}: {page}");
    }
    assert!(page.contains("account &lt;b&gt;|*x*\\u{202e}"), "{page}");
    let text = place.read_text("out/report.md");
    let page = &text[text.find("### Coverage").expect("the page")..text.find("## 4. Findings").expect("the next one")];
    let hash = page.split("mapping ").nth(1).and_then(|r| r.split(',').next()).expect("the mapping's hash");
    assert_snapshot!(page.replace(hash, "HASH").trim_end(), @r##"
### Coverage

Things that the scope says should be there: 3. Missing: 1. Silent for longer than allowed: 1.

| Source and account | Events | First event | Last event | An hour | Empty hours | Empty days | Longest silence | Out of order | Duplicates |
|---|---:|---|---|---:|---:|---:|---|---:|---:|
| Acme Cloud (mapping HASH, 1 file) | 31 | 2024-01-01T00:00:00Z | 2024-01-04T15:00:00Z | 0.04 | 713 of 744 | 27 of 31 | 27 d 9 h from 2024-01-04T15:00:00Z | 3.2 % | 0 |
| account 111: eu 30 | 30 | 2024-01-01T00:00:00Z | 2024-01-04T15:00:00Z | 0.04 | 714 of 744 | 28 of 31 | 27 d 9 h from 2024-01-04T15:00:00Z | 0.0 % | 0 |
| account &lt;b&gt;\|\*x\*\\u{202e}: us 1 | 1 | 2024-01-02T01:00:00Z | 2024-01-02T01:00:00Z | 0.0 | 743 of 744 | 30 of 31 | 29 d 23 h from 2024-01-02T01:00:00Z | 100.0 % | 0 |

Events of the period without duplicates; where no period was asked for, hours and days are those between the first and the last event of the source. Days are those of UTC. Out of order: earlier than the event of the same source before it in its file.

Acme Cloud, events a day from 2024-01-01 on, a dot where there are none: `█▁▂▃···························` Only a hint: no event from 2024-01-02T01:00:00Z to 2024-01-03T12:00:00Z (35 h 00 min), though nearly all other silences of this log are shorter than 6 h 00 min.

Event classes of Acme Cloud: management events 31, data events **not delivered**. Rules that only a class which was not delivered could satisfy are not assessable.

Only a hint: account 111 of Acme Cloud has no event of us, which other accounts have.

Only a hint: account &lt;b&gt;\|\*x\*\\u{202e} of Acme Cloud has no event of eu, which other accounts have.

Actions of Acme Cloud that the mapping gives no activity: &lt;script&gt; 1.


### Against the scope

| Should be there | Owner | State | Events | First event | Last event | Longest allowed | Silences longer than that |
|---|---|---|---:|---|---|---|---|
| Acme &lt;u&gt;\| | Ann &lt;u&gt; | **silent** | 30 | 2024-01-01T00:00:00Z | 2024-01-04T15:00:00Z | 12 h 00 min | 41 h 00 min from 2024-01-01T19:00:00Z to 2024-01-03T12:00:00Z; 27 d 9 h from 2024-01-04T15:00:00Z to 2024-02-01T00:00:00Z |
| Acme &lt;u&gt;\|: account 111 | Ann &lt;u&gt; | there | 30 | 2024-01-01T00:00:00Z | 2024-01-04T15:00:00Z | – |  |
| Acme &lt;u&gt;\|: account &lt;q&gt; | Ann &lt;u&gt; | **missing** | 0 | – | – | – |  |

In the logs, and not in the scope: account &lt;b&gt;\|\*x\*\\u{202e} of acme (1 event).


### Provenance of the exports

| Export | Exported by | Exported at | Filter | Files | Rows stated | Rows read | Final |
|---|---|---|---|---:|---:|---:|---|
| a\|&lt;i&gt;.ndjson | Bob &lt;u&gt; | 2024-01-05T00:00:00Z | &lt;a&gt; | 1 | 30 | 31 **differs** | **not final** |


### Suspicions

These look as if logs were missing. They are suspicions: each needs a look at the export.

| Where | Source | Reason |
|---|---|---|
| a\|&lt;i&gt;.ndjson | acme | 31 rows were read, and the export had 30 |
| a\|&lt;i&gt;.ndjson | acme | not final: it was exported at 2024-01-05T00:00:00Z, before the period's end at 2024-02-01T00:00:00Z plus the 15 min by which the vendor may deliver late |
"##);
}
