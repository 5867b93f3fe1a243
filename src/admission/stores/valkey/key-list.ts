// The list of clients' keys that gateways have from the store: the words of read-keys.lua and publish-keys.lua. What it says is
// not looked at here; the text is compressed, and goes over the connection in pieces, between which limits are exchanged.
import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import type { StoreConnection } from './connection.ts'
import { schemaVersion } from './exchange.ts'
import { newsChannel, storeKey } from './keys.ts'
import { StoreFault } from './store-fault.ts'

export interface ListInStore {
  /** As whoever wrote it says. 0: there is none. */
  readonly generation: number
  /** In base64. */
  readonly size: number
  /** Of the text. */
  readonly digest: string
  /** Machines whose gateways are there. */
  readonly machines: number
  /** Those of them that have this generation in force. */
  readonly inForce: number
}

export interface PublishedList {
  /** `newer`: the store has this generation already, or a later one. */
  readonly kind: 'stored' | 'newer'
  /** What the store has now. */
  readonly generation: number
  readonly digest: string
}

/** Characters of base64, in one command. */
const pieceLength = 262_144
const pieceTimeoutMs = 2_000
/** Another list came meanwhile, or a piece was lost. */
const attempts = 5

export class KeyListInStore {
  readonly #connection: Pick<StoreConnection, 'run'>
  readonly #prefix: string
  readonly #machine: string
  readonly #uploadId: string

  /**
   * @param machine whose gateway states what it has in force; undefined: it only reads and publishes.
   * @param uploadId unlike any other's.
   */
  constructor(
    connection: Pick<StoreConnection, 'run'>,
    parts: { readonly prefix: string; readonly machine: string | undefined; readonly uploadId: string },
  ) {
    this.#connection = connection
    this.#prefix = parts.prefix
    this.#machine = parts.machine ?? ''
    this.#uploadId = parts.uploadId
  }

  /** What is there. @param inForce the generation that this machine has in force. @throws StoreFault */
  async look(inForce: number): Promise<ListInStore> {
    return (await this.#ask(inForce, '', 0)).list
  }

  /**
   * The text of a list.
   * @param maxBytes of the text. @returns undefined when another list has taken its place. @throws StoreFault
   */
  async read(
    { digest, size }: Pick<ListInStore, 'digest' | 'size'>,
    inForce: number,
    maxBytes: number,
  ): Promise<{ readonly text: string } | { readonly fault: string } | undefined> {
    // As many characters as publish-keys.lua takes; others may have written what is there.
    if (size > 16_777_216) return { fault: `has ${size} bytes` }
    const pieces: string[] = []
    for (let offset = 0; offset < size; offset += pieceLength) {
      const { piece } = await this.#ask(inForce, digest, offset)
      if (piece === '') return undefined
      pieces.push(piece)
    }
    try {
      const packed = Buffer.from(pieces.join(''), 'base64')
      return { text: (await inflate(packed, { maxOutputLength: maxBytes })).toString('utf8') }
    } catch {
      return { fault: 'cannot be unpacked' }
    }
  }

  /**
   * Puts a list in the place of an older one, or of the one with the digest `replaces`.
   * @throws StoreFault
   */
  async publish(
    text: string,
    { generation, digest, replaces }: { generation: number; digest: string; replaces: string | undefined },
  ): Promise<PublishedList> {
    const packed = (await deflate(text, { level: 3 })).toString('base64')
    const keys = ['epoch', 'keys', 'keys:list', `keys:new:${this.#uploadId}`]
    let offset = 0
    for (let restarts = 0; ;) {
      const piece = packed.slice(offset, offset + pieceLength)
      const args = [schemaVersion, generation, digest, packed.length, offset, piece]
      const { kind, ...stored } = await this.#connection.run(
        'publish-keys',
        keys.map((key) => storeKey(this.#prefix, key)),
        [...args, replaces ?? '', newsChannel(this.#prefix)],
        pieceTimeoutMs,
      )
      if (kind === 'stored' || kind === 'newer') return { kind, ...stored }
      offset += piece.length
      if (kind === 'more' && offset < packed.length) continue
      offset = 0
      restarts += 1
      if (restarts === attempts) throw new StoreFault('refused', 'it keeps no pieces of a list of keys')
    }
  }

  async #ask(inForce: number, digest: string, offset: number): Promise<{ list: ListInStore; piece: string }> {
    const keys = ['epoch', 'keys', 'keys:list', 'keys:held', 'members']
    const { piece, ...list } = await this.#connection.run(
      'read-keys',
      keys.map((key) => storeKey(this.#prefix, key)),
      [schemaVersion, this.#machine, inForce, digest, offset, pieceLength],
      digest === '' ? undefined : pieceTimeoutMs,
    )
    return { list, piece }
  }
}

/** The generation in a message of the channel; undefined: it is about something else. */
export function publishedGeneration(message: string): number | undefined {
  const [, generation] = /^keys (\d{1,16})$/.exec(message) ?? []
  return generation === undefined ? undefined : Number(generation)
}

const deflate = promisify<string, { level: number }, Buffer>(deflateRaw)
const inflate = promisify<Buffer, { maxOutputLength: number }, Buffer>(inflateRaw)
