//! Records as the vendors write them, for what the generator lets people do.

use super::clock::{rfc3339, seconds};
use super::people::Person;
use super::random::Random;
use super::world::{CITIES, Kind, World};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A system whose log is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    CloudTrail,
    Entra,
    GitHub,
    Google,
    Okta,
}

/// A record, with what orders and names it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Whose log it stands in.
    pub source: Source,
    /// As auditmill names it.
    pub id: String,
    /// The whole record.
    pub text: String,
}

/// From where, and with what.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address.
    pub ip: IpAddr,
    /// The user agent; empty where a system logs none.
    pub agent: String,
}

/// The organisation's names.
pub const DOMAIN: &str = "harborline.example";
/// The organisation at the code host.
pub const ORG: &str = "harborline";
/// The account in the cloud.
pub const ACCOUNT: &str = "481207735519";
const TENANT: &str = "7c3f0a52-95de-4b6f-8a41-0d2c5e9b7f13";
const CUSTOMER: &str = "C02k7h4qz";

/// All that happens, in no order.
#[derive(Debug)]
pub struct Log<'w> {
    /// Where addresses are, which some systems write down.
    pub world: &'w World,
    /// What happened.
    pub events: Vec<Event>,
    /// What ids are drawn from.
    pub random: Random,
}

/// Who acts in CloudTrail.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A user with keys of its own.
    User { name: String, key: String },
    /// Somebody, or something, in a role.
    Role { role: String, session: String, key: String },
}

impl Identity {
    /// A person through single sign-on: a new key for each session.
    pub fn sso(person: &Person, set: &str, random: &mut Random) -> Identity {
        Identity::Role { role: format!("AWSReservedSSO_{set}_4be1c07a95d2f386"), session: person.email.clone(), key: key("ASIA", random) }
    }

    fn json(&self, at: i64) -> Value {
        match self {
            Identity::User { name, key } => json!({
                "type": "IAMUser", "principalId": principal("AIDA", name), "arn": format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
                "accountId": ACCOUNT, "accessKeyId": key, "userName": name,
            }),
            Identity::Role { role, session, key } => {
                let (id, path) = (principal("AROA", role), if role.starts_with("AWSReserved") { "aws-reserved/sso.amazonaws.com/" } else { "" });
                json!({
                    "type": "AssumedRole", "principalId": format!("{id}:{session}"),
                    "arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"), "accountId": ACCOUNT, "accessKeyId": key,
                    "sessionContext": {
                        "sessionIssuer": {"type": "Role", "principalId": id, "arn": format!("arn:aws:iam::{ACCOUNT}:role/{path}{role}"), "accountId": ACCOUNT, "userName": role},
                        "webIdFederationData": {},
                        "attributes": {"creationDate": seconds(at - at.rem_euclid(3_600_000)), "mfaAuthenticated": "false"},
                    },
                })
            }
        }
    }
}

/// An access key's id.
pub fn key(prefix: &str, random: &mut Random) -> String {
    format!("{prefix}{}", random.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16))
}

/// The id of a user or role, the same each time.
fn principal(prefix: &str, name: &str) -> String {
    key(prefix, &mut Random::of(7, name, 0))
}

/// A call of an AWS service.
#[derive(Debug, Clone, Default)]
pub struct Call<'a> {
    /// The service without its domain, such as `iam`.
    pub service: &'a str,
    /// What is called.
    pub name: &'a str,
    /// In which region.
    pub region: &'a str,
    /// Parameters.
    pub request: Value,
    /// What came back.
    pub response: Value,
    /// Code and message of a refusal.
    pub error: Option<(&'a str, &'a str)>,
    /// The address as it stands, where it is not the client's.
    pub from_service: Option<&'a str>,
    /// Also seen by a data event selector.
    pub data: bool,
}

impl<'a> Call<'a> {
    /// A call without parameters.
    pub fn plain(service: &'a str, name: &'a str, region: &'a str) -> Call<'a> {
        Call { service, name, region, ..Call::default() }
    }

    /// A call with parameters.
    pub fn with(service: &'a str, name: &'a str, region: &'a str, request: Value) -> Call<'a> {
        Call { service, name, region, request, ..Call::default() }
    }
}

/// Names that only read.
fn reads(name: &str) -> bool {
    ["Get", "List", "Describe", "Head", "Lookup", "ConsoleLogin", "AssumeRole", "Decrypt"].iter().any(|p| name.starts_with(p))
}

/// An Okta event.
#[derive(Debug, Clone, Default)]
pub struct Okta<'a> {
    /// The event type.
    pub event: &'a str,
    /// What is shown of it.
    pub message: &'a str,
    /// SUCCESS where it is empty.
    pub result: &'a str,
    /// Why it failed.
    pub reason: Option<&'a str>,
    /// The session; empty where there is none yet.
    pub session: &'a str,
    /// Type, id, name and shown name of each target.
    pub targets: Vec<(&'a str, String, String, String)>,
    /// The rest of what Okta noted.
    pub debug: Value,
}

/// The target that a person is.
pub fn okta_user(person: &Person) -> (&'static str, String, String, String) {
    ("User", person.okta_id.clone(), person.email.clone(), person.name.clone())
}

/// What is shown of a browser.
fn browser(agent: &str) -> &'static str {
    [("Edg/", "EDGE"), ("Firefox/", "FIREFOX"), ("Chrome/", "CHROME"), ("Safari/", "SAFARI")]
        .iter()
        .find(|(p, _)| agent.contains(p))
        .map_or("UNKNOWN", |(_, n)| n)
}

fn system(agent: &str) -> &'static str {
    [("Windows", "Windows 10"), ("iPhone", "iOS"), ("Android", "Android"), ("Mac OS X", "Mac OS X"), ("Linux", "Linux")]
        .iter()
        .find(|(p, _)| agent.contains(p))
        .map_or("Unknown", |(_, n)| n)
}

impl<'w> Log<'w> {
    /// An empty log.
    pub fn new(world: &'w World, random: Random) -> Log<'w> {
        Log { world, events: Vec::new(), random }
    }

    fn push(&mut self, at: i64, source: Source, id: String, record: &Value) {
        self.events.push(Event { at, source, id, text: record.to_string() });
    }

    /// A call in CloudTrail; its time has seconds only.
    pub fn aws(&mut self, at: i64, who: &Identity, client: &Client, call: &Call) {
        let at = at - at.rem_euclid(1000);
        let id = self.random.uuid();
        let mut record = json!({
            "eventVersion": "1.09", "userIdentity": who.json(at), "eventTime": seconds(at),
            "eventSource": format!("{}.amazonaws.com", call.service), "eventName": call.name, "awsRegion": call.region,
            "sourceIPAddress": call.from_service.map_or_else(|| client.ip.to_string(), str::to_owned),
            "userAgent": call.from_service.unwrap_or(&client.agent),
            "requestParameters": call.request, "responseElements": call.response, "requestID": self.random.uuid(), "eventID": id,
            "readOnly": reads(call.name), "eventType": if call.name == "ConsoleLogin" { "AwsConsoleSignIn" } else { "AwsApiCall" },
            "managementEvent": !call.data, "recipientAccountId": ACCOUNT, "eventCategory": if call.data { "Data" } else { "Management" },
        });
        if let Some((code, message)) = call.error {
            record["errorMessage"] = json!(message);
            if call.name != "ConsoleLogin" {
                record["errorCode"] = json!(code);
            }
        }
        if call.name == "ConsoleLogin" {
            record["responseElements"] = json!({"ConsoleLogin": if call.error.is_some() { "Failure" } else { "Success" }});
            let mfa = if matches!(who, Identity::User { .. }) && call.error.is_none() { "Yes" } else { "No" };
            record["additionalEventData"] = json!({"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfa});
        }
        self.push(at, Source::CloudTrail, id, &record);
    }

    /// An Okta event of a person.
    pub fn okta(&mut self, at: i64, person: &Person, client: &Client, what: &Okta) {
        let actor = json!({"id": person.okta_id, "type": "User", "alternateId": person.email, "displayName": person.name, "detailEntry": null});
        self.okta_by(at, actor, client, what);
    }

    /// An Okta event of anybody.
    pub fn okta_by(&mut self, at: i64, actor: Value, client: &Client, what: &Okta) {
        let id = self.random.uuid();
        let result = if what.result.is_empty() { "SUCCESS" } else { what.result };
        let targets: Vec<Value> = what
            .targets
            .iter()
            .map(|(kind, id, name, shown)| json!({"id": id, "type": kind, "alternateId": name, "displayName": shown, "detailEntry": null}))
            .collect();
        let network = self.world.network(client.ip);
        let place = network.map(|n| {
            let city = &CITIES[n.city];
            json!({"city": city.name, "state": null, "country": city.country, "postalCode": null, "geolocation": {"lat": city.latitude, "lon": city.longitude}})
        });
        let record = json!({
            "uuid": id, "published": rfc3339(at), "eventType": what.event, "version": "0",
            "severity": if result == "SUCCESS" || result == "ALLOW" { "INFO" } else { "WARN" }, "legacyEventType": null, "displayMessage": what.message,
            "actor": actor,
            "client": {
                "userAgent": {"rawUserAgent": client.agent, "os": system(&client.agent), "browser": browser(&client.agent)}, "zone": "null",
                "device": if client.agent.contains("Mobile") { "Mobile" } else { "Computer" }, "id": null, "ipAddress": client.ip.to_string(), "geographicalContext": place,
            },
            "outcome": {"result": result, "reason": what.reason},
            "target": if targets.is_empty() { Value::Null } else { Value::Array(targets) },
            "transaction": {"type": "WEB", "id": self.random.hex(24), "detail": {}},
            "debugContext": {"debugData": what.debug},
            "authenticationContext": {"authenticationProvider": null, "authenticationStep": 0, "externalSessionId": if what.session.is_empty() { "unknown" } else { what.session }},
            "securityContext": {
                "asNumber": network.map(|n| n.asn), "asOrg": network.map(|n| n.org.clone()), "isp": network.map(|n| n.org.clone()), "domain": null,
                "isProxy": network.is_some_and(|n| matches!(n.kind, Kind::Vpn | Kind::Tor)),
            },
        });
        self.push(at, Source::Okta, id, &record);
    }

    /// A sign-in at Entra ID: an error code, 0 for none.
    #[expect(clippy::too_many_arguments, reason = "a record has that many parts")]
    pub fn entra(&mut self, at: i64, person: &Person, client: &Client, app: &str, interactive: bool, error: u32, session: &str) {
        let failure = match error {
            0 => Value::Null,
            50_126 => json!("Error validating credentials due to invalid username or password."),
            50_053 => json!("The account is locked, you've tried to sign in too many times with an incorrect user ID or password."),
            50_074 => json!("Strong Authentication is required."),
            50_057 => json!("The user account is disabled."),
            500_121 => json!("Authentication failed during strong authentication request."),
            _ => json!("Other."),
        };
        let satisfied = if error == 0 { json!("MFA requirement satisfied by claim in the token") } else { Value::Null };
        let properties = json!({
            "userId": person.entra_id, "userPrincipalName": person.email, "userDisplayName": person.name, "appDisplayName": app,
            "appId": principal("", app).to_lowercase(), "resourceDisplayName": "Microsoft Graph", "clientAppUsed": if interactive { "Browser" } else { "Mobile Apps and Desktop clients" },
            "status": {"errorCode": error, "failureReason": failure, "additionalDetails": satisfied},
            "authenticationRequirement": if interactive { "multiFactorAuthentication" } else { "singleFactorAuthentication" },
            "deviceDetail": {"deviceId": "", "operatingSystem": system(&client.agent), "browser": browser(&client.agent)},
            "isInteractive": interactive, "conditionalAccessStatus": "success", "sessionId": session, "uniqueTokenIdentifier": self.random.text("ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789", 22),
        });
        let category = if interactive { "SignInLogs" } else { "NonInteractiveUserSignInLogs" };
        self.entra_record(at, category, client, error, properties);
    }

    /// A sign-in of a service principal.
    pub fn entra_service(&mut self, at: i64, name: &str, client: &Client, resource: &str) {
        let id = Random::of(11, name, 0).uuid();
        let properties = json!({
            "servicePrincipalId": id, "servicePrincipalName": name, "appId": Random::of(12, name, 0).uuid(), "resourceDisplayName": resource,
            "servicePrincipalCredentialKeyId": Random::of(13, name, 0).uuid(), "status": {"errorCode": 0}, "isInteractive": false,
        });
        self.entra_record(at, "ServicePrincipalSignInLogs", client, 0, properties);
    }

    fn entra_record(&mut self, at: i64, category: &str, client: &Client, error: u32, mut properties: Value) {
        let id = self.random.uuid();
        let network = self.world.network(client.ip);
        properties["id"] = json!(id);
        properties["createdDateTime"] = json!(rfc3339(at));
        properties["ipAddress"] = json!(client.ip.to_string());
        properties["userAgent"] = if client.agent.is_empty() { Value::Null } else { json!(client.agent) };
        properties["autonomousSystemNumber"] = json!(network.map(|n| n.asn));
        properties["location"] = network.map_or(Value::Null, |n| json!({"city": CITIES[n.city].name, "countryOrRegion": CITIES[n.city].country}));
        let record = json!({
            "time": rfc3339(at), "resourceId": format!("/tenants/{TENANT}/providers/Microsoft.aadiam"), "operationName": "Sign-in activity", "operationVersion": "1.0",
            "category": category, "tenantId": TENANT, "resultType": error.to_string(), "resultSignature": if error == 0 { "SUCCESS" } else { "FAILURE" },
            "durationMs": 0, "callerIpAddress": client.ip.to_string(), "correlationId": self.random.uuid(), "Level": 4, "properties": properties,
        });
        self.push(at, Source::Entra, id, &record);
    }

    /// A GitHub event with more fields.
    pub fn github(&mut self, at: i64, login: &str, bot: bool, client: &Client, action: &str, more: &[(&str, Value)]) {
        let id = self.random.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", 22);
        let actor = 20_000_000 + (Random::of(17, login, 0).next() % 100_000_000);
        let network = self.world.network(client.ip);
        let mut record = json!({
            "@timestamp": at, "created_at": at, "_document_id": id, "action": action, "actor": login, "actor_id": actor, "actor_is_bot": bot,
            "actor_ip": client.ip.to_string(), "actor_location": {"country_code": network.map(|n| CITIES[n.city].country)},
            "user_agent": client.agent, "org": ORG, "org_id": 48_120_773, "business": ORG,
        });
        for (name, value) in more {
            record[*name] = value.clone();
        }
        self.push(at, Source::GitHub, id, &record);
    }

    /// A Google Workspace activity with one event; texts are parameters.
    #[expect(clippy::too_many_arguments, reason = "a record has that many parts")]
    pub fn google(&mut self, at: i64, email: &str, ip: Option<IpAddr>, application: &str, kind: &str, name: &str, parameters: &[(&str, &str)]) {
        let qualifier = (self.random.next() as i64).to_string();
        let target = parameters
            .iter()
            .find(|(n, _)| ["USER_EMAIL", "target_user"].contains(n))
            .or_else(|| parameters.iter().find(|(n, _)| *n == "affected_email_address"))
            .map(|(_, v)| *v);
        let id = match target {
            Some(target) => format!("{qualifier}/{name}/{target}"),
            None => format!("{qualifier}/{name}"),
        };
        let values: Vec<Value> = parameters
            .iter()
            .map(|(n, v)| match *v {
                "true" | "false" => json!({"name": n, "boolValue": *v == "true"}),
                _ => json!({"name": n, "value": v}),
            })
            .collect();
        let profile = 100_000_000_000_000_000_000_u128 + u128::from(Random::of(19, email, 0).next());
        let mut record = json!({
            "kind": "admin#reports#activity", "id": {"time": rfc3339(at), "uniqueQualifier": qualifier, "applicationName": application, "customerId": CUSTOMER},
            "actor": {"callerType": "USER", "email": email, "profileId": profile.to_string()},
            "events": [{"type": kind, "name": name, "parameters": values}],
        });
        if let Some(ip) = ip {
            record["ipAddress"] = json!(ip.to_string());
        }
        self.push(at, Source::Google, id, &record);
    }
}
