//! Finds rule documents, splits files into documents and loads each on its own, so that one bad document costs only itself.

use super::correlation::{Correlation, parse_correlation};
use super::meta::{Level, LogSource, Role, RuleMeta, RuleTest, Status};
use super::sigma::parse_detections;
use super::vars::{Vars, weaker_than};
use super::{Body, DetectionRule, Rule, Taxonomy};
use crate::diag::{RuleProblem, UserError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
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
    /// Rules skipped for their status (deprecated, unsupported): title, file.
    pub skipped: Vec<(String, String)>,
    /// Files that hold no rule.
    pub not_rules: Vec<String>,
    /// Notes such as a rule loaded once though it stands in two files.
    pub notes: Vec<String>,
    /// First 16 hex digits of the SHA-256 over all rule texts and thresholds.
    pub hash: String,
}

/// Loads every document of every file.
pub fn load_rules(mut files: Vec<RuleFile>, vars: &Vars) -> RuleSet {
    files.sort_by(|a, b| a.file.cmp(&b.file));
    let mut set = RuleSet::default();
    let mut digest = Sha256::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for file in &files {
        digest.update(file.text.as_bytes());
        let documents = split_documents(&file.text);
        let mut any = false;
        for (line, text) in documents {
            match load_document(&text, file, line, vars) {
                Ok(None) => {}
                Ok(Some(rule)) => {
                    any = true;
                    if matches!(rule.meta.status, Some(Status::Deprecated | Status::Unsupported)) {
                        set.skipped.push((rule.meta.title, rule.meta.file));
                        continue;
                    }
                    if let Some(&other) = by_id.get(&rule.meta.id) {
                        let first: &RuleMeta = &set.rules[other].meta;
                        if first.hash == rule.meta.hash {
                            set.notes.push(format!("{}: `{}` also stands in {} and was loaded once", rule.meta.file, rule.meta.title, first.file));
                        } else {
                            let problem = RuleProblem {
                                file: rule.meta.file.clone(),
                                line: rule.meta.line,
                                reason: format!("id {} is also used by {} with other content", rule.meta.id, first.file),
                                help: Some("give one of them a new id".into()),
                            };
                            set.add_problem(problem, file.required);
                        }
                        continue;
                    }
                    by_id.insert(rule.meta.id.clone(), set.rules.len());
                    set.rules.push(rule);
                }
                Err(problem) => {
                    any = true;
                    set.add_problem(problem, file.required);
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
    digest.update(format!("{vars:?}").as_bytes());
    set.hash = hex(&digest.finalize())[..16].to_owned();
    set.resolve_references();
    set
}

impl RuleSet {
    fn add_problem(&mut self, problem: RuleProblem, required: bool) {
        if required { self.fatal.push(problem) } else { self.problems.push(problem) }
    }

    /// The rule that a correlation's reference means: by id, then name, then title (own file first).
    pub fn find(&self, reference: &str, from_file: &str) -> Result<usize, String> {
        let pick = |fits: &dyn Fn(&RuleMeta) -> bool| -> Vec<usize> { self.rules.iter().enumerate().filter(|(_, r)| fits(&r.meta)).map(|(i, _)| i).collect() };
        let found = pick(&|m| m.id.eq_ignore_ascii_case(reference));
        let found = if found.is_empty() { pick(&|m| m.name.as_deref() == Some(reference)) } else { found };
        let found = if found.is_empty() { pick(&|m| m.title == reference && m.file == from_file) } else { found };
        let found = if found.is_empty() { pick(&|m| m.title == reference) } else { found };
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("no rule has the id, name or title `{reference}`")),
            many => Err(format!("`{reference}` could mean {} rules", many.len())),
        }
    }

    /// Correlations whose references do not resolve to detections become problems.
    fn resolve_references(&mut self) {
        let mut bad: Vec<(usize, String)> = Vec::new();
        for (i, rule) in self.rules.iter().enumerate() {
            let Body::Correlation(c) = &rule.body else { continue };
            for reference in &c.rules {
                match self.find(reference, &rule.meta.file) {
                    Err(reason) => bad.push((i, reason)),
                    Ok(base) => match &self.rules[base].body {
                        Body::Correlation(_) => {
                            bad.push((i, format!("`{reference}` is a correlation: chained correlations are not supported by this version")))
                        }
                        Body::Detection(d) => {
                            for f in c.group_by.iter().chain(&c.fields) {
                                if let Err(e) = d.taxonomy.resolve(f) {
                                    bad.push((i, e));
                                }
                            }
                        }
                    },
                }
            }
        }
        bad.dedup_by_key(|(i, _)| *i);
        for (i, reason) in bad.into_iter().rev() {
            let rule = self.rules.remove(i);
            let problem = RuleProblem {
                file: rule.meta.file.clone(),
                line: rule.meta.line,
                reason,
                help: Some("list names or ids of detection rules that are loaded in the same run".into()),
            };
            self.add_problem(problem, rule.meta.required);
        }
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
            start = i + 2;
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    documents.push((start, current));
    documents.retain(|(_, t)| t.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#')));
    documents
}

/// Loads one document; `None` when it is not a rule at all.
fn load_document(text: &str, file: &RuleFile, line: usize, vars: &Vars) -> Result<Option<Rule>, RuleProblem> {
    let problem = |line: usize, reason: String, help: Option<String>| RuleProblem { file: file.file.clone(), line, reason, help };
    let value: Value = yaml_serde::from_str(text).map_err(|e| {
        let at = e.location().map_or(line, |l| line + l.line().saturating_sub(1));
        problem(at, format!("not valid YAML: {e}"), Some("check the indentation and quotes of this line".into()))
    })?;
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
    if matches!(kind, "filter" | "behaviour") {
        return Err(problem(line, format!("`{kind}` documents are not supported by this version"), None));
    }
    let mut meta = read_meta(map, text, file, line).map_err(|r| problem(line, r, None))?;
    let at = |key: &str| line + text.lines().position(|l| l.starts_with(key)).unwrap_or(0);
    let body = if kind == "correlation" {
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
        let detections = parse_detections(text, vars).map_err(|(reason, help)| {
            let inner = reason
                .split('`')
                .nth(1)
                .and_then(|f| text.lines().position(|l| l.trim_start().trim_start_matches("- ").trim_start_matches(['\'', '"']).starts_with(f)));
            problem(inner.map_or_else(|| at("detection:"), |i| line + i), reason, help)
        })?;
        let needed = match map.get("needs_lists") {
            Some(Value::Sequence(names)) => names.iter().filter_map(Value::as_str).find(|n| vars.list(n).is_none_or(<[String]>::is_empty)).map(str::to_owned),
            _ => None,
        };
        meta.unset_list = detections.unset_list.or(needed);
        let taxonomy = match map.get("taxonomy").and_then(Value::as_str) {
            Some("auditmill") => Taxonomy::Columns,
            Some("sigma") | None => Taxonomy::Vendor,
            Some(other) => {
                return Err(problem(
                    at("taxonomy:"),
                    format!("taxonomy `{other}` is not known"),
                    Some("use `taxonomy: auditmill` for event columns, or leave it out for the vendor's fields".into()),
                ));
            }
        };
        let logsource: LogSource = match map.get("logsource") {
            Some(v) => yaml_serde::from_value(v.clone()).map_err(|e| problem(at("logsource:"), format!("logsource: {e}"), None))?,
            None => LogSource::default(),
        };
        let rule = DetectionRule { taxonomy, logsource, selections: detections.selections, condition: detections.condition };
        rule.fields().map_err(|e| problem(at("detection:"), e, Some(format!("event columns are: {}", column_names()))))?;
        Body::Detection(rule)
    };
    Ok(Some(Rule { meta, body }))
}

fn column_names() -> String {
    crate::event::Column::ALL.iter().map(|c| c.name()).collect::<Vec<_>>().join(", ")
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
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
