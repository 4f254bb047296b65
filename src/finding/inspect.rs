//! What was made of each file: its source and why, its events by column, the names that nothing knows, what was rejected.

use super::columns::{each_column, each_spooled};
use super::scan::{FileReport, Scan, ScanRequest, Totals, Window, scan};
use crate::diag::{Reject, UserError};
use crate::event::Column;
use crate::rule::load::RuleSet;
use crate::source::SourceSet;
use crate::source::discover::{Discovered, Input, Origin};
use crate::source::mapping::Mapping;
use crate::source::propose::{MAX_RECORDS, Proposal, propose};
use serde::Deserialize;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::sync::Arc;

/// Different names without an activity that are counted one by one in a source; the rest is counted together.
const MAX_NAMES: usize = 20_000;
/// Names without an activity that are listed.
pub const LISTED_NAMES: usize = 100;
/// Longest name that is listed, in characters.
const NAME_LENGTH: usize = 200;
/// Records at the beginning of a file by which is said which alternative knew them.
const LOOKED_AT: u32 = 20;
/// Rejected records of a file that are looked at, and how long they may be together.
const SAMPLE_BYTES: usize = 8 << 20;
/// Alternatives that are named for a file of no known source.
const NEAREST: usize = 3;
/// Files for which mappings are proposed.
const MAX_PROPOSALS: usize = 5;

/// What came of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Its records are of no known source.
    UnknownSource,
    /// It cannot be read, or none of its records can.
    Unreadable,
    /// There is nothing in it.
    NoEvents,
    /// Every record of it is elsewhere too.
    AllDuplicates,
    /// It is no log.
    NotALog,
    /// Some of its records gave no event.
    Partly,
    /// All of it was read.
    Read,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::UnknownSource => "unknown source",
            State::Unreadable => "unreadable",
            State::NoEvents => "no events",
            State::AllDuplicates => "all duplicates",
            State::NotALog => "not a log",
            State::Partly => "partly read",
            State::Read => "read",
        }
    }
}

/// An alternative of a mapping's `detect`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alternative {
    /// Index of the source.
    pub source: usize,
    /// 1-based place in the mapping's list.
    pub number: usize,
}

/// Why a record is not of a source that comes near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// Which alternative.
    pub alternative: Alternative,
    /// Fields that it asks for and the record has.
    pub found: Vec<String>,
    /// Fields that it asks for and the record lacks.
    pub missing: Vec<String>,
    /// Fields that must not be there and are.
    pub unwanted: Vec<String>,
    /// Its `where` does not hold.
    pub where_fails: bool,
}

/// One file.
#[derive(Debug, Clone)]
pub struct InspectedFile {
    /// What a scan says of it.
    pub report: FileReport,
    /// What came of it.
    pub state: State,
    /// Records that gave events, a record of several events once.
    pub records: u64,
    /// Events by index of the source, duplicates left out.
    pub sources: BTreeMap<usize, u64>,
    /// The alternatives by which its first records were known.
    pub detected_by: BTreeSet<Alternative>,
    /// What comes nearest to its first records of no known source.
    pub nearest: Vec<Nearest>,
}

/// One source, over all files.
#[derive(Debug, Clone)]
pub struct InspectedSource {
    /// Index of the source.
    pub source: usize,
    /// Events.
    pub events: u64,
    /// For each column of [`Column::ALL`], events in which it is filled.
    pub filled: Vec<u64>,
    /// Events whose action has no activity.
    pub without_activity: u64,
    /// Their actions, most frequent first, at most [`LISTED_NAMES`].
    pub names: Vec<(String, u64)>,
    /// Different actions beyond those.
    pub more_names: u64,
    /// There were more different names than are counted one by one.
    pub names_cut: bool,
}

/// A mapping proposed for files of no known source.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// The file that it was made from.
    pub file: String,
    /// The mapping.
    pub proposal: Proposal,
    /// Events and rejected records of each file that it reads.
    pub reads: Vec<(String, u64, u64)>,
}

/// The whole inspection.
pub struct Inspection<'a> {
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Files, those without events first, then by name.
    pub files: Vec<InspectedFile>,
    /// Sources that gave events.
    pub by_source: Vec<InspectedSource>,
    /// What of no file could be read.
    pub rejects: Vec<Reject>,
    /// Totals.
    pub totals: Totals,
    /// Event ids with several contents.
    pub conflicts: u64,
    /// Proposed mappings, and why none could be made for a file.
    pub proposals: Vec<Proposed>,
    /// Files for which none could be proposed, and why.
    pub not_proposed: Vec<(String, String)>,
    /// Some input could not be read.
    pub incomplete: bool,
}

/// What of a row goes through the spool.
#[derive(Debug, Default, Deserialize)]
struct Row {
    /// Index of the source.
    s: usize,
    /// Filled columns as bits.
    f: u64,
    /// The action, where it has no activity.
    #[serde(default)]
    n: Option<String>,
    /// The record, where it is one of the first.
    #[serde(default)]
    r: Option<String>,
}

/// A rejected record as the spool has it.
#[derive(Debug, Deserialize)]
struct Rejected<'r> {
    #[serde(borrow)]
    reason: Cow<'r, str>,
    raw: Option<String>,
}

#[derive(Debug, Default)]
struct Names {
    counts: HashMap<String, u64>,
    cut: bool,
    events: u64,
}

/// Takes the run, while it is whole, and the spools of its rejected records.
pub type TakeRun<'t> = &'t mut dyn FnMut(&Scan<'_>, Vec<Option<File>>) -> Result<(), UserError>;

/// What to inspect and how.
pub struct InspectRequest<'a, 'p> {
    /// Inputs.
    pub found: Discovered,
    /// Mappings.
    pub sources: &'a SourceSet,
    /// Workers.
    pub threads: usize,
    /// The period by which coverage is judged; files are told whole.
    pub window: Window,
    /// Events are counted by account and region too.
    pub tell_places: bool,
    /// Told after each file.
    pub progress: &'p (dyn Fn(usize) + Sync),
}

/// Reads the inputs with the mappings and says what was made of them.
pub fn inspect<'a>(request: InspectRequest<'a, '_>, take_run: TakeRun<'_>) -> Result<Inspection<'a>, UserError> {
    let InspectRequest { found, sources, threads, window, tell_places, progress } = request;
    let inputs = found.inputs.clone();
    let rules = RuleSet::default();
    let mut result = scan(ScanRequest {
        columns: Column::ALL,
        window,
        threads,
        render: Some(&|batch, row, bytes, out| {
            let (mut filled, mut action, mut has_activity, mut raw) = (0u64, None, false, None);
            each_column(batch, row, bytes, &mut |column, value| {
                let Some(value) = value.filter(|v| !v.is_empty()) else { return };
                filled |= 1u64 << (column as u32);
                match column {
                    Column::Action => action = Some(value.chars().take(NAME_LENGTH).collect::<String>()),
                    Column::Activity => has_activity = true,
                    Column::Raw if batch.records[row as usize] <= LOOKED_AT => raw = Some(value.to_owned()),
                    _ => {}
                }
            });
            let line = serde_json::json!({"s": batch.plan.source, "f": filled, "n": action.filter(|_| !has_activity), "r": raw});
            out.extend(line.to_string().into_bytes());
        }),
        tell_places,
        rejects: true,
        progress,
        ..ScanRequest::new(found, sources, &rules)
    })?;
    let spools = std::mem::take(&mut result.spools);
    let read = read_rows(&result, spools)?;
    let rejected = std::mem::take(&mut result.reject_spools);
    let copies = rejected.iter().map(|s| s.as_ref().map(File::try_clone).transpose()).collect::<Result<Vec<_>, _>>().map_err(broken)?;
    take_run(&result, copies)?;
    let samples = read_rejects(&mut result, rejected)?;
    let mut files = Vec::with_capacity(result.files.len());
    for (i, report) in result.files.iter().enumerate() {
        let seen = read.files.get(&(i as u32));
        let sample = samples.get(&(i as u32)).map(Vec::as_slice).unwrap_or_default();
        files.push(InspectedFile {
            state: state(report, sample),
            report: report.clone(),
            records: seen.map_or(0, |s| s.records),
            sources: seen.map(|s| s.events.clone()).unwrap_or_default(),
            detected_by: seen.map(|s| s.detected_by.clone()).unwrap_or_default(),
            nearest: nearest(sources, sample),
        });
    }
    let (proposals, not_proposed) = proposals(sources, &inputs, &files, &samples, threads)?;
    let incomplete = result.is_incomplete();
    files.sort_by(|a, b| (a.has_events(), &a.report.name).cmp(&(b.has_events(), &b.report.name)));
    Ok(Inspection {
        sources,
        files,
        by_source: read.sources,
        rejects: std::mem::take(&mut result.rejects),
        totals: result.totals,
        conflicts: result.conflict_count,
        proposals,
        not_proposed,
        incomplete,
    })
}

impl InspectedFile {
    /// Whether it gave an event.
    pub fn has_events(&self) -> bool {
        self.report.accepted() > 0
    }
}

#[derive(Debug, Default)]
struct SeenFile {
    records: u64,
    events: BTreeMap<usize, u64>,
    detected_by: BTreeSet<Alternative>,
}

struct ReadRows {
    files: HashMap<u32, SeenFile>,
    sources: Vec<InspectedSource>,
}

/// Adds up what the rows say, in the order of the events: it does not depend on threads.
fn read_rows(result: &Scan<'_>, spools: Vec<Option<File>>) -> Result<ReadRows, UserError> {
    let mut files: HashMap<u32, SeenFile> = HashMap::new();
    let mut filled: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let mut names: BTreeMap<usize, Names> = BTreeMap::new();
    each_spooled(result, spools, &mut |at, line| {
        let Ok(row) = serde_json::from_slice::<Row>(line) else { return };
        let file = files.entry(at.file).or_default();
        file.records += u64::from(at.part == 0);
        *file.events.entry(row.s).or_default() += 1;
        if let Some(record) = row.r.and_then(|r| serde_json::from_str::<Json>(&r).ok()) {
            let mapping = &result.sources.mappings()[row.s];
            let by = mapping.detect.iter().enumerate().filter(|(_, d)| crate::source::holds(d, &record)).max_by_key(|(i, d)| (d.weight, usize::MAX - i));
            file.detected_by.extend(by.map(|(i, _)| Alternative { source: row.s, number: i + 1 }));
        }
        let counts = filled.entry(row.s).or_insert_with(|| vec![0; Column::ALL.len()]);
        counts.iter_mut().enumerate().for_each(|(i, n)| *n += row.f >> i & 1);
        if let Some(name) = row.n {
            let known = names.entry(row.s).or_default();
            known.events += 1;
            if known.counts.len() < MAX_NAMES || known.counts.contains_key(&name) {
                *known.counts.entry(name).or_default() += 1;
            } else {
                known.cut = true;
            }
        }
    })
    .map_err(broken)?;
    let sources = filled
        .into_iter()
        .map(|(source, filled)| {
            let Names { counts, cut, events: without_activity } = names.remove(&source).unwrap_or_default();
            let mut names: Vec<(String, u64)> = counts.into_iter().collect();
            names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let more_names = names.len().saturating_sub(LISTED_NAMES) as u64;
            names.truncate(LISTED_NAMES);
            let events = filled[Column::Source as usize];
            InspectedSource { source, events, filled, without_activity, names, more_names, names_cut: cut }
        })
        .collect();
    Ok(ReadRows { files, sources })
}

fn broken(e: std::io::Error) -> UserError {
    UserError::new(format!("a temporary file cannot be read: {e}"))
}

/// The first rejected records of each file of which no source knows them.
fn read_rejects(result: &mut Scan<'_>, spools: Vec<Option<File>>) -> Result<HashMap<u32, Vec<String>>, UserError> {
    let rejected = std::mem::take(&mut result.rejected);
    let mut samples: HashMap<u32, (Vec<String>, usize)> = HashMap::new();
    let wanted: Vec<_> = rejected
        .into_iter()
        .filter(|at| {
            let (count, bytes) = samples.get(&at.file).map_or((0, 0), |s| (s.0.len(), s.1));
            let take = count < MAX_RECORDS && bytes + at.len as usize <= SAMPLE_BYTES;
            if take {
                let entry = samples.entry(at.file).or_default();
                entry.0.push(String::new());
                entry.1 += at.len as usize;
            }
            take
        })
        .collect();
    let mut out: HashMap<u32, Vec<String>> = HashMap::new();
    super::columns::read_spooled(&wanted, spools, &mut |at, line| {
        // The line is the rest of an object, behind the name of its file.
        let text = format!("{{{}", String::from_utf8_lossy(line.strip_prefix(b",").unwrap_or(line)));
        if let Ok(rejected) = serde_json::from_str::<Rejected<'_>>(&text)
            && rejected.reason.contains(UNKNOWN)
            && let Some(raw) = rejected.raw
        {
            out.entry(at.file).or_default().push(raw);
        }
        Ok(())
    })
    .map_err(broken)?;
    Ok(out)
}

/// How the reason of a record begins that no source knows.
const UNKNOWN: &str = "no source knows this record";

fn state(report: &FileReport, sample: &[String]) -> State {
    match () {
        () if report.accepted() > 0 && !report.faulty => State::Read,
        () if report.accepted() > 0 => State::Partly,
        () if !sample.is_empty() || report.reasons.iter().any(|r| r.1.contains(UNKNOWN)) => State::UnknownSource,
        () if report.not_a_log || report.reasons.iter().any(|r| r.1.starts_with("not a log")) => State::NotALog,
        () if report.faulty => State::Unreadable,
        () if report.duplicates > 0 => State::AllDuplicates,
        () => State::NoEvents,
    }
}

/// The alternatives that come nearest to the first records of no known source.
fn nearest(sources: &SourceSet, sample: &[String]) -> Vec<Nearest> {
    let Some(record) = sample.iter().find_map(|r| serde_json::from_str::<Json>(r).ok().filter(Json::is_object)) else { return Vec::new() };
    let mut all: Vec<Nearest> = Vec::new();
    for (source, mapping) in sources.mappings().iter().enumerate() {
        let near = mapping.detect.iter().enumerate().map(|(i, d)| {
            let has = |p: &String| crate::source::has_path(&record, p);
            let (found, missing): (Vec<String>, Vec<String>) = d.has.iter().cloned().partition(has);
            let unwanted = d.without.iter().filter(|p| has(p)).cloned().collect();
            let where_fails = d.selection.as_ref().is_some_and(|s| !crate::source::selection_holds(s, &record));
            Nearest { alternative: Alternative { source, number: i + 1 }, found, missing, unwanted, where_fails }
        });
        all.extend(near.filter(|n| !n.found.is_empty()).min_by_key(distance));
    }
    all.sort_by_key(distance);
    all.truncate(NEAREST);
    all
}

/// What is wrong first, then what is right.
fn distance(n: &Nearest) -> (usize, std::cmp::Reverse<usize>) {
    let wrong = n.missing.len() + n.unwanted.len() + usize::from(n.where_fails);
    let share = wrong * 100 / (wrong + n.found.len()).max(1);
    (share, std::cmp::Reverse(n.found.len()))
}

type Proposals = (Vec<Proposed>, Vec<(String, String)>);

/// Proposes mappings for files of no known source, each tried on all of those files before it is shown.
fn proposals(
    sources: &SourceSet,
    inputs: &[Input],
    files: &[InspectedFile],
    samples: &HashMap<u32, Vec<String>>,
    threads: usize,
) -> Result<Proposals, UserError> {
    let mut waiting: Vec<usize> = (0..files.len()).filter(|i| files[*i].state == State::UnknownSource && samples.contains_key(&(*i as u32))).collect();
    let (mut out, mut failed): Proposals = Default::default();
    let mut taken: Vec<String> = sources.mappings().iter().map(|m| m.id.clone()).collect();
    while let Some(&index) = waiting.first() {
        let name = files[index].report.name.clone();
        if out.len() + failed.len() >= MAX_PROPOSALS {
            failed.push((name, format!("and {} more files: mappings are proposed for {MAX_PROPOSALS} at a time", waiting.len() - 1)));
            break;
        }
        let ids: Vec<&str> = taken.iter().map(String::as_str).collect();
        let tried = propose(&name, &samples[&(index as u32)], &ids).and_then(|proposal| {
            // In the language, and read by the loader as any other.
            let mapping = Mapping::parse(&proposal.text, &format!("{}.yml", proposal.id)).map_err(|e| format!("the proposal does not load: {e}"))?;
            Ok((proposal, mapping))
        });
        let (proposal, mapping) = match tried {
            Ok(both) => both,
            Err(why) => {
                failed.push((name, why));
                waiting.remove(0);
                continue;
            }
        };
        let reads = try_out(sources, mapping, inputs, &waiting, samples, threads)?;
        if !reads.iter().any(|(i, events, _)| *i == index && *events > 0) {
            failed.push((name, "a mapping was made and reads no event of the file".into()));
            waiting.remove(0);
            continue;
        }
        waiting.retain(|i| !reads.iter().any(|(j, events, _)| i == j && *events > 0));
        taken.push(proposal.id.clone());
        let reads =
            reads.into_iter().filter(|(_, events, _)| *events > 0).map(|(i, events, rejected)| (files[i].report.name.clone(), events, rejected)).collect();
        out.push(Proposed { file: name, proposal, reads });
    }
    Ok((out, failed))
}

/// Reads files with one more mapping: of each its index, the events that this mapping gives, and what is rejected.
fn try_out(
    sources: &SourceSet,
    mapping: Mapping,
    inputs: &[Input],
    which: &[usize],
    samples: &HashMap<u32, Vec<String>>,
    threads: usize,
) -> Result<Vec<(usize, u64, u64)>, UserError> {
    let id = mapping.id.clone();
    let with = sources.with(mapping);
    let own = with.mappings().iter().position(|m| m.id == id).unwrap_or_default();
    let again = which
        .iter()
        .map(|&i| match &inputs[i].origin {
            // What came through a pipe is gone: the sample stands for it.
            Origin::Stdin => {
                let lines = samples.get(&(i as u32)).map(|s| s.iter().map(|r| one_line(r)).collect::<String>()).unwrap_or_default();
                Input { origin: Origin::Bytes(Arc::new(lines.into_bytes())), ..inputs[i].clone() }
            }
            _ => inputs[i].clone(),
        })
        .collect();
    let rules = RuleSet::default();
    let mut result = scan(ScanRequest {
        threads,
        render: Some(&|batch, _, _, out| out.push(batch.plan.source)),
        ..ScanRequest::new(Discovered { inputs: again, rejects: Vec::new() }, &with, &rules)
    })?;
    let spools = std::mem::take(&mut result.spools);
    let mut events: HashMap<u32, u64> = HashMap::new();
    each_spooled(&result, spools, &mut |at, line| *events.entry(at.file).or_default() += u64::from(line == [own as u8])).map_err(broken)?;
    let count = |at: usize| events.get(&(at as u32)).copied().unwrap_or(0) + if events.contains_key(&(at as u32)) { result.files[at].duplicates } else { 0 };
    Ok(which.iter().enumerate().map(|(at, &i)| (i, count(at), result.files[at].rejected)).collect())
}

/// A record on a line of its own.
fn one_line(record: &str) -> String {
    let mut line: String = record.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).collect();
    line.push('\n');
    line
}
