//! A baseline as a Parquet file: what behaviours learnt from logs, so that these need not be read again.
//!
//! One row for each thing that is known, in columns `rule_id` (text), `part` (text), `entity` and `value` (JSON arrays of
//! texts), `first` and `last` (UTC, microseconds), `days` and `count` (integers), sorted by the first four. Parts are those of
//! [`Part`]; beside them `baseline` (one row, whose value is the version of this form), `source` (entity: a source's id;
//! `first` and `last`: the stretch that was learnt, without its last instant) and `rule` (value: the hash of the rule and its
//! bases).

use crate::diag::UserError;
use crate::engine::behaviour::{Learned, Part};
use crate::event::time::parse_time;
use crate::finding::behaviour::{Baseline, Stretch};
use crate::source::parquet::{Contents, Table};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::Deserialize;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Version of the form.
const VERSION: &str = "1";
const BASELINE: &str = "baseline";
const SOURCE: &str = "source";
const RULE: &str = "rule";
/// Rows that are written at one time.
const BATCH_ROWS: usize = 1 << 16;

/// One row, as it stands in the file.
#[derive(Debug, Deserialize)]
struct Row {
    rule_id: String,
    part: String,
    entity: String,
    value: String,
    first: String,
    last: String,
    days: i64,
    count: i64,
}

fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("rule_id", DataType::Utf8),
        ("part", DataType::Utf8),
        ("entity", DataType::Utf8),
        ("value", DataType::Utf8),
        ("first", time()),
        ("last", time()),
        ("days", DataType::Int64),
        ("count", DataType::Int64),
    ];
    Schema::new(columns.map(|(name, kind)| Field::new(name, kind, false)).to_vec())
}

/// Writes a baseline.
pub fn write_baseline(baseline: &Baseline, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: Vec<(&str, &str, Learned)> = vec![("", BASELINE, about(Vec::new(), vec![VERSION.into()], 0, 0))];
    rows.extend(baseline.sources.iter().map(|(id, s)| ("", SOURCE, about(vec![Some(id.clone())], Vec::new(), s.since, s.until))));
    for (rule, (hash, learned)) in &baseline.rules {
        rows.push((rule, RULE, about(Vec::new(), vec![hash.clone()], 0, 0)));
        rows.extend(learned.iter().map(|l| (rule.as_str(), l.part.name(), l.clone())));
    }
    let schema = Arc::new(schema());
    let properties = WriterProperties::builder()
        .set_created_by(concat!("auditmill version ", env!("CARGO_PKG_VERSION")).into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(io::Error::other)?;
    for part in rows.chunks(BATCH_ROWS) {
        let text = |f: &dyn Fn(&(&str, &str, Learned)) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(part.iter().map(f))) };
        let time =
            |f: fn(&Learned) -> i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from_iter_values(part.iter().map(|r| f(&r.2))).with_timezone("UTC")) };
        let number = |f: fn(&Learned) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values(part.iter().map(|r| f(&r.2)))) };
        let columns = vec![
            text(&|r| r.0.to_owned()),
            text(&|r| r.1.to_owned()),
            text(&|r| serde_json::json!(r.2.entity).to_string()),
            text(&|r| serde_json::json!(r.2.value).to_string()),
            time(|l| l.first),
            time(|l| l.last),
            number(|l| l.days.into()),
            number(|l| i64::try_from(l.count).unwrap_or(i64::MAX)),
        ];
        let batch = RecordBatch::try_new(schema.clone(), columns).map_err(io::Error::other)?;
        writer.write(&batch).map_err(io::Error::other)?;
    }
    out.write_all(&writer.into_inner().map_err(io::Error::other)?)
}

fn about(entity: Vec<Option<String>>, value: Vec<String>, first: i64, last: i64) -> Learned {
    Learned { entity, part: Part::Entity, value, first, last, days: 0, count: 0 }
}

/// Reads a baseline. A file that is none, or of another version, is an error that names it.
pub fn read_baseline(path: &Path) -> Result<Baseline, UserError> {
    let fault = |why: String| UserError::new(format!("{}: {why}", path.display())).help("--baseline takes a file that `auditmill baseline build` wrote");
    let bytes = std::fs::read(path).map_err(|e| fault(e.to_string()))?;
    if !crate::source::parquet::begins(&bytes) {
        return Err(fault("not a baseline: it is no Parquet file".into()));
    }
    let table = Table::open(Contents::Bytes(bytes.into())).map_err(&fault)?;
    let mut baseline = Baseline::default();
    let (mut version, mut wrong) = (None, None);
    for group in 0..table.groups() {
        table.read_records(group, &mut |piece| {
            if let Some(f) = piece.faults.first() {
                wrong.get_or_insert(f.reason.clone());
            }
            for &(start, end) in &piece.spans {
                if let Err(why) = take(&piece.bytes[start..end], &mut baseline, &mut version) {
                    wrong.get_or_insert(why);
                }
            }
        });
    }
    match (wrong, version.as_deref()) {
        (Some(why), _) => Err(fault(why)),
        (None, None) => Err(fault("not a baseline: it does not say which version it is".into())),
        (None, Some(VERSION)) => Ok(baseline),
        (None, Some(other)) => {
            Err(fault(format!("a baseline of version {other}; this is version {VERSION}")).help("build the baseline anew with this version"))
        }
    }
}

fn take(row: &[u8], baseline: &mut Baseline, version: &mut Option<String>) -> Result<(), String> {
    let row: Row = serde_json::from_slice(row).map_err(|e| format!("not a baseline: {e}"))?;
    let entity: Vec<Option<String>> = serde_json::from_str(&row.entity).map_err(|e| format!("not a baseline: entity: {e}"))?;
    let value: Vec<String> = serde_json::from_str(&row.value).map_err(|e| format!("not a baseline: value: {e}"))?;
    let time = |text: &str| parse_time(text, chrono_tz::UTC).map(|t| t.micros).ok_or_else(|| format!("not a baseline: `{text}` is no time"));
    let (first, last) = (time(&row.first)?, time(&row.last)?);
    match row.part.as_str() {
        BASELINE => *version = value.into_iter().next(),
        SOURCE => {
            let id = entity.into_iter().next().flatten().ok_or("not a baseline: a source without its id")?;
            baseline.sources.insert(id, Stretch { since: first, until: last });
        }
        RULE => baseline.rules.entry(row.rule_id).or_default().0 = value.into_iter().next().unwrap_or_default(),
        part => {
            let part = Part::ALL.into_iter().find(|p| p.name() == part).ok_or_else(|| format!("not a baseline: it holds `{part}`"))?;
            let count = |n: i64| u64::try_from(n).map_err(|_| "not a baseline: a count below zero".to_owned());
            let days = u32::try_from(row.days).map_err(|_| "not a baseline: a number of days that cannot be".to_owned())?;
            baseline.rules.entry(row.rule_id).or_default().1.push(Learned { entity, part, value, first, last, days, count: count(row.count)? });
        }
    }
    Ok(())
}
