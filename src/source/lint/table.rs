//! The one table of checks of mapping files: the command's list, the page and the tests walk it.

use crate::rule::lint::{Severity, checks};

// Columns: id, severity, severity in the built-in mappings, what is wrong when it fires.
checks! {
    /// A check of mapping files.
    NotLoaded "not-loaded" Error Error "The file does not load; the reason is the loader's own",
    UnknownKey "unknown-key" Error Error "A key means nothing at its place",
    MissingKey "missing-key" Error Error "A key without which a mapping cannot be is missing",

    MissingTitle "missing-title" Error Error "A mapping needs a title, which every output shows",
    IdForm "id-form" Warning Error "The id is not lower case words joined by underscores",
    IdReused "id-reused" Error Error "Another mapping has the same id",
    MissingLogsource "missing-logsource" Error Error "Without a log source no public rule sees the records",

    WeakDetect "weak-detect" Warning Warning "An alternative of detect asks for so little that records of other systems fit",
    SameDetect "same-detect" Warning Error "Two mappings have the same alternative of detect",

    UnknownColumn "unknown-column" Error Error "A name is not an event column, or is one that auditmill fills itself",
    PathForm "path-form" Error Error "A path has an empty part or a bracket that is not [number] or [key=value]",
    Regex "regex" Error Error "A regular expression cannot be read, or has no group to capture",
    TimeFormat "time-format" Error Error "A time format or zone is unknown",
    UnknownConversion "unknown-conversion" Error Error "A conversion of `as` is unknown",
    ColumnValue "column-value" Warning Error "A column gets a text that it may not have, such as `ok` as a status",
    UnreachableExpression "unreachable-expression" Warning Error "An expression stands behind one that is always set",
    EmptyColumn "empty-column" Note Note "A column that most sources fill (user, action, ip) is never filled",

    UnknownActivity "unknown-activity" Warning Error "An activity is not in activities.yml",
    CategoryDiffers "category-differs" Warning Warning "An entry's category is none that activities.yml gives its activity",
    UnknownCategory "unknown-category" Error Error "A category is none that events have",
    SameName "same-name" Warning Error "Two names of the activity map are the same without case and blanks at the ends",
    UnreachableEntry "unreachable-entry" Warning Error "An entry of the activity map can never be reached",

    DurationForm "duration-form" Error Error "A length of time is not a number with s, m, h, d or w",
    MissingTests "missing-tests" Note Warning "The mapping has no tests",
    TestsShape "tests-shape" Error Error "An entry of tests is not an event with the columns expected of it",
}
