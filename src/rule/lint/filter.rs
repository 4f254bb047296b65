//! Filters and behaviours: kinds of documents that name rules.

use super::correlation::check_keys;
use super::reference::{Index, check_references};
use super::{Check, Kind, Report, detection, meant, shown};
use crate::rule::behaviour::{BEHAVIOUR_TYPES, COMMON_KEYS, keys_of};
use crate::rule::vars::Vars;

pub(super) fn check_filter(report: &mut Report<'_>, index: &Index<'_>, vars: &Vars) {
    let doc = report.doc;
    let Some(entry) = doc.section() else { return };
    let section = &entry.value;
    if let Some(logsource) = doc.root.get("logsource") {
        check_keys(report, &logsource.value, "logsource", detection::LOGSOURCE_KEYS);
    }
    match section.get("rules") {
        Some(rules) if rules.value.text().is_some_and(|t| t.eq_ignore_ascii_case("any")) => {}
        Some(rules) if !rules.value.members().is_empty() => {
            for (target, line) in check_references(report, index, &rules.value) {
                if target.kind != Kind::Detection {
                    report.add(
                        Check::FilterOnCorrelation,
                        line,
                        format!("`{}` is no detection: a filter applies to single events", shown(target.root.text_of("title").unwrap_or_default())),
                        "name the detections that the correlation counts",
                    );
                }
            }
        }
        rules => report.add(
            Check::FilterWithoutRules,
            rules.map_or(entry.line, |r| r.line),
            "the filter names no rules",
            "list ids or names under `rules:`, or write `rules: any` for every rule of the log source",
        ),
    }
    if let Some(condition) = section.get("condition")
        && let Some(text) = condition.value.text()
        && !super::condition::mentions(text).not
    {
        report.add(
            Check::FilterWithoutNot,
            condition.line,
            format!("the condition `{}` is joined to the rule by AND, so the rule keeps only what it names", shown(text)),
            format!("to leave that out, write `condition: not {}`", if text.contains(' ') { format!("({})", shown(text)) } else { shown(text) }),
        );
    }
    detection::check_section(report, section, vars, &["rules"]);
}

pub(super) fn check_behaviour(report: &mut Report<'_>, index: &Index<'_>) {
    let Some(entry) = report.doc.section() else { return };
    let section = &entry.value;
    let kind = section.text_of("type").unwrap_or_default();
    // Of an unknown type every key may be right.
    let own: Vec<&str> =
        if BEHAVIOUR_TYPES.contains(&kind) { keys_of(kind).to_vec() } else { BEHAVIOUR_TYPES.iter().flat_map(|t| keys_of(t)).copied().collect() };
    let known: Vec<&str> = COMMON_KEYS.into_iter().chain(own).collect();
    check_keys(report, section, "behaviour", &known);
    match section.get("type") {
        None => report.add(Check::BehaviourShape, entry.line, "the behaviour has no `type`", format!("types are: {}", BEHAVIOUR_TYPES.join(", "))),
        Some(kind) => {
            let name = kind.value.scalar().unwrap_or_default();
            if !BEHAVIOUR_TYPES.contains(&name.as_str()) {
                report.add(Check::BehaviourShape, kind.line, format!("`{}` is not a behaviour type", shown(&name)), meant(&name, &BEHAVIOUR_TYPES));
            }
        }
    }
    match section.get("rules") {
        Some(rules) if !rules.value.members().is_empty() => {
            check_references(report, index, &rules.value);
        }
        rules => report.add(
            Check::BehaviourShape,
            rules.map_or(entry.line, |r| r.line),
            "the behaviour names no `rules` whose events it learns from",
            "list the names or ids of detections, such as `rules: [authentication_login_succeeded]`",
        ),
    }
    // A whole organisation has rare values and volumes; all else is somebody's.
    let may_be_all = matches!(kind, "rare_value" | "spike" | "silence");
    if !may_be_all && section.get("group-by").is_none_or(|e| e.value.members().is_empty()) {
        report.add(
            Check::BehaviourShape,
            section.get("group-by").map_or(entry.line, |e| e.line),
            "the behaviour does not say whose behaviour it is",
            "name the entity, such as `group-by: [user_key]`",
        );
    }
}
