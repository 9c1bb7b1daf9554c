"""S-44 to S-61: what can grow, and WebSocket."""

from typing import Final

from .model import Mutant, Row, held, must, mutant

ROWS: Final[tuple[Row, ...]] = (
    # Limits of a head: further mutants come with what is being built there.
    must("S-44", "A head has limits: of its line, its bytes, its fields and its time."),
    must("S-45", "A head or body that comes slowly has its time, counted only while the gateway reads."),
    must("S-46", "A body has a limit, judged by its length or counted as it comes."),
    must("S-47", "Very many tiny chunks cost little more than few large ones."),
    must("S-48", "Requests are never inflated; answers for cost alone, by pieces, within a ratio."),
    must("S-49", "JSON that is deep or huge makes a cost unknown and nothing else."),
    must("S-50", "A message has a limit judged on the heads of its frames, and so have its fragments."),
    must("S-51", "Compression is agreed end to end or not at all; the reader's copy is inflated within a measure."),
    must("S-52", "At most two buffers wait for who reads slowly; then reading stops, and in the end the wait."),
    held(must("S-53", "Sessions have a limit for each key and each process."), "open", "", "Being built."),
    held(
        must(
            "S-54",
            "Requests that are sent ahead wait in the kernel.",
            tests="test_gateway_requirements_security::test_requests_that_are_sent_ahead_are_not_read_without_end",
        ),
        "documentation",
        "pyproject.toml",
        "aiohttp bounds it, from the version on that is asked for there; the test attacks a running gateway.",
    ),
    must("S-55", "A request makes one line of the log, however bad it is."),
    must("S-56", "Whatever is kept by what clients say has a limit of size."),
    must("S-57", "A session's key is checked before it is accepted and before anything is dialled."),
    held(
        must("S-58", "No cookie lets in; a browser's Origin must be expected, or the key be where no page can put it."),
        "open",
        "",
        "Origin and Cookie go nowhere and let nobody in; a handshake with Origin and a key in the query is let in yet.",
    ),
    must("S-59", "A subprotocol that carries a key is never selected."),
    must("S-60", "Frames of clients are masked, and so are the gateway's own, by fresh bytes."),
    held(
        must("S-61", "The model list is held to a Live setup before it is passed on."),
        "open",
        "",
        "Model lists are being built.",
    ),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "heads-of-any-length",
        "S-44",
        "listeners.py",
        '            "max_field_size": limits.header_field_bytes,\n',
        '            "max_field_size": 1 << 20,\n',
        "test_gateway_app::test_what_cannot_be_read_is_refused_in_our_words_without_echo",
    ),
    mutant(
        "any-number-of-fields",
        "S-44",
        "listeners.py",
        '            "max_headers": limits.header_fields,\n',
        '            "max_headers": 1 << 20,\n',
        "test_gateway_app::test_what_cannot_be_read_is_refused_in_our_words_without_echo",
    ),
    mutant(
        "each-byte-is-passed-on-by-itself",
        "S-47",
        "http.py",
        "data = await request.content.readany()",
        "data = await request.content.read(1)",
        "test_gateway_requirements_security::test_a_body_in_tiny_chunks_goes_on_in_few_pieces",
    ),
    mutant(
        "bombs-are-inflated",
        "S-48",
        "src/understudy/usage/inflate.py",
        "if self._given > _FREE_GROWTH + _MOST_GROWTH * self._taken:",
        "if False:",
        "test_usage_readers::test_a_body_that_cannot_be_inflated_is_unreadable",
    ),
    mutant(
        "deep-json-is-a-fault",
        "S-49",
        "src/understudy/usage/wire_json.py",
        "    except (ValueError, ArithmeticError, RecursionError):\n        return None",
        "    except (ValueError, ArithmeticError):\n        return None",
        "test_usage_readers::test_deep_nesting_is_survived",
    ),
    mutant(
        "extensions-of-the-client-go-up",
        "S-51 WS-11 WS-16",
        "headers.py",
        'return lowered not in _LIVE_ONLY_BACK and not lowered.startswith(b"sec-websocket-")',
        "return lowered not in _LIVE_ONLY_BACK",
        "test_gateway_headers::"
        "test_a_live_handshake_passes_google_fields_and_keeps_origin_cookie_and_websocket_fields_back",
    ),
    mutant(
        "a-bad-request-makes-two-lines",
        "S-55",
        "listeners.py",
        '        _log.info("%s", json.dumps({',
        '        _log.warning("a request could not be read")\n        _log.info("%s", json.dumps({',
        "test_gateway_requirements_security::test_a_request_makes_one_line_however_bad_it_is",
    ),
    mutant(
        "long-targets-are-remembered",
        "S-56",
        "dispatch.py",
        "if len(raw_target) > _LONGEST_KNOWN:",
        "if False:",
        "test_gateway_app::test_targets_are_remembered_within_bounds",
    ),
    mutant(
        "tags-without-end",
        "S-56",
        "tags.py",
        "MOST_TAGS: Final = 20",
        "MOST_TAGS: Final = 20_000",
        "test_gateway_admin::test_clients_cannot_make_a_record_grow_by_tags",
    ),
    mutant(
        "jobs-without-end",
        "S-56",
        "spend/jobs.py",
        "if len(self._open) <= MOST_JOBS and",
        "if",
        "test_gateway_metering::test_the_number_of_remembered_jobs_is_bounded",
    ),
    mutant(
        "idle-connections-without-end",
        "S-56",
        "upstream/pool.py",
        "if len(self._ages) <= self._most_idle:",
        "if True:",
        "test_upstream_pool::test_the_one_that_waited_longest_goes_when_there_are_too_many",
    ),
    mutant(
        "records-wait-without-end",
        "S-56 OBS-6",
        "spend/writing.py",
        "if self._closing.is_set() or len(self._waiting) >= MOST_WAITING:",
        "if self._closing.is_set():",
        "test_spend_store::test_what_waits_is_bounded_and_what_comes_beyond_is_counted",
    ),
    mutant(
        "sessions-are-dialled-before-the-key",
        "S-57",
        "dispatch.py",
        "        if isinstance(caller, Refusal):\n            answer = self._refused(arrival, caller)",
        "        if isinstance(caller, Refusal) and is_live:\n"
        '            caller = Caller("stranger", (), b"")\n'
        "        if isinstance(caller, Refusal):\n            answer = self._refused(arrival, caller)",
        "test_gateway_app::test_a_live_session_without_a_key_is_a_401",
    ),
    mutant(
        "our-frames-have-one-mask",
        "S-60",
        "splice.py",
        "self._own_close = close_frame(code, reason, mask=os.urandom(4)",
        'self._own_close = close_frame(code, reason, mask=b"\\1\\2\\3\\4"',
        "test_gateway_live::test_masks_of_our_own_close_frames_differ",
    ),
)
