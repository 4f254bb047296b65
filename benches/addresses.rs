//! What addresses cost: lookups a second, and how much they slow a scan.
//!
//! `AUDITMILL_BENCH_MMDB=country.mmdb cargo bench --bench addresses -- [--events N] [--distinct N] [--lookups N] [--runs 5]`
//!
//! The database should be one of full size; the README says where to get one. Addresses are drawn from all of IPv4. Each scan is a
//! process of its own with the built-in rules and one that asks for a country; runs with and without the database take turns,
//! and the minimum of each counts.

use auditmill::enrich::database::{Databases, Lookups};
use clap::Parser;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fault = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(name = "addresses", about = "Measures lookups of addresses, alone and in a scan")]
struct Args {
    /// Events of the scan
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    /// Distinct addresses among them
    #[arg(long, default_value_t = 50_000)]
    distinct: usize,
    /// Distinct addresses of the lookups alone
    #[arg(long, default_value_t = 4_000_000)]
    lookups: usize,
    /// Rounds; the minimum counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Threads of the lookups alone
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// A stream of numbers that is the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn distinct_addresses(count: usize, seed: u64) -> Vec<IpAddr> {
    let mut numbers = Numbers(seed);
    let mut seen = HashSet::with_capacity(count);
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let bits = (numbers.next() >> 32) as u32;
        // Hosts, mostly: what is special is never looked up.
        if (0x0100_0000..0xe000_0000).contains(&bits) && seen.insert(bits) {
            out.push(IpAddr::V4(Ipv4Addr::from_bits(bits)));
        }
    }
    out
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<(), Fault> {
    let args = Args::parse();
    let Some(database) = std::env::var_os("AUDITMILL_BENCH_MMDB").map(PathBuf::from) else {
        println!("skipped: AUDITMILL_BENCH_MMDB names no database");
        return Ok(());
    };
    let opened = Instant::now();
    let databases = Arc::new(Databases::open(std::slice::from_ref(&database))?);
    println!("opened and probed in {:.1} ms", opened.elapsed().as_secs_f64() * 1e3);
    let addresses = distinct_addresses(args.lookups, 7);
    let (mut best, mut found) = (Duration::MAX, 0);
    for _ in 0..args.runs {
        let started = Instant::now();
        found = look_up_all(&databases, &addresses, args.threads);
        best = best.min(started.elapsed());
    }
    if let Some(fault) = databases.fault() {
        return Err(fault.clone().into());
    }
    println!(
        "{:.2} million distinct addresses a second on {} threads ({found} of {} have a country)",
        args.lookups as f64 / best.as_secs_f64() / 1e6,
        args.threads,
        args.lookups
    );
    scans(&args, &database)
}

fn look_up_all(databases: &Arc<Databases>, addresses: &[IpAddr], threads: usize) -> usize {
    std::thread::scope(|scope| {
        let workers: Vec<_> = addresses
            .chunks(addresses.len().div_ceil(threads.max(1)))
            .map(|part| {
                scope.spawn(move || {
                    let mut lookups = Lookups::new(databases.clone());
                    part.iter()
                        .filter(|addr| {
                            let id = lookups.look_up(**addr);
                            lookups.facts(id).country.is_some()
                        })
                        .count()
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().unwrap_or_default()).sum()
    })
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn scans(args: &Args, database: &Path) -> Result<(), Fault> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("log.ndjson");
    std::fs::write(&log, events(args))?;
    let rule = folder.path().join("country.yml");
    std::fs::write(
        &rule,
        "title: Abroad\nname: abroad\ntaxonomy: auditmill\nlogsource: {product: auditmill}\ndetection:\n  s: {ip.country: [AQ, BV], ip.kind: public}\n  condition: s\nlevel: low\n",
    )?;
    let scan = |geoip: Option<&Path>| -> Result<Duration, Fault> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditmill"));
        command.args(["scan", "--quiet", "--format", "json", "--force", "--rules", "default", "--rules"]).arg(&rule);
        command.arg("-o").arg(folder.path().join("out.json")).arg(&log);
        if let Some(path) = geoip {
            command.arg("--geoip").arg(path);
        }
        let started = Instant::now();
        let status = command.env_remove("AUDITMILL_GEOIP").status()?;
        if !status.success() {
            return Err(format!("the scan failed: {status}").into());
        }
        Ok(started.elapsed())
    };
    let (mut without, mut with) = (Duration::MAX, Duration::MAX);
    for _ in 0..args.runs {
        without = without.min(scan(None)?);
        with = with.min(scan(Some(database))?);
    }
    println!(
        "scan of {} events with {} distinct addresses: {:.3} s without, {:.3} s with the database: {:+.1} %",
        args.events,
        args.distinct,
        without.as_secs_f64(),
        with.as_secs_f64(),
        (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0
    );
    Ok(())
}

/// Events of CloudTrail, a line each.
fn events(args: &Args) -> String {
    const CALLS: [(&str, &str); 6] = [
        ("ec2.amazonaws.com", "DescribeInstances"),
        ("s3.amazonaws.com", "GetObject"),
        ("iam.amazonaws.com", "ListUsers"),
        ("sts.amazonaws.com", "AssumeRole"),
        ("ec2.amazonaws.com", "RunInstances"),
        ("kms.amazonaws.com", "Decrypt"),
    ];
    let addresses = distinct_addresses(args.distinct, 11);
    let mut numbers = Numbers(13);
    let mut out = String::with_capacity(args.events * 640);
    for n in 0..args.events {
        // Each address occurs once; the rest are drawn.
        let addr = addresses.get(n).unwrap_or_else(|| &addresses[(numbers.next() >> 33) as usize % addresses.len()]);
        let (source, name) = CALLS[(numbers.next() >> 40) as usize % CALLS.len()];
        let (user, second) = ((numbers.next() >> 40) % 300, n / 50);
        let _ = writeln!(
            out,
            r#"{{"eventVersion":"1.08","userIdentity":{{"type":"IAMUser","principalId":"AIDA{user:016}","arn":"arn:aws:iam::123456789012:user/user{user}","accountId":"123456789012","accessKeyId":"AKIA{user:016}","userName":"user{user}"}},"eventTime":"2024-01-{:02}T{:02}:{:02}:{:02}Z","eventSource":"{source}","eventName":"{name}","awsRegion":"eu-central-1","sourceIPAddress":"{addr}","userAgent":"aws-cli/2.13.5 Python/3.11.4","requestParameters":{{"maxResults":50}},"responseElements":null,"requestID":"{n:032x}","eventID":"{n:032}","readOnly":true,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"123456789012"}}"#,
            1 + second / 86_400,
            second / 3600 % 24,
            second / 60 % 60,
            second % 60
        );
    }
    out
}
