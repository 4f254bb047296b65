//! Correlation documents: parsed and checked by us, since the parser dependency loses what the specification says.

use super::matcher::NumberOp;
use crate::event::time::{DAY, parse_duration};
use serde::Deserialize;
use std::collections::BTreeMap;
use yaml_serde::Value;

/// What a correlation looks at in a window (Sigma 2.1 `type`; `value_median` is an extension).
#[derive(Debug, Clone, PartialEq)]
pub enum CorrelationKind {
    /// Number of events.
    EventCount,
    /// Number of distinct values of fields.
    ValueCount,
    /// Sum of a field's numbers.
    ValueSum,
    /// Average of a field's numbers.
    ValueAvg,
    /// A percentile (0 to 100) of a field's numbers, interpolated linearly between the nearest ranks.
    ValuePercentile(f64),
    /// The middle of a field's numbers.
    ValueMedian,
    /// Which of the rules matched.
    Temporal(Presence),
    /// The rules matched one after the other.
    TemporalOrdered,
}

/// The names of all types.
pub const CORRELATION_TYPES: [&str; 8] =
    ["event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile", "value_median"];

impl CorrelationKind {
    /// The type's name in documents.
    pub fn name(&self) -> &'static str {
        match self {
            CorrelationKind::EventCount => "event_count",
            CorrelationKind::ValueCount => "value_count",
            CorrelationKind::ValueSum => "value_sum",
            CorrelationKind::ValueAvg => "value_avg",
            CorrelationKind::ValuePercentile(_) => "value_percentile",
            CorrelationKind::ValueMedian => "value_median",
            CorrelationKind::Temporal(_) => "temporal",
            CorrelationKind::TemporalOrdered => "temporal_ordered",
        }
    }

    /// Whether it aggregates numbers.
    pub fn takes_numbers(&self) -> bool {
        matches!(self, CorrelationKind::ValueSum | CorrelationKind::ValueAvg | CorrelationKind::ValuePercentile(_) | CorrelationKind::ValueMedian)
    }

    /// Whether its condition names a field.
    pub fn takes_field(&self) -> bool {
        self.takes_numbers() || *self == CorrelationKind::ValueCount
    }
}

/// Which of the rules of a `temporal` correlation must have matched in a window. Rules are positions in its `rules`.
#[derive(Debug, Clone, PartialEq)]
pub enum Presence {
    /// All of them.
    All,
    /// A number of them.
    Count(Vec<Limit>),
    /// This one.
    Rule(usize),
    /// Not so.
    Not(Box<Presence>),
    /// Each part.
    And(Vec<Presence>),
    /// Some part.
    Or(Vec<Presence>),
}

impl Presence {
    /// Whether it holds, given which of so many rules matched.
    pub fn holds(&self, matched: &dyn Fn(usize) -> bool, rules: usize) -> bool {
        match self {
            Presence::All => (0..rules).all(matched),
            Presence::Count(limits) => {
                let n = (0..rules).filter(|r| matched(*r)).count() as f64;
                limits.iter().all(|l| l.holds(n))
            }
            Presence::Rule(r) => matched(*r),
            Presence::Not(p) => !p.holds(matched, rules),
            Presence::And(ps) => ps.iter().all(|p| p.holds(matched, rules)),
            Presence::Or(ps) => ps.iter().any(|p| p.holds(matched, rules)),
        }
    }

    /// Once it holds, further matches do not change that.
    pub fn only_grows_into_holding(&self) -> bool {
        match self {
            Presence::All | Presence::Rule(_) => true,
            Presence::Count(limits) => limits.iter().all(Limit::is_lower_bound),
            Presence::Not(_) => false,
            Presence::And(ps) | Presence::Or(ps) => ps.iter().all(Presence::only_grows_into_holding),
        }
    }
}

/// One comparison of a condition; several are joined by AND.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Comparison; [`Limit::negated`] turns `eq` into `neq`.
    pub op: NumberOp,
    /// The number.
    pub value: f64,
    /// Not equal.
    pub negated: bool,
}

impl Limit {
    /// Whether a count satisfies it.
    pub fn holds(&self, count: f64) -> bool {
        // Not `total_cmp`: a sum of -0.0 equals zero.
        count.partial_cmp(&self.value).is_some_and(|o| self.op.holds(o) != self.negated)
    }

    /// A count can only come to satisfy it by growing.
    pub fn is_lower_bound(&self) -> bool {
        matches!(self.op, NumberOp::Gt | NumberOp::Gte)
    }
}

/// A correlation rule.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// What is looked at.
    pub kind: CorrelationKind,
    /// Rules whose matches are correlated: id, name or title as written.
    pub rules: Vec<String>,
    /// Fields or aliases whose values make a group; empty means one group.
    pub group_by: Vec<String>,
    /// For each alias the field that stands for it in the events of each rule.
    pub aliases: BTreeMap<String, BTreeMap<String, String>>,
    /// Window length in microseconds; both borders are inside.
    pub timespan: i64,
    /// Comparisons, all of which must hold; empty for the temporal types.
    pub limits: Vec<Limit>,
    /// Counted fields; several make a tuple.
    pub fields: Vec<String>,
    /// The bases' own findings are shown too.
    pub generate: bool,
    /// In what a site's variables weaken the rule, in words.
    pub weakened: Option<String>,
}

impl Correlation {
    /// What a field or alias is called in the events of a base that goes by one of these names.
    pub fn field_for<'a>(&'a self, field: &'a str, base: &[&str]) -> Result<&'a str, String> {
        match self.aliases.get(field) {
            None => Ok(field),
            Some(of_rule) => base
                .iter()
                .find_map(|b| of_rule.get(*b))
                .map(String::as_str)
                .ok_or_else(|| format!("the alias `{field}` has no field for the rule `{}`", base.first().copied().unwrap_or_default())),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    rules: Option<Value>,
    #[serde(rename = "group-by")]
    group_by: Option<Value>,
    timespan: Option<Value>,
    timeframe: Option<Value>,
    condition: Option<Value>,
    generate: Option<bool>,
    aliases: Option<Value>,
    window: Option<Value>,
    gap: Option<Value>,
}

/// A fault: what is wrong, and what to write instead.
pub type Fault = (String, Option<String>);

pub(super) fn fault(reason: impl Into<String>, help: &str) -> Fault {
    (reason.into(), (!help.is_empty()).then(|| help.to_owned()))
}

/// A `timespan`: `s m h d`, and `w`, `M` (30 days) and `y` (365 days), which the specification does not have.
pub fn parse_timespan(text: &str) -> Option<i64> {
    let days = match text.trim().chars().last()? {
        'M' => 30,
        'y' => 365,
        _ => return parse_duration(text),
    };
    let count: i64 = text.trim().get(..text.trim().len() - 1)?.parse().ok()?;
    count.checked_mul(days * DAY).filter(|n| *n > 0)
}

/// Parses the value of a document's `correlation:` key.
pub fn parse_correlation(value: &Value, generate_at_top: Option<bool>) -> Result<Correlation, Fault> {
    let doc: Document = yaml_serde::from_value(value.clone()).map_err(|e| fault(format!("correlation: {e}"), ""))?;
    match &doc.window {
        None => {}
        Some(Value::String(s)) if s == "sliding" => {}
        Some(other) => {
            let shown = other.as_str().unwrap_or("other than sliding");
            return Err(fault(format!("`window: {shown}` is not supported"), "leave it out: windows slide"));
        }
    }
    if doc.gap.is_some() {
        return Err(fault("`gap` (session windows) is not supported", "leave it out: windows slide"));
    }
    let rules = strings(doc.rules.as_ref(), "rules")?;
    if rules.is_empty() {
        return Err(fault("a correlation needs `rules`", "list the names or ids of the rules whose matches it counts"));
    }
    let mut unique = rules.clone();
    unique.sort();
    unique.dedup();
    if unique.len() != rules.len() {
        return Err(fault("`rules` names the same rule twice", ""));
    }
    let span = doc.timespan.or(doc.timeframe).ok_or_else(|| fault("a correlation needs `timespan`", "such as `timespan: 10m`"))?;
    let written = span.as_str().map_or_else(|| yaml_serde::to_string(&span).unwrap_or_default().trim().to_owned(), str::to_owned);
    let timespan = span
        .as_str()
        .and_then(parse_timespan)
        .ok_or_else(|| fault(format!("timespan `{written}` is not a duration"), "write a number above zero and s, m, h or d, such as 10m"))?;
    let group_by = strings(doc.group_by.as_ref(), "group-by")?;
    let aliases = parse_aliases(doc.aliases.as_ref())?;
    let condition = parse_condition(doc.condition.as_ref(), &rules)?;
    let kind = kind(&doc.kind, &condition, rules.len())?;
    let temporal = matches!(kind, CorrelationKind::Temporal(_) | CorrelationKind::TemporalOrdered);
    let name = kind.name();
    if condition.percentile.is_some() && !matches!(kind, CorrelationKind::ValuePercentile(_)) {
        return Err(fault(format!("{name} takes no `percentile`"), "use value_percentile"));
    }
    if kind.takes_field() && condition.fields.is_empty() {
        return Err(fault(format!("{name} needs `field` in its condition"), "such as `condition: {field: user, gte: 8}`"));
    }
    if !kind.takes_field() && !condition.fields.is_empty() {
        return Err(fault(format!("{name} takes no `field`"), "use value_count to count distinct values"));
    }
    if kind.takes_numbers() && condition.fields.len() > 1 {
        return Err(fault(format!("{name} takes one `field`"), "name the field that holds the number"));
    }
    if !temporal && condition.limits.is_empty() {
        return Err(fault(format!("{name} needs `condition` with a comparison"), HELP));
    }
    Ok(Correlation {
        kind,
        rules,
        group_by,
        aliases,
        timespan,
        limits: if temporal { Vec::new() } else { condition.limits },
        fields: condition.fields,
        generate: doc.generate.or(generate_at_top).unwrap_or(false),
        weakened: None,
    })
}

fn kind(name: &str, condition: &Condition, rules: usize) -> Result<CorrelationKind, Fault> {
    let presence = || match (&condition.expression, condition.limits.is_empty()) {
        (Some(e), _) => e.clone(),
        (None, true) => Presence::All,
        (None, false) => Presence::Count(condition.limits.clone()),
    };
    if condition.expression.is_some() && !name.starts_with("temporal") {
        return Err(fault(format!("{name} takes a comparison as its condition"), HELP));
    }
    Ok(match name {
        "event_count" => CorrelationKind::EventCount,
        "value_count" => CorrelationKind::ValueCount,
        "value_sum" => CorrelationKind::ValueSum,
        "value_avg" => CorrelationKind::ValueAvg,
        "value_median" => CorrelationKind::ValueMedian,
        "value_percentile" => match condition.percentile {
            Some(p) if (0.0..=100.0).contains(&p) => CorrelationKind::ValuePercentile(p),
            Some(p) => return Err(fault(format!("percentile {p} is not between 0 and 100"), "such as `percentile: 95`")),
            None => return Err(fault("value_percentile needs `percentile` in its condition", "such as `condition: {field: size, percentile: 95, gte: 1000}`")),
        },
        "temporal" => CorrelationKind::Temporal(presence()),
        "temporal_ordered" => {
            // An order over some of the rules is not defined: all of them, however that is written.
            let all = match presence() {
                Presence::All => true,
                Presence::Count(limits) => {
                    let holds = |n: usize| limits.iter().all(|l| l.holds(n as f64));
                    holds(rules) && !(0..rules).any(holds)
                }
                Presence::And(parts) => (0..rules).all(|r| parts.contains(&Presence::Rule(r))) && parts.iter().all(|p| matches!(p, Presence::Rule(_))),
                Presence::Rule(_) => rules == 1,
                Presence::Not(_) | Presence::Or(_) => false,
            };
            if !all {
                return Err(fault("temporal_ordered needs all of its rules", "leave `condition` out, or use temporal"));
            }
            CorrelationKind::TemporalOrdered
        }
        other => {
            return Err(fault(format!("`{other}` is not a correlation type"), &format!("write one of {}", CORRELATION_TYPES.join(", "))));
        }
    })
}

const HELP: &str = "such as `condition: {gte: 5}`";

#[derive(Default)]
struct Condition {
    limits: Vec<Limit>,
    fields: Vec<String>,
    percentile: Option<f64>,
    expression: Option<Presence>,
}

fn parse_condition(value: Option<&Value>, rules: &[String]) -> Result<Condition, Fault> {
    let mut out = Condition::default();
    let map = match value {
        None | Some(Value::Null) => return Ok(out),
        Some(Value::String(text)) => {
            out.expression = Some(Expression::parse(text, rules)?);
            return Ok(out);
        }
        Some(v) => v.as_mapping().ok_or_else(|| fault("`condition` of a correlation is a mapping", HELP))?,
    };
    if map.is_empty() {
        return Err(fault("the condition has no comparison", "leave `condition` out, or compare, such as `condition: {gte: 5}`"));
    }
    for (key, v) in map {
        let key = key.as_str().unwrap_or_default();
        let number = || v.as_f64().filter(|n| n.is_finite()).ok_or_else(|| fault(format!("condition.{key} must be a number"), HELP));
        let op = match key {
            "gt" => NumberOp::Gt,
            "gte" => NumberOp::Gte,
            "lt" => NumberOp::Lt,
            "lte" => NumberOp::Lte,
            "eq" | "neq" => NumberOp::Eq,
            "field" => {
                out.fields = strings(Some(v), "field")?;
                continue;
            }
            "percentile" => {
                out.percentile = Some(number()?);
                continue;
            }
            other => return Err(fault(format!("`{other}` is not a comparison"), HELP)),
        };
        out.limits.push(Limit { op, value: number()?, negated: key == "neq" });
    }
    Ok(out)
}

/// `a and (b or not c)` over the names of rules, as conditions of temporal correlations may have it.
struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
    rules: &'a [String],
    depth: usize,
}

impl<'a> Expression<'a> {
    fn parse(text: &'a str, rules: &'a [String]) -> Result<Presence, Fault> {
        let mut words = Vec::new();
        for word in text.split_whitespace() {
            let mut rest = word;
            while let Some(at) = rest.find(['(', ')']) {
                if at > 0 {
                    words.push(&rest[..at]);
                }
                words.push(&rest[at..=at]);
                rest = &rest[at + 1..];
            }
            if !rest.is_empty() {
                words.push(rest);
            }
        }
        let mut e = Expression { words, at: 0, rules, depth: 0 };
        let out = e.or()?;
        match e.peek() {
            None => Ok(out),
            Some(word) => Err(fault(format!("condition: `{word}` was not expected here"), "such as `rule_a and rule_b`")),
        }
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Presence, Fault> {
        let mut parts = vec![self.and()?];
        while self.takes("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Presence::Or(parts) })
    }

    fn and(&mut self) -> Result<Presence, Fault> {
        let mut parts = vec![self.not()?];
        while self.takes("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Presence::And(parts) })
    }

    fn not(&mut self) -> Result<Presence, Fault> {
        self.depth += 1;
        if self.depth > 64 {
            return Err(fault("condition: nested too deeply", ""));
        }
        let out = if self.takes("not") {
            Presence::Not(Box::new(self.not()?))
        } else if self.takes("(") {
            let inner = self.or()?;
            if !self.takes(")") {
                return Err(fault("condition: a parenthesis is not closed", ""));
            }
            inner
        } else {
            let word = self.peek().ok_or_else(|| fault("condition: it ends too early", "such as `rule_a and rule_b`"))?;
            self.at += 1;
            let rule = self.rules.iter().position(|r| r == word);
            Presence::Rule(rule.ok_or_else(|| fault(format!("condition: `{word}` is not among `rules`"), &format!("`rules` has {}", self.rules.join(", "))))?)
        };
        self.depth -= 1;
        Ok(out)
    }
}

fn parse_aliases(value: Option<&Value>) -> Result<BTreeMap<String, BTreeMap<String, String>>, Fault> {
    const HELP: &str = "such as `aliases: {who: {rule_a: user, rule_b: target_user}}`";
    let Some(value) = value.filter(|v| !v.is_null()) else { return Ok(BTreeMap::new()) };
    let map = value.as_mapping().ok_or_else(|| fault("`aliases` is a mapping of aliases", HELP))?;
    let mut out = BTreeMap::new();
    for (alias, of_rules) in map {
        let alias = alias.as_str().ok_or_else(|| fault("`aliases`: the name of an alias must be text", HELP))?;
        let of_rules = of_rules.as_mapping().ok_or_else(|| fault(format!("`aliases.{alias}` is a mapping of rules to fields"), HELP))?;
        let mut fields = BTreeMap::new();
        for (rule, field) in of_rules {
            let rule = rule.as_str().ok_or_else(|| fault(format!("`aliases.{alias}`: the name of a rule must be text"), HELP))?;
            let field = field.as_str().ok_or_else(|| fault(format!("`aliases.{alias}.{rule}` must be the name of a field"), HELP))?;
            fields.insert(rule.to_owned(), field.to_owned());
        }
        out.insert(alias.to_owned(), fields);
    }
    Ok(out)
}

pub(super) fn strings(value: Option<&Value>, key: &str) -> Result<Vec<String>, Fault> {
    let text = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| fault(format!("`{key}` must hold text"), ""));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Sequence(items)) => items.iter().map(text).collect(),
        Some(v) => Ok(vec![text(v)?]),
    }
}
