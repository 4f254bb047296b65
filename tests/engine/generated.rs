//! Generated rules over generated events: our engine and the oracle match the same pairs.
//!
//! Kept out of the generator are the named differences of `decisions.rs`, and one more that the text does not decide:
//! JSON null as the value of a key inside an array of objects (the oracle takes the only such value for the field itself).
//! Where the oracle is wrong in a whole class (wildcards, `fieldref`), a plain definition written here takes its place.

use super::Oracle;
use crate::common::{event, generator, ndjson, rules, scan_bytes, test_source};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Fields that rules name; `m` is named by array blocks alone.
const FIELDS: [&str; 8] = ["f", "g", "h", "n.a", "n.b", "n.c.d", "l.x", "l.y"];
/// Texts of events and, as they hold no wildcard, of rules.
const TEXTS: [&str; 21] = [
    "",
    "a",
    "A",
    "ab",
    "aB",
    "abc",
    "b",
    "x y",
    "xyx",
    "10",
    "1",
    "0",
    "-3",
    "1.5",
    "true",
    "No",
    "10.1.1.1",
    "10.200.0.9",
    "192.168.0.1",
    "2001:db8::7",
    "é",
];
const PATTERNS: [&str; 12] = ["*", "?", "a*", "*b", "a*c", "?b", "*a*", "??", "x*x", "1*", r"a\*b", "É*"];
const NETWORKS: [&str; 5] = ["10.0.0.0/8", "10.1.1.1/32", "192.168.0.0/16", "0.0.0.0/0", "2001:db8::/32"];
const EXPRESSIONS: [&str; 8] = ["a", "^a", "b$", "^$", "[ab]{2}", "^1", r"\d+\.\d", "A|x"];
/// Words that stand in no number, boolean, time or id: the oracle looks at string leaves only.
const WORDS: [&str; 4] = ["ab", "xy", "c", "é"];

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![select(vec![0i64, 1, 5, 10, -3, 4711]).prop_map(Value::from), select(vec![0.5f64, 1.5, 10.0, -2.25]).prop_map(Value::from)]
}

fn text() -> impl Strategy<Value = Value> {
    select(TEXTS.to_vec()).prop_map(Value::from)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![6 => text(), 1 => Just("a*b".into()), 2 => number(), 1 => any::<bool>().prop_map(Value::from)]
}

/// A value of a field; null only where `nulls` is set.
fn value(nulls: bool) -> BoxedStrategy<Value> {
    let element = prop_oneof![5 => scalar(), 1 => Just(Value::Null), 1 => vec(scalar(), 0..3).prop_map(Value::from)];
    prop_oneof![
        8 => scalar(),
        3 => vec(element, 0..4).prop_map(Value::from),
        1 => scalar().prop_map(|v| json!({ "k": v })),
        1 => if nulls { Just(Value::Null) } else { Just(json!([])) },
    ]
    .boxed()
}

fn object(keys: &'static [&'static str], value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let values: Vec<_> = keys.iter().map(|_| proptest::option::weighted(0.6, value.clone())).collect();
    values.prop_map(|values| Value::Object(keys.iter().zip(values).filter_map(|(k, v)| Some(((*k).to_owned(), v?))).collect())).boxed()
}

/// The body of an event.
pub fn body(nulls: bool) -> impl Strategy<Value = Value> {
    // Inside arrays of objects no key is null (see the module's head).
    let inner = object(&["a", "b"], value(false));
    let deep = (object(&["a", "b"], value(nulls)), proptest::option::of(object(&["d"], value(nulls)))).prop_map(|(mut o, c)| {
        if let (Some(map), Some(c)) = (o.as_object_mut(), c) {
            map.insert("c".into(), c);
        }
        o
    });
    let n = prop_oneof![4 => deep, 2 => vec(inner.clone(), 0..3).prop_map(Value::from), 1 => vec(vec(inner, 1..3).prop_map(Value::from), 1..3).prop_map(Value::from), 1 => scalar()];
    let pair = object(&["x", "y"], value(false));
    let l = prop_oneof![4 => vec(pair.clone(), 0..4).prop_map(Value::from), 1 => pair, 1 => vec(scalar(), 0..3).prop_map(Value::from)];
    let member = prop_oneof![4 => object(&["x", "y"], value(nulls)), 2 => scalar()];
    let m = prop_oneof![5 => vec(member, 0..4).prop_map(Value::from), 1 => object(&["x", "y"], value(nulls)), 1 => if nulls { Just(Value::Null) } else { Just(json!([])) }];
    let some = |s: BoxedStrategy<Value>| proptest::option::weighted(0.7, s);
    let flat = proptest::option::weighted(0.15, prop_oneof![scalar(), vec(scalar(), 0..3).prop_map(Value::from)]);
    (some(value(nulls)), some(value(nulls)), some(value(nulls)), some(n.boxed()), some(l.boxed()), some(m.boxed()), flat).prop_map(
        |(f, g, h, n, l, m, flat)| {
            let mut map = Map::new();
            for (key, value) in [("f", f), ("g", g), ("h", h), ("n", n), ("l", l), ("m", m), ("n.a", flat)] {
                if let Some(value) = value {
                    map.insert(key.into(), value);
                }
            }
            Value::Object(map)
        },
    )
}

/// One value as itself, several as a list.
fn one_or_list(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// Modifiers and values of an item.
pub fn asked(nulls: bool) -> BoxedStrategy<(String, Value)> {
    let neq = || select(vec!["", "", "", "|neq"]);
    let cased = || select(vec!["", "", "|cased"]);
    let pattern = prop_oneof![text(), select(PATTERNS.to_vec()).prop_map(Value::from)];
    let exact =
        (select(vec!["", "", "|contains"]), cased(), neq(), vec(pattern.clone(), 1..4)).prop_map(|(op, c, n, v)| (format!("{op}{c}{n}"), one_or_list(v)));
    let affix = (select(vec!["|startswith", "|endswith"]), cased(), neq(), vec(text(), 1..4)).prop_map(|(op, c, n, v)| (format!("{op}{c}{n}"), one_or_list(v)));
    let all = (select(vec!["", "|contains"]), cased(), vec(pattern, 2..4)).prop_map(|(op, c, v)| (format!("{op}{c}|all"), Value::Array(v)));
    let affix_all = (select(vec!["|startswith|all", "|endswith|all"]), vec(text(), 2..4)).prop_map(|(m, v)| (m.to_owned(), Value::Array(v)));
    let numeric = (neq(), vec(number(), 1..3)).prop_map(|(n, v)| (n.to_owned(), one_or_list(v)));
    let mixed = (neq(), vec(prop_oneof![text(), number(), any::<bool>().prop_map(Value::from)], 2..4)).prop_map(|(n, v)| (n.to_owned(), Value::Array(v)));
    let digits = (select(vec!["|contains", "|startswith", "|endswith"]), neq(), select(vec![0i64, 1, 10])).prop_map(|(m, n, v)| (format!("{m}{n}"), v.into()));
    let compared = (select(vec!["|gt", "|gte", "|lt", "|lte"]), number()).prop_map(|(m, v)| (m.to_owned(), v));
    let boolean = (neq(), any::<bool>()).prop_map(|(n, b)| (n.to_owned(), b.into()));
    let null = neq().prop_map(|n| (n.to_owned(), Value::Null));
    let expression = (select(vec!["|re", "|re|i"]), neq(), vec(select(EXPRESSIONS.to_vec()).prop_map(Value::from), 1..3))
        .prop_map(|(m, n, v)| (format!("{m}{n}"), one_or_list(v)));
    let network = (neq(), vec(select(NETWORKS.to_vec()).prop_map(Value::from), 1..3)).prop_map(|(n, v)| (format!("|cidr{n}"), one_or_list(v)));
    // On null the two differ, so one case has nulls and another has `exists`.
    let exists = any::<bool>().prop_map(move |b| if nulls { ("|contains".to_owned(), "a".into()) } else { ("|exists".to_owned(), b.into()) });
    prop_oneof![
        6 => exact, 3 => affix, 2 => all, 1 => affix_all, 2 => numeric, 2 => mixed, 1 => digits, 2 => compared, 1 => boolean, 2 => null, 2 => expression,
        2 => network, 2 => exists
    ]
    .boxed()
}

/// A mapping of items over these fields.
fn items(fields: &'static [&'static str], nulls: bool, most: usize) -> impl Strategy<Value = Value> {
    vec((select(fields.to_vec()), asked(nulls)), 1..=most)
        .prop_map(|items| Value::Object(items.into_iter().map(|(field, (modifiers, value))| (format!("{field}{modifiers}"), value)).collect()))
}

/// A named selection.
fn selection(nulls: bool) -> impl Strategy<Value = Value> {
    let block =
        (select(vec!["any", "all", "none", "all_or_empty"]), items(&["x", "y", "."], nulls, 2)).prop_map(|(q, body)| json!({ format!("m[{q}]"): body }));
    prop_oneof![
        6 => items(&FIELDS, nulls, 3),
        2 => vec(items(&FIELDS, nulls, 2), 1..4).prop_map(Value::from),
        1 => vec(select(WORDS.to_vec()).prop_map(Value::from), 1..3).prop_map(Value::from),
        2 => block,
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = select(vec!["sel_a", "sel_b", "flt_c", "sel_a", "1 of sel_*", "all of sel_*", "2 of sel_*", "1 of them", "all of them", "1 of flt_*"]);
    leaf.prop_map(str::to_owned).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|c| format!("not ({c})")),
            vec(inner.clone(), 2..4).prop_map(|cs| format!("({})", cs.join(" and "))),
            vec(inner, 2..4).prop_map(|cs| format!("({})", cs.join(" or "))),
        ]
    })
}

pub fn detection(nulls: bool) -> impl Strategy<Value = Value> {
    (selection(nulls), selection(nulls), selection(nulls), vec(condition(), 1..3)).prop_map(|(a, b, c, conditions)| {
        let conditions: Vec<Value> = conditions.into_iter().map(Value::from).collect();
        json!({ "sel_a": a, "sel_b": b, "flt_c": c, "condition": one_or_list(conditions) })
    })
}

/// Rules and events.
pub fn case() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    any::<bool>().prop_flat_map(|nulls| (vec(detection(nulls), 2..6), vec(body(nulls), 8..25)))
}

#[test]
fn generated_rules_match_what_the_oracle_matches() {
    let (pairs, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator("engine", 400).run(&case(), |(detections, bodies)| {
        // JSON is YAML.
        let yaml: String = detections
            .iter()
            .enumerate()
            .map(|(i, d)| {
                format!(
                    "---\n{}\n",
                    json!({"title": format!("R{i}"), "id": format!("r{i}"), "sigma-version": 3, "logsource": {"product": "test"}, "detection": d})
                )
            })
            .collect();
        let events: Vec<Value> = bodies.into_iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", b)).collect();
        let ours = scan_bytes(test_source(), &rules(&yaml), vec![("log".into(), ndjson(&events))], 1).matches;
        let oracle = Oracle::new(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
        let mut theirs = BTreeSet::new();
        for e in &events {
            theirs.extend(oracle.hits(e).into_iter().map(|rule| (rule, e["id"].as_str().unwrap_or_default().to_owned())));
        }
        pairs.set(pairs.get() + detections.len() * events.len());
        hits.set(hits.get() + theirs.len());
        match ours.symmetric_difference(&theirs).next() {
            None => Ok(()),
            Some(pair) => {
                let number = |text: &str| text[1..].parse::<usize>().unwrap_or_default();
                let who = if ours.contains(pair) { "ours alone matches" } else { "the oracle alone matches" };
                Err(TestCaseError::fail(format!("{who}\n  rule  {}\n  event {}", detections[number(&pair.0)], events[number(&pair.1)])))
            }
        }
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let (pairs, hits) = (pairs.get(), hits.get());
    assert!(pairs >= 10_000, "only {pairs} pairs");
    assert!((pairs / 10..pairs * 9 / 10).contains(&hits), "{hits} of {pairs} pairs match: the generator says little");
}

// ---------------------------------------------------------------------------------------------- against plain definitions

/// One item a rule over one value an event: ours and the definition match the same pairs, and some of both kinds.
fn equal_to_definition<Q: Debug + Clone, B: Debug + Clone>(
    name: &str,
    cases: impl Strategy<Value = (Vec<Q>, Vec<B>)>,
    item: impl Fn(&Q) -> (String, Value),
    body: impl Fn(&B) -> Value,
    holds: impl Fn(&Q, &B) -> bool,
) {
    let (pairs, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator(name, 200).run(&cases, |(questions, bodies)| {
        let yaml: String = questions
            .iter()
            .enumerate()
            .map(|(i, q)| {
                let (key, value) = item(q);
                let detection = json!({"s": {key: value}, "condition": "s"});
                format!("---\n{}\n", json!({"title": format!("R{i}"), "id": format!("r{i}"), "logsource": {"product": "test"}, "detection": detection}))
            })
            .collect();
        let events: Vec<Value> = bodies.iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", body(b))).collect();
        let ours = scan_bytes(test_source(), &rules(&yaml), vec![("log".into(), ndjson(&events))], 1).matches;
        for (r, q) in questions.iter().enumerate() {
            for (e, b) in bodies.iter().enumerate() {
                let (found, expected) = (ours.contains(&(format!("r{r}"), format!("e{e}"))), holds(q, b));
                prop_assert_eq!(found, expected, "{:?} on {}", item(q), body(b));
                pairs.set(pairs.get() + 1);
                hits.set(hits.get() + usize::from(expected));
            }
        }
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let (pairs, hits) = (pairs.get(), hits.get());
    assert!(pairs >= 5_000 && (pairs / 20..pairs * 19 / 20).contains(&hits), "{hits} of {pairs} pairs match");
}

/// Whether a pattern covers a text, one character after another.
fn covers(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => covers(rest, text) || (!text.is_empty() && covers(pattern, &text[1..])),
        (['?', rest @ ..], [_, more @ ..]) => covers(rest, more),
        ([p, rest @ ..], [t, more @ ..]) => p == t && covers(rest, more),
        _ => false,
    }
}

#[test]
fn wildcards_cover_what_their_definition_covers() {
    let text = vec(select(vec!['a', 'b', 'A', '\n', 'é', 'É', 'Σ', 'ς']), 0..6).prop_map(String::from_iter);
    let pattern = vec(select(vec!['a', 'b', 'A', '\n', 'é', 'σ', '*', '*', '?']), 0..5).prop_map(String::from_iter);
    let question = (pattern, select(vec!["", "|contains", "|startswith", "|endswith"]), any::<bool>());
    equal_to_definition(
        "wildcards",
        (vec(question, 2..6), vec(text, 6..16)),
        |(pattern, op, cased)| (format!("f{op}{}", if *cased { "|cased" } else { "" }), json!(pattern)),
        |text| json!({ "f": text }),
        |(pattern, op, cased), text| {
            // The three spellings of sigma are one letter.
            let fold = |t: &str| -> Vec<char> {
                let lower = |c: char| if c == 'ς' { 'σ' } else { c.to_lowercase().next().unwrap_or(c) };
                t.chars().map(|c| if *cased { c } else { lower(c) }).collect()
            };
            let (before, after) = (matches!(*op, "|contains" | "|endswith"), matches!(*op, "|contains" | "|startswith"));
            let whole: Vec<char> = before.then_some('*').into_iter().chain(fold(pattern)).chain(after.then_some('*')).collect();
            covers(&whole, &fold(text))
        },
    );
}

#[test]
fn fieldref_relates_any_element_of_both_sides() {
    let scalar = || prop_oneof![5 => select(vec!["", "a", "A", "ab", "b", "1", "true"]).prop_map(Value::from), 1 => Just(json!(1)), 1 => Just(json!(true)), 1 => Just(Value::Null)];
    let side = || proptest::option::weighted(0.9, prop_oneof![5 => scalar(), 3 => vec(scalar(), 0..4).prop_map(Value::from), 1 => Just(json!({"k": "a"}))]);
    let question = (select(vec!["", "|contains", "|startswith", "|endswith"]), any::<bool>(), any::<bool>());
    fn texts(v: Option<&Value>) -> Vec<String> {
        match v {
            Some(Value::Array(items)) => items.iter().flat_map(|i| texts(Some(i))).collect(),
            Some(Value::String(s)) => vec![s.clone()],
            Some(v @ (Value::Number(_) | Value::Bool(_))) => vec![v.to_string()],
            None | Some(Value::Null | Value::Object(_)) => Vec::new(),
        }
    }
    equal_to_definition(
        "fieldref",
        (vec(question, 2..6), vec((side(), side()), 6..16)),
        |(op, cased, neq)| (format!("f|fieldref{op}{}{}", if *cased { "|cased" } else { "" }, if *neq { "|neq" } else { "" }), json!("g")),
        |(f, g)| Value::Object([("f", f), ("g", g)].into_iter().filter_map(|(k, v)| Some((k.to_owned(), v.clone()?))).collect()),
        |(op, cased, neq), (f, g)| {
            let fold = |t: &String| if *cased { t.clone() } else { t.to_lowercase() };
            let relates = |a: String, b: String| match *op {
                "|contains" => a.contains(&b),
                "|startswith" => a.starts_with(&b),
                "|endswith" => a.ends_with(&b),
                _ => a == b,
            };
            let hit = texts(f.as_ref()).iter().any(|a| texts(g.as_ref()).iter().any(|b| relates(fold(a), fold(b))));
            if *neq { f.is_some() && !hit } else { hit }
        },
    );
}
