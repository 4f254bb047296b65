//! The JSON Schema of rule documents, made of the loader's own constants, for editors and for other people's checks.
//!
//! `rules/rule.schema.json` is this schema written down; a test holds the two equal. The schema describes the language,
//! not what one version of the program runs: a correlation type that is refused by name is still spelled rightly.
//! It is stricter than the loader in one point: unknown keys are refused, so that an editor shows a misspelt one.

use super::behaviour::{BEHAVIOUR_TYPES, COMMON_KEYS, keys_of};
use super::column_field_names;
use super::correlation::CORRELATION_TYPES;
use super::meta::{Level, Role, Status};
use crate::event::CATEGORIES;
use crate::event::derived::{Derived, KINDS};
use serde_json::{Value, json};

/// Top-level keys that mean something, in the order in which rules mostly have them.
pub const TOP_LEVEL_KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "sigma-version",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "tags",
    "scope",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "behaviour",
    "generate",
    "fields",
    "falsepositives",
    "level",
    "role",
    "needs_lists",
    "tests",
];

/// Modifiers of detection keys.
pub const MODIFIERS: &[&str] = &[
    "contains",
    "startswith",
    "endswith",
    "all",
    "cased",
    "exists",
    "re",
    "i",
    "m",
    "s",
    "ignorecase",
    "multiline",
    "dotall",
    "cidr",
    "gt",
    "gte",
    "lt",
    "lte",
    "neq",
    "fieldref",
    "expand",
    "windash",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "base64",
    "base64offset",
    "wide",
    "utf16le",
    "utf16be",
    "utf16",
];

/// Quantifiers of a block over array members: `field[any]`.
const QUANTIFIERS: &[&str] = &["any", "all", "all_or_empty", "none"];

/// Relations of the `related` key.
pub const RELATED_TYPES: &[&str] = &["correlation", "derived", "merged", "obsolete", "renamed", "similar"];

/// Longest title, in characters.
pub const MAX_TITLE: usize = 110;

/// The schema as it is checked in: indented, with a line end.
pub fn rule_schema_text() -> String {
    format!("{:#}\n", rule_schema())
}

/// The JSON Schema (draft 2020-12) of one rule document.
pub fn rule_schema() -> Value {
    let levels: Vec<&str> = Level::ALL.iter().rev().map(|l| l.name()).collect();
    let statuses: Vec<&str> = Status::ALL.iter().map(|s| s.name()).collect();
    let roles: Vec<&str> = Role::ALL.iter().map(|r| r.name()).collect();
    let day = |what: &str| json!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": what});
    let texts = |what: &str| json!({"type": "array", "items": {"type": "string", "minLength": 1}, "description": what});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "auditmill rule",
        "description": "One document of a rule file: a Sigma detection, correlation or filter, or a behaviour.",
        "type": "object",
        "required": ["title"],
        "additionalProperties": false,
        "properties": {
            "title": {"type": "string", "minLength": 1, "maxLength": MAX_TITLE, "description": "What it finds, in capital letters, without a dot"},
            "id": {"$ref": "#/$defs/uuid", "description": "A UUID that stays when the rule changes"},
            "name": {"type": "string", "pattern": "^[A-Za-z0-9_.-]+$", "maxLength": 256, "description": "Short name that other rules refer to; the file's name in our own rules"},
            "related": {"type": "array", "items": {
                "type": "object", "required": ["id", "type"], "additionalProperties": false,
                "properties": {"id": {"$ref": "#/$defs/uuid"}, "type": {"enum": RELATED_TYPES}}
            }},
            "taxonomy": {"enum": ["auditmill", "sigma"], "description": taxonomy_words()},
            "sigma-version": {"type": "integer", "minimum": 1, "maximum": 3, "description": "3 for blocks over array members"},
            "status": {"enum": statuses, "description": "experimental never drives a verdict; deprecated and unsupported are skipped"},
            "description": {"type": "string", "description": "What it finds and why that matters"},
            "license": {"type": "string"},
            "author": {"type": "string"},
            "references": texts("Addresses of what the rule is built on"),
            "date": day("The day on which it was written"),
            "modified": day("The day of the last change"),
            "tags": {"type": "array", "uniqueItems": true, "items": {"type": "string", "pattern": "^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$"}, "description": "ATT&CK techniques and control ids: attack.t1078, soc2.cc6.1"},
            "scope": texts("Where the rule makes sense"),
            "logsource": {"$ref": "#/$defs/logsource"},
            "detection": true,
            "correlation": {"$ref": "#/$defs/correlation"},
            "filter": {"$ref": "#/$defs/filter"},
            "behaviour": {"$ref": "#/$defs/behaviour"},
            "generate": {"type": "boolean", "description": "In a correlation: show the findings of the counted rules as well"},
            "fields": texts("Fields to show beside the evidence"),
            "falsepositives": texts("Known harmless causes"),
            "level": {"enum": levels, "description": "How bad a match is"},
            "role": {"enum": roles, "description": "violation: a breach in itself; signal: somebody must look; operation: for the record"},
            "needs_lists": texts("Lists without which the rule is not assessable"),
            "tests": {"$ref": "#/$defs/tests"}
        },
        "oneOf": kinds(),
        "allOf": [
            {
                "if": {"required": ["taxonomy"], "properties": {"taxonomy": {"const": "auditmill"}}},
                "then": {"properties": {"detection": {"$ref": "#/$defs/column_detection"}}},
                "else": {"properties": {"detection": {"$ref": "#/$defs/detection"}}}
            },
            {
                "if": {"required": ["logsource"], "properties": {"logsource": {"required": ["product"], "properties": {"product": {"const": "auditmill"}}}}},
                "then": {"required": ["taxonomy"], "properties": {"taxonomy": {"const": "auditmill"}, "logsource": {"properties": {"category": {"enum": CATEGORIES}}}}}
            }
        ],
        "$defs": definitions()
    })
}

fn taxonomy_words() -> String {
    let derived: Vec<String> = Derived::ALL.iter().map(|d| format!("{d} ({})", d.describe())).collect();
    format!("auditmill: fields are event columns and what is derived from them: {}; left out: the vendor's own fields", derived.join(", "))
}

/// Exactly one of the four kinds.
fn kinds() -> Value {
    let kinds = [
        ("detection", json!(["detection", "logsource"])),
        ("correlation", json!(["correlation"])),
        ("filter", json!(["filter"])),
        ("behaviour", json!(["behaviour"])),
    ];
    let one = |(kind, required): &(&str, Value)| {
        let others: serde_json::Map<String, Value> = kinds.iter().filter(|(k, _)| k != kind).map(|(k, _)| ((*k).to_owned(), json!(false))).collect();
        json!({"title": format!("a {kind}"), "required": required, "properties": others})
    };
    kinds.iter().map(one).collect()
}

fn definitions() -> Value {
    json!({
        "uuid": {"type": "string", "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
        "duration": {"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhdwMy]$"},
        "logsource": logsource(),
        "condition": condition(),
        "scalar": {"type": ["string", "number", "boolean"]},
        "value": {"anyOf": [{"$ref": "#/$defs/scalar"}, {"type": "null"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/scalar"}}]},
        "detection": detection("#/$defs/selection"),
        "column_detection": detection("#/$defs/column_selection"),
        "selection": selection("#/$defs/items"),
        "column_selection": selection("#/$defs/column_items"),
        "items": items("[^|]*"),
        "column_items": items(&column_pattern()),
        "block": block(),
        "references": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string", "minLength": 1}}]},
        "names": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "limits": limits(),
        "correlation": correlation(),
        "filter": filter(),
        "behaviour": behaviour(),
        "tests": tests()
    })
}

fn logsource() -> Value {
    json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "description": "Which logs it is for; `product: auditmill` means every source",
        "properties": {"product": {"type": "string"}, "service": {"type": "string"}, "category": {"type": "string"}, "definition": {"type": "string"}}
    })
}

fn condition() -> Value {
    let text = json!({"type": "string", "minLength": 1, "pattern": "^[^|]+$"});
    json!({"anyOf": [text.clone(), {"type": "array", "minItems": 1, "items": text}]})
}

/// Event columns, fields derived from them, `raw.` with a path of the record, or nothing: a keyword.
fn column_pattern() -> String {
    let fields: Vec<String> = column_field_names().map(|n| n.replace('.', "\\.")).collect();
    format!("({}|raw\\.[^|]+)?", fields.join("|"))
}

/// What a key such as `field[any]` holds.
fn block() -> Value {
    json!({"anyOf": [
        {
            "type": "object", "required": ["condition"], "minProperties": 2,
            "properties": {"condition": {"$ref": "#/$defs/condition"}},
            "additionalProperties": {"$ref": "#/$defs/selection"}
        },
        {"$ref": "#/$defs/items", "not": {"required": ["condition"]}},
        {"$ref": "#/$defs/value"}
    ]})
}

fn limits() -> Value {
    const COMPARISONS: [&str; 6] = ["gt", "gte", "lt", "lte", "eq", "neq"];
    let mut properties = json!({"field": {"$ref": "#/$defs/names"}, "percentile": {"type": "number", "minimum": 0, "maximum": 100}});
    for comparison in COMPARISONS {
        properties[comparison] = json!({"type": "number"});
    }
    json!({
        "type": "object", "additionalProperties": false,
        "properties": properties,
        "anyOf": COMPARISONS.map(|k| json!({"required": [k]})).to_vec()
    })
}

fn correlation() -> Value {
    let when = |kind: Value, then: Value| json!({"if": {"properties": {"type": kind}}, "then": then});
    json!({
        "type": "object", "required": ["type", "rules", "timespan"], "additionalProperties": false,
        "properties": {
            "type": {"enum": CORRELATION_TYPES},
            "rules": {"$ref": "#/$defs/references", "description": "Ids or names of the rules whose matches it counts"},
            "group-by": {"$ref": "#/$defs/names"},
            "timespan": {"$ref": "#/$defs/duration", "description": "Length of the window, such as 10m"},
            "condition": {"anyOf": [{"$ref": "#/$defs/limits"}, {"type": "string", "minLength": 1}]},
            "generate": {"type": "boolean", "description": "Show the findings of the counted rules as well"},
            "aliases": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}}}
        },
        "allOf": [
            when(json!({"const": "event_count"}), json!({"required": ["condition"], "properties": {"condition": {"type": "object", "properties": {"field": false}}}})),
            when(json!({"pattern": "^value_"}), json!({"required": ["condition"], "properties": {"condition": {"type": "object", "required": ["field"]}}})),
            when(json!({"const": "value_percentile"}), json!({"properties": {"condition": {"required": ["percentile"]}}}))
        ]
    })
}

fn filter() -> Value {
    json!({
        "type": "object", "required": ["rules", "condition"], "minProperties": 3,
        "properties": {"rules": {"$ref": "#/$defs/references", "description": "Ids or names of detections, or `any`"}, "condition": {"$ref": "#/$defs/condition"}},
        "additionalProperties": {"$ref": "#/$defs/selection"}
    })
}

fn behaviour() -> Value {
    let positive = |what: &str| json!({"type": "number", "exclusiveMinimum": 0, "description": what});
    let count = |least: u64, what: &str| json!({"type": "integer", "minimum": least, "description": what});
    let duration = |what: &str| json!({"$ref": "#/$defs/duration", "description": what});
    let properties = json!({
        "type": {"enum": BEHAVIOUR_TYPES},
        "rules": {"$ref": "#/$defs/references", "description": "Ids or names of the detections whose events it judges"},
        "known-by": {"$ref": "#/$defs/references", "description": "Detections whose events only show that an entity was there"},
        "group-by": {"$ref": "#/$defs/names", "description": "Whose behaviour it is; left out: the organisation's"},
        "learning": {
            "type": "object", "additionalProperties": false, "minProperties": 1,
            "description": "An entity is judged when it was watched for as long and for as many events",
            "properties": {"time": {"$ref": "#/$defs/duration"}, "events": {"type": "integer", "minimum": 0}}
        },
        "generate": {"type": "boolean", "description": "Show the findings of the base rules as well"},
        "field": {"$ref": "#/$defs/names", "description": "Holds the value; of several each must be new in one event"},
        "across": {"type": "string", "minLength": 1, "description": "Field of which `fewer-than` values have the value"},
        "fewer-than": count(2, "So many are not rare"),
        "percent": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100, "description": "Share of the group's events below which a value is rare"},
        "out-of": count(1, "Events of the group below which a share says nothing"),
        "timespan": duration("Length of a window, such as 1h"),
        "deviations": positive("Spreads that a count lies away from the usual; 6 when left out"),
        "floor": count(1, "Least count of a spike; least usual count of silence"),
        "speed": positive("Kilometres an hour that are not believed; 900 when left out"),
        "distance": positive("Kilometres below which nothing is said; 500 when left out"),
        "after": duration("Absence, such as 60d"),
        "hours": {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}$", "description": "Working hours, such as 07:00-19:00; left out with days and zone: the site's calendar"},
        "days": {"type": "string", "description": "Such as mon-fri"},
        "zone": {"type": "string", "description": "Such as Europe/Berlin"},
        "holidays": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}}
    });
    let needs = |kind: &str| -> Value {
        match kind {
            "new_value" => json!(["learning", "field"]),
            "rare_value" => json!(["learning", "field"]),
            "spike" | "silence" => json!(["learning", "timespan", "floor"]),
            "dormant" => json!(["after"]),
            _ => json!([]),
        }
    };
    // A type takes its own keys alone.
    let of_type = |kind: &&str| {
        let own = keys_of(kind);
        let strangers = BEHAVIOUR_TYPES.iter().flat_map(|t| keys_of(t)).filter(|k| !own.contains(k)).map(|k| ((*k).to_owned(), json!(false)));
        json!({"if": {"properties": {"type": {"const": kind}}}, "then": {"required": needs(kind), "properties": strangers.collect::<serde_json::Map<_, _>>()}})
    };
    debug_assert!(COMMON_KEYS.iter().all(|k| properties.get(k).is_some()));
    json!({
        "type": "object", "required": ["type", "rules"], "additionalProperties": false,
        "properties": properties,
        "allOf": BEHAVIOUR_TYPES.iter().map(of_type).collect::<Vec<_>>()
    })
}

fn tests() -> Value {
    let repeated = json!({
        "required": ["record"], "additionalProperties": false,
        "properties": {"repeat": {"type": "integer", "minimum": 1}, "every": {"$ref": "#/$defs/duration"}, "record": {"type": "object"}}
    });
    json!({"type": "array", "description": "Run by `auditmill rules test`", "items": {
        "type": "object", "required": ["name", "expect", "events"], "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "expect": {"enum": ["match", "no_match"]},
            "source": {"type": "string", "description": "auditmill for event columns, or a source id"},
            "lists": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
            "calendar": {"type": "object", "required": ["hours", "days", "zone"], "additionalProperties": false, "description": "The site's calendar for this test alone", "properties": {"hours": {"type": "string"}, "days": {"type": "string"}, "zone": {"type": "string"}, "holidays": {"type": "array", "items": {"type": "string"}}}},
            "enriched": {
                "type": "object",
                "description": "What a database would say of addresses; of all others it knows nothing. Without a kind an address counts as public",
                "additionalProperties": {
                    "type": "object", "additionalProperties": false,
                    "properties": {
                        "country": {"type": "string", "pattern": "^[A-Z]{2}$"},
                        "city": {"type": "string"},
                        "asn": {"type": "string", "pattern": "^[0-9]+$"},
                        "org": {"type": "string"},
                        "kind": {"enum": KINDS},
                        "location": {"type": "string", "pattern": "^-?[0-9.]+,-?[0-9.]+,[0-9.]+$", "description": "Latitude, longitude and radius in km"}
                    }
                }
            },
            "events": {"type": "array", "items": {"type": "object", "if": {"required": ["repeat"]}, "then": repeated}}
        }
    }})
}

/// Selections under names of their own, and the condition over them.
fn detection(selection: &str) -> Value {
    json!({
        "type": "object", "required": ["condition"], "minProperties": 2,
        "properties": {"condition": {"$ref": "#/$defs/condition"}, "timeframe": false},
        "additionalProperties": {"$ref": selection}
    })
}

/// Items joined by AND; a list of those joined by OR; keywords.
fn selection(items: &str) -> Value {
    let keyword = json!({"type": ["string", "number"]});
    json!({"anyOf": [{"$ref": items}, keyword.clone(), {"type": "array", "minItems": 1, "items": {"anyOf": [{"$ref": items}, keyword]}}]})
}

/// Fields with modifiers, and their values.
fn items(field: &str) -> Value {
    let (modifiers, quantifiers) = (MODIFIERS.join("|"), QUANTIFIERS.join("|"));
    let block = format!("^[^|]*\\[({quantifiers})\\]$");
    let plain = format!("^(?![^|]*\\[({quantifiers})\\]$){field}(\\|({modifiers}))*$");
    json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "patternProperties": {
            block: {"$ref": "#/$defs/block"},
            plain: {"$ref": "#/$defs/value"},
            "\\|exists$": {"type": "boolean"},
            "\\|(gt|gte|lt|lte)$": {"type": ["number", "string", "array"]},
            "\\|(re|cidr|fieldref)(\\||$)": {"not": {"type": ["boolean", "null"]}}
        }
    })
}
