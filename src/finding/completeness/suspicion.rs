//! What looks as if an export was cut or made too early, each with its reason; and what the provenance says of each export.

use super::given::{Export, Provenance};
use super::{Given, MAX_LISTED, MAX_NAMED};
use crate::engine::tally::Page;
use crate::event::time::{DAY, format_duration, format_time};
use crate::finding::scan::{FileReport, Scan, Window};
use crate::source::chunk::Shape;
use crate::source::mapping::Mapping;
use serde::Serialize;
use std::collections::BTreeMap;

/// Row counts at which exports are cut by many vendors.
const ROUND: [u64; 4] = [1_000, 5_000, 50_000, 100_000];

/// Something that looks as if logs were missing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Suspicion {
    /// `export_limit`, `round_count`, `pages`, `retention_edge`, `not_final`, `row_count` or `no_such_file`.
    pub kind: &'static str,
    /// Source.
    pub source: Option<String>,
    /// File, or the pattern of an export.
    pub file: Option<String>,
    /// The reason.
    pub reason: String,
}

/// What a provenance says of the logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenanceCoverage {
    /// Each export.
    pub exports: Vec<ExportCoverage>,
    /// Exports beyond those listed.
    pub more_exports: usize,
    /// Files with events of which it says nothing.
    pub files_without: Vec<String>,
    /// How many there are.
    pub files_without_count: usize,
}

/// An export and its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportCoverage {
    /// The file or pattern.
    pub file: String,
    /// Who made it.
    pub exported_by: String,
    /// When.
    pub exported_at: String,
    /// With which filter.
    pub filter: Option<String>,
    /// How many files there are.
    pub files: usize,
    /// Rows that the vendor named.
    pub rows: Option<u64>,
    /// Rows that were read, rejected ones and duplicates among them.
    pub rows_read: u64,
    /// The rows are as many; null where the vendor named none.
    pub rows_agree: Option<bool>,
    /// It was made after the period's end and the delivery lag; null where the period has no end.
    pub is_final: Option<bool>,
}

fn mapping<'a>(scan: &'a Scan<'_>, file: &FileReport) -> Option<&'a Mapping> {
    file.source.and_then(|s| scan.sources.mappings().get(s as usize)).map(|m| &**m)
}

fn files_of<'a>(scan: &'a Scan<'_>, export: &Export) -> Vec<&'a FileReport> {
    scan.files.iter().filter(|f| export.is_of(&f.name)).collect()
}

/// When logs of these files are final for the period: its end plus the longest delivery lag.
fn final_from(scan: &Scan<'_>, files: &[&FileReport]) -> Option<(i64, Option<i64>)> {
    let to = scan.period.to?;
    let lag = files.iter().filter_map(|f| mapping(scan, f)?.delivery_lag).max();
    Some((to.saturating_add(lag.unwrap_or(0)), lag))
}

/// Compares the logs with what a provenance says.
pub fn judge(scan: &Scan<'_>, provenance: &Provenance) -> ProvenanceCoverage {
    let exports = provenance.exports.iter().take(MAX_LISTED).map(|e| {
        let files = files_of(scan, e);
        let rows_read = files.iter().map(|f| f.rows).sum();
        ExportCoverage {
            file: e.file.clone(),
            exported_by: e.exported_by.clone(),
            exported_at: format_time(e.exported_at.0),
            filter: e.filter.clone(),
            files: files.len(),
            rows: e.rows,
            rows_read,
            rows_agree: e.rows.map(|n| n == rows_read),
            is_final: final_from(scan, &files).map(|(at, _)| e.exported_at.0 >= at),
        }
    });
    let without: Vec<&FileReport> = scan.files.iter().filter(|f| f.rows > 0 && !provenance.exports.iter().any(|e| e.is_of(&f.name))).collect();
    ProvenanceCoverage {
        exports: exports.collect(),
        more_exports: provenance.exports.len().saturating_sub(MAX_LISTED),
        files_without: without.iter().take(MAX_NAMED).map(|f| f.name.clone()).collect(),
        files_without_count: without.len(),
    }
}

/// Everything that looks as if logs were missing.
pub fn suspicions(scan: &Scan<'_>, given: &Given<'_>) -> Vec<Suspicion> {
    let mut out = Vec::new();
    exports(scan, given, &mut out);
    let whole = pages(scan, &mut out);
    for (i, file) in scan.files.iter().enumerate() {
        out.extend(round_count(scan, file, whole.contains(&i)));
    }
    out.extend(retention_edges(scan, given));
    out
}

/// What differs from the provenance, and what was exported too early.
fn exports(scan: &Scan<'_>, given: &Given<'_>, out: &mut Vec<Suspicion>) {
    for export in given.provenance.iter().flat_map(|p| &p.exports) {
        let files = files_of(scan, export);
        let source = files.iter().find_map(|f| mapping(scan, f)).map(|m| m.id.clone());
        let mut say = |kind, reason| out.push(Suspicion { kind, source: source.clone(), file: Some(export.file.clone()), reason });
        if files.is_empty() {
            say("no_such_file", "the provenance speaks of this export, and no file of it was read".into());
            continue;
        }
        let read: u64 = files.iter().map(|f| f.rows).sum();
        if let Some(rows) = export.rows
            && rows != read
        {
            say("row_count", format!("{read} rows were read, and the export had {rows}"));
        }
        if let Some((at, lag)) = final_from(scan, &files)
            && export.exported_at.0 < at
        {
            say("not_final", too_early(scan, export.exported_at.0, lag));
        }
    }
    // An instant to count from is the export's where the period does not itself end there.
    if let (None, Some(as_of), Window::Fixed(_)) = (given.provenance, given.as_of, scan.window) {
        for mapping in read_sources(scan) {
            let files: Vec<&FileReport> = scan.files.iter().filter(|f| self::mapping(scan, f).is_some_and(|m| m.id == mapping.id)).collect();
            if let Some((at, lag)) = final_from(scan, &files)
                && as_of < at
            {
                out.push(Suspicion { kind: "not_final", source: Some(mapping.id.clone()), file: None, reason: too_early(scan, as_of, lag) });
            }
        }
    }
}

fn too_early(scan: &Scan<'_>, at: i64, lag: Option<i64>) -> String {
    let end = scan.period.to.map(format_time).unwrap_or_default();
    let late = lag.map_or(String::new(), |l| format!(" plus the {} by which the vendor may deliver late", format_duration(l)));
    format!("not final: it was exported at {}, before the period's end at {end}{late}", format_time(at))
}

fn read_sources<'a>(scan: &'a Scan<'_>) -> impl Iterator<Item = &'a Mapping> {
    scan.sources.mappings().iter().zip(&scan.by_source).filter(|(_, n)| **n > 0).map(|(m, _)| &**m)
}

/// A file that holds just as many rows as a vendor gives at most.
fn round_count(scan: &Scan<'_>, file: &FileReport, whole_pages: bool) -> Option<Suspicion> {
    let mapping = mapping(scan, file)?;
    // A page of a set that is known to be whole may well be full.
    if whole_pages {
        return None;
    }
    let (kind, reason) = if mapping.export_limits.contains(&file.rows) {
        ("export_limit", format!("it holds {} rows, at which exports of {} are cut", file.rows, mapping.title))
    } else if ROUND.contains(&file.rows) && matches!(file.shape, Some(Shape::Csv | Shape::Array)) {
        ("round_count", format!("it holds {} rows: a count at which many exports are cut", file.rows))
    } else {
        return None;
    };
    Some(Suspicion { kind, source: Some(mapping.id.clone()), file: Some(file.name.clone()), reason })
}

/// Pages of an API that do not make up what they say there is; gives the files (by index) of those that do.
fn pages(scan: &Scan<'_>, out: &mut Vec<Suspicion>) -> Vec<usize> {
    let mut sets = PageSets::new();
    for (i, file) in scan.files.iter().enumerate() {
        if let (Some(page), Some(mapping)) = (file.page, mapping(scan, file)) {
            let folder = file.name.rfind('/').map_or("", |at| &file.name[..at]);
            sets.entry((&mapping.id, folder, page.total)).or_default().push((page, i));
        }
    }
    let mut whole = Vec::new();
    for ((source, _, total), mut set) in sets {
        set.sort_by_key(|(p, i)| (p.offset, p.rows, *i));
        let reasons = page_faults(&set.iter().map(|s| s.0).collect::<Vec<_>>(), total);
        if reasons.is_empty() {
            whole.extend(set.iter().map(|s| s.1).filter(|_| total.is_some()));
            continue;
        }
        let files = if set.len() == 1 { String::new() } else { format!(" ({} pages from {} on)", set.len(), scan.files[set[0].1].name) };
        let more = reasons.len().saturating_sub(MAX_NAMED);
        let mut reason = reasons.into_iter().take(MAX_NAMED).collect::<Vec<_>>().join("; ");
        if more > 0 {
            reason.push_str(&format!("; and {more} more"));
        }
        out.push(Suspicion {
            kind: "pages",
            source: Some(source.to_owned()),
            file: Some(scan.files[set[0].1].name.clone()),
            reason: format!("{reason}{files}"),
        });
    }
    whole
}

/// Pages of one set, each with the index of its file; the set is told by source, folder and total.
type PageSets<'a> = BTreeMap<(&'a str, &'a str, Option<u64>), Vec<(Page, usize)>>;

/// What is wrong with pages, sorted by offset, of so many rows in all.
fn page_faults(set: &[Page], total: Option<u64>) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = 0u64;
    for (n, page) in set.iter().enumerate() {
        let offset = page.offset.unwrap_or(0);
        let left = total.map(|t| t.saturating_sub(offset));
        let asked = match (page.limit, left) {
            (Some(limit), Some(left)) => Some(limit.min(left)),
            (None, left) => left.filter(|l| *l < page.rows),
            (Some(limit), None) => Some(limit).filter(|l| *l < page.rows),
        };
        if let Some(asked) = asked.filter(|a| *a != page.rows) {
            out.push(format!("the page at offset {offset} holds {} rows instead of {asked}", page.rows));
        }
        let again = n > 0 && set[n - 1] == *page;
        if offset > at {
            out.push(format!("rows {} to {offset} are in no page", at + 1));
        } else if offset < at && !again {
            out.push(format!("the page at offset {offset} begins before the one before it ends"));
        }
        at = at.max(offset.saturating_add(page.rows));
    }
    if let Some(total) = total.filter(|t| at < *t) {
        out.push(format!("the last page ends at row {at} of {total}"));
    }
    out
}

/// Sources whose earliest event is as old as the vendor keeps events: older ones may be gone.
fn retention_edges(scan: &Scan<'_>, given: &Given<'_>) -> Vec<Suspicion> {
    let mut out = Vec::new();
    for mapping in read_sources(scan) {
        let Some(retention) = mapping.retention else { continue };
        let files = scan.files.iter().filter(|f| self::mapping(scan, f).is_some_and(|m| m.id == mapping.id));
        let Some((file, earliest)) = files.filter_map(|f| f.span.map(|s| (f, s.0))).min_by_key(|(_, t)| *t) else { continue };
        let stated = given.provenance.iter().flat_map(|p| &p.exports).find(|e| e.is_of(&file.name)).map(|e| e.exported_at.0);
        let Some(exported) = stated.or(given.as_of) else { continue };
        let edge = exported.saturating_sub(retention);
        // A period that begins later does not miss what is gone.
        let matters = scan.period.from.is_none_or(|from| from < earliest);
        if matters && (earliest - edge).abs() <= DAY {
            out.push(Suspicion {
                kind: "retention_edge",
                source: Some(mapping.id.clone()),
                file: Some(file.name.clone()),
                reason: format!(
                    "the earliest event, at {}, is as old as {} keeps events ({} before the export at {}): older ones may be gone",
                    format_time(earliest),
                    mapping.title,
                    format_duration(retention),
                    format_time(exported)
                ),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: u64, rows: u64, total: u64) -> Page {
        Page { limit: Some(100), offset: Some(offset), total: Some(total), rows }
    }

    #[test]
    fn pages_that_are_whole_and_pages_that_are_not() {
        let faults = |set: &[Page], total| page_faults(set, Some(total)).join("; ");
        assert_eq!(faults(&[page(0, 100, 250), page(100, 100, 250), page(200, 50, 250)], 250), "");
        assert_eq!(faults(&[page(0, 100, 200), page(0, 100, 200), page(100, 100, 200)], 200), "", "a page given twice");
        assert_eq!(faults(&[page(0, 100, 250), page(200, 50, 250)], 250), "rows 101 to 200 are in no page");
        assert_eq!(faults(&[page(0, 100, 250)], 250), "the last page ends at row 100 of 250");
        assert_eq!(faults(&[page(0, 90, 90), page(50, 40, 90)], 90), "the page at offset 50 begins before the one before it ends");
        assert_eq!(
            faults(&[page(0, 99, 250), page(100, 100, 250), page(200, 50, 250)], 250),
            "the page at offset 0 holds 99 rows instead of 100; rows 100 to 100 are in no page"
        );
        assert_eq!(page_faults(&[Page { limit: None, offset: None, total: Some(3), rows: 5 }], Some(3)), ["the page at offset 0 holds 5 rows instead of 3"]);
        assert_eq!(page_faults(&[Page { limit: None, offset: Some(0), total: None, rows: 5 }], None), Vec::<String>::new());
    }
}
