//! Whether the logs are complete: what each source and account holds over time, what a scope says should be there, how the
//! exports were made, and what looks like a cut. Nothing of it is proof: what is only a suspicion or a hint says so.

pub mod given;
pub mod scope;
pub mod series;
pub mod suspicion;

use crate::engine::tally::{GroupStat, MAX_GROUPS};
use crate::event::time::{HOUR, SECOND, format_duration, format_time};
use crate::finding::addresses;
use crate::finding::scan::{Bin, Scan};
use crate::source::mapping::Mapping;
use given::{Provenance, Scope};
use serde::Serialize;
use series::{Frame, Gap, Series, frame};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts of a source, regions of an account, and values in other lists; the rest is counted.
const MAX_LISTED: usize = 100;
/// Files, silences and stretches of days named for one thing; the rest is counted.
const MAX_NAMED: usize = 20;

/// What is given beside the logs.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What should be there.
    pub scope: Option<&'a Scope>,
    /// How the exports were made.
    pub provenance: Option<&'a Provenance>,
    /// When the exports were made, where no provenance tells.
    pub as_of: Option<i64>,
    /// Zone of days.
    pub zone: chrono_tz::Tz,
}

/// What is known of the completeness of a run's logs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// In words: what is evidenced and what is not.
    pub statements: Vec<String>,
    /// Zone of days.
    pub zone: String,
    /// Accounts and regions were told apart.
    pub by_account: bool,
    /// Each source with an event in the run.
    pub sources: Vec<SourceCoverage>,
    /// Accounts and regions that some files hold and others do not.
    pub in_some_files: Vec<InSomeFiles>,
    /// Such values beyond those listed.
    pub more_in_some_files: usize,
    /// What the scope says; null without one.
    pub scope: Option<scope::ScopeCoverage>,
    /// What the provenance says; null without one.
    pub provenance: Option<suspicion::ProvenanceCoverage>,
    /// What looks as if the logs were cut.
    pub suspicions: Vec<suspicion::Suspicion>,
    /// Suspicions beyond those listed.
    pub more_suspicions: usize,
}

/// Events over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counts {
    /// Events in the period, duplicates left out.
    pub events: u64,
    /// Events outside the period, duplicates left out.
    pub outside_period: u64,
    /// Exact duplicates, in the period or not.
    pub duplicates: u64,
    /// First and last event in the period.
    pub first: Option<String>,
    /// As `first`.
    pub last: Option<String>,
    /// Events an hour of the period, or from the source's first to its last event where the period is open.
    pub events_per_hour: Option<f64>,
    /// Hours of that time, and how many hold no event.
    pub hours: u64,
    /// As `hours`.
    pub empty_hours: u64,
    /// Days of that time, and how many hold no event.
    pub days: u64,
    /// As `days`.
    pub empty_days: u64,
    /// Stretches of days without an event.
    pub empty: Vec<Days>,
    /// Stretches beyond those listed.
    pub more_empty: usize,
    /// The longest time without an event.
    pub longest_silence: Option<SilenceCoverage>,
    /// Events that are earlier than the one of the same source before them in their file, among all with the duplicates.
    pub out_of_order: u64,
    /// Their share.
    pub out_of_order_percent: f64,
    /// Nearly all of them are: the files have the newest event first.
    pub newest_first: bool,
    /// A silence that stands out of the log's own rhythm: a hint and no more.
    pub hint: Option<String>,
}

/// A stretch of days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Days {
    /// First day.
    pub from: String,
    /// Last day.
    pub to: String,
}

/// A time without an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilenceCoverage {
    /// The event before it, or the beginning of the period.
    pub from: String,
    /// The event after it, or the end of the period.
    pub to: String,
    /// Its length.
    pub seconds: i64,
    /// Its length for people.
    pub length: String,
}

impl From<Gap> for SilenceCoverage {
    fn from(gap: Gap) -> SilenceCoverage {
        let length = gap.1 - gap.0;
        SilenceCoverage { from: format_time(gap.0), to: format_time(gap.1), seconds: length / SECOND, length: format_duration(length) }
    }
}

/// One source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceCoverage {
    /// Its id.
    pub source: String,
    /// Its title.
    pub title: String,
    /// First digits of its mapping's hash: another mapping may give other figures.
    pub mapping_hash: String,
    /// How long the vendor keeps events.
    pub retention: Option<String>,
    /// How late events may come.
    pub delivery_lag: Option<String>,
    /// Files with an event of it.
    pub files: usize,
    /// Events over time.
    #[serde(flatten)]
    pub counts: Counts,
    /// Days that a cell of the strip stands for.
    pub cell_days: i64,
    /// Events over time, by cells of whole days.
    pub strip: Vec<Cell>,
    /// The strip as one line of text.
    pub strip_text: String,
    /// Its event classes: those that were delivered and those that were not.
    pub classes: Vec<ClassCoverage>,
    /// Events that are of none of them, counted as those of the classes.
    pub unclassified: u64,
    /// Its accounts, most events first; empty where no event names one.
    pub accounts: Vec<AccountCoverage>,
    /// Accounts beyond those listed.
    pub more_accounts: usize,
    /// Action names that the mapping gives no activity, most frequent first. Counted for reports only.
    pub unmapped_actions: Vec<ActionCount>,
    /// Names beyond those listed.
    pub more_unmapped_actions: usize,
}

/// A cell of a strip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Its first day.
    pub day: String,
    /// Its events.
    pub events: u64,
}

/// An event class of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCoverage {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Events of it in the logs, in the period or not, with the duplicates.
    pub events: u64,
    /// There is one.
    pub delivered: bool,
}

/// An account of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountCoverage {
    /// The account; null for events that name none.
    pub account: Option<String>,
    /// Files with an event of it.
    pub files: usize,
    /// Events over time; hours and days are those of the source.
    #[serde(flatten)]
    pub counts: Counts,
    /// Its regions, most events first.
    pub regions: Vec<RegionCoverage>,
    /// Regions beyond those listed.
    pub more_regions: usize,
    /// Regions of the source's other accounts of which it has no event: a hint and no more.
    pub regions_elsewhere: Vec<String>,
    /// Such regions beyond those listed.
    pub more_regions_elsewhere: usize,
}

/// A region of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionCoverage {
    /// The region; null for events that name none.
    pub region: Option<String>,
    /// Events in the period.
    pub events: u64,
    /// First and last of them, cut to seconds.
    pub first: Option<String>,
    /// As `first`.
    pub last: Option<String>,
}

/// How often an action occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionCount {
    /// Its name; null where the event names none, or too many names occur.
    pub action: Option<String>,
    /// Events, with the duplicates.
    pub events: u64,
}

/// An account or a region that some files of a source hold and others do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InSomeFiles {
    /// Source.
    pub source: String,
    /// `account` or `region`.
    pub kind: &'static str,
    /// The value.
    pub value: String,
    /// Files that hold it.
    pub files: usize,
    /// Files of the source.
    pub of_files: usize,
    /// Files that do not hold it.
    pub not_in: Vec<String>,
    /// Such files beyond those listed.
    pub more_not_in: usize,
}

/// What is known of the completeness of a run's logs.
pub fn coverage(scan: &Scan<'_>, given: &Given<'_>) -> Coverage {
    let mut sources = Vec::new();
    let mut files: Vec<(u16, u32)> = scan.tallied.in_files.iter().map(|(file, group, _)| (*group, *file)).collect();
    files.sort_unstable();
    let (mut in_some_files, mut more_in_some_files) = (Vec::new(), 0);
    for (i, mapping) in scan.sources.mappings().iter().enumerate() {
        if scan.by_source.get(i).is_some_and(|n| *n > 0) {
            let view = View { scan, source: i as u8, files: &files };
            sources.push(view.coverage(mapping, given));
            let mut found = view.in_some_files(&mapping.id);
            more_in_some_files += found.len().saturating_sub(MAX_LISTED);
            found.truncate(MAX_LISTED);
            in_some_files.extend(found);
        }
    }
    let scope = given.scope.map(|s| scope::judge(scan, s));
    let provenance = given.provenance.map(|p| suspicion::judge(scan, p));
    let mut suspicions = suspicion::suspicions(scan, given);
    let more_suspicions = suspicions.len().saturating_sub(MAX_LISTED);
    suspicions.truncate(MAX_LISTED);
    Coverage {
        statements: statements(scan, given, scope.as_ref(), provenance.as_ref()),
        zone: given.zone.name().into(),
        by_account: scan.tell_places && !scan.tallied.crowded,
        sources,
        in_some_files,
        more_in_some_files,
        scope,
        provenance,
        suspicions,
        more_suspicions,
    }
}

fn statements(scan: &Scan<'_>, given: &Given<'_>, scope: Option<&scope::ScopeCoverage>, provenance: Option<&suspicion::ProvenanceCoverage>) -> Vec<String> {
    let mut out = Vec::new();
    if given.scope.is_none() && given.provenance.is_none() {
        out.push(
            "Completeness is not evidenced: no scope file says which systems, accounts, regions and event classes should be there, and no provenance file \
             says who exported what, when, with which filter and how many rows."
                .to_owned(),
        );
    }
    match scope {
        None if given.provenance.is_some() => out.push(
            "That every system is there is not evidenced: no scope file says which systems, accounts, regions and event classes should be there.".to_owned(),
        ),
        None => {}
        Some(s) => out
            .push(format!("Things that the scope says should be there: {}. Missing: {}. Silent for longer than allowed: {}.", s.expected, s.missing, s.silent)),
    }
    match provenance {
        None if given.scope.is_some() => out.push(
            "That each export is whole is not evidenced: no provenance file says who exported what, when, with which filter and how many rows.".to_owned(),
        ),
        None => {}
        Some(p) if p.files_without_count > 0 => {
            out.push(format!("Files of which the provenance says nothing: {}.", p.files_without_count));
        }
        Some(_) => {}
    }
    if scan.tallied.crowded {
        out.push(format!("Accounts and regions are not told apart: there are more than {MAX_GROUPS}."));
    }
    if given.scope.is_none() {
        out.push(
            "Empty hours and days are not judged: whether a log may be silent is for a scope file to say. Against the log's own rhythm they are a hint."
                .to_owned(),
        );
    }
    for database in addresses::databases(scan) {
        let far = if database.is_far() { " That is far: addresses may have moved since." } else { "" };
        out.push(format!("Addresses were looked up in {}.{far}", database.words()));
    }
    out
}

/// One source of a scan.
struct View<'a, 's> {
    scan: &'a Scan<'s>,
    source: u8,
    /// Group and file of what stands in the files, sorted.
    files: &'a [(u16, u32)],
}

impl<'a> View<'a, '_> {
    /// Indices of the source's groups: they stand together.
    fn groups(&self) -> std::ops::Range<usize> {
        let groups = &self.scan.tallied.groups;
        groups.partition_point(|g| g.0.source < self.source)..groups.partition_point(|g| g.0.source <= self.source)
    }

    /// Bins of groups that stand together.
    fn bins(&self, groups: &std::ops::Range<usize>) -> &'a [Bin] {
        let bins = &self.scan.bins;
        &bins[bins.partition_point(|b| (b.group as usize) < groups.start)..bins.partition_point(|b| (b.group as usize) < groups.end)]
    }

    /// Groups with the same account, or the same account and region: they stand together too.
    fn parts<K: PartialEq>(&self, groups: std::ops::Range<usize>, key: impl Fn(usize) -> K) -> Vec<std::ops::Range<usize>> {
        let mut out: Vec<std::ops::Range<usize>> = Vec::new();
        for i in groups {
            match out.last_mut() {
                Some(last) if key(last.start) == key(i) => last.end = i + 1,
                _ => out.push(i..i + 1),
            }
        }
        out
    }

    fn files_of(&self, groups: &std::ops::Range<usize>) -> BTreeSet<u32> {
        self.places(groups).iter().map(|(_, file)| *file).collect()
    }

    /// Group and file of the events of groups that stand together.
    fn places(&self, groups: &std::ops::Range<usize>) -> &'a [(u16, u32)] {
        let before = |end: usize| self.files.partition_point(|f| (f.0 as usize) < end);
        &self.files[before(groups.start)..before(groups.end)]
    }

    fn counts(&self, groups: &std::ops::Range<usize>, series: &Series, frame: Option<Frame>, given: &Given<'_>) -> Counts {
        let mut stat = GroupStat::default();
        self.scan.tallied.groups[groups.clone()].iter().for_each(|g| stat.absorb(&g.1));
        let events = series.events();
        let span = exact_span(&stat, series.span(), self.scan.period);
        let (hours, empty_hours) = frame.map_or((0, 0), |f| series.hours(f));
        let (days, empty) = frame.map_or((0, Vec::new()), |f| series.days(f, given.zone));
        let empty_days = empty.iter().map(|(a, b)| (*b - *a).num_days() as u64 + 1).sum();
        let longest = frame.and_then(|f| series.gaps(f).into_iter().max_by_key(|g| (g.1 - g.0, std::cmp::Reverse(g.0))));
        Counts {
            events,
            outside_period: stat.events - stat.duplicates - events,
            duplicates: stat.duplicates,
            first: span.map(|s| format_time(s.0)),
            last: span.map(|s| format_time(s.1)),
            events_per_hour: frame.map(|f| rounded(events as f64 * HOUR as f64 / (f.to - f.from) as f64, 100.0)),
            hours,
            empty_hours,
            days,
            empty_days,
            more_empty: empty.len().saturating_sub(MAX_NAMED),
            empty: empty.iter().take(MAX_NAMED).map(|(a, b)| Days { from: a.to_string(), to: b.to_string() }).collect(),
            longest_silence: longest.map(SilenceCoverage::from),
            out_of_order: stat.out_of_order,
            out_of_order_percent: if stat.events == 0 { 0.0 } else { rounded(stat.out_of_order as f64 * 100.0 / stat.events as f64, 10.0) },
            newest_first: stat.events >= 10 && stat.out_of_order * 10 >= stat.events * 9,
            hint: series.odd_gap().map(|((from, to), usual)| {
                format!(
                    "Only a hint: no event from {} to {} ({}), though nearly all other silences of this log are shorter than {}.",
                    format_time(from),
                    format_time(to),
                    format_duration(to - from),
                    format_duration(usual + 1)
                )
            }),
        }
    }

    fn coverage(&self, mapping: &Mapping, given: &Given<'_>) -> SourceCoverage {
        let all = self.groups();
        let of = |i: usize| &self.scan.tallied.groups[i].0;
        let series = Series::of(self.bins(&all).iter());
        let frame = frame(self.scan.period, series.span());
        let (cell_days, cells) = frame.map_or((1, Vec::new()), |f| series.cells(f, given.zone));
        let mut parts = self.parts(all.clone(), |i| of(i).account.clone());
        // Without any account there is nothing to tell apart.
        parts.retain(|_| all.clone().any(|i| of(i).account.is_some()));
        let known: BTreeSet<&str> = all.clone().filter_map(|i| of(i).region.as_deref()).collect();
        let several = parts.len() > 1;
        parts.sort_by_cached_key(|part| (std::cmp::Reverse(self.bins(part).iter().map(|b| b.events).sum::<u64>()), part.start));
        let more_accounts = parts.len().saturating_sub(MAX_LISTED);
        parts.truncate(MAX_LISTED);
        let accounts = parts.iter().map(|part| self.account(part, frame, given, if several { &known } else { &EMPTY })).collect();
        let events_of = |class: usize| all.clone().filter(|i| of(*i).classes >> class & 1 == 1).map(|i| self.scan.tallied.groups[i].1.events).sum::<u64>();
        let mut unmapped: Vec<(Option<&str>, u64)> =
            self.scan.tallied.unmapped.iter().filter(|((s, _), _)| *s == self.source).map(|((_, a), n)| (a.as_deref(), *n)).collect();
        unmapped.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        SourceCoverage {
            source: mapping.id.clone(),
            title: mapping.title.clone(),
            mapping_hash: mapping.hash.clone(),
            retention: mapping.retention.map(format_duration),
            delivery_lag: mapping.delivery_lag.map(format_duration),
            files: self.files_of(&all).len(),
            counts: self.counts(&all, &series, frame, given),
            cell_days,
            strip_text: strip_text(&cells),
            strip: cells.into_iter().map(|(day, events)| Cell { day: day.to_string(), events }).collect(),
            classes: (0..)
                .zip(mapping.reading().classes.iter().take(crate::engine::plan::MAX_CLASSES))
                .map(|(i, c)| ClassCoverage { id: c.id.clone(), title: c.title.clone(), events: events_of(i), delivered: events_of(i) > 0 })
                .collect(),
            unclassified: if mapping.reading().classes.is_empty() {
                0
            } else {
                all.clone().filter(|i| of(*i).classes == 0).map(|i| self.scan.tallied.groups[i].1.events).sum()
            },
            accounts,
            more_accounts,
            more_unmapped_actions: unmapped.len().saturating_sub(MAX_LISTED),
            unmapped_actions: unmapped.into_iter().take(MAX_LISTED).map(|(action, events)| ActionCount { action: action.map(str::to_owned), events }).collect(),
        }
    }

    fn account(&self, groups: &std::ops::Range<usize>, frame: Option<Frame>, given: &Given<'_>, known: &BTreeSet<&str>) -> AccountCoverage {
        let of = |i: usize| &self.scan.tallied.groups[i].0;
        let series = Series::of(self.bins(groups).iter());
        let mut regions: Vec<RegionCoverage> = self
            .parts(groups.clone(), |i| of(i).region.clone())
            .iter()
            .map(|part| {
                let series = Series::of(self.bins(part).iter());
                let span = series.span();
                RegionCoverage {
                    region: of(part.start).region.as_deref().map(str::to_owned),
                    events: series.events(),
                    first: span.map(|s| format_time(s.0)),
                    last: span.map(|s| format_time(s.1)),
                }
            })
            .collect();
        regions.retain(|r| r.region.is_some());
        let mine: BTreeSet<&str> = groups.clone().filter_map(|i| of(i).region.as_deref()).collect();
        let elsewhere: Vec<&&str> = known.difference(&mine).collect();
        regions.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.region.cmp(&b.region)));
        let more_regions = regions.len().saturating_sub(MAX_LISTED);
        regions.truncate(MAX_LISTED);
        AccountCoverage {
            account: of(groups.start).account.as_deref().map(str::to_owned),
            files: self.files_of(groups).len(),
            counts: self.counts(groups, &series, frame, given),
            regions,
            more_regions,
            more_regions_elsewhere: elsewhere.len().saturating_sub(MAX_NAMED),
            regions_elsewhere: elsewhere.into_iter().take(MAX_NAMED).map(|r| (*r).to_owned()).collect(),
        }
    }

    /// Values that some files hold and others do not, where a file holds several: a file for each account is no gap.
    fn in_some_files(&self, id: &str) -> Vec<InSomeFiles> {
        let groups = self.groups();
        let files = self.files_of(&groups);
        let mut out = Vec::new();
        for kind in ["account", "region"] {
            let mut by_value: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
            let mut values: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
            for (group, file) in self.places(&groups) {
                let key = &self.scan.tallied.groups[*group as usize].0;
                if let Some(value) = if kind == "account" { key.account.as_deref() } else { key.region.as_deref() } {
                    by_value.entry(value).or_default().insert(*file);
                    values.entry(*file).or_default().insert(value);
                }
            }
            if values.values().all(|v| v.len() < 2) {
                continue;
            }
            for (value, of) in by_value.iter().filter(|(_, of)| of.len() < files.len()) {
                let not_in: Vec<u32> = files.difference(of).copied().collect();
                out.push(InSomeFiles {
                    source: id.to_owned(),
                    kind,
                    value: (*value).to_owned(),
                    files: of.len(),
                    of_files: files.len(),
                    more_not_in: not_in.len().saturating_sub(MAX_NAMED),
                    not_in: not_in.iter().take(MAX_NAMED).map(|f| self.scan.files[*f as usize].name.clone()).collect(),
                });
            }
        }
        // What nearly all files hold is most likely missing in the others.
        out.sort_by(|a, b| b.files.cmp(&a.files).then_with(|| (a.kind, &a.value).cmp(&(b.kind, &b.value))));
        out
    }
}

static EMPTY: BTreeSet<&str> = BTreeSet::new();

/// First and last event in the period; to the second where the period was known only after the run.
fn exact_span(stat: &GroupStat, cut: Option<(i64, i64)>, period: crate::finding::scan::Period) -> Option<(i64, i64)> {
    let cut = cut?;
    let exact = |t: Option<i64>, cut: i64| t.filter(|t| *t >= cut && *t - cut < SECOND && period.contains(*t)).unwrap_or(cut);
    let (inside, span) = (stat.inside, stat.span);
    Some((exact(inside.map(|s| s.0), exact(span.map(|s| s.0), cut.0)), exact(inside.map(|s| s.1), exact(span.map(|s| s.1), cut.1))))
}

fn rounded(x: f64, by: f64) -> f64 {
    (x * by).round() / by
}

/// A strip as text: a dot for no event, else a bar.
fn strip_text(cells: &[(chrono::NaiveDate, u64)]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = cells.iter().map(|c| c.1).max().unwrap_or(0).max(1);
    let bar = |n: u64| if n == 0 { '·' } else { BARS[((n * 8).div_ceil(most) as usize).clamp(1, 8) - 1] };
    cells.iter().map(|c| bar(c.1)).collect()
}
