//! Each decision by name.

use super::{DAY, HOUR, event_at, run_events};
use crate::common::{not_refused, try_rules};
use auditmill::finding::scan::RuleState;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `ana` in `DE` once a day, for so many days.
fn days(count: i64) -> Vec<Value> {
    (0..count).map(|d| event_at(&format!("d{d}"), d * DAY, "hit", json!({"u": "ana", "v": "DE"}))).collect()
}

fn new_value() -> Value {
    json!({"type": "new_value", "field": "v", "group-by": ["u"], "learning": {"time": "30d", "events": 20}})
}

fn ids(outcome: &super::Outcome) -> Vec<Vec<&str>> {
    outcome.findings.iter().map(|f| f.1.iter().map(String::as_str).collect()).collect()
}

#[test]
fn a_value_is_new_once_and_after_the_learning_time() {
    let mut events = days(30);
    events.push(event_at("a", 30 * DAY, "hit", json!({"u": "ana", "v": "KP"})));
    events.push(event_at("b", 30 * DAY, "hit", json!({"u": "ana", "v": "KP"})));
    events.push(event_at("c", 30 * DAY + 1, "hit", json!({"u": "ana", "v": "KP"})));
    let seen = run_events(&new_value(), &events);
    assert_eq!(ids(&seen), [["a", "b"]], "both of the instant, and not the later one");
    assert_eq!(seen.facts["events_before"], "30");
    assert_eq!(seen.facts["values_before"], "1");
    // A microsecond less of history.
    let mut events = days(30);
    events.push(event_at("a", 30 * DAY - 1, "hit", json!({"u": "ana", "v": "KP"})));
    let seen = run_events(&new_value(), &events);
    assert!(seen.findings.is_empty());
    assert_eq!(seen.unjudged, BTreeSet::from([(vec!["ana".to_owned()], false, 31)]));
    assert!(matches!(&seen.state, RuleState::NotAssessable(why) if why.contains("not enough history") && why.contains("2024-01-15")), "{:?}", seen.state);
}

#[test]
fn who_is_new_in_old_logs_is_a_new_entity_and_no_pass() {
    let mut events = days(40);
    events.push(event_at("n1", 39 * DAY, "hit", json!({"u": "new", "v": "FR"})));
    events.push(event_at("n2", 40 * DAY, "hit", json!({"u": "new", "v": "KP"})));
    let seen = run_events(&new_value(), &events);
    assert!(seen.findings.is_empty());
    // Ana's first thirty days are learnt, not judged.
    assert_eq!(seen.unjudged, BTreeSet::from([(vec!["ana".to_owned()], true, 30), (vec!["new".to_owned()], false, 2)]));
    assert_eq!(seen.state, RuleState::Ran);
}

#[test]
fn known_by_makes_known_and_is_not_judged() {
    let mut events: Vec<Value> = (0..40).map(|d| event_at(&format!("d{d}"), d * DAY, "known", json!({"u": "ana"}))).collect();
    events.push(event_at("first", 40 * DAY, "hit", json!({"u": "ana", "v": "grant"})));
    let seen = run_events(&new_value(), &events);
    assert_eq!(ids(&seen), [["first"]]);
    assert_eq!(seen.facts["values_before"], "0");
}

#[test]
fn two_fields_must_be_new_in_one_event() {
    let both = json!({"type": "new_value", "field": ["v", "w"], "group-by": ["u"], "learning": {"events": 2}});
    let e = |id: &str, t: i64, v: &str, w: &str| event_at(id, t * HOUR, "hit", json!({"u": "ana", "v": v, "w": w}));
    let events = [e("a", 0, "n1", "chrome"), e("b", 1, "n1", "chrome"), e("c", 2, "n2", "chrome"), e("d", 3, "n1", "curl"), e("e", 4, "n3", "wget")];
    assert_eq!(ids(&run_events(&both, &events)), [["e"]]);
}

#[test]
fn a_gap_in_the_logs_is_no_silence_and_a_spike_is_held_against_zeros_between() {
    let silence = json!({"type": "silence", "timespan": "1h", "deviations": 1, "floor": 4, "group-by": ["u"], "learning": {"time": "10h"}});
    let hour =
        |h: i64, who: &str, n: i64| -> Vec<Value> { (0..n).map(|i| event_at(&format!("{who}{h}-{i}"), h * HOUR + i, "hit", json!({"u": who}))).collect() };
    let mut events: Vec<Value> = (0..20).flat_map(|h| hour(h, "robot", 5)).collect();
    // Four hours without any event at all, then the robot again.
    events.extend((24..26).flat_map(|h| hour(h, "robot", 5)));
    assert!(run_events(&silence, &events).findings.is_empty(), "a gap");
    // Somebody else is there in these hours.
    events.extend((20..24).flat_map(|h| hour(h, "ana", 1)));
    let seen = run_events(&silence, &events);
    assert_eq!(seen.count, 1);
    assert_eq!(seen.facts["usual"], "5");
    let spike = json!({"type": "spike", "timespan": "1h", "floor": 5, "group-by": ["u"], "learning": {"time": "10h"}});
    let mut events: Vec<Value> = (0..20).flat_map(|h| hour(h, "robot", 1)).collect();
    events.extend(hour(0, "ana", 1));
    events.extend(hour(20, "ana", 8));
    let seen = run_events(&spike, &events);
    assert_eq!(seen.count, 1, "{seen:?}");
    assert_eq!((seen.facts["count"].as_str(), seen.facts["usual"].as_str(), seen.facts["windows_before"].as_str()), ("8", "0", "20"));
}

#[test]
fn travel_goes_by_what_is_certain() {
    let travel = json!({"type": "impossible_travel", "group-by": ["u"]});
    let e = |id: &str, minutes: i64, place: Option<&str>| event_at(id, minutes * 60_000_000, "hit", json!({"u": "ana", "ip.location": place}));
    let (berlin, york) = (Some("52.5,13.4,20"), Some("40.7,-74,20"));
    // 6,385 km: seven hours and a little at 900 km/h.
    assert_eq!(ids(&run_events(&travel, &[e("a", 0, berlin), e("b", 60, york)])), [["b"]]);
    assert!(run_events(&travel, &[e("a", 0, berlin), e("b", 8 * 60, york)]).findings.is_empty());
    // What has no place is skipped and breaks nothing.
    let seen = run_events(&travel, &[e("a", 0, berlin), e("x", 30, None), e("b", 60, york)]);
    assert_eq!((ids(&seen), seen.counts.without_value), (vec![vec!["b"]], 1));
    // Within the radiuses nobody has moved.
    assert!(run_events(&travel, &[e("a", 0, Some("52.5,13.4,4000")), e("b", 60, Some("40.7,-74,4000"))]).findings.is_empty());
    // Both in one second.
    assert_eq!(run_events(&travel, &[e("a", 0, berlin), e("b", 0, york)]).count, 1);
    // The same two exits over and over: one finding.
    let flips: Vec<Value> = (0..10).map(|i| e(&format!("f{i}"), i * 10, if i % 2 == 0 { berlin } else { york })).collect();
    assert_eq!(run_events(&travel, &flips).count, 1);
}

#[test]
fn a_return_is_one_after_an_absence_that_the_logs_can_show() {
    let dormant = json!({"type": "dormant", "after": "60d", "group-by": ["u"]});
    let e = |id: &str, day: i64, kind: &str, u: &str| event_at(id, day * DAY, kind, json!({"u": u}));
    let seen = run_events(&dormant, &[e("a", 0, "hit", "ana"), e("b", 60, "hit", "ana"), e("new", 90, "hit", "bob")]);
    assert_eq!(ids(&seen), [["b"]]);
    assert_eq!(seen.facts["last_seen"], "2024-01-15T10:00:00Z");
    assert!(run_events(&dormant, &[e("a", 0, "hit", "ana"), e("k", 30, "known", "ana"), e("b", 60, "hit", "ana")]).findings.is_empty(), "seen in between");
    let short = run_events(&dormant, &[e("a", 0, "hit", "ana"), e("b", 59, "hit", "ana")]);
    assert!(matches!(&short.state, RuleState::NotAssessable(why) if why.contains("absence of 60 days")), "{:?}", short.state);
}

#[test]
fn off_hours_go_by_the_calendar_and_without_one_are_not_assessed() {
    let e = |id: &str, hours: i64| event_at(id, hours * HOUR, "hit", json!({"u": "ana"}));
    // The first instant is Monday, 15 January 2024, 10:00 UTC.
    let events = [e("mon10", 0), e("mon22", 12), e("mon2230", 12), e("sat10", 120), e("tue10", 24)];
    let own = json!({"type": "off_hours", "group-by": ["u"], "hours": "08:00-18:00", "days": "mon-fri", "zone": "UTC", "holidays": ["2024-01-16"]});
    assert_eq!(ids(&run_events(&own, &events)), vec![vec!["mon22", "mon2230"], vec!["sat10"], vec!["tue10"]]);
    let site = json!({"type": "off_hours", "group-by": ["u"]});
    let seen = run_events(&site, &events);
    assert!(seen.findings.is_empty());
    assert!(matches!(&seen.state, RuleState::NotAssessable(why) if why.contains("calendar")), "{:?}", seen.state);
}

#[test]
fn what_is_no_behaviour_is_refused_with_the_reason() {
    let document = |keys: &str| {
        super::documents(&json!({}), true).replace("behaviour: {\"known-by\":[\"known\"],\"rules\":[\"base\"]}", &format!("behaviour: {{{keys}}}"))
    };
    let learnt = "learning: {time: 30d}";
    let texts = [
        ("type: sleep, rules: [base]".to_owned(), "not a behaviour type"),
        (format!("type: new_value, field: v, {learnt}"), "needs `rules`"),
        ("type: new_value, rules: [base], field: v".to_owned(), "needs `learning`"),
        (format!("type: new_value, rules: [base], {learnt}"), "needs `field`"),
        (format!("type: new_value, rules: [base], field: v, speed: 9, {learnt}"), "takes no `speed`"),
        (format!("type: new_value, rules: [base, base], field: v, {learnt}"), "twice"),
        (format!("type: new_value, rules: [nobody], field: v, {learnt}"), "nobody"),
        (format!("type: rare_value, rules: [base], field: v, {learnt}"), "one measure"),
        (format!("type: spike, rules: [base], timespan: 1h, {learnt}"), "needs `floor`"),
        ("type: dormant, rules: [base]".to_owned(), "needs `after`"),
        ("type: dormant, rules: [base], after: soon".to_owned(), "not a duration"),
        ("type: off_hours, rules: [base], hours: 8-18, days: mon, zone: UTC".to_owned(), "hours"),
        ("type: impossible_travel, rules: [base], speed: 0".to_owned(), "above zero"),
        (format!("type: new_value, rules: [base], field: v, learnin: 1, {learnt}"), "learnin"),
    ];
    assert_eq!(not_refused(texts.into_iter().map(|(keys, says)| (document(&keys), says))), Vec::<String>::new());
    // A behaviour rests on detections; a correlation may rest on a behaviour.
    let over = "---\ntitle: C\nid: c\nlevel: high\ncorrelation: {type: event_count, rules: [b], group-by: [u], timespan: 1h, condition: {gte: 2}}\n";
    let good = format!("{}{over}", super::documents(&new_value(), false));
    assert!(try_rules(&good).is_ok());
    let bad = format!("{good}---\ntitle: D\nid: d\nlevel: low\nbehaviour: {{type: dormant, rules: [c], after: 60d, group-by: [u]}}\n");
    assert!(try_rules(&bad).is_err_and(|e| e.contains("rests on detections")));
}
