//! Throughput of a whole scan, against a floor and against a row-by-row engine, all in one run.
//!
//! `cargo bench --bench throughput -- [--events N] [--files F] [--rules R] [--data DIR] [--runs 3] [--skip-eval]`
//!
//! It generates CloudTrail-like events (packed, and the same unpacked) and a rule set, or takes the events from `--data`
//! (`DIR/gz/*.json.gz` and `DIR/events.ndjson`). Then it measures, each in a process of its own so that peak memory is its own:
//! - the floor: inflate every file and parse it into a DOM, nothing else;
//! - ours: the whole command `auditmill scan`, rules loaded, findings JSON and `--matches` written;
//! - rsigma-eval: each unpacked line parsed by serde_json, then evaluated; on one thread, and split over all.
//!
//! `-- --scale` asks instead what rules cost: it loads 3,000 rules from files in a process of its own, and scans the same events
//! with them, with 100 of them that name the same fields, and with these 100 beside 2,900 that hit nothing: the first pair tells
//! what rules and what they find cost together, the second what rules cost alone.
//!
//! `-- --normalised` asks instead what the events' own Parquet file gains: the built-in rules over the packed logs and over the
//! file that `auditmill events` makes of them, and the same with the rules over event columns alone, which find the same in both.
//!
//! It ends with an error when the engines do not find the same (rule, event) pairs.

use clap::Parser;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(name = "throughput", about = "Measures a whole scan against a floor and a row-by-row engine")]
struct Args {
    /// Events to generate
    #[arg(long, default_value_t = 500_000)]
    events: usize,
    /// Packed files to spread them over
    #[arg(long, default_value_t = 100)]
    files: usize,
    /// Rules to generate
    #[arg(long, default_value_t = 790)]
    rules: usize,
    /// Take the events from DIR/gz/*.json.gz and DIR/events.ndjson instead
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Generate into DIR and leave everything there, for --data
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Rounds; each runs every stage once, the minimum counts
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Threads [default: all cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Leave out the row-by-row engine, and with it the check of the matches
    #[arg(long)]
    skip_eval: bool,
    /// Compare 3,000 rules with 100 over the same fields instead
    #[arg(long)]
    scale: bool,
    /// Compare the packed logs with their normalised Parquet file instead
    #[arg(long)]
    normalised: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
    /// Runs one stage in this process
    #[arg(long, hide = true, requires_all = ["data", "rule_dir", "out"])]
    stage: Option<Stage>,
    #[arg(long, hide = true)]
    rule_dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Stage {
    Floor,
    Ours,
    Eval,
    EvalThreads,
    Load,
}

impl Stage {
    fn flag(self) -> &'static str {
        match self {
            Stage::Floor => "floor",
            Stage::Ours => "ours",
            Stage::Eval => "eval",
            Stage::EvalThreads => "eval-threads",
            Stage::Load => "load",
        }
    }

    fn title(self, threads: usize) -> String {
        match self {
            Stage::Floor => format!("floor: inflate + DOM ({threads} threads)"),
            Stage::Ours => format!("auditmill scan, rules and output ({threads} threads)"),
            Stage::Eval => "rsigma-eval, row by row (1 thread)".into(),
            Stage::EvalThreads => format!("rsigma-eval, row by row ({threads} threads)"),
            Stage::Load => "loading the rules".into(),
        }
    }
}

/// What a stage's process says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Measured {
    seconds: f64,
    /// Loading the rules: inside `seconds` for ours, outside for the row-by-row engine.
    rule_seconds: f64,
    rules: usize,
    peak_kib: Option<u64>,
    events: u64,
    findings: u64,
    /// Matches of each rule.
    hits: BTreeMap<String, u64>,
    /// Sum over the hashes of all (rule, event) pairs: equal sets give equal sums.
    pairs: u64,
}

impl Measured {
    fn hit(&mut self, rule: &str, event: &str) {
        match self.hits.get_mut(rule) {
            Some(n) => *n += 1,
            None => {
                self.hits.insert(rule.to_owned(), 1);
            }
        }
        let fnv = |hash: u64, b: u8| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        let hash = rule.bytes().chain([0]).chain(event.bytes()).fold(0xcbf2_9ce4_8422_2325, fnv);
        self.pairs = self.pairs.wrapping_add(mix(hash));
    }

    fn absorb(&mut self, other: Measured) {
        self.events += other.events;
        self.pairs = self.pairs.wrapping_add(other.pairs);
        for (rule, n) in other.hits {
            *self.hits.entry(rule).or_default() += n;
        }
    }

    fn matches(&self) -> u64 {
        self.hits.values().sum()
    }
}

fn main() -> Result<(), Fault> {
    let args = Args::parse();
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    match (args.stage, &args.data, &args.rule_dir, &args.out) {
        (Some(stage), Some(data), Some(rules), Some(out)) => {
            let measured = match stage {
                Stage::Floor => floor(data, threads)?,
                Stage::Ours => ours(data, rules, out, threads)?,
                Stage::Eval => eval(data, rules, 1)?,
                Stage::EvalThreads => eval(data, rules, threads)?,
                Stage::Load => load(rules)?,
            };
            serde_json::to_writer(io::stdout().lock(), &measured)?;
            Ok(())
        }
        _ if args.scale => scale(&args, threads),
        _ if args.normalised => normalised(&args, threads),
        _ => compare(&args, threads),
    }
}

// ---- The comparison ----

/// Prepares events and rules, runs every stage `--runs` times in turn and prints the table.
fn compare(args: &Args, threads: usize) -> Result<(), Fault> {
    let temporary = tempfile::tempdir()?;
    let base = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let rule_dir = base.join("rules");
    fs::create_dir_all(&rule_dir)?;
    for (name, text) in generate_rules(args.rules) {
        fs::write(rule_dir.join(name), text)?;
    }
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => {
            generate_events(&base, args.events, args.files.max(1))?;
            base.clone()
        }
    };
    let packed: u64 = gz_files(&data)?.iter().map(|p| fs::metadata(p).map_or(0, |m| m.len())).sum();
    let unpacked = fs::metadata(data.join("events.ndjson"))?.len();

    let mut stages = vec![Stage::Floor, Stage::Ours];
    if !args.skip_eval {
        stages.push(Stage::Eval);
        if threads > 1 {
            stages.push(Stage::EvalThreads);
        }
    }
    let load_before = load_average();
    let mut rounds: Vec<BTreeMap<Stage, Measured>> = Vec::new();
    for _ in 0..args.runs.max(1) {
        let mut round = BTreeMap::new();
        for &stage in &stages {
            round.insert(stage, run_stage(stage, &data, &rule_dir, temporary.path(), threads)?);
        }
        rounds.push(round);
    }

    let last = &rounds[rounds.len() - 1];
    let events = last[&Stage::Floor].events;
    let (ours, engine) = (&last[&Stage::Ours], last.get(&Stage::Eval));
    let seconds = |stage: Stage| rounds.iter().map(|r| r[&stage].seconds).fold(f64::INFINITY, f64::min);
    let peak = |stage: Stage| rounds.iter().filter_map(|r| r[&stage].peak_kib).max();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\n{events} events in {} files, {} MB packed, {} MB unpacked; {} rules, {} of them hit; {} matches, {} findings; {threads} threads",
        gz_files(&data)?.len(),
        packed / 1_000_000,
        unpacked / 1_000_000,
        ours.rules,
        ours.hits.len(),
        ours.matches(),
        ours.findings,
    )?;
    writeln!(out, "minimum of {} rounds; load average {load_before} before, {} after\n", rounds.len(), load_average())?;
    writeln!(out, "| stage | seconds | events/s | to the floor | to ours | peak memory |\n|---|---|---|---|---|---|")?;
    for &stage in &stages {
        let s = seconds(stage);
        writeln!(
            out,
            "| {} | {s:.2} | {:.0} | {:.2} | {:.2} | {} |",
            stage.title(threads),
            events as f64 / s,
            s / seconds(Stage::Floor),
            s / seconds(Stage::Ours),
            peak(stage).map_or("unknown".into(), |k| format!("{:.0} MiB", k as f64 / 1024.0)),
        )?;
    }
    writeln!(out, "\nround by round (seconds):")?;
    for round in &rounds {
        let cells: Vec<String> = round.iter().map(|(s, m)| format!("{} {:.3}", s.flag(), m.seconds)).collect();
        writeln!(out, "  {}; ours to the floor {:.2}", cells.join(", "), round[&Stage::Ours].seconds / round[&Stage::Floor].seconds)?;
    }
    let rules_of = |stage: Stage| rounds.iter().filter_map(|r| r.get(&stage)).map(|m| m.rule_seconds).fold(f64::INFINITY, f64::min);
    write!(out, "loading the rules: ours {:.3} s (in the figure above)", rules_of(Stage::Ours))?;
    match engine {
        Some(engine) => {
            writeln!(out, ", rsigma-eval {:.3} s (not in it)", rules_of(Stage::Eval))?;
            check_equal(ours, engine, &mut out)?;
        }
        None => writeln!(out)?,
    }
    for round in &rounds {
        for (stage, m) in round.iter().filter(|(s, _)| **s != Stage::Floor) {
            if m.pairs != ours.pairs {
                return Err(format!("{}: other matches than in the last round of ours", stage.flag()).into());
            }
        }
    }
    Ok(())
}

/// Rules of the large set, and of the small one.
const MANY: usize = 3000;
const FEW: usize = 100;

/// What 3,000 rules cost against 100 of them over the same fields.
fn scale(args: &Args, threads: usize) -> Result<(), Fault> {
    let temporary = tempfile::tempdir()?;
    let base = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let [many_dir, few_dir, silent_dir] = ["rules-many", "rules-few", "rules-silent"].map(|n| base.join(n));
    for dir in [&many_dir, &few_dir, &silent_dir] {
        fs::create_dir_all(dir)?;
    }
    let many = generate_rules(MANY);
    let few = over_all_fields(&many);
    for (i, (name, text)) in many.iter().enumerate() {
        fs::write(many_dir.join(name), text)?;
        if few.contains(&i) {
            fs::write(few_dir.join(name), text)?;
            fs::write(silent_dir.join(name), text)?;
        } else {
            fs::write(silent_dir.join(name), text.replace(".amazonaws.com", ".example.com"))?;
        }
    }
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => {
            generate_events(&base, args.events, args.files.max(1))?;
            base.clone()
        }
    };
    let mut rounds = Vec::new();
    for _ in 0..args.runs.max(1) {
        let run = |stage, rules: &Path| run_stage(stage, &data, rules, temporary.path(), threads);
        rounds.push([run(Stage::Load, &many_dir)?, run(Stage::Ours, &few_dir)?, run(Stage::Ours, &silent_dir)?, run(Stage::Ours, &many_dir)?]);
    }
    let least = |i: usize| rounds.iter().map(|r| r[i].seconds).fold(f64::INFINITY, f64::min);
    let last = &rounds[rounds.len() - 1];
    let mut out = io::stdout().lock();
    writeln!(out, "\nloading and compiling {MANY} rules from files: {:.3} s", least(0))?;
    for (i, name) in [(1, "few"), (2, "few, beside rules that hit nothing"), (3, "many")] {
        let m = &last[i];
        let (hit, matches) = (m.hits.len(), m.matches());
        writeln!(out, "{name}: {} rules, {:.2} s, {hit} of them hit, {matches} matches, {} findings", m.rules, least(i), m.findings)?;
    }
    for (i, name) in [(2, "with rules that hit nothing"), (3, "many")] {
        let ratios: Vec<String> = rounds.iter().map(|r| format!("{:.2}", r[i].seconds / r[1].seconds)).collect();
        writeln!(out, "{name}, to few, round by round: {}", ratios.join(", "))?;
    }
    Ok(())
}

/// Scans the packed logs and the Parquet file of their normalised events in turn.
fn normalised(args: &Args, threads: usize) -> Result<(), Fault> {
    let temporary = tempfile::tempdir()?;
    let base = args.keep.clone().unwrap_or_else(|| temporary.path().to_path_buf());
    let data = match &args.data {
        Some(dir) => dir.clone(),
        None => {
            generate_events(&base, args.events, args.files.max(1))?;
            base.clone()
        }
    };
    let (logs, table) = (data.join("gz"), base.join("events.parquet"));
    let run = |words: &[&std::ffi::OsStr]| -> Result<(f64, Vec<u8>), Fault> {
        let begun = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_auditmill")).args(words).args(["--threads", &threads.to_string()]).output()?;
        if !output.status.success() {
            return Err(format!("auditmill ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok((begun.elapsed().as_secs_f64(), output.stdout))
    };
    let word = std::ffi::OsStr::new;
    let (writing, _) = run(&[word("events"), logs.as_os_str(), word("--format"), word("parquet"), word("--force"), word("-o"), table.as_os_str()])?;
    let size = |path: &Path| fs::metadata(path).map_or(0, |m| m.len()) >> 20;
    let packed: u64 = gz_files(&data)?.iter().map(|f| fs::metadata(f).map_or(0, |m| m.len())).sum();
    let mut out = io::stdout().lock();
    writeln!(out, "\nwriting the file: {writing:.2} s, {} MiB; the packed logs: {} MiB", size(&table), packed >> 20)?;
    // The folder of a vendor's rules reads its own fields, which normalised events do not have.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let mut folders: Vec<PathBuf> = fs::read_dir(&own)?.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir() && !p.ends_with("aws")).collect();
    folders.sort();
    let over_columns: Vec<PathBuf> =
        folders.into_iter().flat_map(|f| [PathBuf::from("--rules"), f]).chain([PathBuf::from("--vars"), own.join("vars.yml")]).collect();
    for (title, chosen) in [("built-in rules", &[][..]), ("those over event columns", &over_columns)] {
        let mut rounds = Vec::new();
        for _ in 0..args.runs.max(1) {
            let mut both = [0.0; 2];
            let mut found = Vec::new();
            for (seconds, path) in both.iter_mut().zip([&logs, &table]) {
                let mut words = vec![word("scan"), path.as_os_str(), word("--format"), word("csv")];
                words.extend(chosen.iter().map(|c| c.as_os_str()));
                let (took, findings) = run(&words)?;
                *seconds = took;
                found.push(findings.iter().filter(|b| **b == b'\n').count());
            }
            if !chosen.is_empty() && found[0] != found[1] {
                return Err(format!("{} lines of findings in the logs, {} in the file", found[0], found[1]).into());
            }
            rounds.push((both, found));
        }
        let least = |i: usize| rounds.iter().map(|r| r.0[i]).fold(f64::INFINITY, f64::min);
        let ratios: Vec<String> = rounds.iter().map(|r| format!("{:.2}", r.0[0] / r.0[1])).collect();
        let found = &rounds[0].1;
        writeln!(out, "{title}: logs {:.2} s, file {:.2} s; round by round {}; lines of findings {found:?}", least(0), least(1), ratios.join(", "))?;
    }
    Ok(())
}

/// Rules that name every field that any rule names, then the first ones up to the size of the small set.
fn over_all_fields(rules: &[(String, String)]) -> Vec<usize> {
    let fields = |text: &str| -> BTreeSet<String> {
        let body = text.split("detection:").nth(1).unwrap_or_default().split("falsepositives:").next().unwrap_or_default().to_owned();
        body.lines().filter_map(|l| l.trim().trim_start_matches("- ").split_once(':').map(|(key, _)| key.to_owned())).collect()
    };
    let mut named = BTreeSet::new();
    let mut chosen: Vec<usize> = Vec::new();
    for (i, (_, text)) in rules.iter().enumerate() {
        let before = named.len();
        named.extend(fields(text));
        if named.len() > before {
            chosen.push(i);
        }
    }
    for i in 0..rules.len() {
        if chosen.len() < FEW && !chosen.contains(&i) {
            chosen.push(i);
        }
    }
    chosen
}

fn check_equal(ours: &Measured, engine: &Measured, out: &mut impl Write) -> Result<(), Fault> {
    if ours.rules != engine.rules {
        return Err(format!("ours loaded {} rules, rsigma-eval {}", ours.rules, engine.rules).into());
    }
    if ours.pairs == engine.pairs && ours.hits == engine.hits {
        writeln!(out, "matches: the same {} (rule, event) pairs in both engines", ours.matches())?;
        return Ok(());
    }
    let rules: BTreeSet<&String> = ours.hits.keys().chain(engine.hits.keys()).collect();
    let count = |m: &Measured, r: &String| m.hits.get(r).copied().unwrap_or(0);
    for rule in rules.into_iter().filter(|r| count(ours, r) != count(engine, r)).take(10) {
        writeln!(out, "rule {rule}: ours {}, rsigma-eval {}", count(ours, rule), count(engine, rule))?;
    }
    Err(format!("the engines differ: {} and {} matches", ours.matches(), engine.matches()).into())
}

/// Runs one stage in a process of its own.
fn run_stage(stage: Stage, data: &Path, rules: &Path, out: &Path, threads: usize) -> Result<Measured, Fault> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--stage", stage.flag(), "--threads", &threads.to_string()])
        .arg("--data")
        .arg(data)
        .arg("--rule-dir")
        .arg(rules)
        .arg("--out")
        .arg(out)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the stage {} failed", stage.flag()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn gz_files(data: &Path) -> Result<Vec<PathBuf>, Fault> {
    let mut files: Vec<PathBuf> = fs::read_dir(data.join("gz"))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|p| p.extension().is_some_and(|e| e == "gz"));
    files.sort();
    Ok(files)
}

fn rule_texts(dir: &Path) -> Result<Vec<(String, String)>, Fault> {
    let mut names: Vec<PathBuf> = fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    names.sort();
    names.iter().map(|p| Ok((p.file_name().unwrap_or_default().to_string_lossy().into_owned(), fs::read_to_string(p)?))).collect()
}

/// Peak resident memory of this process, in KiB, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").ok().and_then(|t| t.split(' ').next().map(str::to_owned)).unwrap_or_else(|| "unknown".into())
}

/// Calls `each` with the numbers below `count`, on all workers; gives what each worker's state became.
fn on_workers<T: Send>(
    threads: usize,
    count: usize,
    start: impl Fn() -> T + Sync,
    each: impl Fn(&mut T, usize) -> Result<(), Fault> + Sync,
) -> Result<Vec<T>, Fault> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let next = AtomicUsize::new(0);
    pool.broadcast(|_| {
        let mut state = start();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= count {
                return Ok(state);
            }
            each(&mut state, i)?;
        }
    })
    .into_iter()
    .collect()
}

// ---- The stages ----

/// What any reader of these files that parses them must do: inflate, and build a DOM.
fn floor(data: &Path, threads: usize) -> Result<Measured, Fault> {
    let files = gz_files(data)?;
    let started = Instant::now();
    let counts = on_workers(threads, files.len(), <(Vec<u8>, u64)>::default, |(buffer, count), i| {
        let packed = fs::read(&files[i])?;
        buffer.clear();
        GzDecoder::new(packed.as_slice()).read_to_end(buffer)?;
        let document: sonic_rs::Value = sonic_rs::from_slice(buffer)?;
        *count += sonic_rs::JsonContainerTrait::as_object(&document)
            .and_then(|o| o.get(&"Records"))
            .and_then(sonic_rs::JsonContainerTrait::as_array)
            .map_or(0, |a| a.len() as u64);
        Ok(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Measured { seconds, peak_kib: peak_kib(), events: counts.iter().map(|c| c.1).sum(), ..Measured::default() })
}

/// The command as a user runs it.
fn ours(data: &Path, rules: &Path, out: &Path, threads: usize) -> Result<Measured, Fault> {
    let (findings, matches) = (out.join("findings.json"), out.join("matches.ndjson"));
    let gz = data.join("gz");
    let threads = threads.to_string();
    let paths = [&gz, rules, &findings, &matches].map(|p: &Path| p.as_os_str().to_owned());
    let [gz, rule_dir, to, to_matches] = paths;
    let words = ["auditmill", "scan", "--format", "json", "--force", "--quiet", "--strict", "--threads", &threads, "--rules"];
    let line = words.into_iter().map(Into::into).chain([rule_dir, "-o".into(), to, "--matches".into(), to_matches, gz]);
    // What the round before wrote is not to be replaced within the clock.
    [&findings, &matches].into_iter().filter(|f| f.exists()).try_for_each(fs::remove_file)?;
    let started = Instant::now();
    let status = auditmill::cli::main(line);
    let mut measured = Measured { seconds: started.elapsed().as_secs_f64(), peak_kib: peak_kib(), ..Measured::default() };
    if status.code() != 0 {
        return Err(format!("the scan ended with exit status {}", status.code()).into());
    }

    // Beyond the clock: how long the rules took, and what was found.
    let texts = rule_texts(rules)?;
    let loading = Instant::now();
    let files = texts.into_iter().map(|(file, text)| auditmill::rule::load::RuleFile { file, text, required: true }).collect();
    measured.rules = auditmill::rule::load::load_rules(files, &Default::default()).rules.len();
    measured.rule_seconds = loading.elapsed().as_secs_f64();

    #[derive(Deserialize)]
    struct Line<'a> {
        rule_id: &'a str,
        event_id: &'a str,
    }
    let mut reader = BufReader::with_capacity(1 << 20, File::open(matches)?);
    let mut text = String::new();
    while reader.read_line(&mut text)? > 0 {
        let line: Line<'_> = serde_json::from_str(&text)?;
        measured.hit(line.rule_id, line.event_id);
        text.clear();
    }
    #[derive(Deserialize)]
    struct Findings {
        inputs: Inputs,
        findings: Vec<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Inputs {
        accepted: u64,
    }
    let document: Findings = serde_json::from_reader(BufReader::new(File::open(findings)?))?;
    measured.events = document.inputs.accepted;
    measured.findings = document.findings.len() as u64;
    Ok(measured)
}

/// Rules from files to compiled matchers.
fn load(rules: &Path) -> Result<Measured, Fault> {
    let started = Instant::now();
    let files = rule_texts(rules)?.into_iter().map(|(file, text)| auditmill::rule::load::RuleFile { file, text, required: true }).collect();
    let set = auditmill::rule::load::load_rules(files, &Default::default());
    let seconds = started.elapsed().as_secs_f64();
    if let Some(problem) = set.fatal.first() {
        return Err(problem.to_string().into());
    }
    Ok(Measured { seconds, rules: set.rules.len(), ..Measured::default() })
}

/// The row-by-row engine over the unpacked lines. Nothing is written; the rules are compiled beyond the clock.
fn eval(data: &Path, rules: &Path, threads: usize) -> Result<Measured, Fault> {
    let texts = rule_texts(rules)?;
    let loading = Instant::now();
    let mut engine = rsigma_eval::Engine::new();
    let mut parsed = Vec::new();
    for (name, text) in &texts {
        let collection = rsigma_parser::parse_sigma_yaml(text)?;
        if !collection.errors.is_empty() {
            return Err(format!("{name}: {}", collection.errors.join("; ")).into());
        }
        parsed.extend(collection.rules);
    }
    if let Some((rule, error)) = engine.add_rules(&parsed).into_iter().next() {
        return Err(format!("rule {rule}: {error}").into());
    }
    let rule_seconds = loading.elapsed().as_secs_f64();

    let path = data.join("events.ndjson");
    let length = fs::metadata(&path)?.len();
    let parts = threads * 8;
    let started = Instant::now();
    let gathered = on_workers(threads, parts, Measured::default, |measured, i| {
        // A part owns the lines that begin in its stretch of bytes.
        let (start, end) = (length * i as u64 / parts as u64, length * (i as u64 + 1) / parts as u64);
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&path)?);
        let mut line = Vec::new();
        let mut at = start;
        if start > 0 {
            reader.seek(SeekFrom::Start(start - 1))?;
            at = start - 1 + reader.read_until(b'\n', &mut line)? as u64;
        }
        while at < end {
            line.clear();
            at += reader.read_until(b'\n', &mut line)? as u64;
            let event: serde_json::Value = serde_json::from_slice(&line)?;
            measured.events += 1;
            let found = engine.evaluate(&rsigma_eval::JsonEvent::borrow(&event));
            if !found.is_empty() {
                let id = event.get("eventID").and_then(|v| v.as_str()).unwrap_or_default();
                for result in &found {
                    measured.hit(result.header.rule_id.as_deref().unwrap_or_default(), id);
                }
            }
        }
        Ok(())
    })?;
    let mut total = Measured { seconds: started.elapsed().as_secs_f64(), rule_seconds, rules: parsed.len(), ..Measured::default() };
    gathered.into_iter().for_each(|g| total.absorb(g));
    total.peak_kib = peak_kib();
    Ok(total)
}

// ---- Generated events ----

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// SplitMix64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn percent(&mut self, p: usize) -> bool {
        self.below(100) < p
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A number below `n`, small ones far more often.
    fn skewed(&mut self, n: usize) -> usize {
        let u = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((n as f64 * u * u * u) as usize).min(n - 1)
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let (a, b) = ((a & !0xf000) | 0x4000, (b & !(3 << 62)) | (2 << 62));
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
    }
}

/// Services: name and share of the events in thousandths, then the calls that read, `=`, the calls that write; frequent ones first.
const CATALOG: &str = "\
ec2 270
    DescribeInstances DescribeRouteTables DescribeSecurityGroups DescribeVpcs DescribeSubnets DescribeNetworkInterfaces DescribeNatGateways
    DescribeVpcAttribute DescribeVolumes DescribeAccountAttributes DescribeAvailabilityZones DescribeNetworkAcls DescribeInstanceAttribute
    DescribeInternetGateways DescribeImages DescribeAddresses DescribeSnapshots DescribeTags DescribeRegions DescribeKeyPairs DescribeFlowLogs
    DescribeVpcPeeringConnections GetPasswordData GetConsoleOutput GetConsoleScreenshot
  =
    RunInstances TerminateInstances CreateTags StartInstances StopInstances AttachVolume CreateSnapshot DeleteSnapshot CreateNetworkInterface
    DeleteNetworkInterface AssociateAddress AllocateAddress ReleaseAddress AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress
    RevokeSecurityGroupIngress CreateSecurityGroup DeleteSecurityGroup ModifyInstanceAttribute ModifySnapshotAttribute ModifyImageAttribute
    CreateImage CopySnapshot CreateKeyPair ImportKeyPair DeleteKeyPair CreateRoute DeleteRoute CreateRouteTable DeleteRouteTable
    AssociateRouteTable CreateVpc DeleteVpc CreateSubnet DeleteSubnet CreateInternetGateway AttachInternetGateway DeleteFlowLogs
    CreateNetworkAclEntry DeleteNetworkAcl CreateVpcPeeringConnection AcceptVpcPeeringConnection DisableEbsEncryptionByDefault DetachVolume
    CreateTrafficMirrorSession AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation SharedSnapshotVolumeCreated
s3 130
    GetBucketAcl ListBuckets GetBucketLocation GetBucketPolicy GetBucketLogging GetBucketTagging GetBucketPublicAccessBlock GetBucketPolicyStatus
    GetBucketEncryption GetBucketVersioning GetBucketLifecycle GetBucketCors GetBucketWebsite GetBucketReplication ListAccessPoints
    GetAccountPublicAccessBlock GetObject HeadObject ListObjects
  =
    PutObject DeleteObject CreateBucket DeleteBucket PutBucketPolicy DeleteBucketPolicy PutBucketAcl PutBucketPublicAccessBlock
    DeleteBucketPublicAccessBlock PutBucketLogging PutBucketVersioning PutBucketLifecycle PutBucketReplication PutBucketEncryption
    DeleteBucketEncryption PutBucketWebsite PutBucketCors PutBucketTagging PutObjectAcl DeleteObjects CopyObject
sts 110
    GetCallerIdentity GetSessionToken GetAccessKeyInfo
  =
    AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity GetFederationToken AssumeRoot
iam 100
    GetUser GetRole ListAttachedRolePolicies ListRolePolicies ListRoles ListUsers GetPolicy GetPolicyVersion GetRolePolicy
    ListInstanceProfilesForRole GetInstanceProfile ListAccessKeys ListMFADevices ListGroupsForUser ListEntitiesForPolicy
    GetAccountAuthorizationDetails GetAccountSummary GenerateCredentialReport GetCredentialReport SimulatePrincipalPolicy
  =
    CreateRole DeleteRole AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy CreateUser DeleteUser CreateAccessKey DeleteAccessKey
    UpdateAccessKey CreateLoginProfile UpdateLoginProfile DeleteLoginProfile AttachUserPolicy DetachUserPolicy PutUserPolicy DeleteUserPolicy
    AttachGroupPolicy PutGroupPolicy AddUserToGroup RemoveUserFromGroup CreatePolicy CreatePolicyVersion SetDefaultPolicyVersion DeletePolicy
    DeletePolicyVersion UpdateAssumeRolePolicy CreateInstanceProfile AddRoleToInstanceProfile CreateSAMLProvider UpdateSAMLProvider
    CreateOpenIDConnectProvider DeactivateMFADevice DeleteVirtualMFADevice CreateVirtualMFADevice EnableMFADevice UpdateAccountPasswordPolicy
    DeleteAccountPasswordPolicy PutUserPermissionsBoundary DeleteUserPermissionsBoundary DeleteRolePermissionsBoundary CreateServiceLinkedRole
    CreateServiceSpecificCredential UploadSigningCertificate PassRole
kms 90
    Decrypt GenerateDataKey DescribeKey ListAliases ListKeys GetKeyPolicy GetKeyRotationStatus Encrypt
  =
    CreateGrant RetireGrant CreateKey CreateAlias PutKeyPolicy ScheduleKeyDeletion DisableKey DisableKeyRotation ImportKeyMaterial DeleteAlias
    RevokeGrant
ssm 70
    GetParameter DescribeParameters GetParameters DescribeInstanceInformation ListTagsForResource GetParametersByPath DescribeSessions
    GetCommandInvocation
  =
    UpdateInstanceInformation PutParameter DeleteParameter SendCommand StartSession ResumeSession TerminateSession CreateDocument UpdateDocument
    ModifyDocumentPermission CreateAssociation UpdateInstanceAssociationStatus DeleteAssociation CreateActivation StartAutomationExecution
secretsmanager 35
    GetSecretValue DescribeSecret GetResourcePolicy ListSecrets BatchGetSecretValue
  =
    PutSecretValue CreateSecret DeleteSecret UpdateSecret RotateSecret PutResourcePolicy DeleteResourcePolicy CancelRotateSecret
    ReplicateSecretToRegions StartSecretVersionDelete
rds 30
    DescribeDBInstances DescribeOrderableDBInstanceOptions DescribeDBSnapshots DescribeDBEngineVersions DescribeDBClusters ListTagsForResource
  =
    CreateDBSnapshot ModifyDBInstance CreateDBInstance DeleteDBInstance ModifyDBSnapshotAttribute RestoreDBInstanceFromDBSnapshot DeleteDBSnapshot
    ModifyDBCluster DeleteDBCluster StartExportTask CopyDBSnapshot CreateDBSecurityGroup AuthorizeDBSecurityGroupIngress
    ModifyDBClusterSnapshotAttribute StopDBInstance RebootDBInstance
lambda 30
    GetFunction20150331v2 ListFunctions20150331 GetPolicy20150331v2 GetFunctionCodeSigningConfig ListVersionsByFunction20150331
    GetFunctionConfiguration20150331v2
  =
    Invoke UpdateFunctionCode20150331v2 UpdateFunctionConfiguration20150331v2 CreateFunction20150331 DeleteFunction20150331 AddPermission20150331v2
    RemovePermission20150331v2 CreateEventSourceMapping20150331 PublishLayerVersion20181031 AddLayerVersionPermission20181031
    CreateFunctionUrlConfig UpdateFunctionUrlConfig
logs 25
    DescribeLogGroups DescribeLogStreams FilterLogEvents GetQueryResults GetLogEvents
  =
    CreateLogStream CreateLogGroup PutRetentionPolicy DeleteLogGroup DeleteLogStream PutSubscriptionFilter DeleteSubscriptionFilter
    DeleteMetricFilter PutMetricFilter DeleteRetentionPolicy AssociateKmsKey
signin 12
    GetSigninToken CheckMfa
  =
    ConsoleLogin SwitchRole ExitRole PasswordRecoveryRequested PasswordRecoveryCompleted PasswordUpdated
cloudtrail 12
    DescribeTrails GetTrailStatus LookupEvents GetEventSelectors ListTags ListTrails
  =
    StartLogging StopLogging CreateTrail UpdateTrail DeleteTrail PutEventSelectors PutInsightSelectors DeleteEventDataStore RemoveTags
    StopEventDataStoreIngestion
guardduty 6
    ListDetectors GetDetector ListFindings GetFindings
  =
    UpdateDetector DeleteDetector CreateFilter CreateIPSet UpdateIPSet DeleteIPSet DisassociateFromMasterAccount StopMonitoringMembers
    DeleteMembers DeletePublishingDestination CreateSampleFindings
config 8
    DescribeConfigurationRecorders DescribeConfigRules GetComplianceDetailsByConfigRule DescribeConfigurationRecorderStatus
  =
    PutEvaluations StopConfigurationRecorder DeleteConfigurationRecorder DeleteDeliveryChannel DeleteConfigRule PutConfigRule
    DeleteRemediationConfiguration DeleteConfigurationAggregator
organizations 5
    DescribeOrganization ListAccounts ListPolicies DescribeAccount ListRoots
  =
    CreateAccount LeaveOrganization InviteAccountToOrganization AttachPolicy DetachPolicy UpdatePolicy DeletePolicy DisablePolicyType MoveAccount
    RegisterDelegatedAdministrator EnableAWSServiceAccess
eks 8
    DescribeCluster ListClusters DescribeNodegroup ListNodegroups
  =
    CreateCluster DeleteCluster UpdateClusterConfig CreateNodegroup DeleteNodegroup CreateAccessEntry AssociateAccessPolicy CreateFargateProfile
    CreatePodIdentityAssociation
ecs 8
    DescribeTasks DescribeServices ListTasks DescribeTaskDefinition DescribeClusters
  =
    RunTask StopTask UpdateService RegisterTaskDefinition ExecuteCommand CreateService DeregisterTaskDefinition CreateCluster DeleteService
    SubmitTaskStateChange
ecr 7
    BatchGetImage GetAuthorizationToken GetDownloadUrlForLayer DescribeRepositories DescribeImages BatchCheckLayerAvailability
  =
    PutImage InitiateLayerUpload CompleteLayerUpload CreateRepository DeleteRepository SetRepositoryPolicy BatchDeleteImage
    PutImageScanningConfiguration DeleteRepositoryPolicy PutReplicationConfiguration
elasticloadbalancing 6
    DescribeLoadBalancers DescribeTargetHealth DescribeTargetGroups DescribeListeners
  =
    RegisterTargets DeregisterTargets CreateLoadBalancer DeleteLoadBalancer CreateListener ModifyListener CreateRule SetSecurityGroups
    ModifyLoadBalancerAttributes
dynamodb 6
    DescribeTable ListTables DescribeContinuousBackups DescribeTimeToLive
  =
    CreateTable UpdateTable DeleteTable DeleteBackup UpdateContinuousBackups ExportTableToPointInTime RestoreTableFromBackup PutResourcePolicy
    UpdateTimeToLive
cloudformation 6
    DescribeStacks ListStacks DescribeStackEvents GetTemplate
  =
    CreateStack UpdateStack DeleteStack CreateChangeSet ExecuteChangeSet CreateStackSet DeleteStackSet SetStackPolicy
route53 4
    ListHostedZones ListResourceRecordSets GetHostedZone
  =
    ChangeResourceRecordSets CreateHostedZone DeleteHostedZone AssociateVPCWithHostedZone DisassociateVPCFromHostedZone DeleteQueryLoggingConfig
route53domains 1
    ListDomains GetDomainDetail
  =
    TransferDomain DisableDomainTransferLock RegisterDomain UpdateDomainContact
autoscaling 3
    DescribeAutoScalingGroups DescribeLaunchConfigurations
  =
    CreateLaunchConfiguration UpdateAutoScalingGroup CreateAutoScalingGroup SetDesiredCapacity
sns 4
    ListTopics GetTopicAttributes ListSubscriptions
  =
    Subscribe Unsubscribe CreateTopic DeleteTopic SetTopicAttributes AddPermission
sqs 3
    GetQueueAttributes ListQueues GetQueueUrl
  =
    CreateQueue DeleteQueue SetQueueAttributes AddPermission PurgeQueue
ses 2
    GetAccount ListIdentities GetSendQuota GetIdentityVerificationAttributes
  =
    VerifyEmailIdentity UpdateAccountSendingEnabled DeleteIdentity SendEmail PutAccountDetails CreateEmailIdentity
securityhub 3
    GetFindings DescribeHub GetEnabledStandards
  =
    BatchUpdateFindings DisableSecurityHub BatchDisableStandards UpdateStandardsControl CreateInsight DeleteMembers UpdateFindings
wafv2 2
    GetWebACL ListWebACLs GetIPSet
  =
    UpdateWebACL DeleteWebACL DisassociateWebACL UpdateIPSet DeleteLoggingConfiguration DeleteRuleGroup
sso 2
    ListPermissionSets DescribePermissionSet ListInstances
  =
    CreateAccountAssignment DeleteAccountAssignment CreatePermissionSet AttachManagedPolicyToPermissionSet PutInlinePolicyToPermissionSet
    DeletePermissionSet
codebuild 2
    BatchGetProjects BatchGetBuilds ListProjects
  =
    StartBuild CreateProject UpdateProject DeleteProject ImportSourceCredentials UpdateWebhook
glue 1
    GetTables GetJobs GetDatabases GetDevEndpoints
  =
    CreateDevEndpoint UpdateDevEndpoint CreateJob UpdateJob StartJobRun DeleteDatabase
bedrock 1
    ListFoundationModels GetFoundationModelAvailability
  =
    InvokeModel PutUseCaseForModelAccess CreateFoundationModelAgreement DeleteModelInvocationLoggingConfiguration PutFoundationModelEntitlement
elasticfilesystem 1
    DescribeFileSystems DescribeMountTargets
  =
    DeleteFileSystem DeleteMountTarget PutFileSystemPolicy CreateMountTarget DeleteFileSystemPolicy
backup 1
    ListBackupVaults ListRecoveryPointsByBackupVault
  =
    DeleteBackupVault DeleteRecoveryPoint PutBackupVaultAccessPolicy UpdateRecoveryPointLifecycle StopBackupJob
";

const REGIONS: &[&str] = &["us-east-1", "eu-west-1", "eu-central-1", "us-west-2", "ap-southeast-2", "sa-east-1"];
const ACCOUNTS: &[&str] = &["111122223333", "444455556666", "777788889999", "123456789012", "210987654321"];
const AGENTS: &[&str] = &[
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io) terraform-provider-aws/5.76.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.32.4 os/linux lang/go#1.23.3",
    "AWS Internal",
    "Boto3/1.35.63 md/Botocore#1.35.63 ua/2.0 os/linux#6.1.115 md/arch#x86_64 lang/python#3.12.7 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.35.63",
    "aws-cli/2.19.5 md/awscrt#0.22.0 ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#source md/prompt#off md/command#sts.get-caller-identity",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.770 Linux/5.10.228 OpenJDK_64-Bit_Server_VM/25.432-b06 java/1.8.0_432 vendor/Oracle_Corporation cfg/retry-mode/standard]",
    "ec2.amazonaws.com",
    "autoscaling.amazonaws.com",
    "aws-sdk-go/1.55.5 (go1.23.1; linux; amd64) karpenter-v1.0.8",
    "Boto3/1.17.20 Python/3.8.5 Linux/5.4.0-1045-aws Botocore/1.20.20",
    "python-requests/2.32.3",
    "aws-cli/1.22.34 Python/3.10.6 Linux/5.15.0-kali3-amd64 botocore/1.23.34",
    "curl/8.5.0",
];
const ERRORS: &[(&str, &str)] = &[
    ("AccessDenied", "User: {arn} is not authorized to perform: {call} because no identity-based policy allows the {call} action"),
    ("Client.UnauthorizedOperation", "You are not authorized to perform this operation. User: {arn} is not authorized to perform: {call}"),
    ("ThrottlingException", "Rate exceeded"),
    ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    ("NoSuchEntityException", "The requested entity cannot be found."),
    ("ResourceNotFoundException", "The specified resource does not exist."),
    ("Client.DryRunOperation", "Request would have succeeded, but DryRun flag is set."),
    ("AccessDenied", "User: {arn} is not authorized to perform: {call} with an explicit deny in a service control policy"),
];

/// Writes `base/gz/*.json.gz` and the same events as `base/events.ndjson`.
fn generate_events(base: &Path, events: usize, files: usize) -> Result<(), Fault> {
    let gz = base.join("gz");
    fs::create_dir_all(&gz)?;
    let catalog = catalog();
    let mut lines = BufWriter::with_capacity(1 << 20, File::create(base.join("events.ndjson"))?);
    let numbers: Vec<usize> = (0..files).collect();
    for some in numbers.chunks(16) {
        let made: Vec<String> = some
            .par_iter()
            .map(|&file| -> Result<String, Fault> {
                let mut generator = Generator::new(&catalog, 0x5eed_0000 + file as u64, events);
                let mut text = String::from("{\"Records\":[");
                for number in events * file / files..events * (file + 1) / files {
                    generator.write_event(number, &mut text);
                    text.push(',');
                }
                text.pop();
                text.push_str("]}");
                let mut packed = GzEncoder::new(Vec::new(), Compression::new(6));
                packed.write_all(text.as_bytes())?;
                fs::write(gz.join(format!("{file:05}.json.gz")), packed.finish()?)?;
                // Each record begins with the same key, and nothing else does.
                let records = text.trim_start_matches("{\"Records\":[").trim_end_matches("]}");
                Ok(records.replace("},{\"eventVersion\"", "}\n{\"eventVersion\""))
            })
            .collect::<Result<_, _>>()?;
        for text in made {
            lines.write_all(text.as_bytes())?;
            lines.write_all(b"\n")?;
        }
    }
    lines.flush()?;
    Ok(())
}

/// A service of the catalog.
#[derive(Default)]
struct Service {
    name: &'static str,
    share: usize,
    reads: Vec<&'static str>,
    writes: Vec<&'static str>,
}

fn catalog() -> Vec<Service> {
    let mut out: Vec<Service> = Vec::new();
    let mut writes = false;
    for line in CATALOG.lines() {
        match (line.starts_with(' '), out.last_mut()) {
            (true, Some(_)) if line.trim() == "=" => writes = true,
            (true, Some(service)) => if writes { &mut service.writes } else { &mut service.reads }.extend(line.split_whitespace()),
            _ => {
                let (name, share) = line.split_once(' ').unwrap_or((line, "0"));
                out.push(Service { name, share: share.parse().unwrap_or(0), ..Service::default() });
                writes = false;
            }
        }
    }
    out
}

/// Who did it.
struct Actor {
    json: String,
    arn: String,
    /// The address or the service that the request came from.
    address: String,
}

/// Who works at the moment, on what: the same actor does similar things for a while.
struct Session {
    actor: Actor,
    account: &'static str,
    region: &'static str,
    agent: String,
    services: [usize; 3],
    left: usize,
}

/// Writes events one after another.
struct Generator<'a> {
    catalog: &'a [Service],
    /// Each service as often as its share.
    wheel: Vec<usize>,
    random: Random,
    sessions: Vec<Session>,
    events: usize,
}

impl<'a> Generator<'a> {
    fn new(catalog: &'a [Service], seed: u64, events: usize) -> Generator<'a> {
        let wheel = catalog.iter().enumerate().flat_map(|(i, s)| std::iter::repeat_n(i, s.share)).collect();
        Generator { catalog, wheel, random: Random(seed), sessions: Vec::new(), events: events.max(1) }
    }

    fn begin_session(&mut self, second: u64) -> Session {
        let random = &mut self.random;
        let account = ACCOUNTS[random.skewed(ACCOUNTS.len())];
        let actor = actor(random, account, second);
        let agent = if actor.address.ends_with(".amazonaws.com") { actor.address.clone() } else { AGENTS[random.skewed(AGENTS.len())].to_owned() };
        let services = [(); 3].map(|()| self.wheel[random.below(self.wheel.len())]);
        Session { actor, account, region: REGIONS[random.skewed(REGIONS.len())], agent, services, left: 1 + random.skewed(1200) }
    }

    /// Appends event `number`, without a line end.
    fn write_event(&mut self, number: usize, out: &mut String) {
        let second = number as u64 * 30 * 86_400 / self.events as u64;
        let slot = self.random.skewed(24);
        while self.sessions.len() <= slot || self.sessions[slot].left == 0 {
            let session = self.begin_session(second);
            if self.sessions.len() <= slot { self.sessions.push(session) } else { self.sessions[slot] = session }
        }
        self.sessions[slot].left -= 1;
        let (random, session) = (&mut self.random, &self.sessions[slot]);
        let (actor, account, region, agent) = (&session.actor, session.account, session.region, &session.agent);
        let service = &self.catalog[session.services[random.skewed(3)]];
        let read = random.percent(84);
        // What a normal month does not hold stands at the end of the writes: no event has it, and rules still ask for it.
        let names = if read { &service.reads[..] } else { &service.writes[..service.writes.len() * 2 / 5 + 1] };
        let call = names[random.skewed(names.len())];
        let service = service.name;
        let time = format!("2026-10-{:02}T{:02}:{:02}:{:02}Z", second / 86_400 + 1, second / 3600 % 24, second / 60 % 60, second % 60);
        let _ = write!(
            out,
            "{{\"eventVersion\":\"1.10\",\"userIdentity\":{},\"eventTime\":\"{time}\",\"eventSource\":\"{service}.amazonaws.com\",\"eventName\":\"{call}\",\"awsRegion\":\"{region}\",\"sourceIPAddress\":\"{}\",\"userAgent\":\"{agent}\"",
            actor.json, actor.address
        );
        let failed = random.percent(10);
        if failed {
            let (code, message) = ERRORS[random.below(ERRORS.len())];
            let message = message.replace("{arn}", &actor.arn).replace("{call}", &format!("{service}:{call}"));
            let _ = write!(out, ",\"errorCode\":\"{code}\",\"errorMessage\":\"{message}\"");
        }
        out.push_str(",\"requestParameters\":");
        let resource = parameters(random, service, call, account, region, out);
        out.push_str(",\"responseElements\":");
        if read || failed {
            out.push_str("null");
        } else if call == "ConsoleLogin" {
            let _ = write!(out, "{{\"ConsoleLogin\":\"{}\"}}", if random.percent(15) { "Failure" } else { "Success" });
        } else {
            let _ = write!(
                out,
                "{{\"requestId\":\"{}\",\"_return\":true,\"result\":{{\"status\":\"{}\",\"arn\":\"{resource}\",\"createDate\":\"{time}\"}}}}",
                random.uuid(),
                random.pick(&["available", "creating", "in-use"])
            );
        }
        if service == "signin" {
            let _ = write!(
                out,
                ",\"additionalEventData\":{{\"LoginTo\":\"https://console.aws.amazon.com/console/home\",\"MobileVersion\":\"No\",\"MFAUsed\":\"{}\"}}",
                if random.percent(70) { "Yes" } else { "No" }
            );
        } else if service == "s3" {
            let _ = write!(
                out,
                ",\"additionalEventData\":{{\"SignatureVersion\":\"SigV4\",\"CipherSuite\":\"ECDHE-RSA-AES128-GCM-SHA256\",\"bytesTransferredIn\":{},\"AuthenticationMethod\":\"AuthHeader\",\"bytesTransferredOut\":{}}}",
                random.skewed(90_000),
                random.skewed(2_000_000)
            );
        }
        let _ = write!(out, ",\"requestID\":\"{}\",\"eventID\":\"{}\",\"readOnly\":{read}", random.uuid(), random.uuid());
        if matches!(service, "kms" | "s3" | "sts") {
            let _ =
                write!(out, ",\"resources\":[{{\"accountId\":\"{account}\",\"type\":\"AWS::{}::Resource\",\"ARN\":\"{resource}\"}}]", service.to_uppercase());
        }
        let _ = write!(
            out,
            ",\"eventType\":\"{}\",\"managementEvent\":true,\"recipientAccountId\":\"{account}\",\"eventCategory\":\"Management\",\"tlsDetails\":{{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"{service}.{region}.amazonaws.com\"}}}}",
            if service == "signin" { "AwsConsoleSignIn" } else { "AwsApiCall" }
        );
    }
}

fn actor(random: &mut Random, account: &str, second: u64) -> Actor {
    const ROLES: &[&str] = &[
        "ci-deploy",
        "AWSReservedSSO_PowerUser_3f1c9d0b7a2e4f56",
        "eks-node",
        "app-backend",
        "AWSReservedSSO_AdministratorAccess_a1b2c3d4e5f60718",
        "lambda-admin-tasks",
        "data-pipeline",
        "OrganizationAccountAccessRole",
        "backup-operator",
        "audit-reader",
    ];
    let user_number = random.skewed(800);
    let person = match user_number % 10 {
        0 => format!("svc-batch{user_number:03}"),
        1 => format!("admin{user_number:03}"),
        _ => format!("user{user_number:04}"),
    };
    let n = random.skewed(4000) as u64 + 1;
    let h = mix(n);
    let address = format!("{}.{}.{}.{}", 11 + h % 200, h >> 8 & 255, h >> 16 & 255, 1 + (h >> 24) % 250);
    let date = format!("2026-10-{:02}T{:02}:00:00Z", second / 86_400 + 1, second / 3600 % 24);
    let mfa = random.percent(40);
    let key = mix(user_number as u64 + 77) >> 8;
    match random.below(100) {
        0..50 => {
            let role_number = random.skewed(ROLES.len());
            let role = ROLES[role_number];
            let session = match role_number {
                2 => format!("i-0{:016x}", mix(random.skewed(6000) as u64)),
                0 => format!("run-{}", second / 600),
                _ => person,
            };
            let arn = format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
            let json = format!(
                "{{\"type\":\"AssumedRole\",\"principalId\":\"AROA{:016X}:{session}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"ASIA{key:016X}\",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"principalId\":\"AROA{:016X}\",\"arn\":\"arn:aws:iam::{account}:role/{role}\",\"accountId\":\"{account}\",\"userName\":\"{role}\"}},\"webIdFederationData\":{{}},\"attributes\":{{\"creationDate\":\"{date}\",\"mfaAuthenticated\":\"{mfa}\"}}}}}}",
                mix(role_number as u64),
                mix(role_number as u64)
            );
            Actor { json, arn, address }
        }
        50..85 => {
            let arn = format!("arn:aws:iam::{account}:user/{person}");
            let context = if random.percent(30) {
                format!(",\"sessionContext\":{{\"attributes\":{{\"creationDate\":\"{date}\",\"mfaAuthenticated\":\"{mfa}\"}}}}")
            } else {
                String::new()
            };
            let json = format!(
                "{{\"type\":\"IAMUser\",\"principalId\":\"AIDA{:016X}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"AKIA{key:016X}\",\"userName\":\"{person}\"{context}}}",
                mix(user_number as u64)
            );
            Actor { json, arn, address }
        }
        85..98 => {
            let by = random.pick(&["ec2", "autoscaling", "config", "cloudtrail", "backup", "eks"]);
            let json = format!("{{\"type\":\"AWSService\",\"invokedBy\":\"{by}.amazonaws.com\"}}");
            let arn = format!("{by}.amazonaws.com");
            Actor { json, address: arn.clone(), arn }
        }
        98 => {
            let json = format!("{{\"type\":\"AWSAccount\",\"principalId\":\"AIDA{key:016X}\",\"accountId\":\"{account}\"}}");
            Actor { json, arn: format!("arn:aws:iam::{account}:root"), address }
        }
        _ => {
            let arn = format!("arn:aws:iam::{account}:root");
            let json = format!("{{\"type\":\"Root\",\"principalId\":\"{account}\",\"arn\":\"{arn}\",\"accountId\":\"{account}\",\"accessKeyId\":\"\"}}");
            Actor { json, arn, address }
        }
    }
}

/// Writes request parameters; gives the resource that they name.
fn parameters(random: &mut Random, service: &str, call: &str, account: &str, region: &str, out: &mut String) -> String {
    let stage = random.pick(&["prod", "prod", "stage", "dev"]);
    let team = random.pick(&["billing", "search", "web", "backup", "logs", "public-site", "ml", "payments"]);
    let hex = mix(random.skewed(3000) as u64);
    let person = format!("user{:04}", random.skewed(800));
    let (text, resource) = match service {
        "ec2" if call.contains("SecurityGroup") && !call.starts_with("Describe") => {
            let cidr = random.pick(&["0.0.0.0/0", "10.0.0.0/8", "10.20.0.0/16", "::/0", "203.0.113.0/24"]);
            let port = [22, 443, 3389, 5432, 80, 8080][random.below(6)];
            let text = format!(
                "{{\"groupId\":\"sg-0{hex:016x}\",\"groupName\":\"{team}-{stage}\",\"ipPermissions\":{{\"items\":[{{\"ipProtocol\":\"tcp\",\"fromPort\":{port},\"toPort\":{port},\"groups\":{{}},\"ipRanges\":{{\"items\":[{{\"cidrIp\":\"{cidr}\",\"description\":\"{team}\"}},{{\"cidrIp\":\"10.1.0.0/16\"}}]}},\"ipv6Ranges\":{{}},\"prefixListIds\":{{}}}}]}}}}"
            );
            (text, format!("arn:aws:ec2:{region}:{account}:security-group/sg-0{hex:016x}"))
        }
        "ec2" if call == "RunInstances" => {
            let kind = random.pick(&["t3.micro", "m6i.large", "c7g.xlarge", "p4d.24xlarge", "g5.12xlarge"]);
            let text = format!(
                "{{\"instancesSet\":{{\"items\":[{{\"imageId\":\"ami-0{hex:016x}\",\"minCount\":1,\"maxCount\":{},\"keyName\":\"{team}\"}}]}},\"instanceType\":\"{kind}\",\"blockDeviceMapping\":{{}},\"monitoring\":{{\"enabled\":false}},\"disableApiTermination\":false,\"iamInstanceProfile\":{{\"name\":\"{team}-{stage}\"}},\"tagSpecificationSet\":{{\"items\":[{{\"resourceType\":\"instance\",\"tags\":[{{\"key\":\"Name\",\"value\":\"{team}-{stage}\"}},{{\"key\":\"stage\",\"value\":\"{stage}\"}}]}}]}}}}",
                1 + random.skewed(20)
            );
            (text, format!("arn:aws:ec2:{region}:{account}:instance/*"))
        }
        "ec2" => {
            let text = format!(
                "{{\"instancesSet\":{{\"items\":[{{\"instanceId\":\"i-0{hex:016x}\"}}]}},\"filterSet\":{{\"items\":[{{\"name\":\"tag:stage\",\"valueSet\":{{\"items\":[{{\"value\":\"{stage}\"}}]}}}},{{\"name\":\"vpc-id\",\"valueSet\":{{\"items\":[{{\"value\":\"vpc-0{:08x}\"}}]}}}}]}},\"maxResults\":{}}}",
                hex % 64,
                [100, 200, 1000][random.below(3)]
            );
            (text, format!("arn:aws:ec2:{region}:{account}:instance/i-0{hex:016x}"))
        }
        "s3" => {
            let bucket = format!("{team}-{stage}-{:04}", random.skewed(900));
            let ending = random.pick(&["parquet", "json.gz", "html", "log", "sql.gz", "pem", "env", "bak"]);
            let object = call.contains("Object");
            let key = if object { format!(",\"key\":\"{team}/2026/10/{:08x}.{ending}\"", random.next() as u32) } else { String::new() };
            let acl = if call.ends_with("Acl") {
                format!(",\"x-amz-acl\":\"{}\"", random.pick(&["private", "bucket-owner-full-control", "public-read"]))
            } else {
                String::new()
            };
            let text = format!("{{\"bucketName\":\"{bucket}\",\"Host\":\"{bucket}.s3.{region}.amazonaws.com\"{key}{acl}}}");
            (text, format!("arn:aws:s3:::{bucket}"))
        }
        "iam" => {
            let policy = random.pick(&[
                "AdministratorAccess",
                "ReadOnlyAccess",
                "IAMFullAccess",
                "AmazonS3ReadOnlyAccess",
                "job-function/ViewOnlyAccess",
                "PowerUserAccess",
            ]);
            let action = random.pick(&["*", "s3:GetObject", "iam:PassRole", "logs:*"]);
            let document = if call.contains("Policy") && call.starts_with(['P', 'C']) || call == "CreateRole" {
                format!(
                    ",\"policyDocument\":\"{{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[{{\\\"Effect\\\":\\\"Allow\\\",\\\"Action\\\":\\\"{action}\\\",\\\"Resource\\\":\\\"arn:aws:s3:::{team}-{stage}/*\\\"}}]}}\""
                )
            } else {
                String::new()
            };
            let arn = if call.contains("Policy") || call.contains("Policies") {
                format!(",\"policyArn\":\"arn:aws:iam::aws:policy/{policy}\"")
            } else {
                String::new()
            };
            if call.contains("User") || call.contains("Key") || call.contains("LoginProfile") || call.contains("MFA") {
                (format!("{{\"userName\":\"{person}\"{arn}{document}}}"), format!("arn:aws:iam::{account}:user/{person}"))
            } else {
                let role = format!("{team}-{stage}-{}", random.pick(&["admin", "reader", "deploy", "lambda"]));
                (format!("{{\"roleName\":\"{role}\"{arn}{document}}}"), format!("arn:aws:iam::{account}:role/{role}"))
            }
        }
        "sts" => {
            let role =
                format!("arn:aws:iam::{account}:role/{}", random.pick(&["ci-deploy", "eks-node", "app-backend", "data-pipeline", "cross-account-admin"]));
            let text = format!(
                "{{\"roleArn\":\"{role}\",\"roleSessionName\":\"{person}\",\"durationSeconds\":{},\"externalId\":\"{:08x}\",\"tags\":[{{\"key\":\"team\",\"value\":\"{team}\"}}]}}",
                [900, 3600, 3600, 43200][random.below(4)],
                hex as u32
            );
            (text, role)
        }
        "kms" => {
            let key = format!("arn:aws:kms:{region}:{account}:key/{:08x}-0000-4000-8000-{:012x}", hex % 300, hex % 300);
            let text = format!(
                "{{\"keyId\":\"{key}\",\"encryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"encryptionContext\":{{\"aws:s3:arn\":\"arn:aws:s3:::{team}-{stage}\",\"service\":\"{team}\"}}}}"
            );
            (text, key)
        }
        "ssm" if call == "SendCommand" || call == "StartSession" => {
            let document = random.pick(&["AWS-RunShellScript", "AWS-RunPowerShellScript", "AWS-ApplyPatchBaseline", "SSM-SessionManagerRunShell"]);
            let text = format!(
                "{{\"documentName\":\"{document}\",\"instanceIds\":[\"i-0{hex:016x}\",\"i-0{:016x}\"],\"target\":\"i-0{hex:016x}\",\"parameters\":{{\"commands\":[\"systemctl restart {team}\"]}}}}",
                mix(hex)
            );
            (text, format!("arn:aws:ec2:{region}:{account}:instance/i-0{hex:016x}"))
        }
        "ssm" => {
            let name = format!("/{stage}/{team}/{}-{}", random.pick(&["password", "url", "token", "flag"]), random.skewed(60));
            (
                format!("{{\"name\":\"{name}\",\"withDecryption\":{},\"maxResults\":50,\"shared\":false}}", random.percent(40)),
                format!("arn:aws:ssm:{region}:{account}:parameter{name}"),
            )
        }
        "secretsmanager" => {
            let secret = format!("arn:aws:secretsmanager:{region}:{account}:secret:{stage}/{team}/db-{:04}", random.skewed(500));
            (format!("{{\"secretId\":\"{secret}\",\"versionStage\":\"AWSCURRENT\"}}"), secret)
        }
        "rds" => {
            let name = format!("{team}-{stage}-{}", random.skewed(12));
            let text = format!(
                "{{\"dBInstanceIdentifier\":\"{name}\",\"engine\":\"postgres\",\"publiclyAccessible\":{},\"allocatedStorage\":{},\"vpcSecurityGroupIds\":[\"sg-0{hex:016x}\"],\"attributeName\":\"restore\",\"valuesToAdd\":[\"{}\"]}}",
                random.percent(10),
                [20, 100, 500][random.below(3)],
                random.pick(ACCOUNTS)
            );
            (text, format!("arn:aws:rds:{region}:{account}:db:{name}"))
        }
        "lambda" => {
            let name = format!("{team}-{}-{stage}", random.pick(&["admin", "worker", "api", "cron"]));
            let principal = random.pick(&["events.amazonaws.com", "s3.amazonaws.com", "*", "123456789012"]);
            (
                format!(
                    "{{\"functionName\":\"{name}\",\"principal\":\"{principal}\",\"runtime\":\"python3.12\",\"memorySize\":{}}}",
                    [128, 512, 1024][random.below(3)]
                ),
                format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            )
        }
        "signin" => ("null".into(), format!("arn:aws:iam::{account}:user/{person}")),
        _ => {
            let name = format!("{team}-{stage}-{}", random.skewed(200));
            let resource = format!("arn:aws:{service}:{region}:{account}:{name}");
            let text = format!(
                "{{\"name\":\"{name}\",\"resourceArn\":\"{resource}\",\"maxResults\":100,\"tags\":[{{\"key\":\"team\",\"value\":\"{team}\"}}],\"options\":{{\"dryRun\":false,\"mode\":\"{}\"}}}}",
                random.pick(&["standard", "fast"])
            );
            (text, resource)
        }
    };
    out.push_str(&text);
    resource
}

// ---- Generated rules ----

/// Tests on fields beside source and name: the service that they belong to (empty: any), field with modifiers, values as YAML.
const TESTS: &[(&str, &str, &[&str])] = &[
    ("iam", "requestParameters.policyArn|endswith", &["/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess"]),
    ("iam", "requestParameters.policyDocument|contains", &["'\"Action\":\"*\"'", "'iam:PassRole'", "'\"Effect\":\"Allow\",\"Action\":\"*\"'"]),
    ("iam", "requestParameters.policyDocument|contains|all", &["'\"Effect\":\"Allow\"'", "'\"Action\":\"'"]),
    ("iam", "requestParameters.roleName|startswith", &["backup-", "OrganizationAccount", "stratus-red-team"]),
    ("iam", "requestParameters.roleName", &["'*-admin'", "'payments-*-deploy'"]),
    ("iam", "requestParameters.userName|contains", &["admin", "svc", "user00"]),
    ("iam", "requestParameters.userName|re", &["'^user0[0-3]\\d\\d$'"]),
    ("s3", "requestParameters.bucketName|contains", &["backup", "logs", "public"]),
    ("s3", "requestParameters.bucketName", &["'payments-prod-*'", "'*cloudtrail*'"]),
    ("s3", "requestParameters.bucketName|re", &["'^(?:ml|web)-(?:prod|stage)-0\\d+$'"]),
    ("s3", "requestParameters.key|endswith", &[".pem", ".env", ".sql.gz", ".bak"]),
    ("s3", "requestParameters.x-amz-acl|startswith", &["public-read"]),
    ("ec2", "requestParameters.instanceType|startswith", &["p4d.", "g5.", "x2"]),
    ("ec2", "requestParameters.ipPermissions.items.ipRanges.items.cidrIp", &["0.0.0.0/0", "'::/0'"]),
    ("ec2", "requestParameters.ipPermissions.items.fromPort", &["22", "3389", "5432"]),
    ("ec2", "requestParameters.instancesSet.items.instanceId|re", &["'^i-0[0-3]'"]),
    ("ssm", "requestParameters.name|startswith", &["/prod/", "/credentials/"]),
    ("ssm", "requestParameters.name", &["'*/password-*'", "'/prod/*/token-?'"]),
    ("ssm", "requestParameters.documentName", &["AWS-RunShellScript", "AWS-RunPowerShellScript"]),
    ("secretsmanager", "requestParameters.secretId|contains", &["prod/payments", "rds!db", "stratus"]),
    ("secretsmanager", "requestParameters.secretId|re", &["'secret:prod/\\w+/db-000\\d'"]),
    ("kms", "requestParameters.keyId|contains", &["key/000000", "alias/aws/s3"]),
    ("kms", "requestParameters.encryptionContext.service", &["payments", "billing"]),
    ("rds", "requestParameters.publiclyAccessible", &["true"]),
    ("rds", "requestParameters.dBInstanceIdentifier", &["'*-prod-*'"]),
    ("rds", "requestParameters.valuesToAdd", &["all", "'123456789012'"]),
    ("lambda", "requestParameters.functionName", &["'*-admin-*'", "'payments-*'"]),
    ("lambda", "requestParameters.principal", &["'123456789012'"]),
    ("sts", "requestParameters.roleArn|endswith", &["role/cross-account-admin", "/OrganizationAccountAccessRole"]),
    ("sts", "requestParameters.durationSeconds|gte", &["43200"]),
    ("signin", "responseElements.ConsoleLogin", &["Failure"]),
    ("signin", "additionalEventData.MFAUsed", &["'No'"]),
    ("", "errorCode", &["AccessDenied", "Client.UnauthorizedOperation"]),
    ("", "errorCode|contains", &["Denied", "Unauthorized", "DryRun"]),
    ("", "errorCode", &["null"]),
    ("", "errorMessage|contains", &["explicit deny", "not authorized"]),
    ("", "userIdentity.type", &["Root", "IAMUser"]),
    ("", "userIdentity.type", &["AssumedRole"]),
    ("", "userIdentity.arn|contains", &["assumed-role/AWSReservedSSO_Admin", ":user/admin", ":root"]),
    ("", "userIdentity.arn", &["'arn:aws:sts::*:assumed-role/ci-deploy/*'"]),
    ("", "userIdentity.sessionContext.attributes.mfaAuthenticated", &["'false'"]),
    ("", "userIdentity.sessionContext.sessionIssuer.userName|startswith", &["lambda-", "eks-", "OrganizationAccount"]),
    ("", "userAgent|contains", &["kali", "parrot", "curl/", "python-requests"]),
    ("", "userAgent|re", &["'(?:Boto3|botocore)/1\\.1\\d\\.'"]),
    ("", "sourceIPAddress|cidr", &["45.0.0.0/8", "185.0.0.0/10"]),
    ("", "awsRegion", &["sa-east-1", "ap-southeast-2"]),
    ("", "readOnly", &["false"]),
];

/// Exclusions, as they stand behind `and not`.
const FILTERS: &[&str] = &[
    "userIdentity.type: AWSService",
    "userIdentity.invokedBy|endswith: .amazonaws.com",
    "sourceIPAddress: 'AWS Internal'",
    "sourceIPAddress|endswith: .amazonaws.com",
    "userAgent|contains: Terraform",
    "userIdentity.arn|contains: ':assumed-role/ci-deploy/'",
    "userIdentity.arn: 'arn:aws:sts::*:assumed-role/AWSReservedSSO_*'",
    "userIdentity.userName|startswith: svc-",
    "errorCode|contains: Throttling",
    "errorCode|exists: true",
    "awsRegion: [eu-west-1, eu-central-1]",
];

/// Rules as files: mostly a source and some names, some with tests on parameters, some with exclusions.
fn generate_rules(count: usize) -> Vec<(String, String)> {
    let mut random = Random(0x0dd_ba11);
    let catalog = catalog();
    let mut known = BTreeSet::new();
    let mut out = Vec::new();
    while out.len() < count {
        let detection = detection(&mut random, &catalog);
        if !known.insert(detection.clone()) {
            continue;
        }
        let number = out.len() + 1;
        let level = random.pick(&["informational", "low", "low", "medium", "medium", "medium", "high", "high", "critical"]);
        let tactic = random.pick(&["initial-access", "persistence", "privilege-escalation", "defense-evasion", "credential-access", "discovery", "impact"]);
        let technique = 1000 + random.below(600);
        let id = random.uuid();
        let text = format!(
            "\
title: Generated Rule {number:04} for the Benchmark
id: {id}
status: test
description: Made for the benchmark; its shape is that of a public rule, its content means nothing.
references:
  - https://docs.example.com/cloudtrail/{number:04}
author: auditmill
date: 2026-11-24
tags:
  - attack.{tactic}
  - attack.t{technique}
  - attack.t{technique}.001
logsource:
  product: aws
  service: cloudtrail
detection:
{detection}falsepositives:
  - Administrators at work
level: {level}
"
        );
        out.push((format!("rule_{number:04}.yml"), text));
    }
    out
}

fn detection(random: &mut Random, catalog: &[Service]) -> String {
    let kind = random.below(100);
    // A service with many calls has many rules.
    let service = loop {
        let service = &catalog[random.below(catalog.len())];
        if random.below(25) < service.writes.len() {
            break service;
        }
    };
    let call = |random: &mut Random| {
        let (reads, writes) = (&service.reads, &service.writes);
        // Rules name what changes something; of the reads, those that tell secrets or explore.
        if random.percent(88) { writes[random.below(writes.len())] } else { reads[reads.len() / 3 + random.below(reads.len() - reads.len() / 3)] }
    };
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..[1, 1, 1, 1, 2, 2, 3, 5][random.below(8)] {
        let name = call(random);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let source = service.name;
    let mut text = format!("  selection:\n    eventSource: {source}.amazonaws.com\n");
    text.push_str(&field("eventName", &names, "    "));
    let condition = match kind {
        // Source and names alone.
        0..58 => "selection".to_owned(),
        // A prefix of names.
        58..60 => {
            text = format!("  selection:\n    eventSource: {source}.amazonaws.com\n    eventName|startswith: {}\n", &names[0][..names[0].len().min(9)]);
            "selection".to_owned()
        }
        // With a test on another field.
        60..82 => {
            let (name, values) = test(random, source);
            text.push_str(&field(name, values, "    "));
            "selection".to_owned()
        }
        // Without what is expected.
        82..91 => {
            let _ = write!(text, "  filter:\n    {}\n", random.pick(FILTERS));
            "selection and not filter".to_owned()
        }
        91..94 => {
            for (i, word) in ["service", "expected"].iter().enumerate() {
                let _ = write!(text, "  filter_{word}:\n    {}\n", FILTERS[(random.below(5) * 2 + i) % FILTERS.len()]);
            }
            "selection and not 1 of filter_*".to_owned()
        }
        // One of several selections.
        94..97 => {
            let (name, values) = test(random, source);
            text = text.replace("selection:", "selection_name:");
            let _ = write!(
                text,
                "  selection_other:\n    eventSource: {source}.amazonaws.com\n{}{}",
                field("eventName", &[call(random)], "    "),
                field(name, values, "    ")
            );
            "1 of selection_*".to_owned()
        }
        _ => {
            let (name, values) = test(random, source);
            text = text.replace("selection:", "selection_name:");
            let _ = write!(text, "  selection_who:\n{}", field(name, values, "    "));
            let _ = write!(text, "  filter:\n    {}\n", random.pick(FILTERS));
            "all of selection_* and not filter".to_owned()
        }
    };
    let _ = writeln!(text, "  condition: {condition}");
    text
}

fn test(random: &mut Random, service: &str) -> (&'static str, &'static [&'static str]) {
    let own: Vec<&(&str, &str, &[&str])> = TESTS.iter().filter(|t| t.0 == service).collect();
    let any: Vec<&(&str, &str, &[&str])> = TESTS.iter().filter(|t| t.0.is_empty()).collect();
    let from = if !own.is_empty() && random.percent(60) { own } else { any };
    let (_, name, values) = from[random.below(from.len())];
    // Some take all values, some one of them; `all` needs all.
    if name.ends_with("|all") || random.percent(50) {
        return (name, values);
    }
    let i = random.below(values.len());
    (name, &values[i..=i])
}

fn field(name: &str, values: &[&str], indent: &str) -> String {
    match values {
        [one] => format!("{indent}{name}: {one}\n"),
        many => format!("{indent}{name}:\n{}", many.iter().map(|v| format!("{indent}  - {v}\n")).collect::<String>()),
    }
}
