//! An ordinary day: when somebody works, from which addresses, and what the five logs see of it.

use super::clock::{DAY, HOUR, MINUTE, SECOND, is_working_day, local};
use super::people::{Person, Team, Trip};
use super::random::Random;
use super::record::{Call, Client, Identity, Log, ORG, Okta, okta_user};
use super::world::{CITIES, Kind, distance};
use serde_json::json;
use std::net::IpAddr;

/// A stretch of time at one address.
#[derive(Debug, Clone)]
pub struct Stay {
    /// When it begins.
    pub from: i64,
    /// When it ends.
    pub to: i64,
    /// The address.
    pub ip: IpAddr,
}

/// The addresses that an office's people come from: two lines, one of which gets another provider on a day in the middle.
pub fn office_address(log: &Log, office: usize, at: i64, person: usize) -> IpAddr {
    let lines = log.world.of(office, Kind::Business);
    let moved = office == 1 && at > super::clock::utc(52);
    let line = if moved { lines[1] } else { lines[0] };
    log.world.networks[line].address(0x1234 + office as u64 * 7 + (person % 2) as u64)
}

/// An address of the organisation's gateway: people in America come through one place, others through the other.
pub fn gateway_address(log: &Log, person: &Person) -> IpAddr {
    let nodes = log.world.all(Kind::Gateway);
    let node = if CITIES[person.city].longitude < -30.0 { nodes[0] } else { nodes[1] };
    log.world.networks[node].address(20 + (person.index % 4) as u64)
}

/// Where the laptop is on a day, if it is open at all.
pub fn laptop_stays(log: &Log, person: &Person, day: i64, random: &mut Random) -> Vec<Stay> {
    if let Some(trip) = person.trip(day) {
        return trip_stays(log, person, trip, day, random);
    }
    let (from, to) = (local(person.city, day, person.starts + random.bell() * 0.4), local(person.city, day, person.ends + random.bell() * 0.6));
    if !person.works(day) {
        // Some look at something at the week-end.
        if person.is_away(day) || !random.chance(0.07) {
            return Vec::new();
        }
        let from = local(person.city, day, 9.0 + random.unit() * 12.0);
        return vec![Stay { from, to: from + random.between(10, 90) * MINUTE, ip: person.home_address(log.world, from, random) }];
    }
    if random.chance(0.025) {
        return Vec::new();
    }
    let mut stays = Vec::new();
    match person.office.filter(|_| !random.chance(person.at_home)) {
        Some(office) => stays.push(Stay { from, to, ip: office_address(log, office, from, person.index) }),
        None => home_stays(log, person, from, to, random, &mut stays),
    }
    // Once more in the evening.
    if random.chance(0.08) {
        let from = to + random.between(60, 180) * MINUTE;
        stays.push(Stay { from, to: from + random.between(10, 80) * MINUTE, ip: person.home_address(log.world, from, random) });
    }
    stays
}

fn home_stays(log: &Log, person: &Person, from: i64, to: i64, random: &mut Random, stays: &mut Vec<Stay>) {
    let home = |at, random: &mut Random| person.home_address(log.world, at, random);
    if let Some(nodes) = person.vpn.filter(|_| random.chance(0.5)) {
        let node = *random.pick(&nodes);
        let ip = log.world.networks[node].address(random.next());
        stays.push(Stay { from, to, ip });
    } else if random.chance(person.gateway) {
        // The gateway is dialled soon after the first sign-in, sometimes before it, and dropped for a while.
        let dialled = if random.chance(0.4) { from } else { from + random.between(1, 40) * MINUTE };
        let dropped = if random.chance(0.3) { random.between(dialled + HOUR, to) } else { to };
        if dialled > from {
            stays.push(Stay { from, to: dialled, ip: home(from, random) });
        }
        stays.push(Stay { from: dialled, to: dropped, ip: gateway_address(log, person) });
        if dropped < to {
            stays.push(Stay { from: dropped, to, ip: home(dropped, random) });
        }
    } else if random.chance(0.05) {
        // The afternoon in a cafe or at somebody's place.
        let noon = from + 4 * HOUR;
        stays.push(Stay { from, to: noon, ip: home(from, random) });
        let kind = if random.chance(0.6) { Kind::Business } else { Kind::Residential };
        let nets: Vec<usize> = log.world.of(person.city, kind).into_iter().filter(|n| log.world.networks[*n].base.is_ipv4()).collect();
        stays.push(Stay { from: noon + 30 * MINUTE, to, ip: log.world.networks[*random.pick(&nets)].address(random.next()) });
    } else {
        // Devices that speak both protocols change between them.
        let mut at = from;
        while at < to {
            let next = if person.home_v6.is_some() { (at + random.between(20, 200) * MINUTE).min(to) } else { to };
            stays.push(Stay { from: at, to: next, ip: home(at, random) });
            at = next;
        }
    }
}

/// On a trip: some hours at home before the flight, some at the hotel or the office there after it.
fn trip_stays(log: &Log, person: &Person, trip: &Trip, day: i64, random: &mut Random) -> Vec<Stay> {
    let flight = (distance(person.city, trip.city) / 780.0 + 3.0) * HOUR as f64;
    let departs = |city: usize, day: i64| local(city, day, 9.5);
    let (out, back) = (departs(person.city, trip.from), departs(trip.city, trip.to));
    let (arrived, returned) = (out + flight as i64, back + flight as i64);
    let midnight = local(person.city, day, 0.0);
    let mut stays = Vec::new();
    let mut add = |from: i64, to: i64, ip: IpAddr| {
        if to - from > 20 * MINUTE {
            stays.push(Stay { from, to, ip });
        }
    };
    if day == trip.from {
        add(out - 2 * HOUR, out - HOUR, person.home_address(log.world, out, random));
    }
    if trip.holiday {
        // A look at the mail, at the hotel.
        if random.chance(0.25) && day > trip.from && day < trip.to {
            let from = local(trip.city, day, 9.0 + random.unit() * 12.0);
            add(from, from + random.between(21, 60) * MINUTE, trip.hotel);
        }
    } else {
        let (from, to) = (local(trip.city, day, 8.5 + random.unit()), local(trip.city, day, 18.0 + random.unit() * 3.0));
        let there = if trip.city < super::world::OFFICES && random.chance(0.7) { office_address(log, trip.city, from, person.index) } else { trip.hotel };
        let (from, to) = (from.max(arrived + HOUR), to.min(if day >= trip.to { back - 2 * HOUR } else { i64::MAX }));
        if from >= midnight - 12 * HOUR && from < to {
            add(from, to, there);
        }
    }
    if day == trip.to {
        let from = returned + HOUR;
        add(from, from + random.between(21, 90) * MINUTE, person.home_address(log.world, from, random));
    }
    stays
}

/// A time within the stays, more of it in longer ones, and the address then.
fn moment(stays: &[Stay], random: &mut Random) -> Option<(i64, IpAddr)> {
    let total: i64 = stays.iter().map(|s| s.to - s.from).sum();
    let mut at = random.between(0, total.max(1));
    for s in stays {
        if at < s.to - s.from {
            return Some((s.from + at, s.ip));
        }
        at -= s.to - s.from;
    }
    None
}

/// Applications behind single sign-on.
const APPS: &[&str] = &[
    "Google Workspace",
    "Slack",
    "Zoom",
    "Jira",
    "Salesforce",
    "Workday",
    "GitHub Cloud",
    "AWS IAM Identity Center",
    "Confluence",
    "Expensify",
    "Zendesk",
    "Notion",
];

fn app_target(app: &str) -> (&'static str, String, String, String) {
    ("AppInstance", format!("0oa{}", Random::of(23, app, 0).hex(17)), app.to_owned(), app.to_owned())
}

/// A sign-in at Okta: tries that fail first, the password, the second factor.
pub fn okta_sign_in(log: &mut Log, person: &Person, at: i64, client: &Client, session: &str, failures: usize, random: &mut Random) -> i64 {
    let mut at = at;
    for _ in 0..failures {
        okta_failure(log, person, at, client);
        at += random.between(4, 40) * SECOND;
    }
    let debug =
        json!({"requestUri": "/idp/idx/identify", "threatSuspected": "false", "deviceFingerprint": Random::of(29, &client.agent, person.index).hex(32)});
    let policy = Okta {
        event: "policy.evaluate_sign_on",
        message: "Evaluation of sign-on policy",
        result: "CHALLENGE",
        session,
        debug: debug.clone(),
        ..Okta::default()
    };
    log.okta(at, person, client, &policy);
    at += random.between(3, 20) * SECOND;
    push_prompt(log, person, at, client, session, true);
    at += SECOND;
    let start = Okta { event: "user.session.start", message: "User login to Okta", session, targets: vec![okta_user(person)], debug, ..Okta::default() };
    log.okta(at, person, client, &start);
    at + SECOND
}

/// A wrong password at Okta.
pub fn okta_failure(log: &mut Log, person: &Person, at: i64, client: &Client) {
    let failed = Okta {
        event: "user.session.start",
        message: "User login to Okta",
        result: "FAILURE",
        reason: Some("INVALID_CREDENTIALS"),
        targets: vec![okta_user(person)],
        debug: json!({"requestUri": "/idp/idx/identify", "threatSuspected": "false"}),
        ..Okta::default()
    };
    log.okta(at, person, client, &failed);
}

/// A prompt on the phone and what was pressed.
pub fn push_prompt(log: &mut Log, person: &Person, at: i64, client: &Client, session: &str, accepted: bool) {
    let debug = json!({"factor": "OKTA_VERIFY_PUSH"});
    let sent =
        Okta { event: "system.push.send_factor_verify_push", message: "Send Okta Verify push", session, targets: vec![okta_user(person)], ..Okta::default() };
    log.okta(at - 900, person, client, &sent);
    let answer = Okta {
        event: "user.authentication.auth_via_mfa",
        message: "Authentication of user via MFA",
        result: if accepted { "SUCCESS" } else { "FAILURE" },
        reason: (!accepted).then_some("INVALID_CREDENTIALS"),
        session,
        targets: vec![okta_user(person)],
        debug,
    };
    log.okta(at, person, client, &answer);
}

/// A prompt on the phone that its owner says no to.
pub fn push_denied(log: &mut Log, person: &Person, at: i64, client: &Client, session: &str) {
    let sent =
        Okta { event: "system.push.send_factor_verify_push", message: "Send Okta Verify push", session, targets: vec![okta_user(person)], ..Okta::default() };
    log.okta(at - 9 * SECOND, person, client, &sent);
    let denied = Okta {
        event: "user.mfa.okta_verify.deny_push",
        message: "User rejected Okta push verify",
        result: "FAILURE",
        session,
        targets: vec![okta_user(person)],
        ..Okta::default()
    };
    log.okta(at, person, client, &denied);
}

/// An application opened through Okta.
pub fn okta_app(log: &mut Log, person: &Person, at: i64, client: &Client, session: &str, app: &str) {
    let sso = Okta {
        event: "user.authentication.sso",
        message: "User single sign on to app",
        session,
        targets: vec![app_target(app), okta_user(person)],
        ..Okta::default()
    };
    log.okta(at, person, client, &sso);
}

fn session(random: &mut Random) -> String {
    format!("102{}", random.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 22))
}

/// All of somebody's ordinary days.
pub fn live(log: &mut Log, person: &Person, people: &[Person], days: i64) {
    let mut random = Random::new(person.seed);
    let mut okta_session = session(&mut random);
    let mut started = i64::MIN;
    for day in 0..days {
        if !person.is_employed(day) || person.gone.is_some_and(|(from, to)| (from..=to).contains(&day)) {
            continue;
        }
        let stays = laptop_stays(log, person, day, &mut random);
        if let Some(first) = stays.first().cloned() {
            let agent = |at: i64| person.laptop_agent(at);
            // A session lasts some days at most; mostly the day begins with a new one, and with another laptop always.
            let other_laptop = person.laptop_agent(started.max(0)) != agent(first.from) && person.next_laptop.is_some();
            if started < first.from - 3 * DAY || other_laptop || random.chance(0.8) {
                okta_session = session(&mut random);
                started = first.from;
                let failures = if random.chance(0.05) { 1 + random.about(0.4) } else { 0 };
                let client = Client { ip: first.ip, agent: agent(first.from) };
                if random.chance(0.015) {
                    // The phone was in another room, or somebody pressed the wrong button.
                    let prompts = 1 + random.about(0.4) as i64;
                    for i in 0..prompts {
                        let at = first.from - (prompts - i) * 65 * SECOND;
                        if random.chance(0.2) {
                            push_denied(log, person, at, &client, &okta_session);
                        } else {
                            push_prompt(log, person, at, &client, &okta_session, false);
                        }
                    }
                }
                okta_sign_in(log, person, first.from, &client, &okta_session, failures, &mut random);
            }
            work(log, person, &stays, &okta_session, day, &mut random);
            if person.duties.any() {
                super::duties::serve(log, person, people, &stays, day, &mut random);
            }
        }
        phone(log, person, &stays, day, &mut random);
    }
}

fn work(log: &mut Log, person: &Person, stays: &[Stay], session: &str, day: i64, random: &mut Random) {
    let hours = stays.iter().map(|s| s.to - s.from).sum::<i64>() as f64 / HOUR as f64;
    let busy = (hours / 8.0).min(1.2);
    let client = |at: i64, ip: IpAddr| Client { ip, agent: person.laptop_agent(at) };
    if random.chance(0.02) {
        // Another browser of the same laptop knows nothing of the first one's session.
        let Some((at, ip)) = moment(stays, random) else { return };
        let other = Client { ip, agent: super::people::Device::MacFirefox.agent(at, person.lag) };
        let session = self::session(random);
        let at = okta_sign_in(log, person, at, &other, &session, 0, random);
        okta_app(log, person, at + 5 * SECOND, &other, &session, APPS[random.below(4)]);
    }
    for _ in 0..random.about(2.6 * busy) {
        let Some((at, ip)) = moment(stays, random) else { return };
        okta_app(log, person, at, &client(at, ip), session, APPS[random.below(APPS.len()).min(random.below(APPS.len()))]);
    }
    if person.office_suite {
        let id = Random::of(person.seed, "entra", day as usize / 4).uuid();
        for _ in 0..random.about(2.4 * busy) {
            let Some((at, ip)) = moment(stays, random) else { return };
            let interactive = random.chance(0.2);
            if interactive && random.chance(0.04) {
                log.entra(at - 20 * SECOND, person, &client(at, ip), "Office 365 SharePoint Online", true, 50_126, "");
            }
            if interactive && random.chance(0.2) {
                log.entra(at - 9 * SECOND, person, &client(at, ip), "Office 365 SharePoint Online", true, 50_074, "");
            }
            let app = *random.pick(&["Microsoft Teams", "Office 365 Exchange Online", "Office 365 SharePoint Online", "Power BI Service"]);
            log.entra(at, person, &client(at, ip), app, interactive, 0, &id);
        }
    }
    if random.chance(0.12 * busy) {
        let Some((at, ip)) = moment(stays, random) else { return };
        log.google(
            at,
            &person.email,
            Some(ip),
            "login",
            "login",
            "login_success",
            &[("login_type", "saml"), ("is_second_factor", "false"), ("is_suspicious", "false")],
        );
    }
    drive(log, person, stays, busy, random);
    if matches!(person.team, Team::Engineering | Team::Data) {
        code(log, person, stays, busy, random);
    }
    if person.aws && random.chance(0.3 * busy) {
        cloud(log, person, stays, random);
    }
    if random.chance(0.004) {
        let Some((at, ip)) = moment(stays, random) else { return };
        let app = *random.pick(&["Calendly", "Grammarly", "Loom", "Figma", "Miro", "Draw.io", "Lucidchart"]);
        log.google(at, &person.email, Some(ip), "token", "auth", "authorize", &[("app_name", app), ("client_id", &Random::of(31, app, 0).hex(12))]);
    }
    if random.chance(0.01) {
        let Some((at, ip)) = moment(stays, random) else { return };
        // A password is changed each quarter, and not everything knows the new one at once.
        let what = Okta {
            event: "user.account.update_password",
            message: "User update password for Okta",
            session,
            targets: vec![okta_user(person)],
            ..Okta::default()
        };
        log.okta(at, person, &client(at, ip), &what);
        if random.chance(0.15) {
            let phone = Client { ip, agent: person.phone_agent(at) };
            for i in 0..random.between(3, 9) {
                let at = at + i * random.between(40, 300) * SECOND;
                if person.office_suite {
                    log.entra(at, person, &phone, "Office 365 Exchange Online", false, 50_126, "")
                } else {
                    okta_failure(log, person, at, &phone)
                }
            }
        }
    }
}

/// The name of a document.
pub fn document(random: &mut Random) -> String {
    let (a, b) = (
        *random.pick(&["Q2", "Roadmap", "Pricing", "Onboarding", "Board", "Renewal", "Incident", "Launch", "Hiring", "Customer", "Budget", "Vendor"]),
        *random.pick(&["plan", "notes", "draft", "deck", "review", "tracker", "forecast", "summary", "checklist"]),
    );
    format!("{a} {b} {}", random.below(400))
}

/// An event of a document.
pub fn drive_event(log: &mut Log, email: &str, ip: IpAddr, at: i64, name: &str, title: &str) {
    let id = Random::of(37, title, 0).text("ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789_-", 33);
    let parameters =
        [("doc_id", id.as_str()), ("doc_type", "document"), ("doc_title", title), ("visibility", "people_within_domain_with_link"), ("owner", email)];
    log.google(at, email, Some(ip), "drive", "access", name, &parameters);
}

fn drive(log: &mut Log, person: &Person, stays: &[Stay], busy: f64, random: &mut Random) {
    for _ in 0..random.about(3.6 * busy) {
        let Some((at, ip)) = moment(stays, random) else { return };
        let name = match random.below(100) {
            0..55 => "view",
            55..83 => "edit",
            83..91 => "create",
            91..97 => "download",
            97 => "rename",
            98 => "move",
            _ => "trash",
        };
        let title = document(random);
        drive_event(log, &person.email, ip, at, name, &title);
    }
    // Who prepares figures takes many files at once, each week; others now and then some.
    let many = match person.team {
        Team::Data if random.chance(0.22) => random.between(40, 160) as usize,
        Team::Finance if random.chance(0.05) => random.between(15, 60) as usize,
        _ if random.chance(0.02) => random.heavy(4, 40),
        _ => 0,
    };
    burst(log, person, stays, "download", many, random);
    let many = if random.chance(0.006) { random.heavy(5, 45) } else { 0 };
    burst(log, person, stays, "trash", many, random);
    if random.chance(0.01) {
        let Some((at, ip)) = moment(stays, random) else { return };
        let title = document(random);
        let partner = format!("{}@{}.example", random.pick(&["sam", "kim", "alex", "jo"]), random.pick(&["bluefern", "kestrelworks", "ottermill"]));
        let parameters = [("doc_title", title.as_str()), ("target_user", partner.as_str()), ("new_value", "can_view"), ("visibility_change", "external")];
        log.google(at, &person.email, Some(ip), "drive", "acl_change", "change_user_access", &parameters);
    }
}

fn burst(log: &mut Log, person: &Person, stays: &[Stay], name: &str, many: usize, random: &mut Random) {
    if many == 0 {
        return;
    }
    let Some((mut at, ip)) = moment(stays, random) else { return };
    for _ in 0..many {
        let title = document(random);
        drive_event(log, &person.email, ip, at, name, &title);
        at += random.between(1, 15) * SECOND;
    }
}

/// A repository, one of a few that a person works in, or any.
pub fn repository(person: &Person, random: &mut Random) -> String {
    let number = if random.chance(0.85) { (person.index * 5 + random.below(4)) % 70 } else { random.below(70) };
    format!("{ORG}/{}", super::machines::repository_name(number))
}

fn code(log: &mut Log, person: &Person, stays: &[Stay], busy: f64, random: &mut Random) {
    let git = format!("git/2.{}.{}", 43 + person.index % 7, person.index % 3);
    for _ in 0..random.about(4.2 * busy) {
        let Some((at, mut ip)) = moment(stays, random) else { return };
        // Some develop on a machine in the cloud.
        if person.household.is_multiple_of(15) && random.chance(0.5) {
            ip = super::machines::cloud_address(log, super::world::FRANKFURT, 400 + person.index as u64);
        }
        let repo = repository(person, random);
        let (action, agent) = match random.below(100) {
            0..45 => ("git.fetch", git.clone()),
            45..73 => ("git.push", git.clone()),
            73..77 => ("git.clone", git.clone()),
            77..88 => ("pull_request.create", person.laptop_agent(at)),
            _ => ("pull_request.merge", person.laptop_agent(at)),
        };
        log.github(at, &person.login, false, &Client { ip, agent }, action, &[("repo", json!(repo)), ("visibility", json!("private"))]);
    }
    // A new laptop gets everything.
    let new_laptop = person.next_laptop.is_some_and(|(d, _)| stays.first().is_some_and(|s| super::clock::day_of(s.from) == d));
    if new_laptop || random.chance(0.002) {
        let Some((mut at, ip)) = moment(stays, random) else { return };
        for _ in 0..random.between(8, 25) {
            let repo = repository(person, random);
            log.github(at, &person.login, false, &Client { ip, agent: git.clone() }, "git.clone", &[("repo", json!(repo)), ("visibility", json!("private"))]);
            at += random.between(5, 60) * SECOND;
        }
    }
    if random.chance(0.05) {
        let Some((at, ip)) = moment(stays, random) else { return };
        let client = Client { ip, agent: person.laptop_agent(at) };
        if random.chance(0.06) {
            log.github(at - 15 * SECOND, &person.login, false, &client, "user.failed_login", &[("user", json!(person.login))]);
        }
        log.github(at, &person.login, false, &client, "user.login", &[("user", json!(person.login))]);
    }
    if random.chance(0.006) {
        let Some((at, ip)) = moment(stays, random) else { return };
        let client = Client { ip, agent: person.laptop_agent(at) };
        let action = *random.pick(&[
            "public_key.create",
            "personal_access_token.create",
            "repo.create",
            "repo.add_topic",
            "repo.rename",
            "hook.create",
            "issue_comment.destroy",
        ]);
        let repo = repository(person, random);
        log.github(at, &person.login, false, &client, action, &[("repo", json!(repo)), ("visibility", json!("private"))]);
    }
}

/// What people look at in the cloud's console and from the command line.
pub const LOOKS: &[(&str, &str)] = &[
    ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSecurityGroups"),
    ("ec2", "DescribeVpcs"),
    ("ec2", "DescribeSubnets"),
    ("logs", "DescribeLogGroups"),
    ("logs", "FilterLogEvents"),
    ("logs", "GetLogEvents"),
    ("s3", "ListBuckets"),
    ("s3", "GetBucketLocation"),
    ("lambda", "ListFunctions20150331"),
    ("rds", "DescribeDBInstances"),
    ("ecs", "DescribeServices"),
    ("ecs", "ListTasks"),
    ("cloudwatch", "GetMetricData"),
    ("cloudwatch", "DescribeAlarms"),
    ("dynamodb", "DescribeTable"),
    ("sqs", "GetQueueAttributes"),
    ("eks", "DescribeCluster"),
    ("iam", "ListRoles"),
    ("iam", "GetRole"),
    ("sts", "GetCallerIdentity"),
    ("ssm", "DescribeInstanceInformation"),
    ("kms", "ListAliases"),
    ("cloudformation", "DescribeStacks"),
];

/// A region that the organisation works in.
pub fn region(random: &mut Random) -> &'static str {
    ["us-east-1", "us-east-1", "eu-central-1", "eu-central-1", "ap-south-1"][random.below(5)]
}

fn cloud(log: &mut Log, person: &Person, stays: &[Stay], random: &mut Random) {
    let Some((mut at, ip)) = moment(stays, random) else { return };
    let set = if person.team == Team::Data { "DataAnalyst" } else { "Developer" };
    let who = Identity::sso(person, set, random);
    let console = random.chance(0.55);
    let command = format!(
        "aws-cli/2.{}.{} md/awscrt#0.26 ua/2.1 os/macos#25.3 md/arch#arm64 lang/python#3.13 cfg/retry-mode#standard",
        30 + person.index % 5,
        person.index % 9
    );
    let client = Client { ip, agent: if console { person.laptop_agent(at) } else { command } };
    if console {
        log.aws(at, &who, &client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    }
    let region = region(random);
    for _ in 0..2 + random.about(6.0) {
        at += random.between(1, 150) * SECOND;
        let (service, name) = *random.pick(LOOKS);
        let mut call = Call::plain(service, name, region);
        if random.chance(0.02) {
            call.error = Some(("AccessDenied", "User is not authorized to perform this action because no identity-based policy allows it"));
        }
        log.aws(at, &who, &client, &call);
    }
    // A wrong profile gives a row of refusals.
    if random.chance(0.02) {
        for _ in 0..random.between(3, 14) {
            at += random.between(1, 12) * SECOND;
            let (service, name) = *random.pick(LOOKS);
            let error = Some(("AccessDenied", "User is not authorized to perform this action because no identity-based policy allows it"));
            log.aws(at, &who, &client, &Call { error, ..Call::plain(service, name, region) });
        }
    }
    let writes = if person.team == Team::Data { 0 } else { random.about(0.5) };
    for _ in 0..writes {
        at += random.between(5, 200) * SECOND;
        let (service, name, request) = match random.below(6) {
            0 => ("lambda", "UpdateFunctionConfiguration20150331v2", json!({"functionName": format!("worker-{}", random.below(30))})),
            1 => ("ec2", "CreateTags", json!({"resourcesSet": {"items": [{"resourceId": format!("i-0{}", random.hex(16))}]}})),
            2 => ("logs", "PutRetentionPolicy", json!({"logGroupName": format!("/app/worker-{}", random.below(30)), "retentionInDays": 30})),
            3 => ("ecs", "UpdateService", json!({"service": format!("svc-{}", random.below(20)), "forceNewDeployment": true})),
            4 => ("ssm", "StartSession", json!({"target": format!("i-0{}", random.hex(16))})),
            _ => ("secretsmanager", "GetSecretValue", json!({"secretId": format!("dev/worker-{}", random.below(30))})),
        };
        log.aws(at, &who, &client, &Call::with(service, name, region, request));
    }
    // Analysts read a bucket's objects in bulk, which is logged.
    if person.team == Team::Data && random.chance(0.35) {
        for _ in 0..random.between(20, 120) {
            at += random.between(200, 3000);
            let request = json!({"bucketName": "harborline-analytics", "key": format!("exports/{}/part-{:05}.parquet", random.below(90), random.below(900))});
            log.aws(at, &who, &client, &Call { data: true, ..Call::with("s3", "GetObject", region, request) });
        }
    }
}

/// The phone: seldom a new sign-in, from home or from the carrier's pool; abroad mostly still from the carrier at home.
fn phone(log: &mut Log, person: &Person, stays: &[Stay], day: i64, random: &mut Random) {
    let trip = person.trip(day);
    let likely = match trip {
        Some(_) => 0.5,
        None if person.works(day) => 0.35,
        None if person.is_away(day) => 0.08,
        None => 0.15,
    };
    if !random.chance(likely) {
        return;
    }
    let city = trip.map_or(person.city, |t| t.city);
    let from = local(city, day, if is_working_day(&CITIES[city], day) { 7.0 } else { 9.0 } + random.unit() * 14.0);
    let (mut ip, roams) = match trip {
        Some(_) if random.chance(0.6) => (person.mobile_address(log.world, from), true),
        Some(trip) if day > trip.from && day < trip.to => (trip.hotel, false),
        Some(_) => return,
        None if random.chance(0.5) => (person.home_address(log.world, from, random), false),
        // Behind the door the carrier takes over.
        None => (person.mobile_address(log.world, from), false),
    };
    if stays.is_empty() && trip.is_none() && person.is_away(day) {
        ip = person.mobile_address(log.world, from);
    }
    let id = session(random);
    let client = |ip: IpAddr, at: i64| Client { ip, agent: person.phone_agent(at) };
    let mut at = from;
    if random.chance(if roams { 0.12 } else { 0.25 }) {
        let failures = usize::from(random.chance(0.06));
        at = okta_sign_in(log, person, at, &client(ip, at), &id, failures, random);
        okta_app(log, person, at + 4 * SECOND, &client(ip, at), &id, APPS[random.below(4)]);
        // On the way out of the house the session goes on over the carrier.
        if !roams && trip.is_none() && random.chance(0.2) {
            at += random.between(5, 50) * MINUTE;
            ip = person.mobile_address(log.world, at);
            okta_app(log, person, at, &client(ip, at), &id, APPS[random.below(4)]);
        }
    }
    if person.office_suite && random.chance(0.6) {
        let id = Random::of(person.seed, "entra phone", day as usize / 20).uuid();
        log.entra(at + random.between(1, 30) * MINUTE, person, &client(ip, at), "Office 365 Exchange Online", false, 0, &id);
    }
    for _ in 0..random.about(0.8) {
        at += random.between(1, 20) * MINUTE;
        let title = document(random);
        drive_event(log, &person.email, ip, at, "view", &title);
    }
}
