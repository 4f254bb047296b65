//! `auditmill.findings/v1`: the shape that scripts rely on; its own structs, so that internals can change.

use crate::event::time::format_time;
use crate::exit::ExitStatus;
use crate::finding::Finding;
use crate::finding::scan::{RuleState, Scan, Totals};
use crate::rule::Body;
use serde::Serialize;
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
    hidden_findings: u64,
    exit_status: Vec<u8>,
    findings: Vec<FindingJson<'a>>,
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
    read: u64,
    accepted: u64,
    rejected: u64,
    duplicates: u64,
    first: Option<String>,
    last: Option<String>,
    not_a_log: bool,
    reasons: Vec<ReasonJson<'a>>,
    more_reasons: u64,
}

#[derive(Serialize)]
struct ReasonJson<'a> {
    record: Option<u32>,
    reason: &'a str,
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

/// A pipeline that rules went through, in the order of application.
#[derive(Serialize)]
struct PipelineJson<'a> {
    name: &'a str,
    file: &'a str,
    hash: &'a str,
    rules: usize,
}

/// One finding.
#[derive(Serialize)]
struct FindingJson<'a> {
    id: &'a str,
    rule_id: &'a str,
    rule_title: &'a str,
    level: &'static str,
    role: &'static str,
    entity: serde_json::Map<String, serde_json::Value>,
    first: String,
    last: String,
    count: usize,
    events: Vec<EventJson<'a>>,
}

#[derive(Serialize)]
struct EventJson<'a> {
    event_id: Option<&'a str>,
    time: String,
    file: &'a str,
    record: u32,
}

fn finding_json<'a>(scan: &'a Scan<'_>, finding: &'a Finding) -> FindingJson<'a> {
    let meta = &scan.rules.rules[finding.rule].meta;
    FindingJson {
        id: &finding.id,
        rule_id: &meta.id,
        rule_title: &meta.title,
        level: meta.level.name(),
        role: meta.role.name(),
        entity: finding.entity.iter().map(|(f, v)| (f.clone(), if v.is_empty() { serde_json::Value::Null } else { v.clone().into() })).collect(),
        first: format_time(finding.first),
        last: format_time(finding.last),
        count: finding.count(),
        events: finding
            .rows()
            .iter()
            .map(|&row| EventJson {
                event_id: scan.rows.event_id(row),
                time: format_time(scan.rows.time[row as usize]),
                file: scan.file_name(row),
                record: scan.rows.record[row as usize],
            })
            .collect(),
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

/// Writes the whole document.
pub fn write_json(scan: &Scan<'_>, findings: &[&Finding], statuses: &[ExitStatus], out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: "auditmill.findings/v1",
        inputs: scan.totals,
        period: PeriodJson { from: scan.period.from.map(format_time), to: scan.period.to.map(format_time) },
        files: scan
            .files
            .iter()
            .map(|f| FileJson {
                name: &f.name,
                source: f.source.and_then(|s| scan.sources.mappings.get(s as usize)).map(|m| m.id.as_str()),
                read: f.read,
                accepted: f.accepted(),
                rejected: f.rejected,
                duplicates: f.duplicates,
                first: f.span.map(|s| format_time(s.0)),
                last: f.span.map(|s| format_time(s.1)),
                not_a_log: f.not_a_log,
                reasons: f.reasons.iter().map(|(record, reason)| ReasonJson { record: *record, reason }).collect(),
                more_reasons: f.more_reasons,
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
            .pipelines
            .iter()
            .enumerate()
            .map(|(i, p)| PipelineJson { name: &p.name, file: &p.file, hash: &p.hash, rules: scan.rules.count_through(i) })
            .collect(),
        hidden_findings: scan.hidden,
        exit_status: statuses.iter().map(|s| s.code()).collect(),
        findings: findings.iter().map(|f| finding_json(scan, f)).collect(),
    };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

/// Writes one finding a line.
pub fn write_ndjson(scan: &Scan<'_>, findings: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        serde_json::to_writer(&mut *out, &finding_json(scan, finding))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// A correlation's threshold in words.
pub fn threshold(body: &Body) -> Option<String> {
    use crate::event::time::format_duration;
    use crate::rule::correlation::CorrelationKind;
    use crate::rule::matcher::NumberOp;
    let Body::Correlation(c) = body else { return None };
    let limits: Vec<String> = c
        .limits
        .iter()
        .map(|l| {
            let word = match (l.op, l.negated) {
                (NumberOp::Gt, _) => "more than ",
                (NumberOp::Gte, _) => "at least ",
                (NumberOp::Lt, _) => "fewer than ",
                (NumberOp::Lte, _) => "at most ",
                (NumberOp::Eq, false) => "exactly ",
                (NumberOp::Eq, true) => "not ",
            };
            format!("{word}{}", l.value)
        })
        .collect();
    let what = match c.kind {
        CorrelationKind::EventCount => "events".to_owned(),
        CorrelationKind::ValueCount => format!("different {}", c.fields.join(", ")),
    };
    let by = if c.group_by.is_empty() { String::new() } else { format!(" by {}", c.group_by.join(", ")) };
    Some(format!("{} {what} in {}{by}", limits.join(" and "), format_duration(c.timespan)))
}
