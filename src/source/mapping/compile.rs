//! From a mapping file's text to a [`Mapping`].

use super::expr::{Entry, Expr, Piece, Steps, Table};
use super::select;
use super::spec::{ActivityEntry, ActivitySpec, DetectSpec, Document, ExprSpec, FullSpec, OneOrMany};
use super::times;
use super::{ColumnExpr, Detect, EventClass, Mapping, PathId, PathRead, Reading};
use crate::event::pattern::{Flags, Pattern};
use crate::event::time::parse_duration;
use crate::event::value::fold_case;
use crate::event::{CATEGORIES, Column};
use crate::rule::detection::Detection;
use crate::rule::load::{split_sections, split_tests};
use crate::rule::sigma::parse_detections;
use crate::rule::vars::Vars;
use crate::source::names::{aliases, logsources};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::OnceLock;

/// Compiles a mapping file.
pub fn mapping(text: &str, file: &str) -> Result<Mapping, String> {
    // Tests are a third of the text, and only `sources test` asks for them.
    let (without_tests, tests) = split_tests(text);
    let doc: Document = yaml_serde::from_str(&without_tests).or_else(|_| yaml_serde::from_str(text)).map_err(|e| e.to_string())?;
    let reading = reading(&doc)?;
    Ok(Mapping { tests, reading: reading.into(), ..head(doc, text, file)? })
}

/// Sections that only tell what is made of records: nine tenths of a mapping.
const OF_RECORDS: [&str; 3] = ["columns", "activity", "classes"];

/// Compiles what tells the records of a built-in mapping from others, and leaves the rest to [`reading_of`].
pub fn built_in(text: &str, file: &str) -> Result<Mapping, String> {
    let (without_tests, tests) = split_tests(text);
    // Whether events that were mapped before bring their source along decides over every source of a run.
    if without_tests.lines().any(|l| l.trim_start().starts_with("source:")) {
        return mapping(text, file);
    }
    let (top, _) = split_sections(&without_tests, &OF_RECORDS);
    let doc: Document = yaml_serde::from_str(&format!("{top}\ncolumns: {{}}\n")).map_err(|e| e.to_string())?;
    Ok(Mapping { tests, text: without_tests, ..head(doc, text, file)? })
}

/// Compiles what a mapping file, given without its tests, makes of records.
pub fn reading_of(text: &str) -> Result<Reading, String> {
    reading(&yaml_serde::from_str(text).map_err(|e| e.to_string())?)
}

/// What is known of a mapping before a record is read.
fn head(doc: Document, text: &str, file: &str) -> Result<Mapping, String> {
    if doc.id.is_empty() || !doc.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
        return Err(format!("id: `{}`: use letters, digits, `_`, `-` and `.`", doc.id));
    }
    let mut c = Compiler::default();
    let detect = doc.detect.iter().map(|d| c.detect(d)).collect::<Result<Vec<_>, _>>().map_err(|e| format!("detect: {e}"))?;
    if detect.is_empty() {
        return Err("detect needs at least one alternative".into());
    }
    for path in doc.json_text.iter().chain(&doc.each) {
        if path.contains('[') || path.split('.').any(str::is_empty) {
            return Err(format!("`{path}`: json_text and each take plain paths"));
        }
    }
    let duration = |what: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(t) => parse_duration(t).map(Some).ok_or_else(|| format!("{what}: `{t}` is not a duration such as 90d or 15m")),
    };
    let hash = {
        use sha2::Digest;
        crate::rule::load::hex(&sha2::Sha256::digest(text.as_bytes()))[..12].to_owned()
    };
    Ok(Mapping {
        file: file.to_owned(),
        hash,
        logsources: logsources(&doc.logsource).map_err(|e| format!("logsource: {e}"))?,
        aliases: aliases(&doc.aliases).map_err(|e| format!("aliases: {e}"))?,
        detect,
        containers: doc.containers,
        json_text: doc.json_text,
        each: doc.each,
        retention: duration("retention", &doc.retention)?,
        delivery_lag: duration("delivery_lag", &doc.delivery_lag)?,
        export_limits: doc.export_limits,
        relayed: Vec::new(),
        relays: doc.columns.contains_key(Column::Source.name()),
        text: String::new(),
        reading: OnceLock::new(),
        tests: String::new(),
        id: doc.id,
        title: doc.title,
    })
}

fn reading(doc: &Document) -> Result<Reading, String> {
    let mut c = Compiler::default();
    // Conditions of `detect` are read from rows, too.
    doc.detect.iter().try_for_each(|d| c.detect(d).map(|_| ())).map_err(|e| format!("detect: {e}"))?;
    let time = times::compile(&doc.time, &mut |p| c.path(p))?;
    let mut columns = Vec::new();
    for (name, spec) in &doc.columns {
        let column: Column = name.parse().map_err(|()| format!("columns.{name}: not an event column"))?;
        // Events that were mapped before bring their source along.
        if column.is_built_in() && column != Column::Source {
            return Err(format!("columns.{name} is filled by auditmill itself"));
        }
        columns.push(c.column(column, |c| c.expr(spec)).map_err(|e| format!("columns.{name}: {e}"))?);
    }
    let (mut known_actions, mut activities) = (HashSet::new(), None);
    if let Some(activity) = &doc.activity {
        let entries = activity.map.values().flat_map(OneOrMany::list).chain(&activity.patterns);
        activities = Some(entries.filter_map(|e| e.activity.clone()).collect());
        known_actions.extend(activity.map.keys().map(|k| fold_case(k.trim()).into_owned()));
        for column in [Column::Activity, Column::Category] {
            columns.push(c.column(column, |c| c.activity(activity, column)).map_err(|e| format!("activity: {e}"))?);
        }
    }
    let classes = doc.classes.iter().map(|class| {
        let when = c.when(&class.when).map_err(|e| format!("classes.{}: {e}", class.id))?;
        Ok(EventClass { id: class.id.clone(), title: class.title.clone(), when, activities: class.activities.clone(), actions: class.actions.clone() })
    });
    let classes = classes.collect::<Result<Vec<_>, String>>()?;
    Ok(Reading { time, columns: in_reading_order(columns)?, paths: c.paths, selects: c.selects, known_actions, activities, classes })
}

/// Sorts so that each column comes after those it reads.
fn in_reading_order(mut columns: Vec<ColumnExpr>) -> Result<Vec<ColumnExpr>, String> {
    let mut done: Vec<ColumnExpr> = Vec::new();
    while !columns.is_empty() {
        let before = columns.len();
        let names: Vec<Column> = columns.iter().map(|c| c.column).collect();
        let (ready, waiting) = columns.into_iter().partition(|c| c.columns.iter().all(|r| !names.contains(r)));
        done.extend::<Vec<_>>(ready);
        columns = waiting;
        if columns.len() == before {
            return Err("columns read each other in a circle".into());
        }
    }
    Ok(done)
}

#[derive(Default)]
struct Compiler {
    paths: Vec<PathRead>,
    selects: HashMap<String, (PathId, Vec<select::Step>)>,
    used_paths: Vec<PathId>,
    used_columns: Vec<Column>,
    /// Selections by their YAML: a table says `{$status: failed}` hundreds of times.
    conditions: HashMap<String, Detection>,
}

impl Compiler {
    fn read(&mut self, path: &str, json: bool) -> PathId {
        let id = self.paths.iter().position(|p| p.path == path && p.json == json).unwrap_or_else(|| {
            self.paths.push(PathRead { path: path.to_owned(), json });
            self.paths.len() - 1
        });
        self.used_paths.push(id);
        id
    }

    /// A path without brackets.
    fn path(&mut self, path: &str) -> Result<PathId, String> {
        match select::parse(path)? {
            None => Ok(self.read(path, false)),
            Some(_) => Err(format!("`{path}`: a plain path is wanted here, without brackets")),
        }
    }

    fn detect(&mut self, spec: &DetectSpec) -> Result<Detect, String> {
        spec.has.iter().chain(&spec.without).try_for_each(|p| self.path(p).map(|_| ()))?;
        let selection = spec.selection.as_ref().map(|w| self.when(w)).transpose()?;
        let mut asked = BTreeSet::new();
        if let Some(selection) = &selection {
            selection.visit_fields(&mut |f| {
                asked.insert(f.to_owned());
            });
            if asked.iter().any(|f| f.starts_with('$')) {
                return Err("`where` sees fields of the record, not event columns".into());
            }
        }
        if spec.has.is_empty() && asked.is_empty() {
            return Err("an alternative needs `has` with at least one field, or `where`".into());
        }
        Ok(Detect { weight: spec.has.len() + asked.len(), has: spec.has.clone(), without: spec.without.clone(), selection })
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
        if columns.contains(&column) {
            return Err("it reads itself".into());
        }
        Ok(ColumnExpr { column, expr, paths, columns })
    }

    fn expr(&mut self, spec: &ExprSpec) -> Result<Expr, String> {
        match spec {
            ExprSpec::Path(p) => self.path_or_column(p),
            ExprSpec::First(list) => self.first(list, &[]),
            ExprSpec::Full(full) => self.full(full),
        }
    }

    fn first(&mut self, list: &[ExprSpec], skip: &[String]) -> Result<Expr, String> {
        let null_if: Vec<String> = skip.iter().map(|t| fold_case(t).into_owned()).collect();
        let candidate = |expr: Expr| match null_if.is_empty() {
            true => expr,
            false => Expr::Steps(Box::new(expr), Box::new(Steps { null_if: null_if.clone(), ..Steps::default() })),
        };
        Ok(Expr::First(list.iter().map(|e| self.expr(e).map(candidate)).collect::<Result<_, _>>()?))
    }

    fn path_or_column(&mut self, text: &str) -> Result<Expr, String> {
        if let Some(name) = text.strip_prefix('$') {
            let column: Column = name.parse().map_err(|()| format!("`${name}` is not an event column"))?;
            self.used_columns.push(column);
            return Ok(Expr::Column(column));
        }
        Ok(match select::parse(text)? {
            None => Expr::Path(self.read(text, false)),
            Some((base, steps)) => {
                let path = self.read(&base, true);
                self.selects.insert(text.to_owned(), (path, steps.clone()));
                Expr::Select(path, steps)
            }
        })
    }

    fn full(&mut self, f: &FullSpec) -> Result<Expr, String> {
        let given = [f.path.is_some(), f.first.is_some(), f.constant.is_some(), f.json.is_some(), f.template.is_some(), f.cases.is_some(), f.column.is_some()];
        if given.iter().filter(|g| **g).count() != 1 {
            return Err("an expression has one of path, first, const, json, template, cases, column".into());
        }
        if !f.skip.is_empty() && f.first.is_none() {
            return Err("skip belongs to first; null_if is for one value".into());
        }
        let base = if let Some(p) = &f.path {
            self.path_or_column(p)?
        } else if let Some(list) = &f.first {
            self.first(list, &f.skip)?
        } else if let Some(c) = &f.constant {
            Expr::Const(c.clone())
        } else if let Some(p) = &f.json {
            if p.contains('[') {
                return Err(format!("`{p}`: json takes a path without brackets"));
            }
            select::parse(p)?;
            Expr::Json(self.read(p, true))
        } else if let Some(t) = &f.template {
            self.template(t)?
        } else if let Some(name) = &f.column {
            self.path_or_column(&format!("${name}"))?
        } else {
            let cases = f.cases.as_deref().unwrap_or_default();
            let compiled = cases.iter().map(|c| Ok((self.when(&c.when)?, self.expr(&c.then)?))).collect::<Result<Vec<_>, String>>()?;
            Expr::Cases(compiled)
        };
        let steps = Steps {
            null_if: f.null_if.iter().map(|t| fold_case(t).into_owned()).collect(),
            capture: f.capture.as_deref().map(capture).transpose()?,
            convert: f.convert.as_ref().map(|c| c.list().to_vec()).unwrap_or_default(),
            map: f.map.as_ref().map(|m| m.iter().map(|(k, v)| (fold_case(k.trim()).into_owned(), v.clone())).collect()),
            default: f.default.clone(),
        };
        let idle = steps.null_if.is_empty() && steps.capture.is_none() && steps.convert.is_empty() && steps.map.is_none() && steps.default.is_none();
        Ok(if idle { base } else { Expr::Steps(Box::new(base), Box::new(steps)) })
    }

    fn template(&mut self, text: &str) -> Result<Expr, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (path, tail) = after.split_once('}').ok_or_else(|| format!("template `{text}` lacks a closing brace"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Expr(self.path_or_column(path.trim())?));
            rest = tail;
        }
        if pieces.is_empty() {
            return Err(format!("template `{text}` names no {{path}}"));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Expr::Template(pieces))
    }

    /// A `when` is a Sigma selection; `$name` in it is a column.
    fn when(&mut self, when: &yaml_serde::Value) -> Result<Detection, String> {
        let text = yaml_serde::to_string(when).map_err(|e| e.to_string())?;
        let detection = match self.conditions.get(&text) {
            Some(known) => known.clone(),
            None => {
                let parsed = selection(&text)?;
                self.conditions.insert(text, parsed.clone());
                parsed
            }
        };
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
        let mut entries: HashMap<String, Vec<Entry>> = HashMap::new();
        for (name, list) in &spec.map {
            let known = entries.entry(fold_case(name.trim()).into_owned()).or_default();
            for entry in list.list() {
                known.extend(self.entry(entry, column, name)?);
            }
        }
        let mut patterns = Vec::new();
        for entry in &spec.patterns {
            if entry.when.is_none() {
                return Err("an entry of patterns needs `when`".into());
            }
            patterns.extend(self.entry(entry, column, "patterns")?);
        }
        let default = spec.default_category.clone().filter(|_| column == Column::Category);
        default.as_deref().map_or(Ok(()), |c| check_category(c, "default_category"))?;
        Ok(Expr::Table(Box::new(Table { key, entries, patterns, default })))
    }

    /// An entry of the activity table for a column; none where it leaves the category to those after it. An entry without an
    /// activity says that there is none.
    fn entry(&mut self, spec: &ActivityEntry, column: Column, name: &str) -> Result<Option<Entry>, String> {
        let value = value_of(spec, column, name)?;
        if value.is_none() && column == Column::Category {
            return Ok(None);
        }
        Ok(Some(Entry { when: spec.when.as_ref().map(|w| self.when(w)).transpose()?, value }))
    }
}

/// A Sigma selection from its YAML.
fn selection(text: &str) -> Result<Detection, String> {
    let indented: String = text.lines().map(|l| format!("    {l}\n")).collect();
    let document = format!("title: when\nlogsource: {{}}\ndetection:\n  selection:\n{indented}  condition: selection\n");
    let detections = parse_detections(&document, &Vars::default()).map_err(|(reason, _)| format!("when: {reason}"))?;
    detections.selections.into_values().next().ok_or_else(|| "when: empty".to_owned())
}

/// What an entry of the activity table gives for a column.
fn value_of(entry: &ActivityEntry, column: Column, name: &str) -> Result<Option<String>, String> {
    if column == Column::Activity {
        return Ok(entry.activity.clone());
    }
    if let Some(category) = &entry.category {
        check_category(category, name)?;
    }
    Ok(entry.category.clone())
}

fn check_category(category: &str, place: &str) -> Result<(), String> {
    match CATEGORIES.contains(&category) {
        true => Ok(()),
        false => Err(format!("{place}: `{category}` is not a category ({})", CATEGORIES.join(", "))),
    }
}

/// A regular expression with a group.
pub fn capture(pattern: &str) -> Result<Pattern, String> {
    let parsed = regex_syntax::parse(pattern).map_err(|e| format!("capture: {e}"))?;
    match parsed.properties().explicit_captures_len() {
        0 => Err(format!("capture: `{pattern}` has no group: put what is wanted in parentheses")),
        _ => Pattern::new(pattern, Flags::default()).map_err(|e| format!("capture: {e}")),
    }
}
