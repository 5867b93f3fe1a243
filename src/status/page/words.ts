// Names of the gateway's interface as the page shows them: with a tone, and with better words where a name needs them.
import { outcomeWords, type Tone, type Words, wordsIn } from '../outcome-words.ts'
import { stateWords } from '../state-words.ts'

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
  ...outcomeWords,
  ...stateWords,
  // Targets, services and machines.
  failed: ['bad'],
  here: ['good'],
  left: ['calm', 'stopped'],
  ready: ['good'],
  silent: ['bad'],
}

export function toneOf(name: string): Tone {
  return known[name]?.[0] ?? 'calm'
}

export function wordsOf(name: string): string {
  return wordsIn(known, name)
}
