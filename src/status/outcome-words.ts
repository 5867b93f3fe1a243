// Ends of calls as the status page shows them.

/** `good` needs no look, `bad` does, `warn` may, and `calm` says nothing about health. */
export type Tone = 'good' | 'warn' | 'bad' | 'calm'

/** A name of the interface: its tone, and its words where the name does not do. */
export type Words = readonly [tone: Tone, words?: string]

export const outcomeWords: Readonly<Record<string, Words>> = {
  ok: ['good'],
  call_cancelled: ['calm', 'cancelled'],
  client_error: ['warn', 'bad request'],
  client_gone: ['calm', 'client left'],
  internal: ['bad'],
  limited: ['warn', 'over the limit'],
  no_target: ['bad', 'no provider works'],
  provider_auth: ['bad', 'key refused'],
  provider_bad_response: ['bad', 'broken answer'],
  provider_billing: ['bad', 'no credit'],
  provider_error: ['bad'],
  provider_limited: ['warn'],
  provider_timeout: ['bad'],
  provider_unreachable: ['bad'],
  refused: ['warn'],
}

/** The name of `outcomeWords` for how a call ended. Some are told apart by their code alone: they are refused ones otherwise. */
export function shownOutcome({ outcome, code }: EndedCall): string {
  if (code === 'call_cancelled') return code
  return code === 'invalid_request' ? 'client_error' : outcome
}

export function outcomeTone(call: EndedCall): Tone {
  return outcomeWords[shownOutcome(call)]?.[0] ?? 'warn'
}

export function outcomeText(call: EndedCall): string {
  return wordsIn(outcomeWords, shownOutcome(call))
}

interface EndedCall {
  /** One of `observe/outcome.ts`. */
  readonly outcome: string
  readonly code: string | null
}

export function wordsIn(table: Readonly<Record<string, Words>>, name: string): string {
  return table[name]?.[1] ?? spaced(name)
}

/** Words of a name: `bad_response` → `bad response`. */
export function spaced(name: string): string {
  return name.replaceAll('_', ' ')
}
