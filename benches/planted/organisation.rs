//! Ninety days of an organisation of 300 people over five sources: ordinary work with its travel, new phones, tunnels, typos,
//! newcomers and leavers. What is planted in it stands in `incidents`.

use super::world::{CITIES, Chance, World};
use serde_json::{Value, json};

pub const PEOPLE: usize = 300;
pub const DAYS: i64 = 90;
/// 2026-01-05, a Monday. Seconds.
const START: i64 = 1_767_571_200;
const DAY: i64 = 86_400;
pub const ACCOUNT: &str = "111122223333";

pub const AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
];

/// Which log an event stands in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    Okta,
    Entra,
    Google,
    GitHub,
    CloudTrail,
}

/// An event of a log: seconds since 1970, the record and the id that the record carries.
pub struct Event {
    pub time: i64,
    pub source: Source,
    pub id: String,
    pub record: Value,
}

pub struct Person {
    pub mail: String,
    pub login: String,
    pub city: usize,
    pub first: i64,
    /// The first day on which the person is gone.
    pub last: i64,
    pub engineer: bool,
    pub admin: bool,
    pub data: bool,
    pub on_call: bool,
    pub tunnel: Option<usize>,
    pub home: String,
    pub agents: Vec<usize>,
    /// Days abroad: from, to, city.
    pub trips: Vec<(i64, i64, usize)>,
}

pub struct Organisation {
    pub people: Vec<Person>,
    pub events: Vec<Event>,
    pub world: World,
    pub chance: Chance,
}

/// Seconds since 1970 of a day and an hour (UTC) of the organisation.
pub fn at(day: i64, hour: f64) -> i64 {
    START + day * DAY + (hour * 3600.0) as i64
}

fn stamp(time: i64) -> String {
    chrono::DateTime::from_timestamp(time, 0).expect("a time").format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Organisation {
    pub fn new(seed: u64) -> Organisation {
        let mut chance = Chance::new(seed);
        let world = World::new();
        let mut people = Vec::new();
        for i in 0..PEOPLE {
            let city = match chance.below(100) {
                0..40 => 0,
                40..75 => 1,
                _ => 2,
            };
            let provider = *chance.one(&world.homes[city]);
            let home = world.address(provider, &mut chance);
            let first = if i >= 20 && chance.happens(0.06) { 5 + chance.below(75) as i64 } else { 0 };
            let last = if i >= 20 && chance.happens(0.04) { first + 10 + chance.below(60) as i64 } else { DAYS };
            let mut trips = Vec::new();
            for month in 0..3 {
                if chance.happens(0.06) {
                    let from = month * 30 + chance.below(24) as i64;
                    trips.push((from, from + 2 + chance.below(4) as i64, 3 + chance.below(6)));
                }
            }
            let agents = vec![chance.below(4), 4 + chance.below(2)];
            people.push(Person {
                mail: format!("p{i:03}@acme.example"),
                login: format!("acme-p{i:03}"),
                city,
                first,
                last,
                engineer: i < 10 || chance.happens(0.4),
                admin: i < 10,
                data: (10..18).contains(&i),
                on_call: (10..30).contains(&i),
                tunnel: chance.happens(0.02).then(|| *chance.one(&world.vpns)),
                home,
                agents,
                trips,
            });
        }
        let mut org = Organisation { people, events: Vec::new(), world, chance };
        (0..PEOPLE).for_each(|i| org.live(i));
        org.services();
        org
    }

    /// Where somebody is on a day, and the address and agent of that moment.
    pub fn seat(&mut self, who: usize, day: i64) -> (String, usize) {
        let (chance, world, person) = (&mut self.chance, &self.world, &mut self.people[who]);
        if chance.happens(0.012) {
            // The provider hands out another address.
            let provider = *chance.one(&world.homes[person.city]);
            person.home = world.address(provider, chance);
        }
        if chance.happens(0.004) {
            person.agents[1] = 4 + chance.below(2);
        }
        let agent = if chance.happens(0.8) { person.agents[0] } else { person.agents[1] };
        let abroad = person.trips.iter().find(|t| t.0 <= day && day < t.1).map(|t| t.2);
        let provider = match (abroad, person.tunnel) {
            (Some(city), _) if chance.happens(0.7) => *chance.one(&world.homes[city]),
            (Some(city), _) => world.mobile[city],
            (None, Some(tunnel)) if chance.happens(0.5) => tunnel,
            (None, _) => match chance.below(100) {
                0..45 => world.offices[person.city],
                45..80 => return (person.home.clone(), agent),
                80..90 => world.mobile[person.city],
                _ => world.office_vpn,
            },
        };
        (world.address(provider, chance), agent)
    }

    fn live(&mut self, who: usize) {
        let (first, last) = (self.people[who].first, self.people[who].last);
        let ahead = CITIES[self.people[who].city].4 as f64;
        let quiet = self.chance.happens(0.05);
        for day in first..last {
            let weekend = day % 7 >= 5;
            let holiday = day == 40 || day == 70;
            let works = if weekend || holiday {
                0.05
            } else if quiet {
                0.3
            } else {
                0.9
            };
            if self.people[who].on_call && self.chance.happens(0.03) {
                let (ip, agent) = (self.people[who].home.clone(), self.people[who].agents[0]);
                let time = at(day, 1.0 - ahead + self.chance.unit() * 4.0);
                self.sign_in(who, time, &ip, agent);
            }
            if !self.chance.happens(works) {
                continue;
            }
            let (ip, agent) = self.seat(who, day);
            let begin = at(day, self.chance.around(9.0 - ahead, 0.7));
            if self.chance.happens(0.06) {
                for n in 0..1 + self.chance.below(4) as i64 {
                    self.refused(who, begin - 40 * (n + 1), &ip, agent);
                }
            }
            self.sign_in(who, begin, &ip, agent);
            if self.chance.happens(0.5) {
                let later = begin + 3600 * (2 + self.chance.below(5) as i64);
                self.sign_in(who, later, &ip, agent);
            }
            self.work(who, begin, &ip, agent);
        }
    }

    fn work(&mut self, who: usize, begin: i64, ip: &str, agent: usize) {
        let person = &self.people[who];
        let (engineer, admin, data) = (person.engineer, person.admin, person.data);
        for _ in 0..self.chance.below(7) {
            let time = begin + self.chance.below(8 * 3600) as i64;
            match (engineer, self.chance.below(4)) {
                (true, 0..3) => {
                    let action = *self.chance.one(&["git.clone", "git.push", "pull_request.merge", "repo.access", "issues.create"]);
                    let repo = format!("acme/r{}", self.chance.below(40));
                    self.github(who, time, action, ip, agent, json!({"repo": repo}));
                }
                _ => {
                    let name = *self.chance.one(&["view", "edit", "view", "download", "create"]);
                    self.drive(who, time, name, ip);
                }
            }
        }
        if self.chance.happens(0.02) {
            // Somebody tidies up.
            for n in 0..3 + self.chance.below(14) as i64 {
                self.drive(who, begin + 5000 + n * 11, "delete", ip);
            }
        }
        if data && self.chance.happens(0.4) {
            for n in 0..30 + self.chance.below(90) as i64 {
                self.drive(who, begin + 9000 + n * 9, "download", ip);
            }
        }
        if admin && self.chance.happens(0.6) {
            for n in 0..1 + self.chance.below(4) as i64 {
                let time = begin + 1800 * (n + 1);
                let target = self.chance.below(PEOPLE);
                self.administer(who, time, target, ip, agent);
            }
        }
        if engineer && self.chance.happens(0.2) {
            self.console(who, begin + 1000, ip, agent);
        }
    }

    /// One of the things that administrators do every week.
    pub fn administer(&mut self, who: usize, time: i64, target: usize, ip: &str, agent: usize) {
        let mail = self.people[target].mail.clone();
        match self.chance.below(4) {
            0 => self.okta(who, time, "group.user_membership.add", "SUCCESS", ip, agent, Some(&mail)),
            1 => self.okta(who, time, "user.account.privilege.grant", "SUCCESS", ip, agent, Some(&mail)),
            2 => self.okta(who, time, "system.api_token.create", "SUCCESS", ip, agent, None),
            _ => self.okta(who, time, "policy.lifecycle.update", "SUCCESS", ip, agent, None),
        };
    }

    fn services(&mut self) {
        for service in 0..12usize {
            let net = self.world.cloud;
            let ip = self.world.address(net, &mut self.chance);
            let arn = format!("svc{service:02}");
            for day in 0..DAYS {
                for run in 0..6 {
                    let time = at(day, run as f64 * 4.0 + service as f64 * 0.13) + self.chance.below(90) as i64;
                    let name = *self.chance.one(&["GetSecretValue", "PutParameter", "RunInstances", "UpdateFunctionCode20150331v2"]);
                    self.role_call(&arn, &format!("i-{:017x}", 0x00ab_c000_0000 + service as u64), time, name, &ip);
                }
            }
        }
    }

    pub fn sign_in(&mut self, who: usize, time: i64, ip: &str, agent: usize) -> String {
        if who % 4 == 3 {
            return self.entra(who, time, 0, ip, agent);
        }
        self.okta(who, time, "user.session.start", "SUCCESS", ip, agent, None)
    }

    pub fn refused(&mut self, who: usize, time: i64, ip: &str, agent: usize) -> String {
        if who % 4 == 3 {
            return self.entra(who, time, 50_126, ip, agent);
        }
        self.okta(who, time, "user.session.start", "FAILURE", ip, agent, None)
    }

    #[allow(clippy::too_many_arguments)]
    pub fn okta(&mut self, who: usize, time: i64, name: &str, result: &str, ip: &str, agent: usize, target: Option<&str>) -> String {
        let id = format!("{}-{}", self.chance.hex(8), self.chance.hex(12));
        let mail = &self.people[who].mail;
        let session = format!("s{who}-{}", time / (12 * 3600));
        let mut record = json!({
            "uuid": id, "published": stamp(time), "eventType": name, "version": "0", "severity": "INFO",
            "actor": {"alternateId": mail, "id": format!("00u{who:04}"), "type": "User"},
            "client": {"ipAddress": ip, "userAgent": {"rawUserAgent": AGENTS[agent % AGENTS.len()]}},
            "outcome": {"result": result, "reason": if result == "FAILURE" { json!("INVALID_CREDENTIALS") } else { Value::Null }},
            "authenticationContext": {"externalSessionId": session}
        });
        if let Some(target) = target {
            record["target"] = json!([{"type": "User", "alternateId": target, "id": target}]);
        }
        self.push(time, Source::Okta, id, record)
    }

    pub fn entra(&mut self, who: usize, time: i64, error: i64, ip: &str, agent: usize) -> String {
        let id = format!("{}-{}", self.chance.hex(8), self.chance.hex(12));
        let record = json!({
            "id": id, "createdDateTime": stamp(time), "userPrincipalName": self.people[who].mail, "userId": format!("u{who:04}"), "appId": "app-1",
            "appDisplayName": "Acme Portal", "ipAddress": ip, "clientAppUsed": "Browser", "conditionalAccessStatus": "notApplied",
            "userAgent": AGENTS[agent % AGENTS.len()], "status": {"errorCode": error, "failureReason": if error == 0 { "Other." } else { "Invalid username or password." }}
        });
        self.push(time, Source::Entra, id, record)
    }

    /// What is done to a document.
    pub fn drive(&mut self, who: usize, time: i64, name: &str, ip: &str) -> String {
        let (qualifier, document) = (self.chance.bits() as i64, self.chance.hex(12));
        let record = json!({
            "kind": "admin#reports#activity", "id": {"time": stamp(time), "uniqueQualifier": qualifier.to_string(), "applicationName": "drive", "customerId": "C1"},
            "actor": {"email": self.people[who].mail, "callerType": "USER"}, "ipAddress": ip,
            "events": [{"type": "access", "name": name, "parameters": [{"name": "doc_id", "value": document}]}]
        });
        self.push(time, Source::Google, format!("{qualifier}/{name}"), record)
    }

    pub fn github(&mut self, who: usize, time: i64, action: &str, ip: &str, agent: usize, more: Value) -> String {
        let id = self.chance.hex(20);
        let mut record = json!({
            "_document_id": id, "@timestamp": time * 1000, "created_at": time * 1000, "action": action, "actor": self.people[who].login, "actor_is_bot": false,
            "actor_ip": ip, "user_agent": AGENTS[agent % AGENTS.len()], "org": "acme"
        });
        if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
            record.extend(more);
        }
        self.push(time, Source::GitHub, id, record)
    }

    /// A console login of an engineer's own user.
    pub fn console(&mut self, who: usize, time: i64, ip: &str, agent: usize) -> String {
        let identity = self.iam_user(who);
        self.cloudtrail(
            time,
            "signin.amazonaws.com",
            "ConsoleLogin",
            ip,
            AGENTS[agent % AGENTS.len()],
            identity,
            json!({"responseElements": {"ConsoleLogin": "Success"}, "additionalEventData": {"MFAUsed": "Yes"}}),
        )
    }

    pub fn iam_user(&self, who: usize) -> Value {
        let name = &self.people[who].login;
        json!({"type": "IAMUser", "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"), "accountId": ACCOUNT, "userName": name, "accessKeyId": format!("AKIA{who:016}"), "principalId": format!("AIDA{who:016}")})
    }

    /// A call of a role's session.
    pub fn role_call(&mut self, role: &str, session: &str, time: i64, name: &str, ip: &str) -> String {
        let identity = json!({
            "type": "AssumedRole", "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"), "accountId": ACCOUNT, "principalId": format!("AROA{role}:{session}"),
            "accessKeyId": format!("ASIA{role:0>16}"), "sessionContext": {"sessionIssuer": {"type": "Role", "arn": format!("arn:aws:iam::{ACCOUNT}:role/{role}"), "userName": role}}
        });
        self.cloudtrail(
            time,
            "service.amazonaws.com",
            name,
            ip,
            "Boto3/1.35.0 md/Botocore#1.35.0 ua/2.0 os/linux#6.1",
            identity,
            json!({"requestParameters": {"secretId": format!("s{}", time % 5)}}),
        )
    }

    #[allow(clippy::too_many_arguments)]
    pub fn cloudtrail(&mut self, time: i64, service: &str, name: &str, ip: &str, agent: &str, identity: Value, more: Value) -> String {
        let id = format!("{}-{}-{}", self.chance.hex(8), self.chance.hex(4), self.chance.hex(12));
        let mut record = json!({
            "eventVersion": "1.09", "eventID": id, "eventTime": stamp(time), "eventSource": service, "eventName": name, "awsRegion": "eu-central-1",
            "sourceIPAddress": ip, "userAgent": agent, "userIdentity": identity, "recipientAccountId": ACCOUNT
        });
        if let (Some(record), Value::Object(more)) = (record.as_object_mut(), more) {
            record.extend(more);
        }
        self.push(time, Source::CloudTrail, id, record)
    }

    fn push(&mut self, time: i64, source: Source, id: String, record: Value) -> String {
        self.events.push(Event { time, source, id: id.clone(), record });
        id
    }
}
