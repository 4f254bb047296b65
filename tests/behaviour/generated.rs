//! Generated behaviours of every type over generated histories: our findings are those of the reference, at any number of
//! threads and in any order of the files; and what a baseline holds stands for the logs that it was learnt from.

use super::reference::{Answer, Behaviour, Fact, Kind, answer};
use super::{DAY, Found, HOUR, Outcome, documents, run};
use crate::common::{at, event, generator, ndjson, try_rules};
use auditmill::finding::scan::Period;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The tests' first instant, UTC microseconds.
const START: i64 = 1_705_312_800_000_000;
/// Zones without summer time, and by how many minutes they are ahead.
const ZONES: [(&str, i64); 4] = [("UTC", 0), ("Asia/Kolkata", 330), ("America/Phoenix", -420), ("Pacific/Kiritimati", 840)];
const PLACES: [&str; 6] = ["52.5,13.4,20", "48.1,11.6,50", "40.7,-74,10", "35.7,139.7,100", "-33.9,151.2,5", "bad"];

#[derive(Debug, Clone)]
struct Case {
    behaviour: Behaviour,
    history: Vec<(Fact, bool, usize, u16)>,
    threads: usize,
    from: Option<i64>,
    to: Option<i64>,
}

fn document(b: &Behaviour) -> Value {
    let duration = |t: i64| format!("{}m", t / 60_000_000);
    let mut out = match &b.kind {
        Kind::New { fields } => json!({"type": "new_value", "field": fields}),
        Kind::Fewer { field, across, limit } => json!({"type": "rare_value", "field": field, "across": across, "fewer-than": limit}),
        Kind::Percent { field, share, out_of } => json!({"type": "rare_value", "field": field, "percent": share, "out-of": out_of}),
        Kind::Spike { span, deviations, floor } => json!({"type": "spike", "timespan": duration(*span), "deviations": deviations, "floor": floor}),
        Kind::Silence { span, deviations, floor } => json!({"type": "silence", "timespan": duration(*span), "deviations": deviations, "floor": floor}),
        Kind::Travel { speed, distance } => json!({"type": "impossible_travel", "speed": speed, "distance": distance}),
        Kind::Dormant { after } => json!({"type": "dormant", "after": duration(*after)}),
        Kind::OffHours { hours, days, ahead, holidays } => {
            let clock = |m: i64| format!("{:02}:{:02}", m / 60, m % 60);
            let names: Vec<&str> = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].into_iter().zip(days).filter(|d| *d.1).map(|d| d.0).collect();
            let dates: Vec<String> = holidays.iter().map(|d| auditmill::event::time::format_time(d * DAY)[..10].to_owned()).collect();
            let zone = ZONES.iter().find(|z| z.1 == *ahead).expect("a zone").0;
            json!({"type": "off_hours", "hours": format!("{}-{}", clock(hours.0), clock(hours.1)), "days": names.join(","), "zone": zone, "holidays": dates})
        }
    };
    out["group-by"] = json!(b.group_by);
    if b.time > 0 {
        out["learning"] = json!({"time": duration(b.time), "events": b.events});
    } else if b.events > 0 {
        out["learning"] = json!({"events": b.events});
    }
    out
}

fn kinds() -> impl Strategy<Value = Kind> {
    let text = |s: &str| s.to_owned();
    let spans = select(vec![HOUR, 3 * HOUR, DAY]);
    prop_oneof![
        select(vec![vec![text("v")], vec![text("v"), text("w")]]).prop_map(|fields| Kind::New { fields }),
        (2usize..4).prop_map(move |limit| Kind::Fewer { field: text("v"), across: text("w"), limit }),
        (select(vec![5.0, 20.0, 50.0]), 1usize..6).prop_map(move |(share, out_of)| Kind::Percent { field: text("v"), share, out_of }),
        (spans.clone(), select(vec![0.5, 1.0, 3.0]), 1u64..5).prop_map(|(span, deviations, floor)| Kind::Spike { span, deviations, floor }),
        (spans, select(vec![0.1, 0.5, 1.0]), 1u64..3).prop_map(|(span, deviations, floor)| Kind::Silence { span, deviations, floor }),
        (select(vec![100.0, 900.0]), select(vec![1.0, 500.0, 8000.0])).prop_map(|(speed, distance)| Kind::Travel { speed, distance }),
        select(vec![2 * HOUR, 6 * HOUR, DAY]).prop_map(|after| Kind::Dormant { after }),
        off_hours(),
    ]
}

fn off_hours() -> impl Strategy<Value = Kind> {
    // The tests' first instant is a Monday's 10:00 UTC: hours that end with it, begin with it, and go through the night.
    let hours = select(vec![(480, 1080), (600, 601), (0, 600), (600, 1440), (1320, 360), (810, 570), (930, 931)]);
    let day = START.div_euclid(DAY);
    let days = any::<[bool; 7]>().prop_filter("a day of work", |days| days.contains(&true));
    (hours, days, select(ZONES.to_vec()), prop::collection::btree_set(day - 1..day + 5, 0..3)).prop_map(|(hours, days, (_, ahead), holidays)| Kind::OffHours {
        hours,
        days,
        ahead,
        holidays,
    })
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<String>>();
    let groups = select(vec![names(&["u"]), names(&["u"]), names(&["u", "w"]), names(&[])]);
    (kinds(), groups, select(vec![HOUR, 5 * HOUR, 20 * HOUR, 0]), 0usize..4).prop_map(|(kind, group_by, time, events)| {
        // What is learnt for no time is learnt for some events; travel, absence and hours need no learning.
        let free = matches!(kind, Kind::Travel { .. } | Kind::Dormant { .. } | Kind::OffHours { .. });
        let (time, events) = if free { (0, 0) } else { (time, if time == 0 { events.max(1) } else { events }) };
        Behaviour { kind, group_by, time, events }
    })
}

fn facts() -> impl Strategy<Value = (Fact, bool, usize, u16)> {
    let user = select(vec![json!("ana"), json!("ana"), json!("bob"), json!(["ana", "bob"]), Value::Null]);
    let value = select(vec![json!("x"), json!("x"), json!("y"), json!("z"), json!(["x", "y"]), Value::Null, json!("")]);
    let other = select(vec![json!("p"), json!("p"), json!("q"), json!("r"), Value::Null]);
    let place = prop_oneof![3 => select(PLACES.to_vec()).prop_map(|p| json!(p)), 1 => Just(Value::Null)];
    let kind = select(vec!["hit", "hit", "hit", "hit", "known", "other"]);
    let time = (0i64..70, select(vec![0i64, 0, 1, 30 * 60_000_000]));
    (user, value, other, place, kind, time, 0usize..3, any::<u16>()).prop_map(|(u, v, w, p, kind, (tick, offset), file, rank)| {
        let mut body = Map::new();
        for (name, value) in [("u", u), ("v", v), ("w", w), ("ip.location", p)] {
            if !value.is_null() {
                body.insert(name.into(), value);
            }
        }
        body.insert("k".into(), json!(kind));
        (Fact { id: String::new(), time: tick * HOUR + offset, known_only: kind == "known", body }, kind == "other", file, rank)
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let edges = prop_oneof![1 => Just(None), 2 => (10i64..60, select(vec![0i64, 1, 30 * 60_000_000])).prop_map(|(t, o)| Some(t * HOUR + o))];
    let ends = prop_oneof![3 => Just(None), 1 => (40i64..70).prop_map(|t| Some(t * HOUR))];
    (behaviours(), vec(facts(), 1..60), 1usize..4, edges, ends).prop_map(|(behaviour, mut history, threads, from, to)| {
        for (i, fact) in history.iter_mut().enumerate() {
            fact.0.id = format!("e{i:03}");
        }
        let to = to.filter(|t| from.is_none_or(|f| f < *t));
        Case { behaviour, history, threads, from, to }
    })
}

fn files(history: &[(Fact, bool, usize, u16)], keep: &dyn Fn(i64) -> bool) -> Vec<(String, Vec<u8>)> {
    (0..3)
        .map(|file| {
            let mut of_file: Vec<_> = history.iter().filter(|h| h.2 == file && keep(h.0.time)).collect();
            of_file.sort_by_key(|h| h.3);
            let events: Vec<Value> = of_file.iter().map(|h| event(&h.0.id, &at(h.0.time), Value::Object(h.0.body.clone()))).collect();
            (format!("log-{file}"), ndjson(&events))
        })
        .filter(|f| !f.1.is_empty())
        .collect()
}

/// Without evidence where the definition leaves open which event of one instant shows that nothing came.
fn comparable(kind: &Kind, found: &BTreeSet<Found>) -> BTreeSet<Found> {
    let strip = |f: &Found| if matches!(kind, Kind::Silence { .. }) { (f.0.clone(), BTreeSet::new(), f.2.clone()) } else { f.clone() };
    found.iter().map(strip).collect()
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let rules = try_rules(&documents(&document(&case.behaviour), true)).map_err(TestCaseError::fail)?;
    let kind = &case.behaviour.kind;
    let absolute = |t: Option<i64>| t.map(|t| t + START);
    let period = Period { from: absolute(case.from), to: absolute(case.to) };
    let (seen, _) = run(&rules, files(&case.history, &|_| true), case.threads, period, None);
    let facts: Vec<Fact> = case.history.iter().filter(|h| !h.1).map(|h| Fact { time: h.0.time + START, ..h.0.clone() }).collect();
    let covered: Vec<i64> = case.history.iter().map(|h| h.0.time + START).filter(|t| period.to.is_none_or(|to| *t < to)).collect();
    let Answer { findings, unjudged } = answer(&case.behaviour, &facts, period.from, period.to, &covered);
    prop_assert_eq!(comparable(kind, &seen.findings), comparable(kind, &findings), "findings");
    prop_assert_eq!(seen.count, seen.findings.len(), "no finding stands twice");
    let missed: BTreeSet<(Vec<String>, u64)> = seen.unjudged.iter().map(|u| (u.0.clone(), u.2)).collect();
    if !matches!(kind, Kind::Silence { .. }) {
        prop_assert_eq!(missed, unjudged, "entities without enough history");
    }
    if let Some(from) = case.from {
        against_baseline(case, &rules, period, from, &seen)?;
    }
    Ok(())
}

/// History from a baseline, with the old logs beside it or without them, is history from the logs.
fn against_baseline(case: &Case, rules: &auditmill::rule::load::RuleSet, period: Period, from: i64, seen: &Outcome) -> Result<(), TestCaseError> {
    let kind = &case.behaviour.kind;
    let earlier = files(&case.history, &|t| t < from);
    if earlier.is_empty() {
        return Ok(());
    }
    let (_, baseline) = run(rules, earlier, case.threads, Period { from: None, to: period.from }, None);
    // Learnt in two steps it is the same.
    let half = from / 2;
    let (first, rest) = (files(&case.history, &|t| t < half), files(&case.history, &|t| t >= half && t < from));
    if !first.is_empty() && !rest.is_empty() {
        let (_, step) = run(rules, first, 1, Period { from: None, to: Some(half + START) }, None);
        let (_, both) = run(rules, rest, 1, Period { from: None, to: period.from }, Some(&step));
        prop_assert_eq!(&both, &baseline, "a baseline learnt in two steps");
    }
    for keep_old in [true, false] {
        let logs = files(&case.history, &|t| keep_old || t >= from);
        if logs.is_empty() {
            continue;
        }
        let (again, _) = run(rules, logs, case.threads, period, Some(&baseline));
        if again.counts.without_evidence == 0 {
            prop_assert_eq!(comparable(kind, &again.findings), comparable(kind, &seen.findings), "findings with the baseline, old logs {}", keep_old);
        }
        if !matches!(kind, Kind::Silence { .. }) {
            prop_assert_eq!(&again.unjudged, &seen.unjudged, "history with the baseline, old logs {}", keep_old);
        }
    }
    Ok(())
}

#[test]
fn behaviours_are_those_of_the_reference() {
    let mut runner = generator("behaviours", 800);
    runner.run(&cases(), |case| check(&case)).unwrap_or_else(|e| panic!("{e}"));
}
