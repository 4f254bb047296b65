//! `rules list`, `test`, `explain` and `coverage`: what people and scripts read of the rules.

use crate::common::{Place, Ran, event, generator, ndjson, own_rules, own_sources, project, rules, samples, scan_bytes, test_source};
use crate::engine::generated;
use auditmill::finding::examine::examine;
use auditmill::finding::explain::{Decision, Explanation, explain};
use auditmill::output::rules::write_table;
use auditmill::output::table::Style;
use auditmill::rule::{Body, Rule};
use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A detection over event columns with a filter, what it counts, an array block, and keywords.
const RULES: &str = "
title: Project Deleted by a Stranger
id: 20000000-0000-4000-8000-000000000001
name: project_deleted
status: stable
description: |
  A project is gone, and it was nobody of ours.
taxonomy: auditmill
references: [https://example.com/deleted]
tags: [attack.t1485, soc2.cc6.1]
logsource: {product: auditmill, category: project}
detection:
  selection:
    activity: project.deleted
    resource|contains|all: [project/, web]
  filter_main_ours:
    user_key|endswith: ['@acme.com', '@acme.org']
  filter_status:
    status|neq: success
  condition: selection and not 1 of filter_main_* and not filter_status
falsepositives: [A contractor who was asked to]
level: high
role: violation
---
title: Many Projects Deleted
id: 20000000-0000-4000-8000-000000000002
name: mr_project_deleted
tags: [soc2.cc61]
correlation: {type: event_count, rules: [project_deleted], group-by: [user_key], timespan: 1h, condition: {gte: 3}}
level: critical
---
title: Open Port
id: 20000000-0000-4000-8000-000000000003
name: open_port
sigma-version: 3
logsource: {product: aws, service: cloudtrail}
detection:
  block:
    requestParameters.items[any]:
      port|lte: 22
      cidr|endswith: /0
  words: [needle, 4711]
  condition: block or words
level: low
";

fn ops0(user: &str, resource: &str) -> Value {
    json!({"event_id": "evt_1", "timestamp": "2024-01-15T10:00:00Z", "user": user, "action": "project.deleted", "resource": resource, "status": "success"})
}

fn place() -> Place {
    let place = Place::new();
    place.write("rules.yml", RULES).write("hit.json", ops0("eve@example.net", "project/web").to_string());
    place.write("miss.json", ops0("Ana@acme.org", "project/api").to_string());
    place
}

fn run(place: &Place, verb: &str, args: &[&str]) -> Ran {
    place.run(&["rules", verb, "--rules", "rules.yml"].iter().chain(args).copied().collect::<Vec<_>>())
}

// ----------------------------------------------------------------------------------------------------------- explain

#[test]
fn a_match_is_explained() {
    let place = place();
    assert_snapshot!(run(&place, "explain", &["project_deleted", "--event", "hit.json"]).exits(0).text(), @r#"
Project Deleted by a Stranger
Rule         rules.yml:1, high, violation
Event        event evt_1 at 2024-01-15T10:00:00Z, hit.json:1, its only event
Source       ops0: the rule applies to it

✓ all of
  ✓ logsource
    ✓ category: 'project'
        category is "project"
  ✓ selection
    ✓ activity: 'project.deleted'
        activity is "project.deleted"
    ✓ resource|contains|all: ['project/', 'web']
        resource is "project/web", which fits 'project/' and 'web'
  ✓ not
    ✗ filter_main_ours
      ✗ user_key|endswith: ['@acme.com', '@acme.org']
          user_key is "eve@example.net"
  ✓ not
    ✗ filter_status
      ✗ status|neq: 'success'
          status is "success"

matches, because
  logsource: category: 'project' holds: category is "project"
  selection: activity: 'project.deleted' holds: activity is "project.deleted"
  selection: resource|contains|all: ['project/', 'web'] holds: resource is "project/web", which fits 'project/' and 'web'
  filter_main_ours: user_key|endswith: ['@acme.com', '@acme.org'] does not hold: user_key is "eve@example.net"
  filter_status: status|neq: 'success' does not hold: status is "success"
"#);
}

#[test]
fn a_miss_is_explained() {
    let place = place();
    assert_snapshot!(run(&place, "explain", &["project_deleted", "--event", "miss.json"]).exits(0).text(), @r#"
Project Deleted by a Stranger
Rule         rules.yml:1, high, violation
Event        event evt_1 at 2024-01-15T10:00:00Z, miss.json:1, its only event
Source       ops0: the rule applies to it

✗ all of
  ✓ logsource
    ✓ category: 'project'
        category is "project"
  ✗ selection
    ✓ activity: 'project.deleted'
        activity is "project.deleted"
    ✗ resource|contains|all: ['project/', 'web']
        resource is "project/api", which fits 'project/'; nothing fits web
  ✗ not
    ✓ filter_main_ours
      ✓ user_key|endswith: ['@acme.com', '@acme.org']
          user_key is "ana@acme.org", which fits '@acme.org'
  ✓ not
    ✗ filter_status
      ✗ status|neq: 'success'
          status is "success"

does not match, because
  selection: resource|contains|all: ['project/', 'web'] does not hold: resource is "project/api", which fits 'project/'; nothing fits web
  filter_main_ours: user_key|endswith: ['@acme.com', '@acme.org'] holds: user_key is "ana@acme.org", which fits '@acme.org'
"#);
}

#[test]
fn a_rule_is_documented() {
    let place = place();
    assert_snapshot!(run(&place, "explain", &["Project Deleted by a Stranger"]).exits(0).text(), @r#"
Project Deleted by a Stranger
A project is gone, and it was nobody of ours.

Id           20000000-0000-4000-8000-000000000001
Name         project_deleted
Level        high
Role         violation: a breach in itself
Status       stable
File         rules.yml:1, hash 23cc7322005d
Logsource    product: auditmill, category: project
Applies to   every source of this run
Fields       activity, resource, status, user_key: event columns (taxonomy: auditmill)
Tags         attack.t1485, soc2.cc6.1
References   https://example.com/deleted
Tests        0
Harmless     - A contractor who was asked to

Condition
  all of
    logsource
      category: 'project'
    selection
      activity: 'project.deleted'
      resource|contains|all: ['project/', 'web']
    not
      filter_main_ours
        user_key|endswith: ['@acme.com', '@acme.org']
    not
      filter_status
        status|neq: 'success'
Note: `status|neq: 'success'` does not hold for an event without the field; `not` over a selection
does.
"#);
}

#[test]
fn a_correlation_says_what_it_counts_of_an_event() {
    let place = place();
    let hit = run(&place, "explain", &["mr_project_deleted", "--event", "hit.json"]).exits(0);
    let end = hit.text().split("Correlation\n").nth(1).expect("a correlation's end").to_owned();
    assert_snapshot!(end, @r#"
Fires at     at least 3 events in 60 min by user_key
Group        user_key is "eve@example.net"

is counted: 1 of 1 base rules matches
"#);
    let document = run(&place, "explain", &["mr_project_deleted", "--event", "hit.json", "--format", "json"]).exits(0).json();
    assert_eq!(document["correlation"]["group_by"], json!([{"field": "user_key", "values": ["eve@example.net"]}]));
    assert_eq!((&document["correlation"]["counts"], &document["matches"]), (&json!(true), &json!(null)));
    assert_eq!(document["conditions"][0]["rule_title"], "Project Deleted by a Stranger");
    let miss = run(&place, "explain", &["mr_project_deleted", "--event", "miss.json"]).exits(0);
    assert!(miss.text().ends_with("is not counted: no base rule matches the event\n"), "{}", miss.dump());
}

#[test]
fn members_words_and_hostile_values() {
    let place = place();
    let record = json!({
        "eventVersion": "1.08", "eventTime": "2024-01-15T10:00:00Z", "eventSource": "ec2.amazonaws.com", "eventName": "X", "awsRegion": "r",
        "requestParameters": {"items": [{"port": 80, "cidr": "0.0.0.0/0"}, {"port": 20, "cidr": "10.0.0.0/8"}, {"port": 22, "cidr": "\u{1b}[31m\u{202e}/0"}]},
        "deep": {"list": ["x", {"k": "a Needle here"}]},
    });
    place.write("trail.json", record.to_string());
    let ran = run(&place, "explain", &["open_port", "--event", "trail.json"]).exits(0);
    assert!(!ran.text().contains(['\u{1b}', '\u{202e}']), "{}", ran.dump());
    assert_snapshot!(ran.text(), @r#"
Open Port
Rule         rules.yml:32, low, signal
Event        an event without an id at 2024-01-15T10:00:00Z, trail.json:1, its only event
Source       aws_cloudtrail: the rule applies to it

✓ any of
  ✓ block
    ✓ requestParameters.items[any]: 1 of 3 members fit
      ✗ member 1
        ✗ port|lte: 22
            port is 80
        ✓ cidr|endswith: '/0'
            cidr is "0.0.0.0/0"
      ✗ member 2
        ✓ port|lte: 22
            port is 20
        ✗ cidr|endswith: '/0'
            cidr is "10.0.0.0/8"
      ✓ member 3
        ✓ port|lte: 22
            port is 22
        ✓ cidr|endswith: '/0'
            cidr is "\u{1b}[31m\u{202e}/0"
  ✓ words
    ✓ one of these words, anywhere in the record
      ✓ 'needle'
          deep.list.k is "a Needle here"
      ✗ '4711'

matches, because
  block: requestParameters.items[any] holds: 1 of 3 members fit
"#);
}

#[test]
fn what_a_field_holds_is_said_in_words_and_bounded() {
    let set = rules("title: T\nid: r\nlogsource: {product: test}\ndetection: {s: {f|cased: yes1}, condition: s}\n");
    let long = "x".repeat(5000);
    let many: Vec<String> = (0..300).map(|i| format!("v{i}")).chain(["yes1".to_owned()]).collect();
    let bodies = [json!({}), json!({"f": null}), json!({"f": {"a": 1}}), json!({"f": []}), json!({"f": [null]}), json!({"f": 7}), json!({"f": true})];
    let said: Vec<String> =
        bodies.iter().chain(&[json!({"f": long}), json!({"f": many})]).map(|b| explained(&set.rules[0], b).decided_by[0].is.clone()).collect();
    let words = ["absent", "null", "an object", "an empty array", "null as an element", "7", "true"];
    assert_eq!(said[..7], words.map(|w| format!("f is {w}")));
    assert!(said[7].ends_with("…\" (5000 characters)") && said[7].chars().count() < 300, "{}", said[7]);
    assert_eq!(said[8], "f has \"yes1\" among 301 values");
}

/// The explanation of a rule for an event of the test source.
fn explained(rule: &Rule, body: &Value) -> Explanation {
    let record = serde_json::to_vec(&event("e", "2024-01-15T10:00:00Z", body.clone())).expect("JSON");
    let mapping = &test_source().mappings()[0];
    let Body::Detection(detection) = &rule.body else { panic!("a detection") };
    let examined = examine(mapping, &[rule], &[&record], &Arc::default()).expect("a run").remove(0).expect("an event");
    explain(rule, detection, &examined.event, mapping, None, false)
}

#[test]
fn secrets_of_the_event_are_masked() {
    let place = Place::new();
    place.write(
        "r.yml",
        "title: T\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {requestParameters.password: a, userAgent|contains: b}, condition: s}\n",
    );
    place.write(
        "e.json",
        r#"{"eventVersion":"1","eventTime":"2024-01-15T10:00:00Z","eventSource":"s","eventName":"X","awsRegion":"r","userAgent":"ghp_abcdefghijklmnopqrstuvwx","requestParameters":{"password":"hunter22"}}"#,
    );
    let masked = place.run(&["rules", "explain", "r.yml", "--event", "e.json"]).exits(0);
    assert!(!masked.text().contains("hunter22") && !masked.text().contains("ghp_") && masked.text().contains("[masked]"), "{}", masked.dump());
    let shown = place.run(&["rules", "explain", "r.yml", "--event", "e.json", "--show-secrets"]).exits(0);
    assert!(shown.text().contains("hunter22") && shown.text().contains("ghp_"), "{}", shown.dump());
}

#[test]
fn the_verdict_is_the_scans_for_every_record_of_a_file() {
    let Some(folder) = samples("ops0") else { return };
    let log = folder.join("audit-2024-01-api.json").display().to_string();
    let place = Place::new();
    place.run(&["scan", &log, "--matches", "m", "-q"]).exits(0);
    let name = "authentication_login_failed";
    let id = place.run(&["rules", "explain", name, "--format", "json"]).exits(0).json()["rule"]["id"].clone();
    let hits: BTreeSet<u64> = crate::common::lines_of(&place.read("m")).iter().filter(|m| m["rule_id"] == id).filter_map(|m| m["record"].as_u64()).collect();
    for record in 1..=8u64 {
        let document = place.run(&["rules", "explain", name, "--event", &log, "--record", &record.to_string(), "--format", "json"]).exits(0).json();
        assert_eq!(document["matches"], json!(hits.contains(&record)), "record {record}: {document}");
        assert_eq!(document["event"]["record"], json!(record));
    }
}

/// Every node's truth follows from its parts, and the deciding tests are nodes of the tree with the truth that they have there.
fn check_tree(e: &Explanation) -> Result<(), TestCaseError> {
    let tree = serde_json::to_value(&e.condition).expect("JSON");
    let mut leaves: BTreeSet<(String, bool)> = BTreeSet::new();
    check_node(&tree, &mut leaves)?;
    prop_assert!(!e.decided_by.is_empty(), "nothing decided: {tree}");
    for Decision { asks, holds, .. } in &e.decided_by {
        let asks = asks.strip_prefix("keyword '").and_then(|a| a.strip_suffix('\'')).unwrap_or(asks);
        prop_assert!(leaves.contains(&(asks.to_owned(), *holds)), "{asks} {holds} is not in {tree}");
    }
    Ok(())
}

fn check_node(node: &Value, leaves: &mut BTreeSet<(String, bool)>) -> Result<bool, TestCaseError> {
    let own = node["holds"].as_bool().ok_or_else(|| TestCaseError::fail(format!("no truth: {node}")))?;
    if let Some(asks) = node["asks"].as_str() {
        leaves.insert((asks.to_owned(), own));
    }
    let parts = node["children"].as_array().map(Vec::as_slice).unwrap_or_default();
    let truths = parts.iter().map(|p| check_node(p, leaves)).collect::<Result<Vec<bool>, _>>()?;
    let hits = truths.iter().filter(|t| **t).count();
    let expected = match node["node"].as_str() {
        Some("all") => hits == truths.len(),
        Some("any") => hits > 0,
        Some("not") => hits == 0,
        Some("selection" | "member") => hits == 1,
        Some("at_least") => hits as u64 >= node["least"].as_u64().unwrap_or(u64::MAX),
        Some("keywords") if node["all"] == true => hits == truths.len(),
        Some("keywords") => hits > 0,
        _ => own,
    };
    prop_assert_eq!(own, expected, "{}", node);
    Ok(own)
}

#[test]
fn generated_rules_are_explained_as_the_engine_decides() {
    let (pairs, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator("explain", 150).run(&generated::case(), |(detections, bodies)| {
        let yaml: String = detections
            .iter()
            .enumerate()
            .map(|(i, d)| {
                // Each third rule is for another source: its condition is explained and it does not match.
                let product = if i % 3 == 2 { "other" } else { "test" };
                format!(
                    "---\n{}\n",
                    json!({"title": format!("R{i}"), "id": format!("r{i}"), "sigma-version": 3, "logsource": {"product": product}, "detection": d})
                )
            })
            .collect();
        let set = rules(&yaml);
        let events: Vec<Value> = bodies.into_iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", b)).collect();
        let scanned = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events))], 1).matches;
        let texts: Vec<Vec<u8>> = events.iter().map(|e| serde_json::to_vec(e).expect("JSON")).collect();
        let records: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let mapping = &test_source().mappings()[0];
        let all: Vec<&Rule> = set.rules.iter().collect();
        let examined = examine(mapping, &all, &records, &Arc::default()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for (number, examined) in examined.into_iter().enumerate() {
            let examined = examined.map_err(TestCaseError::fail)?;
            for (i, rule) in all.iter().enumerate() {
                let Body::Detection(detection) = &rule.body else { continue };
                let e = explain(rule, detection, &examined.event, mapping, None, false);
                let told = format!("{}\n{}\n{}", detections[rule.meta.id[1..].parse::<usize>().unwrap_or_default()], events[number], json!(e));
                prop_assert_eq!(e.matches, scanned.contains(&(rule.meta.id.clone(), format!("e{number}"))), "the scan says otherwise: {}", told);
                prop_assert_eq!((e.condition_holds, e.matches), (examined.holds[i], examined.matches[i]), "{}", told);
                check_tree(&e)?;
                pairs.set(pairs.get() + 1);
                hits.set(hits.get() + usize::from(e.condition_holds));
            }
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let (pairs, hits) = (pairs.get(), hits.get());
    assert!(pairs >= 4_000 && (pairs / 10..pairs * 9 / 10).contains(&hits), "{hits} of {pairs} conditions hold");
}

#[test]
fn own_rules_are_explained_as_the_engine_decides() {
    let set = own_rules();
    let all: Vec<&Rule> = set.rules.iter().filter(|r| matches!(r.body, Body::Detection(_))).collect();
    let mut hits = 0;
    for (source, file) in [("ops0", "samples/ops0/audit-2024-01-api.json"), ("aws_cloudtrail", CLOUDTRAIL)] {
        let path = project().join(file);
        if !path.is_file() {
            crate::common::skipped(&format!("{file} is not here"));
            continue;
        }
        let document: Value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
        let records = ["data", "events", "logs", "items", "Records"].iter().find_map(|k| document[*k].as_array()).expect("records");
        let texts: Vec<Vec<u8>> = records.iter().map(|r| serde_json::to_vec(r).expect("JSON")).collect();
        let mapping = own_sources().mappings().iter().find(|m| m.id == source).expect("a source");
        let examined = examine(mapping, &all, &texts.iter().map(Vec::as_slice).collect::<Vec<_>>(), &Arc::default()).expect("a run");
        for (record, examined) in examined.into_iter().enumerate() {
            let examined = examined.unwrap_or_else(|e| panic!("{file}:{record}: {e}"));
            for (i, rule) in all.iter().enumerate() {
                let Body::Detection(detection) = &rule.body else { continue };
                let e = explain(rule, detection, &examined.event, mapping, None, false);
                assert_eq!((e.condition_holds, e.matches), (examined.holds[i], examined.matches[i]), "{}: {file}:{record}: {}", rule.meta.title, json!(e));
                hits += usize::from(e.matches);
            }
        }
    }
    assert!(hits > 0);
}

const CLOUDTRAIL: &str = "samples/cloudtrail/111122223333_CloudTrail_eu-central-1_20240115T1330Z_sxmP9MT6vCCMeheH.json";

#[test]
fn the_event_and_the_rule_are_named_when_they_cannot_be_found() {
    let place = place();
    place
        .write("log.ndjson", ndjson(&[ops0("a", "p"), json!({"event_id": "evt_2", "timestamp": "2024-01-15T11:00:00Z", "user": "b", "action": "user.login"})]));
    place.write("text.txt", "no log at all").write("empty.json", "").write("foreign.json", r#"{"a": 1}"#).write("two/a.json", "{}").write("two/b.json", "{}");
    let explain = |args: &[&str]| run(&place, "explain", args);
    explain(&["project_delted"]).exits(2).says("no rule has the id, name or title `project_delted`").says("did you mean project_deleted");
    explain(&["zzz"]).exits(2).says("rules list");
    let event = |more: &[&str]| explain(&["project_deleted", "--event"].iter().chain(more).copied().collect::<Vec<_>>());
    event(&["none.json"]).exits(2).says("none.json: no such file");
    event(&["text.txt"]).exits(2).says("neither JSON, CSV with a header, nor lines that a source knows");
    event(&["empty.json"]).exits(2).says("the file is empty");
    event(&["foreign.json"]).exits(2).says("no source knows this record (its fields: a)").says("--source");
    event(&["foreign.json", "--source", "ops0"]).exits(2).says("foreign.json:1: no source knows this record").says("only the source ops0 was tried");
    event(&["two"]).exits(2).says("is a folder");
    event(&["hit.json", "--source", "ops"]).exits(2).says("did you mean ops0?");
    event(&["log.ndjson", "--record", "9"]).exits(2).says("there is no record 9 among 2 events");
    event(&["log.ndjson", "--event-id", "evt_9"]).exits(2).says("none of 2 events has the id `evt_9`").says("evt_1, evt_2");
    event(&["log.ndjson"]).exits(0).says("log.ndjson holds 2 events; this is the first");
    let second = event(&["log.ndjson", "--event-id", "evt_2", "--format", "json"]).exits(0).json();
    assert_eq!((&second["event"]["record"], &second["event"]["events_in_file"]), (&json!(2), &json!(2)));
    // From a pipe, with the rule as a file that stands alone although the pack has its id.
    let copied = place.run(&["rules", "explain", "iam_root_login", "--format", "json"]).exits(0).json();
    let file = copied["rule"]["file"].as_str().expect("a file").to_owned();
    let text = std::fs::read_to_string(project().join(&file)).expect("the rule's file").replace("level: critical", "level: low");
    place.write("mine.yml", text);
    let mine =
        place.run_with(&["rules", "explain", "mine.yml", "--event", "-", "--format", "json"], &[], ops0("a", "b").to_string().as_bytes()).exits(0).json();
    assert_eq!((&mine["rule"]["file"], &mine["rule"]["level"], &mine["matches"]), (&json!("mine.yml"), &json!("low"), &json!(false)));
    place.write("zcopy.yml", RULES);
    let copy = run(&place, "explain", &["zcopy.yml", "--format", "json"]).exits(0).json();
    assert_eq!(copy["rule"]["file"], "rules.yml", "the same rule was loaded once");
    place.run(&["rules", "explain", "hit.json"]).exits(2).says("not a rule");
    // A correlation in a file of its own counts rules of the pack.
    place.write("own.yml", "title: O\nid: o\ncorrelation: {type: event_count, rules: [iam_root_login], timespan: 1h, condition: {gte: 2}}\n");
    let own = place.run(&["rules", "explain", "own.yml"]).exits(0);
    assert!(own.text().contains("Condition of "), "{}", own.dump());
}

#[test]
fn a_rule_for_other_sources_says_so() {
    let place = place();
    let document = run(&place, "explain", &["open_port", "--event", "hit.json", "--format", "json"]).exits(0).json();
    let condition = &document["conditions"][0];
    assert_eq!((&condition["applies"], &condition["matches"]), (&json!(false), &json!(false)));
    assert_eq!(condition["not_run"], "its logsource product: aws, service: cloudtrail is not that of the source ops0");
}

// -------------------------------------------------------------------------------------------------------------- list

#[test]
fn the_list_fits_sixty_columns() {
    let set = rules(RULES);
    let all: Vec<&Rule> = set.rules.iter().collect();
    let mut out = Vec::new();
    write_table(&all, Style { width: Some(60), color: false }, &mut out).expect("a table");
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.lines().all(|l| l.chars().count() <= 60), "{text}");
    assert_snapshot!(text, @r#"
high          Project Deleted by a Stranger
              violation, project_deleted
              test.yml:1
critical      Many Projects Deleted
              signal, mr_project_deleted
              test.yml:25
low           Open Port
              signal, open_port
              test.yml:32
"#);
}

#[test]
fn the_list_is_one_line_a_rule_in_a_pipe_and_a_document_for_scripts() {
    let place = place();
    place
        .write("rules/a.yml", RULES)
        .write("rules/no.yml", "x: 1")
        .write("rules/bad.yml", "title: B\nlogsource: {product: x}\ndetection: {s: {}, condition: s}\n");
    place.write("rules/old.yml", "title: Old\nstatus: deprecated\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}\n");
    let table = place.run(&["rules", "list", "--rules", "rules"]).exits(0).says("3 rules, 1 not loaded, 1 skipped by status, 1 files without a rule");
    assert_eq!(table.text().lines().count(), 4, "{}", table.dump());
    let document = place.run(&["rules", "list", "--rules", "rules", "--format", "json"]).exits(0).json();
    assert_eq!(document["schema"], "auditmill.rules/v1");
    let first = &document["rules"][0];
    for key in [
        "id",
        "name",
        "title",
        "kind",
        "level",
        "role",
        "status",
        "tags",
        "logsource",
        "taxonomy",
        "file",
        "line",
        "hash",
        "sources",
        "threshold",
        "references",
    ] {
        assert!(first.get(key).is_some(), "{key}: {first}");
    }
    let sources = first["sources"].as_array().expect("sources");
    assert!(["auditmill", "aws_cloudtrail", "okta_system", "ops0"].iter().all(|s| sources.contains(&json!(s))), "{sources:?}");
    assert_eq!(first["references"], json!(["https://example.com/deleted"]));
    let second = &document["rules"][1];
    assert_eq!(
        (&second["kind"], &second["threshold"], &second["line"]),
        (&json!("correlation"), &json!("at least 3 events in 60 min by user_key"), &json!(25))
    );
    assert_eq!(document["rule_problems"][0]["file"], "bad.yml");
    assert_eq!((&document["skipped"], &document["not_rules"]), (&json!([{"title": "Old", "file": "old.yml"}]), &json!(["no.yml"])));
    let named = |more: &[&str]| -> Vec<String> {
        let args: Vec<&str> = ["list", "--rules", "rules.yml", "--format", "json"].iter().chain(more).copied().collect();
        let document = place.run(&["rules"].iter().chain(&args).copied().collect::<Vec<_>>()).exits(0).json();
        document["rules"].as_array().expect("rules").iter().filter_map(|r| r["name"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(named(&["--source", "ops0"]), ["project_deleted", "mr_project_deleted"]);
    assert_eq!(named(&["--level", "high"]), ["project_deleted", "mr_project_deleted"]);
    assert_eq!(named(&["--tag", "attack"]), ["project_deleted"]);
    assert_eq!(named(&["--tag", "soc2.cc6"]), ["project_deleted"], "soc2.cc61 is another tag");
    assert_eq!(named(&["--tag", "SOC2.CC6.1"]), ["project_deleted"]);
    assert!(named(&["--tag", "attack.t14"]).is_empty());
    place.run(&["rules", "list", "--source", "opso"]).exits(2).says("did you mean ops0?");
    place.write("none/readme.txt", "");
    place.run(&["rules", "list", "--rules", "none"]).exits(2).says("holds no rule file");
}

// -------------------------------------------------------------------------------------------------------------- test

/// Tests that fail: for a value, for a field that is never there, for a list, for too few, and one that matches.
const FAILING: &str = "
title: Fails <&> \"twice\"
id: 30000000-0000-4000-8000-000000000001
name: fails
taxonomy: auditmill
logsource: {product: auditmill, category: project}
detection:
  selection: {activity: project.deleted}
  filter: {user|startswith: svc-}
  condition: selection and not filter
tests:
  - name: \"a service \\e[31m\"
    expect: match
    events:
      - {time: '2024-01-15T09:00:00Z', category: project, activity: project.created, user: svc-a}
      - {time: '2024-01-15T10:00:00Z', category: project, activity: project.deleted, user: svc-a}
  - name: a person
    expect: no_match
    events: [{time: '2024-01-15T10:00:00Z', category: project, activity: project.deleted, user: ana}]
  - name: passes
    expect: match
    events: [{time: '2024-01-15T10:00:00Z', category: project, activity: project.deleted, user: ana}]
---
title: Counted
id: 30000000-0000-4000-8000-000000000002
correlation: {type: event_count, rules: [fails], group-by: [user_key], timespan: 10m, condition: {gte: 3}}
tests:
  - name: two are too few
    expect: match
    events: [{repeat: 2, every: 1m, record: {time: '2024-01-15T10:00:00Z', category: project, activity: project.deleted, user: ana}}]
---
title: Listed
id: 30000000-0000-4000-8000-000000000003
taxonomy: auditmill
logsource: {product: auditmill, category: project}
detection: {selection: {user|expand: '%nowhere%'}, condition: selection}
tests:
  - name: no list
    expect: match
    events: [{time: '2024-01-15T10:00:00Z', category: project, activity: x, user: ana}]
";

#[test]
fn a_failed_test_says_why() {
    let place = Place::new();
    place.write("rules.yml", FAILING);
    assert_snapshot!(run(&place, "test", &[]).exits(1).text(), @r#"
FAILED rules.yml:1: Fails <&> "twice": a service \u{1b}[31m: expected a match, found none
    the nearest is event 2 of 2: filter, logsource, selection hold
      filter: user|startswith: 'svc-' holds: user is "svc-a"
FAILED rules.yml:1: Fails <&> "twice": a person: expected no match, and 1 of 1 events matches
    the event: logsource, selection hold; filter does not hold
      logsource: category: 'project' holds: category is "project"
      selection: activity: 'project.deleted' holds: activity is "project.deleted"
      filter: user|startswith: 'svc-' does not hold: user is "ana"
FAILED rules.yml:24: Counted: two are too few: expected a match, found none
    its base rule `Fails <&> "twice"` matches 2 of 2 events
    no window of 10 min held enough of them with the same user_key
FAILED rules.yml:32: Listed: no list: expected a match, found none
    it is not assessable: the list `nowhere` is not set; give it with --list nowhere=FILE or in a --vars file or in the test's `lists`
    the event: logsource holds; selection does not hold
      selection: user|expand: '%nowhere%' does not hold: user is "ana"
5 tests of 3 rules: 1 passed, 4 failed; 0 rules carry no test
"#);
}

#[test]
fn junit_is_well_formed_and_the_same_each_time() {
    let place = Place::new();
    place.write("rules.yml", FAILING);
    let first = run(&place, "test", &["--format", "junit"]).exits(1);
    run(&place, "test", &["--format", "junit", "-o", "t.xml"]).exits(1).says("5 tests: 1 passed, 4 failed");
    assert_eq!(first.out, place.read("t.xml"));
    run(&place, "test", &["--format", "junit", "-o", "t.xml"]).exits(2).says("the file exists");
    let elements = well_formed(first.text()).unwrap_or_else(|e| panic!("{e}{}", first.dump()));
    let count = |name: &str| elements.iter().filter(|e| e.0 == name).count();
    assert_eq!((count("testsuites"), count("testsuite"), count("testcase"), count("failure")), (1, 1, 5, 4));
    let value = |element: usize, key: &str| elements[element].1.iter().find(|a| a.0 == key).map(|a| a.1.as_str());
    assert_eq!((value(0, "tests"), value(0, "failures"), value(1, "name")), (Some("5"), Some("4"), Some("rules.yml")));
    assert_eq!((value(2, "classname"), value(2, "name")), (Some("Fails <&> \"twice\""), Some("a service \\u{1b}[31m")));
    assert_snapshot!(first.text(), @r#"
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="auditmill rules test" tests="5" failures="4" errors="0">
  <testsuite name="rules.yml" tests="5" failures="4" errors="0" skipped="0">
    <testcase classname="Fails &lt;&amp;&gt; &quot;twice&quot;" name="a service \u{1b}[31m" file="rules.yml" line="1">
      <failure message="expected a match, found none">expected a match, found none
the nearest is event 2 of 2: filter, logsource, selection hold
  filter: user|startswith: &apos;svc-&apos; holds: user is &quot;svc-a&quot;</failure>
    </testcase>
    <testcase classname="Fails &lt;&amp;&gt; &quot;twice&quot;" name="a person" file="rules.yml" line="1">
      <failure message="expected no match, and 1 of 1 events matches">expected no match, and 1 of 1 events matches
the event: logsource, selection hold; filter does not hold
  logsource: category: &apos;project&apos; holds: category is &quot;project&quot;
  selection: activity: &apos;project.deleted&apos; holds: activity is &quot;project.deleted&quot;
  filter: user|startswith: &apos;svc-&apos; does not hold: user is &quot;ana&quot;</failure>
    </testcase>
    <testcase classname="Fails &lt;&amp;&gt; &quot;twice&quot;" name="passes" file="rules.yml" line="1"/>
    <testcase classname="Counted" name="two are too few" file="rules.yml" line="24">
      <failure message="expected a match, found none">expected a match, found none
its base rule `Fails &lt;&amp;&gt; &quot;twice&quot;` matches 2 of 2 events
no window of 10 min held enough of them with the same user_key</failure>
    </testcase>
    <testcase classname="Listed" name="no list" file="rules.yml" line="32">
      <failure message="expected a match, found none">expected a match, found none
it is not assessable: the list `nowhere` is not set; give it with --list nowhere=FILE or in a --vars file or in the test&apos;s `lists`
the event: logsource holds; selection does not hold
  selection: user|expand: &apos;%nowhere%&apos; does not hold: user is &quot;ana&quot;</failure>
    </testcase>
  </testsuite>
</testsuites>
"#);
}

proptest! {
    #[test]
    fn any_text_is_xml(text in "\\PC{0,20}|[\\x00-\\x20<>&\"'\\]\u{fffe}\u{ffff}\u{85}\u{202e}\u{10ffff}a]{0,20}") {
        let document = format!("<a b=\"{0}\">{0}</a>", auditmill::output::junit::xml(&text));
        let elements = well_formed(&document);
        prop_assert!(elements.is_ok(), "{elements:?}: {document:?}");
    }
}

#[test]
fn what_is_no_xml_is_refused_by_the_check() {
    for bad in ["<a>", "<a></b>", "<a b='1' b='2'/>", "<a b=\"<\"/>", "<a>&x;</a>", "<a>\u{1}</a>", "<a/><b/>", "<a>]]></a>", "x<a/>", "<a b/>", "<a>&#x0;</a>"]
    {
        assert!(well_formed(bad).is_err(), "{bad}");
    }
}

type Element = (String, Vec<(String, String)>);

/// A strict reader of the XML that JUnit files are: elements in their order with their attributes, or what is wrong.
fn well_formed(text: &str) -> Result<Vec<Element>, String> {
    let is_char = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    if let Some(c) = text.chars().find(|c| !is_char(*c)) {
        return Err(format!("U+{:04X} is no character of XML", c as u32));
    }
    let unescape = |raw: &str| -> Result<String, String> {
        let mut out = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('&') {
            let (entity, more) = after.split_once(';').ok_or("an & without ;")?;
            out.push_str(before);
            out.push(match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                other => return Err(format!("&{other}; is not defined")),
            });
            rest = more;
        }
        out.push_str(rest);
        Ok(out)
    };
    let (mut elements, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").unwrap_or(text);
    while !rest.is_empty() {
        let at = rest.find('<').unwrap_or(rest.len());
        let content = &rest[..at];
        if content.contains("]]>") || (open.is_empty() && !content.trim().is_empty()) {
            return Err(format!("text where none may stand: {content:?}"));
        }
        unescape(content)?;
        rest = &rest[at..];
        if rest.is_empty() {
            break;
        }
        if let Some(close) = rest.strip_prefix("</") {
            let (name, more) = close.split_once('>').ok_or("an end tag without >")?;
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> ends nothing"));
            }
            rest = more;
            continue;
        }
        if open.is_empty() && !elements.is_empty() {
            return Err("a second root".into());
        }
        rest = &rest[1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).ok_or("a tag without end")?;
        let name = rest[..end].to_owned();
        if name.is_empty() {
            return Err("a tag without a name".into());
        }
        rest = &rest[end..];
        let mut attributes: Vec<(String, String)> = Vec::new();
        loop {
            let spaced = rest.starts_with(char::is_whitespace);
            rest = rest.trim_start();
            if let Some(more) = rest.strip_prefix("/>") {
                rest = more;
                break;
            }
            if let Some(more) = rest.strip_prefix('>') {
                open.push(name.clone());
                rest = more;
                break;
            }
            let (key, more) = rest.split_once('=').ok_or("an attribute without a value")?;
            if !spaced || key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphabetic()) || attributes.iter().any(|a| a.0 == key) {
                return Err(format!("not an attribute: {key:?}"));
            }
            let quote = more.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or("a value without quotes")?;
            let (value, more) = more[1..].split_once(quote).ok_or("a value without end")?;
            if value.contains('<') {
                return Err("< in a value".into());
            }
            attributes.push((key.to_owned(), unescape(value)?));
            rest = more;
        }
        elements.push((name, attributes));
    }
    if open.is_empty() && !elements.is_empty() { Ok(elements) } else { Err(format!("not closed: {open:?}")) }
}

#[test]
fn a_folder_without_tests_says_so_and_foreign_tests_are_named() {
    let place = place();
    let none = run(&place, "test", &[]).exits(0).says("`tests:`");
    assert_eq!(none.text(), "0 tests: none of the 3 rules carries a test\n");
    place.write("rules/a.yml", "title: A\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}\ntests: [{name: n, expect: fire, events: []}]\n");
    place.run(&["rules", "test", "--rules", "rules"]).exits(0).says("a.yml:1: its `tests` are not tests of auditmill");
    let junit = run(&place, "test", &["--format", "junit", "-q"]).exits(0);
    assert_eq!(well_formed(junit.text()).expect("XML").len(), 1);
}

// ---------------------------------------------------------------------------------------------------------- coverage

#[test]
fn coverage_of_every_state() {
    let place = place();
    place.write("rules/seen.yml", "title: Seen\nid: s1\nlogsource: {product: ops0}\ndetection: {s: {action: project.deleted}, condition: s}\nlevel: low\n");
    place.write("rules/case.yml", "title: Other Case\nid: s2\nlogsource: {product: ops0}\ndetection: {s: {Event_ID: x, resource.Kind: y}, condition: s}\n");
    place.write("rules/list.yml", "title: Listed\nid: s3\nlogsource: {product: ops0}\ndetection: {s: {user|expand: '%nowhere%'}, condition: s}\n");
    place.write("rules/other.yml", "title: Other Source\nid: s4\nlogsource: {product: okta}\ndetection: {s: {a: b}, condition: s}\n");
    place.write("rules/bad.yml", "title: Bad\nlogsource: {product: x}\ndetection: {s: {a|nomod: b}, condition: s}\n");
    place.write("rules/old.yml", "title: Old\nstatus: deprecated\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}\n");
    place.write(
        "log.ndjson",
        ndjson(&[ops0("a", "p"), json!({"event_id": "e2", "timestamp": "2024-01-15T11:00:00Z", "user": "b", "action": "x", "resource": {"kind": "k"}})]),
    );
    let coverage = |more: &[&str]| place.run(&["rules", "coverage", "log.ndjson", "--rules", "rules"].iter().chain(more).copied().collect::<Vec<_>>());
    assert_snapshot!(coverage(&[]).exits(0).text(), @r#"
6 rules: 1 ran (1 with hits), 1 could not match, 1 not assessable, 1 not applicable, 1 not loaded, 1 skipped by status

Ran (1)
       1  low            Seen

Could not match (1)
          medium         Other Case
                         field Event_ID, resource.Kind never seen

Not assessable (1)
          medium         Listed
                         the list `nowhere` is not set; give it with --list nowhere=FILE or in a --vars file

Not applicable (1)
          medium         Other Source
                         no log of okta was read

Not loaded (1)
  bad.yml:3
                         Unknown modifier 'nomod'

Skipped by status (1)
                         Old
                         its status is deprecated or unsupported
                         old.yml

Fields of ops0, 2 events: rules ask for 3, 2 of them never seen
  Event_ID          1 rule   never seen
      did you mean event_id?
  resource.Kind     1 rule   never seen
      did you mean resource.kind?
  action            1 rule   seen
"#);
    let document = coverage(&["--format", "json"]).exits(0).json();
    assert_eq!(document["schema"], "auditmill.coverage/v1");
    let states: Vec<&str> = document["rules"].as_array().expect("rules").iter().filter_map(|r| r["state"].as_str()).collect();
    assert_eq!(states, ["ran", "could not match", "not assessable", "not applicable", "not loaded", "skipped"]);
    assert_eq!(document["counts"]["total"], 6);
    let fields = document["sources"][0]["fields"].as_array().expect("fields");
    let similar = fields.iter().find(|f| f["field"] == "Event_ID").expect("the field");
    assert_eq!(similar["similar"], json!(["event_id"]));
    let only = coverage(&["--format", "json", "--state", "not-loaded"]).exits(0).json();
    assert_eq!((only["rules"].as_array().map(Vec::len), &only["counts"]["total"]), (Some(1), &json!(6)));
    assert!(only["rules"][0]["reason"].is_string() && only["rules"][0]["line"].is_u64(), "{only}");
    let threads = |n: &str| coverage(&["--threads", n]).exits(0).out;
    assert_eq!(threads("1"), threads("4"));
    place.write("void/x.txt", "no log at all");
    place.run(&["rules", "coverage", "void"]).exits(2);
}

#[test]
fn coverage_of_the_samples() {
    if samples("ops0").is_none() || samples("cloudtrail").is_none() {
        return;
    }
    let folder = project().join("samples").display().to_string();
    let document = Place::new().run(&["rules", "coverage", &folder, "--format", "json"]).exits(0).json();
    let rules = document["rules"].as_array().expect("rules");
    let counted = |key: &str| document["counts"][key].as_u64().unwrap_or(u64::MAX);
    let sum: u64 = ["ran", "could_not_match", "not_assessable", "not_applicable", "not_loaded", "skipped"].iter().map(|k| counted(k)).sum();
    assert_eq!((sum, rules.len() as u64), (counted("total"), counted("total")), "each rule is in exactly one state");
    let scanned = Place::new().run(&["scan", &folder, "--format", "json"]).exits(0).json();
    let hits = |document: &Value| -> BTreeSet<(String, u64)> {
        let rules = document["rules"].as_array().expect("rules");
        rules.iter().map(|r| (r["id"].as_str().unwrap_or_default().to_owned(), r["hits"].as_u64().unwrap_or_default())).collect()
    };
    assert_eq!(hits(&document), hits(&scanned));
    let ops0 = document["sources"].as_array().and_then(|s| s.iter().find(|s| s["id"] == "ops0")).expect("ops0");
    let activity = ops0["fields"].as_array().and_then(|f| f.iter().find(|f| f["field"] == "activity")).expect("activity");
    assert_eq!((&activity["seen"], &activity["kind"]), (&json!(true), &json!("column")));
    assert!(activity["rules"].as_u64().is_some_and(|n| n > 20), "{activity}");
    // With rules of this file: the pack grows.
    assert_snapshot!(place().run(&["rules", "coverage", &folder, "--rules", "rules.yml"]).exits(0).text(), @r#"
3 rules: 3 ran (0 with hits), 0 could not match, 0 not assessable, 0 not applicable, 0 not loaded, 0 skipped by status

Ran (3)
       0  high           Project Deleted by a Stranger
       0  critical       Many Projects Deleted
       0  low            Open Port

Fields of AWS CloudTrail, 76 events: rules ask for 5, 1 of them never seen
  requestParameters.items     1 rule   never seen
      did you mean requestParameters.filterSet.items, requestParameters.filterSet.items.valueSet.items, requestParameters.instancesSet.items?
  activity                    1 rule   seen
  resource                    1 rule   seen
  status                      1 rule   seen
  user_key                    1 rule   seen

Fields of ops0, 591 events: rules ask for 4, 0 of them never seen
  activity     1 rule   seen
  resource     1 rule   seen
  status       1 rule   seen
  user_key     1 rule   seen
"#);
}

// ---------------------------------------------------------------------------------------------------------- in general

#[test]
fn colours_only_where_they_are_wanted_and_a_closed_pipe_is_no_error() {
    let place = place();
    let args = |color: &'static str| ["rules", "explain", "project_deleted", "--rules", "rules.yml", "--event", "hit.json", "--color", color];
    assert!(place.run(&args("always")).exits(0).text().contains('\u{1b}'));
    assert!(!place.run(&args("auto")).exits(0).text().contains('\u{1b}'));
    assert!(!place.run_with(&args("auto"), &[("NO_COLOR", "1")], b"").exits(0).text().contains('\u{1b}'));
    for verb in ["list", "test", "explain", "coverage"] {
        let help = place.run(&["rules", verb, "--help"]).exits(0);
        assert!(help.text().contains("Example:\n  auditmill rules "), "{}", help.dump());
    }
}
