//! What auditmill decides where the Sigma specification is silent or the tools differ (the table of RULES.md section 2),
//! a test a row. Where the oracle answers otherwise, the answers of both are in `exceptions.yml`.

use super::Oracle;
use crate::common::{Place, event, ndjson, rules, scan_bytes, test_source, try_rules};
use Verdict::{Hit, Miss, Refused};
use auditmill::finding::scan::RuleState;
use serde_json::{Value, json};

/// What an engine makes of one rule and one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Hit,
    Miss,
    Refused,
}

fn document(detection: &str) -> String {
    format!("title: R\nsigma-version: 3\nid: r\nlogsource: {{product: test}}\ndetection:\n{detection}\nlevel: high\n")
}

/// A detection of one selection with these lines.
fn selection(items: &str) -> String {
    let lines: String = items.lines().map(|l| format!("    {l}\n")).collect();
    format!("  selection:\n{lines}  condition: selection")
}

fn ours(detection: &str, body: &Value) -> Verdict {
    let Ok(set) = try_rules(&document(detection)) else { return Refused };
    let seen = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&[event("e", "2024-01-15T10:00:00Z", body.clone())]))], 1);
    assert_eq!(seen.totals.accepted, 1, "{:?}", seen.reasons);
    if seen.matches.is_empty() { Miss } else { Hit }
}

fn oracles(detection: &str, body: &Value) -> Verdict {
    match Oracle::new(&document(detection)) {
        Err(_) => Refused,
        Ok(oracle) if oracle.hits(&event("e", "2024-01-15T10:00:00Z", body.clone())).is_empty() => Miss,
        Ok(_) => Hit,
    }
}

/// Both engines answer so.
#[track_caller]
fn both(items: &str, body: Value, verdict: Verdict) {
    let detection = selection(items);
    assert_eq!(ours(&detection, &body), verdict, "ours: {items} on {body}");
    assert_eq!(oracles(&detection, &body), verdict, "oracle: {items} on {body}");
}

/// The rule does not load, and the refusal says this.
#[track_caller]
fn refused(detection: &str, says: &str) {
    let error = try_rules(&document(detection)).map(|_| ()).expect_err(detection);
    assert!(error.contains(says), "`{says}` is not in: {error}");
}

// ------------------------------------------------------------------------------------------------ section 2, row by row

#[test]
fn null_is_absent_or_null_and_nothing_else() {
    both("f: null", json!({}), Hit);
    both("f: null", json!({"f": null}), Hit);
    for other in [json!(""), json!([]), json!([null]), json!({}), json!(0), json!(false)] {
        both("f: null", json!({ "f": other }), Miss);
    }
    both("f|neq: null", json!({}), Miss);
    both("f|neq: null", json!({"f": null}), Miss);
    both("f|neq: null", json!({"f": ""}), Hit);
}

#[test]
fn an_empty_csv_cell_and_an_unmapped_column_are_absent() {
    let place = Place::new();
    place.write("log.csv", "Timestamp,User,Action,Resource,IP Address,Status\n2024-01-15 10:00:00 UTC,ana@acme.com,user.login,,,Success\n");
    place.write(
        "rules.yml",
        "title: Cell\nid: cell\nlogsource: {product: ops0}\ndetection: {s: {Resource: null}, t: {Resource|exists: false}, condition: s and t}\n---\ntitle: Column\nid: column\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection: {s: {ip: null, region: null}, t: {region|exists: false}, condition: s and t}\n",
    );
    place.run(&["scan", "log.csv", "--rules", "rules.yml", "--matches", "m"]).exits(0);
    let text = place.read_text("m");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn null_in_a_list_and_empty_lists_are_refused() {
    refused(&selection("f: [null, a]"), "selection of its own");
    refused(&selection("f: []"), "empty");
    refused(&selection("f|neq: []"), "empty");
    let place = Place::new();
    place.write("log", ndjson(&[event("e", "2024-01-15T10:00:00Z", json!({}))]));
    place.write("rule.yml", document(&selection("f: [null, a]")));
    place.run(&["scan", "log", "--rules", "rule.yml"]).exits(2).says("rule.yml:7").says("help:");
}

#[test]
fn exists_means_present_even_when_null() {
    // Specification, modifier exists: "Defines that a certain field has to exist [...] be it empty or null".
    both("f|exists: true", json!({"f": ""}), Hit);
    both("f|exists: true", json!({"f": []}), Hit);
    both("f|exists: true", json!({"f": {"a": 1}}), Hit);
    both("f|exists: true", json!({}), Miss);
    both("f|exists: false", json!({}), Hit);
}

#[test]
fn exists_takes_a_boolean_only() {
    for value in ["'False'", "0", "'yes'", "[true, false]", "x"] {
        refused(&selection(&format!("f|exists: {value}")), "true or false");
    }
}

#[test]
fn neq_misses_what_is_absent_and_hits_null() {
    both("f|neq: a", json!({}), Miss);
    both("f|neq: a", json!({"f": null}), Hit);
    both("f|neq: a", json!({"f": {"x": 1}}), Hit);
    both("f|neq: a", json!({"f": []}), Hit);
    both("f|neq: a", json!({"f": ["a", "b"]}), Miss);
    both("f|neq: [a, b]", json!({"f": "c"}), Hit);
    both("f|neq: [a, b]", json!({"f": "b"}), Miss);
}

#[test]
fn an_array_is_any_of_its_elements() {
    both("f: b", json!({"f": ["a", "b"]}), Hit);
    both("f: c", json!({"f": ["a", ["b", "c"]]}), Hit);
    both("f|contains|all: [a, b]", json!({"f": ["a", "b"]}), Hit);
    both("f|contains|all: [a, c]", json!({"f": ["a", "b"]}), Miss);
    both("n.x: b", json!({"n": [{"x": "a"}, {"x": "b"}]}), Hit);
    let detection = "  selection:\n    f: a\n  condition: not selection";
    for (body, verdict) in [(json!({"f": ["a", "b"]}), Miss), (json!({"f": ["c", "b"]}), Hit), (json!({}), Hit)] {
        assert_eq!(ours(detection, &body), verdict, "{body}");
        assert_eq!(oracles(detection, &body), verdict, "{body}");
    }
}

#[test]
fn fieldref_takes_any_element_of_both_sides_and_never_null() {
    both("f|fieldref: g", json!({"f": 1, "g": "1"}), Hit);
    both("f|fieldref: g", json!({"f": "A", "g": "a"}), Hit);
    both("f|fieldref: g", json!({"f": "a", "g": "b"}), Miss);
    both("f|fieldref: g", json!({"f": "a"}), Miss);
    both("f|fieldref|endswith: g", json!({"f": "user/ana", "g": "ana"}), Hit);
    both("f|fieldref|contains: g", json!({"f": "user/ana/x", "g": "bob"}), Miss);
}

#[test]
fn an_object_is_seen_by_exists_alone() {
    both("f: '*'", json!({"f": {"a": 1}}), Miss);
    both("f|contains: a", json!({"f": {"a": "a"}}), Miss);
    both("f|exists: true", json!({"f": {"a": 1}}), Hit);
    both("f: null", json!({"f": {"a": 1}}), Miss);
}

#[test]
fn a_flat_key_wins_over_the_path() {
    both("a.b: x", json!({"a.b": "y", "a": {"b": "x"}}), Miss);
    both("a.b: y", json!({"a.b": "y", "a": {"b": "x"}}), Hit);
    both("a.b: x", json!({"a": {"b": "x"}}), Hit);
    // The order of the keys in the record must not matter.
    both("a.b: x", json!({"a": {"b": "x"}, "a.b": "y"}), Miss);
    both("a.b: null", json!({"a": {"b": "x"}, "a.b": null}), Hit);
}

#[test]
fn a_path_is_reached_under_every_split_of_its_dots() {
    // A named exception: the oracle knows the whole flat key and the full descent only.
    both("a.b.c: 1", json!({"a": {"b": {"c": 1}}}), Hit);
    both("a.b.c: 1", json!({"a.b.c": 1}), Hit);
}

#[test]
fn field_names_are_case_sensitive() {
    both("F: x", json!({"f": "x"}), Miss);
    both("a.B: x", json!({"a": {"b": "x"}}), Miss);
}

#[test]
fn case_is_folded_character_by_character_with_and_without_wildcards() {
    both("f: s*", json!({"f": "ſ"}), Hit);
    both("f: É", json!({"f": "é"}), Hit);
    both("f: É*", json!({"f": "é"}), Hit);
    both("f: straße", json!({"f": "STRASSE"}), Miss);
    both("f|cased: a", json!({"f": "A"}), Miss);
    both("f|cased: a*", json!({"f": "Ab"}), Miss);
}

#[test]
fn numbers_are_compared_exactly_and_by_json_grammar() {
    both("f: 9007199254740993", json!({"f": 9007199254740993i64}), Hit);
    both("f: '012345678901'", json!({"f": "012345678901"}), Hit);
    both("f|gt: 5", json!({"f": "7"}), Hit);
    both("f|gte: 5", json!({"f": 5.0}), Hit);
    both("f|lt: 5", json!({"f": "NaN"}), Miss);
    both("f: 1", json!({"f": "1"}), Hit);
    both("f: 1", json!({"f": 1.0}), Hit);
    both("f: 1", json!({"f": true}), Miss);
}

#[test]
fn booleans_as_logs_spell_them_and_yaml_1_2() {
    both("f: true", json!({"f": true}), Hit);
    both("f: true", json!({"f": "TRUE"}), Hit);
    both("f: true", json!({"f": "yes"}), Hit);
    both("f: true", json!({"f": 1}), Miss);
    both("f: false", json!({"f": "no"}), Hit);
    both("f: No", json!({"f": "No"}), Hit);
    both("f: No", json!({"f": false}), Miss);
    for modifier in ["contains", "startswith", "endswith"] {
        refused(&selection(&format!("f|{modifier}: true")), "quote the value");
        refused(&selection(&format!("f|{modifier}: null")), "null takes no modifier");
    }
}

#[test]
fn a_wildcard_is_any_character_even_a_line_break() {
    both("f|contains: foo", json!({"f": "a\nfoo"}), Hit);
    both("f: 'a?b'", json!({"f": "axxb"}), Miss);
    both("f: 'a*b'", json!({"f": "xaxxb"}), Miss);
}

#[test]
fn a_backslash_escapes_a_wildcard() {
    both(r"f: C:\*", json!({"f": "C:*"}), Hit);
    both(r"f: C:\*", json!({"f": r"C:\x"}), Miss);
    both(r"f: C:\\*", json!({"f": r"C:\x"}), Hit);
    both(r"f: C:\Win", json!({"f": r"C:\Win"}), Hit);
    both(r"f: a\?", json!({"f": "a?"}), Hit);
    both(r"f: a\?", json!({"f": "ab"}), Miss);
}

#[test]
fn a_wildcard_under_startswith_and_endswith_stays_at_its_end() {
    // Exception (a): the oracle anchors the two at the wrong ends.
    both("f|contains: a?c", json!({"f": "xabcx"}), Hit);
}

#[test]
fn a_regular_expression_is_unanchored_cased_and_linear() {
    both("f|re: b+", json!({"f": "abbc"}), Hit);
    both("f|re: B", json!({"f": "b"}), Miss);
    both("f|re|i: B", json!({"f": "b"}), Hit);
    both("f|re: ^a$", json!({"f": "a\nb"}), Miss);
    both("f|re|m: ^a$", json!({"f": "a\nb"}), Hit);
    both("f|re: a.b", json!({"f": "a\nb"}), Miss);
    both("f|re|s: a.b", json!({"f": "a\nb"}), Hit);
    refused(&selection("f|re: a(?=b)"), "look-around");
    refused(&selection(r"f|re: (a)\1"), "backreferences");
    refused(&selection("f|re: a("), "a(");
    refused(&selection("f|i: a"), "belong to `re`");
    refused(&selection(&format!("f|re: '{}'", "(a{1000}){1000}")), "size");
}

#[test]
fn keywords_look_at_every_scalar_leaf() {
    let words = |list: &str| format!("  keywords:{list}\n  condition: keywords");
    for (list, body, verdict) in [
        ("\n    - foo", json!({"f": {"g": ["x", "a FOO b"]}}), Hit),
        ("\n    - foo", json!({"foo": "x"}), Miss),
        ("\n    - [foo, bar]", json!({"m": "fo", "n": "o"}), Miss),
    ] {
        let list = list.replace("[foo, bar]", "foo\n    - bar");
        assert_eq!(ours(&words(&list), &body), verdict, "{list} {body}");
        assert_eq!(oracles(&words(&list), &body), verdict, "{list} {body}");
    }
    assert_eq!(ours(&words("\n    '|all': [foo, bar]"), &json!({"m": "foo"})), Miss);
}

#[test]
fn cidr_takes_bare_addresses_and_mapped_ones() {
    both("f|cidr: 10.1.2.3/8", json!({"f": "10.9.9.9"}), Hit);
    both("f|cidr: 10.0.0.0/8", json!({"f": "11.0.0.1"}), Miss);
    both("f|cidr: 10.0.0.0/8", json!({"f": "AWS Internal"}), Miss);
    both("f|cidr: 10.0.0.0/8", json!({"f": "10.1.1.1:443"}), Miss);
    both("f|cidr|neq: 10.0.0.0/8", json!({"f": "AWS Internal"}), Hit);
    both("f|cidr|neq: 10.0.0.0/8", json!({}), Miss);
    refused(&selection("f|cidr: 10.0.0.0/33"), "not a network");
    refused(&selection("f|cidr: AWS"), "not a network");
}

#[test]
fn windash_takes_all_five_dashes_and_keeps_wildcards() {
    for dash in ["-", "/", "–", "—", "―"] {
        both("f|windash|contains: ' -x'", json!({ "f": format!("cmd {dash}x") }), Hit);
    }
    both("f|windash|contains: ' -x'", json!({"f": "cmd _x"}), Miss);
}

#[test]
fn encodings_are_of_the_text_and_of_nothing_else() {
    both("f|base64: abc", json!({"f": "YWJj"}), Hit);
    both("f|base64: abc", json!({"f": "abc"}), Miss);
    both("f|base64|contains: http://", json!({"f": "xxaHR0cDovL"}), Miss);
    both("f|base64|contains: http:/", json!({"f": "xxaHR0cDov"}), Hit);
    // Wildcards are characters like any other.
    both("f|base64: 'a*'", json!({"f": "YSo="}), Hit);
    both("f|base64: 'a*'", json!({"f": "YWI="}), Miss);
    both("f|base64: [x, abc]", json!({"f": ["-", "YWJj"]}), Hit);
    both("f|base64|neq: abc", json!({"f": "YWJj"}), Miss);
    both("f|base64|neq: abc", json!({"f": "abc"}), Hit);
    both("f|base64: abc", json!({}), Miss);
    // UTF-16: little-endian, big-endian, and with a byte order mark.
    both("f|wide|base64: ab", json!({"f": "YQBiAA=="}), Hit);
    both("f|utf16le|base64: ab", json!({"f": "YQBiAA=="}), Hit);
    both("f|utf16be|base64: ab", json!({"f": "AGEAYg=="}), Hit);
    both("f|utf16|base64: ab", json!({"f": "//5hAGIA"}), Hit);
    both("f|wide|base64: ab", json!({"f": "YWI="}), Miss);
    both("f|wide|base64offset|contains: IEX", json!({"f": "xxSQBFAFgA"}), Hit);
}

#[test]
fn base64offset_finds_a_text_at_each_of_three_places() {
    for before in ["", "x", "xy", "xyz"] {
        for after in ["", "1", "12"] {
            let encoded = super::definitions::base64(format!("{before}foobar{after}").as_bytes());
            assert_eq!(ours(&selection("f|base64offset|contains: foobar"), &json!({ "f": encoded })), Hit, "{encoded}");
            both("f|base64offset|contains: other1", json!({ "f": encoded }), Miss);
        }
    }
}

#[test]
fn modifiers_in_an_order_that_would_mean_something_else_are_refused() {
    for modifiers in ["base64|wide", "base64offset|wide", "base64|utf16le", "base64|utf16be", "base64|utf16"] {
        refused(&selection(&format!("f|{modifiers}: abc")), "order");
    }
    for modifiers in ["base64|base64offset", "wide|utf16be", "base64|re", "re|base64", "base64|cidr", "wide|gt", "base64|exists"] {
        assert_eq!(ours(&selection(&format!("f|{modifiers}: '1'")), &json!({"f": "MQ=="})), Refused, "{modifiers}");
    }
    refused(&selection("f|base64: true"), "text");
    refused(&selection("f|utf16: abc"), "bytes that are no text");
}

#[test]
fn null_takes_no_modifier_but_neq() {
    let modifiers = ["contains", "startswith", "re", "cidr", "gt", "hour", "base64", "base64offset", "wide|base64", "windash", "cased", "expand"];
    let loaded: Vec<&str> = modifiers.into_iter().filter(|m| ours(&selection(&format!("f|{m}: null")), &json!({})) != Refused).collect();
    assert!(loaded.is_empty(), "{loaded:?}");
}

#[test]
fn all_with_one_value_is_one_value_in_a_rule_of_others_and_in_none_of_ours() {
    for value in ["a", "[a]"] {
        assert_eq!(ours(&selection(&format!("f|contains|all: {value}")), &json!({"f": "xa"})), Hit);
        assert_eq!(ours(&selection(&format!("f|contains|all: {value}")), &json!({"f": "x"})), Miss);
    }
    // `all` over a list is written with two entries at least, on the line itself or on those below.
    for (file, text) in crate::common::own_rule_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.contains("|all")) {
            let value = line.split("|all").nth(1).and_then(|v| v.split_once(':')).map_or("", |(_, v)| v.trim());
            let below = lines[i + 1..].iter().take_while(|l| l.trim_start().starts_with("- ")).count();
            assert!(value.contains(',') || (value.is_empty() && below > 1), "{file}:{}: `all` with one value", i + 1);
        }
    }
}

#[test]
fn an_unset_list_makes_a_rule_not_assessable_and_no_match() {
    let set = rules(&document(&selection("f|expand: '%nobody%'")));
    let events = [event("e", "2024-01-15T10:00:00Z", json!({"f": "", "nobody": ""})), event("x", "2024-01-15T10:00:00Z", json!({"f": "%nobody%"}))];
    let seen = scan_bytes(test_source(), &set, vec![("log".into(), ndjson(&events))], 1);
    assert!(seen.matches.is_empty());
    assert!(matches!(&seen.states["R"], RuleState::NotAssessable(why) if why.contains("nobody")), "{:?}", seen.states);
    // The oracle takes the event's own field for the list: an absent one hits the empty text.
    assert_eq!(oracles(&selection("f|expand: '%nobody%'"), &json!({"f": ""})), Hit);
}

#[test]
fn a_list_takes_the_place_of_its_placeholder() {
    let place = Place::new();
    let events: Vec<Value> = ["u/root", "u/ROOT", "u/ana", "u/%admins%", "x10.1.2.3", "u/a%b"]
        .iter()
        .enumerate()
        .map(|(i, f)| json!({"eventID": format!("e{i}"), "eventVersion": "1", "eventSource": "s", "eventName": f, "eventTime": "2024-01-15T10:00:00Z"}))
        .collect();
    place.write("log", ndjson(&events)).write("vars.yml", "lists: {admins: [root, 'b*b'], none: []}\n");
    let rule = |id: &str, item: &str| {
        format!("---\ntitle: {id}\nid: {id}\nlogsource: {{product: aws}}\ndetection:\n  selection:\n    {item}\n  condition: selection\n")
    };
    place.write(
        "rules.yml",
        [
            rule("ends", "eventName|endswith|expand: '/%admins%'"),
            rule("literal", r"eventName|expand: 'u/a\%b'"),
            rule("empty", "eventName|expand: '%none%'"),
            rule("neither", "eventName|expand|neq: 'u/%admins%'"),
        ]
        .concat(),
    );
    place.run(&["scan", "log", "--rules", "rules.yml", "--vars", "vars.yml", "--matches", "m"]).exits(0);
    let mut hits: Vec<(String, String)> = crate::common::lines_of(&place.read("m"))
        .iter()
        .map(|m| (m["rule_id"].as_str().unwrap_or_default().to_owned(), m["event_id"].as_str().unwrap_or_default().to_owned()))
        .collect();
    hits.sort();
    let expected = [("ends", "e0"), ("ends", "e1"), ("literal", "e5"), ("neither", "e2"), ("neither", "e3"), ("neither", "e4"), ("neither", "e5")];
    assert_eq!(hits, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

#[test]
fn parts_of_a_time_are_in_utc_and_can_be_compared() {
    both("f|hour: 3", json!({"f": "2024-01-15T03:00:00Z"}), Hit);
    both("f|hour: 3", json!({"f": "2024-01-15T03:00:00+05:00"}), Miss);
    both("f|hour: 22", json!({"f": "2024-01-15T03:00:00+05:00"}), Hit);
    both("f|hour: 3", json!({"f": "2024-01-15 03:00:00"}), Hit);
    both("f|week: 53", json!({"f": "2021-01-01T00:00:00Z"}), Hit);
    both("f|day: 15", json!({"f": "soon"}), Miss);
    both("t|hour: 10", json!({}), Hit);
}

#[test]
fn a_pattern_or_name_that_fits_no_selection_is_an_error() {
    let with = |condition: &str| format!("  selection_a:\n    f: x\n  _hidden:\n    f: y\n  condition: {condition}");
    refused(&with("all of selecton*"), "fits no selection");
    refused(&with("1 of filter_*"), "fits no selection");
    refused(&with("selection"), "does not define");
    // The oracle takes `all of` nothing for true on every event.
    let place = Place::new();
    place.write("log", ndjson(&[event("e", "2024-01-15T10:00:00Z", json!({}))])).write("rule.yml", document(&with("all of selecton*")));
    place.run(&["scan", "log", "--rules", "rule.yml"]).exits(2).says("selecton*").says("selection_a");
}

#[test]
fn hidden_selections_stay_hidden_from_patterns() {
    let with = |condition: &str| format!("  selection_a:\n    f: x\n  _hidden:\n    f: y\n  condition: {condition}");
    for (condition, verdict) in [("1 of them", Miss), ("1 of _*", Hit), ("_hidden", Hit), ("selection_a or _hidden", Hit)] {
        assert_eq!(ours(&with(condition), &json!({"f": "y"})), verdict, "{condition}");
        assert_eq!(oracles(&with(condition), &json!({"f": "y"})), verdict, "{condition}");
    }
}

#[test]
fn a_pattern_is_a_full_glob() {
    let with = |pattern: &str| format!("  selection_user:\n    f: x\n  filter:\n    f: y\n  condition: 1 of {pattern}");
    for (pattern, x, y) in [
        ("selection*", Hit, Miss),
        ("selection_*", Hit, Miss),
        ("*_user", Hit, Miss),
        ("*ion_u*", Hit, Miss),
        ("s*_*r", Hit, Miss),
        ("s*user", Hit, Miss),
        ("*e*r", Hit, Hit),
        ("f*r", Miss, Hit),
        ("filter", Miss, Hit),
        ("*", Hit, Hit),
    ] {
        assert_eq!(ours(&with(pattern), &json!({"f": "x"})), x, "{pattern}");
        assert_eq!(ours(&with(pattern), &json!({"f": "y"})), y, "{pattern}");
    }
    for pattern in ["user*", "*selection", "S*", "s*z*r"] {
        refused(&with(pattern), "fits no selection");
    }
}

#[test]
fn a_count_of_selections() {
    let with = |condition: &str| format!("  s_a:\n    a: x\n  s_b:\n    b: x\n  s_c:\n    c: x\n  condition: {condition}");
    for (body, two, all) in [(json!({"a": "x", "c": "x"}), Hit, Miss), (json!({"b": "x"}), Miss, Miss), (json!({"a": "x", "b": "x", "c": "x"}), Hit, Hit)] {
        for (condition, verdict) in [("2 of s_*", two), ("all of s_*", all), ("1 of s_*", Hit)] {
            assert_eq!(ours(&with(condition), &body), verdict, "{condition} {body}");
            assert_eq!(oracles(&with(condition), &body), verdict, "{condition} {body}");
        }
    }
}

#[test]
fn timeframe_and_pipes_are_refused() {
    refused("  selection:\n    f: x\n  timeframe: 10m\n  condition: selection", "timespan");
    assert_eq!(ours("  selection:\n    f: x\n  condition: selection | count() > 5", &json!({"f": "x"})), Refused);
    // The help is the correlation that says the same.
    let counted = |pipe: &str| format!("  selection:\n    f: x\n  condition: selection | {pipe}");
    refused(&counted("count() by a.b > 20"), "{type: event_count, rules: [NAME], group-by: [a.b], timespan: 1h, condition: {gt: 20}}");
    refused(&counted("count(u) by ip, key >= 3"), "{type: value_count, rules: [NAME], group-by: [ip, key], timespan: 1h, condition: {field: u, gte: 3}}");
    refused(&counted("near other"), "retired aggregation syntax");
}

#[test]
fn several_conditions_are_joined_by_or() {
    let detection = "  a:\n    f: x\n  b:\n    f: y\n  condition:\n    - a\n    - b";
    for (f, verdict) in [("x", Hit), ("y", Hit), ("z", Miss)] {
        assert_eq!(ours(detection, &json!({ "f": f })), verdict);
        assert_eq!(oracles(detection, &json!({ "f": f })), verdict);
    }
}

#[test]
fn members_of_an_array_are_tested_one_by_one() {
    // Array blocks are of version 3 of the specification; `document` asks for it.
    let items = "p[any]:\n  port: 22\n  cidr: 0.0.0.0/0";
    both(items, json!({"p": [{"port": 22, "cidr": "0.0.0.0/0"}]}), Hit);
    both(items, json!({"p": [{"port": 22, "cidr": "10.0.0.0/8"}, {"port": 443, "cidr": "0.0.0.0/0"}]}), Miss);
    both("p[all]:\n  port: 22", json!({"p": [{"port": 22}, {"port": 22}]}), Hit);
    both("p[all]:\n  port: 22", json!({"p": [{"port": 22}, {"port": 23}]}), Miss);
    both("p[all]:\n  port: 22", json!({"p": []}), Miss);
    both("p[none]:\n  port: 22", json!({"p": [{"port": 23}]}), Hit);
    both("p[none]:\n  port: 22", json!({"p": []}), Hit);
    both("p[none]:\n  port: 22", json!({}), Hit);
    both("p[none]:\n  port: 22", json!({"p": null}), Hit);
    both("p[any]:\n  '.': 22", json!({"p": [21, 22]}), Hit);
    both("p[any]:\n  q[any]:\n    '.': x", json!({"p": [{"q": ["y"]}, {"q": ["x"]}]}), Hit);
    both("p[any]:\n  port: 22", json!({"p": {"port": 22}}), Hit);
}

#[test]
fn other_documents_are_refused_by_name() {
    for key in ["behaviour", "widget"] {
        let error = try_rules(&format!("title: X\nlevel: low\n{key}: {{}}\n")).map(|_| ()).expect_err(key);
        assert!(error.contains("`detection`") || error.contains(key), "{error}");
    }
    let error = try_rules("title: X\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\ncorrelation: {}\n").map(|_| ()).expect_err("two");
    assert!(error.contains("detection and correlation"), "{error}");
    let error = try_rules("title: X\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: s}\nfilter: {}\n").map(|_| ()).expect_err("two");
    assert!(error.contains("detection and filter"), "{error}");
}

#[test]
fn a_number_that_is_written_as_text_is_compared_as_its_kind_of_matcher_says() {
    // The rule's own kind decides: a text is compared as text, a number as a number.
    both("f: '1.0'", json!({"f": "1.0"}), Hit);
    both("f: '1.0'", json!({"f": "1"}), Miss);
    both("f: 1", json!({"f": "1.0"}), Hit);
    both("f: 10", json!({"f": "1e1"}), Hit);
    both("f|gt: 9", json!({"f": "10"}), Hit);
    both("f|gt: '9'", json!({"f": 10}), Hit);
    both("f|lt: 5", json!({"f": [9, "3"]}), Hit);
    both("f|gt: 5", json!({"f": true}), Miss);
    both("f|gt: 5", json!({"f": ""}), Miss);
}

#[test]
fn a_rules_selections_are_joined_as_yaml_nests_them() {
    // Items of a mapping are joined by AND, entries of a list by OR, also where lists of mappings and of words meet.
    let list = "  s:\n    - f: x\n      g: y\n    - h: z\n  condition: s";
    for (body, verdict) in [(json!({"f": "x", "g": "y"}), Hit), (json!({"f": "x"}), Miss), (json!({"h": "z"}), Hit), (json!({"g": "y"}), Miss)] {
        assert_eq!((ours(list, &body), oracles(list, &body)), (verdict, verdict), "{body}");
    }
    let nested = "  s:\n    - f|contains: [x, y]\n    - f|endswith|all: [z, yz]\n  condition: s";
    for (f, verdict) in [("axb", Hit), ("yz", Hit), ("z", Miss), ("q", Miss)] {
        assert_eq!((ours(nested, &json!({ "f": f })), oracles(nested, &json!({ "f": f }))), (verdict, verdict), "{f}");
    }
}
