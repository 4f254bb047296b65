//! What exports wrap around records: each wrapper opened, none taken for another's record, nothing lost on the way.

use crate::common::{Place, Ran};
use base64::Engine;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record(n: usize) -> Value {
    json!({"event_id": format!("evt_{n}"), "timestamp": format!("2024-01-15T10:{:02}:{:02}Z", n / 60 % 60, n % 60), "user": format!("u{n} \"é\\ {{[\u{2028}"),
        "action": "user.login", "resource": n, "status": "success"})
}

/// Wraps some records, as text; what may be in between is left as it is.
type Wrap = fn(&[String]) -> String;

fn text_of(record: &str) -> Value {
    Value::String(record.to_owned())
}

fn base64(record: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(record)
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).expect("in memory");
    out.finish().expect("in memory")
}

fn lines(each: impl Iterator<Item = String>) -> String {
    each.map(|l| l + "\n").collect()
}

const WRAPS: &[(&str, Wrap)] = &[
    ("an array", |r| format!("[{}]", r.join(","))),
    ("lines", |r| lines(r.iter().cloned())),
    ("one after another", |r| r.concat()),
    ("pretty", |r| {
        r.iter().map(|r| serde_json::to_string_pretty(&serde_json::from_str::<Value>(r).expect("JSON")).expect("JSON")).collect::<Vec<_>>().join("\n")
    }),
    ("Records", |r| format!("{{\"Records\":[{}]}}", r.join(","))),
    ("value, pretty", |r| format!("{{\n  \"@odata.context\": \"x\",\n  \"value\": [\n{}\n]\n}}\n", r.join(",\n"))),
    ("items with more keys", |r| format!("{{\"kind\":\"k\",\"items\":[{}],\"next\":{{\"items\":7}}}}", r.join(","))),
    ("records, a line each", |r| lines(r.iter().map(|r| format!("{{\"records\":[{r}]}}")))),
    ("pages in an array", |r| format!("[{}]", r.iter().map(|r| format!("{{\"entries\":[{r}],\"response_metadata\":{{}}}}")).collect::<Vec<_>>().join(","))),
    ("EventBridge", |r| {
        lines(
            r.iter()
                .map(|r| format!("{{\"version\":\"0\",\"id\":\"1\",\"detail-type\":\"t\",\"source\":\"s\",\"time\":\"2024-01-15T10:00:00Z\",\"detail\":{r}}}")),
        )
    }),
    ("CloudWatch subscription", |r| {
        let events: Vec<Value> = r.iter().map(|r| json!({"id": "1", "timestamp": 1, "message": r})).collect();
        json!({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": events}).to_string()
    }),
    ("CloudWatch export", |r| lines(r.iter().map(|r| format!("2024-01-15T10:00:00.000Z {r}")))),
    ("Pub/Sub", |r| json!(r.iter().map(|r| json!({"ackId": "a", "message": {"data": base64(r), "messageId": "1"}})).collect::<Vec<_>>()).to_string()),
    ("Firehose, packed", |r| {
        let data: Vec<Value> = r.iter().map(|r| json!({"recordId": "1", "data": base64::engine::general_purpose::STANDARD.encode(gzip(r))})).collect();
        json!({"records": data}).to_string()
    }),
    ("Splunk HEC", |r| lines(r.iter().map(|r| format!("{{\"time\":1,\"host\":\"h\",\"sourcetype\":\"s\",\"event\":{r}}}")))),
    ("Splunk export", |r| lines(r.iter().map(|r| json!({"preview": false, "result": {"_raw": r}}).to_string()))),
    ("Elasticsearch", |r| {
        format!(
            "{{\"took\":1,\"hits\":{{\"total\":1,\"hits\":[{}]}}}}",
            r.iter().map(|r| format!("{{\"_index\":\"i\",\"_source\":{r}}}")).collect::<Vec<_>>().join(",")
        )
    }),
    ("Log Analytics", |r| {
        let rows: Vec<Value> = r
            .iter()
            .map(|r| serde_json::from_str::<Value>(r).expect("JSON"))
            .map(|r| json!([r["event_id"], r["timestamp"], r["user"], r["action"], r["resource"], r["status"]]))
            .collect();
        let columns = ["event_id", "timestamp", "user", "action", "resource", "status"].map(|name| json!({"name": name, "type": "string"}));
        json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]}).to_string()
    }),
    ("Docker", |r| lines(r.iter().map(|r| json!({"log": format!("{r}\n"), "stream": "stdout", "time": "2024-01-15T10:00:00Z"}).to_string()))),
    ("strings", |r| Value::Array(r.iter().map(|r| text_of(r)).collect()).to_string()),
    ("EventBridge in SQS", |r| {
        json!({"Messages": [], "items": r.iter().map(|r| json!({"MessageId": "1", "Body": format!("{{\"detail-type\":\"t\",\"detail\":{r}}}")})).collect::<Vec<_>>()}).to_string()
    }),
    ("lookup", |r| json!({"Events": r.iter().map(|r| json!({"EventId": "1", "CloudTrailEvent": r})).collect::<Vec<_>>()}).to_string()),
    ("syslog", |r| lines(r.iter().map(|r| format!("<134>1 2024-01-15T10:00:00Z host app - - - {r}")))),
];

fn events(place: &Place, path: &str) -> (Ran, Vec<Value>) {
    let ran = place.run(&["events", path, "-q", "--show-secrets"]);
    let rows = ran.text().lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    (ran, rows)
}

/// The file gives these records as events, each once and unchanged.
#[track_caller]
fn assert_read(name: &str, bytes: &[u8], records: &[Value]) {
    let place = Place::new();
    place.write("log", bytes);
    let (ran, mut rows) = events(&place, "log");
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.dump());
    rows.sort_by_key(|r| r["event_id"].as_str().and_then(|id| id[4..].parse::<u64>().ok()));
    assert_eq!(rows.len(), records.len(), "{name}: {}", ran.dump());
    for (row, record) in rows.iter().zip(records) {
        let raw: Value = serde_json::from_str(row["raw"].as_str().expect("raw")).expect("JSON");
        assert_eq!(&raw, record, "{name}");
        assert_eq!((&row["source"], &row["user"]), (&json!("ops0"), &record["user"]), "{name}");
    }
}

#[test]
fn every_wrapper_is_opened() {
    for (name, wrap) in WRAPS {
        for count in [1, 3] {
            let records: Vec<Value> = (0..count).map(record).collect();
            let texts: Vec<String> = records.iter().map(Value::to_string).collect();
            assert_read(name, wrap(&texts).as_bytes(), &records);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn wrappers_in_wrappers(outer in 0..WRAPS.len(), inner in 0..WRAPS.len(), count in 1usize..4, packed: bool, windows: bool) {
        let records: Vec<Value> = (0..count).map(record).collect();
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        // What is several lines cannot stand in another's line.
        let inside = (WRAPS[inner].1)(&texts);
        let whole = match serde_json::from_str::<Value>(&inside) {
            Ok(one) if WRAPS[outer].0 != "Log Analytics" => (WRAPS[outer].1)(&[one.to_string()]),
            _ => inside,
        };
        let whole = if windows { format!("\u{feff}{}", whole.replace('\n', "\r\n")) } else { whole };
        let bytes = if packed { gzip(&whole) } else { whole.into_bytes() };
        assert_read(&format!("{} in {}", WRAPS[inner].0, WRAPS[outer].0), &bytes, &records);
    }
}

#[test]
fn a_wrapper_of_what_nobody_knows_is_named() {
    let place = Place::new();
    place.write("log", json!({"detail-type": "t", "detail": {"foreign": 1}}).to_string());
    place.run(&["scan", "log"]).exits(3).says("no source knows this record").says("detail");
    place.write("log", [json!({"version": "0", "detail-type": "t", "detail": {"x": 1}}).to_string(), record(1).to_string()].join("\n"));
    let (ran, rows) = events(&place, "log");
    assert!(ran.code == Some(3) && rows.len() == 1, "{}", ran.dump());
}

#[test]
fn events_of_one_record_keep_its_number_and_are_no_duplicates_of_each_other() {
    let place = Place::new();
    let twice: Vec<Value> = vec![json!({"id": "1", "message": record(1).to_string()}), json!({"id": "2", "message": record(2).to_string()})];
    let line = json!({"messageType": "DATA_MESSAGE", "logEvents": twice}).to_string();
    place.write("log", format!("\n{line}\n{line}\n"));
    let (ran, rows) = events(&place, "log");
    assert_eq!(rows.iter().map(|r| r["record"].as_u64()).collect::<Vec<_>>(), [Some(2), Some(2)], "{}", ran.dump());
    place.run(&["scan", "log"]).exits(0).says("4 records = 2 accepted + 0 rejected + 2 duplicates");
}

#[test]
fn own_containers_stand_beside_the_built_in_ones() {
    let place = Place::new();
    place.write("mine/containers.yml", "arrays: [my_rows]\nenvelopes:\n  - {id: own, title: Own, has: [my_event], event: my_event}\nlines: []\n");
    place.write("log", json!({"my_rows": [{"my_event": record(1)}, {"detail-type": "t", "detail": record(2)}]}).to_string());
    place.run(&["scan", "log", "--sources", "default", "--sources", "mine"]).exits(0).says("2 records = 2 accepted");
    place.write("mine/containers.yml", "lines:\n  - {id: own, title: Own, pattern: 'no group'}\n");
    place.run(&["scan", "log", "--sources", "default", "--sources", "mine"]).exits(2).says("containers.yml").says("json or cef");
}

#[test]
fn hostile_wrappers_end() {
    let place = Place::new();
    let deep = (0..200).fold(record(1).to_string(), |inner, _| json!({"detail-type": "t", "detail": inner}).to_string().chars().take(1 << 20).collect());
    place.write("deep", deep);
    place.run(&["scan", "deep"]).exits(3);
    place.write("open", "{\"detail-type\":1,\"detail\":{\"a\":[[[[[[".repeat(20));
    place.run(&["scan", "open"]).exits(3);
    let bomb = base64::engine::general_purpose::STANDARD.encode(gzip(&" ".repeat(64 << 20)));
    place.write("bomb", json!({"recordId": "1", "data": bomb}).to_string());
    place.run(&["scan", "bomb"]).exits(3);
}

#[test]
fn rejected_records_are_written_and_can_be_read_again() {
    let place = Place::new();
    let broken = record(2).to_string().replace("2024-01-15T10:00:02Z", "yesterday");
    let csv = "Timestamp,User,Action,Resource,IP Address,Status\n2024-01-15 10:00:00 UTC,ana,user.login,r,,Success\n2024-01-15 10:00:00 UTC,a,b\n";
    place.write("logs/a.ndjson", format!("{}\n{broken}\n{{\"cut\": \n{{\"foreign\":1}}\n", record(1))).write("logs/b.csv", csv);
    let ran = place.run(&["scan", "logs", "--rejects", "rejects.ndjson", "--format", "json", "--threads", "1"]).exits(3);
    assert_eq!(ran.json()["inputs"], json!({"read": 6, "accepted": 2, "rejected": 4, "duplicates": 0}), "{}", ran.dump());
    let written = place.read("rejects.ndjson");
    let rows = crate::common::lines_of(&written);
    let raw: Vec<&str> = rows.iter().filter_map(|r| r["raw"].as_str()).collect();
    assert_eq!(raw, [broken.as_str(), "{\"cut\":", "{\"foreign\":1}", "2024-01-15 10:00:00 UTC,a,b"], "{}", ran.dump());
    assert!(rows[0]["reason"].as_str().is_some_and(|r| r.contains("yesterday")) && rows[0]["record"] == json!(2), "{rows:?}");
    place.run(&["scan", "logs", "--rejects", "two.ndjson", "--threads", "2"]).exits(3);
    assert_eq!(place.read("two.ndjson"), written);
    place.run(&["scan", "logs", "--rejects", "two.ndjson"]).exits(2).says("the file exists");
    // Repaired in place, it gives the event that was missing.
    let repaired = String::from_utf8(written).expect("UTF-8").replace("yesterday", "2024-01-15T10:00:02Z");
    place.write("rejects.ndjson", repaired);
    let (_, events) = events(&place, "rejects.ndjson");
    assert_eq!(events.iter().map(|r| r["event_id"].as_str()).collect::<Vec<_>>(), [Some("evt_2")]);
}

#[test]
fn json_in_strings_is_read_and_what_only_looks_like_it_stays_text() {
    let place = Place::new();
    let source = "id: t\ntitle: T\nlogsource: [{product: t}]\ndetect: [{has: [t, by]}]\ntime: [t]\njson_text: [by, deep.list]\neach: events\n\
        columns: {user: by.name, request: by, resource: deep.list.id, action: events.name}\n";
    place.write("s/t.yml", source);
    let t = "2024-01-15T10:00:00Z";
    let records = [
        json!({"t": t, "by": "{\"name\": \"ana\"}", "deep": {"list": "[{\"id\": \"r1\"}]"}}),
        json!({"t": t, "by": {"name": "bob"}, "events": [{"name": "one"}, {"name": "two"}]}),
        json!({"t": t, "by": "{broken", "events": [{"name": "three"}]}),
        json!({"t": t, "by": "[1] and more", "events": []}),
        json!({"t": t, "by": "{\"name\": \"eve\"}", "events": [[{"name": "four"}], [{"name": "five"}]]}),
    ];
    place.write("log", records.map(|r| r.to_string()).join("\n"));
    let ran = place.run(&["events", "log", "--sources", "s"]).exits(0).says("7 records = 7 accepted");
    let got: Vec<_> = ran.lines().iter().map(|r| ["record", "user", "resource", "action", "request"].map(|c| r[c].clone())).collect();
    let null = Value::Null;
    assert_eq!(
        got,
        [
            [json!(1), json!("ana"), json!("r1"), null.clone(), null.clone()],
            [json!(2), json!("bob"), null.clone(), json!("one"), null.clone()],
            [json!(2), json!("bob"), null.clone(), json!("two"), null.clone()],
            [json!(3), null.clone(), null.clone(), json!("three"), json!("{broken")],
            [json!(4), null.clone(), null.clone(), null.clone(), json!("[1] and more")],
            [json!(5), json!("eve"), null.clone(), json!("four"), null.clone()],
            [json!(5), json!("eve"), null.clone(), json!("five"), null.clone()],
        ]
    );
}
