//! From a record as it stands in a file to the events in it: envelopes opened, JSON in strings read, lists of events taken apart.
//!
//! Events keep the text that the log has: what is cut out or put in is spliced, never written anew.

use super::SourceSet;
use super::container::{Decode, Envelope, decode_base64};
use super::json;
use super::split::{Level, Scanner};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Deepest nesting of envelopes.
const MAX_DEPTH: u8 = 8;
/// Most events of one record.
pub const MAX_EVENTS: usize = 65_535;

const NO_RECORD: &str = "not a record: expected a JSON object";

/// An event of a record.
#[derive(Debug)]
pub struct Event<'r> {
    /// Index of its source.
    pub source: usize,
    /// Its text: the record itself where nothing was unwrapped.
    pub text: Cow<'r, str>,
}

/// What a record held.
#[derive(Debug, Default)]
pub struct Unwrapped<'r> {
    /// Events, in order.
    pub events: Vec<Event<'r>>,
    /// Why something in it is no event.
    pub faults: Vec<String>,
    /// Titles of the wrappers that were opened.
    pub through: BTreeSet<String>,
}

/// Unwraps a record; what no source knows is a fault.
pub fn unwrap<'r>(record: &'r str, sources: &SourceSet) -> Unwrapped<'r> {
    let mut out = Unwrapped::default();
    open(Cow::Borrowed(record), sources, 0, &mut out);
    if out.events.len() > MAX_EVENTS {
        out.faults.push(format!("the record holds {} events; the first {MAX_EVENTS} were read", out.events.len()));
        out.events.truncate(MAX_EVENTS);
    }
    out
}

fn open<'r>(text: Cow<'r, str>, sources: &SourceSet, depth: u8, out: &mut Unwrapped<'r>) {
    let trimmed = text.trim();
    let json = match serde_json::from_str::<Json>(trimmed) {
        Ok(json) => json,
        Err(_)
            if depth <= MAX_DEPTH
                && let documents = documents(trimmed)
                && documents.len() > 1 =>
        {
            return documents.into_iter().for_each(|d| open(owned(d), sources, depth + 1, out));
        }
        Err(e) => return open_line(trimmed, &e, sources, depth, out),
    };
    if depth > MAX_DEPTH {
        return out.faults.push("envelopes are nested too deeply".into());
    }
    match &json {
        Json::Object(_) => {}
        Json::Array(_) => return json::items(&text).into_iter().for_each(|e| open(owned(e), sources, depth + 1, out)),
        Json::String(inner) => {
            let mut inside = Unwrapped::default();
            open(Cow::Owned(inner.clone()), sources, depth + 1, &mut inside);
            return if inside.events.is_empty() { out.faults.push(NO_RECORD.into()) } else { take(inside, out) };
        }
        _ => return out.faults.push(NO_RECORD.into()),
    }
    if let Some(source) = sources.detect(&json) {
        let mapping = &sources.mappings()[source];
        if !mapping.rewrites() {
            return out.events.push(Event { source, text });
        }
        let text = mapping.json_text.iter().fold(text, |text, path| inline(text, path));
        let parts = mapping.each.as_ref().map(|path| split(&text, path)).unwrap_or_default();
        match parts.len() {
            0 | 1 => out.events.push(Event { source, text }),
            _ => out.events.extend(parts.into_iter().map(|t| Event { source, text: Cow::Owned(t) })),
        }
        return;
    }
    for envelope in sources.containers.envelopes.iter().filter(|e| is(&json, e)) {
        let mut inside = Unwrapped::default();
        for inner in contents(&text, envelope) {
            open(Cow::Owned(inner), sources, depth + 1, &mut inside);
        }
        if !inside.events.is_empty() {
            inside.through.insert(envelope.title.clone());
            return take(inside, out);
        }
    }
    for key in &sources.containers.arrays {
        if !json.get(key).is_some_and(Json::is_array) {
            continue;
        }
        let mut inside = Unwrapped::default();
        values(&text, key).iter().flat_map(|a| json::items(a)).for_each(|e| open(owned(e), sources, depth + 1, &mut inside));
        if !inside.events.is_empty() {
            return take(inside, out);
        }
    }
    out.faults.push(unknown(&json, sources));
}

fn take<'r>(inside: Unwrapped<'r>, out: &mut Unwrapped<'r>) {
    out.events.extend(inside.events);
    out.faults.extend(inside.faults);
    out.through.extend(inside.through);
}

fn owned<'r>(text: &str) -> Cow<'r, str> {
    Cow::Owned(text.to_owned())
}

fn open_line<'r>(line: &str, error: &serde_json::Error, sources: &SourceSet, depth: u8, out: &mut Unwrapped<'r>) {
    for format in &sources.containers.lines {
        let Some(event) = format.event(line).filter(|_| depth <= MAX_DEPTH) else { continue };
        let mut inside = Unwrapped::default();
        if serde_json::from_str::<serde::de::IgnoredAny>(&event).is_ok() {
            open(Cow::Owned(event), sources, depth + 1, &mut inside);
        }
        if !inside.events.is_empty() {
            inside.through.insert(format.title.clone());
            return take(inside, out);
        }
    }
    if json::is_too_deep(line.as_bytes()) {
        return out.faults.push(json::too_deep());
    }
    // The position is of the record and not of the file.
    let reason = error.to_string();
    out.faults.push(format!("not valid JSON: {}", reason.split(" at line").next().unwrap_or(&reason)));
}

/// The JSON documents of a text that holds several; none when it is something else.
fn documents(text: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    Scanner::new(Level::Top, &[]).scan_while(text.as_bytes(), 0, &mut |s, e| {
        spans.push((s, e));
        spans.len() <= MAX_EVENTS
    });
    let found: Vec<&str> = spans.into_iter().filter_map(|(s, e)| text.get(s..e)).collect();
    let are_documents = found.iter().all(|d| d.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(d).is_ok());
    if are_documents { found } else { Vec::new() }
}

/// Why no source takes an object: its fields, and the source that comes nearest.
fn unknown(json: &Json, sources: &SourceSet) -> String {
    let keys: Vec<String> = json.as_object().map(|m| m.keys().take(6).map(|k| k.chars().take(40).collect()).collect()).unwrap_or_default();
    let near = sources
        .nearest(json)
        .map_or(String::new(), |(source, missing)| format!("; the nearest, {}, lacks {}", sources.mappings()[source].title, missing.join(", ")));
    format!("no source knows this record (its fields: {}){near}", keys.join(", "))
}

fn is(json: &Json, envelope: &Envelope) -> bool {
    envelope.has.iter().all(|path| super::has_path(json, path))
}

/// The texts of the events that an envelope holds.
fn contents(text: &str, envelope: &Envelope) -> Vec<String> {
    let mut out = Vec::new();
    for raw in values(text, &envelope.event) {
        let items = if raw.starts_with('[') && envelope.decode != Decode::Table { json::items(raw) } else { vec![raw] };
        for item in items {
            match (envelope.decode, serde_json::from_str::<String>(item)) {
                (Decode::Base64, Ok(packed)) => out.extend(decode_base64(&packed)),
                (Decode::Table, _) => out.extend(rows(item)),
                (_, Ok(inner)) => out.push(inner),
                (_, Err(_)) => out.push(item.to_owned()),
            }
        }
    }
    out
}

/// The rows of tables as objects.
fn rows(text: &str) -> Vec<String> {
    let Ok(json) = serde_json::from_str::<Json>(text) else { return Vec::new() };
    let tables = match &json {
        Json::Array(tables) => tables.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut out = Vec::new();
    for table in tables {
        let names: Vec<&str> = table["columns"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str().or(c.as_str())).collect();
        for row in table["rows"].as_array().into_iter().flatten().filter_map(Json::as_array) {
            let object: serde_json::Map<String, Json> = names.iter().zip(row).map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
            out.push(Json::Object(object).to_string());
        }
    }
    out
}

/// The texts of the values at a path; arrays on the way stand for each of their elements. Slices of `text`.
fn values<'t>(text: &'t str, path: &str) -> Vec<&'t str> {
    if text.trim_start().starts_with('[') {
        return json::items(text).into_iter().flat_map(|e| values(e, path)).collect();
    }
    let mut out = Vec::new();
    for (key, value) in json::entries(text) {
        if *key == *path {
            out.push(value);
        } else if let Some(rest) = path.strip_prefix(&*key).and_then(|r| r.strip_prefix('.')) {
            out.extend(values(value, rest));
        }
    }
    out
}

/// Whether a text is a JSON object or array.
pub fn is_json_text(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Puts the JSON that a string holds in the string's place.
fn inline<'r>(text: Cow<'r, str>, path: &str) -> Cow<'r, str> {
    let mut cuts: Vec<(usize, usize, String)> = Vec::new();
    for raw in values(&text, path) {
        if let Ok(inner) = serde_json::from_str::<String>(raw)
            && is_json_text(&inner)
        {
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            cuts.push((start, start + raw.len(), inner));
        }
    }
    if cuts.is_empty() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end, inner) in cuts {
        out.push_str(&text[at..start]);
        // A line break between tokens must not look like the end of a record.
        out.extend(inner.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
        at = end;
    }
    out.push_str(&text[at..]);
    Cow::Owned(out)
}

/// The record once for each element of an array in it, with that element alone in the array.
fn split(text: &str, path: &str) -> Vec<String> {
    let found = values(text, path);
    let [array] = found.as_slice() else { return Vec::new() };
    let start = array.as_ptr() as usize - text.as_ptr() as usize;
    let (before, after) = (&text[..start], &text[start + array.len()..]);
    json::items(array).iter().map(|e| format!("{before}[{e}]{after}")).collect()
}
