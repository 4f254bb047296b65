//! A detection as a tree, and its plain evaluation over one record.
//!
//! The engine lowers the same tree to bit masks; the plain evaluation serves members of arrays and mapping conditions.

use super::matcher::{Matcher, TextOp};
use crate::event::value::{Kind, Value, fold_case};
use std::collections::BTreeMap;

/// What a detection item asks of a field.
#[derive(Debug, Clone)]
pub enum Test {
    /// The field is absent or null.
    Null,
    /// The field is there (null and empty included), or is not.
    Exists(bool),
    /// Some element of the value fits.
    Some(Matcher),
    /// For each matcher some element of the value fits.
    Each(Vec<Matcher>),
    /// The field is there and no element of it fits.
    None(Matcher),
    /// Some element relates to some element of another field; null never does.
    FieldRef {
        /// The other field.
        field: String,
        /// Relation.
        op: TextOp,
        /// Upper and lower case differ.
        cased: bool,
        /// The field is there and no element relates.
        negated: bool,
    },
}

/// One `field|modifiers: values` line.
#[derive(Debug, Clone)]
pub struct Item {
    /// The field; none where an array's member itself is asked.
    pub field: Option<String>,
    /// What is asked.
    pub test: Test,
    /// Identity of the test: equal text means equal meaning.
    pub key: String,
    /// The line as the rule wrote it, such as `user|contains|all: [a, b]`.
    pub written: String,
    /// What each matcher of the test looks for, as the rule wrote it, or a list's entry where `expand` put it there.
    pub looks_for: Vec<String>,
}

/// Which members of an array must satisfy the nested detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Any,
    /// All, and there is one.
    All,
    /// All, or there is none.
    AllOrEmpty,
    /// None.
    None,
}

/// A nested detection over the members of an array field.
#[derive(Debug, Clone)]
pub struct Members {
    /// The array.
    pub field: String,
    /// Which members must satisfy it.
    pub quantifier: Quantifier,
    /// What each member is asked.
    pub body: Detection,
}

/// A detection: what a named selection asks of a record.
#[derive(Debug, Clone)]
pub enum Detection {
    /// Every item holds.
    Items(Vec<Item>),
    /// Every part holds.
    And(Vec<Detection>),
    /// Some part holds.
    Or(Vec<Detection>),
    /// Words anywhere in the record's scalar leaves.
    Keywords {
        /// One matcher a word.
        words: Vec<Matcher>,
        /// The words as the rule wrote them.
        written: Vec<String>,
        /// Each word must occur, not only one.
        all: bool,
        /// Identity.
        key: String,
    },
    /// Members of an array.
    Members(Box<Members>, String),
    /// Named parts under a condition.
    Conditional(BTreeMap<String, Detection>, Condition),
}

/// A condition with its selectors resolved to names.
#[derive(Debug, Clone)]
pub enum Condition {
    /// A named selection.
    Name(String),
    /// Negation.
    Not(Box<Condition>),
    /// Conjunction.
    And(Vec<Condition>),
    /// Disjunction.
    Or(Vec<Condition>),
    /// At least so many of these.
    AtLeast(u64, Vec<String>),
}

/// Gives the values of a field: every element of an array one by one, nothing when the field is absent.
pub trait Fields {
    /// Calls `found` for each value.
    fn values(&self, field: &str, found: &mut dyn FnMut(Value<'_>));
    /// Calls `found` for each JSON object or array at the field, as text.
    fn json(&self, field: &str, found: &mut dyn FnMut(&str));
}

impl Detection {
    /// Whether the record satisfies the detection.
    pub fn holds(&self, record: &dyn Fields) -> bool {
        match self {
            Detection::Items(items) => items.iter().all(|i| i.holds(record)),
            Detection::And(parts) => parts.iter().all(|p| p.holds(record)),
            Detection::Or(parts) => parts.iter().any(|p| p.holds(record)),
            // Keywords look at a whole record; a member or a mapping condition has none (refused when loaded).
            Detection::Keywords { .. } => false,
            Detection::Members(members, _) => {
                let mut any = false;
                let mut hit = false;
                record.json(&members.field, &mut |text| {
                    any = true;
                    hit |= members.accepts_json(Value { kind: Kind::Json, text });
                });
                if any { hit } else { matches!(members.quantifier, Quantifier::AllOrEmpty | Quantifier::None) }
            }
            Detection::Conditional(named, condition) => condition.holds(&|name| named.get(name).is_some_and(|d| d.holds(record))),
        }
    }

    /// Calls `f` with every item of the detection, those inside members too.
    pub fn visit_items<'a>(&'a self, f: &mut dyn FnMut(&'a Item)) {
        match self {
            Detection::Items(items) => items.iter().for_each(f),
            Detection::And(parts) | Detection::Or(parts) => parts.iter().for_each(|p| p.visit_items(f)),
            Detection::Keywords { .. } => {}
            Detection::Members(members, _) => members.body.visit_items(f),
            Detection::Conditional(named, _) => named.values().for_each(|d| d.visit_items(f)),
        }
    }

    /// Calls `f` with every field that the detection names (not those inside members).
    pub fn visit_fields<'a>(&'a self, f: &mut dyn FnMut(&'a str)) {
        match self {
            Detection::Items(items) => {
                for item in items {
                    if let Some(field) = &item.field {
                        f(field);
                    }
                    if let Test::FieldRef { field, .. } = &item.test {
                        f(field);
                    }
                }
            }
            Detection::And(parts) | Detection::Or(parts) => parts.iter().for_each(|p| p.visit_fields(f)),
            Detection::Keywords { .. } => {}
            Detection::Members(members, _) => f(&members.field),
            Detection::Conditional(named, _) => named.values().for_each(|d| d.visit_fields(f)),
        }
    }
}

impl Condition {
    /// The truth of the condition, given the truth of each name.
    pub fn holds(&self, name: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Condition::Name(n) => name(n),
            Condition::Not(c) => !c.holds(name),
            Condition::And(cs) => cs.iter().all(|c| c.holds(name)),
            Condition::Or(cs) => cs.iter().any(|c| c.holds(name)),
            Condition::AtLeast(n, names) => names.iter().filter(|x| name(x)).count() as u64 >= *n,
        }
    }
}

impl Item {
    fn holds(&self, record: &dyn Fields) -> bool {
        let field = self.field.as_deref().unwrap_or("");
        let some = |m: &Matcher| {
            let mut hit = false;
            record.values(field, &mut |v| hit = hit || m.accepts_value(v));
            hit
        };
        match &self.test {
            Test::Null => !some(&Matcher::NotNull),
            Test::Exists(expected) => some(&Matcher::Present) == *expected,
            Test::Some(m) => some(m),
            Test::Each(ms) => ms.iter().all(some),
            Test::None(m) => some(&Matcher::Present) && !some(m),
            Test::FieldRef { field: other, op, cased, negated } => {
                let mut hit = false;
                record.values(field, &mut |a| record.values(other, &mut |b| hit = hit || refers(a, b, *op, *cased)));
                if *negated { some(&Matcher::Present) && !hit } else { hit }
            }
        }
    }
}

/// Whether value `a` relates to value `b`: null never does, numbers and text by their text.
pub fn refers(a: Value<'_>, b: Value<'_>, op: TextOp, cased: bool) -> bool {
    match (a.scalar(), b.scalar()) {
        (Some(x), Some(y)) if cased => op.holds(x, y),
        (Some(x), Some(y)) => op.holds(&fold_case(x), &fold_case(y)),
        _ => false,
    }
}

impl Members {
    /// Whether an array, given as JSON text, satisfies the quantifier. Anything but an array is one member.
    pub fn accepts_json(&self, value: Value<'_>) -> bool {
        if value.kind != Kind::Json {
            return match value.kind {
                Kind::EmptyArray | Kind::Null => matches!(self.quantifier, Quantifier::AllOrEmpty | Quantifier::None),
                _ => false,
            };
        }
        let Ok(json) = serde_json::from_str::<serde_json::Value>(value.text) else { return false };
        let one = std::slice::from_ref(&json);
        let members = json.as_array().map_or(one, Vec::as_slice);
        let hit = |m: &serde_json::Value| self.body.holds(&JsonRecord(m));
        match self.quantifier {
            Quantifier::Any => members.iter().any(hit),
            Quantifier::All => !members.is_empty() && members.iter().all(hit),
            Quantifier::AllOrEmpty => members.iter().all(hit),
            Quantifier::None => !members.iter().any(hit),
        }
    }
}

/// A parsed record as [`Fields`].
pub struct JsonRecord<'a>(pub &'a serde_json::Value);

impl Fields for JsonRecord<'_> {
    fn values(&self, field: &str, found: &mut dyn FnMut(Value<'_>)) {
        if field.is_empty() {
            emit(self.0, false, found);
            return;
        }
        lookup(self.0, field, &mut |v, in_array| emit(v, in_array, found));
    }

    fn json(&self, field: &str, found: &mut dyn FnMut(&str)) {
        lookup(self.0, field, &mut |v, _| found(&v.to_string()));
    }
}

fn emit(value: &serde_json::Value, in_array: bool, found: &mut dyn FnMut(Value<'_>)) {
    use serde_json::Value as J;
    match value {
        J::Null => found(Value { kind: if in_array { Kind::NullElement } else { Kind::Null }, text: "" }),
        J::Bool(b) => found(Value { kind: Kind::Bool, text: if *b { "true" } else { "false" } }),
        J::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), _, _) => found(Value { kind: Kind::Int, text: &i.to_string() }),
            (_, Some(u), _) => found(Value { kind: Kind::Int, text: &u.to_string() }),
            (_, _, f) => found(Value { kind: Kind::Float, text: &f.unwrap_or(0.0).to_string() }),
        },
        J::String(s) => found(Value::str(s)),
        J::Array(items) if items.is_empty() => found(Value { kind: Kind::EmptyArray, text: "" }),
        J::Array(items) => items.iter().for_each(|i| emit(i, true, found)),
        J::Object(_) => found(Value { kind: Kind::Object, text: "" }),
    }
}

/// Finds a field: the flat key wins, then every split of the path; arrays on the way are any element.
fn lookup(value: &serde_json::Value, path: &str, found: &mut dyn FnMut(&serde_json::Value, bool)) {
    if let Some(flat) = value.as_object().and_then(|o| o.get(path)) {
        return found(flat, false);
    }
    descend(value, path, false, found);
}

fn descend(value: &serde_json::Value, path: &str, in_array: bool, found: &mut dyn FnMut(&serde_json::Value, bool)) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|i| descend(i, path, true, found)),
        serde_json::Value::Object(map) => {
            if let Some(v) = map.get(path) {
                found(v, in_array);
            }
            for (i, _) in path.match_indices('.') {
                if let Some(v) = map.get(&path[..i]) {
                    descend(v, &path[i + 1..], in_array, found);
                }
            }
        }
        _ => {}
    }
}
