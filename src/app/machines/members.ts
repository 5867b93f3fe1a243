// Who shares the limits, as the store has it. What it holds was written by gateways of other versions, or by whoever has its
// URL: what is not understood is left out, and texts are bounded.
import type { StoreConnection } from '../../admission/stores/valkey/connection.ts'
import { leaseMs } from '../../admission/stores/valkey/exchange.ts'
import { storeKey } from '../../admission/stores/valkey/keys.ts'
import { windowMs } from '../../admission/sliding-window.ts'
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import type { MachineUse } from '../../status/shared-store.ts'
import { shownText } from '../../status/shown-text.ts'

/** A gateway: one process. */
export interface Member {
  /** `MACHINE.PROCESS`. */
  readonly id: string
  readonly machine: string
  readonly host: string
  readonly version: string
  readonly state: 'here' | 'silent' | 'left'
  /** Milliseconds since 1970, by the server's clock. Undefined: it does not say. */
  readonly sinceMs: number | undefined
  readonly seenMs: number
  /** Of its state directory; another one than that of a copy. Undefined: it does not say. */
  readonly place: string | undefined
  /** Of its budgets. Undefined: it has none, or does not say. */
  readonly timeZone: string | undefined
  readonly uses: readonly MachineUse[]
}

/** More scopes are for no person. */
const maxScopes = 200
const maxMembers = 1_000
const lookTimeoutMs = 1_000

/**
 * Reads them, the newest first.
 * @param scopes whose use is of interest: `model:NAME`, `provider:NAME`.
 * @throws StoreFault
 */
export async function readMembers(
  connection: Pick<StoreConnection, 'run'>,
  prefix: string,
  scopes: readonly string[],
): Promise<Member[]> {
  const named = scopes.filter((scope) => /^(?:model|provider):/.test(scope)).slice(0, maxScopes)
  const keys = ['epoch', 'members', ...named.map((scope) => `s:${scope}`)].map((key) => storeKey(prefix, key))
  const { nowMs, fields } = await connection.run('look', keys, [], lookTimeoutMs)
  const [members = [], ...uses] = fields
  const used = usesByMember(named, uses, nowMs)
  return members
    .slice(0, maxMembers)
    .flatMap(([id, text]) => memberOf(id, text, { nowMs, used }) ?? [])
    .toSorted((one, other) => other.seenMs - one.seenMs)
}

function memberOf(
  id: string,
  text: string,
  { nowMs, used }: { readonly nowMs: number; readonly used: ReadonlyMap<string, readonly MachineUse[]> },
): Member | undefined {
  const entry = parseJson(Buffer.from(text))
  if (!isObject(entry) || !/^[\w-]{1,64}\.[\w-]{1,64}$/.test(id)) return undefined
  const { host, version, since, seen, left, place, zone } = entry
  if (!isTime(seen) || typeof host !== 'string') return undefined
  return {
    id,
    machine: id.slice(0, id.indexOf('.')),
    host: shownText(host),
    version: typeof version === 'string' ? shownText(version) : '?',
    state: left !== undefined ? 'left' : nowMs - seen <= leaseMs ? 'here' : 'silent',
    sinceMs: isTime(since) ? since : undefined,
    seenMs: seen,
    place: typeof place === 'string' ? place.slice(0, 64) : undefined,
    timeZone: typeof zone === 'string' ? shownText(zone) : undefined,
    uses: used.get(id) ?? [],
  }
}

/** Milliseconds since 1970 that `Date` can show (https://tc39.es/ecma262/#sec-time-values-and-time-range). */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 8.64e15
}

/** Of the fields `m:MEMBER` (exchange.lua): number, end of the lease, next, then allotted and used in each dimension. */
function usesByMember(
  scopes: readonly string[],
  fields: readonly (readonly (readonly [string, string])[])[],
  nowMs: number,
): Map<string, MachineUse[]> {
  const found = new Map<string, MachineUse[]>()
  for (const [index, scope] of scopes.entries()) {
    for (const [field, packed] of fields[index] ?? []) {
      if (!field.startsWith('m:')) continue
      const numbers = packed.split(' ').map(Number)
      if (numbers.length < 9 || !numbers.every(Number.isSafeInteger)) continue
      const endMs = numbers[1]!
      const [requests, tokens, inParallel] = [numbers[4]!, numbers[6]!, numbers[8]!]
      const parallel = endMs > nowMs ? inParallel : 0
      if (endMs + windowMs <= nowMs || requests + tokens + parallel === 0) continue
      const [kind] = scope.split(':', 1) as [MachineUse['kind']]
      const name = shownText(scope.slice(kind.length + 1))
      const member = field.slice('m:'.length)
      const uses = found.get(member) ?? []
      uses.push({ kind, name, requests, tokens, parallel })
      found.set(member, uses)
    }
  }
  return found
}
