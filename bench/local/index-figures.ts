// What it costs to place a call by its prompt: hashing, finding and remembering it.
import { dialects } from '../../src/dialects/table.ts'
import { PrefixHasher, type PrefixHashes } from '../../src/routing/prefix-hashes.ts'
import { PrefixIndex } from '../../src/routing/prefix-index.ts'

const chat = [...dialects.keys()].find(({ name }) => name === 'chat')!
/** As calls do it. */
const bytesAtOnce = 98_304

export function benchIndex(): void {
  process.stdout.write('\nthe index of prompts, with two targets\n')
  const index = new PrefixIndex()
  for (const [size, runs] of [
    [4_096, 20_000],
    [1_000_000, 200],
  ] as const) {
    const timesUs: number[] = []
    const piecesUs: number[] = []
    for (let run = 0; run < runs; run += 1) {
      const pieces = promptOf(size, run % 50)
      const sinceMs = performance.now()
      const hasher = new PrefixHasher(pieces, [1, 2], 'user:me')
      for (let isDone = false; !isDone;) {
        const pieceMs = performance.now()
        isDone = hasher.advance(bytesAtOnce)
        piecesUs.push((performance.now() - pieceMs) * 1000)
      }
      const { hashes } = hasher
      for (const target of ['a\nm', 'b\nm']) index.find(target, hashes)
      index.add(run % 2 === 0 ? 'a\nm' : 'b\nm', hashes, run * 64)
      timesUs.push((performance.now() - sinceMs) * 1000)
    }
    const [median, piece] = [at(timesUs, 0.5), at(piecesUs, 0.9)]
    process.stdout.write(
      `  ${`${size / 1000} KB`.padStart(8)}: ${median.toFixed(1)} µs a call, 9 of 10 pieces within ${piece.toFixed(0)} µs\n`,
    )
  }
  for (const conversations of [10_000, 1_000_000]) {
    for (let each = 0; each < conversations; each += 1) index.add('a\nm', conversation(each), each * 64)
    process.stdout.write(
      `  ${(index.memory / 1e6).toFixed(1)} MB after ${conversations.toLocaleString('en')} conversations\n`,
    )
  }
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length * share)]!
}

const bodies = new Map<string, Buffer>()

/** Messages of some 800 bytes of text with quotes in it. */
function promptOf(size: number, variant: number): ConstructorParameters<typeof PrefixHasher>[0] {
  const key = `${size} ${variant % 5}`
  const body = bodies.get(key) ?? bodyOf(size, variant % 5)
  bodies.set(key, body)
  const read = chat.readRequest({ contentType: 'application/json', body })
  if (read instanceof Error) throw read
  return read.promptPieces
}

function bodyOf(size: number, variant: number): Buffer {
  const content = (turn: number) => `${variant} ${turn} ${'const name = "value" // and so on\n'.repeat(24)}`
  const messages = Array.from({ length: Math.ceil(size / 960) }, (_, turn) => ({
    role: 'user',
    content: content(turn),
  }))
  return Buffer.from(JSON.stringify({ model: 'm', messages }))
}

function conversation(number: number): PrefixHashes {
  const [one, other] = [Math.imul(number, 0x9e3779b1), Math.imul(number, 0x85ebca6b)]
  return Uint32Array.from([7, 7, 1_000, one, other, 2_000, one ^ 5, other, 3_000])
}
