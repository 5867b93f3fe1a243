// Names of the gateway's interface as the page shows them: with a tone, and with better words where a name needs them.
import { outcomeWords, spaced, type Tone, type Words } from '../outcome-words.ts'

/** What is not here is calm and has the words of its name. */
const known: Readonly<Record<string, Words>> = {
  good: ['good'],
  warn: ['warn'],
  bad: ['bad'],
  // The link to the gateway.
  opening: ['calm', 'Connecting'],
  live: ['good', 'Live'],
  asking: ['good', 'Every 5 s'],
  lost: ['bad', 'Reconnecting'],
  ended: ['warn', 'The gateway stops'],
  // Conditions.
  critical: ['bad'],
  warning: ['warn'],
  // Phases of calls.
  reading: ['calm', 'reading the request'],
  in_line: ['warn'],
  waiting: ['calm', 'awaiting the first token'],
  streaming: ['good'],
  whole: ['good', 'collecting the answer'],
  ...outcomeWords,
  // Providers, targets, services and machines.
  cooling: ['warn', 'cooling down'],
  failed: ['bad'],
  failing: ['warn'],
  here: ['good'],
  left: ['calm', 'stopped'],
  ready: ['good'],
  silent: ['bad'],
  unused: ['calm', 'not used yet'],
  unwell: ['bad'],
}

export function toneOf(name: string): Tone {
  return known[name]?.[0] ?? 'calm'
}

export function wordsOf(name: string): string {
  return known[name]?.[1] ?? spaced(name)
}

/** The name of how a call ended. Cancelled ones are refused ones otherwise. */
export function outcomeOf({
  outcome,
  code,
}: {
  readonly outcome: string
  readonly code: string | null
}): string {
  return code === 'call_cancelled' ? code : outcome
}
