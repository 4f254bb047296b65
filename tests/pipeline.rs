//! Processing pipelines: each transformation and condition, what is refused, and that a mapped rule matches what its original does.

use crate::common::{Place, event, ndjson, rules, scan_bytes, test_source};
use auditmill::finding::scan::RuleState;
use auditmill::rule::load::{Loading, RuleFile, RuleSet, load_rules_through};
use auditmill::rule::pipeline::{Pipeline, Pipelines};
use auditmill::rule::vars::Vars;
use serde_json::{Value, json};

/// The pipelines of some YAML texts; each must be accepted.
#[track_caller]
pub fn pipelines(texts: &[&str]) -> Pipelines {
    let one = |(i, text): (usize, &&str)| Pipeline::parse(text, &format!("p{i}.yml")).unwrap_or_else(|e| panic!("{e} (help: {:?})\n{text}", e.help));
    Pipelines::new(texts.iter().enumerate().map(one).collect())
}

/// As [`load`], with lists of a site.
fn load_with(yaml: &str, texts: &[&str], vars: &Vars) -> Result<RuleSet, String> {
    let file = RuleFile { file: "test.yml".into(), text: yaml.to_owned(), required: true };
    let set = load_rules_through(vec![file], vars, Loading { pipelines: pipelines(texts), ..Loading::default() });
    match set.check(true) {
        Ok(()) => Ok(set),
        Err(e) => Err(format!("{e} (help: {})", e.help.clone().unwrap_or_default())),
    }
}

/// Rules after pipelines, or the first refusal.
fn load(yaml: &str, texts: &[&str]) -> Result<RuleSet, String> {
    load_with(yaml, texts, &Vars::default())
}

/// Rules after pipelines; all must load.
#[track_caller]
pub fn loaded(yaml: &str, texts: &[&str]) -> RuleSet {
    load(yaml, texts).unwrap_or_else(|e| panic!("{e}\n{yaml}"))
}

/// A rule of the test source with this detection section.
fn rule(detection: &str) -> String {
    format!("title: R\nid: r\nlogsource: {{product: test, service: s}}\ntags: [attack.t1078]\nlevel: high\ndetection:\n{detection}\n")
}

/// Which of these events (by number) the first rule matches.
fn hits(set: &RuleSet, bodies: &[Value]) -> Vec<usize> {
    let events: Vec<Value> = bodies.iter().enumerate().map(|(i, b)| event(&format!("{i:02}"), "2024-01-15T10:00:00Z", b.clone())).collect();
    // The test source declares no service.
    let mut set = set.clone();
    for r in &mut set.rules {
        if let auditmill::rule::Body::Detection(d) = &mut r.body {
            d.logsource.service = None;
        }
    }
    let id = set.rules[0].meta.id.clone();
    scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events))], 1).hits(&id).iter().map(|e| e.parse().expect("a number")).collect()
}

/// The rule's matches after one transformation.
#[track_caller]
fn matched(detection: &str, transformation: &str, bodies: &[Value]) -> Vec<usize> {
    let text = format!("transformations:\n  - {}", transformation.replace('\n', "\n    "));
    hits(&loaded(&rule(detection), &[&text]), bodies)
}

// ---------------------------------------------------------------------------------------------- transformations

#[test]
fn a_field_is_mapped_with_its_modifiers_wherever_it_stands() {
    let mapping = "type: field_name_mapping\nmapping: {a: x.y, b: z}";
    let bodies = [json!({"x": {"y": "foobar"}}), json!({"a": "foobar"}), json!({"x": {"y": "bar"}, "z": "bar"}), json!({"x.y": "afoo"})];
    assert_eq!(matched("  s: {a|startswith: foo}\n  condition: s", mapping, &bodies), [0]);
    assert_eq!(matched("  s: {a|contains|all: [fo, oo]}\n  condition: s", mapping, &bodies), [0, 3]);
    assert_eq!(matched("  s: {a|fieldref: b}\n  condition: s", mapping, &bodies), [2], "the value of fieldref is a field");
    assert_eq!(matched("  s:\n    - {b: bar}\n    - {a: afoo}\n    - [{a: foobar}]\n  condition: s", mapping, &bodies), [0, 2, 3], "lists");
    assert_eq!(matched("  s: [foobar, a]\n  condition: s", mapping, &bodies[..2]), [0, 1], "keywords have no field");
    assert_eq!(matched("  s: {a: foobar, c|exists: false}\n  condition: not s", mapping, &bodies), [1, 2, 3]);
    // Names are whole and their case counts.
    assert_eq!(matched("  s: {A: foobar}\n  condition: s", mapping, &[json!({"A": "foobar"}), bodies[0].clone()]), [0]);
    assert_eq!(matched("  s: {a.c: 1}\n  condition: s", mapping, &[json!({"a": {"c": 1}}), json!({"x": {"y": {"c": 1}}})]), [0]);
}

#[test]
fn of_several_fields_one_must_satisfy_the_item() {
    let mapping = "type: field_name_mapping\nmapping: {a: [x, y]}";
    let bodies = [json!({"x": "1a", "y": "2b"}), json!({"x": "1a2b"}), json!({"y": "2b"}), json!({}), json!({"x": null, "y": "q"})];
    assert_eq!(matched("  s: {a|endswith: b}\n  condition: s", mapping, &bodies), [0, 1, 2]);
    assert_eq!(matched("  s: {a|endswith: b}\n  condition: not s", mapping, &bodies), [3, 4]);
    assert_eq!(matched("  s: {a|contains|all: ['1', '2']}\n  condition: s", mapping, &bodies), [1], "all values in the same field");
    assert_eq!(matched("  s: {a|contains|neq: a}\n  condition: s", mapping, &bodies), [0, 2, 4], "each copy is negated by itself");
    assert_eq!(matched("  s: {a: null}\n  condition: s", mapping, &bodies), [1, 2, 3, 4]);
    assert_eq!(matched("  s: {a|contains: '1', a|endswith: b}\n  condition: s", mapping, &bodies), [0, 1], "two items of one mapping");
    assert_eq!(matched("  s_1: {a: 2b}\n  s_2: {a: q}\n  condition: all of s_* or 1 of them", mapping, &bodies), [0, 2, 4], "parts are no selections");
    let reference = "  s: {r|fieldref: a}\n  condition: s";
    assert_eq!(matched(reference, mapping, &[json!({"r": "1", "y": "1"}), json!({"r": "1", "x": "1", "y": "2"}), json!({"r": "1", "x": "2"})]), [0, 1]);
    let neq = "  s: {r|fieldref|neq: a}\n  condition: s";
    assert_eq!(matched(neq, mapping, &[json!({"r": "1", "y": "1"}), json!({"r": "1", "x": "2", "y": "2"}), json!({"x": "2"})]), [1], "equal to neither");
}

#[test]
fn two_fields_that_become_one_are_both_asked() {
    let mapping = "type: field_name_mapping\nmapping: {a: x, b: x}";
    assert_eq!(matched("  s: {a: 1, b: 2}\n  condition: s", mapping, &[json!({"x": 1}), json!({"x": [1, 2]}), json!({"x": 2})]), [1]);
    assert_eq!(matched("  s: {a|contains: a, b|contains: b, x|contains: c}\n  condition: s", mapping, &[json!({"x": "ab"}), json!({"x": "abc"})]), [1]);
}

#[test]
fn of_an_array_block_the_outer_field_is_mapped() {
    let mapping = "type: field_name_mapping\nmapping: {list: other.items, port: WRONG, ip: WRONG}";
    let bodies = [
        json!({"other": {"items": [{"port": 22, "ip": "a"}, {"port": 80, "ip": "b"}]}}),
        json!({"other": {"items": [{"port": 22, "ip": "b"}]}}),
        json!({"list": [{"port": 22, "ip": "b"}]}),
    ];
    for block in [
        "list[any]: {port: 22, ip: b}",
        "list[any].port: 22\n    list[none].ip: a",
        "list[any]:\n      p: {port: 22}\n      q: {ip: b}\n      condition: p and q",
    ] {
        let text = format!("sigma-version: 3\n{}", rule(&format!("  s:\n    {block}\n  condition: s")));
        let pipeline = format!("transformations:\n  - {}", mapping.replace('\n', "\n    "));
        assert_eq!(hits(&loaded(&text, &[&pipeline]), &bodies), [1], "{block}");
    }
    // Without the version that knows selectors the brackets belong to the name.
    assert_eq!(matched("  s: {'list[any]': 1}\n  condition: s", mapping, &[json!({"list[any]": 1}), json!({"other": {"items": 1}})]), [0]);
}

#[test]
fn a_prefix_goes_before_every_field_but_those_mapped_before() {
    let steps = "
transformations:
  - {id: map, type: field_name_mapping, mapping: {a: x, d: [y, z]}}
  - id: prefix
    type: field_name_prefix
    prefix: 'p.'
    field_name_conditions: [{type: processing_item_applied, processing_item_id: map}]
    field_name_cond_not: true
";
    let set = loaded(&rule("  s: {a: 1, b: 2, d: 3}\n  condition: s"), &[steps]);
    assert_eq!(hits(&set, &[json!({"x": 1, "z": 3, "p": {"b": 2}}), json!({"p": {"x": 1, "b": 2, "y": 3}}), json!({"x": 1, "b": 2, "y": 3})]), [0]);
    let every = "transformations: [{type: field_name_prefix, prefix: 'p.'}]";
    assert_eq!(hits(&loaded(&rule("  s: {c|fieldref: b}\n  condition: s"), &[every]), &[json!({"p": {"b": 2, "c": 2}}), json!({"b": 2, "p": {"c": 2}})]), [0]);
}

#[test]
fn a_condition_is_added_to_each_condition_and_is_no_selection_of_the_rule() {
    let added = "type: add_condition\nconditions: {k|startswith: [v, w], n: 1}";
    let bodies =
        [json!({"a": 1, "k": "va", "n": 1}), json!({"a": 1, "k": "va", "n": 2}), json!({"a": 1}), json!({"b": 1, "k": "w", "n": 1}), json!({"k": "w", "n": 1})];
    let two = "  s_1: {a: 1}\n  s_2: {b: 1}\n  condition:";
    assert_eq!(matched(&format!("{two} s_1 or s_2"), added, &bodies), [0, 3], "the old condition stands in brackets");
    assert_eq!(matched(&format!("{two} [s_1, s_2]"), added, &bodies), [0, 3]);
    for pattern in ["1 of them", "1 of *", "1 of s_*"] {
        assert_eq!(matched(&format!("{two} {pattern}"), added, &bodies), [0, 3], "{pattern}");
    }
    assert_eq!(matched("  s_1: {a: 1}\n  condition: all of them", added, &bodies), [0]);
    assert_eq!(matched("  _cond_1: {a: 1}\n  condition: _cond_1", added, &bodies), [0], "the name is free");
    assert_eq!(matched(&format!("{two} s_1"), &format!("{added}\nnegated: true"), &bodies), [1, 2]);
    let templated = "type: add_condition\ntemplate: true\nconditions: {k: '${product}-$service-$$x-$other', n: [$product, 7]}";
    let bodies = [json!({"a": 1, "k": "test-s-$x-$other", "n": "test"}), json!({"a": 1, "k": "test-s-$x-$other", "n": 7}), json!({"a": 1, "k": "test-s-$x"})];
    assert_eq!(matched("  s: {a: 1}\n  condition: s", templated, &bodies), [0, 1]);
    let missing = "transformations: [{type: add_condition, template: true, conditions: {k: $category}}]";
    let refused = load(&rule("  s: {a: 1}\n  condition: s"), &[missing]).expect_err("the logsource has no category");
    assert!(refused.contains("p0.yml, transformation 1") && refused.contains("category"), "{refused}");
    let twice = "transformations: [{type: add_condition, name: n, conditions: {k: 1}}, {id: again, type: add_condition, name: n, conditions: {k: 2}}]";
    let refused = load(&rule("  s: {a: 1}\n  condition: s"), &[twice]).expect_err("the name is taken");
    assert!(refused.contains("transformation 2 (`again`)"), "{refused}");
}

#[test]
fn a_log_source_is_replaced_whole() {
    let text = "title: R\nid: r\nlogsource: {product: windows, service: security, category: c}\ndetection:\n  s: {a: 1}\n  condition: s\n";
    let change =
        "transformations: [{type: change_logsource, product: test}, {type: field_name_prefix, prefix: x, rule_conditions: [{type: logsource, product: test}]}]";
    assert_eq!(hits(&loaded(text, &[change]), &[json!({"a": 1}), json!({"xa": 1})]), [1], "conditions see the new log source");
    assert_eq!(hits(&loaded(text, &[]), &[json!({"a": 1})]), [0usize; 0]);
}

#[test]
fn placeholders_are_filled_from_the_pipeline_before_the_sites_lists() {
    let text = rule("  s: {a|expand: ['%who%', 'x-%n%-%who%']}\n  condition: s");
    let pipeline = "vars: {who: ['ad*', 50%], n: [1, 2.5], other: x}\ntransformations: [{type: value_placeholders}]";
    let bodies =
        [json!({"a": "admin"}), json!({"a": "x-1-adx"}), json!({"a": "x-2.5-50%"}), json!({"a": "x-3-50%"}), json!({"a": "site"}), json!({"a": "50%"})];
    assert_eq!(hits(&loaded(&text, &[pipeline]), &bodies), [0, 1, 2, 5]);
    let site = Vars::parse("lists: {who: [site], n: ['3']}", "vars.yml").expect("lists");
    assert_eq!(hits(&load_with(&text, &[pipeline], &site).expect("loads"), &bodies), [0, 1, 2, 5], "the pipeline goes first");
    let excluding = pipeline.replace("value_placeholders", "value_placeholders, exclude: [who]");
    let set = load_with(&text, &[&excluding], &site).expect("loads");
    assert_eq!(hits(&set, &[json!({"a": "site"}), json!({"a": "x-1-site"}), json!({"a": "admin"})]), [0, 1]);
    for undefined in
        [excluding.as_str(), "vars: {n: 1}\ntransformations: [{type: value_placeholders}]", "transformations: [{type: value_placeholders, include: [n]}]"]
    {
        let set = loaded(&text, &[undefined]);
        assert_eq!(set.rules[0].meta.unset_list.as_deref(), Some("who"), "{undefined}");
        let seen = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&[event("0", "2024-01-15T10:00:00Z", json!({"a": "%who%"}))]))], 1);
        assert!(matches!(&seen.states["R"], RuleState::NotAssessable(why) if why.contains("`who`")), "{:?}", seen.states);
    }
    // A percent sign that is escaped, and a text without `expand`, are no placeholders.
    let plain = rule("  s: {a|expand: 'c\\%who%d'}\n  k: {a: '%who%'}\n  condition: s or k");
    assert_eq!(hits(&loaded(&plain, &[pipeline]), &[json!({"a": "c%who%d"}), json!({"a": "%who%"}), json!({"a": "admin"})]), [0, 1]);
    // A rule that says which lists it needs has this one.
    let needing = format!("{}needs_lists: [who]\n", rule("  s: {a|expand: '%who%'}\n  condition: s"));
    assert_eq!(loaded(&needing, &[pipeline]).rules[0].meta.unset_list, None);
}

#[test]
fn pipelines_are_applied_by_priority_and_then_as_given() {
    let step =
        |priority: i64, from: &str, to: &str| format!("priority: {priority}\ntransformations: [{{type: field_name_mapping, mapping: {{{from}: {to}}}}}]");
    let (first, second) = (step(20, "a", "b"), step(10, "a", "c"));
    let text = rule("  s: {a: 1}\n  condition: s");
    assert_eq!(hits(&loaded(&text, &[&first, &second]), &[json!({"b": 1}), json!({"c": 1})]), [1]);
    let (first, second) = (step(10, "a", "b"), step(10, "b", "c"));
    assert_eq!(hits(&loaded(&text, &[&first, &second]), &[json!({"b": 1}), json!({"c": 1})]), [1]);
    assert_eq!(hits(&loaded(&text, &[&second, &first]), &[json!({"b": 1}), json!({"c": 1})]), [0]);
}

#[test]
fn the_fields_of_a_correlation_follow_those_of_its_rules() {
    let documents = format!(
        "{}name: base\n---\ntitle: C\nid: c\nlevel: high\nfields: [u, k]\ncorrelation:\n  type: value_count\n  rules: [base]\n  group-by: [u]\n  timespan: 1h\n  \
         condition: {{field: v, gte: 2}}\n",
        rule("  s: {a: 1}\n  condition: s").replace(", service: s", "")
    );
    // The condition on the log source holds for the correlation through its rules, also after the log source was changed.
    let pipeline = "
transformations:
  - {type: change_logsource, product: test, category: c, rule_conditions: [{type: logsource, product: test}]}
  - {type: field_name_mapping, mapping: {a: x, u: who.name, v: what}, rule_conditions: [{type: logsource, category: c}]}
  - {type: change_logsource, product: test}
";
    let set = loaded(&documents, &[pipeline]);
    let correlation = set.rules.iter().find(|r| r.meta.id == "c").expect("the correlation");
    assert_eq!(correlation.meta.fields, ["who.name", "k"]);
    let one = |id: &str, who: &str, what: &str| event(id, "2024-01-15T10:00:00Z", json!({"x": 1, "who": {"name": who}, "what": what}));
    let log = ndjson(&[one("1", "ana", "p"), one("2", "ana", "q"), one("3", "bob", "p"), one("4", "bob", "p")]);
    let seen = scan_bytes(test_source(), &set, vec![("log".into(), log)], 1);
    assert_eq!(seen.bursts("C"), [["1", "2"]]);
    let many = "transformations: [{type: field_name_mapping, mapping: {v: [p, q]}, rule_conditions: [{type: is_sigma_correlation_rule}]}]";
    let refused = load(&documents, &[many]).expect_err("one field is counted");
    assert!(refused.contains("the condition names `v`") && refused.contains("p or q"), "{refused}");
}

// ---------------------------------------------------------------------------------------------- conditions

#[test]
fn conditions_choose_rules_fields_and_items() {
    let detection = "  s: {a: val, b|contains: oo, n: null}\n  k: {q|re: 'v.'}\n  condition: s and not k";
    let text = format!("{}taxonomy: sigma\nstatus: test\ndate: 2024-03-01\nauthor: me\nreferences: [r1, r2]\nweight: 5\n", rule(detection));
    // What the prefix reached, as the names of the fields that the rule then asks for.
    let reached = |conditions: &str| -> String {
        let pipeline = format!(
            "transformations:\n  - {{id: one, type: field_name_mapping, mapping: {{b: b}}, field_name_conditions: [{{type: include_fields, fields: [b]}}]}}\n  \
             - type: field_name_prefix\n    prefix: P\n    {}\n",
            conditions.replace('\n', "\n    ")
        );
        let set = loaded(&text, &[&pipeline]);
        let auditmill::rule::Body::Detection(d) = &set.rules[0].body else { panic!("a detection") };
        d.fields().expect("fields").iter().map(|f| f.to_string()).filter_map(|f| f.strip_prefix('P').map(str::to_owned)).collect()
    };
    let (all, none) = ("abnq", "");
    let rule_is = |condition: &str| reached(&format!("rule_conditions: [{{{condition}}}]"));
    for (condition, holds) in [
        ("type: logsource, product: test", true),
        ("type: logsource, product: test, service: s", true),
        ("type: logsource, product: Test", false),
        ("type: logsource, category: c", false),
        ("type: is_sigma_rule", true),
        ("type: is_sigma_correlation_rule", false),
        ("type: tag, tag: attack.t1078", true),
        ("type: tag, tag: attack.t1079", false),
        ("type: taxonomy, taxonomy: [ecs, sigma]", true),
        ("type: taxonomy, taxonomy: ecs", false),
        ("type: contains_field, field: b", true),
        ("type: contains_field, field: c", false),
        ("type: contains_detection_item, field: a, value: val", true),
        ("type: contains_detection_item, field: b, value: oo", false),
        ("type: contains_detection_item, field: b, value: '*oo*'", true),
        ("type: contains_detection_item, field: q, value: 'v.'", false),
        ("type: processing_item_applied, processing_item_id: one", true),
        ("type: processing_item_applied, processing_item_id: two", false),
        ("type: rule_attribute, attribute: title, value: R", true),
        ("type: rule_attribute, attribute: title, value: R, op: ne", false),
        ("type: rule_attribute, attribute: level, value: medium, op: gt", true),
        ("type: rule_attribute, attribute: level, value: critical, op: gte", false),
        ("type: rule_attribute, attribute: status, value: experimental, op: gt", true),
        ("type: rule_attribute, attribute: status, value: stable, op: lt", true),
        ("type: rule_attribute, attribute: date, value: '2024-02-28', op: gte", true),
        ("type: rule_attribute, attribute: date, value: '2024-03-01', op: lt", false),
        ("type: rule_attribute, attribute: references, value: r2, op: in", true),
        ("type: rule_attribute, attribute: references, value: r2", false),
        ("type: rule_attribute, attribute: references, value: r3, op: not_in", true),
        ("type: rule_attribute, attribute: weight, value: 4.5, op: gt", true),
        ("type: rule_attribute, attribute: nothing, value: x", false),
        ("type: rule_attribute, attribute: taxonomy, value: sigma", true),
    ] {
        assert_eq!(rule_is(condition), if holds { all } else { none }, "{condition}");
    }
    let two = "rule_conditions: [{type: is_sigma_rule}, {type: is_sigma_correlation_rule}]";
    assert_eq!(reached(two), none);
    assert_eq!(reached(&format!("{two}\nrule_cond_op: or")), all);
    assert_eq!(reached(&format!("{two}\nrule_cond_not: true")), all);
    let named = "rule_conditions: {r: {type: is_sigma_rule}, c: {type: is_sigma_correlation_rule}}";
    assert_eq!(reached(&format!("{named}\nrule_cond_expr: c or not c and (r)")), all);
    assert_eq!(reached(&format!("{named}\nrule_cond_expr: not (r or c)")), none);
    assert_eq!(reached("rule_cond_not: true"), all, "nothing to negate");
    for (conditions, fields) in [
        ("field_name_conditions: [{type: include_fields, fields: [a, n]}]", "an"),
        ("field_name_conditions: [{type: exclude_fields, fields: [a, n]}]", "bq"),
        ("field_name_conditions: [{type: include_fields, fields: [a, n]}]\nfield_name_cond_not: true", "bq"),
        ("field_name_conditions: [{type: include_fields, mode: re, fields: ['[a-b]', x]}]", "ab"),
        ("field_name_conditions: [{type: include_fields, fields: [a]}, {type: include_fields, fields: [q]}]\nfield_name_cond_op: or", "aq"),
        ("detection_item_conditions: [{type: match_string, cond: any, pattern: v}]", "a"),
        ("detection_item_conditions: [{type: match_string, cond: any, pattern: '\\*oo\\*$'}]", "b"),
        ("detection_item_conditions: [{type: match_string, cond: any, pattern: v, negate: true}]", "bnq"),
        ("detection_item_conditions: [{type: is_null, cond: all}]", "n"),
        (
            "detection_item_conditions: {x: {type: is_null, cond: all}, y: {type: match_string, cond: all, pattern: val}}\ndetection_item_cond_expr: x or y",
            "an",
        ),
        ("detection_item_conditions: [{type: processing_item_applied, processing_item_id: one}]", "b"),
    ] {
        assert_eq!(reached(conditions), fields, "{conditions}");
    }
}

#[test]
fn a_rule_of_another_taxonomy_needs_a_pipeline_that_applies_to_it() {
    let text = format!("{}taxonomy: ecs\n", rule("  s: {a: 1}\n  condition: s"));
    let refused = load(&text, &[]).expect_err("nobody knows ecs");
    assert!(refused.contains("taxonomy `ecs`") && refused.contains("--pipeline"), "{refused}");
    let mapping = "transformations: [{type: field_name_mapping, mapping: {a: x}, rule_conditions: [{type: taxonomy, taxonomy: ecs}]}]";
    assert_eq!(hits(&loaded(&text, &[mapping]), &[json!({"a": 1}), json!({"x": 1})]), [1]);
    let refused = load(&text, &[&mapping.replace("taxonomy: ecs", "taxonomy: cim")]).expect_err("the pipeline is for others");
    assert!(refused.contains("no transformation of the pipelines applies"), "{refused}");
    // A rule over our columns stays one, and what is no column is named with its cause.
    let columns = "title: R\nid: r\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection:\n  s: {usr: x}\n  condition: s\n";
    loaded(columns, &["transformations: [{type: field_name_mapping, mapping: {usr: user}}]"]);
    let refused = load(&columns.replace("usr", "user"), &["transformations: [{type: field_name_prefix, prefix: x}]"]).expect_err("no column");
    assert!(refused.contains("`xuser` is not an event column") && refused.contains("rule_conditions"), "{refused}");
}

#[test]
fn ids_and_hashes_stay_and_the_hash_over_all_tells_pipelines_apart() {
    let text = rule("  s: {a: 1}\n  condition: s").replace("id: r\n", "");
    let (one, two) = ("transformations: [{type: field_name_mapping, mapping: {a: x}}]", "transformations: [{type: field_name_mapping, mapping: {a: y}}]");
    let (plain, first, second) = (rules(&text), loaded(&text, &[one]), loaded(&text, &[two]));
    for set in [&first, &second] {
        assert_eq!(set.rules[0].meta.id, plain.rules[0].meta.id);
        assert_eq!(set.rules[0].meta.hash, plain.rules[0].meta.hash);
    }
    assert_eq!(loaded(&text, &[]).hash, plain.hash);
    assert!(plain.hash != first.hash && first.hash != second.hash);
}

#[test]
fn a_fault_points_at_the_line_that_the_file_has() {
    let text = "title: R\nlogsource: {product: test}\ndetection:\n  s:\n    c: 1\n    a|cidr: nonsense\n  condition: s\n";
    let mapping = "transformations: [{type: field_name_mapping, mapping: {a: x.y, c: d}}]";
    let refused = load(text, &[mapping]).expect_err("no network");
    assert!(refused.starts_with("test.yml:6: ") && refused.contains("`x.y`"), "{refused}");
}

#[test]
fn hostile_rules_and_pipelines_are_refused_and_not_followed() {
    // Names that only a rewritten rule may have: a chain of them would be followed without end.
    let chain: String = (0..20_000).map(|i| format!("  \"\\x01{i}\": {{\"\\x01{}\": true}}\n", i + 1)).collect();
    let text = rule(&format!("{chain}  s: {{\"\\x010\": true}}\n  condition: s"));
    for texts in [&[][..], &["transformations: [{type: field_name_prefix, prefix: x}]"]] {
        let refused = load(&text, texts).expect_err("the names are not the rule's to use");
        assert!(refused.contains("control character"), "{refused}");
    }
    // Each step doubles the items.
    let step = "{type: field_name_mapping, mapping: {a: [a, b], b: [a, b]}}";
    let doubling = format!("transformations: [{}]", vec![step; 40].join(", "));
    let refused = load(&rule("  s: {a: 1}\n  condition: s"), &[&doubling]).expect_err("too many items");
    assert!(refused.contains("more than 100000 items"), "{refused}");
    // Each step adds one; the tree stays flat.
    let adding = format!("transformations: [{}]", vec!["{type: field_name_mapping, mapping: {a: [a, b]}}"; 3_000].join(", "));
    assert_eq!(hits(&loaded(&rule("  s: {a: 1}\n  condition: s"), &[&adding]), &[json!({"a": 1}), json!({"b": 1}), json!({"c": 1})]), [0, 1]);
    let many = "vars: {v: [a, b, c, d, e, f, g, h, i, j]}\ntransformations: [{type: value_placeholders}]";
    let refused = load(&rule(&format!("  s: {{a|expand: '{}'}}\n  condition: s", "%v%".repeat(12))), &[many]).expect_err("too many texts");
    assert!(refused.contains("more than 100000 texts"), "{refused}");
    let error = Pipeline::parse("transformations: [{id: \"\\e[31m\", type: x}]", "p.yml").expect_err("no such type");
    assert!(!error.message.contains('\u{1b}'), "{error}");
}

// ---------------------------------------------------------------------------------------------- the files

#[test]
fn what_a_pipeline_asks_for_and_is_not_supported_is_refused_by_name() {
    let place = Place::new();
    place.write("log", ndjson(&[json!({"timestamp": "2024-01-15T10:00:00Z", "user": "a", "action": "user.login", "status": "success"})]));
    let step = |text: &str| format!("name: P\ntransformations:\n  - {{type: field_name_prefix, prefix: x}}\n  - {{{text}}}\n");
    let prefix = |text: &str| step(&format!("id: bad, type: field_name_prefix, prefix: x, {text}"));
    for (text, says) in [
        (step("id: bad, type: set_state, key: a, val: b"), "p.yml:4: transformation 2 (`bad`): transformation `set_state` is not supported"),
        (step("type: wildcard_placeholders"), "p.yml:4: transformation 2: transformation `wildcard_placeholders` is not supported"),
        (step("type: nest, items: []"), "`nest`"),
        (step("id: bad"), "`type` is missing"),
        (step("type: field_name_mapping"), "`mapping` is missing"),
        (step("type: field_name_mapping, mapping: {a: []}"), "`a` is mapped to no field name"),
        (step("type: field_name_mapping, mapping: {a: {b: c}}"), "`a` is mapped to no field name"),
        (step("type: field_name_mapping, mapping: {a: 'b|contains'}"), "`b|contains` is not a field name"),
        (step("type: field_name_mapping, mapping: {null: message}"), "keywords cannot be mapped"),
        (step("type: add_condition, conditions: {}"), "`conditions` is empty"),
        (step("type: add_condition, conditions: {a: {b: 1}}"), "conditions.a"),
        (step("type: add_condition, conditions: {a: 1}, name: 'of'"), "`of` cannot name a selection"),
        (step("type: change_logsource"), "a log source needs"),
        (step("type: value_placeholders, include: [a], exclude: [b]"), "do not go together"),
        (prefix("rule_conditions: [{type: processing_state, key: a, val: b}]"), "rule_conditions: condition 1: `processing_state` is not supported"),
        (prefix("rule_conditions: {n: {type: nonsense}}"), "condition `n`: `nonsense` is not supported"),
        (prefix("rule_conditions: [{type: logsource}]"), "a log source needs"),
        (prefix("rule_conditions: [{type: tag, tag: nonsense}]"), "`nonsense` is not a tag"),
        (prefix("rule_conditions: [{type: rule_attribute, attribute: level, value: low, op: about}]"), "op `about`"),
        (prefix("rule_conditions: [{type: is_sigma_rule, color: red}]"), "`color` is not known here"),
        (prefix("rule_conditions: [{type: is_sigma_rule}], rule_cond_op: xor"), "`xor` is not known"),
        (prefix("rule_conditions: [{type: is_sigma_rule}], rule_cond_expr: a"), "rule_cond_expr needs rule_conditions as a mapping"),
        (prefix("rule_conditions: {a: {type: is_sigma_rule}}, rule_cond_expr: a, rule_cond_op: and"), "do not go together"),
        (prefix("rule_conditions: {a: {type: is_sigma_rule}, b: {type: is_sigma_rule}}, rule_cond_expr: a"), "does not use the condition `b`"),
        (prefix("rule_conditions: {a: {type: is_sigma_rule}}, rule_cond_expr: a and"), "ends too early"),
        (prefix("rule_conditions: {a: {type: is_sigma_rule}}, rule_cond_expr: (a"), "not closed"),
        (prefix("rule_conditions: {a: {type: is_sigma_rule}}, rule_cond_expr: a c"), "`c` is not expected"),
        (prefix("detection_item_conditions: [{type: match_value, cond: any, value: x}]"), "`match_value` is not supported"),
        (prefix("detection_item_conditions: [{type: match_string, cond: some, pattern: x}]"), "cond: `some`"),
        (prefix("detection_item_conditions: [{type: match_string, cond: any, pattern: 'a(?=b)'}]"), "`a(?=b)`"),
        (prefix("field_name_conditions: [{type: processing_state, key: a, val: b}]"), "`processing_state` is not supported"),
        (prefix("field_name_conditions: [{type: include_fields, mode: glob, fields: [a]}]"), "mode: `glob`"),
        (prefix("field_name_cond_not: maybe"), "must be true or false"),
        (prefix("suffix: y"), "`suffix` is not known here"),
        ("postprocessing: [{type: embed}]".into(), "`postprocessing`"),
        ("finalizers: [{type: concat}]".into(), "`finalizers`"),
        ("transformation: []".into(), "`transformation` is not known here"),
        ("priority: high".into(), "priority must be a whole number"),
        ("vars: {a: {b: c}}".into(), "vars.a"),
        ("vars: {a: []}".into(), "vars.a is empty"),
        ("transformations: {a: b}".into(), "transformations must be a list"),
        ("- a\n- b\n".into(), "not a pipeline"),
        ("name: [\n".into(), "not valid YAML"),
    ] {
        place.write("p.yml", &text);
        let ran = place.run(&["scan", "log", "--pipeline", "p.yml"]).exits(2).says("error: p.yml:").says(says).says("help:");
        assert!(ran.out.is_empty(), "{}", ran.dump());
    }
    place.run(&["scan", "log", "--pipeline", "none.yml"]).exits(2).says("error: none.yml:");
    place.write("p.yml", "postprocessing: []\nfinalizers:\nvars:\nallowed_backends: [splunk]\n");
    place.run(&["scan", "log", "--pipeline", "p.yml"]).exits(0).says("allowed_backends (splunk) is ignored").says("applied to no rule");
}

#[test]
fn every_output_names_the_pipelines() {
    let place = Place::new();
    place.write(
        "source.yml",
        "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id, user: who}\n",
    );
    place.write("log", ndjson(&[event("e1", "2024-01-15T10:00:00Z", json!({"x": 1, "who": "ana"})), event("e2", "2024-01-15T10:00:00Z", json!({"a": 1}))]));
    place.write("rules/r.yml", format!("{}taxonomy: ecs\n", rule("  s: {a: 1}\n  condition: s").replace(", service: s", "")));
    place.write("late.yml", "name: <b>Late</b>\npriority: 50\ntransformations: [{type: field_name_mapping, mapping: {b: x}}]\n");
    place.write("early.yml", "priority: 10\ntransformations: [{type: field_name_mapping, mapping: {a: b}}]\n");
    let with = |command: &[&'static str]| -> Vec<&'static str> {
        let rest = ["log", "--sources", "source.yml", "--rules", "rules", "--pipeline", "late.yml", "--pipeline", "early.yml"];
        command.iter().chain(&rest).copied().collect()
    };
    let ran = place.run(&with(&["scan", "--format", "json"])).exits(0).says("Pipeline    early.yml (early.yml, ").says("Pipeline    <b>Late</b> (late.yml, ");
    let document = ran.json();
    let pipelines = document["pipelines"].as_array().expect("pipelines");
    let seen: Vec<_> = pipelines.iter().map(|p| (p["name"].as_str(), p["file"].as_str(), p["rules"].as_u64())).collect();
    assert_eq!(seen, [(Some("early.yml"), Some("early.yml"), Some(1)), (Some("<b>Late</b>"), Some("late.yml"), Some(1))]);
    let hash = pipelines[1]["hash"].as_str().expect("a hash");
    assert!(hash.len() == 12 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    let events = &document["findings"][0]["events"];
    assert_eq!(events.as_array().map(Vec::len), Some(1), "{events}");
    assert_eq!(events[0]["event_id"], "e1");
    place.run(&with(&["report", "-o", "out"])).exits(0);
    let (html, markdown) = (place.read_text("out/report.html"), place.read_text("out/report.md"));
    assert!(html.contains("&lt;b&gt;Late") && !html.contains("<b>Late") && html.contains(hash), "the HTML names it, escaped");
    assert!(markdown.contains("| Pipeline | &lt;b&gt;Late&lt;/b&gt; (late.yml, ") && markdown.contains(hash), "the Markdown names it, escaped");
    let listed = place.run(&["rules", "list", "--rules", "rules", "--pipeline", "late.yml", "--pipeline", "early.yml"]).exits(0).says("1 rules");
    assert!(listed.text().contains("r.yml"), "{}", listed.dump());
    // Without them nothing of this is there, and the rule is of a taxonomy that nobody knows.
    let plain = place.run(&["scan", "log", "--sources", "source.yml", "--rules", "rules", "--format", "json"]).exits(0).says("taxonomy `ecs` is not known");
    assert_eq!(plain.json()["pipelines"], json!([]));
    assert!(!plain.err.contains("Pipeline  "), "{}", plain.dump());
}

#[test]
fn tests_that_rules_carry_run_through_the_pipelines() {
    let place = Place::new();
    place.write(
        "rule.yml",
        "title: R\nid: r\ntaxonomy: ecs\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {event.action: StopLogging, user.name|expand: '%names%'}\n  condition: s\n\
         tests:\n  - name: it stops\n    expect: match\n    source: aws_cloudtrail\n    lists: {names: [ana]}\n    events:\n      \
         - {eventSource: cloudtrail.amazonaws.com, eventName: StopLogging, eventTime: '2024-01-15T10:00:00Z', awsRegion: eu-central-1, userIdentity: {userName: ana}}\n",
    );
    place.write("p.yml", "transformations: [{type: field_name_mapping, mapping: {event.action: eventName, user.name: userIdentity.userName}}]\n");
    let ran = place.run(&["rules", "test", "--rules", "rule.yml", "--pipeline", "p.yml"]).exits(0);
    assert!(ran.text().contains("1 tests of 1 rules: 1 passed"), "{}", ran.dump());
}
