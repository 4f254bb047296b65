//! What is planted: forty incidents of the kinds that issue and pack name, on days on which a history is there. Nothing but what
//! was done tells them from ordinary work.

use super::organisation::{ACCOUNT, AGENTS, DAYS, Organisation, PEOPLE, at};
use super::world::CITIES;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

/// One planted incident.
#[derive(Serialize)]
pub struct Incident {
    pub kind: &'static str,
    pub what: String,
    pub events: BTreeSet<String>,
}

/// How many of each kind.
pub const KINDS: [(&str, usize); 19] = [
    ("new country", 3),
    ("new network and client", 3),
    ("administrator from a new operator", 2),
    ("first privileged action", 3),
    ("rare action", 2),
    ("login through an anonymiser", 3),
    ("impossible travel", 3),
    ("failed logins of one user", 2),
    ("password spray", 1),
    ("mass download", 2),
    ("mass deletion", 2),
    ("dormant account", 2),
    ("administrator at night", 1),
    ("service from a new network", 2),
    ("removed user", 2),
    ("several users from one address", 2),
    ("stolen session", 2),
    ("worn-down user", 2),
    ("instance credentials outside", 1),
];

/// Plants all of them.
pub fn plant(org: &mut Organisation) -> Vec<Incident> {
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    let mut out = Vec::new();
    for (kind, count) in KINDS {
        for _ in 0..count {
            let day = 36 + org.chance.below((DAYS - 46) as usize) as i64;
            let (what, events) = one(org, kind, day, &mut taken);
            out.push(Incident { kind, what, events: events.into_iter().collect() });
        }
    }
    out
}

/// Somebody who was there for a while, does not travel or tunnel, and has no incident yet.
fn ordinary(org: &mut Organisation, taken: &mut BTreeSet<usize>, day: i64, fits: &dyn Fn(&Organisation, usize) -> bool) -> usize {
    for tries in 0.. {
        let who = org.chance.below(PEOPLE);
        let p = &org.people[who];
        // Of the few administrators all may be on a trip about that day.
        let stays = tries > 5000 || p.tunnel.is_none() && p.trips.iter().all(|t| t.1 < day - 2 || t.0 > day + 2);
        if p.first == 0 && p.last > day + 3 && stays && fits(org, who) && taken.insert(who) {
            return who;
        }
    }
    unreachable!("there are more people than incidents")
}

fn one(org: &mut Organisation, kind: &str, day: i64, taken: &mut BTreeSet<usize>) -> (String, Vec<String>) {
    let plain = |o: &Organisation, w: usize| !o.people[w].admin && !o.people[w].data;
    let far = 8 + org.chance.below(3);
    let time = at(day, 11.0 + org.chance.unit() * 4.0);
    match kind {
        "new country" => {
            let who = ordinary(org, taken, day, &plain);
            let provider = *org.chance.one(&org.world.homes[far].clone());
            let (ip, agent) = (org.world.address(provider, &mut org.chance), org.people[who].agents[0]);
            // A day after the last login at home: no travel that is impossible.
            let day = day - day % 7 + 6;
            let ids = vec![org.sign_in(who, at(day, 14.0), &ip, agent), org.sign_in(who, at(day, 15.5), &ip, agent)];
            (format!("{} from {} on day {day}", org.people[who].mail, CITIES[far].0), ids)
        }
        "new network and client" | "stolen session" => {
            let who = ordinary(org, taken, day, &|o, w| plain(o, w) && (kind != "stolen session" || w % 4 != 3));
            let city = org.people[who].city;
            let net = org.world.hosting;
            let ip = org.world.address(net, &mut org.chance);
            let mine = org.people[who].agents.clone();
            let agent = (0..AGENTS.len()).find(|a| !mine.contains(a)).unwrap_or(3);
            if kind == "stolen session" {
                let home = org.people[who].home.clone();
                let own = org.sign_in(who, time, &home, mine[0]);
                let mut ids = vec![own];
                ids.extend((0..5).map(|n| org.okta(who, time + 900 + n * 60, "user.authentication.sso", "SUCCESS", &ip, agent, None)));
                return (format!("the session of {} from {}", org.people[who].mail, ip), ids);
            }
            let ids = vec![org.sign_in(who, time, &ip, agent)];
            (format!("{} of {} from {ip}", org.people[who].mail, CITIES[city].0), ids)
        }
        "administrator from a new operator" | "administrator at night" => {
            let who = ordinary(org, taken, day, &|o, w| o.people[w].admin);
            let night = kind == "administrator at night";
            let provider = if night { org.world.homes[org.people[who].city][0] } else { *org.chance.one(&org.world.homes[far].clone()) };
            let ip = if night { org.people[who].home.clone() } else { org.world.address(provider, &mut org.chance) };
            let ahead = CITIES[org.people[who].city].4 as f64;
            let start = if night { at(day - day % 7 + 6, 3.0 - ahead) } else { at(day - day % 7 + 6, 14.0) };
            let agent = org.people[who].agents[0];
            let before = org.events.len();
            org.sign_in(who, start, &ip, agent);
            for n in 1..4 {
                let target = org.chance.below(PEOPLE);
                org.administer(who, start + n * 300, target, &ip, agent);
            }
            (format!("{} from {ip}", org.people[who].mail), org.events[before..].iter().map(|e| e.id.clone()).collect())
        }
        "first privileged action" => {
            let who = ordinary(org, taken, day, &|o, w| plain(o, w) && w % 4 != 3);
            let (ip, agent) = (org.people[who].home.clone(), org.people[who].agents[0]);
            let target = org.people[org.chance.below(PEOPLE)].mail.clone();
            let ids = vec![
                org.okta(who, time, "user.account.privilege.grant", "SUCCESS", &ip, agent, Some(&target)),
                org.okta(who, time + 200, "system.api_token.create", "SUCCESS", &ip, agent, None),
            ];
            (format!("{} grants a privilege and makes a token", org.people[who].mail), ids)
        }
        "rare action" => {
            let who = ordinary(org, taken, day, &|o, w| o.people[w].engineer && !o.people[w].admin);
            let ip = org.people[who].home.clone();
            let identity = org.iam_user(who);
            let calls = [("cloudtrail.amazonaws.com", "DeleteTrail"), ("s3.amazonaws.com", "PutBucketPolicy"), ("iam.amazonaws.com", "UpdateAssumeRolePolicy")];
            let (service, name) = *org.chance.one(&calls);
            let more = json!({"requestParameters": {"name": "main", "bucketName": "acme-logs", "roleName": "deploy", "policyDocument": "{}"}});
            let ids = vec![org.cloudtrail(time, service, name, &ip, "aws-cli/2.17 Python/3.11 Linux/6.1", identity, more)];
            (format!("{} calls {name} in {ACCOUNT}", org.people[who].login), ids)
        }
        "login through an anonymiser" => {
            let who = ordinary(org, taken, day, &plain);
            let provider = if org.chance.happens(0.5) { org.world.tor } else { org.world.vpns[0] };
            let (ip, agent) = (org.world.address(provider, &mut org.chance), org.people[who].agents[0]);
            (format!("{} from {ip}", org.people[who].mail), vec![org.sign_in(who, time, &ip, agent)])
        }
        "impossible travel" => {
            let who = ordinary(org, taken, day, &plain);
            let home = org.people[who].home.clone();
            let provider = *org.chance.one(&org.world.homes[far].clone());
            let (ip, agent) = (org.world.address(provider, &mut org.chance), org.people[who].agents[0]);
            let ids = vec![org.sign_in(who, time, &home, agent), org.sign_in(who, time + 2400, &ip, agent)];
            (format!("{} at home and 40 minutes later in {}", org.people[who].mail, CITIES[far].0), ids)
        }
        "failed logins of one user" | "worn-down user" => {
            let who = ordinary(org, taken, day, &|o, w| plain(o, w) && w % 4 != 3);
            let net = org.world.hosting;
            let (ip, agent) = (org.world.address(net, &mut org.chance), 3);
            let mut ids: Vec<String> = Vec::new();
            if kind == "worn-down user" {
                ids.extend((0..7).map(|n| org.okta(who, time + n * 45, "user.mfa.okta_verify.deny_push", "FAILURE", &ip, agent, None)));
                ids.push(org.sign_in(who, time + 400, &ip, agent));
            } else {
                ids.extend((0..40).map(|n| org.refused(who, time + n * 20, &ip, agent)));
            }
            (org.people[who].mail.clone(), ids)
        }
        "password spray" => {
            let net = org.world.hosting;
            let ip = org.world.address(net, &mut org.chance);
            let ids = (0..60).map(|n| org.refused(n * 4, time + n as i64 * 25, &ip, 3)).collect();
            (format!("60 users from {ip}"), ids)
        }
        "mass download" | "mass deletion" => {
            let who = ordinary(org, taken, day, &plain);
            let ip = org.people[who].home.clone();
            let name = if kind == "mass download" { "download" } else { "delete" };
            let ids = (0..180).map(|n| org.drive(who, time - time % 3600 + 60 + n * 12, name, &ip)).collect();
            (org.people[who].mail.clone(), ids)
        }
        "dormant account" => {
            let who = ordinary(org, taken, day, &|o, w| plain(o, w) && w % 4 != 3);
            // The account is there in the first days and then silent for more than sixty.
            let (mail, login) = (org.people[who].mail.clone(), org.people[who].login.clone());
            let gone = at(8, 0.0);
            let of = |record: &serde_json::Value| {
                let text = record.to_string();
                text.contains(&format!("\"{mail}\"")) || text.contains(&format!("\"{login}\"")) || text.contains(&format!("user/{login}\""))
            };
            org.events.retain(|e| e.time < gone || !of(&e.record));
            let time = at(76 + org.chance.below(10) as i64, 13.0);
            let (ip, agent) = (org.people[who].home.clone(), org.people[who].agents[0]);
            (mail.clone(), vec![org.sign_in(who, time, &ip, agent)])
        }
        "service from a new network" | "instance credentials outside" => {
            // Each service has one incident: a second from the same provider would be nothing new.
            let service = (0..12).find(|n| taken.insert(PEOPLE + n)).expect("a service");
            let net = org.world.hosting;
            let ip = org.world.address(net, &mut org.chance);
            let session = format!("i-{:017x}", 0x00ab_c000_0000 + service as u64);
            let ids = (0..6).map(|n| org.role_call(&format!("svc{service:02}"), &session, time + n * 30, "GetSecretValue", &ip)).collect();
            (format!("svc{service:02} from {ip}"), ids)
        }
        "removed user" => {
            let who = ordinary(org, taken, day, &|o, w| plain(o, w) && w % 4 != 3);
            let (mail, ip) = (org.people[who].mail.clone(), org.people[who].home.clone());
            let gone = at(day, 16.5);
            let quoted = format!("\"{mail}\"");
            org.events.retain(|e| e.time < gone || !e.record.to_string().contains(&quoted));
            let (admin, agent) = (org.chance.below(10), org.people[who].agents[0]);
            let admin_ip = org.people[admin].home.clone();
            let ids =
                vec![org.okta(admin, gone, "user.lifecycle.deactivate", "SUCCESS", &admin_ip, 0, Some(&mail)), org.sign_in(who, gone + 40 * 3600, &ip, agent)];
            (mail, ids)
        }
        _ => {
            let net = org.world.hosting;
            let ip = org.world.address(net, &mut org.chance);
            let mut ids = Vec::new();
            for n in 0..4 {
                let who = ordinary(org, taken, day, &|o, w| plain(o, w) && w % 4 != 3);
                ids.push(org.sign_in(who, time + n * 240, &ip, 3));
            }
            (format!("four users from {ip}"), ids)
        }
    }
}
