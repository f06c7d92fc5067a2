//! The repository keeps the rules of its structure; each rule is tested on made-up trees in `sluicegate_tests::layout`.

use sluicegate_tests::layout::{self, Breach, Tree};

fn holds(rule: fn(&Tree) -> Vec<Breach>) {
    let breaches = rule(&Tree::of_repository());
    let list: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "\n{}", list.join("\n"));
}

#[test]
fn imports_go_one_way() {
    holds(layout::imports_go_one_way);
}

#[test]
fn every_file_is_reached() {
    holds(layout::every_file_is_reached);
}

#[test]
fn one_name_everywhere() {
    holds(layout::one_name_everywhere);
}

#[test]
fn files_hold_one_idea() {
    holds(layout::files_hold_one_idea);
}

#[test]
fn nothing_is_left_over() {
    holds(layout::nothing_is_left_over);
}

#[test]
fn nothing_names_its_surroundings() {
    holds(layout::nothing_names_its_surroundings);
}
