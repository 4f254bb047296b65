//! Why a rule matches an event or does not: its condition as a tree, each node with its truth and each test with what it
//! found. A plain walk over the rule, beside the engine and compared with it.

mod tree;

pub use tree::{Decision, Found, FoundValue, Node, What};

use super::examine::{Event, Seen};
use crate::engine::plan::{Routing, implied_category, json_reference, route};
use crate::event::Column;
use crate::event::secrets::{MASK, mask};
use crate::event::value::{Kind, Value, fold_case};
use crate::rule::detection::{Condition, Detection, Fields, Item, JsonRecord, Members, Quantifier, Test, refers};
use crate::rule::lists::how_to_give;
use crate::rule::load::RuleSet;
use crate::rule::matcher::{Matcher, parse_plain_address};
use crate::rule::{Body, DetectionRule, FieldRef, Rule, Taxonomy};
use crate::source::SourceSet;
use crate::source::mapping::Mapping;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tree::decide;

/// Most values shown of one field, words of one keyword and members of one array.
pub const MAX_VALUES: usize = 20;
/// Most characters shown of a value.
pub const MAX_TEXT: usize = 200;
/// Most characters shown of what a line of a rule asks.
pub const MAX_ASKS: usize = 400;

/// A detection rule and an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// A scan matches the event.
    pub matches: bool,
    /// The rule's condition holds, whatever its logsource says.
    pub condition_holds: bool,
    /// The rule's logsource names the event's source.
    pub applies: bool,
    /// Why the rule is not run over the event at all.
    pub not_run: Option<String>,
    /// The condition.
    pub condition: Node,
    /// The tests that decided whether the condition holds.
    pub decided_by: Vec<Decision>,
}

/// Explains a detection rule for an event of a source; `untold` is why a scan does not go by its condition.
pub fn explain(rule: &Rule, detection: &DetectionRule, event: &Event, mapping: &Mapping, untold: Option<&str>, show_secrets: bool) -> Explanation {
    let look = Top { event, taxonomy: detection.taxonomy };
    let looks: Vec<Top<'_>> = detection.filters.iter().map(|f| Top { event, taxonomy: f.taxonomy }).collect();
    let of_filters: Vec<&dyn Look> = looks.iter().map(|l| l as &dyn Look).collect();
    let condition = Builder { show_secrets }.rule(detection, Some((&look, &of_filters)));
    let condition_holds = condition.holds == Some(true);
    let routing = route(detection, mapping);
    let not_run = match (&rule.meta.unset_list, &routing) {
        (Some(list), _) => Some(format!("not assessable: the list `{list}` is not set; {}", how_to_give(list))),
        (None, Routing::Applies) => untold.map(str::to_owned),
        (None, Routing::NoLogSource) => Some("the rule has no logsource, so it runs over no source".into()),
        (None, Routing::OtherSource) => Some(format!("its logsource {} is not that of the source {}", logsource_words(detection), mapping.id)),
    };
    let mut decided_by = Vec::new();
    decide(&condition, None, &mut decided_by);
    Explanation { matches: condition_holds && not_run.is_none(), condition_holds, applies: routing == Routing::Applies, not_run, condition, decided_by }
}

/// Names of the lists that a detection rule needs: those that its document names, and its placeholders.
pub fn lists_of(rule: &Rule, detection: &DetectionRule) -> BTreeSet<String> {
    let mut out: BTreeSet<String> = rule.meta.needs_lists.iter().chain(&rule.meta.unset_list).cloned().collect();
    for selection in detection.selections.values() {
        selection.visit_items(&mut |item| {
            let (key, values) = item.written.split_once(": ").unwrap_or((&item.written, ""));
            if key.split('|').any(|m| m == "expand") {
                out.extend(values.replace("\\%", "").split('%').skip(1).step_by(2).map(str::to_owned));
            }
        });
    }
    out
}

/// Lines of a rule that ask for another value (`neq`): they do not hold for events without the field.
pub fn negated_lines(detection: &DetectionRule) -> Vec<&str> {
    let mut out = Vec::new();
    for selection in detection.selections.values() {
        selection.visit_items(&mut |item| {
            if matches!(item.test, Test::None(_) | Test::FieldRef { negated: true, .. }) {
                out.push(item.written.as_str());
            }
        });
    }
    out
}

/// The condition of a detection rule without an event.
pub fn describe(detection: &DetectionRule) -> Node {
    Builder { show_secrets: true }.rule(detection, None)
}

/// A logsource as `product/service/category`, as far as it says.
pub fn logsource_words(detection: &DetectionRule) -> String {
    let l = &detection.logsource;
    let parts = [("product", &l.product), ("service", &l.service), ("category", &l.category)];
    parts.into_iter().filter_map(|(name, v)| v.as_ref().map(|v| format!("{name}: {v}"))).collect::<Vec<_>>().join(", ")
}

/// Indices of the sources that a rule applies to; for a correlation those of any rule that it counts.
pub fn sources_of(set: &RuleSet, rule: &Rule, sources: &SourceSet) -> Vec<usize> {
    let detections = detections_of(set, rule);
    let applies = |m: &Mapping| detections.iter().any(|r| matches!(&r.body, Body::Detection(d) if route(d, m) == Routing::Applies));
    sources.mappings().iter().enumerate().filter(|(_, m)| applies(m)).map(|(i, _)| i).collect()
}

/// The detection rules that feed a rule: itself, or all that a correlation counts, at any depth.
pub fn detections_of<'a>(set: &'a RuleSet, rule: &'a Rule) -> Vec<&'a Rule> {
    closure(set, rule).into_iter().filter(|r| matches!(r.body, Body::Detection(_))).collect()
}

/// A rule and every rule below it, each once.
pub fn closure<'a>(set: &'a RuleSet, rule: &'a Rule) -> Vec<&'a Rule> {
    let Some(index) = set.rules.iter().position(|r| r.meta.id == rule.meta.id) else { return vec![rule] };
    [index].into_iter().chain(set.below(index)).map(|i| &set.rules[i]).collect()
}

/// Where a detection looks for its fields.
trait Look {
    fn values(&self, field: &str) -> Vec<Seen>;
    /// What stands at an array's field: JSON text, or what is no array.
    fn arrays(&self, field: &str) -> Vec<Seen>;
    /// The event's category: a column, whatever vocabulary the rule has.
    fn category(&self) -> Vec<Seen> {
        Vec::new()
    }
    /// The whole record, for keywords.
    fn record(&self) -> Option<&serde_json::Value>;
}

struct Top<'a> {
    event: &'a Event,
    taxonomy: Taxonomy,
}

impl Top<'_> {
    fn get(&self, field: &FieldRef, path: &str, json: bool) -> Vec<Seen> {
        // What the engine saw; a field that it was not asked for is read from the record.
        self.event.values.get(field).cloned().unwrap_or_else(|| {
            let member = Member(&self.event.raw);
            if json { member.arrays(path) } else { member.values(path) }
        })
    }
}

impl Look for Top<'_> {
    fn values(&self, field: &str) -> Vec<Seen> {
        let reference = self.taxonomy.resolve(field).unwrap_or_else(|_| FieldRef::Record(field.to_owned()));
        self.get(&reference, field, false)
    }
    fn arrays(&self, field: &str) -> Vec<Seen> {
        let path = match self.taxonomy.resolve(field) {
            Ok(FieldRef::Record(path)) => path,
            _ => field.to_owned(),
        };
        self.get(&json_reference(&path), &path, true)
    }
    fn category(&self) -> Vec<Seen> {
        self.event.values.get(&FieldRef::Column(Column::Category)).cloned().unwrap_or_default()
    }
    fn record(&self) -> Option<&serde_json::Value> {
        Some(&self.event.raw)
    }
}

/// A member of an array.
struct Member<'a>(&'a serde_json::Value);

impl Look for Member<'_> {
    fn values(&self, field: &str) -> Vec<Seen> {
        let mut out = Vec::new();
        JsonRecord(self.0).values(field, &mut |v| out.push((v.kind, v.text.to_owned())));
        out
    }
    fn arrays(&self, field: &str) -> Vec<Seen> {
        let mut out = Vec::new();
        JsonRecord(self.0).json(field, &mut |text| out.push((Kind::Json, text.to_owned())));
        out
    }
    fn record(&self) -> Option<&serde_json::Value> {
        None
    }
}

type Looking<'l> = Option<&'l dyn Look>;

struct Builder {
    show_secrets: bool,
}

impl Builder {
    /// The rule's condition and those of the filters that narrow it, each with its own view of the event.
    fn rule(&self, rule: &DetectionRule, views: Option<(&dyn Look, &[&dyn Look])>) -> Node {
        let look = views.map(|v| v.0);
        let mut condition = self.condition(&rule.condition, &rule.selections, look);
        if !rule.filters.is_empty() {
            let mut parts = vec![condition];
            for (i, filter) in rule.filters.iter().enumerate() {
                let inner = self.condition(&filter.condition, &filter.selections, views.and_then(|v| v.1.get(i).copied()));
                parts.push(Node { holds: inner.holds, what: What::Selection { name: format!("filter: {}", filter.title) }, children: vec![inner] });
            }
            condition = all(parts);
        }
        let Some(category) = implied_category(rule) else { return condition };
        let matcher = Matcher::Text { op: crate::rule::matcher::TextOp::Exact, needle: category.to_lowercase(), cased: false };
        let seen = look.map(Look::category);
        let holds = seen.as_ref().map(|s| s.iter().any(|v| accepts(&matcher, v)));
        let found = seen.map(|s| self.found("category", &s, &|v| (accepts(&matcher, v), Vec::new())));
        let what = What::Item { asks: format!("category: '{category}'"), field: Some("category".into()), found };
        let item = Node { holds, what, children: Vec::new() };
        let selection = Node { holds, what: What::Selection { name: "logsource".into() }, children: vec![item] };
        all(vec![selection, condition])
    }

    fn condition(&self, condition: &Condition, named: &BTreeMap<String, Detection>, look: Looking<'_>) -> Node {
        let selection = |name: &String| {
            let inner = named.get(name).map(|d| self.detection(d, look));
            let holds = look.map(|_| inner.as_ref().is_some_and(|n| n.holds == Some(true)));
            Node { holds, what: What::Selection { name: name.clone() }, children: inner.into_iter().collect() }
        };
        match condition {
            Condition::Name(name) => selection(name),
            Condition::Not(inner) => {
                let inner = self.condition(inner, named, look);
                Node { holds: inner.holds.map(|h| !h), what: What::Not, children: vec![inner] }
            }
            Condition::And(parts) => all(parts.iter().map(|p| self.condition(p, named, look)).collect()),
            Condition::Or(parts) => any(parts.iter().map(|p| self.condition(p, named, look)).collect()),
            Condition::AtLeast(1, names) if names.len() == 1 => selection(&names[0]),
            Condition::AtLeast(least, names) => {
                let children: Vec<Node> = names.iter().map(selection).collect();
                let holds = look.map(|_| children.iter().filter(|c| c.holds == Some(true)).count() as u64 >= *least);
                Node { holds, what: What::AtLeast { least: *least }, children }
            }
        }
    }

    fn detection(&self, detection: &Detection, look: Looking<'_>) -> Node {
        match detection {
            Detection::Items(items) => all(items.iter().map(|i| self.item(i, look)).collect()),
            Detection::And(parts) => all(parts.iter().map(|p| self.detection(p, look)).collect()),
            Detection::Or(parts) => any(parts.iter().map(|p| self.detection(p, look)).collect()),
            Detection::Keywords { words, written, all, .. } => self.keywords(words, written, *all, look),
            Detection::Members(members, _) => self.members(members, look),
            Detection::Conditional(named, condition) => {
                let mut node = self.condition(condition, named, look);
                // A record as a whole has no conditional: only what is inside an array block has.
                if look.is_some_and(|l| l.record().is_some()) {
                    node.holds = Some(false);
                }
                node
            }
        }
    }

    fn keywords(&self, words: &[Matcher], written: &[String], every: bool, look: Looking<'_>) -> Node {
        let mut leaves: Vec<(String, Seen)> = Vec::new();
        if let Some(record) = look.and_then(Look::record) {
            each_leaf(record, String::new(), &mut leaves);
        }
        let children: Vec<Node> = words
            .iter()
            .enumerate()
            .map(|(i, word)| {
                let hits: Vec<&(String, Seen)> = leaves.iter().filter(|(_, v)| accepts(word, v)).collect();
                let found = look.map(|_| Found {
                    values: hits.iter().take(MAX_VALUES).map(|(at, v)| FoundValue { at: Some(cut(at, MAX_TEXT).0), fits: true, ..self.value(at, v) }).collect(),
                    more: hits.len().saturating_sub(MAX_VALUES),
                    notes: Vec::new(),
                });
                let asks = cut(written.get(i).map_or("", String::as_str), MAX_ASKS).0;
                Node { holds: look.map(|_| !hits.is_empty()), what: What::Word { asks, found }, children: Vec::new() }
            })
            .collect();
        let holds = look.map(|l| l.record().is_some() && if every { children.iter().all(is_true) } else { children.iter().any(is_true) });
        Node { holds, what: What::Keywords { all: every }, children }
    }

    fn members(&self, members: &Members, look: Looking<'_>) -> Node {
        let quantifier = match members.quantifier {
            Quantifier::Any => "any",
            Quantifier::All => "all",
            Quantifier::AllOrEmpty => "all_or_empty",
            Quantifier::None => "none",
        };
        let asks = format!("{}[{quantifier}]", members.field);
        let Some(look) = look else {
            let what = What::Array { asks, found: None, members: None, hold: None };
            return Node { holds: None, what, children: vec![self.detection(&members.body, None)] };
        };
        let arrays = look.arrays(&members.field);
        let lenient = matches!(members.quantifier, Quantifier::AllOrEmpty | Quantifier::None);
        let holds = if arrays.is_empty() { lenient } else { arrays.iter().any(|(kind, text)| members.accepts_json(Value { kind: *kind, text })) };
        let (mut children, mut number, mut hold) = (Vec::new(), 0, 0);
        for (_, text) in arrays.iter().filter(|a| a.0 == Kind::Json) {
            let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else { continue };
            let one = std::slice::from_ref(&json);
            for member in json.as_array().map_or(one, Vec::as_slice) {
                number += 1;
                let node = self.detection(&members.body, Some(&Member(member)));
                let is_hit = is_true(&node);
                hold += usize::from(is_hit);
                // Whatever decides is shown, even far behind.
                let decides = is_hit == matches!(members.quantifier, Quantifier::Any | Quantifier::None);
                if number <= MAX_VALUES || (decides && children.len() < 2 * MAX_VALUES) {
                    children.push(Node { holds: node.holds, what: What::Member { number }, children: vec![node] });
                }
            }
        }
        let found = arrays.iter().all(|a| a.0 != Kind::Json).then(|| self.found(&members.field, &arrays, &|_| (false, Vec::new())));
        Node { holds: Some(holds), what: What::Array { asks, found, members: Some(number), hold: Some(hold) }, children }
    }

    fn item(&self, item: &Item, look: Looking<'_>) -> Node {
        let asks = cut(&item.written, MAX_ASKS).0;
        let Some(look) = look else {
            return Node { holds: None, what: What::Item { asks, field: item.field.clone(), found: None }, children: Vec::new() };
        };
        let field = item.field.as_deref().unwrap_or_default();
        let seen = look.values(field);
        let some = |m: &Matcher| seen.iter().any(|v| accepts(m, v));
        let mut notes = Vec::new();
        let (holds, found) = match &item.test {
            Test::Null => (!some(&Matcher::NotNull), self.found(field, &seen, &|v| (v.0 == Kind::Null, Vec::new()))),
            Test::Exists(expected) => (seen.is_empty() != *expected, self.found(field, &seen, &|_| (*expected, Vec::new()))),
            Test::Some(m) => (some(m), self.found(field, &seen, &|v| fit(m, v, &item.looks_for))),
            Test::None(m) => (!seen.is_empty() && !some(m), self.found(field, &seen, &|v| fit(m, v, &item.looks_for))),
            Test::Each(ms) => {
                let missing: Vec<&str> =
                    ms.iter().enumerate().filter(|(_, m)| !some(m)).map(|(i, _)| item.looks_for.get(i).map_or("(a value)", String::as_str)).collect();
                if !missing.is_empty() && !seen.is_empty() {
                    notes.push(format!("nothing fits {}", cut(&missing.join(", "), MAX_TEXT).0));
                }
                let which = |v: &Seen| {
                    let fits: Vec<usize> = (0..ms.len()).filter(|i| accepts(&ms[*i], v)).collect();
                    let texts = fits.iter().take(3).filter(|_| ms.len() > 1 && ms.len() == item.looks_for.len()).map(|i| cut(&item.looks_for[*i], MAX_TEXT).0);
                    (!fits.is_empty(), texts.collect())
                };
                (missing.is_empty(), self.found(field, &seen, &which))
            }
            Test::FieldRef { field: other, op, cased, negated } => {
                let others = look.values(other);
                let related = |a: &Seen| others.iter().any(|b| refers(value_of(a), value_of(b), *op, *cased));
                let hit = seen.iter().any(related);
                let words = self.found(other, &others, &|_| (false, Vec::new())).words();
                notes.push(format!("{other} is {words}"));
                (if *negated { !seen.is_empty() && !hit } else { hit }, self.found(field, &seen, &|v| (related(v), Vec::new())))
            }
        };
        let negated = matches!(&item.test, Test::None(_) | Test::FieldRef { negated: true, .. });
        if negated && seen.is_empty() {
            notes.push("neq does not hold for an event without the field; `not` over a selection does".into());
        }
        let found = Found { notes, ..found };
        Node { holds: Some(holds), what: What::Item { asks, field: item.field.clone(), found: Some(found) }, children: Vec::new() }
    }

    /// The values of a field, at most [`MAX_VALUES`] and among them those that fit.
    fn found(&self, field: &str, seen: &[Seen], fits: Fits<'_>) -> Found {
        let mut values = Vec::new();
        for (i, v) in seen.iter().enumerate() {
            let (fits, fits_values) = fits(v);
            if i < MAX_VALUES || (fits && values.len() < 2 * MAX_VALUES) {
                values.push(FoundValue { fits, fits_values, ..self.value(field, v) });
            }
        }
        Found { more: seen.len() - values.len(), values, notes: Vec::new() }
    }

    fn value(&self, field: &str, (kind, text): &Seen) -> FoundValue {
        let name = match kind {
            Kind::Str => "text",
            Kind::Int | Kind::Float => "number",
            Kind::Bool => "boolean",
            Kind::Null => "null",
            Kind::NullElement => "null element",
            Kind::EmptyArray => "empty array",
            Kind::Object => "object",
            Kind::Json => "json",
        };
        let text = (kind.is_text() || *kind == Kind::Json).then(|| if self.show_secrets { text.clone() } else { masked(field, text) });
        let (value, length) = text.map_or((None, None), |t| {
            let (short, length) = cut(&t, MAX_TEXT);
            (Some(short), length)
        });
        FoundValue { kind: name, value, length, at: None, fits: false, fits_values: Vec::new() }
    }
}

/// A secret is told by its own shape or by the name of its field.
fn masked(field: &str, text: &str) -> String {
    let (inner, count) = mask(text);
    if count > 0 {
        return inner.into_owned();
    }
    let name = field.rsplit('.').next().unwrap_or(field);
    let pair = format!("{{{}:{}}}", serde_json::Value::from(name), serde_json::Value::from(text));
    if mask(&pair).1 > 0 { MASK.to_owned() } else { text.to_owned() }
}

/// The first so many characters, and the whole length where that is more.
fn cut(text: &str, most: usize) -> (String, Option<usize>) {
    let length = text.chars().count();
    if length <= most {
        return (text.to_owned(), None);
    }
    (text.chars().take(most.saturating_sub(1)).chain(['…']).collect(), Some(length))
}

fn value_of((kind, text): &Seen) -> Value<'_> {
    Value { kind: *kind, text }
}

fn accepts(matcher: &Matcher, seen: &Seen) -> bool {
    matcher.accepts(value_of(seen), &fold_case(&seen.1))
}

/// Whether a value fits, and which of the rule's values, where there are several.
fn fit(matcher: &Matcher, seen: &Seen, looks_for: &[String]) -> (bool, Vec<String>) {
    match matcher {
        Matcher::Any(parts) if parts.len() == looks_for.len() => {
            let first = parts.iter().position(|m| accepts(m, seen));
            (first.is_some(), first.map(|i| cut(&looks_for[i], MAX_TEXT).0).into_iter().collect())
        }
        // Of a long list: the entry, or the network that the address lies in.
        Matcher::Any(parts) => parts.iter().map(|m| fit(m, seen, &[])).find(|f| f.0).unwrap_or_default(),
        Matcher::Networks(networks) => {
            let found = parse_plain_address(&seen.1).filter(|_| accepts(matcher, seen)).and_then(|a| networks.find(a));
            (found.is_some(), found.map(|n| n.to_string()).into_iter().collect())
        }
        Matcher::Texts(_) if accepts(matcher, seen) => (true, vec![cut(&seen.1, MAX_TEXT).0]),
        m => (accepts(m, seen), Vec::new()),
    }
}

/// Tells of a value whether it is what a test looks for, and which of the rule's values it fits.
type Fits<'f> = &'f dyn Fn(&Seen) -> (bool, Vec<String>);

fn is_true(node: &Node) -> bool {
    node.holds == Some(true)
}

fn all(children: Vec<Node>) -> Node {
    // All of some that are themselves all of some: one level says it.
    let mut children: Vec<Node> = children.into_iter().flat_map(|c| if c.what == What::All { c.children } else { vec![c] }).collect();
    if children.len() == 1 {
        return children.remove(0);
    }
    let holds = children.iter().map(|c| c.holds).try_fold(true, |acc, h| h.map(|h| acc && h));
    Node { holds, what: What::All, children }
}

fn any(mut children: Vec<Node>) -> Node {
    if children.len() == 1 {
        return children.remove(0);
    }
    let holds = children.iter().map(|c| c.holds).try_fold(false, |acc, h| h.map(|h| acc || h));
    Node { holds, what: What::Any, children }
}

/// Every scalar leaf with its path, as keywords see them.
fn each_leaf(json: &serde_json::Value, path: String, out: &mut Vec<(String, Seen)>) {
    use serde_json::Value as J;
    match json {
        J::Array(items) => items.iter().for_each(|i| each_leaf(i, path.clone(), out)),
        J::Object(map) => map.iter().for_each(|(k, v)| each_leaf(v, if path.is_empty() { k.clone() } else { format!("{path}.{k}") }, out)),
        J::Null => {}
        J::String(s) => out.push((path, (Kind::Str, s.clone()))),
        other => out.push((path, (Kind::Str, other.to_string()))),
    }
}
