//! Items of a selection: a field, its modifiers, and the values.

use super::tree::{Data, Entry, Node};
use super::{Check, Report, meant, shown, single_quoted};
use crate::event::value::fold_case;
use crate::rule::vars::Vars;
use regex_syntax::hir::{Hir, HirKind, Look};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Most pairs of values that are compared: two lists of a hostile rule must not take minutes.
const MAX_PAIRS: usize = 1_000_000;

/// `field|modifier|modifier`.
pub(super) struct Key<'a> {
    field: &'a str,
    modifiers: Vec<&'a str>,
}

impl<'a> Key<'a> {
    pub(super) fn parse(key: &'a str) -> Key<'a> {
        let mut parts = key.split('|');
        Key { field: parts.next().unwrap_or_default(), modifiers: parts.collect() }
    }

    fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    fn has_any(&self, modifiers: &[&str]) -> bool {
        modifiers.iter().any(|m| self.has(m))
    }

    /// A block over the members of an array: `field[any]`.
    pub(super) fn is_block(&self) -> bool {
        self.modifiers.is_empty() && self.field.ends_with(']')
    }

    /// The key for a plain text under `modifiers`, in place of `re` and its flags.
    fn for_text(&self, modifiers: &str, text: &str) -> String {
        let mut key = format!("{}{modifiers}", self.field);
        // A pattern heeds the case where its flags do not say otherwise; a text does not.
        if !self.has_any(&["i", "ignorecase"]) && text.chars().any(char::is_alphabetic) {
            key.push_str("|cased");
        }
        for kept in self.modifiers.iter().filter(|m| !matches!(**m, "re" | "i" | "m" | "s" | "ignorecase" | "multiline" | "dotall")) {
            key.push('|');
            key.push_str(kept);
        }
        shown(&key)
    }

    /// Modifiers under which a value is no text with wildcards.
    fn is_text(&self) -> bool {
        !self.has_any(&[
            "re",
            "cidr",
            "exists",
            "fieldref",
            "gt",
            "gte",
            "lt",
            "lte",
            "minute",
            "hour",
            "day",
            "week",
            "month",
            "year",
            "base64",
            "base64offset",
        ])
    }

    /// No modifier changes that the value must be the field's whole text.
    fn is_exact(&self) -> bool {
        self.is_text() && !self.has_any(&["contains", "startswith", "endswith", "expand", "neq", "windash", "wide", "utf16", "utf16be", "utf16le"])
    }
}

/// All checks of one item.
pub(super) fn check_item(report: &mut Report<'_>, entry: &Entry, key: &Key<'_>, vars: &Vars) {
    let values = entry.value.members();
    if key.has("neq") {
        report.add(
            Check::NeqAbsent,
            entry.line,
            format!("`{}` does not match events without `{}`", shown(&entry.key), shown(key.field)),
            format!("where these are meant too, write `{}` in a selection of its own and `not` in the condition", shown(&entry.key.replace("|neq", ""))),
        );
    }
    if key.has("all") && values.len() == 1 {
        report.add(
            Check::AllOneValue,
            entry.line,
            format!("`{}` has one value: there is nothing to join by AND", shown(&entry.key)),
            format!("write `{}`", shown(&entry.key.replace("|all", ""))),
        );
    }
    if let Data::List(items) = &entry.value.data {
        check_duplicates(report, items, key.has_any(&["cased", "re"]));
    }
    check_placeholders(report, entry, key, &values, vars);
    for value in values {
        if !key.has_any(&["re", "exists", "fieldref"]) {
            check_spelling(report, value);
        }
        let Data::Text(text) = &value.data else { continue };
        if key.has("cidr") {
            check_network(report, text, value.line);
        } else if key.has("re") {
            if !key.has("expand") {
                check_regex(report, key, text, value.line);
            }
        } else if key.is_text() {
            check_wildcards(report, key, text, value.line);
        }
    }
}

/// Plain spellings that readers of YAML 1.1 and 1.2 take for different things.
pub(super) fn check_spelling(report: &mut Report<'_>, value: &Node) {
    let Some(plain) = value.plain.as_deref() else { return };
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        let here = match &value.data {
            Data::Number(n) => format!("is read as the number {n}"),
            _ => "is text here and a number to other readers".to_owned(),
        };
        report.add(Check::LeadingZero, value.line, format!("`{}` {here}", shown(plain)), format!("write {}", single_quoted(plain)));
    }
    if ["yes", "no", "on", "off"].iter().any(|w| plain.eq_ignore_ascii_case(w)) {
        let meant = if plain.eq_ignore_ascii_case("yes") || plain.eq_ignore_ascii_case("on") { "true" } else { "false" };
        report.add(
            Check::BooleanWord,
            value.line,
            format!("`{plain}` is text here and `{meant}` to readers of YAML 1.1"),
            format!("write {} for the word, or `{meant}`", single_quoted(plain)),
        );
    }
}

/// Values of a list that are the same; the case counts only where it counts for matching.
pub(super) fn check_duplicates(report: &mut Report<'_>, items: &[Node], cased: bool) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for item in items {
        let Some(text) = item.scalar() else { continue };
        let folded = if cased { text.clone() } else { fold_case(&text).into_owned() };
        if !seen.insert(folded) {
            report.add(Check::DuplicateValue, item.line, format!("`{}` stands in the list before", shown(&text)), "remove it");
        }
    }
}

fn check_placeholders(report: &mut Report<'_>, entry: &Entry, key: &Key<'_>, values: &[&Node], vars: &Vars) {
    let mut any = false;
    for value in values {
        let Data::Text(text) = &value.data else { continue };
        for name in placeholders(text) {
            any = true;
            let defined = vars.lists.contains_key(name);
            if key.has("expand") {
                if !defined {
                    undefined_list(report, name, value.line, vars);
                }
            } else if defined && !key.has("re") {
                report.add(
                    Check::PlaceholderNotExpanded,
                    value.line,
                    format!("`{}` is compared as it stands, not as the list `{name}`", shown(text)),
                    format!("write `{}|expand`", shown(&entry.key)),
                );
            }
        }
    }
    if key.has("expand") && !any && !values.is_empty() {
        report.add(
            Check::NoPlaceholder,
            entry.line,
            format!("`{}` has no %placeholder% in its value", shown(&entry.key)),
            format!("write `{}`, or name a list as '%list%'", shown(&entry.key.replace("|expand", ""))),
        );
    }
}

/// Reports a list that no variables file defines.
pub(super) fn undefined_list(report: &mut Report<'_>, name: &str, line: usize, vars: &Vars) {
    let known: Vec<&str> = vars.lists.keys().map(String::as_str).collect();
    let define = format!("define it in a file for --vars: `lists: {{{}: [...]}}`", shown(name));
    let help = match super::suggest::nearest(name, known.iter().copied()) {
        Some(_) => format!("{} Or {define}", meant(name, &known)),
        None => define,
    };
    report.add(Check::UndefinedList, line, format!("no variables file defines the list `{}`, so the rule is not assessable", shown(name)), help);
}

/// Names between `%` signs, as the loader finds them; `\%` is a percent sign.
fn placeholders(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        if before.ends_with('\\') {
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('%') else { break };
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !name.is_empty() && name.chars().all(is_name) {
            out.push(name);
        }
        rest = after;
    }
    out
}

fn check_network(report: &mut Report<'_>, text: &str, line: usize) {
    let Some((address, prefix)) = text.split_once('/') else { return };
    let (Ok(address), Ok(prefix)) = (address.trim().parse::<IpAddr>(), prefix.trim().parse::<u32>()) else { return };
    let network = match address {
        IpAddr::V4(a) if prefix <= 32 => IpAddr::V4((u32::from(a) & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()),
        IpAddr::V6(a) if prefix <= 128 => IpAddr::V6((u128::from(a) & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into()),
        _ => return,
    };
    if network != address {
        report.add(
            Check::HostBits,
            line,
            format!("`{}` names an address inside the network", shown(text)),
            format!("write `{network}/{prefix}` for the network, or `{address}` for the one address"),
        );
    }
}

/// A star at the end of the text behind an odd number of backslashes stands for itself.
fn ends_escaped(text: &str) -> bool {
    let Some(before) = text.strip_suffix('*') else { return false };
    let backslashes = before.len() - before.trim_end_matches('\\').len();
    backslashes % 2 == 1
}

fn check_wildcards(report: &mut Report<'_>, key: &Key<'_>, text: &str, line: usize) {
    if ends_escaped(text) && text.len() > 2 {
        report.add(
            Check::EscapedWildcard,
            line,
            format!("{} ends with a star, not with a backslash and anything behind it", single_quoted(text)),
            format!("did you mean {}?", single_quoted(&format!("{}\\\\*", text.trim_end_matches('*').trim_end_matches('\\')))),
        );
        return;
    }
    if !text.is_empty() && text.bytes().all(|b| b == b'*') {
        let field = if key.field.is_empty() { "FIELD" } else { key.field };
        report.add(
            Check::AnyValue,
            line,
            format!("{} fits every text", single_quoted(text)),
            format!("write `{}|exists: true`, or '?*' for a text that is not empty", shown(field)),
        );
        return;
    }
    let open_start = key.has_any(&["contains", "endswith"]);
    let open_end = key.has_any(&["contains", "startswith"]);
    let mut inner = text;
    if open_start {
        inner = inner.trim_start_matches('*');
    }
    if open_end && !ends_escaped(inner) {
        let cut = inner.trim_end_matches('*');
        // `\\**`: the first star may belong to the backslash before it.
        inner = if cut.ends_with('\\') { inner } else { cut };
    }
    if inner.len() < text.len() {
        report.add(
            Check::NeedlessWildcard,
            line,
            format!("`{}` is open at that end already", shown(&key.modifiers.join("|"))),
            format!("write {}", single_quoted(inner)),
        );
    }
}

fn check_regex(report: &mut Report<'_>, key: &Key<'_>, pattern: &str, line: usize) {
    // What does not parse is the loader's to refuse.
    let Ok(hir) = regex_syntax::parse(pattern) else { return };
    let parts: &[Hir] = match hir.kind() {
        HirKind::Concat(parts) => parts,
        _ => std::slice::from_ref(&hir),
    };
    let is_start = |h: &Hir| matches!(h.kind(), HirKind::Look(Look::Start));
    let is_end = |h: &Hir| matches!(h.kind(), HirKind::Look(Look::End));
    let (anchored_start, rest) = match parts {
        [first, rest @ ..] if is_start(first) => (true, rest),
        _ => (false, parts),
    };
    let (anchored_end, rest) = match rest {
        [rest @ .., last] if is_end(last) => (true, rest),
        _ => (false, rest),
    };
    let open = |h: &Hir| matches!(h.kind(), HirKind::Repetition(r) if r.min == 0 && r.max.is_none() && pattern.contains(".*") && is_dot(&r.sub));
    let (open_start, rest) = match rest {
        [first, rest @ ..] if !anchored_start && open(first) => (true, rest),
        _ => (false, rest),
    };
    let (open_end, rest) = match rest {
        [rest @ .., last] if !anchored_end && open(last) => (true, rest),
        _ => (false, rest),
    };
    let literal = match rest {
        [one] => match one.kind() {
            HirKind::Literal(l) => std::str::from_utf8(&l.0).ok(),
            _ => None,
        },
        _ => None,
    };
    if let Some(literal) = literal {
        let modifier = match (anchored_start, anchored_end) {
            (true, true) => "",
            (true, false) => "|startswith",
            (false, true) => "|endswith",
            (false, false) => "|contains",
        };
        report.add(
            Check::RegexLiteral,
            line,
            format!("the pattern {} is plain text", single_quoted(pattern)),
            format!("write `{}: {}`", key.for_text(modifier, literal), single_quoted(&escape_wildcards(literal))),
        );
    } else if open_start || open_end {
        let mut inner = pattern;
        if open_start {
            inner = inner.strip_prefix(".*").map_or(inner, |p| p.strip_prefix('?').unwrap_or(p));
        }
        if open_end {
            inner = inner.strip_suffix(".*?").or_else(|| inner.strip_suffix(".*")).unwrap_or(inner);
        }
        let help = if rest.is_empty() {
            format!("write `{}|exists: true`", shown(key.field))
        } else if inner.len() < pattern.len() {
            format!("write {}", single_quoted(inner))
        } else {
            "leave out `.*` at the ends".to_owned()
        };
        report.add(Check::RegexOpenEnds, line, format!("the pattern {} is open at its ends without `.*`", single_quoted(pattern)), help);
    }
}

/// `.`, whether it takes line ends or not.
fn is_dot(hir: &Hir) -> bool {
    *hir == Hir::dot(regex_syntax::hir::Dot::AnyChar) || *hir == Hir::dot(regex_syntax::hir::Dot::AnyCharExceptLF)
}

fn escape_wildcards(text: &str) -> String {
    text.chars().flat_map(|c| if matches!(c, '*' | '?' | '\\') { vec!['\\', c] } else { vec![c] }).collect()
}

/// Items of one selection, joined by AND, that no single value of their field can fit together.
pub(super) fn check_contradictions(report: &mut Report<'_>, entries: &[Entry]) {
    let mut by_field: BTreeMap<&str, Vec<(&Entry, Key<'_>)>> = BTreeMap::new();
    for entry in entries {
        let key = Key::parse(&entry.key);
        by_field.entry(key.field).or_default().push((entry, key));
    }
    for (field, items) in by_field.into_iter().filter(|(f, _)| !f.is_empty()) {
        let clash = items.iter().find_map(|(e, k)| all_exact_clash(e, k)).or_else(|| number_clash(&items)).or_else(|| text_clash(&items));
        if let Some((line, why)) = clash {
            report.add(
                Check::ImpossibleSelection,
                line,
                format!("{why}: only a list in `{}` can fit, by two of its members", shown(field)),
                "remove one of the values, or join selections by `or` in the condition",
            );
        }
    }
}

fn wild(text: &str) -> bool {
    text.contains(['*', '?', '\\'])
}

fn all_exact_clash(entry: &Entry, key: &Key<'_>) -> Option<(usize, String)> {
    if !key.has("all") || !key.is_exact() {
        return None;
    }
    let texts: Vec<String> = entry.value.members().into_iter().map(Node::scalar).collect::<Option<_>>()?;
    let first = texts.iter().find(|t| !wild(t))?;
    let other = texts.iter().find(|t| !wild(t) && fold_case(t) != fold_case(first))?;
    Some((entry.line, format!("a value is not both `{}` and `{}`", shown(first), shown(other))))
}

fn number_clash(items: &[(&Entry, Key<'_>)]) -> Option<(usize, String)> {
    let number = |e: &Entry| match &e.value.data {
        Data::Number(n) => n.as_f64(),
        _ => None,
    };
    let bounds: Vec<(&Entry, &str, f64)> = items
        .iter()
        .filter_map(|(e, k)| match k.modifiers.as_slice() {
            [m @ ("gt" | "gte" | "lt" | "lte")] => number(e).map(|n| (*e, *m, n)),
            _ => None,
        })
        .collect();
    for (low, low_op, from) in bounds.iter().filter(|b| b.1.starts_with('g')) {
        for (high, high_op, to) in bounds.iter().filter(|b| b.1.starts_with('l')) {
            let open = *low_op == "gt" || *high_op == "lt";
            if from > to || (from == to && open) {
                return Some((high.line.max(low.line), format!("no number is both `{low_op}` {from} and `{high_op}` {to}")));
            }
        }
    }
    None
}

fn text_clash(items: &[(&Entry, Key<'_>)]) -> Option<(usize, String)> {
    let texts = |e: &Entry| -> Option<Vec<String>> {
        let all: Vec<String> =
            e.value.members().into_iter().map(|n| n.text().filter(|t| !wild(t)).map(|t| fold_case(t).into_owned())).collect::<Option<_>>()?;
        (!all.is_empty()).then_some(all)
    };
    let exact = items.iter().filter(|(_, k)| k.is_exact() && !k.has("all")).find_map(|(e, _)| Some((*e, texts(e)?)))?;
    for (entry, key) in items {
        let fits: fn(&str, &str) -> bool = match key.modifiers.first().copied() {
            Some("contains") => |v, p| v.contains(p),
            Some("startswith") => |v, p| v.starts_with(p),
            Some("endswith") => |v, p| v.ends_with(p),
            _ => continue,
        };
        if !key.modifiers[1..].iter().all(|m| matches!(*m, "all" | "cased")) {
            continue;
        }
        let Some(parts) = texts(entry).filter(|p| p.len().saturating_mul(exact.1.len()) <= MAX_PAIRS) else { continue };
        let fit = |v: &String| if key.has("all") { parts.iter().all(|p| fits(v, p)) } else { parts.iter().any(|p| fits(v, p)) };
        if !exact.1.iter().any(fit) {
            return Some((entry.line.max(exact.0.line), format!("no value of `{}` fits `{}`", shown(&exact.0.key), shown(&entry.key))));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_as_the_loader_finds_them() {
        assert_eq!(placeholders("%a%/%b_c%"), ["a", "b_c"]);
        assert_eq!(placeholders("100\\% of %x%"), ["x"]);
        assert!(placeholders("50%").is_empty() && placeholders("% %").is_empty() && placeholders("%%").is_empty());
    }

    #[test]
    fn a_star_behind_an_odd_number_of_backslashes_is_a_star() {
        for (text, escaped) in [(r"C:\*", true), (r"C:\\*", false), (r"C:\\\*", true), ("*", false), ("", false), ("a", false)] {
            assert_eq!(ends_escaped(text), escaped, "{text}");
        }
    }
}
