// A key that somebody has chosen instead of generating it: nothing but its text shows how hard it is to guess.
import { maxKeyLength } from './key-format.ts'

const minLength = 32

const minBits = 128

/** Fewer different characters are a pattern, whatever the length. */
const minDistinct = 12

/** Of examples, manuals and keyboards. */
const wellKnown = [
  '12345678',
  '87654321',
  'abcdefgh',
  'changeme',
  'change-me',
  'default',
  'example',
  'letmein',
  'master-key',
  'password',
  'placeholder',
  'qwerty',
  'sk-1234',
  'your-key',
  'yourkey',
]

const classes: readonly (readonly [pattern: RegExp, size: number])[] = [
  [/[0-9]/, 10],
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[._~-]/, 4],
]

/** Why a key cannot be used. A predicate, which repeats nothing of the key. */
export function chosenKeyFault(text: string, prefix: string): string | undefined {
  if (!text.startsWith(prefix)) return `must begin with ${prefix}`
  const rest = text.slice(prefix.length)
  if (!/^[0-9A-Za-z._~-]*$/.test(rest)) return 'may hold letters, digits and . _ ~ - only'
  if (text.length < minLength || text.length > maxKeyLength)
    return `must have ${minLength} to ${maxKeyLength} characters`
  const lower = rest.toLowerCase()
  if (wellKnown.some((each) => lower.includes(each))) return 'holds a word that everybody would try'
  const size = classes.reduce((sum, [pattern, count]) => sum + (pattern.test(rest) ? count : 0), 0)
  const isWeak = rest.length * Math.log2(size) < minBits || new Set(rest).size < minDistinct
  return isWeak ? `is too easy to guess: it needs ${minBits} bits of chance` : undefined
}
