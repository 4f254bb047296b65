//! `sources list`: the mappings of a run and the common language, for people, as Markdown and as JSON.

use super::markdown;
use super::rules::wrap;
use super::table::{Style, bold, faint, new_table, trimmed};
use super::{grouped, printable};
use crate::source::SourceSet;
use crate::source::activities::{Entry, VendorName};
use crate::source::mapping::Mapping;
use comfy_table::ContentArrangement;
use serde::Serialize;
use std::io::{self, Write};

/// Below this many columns a mapping takes lines of its own instead of a row.
const WIDE: u16 = 110;

/// A mapping as the list shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SourceEntry<'a> {
    id: &'a str,
    title: &'a str,
    file: &'a str,
    built_in: bool,
    logsources: Vec<String>,
    activities: Option<usize>,
    names: usize,
    alternatives: usize,
    containers: &'a [String],
    tests: usize,
    formats: Vec<String>,
    hash: &'a str,
}

/// The entry of a mapping.
pub fn source_entry(mapping: &Mapping, built_in: bool) -> SourceEntry<'_> {
    let part = |key: &str, value: &Option<String>| value.as_ref().map(|v| format!("{key}={v}"));
    SourceEntry {
        id: &mapping.id,
        title: &mapping.title,
        file: &mapping.file,
        built_in,
        logsources: mapping
            .logsources
            .iter()
            .map(|l| {
                [part("product", &l.product), part("service", &l.service), part("category", &l.category)].into_iter().flatten().collect::<Vec<_>>().join(" ")
            })
            .collect(),
        activities: mapping.reading().activities.as_ref().map(std::collections::BTreeSet::len),
        names: mapping.reading().known_actions.len(),
        alternatives: mapping.detect.len(),
        containers: &mapping.containers,
        tests: mapping.tests().map_or(0, |t| t.len()),
        formats: formats(mapping),
        hash: &mapping.hash,
    }
}

/// How its times are written, and what is done to its records before they are read.
fn formats(mapping: &Mapping) -> Vec<String> {
    use crate::source::mapping::times::TimeFormat;
    let mut out: Vec<String> = mapping
        .reading()
        .time
        .iter()
        .map(|t| match &t.format {
            TimeFormat::Text => "text".to_owned(),
            TimeFormat::Epoch(1) => "epoch_s".to_owned(),
            TimeFormat::Epoch(1_000) => "epoch_ms".to_owned(),
            TimeFormat::Epoch(1_000_000) => "epoch_us".to_owned(),
            TimeFormat::Epoch(_) => "epoch_ns".to_owned(),
            TimeFormat::Pattern(p) => p.clone(),
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|f| seen.insert(f.clone()));
    out.extend(mapping.each.iter().map(|e| format!("each {e}")));
    out.extend(mapping.json_text.iter().map(|j| format!("json in {j}")));
    out
}

/// Writes the list as JSON.
pub fn write_json(sources: &SourceSet, entries: &[SourceEntry<'_>], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        sources: &'a [SourceEntry<'a>],
        containers: ContainersJson<'a>,
    }
    #[derive(Serialize)]
    struct ContainersJson<'a> {
        arrays: &'a [String],
        envelopes: Vec<&'a str>,
        lines: Vec<&'a str>,
    }
    let c = &sources.containers;
    let containers = ContainersJson {
        arrays: &c.arrays,
        envelopes: c.envelopes.iter().map(|e| e.id.as_str()).collect(),
        lines: c.lines.iter().map(|l| l.id.as_str()).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &Document { schema: "auditmill.sources/v1", sources: entries, containers })?;
    out.write_all(b"\n")
}

/// A list for a cell of a table; `--format json` has it whole.
fn first_few(list: &[String]) -> String {
    const FEW: usize = 3;
    match list.len() {
        n if n > FEW => format!("{} and {} more", list[..FEW].join(", "), n - FEW),
        _ => list.join(", "),
    }
}

fn place(e: &SourceEntry<'_>) -> String {
    if e.built_in { "built in".to_owned() } else { printable(e.file).into_owned() }
}

fn activities(e: &SourceEntry<'_>) -> String {
    e.activities.map_or_else(|| "as the record says".to_owned(), |n| grouped(n as u64))
}

/// Writes the list as a table: a row a mapping in a pipe and on a wide terminal, a few short lines on a narrow one.
pub fn write_table(entries: &[SourceEntry<'_>], style: Style, out: &mut dyn Write) -> io::Result<()> {
    if let Some(width) = style.width.filter(|w| *w < WIDE) {
        for e in entries {
            for (i, line) in wrap(&format!("{}  {}", printable(e.id), printable(e.title)), usize::from(width).saturating_sub(4)).iter().enumerate() {
                writeln!(out, "{}{}", if i == 0 { "" } else { "    " }, bold(line, style))?;
            }
            let more = format!("{}; activities: {}; times: {}; {}", e.logsources.join(", "), activities(e), e.formats.join(", "), place(e));
            for line in wrap(&format!("{}; hash {}", printable(&more), e.hash), usize::from(width).saturating_sub(4)) {
                writeln!(out, "    {}", faint(&line, style))?;
            }
        }
        return Ok(());
    }
    let mut table = new_table(style, &["ID", "TITLE", "ACTIVITIES", "TESTS", "HASH", "FROM", "LOG SOURCES"]);
    if style.width.is_none() {
        // A line of a pipe is a mapping.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for e in entries {
        table.add_row(vec![
            printable(e.id).into_owned(),
            printable(e.title).into_owned(),
            activities(e),
            grouped(e.tests as u64),
            e.hash.to_owned(),
            place(e),
            printable(&first_few(&e.logsources)).into_owned(),
        ]);
    }
    writeln!(out, "{}", trimmed(&table))
}

/// Writes the common language as JSON.
pub fn write_activities_json(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        activities: &'a [Entry],
    }
    serde_json::to_writer_pretty(&mut *out, &Document { schema: "auditmill.activities/v1", activities: entries })?;
    out.write_all(b"\n")
}

/// The common language as a page.
pub fn activities_page(entries: &[Entry]) -> String {
    let mut page = String::from(
        "# Activities\n\nThe common language: what each vendor's names mean. Made from activities.yml and the mappings by `auditmill sources list --activities`; \
         a test holds this page equal to them, run it with UPDATE_GENERATED=1 to write the page anew.\n\nA name with \\* maps only where a condition of its mapping holds; \
         one in braces is a pattern.\n\n| activity | category | meaning | what maps to it |\n|---|---|---|---|\n",
    );
    for e in entries {
        let meaning = e.meaning.as_deref().map(markdown).unwrap_or_default();
        let category = e.category.as_deref().map_or_else(|| "(not in activities.yml)".to_owned(), markdown);
        page.push_str(&format!("| {} | {category} | {meaning} | {} |\n", markdown(&e.activity), by_source(&e.names)));
    }
    page
}

fn by_source(names: &[VendorName]) -> String {
    let parts = names.chunk_by(|a, b| a.source == b.source).map(|group| {
        let list: Vec<String> = group.iter().map(|n| format!("{}{}", markdown(&n.name), if n.conditional { "\\*" } else { "" })).collect();
        format!("{}: {}", markdown(&group[0].source), list.join(", "))
    });
    parts.collect::<Vec<_>>().join("; ")
}
