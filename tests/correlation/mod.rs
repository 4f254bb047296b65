//! Correlations against a brute-force reference of their definition, and each decision by name.
//!
//! What the reference and the named tests take as decided, beside the specification:
//!
//! - **Window.** Every window begins at a row and holds the rows of its group whose times lie within the timespan, both
//!   borders inside, to the microsecond; rows of one instant enter and leave together.
//! - **Burst.** Qualifying windows of a group that share a row are one burst; its evidence is all rows inside them. A finding
//!   is at most 24 h long, or as long as the timespan if that is longer: a longer burst is cut from its first row on.
//! - **Which windows are judged.** Counts (`event_count`, `value_count`, `temporal`, `temporal_ordered`) under `gt` and `gte`
//!   alone: every window. All else (an upper bound, `eq`, `neq`, a sum, an average, a percentile): only windows that no
//!   other window of the group contains, since a part of a burst passes through any smaller figure. No row, no window.
//! - **Group.** Arrays are taken apart, also nested ones; null elements and objects are no values; what holds no value is
//!   null (absent, `null`, `[]`, an object). Null is a value of a group as long as another key is not null. A row whose
//!   combinations are all null is left out and counted once, however many rules it matches. `""` is a value.
//! - **Counting.** A row that several rules match counts once. `value_count` counts distinct texts (`2` and `"2"` are one,
//!   case counts), several fields are a tuple of which no part is null. Rows without a counted value are no evidence.
//! - **Sums, averages, percentiles.** Numeric values are JSON numbers and texts in the grammar of JSON numbers, each element
//!   of an array for itself; all else does not count, and a row without any is no evidence. No number, no result: not even
//!   `lt` holds. A percentile is interpolated linearly at rank p/100·(n−1) of the sorted values, the median is p = 50.
//! - **Temporal.** All rules of the list within one window; with a condition, its comparisons hold for the number of
//!   distinct rules. One row may serve two rules. The evidence is every row of any of the rules inside. Ordered: there are
//!   distinct rows, one a rule in the listed order, with times that do not fall; rows of one instant are in order whatever
//!   their places in the files.
//! - **Aliases** name a field for each rule of the list. **Chains.** A row that completes a window of a correlation (the
//!   window that ends with it and with all rows of its instant satisfies the condition) is a hit of that correlation at
//!   its time, for each group. The parent groups a hit by the values of all rows that the completed window holds, counts
//!   their values, and has the union of theirs as evidence. A hit is that row: one that completes windows of two children,
//!   or of two groups, counts once, and in a sequence it is not another row beside itself.

mod chains;
mod counts;
mod figures;
mod generated;
mod reference;
mod temporal;

use crate::common::{Seen, at, event, ndjson, rules, scan_bytes, test_source};
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000;

/// A detection that matches every event of this kind.
fn base(name: &str, kind: &str) -> String {
    format!("title: {name}\nid: id-{name}\nname: {name}\nlogsource: {{product: test}}\ndetection: {{s: {{k: {kind}}}, condition: s}}\nlevel: low\n---\n")
}

/// A base that matches every event with `k: hit`, and a correlation of this type and these keys over it.
fn over_hits(kind: &str, keys: &str) -> String {
    format!("{}{}", base("base", "hit").replace("title: base\nid: id-base", "title: Base\nid: base"), correlation("C", kind, &format!("rules: [base]\n{keys}")))
}

/// A correlation document with these keys.
fn correlation(title: &str, kind: &str, keys: &str) -> String {
    format!("title: {title}\nid: {}\nlevel: high\ncorrelation:\n  type: {kind}\n  {}\n", title.to_lowercase(), keys.replace('\n', "\n  "))
}

/// Events of `k: hit` at these seconds.
fn hits(bodies: &[(f64, Value)]) -> Vec<Value> {
    let kinds: Vec<(f64, &str, Value)> = bodies.iter().map(|(seconds, body)| (*seconds, "hit", body.clone())).collect();
    kinds_at(&kinds)
}

/// Events `e0`, `e1`, … of these kinds at these seconds.
fn kinds_at(events: &[(f64, &str, Value)]) -> Vec<Value> {
    let numbered = events.iter().enumerate();
    numbered
        .map(|(i, (seconds, kind, body))| {
            let mut body = body.clone();
            body["k"] = json!(kind);
            event(&format!("e{i}"), &at((seconds * 1e6).round() as i64), body)
        })
        .collect()
}

fn at_seconds(times: &[f64]) -> Vec<Value> {
    hits(&times.iter().map(|t| (*t, json!({"u": "ana"}))).collect::<Vec<_>>())
}

fn run(yaml: &str, events: &[Value]) -> Seen {
    scan_bytes(test_source(), &rules(yaml), vec![("log".into(), ndjson(events))], 1)
}

/// The bursts of the correlation `C`.
fn bursts(yaml: &str, events: &[Value]) -> Vec<Vec<String>> {
    let seen = run(yaml, events);
    seen.bursts("C").into_iter().map(|b| b.into_iter().map(str::to_owned).collect()).collect()
}
