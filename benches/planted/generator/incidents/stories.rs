//! The stories: each plants its events and says in a sentence what happened.

use super::super::clock::{HOUR, MINUTE, SECOND, local};
use super::super::duties::okta_upon;
use super::super::life::{okta_failure, push_denied, push_prompt};
use super::super::machines::{PRINCIPALS, instance, kept_user, repository_name};
use super::super::people::{Device, Person, Team};
use super::super::record::{ACCOUNT, Call, Client, Identity, ORG};
use super::super::world::Kind;
use super::scene::Scene;
use super::{REMOVED, RETURNS};
use serde_json::json;
use std::net::IpAddr;

pub fn new_country_okta(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let at = s.at(p, 4.5);
    let client = Client { ip: s.abroad(Kind::Residential), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &client, &session);
    s.apps(p, at, &client, &session, 3);
    "A user who never travels signs in from a home abroad at night, with a browser like the own one, and opens three applications".into()
}

pub fn new_country_entra(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.office_suite);
    let at = s.at(p, 21.5);
    let client = Client { ip: s.abroad(Kind::Residential), agent: s.other_browser(p, at) };
    let id = s.random.uuid();
    s.log.entra(at, p, &client, "Office 365 Exchange Online", true, 0, &id);
    s.log.entra(at + 3 * MINUTE, p, &client, "Office 365 SharePoint Online", false, 0, &id);
    s.log.entra(at + 6 * MINUTE, p, &client, "Microsoft Teams", false, 0, &id);
    "A user who never travels signs in to the mail from abroad in the evening, with another browser".into()
}

pub fn stolen_session_okta(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let at = s.at(p, 13.2);
    let client = Client { ip: s.near(p, Kind::Hosting), agent: s.other_browser(p, at) };
    let session = s.session();
    s.apps(p, at, &client, &session, 5);
    "A session without a sign-in: five applications opened from a rented machine in the user's own country, with a browser that the user never had".into()
}

pub fn stolen_session_entra(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.office_suite);
    let at = s.at(p, 15.1);
    let client = Client { ip: s.near(p, Kind::Residential), agent: "axios/1.7.9".into() };
    let id = s.random.uuid();
    for i in 0..6 {
        s.log.entra(
            at + i * 7 * MINUTE,
            p,
            &client,
            if i % 2 == 0 { "Office 365 Exchange Online" } else { "Microsoft Graph Command Line Tools" },
            i == 0,
            0,
            &id,
        );
    }
    "Tokens of a user are used by a script from another household of the same city".into()
}

pub fn admin_network_okta(s: &mut Scene) -> String {
    let p = s.person(|p| (p.duties.okta || p.duties.helpdesk) && p.trips.is_empty());
    let at = s.at(p, 11.0);
    let client = Client { ip: s.near(p, Kind::Hosting), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &client, &session);
    let target = &s.people[(p.index + 17) % s.people.len()];
    for (i, event) in ["user.mfa.factor.reset_all", "user.account.reset_password", "group.user_membership.add"].iter().enumerate() {
        okta_upon(s.log, p, at + (i as i64 + 1) * 2 * MINUTE, &client, event, target, &mut s.random);
    }
    "An administrator of the directory signs in from a provider never used before, resets somebody's factors and password and adds them to a group".into()
}

pub fn admin_network_aws(s: &mut Scene) -> String {
    let p = s.person(|p| p.duties.aws && p.trips.is_empty());
    let at = s.at(p, 14.0);
    let client = Client { ip: s.near(p, Kind::Residential), agent: s.same_browser(p, at) };
    let who = Identity::sso(p, "AdministratorAccess", &mut s.random);
    s.log.aws(at, &who, &client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    for (i, (name, request)) in [
        ("ListRoles", json!({})),
        ("CreateRole", json!({"roleName": "app-support-tools"})),
        ("AttachRolePolicy", json!({"roleName": "app-support-tools", "policyArn": "arn:aws:iam::aws:policy/PowerUserAccess"})),
        ("UpdateAssumeRolePolicy", json!({"roleName": "app-support-tools"})),
    ]
    .into_iter()
    .enumerate()
    {
        s.log.aws(at + (i as i64 + 1) * 90 * SECOND, &who, &client, &Call::with("iam", name, "us-east-1", request));
    }
    "An administrator of the cloud works from a provider never used before and makes a role with wide rights".into()
}

pub fn first_privileged_aws(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.aws && p.team == Team::Engineering);
    let at = s.at(p, 15.4);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let who = Identity::sso(p, "Developer", &mut s.random);
    s.log.aws(at, &who, &client, &Call::plain("iam", "ListUsers", "us-east-1"));
    s.log.aws(at + 50 * SECOND, &who, &client, &Call::with("iam", "CreateAccessKey", "us-east-1", json!({"userName": "svc-report"})));
    "A developer who never touched users makes an access key for a service account, from home".into()
}

pub fn first_privileged_google(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.team != Team::It);
    let at = s.at(p, 16.2);
    let ip = p.home_address(s.log.world, at, &mut s.random);
    let role = [("ROLE_NAME", "_SEED_ADMIN_ROLE"), ("USER_EMAIL", p.email.as_str())];
    s.log.google(at, &p.email, Some(ip), "admin", "DELEGATED_ADMIN_SETTINGS", "ASSIGN_ROLE", &role);
    s.log.google(
        at + 3 * MINUTE,
        &p.email,
        Some(ip),
        "admin",
        "APPLICATION_SETTINGS",
        "CHANGE_APPLICATION_SETTING",
        &[("APPLICATION_NAME", "Gmail"), ("SETTING_NAME", "Auto forwarding")],
    );
    "A user without any rights over others gives an administrator's role to the own account and changes the mail settings".into()
}

pub fn rare_action_aws(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.aws && p.team == Team::Engineering);
    let at = s.at(p, 10.7);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let who = Identity::sso(p, "Developer", &mut s.random);
    for (i, (service, name, request)) in [
        ("ec2", "CreateInstanceExportTask", json!({"instanceId": "i-0a61c20f9d3b7e854", "targetEnvironment": "vmware"})),
        ("s3", "PutBucketReplication", json!({"bucketName": "harborline-analytics"})),
    ]
    .into_iter()
    .enumerate()
    {
        s.log.aws(at + i as i64 * 4 * MINUTE, &who, &client, &Call::with(service, name, "us-east-1", request));
    }
    "Two calls that nobody in the organisation ever makes: a machine is exported, a bucket is replicated elsewhere".into()
}

pub fn rare_action_github(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.team == Team::Engineering);
    let at = s.at(p, 17.3);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    s.users.push(p.login.clone());
    for (i, action) in ["migration.create", "migration.download"].iter().enumerate() {
        s.log.github(at + i as i64 * 25 * MINUTE, &p.login, false, &client, action, &[("repo", json!(format!("{ORG}/{}", repository_name(12))))]);
    }
    "An engineer makes and fetches an archive of repositories, which nobody in the organisation ever does".into()
}

pub fn anonymiser_tor(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let at = s.at(p, 12.4);
    let exits = s.log.world.all(Kind::Tor);
    let client = Client { ip: s.address(&exits), agent: s.other_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &client, &session);
    s.apps(p, at, &client, &session, 2);
    "A user who never hides signs in over Tor".into()
}

pub fn anonymiser_vpn(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.office_suite);
    let at = s.at(p, 19.8);
    let nodes = s.log.world.all(Kind::Vpn);
    let client = Client { ip: s.address(&nodes), agent: s.same_browser(p, at) };
    let id = s.random.uuid();
    s.log.entra(at, p, &client, "Office 365 SharePoint Online", true, 0, &id);
    s.log.google(at + 5 * MINUTE, &p.email, Some(client.ip), "login", "login", "login_success", &[("login_type", "saml"), ("is_second_factor", "false")]);
    s.files(p, at + 6 * MINUTE, client.ip, "download", 6, 60);
    "A user who never uses a commercial VPN signs in through one and takes a few files".into()
}

pub fn impossible_okta(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.city < 3);
    let at = s.at(p, 8.9);
    let home = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let session = s.session();
    s.sign_in(p, at, &home, &session);
    let away = s.log.world.of(17, Kind::Residential);
    let client = Client { ip: s.address(&away), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at + 50 * MINUTE, &client, &session);
    s.apps(p, at, &client, &session, 2);
    "A user signs in at home, and in Singapore fifty minutes later".into()
}

pub fn impossible_google(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.city != 0);
    let at = s.at(p, 10.2);
    let ip = p.home_address(s.log.world, at, &mut s.random);
    let login = [("login_type", "google_password"), ("is_second_factor", "false"), ("is_suspicious", "false")];
    s.log.google(at, &p.email, Some(ip), "login", "login", "login_success", &login);
    let away = s.log.world.of(27, Kind::Residential);
    let ip = s.address(&away);
    s.log.google(at + 2 * HOUR, &p.email, Some(ip), "login", "login", "login_success", &login);
    s.files(p, at + 2 * HOUR + 3 * MINUTE, ip, "view", 5, 60);
    "A user signs in to the documents at home, and in Sao Paulo two hours later".into()
}

pub fn failed_spike_okta(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let mut at = s.at(p, 3.1);
    let client = Client {
        ip: s.abroad(Kind::Hosting),
        agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36".into(),
    };
    for _ in 0..42 {
        at += s.random.between(10, 60) * SECOND;
        okta_failure(s.log, p, at, &client);
    }
    "Forty-two wrong passwords for one user within half an hour, from one machine".into()
}

pub fn failed_spike_entra(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.office_suite);
    let mut at = s.at(p, 1.5);
    let clients: Vec<Client> = (0..5).map(|_| Client { ip: s.abroad(Kind::Residential), agent: "BAV2ROPC".into() }).collect();
    for i in 0..60 {
        at += s.random.between(40, 200) * SECOND;
        s.log.entra(at, p, &clients[i % 5], "Office 365 Exchange Online", false, if i < 10 { 50_126 } else { 50_053 }, "");
    }
    "Sixty failed sign-ins to one mailbox over two hours, from five households abroad".into()
}

pub fn spray_fast(s: &mut Scene) -> String {
    let mut at = s.utc(5);
    let client = Client { ip: s.abroad(Kind::Hosting), agent: "python-requests/2.32.5".into() };
    let people: Vec<&Person> = s.people.iter().filter(|p| p.is_employed(s.day)).collect();
    let start = s.random.below(people.len());
    for i in 0..30.min(people.len()) {
        let p = people[(start + i * 7) % people.len()];
        at += s.random.between(20, 100) * SECOND;
        okta_failure(s.log, p, at, &client);
        s.users.push(p.email.clone());
    }
    "One wrong password for each of thirty users within half an hour, from one machine".into()
}

pub fn spray_slow(s: &mut Scene) -> String {
    let mut at = s.utc(2);
    let clients: Vec<Client> = (0..3)
        .map(|_| Client {
            ip: s.abroad(Kind::Hosting),
            agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36".into(),
        })
        .collect();
    let people: Vec<&Person> = s.people.iter().filter(|p| p.is_employed(s.day)).collect();
    let start = s.random.below(people.len());
    for i in 0..60.min(people.len()) {
        let p = people[(start + i * 11) % people.len()];
        at += s.random.between(5, 13) * MINUTE;
        s.log.entra(at, p, &clients[i % 3], "Azure Portal", true, 50_126, "");
        s.users.push(p.email.clone());
    }
    "One wrong password for each of sixty users over nine hours, from three machines in turn".into()
}

pub fn mass_download_drive(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.team == Team::Sales);
    let at = s.at(p, 17.0);
    let ip = p.home_address(s.log.world, at, &mut s.random);
    s.files(p, at, ip, "download", 340, 16);
    "A salesperson downloads 340 files within the hour, from home".into()
}

pub fn mass_download_code(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.team == Team::Engineering && p.next_laptop.is_none());
    let mut at = s.at(p, 18.5);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: format!("git/2.{}.{}", 43 + p.index % 7, p.index % 3) };
    s.users.push(p.login.clone());
    for number in 0..66 {
        at += s.random.between(4, 25) * SECOND;
        s.log.github(
            at,
            &p.login,
            false,
            &client,
            "git.clone",
            &[("repo", json!(format!("{ORG}/{}", repository_name(number)))), ("visibility", json!("private"))],
        );
    }
    "An engineer clones nearly all repositories within twenty minutes".into()
}

pub fn mass_delete_drive(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.team != Team::Data);
    let at = s.at(p, 16.6);
    let ip = p.home_address(s.log.world, at, &mut s.random);
    let at = s.files(p, at, ip, "trash", 150, 8);
    s.files(p, at, ip, "delete", 110, 6);
    "A user deletes 260 files within half an hour".into()
}

pub fn mass_delete_aws(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.aws && p.team == Team::Engineering);
    let mut at = s.at(p, 20.3);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let who = Identity::sso(p, "Developer", &mut s.random);
    for i in 0..44 {
        at += s.random.between(2, 14) * SECOND;
        let (service, name, request) = match i % 4 {
            0 => ("ec2", "DeleteVolume", json!({"volumeId": format!("vol-0{}", s.random.hex(16))})),
            1 => ("rds", "DeleteDBSnapshot", json!({"dBSnapshotIdentifier": format!("nightly-{i}")})),
            2 => ("ec2", "DeleteSnapshot", json!({"snapshotId": format!("snap-0{}", s.random.hex(16))})),
            _ => ("dynamodb", "DeleteTable", json!({"tableName": format!("orders-{i}")})),
        };
        s.log.aws(at, &who, &client, &Call::with(service, name, "us-east-1", request));
    }
    "A developer deletes 44 volumes, snapshots and tables within a few minutes in the evening".into()
}

pub fn dormant_okta(s: &mut Scene) -> String {
    let p = &s.people[s.cast.dormant[0]];
    s.users.push(p.email.clone());
    let at = s.about(local(p.city, RETURNS[0], 13.6));
    let client = Client { ip: s.near(p, Kind::Residential), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &client, &session);
    s.apps(p, at, &client, &session, 3);
    "An account that was silent for more than sixty days signs in and opens three applications".into()
}

pub fn dormant_entra(s: &mut Scene) -> String {
    let p = &s.people[s.cast.dormant[1]];
    s.users.push(p.email.clone());
    let at = s.about(local(p.city, RETURNS[1], 10.1));
    let client = Client { ip: s.near(p, Kind::Residential), agent: s.other_browser(p, at) };
    let id = s.random.uuid();
    for i in 0..4 {
        s.log.entra(at + i * 11 * MINUTE, p, &client, "Office 365 SharePoint Online", i == 0, 0, &id);
    }
    "An account that was silent for more than seventy days signs in to the mail and the files".into()
}

pub fn off_hours_aws(s: &mut Scene) -> String {
    let p = s.person(|p| p.duties.aws && !p.duties.on_call);
    let at = s.at(p, 2.9);
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let who = Identity::sso(p, "AdministratorAccess", &mut s.random);
    s.log.aws(at, &who, &client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    for (i, (name, request)) in [
        ("CreateRole", json!({"roleName": "app-nightly"})),
        ("PutRolePolicy", json!({"roleName": "app-nightly", "policyName": "inline-access"})),
        ("CreatePolicyVersion", json!({"policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/app-9"), "setAsDefault": true})),
    ]
    .into_iter()
    .enumerate()
    {
        s.log.aws(at + (i as i64 + 1) * 3 * MINUTE, &who, &client, &Call::with("iam", name, "us-east-1", request));
    }
    "An administrator of the cloud who is never on call changes rights at three in the night, from home".into()
}

pub fn off_hours_okta(s: &mut Scene) -> String {
    let p = s.person(|p| p.duties.okta);
    // The Sunday after.
    let sunday = (s.day..).find(|d| (d + 1) % 7 == 0).unwrap_or(s.day);
    let at = s.about(local(p.city, sunday, 2.4));
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &client, &session);
    for (i, event) in [
        "user.mfa.factor.reset_all",
        "group.user_membership.add",
        "group.user_membership.add",
        "application.user_membership.add",
        "user.account.privilege.grant",
    ]
    .iter()
    .enumerate()
    {
        let target = &s.people[(p.index + 31) % s.people.len()];
        okta_upon(s.log, p, at + (i as i64 + 1) * 2 * MINUTE, &client, event, target, &mut s.random);
    }
    "An administrator of the directory resets factors and hands out groups and a role in the night to Sunday, from home".into()
}

pub fn service_network_aws(s: &mut Scene) -> String {
    let mut at = s.utc(11);
    let who = kept_user("svc-backup");
    s.users.push("svc-backup".into());
    let client = Client { ip: s.abroad(Kind::Hosting), agent: "Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#5.15 lang/python#3.10.12".into() };
    for (service, name) in [("sts", "GetCallerIdentity"), ("iam", "GetUser"), ("s3", "ListBuckets"), ("ec2", "DescribeSnapshots"), ("ec2", "DescribeInstances")]
    {
        at += s.random.between(2, 40) * SECOND;
        s.log.aws(at, &who, &client, &Call::plain(service, name, "eu-central-1"));
    }
    "The key of the backup account is used from a rented machine abroad".into()
}

pub fn service_network_entra(s: &mut Scene) -> String {
    let at = s.utc(19);
    let name = PRINCIPALS[5];
    s.users.push(name.to_owned());
    let hosts = s.log.world.all(Kind::Hosting);
    let client = Client { ip: s.address(&hosts), agent: String::new() };
    for i in 0..4 {
        s.log.entra_service(at + i * 9 * MINUTE, name, &client, "Office 365 Exchange Online");
    }
    "The mail archive's application signs in from a provider where it never was".into()
}

pub fn removed_entra(s: &mut Scene) -> String {
    let p = &s.people[s.cast.removed[0]];
    s.users.push(p.email.clone());
    let at = s.about(local(p.city, REMOVED[0].1, 20.0));
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let id = s.random.uuid();
    s.log.entra(at, p, &client, "Office 365 SharePoint Online", true, 0, &id);
    s.log.entra(at + 4 * MINUTE, p, &client, "Office 365 Exchange Online", false, 0, &id);
    s.files(p, at + 5 * MINUTE, client.ip, "download", 14, 40);
    "Five days after the account was closed in the directory, its user signs in to the mail and takes files".into()
}

pub fn removed_github(s: &mut Scene) -> String {
    let p = &s.people[s.cast.removed[1]];
    s.users.extend([p.email.clone(), p.login.clone()]);
    let mut at = s.about(local(p.city, REMOVED[1].1, 21.4));
    let client = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: format!("git/2.{}.{}", 43 + p.index % 7, p.index % 3) };
    for number in [3, 14, 25, 36] {
        at += s.random.between(20, 90) * SECOND;
        s.log.github(
            at,
            &p.login,
            false,
            &client,
            "git.clone",
            &[("repo", json!(format!("{ORG}/{}", repository_name(number)))), ("visibility", json!("private"))],
        );
    }
    "Eight days after the removal from the organisation, an engineer's token still clones repositories".into()
}

pub fn shared_address_okta(s: &mut Scene) -> String {
    let first = s.ordinary(|_| true);
    let mut at = s.at(first, 12.0);
    let ip = s.near(first, Kind::Hosting);
    let city = first.city;
    for i in 0..6 {
        let p = if i == 0 { first } else { s.ordinary(|p| p.city == city) };
        let client = Client { ip, agent: Device::WindowsChrome.agent(at, 30) };
        let session = s.session();
        let after = s.sign_in(p, at, &client, &session);
        s.apps(p, after, &client, &session, 1);
        at += s.random.between(8, 22) * MINUTE;
    }
    "Six users sign in within two hours from one rented machine that nobody used before".into()
}

pub fn shared_address_google(s: &mut Scene) -> String {
    let first = s.ordinary(|_| true);
    let mut at = s.at(first, 9.5);
    let ip = s.near(first, Kind::Residential);
    let city = first.city;
    for i in 0..5 {
        let p = if i == 0 { first } else { s.ordinary(|p| p.city == city) };
        s.log.google(
            at,
            &p.email,
            Some(ip),
            "login",
            "login",
            "login_success",
            &[("login_type", "google_password"), ("is_second_factor", "false"), ("is_suspicious", "false")],
        );
        s.files(p, at + MINUTE, ip, "view", 3, 60);
        at += s.random.between(40, 70) * MINUTE;
    }
    "Five users sign in to the documents over four hours from one household that is none of theirs".into()
}

pub fn two_networks_okta(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let at = s.at(p, 11.3);
    let own = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let session = s.session();
    let at = s.sign_in(p, at, &own, &session);
    s.apps(p, at, &own, &session, 2);
    let thief = Client { ip: s.abroad(Kind::Hosting), agent: s.other_browser(p, at) };
    s.apps(p, at + 18 * MINUTE, &thief, &session, 4);
    "A session begun at home is used from a rented machine abroad twenty minutes later, with another browser".into()
}

pub fn two_networks_aws(s: &mut Scene) -> String {
    let p = s.ordinary(|p| p.aws && p.team == Team::Engineering);
    let mut at = s.at(p, 14.6);
    let who = Identity::sso(p, "Developer", &mut s.random);
    let own = Client { ip: p.home_address(s.log.world, at, &mut s.random), agent: s.same_browser(p, at) };
    let thief = Client { ip: s.abroad(Kind::Residential), agent: "Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.8 lang/python#3.12.3".into() };
    s.log.aws(at, &who, &own, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    for (client, service, name) in [
        (&own, "ec2", "DescribeInstances"),
        (&own, "logs", "DescribeLogGroups"),
        (&thief, "sts", "GetCallerIdentity"),
        (&thief, "secretsmanager", "ListSecrets"),
        (&thief, "s3", "ListBuckets"),
        (&thief, "iam", "ListRoles"),
    ] {
        at += s.random.between(90, 420) * SECOND;
        s.log.aws(at, &who, client, &Call::plain(service, name, "us-east-1"));
    }
    "The keys of a developer's session are used from a household abroad within the half hour".into()
}

pub fn push_fatigue(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let mut at = s.at(p, 23.2);
    let client = Client { ip: s.near(p, Kind::Residential), agent: s.other_browser(p, at) };
    let session = s.session();
    for _ in 0..7 {
        push_prompt(s.log, p, at, &client, &session, false);
        at += s.random.between(35, 110) * SECOND;
    }
    let at = s.sign_in(p, at, &client, &session);
    s.apps(p, at, &client, &session, 2);
    "Seven prompts on the phone late in the evening; the eighth is accepted".into()
}

pub fn push_fatigue_denied(s: &mut Scene) -> String {
    let p = s.ordinary(|_| true);
    let mut at = s.at(p, 2.2);
    let client = Client { ip: s.abroad(Kind::Hosting), agent: s.other_browser(p, at) };
    let session = s.session();
    for _ in 0..11 {
        push_denied(s.log, p, at, &client, &session);
        at += s.random.between(40, 150) * SECOND;
    }
    s.sign_in(p, at, &client, &session);
    "Eleven prompts on the phone are denied in the night; the twelfth is accepted".into()
}

fn instance_outside(s: &mut Scene, role: &str, number: usize, ip: IpAddr, agent: &str) {
    let mut at = s.utc(9);
    let who = instance(role, number, s.day);
    s.users.push(role.to_owned());
    let client = Client { ip, agent: agent.to_owned() };
    for (service, name, error) in [
        ("sts", "GetCallerIdentity", None),
        ("s3", "ListBuckets", None),
        ("iam", "ListRoles", Some(("AccessDenied", "User is not authorized to perform: iam:ListRoles"))),
        ("secretsmanager", "ListSecrets", None),
        ("ec2", "DescribeInstances", None),
    ] {
        at += s.random.between(3, 50) * SECOND;
        s.log.aws(at, &who, &client, &Call { error, ..Call::plain(service, name, "us-east-1") });
    }
}

pub fn instance_outside_home(s: &mut Scene) -> String {
    let ip = s.abroad(Kind::Residential);
    instance_outside(s, "app-web-instance", 1, ip, "aws-cli/2.31.4 md/awscrt#0.26 ua/2.1 os/linux#6.12 lang/python#3.13");
    "The keys of a web server's role are used from a household abroad".into()
}

pub fn instance_outside_host(s: &mut Scene) -> String {
    let hosts = s.log.world.owned("Brackwater Servers");
    let ip = s.address(&hosts);
    instance_outside(s, "app-api-instance", 2, ip, "Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.8 lang/python#3.12.3");
    "The keys of an application server's role are used from a rented machine of another provider".into()
}

pub fn logging_aws(s: &mut Scene) -> String {
    let p = s.person(|p| p.duties.aws && p.trips.is_empty());
    let at = s.at(p, 5.1);
    let client = Client { ip: s.abroad(Kind::Hosting), agent: s.other_browser(p, at) };
    let who = Identity::sso(p, "AdministratorAccess", &mut s.random);
    s.log.aws(at, &who, &client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    s.log.aws(at + 2 * MINUTE, &who, &client, &Call::plain("cloudtrail", "DescribeTrails", "us-east-1"));
    s.log.aws(
        at + 4 * MINUTE,
        &who,
        &client,
        &Call::with("cloudtrail", "StopLogging", "us-east-1", json!({"name": format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization-trail")})),
    );
    "An administrator's console session from a rented machine abroad stops the trail".into()
}

pub fn logging_github(s: &mut Scene) -> String {
    let p = s.person(|p| p.duties.github);
    let at = s.at(p, 22.8);
    let exits = s.log.world.all(Kind::Tor);
    let client = Client { ip: s.address(&exits), agent: s.other_browser(p, at) };
    s.users.push(p.login.clone());
    s.log.github(at, &p.login, false, &client, "user.login", &[("user", json!(p.login))]);
    s.log.github(at + 6 * MINUTE, &p.login, false, &client, "audit_log_streaming.destroy", &[]);
    "An owner of the code host signs in over Tor and removes the stream of the audit log".into()
}
