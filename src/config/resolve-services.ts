// Model servers that the service manager starts, as the file has them.
import { defaults } from './defaults.ts'
import type { RawService, RawServices } from './raw.ts'
import { noServices, type ServiceConfig, type ServicesConfig, type TransientUnit } from './service-types.ts'

/** @param name of its provider. */
export function resolveService(name: string, raw: RawService): ServiceConfig {
  const service = { ...defaults.service, ...raw }
  const { run, ready } = service
  return {
    unit: service.unit ?? transientUnitName(name),
    ...(run !== undefined && { run: resolveRun(run, raw) }),
    ...(ready !== undefined && { readyPath: ready }),
    startTimeoutMs: service.start_timeout_ms,
    ...(!service.keep && { stopAfterIdleMs: service.stop_after_idle_ms }),
    isKept: service.keep,
    startsAtBoot: service.start === 'boot',
    whenStarting: service.when_starting,
  }
}

export function resolveServices(raw: RawServices | undefined): ServicesConfig {
  if (raw === undefined) return noServices
  const groups = Object.entries(raw.groups ?? {}).map(([name, { members = [], ...settings }]) => {
    const group = { ...defaults.serviceGroup, ...settings }
    const { running, min_run_ms: minRunMs, max_run_ms: maxRunMs } = group
    return [name, { members: [...members], running, minRunMs, maxRunMs }] as const
  })
  return { manager: raw.manager ?? defaults.services.manager, groups: new Map(groups) }
}

/** Whatever a provider's name may hold, a unit's may hold, too (systemd.unit(5)). */
function transientUnitName(provider: string): string {
  return `llm-gateway-run-${provider}.service`
}

function resolveRun(
  command: readonly string[],
  { environment = {}, working_directory: workingDirectory, memory_max: memoryMax }: RawService,
): TransientUnit {
  return {
    command: [...command],
    environment: new Map(Object.entries(environment)),
    ...(workingDirectory !== undefined && { workingDirectory }),
    ...(memoryMax !== undefined && { memoryMax }),
  }
}
