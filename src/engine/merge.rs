//! What the workers gathered becomes one: exact duplicates are taken out, rows are put in time order.

use super::gathered::{Extras, FileStat, Gathered, IndexEntry, Kept, MAX_REASONS, Spooled};
use super::tally::{Tallied, merge_tallies};
use crate::event::dict::{ABSENT, Dict};
use hashbrown::HashSet;
use rayon::slice::ParallelSliceMut;
use std::collections::{BTreeSet, HashMap};

/// Kept rows of all workers, in the order of time, file, record.
#[derive(Debug, Default)]
pub struct EventRows {
    /// UTC microseconds.
    pub time: Vec<i64>,
    /// File.
    pub file: Vec<u32>,
    /// Record.
    pub record: Vec<u32>,
    /// Source.
    pub source: Vec<u8>,
    /// Codes of the retained fields, one column a field.
    pub columns: Vec<Vec<u32>>,
    /// Further values of arrays.
    pub extras: Extras,
    /// Span of each event id in `ids`; empty when it has none.
    pub id_spans: Vec<(u32, u32)>,
    /// Text of the event ids.
    pub ids: String,
    /// The values.
    pub dict: Dict,
}

impl EventRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// A row's event id.
    pub fn event_id(&self, row: u32) -> Option<&str> {
        let (start, end) = self.id_spans[row as usize];
        (end > start).then(|| &self.ids[start as usize..end as usize])
    }

    /// A row's value of a retained field.
    pub fn text(&self, field: usize, row: u32) -> Option<&str> {
        self.dict.text(self.columns[field][row as usize])
    }
}

/// The same id with other content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The event id where a kept row has it, else empty.
    pub event_id: String,
    /// (file, record) of each version.
    pub places: Vec<(u32, u32)>,
}

/// Everything that a run read, merged.
#[derive(Debug, Default)]
pub struct Merged {
    /// By file; `duplicates` beside each.
    pub files: Vec<(FileStat, u64)>,
    /// Kept rows.
    pub rows: EventRows,
    /// (rule, row), sorted by rule, then row.
    pub matches: Vec<(u32, u32)>,
    /// One entry an event, duplicates left out.
    pub index: Vec<IndexEntry>,
    /// Conflicts, at most [`MAX_CONFLICTS`].
    pub conflicts: Vec<Conflict>,
    /// How many conflicts there are.
    pub conflict_count: u64,
    /// Plan fields seen, by source.
    pub seen: Vec<HashSet<u16>>,
    /// Ids of the sources that events which were mapped before came from.
    pub origins: BTreeSet<String>,
    /// Accepted events by source, duplicates included.
    pub by_source: Vec<u64>,
    /// Rendered rows in order, and the spools that hold them.
    pub spooled: Vec<Spooled>,
    /// Events by source, account, region and class.
    pub tallied: Tallied,
    /// Spool of each worker.
    pub spools: Vec<Option<std::fs::File>>,
    /// Rejected records in order of file and record, where they are asked for.
    pub rejects: Vec<Spooled>,
    /// Spool of the rejects of each worker.
    pub reject_spools: Vec<Option<std::fs::File>>,
}

/// File, record, and which event of the record.
type Place = (u32, u32, u16);

/// Conflicts that are listed; the rest is counted.
pub const MAX_CONFLICTS: usize = 50;

/// Merges what the workers gathered.
pub fn merge(file_count: usize, mut gathered: Vec<Gathered>) -> Result<Merged, String> {
    if let Some(broken) = gathered.iter().find_map(|g| g.broken.clone()) {
        return Err(broken);
    }
    let mut out = Merged::default();
    let mut files: Vec<FileStat> = vec![FileStat::default(); file_count];
    for g in &mut gathered {
        for (file, stat) in std::mem::take(&mut g.files) {
            files[file as usize].absorb(stat);
        }
        out.origins.append(&mut g.origins);
        out.by_source.resize(g.by_source.len(), 0);
        out.by_source.iter_mut().zip(&g.by_source).for_each(|(a, b)| *a += b);
        out.seen.resize(g.seen.len(), HashSet::new());
        out.seen.iter_mut().zip(&g.seen).for_each(|(set, fields)| set.extend(fields.iter().copied()));
    }
    for stat in &mut files {
        stat.reasons.sort();
        if stat.reasons.len() > MAX_REASONS {
            stat.more_reasons += (stat.reasons.len() - MAX_REASONS) as u64;
            stat.reasons.truncate(MAX_REASONS);
        }
    }
    let mut index: Vec<IndexEntry> = Vec::with_capacity(gathered.iter().map(|g| g.index.len()).sum());
    let (tallied, codes) = merge_tallies(gathered.iter_mut().map(|g| std::mem::take(&mut g.tally)).collect());
    out.tallied = tallied;
    for (g, codes) in gathered.iter_mut().zip(&codes) {
        g.index.iter_mut().for_each(|e| e.regroup(codes[e.group() as usize]));
        index.append(&mut g.index);
    }
    let duplicates = find_duplicates(&index, &mut out);
    let mut duplicate_counts = vec![0u64; file_count];
    duplicates.iter().for_each(|(file, ..)| duplicate_counts[*file as usize] += 1);
    if !duplicates.is_empty() {
        let groups = &mut out.tallied.groups;
        index.retain(|e| {
            let duplicate = duplicates.contains(&(e.file, e.record, e.part));
            groups[e.group() as usize].1.duplicates += u64::from(duplicate);
            !duplicate
        });
    }
    out.index = index;
    out.files = files.into_iter().zip(duplicate_counts).collect();
    for g in &mut gathered {
        out.spooled.extend(g.spooled.iter().filter(|s| !duplicates.contains(&(s.file, s.record, s.part))));
        out.spools.push(g.spool.take());
        out.rejects.append(&mut g.rejects);
        out.reject_spools.push(g.reject_spool.take());
    }
    // What one record is rejected for comes from one worker, in order.
    out.rejects.sort_unstable_by_key(|s| (s.file, s.record, s.worker, s.offset));
    out.spooled.sort_unstable_by_key(|s| (s.time, s.file, s.record, s.part));
    merge_rows(&mut out, gathered, &duplicates);
    let (rows, conflicts) = (&out.rows, &mut out.conflicts);
    if !conflicts.is_empty() {
        let row_of: HashMap<(u32, u32), u32> = (0..rows.len() as u32).map(|r| ((rows.file[r as usize], rows.record[r as usize]), r)).collect();
        for c in conflicts {
            c.event_id = c.places.iter().find_map(|p| row_of.get(p).and_then(|r| rows.event_id(*r))).unwrap_or_default().to_owned();
        }
    }
    Ok(out)
}

/// Records to leave out: exact duplicates. Of equal records the first by file and record stays.
fn find_duplicates(index: &[IndexEntry], out: &mut Merged) -> HashSet<Place> {
    let mut duplicates = HashSet::new();
    // Without an id equal content says nothing inside one file; of several files that hold it, the one with most copies stays.
    each_alike(index, |e| (e.id == 0).then_some(e.content), &mut |group| {
        if group[0].file == group[group.len() - 1].file {
            return;
        }
        let mut keep: (usize, u32) = (0, 0);
        for run in group.chunk_by(|a, b| a.file == b.file) {
            if run.len() > keep.0 {
                keep = (run.len(), run[0].file);
            }
        }
        duplicates.extend(group.iter().filter(|e| e.file != keep.1).map(|e| (e.file, e.record, e.part)));
    });
    each_alike(index, |e| (e.id != 0).then_some(e.id), &mut |group| {
        let mut versions = Vec::new();
        for run in group.chunk_by(|a, b| a.content == b.content) {
            versions.push((run[0].file, run[0].record));
            duplicates.extend(run[1..].iter().map(|e| (e.file, e.record, e.part)));
        }
        if versions.len() > 1 {
            versions.sort_unstable();
            out.conflicts.push(Conflict { event_id: String::new(), places: versions });
        }
    });
    out.conflict_count = out.conflicts.len() as u64;
    out.conflicts.sort_unstable();
    out.conflicts.truncate(MAX_CONFLICTS);
    duplicates
}

/// Entries of which the keys are sorted at a time: 64 MiB.
const KEYS_AT_A_TIME: usize = 1 << 22;

/// Calls `each` with the entries of a key that several entries have, in the order of content, file and record. Keys are hashes.
fn each_alike(index: &[IndexEntry], key: impl Fn(&IndexEntry) -> Option<u64>, each: &mut dyn FnMut(&[IndexEntry])) {
    let passes = index.len().div_ceil(KEYS_AT_A_TIME) as u64;
    let mut keys: Vec<(u64, u32)> = Vec::new();
    let mut entries: Vec<IndexEntry> = Vec::new();
    for pass in 0..passes {
        keys.clear();
        keys.extend((0..).zip(index).filter_map(|(i, e)| key(e).filter(|k| k % passes == pass).map(|k| (k, i))));
        keys.par_sort_unstable();
        for group in keys.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            entries.clear();
            entries.extend(group.iter().map(|k| index[k.1 as usize]));
            entries.sort_unstable_by_key(|e| (e.content, e.file, e.record, e.part));
            each(&entries);
        }
    }
}

/// Where a kept row stands among the others: ordered as they are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct RowOrder {
    time: i64,
    file: u32,
    record: u32,
    part: u16,
    worker: u16,
    row: u32,
}

/// Puts the kept rows of all workers into one table in time order and renumbers the matches.
fn merge_rows(out: &mut Merged, mut gathered: Vec<Gathered>, duplicates: &HashSet<Place>) {
    let mut order: Vec<RowOrder> = Vec::with_capacity(gathered.iter().map(|g| g.kept.time.len()).sum());
    for (worker, g) in (0..).zip(&gathered) {
        let kept = &g.kept;
        let places = kept.file.iter().zip(&kept.record).zip(&kept.part).map(|((file, record), part)| (*file, *record, *part));
        let rows = (0..).zip(&kept.time).zip(places).filter(|(_, place)| duplicates.is_empty() || !duplicates.contains(place));
        order.extend(rows.map(|((row, &time), (file, record, part))| RowOrder { time, file, record, part, worker, row }));
    }
    // A worker's rows stand in order already where logs are files of consecutive times: a merge sort takes them as they are.
    order.par_sort();
    let height = order.len();
    let rows = &mut out.rows;
    rows.time = order.iter().map(|o| o.time).collect();
    rows.file = order.iter().map(|o| o.file).collect();
    rows.record = order.iter().map(|o| o.record).collect();
    let mut recode: Vec<Vec<u32>> = gathered.iter().map(|g| vec![ABSENT; g.kept.dict.len()]).collect();
    let width = gathered.first().map_or(0, |g| g.kept.columns.len());
    rows.columns = vec![Vec::with_capacity(height); width];
    let mut new_row: Vec<Vec<u32>> = gathered.iter().map(|g| vec![u32::MAX; g.kept.time.len()]).collect();
    let mut code_of = |dict: &mut Dict, kept: &Kept, w: usize, code: u32| -> u32 {
        if code == ABSENT {
            return ABSENT;
        }
        let known = &mut recode[w][code as usize];
        if *known == ABSENT
            && let Some(value) = kept.dict.get(code)
        {
            *known = dict.intern(value).0;
        }
        *known
    };
    // The ids of a worker stay together.
    let mut ids_at: Vec<u32> = Vec::with_capacity(gathered.len());
    for g in &mut gathered {
        ids_at.push(rows.ids.len() as u32);
        match rows.ids.is_empty() {
            true => rows.ids = std::mem::take(&mut g.kept.ids),
            false => rows.ids.push_str(&g.kept.ids),
        }
    }
    rows.source.reserve(height);
    rows.id_spans.reserve(height);
    for (number, &RowOrder { worker: w, row: r, .. }) in order.iter().enumerate() {
        let kept = &gathered[w as usize].kept;
        new_row[w as usize][r as usize] = number as u32;
        rows.source.push(kept.source[r as usize]);
        let start = if r == 0 { 0 } else { kept.id_ends[r as usize - 1] };
        let at = ids_at[w as usize];
        rows.id_spans.push((at + start, at + kept.id_ends[r as usize]));
    }
    // Column by column: the rows of one stand close together. Codes are numbered by the sorted rows, whichever worker read them.
    for k in 0..width {
        for (number, &RowOrder { worker: w, row: r, .. }) in order.iter().enumerate() {
            let kept = &gathered[w as usize].kept;
            let code = code_of(&mut rows.dict, kept, w as usize, kept.columns[k][r as usize]);
            rows.columns[k].push(code);
            if !kept.extras.is_empty()
                && let Some(more) = kept.extras.get(&(r, k as u16))
            {
                let more = more.iter().map(|&c| code_of(&mut rows.dict, kept, w as usize, c)).collect();
                rows.extras.insert((number as u32, k as u16), more);
            }
        }
    }
    out.matches.reserve(gathered.iter().map(|g| g.matches.len()).sum());
    for (w, g) in gathered.iter().enumerate() {
        out.matches.extend(g.matches.iter().filter_map(|&(rule, r)| {
            let row = new_row[w][r as usize];
            (row != u32::MAX).then_some((rule, row))
        }));
    }
    out.matches.par_sort_unstable();
}
