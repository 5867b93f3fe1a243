// One line from the gateway → a request. A line is judged strictly: whatever is odd about it did not come from the gateway.
import { isUtf8 } from 'node:buffer'
import type { StarterRequest } from '../../platform/unit-report.ts'

/** Longer than any name of a provider. */
const maxNameLength = 1_000

/** Undefined: it is not a request. */
export function readRequest(line: Buffer): StarterRequest | undefined {
  const value = parse(line)
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, id, service } = value as { kind?: unknown; id?: unknown; service?: unknown }
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) return undefined
  if (kind === 'look') return { kind, id }
  if (kind !== 'start' && kind !== 'stop') return undefined
  if (typeof service !== 'string' || service.length > maxNameLength) return undefined
  return { kind, id, service }
}

function parse(line: Buffer): unknown {
  if (!isUtf8(line)) return undefined
  try {
    return JSON.parse(line.toString()) as unknown
  } catch {
    return undefined
  }
}
