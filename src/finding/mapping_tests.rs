//! Runs the tests that mappings carry: each record through the pipeline of a scan, each column held against what is expected.

use super::columns::{each_column, each_spooled};
use super::rule_tests::Outcome;
use super::scan::{ScanRequest, scan};
use crate::diag::UserError;
use crate::event::Column;
use crate::event::time::parse_time;
use crate::rule::lint::tree;
use crate::rule::load::RuleSet;
use crate::source::SourceSet;
use crate::source::discover::{Discovered, Input, Origin};
use crate::source::lint::MappingFile;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use yaml_serde::Value;

/// Longest text of a value that is shown, in characters.
const SHOWN: usize = 200;

/// One test as it is written.
struct Test {
    name: String,
    line: usize,
    record: Vec<u8>,
    source: String,
    /// Columns expected of each event.
    expected: Vec<Vec<(Column, Value)>>,
}

/// An event as the pipeline gives it: record, part, and the columns that are filled.
type Found = (u32, u16, BTreeMap<String, String>);

/// Runs every test of the mappings whose files are given, in the order of files and lines.
pub fn run_tests(sources: &SourceSet, files: &[MappingFile]) -> Result<Vec<Outcome>, UserError> {
    let mut out: Vec<Outcome> = Vec::new();
    let mut tests: Vec<(usize, Test)> = Vec::new();
    for file in files {
        let Some(mapping) = sources.mappings().iter().find(|m| m.file == file.file) else { continue };
        let lines: Vec<usize> =
            tree::read(&file.text, 1).ok().and_then(|root| root.get("tests").map(|e| e.value.members().iter().map(|n| n.line).collect())).unwrap_or_default();
        for (i, value) in mapping.tests()?.iter().enumerate() {
            let line = lines.get(i).copied().unwrap_or(1);
            let parsed = parse(value, &mapping.id, i, line);
            out.push(Outcome {
                rule: mapping.title.clone(),
                rule_id: mapping.id.clone(),
                file: file.file.clone(),
                line,
                test: value.get("name").and_then(Value::as_str).map_or_else(|| format!("test {}", i + 1), str::to_owned),
                failure: parsed.as_ref().err().cloned(),
            });
            if let Ok(test) = parsed {
                tests.push((out.len() - 1, test));
            }
        }
    }
    // Equal records are duplicates of each other in one run: one stands for all.
    let mut input_of: HashMap<&[u8], usize> = HashMap::new();
    let mut inputs: Vec<Input> = Vec::new();
    for (_, test) in &tests {
        input_of.entry(&test.record).or_insert_with(|| {
            inputs.push(Input { name: format!("{:06}", inputs.len()), origin: Origin::Bytes(Arc::new(test.record.clone())), named: true });
            inputs.len() - 1
        });
    }
    let rules = RuleSet::default();
    let mut result = scan(ScanRequest {
        columns: Column::ALL,
        render: Some(&|batch, row, bytes, out| {
            let mut filled: BTreeMap<&str, String> = BTreeMap::new();
            each_column(batch, row, bytes, &mut |column, value| {
                if let Some(value) = value {
                    filled.insert(column.name(), value.to_owned());
                }
            });
            out.extend(serde_json::to_vec(&filled).unwrap_or_default());
        }),
        ..ScanRequest::new(Discovered { inputs, rejects: Vec::new() }, sources, &rules)
    })?;
    let spools = std::mem::take(&mut result.spools);
    let mut found: BTreeMap<u32, Vec<Found>> = BTreeMap::new();
    each_spooled(&result, spools, &mut |at, line| {
        let columns = serde_json::from_slice(line).unwrap_or_default();
        found.entry(at.file).or_default().push((at.record, at.part, columns));
    })
    .map_err(|e| UserError::new(format!("a temporary file cannot be read: {e}")))?;
    for (index, test) in &tests {
        let file = input_of[test.record.as_slice()];
        let mut events = found.get(&(file as u32)).cloned().unwrap_or_default();
        events.sort_by_key(|e| (e.0, e.1));
        let reasons: Vec<String> = result.files[file].reasons.iter().map(|r| r.1.clone()).collect();
        out[*index].failure = judge(test, &events, &reasons);
    }
    Ok(out)
}

fn parse(value: &Value, id: &str, index: usize, line: usize) -> Result<Test, String> {
    let event = value.get("event").filter(|e| e.is_mapping()).ok_or("the test has no `event`, which is a record as the system writes it")?;
    let record = serde_json::to_vec(event).map_err(|e| format!("the event is no JSON: {e}"))?;
    let list = |key: &str| match value.get(key) {
        None => Vec::new(),
        Some(Value::Sequence(many)) => many.clone(),
        Some(one) => vec![one.clone()],
    };
    let expected = list("expect").iter().chain(&list("events")).map(columns).collect::<Result<Vec<_>, String>>()?;
    if expected.is_empty() {
        return Err("the test expects nothing: write `expect: {user: ..., action: ...}`, or `events:` with a list of these".into());
    }
    let name = value.get("name").and_then(Value::as_str).map_or_else(|| format!("test {}", index + 1), str::to_owned);
    let source = value.get("source").and_then(Value::as_str).unwrap_or(id).to_owned();
    Ok(Test { name, line, record, source, expected })
}

fn columns(expected: &Value) -> Result<Vec<(Column, Value)>, String> {
    let Value::Mapping(map) = expected else { return Err("what is expected is a mapping of columns to values".into()) };
    map.iter()
        .map(|(name, value)| {
            let name = name.as_str().unwrap_or_default();
            let column: Column = name.parse().map_err(|()| format!("`{name}` is not an event column"))?;
            match column {
                Column::File | Column::Record => Err(format!("`{name}` is where a record stands; a test has no file")),
                _ => Ok((column, value.clone())),
            }
        })
        .collect()
}

/// Why the test failed, in one line and then a line for each difference.
fn judge(test: &Test, events: &[Found], reasons: &[String]) -> Option<String> {
    debug_assert!(test.line > 0 && !test.name.is_empty());
    if events.is_empty() {
        let why = reasons.first().map_or("the record gives no event", String::as_str);
        return Some(format!("no event: {why}"));
    }
    if events.len() != test.expected.len() {
        return Some(format!("{} expected, the record gives {}", counted(test.expected.len()), counted(events.len())));
    }
    let mut differences = Vec::new();
    for (i, (expected, (_, _, found))) in test.expected.iter().zip(events).enumerate() {
        let which = if events.len() > 1 { format!("event {}: ", i + 1) } else { String::new() };
        let own = found.get("source").map_or("", String::as_str);
        if own != test.source && !expected.iter().any(|(c, _)| *c == Column::Source) {
            differences.push(format!("{which}source: expected {}, is {own}", test.source));
        }
        for (column, value) in expected {
            let is = found.get(column.name()).map(String::as_str);
            if !equal(*column, value, is) {
                let is = is.map_or_else(|| "null".to_owned(), |t| format!("`{}`", shown(t)));
                differences.push(format!("{which}{column}: expected {}, is {is}", wanted(value)));
            }
        }
    }
    let first = differences.first()?.clone();
    Some(match differences.len() {
        1 => first,
        n => format!("{n} columns differ\n{}", differences.join("\n")),
    })
}

fn counted(n: usize) -> String {
    format!("{n} event{}", if n == 1 { "" } else { "s" })
}

fn shown(text: &str) -> String {
    crate::rule::lint::shown(&text.chars().take(SHOWN).collect::<String>())
}

fn wanted(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(s) => format!("`{}`", shown(s)),
        other => format!("`{}`", shown(&serde_json::to_string(other).unwrap_or_default())),
    }
}

/// Whether a column has the expected value: times as instants, objects and lists as JSON, everything else as text.
fn equal(column: Column, expected: &Value, is: Option<&str>) -> bool {
    let Some(is) = is else { return expected.is_null() };
    match expected {
        Value::Null => false,
        Value::String(text) if matches!(column, Column::Time) => {
            let instant = |t: &str| parse_time(t, chrono_tz::UTC).map(|i| i.micros);
            instant(text).is_some() && instant(text) == instant(is)
        }
        Value::String(text) => text == is,
        Value::Bool(b) => b.to_string() == is,
        Value::Number(n) => n.to_string() == is,
        other => serde_json::to_value(other).ok().is_some_and(|e| serde_json::from_str::<Json>(is).is_ok_and(|v| v == e)),
    }
}
