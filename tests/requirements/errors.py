"""ERR: the provider's errors and the gateway's own."""

from typing import Final

from .model import Mutant, Row, must, mutant, should

ROWS: Final[tuple[Row, ...]] = (
    must("ERR-1", "The provider's errors pass as they are: status, fields, body, whatever the content type."),
    must("ERR-2", "The gateway's own errors have Google's shape, the request id and a field that says who made them."),
    must("ERR-3", "Each failure has its status, from 400 to 504."),
    must("ERR-4", "No error tells of traces, keys, URLs or hosts."),
    # Retries by configuration: their mutants come with them.
    must("ERR-5", "Nothing is sent again but what was asked for by configuration, before a byte reached the client."),
    should("ERR-6", "Where it is configured another credential, region or provider is asked."),
    must("ERR-7", "An error in a stream breaks it off; it is not made into an ordinary end."),
    must("ERR-8", "Faults are injected by fields alone, and only where that is switched on."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "retry-after-stays-behind",
        "ERR-1 S-10",
        "headers.py",
        '        *(b"trailer", b"transfer-encoding", b"upgrade"),',
        '        *(b"trailer", b"transfer-encoding", b"upgrade", b"retry-after"),',
        "test_gateway_requirements_errors::test_the_providers_errors_pass_as_they_are",
    ),
    mutant(
        "errors-get-a-body-of-our-own",
        "ERR-1 S-10",
        "http.py",
        '        progress.ending = Ending(status, "client_abort")\n',
        '        progress.ending = Ending(status, "client_abort")\n'
        "        if status >= 500:\n            raise _Refused(Refusal(Reason.UPSTREAM_BROKE))\n",
        "test_gateway_requirements_errors::test_the_providers_errors_pass_as_they_are",
    ),
    mutant(
        "our-errors-are-not-marked",
        "ERR-2",
        "refusals.py",
        'b"x-understudy-error", refusal.reason.name',
        'b"x-error", refusal.reason.name',
        "test_gateway_requirements_errors::test_every_refusal_has_googles_shape",
    ),
    mutant(
        "our-errors-give-no-reason",
        "ERR-2",
        "refusals.py",
        "details = [error_info(refusal.reason.name, DOMAIN)]",
        "details = []",
        "test_gateway_requirements_errors::test_every_refusal_has_googles_shape",
    ),
    mutant(
        "unreachable-is-a-500",
        "ERR-3",
        "refusals.py",
        "UNREACHABLE = 502,",
        "UNREACHABLE = 500,",
        "test_gateway_http::test_a_provider_that_cannot_be_reached_is_a_502_that_costs_nothing "
        "test_gateway_app::test_a_live_provider_that_cannot_be_reached_is_a_502",
    ),
    mutant(
        "a-break-before-the-head-is-a-500",
        "ERR-3",
        "refusals.py",
        "UPSTREAM_BROKE = 502,",
        "UPSTREAM_BROKE = 500,",
        "test_gateway_http::test_a_provider_that_gives_no_head_is_a_502_and_is_asked_once",
    ),
    mutant(
        "a-slow-body-is-a-400",
        "ERR-3 S-45",
        "refusals.py",
        "REQUEST_TIMEOUT = 408,",
        "REQUEST_TIMEOUT = 400,",
        "test_gateway_http::test_a_client_that_stops_in_its_body_gets_a_408",
    ),
    mutant(
        "what-cannot-be-read-is-quoted",
        "ERR-4 S-9 SEC-4",
        "heads.py",
        "        answer = refusal_answer(Refusal(reason), new_ids())\n",
        '        answer = web.Response(status=reason.status, text=f"{message} {exc}")\n',
        "test_gateway_app::test_what_cannot_be_read_is_refused_in_our_words_without_echo",
    ),
    mutant(
        "our-own-faults-are-told",
        "ERR-4 S-9",
        "dispatch.py",
        '        except Exception:\n            _log.exception("an exchange failed")\n',
        '        except Exception as error:\n            _log.exception("an exchange failed")\n'
        "            return own_answer(500, (), repr(error).encode(), ids)\n",
        "test_gateway_app::test_a_fault_of_our_own_is_a_500_without_detail",
    ),
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
        "what-a-guardrail-blocks-is-sent",
        "ERR-2",
        "attended.py",
        "            if blocked is not None:\n                return self._blocked(call, blocked)",
        "            if blocked is not None:\n                pass",
        "test_gateway_guardrails::"
        "test_a_word_of_the_deny_list_is_refused_by_the_guardrails_name_and_nothing_reaches_the_provider",
    ),
    mutant(
        "a-blocked-answer-ends-well",
        "ERR-7 STR-4",
        "passing.py",
        "            blocked = self._tap.feed(data)\n            if blocked is not None:",
        "            blocked = self._tap.feed(data)\n            if False:",
        "test_gateway_guardrails::test_a_stream_that_says_a_forbidden_word_breaks_off_visibly_and_is_booked",
    ),
)
