// Examines the units of servers that systemd starts for calls: is each there, can it be loaded, how did it end last, and does
// anything else start it? Nothing is started: that would take the place of a server that calls are using.
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import type { HttpProvider } from '../../config/provider-types.ts'
import { type ServedProvider, servedProviders } from '../../config/served-providers.ts'
import type { ServiceConfig, ServicesConfig, TransientUnit } from '../../config/service-types.ts'
import type { Config } from '../../config/types.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import {
  type ServicePaths,
  scopeOptions,
  servicesSocket,
  serviceUnit,
  unitFile,
} from '../../systemd/scope.ts'
import { readUnitState, type UnitState } from '../../systemd/unit-state.ts'
import { durationText } from '../../platform/duration.ts'
import { failureReason, isInJournal } from '../../status/services-text.ts'
import type { ServiceRow } from '../../status/status-report.ts'
import { journalOption, readServiceJournal } from '../service-journal.ts'
import type { Finding } from './finding.ts'

export interface ModelServerParts {
  /** Of the gateway's own units. */
  readonly paths: ServicePaths
  readonly run: RunProgram
  /** As the running gateway has them; empty: none runs, or it knows of none. */
  readonly running: readonly ServiceRow[]
  /** How to call this program from the current shell. */
  readonly command: string
}

/** What is known of the unit of a provider. */
export interface ModelServer {
  readonly findings: readonly Finding[]
  /** `stopped`: the first call starts it. `unknown`: it can't be, or nothing is known of it; the findings say why. */
  readonly state: 'active' | 'changing' | 'stopped' | 'unknown'
  /** When it became active, in milliseconds of CLOCK_MONOTONIC. Absent: it is not, or that is not known. */
  readonly activeSinceMs?: number
}

export interface ModelServers {
  /** Of what starts them. */
  readonly findings: readonly Finding[]
  /** By the names of their providers. */
  readonly servers: ReadonlyMap<string, ModelServer>
}

const journalLines = 10

const wanted = [
  'Id',
  'LoadState',
  'LoadError',
  'ActiveState',
  'SubState',
  'Result',
  'ExecMainStatus',
  'UnitFileState',
  'TriggeredBy',
  'NeedDaemonReload',
  'ActiveEnterTimestampMonotonic',
  'ActiveExitTimestampMonotonic',
]

/** @param chosen names of the providers to examine; empty: all. */
export function examineModelServers(
  { providers, services }: Config,
  chosen: readonly string[],
  parts: ModelServerParts,
): ModelServers {
  const served = servedProviders(providers)
  if (served.length === 0) return { findings: [], servers: new Map() }
  const examiner = new Examiner(services, parts)
  const examined = served.filter(({ name }) => chosen.length === 0 || chosen.includes(name))
  return {
    findings: examiner.examineStarter(),
    servers: new Map(examined.map((each) => [each.name, examiner.examine(each)])),
  }
}

class Examiner {
  readonly #services: ServicesConfig
  readonly #parts: ModelServerParts
  readonly #systemctl: string
  /** Providers by the manager's own names for their units, of which a unit may have several. */
  readonly #byId = new Map<string, string>()

  constructor(services: ServicesConfig, parts: ModelServerParts) {
    this.#services = services
    this.#parts = parts
    this.#systemctl = ['systemctl', ...scopeOptions(services.manager)].join(' ')
  }

  examineStarter(): Finding[] {
    const { paths, command } = this.#parts
    const { manager } = this.#services
    const { scope } = paths
    if (scope !== manager && existsSync(unitFile(paths, serviceUnit))) {
      const detail = `the gateway is a ${scope} service, and services.manager is ${manager}: it reaches only what starts units of its own manager`
      const fix = `set services.manager: ${scope}, and have the units there`
      return [{ subject: 'services', state: 'fail', detail, fix }]
    }
    const socket = readUnitState(servicesSocket, wanted, manager, this.#parts.run)
    const subject = 'services'
    if (socket['LoadState'] === undefined) return []
    if (socket['LoadState'] !== 'loaded') {
      const detail = `${servicesSocket} is not installed (${socket['LoadState']}), so no server can be started`
      return [{ subject, state: 'fail', detail, fix: `${command} systemd install --${manager}` }]
    }
    if (socket['ActiveState'] !== 'active') {
      const detail = `${servicesSocket} is ${socket['ActiveState']}, so no server can be started`
      return [{ subject, state: 'fail', detail, fix: `${this.#systemctl} enable --now ${servicesSocket}` }]
    }
    if (socket['UnitFileState'] !== 'enabled') {
      const detail = `${servicesSocket} is ${socket['UnitFileState'] || 'not enabled'}: it does not start at boot or login`
      return [{ subject, state: 'warn', detail, fix: `${this.#systemctl} enable ${servicesSocket}` }]
    }
    return [{ subject, state: 'ok', detail: `${servicesSocket} is open` }]
  }

  examine(provider: ServedProvider): ModelServer {
    const { service } = provider
    const { unit, run } = service
    const { manager } = this.#services
    const state = readUnitState(unit, wanted, manager, this.#parts.run)
    const unknown = (found: Omit<Finding, 'subject'>) =>
      ({ state: 'unknown', findings: [this.#finding(provider, found)] }) as const
    if (state['LoadState'] === undefined) {
      return unknown({ state: 'skipped', detail: `the systemd manager of the ${manager} does not respond` })
    }
    const programFault = run === undefined ? undefined : transientFault(run, provider.name)
    if (programFault !== undefined) return unknown(programFault)
    const isThere = state['LoadState'] === 'loaded'
    // A transient unit is gone once it has ended.
    if (!isThere && (run === undefined || state['LoadState'] !== 'not-found')) {
      return unknown(this.#loadFault(service, state))
    }
    const faults = isThere ? this.#unitFaults(provider, service, state) : []
    return this.#asItStands(provider, service, state, faults)
  }

  #finding(
    { name }: HttpProvider,
    { figures, ...found }: Omit<Finding, 'subject'>,
    subject = 'unit',
  ): Finding {
    return { subject: `${name}: ${subject}`, ...found, figures: { provider: name, ...figures } }
  }

  #asItStands(
    provider: HttpProvider,
    { unit, startsAtBoot }: ServiceConfig,
    state: UnitState,
    faults: readonly Finding[],
  ): ModelServer {
    const { ActiveState: active = '', SubState: sub = '', Result: result = '' } = state
    const found = (finding: Omit<Finding, 'subject'>) => [this.#finding(provider, finding), ...faults]
    if (active === 'active' || active === 'reloading') {
      const enteredUs = Number(state['ActiveEnterTimestampMonotonic'] ?? 0)
      const findings = found({ state: 'ok', detail: `${unit} is active` })
      return { state: 'active', findings, ...(enteredUs > 0 && { activeSinceMs: enteredUs / 1000 }) }
    }
    if (sub === 'auto-restart' || sub === 'auto-restart-queued') {
      const detail = `${unit} has failed (${resultText(state)}), and systemd starts it again`
      return { state: 'changing', findings: found({ state: 'warn', detail, ...this.#journal(unit) }) }
    }
    const stoppingMs = active === 'deactivating' ? monotonicMs() - exitedMs(state) : 0
    if (stoppingMs > longStopMs) {
      const detail = `${unit} has been stopping for ${durationText(stoppingMs)}: a process of it does not end`
      const fix = `${this.#systemctl} status ${unit}; to end it: ${this.#systemctl} kill -s KILL ${unit}`
      return { state: 'changing', findings: found({ state: 'fail', detail, fix }) }
    }
    if (active === 'activating' || active === 'deactivating') {
      const detail = `${unit} is ${active === 'activating' ? 'starting' : 'stopping'} at this moment`
      return { state: 'changing', findings: found({ state: 'ok', detail }) }
    }
    if (active === 'failed' || (result !== '' && result !== 'success')) {
      const fix = this.#failureFix(provider, unit, result)
      const detail = `${unit} has failed (${resultText(state)})`
      return { state: 'stopped', findings: found({ state: 'fail', detail, fix, ...this.#journal(unit) }) }
    }
    const failed = this.#parts.running.find((row) => row.provider === provider.name && row.unit === unit)
    if (active === 'inactive' && (failed?.failure ?? null) !== null) {
      const detail = `${unit} is stopped, because its last start has failed (${failureReason(failed!)})`
      const fix = this.#failureFix(provider, unit, failed!.failure!)
      const journal = isInJournal(failed!.failure!) ? this.#journal(unit) : {}
      return { state: 'stopped', findings: found({ state: 'fail', detail, fix, ...journal }) }
    }
    const detail = `${unit} is stopped; ${startsAtBoot ? 'it starts with the gateway' : 'the first call starts it'}`
    return { state: 'stopped', findings: found({ state: 'ok', detail }) }
  }

  #failureFix({ name }: HttpProvider, unit: string, result: string): string {
    const again = `${this.#parts.command} services start ${name}`
    if (result === 'oom-kill')
      return `allow it more memory (MemoryMax=), or a smaller model or context; then ${again}`
    if (result === 'timeout') {
      return `check base_url and ready of providers.${name}, or raise start_timeout_ms; then ${again}`
    }
    if (result === 'configuration-changed') return 'reload the gateway'
    if (result === 'start-limit-hit') return `${this.#systemctl} reset-failed ${unit}; then ${again}`
    return `journalctl ${journalOption(this.#services.manager, unit)} -n 50; then ${again}`
  }

  /** The last lines of a unit that failed, as far as this user may read them. */
  #journal(unit: string): Pick<Finding, 'lines'> {
    const { lines } = readServiceJournal(this.#parts.run, this.#services.manager, unit, journalLines)
    return lines.length === 0 ? {} : { lines }
  }

  #loadFault({ unit }: ServiceConfig, state: UnitState): Omit<Finding, 'subject'> {
    const { LoadState: load = '', LoadError: error = '' } = state
    const { manager } = this.#services
    if (load === 'masked') {
      return {
        state: 'fail',
        detail: `${unit} is masked, so nothing can start it`,
        fix: `${this.#systemctl} unmask ${unit}`,
      }
    }
    if (load !== 'not-found') {
      const reason = /"(.*)"/.exec(error)?.[1] ?? load
      const fix = `systemd-analyze ${[...scopeOptions(manager), 'verify'].join(' ')} ${unit}`
      return { state: 'fail', detail: `${unit} cannot be loaded: ${reason}`, fix }
    }
    const other = manager === 'user' ? 'system' : 'user'
    if (readUnitState(unit, ['LoadState'], other, this.#parts.run)['LoadState'] === 'loaded') {
      const detail = `${unit} is a unit of the ${other} manager, and services.manager is ${manager}`
      const fix = `set services.manager: ${other}, or move the unit to the ${manager} manager`
      return { state: 'fail', detail, fix }
    }
    const file = unit.replace(/@.*\./, '@.')
    const directory = manager === 'user' ? '~/.config/systemd/user' : '/etc/systemd/system'
    const fix = `write ${directory}/${file} (systemd/examples/ has some), then ${this.#systemctl} daemon-reload`
    return { state: 'fail', detail: `${unit} does not exist`, fix }
  }

  /** What is wrong with a unit that could be started. */
  #unitFaults(provider: HttpProvider, { unit }: ServiceConfig, state: UnitState): Finding[] {
    const systemctl = this.#systemctl
    const faults: (Omit<Finding, 'subject'> | undefined)[] = [
      this.#aliasFault(provider, unit, state['Id'] ?? unit),
      state['NeedDaemonReload'] === 'yes'
        ? {
            state: 'warn',
            detail: `the file of ${unit} has changed since the manager read it`,
            fix: `${systemctl} daemon-reload`,
          }
        : undefined,
      this.#enabledNote(provider, unit, state['UnitFileState'] ?? ''),
      (state['TriggeredBy'] ?? '') === ''
        ? undefined
        : {
            state: 'warn',
            detail: `${state['TriggeredBy']} starts ${unit} too, whether or not there is room for it`,
            fix: `${systemctl} disable --now ${state['TriggeredBy']}`,
          },
    ]
    return faults.flatMap((fault) => (fault === undefined ? [] : [this.#finding(provider, fault)]))
  }

  #aliasFault({ name }: HttpProvider, unit: string, id: string): Omit<Finding, 'subject'> | undefined {
    const owner = this.#byId.get(id)
    this.#byId.set(id, owner ?? name)
    if (owner !== undefined) {
      const detail = `${unit} and the unit of ${owner} are names of one unit, ${id}`
      const fix = `use the provider ${owner} for all models of this server`
      return { state: 'fail', detail, fix }
    }
    if (id === unit || !id.startsWith('llm-gateway')) return undefined
    const detail = `${unit} is another name of ${id}, a unit of the gateway itself`
    return { state: 'fail', detail, fix: `name the model server's unit in providers.${name}.service.unit` }
  }

  /** One that is started at boot, whatever the gateway decides: harmless unless others of its group wait for the room. */
  #enabledNote(
    { name }: HttpProvider,
    unit: string,
    unitFileState: string,
  ): Omit<Finding, 'subject'> | undefined {
    if (unitFileState !== 'enabled' && unitFileState !== 'enabled-runtime') return undefined
    const shares = [...this.#services.groups].find(([, { members, running }]) => {
      return members.includes(name) && members.length > running
    })
    const detail = `${unit} is enabled, so systemd starts it at boot, too`
    const fix = `${this.#systemctl} disable ${unit}`
    if (shares === undefined) return { state: 'ok', detail, fix }
    return { state: 'warn', detail: `${detail}, whether or not the group ${shares[0]} has room`, fix }
  }
}

/** Longer than systemd lets a unit stop by default: 90 s. */
const longStopMs = 120_000

function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

/** When the unit was active last, in milliseconds of CLOCK_MONOTONIC. Infinity: not known. */
function exitedMs({ ActiveExitTimestampMonotonic: us = '' }: UnitState): number {
  return Number(us) > 0 ? Number(us) / 1000 : Infinity
}

/** `exit-code 1`, `signal 9`, `oom-kill`. */
function resultText({ Result: result = 'unknown', ExecMainStatus: status = '' }: UnitState): string {
  if (result === 'signal' || result === 'core-dump') return `${result} ${status}`
  if (result !== 'exit-code') return result
  const meaning = exitMeanings[status]
  return meaning === undefined ? `exit-code ${status}` : `exit-code ${status}: ${meaning}`
}

/** Of systemd itself, before the program runs: systemd.exec(5), "Process Exit Codes". */
const exitMeanings: Readonly<Record<string, string>> = {
  '200': 'its working directory cannot be entered',
  '203': 'its program cannot be run',
  '217': 'its user does not exist',
  '226': 'its sandbox cannot be set up',
}

/** The command is run as this user, in the user's manager. */
function transientFault(
  { command, workingDirectory }: TransientUnit,
  name: string,
): Omit<Finding, 'subject'> | undefined {
  const [program = ''] = command
  const place = `providers.${name}.service`
  if (!isExecutable(program)) {
    const detail = `${program} does not exist, or this user cannot run it`
    return { state: 'fail', detail, fix: `correct ${place}.run` }
  }
  if (workingDirectory === undefined || isDirectory(workingDirectory)) return undefined
  const detail = `${workingDirectory} is not a directory that this user can see`
  return { state: 'fail', detail, fix: `correct ${place}.working_directory` }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
