// Phases of calls and states of providers as the status page and `llm-gateway status` show them.
import type { Words } from './outcome-words.ts'

export const stateWords: Readonly<Record<string, Words>> = {
  reading: ['calm', 'reading the request'],
  in_line: ['warn'],
  waiting: ['calm', 'awaiting the first token'],
  streaming: ['good'],
  whole: ['good', 'collecting the answer'],
  cooling: ['warn', 'cooling down'],
  failing: ['warn'],
  unused: ['calm', 'not used yet'],
  unwell: ['bad'],
}
