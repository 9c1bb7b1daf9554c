"""COST: what an exchange costs, whom it is charged to, and who may not begin."""

from typing import Final

from .model import Mutant, Row, must, mutant

ROWS: Final[tuple[Row, ...]] = (
    must("COST-1", "What generates is priced by its own rule; counting, lists, files, caches and polls cost nothing."),
    must("COST-2", "In a stream later usage takes the place of earlier, and the cost is that of the unary answer."),
    must(
        "COST-3",
        "Each kind of token, tier, length, grounding and prepaid traffic is counted by itself.",
        tests="test_pricing_every_rule::test_every_rule_has_an_example",
    ),
    must("COST-4", "The price is that of the path's model, or the setup's; without a price the cost is unknown."),
    must("COST-5", "An error costs nothing unless it reports usage; a blocked prompt costs its input."),
    must("COST-6", "What broke off is booked by the usage that was seen, as an estimate; with none it is unknown."),
    must("COST-7", "Coded answers are priced from a copy."),
    must("COST-8", "A session is the sum of its turns, in either provider's words, however it ends."),
    must("COST-9", "A video costs once, by what was delivered, and nothing where it failed or was filtered."),
    must("COST-10", "A record names key, tags, model, provider, route and request id."),
    must("COST-11", "What a client can set says nothing about usage or cost."),
    must(
        "COST-12", "A key over its budget is a 429 before the provider hears of it; check and reservation are one step."
    ),
    must("COST-13", "Rates of keys and models hold, with a 429 that says when and is marked as the gateway's."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "uploads-are-priced",
        "COST-1",
        "metering.py",
        ' or route.target.startswith((b"/upload/", b"/resumable/"), base)\n',
        "\n",
        "test_gateway_metering::test_what_is_free_by_kind_is_booked_with_zero",
    ),
    mutant(
        "pictures-are-not-read",
        "COST-1",
        "src/understudy/usage/readers.py",
        '"predict", "embedContent", "batchEmbedContents"})',
        '"embedContent", "batchEmbedContents"})',
        "test_gateway_accounting::test_each_shape_is_booked_by_its_own_rule",
    ),
    mutant(
        "usage-of-a-stream-is-summed",
        "COST-2",
        "src/understudy/usage/reading.py",
        "            self.merged |= metadata\n",
        "            for name, value in metadata.items():\n"
        "                self.merged[name] = value + self.merged.get(name, type(value)())\n",
        "test_gateway_metering::test_a_stream_costs_what_its_last_usage_says "
        "test_usage_readers::test_chunks_of_a_stream_are_merged_field_by_field_and_never_added "
        "test_usage_readers::test_a_cumulative_stream_costs_what_the_unary_answer_costs",
    ),
    mutant(
        "thoughts-are-free",
        "COST-3",
        "src/understudy/usage/tokens.py",
        "        meters[_THOUGHTS] = thoughts\n    return",
        "        pass\n    return",
        "test_pricing_rules::test_3_8_thinking_has_its_own_rate_until_tier_or_length_apply",
    ),
    mutant(
        "cached-tokens-are-paid-in-full",
        "COST-3",
        "src/understudy/usage/tokens.py",
        "meters[_INPUT[modality]] = tokens - cached[modality] if modality in cached else tokens",
        "meters[_INPUT[modality]] = tokens",
        "test_usage_tokens::test_rule_1_cached_is_part_of_the_prompt_and_tool_use_and_thoughts_are_not "
        "test_pricing_rules::test_3_5_input_by_modality_and_cached_at_its_own_rate",
    ),
    mutant(
        "unknown-costs-are-not-counted",
        "COST-4 OBS-4",
        "counts.py",
        'if record.known == "unknown":',
        "if False:",
        "test_gateway_metrics::test_unknown_prices_are_counted",
    ),
    mutant(
        "versions-are-other-models",
        "COST-4",
        "src/understudy/pricing/names.py",
        '_VERSION: Final = re.compile(r"@[A-Za-z0-9._-]+$|-[0-9]{3}$")',
        '_VERSION: Final = re.compile(r"-[0-9]{3}$")',
        "test_price_names::test_a_name_without_its_version",
    ),
    mutant(
        "errors-are-priced",
        "COST-5",
        "metering.py",
        "status=self._status or 200,",
        "status=200,",
        "test_gateway_metering::test_an_error_costs_nothing",
    ),
    mutant(
        "a-break-is-taken-for-exact",
        "COST-6",
        "metering.py",
        'complete=ending.outcome == "ok",',
        "complete=True,",
        "test_gateway_metering::test_an_interrupted_exchange_is_an_estimate_or_unknown "
        "test_gateway_http::test_usage_seen_before_a_break_is_booked_as_an_estimate",
    ),
    mutant(
        "coded-answers-are-not-read",
        "COST-7",
        "metering.py",
        'said.get(_CODING, b"").decode("latin-1"),',
        '"br" if coding else "",',
        "test_gateway_http::test_a_compressed_answer_stays_compressed_and_is_still_priced",
    ),
    mutant(
        "the-last-turn-counts-alone",
        "COST-8",
        "live_metering.py",
        "        session = self._reader.finish()\n",
        "        session = self._reader.finish()\n        session = replace(session, turns=session.turns[-1:])\n",
        "test_gateway_metering::test_a_session_is_the_sum_of_its_turns_and_has_its_line_in_the_log",
    ),
    mutant(
        "live-answers-have-one-name",
        "COST-8",
        "src/understudy/usage/tokens.py",
        'return ("response", "candidates") if self is Form.GEMINI_LIVE else ("candidates", "response")',
        'return ("candidates",)',
        "test_usage_tokens::test_live_answers_are_read_under_both_names_the_providers_own_first "
        "test_gateway_app::test_a_live_session_is_relayed_booked_and_hides_the_key",
    ),
    mutant(
        "failed-videos-are-paid",
        "COST-9",
        "metering.py",
        "0 if operation.has_failed else operation.delivered",
        "max(1, operation.delivered)",
        "test_gateway_metering::test_a_failed_or_filtered_job_is_free",
    ),
    mutant(
        "records-have-no-tags",
        "COST-10 OBS-8",
        "metering.py",
        "            route.upstream.kind,\n            call.tags,\n",
        "            route.upstream.kind,\n            (),\n",
        "test_gateway_admin::test_tags_of_the_client_stand_beside_the_keys_in_spend_and_go_no_further",
    ),
    mutant(
        "records-have-no-provider",
        "COST-10",
        "metering.py",
        "            route.upstream.kind,\n            call.tags,",
        "            None,\n            call.tags,",
        "test_gateway_requirements_cost::test_a_record_names_whom_and_what_it_is_for",
    ),
    mutant(
        "the-clients-fields-are-read-for-cost",
        "COST-11 S-73",
        "http.py",
        "meter.answered(answered.status, answered.headers)",
        "meter.answered(answered.status, (*request.raw_headers, *answered.headers))",
        "test_gateway_requirements_cost::test_nothing_that_a_client_sends_changes_the_cost",
    ),
    mutant(
        "a-used-up-budget-lets-in",
        "COST-12 S-71 S-72",
        "limits/admission.py",
        "                if reserved is None:\n",
        "                if False:\n",
        "test_gateway_limits::test_a_key_over_its_budget_is_refused_before_the_provider_hears_of_it_and_others_are_not "
        "test_gateway_limits::test_of_a_hundred_at_once_on_a_budget_for_one_one_passes",
    ),
    mutant(
        "nothing-is-reserved",
        "COST-12 S-71 S-72",
        "limits/admission.py",
        "reserved = budget.reserve(self._guesses.get(model, FIRST_GUESS), self._now())",
        "reserved = budget.reserve(ZERO, self._now())",
        "test_gateway_limits::test_of_a_hundred_at_once_on_a_budget_for_one_one_passes "
        "test_gateway_limits::test_a_client_that_leaves_without_usage_is_charged_what_was_reserved",
    ),
    mutant(
        "requests-per-minute-do-not-hold",
        "COST-13",
        "limits/gates.py",
        "if rates.rpm is not None and (",
        "if False and (",
        "test_gateway_limits::test_requests_and_tokens_per_minute",
    ),
    mutant(
        "nobody-is-told-when",
        "COST-13",
        "limits/gates.py",
        '"requests per minute", retry_after_s=wait)',
        '"requests per minute")',
        "test_gateway_limits::test_requests_and_tokens_per_minute",
    ),
    mutant(
        "rates-of-models-do-not-hold",
        "COST-13",
        "limits/admission.py",
        "for gate in (key.gate if key else None, self._models.get(model)) if gate is not None)",
        "for gate in (key.gate if key else None,) if gate is not None)",
        "test_gateway_limits::test_a_model_has_rates_of_its_own_for_all_keys",
    ),
    mutant(
        "a-get-may-be-taken-for-a-post",
        "COST-12 S-31",
        "dispatch.py",
        'and (caller.rule is not None or request.method != "POST"):',
        "and caller.rule is not None:",
        "test_gateway_limits::test_what_is_free_by_its_method_may_not_ask_to_be_taken_for_another",
    ),
)
