//! What a story is told with: whom it happens to, when, and from where.

use super::super::clock::{HOUR, MINUTE, SECOND, local, utc};
use super::super::life::{document, drive_event, okta_app, okta_sign_in};
use super::super::people::{Device, Person};
use super::super::random::Random;
use super::super::record::{Client, Log};
use super::super::world::{Kind, World};
use super::{Cast, PLANTED_DAYS};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a story is told with.
pub struct Scene<'s, 'w> {
    pub log: &'s mut Log<'w>,
    pub people: &'s [Person],
    pub cast: &'s Cast,
    pub used: &'s mut BTreeSet<usize>,
    pub random: Random,
    /// Before it nothing is planted.
    pub day: i64,
    pub users: Vec<String>,
    pub addresses: BTreeSet<String>,
}

impl<'s> Scene<'s, '_> {
    /// Somebody whom the story needs and who has had none yet, or else one who has; in a small organisation anybody.
    pub fn person(&mut self, wanted: impl Fn(&Person) -> bool) -> &'s Person {
        let people = self.people;
        // Who came lately, or was long gone, has no history to differ from: another matter than the one that is planted.
        let known = |p: &&Person| p.joins < 0 && p.is_employed(PLANTED_DAYS.1) && p.gone.is_none();
        let here: Vec<&Person> = people.iter().filter(known).filter(|p| self.workday(p).is_some()).collect();
        let fits: Vec<&Person> = here.iter().copied().filter(|p| wanted(p)).collect();
        let free: Vec<&Person> = fits.iter().copied().filter(|p| !self.used.contains(&p.index)).collect();
        let person = *self.random.pick(if !free.is_empty() {
            &free
        } else if !fits.is_empty() {
            &fits
        } else {
            &here
        });
        self.used.insert(person.index);
        self.users.push(person.email.clone());
        person
    }

    /// A user with ordinary habits: no trips, no VPN of their own, no rights over others.
    pub fn ordinary(&mut self, wanted: impl Fn(&Person) -> bool) -> &'s Person {
        self.person(|p| !p.duties.any() && !p.duties.on_call && p.trips.is_empty() && p.vpn.is_none() && wanted(p))
    }

    /// The first day from the planned one on which somebody works, but not the days after a long absence.
    pub fn workday(&self, person: &Person) -> Option<i64> {
        (self.day..(self.day + 6).min(PLANTED_DAYS.1)).find(|d| person.works(*d) && !person.is_away(d - 1))
    }

    /// About this hour of that day, by the clocks there.
    pub fn at(&mut self, person: &Person, hour: f64) -> i64 {
        let day = self.workday(person).unwrap_or(self.day);
        self.about(local(person.city, day, hour))
    }

    /// Some minutes later: nothing happens on the hour.
    pub fn about(&mut self, at: i64) -> i64 {
        at + self.random.between(0, 25 * MINUTE)
    }

    /// About this hour of the planned day in UTC.
    pub fn utc(&mut self, hour: i64) -> i64 {
        let at = utc(self.day) + hour * HOUR;
        self.about(at)
    }

    /// An address that nobody of the organisation has had.
    pub fn address(&mut self, networks: &[usize]) -> IpAddr {
        let v4: Vec<usize> = networks.iter().copied().filter(|n| self.log.world.networks[*n].base.is_ipv4()).collect();
        let network = *self.random.pick(&v4);
        let ip = self.log.world.networks[network].address(self.random.next());
        self.addresses.insert(ip.to_string());
        ip
    }

    pub fn abroad(&mut self, kind: Kind) -> IpAddr {
        const FAR: [usize; 6] = [22, 23, 24, 25, 26, 27];
        let city = *self.random.pick(&FAR);
        let networks = self.log.world.of(city, kind);
        self.address(&networks)
    }

    /// An address in somebody's country from a provider that is not the one at their home, or of rented machines.
    pub fn near(&mut self, person: &Person, kind: Kind) -> IpAddr {
        let world: &World = self.log.world;
        let home = &world.networks[person.home];
        let networks: Vec<usize> = world.of(person.city, kind).into_iter().filter(|n| world.networks[*n].asn != home.asn).collect();
        self.address(&networks)
    }

    /// The browser that somebody has, or has at least told of.
    pub fn same_browser(&self, person: &Person, at: i64) -> String {
        person.laptop_agent(at)
    }

    /// A browser that is not theirs.
    pub fn other_browser(&self, person: &Person, at: i64) -> String {
        let device = if person.laptop == Device::LinuxFirefox { Device::WindowsChrome } else { Device::LinuxFirefox };
        device.agent(at, 40)
    }

    pub fn session(&mut self) -> String {
        format!("102{}", self.random.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 22))
    }

    pub fn sign_in(&mut self, person: &Person, at: i64, client: &Client, session: &str) -> i64 {
        okta_sign_in(self.log, person, at, client, session, 0, &mut self.random)
    }

    pub fn apps(&mut self, person: &Person, at: i64, client: &Client, session: &str, count: usize) -> i64 {
        const OPENED: [&str; 6] = ["Google Workspace", "Slack", "Salesforce", "Confluence", "Jira", "Workday"];
        let mut at = at;
        for app in OPENED.iter().take(count) {
            at += self.random.between(20, 200) * SECOND;
            okta_app(self.log, person, at, client, session, app);
        }
        at
    }

    pub fn files(&mut self, person: &Person, at: i64, ip: IpAddr, name: &str, count: usize, pause: i64) -> i64 {
        let mut at = at;
        for _ in 0..count {
            at += self.random.between(1, pause) * SECOND;
            let title = document(&mut self.random);
            drive_event(self.log, &person.email, ip, at, name, &title);
        }
        at
    }
}
