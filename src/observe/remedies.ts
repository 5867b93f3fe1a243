// What an operator can do about a failure, by its code: an error code of the gateway, or an outcome of a call. The status
// page and notifications show the same sentences. They hold nothing of a client's or a provider's text but names of the
// configuration.
import type { ErrorCode } from '../errors.ts'

/** Where a failure happened; names are of the configuration. */
export interface FailurePlace {
  readonly provider?: string | null | undefined
  readonly model?: string | null | undefined
}

type OutcomeOfProvider =
  | 'client_error'
  | 'limited'
  | 'no_target'
  | 'provider_auth'
  | 'provider_billing'
  | 'provider_error'
  | 'provider_limited'

/** `{provider}` and `{model}` stand for names. A sentence that needs a name is left out where that is unknown. */
const remedies: Readonly<Partial<Record<ErrorCode | OutcomeOfProvider, string>>> = {
  budget_exceeded: 'Raise the budget, or wait until its window ends; llm-gateway status shows when.',
  budget_state_lost: 'Run llm-gateway doctor: what was spent has to be found or accepted as lost.',
  client_error: 'The provider refuses what the client sent; the reason names it. Change the request.',
  clock_not_set: "Set the machine's clock; keys that expire cannot be checked before.",
  host_not_allowed: 'Use localhost or 127.0.0.1, or add the name to server.allowed_hosts.',
  identity_not_allowed: 'Add the identity to clients: or identity:, if it may call.',
  identity_required: 'Sign in at the front proxy; a call without an identity is not served.',
  identity_unavailable: 'Check that the issuer of identities can be reached: llm-gateway doctor.',
  internal_error: 'This is a fault of the gateway; its log has the cause under the id of the request.',
  invalid_api_key: 'Check the key of the client: llm-gateway key check.',
  invalid_identity: 'Check the source of identities and the clock: llm-gateway doctor.',
  ip_not_allowed: 'Add the address to access.allowed_ips, if it may call.',
  key_disabled: 'Allow the key again, if its owner may call: llm-gateway key enable.',
  key_expired: 'Make a new secret for the key: llm-gateway key rotate.',
  key_required: 'Give the client a key: llm-gateway key create.',
  key_revoked: 'Give the client the new secret of its key: llm-gateway key rotate.',
  limited:
    'Wait until the limit frees, raise the key that the reason names, or let calls wait: rate_limit_settings.when_limited: wait.',
  limits_unavailable: 'Check that the store of shared limits can be reached: llm-gateway doctor.',
  model_not_allowed: 'Let the client use the model, in the record of its key or in clients:.',
  model_not_found: 'Check the name against GET /v1/models, or add the model to the configuration.',
  no_target:
    'Look at the providers of the model: all of them fail or cool down. llm-gateway doctor names the cause.',
  no_target_available:
    'Look at the providers of the model: all of them fail or cool down. llm-gateway doctor names the cause.',
  not_configured: 'Name a model in the request, or set the default of the route in routes:.',
  not_translatable: 'Call a model whose provider speaks the format of the client, or leave the member out.',
  origin_not_allowed: 'Add the origin of the page to cors.allowed_origins, if it is yours.',
  outside_boundary:
    'Add a target inside the boundary, or widen it: the boundary of the model, routing.boundary, the record of the client, or the header.',
  overloaded: 'Send fewer large requests at once, or raise server.body_memory_bytes.',
  price_unknown: 'Set the price of the model, because a budget in USD applies to the client.',
  provider_auth:
    'Replace the key of provider {provider} and reload the gateway, or restart it if the key is in its environment; llm-gateway doctor --provider {provider} checks it.',
  provider_auth_failed:
    'Replace the key of provider {provider} and reload the gateway, or restart it if the key is in its environment; llm-gateway doctor --provider {provider} checks it.',
  provider_bad_response:
    'Look at the log of the server behind provider {provider}; llm-gateway doctor --provider {provider} calls it.',
  provider_billing: 'Add credit to the account of provider {provider}, or raise its spending limit.',
  provider_error:
    'Look at the status page of provider {provider}, or the log of a server of your own; a second provider helps.',
  provider_limited:
    'Wait for the limit of provider {provider}, set its limits in rate_limit_settings, or add a second provider.',
  provider_timeout:
    'See whether provider {provider} is busy or loads a model; raise its timeouts if it needs longer.',
  provider_unreachable:
    'Start the server of provider {provider}, or check its base_url: llm-gateway doctor --provider {provider}.',
  rate_limit_exceeded:
    'Wait until the limit frees, raise the key that the reason names, or let calls wait: rate_limit_settings.when_limited: wait.',
  request_timeout: 'The client did not finish its request in time; check its connection.',
  request_too_large: 'Send less, or raise server.max_request_body_bytes.',
  service_not_started:
    'See why the server of provider {provider} did not start: llm-gateway services {provider}.',
  shutting_down: 'Ask again once the gateway has started anew.',
  unknown_url: "Check the client's base URL: it ends in /v1.",
  usage_unavailable: 'Check the ledger: llm-gateway doctor.',
  user_not_allowed: 'Add the Unix user to access.allowed_users, if that user may call.',
}

/** @param code of the failure. @returns a sentence; undefined: there is nothing better than the failure's own reason. */
export function remedyFor(code: string, { provider, model }: FailurePlace = {}): string | undefined {
  const text = Object.hasOwn(remedies, code) ? remedies[code as keyof typeof remedies] : undefined
  if (text === undefined) return undefined
  const names = { provider, model }
  let isComplete = true
  const filled = text.replace(/\{(provider|model)\}/g, (_, kind: keyof typeof names) => {
    const name = names[kind]
    if (name === undefined || name === null) isComplete = false
    return name ?? ''
  })
  return isComplete ? filled : undefined
}
