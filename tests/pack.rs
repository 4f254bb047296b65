//! Our own rules as they are shipped.

use crate::common::{Place, own_rule_files, own_rules};
use auditmill::event::time::parse_duration;
use auditmill::rule::behaviour::{BehaviourKind, Rarity};
use auditmill::rule::load::{RuleFile, load_rules};
use auditmill::rule::meta::Expectation;
use auditmill::rule::vars::Vars;
use auditmill::rule::{Body, Rule};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn every_rule_passes_its_own_tests() {
    let ran = Place::new().run(&["rules", "test"]).exits(0);
    let text = ran.text();
    assert!(text.contains(" 0 failed") && !text.contains("FAILED"), "{}", ran.dump());
    let tests: usize = text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number of tests");
    assert!(tests >= 300, "{}", ran.dump());
}

#[test]
fn the_embedded_rules_are_the_files_of_the_folder() {
    let place = Place::new();
    place.write("log", r#"{"timestamp":"2024-01-15T10:00:00Z","user":"ana@acme.com","action":"user.login","status":"success"}"#);
    let listed = |document: &Value| -> BTreeSet<(String, String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        document["rules"].as_array().expect("rules").iter().map(|r| (text(&r["id"]), text(&r["title"]), text(&r["file"]))).collect()
    };
    let embedded = listed(&place.run(&["scan", "log", "--format", "json"]).exits(0).json());
    let own = own_rules().rules.iter().map(|r| (r.meta.id.clone(), r.meta.title.clone(), r.meta.file.clone())).collect();
    assert_eq!(embedded, own);
    let ran = place.run(&["rules", "list"]).exits(0).says(&format!("{} rules, 0 not loaded", embedded.len()));
    assert!(ran.text().lines().next().is_some_and(|l| l.contains("TITLE")), "{}", ran.dump());
}

#[test]
fn ids_names_and_titles_are_unique_and_the_name_is_the_file() {
    let set = own_rules();
    let keys: [fn(&Rule) -> String; 3] = [|r| r.meta.id.clone(), |r| r.meta.name.clone().unwrap_or_default(), |r| r.meta.title.clone()];
    for of in keys {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for rule in &set.rules {
            if let Some(other) = seen.insert(of(rule), &rule.meta.file) {
                panic!("{} and {other} share `{}`", rule.meta.file, of(rule));
            }
        }
    }
    let mut documents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in &set.rules {
        documents.entry(&rule.meta.file).or_default().push(rule.meta.name.as_deref().expect("a name"));
        let id = &rule.meta.id;
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert!(parts == [8, 4, 4, 4, 12] && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{}: `{id}` is not a UUID", rule.meta.file);
    }
    for (file, names) in documents {
        let stem = file.rsplit('/').next().and_then(|f| f.strip_suffix(".yml")).expect("a .yml file");
        assert!(names.contains(&stem), "{file} holds no rule named {stem}, but {names:?}");
    }
}

#[test]
fn every_rule_has_a_test_that_matches_and_one_that_does_not() {
    let set = own_rules();
    let mut bases: BTreeSet<usize> = BTreeSet::new();
    for rule in &set.rules {
        if let Body::Correlation(c) = &rule.body {
            bases.extend(c.rules.iter().map(|r| set.find(r, &rule.meta.file).expect("a base")));
        }
    }
    let mut tested = 0;
    for (i, rule) in set.rules.iter().enumerate() {
        let has = |e: Expectation| rule.meta.tests.iter().any(|t| t.expect == e && !t.events.is_empty());
        let only_a_base = bases.contains(&i) && rule.meta.tests.is_empty();
        assert!(only_a_base || (has(Expectation::Match) && has(Expectation::NoMatch)), "{}: {}", rule.meta.file, rule.meta.title);
        tested += usize::from(!only_a_base);
    }
    assert!(tested * 10 >= set.rules.len() * 8, "{tested} of {} rules carry tests", set.rules.len());
}

#[test]
fn the_thresholds_of_the_variables_file_are_the_rules_own() {
    let text = std::fs::read_to_string(crate::common::project().join("rules/vars.yml")).expect("vars.yml");
    let vars = Vars::parse(&text, "vars.yml").expect("vars.yml");
    let lists_only = Vars { thresholds: BTreeMap::new(), ..vars.clone() };
    let files: Vec<RuleFile> = own_rule_files().into_iter().map(|(file, text)| RuleFile { file, text, required: true }).collect();
    let set = load_rules(files, &lists_only);
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for rule in &set.rules {
        let name = rule.meta.name.as_deref().expect("a name");
        if let Body::Behaviour(b) = &rule.body {
            let limits: (Option<f64>, Option<i64>) = match &b.kind {
                BehaviourKind::Spike(v) | BehaviourKind::Silence(v) => (Some(v.floor as f64), Some(v.timespan)),
                BehaviourKind::RareValue { rarity: Rarity::FewerThan { limit, .. }, .. } => (Some(*limit as f64), None),
                BehaviourKind::Dormant { after } => (None, Some(*after)),
                _ => continue,
            };
            let own = vars.thresholds.get(name).unwrap_or_else(|| panic!("{name} has no threshold in vars.yml"));
            assert_eq!((own.gte, own.timespan.as_deref().and_then(parse_duration)), limits, "{name}");
            named.insert(name);
            continue;
        }
        let Body::Correlation(c) = &rule.body else { continue };
        let own = vars.thresholds.get(name).unwrap_or_else(|| panic!("{name} has no threshold in vars.yml"));
        let gte: Vec<f64> = c.limits.iter().filter(|l| l.is_lower_bound()).map(|l| l.value).collect();
        assert_eq!(own.gte.into_iter().collect::<Vec<f64>>(), gte, "{name}: gte");
        assert_eq!(own.timespan.as_deref().and_then(parse_duration), Some(c.timespan), "{name}: timespan");
        assert!(c.weakened.is_none(), "{name}");
        named.insert(name);
    }
    assert_eq!(vars.thresholds.keys().map(String::as_str).collect::<BTreeSet<_>>(), named, "vars.yml names a rule that is not there");
}

#[test]
fn every_placeholder_has_a_list_in_the_variables_file() {
    let vars = crate::common::own_vars();
    for (file, text) in own_rule_files() {
        let keyed = text.lines().filter(|l| l.contains("|expand")).flat_map(|l| l.split('%').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
        let needed = text
            .lines()
            .filter_map(|l| l.strip_prefix("needs_lists: ["))
            .flat_map(|l| l.trim_end_matches(']').split(", ").map(str::to_owned).collect::<Vec<_>>());
        for name in keyed.chain(needed) {
            assert!(vars.list(&name).is_some(), "{file}: %{name}% is not in rules/vars.yml");
        }
    }
}
