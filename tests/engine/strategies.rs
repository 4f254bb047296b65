//! Generated detections and events of the tests that compare with the oracle.
//!
//! Kept out are the named differences of `exceptions.yml`, and one more that the text does not decide: JSON null as the
//! value of a key inside an array of objects (the oracle takes the only such value for the field itself). Where the oracle
//! is wrong in a whole class (wildcards, dashes, `fieldref`, keywords under `|all`), `definitions.rs` takes its place.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// Fields that rules name; `m` is named by array blocks alone, `when` by parts of a time.
const FIELDS: [&str; 8] = ["f", "g", "h", "n.a", "n.b", "n.c.d", "l.x", "l.y"];
/// Texts of events and, as they hold no wildcard, of rules.
const TEXTS: [&str; 27] = [
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
    "É",
    "ЖЁ",
    "жё",
    "1.0",
    "10.00",
    "1e1",
];
/// Times in the forms that the oracle reads too, and texts that are none.
const TIMES: [&str; 9] = [
    "2024-01-15T03:04:00Z",
    "2024-01-15T03:04:59.999999Z",
    "2024-01-15T03:04:00+05:00",
    "2023-12-31T23:30:00-01:00",
    "2021-01-01T00:00:00Z",
    "2020-12-31 22:59:00",
    "2024-02-29T10:15:00",
    "soon",
    "",
];
const PARTS: [(&str, &[i64]); 6] = [
    ("minute", &[4, 30, 59, 0, 15]),
    ("hour", &[3, 22, 0, 10]),
    ("day", &[15, 14, 1, 31, 29]),
    ("week", &[3, 1, 53, 9]),
    ("month", &[1, 12, 2]),
    ("year", &[2024, 2020, 2021]),
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
    let time = || select(TIMES.to_vec()).prop_map(Value::from);
    let when = some(prop_oneof![4 => time(), 1 => vec(time(), 0..3).prop_map(Value::from)].boxed());
    (some(value(nulls)), some(value(nulls)), some(value(nulls)), some(n.boxed()), some(l.boxed()), some(m.boxed()), flat, when).prop_map(
        |(f, g, h, n, l, m, flat, when)| {
            let mut map = Map::new();
            for (key, value) in [("f", f), ("g", g), ("h", h), ("n", n), ("l", l), ("m", m), ("n.a", flat), ("when", when)] {
                if let Some(value) = value {
                    map.insert(key.into(), value);
                }
            }
            Value::Object(map)
        },
    )
}

/// One value as itself, several as a list.
pub fn one_or_list(mut values: Vec<Value>) -> Value {
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
    let item = (select(fields.to_vec()), asked(nulls)).prop_map(|(field, (modifiers, value))| (format!("{field}{modifiers}"), value));
    vec(item, 1..=most).prop_map(|items| Value::Object(items.into_iter().collect()))
}

/// A part of the time in `when`, or several of it.
fn time_part() -> impl Strategy<Value = Value> {
    (select(PARTS.to_vec()), vec(any::<prop::sample::Index>(), 1..3), select(vec!["", "", "|neq"])).prop_map(|((part, numbers), picks, neq)| {
        let numbers: Vec<Value> = picks.iter().map(|i| (*i.get(numbers)).into()).collect();
        json!({ format!("when|{part}{neq}"): one_or_list(numbers) })
    })
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
        1 => time_part(),
    ]
}

/// Selectors of each form; `_hid` is left out of `them` and of patterns that do not begin with `_`.
const LEAVES: [&str; 16] = [
    "sel_a",
    "sel_b",
    "flt_c",
    "sel_a",
    "_hid",
    "1 of sel_*",
    "all of sel_*",
    "2 of sel_*",
    "1 of them",
    "all of them",
    "2 of them",
    "3 of them",
    "1 of flt_*",
    "all of flt_*",
    "1 of _*",
    "any of sel_*",
];

pub fn condition() -> impl Strategy<Value = String> {
    select(LEAVES.to_vec()).prop_map(str::to_owned).prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|c| format!("not ({c})")),
            1 => select(LEAVES.to_vec()).prop_map(|c| format!("not {c}")),
            3 => vec(inner.clone(), 2..4).prop_map(|cs| format!("({})", cs.join(" and "))),
            3 => vec(inner.clone(), 2..4).prop_map(|cs| format!("({})", cs.join(" or "))),
            1 => inner.clone().prop_map(|c| format!("(({c}))")),
            // Without parentheses `and` binds closer than `or`.
            1 => (select(LEAVES.to_vec()), inner, select(LEAVES.to_vec())).prop_map(|(a, b, c)| format!("({a} or {b} and not {c})")),
        ]
    })
}

pub fn detection(nulls: bool) -> impl Strategy<Value = Value> {
    (selection(nulls), selection(nulls), selection(nulls), selection(nulls), vec(condition(), 1..4)).prop_map(|(a, b, c, hidden, conditions)| {
        let conditions: Vec<Value> = conditions.into_iter().map(Value::from).collect();
        json!({ "sel_a": a, "sel_b": b, "flt_c": c, "_hid": hidden, "condition": one_or_list(conditions) })
    })
}

/// Rules of one file: JSON is YAML.
pub fn yaml_of(detections: &[Value]) -> String {
    let document = |(i, d): (usize, &Value)| json!({"title": format!("R{i}"), "id": format!("r{i}"), "name": format!("name-{i}"), "sigma-version": 3, "logsource": {"product": "test"}, "detection": d});
    detections.iter().enumerate().map(document).map(|d| format!("---\n{d}\n")).collect()
}

/// A few rules and the events that they meet.
pub fn case() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    any::<bool>().prop_flat_map(|nulls| (vec(detection(nulls), 2..6), vec(body(nulls), 8..25)))
}
