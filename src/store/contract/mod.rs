//! What every store must do. Another store runs all of it with one line: `contract::suite!(fresh)`, where `fresh()`
//! answers something with an empty store in its field `store`.

pub(super) mod audit;
pub(super) mod changes;
pub(super) mod keys;
pub(super) mod lists;
pub(super) mod records;
pub(super) mod retention;
pub(super) mod sample;
pub(super) mod usage;

/// Makes a test of each promise.
macro_rules! suite {
    ($fresh:path) => {
        crate::store::contract::suite! { @ $fresh;
            keys: found_by_every_name names_are_free_again live_name_wins deleted_keys_leave_a_tombstone
                owners_have_bounds owners_must_exist counts_and_foreign_shapes suggestions;
            changes: all_or_nothing versions_are_compared later_changes_see_earlier_ones revisions_grow
                idempotency_keys_keep_others_out;
            lists: pages_are_complete_and_in_order cursors_belong_to_their_list filters_narrow
                status_is_that_of_the_model pages_stay_true_when_rows_go;
            records: owners_are_unique owners_are_found owners_in_use_stay documents_are_kept documents_in_use_stay;
            audit: every_change_is_recorded targets_are_found chain_verifies record_only;
            usage: totals_and_last_use buckets_and_groups spans_without_buckets keys_alone rows_are_bounded
                counters_are_replaced;
            retention: old_usage_goes audit_goes_from_the_start tombstones_and_totals_go addresses_are_cut
                nothing_to_do_is_not_recorded;
        }
    };
    (@ $fresh:path; $($module:ident: $($name:ident)*;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $name() {
                let fresh = $fresh();
                crate::store::contract::$module::$name(&fresh.store).await;
            })*
        })*
    };
}
pub(super) use suite;
