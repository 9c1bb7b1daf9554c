"""The words of the configuration: which have an effect here, and which of LiteLLM's are let pass with a notice."""

from typing import Final

TOP: Final = frozenset(
    {
        *("model_list", "general_settings", "litellm_settings", "default_vertex_config", "understudy_settings"),
        *("router_settings", "guardrails"),
    }
)
TOP_IGNORED: Final = frozenset(
    {
        *("environment_variables", "callback_settings", "include", "mcp_servers"),
        *("credential_list", "vector_store_registry", "files_settings", "finetune_settings", "assistant_settings"),
        *("cache_params", "prompts", "search_tools", "tools", "policies"),
    }
)

GENERAL: Final = frozenset(
    {"master_key", "litellm_key_header_name", "pass_through_request_timeout", "pass_through_endpoints"}
)
GENERAL_IGNORED: Final = frozenset(
    {
        *("database_url", "database_connection_pool_limit", "database_connection_timeout"),
        *("store_model_in_db", "store_prompts_in_spend_logs", "disable_spend_logs", "disable_error_logs", "alerting"),
        *(
            "alerting_threshold",
            "alert_types",
            "alert_to_webhook_url",
            "proxy_batch_write_at",
            "proxy_budget_rescheduler",
        ),
        *("completion_model", "infer_model_from_keys", "background_health_checks", "health_check_interval", "salt_key"),
        *(
            "custom_auth",
            "custom_key_generate",
            "enable_jwt_auth",
            "enforce_user_param",
            "allowed_routes",
            "user_header_name",
        ),
        *(
            "admin_only_routes",
            "public_routes",
            "max_parallel_requests",
            "global_max_parallel_requests",
            "ui_access_mode",
        ),
        *(
            "max_request_size_mb",
            "max_response_size_mb",
            "allow_requests_on_db_unavailable",
            "use_redis_transaction_buffer",
        ),
        *(
            "litellm_jwtauth",
            "default_team_disabled",
            "disable_master_key_return",
            "key_management_system",
            "log_to_db",
        ),
        *(
            "key_management_settings",
            "allowed_ips",
            "forward_client_headers_to_llm_api",
            "maximum_spend_logs_retention_period",
        ),
        *("proxy_config_url", "allow_user_auth", "disable_reset_budget", "disable_adding_master_key_hash_to_db"),
        *(
            "disable_retry_on_max_parallel_request_limit_error",
            "disable_prisma_schema_update",
            "reject_clientside_metadata_tags",
        ),
    }
)

LITELLM: Final = frozenset(
    {
        *("default_vertex_config", "num_retries", "fallbacks", "default_fallbacks", "include_cost_in_streaming_usage"),
        *("success_callback", "failure_callback", "callbacks", "json_logs"),
    }
)
LITELLM_IGNORED: Final = frozenset(
    {
        "set_verbose",
        *(
            "drop_params",
            "request_timeout",
            "cache",
            "cache_params",
            "context_window_fallbacks",
        ),
        *(
            "content_policy_fallbacks",
            "allowed_fails",
            "cooldown_time",
            "max_budget",
            "budget_duration",
        ),
        *(
            "turn_off_message_logging",
            "redact_user_api_key_info",
            "langfuse_default_tags",
            "service_callback",
            "modify_params",
        ),
        *(
            "upperbound_key_generate_params",
            "default_internal_user_params",
            "default_team_settings",
            "default_team_params",
        ),
        *("max_internal_user_budget", "internal_user_budget_duration", "force_ipv4", "ssl_verify", "ssl_certificate"),
        *("enable_preview_features", "s3_callback_params", "tag_budget_config", "model_group_settings", "telemetry"),
        *("custom_provider_map", "default_max_internal_user_budget", "max_end_user_budget", "store_audit_logs"),
        *("add_user_information_to_llm_headers", "return_response_headers", "forward_traceparent_to_llm_provider"),
        *(
            "disable_hf_tokenizer_download",
            "enable_json_schema_validation",
            "prometheus_metrics_config",
            "aiohttp_trust_env",
        ),
        *("disable_copilot_system_to_assistant", "enable_loadbalancing_on_batch_endpoints", "public_model_groups"),
    }
)

VERTEX_CONFIG: Final = frozenset({"vertex_project", "vertex_location", "vertex_credentials", "api_base"})

MODEL: Final = frozenset({"model_name", "litellm_params", "model_info"})
PARAMS: Final = frozenset(
    {
        *("model", "api_key", "api_base", "vertex_project", "vertex_location", "vertex_credentials"),
        *("use_in_pass_through", "rpm", "tpm", "max_parallel_requests"),
    }
)
PARAMS_IGNORED: Final = frozenset(
    {
        *("timeout", "stream_timeout", "max_retries", "weight", "order", "tags"),
        *(
            "temperature",
            "max_tokens",
            "top_p",
            "seed",
            "stop",
            "api_version",
            "organization",
            "base_model",
            "mock_response",
        ),
        "region_name",
        *(
            "custom_llm_provider",
            "litellm_credential_name",
            "merge_reasoning_content_in_choices",
            "max_budget",
            "headers",
        ),
        *("budget_duration", "extra_headers", "extra_body", "drop_params", "additional_drop_params", "safety_settings"),
        *(
            "use_litellm_proxy",
            "configurable_clientside_auth_params",
            "thinking",
            "reasoning_effort",
            "max_file_size_mb",
        ),
    }
)

OURS: Final = frozenset(
    {
        *("keys", "upstream_ca", "price_book", "development", "response_cost_header", "live_api_version"),
        *("vertex_api_key", "vertex_adc", "client_credentials", "cost_policies", "timeouts", "limits", "admin_key"),
        *("key_spend_header", "live_budget_check", "refuse_without_store", "accounting"),
        *("upstream_hosts", "plain_upstream", "allowed_origins", "via", "unbuffered_sse"),
        *("public_url", "rewrite_urls", "user_project", "complete_live_models"),
        *("retries", "stream_error_event", "sse_ping_s", "mock_testing", "trace_file"),
    }
)
KEY: Final = frozenset(
    {
        *("id", "key", "models", "tags", "max_budget", "budget_duration"),
        *("rpm_limit", "tpm_limit", "max_parallel_requests", "guardrails"),
    }
)
ENDPOINT: Final = frozenset(
    {
        *("path", "target", "headers", "forward_headers", "include_subpath", "methods", "auth", "timeout"),
        *("cost_per_request", "default_query_params", "merge_query_params", "guardrails"),
    }
)
ENDPOINT_IGNORED: Final = frozenset({"id", "description", "custom_llm_provider", "is_from_config", "cost_tracking"})

KNOWN_KEYS: Final = frozenset({"sk-1234", "sk-12345", "sk-123456", "sk-test", "sk-litellm", "change-me", "changeme"})
"""Keys that stand in guides, and so are no secret (AUTH-11)."""

KEY_MIN_LENGTH: Final = 16
