//! Derived fields: what addresses, user agents and actors say beyond their text, with databases of addresses and without.

use crate::common::{self, Place, ndjson};
use auditmill::enrich::database::{Databases, Lookups};
use auditmill::enrich::net24;
use auditmill::enrich::special::{Special, special};
use auditmill::event::address::Network;
use auditmill::event::derived::Derived;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// An event of the columns' own source.
fn event(id: &str, columns: Value) -> Value {
    let Value::Object(mut map) = columns else { panic!("columns are an object") };
    map.insert("event_id".into(), json!(id));
    map.entry("time").or_insert(json!("2024-01-15T10:00:00Z"));
    for (column, text) in [("action", "Login"), ("activity", "user.login"), ("source", "test")] {
        map.entry(column).or_insert(json!(text));
    }
    Value::Object(map)
}

/// A rule over event columns with one selection.
fn rule(title: &str, selection: &str) -> String {
    format!(
        "title: {title}\nid: {title}\nname: {title}\ntaxonomy: auditmill\nlogsource: {{product: auditmill}}\ndetection:\n  s: {selection}\n  condition: s\nlevel: low\n"
    )
}

#[test]
fn derived_fields_are_fields_of_detections_and_correlations() {
    let agents = ["aws-cli/2.1 Python/3.8", "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0 Safari/537.36"];
    let events = [
        event("a", json!({"user": "Ann", "ip": "203.0.113.7", "user_agent": agents[0], "actor_type": "human"})),
        event("b", json!({"user": "bob", "ip": "203.0.113.99", "user_agent": agents[1], "actor_type": "human"})),
        event("c", json!({"user": "role/1", "ip": "10.1.2.3", "actor_type": "role", "on_behalf_of": "role"})),
        event("d", json!({"user": "role/2", "ip": "8.8.8.8", "actor_type": "role", "on_behalf_of": "role"})),
        event("e", json!({"user": "eve"})),
        event("f", json!({"user": "flo", "ip": "127.0.0.1", "time": "2024-01-16T00:30:00+02:00"})),
    ];
    let yaml = [
        rule("hour", "{time.hour: '22'}"),
        rule("net", "{ip.net24: 203.0.113.0/24}"),
        rule("kind", "{ip.kind: [private, public]}"),
        rule("agent", "{user_agent.family: chrome on windows}"),
        rule("who", "{principal: [role, ann]}"),
        rule("none", "{ip.kind: null}"),
        "title: many\ncorrelation: {type: value_count, rules: [kind], group-by: [principal], timespan: 1h, condition: {field: ip.net24, gte: 2}}\nlevel: low\n"
            .into(),
    ]
    .join("---\n");
    let seen = common::scan_bytes(common::own_sources(), &common::rules(&yaml), vec![("e.ndjson".into(), ndjson(&events))], 2);
    for (name, ids) in [("hour", "f"), ("net", "ab"), ("kind", "cd"), ("agent", "b"), ("who", "acd"), ("none", "e")] {
        assert_eq!(seen.hits(name).into_iter().collect::<String>(), ids, "{name}: {seen:?}");
    }
    let many = seen.findings.iter().find(|f| f.rule == "many").expect("a finding of the correlation");
    assert_eq!(many.entity, [("principal".to_owned(), "role".to_owned())]);
}

#[test]
fn derived_fields_are_named_where_fields_are() {
    let refused = common::try_rules(&rule("x", "{ip.contry: DE}")).expect_err("a misspelt field");
    assert!(refused.contains("`ip.contry` is not an event column") && refused.contains("ip.country"), "{refused}");
    let place = Place::new();
    place.write("r.yml", rule("x", "{ip.country: DE, principal: ann}"));
    let ran = place.run(&["rules", "explain", "r.yml", "--rules", "r.yml"]).exits(0);
    assert!(ran.text().contains("ip.country") && ran.text().contains("principal"), "{}", ran.dump());
}

// ---------------------------------------------------------------------------------------------- databases

const GEOIP: &str = "data/geoip";

fn databases(files: &[&str]) -> Option<Databases> {
    let folder = common::shared(GEOIP)?;
    let paths: Vec<PathBuf> = files.iter().map(|f| folder.join(f)).collect();
    Some(Databases::open(&paths).expect("databases"))
}

fn lookups(files: &[&str]) -> Option<Lookups> {
    databases(files).map(|d| Lookups::new(Arc::new(d)))
}

/// Networks of a published source of a test database, IPv4 ones as such, each with its record.
fn published(file: &str) -> Option<Vec<(IpAddr, u8, Value)>> {
    let path = common::shared(&format!("{GEOIP}/{file}"))?;
    let networks: Vec<Value> = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    let entries = networks.iter().flat_map(|n| n.as_object().expect("an object"));
    Some(
        entries
            .map(|(network, record)| {
                let (addr, prefix) = network.split_once('/').expect("a network");
                let (addr, prefix): (IpAddr, u8) = (addr.parse().expect("an address"), prefix.parse().expect("a prefix"));
                match addr {
                    // `::1.2.3.0/120` is 1.2.3.0/24 in a tree for both versions.
                    IpAddr::V6(v6) if v6.to_bits() >> 32 == 0 && prefix >= 96 => {
                        (IpAddr::V4(Ipv4Addr::from_bits(v6.to_bits() as u32)), prefix - 96, record.clone())
                    }
                    _ => (addr, prefix, record.clone()),
                }
            })
            .collect(),
    )
}

/// First and last address of a network.
fn ends(addr: IpAddr, prefix: u8) -> [IpAddr; 2] {
    match addr {
        IpAddr::V4(v4) => [addr, IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | u32::MAX.checked_shr(prefix.into()).unwrap_or(0)))],
        IpAddr::V6(v6) => [addr, IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | u128::MAX.checked_shr(prefix.into()).unwrap_or(0)))],
    }
}

#[test]
fn every_published_network_is_found_as_published() {
    let (Some(cities), Some(mut of_city)) = (published("GeoIP2-City-Test.json"), lookups(&["GeoIP2-City-Test.mmdb"])) else { return };
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let mut located = 0;
    for (addr, prefix, record) in &cities {
        for addr in ends(*addr, *prefix) {
            let id = of_city.look_up(addr);
            let found = of_city.facts(id);
            if special(addr).is_some() {
                assert_eq!(found.country, None, "{addr}");
                continue;
            }
            assert_eq!(found.country.as_deref().map(str::to_owned), text(&record["country"]["iso_code"]), "{addr}");
            assert_eq!(found.city.as_deref().map(str::to_owned), text(&record["city"]["names"]["en"]), "{addr}");
            let place = &record["location"];
            let numbers = [&place["latitude"], &place["longitude"], &place["accuracy_radius"]].map(Value::as_f64);
            let expected = match numbers {
                [Some(latitude), Some(longitude), Some(radius)] => Some(format!("{latitude},{longitude},{radius}")),
                [Some(latitude), Some(longitude), None] if found.city.is_some() => Some(format!("{latitude},{longitude},50")),
                _ => None,
            };
            assert_eq!(found.location.as_deref().map(str::to_owned), expected, "{addr}");
            located += usize::from(expected.is_some());
        }
    }
    assert!(located > 300, "{located} of {} networks have a place", cities.len());
    let (Some(systems), Some(mut of_asn)) = (published("GeoLite2-ASN-Test.json"), lookups(&["GeoLite2-ASN-Test.mmdb"])) else { return };
    for (addr, prefix, record) in &systems {
        for addr in ends(*addr, *prefix) {
            let id = of_asn.look_up(addr);
            let found = of_asn.facts(id);
            let number = record["autonomous_system_number"].as_u64().filter(|_| special(addr).is_none());
            assert_eq!(found.asn.as_deref(), number.map(|n| n.to_string()).as_deref(), "{addr}");
            assert_eq!(found.org.as_deref(), record["autonomous_system_organization"].as_str().filter(|_| number.is_some()), "{addr}");
        }
    }
}

#[test]
fn the_first_database_that_has_a_field_fills_it() {
    let all = ["GeoLite2-Country-Test.mmdb", "GeoIP2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb", "GeoIP2-Anonymous-IP-Test.mmdb"];
    let (Some(mut lookups), Some(databases)) = (lookups(&all), databases(&all)) else { return };
    let mut facts = |text: &str| {
        let id = lookups.look_up(text.parse().expect("an address"));
        lookups.facts(id).clone()
    };
    let london = facts("81.2.69.160");
    assert_eq!((london.country.as_deref(), london.city.as_deref()), (Some("GB"), Some("London")));
    assert_eq!((facts("1.2.0.1").kind, facts("81.2.69.1").kind, facts("65.0.0.1").kind), ("vpn", "tor", "tor"));
    for (addr, kind) in [("10.1.1.1", "private"), ("2002:0a00:0001::1", "private"), ("64:ff9b::7f00:1", "loopback"), ("fe80::1", "link_local")] {
        assert_eq!(facts(addr).kind, kind, "{addr}");
    }
    // What carries an IPv4 address is of who holds that: 6to4, NAT64, mapped, and a Teredo client.
    for carrying in ["2002:5102:45a0::1", "64:ff9b::5102:45a0", "::ffff:81.2.69.160", "2001:0:4136:e378:8000:63bf:aefd:ba5f"] {
        assert_eq!(facts(carrying), london, "{carrying}");
    }
    assert!(Derived::ALL.iter().all(|d| databases.lacks(*d).is_none()) && databases.can_tell_anonymisers());
    let Some(country) = self::databases(&all[..1]) else { return };
    assert_eq!(country.lacks(Derived::IpCountry), None);
    assert_eq!(country.lacks(Derived::IpLocation).as_deref(), Some("it needs ip.location, and the databases given hold no cities or coordinates"));
    assert!(!country.can_tell_anonymisers());
}

#[test]
fn broken_databases_are_named_and_nothing_panics() {
    let Some(folder) = common::shared(GEOIP) else { return };
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160"}))]));
    place.write("text.mmdb", "no database").write("empty.mmdb", "");
    let broken = |name: &str| folder.join(name).display().to_string();
    let files = [
        broken("GeoIP2-City-Test-Broken-Double-Format.mmdb"),
        broken("MaxMind-DB-test-broken-pointers-24.mmdb"),
        "text.mmdb".into(),
        "empty.mmdb".into(),
        "none.mmdb".into(),
    ];
    for file in &files {
        let ran = place.run(&["scan", "log.ndjson", "--geoip", file]).exits(2).says(file);
        assert!(ran.err.contains("help: ") && !ran.err.contains("panicked"), "{}", ran.dump());
    }
    std::fs::create_dir(place.path("folder")).expect("a folder");
    place.run(&["scan", "log.ndjson", "--geoip", "folder"]).exits(2).says("folder: the folder holds no database");
}

/// A database in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>): IPv4 networks of 24 bits, each with a country; one
/// without a text points beyond the data.
fn written(networks: &BTreeMap<[u8; 3], &str>) -> Vec<u8> {
    const NOTHING: u32 = u32::MAX;
    let text = |text: &str| [&[0x40 | text.len() as u8], text.as_bytes()].concat();
    let mut data = Vec::new();
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    for country in networks.values() {
        places.entry(country).or_insert_with(|| {
            let at = data.len() as u32;
            data.extend([&[0xe1][..], &text("country_code"), &text(country)].concat());
            at
        });
    }
    // Children of each node: a node, or 1 << 31 and the place of a record.
    let mut nodes: Vec<[u32; 2]> = vec![[NOTHING; 2]];
    for (network, country) in networks {
        let bits = u32::from_be_bytes([0, network[0], network[1], network[2]]);
        let mut at = 0;
        for depth in (0..24).rev() {
            let side = (bits >> depth & 1) as usize;
            if depth == 0 {
                nodes[at][side] = 1 << 31 | if country.is_empty() { 1 << 20 } else { places[country] };
            } else if nodes[at][side] == NOTHING {
                nodes[at][side] = nodes.len() as u32;
                nodes.push([NOTHING; 2]);
            }
            at = nodes[at][side] as usize;
        }
    }
    let count = nodes.len() as u32;
    let value = |child: u32| match child {
        NOTHING => count,
        c if c >> 31 == 1 => count + 16 + (c & !(1 << 31)),
        node => node,
    };
    let mut out: Vec<u8> = nodes.iter().flatten().flat_map(|c| value(*c).to_be_bytes()).collect();
    out.extend([0; 16]);
    out.extend(&data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let number = |n: u16| [&[0xa2][..], &n.to_be_bytes()].concat();
    let metadata = [
        ("binary_format_major_version", number(2)),
        ("binary_format_minor_version", number(0)),
        ("build_epoch", [&[0x04, 0x02][..], &1_700_000_000u32.to_be_bytes()].concat()),
        ("database_type", text("test countries")),
        ("description", vec![0xe0]),
        ("ip_version", number(4)),
        ("languages", vec![0x00, 0x04]),
        ("node_count", [&[0xc4][..], &count.to_be_bytes()].concat()),
        ("record_size", number(32)),
    ];
    out.push(0xe0 | metadata.len() as u8);
    metadata.into_iter().for_each(|(key, value)| out.extend([text(key), value].concat()));
    out
}

/// Networks of a database that is too large to be looked at whole when it is opened.
fn many_networks() -> BTreeMap<[u8; 3], &'static str> {
    (0..4000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .map(|b| ([b[0] % 180 + 11, b[1], b[2]], if b[1] % 2 == 0 { "DE" } else { "SE" }))
        .collect()
}

#[test]
fn a_large_database_is_probed_and_found_as_written() {
    let networks = many_networks();
    let place = Place::new();
    place.write("large.mmdb", written(&networks));
    let databases = Arc::new(Databases::open(&[place.path("large.mmdb")]).expect("a database"));
    assert_eq!((databases.lacks(Derived::IpCountry), databases.lacks(Derived::IpAsn).is_some()), (None, true));
    let mut lookups = Lookups::new(databases.clone());
    for (network, country) in &networks {
        let addr = IpAddr::V4(Ipv4Addr::new(network[0], network[1], network[2], 77));
        let id = lookups.look_up(addr);
        assert_eq!(lookups.facts(id).country.as_deref(), Some(*country).filter(|_| special(addr).is_none()), "{addr}");
    }
    let id = lookups.look_up("2a00::1".parse().expect("an address"));
    assert!(databases.fault().is_none() && lookups.facts(id).country.is_none(), "IPv6 in a database of IPv4");
}

#[test]
fn a_fault_in_a_worker_ends_the_run_and_names_file_and_address() {
    let mut networks = many_networks();
    networks.insert([81, 2, 69], "");
    let place = Place::new();
    place.write("large.mmdb", written(&networks));
    let events: Vec<Value> = (0..2000).map(|n| event(&format!("e{n}"), json!({"user": "ann", "ip": format!("81.2.{}.160", n % 100)}))).collect();
    place.write("log.ndjson", ndjson(&events)).write("r.yml", rule("abroad", "{ip.country: SE}"));
    let ran = place.run(&["scan", "log.ndjson", "--rules", "r.yml", "--geoip", "large.mmdb"]).exits(2);
    ran.says("error: large.mmdb: the database is broken: looking up 81.2.69.160: ").says("help: get the file anew, or leave it out of --geoip");
}

#[test]
fn no_change_of_a_database_makes_a_lookup_panic() {
    let Some(folder) = common::shared(GEOIP) else { return };
    let good = std::fs::read(folder.join("GeoIP2-City-Test.mmdb")).expect("a database");
    let clean: Vec<IpAddr> = published("GeoIP2-City-Test.json").expect("published").into_iter().map(|(a, _, _)| a).collect();
    let mut runner = common::generator("enrichment_broken", 200);
    let changes = proptest::collection::vec((0..good.len(), any::<u8>()), 1..40);
    let result = runner.run(&changes, |changes| {
        let mut bytes = good.clone();
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        std::io::Write::write_all(&mut file, &bytes).expect("written");
        let Ok(databases) = Databases::open(&[file.path().to_owned()]) else { return Ok(()) };
        let databases = Arc::new(databases);
        let mut lookups = Lookups::new(databases.clone());
        for addr in &clean {
            let _ = lookups.look_up(*addr);
        }
        if let Some(fault) = databases.fault() {
            let name = file.path().display().to_string();
            prop_assert!(fault.message.contains(&name) && fault.message.contains("looking up"), "{fault}");
        }
        Ok(())
    });
    result.expect("no panic");
}

#[test]
fn special_ranges_are_those_of_iana() {
    // Global is what the registries call globally reachable; what carries an IPv4 address is judged by that.
    let ranges = [
        ("0.0.0.0/8", "reserved"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "cgnat"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link_local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/29", "reserved"),
        ("192.0.0.9/32", "public"),
        ("192.0.0.10/32", "public"),
        ("192.0.0.170/31", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "public"),
        ("192.52.193.0/24", "public"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "public"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("::/128", "reserved"),
        ("64:ff9b:1::/48", "private"),
        ("100::/64", "reserved"),
        ("100:0:0:1::/64", "reserved"),
        ("2001:1::1/128", "public"),
        ("2001:1::2/128", "public"),
        ("2001:1::3/128", "public"),
        ("2001:2::/48", "reserved"),
        ("2001:3::/32", "public"),
        ("2001:4:112::/48", "public"),
        ("2001:10::/28", "reserved"),
        ("2001:20::/28", "public"),
        ("2001:30::/28", "public"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "public"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "reserved"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link_local"),
        ("ff00::/8", "multicast"),
    ];
    for (network, kind) in ranges {
        let (addr, prefix) = network.split_once('/').expect("a network");
        for addr in ends(addr.parse().expect("an address"), prefix.parse().expect("a prefix")) {
            assert_eq!(special(addr).map_or("public", Special::name), kind, "{addr} of {network}");
        }
    }
    for global in [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "3ffe::",
        "3fff:1000::",
    ] {
        assert_eq!(special(global.parse().expect("an address")), None, "{global}");
    }
}

proptest! {
    #[test]
    fn networks_and_kinds_of_any_address(bits in any::<u128>(), v4 in any::<bool>()) {
        let addr = if v4 { IpAddr::V4(Ipv4Addr::from_bits(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from_bits(bits)) };
        let network = net24(addr);
        prop_assert!(Network::parse(&network).is_some_and(|n| n.contains(addr)), "{addr} {network}");
        let kind = special(addr).map_or("public", Special::name);
        prop_assert!(auditmill::event::derived::KINDS.contains(&kind));
        let mut lookups = Lookups::new(Arc::default());
        let id = lookups.look_up(addr);
        prop_assert_eq!(lookups.facts(id).kind, kind);
    }

    #[test]
    fn families_of_any_text(text in "\\PC{0,200}") {
        let family = auditmill::enrich::agent::family(&text);
        prop_assert!(family.is_none_or(|f| !f.is_empty() && f.chars().count() <= 64));
    }
}

// ---------------------------------------------------------------------------------------------- states of rules

#[test]
fn what_only_a_database_tells_is_unknown_without_it() {
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160"})), event("b", json!({"user": "bob", "ip": "10.1.1.1"}))]));
    let rules = [
        rule("from", "{ip.country: GB}"),
        rule("other", "{user: '*'}").replace("condition: s", "abroad: {ip.country: SE}\n  condition: s and not abroad"),
        rule("either", "[{user: bob}, {ip.country: GB}]"),
        rule("neither", "{ip.country: null}"),
        rule("hidden", "{ip.kind: [vpn, tor]}"),
        rule("own", "{ip.kind: [private, vpn]}"),
        rule("net", "{ip.net24: 81.2.69.0/24}"),
        "title: many\ncorrelation: {type: event_count, rules: [net], group-by: [ip.asn], timespan: 1h, condition: {gte: 1}}\nlevel: low\n".into(),
    ];
    place.write("rules/r.yml", rules.join("---\n"));
    let states = |more: &[&str]| -> BTreeMap<String, (String, u64, String)> {
        let args: Vec<&str> = ["scan", "log.ndjson", "--rules", "rules", "--format", "json"].iter().chain(more).copied().collect();
        let document = place.run(&args).exits(0).json();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let one = |r: &Value| (text(&r["title"]), (text(&r["state"]), r["hits"].as_u64().expect("hits"), text(&r["reason"])));
        document["rules"].as_array().expect("rules").iter().map(one).collect()
    };
    let without = states(&[]);
    for title in ["from", "other", "neither", "hidden", "many"] {
        let (state, hits, reason) = &without[title];
        assert_eq!((state.as_str(), *hits), ("not assessable", 0), "{title}: {without:?}");
        assert!(reason.contains("with --geoip FILE.mmdb"), "{title}: {reason}");
    }
    for (title, hits) in [("either", 1), ("own", 1), ("net", 1)] {
        assert_eq!((without[title].0.as_str(), without[title].1), ("ran", hits), "{title}: {without:?}");
    }
    let Some(folder) = common::shared(GEOIP) else { return };
    let file = |name: &str| folder.join(name).display().to_string();
    let with = states(&["--geoip", &file("GeoLite2-Country-Test.mmdb")]);
    for (title, hits) in [("from", 1), ("other", 2), ("either", 2), ("neither", 1), ("own", 1), ("net", 1)] {
        assert_eq!((with[title].0.as_str(), with[title].1), ("ran", hits), "{title}: {with:?}");
    }
    for (title, lacks) in [("hidden", "hold no anonymisers"), ("many", "hold no autonomous systems")] {
        assert!(with[title].0 == "not assessable" && with[title].2.contains(lacks), "{title}: {with:?}");
    }
    let all = states(&["--geoip", &file("GeoIP2-Anonymous-IP-Test.mmdb"), "--geoip", &file("GeoLite2-ASN-Test.mmdb")]);
    assert_eq!((all["hidden"].0.as_str(), all["hidden"].1, all["many"].0.as_str()), ("ran", 1, "ran"), "{all:?}");
}

#[test]
fn an_explanation_says_what_is_not_told() {
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160"}))]));
    place.write("r.yml", rule("abroad", "{user: ann}").replace("condition: s", "home: {ip.country: SE}\n  condition: s and not home"));
    let args = ["rules", "explain", "r.yml", "--rules", "r.yml", "--event", "log.ndjson"];
    let without = place.run(&args).exits(0);
    assert!(without.text().contains("not assessable: it needs ip.country"), "{}", without.dump());
    let Some(folder) = common::shared(GEOIP) else { return };
    let file = folder.join("GeoLite2-Country-Test.mmdb").display().to_string();
    let with = place.run(&[&args[..], &["--geoip", &file]].concat()).exits(0);
    assert!(!with.text().contains("not assessable") && with.text().contains("GB"), "{}", with.dump());
}

#[test]
fn a_rule_brings_what_a_database_would_say() {
    let place = Place::new();
    let tests = "tests:\n  - name: from a VPN in Germany\n    expect: match\n    source: auditmill\n    enriched: {203.0.113.7: {country: DE, asn: '64500', kind: vpn, location: '52.5,13.4,20'}}\n    events: [EVENT]\n  - name: nothing is known of the address\n    expect: no_match\n    source: auditmill\n    events: [EVENT]\n";
    let event = event("a", json!({"user": "ann", "ip": "203.0.113.7"}));
    let text = format!("{}{}", rule("vpn", "{ip.country: DE, ip.kind: vpn, ip.asn: '64500'}"), tests.replace("EVENT", &event.to_string()));
    place.write("r.yml", &text);
    let ran = place.run(&["rules", "test", "--rules", "r.yml"]).exits(0);
    assert!(ran.text().contains("2 passed, 0 failed"), "{}", ran.dump());
    place.write("r.yml", text.replace("kind: vpn, loc", "kind: tunnel, loc"));
    let ran = place.run(&["rules", "test", "--rules", "r.yml"]).exits(1);
    assert!(ran.text().contains("enriched: 203.0.113.7: `tunnel` is not a kind"), "{}", ran.dump());
}

// ---------------------------------------------------------------------------------------------- outputs

#[test]
fn events_and_findings_keep_what_was_found() {
    let Some(folder) = common::shared(GEOIP) else { return };
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160"})), event("b", json!({"user": "ann", "ip": "10.1.1.1"}))]));
    let file = folder.join("GeoIP2-City-Test.mmdb").display().to_string();
    let plain = place.run(&["events", "log.ndjson"]).exits(0).lines();
    assert!(plain[0].as_object().is_some_and(|o| !o.contains_key("ip.country")));
    let lines = place.run(&["events", "log.ndjson", "--geoip", &file]).exits(0).lines();
    let lines_of_env = place.run_with(&["events", "log.ndjson"], &[("AUDITMILL_GEOIP", &file)], b"").exits(0).lines();
    assert_eq!(lines, lines_of_env);
    assert_eq!((&lines[0]["ip.country"], &lines[0]["ip.city"], &lines[0]["ip.net24"]), (&json!("GB"), &json!("London"), &json!("81.2.69.0/24")));
    assert_eq!((&lines[1]["ip.country"], &lines[1]["ip.kind"]), (&Value::Null, &json!("private")));
    place.run(&["events", "log.ndjson", "--geoip", &file, "--format", "parquet", "-o", "events.parquet"]).exits(0);
    let again = place.run(&["events", "events.parquet", "--geoip", &file]).exits(0).lines();
    assert_eq!(again[0]["raw"].as_str().map(|raw| raw.contains(r#""ip.country":"GB""#)), Some(true), "{}", again[0]);
    place.write("r.yml", rule("all", "{user: ann}"));
    let args = ["scan", "log.ndjson", "--rules", "r.yml", "--geoip", &file];
    let document = place.run(&[&args[..], &["--format", "json"]].concat()).exits(0).json();
    let addresses = &document["findings"][0]["addresses"];
    assert_eq!(addresses[1], json!({"ip": "81.2.69.160", "country": "GB", "city": "London", "asn": null, "org": null, "kind": "public"}), "{document}");
    assert_eq!((&addresses[0]["ip"], &document["findings"][0]["more_addresses"]), (&json!("10.1.1.1"), &json!(0)));
    let database = &document["databases"][0];
    assert_eq!((&database["file"], &database["type"]), (&json!(file), &json!("GeoIP2-City")));
    assert!(database["days_before_newest_event"].as_i64().is_some_and(|n| n < -90), "{database}");
    place.run(&args).exits(0).says("Addresses   GeoIP2-City").says("warning: more than 90 days from the newest event");
    place.run(&["report", "log.ndjson", "--rules", "r.yml", "--geoip", &file, "-o", "out"]).exits(0);
    let report = place.read_text("out/report.md");
    assert!(report.contains("Addresses were looked up in GeoIP2-City") && report.contains("GB, London, public"), "{report}");
    let timeline = place.run(&["timeline", "log.ndjson", "--user", "ann", "--format", "json", "--geoip", &file]).exits(0).json();
    assert_eq!(timeline["rows"][0]["address"]["city"], json!("London"), "{timeline}");
}

// ---------------------------------------------------------------------------------------------- lists

#[test]
fn a_list_of_a_file_stands_for_its_name() {
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "Ann", "ip": "81.2.69.160"})), event("b", json!({"user": "bob", "ip": "10.1.1.1"}))]));
    place.write("r.yml", [rule("people", "{user|expand: '%people%'}"), rule("nets", "{ip|cidr|expand: '%nets%'}")].join("---\n"));
    place.write("people.txt", "\u{feff}# people\r\n\r\nann # on leave\r\n").write("nets.txt", "10.0.0.0/8\n");
    let args = ["scan", "log.ndjson", "--rules", "r.yml", "--format", "json"];
    let hits = |more: &[&str]| -> Vec<(String, u64)> {
        let document = place.run(&[&args[..], more].concat()).exits(0).json();
        document["rules"]
            .as_array()
            .expect("rules")
            .iter()
            .map(|r| (r["state"].as_str().unwrap_or_default().to_owned(), r["hits"].as_u64().unwrap_or(9)))
            .collect()
    };
    let state = |text: &str, n| (text.to_owned(), n);
    assert_eq!(hits(&[]), [state("not assessable", 0), state("not assessable", 0)]);
    assert_eq!(hits(&["--list", "people=people.txt", "--list", "nets=nets.txt"]), [state("ran", 1), state("ran", 1)]);
    place.write("vars.yml", "lists: {people: [bob, ann]}\n");
    assert_eq!(hits(&["--vars", "vars.yml"])[0], state("ran", 2));
    assert_eq!(hits(&["--vars", "vars.yml", "--list", "people=people.txt"])[0], state("ran", 1));
    // A long list is a set; what it holds of patterns still is one.
    let long: String = (0..100_000).map(|n| format!("user{n}\n")).chain(["a*n\n".to_owned()]).collect();
    let nets: String = (0..100_000u32).map(|n| format!("11.{}.{}.{}/32\n", n >> 16, n >> 8 & 255, n & 255)).chain(["10.1.0.0/16\n".to_owned()]).collect();
    place.write("people.txt", long).write("nets.txt", nets);
    assert_eq!(hits(&["--list", "people=people.txt", "--list", "nets=nets.txt"]), [state("ran", 1), state("ran", 1)]);
    place.write("nets.txt", "# ours\n10.0.0.0/8\n10.0.0.0/99\n");
    place.run(&[&args[..], &["--list", "nets=nets.txt"]].concat()).exits(2).says("nets.txt:3: `10.0.0.0/99` is not a network");
    place.write("folder/r.yml", place.read("r.yml"));
    place.run(&["scan", "log.ndjson", "--rules", "folder", "--list", "nets=nets.txt"]).exits(2).says("nets.txt:3: `10.0.0.0/99` is not a network");
    place.run(&[&args[..], &["--list", "nets"]].concat()).exits(2).says("--list nets: not a name and a file");
    place.run(&[&args[..], &["--list", "nets=none.txt"]].concat()).exits(2).says("none.txt");
}

#[test]
fn indicators_are_found_by_the_pack() {
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160", "user_agent": "EvilBot/1.0"}))]));
    place.write("ioc.csv", "indicator,type\n\"81[.]2[.]69[.]0/24\",net\nevilbot/1.0,agent\n").write("more.txt", "hxxp://evil[.]example/x\n");
    let titles = |more: &[&str]| -> BTreeMap<String, String> {
        let args: Vec<&str> = ["scan", "log.ndjson", "--format", "json"].iter().chain(more).copied().collect();
        let document = place.run(&args).exits(0).json();
        let state = |r: &Value| (r["title"].as_str().unwrap_or_default().to_owned(), format!("{} {}", r["state"].as_str().unwrap_or_default(), r["hits"]));
        document["rules"].as_array().expect("rules").iter().map(state).filter(|s| s.0.contains("Among the Indicators")).collect()
    };
    assert!(titles(&[]).values().all(|s| s == "not assessable 0") && titles(&[]).len() == 2);
    assert!(titles(&["--ioc", "ioc.csv", "--ioc", "more.txt"]).values().all(|s| s == "ran 1"));
    let only_values = titles(&["--ioc", "more.txt"]);
    assert_eq!(only_values["Event From an Address Among the Indicators"], "not assessable 0");
}

#[test]
fn filters_and_pipelines_reach_derived_fields() {
    let place = Place::new();
    place.write("log.ndjson", ndjson(&[event("a", json!({"user": "ann", "ip": "81.2.69.160"})), event("b", json!({"user": "bob", "ip": "10.1.1.1"}))]));
    let filter =
        "title: own networks\nlogsource: {product: auditmill}\ntaxonomy: auditmill\nfilter:\n  rules: [all]\n  own: {ip.kind: private}\n  condition: not own\n";
    place.write("filtered.yml", [rule("all", "{user: '*'}"), filter.into()].join("---\n")).write("plain.yml", rule("all", "{user: '*'}"));
    place.write("pipeline.yml", "name: own\ntransformations:\n  - {id: own, type: add_condition, conditions: {ip.net24: 10.1.1.0/24}}\n");
    let found = |args: &[&str]| -> Vec<String> {
        let args: Vec<&str> = ["scan", "log.ndjson", "--format", "json", "--rules"].iter().chain(args).copied().collect();
        let document = place.run(&args).exits(0).json();
        document["findings"].as_array().expect("findings").iter().map(|f| f["entity"]["user"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(found(&["plain.yml"]), ["ann", "bob"]);
    assert_eq!(found(&["filtered.yml"]), ["ann"]);
    assert_eq!(found(&["plain.yml", "--pipeline", "pipeline.yml"]), ["bob"]);
}
