//! Renders templates: strict about undefined values, escaping by the file's ending.

use crate::diag::UserError;
use crate::output::{grouped, markdown, printable};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// A rendered file.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// File name in the output folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Renders every file of a template (`NAME/...`).
pub fn render(templates: &[(String, String)], name: &str, context: impl Serialize) -> Result<Vec<Rendered>, UserError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    env.set_debug(true);
    env.add_filter("md", |v: &Value| markdown(&text(v)));
    env.add_filter("show", |v: &Value| printable(&text(v)).into_owned());
    env.add_filter("num", |v: &Value| u64::try_from(v.clone()).map_or_else(|_| text(v), grouped));
    let prefix = format!("{name}/");
    let chosen: Vec<&(String, String)> = templates.iter().filter(|(n, _)| n.starts_with(&prefix)).collect();
    if chosen.is_empty() {
        let mut known: Vec<&str> = templates.iter().filter_map(|(n, _)| n.split_once('/')).map(|(t, _)| t).collect();
        known.dedup();
        return Err(UserError::new(format!("no template is called `{name}`")).help(format!("there are: {}", known.join(", "))));
    }
    for (name, source) in &chosen {
        env.add_template(name, source).map_err(|e| describe(&e))?;
    }
    let context = Value::from(minijinja::value::Serde(context));
    chosen
        .iter()
        .map(|(name, _)| {
            let text = env.get_template(name).and_then(|t| t.render(context.clone())).map_err(|e| describe(&e))?;
            Ok(Rendered { name: name[prefix.len()..].to_owned(), text })
        })
        .collect()
}

fn text(value: &Value) -> String {
    if value.is_none() { String::new() } else { value.to_string() }
}

/// Template, line, what is wrong.
fn describe(error: &minijinja::Error) -> UserError {
    let place = match (error.name(), error.line()) {
        (Some(n), Some(l)) => format!("{n}:{l}: "),
        (Some(n), None) => format!("{n}: "),
        _ => String::new(),
    };
    let mut reason = error.kind().to_string();
    if let Some(detail) = error.detail() {
        reason.push_str(&format!(": {detail}"));
    }
    let mut cause = std::error::Error::source(error);
    while let Some(c) = cause {
        reason.push_str(&format!("; {c}"));
        cause = c.source();
    }
    UserError::new(format!("template {place}{reason}")).help("every name must be one of the report's context; use `is none` for values that may be null")
}
