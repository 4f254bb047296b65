//! The decisions of RULES.md, sections 2 and 6, row by row, and the tests that hold each of them. What is named here is a test
//! of this folder; where the table itself is at hand, each of its rows is named here.

use crate::common::{project, skipped};
use crate::engine::exceptions::exceptions;
use std::collections::{BTreeMap, BTreeSet};

/// First cell of each row of section 2, and its tests.
const SEMANTICS: &[(&str, &[&str])] = &[
    ("`f: null`", &["null_is_absent_or_null_and_nothing_else", "an_empty_csv_cell_and_an_unmapped_column_are_absent"]),
    ("null in a list; `f: []`, `neq: []`", &["null_in_a_list_and_empty_lists_are_refused"]),
    ("`exists` on null", &["exists_means_present_even_when_null"]),
    ("`exists: 'False'`, `0`, list", &["exists_takes_a_boolean_only"]),
    ("`neq`, absent vs null", &["neq_misses_what_is_absent_and_hits_null"]),
    ("arrays", &["an_array_is_any_of_its_elements"]),
    ("fieldref", &["fieldref_takes_any_element_of_both_sides_and_never_null", "fieldref_relates_any_element_of_both_sides"]),
    ("objects", &["an_object_is_seen_by_exists_alone"]),
    ("paths", &["a_flat_key_wins_over_the_path", "a_path_is_reached_under_every_split_of_its_dots", "field_names_are_case_sensitive"]),
    ("case folding", &["case_is_folded_character_by_character_with_and_without_wildcards"]),
    ("numbers", &["numbers_are_compared_exactly_and_by_json_grammar", "a_number_that_is_written_as_text_is_compared_as_its_kind_of_matcher_says"]),
    ("booleans, YAML 1.1/1.2", &["booleans_as_logs_spell_them_and_yaml_1_2", "null_takes_no_modifier_but_neq"]),
    (
        "wildcards, escapes",
        &["a_wildcard_is_any_character_even_a_line_break", "a_backslash_escapes_a_wildcard", "wildcards_cover_what_their_definition_covers"],
    ),
    ("`re`", &["a_regular_expression_is_unanchored_cased_and_linear"]),
    ("keywords", &["keywords_look_at_every_scalar_leaf", "keywords_look_into_every_leaf_and_at_no_key"]),
    ("`all` with one value", &["all_with_one_value_is_one_value_in_a_rule_of_others_and_in_none_of_ours", "each_exception_is_one"]),
    ("`cidr`", &["cidr_takes_bare_addresses_and_mapped_ones"]),
    ("windash", &["windash_takes_all_five_dashes_and_keeps_wildcards", "windash_takes_each_dash_for_any_other"]),
    (
        "base64(offset), modifier order",
        &[
            "encodings_are_of_the_text_and_of_nothing_else",
            "base64offset_finds_a_text_at_each_of_three_places",
            "modifiers_in_an_order_that_would_mean_something_else_are_refused",
            "encoded_texts_are_found_as_their_definition_says",
        ],
    ),
    ("`expand`", &["an_unset_list_makes_a_rule_not_assessable_and_no_match", "a_list_takes_the_place_of_its_placeholder", "a_list_is_its_entries_written_out"]),
    ("time parts", &["parts_of_a_time_are_in_utc_and_can_be_compared", "parts_of_a_time_compare_like_numbers"]),
    (
        "conditions",
        &[
            "a_pattern_or_name_that_fits_no_selection_is_an_error",
            "hidden_selections_stay_hidden_from_patterns",
            "a_pattern_is_a_full_glob",
            "a_count_of_selections",
            "timeframe_and_pipes_are_refused",
            "several_conditions_are_joined_by_or",
            "conditions_bind_as_the_specification_says",
        ],
    ),
    (
        "correlation condition",
        &[
            "temporal_wants_every_rule_within_the_timespan",
            "limits_below_zero_and_with_a_fraction_are_numbers",
            "upper_bounds_judge_maximal_windows_only",
            "what_says_nothing_clear_is_refused",
        ],
    ),
    ("window", &["both_borders_of_a_window_are_inside_to_the_microsecond", "events_of_one_instant_are_inside_together"]),
    ("lt/lte/eq/neq", &["upper_bounds_judge_maximal_windows_only", "no_event_never_fires", "only_windows_that_no_other_contains_are_judged"]),
    (
        "group-by null",
        &[
            "a_null_key_is_a_value_unless_all_keys_are_null",
            "events_without_a_group_are_counted_in_the_output",
            "an_array_among_the_keys_counts_in_each_group",
            "an_event_without_a_group_is_left_out_once_however_many_rules_it_matches",
        ],
    ),
    (
        "value_count, sum, avg, percentile",
        &[
            "value_count_counts_neither_null_nor_absent",
            "several_counted_fields_are_one_tuple",
            "figures_are_what_arithmetic_says",
            "no_number_no_result",
            "what_a_figure_needs_is_asked_for",
        ],
    ),
    (
        "temporal",
        &["temporal_wants_every_rule_within_the_timespan", "ordered_wants_distinct_rows_in_order", "rows_of_one_instant_are_in_order_wherever_they_stand"],
    ),
    (
        "chains, aliases",
        &[
            "a_parent_groups_by_what_the_childs_rows_hold",
            "the_group_of_a_parent_may_be_a_field_that_the_child_does_not_group_by",
            "an_alias_is_another_field_in_each_rule",
            "an_alias_names_a_field_for_every_rule",
        ],
    ),
    ("generate", &["three_hits_of_a_base_and_no_correlation_are_counted", "a_users_correlation_does_not_silence_a_high_rule", "generate_shows_the_bases_too"]),
    (
        "filters",
        &[
            "what_a_negated_filter_selects_is_hidden",
            "a_filter_is_taken_by_the_letter",
            "a_filter_names_its_rules",
            "a_filter_on_a_correlation_is_never_ignored",
            "generated_filters_hide_what_their_own_condition_hides",
        ],
    ),
];

/// Beginning of each entry of section 6, and its tests.
const LOADING: &[(&str, &[&str])] = &[
    ("A rule applies to a source if", &["a_rule_runs_on_the_sources_that_its_logsource_names", "a_service_and_a_category_are_of_one_declaration"]),
    (
        "References: id before name before title",
        &[
            "bases_are_found_by_id_then_name_then_title",
            "a_title_means_the_rule_of_its_own_file_first",
            "an_id_means_more_than_a_name_and_a_name_more_than_a_title",
        ],
    ),
    (
        "Same id and same content twice",
        &[
            "the_same_rule_twice_is_loaded_once_and_another_of_its_id_is_refused",
            "a_copy_of_a_rule_is_said_to_be_one",
            "two_rules_of_one_id_are_an_error_that_names_both_files",
        ],
    ),
    (
        "In a folder of rules, one that does not load",
        &["in_a_folder_a_bad_document_costs_only_itself", "a_rule_file_that_is_named_must_load", "what_is_not_a_rule_is_called_so"],
    ),
    (
        "One burst is one finding",
        &[
            "windows_that_share_an_event_are_one_burst_and_a_gap_starts_another",
            "deprecated_and_unsupported_rules_are_skipped_and_counted",
            "a_status_decides_what_runs",
        ],
    ),
    (
        "`timespan`: s m h d",
        &["a_timespan_has_every_unit_of_the_specification", "windows_of_another_kind_are_refused_by_name", "members_of_an_array_are_tested_one_by_one"],
    ),
    ("Rules without id get a stable one", &["a_rule_without_id_or_level_gets_stable_ones", "a_rule_without_an_id_keeps_its_own_wherever_it_stands"]),
    ("`tests:` in a foreign pack", &["another_tools_tests_are_not_ours_to_judge"]),
    ("Rule governance for auditors", &["a_report_names_the_rules_by_their_hash_and_says_what_is_weaker"]),
];

/// Every test of this folder: the function after each `#[test]`.
fn tests() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in walkdir::WalkDir::new(project().join("tests")).into_iter().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "rs")) {
        let text = std::fs::read_to_string(entry.path()).expect("a text file");
        for after in text.split("#[test]\n").skip(1) {
            let name = after.lines().find_map(|l| l.trim().strip_prefix("fn ")).and_then(|l| l.split('(').next());
            out.extend(name.map(str::to_owned));
        }
    }
    out
}

#[test]
fn each_row_names_tests_that_are_there() {
    let there = tests();
    assert!(there.len() > 100, "{}", there.len());
    for (row, names) in SEMANTICS.iter().chain(LOADING) {
        assert!(!names.is_empty(), "{row} has no test");
        for name in *names {
            assert!(there.contains(*name), "{row}: no test is called {name}");
        }
    }
}

#[test]
fn each_row_of_the_decisions_is_named() {
    let path = project().join("../shared/RULES.md");
    let Ok(text) = std::fs::read_to_string(path) else { return skipped("../shared/RULES.md is not here") };
    let section = |number: &str| -> String {
        let start = text.find(&format!("\n## {number}. ")).unwrap_or_else(|| panic!("no section {number}"));
        let rest = &text[start + 1..];
        rest[..rest[1..].find("\n## ").map_or(rest.len(), |end| end + 1)].to_owned()
    };
    let rows: Vec<String> =
        section("2").lines().filter(|l| l.starts_with("| ")).skip(1).filter_map(|l| Some(l.split(" | ").next()?.trim_start_matches("| ").to_owned())).collect();
    let named: BTreeMap<&str, _> = SEMANTICS.iter().copied().collect();
    assert!(rows.len() > 25, "{rows:?}");
    for row in &rows {
        assert!(named.contains_key(row.as_str()), "the row `{row}` has no test");
    }
    assert_eq!(rows.len(), SEMANTICS.len(), "a row that is no longer there");
    let entries: Vec<String> = section("6").lines().filter_map(|l| l.strip_prefix("- ")).map(str::to_owned).collect();
    for entry in &entries {
        assert!(LOADING.iter().any(|(begins, _)| entry.starts_with(begins)), "the entry `{entry}` has no test");
    }
    assert_eq!(entries.len(), LOADING.len(), "{entries:?}");
}

#[test]
fn each_exception_belongs_to_a_row() {
    let words: Vec<&str> = SEMANTICS.iter().map(|(row, _)| *row).collect();
    for e in exceptions() {
        // The errors of the oracle are lettered in section 1.
        let known = e.row.starts_with("the oracle (") || words.iter().any(|w| w.replace('`', "").starts_with(&e.row));
        assert!(known, "{}: no row is called `{}`", e.id, e.row);
    }
}
