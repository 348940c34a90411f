//! The numbered statements of both standards, and where each is shown.
//!
//! A statement stands in the list by its number; what it says is in the standards (appendix B of both). Whoever adds a
//! statement or takes a test away makes this fail.

use crate::{connecting as c, publishing as p, subscribing as s};
use std::collections::BTreeMap;

/// Where a statement is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// By these tests.
    By(&'static [fn()]),
    /// Not here, because.
    Not(&'static str),
}
use Shown::{By, Not};

const CODEC: &str = "which bytes are a packet is decided by the codec, in fleetproof-wire";
const CLIENT: &str = "a duty of clients";
const QOS_2: &str = "there is no QoS 2: who uses it is refused (contract: QoS 0 and 1 only)";
const NO_TEXT: &str =
    "the server sends neither reason strings nor user properties of its own; all its CONNACKs are shown without";
const AUTH: &str = "there is no AUTH packet: who names a method is refused";
const STREAMS: &str =
    "streams and their closing belong to the owner of the broker; the broker says which are to be closed";
const RESENT: &str = "AWS sends again as a new packet, under another packet id and without DUP (contract 2.3); that it is sent again is shown";
const IDENTIFIERS: &str = "subscription identifiers are not supported (contract 2.3): who sends one is refused";

/// Sections of 3.1.1 and how many statements each has.
const SECTIONS_311: &[(&str, u32)] = &[
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.2.0", 1),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 1),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
];

const ROWS_311: &[(&str, Shown)] = &[
    ("1.5.3-1 1.5.3-2 1.5.3-3 2.2.2-1 2.2.2-2", Not(CODEC)),
    ("2.3.1-1", By(&[p::a_message_is_acknowledged_each_time, p::packet_ids_in_use_are_not_used_again])),
    ("2.3.1-2 2.3.1-3", Not(CLIENT)),
    ("2.3.1-4", By(&[p::packet_ids_in_use_are_not_used_again])),
    ("2.3.1-5", Not(CODEC)),
    ("2.3.1-6", By(&[p::a_message_is_acknowledged_each_time])),
    ("2.3.1-7", By(&[s::each_filter_has_its_answer, s::unsubscribing_stops_new_messages_only])),
    ("3.1.0-1", By(&[c::nothing_comes_before_connect])),
    ("3.1.0-2", By(&[c::a_second_connect_ends_the_connection])),
    ("3.1.2-1 3.1.2-2 3.1.2-3", Not(CODEC)),
    ("3.1.2-4", By(&[c::a_session_goes_on])),
    ("3.1.2-5", By(&[c::a_session_goes_on])),
    ("3.1.2-6", By(&[c::a_clean_start_forgets])),
    ("3.1.2-7", By(&[c::a_clean_start_forgets, p::a_retained_message_is_replaced_and_cleared])),
    ("3.1.2-8", By(&[c::a_will_is_said_when_the_connection_breaks])),
    ("3.1.2-9", Not(CODEC)),
    ("3.1.2-10", By(&[c::a_goodbye_takes_the_will_along])),
    ("3.1.2-11 3.1.2-13 3.1.2-14 3.1.2-15", Not(CODEC)),
    ("3.1.2-12", By(&[c::a_goodbye_takes_the_will_along])),
    ("3.1.2-16 3.1.2-17", By(&[c::a_will_is_retained_as_it_says])),
    ("3.1.2-18 3.1.2-19 3.1.2-20 3.1.2-21 3.1.2-22", Not(CODEC)),
    ("3.1.2-23", Not(CLIENT)),
    ("3.1.2-24", By(&[c::silence_ends_a_connection])),
    ("3.1.3-1 3.1.3-3 3.1.3-4 3.1.3-10 3.1.3-11", Not(CODEC)),
    ("3.1.3-2", By(&[c::a_session_goes_on])),
    ("3.1.3-5", By(&[c::ordinary_client_ids_are_taken])),
    ("3.1.3-6 3.1.3-8", By(&[c::an_empty_client_id_becomes_one_of_its_own])),
    ("3.1.3-7", Not(CLIENT)),
    ("3.1.3-9", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.1.4-1", Not(CODEC)),
    ("3.1.4-2", By(&[c::a_newer_connection_ends_the_older_one])),
    ("3.1.4-3", By(&[c::a_clean_start_forgets, c::a_session_goes_on])),
    ("3.1.4-4", By(&[c::connack_comes_first_and_once])),
    ("3.1.4-5", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.2.0-1", By(&[c::connack_comes_first_and_once])),
    ("3.2.2-1", By(&[c::a_clean_start_forgets])),
    ("3.2.2-2 3.2.2-3", By(&[c::a_session_goes_on])),
    ("3.2.2-4 3.2.2-5", By(&[c::who_is_refused_is_told_and_closed])),
    (
        "3.2.2-6",
        Not(
            "AWS answers 7, which the standard leaves unnamed, to who is not allowed in (contract 2.1); the other codes are the standard's",
        ),
    ),
    ("3.3.1-1", Not(RESENT)),
    ("3.3.1-2 3.3.1-3", By(&[p::dup_is_each_senders_own])),
    ("3.3.1-4", Not(CODEC)),
    ("3.3.1-5 3.3.1-7 3.3.1-10 3.3.1-11 3.3.1-12", By(&[p::a_retained_message_is_replaced_and_cleared])),
    ("3.3.1-6 3.3.1-8 3.3.1-9", By(&[p::a_new_subscriber_gets_what_is_retained])),
    ("3.3.2-1", Not(CODEC)),
    ("3.3.2-2", By(&[p::a_topic_with_wildcards_ends_the_connection])),
    ("3.3.2-3", By(&[p::overlapping_subscriptions_give_the_best_qos])),
    ("3.3.4-1", By(&[p::a_message_is_acknowledged_each_time])),
    ("3.3.5-1", By(&[p::overlapping_subscriptions_give_the_best_qos])),
    ("3.3.5-2", By(&[p::who_may_not_publish_is_told_or_closed])),
    ("3.6.1-1", Not(QOS_2)),
    ("3.8.1-1 3.8.3-1 3.8.3-4", Not(CODEC)),
    ("3.8.3-2", By(&[s::filters_are_well_formed_or_fail])),
    ("3.8.3-3", By(&[s::empty_requests_are_faults])),
    ("3.8.4-1 3.8.4-2 3.8.4-4 3.8.4-5", By(&[s::each_filter_has_its_answer])),
    ("3.8.4-3", By(&[s::a_subscription_is_replaced, p::a_new_subscriber_gets_what_is_retained])),
    ("3.8.4-6", By(&[s::qos_is_the_lower_of_both])),
    ("3.9.3-1", By(&[s::each_filter_has_its_answer])),
    ("3.9.3-2", By(&[s::each_filter_has_its_answer, s::filters_are_well_formed_or_fail])),
    ("3.10.1-1 3.10.3-1", Not(CODEC)),
    ("3.10.3-2", By(&[s::empty_requests_are_faults])),
    ("3.10.4-1 3.10.4-2 3.10.4-3 3.10.4-4 3.10.4-5 3.10.4-6", By(&[s::unsubscribing_stops_new_messages_only])),
    ("3.12.4-1", By(&[s::a_ping_is_answered])),
    ("3.14.1-1", Not(CODEC)),
    ("3.14.4-1 3.14.4-2", Not(CLIENT)),
    ("3.14.4-3", By(&[c::a_goodbye_takes_the_will_along])),
    ("4.1.0-1", By(&[c::a_session_ends_in_time])),
    ("4.1.0-2", By(&[c::a_session_goes_on])),
    ("4.2.0-1", Not(STREAMS)),
    ("4.3.1-1", By(&[p::dup_is_each_senders_own])),
    (
        "4.3.2-1",
        By(&[
            p::packet_ids_in_use_are_not_used_again,
            p::dup_is_each_senders_own,
            p::what_was_not_acknowledged_comes_again_in_order,
        ]),
    ),
    ("4.3.2-2", By(&[p::a_message_is_acknowledged_each_time])),
    ("4.3.3-1 4.3.3-2", Not(QOS_2)),
    ("4.4.0-1", Not(RESENT)),
    ("4.5.0-1", By(&[p::every_matching_session_gets_a_message])),
    ("4.6.0-1 4.6.0-3 4.6.0-4", Not("the order in which clients send, and that of QoS 2")),
    ("4.6.0-2", By(&[p::acknowledgements_keep_their_order])),
    ("4.6.0-5 4.6.0-6", By(&[p::messages_keep_their_order])),
    ("4.7.1-1", By(&[p::a_topic_with_wildcards_ends_the_connection])),
    ("4.7.1-2 4.7.1-3", By(&[s::filters_are_well_formed_or_fail])),
    ("4.7.2-1", By(&[s::wildcards_do_not_reach_reserved_topics])),
    ("4.7.3-1 4.7.3-2", By(&[s::filters_are_well_formed_or_fail, p::a_topic_with_wildcards_ends_the_connection])),
    ("4.7.3-3", Not(CODEC)),
    ("4.7.3-4", By(&[s::topics_are_taken_as_they_are])),
    ("4.8.0-1", By(&[p::a_topic_with_wildcards_ends_the_connection, s::empty_requests_are_faults])),
    ("4.8.0-2", Not(CODEC)),
    ("6.0.0-1 6.0.0-2 6.0.0-3 6.0.0-4", Not(STREAMS)),
];

/// Sections of 5.0 and how many statements each has.
const SECTIONS_5: &[(&str, u32)] = &[
    ("1.5.4", 3),
    ("1.5.5", 1),
    ("1.5.7", 1),
    ("2.1.3", 1),
    ("2.2.1", 6),
    ("2.2.2", 1),
    ("3.1.0", 2),
    ("3.1.2", 30),
    ("3.1.3", 12),
    ("3.1.4", 6),
    ("3.2.0", 2),
    ("3.2.2", 22),
    ("3.3.1", 13),
    ("3.3.2", 20),
    ("3.3.4", 10),
    ("3.4.2", 3),
    ("3.5.2", 3),
    ("3.6.1", 1),
    ("3.6.2", 3),
    ("3.7.2", 3),
    ("3.8.1", 1),
    ("3.8.3", 5),
    ("3.8.4", 8),
    ("3.9.2", 2),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.11.2", 2),
    ("3.11.3", 2),
    ("3.12.4", 1),
    ("3.14.0", 1),
    ("3.14.1", 1),
    ("3.14.2", 4),
    ("3.14.4", 3),
    ("3.15.1", 1),
    ("3.15.2", 3),
    ("4.1.0", 2),
    ("4.2", 1),
    ("4.3.1", 1),
    ("4.3.2", 5),
    ("4.3.3", 13),
    ("4.4.0", 2),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.0", 1),
    ("4.7.1", 2),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.2", 6),
    ("4.9.0", 3),
    ("4.12.0", 7),
    ("4.12.1", 2),
    ("4.13.1", 1),
    ("4.13.2", 1),
    ("6.0.0", 4),
];

const ROWS_5: &[(&str, Shown)] = &[
    ("1.5.4-1 1.5.4-2 1.5.4-3 1.5.5-1 1.5.7-1 2.1.3-1 2.2.1-2 2.2.2-1", Not(CODEC)),
    ("2.2.1-1", Not("no statement has this number")),
    ("2.2.1-3", Not(CLIENT)),
    ("2.2.1-4", By(&[p::packet_ids_in_use_are_not_used_again])),
    ("2.2.1-5", By(&[p::a_message_is_acknowledged_each_time])),
    ("2.2.1-6", By(&[s::each_filter_has_its_answer, s::unsubscribing_stops_new_messages_only])),
    ("3.1.0-1", By(&[c::nothing_comes_before_connect])),
    ("3.1.0-2", By(&[c::a_second_connect_ends_the_connection])),
    ("3.1.2-1 3.1.2-2 3.1.2-3", Not(CODEC)),
    ("3.1.2-4", By(&[c::a_clean_start_forgets])),
    ("3.1.2-5 3.1.2-6", By(&[c::a_session_goes_on])),
    (
        "3.1.2-7 3.1.2-8",
        By(&[c::a_will_is_said_when_the_connection_breaks, c::a_will_waits_and_is_forgotten_on_return]),
    ),
    ("3.1.2-9 3.1.2-11 3.1.2-12 3.1.2-13", Not(CODEC)),
    ("3.1.2-10", By(&[c::a_goodbye_takes_the_will_along, c::a_will_is_said_when_the_connection_breaks])),
    ("3.1.2-14 3.1.2-15", By(&[c::a_will_is_retained_as_it_says])),
    ("3.1.2-16 3.1.2-17 3.1.2-18 3.1.2-19", Not(CODEC)),
    ("3.1.2-20 3.1.2-21 3.1.2-30", Not(CLIENT)),
    ("3.1.2-22", By(&[c::silence_ends_a_connection])),
    ("3.1.2-23", By(&[c::a_session_goes_on, c::a_session_ends_in_time])),
    ("3.1.2-24 3.1.2-25", By(&[c::packets_are_no_larger_than_the_client_takes])),
    ("3.1.2-26 3.1.2-27", By(&[c::aliases_are_no_more_than_the_client_takes])),
    ("3.1.2-28 3.1.2-29", By(&[c::an_answer_says_only_what_was_asked])),
    ("3.1.3-1 3.1.3-3 3.1.3-4 3.1.3-11 3.1.3-12", Not(CODEC)),
    ("3.1.3-2", By(&[c::a_session_goes_on])),
    ("3.1.3-5", By(&[c::ordinary_client_ids_are_taken])),
    ("3.1.3-6 3.1.3-7", By(&[c::an_empty_client_id_becomes_one_of_its_own])),
    ("3.1.3-8", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.1.3-9", By(&[c::a_will_waits_and_is_forgotten_on_return])),
    ("3.1.3-10", By(&[c::a_wills_properties_stay_in_order])),
    ("3.1.4-1", Not(CODEC)),
    ("3.1.4-2 3.1.4-6", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.1.4-3", By(&[c::a_newer_connection_ends_the_older_one])),
    ("3.1.4-4", By(&[c::a_clean_start_forgets])),
    ("3.1.4-5 3.2.0-1 3.2.0-2", By(&[c::connack_comes_first_and_once])),
    ("3.2.2-1", Not(CODEC)),
    ("3.2.2-2", By(&[c::a_clean_start_forgets])),
    ("3.2.2-3", By(&[c::a_session_goes_on])),
    ("3.2.2-4 3.2.2-5 3.2.2-11 3.2.2-14 3.2.2-15 3.2.2-17 3.2.2-18 3.2.2-21", Not(CLIENT)),
    ("3.2.2-6 3.2.2-7 3.2.2-8", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.2.2-9 3.2.2-10 3.2.2-12", By(&[c::qos_2_is_not_taken_and_not_granted])),
    ("3.2.2-13", Not("retained messages are supported")),
    ("3.2.2-16", By(&[c::an_empty_client_id_becomes_one_of_its_own])),
    ("3.2.2-19 3.2.2-20", Not(NO_TEXT)),
    ("3.2.2-22", By(&[c::a_keep_alive_within_the_limits_is_the_clients, c::silence_ends_a_connection])),
    ("3.3.1-1", Not(RESENT)),
    ("3.3.1-2 3.3.1-3", By(&[p::dup_is_each_senders_own])),
    ("3.3.1-4", Not(CODEC)),
    ("3.3.1-5 3.3.1-6 3.3.1-7 3.3.1-8", By(&[p::a_retained_message_is_replaced_and_cleared])),
    ("3.3.1-9", By(&[p::a_new_subscriber_gets_what_is_retained, p::retain_handling])),
    ("3.3.1-10 3.3.1-11", By(&[p::retain_handling])),
    ("3.3.1-12 3.3.1-13", By(&[p::retain_as_published])),
    ("3.3.2-1 3.3.2-13 3.3.2-19", Not(CODEC)),
    ("3.3.2-2", By(&[p::a_topic_with_wildcards_ends_the_connection])),
    ("3.3.2-3", By(&[p::overlapping_subscriptions_give_the_best_qos])),
    (
        "3.3.2-4 3.3.2-15 3.3.2-16 3.3.2-17 3.3.2-18 3.3.2-20",
        By(&[p::what_version_5_says_about_a_message_is_passed_on]),
    ),
    ("3.3.2-5 3.3.2-6", By(&[p::expiry_counts_while_a_message_waits])),
    ("3.3.2-7 3.3.2-12", By(&[p::aliases_belong_to_one_connection])),
    ("3.3.2-8 3.3.2-11", By(&[c::aliases_are_no_more_than_the_client_takes, p::aliases_belong_to_one_connection])),
    ("3.3.2-9 3.3.2-10", Not(CLIENT)),
    ("3.3.2-14", By(&[p::a_response_topic_is_one_topic])),
    ("3.3.4-1", By(&[p::a_message_is_acknowledged_each_time])),
    ("3.3.4-2", By(&[p::overlapping_subscriptions_give_the_best_qos])),
    ("3.3.4-3 3.3.4-4 3.3.4-5", Not(IDENTIFIERS)),
    ("3.3.4-6", By(&[p::subscription_identifiers_are_not_the_clients_to_send])),
    ("3.3.4-7 3.3.4-8", Not(CLIENT)),
    ("3.3.4-9 3.3.4-10", By(&[p::no_more_is_sent_than_the_client_takes])),
    ("3.4.2-1", By(&[p::a_message_is_acknowledged_each_time, p::who_may_not_publish_is_told_or_closed])),
    ("3.4.2-2 3.4.2-3", Not(NO_TEXT)),
    ("3.5.2-1 3.5.2-2 3.5.2-3 3.6.1-1 3.6.2-1 3.6.2-2 3.6.2-3 3.7.2-1 3.7.2-2 3.7.2-3", Not(QOS_2)),
    ("3.8.1-1 3.8.3-1 3.8.3-5", Not(CODEC)),
    ("3.8.3-2", By(&[s::empty_requests_are_faults])),
    ("3.8.3-3", By(&[p::no_local])),
    ("3.8.3-4", By(&[s::what_is_not_supported_is_said])),
    ("3.8.4-1 3.8.4-2 3.8.4-5 3.8.4-6 3.8.4-7", By(&[s::each_filter_has_its_answer])),
    ("3.8.4-3", By(&[s::a_subscription_is_replaced])),
    ("3.8.4-4", By(&[s::a_subscription_is_replaced, p::retain_handling])),
    ("3.8.4-8", By(&[s::qos_is_the_lower_of_both])),
    ("3.9.2-1 3.9.2-2", Not(NO_TEXT)),
    ("3.9.3-1", By(&[s::each_filter_has_its_answer])),
    ("3.9.3-2", By(&[s::each_filter_has_its_answer, s::filters_are_well_formed_or_fail])),
    ("3.10.1-1 3.10.3-1", Not(CODEC)),
    ("3.10.3-2", By(&[s::empty_requests_are_faults])),
    ("3.10.4-1 3.10.4-2 3.10.4-3 3.10.4-4 3.10.4-5 3.10.4-6", By(&[s::unsubscribing_stops_new_messages_only])),
    ("3.11.2-1 3.11.2-2", Not(NO_TEXT)),
    ("3.11.3-1 3.11.3-2", By(&[s::unsubscribing_stops_new_messages_only])),
    ("3.12.4-1", By(&[s::a_ping_is_answered])),
    ("3.14.0-1", By(&[c::who_is_refused_is_told_and_closed])),
    ("3.14.1-1", Not(CODEC)),
    ("3.14.2-1 3.14.2-2", By(&[c::after_the_end_nothing_is_sent])),
    ("3.14.2-3 3.14.2-4", Not(NO_TEXT)),
    ("3.14.4-1", By(&[c::after_the_end_nothing_is_sent])),
    ("3.14.4-2", Not(STREAMS)),
    ("3.14.4-3", By(&[c::a_goodbye_takes_the_will_along])),
    ("3.15.1-1 3.15.2-1 3.15.2-2 3.15.2-3", Not(AUTH)),
    ("4.1.0-1 4.1.0-2", By(&[c::a_session_ends_in_time, c::a_goodbye_can_change_when_a_session_ends])),
    ("4.2-1", Not(STREAMS)),
    ("4.3.1-1", By(&[p::dup_is_each_senders_own])),
    ("4.3.2-1", By(&[p::packet_ids_in_use_are_not_used_again])),
    ("4.3.2-2", By(&[p::dup_is_each_senders_own])),
    ("4.3.2-3", By(&[p::what_was_not_acknowledged_comes_again_in_order, p::no_more_is_sent_than_the_client_takes])),
    ("4.3.2-4 4.3.2-5", By(&[p::a_message_is_acknowledged_each_time])),
    (
        "4.3.3-1 4.3.3-2 4.3.3-3 4.3.3-4 4.3.3-5 4.3.3-6 4.3.3-7 4.3.3-8 4.3.3-9 4.3.3-10 4.3.3-11 4.3.3-12 4.3.3-13",
        Not(QOS_2),
    ),
    ("4.4.0-1", Not(RESENT)),
    ("4.4.0-2", By(&[p::no_more_is_sent_than_the_client_takes])),
    ("4.5.0-1", By(&[p::every_matching_session_gets_a_message])),
    ("4.5.0-2", Not(CLIENT)),
    ("4.6.0-1 4.6.0-3 4.6.0-4", Not("the order in which clients send, and that of QoS 2")),
    ("4.6.0-2", By(&[p::acknowledgements_keep_their_order])),
    ("4.6.0-5 4.6.0-6", By(&[p::messages_keep_their_order])),
    ("4.7.0-1", By(&[p::a_topic_with_wildcards_ends_the_connection])),
    ("4.7.1-1 4.7.1-2", By(&[s::filters_are_well_formed_or_fail, s::the_level_above_is_not_matched])),
    ("4.7.2-1", By(&[s::wildcards_do_not_reach_reserved_topics])),
    ("4.7.3-1 4.7.3-2", By(&[s::filters_are_well_formed_or_fail, p::a_topic_with_wildcards_ends_the_connection])),
    ("4.7.3-3", Not(CODEC)),
    ("4.7.3-4", By(&[s::topics_are_taken_as_they_are])),
    ("4.8.2-1 4.8.2-2", By(&[s::filters_are_well_formed_or_fail])),
    ("4.8.2-3", By(&[s::qos_is_the_lower_of_both, s::a_group_gives_each_message_to_one_member])),
    ("4.8.2-4 4.8.2-5", Not(QOS_2)),
    ("4.8.2-6", By(&[s::a_group_gives_each_message_to_one_member])),
    ("4.9.0-1 4.9.0-2 4.9.0-3", By(&[p::no_more_is_sent_than_the_client_takes])),
    ("4.12.0-1", By(&[c::extended_authentication_is_refused])),
    ("4.12.0-2 4.12.0-3 4.12.0-4 4.12.0-5 4.12.0-7 4.12.1-1 4.12.1-2", Not(AUTH)),
    ("4.12.0-6", By(&[c::an_answer_says_only_what_was_asked])),
    ("4.13.1-1", Not(CODEC)),
    ("4.13.2-1", By(&[c::after_the_end_nothing_is_sent, c::who_is_refused_is_told_and_closed])),
    ("6.0.0-1 6.0.0-2 6.0.0-3 6.0.0-4", Not(STREAMS)),
];

/// What is wrong with a table: statements with nothing, with two things, or that do not exist.
fn faults(sections: &[(&str, u32)], rows: &[(&str, Shown)]) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> =
        sections.iter().flat_map(|(section, count)| (1..=*count).map(move |n| (format!("{section}-{n}"), 0))).collect();
    let mut faults = Vec::new();
    for (ids, shown) in rows {
        let empty = match shown {
            By(tests) => tests.is_empty(),
            Not(reason) => reason.is_empty(),
        };
        if empty {
            faults.push(format!("{ids}: neither a test nor a reason"));
        }
        for id in ids.split(' ') {
            match seen.get_mut(id) {
                Some(count) => *count += 1,
                None => faults.push(format!("{id}: no such statement")),
            }
        }
    }
    faults
        .extend(seen.iter().filter(|(_, count)| **count != 1).map(|(id, count)| format!("{id}: shown {count} times")));
    faults
}

#[test]
fn every_statement_of_3_1_1_is_shown_or_exempt() {
    assert_eq!(faults(SECTIONS_311, ROWS_311), Vec::<String>::new());
}

#[test]
fn every_statement_of_5_0_is_shown_or_exempt() {
    assert_eq!(faults(SECTIONS_5, ROWS_5), Vec::<String>::new());
}

#[test]
fn a_table_with_holes_is_found_out() {
    let found = faults(&[("1.1", 3)], &[("1.1-1 1.1-1 9.9-9", Not("x")), ("1.1-2", By(&[]))]);
    assert_eq!(
        found,
        [
            "9.9-9: no such statement",
            "1.1-2: neither a test nor a reason",
            "1.1-1: shown 2 times",
            "1.1-3: shown 0 times",
        ]
    );
}
