//! Sources: from paths on a command line to records, and the declarative mapping of each vendor's records.

pub mod chunk;
pub mod discover;
pub mod mapping;
mod names;
pub mod split;
pub mod unpack;
pub mod walk;

use crate::diag::UserError;
use mapping::Mapping;
use std::sync::Arc;

/// All mappings of a run, sorted by id.
#[derive(Debug, Clone, Default)]
pub struct SourceSet {
    /// Compiled mappings.
    pub mappings: Vec<Arc<Mapping>>,
    /// Every container key that some mapping names.
    pub containers: Vec<String>,
}

impl SourceSet {
    /// Compiles mapping files given as (name, text).
    pub fn load(files: &[(String, String)]) -> Result<SourceSet, UserError> {
        let mut mappings = files.iter().map(|(name, text)| Mapping::parse(text, name).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        mappings.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = mappings.windows(2).find(|w| w[0].id == w[1].id) {
            return Err(UserError::new(format!("two mapping files have the id `{}`", pair[0].id))
                .help("give one of them another id, or replace the defaults with --sources"));
        }
        let mut containers: Vec<String> = mappings.iter().flat_map(|m| m.containers.clone()).collect();
        containers.sort();
        containers.dedup();
        Ok(SourceSet { mappings, containers })
    }

    /// The source of a record: the mapping whose longest `has` list the record satisfies.
    pub fn detect(&self, record: &serde_json::Value) -> Option<usize> {
        use crate::rule::detection::{Fields, JsonRecord};
        let fields = JsonRecord(record);
        let has = |path: &str| {
            let mut found = false;
            fields.values(path, &mut |_| found = true);
            found
        };
        let mut best: Option<(usize, usize)> = None;
        for (i, mapping) in self.mappings.iter().enumerate() {
            for alternative in &mapping.detect {
                if best.is_none_or(|(_, n)| alternative.len() > n) && alternative.iter().all(|p| has(&mapping.paths[*p])) {
                    best = Some((i, alternative.len()));
                }
            }
        }
        best.map(|(i, _)| i)
    }
}
