// The wire formats that clients may speak, sorted by path.
import type { ClientDialect } from './dialect.ts'
import { openAiDialects } from './openai/formats.ts'

export const clientDialects: readonly ClientDialect[] = openAiDialects
