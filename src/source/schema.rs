//! The JSON Schema of mapping files, made of the words of the mapping language, for editors and for other people's checks.
//!
//! `sources/mapping.schema.json` is this schema written down; a test holds the two equal.

use super::keys;
use crate::event::{CATEGORIES, Column};
use serde_json::{Map, Value, json};

/// The schema as it is checked in: indented, with a line end.
pub fn mapping_schema_text() -> String {
    format!("{:#}\n", mapping_schema())
}

/// The JSON Schema (draft 2020-12) of one mapping file.
pub fn mapping_schema() -> Value {
    let paths = |what: &str| json!({"anyOf": [{"$ref": "#/$defs/path"}, {"type": "array", "items": {"$ref": "#/$defs/path"}}], "description": what});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "auditmill source mapping",
        "description": "How the records of one system are told apart, which field fills which event column, and what its action names mean.",
        "type": "object",
        "required": ["id", "title", "logsource", "detect", "time", "columns"],
        "additionalProperties": false,
        "properties": {
            "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": "The value of the column `source`"},
            "title": {"type": "string", "minLength": 1, "description": "The system's name, for people"},
            "logsource": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/logsource"}, "description": "Sigma log sources whose rules see these records"},
            "aliases": {"type": "object", "additionalProperties": paths("Paths that the name stands for"), "description": "Names by which public rules call a field"},
            "detect": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/alternative"}, "description": "A record is of this source when one of these holds"},
            "containers": {"type": "array", "items": {"type": "string", "minLength": 1}, "description": "Keys whose arrays hold this source's records, beside those of containers.yml"},
            "time": {"$ref": "#/$defs/time"},
            "each": {"$ref": "#/$defs/path", "description": "An array whose every element is an event; the rest of the record stays beside it"},
            "json_text": {"type": "array", "items": {"$ref": "#/$defs/path"}, "description": "Fields whose text is itself JSON"},
            "columns": {"type": "object", "additionalProperties": false, "properties": columns(), "description": "Which expression fills which event column"},
            "activity": {"$ref": "#/$defs/activity"},
            "retention": {"$ref": "#/$defs/duration", "description": "How long the vendor keeps events"},
            "delivery_lag": {"$ref": "#/$defs/duration", "description": "How late events may come"},
            "export_limits": {"type": "array", "items": {"type": "integer", "minimum": 1}, "description": "Row counts at which the vendor's exports are cut"},
            "classes": {"type": "array", "items": {"$ref": "#/$defs/class"}, "description": "Event classes that are switched on one by one"},
            "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}, "description": "Run by `auditmill sources test`"}
        },
        "$defs": definitions()
    })
}

fn columns() -> Value {
    let fillable = Column::ALL.iter().filter(|c| !c.is_built_in() || **c == Column::Source);
    let entry = |c: &Column| {
        let reference = if keys::closed_values(c.name()).is_some() { format!("#/$defs/{}_expression", c.name()) } else { "#/$defs/expression".into() };
        (c.name().to_owned(), json!({"$ref": reference, "description": c.describe()}))
    };
    Value::Object(fillable.map(entry).collect::<Map<String, Value>>())
}

fn definitions() -> Value {
    let one_or_many = |one: Value| json!({"anyOf": [one.clone(), {"type": "array", "minItems": 1, "items": one}]});
    let mut all = json!({
        "path": {"type": "string", "minLength": 1, "description": "a.b.c goes down objects; a[0] and a[key=value] choose inside an array"},
        "duration": {"type": "string", "pattern": "^[0-9]*[1-9][0-9]*[smhdw]$"},
        "selection": {"description": "A Sigma selection; `$name` in it is an event column", "type": ["object", "array"], "minProperties": 1, "minItems": 1},
        "logsource": {
            "type": "object", "minProperties": 1, "additionalProperties": false,
            "properties": keys::logsource().iter().map(|k| ((*k).to_owned(), one_or_many(json!({"type": "string", "minLength": 1})))).collect::<Map<String, Value>>()
        },
        "alternative": {
            "type": "object", "additionalProperties": false, "anyOf": [{"required": ["has"]}, {"required": ["where"]}],
            "properties": {
                "has": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/path"}, "description": "Every path is present; null counts"},
                "where": {"$ref": "#/$defs/selection", "description": "This selection holds as well"},
                "without": {"type": "array", "items": {"$ref": "#/$defs/path"}, "description": "None of these paths is present"}
            }
        },
        "time": {"description": "Where the time stands; the first value that is a time decides", "anyOf": [
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/time_entry"}},
            {
                "type": "object", "required": ["first"], "additionalProperties": false,
                "properties": {"first": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/time_entry"}}, "zone": {"type": "string"}}
            }
        ]},
        "time_entry": {"anyOf": [
            {"$ref": "#/$defs/path"},
            {
                "type": "object", "required": ["path"], "additionalProperties": false,
                "properties": {
                    "path": {"$ref": "#/$defs/path"},
                    "capture": {"type": "string", "format": "regex", "description": "The first group of a regular expression is the time"},
                    "format": {"$ref": "#/$defs/time_format"}, "zone": {"type": "string", "description": "Zone of texts that name none"}
                }
            }
        ]},
        "time_format": {"anyOf": [{"enum": keys::EPOCHS}, {"type": "string", "pattern": "%"}], "description": "For numbers an epoch, for other texts a strftime format"},
        "activity": {
            "type": "object", "required": ["key"], "additionalProperties": false,
            "properties": {
                "key": {"enum": Column::ALL.iter().map(|c| c.name()).collect::<Vec<_>>(), "description": "The column whose text is looked up"},
                "map": {"type": ["object", "null"], "additionalProperties": one_or_many(json!({"$ref": "#/$defs/entry"}))},
                "patterns": {"type": "array", "items": {"$ref": "#/$defs/entry", "required": ["when"]}, "description": "Tried in order for what the map does not know"},
                "default_category": {"enum": CATEGORIES}
            }
        },
        "entry": {
            "type": "object", "additionalProperties": false,
            "properties": {"when": {"$ref": "#/$defs/selection"}, "activity": {"type": "string"}, "category": {"enum": CATEGORIES}}
        },
        "class": {
            "type": "object", "required": ["id", "title", "when"], "additionalProperties": false,
            "properties": {
                "id": {"type": "string", "minLength": 1},
                "title": {"type": "string", "minLength": 1, "description": "For people"},
                "when": {"$ref": "#/$defs/selection", "description": "Events of this class"},
                "activities": {"type": "array", "items": {"type": "string"}, "description": "What only this class can show"},
                "actions": {"type": "array", "items": {"type": "string"}}
            }
        },
        "expected": {
            "type": "object", "additionalProperties": false, "description": "Columns and their values; null for a column that must be empty",
            "properties": Column::ALL.iter().map(|c| (c.name().to_owned(), json!(true))).collect::<Map<String, Value>>()
        },
        "test": {
            "type": "object", "required": ["event"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string"},
                "event": {"type": "object", "description": "A record as the system writes it"},
                "expect": one_or_many(json!({"$ref": "#/$defs/expected"})),
                "events": {"type": "array", "items": {"$ref": "#/$defs/expected"}, "description": "What is expected of each event, where one record gives several"},
                "source": {"type": "string", "description": "The source that must know the record; this one where it is left out"}
            },
            "anyOf": [{"required": ["expect"]}, {"required": ["events"]}]
        }
    });
    let text = json!({"type": "string"});
    all["expression"] = expression("expression", &text);
    for column in ["status", "actor_type", "mfa"] {
        let name = format!("{column}_expression");
        all[&name] = expression(&name, &json!({"enum": keys::closed_values(column)}));
    }
    all
}

/// An expression whose constants, defaults and mapped texts are `value`.
fn expression(name: &str, value: &Value) -> Value {
    let this = json!({"$ref": format!("#/$defs/{name}")});
    let properties = json!({
        "path": {"$ref": "#/$defs/path", "description": "The first text, number or boolean there; `$name` is another column"},
        "first": {"type": "array", "minItems": 1, "items": this, "description": "The first expression that is set"},
        "const": if name == "expression" { value.clone() } else { json!({"type": "string"}) },
        "json": {"$ref": "#/$defs/path", "description": "The JSON text of the object or array there"},
        "template": {"type": "string", "description": "The text with each {path} replaced; null when one of them is null"},
        "column": {"type": "string"},
        "cases": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["when", "then"], "additionalProperties": false,
            "properties": {"when": {"$ref": "#/$defs/selection"}, "then": this}
        }},
        "skip": {"type": "array", "items": {"type": "string"}, "description": "Candidates of these texts count as not set"},
        "null_if": {"type": "array", "items": {"type": "string"}, "description": "These texts are null"},
        "capture": {"type": "string", "format": "regex", "description": "The first group of a regular expression"},
        "as": {"anyOf": [{"enum": keys::conversions()}, {"type": "array", "items": {"enum": keys::conversions()}}]},
        "map": {"type": "object", "additionalProperties": value, "description": "Another text for each; null for what is not in it"},
        "default": value
    });
    json!({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 1, "items": this},
        {
            "type": "object", "additionalProperties": false, "properties": properties,
            "oneOf": keys::BASES.iter().map(|b| json!({"required": [b]})).collect::<Vec<_>>()
        }
    ]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_the_words_of_the_language() {
        let schema = mapping_schema();
        let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        for (pointer, words) in [
            ("", keys::top_level()),
            ("/$defs/logsource", keys::logsource()),
            ("/$defs/alternative", keys::detect()),
            ("/$defs/time/anyOf/1", keys::zoned_times()),
            ("/$defs/time_entry/anyOf/1", keys::time()),
            ("/$defs/expression/anyOf/2", keys::expression()),
            ("/$defs/status_expression/anyOf/2", keys::expression()),
            ("/$defs/expression/anyOf/2/properties/cases/items", keys::case()),
            ("/$defs/activity", keys::activity()),
            ("/$defs/entry", keys::entry()),
            ("/$defs/class", keys::class()),
            ("/$defs/test", keys::TEST),
        ] {
            let object = at(pointer);
            let mut known: Vec<&str> = object["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
            let mut words = words.to_vec();
            known.sort_unstable();
            words.sort_unstable();
            assert_eq!(known, words, "{pointer}");
            assert_eq!(object["additionalProperties"], false, "{pointer}");
        }
    }
}
