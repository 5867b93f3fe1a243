// Schema of the messages to the operator.
import { type AlertRule, alertRules, notifySinkKinds } from '../observe-types.ts'
import { defaults } from '../defaults.ts'
import type { Schema } from './schema-type.ts'
import { secretReference } from './secret.ts'

const onlyKeys = (keys: readonly string[], kinds: string) =>
  ({
    enum: [...keys, 'kind', 'url', 'min_severity'],
    errorMessage: `does not apply to a sink of kind ${kinds}`,
    hint: 'remove it',
  }) as const satisfies Schema

const isKind = (kinds: readonly string[]) =>
  ({ properties: { kind: { enum: kinds } }, required: ['kind'] }) as const satisfies Schema

const secret = { ...secretReference, type: 'object', sharedAs: 'secret' } as const satisfies Schema

const sink = {
  type: 'object',
  additionalProperties: false,
  required: ['kind'],
  properties: {
    kind: {
      type: 'string',
      description: 'The service, which determines the form of the messages.',
      enum: notifySinkKinds,
    },
    url: {
      ...secretReference,
      type: ['object', 'string'],
      description:
        'Where messages are posted: the URL of the webhook, of `ntfy` with the topic, of `alertmanager` its address. `https://`, or `http://` to a loopback address. A reference to a secret, because whoever knows the URL can write to the channel; of `alertmanager` and `pagerduty` also a text. Not required for `pagerduty`.',
      minLength: 1,
      maxLength: 2048,
    },
    routing_key: {
      ...secret,
      description: '`pagerduty`: the integration key of the service.',
    },
    token: {
      ...secret,
      description: '`ntfy`, `webhook`, `alertmanager`: sent as `Authorization: Bearer`. Absent: none.',
    },
    min_severity: {
      type: 'string',
      description: 'Less severe conditions are not sent here.',
      default: defaults.notify.min_severity,
      enum: ['info', 'warning', 'critical'],
    },
  },
  if: isKind(['pagerduty']),
  then: {
    required: ['routing_key'],
    hint: 'add routing_key: { credential: NAME }',
    propertyNames: onlyKeys(['routing_key'], 'pagerduty'),
  },
  else: {
    required: ['url'],
    hint: 'add url: { credential: NAME }',
    if: isKind(['discord', 'slack']),
    then: { propertyNames: onlyKeys([], 'discord and slack') },
    else: { propertyNames: onlyKeys(['token'], 'alertmanager, ntfy and webhook') },
  },
} as const satisfies Schema

const settings = {
  after_ms: {
    type: 'integer',
    description: 'How long the cause has to last, in milliseconds.',
    minimum: 0,
    maximum: 86_400_000,
  },
  count: {
    type: 'integer',
    description: 'More than so many within the window of the rule.',
    minimum: 0,
    maximum: 1_000_000_000,
  },
  ratio: { type: 'number', description: 'More than this part.', minimum: 0, maximum: 1 },
  calls: {
    type: 'integer',
    description: 'Fewer calls within the window mean nothing.',
    minimum: 1,
    maximum: 1_000_000_000,
  },
} as const satisfies Record<string, Schema>

const texts: Readonly<Record<AlertRule, string>> = {
  access_refused: 'Requests were refused because of who sent them, in 10 min, by code.',
  budget: 'A part of a budget is spent; once all of it is, the condition is critical.',
  degraded:
    'A part of the gateway does not work, and calls go on without it: the ledger, the audit log, keys, files of its state.',
  error_rate: 'Failed calls among those that were answered or failed, in 10 min, by model.',
  limit_reached: 'Calls were refused by a limit of the gateway, in 15 min, by model and dimension.',
  no_target: 'Calls of a model found none of its targets working, in 5 min.',
  peers_unreadable: 'The gateway cannot look up who connects.',
  provider_auth: "A provider refuses the gateway's key.",
  provider_down: 'A provider cannot be reached, by its health check or by calls.',
  provider_quota: 'The account at a provider is exhausted.',
  provider_rate_limited: 'A provider answered attempts with 429, in 10 min.',
  reload_refused: 'The last configuration file was refused.',
  service_failing: 'A model server that the gateway starts has failed, and has not been ready since.',
  worker_restarts: 'Threads ended by themselves, in 1 h.',
}

function ruleSchema(rule: AlertRule): Schema {
  const usual: Readonly<Record<string, number>> = defaults.notify.rules[rule]
  const properties = Object.entries(usual).map(([key, value]) => [
    key,
    { ...settings[key as keyof typeof settings], default: value },
  ])
  return {
    type: ['object', 'boolean'],
    description: `${texts[rule]} false: the rule is off.`,
    not: { const: true },
    errorMessage: 'a rule is on unless it is false',
    hint: 'remove the key, write false, or write its settings',
    additionalProperties: false,
    properties: Object.fromEntries(properties) as Readonly<Record<string, Schema>>,
  }
}

export const notifySchema: Schema = {
  type: 'object',
  description:
    'Messages when something needs a person, and when it is over. See [alerts.md](alerts.md). Changes apply at a reload.',
  additionalProperties: false,
  properties: {
    sinks: {
      type: 'object',
      description: 'The services that receive them, by a name of your choice. Without any, nothing is sent.',
      propertyNames: {
        maxLength: 64,
        pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]*$',
        patternErrorMessage: 'must be made of letters, digits, ".", "_" and "-"',
      },
      additionalProperties: sink,
    },
    repeat_ms: {
      type: 'integer',
      description: 'What is still wrong is reported again after so many milliseconds.',
      default: defaults.notify.repeat_ms,
      minimum: 60_000,
      maximum: 604_800_000,
    },
    quiet_start_ms: {
      type: 'integer',
      description:
        'Nothing is sent for so many milliseconds after a start, while other services may still be starting.',
      default: defaults.notify.quiet_start_ms,
      minimum: 0,
      maximum: 3_600_000,
    },
    rules: {
      type: 'object',
      description: 'The conditions. All are on.',
      additionalProperties: false,
      properties: Object.fromEntries(alertRules.map((rule) => [rule, ruleSchema(rule)])),
    },
    heartbeat: {
      type: ['object', 'null'],
      description:
        'A URL that is requested regularly (GET), so that a service elsewhere reports when the gateway or its machine stops.',
      default: null,
      additionalProperties: false,
      required: ['url'],
      hint: 'add url: { credential: NAME }',
      properties: {
        url: { ...secret, description: 'The URL. A reference to a secret.' },
        interval_ms: {
          type: 'integer',
          description: 'Milliseconds from one request to the next.',
          default: defaults.notify.heartbeat_interval_ms,
          minimum: 1_000,
          maximum: 86_400_000,
        },
      },
    },
  },
}
