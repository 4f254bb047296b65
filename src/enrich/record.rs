//! One record of a database of addresses, read leniently: vendors nest the same facts in different places.
//!
//! MaxMind's GeoIP2 and GeoLite2 (City, Country, Enterprise, ASN, ISP, Anonymous-IP), DB-IP's copies of those forms, IPinfo's
//! flat records, and ip-location-db's flat records.

use crate::event::derived::{Derived, PUBLIC};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is known of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// ISO 3166-1 code.
    pub country: Option<Box<str>>,
    /// In English.
    pub city: Option<Box<str>>,
    /// Number of the autonomous system, in decimal.
    pub asn: Option<Box<str>>,
    /// Organisation.
    pub org: Option<Box<str>>,
    /// `latitude,longitude,radius`; degrees and kilometres.
    pub location: Option<Box<str>>,
    /// One of [`crate::event::derived::KINDS`].
    pub kind: &'static str,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts { country: None, city: None, asn: None, org: None, location: None, kind: PUBLIC }
    }
}

impl Facts {
    /// The value of a derived field; `None` also for those that no database tells.
    pub fn get(&self, derived: Derived) -> Option<&str> {
        match derived {
            Derived::IpCountry => self.country.as_deref(),
            Derived::IpCity => self.city.as_deref(),
            Derived::IpAsn => self.asn.as_deref(),
            Derived::IpOrg => self.org.as_deref(),
            Derived::IpLocation => self.location.as_deref(),
            Derived::IpKind => Some(self.kind),
            Derived::IpNet24 | Derived::UserAgentFamily | Derived::TimeHour | Derived::Principal => None,
        }
    }

    /// Takes what another database knows and this one does not.
    pub fn fill_from(&mut self, other: &Facts) {
        let fill = |mine: &mut Option<Box<str>>, theirs: &Option<Box<str>>| {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        };
        fill(&mut self.country, &other.country);
        fill(&mut self.city, &other.city);
        fill(&mut self.asn, &other.asn);
        fill(&mut self.org, &other.org);
        fill(&mut self.location, &other.location);
        if self.kind == PUBLIC {
            self.kind = other.kind;
        }
    }
}

/// Which fields some record of a database has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// [`Derived::IpCountry`]
    pub country: bool,
    /// [`Derived::IpCity`]
    pub city: bool,
    /// [`Derived::IpAsn`]
    pub asn: bool,
    /// [`Derived::IpOrg`]
    pub org: bool,
    /// [`Derived::IpLocation`]
    pub location: bool,
    /// It tells who hides behind an address: tor, vpn, proxy, relay, hosting, anonymous.
    pub anonymisers: bool,
}

impl Holds {
    /// What either has.
    pub fn or(self, other: Holds) -> Holds {
        Holds {
            country: self.country || other.country,
            city: self.city || other.city,
            asn: self.asn || other.asn,
            org: self.org || other.org,
            location: self.location || other.location,
            anonymisers: self.anonymisers || other.anonymisers,
        }
    }

    /// What MaxMind, and who copies its forms, calls a database by: the fields of that product.
    pub fn of_product(database_type: &str) -> Holds {
        let none = Holds::default();
        let country = Holds { country: true, ..none };
        let city = Holds { city: true, location: true, ..country };
        let network = Holds { asn: true, org: true, ..none };
        match database_type.split_once('-') {
            Some(("GeoIP2" | "GeoLite2" | "DBIP", product)) => match product.split('-').next().unwrap_or_default() {
                "Country" => country,
                "City" => city,
                "Enterprise" => city.or(network),
                "ASN" | "ISP" => network,
                "Anonymous" => Holds { anonymisers: true, ..none },
                _ => none,
            },
            _ => none,
        }
    }
}

/// Flags of anonymisers, the most telling first: a key as vendors spell it, and the kind.
const FLAGS: &[(&str, &str)] = &[
    ("is_tor_exit_node", "tor"),
    ("tor", "tor"),
    ("is_anonymous_vpn", "vpn"),
    ("vpn", "vpn"),
    ("is_public_proxy", "proxy"),
    ("is_residential_proxy", "proxy"),
    ("is_anonymous_proxy", "proxy"),
    ("proxy", "proxy"),
    ("is_relay", "relay"),
    ("relay", "relay"),
    ("is_hosting_provider", "hosting"),
    ("hosting", "hosting"),
    ("is_anonymous", "anonymous"),
];

/// Radius of a city in a database that gives none, in kilometres: most cities fit in it with their commuters.
const CITY_RADIUS: f64 = 50.0;

/// A value of a record, as far as anything of it is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Keys and values.
    Map(Vec<(String, Node)>),
    /// Text.
    Text(String),
    /// A number; autonomous systems fit exactly.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// An array or bytes, of which nothing is read.
    Other,
}

impl Node {
    fn at(&self, path: &[&str]) -> Option<&Node> {
        let Some((key, rest)) = path.split_first() else { return Some(self) };
        let Node::Map(entries) = self else { return None };
        entries.iter().find(|(k, _)| k == key)?.1.at(rest)
    }

    /// The first of these paths with a text that is not empty.
    fn text(&self, paths: &[&[&str]]) -> Option<&str> {
        paths.iter().find_map(|path| match self.at(path) {
            Some(Node::Text(text)) if !text.trim().is_empty() => Some(text.trim()),
            _ => None,
        })
    }

    /// The first of these paths with a number, which some vendors write as text.
    fn number(&self, paths: &[&[&str]]) -> Option<f64> {
        let number = |path: &&[&str]| match self.at(path)? {
            Node::Number(n) => Some(*n),
            Node::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        paths.iter().find_map(number).filter(|n| n.is_finite())
    }

    /// A flag, at the top or among the traits of an Enterprise record.
    fn flag(&self, name: &str) -> Option<bool> {
        match self.at(&[name]).or_else(|| self.at(&["traits", name]))? {
            Node::Bool(b) => Some(*b),
            Node::Number(n) => Some(*n != 0.0),
            Node::Text(text) => Some(text.eq_ignore_ascii_case("true") || text == "1"),
            Node::Map(_) | Node::Other => None,
        }
    }

    /// What the record says.
    pub fn facts(&self) -> Facts {
        let owned = |text: Option<&str>| text.map(Box::from);
        let country = self.text(&[&["country", "iso_code"], &["country_code"], &["country"], &["countryCode"]]);
        let city = self.text(&[&["city", "names", "en"], &["city", "name"], &["city"], &["city_name"]]);
        Facts {
            // A name of a country is no code.
            country: country.filter(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_alphabetic())).map(|c| c.to_ascii_uppercase().into()),
            city: owned(city),
            asn: self.asn().map(|n| n.to_string().into()),
            org: owned(self.text(&[
                &["organization"],
                &["traits", "organization"],
                &["autonomous_system_organization"],
                &["traits", "autonomous_system_organization"],
                &["as_name"],
                &["as_organization"],
                &["isp"],
                &["traits", "isp"],
            ])),
            location: self.location(city.is_some()),
            kind: FLAGS.iter().find(|(flag, _)| self.flag(flag) == Some(true)).map_or_else(|| self.user_type(), |(_, kind)| kind),
        }
    }

    /// A hosting provider by MaxMind's type of user.
    fn user_type(&self) -> &'static str {
        if self.text(&[&["traits", "user_type"], &["user_type"]]) == Some("hosting") { "hosting" } else { PUBLIC }
    }

    fn asn(&self) -> Option<u32> {
        let paths: [&[&str]; 3] = [&["autonomous_system_number"], &["traits", "autonomous_system_number"], &["asn"]];
        let number = self.number(&paths).or_else(|| self.text(&paths)?.trim_start_matches(['A', 'S', 'a', 's']).parse().ok())?;
        (number >= 0.0 && number <= f64::from(u32::MAX) && number.fract() == 0.0).then_some(number as u32)
    }

    /// Coordinates of a city, or of anything with a radius: those of a country alone are its middle, and nobody is there.
    fn location(&self, in_city: bool) -> Option<Box<str>> {
        let latitude = self.number(&[&["location", "latitude"], &["latitude"], &["lat"]]).filter(|l| l.abs() <= 90.0)?;
        let longitude = self.number(&[&["location", "longitude"], &["longitude"], &["lng"]]).filter(|l| l.abs() <= 180.0)?;
        let radius = self.number(&[&["location", "accuracy_radius"], &["accuracy_radius"], &["radius"]]).filter(|r| *r >= 0.0);
        let radius = radius.or(in_city.then_some(CITY_RADIUS))?;
        Some(format!("{latitude},{longitude},{radius}").into())
    }

    /// Which fields the record has.
    pub fn holds(&self) -> Holds {
        let facts = self.facts();
        Holds {
            country: facts.country.is_some(),
            city: facts.city.is_some(),
            asn: facts.asn.is_some(),
            org: facts.org.is_some(),
            location: facts.location.is_some(),
            // Some databases spell what is not so, too.
            anonymisers: FLAGS.iter().any(|(flag, _)| self.flag(flag).is_some()),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value of a database record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        while seq.next_element::<Node>()?.is_some() {}
        Ok(Node::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Node, E> {
        Ok(Node::Bool(b))
    }

    fn visit_f64<E>(self, n: f64) -> Result<Node, E> {
        Ok(Node::Number(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Number(n as f64))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Number(n as f64))
    }

    fn visit_u128<E>(self, n: u128) -> Result<Node, E> {
        Ok(Node::Number(n as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(record: serde_json::Value) -> Facts {
        serde_json::from_value::<Node>(record).expect("a record").facts()
    }

    #[test]
    fn vendors_spell_the_same_facts_differently() {
        let text = |t: &str| Some(Box::from(t));
        let expected = Facts { country: text("DE"), city: text("Berlin"), asn: text("64500"), org: text("X"), location: text("52.5,13.4,20"), kind: "vpn" };
        let enterprise = json!({
            "country": {"iso_code": "DE", "names": {"en": "Germany"}}, "city": {"names": {"de": "Berlin", "en": "Berlin"}},
            "location": {"latitude": 52.5, "longitude": 13.4, "accuracy_radius": 20},
            "traits": {"autonomous_system_number": 64500, "autonomous_system_organization": "X", "is_anonymous": true, "is_anonymous_vpn": true}
        });
        assert_eq!(facts(enterprise), expected);
        let flat = json!({"country": "DE", "city": "Berlin", "asn": "AS64500", "as_name": "X", "lat": "52.5", "lng": "13.4", "radius": "20", "vpn": true, "tor": false});
        assert_eq!(facts(flat), expected);
        let town = facts(json!({"country_code": "de", "city": "Berlin", "latitude": 52.5, "longitude": 13.4}));
        assert_eq!((town.country.as_deref(), town.location.as_deref()), (Some("DE"), Some("52.5,13.4,50")));
        let named = facts(json!({"country": "Germany", "country_code": "DE", "asn": "AS64500"}));
        assert_eq!((named.country, named.asn), (text("DE"), text("64500")));
    }

    #[test]
    fn the_middle_of_a_country_is_no_place() {
        let country = facts(json!({"country": {"iso_code": "US"}, "location": {"latitude": 37.751, "longitude": -97.822}}));
        assert_eq!(country.location, None);
        assert_eq!(facts(json!({"latitude": 91, "longitude": 0, "city": "x"})).location, None);
        assert_eq!(facts(json!({"asn": -1, "country": ["DE"], "city": {"names": []}})), Facts::default());
    }
}
