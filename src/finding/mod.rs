//! Findings: one for each rule, entity and burst, each with all of its evidence.

pub mod addresses;
pub mod behaviour;
pub mod columns;
pub mod completeness;
pub mod coverage;
pub mod examine;
pub mod explain;
pub mod find;
pub mod inspect;
pub mod mapping_tests;
pub mod risk;
pub mod rule_tests;
pub mod scan;
pub mod states;

use crate::engine::behaviour::Fact;
use crate::rule::load::hex;
use crate::rule::meta::RuleMeta;
use sha2::{Digest, Sha256};

/// Longest finding of single events: a three-day spray is not one silent blob. Microseconds.
pub const MAX_BURST: i64 = 24 * crate::event::time::HOUR;
/// A quiet stretch after which a finding of single events ends. Microseconds.
pub const QUIET: i64 = crate::event::time::HOUR;

/// As [`QUIET`], for what is only for the record: one line a user is enough. Microseconds.
pub const RECORD_QUIET: i64 = 7 * crate::event::time::DAY;
/// As [`MAX_BURST`], for what is only for the record. Microseconds.
pub const RECORD_LONGEST: i64 = 31 * crate::event::time::DAY;

/// A finding. Only [`Finding::new`] makes one, and it needs evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Made of rule, entity and first event, so that it survives a rerun with more files.
    pub id: String,
    /// Index of the rule.
    pub rule: usize,
    /// Field and value pairs; empty where no entity is known.
    pub entity: Vec<(String, String)>,
    /// Rows of the evidence, ascending.
    rows: Vec<u32>,
    /// First event, UTC microseconds.
    pub first: i64,
    /// Last event, UTC microseconds.
    pub last: i64,
    /// What a behaviour rule knew and saw; empty for others.
    pub facts: Vec<Fact>,
}

impl Finding {
    /// A finding with its evidence, or `None` without any.
    ///
    /// `times` gives a row's time; `first_event` names the first event in a way that does not depend on files.
    pub fn new(rule: usize, meta: &RuleMeta, entity: Vec<(String, String)>, rows: Vec<u32>, times: &[i64], first_event: &str) -> Option<Finding> {
        let (first, last) = (*rows.first()?, *rows.last()?);
        let mut digest = Sha256::new();
        for part in [meta.id.as_str(), first_event].into_iter().chain(entity.iter().flat_map(|(f, v)| [f.as_str(), v.as_str()])) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let id = format!("F-{}", hex(&digest.finalize()[..8]));
        Some(Finding { id, rule, entity, first: times[first as usize], last: times[last as usize], rows, facts: Vec::new() })
    }

    /// The same finding with what stands beside its evidence.
    pub fn with_facts(self, facts: Vec<Fact>) -> Finding {
        Finding { facts, ..self }
    }

    /// The evidence, in time order.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Number of contributing events.
    pub fn count(&self) -> usize {
        self.rows.len()
    }
}

/// Splits rows in time order where a quiet stretch or the longest burst ends.
pub fn bursts<'a>(rows: &'a [u32], times: &'a [i64], quiet: i64, longest: i64) -> Vec<&'a [u32]> {
    let mut out = Vec::new();
    let mut start = 0;
    for i in 1..=rows.len() {
        let at = |k: usize| times[rows[k] as usize];
        if i == rows.len() || at(i) - at(i - 1) > quiet || at(i) - at(start) > longest {
            out.push(&rows[start..i]);
            start = i;
        }
    }
    out
}
