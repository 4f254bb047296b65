//! Names are but names: a rule whose fields are mapped matches the renamed events as the rule matched the events.

use crate::common::{event, generator, ndjson, own_rule_files, own_sources, own_vars, rules, samples, scan_bytes, test_source};
use crate::engine::strategies::{asked, body, case};
use crate::pipeline::{loaded, pipelines};
use auditmill::rule::load::{Loading, RuleFile, load_rules, load_rules_through, split_documents};
use auditmill::rule::pipeline::{Pipelines, References};
use auditmill::source::SourceSet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Old and new names of what the generated rules and events hold. `x` and `y` are names inside members, which stay.
const NAMES: [(&str, &str); 10] = [
    ("f", "F"),
    ("g", "a b"),
    ("h", "deep.h"),
    ("n.a", "q.r.a"),
    ("n.b", "q.r.b"),
    ("n.c.d", "q.r.c.d"),
    ("l.x", "é.x"),
    ("l.y", "é.y"),
    ("m", "deep.m"),
    ("when", "deep.when"),
];

fn mapping() -> String {
    let mut map: Map<String, Value> = NAMES.iter().map(|(old, new)| ((*old).to_owned(), json!(new))).collect();
    map.extend(["x", "y", "."].map(|inner| (inner.to_owned(), json!("WRONG"))));
    json!({"transformations": [{"type": "field_name_mapping", "mapping": map}]}).to_string()
}

/// The same event under the new names.
fn renamed(body: &Value) -> Value {
    let mut out = json!({});
    for (key, value) in body.as_object().expect("an object") {
        match key.as_str() {
            "f" => out["F"] = value.clone(),
            "g" => out["a b"] = value.clone(),
            "h" => out["deep"]["h"] = value.clone(),
            "m" => out["deep"]["m"] = value.clone(),
            "when" => out["deep"]["when"] = value.clone(),
            "n" => out["q"] = json!({ "r": value }),
            "l" => out["é"] = value.clone(),
            "n.a" => out["q.r.a"] = value.clone(),
            other => panic!("{other} is not generated"),
        }
    }
    out
}

fn documents(detections: &[Value]) -> String {
    let document = |(i, d): (usize, &Value)| json!({"title": format!("R{i}"), "id": format!("r{i}"), "sigma-version": 3, "logsource": {"product": "test"}, "detection": d});
    detections.iter().enumerate().map(|d| format!("---\n{}\n", document(d))).collect()
}

fn log(bodies: &[Value]) -> Vec<(String, Vec<u8>)> {
    let events: Vec<Value> = bodies.iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", b.clone())).collect();
    vec![("log".into(), ndjson(&events))]
}

fn matches(yaml: &str, texts: &[&str], bodies: &[Value]) -> BTreeSet<(String, String)> {
    let set = if texts.is_empty() { rules(yaml) } else { loaded(yaml, texts) };
    scan_bytes(test_source(), &set, log(bodies), 1).matches
}

#[test]
fn renaming_rules_and_events_alike_changes_no_match() {
    let pipeline = mapping();
    let hits = Cell::new(0);
    let result = generator("renaming", 150).run(&case(), |(detections, bodies)| {
        let yaml = documents(&detections);
        let new: Vec<Value> = bodies.iter().map(renamed).collect();
        let before = matches(&yaml, &[], &bodies);
        hits.set(hits.get() + before.len());
        prop_assert_eq!(before, matches(&yaml, &[&pipeline], &new));
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
    assert!(hits.get() > 1_000, "only {} matches", hits.get());
}

#[test]
fn a_pipeline_that_renames_nothing_changes_no_match() {
    // The prefix is applied to fields that no rule has, so that every document is written anew.
    let idle = "transformations: [{type: field_name_prefix, prefix: x, field_name_conditions: [{type: include_fields, fields: [none]}]}]";
    let result = generator("rewriting", 150).run(&case(), |(detections, bodies)| {
        let yaml = documents(&detections);
        prop_assert_eq!(matches(&yaml, &[], &bodies), matches(&yaml, &[idle], &bodies));
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

/// An item and bodies with the two fields that it may become.
fn items() -> impl Strategy<Value = ((String, Value), (String, Value), Vec<Value>)> {
    any::<bool>().prop_flat_map(|nulls| (asked(nulls), asked(nulls), vec(body(nulls), 8..20)))
}

#[test]
fn a_field_that_becomes_two_is_the_union_and_two_that_become_one_the_intersection() {
    let map = |value: Value| json!({"transformations": [{"type": "field_name_mapping", "mapping": value}]}).to_string();
    let single = |(modifiers, value): &(String, Value)| json!({"s": {format!("a{modifiers}"): value}, "condition": "s"});
    let result = generator("fields", 300).run(&items(), |(one, two, bodies)| {
        let of = |item: &(String, Value), to: Value| matches(&documents(&[single(item)]), &[&map(json!({ "a": to }))], &bodies);
        let union: BTreeSet<_> = of(&one, json!("f")).union(&of(&one, json!("g"))).cloned().collect();
        prop_assert_eq!(&union, &of(&one, json!(["f", "g"])));
        let both = json!({"s": {format!("a{}", one.0): one.1, format!("b{}", two.0): two.1}, "condition": "s"});
        let found = matches(&documents(&[both]), &[&map(json!({"a": "f", "b": "f"}))], &bodies);
        let intersection: BTreeSet<_> = of(&one, json!("f")).intersection(&of(&two, json!("f"))).cloned().collect();
        prop_assert_eq!(&intersection, &found);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn writing_yaml_anew_changes_no_scalar() {
    let odd = vec![
        "",
        " ",
        "~",
        "null",
        "Null",
        "true",
        "No",
        "yes",
        "on",
        "1",
        "012",
        "0x1F",
        "0o7",
        "1e3",
        ".inf",
        "-",
        "---",
        "...",
        "- a",
        "a: b",
        "#c",
        "a #c",
        "'",
        "\"",
        "\\",
        "\\*",
        "%a%",
        "!t",
        "&a",
        "*a",
        "|",
        ">",
        "?",
        "{",
        "[",
        "@",
        "`",
        "<<",
        "=",
        "a\nb",
        "a\n\n b\n",
        "\ta",
        "a\t",
        "\u{1}0",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{feff}",
        "é",
        "😀",
        "2024-01-15",
        "2024-01-15T10:00:00Z",
        "12:30:45",
        "1_000",
        "+1",
        "1.0",
        "012345678901",
        "9007199254740993",
        "18446744073709551616",
    ];
    let text = prop_oneof![select(odd).prop_map(str::to_owned), any::<String>(), "[ -~\n]{0,12}"];
    use yaml_serde::Value as Yaml;
    let scalar = prop_oneof![
        6 => text.clone().prop_map(Yaml::from),
        1 => any::<i64>().prop_map(Yaml::from),
        1 => any::<u64>().prop_map(Yaml::from),
        1 => any::<f64>().prop_filter("NaN is unlike itself", |f| !f.is_nan()).prop_map(Yaml::from),
        1 => any::<bool>().prop_map(Yaml::from),
        1 => Just(Yaml::Null),
    ];
    let tree = scalar.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Yaml::Sequence),
            vec((text.clone(), inner), 0..5).prop_map(|m| Yaml::Mapping(m.into_iter().map(|(k, v)| (k.into(), v)).collect()))
        ]
    });
    let result = generator("yaml", 2_000).run(&tree, |value| {
        let written = yaml_serde::to_string(&value).expect("it is written");
        let read: Yaml = yaml_serde::from_str(&written).unwrap_or_else(|e| panic!("{e}\n{written}"));
        prop_assert_eq!(&read, &value, "{}", written);
        // Equal numbers may still be of another kind.
        prop_assert_eq!(format!("{read:?}"), format!("{value:?}"), "{}", written);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

// ---------------------------------------------------------------------------------------------- real records

/// ECS names of CloudTrail's fields, as a site's own pipeline would have them.
const ECS: [(&str, &str); 16] = [
    ("event.action", "eventName"),
    ("event.provider", "eventSource"),
    ("event.id", "eventID"),
    ("cloud.region", "awsRegion"),
    ("source.address", "sourceIPAddress"),
    ("user_agent.original", "userAgent"),
    ("user.id", "userIdentity.principalId"),
    ("aws.type", "userIdentity.type"),
    ("aws.arn", "userIdentity.arn"),
    ("aws.invoked_by", "userIdentity.invokedBy"),
    ("aws.issuer", "userIdentity.sessionContext.sessionIssuer.arn"),
    ("aws.error_code", "errorCode"),
    ("aws.error_message", "errorMessage"),
    ("aws.user", "requestParameters.userName"),
    ("aws.policy", "requestParameters.policyArn"),
    ("aws.permissions", "requestParameters.ipPermissions.items"),
];

fn pipeline_of(pairs: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let map: Map<String, Value> = pairs.map(|(from, to)| (from.to_owned(), json!(to))).collect();
    let aws = json!([{"type": "logsource", "product": "aws"}]);
    json!({"name": "ecs", "transformations": [{"id": "fields", "type": "field_name_mapping", "mapping": map, "rule_conditions": aws}]}).to_string()
}

fn trail() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = samples("cloudtrail")?;
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("samples").map(|e| e.expect("an entry").path()).collect();
    files.retain(|p| p.extension().is_some_and(|x| x == "json"));
    files.sort();
    Some(files.iter().map(|p| (p.display().to_string(), std::fs::read(p).expect("a sample"))).collect())
}

#[test]
fn a_rule_in_ecs_names_finds_in_cloudtrail_what_the_rule_in_its_own_names_finds() {
    let Some(files) = trail() else { return };
    let rule = |detection: &str, more: &str| {
        format!("title: R\nid: r\nlogsource: {{product: aws, service: cloudtrail}}\nlevel: high\n{more}detection:\n{detection}\n")
    };
    for (ecs, own) in [
        (
            "  s: {event.provider: iam.amazonaws.com, event.action|startswith: [Create, Attach]}\n  condition: s",
            "  s: {eventSource: iam.amazonaws.com, eventName|startswith: [Create, Attach]}\n  condition: s",
        ),
        (
            "  s: {aws.type: Root}\n  f: {event.action: ConsoleLogin}\n  condition: s or f",
            "  s: {userIdentity.type: Root}\n  f: {eventName: ConsoleLogin}\n  condition: s or f",
        ),
        (
            "  s: {aws.error_code: null, aws.arn|contains: assumed-role}\n  condition: s",
            "  s: {errorCode: null, userIdentity.arn|contains: assumed-role}\n  condition: s",
        ),
        ("  s: {source.address|cidr: 203.0.113.0/24}\n  condition: not s", "  s: {sourceIPAddress|cidr: 203.0.113.0/24}\n  condition: not s"),
    ] {
        let run = |set| scan_bytes(own_sources(), &set, files.clone(), 1).matches;
        let expected = run(rules(&rule(own, "")));
        assert!(!expected.is_empty(), "{own}");
        assert_eq!(run(loaded(&rule(ecs, "taxonomy: ecs\n"), &[&pipeline_of(ECS.into_iter())])), expected, "{ecs}");
    }
}

#[test]
fn the_packs_rules_said_in_ecs_and_mapped_back_find_the_same() {
    let Some(files) = trail() else { return };
    let there = pipelines(&[&pipeline_of(ECS.into_iter().map(|(ecs, own)| (own, ecs)))]);
    let back = || -> Pipelines { pipelines(&[&pipeline_of(ECS.into_iter())]) };
    let mut said = 0;
    let mut foreign = Vec::new();
    for (file, text) in own_rule_files().into_iter().filter(|(f, _)| f.starts_with("rules/aws/")) {
        let mut stream = String::new();
        for (_, document) in split_documents(&text) {
            let value = yaml_serde::from_str(&document).expect("YAML");
            let new = there.transform(&value, &References::default(), &file).expect("it is mapped");
            said += usize::from(!new.renamed.is_empty());
            stream.push_str(&format!("---\n{}", new.text.as_deref().unwrap_or(&document)));
        }
        foreign.push(RuleFile { file, text: stream, required: true });
    }
    assert!(said > 20, "only {said} rules were renamed");
    let own: Vec<RuleFile> =
        foreign.iter().map(|f| RuleFile { text: own_rule_files().into_iter().find(|(n, _)| *n == f.file).expect("it").1, ..f.clone() }).collect();
    let sources: &SourceSet = own_sources();
    let expected = scan_bytes(sources, &load_rules(own, &own_vars()), files.clone(), 1);
    let set = load_rules_through(foreign, &own_vars(), Loading { pipelines: back(), ..Loading::default() });
    assert!(set.check(true).is_ok(), "{:?}", set.fatal);
    let found = scan_bytes(sources, &set, files, 1);
    assert_eq!(found.matches, expected.matches);
    assert!(expected.matches.len() > 10, "{:?}", expected.matches);
    assert_eq!(found.findings, expected.findings);
    assert_eq!(found.states, expected.states);
}
