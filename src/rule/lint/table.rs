//! The one table of checks: the command's list, the README and the tests walk it.

use serde::Serialize;

/// How bad a lint finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know, or a matter of style.
    Note,
    /// The rule probably does not do what its author meant, or others cannot use it.
    Warning,
    /// The rule does not load, or cannot do what it says.
    Error,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Severity; 3] = [Severity::Note, Severity::Warning, Severity::Error];

    /// The name in outputs and options.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A check of some table.
pub trait LintCheck: Copy + 'static {
    /// Every check of the table, in the order of its list.
    const EVERY: &'static [Self];
    /// The stable name, in kebab case.
    fn id(self) -> &'static str;
    /// How bad it is, in what is built in (`own`) and elsewhere.
    fn severity(self, own: bool) -> Severity;
    /// What is wrong when it fires, in one line.
    fn describe(self) -> &'static str;
}

/// Makes a table of checks: an enum with its ids, severities and descriptions.
macro_rules! checks {
    ($(#[$about:meta])* $($variant:ident $id:literal $severity:ident $own:ident $doc:literal),+ $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check { $(#[doc = $doc] $variant),+ }

        impl Check {
            /// Every check, in the order of the list.
            pub const ALL: &'static [Check] = &[$(Check::$variant),+];

            /// The stable name, in kebab case.
            pub fn id(self) -> &'static str {
                match self { $(Check::$variant => $id),+ }
            }

            /// How bad it is, in the rules of the built-in pack (`own`) and elsewhere.
            pub fn severity(self, own: bool) -> Severity {
                match self { $(Check::$variant => if own { Severity::$own } else { Severity::$severity }),+ }
            }

            /// What is wrong when it fires, in one line.
            pub fn describe(self) -> &'static str {
                match self { $(Check::$variant => $doc),+ }
            }
        }

        impl $crate::rule::lint::LintCheck for Check {
            const EVERY: &'static [Check] = Check::ALL;
            fn id(self) -> &'static str {
                Check::id(self)
            }
            fn severity(self, own: bool) -> Severity {
                Check::severity(self, own)
            }
            fn describe(self) -> &'static str {
                Check::describe(self)
            }
        }
    };
}

pub(crate) use checks;

// Columns: id, severity, severity in the built-in pack, what is wrong when it fires.
checks! {
    /// A check of rule documents.
    NotLoaded "not-loaded" Error Error "The document does not load; the reason is the loader's own",

    MissingTitle "missing-title" Error Error "A rule needs a title",
    TitleLength "title-length" Warning Warning "The title is longer than 110 characters, which tables cut",
    TitleDot "title-dot" Note Warning "The title ends with a dot",
    TitleCase "title-case" Note Warning "A word of the title begins with a small letter",
    MissingId "missing-id" Warning Error "Without an id, exceptions and counts cannot follow the rule through its changes",
    IdNotUuid "id-not-uuid" Warning Error "The id is not a UUID, which other tools refuse",
    IdReused "id-reused" Error Error "Another rule with other content has the same id",
    DuplicateRule "duplicate-rule" Note Warning "The same document stands in two places and is loaded once",
    MissingLevel "missing-level" Warning Error "Without a level the rule counts as medium",
    UnknownLevel "unknown-level" Error Error "The level is none of Sigma's five",
    LevelSpelling "level-spelling" Warning Error "The level is not in lower case, which other tools refuse",
    MissingStatus "missing-status" Note Warning "The rule does not say how mature it is",
    UnknownStatus "unknown-status" Warning Error "The status is none of Sigma's five and is ignored",
    ExperimentalStatus "experimental-status" Note Note "An experimental rule never drives a verdict",
    RetiredStatus "retired-status" Note Warning "A deprecated or unsupported rule is skipped",
    MissingDescription "missing-description" Note Warning "Nothing says what the rule finds and why that matters",
    MissingAuthor "missing-author" Note Note "Nothing says whom to ask about the rule",
    MissingDate "missing-date" Note Warning "Nothing says how old the rule is",
    DateForm "date-form" Warning Error "A date is not a day of the form YYYY-MM-DD",
    ModifiedBeforeDate "modified-before-date" Warning Warning "The rule was changed before it was written",
    MissingName "missing-name" Note Error "A rule over event columns has no name to refer to",
    NameForm "name-form" Warning Error "The name is not <category>_<object>_<verb>, mr_... for a correlation, mf_... for a filter",
    FileName "file-name" Warning Error "The file is not named as its rule",
    MissingRole "missing-role" Note Warning "Without a role a hit counts as a signal, never as a violation",
    MissingTests "missing-tests" Note Note "The rule lacks a test that matches, or one that does not",
    TestsShape "tests-shape" Warning Error "The tests are not of auditmill's shape and do not run",
    MisspeltKey "misspelt-key" Warning Error "A key is nearly one that means something, and is ignored",
    UnknownKey "unknown-key" Note Warning "A key means nothing to auditmill",
    NotAList "not-a-list" Warning Error "A key that holds a list of texts holds something else",
    RelatedForm "related-form" Warning Error "An entry of related is not an id and a type that Sigma knows",
    TagForm "tag-form" Warning Error "A tag is not lower case words nested by dots",
    TagNamespace "tag-namespace" Note Warning "In a rule over event columns, a tag begins with an unknown namespace",
    DuplicateTag "duplicate-tag" Note Warning "A tag is given twice",
    EmptyFalsepositives "empty-falsepositives" Note Warning "The false positives say nothing, such as `none` or `unknown`",

    MissingLogsource "missing-logsource" Warning Error "Without a log source the rule runs on nothing",
    MissingTaxonomy "missing-taxonomy" Warning Error "`product: auditmill` without `taxonomy: auditmill` sees no event column",
    UnknownCategory "unknown-category" Warning Error "The category is none that events have",

    UnusedSelection "unused-selection" Warning Error "A selection is defined and never used by the condition",
    IdenticalSelections "identical-selections" Warning Warning "Two selections are the same",
    PatternFitsOne "pattern-fits-one" Note Note "`1 of` or `all of` with a pattern that fits one selection only",
    ThemMixed "them-mixed" Warning Error "`them` stands beside names of selections, which it holds too",
    RetiredAggregation "retired-aggregation" Error Error "A count behind a pipe, or `timeframe`, is retired; correlations count",
    ImpossibleSelection "impossible-selection" Warning Error "No single value of a field can fit the selection",
    DuplicateValue "duplicate-value" Note Warning "A list holds a value twice",
    NeqAbsent "neq-absent" Note Note "`neq` does not match events without the field",
    AllOneValue "all-one-value" Warning Error "`all` has one value only, which the specification forbids",
    LeadingZero "leading-zero" Warning Error "A number with a leading zero is not quoted; readers of YAML differ on it",
    BooleanWord "boolean-word" Warning Error "yes, no, on or off is not quoted; readers of YAML differ on it",
    EscapedWildcard "escaped-wildcard" Warning Error "A value ends with an escaped wildcard, which stands for a star",
    AnyValue "any-value" Note Note "The value is a wildcard only",
    NeedlessWildcard "needless-wildcard" Note Warning "A wildcard at an end where the modifier leaves it open already",
    RegexLiteral "regex-literal" Note Warning "A regular expression that is plain text, or plain text with an anchor",
    RegexOpenEnds "regex-open-ends" Note Warning "A regular expression with `.*` at an end, which is open anyway",
    HostBits "host-bits" Warning Error "A network is written with host bits, which other tools refuse",
    UndefinedList "undefined-list" Warning Error "A placeholder names a list that is not defined",
    PlaceholderNotExpanded "placeholder-not-expanded" Warning Error "A value looks like a placeholder and its key has no `expand`",
    NoPlaceholder "no-placeholder" Note Warning "`expand` without a placeholder in the value",

    MissingTimespan "missing-timespan" Error Error "A correlation needs a timespan",
    TimeframeKey "timeframe-key" Warning Error "A correlation has `timeframe`; the specification's key is `timespan`",
    CalendarUnit "calendar-unit" Warning Warning "A timespan in weeks, months or years, which tools read differently",
    MissingGroupBy "missing-group-by" Note Note "Without group-by all events are counted together",
    MissingGenerate "missing-generate" Note Note "Without generate, findings of the counted rules may be hidden",
    MedianExtension "median-extension" Note Note "value_median is an extension of the 2.1 specification",
    ReferenceByTitle "reference-by-title" Warning Error "A rule is referred to by its title, which changes",
    AmbiguousReference "ambiguous-reference" Error Error "A reference fits several rules",
    UnresolvedReference "unresolved-reference" Error Error "A reference fits no rule",

    FilterWithoutNot "filter-without-not" Warning Error "A filter's condition is joined by AND: without `not` it keeps only what it names",
    FilterWithoutRules "filter-without-rules" Error Error "A filter must name its rules",
    FilterOnCorrelation "filter-on-correlation" Warning Error "A filter is meant for detections and names a correlation",
    BehaviourShape "behaviour-shape" Warning Error "A behaviour lacks a key or has an unknown type",
    SectionKey "section-key" Warning Error "A key inside logsource, correlation, filter or behaviour means nothing there",
}
