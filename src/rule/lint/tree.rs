//! A rule document as a tree whose every value knows its line and how it was spelled.
//!
//! What a value is comes from the YAML library that loads rules, so that the lint and the loader never disagree. Lines
//! and spellings come from a second parser with positions. Where that one does not follow (they differ on rare YAML),
//! a value takes the line of what holds it.

use saphyr_parser::{Event, Parser, ScalarStyle};
use yaml_serde::{Number, Value};

/// Deepest nesting that positions are kept for; the loader refuses less.
const MAX_DEPTH: usize = 160;

/// A value with its place.
#[derive(Debug)]
pub struct Node {
    /// 1-based line in the file; for an empty value the line of its key.
    pub line: usize,
    /// The text as it stands in the file, where it stands without quotes on one line.
    pub plain: Option<String>,
    /// The value.
    pub data: Data,
}

/// What a value is.
#[derive(Debug)]
pub enum Data {
    /// Nothing, or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the file's order.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// 1-based line of the key.
    pub line: usize,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Data::Map(entries) = &self.data { entries } else { &[] }
    }

    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key == key)
    }

    /// The text of a key's value, where it is text.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|e| e.value.text())
    }

    /// The value, where it is text.
    pub fn text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// The value as text, where it is text or a number.
    pub fn scalar(&self) -> Option<String> {
        match &self.data {
            Data::Text(text) => Some(text.clone()),
            Data::Number(n) => Some(n.to_string()),
            Data::Null | Data::Bool(_) | Data::List(_) | Data::Map(_) => None,
        }
    }

    /// The members of a list; of anything else but null, the value itself.
    pub fn members(&self) -> Vec<&Node> {
        match &self.data {
            Data::List(items) => items.iter().collect(),
            Data::Null => Vec::new(),
            Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::Map(_) => vec![self],
        }
    }

    /// Equal values, wherever they stand.
    pub fn same_as(&self, other: &Node) -> bool {
        match (&self.data, &other.data) {
            (Data::Null, Data::Null) => true,
            (Data::Bool(a), Data::Bool(b)) => a == b,
            (Data::Number(a), Data::Number(b)) => a == b,
            (Data::Text(a), Data::Text(b)) => a == b,
            (Data::List(a), Data::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b)),
            (Data::Map(a), Data::Map(b)) => {
                a.len() == b.len() && a.iter().all(|e| b.iter().find(|f| f.key == e.key).is_some_and(|f| e.value.same_as(&f.value)))
            }
            _ => false,
        }
    }
}

/// Reads one document whose first line is `first_line` of its file.
pub fn read(text: &str, first_line: usize) -> Result<Node, yaml_serde::Error> {
    let value: Value = yaml_serde::from_str(text)?;
    let mark = marks(text);
    let mut root = join(&value, mark.as_ref(), first_line.saturating_sub(1), first_line);
    if mark.is_none()
        && let Data::Map(entries) = &mut root.data
    {
        for entry in entries {
            if let Some(i) = text.lines().position(|l| l.strip_prefix(entry.key.as_str()).is_some_and(|r| r.trim_start().starts_with(':'))) {
                move_to(&mut entry.value, first_line + i);
                entry.line = first_line + i;
            }
        }
    }
    Ok(root)
}

fn move_to(node: &mut Node, line: usize) {
    node.line = line;
    match &mut node.data {
        Data::List(items) => items.iter_mut().for_each(|n| move_to(n, line)),
        Data::Map(entries) => entries.iter_mut().for_each(|e| {
            e.line = line;
            move_to(&mut e.value, line);
        }),
        Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) => {}
    }
}

/// Where a value stands, and where its parts do.
struct Mark {
    line: usize,
    shape: Shape,
}

enum Shape {
    Scalar {
        plain: bool,
        text: String,
    },
    List(Vec<Mark>),
    Map(Vec<(Mark, Mark)>),
    /// Everything of an alias stands where the alias does.
    Alias,
}

/// A collection whose end was not seen yet.
enum Open {
    List(usize, Vec<Mark>),
    Map(usize, Vec<(Mark, Mark)>, Option<Mark>),
}

/// The places of the first document; `None` where the parser does not follow.
fn marks(text: &str) -> Option<Mark> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let line = span.start.line();
        let done = match event {
            Event::Scalar(text, style, _, _) => Mark { line, shape: Shape::Scalar { plain: style == ScalarStyle::Plain, text: text.into_owned() } },
            Event::Alias(_) => Mark { line, shape: Shape::Alias },
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() >= MAX_DEPTH => return None,
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(line, Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(line, items) => Mark { line, shape: Shape::List(items) },
                Open::Map(line, entries, _) => Mark { line, shape: Shape::Map(entries) },
            },
            Event::DocumentEnd | Event::StreamEnd => return None,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
        };
        match open.last_mut() {
            None => return Some(done),
            Some(Open::List(_, items)) => items.push(done),
            Some(Open::Map(_, entries, key)) => match key.take() {
                None => *key = Some(done),
                Some(key) => entries.push((key, done)),
            },
        }
    }
    None
}

fn join(value: &Value, mark: Option<&Mark>, offset: usize, parent: usize) -> Node {
    let line = mark.map_or(parent, |m| m.line + offset).max(parent);
    let shape = mark.map(|m| &m.shape);
    let plain = match shape {
        Some(Shape::Scalar { plain: true, text }) => Some(text.clone()),
        _ => None,
    };
    let data = match value {
        Value::Tagged(tagged) => return join(&tagged.value, mark, offset, parent),
        Value::Null => return Node { line: parent, plain: None, data: Data::Null },
        Value::Bool(b) => Data::Bool(*b),
        Value::Number(n) => Data::Number(n.clone()),
        Value::String(s) => Data::Text(s.clone()),
        Value::Sequence(items) => {
            let marks = match shape {
                Some(Shape::List(marks)) if marks.len() == items.len() => Some(marks),
                _ => None,
            };
            Data::List(items.iter().enumerate().map(|(i, v)| join(v, marks.and_then(|m| m.get(i)), offset, line)).collect())
        }
        Value::Mapping(map) => {
            let marks = match shape {
                Some(Shape::Map(marks)) if marks.len() == map.len() => Some(marks),
                _ => None,
            };
            let entry = |(i, (k, v)): (usize, (&Value, &Value))| {
                let pair = marks.and_then(|m| m.get(i));
                let at = pair.map_or(line, |(k, _)| k.line + offset);
                Entry { key: key_text(k), line: at, value: join(v, pair.map(|(_, v)| v), offset, at) }
            };
            Data::Map(map.iter().enumerate().map(entry).collect())
        }
    };
    Node { line, plain, data }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(s) => s.clone(),
        Value::Number(n) => n.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Null => "null".into(),
        Value::Tagged(t) => key_text(&t.value),
        Value::Sequence(_) | Value::Mapping(_) => "?".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line of the key that a path of keys and positions leads to.
    fn line(text: &str, path: &[&str]) -> usize {
        let mut node = &read(text, 1).expect("YAML");
        let mut line = node.line;
        for step in path {
            match step.parse::<usize>() {
                Ok(i) => {
                    node = node.members()[i];
                    line = node.line;
                }
                Err(_) => {
                    let entry = node.get(step).unwrap_or_else(|| panic!("no {step}"));
                    (node, line) = (&entry.value, entry.line);
                }
            }
        }
        line
    }

    #[test]
    fn keys_are_found_where_they_stand() {
        let text = "# level: comment\n'title': A\ndescription: |\n  level: not this\n  id: nor this\n\"level\" : high\ndetection:\n  level:\n    - 'level: x'\n    - level: y\n      flow: {a: 1,\n        level: 2}\nempty:\nid: 1\n";
        assert_eq!(line(text, &["title"]), 2);
        assert_eq!(line(text, &["description"]), 3);
        assert_eq!(line(text, &["level"]), 6);
        assert_eq!(line(text, &["detection", "level"]), 8);
        assert_eq!(line(text, &["detection", "level", "0"]), 9);
        assert_eq!(line(text, &["detection", "level", "1", "level"]), 10);
        assert_eq!(line(text, &["detection", "level", "1", "flow", "level"]), 12);
        assert_eq!(line(text, &["id"]), 14);
        assert_eq!(read(text, 1).expect("YAML").get("empty").map(|e| e.value.line), Some(13));
    }

    #[test]
    fn lines_count_from_the_start_of_the_file() {
        let root = read("a: 1\nb: [x,\n  y]\n", 41).expect("YAML");
        assert_eq!(root.get("b").map(|e| (e.line, e.value.members()[1].line)), Some((42, 43)));
    }

    #[test]
    fn aliases_stand_where_they_are_used() {
        let text = "a: &x\n  k: v\nb: *x\nc: {<<: *x}\n";
        assert_eq!(line(text, &["a", "k"]), 2);
        assert_eq!(line(text, &["b", "k"]), 3);
    }

    #[test]
    fn spelling_is_kept_only_without_quotes() {
        let root = read("a: 0123\nb: '0123'\nc: No\nd: \"no\"\ne: 1_0\n", 1).expect("YAML");
        let plain = |key: &str| root.get(key).and_then(|e| e.value.plain.as_deref());
        assert_eq!((plain("a"), plain("b"), plain("c"), plain("d")), (Some("0123"), None, Some("No"), None));
    }
}
