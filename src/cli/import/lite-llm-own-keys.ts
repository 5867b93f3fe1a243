// Keys of `litellm_params` with a meaning of their own in LiteLLM 1.108: it sends whatever else stands there in the body of every
// request. https://github.com/BerriAI/litellm/blob/main/litellm/types/utils.py (all_litellm_params)

const names = new Set(
  `model custom_llm_provider provider_specific_header api_base base_url api_key api_version organization
  rpm tpm itpm otpm max_parallel_requests weight order tags tag_regex enable_tag_filtering allowed_model_region
  timeout stream_timeout request_timeout force_timeout timeout_by_service_tier stream_timeout_by_service_tier
  max_retries num_retries retry_policy retry_strategy cooldown_time fallbacks context_window_fallback_dict max_fallbacks
  routing_strategy fastest_response silent_model provider_affinity_header
  drop_params additional_drop_params allowed_openai_params max_budget budget_duration
  extra_headers headers extra_body region_name data_residency tenant_id client_id client_secret ssl_verify client shared_session azure
  model_info model_list model_config model_alias_map base_model id metadata guardrails
  caching enable_prompt_caching ttl keepalive_seconds stream_chunk_size complete_response stream_response
  prompt_id prompt_variables prompt_version prompt_environment prompt_label custom_prompt_dict roles
  initial_prompt_value final_prompt_value bos_token eos_token hf_model_name supports_system_message ensure_alternating_roles
  user_continue_message assistant_continue_message enable_json_schema_validation max_file_size_mb search_tool_name
  logger_fn verbose no-log turn_off_message_logging tiered_pricing fireworks_forward_user_id bedrock_tags rust`.split(
    /\s+/,
  ),
)

const families =
  /^(?:litellm|use|mock|merge|configurable|cache|input|output|default|aws|vertex|azure|watsonx|s3|gcs|anthropic|openai_identity|openai_service|github_copilot|token_exchange|auto_router|complexity_router|adaptive_router|quality_router|langfuse|langsmith|humanloop|arize|posthog|wandb|weave|dd|newrelic|signoz)_|_cost(?:_|$)|^cost_|^caching_|^cache$|^_/

/** True for a key of `litellm_params` that LiteLLM keeps to itself. */
export function isOwnKey(name: string): boolean {
  return names.has(name) || families.test(name)
}
