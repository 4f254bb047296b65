//! Checks of mapping files: what does not load, and what probably does not do what its author meant.
//!
//! The checks read the YAML tree, not the compiled mapping, so that they also say something of files that do not load.

mod expression;
mod table;

pub use table::Check;

use super::activities::Activities;
use super::keys;
use super::mapping::Mapping;
use crate::diag::UserError;
use crate::event::CATEGORIES;
use crate::event::value::fold_case;
use crate::rule::lint::tree::{self, Data, Entry, Node};
use crate::rule::lint::{Finding, Severity, count, meant, shown};
use std::collections::BTreeMap;

/// A mapping file to check.
#[derive(Debug, Clone)]
pub struct MappingFile {
    /// Name.
    pub file: String,
    /// Text.
    pub text: String,
    /// One of the built-in mappings: held to their conventions.
    pub own: bool,
}

/// One fault of one file.
pub type LintFinding = Finding<Check>;

/// What a lint found.
#[derive(Debug, Clone, Default)]
pub struct Lint {
    /// Findings in the order of files and lines.
    pub findings: Vec<LintFinding>,
    /// Files read.
    pub files: usize,
}

impl Lint {
    /// Number of findings of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        count(&self.findings, severity)
    }
}

/// A file with its tree.
struct Doc<'a> {
    file: &'a MappingFile,
    root: Node,
}

impl Doc<'_> {
    fn id(&self) -> &str {
        self.root.text_of("id").unwrap_or_default()
    }
}

/// Takes the findings of one file.
struct Report<'a> {
    file: &'a MappingFile,
    findings: &'a mut Vec<LintFinding>,
}

impl Report<'_> {
    fn add(&mut self, check: Check, line: usize, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(LintFinding {
            file: self.file.file.clone(),
            line,
            check,
            severity: check.severity(self.file.own),
            message: message.into(),
            help: help.into(),
        });
    }

    /// Names the keys of a mapping that mean nothing there.
    fn keys(&mut self, node: &Node, known: &[&str], place: &str) {
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                self.add(Check::UnknownKey, entry.line, format!("`{}` means nothing in {place}", shown(&entry.key)), meant(&entry.key, known));
            }
        }
    }

    fn path(&mut self, path: &str, line: usize) {
        self.path_with(path, line, keys::path_fault(path));
    }

    /// A path where brackets mean nothing.
    fn plain_path(&mut self, path: &str, line: usize) {
        self.path_with(path, line, keys::plain_path_fault(path));
    }

    fn path_with(&mut self, path: &str, line: usize, fault: Option<&str>) {
        if let Some(fault) = fault {
            self.add(
                Check::PathForm,
                line,
                format!("the path `{}`: {fault}", shown(path)),
                "write a path such as `actor.mail`, `target[0].id` or `details[key=name].value`",
            );
        }
    }
}

/// Runs every check over every file; `beside` are mappings that are loaded in the same run and not checked.
pub fn lint(files: &[MappingFile], beside: &[MappingFile], activities: &Activities) -> Lint {
    let mut sorted: Vec<&MappingFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.file.cmp(&b.file));
    let mut out = Lint { files: files.len(), ..Lint::default() };
    let docs: Vec<Doc<'_>> = sorted.iter().filter_map(|f| read(f)).collect();
    let others: Vec<Doc<'_>> = beside.iter().filter_map(read).collect();
    for doc in &docs {
        let mut report = Report { file: doc.file, findings: &mut out.findings };
        check_one(&mut report, doc, activities);
    }
    across(&docs, &others, &mut out.findings);
    for file in sorted {
        if let Err(error) = Mapping::parse(&file.text, &file.file)
            && !out.findings.iter().any(|f| f.file == file.file && f.severity == Severity::Error)
        {
            out.findings.push(not_loaded(file, &error));
        }
    }
    let last: BTreeMap<&str, usize> = files.iter().map(|f| (f.file.as_str(), f.text.lines().count().max(1))).collect();
    for finding in &mut out.findings {
        finding.line = finding.line.min(last.get(finding.file.as_str()).copied().unwrap_or(usize::MAX));
    }
    out.findings.sort();
    out.findings.dedup();
    out
}

/// The checks of one file by itself.
fn check_one(report: &mut Report<'_>, doc: &Doc<'_>, activities: &Activities) {
    head(report, doc);
    detect(report, doc);
    times(report, doc);
    columns(report, doc);
    activity(report, doc, activities);
    classes(report, doc, activities);
    tests(report, doc);
}

/// A file's tree, where it is a mapping of YAML.
fn read(file: &MappingFile) -> Option<Doc<'_>> {
    let root = tree::read(&file.text, 1).ok()?;
    matches!(root.data, Data::Map(_)).then_some(Doc { file, root })
}

/// A refusal of the loader with the line and the advice of the check that says the same, or of the key that it names.
pub fn placed(text: &str, file: &str, error: UserError) -> UserError {
    let mapping = MappingFile { file: file.to_owned(), text: text.to_owned(), own: false };
    let mut findings = Vec::new();
    if let Some(doc) = read(&mapping) {
        check_one(&mut Report { file: &mapping, findings: &mut findings }, &doc, &Activities::default());
    }
    findings.sort();
    let found = findings.into_iter().find(|f| f.severity == Severity::Error).unwrap_or_else(|| not_loaded(&mapping, &error));
    UserError::new(format!("{file}:{}: {}", found.line, found.message)).help(found.help)
}

/// The loader's own words, without the file that stands before them, and with the line that is meant.
fn not_loaded(file: &MappingFile, error: &UserError) -> LintFinding {
    let message = error.message.strip_prefix(file.file.as_str()).unwrap_or(&error.message).trim_start_matches(':').trim_start();
    let line = line_in(message).or_else(|| line_of_key(file, message)).unwrap_or(1);
    LintFinding {
        file: file.file.clone(),
        line: line.clamp(1, file.text.lines().count().max(1)),
        check: Check::NotLoaded,
        severity: Check::NotLoaded.severity(file.own),
        message: shown_long(message),
        help: error.help.clone().unwrap_or_else(|| "mend the file; sources/README.md says what a mapping has".into()),
    }
}

/// The line of the key with which a message begins, such as `columns.ip: ...`.
fn line_of_key(file: &MappingFile, message: &str) -> Option<usize> {
    let doc = read(file)?;
    let place = message.split(':').next()?;
    let mut parts = place.split('.');
    let mut entry = doc.root.get(parts.next()?)?;
    for part in parts {
        match entry.value.get(part) {
            Some(inner) => entry = inner,
            None => break,
        }
    }
    Some(entry.line)
}

/// One line, at most 300 characters.
fn shown_long(text: &str) -> String {
    text.chars().take(300).map(|c| if c == '\n' || c == '\r' { ' ' } else { c }).collect()
}

/// The line that a YAML fault names.
fn line_in(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("at line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Id, title, log source and the keys of the file.
fn head(report: &mut Report<'_>, doc: &Doc<'_>) {
    let root = &doc.root;
    let start = root.entries().first().map_or(1, |e| e.line);
    report.keys(root, keys::top_level(), "a mapping");
    let title = root.get("title").and_then(|e| e.value.scalar()).filter(|t| !t.trim().is_empty());
    if title.is_none() {
        let line = root.get("title").map_or(start, |e| e.line);
        report.add(Check::MissingTitle, line, "the mapping has no `title`", "add the system's name, such as `title: Acme Vault`");
    }
    for key in ["id", "detect", "time", "columns"] {
        if root.get(key).is_none() {
            report.add(Check::MissingKey, start, format!("the mapping has no `{key}`"), "a mapping has id, title, logsource, detect, time and columns");
        }
    }
    if let Some(entry) = root.get("id") {
        let id = entry.value.scalar().unwrap_or_default();
        let good = id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !good {
            report.add(
                Check::IdForm,
                entry.line,
                format!("`{}` is not lower case words joined by underscores", shown(&id)),
                "write an id such as `acme_vault`",
            );
        }
    }
    match root.get("logsource") {
        Some(entry) if !entry.value.members().is_empty() => entry.value.members().into_iter().for_each(|n| report.keys(n, keys::logsource(), "logsource")),
        other => {
            let line = other.map_or(start, |e| e.line);
            report.add(Check::MissingLogsource, line, "no public rule can name these records", "add `logsource: [{product: acme, service: audit}]`");
        }
    }
    if let Some(entry) = root.get("aliases") {
        for alias in entry.value.entries() {
            for path in alias.value.members() {
                if let Some(text) = path.scalar() {
                    report.path(&text, path.line);
                }
            }
        }
    }
    for key in ["each", "json_text"] {
        for node in root.get(key).map(|e| e.value.members()).unwrap_or_default() {
            if let Some(text) = node.scalar() {
                report.plain_path(&text, node.line);
            }
        }
    }
    for key in ["retention", "delivery_lag"] {
        if let Some(entry) = root.get(key) {
            let text = entry.value.scalar().unwrap_or_default();
            if crate::event::time::parse_duration(&text).is_none() {
                report.add(
                    Check::DurationForm,
                    entry.line,
                    format!("`{}` is not a length of time", shown(&text)),
                    "write a number and s, m, h, d or w, such as `90d`",
                );
            }
        }
    }
    if root.get("tests").is_none_or(|e| e.value.members().is_empty()) {
        report.add(
            Check::MissingTests,
            start,
            "the mapping has no `tests`",
            "add a real event and the columns expected of it; `auditmill sources test` runs them",
        );
    }
}

/// Alternatives of `detect`: their paths, and whether they ask for enough.
fn detect(report: &mut Report<'_>, doc: &Doc<'_>) {
    let Some(entry) = doc.root.get("detect") else { return };
    for alternative in entry.value.members() {
        report.keys(alternative, keys::detect(), "an alternative of detect");
        for key in ["has", "without"] {
            for path in alternative.get(key).map(|e| e.value.members()).unwrap_or_default() {
                if let Some(text) = path.scalar() {
                    report.plain_path(&text, path.line);
                }
            }
        }
        // A path that goes down asks for what it goes through as well.
        let parts = |n: &&Node| n.scalar().map_or(0, |p| p.split('.').count());
        let asked: usize = alternative.get("has").map(|e| e.value.members()).unwrap_or_default().iter().map(parts).sum();
        let absent = alternative.get("without").map_or(0, |e| e.value.members().len());
        let held = alternative.get("where").map_or(0, |e| e.value.entries().len());
        if held == 0 && asked + absent < 2 {
            let help = "name the two to five fields that only this system's records have, or add a `where`";
            report.add(Check::WeakDetect, alternative.line, "this alternative asks for one field and nothing else", help);
        }
    }
}

/// Paths, formats and zones of `time`.
fn times(report: &mut Report<'_>, doc: &Doc<'_>) {
    let Some(entry) = doc.root.get("time") else { return };
    for node in entry.value.members() {
        time(report, node);
    }
}

fn time(report: &mut Report<'_>, node: &Node) {
    if let Some(path) = node.scalar() {
        return report.plain_path(&path, node.line);
    }
    report.keys(node, if node.get("first").is_some() { keys::zoned_times() } else { keys::time() }, "time");
    expression::capture(report, node);
    for path in ["path", "first"].iter().filter_map(|k| node.get(k)).flat_map(|e| e.value.members()) {
        time(report, path);
    }
    if let Some(entry) = node.get("format") {
        let format = entry.value.scalar().unwrap_or_default();
        let known = keys::EPOCHS.contains(&format.as_str()) || (format.contains('%') && strftime_is_known(&format));
        if !known {
            let help = meant(&format, keys::EPOCHS);
            report.add(
                Check::TimeFormat,
                entry.line,
                format!("`{}` is not a time format", shown(&format)),
                format!("{help}; or a strftime format such as '%d.%m.%Y %H:%M'"),
            );
        }
    }
    if let Some(entry) = node.get("zone") {
        let zone = entry.value.scalar().unwrap_or_default();
        if zone.parse::<chrono_tz::Tz>().is_err() {
            report.add(Check::TimeFormat, entry.line, format!("`{}` is not a time zone", shown(&zone)), "write a name such as Europe/Berlin or UTC");
        }
    }
}

fn strftime_is_known(format: &str) -> bool {
    chrono::format::StrftimeItems::new(format).all(|item| !matches!(item, chrono::format::Item::Error))
}

/// Names and expressions of `columns`.
fn columns(report: &mut Report<'_>, doc: &Doc<'_>) {
    let Some(section) = doc.root.get("columns") else { return };
    for entry in section.value.entries() {
        expression::column_name(report, &entry.key, entry.line, true);
        expression::check(report, &entry.value, &entry.key);
    }
    for column in ["user", "action", "ip"] {
        if section.value.get(column).is_none() {
            report.add(
                Check::EmptyColumn,
                section.line,
                format!("the column `{column}` is never filled"),
                "fill it, unless the log does not say it; rules over it cannot match",
            );
        }
    }
}

/// The activity table: names, categories, and entries that nothing reaches.
fn activity(report: &mut Report<'_>, doc: &Doc<'_>, activities: &Activities) {
    let Some(section) = doc.root.get("activity") else { return };
    report.keys(&section.value, keys::activity(), "activity");
    if let Some(key) = section.value.get("key") {
        expression::column_name(report, &key.value.scalar().unwrap_or_default(), key.line, false);
    }
    if let Some(entry) = section.value.get("default_category") {
        category(report, entry);
    }
    let mut seen: BTreeMap<String, &Entry> = BTreeMap::new();
    for name in section.value.get("map").map(|e| e.value.entries()).unwrap_or_default() {
        let folded = fold_case(name.key.trim()).into_owned();
        if let Some(first) = seen.get(&folded) {
            let message = format!("`{}` is the same name as `{}` in line {}", shown(&name.key), shown(&first.key), first.line);
            report.add(Check::SameName, name.line, message, "names are looked up without case and blanks at the ends: keep one");
        } else {
            seen.insert(folded, name);
        }
        let members = name.value.members();
        let mut always: Option<usize> = None;
        let mut conditions: Vec<&Node> = Vec::new();
        for member in &members {
            map_entry(report, member, activities);
            if let Some(line) = always {
                report.add(
                    Check::UnreachableEntry,
                    member.line,
                    format!("this entry is behind one without `when` in line {line}"),
                    "put entries with a `when` first",
                );
                continue;
            }
            match member.get("when") {
                None => always = Some(member.line),
                Some(when) if conditions.iter().any(|c| c.same_as(&when.value)) => {
                    report.add(Check::UnreachableEntry, member.line, "an entry before it has the same `when`", "remove one of them");
                }
                Some(when) => {
                    expression::when(report, &when.value);
                    conditions.push(&when.value);
                }
            }
        }
    }
    let mut conditions: Vec<&Node> = Vec::new();
    for pattern in section.value.get("patterns").map(|e| e.value.members()).unwrap_or_default() {
        map_entry(report, pattern, activities);
        match pattern.get("when") {
            None => report.add(
                Check::MissingKey,
                pattern.line,
                "a pattern has no `when`",
                "write `when: {$action|startswith: vault.}`; for the rest there is default_category",
            ),
            Some(when) if conditions.iter().any(|c| c.same_as(&when.value)) => {
                report.add(Check::UnreachableEntry, pattern.line, "a pattern before it has the same `when`", "remove one of them");
            }
            Some(when) => {
                expression::when(report, &when.value);
                conditions.push(&when.value);
            }
        }
    }
}

fn category(report: &mut Report<'_>, entry: &Entry) {
    let text = entry.value.scalar().unwrap_or_default();
    if !CATEGORIES.contains(&text.as_str()) {
        report.add(Check::UnknownCategory, entry.line, format!("`{}` is not a category", shown(&text)), meant(&text, CATEGORIES));
    }
}

/// An entry of the map or of the patterns.
fn map_entry(report: &mut Report<'_>, entry: &Node, activities: &Activities) {
    report.keys(entry, keys::entry(), "an entry of the activity map");
    if let Some(category_entry) = entry.get("category") {
        category(report, category_entry);
    }
    let Some(named) = entry.get("activity") else { return };
    let Some(name) = named.value.scalar() else { return };
    known_activity(report, &name, named.line, activities);
    let Some(known) = activities.0.get(&name) else { return };
    match entry.text_of("category") {
        Some(c) if known.categories().any(|k| k == c) || !CATEGORIES.contains(&c) => {}
        Some(c) => report.add(
            Check::CategoryDiffers,
            entry.get("category").map_or(named.line, |e| e.line),
            format!("`{}` is of the category {}, not {c}", shown(&name), known.categories().collect::<Vec<_>>().join(" or ")),
            format!("write `category: {}`", known.category),
        ),
        None => report.add(
            Check::CategoryDiffers,
            named.line,
            format!("the entry for `{}` has no category, and rules of {} do not see it", shown(&name), known.category),
            format!("add `category: {}`", known.category),
        ),
    }
}

fn known_activity(report: &mut Report<'_>, name: &str, line: usize, activities: &Activities) {
    if activities.0.is_empty() || activities.0.contains_key(name) {
        return;
    }
    let known = activities.0.keys().map(String::as_str);
    let help = match crate::rule::lint::suggest::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`auditmill sources list --activities` names all; add one to activities.yml only when none fits".into(),
    };
    report.add(Check::UnknownActivity, line, format!("`{}` is not an activity of activities.yml", shown(name)), help);
}

/// Event classes that are switched on one by one.
fn classes(report: &mut Report<'_>, doc: &Doc<'_>, activities: &Activities) {
    for class in doc.root.get("classes").map(|e| e.value.members()).unwrap_or_default() {
        report.keys(class, keys::class(), "an event class");
        for name in class.get("activities").map(|e| e.value.members()).unwrap_or_default() {
            if let Some(text) = name.text() {
                known_activity(report, text, name.line, activities);
            }
        }
    }
}

/// The shape of the tests.
fn tests(report: &mut Report<'_>, doc: &Doc<'_>) {
    for test in doc.root.get("tests").map(|e| e.value.members()).unwrap_or_default() {
        report.keys(test, keys::TEST, "a test");
        let object = |key: &str| test.get(key).is_some_and(|e| matches!(e.value.data, Data::Map(_)));
        if !object("event") {
            report.add(Check::TestsShape, test.line, "a test has no `event`", "write `- event: {...}` and `expect: {user: ..., action: ...}` below it");
        }
        let expected: Vec<&Node> = ["expect", "events"].iter().filter_map(|k| test.get(k)).flat_map(|e| e.value.members()).collect();
        if expected.is_empty() {
            report.add(
                Check::TestsShape,
                test.line,
                "a test expects nothing",
                "write `expect: {user: ana@acme.com, action: signin}`; `events:` is a list where one record gives several",
            );
        }
        for entry in expected.iter().flat_map(|n| n.entries()) {
            if entry.key.parse::<crate::event::Column>().is_err() {
                expression::column_name(report, &entry.key, entry.line, false);
            }
        }
    }
}

/// What two files have in common.
fn across(docs: &[Doc<'_>], beside: &[Doc<'_>], findings: &mut Vec<LintFinding>) {
    let all: Vec<(&Doc<'_>, bool)> = beside.iter().map(|d| (d, false)).chain(docs.iter().map(|d| (d, true))).collect();
    let mut ids: BTreeMap<&str, &Doc<'_>> = BTreeMap::new();
    let mut alternatives: BTreeMap<String, &Doc<'_>> = BTreeMap::new();
    for (doc, checked) in all {
        let mut report = Report { file: doc.file, findings: &mut *findings };
        if let Some(entry) = doc.root.get("id") {
            match ids.get(doc.id()) {
                Some(other) if checked && !doc.id().is_empty() => {
                    report.add(
                        Check::IdReused,
                        entry.line,
                        format!("{} has the id `{}` as well", other.file.file, shown(doc.id())),
                        "give one of them another id",
                    );
                }
                _ => {
                    ids.entry(doc.id()).or_insert(doc);
                }
            }
        }
        for alternative in doc.root.get("detect").map(|e| e.value.members()).unwrap_or_default() {
            let key = alternative_key(alternative);
            match alternatives.get(key.as_str()) {
                Some(other) if checked => {
                    let whose = if std::ptr::eq(*other, doc) {
                        "an alternative before it asks for the same".to_owned()
                    } else {
                        format!("{} has the same alternative", other.file.file)
                    };
                    report.add(Check::SameDetect, alternative.line, whose, "add what tells these records apart: one more field, a `where`, or a `without`");
                }
                _ => {
                    alternatives.entry(key).or_insert(doc);
                }
            }
        }
    }
}

/// What an alternative asks for, in whatever order it is written.
fn alternative_key(alternative: &Node) -> String {
    let list = |key: &str| {
        let mut texts: Vec<String> = alternative.get(key).map(|e| e.value.members()).unwrap_or_default().iter().filter_map(|n| n.scalar()).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    let mut held: Vec<String> =
        alternative.get("where").map(|e| e.value.entries()).unwrap_or_default().iter().map(|e| format!("{}={:?}", e.key, values(&e.value))).collect();
    held.sort();
    format!("{:?} {held:?} {:?}", list("has"), list("without"))
}

fn values(node: &Node) -> Vec<String> {
    let mut out: Vec<String> = node.members().iter().map(|n| n.scalar().unwrap_or_else(|| format!("{:?}", n.data))).collect();
    out.sort();
    out
}
