//! Checks of the expressions that fill columns.

use super::{Check, Report};
use crate::event::Column;
use crate::event::value::fold_case;
use crate::rule::lint::tree::{Data, Node};
use crate::rule::lint::{meant, shown};
use crate::source::keys::{self, BASES};

/// A name that must be an event column; `filled` when a mapping is to fill it.
pub(super) fn column_name(report: &mut Report<'_>, name: &str, line: usize, filled: bool) {
    match name.parse::<Column>() {
        // Our own normalised events name their source.
        Ok(column) if filled && column.is_built_in() && column != Column::Source => {
            report.add(
                Check::UnknownColumn,
                line,
                format!("`{}` is filled by auditmill itself", shown(name)),
                "take it out; `time:` beside `columns:` says where the time stands",
            );
        }
        Ok(_) => {}
        Err(()) => {
            let known: Vec<&str> = Column::ALL.iter().filter(|c| !filled || !c.is_built_in()).map(|c| c.name()).collect();
            report.add(Check::UnknownColumn, line, format!("`{}` is not an event column", shown(name)), meant(name, &known));
        }
    }
}

/// A path, or a column by its `$name`.
fn path(report: &mut Report<'_>, text: &str, line: usize) {
    match text.strip_prefix('$') {
        Some(name) => column_name(report, name, line, false),
        None => report.path(text, line),
    }
}

/// The `$column` names of a selection; the rest of it is the rule language's.
pub(super) fn when(report: &mut Report<'_>, node: &Node) {
    for entry in node.entries() {
        if let Some(name) = entry.key.split('|').next().and_then(|k| k.strip_prefix('$')) {
            column_name(report, name, entry.line, false);
        }
    }
    if let Data::List(items) = &node.data {
        items.iter().for_each(|n| when(report, n));
    }
}

/// An expression of a column.
pub(super) fn check(report: &mut Report<'_>, node: &Node, column: &str) {
    match &node.data {
        Data::Text(text) => path(report, text, node.line),
        Data::List(items) => list(report, items.iter(), column),
        Data::Map(_) => full(report, node, column),
        Data::Number(n) => path(report, &n.to_string(), node.line),
        Data::Null | Data::Bool(_) => {
            report.add(Check::NotLoaded, node.line, "an expression is a path, a list or a mapping", "write a path such as `actor.mail`")
        }
    }
}

/// Candidates, of which the first that is set counts.
fn list<'n>(report: &mut Report<'_>, items: impl Iterator<Item = &'n Node>, column: &str) {
    let mut always: Option<usize> = None;
    for item in items {
        if let Some(line) = always {
            report.add(
                Check::UnreachableExpression,
                item.line,
                format!("the expression in line {line} is always set, so this one never counts"),
                "put constants and defaults last",
            );
            always = None;
        }
        check(report, item, column);
        if item.get("default").is_some() || (item.get("const").is_some() && keys::steps().all(|s| item.get(s).is_none())) {
            always = Some(item.line);
        }
    }
}

fn full(report: &mut Report<'_>, node: &Node, column: &str) {
    report.keys(node, keys::expression(), "an expression");
    let bases = BASES.iter().filter(|b| node.get(b).is_some()).count();
    if bases != 1 {
        let message = if bases == 0 { "an expression says nothing to read" } else { "an expression says two things to read" };
        report.add(Check::MissingKey, node.line, message, "an expression has one of path, first, const, json, template and cases");
    }
    if let Some(entry) = node.get("path") {
        path(report, &entry.value.scalar().unwrap_or_default(), entry.line);
    }
    if let Some(entry) = node.get("json") {
        report.plain_path(&entry.value.scalar().unwrap_or_default(), entry.line);
    }
    if let Some(entry) = node.get("column") {
        column_name(report, &entry.value.scalar().unwrap_or_default(), entry.line, false);
    }
    if let Some(entry) = node.get("first") {
        list(report, entry.value.members().into_iter(), column);
    }
    if let Some(entry) = node.get("template") {
        let text = entry.value.scalar().unwrap_or_default();
        for part in text.split('{').skip(1) {
            match part.split_once('}') {
                Some((name, _)) => path(report, name.trim(), entry.line),
                None => report.add(Check::PathForm, entry.line, format!("the template `{}` has a brace that is not closed", shown(&text)), "write '{path}'"),
            }
        }
    }
    for case in node.get("cases").map(|e| e.value.members()).unwrap_or_default() {
        report.keys(case, keys::case(), "a case");
        match case.get("when") {
            Some(entry) => when(report, &entry.value),
            None => report.add(Check::MissingKey, case.line, "a case has no `when`", "write `{when: {field: value}, then: path}`"),
        }
        match case.get("then") {
            Some(entry) => check(report, &entry.value, column),
            None => report.add(Check::MissingKey, case.line, "a case has no `then`", "write `{when: {field: value}, then: path}`"),
        }
    }
    steps(report, node, column);
}

/// The regular expression of a `capture`.
pub(super) fn capture(report: &mut Report<'_>, node: &Node) {
    if let Some(entry) = node.get("capture") {
        let pattern = entry.value.scalar().unwrap_or_default();
        match regex::Regex::new(&pattern) {
            Err(e) => {
                let reason = e.to_string().lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
                report.add(
                    Check::Regex,
                    entry.line,
                    format!("'{}' is not a regular expression: {}", shown(&pattern), shown(&reason)),
                    "look-around and back references are not supported",
                );
            }
            Ok(re) if re.captures_len() < 2 => {
                report.add(
                    Check::Regex,
                    entry.line,
                    format!("'{}' has no group, so it captures nothing", shown(&pattern)),
                    "put what is meant into parentheses",
                );
            }
            Ok(_) => {}
        }
    }
}

fn steps(report: &mut Report<'_>, node: &Node, column: &str) {
    capture(report, node);
    for conversion in node.get("as").map(|e| e.value.members()).unwrap_or_default() {
        let name = conversion.scalar().unwrap_or_default();
        if !keys::conversions().contains(&name.as_str()) {
            report.add(Check::UnknownConversion, conversion.line, format!("`{}` is not a conversion", shown(&name)), meant(&name, keys::conversions()));
        }
    }
    let Some(allowed) = keys::closed_values(column) else { return };
    let nulls: Vec<String> = node.get("null_if").map(|e| e.value.members()).unwrap_or_default().iter().filter_map(|n| n.scalar()).collect();
    let mapped = node.get("map").map(|e| e.value.entries()).unwrap_or_default();
    let given = mapped.iter().chain(["const", "default"].iter().filter_map(|k| node.get(k)));
    for entry in given {
        let text = match &entry.value.data {
            Data::Bool(b) => b.to_string(),
            _ => entry.value.scalar().unwrap_or_default(),
        };
        // A map behind a constant turns it into what the column gets.
        let through_map = entry.key == "const" && node.get("map").is_some();
        // An empty text is no value, and one of `null_if` neither.
        let is_null = text.is_empty() || nulls.iter().any(|n| fold_case(n) == fold_case(&text));
        if !through_map && !is_null && !allowed.contains(&text.as_str()) {
            report.add(Check::ColumnValue, entry.line, format!("`{column}` cannot be `{}`", shown(&text)), meant(&text, allowed));
        }
    }
}
