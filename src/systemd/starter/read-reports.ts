// What `systemctl show` prints of several units → reports. The text has `Name=Value` lines, and a blank line between two units.
import type { UnitReport } from '../../platform/unit-report.ts'
import type { ConfiguredService } from './unit-commands.ts'

export interface ManagerFacts {
  /** When the monotonic clock was 0, in milliseconds since 1970. Always the same, so that a report does not change by it. */
  readonly bootedAtMs: number
  /** Whose processes those of a unit without `User=` are. */
  readonly uid: number
}

/**
 * One report of each service whose unit the text has with its states, in the order of `services`. Where several names of units lead
 * to one, it is reported by the first of these names alone.
 */
export function readReports(
  text: string,
  services: readonly ConfiguredService[],
  manager: ManagerFacts,
): UnitReport[] {
  const names = new Map<Properties, string>()
  const units = new Map<string, Properties>()
  for (const block of text.split(/\n{2,}/)) {
    const properties = readProperties(block)
    if (!properties.has('LoadState') || !properties.has('ActiveState')) continue
    // A unit that is named by an alias is printed with its own name.
    const ofUnit = `${properties.get('Names') ?? ''} ${properties.get('Id') ?? ''}`.split(' ')
    for (const name of ofUnit) if (name !== '') units.set(name, properties)
  }
  return services.flatMap((service) => {
    const properties = units.get(service.unit)
    if (properties === undefined) return []
    const name = names.get(properties) ?? service.unit
    if (name !== service.unit) return [sameUnit(service)]
    names.set(properties, name)
    return [reportOf(service, properties, manager)]
  })
}

/** 1 MiB: otherwise the report of a running server would change with each look. */
const memoryStep = 1024 * 1024

type Properties = ReadonlyMap<string, string>

function readProperties(block: string): Properties {
  return new Map(
    block.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=')
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]]
    }),
  )
}

function sameUnit({ service, unit }: ConfiguredService): UnitReport {
  const ofNone = { active: 'inactive', sub: 'dead', result: 'success', restarts: 0, invocation: '' }
  return { service, unit, load: 'same-unit', ...ofNone }
}

function reportOf(
  { service, unit, run }: ConfiguredService,
  properties: Properties,
  manager: ManagerFacts,
): UnitReport {
  const text = (name: string) => properties.get(name) ?? ''
  const load = text('LoadState')
  const active = text('ActiveState')
  const hasEnded = (numberOf(properties, 'ExecMainCode') ?? 0) > 0
  const exitStatus = hasEnded ? numberOf(properties, 'ExecMainStatus') : undefined
  const isActive = active === 'active' || active === 'reloading'
  const enteredUs = isActive ? numberOf(properties, 'ActiveEnterTimestampMonotonic') : undefined
  // The manager knows the number of a named user once it has started the unit.
  const uid = numberOf(properties, 'UID') ?? (text('User') === '' ? manager.uid : undefined)
  const memory = numberOf(properties, 'MemoryCurrent')
  return {
    service,
    unit,
    load: run !== undefined && load === 'not-found' ? 'transient' : load,
    active,
    sub: text('SubState'),
    result: text('Result'),
    ...(exitStatus !== undefined && { exitStatus }),
    restarts: numberOf(properties, 'NRestarts') ?? 0,
    invocation: text('InvocationID'),
    ...(enteredUs !== undefined && { activeSinceMs: manager.bootedAtMs + Math.round(enteredUs / 1000) }),
    ...(isActive && uid !== undefined && { uid }),
    ...(memory !== undefined && { memoryBytes: memory - (memory % memoryStep) }),
  }
}

/** Undefined for `[not set]`, and for the largest number, by which older versions say the same. */
function numberOf(properties: Properties, name: string): number | undefined {
  const text = properties.get(name) ?? ''
  const value = /^\d{1,20}$/.test(text) ? Number(text) : NaN
  return Number.isSafeInteger(value) ? value : undefined
}
