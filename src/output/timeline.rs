//! Timelines on the terminal, as Markdown and as JSON.

use super::table::{Style, new_table, trimmed};
use super::{markdown, printable, shorten};
use crate::event::Column;
use crate::event::secrets::mask;
use crate::event::time::{format_local, format_time};
use crate::finding::addresses::{self, KnownAddress};
use crate::finding::scan::Scan;
use crate::timeline::Timeline;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    unrelated: usize,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    time: String,
    user: Option<String>,
    action: Option<String>,
    activity: Option<&'a str>,
    resource: Option<String>,
    status: Option<&'a str>,
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<KnownAddress<'a>>,
    source: Option<&'a str>,
    event_id: Option<&'a str>,
    file: &'a str,
    record: u32,
    why: &'a str,
    focus: bool,
}

/// Writes `auditmill.timeline/v1`.
pub fn write_json(scan: &Scan<'_>, timeline: &Timeline, out: &mut dyn Write) -> io::Result<()> {
    let masked = |c: Column, row: u32| scan.column(c, row).map(|t| mask(t).0.into_owned());
    let rows = timeline.entries.iter().map(|e| Row {
        time: format_time(scan.rows.time[e.row as usize]),
        user: masked(Column::User, e.row),
        action: masked(Column::Action, e.row),
        activity: scan.column(Column::Activity, e.row),
        resource: masked(Column::Resource, e.row),
        status: scan.column(Column::Status, e.row),
        ip: scan.column(Column::Ip, e.row),
        address: addresses::of_row(scan, e.row),
        source: scan.column(Column::Source, e.row),
        event_id: scan.rows.event_id(e.row),
        file: scan.file_name(e.row),
        record: scan.rows.record[e.row as usize],
        why: &e.why,
        focus: e.focus,
    });
    serde_json::to_writer_pretty(&mut *out, &Document { schema: "auditmill.timeline/v1", unrelated: timeline.unrelated, rows: rows.collect() })?;
    out.write_all(b"\n")
}

const HEADER: [&str; 8] = ["TIME", "USER", "ACTION", "RESOURCE", "STATUS", "ADDRESS", "RECORD", "WHY"];

fn cells(scan: &Scan<'_>, row: u32, why: &str, zone: chrono_tz::Tz) -> [String; 8] {
    let column = |c: Column| scan.column(c, row).map_or("-".to_owned(), |t| mask(t).0.into_owned());
    [
        format_local(scan.rows.time[row as usize], zone),
        column(Column::User),
        column(Column::Action),
        column(Column::Resource),
        column(Column::Status),
        addresses::of_row(scan, row).map_or_else(|| column(Column::Ip), |a| format!("{} ({})", a.ip, a.words())),
        format!("{}:{}", scan.file_name(row), scan.rows.record[row as usize]),
        why.to_owned(),
    ]
}

/// Writes a table for the terminal.
pub fn write_table(scan: &Scan<'_>, timeline: &Timeline, zone: chrono_tz::Tz, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = new_table(style, &HEADER);
    for e in &timeline.entries {
        let row = cells(scan, e.row, &e.why, zone).map(|c| printable(&shorten(&c, 80)).into_owned());
        table.add_row(row.map(|c| if e.focus && style.color { format!("\u{1b}[1m{c}\u{1b}[0m") } else { c }));
    }
    writeln!(out, "{}", trimmed(&table))
}

/// Writes a Markdown table.
pub fn write_markdown(scan: &Scan<'_>, timeline: &Timeline, zone: chrono_tz::Tz, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Timeline\n\nTimes in {}.\n", zone.name())?;
    writeln!(out, "| Time | User | Action | Resource | Status | Address | Record | Why |\n| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for e in &timeline.entries {
        let row = cells(scan, e.row, &e.why, zone).map(|c| markdown(&c));
        let row = row.map(|c| if e.focus { format!("**{c}**") } else { c });
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    Ok(())
}
