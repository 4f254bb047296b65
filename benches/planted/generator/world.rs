//! Where people are and whose addresses they have.
//!
//! All providers are invented, with numbers from the range of private autonomous systems, and own address ranges that somebody else
//! has in the real world: nothing here says anything about these. The one exception is the cloud that the organisation's instances
//! run in: it has the real number and name, since rules tell an instance's own network by them.

use super::mmdb::{Database, Field};
use super::random::Random;
use chrono_tz::Tz;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A city.
#[derive(Debug)]
pub struct City {
    /// In English.
    pub name: &'static str,
    /// ISO 3166-1 code.
    pub country: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What the clocks show.
    pub zone: Tz,
}

const fn city(name: &'static str, country: &'static str, latitude: f64, longitude: f64, zone: Tz) -> City {
    City { name, country, latitude, longitude, zone }
}

/// People live in the first [`HOMES`] of them, travel to the next up to [`SIGHTS`], and hear of the rest in the news.
pub const CITIES: &[City] = &[
    city("New York", "US", 40.71, -74.01, Tz::America__New_York),
    city("London", "GB", 51.51, -0.13, Tz::Europe__London),
    city("Berlin", "DE", 52.52, 13.40, Tz::Europe__Berlin),
    city("Bengaluru", "IN", 12.97, 77.59, Tz::Asia__Kolkata),
    city("Chicago", "US", 41.88, -87.63, Tz::America__Chicago),
    city("San Francisco", "US", 37.77, -122.42, Tz::America__Los_Angeles),
    city("Austin", "US", 30.27, -97.74, Tz::America__Chicago),
    city("Toronto", "CA", 43.65, -79.38, Tz::America__Toronto),
    city("Manchester", "GB", 53.48, -2.24, Tz::Europe__London),
    city("Munich", "DE", 48.14, 11.58, Tz::Europe__Berlin),
    city("Dublin", "IE", 53.35, -6.26, Tz::Europe__Dublin),
    city("Sydney", "AU", -33.87, 151.21, Tz::Australia__Sydney),
    city("Paris", "FR", 48.86, 2.35, Tz::Europe__Paris),
    city("Amsterdam", "NL", 52.37, 4.90, Tz::Europe__Amsterdam),
    city("Lisbon", "PT", 38.72, -9.14, Tz::Europe__Lisbon),
    city("Barcelona", "ES", 41.39, 2.17, Tz::Europe__Madrid),
    city("Rome", "IT", 41.90, 12.50, Tz::Europe__Rome),
    city("Singapore", "SG", 1.35, 103.82, Tz::Asia__Singapore),
    city("Dubai", "AE", 25.20, 55.27, Tz::Asia__Dubai),
    city("Mexico City", "MX", 19.43, -99.13, Tz::America__Mexico_City),
    city("Bangkok", "TH", 13.76, 100.50, Tz::Asia__Bangkok),
    city("Warsaw", "PL", 52.23, 21.01, Tz::Europe__Warsaw),
    city("Moscow", "RU", 55.76, 37.62, Tz::Europe__Moscow),
    city("Lagos", "NG", 6.52, 3.38, Tz::Africa__Lagos),
    city("Bucharest", "RO", 44.43, 26.10, Tz::Europe__Bucharest),
    city("Hanoi", "VN", 21.03, 105.85, Tz::Asia__Ho_Chi_Minh),
    city("Istanbul", "TR", 41.01, 28.98, Tz::Europe__Istanbul),
    city("Sao Paulo", "BR", -23.55, -46.63, Tz::America__Sao_Paulo),
    city("Stockholm", "SE", 59.33, 18.07, Tz::Europe__Stockholm),
    city("Ashburn", "US", 39.04, -77.49, Tz::America__New_York),
    city("Frankfurt", "DE", 50.11, 8.68, Tz::Europe__Berlin),
];

/// Cities in which people of the organisation live.
pub const HOMES: usize = 12;
/// The first offices of them.
pub const OFFICES: usize = 4;
/// Cities to which people travel, homes too.
pub const SIGHTS: usize = 22;
/// The city of the cloud's and the gateway's machines overseas.
pub const ASHBURN: usize = 29;
/// The city of the cloud's and the gateway's machines in Europe.
pub const FRANKFURT: usize = 30;

/// Kilometres between two cities (a sphere will do).
pub fn distance(a: usize, b: usize) -> f64 {
    let (a, b) = (&CITIES[a], &CITIES[b]);
    let (p, q) = (a.latitude.to_radians(), b.latitude.to_radians());
    let d = (b.longitude - a.longitude).to_radians();
    let h = ((q - p) / 2.0).sin().powi(2) + p.cos() * q.cos() * (d / 2.0).sin().powi(2);
    12_742.0 * h.sqrt().min(1.0).asin()
}

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Homes.
    Residential,
    /// Phones, many behind one address.
    Mobile,
    /// Offices, hotels, cafes.
    Business,
    /// Rented machines.
    Hosting,
    /// A commercial VPN.
    Vpn,
    /// Exits of Tor.
    Tor,
    /// The organisation's cloud.
    Cloud,
    /// The organisation's own gateway, through which people with its VPN come.
    Gateway,
}

/// A range of addresses of one provider in one city.
#[derive(Debug)]
pub struct Network {
    /// The first address.
    pub base: IpAddr,
    /// Bits that all addresses share.
    pub length: u8,
    /// The provider's number.
    pub asn: u32,
    /// The provider's name.
    pub org: String,
    /// Where it is.
    pub city: usize,
    /// What it is for.
    pub kind: Kind,
    /// Where the database says it is: not always where it is.
    pub said: (f64, f64, u16),
}

impl Network {
    /// One of its addresses, by number.
    pub fn address(&self, number: u64) -> IpAddr {
        match self.base {
            IpAddr::V4(v4) => {
                let hosts = 1_u64 << (32 - self.length);
                // Neither the first nor the last of its last byte.
                let host = number % hosts;
                let host = if host & 255 == 0 || host & 255 == 255 { host & !255 | 77 } else { host };
                IpAddr::V4(Ipv4Addr::from(u32::from(v4) | host as u32))
            }
            // The number's upper half names the household's /56, the lower the device.
            IpAddr::V6(v6) => {
                let household = u128::from(number >> 40 & 0xffff) << 72;
                let device = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1 << 57;
                IpAddr::V6(Ipv6Addr::from(u128::from(v6) | household | device))
            }
        }
    }
}

/// All networks.
#[derive(Debug)]
pub struct World {
    /// None overlaps another.
    pub networks: Vec<Network>,
}

/// First bytes of the ranges that are given out; none has special uses in it.
const FIRST: &[u8] = &[31, 37, 46, 62, 78, 83, 86, 91, 95, 109];
/// Brands of providers of homes; those of one name in one country are one autonomous system.
const HOME_BRANDS: [&str; 3] = ["Quillnet Broadband", "Varnholt Fibre", "Ostrel Cable"];
const PHONE_BRANDS: [&str; 2] = ["Tallow Mobile", "Pixie Wireless"];
/// How many days an address at home stays, by brand: some give a new one each night, some hardly ever.
pub const LEASE_DAYS: [i64; 3] = [40, 1, 12];

impl World {
    /// The same world for each seed, but for where the database places what.
    pub fn new(seed: u64) -> World {
        let mut world = World { networks: Vec::new() };
        let mut random = Random::of(seed, "world", 0);
        let mut next = 0_usize;
        let mut range = || {
            let (first, second) = (FIRST[next / 200], next % 200 + 20);
            next += 1;
            IpAddr::V4(Ipv4Addr::new(first, second as u8, 0, 0))
        };
        let mut countries: Vec<&str> = Vec::new();
        for (index, city) in CITIES.iter().enumerate() {
            let country = countries.iter().position(|c| *c == city.country).unwrap_or_else(|| {
                countries.push(city.country);
                countries.len() - 1
            }) as u32;
            let asn = |brand: u32| 4_200_010_000 + country * 20 + brand;
            for (i, brand) in HOME_BRANDS.iter().enumerate() {
                world.add(range(), 16, asn(i as u32), &format!("{brand} {}", city.country), index, Kind::Residential, &mut random);
                if i == 0 {
                    let base = Ipv6Addr::new(0x2a0e, 0x4000 + index as u16, 0, 0, 0, 0, 0, 0);
                    world.add(IpAddr::V6(base), 32, asn(0), &format!("{brand} {}", city.country), index, Kind::Residential, &mut random);
                }
            }
            for (i, brand) in PHONE_BRANDS.iter().enumerate() {
                world.add(range(), 20, asn(5 + i as u32), &format!("{brand} {}", city.country), index, Kind::Mobile, &mut random);
            }
            for (i, brand) in ["Corvine Business", "Dellmar Metro"].iter().enumerate() {
                world.add(range(), 18, asn(8 + i as u32), &format!("{brand} {}", city.country), index, Kind::Business, &mut random);
            }
            for (i, brand) in ["Hexapod Hosting", "Brackwater Servers"].iter().enumerate() {
                world.add(range(), 18, 4_200_020_000 + i as u32, brand, index, Kind::Hosting, &mut random);
            }
            world.add(range(), 22, 4_200_020_010, "Farolight VPN", index, Kind::Vpn, &mut random);
            world.add(range(), 24, 4_200_020_011 + country, "Openbough Relay", index, Kind::Tor, &mut random);
        }
        for (city, second) in [(ASHBURN, 72), (FRANKFURT, 28), (3, 66)] {
            let base = IpAddr::V4(Ipv4Addr::new(52, second, 0, 0));
            world.add(base, 16, 16_509, "AMAZON-02", city, Kind::Cloud, &mut random);
        }
        // Where pipelines of the code host run: any address of a large range.
        for city in [ASHBURN, 4, 13] {
            world.add(range(), 16, 4_200_030_000, "Tessera Compute", city, Kind::Hosting, &mut random);
        }
        for city in [ASHBURN, FRANKFURT] {
            world.add(range(), 24, 4_200_030_100, "Palisade Secure Edge", city, Kind::Gateway, &mut random);
        }
        world
    }

    #[expect(clippy::too_many_arguments, reason = "all that a network is")]
    fn add(&mut self, base: IpAddr, length: u8, asn: u32, org: &str, city: usize, kind: Kind, random: &mut Random) {
        let radius = match kind {
            Kind::Mobile => 300,
            Kind::Residential => *random.pick(&[10, 20, 20, 50, 100]),
            Kind::Business => *random.pick(&[5, 10, 20]),
            _ => 100,
        };
        let place = &CITIES[city];
        let said = (place.latitude + random.bell() * 0.1, place.longitude + random.bell() * 0.1, radius);
        self.networks.push(Network { base, length, asn, org: org.to_owned(), city, kind, said });
    }

    /// The networks of a kind in a city, in their order: a provider's name is its place in it.
    pub fn of(&self, city: usize, kind: Kind) -> Vec<usize> {
        (0..self.networks.len()).filter(|i| self.networks[*i].city == city && self.networks[*i].kind == kind).collect()
    }

    /// All networks of a kind.
    pub fn all(&self, kind: Kind) -> Vec<usize> {
        (0..self.networks.len()).filter(|i| self.networks[*i].kind == kind).collect()
    }

    /// The networks of an organisation.
    pub fn owned(&self, org: &str) -> Vec<usize> {
        (0..self.networks.len()).filter(|i| self.networks[*i].org == org).collect()
    }

    /// The network of an address.
    pub fn network(&self, ip: IpAddr) -> Option<&Network> {
        self.networks.iter().find(|n| match (n.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => (u32::from(base) ^ u32::from(ip)) >> (32 - n.length) == 0,
            (IpAddr::V6(base), IpAddr::V6(ip)) => (u128::from(base) ^ u128::from(ip)) >> (128 - n.length) == 0,
            _ => false,
        })
    }

    /// Where the addresses are, as a database of cities says.
    pub fn cities(&self) -> Database {
        let mut database = Database::default();
        for n in &self.networks {
            let city = &CITIES[n.city];
            let name = |text: &str| Field::Map(vec![("names", Field::Map(vec![("en", Field::text(text))]))]);
            let record = Field::Map(vec![
                ("city", name(city.name)),
                ("country", Field::Map(vec![("iso_code", Field::text(city.country))])),
                (
                    "location",
                    Field::Map(vec![
                        ("accuracy_radius", Field::U16(n.said.2)),
                        ("latitude", Field::Double((n.said.0 * 1e4).round() / 1e4)),
                        ("longitude", Field::Double((n.said.1 * 1e4).round() / 1e4)),
                        ("time_zone", Field::text(city.zone.name())),
                    ]),
                ),
            ]);
            // Phones often surface in no city in particular.
            let record = match (n.kind, record) {
                (Kind::Mobile, Field::Map(fields)) => Field::Map(fields.into_iter().filter(|(name, _)| *name != "city").collect()),
                (_, record) => record,
            };
            database.insert(n.base, n.length, &record);
        }
        database
    }

    /// Whose the addresses are.
    pub fn systems(&self) -> Database {
        let mut database = Database::default();
        for n in &self.networks {
            let record = Field::Map(vec![("autonomous_system_number", Field::U32(n.asn)), ("autonomous_system_organization", Field::text(n.org.clone()))]);
            database.insert(n.base, n.length, &record);
        }
        database
    }

    /// Who hides behind the addresses; as in the real ones, only what hides somebody has a record.
    pub fn anonymisers(&self) -> Database {
        let mut database = Database::default();
        for n in &self.networks {
            let flags: &[&'static str] = match n.kind {
                Kind::Vpn => &["is_anonymous", "is_anonymous_vpn", "is_hosting_provider"],
                Kind::Tor => &["is_anonymous", "is_tor_exit_node"],
                Kind::Hosting | Kind::Cloud | Kind::Gateway => &["is_anonymous", "is_hosting_provider"],
                Kind::Residential | Kind::Mobile | Kind::Business => continue,
            };
            let record = Field::Map(flags.iter().map(|flag| (*flag, Field::Bool(true))).collect());
            database.insert(n.base, n.length, &record);
        }
        database
    }
}
