import { randomBytes } from 'node:crypto'

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** 24 letters and digits at random, as Anthropic and OpenAI have them behind the prefixes of their ids. */
export function randomId(): string {
  let id = ''
  for (const byte of randomBytes(24)) id += letters[byte % letters.length]
  return id
}
