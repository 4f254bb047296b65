//! Fills the compliance context from a scan.

use super::context::*;
use super::{shown, tables, unusual};
use crate::event::time::{DAY, format_local, format_time, local_date};
use crate::event::{Column, Outcome};
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::completeness::Coverage;
use crate::finding::risk::Risk;
use crate::finding::scan::{RuleState, Scan};
use crate::output::behaviour::{fact_text, fact_words};
use crate::output::json::{state_words, threshold};
use crate::output::printable;
use crate::rule::meta::Level;
use crate::rule::{Body, Filter};
use chrono::{Datelike, NaiveDate, Timelike};
use std::collections::{BTreeMap, BTreeSet};

/// Evidence rows printed with a finding; all are in the CSV.
const MAX_EVIDENCE: usize = 50;
/// Days beyond which the chart counts months.
const MAX_DAYS: i64 = 120;

/// What the report is asked for.
pub struct Asked<'a> {
    /// The command, as typed.
    pub command: String,
    /// Name of the period.
    pub period: Option<String>,
    /// Zone of times shown.
    pub zone: chrono_tz::Tz,
    /// Name of the evidence file.
    pub findings_csv: &'a str,
    /// Lines about what this version does not look for.
    pub waiting: Vec<String>,
    /// Secrets are shown.
    pub show_secrets: bool,
    /// What is known of the completeness of the logs.
    pub coverage: Coverage,
    /// Whom to look at first.
    pub risk: &'a Risk,
}

/// Columns that the report needs.
pub fn columns() -> Vec<Column> {
    tables::COLUMNS.to_vec()
}

/// Builds the context.
pub fn context(scan: &Scan<'_>, asked: Asked<'_>) -> Result<ReportContext, String> {
    let zone = asked.zone;
    let spans: Vec<(i64, i64)> = scan.files.iter().filter_map(|f| f.span).collect();
    let first = spans.iter().map(|s| s.0).min();
    let last = spans.iter().map(|s| s.1).max();
    let in_period: u64 = scan.quarters.values().sum();
    let outcome = |o: Outcome| scan.quarters.iter().filter(|((_, x), _)| *x == o).map(|(_, n)| n).sum();
    let users: BTreeSet<&str> = scan.findings.iter().flat_map(|f| f.rows()).filter_map(|r| scan.column(Column::User, *r)).collect();
    let mut masked = 0;
    let findings: Vec<FindingContext> = scan.findings.iter().map(|f| finding(scan, f, zone, asked.show_secrets, &mut masked)).collect();
    let rules = rules(scan);
    let days = days(scan, zone);
    let mut limits = limits(scan, &rules);
    if masked > 0 {
        limits.push(format!("{masked} secrets in the evidence are masked."));
    }
    Ok(ReportContext {
        title: "Audit log report".into(),
        version: concat!("auditmill ", env!("CARGO_PKG_VERSION")).into(),
        command: asked.command,
        generated_from: last.map_or("no event".into(), |t| format!("newest event {}", format_time(t))),
        rules_hash: scan.rules.hash.clone(),
        filters: scan.rules.filters.iter().map(|f| filter(scan, f)).collect(),
        pipelines: scan
            .rules
            .loading
            .pipelines
            .iter()
            .enumerate()
            .map(|(i, p)| PipelineContext { name: p.name.clone(), file: p.file.clone(), hash: p.hash.clone(), rules: scan.rules.count_through(i) })
            .collect(),
        zone: zone.name().into(),
        period: asked.period.map(|label| period(scan, label, zone, &days)),
        span: SpanContext { first: first.map(format_time), last: last.map(format_time) },
        inputs: InputsContext {
            files: scan.files.len(),
            read: scan.totals.read,
            accepted: scan.totals.accepted,
            rejected: scan.totals.rejected,
            duplicates: scan.totals.duplicates,
            conflicts: scan.conflict_count,
            in_period,
            outside_period: scan.totals.accepted - in_period.min(scan.totals.accepted),
        },
        files: files(scan),
        coverage: asked.coverage,
        conflicts: scan
            .conflicts
            .iter()
            .map(|c| {
                let name = |file: u32| scan.files[file as usize].name.as_str();
                ConflictContext { event_id: c.event_id.clone(), places: c.places.iter().map(|(f, r)| format!("{}:{r}", name(*f))).collect() }
            })
            .collect(),
        levels: Level::ALL
            .iter()
            .map(|l| {
                let of: Vec<&Finding> = scan.findings.iter().filter(|f| scan.rules.rules[f.rule].meta.level == *l).collect();
                LevelContext { level: l.name(), findings: of.len(), events: of.iter().map(|f| f.count()).sum() }
            })
            .collect(),
        summary: SummaryContext {
            findings: scan.findings.len(),
            rules_hit: scan.findings.iter().map(|f| f.rule).collect::<BTreeSet<_>>().len(),
            rules_ran: rules.ran.len(),
            users: users.len(),
            events: in_period,
            failed: outcome(Outcome::Failed),
            success: outcome(Outcome::Success),
            unknown: outcome(Outcome::Unknown),
        },
        findings,
        unusual: unusual::context(scan, asked.risk, zone, asked.show_secrets),
        findings_csv: asked.findings_csv.into(),
        rules,
        waiting: asked.waiting,
        tables: tables::build(scan, zone)?,
        charts: ChartsContext { per_day: chart_days(scan, zone), heat: heat(scan, zone) },
        limits,
    })
}

fn period(scan: &Scan<'_>, label: String, zone: chrono_tz::Tz, days: &BTreeSet<NaiveDate>) -> PeriodContext {
    let (from, to) = (scan.period.from, scan.period.to);
    let inside: Vec<i64> = scan.quarters.keys().map(|k| k.0).collect();
    let spans = scan.files.iter().filter_map(|f| f.span);
    let edge = |t: i64| if scan.period.contains(t) { Some(t) } else { None };
    let bounds: Vec<i64> = spans.flat_map(|(a, b)| [a, b]).filter_map(edge).chain(inside.iter().copied().filter_map(edge)).collect();
    let day_of = |t: i64| local_date(t, zone);
    let total = match (from.and_then(day_of), to.and_then(|t| day_of(t - 1))) {
        (Some(a), Some(b)) => (b - a).num_days() + 1,
        _ => match (days.first(), days.last()) {
            (Some(a), Some(b)) => (*b - *a).num_days() + 1,
            _ => 0,
        },
    };
    let share = if total > 0 { days.len() as f64 * 100.0 / total as f64 } else { 0.0 };
    let (first, last) = first_and_last(scan, &bounds);
    PeriodContext {
        label,
        from: from.map(format_time),
        to: to.map(format_time),
        from_local: from.map(|t| format_local(t, zone)),
        to_local: to.map(|t| format_local(t, zone)),
        days: total,
        days_with_events: days.len(),
        // Rounded down: nearly all is not all.
        share_percent: (share * 10.0).floor() / 10.0,
        first_event: first.map(format_time),
        last_event: last.map(format_time),
    }
}

/// First and last event inside the period, as exactly as is known without keeping every event.
fn first_and_last(scan: &Scan<'_>, bounds: &[i64]) -> (Option<i64>, Option<i64>) {
    let exact = scan.period_span;
    exact.map_or((bounds.iter().min().copied(), bounds.iter().max().copied()), |(a, b)| (Some(a), Some(b)))
}

fn files(scan: &Scan<'_>) -> Vec<FileContext> {
    let mut out: Vec<FileContext> = scan
        .files
        .iter()
        .map(|f| {
            let mapping = f.source.and_then(|s| scan.sources.mappings().get(s as usize));
            let note = match (f.not_a_log, f.read) {
                (true, _) => Some("not a log".to_owned()),
                (false, 0) => Some("no events".to_owned()),
                _ => None,
            };
            FileContext {
                name: f.name.clone(),
                source: mapping.map(|m| m.id.clone()),
                mapping_hash: mapping.map(|m| m.hash.clone()),
                read: f.read,
                accepted: f.accepted(),
                rejected: f.rejected,
                duplicates: f.duplicates,
                first: f.span.map(|s| format_time(s.0)),
                last: f.span.map(|s| format_time(s.1)),
                note,
                reasons: f.reasons.iter().map(|(record, reason)| ReasonContext { record: *record, reason: reason.clone() }).collect(),
                more_reasons: f.more_reasons,
            }
        })
        .collect();
    out.extend(scan.rejects.iter().map(|r| FileContext {
        name: r.file.clone(),
        source: None,
        mapping_hash: None,
        read: 0,
        accepted: 0,
        rejected: 0,
        duplicates: 0,
        first: None,
        last: None,
        note: Some("not read".into()),
        reasons: vec![ReasonContext { record: None, reason: r.reason.clone() }],
        more_reasons: 0,
    }));
    out
}

/// What a behaviour rule saw and knew, in one line.
fn facts_line(f: &Finding, show_secrets: bool) -> String {
    let get = |name: &str| f.facts.iter().find(|x| x.name == name).map(|x| fact_text(&x.value));
    let mut parts = vec![fact_words(&f.facts)];
    if let (Some(since), Some(events)) = (get("known_since"), get("events_before")) {
        parts.push(format!("known since {since} by {events} events"));
    }
    let line = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("; ");
    shown(&line, show_secrets).0
}

fn finding(scan: &Scan<'_>, f: &Finding, zone: chrono_tz::Tz, show_secrets: bool, masked: &mut usize) -> FindingContext {
    let meta = &scan.rules.rules[f.rule].meta;
    let mut text = |c: Column, row: u32| {
        scan.column(c, row).map(|t| {
            let (out, n) = shown(t, show_secrets);
            *masked += n;
            out
        })
    };
    let events: Vec<EventContext> = f
        .rows()
        .iter()
        .take(MAX_EVIDENCE)
        .map(|&row| EventContext {
            time: format_time(scan.rows.time[row as usize]),
            time_local: format_local(scan.rows.time[row as usize], zone),
            user: text(Column::User, row),
            action: text(Column::Action, row),
            resource: text(Column::Resource, row),
            ip: text(Column::Ip, row),
            status: text(Column::Status, row),
            event_id: scan.rows.event_id(row).map(str::to_owned),
            file: scan.file_name(row).to_owned(),
            record: scan.rows.record[row as usize],
        })
        .collect();
    let (addresses, more_addresses) = addresses::of_finding(scan, f);
    let mut who = |value: &str| {
        let (out, n) = shown(value, show_secrets);
        *masked += n;
        if out.is_empty() { "(null)".into() } else { out }
    };
    FindingContext {
        addresses: addresses.iter().map(|a| printable(&format!("{}: {}", a.ip, a.words())).into_owned()).collect(),
        more_addresses,
        facts: facts_line(f, show_secrets),
        anchor: f.id.to_lowercase(),
        id: f.id.clone(),
        rule_id: meta.id.clone(),
        rule_title: meta.title.clone(),
        rule_name: meta.name.clone(),
        level: meta.level.name(),
        role: meta.role.name(),
        description: meta.description.clone(),
        falsepositives: meta.falsepositives.clone(),
        controls: meta.controls().into_iter().map(str::to_owned).collect(),
        entity: f.entity.iter().map(|(field, value)| EntityContext { field: field.clone(), value: who(value) }).collect(),
        first: format_time(f.first),
        last: format_time(f.last),
        first_local: format_local(f.first, zone),
        last_local: format_local(f.last, zone),
        count: f.count(),
        shown: events.len(),
        more: f.count() - events.len(),
        events,
    }
}

fn rules(scan: &Scan<'_>) -> RulesContext {
    let mut out = RulesContext::default();
    for (i, rule) in scan.rules.rules.iter().enumerate() {
        let m = &rule.meta;
        let state =
            |reason: Option<String>| StateContext { title: m.title.clone(), level: m.level.name(), role: m.role.name(), reason: reason.unwrap_or_default() };
        match &scan.states[i] {
            RuleState::Ran => out.ran.push(RanContext {
                title: m.title.clone(),
                id: m.id.clone(),
                name: m.name.clone(),
                level: m.level.name(),
                role: m.role.name(),
                hits: scan.hits[i],
                findings: scan.findings.iter().filter(|f| f.rule == i).count(),
                file: m.file.clone(),
                threshold: threshold(&rule.body),
                weakened: match &rule.body {
                    Body::Correlation(c) => c.weakened.clone(),
                    Body::Behaviour(b) => b.weakened.clone(),
                    Body::Detection(_) => None,
                },
            }),
            s @ (RuleState::CouldNotMatch(_) | RuleState::NotAssessable(_)) => out.could_not_match.push(state(state_words(s).1)),
            s @ RuleState::NotApplicable(_) => out.not_applicable.push(state(state_words(s).1)),
        }
    }
    let severity = |level: &str| level.parse::<Level>().map_or(0, |l| Level::Critical as usize - l as usize);
    out.ran.sort_by(|a, b| severity(a.level).cmp(&severity(b.level)).then_with(|| a.title.cmp(&b.title)));
    out.could_not_match.sort_by(|a, b| severity(a.level).cmp(&severity(b.level)).then_with(|| a.title.cmp(&b.title)));
    out.skipped =
        scan.rules.skipped.iter().map(|(title, file)| SkippedContext { title: title.clone(), reason: format!("its status says so ({file})") }).collect();
    out.problems =
        scan.rules.problems.iter().map(|p| ProblemContext { file: p.file.clone(), line: p.line, reason: p.reason.clone(), help: p.help.clone() }).collect();
    out
}

fn days(scan: &Scan<'_>, zone: chrono_tz::Tz) -> BTreeSet<NaiveDate> {
    scan.quarters.keys().filter_map(|(t, _)| local_date(*t, zone)).collect()
}

/// Events a day; a month in long periods. Days without events are there with zeros.
fn chart_days(scan: &Scan<'_>, zone: chrono_tz::Tz) -> Vec<DayContext> {
    let with_events = days(scan, zone);
    let (Some(first), Some(last)) = (with_events.first().copied(), with_events.last().copied()) else { return Vec::new() };
    let asked = |t: Option<i64>| t.and_then(|t| local_date(t, zone));
    let (first, last) = (asked(scan.period.from).unwrap_or(first).min(first), asked(scan.period.to.map(|t| t - 1)).unwrap_or(last).max(last));
    let monthly = (last - first).num_days() >= MAX_DAYS;
    let label = |d: NaiveDate| if monthly { d.format("%Y-%m").to_string() } else { d.to_string() };
    let mut out: BTreeMap<String, DayContext> = BTreeMap::new();
    let mut day = first;
    while day <= last {
        out.entry(label(day)).or_insert_with(|| DayContext { day: label(day), ..DayContext::default() });
        let Some(next) = day.succ_opt() else { break };
        day = next;
    }
    for ((t, outcome), n) in &scan.quarters {
        let Some(day) = local_date(*t, zone) else { continue };
        let entry = out.entry(label(day)).or_insert_with(|| DayContext { day: label(day), ..DayContext::default() });
        match outcome {
            Outcome::Success => entry.success += n,
            Outcome::Failed => entry.failed += n,
            Outcome::Unknown => entry.unknown += n,
        }
    }
    out.into_values().collect()
}

fn heat(scan: &Scan<'_>, zone: chrono_tz::Tz) -> HeatContext {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut cells = vec![[0u64; 24]; 7];
    for ((t, _), n) in &scan.quarters {
        if let Some(at) = chrono::DateTime::<chrono::Utc>::from_timestamp_micros(*t).map(|t| t.with_timezone(&zone)) {
            cells[at.weekday().num_days_from_monday() as usize][at.hour() as usize] += n;
        }
    }
    HeatContext {
        max: cells.iter().flatten().copied().max().unwrap_or(0),
        rows: NAMES.iter().zip(&cells).map(|(weekday, hours)| WeekdayContext { weekday, hours: hours.to_vec() }).collect(),
        zone: zone.name().into(),
    }
}

/// What was not looked at, and how the report is to be read.
fn limits(scan: &Scan<'_>, rules: &RulesContext) -> Vec<String> {
    let mut out = vec![
        "The report covers the files listed under input completeness and nothing else; what is known of whether these are all the logs there are stands under coverage."
            .to_owned(),
        "A hit is not a failure of a control, and no hit is no proof: each finding names the records to check it against.".to_owned(),
        "Events that share their second have no known order.".to_owned(),
    ];
    if !rules.could_not_match.is_empty() {
        out.push(format!(
            "{} rules could not match or be assessed, since the logs lack a field or a list is not set: no statement is made about what they look for.",
            rules.could_not_match.len()
        ));
    }
    if scan.is_incomplete() {
        out.push("Some input could not be read; see input completeness.".into());
    }
    if scan.period.from.is_some() || scan.period.to.is_some() {
        out.push(
            "Events outside the period were read so that windows are warm at its start; a burst belongs to the period in which it crosses its threshold."
                .into(),
        );
    }
    let ungrouped: u64 = scan.ungrouped.iter().sum();
    if ungrouped > 0 {
        out.push(format!("{ungrouped} events were left out of counting rules because the field they are grouped by is null."));
    }
    let span = scan.period.from.zip(scan.period.to).map(|(a, b)| b - a);
    if span.is_some_and(|s| s < DAY) {
        out.push("The period is shorter than a day.".into());
    }
    out
}

/// Rules that a filter names in the report; the rest is counted.
const MAX_NAMED: usize = 20;

/// A filter, with the titles of the rules that it narrows.
fn filter(scan: &Scan<'_>, filter: &Filter) -> FilterContext {
    let title = |id: &String| scan.rules.rules.iter().find(|r| r.meta.id == *id).map(|r| r.meta.title.clone());
    let mut rules: Vec<String> = filter.applied_to.iter().take(MAX_NAMED).filter_map(title).collect();
    if filter.applied_to.len() > MAX_NAMED {
        rules.push(format!("and {} more", filter.applied_to.len() - MAX_NAMED));
    }
    FilterContext {
        title: filter.meta.title.clone(),
        file: filter.meta.file.clone(),
        hash: filter.meta.hash.clone(),
        description: filter.meta.description.clone(),
        rules,
    }
}
