//! Behaviours in words: what a rule calls unusual, what a finding saw, and who could not be judged.

use super::evidence::{push_json_text, push_number};
use super::{grouped, printable, shorten};
use crate::engine::behaviour::{Fact, FactValue, Unready};
use crate::event::time::{format_duration, format_time};
use crate::finding::behaviour::{Counts, History, history_words, learning_words, span_words};
use crate::finding::scan::Scan;
use crate::rule::Body;
use crate::rule::behaviour::{Behaviour, BehaviourKind, Learning, Rarity};
use serde::Serialize;
use std::io::{self, Write};

/// What a behaviour calls unusual, in words.
pub fn behaviour_words(b: &Behaviour) -> String {
    let what = match &b.kind {
        BehaviourKind::NewValue { fields } if fields.len() == 1 => format!("a new {}", fields[0]),
        BehaviourKind::NewValue { fields } => format!("a new {} in one event", fields.join(" and a new ")),
        BehaviourKind::RareValue { field, rarity: Rarity::FewerThan { across, limit } } => format!("a {field} of fewer than {limit} different {across}"),
        BehaviourKind::RareValue { field, rarity: Rarity::Percent { share, out_of } } => {
            format!("a {field} of less than {share} % of at least {out_of} events")
        }
        BehaviourKind::Spike(v) => format!("at least {} events in {}, {} spreads above the usual", v.floor, format_duration(v.timespan), v.deviations),
        BehaviourKind::Silence(v) => format!("{} spreads below the usual of at least {} events in {}", v.deviations, v.floor, format_duration(v.timespan)),
        BehaviourKind::ImpossibleTravel { speed, distance } => format!("two places at least {distance} km apart, faster than {speed} km/h"),
        BehaviourKind::Dormant { after } => format!("back after {}", span_words(*after)),
        BehaviourKind::OffHours { calendar: Some(c) } => format!("outside {}", c.describe()),
        BehaviourKind::OffHours { calendar: None } => "outside the site's calendar, which is not set".into(),
    };
    let by = if b.group_by.is_empty() { " of the organisation".to_owned() } else { format!(" by {}", b.group_by.join(", ")) };
    let learnt = if b.learning == Learning::default() { String::new() } else { format!(", learnt for {}", learning_words(b.learning)) };
    format!("{what}{by}{learnt}")
}

/// The value of a fact as people read it; not escaped.
pub fn fact_text(value: &FactValue) -> String {
    match value {
        FactValue::Text(text) => text.clone(),
        FactValue::Count(n) => grouped(*n),
        FactValue::Number(n) => format!("{n}"),
        FactValue::Time(t) => format_time(*t),
    }
}

/// The text of the first fact of a name; not escaped.
pub fn fact(facts: &[Fact], name: &str) -> Option<String> {
    facts.iter().find(|f| f.name == name).map(|f| fact_text(&f.value))
}

/// What a finding of a behaviour saw, in a few words; not escaped. Empty for other findings.
pub fn fact_words(facts: &[Fact]) -> String {
    let get = |name: &str| fact(facts, name).unwrap_or_default();
    let has = |name: &str| facts.iter().any(|f| f.name == name);
    if has("distance_km") {
        return format!("{} to {}, {} km", get("from_ip"), get("to_ip"), get("distance_km"));
    }
    if has("count") {
        return format!("{} in {}, usually {}", get("count"), get("timespan"), get("usual"));
    }
    if has("silent_from") {
        return format!("silent from {} until {}", get("silent_from"), get("silent_until"));
    }
    if has("last_seen") {
        return format!("away for {}", get("away_for"));
    }
    if has("local_time") {
        return get("local_time");
    }
    let values = |name: &'static str| facts.iter().filter(move |f| f.name == name).map(|f| fact_text(&f.value));
    values("field").zip(values("value")).map(|(field, value)| format!("{field} {value}")).collect::<Vec<_>>().join(", ")
}

/// Appends facts as a JSON array of `{"name", "value"}`: times are RFC 3339 texts, counts and measures numbers.
pub fn push_facts(facts: &[Fact], out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, fact) in facts.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"{\"name\":" } else { b",{\"name\":" });
        push_json_text(fact.name, out);
        out.extend_from_slice(b",\"value\":");
        match &fact.value {
            FactValue::Text(text) => push_json_text(text, out),
            FactValue::Count(n) => push_number(*n, out),
            // Writing into memory does not fail; what is no number is null.
            FactValue::Number(n) => drop(serde_json::to_writer(&mut *out, n)),
            FactValue::Time(t) => push_json_text(&format_time(*t), out),
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// Entities that a behaviour rule could not judge, or not from the beginning.
#[derive(Debug, Serialize)]
pub struct BehaviourJson<'a> {
    rule_id: &'a str,
    rule_title: &'a str,
    /// Entities of which at least one event was judged, and of which none was.
    judged: u64,
    not_judged: u64,
    without_value: u64,
    learnt_before: u64,
    without_evidence: u64,
    /// At most [`MAX_HISTORIES`].
    histories: Vec<HistoryJson<'a>>,
    more_histories: usize,
}

#[derive(Debug, Serialize)]
struct HistoryJson<'a> {
    entity: serde_json::Map<String, serde_json::Value>,
    why: &'a str,
    since: String,
    events: u64,
    judged_from: Option<String>,
    unjudged: u64,
}

/// Entities without enough history that are listed for each rule; the rest is counted.
pub const MAX_HISTORIES: usize = 1000;

/// Why an entity was not judged, as outputs name it.
pub fn unready_name(why: Unready) -> &'static str {
    match why {
        Unready::HistoryTooShort => "not enough history",
        Unready::NewEntity => "new entity",
        Unready::TooFewEvents => "too few events",
    }
}

/// What each behaviour rule counted, and whom it could not judge.
pub fn behaviours_json<'a>(scan: &'a Scan<'_>) -> Vec<BehaviourJson<'a>> {
    let one = |(&rule, counts): (&usize, &Counts)| {
        let meta = &scan.rules.rules[rule].meta;
        let all = histories_of(scan, rule);
        let histories = all.iter().take(MAX_HISTORIES).map(|h| {
            let value = |v: &String| if v.is_empty() { serde_json::Value::Null } else { v.clone().into() };
            HistoryJson {
                entity: h.entity.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
                why: unready_name(h.why),
                since: format_time(h.since),
                events: h.events,
                judged_from: h.judged_from.map(format_time),
                unjudged: h.unjudged,
            }
        });
        BehaviourJson {
            rule_id: &meta.id,
            rule_title: &meta.title,
            judged: counts.judged,
            not_judged: counts.not_judged,
            without_value: counts.without_value,
            learnt_before: counts.learnt_before,
            without_evidence: counts.without_evidence,
            histories: histories.collect(),
            more_histories: all.len().saturating_sub(MAX_HISTORIES),
        }
    };
    scan.behaved.iter().map(one).collect()
}

/// The entities of one rule without enough history: those that were never judged first.
pub fn histories_of<'a>(scan: &'a Scan<'_>, rule: usize) -> Vec<&'a History> {
    let mut all: Vec<&History> = scan.histories.iter().filter(|h| h.rule == rule).collect();
    all.sort_by_key(|h| h.judged_from.is_some());
    all
}

/// Says of the behaviours that ran whom they could not judge: one line a rule, at most a few.
pub fn write_histories(scan: &Scan<'_>, out: &mut dyn Write) -> io::Result<()> {
    const LINES: usize = 5;
    let lacking: Vec<(&str, &Behaviour, &Counts, Vec<&History>)> = scan
        .behaved
        .iter()
        .filter_map(|(&rule, counts)| {
            let Body::Behaviour(b) = &scan.rules.rules[rule].body else { return None };
            let never: Vec<&History> = histories_of(scan, rule).into_iter().filter(|h| h.judged_from.is_none()).collect();
            (!never.is_empty()).then(|| (scan.rules.rules[rule].meta.title.as_str(), b, counts, never))
        })
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let entities: usize = lacking.iter().map(|l| l.3.len()).sum();
    writeln!(out, "History     not enough for {} judgements of {} behaviour rules: neither found nor passed", grouped(entities as u64), lacking.len())?;
    for (title, behaviour, counts, never) in lacking.iter().take(LINES) {
        let dates = |pick: fn(i64, i64) -> i64| never.iter().map(|h| h.since).reduce(pick).map(|t| format_time(t).chars().take(10).collect::<String>());
        let since = match (dates(i64::min), dates(i64::max)) {
            (Some(a), Some(b)) if a != b => format!("known since {a} to {b}"),
            (Some(a), _) => format!("known since {a}"),
            _ => String::new(),
        };
        let who = if behaviour.group_by.is_empty() { "the organisation".to_owned() } else { behaviour.group_by.join(", ") };
        writeln!(
            out,
            "            {}: {} of {} by {who} not judged, {since}; {}",
            printable(&shorten(title, 60)),
            grouped(never.len() as u64),
            grouped(counts.judged + counts.not_judged),
            history_words(behaviour)
        )?;
    }
    if lacking.len() > LINES {
        writeln!(out, "            ... and {} more rules; --format json lists every entity with its dates", lacking.len() - LINES)?;
    }
    Ok(())
}
