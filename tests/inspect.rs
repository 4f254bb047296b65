//! `auditmill inspect`: what it says of files, and that what it proposes reads the file it was made from.

use crate::common::{Place, Ran, ndjson, samples};
use auditmill::finding::inspect::{InspectRequest, inspect};
use auditmill::finding::scan::{Period, Window};
use auditmill::output::inspect::write_text;
use auditmill::output::table::Style;
use auditmill::source::discover::{Discovered, Input, Origin};
use auditmill::source::propose::propose;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// The file of a name in a document.
fn file<'j>(document: &'j Value, name: &str) -> &'j Value {
    document["files"].as_array().expect("files").iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("{name} is not in {document:#}"))
}

/// Events of a log that no source knows.
fn unknown(n: usize) -> Vec<Value> {
    (0..n)
        .map(|i| {
            json!({
                "@ts": 1_704_103_200_000_i64 + i as i64 * 1000,
                "meta": {"event id": format!("e-{i}"), "list[0]": 1, "": 2},
                "actor": {"id": i % 5, "mail": format!("user{}@acme.com", i % 5)},
                "vault.op": (["sign in", "read.secret", "it's \"quoted\""])[i % 3],
                "client": {"addr": format!("203.0.113.{}:443", i % 200), "user-agent": "curl/8.4.0"},
                "outcome": (["granted", "denied"])[i % 2],
                "target": {"name": format!("secret/{}", i % 7), "mail": "other@acme.com"},
                "a..b": 1, "$user": "x", "ключ": "z", "turn\u{202e}ed": true,
            })
        })
        .collect()
}

#[test]
fn a_known_log_is_told_with_its_reason() {
    let Some(folder) = samples("cloudtrail") else { return };
    let place = Place::new();
    let path = folder.display().to_string();
    let document = place.run(&["inspect", &path, "--format", "json", "--quiet"]).exits(0).json();
    assert_eq!(document["schema"], "auditmill.inspect/v1");
    assert!(document["coverage"]["sources"].as_array().is_some_and(|s| s.iter().any(|s| s["source"] == "aws_cloudtrail")), "{:#}", document["coverage"]);
    let files = document["files"].as_array().expect("files");
    assert!(!files.is_empty());
    for f in files {
        assert_eq!(f["state"], "read", "{f:#}");
        assert_eq!(f["sources"][0]["id"], "aws_cloudtrail");
        assert!(f["sources"][0]["detected_by"][0]["has"].as_array().is_some_and(|h| h.contains(&json!("eventName"))), "{f:#}");
        assert_eq!(f["read"].as_u64(), Some(["accepted", "rejected", "duplicates"].iter().filter_map(|k| f[k].as_u64()).sum()));
        assert!(f["first"].is_string() && f["last"].is_string() && !f["containers"].as_array().expect("a list").is_empty());
    }
    let source = &document["sources"][0];
    let accepted: u64 = files.iter().filter_map(|f| f["accepted"].as_u64()).sum();
    assert_eq!(source["events"].as_u64(), Some(accepted), "a duplicate is not counted in columns");
    let action = source["columns"].as_array().expect("columns").iter().find(|c| c["column"] == "action").expect("action");
    assert_eq!((action["events"].as_u64(), action["share"].as_f64()), (Some(accepted), Some(1.0)));
    let names = source["names_without_activity"].as_array().expect("names");
    let counts: Vec<u64> = names.iter().filter_map(|n| n["events"].as_u64()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "most frequent first");
    assert_eq!(counts.iter().sum::<u64>(), source["without_activity"].as_u64().expect("a number"));
}

#[test]
fn files_without_events_come_first_and_say_why() {
    let place = Place::new();
    place.write("logs/a.ndjson", "{\"timestamp\":\"2024-01-15T10:00:00Z\",\"user\":\"ana\",\"action\":\"user.login\",\"id\":\"1\"}\n{\"timestamp\":\"soon\",\"user\":\"ana\",\"action\":\"user.login\",\"id\":\"2\"}\n");
    place.write("logs/notes.txt", "hello\n").write("logs/z.ndjson", ndjson(&unknown(3))).write("logs/empty.json", "");
    place.write("logs/near.ndjson", "{\"timestamp\":\"2024-01-15T10:00:00Z\",\"user\":\"ana\",\"acton\":\"user.login\"}\n");
    let ran = place.run(&["inspect", "logs"]).exits(3);
    let order: Vec<usize> =
        ["empty.json: unreadable", "near.ndjson: unknown source", "notes.txt: not a log", "z.ndjson: unknown source", "a.ndjson: partly read"]
            .iter()
            .map(|t| ran.text().find(t).unwrap_or_else(|| panic!("{t} is missing{}", ran.dump())))
            .collect();
    assert!(order.is_sorted(), "{}", ran.dump());
    assert!(ran.text().contains("tried: ops0, alternative 3: has timestamp, user; lacks action"), "{}", ran.dump());
    assert!(ran.text().contains("rejected: record 2: the time `soon` cannot be read"), "{}", ran.dump());
    let json = place.run(&["inspect", "logs", "--format", "json"]).exits(3).json();
    assert_eq!(json["exit_status"], json!([3]));
    let near = file(&json, "near.ndjson");
    let ops0 = near["nearest"].as_array().expect("a list").iter().find(|n| n["source"] == "ops0").expect("ops0 was tried");
    assert_eq!((&ops0["missing"], &ops0["where_holds"]), (&json!(["action"]), &json!(true)), "{near:#}");
    assert_eq!(file(&json, "a.ndjson")["rejected"], 1);
}

#[test]
fn the_same_at_any_number_of_threads() {
    let place = Place::new();
    place.write("logs/z.ndjson", ndjson(&unknown(400))).write("logs/y.ndjson", ndjson(&unknown(30)));
    let one = place.run(&["inspect", "logs", "--threads", "1", "--format", "json"]).exits(3);
    let four = place.run(&["inspect", "logs", "--threads", "4", "--format", "json"]).exits(3);
    assert!(one.out == four.out && !one.out.is_empty(), "{}", one.dump());
}

/// Proposes, writes, reads again with what was written: every event, and these columns.
#[track_caller]
fn proposed_and_used(name: &str, bytes: &[u8], events: usize, columns: &[&str]) -> (Ran, Vec<Value>) {
    let place = Place::new();
    place.write(name, bytes).write("sources/keep.txt", "");
    place.run(&["scan", name]).exits(3);
    let shown = place.run(&["inspect", name]).exits(3).says("is proposed");
    let written = place.run(&["inspect", name, "--write", "sources/own.yml"]).exits(3).says("is written to sources/own.yml");
    let text = place.read_text("sources/own.yml");
    assert!(shown.text().contains(&text), "what is shown is what is written{}", shown.dump());
    assert!(!written.text().contains("logsource:"), "{}", written.dump());
    place.run(&["inspect", name, "--write", "sources/own.yml"]).exits(2).says("the file exists");
    place.run(&["inspect", name, "--write", "sources/own.yml", "--force"]).exits(3);
    let lint = place.run(&["sources", "lint", "sources/"]).exits(0);
    assert!(!lint.text().contains("error"), "{}", lint.dump());
    let again = place.run(&["events", name, "--sources", "default", "--sources", "sources/"]).exits(0);
    let lines = again.lines();
    assert_eq!(lines.len(), events, "{}{}", text, again.dump());
    for column in columns {
        let empty = lines.iter().filter(|l| l[column].is_null()).count();
        assert_eq!(empty, 0, "{column} is empty in {empty} of {events} events\n{text}");
    }
    place.run(&["inspect", name, "--sources", "default", "--sources", "sources/"]).exits(0);
    (shown, lines)
}

const ALL: &[&str] = &["event_id", "action", "status", "user", "ip", "resource", "user_agent"];

#[test]
fn a_mapping_is_proposed_for_ndjson_with_odd_names() {
    let (shown, lines) = proposed_and_used("Odd näme (1).ndjson", &ndjson(&unknown(60)), 60, ALL);
    assert!(!shown.text().contains('\u{202e}'), "{}", shown.dump());
    assert_eq!(lines[1]["time"], "2024-01-01T10:00:01Z");
    let columns = ["event_id", "action", "status", "user", "ip", "resource", "user_agent"].map(|c| lines[1][c].as_str().unwrap_or_default());
    assert_eq!(columns, ["e-1", "read.secret", "failed", "user1@acme.com", "203.0.113.1", "secret/1", "curl/8.4.0"]);
}

#[test]
fn a_mapping_is_proposed_for_csv_with_odd_names() {
    let mut text = String::from(
        "When (local),\"Entry.Id\",\"User \"\"who\"\"\",Action: name,Client IP,\"Was it\tsuccessful\",Target [x],Resource name,User-Agent,größe\r\n",
    );
    for i in 0..50 {
        text.push_str(&format!(
            "{:02}.02.2024 10:{i:02}:00,{i},user{}@acme.com,\"a, {}\",2001:db8::{i},{},x,=cmd|{},Mozilla/5.0 (X11),\"7\n8\"\r\n",
            1 + i / 2,
            i % 3,
            i % 4,
            if i % 5 == 0 { "No" } else { "Yes" },
            i % 6
        ));
    }
    let (_, lines) = proposed_and_used("2024-02.csv", text.as_bytes(), 50, &["action", "status", "user", "ip", "resource", "user_agent"]);
    assert_eq!((lines[49]["time"].as_str(), lines[49]["source"].as_str()), (Some("2024-02-25T10:49:00Z"), Some("own_log")));
    assert_eq!((lines[0]["status"].as_str(), lines[1]["status"].as_str()), (Some("failed"), Some("success")));
}

#[test]
fn a_mapping_is_proposed_for_one_object_around_all_events() {
    let events: Vec<Value> = (0..12).map(|i| json!({"created_at": format!("2024-01-15T10:{i:02}:00+02:00"), "uuid": format!("u{i}"), "user_name": "ana", "operation": "x", "http_status": 200 + (i % 2) * 203})).collect();
    let text = json!({"exported_at": "2024-02-01T00:00:00Z", "auditEntries": events}).to_string();
    let (shown, lines) = proposed_and_used("wrapped.json", text.as_bytes(), 12, &["event_id", "action", "user", "status"]);
    assert!(shown.text().contains("each: auditEntries"), "{}", shown.dump());
    assert_eq!((lines[1]["time"].as_str(), lines[1]["status"].as_str()), (Some("2024-01-15T08:01:00Z"), Some("failed")));
}

#[test]
fn standard_input_gets_a_proposal_too() {
    let place = Place::new();
    let ran = place.run_with(&["inspect", "-"], &[], &ndjson(&unknown(10))).exits(3).says("is proposed");
    assert!(ran.text().contains("id: own_log"), "{}", ran.dump());
}

#[test]
fn two_logs_get_two_proposals_and_like_files_one() {
    let place = Place::new();
    let other: Vec<Value> = (0..9).map(|i| json!({"eventAt": format!("2024-03-01 00:0{i}:00"), "badge": i, "door": "north", "who": "ana"})).collect();
    place.write("logs/a1.ndjson", ndjson(&unknown(9))).write("logs/a2.ndjson", ndjson(&unknown(20))).write("logs/b.ndjson", ndjson(&other));
    let json = place.run(&["inspect", "logs", "--format", "json"]).exits(3).json();
    let proposals = json["proposals"].as_array().expect("proposals");
    assert_eq!(proposals.len(), 2, "{json:#}");
    assert_eq!(proposals[0]["reads"].as_array().map(Vec::len), Some(2), "{json:#}");
    for p in proposals {
        assert!(p["guesses"].as_array().is_some_and(|g| g.iter().any(|g| g["column"] == "time")), "{p:#}");
    }
}

#[test]
fn what_holds_no_time_gets_no_proposal() {
    let place = Place::new();
    place.write("a.ndjson", "{\"a\":1,\"b\":2}\n{\"a\":2,\"b\":3}\n");
    let ran = place.run(&["inspect", "a.ndjson", "--write", "x.yml"]).exits(3).says("no mapping is proposed for a.ndjson: none of its fields holds a time");
    assert!(!place.path("x.yml").exists(), "{}", ran.dump());
    place.run(&["inspect", "a.ndjson", "--write", "x.txt"]).exits(2).says("end in .yml");
}

#[test]
fn day_and_month_that_cannot_be_told_apart_are_said_so() {
    let rows = |days: &[(u32, u32)]| -> Vec<String> {
        days.iter().enumerate().map(|(i, (a, b))| json!({"zeit": format!("{a:02}/{b:02}/2024 10:00"), "n": i, "wer": "x"}).to_string()).collect()
    };
    let text = |days: &[(u32, u32)]| propose("a.csv", &rows(days), &[]).expect("a proposal").text;
    assert!(text(&[(3, 4), (1, 2)]).contains("CHECK"));
    assert!(text(&[(13, 4), (1, 2)]).contains("%d/%m/%Y") && !text(&[(13, 4), (1, 2)]).contains("CHECK"));
    assert!(text(&[(1, 13), (1, 2)]).contains("%m/%d/%Y"));
}

#[test]
fn rejects_of_inspect_are_written_whole() {
    let place = Place::new();
    place.write("a.ndjson", ndjson(&unknown(40)));
    place.run(&["inspect", "a.ndjson", "--rejects", "r.ndjson"]).exits(3);
    assert_eq!(place.read_text("r.ndjson").lines().count(), 40);
}

#[test]
fn text_of_a_log_cannot_drive_the_terminal_and_lines_fit() {
    let hostile: Vec<Value> = (0..4).map(|i| json!({"timestamp": format!("2024-01-15T10:0{i}:00Z"), "user": "x", "action": format!("evil\u{1b}[31m\u{202e}{}", "long ".repeat(60)), "id": i})).collect();
    let inputs = vec![
        Input { name: "h\u{1b}[2J.ndjson".into(), origin: Origin::Bytes(Arc::new(ndjson(&hostile))), named: true },
        Input { name: "u.ndjson".into(), origin: Origin::Bytes(Arc::new(ndjson(&unknown(5)))), named: true },
    ];
    let found = Discovered { inputs, rejects: Vec::new() };
    let request =
        InspectRequest { found, sources: crate::common::own_sources(), threads: 1, window: Window::Fixed(Period::ALL), tell_places: false, progress: &|_| {} };
    let result = inspect(request, &mut |_, _| Ok(())).expect("an inspection");
    for width in [60, 80, 200] {
        let mut out = Vec::new();
        write_text(&result, Style { width: Some(width), color: false }, &mut out).expect("text");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        let longest = text.lines().map(|l| l.chars().count()).max().unwrap_or_default();
        assert!(longest <= usize::from(width), "{longest} of {width}\n{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever the names: what is proposed loads, and reads the records that it was made from.
    #[test]
    fn every_proposal_loads(names in prop::collection::vec("\\PC{1,12}|[a-z.\\[\\]$'\": \\-#&*!|>%@`{},?]{1,10}", 3..7), values in prop::collection::vec("\\PC{0,12}", 7)) {
        let records: Vec<String> = (0..6)
            .map(|i| {
                let mut map: serde_json::Map<String, Value> = names.iter().zip(&values).map(|(n, v)| (n.clone(), json!(v))).collect();
                map.insert("time of it".into(), json!(format!("2024-01-15T10:00:0{i}Z")));
                Value::Object(map).to_string()
            })
            .collect();
        if let Ok(p) = propose("a.json", &records, &[]) {
            let set = auditmill::source::SourceSet::load(&[("a.yml".into(), p.text.clone())]);
            prop_assert!(set.is_ok(), "{:?}\n{}", set.err(), p.text);
            let set = set.expect("checked");
            for r in &records {
                let record: Value = serde_json::from_str(r).expect("JSON");
                prop_assert_eq!(set.detect(&record), Some(0), "{}\n{}", r, p.text);
            }
        }
    }
}
