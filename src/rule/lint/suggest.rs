//! Words that are near to a misspelt one.

/// Longest word that is compared.
const MAX_LENGTH: usize = 64;

/// The candidate that `word` was probably meant to be: the same but for case and `-`/`_`, or few letters away.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_LENGTH {
        return None;
    }
    let plain = |w: &str| w.to_lowercase().replace(['_', ' '], "-");
    let asked = plain(word);
    // Few letters leave no room for a slip: `id` is not `ip`.
    let most = |candidate: &str| match asked.chars().count().min(candidate.chars().count()) {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    candidates
        .into_iter()
        .filter(|c| c.len() <= MAX_LENGTH && *c != word)
        .map(|c| (distance(&asked, &plain(c)), c))
        .filter(|(d, c)| *d <= most(c))
        .min_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)))
        .map(|(_, c)| c)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        let known = ["level", "status", "logsource", "id", "related", "group-by"];
        for (word, meant) in [("Level", Some("level")), ("levle", Some("level")), ("group_by", Some("group-by")), ("log_source", Some("logsource"))] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        for word in ["level", "xy", "id2", "references", &"l".repeat(1000)] {
            assert_eq!(nearest(word, known), None, "{word}");
        }
    }
}
