"""AUTH: who is let in, and what is shown to the provider instead."""

from typing import Final

from .model import Mutant, Row, must, mutant, should

ROWS: Final[tuple[Row, ...]] = (
    must("AUTH-1", "The gateway key is found in each place where Google's clients put theirs, on every route."),
    must("AUTH-2", "No key or a wrong one is a 401 in Google's shape, at once and without a word to the provider."),
    must("AUTH-3", "Keys are compared as digests, in constant time."),
    must(
        "AUTH-4",
        "Carriers are read in a fixed order; two different gateway keys are a 401, any other value does no harm.",
    ),
    must("AUTH-5", "The gateway key reaches the provider in no place at all."),
    must("AUTH-6", "The provider gets one credential in one field."),
    must("AUTH-7", "Only where it is switched on and none is configured does the client's own Google credential pass."),
    must("AUTH-8", "A token is renewed early, by one caller for all, while the old one still serves."),
    should("AUTH-9", "A token that the provider rejects is dropped and got anew once; the 401 passes."),
    must("AUTH-10", "A key's list of models holds for the model of the path, and of a Live setup."),
    must("AUTH-11", "An empty or well-known key stops the start, but in development mode on loopback."),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "googles-header-lets-nobody-in",
        "AUTH-1",
        "keys.py",
        'names += [b"x-litellm-api-key", b"authorization", b"x-goog-api-key"]',
        'names += [b"x-litellm-api-key", b"authorization"]',
        "test_gateway_keys::test_every_carrier_lets_in "
        "test_gateway_app::test_the_gateway_key_lets_in_and_never_goes_upstream",
    ),
    mutant(
        "key-in-the-query-lets-nobody-in",
        "AUTH-1",
        "keys.py",
        'if piece.name == b"key")',
        'if piece.name == b"api_key")',
        "test_gateway_keys::test_the_query_lets_in",
    ),
    mutant(
        "no-www-authenticate",
        "AUTH-2",
        "refusals.py",
        "if refusal.status == 401:",
        "if refusal.status == 402:",
        "test_gateway_app::test_a_missing_or_wrong_key_is_a_401_before_the_body_is_read",
    ),
    mutant(
        "a-wrong-key-waits-for-the-body",
        "AUTH-2 S-18",
        "dispatch.py",
        "                return judged\n",
        "                await request.read()\n                return judged\n",
        "test_gateway_app::test_a_missing_or_wrong_key_is_a_401_before_the_body_is_read",
    ),
    mutant(
        "digests-are-compared-with-an-early-exit",
        "AUTH-3 S-17",
        "keys.py",
        "not hmac.compare_digest(key.key.digest(), digest)",
        "key.key.digest() != digest",
        "test_gateway_requirements_keys::test_keys_are_compared_as_digests_in_constant_time",
    ),
    mutant(
        "keys-are-known-by-their-beginning",
        "AUTH-3 S-17",
        "src/understudy/secret.py",
        "return hashlib.sha256(presented).digest()",
        "return hashlib.sha256(presented[:20]).digest()",
        "test_gateway_requirements_keys::test_keys_that_begin_alike_are_told_apart",
    ),
    mutant(
        "the-first-of-two-keys-counts",
        "AUTH-4 S-20",
        "keys.py",
        "if any(other.id != key.id for other, _ in known):",
        "if False:",
        "test_gateway_keys::test_two_carriers_with_different_keys_are_refused_and_with_the_same_key_let_in",
    ),
    mutant(
        "another-value-beside-the-key-harms",
        "AUTH-4",
        "keys.py",
        "        if known:\n            key, shown = known[0]",
        "        if known and len(known) == len(candidates):\n            key, shown = known[0]",
        "test_gateway_keys::test_a_google_token_beside_the_key_does_no_harm",
    ),
    mutant(
        "a-carrier-is-forgotten",
        "AUTH-5 S-1",
        "headers.py",
        '*(b"ocp-apim-subscription-key", b"proxy-authorization"),',
        'b"proxy-authorization",',
        "test_gateway_headers::test_every_key_carrier_is_removed_whatever_it_holds "
        "test_gateway_app::test_the_gateway_key_lets_in_and_never_goes_upstream",
    ),
    mutant(
        "the-key-is-not-looked-for-elsewhere",
        "AUTH-5 S-1",
        "headers.py",
        'return key in text or (b"%" in text and key in unquote_to_bytes(text))',
        "return False",
        "test_gateway_app::test_a_key_in_another_place_is_refused_before_the_provider_hears_of_it "
        "test_gateway_headers::test_a_key_that_stands_anywhere_else_is_refused "
        "test_gateway_app::test_a_key_in_another_place_of_a_live_handshake_is_refused",
    ),
    mutant(
        "the-credential-stands-twice",
        "AUTH-6",
        "headers.py",
        "return (*sent, *credential) if refusal is None else refusal",
        "return (*sent, *credential, *credential) if refusal is None else refusal",
        "test_gateway_headers::test_the_key_never_leaves_and_there_is_one_credential "
        "test_gateway_http::test_the_request_arrives_as_it_was_sent_but_for_the_credential",
    ),
    mutant(
        "own-credentials-pass-unasked",
        "AUTH-7 S-4",
        "http.py",
        "    if not config.client_credentials:\n        raise CredentialsMissing(setting)\n",
        "",
        "test_gateway_credentials::test_the_clients_own_google_token_passes_only_when_that_is_switched_on",
    ),
    mutant(
        "without-an-own-credential-nothing-is-shown",
        "AUTH-7",
        "http.py",
        "if not shows_google(received, caller.presented):",
        "if False:",
        "test_gateway_credentials::"
        "test_without_a_google_token_of_the_clients_own_nothing_is_sent_and_the_answer_says_so",
    ),
    mutant(
        "every-waiter-renews",
        "AUTH-8",
        "credentials.py",
        "if self._renewal is None and now >= self._next_try:",
        "if now >= self._next_try:",
        "test_gateway_credentials::test_one_call_serves_many_who_wait",
    ),
    mutant(
        "a-good-token-waits-for-its-renewal",
        "AUTH-8",
        "credentials.py",
        "            self._renew(now)\n        if self._token is None:",
        "            await self._wait_for_renewal(now)\n        if self._token is None:",
        "test_gateway_credentials::test_a_token_is_renewed_early_while_the_old_one_serves",
    ),
    mutant(
        "a-rejected-token-is-kept",
        "AUTH-9",
        "http.py",
        "if answered.status == 401 and",
        "if answered.status == 403 and",
        "test_gateway_credentials::test_an_upstream_401_drops_the_token_and_passes",
    ),
    mutant(
        "weak-keys-are-let-start",
        "AUTH-11",
        "config/keys.py",
        "        _check_keys(reading, found)\n        if not found",
        "        if not found",
        "test_gateway_config::test_weak_keys_are_refused_unless_development",
    ),
    mutant(
        "keys-of-eight-characters",
        "S-16",
        "config/words.py",
        "KEY_MIN_LENGTH: Final = 16",
        "KEY_MIN_LENGTH: Final = 8",
        "test_gateway_config::test_weak_keys_are_refused_unless_development",
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
)
