//! Finds rule documents, splits files into documents and loads each on its own, so that one bad document costs only itself.

use super::behaviour::{Behaviour, BehaviourKind, Rarity, parse_behaviour};
use super::correlation::{Correlation, Fault, parse_correlation};
use super::meta::{Level, LogSource, Role, RuleMeta, RuleTest, Status};
use super::pipeline::{Pipelines, References, names_parts};
use super::sigma::parse_detections;
use super::vars::{Vars, weaker_than};
use super::{Body, DetectionRule, Filter, FilterTarget, Narrowing, Rule, Taxonomy, column_field_names};
use crate::diag::{RuleProblem, UserError};
use crate::event::time::format_duration;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use yaml_serde::{Mapping, Value};

/// A rule file's text and whether it must load.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Name to show.
    pub file: String,
    /// YAML text.
    pub text: String,
    /// Embedded, or named on the command line as a file: a fault ends the run.
    pub required: bool,
}

/// All rules of a run, and what did not become one.
#[derive(Debug, Clone, Default)]
pub struct RuleSet {
    /// Loaded rules, sorted by file and line.
    pub rules: Vec<Rule>,
    /// Documents that did not load.
    pub problems: Vec<RuleProblem>,
    /// Problems in files that had to load.
    pub fatal: Vec<RuleProblem>,
    /// For each rule the rules that it counts; empty for detections.
    pub(super) bases: Vec<Vec<usize>>,
    /// Filters, with the rules that they narrow.
    pub filters: Vec<Filter>,
    /// Rules skipped for their status (deprecated, unsupported): title, file.
    pub skipped: Vec<(String, String)>,
    /// What references may call the skipped rules.
    pub(super) skipped_names: BTreeSet<String>,
    /// Files that hold no rule.
    pub not_rules: Vec<String>,
    /// Notes such as a rule loaded once though it stands in two files.
    pub notes: Vec<String>,
    /// First 16 hex digits of the SHA-256 over all rule texts, thresholds and pipelines.
    pub hash: String,
    /// How the rules were loaded.
    pub loading: Loading,
}

/// How rules are loaded.
#[derive(Debug, Clone, Default)]
pub struct Loading {
    /// Pipelines that rewrite them first.
    pub pipelines: Pipelines,
    /// Deprecated and unsupported rules are loaded too.
    pub all_statuses: bool,
    /// The tests that rules carry are left unread: they are half of the text, and a scan does not ask for them.
    pub without_tests: bool,
}

/// Loads every document of every file.
pub fn load_rules(files: Vec<RuleFile>, vars: &Vars) -> RuleSet {
    load_rules_through(files, vars, Loading::default())
}

/// Loads every document of every file after the pipelines have rewritten it. A rule keeps the id and the hash of its file's text.
pub fn load_rules_through(mut files: Vec<RuleFile>, vars: &Vars, loading: Loading) -> RuleSet {
    let Loading { pipelines, all_statuses, without_tests } = loading;
    files.sort_by(|a, b| a.file.cmp(&b.file));
    let mut through = Through { references: References::default(), pipelines: &pipelines, without_tests };
    if !pipelines.is_empty() {
        for file in &files {
            for value in split_documents(&file.text).iter().filter_map(|(_, text)| yaml_serde::from_str(text).ok()) {
                through.references.add(&value, &file.file, &pipelines);
            }
        }
    }
    let mut set = RuleSet::default();
    let mut digest = Sha256::new();
    let mut by_id: HashMap<String, (String, String)> = HashMap::new();
    // Files are parsed side by side; everything that depends on their order comes after.
    let parsed: Vec<Vec<Result<Option<Loaded>, RuleProblem>>> = files
        .par_iter()
        .map(|file| split_documents(&file.text).into_iter().map(|(line, text)| load_document(&text, file, line, vars, &through)).collect())
        .collect();
    for (file, documents) in files.iter().zip(parsed) {
        digest.update(file.text.as_bytes());
        let mut any = false;
        for document in documents {
            match document {
                Ok(None) => {}
                Ok(Some(loaded)) => {
                    any = true;
                    let meta = loaded.meta();
                    if !all_statuses && matches!(meta.status, Some(Status::Deprecated | Status::Unsupported)) {
                        set.skipped_names.extend(meta.name.iter().chain([&meta.id, &meta.title]).cloned());
                        set.skipped.push((meta.title.clone(), meta.file.clone()));
                        continue;
                    }
                    if let Some((first, hash)) = by_id.get(&meta.id) {
                        if *hash == meta.hash {
                            set.notes.push(format!("{}: `{}` also stands in {first} and was loaded once", meta.file, meta.title));
                        } else {
                            let problem = RuleProblem {
                                file: meta.file.clone(),
                                line: meta.line,
                                reason: format!("id {} is also used by {first} with other content", meta.id),
                                help: Some("give one of them a new id".into()),
                            };
                            set.add_problem(problem, file.required);
                        }
                        continue;
                    }
                    by_id.insert(meta.id.clone(), (meta.file.clone(), meta.hash.clone()));
                    match loaded {
                        Loaded::Rule(rule) => set.rules.push(*rule),
                        Loaded::Filter(filter) => set.filters.push(*filter),
                    }
                }
                Err(problem) => {
                    any = true;
                    // Where a list is at fault, the rule is not: the user must mend the file.
                    let required = file.required || vars.is_at_fault(&problem.reason);
                    set.add_problem(problem, required);
                }
            }
        }
        if !any {
            if file.required {
                set.fatal.push(RuleProblem {
                    file: file.file.clone(),
                    line: 1,
                    reason: "not a rule: no document has detection or correlation".into(),
                    help: None,
                });
            }
            set.not_rules.push(file.file.clone());
        }
    }
    digest.update(format!("{:?} {:?} {:?}", vars.lists, vars.thresholds, vars.calendar).as_bytes());
    pipelines.digests().for_each(|d| digest.update(d));
    set.hash = hex(&digest.finalize())[..16].to_owned();
    set.link();
    set.loading = Loading { pipelines, all_statuses, without_tests };
    set
}

/// What documents go through before they are loaded.
struct Through<'a> {
    pipelines: &'a Pipelines,
    references: References,
    without_tests: bool,
}

impl RuleSet {
    pub(super) fn add_problem(&mut self, problem: RuleProblem, required: bool) {
        if required { self.fatal.push(problem) } else { self.problems.push(problem) }
    }

    /// Number of rules to which a pipeline applied.
    pub fn count_through(&self, pipeline: usize) -> usize {
        self.rules.iter().filter(|r| r.meta.pipelines.contains(&pipeline)).count()
    }

    /// Ends the run when a rule that had to load did not.
    pub fn check(&self, strict: bool) -> Result<(), UserError> {
        let first = self.fatal.first().or(if strict { self.problems.first() } else { None });
        match first {
            None => Ok(()),
            Some(p) => Err(UserError { message: p.to_string(), help: p.help.clone() }),
        }
    }
}

/// Splits a YAML stream at its `---` lines; gives each document with the 1-based line that it starts on.
pub fn split_documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = Vec::new();
    let (mut start, mut current) = (1, String::new());
    for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim_end() == "---" || line.starts_with("--- ") {
            documents.push((start, std::mem::take(&mut current)));
            // What follows on the same line is the document's first line.
            let rest = line[3..].trim_start();
            start = if rest.is_empty() { i + 2 } else { i + 1 };
            if !rest.is_empty() {
                current.push_str(rest);
                current.push('\n');
            }
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    documents.push((start, current));
    documents.retain(|(_, t)| t.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')));
    documents
}

/// A document without its `tests:` at the top level, and those alone; in both the lines keep their numbers.
pub fn split_tests(text: &str) -> (String, String) {
    split_sections(text, &["tests"])
}

/// A document without some sections of its top level, and these alone; in both the lines keep their numbers.
pub fn split_sections(text: &str, names: &[&str]) -> (String, String) {
    let (mut rest, mut sections) = (String::with_capacity(text.len()), String::new());
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let begins_key = line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '"' || c == '\'');
        if begins_key {
            inside = names.iter().any(|n| line.strip_prefix(n).is_some_and(|after| after.starts_with(':')));
        }
        let (of, other) = if inside { (&mut sections, &mut rest) } else { (&mut rest, &mut sections) };
        of.push_str(line);
        other.push('\n');
    }
    (rest, sections)
}

/// A document that loaded.
enum Loaded {
    Rule(Box<Rule>),
    Filter(Box<Filter>),
}

impl Loaded {
    fn meta(&self) -> &RuleMeta {
        match self {
            Loaded::Rule(rule) => &rule.meta,
            Loaded::Filter(filter) => &filter.meta,
        }
    }
}

/// Loads one document; `None` when it is not a rule at all.
fn load_document(text: &str, file: &RuleFile, line: usize, vars: &Vars, through: &Through<'_>) -> Result<Option<Loaded>, RuleProblem> {
    let problem = |line: usize, reason: String, help: Option<String>| RuleProblem { file: file.file.clone(), line, reason, help };
    let whole = text;
    let cut = through.without_tests.then(|| split_tests(text).0);
    // What is no YAML without its tests is told of as it stands.
    let shortened: Option<(&str, Value)> = cut.as_deref().and_then(|t| Some((t, yaml_serde::from_str(t).ok()?)));
    let (text, value) = match shortened {
        Some(read) => read,
        None => (
            text,
            yaml_serde::from_str(text).map_err(|e| {
                let at = e.location().map_or(line, |l| line + l.line().saturating_sub(1));
                problem(at, format!("not valid YAML: {e}"), Some("check the indentation and quotes of this line".into()))
            })?,
        ),
    };
    let Some(map) = value.as_mapping() else { return Ok(None) };
    let present: Vec<&str> = ["detection", "correlation", "filter", "behaviour"].into_iter().filter(|k| map.contains_key(*k)).collect();
    if map.contains_key("action") && !present.is_empty() {
        return Err(problem(line, "collection documents (`action:`) are not supported".into(), Some("write each rule out".into())));
    }
    let kind = match present.as_slice() {
        [] if map.contains_key("title") && (map.contains_key("logsource") || map.contains_key("level")) => {
            return Err(problem(line, "the rule has neither `detection` nor `correlation`".into(), Some("add a `detection:` section".into())));
        }
        [] => return Ok(None),
        [one] => *one,
        many => {
            return Err(problem(
                line,
                format!("a document has one of detection, correlation, filter, behaviour; this has {}", many.join(" and ")),
                Some("split it".into()),
            ));
        }
    };
    let at = |key: &str| line + text.lines().position(|l| l.starts_with(key)).unwrap_or(0);
    if map.get(kind).is_some_and(names_parts) {
        return Err(problem(at(&format!("{kind}:")), "a name begins with the control character U+0001".into(), Some("remove the character".into())));
    }
    let changed =
        through.pipelines.transform(&value, &through.references, &file.file).map_err(|(reason, help)| problem(at(&format!("{kind}:")), reason, help))?;
    let Some(map) = changed.value.as_mapping() else { return Ok(None) };
    let mut meta = read_meta(map, whole, file, line).map_err(|r| problem(line, r, None))?;
    meta.pipelines = changed.pipelines.clone();
    let body = if kind == "behaviour" {
        let parsed = map.get("behaviour").map(|v| parse_behaviour(v, vars));
        let mut behaviour = match parsed {
            Some(Ok(b)) => b,
            Some(Err((reason, help))) => return Err(problem(at("behaviour:"), reason, help)),
            None => return Ok(None),
        };
        tune_behaviour(&mut behaviour, &meta, vars);
        Body::Behaviour(behaviour)
    } else if kind == "correlation" {
        let generate = map.get("generate").and_then(Value::as_bool);
        let parsed = map.get("correlation").map(|v| parse_correlation(v, generate));
        let mut correlation = match parsed {
            Some(Ok(c)) => c,
            Some(Err((reason, help))) => return Err(problem(at("correlation:"), reason, help)),
            None => return Ok(None),
        };
        apply_threshold(&mut correlation, &meta, vars);
        Body::Correlation(correlation)
    } else {
        let detections = parse_detections(changed.text.as_deref().unwrap_or(text), vars).map_err(|(reason, help)| {
            let written = |f| changed.renamed.get(f).map_or(f, String::as_str);
            let inner = reason
                .split('`')
                .nth(1)
                .map(written)
                .and_then(|f| text.lines().position(|l| l.trim_start().trim_start_matches("- ").trim_start_matches(['\'', '"']).starts_with(f)));
            problem(inner.map_or_else(|| at(&format!("{kind}:")), |i| line + i), reason, help)
        })?;
        let needed = match map.get("needs_lists") {
            Some(Value::Sequence(names)) => {
                let unset = |n: &&str| !changed.filled.contains(*n) && vars.list(n).is_none_or(<[String]>::is_empty);
                names.iter().filter_map(Value::as_str).find(unset).map(str::to_owned)
            }
            _ => None,
        };
        meta.unset_list = detections.unset_list.or(needed);
        let taxonomy = match map.get("taxonomy").and_then(Value::as_str) {
            Some("auditmill") => Taxonomy::Columns,
            Some("sigma") | None => Taxonomy::Vendor,
            // A pipeline has made its names the vendor's.
            Some(_) if !changed.pipelines.is_empty() => Taxonomy::Vendor,
            Some(other) => {
                let help = if through.pipelines.is_empty() {
                    "use `taxonomy: auditmill` for event columns, or leave it out for the vendor's fields; --pipeline maps other names to ours"
                } else {
                    "no transformation of the pipelines applies to this rule: see their rule_conditions"
                };
                return Err(problem(at("taxonomy:"), format!("taxonomy `{other}` is not known"), Some(help.into())));
            }
        };
        let logsource: LogSource = match map.get("logsource") {
            Some(v) => yaml_serde::from_value(v.clone()).map_err(|e| problem(at("logsource:"), format!("logsource: {e}"), None))?,
            None => LogSource::default(),
        };
        if kind == "filter" {
            let target = filter_target(map).map_err(|(reason, help)| problem(at("filter:"), reason, help))?;
            let narrowing = Narrowing { title: meta.title.clone(), taxonomy, selections: detections.selections, condition: detections.condition };
            let mut names = Vec::new();
            narrowing.selections.values().for_each(|d| d.visit_fields(&mut |f| names.push(f)));
            names
                .iter()
                .try_for_each(|n| taxonomy.resolve(n).map(|_| ()))
                .map_err(|e| problem(at("filter:"), e, Some(format!("event columns are: {}", column_names()))))?;
            return Ok(Some(Loaded::Filter(Box::new(Filter { meta, logsource, target, narrowing: Arc::new(narrowing), applied_to: Vec::new() }))));
        }
        let rule = DetectionRule { taxonomy, logsource, selections: detections.selections, condition: detections.condition, filters: Vec::new() };
        rule.fields().map_err(|e| {
            let mapped = if changed.renamed.is_empty() { "" } else { "a pipeline mapped its fields: keep it off such rules with rule_conditions; " };
            problem(at("detection:"), e, Some(format!("{mapped}event columns are: {}", column_names())))
        })?;
        Body::Detection(rule)
    };
    Ok(Some(Loaded::Rule(Box::new(Rule { meta, body }))))
}

/// Which rules a filter names: a list, one, or the word `any`; leaving it out is not the same as `any`.
fn filter_target(document: &Mapping) -> Result<FilterTarget, Fault> {
    const HELP: &str = "list the ids or names of the rules that it narrows, or write `rules: any`";
    let rules = document.get("filter").and_then(Value::as_mapping).and_then(|f| f.get("rules"));
    let text = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| ("`filter.rules` must hold text".to_owned(), Some(HELP.to_owned())));
    match rules {
        Some(Value::String(s)) if s.eq_ignore_ascii_case("any") => Ok(FilterTarget::Any),
        Some(Value::Sequence(items)) if !items.is_empty() => Ok(FilterTarget::Rules(items.iter().map(text).collect::<Result<_, _>>()?)),
        None | Some(Value::Null | Value::Sequence(_)) => Err(("a filter needs `rules`".into(), Some(HELP.into()))),
        Some(v) => Ok(FilterTarget::Rules(vec![text(v)?])),
    }
}

fn column_names() -> String {
    column_field_names().collect::<Vec<_>>().join(", ")
}

fn apply_threshold(correlation: &mut Correlation, meta: &RuleMeta, vars: &Vars) {
    let Some(threshold) = meta.name.as_deref().and_then(|n| vars.thresholds.get(n)) else { return };
    let own_span = correlation.timespan;
    let mut own_limit = 0.0;
    let mut limit = 0.0;
    if let Some(first) = correlation.limits.iter_mut().find(|l| l.is_lower_bound()) {
        own_limit = first.value;
        first.value = threshold.gte.unwrap_or(first.value);
        limit = first.value;
    }
    if let Some(span) = threshold.timespan.as_deref().and_then(crate::event::time::parse_duration) {
        correlation.timespan = span;
    }
    correlation.weakened = weaker_than(own_limit, own_span, limit, correlation.timespan);
}

/// A site's threshold of a behaviour: `gte` is the floor of a volume or the `fewer-than` of a rare value, `timespan` the
/// window of a volume or the time after which an entity is dormant.
fn tune_behaviour(behaviour: &mut Behaviour, meta: &RuleMeta, vars: &Vars) {
    let Some(threshold) = meta.name.as_deref().and_then(|n| vars.thresholds.get(n)) else { return };
    let limit = threshold.gte.filter(|n| *n >= 1.0).map(|n| n.ceil() as u64);
    let span = threshold.timespan.as_deref().and_then(crate::event::time::parse_duration);
    behaviour.weakened = match &mut behaviour.kind {
        BehaviourKind::Spike(v) | BehaviourKind::Silence(v) => {
            let own = *v;
            (v.floor, v.timespan) = (limit.unwrap_or(own.floor), span.unwrap_or(own.timespan));
            weaker_than(own.floor as f64, own.timespan, v.floor as f64, v.timespan)
        }
        BehaviourKind::RareValue { rarity: Rarity::FewerThan { limit: own, .. }, .. } => {
            let before = std::mem::replace(own, limit.unwrap_or(*own).max(2));
            // Here the smaller limit finds less.
            (*own < before).then(|| format!("fewer than {own} instead of {before}"))
        }
        BehaviourKind::Dormant { after } => {
            let own = std::mem::replace(after, span.unwrap_or(*after));
            (*after > own).then(|| format!("{} instead of {}", format_duration(*after), format_duration(own)))
        }
        _ => None,
    };
}

fn read_meta(map: &Mapping, text: &str, file: &RuleFile, line: usize) -> Result<RuleMeta, String> {
    let get = |key: &str| map.get(key).and_then(|v| v.as_str().map(str::to_owned).or_else(|| v.as_i64().map(|n| n.to_string())));
    let list = |key: &str| -> Vec<String> {
        match map.get(key) {
            Some(Value::Sequence(items)) => items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            Some(Value::String(s)) => vec![s.clone()],
            _ => Vec::new(),
        }
    };
    let hash = hex(&Sha256::digest(text.as_bytes()));
    let title = get("title").filter(|t| !t.trim().is_empty()).ok_or("the rule has no `title`")?;
    let level = match get("level") {
        Some(l) => l.parse::<Level>().map_err(|()| format!("`{l}` is not a level: informational, low, medium, high or critical"))?,
        None => Level::Medium,
    };
    let role = match map.get("role") {
        Some(v) => yaml_serde::from_value::<Role>(v.clone()).map_err(|_| "role must be violation, signal or operation".to_owned())?,
        None => Role::Signal,
    };
    let status = get("status").and_then(|s| yaml_serde::from_str::<Status>(&s).ok());
    let (tests, tests_unread) = match map.get("tests").map(|v| yaml_serde::from_value::<Vec<RuleTest>>(v.clone())) {
        None => (Vec::new(), None),
        Some(Ok(tests)) => (tests, None),
        Some(Err(e)) if file.required => return Err(format!("tests: {e}")),
        // In a foreign pack the key may be another tool's: it is then not ours to judge.
        Some(Err(e)) => (Vec::new(), Some(e.to_string())),
    };
    Ok(RuleMeta {
        id: get("id").unwrap_or_else(|| format!("sha256:{}", &hash[..32])),
        name: get("name"),
        title,
        level,
        role,
        status,
        description: get("description").unwrap_or_default().trim().to_owned(),
        falsepositives: list("falsepositives"),
        tags: list("tags"),
        references: list("references"),
        needs_lists: list("needs_lists"),
        tests_unread,
        fields: list("fields"),
        modified: get("modified").or_else(|| get("date")),
        tests,
        file: file.file.clone(),
        line,
        hash: hash[..12].to_owned(),
        unset_list: None,
        required: file.required,
        pipelines: Vec::new(),
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[d as usize])).collect()
}
