//! The terminal: findings as a table, then a closing summary.

use super::About;
use super::behaviour::{fact_words, write_histories};
use super::completeness::write_completeness;
use super::risk::write_risk;
use super::{grouped, name_in_line, printable, shorten};
use crate::event::Column;
use crate::event::time::{format_duration, format_time};
use crate::finding::Finding;
use crate::finding::addresses;
use crate::finding::scan::{RuleState, Scan};
use crate::rule::meta::Level;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Columns of the terminal; `None` in a pipe.
    pub width: Option<u16>,
    /// Colours may be used.
    pub color: bool,
}

/// Findings shown on a terminal.
pub const MAX_SHOWN: usize = 50;

/// A level's name, coloured where that is wanted.
pub fn level_text(level: Level, style: Style) -> String {
    if !style.color {
        return level.name().to_owned();
    }
    let code = match level {
        Level::Critical => "1;31",
        Level::High => "31",
        Level::Medium => "33",
        Level::Low => "36",
        Level::Informational => "2",
    };
    format!("\u{1b}[{code}m{}\u{1b}[0m", level.name())
}

/// Text in the background, where colours are wanted.
pub fn faint(text: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Text that stands out, where colours are wanted.
pub fn bold(text: &str, style: Style) -> String {
    if style.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// An empty table that fits the terminal.
pub fn new_table(style: Style, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(style.width.unwrap_or(200).max(40));
    table.set_header(header.iter().map(|h| if style.color { format!("\u{1b}[1m{h}\u{1b}[0m") } else { (*h).to_owned() }));
    table
}

/// Writes the findings, at most [`MAX_SHOWN`] where the output is a terminal.
pub fn write_table(scan: &Scan<'_>, findings: &[&Finding], style: Style, out: &mut dyn Write) -> io::Result<()> {
    for file in scan.files.iter().filter(|f| f.read == 0) {
        let why = file.reasons.first().map_or(if file.not_a_log { "not a log" } else { "no events" }, |r| r.1.as_str());
        writeln!(out, "No events: {}: {}", printable(&file.name), printable(why))?;
    }
    if findings.is_empty() {
        return writeln!(out, "No findings.");
    }
    let most = if style.width.is_some() { MAX_SHOWN } else { usize::MAX };
    let mut table = new_table(style, &["LEVEL", "FIRST (UTC)", "LASTED", "EVENTS", "RULE", "WHO OR WHAT"]);
    for f in findings.iter().take(most) {
        let meta = &scan.rules.rules[f.rule].meta;
        let entity: Vec<String> = f
            .entity
            .iter()
            .map(|(k, v)| if k == "user" || k == "user_key" || k == "principal" || k == "resource" || k == "ip" { v.clone() } else { format!("{k}={v}") })
            .collect();
        let facts = fact_words(&f.facts);
        let parts: Vec<&str> = entity.iter().map(String::as_str).chain([facts.as_str()]).filter(|p| !p.is_empty()).collect();
        let who = if parts.is_empty() { "-".to_owned() } else { parts.join(", ") };
        table.add_row(vec![
            Cell::new(level_text(meta.level, style)),
            Cell::new(format_time(f.first).replace('T', " ").trim_end_matches('Z')),
            Cell::new(if f.last == f.first { "-".into() } else { format_duration(f.last - f.first) }),
            Cell::new(grouped(f.count() as u64)),
            Cell::new(printable(&shorten(&meta.title, 60))),
            Cell::new(name_in_line(&who, 100)),
        ]);
    }
    writeln!(out, "{}", trimmed(&table))?;
    if findings.len() > most {
        writeln!(
            out,
            "... and {} more findings: see all with --format csv -o findings.csv, or narrow with --min-level",
            grouped((findings.len() - most) as u64)
        )?;
    }
    Ok(())
}

/// A table without blanks at the ends of lines.
pub fn trimmed(table: &Table) -> String {
    table.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Writes the closing summary.
pub fn write_summary(scan: &Scan<'_>, findings: &[&Finding], about: &About<'_>, took: Duration, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let t = scan.totals;
    let logs = scan.files.iter().filter(|f| !f.not_a_log).count();
    writeln!(
        out,
        "Read        {} {} in {:.2} s: {} records = {} accepted + {} rejected + {} duplicates",
        grouped(logs as u64),
        plural(logs, "file"),
        took.as_secs_f64(),
        grouped(t.read),
        grouped(t.accepted),
        grouped(t.rejected),
        grouped(t.duplicates)
    )?;
    let sources: Vec<String> =
        scan.by_source.iter().zip(scan.sources.mappings()).filter(|(n, _)| **n > 0).map(|(n, m)| format!("{} {}", m.title, grouped(*n))).collect();
    if !sources.is_empty() {
        writeln!(out, "Sources     {}", sources.join(", "))?;
    }
    if let (Some(first), Some(last)) =
        (scan.files.iter().filter_map(|f| f.span).map(|s| s.0).min(), scan.files.iter().filter_map(|f| f.span).map(|s| s.1).max())
    {
        writeln!(out, "Events      {} to {}", format_time(first), format_time(last))?;
    }
    if scan.period.from.is_some() || scan.period.to.is_some() {
        let edge = |t: Option<i64>, open: &str| t.map_or(open.to_owned(), format_time);
        writeln!(out, "Period      from {} up to {} (UTC)", edge(scan.period.from, "the beginning"), edge(scan.period.to, "the end"))?;
    }
    if scan.conflict_count > 0 {
        writeln!(out, "Conflicts   {} event ids occur with different content; all versions were kept", grouped(scan.conflict_count))?;
    }
    for database in addresses::databases(scan) {
        writeln!(out, "Addresses   {}", printable(&database.words()))?;
        if database.is_far() {
            writeln!(out, "            warning: more than {} days from the newest event, addresses may have moved since", addresses::MAX_DAYS)?;
        }
    }
    write_completeness(about.coverage, out)?;
    let levels: Vec<String> = Level::ALL
        .iter()
        .map(|l| (l, findings.iter().filter(|f| scan.rules.rules[f.rule].meta.level == *l).count()))
        .map(|(l, n)| format!("{n} {}", level_text(*l, style)))
        .collect();
    writeln!(out, "Findings    {}: {}", findings.len(), levels.join(", "))?;
    if scan.hidden > 0 {
        writeln!(out, "            {} more of rules that only feed a correlation", grouped(scan.hidden))?;
    }
    let top = |counts: BTreeMap<String, usize>| -> String {
        let mut list: Vec<(String, usize)> = counts.into_iter().collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list.iter().take(3).map(|(k, n)| format!("{} ({})", name_in_line(k, 60), grouped(*n as u64))).collect::<Vec<_>>().join(", ")
    };
    let (mut rules, mut users) = (BTreeMap::new(), BTreeMap::new());
    for f in findings {
        *rules.entry(scan.rules.rules[f.rule].meta.title.clone()).or_insert(0) += 1;
        let mut who: Vec<&str> = f.rows().iter().filter_map(|r| scan.column(Column::User, *r)).collect();
        who.sort_unstable();
        who.dedup();
        who.into_iter().for_each(|u| *users.entry(u.to_owned()).or_insert(0) += 1);
    }
    if !findings.is_empty() {
        writeln!(out, "Top rules   {}", top(rules))?;
        if about.risk.users.is_some() {
            writeln!(out, "Top users   {}", top(users))?;
        }
    }
    write_risk(scan, about.risk, out)?;
    let count = |f: &dyn Fn(&RuleState) -> bool| scan.states.iter().filter(|s| f(s)).count();
    let (could_not, not_applicable, not_assessable) = (
        count(&|s| matches!(s, RuleState::CouldNotMatch(_))),
        count(&|s| matches!(s, RuleState::NotApplicable(_))),
        count(&|s| matches!(s, RuleState::NotAssessable(_))),
    );
    let loaded = scan.states.len();
    writeln!(
        out,
        "Rules       {loaded} loaded: {} ran, {could_not} could not match, {not_applicable} not applicable, {not_assessable} not assessable; {} not loaded, {} skipped by status",
        loaded - could_not - not_applicable - not_assessable,
        scan.rules.problems.len(),
        scan.rules.skipped.len()
    )?;
    if !scan.rules.filters.is_empty() {
        let mut narrowed: Vec<&String> = scan.rules.filters.iter().flat_map(|f| &f.applied_to).collect();
        narrowed.sort_unstable();
        narrowed.dedup();
        let filters = scan.rules.filters.len();
        writeln!(
            out,
            "Filters     {filters} {} of {} {}",
            if filters == 1 { "filter narrows the matches" } else { "filters narrow the matches" },
            narrowed.len(),
            plural(narrowed.len(), "rule")
        )?;
    }
    for (i, p) in scan.rules.loading.pipelines.iter().enumerate() {
        let rules = scan.rules.count_through(i);
        writeln!(out, "Pipeline    {} ({}, {}): {rules} {}", printable(&p.name), printable(&p.file), p.hash, plural(rules, "rule"))?;
    }
    let blind: Vec<(&str, String)> = scan
        .states
        .iter()
        .zip(&scan.rules.rules)
        .filter_map(|(s, r)| match s {
            RuleState::CouldNotMatch(fields) => Some((r.meta.title.as_str(), format!("field {} never seen", fields.join(", ")))),
            RuleState::NotAssessable(reason) => Some((r.meta.title.as_str(), reason.clone())),
            RuleState::Ran | RuleState::NotApplicable(_) => None,
        })
        .collect();
    for (title, reason) in blind.iter().take(5) {
        writeln!(out, "            not covered: {title}: {reason}")?;
    }
    if blind.len() > 5 {
        writeln!(out, "            ... and {} more; --format json lists every rule's state", blind.len() - 5)?;
    }
    write_histories(scan, out)
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}
