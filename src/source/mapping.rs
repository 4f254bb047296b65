//! The declarative mapping of one source: how its records are told apart and which column each field fills.

use super::names::{LogSourceSpec, Paths, aliases, logsources};
use crate::diag::UserError;
use crate::event::address::parse_address;
use crate::event::value::{Kind, Value, fold_case};
use crate::event::{CATEGORIES, Column};
use crate::rule::detection::{Detection, Fields};
use crate::rule::meta::LogSource;
use crate::rule::sigma::parse_detections;
use crate::rule::vars::Vars;
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// A mapping file as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    id: String,
    title: String,
    logsource: Vec<LogSourceSpec>,
    #[serde(default)]
    aliases: BTreeMap<String, Paths>,
    detect: Vec<DetectSpec>,
    #[serde(default)]
    containers: Vec<String>,
    time: TimeSpec,
    columns: BTreeMap<String, ExprSpec>,
    activity: Option<ActivitySpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectSpec {
    has: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeSpec {
    first: Vec<String>,
    #[serde(default = "utc")]
    zone: String,
}

fn utc() -> String {
    "UTC".into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ExprSpec {
    Path(String),
    First(Vec<ExprSpec>),
    Full(Box<FullSpec>),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FullSpec {
    path: Option<String>,
    first: Option<Vec<ExprSpec>>,
    #[serde(rename = "const")]
    constant: Option<String>,
    json: Option<String>,
    column: Option<String>,
    cases: Option<Vec<CaseSpec>>,
    #[serde(rename = "as")]
    convert: Option<Convert>,
    null_if: Vec<String>,
    map: Option<BTreeMap<String, String>>,
    capture: Option<String>,
    default: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseSpec {
    when: yaml_serde::Value,
    then: ExprSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivitySpec {
    key: String,
    map: BTreeMap<String, OneOrMany>,
    default_category: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<ActivityEntry>),
    One(ActivityEntry),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActivityEntry {
    when: Option<yaml_serde::Value>,
    activity: Option<String>,
    category: Option<String>,
}

/// A conversion of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convert {
    /// A valid address in canonical form, else null.
    Ip,
    /// Lower case.
    Lower,
    /// Without one pair of square brackets around it.
    TrimBrackets,
    /// `true` or `false`, else null.
    Bool,
    /// What follows the last `/` or `:`.
    LastSegment,
}

/// Index into [`Mapping::paths`].
pub type PathId = usize;

/// An expression that gives a column's value.
#[derive(Debug, Clone)]
pub enum Expr {
    /// The first scalar at a path.
    Path(PathId),
    /// The JSON text of an object or array at a path, or the scalar there.
    Json(PathId),
    /// Another column, computed before.
    Column(Column),
    /// A constant.
    Const(String),
    /// The first that is not null.
    First(Vec<Expr>),
    /// The first case whose condition holds.
    Cases(Vec<(Detection, Expr)>),
    /// Steps on the value of an expression.
    Steps(Box<Expr>, Box<Steps>),
}

/// What is done to a value, in this order.
#[derive(Debug, Clone)]
pub struct Steps {
    null_if: Vec<String>,
    capture: Option<Regex>,
    convert: Option<Convert>,
    map: Option<HashMap<String, String>>,
    default: Option<String>,
}

/// A column's expression and what it reads.
#[derive(Debug, Clone)]
pub struct ColumnExpr {
    /// The column filled.
    pub column: Column,
    /// How.
    pub expr: Expr,
    /// Paths that it reads.
    pub paths: Vec<PathId>,
    /// Columns that it reads.
    pub columns: Vec<Column>,
}

/// A compiled mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Id of the source.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Sigma logsources that it answers to.
    pub logsources: Vec<LogSource>,
    /// Names by which public rules call a field, and the record's paths that hold it: a vendor rule that names an alias reads
    /// the record's own field of that name, and in a record without one every value at these paths.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Alternatives: all paths of one must be present in a record of this source.
    pub detect: Vec<Vec<PathId>>,
    /// Keys of a top-level object whose array holds the records.
    pub containers: Vec<String>,
    /// Paths of the time, in order.
    pub time: Vec<PathId>,
    /// Zone of times that name none.
    pub zone: chrono_tz::Tz,
    /// Column expressions, in an order in which each reads only earlier ones.
    pub columns: Vec<ColumnExpr>,
    /// Every path read, each once.
    pub paths: Vec<String>,
    /// First 12 hex digits of the file's SHA-256.
    pub hash: String,
    /// Actions that the activity table knows, folded; empty when the source has no table.
    pub known_actions: std::collections::HashSet<String>,
    /// Activities that the mapping can give; `None` when it copies them from the record.
    pub activities: Option<std::collections::BTreeSet<String>>,
}

/// A record as expressions see it.
pub trait Row {
    /// The values at a path, elements of arrays one by one.
    fn values(&self, path: PathId, found: &mut dyn FnMut(Value<'_>));
    /// A column computed before.
    fn column(&self, column: Column, found: &mut dyn FnMut(Value<'_>));
}

impl Mapping {
    /// Parses and compiles a mapping file.
    pub fn parse(text: &str, file: &str) -> Result<Mapping, UserError> {
        let error = |reason: String| {
            UserError::new(format!("{file}: {reason}"))
                .help("a mapping has id, title, logsource, detect, time and columns, and may have aliases, containers and activity; see the README's page on adding a source")
        };
        let doc: Document = yaml_serde::from_str(text).map_err(|e| error(e.to_string()))?;
        let mut c = Compiler { paths: Vec::new(), used_paths: Vec::new(), used_columns: Vec::new() };
        let zone = doc.time.zone.parse::<chrono_tz::Tz>().map_err(|_| error(format!("time.zone: `{}` is not a time zone", doc.time.zone)))?;
        let detect: Vec<Vec<PathId>> = doc.detect.iter().map(|d| d.has.iter().map(|p| c.path(p)).collect()).collect();
        if detect.is_empty() || detect.iter().any(Vec::is_empty) {
            return Err(error("detect needs at least one `has` with at least one field".into()));
        }
        let time = doc.time.first.iter().map(|p| c.path(p)).collect();
        let mut columns = Vec::new();
        for (name, spec) in &doc.columns {
            let column: Column = name.parse().map_err(|()| error(format!("columns.{name}: not an event column")))?;
            if column.is_built_in() {
                return Err(error(format!("columns.{name} is filled by auditmill itself")));
            }
            columns.push(c.column(column, |c| c.expr(spec)).map_err(|e| error(format!("columns.{name}: {e}")))?);
        }
        let mut known_actions = std::collections::HashSet::new();
        let mut activities = None;
        if let Some(activity) = &doc.activity {
            let entries = activity.map.values().flat_map(|e| match e {
                OneOrMany::One(e) => std::slice::from_ref(e),
                OneOrMany::Many(es) => es.as_slice(),
            });
            activities = Some(entries.filter_map(|e| e.activity.clone()).collect());
            known_actions.extend(activity.map.keys().map(|k| fold_case(k).into_owned()));
            for column in [Column::Activity, Column::Category] {
                let built = c.column(column, |c| c.activity(activity, column)).map_err(|e| error(format!("activity: {e}")))?;
                columns.push(built);
            }
        }
        let columns = in_reading_order(columns).map_err(error)?;
        let logsources = logsources(&doc.logsource).map_err(|e| error(format!("logsource: {e}")))?;
        let aliases = aliases(&doc.aliases).map_err(|e| error(format!("aliases: {e}")))?;
        let hash = {
            use sha2::Digest;
            crate::rule::load::hex(&sha2::Sha256::digest(text.as_bytes()))[..12].to_owned()
        };
        Ok(Mapping {
            id: doc.id,
            title: doc.title,
            logsources,
            aliases,
            detect,
            containers: doc.containers,
            time,
            zone,
            columns,
            paths: c.paths,
            hash,
            known_actions,
            activities,
        })
    }
}

/// Sorts so that each column comes after those it reads.
fn in_reading_order(mut columns: Vec<ColumnExpr>) -> Result<Vec<ColumnExpr>, String> {
    let mut done: Vec<ColumnExpr> = Vec::new();
    while !columns.is_empty() {
        let before = columns.len();
        let names: Vec<Column> = columns.iter().map(|c| c.column).collect();
        let (ready, waiting) = columns.into_iter().partition(|c| c.columns.iter().all(|r| !names.contains(r) || *r == c.column));
        done.extend::<Vec<_>>(ready);
        columns = waiting;
        if columns.len() == before {
            return Err("columns read each other in a circle".into());
        }
    }
    Ok(done)
}

struct Compiler {
    paths: Vec<String>,
    used_paths: Vec<PathId>,
    used_columns: Vec<Column>,
}

impl Compiler {
    fn path(&mut self, path: &str) -> PathId {
        let id = self.paths.iter().position(|p| p == path).unwrap_or_else(|| {
            self.paths.push(path.to_owned());
            self.paths.len() - 1
        });
        self.used_paths.push(id);
        id
    }

    fn column(&mut self, column: Column, build: impl FnOnce(&mut Compiler) -> Result<Expr, String>) -> Result<ColumnExpr, String> {
        self.used_paths.clear();
        self.used_columns.clear();
        let expr = build(self)?;
        let mut paths = std::mem::take(&mut self.used_paths);
        paths.sort_unstable();
        paths.dedup();
        let mut columns = std::mem::take(&mut self.used_columns);
        columns.sort_unstable();
        columns.dedup();
        Ok(ColumnExpr { column, expr, paths, columns })
    }

    fn expr(&mut self, spec: &ExprSpec) -> Result<Expr, String> {
        match spec {
            ExprSpec::Path(p) => Ok(self.path_or_column(p)?),
            ExprSpec::First(list) => Ok(Expr::First(list.iter().map(|e| self.expr(e)).collect::<Result<_, _>>()?)),
            ExprSpec::Full(full) => self.full(full),
        }
    }

    fn path_or_column(&mut self, text: &str) -> Result<Expr, String> {
        match text.strip_prefix('$') {
            Some(name) => {
                let column: Column = name.parse().map_err(|()| format!("`${name}` is not an event column"))?;
                self.used_columns.push(column);
                Ok(Expr::Column(column))
            }
            None => Ok(Expr::Path(self.path(text))),
        }
    }

    fn full(&mut self, f: &FullSpec) -> Result<Expr, String> {
        let given = [f.path.is_some(), f.first.is_some(), f.constant.is_some(), f.json.is_some(), f.cases.is_some(), f.column.is_some()];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err("an expression has one of path, first, const, json, column, cases".into());
        }
        let base = if let Some(p) = &f.path {
            self.path_or_column(p)?
        } else if let Some(list) = &f.first {
            Expr::First(list.iter().map(|e| self.expr(e)).collect::<Result<_, _>>()?)
        } else if let Some(c) = &f.constant {
            Expr::Const(c.clone())
        } else if let Some(p) = &f.json {
            Expr::Json(self.path(p))
        } else if let Some(name) = &f.column {
            self.path_or_column(&format!("${name}"))?
        } else {
            let cases = f.cases.as_deref().unwrap_or_default();
            let compiled = cases.iter().map(|c| Ok((self.when(&c.when)?, self.expr(&c.then)?))).collect::<Result<Vec<_>, String>>()?;
            Expr::Cases(compiled)
        };
        let steps = Steps {
            null_if: f.null_if.iter().map(|t| fold_case(t).into_owned()).collect(),
            capture: f.capture.as_deref().map(|p| Regex::new(p).map_err(|e| format!("capture: {e}"))).transpose()?,
            convert: f.convert,
            map: f.map.as_ref().map(|m| m.iter().map(|(k, v)| (fold_case(k).into_owned(), v.clone())).collect()),
            default: f.default.clone(),
        };
        let idle = steps.null_if.is_empty() && steps.capture.is_none() && steps.convert.is_none() && steps.map.is_none() && steps.default.is_none();
        Ok(if idle { base } else { Expr::Steps(Box::new(base), Box::new(steps)) })
    }

    /// A `when` is a Sigma selection; `$name` in it is a column.
    fn when(&mut self, when: &yaml_serde::Value) -> Result<Detection, String> {
        let text = yaml_serde::to_string(when).map_err(|e| e.to_string())?;
        let indented: String = text.lines().map(|l| format!("    {l}\n")).collect();
        let document = format!("title: when\nlogsource: {{}}\ndetection:\n  selection:\n{indented}  condition: selection\n");
        let detections = parse_detections(&document, &Vars::default()).map_err(|(reason, _)| format!("when: {reason}"))?;
        let detection = detections.selections.into_values().next().ok_or("when: empty")?;
        let mut fields = Vec::new();
        detection.visit_fields(&mut |f| fields.push(f.to_owned()));
        for f in fields {
            self.path_or_column(&f)?;
        }
        Ok(detection)
    }

    fn activity(&mut self, spec: &ActivitySpec, column: Column) -> Result<Expr, String> {
        let key: Column = spec.key.parse().map_err(|()| format!("key `{}` is not an event column", spec.key))?;
        self.used_columns.push(key);
        let mut plain: HashMap<String, String> = HashMap::new();
        let mut cases: Vec<(Detection, Expr)> = Vec::new();
        for (name, entries) in &spec.map {
            let list = match entries {
                OneOrMany::One(e) => std::slice::from_ref(e),
                OneOrMany::Many(es) => es,
            };
            for entry in list {
                let value = match column {
                    Column::Activity => &entry.activity,
                    _ => &entry.category,
                };
                if column == Column::Category
                    && let Some(c) = value
                    && !CATEGORIES.contains(&c.as_str())
                {
                    return Err(format!("{name}: `{c}` is not a category ({})", CATEGORIES.join(", ")));
                }
                let Some(value) = value else { continue };
                match &entry.when {
                    None => {
                        plain.entry(fold_case(name).into_owned()).or_insert_with(|| value.clone());
                    }
                    Some(when) => {
                        let guard = self.when(
                            &yaml_serde::from_str(&format!("'${key}': {}", yaml_serde::to_string(name).map_err(|e| e.to_string())?))
                                .map_err(|e| e.to_string())?,
                        )?;
                        let condition = Detection::And(vec![guard, self.when(when)?]);
                        cases.push((condition, Expr::Const(value.clone())));
                    }
                }
            }
        }
        let default = if column == Column::Category { spec.default_category.clone() } else { None };
        let table = Expr::Steps(Box::new(Expr::Column(key)), Box::new(Steps { null_if: Vec::new(), capture: None, convert: None, map: Some(plain), default }));
        Ok(if cases.is_empty() { table } else { Expr::First(vec![Expr::Cases(cases), table]) })
    }
}

/// Lets a condition of a mapping read a row; JSON null counts as absent.
struct RowFields<'a>(&'a dyn Row, &'a Mapping);

impl Fields for RowFields<'_> {
    fn values(&self, field: &str, found: &mut dyn FnMut(Value<'_>)) {
        let mut present = |v: Value<'_>| {
            if !matches!(v.kind, Kind::Null | Kind::NullElement) {
                found(v);
            }
        };
        if let Some(column) = field.strip_prefix('$').and_then(|n| n.parse().ok()) {
            self.0.column(column, &mut present);
        } else if let Some(path) = self.1.paths.iter().position(|p| p == field) {
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

/// Gives an expression the values that it reads.
type Read<'r> = &'r dyn Fn(&mut dyn FnMut(Value<'_>));

impl Expr {
    /// The value for a row: text, or JSON text ([`Kind::Json`]).
    pub fn eval(&self, row: &dyn Row, mapping: &Mapping) -> Option<(Kind, String)> {
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
            Expr::Column(c) => first(true, &|f| row.column(*c, f)),
            Expr::Const(c) => Some((Kind::Str, c.clone())),
            Expr::First(list) => list.iter().find_map(|e| e.eval(row, mapping)),
            Expr::Cases(cases) => cases.iter().find(|(when, _)| when.holds(&RowFields(row, mapping))).and_then(|(_, then)| then.eval(row, mapping)),
            Expr::Steps(base, steps) => steps.apply(base.eval(row, mapping)),
        }
    }

    /// The paths, in order, of which the first that holds a text decides the value alone; `None` where more than that counts.
    pub fn decided_by_first(&self) -> Option<Vec<PathId>> {
        match self {
            Expr::Path(p) => Some(vec![*p]),
            Expr::First(list) => list.iter().map(|e| if let Expr::Path(p) = e { Some(*p) } else { None }).collect(),
            Expr::Steps(base, _) => base.decided_by_first(),
            Expr::Json(_) | Expr::Column(_) | Expr::Const(_) | Expr::Cases(_) => None,
        }
    }

    /// The value that a deciding text (or none) gives, where [`Expr::decided_by_first`] says that it alone counts.
    pub fn finish(&self, text: Option<&str>) -> Option<(Kind, String)> {
        match self {
            Expr::Steps(base, steps) => steps.apply(base.finish(text)),
            _ => text.map(|t| (Kind::Str, t.to_owned())),
        }
    }

    /// Paths whose JSON text (not only scalars) is needed.
    pub fn json_paths(&self, out: &mut Vec<PathId>) {
        match self {
            Expr::Json(p) => out.push(*p),
            Expr::First(list) => list.iter().for_each(|e| e.json_paths(out)),
            Expr::Cases(cases) => cases.iter().for_each(|(_, e)| e.json_paths(out)),
            Expr::Steps(base, _) => base.json_paths(out),
            Expr::Path(_) | Expr::Column(_) | Expr::Const(_) => {}
        }
    }
}

impl Steps {
    fn apply(&self, value: Option<(Kind, String)>) -> Option<(Kind, String)> {
        let value = value.filter(|(_, t)| self.null_if.is_empty() || !self.null_if.contains(&fold_case(t).into_owned()));
        let value = value.and_then(|(kind, text)| match &self.capture {
            None => Some((kind, text)),
            Some(re) => re.captures(&text).and_then(|c| c.get(1)).map(|m| (Kind::Str, m.as_str().to_owned())),
        });
        let value = value.and_then(|(kind, text)| match self.convert {
            None => Some((kind, text)),
            Some(convert) => convert.apply(&text).map(|t| (Kind::Str, t)),
        });
        let value = value.and_then(|(kind, text)| match &self.map {
            None => Some((kind, text)),
            Some(map) => map.get(fold_case(&text).as_ref()).map(|t| (Kind::Str, t.clone())),
        });
        value.or_else(|| self.default.clone().map(|d| (Kind::Str, d)))
    }
}

impl Convert {
    fn apply(self, text: &str) -> Option<String> {
        match self {
            Convert::Ip => parse_address(text).map(|a| a.to_string()),
            Convert::Lower => Some(fold_case(text).into_owned()),
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
