//! Chance, places and networks of a made-up world. The networks look public and belong to nobody here.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Reproducible chance (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Up to and without `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// About the middle, as a bell.
    pub fn around(&mut self, middle: f64, spread: f64) -> f64 {
        middle + spread * ((0..6).map(|_| self.unit()).sum::<f64>() - 3.0)
    }

    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }
}

/// What hides behind a network.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Plain,
    Vpn,
    Tor,
    Hosting,
}

/// A provider in a city, and its networks of 24 bits.
pub struct Provider {
    pub asn: u32,
    pub org: String,
    pub city: usize,
    pub kind: Kind,
    pub nets: Vec<[u8; 3]>,
}

/// City, country, latitude, longitude, hours ahead of UTC.
pub const CITIES: [(&str, &str, f64, f64, i64); 12] = [
    ("Berlin", "DE", 52.52, 13.4, 1),
    ("New York", "US", 40.71, -74.0, -5),
    ("Bengaluru", "IN", 12.97, 77.59, 5),
    ("Paris", "FR", 48.86, 2.35, 1),
    ("London", "GB", 51.5, -0.12, 0),
    ("Madrid", "ES", 40.42, -3.7, 1),
    ("Toronto", "CA", 43.65, -79.38, -5),
    ("Singapore", "SG", 1.35, 103.8, 8),
    ("Sao Paulo", "BR", -23.55, -46.63, -3),
    ("Lagos", "NG", 6.45, 3.39, 1),
    ("Jakarta", "ID", -6.2, 106.8, 7),
    ("Minsk", "BY", 53.9, 27.56, 3),
];

pub struct World {
    pub homes: Vec<Vec<usize>>,
    pub mobile: Vec<usize>,
    pub offices: [usize; 3],
    pub office_vpn: usize,
    pub vpns: Vec<usize>,
    pub tor: usize,
    pub cloud: usize,
    pub hosting: usize,
    pub providers: Vec<Provider>,
}

impl World {
    pub fn new() -> World {
        let mut providers: Vec<Provider> = Vec::new();
        let mut next = 0u32;
        let mut add = |org: String, asn: u32, city: usize, kind: Kind, count: u32| -> usize {
            let nets = (next..next + count).map(|n| [60 + (n >> 16) as u8, (n >> 8) as u8, n as u8]).collect();
            next += count + 7;
            providers.push(Provider { asn, org, city, kind, nets });
            providers.len() - 1
        };
        let mut homes = Vec::new();
        let mut mobile = Vec::new();
        for (i, city) in CITIES.iter().enumerate() {
            homes.push((0..2).map(|n| add(format!("{} Home {n}", city.0), 200_000 + i as u32 * 10 + n, i, Kind::Plain, 60)).collect());
            mobile.push(add(format!("{} Mobile", city.0), 200_005 + i as u32 * 10, i, Kind::Plain, 8));
        }
        let offices = [0, 1, 2].map(|i| add("Acme Office".into(), 210_000, i, Kind::Plain, 1));
        let office_vpn = add("Acme Remote Access".into(), 210_001, 0, Kind::Hosting, 1);
        let vpns = (0..6).map(|i| add("Hidden Example VPN".into(), 210_100, i * 2, Kind::Vpn, 6)).collect();
        let tor = add("Onion Example".into(), 210_200, 11, Kind::Tor, 6);
        let cloud = add("Amazon".into(), 16_509, 1, Kind::Hosting, 12);
        let hosting = add("Cheap Servers Example".into(), 210_300, 11, Kind::Hosting, 12);
        World { homes, mobile, offices, office_vpn, vpns, tor, cloud, hosting, providers }
    }

    /// An address of a provider.
    pub fn address(&self, provider: usize, chance: &mut Chance) -> String {
        let net = chance.one(&self.providers[provider].nets);
        // A company leaves through a few addresses, a provider's customers through all of them.
        let own = self.offices.contains(&provider) || provider == self.office_vpn;
        format!("{}.{}.{}.{}", net[0], net[1], net[2], 1 + chance.below(if own { 4 } else { 250 }))
    }

    /// What databases of cities, of networks and of anonymisers say.
    pub fn databases(&self) -> [BTreeMap<[u8; 3], Value>; 3] {
        let mut out = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
        for p in &self.providers {
            let (city, country, lat, lon, _) = CITIES[p.city];
            for net in &p.nets {
                let location = json!({"latitude": lat, "longitude": lon, "accuracy_radius": {"u16": 50}});
                out[0].insert(*net, json!({"country": {"iso_code": country}, "city": {"names": {"en": city}}, "location": location}));
                out[1].insert(*net, json!({"autonomous_system_number": {"u32": p.asn}, "autonomous_system_organization": p.org}));
                let flag = match p.kind {
                    Kind::Plain => continue,
                    Kind::Vpn => json!({"is_anonymous": true, "is_anonymous_vpn": true}),
                    Kind::Tor => json!({"is_anonymous": true, "is_tor_exit_node": true}),
                    Kind::Hosting => json!({"is_hosting_provider": true}),
                };
                out[2].insert(*net, flag);
            }
        }
        out
    }
}
