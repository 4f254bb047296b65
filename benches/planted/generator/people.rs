//! Who works there: where from, with what, and what for.

use super::clock::{DAY, HOUR, is_working_day, utc};
use super::random::Random;
use super::record::DOMAIN;
use super::world::{CITIES, HOMES, Kind, LEASE_DAYS, OFFICES, SIGHTS, World};
use std::collections::HashSet;
use std::net::IpAddr;

/// What somebody works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    Engineering,
    Data,
    Sales,
    Support,
    Finance,
    Marketing,
    Staff,
    It,
    Board,
}

/// Teams and their share of a hundred.
const TEAMS: [(Team, usize); 9] = [
    (Team::Engineering, 36),
    (Team::Sales, 19),
    (Team::Support, 14),
    (Team::Marketing, 8),
    (Team::Finance, 6),
    (Team::Data, 5),
    (Team::It, 5),
    (Team::Staff, 4),
    (Team::Board, 3),
];

/// What somebody does for the others, with more rights than they have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duties {
    /// Runs the directory.
    pub okta: bool,
    /// Helps who is locked out.
    pub helpdesk: bool,
    /// Runs mail and documents.
    pub google: bool,
    /// Owns the code host's organisation.
    pub github: bool,
    /// Holds all rights in the cloud.
    pub aws: bool,
    /// Is called at night, a week at a time.
    pub on_call: bool,
}

impl Duties {
    /// More rights than most.
    pub fn any(self) -> bool {
        self.okta || self.helpdesk || self.google || self.github || self.aws
    }
}

/// A machine and the browser on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    MacChrome,
    MacSafari,
    MacFirefox,
    WindowsChrome,
    WindowsEdge,
    LinuxFirefox,
    IPhone,
    Android,
}

impl Device {
    /// What it says of itself; browsers renew themselves every four weeks, some later than others.
    pub fn agent(self, at: i64, lag: i64) -> String {
        let release = (at - utc(0) - lag * DAY).div_euclid(28 * DAY);
        let (chrome, firefox, ios) = (145 + release, 148 + release, (release + 2).max(0) / 2 + 3);
        let kit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        match self {
            Device::MacChrome => format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {kit} Chrome/{chrome}.0.0.0 Safari/537.36"),
            Device::MacSafari => {
                format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.{ios} Safari/605.1.15")
            }
            Device::MacFirefox => format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:{firefox}.0) Gecko/20100101 Firefox/{firefox}.0"),
            Device::WindowsChrome => format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {kit} Chrome/{chrome}.0.0.0 Safari/537.36"),
            Device::WindowsEdge => format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {kit} Chrome/{chrome}.0.0.0 Safari/537.36 Edg/{chrome}.0.0.0"),
            Device::LinuxFirefox => format!("Mozilla/5.0 (X11; Linux x86_64; rv:{firefox}.0) Gecko/20100101 Firefox/{firefox}.0"),
            Device::IPhone => format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 26_{ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.{ios} Mobile/15E148 Safari/604.1"
            ),
            Device::Android => format!("Mozilla/5.0 (Linux; Android 10; K) {kit} Chrome/{chrome}.0.0.0 Mobile Safari/537.36"),
        }
    }
}

/// Some days elsewhere; the first and the last are spent in part on the way.
#[derive(Debug, Clone)]
pub struct Trip {
    /// The day of leaving.
    pub from: i64,
    /// The day of coming back.
    pub to: i64,
    /// Where to.
    pub city: usize,
    /// The hotel's address: one for all its guests.
    pub hotel: IpAddr,
    /// Without work.
    pub holiday: bool,
}

/// Somebody who works there.
#[derive(Debug, Clone)]
pub struct Person {
    /// The place in the list of all.
    pub index: usize,
    /// Given name and family name.
    pub name: String,
    /// The name in all systems but the code host.
    pub email: String,
    /// The name at the code host.
    pub login: String,
    /// The id at Okta.
    pub okta_id: String,
    /// The id at Entra ID.
    pub entra_id: String,
    /// What they work on.
    pub team: Team,
    /// What they do for others.
    pub duties: Duties,
    /// Where they live.
    pub city: usize,
    /// The city of their office, if there is one near.
    pub office: Option<usize>,
    /// How many of ten days are worked at home.
    pub at_home: f64,
    /// The provider's network at home.
    pub home: usize,
    /// The same for IPv6.
    pub home_v6: Option<usize>,
    /// Days until the provider gives another address.
    pub lease: i64,
    /// What the addresses at home and of the phone are drawn from.
    pub household: u64,
    /// The phone's network.
    pub carrier: usize,
    /// What they work with.
    pub laptop: Device,
    /// What they look at now and then.
    pub phone: Device,
    /// Another laptop from a day on.
    pub next_laptop: Option<(i64, Device)>,
    /// Another phone from a day on.
    pub next_phone: Option<(i64, Device)>,
    /// Days by which the browser is behind.
    pub lag: i64,
    /// The hour at which work begins, more or less.
    pub starts: f64,
    /// The hour at which it ends.
    pub ends: f64,
    /// Signs in to Entra ID.
    pub office_suite: bool,
    /// Has a role in the cloud.
    pub aws: bool,
    /// How likely the organisation's gateway is used on a day at home.
    pub gateway: f64,
    /// Networks of a commercial VPN, of who likes one.
    pub vpn: Option<[usize; 2]>,
    /// The first day.
    pub joins: i64,
    /// The day after the last.
    pub leaves: i64,
    /// First and last days of absences, in which a phone may still be looked at.
    pub away: Vec<(i64, i64)>,
    /// First and last day of an absence so long that nothing is looked at.
    pub gone: Option<(i64, i64)>,
    /// In time order, never two at once.
    pub trips: Vec<Trip>,
    /// What the days are drawn from.
    pub seed: u64,
}

impl Person {
    /// Whether there is an account on a day.
    pub fn is_employed(&self, day: i64) -> bool {
        (self.joins..self.leaves).contains(&day)
    }

    /// The trip that a day belongs to.
    pub fn trip(&self, day: i64) -> Option<&Trip> {
        self.trips.iter().find(|t| (t.from..=t.to).contains(&day))
    }

    /// Whether this is a day off.
    pub fn is_away(&self, day: i64) -> bool {
        self.away.iter().chain(&self.gone).any(|(from, to)| (*from..=*to).contains(&day))
    }

    /// Whether this is an ordinary day of work at home or in the office.
    pub fn works(&self, day: i64) -> bool {
        self.is_employed(day) && !self.is_away(day) && self.trip(day).is_none() && is_working_day(&CITIES[self.city], day)
    }

    /// What the laptop's browser calls itself.
    pub fn laptop_agent(&self, at: i64) -> String {
        let device = self.next_laptop.filter(|(day, _)| at >= utc(*day)).map_or(self.laptop, |(_, d)| d);
        device.agent(at, self.lag)
    }

    /// What the phone's browser calls itself.
    pub fn phone_agent(&self, at: i64) -> String {
        let device = self.next_phone.filter(|(day, _)| at >= utc(*day)).map_or(self.phone, |(_, d)| d);
        device.agent(at, self.lag)
    }

    /// The address at home: of IPv6 where there is such, now and then.
    pub fn home_address(&self, world: &World, at: i64, random: &mut Random) -> IpAddr {
        let day = at.div_euclid(DAY) + (self.household % 97) as i64;
        match self.home_v6.filter(|_| random.chance(0.35)) {
            // The household keeps its prefix for long, devices change their half daily.
            Some(v6) => {
                let household = Random::of(self.household, "v6", day as usize / 200).next() & 0xffff;
                world.networks[v6].address(household << 40 | day as u64 & 0xff_ffff)
            }
            None => world.networks[self.home].address(Random::of(self.household, "v4", (day / self.lease) as usize).next()),
        }
    }

    /// The address of the phone outside, which the carrier changes every few hours.
    pub fn mobile_address(&self, world: &World, at: i64) -> IpAddr {
        world.networks[self.carrier].address(Random::of(self.household, "mobile", (at / (3 * HOUR)) as usize).next())
    }
}

const FIRST: &str = "Ana Ben Chloe Daniel Elif Farid Grace Hugo Ines Jonas Kavya Liam Mira Noor Oscar Priya Quentin Rosa Samir Tara Uma Victor Wren Xenia Yusuf Zoe Aiden Bianca Carl Divya Emil Fiona Gareth Hana Isaac Julia Kofi Lena Marco Nadia Owen Paula Rohan Sara Tomas Ursula Vera Will Yara Zane Arjun Beth Cormac Deepa Erik Freya Gita Harry Isla Jack";
const LAST: &str = "Abbott Baumann Castro Dhawan Ellery Fischer Gallagher Hartmann Iyer Jensen Keller Lindqvist Moreau Nair Okafor Petrov Quigley Rao Schneider Turner Ueda Varga Whitaker Xu Young Zimmer Archer Bhatt Coleman Doyle Engel Foster Gupta Hughes Ibarra Joshi Klein Larsen Menon Novak Oakley Pereira Reddy Silva Tanaka Usman Vogel Walsh Yilmaz Zhang Ashford Brandt Cullen Desai Evers Flynn Graham Holm Irwin Jha Kowalski";

/// The people of an organisation of this size.
pub fn people(world: &World, seed: u64, size: usize, days: i64) -> Vec<Person> {
    let mut random = Random::of(seed, "people", 0);
    let (first, last): (Vec<&str>, Vec<&str>) = (FIRST.split(' ').collect(), LAST.split(' ').collect());
    let mut names = HashSet::new();
    let mut teams: Vec<Team> = (0..size).map(|i| team_of(i * 100 / size.max(1))).collect();
    random.shuffle(&mut teams);
    let mut counts = std::collections::HashMap::new();
    (0..size)
        .map(|index| {
            let (given, family) = loop {
                let name = (*random.pick(&first), *random.pick(&last));
                if names.insert(name) {
                    break name;
                }
            };
            let mut own = Random::of(seed, "person", index);
            let team = teams[index];
            let place = counts.entry(team as usize).or_insert(0_usize);
            *place += 1;
            person(world, &mut own, index, given, family, team, *place, days)
        })
        .collect()
}

fn team_of(percent: usize) -> Team {
    let mut sum = 0;
    TEAMS
        .iter()
        .find(|(_, share)| {
            sum += share;
            percent < sum
        })
        .map_or(Team::Engineering, |(team, _)| *team)
}

/// Rights go to the first of the teams that have them.
fn duties(team: Team, place: usize) -> Duties {
    let mut duties = Duties::default();
    match team {
        Team::It => {
            duties.okta = place <= 4;
            duties.google = (3..=5).contains(&place);
            duties.helpdesk = (6..=11).contains(&place);
        }
        Team::Engineering => {
            duties.aws = place <= 7;
            duties.github = (5..=9).contains(&place);
            // Some who hold the keys of the cloud are never on call.
            duties.on_call = (4..=16).contains(&place);
        }
        _ => {}
    }
    duties
}

#[expect(clippy::too_many_arguments, reason = "all that a life depends on")]
fn person(world: &World, random: &mut Random, index: usize, given: &str, family: &str, team: Team, place: usize, days: i64) -> Person {
    let city = if random.chance(0.7) { random.below(OFFICES) } else { random.below(HOMES) };
    let office = (city < OFFICES && random.chance(0.9)).then_some(city);
    let homes = world.of(city, Kind::Residential);
    let (v4, v6): (Vec<usize>, Vec<usize>) = homes.iter().partition(|i| world.networks[**i].base.is_ipv4());
    let brand = random.below(v4.len());
    let engineer = matches!(team, Team::Engineering | Team::Data);
    let laptop = match (engineer, random.below(10)) {
        (true, 0..6) => Device::MacChrome,
        (true, 6..8) => Device::LinuxFirefox,
        (false, 0..2) => Device::MacChrome,
        (false, 2) => Device::MacSafari,
        (_, 3..6) => Device::WindowsEdge,
        _ => Device::WindowsChrome,
    };
    let phone = if random.chance(0.55) { Device::IPhone } else { Device::Android };
    let next_phone = random.chance(0.10).then(|| (random.between(3, days), if random.chance(0.75) { phone } else { Device::IPhone }));
    let next_laptop = random.chance(0.09).then(|| (random.between(3, days), *random.pick(&[Device::MacChrome, Device::WindowsEdge, Device::MacFirefox])));
    let (joins, leaves) = match random.below(100) {
        0..5 => (random.between(8, days - 8), i64::MAX),
        5..9 => (i64::MIN, random.between(12, days - 4)),
        _ => (i64::MIN, i64::MAX),
    };
    let duties = duties(team, place);
    // Who keeps the others' rights stays, or the figures would tell of that.
    let (joins, leaves) = if duties.any() { (i64::MIN, i64::MAX) } else { (joins, leaves) };
    let traveller = match team {
        Team::Sales | Team::Board => random.chance(0.55),
        _ => random.chance(0.05),
    };
    let trips = trips(world, random, city, traveller, days);
    let mut away = Vec::new();
    if random.chance(0.35) {
        let from = random.between(1, days);
        away.push((from, from + random.between(4, 14)));
    }
    if random.chance(0.15) {
        let from = random.between(1, days);
        away.push((from, from + random.between(0, 3)));
    }
    // Parents on leave come back, too.
    let gone = (!duties.any() && random.chance(0.01)).then(|| random.between(1, 9)).map(|from| (from, from + random.between(62, 75)));
    let starts = 8.7 + random.bell() * 0.7;
    let vpns = world.all(Kind::Vpn);
    let near: Vec<usize> = vpns.iter().copied().filter(|n| world.networks[*n].city < SIGHTS).collect();
    Person {
        index,
        name: format!("{given} {family}"),
        email: format!("{}.{}@{DOMAIN}", given.to_lowercase(), family.to_lowercase()),
        login: match random.below(3) {
            0 => format!("{}{}-hl", &given.to_lowercase()[..1], family.to_lowercase()),
            1 => format!("{}{}{}", given.to_lowercase(), family.to_lowercase(), random.below(90) + 10),
            _ => format!("{}-{}", given.to_lowercase(), family.to_lowercase()),
        },
        okta_id: format!("00u{}", random.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 17)),
        entra_id: random.uuid(),
        team,
        duties,
        city,
        office,
        at_home: if office.is_none() { 1.0 } else { [0.15, 0.4, 0.4, 0.6, 0.9][random.below(5)] },
        home: v4[brand],
        home_v6: v6.first().copied().filter(|_| brand == 0),
        lease: LEASE_DAYS[brand],
        household: random.next(),
        carrier: *random.pick(&world.of(city, Kind::Mobile)),
        laptop,
        phone,
        next_laptop,
        next_phone,
        lag: random.between(0, 20),
        starts,
        ends: starts + 8.6 + random.bell() * 0.5,
        office_suite: !engineer || random.chance(0.3),
        aws: team == Team::Data || team == Team::Engineering && (duties.aws || random.chance(0.5)),
        gateway: if engineer || team == Team::It { 0.6 } else { [0.0, 0.0, 0.1, 0.5][random.below(4)] },
        vpn: random.chance(0.025).then(|| [*random.pick(&near), *random.pick(&near)]),
        joins,
        leaves,
        away,
        gone,
        trips,
        seed: random.next(),
    }
}

fn trips(world: &World, random: &mut Random, home: usize, traveller: bool, days: i64) -> Vec<Trip> {
    let count = if traveller { 2 + random.about(2.5) } else { usize::from(random.chance(0.22)) };
    let mut trips: Vec<Trip> = Vec::new();
    for _ in 0..count {
        let from = random.between(1, days - 2);
        let holiday = !traveller && random.chance(0.6);
        let to = from + if holiday { random.between(5, 12) } else { random.between(1, 5) };
        let city = loop {
            let city = if random.chance(0.35) { random.below(OFFICES) } else { random.below(SIGHTS) };
            if city != home {
                break city;
            }
        };
        let hotel = world.networks[*random.pick(&world.of(city, Kind::Business))].address(random.next());
        if trips.iter().all(|t| to + 1 < t.from || t.to + 1 < from) {
            trips.push(Trip { from, to, city, hotel, holiday });
        }
    }
    trips.sort_by_key(|t| t.from);
    trips
}
