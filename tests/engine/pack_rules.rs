//! Every detection of our own rules over real records: the same (rule, record) pairs as the oracle.

use super::Oracle;
use crate::common::{Place, lines_of, own_rule_files, own_vars, project, samples, shared};
use auditmill::event::derived::Derived;
use auditmill::rule::vars::Vars;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use yaml_serde::{Mapping, Value as Yaml};

/// Rules left out of the comparison, each with the exception that is the reason. Empty is the aim.
const LEFT_OUT: &[(&str, &str)] = &[];

/// A detection of our own rules, as the oracle can load it.
struct PackRule {
    id: String,
    name: String,
    /// Uses our event columns, not the vendor's fields.
    columns: bool,
    /// Category that the logsource asks for; the oracle does not look at it.
    category: Option<String>,
    yaml: String,
}

/// Our own detections that are assessable, with the lists put in place of their placeholders: the oracle knows no lists.
fn detections() -> Vec<PackRule> {
    let vars = own_vars();
    let mut out = Vec::new();
    for (file, text) in own_rule_files() {
        for (_, document) in auditmill::rule::load::split_documents(&text) {
            let mut doc: Mapping = yaml_serde::from_str(&document).unwrap_or_else(|e| panic!("{file}: {e}"));
            let text_of = |doc: &Mapping, key: &str| doc.get(key).and_then(Yaml::as_str).map(str::to_owned);
            let Some(detection) = doc.get("detection").cloned() else { continue };
            let needed = doc.get("needs_lists").and_then(Yaml::as_sequence).cloned().unwrap_or_default();
            let unset = |name: &str| vars.list(name).is_none_or(<[String]>::is_empty);
            if needed.iter().filter_map(Yaml::as_str).any(unset) {
                continue;
            }
            let Some(plain) = without_lists(&detection, &vars) else { continue };
            doc.insert("detection".into(), plain);
            let name = text_of(&doc, "name").unwrap_or_else(|| panic!("{file}: no name"));
            // What is derived from columns is no key of the events that the oracle reads.
            let keys = yaml_serde::to_string(&doc.get("detection")).expect("YAML");
            if Derived::ALL.iter().any(|d| keys.contains(&format!("{d}:")) || keys.contains(&format!("{d}|"))) {
                continue;
            }
            if LEFT_OUT.iter().any(|(n, _)| *n == name) {
                continue;
            }
            let logsource = doc.get("logsource").and_then(Yaml::as_mapping).cloned().unwrap_or_default();
            out.push(PackRule {
                id: text_of(&doc, "id").unwrap_or_else(|| panic!("{file}: no id")),
                name,
                columns: text_of(&doc, "taxonomy").as_deref() == Some("auditmill"),
                category: text_of(&logsource, "category"),
                yaml: yaml_serde::to_string(&doc).expect("YAML"),
            });
        }
    }
    out
}

/// The detection with each `%list%` written out; `None` where a list is not set.
fn without_lists(value: &Yaml, vars: &Vars) -> Option<Yaml> {
    match value {
        Yaml::Mapping(map) => {
            let mut out = Mapping::new();
            for (key, v) in map {
                let name = key.as_str().expect("a text key");
                let expands = name.split('|').skip(1).any(|m| m == "expand");
                let (plain, v) = if expands { (name.replace("|expand", ""), written_out(v, vars)?) } else { (name.to_owned(), without_lists(v, vars)?) };
                assert!(out.insert(plain.as_str().into(), v).is_none(), "{plain} stands twice once its list is written out");
            }
            Some(Yaml::Mapping(out))
        }
        Yaml::Sequence(items) => items.iter().map(|i| without_lists(i, vars)).collect::<Option<_>>().map(Yaml::Sequence),
        other => Some(other.clone()),
    }
}

fn written_out(value: &Yaml, vars: &Vars) -> Option<Yaml> {
    let templates = match value {
        Yaml::Sequence(items) => items.clone(),
        one => vec![one.clone()],
    };
    let mut out = Vec::new();
    for template in templates {
        let template = template.as_str().expect("a text").to_owned();
        let (before, rest) = template.split_once('%').expect("a placeholder");
        let (name, after) = rest.split_once('%').expect("a whole placeholder");
        assert!(!after.contains('%') && !before.ends_with('\\'), "one placeholder a text is all that this test can write out: {template}");
        out.extend(vars.list(name)?.iter().map(|entry| Yaml::from(format!("{before}{entry}{after}"))));
    }
    Some(Yaml::Sequence(out))
}

/// (rule name, event) of each match. An event is named by its id, since of exact duplicates only one is judged, else by its place.
type Pairs = BTreeSet<(String, String)>;

fn event_name(id: &Value, file: &str, record: u64) -> String {
    id.as_str().map_or_else(|| format!("{file}:{record}"), str::to_owned)
}

/// What the binary matches in these paths.
fn ours(paths: &[PathBuf], rules: &[PackRule]) -> Pairs {
    let place = Place::new();
    let mut args: Vec<&str> = vec!["scan", "--matches", "matches.ndjson", "--format", "json", "-q"];
    args.extend(paths.iter().map(|p| p.to_str().expect("UTF-8")));
    let ran = place.run(&args);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.dump());
    let names: BTreeMap<&str, &str> = rules.iter().map(|r| (r.id.as_str(), r.name.as_str())).collect();
    lines_of(&place.read("matches.ndjson"))
        .iter()
        .filter_map(|m| {
            let name = names.get(m["rule_id"].as_str()?)?;
            Some(((*name).to_owned(), event_name(&m["event_id"], m["file"].as_str()?, m["record"].as_u64()?)))
        })
        .collect()
}

/// What the oracle matches in these events.
fn oracles(events: &[(String, Value)], rules: &[PackRule]) -> Pairs {
    let mut out = Pairs::new();
    for rule in rules {
        let oracle = Oracle::new(&rule.yaml).unwrap_or_else(|e| panic!("{}: the oracle does not load it: {e}", rule.name));
        for (name, event) in events {
            let fits = !rule.columns || rule.category.is_none() || event["category"].as_str() == rule.category.as_deref();
            if fits && !oracle.hits(event).is_empty() {
                out.insert((rule.name.clone(), name.clone()));
            }
        }
    }
    out
}

#[track_caller]
fn assert_equal(ours: &Pairs, oracle: &Pairs) {
    let show = |pairs: &[&(String, String)]| pairs.iter().take(20).map(|(rule, event)| format!("  {rule} {event}\n")).collect::<String>();
    let (more, less): (Vec<_>, Vec<_>) = (ours.difference(oracle).collect(), oracle.difference(ours).collect());
    assert!(
        more.is_empty() && less.is_empty(),
        "{} matches of ours alone:\n{}{} matches of the oracle alone:\n{}",
        more.len(),
        show(&more),
        less.len(),
        show(&less)
    );
}

/// The records of the CloudTrail files below a folder.
fn cloudtrail_records(folder: &Path) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for entry in walkdir::WalkDir::new(folder).into_iter().map(|e| e.expect("an entry")).filter(|e| e.file_type().is_file()) {
        let name = entry.path().strip_prefix(folder).expect("below").display().to_string();
        let mut bytes = std::fs::read(entry.path()).expect("a file");
        if name.ends_with(".gz") {
            let packed = std::mem::take(&mut bytes);
            flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).expect("gzip");
        } else if !name.ends_with(".json") {
            continue;
        }
        let document: Value = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let records = document["Records"].as_array().unwrap_or_else(|| panic!("{name}: no Records"));
        out.extend(records.iter().enumerate().map(|(i, r)| (event_name(&r["eventID"], &name, i as u64 + 1), r.clone())));
    }
    out
}

fn vendor_rules_agree(folder: &Path, least_rules: usize, least_pairs: usize) {
    let (rules, _): (Vec<_>, Vec<_>) = detections().into_iter().partition(|r| !r.columns);
    let records = cloudtrail_records(folder);
    let (mine, theirs) = (ours(&[folder.to_path_buf()], &rules), oracles(&records, &rules));
    assert_equal(&mine, &theirs);
    let hit: BTreeSet<&str> = theirs.iter().map(|p| p.0.as_str()).collect();
    assert!(hit.len() >= least_rules && theirs.len() >= least_pairs, "only {} rules hit, {} times: {hit:?}", hit.len(), theirs.len());
}

#[test]
fn vendor_rules_over_the_attack_records() {
    let Some(folder) = shared("data/cloudtrail-attack") else { return };
    vendor_rules_agree(&folder, 10, 100);
}

#[test]
fn vendor_rules_over_our_own_samples() {
    let Some(folder) = samples("cloudtrail") else { return };
    vendor_rules_agree(&folder, 3, 5);
}

/// Normalised events of these paths: null columns left out (a column that a log does not fill is absent), `raw` as the record.
fn normalised(paths: &[PathBuf]) -> Vec<(String, Value)> {
    let place = Place::new();
    let mut args: Vec<&str> = vec!["events", "--format", "ndjson", "--show-secrets", "-q"];
    args.extend(paths.iter().map(|p| p.to_str().expect("UTF-8")));
    let ran = place.run(&args);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.dump());
    ran.lines()
        .into_iter()
        .map(|mut event| {
            let map = event.as_object_mut().expect("an object");
            map.retain(|_, v| !v.is_null());
            let raw = map.get("raw").and_then(Value::as_str).map(|t| serde_json::from_str::<Value>(t).expect("the record is JSON"));
            map.insert("raw".into(), raw.expect("raw"));
            (event_name(&event["event_id"], event["file"].as_str().expect("file"), event["record"].as_u64().expect("record")), event)
        })
        .collect()
}

#[test]
fn column_rules_over_normalised_events() {
    let mut paths: Vec<PathBuf> = [shared("data/cloudtrail-attack"), shared("data/audit/aws_cloudtrail/events.ndjson")].into_iter().flatten().collect();
    paths.extend(["cloudtrail", "ops0"].into_iter().filter_map(samples));
    if paths.is_empty() {
        return;
    }
    let (rules, _): (Vec<_>, Vec<_>) = detections().into_iter().partition(|r| r.columns);
    let events = normalised(&paths);
    let (mine, theirs) = (ours(&paths, &rules), oracles(&events, &rules));
    assert_equal(&mine, &theirs);
    let hit: BTreeSet<&str> = theirs.iter().map(|p| p.0.as_str()).collect();
    assert!(hit.len() >= 5 && theirs.len() >= 50, "only {} rules hit, {} times: {hit:?}", hit.len(), theirs.len());
}

#[test]
fn most_rules_are_compared() {
    let all: usize = own_rule_files().iter().map(|(_, text)| text.lines().filter(|l| *l == "detection:").count()).sum();
    let compared = detections().len();
    assert!(compared * 10 >= all * 8, "{compared} of {all} detections of {} are compared", project().display());
}
