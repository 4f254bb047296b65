//! `auditmill sources`: the list, the common language, the lint, the tests that mappings carry, and the JSON Schema.

use crate::common::{Place, ndjson, own_rules, own_sources, project, scan_bytes, yaml_files};
use auditmill::rule::lint::Severity;
use auditmill::source::activities::Activities;
use auditmill::source::keys;
use auditmill::source::lint::{Check, Lint, MappingFile, lint};
use auditmill::source::mapping::Mapping;
use auditmill::source::schema::{mapping_schema, mapping_schema_text};
use auditmill::source::{ACTIVITIES_FILE, CONTAINERS_FILE, SourceSet};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A mapping without a fault, with a test that passes.
const VAULT: &str = "\
id: acme_vault
title: Acme Vault
logsource:
  - {product: acme, service: [vault, audit]}
detect:
  - has: [vault_event, at, actor]
time: [at, {path: at_ms, format: epoch_ms}]
columns:
  event_id: id
  action: vault_event
  user: [actor.mail, actor.name]
  ip: {path: actor.address, as: ip}
  status: {path: outcome, map: {ok: success, denied: failed}}
  changes: {json: diff}
  mfa: {path: second, as: bool}
activity:
  key: action
  map:
    signin: {activity: user.login, category: authentication}
retention: 90d
tests:
  - name: a login
    event: {vault_event: signin, at: 2024-01-15T10:00:00Z, actor: {mail: ana@acme.com, address: '203.0.113.7:4711'}, outcome: ok, second: true, diff: {a: [1, 2]}}
    expect: {time: '2024-01-15T11:00:00+01:00', user: ana@acme.com, ip: 203.0.113.7, status: success, activity: user.login, mfa: true, resource: ~, changes: {a: [1, 2]}}
";

fn own_files() -> Vec<MappingFile> {
    let beside = |name: &str| name.ends_with(ACTIVITIES_FILE) || name.ends_with(CONTAINERS_FILE);
    yaml_files("sources").into_iter().filter(|(n, _)| !beside(n)).map(|(file, text)| MappingFile { file, text, own: true }).collect()
}

fn activities() -> Activities {
    let path = project().join("sources").join(ACTIVITIES_FILE);
    Activities::parse(&std::fs::read_to_string(path).expect("the activities"), ACTIVITIES_FILE).expect("the activities")
}

/// Checks texts as files of a folder.
fn check(files: &[(&str, &str)]) -> Lint {
    let files: Vec<MappingFile> = files.iter().map(|(n, t)| MappingFile { file: (*n).into(), text: (*t).into(), own: false }).collect();
    lint(&files, &[], &activities())
}

// ---------------------------------------------------------------------------------------------- list

#[test]
fn the_list_names_every_mapping() {
    let place = Place::new();
    let ran = place.run(&["sources", "list"]).exits(0).says("mappings");
    for file in own_files() {
        let id = file.file.trim_start_matches("sources/").trim_end_matches(".yml").to_owned();
        assert!(ran.text().lines().any(|l| l.trim_start().starts_with(&format!("{id} "))), "{id}{}", ran.dump());
    }
    place.write("mine/vault.yml", VAULT);
    let json = place.run(&["sources", "list", "--format", "json", "--sources", "default", "--sources", "mine"]).exits(0).json();
    let list = json["sources"].as_array().expect("sources");
    let vault = list.iter().find(|s| s["id"] == "acme_vault").expect("the own mapping");
    assert_eq!(vault["built_in"], false);
    assert_eq!(vault["file"], "mine/vault.yml");
    assert_eq!(vault["logsources"], json!(["product=acme service=vault", "product=acme service=audit"]));
    assert_eq!((vault["activities"].as_u64(), vault["tests"].as_u64()), (Some(1), Some(1)));
    assert_eq!(vault["formats"], json!(["text", "epoch_ms"]));
    assert!(vault["hash"].as_str().is_some_and(|h| h.len() == 12));
    assert!(list.iter().filter(|s| s["built_in"] == true).count() == own_files().len());
    place.run(&["sources", "list", "--format", "markdown"]).exits(2).says("--activities");
}

/// `sources/ACTIVITIES.md` is the common language as a page.
#[test]
fn the_page_of_activities_is_the_generated_one() {
    let ran = Place::new().run(&["sources", "list", "--activities"]).exits(0);
    let path = project().join("sources/ACTIVITIES.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &ran.out).expect("the page");
    }
    assert!(
        std::fs::read(&path).unwrap_or_default() == ran.out,
        "sources/ACTIVITIES.md is not made of the mappings that are here: run the tests once with UPDATE_GENERATED=1"
    );
    for name in activities().0.keys() {
        assert!(ran.text().contains(&format!("| {} |", name.replace('_', "\\_"))), "{name} is not on the page");
    }
}

#[test]
fn the_common_language_as_json() {
    let place = Place::new();
    place.write("vault.yml", VAULT);
    let json = place.run(&["sources", "list", "--activities", "--format", "json", "--sources", "default", "--sources", "vault.yml"]).exits(0).json();
    assert_eq!(json["schema"], "auditmill.activities/v1");
    let list = json["activities"].as_array().expect("activities");
    let login = list.iter().find(|a| a["activity"] == "user.login").expect("user.login");
    assert_eq!(login["category"], "authentication");
    assert!(login["names"].as_array().is_some_and(|n| n.iter().any(|n| n["source"] == "acme_vault" && n["name"] == "signin")), "{login:#}");
    let known: Vec<&Value> = list.iter().filter(|a| a["category"].is_null()).collect();
    assert!(known.is_empty(), "activities that are not in activities.yml: {known:?}");
    assert!(list.len() >= 60);
}

// ---------------------------------------------------------------------------------------------- lint

#[test]
fn the_built_in_mappings_have_no_fault() {
    let result = lint(&own_files(), &[], &activities());
    let bad: Vec<String> = result.findings.iter().map(|f| format!("{}:{}: {}: {} ({})", f.file, f.line, f.check.id(), f.message, f.help)).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(result.files >= 3);
}

#[test]
fn a_mapping_without_a_fault() {
    let result = check(&[("vault.yml", VAULT)]);
    assert!(result.findings.is_empty(), "{:?}", result.findings);
}

/// Each check with a change of the faultless mapping that triggers it, and the line at which it must.
fn cases() -> Vec<(Check, String, usize)> {
    let with = |from: &str, to: &str| {
        assert!(VAULT.contains(from), "{from}");
        VAULT.replacen(from, to, 1)
    };
    let line = |text: &str, what: &str| text.lines().position(|l| l.contains(what)).map_or(0, |i| i + 1);
    let case = |check: Check, from: &str, to: &str, at: &str| {
        let text = with(from, to);
        let line = line(&text, at);
        (check, text, line)
    };
    vec![
        (Check::NotLoaded, "title: x\nid: [\n".into(), 2),
        case(Check::NotLoaded, "  event_id: id", "  event_id: true", "event_id: true"),
        case(Check::UnknownKey, "title: Acme Vault", "title: Acme Vault\ntitel: x", "titel"),
        case(Check::UnknownKey, "as: ip", "az: ip", "az: ip"),
        case(Check::MissingKey, "time: [at, {path: at_ms, format: epoch_ms}]\n", "", "id: acme"),
        case(Check::MissingKey, "{path: outcome, map:", "{map:", "{map:"),
        case(Check::MissingTitle, "title: Acme Vault\n", "", "id: acme"),
        case(Check::IdForm, "id: acme_vault", "id: Acme-Vault", "id: Acme"),
        case(Check::MissingLogsource, "logsource:\n  - {product: acme, service: [vault, audit]}\n", "logsource: []\n", "logsource"),
        case(Check::WeakDetect, "has: [vault_event, at, actor]", "has: [vault_event]", "has: [vault_event]"),
        case(Check::SameDetect, "  - has: [vault_event, at, actor]", "  - has: [vault_event, at, actor]\n  - has: [actor, at, vault_event]", "has: [actor, at"),
        case(Check::UnknownColumn, "  action: vault_event", "  action: vault_event\n  usr: x", "usr: x"),
        case(Check::UnknownColumn, "  event_id: id", "  event_id: $idd", "$idd"),
        case(Check::UnknownColumn, "  event_id: id", "  event_id: id\n  raw: x", "raw: x"),
        case(Check::PathForm, "actor.address", "actor..address", "actor..address"),
        case(Check::PathForm, "actor.address", "'actor[0.address'", "actor[0.address"),
        case(Check::PathForm, "[vault_event, at, actor]", "[vault_event, at, 'actor[0]']", "'actor[0]'"),
        case(Check::Regex, "{path: actor.address, as: ip}", "{path: actor.address, capture: '(', as: ip}", "capture"),
        case(Check::Regex, "{path: actor.address, as: ip}", "{path: actor.address, capture: 'x', as: ip}", "capture"),
        case(Check::TimeFormat, "epoch_ms", "epoch_millis", "epoch_millis"),
        case(Check::TimeFormat, "format: epoch_ms}", "zone: Mars/Olympus}", "Olympus"),
        case(Check::UnknownConversion, "as: ip", "as: address", "as: address"),
        case(Check::ColumnValue, "denied: failed", "denied: failure", "failure"),
        case(Check::UnreachableExpression, "[actor.mail, actor.name]", "[{const: x}, actor.name]", "const: x"),
        case(Check::EmptyColumn, "  user: [actor.mail, actor.name]\n", "", "columns:"),
        case(Check::UnknownActivity, "user.login, category", "user.loginn, category", "user.loginn"),
        case(Check::CategoryDiffers, "category: authentication", "category: iam", "category: iam"),
        case(Check::CategoryDiffers, "{activity: user.login, category: authentication}", "{activity: user.login}", "signin: {"),
        case(Check::UnknownCategory, "category: authentication", "category: auth", "category: auth"),
        case(Check::SameName, "    signin:", "    'SignIn ': {activity: user.login, category: authentication}\n    signin:", "    signin:"),
        case(
            Check::UnreachableEntry,
            "{activity: user.login, category: authentication}",
            "[{activity: user.login, category: authentication},\n      {when: {$status: failed}, activity: user.login_failed, category: authentication}]",
            "login_failed",
        ),
        case(Check::DurationForm, "retention: 90d", "retention: ninety", "ninety"),
        (Check::MissingTests, VAULT.split("tests:").next().unwrap_or_default().to_owned(), 1),
        case(Check::TestsShape, "    event: {", "    record: {", "- name"),
    ]
}

#[test]
fn every_check_fires_where_the_fault_is() {
    let mut fired: BTreeSet<Check> = [Check::IdReused].into();
    for (expected, text, line) in cases() {
        let result = check(&[("vault.yml", &text)]);
        let found = result.findings.iter().find(|f| f.check == expected);
        let all: Vec<String> = result.findings.iter().map(|f| format!("{}: {}: {} ({})", f.line, f.check.id(), f.message, f.help)).collect();
        let found = found.unwrap_or_else(|| panic!("{} does not fire: {all:#?}\n{text}", expected.id()));
        assert_eq!(found.line, line, "{}: {all:#?}\n{text}", expected.id());
        assert!(!found.help.is_empty() && !found.message.contains('\n'));
        fired.insert(expected);
    }
    let reused = check(&[("a.yml", VAULT), ("b.yml", VAULT)]);
    assert!(reused.findings.iter().any(|f| f.check == Check::IdReused && f.file == "b.yml" && f.line == 1), "{reused:?}");
    assert!(reused.findings.iter().any(|f| f.check == Check::SameDetect && f.file == "b.yml"), "{reused:?}");
    assert_eq!(fired.len(), Check::ALL.len(), "a check without a case");
}

/// Where the lint finds no error the loader finds none, and the other way round.
#[test]
fn what_does_not_load_has_an_error() {
    // The loader leaves the tests to the command that runs them.
    const LOADS: &[Check] = &[Check::MissingTitle, Check::MissingLogsource, Check::TestsShape];
    for (expected, text, _) in cases() {
        let loads = auditmill::source::mapping::Mapping::parse(&text, "vault.yml");
        let result = check(&[("vault.yml", &text)]);
        let errors = result.findings.iter().filter(|f| f.severity == Severity::Error && !LOADS.contains(&f.check)).count();
        assert!(loads.is_ok() || result.count(Severity::Error) > 0, "{}: {:?}\n{text}", expected.id(), loads.err());
        let errors = if expected == Check::TestsShape { 0 } else { errors };
        assert!(loads.is_err() || errors == 0, "{}: loads, with an error\n{text}", expected.id());
    }
}

/// What the loader reads, the lint and the schema know.
#[test]
fn a_time_is_cut_out_of_a_longer_text() {
    let text = VAULT.replace("time: [at,", "time: [{path: at, capture: '^(\\S+)', zone: Europe/Berlin},");
    assert!(text.contains("capture"), "{text}");
    assert!(check(&[("vault.yml", &text)]).findings.is_empty() && faults(&text).is_empty(), "{:?} {:?}", check(&[("vault.yml", &text)]), faults(&text));
    let bad = text.replace("'^(\\S+)'", "'^\\S+'");
    assert!(check(&[("vault.yml", &bad)]).findings.iter().any(|f| f.check == Check::Regex && f.line == 7), "{bad}");
}

#[test]
fn exit_statuses_and_outputs_of_the_lint() {
    let place = Place::new();
    let bad = VAULT.replace("category: authentication", "category: auth");
    place.write("good/vault.yml", VAULT).write("bad/deep/vault.yml", &bad).write("warned.yml", VAULT.replace("denied: failed", "denied: failure"));
    place.run(&["sources", "lint", "good"]).exits(0).says("0 errors, 0 warnings, 0 notes in 1 file");
    place.run(&["sources", "lint", "--sources", "good/"]).exits(0);
    let ran = place.run(&["sources", "lint", "bad/"]).exits(1);
    assert!(ran.text().starts_with("bad/deep/vault.yml:19: error[unknown-category]: `auth` is not a category\n  help: "), "{}", ran.dump());
    place.run(&["sources", "lint", "warned.yml"]).exits(0).says("1 warning");
    place.run(&["sources", "lint", "warned.yml", "--strict"]).exits(1);
    place.run(&["sources", "lint", "absent.yml"]).exits(2).says("no such file");
    place.run(&["sources", "lint"]).exits(0);
    let json = place.run(&["sources", "lint", "bad", "--format", "json"]).exits(1).json();
    assert_eq!((&json["schema"], &json["counts"]["error"]), (&json!("auditmill.sources-lint/v1"), &json!(1)));
    assert_eq!(json["findings"][0]["id"], "unknown-category");
    // A changed copy of a built-in mapping is no conflict with it.
    place.write("copy.yml", std::fs::read(project().join("sources/ops0.yml")).expect("the mapping"));
    let copy = place.run(&["sources", "lint", "copy.yml"]).exits(0);
    assert!(!copy.text().contains("id-reused") && !copy.text().contains("same-detect"), "{}", copy.dump());
    let listed = place.run(&["sources", "lint", "--list"]).exits(0);
    assert_eq!(listed.text().lines().count(), Check::ALL.len());
}

/// `sources/LINT.md` is the table as a page.
#[test]
fn the_page_of_checks_is_the_table() {
    let mut page = String::from(
        "# Checks of `auditmill sources lint`\n\nMade from the table of checks by a test; run it with UPDATE_GENERATED=1 to write this page anew.\n\n| check | severity | in the built-in mappings | what is wrong |\n|---|---|---|---|\n",
    );
    for check in Check::ALL {
        let describes = check.describe().replace('|', "\\|").replace('<', "\\<");
        page.push_str(&format!("| {} | {} | {} | {describes} |\n", check.id(), check.severity(false).name(), check.severity(true).name()));
    }
    let path = project().join("sources/LINT.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).expect("the page");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "sources/LINT.md is not the table: run the tests once with UPDATE_GENERATED=1");
}

#[test]
fn text_of_a_mapping_cannot_drive_the_terminal() {
    let place = Place::new();
    place.write("a.yml", VAULT.replace("category: authentication", "category: \"a\\e[31m\\u202e\\nb\""));
    let ran = place.run(&["sources", "lint", "a.yml"]).exits(1);
    assert!(!ran.text().contains(['\u{1b}', '\u{202e}']), "{}", ran.dump());
}

#[test]
fn a_faulty_mapping_ends_every_command_with_file_line_and_help() {
    let place = Place::new();
    place.write("mine/vault.yml", VAULT.replace("actor.address", "actor..address"));
    place.write("format.yml", VAULT.replace("epoch_ms", "epoch_millis")).write("yaml.yml", "id: x\ntitle: [\n");
    place.write("log.ndjson", "{\"vault_event\":\"signin\",\"at\":\"2024-01-15T10:00:00Z\",\"actor\":{}}\n");
    for command in
        [&["scan", "log.ndjson"][..], &["events", "log.ndjson"], &["inspect", "log.ndjson"], &["sources", "list"], &["sources", "test"], &["rules", "list"]]
    {
        place
            .run(&[command, &["--sources", "default", "--sources", "mine"]].concat())
            .exits(2)
            .says("mine/vault.yml:12: ")
            .says("actor..address")
            .says("help: ");
        place.run(&[command, &["--sources", "format.yml"]].concat()).exits(2).says("format.yml:7: ").says("known are: text, epoch_s, epoch_ms");
        place.run(&[command, &["--sources", "yaml.yml"]].concat()).exits(2).says("yaml.yml:").says("help: ");
    }
}

/// A run compiles what it reads: the built-in mappings that it does not ask for are known to compile, and to be those that the
/// loader makes of the whole file.
#[test]
fn built_in_mappings_are_compiled_when_they_are_used() {
    let whole = own_sources();
    let lazy = SourceSet::load_beside(&yaml_files("sources"), &[]).expect("the project's sources");
    let record = json!({"timestamp": "2024-01-15T14:31:00Z", "user": "ana@acme.com", "action": "user.login", "status": "success"});
    assert_eq!(lazy.detect(&record).map(|s| lazy.mappings()[s].id.as_str()), Some("ops0"));
    let compiled: Vec<&str> = lazy.mappings().iter().filter(|m| m.is_compiled()).map(|m| m.id.as_str()).collect();
    assert_eq!(compiled, ["auditmill"], "a source that relays others is asked for by every run");
    for (a, b) in lazy.mappings().iter().zip(whole.mappings()) {
        let of = |m: &Mapping| format!("{} {} {:?} {:?} {:?} {}", m.id, m.hash, m.logsources, m.aliases, m.relayed, m.relays());
        assert_eq!((of(a), format!("{:?}", a.detect)), (of(b), format!("{:?}", b.detect)));
        assert_eq!((a.retention, a.delivery_lag, &a.export_limits, &a.containers), (b.retention, b.delivery_lag, &b.export_limits, &b.containers));
        let of = |m: &Mapping| {
            let r = m.reading();
            let columns: Vec<_> = r.columns.iter().map(|c| (c.column, c.paths.len(), c.columns.clone())).collect();
            format!("{columns:?} {:?} {:?} {}", r.paths, r.activities, r.known_actions.len())
        };
        assert_eq!(of(a), of(b), "{}", a.id);
    }
}

/// A scan of one source leaves the others alone.
#[test]
fn a_scan_compiles_the_sources_that_it_reads() {
    let lazy = SourceSet::load_beside(&yaml_files("sources"), &[]).expect("the project's sources");
    let record = json!({"timestamp": "2024-01-15T14:31:00Z", "user": "ana@acme.com", "action": "user.login", "status": "failed"});
    let seen = scan_bytes(&lazy, &own_rules(), vec![("log.ndjson".into(), ndjson(&[record]))], 2);
    assert_eq!(seen.totals.accepted, 1);
    let compiled: Vec<&str> = lazy.mappings().iter().filter(|m| m.is_compiled()).map(|m| m.id.as_str()).collect();
    assert_eq!(compiled, ["auditmill", "ops0"]);
}

// ---------------------------------------------------------------------------------------------- test

#[test]
fn the_tests_of_the_built_in_mappings_pass() {
    let ran = Place::new().run(&["sources", "test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.dump());
}

#[test]
fn tests_of_a_mapping_pass_and_fail() {
    let place = Place::new();
    place.write("vault.yml", VAULT);
    let ran = place.run(&["sources", "test", "--sources", "vault.yml"]).exits(0);
    assert_eq!(ran.text(), "1 tests of 1 mappings: 1 passed, 0 failed; 0 mappings carry no test\n");
    let fail = |from: &str, to: &str, says: &[&str]| {
        assert!(VAULT.contains(from), "{from}");
        place.write("bad.yml", VAULT.replace(from, to));
        let ran = place.run(&["sources", "test", "--sources", "bad.yml"]).exits(1);
        for text in says {
            assert!(ran.text().contains(text), "{text}{}", ran.dump());
        }
    };
    fail("status: success", "status: failed", &["FAILED bad.yml:22: acme_vault: a login: status: expected `failed`, is `success`"]);
    fail("user: ana@acme.com, ip", "user: ~, ip", &["user: expected null, is `ana@acme.com`"]);
    fail("changes: {a: [1, 2]}}", "changes: {a: [2, 1]}}", &["changes: expected"]);
    fail("11:00:00+01:00", "11:00:00Z", &["time: expected"]);
    fail("resource: ~", "resource: x, region: y", &["2 columns differ", "resource: expected `x`, is null", "region: expected `y`, is null"]);
    fail("event: {vault_event: signin", "event: {event: signin", &["no event: no source knows this record"]);
    fail("at: 2024-01-15T10:00:00Z", "at: soon", &["no event: the time `soon` cannot be read"]);
    fail("resource: ~", "colour: red", &["`colour` is not an event column"]);
    fail("resource: ~", "source: okta", &["source: expected `okta`, is `acme_vault`"]);
    fail("    event: {", "    record: {", &["the test has no `event`"]);
    fail(
        "    expect: {",
        "    events: [{action: signin}, {action: signin}]\n    source: acme_vault\n    name2: {",
        &["2 events expected, the record gives 1 event"],
    );
}

#[test]
fn one_record_of_several_events() {
    let place = Place::new();
    let text = "id: many\ntitle: Many\nlogsource: [{product: many}]\ndetect: [{has: [list, when]}]\neach: list\ntime: [when]\ncolumns: {action: list.name}\ntests:\n  - event: {when: 2024-01-15T10:00:00Z, list: [{name: b}, {name: a}]}\n    events: [{action: b}, {action: a}]\n";
    place.write("many.yml", text);
    place.run(&["sources", "test", "--sources", "many.yml"]).exits(0);
    place.write("many.yml", text.replace("[{action: b}, {action: a}]", "[{action: a}, {action: b}]"));
    let ran = place.run(&["sources", "test", "--sources", "many.yml"]).exits(1);
    assert!(ran.text().contains("event 1: action: expected `a`, is `b`"), "{}", ran.dump());
}

#[test]
fn results_of_tests_as_junit() {
    let place = Place::new();
    place.write("vault.yml", VAULT.replace("status: success", "status: failed"));
    place.run(&["sources", "test", "--sources", "vault.yml", "--format", "junit", "-o", "out.xml"]).exits(1).says("1 tests: 0 passed, 1 failed");
    let xml = place.read_text("out.xml");
    assert!(xml.contains("<testsuites name=\"auditmill sources test\" tests=\"1\" failures=\"1\""), "{xml}");
    assert!(xml.contains("file=\"vault.yml\" line=\"22\""), "{xml}");
    place.run(&["sources", "test", "--sources", "vault.yml", "-o", "out.xml"]).exits(2).says("the file exists");
    place.write("none.yml", VAULT.split("tests:").next().unwrap_or_default());
    place.run(&["sources", "test", "--sources", "none.yml"]).exits(0).says("note: a mapping's tests");
}

// ---------------------------------------------------------------------------------------------- schema

const SCHEMA: &str = "sources/mapping.schema.json";

fn faults(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&mapping_schema()).expect("a valid schema");
    let value: Value = yaml_serde::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn the_checked_in_schema_is_the_generated_one() {
    let path = project().join(SCHEMA);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, mapping_schema_text()).expect("the schema file");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == mapping_schema_text(), "{SCHEMA} is not what src/source/schema.rs generates: run the tests once with UPDATE_GENERATED=1");
    assert_eq!(Place::new().run(&["sources", "schema"]).exits(0).text(), mapping_schema_text());
    assert!(jsonschema::meta::is_valid(&mapping_schema()));
}

#[test]
fn every_built_in_mapping_is_valid() {
    for file in own_files() {
        let found = faults(&file.text);
        assert!(found.is_empty(), "{}: {}", file.file, found.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
    }
    assert!(faults(VAULT).is_empty(), "{:?}", faults(VAULT));
}

#[test]
fn the_schema_knows_the_words_of_the_language() {
    for (from, to) in [
        ("title: Acme Vault", "titel: Acme Vault"),
        ("as: ip", "as: address"),
        ("denied: failed", "denied: failure"),
        ("epoch_ms", "epoch_millis"),
        ("category: authentication", "category: auth"),
        ("retention: 90d", "retention: ninety"),
        ("  action: vault_event", "  actoin: vault_event"),
        ("{path: outcome, map", "{path: outcome, const: x, map"),
        ("has: [vault_event, at, actor]", "has: []"),
        ("    event: {", "    record: {"),
    ] {
        assert!(VAULT.contains(from), "{from}");
        assert!(!faults(&VAULT.replacen(from, to, 1)).is_empty(), "{to}");
    }
    let schema = mapping_schema();
    let properties: BTreeSet<&str> = schema["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
    assert_eq!(properties, keys::top_level().iter().copied().collect());
}
