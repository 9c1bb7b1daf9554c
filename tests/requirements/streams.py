"""STR: answers that come piece by piece."""

from typing import Final

from .model import Mutant, Row, must, mutant, should

ROWS: Final[tuple[Row, ...]] = (
    must("STR-1", "An answer's bytes come back in order and as they are, whatever the content type; nothing is added."),
    must("STR-2", "Each piece leaves as it comes, for every content type."),
    must("STR-3", "The head leaves as soon as the provider's is there."),
    must("STR-4", "A provider that breaks off is seen to: the client's answer has no proper end."),
    must("STR-5", "A client that hangs up ends the provider's request, before the first byte too."),
    must("STR-6", "Connecting, the first byte and each pause have limits of their own; the whole has none."),
    must(
        "STR-7",
        "The memory of a stream does not grow with its length, and its cost is right all the same.",
        tests="test_gateway_metering::test_a_stream_costs_what_its_last_usage_says",
    ),
    should("STR-8", "A switch adds `X-Accel-Buffering: no` to event streams."),
    must("STR-9", "Cost put into a stream, where that is switched on, changes the usage frame alone."),
    must("STR-10", "A stream ends where the provider ends it; no sentinel is waited for."),
    must("STR-11", "Redirects go to the client and are not followed."),
    must("STR-12", "204, 304 and HEAD have no body and no invented length; 206 passes as it is."),
)

_BREAKS = "test_gateway_http::test_a_provider_that_breaks_off_is_seen_as_broken"

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "line-ends-of-events-are-tidied",
        "STR-1",
        "http.py",
        "answer.put(data)",
        'answer.put(data.replace(b"\\r\\n", b"\\n"))',
        "test_gateway_requirements_streams::test_an_event_stream_arrives_byte_for_byte",
    ),
    mutant(
        "a-sentinel-is-added",
        "STR-1 STR-10",
        "http.py",
        "            answer.finish()\n",
        '            if whole is None and b"event-stream" in (header_value(head.headers, b"content-type") or b""):\n'
        '                answer.put(b"data: [DONE]\\n\\n")\n            answer.finish()\n',
        "test_gateway_requirements_streams::test_an_event_stream_arrives_byte_for_byte",
    ),
    mutant(
        "answers-are-held-until-they-are-whole",
        "STR-2",
        "upstream/wire.py",
        "        if not events:\n            return\n        if self._pouring",
        "        if not events or (self._pouring and not self._is_over):\n            return\n        if self._pouring",
        "test_upstream_transport::test_a_body_is_poured_piece_by_piece_as_it_comes",
    ),
    mutant(
        "the-head-waits-for-the-body",
        "STR-3",
        "http.py",
        'whole = b"" if held.is_whole else exchange.whole()',
        'whole = b"" if held.is_whole else await exchange.receive(timeouts.idle_s)',
        "test_gateway_http::test_the_head_arrives_before_the_first_byte_of_the_body",
    ),
    mutant(
        "a-break-is-tidied-up",
        "STR-4 ERR-7",
        "http.py",
        'reason="the provider broke off in its answer")\n            await answer.break_off(request)',
        'reason="the provider broke off in its answer")\n            answer.finish()',
        f"{_BREAKS} test_gateway_http::test_a_malformed_chunk_breaks_the_stream",
    ),
    mutant(
        "who-hangs-up-is-not-noticed",
        "STR-5",
        "listeners.py",
        '"handler_cancellation": True,',
        '"handler_cancellation": False,',
        "test_gateway_http::test_a_client_that_leaves_ends_the_providers_request",
    ),
    mutant(
        "silence-is-a-502",
        "STR-6 ERR-3",
        "refusals.py",
        "FIRST_BYTE_TIMEOUT = 504,",
        "FIRST_BYTE_TIMEOUT = 502,",
        "test_gateway_http::test_a_provider_that_says_nothing_is_a_504",
    ),
    mutant(
        "a-stream-has-a-total-limit",
        "STR-6",
        "upstream/patience.py",
        "if self._loop.time() < self._deadline:",
        "if False:",
        "test_upstream_transport::test_a_long_stream_with_short_pauses_is_no_silence",
    ),
    mutant(
        "silence-in-an-answer-is-its-end",
        "STR-6 STR-4",
        "http.py",
        'reason="the provider stopped in the middle of its answer")\n            await answer.break_off(request)',
        'reason="the provider stopped in the middle of its answer")\n            answer.finish()',
        "test_gateway_http::test_a_provider_that_stops_in_its_answer_breaks_the_answer",
    ),
    mutant(
        "every-piece-is-kept",
        "STR-7 BODY-5 PERF-4 LRO-5",
        "metering.py",
        "        self.response_bytes += len(data)\n",
        '        self.response_bytes += len(data)\n        self.__dict__.setdefault("kept", []).append(data)\n',
        "test_gateway_app::test_a_body_of_200_mib_passes_both_ways_in_less_than_8_mib",
    ),
    mutant(
        "a-stream-ends-with-its-sentinel",
        "STR-10",
        "upstream/connection.py",
        "        if reader.is_over:\n            # Line",
        '        if reader.is_over and b"[DONE]" in data:\n            # Line',
        "test_gateway_requirements_streams::test_an_event_stream_ends_without_a_sentinel",
    ),
    mutant(
        "location-stays-behind",
        "STR-11 HDR-7",
        "headers.py",
        '        *(b"trailer", b"transfer-encoding", b"upgrade"),',
        '        *(b"trailer", b"transfer-encoding", b"upgrade", b"location"),',
        "test_gateway_requirements_streams::test_redirects_pass_and_nobody_follows_them "
        "test_gateway_http::test_redirects_and_cookies_are_the_clients_business",
    ),
    mutant(
        "redirects-are-followed",
        "STR-11 S-32",
        "http.py",
        "            meter.answered(answered.status, answered.headers)\n",
        "            meter.answered(answered.status, answered.headers)\n"
        '            if 300 <= answered.status < 400 and (to := header_value(answered.headers, b"location")):\n'
        '                place = __import__("urllib.parse").parse.urlsplit(to.decode())\n'
        "                await asyncio.open_connection(place.hostname, place.port)\n",
        "test_gateway_requirements_streams::test_redirects_pass_and_nobody_follows_them",
    ),
    mutant(
        "304-has-a-body",
        "STR-12",
        "upstream/framing.py",
        "_NO_BODY: Final = frozenset({204, 304})",
        "_NO_BODY: Final = frozenset({204})",
        "test_gateway_http::test_answers_without_body_get_no_framing",
    ),
    mutant(
        "206-becomes-200",
        "STR-12 LRO-5",
        "http.py",
        '        progress.ending = Ending(status, "client_abort")\n',
        '        progress.ending = Ending(status, "client_abort")\n        status = 200 if status == 206 else status\n',
        "test_gateway_requirements_operations::test_a_part_of_a_file_is_asked_for_and_passes",
    ),
    mutant(
        "every-answer-is-unbuffered",
        "STR-8",
        "http.py",
        'if self._is_unbuffered and _kind(head) == b"text/event-stream":',
        "if self._is_unbuffered:",
        "test_gateway_pages::test_event_streams_tell_nginx_not_to_collect_them_behind_a_switch",
    ),
    mutant(
        "costs-are-not-put-in",
        "STR-9",
        "streams.py",
        'return event[:at] + (member if is_empty else b"," + member) + event[at:]',
        "return event",
        "test_gateway_stream_changes::"
        "test_the_cost_is_spliced_into_the_usage_at_the_top_and_nothing_else_changes "
        "test_gateway_stream_changes::test_frames_with_usage_get_the_cost_so_far_and_others_stay_byte_for_byte",
    ),
)
