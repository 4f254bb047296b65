//! The definition of behaviours, spelled out event by event and as slow as it is plain (see the head of the module).

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An event: its time in microseconds since 1970, and what a rule sees of it.
#[derive(Debug, Clone)]
pub struct Fact {
    pub id: String,
    pub time: i64,
    pub known_only: bool,
    pub body: Map<String, Value>,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Kind {
    New {
        fields: Vec<String>,
    },
    Fewer {
        field: String,
        across: String,
        limit: usize,
    },
    Percent {
        field: String,
        share: f64,
        out_of: usize,
    },
    Spike {
        span: i64,
        deviations: f64,
        floor: u64,
    },
    Silence {
        span: i64,
        deviations: f64,
        floor: u64,
    },
    Travel {
        speed: f64,
        distance: f64,
    },
    Dormant {
        after: i64,
    },
    /// Minutes of the local day (the second before the first where work ends on the next day), days from Monday on, minutes by
    /// which the local clock is ahead, and local days since 1970 on which nobody works.
    OffHours {
        hours: (i64, i64),
        days: [bool; 7],
        ahead: i64,
        holidays: BTreeSet<i64>,
    },
}

#[derive(Debug, Clone)]
pub struct Behaviour {
    pub kind: Kind,
    pub group_by: Vec<String>,
    pub time: i64,
    pub events: usize,
}

/// As the runs give them: entity, events, values.
pub type Found = (Vec<String>, BTreeSet<String>, Vec<String>);

#[derive(Debug, Default)]
pub struct Answer {
    pub findings: BTreeSet<Found>,
    /// Entities of which some event was not judged for want of a history, and how many.
    pub unjudged: BTreeSet<(Vec<String>, u64)>,
}

/// Texts that a field holds; arrays are taken apart.
pub fn texts(body: &Map<String, Value>, field: &str) -> BTreeSet<String> {
    match body.get(field) {
        Some(Value::String(s)) if !s.is_empty() => BTreeSet::from([s.clone()]),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

/// Every entity of an event: combinations of the values, null as empty text where another is none.
fn entities(fact: &Fact, group_by: &[String]) -> BTreeSet<Vec<String>> {
    let mut out = BTreeSet::from([Vec::new()]);
    for field in group_by {
        let mut values = texts(&fact.body, field);
        if values.is_empty() {
            values.insert(String::new());
        }
        out = out.iter().flat_map(|prefix: &Vec<String>| values.iter().map(move |v| prefix.iter().chain([v]).cloned().collect())).collect();
    }
    out.retain(|e| e.is_empty() || e.iter().any(|v| !v.is_empty()));
    out
}

fn time_text(micros: i64) -> String {
    auditmill::event::time::format_time(micros)
}

/// Judges the events of a period; `covered` are all events of the logs.
pub fn answer(b: &Behaviour, facts: &[Fact], from: Option<i64>, to: Option<i64>, covered: &[i64]) -> Answer {
    let mut out = Answer::default();
    let inside = |t: i64| from.is_none_or(|f| t >= f) && to.is_none_or(|x| t < x);
    let facts: Vec<&Fact> = facts.iter().filter(|f| to.is_none_or(|t| f.time < t)).collect();
    let all: BTreeSet<Vec<String>> = facts.iter().flat_map(|f| entities(f, &b.group_by)).collect();
    let logs_since = covered.iter().min().copied();
    for entity in all {
        let mine: Vec<&Fact> = facts.iter().copied().filter(|f| entities(f, &b.group_by).contains(&entity)).collect();
        let counts = |f: &Fact| f.known_only || has_values(b, f);
        let known = |t: i64| -> Vec<&Fact> { mine.iter().copied().filter(|f| f.time < t && counts(f)).collect() };
        let mature = |t: i64| {
            let before = known(t);
            (b.time == 0 || before.iter().map(|f| f.time).min().is_some_and(|s| t - s >= b.time)) && before.len() >= b.events
        };
        let mut missed = 0u64;
        let times: BTreeSet<i64> = mine.iter().map(|f| f.time).collect();
        let now = |t: i64| -> Vec<&Fact> { mine.iter().copied().filter(|f| f.time == t && !f.known_only && has_values(b, f)).collect() };
        match &b.kind {
            Kind::New { fields } => {
                for &t in times.iter().filter(|t| inside(**t) && !now(**t).is_empty()) {
                    if !mature(t) {
                        missed += now(t).len() as u64;
                        continue;
                    }
                    let mut hits: std::collections::BTreeMap<Vec<String>, BTreeSet<String>> = Default::default();
                    for fact in now(t) {
                        let mut combined = vec![Vec::new()];
                        for field in fields {
                            let old: BTreeSet<String> = known(t).iter().filter(|f| !f.known_only).flat_map(|f| texts(&f.body, field)).collect();
                            let new: Vec<String> = texts(&fact.body, field).into_iter().filter(|v| !old.contains(v)).collect();
                            combined = combined.iter().flat_map(|p: &Vec<String>| new.iter().map(move |v| p.iter().chain([v]).cloned().collect())).collect();
                        }
                        combined.into_iter().for_each(|c| hits.entry(c).or_default().extend([fact.id.clone()]));
                    }
                    out.findings.extend(hits.into_iter().map(|(values, ids)| (entity.clone(), ids, values)));
                }
            }
            Kind::Fewer { field, across, limit } => {
                let pairs = |f: &Fact| -> BTreeSet<(String, String)> {
                    texts(&f.body, field).into_iter().flat_map(|v| texts(&f.body, across).into_iter().map(move |a| (v.clone(), a))).collect()
                };
                for &t in times.iter().filter(|t| inside(**t) && !now(**t).is_empty()) {
                    if !mature(t) {
                        missed += now(t).len() as u64;
                        continue;
                    }
                    let old: BTreeSet<(String, String)> = known(t).iter().filter(|f| !f.known_only).flat_map(|f| pairs(f)).collect();
                    let here: BTreeSet<(String, String)> = now(t).iter().flat_map(|f| pairs(f)).collect();
                    for (value, who) in here.difference(&old) {
                        let holders: BTreeSet<&String> = old.iter().chain(&here).filter(|p| p.0 == *value).map(|p| &p.1).collect();
                        if holders.len() < *limit {
                            let ids = now(t).iter().filter(|f| pairs(f).contains(&(value.clone(), who.clone()))).map(|f| f.id.clone()).collect();
                            out.findings.insert((entity.clone(), ids, vec![value.clone(), who.clone()]));
                        }
                    }
                }
            }
            Kind::Percent { field, share, out_of } => {
                let mut fired = BTreeSet::new();
                for &t in times.iter().filter(|t| inside(**t) && !now(**t).is_empty()) {
                    if !mature(t) {
                        missed += now(t).len() as u64;
                        continue;
                    }
                    let before = known(t);
                    let here: BTreeSet<String> = now(t).iter().flat_map(|f| texts(&f.body, field)).collect();
                    for value in here {
                        let n = before.iter().filter(|f| !f.known_only && texts(&f.body, field).contains(&value)).count();
                        if before.len() >= *out_of && (n as f64) * 100.0 / (before.len() as f64) < *share && fired.insert(value.clone()) {
                            let ids = now(t).iter().filter(|f| texts(&f.body, field).contains(&value)).map(|f| f.id.clone()).collect();
                            out.findings.insert((entity.clone(), ids, vec![value]));
                        }
                    }
                }
            }
            Kind::Dormant { after } => {
                for &t in times.iter().filter(|t| inside(**t) && !now(**t).is_empty()) {
                    if logs_since.is_none_or(|s| t - floor_second(s) < *after) {
                        missed += now(t).len() as u64;
                        continue;
                    }
                    if let Some(last) = known(t).iter().map(|f| f.time).max().filter(|l| t - l >= *after) {
                        out.findings.insert((entity.clone(), now(t).iter().map(|f| f.id.clone()).collect(), vec![time_text(last)]));
                    }
                }
            }
            Kind::OffHours { hours, days, ahead, holidays } => {
                let works = |t: i64| works(t, *hours, days, *ahead, holidays);
                let mut off: Vec<&Fact> = mine.iter().copied().filter(|f| !f.known_only && inside(f.time) && !works(f.time)).collect();
                off.sort_by_key(|f| f.time);
                // A finding ends with an hour of quiet, or after a day.
                let mut findings: Vec<Vec<&Fact>> = Vec::new();
                for fact in off {
                    match findings.last_mut() {
                        Some(f) if fact.time - f[f.len() - 1].time <= super::HOUR && fact.time - f[0].time <= super::DAY => f.push(fact),
                        _ => findings.push(vec![fact]),
                    }
                }
                out.findings.extend(findings.iter().map(|f| (entity.clone(), f.iter().map(|f| f.id.clone()).collect(), Vec::new())));
            }
            Kind::Travel { speed, distance } => travel(&mine, &entity, *speed, *distance, &inside, &mut out),
            Kind::Spike { span, deviations, floor } => {
                let windows: BTreeSet<i64> = mine.iter().filter(|f| !f.known_only).map(|f| f.time - f.time.rem_euclid(*span)).collect();
                for w in windows {
                    let of = |w: i64| -> Vec<&Fact> { mine.iter().copied().filter(|f| !f.known_only && f.time >= w && f.time < w + span).collect() };
                    let judged: Vec<&Fact> = of(w).into_iter().filter(|f| inside(f.time)).collect();
                    let Some(first) = judged.iter().map(|f| f.time).min() else { continue };
                    if !mature(first) {
                        missed += judged.len() as u64;
                        continue;
                    }
                    let usual = usual(&mine, covered, w, *span);
                    let (median, spread) = usual;
                    let earlier = mine.iter().filter(|f| !f.known_only && f.time < w).map(|f| f.time - f.time.rem_euclid(*span));
                    let most = earlier.fold(std::collections::BTreeMap::new(), |mut n: std::collections::BTreeMap<i64, usize>, w| {
                        *n.entry(w).or_default() += 1;
                        n
                    });
                    let most = most.into_values().max().unwrap_or_default();
                    let mut in_order = of(w);
                    in_order.sort_by_key(|f| f.time);
                    // The first event by which there are too many.
                    let crossing = (1..=in_order.len()).find(|n| *n as u64 >= *floor && *n as f64 > median + deviations * spread && *n > most);
                    if crossing.is_some_and(|n| inside(in_order[n - 1].time)) {
                        out.findings.insert((entity.clone(), judged.iter().map(|f| f.id.clone()).collect(), vec![time_text(w)]));
                    }
                }
            }
            Kind::Silence { span, deviations, floor } => {
                let starts: BTreeSet<i64> = covered.iter().map(|t| t - t.rem_euclid(*span)).collect();
                let Some(since) = mine.iter().map(|f| f.time).min().map(|t| t - t.rem_euclid(*span)) else { continue };
                let Some(&last) = starts.last() else { continue };
                let mut stretches: Vec<(i64, i64)> = Vec::new();
                let mut open = false;
                for &w in starts.range(since..) {
                    let whole = from.is_none_or(|f| w >= f) && to.is_none_or(|t| w + span <= t) && w < last;
                    let n = mine.iter().filter(|f| !f.known_only && f.time >= w && f.time < w + span).count();
                    let silent = whole && mature(w) && {
                        let (median, spread) = usual(&mine, covered, w, *span);
                        median >= *floor as f64 && (n as f64) < median - deviations * spread
                    };
                    match stretches.last_mut() {
                        Some(s) if open && silent => s.1 = w + span,
                        _ if silent => stretches.push((w, w + span)),
                        _ => {}
                    }
                    open = silent;
                }
                for (start, end) in stretches {
                    let mut ids: BTreeSet<String> = mine.iter().filter(|f| !f.known_only && f.time >= start && f.time < end).map(|f| f.id.clone()).collect();
                    if ids.is_empty() {
                        let after = mine.iter().filter(|f| f.time >= end).min_by_key(|f| (f.time, &f.id));
                        let before = mine.iter().filter(|f| f.time < start).max_by_key(|f| (f.time, &f.id));
                        ids.extend(after.or(before).map(|f| f.id.clone()));
                    }
                    out.findings.insert((entity.clone(), ids, vec![time_text(start), time_text(end)]));
                }
            }
        }
        if missed > 0 && mine.iter().any(|f| counts(f)) {
            out.unjudged.insert((entity.clone(), missed));
        }
    }
    out
}

/// Whether some day's work is going on: the local day of the instant, or the one before.
fn works(t: i64, (from, to): (i64, i64), days: &[bool; 7], ahead: i64, holidays: &BTreeSet<i64>) -> bool {
    const MINUTE: i64 = 60_000_000;
    let local = t + ahead * MINUTE;
    let today = local.div_euclid(super::DAY);
    [today - 1, today].into_iter().any(|day| {
        // 1970 began on a Thursday.
        let at_work = days[(day + 3).rem_euclid(7) as usize] && !holidays.contains(&day);
        let begin = day * super::DAY + from * MINUTE;
        let end = day * super::DAY + to * MINUTE + if to < from { super::DAY } else { 0 };
        at_work && local >= begin && local < end
    })
}

/// The index of events knows whole seconds.
fn floor_second(t: i64) -> i64 {
    t.div_euclid(1_000_000) * 1_000_000
}

fn has_values(b: &Behaviour, f: &Fact) -> bool {
    let has = |field: &String| !texts(&f.body, field).is_empty();
    match &b.kind {
        Kind::New { fields } => fields.iter().all(has),
        Kind::Fewer { field, across, .. } => has(field) && has(across),
        Kind::Percent { field, .. } => has(field),
        _ => true,
    }
}

/// Median and spread of the counts of the entity's covered windows before one.
fn usual(mine: &[&Fact], covered: &[i64], window: i64, span: i64) -> (f64, f64) {
    let start = |t: i64| t - t.rem_euclid(span);
    let Some(since) = mine.iter().map(|f| f.time).min().map(start) else { return (0.0, 1.0) };
    let windows: BTreeSet<i64> = covered.iter().map(|t| start(*t)).filter(|w| *w >= since && *w < window).collect();
    let counts: Vec<f64> = windows.iter().map(|w| mine.iter().filter(|f| !f.known_only && start(f.time) == *w).count() as f64).collect();
    let median = middle(counts.clone());
    let mad = middle(counts.iter().map(|c| (c - median).abs()).collect());
    (median, (1.4826 * mad).max(median.sqrt()).max(1.0))
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// Latitude, longitude, radius.
fn place(text: &str) -> Option<[f64; 3]> {
    let parts: Vec<f64> = text.split(',').filter_map(|p| p.parse().ok()).collect();
    parts.try_into().ok()
}

/// The great circle by the vectors of both places, less both radiuses.
fn kilometres(a: [f64; 3], b: [f64; 3]) -> f64 {
    let vector = |p: [f64; 3]| {
        let (lat, lon) = (p[0].to_radians(), p[1].to_radians());
        [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
    };
    let (x, y) = (vector(a), vector(b));
    let cross = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]];
    let norm = (cross[0] * cross[0] + cross[1] * cross[1] + cross[2] * cross[2]).sqrt();
    let dot: f64 = x.iter().zip(y).map(|(p, q)| p * q).sum();
    (6371.0088 * norm.atan2(dot) - a[2] - b[2]).max(0.0)
}

fn travel(mine: &[&Fact], entity: &[String], speed: f64, distance: f64, inside: &dyn Fn(i64) -> bool, out: &mut Answer) {
    let located: Vec<&Fact> = mine.iter().copied().filter(|f| !f.known_only && texts(&f.body, "ip.location").iter().any(|p| place(p).is_some())).collect();
    let times: Vec<i64> = located.iter().map(|f| f.time).collect::<BTreeSet<_>>().into_iter().collect();
    let mut learnt: BTreeSet<[String; 2]> = BTreeSet::new();
    let stops = |t: i64| -> BTreeSet<String> {
        located.iter().filter(|f| f.time == t).flat_map(|f| texts(&f.body, "ip.location")).filter(|p| place(p).is_some()).collect()
    };
    let believed = |a: &str, b: &str, micros: i64| -> bool {
        let (Some(x), Some(y)) = (place(a), place(b)) else { return true };
        let km = kilometres(x, y);
        km < distance || km / (micros.max(1_000_000) as f64 / 3.6e9) <= speed
    };
    for (i, &t) in times.iter().enumerate() {
        let here = stops(t);
        let mut now: Vec<(String, String)> = Vec::new();
        for to in &here {
            if let Some(&before) = i.checked_sub(1).and_then(|p| times.get(p)) {
                let there = stops(before);
                let far = |p: &String| place(p).zip(place(to)).map_or(f64::MAX, |(a, b)| kilometres(a, b));
                let nearest = there.iter().min_by(|a, b| far(a).total_cmp(&far(b)).then_with(|| a.cmp(b)));
                now.extend(nearest.filter(|from| !believed(from, to, t - before)).map(|from| (from.clone(), to.clone())));
            }
            now.extend(here.iter().filter(|from| *from < to && !believed(from, to, 0)).map(|from| (from.clone(), to.clone())));
        }
        for (from, to) in now {
            let mut pair = [from.clone(), to.clone()];
            pair.sort();
            if learnt.insert(pair) && inside(t) {
                let ids = located.iter().filter(|f| f.time == t && texts(&f.body, "ip.location").contains(&to)).map(|f| f.id.clone()).collect();
                out.findings.insert((entity.to_vec(), ids, vec![from, to]));
            }
        }
    }
}
