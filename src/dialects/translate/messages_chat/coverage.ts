// What becomes of the members of Messages at a provider that speaks chat.
import type { Coverage } from '../../coverage.ts'

export const coverage: Coverage = { request: {}, response: {} }
