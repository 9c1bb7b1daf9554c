"""Mutants of what is not merged yet: each counts as soon as its code and tests are there, and goes to its area then.

One that has the name of a mutant of an area takes its place: the same fault in code that has changed. An `open` row of
an id that one of these breaks is open no longer. When all have moved this module goes, and `_with_coming` in `table`.
"""

from typing import Final

from .model import Mutant, mutant

_PAGES = "test_gateway_pages::"
_SPENT = "test_gateway_limits::"

MUTANTS: Final[tuple[Mutant, ...]] = (
    # --- pages, destinations, heads
    mutant(
        "pages-open-sessions",
        "S-58",
        "dispatch.py",
        "if is_live and not serving.lets_page_in(request.raw_headers, caller):",
        "if False:",
        f"{_PAGES}test_a_page_opens_a_live_session_only_with_a_key_it_can_know",
    ),
    mutant(
        "every-answer-is-unbuffered",
        "STR-8",
        "http.py",
        'if self._is_unbuffered and _kind(head) == b"text/event-stream":',
        "if self._is_unbuffered:",
        f"{_PAGES}test_event_streams_tell_nginx_not_to_collect_them_behind_a_switch",
    ),
    mutant(
        "via-is-not-sent",
        "HDR-11",
        "headers.py",
        'return (*headers, (b"Via", b"1.1 " + name))',
        "return headers",
        "test_gateway_destinations::test_via_is_sent_when_it_has_a_name_and_never_else",
    ),
    mutant(
        "a-loop-by-via-goes-on",
        "SEC-7 HDR-11",
        "headers.py",
        "return Refusal(Reason.LOOP_DETECTED)",
        "pass",
        "test_gateway_destinations::test_a_longer_loop_is_a_508_by_its_own_via",
    ),
    mutant(
        "the-gateway-calls-itself",
        "SEC-7",
        "destinations.py",
        "        if (host, port) in self.own:\n            return True\n",
        "        if (host, port) in self.own:\n            return False\n",
        "test_gateway_destinations::test_an_upstream_that_is_the_gateway_itself_is_a_508",
    ),
    mutant(
        "a-name-that-ends-alike-is-on-the-list",
        "S-34",
        "destinations.py",
        'name.endswith("." + suffix)',
        "name.endswith(suffix)",
        "test_gateway_destinations::test_a_host_is_connected_to_only_below_the_list",
    ),
    mutant(
        "without-tls-to-anywhere",
        "S-34",
        "destinations.py",
        ' and (scheme in ("https", "wss") or self.is_plain_allowed)',
        "",
        "test_gateway_destinations::test_without_tls_only_when_that_is_allowed",
    ),
    mutant(
        "nobody-says-which-parser-reads",
        "S-43",
        "app.py",
        '_log.info("heads are read by aiohttp\'s compiled parser")',
        "pass",
        "test_gateway_attacks_wire::test_the_parser_is_the_compiled_one_and_the_log_says_so",
    ),
    mutant(
        "sessions-without-end",
        "S-53",
        "sessions.py",
        "if self._sessions.attempts >= self._config.limits.live_sessions:",
        "if False:",
        f"{_PAGES}test_sessions_over_the_limit_of_the_process_are_a_503",
    ),
    mutant(
        "a-head-without-end",
        "S-44",
        "heads.py",
        "        if self._head_bytes > self._most_bytes:\n",
        "        if False:\n",
        "test_gateway_heads::test_a_head_without_end_is_a_431_before_its_end",
    ),
    mutant(
        "a-slow-head-is-waited-for",
        "S-45 ERR-3",
        "heads.py",
        "connection.refuse(Reason.HEAD_TIMEOUT)",
        "pass",
        "test_gateway_heads::test_a_head_that_is_not_there_in_time_is_a_408_and_the_connection_is_closed",
    ),
    mutant(
        "waiting-heads-without-end",
        "S-45",
        "heads.py",
        "if len(self._waiting) >= self._most:",
        "if False:",
        "test_gateway_heads::test_of_too_many_connections_without_a_head_the_oldest_has_to_go",
    ),
    mutant(
        "who-hangs-up-is-not-noticed",
        "STR-5",
        "listeners.py",
        "handler_cancellation=True",
        "handler_cancellation=False",
        "test_gateway_http::test_a_client_that_leaves_ends_the_providers_request",
    ),
    mutant(
        "no-keep-alive",
        "WS-10",
        "liveness.py",
        "connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)",
        "connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)",
        "test_gateway_live::test_both_connections_have_keep_alive",
    ),
    mutant(
        "the-admin-port-is-open-to-all",
        "S-62",
        "listeners.py",
        'return "127.0.0.1" if self._listen.unix_path or (name == "admin" and not is_loopback(host)) else host',
        'return "127.0.0.1" if self._listen.unix_path else host',
        "test_gateway_requirements_security::test_the_admin_port_stays_on_loopback",
    ),
    mutant(
        "a-bad-request-makes-two-lines",
        "S-55",
        "heads.py",
        '    _log.info("%s", json.dumps({',
        '    _log.warning("a request could not be read")\n    _log.info("%s", json.dumps({',
        "test_gateway_requirements_security::test_a_request_makes_one_line_however_bad_it_is",
    ),
    # --- retries, fallbacks, asked-for failures, changes to streams, traces
    mutant(
        "whatever-failed-is-sent-again",
        "ERR-5 S-75",
        "attempts.py",
        "return answer.status in REFUSED or (answer.status >= 400 and self._is_free)",
        "return True",
        "test_gateway_attempts::test_what_may_have_been_executed_is_never_sent_again",
    ),
    mutant(
        "a-videos-start-is-sent-again",
        "ERR-5 LRO-8 S-75",
        "attempts.py",
        "if self._is_start or not answer.is_whole:",
        "if not answer.is_whole:",
        "test_gateway_attempts::test_a_video_is_never_started_twice",
    ),
    mutant(
        "no-fallback-is-asked",
        "ERR-6",
        "attempts.py",
        "return Elsewhere(self.fallen - 1)",
        "return Enough()",
        "test_gateway_attempts::test_a_refused_request_goes_to_the_fallback_with_its_credential_and_the_label_is_told",
    ),
    mutant(
        "asked-for-failures-do-not-come",
        "ERR-8",
        "mocking.py",
        'if lowered.startswith(MOCK_PREFIX) and value.strip().lower() == b"true":',
        "if False:",
        "test_gateway_attempts::test_a_failure_can_be_asked_for_where_it_is_switched_on",
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
    mutant(
        "a-trace-is-begun-anew",
        "OBS-2",
        "tracing.py",
        "return Trace(found[2].decode(), span_id,",
        "return Trace(os.urandom(16).hex(), span_id,",
        "test_gateway_tracing::test_with_tracing_on_the_trace_goes_on_with_a_span_of_our_own",
    ),
    mutant(
        "spans-have-names-of-our-own",
        "OBS-9",
        "tracing.py",
        '("gen_ai.request.model", record.model),',
        '("model", record.model),',
        "test_gateway_tracing::test_with_tracing_on_the_trace_goes_on_with_a_span_of_our_own",
    ),
    # --- a prefix of its own, models, rewritten URLs
    mutant(
        "the-own-prefix-goes-on",
        "URL-6",
        "routing.py",
        '    if rest.startswith(b"/"):\n        return rest\n',
        "",
        "test_gateway_reach::test_the_prefix_is_cut_off_once "
        "test_gateway_reach::test_below_a_prefix_everything_works_and_the_provider_does_not_hear_of_it",
    ),
    mutant(
        "every-model-is-on-the-list",
        "AUTH-10",
        "model_names.py",
        "return None if allowed else Refusal(Reason.MODEL_REFUSED)",
        "return None",
        "test_gateway_models::test_other_models_are_refused "
        "test_gateway_models::test_a_model_that_is_not_allowed_is_a_403_and_the_provider_hears_nothing",
    ),
    mutant(
        "names-are-compared-however-they-are-spelled",
        "SEC-9 S-29",
        "model_names.py",
        "    if is_ambiguous(path):\n        return Refusal(",
        "    if False:\n        return Refusal(",
        "test_gateway_models::test_what_could_be_read_in_two_ways_is_refused",
    ),
    mutant(
        "every-model-may-be-set-up",
        "S-61 AUTH-10",
        "setup_message.py",
        "        return Denied(REFUSED)\n",
        "        return message\n",
        "test_live_setup::test_another_model_is_refused",
    ),
    mutant(
        "a-setup-may-name-two-models",
        "S-61",
        "setup_message.py",
        "        if key in seen:\n",
        "        if False:\n",
        "test_live_setup::test_what_does_not_name_one_model_in_one_way_is_refused",
    ),
    mutant(
        "a-mapped-setup-is-written-anew",
        "WS-6",
        "setup_message.py",
        'return (text[:start] + json.dumps(changed) + text[end:]).encode("utf-8")',
        'return (text[:start].strip() + json.dumps(changed) + text[end:].replace(" ", "")).encode("utf-8")',
        "test_live_setup::test_only_the_string_of_the_model_changes",
    ),
    mutant(
        "any-upload-url-stands-for-a-key",
        "LRO-5 S-7",
        "upload_urls.py",
        "if not hmac.compare_digest(signature, self._signature(target, words)):",
        "if False:",
        "test_gateway_rewriting::test_it_is_good_for_its_target_alone_and_for_its_signer "
        "test_gateway_rewriting::test_only_that_very_url_stands_for_a_key",
    ),
    mutant(
        "upload-urls-never-end",
        "LRO-5 S-56",
        "upload_urls.py",
        "if int(expiry, 16) < now.timestamp():",
        "if False:",
        "test_gateway_rewriting::test_a_signed_url_says_whose_it_is_for_a_day",
    ),
    # --- budgets in sessions, the log's filter
    mutant(
        "a-session-outlives-its-budget",
        "WS-17",
        "live_metering.py",
        'self._session.shut_down(POLICY, "budget exceeded")',
        "pass",
        f"{_SPENT}test_a_session_that_uses_its_budget_up_is_closed_at_that_usage_message_if_that_is_set",
    ),
    mutant(
        "secrets-are-left-in-the-log",
        "S-13 SEC-4",
        "log_secrets.py",
        "text = text[:at] + STARS + text[at + len(found) :]",
        "pass",
        "test_gateway_attacks_books::test_stars_take_the_place_of_every_secret_and_of_nothing_else "
        "test_gateway_attacks_books::test_what_an_exception_says_is_cleaned_before_it_is_written",
    ),
)
