//! The plans of a run: one for each source, made when a record of the source is first met.

use super::plan::SourcePlan;
use super::run::Keep;
use crate::enrich::database::Databases;
use crate::rule::FieldRef;
use crate::rule::load::RuleSet;
use crate::source::SourceSet;
use std::sync::{Arc, OnceLock};

/// What is asked of every source of a run.
pub struct Asked<'a> {
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Rules.
    pub rules: &'a RuleSet,
    /// Fields kept for kept rows.
    pub retained: &'a [FieldRef],
    /// Which rows are kept.
    pub keep: Keep,
    /// Events are told apart by account and region.
    pub tell_places: bool,
    /// What tells of addresses.
    pub databases: &'a Arc<Databases>,
}

/// The plans of a run.
pub struct Plans<'a> {
    /// What they are made of.
    pub asked: Asked<'a>,
    made: Vec<OnceLock<SourcePlan>>,
}

impl<'a> Plans<'a> {
    /// None is made yet.
    pub fn new(asked: Asked<'a>) -> Plans<'a> {
        let made = asked.sources.mappings().iter().map(|_| OnceLock::new()).collect();
        Plans { asked, made }
    }

    /// The plan of a source.
    pub fn of(&self, source: usize) -> &SourcePlan {
        self.made[source].get_or_init(|| {
            let Asked { sources, rules, retained, keep, tell_places, databases } = self.asked;
            SourcePlan::build(source as u8, &sources.mappings()[source], rules, retained, keep, tell_places, databases)
        })
    }

    /// Number of sources.
    pub fn sources(&self) -> usize {
        self.made.len()
    }

    /// The plans of the sources that were met.
    pub fn made(&self) -> impl Iterator<Item = &SourcePlan> {
        self.made.iter().filter_map(OnceLock::get)
    }
}
