//! Whom to look at first: findings weigh on the users and addresses of their evidence.
//!
//! The score of a user or an address is the sum, over the rules that named it, of
//!
//! ```text
//! weight(level of the rule) / sqrt(number of users, or addresses, that the rule named)
//! ```
//!
//! with the weights of [`weight`]. A rule counts once, however often it fired; a rule that names many says little of each.
//! The score orders work. It is no verdict, and nothing else goes by it.

use super::Finding;
use super::scan::Scan;
use crate::event::Column;
use crate::event::value::fold_case;
use crate::rule::FieldRef;
use crate::rule::meta::Level;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// The formula in words, for outputs.
pub const FORMULA: &str =
    "sum over the rules that named it of weight / sqrt(how many of its kind the rule named); weights: critical 50, high 20, medium 5, low 1";

/// What a rule of a level weighs.
pub fn weight(level: Level) -> f64 {
    match level {
        Level::Critical => 50.0,
        Level::High => 20.0,
        Level::Medium => 5.0,
        Level::Low => 1.0,
        Level::Informational => 0.0,
    }
}

/// What one rule adds to a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Index of the rule.
    pub rule: usize,
    /// Findings of the rule that name the user or address.
    pub findings: u64,
    /// How many users, or addresses, the rule named.
    pub shared_by: u64,
    /// What it adds.
    pub points: f64,
}

/// A user or an address, and why to look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// As the log writes it.
    pub name: String,
    /// The sum of all points.
    pub score: f64,
    /// What adds to it, most first.
    pub reasons: Vec<Reason>,
}

/// Scores, highest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Risk {
    /// Users; `None` where people are not to be scored.
    pub users: Option<Vec<Score>>,
    /// Addresses.
    pub addresses: Vec<Score>,
}

/// Scores the users, where that is wanted, and the addresses of some findings.
pub fn risk(scan: &Scan<'_>, findings: &[&Finding], with_users: bool) -> Risk {
    let (users, addresses) =
        scan.pool.install(|| rayon::join(|| with_users.then(|| scores(scan, findings, Column::User)), || scores(scan, findings, Column::Ip)));
    Risk { users, addresses }
}

/// A code of which nobody asked yet, and one that names nobody.
const UNKNOWN: u32 = u32::MAX;
const NOBODY: u32 = u32::MAX - 1;

fn scores(scan: &Scan<'_>, findings: &[&Finding], column: Column) -> Vec<Score> {
    let level = |rule: usize| scan.rules.rules[rule].meta.level;
    let Some(field) = scan.field(&FieldRef::Column(column)) else { return Vec::new() };
    let (codes, dict) = (&scan.rows.columns[field], &scan.rows.dict);
    // Spellings that differ in case are one name: each code is folded once. Of several the first in order is shown.
    let mut name_of: Vec<u32> = vec![UNKNOWN; dict.len()];
    let mut numbers: HashMap<String, u32> = HashMap::new();
    let mut spelled: Vec<&str> = Vec::new();
    // Findings by rule and name.
    let mut named: BTreeMap<usize, HashMap<u32, u64>> = BTreeMap::new();
    let mut here: Vec<u32> = Vec::new();
    for finding in findings.iter().filter(|f| weight(level(f.rule)) > 0.0) {
        here.clear();
        for &row in finding.rows() {
            let code = codes[row as usize];
            if name_of[code as usize] == UNKNOWN {
                name_of[code as usize] = match dict.text(code).filter(|t| !t.is_empty()) {
                    None => NOBODY,
                    Some(text) => {
                        let number = *numbers.entry(fold_case(text).into_owned()).or_insert(spelled.len() as u32);
                        match spelled.get_mut(number as usize) {
                            Some(known) => *known = (*known).min(text),
                            None => spelled.push(text),
                        }
                        number
                    }
                };
            }
            let number = name_of[code as usize];
            if number != NOBODY && here.last() != Some(&number) {
                here.push(number);
            }
        }
        here.sort_unstable();
        here.dedup();
        let of_rule = named.entry(finding.rule).or_default();
        here.iter().for_each(|name| *of_rule.entry(*name).or_default() += 1);
    }
    let mut reasons: BTreeMap<u32, Vec<Reason>> = BTreeMap::new();
    for (&rule, names) in &named {
        let shared_by = names.len() as u64;
        for (&name, &findings) in names {
            reasons.entry(name).or_default().push(Reason { rule, findings, shared_by, points: weight(level(rule)) / (shared_by as f64).sqrt() });
        }
    }
    let mut out: Vec<Score> = reasons
        .into_iter()
        .map(|(name, mut reasons)| {
            reasons.sort_by(|a, b| b.points.total_cmp(&a.points).then_with(|| scan.rules.rules[a.rule].meta.id.cmp(&scan.rules.rules[b.rule].meta.id)));
            let score = reasons.iter().map(|r| r.points).sum();
            Score { name: spelled[name as usize].to_owned(), score, reasons }
        })
        .collect();
    out.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.name.cmp(&b.name)));
    out
}
