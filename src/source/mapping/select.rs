//! Paths that choose inside arrays: `target[0].id`, `details[key=User-Agent].value`.

use crate::event::value::fold_case;
use crate::source::keys::path_fault;
use serde_json::Value as Json;

/// Longest path, in bytes.
const MAX_PATH: usize = 1024;

/// A step of a path below the part that the walk reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value of a key; of an array, that of each element.
    Key(String),
    /// The element at this place.
    Index(usize),
    /// The first element whose value at the keys has this text, without case.
    Where(Vec<String>, String),
}

/// Splits a path at its first bracket: what is read as JSON, and the steps inside it.
pub fn parse(path: &str) -> Result<Option<(String, Vec<Step>)>, String> {
    if path.len() > MAX_PATH {
        return Err(format!("a path has at most {MAX_PATH} characters"));
    }
    if let Some(fault) = path_fault(path) {
        return Err(format!("the path `{path}`: {fault}"));
    }
    let Some(open) = path.find('[') else { return Ok(None) };
    let mut steps = Vec::new();
    let mut rest = &path[open..];
    while !rest.is_empty() {
        if let Some((choice, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            steps.push(match choice.split_once('=') {
                Some((key, text)) => Step::Where(key.split('.').map(str::to_owned).collect(), fold_case(text).into_owned()),
                None => Step::Index(choice.parse().map_err(|_| format!("the path `{path}`: {choice} is too large a number"))?),
            });
            rest = after;
        } else {
            let key = rest.strip_prefix('.').unwrap_or(rest);
            let end = key.find(['.', '[']).unwrap_or(key.len());
            steps.push(Step::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
    }
    Ok(Some((path[..open].to_owned(), steps)))
}

/// Calls `found` for what the steps lead to, in order.
pub fn follow<'j>(value: &'j Json, steps: &[Step], found: &mut dyn FnMut(&'j Json)) {
    let Some((step, rest)) = steps.split_first() else { return found(value) };
    match (step, value) {
        (Step::Key(_), Json::Array(items)) => items.iter().for_each(|i| follow(i, steps, found)),
        (Step::Key(key), Json::Object(map)) => {
            if let Some(inner) = map.get(key) {
                follow(inner, rest, found);
            }
        }
        (Step::Index(at), Json::Array(items)) => {
            if let Some(item) = items.get(*at) {
                follow(item, rest, found);
            }
        }
        // One object where a list of one is usual.
        (Step::Index(0), Json::Object(_)) => follow(value, rest, found),
        (Step::Where(keys, wanted), Json::Array(items)) => {
            if let Some(item) = items.iter().find(|i| is(i, keys, wanted)) {
                follow(item, rest, found);
            }
        }
        (Step::Where(keys, wanted), Json::Object(_)) if is(value, keys, wanted) => follow(value, rest, found),
        _ => {}
    }
}

fn is(item: &Json, keys: &[String], wanted: &str) -> bool {
    let mut at = item;
    for key in keys {
        match at.get(key) {
            Some(inner) => at = inner,
            None => return false,
        }
    }
    let equal = |text: &str| fold_case(text) == wanted;
    match at {
        Json::String(text) => equal(text),
        Json::Number(n) => equal(&n.to_string()),
        Json::Bool(b) => equal(&b.to_string()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, record: &Json) -> Vec<Json> {
        let (base, steps) = parse(path).expect("a path").expect("with a bracket");
        let mut out = Vec::new();
        let mut value = record;
        for key in base.split('.') {
            value = &value[key];
        }
        follow(value, &steps, &mut |v| out.push(v.clone()));
        out
    }

    #[test]
    fn brackets_choose_inside_arrays() {
        let record = serde_json::json!({"a": {"list": [{"k": "X", "v": 1, "in": [{"w": 7}, {"w": 8}]}, {"k": "y", "v": 2}]}});
        assert_eq!(at("a.list[0].v", &record), [1]);
        assert_eq!(at("a.list[k=Y].v", &record), [2]);
        assert_eq!(at("a.list[k=x].in.w", &record), [7, 8]);
        assert_eq!(at("a.list[k=x].in[1].w", &record), [8]);
        assert!(at("a.list[9].v", &record).is_empty() && at("a.list[k=z].v", &record).is_empty());
    }

    #[test]
    fn paths_that_mean_nothing_are_refused() {
        for bad in ["", "a..b", ".a", "[0].a", "a[0", "a[x].b", "a[0]b", "a[0]..b", "a[=x]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("a.b"), Ok(None));
    }
}
