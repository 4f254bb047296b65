//! The tree that an explanation is: nodes with their truth, what tests found, and which tests decided.

use serde::Serialize;

/// A node of a condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Whether it holds for the event; none without an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
    /// What it says.
    #[serde(flatten)]
    pub what: What,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

impl Node {
    /// Calls `f` with the node and all below it.
    pub fn visit<'n>(&'n self, f: &mut dyn FnMut(&'n Node)) {
        f(self);
        self.children.iter().for_each(|c| c.visit(f));
    }
}

/// What a node says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", rename_all = "snake_case")]
pub enum What {
    /// Every part holds.
    All,
    /// Some part holds.
    Any,
    /// The part does not hold.
    Not,
    /// At least so many of the parts hold.
    AtLeast {
        /// How many.
        least: u64,
    },
    /// A named selection.
    Selection {
        /// Its name; `logsource` for the category that the logsource asks for.
        name: String,
    },
    /// A test of a field.
    Item {
        /// The line as the rule wrote it.
        asks: String,
        /// The field; none for a member of an array itself.
        field: Option<String>,
        /// What the event has there.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Found>,
    },
    /// Words anywhere in the record: all of them or one.
    Keywords {
        /// Each word must occur.
        all: bool,
    },
    /// A word.
    Word {
        /// As the rule wrote it.
        asks: String,
        /// Leaves of the record that hold it.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Found>,
    },
    /// Members of an array.
    Array {
        /// The field with its quantifier, such as `items[any]`.
        asks: String,
        /// What stands at the field, where it is no array of members.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<Found>,
        /// How many members there are.
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<usize>,
        /// How many of them hold.
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<usize>,
    },
    /// One member of an array.
    Member {
        /// Counted from 1.
        number: usize,
    },
}

/// The values that a test found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Found {
    /// Each value, at most [`super::MAX_VALUES`]; none for an absent field.
    pub values: Vec<FoundValue>,
    /// Values that are not shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What the values alone do not tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FoundValue {
    /// `text`, `number`, `boolean`, `null`, `null element`, `empty array`, `object` or `json`.
    pub kind: &'static str,
    /// The value, masked where it is a secret and cut to [`super::MAX_TEXT`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its length in characters, where it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// Path of the leaf, for keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// It is what the test looks for.
    pub fits: bool,
    /// Which of the rule's values it fits, where the rule has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fits_values: Vec<String>,
}

/// A test that decided the verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// The selection that it stands in.
    pub selection: Option<String>,
    /// What it asks.
    pub asks: String,
    /// Whether it holds.
    pub holds: bool,
    /// What the event has, in words (not escaped).
    pub is: String,
}

fn is_true(node: &Node) -> bool {
    node.holds == Some(true)
}

/// Collects the tests that make a node what it is: one of several that would do, all of those that are needed.
pub fn decide(node: &Node, selection: Option<&str>, out: &mut Vec<Decision>) {
    let holds = is_true(node);
    let mut push = |asks: String, is: String| out.push(Decision { selection: selection.map(str::to_owned), asks, holds, is });
    match &node.what {
        What::Item { asks, found, field } => {
            let name = field.as_deref().unwrap_or("the member");
            push(asks.clone(), found.as_ref().map(|f| f.sentence(name)).unwrap_or_default());
        }
        What::Word { asks, found } => {
            let places: Vec<&str> = found.iter().flat_map(|f| &f.values).filter_map(|v| v.at.as_deref()).collect();
            let is = if places.is_empty() { "it stands nowhere in the record".to_owned() } else { format!("it stands in {}", places.join(", ")) };
            push(format!("keyword '{asks}'"), is);
        }
        What::Array { asks, found, members, hold } => {
            let is = match found {
                Some(f) => format!("the field is {}", f.words()),
                None => format!("{} of {} members fit", hold.unwrap_or_default(), members.unwrap_or_default()),
            };
            push(asks.clone(), is);
        }
        What::Selection { name } => node.children.iter().for_each(|c| decide(c, Some(name), out)),
        What::Not | What::Member { .. } => node.children.iter().for_each(|c| decide(c, selection, out)),
        What::All | What::Any | What::AtLeast { .. } | What::Keywords { .. } => {
            let enough = match &node.what {
                What::Any | What::Keywords { all: false } => 1,
                What::AtLeast { least } => *least as usize,
                _ => usize::MAX,
            };
            let most = if holds { enough } else { usize::MAX };
            node.children.iter().filter(|c| is_true(c) == holds).take(most).for_each(|c| decide(c, selection, out));
        }
    }
}

impl Found {
    /// The values in words, not escaped: `"a"`, `absent`, `null`, `an empty array`, `"a", "b" and 3 more`.
    pub fn words(&self) -> String {
        let mut parts: Vec<String> = self.values.iter().map(FoundValue::words).collect();
        if parts.is_empty() {
            return "absent".into();
        }
        if self.more > 0 {
            parts.push(format!("{} more", self.more));
        }
        match parts.len() {
            0..=3 => parts.join(", "),
            n => format!("{} and {} more", parts[..3].join(", "), n - 3 + self.more.saturating_sub(1)),
        }
    }
}

impl Found {
    /// What the field has, as a sentence that names the value which fits, where one of several does.
    pub fn sentence(&self, field: &str) -> String {
        let fitting: Vec<&FoundValue> = self.values.iter().filter(|v| v.fits).collect();
        let mut out = match fitting.first() {
            Some(one) if self.values.len() + self.more > 1 => format!("{field} has {} among {} values", one.words(), self.values.len() + self.more),
            _ => format!("{field} is {}", self.words()),
        };
        out.push_str(&fitting.first().map(|v| v.fits_words()).unwrap_or_default());
        self.notes.iter().for_each(|n| out.push_str(&format!("; {n}")));
        out
    }
}

impl FoundValue {
    /// Which of the rule's values it fits, as the rest of a sentence; nothing where the rule has but one.
    pub fn fits_words(&self) -> String {
        if self.fits_values.is_empty() { String::new() } else { format!(", which fits '{}'", self.fits_values.join("' and '")) }
    }

    /// The value in words, not escaped.
    pub fn words(&self) -> String {
        let text = self.value.as_deref().unwrap_or_default();
        let length = self.length.map_or(String::new(), |n| format!(" ({n} characters)"));
        match self.kind {
            "text" => format!("\"{text}\"{length}"),
            "null element" => "null as an element".into(),
            "empty array" => "an empty array".into(),
            "object" => "an object".into(),
            "null" => "null".into(),
            _ => format!("{text}{length}"),
        }
    }
}
