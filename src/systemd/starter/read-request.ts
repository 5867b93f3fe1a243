// One line from the gateway → a request. A line is judged strictly: whatever is odd about it did not come from the gateway.
import { isUtf8 } from 'node:buffer'
import type { StarterRequest } from '../../platform/unit-report.ts'

/** Longer than any name of a provider or a unit. */
const maxNameLength = 1_000

/** Undefined: it is not a request. */
export function readRequest(line: Buffer): StarterRequest | undefined {
  const value = parse(line)
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, id, service, unit } = value as Readonly<Record<string, unknown>>
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) return undefined
  if (kind === 'look' || kind === 'reload') return { kind, id }
  if (kind !== 'start' && kind !== 'stop') return undefined
  if (!isName(service)) return undefined
  if (unit === undefined) return { kind, id, service }
  return isName(unit) ? { kind, id, service, unit } : undefined
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxNameLength
}

function parse(line: Buffer): unknown {
  if (!isUtf8(line)) return undefined
  try {
    return JSON.parse(line.toString()) as unknown
  } catch {
    return undefined
  }
}
