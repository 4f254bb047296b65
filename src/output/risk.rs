//! Whom to look at first, for the terminal and as JSON.

use super::{name_in_line, printable, shorten};
use crate::finding::risk::{FORMULA, Risk, Score};
use crate::finding::scan::Scan;
use serde::Serialize;
use std::io::{self, Write};

/// Users, and addresses, that JSON lists.
pub const MAX_SCORES: usize = 50;

/// Scores as JSON has them.
#[derive(Debug, Serialize)]
pub struct RiskJson<'a> {
    formula: &'static str,
    /// Left out where people are not to be scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<ScoreJson<'a>>>,
    addresses: Vec<ScoreJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ScoreJson<'a> {
    name: &'a str,
    score: f64,
    reasons: Vec<ReasonJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ReasonJson<'a> {
    rule_id: &'a str,
    rule_title: &'a str,
    level: &'static str,
    findings: u64,
    shared_by: u64,
    points: f64,
}

/// A hundredth is as much as anybody reads.
fn rounded(points: f64) -> f64 {
    (points * 100.0).round() / 100.0
}

/// The highest scores.
pub fn risk_json<'a>(scan: &'a Scan<'_>, risk: &'a Risk) -> RiskJson<'a> {
    let list = |scores: &'a [Score]| -> Vec<ScoreJson<'a>> {
        let one = |s: &'a Score| {
            let reasons = s.reasons.iter().map(|r| {
                let m = &scan.rules.rules[r.rule].meta;
                ReasonJson {
                    rule_id: &m.id,
                    rule_title: &m.title,
                    level: m.level.name(),
                    findings: r.findings,
                    shared_by: r.shared_by,
                    points: rounded(r.points),
                }
            });
            ScoreJson { name: &s.name, score: rounded(s.score), reasons: reasons.collect() }
        };
        scores.iter().take(MAX_SCORES).map(one).collect()
    };
    RiskJson { formula: FORMULA, users: risk.users.as_deref().map(list), addresses: list(&risk.addresses) }
}

/// The reasons of a score in a few words; not escaped.
pub fn reason_words(scan: &Scan<'_>, score: &Score, most: usize) -> String {
    let mut words: Vec<String> = score
        .reasons
        .iter()
        .take(most)
        .map(|r| {
            let m = &scan.rules.rules[r.rule].meta;
            let times = if r.findings > 1 { format!(" x{}", r.findings) } else { String::new() };
            format!("{} ({}{times})", shorten(&m.title, 50), m.level.name())
        })
        .collect();
    let more = score.reasons.len().saturating_sub(most);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

/// Writes the three highest users and addresses with their reasons.
pub fn write_risk(scan: &Scan<'_>, risk: &Risk, out: &mut dyn Write) -> io::Result<()> {
    let mut label = "Look first  ";
    for score in risk.users.iter().flatten().take(3).chain(risk.addresses.iter().take(3)) {
        writeln!(out, "{label}{} {:.1}: {}", name_in_line(&score.name, 60), score.score, printable(&reason_words(scan, score, 3)))?;
        label = "            ";
    }
    Ok(())
}
