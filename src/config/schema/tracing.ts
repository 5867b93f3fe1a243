// Schema of tracing: where the spans of calls go.
import { defaults } from '../defaults.ts'
import { headerName } from './names.ts'
import type { Schema } from './schema-type.ts'
import { secretReference } from './secret.ts'

const attributeText = { type: 'string', minLength: 1, maxLength: 300 } as const satisfies Schema

export const tracingSchema = {
  type: 'object',
  description:
    'Spans of calls, for a receiver of OpenTelemetry (OTLP over HTTP). See [tracing.md](tracing.md).',
  additionalProperties: false,
  properties: {
    endpoint: {
      type: ['string', 'null'],
      description:
        'URL of the receiver, as in `OTEL_EXPORTER_OTLP_ENDPOINT`: `/v1/traces` is appended unless it ends so. `http://` only on this machine. Without it, nothing is recorded or sent.',
      default: defaults.tracing.endpoint,
      minLength: 1,
      maxLength: 2048,
      writeOnly: true,
    },
    protocol: {
      type: 'string',
      description: 'How spans are written.',
      default: defaults.tracing.protocol,
      enum: ['http/protobuf', 'http/json'],
    },
    headers: {
      type: 'object',
      description:
        'Headers of every request to the receiver, its key for example. A value is text or a secret reference as in `api_key`.',
      propertyNames: headerName,
      additionalProperties: {
        type: ['string', 'object'],
        maxLength: 8192,
        pattern: '^[ -~]*$',
        patternErrorMessage: 'must be one line of visible ASCII characters',
        ...secretReference,
      },
    },
    sample_ratio: {
      type: 'number',
      description:
        'Part of the traces that is recorded, from 0 to 1. A call that belongs to a trace of its client follows that one.',
      default: defaults.tracing.sample_ratio,
      minimum: 0,
      maximum: 1,
    },
    service_name: {
      ...attributeText,
      description: '`service.name` of the spans.',
      default: defaults.tracing.service_name,
    },
    resource: {
      type: 'object',
      description: 'More attributes of the gateway: `{ deployment.environment.name: home }`.',
      propertyNames: { ...attributeText, maxLength: 128 },
      additionalProperties: attributeText,
    },
    conventions: {
      type: 'string',
      description:
        "Names of the attributes about models: of OpenTelemetry's semantic conventions 1.36, or the `latest`, which are still in development.",
      default: defaults.tracing.conventions,
      enum: ['semconv-1.36', 'latest'],
    },
    session_headers: {
      type: 'array',
      description:
        'Headers in which a client names its session, for `session.id`: the first that is there, with letters, digits, `.`, `_`, `:` and `-`, at most 128 of them.',
      default: defaults.tracing.session_headers,
      maxItems: 10,
      items: headerName,
    },
    content: {
      type: 'string',
      description: 'Prompts and responses never stand in spans.',
      default: defaults.tracing.content,
      enum: ['never'],
      errorMessage: 'must be "never": the gateway does not export prompts and responses',
      hint: 'remove it',
    },
    view_url: {
      type: ['string', 'null'],
      description: 'Page that shows a trace, with `{trace_id}` in it, for links of the status page.',
      default: defaults.tracing.view_url,
      maxLength: 2048,
      pattern: '^https?://[!-~]*[{]trace_id[}][!-~]*$',
      patternErrorMessage: 'must be a URL with {trace_id} in it',
    },
  },
} as const satisfies Schema
