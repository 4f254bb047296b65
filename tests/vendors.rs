//! Real events of many vendors: each under its own source, every expected value filled, none of them another.
//!
//! The events stand in `../shared`; what they should give was read from them by other hands (`expected.ndjson`).

use crate::common::{Place, shared};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where ours differs from what was expected, and why ours is right: source, line, column, reason.
const DIFFERENT: &[(&str, usize, &str, &str)] = &[];

/// Where a value was expected and ours is null: source, line, column, reason.
const NOT_SAID: &[(&str, usize, &str, &str)] = &[];

const COLUMNS: [&str; 7] = ["time", "user", "action", "ip", "status", "resource", "user_agent"];

fn vendors() -> Option<Vec<(String, PathBuf)>> {
    let root = shared("data/audit")?;
    let mut out: Vec<(String, PathBuf)> = std::fs::read_dir(root)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.join("events.ndjson").exists())
        .map(|p| (p.file_name().expect("a name").to_string_lossy().into_owned(), p))
        .collect();
    out.sort();
    Some(out)
}

/// Normalised events of a path by file and record, in order.
fn events(place: &Place, path: &str) -> BTreeMap<(String, u64), Vec<Value>> {
    let ran = place.run(&["events", path, "-q", "--show-secrets"]).exits(0);
    let mut out: BTreeMap<(String, u64), Vec<Value>> = BTreeMap::new();
    for row in ran.lines() {
        let at = (row["file"].as_str().expect("a file").to_owned(), row["record"].as_u64().expect("a record"));
        out.entry(at).or_default().push(row);
    }
    out
}

fn same(column: &str, ours: &Value, expected: &Value) -> bool {
    let (Some(a), Some(b)) = (ours.as_str(), expected.as_str()) else { return ours == expected };
    match column {
        // Ours is cut to microseconds.
        "time" => micros(a) == micros(b),
        "ip" => a.parse::<IpAddr>().ok() == b.parse::<IpAddr>().ok(),
        _ => a == b,
    }
}

fn micros(text: &str) -> i64 {
    let utc = |t: &str| chrono::DateTime::parse_from_rfc3339(t).map(|t| t.timestamp_micros());
    utc(text).or_else(|_| utc(&format!("{text}Z"))).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn lines(path: &Path) -> Vec<Value> {
    crate::common::lines_of(&std::fs::read(path).expect("a file"))
}

#[test]
fn every_event_gives_what_a_careful_reader_takes_from_it() {
    let Some(vendors) = vendors() else { return };
    let (mut wrong, mut asked, mut filled) = (Vec::new(), 0, 0);
    for (source, folder) in &vendors {
        let place = Place::new();
        // An exact duplicate is one event: the line before stands for it.
        let (raw, expected) = (lines(&folder.join("events.ndjson")), lines(&folder.join("expected.ndjson")));
        let found = events(&place, folder.join("events.ndjson").to_str().expect("UTF-8"));
        let (mut of_source, mut there) = (0, 0);
        for (i, want) in expected.iter().enumerate() {
            let first = raw.iter().position(|r| *r == raw[i]).unwrap_or(i);
            let rows = found.get(&("events.ndjson".into(), first as u64 + 1));
            let Some(row) = rows.and_then(|r| r.first()) else {
                wrong.push(format!("{source}:{}: not read", i + 1));
                continue;
            };
            if row["source"] != json!(source) {
                wrong.push(format!("{source}:{}: read as {}", i + 1, row["source"]));
            }
            for column in COLUMNS {
                if want[column].is_null() {
                    continue;
                }
                of_source += 1;
                let listed = |list: &[(&str, usize, &str, &str)]| list.iter().any(|(s, n, c, _)| (*s, *n, *c) == (source, i + 1, column));
                if row[column].is_null() {
                    if !listed(NOT_SAID) {
                        wrong.push(format!("{source}:{}: {column} is null, expected {}", i + 1, want[column]));
                    }
                    continue;
                }
                there += 1;
                if same(column, &row[column], &want[column]) == listed(DIFFERENT) {
                    wrong.push(format!("{source}:{}: {column} is {}, expected {}", i + 1, row[column], want[column]));
                }
            }
        }
        assert!(there * 100 >= of_source * 98, "{source}: {there} of {of_source} expected values are filled");
        asked += of_source;
        filled += there;
    }
    assert!(wrong.is_empty(), "{} of {asked} values:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 2_000 && filled * 100 >= asked * 98, "{filled} of {asked}");
}

/// What a file of `shapes/` holds: its source and its events.
const SHAPES: &[(&str, &str, usize)] = &[
    ("123837392027_CloudTrail_us-east-1_20230710T1220Z_aBcDeFgHiJkLmNoP.json.gz", "aws_cloudtrail", 25),
    ("PT1H.json", "azure_activity", 20),
    ("auth0_management_api_logs.json", "auth0", 25),
    ("azure_eventhub_records.json", "azure_activity", 20),
    ("cloudtrail_cloudwatch_subscription.json", "aws_cloudtrail", 6),
    ("cloudtrail_lookup_events.json", "aws_cloudtrail", 8),
    ("entra_signin_portal.csv", "entra_signin", 15),
    ("gcs_sink_00-00-00_00-59-59_S0.json", "gcp_audit", 25),
    ("github_bom_crlf_blank_lines.ndjson", "github_audit", 6),
    ("github_export_org.csv", "github_audit", 30),
    ("github_pretty_concatenated.json", "github_audit", 6),
    ("github_stream_1685465626.json.log.gz", "github_audit", 30),
    ("okta_eventbridge.json", "okta_system", 1),
];

#[test]
fn every_shape_is_read_under_its_source_alone_and_together() {
    let Some(root) = shared("data/audit/shapes") else { return };
    let rule = crate::common::everything();
    let place = Place::new();
    let scan = |path: &Path| place.run(&["scan", path.to_str().expect("UTF-8"), "--rules", &rule, "--format", "json", "-q"]).exits(0).json();
    let together = scan(&root);
    let count = std::fs::read_dir(&root).expect("a folder").count();
    assert_eq!(count, SHAPES.len(), "each shape is named above");
    for (name, source, events) in SHAPES {
        for document in [&scan(&root.join(name)), &together] {
            let file = document["files"].as_array().expect("files").iter().find(|f| f["name"] == json!(name)).expect("the file");
            assert_eq!((&file["source"], file["rejected"].as_u64()), (&json!(source), Some(0)), "{file}");
            assert_eq!(file["read"].as_u64(), Some(*events as u64), "{file}");
        }
    }
}

#[test]
fn events_of_all_vendors_in_one_file_stay_with_their_sources() {
    let Some(vendors) = vendors() else { return };
    let place = Place::new();
    // One event of each vendor after another, round and round.
    let texts: Vec<(String, Vec<String>)> = vendors
        .iter()
        .map(|(source, folder)| (source.clone(), std::fs::read_to_string(folder.join("events.ndjson")).expect("a file").lines().map(str::to_owned).collect()))
        .collect();
    let longest = texts.iter().map(|t| t.1.len()).max().unwrap_or_default();
    let mut mixed: Vec<(&str, &str)> = Vec::new();
    for i in 0..longest {
        mixed.extend(texts.iter().filter_map(|(source, lines)| lines.get(i).map(|l| (source.as_str(), l.as_str()))));
    }
    let bodies: Vec<&str> = mixed.iter().map(|m| m.1).collect();
    for (name, text) in
        [("lines", bodies.join("\n")), ("array", format!("[{}]", bodies.join(","))), ("wrapped", format!("{{\"records\":[{}]}}", bodies.join(",")))]
    {
        place.write(name, text);
        let found = events(&place, name);
        for (i, (source, body)) in mixed.iter().enumerate() {
            let first = bodies.iter().position(|b| b == body).unwrap_or(i);
            let rows = found.get(&(name.into(), first as u64 + 1)).unwrap_or_else(|| panic!("{name}:{}: not read: {body}", i + 1));
            assert_eq!(rows[0]["source"], json!(source), "{name}:{}: {body}", i + 1);
        }
    }
}
