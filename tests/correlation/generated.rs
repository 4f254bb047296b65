//! Generated correlations of every type over generated histories: our findings are those of the reference.
//!
//! A failure is kept twice: as a seed for the generator (tests/proptest-regressions), and, once its text is put there by
//! hand, as a file of tests/correlation/kept, which stays what it is when the generator changes.

use super::SECOND;
use super::reference::{Answer, Correlation, Fact, Kind, answers};
use crate::common::{Seen, at, event, generator, ndjson, project, scan_bytes, test_source, try_rules};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Detections: each matches the events whose `k` holds its letter.
const BASES: [&str; 3] = ["p", "q", "r"];
/// Files of a history.
const FILES: usize = 3;

/// An event and where it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Placed {
    fact: Fact,
    file: usize,
    /// A file that holds it once more, byte by byte.
    again: Option<usize>,
    /// The events of a file stand in the order of their ranks.
    rank: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    correlations: Vec<Correlation>,
    history: Vec<Placed>,
    threads: usize,
}

// -------------------------------------------------------------------------------------------------- rules and logs of a case

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::EventCount => "event_count",
        Kind::ValueCount => "value_count",
        Kind::ValueSum => "value_sum",
        Kind::ValueAvg => "value_avg",
        Kind::ValuePercentile(_) => "value_percentile",
        Kind::ValueMedian => "value_median",
        Kind::Temporal => "temporal",
        Kind::TemporalOrdered => "temporal_ordered",
    }
}

/// JSON is YAML.
fn document(c: &Correlation) -> Value {
    let number = |n: f64| if n.fract() == 0.0 { json!(n as i64) } else { json!(n) };
    let mut condition: Map<String, Value> = c.limits.iter().map(|(op, n)| (op.clone(), number(*n))).collect();
    if !c.fields.is_empty() {
        condition.insert("field".into(), if c.fields.len() == 1 { json!(c.fields[0]) } else { json!(c.fields) });
    }
    if let Kind::ValuePercentile(p) = c.kind {
        condition.insert("percentile".into(), json!(p));
    }
    let span = c.span / SECOND;
    let timespan = if span % 3600 == 0 { format!("{}h", span / 3600) } else { format!("{span}s") };
    // Findings of a correlation that another one names are looked at too.
    let mut body = json!({"type": kind_name(c.kind), "rules": c.rules, "group-by": c.group_by, "timespan": timespan, "generate": true});
    if !condition.is_empty() {
        body["condition"] = Value::Object(condition);
    }
    if !c.aliases.is_empty() {
        body["aliases"] = json!(c.aliases);
    }
    json!({"title": c.name, "id": format!("id-{}", c.name), "name": c.name, "level": "high", "correlation": body})
}

fn yaml(correlations: &[Correlation]) -> String {
    let base = |name: &str| json!({"title": name, "id": format!("id-{name}"), "name": name, "logsource": {"product": "test"}, "detection": {"s": {"k|contains": name}, "condition": "s"}, "level": "low"});
    BASES.iter().map(|b| base(b)).chain(correlations.iter().map(document)).map(|d| format!("---\n{d}\n")).collect()
}

fn files(history: &[Placed]) -> Vec<(String, Vec<u8>)> {
    let mut ordered: Vec<&Placed> = history.iter().collect();
    ordered.sort_by_key(|p| p.rank);
    let mut files: Vec<Vec<Value>> = vec![Vec::new(); FILES];
    for p in ordered {
        let record = event(&p.fact.id, &at(p.fact.time), Value::Object(p.fact.body.clone()));
        files[p.file].push(record.clone());
        files[p.again.unwrap_or(p.file)].extend(p.again.map(|_| record));
    }
    files.iter().enumerate().filter(|(_, f)| !f.is_empty()).map(|(i, f)| (format!("{i}.ndjson"), ndjson(f))).collect()
}

fn ours(seen: &Seen, c: &Correlation) -> Answer {
    let found = seen.findings.iter().filter(|f| f.rule == c.name);
    let mut findings: Vec<_> = found.map(|f| (f.entity.iter().map(|(_, v)| v.clone()).collect(), f.events.clone())).collect();
    findings.sort();
    Answer { findings, left_out: seen.ungrouped.get(&c.name).copied().unwrap_or(0) as usize }
}

/// The first correlation whose findings are not those of the reference, told; the reference's answers.
fn compare(case: &Case) -> Result<Vec<Answer>, String> {
    let set = try_rules(&yaml(&case.correlations))?;
    let seen = scan_bytes(test_source(), &set, files(&case.history), case.threads);
    if seen.totals.accepted as usize != case.history.len() {
        return Err(format!("{:?}", seen.totals));
    }
    let facts: Vec<Fact> = case.history.iter().map(|p| p.fact.clone()).collect();
    let expected = answers(&facts, &case.correlations);
    for (c, expected) in case.correlations.iter().zip(&expected) {
        let mut found = ours(&seen, c);
        // Of a chain, the definition does not say which events are left out when a row has a group with one rule only.
        if c.rules.iter().any(|r| !BASES.contains(&r.as_str())) || !c.aliases.is_empty() {
            found.left_out = expected.left_out;
        }
        if found != *expected {
            let text = serde_json::to_string(case).unwrap_or_default();
            return Err(format!("{}\nours      {found:?}\nreference {expected:?}\nto keep: {text}", document(c)));
        }
    }
    Ok(expected)
}

// ------------------------------------------------------------------------------------------------------------- generators

/// Times at and beside the borders of windows of 10 units, many of them equal.
fn time(unit: i64) -> impl Strategy<Value = i64> {
    let units = select(vec![0i64, 1, 2, 5, 10, 11, 15, 20, 21, 30, 31, 40, 60]);
    (units, select(vec![0i64, 0, 0, 1, -1, SECOND / 2])).prop_map(move |(n, us)| 100 * SECOND + n * unit + us)
}

fn cell(choices: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(0.85, select(choices))
}

fn placed(unit: i64) -> impl Strategy<Value = Placed> {
    let kind = select(vec!["p", "p", "q", "r", "pq", "qr", "pqr", "none"]).prop_map(Value::from);
    let group = || {
        let text = [json!("x"), json!("x"), json!("y"), json!(7), json!("7"), json!("")];
        let odd = [Value::Null, json!([]), json!(["x", "y"]), json!(["y", "y"]), json!(["x", null]), json!([null]), json!({"o": "x"}), json!([["x"], "z"])];
        cell(text.iter().cloned().cycle().take(18).chain(odd).collect())
    };
    let counted = {
        let numbers =
            [json!(2), json!("2"), json!(5), json!(-4), json!(0.5), json!("1.5"), json!("1e1"), json!(0), json!(["1", 3]), json!([2, null, "x", [4]])];
        let other = [Value::Null, json!(""), json!("Z"), json!("z"), json!([]), json!("+7"), json!("007"), json!("Infinity"), json!(true), json!({"o": 1})];
        cell(numbers.iter().cloned().chain(numbers.iter().cloned()).chain(other).collect())
    };
    let second = cell(vec![json!("p"), json!("q"), Value::Null]);
    let again = proptest::option::weighted(0.1, 0..FILES);
    (time(unit), kind, group(), group(), counted, second, (0..FILES, again, any::<u16>())).prop_map(|(time, k, a, b, v, w, (file, again, rank))| {
        let cells = [("k", Some(k)), ("a", a), ("b", b), ("v", v), ("w", w)];
        let body = cells.into_iter().filter_map(|(name, v)| Some((name.to_owned(), v?))).collect();
        Placed { fact: Fact { id: String::new(), time, body }, file, again, rank }
    })
}

fn limits(kind: Kind) -> BoxedStrategy<Vec<(String, f64)>> {
    let named = |limits: Vec<(&str, f64)>| limits.into_iter().map(|(op, n)| (op.to_owned(), n)).collect::<Vec<_>>();
    let (low, high, growing) = match kind {
        Kind::EventCount | Kind::ValueCount => (1, 7, 6),
        Kind::ValueSum => (-4, 20, 2),
        Kind::ValueAvg | Kind::ValuePercentile(_) | Kind::ValueMedian => (-2, 6, 2),
        Kind::Temporal => (1, 4, 6),
        Kind::TemporalOrdered => return Just(Vec::new()).boxed(),
    };
    let number = move || prop_oneof![5 => (low..high).prop_map(f64::from), 1 => (low..high).prop_map(|n| f64::from(n) + 0.5)];
    let lower = (select(vec!["gt", "gte", "gte"]), number()).prop_map(|l| vec![l]);
    let other = (select(vec!["lt", "lte", "eq", "neq"]), number()).prop_map(|l| vec![l]);
    let range = (select(vec![("gte", "lte"), ("gt", "lt"), ("gte", "neq"), ("gte", "lt")]), number(), number())
        .prop_map(|((below, above), a, b)| vec![(below, a.min(b)), (above, a.max(b))]);
    let without = if kind == Kind::Temporal { 8 } else { 0 };
    prop_oneof![growing => lower, 4 => other, 2 => range, without => Just(Vec::new())].prop_map(named).boxed()
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        3 => Just(Kind::EventCount),
        3 => Just(Kind::ValueCount),
        2 => Just(Kind::ValueSum),
        2 => Just(Kind::ValueAvg),
        2 => select(vec![0, 10, 25, 50, 75, 90, 95, 99, 100]).prop_map(Kind::ValuePercentile),
        1 => Just(Kind::ValueMedian),
        3 => Just(Kind::Temporal),
        3 => Just(Kind::TemporalOrdered),
    ]
}

/// A correlation before its rules are chosen among those that are there.
#[derive(Debug, Clone)]
struct Draft {
    kind: Kind,
    limits: Vec<(String, f64)>,
    picks: Vec<usize>,
    group_by: Vec<&'static str>,
    tuple: bool,
    span: i64,
}

fn draft() -> impl Strategy<Value = Draft> {
    let picks = vec(0usize..8, 1..4);
    let groups = select(vec![vec![], vec!["a"], vec!["a"], vec!["a", "b"], vec!["who"], vec!["who", "b"]]);
    (kind(), picks, groups, any::<bool>(), select(vec![10i64, 10, 10, 1, 25])).prop_flat_map(|(kind, picks, group_by, tuple, span)| {
        limits(kind).prop_map(move |limits| Draft { kind, limits, picks: picks.clone(), group_by: group_by.clone(), tuple, span })
    })
}

/// A correlation over the detections, and, for counts and sequences, over what grows of those before it.
fn finish(draft: Draft, number: usize, before: &[Correlation], unit: i64) -> Correlation {
    let mut there: Vec<String> = BASES.iter().map(|b| (*b).to_owned()).collect();
    let may_chain = draft.kind.is_count() && unit == SECOND;
    there.extend(before.iter().filter(|c| may_chain && c.is_monotone()).map(|c| c.name.clone()));
    let mut rules: Vec<String> = Vec::new();
    let least = if draft.kind.is_temporal() { 2 } else { 1 };
    // The order of the picks is the order of a sequence.
    for pick in draft.picks.into_iter().chain(0..) {
        let rule = &there[pick % there.len()];
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
        if rules.len() >= least && (rules.len() >= 3 || pick % 2 == 0) {
            break;
        }
    }
    // By the alias, the first rule is grouped by one field and the others by another.
    let fields = |i: usize| if i == 0 { "a" } else { "b" };
    let who: BTreeMap<String, String> = rules.iter().enumerate().map(|(i, r)| (r.clone(), fields(i).to_owned())).collect();
    let aliases = if draft.group_by.contains(&"who") { BTreeMap::from([("who".to_owned(), who)]) } else { BTreeMap::new() };
    let counted = match draft.kind {
        Kind::ValueCount if draft.tuple => vec!["v".to_owned(), "w".to_owned()],
        Kind::EventCount | Kind::Temporal | Kind::TemporalOrdered => Vec::new(),
        _ => vec!["v".to_owned()],
    };
    let group_by = draft.group_by.into_iter().map(str::to_owned).collect();
    Correlation { name: format!("c{number}"), kind: draft.kind, rules, group_by, aliases, fields: counted, limits: draft.limits, span: draft.span * unit }
}

/// Windows of seconds, or of hours: then bursts are longer than a finding may be.
fn case(least: usize) -> impl Strategy<Value = Case> {
    select(vec![SECOND, SECOND, SECOND, 3600 * SECOND]).prop_flat_map(move |unit| {
        (vec(draft(), 4..9), vec(placed(unit), least..61), select(vec![1usize, 2])).prop_map(move |(drafts, mut history, threads)| {
            let mut correlations: Vec<Correlation> = Vec::new();
            for (i, draft) in drafts.into_iter().enumerate() {
                let next = finish(draft, i, &correlations, unit);
                correlations.push(next);
            }
            history.iter_mut().enumerate().for_each(|(i, p)| p.fact.id = format!("e{i:02}"));
            Case { correlations, history, threads }
        })
    })
}

/// How often each kind was tried and fired.
type Tally = BTreeMap<&'static str, (u32, u32)>;

fn tried(name: &str, cases: u32, strategy: impl Strategy<Value = Case>) -> Tally {
    let tally: RefCell<Tally> = RefCell::default();
    let result = generator(name, cases).run(&strategy, |case| {
        let expected = compare(&case).map_err(TestCaseError::fail)?;
        for (c, answer) in case.correlations.iter().zip(&expected) {
            let chained = c.rules.iter().any(|r| !BASES.contains(&r.as_str()));
            let mut tally = tally.borrow_mut();
            for what in [Some(kind_name(c.kind)), chained.then_some("chain"), (!c.aliases.is_empty()).then_some("aliases")].into_iter().flatten() {
                let (tried, fired) = tally.entry(what).or_default();
                *tried += 1;
                *fired += u32::from(!answer.findings.is_empty());
            }
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    tally.into_inner()
}

#[test]
fn findings_equal_the_reference() {
    let tally = tried("correlation", 900, case(1));
    for (what, least) in [
        ("event_count", 100),
        ("value_count", 100),
        ("value_sum", 100),
        ("value_avg", 100),
        ("value_percentile", 100),
        ("value_median", 50),
        ("temporal", 100),
        ("temporal_ordered", 100),
        ("chain", 100),
        ("aliases", 100),
    ] {
        let (tried, fired) = tally.get(what).copied().unwrap_or_default();
        assert!(tried >= least && fired * 6 >= tried && fired < tried, "{what}: {fired} of {tried} fire: the generator says little");
    }
}

#[test]
fn counts_equal_the_reference() {
    let counts = case(1).prop_map(|mut case| {
        case.correlations.retain(|c| matches!(c.kind, Kind::EventCount | Kind::ValueCount) && c.aliases.is_empty());
        case.correlations.retain(|c| c.rules.iter().all(|r| BASES.contains(&r.as_str())));
        case
    });
    let tally = tried("correlation-counts", 300, counts);
    assert!(["event_count", "value_count"].iter().all(|k| tally.get(k).is_some_and(|(tried, fired)| fired * 4 >= *tried)), "{tally:?}");
}

/// Each case of tests/correlation/kept, which failed once or says something that no generator says often.
#[test]
fn kept_cases_equal_the_reference() {
    let mut paths: Vec<_> = std::fs::read_dir(project().join("tests/correlation/kept")).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for threads in [1, 2] {
            compare(&Case { threads, ..case.clone() }).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
    }
}

/// A failure of the generator is kept in a file, and that file is read and tried first in the next run.
#[test]
fn failures_of_generated_cases_are_kept_and_tried_again() {
    use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file: &'static str = Box::leak(dir.path().join("deep/kept.txt").display().to_string().into_boxed_str());
    let run = |cases: u32, fails: &dyn Fn(u32) -> bool| {
        let config = Config { cases, failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))), ..Config::default() };
        let tried = RefCell::new(Vec::new());
        let failed = TestRunner::new(config).run(&(0u32..1_000_000), |n| {
            tried.borrow_mut().push(n);
            if fails(n) { Err(TestCaseError::fail("so")) } else { Ok(()) }
        });
        (failed.is_err(), tried.into_inner())
    };
    let (failed, first) = run(50, &|n| n >= 1000);
    assert!(failed && std::fs::read_to_string(file).is_ok_and(|t| t.contains("cc ")));
    // What failed is the first that is tried from then on.
    let culprit = first.iter().copied().find(|n| *n >= 1000);
    let (_, again) = run(1, &|_| false);
    assert_eq!(again.first().copied(), culprit);
    // The project's own generators keep theirs beside the tests.
    let config = generator("correlation", 1).config().clone();
    assert!(format!("{:?}", config.failure_persistence).contains("tests/proptest-regressions/correlation.txt"), "{config:?}");
}
