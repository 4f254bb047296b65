//! The lint: every check with cases that trigger it and cases that do not, the outputs of the command, and hostile input.

mod cases;
mod hostile;
mod schema;

use crate::common::{Place, own_rule_files, own_vars, project};
use auditmill::rule::lint::{Check, Lint, LintFile, Severity, lint};
use auditmill::rule::load::{RuleFile, load_rules};
use auditmill::rule::vars::Vars;
use std::collections::BTreeSet;

/// Checks texts as files of a folder.
fn lint_files(files: &[(&str, &str)], own: bool) -> Lint {
    let file = |(name, text): &(&str, &str)| LintFile { rule_file: RuleFile { file: (*name).into(), text: (*text).into(), required: false }, own };
    lint(&files.iter().map(file).collect::<Vec<_>>(), &vars())
}

/// Two lists, one of them empty.
fn vars() -> Vars {
    Vars::parse("lists: {admins: [root, admin], domains: []}\n", "vars.yml").expect("variables")
}

#[test]
fn the_built_in_pack_has_no_error_and_no_warning() {
    let files: Vec<LintFile> =
        own_rule_files().into_iter().map(|(file, text)| LintFile { rule_file: RuleFile { file, text, required: true }, own: true }).collect();
    let result = lint(&files, &own_vars());
    let bad: Vec<String> = result
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Note)
        .map(|f| format!("{}:{}: {}: {} ({})", f.file, f.line, f.check.id(), f.message, f.help))
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(result.documents >= 100 && result.files >= 80, "{} documents of {} files", result.documents, result.files);
}

#[test]
fn the_command_finds_the_pack_clean() {
    let ran = Place::new().run(&["rules", "lint"]).exits(0).says("0 errors, 0 warnings");
    assert!(!ran.text().contains("warning["), "{}", ran.dump());
}

/// A file with a fault in nearly every line.
const FAULTY: &str = "\
title: login of a break-glass account.
id: 4711
nmae: break_glass
taxonomy: auditmill
status: Stable
date: 2024/01/15
modified: 2023-12-31
tags: [attack.T1078, soc2.cc6.1]
logsource: {product: auditmill, category: authentification}
detection:
  selection:
    activity: user.login
    account: 012345678901
    mfa: No
    resource: 'C:\\temp\\*'
    user_key|contains: '*breakglass*'
    user_agent|re: '.*curl.*'
    ip|cidr: 10.1.2.3/8
  only_one:
    status: success
  forgotten:
    user|neq: root
  condition: selection and 1 of only_*
falsepositives: [none]
level: High
---
title: Many of Them
correlation:
  type: event_count
  rules: [login of a break-glass account., nobody]
  timeframe: 1w
  condition: {gte: 3}
";

#[test]
fn a_file_with_many_faults() {
    let place = Place::new();
    place.write("mine/faulty.yml", FAULTY).write("mine/notes.yml", "hello: world\n");
    let ran = place.run(&["rules", "lint", "--rules", "mine", "--min-severity", "note"]).exits(1);
    insta::assert_snapshot!(ran.text(), @r##"
    mine/faulty.yml:1: note[title-dot]: the title ends with a dot
      help: write `title: login of a break-glass account`
    mine/faulty.yml:1: note[title-case]: titles have capital letters, but for small words
      help: write `title: Login of a break-glass account.`
    mine/faulty.yml:1: note[missing-description]: the rule has no `description`
      help: add what it finds and why that matters, in two sentences
    mine/faulty.yml:1: note[missing-author]: the rule has no `author`
      help: add the line `author: NAME`
    mine/faulty.yml:1: note[missing-name]: the rule has no `name` for others to refer to
      help: add a line such as `name: authentication_login_breakglass_account`
    mine/faulty.yml:1: note[missing-role]: the rule has no `role` and counts as a signal
      help: add `role: violation` for a breach in itself, `role: signal` where somebody must look, `role: operation` for the record
    mine/faulty.yml:2: warning[id-not-uuid]: `4711` is not a UUID
      help: write one, such as `id: 9e0986c7-39ba-8e61-a306-66a5312dc361`
    mine/faulty.yml:3: warning[misspelt-key]: `nmae` means nothing and is ignored
      help: did you mean `name:`?
    mine/faulty.yml:5: warning[unknown-status]: `Stable` is not a status and is ignored
      help: did you mean `stable`?
    mine/faulty.yml:6: warning[date-form]: `2024/01/15` is the form of Sigma before 2.0
      help: write `date: 2024-01-15`
    mine/faulty.yml:8: warning[tag-form]: `attack.T1078` is not lower case words nested by dots
      help: write `attack.t1078`
    mine/faulty.yml:9: warning[unknown-category]: no event has the category `authentification`
      help: did you mean `authentication`?
    mine/faulty.yml:13: warning[leading-zero]: `012345678901` is text here and a number to other readers
      help: write '012345678901'
    mine/faulty.yml:14: warning[boolean-word]: `No` is text here and `false` to readers of YAML 1.1
      help: write 'No' for the word, or `false`
    mine/faulty.yml:15: warning[escaped-wildcard]: 'C:\temp\*' ends with a star, not with a backslash and anything behind it
      help: did you mean 'C:\temp\\*'?
    mine/faulty.yml:16: note[needless-wildcard]: `contains` is open at that end already
      help: write 'breakglass'
    mine/faulty.yml:17: note[regex-literal]: the pattern '.*curl.*' is plain text
      help: write `user_agent|contains|cased: 'curl'`
    mine/faulty.yml:18: warning[host-bits]: `10.1.2.3/8` names an address inside the network
      help: write `10.0.0.0/8` for the network, or `10.1.2.3` for the one address
    mine/faulty.yml:21: warning[unused-selection]: the condition never uses `forgotten`
      help: add it to the condition, such as `... and not forgotten`, or remove it
    mine/faulty.yml:22: note[neq-absent]: `user|neq` does not match events without `user`
      help: where these are meant too, write `user` in a selection of its own and `not` in the condition
    mine/faulty.yml:23: note[pattern-fits-one]: `1 of only_*` fits `only_one` only
      help: write `only_one`, unless more selections are to come
    mine/faulty.yml:24: note[empty-falsepositives]: `none` helps nobody to judge a finding
      help: name the harmless cause that is most likely, or leave the key out
    mine/faulty.yml:25: warning[level-spelling]: `High` is not in lower case
      help: write `level: high`
    mine/faulty.yml:27: warning[missing-id]: the rule has no `id`
      help: add a UUID of its own, such as `id: ed07da69-ef01-8b0a-ab4e-2eeca0ad864a`
    mine/faulty.yml:27: warning[missing-level]: the rule has no `level` and counts as medium
      help: add the line `level: medium`, or another level
    mine/faulty.yml:27: note[missing-status]: the rule has no `status`
      help: add the line `status: test`, and `status: stable` when it has proved itself
    mine/faulty.yml:27: note[missing-description]: the rule has no `description`
      help: add what it finds and why that matters, in two sentences
    mine/faulty.yml:27: note[missing-author]: the rule has no `author`
      help: add the line `author: NAME`
    mine/faulty.yml:27: note[missing-date]: the rule has no `date`
      help: add the day on which it was written, such as `date: 2024-01-15`
    mine/faulty.yml:28: note[missing-group-by]: without `group-by` events of all users and addresses are counted together
      help: name the fields that make a group, such as `group-by: [user_key]`, unless one count over everything is meant
    mine/faulty.yml:28: note[missing-generate]: without `generate` the findings of the counted rules are hidden where these are low or in the same file
      help: write `generate: false` if that is meant, `generate: true` to see them as well
    mine/faulty.yml:30: warning[reference-by-title]: `login of a break-glass account.` refers to a rule by its title
      help: write `4711`
    mine/faulty.yml:30: error[unresolved-reference]: no rule has the id, name or title `nobody`
      help: refer to the id or name of a rule that is loaded in the same run
    mine/faulty.yml:31: warning[timeframe-key]: `timeframe` is the key of the retired syntax
      help: write `timespan: 1w`
    mine/faulty.yml:31: warning[calendar-unit]: `1w` is a length in calendar units, which tools read differently
      help: write days: `timespan: 7d`
    "##);
    insta::assert_snapshot!(ran.err, @r##"1 error, 17 warnings, 17 notes in 2 documents of 2 files; 1 file without a rule"##);
}

#[test]
fn notes_are_counted_where_they_are_not_shown() {
    let place = Place::new();
    place.write("a.yml", cases::VENDOR.replace("author: Ana\n", ""));
    place.run(&["rules", "lint", "--rules", "a.yml"]).exits(0).says("0 errors, 0 warnings, 1 note (1 not shown)").says("--min-severity note");
    let ran = place.run(&["rules", "lint", "--rules", "a.yml", "--min-severity", "note", "--quiet"]).exits(0);
    assert!(ran.text().starts_with("a.yml:1: note[missing-author]: ") && ran.err.is_empty(), "{}", ran.dump());
}

#[test]
fn exit_statuses() {
    let place = Place::new();
    place.write("clean.yml", cases::VENDOR);
    place.write("warned.yml", cases::VENDOR.replace("status: stable", "status: sable"));
    place.write("broken.yml", cases::VENDOR.replace("level: high", "level: severe"));
    place.write("yaml.yml", "title: [\n").write("bad-vars.yml", "lists: [a]\n").write("empty/x.txt", "");
    let run = |args: &[&str]| place.run(&[&["rules", "lint"], args].concat());
    run(&["--rules", "clean.yml"]).exits(0);
    run(&["--rules", "clean.yml", "--strict"]).exits(0);
    run(&["--rules", "warned.yml"]).exits(0);
    run(&["--rules", "warned.yml", "--strict"]).exits(1);
    run(&["--rules", "warned.yml", "--strict", "--min-severity", "error"]).exits(0);
    run(&["--rules", "broken.yml"]).exits(1);
    assert!(run(&["--rules", "yaml.yml"]).exits(1).text().contains("error[not-loaded]"));
    run(&["--rules", "absent.yml"]).exits(2).says("no such file");
    run(&["--rules", "empty"]).exits(2).says("holds no rule file");
    run(&["--vars", "bad-vars.yml"]).exits(2).says("bad-vars.yml");
    run(&["--min-severity", "grave"]).exits(2);
    run(&["--list", "--rules", "clean.yml"]).exits(2);
}

#[test]
fn a_folder_is_named_with_its_path() {
    let place = Place::new();
    place.write("mine/deep/a.yml", cases::VENDOR.replace("level: high", "level: severe"));
    for folder in ["mine", "mine/"] {
        let ran = place.run(&["rules", "lint", "--rules", folder]).exits(1);
        assert!(ran.text().starts_with("mine/deep/a.yml:14: error[unknown-level]: "), "{}", ran.dump());
    }
}

#[test]
fn json() {
    let place = Place::new();
    place.write("a.yml", cases::VENDOR.replace("level: high", "level: severe").replace("author: Ana\n", ""));
    let document = place.run(&["rules", "lint", "--rules", "a.yml", "--format", "json"]).exits(1).json();
    insta::assert_snapshot!(format!("{document:#}"), @r##"
    {
      "counts": {
        "error": 1,
        "note": 1,
        "warning": 0
      },
      "documents": 1,
      "exit_status": 1,
      "files": 1,
      "findings": [
        {
          "file": "a.yml",
          "help": "known are: critical, high, medium, low, informational",
          "id": "unknown-level",
          "line": 13,
          "message": "`severe` is not a level",
          "severity": "error"
        }
      ],
      "hidden": {
        "error": 0,
        "note": 1,
        "warning": 0
      },
      "not_rules": [],
      "schema": "auditmill.lint/v1"
    }
    "##);
}

#[test]
fn text_of_a_rule_cannot_drive_the_terminal() {
    let place = Place::new();
    place.write("a.yml", cases::VENDOR.replace("level: high", "level: \"hi\\e[31m\\ngh\""));
    let ran = place.run(&["rules", "lint", "--rules", "a.yml"]).exits(1);
    assert!(!ran.text().contains('\u{1b}') && ran.text().lines().count() == 2, "{}", ran.dump());
}

#[test]
fn the_list_is_the_table() {
    let place = Place::new();
    let ran = place.run(&["rules", "lint", "--list"]).exits(0);
    let listed: Vec<&str> = ran.text().lines().map(|l| l.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(listed, Check::ALL.iter().map(|c| c.id()).collect::<Vec<_>>());
    assert!(ran.text().lines().zip(Check::ALL).all(|(l, c)| l.contains(c.describe()) && l.contains(c.severity(false).name())), "{}", ran.dump());
    let json = place.run(&["rules", "lint", "--list", "--format", "json"]).exits(0).json();
    assert_eq!(json["checks"].as_array().map(Vec::len), Some(Check::ALL.len()));
}

#[test]
fn what_the_loader_refuses_has_an_error() {
    for case in cases::all() {
        for files in case.bad.iter().chain(&case.good) {
            let pairs: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
            let result = lint_files(&pairs, false);
            let set = load_rules(pairs.iter().map(|(n, t)| RuleFile { file: (*n).into(), text: (*t).into(), required: false }).collect(), &vars());
            for problem in &set.problems {
                let named = result.findings.iter().any(|f| f.file == problem.file && f.severity == Severity::Error);
                assert!(named, "{}: no error for `{problem}`", case.check.id());
            }
            let refused: BTreeSet<&str> = set.problems.iter().map(|p| p.file.as_str()).collect();
            for f in result.findings.iter().filter(|f| f.severity == Severity::Error && f.check != Check::FilterWithoutRules) {
                assert!(refused.contains(f.file.as_str()), "{}: {} is an error and the file loads: {}", case.check.id(), f.check.id(), f.message);
            }
        }
    }
}

/// `rules/LINT.md` is the table as a page.
#[test]
fn the_page_of_checks_is_the_table() {
    let mut page = String::from(
        "# Checks of `auditmill rules lint`\n\nMade from the table of checks by a test; run it with UPDATE_GENERATED=1 to write this page anew.\n\n| check | severity | in the built-in rules | what is wrong |\n|---|---|---|---|\n",
    );
    for check in Check::ALL {
        let describes = check.describe().replace('|', "\\|").replace('<', "\\<");
        page.push_str(&format!("| {} | {} | {} | {describes} |\n", check.id(), check.severity(false).name(), check.severity(true).name()));
    }
    let path = project().join("rules/LINT.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).expect("the page");
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == page, "rules/LINT.md is not the table: run the tests once with UPDATE_GENERATED=1");
}

#[test]
fn the_readme_names_the_command() {
    let readme = std::fs::read_to_string(project().join("README.md")).expect("README.md");
    assert!(readme.contains("rules lint") && readme.contains("rules schema") && readme.contains("yaml-language-server: $schema="));
}
