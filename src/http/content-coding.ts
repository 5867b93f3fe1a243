// The content codings of providers' bodies, which must be removed before a body can be read.
import type { Transform } from 'node:stream'
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib'

interface Coding {
  readonly decode: (body: Buffer, options: { maxOutputLength: number }) => Buffer
  readonly createDecoder: () => Transform
}

const gzip: Coding = { decode: gunzipSync, createDecoder: createGunzip }

/** By the names of RFC 9110 §8.4.1 and IANA's registry. */
const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['br', { decode: brotliDecompressSync, createDecoder: createBrotliDecompress }],
  ['deflate', { decode: inflateSync, createDecoder: createInflate }],
  ['gzip', gzip],
  ['x-gzip', gzip],
  ['zstd', { decode: zstdDecompressSync, createDecoder: createZstdDecompress }],
])

/** What servers write for a body without a coding, some of them the name of its characters by mistake. */
const noCodings: ReadonlySet<string> = new Set(['', 'identity', 'none', 'utf-8'])

function nameOf(coding: string | string[]): string {
  return String(coding).trim().toLowerCase()
}

/**
 * @param coding the value of `content-encoding`; undefined: none.
 * @returns a decoder for a body that arrives in pieces; `none` if it has no coding; undefined if its coding is unknown, or
 *   applied more than once.
 */
export function decoderFor(coding: string | string[] | undefined): Transform | 'none' | undefined {
  if (coding === undefined) return 'none'
  const name = nameOf(coding)
  return noCodings.has(name) ? 'none' : codings.get(name)?.createDecoder()
}

/**
 * @param coding the value of `content-encoding`; undefined: none.
 * @param maxBytes the longest result.
 * @returns the body without its coding; undefined if that is unknown, applied more than once or wrong, or hides too much.
 */
export function withoutCoding(
  body: Buffer,
  coding: string | string[] | undefined,
  maxBytes: number,
): Buffer | undefined {
  if (coding === undefined) return body
  const name = nameOf(coding)
  if (noCodings.has(name)) return body
  try {
    return codings.get(name)?.decode(body, { maxOutputLength: maxBytes })
  } catch {
    return undefined
  }
}
