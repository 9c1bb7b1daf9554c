"""SEC and PERF: what the threats of S come to, and what it may cost."""

from typing import Final

from .model import Mutant, Row, held, must, mutant, should

ROWS: Final[tuple[Row, ...]] = (
    must("SEC-1", "A connection on which framing was in doubt is refused and closed."),
    must("SEC-2", "Nothing of a client's chooses scheme, host or port; URLs in bodies are not fetched."),
    must("SEC-3", "Providers are verified by their certificates."),
    must("SEC-4", "Secrets show as stars in logs, errors, metrics and repr."),
    must("SEC-5", "Connections are pooled by origin alone, and nothing of a request stays on them."),
    must("SEC-6", "Slow clients, floods of fields and too many connections are bounded (S-44 to S-56)."),
    must("SEC-7", "A loop through the gateway itself is a 508."),
    held(
        should("SEC-8", "The gateway runs on a read-only file system without a shell; no secret comes by a flag."),
        "documentation",
        "docs/how-to/run-the-gateway.md",
        "How a container is set up is the operator's; that no flag takes a secret is tested under S-15.",
    ),
    must("SEC-9", "No spelling of a model's name leads around a rule."),
    held(
        should("PERF-1", "CPU per request with everything on, and with accounting on against off; two workers."),
        "bench",
        "unary unary-plain accounting workers-2",
        "A ratio to peers on one machine.",
    ),
    held(should("PERF-2", "Latency that the gateway adds."), "bench", "added-p50", "A ratio to peers on one machine."),
    held(
        should("PERF-3", "CPU and delay of a piece of a stream, and of a Live frame."),
        "bench",
        "sse sse-paced live-echo live-paced-gateway",
        "A ratio to peers on one machine.",
    ),
    held(
        should("PERF-4", "Memory of a worker, of a session and under large bodies; it does not grow with time."),
        "bench",
        "memory memory-growth memory-100mb",
        "What many requests leave behind is seen after many requests.",
    ),
    must("PERF-5", "Connections to providers are used again."),
    held(
        should("PERF-6", "Large inline media: time added, and the longest pause of the event loop."),
        "bench",
        "inline-8m",
        "A time on one machine.",
    ),
)

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant(
        "forwarded-host-is-believed",
        "SEC-2 S-31",
        "http.py",
        "request.method, route.upstream, route.target, headers,",
        'request.method, route.upstream if (at := header_value(request.raw_headers, b"x-forwarded-host")) is None else '
        'type(route.upstream)("gemini", "http", "127.0.0.1", int(at.rpartition(b":")[2]), ""), route.target, headers,',
        "test_gateway_requirements_security::test_nothing_that_a_client_sends_leads_to_another_host",
    ),
    mutant(
        "certificates-are-not-verified",
        "SEC-3 S-35",
        "trust.py",
        "        context = ssl.create_default_context()\n",
        "        context = ssl._create_unverified_context()\n",
        "test_gateway_app::test_clients_and_providers_are_reached_by_tls",
    ),
    mutant(
        "names-of-certificates-are-not-verified",
        "SEC-3 S-35",
        "trust.py",
        "            return ssl.create_default_context(cafile=ca)\n",
        "            context = ssl.create_default_context(cafile=ca)\n            context.check_hostname = False\n"
        "            return context\n",
        "test_gateway_requirements_security::test_a_certificate_for_another_name_is_refused",
    ),
    mutant(
        "secrets-show-in-repr",
        "SEC-4 S-8",
        "src/understudy/secret.py",
        "    def __repr__(self) -> str:\n        return STARS",
        "    def __repr__(self) -> str:\n        return self._value",
        "test_secret::test_no_way_of_printing_shows_the_value test_gateway_config::test_secrets_do_not_show",
    ),
    mutant(
        "pools-are-kept-by-project",
        "SEC-5",
        "upstream/pool.py",
        "return (upstream.scheme, upstream.host, upstream.port)",
        'return (upstream.scheme, upstream.host + (upstream.project or ""), upstream.port)',
        "test_upstream_pool::test_credentials_path_and_project_are_no_part_of_the_origin",
    ),
    mutant(
        "pools-mix-origins",
        "SEC-5",
        "upstream/pool.py",
        "return (upstream.scheme, upstream.host, upstream.port)",
        "return (upstream.scheme, upstream.host, 0)",
        "test_gateway_requirements_security::test_connections_of_one_provider_carry_nothing_to_another",
    ),
    mutant(
        "cookies-are-kept",
        "SEC-5 S-6",
        "upstream/wire.py",
        "        head = self.machine.begin(request)\n",
        "        head = self.machine.begin(request)\n"
        '        for value in self.__dict__.get("jar", ()):\n'
        '            head = head[:-2] + b"Cookie: " + value + b"\\r\\n\\r\\n"\n',
        "test_gateway_http::test_redirects_and_cookies_are_the_clients_business",
        also=(
            (
                "        self.machine.rest()\n",
                "        self.machine.rest()\n        jar = [value for name, value in (self._head.headers if self._head"
                ' else ()) if name.lower() == b"set-cookie"]\n        self.__dict__["jar"] = jar\n',
            ),
        ),
    ),
    mutant(
        "uploads-may-trickle-for-ever",
        "SEC-6 S-45",
        "http.py",
        "async with asyncio.timeout(self._config.timeouts.request_idle_s):",
        "async with asyncio.timeout(1e6):",
        "test_gateway_http::test_a_client_that_stops_in_its_body_gets_a_408",
    ),
    mutant(
        "who-reads-nothing-is-waited-for",
        "SEC-6 S-52",
        "http.py",
        "async with asyncio.timeout(self._config.timeouts.write_s):",
        "async with asyncio.timeout(1e6):",
        "test_gateway_http::test_a_client_that_reads_nothing_is_given_up",
    ),
    mutant(
        "connections-are-used-once",
        "PERF-5",
        "upstream/wire.py",
        "            or not self.machine.is_reusable\n",
        "            or True\n",
        "test_gateway_http::test_connections_to_the_provider_are_used_again "
        "test_upstream_transport::test_one_connection_carries_one_exchange_after_the_other",
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
        "names-are-compared-however-they-are-spelled",
        "SEC-9 S-29",
        "model_names.py",
        "    if is_ambiguous(path):\n        return Refusal(",
        "    if False:\n        return Refusal(",
        "test_gateway_models::test_what_could_be_read_in_two_ways_is_refused",
    ),
    mutant(
        "connections-without-end",
        "SEC-6",
        "room.py",
        "if self.count < self._most:",
        "if True:",
        "test_gateway_room::test_connections_beyond_the_limit_are_a_503_and_a_place_that_is_left_is_free",
    ),
    mutant(
        "connections-without-end-wait-for-their-503",
        "SEC-6",
        "room.py",
        "if self._surplus.count < _SURPLUS:",
        "if True:",
        "test_gateway_room::test_of_those_beyond_few_may_wait_for_their_503",
    ),
)
