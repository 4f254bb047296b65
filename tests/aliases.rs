//! Aliases that a source declares for its fields, and the log sources that it answers to (RULES.md sections 1 and 6).

use crate::common::{Place, event, ndjson, own_sources, rules, scan_bytes};
use auditmill::finding::scan::RuleState;
use auditmill::source::SourceSet;
use serde_json::{Value, json};

const SOURCE: &str = "
id: src
title: S
logsource: [{product: test}]
detect: [{has: [t]}]
time: {first: [t]}
aliases:
  Short: deep.er.name
  any.of: [p, q.r]
  list: box.items
columns: {event_id: id, user: Short, resource: deep.er.name}
";

fn source(text: &str) -> SourceSet {
    SourceSet::load(&[("src.yml".into(), text.into())]).unwrap_or_else(|e| panic!("{e}"))
}

fn hits(detection: &str, bodies: &[Value]) -> Vec<usize> {
    let yaml = format!("sigma-version: 3\ntitle: R\nid: r\nlogsource: {{product: test}}\ndetection:\n{detection}\n");
    let events: Vec<Value> = bodies.iter().enumerate().map(|(i, b)| event(&format!("{i:02}"), "2024-01-15T10:00:00Z", b.clone())).collect();
    scan_bytes(&source(SOURCE), &rules(&yaml), vec![("log".into(), ndjson(&events))], 1).hits("r").iter().map(|e| e.parse().expect("a number")).collect()
}

#[test]
fn an_alias_is_read_where_the_record_has_no_such_field_itself() {
    let bodies = [
        json!({"deep": {"er": {"name": "x"}}}),
        json!({"Short": "x", "deep": {"er": {"name": "y"}}}),
        json!({"Short": "y", "deep": {"er": {"name": "x"}}}),
        json!({"Short": null, "deep": {"er": {"name": "x"}}}),
        json!({"deep.er.name": "x"}),
        json!({"short": "x"}),
        json!({}),
    ];
    assert_eq!(hits("  s: {Short: x}\n  condition: s", &bodies), [0, 1, 4]);
    assert_eq!(hits("  s: {Short|neq: x}\n  condition: s", &bodies), [2, 3]);
    assert_eq!(hits("  s: {Short: null}\n  condition: s", &bodies), [3, 5, 6]);
    assert_eq!(hits("  s: {Short|exists: true}\n  condition: s", &bodies), [0, 1, 2, 3, 4]);
    // The case counts, and the path itself is no alias.
    assert_eq!(hits("  s: {short: x}\n  condition: s", &bodies), [5]);
    assert_eq!(hits("  s: {deep.er.name: x}\n  condition: s", &bodies), [0, 2, 3, 4]);
}

#[test]
fn an_alias_of_several_paths_is_every_value_at_them() {
    let bodies = [
        json!({"p": "x"}),
        json!({"q": {"r": ["y", "x"]}}),
        json!({"p": "y", "q": {"r": "x"}}),
        json!({"p": "y"}),
        json!({"any": {"of": "y"}, "p": "x"}),
        json!({"any.of": "x", "any": {"of": "y"}, "p": "y"}),
        json!({"p": null, "q.r": "x"}),
        json!({"p": null}),
    ];
    assert_eq!(hits("  s: {any.of: x}\n  condition: s", &bodies), [0, 1, 2, 5, 6]);
    assert_eq!(hits("  s: {any.of|neq: x}\n  condition: s", &bodies), [3, 4, 7], "none of them");
    assert_eq!(hits("  s: {any.of|contains|all: [x, y]}\n  condition: s", &bodies), [1, 2]);
    assert_eq!(hits("  s: {any.of: null}\n  condition: s", &bodies), [7]);
    assert_eq!(hits("  s: {z|fieldref: any.of}\n  condition: s", &[json!({"z": "x", "q": {"r": "x"}}), json!({"z": "x", "q": "x"})]), [0]);
}

#[test]
fn array_blocks_read_an_alias_too() {
    let bodies = [
        json!({"box": {"items": [{"a": 1, "b": 2}]}}),
        json!({"box": {"items": [{"a": 1}, {"b": 2}]}}),
        json!({"list": [{"a": 0}], "box": {"items": [{"a": 1, "b": 2}]}}),
        json!({}),
    ];
    assert_eq!(hits("  s:\n    list[any]: {a: 1, b: 2}\n  condition: s", &bodies), [0]);
    assert_eq!(hits("  s:\n    list[none]: {a: 1}\n  condition: s", &bodies), [2, 3]);
}

#[test]
fn correlations_group_and_count_by_aliases() {
    let yaml = "title: B\nname: base\nlogsource: {product: test}\ndetection: {s: {any.of|exists: true}, condition: s}\nlevel: low\n---\ntitle: C\nid: c\nlevel: high\n\
                correlation: {type: value_count, rules: [base], group-by: [Short], timespan: 1h, condition: {field: any.of, gte: 2}}\n";
    let one = |id: &str, body: Value| event(id, "2024-01-15T10:00:00Z", body);
    let log = ndjson(&[
        one("1", json!({"deep": {"er": {"name": "ana"}}, "p": "x"})),
        one("2", json!({"Short": "ana", "q": {"r": "y"}})),
        one("3", json!({"Short": "bob", "q": {"r": "y"}})),
        one("4", json!({"Short": "bob", "p": "y"})),
    ]);
    let seen = scan_bytes(&source(SOURCE), &rules(yaml), vec![("log".into(), log)], 1);
    assert_eq!(seen.bursts("C"), [["1", "2"]]);
    let entity: Vec<_> = seen.findings.iter().map(|f| f.entity.clone()).collect();
    assert_eq!(entity, [[("Short".to_owned(), "ana".to_owned())]]);
}

#[test]
fn what_neither_the_field_nor_its_alias_fills_was_never_seen() {
    let rule = |field: &str| format!("title: R\nid: r\nlogsource: {{product: test}}\ndetection: {{s: {{{field}: x}}, condition: s}}\n");
    let state = |field: &str, body: Value| {
        let log = ndjson(&[event("1", "2024-01-15T10:00:00Z", body)]);
        scan_bytes(&source(SOURCE), &rules(&rule(field)), vec![("log".into(), log)], 1).states["R"].clone()
    };
    assert_eq!(state("any.of", json!({"a": 1})), RuleState::CouldNotMatch(vec!["any.of".into()]));
    assert_eq!(state("any.of", json!({"q": {"r": "y"}})), RuleState::Ran);
    assert_eq!(state("any.of", json!({"any": {"of": "y"}})), RuleState::Ran);
}

#[test]
fn the_mapping_and_our_own_columns_know_no_alias() {
    let yaml = "title: R\nid: r\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {raw.Short: x}, condition: s}\n---\n\
                title: U\nid: u\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {user: x}, condition: s}\n---\n\
                title: V\nid: v\nlogsource: {product: test}\ndetection: {s: {Short: x}, condition: s}\n";
    let log = ndjson(&[event("1", "2024-01-15T10:00:00Z", json!({"deep": {"er": {"name": "x"}}})), event("2", "2024-01-15T10:00:00Z", json!({"Short": "x"}))]);
    let seen = scan_bytes(&source(SOURCE), &rules(yaml), vec![("log".into(), log)], 1);
    assert_eq!((seen.hits("r"), seen.hits("u"), seen.hits("v")), (["2"].into(), ["2"].into(), ["1", "2"].into()));
}

#[test]
fn a_mapping_whose_aliases_or_log_sources_are_wrong_is_refused() {
    let place = Place::new();
    place.write("log", "{}\n");
    for (old, new, says) in [
        ("  Short: deep.er.name", "  Short: []", "aliases: `Short` needs the path"),
        ("  Short: deep.er.name", "  Short: ''", "the path ``: it is empty"),
        ("  Short: deep.er.name", "  Short: [a, Short]", "aliases: `Short` stands for itself"),
        ("  Short: deep.er.name", "  Short: $user", "not for event columns"),
        ("  Short: deep.er.name", "  Short: {path: a}", "aliases"),
        ("aliases:", "alias:", "alias"),
        ("[{product: test}]", "[{product: test, servce: x}]", "servce"),
        ("[{product: test}]", "[{product: []}]", "logsource: a list of values is empty"),
        ("[{product: test}]", "[{}]", "logsource: an entry needs"),
    ] {
        place.write("src.yml", SOURCE.replace(old, new));
        place.run(&["scan", "log", "--sources", "src.yml"]).exits(2).says("error: src.yml:").says(says).says("help:");
    }
}

#[test]
fn a_rule_runs_where_each_part_of_its_log_source_is_one_of_the_declared() {
    let text = SOURCE.replace(
        "[{product: test}]",
        "[{product: [azure, m365], service: [activitylogs, m365], category: application}, {product: Gcp, service: google_workspace.login}]",
    );
    let runs = |logsource: &str| -> bool {
        let yaml = format!("title: R\nid: r\nlogsource: {logsource}\ndetection: {{s: {{p: x}}, condition: s}}\n");
        let log = ndjson(&[event("1", "2024-01-15T10:00:00Z", json!({"p": "x"}))]);
        !scan_bytes(&source(&text), &rules(&yaml), vec![("log".into(), log)], 1).matches.is_empty()
    };
    for (logsource, applies) in [
        ("{product: azure}", true),
        ("{product: m365, service: m365}", true),
        ("{product: azure, service: m365}", true),
        ("{product: AZURE, service: ActivityLogs, category: Application}", true),
        ("{category: application}", true),
        ("{service: google_workspace.login}", true),
        ("{product: gcp, service: google_workspace.login}", true),
        ("{product: gcp, service: m365}", false),
        ("{product: gcp, category: application}", false),
        ("{product: azure, category: process_creation}", false),
        ("{product: aws}", false),
        ("{product: azure, service: signinlogs}", false),
        ("{product: auditmill}", true),
        ("{product: auditmill, service: src}", true),
        ("{product: auditmill, service: other}", false),
        ("{}", false),
    ] {
        assert_eq!(runs(logsource), applies, "{logsource}");
    }
}

#[test]
fn rules_in_the_names_of_others_fire_on_cloudtrail() {
    let record = |id: &str, name: &str, more: Value| {
        let mut record = json!({"eventVersion": "1.08", "eventTime": "2024-01-15T10:00:00Z", "eventID": id, "eventSource": "ec2.amazonaws.com", "eventName": name,
            "awsRegion": "eu-central-1", "sourceIPAddress": "203.0.113.7", "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ana"}});
        record.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        record
    };
    let open = json!({"requestParameters": {"ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}}});
    let log = ndjson(&[
        record("1", "AuthorizeSecurityGroupIngress", open),
        record("2", "ListBuckets", json!({"userIdentity": {"type": "AssumedRole"}, "errorCode": "AccessDenied"})),
    ]);
    for (detection, expected) in [
        ("{s: {eventName: ListBuckets}, f: {type: AssumedRole}, condition: s and f}", "2"),
        ("{s: {requestParameters.ipPermissions.items.ipRanges.items.cidrIP: 0.0.0.0/0}, condition: s}", "1"),
        (
            "{s: {'requestParameters.ipPermissions.items{}.ipRanges.items{}.cidrIp': 0.0.0.0/0, 'requestParameters.ipPermissions.items{}.toPort': 22}, condition: s}",
            "1",
        ),
        ("{s: {eventname: ListBuckets, errorcode|startswith: Access, useridentity.type: AssumedRole}, condition: s}", "2"),
        ("{s: {event.action|contains: SecurityGroup, event.provider: ec2.amazonaws.com, source.address|cidr: 203.0.113.0/24}, condition: s}", "1"),
        ("{s: {aws.cloudtrail.user_identity.arn|endswith: user/ana, aws.cloudtrail.error_code: null}, condition: s}", "1"),
    ] {
        let yaml = format!("title: R\nid: r\nlogsource: {{product: aws, service: cloudtrail}}\ndetection: {detection}\n");
        let seen = scan_bytes(own_sources(), &rules(&yaml), vec![("log".into(), log.clone())], 1);
        assert_eq!(seen.hits("r"), [expected].into(), "{detection}");
    }
}
