"""BODY: the request's body on its way to the provider."""

from typing import Final

from .model import Mutant, Row, must, mutant, should

_SIZES = "test_gateway_http::test_any_bytes_go_through_unchanged_in_both_directions"

ROWS: Final[tuple[Row, ...]] = (
    must("BODY-1", "A body of any content type goes on byte for byte; nothing that was parsed is ever sent."),
    must("BODY-2", "No key of a body is an instruction to the gateway."),
    must("BODY-3", "No body stays no body: nothing is invented, no length either; a GET keeps the body it has."),
    must("BODY-4", "A known length stays that length, a chunked body stays chunked."),
    must(
        "BODY-5",
        "Bodies stream: the provider has the first bytes before the client has sent the last, in bounded memory.",
        tests="test_gateway_app::test_a_body_of_200_mib_passes_both_ways_in_less_than_8_mib",
    ),
    must("BODY-6", "Who reads slowly slows down who writes, in both directions."),
    must("BODY-7", "A body over the limit is a 413, before the provider hears of it where its length is told."),
    must("BODY-8", "A client that leaves in its upload breaks the provider's request, which is never completed."),
    should("BODY-9", "An answer that comes before the upload is done reaches the client."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "line-ends-are-tidied",
        "BODY-1",
        "http.py",
        "data = content.read_nowait(-1)\n",
        'data = content.read_nowait(-1).replace(b"\\r\\n", b"  ")\n',
        "test_gateway_http::test_odd_bodies_are_not_touched",
    ),
    mutant(
        "bodies-are-taken-for-text",
        "BODY-1 MPT-2",
        "http.py",
        "data = content.read_nowait(-1)\n",
        'data = content.read_nowait(-1).decode("utf-8", "replace").encode()\n',
        "test_gateway_http::test_odd_bodies_are_not_touched "
        "test_gateway_requirements_bodies::test_a_multipart_body_arrives_with_its_boundary_as_it_was_sent",
    ),
    mutant(
        "metadata-is-taken-out",
        "BODY-2",
        "http.py",
        "data = content.read_nowait(-1)\n",
        "data = content.read_nowait(-1).replace(b'{\"metadata\":', b'{\"x\":')\n",
        "test_gateway_requirements_bodies::test_no_key_of_a_body_is_an_instruction",
    ),
    mutant(
        "a-base-url-in-the-body-counts",
        "BODY-2",
        "http.py",
        "data = content.read_nowait(-1)\n",
        "data = content.read_nowait(-1)\n            if b'\"api_base\"' in data:\n"
        "                raise _Refused(Refusal(Reason.BAD_REQUEST))\n",
        "test_gateway_requirements_bodies::test_no_key_of_a_body_is_an_instruction",
    ),
    mutant(
        "no-body-gets-a-length",
        "BODY-3",
        "upstream/framing.py",
        '    elif request.length is not None:\n        lines.append(b"Content-Length: %d" % request.length)',
        '    else:\n        lines.append(b"Content-Length: %d" % (request.length or 0))',
        "test_gateway_http::test_a_request_without_body_gets_none_and_no_length "
        "test_upstream_connection::test_a_request_without_body_gets_no_framing_and_an_empty_one_its_length",
    ),
    mutant(
        "known-lengths-go-in-chunks",
        "BODY-4 HDR-3",
        "http.py",
        "is_chunked = length is None and known.coding is not None",
        "is_chunked = bool(length) or known.coding is not None",
        _SIZES,
    ),
    mutant(
        "the-upload-is-held-until-it-is-whole",
        "BODY-5",
        "http.py",
        "data = await request.content.readany()",
        "data = await request.content.read()",
        "test_gateway_http::test_a_body_is_passed_on_before_the_client_has_sent_all_of_it",
    ),
    mutant(
        "answers-are-read-ahead-of-the-client",
        "BODY-6 S-52",
        "upstream/wire.py",
        "if self._size > BUFFER_BYTES and not self._is_deaf",
        "if self._size > 1 << 40 and not self._is_deaf",
        "test_upstream_transport::test_a_provider_is_not_read_while_nobody_takes_what_came",
    ),
    mutant(
        "uploads-do-not-wait-for-the-provider",
        "BODY-6 S-52",
        "upstream/wire.py",
        "return self._is_full and self._transport is not None",
        "return False",
        "test_upstream_transport::test_a_body_waits_for_a_provider_that_does_not_read_and_gives_up",
    ),
    mutant(
        "a-full-client-does-not-stop-a-stream",
        "BODY-6 S-52",
        "http.py",
        "            return not answer.is_choked\n",
        "            return True\n",
        "test_gateway_http::test_a_client_that_reads_nothing_is_given_up",
    ),
    mutant(
        "what-fails-in-taking-is-lost",
        "STR-4",
        "upstream/wire.py",
        "            pouring.error = error\n",
        "            pass\n",
        "test_upstream_transport::test_what_fails_in_taking_is_raised_to_who_pours",
    ),
    mutant(
        "long-heads-are-remembered",
        "S-56",
        "known_heads.py",
        "> LONGEST_HEAD:",
        "> 1 << 40:",
        "test_gateway_known_heads::test_so_many_are_remembered_and_no_long_ones",
    ),
    mutant(
        "all-fields-of-their-length-are-passed-over",
        "HDR-1",
        "known_heads.py",
        "if len(one[0]) not in _LENGTHS or one[0].lower() not in alone",
        "if len(one[0]) not in _LENGTHS",
        "test_gateway_known_heads::test_heads_are_the_same_if_they_differ_in_nothing_but_length_and_id",
    ),
    mutant(
        "an-announced-length-is-not-judged",
        "BODY-7 S-46 ERR-3",
        "http.py",
        "if length is not None and int(length) > self._config.limits.request_body_bytes:",
        "if length is not None and int(length) > 1 << 62:",
        "test_gateway_http::test_a_body_over_the_limit_is_a_413",
    ),
    mutant(
        "a-body-in-chunks-has-no-limit",
        "BODY-7 S-46",
        "http.py",
        "if left < 0:",
        "if left < -(1 << 62):",
        "test_gateway_http::test_a_body_over_the_limit_is_a_413",
    ),
    mutant(
        "a-broken-upload-is-completed",
        "BODY-8",
        "http.py",
        "            if upload is not None:\n                upload.cancel()\n"
        "                await asyncio.gather(upload, return_exceptions=True)\n            exchange.abort()",
        "            if upload is not None:\n                upload.cancel()\n"
        "                await asyncio.gather(upload, return_exceptions=True)\n"
        '                exchange._wire._write(b"0\\r\\n\\r\\n")\n            exchange.abort()',
        "test_gateway_http::test_a_client_that_leaves_in_its_upload_never_makes_a_whole_request",
    ),
    mutant(
        "the-answer-waits-for-the-upload",
        "BODY-9",
        "http.py",
        "return_when=asyncio.FIRST_COMPLETED",
        "return_when=asyncio.ALL_COMPLETED",
        "test_gateway_http::test_an_early_answer_stops_the_upload_and_the_connection_is_not_used_again",
    ),
)
