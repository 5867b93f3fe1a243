// What the gateway's own commands may ask of it while it runs (server/control/).
import { userInfo } from 'node:os'
import { StartError } from '../errors.ts'
import {
  type ControlCommand,
  type ControlCommands,
  ControlError,
  type ControlServer,
  controlVersion,
  openControl,
} from '../server/control/control-server.ts'
import { readHead } from '../clients/keys/signed-keys.ts'
import { reasonOf } from '../platform/thrown.ts'
import { ownTimeZone } from '../platform/time-zone.ts'
import { readCommandEvent } from '../observe/audit/command-events.ts'
import type { OpenCall } from '../status/open-call.ts'
import { serviceRows } from '../status/service-rows.ts'
import { withTurns } from '../status/service-turns.ts'
import type { StatusView } from '../status/status-source.ts'
import type { App } from './app.ts'
import { budgetsJson, readAskedKeys } from './budgets-command.ts'
import { machineUsageJson, readQuestionOfAll, usageJson } from './machines/usage-command.ts'
import type { Machines } from './machines/machines.ts'
import type { SharedKeyCommands } from './key-source.ts'
import { serviceCommands } from './services/control-commands.ts'

export interface ControlFacts {
  /** Undefined: there is no directory for it. */
  readonly path: string | undefined
  readonly version: string
  readonly configFile: string
  readonly stateDirectory: string | undefined
  /** Unix time in milliseconds. */
  readonly startedAtMs: number
}

/** Opens the control channel of a running gateway. Without one calls go on, and the log has the reason. */
export async function startControl(app: App, facts: ControlFacts): Promise<ControlServer | undefined> {
  const unavailable = (reason: string) => app.events.emit({ kind: 'control_unavailable', reason })
  const { path } = facts
  if (path === undefined) {
    unavailable('there is no runtime directory: set RUNTIME_DIRECTORY or XDG_RUNTIME_DIR')
    return undefined
  }
  try {
    return await openControl(path, commandsOf(app, facts), (error, command) =>
      app.events.emit({ kind: 'internal_error', error, where: `the command ${command}` }),
    )
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    unavailable(error.message)
    return undefined
  }
}

function commandsOf(
  app: App,
  { version, configFile, stateDirectory, startedAtMs }: ControlFacts,
): ControlCommands {
  return new Map<string, ControlCommand>([
    ['GET /-/version', () => ({ control: controlVersion, version, pid: process.pid })],
    [
      'GET /-/state',
      () => ({
        control: controlVersion,
        version,
        pid: process.pid,
        started_at: new Date(startedAtMs).toISOString(),
        config: configFile,
        state_directory: stateDirectory ?? null,
        addresses: app.addresses,
        open_calls: app.openCalls() ?? null,
      }),
    ],
    ['GET /-/metrics', async () => ({ text: (await app.metrics()).join('') })],
    ['GET /-/limits', () => app.limits(ownUser())],
    [
      'POST /-/budgets',
      async (input) => budgetsJson(app.machines(), await app.budgets(readAskedKeys(input))),
    ],
    ['GET /-/status', () => app.status.report(ownView())],
    ['GET /-/calls', async () => ({ calls: await callsOf(app) })],
    ['POST /-/calls/cancel', (input) => cancelCall(app, input)],
    ...serviceCommands(
      () => app.modelServers(),
      (command) => app.events.emit({ kind: 'service_commanded', ...command, by: command.by ?? ownUser() }),
    ),
    ['GET /-/machines', () => machinesOf(app).report()],
    ['POST /-/machines/forget', (input) => forgetMachine(app, input)],
    ['POST /-/usage', (input) => usageOfAll(app, input)],
    ['POST /-/keys/reload', () => reloadKeys(app)],
    ['POST /-/keys/publish', (input) => publishKeys(app, input)],
    ['GET /-/keys/shared', () => describeSharedKeys(app)],
    ['POST /-/audit/erase', (input) => eraseInAudit(app, input)],
    ['POST /-/audit/append', (input) => appendToAudit(app, input)],
  ])
}

async function callsOf(app: App): Promise<OpenCall[]> {
  const calls = await app.openCallReports()
  return withTurns(calls, serviceRows(app.modelServers()?.control.describe() ?? [], true))
}

/** The channel is of the gateway's own user alone. */
function ownUser(): string {
  return `user:${userInfo().username}`
}

function ownView(): StatusView {
  const user = ownUser()
  const viewer = { user, sees_all: true, may_cancel: true, playground: false }
  return { viewer, zone: ownTimeZone(), days: 1 }
}

/** @throws ControlError for a request without an id. */
async function cancelCall(
  app: App,
  { id, actor }: Readonly<Record<string, unknown>>,
): Promise<{ readonly cancelled: boolean }> {
  if (typeof id !== 'string') throw new ControlError('Name the id of the call.')
  return { cancelled: await app.cancelCall(id, typeof actor === 'string' ? actor : undefined) }
}

/** @throws ControlError where limits are this machine's alone. */
function machinesOf(app: App): Machines {
  const machines = app.machines()
  if (machines === undefined) {
    const reason =
      'This gateway shares nothing with other machines: its configuration has no rate_limit_settings.store.'
    throw new ControlError(reason)
  }
  return machines
}

/** @throws ControlError for a request without a name, and for a machine that cannot be forgotten. */
async function forgetMachine(app: App, { name }: Readonly<Record<string, unknown>>): Promise<object> {
  if (typeof name !== 'string') throw new ControlError('Name the machine.')
  const forgotten = await ofStore(machinesOf(app).forget(name))
  if (forgotten.kind === 'refused') throw new ControlError(forgotten.message)
  return { name: forgotten.name, budgets: forgotten.budgets }
}

/** What all machines have recorded. @throws ControlError for what is no question, and while the store is away. */
async function usageOfAll(app: App, input: Readonly<Record<string, unknown>>): Promise<object> {
  const read = readQuestionOfAll(input)
  if (typeof read === 'string') throw new ControlError(read)
  const { report, machines } = await ofStore(machinesOf(app).usage.ask(read.question, read.by))
  return { ...usageJson(report), machines: machines.map(machineUsageJson) }
}

/** @throws ControlError while the store is away. */
async function ofStore<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    throw new ControlError(`The store that the machines share: ${reasonOf(error)}`)
  }
}

/** @throws ControlError when keys are off. */
async function reloadKeys(app: App): Promise<object> {
  const loaded = await app.reloadKeys()
  if (loaded === undefined) {
    throw new ControlError('Keys were off when this gateway started; restart it to use them.')
  }
  const { generation, threads, ended, refused } = loaded
  return { generation, threads, streams_ended: ended, refused: refused ?? null }
}

/** @throws ControlError when this gateway shares no keys with others. */
function sharedKeysOf({ sharedKeys }: App): SharedKeyCommands {
  if (sharedKeys !== undefined) return sharedKeys
  throw new ControlError(
    'This gateway was started without rate_limit_settings.store.keys_signed_by; restart it.',
  )
}

/** @throws ControlError for a request without a signature, and when keys are not shared. */
async function publishKeys(app: App, input: Readonly<Record<string, unknown>>): Promise<object> {
  const signature = readHead(input['signature'])
  if (signature === undefined) throw new ControlError('Send the signature of the key file.')
  const published = await sharedKeysOf(app).publish(signature)
  if (published.kind === 'refused') return { refused: published.reason, newest: published.newest ?? null }
  const { generation, threads, ended, inForce, machines, waitsFor } = published
  return {
    generation,
    threads,
    streams_ended: ended,
    in_force: inForce,
    machines,
    waits_for: waitsFor ?? null,
  }
}

/** @throws ControlError when keys are not shared. */
function describeSharedKeys(app: App): object {
  const { generation, newest, publisher, signedAtMs, isHalted, fault } = sharedKeysOf(app).describe()
  return {
    generation,
    newest,
    publisher: publisher ?? null,
    signed_at: signedAtMs === undefined ? null : new Date(signedAtMs).toISOString(),
    stopped: isHalted,
    fault: fault ?? null,
  }
}

/** @throws ControlError for another event than commands report, and where it has to be on disk and is not. */
async function appendToAudit({ audit }: App, input: Readonly<Record<string, unknown>>): Promise<object> {
  const event = readCommandEvent(input)
  if (event === undefined)
    throw new ControlError('That is not an event that commands of this version report.')
  if (audit === undefined) return { recorded: false }
  try {
    await audit.append(event, input['required'] === true)
  } catch (error) {
    throw new ControlError(reasonOf(error))
  }
  return { recorded: true }
}

/** @throws ControlError for a request without names, and where the log or its names cannot be written. */
async function eraseInAudit(
  { audit }: App,
  { client, actor }: Readonly<Record<string, unknown>>,
): Promise<object> {
  if (typeof client !== 'string' || typeof actor !== 'string') {
    throw new ControlError('Name the client and the user who erases it.')
  }
  if (audit === undefined) return { audited: false }
  try {
    return { audited: true, erased_as: (await audit.erase(client, actor)) ?? null }
  } catch (error) {
    throw new ControlError(reasonOf(error))
  }
}
