//! What runs by itself: service accounts, pipelines, instances, the personnel system, and the internet at the door.

use super::clock::{DAY, HOUR, MINUTE, SECOND, is_working_day, utc};
use super::people::Person;
use super::random::Random;
use super::record::{ACCOUNT, Call, Client, DOMAIN, Identity, Log, ORG, Okta, key, okta_user};
use super::world::{ASHBURN, CITIES, FRANKFURT, Kind};
use serde_json::{Value, json};
use std::net::IpAddr;

/// IAM users that people made for machines.
pub const KEPT_USERS: &[&str] = &["svc-backup", "svc-etl", "svc-report", "svc-mailer"];

/// Applications that sign in to Entra ID by themselves.
pub const PRINCIPALS: &[&str] = &["hl-directory-sync", "hl-backup-m365", "hl-intune-reports", "hl-teams-bot", "hl-powerbi-refresh", "hl-mail-archive"];

/// The name of a repository.
pub fn repository_name(number: usize) -> String {
    const A: [&str; 10] = ["tide", "anchor", "ledger", "beacon", "cargo", "harbor", "pilot", "crane", "signal", "quay"];
    const B: [&str; 7] = ["api", "web", "worker", "infra", "docs", "sdk", "tools"];
    format!("{}-{}", A[number % 10], B[number / 10 % 7])
}

/// An IAM user of a machine, with its one key.
pub fn kept_user(name: &str) -> Identity {
    Identity::User { name: name.to_owned(), key: key("AKIA", &mut Random::of(47, name, 0)) }
}

/// Instances of an application on a day: they are replaced now and then.
pub fn instance(role: &str, number: usize, day: i64) -> Identity {
    let generation = ((day + number as i64 * 3) / 9) as usize;
    let session = format!("i-0{}", Random::of(53, role, number * 1000 + generation).hex(16));
    // The keys of an instance last some hours.
    Identity::Role { role: role.to_owned(), session, key: key("ASIA", &mut Random::of(59, role, number * 1000 + day as usize)) }
}

/// The address of the cloud's way out that a machine uses.
pub fn cloud_address(log: &Log, city: usize, number: u64) -> IpAddr {
    log.world.networks[log.world.of(city, Kind::Cloud)[0]].address(0x2200 + number * 19)
}

/// The address at which a service account has always been.
pub fn service_client(log: &Log, name: &str, at: i64) -> Client {
    let hosts = log.world.owned("Hexapod Hosting");
    let agent = |text: &str| text.to_owned();
    match name {
        "svc-backup" => {
            Client { ip: cloud_address(log, FRANKFURT, 3), agent: agent("Boto3/1.42.3 md/Botocore#1.42.3 ua/2.1 os/linux#6.12 lang/python#3.12.9") }
        }
        // Its vendor moved it within the same data centre.
        "svc-etl" => {
            let number = if at > utc(45) { 900 } else { 300 };
            Client {
                ip: log.world.networks[hosts[0]].address(number + (at / HOUR) as u64 % 3),
                agent: agent("aws-sdk-java/2.41.1 md/io#sync md/http#Apache Linux/5.15 Java/21.0.9"),
            }
        }
        "svc-report" => {
            let lines = log.world.of(2, Kind::Business);
            Client { ip: log.world.networks[lines[0]].address(0x1250), agent: agent("aws-cli/2.31.4 md/awscrt#0.26 ua/2.1 os/linux#6.1 lang/python#3.13") }
        }
        "svc-mailer" => Client { ip: cloud_address(log, ASHBURN, 5), agent: agent("aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.3") },
        _ => Client { ip: cloud_address(log, FRANKFURT, 8 + (name.len() % 5) as u64), agent: String::new() },
    }
}

/// How often machines call that work for so many people: this often for three hundred.
fn often(times: usize, people: &[Person]) -> usize {
    (times * people.len()).div_ceil(300)
}

/// Everything that no person does, for so many days.
pub fn run(log: &mut Log, people: &[Person], seed: u64, days: i64) {
    let mut random = Random::of(seed, "machines", 0);
    for day in 0..days {
        steady(log, people, day, &mut random);
        instances(log, people, day, &mut random);
        pipelines(log, day, &mut random);
        bots(log, people, day, &mut random);
        directory(log, people, day, &mut random);
        door(log, people, day, &mut random);
    }
}

fn steady(log: &mut Log, people: &[Person], day: i64, random: &mut Random) {
    let start = utc(day);
    // A service that watches: few calls, all day.
    let role =
        Identity::Role { role: "MonitoringReader".into(), session: "watchpost-collector".into(), key: key("ASIA", &mut Random::of(61, "watch", day as usize)) };
    let hosts = log.world.owned("Brackwater Servers");
    for i in (0..48).step_by(48 / often(48, people).min(48)) {
        let ip = log.world.networks[hosts[3]].address(500 + i as u64 % 4);
        let client = Client { ip, agent: "aws-sdk-go/1.55.8 (go1.25; linux; amd64)".into() };
        for (service, name) in [("ec2", "DescribeInstances"), ("cloudwatch", "GetMetricData")] {
            log.aws(start + i * 30 * MINUTE + random.between(0, 20) * SECOND, &role, &client, &Call::plain(service, name, "us-east-1"));
        }
    }
    // Backups at night; the oldest of each volume goes.
    let (who, at) = (kept_user("svc-backup"), start + 2 * HOUR);
    let client = service_client(log, "svc-backup", at);
    log.aws(at, &who, &client, &Call::plain("ec2", "DescribeVolumes", "eu-central-1"));
    for i in 0..6 {
        let volume = format!("vol-0{}", Random::of(67, "volume", i).hex(16));
        log.aws(at + (5 + i as i64 * 7) * SECOND, &who, &client, &Call::with("ec2", "CreateSnapshot", "eu-central-1", json!({"volumeId": volume})));
        let old = json!({"snapshotId": format!("snap-0{}", random.hex(16))});
        log.aws(at + (600 + i as i64 * 9) * SECOND, &who, &client, &Call::with("ec2", "DeleteSnapshot", "eu-central-1", old));
    }
    for hour in (0..24).step_by(24 / often(24, people).min(24)) {
        let at = start + hour * HOUR + random.between(0, 300) * SECOND;
        let client = service_client(log, "svc-etl", at);
        for i in 0..3 {
            let request = json!({"bucketName": "harborline-analytics", "key": format!("load/{day}/{hour}-{i}.parquet")});
            log.aws(at + i * 4 * SECOND, &kept_user("svc-etl"), &client, &Call { data: true, ..Call::with("s3", "PutObject", "us-east-1", request) });
        }
        let client = service_client(log, "svc-mailer", at);
        log.aws(at + 20 * SECOND, &kept_user("svc-mailer"), &client, &Call::plain("ses", "GetSendQuota", "us-east-1"));
        for (i, name) in PRINCIPALS.iter().enumerate() {
            if (hour as usize + i).is_multiple_of(3) {
                let client = service_client(log, name, at);
                log.entra_service(at + i as i64 * 31 * SECOND, name, &client, "Microsoft Graph");
            }
        }
        // The machine that files documents; it is a Google account of its own.
        for _ in 0..often(4, people) {
            let title = super::life::document(random);
            let ip = cloud_address(log, FRANKFURT, 11);
            super::life::drive_event(log, &format!("drive-sync@{ORG}-prod.iam.gserviceaccount.com"), ip, at + random.between(0, 3000) * SECOND, "view", &title);
        }
    }
    let at = start + 6 * HOUR;
    let client = service_client(log, "svc-report", at);
    for (i, name) in ["GetCallerIdentity", "ListBuckets"].iter().enumerate() {
        log.aws(at + i as i64 * SECOND, &kept_user("svc-report"), &client, &Call::plain(if i == 0 { "sts" } else { "s3" }, name, "eu-central-1"));
    }
}

/// Applications whose instances have a role.
pub const INSTANCE_ROLES: &[(&str, usize, usize)] =
    &[("app-web-instance", 5, ASHBURN), ("app-api-instance", 4, FRANKFURT), ("app-batch-instance", 3, FRANKFURT)];

fn instances(log: &mut Log, people: &[Person], day: i64, random: &mut Random) {
    let start = utc(day);
    for &(role, count, city) in INSTANCE_ROLES {
        let region = if city == ASHBURN { "us-east-1" } else { "eu-central-1" };
        for number in 0..count {
            let who = instance(role, number, day);
            for _ in 0..often(22, people) {
                let at = start + random.between(0, DAY);
                // Some calls go through an endpoint inside the network.
                let ip = if random.chance(0.3) { IpAddr::from([10, 20, number as u8, 17]) } else { cloud_address(log, city, number as u64 % 2) };
                let client = Client { ip, agent: "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.3 md/GOARCH#arm64".into() };
                let (service, name, request) = match random.below(5) {
                    0 => ("ssm", "UpdateInstanceInformation", json!({"agentVersion": "3.3.3050.0"})),
                    1 => ("secretsmanager", "GetSecretValue", json!({"secretId": format!("prod/{role}")})),
                    2 => ("kms", "Decrypt", Value::Null),
                    3 => ("sts", "GetCallerIdentity", Value::Null),
                    _ => ("sqs", "GetQueueUrl", json!({"queueName": role})),
                };
                log.aws(at, &who, &client, &Call::with(service, name, region, request));
            }
        }
    }
    for _ in 0..often(90, people) {
        let function = format!("fn-{}", random.below(14));
        let who = Identity::Role { role: format!("{function}-role"), session: function.clone(), key: key("ASIA", random) };
        let client = Client {
            ip: cloud_address(log, ASHBURN, 100 + random.below(900) as u64),
            agent: "Boto3/1.40.4 md/Botocore#1.40.4 lang/python#3.13 exec-env/AWS_Lambda_python3.13".into(),
        };
        let name = *random.pick(&["CreateLogStream", "DescribeTable", "GetParameter"]);
        let service = match name {
            "CreateLogStream" => "logs",
            "GetParameter" => "ssm",
            _ => "dynamodb",
        };
        log.aws(start + random.between(0, DAY), &who, &client, &Call::with(service, name, "us-east-1", json!({"name": format!("/app/{function}")})));
    }
    for _ in 0..often(60, people) {
        let service = *random.pick(&["ec2.amazonaws.com", "autoscaling.amazonaws.com", "ecs.amazonaws.com", "lambda.amazonaws.com"]);
        let role = format!("AWSServiceRoleFor{}", service.split('.').next().unwrap_or_default());
        let who = Identity::Role { role: role.clone(), session: "internal".into(), key: key("ASIA", random) };
        let client = Client { ip: IpAddr::from([10, 20, 0, 1]), agent: service.to_owned() };
        let name = *random.pick(&["DescribeInstances", "CreateNetworkInterface", "DescribeSubnets"]);
        log.aws(start + random.between(0, DAY), &who, &client, &Call { from_service: Some(service), ..Call::plain("ec2", name, "us-east-1") });
    }
}

/// A machine of the code host's pool.
fn runner(log: &Log, random: &mut Random) -> IpAddr {
    let pool = log.world.owned("Tessera Compute");
    log.world.networks[*random.pick(&pool)].address(random.next())
}

fn pipelines(log: &mut Log, day: i64, random: &mut Random) {
    let working = is_working_day(&CITIES[2], day);
    let start = utc(day) + 7 * HOUR;
    let run = |role: &str, random: &mut Random| Identity::Role {
        role: role.to_owned(),
        session: format!("GitHubActions-{}", random.below(90_000_000)),
        key: key("ASIA", random),
    };
    let deployments = if working { 4 + random.about(5.0) } else { random.about(0.6) };
    for _ in 0..deployments {
        let mut at = start + random.between(0, 11 * HOUR);
        let who = run("ci-deploy", random);
        let client = Client {
            ip: runner(log, random),
            agent: "aws-sdk-js/3.936.0 ua/2.1 os/linux#6.11 lang/js md/nodejs#22.11 api/ecs#3.936.0 configure-aws-credentials-for-github-actions".into(),
        };
        let repo = json!(format!("{ORG}/{}", repository_name(random.below(70))));
        log.github(
            at - 90 * SECOND,
            "harborline-ci[bot]",
            true,
            &client,
            "workflows.created_workflow_run",
            &[("repo", repo.clone()), ("name", json!("deploy"))],
        );
        for (service, name) in [
            ("sts", "GetCallerIdentity"),
            ("ecr", "PutImage"),
            ("ecs", "RegisterTaskDefinition"),
            ("ecs", "UpdateService"),
            ("ecs", "DescribeServices"),
            ("ecs", "DescribeServices"),
        ] {
            at += random.between(1, 60) * SECOND;
            log.aws(at, &who, &client, &Call::with(service, name, "eu-central-1", json!({"service": format!("svc-{}", random.below(20))})));
        }
        let conclusion = if random.chance(0.06) { "failure" } else { "success" };
        log.github(
            at + 10 * SECOND,
            "harborline-ci[bot]",
            true,
            &client,
            "workflows.completed_workflow_run",
            &[("repo", repo), ("name", json!("deploy")), ("conclusion", json!(conclusion))],
        );
    }
    if !working {
        return;
    }
    for _ in 0..1 + random.below(3) {
        let mut at = start + random.between(0, 10 * HOUR);
        let who = run("ci-terraform", random);
        let client = Client {
            ip: runner(log, random),
            agent: "APN/1.0 HashiCorp/1.0 Terraform/1.14.0 (+https://www.terraform.io) terraform-provider-aws/6.22.0 aws-sdk-go-v2/1.39.6".into(),
        };
        for _ in 0..random.between(15, 45) {
            at += random.between(200, 2500);
            let (service, name) = *random.pick(&[
                ("iam", "GetRole"),
                ("iam", "ListRolePolicies"),
                ("ec2", "DescribeVpcs"),
                ("s3", "GetBucketAcl"),
                ("ec2", "DescribeSecurityGroups"),
                ("rds", "DescribeDBInstances"),
                ("kms", "DescribeKey"),
                ("route53", "ListResourceRecordSets"),
            ]);
            log.aws(at, &who, &client, &Call::plain(service, name, "eu-central-1"));
        }
        for _ in 0..random.about(1.5) {
            at += random.between(1, 20) * SECOND;
            let number = random.below(25);
            let (service, name, request) = match random.below(5) {
                0 => ("iam", "CreateRole", json!({"roleName": format!("app-{number}")})),
                1 => (
                    "iam",
                    "AttachRolePolicy",
                    json!({"roleName": format!("app-{number}"), "policyArn": format!("arn:aws:iam::{ACCOUNT}:policy/app-{number}")}),
                ),
                2 => ("ec2", "CreateSecurityGroup", json!({"groupName": format!("app-{number}")})),
                3 => ("s3", "PutBucketTagging", json!({"bucketName": format!("harborline-{number}")})),
                _ => ("lambda", "UpdateFunctionCode20150331v2", json!({"functionName": format!("worker-{number}")})),
            };
            log.aws(at, &who, &client, &Call::with(service, name, "eu-central-1", request));
        }
    }
    // Each Friday what was built for looking at is torn down.
    if super::clock::date(day).format("%u").to_string() == "5" {
        let mut at = start + 10 * HOUR + random.between(0, 30) * MINUTE;
        let who = run("ci-preview", random);
        let client = Client {
            ip: runner(log, random),
            agent: "APN/1.0 HashiCorp/1.0 Terraform/1.14.0 (+https://www.terraform.io) terraform-provider-aws/6.22.0 aws-sdk-go-v2/1.39.6".into(),
        };
        for _ in 0..random.between(8, 22) {
            at += random.between(1, 12) * SECOND;
            let (service, name) = *random.pick(&[
                ("ecs", "DeleteService"),
                ("elasticloadbalancing", "DeleteTargetGroup"),
                ("logs", "DeleteLogGroup"),
                ("ec2", "DeleteSecurityGroup"),
                ("lambda", "DeleteFunction20150331"),
            ]);
            log.aws(at, &who, &client, &Call::with(service, name, "eu-central-1", json!({"name": format!("preview-{}", random.below(40))})));
        }
    }
}

fn bots(log: &mut Log, people: &[Person], day: i64, random: &mut Random) {
    let start = utc(day);
    for _ in 0..often(110, people) {
        let client = Client { ip: runner(log, random), agent: "git/2.52.0".into() };
        let repo = json!(format!("{ORG}/{}", repository_name(random.below(70))));
        log.github(
            start + random.between(0, DAY),
            "harborline-ci",
            false,
            &client,
            "git.fetch",
            &[("repo", repo), ("programmatic_access_type", json!("GitHub App server-to-server token"))],
        );
    }
    for _ in 0..12 {
        let client = Client { ip: runner(log, random), agent: "dependabot-core/0.352 excon/1.3".into() };
        let repo = json!(format!("{ORG}/{}", repository_name(random.below(70))));
        log.github(start + random.between(4 * HOUR, 6 * HOUR), "dependabot[bot]", true, &client, "git.push", &[("repo", repo)]);
    }
    // Checks that people's pushes start; some fail, and some again and again.
    let engineers: Vec<&Person> = people.iter().filter(|p| p.works(day) && p.team == super::people::Team::Engineering).collect();
    for person in engineers {
        for _ in 0..random.about(0.9) {
            let at = super::clock::local(person.city, day, person.starts + random.unit() * 8.0);
            let client = Client { ip: runner(log, random), agent: "actions/runner".into() };
            let repo = json!(super::life::repository(person, random));
            let conclusion = if random.chance(0.12) { "failure" } else { "success" };
            log.github(
                at,
                &person.login,
                false,
                &client,
                "workflows.completed_workflow_run",
                &[("repo", repo), ("name", json!("checks")), ("conclusion", json!(conclusion))],
            );
        }
    }
}

/// The personnel system: who comes is made known to the directory, who goes is closed there on the day.
fn directory(log: &mut Log, people: &[Person], day: i64, random: &mut Random) {
    let actor = json!({"id": "00u9hrsync0000000001", "type": "PublicClientApp", "alternateId": "hr-sync", "displayName": "HR Sync"});
    let start = utc(day);
    let client = Client { ip: cloud_address(log, FRANKFURT, 14), agent: "okta-sdk-java/24.0.0".into() };
    for hour in (1..24).step_by(2) {
        let person = random.pick(people);
        let what = Okta { event: "user.account.update_profile", message: "Update user profile for Okta", targets: vec![okta_user(person)], ..Okta::default() };
        log.okta_by(start + hour * HOUR + random.between(0, 600) * SECOND, actor.clone(), &client, &what);
    }
    for person in people.iter().filter(|p| p.joins == day + 1) {
        let at = start + 5 * HOUR + random.between(0, 3600) * SECOND;
        for (i, event) in
            ["user.lifecycle.create", "user.lifecycle.activate", "application.user_membership.add", "group.user_membership.add"].iter().enumerate()
        {
            let mut targets = vec![okta_user(person)];
            if i == 3 {
                targets.push(("UserGroup", "00geveryone".into(), "unknown".into(), "Everyone".into()));
            }
            log.okta_by(at + i as i64 * SECOND, actor.clone(), &client, &Okta { event, message: event, targets, ..Okta::default() });
        }
        log.google(
            at + 9 * SECOND,
            &format!("provisioning@{DOMAIN}"),
            Some(client.ip),
            "admin",
            "USER_SETTINGS",
            "CREATE_USER",
            &[("USER_EMAIL", &person.email)],
        );
    }
    for person in people.iter().filter(|p| p.leaves == day) {
        // When the last day is over everywhere.
        let at = start + 12 * HOUR + random.between(0, 1800) * SECOND;
        let what = Okta { event: "user.lifecycle.deactivate", message: "Deactivate Okta user", targets: vec![okta_user(person)], ..Okta::default() };
        log.okta_by(at, actor.clone(), &client, &what);
        log.google(
            at + 4 * SECOND,
            &format!("provisioning@{DOMAIN}"),
            Some(client.ip),
            "admin",
            "USER_SETTINGS",
            "SUSPEND_USER",
            &[("USER_EMAIL", &person.email)],
        );
        if matches!(person.team, super::people::Team::Engineering | super::people::Team::Data) {
            log.github(at + 7 * SECOND, "harborline-ci", false, &client, "org.remove_member", &[("user", json!(person.login))]);
        }
    }
    // A new phone is made known as a factor.
    for person in people.iter().filter(|p| p.next_phone.is_some_and(|(d, _)| d == day) && p.works(day)) {
        let at = super::clock::local(person.city, day, 10.0 + random.unit() * 6.0);
        let client = Client { ip: person.home_address(log.world, at, random), agent: person.phone_agent(at + DAY) };
        for (i, event) in ["user.mfa.factor.activate", "user.mfa.factor.deactivate"].iter().enumerate() {
            log.okta(at + i as i64 * MINUTE, person, &client, &Okta { event, message: event, targets: vec![okta_user(person)], ..Okta::default() });
        }
    }
}

/// What anybody on the internet tries at the sign-in pages, each day: one or two guesses at a name that got around.
fn door(log: &mut Log, people: &[Person], day: i64, random: &mut Random) {
    for _ in 0..random.about(7.0) {
        let person = random.pick(people);
        let abroad: Vec<usize> = log.world.all(if random.chance(0.6) { Kind::Hosting } else { Kind::Residential });
        let ip = log.world.networks[*random.pick(&abroad)].address(random.next());
        let agent = *random.pick(&[
            "python-requests/2.32.5",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
            "okhttp/4.12.0",
        ]);
        let client = Client { ip, agent: agent.to_owned() };
        let at = utc(day) + random.between(0, DAY);
        for i in 0..1 + random.about(0.3) as i64 {
            let at = at + i * random.between(2, 30) * SECOND;
            if random.chance(0.5) {
                log.entra(at, person, &client, "Azure Portal", true, 50_126, "")
            } else {
                super::life::okta_failure(log, person, at, &client)
            }
        }
    }
}
