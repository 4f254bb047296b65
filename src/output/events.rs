//! `events --format ndjson`: one normalised event a line, every column under its name.

use crate::engine::batch::Batch;
use crate::engine::gathered::Spooled;
use crate::event::Column;
use crate::event::derived::Derived;
use crate::event::secrets::mask;
use crate::finding::columns::{each_column, read_spooled};
use crate::finding::scan::Scan;
use crate::rule::FieldRef;
use std::fs::File;
use std::io::{self, Write};

/// Renders a row while its chunk is in memory, with these derived fields after the columns; the file's name is put in front when
/// the line is written.
pub fn render_event(batch: &Batch<'_>, row: u32, bytes: &[u8], derived: &[Derived], show_secrets: bool, out: &mut Vec<u8>) {
    let plan = batch.plan;
    each_column(batch, row, bytes, &mut |column, value| {
        // Records that were mapped before keep the source that they had then.
        let value = match column {
            Column::Source if plan.mapping.relays() => plan.column_field(column).and_then(|f| batch.text(f, row)),
            _ => value,
        };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(column.name().as_bytes());
        out.extend_from_slice(b"\":");
        let _ = match (column, value) {
            (_, None) => out.write_all(b"null"),
            (Column::Record, Some(number)) => out.write_all(number.as_bytes()),
            (Column::Mfa, Some(v @ ("true" | "false"))) => out.write_all(v.as_bytes()),
            (c, Some(v)) if c.may_hold_secrets() && !show_secrets => serde_json::to_writer(&mut *out, mask(v).0.as_ref()).map_err(io::Error::from),
            (_, Some(v)) => serde_json::to_writer(&mut *out, v).map_err(io::Error::from),
        };
    });
    for field in derived {
        let _ = write!(out, ",\"{field}\":");
        let value = plan.plan_field(&FieldRef::Derived(*field)).and_then(|f| batch.text(f, row));
        let _ = serde_json::to_writer(&mut *out, &value);
    }
    out.extend_from_slice(b"}\n");
}

/// Writes the rendered events of the period in the order of time, file, record.
pub fn write_events(scan: &Scan<'_>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    write_spooled(scan, scan.spooled_in_period(), spools, out)
}

/// Writes the rejected records, by file and record: a line each, with the reason and the record's text. Secrets are not masked,
/// since the lines are to be read again.
pub fn write_rejects(scan: &Scan<'_>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    write_spooled(scan, scan.rejected.iter(), spools, out)
}

/// Writes spooled lines, the file's name put in front of each.
fn write_spooled<'s>(scan: &Scan<'_>, lines: impl Iterator<Item = &'s Spooled>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = scan.files.iter().map(|f| serde_json::to_string(&f.name).unwrap_or_default()).collect();
    read_spooled(lines, spools, &mut |spooled, line| {
        write!(out, "{{\"file\":{}", names[spooled.file as usize])?;
        out.write_all(line)
    })
}
