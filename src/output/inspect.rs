//! `inspect`: what was made of each file, as text that fits a narrow terminal and as `auditmill.inspect/v1`.

use super::json::{CountsJson, ReasonsJson};
use super::rules::wrap;
use super::table::{Style, bold, faint};
use super::{grouped, printable, shorten};
use crate::diag::Reject;
use crate::event::Column;
use crate::event::time::format_time;
use crate::finding::completeness::Coverage;
use crate::finding::inspect::{Alternative, InspectedFile, InspectedSource, Inspection, Nearest, Proposed, State};
use crate::finding::scan::Totals;
use crate::source::propose::Guess;
use serde::Serialize;
use std::io::{self, Write};

/// Files that were read without a fault and are shown on a terminal; all others are always shown.
const MAX_GOOD: usize = 30;
/// Reasons of rejects shown for a file; JSON has more.
const MAX_REASONS: usize = 5;
/// Names without an activity shown for a source; JSON has more.
const MAX_NAMES: usize = 15;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    inputs: Totals,
    files: Vec<FileJson<'a>>,
    sources: Vec<SourceJson<'a>>,
    conflicts: u64,
    rejects: &'a [Reject],
    proposals: Vec<ProposalJson<'a>>,
    not_proposed: Vec<NotProposedJson<'a>>,
    /// Events over time, gaps, and what should be there.
    coverage: &'a Coverage,
    exit_status: Vec<u8>,
}

#[derive(Serialize)]
struct FileJson<'a> {
    name: &'a str,
    state: &'static str,
    containers: Vec<&'a str>,
    sources: Vec<FileSourceJson<'a>>,
    records: u64,
    #[serde(flatten)]
    counts: CountsJson,
    #[serde(flatten)]
    reasons: ReasonsJson<'a>,
    nearest: Vec<NearestJson<'a>>,
}

#[derive(Serialize)]
struct FileSourceJson<'a> {
    id: &'a str,
    events: u64,
    detected_by: Vec<AlternativeJson<'a>>,
}

#[derive(Serialize)]
struct AlternativeJson<'a> {
    number: usize,
    has: &'a [String],
    without: &'a [String],
    #[serde(rename = "where")]
    has_where: bool,
}

#[derive(Serialize)]
struct NearestJson<'a> {
    source: &'a str,
    alternative: usize,
    found: &'a [String],
    missing: &'a [String],
    unwanted: &'a [String],
    where_holds: bool,
}

#[derive(Serialize)]
struct SourceJson<'a> {
    id: &'a str,
    title: &'a str,
    file: &'a str,
    hash: &'a str,
    events: u64,
    columns: Vec<ColumnJson>,
    without_activity: u64,
    names_without_activity: Vec<NameJson<'a>>,
    more_names: u64,
    names_cut: bool,
}

#[derive(Serialize)]
struct ColumnJson {
    column: &'static str,
    events: u64,
    share: f64,
}

#[derive(Serialize)]
struct NameJson<'a> {
    action: &'a str,
    events: u64,
}

#[derive(Serialize)]
struct ProposalJson<'a> {
    file: &'a str,
    id: &'a str,
    title: &'a str,
    mapping: &'a str,
    guesses: &'a [Guess],
    without: &'a [&'static str],
    reads: Vec<ReadsJson<'a>>,
}

#[derive(Serialize)]
struct ReadsJson<'a> {
    file: &'a str,
    events: u64,
    rejected: u64,
}

#[derive(Serialize)]
struct NotProposedJson<'a> {
    file: &'a str,
    reason: &'a str,
}

/// Writes the whole document.
pub fn write_json(i: &Inspection<'_>, coverage: &Coverage, exit_status: Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        schema: "auditmill.inspect/v1",
        inputs: i.totals,
        files: i.files.iter().map(|f| file_json(i, f)).collect(),
        sources: i.by_source.iter().map(|s| source_json(i, s)).collect(),
        conflicts: i.conflicts,
        rejects: &i.rejects,
        proposals: i
            .proposals
            .iter()
            .map(|p| ProposalJson {
                file: &p.file,
                id: &p.proposal.id,
                title: &p.proposal.title,
                mapping: &p.proposal.text,
                guesses: &p.proposal.guesses,
                without: &p.proposal.without,
                reads: p.reads.iter().map(|(file, events, rejected)| ReadsJson { file, events: *events, rejected: *rejected }).collect(),
            })
            .collect(),
        not_proposed: i.not_proposed.iter().map(|(file, reason)| NotProposedJson { file, reason }).collect(),
        coverage,
        exit_status,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn file_json<'a>(i: &'a Inspection<'_>, f: &'a InspectedFile) -> FileJson<'a> {
    let r = &f.report;
    let alternative = |a: &Alternative| {
        let mapping = &i.sources.mappings()[a.source];
        let detect = &mapping.detect[a.number - 1];
        AlternativeJson { number: a.number, has: &detect.has, without: &detect.without, has_where: detect.selection.is_some() }
    };
    FileJson {
        name: &r.name,
        state: f.state.name(),
        containers: r.containers.iter().map(String::as_str).collect(),
        sources: f
            .sources
            .iter()
            .map(|(source, events)| FileSourceJson {
                id: &i.sources.mappings()[*source].id,
                events: *events,
                detected_by: f.detected_by.iter().filter(|a| a.source == *source).map(alternative).collect(),
            })
            .collect(),
        records: f.records,
        counts: CountsJson::of(r),
        reasons: ReasonsJson::of(r),
        nearest: f
            .nearest
            .iter()
            .map(|n| NearestJson {
                source: &i.sources.mappings()[n.alternative.source].id,
                alternative: n.alternative.number,
                found: &n.found,
                missing: &n.missing,
                unwanted: &n.unwanted,
                where_holds: !n.where_fails,
            })
            .collect(),
    }
}

fn source_json<'a>(i: &'a Inspection<'_>, s: &'a InspectedSource) -> SourceJson<'a> {
    let mapping = &i.sources.mappings()[s.source];
    let share = |n: u64| (n as f64 / s.events.max(1) as f64 * 10_000.0).round() / 10_000.0;
    SourceJson {
        id: &mapping.id,
        title: &mapping.title,
        file: &mapping.file,
        hash: &mapping.hash,
        events: s.events,
        columns: shown_columns().map(|c| (c, s.filled[c as usize])).map(|(c, n)| ColumnJson { column: c.name(), events: n, share: share(n) }).collect(),
        without_activity: s.without_activity,
        names_without_activity: s.names.iter().map(|(action, events)| NameJson { action, events: *events }).collect(),
        more_names: s.more_names,
        names_cut: s.names_cut,
    }
}

/// Columns that a mapping can leave empty.
fn shown_columns() -> impl Iterator<Item = Column> {
    Column::ALL.iter().copied().filter(|c| !c.is_built_in())
}

/// Writes lines, wrapped to the terminal where there is one.
struct Lines<'o> {
    style: Style,
    out: &'o mut dyn Write,
}

impl Lines<'_> {
    fn line(&mut self, indent: usize, text: &str) -> io::Result<()> {
        self.painted(indent, text, &|t| t.to_owned())
    }

    fn painted(&mut self, indent: usize, text: &str, paint: &dyn Fn(&str) -> String) -> io::Result<()> {
        let text = printable(text);
        let Some(width) = self.style.width else { return writeln!(self.out, "{:indent$}{}", "", paint(&text)) };
        for (i, part) in wrap(&text, usize::from(width).saturating_sub(indent + 2).max(20)).iter().enumerate() {
            // What goes on stands a little further in.
            let indent = if i == 0 { indent } else { indent + 2 };
            writeln!(self.out, "{:indent$}{}", "", paint(part))?;
        }
        Ok(())
    }
}

/// Writes the inspection for people: files without events first, then the others, then each source.
pub fn write_text(i: &Inspection<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines { style, out };
    let mut good = 0;
    let mut hidden = 0;
    for file in &i.files {
        if file.state == State::Read && style.width.is_some() {
            good += 1;
            if good > MAX_GOOD {
                hidden += 1;
                continue;
            }
        }
        write_file(i, file, &mut lines)?;
    }
    if hidden > 0 {
        lines.line(0, &format!("... and {} more files that were read without a fault; --format json lists all", grouped(hidden)))?;
    }
    for reject in &i.rejects {
        lines.line(0, &format!("{}: {}", reject.file, reject.reason))?;
    }
    for source in &i.by_source {
        writeln!(lines.out)?;
        write_source(i, source, &mut lines)?;
    }
    Ok(())
}

fn write_file(i: &Inspection<'_>, f: &InspectedFile, lines: &mut Lines<'_>) -> io::Result<()> {
    let r = &f.report;
    let style = lines.style;
    lines.painted(0, &format!("{}: {}", r.name, f.state.name()), &|t| bold(t, style))?;
    for (source, events) in &f.sources {
        let mapping = &i.sources.mappings()[*source];
        lines.line(2, &format!("{} ({}), {}", mapping.title, mapping.id, counted(*events, "event")))?;
        for a in f.detected_by.iter().filter(|a| a.source == *source) {
            lines.painted(4, &format!("known by {}", alternative_words(i, a)), &|t| faint(t, style))?;
        }
    }
    if !r.containers.is_empty() && r.read > 0 {
        let list: Vec<&str> = r.containers.iter().map(String::as_str).collect();
        lines.line(2, &list.join("; "))?;
    }
    if r.read > 0 {
        let several = f.records > 0 && f.records < r.accepted();
        let records = if several { format!("{}: ", counted(f.records, "record")) } else { String::new() };
        lines.line(
            2,
            &format!(
                "{records}{} read = {} accepted + {} rejected + {} duplicates",
                grouped(r.read),
                grouped(r.accepted()),
                grouped(r.rejected),
                grouped(r.duplicates)
            ),
        )?;
    }
    if let Some((first, last)) = r.span {
        lines.line(2, &format!("{} to {}", format_time(first), format_time(last)))?;
    }
    // Records that no source knows mostly say the same.
    let most = if f.state == State::UnknownSource { 1 } else { MAX_REASONS };
    for (record, reason) in r.reasons.iter().take(most) {
        let place = record.map_or(String::new(), |n| format!("record {n}: "));
        lines.line(2, &format!("rejected: {place}{}", shorten(reason, 300)))?;
    }
    let more = r.reasons.len().saturating_sub(most) as u64 + r.more_reasons;
    if more > 0 {
        lines.line(2, &format!("... and {} more; --rejects FILE writes all", grouped(more)))?;
    }
    if f.state == State::UnknownSource && f.nearest.is_empty() {
        lines.line(2, &format!("tried: {}; none has a field in common with it", counted(i.sources.mappings().len() as u64, "source")))?;
    }
    for n in &f.nearest {
        lines.line(2, &format!("tried: {}", nearest_words(i, n)))?;
    }
    Ok(())
}

/// A number and what it counts.
fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// What an alternative asks for.
fn alternative_words(i: &Inspection<'_>, a: &Alternative) -> String {
    let mapping = &i.sources.mappings()[a.source];
    let detect = &mapping.detect[a.number - 1];
    let mut parts = Vec::new();
    if !detect.has.is_empty() {
        parts.push(format!("has {}", detect.has.join(", ")));
    }
    if detect.selection.is_some() {
        parts.push("its where holds".into());
    }
    if !detect.without.is_empty() {
        parts.push(format!("without {}", detect.without.join(", ")));
    }
    format!("alternative {}: {}", a.number, parts.join("; "))
}

fn nearest_words(i: &Inspection<'_>, n: &Nearest) -> String {
    let mut parts = Vec::new();
    if !n.missing.is_empty() {
        parts.push(format!("lacks {}", n.missing.join(", ")));
    }
    if n.where_fails {
        parts.push("its where does not hold".into());
    }
    if !n.unwanted.is_empty() {
        parts.push(format!("must not have {}", n.unwanted.join(", ")));
    }
    let id = &i.sources.mappings()[n.alternative.source].id;
    format!("{id}, alternative {}: has {}; {}", n.alternative.number, n.found.join(", "), parts.join("; "))
}

fn write_source(i: &Inspection<'_>, s: &InspectedSource, lines: &mut Lines<'_>) -> io::Result<()> {
    let mapping = &i.sources.mappings()[s.source];
    let style = lines.style;
    lines.painted(0, &format!("{} ({}): {}", mapping.title, mapping.id, counted(s.events, "event")), &|t| bold(t, style))?;
    lines.painted(2, &format!("mapping {}, hash {}", mapping.file, mapping.hash), &|t| faint(t, style))?;
    let mut shares: Vec<(u64, Vec<&str>)> = Vec::new();
    let mut columns: Vec<(Column, u64)> = shown_columns().map(|c| (c, s.filled[c as usize])).collect();
    columns.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (column, n) in columns {
        // All but one event is not all.
        let percent = n * 100 / s.events.max(1);
        let percent = if n > 0 { percent.max(1) } else { 0 };
        match shares.last_mut() {
            Some((p, names)) if *p == percent => names.push(column.name()),
            _ => shares.push((percent, vec![column.name()])),
        }
    }
    for (percent, names) in shares {
        let share = if percent == 0 { "empty".to_owned() } else { format!("{percent:>3} %") };
        lines.line(2, &format!("{share}  {}", names.join(", ")))?;
    }
    if s.without_activity == 0 {
        return Ok(());
    }
    let total = s.names.len() as u64 + s.more_names;
    let at_least = if s.names_cut { "more than " } else { "" };
    lines.line(2, &format!("{} without an activity, of {at_least}{}:", counted(s.without_activity, "event"), counted(total, "name")))?;
    let width = s.names.first().map_or(0, |n| grouped(n.1).len());
    for (name, n) in s.names.iter().take(MAX_NAMES) {
        let text = format!("{:>width$}  {}", grouped(*n), printable(&shorten(name, 80)));
        let text = lines.style.width.map_or(text.clone(), |w| shorten(&text, usize::from(w).saturating_sub(5).max(20)).into_owned());
        writeln!(lines.out, "    {text}")?;
    }
    if total > MAX_NAMES as u64 {
        let shown: u64 = s.names.iter().take(MAX_NAMES).map(|n| n.1).sum();
        lines.line(
            4,
            &format!(
                "... and {} more names, {}; --format json lists {}",
                grouped(total - MAX_NAMES as u64),
                counted(s.without_activity - shown, "event"),
                s.names.len()
            ),
        )?;
    }
    Ok(())
}

/// Writes a proposed mapping as it would stand in a file.
pub fn write_proposal(p: &Proposed, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(p.proposal.text.as_bytes())
}
