//! Detections: log source, selections, and the condition over them.

use super::condition::{Mentions, mentions};
use super::correlation::check_keys;
use super::tree::{Data, Entry, Node};
use super::values::{self, Key};
use super::{Check, Report, meant, shown};
use crate::event::CATEGORIES;
use crate::rule::sigma::glob;
use crate::rule::vars::Vars;
use std::collections::BTreeSet;

/// Keys of a `logsource:` section.
pub(super) const LOGSOURCE_KEYS: &[&str] = &["product", "service", "category", "definition"];

pub(super) fn check(report: &mut Report<'_>, vars: &Vars) {
    let doc = report.doc;
    logsource(report);
    let Some(entry) = doc.section() else { return };
    if let Some(timeframe) = entry.value.get("timeframe") {
        let span = timeframe.value.scalar().unwrap_or_else(|| "5m".into());
        retired(report, timeframe.line, "`timeframe` in a detection", &shown(&span), None);
    }
    check_section(report, &entry.value, vars, &["timeframe"]);
    if let Some(needs) = doc.root.get("needs_lists") {
        for name in needs.value.members() {
            if let Data::Text(name_text) = &name.data
                && !vars.lists.contains_key(name_text)
            {
                values::undefined_list(report, name_text, name.line, vars);
            }
        }
    }
}

fn logsource(report: &mut Report<'_>) {
    let doc = report.doc;
    let taxonomy = doc.root.text_of("taxonomy");
    let Some(entry) = doc.root.get("logsource").filter(|e| !e.value.entries().is_empty()) else {
        let line = doc.root.get("logsource").map_or(doc.start(), |e| e.line);
        let example = if taxonomy == Some("auditmill") { "{product: auditmill, category: authentication}" } else { "{product: aws, service: cloudtrail}" };
        report.add(Check::MissingLogsource, line, "the rule does not say which logs it is for", format!("add a line such as `logsource: {example}`"));
        return;
    };
    check_keys(report, &entry.value, "logsource", LOGSOURCE_KEYS);
    let all_sources = entry.value.text_of("product").is_some_and(|p| p.eq_ignore_ascii_case("auditmill"));
    if all_sources && taxonomy != Some("auditmill") {
        let line = doc.root.get("taxonomy").map_or(entry.line, |e| e.line);
        report.add(
            Check::MissingTaxonomy,
            line,
            "`product: auditmill` means every source, whose fields have nothing but the event columns in common",
            "add the line `taxonomy: auditmill`",
        );
    }
    if let Some(category) = entry.value.get("category")
        && all_sources
        && let Some(name) = category.value.text()
        && !CATEGORIES.contains(&name)
    {
        report.add(Check::UnknownCategory, category.line, format!("no event has the category `{}`", shown(name)), meant(name, CATEGORIES));
    }
}

/// Selections and condition of a `detection:` or `filter:` section, or of a block over array members.
pub(super) fn check_section(report: &mut Report<'_>, section: &Node, vars: &Vars, other_keys: &[&str]) {
    let selections: Vec<&Entry> = section.entries().iter().filter(|e| e.key != "condition" && !other_keys.contains(&e.key.as_str())).collect();
    for selection in &selections {
        check_selection(report, &selection.value, vars, false);
    }
    for (i, selection) in selections.iter().enumerate() {
        if let Some(first) = selections[..i].iter().find(|s| s.value.same_as(&selection.value) && !matches!(s.value.data, Data::Null)) {
            report.add(
                Check::IdenticalSelections,
                selection.line,
                format!("`{}` is the same as `{}` in line {}", shown(&selection.key), shown(&first.key), first.line),
                format!("use `{}` in the condition and remove this one", shown(&first.key)),
            );
        }
    }
    let Some(condition) = section.get("condition") else { return };
    let texts: Vec<&str> = condition.value.members().into_iter().filter_map(Node::text).collect();
    if texts.is_empty() {
        return;
    }
    let all: Vec<Mentions> = texts.iter().map(|t| mentions(t)).collect();
    check_condition(report, condition, &all, &selections);
    if !all.iter().any(|m| m.aggregation.is_some()) {
        check_unused(report, &all, &selections);
    }
}

/// Names of the selections that a selector's pattern stands for.
fn fitting<'a>(pattern: &str, selections: &[&'a Entry]) -> Vec<&'a Entry> {
    let hidden = |e: &Entry| e.key.starts_with('_') && !pattern.starts_with('_');
    let fits = |e: &Entry| pattern.eq_ignore_ascii_case("them") || glob(pattern, &e.key);
    selections.iter().copied().filter(|e| !hidden(e) && fits(e)).collect()
}

fn check_condition(report: &mut Report<'_>, condition: &Entry, all: &[Mentions], selections: &[&Entry]) {
    for m in all {
        if let Some(aggregation) = &m.aggregation {
            retired(report, condition.line, &format!("`| {}` in a condition", shown(aggregation)), "5m", Some(aggregation));
        }
        let named: Vec<&str> = m.names.iter().map(String::as_str).filter(|n| selections.iter().any(|s| s.key == *n)).collect();
        for (quantifier, pattern) in &m.patterns {
            if pattern.eq_ignore_ascii_case("them") {
                if let Some(name) = named.first() {
                    report.add(
                        Check::ThemMixed,
                        condition.line,
                        format!("`{quantifier} of them` holds `{}` as well", shown(name)),
                        format!("name the others by a pattern, such as `{quantifier} of selection_*`, or begin `{}` with `_`", shown(name)),
                    );
                }
                continue;
            }
            if let [one] = fitting(pattern, selections).as_slice()
                && pattern.contains('*')
            {
                report.add(
                    Check::PatternFitsOne,
                    condition.line,
                    format!("`{quantifier} of {}` fits `{}` only", shown(pattern), shown(&one.key)),
                    format!("write `{}`, unless more selections are to come", shown(&one.key)),
                );
            }
        }
    }
}

fn check_unused(report: &mut Report<'_>, all: &[Mentions], selections: &[&Entry]) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut patterns: BTreeSet<&str> = BTreeSet::new();
    for m in all {
        used.extend(m.names.iter().map(String::as_str));
        patterns.extend(m.patterns.iter().map(|(_, p)| p.as_str()));
    }
    for pattern in patterns {
        used.extend(fitting(pattern, selections).iter().map(|e| e.key.as_str()));
    }
    for selection in selections.iter().filter(|s| !used.contains(s.key.as_str())) {
        report.add(
            Check::UnusedSelection,
            selection.line,
            format!("the condition never uses `{}`", shown(&selection.key)),
            format!("add it to the condition, such as `... and not {}`, or remove it", shown(&selection.key)),
        );
    }
}

fn retired(report: &mut Report<'_>, line: usize, what: &str, span: &str, aggregation: Option<&str>) {
    let doc = report.doc;
    let name = doc.root.text_of("name").map_or_else(|| "NAME_OF_THIS_RULE".to_owned(), shown);
    let (by, limit) = aggregation.map_or(("FIELD".to_owned(), "gte: 10".to_owned()), |a| {
        let words: Vec<&str> = a.split_whitespace().collect();
        let by = words.iter().position(|w| w.eq_ignore_ascii_case("by")).and_then(|i| words.get(i + 1)).map_or("FIELD", |w| w);
        let number = words.last().filter(|w| w.parse::<f64>().is_ok()).copied().unwrap_or("10");
        let op = match words.iter().rev().nth(1).copied() {
            Some(">") => "gt",
            Some("<") => "lt",
            Some("<=") => "lte",
            Some("==" | "=") => "eq",
            _ => "gte",
        };
        (shown(by), format!("{op}: {number}"))
    });
    report.add(
        Check::RetiredAggregation,
        line,
        format!("{what} is the retired way to count"),
        format!("write a second document: `correlation: {{type: event_count, rules: [{name}], group-by: [{by}], timespan: {span}, condition: {{{limit}}}}}`"),
    );
}

/// One selection, whatever its form.
fn check_selection(report: &mut Report<'_>, node: &Node, vars: &Vars, in_member: bool) {
    match &node.data {
        Data::Map(entries) if in_member && entries.iter().any(|e| e.key == "condition") => check_section(report, node, vars, &[]),
        Data::Map(entries) => {
            values::check_contradictions(report, entries);
            for entry in entries {
                let key = Key::parse(&entry.key);
                if key.is_block() && matches!(entry.value.data, Data::Map(_)) {
                    check_selection(report, &entry.value, vars, true);
                } else {
                    values::check_item(report, entry, &key, vars);
                }
            }
        }
        Data::List(items) => {
            values::check_duplicates(report, items, false);
            for item in items {
                check_selection(report, item, vars, in_member);
            }
        }
        Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) => values::check_spelling(report, node),
    }
}
