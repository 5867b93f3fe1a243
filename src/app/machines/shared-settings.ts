// The limits that machines share, as each of them has them in its configuration: they are to be the same. What one machine does not have
// at all (a model, a provider) it states nothing of.
import { createHash } from 'node:crypto'
import { limitsOf } from '../../admission/limits-of.ts'
import { budgetText } from '../../clients/keys/key-budgets.ts'
import type { Config } from '../../config/types.ts'
import { type Budget, budgetPeriods, type ClientTerms } from '../../domain.ts'
import { shownText } from '../../status/shown-text.ts'

export interface SharedSetting {
  /** Made of its name. */
  readonly id: string
  /** For people: `model gpt`. */
  readonly name: string
  /** As it is stated. */
  readonly value: string
  /** Another machine's value, for people. Undefined: no gateway states that. */
  readonly describe: (value: string) => string | undefined
}

/** By the ids of settings. */
export type StatedSettings = ReadonlyMap<string, string>

export interface SharedSettingsOf {
  /** Requests per minute of a client, as in force. Undefined: they are not limited. */
  readonly floodRpm: number | undefined
  /** Whether a provider's slots are this machine's own. */
  readonly isOwnProvider: (name: string) => boolean
  /** Whether clients of a pattern are of this machine alone. */
  readonly isOwnClient: (pattern: string) => boolean
}

export type SettingsConfig = Pick<
  Config,
  'budgets' | 'clients' | 'identity' | 'keys' | 'models' | 'providers' | 'rateLimits'
>

/** In the order in which they are named: models, the limits of clients, budgets, providers. */
export function sharedSettings(config: SettingsConfig, of: SharedSettingsOf): SharedSetting[] {
  const { budgets, clients, identity, keys, models, providers, rateLimits } = config
  const found: SharedSetting[] = []
  // A model that others answer counts as them.
  const served = Array.from(models.values()).filter(({ targets }) => targets.length > 0)
  const names = new Set([...served.map(({ name }) => name), ...rateLimits.limits.keys()])
  for (const name of names)
    found.push(setting(`model ${name}`, limitsValue(limitsOf(rateLimits, name)), limitsText))
  const hasIdentities = identity.sources.length > 0
  if (hasIdentities || keys.mode !== 'off')
    found.push(setting('per_client', countValue(of.floodRpm), countText('requests per minute')))
  found.push(setting('budgets.total', budgetsValue(budgets.total), budgetsText))
  const terms: readonly (readonly [string, ClientTerms])[] = [
    ...Array.from(clients.byPattern).filter(([pattern]) => hasIdentities && !of.isOwnClient(pattern)),
    ...(hasIdentities && clients.default !== undefined ? [['default', clients.default] as const] : []),
  ]
  for (const [pattern, each] of terms) {
    found.push(setting(`client ${pattern}`, limitsValue(each), limitsText))
    found.push(setting(`budgets of client ${pattern}`, budgetsValue(each.budgets), budgetsText))
  }
  for (const provider of providers.values()) {
    const { name } = provider
    if (of.isOwnProvider(name) || !('origin' in provider)) continue
    const { maxParallelRequests } = provider
    if (maxParallelRequests === 'auto') continue
    found.push(setting(`provider ${name}`, countValue(maxParallelRequests), countText('parallel requests')))
  }
  return found
}

function setting(name: string, value: string, describe: SharedSetting['describe']): SharedSetting {
  const id = createHash('sha256').update(name).digest('base64url').slice(0, idLength)
  return { id, name: shownText(name), value, describe }
}

const idLength = 6
/** An entry of the members has 4 KiB at most (epoch.lua), with a host name and more. */
const maxStated = 2_000

/**
 * As a member states them: `ID=VALUE ID=VALUE`, by id. Where there are too many, those with the last ids are left out, on each machine, and a
 * difference in them is not found.
 */
export function stateSettings(settings: readonly SharedSetting[]): string {
  let stated = ''
  for (const { id, value } of settings.toSorted((one, other) => (one.id < other.id ? -1 : 1))) {
    if (value.length > maxValue) continue
    const entry = `${stated === '' ? '' : ' '}${id}=${value}`
    if (stated.length + entry.length > maxStated) break
    stated += entry
  }
  return stated
}

const maxValue = 200

/** Undefined: it is no text that a gateway states. An older one states none. */
export function readSettings(text: unknown): StatedSettings | undefined {
  if (typeof text !== 'string' || text.length > 2 * maxStated) return undefined
  const entries = text.split(' ').map((entry) => /^([\w-]{6})=([a-z\d.:]{0,200})$/.exec(entry))
  return new Map(entries.filter((entry) => entry !== null).map(([, id, value]) => [id!, value!]))
}

type Limits = Pick<ClientTerms, 'maxParallelRequests' | 'rpm' | 'tpm'>

/** `12:100000:` */
function limitsValue({ rpm, tpm, maxParallelRequests }: Limits = {}): string {
  const all = [rpm, tpm, maxParallelRequests]
  return all.every((each) => each === undefined) ? '' : all.map(countValue).join(':')
}

const limitNames = ['rpm', 'tpm', 'max_parallel_requests']

function limitsText(value: string): string | undefined {
  if (value === '') return 'no limits'
  if (!/^\d{0,16}:\d{0,16}:\d{0,16}$/.test(value)) return undefined
  const shown = value.split(':').map((each, index) => each !== '' && `${limitNames[index]} ${each}`)
  return shown.filter((each) => each !== false).join(', ')
}

function countValue(count: number | undefined): string {
  return count === undefined ? '' : String(count)
}

function countText(unit: string): SharedSetting['describe'] {
  return (value) => (value === '' ? 'no limit' : /^\d{1,16}$/.test(value) ? `${value} ${unit}` : undefined)
}

/** `usd.month.50000000000:tokens.day.1000`, whatever their order in the configuration. */
function budgetsValue(budgets: readonly Budget[]): string {
  const all = budgets.map(({ unit, per, limit }) => `${unit}.${per}.${limit}`)
  return all.toSorted().join(':')
}

function budgetsText(value: string): string | undefined {
  if (value === '') return 'no budget'
  const all = value.split(':').map((each) => {
    const [, unit, period, limit] = /^(usd|tokens)\.([a-z]+)\.(\d{1,16})$/.exec(each) ?? []
    const per = budgetPeriods.find((known) => known === period)
    if (unit === undefined || per === undefined) return undefined
    return budgetText({ unit: unit as Budget['unit'], per, limit: Number(limit) })
  })
  return all.includes(undefined) ? undefined : all.join(', ')
}
