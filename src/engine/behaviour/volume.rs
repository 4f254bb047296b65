//! `spike` and `silence`: the events of a window against the entity's own earlier windows.
//!
//! Windows are aligned to 1970-01-01 UTC. The earlier windows are those since the entity's first event in which the logs hold
//! any event at all, be it of another entity: a window without one is a gap in the logs and says nothing, one with others'
//! events only counts as 0. Of their counts the median is the usual; the spread is the greatest of 1.4826 times the median
//! absolute deviation (which is the standard deviation where counts are normal), the square root of the median (where events
//! come independently) and 1. A spike is a count of at least `floor` that lies more than `deviations` spreads above the
//! usual, and above every earlier window: what was reached before is learnt, so that work in bursts fires once. Silence is a
//! count that lies more than `deviations` spreads below the usual, where that is at least `floor`.

use super::{Entry, Fact, Subject};
use crate::event::time::format_time;
use crate::rule::behaviour::Volume;
use std::collections::BTreeMap;

/// Counts of earlier windows.
#[derive(Default)]
struct Counts {
    /// How many windows have a count; windows with 0 are not in it.
    by_count: BTreeMap<u64, u64>,
    nonzero: u64,
}

impl Counts {
    fn add(&mut self, count: u64) {
        if count > 0 {
            *self.by_count.entry(count).or_default() += 1;
            self.nonzero += 1;
        }
    }

    /// The greatest count of a window.
    fn most(&self) -> u64 {
        self.by_count.keys().next_back().copied().unwrap_or_default()
    }

    /// Median and spread over so many windows.
    fn usual(&self, windows: u64) -> (f64, f64) {
        let zeros = windows.saturating_sub(self.nonzero);
        let counts = || [(0, zeros)].into_iter().chain(self.by_count.iter().map(|(c, n)| (*c, *n)));
        let median = median(counts().map(|(c, n)| (c as f64, n)));
        let mut deviations: Vec<(f64, u64)> = counts().map(|(c, n)| ((c as f64 - median).abs(), n)).collect();
        deviations.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mad = self::median(deviations.into_iter());
        (median, (1.4826 * mad).max(median.sqrt()).max(1.0))
    }
}

/// The median of values in ascending order, each with how often it stands there; the mean of both where two are in the middle.
fn median(values: impl Iterator<Item = (f64, u64)> + Clone) -> f64 {
    let total: u64 = values.clone().map(|v| v.1).sum();
    let at = |rank: u64| {
        let mut seen = 0;
        values.clone().find(|(_, n)| {
            seen += n;
            seen > rank
        })
    };
    match total {
        0 => 0.0,
        n => (at((n - 1) / 2).map_or(0.0, |v| v.0) + at(n / 2).map_or(0.0, |v| v.0)) / 2.0,
    }
}

/// The entity's windows: all of its events, those that are judged, and the sum of both kinds in each.
struct Windows<'a> {
    /// Start, judged entries.
    own: Vec<(i64, Vec<&'a Entry>)>,
}

impl<'a> Windows<'a> {
    fn of(entries: &'a [Entry], timespan: i64) -> Windows<'a> {
        let start = |e: &Entry| e.time - e.time.rem_euclid(timespan);
        let groups = entries.chunk_by(|a, b| start(a) == start(b));
        Windows { own: groups.map(|g| (start(&g[0]), g.iter().filter(|e| !e.known_by).collect())).collect() }
    }
}

/// Number of covered windows from one start up to and without another.
fn covered_between(covered: &[i64], from: i64, to: i64) -> u64 {
    (covered.partition_point(|c| *c < to).saturating_sub(covered.partition_point(|c| *c < from))) as u64
}

pub fn judge_spike(subject: &mut Subject<'_>, volume: &Volume) {
    let span = volume.timespan;
    let covered = &subject.run.setting.covered;
    let mut counts = Counts::default();
    let windows = Windows::of(subject.entries, span);
    // The window in which what was learnt ends may go on in these logs.
    let past = std::mem::take(&mut subject.state.windows);
    let first_own = windows.own.first().map_or(i64::MAX, |w| w.0);
    past.iter().filter(|w| *w.0 < first_own).for_each(|w| counts.add(*w.1));
    let mut all = past.clone();
    let mut at = 0;
    for (start, judged) in &windows.own {
        let before = past.get(start).copied().unwrap_or_default();
        let count = before + judged.len() as u64;
        let since = subject.state.since.map(|s| s - s.rem_euclid(span));
        let (from, to) = subject.run.setting.judged;
        let inside: Vec<u32> = judged.iter().filter(|e| from.is_none_or(|f| e.time >= f) && to.is_none_or(|t| e.time < t)).map(|e| e.row).collect();
        // What of the window was learnt before is known, be it by these logs or by earlier ones.
        let asked = judged.iter().find(|e| subject.is_judged(e.time)).map(|e| e.time);
        let learnt = asked.unwrap_or(*start);
        at += learn_until(subject, at, learnt);
        if let Some(asked) = asked
            && subject.is_ready(asked, inside.len() as u64)
            && count >= volume.floor
        {
            let windows = since.map_or(0, |s| covered_between(covered, s, *start));
            let (usual, spread) = counts.usual(windows);
            let most = usual + volume.deviations * spread;
            // The count at which it became one.
            let needed = volume.floor.max(most.floor() as u64 + 1).max(counts.most() + 1);
            let crossing = needed.checked_sub(before + 1).and_then(|n| judged.get(n as usize)).filter(|e| subject.is_judged(e.time));
            if count >= needed
                && let Some(crossing) = crossing
            {
                let facts = vec![
                    Fact::text("window", format_time(*start)),
                    Fact::text("timespan", crate::event::time::format_duration(span)),
                    Fact::count("count", count),
                    Fact::number("usual", usual),
                    Fact::number("spread", (spread * 100.0).round() / 100.0),
                    Fact::count("windows_before", windows),
                ];
                subject.hit(crossing.time, inside, facts);
            }
        }
        if count > 0 {
            counts.add(count);
            all.insert(*start, count);
        }
        at += learn_until(subject, at, start + span);
    }
    subject.state.windows = all;
}

/// Learns the entries from a position on that come before an instant; how many.
fn learn_until(subject: &mut Subject<'_>, at: usize, until: i64) -> usize {
    let entries = &subject.entries[at..];
    let count = entries.partition_point(|e| e.time < until);
    entries[..count].iter().for_each(|e| subject.state.learn(e.time));
    count
}

pub fn judge_silence(subject: &mut Subject<'_>, volume: &Volume) {
    let span = volume.timespan;
    let covered = &subject.run.setting.covered;
    let (from, to) = subject.run.setting.judged;
    let past = std::mem::take(&mut subject.state.windows);
    let mut all = past.clone();
    let windows = Windows::of(subject.entries, span);
    windows.own.iter().filter(|w| !w.1.is_empty()).for_each(|w| *all.entry(w.0).or_default() += w.1.len() as u64);
    let Some(first) = subject.state.since.into_iter().chain(subject.entries.first().map(|e| e.time)).min() else { return };
    let first = first - first.rem_euclid(span);
    // The last window of the logs may go on after them.
    let last = covered.last().copied().unwrap_or(i64::MIN);
    let mut counts = Counts::default();
    let mut open: Option<(i64, i64, f64, Vec<u32>)> = None;
    let mut stretches: Vec<(i64, i64, f64, Vec<u32>)> = Vec::new();
    let (mut at, mut seen) = (0, 0);
    let from_window = covered.partition_point(|c| *c < first);
    for (n, &start) in (0..).zip(&covered[from_window..]) {
        let count = all.get(&start).copied().unwrap_or_default();
        let inside = from.is_none_or(|f| start >= f) && to.is_none_or(|t| start + span <= t) && start < last;
        let ready = inside && subject.is_ready(start, 1);
        let (usual, spread) = if ready { counts.usual(n) } else { (0.0, 1.0) };
        let silent = ready && usual >= volume.floor as f64 && (count as f64) < usual - volume.deviations * spread;
        let own = windows.own[seen..].first().filter(|w| w.0 == start);
        seen += usize::from(own.is_some());
        let rows = own.map(|w| w.1.iter().map(|e| e.row).collect::<Vec<u32>>()).unwrap_or_default();
        match (&mut open, silent) {
            (Some(o), true) => {
                o.1 = start + span;
                o.3.extend(rows);
            }
            (None, true) => open = Some((start, start + span, usual, rows)),
            (_, false) => stretches.extend(open.take()),
        }
        counts.add(count);
        at += learn_until(subject, at, start + span);
        // Nothing comes any more, and most windows are empty by now.
        if seen == windows.own.len() && past.range(start + span..).next().is_none() && counts.nonzero * 2 < n && open.is_none() {
            break;
        }
    }
    stretches.extend(open);
    subject.entries[at..].iter().for_each(|e| subject.state.learn(e.time));
    for (start, end, usual, mut rows) in stretches {
        if rows.is_empty() {
            let entries = subject.entries;
            let next = entries.partition_point(|e| e.time < end);
            let before = entries[..entries.partition_point(|e| e.time < start)].last();
            rows.extend(entries.get(next).or(before).map(|e| e.row));
        }
        if rows.is_empty() {
            subject.out.without_evidence += 1;
            continue;
        }
        let facts = vec![
            Fact::time("silent_from", start),
            Fact::time("silent_until", end),
            Fact::text("timespan", crate::event::time::format_duration(span)),
            Fact::number("usual", usual),
        ];
        subject.hit(start + span, rows, facts);
    }
    subject.state.windows = all;
}
