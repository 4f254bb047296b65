//! The hold-out: simulated attacks on an AWS account, from somebody else's log, replayed at the end of sixty quiet days.
//!
//! The attacks are told apart by what each did; the quiet days are the generator's, and nothing is planted in them.

use crate::Fault;
use crate::generator::{Organisation, Plan, Source, clock};
use crate::scan::scan;
use crate::score::{Finding, Level};
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Write;
use std::path::Path;

/// Quiet days before the attack; it begins at noon of the last of them.
const QUIET: i64 = 60;

/// A technique: what it is called, the calls that it made, and what the record also holds.
struct Technique(&'static str, &'static [&'static str], &'static str);

/// The tool of the attacks names itself in its calls, and its roles after itself.
const TECHNIQUES: &[Technique] = &[
    Technique("enumeration by a stolen key", &["GetAccountAuthorizationDetails", "ListUsers", "GetAccountSummary"], "benjamin"),
    Technique("password data of instances", &["GetPasswordData"], ""),
    Technique("command on an instance", &["SendCommand"], "stratus-red-team"),
    Technique("credentials of an instance", &["GetCallerIdentity", "DescribeInstances"], "assumed-role/stratus-red-team-ec2-steal-credentials-role"),
    Technique("secrets read", &["GetSecretValue", "ListSecrets"], "\"userAgent\":\"stratus-red-team"),
    Technique("parameters read", &["GetParameters"], "\"userAgent\":\"stratus-red-team"),
    Technique("trail deleted", &["DeleteTrail"], "\"userAgent\":\"stratus-red-team"),
    Technique("trail blinded by selectors", &["PutEventSelectors"], "\"userAgent\":\"stratus-red-team"),
    Technique("trail's bucket made to forget", &["PutBucketLifecycle"], "stratus-red-team"),
    Technique("trail stopped", &["StopLogging"], "\"userAgent\":\"stratus-red-team"),
    Technique("organisation left", &["LeaveOrganization"], ""),
    Technique("flow logs deleted", &["DeleteFlowLogs"], "\"userAgent\":\"stratus-red-team"),
    Technique("user data of instances", &["DescribeInstanceAttribute"], "\"userAgent\":\"stratus-red-team"),
    Technique("unusual instances", &["RunInstances"], "\"userAgent\":\"stratus-red-team"),
    Technique("port 22 opened", &["AuthorizeSecurityGroupIngress"], "\"userAgent\":\"stratus-red-team"),
    Technique("image shared", &["ModifyImageAttribute"], "\"userAgent\":\"stratus-red-team"),
    Technique("disk snapshot shared", &["ModifySnapshotAttribute"], "\"userAgent\":\"stratus-red-team"),
    Technique("database snapshot shared", &["ModifyDBSnapshotAttribute"], "\"userAgent\":\"stratus-red-team"),
    Technique("bucket opened by its policy", &["PutBucketPolicy"], "[stratus-red-team"),
    Technique("console login without a second factor", &["ConsoleLogin"], "stratus-red-team"),
    Technique("trust of a role widened", &["UpdateAssumeRolePolicy"], "\"userAgent\":\"stratus-red-team"),
    Technique("key for another user", &["CreateAccessKey"], "stratus-red-team-backdoor-u-user"),
    Technique("administrator made", &["CreateUser", "AttachUserPolicy", "CreateAccessKey"], "malicious-iam-user"),
    Technique("console access for another user", &["CreateLoginProfile"], "\"userAgent\":\"stratus-red-team"),
    Technique("function opened", &["AddPermission20150331v2"], "\"userAgent\":\"stratus-red-team"),
    Technique("function's code replaced", &["UpdateFunctionCode20150331v2"], "\"userAgent\":\"stratus-red-team"),
    Technique("trust anchor made", &["CreateTrustAnchor", "CreateProfile"], "\"userAgent\":\"stratus-red-team"),
];

/// What is replayed.
struct Attack {
    /// The techniques of each record, by its id.
    techniques: HashMap<String, Vec<usize>>,
    /// All ids, with the file they stand in.
    files: HashMap<String, String>,
}

/// Copies the records with their times moved, so that the first is at this instant.
fn shift(from: &Path, to: &Path, first: i64) -> Result<Attack, Fault> {
    let mut attack = Attack { techniques: HashMap::new(), files: HashMap::new() };
    let mut paths: Vec<_> = fs::read_dir(from)?.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    let mut documents = Vec::new();
    let mut earliest = i64::MAX;
    for path in paths {
        let document: Value = serde_json::from_slice(&fs::read(&path)?)?;
        for record in document["Records"].as_array().into_iter().flatten() {
            earliest = earliest.min(instant(&record["eventTime"])?);
        }
        documents.push((path, document));
    }
    fs::create_dir_all(to)?;
    let moved = |time: &Value| -> Result<Value, Fault> { Ok(json!(clock::seconds(instant(time)? - earliest + first))) };
    for (path, mut document) in documents {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for record in document["Records"].as_array_mut().into_iter().flatten() {
            record["eventTime"] = moved(&record["eventTime"])?;
            if let Some(created) = record.pointer_mut("/userIdentity/sessionContext/attributes/creationDate") {
                *created = moved(created)?;
            }
            let (id, action, text) =
                (record["eventID"].as_str().unwrap_or_default().to_owned(), record["eventName"].as_str().unwrap_or_default(), record.to_string());
            let of = TECHNIQUES.iter().enumerate().filter(|(_, t)| t.1.contains(&action) && text.contains(t.2)).map(|(i, _)| i).collect();
            attack.techniques.insert(id.clone(), of);
            attack.files.insert(id, name.clone());
        }
        fs::write(to.join(&name), document.to_string())?;
    }
    Ok(attack)
}

fn instant(time: &Value) -> Result<i64, Fault> {
    Ok(DateTime::parse_from_rfc3339(time.as_str().unwrap_or_default())?.timestamp_millis())
}

/// Replays the attacks of a folder and says what was found.
pub fn replay(from: &Path, seed: u64, users: usize, base: &Path, more: &[String], out: &mut impl Write) -> Result<(), Fault> {
    let organisation = Organisation::new(Plan { seed, users, days: QUIET, incidents: false });
    let logs = base.join("logs");
    organisation.write_source(&logs.join("quiet"), Source::CloudTrail)?;
    organisation.write_databases(&base.join("geoip"))?;
    let quiet = organisation.by_source().get(&Source::CloudTrail).copied().unwrap_or_default();
    let attack = shift(from, &logs.join("replayed"), clock::utc(QUIET - 1) + 12 * clock::HOUR)?;
    let scan = scan(&logs, &base.join("geoip"), &base.join("findings.json"), more)?;
    let books = &scan.report.inputs;
    writeln!(
        out,
        "\nreplay: {} foreign records at the end of {QUIET} quiet days of {quiet} synthetic ones (seed {seed}), {:.1} s",
        attack.files.len(),
        scan.took.as_secs_f64()
    )?;
    writeln!(out, "read {}, accepted {}, rejected {}, duplicates {}", books.read, books.accepted, books.rejected, books.duplicates)?;

    let mut by_technique: Vec<BTreeSet<String>> = vec![BTreeSet::new(); TECHNIQUES.len()];
    let mut files: BTreeSet<&str> = BTreeSet::new();
    let mut quiet_findings: BTreeMap<(Level, &str), usize> = BTreeMap::new();
    for finding in scan.report.findings.iter().filter(|f| f.level >= Level::Medium) {
        let foreign: Vec<&str> = ids(finding).filter(|id| attack.files.contains_key(*id)).collect();
        if foreign.is_empty() {
            *quiet_findings.entry((finding.level, &finding.rule_title)).or_default() += 1;
            continue;
        }
        // As with the planted ones, a finding mostly of quiet days tells nothing of the attack.
        if foreign.len() * 2 < finding.events.len() {
            continue;
        }
        for id in foreign {
            files.insert(&attack.files[id]);
            for technique in &attack.techniques[id] {
                by_technique[*technique].insert(finding.rule_title.clone());
            }
        }
    }
    let there: Vec<usize> = (0..TECHNIQUES.len()).filter(|t| attack.techniques.values().any(|of| of.contains(t))).collect();
    let found = there.iter().filter(|t| !by_technique[**t].is_empty()).count();
    writeln!(out, "techniques with a finding of level medium or above: {found} of {}", there.len())?;
    for technique in there {
        let rules: Vec<&str> = by_technique[technique].iter().map(String::as_str).collect();
        writeln!(out, "  {:7} {}: {}", if rules.is_empty() { "MISSED" } else { "found" }, TECHNIQUES[technique].0, rules.join("; "))?;
    }
    let all: BTreeSet<&String> = attack.files.values().collect();
    writeln!(out, "files with such a finding: {} of {}", files.len(), all.len())?;
    writeln!(out, "findings of the quiet days alone, level medium or above: {}", quiet_findings.values().sum::<usize>())?;
    for ((level, rule), count) in quiet_findings.iter().rev() {
        writeln!(out, "  {level:?}: {count} of {rule}")?;
    }
    Ok(())
}

fn ids(finding: &Finding) -> impl Iterator<Item = &str> {
    finding.events.iter().filter_map(|e| e.event_id.as_deref())
}
