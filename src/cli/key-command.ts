// What the commands of keys have in common: they read or change the key file of one configuration, and report whether the
// running gateway has the change in force.
import { type Accounts, systemAccounts } from '../platform/ownership.ts'
import type { KeyRecord } from '../clients/keys/key-record.ts'
import { closestName } from '../platform/did-you-mean.ts'
import { printable } from '../platform/printable.ts'
import { notRecorded, recordAfterwards, recordInAudit, type ReportedEvent } from './audit-record.ts'
import { ownCommand } from './invocation.ts'
import { askControl } from './control-client.ts'
import { changeKeys, type KeyChange, readKeys } from './key-file-access.ts'
import { nameFault } from './key-options.ts'
import {
  findGateway,
  findKeyPlace,
  type KeyPlace,
  loadIntoGateway,
  isPulled,
  readPulledKeys,
  reportedKeys,
  type RunningGateway,
  type WaitParts,
  waitUntilInForce,
} from './key-place.ts'
import { type CommandIo, counted, Output, type OutputStream } from './output.ts'
import { withoutKeys } from './without-keys.ts'

export interface KeyParts extends WaitParts {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number
  readonly accounts: Accounts
}

export function systemParts(): KeyParts {
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: async (ms) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      setTimeout(resolve, ms)
      await promise
    },
    accounts: systemAccounts(),
  }
}

/** A command that was typed wrongly. */
export const usageStatus = 2

/** Written, but the gateway that runs does not have it in force. */
const notInForceStatus = 2

/** Prints why the command ends. @returns the exit status. */
export function fail(io: CommandIo, messages: readonly string[] | string, status = 1): number {
  const err = new Output(io.stderr, io.env)
  for (const message of typeof messages === 'string' ? [messages] : messages)
    err.line(`error: ${printable(withoutKeys(message))}`)
  return status
}

export interface Changing<Result> {
  readonly config: string | undefined
  readonly change: (keys: readonly KeyRecord[], place: KeyPlace) => KeyChange<Result>
  /** What the audit log has of a change; undefined: nothing was changed. */
  readonly event: (result: Result) => ReportedEvent | undefined
  /** Whether more is allowed afterwards than before: such a change is not made without a record. */
  readonly isWidening: boolean
  /** Prints what has been done. */
  readonly report: (result: Result) => void
  /** Where the rest is printed: not where a key is. */
  readonly stream: OutputStream
}

/**
 * Changes the key file and waits until the gateway has the change in force.
 * @returns the exit status: 0; 1 when nothing was changed; 2 when it is not in force.
 */
export async function changeAndReport<Result>(
  io: CommandIo,
  parts: KeyParts,
  { config, change, event, isWidening, report, stream }: Changing<Result>,
): Promise<number> {
  const place = findKeyPlace(config, io.env)
  if ('message' in place) return fail(io, place.message)
  const obstacle = await sharedKeysObstacle(place, parts, io.env)
  if (obstacle !== undefined) return fail(io, obstacle)
  const gateway = place.mode === 'off' ? undefined : findGateway(place, io.env)
  const reported = gateway === undefined ? undefined : reportedKeys(gateway)?.generation
  const audit = { ...place, env: io.env }
  let recorded: ReportedEvent | undefined
  const before = async (result: Result) => {
    const wanted = isWidening ? event(result) : undefined
    if (wanted === undefined) return undefined
    const written = await recordInAudit(wanted, audit, true)
    if (written.kind === 'failed') return notRecorded(written.reason)
    recorded = wanted
    return undefined
  }
  const access = { ...parts, after: reported }
  const changed = await changeKeys(place.path, access, (keys) => change(keys, place), before)
  if (changed.kind === 'refused') {
    if (recorded !== undefined) await recordAfterwards(io, { ...recorded, outcome: 'failure' }, audit)
    return fail(io, changed.messages)
  }
  report(changed.result)
  const done = isWidening ? undefined : event(changed.result)
  const status = isSigned(place)
    ? await publishAndReport(io, parts, place, stream)
    : await reportForce(io, parts, place, changed.generation, { gateway, stream })
  if (done !== undefined) await recordAfterwards(io, done, audit)
  return status
}

function isSigned({ mode, sharedKeys }: KeyPlace): boolean {
  return mode !== 'off' && sharedKeys?.isSigner === true
}

/** Why the keys of machines that share them must not be changed here now. Undefined: they may. */
async function sharedKeysObstacle(
  place: KeyPlace,
  { accounts }: KeyParts,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const { sharedKeys, configFile, path, mode } = place
  if (sharedKeys === undefined || mode === 'off') return undefined
  if (!sharedKeys.isSigner)
    return 'this machine has its keys from another one, which signs them: run the command there (the one with sign_keys_with)'
  const answer = await askControl(env, 'GET /-/keys/shared', configFile)
  const inForce = answer.kind === 'answered' ? Number(answer.body['generation']) : 0
  const read = readKeys(path, accounts)
  // A file at fault is reported with the change.
  if (read.kind === 'refused' || read.file.generation >= inForce) return undefined
  return `${path} has generation ${read.file.generation}, and ${inForce} is in force, by which a change would be undone: bring that file here, or put this one in force with ${ownCommand(env)} key publish`
}

/** Puts the key file in force on all machines, and prints that. @returns the exit status. */
export async function publishAndReport(
  io: CommandIo,
  parts: KeyParts,
  place: KeyPlace,
  stream: OutputStream,
): Promise<number> {
  const { publishKeys } = await import('./key-publication.ts')
  const done = await publishKeys(place, { ...parts, env: io.env })
  const again = `then run ${ownCommand(io.env)} key publish`
  if (done.kind === 'failed')
    return fail(io, `written, but not published: ${done.message}; ${again}`, notInForceStatus)
  const { here, inForce, machines, afterMs, generation, waitsFor } = done
  const streams = here === undefined ? '' : `, ${counted(here.ended, 'stream')} ended`
  const own = here === undefined ? '' : ` in ${counted(here.threads, 'thread')}${streams};`
  if (waitsFor !== undefined) {
    const others = 'the other machines get it when the gateway reaches the store again'
    return fail(io, `in force here${own} and not stored yet: ${waitsFor}; ${others}`, notInForceStatus)
  }
  const out = new Output(stream, io.env)
  if (machines === 0) {
    out.line(`Published as generation ${generation}. No gateway runs; this counts from the next start on.`)
    return 0
  }
  out.line(
    `In force after ${afterMs} ms${own} on ${inForce} of ${counted(machines, 'machine')}, as generation ${generation}.`,
  )
  if (inForce >= machines) return 0
  return fail(
    io,
    'some machines do not have it in force: one that was started before keys_signed_by stood in its configuration takes it when it is restarted; of others, the log (keys_not_accepted) and doctor show why',
    notInForceStatus,
  )
}

interface Reporting {
  /** Undefined: none runs that this user can see. */
  readonly gateway: RunningGateway | undefined
  readonly stream: OutputStream
}

/** Waits until the gateway has this generation in force, and prints that. @returns the exit status. */
async function reportForce(
  io: CommandIo,
  parts: KeyParts,
  place: KeyPlace,
  generation: number,
  { gateway, stream }: Reporting,
): Promise<number> {
  const out = new Output(stream, io.env)
  if (place.mode === 'off') {
    out.line(
      `Keys are off: calls are served without one. To use them, add keys: { mode: required, keyless_users: [self] } to ${printable(place.configFile)}, and restart the gateway.`,
    )
    return 0
  }
  const loaded = await loadIntoGateway(place, generation, { ...parts, env: io.env })
  const isServed = loaded.kind !== 'unserved'
  // The state directory and the port may be those of a gateway with another file.
  const other = isServed ? undefined : loaded.others.find(({ pid }) => pid === gateway?.pid)
  if (!isServed && (gateway === undefined || other !== undefined)) {
    const runs =
      other === undefined
        ? 'No gateway runs'
        : `The gateway that runs serves ${printable(other.config)}, and none this configuration`
    out.line(`${runs}; this counts from its next start on.`)
    return 0
  }
  const force = isServed ? loaded : await waitUntilInForce(gateway!, generation, parts)
  if (force.kind === 'not_in_force')
    return fail(io, `written, but not in force: ${force.reason}`, notInForceStatus)
  const { afterMs, threads, ended } = force
  const streams = ended === undefined ? '' : `, ${counted(ended, 'stream')} ended`
  out.line(`In force after ${afterMs} ms in ${counted(threads, 'thread')}${streams}.`)
  return 0
}

/** @param secretId of a secret that the change is about. */
export function keyEvent(
  name: ReportedEvent['name'],
  key: Pick<KeyRecord, 'id' | 'name'>,
  secretId?: string,
): ReportedEvent {
  const attributes = { 'key.id': key.id, ...(secretId !== undefined && { 'key.secret': secretId }) }
  return { name, client: `key:${key.name}`, attributes }
}

/** The record of a name; what to print where there is none. */
export function findKey(
  keys: readonly KeyRecord[],
  name: string,
): { readonly key: KeyRecord } | { readonly message: string } {
  const key = keys.find((each) => each.name === name)
  if (key !== undefined) return { key }
  const near = closestName(
    name,
    keys.map((each) => each.name),
  )
  const hint = near === undefined ? '' : `; did you mean "${near}"?`
  return { message: `there is no key "${name}"${hint}` }
}

/** Reads the keys for a command that changes nothing. */
export function readPlace(
  io: CommandIo,
  config: string | undefined,
  accounts: Accounts,
): { place: KeyPlace; keys: readonly KeyRecord[]; generation: number } | { messages: readonly string[] } {
  const place = findKeyPlace(config, io.env)
  if ('message' in place) return { messages: [place.message] }
  const read = isPulled(place) ? readPulledKeys(place, io.env) : readKeys(place.path, accounts)
  return read.kind === 'refused' ? { messages: read.messages } : { place, ...read.file }
}

/** Undefined for a name that a key may have. */
export function nameProblem(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const fault = nameFault(name)
  if (fault !== undefined) return fault
  return name === 'master'
    ? `The master key has a command of its own: ${ownCommand(env)} key master set`
    : undefined
}
