//! Ids, names and titles of all documents, and what a reference to one of them means.

use super::tree::{Data, Node};
use super::{Check, Doc, Kind, Report, shown, suggest};
use std::collections::BTreeMap;

/// Everything that documents can be referred to by.
pub(super) struct Index<'a> {
    docs: Vec<&'a Doc<'a>>,
    by_id: BTreeMap<String, usize>,
    by_name: BTreeMap<&'a str, Vec<usize>>,
    by_title: BTreeMap<&'a str, Vec<usize>>,
}

enum Target<'a> {
    /// By id or name.
    Rule(&'a Doc<'a>),
    ByTitle(&'a Doc<'a>),
    Many(usize, &'static str),
    Nothing,
}

impl<'a> Index<'a> {
    pub(super) fn new(docs: &'a [Doc<'a>]) -> Index<'a> {
        let mut index = Index { docs: Vec::new(), by_id: BTreeMap::new(), by_name: BTreeMap::new(), by_title: BTreeMap::new() };
        for doc in docs {
            let id = doc.root.get("id").and_then(|e| e.value.scalar()).map(|id| id.to_lowercase());
            // The second of one id is not loaded, so it makes no reference ambiguous.
            if let Some(id) = &id
                && index.by_id.contains_key(id)
            {
                continue;
            }
            let at = index.docs.len();
            index.docs.push(doc);
            index.by_id.extend(id.map(|id| (id, at)));
            if let Some(name) = doc.root.text_of("name") {
                index.by_name.entry(name).or_default().push(at);
            }
            if let Some(title) = doc.root.text_of("title") {
                index.by_title.entry(title).or_default().push(at);
            }
        }
        index
    }

    /// The document that was first to use this document's id, where that is another one.
    pub(super) fn first_of_id(&self, doc: &Doc<'_>) -> Option<&'a Doc<'a>> {
        let id = doc.root.get("id")?.value.scalar()?.to_lowercase();
        let first = self.docs[*self.by_id.get(&id)?];
        (first.file != doc.file || first.lines != doc.lines).then_some(first)
    }

    /// Some correlation or behaviour refers to the document.
    pub(super) fn is_base(&self, doc: &Doc<'_>) -> bool {
        let keys = [doc.root.text_of("id"), doc.root.text_of("name"), doc.root.text_of("title")];
        self.docs.iter().filter(|d| matches!(d.kind, Kind::Correlation | Kind::Behaviour)).any(|d| {
            let rules = d.section().and_then(|s| s.value.get("rules")).map(|r| r.value.members()).unwrap_or_default();
            rules.iter().any(|r| r.text().is_some_and(|r| keys.contains(&Some(r))))
        })
    }

    fn find(&self, reference: &str, from_file: &str) -> Target<'a> {
        let pick = |found: &[usize], how: &'static str| match found {
            [one] => Target::Rule(self.docs[*one]),
            many => Target::Many(many.len(), how),
        };
        if let Some(at) = self.by_id.get(&reference.to_lowercase()) {
            return Target::Rule(self.docs[*at]);
        }
        if let Some(found) = self.by_name.get(reference) {
            return pick(found, "name");
        }
        let Some(found) = self.by_title.get(reference) else { return Target::Nothing };
        let near: Vec<usize> = found.iter().copied().filter(|i| self.docs[*i].file == from_file).collect();
        match pick(if near.is_empty() { found } else { &near }, "title") {
            Target::Rule(doc) => Target::ByTitle(doc),
            other => other,
        }
    }

    /// Names to suggest for one that is not there.
    fn nearest(&self, reference: &str) -> Option<&'a str> {
        suggest::nearest(reference, self.by_name.keys().copied()).or_else(|| suggest::nearest(reference, self.by_title.keys().copied()))
    }
}

/// Checks each reference of a `rules` list and gives the documents that they mean.
pub(super) fn check_references<'a>(report: &mut Report<'_>, index: &Index<'a>, rules: &Node) -> Vec<(&'a Doc<'a>, usize)> {
    let mut targets = Vec::new();
    for member in rules.members() {
        let Data::Text(reference) = &member.data else { continue };
        let shown_reference = shown(reference);
        match index.find(reference, report.doc.file) {
            Target::Rule(doc) => targets.push((doc, member.line)),
            Target::ByTitle(doc) => {
                let better = doc.root.text_of("name").map(str::to_owned).or_else(|| doc.root.get("id").and_then(|e| e.value.scalar()));
                let help = match better {
                    Some(better) => format!("write `{}`", shown(&better)),
                    None => "give the rule a `name` and refer to that".to_owned(),
                };
                report.add(Check::ReferenceByTitle, member.line, format!("`{shown_reference}` refers to a rule by its title"), help);
                targets.push((doc, member.line));
            }
            Target::Many(n, how) => {
                report.add(Check::AmbiguousReference, member.line, format!("`{shown_reference}` is the {how} of {n} rules"), "refer to the rule by its id")
            }
            Target::Nothing => {
                let help = match index.nearest(reference) {
                    Some(near) => format!("did you mean `{}`?", shown(near)),
                    None => "refer to the id or name of a rule that is loaded in the same run".to_owned(),
                };
                report.add(Check::UnresolvedReference, member.line, format!("no rule has the id, name or title `{shown_reference}`"), help);
            }
        }
    }
    for (doc, line) in &targets {
        if doc.root.text_of("status").is_some_and(|s| matches!(s, "deprecated" | "unsupported")) {
            report.add(
                Check::UnresolvedReference,
                *line,
                format!(
                    "the rule `{}` is {} and is not loaded",
                    shown(doc.root.text_of("title").unwrap_or_default()),
                    doc.root.text_of("status").unwrap_or_default()
                ),
                "refer to the rule that took its place",
            );
        }
    }
    targets
}
