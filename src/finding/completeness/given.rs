//! What a person says about the logs: which systems should be there (`scope.yml`), and how each export was made
//! (`provenance.yml`).

use crate::diag::UserError;
use crate::event::time::{MINUTE, parse_duration, parse_time};
use crate::event::value::fold_case;
use crate::source::SourceSet;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, de::DeserializeOwned};
use std::fmt;

/// Shortest silence that can be judged: times are counted by quarters of an hour.
pub const SHORTEST: i64 = 15 * MINUTE;

const SCOPE_HELP: &str = "a scope file has `systems:`, a list of {source, owner, max_silence} which may have title, accounts, regions and classes; see the README's section on completeness";
const PROVENANCE_HELP: &str =
    "a provenance file has `exports:`, a list of {file, exported_by, exported_at} which may have filter and rows; see the README's section on completeness";

/// The systems that should be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// One entry a system.
    pub systems: Vec<System>,
}

/// A system whose log should be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Id of the source.
    pub source: String,
    /// Its name for people.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Longest time without an event that is allowed.
    pub max_silence: Option<Silence>,
    /// Accounts that should be there: the system is then these accounts of the source.
    #[serde(default)]
    pub accounts: Vec<Part>,
    /// Regions that should be there.
    #[serde(default)]
    pub regions: Vec<Part>,
    /// Event classes that should be there.
    #[serde(default)]
    pub classes: Vec<Part>,
}

/// A part of a system that should be there: its id alone, or with an owner and a longest silence of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Account, region or event class.
    pub id: String,
    /// Who answers for it, where that is not the system's owner.
    pub owner: Option<String>,
    /// Longest time without an event that is allowed; a part without one need only be there.
    pub max_silence: Option<Silence>,
}

/// A longest silence, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence(pub i64);

impl<'de> Deserialize<'de> for Silence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Silence, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length =
            parse_duration(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is not a duration: write a number and s, m, h, d or w, such as 24h")))?;
        if length < SHORTEST { Err(de::Error::custom(format!("`{text}` is too short: a silence is judged from 15m on"))) } else { Ok(Silence(length)) }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            id: String,
            owner: Option<String>,
            max_silence: Option<Silence>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Part;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, or {id, owner, max_silence}")
            }
            fn visit_str<E: de::Error>(self, id: &str) -> Result<Part, E> {
                Ok(Part { id: id.to_owned(), owner: None, max_silence: None })
            }
            // As a number an account would lose its leading zeros.
            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Part, E> {
                Err(E::custom(format!("an id is text: write \"{id}\" in quotes")))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                let full = Full::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Part { id: full.id, owner: full.owner, max_silence: full.max_silence })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// How the exports were made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// One entry an export.
    pub exports: Vec<Export>,
}

/// One export.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Its file, or a pattern for its files, as the outputs name them.
    pub file: String,
    /// Who made it.
    pub exported_by: String,
    /// When.
    pub exported_at: At,
    /// With which filter.
    pub filter: Option<String>,
    /// How many rows its files hold together, as the vendor said.
    pub rows: Option<u64>,
}

/// An instant, UTC microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At(pub i64);

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<At, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || de::Error::custom(format!("`{text}` is not a time: write 2024-02-01T08:00:00Z"));
        parse_time(&text, chrono_tz::UTC).map(|t| At(t.micros)).ok_or_else(bad)
    }
}

/// Largest file of either kind.
const MAX_BYTES: usize = 16 << 20;

fn parse<T: DeserializeOwned>(text: &str, file: &str, help: &str) -> Result<T, UserError> {
    if text.len() > MAX_BYTES {
        return Err(UserError::new(format!("{file}: larger than {} MiB", MAX_BYTES >> 20)).help(help));
    }
    yaml_serde::from_str(text).map_err(|e| {
        let line = e.location().map_or(String::new(), |l| format!(":{}", l.line()));
        UserError::new(format!("{file}{line}: {e}")).help(help)
    })
}

/// Line on which a text first stands.
fn line_of(text: &str, needle: &str) -> usize {
    text.lines().position(|l| l.contains(needle)).map_or(1, |i| i + 1)
}

impl Scope {
    /// Parses a scope file; what it names must exist.
    pub fn parse(text: &str, file: &str, sources: &SourceSet) -> Result<Scope, UserError> {
        let scope: Scope = parse(text, file, SCOPE_HELP)?;
        if scope.systems.is_empty() {
            return Err(UserError::new(format!("{file}: no system is in scope")).help(SCOPE_HELP));
        }
        for system in &scope.systems {
            let Some(mapping) = sources.mappings().iter().find(|m| m.id == system.source) else {
                let known: Vec<&str> = sources.mappings().iter().map(|m| m.id.as_str()).collect();
                return Err(UserError::new(format!("{file}:{}: `{}` is not a source", line_of(text, &system.source), system.source))
                    .help(format!("the sources are {}", known.join(", "))));
            };
            for part in &system.classes {
                if !mapping.reading().classes.iter().any(|c| c.id == part.id) {
                    let known: Vec<&str> = mapping.reading().classes.iter().map(|c| c.id.as_str()).collect();
                    let known = if known.is_empty() { "it has none".into() } else { format!("it has {}", known.join(", ")) };
                    return Err(
                        UserError::new(format!("{file}:{}: `{}` is not an event class of {}", line_of(text, &part.id), part.id, mapping.id)).help(known)
                    );
                }
            }
        }
        Ok(scope)
    }
}

impl Provenance {
    /// Parses a provenance file.
    pub fn parse(text: &str, file: &str) -> Result<Provenance, UserError> {
        let provenance: Provenance = parse(text, file, PROVENANCE_HELP)?;
        for export in &provenance.exports {
            if let Err(e) = glob::Pattern::new(&export.file) {
                return Err(
                    UserError::new(format!("{file}:{}: `{}` is not a pattern: {}", line_of(text, &export.file), export.file, e.msg)).help(PROVENANCE_HELP)
                );
            }
        }
        Ok(provenance)
    }
}

impl Export {
    /// Whether a file, by its name in the outputs, is of this export: the name as a whole, or its last parts.
    pub fn is_of(&self, name: &str) -> bool {
        let pattern = glob::Pattern::new(&self.file).ok();
        let fits = |tail: &str| tail == self.file || pattern.as_ref().is_some_and(|p| p.matches(tail));
        fits(name) || name.match_indices('/').any(|(i, _)| fits(&name[i + 1..]))
    }
}

impl Part {
    /// Whether a value of the log is this part.
    pub fn is(&self, value: Option<&str>) -> bool {
        value.is_some_and(|v| fold_case(v) == fold_case(&self.id))
    }
}
