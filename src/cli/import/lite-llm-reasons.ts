// Why keys of LiteLLM are left out.
import type { Reasons } from './foreign.ts'

const database =
  'the gateway needs no database: keys are in keys.json, usage is in the ledger (docs/keys.md, docs/usage.md)'
const callbacks =
  'use the metrics, traces and alerts of the gateway (docs/observing.md, docs/tracing.md, docs/alerts.md)'
const guardrails = 'the gateway examines no content; a guardrail that is a proxy of its own can be a provider'
const cache = 'the gateway caches no answers; it places calls where their prompt is cached'
const cloudAccount = 'cloud accounts whose requests are signed are not supported'
const byFailure = 'what is retried and what cools down depends on the failure (docs/routing.md)'
const ignored = 'LiteLLM reads it elsewhere, and ignores it here'
const sharedLimits =
  'limits outlive a restart without it; several gateways share them by rate_limit_settings.store (docs/machines.md)'
const tools = 'the gateway runs no tools or agents; tool calls pass through unchanged'

export const liteLlmReasons: Reasons = [
  ['include', 'the included file was read as part of this one; its indexes continue those of this file'],
  ['guardrails', guardrails],
  ['policies', guardrails],
  ['policy_attachments', guardrails],
  ['prompts', 'clients send their own prompts'],
  ['mcp_servers', tools],
  ['mcp_tools', tools],
  ['search_tools', tools],
  ['sandbox_tools', tools],
  ['agents', tools],
  ['agent_list', tools],
  ['vector_store_registry', 'routes.rest passes vector stores to one provider'],
  ['files_settings', 'routes.rest passes files to one provider'],
  ['finetune_settings', 'routes.rest passes fine-tuning to one provider'],
  ['assistant_settings', 'routes.rest passes assistants to one provider'],
  ['callback_settings', callbacks],
  ['pass_through_endpoints', 'a provider has routes of its own at /providers/NAME (docs/native-routes.md)'],
  [
    'general_settings.pass_through_endpoints',
    'a provider has routes of its own at /providers/NAME (docs/native-routes.md)',
  ],
  ['default_vertex_config', cloudAccount],
  ['environment_variables.*', 'set it in the environment of the service; the gateway sets no variables'],
  ['general_settings.database_url', database],
  ['general_settings.database_connection_pool_limit', database],
  ['general_settings.store_model_in_db', database],
  ['general_settings.alerting', 'use notify (docs/alerts.md)'],
  ['general_settings.alerting_threshold', 'use notify (docs/alerts.md)'],
  ['general_settings.key_management_system', 'use secret set, or systemd credentials (docs/secrets.md)'],
  ['general_settings.key_management_settings', 'use secret set, or systemd credentials (docs/secrets.md)'],
  ['general_settings.max_parallel_requests', 'set max_parallel_requests on a provider, a model or a key'],
  [
    'general_settings.global_max_parallel_requests',
    'set max_parallel_requests on a provider, a model or a key',
  ],
  ['general_settings.allowed_routes', 'a key can be bound to models, not to routes'],
  [
    'general_settings.forward_client_headers_to_llm_api',
    'a list of the gateway decides which client headers go upstream',
  ],
  ['general_settings.cancel_on_disconnect', 'calls always end when their client leaves'],
  ['general_settings.dangerously_permit_weak_or_unset_master_key', 'the gateway makes its keys itself'],
  ['general_settings.health_check_interval', 'there are no health checks without background_health_checks'],
  ['general_settings.background_health_checks', 'health checks are off, as there'],
  ['general_settings.max_response_size_mb', 'the gateway has its own bound for whole answers'],
  ['litellm_settings.callbacks', callbacks],
  ['litellm_settings.success_callback', callbacks],
  ['litellm_settings.failure_callback', callbacks],
  ['litellm_settings.service_callback', callbacks],
  ['litellm_settings.cache', cache],
  ['litellm_settings.cache_params', cache],
  ['litellm_settings.set_verbose', 'use logging.level'],
  ['litellm_settings.json_logs', 'use logging.format: json'],
  ['litellm_settings.turn_off_message_logging', 'prompts and answers are never logged'],
  ['litellm_settings.redact_user_api_key_info', 'keys are never logged'],
  ['litellm_settings.ssl_verify', 'certificates are always verified'],
  ['litellm_settings.telemetry', 'the gateway sends none'],
  [
    'litellm_settings.drop_params',
    'a call that passes keeps its bytes, and a translated one loses what the format lacks; list parameters in request.drop of a model',
  ],
  ['litellm_settings.modify_params', 'a call that passes keeps its bytes'],
  ['litellm_settings.allowed_fails', byFailure],
  ['litellm_settings.cooldown_time', ignored],
  ['litellm_settings.timeout', ignored],
  ['litellm_settings.stream_timeout', ignored],
  ['router_settings.request_timeout', ignored],
  [
    'litellm_settings.content_policy_fallbacks',
    'an error of the client leads to no fallback, except a prompt that is too long',
  ],
  ['litellm_settings.budget_duration', 'it has no meaning without a budget that could be carried'],
  ['litellm_settings.require_auth_for_metrics_endpoint', 'see metrics.allowed_users'],
  ['litellm_settings.model_alias_map', 'write aliases for the models'],
  [
    'litellm_settings.default_internal_user_params',
    'a key has its own models, limits and budgets (docs/keys.md)',
  ],
  ['litellm_settings.default_team_settings', 'a key has its own models, limits and budgets (docs/keys.md)'],
  ['router_settings.allowed_fails', byFailure],
  ['router_settings.allowed_fails_policy', byFailure],
  ['router_settings.retry_policy', byFailure],
  ['router_settings.model_group_retry_policy', byFailure],
  ['router_settings.retry_after', byFailure],
  ['router_settings.max_fallbacks', 'a call tries at most sixteen targets, fallbacks included'],
  [
    'router_settings.content_policy_fallbacks',
    'an error of the client leads to no fallback, except a prompt that is too long',
  ],
  ['router_settings.enable_pre_call_checks', 'calls go to targets that they fit (docs/routing.md)'],
  [
    'router_settings.optional_pre_call_checks',
    'limits are always applied, and prompts go where they are cached',
  ],
  ['router_settings.enable_tag_filtering', 'write a model for each tag, and list models in keys'],
  ['router_settings.routing_strategy_args', 'placement has no arguments'],
  [
    'router_settings.provider_budget_config',
    'budgets apply to keys, to clients or to all calls together (docs/budgets.md)',
  ],
  ['router_settings.default_max_parallel_requests', 'set max_parallel_requests on a provider or a model'],
  ['router_settings.cache_responses', cache],
  ['router_settings.redis_url', sharedLimits],
  ['router_settings.redis_host', sharedLimits],
  ['router_settings.redis_port', sharedLimits],
  ['router_settings.redis_password', sharedLimits],
  ['router_settings.set_verbose', 'use logging.level'],
  ['model_list.*.litellm_params.max_retries', 'use routing.retries'],
  ['model_list.*.litellm_params.num_retries', 'use routing.retries'],
  ['model_list.*.litellm_params.cooldown_time', 'use routing.cooldown_ms, which holds for every target'],
  ['model_list.*.litellm_params.supports_system_message', 'messages pass as they are'],
  ['model_list.*.litellm_params.allowed_openai_params', 'a call that passes keeps all that it has'],
  ['model_list.*.litellm_params.drop_params', 'list the parameters in request.drop of the model'],
  ['model_list.*.litellm_params.additional_drop_params.*', 'a path through lists cannot be dropped'],
  [
    'model_list.*.litellm_params.max_budget',
    'budgets apply to keys, to clients or to all calls together (docs/budgets.md)',
  ],
  [
    'model_list.*.litellm_params.budget_duration',
    'budgets apply to keys, to clients or to all calls together (docs/budgets.md)',
  ],
  ['model_list.*.litellm_params.itpm', 'tpm counts prompt and answer together'],
  ['model_list.*.litellm_params.otpm', 'tpm counts prompt and answer together'],
  ['model_list.*.litellm_params.tags', 'write a model for each tag, and list models in keys'],
  ['model_list.*.litellm_params.mock_response', 'use a provider of kind echo'],
  [
    'model_list.*.litellm_params.use_chat_completions_api',
    'the gateway finds out which formats a server speaks',
  ],
  ['model_list.*.litellm_params.merge_reasoning_content_in_choices', 'answers pass as they are'],
  ['model_list.*.model_info.access_groups', 'list models in keys (docs/keys.md)'],
  ['model_list.*.model_info.team_id', 'list models in keys (docs/keys.md)'],
  ['model_list.*.model_info.tier', 'tiers of targets come from order'],
  ['model_list.*.model_info.blocked', 'leave the model out to block it'],
]
