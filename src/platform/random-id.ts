import { randomUUID } from 'node:crypto'

/**
 * 24 hexadecimal digits at random, behind the prefixes of ids such as Anthropic's and OpenAI's. Node draws the bytes of UUIDs
 * ahead, for many at once; what is left out of one are its groups with fixed bits (RFC 9562 §5.4).
 */
export function randomId(): string {
  const uuid = randomUUID()
  return uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(24)
}
