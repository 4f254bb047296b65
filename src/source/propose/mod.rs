//! Proposes a mapping for records that no source knows, from the names and the values of some of them.
//!
//! A guess says how sure it is and why; where names and values say nothing, the column stays empty: a wrong value is worse
//! than none. Whoever calls this reads the file with the proposal before it is shown.

mod fields;
mod guess;
mod write;

use fields::{Field, Fields};
use serde::Serialize;
use serde_json::Value as Json;

/// Records of a file that are looked at.
pub const MAX_RECORDS: usize = 300;
/// Fields that `detect` asks for.
const DETECT_FIELDS: usize = 4;

/// How much a guess is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// The best that there is.
    Guess,
    /// The name or the values say so.
    Likely,
    /// Both say so.
    Sure,
}

impl Sure {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Sure::Guess => "guess",
            Sure::Likely => "likely",
            Sure::Sure => "sure",
        }
    }
}

/// Which field fills a column, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guess {
    /// The column.
    pub column: &'static str,
    /// The field.
    pub path: String,
    /// How sure.
    pub sure: Sure,
    /// Why, in a few words.
    pub why: String,
    /// The expression as YAML.
    #[serde(skip)]
    expression: String,
}

/// A mapping that might be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The mapping file.
    pub text: String,
    /// What it rests on.
    pub guesses: Vec<Guess>,
    /// Columns for which no field was found.
    pub without: Vec<&'static str>,
    /// Fields by which records are told.
    pub detect: Vec<String>,
}

/// Columns that a proposal tries to fill, in the order of the file.
const COLUMNS: [&str; 7] = ["event_id", "action", "status", "user", "resource", "ip", "user_agent"];

/// Proposes a mapping from some records of a file, or says why none can be; `taken` are ids that others have.
pub fn propose(file: &str, records: &[String], taken: &[&str]) -> Result<Proposal, String> {
    let parsed: Vec<Json> = records.iter().take(MAX_RECORDS).filter_map(|r| serde_json::from_str(r).ok()).filter(Json::is_object).collect();
    if parsed.is_empty() {
        return Err("it holds no JSON object and no row".into());
    }
    let twice = fields::repeated_keys(records);
    let (each, fields) = match fields::list_of_events(&parsed) {
        Some((path, expanded)) if guess::time(&Fields::of(&expanded, &twice)).is_some() => (Some(path), Fields::of(&expanded, &twice)),
        _ => (None, Fields::of(&parsed, &twice)),
    };
    let time = guess::time(&fields).ok_or("none of its fields holds a time in every record")?;
    let mut guesses: Vec<Guess> = Vec::new();
    // A field fills one column: the surest kinds choose first.
    let mut used: Vec<String> = vec![time.path.clone()];
    for column in ["ip", "event_id", "status", "user_agent", "user", "action", "resource"] {
        let found = match column {
            "ip" => guess::ip(&fields, &used),
            "event_id" => guess::event_id(&fields, &used),
            "status" => guess::status(&fields, &used),
            "user_agent" => guess::user_agent(&fields, &used),
            "user" => guess::user(&fields, &used),
            "action" => guess::action(&fields, &used),
            _ => guess::resource(&fields, &used),
        };
        if let Some(found) = found {
            used.push(found.path.clone());
            guesses.push(found);
        }
    }
    let place = |c: &str| COLUMNS.iter().position(|k| *k == c);
    guesses.sort_by_key(|g| place(g.column));
    let detect = detect(&fields, &time, &guesses);
    if detect.len() < 2 {
        return Err("its records have no two fields in common by which they could be told from others".into());
    }
    let without = COLUMNS.iter().copied().filter(|c| guesses.iter().all(|g| g.column != *c)).collect();
    let (id, title) = write::names(file, taken);
    let actions = guesses.iter().find(|g| g.column == "action").map(|g| fields.counts(&g.path)).unwrap_or_default();
    let mut all = vec![time];
    all.extend(guesses);
    let mut proposal = Proposal { id, title, text: String::new(), guesses: all, without, detect };
    proposal.text = write::mapping(&proposal, file, fields.records, each.as_deref(), &actions);
    Ok(proposal)
}

/// The fields that every record has and that say most about whose records they are.
fn detect(fields: &Fields, time: &Guess, guesses: &[Guess]) -> Vec<String> {
    let always: Vec<&Field> = fields.all.iter().filter(|f| f.there == fields.records).collect();
    let mut ranked: Vec<(u32, usize, &str)> = always
        .iter()
        .map(|f| {
            let used = f.path == time.path || guesses.iter().any(|g| g.path == f.path && g.column == "action");
            (u32::from(used) * 100 + specific(&f.path), f.order, f.path.as_str())
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<(usize, &str)> = ranked.into_iter().take(DETECT_FIELDS).map(|(_, order, path)| (order, path)).collect();
    chosen.sort_unstable();
    chosen.into_iter().map(|(_, path)| path.to_owned()).collect()
}

/// How much a name says about whose it is.
fn specific(path: &str) -> u32 {
    const COMMON: &[&str] = &[
        "time",
        "timestamp",
        "date",
        "user",
        "username",
        "action",
        "id",
        "ip",
        "status",
        "type",
        "name",
        "event",
        "message",
        "level",
        "host",
        "resource",
        "source",
        "data",
        "email",
        "role",
        "path",
        "method",
        "result",
        "actor",
        "target",
        "ts",
        "at",
    ];
    let words = fields::words(path);
    if words.len() == 1 && COMMON.contains(&words[0].as_str()) {
        return 0;
    }
    1 + 3 * words.len().min(6) as u32 + (path.chars().count() / 6).min(5) as u32
}
