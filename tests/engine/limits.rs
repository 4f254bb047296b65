//! What the engine must survive without a change of results: more distinct values than a dictionary holds, many rows, many threads.

use crate::common::{event, ndjson, rules, scan_bytes};
use auditmill::source::SourceSet;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SOURCE: &str = "
id: test
title: Test
logsource: [{product: test}]
detect: [{has: [t]}]
time: {first: [t]}
columns:
  event_id: id
  user: [u.name, u]
  activity: {path: a, map: {in: user.login, out: user.logout}}
  category: {cases: [{when: {a: [in, out]}, then: {const: authentication}}]}
";

/// A rule over the record, and one over columns that are computed once for each distinct input.
const RULES: &str = "
title: Long
id: long
logsource: {product: test}
detection: {s: {f|endswith: x7}, t: {g: [p, q]}, condition: s and t}
---
title: Column
id: column
taxonomy: auditmill
logsource: {product: auditmill, category: authentication}
detection: {s: {activity: user.login, user|startswith: U}, condition: s}
";

#[test]
fn dictionaries_that_start_anew_change_nothing() {
    let sources = SourceSet::load(&[("test.yml".into(), SOURCE.into())]).expect("the source");
    // Every other file holds more distinct text than a dictionary may (16 MiB).
    let filler = "f".repeat(64 << 10);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let (mut long, mut column) = (BTreeSet::new(), BTreeSet::new());
    for file in 0..4 {
        let rows = if file % 2 == 0 { 280 } else { 40 };
        let events: Vec<Value> = (0..rows)
            .map(|n| {
                let id = format!("e{file}-{n}");
                let (g, a) = (["p", "q", "r"][n % 3], ["in", "out", "else"][(n / 3) % 3]);
                let tail = format!("x{}", n % 10);
                if n % 10 == 7 && g != "r" {
                    long.insert(id.clone());
                }
                if a == "in" && n % 2 == 0 {
                    column.insert(id.clone());
                }
                let f = if file % 2 == 0 { format!("{n}{filler}{tail}") } else { tail };
                let u = if n % 2 == 0 { json!({"name": format!("u{}", n % 5)}) } else { json!("other") };
                event(&id, "2024-01-15T10:00:00Z", json!({"f": f, "g": g, "a": a, "u": u}))
            })
            .collect();
        files.push((format!("{file}.ndjson"), ndjson(&events)));
    }
    for threads in [1, 3] {
        let seen = scan_bytes(&sources, &rules(RULES), files.clone(), threads);
        let ids = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>();
        assert_eq!(seen.hits("long").into_iter().map(str::to_owned).collect::<Vec<_>>(), ids(&long), "{threads} threads");
        assert_eq!(seen.hits("column").into_iter().map(str::to_owned).collect::<Vec<_>>(), ids(&column), "{threads} threads");
    }
    assert!(long.len() > 30 && column.len() > 60, "{} {}", long.len(), column.len());
}

#[test]
fn a_row_count_that_is_no_multiple_of_a_word_changes_nothing() {
    let set = rules(
        "title: Not\nid: not\nlogsource: {product: test}\ndetection: {s: {f: x}, condition: not s}\n---\ntitle: Two\nid: two\nlogsource: {product: test}\ndetection: {a_1: {f: x}, a_2: {g: x}, a_3: {h: x}, condition: 2 of a_*}\n",
    );
    for rows in [1usize, 63, 64, 65, 127, 128, 129] {
        let events: Vec<Value> = (0..rows)
            .map(|n| {
                event(
                    &format!("e{n:03}"),
                    "2024-01-15T10:00:00Z",
                    json!({"f": if n % 3 == 0 { "x" } else { "y" }, "g": if n % 2 == 0 { "x" } else { "y" }, "h": "x"}),
                )
            })
            .collect();
        let seen = scan_bytes(crate::common::test_source(), &set, vec![("log".into(), ndjson(&events))], 1);
        let expected = |keep: &dyn Fn(usize) -> bool| (0..rows).filter(|n| keep(*n)).map(|n| format!("e{n:03}")).collect::<Vec<_>>();
        assert_eq!(seen.hits("not").into_iter().collect::<Vec<_>>(), expected(&|n| n % 3 != 0), "{rows} rows");
        assert_eq!(seen.hits("two").into_iter().collect::<Vec<_>>(), expected(&|n| n % 3 == 0 || n % 2 == 0), "{rows} rows");
    }
}
