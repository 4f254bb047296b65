//! How much of what was planted is found, and how often the rules are wrong about ordinary days.
//!
//! `cargo bench --bench planted -- [--seed N]... [--keep DIR] [--require 38 1.0]`
//!
//! An invented organisation leaves ninety days of logs, with forty incidents planted in the last fifty-five; the binary scans them with
//! its built-in rules and databases of addresses made for the purpose, and the findings are held against the list of what was planted,
//! which neither the binary nor a rule ever sees. The figures are synthetic: they tell whether the rules do what they say on noise that
//! is like that of a real organisation, not what they would find in one.
//!
//! `-- --replay DIR` asks instead whether attacks that somebody else simulated are found at the end of sixty quiet days.
//! `-- --countries FILE` writes a database of countries of full size, for the benchmark of addresses.

mod generator;
mod replay;
mod scan;
mod score;

use clap::Parser;
use generator::{Organisation, Plan};
use score::Level;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "planted", about = "Plants incidents in the logs of an invented organisation and counts what is found")]
struct Args {
    /// The organisation's seed; repeat it for several
    #[arg(long, default_values_t = [1])]
    seed: Vec<u64>,
    /// People of the organisation
    #[arg(long, default_value_t = 300)]
    users: usize,
    /// Leave logs, databases, truth, findings and the planted events alone in DIR
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Fail when fewer are found, or more findings of level high are false per 1,000 user-days
    #[arg(long, num_args = 2, value_names = ["FOUND", "FALSE"])]
    require: Option<Vec<f64>>,
    /// One more argument of the scan; repeat it for several
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    with: Vec<String>,
    /// Scan without what the organisation says of itself
    #[arg(long)]
    bare: bool,
    /// Replay the CloudTrail files of DIR at the end of sixty quiet days instead
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// Write a database of countries of full size instead
    #[arg(long, value_name = "FILE")]
    countries: Option<PathBuf>,
    /// Networks of that database
    #[arg(long, default_value_t = 500_000)]
    networks: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Fault> {
    let args = Args::parse();
    if let Some(file) = &args.countries {
        let database = generator::mmdb::countries(args.networks, 1);
        let built = (generator::clock::utc(0) / 1000) as u64;
        return Ok(std::fs::write(file, database.bytes("GeoLite2-Country", built, generator::mmdb::RecordSize::Bits28))?);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "\nplanted truth (synthetic), {}, {}", chrono::Utc::now().format("%Y-%m-%d"), machine())?;
    let words: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    writeln!(out, "command: cargo bench --bench planted -- {}", words.join(" "))?;
    let mut failed = Vec::new();
    for &seed in &args.seed {
        let temporary = tempfile::tempdir()?;
        let base = args.keep.as_ref().map_or_else(|| temporary.path().to_path_buf(), |dir| dir.join(format!("seed-{seed}")));
        std::fs::create_dir_all(&base)?;
        if let Some(from) = &args.replay {
            replay::replay(from, seed, args.users, &base, &args.with, &mut out)?;
            continue;
        }
        let (found, wrong) = planted(&args, seed, &base, &mut out)?;
        if args.require.as_ref().is_some_and(|need| (found as f64) < need[0] || wrong > need[1]) {
            failed.push(format!("seed {seed}: {found} found, {wrong:.2} false"));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("below what is required: {}", failed.join("; ")).into()) }
}

/// Makes the organisation of a seed, scans its logs, prints what came of it: found incidents, and false ones per 1,000 user-days.
fn planted(args: &Args, seed: u64, base: &Path, out: &mut impl Write) -> Result<(usize, f64), Fault> {
    let begun = Instant::now();
    let organisation = Organisation::new(Plan { seed, users: args.users, days: 90, incidents: true });
    let (logs, databases) = (base.join("logs"), base.join("geoip"));
    organisation.write_logs(&logs)?;
    organisation.write_databases(&databases)?;
    let site = base.join("site.yml");
    organisation.write_site(&site)?;
    organisation.write_truth(&base.join("truth.json"))?;
    if args.keep.is_some() {
        organisation.write_planted(&base.join("planted"))?;
    }
    let made = begun.elapsed();
    let said = ["--vars".to_owned(), site.display().to_string()];
    let more: Vec<String> = said.into_iter().filter(|_| !args.bare).chain(args.with.iter().cloned()).collect();
    let scan = scan::scan(&logs, &databases, &base.join("findings.json"), &more)?;
    let books = &scan.report.inputs;
    let counts: Vec<String> = organisation.by_source().iter().map(|(s, n)| format!("{s:?} {n}")).collect();
    writeln!(
        out,
        "\nseed {seed}: {} events of {} users in 90 days ({}); made in {:.1} s",
        organisation.events(),
        args.users,
        counts.join(", "),
        made.as_secs_f64()
    )?;
    writeln!(out, "{} ({:.1} s{})", scan.command, scan.took.as_secs_f64(), if scan.located { "" } else { "; this binary knows no --geoip" })?;
    if books.accepted != organisation.events() as u64 || books.rejected + books.duplicates > 0 {
        let why = format!(
            "{} made; read {}, accepted {}, rejected {}, duplicates {}",
            organisation.events(),
            books.read,
            books.accepted,
            books.rejected,
            books.duplicates
        );
        return Err(format!("the books do not balance: {why}").into());
    }
    let verdict = score::judge(&organisation.incidents, &scan.report.findings);
    writeln!(out, "found {} of {} planted incidents", verdict.found(), organisation.incidents.len())?;
    for (incident, rules) in organisation.incidents.iter().zip(&verdict.found_by) {
        let (mark, rules): (&str, Vec<String>) =
            if rules.is_empty() { ("MISSED", vec![]) } else { ("found", rules.iter().map(|(r, l)| format!("{r} ({l:?})")).collect()) };
        writeln!(
            out,
            "  {mark:7} {} {}: {} [{}; {}]",
            incident.id,
            incident.kind,
            incident.description,
            incident.users.first().map_or("", String::as_str),
            incident.from
        )?;
        if !rules.is_empty() {
            writeln!(out, "          by {}", rules.join("; "))?;
        }
    }
    let user_days = args.users as f64 * 90.0;
    let per_thousand = verdict.false_high() as f64 * 1000.0 / user_days;
    writeln!(out, "false findings of level high or critical: {}, {per_thousand:.2} per 1,000 of {user_days} user-days", verdict.false_high())?;
    let mut rules: Vec<(&String, &Vec<String>)> = verdict.false_high.iter().collect();
    rules.sort_by_key(|(_, examples)| std::cmp::Reverse(examples.len()));
    for (rule, examples) in rules {
        writeln!(out, "  {:4} {rule}", examples.len())?;
        for example in examples.iter().take(3) {
            writeln!(out, "         such as {example}")?;
        }
    }
    let medium: Vec<String> = verdict.false_medium.iter().map(|(rule, n)| format!("{n} {rule}")).collect();
    writeln!(out, "findings of level medium on ordinary days: {} ({})", verdict.false_medium.values().sum::<usize>(), medium.join("; "))?;
    let low = scan.report.findings.iter().filter(|f| f.level < Level::Medium).count();
    writeln!(out, "findings below: {low}")?;
    Ok((verdict.found(), per_thousand))
}

/// What this runs on.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown processor", |l| l.trim_start_matches([' ', '\t', ':']));
    format!("{model}, {} cores", std::thread::available_parallelism().map_or(1, usize::from))
}
