// Rules about model servers that the service manager starts: what may be started, where, and for one provider only.
import { parseBaseUrl } from './base-url.ts'
import { defaults } from './defaults.ts'
import { groupProblems } from './check-service-groups.ts'
import { type HasProblem, type Path, type PathProblem, quoted } from './problems.ts'
import { baseUrlOf } from './provider-kind.ts'
import type { RawConfig, RawProvider, RawService, RawServices } from './raw.ts'

/** What the machine has to start services with. */
export interface ServiceManagers {
  /** systemd runs the machine. */
  readonly hasServiceManager: boolean
  /** Which systemd has started this process as a service. Undefined: none, or that is not known. */
  readonly startedBy?: 'user' | 'system' | undefined
}

/** A provider that has a service, and its place in the file. */
interface Served {
  readonly name: string
  readonly provider: RawProvider
  readonly service: RawService
  readonly path: Path
}

export function* serviceProblems(
  raw: RawConfig,
  hasProblem: HasProblem,
  { hasServiceManager, startedBy }: ServiceManagers,
): Generator<PathProblem> {
  const served = Object.entries(raw.providers ?? {}).flatMap(([name, provider]): Served[] => {
    const { service, kind } = provider
    if (service === undefined || kind === 'echo') return []
    return [{ name, provider, service, path: ['providers', name, 'service'] }]
  })
  for (const each of served) {
    if (!hasServiceManager) yield { ...isNotThere, path: each.path }
    yield* placeProblems(each, hasProblem)
    yield* unitProblems(each, hasProblem)
    yield* runProblems(each, raw.services, hasProblem)
    yield* lifeProblems(each)
  }
  if (served.length > 0 && !hasProblem(['services', 'manager'])) {
    yield* otherManagerProblems(raw.services, served[0]!.path, startedBy)
  }
  yield* sharedUnitProblems(served)
  yield* sharedPortProblems(raw, served, hasProblem)
  yield* groupProblems(raw, new Map(served.map(({ name, service }) => [name, service])), hasProblem)
}

const isNotThere = {
  message:
    'systemd does not run this machine (/run/systemd/system does not exist), so nothing can start this server',
  hint: 'start the server yourself and remove service; in a container, its server can be started by whatever starts the container of the gateway',
  at: 'key',
} as const

/** What starts units for the gateway is a service of the same manager, which lets it start its own units alone. */
function* otherManagerProblems(
  services: RawServices | undefined,
  service: Path,
  startedBy: ServiceManagers['startedBy'],
): Generator<PathProblem> {
  const manager = services?.manager ?? defaults.services.manager
  if (startedBy === undefined || startedBy === manager) return
  yield {
    path: services?.manager === undefined ? service : ['services', 'manager'],
    message: `the gateway is a ${startedBy} service, which cannot have units of the ${manager} manager started`,
    hint: `write services: { manager: ${startedBy} } and have the units there, or install the gateway as a ${manager} service`,
    at: 'key',
  }
}

function* placeProblems({ name, provider, path }: Served, hasProblem: HasProblem): Generator<PathProblem> {
  const { allow_http: allowHttp = false } = provider
  const url = baseUrlOf(provider)
  const at = ['providers', name, 'base_url']
  if (url === undefined || !URL.canParse(url) || hasProblem(at)) return
  if (parseBaseUrl(url, { allowHttp }).boundary === 'local') return
  yield {
    path: provider.base_url === undefined ? path : at,
    message: `a service is started on this machine, and ${quoted(new URL(url).hostname)} is not an address of it`,
    hint: 'write http://127.0.0.1:PORT/v1, or remove service',
  }
}

function* unitProblems({ service, path }: Served, hasProblem: HasProblem): Generator<PathProblem> {
  const { unit, run } = service
  const at = [...path, 'unit']
  if (unit === undefined && run === undefined) {
    // A key that is unknown or faulty is mostly the one that is missing.
    if (hasProblem(path)) return
    yield {
      path,
      message: 'names no server to start',
      hint: 'add unit: NAME.service, or run: ["/usr/bin/PROGRAM", …]',
      at: 'key',
    }
    return
  }
  if (unit === undefined || hasProblem(at)) return
  if (run !== undefined) {
    yield {
      path: [...path, 'run'],
      message: 'unit and run exclude each other: run is the command of a unit that the gateway makes',
      hint: 'remove one of them',
      at: 'key',
    }
  }
  if (unit.startsWith('llm-gateway')) {
    yield {
      path: at,
      message: `${quoted(unit)} has the name of a unit of the gateway, which would stop itself`,
      hint: "write the name of the model server's unit; one of your own has another beginning than llm-gateway",
    }
  } else if (unit.endsWith('@.service')) {
    yield {
      path: at,
      message: `${quoted(unit)} is a template, which can only be started as an instance`,
      hint: `write ${unit.replace('@.', '@INSTANCE.')}`,
    }
  }
}

const onlyOfRun = ['environment', 'working_directory', 'memory_max'] as const

/** What `systemctl show` is not to print. */
const secretName = /(?:^|_)(?:API_?KEY|KEY|PASSWORD|PASSWD|SECRET|TOKEN)$/i

function* runProblems(
  { service, path }: Served,
  services: RawServices | undefined,
  hasProblem: HasProblem,
): Generator<PathProblem> {
  const { unit, run, environment = {} } = service
  if (run === undefined) {
    for (const key of unit === undefined ? [] : onlyOfRun) {
      if (service[key] === undefined) continue
      yield {
        path: [...path, key],
        message: `${key} applies to run only: ${quoted(unit!)} has its own settings`,
        hint: `remove it, and set it in the unit (systemctl edit ${unit!})`,
        at: 'key',
      }
    }
    return
  }
  const [program] = run
  if (program !== undefined && !program.startsWith('/')) {
    yield {
      path: [...path, 'run', 0],
      message: `${quoted(program)} is not the absolute path of a program`,
      hint: 'write it in full: /usr/bin/llama-server',
    }
  }
  if (services?.manager === 'system' && !hasProblem(['services', 'manager'])) {
    yield {
      path: [...path, 'run'],
      message:
        "run is for the user's service manager only: whoever may have the system's run a command is root",
      hint: 'write a unit file and name it in unit, or remove services.manager',
      at: 'key',
    }
  }
  for (const name of Object.keys(environment)) {
    if (!secretName.test(name)) continue
    yield {
      path: [...path, 'environment', name],
      message: 'all programs of this user can read it with systemctl --user show',
      hint: 'if it is a secret, write a unit file with LoadCredential= or EnvironmentFile=, and name it in unit',
      at: 'key',
      severity: 'warning',
    }
  }
}

function* lifeProblems({ service, path }: Served): Generator<PathProblem> {
  if (service.keep !== true || service.stop_after_idle_ms === undefined) return
  yield {
    path: [...path, 'stop_after_idle_ms'],
    message: 'has no meaning with keep: true, which never stops the server',
    hint: 'remove one of them',
    at: 'key',
  }
}

/** Two names for one server would count its calls apart and stop it below each other's. */
function* sharedUnitProblems(served: readonly Served[]): Generator<PathProblem> {
  const owners = new Map<string, string>()
  for (const { name, service, path } of served) {
    if (service.unit === undefined) continue
    const owner = owners.get(service.unit)
    if (owner === undefined) owners.set(service.unit, name)
    else {
      yield {
        path: [...path, 'unit'],
        message: `${quoted(service.unit)} is the unit of the provider ${quoted(owner)} already`,
        hint: `use the provider ${owner} for all models of this server, with their names in models.NAME.model`,
      }
    }
  }
}

/** Of two servers that run at the same time, the second finds its port in use. */
function* sharedPortProblems(
  raw: RawConfig,
  served: readonly Served[],
  hasProblem: HasProblem,
): Generator<PathProblem> {
  const groups = Object.values(raw.services?.groups ?? {}).filter(({ running = 1 }) => running === 1)
  const seen: { readonly name: string; readonly origin: string }[] = []
  for (const { name, provider } of served) {
    const url = baseUrlOf(provider)
    if (url === undefined || !URL.canParse(url) || hasProblem(['providers', name, 'base_url'])) continue
    const { origin, host } = new URL(url)
    const other = seen.find((one) => one.origin === origin)
    seen.push({ name, origin })
    const takeTurns = groups.some(
      ({ members = [] }) => members.includes(name) && members.includes(other?.name ?? ''),
    )
    if (other === undefined || takeTurns) continue
    yield {
      path: ['providers', name, 'base_url'],
      message: `the server of the provider ${quoted(other.name)} is at ${host}, too: the second that starts finds the port in use`,
      hint: 'write another port here and in its unit, or put both into a group with running: 1',
      severity: 'warning',
    }
  }
}
