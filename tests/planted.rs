//! The generator of the benchmark `planted` and its scoring: the figures are worth what these are.

#[path = "../benches/planted/generator/mod.rs"]
#[allow(dead_code)]
mod generator;
#[path = "../benches/planted/score.rs"]
#[allow(dead_code)]
mod score;

use crate::common::Place;
use generator::incidents::{Incident, PLANTED};
use generator::mmdb::{Database, Field, RecordSize, countries};
use generator::world::{Kind, World};
use generator::{Organisation, Plan};
use maxminddb::Reader;
use score::{Finding, Level, judge};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

/// A few people for some days.
fn small(seed: u64) -> Organisation {
    Organisation::new(Plan { seed, users: 24, days: 6, incidents: false })
}

/// All files of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .map(|e| (e.path().strip_prefix(folder).expect("inside").display().to_string(), fs::read(e.path()).expect("a file")))
        .collect()
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let place = Place::new();
    for (name, seed) in [("a", 5), ("b", 5), ("c", 6)] {
        let made = small(seed);
        made.write_logs(&place.path(name)).expect("logs");
        made.write_databases(&place.path(name)).expect("databases");
    }
    let [a, b, c] = ["a", "b", "c"].map(|name| files(&place.path(name)));
    assert!(a.len() > 20);
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a == b, "one seed, two organisations");
    assert!(a != c, "two seeds, one organisation");
}

#[test]
fn every_generated_event_is_accepted() {
    let place = Place::new();
    let made = small(7);
    made.write_logs(&place.path("logs")).expect("logs");
    made.write_databases(&place.path("geoip")).expect("databases");
    let out = place.run(&["scan", "logs", "--geoip", "geoip", "--format", "json"]);
    let inputs = &out.json()["inputs"];
    assert_eq!(inputs["accepted"], json!(made.events()), "{}", out.dump());
    assert_eq!((&inputs["rejected"], &inputs["duplicates"]), (&json!(0), &json!(0)));
    assert_eq!(made.by_source().len(), 5);
}

#[test]
fn forty_incidents_name_their_events_as_auditmill_does() {
    let place = Place::new();
    let plan = Plan { seed: 3, users: 20, days: 90, incidents: true };
    let made = Organisation::new(plan);
    assert_eq!(made.incidents.len(), PLANTED);
    let mut kinds = BTreeMap::new();
    for incident in &made.incidents {
        *kinds.entry(incident.kind.as_str()).or_insert(0) += 1;
        assert!(incident.from <= incident.to && !incident.events.is_empty(), "{incident:?}");
        assert!(incident.from.as_str() >= "2026-04-05", "{incident:?}");
    }
    assert!(kinds.values().all(|n| *n == 2), "{kinds:?}");
    let named: BTreeSet<String> = made.incidents.iter().flat_map(|i| i.events.clone()).collect();
    made.write_planted(&place.path("logs")).expect("logs");
    let out = place.run(&["events", "logs", "--format", "ndjson"]);
    let ids: BTreeSet<String> = out.lines().iter().filter_map(|event| event["event_id"].as_str().map(str::to_owned)).collect();
    assert!(ids == named, "{:?}", ids.symmetric_difference(&named).collect::<Vec<_>>());
}

fn look_up(reader: &Reader<Vec<u8>>, ip: IpAddr) -> Option<Value> {
    reader.lookup(ip).expect("a tree").decode().expect("a record")
}

#[test]
fn databases_are_read_back() {
    let world = World::new(9);
    for size in [RecordSize::Bits28, RecordSize::Bits32] {
        let read = |database: Database| Reader::from_source(database.bytes("Test", 1_700_000_000, size)).expect("a database");
        let (cities, systems, anonymisers) = (read(world.cities()), read(world.systems()), read(world.anonymisers()));
        assert_eq!((cities.metadata().database_type.as_str(), cities.metadata().build_epoch, cities.metadata().ip_version), ("Test", 1_700_000_000, 6));
        for network in &world.networks {
            let ip = network.address(0x00ab_cdef_1234_5678);
            let city = &generator::world::CITIES[network.city];
            let found = look_up(&cities, ip).expect("a city");
            assert_eq!(found.pointer("/country/iso_code"), Some(&json!(city.country)), "{ip}");
            assert_eq!(found.pointer("/location/accuracy_radius"), Some(&json!(network.said.2)));
            let latitude = found.pointer("/location/latitude").and_then(Value::as_f64).expect("a latitude");
            assert!((latitude - city.latitude).abs() < 1.0, "{latitude}");
            assert_eq!(found.pointer("/city/names/en").is_some(), network.kind != Kind::Mobile);
            let found = look_up(&systems, ip).expect("a system");
            assert_eq!(found, json!({"autonomous_system_number": network.asn, "autonomous_system_organization": network.org}));
            let found = look_up(&anonymisers, ip);
            assert_eq!(found.is_some_and(|f| f["is_tor_exit_node"] == json!(true)), network.kind == Kind::Tor);
        }
        assert_eq!(look_up(&cities, IpAddr::from([8, 8, 8, 8])), None);
    }
}

#[test]
fn a_smaller_network_stands_out_of_a_larger_one() {
    let mut database = Database::default();
    let record = |text: &str| Field::Map(vec![("name", Field::text(text)), ("big", Field::U64(u64::MAX)), ("none", Field::U16(0))]);
    database.insert(IpAddr::from([20, 0, 0, 0]), 8, &record("large"));
    database.insert(IpAddr::from([20, 1, 2, 0]), 24, &record(&"small ".repeat(60)));
    let reader = Reader::from_source(database.bytes("Test", 1, RecordSize::Bits28)).expect("a database");
    assert_eq!(look_up(&reader, IpAddr::from([20, 1, 3, 4])), Some(json!({"name": "large", "big": u64::MAX, "none": 0})));
    assert_eq!(look_up(&reader, IpAddr::from([20, 1, 2, 4])).expect("the small one")["name"], json!("small ".repeat(60)));
    assert_eq!(look_up(&reader, IpAddr::from([21, 0, 0, 1])), None);
}

#[test]
fn a_database_of_countries_has_its_size() {
    let reader = Reader::from_source(countries(3000, 1).bytes("GeoLite2-Country", 1, RecordSize::Bits28)).expect("a database");
    let codes: BTreeSet<String> = (1..220)
        .filter_map(|first| look_up(&reader, IpAddr::from([first, 40, 40, 40])))
        .filter_map(|found| found.pointer("/country/iso_code").and_then(Value::as_str).map(str::to_owned))
        .collect();
    assert!(codes.len() > 15, "{codes:?}");
}

fn incident(id: &str, events: &[&str]) -> Incident {
    Incident {
        id: id.into(),
        kind: "kind".into(),
        description: String::new(),
        users: vec![],
        addresses: vec![],
        from: String::new(),
        to: String::new(),
        events: events.iter().map(|e| (*e).to_owned()).collect(),
    }
}

fn finding(rule: &str, level: &str, events: &[&str]) -> Finding {
    let events: Vec<Value> = events.iter().map(|e| json!({"event_id": e, "file": "f"})).collect();
    serde_json::from_value(json!({"rule_title": rule, "level": level, "entity": {"user": "u"}, "first": "t", "events": events})).expect("a finding")
}

#[test]
fn a_finding_counts_when_it_is_grave_enough_and_about_the_incident() {
    let incidents = [incident("1", &["a", "b"]), incident("2", &["c"]), incident("3", &["d"])];
    let findings = [
        finding("both", "medium", &["a", "x"]),
        finding("both", "critical", &["b"]),
        finding("mostly ordinary", "high", &["c", "x", "y"]),
        finding("too low", "low", &["c"]),
        finding("wrong", "high", &["x"]),
        finding("wrong", "critical", &["y", "z"]),
        finding("harmless", "medium", &["z"]),
    ];
    let verdict = judge(&incidents, &findings);
    assert_eq!(verdict.found(), 1);
    assert_eq!(verdict.found_by[0], BTreeMap::from([("both".to_owned(), Level::Critical)]));
    assert_eq!((verdict.false_high(), verdict.false_high.len()), (2, 1));
    assert_eq!(verdict.false_medium, BTreeMap::from([("harmless".to_owned(), 1)]));
}
