//! What the README shows works as it stands there.

use crate::common::{Place, project};

/// The YAML blocks of the README.
fn blocks() -> Vec<String> {
    let text = std::fs::read_to_string(project().join("README.md")).expect("the README");
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

#[test]
fn every_rule_of_the_readme_loads_beside_the_pack() {
    let rules: Vec<String> = blocks().into_iter().filter(|b| b.starts_with("title:")).collect();
    assert!(rules.len() >= 3, "{} rules", rules.len());
    for rule in rules {
        let place = Place::new();
        place.write("rule.yml", &rule);
        place.run(&["rules", "list", "--rules", "default", "--rules", "rule.yml"]).exits(0);
    }
}

#[test]
fn every_pipeline_of_the_readme_is_one() {
    let pipelines: Vec<String> = blocks().into_iter().filter(|b| b.contains("transformations:")).collect();
    assert!(!pipelines.is_empty());
    for pipeline in pipelines {
        let place = Place::new();
        place.write("pipeline.yml", &pipeline);
        place.run(&["rules", "list", "--pipeline", "pipeline.yml"]).exits(0);
    }
}
