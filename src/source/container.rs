//! What exports wrap around records, as `containers.yml` describes it.

use super::cef;
use crate::diag::UserError;
use base64::Engine;
use regex::Regex;
use serde::Deserialize;
use std::io::Read;

/// Largest text that an envelope may unpack to, in bytes.
const MAX_UNPACKED: u64 = super::split::MAX_RECORD as u64;

/// The wrappers of a run.
#[derive(Debug, Clone, Default)]
pub struct Containers {
    /// Keys of an object whose array holds records.
    pub arrays: Vec<String>,
    /// Objects that hold an event in a field.
    pub envelopes: Vec<Envelope>,
    /// Text lines with an event in them.
    pub lines: Vec<LineFormat>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    arrays: Vec<String>,
    #[serde(default)]
    envelopes: Vec<Envelope>,
    #[serde(default)]
    lines: Vec<LineSpec>,
}

/// An object that holds an event, or several, in one of its fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// Id.
    pub id: String,
    /// For people.
    pub title: String,
    /// Fields that such an object has.
    pub has: Vec<String>,
    /// The field that holds the event: an object, JSON as text, a line, or an array of these.
    pub event: String,
    /// How it is packed.
    #[serde(default)]
    pub decode: Decode,
}

/// How an envelope packs its event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// As an object or a text.
    #[default]
    Plain,
    /// In base64, perhaps of gzip.
    Base64,
    /// As a table of columns and rows.
    Table,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineSpec {
    id: String,
    title: String,
    pattern: String,
}

/// A text line with an event in it.
#[derive(Debug, Clone)]
pub struct LineFormat {
    /// Id.
    pub id: String,
    /// For people.
    pub title: String,
    pattern: Regex,
}

impl Containers {
    /// Parses `containers.yml`.
    pub fn parse(text: &str, file: &str) -> Result<Containers, UserError> {
        let error = |reason: String| UserError::new(format!("{file}: {reason}")).help("sources/README.md, Containers, tells what the file may hold");
        let doc: Document = yaml_serde::from_str(text).map_err(|e| error(e.to_string()))?;
        if let Some(bad) = doc.envelopes.iter().find(|e| e.has.is_empty() || e.event.is_empty()) {
            return Err(error(format!("the envelope {} needs `has` and `event`", bad.id)));
        }
        let lines = doc.lines.into_iter().map(|l| {
            let pattern = Regex::new(&l.pattern).map_err(|e| error(format!("the line format {}: {e}", l.id)))?;
            match pattern.capture_names().flatten().any(|n| matches!(n, "json" | "cef")) {
                true => Ok(LineFormat { id: l.id, title: l.title, pattern }),
                false => Err(error(format!("the line format {} needs a group named json or cef", l.id))),
            }
        });
        let lines = lines.collect::<Result<Vec<_>, _>>()?;
        Ok(Containers { arrays: doc.arrays, envelopes: doc.envelopes, lines })
    }

    /// Adds keys whose arrays hold records.
    pub fn add_arrays(&mut self, keys: impl Iterator<Item = String>) {
        self.arrays.extend(keys);
        self.arrays.sort();
        self.arrays.dedup();
    }

    /// Adds what another file describes; an id that is there already is replaced.
    pub fn add(&mut self, other: Containers) {
        self.add_arrays(other.arrays.into_iter());
        for envelope in other.envelopes {
            self.envelopes.retain(|e| e.id != envelope.id);
            self.envelopes.insert(0, envelope);
        }
        for line in other.lines {
            self.lines.retain(|l| l.id != line.id);
            self.lines.insert(0, line);
        }
    }
}

impl LineFormat {
    /// The JSON text of the event in a line of this format.
    pub fn event(&self, line: &str) -> Option<String> {
        let found = self.pattern.captures(line)?;
        if let Some(json) = found.name("json") {
            return Some(json.as_str().to_owned());
        }
        let before = found.name("syslog").map_or("", |m| m.as_str());
        cef::parse(found.name("cef")?.as_str(), before).ok().map(|j| j.to_string())
    }
}

/// The text of base64 in the standard or the URL alphabet, unpacked where it is gzip.
pub fn decode_base64(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    let bytes =
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(&text).or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&text)).ok()?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return String::from_utf8(bytes).ok();
    }
    let mut out = String::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).take(MAX_UNPACKED).read_to_string(&mut out).ok()?;
    Some(out)
}
