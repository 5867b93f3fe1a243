// Where spans go, as the program uses it.
import { defaults } from './defaults.ts'
import type { RawConfig, RawSecret } from './raw.ts'
import type { Secret } from './secret.ts'
import type { TracingConfig } from './observe-types.ts'

const tracesPath = '/v1/traces'

export function resolveTracing(
  raw: RawConfig['tracing'],
  secrets: ReadonlyMap<RawSecret, Secret>,
): TracingConfig {
  const tracing = { ...defaults.tracing, ...raw }
  return {
    endpoint: tracing.endpoint === null ? undefined : receiverUrl(tracing.endpoint),
    protocol: tracing.protocol,
    headers: Object.entries<string | RawSecret>(tracing.headers).flatMap(([name, value]) => {
      const held = typeof value === 'string' ? value : secrets.get(value)
      return held === undefined ? [] : [[name.toLowerCase(), held] as const]
    }),
    sampleRatio: tracing.sample_ratio,
    serviceName: tracing.service_name,
    resource: { ...tracing.resource },
    conventions: tracing.conventions,
    sessionHeaders: tracing.session_headers.map((name) => name.toLowerCase()),
    viewUrl: tracing.view_url ?? undefined,
  }
}

/** As OpenTelemetry makes it of `OTEL_EXPORTER_OTLP_ENDPOINT`; a URL that names the path already stays. */
function receiverUrl(endpoint: string): string {
  const url = new URL(endpoint)
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = path.endsWith(tracesPath) ? path : path + tracesPath
  return url.href
}
