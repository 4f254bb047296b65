//! `impossible_travel`: two places of one entity, too far apart for the time between.
//!
//! Places are read from `ip.location` (latitude, longitude, radius in km); what has none is skipped and breaks nothing. The
//! distance is the great circle's less both radiuses; the time between is at least a second. A place is compared with those
//! of the located instant before it, of which the nearest counts, and with the others of its own instant. A pair of places
//! fires once for an entity: who always comes back through the same two exits does not travel.

use super::{Fact, Subject};
use crate::event::time::SECOND;
use std::collections::BTreeMap;

/// A place and how far around it the truth may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// Kilometres.
    pub radius: f64,
}

impl Place {
    /// Reads `52.5,13.4,20`.
    pub fn parse(text: &str) -> Option<Place> {
        let mut parts = text.split(',').map(|p| p.trim().parse::<f64>().ok().filter(|n| n.is_finite()));
        let (latitude, longitude) = (parts.next()??, parts.next()??);
        let radius = parts.next().unwrap_or(Some(0.0))?.max(0.0);
        (latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && parts.next().is_none()).then_some(Place { latitude, longitude, radius })
    }

    /// Kilometres to another place that are certain: the great circle on a sphere of the Earth's mean radius (6,371.0 km),
    /// less both radiuses.
    pub fn distance(&self, other: &Place) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let (dlat, dlon) = (b - a, (other.longitude - self.longitude).to_radians());
        let h = (dlat / 2.0).sin().powi(2) + a.cos() * b.cos() * (dlon / 2.0).sin().powi(2);
        let circle = 2.0 * 6371.0088 * h.sqrt().clamp(0.0, 1.0).asin();
        (circle - self.radius - other.radius).max(0.0)
    }
}

/// Distance and speed between two places, where neither the distance nor the speed is believed.
pub fn impossible_pair(a: &Place, b: &Place, micros: i64, speed: f64, distance: f64) -> Option<(f64, f64)> {
    let km = a.distance(b);
    let needed = km / (micros.max(SECOND) as f64 / (3600.0 * SECOND as f64));
    (km >= distance && needed > speed).then_some((km, needed))
}

pub fn judge(subject: &mut Subject<'_>, speed: f64, distance: f64) {
    let run = subject.run;
    let dict = &run.events.dict;
    let parse = |code: u32| dict.text(code).and_then(Place::parse);
    let entries = subject.entries;
    for instant in entries.chunk_by(|a, b| a.time == b.time) {
        let time = instant[0].time;
        // Rows by place and address: their texts first, since codes depend on what else is in the logs.
        let mut here: BTreeMap<(&str, &str), Stop> = BTreeMap::new();
        let named = |code: u32| dict.text(code).unwrap_or_default();
        for entry in instant.iter().filter(|e| !e.known_by) {
            let address = subject.values(entry, 1).first().copied().unwrap_or_default();
            let places = subject.values(entry, 0);
            if places.is_empty() && subject.is_judged(time) {
                subject.out.without_value += 1;
            }
            let located = places.into_iter().filter(|p| parse(*p).is_some());
            located.for_each(|p| here.entry((named(p), named(address))).or_insert_with(|| ([p, address], Vec::new())).1.push(entry.row));
        }
        let mut fired: Vec<[u32; 2]> = Vec::new();
        for (&(text, _), ([place, address], rows)) in &here {
            let (place, address) = (*place, *address);
            let Some(to) = parse(place) else { continue };
            // The nearest place of the instant before; of equal ones the same in every run.
            let before = subject.state.places.iter().filter_map(|&[p, a]| Some((parse(p)?, p, a)));
            let nearest = before.min_by(|a, b| {
                a.0.distance(&to).total_cmp(&b.0.distance(&to)).then_with(|| (dict.text(a.1), dict.text(a.2)).cmp(&(dict.text(b.1), dict.text(b.2))))
            });
            let since = subject.state.placed.unwrap_or(time);
            let from_before = nearest.and_then(|(from, p, a)| Some((impossible_pair(&from, &to, time - since, speed, distance)?, p, a, since)));
            // Of two places of one instant the one whose text comes later is the second.
            let beside = here.iter().filter(|(k, _)| k.0 < text).map(|(_, (codes, _))| codes);
            let from_beside = beside.filter_map(|&[p, a]| Some((impossible_pair(&parse(p)?, &to, 0, speed, distance)?, p, a, time)));
            for ((km, needed), from, from_address, from_time) in from_before.into_iter().chain(from_beside).collect::<Vec<_>>() {
                let pair = ordered(dict.text(from), from, dict.text(place), place);
                let known = subject.state.values.contains_key(&pair) || fired.contains(&pair);
                fired.push(pair);
                if known || !subject.is_judged(time) || !subject.is_ready(time, rows.len() as u64) {
                    continue;
                }
                let facts = vec![
                    Fact::text("from", subject.text(from)),
                    Fact::text("from_ip", subject.text(from_address)),
                    Fact::time("from_time", from_time),
                    Fact::text("to", subject.text(place)),
                    Fact::text("to_ip", subject.text(address)),
                    Fact::number("distance_km", km.round()),
                    Fact::number("speed_km_h", needed.round()),
                ];
                subject.hit(time, rows.clone(), facts);
            }
        }
        if !here.is_empty() {
            if subject.is_judged(time) {
                subject.judged_from.get_or_insert(time);
            }
            fired.iter().for_each(|pair| subject.state.learn_value(*pair, time));
            subject.state.places = here.values().map(|(codes, _)| *codes).collect();
            subject.state.placed = Some(time);
        }
        instant.iter().for_each(|_| subject.state.learn(time));
    }
}

/// Codes of a place and an address, and the events there.
type Stop = ([u32; 2], Vec<u32>);

/// A pair without direction: by text, since codes differ between runs.
fn ordered(a: Option<&str>, a_code: u32, b: Option<&str>, b_code: u32) -> [u32; 2] {
    if a <= b { [a_code, b_code] } else { [b_code, a_code] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_great_circle() {
        let place = |t: &str| Place::parse(t).expect("place");
        // Published great-circle distances between airports: London Heathrow to New York JFK 5,540 km, Paris CDG to Tokyo
        // Narita 9,713 km, Sydney to Santiago 11,347 km; the sphere differs from the ellipsoid by less than half a percent.
        for (a, b, km) in [
            ("51.4775,-0.461389,0", "40.639722,-73.778889,0", 5540.0),
            ("49.009722,2.547778,0", "35.765278,140.385556,0", 9713.0),
            ("-33.946111,151.177222,0", "-33.392778,-70.785556,0", 11347.0),
        ] {
            let got = place(a).distance(&place(b));
            assert!((got - km).abs() / km < 0.005, "{a} {b}: {got}");
            assert!((got - place(b).distance(&place(a))).abs() < 1e-6);
        }
        assert_eq!(place("10,20,0").distance(&place("10,20,0")), 0.0);
        assert_eq!(place("10,20,300").distance(&place("10,22,300")), 0.0, "the radiuses overlap");
        assert!(place("0,0,0").distance(&place("0,180,0")).is_finite());
        for bad in ["", "1", "91,0,0", "0,181,0", "a,b,c", "1,2,3,4", "NaN,0,0", "inf,0,0"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
