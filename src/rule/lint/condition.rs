//! What a condition's text mentions, without evaluating it.

/// The parts of a condition that the checks ask for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Selections named by themselves.
    pub names: Vec<String>,
    /// `1 of x*`, `all of them`: quantifier and pattern.
    pub patterns: Vec<(String, String)>,
    /// A `not` occurs.
    pub not: bool,
    /// What stands behind a pipe: the retired aggregation.
    pub aggregation: Option<String>,
}

/// Reads a condition's text; never fails, since the loader judges the grammar.
pub fn mentions(text: &str) -> Mentions {
    let (logic, aggregation) = match text.split_once('|') {
        Some((logic, rest)) => (logic, Some(rest.trim().to_owned())),
        None => (text, None),
    };
    let mut out = Mentions { aggregation, ..Mentions::default() };
    let spaced = logic.replace(['(', ')'], " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let is = |word: Option<&&str>, what: &str| word.is_some_and(|w| w.eq_ignore_ascii_case(what));
    let mut i = 0;
    while let Some(&word) = words.get(i) {
        if is(words.get(i + 1), "of") {
            out.patterns.push((word.to_lowercase(), words.get(i + 2).map(|p| (*p).to_owned()).unwrap_or_default()));
            i += 3;
            continue;
        }
        match word.to_ascii_lowercase().as_str() {
            "not" => out.not = true,
            "and" | "or" => {}
            _ => out.names.push(word.to_owned()),
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_patterns_and_pipes() {
        let m = mentions("selection AND (a or 1 of b_*) and not All of them");
        assert_eq!(m.names, ["selection", "a"]);
        assert_eq!(m.patterns, [("1".to_owned(), "b_*".to_owned()), ("all".to_owned(), "them".to_owned())]);
        assert!(m.not && m.aggregation.is_none());
        assert_eq!(mentions("sel | count() by user > 5").aggregation.as_deref(), Some("count() by user > 5"));
        assert_eq!(mentions("1 of").patterns, [("1".to_owned(), String::new())]);
        assert_eq!(mentions(""), Mentions::default());
    }
}
