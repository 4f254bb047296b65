//! Finds the rule or source that the user means, and names those that are spelt alike where there is none.

use crate::cli::args::RuleArgs;
use crate::cli::settings;
use crate::diag::UserError;
use crate::event::value::fold_case;
use crate::rule::load::{RuleSet, load_rules_through};
use crate::rule::vars::Vars;
use crate::source::SourceSet;
use std::path::Path;

/// The rules of a run and the one that is meant: by id, name, title, or as the first of a rule file.
pub fn rule(args: &RuleArgs, wanted: &str) -> Result<(RuleSet, Vars, usize), UserError> {
    let is_file = Path::new(wanted).is_file();
    if is_file && args.rules.is_empty() {
        // A file that stands by itself: a changed copy of a built-in rule is then no conflict.
        let alone = RuleArgs { rules: vec![wanted.to_owned()], ..args.clone() };
        let needs_others = |set: &RuleSet| set.fatal.iter().any(|p| p.reason.contains("no rule has the id"));
        let loaded = settings::read_rule_files(&alone)?;
        let set = load_rules_through(loaded.files, &loaded.vars, loaded.loading);
        if !needs_others(&set) {
            let (set, vars) = settings::load_rule_set(&alone)?;
            return first_of(&set, wanted).map(|i| (set, vars, i));
        }
    }
    if is_file {
        let mut beside = args.clone();
        if beside.rules.is_empty() {
            beside.rules.push("default".into());
        }
        if !beside.rules.iter().any(|r| r == wanted) {
            beside.rules.push(wanted.to_owned());
        }
        let (set, vars) = settings::load_rule_set(&beside)?;
        if let Ok(index) = first_of(&set, wanted) {
            return Ok((set, vars, index));
        }
        // The same rule also stands in another file and was loaded from there.
        let alone = settings::read_rule_files(&RuleArgs { rules: vec![wanted.to_owned()], ..args.clone() })?;
        let own = load_rules_through(alone.files, &alone.vars, alone.loading).rules.into_iter().next();
        let index = own.and_then(|r| set.find(&r.meta.id, "").ok()).map_or_else(|| first_of(&set, wanted), Ok)?;
        return Ok((set, vars, index));
    }
    let (set, vars) = settings::load_rule_set(args)?;
    let index = named(&set, wanted)?;
    Ok((set, vars, index))
}

fn first_of(set: &RuleSet, file: &str) -> Result<usize, UserError> {
    set.rules.iter().position(|r| r.meta.file == file).ok_or_else(|| {
        let error = UserError::new(format!("{file}: no rule of this file was loaded"));
        match set.notes.first().or(set.skipped.first().map(|s| &s.0)) {
            Some(note) => error.help(note.clone()),
            None => error,
        }
    })
}

fn named(set: &RuleSet, wanted: &str) -> Result<usize, UserError> {
    if let Ok(index) = set.find(wanted, "") {
        return Ok(index);
    }
    let folded = fold_case(wanted);
    let fits = |text: &str| fold_case(text) == folded;
    let found: Vec<usize> = (0..set.rules.len())
        .filter(|i| {
            let m = &set.rules[*i].meta;
            fits(&m.id) || fits(&m.title) || m.name.as_deref().is_some_and(fits)
        })
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let names = set.rules.iter().flat_map(|r| [r.meta.name.as_deref().unwrap_or(&r.meta.title), r.meta.title.as_str()]);
            let near = nearest(wanted, names);
            let help = if near.is_empty() { "`auditmill rules list` names all rules".to_owned() } else { format!("did you mean {}?", near.join(", ")) };
            Err(UserError::new(format!("no rule has the id, name or title `{wanted}`, and it is no file")).help(help))
        }
        many => {
            let places: Vec<String> =
                many.iter().take(5).map(|i| format!("{} ({}:{})", set.rules[*i].meta.id, set.rules[*i].meta.file, set.rules[*i].meta.line)).collect();
            Err(UserError::new(format!("`{wanted}` could mean {} rules", many.len())).help(format!("give an id: {}", places.join(", "))))
        }
    }
}

/// Index of a source by its id.
pub fn source(sources: &SourceSet, id: &str) -> Result<usize, UserError> {
    let ids: Vec<&str> = sources.mappings().iter().map(|m| m.id.as_str()).collect();
    ids.iter().position(|known| *known == id).ok_or_else(|| {
        let near = nearest(id, ids.iter().copied());
        let help =
            if near.is_empty() { format!("there are {}", ids.join(", ")) } else { format!("did you mean {}? There are {}", near.join(", "), ids.join(", ")) };
        UserError::new(format!("no source has the id `{id}`")).help(help)
    })
}

/// Up to three names that are spelt like this one, or hold it.
fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let key = |text: &str| fold_case(text).replace(['-', ' '], "_");
    let folded = key(wanted);
    let most = (folded.chars().count() / 4).clamp(1, 5);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|name| {
            let own = key(name);
            let distance = distance(&folded, &own);
            let holds = folded.chars().count() >= 4 && own.contains(folded.as_str());
            (distance <= most || holds).then_some((distance, name))
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().take(3).map(|(_, n)| n.to_owned()).collect()
}

/// Single letters to change, add or leave out until one text is the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(200).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spelt_alike() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        let names = ["iam_root_login", "iam_root_used", "storage_bucket_public", "Root Login"];
        assert_eq!(nearest("iam_root_lgin", names.into_iter()), ["iam_root_login"]);
        assert_eq!(nearest("root-login", names.into_iter()), ["Root Login", "iam_root_login"]);
        assert!(nearest("xyz", names.into_iter()).is_empty());
    }
}
