//! For each check: documents that trigger it, and near misses that do not. `# !` marks the line that must be named.

use super::{lint, lint_files};
use auditmill::rule::lint::Check;
use std::collections::BTreeSet;

/// A rule over a vendor's fields in which nothing is to be found.
pub const VENDOR: &str = "\
title: Console Login
id: 11111111-1111-4111-8111-111111111111
name: console_login
status: stable
description: Somebody logged in.
author: Ana
date: 2024-01-15
tags: [attack.t1078]
logsource: {product: aws, service: cloudtrail}
detection:
  selection:
    eventName: ConsoleLogin
  condition: selection
level: high
";

/// A rule over the event columns in which nothing is to be found.
const OURS: &str = "\
title: Login of a User
id: 22222222-2222-4222-8222-222222222222
name: authentication_login_seen
taxonomy: auditmill
status: stable
description: Somebody logged in.
author: Ana
date: 2024-01-15
tags: [attack.t1078]
logsource: {product: auditmill, category: authentication}
detection:
  selection:
    activity: user.login
  condition: selection
level: high
role: signal
tests:
  - {name: a login, expect: match, events: [{time: '2024-01-15T10:00:00Z', activity: user.login}]}
  - {name: a logout, expect: no_match, events: [{time: '2024-01-15T10:00:00Z', activity: user.logout}]}
";

/// A correlation over `VENDOR`, in which nothing is to be found.
const COUNT: &str = "\
title: Many Console Logins
id: 33333333-3333-4333-8333-333333333333
name: mr_console_login_many
status: stable
description: Somebody logged in again and again.
author: Ana
date: 2024-01-15
correlation:
  type: event_count
  rules: [console_login]
  group-by: [sourceIPAddress]
  timespan: 10m
  condition: {gte: 5}
  generate: false
level: high
";

const FILTER: &str = "\
title: No Console Login of Robots
id: 44444444-4444-4444-8444-444444444444
name: mf_console_login
status: stable
description: Robots log in all day.
author: Ana
date: 2024-01-15
logsource: {product: aws, service: cloudtrail}
filter:
  rules: [console_login]
  selection:
    userName: robot
  condition: not selection
";

const BEHAVIOUR: &str = "\
title: New Country of a User
id: 55555555-5555-4555-8555-555555555555
status: stable
description: Somebody logged in from a new place.
author: Ana
date: 2024-01-15
behaviour:
  type: new_value
  rules: [console_login]
  group-by: [user]
  field: ip.country
  learning: {time: 30d, events: 20}
level: medium
";

/// Files of one run: name and text.
pub type Files = Vec<(String, String)>;

/// A check with what triggers it and what does not.
pub struct Case {
    pub check: Check,
    pub bad: Vec<Files>,
    pub good: Vec<Files>,
}

fn changed(base: &str, from: &str, to: &str) -> String {
    assert!(base.contains(from), "no `{from}` in\n{base}");
    base.replacen(from, to, 1)
}

fn one(text: String) -> Files {
    vec![("authentication_login_seen.yml".to_owned(), text)]
}

fn vendor(from: &str, to: &str) -> Files {
    one(changed(VENDOR, from, to))
}

fn ours(from: &str, to: &str) -> Files {
    one(changed(OURS, from, to))
}

/// `VENDOR` with other items in its selection.
fn items(lines: &str) -> Files {
    vendor("    eventName: ConsoleLogin\n", &lines.lines().map(|l| format!("    {l}\n")).collect::<String>())
}

/// `VENDOR` with another detection section.
fn section(lines: &str) -> Files {
    let lines: String = lines.lines().map(|l| format!("  {l}\n")).collect();
    vendor("  selection:\n    eventName: ConsoleLogin\n  condition: selection\n", &lines)
}

/// `VENDOR` and a correlation over it.
fn count(from: &str, to: &str) -> Files {
    one(format!("{VENDOR}---\n{}", changed(COUNT, from, to)))
}

fn filter(from: &str, to: &str) -> Files {
    one(format!("{VENDOR}---\n{}", changed(FILTER, from, to)))
}

fn behaviour(from: &str, to: &str) -> Files {
    one(format!("{VENDOR}---\n{}", changed(BEHAVIOUR, from, to)))
}

/// Two files of one run.
fn two(first: &str, second: String) -> Files {
    vec![("a.yml".to_owned(), first.to_owned()), ("b.yml".to_owned(), second)]
}

pub fn all() -> Vec<Case> {
    use Check::*;
    let mut out: Vec<Case> = Vec::new();
    let mut case = |check: Check, bad: Vec<Files>, good: Vec<Files>| out.push(Case { check, bad, good });
    let title = |t: &str| vendor("title: Console Login\n", &format!("title: {t} # !\n"));

    case(
        NotLoaded,
        vec![
            items("f|unknown: x"),
            items("f: []"),
            items("'f|re': 'a('"),
            vendor("condition: selection", "condition: selektion"),
            one("title: [\n".into()),
            one(format!("{VENDOR}---\ntitle: Second\nlevel: low\n")),
        ],
        vec![one(VENDOR.into()), one("hello: world\n".into()), one(String::new())],
    );
    case(
        MissingTitle,
        vec![vendor("title: Console Login\n", ""), vendor("title: Console Login\n", "title: '' # !\n"), vendor("title: Console Login\n", "title: # !\n")],
        vec![title("2")],
    );
    case(TitleLength, vec![title(&"Long ".repeat(30))], vec![title(&"x".repeat(110))]);
    case(TitleDot, vec![title("Console Login.")], vec![title("Console v1.0 Login"), title("And so on...")]);
    case(
        TitleCase,
        vec![ours("title: Login of a User\n", "title: Login of a user # !\n"), ours("title: Login of a User\n", "title: login of a User # !\n")],
        vec![ours("of a User", "from /admin of eth0 and iPhone"), title("console login")],
    );
    case(
        MissingId,
        vec![vendor("title: Console Login\nid: 11111111-1111-4111-8111-111111111111\n", "title: Console Login # !\n")],
        vec![vendor("id: 1", "id: 2")],
    );
    case(
        IdNotUuid,
        vec![vendor("id: 11111111-1111-4111-8111-111111111111\n", "id: 4711 # !\n"), vendor("id: 1111", "id: xxxx")],
        vec![vendor("-8111-", "-B111-")],
    );
    case(
        IdReused,
        vec![two(VENDOR, changed(VENDOR, "level: high", "level: low").replace("8111-111111111111\n", "8111-111111111111 # !\n"))],
        vec![two(VENDOR, VENDOR.into()), two(VENDOR, OURS.into())],
    );
    case(DuplicateRule, vec![two(VENDOR, VENDOR.into())], vec![two(VENDOR, changed(VENDOR, "level: high", "level: low")), two(VENDOR, OURS.into())]);
    case(MissingLevel, vec![vendor("level: high\n", "")], vec![one(format!("{VENDOR}---\n{FILTER}"))]);
    case(
        UnknownLevel,
        vec![vendor("level: high\n", "level: severe # !\n"), vendor("level: high\n", "level: hihg # !\n")],
        vec![vendor("level: high", "level: High")],
    );
    case(LevelSpelling, vec![vendor("level: high\n", "level: High # !\n")], vec![vendor("level: high", "level: 'low'")]);
    case(MissingStatus, vec![vendor("status: stable\n", "")], vec![vendor("status: stable", "status: odd")]);
    case(
        UnknownStatus,
        vec![vendor("status: stable\n", "status: Stable # !\n"), vendor("status: stable\n", "status: production # !\n")],
        vec![vendor("stable", "test")],
    );
    case(ExperimentalStatus, vec![vendor("status: stable\n", "status: experimental # !\n")], vec![vendor("stable", "test")]);
    case(RetiredStatus, vec![vendor("status: stable\n", "status: deprecated # !\n"), vendor("stable", "unsupported")], vec![vendor("stable", "experimental")]);
    case(
        MissingDescription,
        vec![vendor("description: Somebody logged in.\n", ""), vendor("Somebody logged in.", "''")],
        vec![vendor("description: Somebody logged in.", "description: |\n  Somebody")],
    );
    case(MissingAuthor, vec![vendor("author: Ana\n", ""), vendor("author: Ana", "author:")], vec![vendor("author: Ana", "author: [Ana, Bob]")]);
    case(MissingDate, vec![vendor("date: 2024-01-15\n", "")], vec![vendor("date: 2024-01-15", "date: 2024/01/15")]);
    case(
        DateForm,
        vec![
            vendor("date: 2024-01-15\n", "date: 2024/01/15 # !\n"),
            vendor("date: 2024-01-15\n", "date: 2024-02-30 # !\n"),
            vendor("date: 2024-01-15\n", "date: 2024-01-15\nmodified: 2024-1-16 # !\n"),
        ],
        vec![vendor("date: 2024-01-15", "date: '2024-02-29'")],
    );
    case(
        ModifiedBeforeDate,
        vec![vendor("date: 2024-01-15\n", "date: 2024-01-15\nmodified: 2024-01-14 # !\n")],
        vec![vendor("date: 2024-01-15\n", "date: 2024-01-15\nmodified: 2024-01-15\n")],
    );
    case(MissingName, vec![ours("name: authentication_login_seen\n", "")], vec![vendor("name: console_login\n", "")]);
    case(
        NameForm,
        [
            "Authentication_Login_Seen",
            "authentication-login-seen",
            "authentication_login",
            "login_seen_often",
            "iam_login_seen",
            "mr_authentication_login_seen",
            "authentication__login_seen",
        ]
        .map(|n| ours("name: authentication_login_seen\n", &format!("name: {n} # !\n")))
        .into(),
        vec![
            vendor("name: console_login", "name: Any Thing"),
            one(changed(OURS, ", category: authentication", "").replace("authentication_login_seen", "iam_login_seen")),
        ],
    );
    case(
        FileName,
        vec![vec![("other.yml".into(), changed(OURS, "name: authentication_login_seen\n", "name: authentication_login_seen # !\n"))]],
        vec![vec![("other.yml".into(), VENDOR.into())], vec![("x/authentication_login_seen.yaml".into(), OURS.into())]],
    );
    case(MissingRole, vec![ours("role: signal\n", "")], vec![one(VENDOR.into())]);
    case(
        MissingTests,
        vec![ours("expect: no_match", "expect: match"), ours("expect: match", "expect: no_match"), one(OURS.split("tests:").next().unwrap_or_default().into())],
        vec![one(VENDOR.into()), one(OURS.into())],
    );
    case(
        TestsShape,
        vec![vendor("level: high\n", "level: high\ntests: # !\n  - {input: x, output: y}\n"), ours("expect: match", "expect: yes")],
        vec![vendor("level: high\n", "level: high\ntests: []\n")],
    );
    case(
        MisspeltKey,
        vec![vendor("level: high\n", "level: high\nfalse_positives: [x] # !\n"), vendor("author:", "auhtor:"), vendor("date:", "Date:")],
        vec![vendor("author:", "colour:")],
    );
    case(
        UnknownKey,
        vec![vendor("level: high\n", "level: high\ncolour: red # !\n")],
        vec![vendor("level: high\n", "level: high\nlicense: MIT\nreferences: ['https://example.com']\nscope: [server]\n")],
    );
    case(
        NotAList,
        vec![
            vendor("tags: [attack.t1078]\n", "tags: attack.t1078 # !\n"),
            vendor("level: high\n", "level: high\nfalsepositives:\n  - A test\n  - A reason: with a colon # !\n"),
        ],
        vec![vendor("level: high\n", "level: high\nfields: [a, 1]\nfalsepositives:\n")],
    );
    let related = |entry: &str| vendor("status: stable\n", &format!("related:\n  - {entry} # !\nstatus: stable\n"));
    case(
        RelatedForm,
        vec![
            related("{id: 11111111-1111-4111-8111-111111111112, type: obsoletes}"),
            related("{id: x, type: derived}"),
            related("{type: derived}"),
            related("11111111-1111-4111-8111-111111111112"),
        ],
        vec![related("{id: 11111111-1111-4111-8111-111111111112, type: obsolete}")],
    );
    let tags = |t: &str| vendor("tags: [attack.t1078]\n", &format!("tags: {t} # !\n"));
    case(
        TagForm,
        vec![tags("[attack.T1078]"), tags("[attack]"), tags("['attack. t1078']"), tags("['cve:2024:1']"), tags("[attack..x]")],
        vec![tags("[attack.initial_access, nist-800-53.ac-2, cve.2024-1]")],
    );
    case(
        TagNamespace,
        vec![ours("tags: [attack.t1078]\n", "tags: [atack.t1078] # !\n")],
        vec![vendor("attack.t1078", "mine.x"), ours("attack.t1078", "hipaa.164.312.b")],
    );
    case(DuplicateTag, vec![tags("[attack.t1078, attack.t1078]")], vec![tags("[attack.t1078, attack.t1079]")]);
    case(
        EmptyFalsepositives,
        vec![
            vendor("level: high\n", "level: high\nfalsepositives:\n  - A robot\n  - Unknown. # !\n"),
            vendor("level: high\n", "level: high\nfalsepositives: [none]\n"),
        ],
        vec![vendor("level: high\n", "level: high\nfalsepositives: [None of the robots]\n")],
    );

    let source = |s: &str| vendor("logsource: {product: aws, service: cloudtrail}\n", s);
    case(MissingLogsource, vec![source(""), source("logsource: {} # !\n"), source("logsource: # !\n")], vec![source("logsource: {category: x}\n")]);
    case(
        MissingTaxonomy,
        vec![source("logsource: {product: auditmill} # !\n"), source("logsource: {product: auditmill}\ntaxonomy: sigma\n")],
        vec![one(OURS.into()), one(VENDOR.into())],
    );
    case(
        UnknownCategory,
        vec![ours("logsource: {product: auditmill, category: authentication}\n", "logsource: {product: auditmill, category: login} # !\n")],
        vec![source("logsource: {product: linux, category: login}\n"), one(OURS.into())],
    );

    case(
        UnusedSelection,
        vec![
            section("selection: {f: x}\nother: # !\n  f: y\ncondition: selection"),
            section("selection: {f: x}\n_other: {f: y} # !\ncondition: all of them"),
            section("selection: {f: x}\nother: {f: y} # !\ncondition: 1 of sel*"),
            section("selection:\n  a.b[any]:\n    x: {f: x}\n    y: {f: y} # !\n    condition: x\ncondition: selection"),
        ],
        vec![
            section("selection: {f: x}\nother: {f: y}\ncondition: all of them"),
            section("selection: {f: x}\n_other: {f: y}\ncondition: selection and 1 of _*"),
            section("selection: {f: x}\nother: {f: y}\ncondition: [selection, other]"),
            section("selection: {f: x}\nother: {f: y}\ncondition: not (selection) or(other)"),
        ],
    );
    case(
        IdenticalSelections,
        vec![section("a: {f: x, g: [1, 2]}\nb: {g: [1, 2], f: x} # !\ncondition: a and not b")],
        vec![section("a: {f: x}\nb: {f: y}\ncondition: a and not b")],
    );
    case(
        PatternFitsOne,
        vec![
            section("selection: {f: x}\nfilter_a: {f: y}\ncondition: selection and not 1 of filter_* # !"),
            section("selection: {f: x}\ncondition: all of sel* # !"),
        ],
        vec![section("sel_a: {f: x}\nsel_b: {f: y}\ncondition: 1 of sel_*"), section("selection: {f: x}\ncondition: all of them")],
    );
    case(
        ThemMixed,
        vec![section("a: {f: x}\nb: {f: y}\ncondition: 1 of them and not b # !")],
        vec![section("a: {f: x}\nb: {f: y}\ncondition: 1 of them"), section("a: {f: x}\nb: {f: y}\ncondition: a and not b")],
    );
    case(
        RetiredAggregation,
        vec![
            section("selection: {f: x}\ncondition: selection | count() by user > 5 # !"),
            section("selection: {f: x}\ntimeframe: 5m # !\ncondition: selection"),
        ],
        vec![one(VENDOR.into())],
    );
    case(
        ImpossibleSelection,
        vec![
            items("f|all: [a, b] # !"),
            items("f|gt: 5\nf|lt: 3 # !"),
            items("f|gte: 5\nf|lt: 5 # !"),
            items("f: abc\nf|startswith: x # !"),
            items("f: [abc, abd]\nf|contains|all: [ab, z] # !"),
        ],
        vec![
            items("f|contains|all: [a, b]"),
            items("f|gt: 3\nf|lt: 5"),
            items("f|gte: 5\nf|lte: 5"),
            items("f: [Abc, x]\nf|startswith: aB"),
            items("f|all: ['a*', '*b']"),
            items("f: 'a*'\nf|endswith: b"),
            items("f|gt: 5\ng|lt: 3"),
        ],
    );
    case(
        DuplicateValue,
        vec![items("f: [a, b, A] # !"), items("f:\n  - a\n  - a # !"), section("keywords: [foo, Foo] # !\ncondition: keywords")],
        vec![items("f|cased: [a, A]"), items("f: [a, b]")],
    );
    case(NeqAbsent, vec![items("f|neq: x # !")], vec![items("f: x")]);
    case(AllOneValue, vec![items("f|contains|all: a # !"), items("f|contains|all: [a] # !")], vec![items("f|contains|all: [a, b]")]);
    case(
        LeadingZero,
        vec![items("f: 012345678901 # !"), items("f:\n  - '1'\n  - 007 # !"), section("keywords: [0123] # !\ncondition: keywords")],
        vec![items("f: '012345678901'"), items("f: 0"), items("f: 0.5"), items("f: 10"), items("f: 0x1F"), items("f|re: 007")],
    );
    case(
        BooleanWord,
        vec![items("f: No # !"), items("f: [a, on] # !"), items("f: YES # !")],
        vec![items("f: 'no'"), items("f: \"on\""), items("f: true"), items("f: nobody")],
    );
    case(
        EscapedWildcard,
        vec![items(r"f: C:\Temp\* # !"), items(r"f: ['x', 'C:\Temp\*'] # !"), items(r"f|endswith: 'a\*' # !")],
        vec![items(r"f: C:\Temp\\*"), items(r"f: '\*'"), items(r"f|re: 'ab\*'"), items(r"f: a*")],
    );
    case(AnyValue, vec![items("f: '*' # !"), items("f|contains: ['**'] # !")], vec![items("f: '?*'"), items("f: 'a*'"), items("f: ''"), items(r"f: '\*'")]);
    case(
        NeedlessWildcard,
        vec![items("f|contains: '*foo' # !"), items("f|contains: ['a', 'foo*'] # !"), items("f|startswith: 'foo*' # !"), items("f|endswith: '*foo' # !")],
        vec![
            items("f|startswith: '*foo'"),
            items("f|endswith: 'foo*'"),
            items("f|contains: 'a*b'"),
            items(r"f|contains: '\*b'"),
            items(r"f|contains: 'a\\*'"),
            items("f: '*foo*'"),
        ],
    );
    case(
        RegexLiteral,
        vec![items("f|re: foo # !"), items(r"f|re: '^a\.b$' # !"), items("f|re|i: '^foo' # !"), items("f|re: 'foo$' # !"), items("f|re: '.*foo.*' # !")],
        vec![items("f|re: 'fo+'"), items("f|re: 'a|bc'"), items("f|re: '^[0-9]{3}$'"), items("f|contains: foo")],
    );
    case(
        RegexOpenEnds,
        vec![items("f|re: '.*fo+.*' # !"), items("f|re: 'fo+.*' # !"), items("f|re: '.*' # !")],
        vec![items("f|re: '^.*fo+$'"), items("f|re: 'a.*b+'"), items("f|re: '[.]*x+'"), items("f|re: '.*foo'")],
    );
    case(
        HostBits,
        vec![items("f|cidr: 10.1.2.3/8 # !"), items("f|cidr: ['10.0.0.0/8', '2001:db8::1/32'] # !")],
        vec![items("f|cidr: 10.0.0.0/8"), items("f|cidr: 10.1.2.3"), items("f|cidr: 10.1.2.3/32"), items("f|cidr: 0.0.0.0/0"), items("f|cidr: '::/0'")],
    );
    case(
        UndefinedList,
        vec![items("f|expand: '%admin%' # !"), vendor("level: high\n", "level: high\nneeds_lists: [nobody] # !\n")],
        vec![items("f|expand: '%admins%'"), items("f|expand: '%domains%'"), vendor("level: high\n", "level: high\nneeds_lists: [domains]\n")],
    );
    case(PlaceholderNotExpanded, vec![items("f: '%admins%' # !")], vec![items("f: '%APPDATA%'"), items("f|expand: '%admins%'"), items("f: '%20'")]);
    case(NoPlaceholder, vec![items("f|expand: admins # !")], vec![items("f|expand: 'x%admins%'")]);

    case(
        MissingTimespan,
        vec![one(format!("{VENDOR}---\n{}", changed(COUNT, "correlation:\n", "correlation: # !\n").replace("  timespan: 10m\n", "")))],
        vec![count("timespan: 10m", "timeframe: 10m")],
    );
    case(TimeframeKey, vec![count("timespan: 10m\n", "timeframe: 10m # !\n")], vec![one(format!("{VENDOR}---\n{COUNT}"))]);
    case(
        CalendarUnit,
        ["1w", "2M", "1y"].map(|t| count("timespan: 10m\n", &format!("timespan: {t} # !\n"))).into(),
        ["1s", "1m", "1h", "1d"].map(|t| count("10m", t)).into(),
    );
    case(
        MissingGroupBy,
        vec![
            one(format!("{VENDOR}---\n{}", changed(COUNT, "correlation:\n", "correlation: # !\n").replace("  group-by: [sourceIPAddress]\n", ""))),
            count("  group-by: [sourceIPAddress]\n", "  group-by: [] # !\n"),
        ],
        vec![count("[sourceIPAddress]", "sourceIPAddress")],
    );
    case(
        MissingGenerate,
        vec![one(format!("{VENDOR}---\n{}", changed(COUNT, "correlation:\n", "correlation: # !\n").replace("  generate: false\n", "")))],
        vec![count("  generate: false\nlevel: high\n", "level: high\ngenerate: true\n")],
    );
    case(
        MedianExtension,
        vec![count("type: event_count\n", "type: value_median # !\n")],
        vec![count("event_count", "value_percentile"), one(format!("{VENDOR}---\n{COUNT}"))],
    );
    case(
        ReferenceByTitle,
        vec![
            count("rules: [console_login]\n", "rules: [Console Login] # !\n"),
            count("rules: [console_login]\n", "rules:\n    - Console Login # !\n"),
            filter("rules: [console_login]\n", "rules: [Console Login] # !\n"),
        ],
        vec![one(format!("{VENDOR}---\n{COUNT}")), count("[console_login]", "[11111111-1111-4111-8111-111111111111]")],
    );
    let twin = changed(VENDOR, "id: 1", "id: 2");
    case(
        AmbiguousReference,
        vec![one(format!("{VENDOR}---\n{twin}---\n{}", changed(COUNT, "rules: [console_login]\n", "rules: [console_login] # !\n")))],
        vec![one(format!("{VENDOR}---\n{}---\n{COUNT}", changed(&twin, "name: console_login", "name: other")))],
    );
    case(
        UnresolvedReference,
        vec![
            count("rules: [console_login]\n", "rules: [console_logon] # !\n"),
            one(format!("{}---\n{}", changed(VENDOR, "stable", "deprecated"), changed(COUNT, "rules: [console_login]\n", "rules: [console_login] # !\n"))),
            filter("rules: [console_login]\n", "rules: [nobody] # !\n"),
            behaviour("rules: [console_login]\n", "rules: [nobody] # !\n"),
        ],
        vec![one(format!("{COUNT}---\n{VENDOR}")), two(VENDOR, COUNT.into())],
    );

    case(
        FilterWithoutNot,
        vec![filter("condition: not selection\n", "condition: selection # !\n")],
        vec![one(format!("{VENDOR}---\n{FILTER}")), filter("condition: not selection", "condition: NOT 1 of sel*")],
    );
    case(
        FilterWithoutRules,
        vec![
            one(format!("{VENDOR}---\n{}", changed(FILTER, "filter:\n  rules: [console_login]\n", "filter: # !\n"))),
            filter("rules: [console_login]\n", "rules: [] # !\n"),
        ],
        vec![filter("[console_login]", "any"), one(format!("{VENDOR}---\n{FILTER}"))],
    );
    case(
        FilterOnCorrelation,
        vec![one(format!("{VENDOR}---\n{COUNT}---\n{}", changed(FILTER, "rules: [console_login]\n", "rules: [mr_console_login_many] # !\n")))],
        vec![one(format!("{VENDOR}---\n{FILTER}"))],
    );
    case(
        BehaviourShape,
        vec![
            behaviour("type: new_value\n", "type: new_values # !\n"),
            one(format!("{VENDOR}---\n{}", changed(BEHAVIOUR, "behaviour:\n  type: new_value\n", "behaviour: # !\n"))),
            one(format!("{VENDOR}---\n{}", changed(BEHAVIOUR, "behaviour:\n", "behaviour: # !\n").replace("  rules: [console_login]\n", ""))),
            behaviour("  group-by: [user]\n", ""),
        ],
        vec![one(format!("{VENDOR}---\n{BEHAVIOUR}"))],
    );
    case(
        SectionKey,
        vec![
            source("logsource: {produkt: aws, service: cloudtrail} # !\n"),
            count("  group-by: [sourceIPAddress]\n", "  group_by: [sourceIPAddress] # !\n"),
            behaviour("  field: ip.country\n", "  feld: ip.country # !\n"),
        ],
        vec![source("logsource: {product: aws, definition: switch it on}\n"), one(format!("{VENDOR}---\n{COUNT}---\n{BEHAVIOUR}"))],
    );
    out
}

/// Findings of a case: every check that fired, with the line.
fn fired(files: &Files) -> Vec<(Check, String, usize)> {
    let pairs: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let result = lint_files(&pairs, false);
    assert!(result.findings.iter().all(|f| !f.message.is_empty() && !f.help.is_empty()), "{:?}", result.findings);
    result.findings.into_iter().map(|f| (f.check, f.file, f.line)).collect()
}

#[test]
fn every_check_fires_where_it_should_and_only_there() {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for case in all() {
        let id = case.check.id();
        assert!(seen.insert(id), "{id} stands twice in the table of cases");
        assert!(!case.bad.is_empty() && !case.good.is_empty(), "{id} needs a case that triggers it and one that does not");
        for files in &case.bad {
            let found: Vec<(Check, String, usize)> = fired(files);
            let here: Vec<&(Check, String, usize)> = found.iter().filter(|f| f.0 == case.check).collect();
            assert!(!here.is_empty(), "{id} did not fire, but {found:?}, on\n{files:#?}");
            for (name, text) in files {
                if let Some(i) = text.lines().position(|l| l.contains("# !")) {
                    assert!(here.iter().any(|f| f.1 == *name && f.2 == i + 1), "{id} fired at {here:?} instead of line {} of\n{text}", i + 1);
                }
            }
        }
        for files in &case.good {
            let found = fired(files);
            assert!(found.iter().all(|f| f.0 != case.check), "{id} fired at {found:?} on\n{files:#?}");
        }
    }
    let missing: Vec<&str> = Check::ALL.iter().map(|c| c.id()).filter(|id| !seen.contains(id)).collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
}

#[test]
fn good_rules_have_no_finding_at_all() {
    for text in [VENDOR.to_owned(), OURS.to_owned(), format!("{VENDOR}---\n{COUNT}"), VENDOR.replace('\n', "\r\n")] {
        assert_eq!(fired(&one(text)), []);
    }
    let pack = lint_files(&[("authentication_login_seen.yml", OURS)], true);
    assert!(pack.findings.is_empty(), "{:?}", pack.findings);
    assert_eq!(lint(&[], &super::vars()).findings, []);
}

#[test]
fn advice_is_concrete() {
    let help = |files: Files, check: Check| {
        let pairs: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        lint_files(&pairs, false).findings.into_iter().find(|f| f.check == check).map(|f| f.help).unwrap_or_default()
    };
    for (files, check, says) in [
        (vendor("date: 2024-01-15", "date: 2024/1/5"), Check::DateForm, "write `date: 2024-01-05`"),
        (items("f|cidr: 10.1.2.3/8"), Check::HostBits, "write `10.0.0.0/8` for the network, or `10.1.2.3` for the one address"),
        (items(r"f: C:\*"), Check::EscapedWildcard, r"did you mean 'C:\\*'?"),
        (items("f|re|i: '^a\\.b'"), Check::RegexLiteral, "write `f|startswith: 'a.b'`"),
        (items("f|re: a\\*b"), Check::RegexLiteral, r"write `f|contains|cased: 'a\*b'`"),
        (items("f|re: '.*fo+.*'"), Check::RegexOpenEnds, "write 'fo+'"),
        (items("f: 012"), Check::LeadingZero, "write '012'"),
        (count("timespan: 10m", "timespan: 2w"), Check::CalendarUnit, "write days: `timespan: 14d`"),
        (count("rules: [console_login]", "rules: [consol_login]"), Check::UnresolvedReference, "did you mean `console_login`?"),
        (vendor("author:", "auhtor:"), Check::MisspeltKey, "did you mean `author:`?"),
        (filter("not selection", "selection"), Check::FilterWithoutNot, "to leave that out, write `condition: not selection`"),
        (
            section("selection: {f: x}\ncondition: selection | count() by user > 5"),
            Check::RetiredAggregation,
            "`correlation: {type: event_count, rules: [console_login], group-by: [user], timespan: 5m, condition: {gt: 5}}`",
        ),
    ] {
        let text = help(files, check);
        assert!(text.contains(says), "{}: `{text}` lacks `{says}`", check.id());
    }
}
