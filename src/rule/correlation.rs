//! Correlation documents: parsed and checked by us, since the parser dependency loses what the specification says.

use super::matcher::NumberOp;
use crate::event::time::parse_duration;
use serde::Deserialize;
use yaml_serde::Value;

/// What a correlation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrelationKind {
    /// Events in a window.
    EventCount,
    /// Distinct values of fields in a window.
    ValueCount,
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
        self.op.holds(count.total_cmp(&self.value)) != self.negated
    }

    /// A count can only come to satisfy it by growing.
    pub fn is_lower_bound(&self) -> bool {
        matches!(self.op, NumberOp::Gt | NumberOp::Gte)
    }
}

/// A correlation rule.
#[derive(Debug, Clone)]
pub struct Correlation {
    /// What is counted.
    pub kind: CorrelationKind,
    /// Rules whose matches are counted: id, name or title as written.
    pub rules: Vec<String>,
    /// Fields whose values make a group; empty means one group.
    pub group_by: Vec<String>,
    /// Window length in microseconds; both borders are inside.
    pub timespan: i64,
    /// Comparisons, all of which must hold.
    pub limits: Vec<Limit>,
    /// Counted fields of `value_count`; several make a tuple.
    pub fields: Vec<String>,
    /// The bases' own findings are shown too.
    pub generate: bool,
    /// In what a site's variables weaken the rule, in words.
    pub weakened: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    rules: Option<Value>,
    #[serde(rename = "group-by")]
    group_by: Option<Value>,
    timespan: Option<String>,
    timeframe: Option<String>,
    condition: Option<Value>,
    generate: Option<bool>,
    aliases: Option<Value>,
}

/// A fault: what is wrong, and what to write instead.
pub type Fault = (String, Option<String>);

fn fault(reason: impl Into<String>, help: &str) -> Fault {
    (reason.into(), (!help.is_empty()).then(|| help.to_owned()))
}

/// Parses the value of a document's `correlation:` key.
pub fn parse_correlation(value: &Value, generate_at_top: Option<bool>) -> Result<Correlation, Fault> {
    let doc: Document = yaml_serde::from_value(value.clone()).map_err(|e| fault(format!("correlation: {e}"), ""))?;
    let kind = match doc.kind.as_str() {
        "event_count" => CorrelationKind::EventCount,
        "value_count" => CorrelationKind::ValueCount,
        known @ ("temporal" | "temporal_ordered" | "value_sum" | "value_avg" | "value_percentile" | "value_median") => {
            return Err(fault(format!("correlation type `{known}` is not supported by this version"), "event_count and value_count are"));
        }
        other => return Err(fault(format!("`{other}` is not a correlation type"), "write event_count or value_count")),
    };
    if doc.aliases.is_some() {
        return Err(fault("correlation aliases are not supported by this version", ""));
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
    let timespan = parse_duration(&span)
        .ok_or_else(|| fault(format!("timespan `{span}` is not a duration"), "write a number above zero and s, m, h, d or w, such as 10m"))?;
    let (limits, fields) = parse_condition(doc.condition.as_ref())?;
    if kind == CorrelationKind::ValueCount && fields.is_empty() {
        return Err(fault("value_count needs `field` in its condition", "such as `condition: {field: user, gte: 8}`"));
    }
    if kind == CorrelationKind::EventCount && !fields.is_empty() {
        return Err(fault("event_count takes no `field`", "use value_count to count distinct values"));
    }
    Ok(Correlation {
        kind,
        rules,
        group_by: strings(doc.group_by.as_ref(), "group-by")?,
        timespan,
        limits,
        fields,
        generate: doc.generate.or(generate_at_top).unwrap_or(false),
        weakened: None,
    })
}

fn parse_condition(value: Option<&Value>) -> Result<(Vec<Limit>, Vec<String>), Fault> {
    const HELP: &str = "such as `condition: {gte: 5}`";
    let map = value.and_then(Value::as_mapping).ok_or_else(|| fault("a correlation of this type needs `condition` with a comparison", HELP))?;
    let (mut limits, mut fields) = (Vec::new(), Vec::new());
    for (key, v) in map {
        let key = key.as_str().unwrap_or_default();
        let op = match key {
            "gt" => NumberOp::Gt,
            "gte" => NumberOp::Gte,
            "lt" => NumberOp::Lt,
            "lte" => NumberOp::Lte,
            "eq" | "neq" => NumberOp::Eq,
            "field" => {
                fields = strings(Some(v), "field")?;
                continue;
            }
            other => return Err(fault(format!("`{other}` is not a comparison"), HELP)),
        };
        let number = v.as_f64().filter(|n| n.is_finite()).ok_or_else(|| fault(format!("condition.{key} must be a number"), HELP))?;
        limits.push(Limit { op, value: number, negated: key == "neq" });
    }
    if limits.is_empty() {
        return Err(fault("the condition has no comparison", HELP));
    }
    Ok((limits, fields))
}

fn strings(value: Option<&Value>, key: &str) -> Result<Vec<String>, Fault> {
    let text = |v: &Value| v.as_str().map(str::to_owned).ok_or_else(|| fault(format!("`{key}` must hold text"), ""));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Sequence(items)) => items.iter().map(text).collect(),
        Some(v) => Ok(vec![text(v)?]),
    }
}
