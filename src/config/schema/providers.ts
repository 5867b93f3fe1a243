// Schema of the servers behind the gateway.
import { defaults } from '../defaults.ts'
import { known } from './known.ts'
import { headerName, providerName } from './names.ts'
import { price } from './price.ts'
import type { Schema } from './schema-type.ts'
import { secretReference } from './secret.ts'
import { serviceSchema } from './services.ts'
import { translation, translationElsewhere } from './translation.ts'

const timeout = (description: string) =>
  ({ type: 'integer', description, minimum: 0, maximum: 86_400_000 }) as const satisfies Schema

const timeouts = {
  type: 'object',
  description: 'In milliseconds; 0 disables a timeout.',
  additionalProperties: false,
  properties: {
    connect_ms: timeout(
      'Until the connection is established. Checked about once a second, so it may expire up to a second late. Default: 2000 for a local provider, 5000 otherwise.',
    ),
    first_byte_ms: timeout(
      'From sending the request to the first byte of the response. Default: 600000 for a local provider, 120000 otherwise.',
    ),
    idle_ms: timeout(
      'Longest silence within the response. Default: 600000 for a local provider, 120000 otherwise.',
    ),
    total_ms: timeout('The whole call, including all attempts. Default: 1800000.'),
  },
} as const satisfies Schema

const healthCheck = {
  type: ['boolean', 'object'],
  description:
    'Send the provider a request at regular intervals, and try its targets last while it does not respond with 2xx.',
  default: defaults.provider.health_check,
  additionalProperties: false,
  properties: {
    path: {
      type: 'string',
      description:
        "Path below the base URL that returns 2xx on a healthy server; with a second slash, as in `//health`, below the server's root (the base URL without `/v1`). Default: `/models`; by kind, `//health` for `llama_cpp` and `vllm`, `//api/version` for `ollama`.",
      minLength: 1,
      maxLength: 1024,
      // No spaces and nothing that would have to be percent-encoded.
      pattern: '^/[!-~]*$',
      patternErrorMessage: 'must begin with / and contain only visible ASCII characters',
    },
    interval_ms: {
      type: 'integer',
      description: 'Time between two checks, in milliseconds. Default: 15000.',
      minimum: 1000,
      maximum: 3_600_000,
    },
  },
} as const satisfies Schema

const provider = {
  type: 'object',
  hint: 'write { base_url: "https://HOST/v1" }',
  additionalProperties: false,
  elsewhere: translationElsewhere,
  properties: {
    kind: {
      type: 'string',
      description:
        "`openai`: any server with an OpenAI-compatible API; `llama_cpp`, `ollama` and `vllm` name the software. `anthropic`: Anthropic, and servers with Anthropic's API. `echo`: built in, returns the last message of the request.",
      default: defaults.provider.kind,
      enum: ['openai', 'anthropic', 'llama_cpp', 'ollama', 'vllm', 'echo'],
    },
    base_url: {
      type: 'string',
      description:
        'URL up to and including `/v1`; a query (`?api-version=…`) goes with every request. `http://` is allowed for loopback and private addresses, and for names that have no others: this is checked for each connection. Such a name cannot have a key. Required unless `kind` is `echo` or `anthropic`, whose default is `https://api.anthropic.com`; there, `/v1` need not be written.',
      minLength: 1,
      maxLength: 2048,
    },
    root_url: {
      type: 'string',
      description:
        "URL of the server's root, for routes outside of its API (`/props`, `/health`, native routes); on the same host as `base_url`. Default: `base_url` without a trailing `/v1`.",
      minLength: 1,
      maxLength: 2048,
    },
    allow_http: {
      type: 'boolean',
      description:
        'Allow `http://` to any address, with the key if there is one. Whoever can read the network between then reads all of it.',
      default: defaults.provider.allow_http,
    },
    proxy: {
      type: 'string',
      description:
        'What leads to the provider: `env` for the proxy in the environment ([Proxies](#proxies)), `none`, or the URL of a proxy: `http://HOST:PORT`, `https://…`, `socks5://…`. `env` never applies to a local provider.',
      default: defaults.provider.proxy,
      minLength: 1,
      maxLength: 2048,
      writeOnly: true,
    },
    api_key: {
      type: 'object',
      description:
        'Where to find the key, never the key itself. It is sent to the origin of `base_url` and nowhere else.',
      ...secretReference,
    },
    auth: {
      type: ['string', 'object'],
      description:
        'How the key is sent: `bearer` is `Authorization: Bearer KEY`; `{ header: api-key }` sends it in that header. Default: `bearer`; for `anthropic`, `{ header: x-api-key }`.',
      pattern: '^bearer$',
      patternErrorMessage: 'must be "bearer" or { header: NAME }',
      additionalProperties: false,
      required: ['header'],
      properties: { header: { ...headerName, description: 'Name of the header that carries the key.' } },
    },
    headers: {
      type: 'object',
      description:
        'Additional headers of every request to this provider. A value is text or a secret reference as in `api_key`.',
      propertyNames: headerName,
      additionalProperties: {
        type: ['string', 'object'],
        maxLength: 8192,
        pattern: '^[ -~]*$',
        patternErrorMessage: 'must be one line of visible ASCII characters',
        ...secretReference,
      },
    },
    include_usage: {
      type: 'string',
      description:
        'Request token counts at the end of streams; `auto` stops requesting them from a provider that rejects this or reports them in any case.',
      default: defaults.provider.include_usage,
      enum: ['auto', 'always', 'never'],
    },
    whole_as_stream: {
      type: 'string',
      description:
        'Ask for whole answers as streams and put them together, so that a client that leaves ends the work on them. `auto`: where the kind of server is known not to notice (`llama_cpp`).',
      default: defaults.provider.whole_as_stream,
      enum: ['auto', 'always', 'never'],
    },
    speaks: {
      type: ['string', 'array'],
      description:
        'The conversation formats that the server understands: `[chat, responses, messages]` or some of them. `auto`: known from its kind, or probed by a request without a prompt when a call needs to know; the result is kept over restarts. Calls in other formats are translated ([Translation](#translation)).',
      default: defaults.provider.speaks,
      pattern: '^auto$',
      patternErrorMessage: 'must be auto, or a list of chat, responses and messages',
      minItems: 1,
      items: { type: 'string', enum: ['chat', 'responses', 'messages'] },
    },
    translation: {
      ...translation,
      description:
        'What calls are adapted to that are translated to a format of the server, where it differs from others of its kind. The defaults are right for OpenAI, Anthropic, OpenRouter, DeepSeek, Moonshot, Ollama, vLLM and llama.cpp, and cautious for others ([Translation](#translation)).',
    },
    trace_context: {
      type: 'string',
      description:
        'Whether requests carry the trace of their call (`traceparent`, `tracestate`). `auto`: to a local provider, while [tracing](#tracing) has an endpoint. `always`: also to a remote one, and without an endpoint the trace that the client has sent.',
      default: defaults.provider.trace_context,
      enum: ['auto', 'always', 'never'],
    },
    timeouts,
    max_parallel_requests: {
      type: ['integer', 'string'],
      description:
        'Maximum number of simultaneous calls to this provider, all models together. `auto`: as many as the server reports slots (llama.cpp), else learned from how it answers ([Slots](#slots-that-servers-report)).',
      minimum: 1,
      maximum: 1_000_000,
      pattern: '^auto$',
      patternErrorMessage: 'must be a number, or auto',
    },
    ...known,
    health_check: healthCheck,
    discover_models: {
      type: 'boolean',
      description:
        'Offer the models that the provider lists, as `PROVIDER/MODEL`, and as `MODEL` if that name is not in use.',
      default: defaults.provider.discover_models,
    },
    allow_management: {
      type: 'boolean',
      description:
        "Let clients change the server for all of its clients: load and unload models, pull and delete them, save and erase slots, choose a slot. Also lets all of them see its slots, properties, metrics and models, which otherwise only the gateway's own user sees. See [native-routes.md](native-routes.md).",
      default: defaults.provider.allow_management,
    },
    service: serviceSchema,
    price: price(
      "What its models cost that have no price of their own ([Prices](#price)). Default: `free` for `ollama`, `llama_cpp` and `vllm` at a loopback or private address, `reported` for OpenRouter, otherwise the list's price.",
    ),
  },
  if: { properties: { kind: { const: 'echo' } }, required: ['kind'] },
  then: {
    propertyNames: {
      enum: ['kind'],
      errorMessage: 'does not apply to a provider of kind echo',
      hint: 'remove it',
    },
  },
  else: {
    if: { properties: { kind: { const: 'anthropic' } }, required: ['kind'] },
    then: {},
    else: {
      required: ['base_url'],
      hint: 'add base_url: https://HOST/v1, or kind: echo',
    },
  },
} as const satisfies Schema

export const providersSchema = {
  type: 'object',
  description:
    'Model servers, keyed by a name that you choose. Name the `kind` of local servers: the gateway then knows their routes, formats and errors without a probe, looks at their slots, context and models in memory, and at llama.cpp ends the work on whole answers whose client leaves.',
  minProperties: 1,
  propertyNames: providerName,
  additionalProperties: provider,
} as const satisfies Schema
