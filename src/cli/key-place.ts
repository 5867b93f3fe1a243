// Which key file a command is about, and whether the gateway that reads it has a version of it in force.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { budgetsFileNames } from '../admission/budgets-file.ts'
import { noKeys, parseKeyFile } from '../clients/keys/key-file.ts'
import { keysStateFile, type KeysState, parseKeysState } from '../clients/keys/keys-state.ts'
import { keptKeysFile, parseSignedKeys } from '../clients/keys/signed-keys.ts'
import { findConfigFile, findKeyFile, packagedConfigFile } from '../config/find.ts'
import { type PartialConfig, readPartialConfig } from '../config/partial-config.ts'
import { lockHolder } from '../platform/process-lock.ts'
import { askControl, type OtherGateway } from './control-client.ts'
import type { ReadKeys } from './key-file-access.ts'
import { ownCommand } from './invocation.ts'
import { gatewayAt } from './state-directory.ts'

export interface KeyPlace {
  readonly path: string
  /** The configuration that it belongs to. */
  readonly configFile: string
  readonly mode: PartialConfig['keys']['mode']
  /** Undefined: the keys are of this machine alone. */
  readonly sharedKeys: PartialConfig['sharedKeys']
  readonly isAudited: boolean
  /** Whether budgets are those of several machines. */
  readonly sharesLimits: boolean
  /** In which the windows of budgets begin. */
  readonly budgetTimeZone: string
  readonly prefix: string
  readonly hosts: readonly string[]
  readonly port: number
}

/** @param config the configuration file, if the command line names one. */
export function findKeyPlace(
  config: string | undefined,
  env: NodeJS.ProcessEnv,
): KeyPlace | { readonly message: string } {
  const configFile = findConfigFile(config, env)
  if (configFile === packagedConfigFile()) {
    return {
      message: `There is no configuration file, beside which the keys would be. To create one, run: ${ownCommand(env)} systemd install`,
    }
  }
  const read = readPartialConfig(configFile, env)
  if (read.kind === 'unreadable') return { message: `${configFile}: ${read.message}` }
  const { keys, hosts, port, isAudited, sharedKeys, sharesLimits, budgetTimeZone } = read.config
  const { mode, prefix } = keys
  const path = findKeyFile(configFile, keys.file)
  const sharing = { sharedKeys, sharesLimits, budgetTimeZone }
  return { path, configFile, mode, ...sharing, isAudited, prefix, hosts, port }
}

/** The gateway that reads these keys. */
export interface RunningGateway {
  readonly pid: number
  readonly stateDirectory: string
}

/** Undefined: none runs that this user can see. */
export function findGateway(place: KeyPlace, env: NodeJS.ProcessEnv): RunningGateway | undefined {
  const { pid: listening, stateDirectory } = gatewayAt(place, env)
  if (stateDirectory === undefined) return undefined
  // The gateway holds these locks as long as it runs, also where it listens on a Unix socket only; of limits that machines share it
  // keeps no file.
  const locks = ['limits.lock', budgetsFileNames.lock].map((name) => lockHolder(join(stateDirectory, name)))
  const pid = locks.find((each) => each !== undefined) ?? listening
  return pid === undefined ? undefined : { pid, stateDirectory }
}

/** What the gateway has reported. Undefined: nothing. */
export function reportedKeys({ stateDirectory }: RunningGateway): KeysState | undefined {
  return readState(join(stateDirectory, keysStateFile))
}

function readState(path: string): KeysState | undefined {
  try {
    return parseKeysState(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/** Whether another machine signs them, so that this one has a copy only. */
export function isPulled({ mode, sharedKeys }: KeyPlace): boolean {
  return mode !== 'off' && sharedKeys?.isSigner === false
}

/** The keys that this machine has from another one: the gateway's copy, which the gateway has verified. */
export function readPulledKeys(place: KeyPlace, env: NodeJS.ProcessEnv): ReadKeys {
  const { stateDirectory } = gatewayAt(place, env)
  if (stateDirectory === undefined) return { kind: 'read', file: noKeys }
  const path = join(stateDirectory, keptKeysFile)
  try {
    const signed = parseSignedKeys(readFileSync(path, 'utf8'))
    const parsed = signed && parseKeyFile(signed.file)
    if (parsed?.kind === 'parsed') return { kind: 'read', file: parsed.file }
    return { kind: 'refused', messages: [`${path} is no signed list of keys`] }
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { kind: 'read', file: noKeys }
    return { kind: 'refused', messages: [`${path} cannot be read (${code})`] }
  }
}

export type InForce =
  | {
      readonly kind: 'in_force'
      readonly afterMs: number
      readonly threads: number
      /** Calls that were ended with it. Absent: the gateway has not reported that. */
      readonly ended?: number
    }
  | { readonly kind: 'not_in_force'; readonly reason: string }

/** What `loadIntoGateway` finds where no gateway serves this configuration. */
interface Unserved {
  readonly kind: 'unserved'
  readonly others: readonly OtherGateway[]
}

export interface WaitParts {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/**
 * Has the gateway with this configuration load the key file, over its control socket. `unserved`: none listens there that this
 * user may command.
 */
export async function loadIntoGateway(
  { configFile }: Pick<KeyPlace, 'configFile'>,
  generation: number,
  { env, now }: { readonly env: NodeJS.ProcessEnv; readonly now: WaitParts['now'] },
): Promise<InForce | Unserved> {
  const startMs = now()
  const answer = await askControl(env, 'POST /-/keys/reload', configFile)
  if (answer.kind === 'absent') return { kind: 'unserved', others: answer.others }
  if (answer.kind === 'failed') return { kind: 'not_in_force', reason: answer.message }
  const { generation: loaded, threads, streams_ended: ended, refused } = answer.body
  const afterMs = Math.round(now() - startMs)
  if (Number(loaded) >= generation)
    return { kind: 'in_force', afterMs, threads: Number(threads), ended: Number(ended) }
  const reason = typeof refused === 'string' ? refused : `the gateway has generation ${Number(loaded)}`
  return { kind: 'not_in_force', reason }
}

const waitMs = 5_000
const pollMs = 5

/** Waits until all threads of the gateway have this generation in force, for 5 s at most. */
export async function waitUntilInForce(
  gateway: RunningGateway,
  generation: number,
  { now, sleep }: WaitParts,
): Promise<InForce> {
  const startMs = now()
  for (;;) {
    const state = reportedKeys(gateway)
    const afterMs = Math.round(now() - startMs)
    if (state !== undefined && state.generation >= generation)
      return { kind: 'in_force', afterMs, threads: state.threads }
    if (afterMs >= waitMs) {
      const { pid } = gateway
      const silent =
        state === undefined
          ? `the gateway (pid ${pid}) has loaded no keys; restart it if keys were off when it started`
          : `the gateway (pid ${pid}) has not loaded the file within 5 s; its log shows why`
      return { kind: 'not_in_force', reason: state?.refused ?? silent }
    }
    await sleep(pollMs)
  }
}
