//! The columns of rows, written to the spool while their chunk is in memory and read back in order.

use super::scan::Scan;
use crate::engine::batch::Batch;
use crate::engine::gathered::Spooled;
use crate::event::Column;
use crate::event::time::format_time;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// Gives every column of a row that its batch knows: all but the file.
pub fn each_column(batch: &Batch<'_>, row: u32, bytes: &[u8], found: &mut dyn FnMut(Column, Option<&str>)) {
    let plan = batch.plan;
    let (start, end) = batch.spans[row as usize];
    let time_text = batch.time_text(row);
    for &column in Column::ALL {
        match column {
            Column::File => {}
            Column::Record => found(column, Some(&batch.records[row as usize].to_string())),
            Column::EventId => found(column, batch.event_id(row).as_deref()),
            Column::Source => found(column, Some(&plan.mapping.id)),
            Column::Time => found(column, Some(&format_time(batch.times[row as usize]))),
            Column::TimeRaw => found(column, time_text.map(|t| t.0)),
            Column::TimeZoneAssumed => found(column, time_text.and_then(|t| t.1).map(|zone| zone.name())),
            Column::Raw => found(column, std::str::from_utf8(&bytes[start..end]).ok()),
            _ => found(column, plan.column_field(column).and_then(|f| batch.text(f, row))),
        }
    }
}

/// Calls `found` with the text of every rendered row, in the order of time, file, record.
pub fn each_spooled(scan: &Scan<'_>, spools: Vec<Option<File>>, found: &mut dyn FnMut(&Spooled, &[u8])) -> io::Result<()> {
    read_spooled(&scan.spooled, spools, &mut |at, line| {
        found(at, line);
        Ok(())
    })
}

/// Calls `found` with the text of each of these places of the spools; its error ends the reading.
pub fn read_spooled<'s>(
    places: impl IntoIterator<Item = &'s Spooled>,
    spools: Vec<Option<File>>,
    found: &mut dyn FnMut(&Spooled, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut readers: Vec<Option<(BufReader<File>, u64)>> = spools.into_iter().map(|s| s.map(|f| (BufReader::with_capacity(1 << 16, f), u64::MAX))).collect();
    let mut line = Vec::new();
    for spooled in places {
        let Some((reader, at)) = readers.get_mut(spooled.worker as usize).and_then(Option::as_mut) else { continue };
        if *at == u64::MAX {
            reader.seek(SeekFrom::Start(spooled.offset))?;
        } else if *at != spooled.offset {
            reader.seek_relative(spooled.offset as i64 - *at as i64)?;
        }
        line.resize(spooled.len as usize, 0);
        reader.read_exact(&mut line)?;
        *at = spooled.offset + u64::from(spooled.len);
        found(spooled, &line)?;
    }
    Ok(())
}
