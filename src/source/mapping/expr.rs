//! Expressions that give a column's value, and their evaluation over one record.

use super::select::{self, Step};
use super::{PathId, Reading};
use crate::event::Column;
use crate::event::address::parse_address;
use crate::event::pattern::Pattern;
use crate::event::value::{Kind, Value, fold_case};
use crate::rule::detection::{Detection, Fields};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::HashMap;

/// A conversion of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convert {
    /// A valid address in canonical form, else null.
    Ip,
    /// Lower case.
    Lower,
    /// Without blanks at its ends.
    Trim,
    /// Without one pair of square brackets around it.
    TrimBrackets,
    /// `true` or `false`, else null.
    Bool,
    /// What follows the last `/` or `:`.
    LastSegment,
    /// The first item of a comma list.
    FirstItem,
}

/// An expression that gives a column's value.
#[derive(Debug, Clone)]
pub enum Expr {
    /// The first scalar at a path.
    Path(PathId),
    /// The JSON text of an object or array at a path, or the scalar there.
    Json(PathId),
    /// The first scalar that steps inside the JSON at a path lead to.
    Select(PathId, Vec<Step>),
    /// Another column, computed before.
    Column(Column),
    /// Texts and expressions one after another; null when one of these is null.
    Template(Vec<Piece>),
    /// A constant.
    Const(String),
    /// The first that is not null.
    First(Vec<Expr>),
    /// The first case whose condition holds.
    Cases(Vec<(Detection, Expr)>),
    /// By the text of a column.
    Table(Box<Table>),
    /// Steps on the value of an expression.
    Steps(Box<Expr>, Box<Steps>),
}

/// A table of names: the first entry whose condition holds decides, also when it gives nothing.
#[derive(Debug, Clone)]
pub struct Table {
    /// The column that is looked up.
    pub key: Column,
    /// By folded text, blanks at its ends cut.
    pub entries: HashMap<String, Vec<Entry>>,
    /// For texts that have no entry that holds.
    pub patterns: Vec<Entry>,
    /// For what no entry and no pattern decides.
    pub default: Option<String>,
}

/// A condition and what it gives.
#[derive(Debug, Clone)]
pub struct Entry {
    /// None: it holds always.
    pub when: Option<Detection>,
    /// None: nothing.
    pub value: Option<String>,
}

/// A part of a template.
#[derive(Debug, Clone)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// What an expression gives.
    Expr(Expr),
}

/// What is done to a value, in this order.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Folded texts that are null.
    pub null_if: Vec<String>,
    /// Its first group is the value.
    pub capture: Option<Pattern>,
    /// Conversions, one after another.
    pub convert: Vec<Convert>,
    /// By folded text without blanks at its ends.
    pub map: Option<HashMap<String, String>>,
    /// For null.
    pub default: Option<String>,
}

/// A record as expressions see it.
pub trait Row {
    /// The values at a path, elements of arrays one by one.
    fn values(&self, path: PathId, found: &mut dyn FnMut(Value<'_>));
    /// The objects and arrays at a path, of which the JSON text is read.
    fn json(&self, path: PathId, found: &mut dyn FnMut(&Json));
    /// A column computed before.
    fn column(&self, column: Column, found: &mut dyn FnMut(Value<'_>));
}

/// Lets a condition of a mapping read a row; JSON null counts as absent.
pub struct RowFields<'a>(pub &'a dyn Row, pub &'a Reading);

impl Fields for RowFields<'_> {
    fn values(&self, field: &str, found: &mut dyn FnMut(Value<'_>)) {
        let mut present = |v: Value<'_>| {
            if !matches!(v.kind, Kind::Null | Kind::NullElement) {
                found(v);
            }
        };
        if let Some(column) = field.strip_prefix('$').and_then(|n| n.parse().ok()) {
            self.0.column(column, &mut present);
        } else if let Some((path, steps)) = self.1.selects.get(field) {
            select_values(self.0, *path, steps, &mut present);
        } else if let Some(path) = self.1.plain_path(field) {
            self.0.values(path, &mut present);
        }
    }

    fn json(&self, field: &str, found: &mut dyn FnMut(&str)) {
        self.values(field, &mut |v| {
            if v.kind == Kind::Json {
                found(v.text);
            }
        });
    }
}

/// Calls `found` with each scalar that steps inside the JSON at a path lead to.
fn select_values(row: &dyn Row, path: PathId, steps: &[Step], found: &mut dyn FnMut(Value<'_>)) {
    row.json(path, &mut |json| select_scalars(json, steps, found));
}

/// As the engine reads a path with brackets, over a whole record.
pub fn select_in(record: &Json, path: &str, found: &mut dyn FnMut(Value<'_>)) {
    if let Ok(Some((base, mut steps))) = select::parse(path) {
        let keys: Vec<Step> = base.split('.').map(|k| Step::Key(k.to_owned())).collect();
        steps.splice(0..0, keys);
        select_scalars(record, &steps, found);
    }
}

fn select_scalars(json: &Json, steps: &[Step], found: &mut dyn FnMut(Value<'_>)) {
    let mut scalar = |j: &Json| match j {
        Json::String(text) => found(Value::str(text)),
        Json::Number(n) => found(Value { kind: if n.is_f64() { Kind::Float } else { Kind::Int }, text: &n.to_string() }),
        Json::Bool(b) => found(Value { kind: Kind::Bool, text: if *b { "true" } else { "false" } }),
        Json::Null | Json::Array(_) | Json::Object(_) => {}
    };
    select::follow(json, steps, &mut |j| match j {
        Json::Array(items) => items.iter().for_each(&mut scalar),
        other => scalar(other),
    });
}

/// Gives an expression the values that it reads.
type Read<'r> = &'r dyn Fn(&mut dyn FnMut(Value<'_>));

impl Expr {
    /// The value for a row: text, or JSON text ([`Kind::Json`]).
    pub fn eval(&self, row: &dyn Row, reading: &Reading) -> Option<(Kind, String)> {
        let first = |want_json: bool, read: Read<'_>| -> Option<(Kind, String)> {
            let mut out = None;
            read(&mut |v: Value<'_>| {
                if out.is_some() {
                    return;
                }
                if v.kind == Kind::Json && want_json {
                    out = Some((Kind::Json, v.text.to_owned()));
                } else if v.kind.is_text() {
                    out = (!v.text.is_empty()).then(|| (Kind::Str, v.text.to_owned()));
                }
            });
            out
        };
        match self {
            Expr::Path(p) => first(false, &|f| row.values(*p, f)),
            Expr::Json(p) => first(true, &|f| row.values(*p, f)),
            Expr::Select(p, steps) => first(false, &|f| select_values(row, *p, steps, f)),
            Expr::Template(pieces) => {
                let mut out = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.push_str(text),
                        Piece::Expr(expr) => out.push_str(&expr.eval(row, reading)?.1),
                    }
                }
                Some((Kind::Str, out))
            }
            Expr::Column(c) => first(true, &|f| row.column(*c, f)),
            Expr::Const(c) => Some((Kind::Str, c.clone())),
            Expr::First(list) => list.iter().find_map(|e| e.eval(row, reading)),
            Expr::Cases(cases) => cases.iter().find(|(when, _)| when.holds(&RowFields(row, reading))).and_then(|(_, then)| then.eval(row, reading)),
            Expr::Table(table) => {
                let key = first(false, &|f| row.column(table.key, f));
                let named = key.and_then(|(_, k)| table.entries.get(fold_case(k.trim()).as_ref()));
                let holds = |e: &&Entry| e.when.as_ref().is_none_or(|w| w.holds(&RowFields(row, reading)));
                match named.into_iter().flatten().chain(&table.patterns).find(holds) {
                    Some(entry) => entry.value.clone(),
                    None => table.default.clone(),
                }
                .map(|value| (Kind::Str, value))
            }
            Expr::Steps(base, steps) => steps.apply(base.eval(row, reading)),
        }
    }

    /// The paths, in order, of which the first that holds a text decides the value alone; `None` where more than that counts.
    pub fn decided_by_first(&self) -> Option<Vec<PathId>> {
        match self {
            Expr::Path(p) => Some(vec![*p]),
            Expr::First(list) => list.iter().map(|e| if let Expr::Path(p) = e { Some(*p) } else { None }).collect(),
            Expr::Steps(base, _) => base.decided_by_first(),
            Expr::Json(_) | Expr::Select(..) | Expr::Template(_) | Expr::Column(_) | Expr::Const(_) | Expr::Cases(_) | Expr::Table(_) => None,
        }
    }

    /// Whether the deciding text is the value, and no text is no value.
    pub fn is_its_text(&self) -> bool {
        matches!(self, Expr::Path(_) | Expr::First(_))
    }

    /// The value that a deciding text (or none) gives, where [`Expr::decided_by_first`] says that it alone counts.
    pub fn finish(&self, text: Option<&str>) -> Option<(Kind, String)> {
        match self {
            Expr::Steps(base, steps) => steps.apply(base.finish(text)),
            _ => text.map(|t| (Kind::Str, t.to_owned())),
        }
    }
}

impl Steps {
    /// Applies them.
    pub fn apply(&self, value: Option<(Kind, String)>) -> Option<(Kind, String)> {
        let value = value.filter(|(_, t)| self.null_if.is_empty() || !self.null_if.contains(&fold_case(t).into_owned()));
        let value = value.and_then(|(kind, text)| match &self.capture {
            None => Some((kind, text)),
            Some(re) => re.captures(&text).and_then(|c| c.get(1)).map(|m| (Kind::Str, m.as_str().to_owned())),
        });
        let value = self.convert.iter().fold(value, |value, convert| value.and_then(|(_, text)| convert.apply(&text).map(|t| (Kind::Str, t))));
        let value = value.and_then(|(kind, text)| match &self.map {
            None => Some((kind, text)),
            Some(map) => map.get(fold_case(text.trim()).as_ref()).map(|t| (Kind::Str, t.clone())),
        });
        value.or_else(|| self.default.clone().map(|d| (Kind::Str, d)))
    }
}

impl Convert {
    fn apply(self, text: &str) -> Option<String> {
        match self {
            Convert::Ip => parse_address(text).map(|a| a.to_string()),
            Convert::Lower => Some(fold_case(text).into_owned()),
            Convert::Trim => Some(text.trim().to_owned()).filter(|t| !t.is_empty()),
            Convert::FirstItem => text.split(',').map(str::trim).find(|t| !t.is_empty()).map(str::to_owned),
            Convert::TrimBrackets => Some(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned()),
            Convert::Bool => match fold_case(text).as_ref() {
                "true" | "yes" | "1" => Some("true".into()),
                "false" | "no" | "0" => Some("false".into()),
                _ => None,
            },
            Convert::LastSegment => text.rsplit(['/', ':']).next().filter(|s| !s.is_empty()).map(str::to_owned),
        }
    }
}
