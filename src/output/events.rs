//! `events --format ndjson`: one normalised event a line, every column under its name.

use crate::engine::batch::Batch;
use crate::event::Column;
use crate::event::secrets::mask;
use crate::event::time::{format_time, parse_time};
use crate::finding::scan::Scan;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

/// Renders a row while its chunk is in memory; the file's name is put in front when the line is written.
pub fn render_event(batch: &Batch<'_>, row: u32, bytes: &[u8], show_secrets: bool, out: &mut Vec<u8>) {
    let plan = batch.plan;
    let (start, end) = batch.spans[row as usize];
    let time_text = plan.time.iter().find_map(|&f| batch.text(f, row));
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
            Column::Source => Some(&plan.mapping.id),
            Column::Time => {
                formatted = format_time(batch.times[row as usize]);
                Some(&formatted)
            }
            Column::TimeRaw => time_text,
            Column::TimeZoneAssumed => {
                let assumed = time_text.and_then(|t| parse_time(t, plan.mapping.zone)).is_some_and(|i| i.zone_assumed);
                formatted = plan.mapping.zone.name().to_owned();
                assumed.then_some(formatted.as_str())
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
    let names: Vec<String> = scan.files.iter().map(|f| serde_json::to_string(&f.name).unwrap_or_default()).collect();
    let mut readers: Vec<Option<(BufReader<File>, u64)>> = spools.into_iter().map(|s| s.map(|f| (BufReader::with_capacity(1 << 16, f), u64::MAX))).collect();
    let mut line = Vec::new();
    for spooled in scan.spooled.iter().filter(|s| scan.period.contains(s.time)) {
        let Some((reader, at)) = readers.get_mut(spooled.worker as usize).and_then(Option::as_mut) else { continue };
        if *at == u64::MAX {
            reader.seek(SeekFrom::Start(spooled.offset))?;
        } else if *at != spooled.offset {
            reader.seek_relative(spooled.offset as i64 - *at as i64)?;
        }
        line.resize(spooled.len as usize, 0);
        reader.read_exact(&mut line)?;
        *at = spooled.offset + u64::from(spooled.len);
        write!(out, "{{\"file\":{}", names[spooled.file as usize])?;
        out.write_all(&line)?;
    }
    Ok(())
}
