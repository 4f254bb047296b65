//! What the tests share: the real binary in a folder of its own, scans in process over bytes, and the data beside the project.

use assert_cmd::Command;
use auditmill::finding::scan::{Period, RuleState, ScanRequest, Totals, Window, scan};
use auditmill::rule::load::{RuleFile, RuleSet, load_rules};
use auditmill::rule::vars::Vars;
use auditmill::source::SourceSet;
use auditmill::source::discover::{Discovered, Input, Origin};
use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_auditmill");

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A path of the data beside the project, or `None`, said aloud, where that data is not.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = project().join("../shared");
    if !root.is_dir() {
        skipped("../shared is not here");
        return None;
    }
    let full = root.join(path);
    assert!(full.exists(), "../shared is here and holds no {path}");
    Some(full)
}

/// A folder of the project's own sample logs, or `None`, said aloud, while it is not there.
pub fn samples(name: &str) -> Option<PathBuf> {
    let folder = project().join("samples").join(name);
    let any = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
    if !any {
        skipped(&format!("samples/{name} is not here"));
    }
    any.then_some(folder)
}

/// A rule file whose one rule matches every event that has an action.
pub fn everything() -> String {
    project().join("tests/fixtures/everything.yml").display().to_string()
}

/// Says why a test asserts nothing.
#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

// ---------------------------------------------------------------------------------------------- the real binary

/// A folder in which the binary runs; it is removed with all that it holds.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, with its folders.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Place {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
        self
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{}", self.listing()))
    }

    pub fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }

    /// Runs the binary here with nothing of the tester's environment.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[], b"")
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)], stdin: &[u8]) -> Ran {
        let output = Command::new(BINARY)
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .envs(env.iter().copied())
            .write_stdin(stdin.to_vec())
            .timeout(Duration::from_secs(120))
            .output()
            .expect("the binary runs");
        Ran::of(format!("auditmill {}", args.join(" ")), output, self)
    }

    /// Names and sizes of all files here.
    pub fn listing(&self) -> String {
        let mut out = String::new();
        for entry in walkdir::WalkDir::new(self.dir.path()).sort_by_file_name().into_iter().flatten().filter(|e| e.file_type().is_file()) {
            let size = entry.metadata().map(|m| m.len()).unwrap_or_default();
            let name = entry.path().strip_prefix(self.dir.path()).unwrap_or(entry.path());
            let _ = writeln!(out, "  {size:>10} {}", name.display());
        }
        out
    }
}

/// One run of the binary and what came of it.
pub struct Ran {
    pub command: String,
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
    listing: String,
}

impl Ran {
    pub fn of(command: String, output: std::process::Output, place: &Place) -> Ran {
        let err = String::from_utf8(output.stderr).expect("standard error is UTF-8");
        Ran { command, code: output.status.code(), out: output.stdout, err, listing: place.listing() }
    }

    /// Everything that is known of the run, for a failure.
    pub fn dump(&self) -> String {
        let cut = |text: &str| -> String { if text.len() > 6000 { text.chars().take(6000).chain("\n[...]".chars()).collect() } else { text.to_owned() } };
        format!(
            "\n$ {}\nexit status: {:?}\n--- stdout\n{}\n--- stderr\n{}\n--- files\n{}",
            self.command,
            self.code,
            cut(&String::from_utf8_lossy(&self.out)),
            cut(&self.err),
            self.listing
        )
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "exit status {:?} instead of {code}{}", self.code, self.dump());
        self
    }

    /// Standard error holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.err.contains(text), "standard error lacks `{text}`{}", self.dump());
        self
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap_or_else(|e| panic!("standard output is not UTF-8: {e}{}", self.dump()))
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|e| panic!("standard output is not JSON: {e}{}", self.dump()))
    }

    /// Standard output as one JSON document a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        lines_of(&self.out)
    }
}

#[track_caller]
pub fn lines_of(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("not JSON: {e}: {l}"))).collect()
}

// ---------------------------------------------------------------------------------------------- scans in process

/// A source of the tests: any object with a `t`, so that a rule's fields are all the tester's own.
const TEST_SOURCE: &str = "
id: test
title: Test
logsource: [{product: test}]
detect: [{has: [t]}]
time: {first: [t]}
columns: {event_id: id}
";

/// The test source alone.
pub fn test_source() -> &'static SourceSet {
    static SET: LazyLock<SourceSet> = LazyLock::new(|| SourceSet::load(&[("test.yml".into(), TEST_SOURCE.into())]).expect("the test source"));
    &SET
}

/// Every file of a folder of the project whose name ends in `.yml`: name and text, sorted by name.
pub fn yaml_files(folder: &str) -> Vec<(String, String)> {
    let root = project().join(folder);
    walkdir::WalkDir::new(&root)
        .sort_by_file_name()
        .into_iter()
        .map(|e| e.expect("an entry"))
        .filter(|e| e.file_type().is_file() && e.path().extension().is_some_and(|x| x == "yml"))
        .map(|e| {
            let name = format!("{folder}/{}", e.path().strip_prefix(&root).expect("below the folder").display());
            (name, std::fs::read_to_string(e.path()).expect("a text file"))
        })
        .collect()
}

/// The project's own mappings.
pub fn own_sources() -> &'static SourceSet {
    static SET: LazyLock<SourceSet> = LazyLock::new(|| SourceSet::load(&yaml_files("sources")).expect("the project's sources"));
    &SET
}

/// The project's own lists and thresholds.
pub fn own_vars() -> Vars {
    let text = std::fs::read_to_string(project().join("rules/vars.yml")).expect("rules/vars.yml");
    Vars::parse(&text, "rules/vars.yml").expect("rules/vars.yml")
}

/// The texts of the project's own rules.
pub fn own_rule_files() -> Vec<(String, String)> {
    yaml_files("rules").into_iter().filter(|(name, _)| name != "rules/vars.yml").collect()
}

/// The project's own rules, all of which load.
pub fn own_rules() -> RuleSet {
    let files = own_rule_files().into_iter().map(|(file, text)| RuleFile { file, text, required: true }).collect();
    let set = load_rules(files, &own_vars());
    assert!(set.check(true).is_ok(), "{:?}", set.fatal);
    set
}

/// One YAML text as the rules of a run; every document must load.
#[track_caller]
pub fn rules(yaml: &str) -> RuleSet {
    try_rules(yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"))
}

/// As [`rules`]; the first refusal with its help.
pub fn try_rules(yaml: &str) -> Result<RuleSet, String> {
    let file = RuleFile { file: "test.yml".into(), text: yaml.to_owned(), required: true };
    let set = load_rules(vec![file], &Vars::default());
    match set.check(true) {
        Ok(()) => Ok(set),
        Err(e) => Err(format!("{e} (help: {})", e.help.clone().unwrap_or_default())),
    }
}

/// Rule texts that must be refused, each with what the refusal must say: all that are loaded or refused in other words.
pub fn not_refused<'a>(texts: impl IntoIterator<Item = (String, &'a str)>) -> Vec<String> {
    let wrong = |(text, says): (String, &str)| match try_rules(&text) {
        Ok(_) => Some(format!("loaded, though `{says}`:\n{text}")),
        Err(e) if !e.contains(says) => Some(format!("`{says}` is not in: {e}")),
        Err(_) => None,
    };
    texts.into_iter().filter_map(wrong).collect()
}

/// A finding as a test compares it: rule title, entity, ids of its events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub rule: String,
    pub entity: Vec<(String, String)>,
    pub events: BTreeSet<String>,
}

/// What a scan in process gave.
#[derive(Debug)]
pub struct Seen {
    /// (rule id, event id) of each match.
    pub matches: BTreeSet<(String, String)>,
    pub findings: Vec<Found>,
    pub totals: Totals,
    /// Record and reason of each reject.
    pub reasons: Vec<(Option<u32>, String)>,
    /// State of each rule by its title.
    pub states: BTreeMap<String, RuleState>,
    /// Events left out for want of a group, by rule title.
    pub ungrouped: BTreeMap<String, u64>,
    pub hidden: u64,
}

impl Seen {
    /// Ids of the events that a rule matched.
    pub fn hits(&self, rule: &str) -> BTreeSet<&str> {
        self.matches.iter().filter(|(r, _)| r == rule).map(|(_, e)| e.as_str()).collect()
    }

    /// The event sets of a rule's findings, sorted.
    pub fn bursts(&self, title: &str) -> Vec<Vec<&str>> {
        let mut out: Vec<Vec<&str>> = self.findings.iter().filter(|f| f.rule == title).map(|f| f.events.iter().map(String::as_str).collect()).collect();
        out.sort();
        out
    }
}

/// Scans files that are at hand as bytes.
pub fn scan_bytes(sources: &SourceSet, rules: &RuleSet, files: Vec<(String, Vec<u8>)>, threads: usize) -> Seen {
    scan_period(sources, rules, files, threads, Period::ALL)
}

/// As [`scan_bytes`], for one period.
pub fn scan_period(sources: &SourceSet, rules: &RuleSet, files: Vec<(String, Vec<u8>)>, threads: usize, period: Period) -> Seen {
    let mut inputs: Vec<Input> = files.into_iter().map(|(name, bytes)| Input { name, origin: Origin::Bytes(Arc::new(bytes)), named: true }).collect();
    inputs.sort_by(|a, b| a.name.cmp(&b.name));
    let result = scan(ScanRequest { window: Window::Fixed(period), threads, ..ScanRequest::new(Discovered { inputs, rejects: Vec::new() }, sources, rules) })
        .expect("the scan runs");
    let id = |row: u32| result.rows.event_id(row).unwrap_or("(none)").to_owned();
    let title = |rule: usize| rules.rules[rule].meta.title.clone();
    Seen {
        matches: result.matches.iter().map(|&(rule, row)| (rules.rules[rule as usize].meta.id.clone(), id(row))).collect(),
        findings: result
            .findings
            .iter()
            .map(|f| Found { rule: title(f.rule), entity: f.entity.clone(), events: f.rows().iter().map(|r| id(*r)).collect() })
            .collect(),
        totals: result.totals,
        reasons: result.files.iter().flat_map(|f| f.reasons.clone()).collect(),
        states: result.states.iter().enumerate().map(|(i, s)| (title(i), s.clone())).collect(),
        ungrouped: result.ungrouped.iter().enumerate().map(|(i, n)| (title(i), *n)).collect(),
        hidden: result.hidden,
    }
}

/// Events as lines of JSON.
pub fn ndjson(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|e| format!("{e}\n").into_bytes()).collect()
}

/// An event of the test source: the body's fields, an id and a time.
pub fn event(id: &str, time: &str, body: Value) -> Value {
    let Value::Object(mut map) = body else { panic!("an event is an object") };
    map.insert("id".into(), json!(id));
    map.insert("t".into(), json!(time));
    Value::Object(map)
}

/// Microseconds after 2024-01-15T10:00:00Z as a log writes them.
pub fn at(micros: i64) -> String {
    const START: i64 = 1_705_312_800_000_000;
    auditmill::event::time::format_time(START + micros)
}

// ---------------------------------------------------------------------------------------------- generated cases

/// A runner for `cases` generated cases: the same ones in each run, unless `PROPTEST_CASES` asks for other and more.
/// What fails is kept in tests/proptest-regressions and tried first from then on.
pub fn generator(name: &str, cases: u32) -> TestRunner {
    let file: &'static str = Box::leak(project().join(format!("tests/proptest-regressions/{name}.txt")).display().to_string().into_boxed_str());
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    let config = Config {
        cases: asked.unwrap_or(cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}
