// Ids of tool calls for Anthropic, which accepts letters, digits, `_` and `-` only; other servers write `functions.run:0`.
import { createHash } from 'node:crypto'

const foreignLetter = /[^\w-]/g

/**
 * The id with each foreign letter replaced, and a hash that keeps ids apart that become alike. The same for a call and its
 * result, because it depends on nothing else.
 */
export function toolIdFor(id: string): string {
  const clean = id.replaceAll(foreignLetter, '_')
  if (clean === id && id !== '') return id
  return `${clean}_${createHash('sha256').update(id).digest('hex').slice(0, 8)}`
}
