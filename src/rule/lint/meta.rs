//! What a rule says about itself: id, title, level, status, dates, tags, tests.

use super::reference::Index;
use super::tree::{Data, Entry};
use super::{Check, Kind, Report, meant, shown, suggest};
use crate::rule::load::hex;
use crate::rule::meta::{CONTROL_NAMESPACES, Expectation, Level, RuleTest, Status};
use crate::rule::schema::{MAX_TITLE, RELATED_TYPES, TOP_LEVEL_KEYS};
use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use yaml_serde::Value;

/// Namespaces of tags that are not controls.
const OTHER_NAMESPACES: &[&str] = &["attack", "car", "cve", "d3fend", "detection", "stp", "tlp"];

pub(super) fn check(report: &mut Report<'_>, index: &Index<'_>) {
    title(report);
    id(report, index);
    level(report);
    status(report);
    described(report);
    dates(report);
    keys(report);
    lists(report);
    related(report);
    tags(report);
    falsepositives(report);
    if matches!(report.doc.kind, Kind::Detection | Kind::Correlation) {
        tests(report, index);
    }
}

fn title(report: &mut Report<'_>) {
    let doc = report.doc;
    let entry = doc.root.get("title");
    let Some((entry, title)) = entry.and_then(|e| Some((e, e.value.scalar().filter(|t| !t.trim().is_empty())?))) else {
        let line = entry.map_or(doc.start(), |e| e.line);
        report.add(Check::MissingTitle, line, "the rule has no `title`", "add a line that says what it finds, such as `title: Login Without MFA`");
        return;
    };
    let length = title.chars().count();
    if length > MAX_TITLE {
        report.add(
            Check::TitleLength,
            entry.line,
            format!("the title has {length} characters"),
            format!("say it in at most {MAX_TITLE}, and the rest in `description`"),
        );
    }
    let trimmed = title.trim().trim_end_matches('.');
    if trimmed.len() < title.trim().len() && !title.trim().ends_with("...") {
        report.add(Check::TitleDot, entry.line, "the title ends with a dot", format!("write `title: {}`", shown(trimmed)));
    }
    if doc.is_ours() {
        let fixed = title_case(&title);
        if fixed != title {
            report.add(Check::TitleCase, entry.line, "titles have capital letters, but for small words", format!("write `title: {}`", shown(&fixed)));
        }
    }
}

/// Words that stay small inside a title.
const SMALL_WORDS: &[&str] = &[
    "a", "an", "and", "as", "at", "but", "by", "for", "from", "if", "in", "into", "is", "nor", "of", "off", "on", "onto", "or", "over", "per", "than", "that",
    "the", "to", "up", "via", "vs", "when", "with", "without",
];

/// A title with capital letters; names with other characters in them stay as they are.
fn title_case(title: &str) -> String {
    let words = title.split(' ').enumerate().map(|(i, word)| {
        let plain = word.chars().all(|c| c.is_lowercase() || matches!(c, ',' | ':' | '\''));
        let small = i > 0 && SMALL_WORDS.contains(&word.trim_end_matches([',', ':']));
        let mut chars = word.chars();
        match chars.next() {
            Some(first) if plain && !small => first.to_uppercase().chain(chars).collect(),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

fn id(report: &mut Report<'_>, index: &Index<'_>) {
    let doc = report.doc;
    let proposal = proposed_id(&doc.text);
    let Some((entry, id)) = doc.root.get("id").and_then(|e| Some((e, e.value.scalar()?))) else {
        report.add(Check::MissingId, doc.start(), "the rule has no `id`", format!("add a UUID of its own, such as `id: {proposal}`"));
        return;
    };
    if !is_uuid(&id) {
        report.add(Check::IdNotUuid, entry.line, format!("`{}` is not a UUID", shown(&id)), format!("write one, such as `id: {proposal}`"));
    }
    if let Some(first) = index.first_of_id(doc) {
        let place = format!("{}:{}", first.file, first.start());
        if first.text == doc.text {
            report.add(Check::DuplicateRule, entry.line, format!("the same rule stands in {place}"), "remove one of the two");
        } else {
            report.add(
                Check::IdReused,
                entry.line,
                format!("{place} has the same id and other content"),
                format!("give one of them a new id, such as `id: {proposal}`"),
            );
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// A UUID (version 8) made of the document's text, so that the same input gives the same advice.
fn proposed_id(text: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    bytes[6] = 0x80 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let h = hex(&bytes);
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

fn level(report: &mut Report<'_>) {
    let doc = report.doc;
    let known: Vec<&str> = Level::ALL.iter().map(|l| l.name()).collect();
    let Some((entry, level)) = doc.root.get("level").and_then(|e| Some((e, e.value.scalar()?))) else {
        if !matches!(doc.kind, Kind::Filter) {
            report.add(Check::MissingLevel, doc.start(), "the rule has no `level` and counts as medium", "add the line `level: medium`, or another level");
        }
        return;
    };
    match level.parse::<Level>() {
        Ok(l) if l.name() == level => {}
        Ok(l) => report.add(Check::LevelSpelling, entry.line, format!("`{}` is not in lower case", shown(&level)), format!("write `level: {}`", l.name())),
        Err(()) => report.add(Check::UnknownLevel, entry.line, format!("`{}` is not a level", shown(&level)), meant(&level, &known)),
    }
}

fn status(report: &mut Report<'_>) {
    let doc = report.doc;
    let Some((entry, status)) = doc.root.get("status").and_then(|e| Some((e, e.value.scalar()?))) else {
        report.add(
            Check::MissingStatus,
            doc.start(),
            "the rule has no `status`",
            "add the line `status: test`, and `status: stable` when it has proved itself",
        );
        return;
    };
    let known: Vec<&str> = Status::ALL.iter().map(|s| s.name()).collect();
    match Status::ALL.into_iter().find(|s| s.name() == status) {
        None => report.add(Check::UnknownStatus, entry.line, format!("`{}` is not a status and is ignored", shown(&status)), meant(&status, &known)),
        Some(Status::Experimental) => {
            report.add(Check::ExperimentalStatus, entry.line, "an experimental rule never drives a verdict", "write `status: test` when it is to count");
        }
        Some(Status::Deprecated | Status::Unsupported) => {
            report.add(Check::RetiredStatus, entry.line, format!("a rule that is {status} is skipped"), "remove the rule, or write `status: test` to use it");
        }
        Some(Status::Stable | Status::Test) => {}
    }
}

fn described(report: &mut Report<'_>) {
    let doc = report.doc;
    let lacks = |key: &str| doc.root.get(key).is_none_or(|e| e.value.scalar().is_none_or(|t| t.trim().is_empty()));
    if lacks("description") {
        report.add(Check::MissingDescription, doc.start(), "the rule has no `description`", "add what it finds and why that matters, in two sentences");
    }
    if doc.root.get("author").is_none_or(|e| matches!(e.value.data, Data::Null)) {
        report.add(Check::MissingAuthor, doc.start(), "the rule has no `author`", "add the line `author: NAME`");
    }
    if lacks("date") {
        report.add(Check::MissingDate, doc.start(), "the rule has no `date`", "add the day on which it was written, such as `date: 2024-01-15`");
    }
    if doc.is_ours() && !matches!(doc.kind, Kind::Filter) && doc.root.get("role").is_none() {
        report.add(
            Check::MissingRole,
            doc.start(),
            "the rule has no `role` and counts as a signal",
            "add `role: violation` for a breach in itself, `role: signal` where somebody must look, `role: operation` for the record",
        );
    }
}

fn dates(report: &mut Report<'_>) {
    let doc = report.doc;
    let mut days: Vec<Option<NaiveDate>> = Vec::new();
    for key in ["date", "modified"] {
        let Some((entry, text)) = doc.root.get(key).and_then(|e| Some((e, e.value.scalar()?))) else {
            days.push(None);
            continue;
        };
        let day = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
        if day.is_none() {
            let forms = ["%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y"];
            let help = match forms.iter().find_map(|f| NaiveDate::parse_from_str(text.trim(), f).ok()) {
                Some(day) => format!("write `{key}: {}`", day.format("%Y-%m-%d")),
                None => format!("write the day as `{key}: 2024-01-15`"),
            };
            let message = if text.contains('/') { "is the form of Sigma before 2.0" } else { "is not a day of the form YYYY-MM-DD" };
            report.add(Check::DateForm, entry.line, format!("`{}` {message}", shown(&text)), help);
        }
        days.push(day);
    }
    if let [Some(date), Some(modified)] = days.as_slice()
        && modified < date
    {
        let line = doc.root.get("modified").map_or(doc.start(), |e| e.line);
        report.add(
            Check::ModifiedBeforeDate,
            line,
            format!("`modified: {modified}` is before `date: {date}`"),
            format!("write the day of the last change, `modified: {date}` or later"),
        );
    }
}

fn keys(report: &mut Report<'_>) {
    for entry in report.doc.root.entries() {
        if TOP_LEVEL_KEYS.contains(&entry.key.as_str()) {
            continue;
        }
        match suggest::nearest(&entry.key, TOP_LEVEL_KEYS.iter().copied()) {
            Some(near) => {
                report.add(Check::MisspeltKey, entry.line, format!("`{}` means nothing and is ignored", shown(&entry.key)), format!("did you mean `{near}:`?"))
            }
            None => report.add(
                Check::UnknownKey,
                entry.line,
                format!("`{}` means nothing to auditmill", shown(&entry.key)),
                "remove it, unless another tool reads it",
            ),
        }
    }
}

fn lists(report: &mut Report<'_>) {
    for key in ["tags", "references", "falsepositives", "fields", "needs_lists"] {
        let Some(entry) = report.doc.root.get(key) else { continue };
        let bad = match &entry.value.data {
            Data::List(items) => items.iter().find(|n| n.scalar().is_none()).map(|n| n.line),
            Data::Null => None,
            Data::Text(_) | Data::Bool(_) | Data::Number(_) | Data::Map(_) => Some(entry.line),
        };
        if let Some(line) = bad {
            let help = match entry.value.scalar() {
                Some(text) => format!("write `{key}: [{}]`", super::single_quoted(&text)),
                None => format!("write each entry of `{key}` on a line of its own behind `- `, in quotes where it holds `: `"),
            };
            report.add(Check::NotAList, line, format!("`{key}` is not a list of texts"), help);
        }
    }
}

fn related(report: &mut Report<'_>) {
    let Some(entry) = report.doc.root.get("related") else { return };
    for item in entry.value.members() {
        let id = item.text_of("id").filter(|id| is_uuid(id));
        let kind = item.text_of("type");
        match (id, kind) {
            (Some(_), Some(kind)) if RELATED_TYPES.contains(&kind) => {}
            (Some(_), Some(kind)) => {
                let line = item.get("type").map_or(item.line, |e| e.line);
                report.add(Check::RelatedForm, line, format!("`{}` is not a relation", shown(kind)), meant(kind, RELATED_TYPES));
            }
            _ => report.add(
                Check::RelatedForm,
                item.line,
                "an entry of `related` needs the UUID of a rule and a type",
                format!("write `- {{id: UUID, type: derived}}`; types are: {}", RELATED_TYPES.join(", ")),
            ),
        }
    }
}

fn tags(report: &mut Report<'_>) {
    let doc = report.doc;
    let Some(entry) = doc.root.get("tags") else { return };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (node, tag) in entry.value.members().into_iter().filter_map(|n| Some((n, n.text()?))) {
        let lower = tag.to_lowercase();
        if !seen.insert(lower.clone()) {
            report.add(Check::DuplicateTag, node.line, format!("`{}` is given twice", shown(tag)), "remove one");
        }
        let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
        let good = |t: &str| t.contains('.') && t.split('.').all(word);
        if !good(tag) {
            let fixed = lower.trim().replace(' ', "-").replace([':', '/'], ".");
            let help = if good(&fixed) { format!("write `{fixed}`") } else { "write a namespace, a dot and the tag, such as `attack.t1078`".to_owned() };
            report.add(Check::TagForm, node.line, format!("`{}` is not lower case words nested by dots", shown(tag)), help);
        }
        let namespace = tag.split('.').next().unwrap_or_default();
        let known: Vec<&str> = CONTROL_NAMESPACES.iter().map(|n| n.trim_end_matches('.')).chain(OTHER_NAMESPACES.iter().copied()).collect();
        if doc.is_ours() && good(tag) && !known.contains(&namespace) {
            report.add(Check::TagNamespace, node.line, format!("no report knows the namespace `{}`", shown(namespace)), meant(namespace, &known));
        }
    }
}

fn falsepositives(report: &mut Report<'_>) {
    let Some(entry) = report.doc.root.get("falsepositives") else { return };
    for (node, text) in entry.value.members().into_iter().filter_map(|n| Some((n, n.text()?))) {
        let plain = text.trim().trim_end_matches('.').to_lowercase();
        if matches!(plain.as_str(), "" | "none" | "unknown" | "unlikely" | "n/a" | "na" | "-" | "no" | "tbd" | "nothing") {
            report.add(
                Check::EmptyFalsepositives,
                node.line,
                format!("`{}` helps nobody to judge a finding", shown(text)),
                "name the harmless cause that is most likely, or leave the key out",
            );
        }
    }
}

/// The document's tests as the loader reads them; `None` without any.
fn tests_of(text: &str) -> Option<Result<Vec<RuleTest>, yaml_serde::Error>> {
    let value: Value = yaml_serde::from_str(text).ok()?;
    Some(yaml_serde::from_value(value.get("tests")?.clone()))
}

fn tests(report: &mut Report<'_>, index: &Index<'_>) {
    let doc = report.doc;
    let entry: Option<&Entry> = doc.root.get("tests");
    let tests = match tests_of(&doc.text) {
        Some(Err(e)) => {
            report.add(
                Check::TestsShape,
                entry.map_or(doc.start(), |e| e.line),
                format!("the tests do not run: {}", shown(&e.to_string())),
                "write a list of `{name: TEXT, expect: match or no_match, events: [...]}`, with `source` and `lists` where they are needed",
            );
            return;
        }
        Some(Ok(tests)) => tests,
        None => Vec::new(),
    };
    let has = |expect: Expectation| tests.iter().any(|t| t.expect == expect && !t.events.is_empty());
    let lacking = match (has(Expectation::Match), has(Expectation::NoMatch)) {
        (true, true) => return,
        (false, false) if tests.is_empty() => "no test",
        (false, _) => "no test that expects a match",
        (true, false) => "no test that expects none",
    };
    if doc.is_ours() && !(tests.is_empty() && index.is_base(doc)) {
        let line = entry.map_or(doc.start(), |e| e.line);
        let missing = if has(Expectation::Match) { "no_match" } else { "match" };
        report.add(
            Check::MissingTests,
            line,
            format!("the rule carries {lacking}"),
            format!("add to `tests:` an entry `{{name: TEXT, expect: {missing}, events: [{{...}}]}}`, and run `auditmill rules test`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        assert_eq!(title_case("login of a user, with admin/root and eth0"), "Login of a User, with admin/root and eth0");
        assert_eq!(title_case("AWS Key Used from iPhone"), "AWS Key Used from iPhone");
    }

    #[test]
    fn uuids() {
        assert!(is_uuid(&proposed_id("x")) && proposed_id("x") == proposed_id("x") && proposed_id("x") != proposed_id("y"));
        assert_eq!(&proposed_id("x")[14..15], "8");
        assert!(!is_uuid("1") && !is_uuid("g0000000-0000-4000-8000-000000000001"));
    }
}
