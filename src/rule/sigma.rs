//! The only place that knows the Sigma parser: its tree becomes ours.
//!
//! The parser gives the YAML tree, the condition grammar, escapes and modifier names; what a modifier means is decided
//! here (RULES §2), because the parser's own lowering loses nulls, large numbers and non-boolean `exists`.

use super::correlation::Fault;
use super::detection::{Condition, Detection, Item, Members, Quantifier, Test};
use super::matcher::{Matcher, NumberOp, TextOp, TimePart};
use super::pipeline::PART;
use super::vars::Vars;
use crate::event::address::Network;
use crate::event::pattern::{Flags, Pattern};
use crate::event::value::{Number, fold_case};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hashbrown::{HashMap, HashSet};
use regex::Regex;
use rsigma_parser::{
    ArrayQuantifier, ConditionExpr, DetectionItem, Modifier, Quantifier as SigmaQuantifier, SelectorPattern, SigmaValue, SpecialChar, StringPart,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The selections and condition of a detection document.
#[derive(Debug, Clone)]
pub struct Detections {
    /// Named selections.
    pub selections: BTreeMap<String, Detection>,
    /// The conditions, joined by OR.
    pub condition: Condition,
    /// A list that a placeholder names and that is not set.
    pub unset_list: Option<String>,
}

fn fault(reason: impl Into<String>, help: &str) -> Fault {
    (reason.into(), (!help.is_empty()).then(|| help.to_owned()))
}

/// Parses the `detection:` section of one YAML document, or the `filter:` section of a filter.
pub fn parse_detections(document: &str, vars: &Vars) -> Result<Detections, Fault> {
    let collection = rsigma_parser::parse_sigma_yaml(document).map_err(|e| fault(e.to_string(), ""))?;
    let of_rule = collection.rules.into_iter().next().map(|r| (r.sigma_version, r.detection));
    let Some((sigma_version, detection)) = of_rule.or_else(|| collection.filters.into_iter().next().map(|f| (f.sigma_version, f.detection))) else {
        if let Some(retired) = retired_aggregation(document) {
            return Err(retired);
        }
        let reason = collection.errors.into_iter().next().unwrap_or_else(|| "not a Sigma rule".into());
        // The parser draws the condition over several lines; the last one says what was expected.
        let mut lines = reason.lines().map(|l| l.trim().trim_start_matches("= ")).filter(|l| !l.is_empty());
        let (first, last) = (lines.next().unwrap_or_default().split(" -->").next().unwrap_or_default(), lines.next_back());
        return Err(fault(last.map_or_else(|| first.to_owned(), |l| format!("{}: {l}", first.trim_end_matches(':'))), ""));
    };
    if rsigma_parser::is_unsupported(sigma_version) {
        return Err(fault("sigma-version above 3 is not supported", ""));
    }
    if detection.timeframe.is_some() {
        return Err(fault("`timeframe` in a detection is the retired aggregation syntax", "write a correlation document with `timespan`"));
    }
    // What a pipeline could not write into a selection's mapping stands beside it.
    let (parts, named): (BTreeMap<_, _>, BTreeMap<_, _>) = detection.named.iter().partition(|(name, _)| name.starts_with(PART));
    let mut lowering = Lowering { vars, unset_list: None, in_member: false, sets: HashMap::new(), parts };
    let mut selections = BTreeMap::new();
    for (name, detection) in named {
        let lowered = lowering.detection(detection).map_err(|(r, h)| (format!("detection.{name}: {r}"), h))?;
        selections.insert(name.clone(), lowered);
    }
    let names: Vec<&str> = selections.keys().map(String::as_str).collect();
    let mut conditions = detection.conditions.iter().map(|c| condition(c, &names)).collect::<Result<Vec<_>, _>>()?;
    let condition = match conditions.len() {
        0 => return Err(fault("detection.condition is empty", "")),
        1 => conditions.remove(0),
        _ => Condition::Or(conditions),
    };
    Ok(Detections { selections, condition, unset_list: lowering.unset_list })
}

/// A condition with a pipe is the aggregation syntax that Sigma gave up; the help shows the correlation that says the same.
fn retired_aggregation(document: &str) -> Option<Fault> {
    let value: yaml_serde::Value = yaml_serde::from_str(document).ok()?;
    let condition = value.get("detection")?.get("condition")?;
    let texts: Vec<&str> = condition.as_str().into_iter().chain(condition.as_sequence().into_iter().flatten().filter_map(|v| v.as_str())).collect();
    let (_, aggregation) = texts.into_iter().find_map(|t| t.split_once('|'))?;
    let aggregation = aggregation.trim();
    let reason = format!("`| {aggregation}` is the retired aggregation syntax");
    let count = Regex::new(r"^count\(\s*(?P<field>[^)]*?)\s*\)(?:\s+by\s+(?P<by>\S+(?:\s*,\s*\S+)*))?\s*(?P<op>[<>=]=?)\s*(?P<n>\d+)$").ok()?;
    let help = match count.captures(aggregation) {
        Some(c) => {
            let part = |name: &str| c.name(name).map_or("", |m| m.as_str());
            let op = match part("op") {
                ">" => "gt",
                ">=" => "gte",
                "<" => "lt",
                "<=" => "lte",
                _ => "eq",
            };
            let (kind, field) = match part("field") {
                "" => ("event_count", String::new()),
                field => ("value_count", format!("field: {field}, ")),
            };
            let by = if part("by").is_empty() { String::new() } else { format!("group-by: [{}], ", part("by")) };
            format!(
                "end the condition before the pipe, give the rule a `name`, and write a second document: `correlation: {{type: {kind}, rules: [NAME], {by}timespan: 1h, condition: {{{field}{op}: {}}}}}`",
                part("n")
            )
        }
        None => "write a correlation document (event_count, value_count, temporal ...) over this rule".to_owned(),
    };
    Some((reason, Some(help)))
}

fn condition(expr: &ConditionExpr, names: &[&str]) -> Result<Condition, Fault> {
    let many = |exprs: &[ConditionExpr]| exprs.iter().map(|e| condition(e, names)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        ConditionExpr::And(es) => Condition::And(many(es)?),
        ConditionExpr::Or(es) => Condition::Or(many(es)?),
        ConditionExpr::Not(e) => Condition::Not(Box::new(condition(e, names)?)),
        ConditionExpr::Identifier(name) if names.contains(&name.as_str()) => Condition::Name(name.clone()),
        ConditionExpr::Identifier(name) => {
            return Err(fault(format!("the condition names `{name}`, which the detection does not define"), &format!("defined are: {}", names.join(", "))));
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let chosen: Vec<String> = match pattern {
                SelectorPattern::Them => names.iter().filter(|n| !n.starts_with('_')).map(|n| (*n).to_owned()).collect(),
                SelectorPattern::Pattern(p) => {
                    names.iter().filter(|n| (p.starts_with('_') || !n.starts_with('_')) && glob(p, n)).map(|n| (*n).to_owned()).collect()
                }
            };
            if chosen.is_empty() {
                return Err(fault(format!("`{pattern}` in the condition fits no selection"), &format!("defined are: {}", names.join(", "))));
            }
            let n = match quantifier {
                SigmaQuantifier::Any => 1,
                SigmaQuantifier::All => chosen.len() as u64,
                SigmaQuantifier::Count(n) => *n,
            };
            Condition::AtLeast(n, chosen)
        }
    })
}

/// `*` in a selector stands for any run of characters.
pub(super) fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

struct Lowering<'a> {
    vars: &'a Vars,
    unset_list: Option<String>,
    in_member: bool,
    /// What long lists came to: several lines of a rule mostly ask for the same.
    sets: HashMap<String, Vec<Matcher>>,
    /// Parts of selections by name; each stands in one place and is taken from here when that is reached.
    parts: BTreeMap<&'a String, &'a rsigma_parser::Detection>,
}

/// Entries of a list from which on it is compared as a set.
const MANY: usize = 64;

/// A text that a template stands for, and which entry of a list it comes from.
struct Expanded<'t> {
    text: String,
    list: Option<(&'t str, usize)>,
}

/// What the modifiers of an item ask for, once their order no longer matters.
#[derive(Debug)]
struct Asked {
    op: TextOp,
    explicit_op: bool,
    cased: bool,
    all: bool,
    negated: bool,
    windash: bool,
    expand: bool,
    regex: Option<(bool, bool, bool)>,
    cidr: bool,
    exists: bool,
    fieldref: bool,
    number: Option<NumberOp>,
    part: Option<TimePart>,
    utf16: Option<Utf16>,
    base64: Option<Base64>,
}

impl Lowering<'_> {
    fn detection(&mut self, detection: &rsigma_parser::Detection) -> Result<Detection, Fault> {
        use rsigma_parser::Detection as D;
        Ok(match detection {
            D::AllOf(items) if items.is_empty() => return Err(fault("the selection is empty", "")),
            D::AllOf(items) => {
                let mut plain = Vec::new();
                let mut parts = Vec::new();
                for item in items {
                    if let Some(part) = item.field.name.as_ref().and_then(|name| self.parts.remove(name)) {
                        parts.push(self.detection(part)?);
                    } else if item.field.name.is_none() && !self.in_member {
                        parts.push(self.keywords(&item.values, &item.field.modifiers)?);
                    } else {
                        plain.push(self.item(item)?);
                    }
                }
                if parts.is_empty() {
                    Detection::Items(plain)
                } else {
                    if !plain.is_empty() {
                        parts.push(Detection::Items(plain));
                    }
                    Detection::And(parts)
                }
            }
            D::AnyOf(parts) => Detection::Or(parts.iter().map(|p| self.detection(p)).collect::<Result<_, _>>()?),
            D::And(parts) => Detection::And(parts.iter().map(|p| self.detection(p)).collect::<Result<_, _>>()?),
            D::Keywords(values) => self.keywords(values, &[])?,
            D::ArrayMatch { field, quantifier, body } => {
                let quantifier = match quantifier {
                    ArrayQuantifier::Any => Quantifier::Any,
                    ArrayQuantifier::All => Quantifier::All,
                    ArrayQuantifier::AllOrEmpty => Quantifier::AllOrEmpty,
                    ArrayQuantifier::None => Quantifier::None,
                };
                let key = format!("{quantifier:?} {body:?}");
                let outer = std::mem::replace(&mut self.in_member, true);
                let body = self.detection(body);
                self.in_member = outer;
                Detection::Members(Box::new(Members { field: field_name(field)?, quantifier, body: body? }), key)
            }
            D::Conditional { named, condition: expr } => {
                let sorted: BTreeMap<_, _> = named.iter().collect();
                let lowered = sorted.into_iter().map(|(n, d)| Ok((n.clone(), self.detection(d)?))).collect::<Result<BTreeMap<_, _>, Fault>>()?;
                let names: Vec<&str> = lowered.keys().map(String::as_str).collect();
                let condition = condition(expr, &names)?;
                Detection::Conditional(lowered, condition)
            }
        })
    }

    fn keywords(&mut self, values: &[SigmaValue], modifiers: &[Modifier]) -> Result<Detection, Fault> {
        if self.in_member {
            return Err(fault("keywords cannot stand inside an array block", ""));
        }
        let mut all = false;
        for m in modifiers {
            match m {
                Modifier::All => all = true,
                other => return Err(fault(format!("modifier `{other:?}` on keywords is not supported"), "")),
            }
        }
        let asked = Asked { op: TextOp::Contains, explicit_op: true, ..Asked::plain() };
        let mut words = Vec::new();
        for value in values {
            words.push(match value {
                SigmaValue::String(s) => text_matcher(&s.parts, &asked)?,
                SigmaValue::Integer(n) => text_matcher(&[StringPart::Plain(n.to_string())], &asked)?,
                SigmaValue::Float(n) => text_matcher(&[StringPart::Plain(n.to_string())], &asked)?,
                SigmaValue::Bool(_) | SigmaValue::Null => return Err(fault("a keyword must be text or a number", "")),
            });
        }
        if words.is_empty() {
            return Err(fault("the keyword list is empty", ""));
        }
        Ok(Detection::Keywords { words, written: values.iter().map(plain_value).collect(), all, key: format!("{all} {values:?}") })
    }

    fn item(&mut self, item: &DetectionItem) -> Result<Item, Fault> {
        let field = item.field.name.as_deref().map(field_name).transpose()?;
        let shown = field.as_deref().unwrap_or("(member)").to_owned();
        let asked = Asked::from_modifiers(&item.field.modifiers).map_err(|(r, h)| (format!("`{shown}`: {r}"), h))?;
        // What a list holds is not part of it: all rules of a run are loaded with the same lists.
        let key = format!("{:?} {:?}", item.field.modifiers, item.values);
        let test = self.test(&asked, &item.values).map_err(|(r, h)| (format!("`{shown}`: {r}"), h))?;
        let mut looks_for = Vec::new();
        for value in &item.values {
            match value {
                // A long list is not shown entry by entry.
                SigmaValue::String(s) if asked.expand && self.sets.contains_key(&format!("{asked:?} {}", s.original)) => {}
                SigmaValue::String(s) if asked.expand => looks_for.extend(self.expand(&s.original)?.into_iter().map(|e| e.text)),
                v => looks_for.push(plain_value(v)),
            }
        }
        Ok(Item { field, test, key, written: written(item), looks_for })
    }

    fn test(&mut self, asked: &Asked, values: &[SigmaValue]) -> Result<Test, Fault> {
        if values.is_empty() {
            return Err(fault("the list of values is empty", "an empty list never matches; remove the item"));
        }
        if values.len() > 1 && values.iter().any(|v| matches!(v, SigmaValue::Null)) {
            return Err(fault("null cannot stand in a list of values", "give null a selection of its own"));
        }
        if asked.exists {
            return match values {
                [SigmaValue::Bool(b)] => Ok(Test::Exists(*b)),
                _ => Err(fault("`exists` takes true or false", "write `exists: true`, without quotes")),
            };
        }
        if asked.fieldref {
            let [SigmaValue::String(other)] = values else { return Err(fault("`fieldref` takes the name of one field", "")) };
            return Ok(Test::FieldRef { field: other.original.clone(), op: asked.op, cased: asked.cased, negated: asked.negated });
        }
        if let [SigmaValue::Null] = values {
            let changed = asked.base64.is_some() || asked.utf16.is_some() || asked.windash || asked.cased || asked.expand;
            if changed || asked.explicit_op || asked.regex.is_some() || asked.cidr || asked.number.is_some() || asked.part.is_some() || asked.all {
                return Err(fault("null takes no modifier but neq", "write `field: null`"));
            }
            return Ok(if asked.negated { Test::Some(Matcher::NotNull) } else { Test::Null });
        }
        let mut matchers = Vec::new();
        for value in values {
            matchers.extend(self.matchers(asked, value)?);
        }
        Ok(match (asked.all, asked.negated) {
            (true, false) => Test::Each(matchers),
            (_, true) => Test::None(any(matchers)),
            (false, false) => Test::Some(any(matchers)),
        })
    }

    fn matchers(&mut self, asked: &Asked, value: &SigmaValue) -> Result<Vec<Matcher>, Fault> {
        if asked.expand {
            let SigmaValue::String(s) = value else { return Err(fault("`expand` takes text with %placeholders%", "")) };
            let key = format!("{asked:?} {}", s.original);
            if let Some(known) = self.sets.get(&key) {
                return Ok(known.clone());
            }
            let entries = self.expand(&s.original)?;
            if entries.len() <= MANY || asked.all {
                return entries.iter().map(|e| self.entry(asked, e)).collect();
            }
            let set = self.set(asked, entries)?;
            self.sets.insert(key, set.clone());
            return Ok(set);
        }
        Ok(vec![self.matcher(asked, value)?])
    }

    fn matcher(&self, asked: &Asked, value: &SigmaValue) -> Result<Matcher, Fault> {
        if let Some((ignore_case, multiline, dot_all)) = asked.regex {
            let pattern = match value {
                SigmaValue::String(s) => s.original.clone(),
                SigmaValue::Integer(n) => n.to_string(),
                _ => return Err(fault("`re` takes a regular expression", "")),
            };
            return regex(&pattern, ignore_case, multiline, dot_all);
        }
        if asked.cidr {
            let SigmaValue::String(s) = value else { return Err(fault("`cidr` takes a network", "")) };
            return Network::parse(&s.original)
                .map(Matcher::Cidr)
                .ok_or_else(|| fault(format!("`{}` is not a network", s.original), "write it as 10.0.0.0/8 or 2001:db8::/32"));
        }
        if asked.utf16.is_some() || asked.base64.is_some() {
            // Wildcards stand for themselves here: what is encoded cannot hold a pattern.
            let text = match value {
                SigmaValue::String(s) => s.as_plain().unwrap_or_else(|| s.original.clone()),
                SigmaValue::Integer(n) => n.to_string(),
                SigmaValue::Float(n) => n.to_string(),
                SigmaValue::Bool(_) | SigmaValue::Null => return Err(fault("wide, utf16 and base64 take text", "quote the value")),
            };
            return encoded_matcher(&text, asked);
        }
        if let Some(part) = asked.part {
            let limit = number(value).ok_or_else(|| fault("a time part is compared with a number", ""))?;
            return Ok(Matcher::Time { part, op: asked.number.unwrap_or(NumberOp::Eq), limit });
        }
        if let Some(op) = asked.number {
            let limit = number(value).ok_or_else(|| fault("gt, gte, lt and lte compare with a number", ""))?;
            return Ok(Matcher::Number { op, limit });
        }
        match value {
            SigmaValue::String(s) => text_matcher(&s.parts, asked),
            SigmaValue::Integer(n) if asked.explicit_op || asked.windash => text_matcher(&[StringPart::Plain(n.to_string())], asked),
            SigmaValue::Float(n) if asked.explicit_op || asked.windash => text_matcher(&[StringPart::Plain(n.to_string())], asked),
            SigmaValue::Integer(n) => Ok(Matcher::Number { op: NumberOp::Eq, limit: Number::Int((*n).into()) }),
            SigmaValue::Float(n) => Ok(Matcher::Number { op: NumberOp::Eq, limit: Number::Float(*n) }),
            SigmaValue::Bool(_) if asked.explicit_op || asked.windash => {
                Err(fault("contains, startswith and endswith take text, not true or false", "quote the value"))
            }
            SigmaValue::Bool(b) => Ok(Matcher::Bool(*b)),
            SigmaValue::Null => Err(fault("null cannot stand here", "give null a selection of its own")),
        }
    }

    fn entry(&self, asked: &Asked, entry: &Expanded<'_>) -> Result<Matcher, Fault> {
        let place = || entry.list.and_then(|(name, index)| self.vars.place(name, index)).map_or(String::new(), |p| format!("{p}: "));
        let text = SigmaValue::String(rsigma_parser::SigmaString::new(&entry.text));
        self.matcher(asked, &text).map_err(|(reason, help)| (format!("{}{reason}", place()), help))
    }

    /// The matchers of a long list: what is compared whole becomes one set, so that its length costs nothing for each value.
    fn set(&self, asked: &Asked, entries: Vec<Expanded<'_>>) -> Result<Vec<Matcher>, Fault> {
        let (mut networks, mut texts, mut others) = (Vec::new(), HashSet::default(), Vec::new());
        for entry in &entries {
            match self.entry(asked, entry)? {
                Matcher::Cidr(network) => networks.push(network),
                Matcher::Text { op: TextOp::Exact, needle, cased: false } => drop(texts.insert(needle.into_boxed_str())),
                other => others.push(other),
            }
        }
        if !networks.is_empty() {
            others.push(Matcher::Networks(Arc::new(networks.into_iter().collect())));
        }
        if !texts.is_empty() {
            others.push(Matcher::Texts(Arc::new(texts)));
        }
        Ok(others)
    }

    /// Every text that `template` stands for, with `%name%` replaced by each entry of the list of that name.
    fn expand<'t>(&mut self, template: &'t str) -> Result<Vec<Expanded<'t>>, Fault> {
        let as_it_stands = |text: &str| vec![Expanded { text: text.to_owned(), list: None }];
        let Some((before, rest)) = template.split_once('%') else { return Ok(as_it_stands(template)) };
        if let Some(literal) = before.strip_suffix('\\') {
            return Ok(self.expand(rest)?.into_iter().map(|t| Expanded { text: format!("{literal}%{}", t.text), ..t }).collect());
        }
        let Some((name, after)) = rest.split_once('%') else { return Ok(as_it_stands(template)) };
        let vars = self.vars;
        let Some(entries) = vars.list(name) else {
            self.unset_list.get_or_insert_with(|| name.to_owned());
            return Ok(Vec::new());
        };
        let tails = self.expand(after)?;
        let one = |(index, entry): (usize, &String)| {
            let text = move |tail: &Expanded<'t>| Expanded { text: format!("{before}{entry}{}", tail.text), list: Some((name, index)) };
            tails.iter().map(text).collect::<Vec<_>>()
        };
        Ok(entries.iter().enumerate().flat_map(one).collect())
    }
}

impl Asked {
    fn encode(&mut self, base64: Base64) -> Result<(), Fault> {
        if self.base64.replace(base64).is_some() {
            return Err(fault("base64 and base64offset do not go together", "keep one of them"));
        }
        Ok(())
    }

    fn widen(&mut self, utf16: Utf16) -> Result<(), Fault> {
        if self.base64.is_some() {
            return Err(fault(
                "modifiers work in the order given: UTF-16 after base64 is nothing that a log holds",
                "write wide before base64, as in `wide|base64offset|contains`",
            ));
        }
        if self.utf16.replace(utf16).is_some() {
            return Err(fault("wide, utf16 and utf16be do not go together", "keep one of them"));
        }
        Ok(())
    }

    fn plain() -> Asked {
        Asked {
            op: TextOp::Exact,
            explicit_op: false,
            cased: false,
            all: false,
            negated: false,
            windash: false,
            expand: false,
            regex: None,
            cidr: false,
            exists: false,
            fieldref: false,
            number: None,
            part: None,
            utf16: None,
            base64: None,
        }
    }

    fn from_modifiers(modifiers: &[Modifier]) -> Result<Asked, Fault> {
        let mut a = Asked::plain();
        let mut flags = (false, false, false);
        for m in modifiers {
            match m {
                Modifier::Contains => (a.op, a.explicit_op) = (TextOp::Contains, true),
                Modifier::StartsWith => (a.op, a.explicit_op) = (TextOp::StartsWith, true),
                Modifier::EndsWith => (a.op, a.explicit_op) = (TextOp::EndsWith, true),
                Modifier::All => a.all = true,
                Modifier::Cased => a.cased = true,
                Modifier::Exists => a.exists = true,
                Modifier::Re => a.regex = Some((false, false, false)),
                Modifier::IgnoreCase => flags.0 = true,
                Modifier::Multiline => flags.1 = true,
                Modifier::DotAll => flags.2 = true,
                Modifier::Cidr => a.cidr = true,
                Modifier::Gt => a.number = Some(NumberOp::Gt),
                Modifier::Gte => a.number = Some(NumberOp::Gte),
                Modifier::Lt => a.number = Some(NumberOp::Lt),
                Modifier::Lte => a.number = Some(NumberOp::Lte),
                Modifier::Neq => a.negated = true,
                Modifier::FieldRef => a.fieldref = true,
                Modifier::Expand => a.expand = true,
                Modifier::WindAsh => a.windash = true,
                Modifier::Minute => a.part = Some(TimePart::Minute),
                Modifier::Hour => a.part = Some(TimePart::Hour),
                Modifier::Day => a.part = Some(TimePart::Day),
                Modifier::Week => a.part = Some(TimePart::Week),
                Modifier::Month => a.part = Some(TimePart::Month),
                Modifier::Year => a.part = Some(TimePart::Year),
                Modifier::Base64 => a.encode(Base64::Whole)?,
                Modifier::Base64Offset => a.encode(Base64::AnyOffset)?,
                Modifier::Wide => a.widen(Utf16::LittleEndian)?,
                Modifier::Utf16 => a.widen(Utf16::LittleEndianWithMark)?,
                Modifier::Utf16be => a.widen(Utf16::BigEndian)?,
            }
        }
        let any_flag = flags.0 || flags.1 || flags.2;
        match &mut a.regex {
            Some(r) => *r = flags,
            None if any_flag => return Err(fault("the flags i, m and s belong to `re`", "write `field|re|i`")),
            None => {}
        }
        let kinds = [a.explicit_op && !a.fieldref, a.regex.is_some(), a.cidr, a.exists, a.fieldref, a.number.is_some() || a.part.is_some()];
        if kinds.iter().filter(|k| **k).count() > 1 {
            return Err(fault("these modifiers do not go together", ""));
        }
        if (a.utf16.is_some() || a.base64.is_some()) && (kinds[1..].contains(&true) || a.windash) {
            return Err(fault("wide, utf16 and base64 change text and go with contains, startswith and endswith only", ""));
        }
        if matches!(a.utf16, Some(Utf16::LittleEndianWithMark | Utf16::BigEndian)) && a.base64.is_none() {
            return Err(fault("utf16 and utf16be give bytes that are no text", "add base64 or base64offset after it"));
        }
        if a.all && a.negated {
            return Err(fault("`all` and `neq` do not go together", "negate in the condition"));
        }
        Ok(a)
    }
}

/// A value as a person reads it, without quotes.
fn plain_value(value: &SigmaValue) -> String {
    match value {
        SigmaValue::String(s) => s.original.clone(),
        SigmaValue::Integer(n) => n.to_string(),
        SigmaValue::Float(n) => n.to_string(),
        SigmaValue::Bool(b) => b.to_string(),
        SigmaValue::Null => "null".into(),
    }
}

/// An item as YAML: `field|modifiers: value`, text in quotes.
fn written(item: &DetectionItem) -> String {
    let mut out = item.field.name.clone().unwrap_or_default();
    for modifier in &item.field.modifiers {
        let name = format!("{modifier:?}").to_lowercase();
        let name = match modifier {
            Modifier::IgnoreCase => "i",
            Modifier::Multiline => "m",
            Modifier::DotAll => "s",
            _ => &name,
        };
        if !out.is_empty() {
            out.push('|');
        }
        out.push_str(name);
    }
    let values: Vec<String> = item
        .values
        .iter()
        .map(|v| match v {
            SigmaValue::String(s) => format!("'{}'", s.original.replace('\'', "''")),
            v => plain_value(v),
        })
        .collect();
    let values = match values.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    if out.is_empty() { values } else { format!("{out}: {values}") }
}

fn any(mut matchers: Vec<Matcher>) -> Matcher {
    if matchers.len() == 1 { matchers.remove(0) } else { Matcher::Any(matchers) }
}

/// A field name as the record spells it; brackets that are not selectors are part of it.
fn field_name(field: &str) -> Result<String, Fault> {
    if !field.contains('\\') {
        let indexed = field.split('.').any(|s| s.ends_with(']') && s.contains('['));
        if indexed {
            return Err(fault(format!("`{field}`: array positions are not supported by this version"), "use [any]"));
        }
        return Ok(field.to_owned());
    }
    Ok(field.replace("\\[", "[").replace("\\]", "]"))
}

fn number(value: &SigmaValue) -> Option<Number> {
    match value {
        SigmaValue::Integer(n) => Some(Number::Int((*n).into())),
        SigmaValue::Float(n) => Some(Number::Float(*n)),
        SigmaValue::String(s) => Number::parse(&s.original),
        SigmaValue::Bool(_) | SigmaValue::Null => None,
    }
}

fn regex(pattern: &str, ignore_case: bool, multiline: bool, dot_all: bool) -> Result<Matcher, Fault> {
    match Pattern::new(pattern, Flags { ignore_case, multi_line: multiline, dot_all }) {
        Ok(r) => Ok(Matcher::Regex(Box::new(r))),
        Err(e) => {
            let text = e.to_string();
            let construct = ["look-around", "backreferences"].into_iter().find(|c| text.contains(c));
            let reason = construct
                .map_or_else(|| text.lines().last().unwrap_or_default().to_owned(), |c| format!("{c} is not supported, since it can hang on hostile input"));
            Err(fault(format!("regular expression `{pattern}`: {reason}"), "patterns run in linear time (RE2 syntax)"))
        }
    }
}

/// Byte order of UTF-16 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Utf16 {
    LittleEndian,
    LittleEndianWithMark,
    BigEndian,
}

/// How a value may stand in base64 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base64 {
    /// The text encodes the value alone.
    Whole,
    /// The value begins at any byte of what the text encodes.
    AnyOffset,
}

/// A text in another encoding (Sigma appendix: wide, utf16, utf16be, base64, base64offset).
fn encoded_matcher(text: &str, asked: &Asked) -> Result<Matcher, Fault> {
    let bytes: Vec<u8> = match asked.utf16 {
        None => text.as_bytes().to_vec(),
        Some(Utf16::BigEndian) => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Some(Utf16::LittleEndian) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Some(Utf16::LittleEndianWithMark) => [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect(),
    };
    let matcher = |op: TextOp, text: String| {
        let needle = if asked.cased { text } else { fold_case(&text).into_owned() };
        Matcher::Text { op, needle, cased: asked.cased }
    };
    match asked.base64 {
        None => match String::from_utf8(bytes) {
            Ok(wide) => Ok(matcher(asked.op, wide)),
            Err(_) => Err(fault("`wide` alone takes ASCII text", "add base64 or base64offset after it")),
        },
        Some(Base64::Whole) => Ok(matcher(asked.op, STANDARD.encode(bytes))),
        Some(Base64::AnyOffset) => {
            let patterns = (0..3usize).filter_map(|offset| {
                let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
                let encoded = STANDARD.encode(&padded);
                // Characters that also hold bits of what stands before or after the value are left off.
                let end = padded.len() * 8 / 6;
                encoded.get((offset * 8).div_ceil(6)..end).filter(|p| !p.is_empty()).map(str::to_owned)
            });
            Ok(Matcher::Any(patterns.map(|p| matcher(TextOp::Contains, p)).collect()))
        }
    }
}

/// A text with wildcards under contains, startswith, endswith or none of them.
fn text_matcher(parts: &[StringPart], asked: &Asked) -> Result<Matcher, Fault> {
    let fold = |s: &str| if asked.cased { s.to_owned() } else { fold_case(s).into_owned() };
    let many = |p: Option<&StringPart>| matches!(p, Some(StringPart::Special(SpecialChar::WildcardMulti)));
    let mut inner = parts;
    let mut open_start = matches!(asked.op, TextOp::Contains | TextOp::EndsWith);
    let mut open_end = matches!(asked.op, TextOp::Contains | TextOp::StartsWith);
    while many(inner.first()) {
        open_start = true;
        inner = &inner[1..];
    }
    while many(inner.last()) {
        open_end = true;
        inner = &inner[..inner.len() - 1];
    }
    let plain: Option<String> = inner
        .iter()
        .map(|p| match p {
            StringPart::Plain(s) => Some(s.as_str()),
            StringPart::Special(_) => None,
        })
        .collect();
    if let Some(text) = plain
        && !(asked.windash && text.contains(DASHES))
    {
        let op = match (open_start, open_end) {
            (false, false) => TextOp::Exact,
            (true, true) => TextOp::Contains,
            (false, true) => TextOp::StartsWith,
            (true, false) => TextOp::EndsWith,
        };
        return Ok(Matcher::Text { op, needle: fold(&text), cased: asked.cased });
    }
    let mut pattern = String::from(if open_start { "(?s)" } else { "(?s)^" });
    for part in inner {
        match part {
            StringPart::Plain(text) => {
                for c in fold(text).chars() {
                    if asked.windash && DASHES.contains(&c) {
                        pattern.push_str("[-/–—―]");
                    } else {
                        pattern.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
                    }
                }
            }
            StringPart::Special(SpecialChar::WildcardMulti) => pattern.push_str(".*"),
            StringPart::Special(SpecialChar::WildcardSingle) => pattern.push('.'),
        }
    }
    if !open_end {
        pattern.push('$');
    }
    let regex = Pattern::new(&pattern, Flags::default()).map_err(|e| fault(e.to_string(), ""))?;
    Ok(Matcher::Wildcard { regex: Box::new(regex), cased: asked.cased })
}

/// Characters that command lines take for one another (Sigma appendix, windash).
const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];
