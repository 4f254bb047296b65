//! Good, odd and hostile inputs through the real binary: nothing disappears, what is wrong is named, the rest is processed.

use crate::common::{Place, Ran, everything, lines_of, shared, skipped};
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;

// ------------------------------------------------------------------------------------------------------------- helpers

/// A record of ops0's JSON export.
fn record(n: usize) -> Value {
    json!({
        "event_id": format!("evt_{n}"), "timestamp": format!("2024-01-15T10:{:02}:{:02}Z", n / 60 % 60, n % 60), "user": "ana@acme.com", "action": "user.login",
        "resource": format!("r{n}"), "ip_address": "203.0.113.7", "status": "success"
    })
}

fn records(n: usize) -> Vec<Value> {
    (0..n).map(record).collect()
}

/// A CloudTrail record.
fn trail(n: usize) -> Value {
    json!({
        "eventVersion": "1.08", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser", "eventTime": format!("2024-01-15T11:00:{n:02}Z"),
        "eventID": format!("ct-{n}"), "awsRegion": "eu-central-1", "userIdentity": {"type": "IAMUser", "userName": "ana"}
    })
}

fn lines(records: &[Value]) -> Vec<u8> {
    crate::common::ndjson(records)
}

/// Lines of JSON with one line of other bytes at this place (0-based).
fn lines_with(records: &[Value], at: usize, line: &[u8]) -> Vec<u8> {
    [lines(&records[..at]).as_slice(), line, b"\n", &lines(&records[at..])].concat()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).expect("gzip");
    out.finish().expect("gzip")
}

fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        out.start_file(*name, SimpleFileOptions::default()).expect("zip");
        out.write_all(bytes).expect("zip");
    }
    out.finish().expect("zip").into_inner()
}

/// The report of one file.
#[track_caller]
fn file<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["files"].as_array().and_then(|f| f.iter().find(|f| f["name"] == name)).unwrap_or_else(|| panic!("no file {name} in {}", document["files"]))
}

/// Read, accepted, rejected, duplicates of a file.
#[track_caller]
fn counts(document: &Value, name: &str) -> [u64; 4] {
    ["read", "accepted", "rejected", "duplicates"].map(|k| file(document, name)[k].as_u64().expect("a count"))
}

/// Record and reason of each reject of a file.
#[track_caller]
fn reasons(document: &Value, name: &str) -> Vec<(Option<u64>, String)> {
    let list = file(document, name)["reasons"].as_array().expect("reasons");
    list.iter().map(|r| (r["record"].as_u64(), r["reason"].as_str().expect("a reason").to_owned())).collect()
}

/// Nothing disappeared, in each file and in all; the exit status is among those of the document.
#[track_caller]
fn assert_balanced(document: &Value, code: i32) {
    let number = |v: &Value, key: &str| v[key].as_u64().expect(key);
    let mut sums = [0; 4];
    for f in document["files"].as_array().expect("files") {
        let [read, accepted, rejected, duplicates] = ["read", "accepted", "rejected", "duplicates"].map(|k| number(f, k));
        assert_eq!(read, accepted + rejected + duplicates, "{f}");
        let listed = f["reasons"].as_array().map_or(0, Vec::len) as u64 + number(f, "more_reasons");
        assert!(listed >= rejected, "{rejected} rejected, {listed} reasons: {f}");
        for (sum, n) in sums.iter_mut().zip([read, accepted, rejected, duplicates]) {
            *sum += n;
        }
    }
    assert_eq!(sums, ["read", "accepted", "rejected", "duplicates"].map(|k| number(&document["inputs"], k)), "totals");
    assert!(document["exit_status"].as_array().is_some_and(|s| s.contains(&json!(code))), "{}", document["exit_status"]);
}

/// Scans these paths to JSON; the run ends with this status and loses nothing.
#[track_caller]
fn scan(place: &Place, paths: &[&str], code: i32) -> (Ran, Value) {
    scan_with(place, paths, code, b"")
}

#[track_caller]
fn scan_with(place: &Place, paths: &[&str], code: i32, stdin: &[u8]) -> (Ran, Value) {
    // One rule is enough here, and loads faster than all of our own.
    let rule = everything();
    let args: Vec<&str> = ["scan", "--format", "json", "--rules", &rule].iter().chain(paths).copied().collect();
    let ran = place.run_with(&args, &[], stdin).exits(code);
    let document = ran.json();
    assert_balanced(&document, code);
    (ran, document)
}

/// A file of this content beside a good one: its counts are these, the good one is whole, and each reject is named on
/// standard error and in the JSON with its record and a reason that holds the text.
#[track_caller]
fn faulty(name: &str, bytes: &[u8], expected: [u64; 4], rejects: &[(Option<u64>, &str)]) {
    let place = Place::new();
    let good: Vec<Value> = (5000..5007).map(record).collect();
    place.write(name, bytes).write("good.ndjson", lines(&good));
    let (ran, document) = scan(&place, &[name, "good.ndjson"], 3);
    assert_eq!(counts(&document, name), expected, "{}", ran.dump());
    assert_eq!(counts(&document, "good.ndjson"), [7, 7, 0, 0]);
    let found = reasons(&document, name);
    assert_eq!(found.len(), rejects.len(), "{found:?}");
    for (record, text) in rejects {
        let reason = found.iter().find(|(r, why)| r == record && why.contains(text)).unwrap_or_else(|| panic!("{record:?} {text} is not in {found:?}"));
        let place = record.map_or(String::new(), |r| format!(":{r}"));
        let line = format!("warning: {name}{place}: {}", reason.1);
        assert!(ran.err.contains(&line), "`{line}` is not said{}", ran.dump());
    }
}

/// A file that is read whole, without a word.
#[track_caller]
fn whole(name: &str, bytes: &[u8], accepted: u64) {
    let place = Place::new();
    place.write(name, bytes);
    let (ran, document) = scan(&place, &[name], 0);
    assert_eq!(counts(&document, name), [accepted, accepted, 0, 0], "{}", ran.dump());
    assert!(!ran.err.contains("warning"), "{}", ran.dump());
}

/// Ids of the events that come out of a file, in order.
#[track_caller]
fn ids(place: &Place, path: &str) -> Vec<String> {
    let ran = place.run(&["events", path, "-q"]);
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.dump());
    ran.lines().iter().map(|e| e["event_id"].as_str().unwrap_or("(none)").to_owned()).collect()
}

// --------------------------------------------------------------------------------------------------------- cut-off files

#[test]
fn a_truncated_gzip_file() {
    // Random text does not shrink much, so that a cut in the packed data is a cut in the middle of the records.
    let mut seed = 7u64;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{seed:016x}")
    };
    let mut all = records(2000);
    all.iter_mut().for_each(|r| r["pad"] = json!((0..8).map(|_| noise()).collect::<String>()));
    let packed = gz(&lines(&all));
    let place = Place::new();
    place.write("cut.ndjson.gz", &packed[..packed.len() * 2 / 3]).write("good.ndjson", lines(&[record(9999)]));
    let (ran, document) = scan(&place, &["cut.ndjson.gz", "good.ndjson"], 3);
    let [read, accepted, rejected, _] = counts(&document, "cut.ndjson.gz");
    assert!((1000..1999).contains(&accepted), "{accepted} of 2000 accepted");
    assert!(rejected <= 1 && read < 2000, "{}", ran.dump());
    assert_eq!(counts(&document, "good.ndjson"), [1, 1, 0, 0]);
    assert!(reasons(&document, "cut.ndjson.gz").iter().any(|(r, why)| r.is_none() && why.contains("ends early")), "{}", ran.dump());
    ran.says("warning: cut.ndjson.gz: the packed data ends early");
}

#[test]
fn a_truncated_gzip_file_of_one_document() {
    let all: Vec<Value> = (0..60).map(trail).collect();
    for document in [json!({ "Records": all }), json!(all)] {
        let packed = gz(document.to_string().as_bytes());
        let place = Place::new();
        place.write("cut.json.gz", &packed[..packed.len() - 60]);
        let (ran, document) = scan(&place, &["cut.json.gz"], 3);
        let [read, accepted, rejected, _] = counts(&document, "cut.json.gz");
        assert!(accepted >= 10 && rejected <= 1 && read < 60, "{}", ran.dump());
    }
}

#[test]
fn a_gzip_file_whose_checksum_is_wrong() {
    let mut packed = gz(&lines(&records(10)));
    let end = packed.len();
    packed[end - 8..end - 4].copy_from_slice(&[0; 4]);
    faulty("sum.gz", &packed, [10, 10, 0, 0], &[(None, "checksum")]);
}

#[test]
fn bytes_after_the_end_of_a_gzip_file() {
    faulty("tail.gz", &[gz(&lines(&records(10))).as_slice(), b"trailing garbage"].concat(), [10, 10, 0, 0], &[(None, "gzip header")]);
}

#[test]
fn a_file_cut_in_the_middle_of_a_record() {
    let all = records(10);
    let array = json!(all).to_string();
    let container = json!({"limit": 10, "data": all}).to_string();
    let nd = lines(&all);
    for (name, bytes) in [("array.json", array.as_bytes()), ("container.json", container.as_bytes())] {
        faulty(name, &bytes[..bytes.len() - 40], [10, 9, 1, 0], &[(Some(10), "cut off")]);
    }
    faulty("lines.ndjson", &nd[..nd.len() - 40], [10, 9, 1, 0], &[(Some(10), "EOF")]);
    let pretty = serde_json::to_string_pretty(&json!({ "Records": (0..5).map(trail).collect::<Vec<_>>() })).expect("JSON");
    faulty("pretty.json", &pretty.as_bytes()[..pretty.len() - 60], [5, 4, 1, 0], &[(Some(5), "cut off")]);
}

#[test]
fn a_file_cut_between_two_records() {
    let array = json!(records(10)).to_string();
    faulty("array.json", &array.as_bytes()[..array.len() - 1], [10, 10, 0, 0], &[(None, "cut off")]);
    let container = json!({ "data": records(10) }).to_string();
    faulty("container.json", &container.as_bytes()[..container.len() - 2], [10, 10, 0, 0], &[(None, "cut off")]);
    let comma = array.rfind(",{").expect("a comma");
    faulty("comma.json", &array.as_bytes()[..comma + 1], [9, 9, 0, 0], &[(None, "cut off")]);
}

// ----------------------------------------------------------------------------------------------------------- bad records

#[test]
fn a_line_that_is_not_json() {
    for (line, at) in [(b"not json at all".as_slice(), 3usize), (b"{\"a\": 1,}", 5), (b"}{", 9), (b"\x00\x00\x00", 2)] {
        faulty("bad.ndjson", &lines_with(&records(10), at, line), [11, 10, 1, 0], &[(Some(at as u64 + 1), "")]);
    }
}

#[test]
fn a_first_line_that_is_not_json() {
    faulty("bad.ndjson", &lines_with(&records(10), 0, b"== export of 2024-01-15 =="), [11, 10, 1, 0], &[(Some(1), "")]);
}

#[test]
fn a_line_that_is_json_and_no_record() {
    let bytes = [lines(&records(2)).as_slice(), b"7\n\"text\"\nnull\n[1]\n", &lines(&records(4)[2..])].concat();
    let no_record = "expected a JSON object";
    faulty("odd.ndjson", &bytes, [8, 4, 4, 0], &[(Some(3), no_record), (Some(4), no_record), (Some(5), no_record), (Some(6), no_record)]);
}

#[test]
fn a_record_of_no_known_source() {
    let line = br#"{"colour":"red","size":3}"#;
    faulty("odd.ndjson", &lines_with(&records(4), 2, line), [5, 4, 1, 0], &[(Some(3), "no source knows this record (its fields: colour, size)")]);
}

#[test]
fn a_record_without_a_time() {
    let mut without = record(99);
    without.as_object_mut().expect("an object").remove("timestamp");
    faulty("none.ndjson", &lines_with(&records(4), 2, without.to_string().as_bytes()), [5, 4, 1, 0], &[(Some(3), "time")]);
    let null = json!({"event_id": "x", "timestamp": null, "user": "ana", "action": "user.login", "status": "success"}).to_string();
    faulty("null.ndjson", &lines_with(&records(4), 2, null.as_bytes()), [5, 4, 1, 0], &[(Some(3), "time")]);
    let odd = json!({"event_id": "x", "timestamp": "yesterday", "user": "ana", "action": "user.login", "status": "success"}).to_string();
    faulty("odd.ndjson", &lines_with(&records(4), 2, odd.as_bytes()), [5, 4, 1, 0], &[(Some(3), "the time `yesterday` cannot be read")]);
    let mut all: Vec<Value> = (0..3).map(trail).collect();
    all[1]["eventTime"] = json!("2024-02-30T10:00:00Z");
    faulty("array.json", json!({ "Records": all }).to_string().as_bytes(), [3, 2, 1, 0], &[(Some(2), "the time `2024-02-30T10:00:00Z` cannot be read")]);
}

#[test]
fn many_bad_records_are_all_counted_and_the_first_are_named() {
    let mut bytes = lines(&records(5));
    (0..100).for_each(|_| bytes.extend(b"not json\n"));
    let place = Place::new();
    place.write("bad.ndjson", &bytes);
    let (ran, document) = scan(&place, &["bad.ndjson"], 3);
    assert_eq!(counts(&document, "bad.ndjson"), [105, 5, 100, 0]);
    let named: Vec<u64> = reasons(&document, "bad.ndjson").iter().filter_map(|(r, _)| *r).collect();
    assert_eq!(named, (6..26).collect::<Vec<u64>>());
    assert_eq!(file(&document, "bad.ndjson")["more_reasons"], 80);
    assert!(ran.err.lines().filter(|l| l.starts_with("warning: bad.ndjson:")).count() <= 10, "{}", ran.dump());
    ran.says("and 95 more");
}

#[test]
fn invalid_utf_8() {
    let bad = b"{\"event_id\":\"x\",\"timestamp\":\"2024-01-15T10:00:00Z\",\"user\":\"\xff\xfe\",\"action\":\"a\",\"status\":\"success\"}";
    faulty("lines.ndjson", &lines_with(&records(10), 3, bad), [11, 10, 1, 0], &[(Some(4), "UTF-8")]);
    let array = json!(records(10)).to_string().into_bytes();
    let at = array.windows(4).position(|w| w == b"\"r3\"").expect("r3");
    let mut broken = array.clone();
    broken[at + 1] = 0xff;
    faulty("array.json", &broken, [10, 9, 1, 0], &[(Some(4), "UTF-8")]);
    let csv = b"Timestamp,User,Action,Resource,IP Address,Status\n2024-01-15 10:00:00 UTC,ana,user.login,r,203.0.113.7,Success\n2024-01-15 10:00:01 UTC,\xff,user.login,r,203.0.113.7,Success\n";
    faulty("cells.csv", csv, [2, 1, 1, 0], &[(Some(3), "`User` is not valid UTF-8")]);
}

#[test]
fn utf_16_is_read() {
    let text = json!(records(2)).to_string();
    let wide = |mark: &[u8], unit: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> { mark.iter().copied().chain(text.encode_utf16().flat_map(unit)).collect() };
    whole("little.json", &wide(&[0xff, 0xfe], u16::to_le_bytes, &text), 2);
    whole("big.json", &wide(&[0xfe, 0xff], u16::to_be_bytes, &text), 2);
    whole("unmarked.json", &wide(&[], u16::to_le_bytes, &text), 2);
    let csv = "Timestamp,User,Action,Resource,IP Address,Status\r\n2024-01-15 10:00:00 UTC,Zoë,user.login,r,203.0.113.7,Success\r\n";
    whole("cells.csv", &wide(&[0xff, 0xfe], u16::to_le_bytes, csv), 1);
    // More than is held whole.
    let many = lines(&records(40_000));
    whole("stream.ndjson", &wide(&[0xff, 0xfe], u16::to_le_bytes, std::str::from_utf8(&many).expect("UTF-8")), 40_000);
}

#[test]
fn csv_as_spreadsheets_and_powershell_write_it() {
    let rows = "2024-01-15 10:00:00 UTC,ana,user.login,\"a;b\",203.0.113.7,Success\n";
    let header = "Timestamp,User,Action,Resource,IP Address,Status\n";
    whole("typed.csv", format!("#TYPE Selected.System.Management.Automation.PSCustomObject\n{header}{rows}").as_bytes(), 1);
    whole("sep.csv", format!("sep=,\n{header}{rows}").as_bytes(), 1);
    let semicolons = |t: &str| t.replace("\"a;b\"", "r").replace(',', ";");
    whole("europe.csv", semicolons(&format!("\u{feff}{header}{rows}")).as_bytes(), 1);
    whole("tabs.csv", semicolons(&format!("{header}{rows}")).replace(';', "\t").as_bytes(), 1);
    let short = format!("#TYPE x\n{header}{rows}only,three,cells\n");
    faulty("short.csv", short.as_bytes(), [2, 1, 1, 0], &[(Some(4), "the row has 3 fields, the header has 6")]);
}

#[test]
fn an_array_inside_an_array() {
    let all = records(8);
    whole("nested.json", json!([all[0], all[1], [all[2], all[3]], all[4]]).to_string().as_bytes(), 5);
    whole("twice.json", json!([all]).to_string().as_bytes(), 8);
    faulty("odd.json", json!([all[0], [all[1], [7]]]).to_string().as_bytes(), [3, 2, 1, 0], &[(Some(2), "expected a JSON object")]);
}

#[test]
fn numbers_and_texts_beyond_what_json_libraries_hold() {
    let huge = record(50).to_string().replace("\"r50\"", "1e999");
    let surrogate = record(51).to_string().replace("r51", "\\ud800x");
    let bytes = lines_with(&records(10), 2, format!("{huge}\n{surrogate}").as_bytes());
    let place = Place::new();
    place.write("odd.ndjson", &bytes);
    let (_, document) = scan(&place, &["odd.ndjson"], 3);
    let [read, accepted, ..] = counts(&document, "odd.ndjson");
    assert!(read == 12 && accepted >= 10, "{document}");
    let long = record(52).to_string().replace("\"r52\"", "123456789012345678901234567890");
    whole("long.ndjson", &lines_with(&records(10), 2, long.as_bytes()), 11);
}

#[test]
fn rows_of_csv_that_do_not_fit() {
    let csv = "Timestamp,User,Action,Resource,IP Address,Status\n\
        2024-01-15 10:00:00 UTC,ana,user.login,\"r, with \"\"quotes\"\"\nand lines\",203.0.113.7,Success\n\
        a,b\n\
        ,,,,,\n\
        2024-01-15 10:00:01 UTC,ana,user.login,r,203.0.113.7,Success,more\n\
        2024-01-15 10:00:02 UTC,ana,user.login,r,203.0.113.7,Success\n";
    faulty("rows.csv", csv.as_bytes(), [5, 2, 3, 0], &[(Some(4), "2 fields"), (Some(5), ""), (Some(6), "7 fields")]);
}

// ------------------------------------------------------------------------------------------------------- files and paths

#[test]
fn an_empty_file() {
    faulty("empty.ndjson", b"", [0, 0, 0, 0], &[(None, "empty")]);
    faulty("blank.ndjson", b" \r\n\t\n ", [0, 0, 0, 0], &[(None, "empty")]);
    faulty("empty.gz", &gz(b""), [0, 0, 0, 0], &[(None, "empty")]);
}

#[test]
fn an_empty_folder_is_the_users_error() {
    let place = Place::new();
    std::fs::create_dir(place.path("logs")).expect("a folder");
    for command in ["scan", "events"] {
        place.run(&[command, "logs"]).exits(2).says("logs: the folder is empty").says("help:");
    }
}

#[test]
fn a_path_that_is_not_there_is_the_users_error() {
    let place = Place::new();
    place.write("good.ndjson", lines(&records(2)));
    for path in ["nothing.json", "no/such/file.json", "logs/*.gz"] {
        let ran = place.run(&["scan", "good.ndjson", path]).exits(2).says(path).says("help:");
        assert!(ran.out.is_empty(), "{}", ran.dump());
    }
}

#[test]
fn an_unreadable_file() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("closed.ndjson", lines(&records(2))).write("good.ndjson", lines(&records(3)));
    std::fs::set_permissions(place.path("closed.ndjson"), std::fs::Permissions::from_mode(0o000)).expect("permissions");
    if std::fs::read(place.path("closed.ndjson")).is_ok() {
        return skipped("this user reads every file");
    }
    let (ran, document) = scan(&place, &["closed.ndjson", "good.ndjson"], 3);
    assert_eq!(counts(&document, "good.ndjson"), [3, 3, 0, 0]);
    ran.says("closed.ndjson: cannot be read: permission denied");
}

#[test]
fn a_link_to_nowhere_and_a_loop_of_links() {
    let place = Place::new();
    place.write("logs/good.ndjson", lines(&records(3)));
    std::os::unix::fs::symlink("nowhere", place.path("dangling")).expect("a link");
    std::os::unix::fs::symlink("../logs", place.path("logs/again")).expect("a link");
    let (ran, document) = scan(&place, &["logs", "dangling"], 3);
    assert_eq!(counts(&document, "good.ndjson"), [3, 3, 0, 0]);
    assert_eq!(document["rejects"].as_array().map(Vec::len), Some(2), "{}", ran.dump());
    ran.says("dangling: the link points to a file that does not exist").says("loop");
}

#[test]
fn a_file_that_is_no_log() {
    // Named, it is a fault; found in a folder, it is listed and no fault.
    faulty("notes.txt", b"hello\nworld\n", [0, 0, 0, 0], &[(None, "not a log")]);
    let place = Place::new();
    place.write("logs/notes.txt", "hello\nworld\n").write("logs/good.ndjson", lines(&records(3)));
    let (ran, document) = scan(&place, &["logs"], 0);
    assert_eq!(file(&document, "notes.txt")["not_a_log"], true);
    assert!(!ran.err.contains("warning"), "{}", ran.dump());
    let place = Place::new();
    place.write("logs/notes.txt", "hello\nworld\n");
    place.run(&["scan", "logs"]).exits(2).says("no audit log was found").says("notes.txt");
}

#[test]
fn a_glob() {
    let place = Place::new();
    place.write("a/1.ndjson", lines(&records(3))).write("b/2.ndjson", lines(&records(6)[3..])).write("b/3.json", json!(records(8)[6..]).to_string());
    let (_, document) = scan(&place, &["*/*.ndjson"], 0);
    assert_eq!((counts(&document, "1.ndjson"), counts(&document, "2.ndjson")), ([3, 3, 0, 0], [3, 3, 0, 0]));
    assert_eq!(document["files"].as_array().map(Vec::len), Some(2));
    let (_, document) = scan(&place, &["**/*.json", "a/?.ndjson"], 0);
    assert_eq!(document["inputs"]["accepted"], 5);
}

#[test]
fn standard_input() {
    let place = Place::new();
    for bytes in
        [lines(&records(5)), gz(&lines(&records(5))), json!(records(5)).to_string().into_bytes(), json!({ "data": records(5) }).to_string().into_bytes()]
    {
        let (_, document) = scan_with(&place, &["-"], 0, &bytes);
        assert_eq!(counts(&document, "-"), [5, 5, 0, 0]);
    }
    place.write("good.ndjson", lines(&records(2)));
    let (ran, document) = scan_with(&place, &["-", "good.ndjson"], 3, b"");
    assert_eq!(counts(&document, "good.ndjson"), [2, 2, 0, 0]);
    ran.says("warning: -: the file is empty");
}

#[test]
fn a_file_that_is_given_twice_is_read_once() {
    let place = Place::new();
    place.write("logs/good.ndjson", lines(&records(4)));
    for paths in [
        vec!["logs/good.ndjson", "logs/good.ndjson"],
        vec!["logs/good.ndjson", "logs/../logs/good.ndjson"],
        vec!["logs", "logs/good.ndjson"],
        vec!["logs", "log?"],
    ] {
        let (ran, document) = scan(&place, &paths, 0);
        assert_eq!(document["inputs"], json!({"read": 4, "accepted": 4, "rejected": 0, "duplicates": 0}), "{paths:?}{}", ran.dump());
    }
}

#[test]
fn two_files_of_one_name_are_told_apart() {
    let place = Place::new();
    place.write("a/audit.ndjson", lines(&records(2))).write("b/audit.ndjson", lines(&records(5)[2..]));
    let (_, document) = scan(&place, &["a", "b"], 0);
    assert_eq!((counts(&document, "a/audit.ndjson"), counts(&document, "b/audit.ndjson")), ([2, 2, 0, 0], [3, 3, 0, 0]));
}

#[test]
fn no_output_names_a_path_of_this_machine() {
    let place = Place::new();
    place.write("logs/2024/good.ndjson", lines(&records(2))).write("logs/bad.ndjson", b"nothing\n");
    let root = place.path("logs").display().to_string();
    let ran = place.run(&["scan", &root, "--format", "json"]);
    let events = place.run(&["events", &root]);
    let parent = place.path("").display().to_string();
    for text in [ran.text(), &ran.err, events.text()] {
        assert!(!text.contains(parent.trim_end_matches('/')), "{}", ran.dump());
    }
    assert_eq!(counts(&ran.json(), "2024/good.ndjson"), [2, 2, 0, 0]);
}

// ------------------------------------------------------------------------------------------------------ shapes of a file

#[test]
fn every_shape_of_json() {
    let all = records(10);
    let pretty = |v: &Value| serde_json::to_string_pretty(v).expect("JSON");
    let concatenated: String = all.iter().map(pretty).collect();
    let with_lines: String = all.iter().map(|r| pretty(r) + "\n\n").collect();
    for (name, text) in [
        ("array", json!(all).to_string()),
        ("pretty array", pretty(&json!(all))),
        ("container", json!({"limit": 10, "offset": 0, "data": all, "total": 10}).to_string()),
        ("pretty container", pretty(&json!({"data": all, "limit": 10}))),
        ("lines", String::from_utf8(lines(&all)).expect("text")),
        ("no last line break", String::from_utf8(lines(&all)).expect("text").trim_end().to_owned()),
        ("blank lines", String::from_utf8(lines(&all)).expect("text").replace('\n', "\n \n\n")),
        ("pretty and concatenated", concatenated),
        ("pretty with blank lines between", with_lines),
        ("one record", all[0].to_string()),
        ("one pretty record", pretty(&all[0])),
    ] {
        let n = if name.starts_with("one") { 1 } else { 10 };
        whole("log", text.as_bytes(), n);
        let marked = format!("\u{feff}{text}");
        whole("with-a-byte-order-mark", marked.as_bytes(), n);
        whole("with-crlf", text.replace('\n', "\r\n").as_bytes(), n);
        whole("packed", &gz(text.as_bytes()), n);
    }
}

#[test]
fn csv_with_a_byte_order_mark_and_crlf() {
    let csv = "Timestamp,User,Action,Resource,IP Address,Status\n2024-01-15 10:00:00 UTC,ana@acme.com,user.login,r,203.0.113.7,Success\n2024-01-15 10:00:01 UTC,ana@acme.com,user.logout,,203.0.113.7,Success\n";
    for text in [csv.to_owned(), format!("\u{feff}{csv}"), csv.replace('\n', "\r\n"), format!("\u{feff}{}", csv.replace('\n', "\r\n"))] {
        whole("log.csv", text.as_bytes(), 2);
        let place = Place::new();
        place.write("log.csv", &text);
        let events = place.run(&["events", "log.csv", "-q"]).exits(0).lines();
        assert_eq!(
            events.iter().map(|e| (e["user"].clone(), e["record"].clone())).collect::<Vec<_>>(),
            [(json!("ana@acme.com"), json!(2)), (json!("ana@acme.com"), json!(3))]
        );
        assert_eq!((&events[1]["resource"], &events[1]["status"]), (&Value::Null, &json!("success")));
    }
}

#[test]
fn records_of_several_vendors_in_one_file() {
    let both: Vec<Value> = (0..5).flat_map(|i| [record(i), trail(i)]).collect();
    for text in [lines(&both), json!(both).to_string().into_bytes()] {
        whole("mixed.json", &text, 10);
        let place = Place::new();
        place.write("mixed.json", &text);
        let events = place.run(&["events", "mixed.json", "-q"]).exits(0).lines();
        let source = |s: &str| events.iter().filter(|e| e["source"] == s).map(|e| e["record"].as_u64().unwrap_or(0)).collect::<Vec<_>>();
        assert_eq!((source("ops0"), source("aws_cloudtrail")), (vec![1, 3, 5, 7, 9], vec![2, 4, 6, 8, 10]));
    }
}

#[test]
fn a_vendor_that_comes_late_in_a_file() {
    let mut all = records(60);
    all.extend((0..5).map(trail));
    all.extend((60..63).map(record));
    for text in [lines(&all), json!(all).to_string().into_bytes(), json!({ "data": all }).to_string().into_bytes()] {
        whole("mixed.json", &text, 68);
        let place = Place::new();
        place.write("mixed.json", &text);
        let late: Vec<u64> = place
            .run(&["events", "mixed.json", "-q"])
            .exits(0)
            .lines()
            .iter()
            .filter(|e| e["source"] == "aws_cloudtrail")
            .filter_map(|e| e["record"].as_u64())
            .collect();
        assert_eq!(late, [61, 62, 63, 64, 65]);
    }
}

#[test]
fn the_raw_record_is_what_stands_in_the_file() {
    // Keys and texts that look like the borders of records.
    let odd: Vec<String> = [
        r#"{"event_id":"o1","timestamp":"2024-01-15T10:00:00Z","user":"a","action":"x","status":"success","q":"}],{\"a\":1},[{"}"#,
        r#"{ "\u0065vent_id" : "o2", "timestamp":"2024-01-15T10:00:01Z","user":"a","action":"x","status":"success","é\\":{"{":[[],{}]} }"#,
        r#"{"a":{},"b":[],"c":{"d":[{"e":"]}"}]},"event_id":"o3","timestamp":"2024-01-15T10:00:02Z","user":"\"","action":"x","status":"success"}"#,
        r#"{"event_id":"o4","timestamp":"2024-01-15T10:00:03Z","user":"\\","action":"x","status":"success","data":[{"event_id":"inner"}]}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    for text in [
        odd.join("\n"),
        format!("[{}]", odd.join(",")),
        format!(" [ \n {} \r\n ] \n", odd.join("\t ,\n")),
        format!("{{\"note\":\"Records\",\"data\": [{}] , \"total\":4}}", odd.join(" , ")),
        format!("{}\n", odd.join("\n\n")),
    ] {
        let place = Place::new();
        place.write("log.json", &text);
        let events = place.run(&["events", "log.json", "-q", "--show-secrets"]).exits(0).lines();
        let raw: Vec<&str> = events.iter().filter_map(|e| e["raw"].as_str()).collect();
        assert_eq!(raw, odd, "{text}");
        assert_eq!(ids(&place, "log.json"), ["o1", "o2", "o3", "o4"]);
    }
}

#[test]
fn cloudtrail_columns_equal_what_a_careful_reader_takes() {
    let Some(folder) = shared("data/audit/aws_cloudtrail") else { return };
    let expected = lines_of(&std::fs::read(folder.join("expected.ndjson")).expect("expected"));
    let path = folder.join("events.ndjson").display().to_string();
    let events = Place::new().run(&["events", &path, "-q", "--show-secrets"]).exits(0).lines();
    assert_eq!(events.len(), expected.len());
    let instant = |v: &Value| auditmill::event::time::parse_time(v.as_str().unwrap_or_default(), chrono_tz::UTC).map(|i| i.micros);
    for event in &events {
        let record = event["record"].as_u64().expect("record") as usize;
        for (column, value) in expected[record - 1].as_object().expect("an object") {
            // Where the reader found nothing, a tool that finds the value elsewhere is not wrong.
            let same = value.is_null() || if column == "time" { instant(value) == instant(&event[column]) } else { *value == event[column] };
            assert!(same, "record {record}, {column}: expected {value}, found {}", event[column]);
        }
    }
}

#[test]
fn packed_by_content_and_not_by_name() {
    let plain = lines(&records(6));
    whole("plain.gz", &plain, 6);
    whole("packed.ndjson", &gz(&plain), 6);
    whole("members.gz", &[gz(&lines(&records(2))), gz(&lines(&records(6)[2..]))].concat(), 6);
    whole("log.zst", &zstd::encode_all(plain.as_slice(), 3).expect("zstd"), 6);
    whole("log.json.zst", &zstd::encode_all(json!({ "data": records(6) }).to_string().as_bytes(), 3).expect("zstd"), 6);
    let cut = zstd::encode_all(plain.as_slice(), 3).expect("zstd");
    let place = Place::new();
    place.write("cut.zst", &cut[..cut.len() - 20]);
    let (ran, _) = scan(&place, &["cut.zst"], 3);
    ran.says("warning: cut.zst:");
}

#[test]
fn a_zip_archive_stands_for_its_members() {
    let inner = zip_of(&[("x.ndjson", &lines(&records(3)))]);
    let archive = zip_of(&[
        ("2024/one.ndjson", &lines(&records(3))),
        ("2024/two.json.gz", &gz(json!(records(5)[3..]).to_string().as_bytes())),
        ("read me.txt", b"hello there\n"),
        ("../../escape.ndjson", &lines(&[record(77)])),
        ("inner.zip", &inner),
    ]);
    let place = Place::new();
    place.write("export.zip", &archive);
    let (ran, document) = scan(&place, &["export.zip"], 3);
    assert_eq!(counts(&document, "export.zip/2024/one.ndjson"), [3, 3, 0, 0]);
    assert_eq!(counts(&document, "export.zip/2024/two.json.gz"), [2, 2, 0, 0]);
    assert_eq!(file(&document, "export.zip/read me.txt")["not_a_log"], true);
    // A zip in a zip is not opened, and that is said.
    assert_eq!(counts(&document, "export.zip/inner.zip"), [0, 0, 0, 0]);
    assert_eq!(document["inputs"]["accepted"], 6);
    ran.says("warning: export.zip/inner.zip: a zip archive inside");
    assert_eq!(place.listing().lines().count(), 1, "nothing is unpacked to disk");
}

#[test]
fn a_broken_zip_archive() {
    let archive = zip_of(&[("one.ndjson", &lines(&records(3)))]);
    let place = Place::new();
    place.write("cut.zip", &archive[..archive.len() - 30]).write("good.ndjson", lines(&records(2)));
    let (ran, document) = scan(&place, &["cut.zip", "good.ndjson"], 3);
    assert_eq!(counts(&document, "good.ndjson"), [2, 2, 0, 0]);
    assert_eq!(document["rejects"][0]["file"], "cut.zip");
    ran.says("warning: cut.zip: not a readable zip archive");
}

// ---------------------------------------------------------------------------------------------------------- large inputs

/// A run that may not take more memory than this many KiB of address space.
#[track_caller]
fn within(place: &Place, kib: u64, args: &[&str]) -> Ran {
    let quoted: Vec<String> = args.iter().map(|a| format!("'{a}'")).collect();
    let script = format!("ulimit -v {kib}; exec '{}' {}", crate::common::BINARY, quoted.join(" "));
    let output = assert_cmd::Command::new("/bin/sh").args(["-c", &script]).current_dir(place.path("")).env_clear().output().expect("a shell");
    Ran::of(format!("auditmill {} (within {kib} KiB)", args.join(" ")), output, place)
}

#[test]
fn a_gzip_bomb_stops_and_the_rest_is_read() {
    // 384 MiB of one record without an end: members of 32 MiB, each packed to about 32 KiB.
    let member = gz(&vec![b'a'; 32 << 20]);
    let mut bomb = gz(br#"{"timestamp":"2024-01-15T10:00:00Z","user":"u","action":"a","status":"success","x":""#);
    (0..12).for_each(|_| bomb.extend(&member));
    let place = Place::new();
    place.write("bomb.gz", &bomb).write("good.ndjson", lines(&records(3)));
    let ran = within(&place, 2 << 20, &["scan", "bomb.gz", "good.ndjson", "--format", "json", "--threads", "2", "--rules", &everything()]).exits(3);
    let document = ran.json();
    assert_balanced(&document, 3);
    assert_eq!(counts(&document, "good.ndjson"), [3, 3, 0, 0]);
    assert_eq!(counts(&document, "bomb.gz")[1], 0);
    ran.says("warning: bomb.gz:").says("bomb");
}

#[test]
fn bombs_of_other_packings_stop_too() {
    let block = vec![b'a'; 32 << 20];
    let start = br#"{"timestamp":"2024-01-15T10:00:00Z","user":"u","action":"a","status":"success","x":""#;
    let frame = zstd::encode_all(block.as_slice(), 1).expect("zstd");
    let mut bomb = zstd::encode_all(start.as_slice(), 1).expect("zstd");
    (0..12).for_each(|_| bomb.extend(&frame));
    // A member of a zip archive that is a gzip bomb.
    let member = gz(&block);
    let mut packed = gz(start);
    (0..12).for_each(|_| packed.extend(&member));
    let place = Place::new();
    place.write("bomb.zst", &bomb).write("bomb.zip", zip_of(&[("bomb.gz", &packed)])).write("good.ndjson", lines(&records(3)));
    let args = ["scan", "bomb.zst", "bomb.zip", "good.ndjson", "--format", "json", "--threads", "2", "--rules", &everything()];
    let ran = within(&place, 2 << 20, &args).exits(3).says("warning: bomb.zst:").says("warning: bomb.zip/bomb.gz:").says("decompression bomb");
    let document = ran.json();
    assert_balanced(&document, 3);
    assert_eq!(document["inputs"]["accepted"], 3, "{}", ran.dump());
}

#[test]
fn a_record_nested_without_end_is_one_reject() {
    for (open, close) in [("{\"c\":", "}"), ("[", "]")] {
        let deep = |levels: usize| {
            let x = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            format!(r#"{{"event_id":"deep","timestamp":"2024-01-15T10:00:00Z","user":"u","action":"a","status":"success","x":{x}}}"#)
        };
        let all = records(3);
        for levels in [200, 100_000] {
            let reason = [(Some(3), "nested too deeply")];
            faulty("deep.ndjson", &lines_with(&all, 2, deep(levels).as_bytes()), [4, 3, 1, 0], &reason);
            let array = format!("[{},{},{},{}]", all[0], all[1], deep(levels), all[2]);
            faulty("deep.json", array.as_bytes(), [4, 3, 1, 0], &reason);
            let document = format!(r#"{{"data":[{},{},{},{}]}}"#, all[0], all[1], deep(levels), all[2]);
            faulty("deep-page.json", document.as_bytes(), [4, 3, 1, 0], &reason);
        }
        whole("fair.ndjson", &lines_with(&all, 2, deep(100).as_bytes()), 4);
    }
}

#[test]
fn a_record_larger_than_the_limit() {
    let long =
        format!(r#"{{"event_id":"long","timestamp":"2024-01-15T10:00:00Z","user":"u","action":"a","status":"success","x":"{}"}}"#, "a".repeat(50_000_000));
    faulty("long.ndjson", &lines_with(&records(10), 4, long.as_bytes()), [11, 10, 1, 0], &[(Some(5), "larger than 32 MiB")]);
    // In one document the boundaries after it are lost, and that is said.
    let all = records(3);
    let array = format!("[{},{},{long},{}]", all[0], all[1], all[2]);
    faulty("long.json", array.as_bytes(), [3, 2, 1, 0], &[(Some(3), "larger than 32 MiB"), (None, "the rest of the file was not read")]);
}

#[test]
fn a_record_below_the_limit_is_read() {
    let mut all = records(4);
    all[2]["pad"] = json!("a".repeat(20_000_000));
    whole("long.ndjson", &lines(&all), 4);
}

/// About 14 MiB of records: more than is held whole, so that the file is cut into pieces.
fn large() -> Vec<Value> {
    let pad = "p".repeat(16 << 10);
    let mut all = records(900);
    all.iter_mut().for_each(|r| r["pad"] = json!(pad));
    all
}

#[test]
fn a_large_file_is_split_at_records() {
    let all = large();
    let expected: Vec<String> = (0..900).map(|i| format!("evt_{i}")).collect();
    let csv: String = "Event ID,Timestamp,User,Action,Resource,IP Address,Status,Request\n".to_owned()
        + &(0..900)
            .map(|i| format!("evt_{i},2024-01-15 10:{:02}:{:02} UTC,ana,user.login,r,,Success,\"{}\"\n", i / 60, i % 60, "p\n".repeat(8 << 10)))
            .collect::<String>();
    for (name, bytes) in [
        ("lines.ndjson", lines(&all)),
        ("array.json", json!(all).to_string().into_bytes()),
        ("container.json.gz", gz(json!({ "limit": 900, "data": all }).to_string().as_bytes())),
        ("concatenated.json", all.iter().flat_map(|r| serde_json::to_vec_pretty(r).expect("JSON")).collect()),
        ("rows.csv", csv.into_bytes()),
    ] {
        let place = Place::new();
        place.write(name, &bytes);
        let (ran, document) = scan(&place, &[name, "--threads", "2", "--matches", "m"], 0);
        assert_eq!(counts(&document, name), [900, 900, 0, 0], "{}", ran.dump());
        let seen: Vec<String> = lines_of(&place.read("m")).iter().map(|m| m["event_id"].as_str().unwrap_or_default().to_owned()).collect();
        assert!(seen == expected, "{name}: {} events, in another order or of other ids", seen.len());
    }
}

#[test]
fn a_bad_record_deep_in_a_large_file_keeps_its_number() {
    let all = large();
    let mut bytes = lines_with(&all, 850, b"not json");
    bytes.truncate(bytes.len() - 100);
    for threads in ["1", "2"] {
        let place = Place::new();
        place.write("large.ndjson", &bytes);
        let (_, document) = scan(&place, &["large.ndjson", "--threads", threads], 3);
        assert_eq!(counts(&document, "large.ndjson"), [901, 899, 2, 0]);
        assert_eq!(reasons(&document, "large.ndjson").iter().map(|r| r.0).collect::<Vec<_>>(), [Some(851), Some(901)]);
    }
    let mut broken = all.clone();
    broken[850]["timestamp"] = json!("never");
    let text = json!(broken).to_string();
    let place = Place::new();
    place.write("large.json", &text.as_bytes()[..text.len() - 100]);
    let (_, document) = scan(&place, &["large.json"], 3);
    assert_eq!(counts(&document, "large.json"), [900, 898, 2, 0]);
    assert_eq!(reasons(&document, "large.json").iter().map(|r| r.0).collect::<Vec<_>>(), [Some(851), Some(900)]);
}

#[test]
fn a_large_gzip_file_that_is_cut_off() {
    let packed = gz(&lines(&large()));
    let place = Place::new();
    place.write("cut.gz", &packed[..packed.len() - 400]).write("good.ndjson", lines(&[record(9999)]));
    let (ran, document) = scan(&place, &["cut.gz", "good.ndjson"], 3);
    let [read, accepted, rejected, _] = counts(&document, "cut.gz");
    assert!(accepted >= 700 && rejected <= 1 && read <= 900, "{}", ran.dump());
    assert_eq!(counts(&document, "good.ndjson"), [1, 1, 0, 0]);
    ran.says("warning: cut.gz: the packed data ends early");
}

// ---------------------------------------------------------------------------------------------- duplicates and conflicts

#[test]
fn an_exact_duplicate_is_counted_once() {
    let place = Place::new();
    let all = records(6);
    place.write("a.ndjson", lines(&[&all[..4], &all[..1]].concat())).write("b.json", json!(all[2..]).to_string());
    let (_, document) = scan(&place, &["a.ndjson", "b.json"], 0);
    // Of equal records the first by file and record stays.
    assert_eq!((counts(&document, "a.ndjson"), counts(&document, "b.json")), ([5, 4, 0, 1], [4, 2, 0, 2]));
    assert_eq!(document["conflicts"], 0);
    assert_eq!(ids(&place, "a.ndjson").len(), 4);
}

#[test]
fn the_same_id_with_other_content_is_a_conflict_and_kept() {
    let place = Place::new();
    let mut other = record(1);
    other["status"] = json!("failed");
    place.write("a.ndjson", lines(&records(3))).write("b.ndjson", lines(&[other, record(2)]));
    let (ran, document) = scan(&place, &["a.ndjson", "b.ndjson"], 0);
    assert_eq!((counts(&document, "a.ndjson"), counts(&document, "b.ndjson")), ([3, 3, 0, 0], [2, 1, 0, 1]));
    assert_eq!(document["conflicts"], 1);
    ran.says("Conflicts   1 event ids occur with different content");
}

#[test]
fn an_id_of_two_sources_is_two_events() {
    let place = Place::new();
    let (mut a, mut b) = (record(1), trail(1));
    (a["event_id"], b["eventID"]) = (json!("same"), json!("same"));
    place.write("log.ndjson", lines(&[a, b]));
    let (_, document) = scan(&place, &["log.ndjson"], 0);
    assert_eq!((counts(&document, "log.ndjson"), &document["conflicts"]), ([2, 2, 0, 0], &json!(0)));
}

#[test]
fn records_without_an_id_are_no_duplicates_inside_one_file() {
    let failed = json!({"timestamp": "2024-01-15T10:00:00Z", "user": "ana@acme.com", "action": "user.login_failed", "status": "failed"});
    let place = Place::new();
    place.write("a.ndjson", lines(&[failed.clone(), failed.clone()]));
    let (_, document) = scan(&place, &["a.ndjson"], 0);
    assert_eq!(counts(&document, "a.ndjson"), [2, 2, 0, 0]);
    // The same export twice, once cut short: the file with most copies stays.
    place.write("b.ndjson", lines(&[failed.clone(), failed.clone(), failed.clone()])).write("c.ndjson", lines(&[failed]));
    let (_, document) = scan(&place, &["a.ndjson", "b.ndjson", "c.ndjson"], 0);
    assert_eq!((counts(&document, "a.ndjson"), counts(&document, "b.ndjson"), counts(&document, "c.ndjson")), ([2, 0, 0, 2], [3, 3, 0, 0], [1, 0, 0, 1]));
}

// ---------------------------------------------------------------------------------------------------------------- events

#[test]
fn a_bad_file_does_not_stop_the_events_command() {
    let place = Place::new();
    place.write("bad.ndjson", lines_with(&records(4), 1, b"nothing")).write("good.ndjson", lines(&records(8)[4..]));
    let ran =
        place.run(&["events", "bad.ndjson", "good.ndjson"]).exits(3).says("warning: bad.ndjson:2:").says("9 records = 8 accepted + 1 rejected + 0 duplicates");
    assert_eq!(ran.lines().len(), 8);
}
