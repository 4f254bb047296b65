//! Behaviour documents: what is unusual for whom, told from what was seen before.
//!
//! A behaviour rule rests on the matches of detections (`rules`) and looks at them in the order of time, for each entity
//! (`group-by`) by itself. Sigma's correlations have no such types, so it is a document kind of its own (RULES §3, §4).

use super::calendar::Calendar;
use super::correlation::{Fault, fault, parse_timespan, strings};
use super::vars::Vars;
use crate::event::time::{DAY, HOUR};
use serde::Deserialize;
use std::collections::BTreeSet;
use yaml_serde::Value;

/// How long an entity must have been watched before it is judged. Both must be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learning {
    /// Microseconds since the entity's first event.
    pub time: i64,
    /// Events of the entity.
    pub events: u64,
}

/// What a behaviour rule looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum BehaviourKind {
    /// A value that the entity never had before; of several fields each must be new in the same event.
    NewValue {
        /// Fields that hold the values.
        fields: Vec<String>,
    },
    /// A value that few have.
    RareValue {
        /// Field that holds the value.
        field: String,
        /// What makes it rare.
        rarity: Rarity,
    },
    /// More events in a window than the entity's earlier windows would have it.
    Spike(Volume),
    /// Fewer events in a window than the entity's earlier windows would have it.
    Silence(Volume),
    /// Two places that are too far apart for the time between.
    ImpossibleTravel {
        /// Kilometres an hour that are not believed.
        speed: f64,
        /// Kilometres below which nothing is said, whatever the speed.
        distance: f64,
    },
    /// The entity is back after a long time.
    Dormant {
        /// Microseconds without an event.
        after: i64,
    },
    /// Outside working hours.
    OffHours {
        /// When work is done; `None` where the site has not said so.
        calendar: Option<Calendar>,
    },
}

/// When a value is rare.
#[derive(Debug, Clone, PartialEq)]
pub enum Rarity {
    /// Fewer than so many distinct values of a field have it, the event's own included.
    FewerThan {
        /// Field whose values are counted.
        across: String,
        /// That many are not rare.
        limit: u64,
    },
    /// It has less than this share of the group's earlier events.
    Percent {
        /// Percent, 0 to 100.
        share: f64,
        /// Events of the group below which a share says nothing.
        out_of: u64,
    },
}

/// When a count is out of the ordinary: see `engine::behaviour::volume`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// Length of a window in microseconds; windows are aligned to 1970-01-01 UTC.
    pub timespan: i64,
    /// Times the usual spread that the count must lie away from the usual.
    pub deviations: f64,
    /// For a spike the least count; for silence the least usual count.
    pub floor: u64,
}

/// The names of all types.
pub const BEHAVIOUR_TYPES: [&str; 7] = ["new_value", "rare_value", "spike", "silence", "impossible_travel", "dormant", "off_hours"];

impl BehaviourKind {
    /// The type's name in documents.
    pub fn name(&self) -> &'static str {
        match self {
            BehaviourKind::NewValue { .. } => "new_value",
            BehaviourKind::RareValue { .. } => "rare_value",
            BehaviourKind::Spike(_) => "spike",
            BehaviourKind::Silence(_) => "silence",
            BehaviourKind::ImpossibleTravel { .. } => "impossible_travel",
            BehaviourKind::Dormant { .. } => "dormant",
            BehaviourKind::OffHours { .. } => "off_hours",
        }
    }
}

/// A behaviour rule.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// What is looked for.
    pub kind: BehaviourKind,
    /// Rules whose matches are judged: id, name or title as written.
    pub rules: Vec<String>,
    /// Rules whose matches only show that an entity was there: it is known since the first and active at each of them.
    pub known_by: Vec<String>,
    /// Fields whose values make an entity; empty means the whole organisation.
    pub group_by: Vec<String>,
    /// How long an entity is watched before it is judged.
    pub learning: Learning,
    /// The base rules' own findings are shown too.
    pub generate: bool,
    /// In what a site's variables weaken the rule, in words.
    pub weakened: Option<String>,
}

impl Behaviour {
    /// Every field that it reads of its base events, beside those of `group-by`.
    pub fn fields(&self) -> Vec<&str> {
        match &self.kind {
            BehaviourKind::NewValue { fields } => fields.iter().map(String::as_str).collect(),
            BehaviourKind::RareValue { field, rarity: Rarity::FewerThan { across, .. } } => vec![field, across],
            BehaviourKind::RareValue { field, .. } => vec![field],
            BehaviourKind::ImpossibleTravel { .. } => vec![LOCATION, "ip"],
            BehaviourKind::Spike(_) | BehaviourKind::Silence(_) | BehaviourKind::Dormant { .. } | BehaviourKind::OffHours { .. } => Vec::new(),
        }
    }
}

/// The field that places are read from.
pub const LOCATION: &str = "ip.location";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    rules: Option<Value>,
    #[serde(rename = "known-by")]
    known_by: Option<Value>,
    #[serde(rename = "group-by")]
    group_by: Option<Value>,
    learning: Option<LearningDocument>,
    generate: Option<bool>,
    field: Option<Value>,
    across: Option<String>,
    #[serde(rename = "fewer-than")]
    fewer_than: Option<u64>,
    percent: Option<f64>,
    #[serde(rename = "out-of")]
    out_of: Option<u64>,
    timespan: Option<String>,
    deviations: Option<f64>,
    floor: Option<u64>,
    speed: Option<f64>,
    distance: Option<f64>,
    after: Option<String>,
    hours: Option<String>,
    days: Option<String>,
    zone: Option<String>,
    holidays: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LearningDocument {
    time: Option<String>,
    #[serde(default)]
    events: u64,
}

/// Keys that every type takes.
pub const COMMON_KEYS: [&str; 6] = ["type", "rules", "known-by", "group-by", "learning", "generate"];

/// Keys of a type beside [`COMMON_KEYS`]; none of an unknown type.
pub fn keys_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "new_value" => &["field"],
        "rare_value" => &["field", "across", "fewer-than", "percent", "out-of"],
        "spike" | "silence" => &["timespan", "deviations", "floor"],
        "impossible_travel" => &["speed", "distance"],
        "dormant" => &["after"],
        "off_hours" => &["hours", "days", "zone", "holidays"],
        _ => &[],
    }
}

/// Parses the value of a document's `behaviour:` key.
pub fn parse_behaviour(value: &Value, vars: &Vars) -> Result<Behaviour, Fault> {
    let doc: Document = yaml_serde::from_value(value.clone()).map_err(|e| fault(format!("behaviour: {e}"), ""))?;
    if !BEHAVIOUR_TYPES.contains(&doc.kind.as_str()) {
        return Err(fault(format!("`{}` is not a behaviour type", doc.kind), &format!("write one of {}", BEHAVIOUR_TYPES.join(", "))));
    }
    let allowed = keys_of(&doc.kind);
    let written = value.as_mapping().into_iter().flatten().filter_map(|(k, _)| k.as_str());
    if let Some(stranger) = written.into_iter().find(|k| !COMMON_KEYS.contains(k) && !allowed.contains(k)) {
        return Err(fault(format!("{} takes no `{stranger}`", doc.kind), &format!("its own keys are {}", allowed.join(", "))));
    }
    let rules = strings(doc.rules.as_ref(), "rules")?;
    if rules.is_empty() {
        return Err(fault("a behaviour needs `rules`", "list the names or ids of the detections whose matches it judges"));
    }
    let known_by = strings(doc.known_by.as_ref(), "known-by")?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = rules.iter().chain(&known_by).find(|r| !seen.insert(r.as_str())) {
        return Err(fault(format!("`{twice}` is named twice"), "what `rules` names makes an entity known anyway"));
    }
    let learning = match &doc.learning {
        None => Learning::default(),
        Some(l) => Learning { time: l.time.as_deref().map(|t| duration(t, "learning.time")).transpose()?.unwrap_or(0), events: l.events },
    };
    if learning == Learning::default() && matches!(doc.kind.as_str(), "new_value" | "rare_value" | "spike" | "silence") {
        return Err(fault(format!("{} needs `learning`", doc.kind), "such as `learning: {time: 30d, events: 20}`: without a history everything is new"));
    }
    Ok(Behaviour {
        kind: kind(&doc, vars)?,
        rules,
        known_by,
        group_by: strings(doc.group_by.as_ref(), "group-by")?,
        learning,
        generate: doc.generate.unwrap_or(false),
        weakened: None,
    })
}

fn duration(text: &str, key: &str) -> Result<i64, Fault> {
    parse_timespan(text).ok_or_else(|| fault(format!("{key}: `{text}` is not a duration"), "write a number above zero and m, h or d, such as 30d"))
}

fn kind(doc: &Document, vars: &Vars) -> Result<BehaviourKind, Fault> {
    let need = |key: &str, such: &str| fault(format!("{} needs `{key}`", doc.kind), such);
    let positive = |value: Option<f64>, key: &str, otherwise: Option<f64>| match value.or(otherwise) {
        Some(n) if n.is_finite() && n > 0.0 => Ok(n),
        Some(n) => Err(fault(format!("{key}: {n} is not above zero"), "")),
        None => Err(need(key, "")),
    };
    Ok(match doc.kind.as_str() {
        "new_value" => {
            let fields = strings(doc.field.as_ref(), "field")?;
            if fields.is_empty() || fields.len() > MAX_FIELDS {
                return Err(need("field", "such as `field: ip.country`; of a list, each must be new in the same event"));
            }
            BehaviourKind::NewValue { fields }
        }
        "rare_value" => {
            let mut fields = strings(doc.field.as_ref(), "field")?;
            let (Some(field), true) = (fields.pop(), fields.is_empty()) else { return Err(need("field", "with the name of one field")) };
            let rarity = match (&doc.across, doc.fewer_than, doc.percent, doc.out_of) {
                (Some(across), Some(limit), None, None) if limit >= 2 => Rarity::FewerThan { across: across.clone(), limit },
                (None, None, Some(share), Some(out_of)) if share > 0.0 && share < 100.0 && out_of > 0 => Rarity::Percent { share, out_of },
                _ => {
                    let help = "write `across: principal` and `fewer-than: 2` (or more), or `percent: 0.5` and `out-of: 200`";
                    return Err(fault("rare_value needs one measure of what is rare", help));
                }
            };
            BehaviourKind::RareValue { field, rarity }
        }
        name @ ("spike" | "silence") => {
            let timespan = duration(doc.timespan.as_deref().ok_or_else(|| need("timespan", "such as `timespan: 1h`"))?, "timespan")?;
            if doc.learning.is_some() && timespan > 31 * DAY {
                return Err(fault("timespan: more than 31 days", ""));
            }
            let floor = doc.floor.filter(|f| *f > 0).ok_or_else(|| need("floor", "the least count that is worth a word, such as `floor: 20`"))?;
            let volume = Volume { timespan, deviations: positive(doc.deviations, "deviations", Some(6.0))?, floor };
            if name == "spike" { BehaviourKind::Spike(volume) } else { BehaviourKind::Silence(volume) }
        }
        "impossible_travel" => {
            BehaviourKind::ImpossibleTravel { speed: positive(doc.speed, "speed", Some(900.0))?, distance: positive(doc.distance, "distance", Some(500.0))? }
        }
        "dormant" => {
            let after = duration(doc.after.as_deref().ok_or_else(|| need("after", "such as `after: 60d`"))?, "after")?;
            if after < HOUR {
                return Err(fault("after: less than an hour", "such as `after: 60d`"));
            }
            BehaviourKind::Dormant { after }
        }
        _ => {
            let own = doc.hours.is_some() || doc.days.is_some() || doc.zone.is_some();
            let calendar = if own {
                let text = |value: &Option<String>, key: &str| value.clone().ok_or_else(|| need(key, "a calendar has hours, days and zone"));
                Some(
                    Calendar::parse(&text(&doc.hours, "hours")?, &text(&doc.days, "days")?, &text(&doc.zone, "zone")?, doc.holidays.as_deref().unwrap_or(&[]))
                        .map_err(|e| fault(e, ""))?,
                )
            } else {
                vars.calendar.clone()
            };
            BehaviourKind::OffHours { calendar }
        }
    })
}

/// Fields of one `new_value`: each combination of their values in an event is looked at.
const MAX_FIELDS: usize = 4;
