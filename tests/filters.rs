//! Sigma filters, written from the specification of filters and the decisions (RULES.md section 2): the filter's condition is
//! joined to that of each rule it names by AND, as it is written, and nothing else of either is seen by the other.

use crate::common::{Place, Seen, event, generator, lines_of, ndjson, rules, scan_bytes, test_source, try_rules};
use crate::engine::Oracle;
use crate::engine::strategies::{body, condition, detection, yaml_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;

/// A rule that matches `f: x`.
fn rule(name: &str, logsource: &str) -> String {
    format!(
        "---\ntitle: Rule {name}\nid: id-{name}\nname: {name}\nlogsource: {{{logsource}}}\ndetection:\n  selection: {{f: x}}\n  condition: selection\nlevel: high\n"
    )
}

/// A filter document with these lines in its `filter:`.
fn filter(lines: &str) -> String {
    format!("---\ntitle: Filter\nid: filter\nlogsource: {{product: test}}\nfilter:\n  {}\n", lines.replace('\n', "\n  "))
}

fn not_bob(rules: &str) -> String {
    filter(&format!("rules: {rules}\nselection: {{u: bob}}\ncondition: not selection"))
}

fn events() -> Vec<Value> {
    let of = |id: &str, body: Value| event(id, "2024-01-15T10:00:00Z", body);
    vec![
        of("ana", json!({"f": "x", "u": "ana"})),
        of("bob", json!({"f": "x", "u": "bob"})),
        of("adm", json!({"f": "x", "u": "adm_eve"})),
        of("none", json!({"f": "x"})),
        of("else", json!({"f": "y", "u": "ana"})),
    ]
}

fn run(yaml: &str) -> Seen {
    scan_bytes(test_source(), &rules(yaml), vec![("log".into(), ndjson(&events()))], 1)
}

#[track_caller]
fn refused(yaml: &str, says: &str) {
    let error = try_rules(yaml).map(|_| ()).expect_err(yaml);
    assert!(error.contains(says), "`{says}` is not in: {error}\n{yaml}");
}

const R: &str = "product: test";

#[test]
fn what_a_negated_filter_selects_is_hidden() {
    // By id, by name, by title; before and after the rule.
    for reference in ["[id-r]", "[r]", "[Rule r]", "id-r"] {
        for yaml in [rule("r", R) + &not_bob(reference), not_bob(reference) + &rule("r", R)] {
            let seen = run(&yaml);
            assert_eq!(seen.hits("id-r"), BTreeSet::from(["adm", "ana", "none"]), "{reference}");
            assert!(seen.findings.iter().all(|f| f.rule == "Rule r" && !f.events.contains("bob")), "{:?}", seen.findings);
        }
    }
}

#[test]
fn a_filter_is_taken_by_the_letter() {
    // The example of the specification reads as an exclusion; its condition keeps what it selects, and only that.
    let yaml = rule("r", R) + &filter("rules: [r]\nselection: {u|startswith: adm_}\ncondition: selection");
    assert_eq!(run(&yaml).hits("id-r"), BTreeSet::from(["adm"]));
    let yaml = rule("r", R) + &filter("rules: [r]\nselection: {u: [bob, ana]}\nother: {u: ana}\ncondition: not selection or other");
    assert_eq!(run(&yaml).hits("id-r"), BTreeSet::from(["adm", "ana", "none"]));
    // Every event that the rule does not match stays one.
    assert!(!run(&yaml).hits("id-r").contains("else"));
}

#[test]
fn only_the_rules_that_are_named_are_filtered() {
    let yaml = rule("r", R) + &rule("s", R) + &rule("t", R) + &not_bob("[r, id-t]");
    let seen = run(&yaml);
    assert!(!seen.hits("id-r").contains("bob") && seen.hits("id-s").contains("bob") && !seen.hits("id-t").contains("bob"));
}

#[test]
fn several_filters_of_a_rule_all_hold() {
    let two = rule("r", R)
        + &not_bob("[r]")
        + &filter("rules: [r]\nselection: {u: ana}\ncondition: not selection").replace("id: filter", "id: second").replace("title: Filter", "title: Second");
    assert_eq!(run(&two).hits("id-r"), BTreeSet::from(["adm", "none"]));
}

#[test]
fn a_filter_names_its_rules() {
    refused(&(rule("r", R) + &filter("selection: {u: bob}\ncondition: not selection")), "rules");
    for missing in ["[]", "null", "''", "{r: r}", "[7]"] {
        refused(&(rule("r", R) + &not_bob(missing)), "rules");
    }
    refused(&(rule("r", R) + &not_bob("[nobody]")), "nobody");
    refused(&(rule("r", R) + &not_bob("[r, nobody]")), "nobody");
    refused(&(rule("r", R) + &rule("s", R).replace("Rule s", "Rule r") + &not_bob("[Rule r]")), "could mean 2 rules");
}

#[test]
fn any_rule_is_meant_where_any_is_spelled() {
    let broad = rule("r", "product: test") + &rule("s", "product: TEST") + &rule("else", "product: windows");
    let seen = run(&(broad + &not_bob("any")));
    assert!(!seen.hits("id-r").contains("bob") && !seen.hits("id-s").contains("bob"));
    assert_eq!(seen.hits("id-r").len(), 3);
}

/// The product, with a service and a category of it.
fn services() -> auditmill::source::SourceSet {
    let text = "id: test\ntitle: T\nlogsource: [{product: test, service: a, category: c}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n";
    auditmill::source::SourceSet::load(&[("test.yml".into(), text.into())]).expect("the source")
}

#[test]
fn the_logsource_of_a_filter_must_fit() {
    let sources = services();
    let with = |own: &str, filters: &str, names: &str| rule("r", own) + &not_bob(names).replace("{product: test}", &format!("{{{filters}}}"));
    for (own, filters, fits) in [
        ("product: test", "product: test", true),
        ("product: test", "product: Test", true),
        // What a filter leaves open it does not ask.
        ("product: test, service: a", "product: test", true),
        ("product: test, category: c", "category: c", true),
        ("product: test, service: a, category: c", "product: test, service: a", true),
        // It is for less than the rule, or for something else.
        ("product: test", "product: test, service: a", false),
        ("product: test, service: a", "product: test, category: c", false),
        ("product: test, service: a", "product: test, service: b", false),
        ("product: test", "product: windows", false),
    ] {
        let any = scan_bytes(&sources, &rules(&with(own, filters, "any")), vec![("log".into(), ndjson(&events()))], 1);
        assert_eq!(any.hits("id-r").contains("bob"), !fits, "any: {own} under {filters}");
        // A filter that names a rule it is not for does nothing, and says so.
        let named = rules(&with(own, filters, "[r]"));
        let seen = scan_bytes(&sources, &named, vec![("log".into(), ndjson(&events()))], 1);
        assert_eq!(seen.hits("id-r").contains("bob"), !fits, "{own} under {filters}");
        assert_eq!(named.notes.iter().any(|n| n.contains("logsource")), !fits, "{own} under {filters}: {:?}", named.notes);
    }
}

#[test]
fn a_filter_on_a_correlation_is_never_ignored() {
    let correlation =
        "---\ntitle: C\nid: c\nname: c\ncorrelation: {type: event_count, rules: [r], group-by: [u], timespan: 1m, condition: {gte: 1}}\nlevel: high\n";
    refused(&(rule("r", R) + correlation + &not_bob("[c]")), "correlation");
    // Over the rules of a correlation it decides what is counted.
    let seen = run(&(rule("r", R) + correlation + &not_bob("[r]")));
    let users: BTreeSet<&str> = seen.findings.iter().filter(|f| f.rule == "C").map(|f| f.entity[0].1.as_str()).collect();
    assert_eq!(users, BTreeSet::from(["adm_eve", "ana"]));
    // `any` is any detection.
    let seen = run(&(rule("r", R) + correlation + &not_bob("any")));
    assert_eq!(seen.findings.iter().filter(|f| f.rule == "C").count(), 2);
}

#[test]
fn names_of_selections_of_a_rule_and_of_its_filter_do_not_meet() {
    // Both have a `selection`; the rule's patterns do not see the filter's selections, nor the filter's the rule's.
    let all = rule("r", R).replace("condition: selection", "condition: all of *");
    let own = filter("rules: [r]\nselection: {u: ana}\nselection_2: {u: bob}\ncondition: 1 of selection*");
    assert_eq!(run(&(all.clone() + &own)).hits("id-r"), BTreeSet::from(["ana", "bob"]));
    let them = filter("rules: [r]\nselection_1: {u: ana}\nselection_2: {u: bob}\ncondition: not 1 of them");
    assert_eq!(run(&(all.clone() + &them)).hits("id-r"), BTreeSet::from(["adm", "none"]));
    let negated = rule("r", R).replace("  condition: selection", "  unwanted: {u: adm_eve}\n  condition: selection and not 1 of unwanted*");
    let pattern = filter("rules: [r]\nunwanted_user: {u: bob}\ncondition: not unwanted_user");
    assert_eq!(run(&(negated + &pattern)).hits("id-r"), BTreeSet::from(["ana", "none"]));
    // A name of the rule's is none of the filter's.
    refused(&(rule("r", R) + &filter("rules: [r]\nunwanted: {u: bob}\ncondition: not selection")), "selection");
    refused(&(rule("r", R) + &filter("rules: [r]\nunwanted: {u: bob}\ncondition: 1 of selection*")), "fits no selection");
}

#[test]
fn a_rule_of_several_conditions_is_filtered_as_a_whole() {
    let several = rule("r", R).replace("  condition: selection", "  second: {f: y}\n  condition: [selection, second]");
    assert_eq!(run(&(several.clone() + &not_bob("[r]"))).hits("id-r"), BTreeSet::from(["adm", "ana", "else", "none"]));
    let ana = filter("rules: [r]\nselection: {u: ana}\ncondition: not selection");
    assert_eq!(run(&(several + &ana)).hits("id-r"), BTreeSet::from(["adm", "bob", "none"]));
}

#[test]
fn a_filter_that_says_nothing_clear_is_refused() {
    for (lines, says) in [
        ("rules: [r]\nselection: {u: bob}", "condition"),
        ("rules: [r]\nselection: {u: bob}\ncondition: not selecton", "selecton"),
        ("rules: [r]\nselection: {u: bob}\ncondition: not", ""),
        ("rules: [r]\nselection: {u|unknown: bob}\ncondition: not selection", "unknown"),
        ("rules: [r]\nselection: {}\ncondition: not selection", "empty"),
        ("rules: [r]\ncondition: not selection", "selection"),
    ] {
        refused(&(rule("r", R) + &filter(lines)), says);
    }
    for other in ["[]", "x", "null"] {
        refused(&(rule("r", R) + &format!("---\ntitle: Filter\nid: filter\nlogsource: {{product: test}}\nfilter: {other}\n")), "filter");
    }
}

#[test]
fn in_a_pack_a_filter_that_does_not_load_is_named() {
    let place = Place::new();
    place.write("source.yml", "id: test\ntitle: T\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id}\n");
    place.write("rules/r.yml", rule("r", R)).write("rules/filters/f.yml", not_bob("[nobody]")).write("log", ndjson(&events()));
    let args = ["scan", "log", "--sources", "source.yml", "--rules", "rules", "--format", "json", "--matches", "m", "--force"];
    let document = place.run(&args).exits(0).says("filters/f.yml").says("nobody").json();
    assert_eq!(document["rule_problems"].as_array().map(Vec::len), Some(1));
    assert_eq!(lines_of(&place.read("m")).len(), 4);
    place.run(&[&args[..], &["--strict"]].concat()).exits(2);
    // Across files of a pack it finds its rule.
    place.write("rules/filters/f.yml", not_bob("[id-r]"));
    place.run(&args).exits(0);
    assert_eq!(lines_of(&place.read("m")).len(), 3);
}

#[test]
fn a_filter_may_use_lists_and_columns() {
    let place = Place::new();
    let events: Vec<Value> = ["ana", "bob", "eve"]
        .iter()
        .map(|u| json!({"eventID": u, "eventVersion": "1", "eventSource": "s", "eventName": "n", "eventTime": "2024-01-15T10:00:00Z", "userIdentity": {"type": "IAMUser", "userName": u}}))
        .collect();
    place.write("log", ndjson(&events)).write("vars.yml", "lists: {own: [ana, bob]}\n");
    place.write(
        "rules.yml",
        "title: R\nid: r\nname: r\nlogsource: {product: aws}\ndetection: {s: {eventName: n}, condition: s}\n---\ntitle: F\nid: f\nlogsource: {product: aws}\nfilter:\n  rules: [r]\n  s: {userIdentity.userName|expand: '%own%'}\n  condition: not s\n",
    );
    place.run(&["scan", "log", "--rules", "rules.yml", "--vars", "vars.yml", "--matches", "m"]).exits(0);
    let ids: Vec<Value> = lines_of(&place.read("m")).iter().map(|m| m["event_id"].clone()).collect();
    assert_eq!(ids, ["eve"]);
    // With the list unset it is not said that the filtered rule ran: nothing is hidden without a word, nor shown as if it were filtered.
    let document = place.run(&["scan", "log", "--rules", "rules.yml", "--format", "json"]).exits(0).json();
    let rule = document["rules"].as_array().and_then(|r| r.iter().find(|r| r["id"] == "r")).cloned().expect("the rule");
    assert!(rule["state"] == "not assessable" && rule["reason"].as_str().is_some_and(|r| r.contains("own")), "{rule}");
}

// ------------------------------------------------------------------------------------------------------------- generated

/// A filter before its rules are chosen: its detection, whether it is for any rule, and which it names.
type Draft = (Value, bool, Vec<Index>);

#[test]
fn generated_filters_hide_what_their_own_condition_hides() {
    // Both the rules and the filters, as rules of their own, are put to the oracle; a filtered rule is their conjunction.
    let draft = |nulls: bool| {
        let own = (detection(nulls), condition()).prop_map(|(mut d, c)| {
            d["condition"] = c.into();
            d
        });
        (own, proptest::bool::weighted(0.2), vec(any::<Index>(), 1..4))
    };
    let batches =
        any::<bool>().prop_flat_map(move |nulls| (vec(detection(nulls), 4..12), vec(draft(nulls), 1..5), vec(body(nulls), 8..20), select(vec![1usize, 2])));
    let (pairs, hits, hidden) = (Cell::new(0usize), Cell::new(0usize), Cell::new(0usize));
    let result = generator("filters", 100).run(&batches, |(detections, drafts, bodies, threads): (Vec<Value>, Vec<Draft>, Vec<Value>, usize)| {
        let targets = |(_, any, picks): &Draft| -> BTreeSet<usize> {
            if *any { (0..detections.len()).collect() } else { picks.iter().map(|i| i.index(detections.len())).collect() }
        };
        let mut yaml = yaml_of(&detections);
        for (i, draft) in drafts.iter().enumerate() {
            let mut section = draft.0.clone();
            // By id and by name.
            let names: Vec<String> = targets(draft).into_iter().map(|t| if t % 2 == 0 { format!("r{t}") } else { format!("name-{t}") }).collect();
            section["rules"] = if draft.1 { json!("any") } else { json!(names) };
            yaml += &format!(
                "---\n{}\n",
                json!({"title": format!("F{i}"), "id": format!("f{i}"), "sigma-version": 3, "logsource": {"product": "test"}, "filter": section})
            );
        }
        let events: Vec<Value> = bodies.into_iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", b)).collect();
        let set = try_rules(&yaml).map_err(TestCaseError::fail)?;
        let ours = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events))], threads).matches;
        let oracle = |detections: &[Value]| Oracle::new(&yaml_of(detections)).map_err(TestCaseError::fail);
        let (rules, filters) = (oracle(&detections)?, oracle(&drafts.iter().map(|d| d.0.clone()).collect::<Vec<_>>())?);
        for e in &events {
            let id = e["id"].as_str().unwrap_or_default().to_owned();
            let (matched, kept) = (rules.hits(e), filters.hits(e));
            for r in 0..detections.len() {
                let fails = |(i, d): (usize, &Draft)| targets(d).contains(&r) && !kept.contains(&format!("r{i}"));
                let bare = matched.contains(&format!("r{r}"));
                let expected = bare && !drafts.iter().enumerate().any(fails);
                pairs.set(pairs.get() + 1);
                hits.set(hits.get() + usize::from(expected));
                hidden.set(hidden.get() + usize::from(bare && !expected));
                prop_assert_eq!(ours.contains(&(format!("r{r}"), id.clone())), expected, "r{} on {}\n{}", r, e, yaml);
            }
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let (pairs, hits, hidden) = (pairs.get(), hits.get(), hidden.get());
    assert!(pairs >= 5_000 && hits * 20 > pairs && hidden * 20 > pairs, "{hits} hits, {hidden} hidden, of {pairs} pairs");
}
