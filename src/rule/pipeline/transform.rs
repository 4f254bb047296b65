//! The transformations themselves, over one document.

use super::condition::{Seen, scalar_text};
use super::tree::{Item, Node};
use super::{Kind, Pipelines, Step, Target, Transformation, Transformed};
use crate::rule::correlation::Fault;
use crate::rule::meta::LogSource;
use std::collections::{BTreeMap, BTreeSet};
use yaml_serde::{Mapping, Value};

/// Items that mappings to several fields may make in one document.
const MAX_COPIES: usize = 100_000;
/// Texts that the placeholders of one value may stand for.
const MAX_TEXTS: usize = 100_000;

fn fault(reason: impl Into<String>, help: &str) -> Fault {
    (reason.into(), (!help.is_empty()).then(|| help.to_owned()))
}

struct Work<'a> {
    pipelines: &'a Pipelines,
    kind: Kind,
    document: Mapping,
    selections: Vec<(String, Node)>,
    logsource: LogSource,
    /// Ids of the transformations that were applied to the rule.
    applied: BTreeSet<String>,
    /// The same for each field name of the lists outside the selections.
    applied_to_field: BTreeMap<String, BTreeSet<String>>,
    renamed: BTreeMap<String, String>,
    filled: BTreeSet<String>,
    copies: usize,
}

/// Gives what takes an item's place; `None` leaves it.
type Change<'c, W> = &'c mut dyn FnMut(&mut W, &Item) -> Result<Option<Node>, Fault>;

/// Applies every transformation whose conditions hold, in order.
pub(super) fn transform(pipelines: &Pipelines, kind: Kind, map: &Mapping, counted: &[&[LogSource]]) -> Result<Transformed, Fault> {
    let mut work = Work {
        pipelines,
        kind,
        document: map.clone(),
        selections: read_selections(kind, map),
        logsource: map.get("logsource").map(read_logsource).unwrap_or_default(),
        applied: BTreeSet::new(),
        applied_to_field: BTreeMap::new(),
        renamed: BTreeMap::new(),
        filled: BTreeSet::new(),
        copies: 0,
    };
    let (mut used, mut logsources) = (Vec::new(), Vec::new());
    for (p, pipeline) in pipelines.list.iter().enumerate() {
        for step in &pipeline.steps {
            let at = logsources.len();
            logsources.push(work.logsource.clone());
            let seen = Seen {
                kind,
                document: &work.document,
                selections: &work.selections,
                logsource: &work.logsource,
                counted: counted.iter().filter_map(|l| l.get(at)).collect(),
                applied: &work.applied,
            };
            let named = |(reason, help): Fault| (format!("pipeline {}, {}: {reason}", pipeline.file, step.place), help);
            if !step.rule.is_empty() && !step.rule.holds(&mut |c| c.holds(&seen)).map_err(named)? {
                continue;
            }
            if work.apply(step).map_err(named)? {
                used.push(p);
                work.applied.extend(step.id.clone());
            }
        }
    }
    used.dedup();
    let text = if used.is_empty() {
        None
    } else {
        work.write();
        let text = yaml_serde::to_string(&work.document).map_err(|e| fault(format!("the rewritten rule cannot be written: {e}"), ""))?;
        Some(text)
    };
    Ok(Transformed { value: Value::Mapping(work.document), text, pipelines: used, renamed: work.renamed, filled: work.filled, logsources })
}

fn read_logsource(value: &Value) -> LogSource {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    LogSource { product: text("product"), service: text("service"), category: text("category") }
}

/// Whether a key of the section is no selection.
fn is_keyword(kind: Kind, key: &str) -> bool {
    matches!(key, "condition" | "timeframe") || (kind == Kind::Filter && key == "rules")
}

/// The section that holds the selections.
fn section(kind: Kind) -> &'static str {
    if kind == Kind::Filter { "filter" } else { "detection" }
}

fn read_selections(kind: Kind, map: &Mapping) -> Vec<(String, Node)> {
    let arrays = match map.get("sigma-version") {
        Some(v) => scalar_text(v).and_then(|t| t.split('.').next().and_then(|n| n.parse::<u32>().ok())).is_some_and(|n| n >= 3),
        None => false,
    };
    let Some(Value::Mapping(detection)) = map.get(section(kind)) else { return Vec::new() };
    let entries = detection.iter().filter_map(|(k, v)| Some((k.as_str()?, v)));
    entries.filter(|(k, _)| !is_keyword(kind, k)).map(|(k, v)| (k.to_owned(), Node::read(v, arrays))).collect()
}

impl Work<'_> {
    /// Applies one transformation; whether it concerns this kind of document.
    fn apply(&mut self, step: &Step) -> Result<bool, Fault> {
        match &step.transformation {
            Transformation::FieldNameMapping(_) | Transformation::FieldNamePrefix(_) => {
                self.map_lists(step)?;
                self.each_item(step, &mut |work, item| work.map_item(step, item))?;
            }
            Transformation::AddCondition { conditions, name, template, negated } => {
                // A filter becomes part of its rules, which have the condition.
                if self.kind != Kind::Detection {
                    return Ok(false);
                }
                self.add_condition(step, conditions, name.as_deref(), *template, *negated)?;
            }
            Transformation::ChangeLogSource(new) => {
                if self.kind != Kind::Correlation {
                    self.logsource = new.clone();
                    let parts = [("category", &new.category), ("product", &new.product), ("service", &new.service)];
                    let parts = parts.into_iter().filter_map(|(k, v)| Some((k.into(), Value::String(v.clone()?))));
                    self.document.insert("logsource".into(), Value::Mapping(parts.collect()));
                }
            }
            Transformation::ValuePlaceholders { include, exclude } => {
                let handled = |name: &str| match (include, exclude) {
                    (Some(names), _) => names.iter().any(|n| n == name),
                    (None, Some(names)) => !names.iter().any(|n| n == name),
                    (None, None) => true,
                };
                self.each_item(step, &mut |work, item| work.fill(item, &handled))?;
            }
        }
        Ok(true)
    }

    /// Calls `change` with each item for which the step's conditions hold; what it gives takes the item's place.
    fn each_item(&mut self, step: &Step, change: Change<'_, Self>) -> Result<(), Fault> {
        let mut selections = std::mem::take(&mut self.selections);
        let done = selections.iter_mut().try_for_each(|(_, node)| self.walk(step, node, change));
        self.selections = selections;
        done
    }

    fn walk(&mut self, step: &Step, node: &mut Node, change: Change<'_, Self>) -> Result<(), Fault> {
        match node {
            Node::All(parts) => parts.iter_mut().try_for_each(|p| self.walk(step, p, change)),
            Node::Any(parts) => {
                parts.iter_mut().try_for_each(|p| self.walk(step, p, change))?;
                // Alternatives of an alternative are alternatives: however many mappings follow, the tree does not grow deeper.
                let flat = std::mem::take(parts).into_iter().flat_map(|p| match p {
                    Node::Any(inner) => inner,
                    other => vec![other],
                });
                *parts = flat.collect();
                Ok(())
            }
            Node::Item(item) => {
                if step.item.holds(&mut |c| c.holds(item))?
                    && step.field.holds(&mut |c| Ok(c.holds_for(item)))?
                    && let Some(mut new) = change(self, item)?
                {
                    if let Node::Item(item) = &mut new {
                        item.applied.extend(step.id.clone());
                    }
                    *node = new;
                }
                Ok(())
            }
            Node::Other(_) | Node::Raw(..) => Ok(()),
        }
    }

    fn field_holds(&self, step: &Step, field: &str) -> Result<bool, Fault> {
        let none = BTreeSet::new();
        let applied = self.applied_to_field.get(field).unwrap_or(&none);
        step.field.holds(&mut |c| Ok(c.holds(Some(field), applied)))
    }

    /// What a name outside of a selection's keys becomes: one name or several.
    fn map_name(&mut self, step: &Step, field: &str) -> Result<Vec<String>, Fault> {
        let Some(target) = target(&step.transformation, field) else { return Ok(vec![field.to_owned()]) };
        if !self.field_holds(step, field)? {
            return Ok(vec![field.to_owned()]);
        }
        let names = match target {
            Target::One(name) => vec![name],
            Target::Many(names) => names,
        };
        if names != [field] {
            let mut ids = self.applied_to_field.remove(field).unwrap_or_default();
            ids.extend(step.id.clone());
            for name in &names {
                self.applied_to_field.insert(name.clone(), ids.clone());
                self.rename(field, name);
            }
        }
        Ok(names)
    }

    /// As [`Work::map_name`] where only one name can stand.
    fn map_single(&mut self, step: &Step, field: &str, place: &str) -> Result<String, Fault> {
        let mut names = self.map_name(step, field)?;
        if names.len() != 1 {
            let reason = format!("{place} names `{field}`, which the mapping makes {}", names.join(" or "));
            return Err(fault(reason, "give the correlation's fields a mapping to one name, with rule_conditions of type is_sigma_correlation_rule"));
        }
        Ok(names.swap_remove(0))
    }

    fn rename(&mut self, old: &str, new: &str) {
        let origin = self.renamed.get(old).cloned().unwrap_or_else(|| old.to_owned());
        self.renamed.insert(new.to_owned(), origin);
    }

    /// `fields:`, and of a correlation `group-by`, `aliases` and the field of the condition.
    fn map_lists(&mut self, step: &Step) -> Result<(), Fault> {
        if let Some(mut value) = self.document.get("fields").cloned() {
            self.map_list(step, &mut value, &|_| false)?;
            self.document.insert("fields".into(), value);
        }
        if self.kind != Kind::Correlation {
            return Ok(());
        }
        let Some(Value::Mapping(mut correlation)) = self.document.get("correlation").cloned() else { return Ok(()) };
        let mut aliases = BTreeSet::new();
        if let Some(Value::Mapping(map)) = correlation.get_mut("aliases") {
            for (alias, fields) in map.iter_mut() {
                aliases.extend(alias.as_str().map(str::to_owned));
                let Value::Mapping(fields) = fields else { continue };
                for field in fields.values_mut() {
                    if let Value::String(name) = field {
                        *name = self.map_single(step, name, "an alias")?;
                    }
                }
            }
        }
        let is_alias = |name: &str| aliases.contains(name);
        if let Some(group_by) = correlation.get_mut("group-by") {
            self.map_list(step, group_by, &is_alias)?;
        }
        if let Some(Value::Mapping(condition)) = correlation.get_mut("condition")
            && let Some(field) = condition.get_mut("field")
        {
            let names: Vec<&mut Value> = match field {
                Value::Sequence(items) => items.iter_mut().collect(),
                one => vec![one],
            };
            for value in names {
                if let Value::String(name) = value
                    && !is_alias(name)
                {
                    *name = self.map_single(step, name, "the condition")?;
                }
            }
        }
        self.document.insert("correlation".into(), Value::Mapping(correlation));
        Ok(())
    }

    fn map_list(&mut self, step: &Step, value: &mut Value, keep: &dyn Fn(&str) -> bool) -> Result<(), Fault> {
        let items = match value {
            Value::Sequence(items) => std::mem::take(items),
            Value::String(_) => vec![value.clone()],
            _ => return Ok(()),
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match &item {
                Value::String(name) if !keep(name) => out.extend(self.map_name(step, name)?.into_iter().map(Value::String)),
                _ => out.push(item),
            }
        }
        *value = Value::Sequence(out);
        Ok(())
    }

    fn map_item(&mut self, step: &Step, item: &Item) -> Result<Option<Node>, Fault> {
        let mut new = item.clone();
        let mut referred: Option<Vec<Value>> = None;
        if item.has("fieldref") {
            let mut values = Vec::new();
            let mut any = false;
            for value in item.values() {
                match value {
                    Value::String(name) if self.field_holds(step, name)? => {
                        any = true;
                        values.extend(self.map_name(step, name)?.into_iter().map(Value::String));
                    }
                    other => values.push(other.clone()),
                }
            }
            referred = any.then_some(values);
        }
        let mapped = match &item.field {
            Some(field) if self.field_holds(step, field)? => target(&step.transformation, field),
            _ => None,
        };
        if mapped.is_none() && referred.is_none() {
            return Ok(None);
        }
        new.applied.extend(step.id.clone());
        if let Some(values) = referred {
            new.several |= values.len() > item.values().len();
            new.value = one_or_list(values, &item.value);
        }
        let old = item.field.as_deref().unwrap_or_default();
        Ok(Some(match mapped {
            None => Node::Item(new),
            Some(Target::One(field)) => {
                self.rename(old, &field);
                Node::Item(Item { field: Some(field), ..new })
            }
            Some(Target::Many(fields)) => {
                self.copies += fields.len();
                if self.copies > MAX_COPIES {
                    return Err(fault(format!("the mappings make more than {MAX_COPIES} items of the rule's"), "map each field to fewer names"));
                }
                fields.iter().for_each(|f| self.rename(old, f));
                // The copies for several fields have no history but this, as in pySigma.
                let applied: BTreeSet<String> = step.id.iter().cloned().collect();
                Node::Any(fields.into_iter().map(|f| Node::Item(Item { field: Some(f), applied: applied.clone(), ..new.clone() })).collect())
            }
        }))
    }

    /// Adds a selection and joins it to each condition.
    fn add_condition(&mut self, step: &Step, conditions: &Mapping, name: Option<&str>, template: bool, negated: bool) -> Result<(), Fault> {
        let taken = |n: &str| self.selections.iter().any(|(k, _)| k == n);
        let name = match name {
            Some(n) if taken(n) => return Err(fault(format!("the rule already has a selection `{n}`"), "leave `name` out, or give another")),
            Some(n) => n.to_owned(),
            None => (1..).map(|i| format!("_cond_{i}")).find(|n| !taken(n)).unwrap_or_default(),
        };
        let mut definition = conditions.clone();
        if template {
            for value in definition.values_mut() {
                match value {
                    Value::String(text) => *text = substitute(text, &self.logsource)?,
                    Value::Sequence(items) => {
                        for item in items {
                            if let Value::String(text) = item {
                                *text = substitute(text, &self.logsource)?;
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        let mut node = Node::read(&Value::Mapping(definition), false);
        if let Node::All(parts) = &mut node {
            for part in parts {
                if let Node::Item(item) = part {
                    item.applied.extend(step.id.clone());
                }
            }
        }
        let word = if negated { "not " } else { "" };
        if let Some(Value::Mapping(detection)) = self.document.get_mut(section(self.kind)) {
            let one = |text: &mut String| *text = if text.trim().is_empty() { format!("{word}{name}") } else { format!("{word}{name} and ({text})") };
            match detection.get_mut("condition") {
                Some(Value::String(text)) => one(text),
                Some(Value::Sequence(items)) => items.iter_mut().for_each(|i| {
                    if let Value::String(text) = i {
                        one(text);
                    }
                }),
                _ => {}
            }
        }
        self.selections.push((name, node));
        Ok(())
    }

    /// Fills the placeholders of an item from the pipelines' variables.
    fn fill(&mut self, item: &Item, handled: &dyn Fn(&str) -> bool) -> Result<Option<Node>, Fault> {
        if !item.has("expand") {
            return Ok(None);
        }
        let vars = &self.pipelines.vars;
        let mut filled = BTreeSet::new();
        let mut values = Vec::new();
        for value in item.values() {
            match value {
                Value::String(text) => {
                    let list = |name: &str| if handled(name) { vars.get(name) } else { None };
                    let texts = expand(text, &list, &mut filled)?;
                    values.extend(texts.into_iter().map(Value::String));
                }
                other => values.push(other.clone()),
            }
        }
        if filled.is_empty() {
            return Ok(None);
        }
        self.filled.extend(filled);
        Ok(Some(Node::Item(Item { value: one_or_list(values, &item.value), ..item.clone() })))
    }

    /// Puts the selections back into the document.
    fn write(&mut self) {
        let Some(Value::Mapping(old)) = self.document.get(section(self.kind)) else { return };
        let old = old.clone();
        let mut detection = Mapping::new();
        let mut parts = Vec::new();
        for (name, node) in &self.selections {
            detection.insert(Value::String(name.clone()), node.write(&mut parts));
        }
        detection.extend(parts.into_iter().map(|(name, value)| (Value::String(name), value)));
        detection.extend(old.into_iter().filter(|(k, _)| k.as_str().is_none_or(|k| is_keyword(self.kind, k))));
        self.document.insert(section(self.kind).into(), Value::Mapping(detection));
    }
}

/// What a transformation makes of a field name; `None` leaves it.
fn target(transformation: &Transformation, field: &str) -> Option<Target> {
    match transformation {
        Transformation::FieldNameMapping(mapping) => mapping.get(field).cloned(),
        Transformation::FieldNamePrefix(prefix) => Some(Target::One(format!("{prefix}{field}"))),
        _ => None,
    }
}

/// A single value stays one.
fn one_or_list(mut values: Vec<Value>, was: &Value) -> Value {
    if values.len() == 1 && !was.is_sequence() { values.swap_remove(0) } else { Value::Sequence(values) }
}

/// Every text that `template` stands for, with each `%name%` that has values replaced by each of them; others stay.
///
/// Placeholders are read as the loader reads them: `\%` is a percent sign.
fn expand<'v>(template: &str, values: &dyn Fn(&str) -> Option<&'v Vec<String>>, filled: &mut BTreeSet<String>) -> Result<Vec<String>, Fault> {
    let mut out = vec![String::new()];
    let push = |out: &mut Vec<String>, text: &str| out.iter_mut().for_each(|o| o.push_str(text));
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        push(&mut out, before);
        if before.ends_with('\\') {
            push(&mut out, "%");
            rest = after;
            continue;
        }
        let Some((name, tail)) = after.split_once('%') else {
            push(&mut out, "%");
            rest = after;
            continue;
        };
        match values(name) {
            Some(list) => {
                filled.insert(name.to_owned());
                if out.len().saturating_mul(list.len()) > MAX_TEXTS {
                    return Err(fault(format!("the placeholders of `{template}` stand for more than {MAX_TEXTS} texts"), ""));
                }
                // What comes from a list is no placeholder again.
                out = out.iter().flat_map(|o| list.iter().map(move |v| format!("{o}{}", v.replace('%', "\\%")))).collect();
            }
            None => push(&mut out, &format!("%{name}%")),
        }
        rest = tail;
    }
    push(&mut out, rest);
    Ok(out)
}

/// Fills `$category`, `$product` and `$service` (also in braces; `$$` is a dollar sign) from a log source.
fn substitute(template: &str, logsource: &LogSource) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
            continue;
        }
        let (braced, body) = after.strip_prefix('{').map_or((false, after), |b| (true, b));
        let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
        let name = &body[..end];
        let closed = !braced || body[end..].starts_with('}');
        let part = match name {
            "category" => Some(&logsource.category),
            "product" => Some(&logsource.product),
            "service" => Some(&logsource.service),
            _ => None,
        };
        match part {
            Some(Some(value)) if closed => {
                out.push_str(value);
                rest = &body[end + usize::from(braced)..];
            }
            Some(None) if closed => {
                let reason = format!("its condition needs the rule's {name}, and the rule's logsource has none");
                return Err(fault(reason, "restrict the transformation with a rule condition of type logsource"));
            }
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}
