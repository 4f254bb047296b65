//! What is planted: forty short stories of twenty kinds, two of each.
//!
//! They use the same records as ordinary days do, and ids from the same source; who they happen to is drawn from those whom the story
//! needs (a user who does not travel, an administrator who is never on call), and nobody has two of them.

mod scene;
mod stories;

use super::people::{Person, Team};
use super::random::Random;
use super::record::Log;
use scene::Scene;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use stories::*;

/// How many are planted.
pub const PLANTED: usize = 40;
/// The first day on which anything is planted, and the day after the last.
pub const PLANTED_DAYS: (i64, i64) = (35, 90);

/// A planted story, as the truth file tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Incident {
    /// A number in time order, more or less.
    pub id: String,
    /// One of the kinds.
    pub kind: String,
    /// What happened, in a sentence.
    pub description: String,
    /// As the logs name them.
    pub users: Vec<String>,
    /// Addresses that were not there before; none where the user's own are used.
    pub addresses: Vec<String>,
    /// The first event.
    pub from: String,
    /// The last event.
    pub to: String,
    /// As auditmill names the events.
    pub events: Vec<String>,
}

/// The kinds, each with its two stories.
type Story = fn(&mut Scene) -> String;
const KINDS: [(&str, [Story; 2]); 20] = [
    ("new country", [new_country_okta, new_country_entra]),
    ("new address and user agent together", [stolen_session_okta, stolen_session_entra]),
    ("administrator from a new network", [admin_network_okta, admin_network_aws]),
    ("first privileged action", [first_privileged_aws, first_privileged_google]),
    ("rare action", [rare_action_aws, rare_action_github]),
    ("anonymiser", [anonymiser_tor, anonymiser_vpn]),
    ("impossible travel", [impossible_okta, impossible_google]),
    ("failed-login spike", [failed_spike_okta, failed_spike_entra]),
    ("password spray", [spray_fast, spray_slow]),
    ("mass download", [mass_download_drive, mass_download_code]),
    ("mass delete", [mass_delete_drive, mass_delete_aws]),
    ("dormant account returns", [dormant_okta, dormant_entra]),
    ("administrator outside hours", [off_hours_aws, off_hours_okta]),
    ("service account from a new network", [service_network_aws, service_network_entra]),
    ("removed user acts", [removed_entra, removed_github]),
    ("several users from one new address", [shared_address_okta, shared_address_google]),
    ("one session from two networks", [two_networks_okta, two_networks_aws]),
    ("push fatigue", [push_fatigue, push_fatigue_denied]),
    ("instance role outside the provider", [instance_outside_home, instance_outside_host]),
    ("logging disabled after an unusual login", [logging_aws, logging_github]),
];

/// People whose lives must fit a story before anybody's life is written.
#[derive(Debug, Default)]
pub struct Cast {
    dormant: Vec<usize>,
    removed: Vec<usize>,
}

/// The day on which the account that slept is used again.
const RETURNS: [i64; 2] = [72, 81];
/// The day on which an account is closed, and the day on which it acts all the same.
const REMOVED: [(i64, i64); 2] = [(41, 46), (58, 66)];

impl Cast {
    /// Chooses them, and changes their lives.
    pub fn choose(people: &mut [Person], seed: u64) -> Cast {
        let mut random = Random::of(seed, "cast", 0);
        let mut cast = Cast::default();
        let plain = |p: &Person| !p.duties.any() && p.joins < 0 && p.leaves > 1000 && p.trips.is_empty() && p.vpn.is_none() && p.gone.is_none();
        let mut order: Vec<usize> = (0..people.len()).filter(|i| plain(&people[*i])).collect();
        random.shuffle(&mut order);
        let mut take = |wanted: &dyn Fn(&Person) -> bool, people: &[Person]| {
            let at = order.iter().position(|i| wanted(&people[*i])).unwrap_or(0);
            order.remove(at)
        };
        for (number, (closed, _)) in REMOVED.into_iter().enumerate() {
            let index = take(&|p| number == 0 || p.office_suite, people);
            people[index].gone = Some((random.between(4, 9), 1000));
            people[index].next_phone = None;
            cast.dormant.push(index);
            let index = take(&|p| if number == 0 { p.office_suite } else { p.team == Team::Engineering }, people);
            people[index].leaves = closed;
            people[index].away.retain(|(from, _)| *from < closed - 20);
            cast.removed.push(index);
        }
        cast
    }
}

/// Plants all of them, each on a day of its own as far as there are days.
pub fn plant(log: &mut Log, people: &[Person], cast: &Cast, seed: u64) -> Vec<Incident> {
    let mut random = Random::of(seed, "plan", 0);
    let mut order: Vec<(usize, usize)> = (0..KINDS.len()).flat_map(|k| [(k, 0), (k, 1)]).collect();
    random.shuffle(&mut order);
    let mut used: BTreeSet<usize> = cast.dormant.iter().chain(&cast.removed).copied().collect();
    let mut planted = Vec::new();
    for (slot, (kind, number)) in order.into_iter().enumerate() {
        let (first, end) = PLANTED_DAYS;
        let day = first + (slot as i64 * (end - 2 - first)) / PLANTED as i64 + random.between(0, 2);
        let (name, stories) = KINDS[kind];
        let before = log.events.len();
        let mut scene =
            Scene { log, people, cast, used: &mut used, random: Random::of(seed, name, number), day, users: Vec::new(), addresses: BTreeSet::new() };
        let description = stories[number](&mut scene);
        let (users, addresses) = (scene.users, scene.addresses);
        let events = &log.events[before..];
        let times = || events.iter().map(|e| e.at);
        planted.push(Incident {
            id: format!("incident-{:02}", planted.len() + 1),
            kind: name.to_owned(),
            description,
            users,
            addresses: addresses.into_iter().collect(),
            from: super::clock::rfc3339(times().min().expect("an event")),
            to: super::clock::rfc3339(times().max().expect("an event")),
            events: events.iter().map(|e| e.id.clone()).collect(),
        });
    }
    planted
}
