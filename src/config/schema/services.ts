// Schema of model servers that the service manager starts when they are called.
import { defaults } from '../defaults.ts'
import { providerName } from './names.ts'
import type { Schema } from './schema-type.ts'

const environmentVariable = {
  type: 'string',
  minLength: 1,
  maxLength: 255,
  pattern: '^[A-Za-z_][A-Za-z0-9_]*$',
  patternErrorMessage: 'must be the name of an environment variable',
} as const satisfies Schema

/** Of a provider. */
export const serviceSchema = {
  type: 'object',
  hint: 'write { unit: NAME.service }',
  description:
    'Let systemd start the server when a call for it comes, and stop it when nobody needs it. Only for a provider at a loopback address. See [services.md](services.md).',
  additionalProperties: false,
  elsewhere: {
    ttl: 'write stop_after_idle_ms, in milliseconds',
    cmd: 'write run: ["/usr/bin/PROGRAM", "ARGUMENT", …], or unit: NAME.service',
  },
  properties: {
    unit: {
      type: 'string',
      description:
        "The server's unit: `llama-server@qwen.service`. It is not enabled, so that nothing else starts it. Either this or `run`.",
      maxLength: 255,
      // systemd.unit(5); a leading dash would be an option on a command line.
      pattern: '^[A-Za-z0-9_:][A-Za-z0-9_:.@\\\\-]*\\.service$',
      patternErrorMessage: 'must be the full name of a service unit, such as llama-server@qwen.service',
    },
    run: {
      type: 'array',
      description:
        "The server's program, by its absolute path, and its arguments, each as it is: no shell, `$` or `%` is expanded. It runs in a transient unit, `llm-gateway-run-PROVIDER.service`. Only with `services.manager: user`.",
      hint: 'write ["/usr/bin/PROGRAM", "ARGUMENT", …]',
      minItems: 1,
      maxItems: 500,
      items: {
        type: 'string',
        maxLength: 8192,
        pattern: '^[^\\u0000]*$',
        patternErrorMessage: 'must not contain a NUL character',
      },
    },
    environment: {
      type: 'object',
      description:
        'Environment variables of `run`. Not for secrets: all programs of the user can read them (`systemctl --user show`).',
      propertyNames: environmentVariable,
      additionalProperties: {
        type: 'string',
        maxLength: 8192,
        pattern: '^[^\\u0000]*$',
        patternErrorMessage: 'must not contain a NUL character',
        writeOnly: true,
      },
    },
    working_directory: {
      type: 'string',
      description: 'Working directory of `run`, an absolute path. Default: that of the service manager.',
      maxLength: 4096,
      pattern: '^/[^\\u0000]*$',
      patternErrorMessage: 'must be an absolute path',
    },
    memory_max: {
      type: 'string',
      description:
        "Memory that `run` may use (systemd's `MemoryMax=`): bytes, or with `K`, `M`, `G` or `T`, or a percentage of the machine's. Default: no limit.",
      maxLength: 24,
      pattern: '^(?:[1-9][0-9]*[KMGT]?|[1-9][0-9]?%|100%)$',
      patternErrorMessage: 'must be a size such as 4G or 512M, or a percentage such as 50%',
    },
    ready: {
      type: 'string',
      description:
        "Path below the server's root (the base URL without `/v1`) that answers with 2xx, 401 or 403 once the server takes calls; it is asked without the key. Default: `/health` for `llama_cpp` and `vllm`, `/api/version` for `ollama`, otherwise `/models` below the base URL.",
      maxLength: 1024,
      // As of health checks, and without a fragment. Two slashes at its beginning would be another path.
      pattern: '^/(?:[!-"$-.0-~][!-"$-~]*)?$',
      patternErrorMessage: 'must begin with one / and contain only visible ASCII characters, without #',
    },
    start_timeout_ms: {
      type: 'integer',
      description:
        'Time for a start until the server is ready, in milliseconds. After it the start has failed, and the unit is stopped.',
      default: defaults.service.start_timeout_ms,
      minimum: 100,
      maximum: 3_600_000,
    },
    stop_after_idle_ms: {
      type: 'integer',
      description: 'The unit is stopped after so long without a call, in milliseconds.',
      default: defaults.service.stop_after_idle_ms,
      minimum: 100,
      maximum: 604_800_000,
    },
    keep: {
      type: 'boolean',
      description: 'Never stop it once it runs: neither when it is idle, nor for others of its group.',
      default: defaults.service.keep,
    },
    start: {
      type: 'string',
      description: '`call`: when the first call comes. `boot`: when the gateway starts, too.',
      default: defaults.service.start,
      enum: ['call', 'boot'],
    },
    when_starting: {
      type: 'string',
      description:
        'What a call does while its best target is not ready. `wait`: wait for it. `failover`: go to another target of the model that is, while this one starts for later calls.',
      default: defaults.service.when_starting,
      enum: ['wait', 'failover'],
    },
  },
} as const satisfies Schema

const group = {
  type: 'object',
  hint: 'write { members: [PROVIDER, PROVIDER], running: 1 }',
  additionalProperties: false,
  required: ['members'],
  properties: {
    members: {
      type: 'array',
      description: 'Providers with a `service`. Each belongs to one group at most.',
      minItems: 1,
      items: providerName,
    },
    running: {
      type: 'integer',
      description: 'How many of them may run at once.',
      default: defaults.serviceGroup.running,
      minimum: 1,
      maximum: 1000,
    },
    min_run_ms: {
      type: 'integer',
      description:
        'So long from when it was ready, one that has callers is not stopped for others that wait, in milliseconds.',
      default: defaults.serviceGroup.min_run_ms,
      minimum: 0,
      maximum: 86_400_000,
    },
    max_run_ms: {
      type: 'integer',
      description:
        'So long from when it was ready, one that has callers accepts calls while others wait, in milliseconds. Then it finishes those under way and is stopped.',
      default: defaults.serviceGroup.max_run_ms,
      minimum: 0,
      maximum: 86_400_000,
    },
  },
} as const satisfies Schema

export const servicesSchema = {
  type: 'object',
  description:
    'What all model servers have in common that systemd starts (`providers.NAME.service`). See [services.md](services.md).',
  additionalProperties: false,
  properties: {
    manager: {
      type: 'string',
      description: "Whose units they are: the user's own (`systemctl --user`), or the machine's.",
      default: defaults.services.manager,
      enum: ['user', 'system'],
    },
    groups: {
      type: 'object',
      description: 'Servers that share something, as a GPU, and so do not all run at once.',
      propertyNames: providerName,
      additionalProperties: group,
    },
  },
} as const satisfies Schema
