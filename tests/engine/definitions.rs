//! Rules against plain definitions, written here from the specification, of what the oracle gets wrong in a whole class:
//! wildcards, dashes, `fieldref`, keywords, lists in place of their names, times compared, and conditions, whose grammar
//! the oracle shares with us.

use super::Oracle;
use super::strategies::yaml_of;
use crate::common::{event, generator, ndjson, rules, scan_bytes, test_source};
use auditmill::rule::load::{RuleFile, load_rules};
use auditmill::rule::vars::Vars;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::fmt::Debug;

/// One item a rule over one body an event: ours and the definition match the same pairs, and some of both kinds.
fn equal_to_definition<Q: Debug + Clone, B: Debug + Clone>(
    name: &str,
    cases: impl Strategy<Value = (Vec<Q>, Vec<B>)>,
    item: impl Fn(&Q) -> (String, Value),
    body: impl Fn(&B) -> Value,
    holds: impl Fn(&Q, &B) -> bool,
) {
    let detection = |q: &Q| {
        let (key, value) = item(q);
        json!({"s": {key: value}, "condition": "s"})
    };
    detections_equal_to_definition(name, cases, detection, body, holds);
}

/// As [`equal_to_definition`] for whole detections.
fn detections_equal_to_definition<Q: Debug + Clone, B: Debug + Clone>(
    name: &str,
    cases: impl Strategy<Value = (Vec<Q>, Vec<B>)>,
    detection: impl Fn(&Q) -> Value,
    body: impl Fn(&B) -> Value,
    holds: impl Fn(&Q, &B) -> bool,
) {
    let (pairs, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator(name, 200).run(&cases, |(questions, bodies)| {
        let yaml = yaml_of(&questions.iter().map(&detection).collect::<Vec<_>>());
        let events: Vec<Value> = bodies.iter().enumerate().map(|(i, b)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", body(b))).collect();
        let ours = scan_bytes(test_source(), &rules(&yaml), vec![("log".into(), ndjson(&events))], 1).matches;
        for (r, q) in questions.iter().enumerate() {
            for (e, b) in bodies.iter().enumerate() {
                let (found, expected) = (ours.contains(&(format!("r{r}"), format!("e{e}"))), holds(q, b));
                prop_assert_eq!(found, expected, "{} on {}", detection(q), body(b));
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

/// Five characters that command lines take for one another (specification, appendix on modifiers).
const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

#[test]
fn windash_takes_each_dash_for_any_other() {
    let letters = || vec(select(vec!['a', 'b', ' ', '-', '-', '/', '–', '—', '―', '_']), 0..6).prop_map(String::from_iter);
    let pattern = vec(select(vec!['a', ' ', '-', '/', '—', '*', '?']), 1..5).prop_map(String::from_iter);
    let question = (pattern, select(vec!["|contains", "|contains", "|startswith", "|endswith", ""]), any::<bool>());
    equal_to_definition(
        "windash",
        (vec(question, 2..6), vec(letters(), 6..16)),
        |(pattern, op, first)| (if *first { format!("f|windash{op}") } else { format!("f{op}|windash") }, json!(pattern)),
        |text| json!({ "f": text }),
        |(pattern, op, _), text| {
            let one = |t: &str| -> Vec<char> { t.chars().map(|c| if DASHES.contains(&c) { '-' } else { c }).collect() };
            let (before, after) = (matches!(*op, "|contains" | "|endswith"), matches!(*op, "|contains" | "|startswith"));
            let whole: Vec<char> = before.then_some('*').into_iter().chain(one(pattern)).chain(after.then_some('*')).collect();
            covers(&whole, &one(text))
        },
    );
}

/// The scalar leaves of an event as texts.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.to_lowercase()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::Object(map) => map.values().flat_map(leaves).collect(),
    }
}

#[test]
fn keywords_look_into_every_leaf_and_at_no_key() {
    let scalar = prop_oneof![
        6 => select(vec!["", "foo", "FOO bar", "a foo b", "bar", "fo", "o", "47", "x 4711"]).prop_map(Value::from),
        1 => Just(json!(4711)),
        1 => Just(json!(47.5)),
        1 => Just(json!(true)),
        1 => Just(Value::Null),
    ];
    let leaf = scalar.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            // Keys hold the words too, and must not be looked at.
            proptest::collection::btree_map(select(vec!["foo", "bar", "k"]), inner, 0..3)
                .prop_map(|m| Value::Object(m.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    });
    let body = (leaf.clone(), proptest::option::of(leaf)).prop_map(|(m, n)| {
        let cells = [("m", Some(m)), ("foo", n)];
        Value::Object(cells.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect::<Map<_, _>>())
    });
    let word =
        || prop_oneof![5 => select(vec!["foo", "BAR", "fo*o", "47", "a?foo", "true"]).prop_map(Value::from), 1 => Just(json!(47)), 1 => Just(json!(4711))];
    let question = (vec(word(), 1..4), any::<bool>());
    detections_equal_to_definition(
        "keywords",
        (vec(question, 2..8), vec(body, 6..16)),
        |(words, all)| json!({"keywords": if *all && words.len() > 1 { json!({"|all": words}) } else { json!(words) }, "condition": "keywords"}),
        Value::clone,
        |(words, all), body| {
            // The id and the time of the event are leaves as well; they hold none of the words.
            let leaves = leaves(body);
            let found = |word: &Value| {
                let text = word.as_str().map_or_else(|| word.to_string(), str::to_lowercase);
                let pattern: Vec<char> = ['*'].into_iter().chain(text.chars()).chain(['*']).collect();
                leaves.iter().any(|l| covers(&pattern, &l.chars().collect::<Vec<_>>()))
            };
            if *all && words.len() > 1 { words.iter().all(found) } else { words.iter().any(found) }
        },
    );
}

/// A condition and its truth, apart from any parser.
#[derive(Debug, Clone)]
enum Truth {
    Name(usize),
    Not(Box<Truth>),
    And(Vec<Truth>),
    Or(Vec<Truth>),
    /// At least so many of the first so many names; of all of them where the second is none.
    Of(usize, usize),
}

const NAMES: [&str; 4] = ["sel_1", "sel_2", "sel_3", "other"];

impl Truth {
    fn holds(&self, truth: &[bool]) -> bool {
        match self {
            Truth::Name(i) => truth[*i],
            Truth::Not(t) => !t.holds(truth),
            Truth::And(ts) => ts.iter().all(|t| t.holds(truth)),
            Truth::Or(ts) => ts.iter().any(|t| t.holds(truth)),
            Truth::Of(n, of) => truth[..*of].iter().filter(|t| **t).count() >= *n,
        }
    }

    /// With as few parentheses as the precedence `not`, `and`, `or` allows; `within` is the one around it.
    fn text(&self, within: u8) -> String {
        let (own, text) = match self {
            Truth::Name(i) => (3, NAMES[*i].to_owned()),
            Truth::Of(n, of) => (3, format!("{} of {}", if n == of { "all".into() } else { n.to_string() }, if *of == 3 { "sel_*" } else { "them" })),
            Truth::Not(t) => (2, format!("not {}", t.text(2))),
            Truth::And(ts) => (1, ts.iter().map(|t| t.text(2)).collect::<Vec<_>>().join(" and ")),
            Truth::Or(ts) => (0, ts.iter().map(|t| t.text(1)).collect::<Vec<_>>().join(" or ")),
        };
        if own < within { format!("({text})") } else { text }
    }
}

#[test]
fn conditions_bind_as_the_specification_says() {
    let leaf =
        prop_oneof![4 => (0usize..4).prop_map(Truth::Name), 1 => (1usize..4).prop_map(|n| Truth::Of(n, 3)), 1 => (1usize..5).prop_map(|n| Truth::Of(n, 4))];
    let truth = leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![inner.clone().prop_map(|t| Truth::Not(Box::new(t))), vec(inner.clone(), 2..4).prop_map(Truth::And), vec(inner, 2..4).prop_map(Truth::Or),]
    });
    let bodies: Vec<[bool; 4]> = (0..16u8).map(|bits| std::array::from_fn(|i| bits >> i & 1 == 1)).collect();
    detections_equal_to_definition(
        "conditions",
        // Several conditions of a list are joined by OR.
        (vec(vec(truth, 1..3), 4..12), Just(bodies)),
        |conditions| {
            let texts: Vec<String> = conditions.iter().map(|c| c.text(0)).collect();
            let mut detection: Map<String, Value> = NAMES.iter().map(|n| ((*n).to_owned(), json!({ *n: "x" }))).collect();
            detection.insert("condition".into(), if texts.len() == 1 { json!(texts[0]) } else { json!(texts) });
            Value::Object(detection)
        },
        |bits| Value::Object(NAMES.iter().zip(bits).map(|(n, on)| ((*n).to_owned(), json!(if *on { "x" } else { "y" }))).collect()),
        |conditions, bits| conditions.iter().any(|c| c.holds(bits)),
    );
}

#[test]
fn parts_of_a_time_compare_like_numbers() {
    // Minutes, hours and so on of instants between 2020 and 2026, computed from the days since the epoch.
    let instant = (1_577_836_800i64..1_767_225_600, select(vec![0i64, 0, 330, -480]));
    let question = (select(vec!["minute", "hour", "day", "month", "year"]), select(vec!["", "|gt", "|gte", "|lt", "|lte"]), 0usize..7);
    let limits = |part: &str| match part {
        "minute" => [0, 10, 30, 31, 45, 58, 59],
        "hour" => [0, 6, 11, 12, 18, 22, 23],
        "day" => [1, 10, 15, 16, 28, 30, 31],
        "month" => [1, 2, 5, 6, 7, 11, 12],
        _ => [2020, 2021, 2022, 2023, 2024, 2025, 2019],
    };
    // Civil date of a day number (the usual calendar arithmetic, in eras of 400 years that begin in March).
    let civil = |days: i64| {
        let z = days + 719_468;
        let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
    };
    equal_to_definition(
        "times",
        (vec(question, 4..10), vec(instant, 8..20)),
        |(part, op, i)| (format!("f|{part}{op}"), json!(limits(part)[*i])),
        |(seconds, offset)| {
            let local = seconds + offset * 60;
            let ((y, m, d), s) = (civil(local.div_euclid(86_400)), local.rem_euclid(86_400));
            let zone =
                if *offset == 0 { "Z".to_owned() } else { format!("{}{:02}:{:02}", if *offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60) };
            json!({ "f": format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}{zone}", s / 3600, s / 60 % 60, s % 60) })
        },
        |(part, op, i), (seconds, _)| {
            let (y, m, d) = civil(seconds.div_euclid(86_400));
            let value = match *part {
                "minute" => seconds / 60 % 60,
                "hour" => seconds / 3600 % 24,
                "day" => d,
                "month" => m,
                _ => y,
            };
            let limit = limits(part)[*i];
            match *op {
                "|gt" => value > limit,
                "|gte" => value >= limit,
                "|lt" => value < limit,
                "|lte" => value <= limit,
                _ => value == limit,
            }
        },
    );
}

/// A rule with names of lists matches what the oracle matches with the lists written out.
#[test]
fn a_list_is_its_entries_written_out() {
    const LISTS: [(&str, &[&str]); 3] = [("admins", &["root", "ana"]), ("hosts", &["a", "b*", "x1"]), ("one", &["ab"])];
    let part = || prop_oneof![3 => select(vec!["%admins%", "%hosts%", "%one%"]), 2 => select(vec!["", "u/", "-", "x"])];
    let template = vec(part(), 1..4).prop_map(|parts| parts.concat()).prop_filter("names a list", |t| t.contains('%'));
    let question = (vec(template, 1..3), select(vec!["", "|contains", "|startswith", "|endswith"]), select(vec!["", "|cased"]), select(vec!["", "|neq"]));
    let text = vec(select(vec!["root", "ANA", "a", "b", "bz", "x1", "ab", "u/", "-", "x", ""]), 1..4).prop_map(|parts| parts.concat());
    let vars = Vars {
        lists: LISTS.iter().map(|(name, entries)| ((*name).to_owned(), Some(entries.iter().map(|e| (*e).to_owned()).collect()))).collect(),
        ..Vars::default()
    };
    fn written_out(template: &str) -> Vec<String> {
        let Some((name, entries)) = LISTS.iter().find(|(name, _)| template.contains(&format!("%{name}%"))) else { return vec![template.to_owned()] };
        entries.iter().flat_map(|e| written_out(&template.replacen(&format!("%{name}%"), e, 1))).collect()
    }
    let (pairs, hits) = (Cell::new(0usize), Cell::new(0usize));
    let result = generator("lists", 150).run(&(vec(question, 4..10), vec(text, 8..20)), |(questions, texts)| {
        let detections = |expand: &str, values: &dyn Fn(&str) -> Vec<String>| -> String {
            let item = |(templates, op, cased, neq): &(Vec<String>, &str, &str, &str)| {
                // A wildcard of an entry under startswith and endswith is where the oracle errs: all spelled as patterns.
                let values: Vec<String> = templates.iter().flat_map(|t| values(t)).collect();
                let values: Vec<String> = values
                    .into_iter()
                    .map(|v| {
                        if expand.is_empty() {
                            format!(
                                "{}{v}{}",
                                if matches!(*op, "|contains" | "|endswith") { "*" } else { "" },
                                if matches!(*op, "|contains" | "|startswith") { "*" } else { "" }
                            )
                        } else {
                            v
                        }
                    })
                    .collect();
                let op = if expand.is_empty() { "" } else { op };
                json!({"s": {format!("f{op}{cased}{expand}{neq}"): values}, "condition": "s"})
            };
            yaml_of(&questions.iter().map(item).collect::<Vec<_>>())
        };
        let file = RuleFile { file: "test.yml".into(), text: detections("|expand", &|t| vec![t.to_owned()]), required: true };
        let set = load_rules(vec![file], &vars);
        prop_assert!(set.check(true).is_ok(), "{:?}", set.fatal);
        let events: Vec<Value> = texts.iter().enumerate().map(|(i, t)| event(&format!("e{i}"), "2024-01-15T10:00:00Z", json!({ "f": t }))).collect();
        let ours = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events))], 1).matches;
        let oracle = Oracle::new(&detections("", &written_out)).expect("the rules written out");
        for e in &events {
            let id = e["id"].as_str().unwrap_or_default().to_owned();
            let theirs = oracle.hits(e);
            for (i, question) in questions.iter().enumerate() {
                let hit = theirs.contains(&format!("r{i}"));
                prop_assert_eq!(ours.contains(&(format!("r{i}"), id.clone())), hit, "{:?} on {}", question, e);
                pairs.set(pairs.get() + 1);
                hits.set(hits.get() + usize::from(hit));
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

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            out.push(if i <= group.len() { letter } else { '=' });
        }
    }
    out
}

/// The letters of base64 that stand for these bytes and nothing else, at each of three places: those that stay the same
/// whatever stands before and after.
fn offsets(bytes: &[u8]) -> Vec<String> {
    // As many bytes after them as make whole groups, so that there is no padding.
    let after = |before: usize| 6 - (before + bytes.len()) % 3;
    let around = |before: usize, fill: u8| base64(&[vec![fill; before], bytes.to_vec(), vec![fill; after(before)]].concat());
    let stable = |before: usize| around(before, 0).chars().zip(around(before, 0xff).chars()).filter(|(a, b)| a == b).map(|(a, _)| a).collect::<String>();
    (0..3).map(stable).filter(|letters| !letters.is_empty()).collect()
}

#[test]
fn encoded_texts_are_found_as_their_definition_says() {
    const TEXTS: [&str; 9] = ["a", "ab", "abc", "http://", "Invoke", "\u{e9}\u{416}", "/bin/sh", "12", "a*b?"];
    let text = || select(TEXTS.to_vec());
    let units = |t: &str, form: &str| -> Vec<u8> {
        let little = || t.encode_utf16().flat_map(u16::to_le_bytes);
        match form {
            "" => t.as_bytes().to_vec(),
            "utf16be|" => t.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            "utf16|" => [0xff, 0xfe].into_iter().chain(little()).collect(),
            _ => little().collect(),
        }
    };
    let forms = || select(vec!["", "", "wide|", "utf16le|", "utf16be|", "utf16|"]);
    let question = (forms(), select(vec!["base64", "base64|contains", "base64|startswith", "base64offset|contains", "base64offset"]), text(), any::<bool>());
    let body = (text(), forms(), 0usize..3, text(), 0usize..4).prop_map(move |(t, form, before, after, around)| match around {
        0 => t.to_owned(),
        1 => base64(&[&b"xyz"[..before], &units(t, form), after.as_bytes()].concat()),
        2 => format!("x{}y", base64(&units(t, form))),
        _ => base64(&units(t, form)),
    });
    equal_to_definition(
        "encodings",
        (vec(question, 8..16), vec(body, 12..24)),
        |(form, encoding, text, neq)| (format!("f|{form}{encoding}{}", if *neq { "|neq" } else { "" }), json!(text)),
        |text| json!({ "f": text }),
        |(form, encoding, text, neq), value| {
            // Upper and lower case are one, as for every other text of a rule.
            let (value, bytes) = (value.to_lowercase(), units(text, form));
            let whole = base64(&bytes).to_lowercase();
            let hit = match *encoding {
                "base64" => value == whole,
                "base64|contains" => value.contains(&whole),
                "base64|startswith" => value.starts_with(&whole),
                _ => offsets(&bytes).iter().any(|part| value.contains(&part.to_lowercase())),
            };
            hit != *neq
        },
    );
}
