//! Checks of rule documents: what does not load, what probably does not do what its author meant, and good style.
//!
//! `table` names every check; `tree` gives the documents with their lines; each other file is one group of checks. The
//! checks read the YAML tree, not the loaded rules, so that they also say something of documents that do not load and of
//! kinds that this version cannot run.

mod condition;
mod correlation;
mod detection;
mod filter;
mod meta;
mod naming;
mod reference;
pub(crate) mod suggest;
mod table;
pub(crate) mod tree;
mod values;

pub(crate) use table::checks;
pub use table::{Check, LintCheck, Severity};

use super::load::{RuleFile, load_rules, split_documents};
use super::vars::Vars;
use crate::diag::RuleProblem;
use reference::Index;
use std::collections::BTreeMap;
use tree::{Entry, Node};

/// A file to check.
#[derive(Debug, Clone)]
pub struct LintFile {
    /// Name and text.
    pub rule_file: RuleFile,
    /// Part of the built-in pack: held to the pack's conventions.
    pub own: bool,
}

/// One fault of one document, or of one mapping file: whose check `C` is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding<C> {
    /// File, as given.
    pub file: String,
    /// 1-based line of the key concerned.
    pub line: usize,
    /// Which check.
    pub check: C,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// One fault of one rule document.
pub type LintFinding = Finding<Check>;

/// Number of findings of a severity.
pub fn count<C>(findings: &[Finding<C>], severity: Severity) -> usize {
    findings.iter().filter(|f| f.severity == severity).count()
}

/// What a lint found.
#[derive(Debug, Clone, Default)]
pub struct Lint {
    /// Findings in the order of files and lines.
    pub findings: Vec<LintFinding>,
    /// Files read.
    pub files: usize,
    /// Rule documents among their documents.
    pub documents: usize,
    /// Files that hold no rule, sorted.
    pub not_rules: Vec<String>,
}

/// What a document is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Detection,
    Correlation,
    Filter,
    Behaviour,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Detection, Kind::Correlation, Kind::Filter, Kind::Behaviour];

    /// The key that makes a document of this kind.
    fn key(self) -> &'static str {
        match self {
            Kind::Detection => "detection",
            Kind::Correlation => "correlation",
            Kind::Filter => "filter",
            Kind::Behaviour => "behaviour",
        }
    }
}

/// A rule document with its place.
struct Doc<'a> {
    file: &'a str,
    own: bool,
    /// First and last line in the file.
    lines: (usize, usize),
    text: String,
    root: Node,
    kind: Kind,
}

impl Doc<'_> {
    /// Line of the first key: where a missing key is reported.
    fn start(&self) -> usize {
        self.root.entries().first().map_or(self.lines.0, |e| e.line)
    }

    /// Written for the event columns, or part of our pack: our conventions apply.
    fn is_ours(&self) -> bool {
        self.own || self.root.text_of("taxonomy") == Some("auditmill")
    }

    /// The section that makes the document's kind.
    fn section(&self) -> Option<&Entry> {
        self.root.get(self.kind.key())
    }
}

/// Takes the findings of one document.
struct Report<'a> {
    doc: &'a Doc<'a>,
    findings: &'a mut Vec<LintFinding>,
}

impl Report<'_> {
    fn add(&mut self, check: Check, line: usize, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(LintFinding {
            file: self.doc.file.to_owned(),
            line,
            check,
            severity: check.severity(self.doc.own),
            message: message.into(),
            help: help.into(),
        });
    }
}

/// Runs every check over every document.
pub fn lint(files: &[LintFile], vars: &Vars) -> Lint {
    let mut sorted: Vec<&LintFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.rule_file.file.cmp(&b.rule_file.file));
    let docs: Vec<Doc<'_>> = sorted.iter().flat_map(|f| documents(f)).collect();
    let index = Index::new(&docs);
    let set = load_rules(files.iter().map(|f| f.rule_file.clone()).collect(), vars);
    let mut out = Lint { files: files.len(), documents: docs.len(), ..Lint::default() };
    for doc in &docs {
        let mut report = Report { doc, findings: &mut out.findings };
        meta::check(&mut report, &index);
        naming::check(&mut report);
        match doc.kind {
            Kind::Detection => detection::check(&mut report, vars),
            Kind::Correlation => correlation::check(&mut report, &index),
            Kind::Filter => filter::check_filter(&mut report, &index, vars),
            Kind::Behaviour => filter::check_behaviour(&mut report, &index),
        }
    }
    naming::check_files(&docs, &mut out.findings);
    let own: BTreeMap<&str, bool> = sorted.iter().map(|f| (f.rule_file.file.as_str(), f.own)).collect();
    for problem in set.fatal.iter().chain(&set.problems) {
        if !explained(problem, &docs, &out.findings) {
            out.findings.push(not_loaded(problem, own.get(problem.file.as_str()).copied().unwrap_or_default()));
        }
    }
    out.not_rules = set.not_rules.into_iter().filter(|f| !out.findings.iter().any(|x| x.file == *f)).collect();
    // YAML counts line ends that editors do not (a carriage return alone, U+2028): no line is behind the file's last.
    let last: BTreeMap<&str, usize> = sorted.iter().map(|f| (f.rule_file.file.as_str(), f.rule_file.text.lines().count().max(1))).collect();
    for finding in &mut out.findings {
        finding.line = finding.line.min(last.get(finding.file.as_str()).copied().unwrap_or(usize::MAX));
    }
    out.findings.sort();
    out.findings.dedup();
    out
}

/// The rule documents of a file. What is not YAML, or no rule, is the loader's to name.
fn documents(file: &LintFile) -> Vec<Doc<'_>> {
    let mut docs = Vec::new();
    for (line, text) in split_documents(&file.rule_file.text) {
        let Ok(root) = tree::read(&text, line) else { continue };
        let Some(kind) = Kind::ALL.into_iter().find(|k| root.get(k.key()).is_some()) else { continue };
        let last = line + text.lines().count().saturating_sub(1);
        docs.push(Doc { file: &file.rule_file.file, own: file.own, lines: (line, last), text, root, kind });
    }
    docs
}

/// Checks that fire only where the loader refuses the document, and say why better than it does.
const REFUSALS: [Check; 9] = [
    Check::MissingTitle,
    Check::IdReused,
    Check::UnknownLevel,
    Check::TestsShape,
    Check::RetiredAggregation,
    Check::MissingTimespan,
    Check::AmbiguousReference,
    Check::UnresolvedReference,
    Check::FilterWithoutRules,
];

/// A document that does not load for a reason that a check has named needs no second line.
fn explained(problem: &RuleProblem, docs: &[Doc<'_>], findings: &[LintFinding]) -> bool {
    let holds = |d: &&Doc<'_>, line: usize| d.lines.0 <= line && line <= d.lines.1;
    let Some(doc) = docs.iter().filter(|d| d.file == problem.file).find(|d| holds(d, problem.line)) else { return false };
    findings.iter().any(|f| f.file == problem.file && f.severity == Severity::Error && REFUSALS.contains(&f.check) && holds(&doc, f.line))
}

fn not_loaded(problem: &RuleProblem, own: bool) -> LintFinding {
    LintFinding {
        file: problem.file.clone(),
        line: problem.line,
        check: Check::NotLoaded,
        severity: Check::NotLoaded.severity(own),
        message: problem.reason.clone(),
        help: problem.help.clone().unwrap_or_else(|| "mend the document, or take it out of the folder of rules".into()),
    }
}

/// Text of a rule for a message: one line, at most 80 characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 80;
    let mut out: String = text.chars().take(MOST).map(|c| if c == '\n' || c == '\r' || c == '\t' { ' ' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

/// Text as a YAML value in single quotes, in which a backslash is a backslash.
fn single_quoted(text: &str) -> String {
    format!("'{}'", shown(text).replace('\'', "''"))
}

/// `did you mean` with the nearest known word, or the list of them.
pub(crate) fn meant(word: &str, known: &[&str]) -> String {
    match suggest::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let mut ids: Vec<&str> = Check::ALL.iter().map(|c| c.id()).collect();
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !id.starts_with('-') && !id.ends_with('-')), "{ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Check::ALL.len());
        assert!(Check::ALL.iter().all(|c| !c.describe().ends_with('.') && c.severity(true) >= c.severity(false)));
    }

    #[test]
    fn text_of_rules_is_bounded_and_on_one_line() {
        assert_eq!(shown("a\nb"), "a b");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 81);
        assert_eq!(single_quoted("it's \\*"), r"'it''s \*'");
    }
}
