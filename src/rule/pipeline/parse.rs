//! From the YAML of a pipeline to its steps; what cannot be done as written is refused by name.

use super::condition::{AttributeOp, Conditions, Expr, FieldCondition, ItemCondition, Logic, Names, Plain, RuleCondition, scalar_text};
use super::{PART, Pipeline, Step, Target, Transformation};
use crate::diag::UserError;
use crate::rule::correlation::Fault;
use crate::rule::load::hex;
use crate::rule::meta::LogSource;
use regex::Regex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use yaml_serde::{Mapping, Value};

const HELP: &str = "a pipeline has name, priority, vars and transformations, as pySigma's do";
const TRANSFORMATIONS: &str = "supported are field_name_mapping, field_name_prefix, add_condition, change_logsource and value_placeholders";
const RULE_CONDITIONS: &str = "supported are logsource, is_sigma_rule, is_sigma_correlation_rule, rule_attribute, processing_item_applied, contains_field, \
     contains_detection_item, tag and taxonomy";
const ITEM_CONDITIONS: &str = "supported are match_string, is_null and processing_item_applied";
const FIELD_CONDITIONS: &str = "supported are include_fields, exclude_fields and processing_item_applied";

fn fault(reason: impl Into<String>, help: &str) -> Fault {
    (reason.into(), (!help.is_empty()).then(|| help.to_owned()))
}

impl Pipeline {
    /// Parses a pipeline file. What it asks for and what is not supported is an error: a pipeline is used as a whole or not at all.
    pub fn parse(text: &str, file: &str) -> Result<Pipeline, UserError> {
        let value: Value = yaml_serde::from_str(text).map_err(|e| {
            let line = e.location().map_or(String::new(), |l| format!(":{}", l.line()));
            UserError::new(format!("{file}{line}: not valid YAML: {e}")).help("check the indentation and quotes of this line; a file holds one pipeline")
        })?;
        let at = |(reason, help): Fault| UserError { message: shown(&format!("{file}: {reason}")), help: help.or_else(|| Some(HELP.into())) };
        let Value::Mapping(map) = value else { return Err(at(fault("not a pipeline: expected a mapping", ""))) };
        let mut keys = Keys { map: &map, used: vec![] };
        let name = keys.text("name").map_err(at)?.unwrap_or_else(|| file.rsplit('/').next().unwrap_or(file).to_owned());
        let priority = match keys.get("priority") {
            None => 0,
            Some(v) => v.as_i64().ok_or_else(|| at(fault("priority must be a whole number", "")))?,
        };
        let allowed_backends = keys.texts("allowed_backends").map_err(at)?.unwrap_or_default();
        for section in ["postprocessing", "finalizers"] {
            match keys.get(section) {
                None => {}
                Some(Value::Sequence(items)) if items.is_empty() => {}
                Some(_) => return Err(at(fault(format!("`{section}` works on queries of a backend, and there are none here"), "remove the section"))),
            }
        }
        let vars = keys.get("vars").map(read_vars).transpose().map_err(at)?.unwrap_or_default();
        let steps = match keys.get("transformations") {
            None => Vec::new(),
            Some(Value::Sequence(items)) => {
                let mut steps = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    let id = item.get("id").and_then(scalar_text).filter(|id| !id.is_empty());
                    let place = format!("transformation {}{}", i + 1, id.as_ref().map_or(String::new(), |id| format!(" (`{id}`)")));
                    let step = read_step(item, id, &place).map_err(|(reason, help)| {
                        let line = line_of(text, i).map_or(String::new(), |l| format!(":{l}"));
                        UserError { message: shown(&format!("{file}{line}: {place}: {reason}")), help: help.or_else(|| Some(HELP.into())) }
                    })?;
                    steps.push(step);
                }
                steps
            }
            Some(_) => return Err(at(fault("transformations must be a list", ""))),
        };
        keys.done().map_err(at)?;
        let digest = hex(&Sha256::digest(text.as_bytes()));
        Ok(Pipeline { name, file: file.to_owned(), priority, hash: digest[..12].to_owned(), digest, allowed_backends, steps, vars })
    }
}

/// A pipeline may be anybody's: its control characters do not reach a terminal.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// The 1-based line on which an entry of `transformations:` begins, where it is written as a list of lines.
fn line_of(text: &str, number: usize) -> Option<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().position(|l| l.starts_with("transformations:"))?;
    let indent = |l: &str| l.len() - l.trim_start().len();
    let first = lines.iter().skip(start + 1).find(|l| l.trim_start().starts_with('-'))?;
    let entries = lines.iter().enumerate().skip(start + 1).take_while(|(_, l)| l.starts_with([' ', '-', '#']) || l.trim().is_empty());
    entries.filter(|(_, l)| indent(l) == indent(first) && l.trim_start().starts_with('-')).nth(number).map(|(i, _)| i + 1)
}

/// A mapping of which every key must be understood.
struct Keys<'a> {
    map: &'a Mapping,
    used: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.used.push(key);
        self.map.get(key).filter(|v| !v.is_null())
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, Fault> {
        self.get(key).map(|v| scalar_text(v).ok_or_else(|| fault(format!("`{key}` must be text"), ""))).transpose()
    }

    fn needed_text(&mut self, key: &'static str) -> Result<String, Fault> {
        self.text(key)?.ok_or_else(|| fault(format!("`{key}` is missing"), ""))
    }

    fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, Fault> {
        let not_texts = || fault(format!("`{key}` must be a list of texts"), "");
        match self.get(key) {
            None => Ok(None),
            Some(Value::Sequence(items)) => items.iter().map(|v| scalar_text(v).ok_or_else(not_texts)).collect::<Result<_, _>>().map(Some),
            Some(one) => scalar_text(one).map(|t| Some(vec![t])).ok_or_else(not_texts),
        }
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, Fault> {
        self.get(key).map_or(Ok(false), |v| v.as_bool().ok_or_else(|| fault(format!("`{key}` must be true or false"), "")))
    }

    /// Names the first key that nobody asked for.
    fn done(self) -> Result<(), Fault> {
        let unknown = self.map.keys().find(|k| k.as_str().is_none_or(|k| !self.used.contains(&k)));
        unknown.map_or(Ok(()), |k| Err(fault(format!("`{}` is not known here", key_text(k)), &format!("known are: {}", self.used.join(", ")))))
    }
}

fn key_text(key: &Value) -> String {
    scalar_text(key).unwrap_or_else(|| "(a key that is no text)".into())
}

fn read_vars(value: &Value) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    const VALUES: &str = "a variable holds a text, a number or a list of them";
    let Value::Mapping(map) = value else { return Err(fault("vars must be a mapping", "write NAME: [VALUE, VALUE]")) };
    let mut out = BTreeMap::new();
    for (name, value) in map {
        let name = key_text(name);
        let one = std::slice::from_ref(value);
        let items = value.as_sequence().map_or(one, Vec::as_slice);
        let texts = items.iter().map(scalar_text).collect::<Option<Vec<_>>>();
        match texts {
            Some(texts) if !texts.is_empty() => out.insert(name, texts),
            Some(_) => return Err(fault(format!("vars.{name} is empty"), VALUES)),
            None => return Err(fault(format!("vars.{name} holds something else than text or numbers"), VALUES)),
        };
    }
    Ok(out)
}

fn read_step(value: &Value, id: Option<String>, place: &str) -> Result<Step, Fault> {
    let Value::Mapping(map) = value else { return Err(fault("expected a mapping", "")) };
    let mut keys = Keys { map, used: vec!["id"] };
    let kind = keys.text("type")?.ok_or_else(|| fault("`type` is missing", TRANSFORMATIONS))?;
    let transformation = match kind.as_str() {
        "field_name_mapping" => {
            let mapping = keys.get("mapping").ok_or_else(|| fault("`mapping` is missing", "write `mapping: {FIELD: OUR_FIELD}`"))?;
            Transformation::FieldNameMapping(read_mapping(mapping)?)
        }
        "field_name_prefix" => Transformation::FieldNamePrefix(field_name(keys.needed_text("prefix")?)?),
        "add_condition" => read_add_condition(&mut keys)?,
        "change_logsource" => Transformation::ChangeLogSource(read_logsource(&mut keys)?),
        "value_placeholders" => {
            let (include, exclude) = (keys.texts("include")?, keys.texts("exclude")?);
            if include.is_some() && exclude.is_some() {
                return Err(fault("`include` and `exclude` do not go together", "name the placeholders in one of them"));
            }
            Transformation::ValuePlaceholders { include, exclude }
        }
        other => return Err(fault(format!("transformation `{other}` is not supported"), TRANSFORMATIONS)),
    };
    let rule = read_conditions(&mut keys, ["rule_conditions", "rule_cond_op", "rule_cond_expr", "rule_cond_not"], &read_rule_condition)?;
    let item_keys = ["detection_item_conditions", "detection_item_cond_op", "detection_item_cond_expr", "detection_item_cond_not"];
    let item = read_conditions(&mut keys, item_keys, &read_item_condition)?;
    let field_keys = ["field_name_conditions", "field_name_cond_op", "field_name_cond_expr", "field_name_cond_not"];
    let field = read_conditions(&mut keys, field_keys, &read_field_condition)?;
    keys.done()?;
    Ok(Step { id, place: place.to_owned(), transformation, rule, item, field })
}

/// A name that the pipeline writes into rules.
fn field_name(name: String) -> Result<String, Fault> {
    if name.contains('|') || name.starts_with(PART) {
        return Err(fault(format!("`{}` is not a field name", name.escape_debug()), "modifiers stay with the rule: name the field alone"));
    }
    Ok(name)
}

fn read_mapping(value: &Value) -> Result<BTreeMap<String, Target>, Fault> {
    const TARGETS: &str = "a field is mapped to a name or to a list of names";
    let Value::Mapping(map) = value else { return Err(fault("`mapping` must be a mapping", TARGETS)) };
    let mut out = BTreeMap::new();
    for (from, to) in map {
        let Some(from) = scalar_text(from) else {
            return Err(fault("keywords cannot be mapped to a field (the key null)", "remove the entry: a keyword is looked for in the whole record"));
        };
        let target = match to {
            // As in pySigma: no mapping.
            Value::Null => continue,
            Value::Sequence(items) => {
                let names: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                let names = names.filter(|n| !n.is_empty()).ok_or_else(|| fault(format!("`{from}` is mapped to no field name"), TARGETS))?;
                Target::Many(names.into_iter().map(field_name).collect::<Result<_, _>>()?)
            }
            one => Target::One(field_name(scalar_text(one).ok_or_else(|| fault(format!("`{from}` is mapped to no field name"), TARGETS))?)?),
        };
        out.insert(from, target);
    }
    Ok(out)
}

fn read_add_condition(keys: &mut Keys<'_>) -> Result<Transformation, Fault> {
    const CONDITIONS: &str = "write `conditions: {FIELD: VALUE}`, modifiers and lists of values allowed";
    let Some(Value::Mapping(conditions)) = keys.get("conditions") else { return Err(fault("`conditions` is missing or no mapping", CONDITIONS)) };
    let plain = |v: &Value| !matches!(v, Value::Mapping(_) | Value::Sequence(_) | Value::Tagged(_));
    for (field, value) in conditions {
        let name = field.as_str().ok_or_else(|| fault(format!("conditions: `{}` is not a field name", key_text(field)), CONDITIONS))?;
        if !(plain(value) || value.as_sequence().is_some_and(|items| !items.is_empty() && items.iter().all(plain))) {
            return Err(fault(format!("conditions.{name} must hold a value or a list of values"), CONDITIONS));
        }
        field_name(name.split('|').next().unwrap_or_default().to_owned())?;
    }
    if conditions.is_empty() {
        return Err(fault("`conditions` is empty", CONDITIONS));
    }
    let name = keys.text("name")?;
    if let Some(n) = &name
        && !(n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && !n.is_empty() && !RESERVED.contains(&n.as_str()))
    {
        return Err(fault(format!("`{n}` cannot name a selection"), "use letters, digits, `_` and `-`"));
    }
    Ok(Transformation::AddCondition { conditions: conditions.clone(), name, template: keys.flag("template")?, negated: keys.flag("negated")? })
}

/// Words of a condition, and keys of a detection that are no selection.
const RESERVED: [&str; 9] = ["and", "or", "not", "all", "any", "of", "them", "condition", "timeframe"];

fn read_logsource(keys: &mut Keys<'_>) -> Result<LogSource, Fault> {
    let found = LogSource { category: keys.text("category")?, product: keys.text("product")?, service: keys.text("service")? };
    if found == LogSource::default() {
        return Err(fault("a log source needs category, product or service", ""));
    }
    Ok(found)
}

// ---------------------------------------------------------------------------------------------- conditions

/// Reads one condition from its keys; the type is already read.
type ReadCondition<'r, C> = &'r dyn Fn(&str, &mut Keys<'_>) -> Result<C, Fault>;

/// Reads one family of conditions from its keys: conditions, operator, expression, negation.
fn read_conditions<C: Clone>(keys: &mut Keys<'_>, names: [&'static str; 4], read: ReadCondition<'_, C>) -> Result<Conditions<C>, Fault> {
    let [conditions, op, expression, not] = names;
    let one = |value: &Value, place: &str| -> Result<C, Fault> {
        let inside = |(reason, help): Fault| (format!("{conditions}: condition {place}: {reason}"), help);
        let Value::Mapping(map) = value else { return Err(inside(fault("expected a mapping with `type`", ""))) };
        let mut keys = Keys { map, used: vec![] };
        let kind = keys.needed_text("type").map_err(inside)?;
        let condition = read(&kind, &mut keys).map_err(inside)?;
        keys.done().map_err(inside)?;
        Ok(condition)
    };
    let named: Vec<(String, C)> = match keys.get(conditions) {
        None => Vec::new(),
        Some(Value::Sequence(items)) => {
            items.iter().enumerate().map(|(i, v)| Ok((String::new(), one(v, &(i + 1).to_string())?))).collect::<Result<_, Fault>>()?
        }
        Some(Value::Mapping(map)) => {
            map.iter().map(|(k, v)| (key_text(k), v)).map(|(k, v)| one(v, &format!("`{k}`")).map(|c| (k, c))).collect::<Result<_, Fault>>()?
        }
        Some(_) => return Err(fault(format!("{conditions} must be a list, or a mapping of names to conditions"), "")),
    };
    let any = match keys.text(op)?.as_deref() {
        None => None,
        Some("or") => Some(true),
        Some("and") => Some(false),
        Some(other) => return Err(fault(format!("{op}: `{other}` is not known"), "write and or or")),
    };
    let negated = keys.flag(not)?;
    let Some(text) = keys.text(expression)? else {
        let conditions = named.into_iter().map(|(_, c)| c).collect();
        return Ok(Conditions { logic: Logic::Linked { any: any.unwrap_or(false), conditions }, negated });
    };
    if any.is_some() {
        return Err(fault(format!("{expression} and {op} do not go together"), "keep one of them"));
    }
    if named.iter().any(|(n, _)| n.is_empty()) {
        return Err(fault(format!("{expression} needs {conditions} as a mapping of names to conditions"), ""));
    }
    let mut parser = Expression { words: words(&text), at: 0, named: &named, used: Vec::new() };
    let parsed = parser
        .or(0)
        .and_then(|e| parser.end().map(|()| e))
        .map_err(|reason| fault(format!("{expression}: {reason}"), "join names with and, or, not and brackets"))?;
    if let Some((unused, _)) = named.iter().find(|(n, _)| !parser.used.contains(n)) {
        return Err(fault(format!("{expression} does not use the condition `{unused}`"), "use it, or remove it"));
    }
    Ok(Conditions { logic: Logic::Expression(parsed), negated })
}

fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars() {
        let of_name = c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match (of_name, open) {
            (true, true) => out.last_mut().into_iter().for_each(|w| w.push(c)),
            (true, false) => out.push(c.to_string()),
            (false, _) if c.is_whitespace() => {}
            (false, _) => out.push(c.to_string()),
        }
        open = of_name;
    }
    out
}

/// Brackets inside brackets that are followed.
const MAX_DEPTH: usize = 64;

/// `not` binds closest, then `and`, then `or`.
struct Expression<'a, C> {
    words: Vec<String>,
    at: usize,
    named: &'a [(String, C)],
    used: Vec<String>,
}

impl<C: Clone> Expression<'_, C> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|w| w == word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<Expr<C>, String> {
        let mut list = vec![self.and(depth)?];
        while self.take("or") {
            list.push(self.and(depth)?);
        }
        Ok(if list.len() == 1 { list.swap_remove(0) } else { Expr::Or(list) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr<C>, String> {
        let mut list = vec![self.not(depth)?];
        while self.take("and") {
            list.push(self.not(depth)?);
        }
        Ok(if list.len() == 1 { list.swap_remove(0) } else { Expr::And(list) })
    }

    fn not(&mut self, depth: usize) -> Result<Expr<C>, String> {
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply".into());
        }
        if self.take("not") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err("a bracket is not closed".into()) };
        }
        let Some(word) = self.words.get(self.at).cloned() else { return Err("it ends too early".into()) };
        self.at += 1;
        let Some((name, condition)) = self.named.iter().find(|(n, _)| *n == word) else { return Err(format!("no condition has the name `{word}`")) };
        self.used.push(name.clone());
        Ok(Expr::Is(condition.clone()))
    }

    fn end(&self) -> Result<(), String> {
        self.words.get(self.at).map_or(Ok(()), |w| Err(format!("`{w}` is not expected there")))
    }
}

fn read_rule_condition(kind: &str, keys: &mut Keys<'_>) -> Result<RuleCondition, Fault> {
    Ok(match kind {
        "logsource" => RuleCondition::LogSource(read_logsource(keys)?),
        "is_sigma_rule" => RuleCondition::IsSigmaRule,
        "is_sigma_correlation_rule" => RuleCondition::IsSigmaCorrelationRule,
        "rule_attribute" => {
            let attribute = keys.needed_text("attribute")?;
            if ["detection", "correlation", "filter", "logsource", "tags", "related"].contains(&attribute.as_str()) {
                return Err(fault(format!("the attribute `{attribute}` cannot be compared"), "use the conditions logsource, tag or contains_field"));
            }
            let value = keys.get("value").filter(|v| scalar_text(v).is_some()).ok_or_else(|| fault("`value` must be text or a number", ""))?.clone();
            let op = keys.text("op")?.unwrap_or_else(|| "eq".into());
            let op = AttributeOp::parse(&op).ok_or_else(|| fault(format!("op `{op}` is not known"), "eq, ne, gte, gt, lte, lt, in and not_in are"))?;
            RuleCondition::RuleAttribute { attribute, op, value }
        }
        "processing_item_applied" => RuleCondition::ProcessingItemApplied(keys.needed_text("processing_item_id")?),
        "contains_field" => RuleCondition::ContainsField(keys.needed_text("field")?),
        "contains_detection_item" => {
            let field = keys.needed_text("field")?;
            let value = keys.get("value").map(Plain::of).ok_or_else(|| fault("`value` is missing", ""))?;
            RuleCondition::ContainsDetectionItem { field, value }
        }
        "tag" => {
            let tag = keys.needed_text("tag")?;
            if !tag.contains('.') {
                return Err(fault(format!("`{tag}` is not a tag"), "write NAMESPACE.NAME, such as attack.t1078"));
            }
            RuleCondition::Tag(tag)
        }
        "taxonomy" => RuleCondition::Taxonomy(keys.texts("taxonomy")?.ok_or_else(|| fault("`taxonomy` is missing", ""))?),
        other => return Err(fault(format!("`{other}` is not supported"), RULE_CONDITIONS)),
    })
}

fn read_item_condition(kind: &str, keys: &mut Keys<'_>) -> Result<ItemCondition, Fault> {
    let any = |keys: &mut Keys<'_>| match keys.needed_text("cond")?.as_str() {
        "any" => Ok(true),
        "all" => Ok(false),
        other => Err(fault(format!("cond: `{other}` is not known"), "write any or all")),
    };
    Ok(match kind {
        "match_string" => ItemCondition::MatchString { any: any(keys)?, pattern: from_start(&keys.needed_text("pattern")?)?, negate: keys.flag("negate")? },
        "is_null" => ItemCondition::IsNull { any: any(keys)? },
        "processing_item_applied" => ItemCondition::ProcessingItemApplied(keys.needed_text("processing_item_id")?),
        other => return Err(fault(format!("`{other}` is not supported"), ITEM_CONDITIONS)),
    })
}

fn read_field_condition(kind: &str, keys: &mut Keys<'_>) -> Result<FieldCondition, Fault> {
    if kind == "processing_item_applied" {
        return Ok(FieldCondition::ProcessingItemApplied(keys.needed_text("processing_item_id")?));
    }
    if !["include_fields", "exclude_fields"].contains(&kind) {
        return Err(fault(format!("`{kind}` is not supported"), FIELD_CONDITIONS));
    }
    let fields = keys.texts("fields")?.ok_or_else(|| fault("`fields` is missing", ""))?;
    let names = match keys.text("mode")?.as_deref() {
        None | Some("plain") => Names::Plain(fields.into_iter().collect()),
        Some("re") => Names::Re(fields.iter().map(|f| from_start(f)).collect::<Result<_, _>>()?),
        Some(other) => return Err(fault(format!("mode: `{other}` is not known"), "write plain or re")),
    };
    Ok(if kind == "include_fields" { FieldCondition::Include(names) } else { FieldCondition::Exclude(names) })
}

/// An expression that must match from the start of a text, and need not reach its end.
fn from_start(pattern: &str) -> Result<Regex, Fault> {
    Regex::new(&format!(r"\A(?:{pattern})")).map_err(|e| {
        fault(format!("regular expression `{pattern}`: {}", e.to_string().lines().last().unwrap_or_default()), "patterns run in linear time (RE2 syntax)")
    })
}
