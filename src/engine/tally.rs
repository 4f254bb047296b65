//! What events are told apart by when a log's completeness is judged: source, account, region and event classes.
//!
//! Each event carries a small code of its group; the groups of all workers become one sorted list, so that nothing depends
//! on how the work was spread.

use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Longest account, region or action name that is kept.
pub const MAX_TEXT: usize = 256;
/// Groups that are told apart by account and region: with more, no event of the run is.
pub const MAX_GROUPS: usize = 12_000;
/// All groups: what an entry of an event has room for, less one for each source.
const ROOM: usize = (1 << 14) - 256;
/// Names of unmapped actions that one worker keeps.
const MAX_ACTIONS: usize = 100_000;

/// What the events of a group have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// Source, by index.
    pub source: u8,
    /// Account; `None` also where accounts are not told apart.
    pub account: Option<Box<str>>,
    /// Region.
    pub region: Option<Box<str>>,
    /// A bit for each event class of the source that the events are of.
    pub classes: u64,
}

/// Counts of a group, duplicates among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupStat {
    /// Events.
    pub events: u64,
    /// Events that are exact duplicates of another.
    pub duplicates: u64,
    /// Events that are earlier than the one of the same source before them in their file.
    pub out_of_order: u64,
    /// First and last event, UTC microseconds.
    pub span: Option<(i64, i64)>,
    /// First and last event inside the bounds of the run.
    pub inside: Option<(i64, i64)>,
}

impl GroupStat {
    /// Adds the counts of other events.
    pub fn absorb(&mut self, other: &GroupStat) {
        self.events += other.events;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.span = wider(self.span, other.span);
        self.inside = wider(self.inside, other.inside);
    }
}

/// A span that covers both.
pub fn wider(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// What an API's page says of itself beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Page {
    /// Rows asked for.
    pub limit: Option<u64>,
    /// Rows before the first one.
    pub offset: Option<u64>,
    /// Rows that there are in all.
    pub total: Option<u64>,
    /// Rows that the page holds.
    pub rows: u64,
}

/// Bytes before and after a document's records that are looked at.
const MAX_BESIDE: usize = 64 << 10;

impl Page {
    /// Reads what stands beside the records of one document; `None` where that says nothing of pages.
    pub fn read(document: &[u8], first: usize, last: usize, rows: u64) -> Option<Page> {
        let (head, tail) = (document.get(..first)?, document.get(last..)?);
        if head.len() > MAX_BESIDE || tail.len() > MAX_BESIDE {
            return None;
        }
        // Without its records the document is a small one.
        let beside: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&[head, tail].concat()).ok()?;
        let find = |name: &str| {
            let inner = || beside.values().filter_map(|v| v.as_object()).find_map(|o| o.get(name)?.as_u64());
            beside.get(name).and_then(serde_json::Value::as_u64).or_else(inner)
        };
        let (offset, total) = (find("offset"), find("total"));
        (offset.is_some() || total.is_some()).then(|| Page { limit: find("limit"), offset, total, rows })
    }
}

/// First and last event of one source in one chunk: where chunks of a file meet, their order is looked at too.
#[derive(Debug, Clone, Copy)]
struct Edge {
    file: u32,
    source: u8,
    record: u32,
    group: u16,
    first: i64,
    last: i64,
}

/// Group codes of one source by the codes of its batch; they hold for one epoch of the batch's dictionaries.
#[derive(Debug, Default)]
struct Codes {
    epoch: u32,
    known: HashMap<(u32, u32, u64), u16>,
}

/// What one worker counts.
#[derive(Debug, Default)]
pub struct Tally {
    groups: Vec<(GroupKey, GroupStat)>,
    by_key: HashMap<GroupKey, u16>,
    codes: Vec<Codes>,
    /// More groups were met than are told apart.
    crowded: bool,
    last: Option<(u8, (u32, u32, u64), u16)>,
    in_files: HashMap<(u32, u16), u64>,
    edges: Vec<Edge>,
    open: Option<Edge>,
    actions: HashMap<(u8, Box<str>), u64>,
    /// Events with no activity whose action has no name, or a name beyond those kept.
    unnamed: BTreeMap<u8, u64>,
}

impl Tally {
    /// Begins the rows of one source in one chunk.
    pub fn begin(&mut self, source: u8, epoch: u32) {
        self.last = None;
        self.open = None;
        if self.codes.len() <= source as usize {
            self.codes.resize_with(source as usize + 1, Codes::default);
        }
        let codes = &mut self.codes[source as usize];
        if codes.epoch != epoch {
            *codes = Codes { epoch, known: HashMap::new() };
        }
    }

    /// The group of a row; `key` tells what it is when its codes are new.
    #[inline]
    pub fn group(&mut self, source: u8, codes: (u32, u32, u64), key: impl FnOnce() -> GroupKey) -> u16 {
        if let Some((s, c, group)) = self.last
            && s == source
            && c == codes
        {
            return group;
        }
        let group = match self.codes[source as usize].known.get(&codes) {
            Some(&group) => group,
            None => {
                let group = self.intern(key());
                self.codes[source as usize].known.insert(codes, group);
                group
            }
        };
        self.last = Some((source, codes, group));
        group
    }

    fn intern(&mut self, mut key: GroupKey) -> u16 {
        if self.groups.len() >= MAX_GROUPS && !self.by_key.contains_key(&key) {
            self.crowded = true;
            (key.account, key.region) = (None, None);
        }
        if self.groups.len() >= ROOM && !self.by_key.contains_key(&key) {
            key.classes = 0;
        }
        *self.by_key.entry(key).or_insert_with_key(|key| {
            self.groups.push((key.clone(), GroupStat::default()));
            self.groups.len() as u16 - 1
        })
    }

    /// Counts an event; rows come in the order of the file.
    #[inline]
    pub fn count(&mut self, group: u16, file: u32, record: u32, source: u8, time: i64, inside: bool) {
        let stat = &mut self.groups[group as usize].1;
        stat.events += 1;
        stat.span = wider(stat.span, Some((time, time)));
        if inside {
            stat.inside = wider(stat.inside, Some((time, time)));
        }
        match &mut self.open {
            Some(edge) => {
                stat.out_of_order += u64::from(time < edge.last);
                edge.last = time;
            }
            None => self.open = Some(Edge { file, source, record, group, first: time, last: time }),
        }
    }

    /// Ends the rows of a chunk; `groups` are those of its events.
    pub fn end(&mut self, file: u32, groups: impl Iterator<Item = u16>) {
        self.edges.extend(self.open.take());
        let mut run: Option<(u16, u64)> = None;
        for group in groups {
            match &mut run {
                Some((g, n)) if *g == group => *n += 1,
                _ => {
                    if let Some((g, n)) = run.replace((group, 1)) {
                        *self.in_files.entry((file, g)).or_insert(0) += n;
                    }
                }
            }
        }
        if let Some((g, n)) = run {
            *self.in_files.entry((file, g)).or_insert(0) += n;
        }
    }

    /// Counts the action of an event that the mapping gives no activity.
    pub fn unmapped(&mut self, source: u8, action: Option<&str>) {
        let Some(action) = action else { return *self.unnamed.entry(source).or_insert(0) += 1 };
        let key = (source, clipped(action));
        let room = self.actions.len() < MAX_ACTIONS;
        match self.actions.get_mut(&key) {
            Some(n) => *n += 1,
            None if room => drop(self.actions.insert(key, 1)),
            None => *self.unnamed.entry(source).or_insert(0) += 1,
        }
    }
}

/// A text, cut where it is too long to be a name.
pub fn clipped(text: &str) -> Box<str> {
    let end = if text.len() > MAX_TEXT { (0..=MAX_TEXT).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0) } else { text.len() };
    text[..end].into()
}

/// What all workers counted.
#[derive(Debug, Default)]
pub struct Tallied {
    /// Groups, sorted.
    pub groups: Vec<(GroupKey, GroupStat)>,
    /// Events of a group in a file: file, group, events; sorted.
    pub in_files: Vec<(u32, u16, u64)>,
    /// There are more accounts and regions than are told apart, so none is.
    pub crowded: bool,
    /// Events whose action has no activity, by source and action; `None` for those without a name.
    pub unmapped: BTreeMap<(u8, Option<Box<str>>), u64>,
}

/// Makes the tallies of all workers one; gives for each worker its groups' new codes.
pub fn merge_tallies(tallies: Vec<Tally>) -> (Tallied, Vec<Vec<u16>>) {
    let mut out = Tallied::default();
    let all = || tallies.iter().flat_map(|t| t.groups.iter().map(|g| g.0.clone()));
    let mut keys: Vec<GroupKey> = all().collect();
    keys.sort();
    keys.dedup();
    // Whether there are too many does not depend on how the work was spread; which ones a worker met first does.
    out.crowded = keys.len() > MAX_GROUPS || tallies.iter().any(|t| t.crowded);
    let of = |key: &GroupKey| if out.crowded { GroupKey { account: None, region: None, ..key.clone() } } else { key.clone() };
    if out.crowded {
        keys = all().map(|k| of(&k)).collect();
        keys.sort();
        keys.dedup();
    }
    let codes: Vec<Vec<u16>> =
        tallies.iter().map(|t| t.groups.iter().map(|(key, _)| keys.binary_search(&of(key)).map_or(u16::MAX, |at| at as u16)).collect()).collect();
    out.groups = keys.into_iter().map(|k| (k, GroupStat::default())).collect();
    let mut in_files: BTreeMap<(u32, u16), u64> = BTreeMap::new();
    let mut edges: Vec<Edge> = Vec::new();
    for (tally, codes) in tallies.into_iter().zip(&codes) {
        for ((_, stat), &code) in tally.groups.iter().zip(codes) {
            out.groups[code as usize].1.absorb(stat);
        }
        for ((file, group), n) in tally.in_files {
            *in_files.entry((file, codes[group as usize])).or_insert(0) += n;
        }
        edges.extend(tally.edges.into_iter().map(|e| Edge { group: codes[e.group as usize], ..e }));
        for ((source, action), n) in tally.actions {
            *out.unmapped.entry((source, Some(action))).or_insert(0) += n;
        }
        for (source, n) in tally.unnamed {
            *out.unmapped.entry((source, None)).or_insert(0) += n;
        }
    }
    edges.sort_unstable_by_key(|e| (e.file, e.source, e.record));
    for pair in edges.windows(2) {
        if (pair[0].file, pair[0].source) == (pair[1].file, pair[1].source) && pair[1].first < pair[0].last {
            out.groups[pair[1].group as usize].1.out_of_order += 1;
        }
    }
    out.in_files = in_files.into_iter().map(|((file, group), n)| (file, group, n)).collect();
    (out, codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_without_its_rows() {
        let read = |text: &str| {
            let (first, last) = (text.find("{\"r\"").unwrap_or(text.len()), text.rfind("\"r\":1}").map_or(text.len(), |i| i + 6));
            Page::read(text.as_bytes(), first, last, 2)
        };
        let page = |limit, offset, total| Some(Page { limit, offset, total, rows: 2 });
        assert_eq!(read(r#"{"limit":100,"data":[{"r":1},{"r":1}],"offset":0,"total":2}"#), page(Some(100), Some(0), Some(2)));
        assert_eq!(read(r#"{"data":[{"r":1},{"r":1}],"pagination":{"offset":50,"total":null}}"#), page(None, Some(50), None));
        assert_eq!(read(r#"{"limit":7,"data":[{"r":1},{"r":1}]}"#), None);
        assert_eq!(read(r#"{"offset":"x","data":[{"r":1},{"r":1}]"#), None);
    }
}
