"""The fault table R-1 to R-39: what breaks, what follows, and the tests that hold it.

`python tests/reliability/fault_table.py` prints the table of docs/how-to/when-things-break.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, what the client and the books see of it, and the names of its tests."""

    id: str
    fault: str
    outcome: str
    tests: tuple[str, ...]


PROVIDER = (
    Row(
        "R-1",
        "the provider refuses the connection or its TLS, or has no address",
        "502 (504 after `connect_s`); cost 0, with the reason",
        (
            "test_r1_who_cannot_be_reached_is_a_502_that_costs_nothing",
            "test_r1_a_certificate_of_nobody_we_know_is_a_502",
        ),
    ),
    Row(
        "R-2",
        "it resets or ends the connection before any byte of its answer",
        "502, asked once; cost unknown",
        ("test_r2_r4_who_breaks_off_before_the_heads_end_is_a_502_asked_once",),
    ),
    Row(
        "R-3",
        "it has closed a kept connection meanwhile",
        "nothing is noticed: a fresh connection is used, and the request sent once",
        ("test_r3_a_connection_closed_while_it_waited_is_not_used",),
    ),
    Row(
        "R-4",
        "it breaks off inside the head",
        "as R-2",
        ("test_r2_r4_who_breaks_off_before_the_heads_end_is_a_502_asked_once",),
    ),
    Row(
        "R-5",
        "it breaks off inside a sized body",
        "what came, then an end short of the length; cost estimated from the usage so far, else unknown",
        (
            "test_r5_a_sized_answer_that_stops_short_stops_short_for_the_client",
            "test_r5_an_answer_that_only_the_end_of_the_connection_ends_is_not_whole_after_a_reset",
        ),
    ),
    Row(
        "R-6",
        "it breaks off inside chunks or a stream",
        "every byte that came, then an end without the last chunk; cost as R-5",
        ("test_r6_a_stream_that_breaks_off_has_all_that_came_and_no_last_chunk",),
    ),
    Row(
        "R-7",
        "its head or a chunk is malformed",
        "502, or as R-6; the connection is not used again",
        (
            "test_r7_a_malformed_chunk_breaks_the_stream_and_the_connection_is_used_no_more",
            "test_r7_a_malformed_head_is_a_502_and_the_connection_is_used_no_more",
        ),
    ),
    Row(
        "R-8",
        "it is silent before the head",
        "504 after `first_byte_s`; if the client leaves, the connection is closed at once; cost unknown, reserved",
        (
            "test_r8_silence_before_the_head_is_a_504_and_its_reservation_stays_charged",
            "test_r8_a_client_that_leaves_a_silent_provider_closes_it_at_once",
        ),
    ),
    Row(
        "R-9",
        "it is silent inside a stream",
        "the stream breaks after `idle_s`; cost as R-5",
        ("test_r9_silence_inside_a_stream_breaks_it",),
    ),
    Row(
        "R-10",
        "it closes its sending half after the answer",
        "a normal end",
        ("test_r10_a_half_close_after_the_answer_is_a_normal_end",),
    ),
    Row(
        "R-11",
        "it answers during the upload (413, 401)",
        "that answer; the upload stops, the connection is not used again; cost 0",
        ("test_r11_an_early_answer_reaches_the_client_and_the_upload_stops",),
    ),
    Row(
        "R-12",
        "a storm of 429",
        "each as it came, with `Retry-After`; nothing is repeated or queued, others are served",
        ("test_r12_a_storm_of_429_passes_as_it_comes_and_others_do_not_suffer",),
    ),
    Row(
        "R-13",
        "5xx",
        "as it came; cost 0 unless it tells a usage",
        ("test_r13_a_5xx_passes_as_it_came_and_costs_nothing_unless_it_says_so",),
    ),
    Row(
        "R-14",
        "it reads an upload slowly",
        "the upload slows down, and nothing is lost",
        ("test_r14_a_provider_that_does_not_read_stops_the_upload_and_loses_nothing",),
    ),
    Row(
        "R-15",
        "it refuses a WebSocket",
        "its status and body; no session",
        ("test_r15_a_refused_handshake_is_the_providers_status_and_body",),
    ),
    Row(
        "R-16",
        "a WebSocket is lost without a close frame",
        "1011; the usage so far, estimated",
        ("test_r16_a_provider_that_is_lost_becomes_1011_with_the_usage_so_far",),
    ),
)

CLIENT = (
    Row(
        "R-17",
        "the client leaves in its upload",
        "the provider sees a broken request, never a whole one; cost 0",
        ("test_r17_who_leaves_in_an_upload_never_makes_a_whole_request_and_owes_nothing",),
    ),
    Row(
        "R-18",
        "it leaves before or in the answer",
        "the connection to the provider is closed at once; cost estimated from the usage so far, else unknown",
        (
            "test_r18_who_leaves_an_answer_ends_the_providers_work",
            "test_r18_a_crowd_that_leaves_takes_nothing_from_the_others",
        ),
    ),
    Row(
        "R-19",
        "it closes only its sending half",
        "counts as leaving, since that cannot be told apart",
        ("test_r19_a_half_close_counts_as_leaving_and_that_is_documented",),
    ),
    Row(
        "R-20",
        "it reads slowly or not at all",
        "reading from the provider stops; given up after `write_s` without progress; cost as R-18",
        (
            "test_r20_a_client_that_does_not_read_stops_the_provider_and_loses_nothing",
            "test_r20_a_client_that_reads_nothing_for_too_long_is_given_up_and_owes_what_came",
            "test_r20_a_live_client_that_reads_nothing_stops_the_provider_and_is_given_up",
        ),
    ),
    Row(
        "R-21",
        "its WebSocket vanishes",
        "1001 for the provider; a loss without notice is found within a minute, by keep-alive",
        (
            "test_r21_a_live_client_that_vanishes_closes_the_provider_with_1001",
            "test_r21_a_loss_that_nobody_is_told_of_is_found_by_keep_alive_on_both_legs",
        ),
    ),
    Row(
        "R-22",
        "thousands of idle sessions",
        "held up to `sessions` and `connections`, the others get 503 or are closed; about 20 KiB for each",
        (
            "test_r22_beyond_the_most_sessions_a_handshake_is_a_503_and_requests_are_served",
            "test_r22_eight_thousand_idle_sessions_are_held_and_those_beyond_the_limit_are_told",
            "test_r22_r33_live_sessions_fill_the_room_others_are_told_and_the_room_is_given_back",
        ),
    ),
    Row(
        "R-23",
        "all come back at once after a restart",
        "answered, or 503 beyond the limit",
        ("test_r23_when_all_reconnect_after_a_restart_each_is_answered",),
    ),
)

GATEWAY = (
    Row(
        "R-24",
        "SIGTERM",
        "no new connections; what runs has `drain_s`, Live gets 1001, answers say `Connection: close`; books "
        "written, status 0. A second one, or the end of `drain_s`: what runs is broken off, books written all the same",
        (
            "test_r24_told_to_end_it_lets_all_come_to_its_end_and_writes_the_books",
            "test_r24_at_the_drains_end_it_breaks_off_and_still_writes_the_books",
            "test_r24_told_twice_it_breaks_off_at_once_and_still_writes_the_books",
            "test_r24_workers_that_are_told_twice_break_off_too",
        ),
    ),
    Row(
        "R-25",
        "SIGKILL",
        "what was answered a second before is in the books, once; reservations are free again, open videos found",
        (
            "test_r25_killed_at_any_moment_the_books_hold_what_was_answered_a_second_before",
            "test_r25_what_the_dead_had_reserved_is_free_again_and_open_videos_are_found",
        ),
    ),
    Row(
        "R-26",
        "the store is locked or full",
        "traffic goes on, or is refused with 503 by `refuse_without_store`; records wait in memory, are written later "
        "and once; one line a minute",
        (
            "test_r26_a_locked_store_stops_no_traffic_says_so_once_and_gets_all_later_once",
            "test_r26_where_that_is_set_a_locked_store_stops_traffic_with_503_until_it_is_back",
            "test_r26_a_full_store_stops_no_traffic_and_gets_all_later_once",
            "test_r26_killed_while_the_store_is_locked_only_what_waited_is_gone",
        ),
    ),
    Row("R-27", "the store is slow", "nobody waits for it", ("test_r27_a_slow_store_delays_nobody_and_loses_nothing",)),
    Row(
        "R-28",
        "the store is damaged at the start",
        "one line, status 2, and no new store",
        ("test_r28_on_a_damaged_store_it_does_not_start_and_begins_no_new_one",),
    ),
    Row(
        "R-29",
        "the time of day jumps",
        "limits, deadlines and tokens do not; records stay in order",
        (
            "test_r29_a_clock_that_jumps_gives_no_budget_out_twice_and_moves_no_window",
            "test_r29_a_clock_that_jumps_back_in_an_exchange_leaves_its_record_in_order",
            "test_r29_a_jump_moves_no_deadline",
        ),
    ),
    Row(
        "R-30",
        "the token endpoint is slow",
        "the old token serves, one renewal for all; without one 503 after `credentials_s`",
        (
            "test_r30_a_slow_token_endpoint_is_asked_once_while_the_old_token_serves",
            "test_r30_without_a_good_token_many_wait_for_one_call_and_not_for_ever",
        ),
    ),
    Row(
        "R-31",
        "the token endpoint is down",
        "asked again after a growing delay; once the token has expired 503 at once; comes back by itself",
        ("test_r31_a_token_endpoint_that_is_down_is_not_asked_by_each_request_and_comes_back_by_itself",),
    ),
    Row(
        "R-32",
        "the provider refuses the token",
        "dropped and renewed once; the 401 passes",
        ("test_r32_a_token_that_the_provider_refuses_is_dropped_renewed_once_and_the_401_passes",),
    ),
    Row(
        "R-33",
        "descriptors run out",
        "new connections get 503 or are closed, the others go on; one line a minute",
        (
            "test_r33_the_most_connections_are_a_setting",
            "test_r33_who_needs_a_descriptor_for_the_provider_and_gets_none_is_told_503",
            "test_r33_the_room_follows_from_the_descriptors",
            "test_r33_out_of_descriptors_it_turns_new_ones_away_serves_the_old_and_recovers",
            "test_r22_r33_live_sessions_fill_the_room_others_are_told_and_the_room_is_given_back",
        ),
    ),
    Row(
        "R-34",
        "little memory",
        "never above the maximum written below",
        (
            "test_r34_memory_stays_below_the_written_maximum_when_all_are_stuck",
            "test_r34_a_gateway_that_may_have_no_more_memory_than_is_written_lives_when_all_are_stuck",
        ),
    ),
    Row(
        "R-35",
        "a fault of the gateway's own in one request",
        "500 for that one, and its connection closed",
        ("test_r35_a_fault_in_one_request_is_its_500_and_nobody_elses",),
    ),
    Row(
        "R-36",
        "something blocks the event loop",
        "seen in `loop_lag_seconds`; no traffic does it",
        (
            "test_r36_a_loop_that_stands_still_is_seen_in_the_metrics",
            "test_r36_what_passes_blocks_the_loop_for_no_quarter_second",
            "test_r36_no_answer_keeps_the_loop_busy_for_a_tenth_of_a_second",
            "test_r36_no_long_request_keeps_the_loop_busy_beside_a_guardrail",
            "test_r36_no_long_live_message_keeps_the_loop_busy_beside_a_guardrail",
            "test_r36_the_loop_waits_for_no_disk_no_name_and_no_store",
        ),
    ),
    Row(
        "R-37",
        "nobody reads the log, or its disk is full",
        "lines are dropped and counted; traffic goes on",
        (
            "test_r37_a_log_that_nobody_reads_stops_no_traffic_and_drops_are_told",
            "test_r37_a_log_on_a_full_disk_stops_no_traffic",
        ),
    ),
    Row(
        "R-38",
        "a configuration with a mistake is read anew",
        "the old one stays; the log names line and word",
        ("test_r38_a_reload_with_a_mistake_changes_nothing_and_names_line_and_key",),
    ),
    Row(
        "R-39",
        "a name moves, or one family of addresses is not reached",
        "looked up again after half a minute; both families are tried",
        (
            "test_r39_a_name_that_moves_is_followed_within_a_minute_and_asked_for_seldom",
            "test_r39_where_one_family_cannot_be_reached_the_other_is_tried",
        ),
    ),
)

ROWS = (*PROVIDER, *CLIENT, *GATEWAY)


def table(rows: tuple[Row, ...]) -> str:
    """Rows as they stand in the docs."""
    lines = ["| id | what breaks | what follows |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.id} | {row.fault} | {row.outcome} |" for row in rows)]) + "\n"


if __name__ == "__main__":
    print("\n".join(table(rows) for rows in (PROVIDER, CLIENT, GATEWAY)))
