//! What rustc cannot see, or would say worse. Checks judge and change nothing.

mod calls;
mod closures;
mod former;
mod identity;
mod joins;
mod operators;
mod parameters;
mod state;
mod types;
mod usage;

use crate::diagnostics::Diagnostics;
use crate::graph::Graph;

pub(crate) use identity::clashes;
pub(crate) use parameters::subflows_have_their_types;

/// Reports every mistake it can find.
pub(crate) fn check(graph: &Graph, errors: &Diagnostics) {
    usage::every_node_feeds_something(graph, errors);
    usage::every_reader_reads_records(graph, errors);
    usage::every_subflow_is_read(graph, errors);
    usage::no_flow_stands_in_itself(graph, errors);
    operators::clauses_fit_their_operators(graph, errors);
    operators::windows_are_aggregated(graph, errors);
    calls::options_fit_together(graph, errors);
    calls::nothing_waits_outside_of_a_future(graph, errors);
    calls::time_is_set_where_order_is_known(graph, errors);
    operators::wall_clocks_divert_nothing(graph, errors);
    closures::closures_have_the_right_parameters(graph, errors);
    closures::closures_do_not_wait(graph, errors);
    closures::closures_that_look_take_references(graph, errors);
    closures::closures_keep_no_state(graph, errors);
    state::stateful_operators_have_a_key(graph, errors);
    state::windows_and_timers_have_event_time(graph, errors);
    state::event_time_has_a_watermark(graph, errors);
    state::timers_are_heard(graph, errors);
    state::state_is_bounded(graph, errors);
    state::state_fields_have_a_first_value(graph, errors);
    state::sessions_can_merge(graph, errors);
    joins::both_sides_have_one_key(graph, errors);
    joins::windows_of_joins_go_by_event_time(graph, errors);
    joins::both_sides_have_event_time(graph, errors);
    joins::one_thing_bounds_a_join(graph, errors);
    joins::late_records_are_told_once(graph, errors);
    types::state_owns_its_data(graph, errors);
    types::records_own_their_data(graph, errors);
    types::lists_are_vecs(graph, errors);
    types::what_may_be_missing_is_optional(graph, errors);
    types::quantiles_are_fractions(graph, errors);
    types::tops_know_their_records(graph, errors);
    parameters::flows_borrow_nothing(graph, errors);
    parameters::every_parameter_is_used(graph, errors);
    parameters::parameters_are_named_as_nothing_else(graph, errors);
    parameters::types_of_subflows_are_written(graph, errors);
    identity::one_state_for_each_name(graph, errors);
    identity::generated_names_are_free(graph, errors);
    identity::ports_are_distinct(graph, errors);
    identity::record_fields_are_distinct(graph, errors);
    former::former_names_are_of_state(graph, errors);
    former::former_names_lead_to_one_node(graph, errors);
    former::former_names_lead_to_one_field(graph, errors);
    former::migrations_read_no_params(graph, errors);
    crate::tables::check::check(graph, errors);
}
