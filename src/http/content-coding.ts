// The content codings of bodies, which are removed only where a body must be read.
import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib'

export type Coding = 'br' | 'deflate' | 'gzip' | 'zstd'

/** By the names of RFC 9110 §8.4.1 and IANA's registry. */
const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['br', 'br'],
  ['deflate', 'deflate'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd', 'zstd'],
])

type WholeDecoder = (body: Buffer, options: { maxOutputLength: number }) => Buffer

const wholeDecoders: Readonly<Record<Coding, WholeDecoder>> = {
  br: brotliDecompressSync,
  deflate: inflateSync,
  gzip: gunzipSync,
  zstd: zstdDecompressSync,
}

/** What servers write for a body without a coding, some of them the name of its characters by mistake. */
const noCodings: ReadonlySet<string> = new Set(['', 'identity', 'none', 'utf-8'])

function nameOf(coding: string | string[]): string {
  return String(coding).trim().toLowerCase()
}

/**
 * @param coding the value of a response's `content-encoding`; undefined: none.
 * @returns a decoder for a body that arrives in pieces; `none` if it has no coding; undefined if its coding is unknown, or
 *   applied more than once.
 */
export function decoderFor(coding: string | string[] | undefined): Decoder | 'none' | undefined {
  if (coding === undefined) return 'none'
  const name = nameOf(coding)
  if (noCodings.has(name)) return 'none'
  const known = codings.get(name)
  return known && createDecoder(known)
}

/**
 * @param coding the value of a response's `content-encoding`; undefined: none.
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
  const known = codings.get(name)
  try {
    return known && wholeDecoders[known](body, { maxOutputLength: maxBytes })
  } catch {
    return undefined
  }
}

/**
 * The coding of a request's body, by its `content-encoding` with repeated lines joined.
 * @returns undefined if it is unknown or empty, or if there are several.
 */
export function codingOf(header: string | undefined): Coding | 'identity' | undefined {
  if (header === undefined) return 'identity'
  const name = header.trim().toLowerCase()
  return name === 'identity' ? name : codings.get(name)
}

/** How much is decoded at once. */
const chunkSize = 65_536

/** Of the window that a frame may ask for: 8 MiB, as RFC 9659 has it. Without it a header could claim 128 MiB. */
const maxWindowLog = 23

/** What removes a coding from bytes that are written to it; its `bytesWritten` are those that it has used. */
export type Decoder = ReturnType<typeof createGunzip>

/** @param start the first two bytes of the body, or what there is. Absent: not known yet. */
export function createDecoder(coding: Coding, start?: Buffer): Decoder {
  switch (coding) {
    case 'br':
      return createBrotliDecompress({ chunkSize })
    case 'deflate':
      // RFC 9110 means the zlib format; some send what is inside of it.
      return start === undefined || isZlib(start)
        ? createInflate({ chunkSize })
        : createInflateRaw({ chunkSize })
    case 'gzip':
      return createGunzip({ chunkSize })
    case 'zstd':
      return createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } })
    default:
      return coding satisfies never
  }
}

/** RFC 1950 §2.2. */
function isZlib([method = 0, flags = 0]: Buffer): boolean {
  return (method & 0x0f) === 8 && (method * 256 + flags) % 31 === 0
}
