//! The walk over plainly spelt records, held against the careful one and against serde_json, which share no line with it.

use auditmill::event::value::{Kind, Value};
use auditmill::source::json::{each_element, entries, items, string_end, unescape, value_end};
use auditmill::source::walk::{Element, FieldId, KeyMemory, Rank, Sink, Trie, walk_carefully, walk_plain, walk_record};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde::de::IgnoredAny;

/// Everything that a walk handed over.
#[derive(Debug, Default, PartialEq)]
struct Taken(Vec<(FieldId, Rank, Kind, String)>);

impl Sink for Taken {
    fn capture(&mut self, field: FieldId, rank: Rank, value: Value<'_>) {
        self.0.push((field, rank, value.kind, value.text.to_owned()));
    }

    fn forget(&mut self) {
        self.0.clear();
    }
}

const PATHS: [&str; 7] = ["a", "b", "a.b", "a.b.c", "b.a", "a b", "q\"k"];

/// Paths of which the last asks for the text of objects and arrays too.
fn trie() -> Trie {
    let mut trie = Trie::new();
    (0..).zip(PATHS).for_each(|(field, path)| trie.add(path, field, false));
    trie.add("j", PATHS.len() as FieldId, true);
    trie.add("j.a", PATHS.len() as FieldId + 1, false);
    trie
}

/// A string between quotes, spelt in any way that JSON allows, and some that it does not.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-c \u{e9}\u{1F600}/]{0,12}",
        2 => prop_oneof![Just(r#"\""#), Just(r"\\"), Just(r"\/"), Just(r"\b"), Just(r"\f"), Just(r"\n"), Just(r"\r"), Just(r"\t")].prop_map(str::to_owned),
        2 => prop_oneof![Just(r"\u0041"), Just(r"\u00e9"), Just(r"\u0000"), Just(r"\uD83D\uDE00"), Just(r"\uFFFF")].prop_map(str::to_owned),
        1 => prop_oneof![Just(r"\uD83D"), Just(r"\uDE00\uD83D"), Just(r"\u12"), Just(r"\x"), Just("\t"), Just("\u{1}"), Just("\u{7f}")].prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => prop::sample::select(vec!["a", "b", "c", "j", "a.b", "a.b.c", "b.a", "a b", "", "quite a long key that no path begins with"]).prop_map(|k| format!("\"{k}\"")),
        2 => prop::sample::select(vec![r#""q\"k""#, r#""\u0061""#, r#""q"k""#]).prop_map(str::to_owned),
        1 => string(),
    ]
}

fn space() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "", "", "", " ", "\n  ", "\t", "\r\n"])
}

/// A value as logs spell them, and sometimes as none may.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        6 => string(),
        3 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        3 => any::<i64>().prop_map(|n| n.to_string()),
        2 => (-9999i64..9999).prop_map(|n| n.to_string()),
        2 => any::<f64>().prop_filter("JSON has none of these", |n| n.is_finite()).prop_map(|n| n.to_string()),
        2 => prop::sample::select(vec!["0", "-0", "1.0", "1e3", "-1.5E-2", "999999999999999999", "1000000000000000000", "18446744073709551615", "18446744073709551616"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["01", "1.", ".5", "+1", "1e", "tru", "nulls", "NaN", "-", "", "1 2"]).prop_map(str::to_owned),
    ];
    scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            2 => (prop::collection::vec(inner.clone(), 0..4), space(), space()).prop_map(|(items, a, b)| format!("[{a}{}{b}]", items.join(&format!("{b},{a}")))),
            3 => object(inner),
        ]
    })
}

fn object(inner: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (prop::collection::vec((key(), inner), 0..6), space(), space()).prop_map(|(members, a, b)| {
        let members: Vec<String> = members.into_iter().map(|(k, v)| format!("{k}{a}:{b}{v}")).collect();
        format!("{{{b}{}{a}}}", members.join(&format!("{a},{b}")))
    })
}

fn careful(trie: &Trie, text: &str) -> (Result<Element, String>, Taken) {
    let mut taken = Taken::default();
    (walk_carefully(trie, &mut KeyMemory::default(), &mut taken, text), taken)
}

/// What the plain walk takes is a record of valid JSON, and what it hands over is what the careful walk does.
fn same(trie: &Trie, memory: &mut KeyMemory, text: &str) -> Result<bool, TestCaseError> {
    let mut plain = Taken::default();
    let end = walk_plain(trie, memory, &mut plain, text, 0);
    if let Some(end) = end {
        let record = &text[..end];
        prop_assert!(serde_json::from_str::<IgnoredAny>(record).is_ok(), "taken, and no JSON: {record}");
        let (element, taken) = careful(trie, record);
        prop_assert_eq!(element, Ok(Element::Object));
        prop_assert_eq!(&plain, &taken);
    }
    let mut either = Taken::default();
    let walked = walk_record(trie, memory, &mut either, text);
    let (element, taken) = careful(trie, text);
    prop_assert_eq!(&walked, &element);
    if walked.is_ok() {
        prop_assert_eq!(either, taken);
    }
    Ok(end.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Records one after another, so that keys are expected by what came before them.
    #[test]
    fn plain_records_are_walked_as_by_a_parser(records in prop::collection::vec(object(value()), 1..6)) {
        let (trie, mut memory) = (trie(), KeyMemory::default());
        for record in &records {
            same(&trie, &mut memory, record)?;
        }
    }

    /// A record with one byte changed, cut or doubled is taken as by a parser, or not at all.
    #[test]
    fn mutilated_records_are_taken_as_by_a_parser(record in object(value()), at in any::<prop::sample::Index>(), how in 0..3, with in "[\\x00-\\x7f]") {
        let places: Vec<usize> = record.char_indices().map(|(i, _)| i).collect();
        let at = places[at.index(places.len())];
        let next = at + record[at..].chars().next().map_or(0, char::len_utf8);
        let changed = match how {
            0 => format!("{}{with}{}", &record[..at], &record[next..]),
            1 => record[..at].to_owned(),
            _ => format!("{}{}", &record[..next], &record[at..]),
        };
        let (trie, mut memory) = (trie(), KeyMemory::default());
        same(&trie, &mut memory, &record)?;
        same(&trie, &mut memory, &changed)?;
    }

    /// What is passed over as a value is one, and every value is passed over as a whole.
    #[test]
    fn values_end_where_a_parser_says(text in value(), rest in "[ ,}\\]]{0,3}") {
        let whole = format!("{text}{rest}");
        let end = value_end(whole.as_bytes(), 0, 0);
        if let Some(end) = end {
            prop_assert!(serde_json::from_str::<IgnoredAny>(&whole[..end]).is_ok(), "passed over, and no value: {}", &whole[..end]);
        }
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert_eq!(end, Some(text.len()), "{}", whole);
        }
    }

    /// A string means what serde_json says that it means.
    #[test]
    fn strings_mean_what_a_parser_says(text in string()) {
        let parsed = serde_json::from_str::<String>(&text).ok();
        let ours = string_end(text.as_bytes(), 1).filter(|(quote, _)| quote + 1 == text.len()).and_then(|(quote, escaped)| {
            let mut out = String::new();
            unescape(&text[1..quote], &mut out)?;
            assert_eq!(escaped, text[1..quote].contains('\\'));
            Some(out)
        });
        prop_assert_eq!(ours, parsed, "{}", text);
    }

    /// Entries of objects and items of arrays are those that serde_json finds: of a key that stands twice it takes the last.
    #[test]
    fn entries_and_items_are_those_of_a_parser(text in value(), before in space(), after in space()) {
        let text = format!("{before}{text}{after}");
        let parse = |part: &str| serde_json::from_str::<serde_json::Value>(part);
        match parse(&text) {
            Ok(serde_json::Value::Object(map)) => {
                let found = entries(&text).into_iter().map(|(key, part)| Ok((key.into_owned(), parse(part)?)));
                let found: serde_json::Map<String, serde_json::Value> = found.collect::<Result<_, serde_json::Error>>().expect("values");
                prop_assert_eq!(found, map);
                prop_assert_eq!(items(&text), Vec::<&str>::new());
            }
            Ok(serde_json::Value::Array(all)) => {
                let found: Vec<_> = items(&text).into_iter().map(|part| parse(part).expect("a value")).collect();
                prop_assert_eq!(found, all);
                prop_assert!(entries(&text).is_empty());
            }
            Ok(_) => prop_assert!(items(&text).is_empty() && entries(&text).is_empty()),
            // What it is to begin with is taken, and nothing is made up.
            Err(_) => {
                let parts: Vec<&str> = items(&text).into_iter().chain(entries(&text).into_iter().map(|e| e.1)).collect();
                prop_assert!(parts.iter().all(|part| serde_json::from_str::<IgnoredAny>(part).is_ok()), "{}", text);
            }
        }
    }

    /// Elements of a document are those that serde_json finds in it.
    #[test]
    fn elements_are_those_of_a_parser(
        all in prop::collection::vec(value(), 0..5),
        more in prop::collection::vec((key(), value()), 0..3),
        after in any::<bool>(),
        a in space(),
        b in space(),
    ) {
        let array = format!("[{a}{}{b}]", all.join(&format!("{b},{a}")));
        let members: Vec<String> = more.iter().map(|(k, v)| format!("{k}{a}:{b}{v}")).collect();
        let own = format!("\"Records\"{b}:{a}{array}");
        let parts: Vec<String> = if after { members.into_iter().chain([own]).collect() } else { [own].into_iter().chain(members).collect() };
        let document = format!("{a}{{{b}{}{a}}}{b}", parts.join(","));
        for text in [&array, &document] {
            let mut found = Vec::new();
            let walked = each_element(text, &["Records".to_owned()], &mut |at| {
                let end = value_end(text.as_bytes(), at, 1)?;
                found.push(text[at..end].to_owned());
                Some(end)
            });
            if walked.is_some() {
                let parsed = serde_json::from_str::<IgnoredAny>(text);
                prop_assert!(parsed.is_ok(), "taken, and no JSON: {}", text);
                // Nothing between brackets is no element.
                let all: Vec<String> = all.iter().filter(|i| !i.is_empty()).cloned().collect();
                prop_assert_eq!(found, all);
            }
        }
    }
}

#[test]
fn what_logs_spell_is_taken_by_the_plain_walk() {
    let (trie, mut memory) = (trie(), KeyMemory::default());
    let plain = [
        r#"{"a":"x","b":{"a":[1,"two",null,true,{"c":3},[]]},"c":{"d":[{"e":1.5e3}]}}"#,
        r#"{ "a" : { "b" : { "c" : "deep" } } , "a.b" : "flat" }"#,
        r#"{"a":"a \"quoted\" \u00e9\ud83d\ude00\/ text","q\"k":-17,"j":{"a":[{}]}}"#,
        "{}",
    ];
    for text in plain {
        assert!(same(&trie, &mut memory, text).expect("the same"), "{text}");
    }
    // What another reader should tell.
    for text in ["[]", "7", "", "{", r#"{"a":1.5}"#, r#"{"a":"\ud83d"}"#, r#"{"a":-0}"#, "{\"a\":\"\u{1}\"}", r#"{"a":1,}"#, r#"{"a" 1}"#, r#"{a:1}"#] {
        assert!(!same(&trie, &mut memory, text).expect("the same"), "{text}");
    }
}

#[test]
fn nesting_is_read_as_deep_as_serde_json_goes_and_no_deeper() {
    // A debug build's parser wants more stack than a test has.
    let tried = std::thread::Builder::new().stack_size(64 << 20).spawn(|| {
        let (trie, mut memory) = (trie(), KeyMemory::default());
        for (open, close) in [("{\"a\":", "}"), ("{\"c\":", "}"), ("[", "]")] {
            for depth in [1, 60, 63, 64, 65, 100, 125, 126, 127, 128, 200, 100_000] {
                let text = format!("{{\"c\":{}1{},\"a\":2}}", open.repeat(depth), close.repeat(depth));
                same(&trie, &mut memory, &text).expect("the same");
                let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
                assert_eq!(walk_record(&trie, &mut memory, &mut Taken::default(), &text).is_ok(), valid, "{depth} of {open}");
                assert_eq!(value_end(text.as_bytes(), 0, 0).is_some(), valid, "{depth} of {open}");
            }
        }
    });
    tried.expect("a thread").join().expect("no fault");
}
