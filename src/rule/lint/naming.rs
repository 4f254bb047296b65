//! Names of rules and files: one name for rule, file, test and report (RULES §5).

use super::{Check, Doc, Kind, LintFinding, Report, shown, suggest};
use crate::event::CATEGORIES;
use std::collections::BTreeMap;

pub(super) fn check(report: &mut Report<'_>) {
    let doc = report.doc;
    if !doc.is_ours() || doc.kind == Kind::Behaviour {
        return;
    }
    let Some((entry, name)) = doc.root.get("name").and_then(|e| Some((e, e.value.scalar()?))) else {
        report.add(Check::MissingName, doc.start(), "the rule has no `name` for others to refer to", format!("add a line such as `name: {}`", example(doc)));
        return;
    };
    if let Some(why) = fault(doc, &name) {
        report.add(Check::NameForm, entry.line, format!("`{}` {why}", shown(&name)), format!("write a name such as `{}`", example(doc)));
    }
}

/// The prefix that a kind's names have.
fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Correlation => "mr_",
        Kind::Filter => "mf_",
        Kind::Detection | Kind::Behaviour => "",
    }
}

fn fault(doc: &Doc<'_>, name: &str) -> Option<String> {
    let snake = name.split('_').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !snake {
        return Some("is not in snake case".into());
    }
    if !(10..=70).contains(&name.len()) {
        return Some(format!("has {} characters instead of 10 to 70", name.len()));
    }
    let want = prefix(doc.kind);
    let Some(rest) = name.strip_prefix(want) else { return Some(format!("is the name of a {} and does not begin with `{want}`", doc.kind.key())) };
    if want.is_empty() && (name.starts_with("mr_") || name.starts_with("mf_")) {
        return Some("begins like the name of a correlation or filter".into());
    }
    let category = rest.split('_').next().unwrap_or_default();
    if !CATEGORIES.contains(&category) {
        return Some(format!("does not begin with a category ({})", CATEGORIES.join(", ")));
    }
    let stated = doc.root.get("logsource").and_then(|l| l.value.text_of("category"));
    if let Some(stated) = stated.filter(|s| CATEGORIES.contains(s) && *s != category) {
        return Some(format!("begins with `{category}`, and the log source has the category `{stated}`"));
    }
    (rest.split('_').count() < 3).then(|| "has no object and verb behind the category".into())
}

/// A name of the right form for the document, of its category and title.
fn example(doc: &Doc<'_>) -> String {
    let stated = doc.root.get("logsource").and_then(|l| l.value.text_of("category"));
    let near = |c| suggest::nearest(c, CATEGORIES.iter().copied());
    let category = stated.and_then(|c| if CATEGORIES.contains(&c) { Some(c) } else { near(c) }).unwrap_or("iam");
    let words: Vec<String> = doc
        .root
        .text_of("title")
        .unwrap_or_default()
        .split_whitespace()
        .map(|w| w.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase())
        .filter(|w| w.len() > 2 && w != category)
        .take(4)
        .collect();
    let tail = if words.len() < 2 { "object_verb".to_owned() } else { words.join("_") };
    format!("{}{category}_{tail}", prefix(doc.kind)).chars().take(70).collect()
}

/// A file of our rules is named as one of them.
pub(super) fn check_files(docs: &[Doc<'_>], findings: &mut Vec<LintFinding>) {
    let mut files: BTreeMap<&str, Vec<&Doc<'_>>> = BTreeMap::new();
    for doc in docs {
        files.entry(doc.file).or_default().push(doc);
    }
    for (file, docs) in files {
        let named: Vec<(&&Doc<'_>, &str, usize)> = docs.iter().filter_map(|d| d.root.get("name").and_then(|e| Some((d, e.value.text()?, e.line)))).collect();
        let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
        let stem = base.strip_suffix(".yml").or_else(|| base.strip_suffix(".yaml")).unwrap_or(base);
        // Of several rules in a file the last one is what the file is for: its bases stand before it.
        let Some((doc, name, line)) = named.last() else { continue };
        if docs.iter().all(|d| d.is_ours()) && !named.iter().any(|(_, n, _)| *n == stem) {
            let mut report = Report { doc, findings };
            report.add(
                Check::FileName,
                *line,
                format!("the file is named {} and its rule `{}`", shown(base), shown(name)),
                format!("rename the file to {}.yml", shown(name)),
            );
        }
    }
}
