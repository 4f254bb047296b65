//! What a scan's findings are worth against what was planted.

use super::generator::incidents::Incident;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    #[serde(alias = "info")]
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// What a scan writes, as far as it is read here.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// What was read.
    pub inputs: Inputs,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// The books of a scan.
#[derive(Debug, Deserialize)]
pub struct Inputs {
    /// All records.
    pub read: u64,
    /// Those that became events.
    pub accepted: u64,
    /// Those that could not.
    pub rejected: u64,
    /// Those that were there before.
    pub duplicates: u64,
}

/// A finding.
#[derive(Debug, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule_title: String,
    /// How grave it is.
    pub level: Level,
    /// Who or what it is about.
    #[serde(default)]
    pub entity: Value,
    /// The time of the first event.
    pub first: Option<String>,
    /// The evidence.
    pub events: Vec<Evidence>,
}

/// An event that a finding names.
#[derive(Debug, Deserialize)]
pub struct Evidence {
    /// The id that the log gave it.
    pub event_id: Option<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The rules that found each incident, with the highest level; none for a miss.
    pub found_by: Vec<BTreeMap<String, Level>>,
    /// Findings of level high or critical without any planted event, by rule, with some of their entities.
    pub false_high: BTreeMap<String, Vec<String>>,
    /// The same of level medium.
    pub false_medium: BTreeMap<String, usize>,
}

impl Verdict {
    /// How many incidents were found.
    pub fn found(&self) -> usize {
        self.found_by.iter().filter(|rules| !rules.is_empty()).count()
    }

    /// How many false findings of level high or critical there are.
    pub fn false_high(&self) -> usize {
        self.false_high.values().map(Vec::len).sum()
    }
}

/// Judges the findings.
///
/// An incident is found when a finding of level medium or above names one of its events, and the finding is about what was planted: at
/// least half of its evidence is. A rule that says something of every day would else find everything. A finding of level high or
/// critical is false when it names no planted event at all.
pub fn judge(incidents: &[Incident], findings: &[Finding]) -> Verdict {
    let planted: HashSet<&str> = incidents.iter().flat_map(|i| &i.events).map(String::as_str).collect();
    let owner: BTreeMap<&str, usize> = incidents.iter().enumerate().flat_map(|(n, i)| i.events.iter().map(move |e| (e.as_str(), n))).collect();
    let mut verdict = Verdict { found_by: vec![BTreeMap::new(); incidents.len()], ..Verdict::default() };
    for finding in findings.iter().filter(|f| f.level >= Level::Medium) {
        let ids: Vec<&str> = finding.events.iter().filter_map(|e| e.event_id.as_deref()).collect();
        let hits = ids.iter().filter(|id| planted.contains(*id)).count();
        if hits == 0 {
            if finding.level >= Level::High {
                let example = format!("{} {}", finding.first.as_deref().unwrap_or("?"), finding.entity);
                verdict.false_high.entry(finding.rule_title.clone()).or_default().push(example);
            } else {
                *verdict.false_medium.entry(finding.rule_title.clone()).or_default() += 1;
            }
        } else if hits * 2 >= finding.events.len() {
            let touched: BTreeSet<usize> = ids.iter().filter_map(|id| owner.get(id)).copied().collect();
            for incident in touched {
                let level = verdict.found_by[incident].entry(finding.rule_title.clone()).or_insert(finding.level);
                *level = finding.level.max(*level);
            }
        }
    }
    verdict
}
