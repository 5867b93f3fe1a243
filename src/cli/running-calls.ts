// The calls under way in a running gateway, as commands receive and show them. The gateway may be of another version, so that
// members may be missing.
import { isObject, membersOf } from '../bytes/json/parse.ts'
import { printable } from '../platform/printable.ts'
import type { OpenCall, ServiceTurn } from '../status/open-call.ts'
import { startWaitText } from '../status/services-text.ts'

/** What is shown of a call; texts are printable. Null: unknown. */
export type ShownCall = Pick<OpenCall, 'id' | 'model' | 'client' | 'provider' | 'dialect'> & {
  /** As of now or of a gateway that knows more phases. */
  readonly phase: string
  readonly turn: ServiceTurn | null
} & Readonly<Record<'age_ms' | 'attempt' | 'wait_ms' | 'start_ms' | 'tokens', number>> &
  Readonly<Record<'program' | 'tokens_per_second' | 'first_token_ms', number | null>>

/** @param calls of a gateway's answer; what is not a call is left out. */
export function readCalls(calls: unknown): ShownCall[] {
  return Array.isArray(calls) ? calls.filter(isObject).map(readCall) : []
}

function readCall(call: unknown): ShownCall {
  const members = membersOf(call)
  const text = (name: string) => {
    const value = members[name]
    return typeof value === 'string' ? printable(value).replaceAll('\t', ' ') : null
  }
  const number = (name: string) => {
    const value = members[name]
    return typeof value === 'number' ? value : null
  }
  return {
    id: text('id') ?? '',
    model: text('model'),
    client: text('client') ?? '',
    provider: text('provider'),
    program: number('program'),
    dialect: text('dialect') ?? '',
    phase: text('phase') ?? 'unknown',
    age_ms: number('age_ms') ?? 0,
    attempt: number('attempt') ?? 0,
    wait_ms: number('wait_ms') ?? 0,
    start_ms: number('start_ms') ?? 0,
    turn: readTurn(members['turn']),
    tokens: number('tokens') ?? 0,
    tokens_per_second: number('tokens_per_second'),
    first_token_ms: number('first_token_ms'),
  }
}

function readTurn(value: unknown): ServiceTurn | null {
  if (!isObject(value)) return null
  const { group, running } = membersOf(value)
  if (typeof group !== 'string' || !Array.isArray(running)) return null
  const names = running.filter((name) => typeof name === 'string')
  return { group: printable(group), running: names.map((name) => printable(name)) }
}

/** The gateway's own ids are longer than people need. */
const minIdLength = 12

/** The beginnings of ids, as short as they still differ. */
export function shortIds(ids: readonly string[]): string[] {
  const whole = new Set(ids)
  let length = minIdLength
  while (new Set([...whole].map((id) => id.slice(0, length))).size < whole.size) length += 1
  return ids.map((id) => id.slice(0, length))
}

export const callsHead = ['id', 'model', 'client', 'provider', 'phase', 'age', 'first', 'tokens', 'tok/s']

/** Columns from this one on are numbers. */
export const callsNumbersFrom = 5

export function callCells(call: ShownCall, id: string): string[] {
  const { model, client, program, provider, phase, attempt, wait_ms: waitMs, start_ms: startMs } = call
  const { tokens_per_second: speed } = call
  const retried = attempt > 1 ? `, attempt ${attempt}` : ''
  const ofProgram = program === null ? '' : `, program ${program}`
  const shownPhase =
    phase === 'in_line'
      ? `in line ${shortDuration(waitMs)}${ofProgram}`
      : phase === 'starting'
        ? `${startWaitText(call)} ${shortDuration(startMs)}`
        : phase
  return [
    id,
    model ?? '-',
    client,
    provider ?? '-',
    shownPhase + retried,
    shortDuration(call.age_ms),
    call.first_token_ms === null ? '-' : shortDuration(call.first_token_ms),
    String(call.tokens),
    speed === null ? '-' : speed.toFixed(1),
  ]
}

/** `0.4s`, `12s`, `3m05s`, `1h02m`, `2d04h`. */
export function shortDuration(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 10) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`
  if (seconds < 60) return `${seconds}s`
  const [minutes, hours, days] = [60, 3_600, 86_400].map((each) => Math.floor(seconds / each)) as [
    number,
    number,
    number,
  ]
  const two = (count: number) => String(count).padStart(2, '0')
  if (minutes < 60) return `${minutes}m${two(seconds % 60)}s`
  return hours < 24 ? `${hours}h${two(minutes % 60)}m` : `${days}d${two(hours % 24)}h`
}
