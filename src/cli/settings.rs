//! From flags to settings: assets loaded, times resolved, the terminal known.

use super::args::{ColorArg, CompletenessArgs, GeoArgs, InputArgs, LevelArg, RuleArgs, TalkArgs, TimeArgs};
use super::baseline::BaselineInput;
use super::{Failure, say};
use crate::diag::UserError;
use crate::enrich::database::Databases;
use crate::event::time::{format_time, parse_duration, parse_time};
use crate::finding::behaviour::Baseline;
use crate::finding::completeness::given::{Provenance, Scope};
use crate::finding::scan::{FileReport, Period, Scan, ScanRequest, Window};
use crate::output::baseline::read_baseline;
use crate::output::table::Style;
use crate::output::write::{check_free, write_file};
use crate::output::{grouped, printable};
use crate::rule::lint::LintFile;
use crate::rule::lists::parse_list;
use crate::rule::load::{Loading, RuleFile, RuleSet, load_rules_through};
use crate::rule::meta::Level;
use crate::rule::pipeline::{Pipeline, Pipelines};
use crate::rule::vars::Vars;
use crate::source::activities::Activities;
use crate::source::discover::{Discovered, discover};
use crate::source::lint::MappingFile;
use crate::source::{ACTIVITIES_FILE, CONTAINERS_FILE, SourceSet};
use chrono::{Datelike, NaiveDate};
use include_dir::{Dir, include_dir};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

static SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sources");
static RULES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/report_templates");

/// The word that keeps the built-in assets beside a folder.
const DEFAULT: &str = "default";

impl From<LevelArg> for Level {
    fn from(arg: LevelArg) -> Level {
        match arg {
            LevelArg::Informational => Level::Informational,
            LevelArg::Low => Level::Low,
            LevelArg::Medium => Level::Medium,
            LevelArg::High => Level::High,
            LevelArg::Critical => Level::Critical,
        }
    }
}

/// Every file of an embedded folder whose name ends so: name and text.
fn embedded(dir: &'static Dir<'static>, endings: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for entry in dir.entries() {
        match entry {
            include_dir::DirEntry::Dir(d) => out.extend(embedded(d, endings)),
            include_dir::DirEntry::File(f) => {
                let name = f.path().to_string_lossy().replace('\\', "/");
                if endings.iter().any(|e| name.ends_with(e)) {
                    out.push((name, f.contents_utf8().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    out.sort();
    out
}

/// Every file below a path (or the file itself) whose name ends so: name, text, and whether it was named itself.
fn on_disk(path: &str, endings: &[&str]) -> Result<Vec<(String, String, bool)>, UserError> {
    let root = Path::new(path);
    let read = |p: &Path| std::fs::read_to_string(p).map_err(|e| UserError::new(format!("{}: {e}", p.display())));
    if root.is_file() {
        return Ok(vec![(path.to_owned(), read(root)?, true)]);
    }
    if !root.is_dir() {
        return Err(UserError::new(format!("{path}: no such file or folder")).help("give a folder, a file, or the word default"));
    }
    let mut out = Vec::new();
    for entry in walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|e| UserError::new(format!("{path}: {e}")))?;
        if entry.file_type().is_file() && endings.iter().any(|e| entry.path().to_string_lossy().ends_with(e)) {
            let shown = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
            out.push((shown, read(entry.path())?, false));
        }
    }
    Ok(out)
}

const YAML: [&str; 2] = [".yml", ".yaml"];

/// The mappings of a run.
pub fn load_sources(chosen: &[String]) -> Result<SourceSet, UserError> {
    let all = chosen.is_empty() || chosen.iter().any(|c| c == DEFAULT);
    // What exports wrap around records does not depend on whose they are: own sources come in the same wrappers.
    let own = embedded(&SOURCES, &YAML).into_iter().filter(|(n, _)| all || n == CONTAINERS_FILE);
    let built_in: Vec<(String, String)> = own.map(|(n, t)| (format!("sources/{n}"), t)).collect();
    let mut files: Vec<(String, String)> = Vec::new();
    for path in chosen.iter().filter(|c| *c != DEFAULT) {
        files.extend(on_disk(path, &YAML)?.into_iter().map(|(n, t, named)| (whole(path, n, named), t)));
    }
    SourceSet::load_beside(&built_in, &files)
}

/// The mapping files of a run, without those that stand beside them.
pub fn mapping_files(chosen: &[String]) -> Result<Vec<MappingFile>, UserError> {
    let is_mapping = |name: &str| !matches!(name.rsplit('/').next().unwrap_or(name), CONTAINERS_FILE | ACTIVITIES_FILE);
    let mut files = Vec::new();
    if chosen.is_empty() || chosen.iter().any(|c| c == DEFAULT) {
        let own = embedded(&SOURCES, &YAML).into_iter().filter(|(n, _)| is_mapping(n));
        files.extend(own.map(|(n, text)| MappingFile { file: format!("sources/{n}"), text, own: true }));
    }
    for path in chosen.iter().filter(|c| *c != DEFAULT) {
        let found = on_disk(path, &YAML)?;
        if found.is_empty() {
            return Err(UserError::new(format!("{path}: the folder holds no mapping file")).help("mapping files end in .yml or .yaml"));
        }
        files.extend(found.into_iter().filter(|(n, ..)| is_mapping(n)).map(|(file, text, named)| MappingFile {
            file: whole(path, file, named),
            text,
            own: false,
        }));
    }
    Ok(files)
}

/// A file's name with the folder that it was found in, so that an editor finds the line.
fn whole(folder: &str, file: String, named: bool) -> String {
    if named { file } else { format!("{}/{file}", folder.trim_end_matches('/')) }
}

/// The common language: the built-in list, and what lists beside own mappings add.
pub fn load_activities(chosen: &[String]) -> Result<Activities, UserError> {
    let mut all = Activities::default();
    if let Some(own) = SOURCES.get_file(ACTIVITIES_FILE).and_then(|f| f.contents_utf8()) {
        all = Activities::parse(own, "sources/activities.yml")?;
    }
    for path in chosen.iter().filter(|c| *c != DEFAULT) {
        for (name, text, named) in on_disk(path, &YAML)?.into_iter().filter(|(n, ..)| n.rsplit('/').next() == Some(ACTIVITIES_FILE)) {
            all.0.extend(Activities::parse(&text, &whole(path, name, named))?.0);
        }
    }
    Ok(all)
}

/// The rules of a run. A rule that had to load and did not ends the run.
pub fn load_rule_set(args: &RuleArgs) -> Result<(RuleSet, Vars), UserError> {
    load_rule_files(args).map(|(set, vars, _)| (set, vars))
}

/// As [`load_rule_set`], for a run that does not ask for the rules' tests.
pub fn load_rules_to_run(args: &RuleArgs) -> Result<RuleSet, UserError> {
    let mut texts = read_rule_files(args)?;
    texts.loading.without_tests = true;
    load_texts(texts, args.strict).map(|(set, ..)| set)
}

/// The texts that a run's rules are loaded from.
pub struct RuleTexts {
    /// Rule files.
    pub files: Vec<RuleFile>,
    /// Lists and thresholds.
    pub vars: Vars,
    /// How they are loaded.
    pub loading: Loading,
}

/// The rules of a run, the variables, and the files that the rules were loaded from.
pub fn load_rule_files(args: &RuleArgs) -> Result<(RuleSet, Vars, Vec<RuleFile>), UserError> {
    load_texts(read_rule_files(args)?, args.strict)
}

fn load_texts(texts: RuleTexts, strict: bool) -> Result<(RuleSet, Vars, Vec<RuleFile>), UserError> {
    let RuleTexts { files, vars, loading } = texts;
    let set = load_rules_through(files.clone(), &vars, loading);
    set.check(strict)?;
    for (i, pipeline) in set.loading.pipelines.iter().enumerate().filter(|(i, _)| set.count_through(*i) == 0) {
        say(&format!("warning: pipeline {} ({}) applied to no rule: see its rule_conditions", i + 1, printable(&pipeline.file)));
    }
    for note in &set.notes {
        say(&format!("note: {}", printable(note)));
    }
    for p in &set.problems {
        say(&format!("warning: rule not loaded: {p}"));
        if let Some(help) = &p.help {
            say(&format!("  help: {help}"));
        }
    }
    Ok((set, vars, files))
}

/// Reads the rule files and variables that the flags name.
pub fn read_rule_files(args: &RuleArgs) -> Result<RuleTexts, UserError> {
    let vars = with_lists(load_vars(&args.vars)?, args)?;
    let mut files = Vec::new();
    if args.rules.is_empty() || args.rules.iter().any(|c| c == DEFAULT) {
        files.extend(own_rule_files());
    }
    for path in args.rules.iter().filter(|c| *c != DEFAULT) {
        files.extend(rule_files_at(path)?);
    }
    let loading = Loading { pipelines: load_pipelines(args)?, all_statuses: args.all_statuses, without_tests: false };
    Ok(RuleTexts { files, vars, loading })
}

/// The pipelines of a run, in the order in which they are applied.
fn load_pipelines(args: &RuleArgs) -> Result<Pipelines, UserError> {
    let mut list = Vec::with_capacity(args.pipeline.len());
    for path in &args.pipeline {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| UserError::new(format!("{file}: {e}")).help("--pipeline takes a YAML file"))?;
        let pipeline = Pipeline::parse(&text, &file)?;
        if !pipeline.allowed_backends.is_empty() {
            say(&format!("note: {}: allowed_backends ({}) is ignored", printable(&file), printable(&pipeline.allowed_backends.join(", "))));
        }
        list.push(pipeline);
    }
    Ok(Pipelines::new(list))
}

/// What was learnt from earlier logs; `None` where no file is named.
pub fn load_baseline(args: &BaselineInput) -> Result<Option<Baseline>, UserError> {
    let mut all: Option<Baseline> = None;
    for path in &args.baseline {
        let one = read_baseline(path)?;
        match &mut all {
            None => all = Some(one),
            Some(all) => all
                .absorb(one)
                .map_err(|e| UserError::new(format!("{}: {e}", path.display())).help("give baselines of different sources or of different times"))?,
        }
    }
    Ok(all)
}

/// The built-in lists and thresholds, and those of the files in their place.
pub fn load_vars(paths: &[PathBuf]) -> Result<Vars, UserError> {
    let mut vars = Vars::default();
    if let Some(own) = RULES.get_file("vars.yml").and_then(|f| f.contents_utf8()) {
        vars = Vars::parse(own, "rules/vars.yml")?;
        // The built-in thresholds are the built-in rules' own: over an edited copy of a rule they would undo the edit.
        vars.thresholds.clear();
    }
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|e| UserError::new(format!("{}: {e}", path.display())))?;
        vars.override_with(Vars::parse(&text, &path.display().to_string())?);
    }
    Ok(vars)
}

/// The lists and indicators of files of their own, over those of variables files.
fn with_lists(mut vars: Vars, args: &RuleArgs) -> Result<Vars, UserError> {
    let read = |file: &str, flag: &str| {
        let fail = |e: std::io::Error| UserError::new(format!("{file}: {e}")).help(format!("{flag} takes a text file with one value a line"));
        std::fs::read_to_string(file).map_err(fail)
    };
    for given in &args.list {
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let Some((name, file)) = given.split_once('=').filter(|(name, _)| is_name(name)) else {
            return Err(UserError::new(format!("--list {given}: not a name and a file")).help("write --list own_egress=networks.txt"));
        };
        vars.set_list(name, parse_list(&read(file, "--list")?), file);
    }
    for path in &args.ioc {
        let file = path.display().to_string();
        if vars.add_indicators(&read(&file, "--ioc")?, &file) == 0 {
            say(&format!("warning: {}: it holds no indicator", printable(&file)));
        }
    }
    Ok(vars)
}

/// The files of the built-in pack.
fn own_rule_files() -> impl Iterator<Item = RuleFile> {
    let own = embedded(&RULES, &YAML).into_iter().filter(|(n, _)| n != "vars.yml");
    own.map(|(n, text)| RuleFile { file: format!("rules/{n}"), text, required: true })
}

/// The rule files of a folder, or one file.
fn rule_files_at(path: &str) -> Result<impl Iterator<Item = RuleFile>, UserError> {
    let found = on_disk(path, &YAML)?;
    if found.is_empty() {
        return Err(UserError::new(format!("{path}: the folder holds no rule file")).help("rule files end in .yml or .yaml"));
    }
    Ok(found.into_iter().map(|(file, text, named)| RuleFile { file, text, required: named }))
}

/// The files to check: as those of a run, but each named by its whole path, so that an editor finds the line.
pub fn lint_files(rules: &[String]) -> Result<Vec<LintFile>, UserError> {
    let mut files = Vec::new();
    if rules.is_empty() || rules.iter().any(|c| c == DEFAULT) {
        files.extend(own_rule_files().map(|rule_file| LintFile { rule_file, own: true }));
    }
    for path in rules.iter().filter(|c| *c != DEFAULT) {
        for mut rule_file in rule_files_at(path)? {
            if !rule_file.required {
                rule_file.file = whole(path, rule_file.file, false);
            }
            files.push(LintFile { rule_file, own: false });
        }
    }
    Ok(files)
}

/// Templates by name, such as `compliance/report.html`; a folder's file takes the place of the built-in one.
pub fn load_templates(chosen: &[String]) -> Result<Vec<(String, String)>, UserError> {
    const ENDINGS: [&str; 2] = [".html", ".md"];
    let mut out = std::collections::BTreeMap::new();
    if chosen.is_empty() || chosen.iter().any(|c| c == DEFAULT) {
        out.extend(embedded(&TEMPLATES, &ENDINGS));
    }
    for path in chosen.iter().filter(|c| *c != DEFAULT) {
        out.extend(on_disk(path, &ENDINGS)?.into_iter().map(|(n, t, _)| (n, t)));
    }
    Ok(out.into_iter().collect())
}

/// What is said of the logs beside them.
pub fn given(args: &CompletenessArgs, sources: &SourceSet) -> Result<(Option<Scope>, Option<Provenance>), UserError> {
    let read = |path: &PathBuf, flag: &str| {
        let file = path.display().to_string();
        std::fs::read_to_string(path)
            .map(|text| (text, file.clone()))
            .map_err(|e| UserError::new(format!("{file}: {e}")).help(format!("{flag} takes a YAML file")))
    };
    let scope = args.scope.as_ref().map(|p| read(p, "--scope").and_then(|(text, file)| Scope::parse(&text, &file, sources))).transpose()?;
    let provenance = args.provenance.as_ref().map(|p| read(p, "--provenance").and_then(|(text, file)| Provenance::parse(&text, &file))).transpose()?;
    Ok((scope, provenance))
}

/// The databases of addresses of a run: those of the flag, else those of the environment.
pub fn databases(args: &GeoArgs) -> Result<Arc<Databases>, UserError> {
    let named = std::env::var_os("AUDITMILL_GEOIP").filter(|_| args.geoip.is_empty());
    let named = named.map_or_else(Vec::new, |paths| std::env::split_paths(&paths).filter(|p| !p.as_os_str().is_empty()).collect());
    Databases::open(if args.geoip.is_empty() { &named } else { &args.geoip }).map(Arc::new)
}

/// Inputs of a run.
pub fn find_inputs(args: &InputArgs, force: bool) -> Result<Discovered, UserError> {
    args.rejects.as_deref().map_or(Ok(()), |path| check_free(path, force))?;
    if args.threads == Some(0) {
        return Err(UserError::new("--threads 0: at least one thread is needed"));
    }
    discover(&args.paths)
}

/// Writes the file of rejected records where one is asked for.
fn write_rejects(scan: &mut Scan<'_>, args: &InputArgs, force: bool) -> Result<(), UserError> {
    let Some(path) = &args.rejects else { return Ok(()) };
    let spools = std::mem::take(&mut scan.reject_spools);
    write_file(path, force, |out| crate::output::events::write_rejects(scan, spools, out))
}

/// Scans with a bar on a terminal, writes the rejects where they are asked for, and says what could not be read and what a
/// baseline does not know. An error also where no file holds a log.
pub fn scan<'a>(input: &InputArgs, talk: &TalkArgs, request: ScanRequest<'a, '_>) -> Result<Scan<'a>, Failure> {
    let bar = progress(request.found.inputs.len(), talk);
    let request = ScanRequest { threads: threads(input), rejects: input.rejects.is_some(), progress: &|n| bar.inc(n as u64), ..request };
    let mut result = crate::finding::scan::scan(request)?;
    bar.finish_and_clear();
    write_rejects(&mut result, input, talk.force)?;
    check_any_event(&result)?;
    say_rejects(&result);
    say_baseline(&result);
    Ok(result)
}

/// Worker threads of a run.
pub fn threads(args: &InputArgs) -> usize {
    args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// A zone by its name.
pub fn zone(args: &TimeArgs) -> Result<chrono_tz::Tz, UserError> {
    args.tz.parse().map_err(|_| UserError::new(format!("--tz {}: not a time zone", args.tz)).help("write a name such as Europe/Berlin or UTC"))
}

/// What a period is called, and its limits.
#[derive(Debug, Clone)]
pub struct AskedPeriod {
    /// As the user wrote it.
    pub label: Option<String>,
    /// Its limits.
    pub window: Window,
    /// The instant to count from, where one was given.
    pub as_of: Option<i64>,
}

/// Resolves the time flags.
pub fn period(args: &TimeArgs) -> Result<AskedPeriod, UserError> {
    let zone = zone(args)?;
    let as_of = args.as_of.as_deref().map(|t| instant(t, zone, "--as-of", true)).transpose()?;
    if let Some(text) = &args.last {
        let length = parse_duration(text)
            .ok_or_else(|| UserError::new(format!("--last {text}: not a duration")).help("write a number and s, m, h, d or w, such as 24h"))?;
        return Ok(AskedPeriod { label: Some(format!("last {text}")), window: Window::Last(length, as_of), as_of });
    }
    if let Some(text) = &args.period {
        let (first, after) = calendar_period(text, as_of, zone)
            .ok_or_else(|| UserError::new(format!("--period {text}: not a period")).help("write 2026, 2026-Q3, 2026-10, 2026-10-05 or last-month"))?;
        let midnight = |d: NaiveDate| d.and_hms_opt(0, 0, 0).and_then(|t| crate::event::time::local_to_utc(t, zone));
        return Ok(AskedPeriod { label: Some(text.clone()), window: Window::Fixed(Period { from: midnight(first), to: midnight(after) }), as_of });
    }
    let from = args.from.as_deref().map(|t| instant(t, zone, "--from", false)).transpose()?;
    let to = args.to.as_deref().map(|t| instant(t, zone, "--to", true)).transpose()?;
    if let (Some(f), Some(t)) = (from, to)
        && f >= t
    {
        return Err(UserError::new("--from is not before --to"));
    }
    let label = match (&args.from, &args.to) {
        (None, None) => None,
        (f, t) => Some(format!("{} to {}", f.as_deref().unwrap_or("the beginning"), t.as_deref().unwrap_or("the end"))),
    };
    Ok(AskedPeriod { label, window: Window::Fixed(Period { from, to }), as_of })
}

/// A time of a flag; as an end, a date means that whole day.
fn instant(text: &str, zone: chrono_tz::Tz, flag: &str, is_end: bool) -> Result<i64, UserError> {
    let error = || UserError::new(format!("{flag} {text}: not a date or time")).help("write 2024-01-15 or 2024-01-15T14:30:45Z");
    if is_end && let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let next = date.succ_opt().and_then(|d| d.and_hms_opt(0, 0, 0)).ok_or_else(error)?;
        return crate::event::time::local_to_utc(next, zone).ok_or_else(error);
    }
    parse_time(text, zone).map(|i| i.micros).ok_or_else(error)
}

fn calendar_period(text: &str, as_of: Option<i64>, zone: chrono_tz::Tz) -> Option<(NaiveDate, NaiveDate)> {
    let month = |y: i32, m: u32| NaiveDate::from_ymd_opt(y, m, 1);
    let months_on = |y: i32, m: u32, n: u32| if m + n > 12 { month(y + 1, m + n - 12) } else { month(y, m + n) };
    if text == "last-month" {
        let today = match as_of {
            Some(t) => crate::event::time::local_date(t, zone)?,
            None => chrono::Utc::now().with_timezone(&zone).date_naive(),
        };
        let this = month(today.year(), today.month())?;
        let last = this.pred_opt()?;
        return Some((month(last.year(), last.month())?, this));
    }
    let (year, rest) = match text.split_once('-') {
        Some((y, r)) => (y, Some(r)),
        None => (text, None),
    };
    if year.len() != 4 {
        return None;
    }
    let y: i32 = year.parse().ok()?;
    match rest {
        None => Some((month(y, 1)?, month(y + 1, 1)?)),
        Some(q) if q.starts_with(['Q', 'q']) => {
            let n: u32 = q[1..].parse().ok().filter(|n| (1..=4).contains(n))?;
            Some((month(y, n * 3 - 2)?, months_on(y, n * 3 - 2, 3)?))
        }
        Some(m) if m.len() == 2 => {
            let m: u32 = m.parse().ok()?;
            Some((month(y, m)?, months_on(y, m, 1)?))
        }
        Some(_) => {
            let d = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some((d, d.succ_opt()?))
        }
    }
}

/// How standard output is to look.
pub fn style(talk: &TalkArgs) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let color = match talk.color {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => terminal && !no_color,
    };
    let width = terminal.then(|| terminal_size::terminal_size().map_or(100, |(w, _)| w.0));
    Style { width, color }
}

/// How the talk on standard error is to look.
pub fn style_of_talk(talk: &TalkArgs) -> Style {
    let style = style(talk);
    Style { color: style.color && std::io::stderr().is_terminal(), ..style }
}

/// What this version does not look for: the lines of the pack's own list.
pub fn waiting() -> Vec<String> {
    let text = RULES.get_file("WAITING.md").and_then(|f| f.contents_utf8()).unwrap_or_default();
    let rows = text.lines().filter_map(|l| l.strip_prefix("| ")).filter(|l| !l.starts_with("finding "));
    rows.filter_map(|l| l.split(" | ").next()).map(|l| l.replace('`', "")).collect()
}

/// A progress bar on a terminal; nothing elsewhere.
pub fn progress(files: usize, talk: &TalkArgs) -> indicatif::ProgressBar {
    if talk.quiet || files < 2 || !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(files as u64);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} files  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Names on standard error what could not be read: at most a few lines a file, and how many more.
fn say_rejects(scan: &Scan<'_>) {
    const LINES: usize = 5;
    for r in &scan.rejects {
        say(&format!("warning: {}: {}", printable(&r.file), printable(&r.reason)));
    }
    let faulty: Vec<&FileReport> = scan.files.iter().filter(|f| f.faulty).collect();
    for file in faulty.iter().take(20) {
        for (record, reason) in file.reasons.iter().take(LINES) {
            let place = record.map_or(String::new(), |r| format!(":{r}"));
            say(&format!("warning: {}{place}: {}", printable(&file.name), printable(reason)));
        }
        let more = file.reasons.len().saturating_sub(LINES) as u64 + file.more_reasons;
        if more > 0 {
            say(&format!(
                "warning: {}: and {} more; --format json names the first {} of each file",
                printable(&file.name),
                grouped(more),
                crate::engine::gathered::MAX_REASONS
            ));
        }
    }
    if faulty.len() > 20 {
        say(&format!("warning: and {} more files with faults", faulty.len() - 20));
    }
}

/// Names the behaviour rules that a baseline says nothing of: they learn from these logs alone.
fn say_baseline(scan: &Scan<'_>) {
    let (changed, unknown) = scan.strangers_to_baseline();
    let list = |titles: Vec<&str>| titles.into_iter().map(|t| printable(t).into_owned()).collect::<Vec<_>>().join(", ");
    if !changed.is_empty() {
        say(&format!("warning: changed since the baseline was built, and learning anew from these logs: {}", list(changed)));
    }
    if !unknown.is_empty() {
        say(&format!("note: not in the baseline, and learning from these logs alone: {}", list(unknown)));
    }
}

/// Says in words which period `--last` came to.
pub fn say_period(asked: &AskedPeriod, scan: &Scan<'_>, talk: &TalkArgs) {
    if let (Window::Last(_, None), Some(to), false) = (asked.window, scan.period.to, talk.quiet) {
        say(&format!("note: {} counts from the newest event, {}", asked.label.as_deref().unwrap_or_default(), format_time(to - 1)));
    }
}

/// Nothing that was read held an event.
fn check_any_event(scan: &Scan<'_>) -> Result<(), Failure> {
    if scan.totals.read == 0 && !scan.is_incomplete() {
        let names: Vec<String> = scan.files.iter().take(3).map(|f| printable(&f.name).into_owned()).collect();
        return Err(UserError::new(format!("no audit log was found among {} files ({})", scan.files.len(), names.join(", ")))
            .help("give exported logs: JSON, NDJSON or CSV, plain or packed with gzip, zstd or zip")
            .into());
    }
    Ok(())
}
