//! What is unusual, as people see it: scores, the report's page, the summary's word on missing history.

use crate::behaviour::{DAY, documents, event_at};
use crate::common::{Place, ndjson};
use serde_json::{Value, json};

const SOURCE: &str =
    "id: test\ntitle: Test\nlogsource: [{product: test}]\ndetect: [{has: [t]}]\ntime: {first: [t]}\ncolumns: {event_id: id, user: u, ip: ip}\n";
const HOSTILE: &str = "<img src=x onerror=alert(1)>|`*_[x](http://evil.example)\u{1b}[31m@example.com";

/// Two users with a month each, then a new value each; one of them with a hostile name. A second rule hits one of them.
fn place() -> Place {
    let place = Place::new();
    let behaviour = documents(&json!({"type": "new_value", "field": "v", "group-by": ["u"], "learning": {"time": "30d", "events": 20}}), false);
    let detection = "---\ntitle: Plain\nid: plain\nlogsource: {product: test}\ndetection: {s: {v: KP, u: ana@example.com}, condition: s}\nlevel: critical\n";
    place.write("rules.yml", format!("{behaviour}{detection}")).write("source.yml", SOURCE);
    let mut events: Vec<Value> = Vec::new();
    for (n, user) in ["ana@example.com", HOSTILE].into_iter().enumerate() {
        let ip = format!("203.0.113.{n}");
        events.extend((0..35).map(|d| event_at(&format!("{n}-{d}"), d * DAY, "hit", json!({"u": user, "v": "DE", "ip": ip}))));
        events.push(event_at(&format!("{n}-new"), 35 * DAY, "hit", json!({"u": user, "v": "KP", "ip": "203.0.113.9"})));
    }
    events.push(event_at("late", 34 * DAY, "hit", json!({"u": "late@example.com", "v": "FR", "ip": "203.0.113.8"})));
    place.write("log.ndjson", ndjson(&events));
    place
}

const FLAGS: [&str; 4] = ["--rules", "rules.yml", "--sources", "source.yml"];

fn scan(place: &Place, more: &[&str]) -> Value {
    let args: Vec<&str> = ["scan", "log.ndjson", "--format", "json", "-q"].iter().chain(&FLAGS).chain(more).copied().collect();
    place.run(&args).exits(0).json()
}

#[test]
fn scores_follow_their_formula() {
    let json = scan(&place(), &[]);
    // The behaviour (high, 20) names two users, the other rule (critical, 50) one; both name one address.
    let shared = (20.0 / 2f64.sqrt() * 100.0).round() / 100.0;
    let users = json["risk"]["users"].as_array().expect("users");
    let of = |name: &str| users.iter().find(|u| u["name"] == name).map(|u| u["score"].as_f64().expect("a score"));
    assert_eq!((of("ana@example.com"), of(HOSTILE)), (Some(50.0 + shared), Some(shared)));
    assert_eq!(of("late@example.com"), None);
    assert_eq!(users[0]["name"], "ana@example.com", "highest first");
    let reasons: Vec<(&str, u64)> =
        users[0]["reasons"].as_array().expect("reasons").iter().map(|r| (r["rule_id"].as_str().expect("id"), r["shared_by"].as_u64().expect("n"))).collect();
    assert_eq!(reasons, [("plain", 1), ("b", 2)]);
    assert_eq!(json["risk"]["addresses"][0]["name"], "203.0.113.9");
    assert_eq!(json["risk"]["addresses"][0]["score"], 70.0);
    assert!(json["risk"]["formula"].as_str().is_some_and(|f| f.contains("critical 50, high 20, medium 5, low 1")));
    let without = scan(&place(), &["--no-user-scores"]);
    assert!(without["risk"].get("users").is_none() && without["risk"]["addresses"] == json["risk"]["addresses"]);
    let ids = |v: &Value| v["findings"].as_array().expect("findings").iter().map(|f| f["id"].to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&without), ids(&json), "scores decide nothing");
}

#[test]
fn who_could_not_be_judged_is_told_with_dates() {
    let place = place();
    let json = scan(&place, &[]);
    let behaviour = &json["behaviours"][0];
    assert_eq!((behaviour["judged"].as_u64(), behaviour["not_judged"].as_u64()), (Some(2), Some(1)));
    let late: Vec<&Value> = behaviour["histories"].as_array().expect("histories").iter().filter(|h| h["judged_from"].is_null()).collect();
    assert_eq!(late.len(), 1);
    assert_eq!(
        (&late[0]["entity"]["u"], &late[0]["why"], &late[0]["since"]),
        (&json!("late@example.com"), &json!("new entity"), &json!("2024-02-18T10:00:00Z"))
    );
    let args: Vec<&str> = ["scan", "log.ndjson"].iter().chain(&FLAGS).copied().collect();
    place
        .run(&args)
        .exits(0)
        .says("not enough for 1 judgements")
        .says("B: 1 of 3 by u not judged, known since 2024-02-18; it learns for 30 days and 20 events");
}

#[test]
fn the_page_of_the_report_is_escaped_and_the_same_at_any_number_of_threads() {
    let place = place();
    for threads in ["1", "4"] {
        let args: Vec<&str> = ["report", "log.ndjson", "-o", threads, "--threads", threads, "--tz", "Europe/Berlin"].iter().chain(&FLAGS).copied().collect();
        place.run(&args).exits(0);
    }
    // The command that made the report stands in it.
    let page = |threads: &str, name: &str| place.read_text(&format!("{threads}/{name}")).replace(&format!("-o {threads} --threads {threads}"), "-o X");
    for name in ["report.html", "report.md"] {
        assert_eq!(page("1", name), page("4", name), "{name}");
    }
    let (html, md) = (page("1", "report.html"), page("1", "report.md"));
    for needle in [
        "8. Unusual activity",
        "table-unusual-addresses",
        "Also named in",
        "<svg viewBox",
        "since 2024-01-15, 35 events",
        "late@example.com",
        "new entity",
        "not looked up",
    ] {
        assert!(html.contains(needle), "{needle}");
    }
    assert!(!html.contains("<img") && !html.contains('\u{1b}') && !md.contains('\u{1b}') && !md.contains("<img"), "hostile names are escaped");
    assert!(!md.contains("](http://evil.example)"), "no link of a log's making");
    // Shapes tell the levels, not colours alone.
    assert!(html.contains("<path class=\"b-high\"") && html.contains("<rect class=\"b-critical\""));
    assert!(md.contains("Not assessable") && md.contains("give a database"), "where nothing was looked up it says so");
}

#[test]
fn lanes_of_roles_are_told_apart_by_their_ends() {
    let place = place();
    let text = place.read_text("log.ndjson").replace("ana@example.com", "arn:aws:sts::111122223333:assumed-role/web-instance/i-0dc3ee9cc263c364f");
    place.write("log.ndjson", text);
    let (html, _) = report(&place, &[]);
    assert!(page_of(&html).contains(">…nce&#x2f;i-0dc3ee9cc263c364f<title>arn:aws:sts::111122223333:"));
}

/// A report of these events, its HTML and Markdown.
fn report(place: &Place, more: &[&str]) -> (String, String) {
    let args: Vec<&str> = ["report", "log.ndjson", "-o", "out"].iter().chain(&FLAGS).chain(more).copied().collect();
    place.run(&args).exits(0);
    (place.read_text("out/report.html"), place.read_text("out/report.md"))
}

/// The page about what is unusual, without the rest of the report.
fn page_of(html: &str) -> &str {
    html.split_once("<section aria-labelledby=\"unusual\">").expect("the page").1
}

/// What stands below a heading of the Markdown, up to the next.
fn below<'a>(md: &'a str, heading: &str) -> &'a str {
    let rest = md.split_once(heading).expect("the heading").1;
    rest.split_once("\n### ").map_or(rest, |r| r.0)
}

#[test]
fn an_address_is_first_seen_when_it_was_not_when_a_rule_fired() {
    let place = place();
    // Ana's new value comes from the address that she has had since the first day.
    let text = place.read_text("log.ndjson").replace("203.0.113.9", "203.0.113.0");
    place.write("log.ndjson", text);
    let (_, md) = report(&place, &[]);
    let line = below(&md, "### Unusual addresses").lines().find(|l| l.contains("ana@example.com")).expect("her line").to_owned();
    let cells: Vec<&str> = line.split(" | ").collect();
    assert_eq!(cells[4], "2024-01-15 10:00:00", "{line}");
    assert!(cells[5].ends_with("v KP, 2024-02-19 10:00:00"), "{line}");
    assert_eq!((cells[2], cells[3]), ("not looked up", "not looked up"), "place and network each say so");
}

#[test]
fn a_secret_for_a_name_is_masked_in_the_strip_too() {
    const SECRET: &str = "ghp_abcdefghijklmnopqrstuvwxyz012345";
    let place = place();
    place.write("log.ndjson", place.read_text("log.ndjson").replace("ana@example.com", SECRET));
    let (html, _) = report(&place, &[]);
    // Not the part of it that a label has room for, either.
    assert!(page_of(&html).contains("[masked]<title>[masked]</title>") && !html.contains("ghp_abc"));
    for format in ["table", "csv"] {
        let args: Vec<&str> = ["scan", "log.ndjson", "--format", format].iter().chain(&FLAGS).copied().collect();
        let ran = place.run(&args);
        assert!(ran.dump().contains("[masked]") && !ran.dump().contains("ghp_abc"), "{format}: {}", ran.dump());
    }
    let (html, _) = report(&place, &["--show-secrets", "--force"]);
    assert!(page_of(&html).contains(SECRET));
}

#[test]
fn what_is_left_out_is_counted_and_no_mark_hides_another() {
    let place = place();
    // A rule of lower level, which fires earlier.
    let lower =
        "---\ntitle: Lower\nid: lower\nlevel: low\nbehaviour: {type: new_value, rules: [base], field: w, group-by: [u], learning: {time: 30d, events: 20}}\n";
    place.write("rules.yml", place.read_text("rules.yml") + lower);
    let mut events: Vec<Value> = Vec::new();
    for n in 0..25 {
        let (user, ip) = (format!("u{n:02}@example.com"), format!("198.51.100.{n}"));
        let day = |d: i64| json!({"u": user, "v": "DE", "ip": ip, "w": if d < 33 { "old" } else { "new" }});
        events.extend((0..35).map(|d| event_at(&format!("{n}-{d}"), d * DAY, "hit", day(d))));
        // Many new values within a day.
        events.extend((0..9).map(|v| event_at(&format!("{n}-v{v}"), 35 * DAY + v, "hit", json!({"u": user, "v": format!("V{v}"), "ip": ip}))));
    }
    place.write("log.ndjson", ndjson(&events));
    let (html, md) = report(&place, &[]);
    let page = page_of(&html);
    assert!(page.contains("The 12 of 25 named users with the highest scores are drawn."));
    assert!(page.contains("Of 25 users the highest 20 are listed. Of 25 addresses the highest 20 are listed."));
    assert!(below(&md, "### Where to look first").contains("Of 25 users the highest 20 are listed."));
    let addresses = below(&md, "### Unusual addresses");
    assert!(addresses.contains("The 100 most severe of 250 are listed, oldest first."));
    assert_eq!((addresses.matches("| B: ").count(), addresses.matches("| Lower: ").count()), (100, 0));
    // Nine findings of a lane are one triangle with their number, and its title names five.
    assert_eq!(page.matches("<path class=\"b-high\"").count(), 12);
    assert!(page.contains(">9</text>") && page.contains("; 4 more</title>"));
}
