//! What those with more rights do, on most days: nothing of it is planted.

use super::clock::{MINUTE, SECOND, local};
use super::life::{Stay, okta_sign_in, region};
use super::machines::{KEPT_USERS, repository_name};
use super::people::Person;
use super::random::Random;
use super::record::{Call, Client, Identity, Log, ORG, Okta, okta_user};
use serde_json::{Value, json};

/// A group at Okta.
fn group(random: &mut Random) -> (&'static str, String, String, String) {
    let name = *random.pick(&[
        "Sales EMEA",
        "Sales Americas",
        "Engineering",
        "Support Tier 1",
        "Finance Readers",
        "VPN Users",
        "Figma",
        "Contractors",
        "Data Readers",
        "Managers",
    ]);
    ("UserGroup", format!("00g{}", Random::of(43, name, 0).hex(17)), "unknown".into(), name.to_owned())
}

/// An Okta event about somebody else.
pub fn okta_upon(log: &mut Log, admin: &Person, at: i64, client: &Client, event: &str, target: &Person, random: &mut Random) {
    let mut targets = vec![okta_user(target)];
    let mut debug = json!({"requestUri": "/api/v1/users"});
    match event {
        "group.user_membership.add" | "group.user_membership.remove" => targets.push(group(random)),
        "application.user_membership.add" | "application.user_membership.remove" => {
            let app = *random.pick(&["Slack", "Zoom", "Salesforce", "Figma", "Zendesk"]);
            targets.insert(0, ("AppInstance", Random::of(23, app, 0).hex(20), app.to_owned(), app.to_owned()));
        }
        "user.account.privilege.grant" => {
            debug = json!({"privilegeGranted": *random.pick(&["Help Desk Administrator", "Report Administrator", "Group Administrator"])})
        }
        _ => {}
    }
    log.okta(at, admin, client, &Okta { event, message: event, targets, debug, ..Okta::default() });
}

/// An Okta event about a setting.
fn okta_setting(log: &mut Log, admin: &Person, at: i64, client: &Client, event: &str, random: &mut Random) {
    let name = format!("{} {}", random.pick(&["Default", "Contractors", "Admins", "Mobile"]), random.below(4));
    let targets = vec![("PolicyRule", format!("0pr{}", random.hex(17)), "unknown".into(), name)];
    log.okta(at, admin, client, &Okta { event, message: event, targets, ..Okta::default() });
}

/// The work of a day with rights.
pub fn serve(log: &mut Log, person: &Person, people: &[Person], stays: &[Stay], day: i64, random: &mut Random) {
    let Some(stay) = stays.iter().max_by_key(|s| s.to - s.from).cloned() else { return };
    if !person.works(day) {
        return;
    }
    let employed: Vec<&Person> = people.iter().filter(|p| p.is_employed(day) && p.index != person.index).collect();
    let mut moment = |random: &mut Random| {
        let at = random.between(stay.from, stay.to.max(stay.from + 1));
        (at, Client { ip: stay.ip, agent: person.laptop_agent(at) })
    };
    let duties = person.duties;
    let mut chores: Vec<(&str, f64)> = Vec::new();
    if duties.okta {
        chores.extend([
            ("application.user_membership.add", 1.5),
            ("application.user_membership.remove", 0.4),
            ("group.user_membership.add", 1.2),
            ("group.user_membership.remove", 0.4),
            ("user.account.reset_password", 0.1),
            ("user.account.update_profile", 0.3),
            ("user.account.privilege.grant", 0.006),
        ]);
    }
    if duties.helpdesk {
        chores.extend([
            ("user.account.reset_password", 0.5),
            ("user.account.unlock_by_admin", 0.3),
            ("user.mfa.factor.reset_all", 0.12),
            ("group.user_membership.add", 0.3),
        ]);
    }
    for (event, mean) in chores {
        for _ in 0..random.about(mean) {
            let (at, client) = moment(random);
            let target = *random.pick(&employed);
            okta_upon(log, person, at, &client, event, target, random);
        }
    }
    if duties.okta {
        for (event, mean) in [
            ("user.session.access_admin_app", 1.0),
            ("application.lifecycle.update", 0.15),
            ("policy.rule.update", 0.06),
            ("group.profile.update", 0.1),
            ("zone.update", 0.01),
            ("system.api_token.create", 0.008),
            ("application.lifecycle.create", 0.02),
            ("app.oauth2.client.lifecycle.update", 0.02),
            ("policy.lifecycle.update", 0.02),
            ("event_hook.created", 0.003),
            ("system.idp.lifecycle.update", 0.003),
            ("security.authenticator.lifecycle.update", 0.003),
            ("group.lifecycle.create", 0.03),
        ] {
            for _ in 0..random.about(mean) {
                let (at, client) = moment(random);
                okta_setting(log, person, at, &client, event, random);
            }
        }
    }
    if duties.google {
        google(log, person, &employed, &mut moment, random);
    }
    if duties.github {
        github(log, person, &employed, &mut moment, random);
    }
    if duties.aws && random.chance(0.55) {
        let (at, mut client) = moment(random);
        if random.chance(0.5) {
            client.agent = format!("aws-cli/2.{}.1 md/awscrt#0.26 ua/2.1 os/macos#25.3 md/arch#arm64 lang/python#3.13", 30 + person.index % 5);
        }
        administer(log, person, at, &client, random);
    }
}

fn google(log: &mut Log, person: &Person, employed: &[&Person], moment: &mut impl FnMut(&mut Random) -> (i64, Client), random: &mut Random) {
    for (kind, name, mean) in [
        ("GROUP_SETTINGS", "ADD_GROUP_MEMBER", 0.8),
        ("GROUP_SETTINGS", "REMOVE_GROUP_MEMBER", 0.2),
        ("GROUP_SETTINGS", "CREATE_GROUP", 0.08),
        ("USER_SETTINGS", "CHANGE_PASSWORD", 0.2),
        ("USER_SETTINGS", "MOVE_USER_TO_ORG_UNIT", 0.2),
        ("USER_SETTINGS", "RENAME_USER", 0.02),
        ("APPLICATION_SETTINGS", "CHANGE_APPLICATION_SETTING", 0.05),
        ("DELEGATED_ADMIN_SETTINGS", "ASSIGN_ROLE", 0.006),
        ("DOMAIN_SETTINGS", "ADD_TRUSTED_DOMAINS", 0.004),
        ("MOBILE_SETTINGS", "ACTION_REQUESTED", 0.1),
        ("USER_SETTINGS", "DOWNLOAD_USERLIST_CSV", 0.02),
        ("APPLICATION_SETTINGS", "CREATE_APPLICATION_SETTING", 0.004),
    ] {
        for _ in 0..random.about(mean) {
            let (at, client) = moment(random);
            let target = random.pick(employed).email.clone();
            let group = format!("team-{}@{}", random.below(40), super::record::DOMAIN);
            let parameters: Vec<(&str, &str)> = match kind {
                "GROUP_SETTINGS" if name == "CREATE_GROUP" => vec![("GROUP_EMAIL", &group)],
                "GROUP_SETTINGS" => vec![("USER_EMAIL", &target), ("GROUP_EMAIL", &group)],
                "USER_SETTINGS" if name == "DOWNLOAD_USERLIST_CSV" => vec![],
                "USER_SETTINGS" => vec![("USER_EMAIL", &target)],
                "DELEGATED_ADMIN_SETTINGS" => vec![("ROLE_NAME", "_GROUPS_ADMIN_ROLE"), ("USER_EMAIL", &target)],
                _ => vec![("APPLICATION_NAME", "Drive and Docs"), ("SETTING_NAME", "Sharing options")],
            };
            log.google(at, &person.email, Some(client.ip), "admin", kind, name, &parameters);
        }
    }
}

fn github(log: &mut Log, person: &Person, employed: &[&Person], moment: &mut impl FnMut(&mut Random) -> (i64, Client), random: &mut Random) {
    for (action, mean) in [
        ("team.add_member", 0.3),
        ("team.remove_member", 0.1),
        ("repo.add_member", 0.15),
        ("protected_branch.update_required_approving_review_count", 0.06),
        ("protected_branch.policy_override", 0.12),
        ("repo.create", 0.12),
        ("repo.archived", 0.04),
        ("repo.destroy", 0.006),
        ("org.add_member", 0.05),
        ("org.update_member", 0.003),
        ("hook.create", 0.05),
        ("integration_installation.create", 0.015),
        ("integration_installation.repositories_added", 0.05),
        ("environment.update_protection_rule", 0.03),
        ("org.update_actions_secret", 0.05),
        ("repository_ruleset.update", 0.03),
        ("secret_scanning_alert.resolve", 0.1),
        ("org.update_default_repository_permission", 0.001),
        ("org.audit_log_export", 0.004),
        ("packages.package_version_deleted", 0.03),
    ] {
        for _ in 0..random.about(mean) {
            let (at, client) = moment(random);
            let mut more: Vec<(&str, Value)> = Vec::new();
            if action.contains("member") {
                more.push(("user", json!(random.pick(employed).login)));
            }
            if action.starts_with("team.") {
                more.push(("team", json!(format!("{ORG}/team-{}", random.below(20)))));
            } else if !action.starts_with("org.") {
                more.push(("repo", json!(format!("{ORG}/{}", repository_name(random.below(70))))));
            }
            if action == "org.update_member" {
                more.extend([("old_permission", json!("read")), ("permission", json!("admin"))]);
            }
            log.github(at, &person.login, false, &client, action, &more);
        }
    }
}

/// A session with all rights in the cloud: mostly looking, some changing.
pub fn administer(log: &mut Log, person: &Person, at: i64, client: &Client, random: &mut Random) {
    let who = Identity::sso(person, "AdministratorAccess", random);
    let mut at = at;
    if client.agent.starts_with("Mozilla") {
        log.aws(at, &who, client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
    }
    let region = region(random);
    for _ in 0..3 + random.about(6.0) {
        at += random.between(2, 120) * SECOND;
        let (service, name) = *random.pick(super::life::LOOKS);
        log.aws(at, &who, client, &Call::plain(service, name, region));
    }
    for (service, name, mean, request) in [
        (
            "iam",
            "AttachRolePolicy",
            0.2,
            json!({"roleName": format!("app-{}", random.below(25)), "policyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}),
        ),
        ("iam", "PutRolePolicy", 0.12, json!({"roleName": format!("app-{}", random.below(25)), "policyName": "inline-access"})),
        ("iam", "CreateRole", 0.08, json!({"roleName": format!("app-{}", random.below(25))})),
        ("iam", "UpdateAssumeRolePolicy", 0.03, json!({"roleName": format!("app-{}", random.below(25))})),
        ("iam", "CreatePolicyVersion", 0.06, json!({"policyArn": format!("arn:aws:iam::481207735519:policy/app-{}", random.below(25)), "setAsDefault": true})),
        ("iam", "CreateAccessKey", 0.012, json!({"userName": *random.pick(KEPT_USERS)})),
        (
            "ec2",
            "AuthorizeSecurityGroupIngress",
            0.2,
            json!({"groupId": format!("sg-0{}", random.hex(16)), "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": 5432, "toPort": 5432, "ipRanges": {"items": [{"cidrIp": "10.20.0.0/16"}]}}]}}),
        ),
        ("ec2", "RunInstances", 0.1, json!({"instancesSet": {"items": [{"imageId": format!("ami-0{}", random.hex(16))}]}, "instanceType": "m7g.large"})),
        ("ec2", "TerminateInstances", 0.1, json!({"instancesSet": {"items": [{"instanceId": format!("i-0{}", random.hex(16))}]}})),
        ("s3", "PutBucketPolicy", 0.04, json!({"bucketName": format!("harborline-{}", random.below(20))})),
        ("s3", "PutBucketLifecycle", 0.02, json!({"bucketName": format!("harborline-{}", random.below(20))})),
        ("s3", "CreateBucket", 0.04, json!({"bucketName": format!("harborline-{}", random.hex(6))})),
        ("rds", "ModifyDBInstance", 0.06, json!({"dBInstanceIdentifier": format!("db-{}", random.below(9))})),
        ("kms", "CreateKey", 0.02, json!({"description": "application data"})),
        ("secretsmanager", "PutSecretValue", 0.1, json!({"secretId": format!("prod/worker-{}", random.below(30))})),
        ("route53", "ChangeResourceRecordSets", 0.1, json!({"hostedZoneId": format!("Z0{}", random.hex(12).to_uppercase())})),
        ("cloudtrail", "UpdateTrail", 0.002, json!({"name": "organization-trail", "enableLogFileValidation": true})),
        ("guardduty", "CreateFilter", 0.004, json!({"detectorId": "2cb9f1d3"})),
    ] {
        for _ in 0..random.about(mean) {
            at += random.between(10, 240) * SECOND;
            log.aws(at, &who, client, &Call::with(service, name, region, request.clone()));
        }
    }
    // Something that nobody did before, or not for long: there is always more of that.
    if random.chance(0.06) {
        const TAIL: &[(&str, &str)] = &[
            ("ec2", "CreateTransitGateway"),
            ("ec2", "CreateVpcPeeringConnection"),
            ("elasticache", "CreateReplicationGroup"),
            ("wafv2", "UpdateWebACL"),
            ("acm", "RequestCertificate"),
            ("backup", "CreateBackupPlan"),
            ("servicequotas", "RequestServiceQuotaIncrease"),
            ("organizations", "ListAccounts"),
            ("support", "CreateCase"),
            ("glue", "StartCrawler"),
            ("athena", "CreateWorkGroup"),
            ("ec2", "ModifyVpcEndpoint"),
            ("ecr", "PutLifecyclePolicy"),
            ("events", "PutRule"),
            ("sns", "SetTopicAttributes"),
            ("elasticloadbalancing", "ModifyListener"),
            ("autoscaling", "UpdateAutoScalingGroup"),
            ("cloudfront", "UpdateDistribution"),
            ("ses", "CreateEmailIdentity"),
            ("ram", "CreateResourceShare"),
            ("efs", "CreateFileSystem"),
            ("opensearch", "UpdateDomainConfig"),
            ("budgets", "ModifyBudget"),
            ("states", "UpdateStateMachine"),
            ("apigateway", "CreateDeployment"),
            ("ec2", "ReplaceRoute"),
        ];
        let (service, name) = *random.pick(TAIL);
        log.aws(at + 30 * SECOND, &who, client, &Call::plain(service, name, region));
    }
}

/// Nights of those who are called: a sign-in from home, a look, sometimes a change.
pub fn nights(log: &mut Log, people: &[Person], seed: u64, days: i64) {
    let rota: Vec<&Person> = people.iter().filter(|p| p.duties.on_call).collect();
    if rota.is_empty() {
        return;
    }
    let mut random = Random::of(seed, "nights", 0);
    for day in 0..days {
        let person = rota[(day / 7) as usize % rota.len()];
        if !random.chance(0.3) || person.trip(day).is_some() || person.is_away(day) || !person.is_employed(day) {
            continue;
        }
        let at = local(person.city, day, 0.5 + random.unit() * 5.0);
        let client = Client { ip: person.home_address(log.world, at, &mut random), agent: person.laptop_agent(at) };
        let session = format!("102{}", random.hex(22));
        let at = okta_sign_in(log, person, at, &client, &session, usize::from(random.chance(0.2)), &mut random);
        super::life::okta_app(log, person, at + 5 * SECOND, &client, &session, "AWS IAM Identity Center");
        let at = at + MINUTE;
        if person.duties.aws {
            administer(log, person, at, &client, &mut random);
            continue;
        }
        let who = Identity::sso(person, "Developer", &mut random);
        log.aws(at, &who, &client, &Call::plain("signin", "ConsoleLogin", "us-east-1"));
        for i in 0..random.between(6, 25) {
            let (service, name) = *random.pick(super::life::LOOKS);
            log.aws(at + i * random.between(5, 60) * SECOND, &who, &client, &Call::plain(service, name, "eu-central-1"));
        }
        if random.chance(0.5) {
            let request = json!({"service": format!("svc-{}", random.below(20)), "forceNewDeployment": true});
            log.aws(at + 30 * MINUTE, &who, &client, &Call::with("ecs", "UpdateService", "eu-central-1", request));
        }
    }
}
