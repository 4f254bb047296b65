//! A selection as a tree: items can be renamed, doubled and told apart, which the keys of a YAML mapping cannot.

use super::PART;
use std::collections::BTreeSet;
use yaml_serde::{Mapping, Value};

/// A part of a selection.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Every part holds: a YAML mapping.
    All(Vec<Node>),
    /// Some part holds: a YAML list with mappings in it.
    Any(Vec<Node>),
    /// One `field|modifiers: values` line.
    Item(Item),
    /// Keywords, which have no field, and whatever else a pipeline leaves alone.
    Other(Value),
    /// An entry whose key is no text.
    Raw(Value, Value),
}

/// One `field|modifiers: values` line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// The field; of an array block the outer one. `None` for keywords with modifiers.
    pub field: Option<String>,
    /// From the first array selector to the first `|`.
    pub selector: String,
    /// Modifiers with the `|` before each.
    pub modifiers: String,
    /// Value or values.
    pub value: Value,
    /// A mapping made several fields of one that `fieldref` names; the loader takes one a line.
    pub several: bool,
    /// Ids of the transformations that changed it.
    pub applied: BTreeSet<String>,
}

impl Item {
    /// Whether a modifier stands in the key.
    pub fn has(&self, modifier: &str) -> bool {
        self.modifiers.split('|').any(|m| m == modifier)
    }

    /// The values, one or several.
    pub fn values(&self) -> &[Value] {
        match &self.value {
            Value::Sequence(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// One item for each value: of several fields compared with, any may fit, or with neq none may.
    fn one_each(&self) -> Node {
        let items = self.values().iter().map(|v| Node::Item(Item { value: v.clone(), several: false, ..self.clone() })).collect();
        if self.has("all") != self.has("neq") { Node::All(items) } else { Node::Any(items) }
    }

    fn key(&self) -> String {
        format!("{}{}{}", self.field.as_deref().unwrap_or_default(), self.selector, self.modifiers)
    }
}

impl Node {
    /// Reads a selection. `arrays`: the document's version knows array selectors.
    pub fn read(value: &Value, arrays: bool) -> Node {
        match value {
            Value::Mapping(map) => Node::All(map.iter().map(|(k, v)| entry(k, v, arrays)).collect()),
            Value::Sequence(items) if items.iter().any(|v| v.is_mapping() || v.is_sequence()) => {
                Node::Any(items.iter().map(|v| Node::read(v, arrays)).collect())
            }
            other => Node::Other(other.clone()),
        }
    }

    /// Calls `f` with every item.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a Item)) {
        match self {
            Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|p| p.visit(f)),
            Node::Item(item) => f(item),
            Node::Other(_) | Node::Raw(..) => {}
        }
    }

    /// Writes the selection; parts that it cannot hold are added to `parts` under names of their own.
    pub fn write(&self, parts: &mut Vec<(String, Value)>) -> Value {
        match self {
            Node::All(nodes) => {
                let mut map = Mapping::new();
                for node in nodes {
                    let (key, value) = match node {
                        Node::Item(item) if item.several => (None, item.one_each().write(parts)),
                        Node::Item(item) => (Some(Value::String(item.key())), item.value.clone()),
                        Node::Raw(key, value) => (Some(key.clone()), value.clone()),
                        nested => (None, nested.write(parts)),
                    };
                    let part = match key {
                        Some(key) if !map.contains_key(&key) => {
                            map.insert(key, value);
                            continue;
                        }
                        Some(key) => Value::Mapping(Mapping::from_iter([(key, value)])),
                        None => value,
                    };
                    let name = format!("{PART}{}", parts.len());
                    map.insert(Value::String(name.clone()), Value::Bool(true));
                    parts.push((name, part));
                }
                Value::Mapping(map)
            }
            Node::Any(nodes) => Value::Sequence(nodes.iter().map(|n| n.write(parts)).collect()),
            Node::Item(_) | Node::Raw(..) => Node::All(vec![self.clone()]).write(parts),
            Node::Other(value) => value.clone(),
        }
    }
}

fn entry(key: &Value, value: &Value, arrays: bool) -> Node {
    let Value::String(key) = key else { return Node::Raw(key.clone(), value.clone()) };
    let (path, modifiers) = key.split_at(key.find('|').unwrap_or(key.len()));
    let (field, selector) = path.split_at(if arrays { selector_at(path) } else { path.len() });
    // A lone `.` is the member of an array block, and outside of one it is no field either.
    let field = (!field.is_empty() && field != ".").then(|| field.to_owned());
    if field.is_none() && !path.is_empty() {
        return Node::Raw(Value::String(key.clone()), value.clone());
    }
    Node::Item(Item { field, selector: selector.to_owned(), modifiers: modifiers.to_owned(), value: value.clone(), several: false, applied: BTreeSet::new() })
}

/// Where the first array selector begins; the end of the path without one.
fn selector_at(path: &str) -> usize {
    const SELECTORS: [&str; 4] = ["[any]", "[all]", "[all_or_empty]", "[none]"];
    let mut start = 0;
    for segment in path.split('.') {
        if let Some(s) = SELECTORS.iter().find(|s| segment.ends_with(**s))
            && !segment[..segment.len() - s.len()].ends_with('\\')
        {
            return start + segment.len() - s.len();
        }
        start += segment.len() + 1;
    }
    path.len()
}
