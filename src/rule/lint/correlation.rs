//! Correlations: references, windows, groups.

use super::reference::{Index, check_references};
use super::tree::Node;
use super::{Check, Report, meant, shown, suggest};

/// Keys of a `correlation:` section.
pub(super) const CORRELATION_KEYS: &[&str] = &["type", "rules", "group-by", "timespan", "timeframe", "condition", "generate", "aliases"];

pub(super) fn check(report: &mut Report<'_>, index: &Index<'_>) {
    let doc = report.doc;
    let Some(entry) = doc.section() else { return };
    let section = &entry.value;
    check_keys(report, section, "correlation", CORRELATION_KEYS);
    if let Some(rules) = section.get("rules") {
        check_references(report, index, &rules.value);
    }
    match (section.get("timespan"), section.get("timeframe")) {
        (None, None) => {
            report.add(Check::MissingTimespan, entry.line, "the correlation has no `timespan`", "add the length of its window, such as `timespan: 10m`")
        }
        (_, Some(old)) => {
            let span = old.value.scalar().unwrap_or_else(|| "10m".into());
            report.add(Check::TimeframeKey, old.line, "`timeframe` is the key of the retired syntax", format!("write `timespan: {}`", shown(&span)));
            check_unit(report, &old.value, old.line);
        }
        (Some(span), None) => check_unit(report, &span.value, span.line),
    }
    let by = section.get("group-by").map(|e| e.value.members().len()).unwrap_or_default();
    if by == 0 {
        report.add(
            Check::MissingGroupBy,
            section.get("group-by").map_or(entry.line, |e| e.line),
            "without `group-by` events of all users and addresses are counted together",
            "name the fields that make a group, such as `group-by: [user_key]`, unless one count over everything is meant",
        );
    }
    if section.get("generate").or_else(|| doc.root.get("generate")).is_none() {
        report.add(
            Check::MissingGenerate,
            entry.line,
            "without `generate` the findings of the counted rules are hidden where these are low or in the same file",
            "write `generate: false` if that is meant, `generate: true` to see them as well",
        );
    }
    if let Some(kind) = section.get("type")
        && kind.value.text() == Some("value_median")
    {
        report.add(
            Check::MedianExtension,
            kind.line,
            "`value_median` is not in the Sigma 2.1 specification; other tools refuse it",
            "write `type: value_percentile` with `percentile: 50` in the condition",
        );
    }
}

/// Weeks differ between tools in where they start, months and years in how long they are.
fn check_unit(report: &mut Report<'_>, span: &Node, line: usize) {
    let Some(text) = span.text() else { return };
    let text = text.trim();
    let days = [('w', 7), ('M', 30), ('y', 365)];
    let Some((unit, length)) = days.into_iter().find(|(u, _)| text.ends_with(*u)) else { return };
    let Ok(count) = text[..text.len() - unit.len_utf8()].parse::<u32>() else { return };
    report.add(
        Check::CalendarUnit,
        line,
        format!("`{}` is a length in calendar units, which tools read differently", shown(text)),
        format!("write days: `timespan: {}d`", u64::from(count) * length),
    );
}

/// Names the keys of a section that mean nothing there.
pub(super) fn check_keys(report: &mut Report<'_>, section: &Node, name: &str, known: &[&str]) {
    for entry in section.entries() {
        if !known.contains(&entry.key.as_str()) {
            let help = match suggest::nearest(&entry.key, known.iter().copied()) {
                Some(near) => format!("write `{near}:`"),
                None => meant(&entry.key, known),
            };
            report.add(Check::SectionKey, entry.line, format!("`{}` means nothing in `{name}`", shown(&entry.key)), help);
        }
    }
}
