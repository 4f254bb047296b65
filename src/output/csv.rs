//! CSV: one row for each event of each finding; safe to open in a spreadsheet.

use super::behaviour::fact_words;
use super::spreadsheet;
use crate::event::Column;
use crate::event::secrets::mask;
use crate::event::time::format_time;
use crate::finding::Finding;
use crate::finding::scan::Scan;
use std::io::{self, Write};

const HEADER: [&str; 19] = [
    "finding_id",
    "level",
    "role",
    "rule_id",
    "rule_title",
    "entity",
    "first",
    "last",
    "count",
    "time",
    "user",
    "action",
    "resource",
    "ip",
    "status",
    "event_id",
    "file",
    "record",
    "facts",
];

/// Writes the evidence of the findings.
pub fn write_csv(scan: &Scan<'_>, findings: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(HEADER).map_err(io_error)?;
    for f in findings {
        let meta = &scan.rules.rules[f.rule].meta;
        let entity: Vec<String> = f.entity.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let (entity, first, last, count) = (mask(&entity.join(" ")).0.into_owned(), format_time(f.first), format_time(f.last), f.count().to_string());
        let facts = mask(&fact_words(&f.facts)).0.into_owned();
        for &row in f.rows() {
            let column = |c: Column| mask(scan.column(c, row).unwrap_or_default()).0;
            let (time, record) = (format_time(scan.rows.time[row as usize]), scan.rows.record[row as usize].to_string());
            let cells = [
                f.id.as_str(),
                meta.level.name(),
                meta.role.name(),
                &meta.id,
                &meta.title,
                &entity,
                &first,
                &last,
                &count,
                &time,
                &column(Column::User),
                &column(Column::Action),
                &column(Column::Resource),
                &column(Column::Ip),
                &column(Column::Status),
                scan.rows.event_id(row).unwrap_or_default(),
                scan.file_name(row),
                &record,
                &facts,
            ];
            writer.write_record(cells.iter().map(|c| spreadsheet(c).into_owned())).map_err(io_error)?;
        }
    }
    writer.flush()
}

/// The error below, so that a closed pipe is still told as one.
fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(e) => e,
        other => io::Error::other(format!("{other:?}")),
    }
}
