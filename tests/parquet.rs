//! Parquet in and out: what is written is what NDJSON holds and reads back to the same findings; foreign files with nested columns
//! are read by the columns that are asked for; hostile files cost their own records and nothing else.

use crate::common::{Place, everything, generator, lines_of, ndjson, project, rules, samples, scan_bytes, test_source};
use ::parquet::arrow::ArrowWriter;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::properties::{ReaderProperties, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::reader::FileReader;
use ::parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use ::parquet::schema::types::ColumnPath;
use arrow::array::builder::{Int64Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow::array::cast::AsArray;
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StructArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::datatypes::{TimestampMicrosecondType, UInt32Type};
use auditmill::event::Column;
use auditmill::event::time::format_time;
use auditmill::source::SourceSet;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

// ------------------------------------------------------------------------------------------------------------- helpers

/// Columns as one batch.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).expect("a batch")
}

/// Batches as a file; each ends a row group.
fn file_of(batches: &[RecordBatch], properties: WriterPropertiesBuilder) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties.build())).expect("a writer");
    for batch in batches {
        writer.write(batch).expect("rows");
        writer.flush().expect("a row group");
    }
    writer.into_inner().expect("a file")
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

/// Events of the test source: ids from `first` on, one a second, with a text that every event has.
fn events(first: usize, n: usize, text: &str) -> RecordBatch {
    let ids: Vec<String> = (first..first + n).map(|i| format!("e{i}")).collect();
    let times: Vec<i64> = (first..first + n).map(|i| 1_705_312_800_000 + i as i64 * 1000).collect();
    batch(vec![
        ("id", Arc::new(StringArray::from(ids))),
        ("t", Arc::new(TimestampMillisecondArray::from(times))),
        ("text", Arc::new(StringArray::from(vec![text; n]))),
    ])
}

fn metadata(file: &[u8]) -> ParquetMetaData {
    SerializedFileReader::new(Bytes::copy_from_slice(file)).expect("a Parquet file").metadata().clone()
}

const NAMED: &str = "title: Named\nid: named\nlogsource: {product: test}\ndetection: {s: {id: e3}, condition: s}\n";

/// Read, accepted, rejected, duplicates.
#[track_caller]
fn counts(files: &[&[u8]], threads: usize) -> ([u64; 4], Vec<(Option<u32>, String)>, BTreeSet<(String, String)>) {
    let files = files.iter().enumerate().map(|(i, bytes)| (format!("{i}.parquet"), bytes.to_vec())).collect();
    let seen = scan_bytes(test_source(), &rules(NAMED), files, threads);
    let t = seen.totals;
    assert_eq!(t.read, t.accepted + t.rejected + t.duplicates);
    ([t.read, t.accepted, t.rejected, t.duplicates], seen.reasons, seen.matches)
}

/// The normalised events of a file, by the real binary.
#[track_caller]
fn normalised(place: &Place, args: &[&str]) -> Vec<Value> {
    place.run(&[&["events"], args].concat()).exits(0).lines()
}

fn samples_folder() -> Option<String> {
    samples("ops0").and(samples("cloudtrail")).map(|_| project().join("samples").display().to_string())
}

// ----------------------------------------------------------------------------------------------------------------- out

/// A cell as NDJSON has it.
fn cell(array: &ArrayRef, column: Column, row: usize) -> Value {
    match column {
        _ if array.is_null(row) => Value::Null,
        Column::Time => json!(format_time(array.as_primitive::<TimestampMicrosecondType>().value(row))),
        Column::Record => json!(array.as_primitive::<UInt32Type>().value(row)),
        Column::Mfa => json!(array.as_boolean().value(row)),
        _ => json!(array.as_string::<i32>().value(row)),
    }
}

#[test]
fn a_file_holds_what_ndjson_holds() {
    let Some(logs) = samples_folder() else { return };
    let place = Place::new();
    place.run(&["events", &logs, "--format", "parquet", "-o", "e.parquet"]).exits(0);
    let lines = normalised(&place, &[&logs]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(place.read("e.parquet"))).expect("a Parquet file");
    let names: Vec<&str> = reader.schema().fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, Column::ALL.iter().map(|c| c.name()).collect::<Vec<_>>());
    assert_eq!(
        *reader.schema().field_with_name("time").expect("time").data_type(),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, Some("UTC".into()))
    );
    let mut rows = Vec::new();
    for batch in reader.build().expect("a reader") {
        let batch = batch.expect("rows");
        rows.extend((0..batch.num_rows()).map(|row| {
            let cells = Column::ALL.iter().zip(batch.columns()).map(|(c, array)| (c.name().to_owned(), cell(array, *c, row)));
            Value::Object(cells.collect())
        }));
    }
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        assert_eq!(row, line);
    }
}

#[test]
fn a_file_says_who_wrote_it_is_sorted_and_has_bloom_filters() {
    let Some(logs) = samples_folder() else { return };
    let place = Place::new();
    place.run(&["events", &logs, "--format", "parquet", "-o", "e.parquet"]).exits(0);
    let file = Bytes::from(place.read("e.parquet"));
    let options = ReadOptionsBuilder::new().with_reader_properties(ReaderProperties::builder().set_read_bloom_filter(true).build()).build();
    let reader = SerializedFileReader::new_with_options(file, options).expect("a Parquet file");
    let about = reader.metadata().file_metadata();
    assert_eq!(about.created_by(), Some(concat!("auditmill version ", env!("CARGO_PKG_VERSION"))));
    let pairs: BTreeMap<&str, &str> =
        about.key_value_metadata().expect("metadata").iter().filter_map(|kv| Some((kv.key.as_str(), kv.value.as_deref()?))).collect();
    assert_eq!((pairs["auditmill.tool"], pairs["auditmill.version"]), ("auditmill", env!("CARGO_PKG_VERSION")));
    let own = crate::common::own_sources();
    let hash = |id: &str| own.mappings().iter().find(|m| m.id == id).map(|m| m.hash.as_str());
    assert_eq!(pairs.get("auditmill.mapping.ops0").copied(), hash("ops0"));
    assert_eq!(pairs.get("auditmill.mapping.aws_cloudtrail").copied(), hash("aws_cloudtrail"));
    assert_eq!(pairs.get("auditmill.mapping.auditmill"), None, "a mapping that read nothing");
    let group = reader.get_row_group(0).expect("a row group");
    let sorted = group.metadata().sorting_columns().expect("a sort order");
    let place_of = |name: &str| Column::ALL.iter().position(|c| c.name() == name).expect("a column");
    assert_eq!((sorted.len(), sorted[0].column_idx as usize, sorted[0].descending), (1, place_of("time"), false));
    for (i, column) in Column::ALL.iter().enumerate() {
        assert!(matches!(group.metadata().column(i).compression(), Compression::ZSTD(_)));
        assert_eq!(group.get_column_bloom_filter(i).is_some(), ["user", "ip", "event_id"].contains(&column.name()), "{column}");
    }
    let users = group.get_column_bloom_filter(place_of("user")).expect("a bloom filter");
    let lines = normalised(&place, &[&logs]);
    let user = lines.iter().find_map(|l| l["user"].as_str()).expect("a user");
    assert!(users.check(&user) && !users.check(&"nobody@example.org"));
    assert!(lines.windows(2).all(|w| w[0]["time"].as_str() <= w[1]["time"].as_str()));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let Some(logs) = samples_folder() else { return };
    let place = Place::new();
    for (name, threads) in [("one", "1"), ("four", "4"), ("again", "4")] {
        place.run(&["events", &logs, "--format", "parquet", "--threads", threads, "-o", name]).exits(0);
    }
    assert!(place.read("one") == place.read("four") && place.read("four") == place.read("again"));
    let piped = place.run(&["events", &logs, "--format", "parquet"]).exits(0);
    assert!(piped.out == place.read("one"), "a pipe gets what a file gets");
}

#[test]
fn secrets_are_masked_and_nothing_is_written_in_part() {
    let place = Place::new();
    place.write("a.json", r#"[{"event_id":"1","timestamp":"2024-01-15T10:00:00Z","user":"a","action":"user.login","resource":"r","status":"success","details":{"password":"hunter22"}}]"#);
    place.run(&["events", "a.json", "--format", "parquet", "-o", "e.parquet"]).exits(0);
    place.run(&["events", "a.json", "--format", "parquet", "-o", "open.parquet", "--show-secrets"]).exits(0);
    let text = |name: &str| -> String { normalised(&place, &[name, "--show-secrets"]).iter().map(Value::to_string).collect() };
    assert!(!text("e.parquet").contains("hunter22") && text("open.parquet").contains("hunter22"));
    place.run(&["events", "a.json", "--format", "parquet", "-o", "none/e.parquet"]).exits(2);
    place.run(&["events", "a.json", "--format", "parquet", "-o", "e.parquet"]).exits(2).says("the file exists");
    assert!(!place.path("none").exists());
}

// ----------------------------------------------------------------------------------------------------------- read again

const OVER_COLUMNS: &str = "
title: Failed\nid: failed\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {status: failed}, condition: s}
---
title: Of One Source\nid: field\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {source: ops0, user|exists: true}, condition: s}
---
title: Of One Service\nid: service\ntaxonomy: auditmill\nlogsource: {product: auditmill, service: ops0}\ndetection: {s: {user|endswith: '@acme.com'}, condition: s}
---
title: Of One Product\nid: product\ntaxonomy: auditmill\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {action|exists: true}, condition: s}
---
title: Of Another Product\nid: other\ntaxonomy: auditmill\nlogsource: {product: okta}\ndetection: {s: {action|exists: true}, condition: s}
---
title: Without An Activity\nid: bare\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {activity: null, ip|cidr: 0.0.0.0/0}, condition: s}
---
title: What Was Asked\nid: asked\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {request|contains: Policy}, condition: s}
---
title: Many\nid: many\nlevel: high\ncorrelation: {type: event_count, rules: [field], group-by: [user], timespan: 1d, condition: {gte: 5}}
";

/// Findings without the places of their events.
#[track_caller]
fn found(place: &Place, path: &str, rules: &str) -> BTreeMap<String, Vec<Value>> {
    let document = place.run(&["scan", path, "--rules", rules, "--format", "json"]).json();
    let mut out: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for f in document["findings"].as_array().expect("findings") {
        let rule = f["rule_title"].as_str().expect("a title").to_owned();
        out.entry(rule).or_default().push(json!([f["level"], f["entity"], f["first"], f["last"], f["count"]]));
    }
    out.values_mut().for_each(|list| list.sort_by_key(Value::to_string));
    out
}

#[test]
fn rules_over_columns_find_in_the_file_what_they_find_in_the_logs() {
    let Some(logs) = samples_folder() else { return };
    let place = Place::new();
    place.write("rules.yml", OVER_COLUMNS.trim_start());
    place.run(&["events", &logs, "--format", "parquet", "-o", "e.parquet"]).exits(0);
    place.run(&["events", &logs, "-o", "e.ndjson"]).exits(0);
    let expected = found(&place, &logs, "rules.yml");
    assert!(expected.len() > 5, "{:?}", expected.keys());
    assert_eq!(found(&place, "e.parquet", "rules.yml"), expected);
    assert_eq!(found(&place, "e.ndjson", "rules.yml"), expected);
    // And the pack: every rule that looks at event columns alone.
    let (of_logs, of_file) = (found(&place, &logs, "default"), found(&place, "e.parquet", "default"));
    assert!(of_file.len() > 20);
    for (rule, list) in &of_file {
        assert_eq!(Some(list), of_logs.get(rule), "{rule}");
    }
}

#[test]
fn rules_over_a_vendors_fields_are_said_not_to_judge_normalised_events() {
    const OVER_FIELDS: &str =
        "title: Fields\nid: fields\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: DeleteTrail}, condition: s}
---
title: Others\nid: others\nlogsource: {product: okta, service: okta}\ndetection: {s: {eventType: user.session.start}, condition: s}
";
    let Some(logs) = samples("cloudtrail") else { return };
    let place = Place::new();
    place.write("rules.yml", OVER_FIELDS);
    let logs = logs.display().to_string();
    place.run(&["events", &logs, "--format", "parquet", "-o", "e.parquet"]).exits(0);
    place.run(&["events", &logs, "-o", "e.ndjson"]).exits(0);
    let states = |path: &str| -> Vec<(String, String)> {
        let document = place.run(&["scan", path, "--rules", "rules.yml", "--format", "json"]).json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        document["rules"].as_array().expect("rules").iter().map(|s| (text(&s["state"]), text(&s["reason"]))).collect()
    };
    for file in ["e.parquet", "e.ndjson"] {
        let found = states(file);
        assert_eq!((found[0].0.as_str(), found[1].0.as_str()), ("not assessable", "not applicable"), "{found:?}");
        assert!(found[0].1.contains("scan the original logs"), "{found:?}");
    }
    assert!(["ran", "could not match"].contains(&states(&logs)[0].0.as_str()), "{:?}", states(&logs));
}

#[test]
fn evidence_names_the_row_and_the_event_keeps_its_source() {
    let place = Place::new();
    place.write("a.json", r#"[{"event_id":"1","timestamp":"2024-01-15T10:00:00Z","user":"a","action":"user.login","resource":"r","status":"success"},{"event_id":"2","timestamp":"2024-01-15T09:00:00Z","user":"b","action":"no.such","resource":"r","status":"success"}]"#);
    place.run(&["events", "a.json", "--format", "parquet", "-o", "e.parquet"]).exits(0);
    let again = normalised(&place, &["e.parquet"]);
    let of = |n: usize| (again[n]["source"].as_str(), again[n]["file"].as_str(), again[n]["record"].as_u64(), again[n]["event_id"].as_str());
    assert_eq!(of(0), (Some("ops0"), Some("e.parquet"), Some(1), Some("2")), "sorted by time; no activity, and an event all the same");
    assert_eq!(of(1), (Some("ops0"), Some("e.parquet"), Some(2), Some("1")));
    let raw: Value = serde_json::from_str(again[0]["raw"].as_str().expect("raw")).expect("a record");
    assert_eq!((&raw["file"], &raw["record"]), (&json!("a.json"), &json!(2)), "where it was first read");
}

// ------------------------------------------------------------------------------------------- columns as they stand in the file

/// A source whose columns are decided by one field each, and by one of several where `first` says so.
const FLAT: &str = "
id: flat
title: Flat
logsource: [{product: flat}]
detect: [{has: [t, mark]}]
time: [t]
columns:
  event_id: id
  user: {path: who, null_if: ['-']}
  action: {path: act, map: {in: user.login, out: user.logout}, default: other}
  account: n
  mfa: {path: flag, as: bool}
  ip: {path: ip, as: ip}
  request: {json: req}
  session: late
";

/// Rules that ask of each field in each way that there is.
const OF_FLAT: &str = "
title: A\nid: a\nlogsource: {product: flat}\ndetection: {s: {who|endswith: '@x.org'}, condition: s}
---
title: B\nid: b\nlogsource: {product: flat}\ndetection: {s: {n|gte: 3}, f: {flag: true}, condition: s and not f}
---
title: C\nid: c\nlogsource: {product: flat}\ndetection: {s: {who: null}, condition: s}
---
title: D\nid: d\nlogsource: {product: flat}\ndetection: {s: {act|exists: false}, t: {req|contains: '\"k\"'}, condition: s or t}
---
title: E\nid: e\ntaxonomy: auditmill\nlogsource: {product: flat}\ndetection: {s: {action: [other, user.login], mfa: 'true'}, condition: s}
---
title: F\nid: f\ntaxonomy: auditmill\nlogsource: {product: flat}\ndetection: {s: {user: null, ip|cidr: 10.0.0.0/8}, t: {request|re: 'v.1'}, condition: 1 of them}
---
title: G\nid: g\nlogsource: {product: flat}\ndetection: {s: {who|fieldref: late}, condition: s}
---
title: H\nid: h\ncorrelation: {type: value_count, rules: [e, f], group-by: [account, session], timespan: 1h, condition: {gte: 2, field: user}}
";

/// What a row of the table holds; the time is in milliseconds after the start.
type FlatRow = (Option<u16>, Option<i64>, Option<String>, Option<String>, Option<i64>, Option<bool>, Option<String>, Option<String>);

fn flat_rows() -> impl Strategy<Value = Vec<FlatRow>> {
    let who = prop::sample::select(vec!["ana@x.org", "-", "", "B\u{e9}n \"q\" \\ \n@x.org", "a rather long name that no view holds @x.org", "late"]);
    let ip = prop::sample::select(vec!["10.0.0.1", "192.0.2.1", "host", "10.9.9.9:443"]);
    let req = prop::sample::select(vec!["{\"k\": \"v11\"}", "[1, \"v 1\"]", "v-1", "{", ""]);
    let act = prop::sample::select(vec!["in", "out", "IN ", "x"]);
    let some = |texts: prop::sample::Select<&'static str>| prop::option::weighted(0.8, texts.prop_map(str::to_owned));
    let row = (
        prop::option::weighted(0.7, 0u16..400),
        prop::option::weighted(0.95, -5_000i64..7_200_000),
        some(who.clone()),
        some(act),
        prop::option::of(prop_oneof![-2i64..6, Just(i64::MIN), Just(i64::MAX)]),
        prop::option::of(any::<bool>()),
        some(req),
        prop_oneof![some(ip.clone()), some(who)],
    );
    prop::collection::vec(row, 1..120)
}

/// The rows as a table, with a column of each scalar type, and as lines.
fn flat_table(rows: &[FlatRow], wide: bool) -> (RecordBatch, String) {
    const START: i64 = 1_705_312_800_000;
    let id = |r: &FlatRow| r.0.map(|n| format!("id-{n}"));
    let texts = |of: &dyn Fn(&FlatRow) -> Option<String>| -> ArrayRef {
        let list: Vec<Option<String>> = rows.iter().map(of).collect();
        if wide { Arc::new(LargeStringArray::from(list)) } else { Arc::new(StringArray::from(list)) }
    };
    let times: Vec<Option<i64>> = rows.iter().map(|r| r.1.map(|t| START + t)).collect();
    let table = batch(vec![
        ("id", texts(&id)),
        ("t", Arc::new(TimestampMillisecondArray::from(times))),
        ("mark", Arc::new(Int64Array::from((0..rows.len() as i64).collect::<Vec<_>>()))),
        ("who", texts(&|r| r.2.clone())),
        ("act", texts(&|r| r.3.clone())),
        ("n", Arc::new(Int64Array::from(rows.iter().map(|r| r.4).collect::<Vec<_>>()))),
        ("flag", Arc::new(BooleanArray::from(rows.iter().map(|r| r.5).collect::<Vec<_>>()))),
        ("req", texts(&|r| r.6.clone())),
        ("ip", texts(&|r| r.7.clone())),
        ("late", texts(&|r| r.7.clone())),
    ]);
    let line = |(i, r): (usize, &FlatRow)| {
        let time = r.1.map(|t| format_time((START + t) * 1000));
        let all = json!({"id": id(r), "t": time, "mark": i, "who": r.2, "act": r.3, "n": r.4, "flag": r.5, "req": r.6, "ip": r.7, "late": r.7});
        let present: serde_json::Map<String, Value> = all.as_object().cloned().into_iter().flatten().filter(|(_, v)| !v.is_null()).collect();
        format!("{}\n", Value::Object(present))
    };
    (table, rows.iter().enumerate().map(line).collect())
}

#[test]
fn columns_give_what_the_same_rows_give_as_lines() {
    let source = SourceSet::load(&[("flat.yml".into(), FLAT.into())]).expect("a source");
    // Where several fields decide a column, rows are read as records.
    let several = SourceSet::load(&[("flat.yml".into(), FLAT.replace("session: late", "session: {first: [late, id]}"))]).expect("a source");
    let set = rules(OF_FLAT.trim_start());
    let strategy = (flat_rows(), any::<bool>(), any::<bool>(), any::<bool>(), 1usize..4);
    let result = generator("columns", 200).run(&strategy, |(rows, wide, dictionary, settled, threads)| {
        let (table, lines) = flat_table(&rows, wide);
        let half = rows.len() / 2;
        let groups: Vec<RecordBatch> = [table.slice(0, half), table.slice(half, rows.len() - half)].into_iter().filter(|g| g.num_rows() > 0).collect();
        let file = file_of(&groups, plain().set_dictionary_enabled(dictionary));
        let source = if settled { &source } else { &several };
        let of_columns = scan_bytes(source, &set, vec![("f".into(), file)], threads);
        let of_lines = scan_bytes(source, &set, vec![("f".into(), lines.into_bytes())], 1);
        prop_assert_eq!(format!("{of_columns:?}"), format!("{of_lines:?}"));
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

// --------------------------------------------------------------------------------------------------------- foreign files

const OCSF: &str = "
id: lake
title: Lake
logsource: [{product: lake}]
detect: [{has: [metadata.uid, class_uid, time_dt]}]
time: [time_dt]
columns:
  event_id: metadata.uid
  user: actor.user.name
  action: api.operation
  resource: {path: 'resources[0].uid'}
  ip: {path: src_endpoint.ip, as: ip}
  request: {json: unmapped}
  changes: {json: resources}
  account: cost
  region: day
  session: token
  error_code: score
  environment: big
  user_agent: agent
  credential: key
";

/// Rows as a security lake has them: structs, lists of structs, maps, decimals, dates, dictionaries, binaries.
fn lake() -> RecordBatch {
    let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let strukt = |fields: Vec<(&str, ArrayRef)>| -> ArrayRef {
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = fields.into_iter().map(|(n, a)| (Field::new(n, a.data_type().clone(), true), a)).unzip();
        Arc::new(StructArray::new(fields.into(), arrays, None))
    };
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("say \"x\"");
    map.values().append_value("line\nbreak");
    map.keys().append_value("none");
    map.values().append_null();
    map.append(true).expect("a map");
    map.append(false).expect("a null map");
    let resource = |uid: &[&str]| strukt(vec![("uid", Arc::new(StringArray::from(uid.to_vec())) as ArrayRef)]);
    let resources = resource(&["arn:1", "arn:2"]);
    let list = arrow::array::ListArray::new(
        Arc::new(Field::new("element", resources.data_type().clone(), true)),
        arrow::buffer::OffsetBuffer::from_lengths([2, 0]),
        resources,
        None,
    );
    let mut counts = ListBuilder::new(Int64Builder::new());
    counts.append_value([Some(1), None, Some(3)]);
    counts.append_null();
    batch(vec![
        ("metadata", strukt(vec![("uid", text(vec![Some("m1"), Some("m2")])), ("version", text(vec![Some("1.1"), None]))])),
        ("class_uid", Arc::new(Int64Array::from(vec![6003, 3002]))),
        ("time_dt", Arc::new(TimestampNanosecondArray::from(vec![1_705_312_800_123_456_789, 1_705_312_801_000_000_000]).with_timezone("UTC"))),
        ("actor", strukt(vec![("user", strukt(vec![("name", text(vec![Some("ana"), None]))]))])),
        ("api", strukt(vec![("operation", text(vec![Some("CreateUser"), Some("Login")]))])),
        ("src_endpoint", strukt(vec![("ip", text(vec![Some("203.0.113.7"), Some("AWS Internal")]))])),
        ("resources", Arc::new(list)),
        ("unmapped", Arc::new(map.finish())),
        ("cost", Arc::new(Decimal128Array::from(vec![Some(12_345), None]).with_precision_and_scale(10, 2).expect("a decimal"))),
        ("day", Arc::new(Date32Array::from(vec![19_737, 19_738]))),
        ("token", Arc::new(BinaryArray::from(vec![b"plain".as_slice(), &[0xff, 0xfe]]))),
        ("score", Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))),
        ("big", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        ("agent", Arc::new(vec!["curl", "curl"].into_iter().collect::<DictionaryArray<arrow::datatypes::Int32Type>>())),
        ("key", Arc::new(LargeStringArray::from(vec![Some("k"), None]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("counts", Arc::new(counts.finish())),
    ])
}

#[test]
fn nested_columns_are_read_as_the_objects_that_they_are() {
    let place = Place::new();
    place.write("lake/s.yml", OCSF.trim_start());
    for (name, version, compression) in [
        ("plain", WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
        ("snappy", WriterVersion::PARQUET_1_0, Compression::SNAPPY),
        ("gzip", WriterVersion::PARQUET_2_0, Compression::GZIP(GzipLevel::default())),
        ("zstd", WriterVersion::PARQUET_2_0, Compression::ZSTD(ZstdLevel::default())),
        ("lz4", WriterVersion::PARQUET_1_0, Compression::LZ4),
        ("lz4_raw", WriterVersion::PARQUET_2_0, Compression::LZ4_RAW),
    ] {
        place.write(name, file_of(&[lake()], plain().set_writer_version(version).set_compression(compression)));
        let rows = normalised(&place, &[name, "--sources", "lake", "--show-secrets"]);
        let of = |n: usize| -> Vec<&Value> {
            let names = [
                "event_id",
                "time",
                "user",
                "action",
                "resource",
                "ip",
                "account",
                "region",
                "session",
                "error_code",
                "environment",
                "user_agent",
                "credential",
            ];
            names.iter().map(|c| &rows[n][c]).collect()
        };
        assert_eq!(
            json!(of(0)),
            json!([
                "m1",
                "2024-01-15T10:00:00.123456Z",
                "ana",
                "CreateUser",
                "arn:1",
                "203.0.113.7",
                "123.45",
                "2024-01-15",
                "plain",
                null,
                "9223372036854775807",
                "curl",
                "k"
            ]),
            "{name}"
        );
        assert_eq!(
            json!(of(1)),
            json!(["m2", "2024-01-15T10:00:01Z", null, "Login", null, null, null, "2024-01-16", "//4=", "0.5", null, "curl", null]),
            "{name}"
        );
        let parse = |v: &Value| serde_json::from_str::<Value>(v.as_str().expect("text")).expect("JSON");
        assert_eq!(parse(&rows[0]["request"]), json!({"say \"x\"": "line\nbreak"}));
        assert_eq!(parse(&rows[0]["changes"]), json!([{"uid": "arn:1"}, {"uid": "arn:2"}]));
        let raw = parse(&rows[0]["raw"]);
        assert_eq!((&raw["flag"], &raw["counts"]), (&json!(true), &json!([1, null, 3])));
        assert!(["flag", "counts", "cost", "big", "key", "unmapped"].iter().all(|c| parse(&rows[1]["raw"]).get(c).is_none()), "null columns are left out");
        // A scan reads a part of the columns and sees the same.
        place.write(
            "r.yml",
            "title: R\nid: r\ntaxonomy: auditmill\nlogsource: {product: lake}\ndetection: {s: {user: ana, ip|cidr: 203.0.113.0/24}, condition: s}\n",
        );
        let document = place.run(&["scan", name, "--sources", "lake", "--rules", "r.yml", "--format", "json"]).exits(0).json();
        assert_eq!((&document["inputs"]["accepted"], document["findings"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{name}");
    }
}

#[test]
fn every_encoding_of_texts_is_read() {
    for encoding in [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            let properties = plain().set_writer_version(version).set_dictionary_enabled(false).set_column_encoding(ColumnPath::from("id"), encoding);
            let file = file_of(&[events(0, 3000, "x")], properties.set_data_page_row_count_limit(700));
            let (counted, reasons, matches) = counts(&[&file], 2);
            assert_eq!((counted, reasons), ([3000, 3000, 0, 0], vec![]), "{encoding:?} {version:?}");
            assert_eq!(matches.len(), 1);
        }
    }
}

#[test]
fn row_groups_are_read_by_several_threads_to_the_same_end() {
    let groups: Vec<RecordBatch> = (0..7).map(|g| events(g * 20_000, 20_000, "the same text in every row")).collect();
    let place = Place::new();
    place.write("big.parquet", file_of(&groups, plain()));
    place.write("s/test.yml", "id: test\ntitle: Test\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: [t]\ncolumns: {event_id: id, user: text}\n");
    place.write("r.yml", "title: R\nid: r\nlogsource: {product: test}\ndetection: {s: {id: [e0, e20000, e139999]}, condition: s}\n");
    let run = |threads: &str| {
        let out = format!("out{threads}.json");
        let matches = format!("m{threads}");
        place
            .run(&["scan", "big.parquet", "--sources", "s", "--rules", "r.yml", "--format", "json", "--threads", threads, "-o", &out, "--matches", &matches])
            .exits(0);
        (place.read(&out), place.read(&matches))
    };
    let one = run("1");
    assert!(one == run("4"));
    let document: Value = serde_json::from_slice(&one.0).expect("JSON");
    assert_eq!(document["inputs"]["accepted"], json!(140_000));
    let records: BTreeSet<u64> = lines_of(&one.1).iter().filter_map(|l| l["record"].as_u64()).collect();
    assert_eq!(records, BTreeSet::from([1, 20_001, 140_000]));
}

/// Where a column's bytes stand in a row group.
fn chunk_of(file: &[u8], group: usize, column: &str) -> std::ops::Range<usize> {
    let metadata = metadata(file);
    let column = metadata.row_group(group).columns().iter().find(|c| c.column_path().string() == column).expect("the column").clone();
    let (start, len) = column.byte_range();
    start as usize..(start + len) as usize
}

#[test]
fn a_column_that_nobody_asks_for_is_not_read() {
    let mut file = file_of(&[events(0, 500, &"long ".repeat(2000))], plain().set_dictionary_enabled(false));
    let at = chunk_of(&file, 0, "text");
    file[at].fill(0xff);
    assert_eq!(counts(&[&file], 1).0, [500, 500, 0, 0], "a scan never looks at it");
    let keyword = "title: K\nid: k\nlogsource: {product: test}\ndetection: {keywords: [long], condition: keywords}\n";
    let seen = scan_bytes(test_source(), &rules(keyword), vec![("f".into(), file.clone())], 1);
    assert_eq!(seen.totals.accepted, 0, "keywords look at all of a record");
    assert!(seen.reasons.iter().any(|(_, r)| r.contains("rows 1 to 500 (row group 1 of 1) were not read") && r.contains("`text`")), "{:?}", seen.reasons);
}

#[test]
fn rows_of_another_source_are_told_by_all_of_their_columns() {
    let mixed = SourceSet::load(&[
        ("a.yml".into(), "id: a\ntitle: A\nlogsource: [{product: a}]\ndetect: [{has: [t, a]}]\ntime: [t]\ncolumns: {event_id: a}\n".into()),
        ("b.yml".into(), "id: b\ntitle: B\nlogsource: [{product: b}]\ndetect: [{has: [t, b]}]\ntime: [t]\ncolumns: {event_id: b}\n".into()),
    ])
    .expect("sources");
    let rows = batch(vec![
        ("t", Arc::new(StringArray::from(vec!["2024-01-15T10:00:00Z"; 4]))),
        ("a", Arc::new(StringArray::from(vec![Some("a1"), None, None, Some("a2")]))),
        ("b", Arc::new(StringArray::from(vec![None, Some("b1"), None, None]))),
        ("c", Arc::new(StringArray::from(vec![None, None, Some("c1"), None]))),
    ]);
    let both = "title: A\nid: ra\nlogsource: {product: a}\ndetection: {s: {a|exists: true}, condition: s}\n---\ntitle: B\nid: rb\nlogsource: {product: b}\ndetection: {s: {b: b1}, condition: s}\n";
    let seen = scan_bytes(&mixed, &rules(both), vec![("f".into(), file_of(&[rows], plain()))], 1);
    assert_eq!((seen.totals.read, seen.totals.accepted, seen.totals.rejected), (4, 3, 1));
    assert_eq!((seen.hits("ra"), seen.hits("rb")), (BTreeSet::from(["a1", "a2"]), BTreeSet::from(["b1"])));
    assert!(seen.reasons[0].1.contains('c'), "{:?}", seen.reasons);
}

#[test]
fn copies_are_duplicates_and_other_events_are_not() {
    let (one, two) = (file_of(&[events(0, 10, "x")], plain()), file_of(&[events(5, 10, "y")], plain()));
    assert_eq!(counts(&[&one, &one], 2).0, [20, 10, 0, 10]);
    assert_eq!(counts(&[&one, &two], 2).0, [20, 15, 0, 5], "an event's id tells, as far as its columns were read");
    // Without ids only what is the same in all columns is the same event.
    let bare = |text: &str| {
        let times = TimestampMillisecondArray::from(vec![1_705_312_800_000; 2]);
        file_of(&[batch(vec![("t", Arc::new(times)), ("text", Arc::new(StringArray::from(vec![text; 2])))])], plain())
    };
    assert_eq!(counts(&[&bare("x"), &bare("x")], 2).0, [4, 2, 0, 2]);
    assert_eq!(counts(&[&bare("x"), &bare("y")], 2).0, [4, 4, 0, 0]);
}

#[test]
fn standard_input_archives_and_packed_files_are_read_whole() {
    let place = Place::new();
    let file = file_of(&[events(0, 10, "x")], plain());
    place.write("s/test.yml", "id: test\ntitle: Test\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: [t]\ncolumns: {event_id: id}\n");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("any.name", zip::write::SimpleFileOptions::default()).expect("zip");
    std::io::Write::write_all(&mut zip, &file).expect("zip");
    place.write("a.zip", zip.finish().expect("zip").into_inner());
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gz, &file).expect("gzip");
    place.write("a.gz", gz.finish().expect("gzip"));
    let rule = everything();
    for path in ["a.zip", "a.gz", "-"] {
        let ran = place.run_with(&["scan", path, "--sources", "s", "--rules", &rule, "--format", "json"], &[], &file);
        assert_eq!(ran.json()["inputs"]["accepted"], json!(10), "{path}{}", ran.dump());
    }
}

// ------------------------------------------------------------------------------------------------------------- hostile

#[test]
fn a_damaged_row_group_costs_its_own_rows() {
    let groups: Vec<RecordBatch> = (0..3).map(|g| events(g * 100, 100, "x")).collect();
    let mut file = file_of(&groups, plain().set_compression(Compression::ZSTD(ZstdLevel::default())));
    let at = chunk_of(&file, 1, "id");
    file[at.start + 40..at.end].fill(0);
    for threads in [1, 3] {
        let (counted, reasons, _) = counts(&[&file], threads);
        assert_eq!(counted, [200, 200, 0, 0]);
        let [(None, reason)] = reasons.as_slice() else { panic!("{reasons:?}") };
        assert!(reason.contains("rows 101 to 200 (row group 2 of 3) were not read: the column `id`") && reason.contains("export the file again"), "{reason}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let file = file_of(&[events(0, 10, "x")], plain());
    let footer = |len: u32| [&file[..file.len() - 8], &len.to_le_bytes(), b"PAR1"].concat();
    let encrypted = [b"PARE".as_slice(), &file[4..file.len() - 4], b"PARE"].concat();
    for (bytes, says) in [
        (file[..file.len() - 1].to_vec(), "the file was cut off"),
        (b"PAR1".to_vec(), "the file was cut off"),
        (footer(u32::MAX), "its footer is larger than"),
        (footer(file.len() as u32), "its footer is damaged"),
        (footer(9), "its footer is damaged"),
        (encrypted, "encrypted"),
    ] {
        let (counted, reasons, _) = counts(&[&bytes], 1);
        assert_eq!(counted, [0; 4]);
        assert!(reasons.len() == 1 && reasons[0].1.contains(says), "{says}: {reasons:?}");
    }
    let csv = b"PARENT,id,t\nx,e1,2024-01-15T10:00:00Z\n";
    assert_eq!(counts(&[csv], 1).0, [1, 1, 0, 0], "a header may begin like an encrypted file");
}

#[test]
fn a_row_too_large_for_a_record_is_rejected_alone() {
    let text = "x".repeat(20 << 20);
    let mut columns =
        vec![("id", Arc::new(StringArray::from(vec!["e1", "e3"])) as ArrayRef), ("t", Arc::new(StringArray::from(vec!["2024-01-15T10:00:00Z"; 2])))];
    columns.push(("a", Arc::new(StringArray::from(vec![Some(text.as_str()), None]))));
    columns.push(("b", Arc::new(StringArray::from(vec![Some(text.as_str()), None]))));
    let file = file_of(&[batch(columns)], plain().set_compression(Compression::ZSTD(ZstdLevel::default())));
    let keyword = "title: K\nid: k\nlogsource: {product: test}\ndetection: {keywords: [e3], condition: keywords}\n";
    let seen = scan_bytes(test_source(), &rules(keyword), vec![("f".into(), file)], 1);
    assert_eq!((seen.totals.accepted, seen.totals.rejected), (1, 1));
    assert_eq!((seen.reasons[0].0, seen.hits("k")), (Some(1), BTreeSet::from(["e3"])));
}

/// Files of every kind of page, small enough to be broken at every place.
fn victims() -> Vec<Vec<u8>> {
    let delta = plain().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false);
    vec![
        file_of(&[events(0, 40, "x"), events(40, 40, "y")], plain()),
        file_of(&[events(0, 40, "x")], plain().set_compression(Compression::SNAPPY).set_writer_version(WriterVersion::PARQUET_2_0)),
        file_of(&[events(0, 40, "x")], delta.set_column_encoding(ColumnPath::from("id"), Encoding::DELTA_BYTE_ARRAY)),
        file_of(&[with_list(40)], plain()),
        file_of(&[with_list(40)], plain().set_compression(Compression::GZIP(GzipLevel::default())).set_writer_version(WriterVersion::PARQUET_2_0)),
    ]
}

/// Events with a list that a rule reads.
fn with_list(n: usize) -> RecordBatch {
    let mut list = ListBuilder::new(StringBuilder::new());
    for i in 0..n {
        list.append_value((0..i % 4).map(|k| Some(format!("v{k}"))));
    }
    let events = events(0, n, "x");
    let mut fields: Vec<Field> = events.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    let list = list.finish();
    fields.push(Field::new("list", list.data_type().clone(), true));
    let columns = events.columns().iter().cloned().chain([Arc::new(list) as ArrayRef]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

#[test]
fn broken_bytes_anywhere_never_panic_and_keep_the_books() {
    let victims = victims();
    let rule = rules("title: L\nid: l\nlogsource: {product: test}\ndetection: {s: {list: v2}, t: {text: x}, k: [e3], condition: 1 of them}\n");
    let narrow = rules("title: L\nid: l\nlogsource: {product: test}\ndetection: {s: {list: v2}, t: {text: x}, condition: 1 of them}\n");
    let total: Vec<u64> = victims.iter().map(|v| metadata(v).file_metadata().num_rows() as u64).collect();
    let strategy =
        (0..victims.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), any::<Option<prop::sample::Index>>(), any::<bool>());
    let result = generator("parquet", 400).run(&strategy, |(which, flips, cut, whole)| {
        let mut bytes = victims[which].clone();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut.filter(|_| whole) {
            bytes.truncate(cut.index(bytes.len()));
        }
        let seen = scan_bytes(test_source(), if whole { &rule } else { &narrow }, vec![("f.parquet".into(), bytes)], 1);
        let t = seen.totals;
        prop_assert_eq!(t.read, t.accepted + t.rejected + t.duplicates);
        prop_assert!(t.read == total[which] || !seen.reasons.is_empty(), "{} of {} rows and not a word", t.read, total[which]);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn pages_that_say_too_much_are_refused() {
    // A list column of 40 million nulls in a few bytes.
    let mut writer = ArrowWriter::try_new(
        Vec::new(),
        Arc::new(Schema::new(vec![
            Field::new("t", DataType::Utf8, true),
            Field::new("list", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
        ])),
        Some(plain().set_compression(Compression::ZSTD(ZstdLevel::default())).build()),
    )
    .expect("a writer");
    let nulls = arrow::array::new_null_array(&DataType::Utf8, 20_000_000);
    let list =
        arrow::array::ListArray::new(Arc::new(Field::new("item", DataType::Utf8, true)), arrow::buffer::OffsetBuffer::from_lengths([20_000_000]), nulls, None);
    let rows = RecordBatch::try_new(writer_schema(), vec![Arc::new(StringArray::from(vec!["2024-01-15T10:00:00Z"])), Arc::new(list)]).expect("a batch");
    writer.write(&rows).expect("rows");
    let file = writer.into_inner().expect("a file");
    assert!(file.len() < 1 << 20, "{}", file.len());
    let rule = rules("title: L\nid: l\nlogsource: {product: test}\ndetection: {s: {list: v2}, condition: s}\n");
    let seen = scan_bytes(test_source(), &rule, vec![("f".into(), file)], 1);
    assert_eq!(seen.totals.accepted, 0);
    assert!(seen.reasons.iter().any(|(_, r)| r.contains("decompression bomb")), "{:?}", seen.reasons);
}

fn writer_schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new("t", DataType::Utf8, true),
        Field::new("list", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))), true),
    ]))
}

#[test]
fn an_empty_table_is_no_fault() {
    let file = file_of(&[events(0, 0, "x")], plain());
    assert_eq!(counts(&[&file, &ndjson(&[json!({"t": "2024-01-15T10:00:00Z", "id": "e3"})])], 1).0, [1, 1, 0, 0]);
}
