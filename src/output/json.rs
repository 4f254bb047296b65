//! `auditmill.findings/v1`: the shape that scripts rely on; its own structs, so that internals can change.

use super::About;
use super::behaviour::{BehaviourJson, behaviour_words, behaviours_json, push_facts};
use super::evidence::{Evidence, json_text, push_json_text, push_number, write_parallel};
use super::risk::{RiskJson, risk_json};
use crate::event::time::format_time;
use crate::exit::ExitStatus;
use crate::finding::Finding;
use crate::finding::addresses::{self, DatabaseUse};
use crate::finding::completeness::Coverage;
use crate::finding::scan::{FileReport, RuleState, Scan, Totals};
use crate::rule::Body;
use crate::rule::correlation::{CorrelationKind, Limit, Presence};
use crate::rule::matcher::NumberOp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    inputs: Totals,
    period: PeriodJson,
    files: Vec<FileJson<'a>>,
    conflicts: u64,
    rejects: &'a [crate::diag::Reject],
    rules: Vec<RuleJson<'a>>,
    rule_problems: &'a [crate::diag::RuleProblem],
    rules_hash: &'a str,
    pipelines: Vec<PipelineJson<'a>>,
    filters: Vec<FilterJson<'a>>,
    rule_states: BTreeMap<&'static str, usize>,
    hidden_findings: u64,
    behaviours: Vec<BehaviourJson<'a>>,
    exit_status: Vec<u8>,
    coverage: &'a Coverage,
    risk: RiskJson<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    databases: Vec<DatabaseUse>,
    findings: [(); 0],
}

#[derive(Serialize)]
struct PeriodJson {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Serialize)]
struct FileJson<'a> {
    name: &'a str,
    source: Option<&'a str>,
    #[serde(flatten)]
    counts: CountsJson,
    not_a_log: bool,
    #[serde(flatten)]
    reasons: ReasonsJson<'a>,
}

/// How many records of a file became events, and from when to when these are.
#[derive(Serialize)]
pub(super) struct CountsJson {
    read: u64,
    accepted: u64,
    rejected: u64,
    duplicates: u64,
    first: Option<String>,
    last: Option<String>,
}

impl CountsJson {
    pub(super) fn of(file: &FileReport) -> CountsJson {
        CountsJson {
            read: file.read,
            accepted: file.accepted(),
            rejected: file.rejected,
            duplicates: file.duplicates,
            first: file.span.map(|s| format_time(s.0)),
            last: file.span.map(|s| format_time(s.1)),
        }
    }
}

/// Why records of a file did not become events.
#[derive(Serialize)]
pub(super) struct ReasonsJson<'a> {
    reasons: Vec<ReasonJson<'a>>,
    more_reasons: u64,
}

#[derive(Serialize)]
struct ReasonJson<'a> {
    record: Option<u32>,
    reason: &'a str,
}

impl ReasonsJson<'_> {
    pub(super) fn of(file: &FileReport) -> ReasonsJson<'_> {
        let reasons = file.reasons.iter().map(|(record, reason)| ReasonJson { record: *record, reason }).collect();
        ReasonsJson { reasons, more_reasons: file.more_reasons }
    }
}

#[derive(Serialize)]
struct RuleJson<'a> {
    id: &'a str,
    title: &'a str,
    level: &'static str,
    role: &'static str,
    file: &'a str,
    state: &'static str,
    reason: Option<String>,
    hits: u64,
    without_group: u64,
}

/// A filter document, and the ids of the rules that it narrows.
#[derive(Serialize)]
struct FilterJson<'a> {
    id: &'a str,
    title: &'a str,
    file: &'a str,
    hash: &'a str,
    rules: &'a [String],
}

/// A pipeline that rules went through, in the order of application.
#[derive(Serialize)]
struct PipelineJson<'a> {
    name: &'a str,
    file: &'a str,
    hash: &'a str,
    rules: usize,
}

/// Renders findings; what is the same for all findings of a rule is escaped once.
struct FindingText<'s> {
    scan: &'s Scan<'s>,
    rules: Vec<String>,
    evidence: Evidence<'s>,
}

impl<'s> FindingText<'s> {
    fn new(scan: &'s Scan<'s>) -> FindingText<'s> {
        let rules = scan
            .rules
            .rules
            .iter()
            .map(|r| {
                let m = &r.meta;
                let (id, title) = (json_text(&m.id), json_text(&m.title));
                format!("\"rule_id\":{id},\"rule_title\":{title},\"level\":\"{}\",\"role\":\"{}\",\"entity\":{{", m.level.name(), m.role.name())
            })
            .collect();
        FindingText { scan, rules, evidence: Evidence::new(scan) }
    }

    /// Appends a finding as one JSON object.
    fn push(&self, finding: &Finding, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        push_json_text(&finding.id, out);
        out.push(b',');
        out.extend_from_slice(self.rules[finding.rule].as_bytes());
        // Keys of an entity stand in alphabetical order, each once.
        let mut entity: Vec<(&str, &str)> = finding.entity.iter().map(|(f, v)| (f.as_str(), v.as_str())).collect();
        entity.sort_by_key(|e| e.0);
        entity.dedup_by_key(|e| e.0);
        for (i, (field, value)) in entity.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            push_json_text(field, out);
            out.push(b':');
            if value.is_empty() { out.extend_from_slice(b"null") } else { push_json_text(value, out) }
        }
        out.extend_from_slice(b"},\"first\":\"");
        self.evidence.push_time(finding.first, out);
        out.extend_from_slice(b"\",\"last\":\"");
        self.evidence.push_time(finding.last, out);
        out.extend_from_slice(b"\",\"count\":");
        push_number(finding.count() as u64, out);
        if !finding.facts.is_empty() {
            out.extend_from_slice(b",\"facts\":");
            push_facts(&finding.facts, out);
        }
        out.extend_from_slice(b",\"events\":[");
        for (i, &row) in finding.rows().iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"{" } else { b",{" });
            self.evidence.push(row, out);
            out.push(b'}');
        }
        out.push(b']');
        self.push_addresses(finding, out);
        out.push(b'}');
    }

    /// Appends what databases say of the addresses; nothing where there is none.
    fn push_addresses(&self, finding: &Finding, out: &mut Vec<u8>) {
        if self.scan.databases.is_empty() {
            return;
        }
        let (addresses, more) = addresses::of_finding(self.scan, finding);
        out.extend_from_slice(b",\"addresses\":");
        // Writing into memory does not fail.
        let _ = serde_json::to_writer(&mut *out, &addresses);
        out.extend_from_slice(b",\"more_addresses\":");
        push_number(more as u64, out);
    }
}

/// The state's name and reason.
pub fn state_words(state: &RuleState) -> (&'static str, Option<String>) {
    match state {
        RuleState::Ran => ("ran", None),
        RuleState::CouldNotMatch(fields) => ("could not match", Some(format!("field {} never seen", fields.join(", ")))),
        RuleState::NotApplicable(reason) => ("not applicable", Some(reason.clone())),
        RuleState::NotAssessable(reason) => ("not assessable", Some(reason.clone())),
    }
}

/// How many rules ended in each state; every state is there.
fn count_states(scan: &Scan<'_>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::from([("ran", 0), ("could not match", 0), ("not applicable", 0), ("not assessable", 0)]);
    scan.states.iter().for_each(|s| *counts.entry(state_words(s).0).or_default() += 1);
    counts.insert("not loaded", scan.rules.problems.len());
    counts.insert("skipped by status", scan.rules.skipped.len());
    counts
}

/// Writes the whole document.
pub fn write_json(scan: &Scan<'_>, findings: &[&Finding], statuses: &[ExitStatus], about: &About<'_>, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: "auditmill.findings/v1",
        inputs: scan.totals,
        period: PeriodJson { from: scan.period.from.map(format_time), to: scan.period.to.map(format_time) },
        files: scan
            .files
            .iter()
            .map(|f| FileJson {
                name: &f.name,
                source: f.source.and_then(|s| scan.sources.mappings().get(s as usize)).map(|m| m.id.as_str()),
                counts: CountsJson::of(f),
                not_a_log: f.not_a_log,
                reasons: ReasonsJson::of(f),
            })
            .collect(),
        conflicts: scan.conflict_count,
        rejects: &scan.rejects,
        rules: scan
            .rules
            .rules
            .iter()
            .enumerate()
            .map(|(i, r)| {
                let (state, reason) = state_words(&scan.states[i]);
                RuleJson {
                    id: &r.meta.id,
                    title: &r.meta.title,
                    level: r.meta.level.name(),
                    role: r.meta.role.name(),
                    file: &r.meta.file,
                    state,
                    reason,
                    hits: scan.hits[i],
                    without_group: scan.ungrouped[i],
                }
            })
            .collect(),
        rule_problems: &scan.rules.problems,
        rules_hash: &scan.rules.hash,
        pipelines: scan
            .rules
            .loading
            .pipelines
            .iter()
            .enumerate()
            .map(|(i, p)| PipelineJson { name: &p.name, file: &p.file, hash: &p.hash, rules: scan.rules.count_through(i) })
            .collect(),
        filters: scan
            .rules
            .filters
            .iter()
            .map(|f| FilterJson { id: &f.meta.id, title: &f.meta.title, file: &f.meta.file, hash: &f.meta.hash, rules: &f.applied_to })
            .collect(),
        rule_states: count_states(scan),
        hidden_findings: scan.hidden,
        behaviours: behaviours_json(scan),
        exit_status: statuses.iter().map(|s| s.code()).collect(),
        coverage: about.coverage,
        risk: risk_json(scan, about.risk),
        databases: addresses::databases(scan),
        findings: [],
    };
    // The findings come last and can be many: they are rendered on all workers, into the array that the document ends with.
    let mut head = serde_json::to_vec(&document)?;
    head.truncate(head.len() - b"]}".len());
    out.write_all(&head)?;
    let text = FindingText::new(scan);
    let first = findings.first().copied();
    write_parallel(scan, findings, out, |part, out| {
        for finding in part {
            if !first.is_some_and(|f| std::ptr::eq(f, *finding)) {
                out.push(b',');
            }
            text.push(finding, out);
        }
    })?;
    out.write_all(b"]}\n")
}

/// Writes one finding a line.
pub fn write_ndjson(scan: &Scan<'_>, findings: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    let text = FindingText::new(scan);
    write_parallel(scan, findings, out, |part, out| {
        for finding in part {
            text.push(finding, out);
            out.push(b'\n');
        }
    })
}

/// A correlation's threshold in words.
pub fn threshold(body: &Body) -> Option<String> {
    use crate::event::time::format_duration;
    let c = match body {
        Body::Detection(_) => return None,
        Body::Correlation(c) => c,
        Body::Behaviour(b) => return Some(behaviour_words(b)),
    };
    let what = match &c.kind {
        CorrelationKind::EventCount => format!("{} events", limits_words(&c.limits)),
        CorrelationKind::ValueCount => format!("{} different {}", limits_words(&c.limits), c.fields.join(", ")),
        CorrelationKind::ValueSum => format!("a sum of {} of {}", c.fields.join(", "), limits_words(&c.limits)),
        CorrelationKind::ValueAvg => format!("an average of {} of {}", c.fields.join(", "), limits_words(&c.limits)),
        CorrelationKind::ValuePercentile(p) => format!("a percentile {p} of {} of {}", c.fields.join(", "), limits_words(&c.limits)),
        CorrelationKind::ValueMedian => format!("a median of {} of {}", c.fields.join(", "), limits_words(&c.limits)),
        CorrelationKind::Temporal(presence) => presence_words(presence, &c.rules),
        CorrelationKind::TemporalOrdered => format!("{}, in this order,", c.rules.join(" then ")),
    };
    let by = if c.group_by.is_empty() { String::new() } else { format!(" by {}", c.group_by.join(", ")) };
    Some(format!("{what} in {}{by}", format_duration(c.timespan)))
}

fn limits_words(limits: &[Limit]) -> String {
    let one = |l: &Limit| {
        let word = match (l.op, l.negated) {
            (NumberOp::Gt, _) => "more than ",
            (NumberOp::Gte, _) => "at least ",
            (NumberOp::Lt, _) => "fewer than ",
            (NumberOp::Lte, _) => "at most ",
            (NumberOp::Eq, false) => "exactly ",
            (NumberOp::Eq, true) => "not ",
        };
        format!("{word}{}", l.value)
    };
    limits.iter().map(one).collect::<Vec<_>>().join(" and ")
}

fn presence_words(presence: &Presence, rules: &[String]) -> String {
    let several = |parts: &[Presence], word: &str| parts.iter().map(|p| presence_words(p, rules)).collect::<Vec<_>>().join(word);
    match presence {
        Presence::All => rules.join(" and "),
        Presence::Count(limits) => format!("{} of {}", limits_words(limits), rules.join(", ")),
        Presence::Rule(r) => rules.get(*r).cloned().unwrap_or_default(),
        Presence::Not(p) => format!("not {}", presence_words(p, rules)),
        Presence::And(parts) => format!("({})", several(parts, " and ")),
        Presence::Or(parts) => format!("({})", several(parts, " or ")),
    }
}
