// The content coding of a request's body, which is removed before the body is read.
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib'

export type Coding = 'br' | 'deflate' | 'gzip' | 'zstd'

const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['br', 'br'],
  ['deflate', 'deflate'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd', 'zstd'],
])

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

/** @param start the first two bytes of the body, or what there is. */
export function createDecoder(coding: Coding, start: Buffer): Decoder {
  switch (coding) {
    case 'br':
      return createBrotliDecompress({ chunkSize })
    case 'deflate':
      // RFC 9110 means the zlib format; some send what is inside of it.
      return isZlib(start) ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize })
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
