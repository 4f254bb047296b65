//! The JSON Schema of rule documents: checked in as it is generated, true of every rule of the pack, false of faulty ones.

use super::cases::VENDOR;
use crate::common::{Place, own_rule_files, project};
use auditmill::rule::load::split_documents;
use auditmill::rule::schema::{MODIFIERS, rule_schema, rule_schema_text};
use jsonschema::Validator;
use serde_json::Value;

const FILE: &str = "rules/rule.schema.json";

fn validator() -> Validator {
    jsonschema::draft202012::new(&rule_schema()).expect("a valid schema")
}

fn faults(validator: &Validator, document: &str) -> Vec<String> {
    let value: Value = yaml_serde::from_str(document).unwrap_or_else(|e| panic!("{e}\n{document}"));
    validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    let path = project().join(FILE);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, rule_schema_text()).expect("the schema file");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == rule_schema_text(), "{FILE} is not what src/rule/schema.rs generates: run the tests once with UPDATE_GENERATED=1");
    let ran = Place::new().run(&["rules", "schema"]).exits(0);
    assert_eq!(ran.text(), rule_schema_text());
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&rule_schema()));
}

#[test]
fn the_schema_is_no_rule() {
    let ran = Place::new().run(&["rules", "list"]).exits(0);
    assert!(!ran.text().contains("schema") && !ran.err.contains("schema"), "{}", ran.dump());
    assert!(own_rule_files().iter().all(|(name, _)| !name.contains("schema")));
}

#[test]
fn every_rule_of_the_pack_is_valid() {
    let validator = validator();
    let mut documents = 0;
    for (file, text) in own_rule_files() {
        for (line, document) in split_documents(&text) {
            let found = faults(&validator, &document);
            assert!(found.is_empty(), "{file}:{line}: {}", found.join("\n"));
            documents += 1;
        }
    }
    assert!(documents >= 100, "{documents}");
}

const OURS: &str = "title: T\ntaxonomy: auditmill\nlogsource: {product: auditmill, category: iam}\ndetection:\n  s: {user: x}\n  condition: s\n";
const COUNT: &str = "title: T\ncorrelation: {type: event_count, rules: [a], timespan: 10m, condition: {gte: 5}}\n";
const FILTER: &str = "title: T\nfilter: {rules: [a], s: {user: x}, condition: not s}\n";
const BEHAVIOUR: &str = "title: T\nbehaviour: {type: new_value, rules: [a], group-by: [user], field: ip.country, learning: {time: 30d, events: 20}}\n";

#[test]
fn documents_of_each_kind() {
    let validator = validator();
    for document in [VENDOR, OURS, COUNT, FILTER, BEHAVIOUR] {
        let found = faults(&validator, document);
        assert!(found.is_empty(), "{document}\n{found:?}");
    }
    for (base, from, to) in [
        (VENDOR, "eventName: ConsoleLogin", "'|all': [a, b]"),
        (VENDOR, "    eventName: ConsoleLogin", "    - foo\n    - 4\n    - {a|contains: b}"),
        (VENDOR, "eventName: ConsoleLogin", "items[any].x|re|i: [a, b]"),
        (VENDOR, "eventName: ConsoleLogin", "items[any]: {condition: a and not b, a: {x: 1}, b: {y: 2}}"),
        (VENDOR, "condition: selection", "condition: [selection, not selection]"),
        (OURS, "{user: x}", "{raw.a.b|exists: false, user: null, mfa: true, 'raw.items[any]': {x: y}}"),
        (OURS, "{user: x}", "{'|all': [a, b]}"),
        (COUNT, "event_count", "temporal_ordered"),
        (COUNT, "condition: {gte: 5}", "condition: {gte: 0.5, lt: 9}, group-by: user, aliases: {who: {a: user}}"),
        (
            COUNT,
            "type: event_count, rules: [a], timespan: 10m, condition: {gte: 5}",
            "type: value_percentile, rules: a, timespan: 1w, condition: {gte: 5, field: n, percentile: 95}",
        ),
        (FILTER, "[a]", "any"),
    ] {
        assert!(base.contains(from), "{from}");
        let document = base.replacen(from, to, 1);
        let found = faults(&validator, &document);
        assert!(found.is_empty(), "{document}\n{found:?}");
    }
}

#[test]
fn invalid_documents() {
    let validator = validator();
    for (base, from, to) in [
        (VENDOR, "title: Console Login\n", ""),
        (VENDOR, "title: Console Login\n", "title: ''\n"),
        (VENDOR, "id: 11111111", "id: 1"),
        (VENDOR, "level: high", "level: High"),
        (VENDOR, "level: high", "levle: high"),
        (VENDOR, "level: high", "level: high\nrole: alarm"),
        (VENDOR, "status: stable", "status: done"),
        (VENDOR, "date: 2024-01-15", "date: 2024/01/15"),
        (VENDOR, "attack.t1078", "attack.T1078"),
        (VENDOR, "[attack.t1078]", "attack.t1078"),
        (VENDOR, "logsource: {product: aws, service: cloudtrail}\n", ""),
        (VENDOR, "{product: aws, service: cloudtrail}", "{}"),
        (VENDOR, "{product: aws", "{produkt: aws"),
        (VENDOR, "{product: aws, service: cloudtrail}", "{product: auditmill}"),
        (VENDOR, "  condition: selection\n", ""),
        (VENDOR, "condition: selection", "condition: selection | count() > 5"),
        (VENDOR, "condition: selection", "condition: selection\n  timeframe: 5m"),
        (VENDOR, "  selection:\n    eventName: ConsoleLogin\n", ""),
        (VENDOR, "eventName: ConsoleLogin", "eventName|begins: x"),
        (VENDOR, "eventName: ConsoleLogin", "eventName: []"),
        (VENDOR, "eventName: ConsoleLogin", "eventName: [null, a]"),
        (VENDOR, "eventName: ConsoleLogin", "eventName: {a: b}"),
        (VENDOR, "eventName: ConsoleLogin", "eventName|exists: 'False'"),
        (VENDOR, "eventName: ConsoleLogin", "eventName|re: null"),
        (VENDOR, "eventName: ConsoleLogin", "items[any]: {condition: a}"),
        (VENDOR, "level: high", "correlation: {type: event_count, rules: [a], timespan: 10m, condition: {gte: 5}}"),
        (VENDOR, "level: high", "tests: [{name: a, expect: yes, events: []}]"),
        (VENDOR, "level: high", "tests: [{name: a, expect: match, events: [{repeat: 3, recrod: {}}]}]"),
        (VENDOR, "level: high", "related: [{id: 11111111-1111-4111-8111-111111111112, type: obsoletes}]"),
        (OURS, "user: x", "colour: x"),
        (OURS, "user: x", "user|begins: x"),
        (OURS, "category: iam", "category: login"),
        (OURS, "taxonomy: auditmill\n", ""),
        (OURS, "taxonomy: auditmill", "taxonomy: ecs"),
        (COUNT, "event_count", "event_counts"),
        (COUNT, "rules: [a]", "rules: []"),
        (COUNT, "rules: [a]", "rules: [a, a]"),
        (COUNT, "timespan: 10m", "timespan: 0m"),
        (COUNT, "timespan: 10m", "timespan: soon"),
        (COUNT, "timespan: 10m", "timeframe: 10m"),
        (COUNT, ", condition: {gte: 5}", ""),
        (COUNT, "{gte: 5}", "{field: user}"),
        (COUNT, "{gte: 5}", "{gte: 5, field: user}"),
        (COUNT, "{gte: 5}", "{gte: many}"),
        (COUNT, "event_count", "value_count"),
        (COUNT, "10m,", "10m, group_by: [x],"),
        (FILTER, "rules: [a], ", ""),
        (FILTER, "s: {user: x}, ", ""),
        (BEHAVIOUR, "new_value", "new_values"),
        (BEHAVIOUR, "rules: [a], ", ""),
        (BEHAVIOUR, "time: 30d", "time: long"),
    ] {
        assert!(base.contains(from), "{from}");
        let document = base.replacen(from, to, 1);
        assert!(!faults(&validator, &document).is_empty(), "valid, but should not be:\n{document}");
    }
}

/// The schema's modifiers are those of the loader: it knows each, and refuses some as not supported, not as unknown.
#[test]
fn modifiers_are_the_loaders() {
    let load = |modifier: &str| {
        let text = VENDOR.replace("eventName: ConsoleLogin", &format!("eventName|{modifier}: 1"));
        let file = auditmill::rule::load::RuleFile { file: "a.yml".into(), text, required: false };
        auditmill::rule::load::load_rules(vec![file], &super::vars()).problems.into_iter().map(|p| p.reason).collect::<Vec<_>>()
    };
    let unknown = load("nonsense");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    for modifier in MODIFIERS {
        let reasons = load(modifier);
        assert!(reasons.iter().all(|r| *r != unknown[0].replace("nonsense", modifier)), "{modifier}: {reasons:?}");
    }
}
