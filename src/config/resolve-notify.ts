// `notify:` of the file → as the program uses it.
import { defaults } from './defaults.ts'
import type { RawConfig, RawNotifySink, RawSecret } from './raw.ts'
import type { Secret } from './secret.ts'
import { alertRules, type NotifyConfig, type NotifySink } from './observe-types.ts'

/** @param secrets those that were found. A sink whose secret is optional and absent is left out. */
export function resolveNotify(
  raw: RawConfig['notify'] = {},
  secrets: ReadonlyMap<RawSecret, Secret>,
): NotifyConfig {
  const { sinks = {}, rules = {}, heartbeat } = raw
  const { repeat_ms: repeatMs, quiet_start_ms: quietStartMs } = { ...defaults.notify, ...raw }
  const url = secrets.get(heartbeat?.url ?? {})
  return {
    sinks: Object.entries(sinks).flatMap(([name, sink]) => resolveSink(name, sink, secrets)),
    repeatMs,
    quietStartMs,
    rules: new Map(
      alertRules.flatMap((rule) => {
        const chosen = rules[rule]
        if (chosen === false) return []
        const usual = { count: 0, ratio: 0, calls: 0, ...defaults.notify.rules[rule] }
        const { after_ms: afterMs, count, ratio, calls } = { ...usual, ...chosen }
        return [[rule, { afterMs, count, ratio, calls }]]
      }),
    ),
    heartbeat: url && {
      url,
      intervalMs: heartbeat?.interval_ms ?? defaults.notify.heartbeat_interval_ms,
    },
  }
}

function resolveSink(
  name: string,
  raw: RawNotifySink,
  secrets: ReadonlyMap<RawSecret, Secret>,
): NotifySink[] {
  const { kind, min_severity: minSeverity = defaults.notify.min_severity } = raw
  const isPager = kind === 'pagerduty'
  const given = raw.url ?? (isPager ? defaults.notify.pagerduty_url : undefined)
  const url = typeof given === 'object' ? secrets.get(given) : given
  const reference = isPager ? raw.routing_key : raw.token
  const token = reference && secrets.get(reference)
  if (url === undefined || (isPager && token === undefined)) return []
  return [{ name, kind, url, token, minSeverity }]
}
