"""LRO and MPT: long-running operations, files, and multipart bodies."""

from typing import Final

from .model import Mutant, Row, must, mutant

_JOB = "test_gateway_requirements_operations::test_a_video_job_passes_as_it_is_on_both_providers"
_BOUNDARY = "test_gateway_requirements_bodies::test_a_multipart_body_arrives_with_its_boundary_as_it_was_sent"

ROWS: Final[tuple[Row, ...]] = (
    must("LRO-1", "Start, poll, cancel, wait, list and delete pass as they are; an operation's name is never changed."),
    must("LRO-2", "A poll reaches the project, location and credential of its start, by the names in its path."),
    must("LRO-3", "A poll at a path that the provider does not know passes and brings back the provider's 404."),
    must("LRO-4", "Results pass in every form and size, inline videos of tens of MiB too."),
    # Rewritten URLs and upload URLs without a key: their mutants come with them.
    must("LRO-5", "Downloads stream, whole or in part, with Range, If-Range and redirects as they are."),
    must("LRO-6", "A resumable upload works from start to finalize: commands, offsets and bytes are the client's."),
    must("LRO-7", "A job costs once; polls and downloads are free and count no tokens."),
    must("LRO-8", "A video's start is sent once, unless nothing of it had left."),
    must("MPT-1", "A multipart body and its boundary arrive as they were sent: parts, order, preamble, epilogue."),
    must("MPT-2", "Parts are never taken for text."),
    must("MPT-3", "JSON under a multipart content type passes like anything else."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "names-of-operations-are-rewritten",
        "LRO-1",
        "http.py",
        '(whole or b"")',
        '(whole or b"").replace(b\'{"name":"models/\', b\'{"name":"/gemini/models/\')',
        _JOB,
    ),
    mutant(
        "delete-does-not-pass",
        "LRO-1 URL-12",
        "routing.py",
        '"PUT", "PATCH", "DELETE", "OPTIONS"})',
        '"PUT", "PATCH", "OPTIONS"})',
        f"{_JOB} test_gateway_requirements_urls::test_every_method_passes_with_its_body_and_its_answer",
    ),
    mutant(
        "the-project-in-the-path-finds-nobody",
        "LRO-2",
        "choosing.py",
        "project is not None and project != default.project",
        "False",
        "test_gateway_routing::test_a_project_in_the_path_finds_its_account",
    ),
    mutant(
        "a-models-own-account-is-not-used",
        "LRO-2",
        "choosing.py",
        "mine = [one.account for one in entries if one is entry or (model is not None and one.model == model)]",
        "mine: list[Account] = []",
        "test_gateway_routing::test_a_model_with_an_account_of_its_own_uses_it_for_start_and_poll",
    ),
    mutant(
        "unknown-paths-are-refused",
        "LRO-3",
        "routing.py",
        "    left = without(query, KEY_PARAMETERS)\n    if config.reach",
        "    left = without(query, KEY_PARAMETERS)\n    if place is None:\n"
        "        return Refusal(Reason.NO_ROUTE)\n    if config.reach",
        "test_gateway_requirements_operations::test_a_poll_that_the_provider_does_not_know_brings_back_its_404",
    ),
    mutant(
        "large-results-are-cut",
        "LRO-4",
        "http.py",
        "answer.put(data)",
        'answer.put(data if meter.response_bytes < 1 << 20 else b"")',
        "test_gateway_requirements_operations::test_results_pass_in_every_form",
    ),
    mutant(
        "range-stays-behind",
        "LRO-5 HDR-1",
        "headers.py",
        '_FRAMING: Final = frozenset({b"host", b"content-length", b"expect"})',
        '_FRAMING: Final = frozenset({b"host", b"content-length", b"expect", b"range"})',
        "test_gateway_requirements_operations::test_a_part_of_a_file_is_asked_for_and_passes "
        "test_gateway_requirements_headers::test_every_field_that_users_miss_passes_on_every_route",
    ),
    mutant(
        "upload-offsets-stay-behind",
        "LRO-6 HDR-1",
        "headers.py",
        '_FRAMING: Final = frozenset({b"host", b"content-length", b"expect"})',
        '_FRAMING: Final = frozenset({b"host", b"content-length", b"expect", b"x-goog-upload-offset"})',
        "test_gateway_requirements_operations::test_a_resumable_upload_passes_step_by_step",
    ),
    mutant(
        "each-poll-books-the-job",
        "LRO-7 COST-9",
        "spend/jobs.py",
        "if done.name in self._booked:",
        "if False:",
        "test_gateway_metering::test_a_job_is_booked_once_when_it_is_done_and_its_start_and_polls_are_free",
    ),
    mutant(
        "the-store-settles-twice",
        "LRO-7 COST-9",
        "spend/batch.py",
        "        if state == OPEN:\n            self._settle(name, call_id,",
        "        if True:\n            self._settle(name, call_id,",
        "test_spend_store::test_a_job_outlives_the_process_that_started_it_and_is_settled_once_over_restarts",
    ),
    mutant(
        "posts-are-repeated",
        "LRO-8 S-75 ERR-5",
        "upstream/pool.py",
        '_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})',
        '_REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST"})',
        "test_upstream_pool::"
        "test_only_what_is_idempotent_and_whole_is_repeated_and_only_if_the_connection_may_have_been_closed "
        "test_gateway_requirements_operations::test_a_start_whose_connection_broke_is_not_sent_again",
        also=(("request.method in _REPEATABLE and not request.has_body", "request.method in _REPEATABLE"),),
    ),
    mutant(
        "quotes-of-a-boundary-are-lost",
        "MPT-1",
        "headers.py",
        "            case _Fate.FORWARD:\n                sent.append(field)\n            case _Fate.CARRIER:",
        '            case _Fate.FORWARD:\n                sent.append((name, value.replace(b\'"\', b"")))\n'
        "            case _Fate.CARRIER:",
        _BOUNDARY,
    ),
    mutant(
        "multipart-is-refused",
        "MPT-3",
        "http.py",
        "        if isinstance(headers, Refusal):\n            raise _Refused(headers)\n",
        "        if isinstance(headers, Refusal):\n            raise _Refused(headers)\n"
        '        if b"multipart/form-data" == header_value(request.raw_headers, b"content-type"):\n'
        "            raise _Refused(Refusal(Reason.BAD_REQUEST))\n",
        "test_gateway_requirements_bodies::test_json_under_a_multipart_content_type_passes",
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
    mutant(
        "links-of-videos-lead-past-the-gateway",
        "LRO-5",
        "rewriting.py",
        "return found[1] + self._public + target if target is not None and is_download else found[0]",
        "return found[0]",
        "test_gateway_rewriting::test_links_to_downloads_lead_back "
        "test_gateway_rewriting::test_the_link_of_a_video_leads_back_and_is_followed_with_the_gateways_key",
    ),
    mutant(
        "upload-urls-lead-past-the-gateway",
        "LRO-5",
        "rewriting.py",
        "        if lowered not in _FIELDS:\n            return value\n",
        "        return value\n",
        "test_gateway_rewriting::test_an_upload_goes_through_the_gateway_without_a_key "
        "test_gateway_rewriting::test_beside_a_guardrail_links_lead_back_too",
    ),
    mutant(
        "beside-a-guardrail-links-stay",
        "LRO-5",
        "passing.py",
        "self._rewriter = None if way is None else way.body(head.headers)",
        "self._rewriter: UriRewriter | None = None",
        "test_gateway_rewriting::test_beside_a_guardrail_links_lead_back_too",
    ),
)
