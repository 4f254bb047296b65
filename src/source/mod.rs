//! Sources: from paths on a command line to records, and the declarative mapping of each vendor's records.

pub mod activities;
mod cef;
pub mod chunk;
pub mod container;
pub mod discover;
pub mod json;
pub mod keys;
pub mod lint;
pub mod mapping;
mod names;
pub mod parquet;
pub mod propose;
pub mod schema;
pub mod split;
pub mod unpack;
pub mod unwrap;
pub mod walk;

use crate::diag::UserError;
use crate::event::value::{Kind, Value};
use crate::rule::detection::{Detection, Fields, JsonRecord};
use container::Containers;
use mapping::{Detect, Mapping};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde_json::Value as Json;
use std::sync::Arc;

/// All mappings of a run, sorted by id.
#[derive(Debug, Clone, Default)]
pub struct SourceSet {
    mappings: Vec<Arc<Mapping>>,
    /// What may stand around their records.
    pub containers: Containers,
    /// The alternatives of all mappings, as mapping and place: those that ask most first.
    by_weight: Vec<(usize, usize)>,
}

/// Name of the file that describes containers, and of the list of activities: they stand beside the mappings.
pub const CONTAINERS_FILE: &str = "containers.yml";
/// The list of activities.
pub const ACTIVITIES_FILE: &str = "activities.yml";

impl SourceSet {
    /// Compiles mapping files given as (name, text); `containers.yml` and `activities.yml` among them are what their names say.
    pub fn load(files: &[(String, String)]) -> Result<SourceSet, UserError> {
        SourceSet::load_beside(&[], files)
    }

    /// As [`SourceSet::load`], with built-in files before them.
    pub fn load_beside(built_in: &[(String, String)], files: &[(String, String)]) -> Result<SourceSet, UserError> {
        let file_name = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        let mut containers = Containers::default();
        for (name, text) in built_in.iter().chain(files).filter(|(n, _)| file_name(n) == CONTAINERS_FILE) {
            containers.add(Containers::parse(text, name)?);
        }
        let is_mapping = |name: &str| ![CONTAINERS_FILE, ACTIVITIES_FILE].contains(&file_name(name).as_str());
        let load = |files: &[(String, String)], parse: fn(&str, &str) -> Result<Mapping, UserError>| {
            let of_mappings: Vec<&(String, String)> = files.iter().filter(|(n, _)| is_mapping(n)).collect();
            of_mappings.par_iter().map(|(name, text)| parse(text, name).map_err(|e| lint::placed(text, name, e))).collect::<Result<Vec<_>, _>>()
        };
        let mut mappings = load(built_in, Mapping::built_in)?;
        mappings.extend(load(files, Mapping::parse)?);
        mappings.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = mappings.windows(2).find(|w| w[0].id == w[1].id) {
            return Err(UserError::new(format!("two mapping files have the id `{}`: {} and {}", pair[0].id, pair[0].file, pair[1].file))
                .help("give one of them another id, or replace the defaults with --sources"));
        }
        // Sources are kept as bytes.
        if mappings.len() > usize::from(u8::MAX) {
            return Err(UserError::new(format!("{} mapping files: a run takes at most {}", mappings.len(), u8::MAX)));
        }
        let others: Vec<_> = mappings.iter().filter(|m| !m.relays()).map(|m| (m.id.clone(), m.logsources.clone())).collect();
        mappings.iter_mut().filter(|m| m.relays()).for_each(|m| m.relayed = others.clone());
        containers.add_arrays(mappings.iter().flat_map(|m| m.containers.clone()));
        Ok(SourceSet::new(mappings.into_iter().map(Arc::new).collect(), containers))
    }

    /// One mapping alone, among these containers.
    pub fn only(mapping: &Arc<Mapping>, containers: Containers) -> SourceSet {
        SourceSet::new(vec![mapping.clone()], containers)
    }

    /// These mappings and one more.
    pub fn with(&self, mapping: Mapping) -> SourceSet {
        let mut mappings = self.mappings.clone();
        mappings.push(Arc::new(mapping));
        mappings.sort_by(|a, b| a.id.cmp(&b.id));
        SourceSet::new(mappings, self.containers.clone())
    }

    /// Compiled mappings.
    pub fn mappings(&self) -> &[Arc<Mapping>] {
        &self.mappings
    }

    fn new(mappings: Vec<Arc<Mapping>>, containers: Containers) -> SourceSet {
        let alternatives = |(i, m): (usize, &Arc<Mapping>)| (0..m.detect.len()).map(move |a| (i, a)).collect::<Vec<_>>();
        let mut by_weight: Vec<(usize, usize)> = mappings.iter().enumerate().flat_map(alternatives).collect();
        by_weight.sort_by_key(|(i, a)| std::cmp::Reverse(mappings[*i].detect[*a].weight));
        SourceSet { mappings, containers, by_weight }
    }

    /// The source of a record: of the mappings with an alternative that holds, the one that asks most.
    pub fn detect(&self, record: &Json) -> Option<usize> {
        self.by_weight.iter().find(|(i, a)| holds(&self.mappings[*i].detect[*a], record)).map(|(i, _)| *i)
    }

    /// Of the sources that do not know a record the one that comes nearest, with what the record lacks.
    pub fn nearest(&self, record: &Json) -> Option<(usize, Vec<String>)> {
        let mut best: Option<(usize, usize, Vec<String>)> = None;
        for (i, mapping) in self.mappings.iter().enumerate() {
            for alternative in &mapping.detect {
                let missing: Vec<String> = alternative.has.iter().filter(|p| !has_path(record, p)).cloned().collect();
                let there = alternative.has.len() - missing.len();
                if !missing.is_empty() && there > 0 && best.as_ref().is_none_or(|(_, most, _)| there > *most) {
                    best = Some((i, there, missing));
                }
            }
        }
        best.map(|(i, _, missing)| (i, missing))
    }
}

/// Whether a record fulfils an alternative.
pub fn holds(alternative: &Detect, record: &Json) -> bool {
    let has = |path: &String| has_path(record, path);
    alternative.has.iter().all(has) && !alternative.without.iter().any(has) && alternative.selection.as_ref().is_none_or(|s| selection_holds(s, record))
}

/// Whether a selection of a mapping holds for a record.
pub fn selection_holds(selection: &Detection, record: &Json) -> bool {
    selection.holds(&Present(JsonRecord(record)))
}

/// Whether a record has a path; null counts.
pub fn has_path(record: &Json, path: &str) -> bool {
    let root = path.split('.').next().unwrap_or(path);
    let Some(map) = record.as_object() else { return false };
    if map.contains_key(path) {
        return true;
    }
    // Most alternatives fail here. A key that holds dots itself begins with the root.
    if !map.contains_key(root) && !map.keys().any(|k| k.len() > root.len() && path.starts_with(k.as_str())) {
        return false;
    }
    let mut found = false;
    JsonRecord(record).values(path, &mut |_| found = true);
    found
}

/// A record as conditions of a mapping see it: null counts as absent.
struct Present<'a>(JsonRecord<'a>);

impl Fields for Present<'_> {
    fn values(&self, field: &str, found: &mut dyn FnMut(Value<'_>)) {
        if field.contains('[') {
            return mapping::expr::select_in(self.0.0, field, found);
        }
        self.0.values(field, &mut |v| {
            if !matches!(v.kind, Kind::Null | Kind::NullElement) {
                found(v);
            }
        });
    }

    fn json(&self, field: &str, found: &mut dyn FnMut(&str)) {
        self.0.json(field, found);
    }
}
