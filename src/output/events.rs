//! `events --format ndjson`: one normalised event a line, every column under its name.

use crate::engine::batch::Batch;
use crate::engine::gathered::Spooled;
use crate::event::Column;
use crate::event::secrets::mask;
use crate::event::time::format_time;
use crate::finding::scan::Scan;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Renders a row while its chunk is in memory; the file's name is put in front when the line is written.
pub fn render_event(batch: &Batch<'_>, row: u32, bytes: &[u8], show_secrets: bool, out: &mut Vec<u8>) {
    let plan = batch.plan;
    let (start, end) = batch.spans[row as usize];
    let time_text = batch.time_text(row);
    for column in Column::ALL {
        let event_id;
        let formatted;
        let value: Option<&str> = match column {
            Column::File => continue,
            Column::Record => {
                let _ = write!(out, ",\"record\":{}", batch.records[row as usize]);
                continue;
            }
            Column::EventId => {
                event_id = batch.event_id(row);
                event_id.as_deref()
            }
            Column::Source if !plan.mapping.relays() => Some(&plan.mapping.id),
            Column::Time => {
                formatted = format_time(batch.times[row as usize]);
                Some(&formatted)
            }
            Column::TimeRaw => time_text.map(|t| t.0),
            Column::TimeZoneAssumed => {
                formatted = time_text.and_then(|t| t.1).map_or(String::new(), |zone| zone.name().to_owned());
                (!formatted.is_empty()).then_some(formatted.as_str())
            }
            Column::Raw => std::str::from_utf8(&bytes[start..end]).ok(),
            _ => plan.column_field(*column).and_then(|f| batch.text(f, row)),
        };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(column.name().as_bytes());
        out.extend_from_slice(b"\":");
        let _ = match (column, value) {
            (_, None) => out.write_all(b"null"),
            (Column::Mfa, Some(v @ ("true" | "false"))) => out.write_all(v.as_bytes()),
            (c, Some(v)) if c.may_hold_secrets() && !show_secrets => serde_json::to_writer(&mut *out, mask(v).0.as_ref()).map_err(io::Error::from),
            (_, Some(v)) => serde_json::to_writer(&mut *out, v).map_err(io::Error::from),
        };
    }
    out.extend_from_slice(b"}\n");
}

/// Writes the rendered events of the period in the order of time, file, record.
pub fn write_events(scan: &Scan<'_>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    write_spooled(scan, scan.spooled.iter().filter(|s| scan.period.contains(s.time)), spools, out)
}

/// Writes the rejected records, by file and record: a line each, with the reason and the record's text. Secrets are not masked,
/// since the lines are to be read again.
pub fn write_rejects(scan: &Scan<'_>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    write_spooled(scan, scan.rejected.iter(), spools, out)
}

/// Writes spooled lines, the file's name put in front of each.
fn write_spooled<'s>(scan: &Scan<'_>, lines: impl Iterator<Item = &'s Spooled>, spools: Vec<Option<File>>, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = scan.files.iter().map(|f| serde_json::to_string(&f.name).unwrap_or_default()).collect();
    each_spooled(lines, spools, &mut |spooled, line| {
        write!(out, "{{\"file\":{}", names[spooled.file as usize])?;
        out.write_all(line)
    })
}

/// Reads the rendered events of the period back, in the order of time, file, record.
pub fn each_event(scan: &Scan<'_>, spools: Vec<Option<File>>, each: EachLine<'_>) -> io::Result<()> {
    each_spooled(scan.spooled.iter().filter(|s| scan.period.contains(s.time)), spools, each)
}

/// Takes a line without its file, which stands beside it.
pub type EachLine<'e> = &'e mut dyn FnMut(&Spooled, &[u8]) -> io::Result<()>;

fn each_spooled<'s>(lines: impl Iterator<Item = &'s Spooled>, spools: Vec<Option<File>>, each: EachLine<'_>) -> io::Result<()> {
    let mut readers: Vec<Option<(BufReader<File>, u64)>> = spools.into_iter().map(|s| s.map(|f| (BufReader::with_capacity(1 << 16, f), u64::MAX))).collect();
    let mut line = Vec::new();
    for spooled in lines {
        let Some((reader, at)) = readers.get_mut(spooled.worker as usize).and_then(Option::as_mut) else { continue };
        if *at == u64::MAX {
            reader.seek(SeekFrom::Start(spooled.offset))?;
        } else if *at != spooled.offset {
            reader.seek_relative(spooled.offset as i64 - *at as i64)?;
        }
        line.resize(spooled.len as usize, 0);
        reader.read_exact(&mut line)?;
        *at = spooled.offset + u64::from(spooled.len);
        each(spooled, &line)?;
    }
    Ok(())
}
