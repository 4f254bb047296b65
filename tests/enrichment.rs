//! Derived fields: what addresses, user agents and actors say beyond their text, with databases of addresses and without.

use crate::common::{self, Place, ndjson};
use serde_json::{Value, json};

/// An event of the columns' own source.
fn event(id: &str, columns: Value) -> Value {
    let Value::Object(mut map) = columns else { panic!("columns are an object") };
    map.insert("event_id".into(), json!(id));
    map.entry("time").or_insert(json!("2024-01-15T10:00:00Z"));
    for (column, text) in [("action", "Login"), ("activity", "user.login"), ("source", "test")] {
        map.entry(column).or_insert(json!(text));
    }
    Value::Object(map)
}

/// A rule over event columns with one selection.
fn rule(title: &str, selection: &str) -> String {
    format!(
        "title: {title}\nid: {title}\nname: {title}\ntaxonomy: auditmill\nlogsource: {{product: auditmill}}\ndetection:\n  s: {selection}\n  condition: s\nlevel: low\n"
    )
}

#[test]
fn derived_fields_are_fields_of_detections_and_correlations() {
    let agents = ["aws-cli/2.1 Python/3.8", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"];
    let events = [
        event("a", json!({"user": "Ann", "ip": "203.0.113.7", "user_agent": agents[0], "actor_type": "human"})),
        event("b", json!({"user": "bob", "ip": "203.0.113.99", "user_agent": agents[1], "actor_type": "human"})),
        event("c", json!({"user": "role/1", "ip": "10.1.2.3", "actor_type": "role", "on_behalf_of": "role"})),
        event("d", json!({"user": "role/2", "ip": "8.8.8.8", "actor_type": "role", "on_behalf_of": "role"})),
        event("e", json!({"user": "eve"})),
    ];
    let yaml = [
        rule("net", "{ip.net24: 203.0.113.0/24}"),
        rule("kind", "{ip.kind: [private, public]}"),
        rule("agent", "{user_agent.family: chrome on windows}"),
        rule("who", "{principal: [role, ann]}"),
        rule("none", "{ip.kind: null}"),
        "title: many\ncorrelation: {type: value_count, rules: [kind], group-by: [principal], timespan: 1h, condition: {field: ip.net24, gte: 2}}\nlevel: low\n"
            .into(),
    ]
    .join("---\n");
    let seen = common::scan_bytes(common::own_sources(), &common::rules(&yaml), vec![("e.ndjson".into(), ndjson(&events))], 2);
    for (name, ids) in [("net", "ab"), ("kind", "cd"), ("agent", "b"), ("who", "acd"), ("none", "e")] {
        assert_eq!(seen.hits(name).into_iter().collect::<String>(), ids, "{name}: {seen:?}");
    }
    let many = seen.findings.iter().find(|f| f.rule == "many").expect("a finding of the correlation");
    assert_eq!(many.entity, [("principal".to_owned(), "role".to_owned())]);
}

#[test]
fn derived_fields_are_named_where_fields_are() {
    let refused = common::try_rules(&rule("x", "{ip.contry: DE}")).expect_err("a misspelt field");
    assert!(refused.contains("`ip.contry` is not an event column") && refused.contains("ip.country"), "{refused}");
    let place = Place::new();
    place.write("r.yml", rule("x", "{ip.country: DE, principal: ann}"));
    let ran = place.run(&["rules", "explain", "r.yml", "--rules", "r.yml"]).exits(0);
    assert!(ran.text().contains("ip.country") && ran.text().contains("principal"), "{}", ran.dump());
}
