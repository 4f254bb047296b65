//! An invented organisation and ninety days of its logs, with incidents planted in them.
//!
//! Three hundred people in several time zones and the machines that work for them leave records in five systems. Most of what they do
//! is dull; some of it looks strange and is not: trips, phones that roam, new laptops, an office that changes its provider, a gateway
//! that people dial into while they work, guesses at passwords from the internet, nights on call, analysts who fetch files by the
//! hundred. Everything is drawn from the seed.
//!
//! Nothing here knows a rule, and no rule may know what is planted here.

pub mod clock;
mod duties;
mod export;
pub mod incidents;
mod life;
mod machines;
pub mod mmdb;
mod people;
pub mod random;
mod record;
pub mod world;

pub use record::Source;

use incidents::{Cast, Incident};
use mmdb::RecordSize;
use random::Random;
use record::{Event, Log};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::Path;
use world::World;

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// People.
    pub users: usize,
    /// Days, from a Monday on.
    pub days: i64,
    /// Whether the incidents are planted, which takes all of the ninety days, and twenty people at least.
    pub incidents: bool,
}

/// The logs of an organisation, in time order, and the truth about them.
#[derive(Debug)]
pub struct Organisation {
    plan: Plan,
    world: World,
    events: Vec<Event>,
    /// Mail addresses of those who administer access.
    administrators: Vec<String>,
    /// What was planted.
    pub incidents: Vec<Incident>,
}

impl Organisation {
    /// Lives through all days.
    pub fn new(plan: Plan) -> Organisation {
        let world = World::new(plan.seed);
        let mut people = people::people(&world, plan.seed, plan.users, plan.days);
        let cast = plan.incidents.then(|| Cast::choose(&mut people, plan.seed));
        let administers = |p: &&people::Person| p.duties.okta || p.duties.helpdesk || p.duties.google || p.duties.aws;
        let administrators = people.iter().filter(administers).map(|p| p.email.clone()).collect();
        let mut log = Log::new(&world, Random::of(plan.seed, "ids", 0));
        for person in &people {
            life::live(&mut log, person, &people, plan.days);
        }
        duties::nights(&mut log, &people, plan.seed, plan.days);
        machines::run(&mut log, &people, plan.seed, plan.days);
        let incidents = cast.map_or_else(Vec::new, |cast| incidents::plant(&mut log, &people, &cast, plan.seed));
        let mut events = log.events;
        events.sort_by(|a, b| (a.at, a.source, &a.id).cmp(&(b.at, b.source, &b.id)));
        Organisation { plan, world, events, administrators, incidents }
    }

    /// How many records there are.
    pub fn events(&self) -> usize {
        self.events.len()
    }

    /// How many of each system.
    pub fn by_source(&self) -> BTreeMap<Source, usize> {
        let mut counts = BTreeMap::new();
        for event in &self.events {
            *counts.entry(event.source).or_default() += 1;
        }
        counts
    }

    /// Writes the logs as their systems export them.
    pub fn write_logs(&self, folder: &Path) -> io::Result<()> {
        export::write(&self.events, folder, |_| true)
    }

    /// Writes the logs of one system alone.
    pub fn write_source(&self, folder: &Path, source: Source) -> io::Result<()> {
        export::write(&self.events, folder, |e| e.source == source)
    }

    /// Writes the planted events alone.
    pub fn write_planted(&self, folder: &Path) -> io::Result<()> {
        let planted: HashSet<&String> = self.incidents.iter().flat_map(|i| &i.events).collect();
        export::write(&self.events, folder, |e| planted.contains(&e.id))
    }

    /// Writes the databases of addresses, as their vendors call them.
    pub fn write_databases(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let built = (clock::utc(self.plan.days) / 1000) as u64;
        let (cities, systems, anonymisers) = (self.world.cities(), self.world.systems(), self.world.anonymisers());
        std::fs::write(folder.join("Planted-City.mmdb"), cities.bytes("GeoLite2-City", built, RecordSize::Bits28))?;
        std::fs::write(folder.join("Planted-ASN.mmdb"), systems.bytes("GeoLite2-ASN", built, RecordSize::Bits32))?;
        std::fs::write(folder.join("Planted-Anonymous-IP.mmdb"), anonymisers.bytes("GeoIP2-Anonymous-IP", built, RecordSize::Bits28))
    }

    /// Writes what the organisation says of itself, as a site does: who administers access.
    pub fn write_site(&self, file: &Path) -> io::Result<()> {
        let names: Vec<String> = self.administrators.iter().map(|a| format!("\n    - {a}")).collect();
        std::fs::write(file, format!("lists:\n  access_administrators:{}\n", names.concat()))
    }

    /// Writes what was planted.
    pub fn write_truth(&self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&self.incidents).map_err(io::Error::other)?;
        std::fs::write(file, text)
    }
}
