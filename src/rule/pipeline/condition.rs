//! Conditions of transformations: on the rule, on a detection item, on a field name.

use super::Kind;
use super::tree::{Item, Node};
use crate::event::value::Number;
use crate::rule::correlation::Fault;
use crate::rule::meta::{Level, LogSource};
use regex::Regex;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use yaml_serde::{Mapping, Value};

/// Several conditions and how they are joined.
#[derive(Debug, Clone)]
pub(super) struct Conditions<C> {
    pub logic: Logic<C>,
    pub negated: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Logic<C> {
    /// All of them, or any (`_cond_op: or`).
    Linked { any: bool, conditions: Vec<C> },
    /// An expression over named ones (`_cond_expr`).
    Expression(Expr<C>),
}

#[derive(Debug, Clone)]
pub(super) enum Expr<C> {
    Is(C),
    Not(Box<Expr<C>>),
    And(Vec<Expr<C>>),
    Or(Vec<Expr<C>>),
}

type Judge<'j, C> = &'j mut dyn FnMut(&C) -> Result<bool, Fault>;

impl<C> Conditions<C> {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        matches!(&self.logic, Logic::Linked { conditions, .. } if conditions.is_empty())
    }

    /// Their joint truth. Without any, `any` is false and all is true, and the negation counts: so has it pySigma.
    pub fn holds(&self, judge: Judge<'_, C>) -> Result<bool, Fault> {
        let truth = match &self.logic {
            Logic::Linked { any: true, conditions } => some(conditions, judge)?,
            Logic::Linked { any: false, conditions } => every(conditions, judge)?,
            Logic::Expression(e) => e.holds(judge)?,
        };
        Ok(truth != self.negated)
    }
}

fn some<T, J: FnMut(&T) -> Result<bool, Fault> + ?Sized>(list: &[T], judge: &mut J) -> Result<bool, Fault> {
    for c in list {
        if judge(c)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn every<T, J: FnMut(&T) -> Result<bool, Fault> + ?Sized>(list: &[T], judge: &mut J) -> Result<bool, Fault> {
    for c in list {
        if !judge(c)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl<C> Expr<C> {
    fn holds(&self, judge: Judge<'_, C>) -> Result<bool, Fault> {
        match self {
            Expr::Is(c) => judge(c),
            Expr::Not(e) => Ok(!e.holds(judge)?),
            Expr::And(list) => every(list, &mut |e: &Expr<C>| e.holds(judge)),
            Expr::Or(list) => some(list, &mut |e: &Expr<C>| e.holds(judge)),
        }
    }
}

/// A condition on the whole document.
#[derive(Debug, Clone)]
pub(super) enum RuleCondition {
    LogSource(LogSource),
    IsSigmaRule,
    IsSigmaCorrelationRule,
    RuleAttribute { attribute: String, op: AttributeOp, value: Value },
    ProcessingItemApplied(String),
    ContainsField(String),
    ContainsDetectionItem { field: String, value: Plain },
    Tag(String),
    Taxonomy(Vec<String>),
}

/// How a rule's attribute is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeOp {
    Eq,
    Ne,
    Gte,
    Gt,
    Lte,
    Lt,
    In,
    NotIn,
}

impl AttributeOp {
    /// Its name in a pipeline.
    pub fn parse(name: &str) -> Option<AttributeOp> {
        use AttributeOp::{Eq, Gt, Gte, In, Lt, Lte, Ne, NotIn};
        [("eq", Eq), ("ne", Ne), ("gte", Gte), ("gt", Gt), ("lte", Lte), ("lt", Lt), ("in", In), ("not_in", NotIn)]
            .into_iter()
            .find(|(n, _)| *n == name)
            .map(|(_, op)| op)
    }

    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            AttributeOp::Eq => ordering == Some(Ordering::Equal),
            AttributeOp::Ne => ordering != Some(Ordering::Equal),
            AttributeOp::Gte => ordering.is_some_and(Ordering::is_ge),
            AttributeOp::Gt => ordering.is_some_and(Ordering::is_gt),
            AttributeOp::Lte => ordering.is_some_and(Ordering::is_le),
            AttributeOp::Lt => ordering.is_some_and(Ordering::is_lt),
            AttributeOp::In | AttributeOp::NotIn => false,
        }
    }
}

/// A condition on a detection item.
#[derive(Debug, Clone)]
pub(super) enum ItemCondition {
    MatchString { any: bool, pattern: Regex, negate: bool },
    IsNull { any: bool },
    ProcessingItemApplied(String),
}

/// A condition on a field name.
#[derive(Debug, Clone)]
pub(super) enum FieldCondition {
    Include(Names),
    Exclude(Names),
    ProcessingItemApplied(String),
}

/// Field names, as they are or as expressions that must match from their start.
#[derive(Debug, Clone)]
pub(super) enum Names {
    Plain(BTreeSet<String>),
    Re(Vec<Regex>),
}

impl Names {
    fn contain(&self, field: Option<&str>) -> bool {
        let Some(field) = field else { return false };
        match self {
            Names::Plain(names) => names.contains(field),
            Names::Re(patterns) => patterns.iter().any(|p| p.is_match(field)),
        }
    }
}

/// What conditions see of a document.
pub(super) struct Seen<'a> {
    pub kind: Kind,
    pub document: &'a Mapping,
    pub selections: &'a [(String, Node)],
    pub logsource: &'a LogSource,
    /// Of a correlation: the log sources of the rules that it counts.
    pub counted: Vec<&'a LogSource>,
    pub applied: &'a BTreeSet<String>,
}

impl RuleCondition {
    pub fn holds(&self, rule: &Seen<'_>) -> Result<bool, Fault> {
        Ok(match self {
            RuleCondition::LogSource(wanted) if rule.kind == Kind::Correlation => rule.counted.iter().any(|l| fits(wanted, l)),
            RuleCondition::LogSource(wanted) => fits(wanted, rule.logsource),
            RuleCondition::IsSigmaRule => rule.kind != Kind::Correlation,
            RuleCondition::IsSigmaCorrelationRule => rule.kind == Kind::Correlation,
            RuleCondition::RuleAttribute { attribute, op, value } => attribute_holds(rule.document, attribute, *op, value),
            RuleCondition::ProcessingItemApplied(id) => rule.applied.contains(id),
            RuleCondition::ContainsField(field) => {
                let mut found = false;
                rule.selections.iter().for_each(|(_, n)| n.visit(&mut |i| found |= i.field.as_deref() == Some(field)));
                found
            }
            RuleCondition::ContainsDetectionItem { field, value } => {
                let mut found = Ok(false);
                let mut look = |item: &Item| {
                    if item.field.as_deref() == Some(field) && found == Ok(false) {
                        found = plain_values(item).map(|values| values.contains(value));
                    }
                };
                rule.selections.iter().for_each(|(_, n)| n.visit(&mut look));
                found?
            }
            RuleCondition::Tag(tag) => match rule.document.get("tags") {
                Some(Value::Sequence(tags)) => tags.iter().any(|t| t.as_str() == Some(tag)),
                _ => false,
            },
            RuleCondition::Taxonomy(names) => names.iter().any(|n| n == taxonomy(rule.document)),
        })
    }
}

/// A rule without `taxonomy` is of Sigma's own.
fn taxonomy(document: &Mapping) -> &str {
    document.get("taxonomy").and_then(Value::as_str).unwrap_or("sigma")
}

/// Each part that the condition names is equal, in upper and lower case too.
fn fits(wanted: &LogSource, found: &LogSource) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_none() || a == b;
    same(&wanted.product, &found.product) && same(&wanted.service, &found.service) && same(&wanted.category, &found.category)
}

fn attribute_holds(document: &Mapping, attribute: &str, op: AttributeOp, wanted: &Value) -> bool {
    const STATUSES: [&str; 5] = ["unsupported", "deprecated", "experimental", "test", "stable"];
    let wanted_text = scalar_text(wanted);
    if attribute == "taxonomy" {
        return op.holds(equality(Some(taxonomy(document)), wanted_text.as_deref()));
    }
    let found = match document.get(attribute) {
        None | Some(Value::Null) => return false,
        Some(Value::Sequence(items)) => {
            let member = items.iter().any(|i| i == wanted);
            return match op {
                AttributeOp::In => member,
                AttributeOp::NotIn => !member,
                AttributeOp::Ne => true,
                _ => false,
            };
        }
        Some(scalar) => scalar,
    };
    let rank = |list: &[&str], text: Option<&str>| text.and_then(|t| list.iter().position(|s| s.eq_ignore_ascii_case(t)));
    let found_text = scalar_text(found);
    let (found_text, wanted_text) = (found_text.as_deref(), wanted_text.as_deref());
    let ordering = match attribute {
        "level" => {
            let level = |t: Option<&str>| t.and_then(|t| t.parse::<Level>().ok());
            level(found_text).zip(level(wanted_text)).map(|(a, b)| a.cmp(&b))
        }
        "status" => rank(&STATUSES, found_text).zip(rank(&STATUSES, wanted_text)).map(|(a, b)| a.cmp(&b)),
        // ISO dates order as their text does.
        "date" | "modified" => found_text.zip(wanted_text).map(|(a, b)| a.replace('/', "-").cmp(&b.replace('/', "-"))),
        _ if found.is_number() => {
            let number = |t: Option<&str>| t.and_then(Number::parse);
            number(found_text).zip(number(wanted_text)).map(|(a, b)| a.compare(b))
        }
        _ => equality(found_text, wanted_text),
    };
    op.holds(ordering)
}

/// Texts are equal or not; none is above another.
fn equality(a: Option<&str>, b: Option<&str>) -> Option<Ordering> {
    (a.is_some() && a == b).then_some(Ordering::Equal)
}

/// A number or a text as text.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    }
}

impl ItemCondition {
    pub fn holds(&self, item: &Item) -> Result<bool, Fault> {
        let linked = |any: bool, fits: &dyn Fn(&Plain) -> bool| -> Result<bool, Fault> {
            let values = plain_values(item)?;
            Ok(if any { values.iter().any(fits) } else { values.iter().all(fits) })
        };
        match self {
            ItemCondition::MatchString { any, pattern, negate } => {
                linked(*any, &|v| matches!(v, Plain::Text { parts, .. } if pattern.is_match(&shown(parts))) != *negate)
            }
            ItemCondition::IsNull { any } => linked(*any, &|v| *v == Plain::Null),
            ItemCondition::ProcessingItemApplied(id) => Ok(item.applied.contains(id)),
        }
    }
}

impl FieldCondition {
    /// Whether it holds for an item: for its field or for a field that its values refer to.
    pub fn holds_for(&self, item: &Item) -> bool {
        if let FieldCondition::ProcessingItemApplied(id) = self {
            return item.applied.contains(id);
        }
        let refers = item.has("fieldref") && item.values().iter().filter_map(Value::as_str).any(|f| self.holds(Some(f), &BTreeSet::new()));
        self.holds(item.field.as_deref(), &BTreeSet::new()) || refers
    }

    /// Whether it holds for a name to which these transformations were applied.
    pub fn holds(&self, field: Option<&str>, applied: &BTreeSet<String>) -> bool {
        match self {
            FieldCondition::Include(names) => names.contain(field),
            FieldCondition::Exclude(names) => !names.contain(field),
            FieldCondition::ProcessingItemApplied(id) => field.is_some() && applied.contains(id),
        }
    }
}

/// A value as it is after the modifiers: `contains` has put a wildcard on both sides.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    Text {
        parts: Vec<Part>,
        cased: bool,
    },
    Number(String),
    Bool(bool),
    Null,
    /// A regular expression, a network, a comparison: no text any more.
    Other,
}

/// A character of a text or a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Char(char),
    Many,
    One,
}

impl Plain {
    /// A value without modifiers.
    pub fn of(value: &Value) -> Plain {
        match value {
            Value::String(s) => Plain::Text { parts: parts(s), cased: false },
            Value::Number(n) => Plain::Number(n.to_string()),
            Value::Bool(b) => Plain::Bool(*b),
            Value::Null => Plain::Null,
            _ => Plain::Other,
        }
    }
}

fn parts(text: &str) -> Vec<Part> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' if chars.peek().is_some_and(|n| ['*', '?', '\\'].contains(n)) => Part::Char(chars.next().unwrap_or(c)),
            '*' => Part::Many,
            '?' => Part::One,
            c => Part::Char(c),
        });
    }
    out
}

/// A text as pySigma shows it to `match_string`: a literal wildcard is escaped, a backslash is not.
fn shown(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Many => out.push('*'),
            Part::One => out.push('?'),
            Part::Char(c @ ('*' | '?')) => out.extend(['\\', *c]),
            Part::Char(c) => out.push(*c),
        }
    }
    out
}

fn plain_values(item: &Item) -> Result<Vec<Plain>, Fault> {
    let (mut before, mut after, mut cased, mut other) = (false, false, false, false);
    for modifier in item.modifiers.split('|').skip(1) {
        match modifier {
            "contains" => (before, after) = (true, true),
            "startswith" => after = true,
            "endswith" => before = true,
            "cased" => cased = true,
            "all" | "neq" | "expand" | "i" | "m" | "s" => {}
            "windash" | "base64" | "base64offset" | "wide" | "utf16" | "utf16le" | "utf16be" => {
                let field = item.field.as_deref().unwrap_or("keywords");
                return Err((format!("a condition on values cannot judge `{field}`: its modifier `{modifier}` changes them"), None));
            }
            _ => other = true,
        }
    }
    let one = |value: &Value| match Plain::of(value) {
        _ if other => Plain::Other,
        Plain::Text { mut parts, .. } => {
            if before && parts.first() != Some(&Part::Many) {
                parts.insert(0, Part::Many);
            }
            if after && parts.last() != Some(&Part::Many) {
                parts.push(Part::Many);
            }
            Plain::Text { parts, cased }
        }
        plain => plain,
    };
    Ok(item.values().iter().map(one).collect())
}
