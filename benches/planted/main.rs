//! What the pack finds of incidents that were planted among the ordinary work of a made-up organisation, and what else it says.
//!
//! `cargo bench --bench planted -- [--seed N] [--rules DIR] [--keep DIR] [--require FOUND FALSE]`
//!
//! All data is synthetic: 300 people, 90 days, five sources, 40 incidents; another seed makes another organisation. The scanned
//! folder holds the logs alone. An incident is found when a finding of level medium or above rests on its events for at least a
//! half. A finding of level high or above that rests on no planted event is false; its figure is told for 1,000 user-days.

mod incidents;
mod mmdb;
mod organisation;
mod world;

use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use incidents::{Incident, plant};
use organisation::{DAYS, Organisation, PEOPLE, Source};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "planted", about = "Measures what the pack finds of planted incidents (synthetic data)")]
struct Args {
    /// Another seed makes another organisation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rules in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Leave the logs, the databases, the truth and the findings in DIR
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Fail when fewer incidents are found, or more findings are false for 1,000 user-days
    #[arg(long, num_args = 2, value_names = ["FOUND", "FALSE"])]
    require: Option<Vec<f64>>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Fault> {
    let args = Args::parse();
    let temporary = tempfile::tempdir()?;
    let root = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut org = Organisation::new(args.seed);
    let incidents = plant(&mut org);
    let events = write(&mut org, &root)?;
    fs::write(root.join("truth.json"), serde_json::to_vec_pretty(&incidents)?)?;
    let started = Instant::now();
    let findings = scan(&root, args.rules.as_deref(), events)?;
    let took = started.elapsed().as_secs_f64();
    let (found, false_high) = tell(&args, &incidents, &findings, events, took)?;
    if let Some([least, most]) = args.require.as_deref()
        && ((found as f64) < *least || false_high > *most)
    {
        return Err(format!("{found} found and {false_high:.2} false, where {least} and {most} are asked").into());
    }
    Ok(())
}

/// Writes the logs, each source in its own form, and the databases; the number of events.
fn write(org: &mut Organisation, root: &Path) -> Result<usize, Fault> {
    let (logs, geo) = (root.join("logs"), root.join("geo"));
    fs::create_dir_all(&logs)?;
    fs::create_dir_all(&geo)?;
    org.events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let of = |source: Source| org.events.iter().filter(move |e| e.source == source).map(|e| &e.record);
    for (source, name) in [(Source::Okta, "okta.json"), (Source::Entra, "signins.json")] {
        serde_json::to_writer(BufWriter::new(File::create(logs.join(name))?), &of(source).collect::<Vec<_>>())?;
    }
    for (source, name) in [(Source::GitHub, "audit.ndjson"), (Source::Google, "activities.ndjson")] {
        let mut out = BufWriter::new(File::create(logs.join(name))?);
        for record in of(source) {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
    }
    for (n, part) in of(Source::CloudTrail).collect::<Vec<_>>().chunks(5000).enumerate() {
        let mut out = GzEncoder::new(File::create(logs.join(format!("trail-{n:03}.json.gz")))?, Compression::fast());
        serde_json::to_writer(&mut out, &json!({"Records": part}))?;
        out.finish()?;
    }
    let types = ["GeoLite2-City", "GeoLite2-ASN", "GeoIP2-Anonymous-IP"];
    for (networks, name) in org.world.databases().iter().zip(types) {
        fs::write(geo.join(format!("{name}.mmdb")), mmdb::write(networks, name, 1_767_571_200))?;
    }
    Ok(org.events.len())
}

/// Scans as a user would; every event must be accepted.
fn scan(root: &Path, rules: Option<&Path>, events: usize) -> Result<Value, Fault> {
    let out = root.join("findings.json");
    let binary = std::env::var("AUDITMILL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_auditmill").into());
    let mut command = Command::new(binary);
    command.arg("scan").arg(root.join("logs")).arg("--geoip").arg(root.join("geo")).args(["--format", "json", "--force", "-o"]).arg(&out);
    if let Some(rules) = rules {
        command.arg("--rules").arg(rules);
    }
    let ran = command.stderr(Stdio::piped()).output()?;
    if !ran.status.success() {
        return Err(format!("the scan failed: {}", String::from_utf8_lossy(&ran.stderr)).into());
    }
    let findings: Value = serde_json::from_slice(&fs::read(&out)?)?;
    if findings["inputs"]["accepted"].as_u64() != Some(events as u64) {
        return Err(format!("{events} events were written, and the scan says {}", findings["inputs"]).into());
    }
    Ok(findings)
}

/// Prints the figures; how many incidents were found, and false findings for 1,000 user-days.
fn tell(args: &Args, incidents: &[Incident], json: &Value, events: usize, took: f64) -> Result<(usize, f64), Fault> {
    let planted: BTreeSet<&str> = incidents.iter().flat_map(|i| &i.events).map(String::as_str).collect();
    let mut found: Vec<BTreeSet<&str>> = vec![BTreeSet::new(); incidents.len()];
    let mut wrong: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for finding in json["findings"].as_array().ok_or("no findings")? {
        let (level, title) = (finding["level"].as_str().unwrap_or_default(), finding["rule_title"].as_str().unwrap_or_default());
        if !matches!(level, "critical" | "high" | "medium") {
            continue;
        }
        let evidence: Vec<&str> = finding["events"].as_array().into_iter().flatten().filter_map(|e| e["event_id"].as_str()).collect();
        for (incident, by) in incidents.iter().zip(&mut found) {
            if evidence.iter().filter(|e| incident.events.contains(**e)).count() * 2 >= evidence.len() {
                by.insert(title);
            }
        }
        if !evidence.iter().any(|e| planted.contains(e)) {
            wrong.entry((level, title)).or_default().push(format!("{} at {}", finding["entity"], finding["first"]));
        }
    }
    let mut out = io::stdout().lock();
    writeln!(out, "Synthetic: {PEOPLE} people, {DAYS} days, {events} events, {} incidents, seed {}; scanned in {took:.2} s", incidents.len(), args.seed)?;
    let count = found.iter().filter(|f| !f.is_empty()).count();
    writeln!(out, "Found {count} of {} incidents", incidents.len())?;
    for (incident, by) in incidents.iter().zip(&found) {
        let by = if by.is_empty() { "MISSED".to_owned() } else { by.iter().copied().collect::<Vec<_>>().join("; ") };
        writeln!(out, "  {}: {}: {by}", incident.kind, incident.what)?;
    }
    let high: usize = wrong.iter().filter(|((level, _), _)| *level != "medium").map(|(_, f)| f.len()).sum();
    let false_high = high as f64 * 1000.0 / (PEOPLE as f64 * DAYS as f64);
    writeln!(out, "False findings of level high or above: {high}, {false_high:.2} for 1,000 user-days")?;
    for ((level, title), which) in &wrong {
        writeln!(
            out,
            "  {level} {title}: {}{}",
            which.len(),
            if *level == "medium" { String::new() } else { format!(", such as {}", which[..which.len().min(3)].join("; ")) }
        )?;
    }
    Ok((count, false_high))
}
