//! Runs the models.

#[test]
fn places_are_never_overdrawn() {
    sluicegate_loom::places_are_never_overdrawn();
}

#[test]
fn a_place_of_an_earlier_phase_is_gone() {
    sluicegate_loom::a_place_of_an_earlier_phase_is_gone();
}

#[test]
fn a_new_round_has_its_places() {
    sluicegate_loom::a_new_round_has_its_places();
}

#[test]
fn one_of_two_is_ejected() {
    sluicegate_loom::one_of_two_is_ejected();
}

#[test]
fn what_is_worked_out_is_never_old() {
    sluicegate_loom::what_is_worked_out_is_never_old();
}
