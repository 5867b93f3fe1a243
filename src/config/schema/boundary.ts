// Schema of what calls may not leave.
import { boundaries } from '../../platform/boundary.ts'
import type { Schema } from './schema-type.ts'

export function boundary(description: string) {
  return { type: 'string', description, enum: [...boundaries] } as const satisfies Schema
}
