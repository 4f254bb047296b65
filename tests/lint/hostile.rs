//! Foreign rules are hostile: whatever stands in a file, the lint ends, names lines of the file, and says the same twice.

use super::lint_files;
use crate::common::{generator, own_rule_files};
use auditmill::rule::lint::{Check, Lint};
use proptest::prelude::*;

fn check(text: &str) -> Result<Lint, TestCaseError> {
    let result = lint_files(&[("a.yml", text)], false);
    let again = lint_files(&[("a.yml", text)], false);
    prop_assert_eq!(&result.findings, &again.findings);
    let last = text.lines().count().max(1);
    for f in &result.findings {
        prop_assert!((1..=last).contains(&f.line), "line {} of {last}: {} {}", f.line, f.check.id(), f.message);
        prop_assert!(!f.help.is_empty() && !f.message.is_empty());
    }
    Ok(result)
}

/// Lines of YAML that are nearly rules.
fn nearly_a_rule() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("title".to_owned()),
        Just("id".into()),
        Just("detection".into()),
        Just("correlation".into()),
        Just("filter".into()),
        Just("behaviour".into()),
        Just("condition".into()),
        Just("selection".into()),
        Just("logsource".into()),
        Just("rules".into()),
        Just("tests".into()),
        Just("tags".into()),
        Just("related".into()),
        Just("timespan".into()),
        Just("f|re".into()),
        Just("f|cidr".into()),
        Just("f|contains|all".into()),
        Just("f|expand".into()),
        Just("a[any]".into()),
        "[a-z|\\[\\]]{0,8}",
    ];
    let value = prop_oneof![
        Just(String::new()),
        Just("selection".into()),
        Just("1 of s* | count() by x > 5".into()),
        Just("[a, b, {c: d}]".into()),
        Just("{f: [1, null], g|re: '.*a'}".into()),
        Just("*x".into()),
        Just("&x {a: *x}".into()),
        Just("|".into()),
        Just("10.1.2.3/99".into()),
        Just("'%a%\\*'".into()),
        Just("!!str 1".into()),
        Just("1w".into()),
        Just("99999999999999999999w".into()),
        "\\PC{0,12}",
    ];
    let line =
        (0usize..4, any::<bool>(), key, value).prop_map(|(depth, item, k, v)| format!("{}{}{k}: {v}\n", "  ".repeat(depth), if item { "- " } else { "" }));
    prop_oneof![4 => prop::collection::vec(line, 0..14).prop_map(|l| l.concat()), 1 => "(\\PC|[\\n\\t :\\-]){0,60}"]
}

#[test]
fn arbitrary_text() {
    generator("lint_text", 400).run(&nearly_a_rule(), |text| check(&text).map(|_| ())).expect("the lint holds");
}

#[test]
fn mutated_rules_of_the_pack() {
    let files: Vec<String> = own_rule_files().into_iter().map(|(_, text)| text).collect();
    let cut = (0..files.len(), prop::collection::vec((any::<prop::sample::Index>(), 0usize..9, any::<char>()), 1..6));
    let case = cut.prop_map(move |(file, changes)| {
        // The tests of a rule are most of its text and least of its lint.
        let text = files[file].split("\ntests:").next().unwrap_or_default();
        let mut chars: Vec<char> = text.chars().chain(['\n']).collect();
        for (at, kind, c) in changes {
            let i = at.index(chars.len());
            match kind {
                0 => chars[i] = c,
                1 => chars.insert(i, c),
                2 => {
                    chars.remove(i);
                }
                3 => chars.truncate(i + 1),
                4 => chars.insert(i, '\n'),
                5 => chars[i] = [':', '|', '*', '&', '\'', '"', '[', '{', '-', '\t'][i % 10],
                6 => {
                    let part: Vec<char> = chars[i..].iter().take(40).copied().collect();
                    chars.extend(part);
                }
                7 => chars.insert(i, '\u{feff}'),
                _ => {
                    let part: Vec<char> = chars[i..].iter().take(9).copied().collect();
                    chars.splice(i..i, part);
                }
            }
            if chars.is_empty() {
                chars.push('\n');
            }
        }
        chars.into_iter().collect::<String>()
    });
    generator("lint_mutated", 300).run(&case, |text| check(&text).map(|_| ())).expect("the lint holds");
}

#[test]
fn deep_wide_and_recursive_documents_end() {
    let deep = format!("detection: {}x{}\n", "[".repeat(5000), "]".repeat(5000));
    let nested: String = (0..300).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    let dashes = format!("detection:\n  {}x\n", "- ".repeat(3000));
    let wide: String = (0..3000).map(|i| format!("    f{i}|contains: '*{i}*'\n")).collect();
    let wide = format!("title: x\ndetection:\n  selection:\n{wide}  condition: selection\n");
    let aliases: String = (1..12).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))).collect();
    let bomb = format!("a0: &a0 [x]\n{aliases}detection: {{s: {{f: *a11}}, condition: s}}\n");
    let long = format!("title: {}\ndetection: {{s: {{f|re: '{}'}}, condition: s}}\n", "é".repeat(100_000), "(a".repeat(20_000));
    for text in [deep, nested, dashes, wide.clone(), bomb, long, "detection: &x {s: *x}\n".into(), "? {a: b}\n: {c: d}\ndetection: {? [a] : b}\n".into()] {
        let result = check(&text).expect("the lint holds");
        assert!(!result.findings.is_empty(), "{}", text.chars().take(80).collect::<String>());
    }
    let found = lint_files(&[("a.yml", &wide)], false).findings;
    assert_eq!(found.iter().filter(|f| f.check == Check::NeedlessWildcard).count(), 3000);
}
