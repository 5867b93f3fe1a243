// The gateway's log, read as it comes.
import { soon } from '../support/deadline.ts'

/** What a call's line says. */
export interface CallLine {
  readonly status: number
  readonly code: string | undefined
  readonly attempts: number
  readonly provider: string | undefined
  readonly fallback: boolean
  /** The line of a call's end, and not of a refusal by a guard. */
  readonly isCall: boolean
}

const endOfLine = '\n'

/** Events of faults of the gateway itself. */
const unwanted: ReadonlySet<string> = new Set([
  'internal_error',
  'ledger_off',
  'ledger_rows_lost',
  'ledger_set_aside',
  'ledger_waiting',
  'limits_not_saved',
])

export class GatewayLog {
  /** Lines of each request id. */
  readonly calls = new Map<string, CallLine[]>()
  readonly faults: string[] = []
  readonly #counts = new Map<string, number>()
  #unread = ''
  #changed = Promise.withResolvers<void>()

  read(text: string): void {
    const lines = (this.#unread + text).split(endOfLine)
    this.#unread = lines.pop()!
    for (const line of lines) this.#take(line)
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** How often there was such an event. */
  count(event: string): number {
    return this.#counts.get(event) ?? 0
  }

  /** Resolves when there were so many in all. */
  async until(event: string, count: number): Promise<void> {
    const wait = async () => {
      while (this.count(event) < count) await this.#changed.promise
    }
    await soon(wait(), () => `event ${event} number ${count} in the log`)
  }

  #take(text: string): void {
    const line = JSON.parse(text) as Record<string, unknown>
    const event = String(line['event'])
    this.#counts.set(event, this.count(event) + 1)
    if (unwanted.has(event)) this.faults.push(text.slice(0, 2000))
    const id = line['request_id']
    if (typeof id !== 'string') return
    const lines = this.calls.get(id) ?? []
    lines.push({
      status: Number(line['status']),
      code: line['code'] as string | undefined,
      attempts: Number(line['attempts'] ?? 0),
      provider: line['provider'] as string | undefined,
      fallback: line['fallback_model'] !== undefined,
      isCall: line['duration_ms'] !== undefined,
    })
    this.calls.set(id, lines)
  }
}
