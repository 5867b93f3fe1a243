import type { Coverage } from '../../coverage.ts'

export const coverage: Coverage = { request: {}, response: {} }
