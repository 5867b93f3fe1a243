// What all parts of a run with keys share.
import type { PlannedCall } from '../calls.ts'
import type { Wire } from '../client-connection.ts'
import type { Fixed } from '../configurations.ts'
import type { Verdict } from '../judge.ts'
import type { UpstreamProcess } from '../upstream-process.ts'
import { type HeldKey, type KeyDesk, keyNames } from './key-desk.ts'
import type { Life, Lives } from './lives.ts'
import { type LifeSpend, readSaved } from './spend.ts'

/** A call that has ended, of which the gateway's end may have left a part. */
export interface KeyedCall {
  readonly call: PlannedCall
  /** Undefined: it had none. */
  readonly held: HeldKey | undefined
  readonly life: Life
  readonly wire: Wire
  readonly verdict: Exclude<Verdict, { readonly fault: string }>
  /** Milliseconds since 1970. */
  readonly sentAtMs: number
  readonly endedAtMs: number
}

export interface KeysWorld {
  readonly seed: number
  readonly connections: number
  readonly fixed: Fixed
  readonly upstreams: readonly UpstreamProcess[]
  readonly lives: Lives
  readonly desk: KeyDesk
  readonly accuse: (what: string) => void
  readonly counts: { kills: number; reloads: number; refusals: number }
  readonly calls: KeyedCall[]
  readonly spend: LifeSpend[]
}

/** Ends it, and notes what it has left of the budgets. */
export async function end(
  { lives, spend }: KeysWorld,
  life: Life,
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  await lives.end(life, signal)
  spend.push({ life, closing: await readSaved(lives.stateDirectory) })
}

/** Of two streaming and two other clients one each. */
export function keyOf(lane: number): HeldKey['name'] | undefined {
  return lane % 4 < 2 ? keyNames[(lane >> 2) % keyNames.length] : undefined
}

/** How many clients hold each key, at most. */
export function lanesOfKey(connections: number): number {
  return Math.ceil(connections / (4 * keyNames.length)) * 2
}
